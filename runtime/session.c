/* session - runs a program: one activation arena, one thread pool, the steps in order.
 *
 *   caller's inputs -> (staged where they are strided, converted, or read past the end)
 *     -> steps -> (staged) -> caller's outputs
 *
 * Invariant: a run of a program whose steps are all compiled allocates nothing.
 */
#define _GNU_SOURCE
#include <pthreadpool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/pack.h"
#include "ir/ops.h"
#include "ir/qmath.h"
#include "runtime/context.h"
#include "runtime/fill.h"
#include "runtime/fp_env.h"

/* One input or output at the border. */
typedef struct Border {
    const QccValue *value;
    int64_t dim[QCC_MAX_RANK], count, bytes;
    void *stage; /* dense, the value's element type */
    void *data;  /* of this run: the caller's or the stage */
} Border;

typedef struct StepProfile {
    int64_t runs;
    double total_ms, min_ms;
} StepProfile;

struct QccSession {
    QccContext *context;
    const QccProgram *program;
    QccMem mem;
    QccArena *arena;
    pthreadpool_t pool; /* NULL: one thread */
    int threads;
    char *activations; /* 64-byte aligned */
    Border *input, *output;
    bool profiling;
    bool *shared;         /* one a step: it is worth waking the other threads */
    int last_shared;      /* the last of those; -1: none */
    StepProfile *profile; /* one a step */
    const char **title;   /* one a step: what the profile calls it */
    int ntap;
    int next_tap;   /* of a run by the interpreter, which computes values in this order */
    QccTensor *tap; /* dense copies, of a program made with taps */
    const QccValue **tap_value;
};

/* ---- making ---------------------------------------------------------------------------------- */

static const char *step_title(QccArena *arena, const QccProgram *p, const QccStep *s)
{
    QccBuf b;
    qcc_buf_init(&b, arena);
    if (s->kind == QCC_STEP_KERNEL)
        qcc_kernel_title(&b, p->lowered->kernel[s->kernel]);
    else
        qcc_buf_printf(&b, s->kind == QCC_STEP_FILL ? "halo" : "eval %s",
                       s->op ? s->op->def->name : "");
    return b.data;
}

static void make_border(QccSession *s, Border *b, const QccValue *value)
{
    b->value = value;
    qcc_type_extents(value->type, b->dim);
    b->count = qcc_type_count(value->type);
    b->bytes = qcc_type_bytes(value->type);
    b->stage = qcc_alloc_aligned(s->arena, (size_t)b->bytes + QCC_READ_SLACK, 64);
}

static void add_tap(QccSession *s, const QccValue *value)
{
    s->tap_value[s->ntap] = value;
    s->tap[s->ntap++] = qcc_tensor_new(s->arena, value->type);
}

static void collect_taps(QccSession *s)
{
    const QccGraph *g = s->program->graph;
    int n = g->nparam;
    QCC_FOR_OPS(op, g) n += op->nout;
    s->tap = QCC_NEW_ARRAY(s->arena, n, QccTensor);
    s->tap_value = QCC_NEW_ARRAY(s->arena, n, const QccValue *);
    const QccLowered *l = s->program->lowered;
    for (int i = 0; l && i < l->nplace; i++) {
        const QccPlacement *p = &l->place[i];
        if (p->value && p->value->graph == g && s->ntap < n) add_tap(s, p->value);
    }
    if (l) return;
    for (int i = 0; i < g->nparam; i++) add_tap(s, g->param[i]);
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nout; i++) add_tap(s, &op->out[i]);
    }
}

/* Waking threads and waiting for them costs some 10 us: what takes less runs on one. A kernel's
 * time is guessed from its operations and from what it writes. */
static bool is_worth_sharing(const QccKernel *k, int64_t work)
{
    const double ns_an_operation = 0.005, ns_an_element = 0.2, worth_ns = 30000;
    double elements = 1;
    for (int i = 0; i < k->rank; i++) elements *= (double)k->extent[i];
    double ns = (double)qcc_kernel_operations(k) * ns_an_operation + elements * ns_an_element;
    return work > 1 && ns > worth_ns;
}

typedef struct Making {
    QccSession *session;
    QccSessionOptions options;
    QccStatus status;
} Making;

static void free_pool(void *pool)
{
    pthreadpool_destroy(pool);
}

static QccStatus make_session(void *user)
{
    Making *m = user;
    QccSession *s = m->session;
    const QccProgram *p = s->program;
    const QccLowered *l = p->lowered;
    s->threads = m->options.threads > 0 ? m->options.threads : qcc_threads_available();
    s->profiling = m->options.profile;
    s->input = QCC_NEW_ARRAY(s->arena, qcc_program_input_count(p), Border);
    s->output = QCC_NEW_ARRAY(s->arena, qcc_program_output_count(p), Border);
    for (int i = 0; i < qcc_program_input_count(p); i++)
        make_border(s, &s->input[i], p->graph->param[i]);
    for (int i = 0; i < qcc_program_output_count(p); i++)
        make_border(s, &s->output[i], qcc_graph_result(p->graph, i));
    if (p->taps) collect_taps(s);
    if (!l) return QCC_OK;
    s->activations = qcc_alloc_aligned(s->arena, (size_t)l->arena_size + QCC_READ_SLACK, 64);
    if (s->threads > 1) {
        s->pool = pthreadpool_create((size_t)s->threads);
        if (!s->pool) return QCC_ERROR_MEMORY;
        qcc_arena_defer(s->arena, free_pool, s->pool);
    }
    s->profile = QCC_NEW_ARRAY(s->arena, l->nstep, StepProfile);
    s->title = QCC_NEW_ARRAY(s->arena, l->nstep, const char *);
    s->shared = QCC_NEW_ARRAY(s->arena, l->nstep, bool);
    s->last_shared = -1;
    for (int i = 0; i < l->nstep; i++) {
        const QccStep *step = &l->step[i];
        s->title[i] = step_title(s->arena, p, step);
        s->shared[i] = s->pool && step->kind == QCC_STEP_KERNEL &&
                       is_worth_sharing(l->kernel[step->kernel], step->work);
        if (s->shared[i]) s->last_shared = i;
    }
    return QCC_OK;
}

static void make_guarded(void *user)
{
    Making *m = user;
    m->status = make_session(m);
}

QccStatus qcc_session_new(QccSession **session, const QccProgram *program,
                          const QccSessionOptions *given)
{
    *session = NULL;
    Making m = {.status = QCC_ERROR_MEMORY};
    if (given)
        memcpy(&m.options, given, given->size < sizeof m.options ? given->size : sizeof m.options);
    QccMem mem = {.realloc = program->context->mem.realloc, .user = program->context->mem.user};
    QccSession *s = mem.realloc ? mem.realloc(mem.user, NULL, sizeof *s) : malloc(sizeof *s);
    if (!s) return QCC_ERROR_MEMORY;
    memset(s, 0, sizeof *s);
    s->context = program->context;
    s->program = program;
    s->mem = mem;
    s->arena = qcc_arena_new(&s->mem);
    m.session = s;
    if (s->arena && !qcc_mem_protect(&s->mem, make_guarded, &m)) m.status = QCC_ERROR_MEMORY;
    if (m.status == QCC_OK)
        *session = s;
    else
        qcc_session_free(s);
    return m.status;
}

void qcc_session_free(QccSession *session)
{
    if (!session) return;
    QccMem mem = session->mem;
    qcc_arena_free(session->arena);
    if (mem.realloc)
        mem.realloc(mem.user, session, 0);
    else
        free(session);
}

/* ---- borders --------------------------------------------------------------------------------- */

/* Copies between a dense buffer and a strided one, element by element, contiguous rows at once. */
static void copy_strided(char *to, const int64_t *to_stride, const char *from,
                         const int64_t *from_stride, const int64_t *dim, int rank, int64_t width)
{
    if (rank == 0) {
        memcpy(to, from, (size_t)width);
        return;
    }
    if (rank == 1 && to_stride[0] == width && from_stride[0] == width) {
        memcpy(to, from, (size_t)(width * dim[0]));
        return;
    }
    for (int64_t i = 0; i < dim[0]; i++)
        copy_strided(to + i * to_stride[0], to_stride + 1, from + i * from_stride[0],
                     from_stride + 1, dim + 1, rank - 1, width);
}

static void dense_strides(int64_t *stride, const int64_t *dim, int rank, int64_t width)
{
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = width;
        width *= dim[i];
    }
}

/* The quantization that a caller's integers have where the value is f32: that of its only user. */
static const QccQuant *border_quant(const QccValue *v, QccDtype dtype)
{
    if (v->type->quant) return NULL;
    for (const QccUse *u = v->uses; u; u = u->next) {
        const QccType *t = u->user->nout ? u->user->out[0].type : NULL;
        if (u->user->def == &qcc_op_quantize && t->dtype == dtype) return t->quant;
    }
    return NULL;
}

/* How the caller's element type relates to the value's. */
typedef enum Conversion { SAME, WIDEN, NARROW, NONE } Conversion;

static Conversion conversion(const Border *b, QccDtype dtype, float *scale, int32_t *zero)
{
    const QccType *t = b->value->type;
    if (dtype == t->dtype) return SAME;
    if (dtype == QCC_F32 && t->quant && qcc_quant_is_tensor(t->quant, scale, zero) &&
        (t->dtype == QCC_U8 || t->dtype == QCC_I8))
        return NARROW;
    if (t->dtype == QCC_F32 && (dtype == QCC_U8 || dtype == QCC_I8)) {
        const QccQuant *q = border_quant(b->value, dtype);
        if (q && qcc_quant_is_tensor(q, scale, zero)) return WIDEN;
    }
    return NONE;
}

static float read_byte(const void *p, int64_t i, QccDtype dtype)
{
    return (float)(dtype == QCC_U8 ? ((const uint8_t *)p)[i] : ((const int8_t *)p)[i]);
}

static QccStatus border_error(const QccSession *s, const Border *b, QccDtype dtype)
{
    const char *name = qcc_dtype_name(dtype);
    return qcc_fail(&s->context->ir->diags, QCC_ERROR_USAGE, (QccLoc){0},
                    "'%s' is %s in the program, the buffer is %s", b->value->name,
                    qcc_dtype_name(b->value->type->dtype), name ? name : "of no known type");
}

static QccStatus take_input(QccSession *s, int index, const QccBuffer *buffer)
{
    Border *b = &s->input[index];
    const QccType *t = b->value->type;
    float scale = 1;
    int32_t zero = 0;
    Conversion how = conversion(b, buffer->dtype, &scale, &zero);
    if (how == NONE || !buffer->data) return border_error(s, b, buffer->dtype);
    b->data = buffer->data;
    int64_t width = qcc_dtype_bits(buffer->dtype) / 8;
    bool staged = s->program->stage_input && s->program->stage_input[index];
    if (how == SAME && !buffer->strides && !staged) return QCC_OK;
    b->data = b->stage;
    if (how == SAME) {
        int64_t dense[QCC_MAX_RANK];
        dense_strides(dense, b->dim, t->rank, width);
        copy_strided(b->stage, dense, buffer->data, buffer->strides ? buffer->strides : dense,
                     b->dim, t->rank, width);
        return QCC_OK;
    }
    if (buffer->strides) return border_error(s, b, buffer->dtype);
    const QccQuant *q = t->quant;
    for (int64_t i = 0; i < b->count; i++) {
        if (how == WIDEN) {
            int32_t stored = (int32_t)read_byte(buffer->data, i, buffer->dtype);
            ((float *)b->stage)[i] = qcc_dequantize(stored, scale, zero);
        } else {
            float x = ((const float *)buffer->data)[i];
            ((uint8_t *)b->stage)[i] = (uint8_t)qcc_quantize_f32(x, scale, zero, q->qmin, q->qmax);
        }
    }
    return QCC_OK;
}

static QccStatus offer_output(QccSession *s, int index, const QccBuffer *buffer)
{
    Border *b = &s->output[index];
    float scale;
    int32_t zero;
    Conversion how = conversion(b, buffer->dtype, &scale, &zero);
    if ((how != SAME && how != NARROW) || !buffer->data || (how == NARROW && buffer->strides))
        return border_error(s, b, buffer->dtype);
    b->data = how == SAME && !buffer->strides ? buffer->data : b->stage;
    return QCC_OK;
}

static void give_output(QccSession *s, int index, const QccBuffer *buffer)
{
    Border *b = &s->output[index];
    if (b->data == buffer->data) return;
    float scale = 1;
    int32_t zero = 0;
    if (conversion(b, buffer->dtype, &scale, &zero) == NARROW) {
        for (int64_t i = 0; i < b->count; i++) {
            int32_t q = (int32_t)read_byte(b->stage, i, b->value->type->dtype);
            ((float *)buffer->data)[i] = qcc_dequantize(q, scale, zero);
        }
        return;
    }
    int64_t dense[QCC_MAX_RANK], width = qcc_dtype_bits(b->value->type->dtype) / 8;
    dense_strides(dense, b->dim, b->value->type->rank, width);
    copy_strided(buffer->data, buffer->strides, b->stage, dense, b->dim, b->value->type->rank,
                 width);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void *resolve(const QccSession *s, const QccRef *r)
{
    switch (r->kind) {
    case QCC_BUFFER_ARENA: return s->activations + r->offset;
    case QCC_BUFFER_CONST:
        /* Kernels only read constants; the array of pointers has one type for all. */
        return (char *)(uintptr_t)s->program->lowered->constant[r->index]->data + r->offset;
    case QCC_BUFFER_INPUT: return (char *)s->input[r->index].data + r->offset;
    default: return (char *)s->output[r->index].data + r->offset;
    }
}

typedef struct Call {
    QccKernelFn *fn;
    void *arg[QCC_KERNEL_ARGS];
} Call;

/* On a thread of the pool. */
static void call_range(void *user, size_t begin, size_t size)
{
    Call *c = user;
    fenv_t host = qcc_fp_enter();
    c->fn(c->arg, (int64_t)begin, (int64_t)(begin + size));
    qcc_fp_leave(&host);
}

static void run_kernel(QccSession *s, const QccStep *step, int index)
{
    Call c = {.fn = s->program->code[step->kernel].fn};
    for (int i = 0; i < step->nref; i++) c.arg[i] = resolve(s, &step->ref[i]);
    if (step->work <= 0) return;
    /* Two tiles a thread even out what the others' load disturbs. */
    int64_t tile = (step->work + 2 * s->threads - 1) / (2 * s->threads);
    /* Behind the last shared step the other threads sleep instead of spinning for the next. */
    uint32_t flags = index == s->last_shared ? PTHREADPOOL_FLAG_YIELD_WORKERS : 0;
    if (!s->shared[index])
        c.fn(c.arg, 0, step->work);
    else
        pthreadpool_parallelize_1d_tile_1d(s->pool, call_range, &c, (size_t)step->work,
                                           (size_t)tile, flags);
}

static void run_fill(QccSession *s, const QccStep *step)
{
    qcc_fill_halo(resolve(s, &step->ref[0]), step->layout, step->fill,
                  qcc_dtype_bits(step->fill_dtype) / 8);
}

typedef struct Evaluation {
    QccSession *session;
    const QccStep *step;
    QccArena *scratch;
    QccStatus status;
} Evaluation;

static void eval_guarded(void *user)
{
    Evaluation *e = user;
    const QccOp *op = e->step->op;
    QccTensor *tensor = QCC_NEW_ARRAY(e->scratch, op->nin + op->nout, QccTensor);
    int ref = 0;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value)
            tensor[i] =
                qcc_tensor_view(op->in[i].value->type, resolve(e->session, &e->step->ref[ref++]));
        else
            ref++;
    for (int i = 0; i < op->nout; i++)
        tensor[op->nin + i] =
            qcc_tensor_view(op->out[i].type, resolve(e->session, &e->step->ref[ref++]));
    e->status = qcc_interp_op(op, tensor, tensor + op->nin, e->scratch);
}

/* What is interned comes from the context, the rest from the session: two edges. */
static void eval_in_session(void *user)
{
    Evaluation *e = user;
    if (!qcc_mem_protect(&e->session->mem, eval_guarded, e)) e->status = QCC_ERROR_MEMORY;
}

/* The context's lock is held, because types are interned. */
static QccStatus run_eval(QccSession *s, const QccStep *step)
{
    Evaluation e = {s, step, qcc_arena_new(&s->mem), QCC_ERROR_MEMORY};
    if (!e.scratch) return QCC_ERROR_MEMORY;
    pthread_mutex_lock(&s->context->lock);
    if (!qcc_mem_protect(&s->context->mem, eval_in_session, &e)) e.status = QCC_ERROR_MEMORY;
    pthread_mutex_unlock(&s->context->lock);
    qcc_arena_free(e.scratch);
    return e.status;
}

static QccStatus run_step(QccSession *s, const QccStep *step)
{
    switch (step->kind) {
    case QCC_STEP_KERNEL:
        run_kernel(s, step, (int)(step - s->program->lowered->step));
        return QCC_OK;
    case QCC_STEP_FILL: run_fill(s, step); return QCC_OK;
    default: return run_eval(s, step);
    }
}

static QccStatus run_steps(QccSession *s)
{
    const QccLowered *l = s->program->lowered;
    for (int i = 0; i < l->nstep; i++) {
        double start = s->profiling ? qcc_now_ms() : 0;
        QCC_TRY(run_step(s, &l->step[i]));
        if (!s->profiling) continue;
        double ms = qcc_now_ms() - start;
        StepProfile *p = &s->profile[i];
        p->min_ms = p->runs == 0 || ms < p->min_ms ? ms : p->min_ms;
        p->total_ms += ms;
        p->runs++;
    }
    return QCC_OK;
}

/* ---- the interpreter as an engine -------------------------------------------------------------
 */

static QccStatus keep_tap(void *user, const QccValue *value, const QccTensor *tensor)
{
    QccSession *s = user;
    if (s->next_tap == s->ntap || s->tap_value[s->next_tap] != value) return QCC_OK;
    memcpy(s->tap[s->next_tap++].data, tensor->data, (size_t)qcc_type_bytes(tensor->type));
    return QCC_OK;
}

typedef struct Interpretation {
    QccSession *session;
    QccArena *scratch;
    QccStatus status;
} Interpretation;

static void interpret_guarded(void *user)
{
    Interpretation *it = user;
    QccSession *s = it->session;
    const QccGraph *g = s->program->graph;
    int nin = g->nparam, nout = qcc_graph_result_count(g);
    QccTensor *tensor = QCC_NEW_ARRAY(it->scratch, nin + nout, QccTensor);
    for (int i = 0; i < nin; i++) tensor[i] = qcc_tensor_view(g->param[i]->type, s->input[i].data);
    for (int i = 0; i < nout; i++)
        tensor[nin + i] = qcc_tensor_view(qcc_graph_result(g, i)->type, s->output[i].data);
    s->next_tap = 0;
    it->status = qcc_interp_run(g, tensor, tensor + nin, s->program->taps ? keep_tap : NULL, s);
}

/* The interpreter allocates from the context, taps from the session: two edges. */
static void interpret_in_session(void *user)
{
    Interpretation *it = user;
    if (!qcc_mem_protect(&it->session->mem, interpret_guarded, it)) it->status = QCC_ERROR_MEMORY;
}

static QccStatus interpret(QccSession *s)
{
    Interpretation it = {s, qcc_arena_new(&s->mem), QCC_ERROR_MEMORY};
    if (!it.scratch) return QCC_ERROR_MEMORY;
    pthread_mutex_lock(&s->context->lock);
    if (!qcc_mem_protect(&s->context->mem, interpret_in_session, &it)) it.status = QCC_ERROR_MEMORY;
    pthread_mutex_unlock(&s->context->lock);
    qcc_arena_free(it.scratch);
    return it.status;
}

/* ---- running --------------------------------------------------------------------------------- */

static void refresh_taps(QccSession *s)
{
    const QccLowered *l = s->program->lowered;
    int n = 0;
    for (int i = 0; i < l->nplace && n < s->ntap; i++) {
        const QccPlacement *p = &l->place[i];
        if (p->value != s->tap_value[n]) continue;
        const QccTensor *t = &s->tap[n++];
        int64_t to[QCC_MAX_RANK], from[QCC_MAX_RANK];
        int64_t width = qcc_dtype_bits(t->type->dtype) / 8;
        dense_strides(to, t->dim, t->type->rank, width);
        for (int d = 0; d < t->type->rank; d++) from[d] = p->layout.pitch[d] * width;
        copy_strided(t->data, to, resolve(s, &p->ref), from, t->dim, t->type->rank, width);
    }
}

static QccStatus run_session(QccSession *session, const QccBuffer *inputs, int n_inputs,
                             const QccBuffer *outputs, int n_outputs)
{
    const QccProgram *p = session->program;
    if (n_inputs != qcc_program_input_count(p) || n_outputs != qcc_program_output_count(p))
        return qcc_fail(&session->context->ir->diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "the program has %d inputs and %d outputs, the call gives %d and %d",
                        qcc_program_input_count(p), qcc_program_output_count(p), n_inputs,
                        n_outputs);
    for (int i = 0; i < n_inputs; i++) QCC_TRY(take_input(session, i, &inputs[i]));
    for (int i = 0; i < n_outputs; i++) QCC_TRY(offer_output(session, i, &outputs[i]));
    QCC_TRY(p->lowered ? run_steps(session) : interpret(session));
    if (p->lowered && p->taps) refresh_taps(session);
    for (int i = 0; i < n_outputs; i++) give_output(session, i, &outputs[i]);
    return QCC_OK;
}

QccStatus qcc_session_run(QccSession *session, const QccBuffer *inputs, int n_inputs,
                          const QccBuffer *outputs, int n_outputs)
{
    fenv_t host = qcc_fp_enter();
    QccStatus status = run_session(session, inputs, n_inputs, outputs, n_outputs);
    qcc_fp_leave(&host);
    return status;
}

int qcc_session_profile_count(const QccSession *session)
{
    return session->program->lowered ? session->program->lowered->nstep : 0;
}

QccStatus qcc_session_profile(const QccSession *session, int index, QccProfileRow *row)
{
    if (index < 0 || index >= qcc_session_profile_count(session)) return QCC_ERROR_USAGE;
    const QccLowered *l = session->program->lowered;
    const QccStep *s = &l->step[index];
    const StepProfile *p = &session->profile[index];
    *row = (QccProfileRow){
        .kernel = session->title[index],
        .value = s->value ? s->value->name : "",
        .node = s->op && s->op->loc.node ? s->op->loc.node : "",
        .runs = p->runs,
        .total_ms = p->total_ms,
        .min_ms = p->min_ms,
        .operations = s->kind == QCC_STEP_KERNEL ? qcc_kernel_operations(l->kernel[s->kernel]) : 0,
        .compiled = s->kind != QCC_STEP_EVAL,
    };
    return QCC_OK;
}

int qcc_session_tap_count(const QccSession *session)
{
    return session->ntap;
}

QccStatus qcc_session_tap(const QccSession *session, int index, QccTensorInfo *info,
                          const void **data)
{
    if (index < 0 || index >= session->ntap) return QCC_ERROR_USAGE;
    const QccTensor *t = &session->tap[index];
    const QccType *type = session->tap_value[index]->type;
    memset(info, 0, sizeof *info);
    info->name = session->tap_value[index]->name;
    info->dtype = type->dtype;
    info->rank = type->rank;
    memcpy(info->shape, t->dim, sizeof info->shape);
    info->quantized = type->quant && qcc_quant_is_tensor(type->quant, &info->scale, &info->zero);
    *data = t->data;
    return QCC_OK;
}
