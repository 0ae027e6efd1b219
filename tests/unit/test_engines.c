/* test_engines - random samples of every op: compiled code gives the interpreter's bytes.
 *
 *   sample -> plain | quantized | with steps behind it, fused
 *     -> the interpreter                                   -> every value
 *     -> lowered for each bundle, with taps and without -> compiled -> run in random parts
 *        over guarded buffers                              -> the same bytes
 *
 * For bundles that this machine lacks instructions of, the kernels are compiled, not run.
 * A NaN equals any NaN; everything else is compared as bytes. QCC_SEEDS=N: seeds an op;
 * QCC_OP=NAME, QCC_SEED=N: one op, one seed.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>

#include "ir/ops.h"
#include "passes/manager.h"
#include "runtime/context.h"
#include "runtime/pool.h"
#include "tests/kernel_code.h"
#include "tests/unit/op_samples.h"
#include "tests/unit/run_lowered.h"

enum { DEFAULT_SEEDS = 3, BATCH = 8, MAX_OPS = 300 };

typedef enum Form { PLAIN, QUANTIZED, FUSED, FORMS } Form;

static const char *const form_name[FORMS] = {"plain", "quantized", "fused"};

static QccMem mem;
static QccIr *ir;
static const QccCodegen *codegen;
static const QccOpDef *sampled;
static char what[200]; /* the case at work, for who dies */

/* Of all tests, which run as processes of their own. */
static struct Totals {
    int64_t samples, fused, kernels, runs, values, evals, differences;
} *totals;

static void print_diagnostic(void *user, const QccDiagnostic *d)
{
    (void)user;
    fprintf(stderr, "%s: %s\n", what, d->message);
}

static void die_named(int signal)
{
    ssize_t ignored = write(2, what, strlen(what));
    ignored = write(2, ": crashed\n", 10);
    (void)ignored;
    raise(signal); /* the default action: SA_RESETHAND */
}

/* ---- samples --------------------------------------------------------------------------------- */

/* One sample and what the interpreter made of it. */
typedef struct Sample {
    uint64_t seed;
    Form form;
    QccArena *arena;
    QccGraph *graph;
    QccTensor *in;
    Seen want;
} Sample;

static const QccOpDef *const steps[] = {
    &qcc_op_relu, &qcc_op_abs, &qcc_op_hard_swish, &qcc_op_sigmoid, &qcc_op_leaky_relu,
    &qcc_op_add,  &qcc_op_sub, &qcc_op_mul,        &qcc_op_max,     &qcc_op_min};

static QccDtype random_dtype(QccRandom *r)
{
    return qcc_random_range(r, 0, 3) ? QCC_U8 : QCC_I8;
}

static int run_passes(QccGraph *g, QccArena *arena, const char *passes)
{
    QccModule module = {.graph = g};
    QccPassRun run = {.verify_each = true};
    QccPipeline *pipeline;
    const QccPassRegistry *registry = qcc_pass_registry_new(arena);
    if (qcc_pipeline_parse(&pipeline, registry, ir, arena, "test", passes, (int64_t)strlen(passes),
                           NULL, g) != QCC_OK)
        return 1;
    return qcc_pipeline_run(pipeline, &module, &run);
}

/* Now and then a value that the next step reads is rounded. */
static void round_some(QccRandom *r, QccValue *v)
{
    if (qcc_random_range(r, 0, 3) == 0)
        qcc_value_set_type(v, random_quantized(ir, r, v->type, random_dtype(r)));
}

/* Elementwise steps behind the sample's op, and mostly a rounding; then the pass that fuses. */
static bool make_fused(QccRandom *r, QccArena *arena, QccGraph *g, QccOp *op, bool quantizable)
{
    const QccQuant *shared;
    if (op->nout != 1 || op->out[0].type->dtype != QCC_F32 || op->out[0].type->quant) return false;
    if (quantizable && qcc_random_bool(r) &&
        !quantize_operands(r, arena, op, random_dtype(r), &shared))
        return false;
    QccValue *v = &op->out[0];
    for (int64_t n = qcc_random_range(r, 1, 3); n > 0; n--) {
        const QccOpDef *def = steps[qcc_random_range(r, 0, sizeof steps / sizeof *steps - 1)];
        round_some(r, v);
        QccValue *in[2] = {v, v};
        if (def->min_in == 2) {
            const QccType *t = v->type;
            if (qcc_random_bool(r)) t = random_quantized(ir, r, t, random_dtype(r));
            in[1] = qcc_graph_add_param(g, NULL, t);
            if (qcc_random_bool(r)) {
                in[0] = in[1];
                in[1] = v;
            }
        }
        ck_assert_int_eq(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, in, def->min_in, NULL),
                         QCC_OK);
        v = &op->out[0];
    }
    if (qcc_random_range(r, 0, 2))
        qcc_value_set_type(v, random_quantized(ir, r, v->type, random_dtype(r)));
    qcc_graph_set_results(g, &v, 1);
    ck_assert_int_eq(run_passes(g, arena, "qcc: 1\npasses: [fuse-requant]\n"), QCC_OK);
    QCC_FOR_OPS(o, g) totals->fused += o->body != NULL;
    return true;
}

/* Now and then what is not an ordinary number. */
static void make_odd(QccRandom *r, QccTensor *t)
{
    static const float odd[] = {0.0F,   -0.0F, INFINITY, -INFINITY, NAN,
                                1e-40F, 3e38F, -3e38F,   0x1p-126F, 0.5F};
    if (t->type->dtype != QCC_F32 || t->count == 0) return;
    for (int64_t n = (t->count + 7) / 8; n > 0; n--)
        ((float *)t->data)[qcc_random_range(r, 0, t->count - 1)] = odd[qcc_random_range(r, 0, 9)];
}

static void interpret(Sample *s, QccGraph *g, QccTensor *out, Seen *seen)
{
    for (int i = 0; i < qcc_graph_result_count(g); i++)
        out[i] = qcc_tensor_new(s->arena, qcc_graph_result(g, i)->type);
    ck_assert_msg(qcc_interp_run(g, s->in, out, seen ? see : NULL, seen) == QCC_OK, "%s", what);
}

/* false: there is no such form of the sample. */
static bool make_sample(Sample *s, uint64_t seed, Form form)
{
    QccRandom r;
    qcc_random_init(&r, seed);
    *s = (Sample){.seed = seed, .form = form, .arena = qcc_arena_new(&mem)};
    s->graph = qcc_graph_new(ir, s->arena, "sample");
    s->want.arena = s->arena;
    QccSample drawn = {.graph = s->graph, .random = &r};
    sampled->sample(&r, &drawn);
    QccOp *op = qcc_graph_yield(s->graph)->prev;
    bool made = form == PLAIN;
    if (form == QUANTIZED)
        made = drawn.quantizable && quantize_sample(&r, s->arena, op, random_dtype(&r));
    if (form == FUSED) made = make_fused(&r, s->arena, s->graph, op, drawn.quantizable);
    if (!made) {
        qcc_arena_free(s->arena);
        return false;
    }
    ck_assert_msg(qcc_graph_verify(s->graph) == QCC_OK, "%s", what);
    s->in = QCC_NEW_ARRAY(s->arena, s->graph->nparam + 1, QccTensor);
    for (int i = 0; i < s->graph->nparam; i++) {
        s->in[i] = random_input(&r, s->arena, s->graph->param[i]->type);
        if (seed % 3 == 2) make_odd(&r, &s->in[i]);
    }
    /* As programs are made: signed activations become unsigned, which changes no result. */
    int nout = qcc_graph_result_count(s->graph);
    QccTensor *before = QCC_NEW_ARRAY(s->arena, nout + 1, QccTensor);
    QccTensor *after = QCC_NEW_ARRAY(s->arena, nout + 1, QccTensor);
    interpret(s, s->graph, before, NULL);
    ck_assert_int_eq(qcc_unsign(s->graph), QCC_OK);
    interpret(s, s->graph, after, &s->want);
    for (int i = 0; i < nout; i++)
        ck_assert_msg(
            memcmp(before[i].data, after[i].data, (size_t)qcc_type_bytes(before[i].type)) == 0,
            "%s: unsigned activations change a result", what);
    return true;
}

/* ---- code ------------------------------------------------------------------------------------ */

typedef struct Code {
    const char *text; /* with the target: equal texts are one kernel */
    const QccKernel *kernel;
    const QccTarget *target;
    QccMem mem; /* kernels are compiled at once */
    QccArena *arena;
    QccKernelFn *fn;
    const char *error;
} Code;

typedef struct Codes {
    QccArena *arena;
    int64_t n, cap;
    Code **code;
} Codes;

static Code *add_code(Codes *c, const QccKernel *k, const QccTarget *t)
{
    QccBuf text;
    qcc_buf_init(&text, c->arena);
    qcc_kernel_print(&text, k, true);
    qcc_buf_printf(&text, "target %s\n", t->name);
    for (int64_t i = 0; i < c->n; i++)
        if (strcmp(c->code[i]->text, text.data) == 0) return c->code[i];
    c->code = qcc_grow(c->arena, c->code, c->n, &c->cap, sizeof(Code *));
    Code *code = c->code[c->n++] = QCC_NEW(c->arena, Code);
    *code = (Code){.text = text.data, .kernel = k, .target = t};
    return code;
}

static void compile_guarded(void *user)
{
    Code *c = user;
    size_t size;
    c->error = "no code";
    c->fn = compile_kernel(codegen, c->kernel, c->target, c->arena, &size, &c->error);
}

static void compile_codes(void *user, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        Code *c = ((Code **)user)[i];
        c->arena = qcc_arena_new(&c->mem);
        if (c->arena) qcc_mem_protect(&c->mem, compile_guarded, c);
    }
}

static void free_codes(Codes *c)
{
    for (int64_t i = 0; i < c->n; i++) qcc_arena_free(c->code[i]->arena);
    qcc_arena_free(c->arena);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* A sample lowered for a bundle. */
typedef struct Run {
    const Sample *sample;
    QccLowered *lowered;
    Code **code; /* one a kernel */
    bool taps;
    QccRandom random;
} Run;

/* Parts of random sizes, in turn from either end. */
static void run_in_parts(const Lowered *lowered, const QccStep *step, void *const *arg)
{
    Run *run = lowered->user;
    QccKernelFn *fn = run->code[step->kernel]->fn;
    int64_t begin = 0, end = step->work;
    while (begin < end) {
        int64_t n = qcc_random_range(&run->random, 1, end - begin);
        bool first = qcc_random_bool(&run->random);
        int64_t from = first ? begin : end - n;
        fn(arg, from, from + n);
        if (first)
            begin += n;
        else
            end -= n;
    }
}

static bool is_nan(QccDtype dtype, const void *p)
{
    float f;
    double d;
    uint16_t h;
    switch (dtype) {
    case QCC_F32: memcpy(&f, p, sizeof f); return f != f;
    case QCC_F64: memcpy(&d, p, sizeof d); return d != d;
    case QCC_F16: memcpy(&h, p, sizeof h); return (h & 0x7fff) > 0x7c00;
    case QCC_BF16: memcpy(&h, p, sizeof h); return (h & 0x7fff) > 0x7f80;
    default: return false;
    }
}

static void compare_value(const Run *run, const QccValue *v, const char *got)
{
    const char *want = seen(&run->sample->want, v);
    QccDtype dtype = v->type->dtype;
    int64_t bytes = qcc_type_bytes(v->type), width = qcc_dtype_size(dtype, 1);
    totals->values++;
    for (int64_t i = 0; i < bytes; i += width) {
        if (memcmp(got + i, want + i, (size_t)width) == 0) continue;
        if (is_nan(dtype, got + i) && is_nan(dtype, want + i)) continue;
        printf("%s: %%%s differs at element %lld of %lld\n"
               "    alone: QCC_OP=%s QCC_SEED=%llu ctest -R test_engines -V\n",
               what, v->name, (long long)(i / width), (long long)(bytes / width), sampled->name,
               (unsigned long long)run->sample->seed);
        totals->differences++;
        return;
    }
}

static void execute(Run *run)
{
    const Sample *s = run->sample;
    const QccLowered *l = run->lowered;
    Lowered lowered = {.kernel = run_in_parts, .user = run};
    snprintf(what, sizeof what, "%s, seed %llu, %s, %s%s", sampled->name,
             (unsigned long long)s->seed, form_name[s->form], l->target->name,
             run->taps ? " with taps" : "");
    for (int i = 0; i < l->nkernel; i++)
        ck_assert_msg(run->code[i]->fn != NULL, "%s: %s\n%s", what, run->code[i]->error,
                      run->code[i]->text);
    if (!qcc_target_runs_here(l->target)) return;
    for (int i = 0; i < l->nstep; i++) totals->evals += l->step[i].kind == QCC_STEP_EVAL;
    lowered_open(&lowered, l, s->in);
    ck_assert_int_eq(lowered_run(&lowered, &mem), QCC_OK);
    ck_assert_msg(lowered_is_intact(&lowered, s->in),
                  "%s: a guard, an input or a constant was overwritten", what);
    for (int i = 0; i < qcc_graph_result_count(s->graph); i++)
        compare_value(run, qcc_graph_result(s->graph, i), lowered.output[i].data);
    for (int i = 0; run->taps && i < l->nplace; i++) {
        const QccValue *v = l->place[i].value;
        if (!seen(&s->want, v)) continue; /* inside a fused op */
        char *got = malloc((size_t)qcc_type_bytes(v->type) + 1);
        lowered_read(&lowered, &l->place[i], got);
        compare_value(run, v, got);
        free(got);
    }
    lowered_close(&lowered);
    totals->runs++;
}

static Run *add_runs(const Sample *s, Codes *codes, Run *run)
{
    int ntarget;
    const QccTarget *target = qcc_targets_tested(&ntarget);
    for (int i = 0; i < 2 * ntarget; i++) {
        if (!target_is_wanted(&target[i / 2])) continue;
        if (i % 2 == 1 && !qcc_target_runs_here(&target[i / 2])) continue;
        *run = (Run){.sample = s, .taps = i % 2 == 1};
        qcc_random_init(&run->random, s->seed);
        QccLowerOptions options = {.taps = run->taps};
        ck_assert_int_eq(qcc_lower(&run->lowered, s->arena, s->graph, &target[i / 2], &options),
                         QCC_OK);
        int n = run->lowered->nkernel;
        run->code = QCC_NEW_ARRAY(s->arena, n + 1, Code *);
        for (int k = 0; k < n; k++)
            run->code[k] = add_code(codes, run->lowered->kernel[k], &target[i / 2]);
        run++;
    }
    return run;
}

/* Compiles what a batch of seeds needs at once, on all CPUs. */
static void check_batch(uint64_t first, uint64_t n)
{
    int ntarget, nsample = 0;
    qcc_targets_tested(&ntarget);
    Codes codes = {.arena = qcc_arena_new(&mem)};
    Sample *sample = QCC_NEW_ARRAY(codes.arena, (int64_t)n * FORMS, Sample);
    Run *run = QCC_NEW_ARRAY(codes.arena, (int64_t)n * FORMS * 2 * ntarget, Run), *end = run;
    for (uint64_t i = 0; i < n * FORMS; i++) {
        uint64_t seed = first + i / FORMS;
        snprintf(what, sizeof what, "%s, seed %llu, %s", sampled->name, (unsigned long long)seed,
                 form_name[i % FORMS]);
        if (!make_sample(&sample[nsample], seed, (Form)(i % FORMS))) continue;
        end = add_runs(&sample[nsample++], &codes, end);
    }
    QccArena *scratch = qcc_arena_new(&mem);
    QccPool *pool = qcc_pool_new(scratch, qcc_threads_available());
    ck_assert_ptr_nonnull(pool);
    qcc_pool_run(pool, compile_codes, codes.code, codes.n, 1);
    qcc_arena_free(scratch);
    totals->samples += nsample;
    totals->kernels += codes.n;
    for (; run < end; run++) execute(run);
    for (int i = 0; i < nsample; i++) qcc_arena_free(sample[i].arena);
    free_codes(&codes);
}

static void check_op(void *user)
{
    (void)user;
    const char *seeds = getenv("QCC_SEEDS"), *seed = getenv("QCC_SEED");
    uint64_t first = seed ? strtoull(seed, NULL, 10) : 0;
    uint64_t n = seed ? 1 : seeds ? strtoull(seeds, NULL, 10) : DEFAULT_SEEDS;
    for (uint64_t i = 0; i < n; i += BATCH) check_batch(first + i, n - i < BATCH ? n - i : BATCH);
}

START_TEST(samples)
{
    const char *only = getenv("QCC_OP");
    ir = qcc_ir_new(&mem, print_diagnostic, NULL);
    ck_assert_ptr_nonnull(ir);
    ck_assert_int_le(ir->nop, MAX_OPS);
    if (_i < ir->nop && ir->op[_i]->sample && (!only || strcmp(only, ir->op[_i]->name) == 0)) {
        sampled = ir->op[_i];
        int64_t before = totals->differences;
        ck_assert(qcc_mem_protect(&mem, check_op, NULL));
        ck_assert_msg(totals->differences == before, "%s: %d values differ", sampled->name,
                      (int)(totals->differences - before));
    }
    qcc_ir_free(ir);
}
END_TEST

int main(void)
{
    if (!(codegen = open_codegen())) return 77;
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED) return 1;
    struct sigaction action = {.sa_handler = die_named, .sa_flags = SA_RESETHAND};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    int ntarget;
    const QccTarget *target = qcc_targets_tested(&ntarget);
    for (int i = 0; i < ntarget; i++)
        if (!qcc_target_runs_here(&target[i]))
            printf("%s: compiled only, this machine does not run it\n", target[i].name);
    Suite *suite = suite_create("engines");
    TCase *tcase = tcase_create("engines");
    tcase_set_timeout(tcase, 3600);
    tcase_add_loop_test(tcase, samples, 0, MAX_OPS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    printf("%lld samples with %lld fused ops, %lld kernels, %lld runs, %lld through eval, "
           "%lld values compared, %lld differ\n",
           (long long)totals->samples, (long long)totals->fused, (long long)totals->kernels,
           (long long)totals->runs, (long long)totals->evals, (long long)totals->values,
           (long long)totals->differences);
    return failed != 0 || totals->values == 0;
}
