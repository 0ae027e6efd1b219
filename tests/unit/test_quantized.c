/* test_quantized - every op that has a quantized form computes on stored values, and loses no more
 * than eight bits must lose; every other op stays in float and is reported.
 *
 *   sample              x.. -> op -> y
 *   between ones        x.. -> fc -> op -> fc -> y        each fc has the identity as its weight
 *   pipelines/ptq_int8  u8 -> fc -> u8 -> op -> u8 -> fc -> y
 *     stored            what the op (or the fused op that holds it) reads and gives is 8 bits
 *     exact             the noise of y, against what rounding the op's operands and its result once
 *                       to 256 steps makes of the sample, worked out here
 *                       (twice where operands come to one scale: before and behind the fc)
 *     compiled          the interpreter's bytes
 *
 * Now and then the results of the first fc are read elsewhere, too, so that the op is in no fused
 * op with them. QCC_TABLE=1 prints what was found, an op a line; QCC_OP=NAME: one op.
 */
#include <math.h>
#include <stdlib.h>

#include "ir/ops.h"
#include "passes/manager.h"
#include "runtime/qcc.h"
#include "tests/unit/ir_test.h"
#include "tests/unit/op_samples.h"

enum { SEEDS = 24, RUNS = 8, MAX_OPS = 300, MAX_PARAMS = 16, MAX_CHANNELS = 256 };

/* Louder than theory by this much is an error of ours, not of luck. */
static const double tolerated = 2.0;

static char what[200];

/* ---- samples --------------------------------------------------------------------------------- */

typedef struct Sample {
    const char *said; /* diagnostics */
    QccIr *ir;
    QccArena *arena;
    const QccOpDef *def;
    QccRandom random;
    bool quantizable;
    QccGraph *alone, *between; /* the op by itself; the op between identities */
    QccTensor in[RUNS][MAX_PARAMS];
    QccDataset set;
} Sample;

static bool is_real(const QccValue *v)
{
    return v && v->type->dtype == QCC_F32 && !v->type->quant;
}

static QccGraph *draw(Sample *s, uint64_t seed)
{
    QccGraph *g = qcc_graph_new(s->ir, s->arena, "sample");
    qcc_random_init(&s->random, seed);
    QccSample drawn = {.graph = g, .random = &s->random};
    s->def->sample(&s->random, &drawn);
    s->quantizable = drawn.quantizable;
    return g;
}

static QccOp *the_op(const QccGraph *g)
{
    return qcc_graph_yield(g)->prev;
}

/* The value through an fc whose weight is the identity; NULL: it has no channels for that. */
static QccValue *through_identity(Sample *s, QccGraph *g, QccOp *before, QccValue *v)
{
    int rank = v->type->rank;
    int64_t n = rank ? v->type->dim[rank - 1].n : 0, dim[2] = {n, n};
    if (n < 1 || n > MAX_CHANNELS) return NULL;
    float *one = QCC_NEW_ARRAY(s->arena, n * n, float);
    for (int64_t i = 0; i < n; i++) one[i * n + i] = 1;
    QccValue *in[2] = {
        v, qcc_const_new(g, before, NULL, qcc_blob(s->arena, QCC_F32, 2, dim, one, false), NULL)};
    QccOp *fc;
    ck_assert_int_eq(qcc_op_new(&fc, g, before, &qcc_op_fc, (QccLoc){0}, NULL, in, 2, NULL),
                     QCC_OK);
    return &fc->out[0];
}

/* false: the op has nothing real to read or gives nothing real. */
static bool put_between(Sample *s, QccGraph *g, bool read_elsewhere)
{
    QccOp *op = the_op(g);
    QccValue *result[MAX_PARAMS + 1];
    int n = 1;
    if (op->nout != 1 || !is_real(&op->out[0])) return false;
    for (int i = 0; i < op->nin; i++) {
        QccValue *v = op->in[i].value;
        if (!is_real(v) || qcc_value_const(v)) continue;
        QccValue *through = through_identity(s, g, op, v);
        if (!through || n > MAX_PARAMS) return false;
        qcc_op_set_operand(op, i, through);
        if (read_elsewhere) result[n] = through;
        n++;
    }
    result[0] = through_identity(s, g, NULL, &op->out[0]);
    if (n == 1 || !result[0]) return false;
    qcc_graph_set_results(g, result, read_elsewhere ? n : 1);
    return true;
}

/* false: not this one. */
static bool make_sample(Sample *s, uint64_t seed)
{
    s->alone = draw(s, seed);
    s->between = draw(s, seed);
    QccGraph *g = s->between;
    if (s->def->quant.kind != QCC_QUANT_FLOAT && !s->quantizable) return false;
    if (g->nparam > MAX_PARAMS) return false;
    /* What a fused op holds is real between stored values, so an op without a form must be alone.
     */
    if (!put_between(s, g, s->def->quant.kind == QCC_QUANT_FLOAT || seed % 2 == 1)) return false;
    for (int i = 0; i < g->nparam; i++)
        if (qcc_type_bytes(g->param[i]->type) == 0) return false;
    for (int k = 0; k < RUNS; k++) {
        for (int i = 0; i < g->nparam; i++) {
            const QccType *t = g->param[i]->type;
            bool index = t->dtype == QCC_I64 || t->dtype == QCC_I32; /* 0 fits everywhere */
            s->in[k][i] =
                index ? qcc_tensor_new(s->arena, t) : random_input(&s->random, s->arena, t);
        }
    }
    return true;
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Whole runs, also where the pass reads a batch of samples one by one. */
static QccStatus read_sample(void *self, int64_t index, const QccTensor *out)
{
    const Sample *s = self;
    int64_t batch = s->in[0][0].count / out[0].count;
    for (int i = 0; i < s->between->nparam; i++) {
        const QccTensor *all = &s->in[index / batch][i];
        size_t bytes = (size_t)(qcc_type_bytes(all->type) / batch);
        memcpy(out[i].data, (const char *)all->data + (size_t)(index % batch) * bytes, bytes);
    }
    return QCC_OK;
}

/* One sample a run, unless all parameters agree on a batch. */
static int64_t batch_of(const QccGraph *g)
{
    for (int i = 0; i < g->nparam; i++) {
        const QccType *t = g->param[i]->type;
        if (!t->rank || t->dim[0].n != g->param[0]->type->dim[0].n) return 1;
    }
    return g->param[0]->type->dim[0].n;
}

static QccStatus open_data(void *user, QccDataset **data, const QccGraph *g)
{
    Sample *s = user;
    s->set = (QccDataset){.self = s, .count = RUNS * batch_of(g), .read = read_sample};
    *data = &s->set;
    return QCC_OK;
}

static const char *pipeline_text(QccArena *arena)
{
    const char *root = getenv("QCC_SOURCE");
    FILE *f = fopen(qcc_sprintf(arena, "%s/pipelines/ptq_int8.yaml", root ? root : "."), "rb");
    ck_assert_ptr_nonnull(f);
    QccBuf b;
    qcc_buf_init(&b, arena);
    char part[1024];
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) qcc_buf_add(&b, part, (int64_t)n);
    fclose(f);
    return b.data;
}

/* Quantizes s->between; *report: what --report-unfused says. */
static void quantize(Sample *s, QccModule *m, const char **report)
{
    QccPipeline *p;
    QccRemarks remarks;
    QccBuf buf;
    qcc_remarks_init(&remarks, s->arena);
    qcc_buf_init(&buf, s->arena);
    const char *text = pipeline_text(s->arena);
    /* Theory is that of whole ranges: which numbers are worth being clipped is another question. */
    const char *const set[] = {"calibrate.method=minmax", NULL};
    QccPassRun run = {
        .open_data = open_data, .data_user = s, .verify_each = true, .remarks = &remarks};
    *m = (QccModule){.graph = s->between};
    ck_assert_int_eq(qcc_pipeline_parse(&p, qcc_pass_registry_new(s->arena), s->ir, s->arena, "p",
                                        text, (int64_t)strlen(text), set, m->graph),
                     QCC_OK);
    ck_assert_msg(qcc_pipeline_run(p, m, &run) == QCC_OK, "%s: %s", what, s->said);
    qcc_unfused_print(&buf, m->graph, &remarks, NULL, NULL);
    *report = buf.data;
}

/* ---- stored values --------------------------------------------------------------------------- */

/* The op, or the fused op that holds it, from `from` on; NULL: there is none. */
static const QccOp *holder(const QccOp *from, const QccOpDef *def)
{
    for (const QccOp *op = from; op; op = op->next) {
        if (op->def == def) return op;
        bool fused = op->def == &qcc_op_fused;
        for (const QccOp *inner = fused ? op->body->first : NULL; inner; inner = inner->next)
            if (inner->def == def) return op;
    }
    return NULL;
}

static const char *text_of(Sample *s, const QccModule *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, s->arena);
    qcc_module_print(&buf, m, QCC_BLOBS_INLINE, NULL);
    return buf.data;
}

/* Whether op, or what holds it, reads no reals that are computed, and gives none that are read. */
static bool is_stored(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        if (is_real(v) && !qcc_value_const(v)) return false;
    }
    for (const QccUse *use = op->out[0].uses; use && is_real(&op->out[0]); use = use->next)
        if (!(use->user->def->traits & QCC_TRAIT_TERMINATOR)) return false;
    return true;
}

/* ---- what theory allows ---------------------------------------------------------------------- */

typedef struct Range {
    double lo, hi;
} Range;

static void widen(Range *r, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        r->lo = fmin(r->lo, (double)x[i]);
        r->hi = fmax(r->hi, (double)x[i]);
    }
}

/* x to the nearest of 256 steps over the range. */
static void round_to(Range r, float *x, int64_t n)
{
    double step = (r.hi - r.lo) / 255;
    if (step == 0) return;
    double zero = rint(-r.lo / step);
    for (int64_t i = 0; i < n; i++) {
        double q = fmin(fmax(rint((double)x[i] / step) + zero, 0), 255);
        x[i] = (float)((q - zero) * step);
    }
}

/* The weights of a contraction: 255 steps around 0 for each output channel. */
static void round_weights(Sample *s, QccGraph *g)
{
    const QccQuantRule *rule = &s->def->quant;
    QccOp *op = the_op(g);
    QccValue *w = rule->kind == QCC_QUANT_AFFINE ? op->in[rule->weight].value : NULL;
    const QccBlob *blob = w ? qcc_value_const(w) : NULL;
    if (!blob) return;
    QccBlob *rounded = qcc_blob(s->arena, QCC_F32, blob->rank, blob->dim, blob->data, true);
    int axis = rule->weight_axis < 0 ? rule->weight_axis + blob->rank : rule->weight_axis;
    int64_t inner = 1, n = qcc_type_count(w->type), channels = blob->dim[axis];
    for (int i = axis + 1; i < blob->rank; i++) inner *= blob->dim[i];
    float *x = (float *)rounded->data;
    for (int64_t c = 0; c < channels; c++) {
        double most = 0;
        for (int64_t i = 0; i < n; i++)
            if (i / inner % channels == c) most = fmax(most, fabs((double)x[i]));
        for (int64_t i = 0; i < n && most > 0; i++)
            if (i / inner % channels == c)
                x[i] = (float)(rint((double)x[i] / most * 127) * most / 127);
    }
    qcc_op_set_operand(op, rule->weight, qcc_const_new(g, op, NULL, rounded, NULL));
}

static QccTensor run_alone(Sample *s, const QccTensor *in)
{
    QccTensor out = qcc_tensor_new(s->arena, qcc_graph_result(s->alone, 0)->type);
    ck_assert_msg(qcc_interp_run(s->alone, in, &out, NULL, NULL) == QCC_OK, "%s", what);
    return out;
}

typedef struct Noise {
    double signal, theory, ours;
    int64_t count;
} Noise;

/* The signal, and the noise of rounding operands and result, over all runs. */
static void add_theory(Sample *s, Noise *noise, QccTensor *exact)
{
    Range in[MAX_PARAMS] = {0}, out = {0}, shared;
    const QccQuantRule *rule = &s->def->quant;
    int n = s->alone->nparam;
    for (int k = 0; k < RUNS; k++) {
        exact[k] = run_alone(s, s->in[k]);
        widen(&out, exact[k].data, exact[k].count);
        for (int i = 0; i < n; i++)
            if (is_real(s->alone->param[i])) widen(&in[i], s->in[k][i].data, s->in[k][i].count);
    }
    shared = out;
    for (int i = 0; i < n; i++) {
        shared.lo = fmin(shared.lo, in[i].lo);
        shared.hi = fmax(shared.hi, in[i].hi);
    }
    bool same = rule->kind == QCC_QUANT_SAME_SCALE;
    if (same) out = shared;
    /* A range that the op gives, unless a whole bit of it would be for nothing. */
    if (rule->kind == QCC_QUANT_FIXED && 2 * (out.hi - out.lo) >= 255 * (double)rule->scale) {
        out.lo = (double)rule->scale * (0 - rule->zero);
        out.hi = (double)rule->scale * (255 - rule->zero);
    }
    round_weights(s, s->alone);
    for (int k = 0; k < RUNS; k++) {
        QccTensor rounded[MAX_PARAMS];
        for (int i = 0; i < n; i++) {
            rounded[i] = qcc_tensor_new(s->arena, s->in[k][i].type);
            memcpy(rounded[i].data, s->in[k][i].data, (size_t)qcc_type_bytes(rounded[i].type));
            if (!is_real(s->alone->param[i])) continue;
            round_to(in[i], rounded[i].data, rounded[i].count);            /* what the fc reads */
            if (same) round_to(shared, rounded[i].data, rounded[i].count); /* and gives */
        }
        QccTensor y = run_alone(s, rounded);
        round_to(out, y.data, y.count);
        for (int64_t i = 0; i < y.count; i++) {
            double want = (double)((const float *)exact[k].data)[i];
            double error = (double)((const float *)y.data)[i] - want;
            noise->signal += want * want;
            noise->theory += error * error;
        }
        noise->count += y.count;
    }
}

static void add_ours(Sample *s, Noise *noise, const QccTensor *exact, const QccTensor *got)
{
    (void)s;
    for (int64_t i = 0; i < exact->count; i++) {
        double error =
            (double)((const float *)got->data)[i] - (double)((const float *)exact->data)[i];
        noise->ours += error * error;
    }
}

/* ---- compiled code --------------------------------------------------------------------------- */

static QccSession *open_session(const QccModel *model, bool interpret, QccProgram **program)
{
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    QccSessionOptions how = QCC_INIT(QccSessionOptions);
    QccSession *session;
    options.interpret = interpret;
    ck_assert_msg(qcc_program_new(program, model, &options) == QCC_OK, "%s", what);
    ck_assert_int_eq(qcc_session_new(&session, *program, &how), QCC_OK);
    return session;
}

/* Runs the quantized module by both engines over every run; the results of the first. */
static void run_compiled(Sample *s, QccContext *context, const QccModule *m, const char *text,
                         QccTensor got[RUNS])
{
    QccModel *model;
    QccProgram *program[2];
    ck_assert_int_eq(qcc_model_from_memory(&model, context, "m.qir", text, (int64_t)strlen(text)),
                     QCC_OK);
    int nout = qcc_graph_result_count(m->graph);
    QccSession *session[2] = {open_session(model, true, &program[0]),
                              open_session(model, false, &program[1])};
    for (int k = 0; k < RUNS; k++) {
        QccBuffer in[MAX_PARAMS] = {0}, out[2][MAX_PARAMS + 1] = {0};
        QccTensor t[2][MAX_PARAMS + 1];
        for (int i = 0; i < m->graph->nparam; i++)
            in[i] = (QccBuffer){.data = s->in[k][i].data, .dtype = s->in[k][i].type->dtype};
        for (int e = 0; e < 2; e++) {
            for (int i = 0; i < nout; i++) {
                t[e][i] = qcc_tensor_new(s->arena, qcc_graph_result(m->graph, i)->type);
                out[e][i] = (QccBuffer){.data = t[e][i].data, .dtype = t[e][i].type->dtype};
            }
            ck_assert_msg(qcc_session_run(session[e], in, m->graph->nparam, out[e], nout) == QCC_OK,
                          "%s", what);
        }
        for (int i = 0; i < nout; i++)
            ck_assert_msg(!memcmp(t[0][i].data, t[1][i].data, (size_t)qcc_type_bytes(t[0][i].type)),
                          "%s: compiled code gives other bytes\n%s", what, text);
        got[k] = t[0][0];
    }
    for (int e = 0; e < 2; e++) {
        qcc_session_free(session[e]);
        qcc_program_free(program[e]);
    }
    qcc_model_free(model);
}

/* ---- the test -------------------------------------------------------------------------------- */

typedef struct Found {
    int samples, gone; /* gone: a pass has made something else of the op */
    double worst;      /* noise over that of theory */
    double sqnr;       /* of the worst sample, dB */
} Found;

static void check_stored(Sample *s, QccContext *context, const QccModule *m, Found *found)
{
    const char *text = text_of(s, m);
    int holders = 0;
    for (const QccOp *op = m->graph->first; (op = holder(op, s->def)); op = op->next) {
        ck_assert_msg(is_stored(op), "%s: %%%s reads or gives reals\n%s", what, op->out[0].name,
                      text);
        holders++;
    }
    found->gone += !holders;
    QccTensor exact[RUNS], got[RUNS];
    Noise noise = {0};
    add_theory(s, &noise, exact);
    run_compiled(s, context, m, text, got);
    for (int k = 0; k < RUNS; k++) add_ours(s, &noise, &exact[k], &got[k]);
    /* Where rounding costs next to nothing: f32's own error. */
    double least = noise.signal * 1e-12, ratio = noise.ours / fmax(noise.theory, least);
    if (ratio >= found->worst && noise.signal > 0) {
        found->worst = ratio;
        found->sqnr = 10 * log10(noise.signal / fmax(noise.ours, least));
    }
    ck_assert_msg(ratio <= tolerated, "%s: %.2f times the noise of rounding once, %.1f dB\n%s",
                  what, ratio, 10 * log10(noise.signal / noise.ours), text);
}

static void check_reported(Sample *s, const QccModule *m, const char *report, Found *found)
{
    const QccOp *op = holder(m->graph->first, s->def);
    found->gone += !op;
    if (!op) return;
    for (int i = 0; i < op->nin && op->def != &qcc_op_fused; i++)
        ck_assert_msg(!op->in[i].value || !op->in[i].value->type->quant, "%s reads stored values",
                      what);
    char blocked[100];
    snprintf(blocked, sizeof blocked, "blocked by '%s' %%", s->def->name);
    const char *line = strstr(report, blocked);
    ck_assert_msg(line != NULL, "%s is not reported\n%s%s", what, report, text_of(s, m));
    ck_assert_msg(strstr(line, "has no quantized form; ") && strstr(line, " bytes"), "%s", report);
}

static void check_op(Sample *s, QccContext *context, Found *found)
{
    for (uint64_t seed = 0; seed < SEEDS && found->samples < 6; seed++) {
        const char *report;
        QccModule m;
        snprintf(what, sizeof what, "%s, seed %llu", s->def->name, (unsigned long long)seed);
        if (!make_sample(s, seed)) continue;
        quantize(s, &m, &report);
        found->samples++;
        if (s->def->quant.kind != QCC_QUANT_FLOAT)
            check_stored(s, context, &m, found);
        else
            check_reported(s, &m, report, found);
    }
}

static int number;

static void check_numbered(Fixture *f)
{
    const char *only = getenv("QCC_OP");
    const QccOpDef *def = number < f->ir->nop ? f->ir->op[number] : NULL;
    if (!def || !def->sample || (only && strcmp(only, def->name) != 0)) return;
    if (def == &qcc_op_quantize || def == &qcc_op_dequantize) return;
    QccContextOptions options = QCC_INIT(QccContextOptions);
    QccContext *context;
    Found found = {0};
    Sample s = {.said = f->said, .ir = f->ir, .arena = f->arena, .def = def};
    options.module_path = getenv("QCC_LLVM_MODULE");
    options.no_cache = true;
    ck_assert_int_eq(qcc_context_new(&context, &options), QCC_OK);
    check_op(&s, context, &found);
    qcc_context_free(context);
    bool has_form = def->quant.kind != QCC_QUANT_FLOAT;
    ck_assert_msg(!has_form || found.samples > 0, "%s: no sample is quantizable", def->name);
    if (!getenv("QCC_TABLE")) return;
    printf("%-18s %-6s %2d samples, %d gone", def->name, has_form ? "stored" : "float",
           found.samples, found.gone);
    if (has_form) printf(", %5.2f times theory, %5.1f dB", found.worst, found.sqnr);
    printf("\n");
}

START_TEST(every_op)
{
    number = _i;
    with_ir(check_numbered);
}
END_TEST

int main(void)
{
    if (!getenv("QCC_LLVM_MODULE")) {
        printf("skipped: no LLVM module\n");
        return 77;
    }
    Suite *suite = suite_create("quantized");
    TCase *tc = tcase_create("quantized");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_op, 0, MAX_OPS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
