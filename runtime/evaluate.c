/* evaluate - runs a program, and a reference beside it, over data: accuracy, agreement, SQNR. */
#include <math.h>
#include <string.h>

#include "ir/ops.h"
#include "runtime/context.h"

/* One of the two programs: a session and its first output. */
typedef struct Side {
    QccProgram *cut; /* the program without its final softmax, ours; NULL: the given one serves */
    const QccProgram *program;
    QccSession *session;
    QccBuffer *outputs;
    QccTensor raw; /* the first output, as it is */
    float *y;      /* as f32 */
    int64_t n;
    int64_t right1, right5, best; /* counts; best class of the sample at hand */
} Side;

typedef struct Evaluating {
    QccEvaluation *result;
    QccContext *context;
    const QccProgram *program;
    QccEvaluateOptions options;
    QccArena *arena;
    QccDataset *data;
    Side side[2]; /* the program, the reference */
} Evaluating;

/* ---- programs that end before their softmax ----------------------------------------------------
 */

/* The softmax that the first result comes from, through views, transposes and casts, or NULL. */
static QccOp *final_softmax(const QccGraph *g)
{
    QccOp *op = qcc_graph_result(g, 0)->def;
    while (op && op->nin > 0 && op->in[0].value &&
           ((op->def->traits & QCC_TRAIT_MOVE) || op->def == &qcc_op_cast))
        op = op->in[0].value->def;
    return op && op->def == &qcc_op_softmax ? op : NULL;
}

/* Errors are measured on what enters a final softmax: it hides them where it saturates. */
static QccStatus cut_softmax(Evaluating *e, Side *s)
{
    QccOp *softmax = final_softmax(s->program->graph);
    if (!softmax) return QCC_OK;
    QccModule module = {.graph = qcc_graph_clone(s->program->graph, e->arena)};
    QccValue *logits = final_softmax(module.graph)->in[0].value;
    qcc_graph_set_results(module.graph, &logits, 1);
    for (QccOp *op = module.graph->last->prev, *before; op; op = before) {
        before = op->prev;
        bool used = false;
        for (int i = 0; i < op->nout; i++) used |= op->out[i].uses != NULL;
        if (!used) qcc_op_remove(op);
    }
    QccModel model = {.context = e->context, .store = s->program->store, .module = &module};
    QccProgramOptions options = {.size = sizeof options, .interpret = !s->program->target};
    if (s->program->target) options.target = s->program->target->name;
    QCC_TRY(qcc_program_new(&s->cut, &model, &options));
    s->program = s->cut;
    return QCC_OK;
}

static QccStatus open_side(Evaluating *e, Side *s, const QccProgram *program)
{
    s->program = program;
    QCC_TRY(cut_softmax(e, s));
    QccSessionOptions options = {.size = sizeof options, .threads = e->options.threads};
    QCC_TRY(qcc_session_new(&s->session, s->program, &options));
    int n = qcc_program_output_count(s->program);
    s->outputs = QCC_NEW_ARRAY(e->arena, n, QccBuffer);
    for (int i = 0; i < n; i++) {
        QccTensorInfo info;
        QCC_TRY(qcc_program_output(s->program, i, &info));
        QccDtype dtype = info.quantized ? QCC_F32 : info.dtype;
        int64_t count = 1;
        for (int d = 0; d < info.rank; d++) count *= info.shape[d];
        void *data = qcc_alloc_aligned(e->arena, (size_t)qcc_dtype_size(dtype, count), 64);
        s->outputs[i] = (QccBuffer){.data = data, .dtype = dtype};
        if (i > 0) continue;
        if (!qcc_dtype_is_float(dtype))
            return qcc_fail(&e->context->ir->diags, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                            "evaluation needs an output of reals, '%s' is %s", info.name,
                            qcc_dtype_name(dtype));
        const QccType *type = qcc_type_shape(e->context->ir, dtype, info.rank, info.shape);
        s->raw = qcc_tensor_view(type, data);
        s->y = QCC_NEW_ARRAY(e->arena, count, float);
        s->n = count;
    }
    return QCC_OK;
}

static void close_side(Side *s)
{
    qcc_session_free(s->session);
    qcc_program_free(s->cut);
}

/* ---- measures -------------------------------------------------------------------------------- */

static void score(Side *s, int64_t label)
{
    s->best = 0;
    for (int64_t i = 1; i < s->n; i++)
        if (s->y[i] > s->y[s->best]) s->best = i;
    if (label < 0 || label >= s->n) return;
    int64_t above = 0;
    for (int64_t i = 0; i < s->n; i++)
        above += s->y[i] > s->y[label] || (s->y[i] == s->y[label] && i < label);
    s->right1 += above == 0;
    s->right5 += above < 5;
}

/* Signal to quantization noise of y against the reference, in dB; capped where there is no noise.
 */
static double sqnr_db(const float *y, const float *reference, int64_t n)
{
    const double cap = 200;
    double signal = 0, noise = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)y[i] - reference[i];
        signal += (double)reference[i] * reference[i];
        noise += d * d;
    }
    if (noise == 0) return cap;
    if (signal == 0) return -cap;
    double db = 10 * log10(signal / noise);
    return db > cap ? cap : db;
}

static double cosine(const float *a, const float *b, int64_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    if (aa == 0 || bb == 0) return aa == bb;
    return ab / sqrt(aa * bb);
}

static void compare(Evaluating *e, int64_t label)
{
    QccEvaluation *r = e->result;
    const Side *a = &e->side[0], *b = &e->side[1];
    r->agreement += a->best == b->best;
    r->lost += label >= 0 && b->best == label && a->best != label;
    r->won += label >= 0 && a->best == label && b->best != label;
    r->sqnr_db += sqnr_db(a->y, b->y, a->n);
    r->cosine += cosine(a->y, b->y, a->n);
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Labels that begin with 1, or with a class that the model does not have. */
static QccStatus refuse_label(const Evaluating *e, int64_t sample, int64_t label)
{
    QccDiags *d = &e->context->ir->diags;
    QccLoc loc = {.file = e->options.data};
    QccStatus status = qcc_error(d, loc, "sample %lld is of class %lld, the model has 0..%lld",
                                 (long long)sample, (long long)label, (long long)e->side[0].n - 1);
    qcc_note(d, loc, "'label_offset: -1' in the data is for classes that count from 1");
    return status;
}

static QccStatus run_samples(Evaluating *e, QccTensor *in, const QccBuffer *inputs, int nin)
{
    QccContext *c = e->context;
    bool labelled = true;
    for (int64_t i = 0; i < e->data->count; i++) {
        QCC_TRY(e->data->read(e->data->self, i, in));
        int64_t label = e->data->label ? e->data->label(e->data->self, i) : -1;
        labelled &= label >= 0;
        if (label >= e->side[0].n) return refuse_label(e, i, label);
        for (int k = 0; k < 2; k++) {
            Side *s = &e->side[k];
            if (!s->session) continue;
            QCC_TRY(qcc_session_run(s->session, inputs, nin, s->outputs,
                                    qcc_program_output_count(s->program)));
            qcc_tensor_to_f32(s->y, &s->raw);
            score(s, label);
        }
        if (e->side[1].session) compare(e, label);
        if (c->progress && !c->progress(c->progress_user, "evaluating", i + 1, e->data->count))
            return QCC_ERROR_CANCELLED;
    }
    e->result->labelled = labelled;
    return QCC_OK;
}

static void finish(Evaluating *e)
{
    QccEvaluation *r = e->result;
    double n = (double)e->data->count, percent = 100 / n;
    r->n = e->data->count;
    r->compared = e->side[1].session != NULL;
    if (r->labelled) {
        r->top1 = (double)e->side[0].right1 * percent;
        r->top5 = (double)e->side[0].right5 * percent;
        r->reference_top1 = (double)e->side[1].right1 * percent;
        r->reference_top5 = (double)e->side[1].right5 * percent;
    }
    r->agreement *= percent;
    r->sqnr_db /= n;
    r->cosine /= n;
    r->size_bytes = qcc_graph_constant_bytes(e->program->graph);
    if (e->options.reference)
        r->reference_size_bytes = qcc_graph_constant_bytes(e->options.reference->graph);
}

static QccStatus evaluate(void *user)
{
    Evaluating *e = user;
    QccContext *c = e->context;
    /* One sample at a time. */
    QccGraph *g = qcc_graph_clone(e->program->graph, e->arena);
    QCC_TRY(qcc_graph_bind(g, NULL));
    const QccModule *module = e->options.model ? e->options.model->module : NULL;
    if (!c->facade)
        return qcc_fail(&c->ir->diags, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                        "this library reads no data; use libqcc");
    if (!e->options.data && !(module && module->nsamples))
        return qcc_fail(&c->ir->diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "there is no data to evaluate on: give a DATA.yaml");
    QCC_TRY(c->facade->open_data(&e->data, c, e->arena, e->options.data, module, g));
    if (e->data->count == 0)
        return qcc_fail(&c->ir->diags, QCC_ERROR_INPUT, (QccLoc){.file = e->options.data},
                        "holds no samples");
    QCC_TRY(open_side(e, &e->side[0], e->program));
    if (e->options.reference) {
        QCC_TRY(open_side(e, &e->side[1], e->options.reference));
        if (e->side[0].n != e->side[1].n)
            return qcc_fail(&c->ir->diags, QCC_ERROR_USAGE, (QccLoc){0},
                            "the program gives %lld values and the reference %lld",
                            (long long)e->side[0].n, (long long)e->side[1].n);
    }
    QccTensor *in = QCC_NEW_ARRAY(e->arena, g->nparam, QccTensor);
    QccBuffer *inputs = QCC_NEW_ARRAY(e->arena, g->nparam, QccBuffer);
    for (int i = 0; i < g->nparam; i++) {
        in[i] = qcc_tensor_new(e->arena, g->param[i]->type);
        inputs[i] = (QccBuffer){.data = in[i].data, .dtype = in[i].type->dtype};
    }
    QCC_TRY(run_samples(e, in, inputs, g->nparam));
    finish(e);
    return QCC_OK;
}

QccStatus qcc_evaluate(QccEvaluation *result, QccContext *context, const QccProgram *program,
                       const QccEvaluateOptions *given)
{
    QccEvaluation measured = {.size = sizeof measured};
    Evaluating e = {.result = &measured, .context = context, .program = program};
    if (given)
        memcpy(&e.options, given, given->size < sizeof e.options ? given->size : sizeof e.options);
    e.arena = qcc_arena_new(&context->mem);
    if (!e.arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(context, evaluate, &e);
    close_side(&e.side[0]);
    close_side(&e.side[1]);
    if (e.data && e.data->close) e.data->close(e.data->self);
    qcc_arena_free(e.arena);
    size_t size = result->size && result->size < sizeof measured ? result->size : sizeof measured;
    memcpy(result, &measured, size);
    return status;
}
