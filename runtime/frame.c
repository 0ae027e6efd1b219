/* frame - runs one instance for one session: the steps in order, over one arena of activations.
 *
 * Invariant: a run whose steps are all compiled allocates nothing.
 */
#define _GNU_SOURCE
#include "runtime/frame.h"

#include <string.h>

#include "backend/pack.h"
#include "ir/ops.h"
#include "runtime/fill.h"
#include "runtime/fp_env.h"

/* ---- making ---------------------------------------------------------------------------------- */

static const char *step_title(QccArena *arena, const QccInstance *p, const QccStep *s)
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

static void make_border(QccArena *arena, QccBorder *b, const QccValue *value)
{
    b->value = value;
    qcc_type_extents(value->type, b->dim);
    b->count = qcc_type_count(value->type);
    b->bytes = qcc_type_bytes(value->type);
    b->stage = qcc_alloc_aligned(arena, (size_t)b->bytes + QCC_READ_SLACK, 64);
}

static void add_tap(QccFrame *f, const QccValue *value)
{
    f->tap_value[f->ntap] = value;
    f->tap[f->ntap++] = qcc_tensor_new(f->arena, value->type);
}

static void collect_taps(QccFrame *f)
{
    const QccGraph *g = f->instance->graph;
    int n = g->nparam;
    QCC_FOR_OPS(op, g) n += op->nout;
    f->tap = QCC_NEW_ARRAY(f->arena, n, QccTensor);
    f->tap_value = QCC_NEW_ARRAY(f->arena, n, const QccValue *);
    const QccLowered *l = f->instance->lowered;
    for (int i = 0; l && i < l->nplace; i++) {
        const QccPlacement *p = &l->place[i];
        if (p->value && p->value->graph == g && f->ntap < n) add_tap(f, p->value);
    }
    if (l) return;
    for (int i = 0; i < g->nparam; i++) add_tap(f, g->param[i]);
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nout; i++) add_tap(f, &op->out[i]);
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
    QccCrew *crew;
    QccInstance *instance;
    QccArena *arena;
    QccFrame *frame;
} Making;

static QccStatus make_frame(void *user)
{
    Making *m = user;
    QccFrame *f = m->frame = QCC_NEW(m->arena, QccFrame);
    const QccInstance *p = f->instance = m->instance;
    f->crew = m->crew;
    f->arena = m->arena;
    const QccGraph *g = p->graph;
    const QccLowered *l = p->lowered;
    int nout = qcc_graph_result_count(g);
    f->input = QCC_NEW_ARRAY(f->arena, g->nparam, QccBorder);
    f->output = QCC_NEW_ARRAY(f->arena, nout, QccBorder);
    for (int i = 0; i < g->nparam; i++) make_border(f->arena, &f->input[i], g->param[i]);
    for (int i = 0; i < nout; i++) make_border(f->arena, &f->output[i], qcc_graph_result(g, i));
    if (f->crew->taps) collect_taps(f);
    if (!l) return QCC_OK;
    f->activations = qcc_alloc_pages(f->arena, (size_t)l->arena_size + QCC_READ_SLACK);
    f->profile = QCC_NEW_ARRAY(f->arena, l->nstep, QccStepProfile);
    f->title = QCC_NEW_ARRAY(f->arena, l->nstep, const char *);
    f->shared = QCC_NEW_ARRAY(f->arena, l->nstep, bool);
    for (int i = 0; i < l->nstep; i++) {
        const QccStep *step = &l->step[i];
        f->title[i] = step_title(f->arena, p, step);
        f->shared[i] = f->crew->pool && step->kind == QCC_STEP_KERNEL &&
                       is_worth_sharing(l->kernel[step->kernel], step->work);
    }
    return QCC_OK;
}

QccStatus qcc_frame_new(QccFrame **frame, QccCrew *crew, QccInstance *instance)
{
    Making m = {.crew = crew, .instance = instance, .arena = qcc_arena_new(&crew->mem)};
    QccStatus status = m.arena ? qcc_guard_mem(&crew->mem, make_frame, &m) : QCC_ERROR_MEMORY;
    *frame = status == QCC_OK ? m.frame : NULL;
    if (status == QCC_OK)
        atomic_fetch_add(&instance->refs, 1);
    else
        qcc_arena_free(m.arena);
    return status;
}

void qcc_frame_free(QccFrame *frame)
{
    if (!frame) return;
    QccInstance *instance = frame->instance;
    qcc_arena_free(frame->arena);
    qcc_instance_unref(instance);
}

/* ---- strided elements ------------------------------------------------------------------------ */

void qcc_copy_elements(char *to, const int64_t *to_stride, const char *from,
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
        qcc_copy_elements(to + i * to_stride[0], to_stride + 1, from + i * from_stride[0],
                          from_stride + 1, dim + 1, rank - 1, width);
}

void qcc_byte_strides(int64_t *stride, const int64_t *dim, int rank, int64_t width)
{
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = width;
        width *= dim[i];
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void *resolve(const QccFrame *f, const QccRef *r)
{
    switch (r->kind) {
    case QCC_BUFFER_ARENA: return f->activations + r->offset;
    case QCC_BUFFER_CONST:
        /* Kernels only read constants; the array of pointers has one type for all. */
        return (char *)(uintptr_t)f->instance->lowered->constant[r->index]->data + r->offset;
    case QCC_BUFFER_INPUT: return (char *)f->input[r->index].data + r->offset;
    default: return (char *)f->output[r->index].data + r->offset;
    }
}

/* Argument i of a step, in that round of the loop around it. */
static void *argument(const QccFrame *f, const QccStep *step, int i, int64_t round)
{
    return (char *)resolve(f, &step->ref[i]) + qcc_step_offset(step, i, round);
}

enum { CHUNKS = 2 }; /* of a step, for each thread */

typedef struct Call {
    QccKernelFn *fn;
    void *arg[QCC_KERNEL_ARGS];
} Call;

/* On a thread of the pool. */
static void call_range(void *user, int64_t begin, int64_t end)
{
    Call *c = user;
    fenv_t host = qcc_fp_enter();
    c->fn(c->arg, begin, end);
    qcc_fp_leave(&host);
}

static void run_kernel(QccFrame *f, const QccStep *step, int index, int64_t round)
{
    Call c = {.fn = f->instance->code[step->kernel].fn};
    for (int i = 0; i < step->nref; i++) c.arg[i] = argument(f, step, i, round);
    if (step->work <= 0) return;
    /* Some chunks a thread even out what other load disturbs. */
    int64_t parts = CHUNKS * f->crew->threads, chunk = (step->work + parts - 1) / parts;
    if (f->shared[index])
        qcc_pool_run(f->crew->pool, call_range, &c, step->work, chunk);
    else
        c.fn(c.arg, 0, step->work);
}

static void run_fill(QccFrame *f, const QccStep *step, int64_t round)
{
    qcc_fill_halo(argument(f, step, 0, round), step->layout, step->fill,
                  qcc_dtype_bits(step->fill_dtype) / 8);
}

/* What is interned comes from the instance, the rest from the session: two edges, and a lock. */
static QccStatus guard_interning(const QccFrame *f, QccStatus (*fn)(void *user), void *user)
{
    QccInstance *p = f->instance;
    pthread_mutex_lock(&p->lock);
    QccStatus status = qcc_guard_both(&p->mem, &f->crew->mem, fn, user);
    pthread_mutex_unlock(&p->lock);
    return status;
}

typedef struct Evaluation {
    const QccFrame *frame;
    const QccStep *step;
    int64_t round;
    QccArena *scratch;
} Evaluation;

static QccStatus eval_guarded(void *user)
{
    Evaluation *e = user;
    const QccOp *op = e->step->op;
    QccTensor *tensor = QCC_NEW_ARRAY(e->scratch, op->nin + op->nout, QccTensor);
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value)
            tensor[i] =
                qcc_tensor_view(op->in[i].value->type, argument(e->frame, e->step, i, e->round));
    for (int i = 0; i < op->nout; i++)
        tensor[op->nin + i] =
            qcc_tensor_view(op->out[i].type, argument(e->frame, e->step, op->nin + i, e->round));
    return qcc_interp_op(op, tensor, tensor + op->nin, e->scratch);
}

static QccStatus run_eval(const QccFrame *f, const QccStep *step, int64_t round)
{
    Evaluation e = {f, step, round, qcc_arena_new(&f->crew->mem)};
    QccStatus status = e.scratch ? guard_interning(f, eval_guarded, &e) : QCC_ERROR_MEMORY;
    qcc_arena_free(e.scratch);
    return status;
}

static QccStatus run_step(QccFrame *f, int index, int64_t round)
{
    const QccStep *step = &f->instance->lowered->step[index];
    switch (step->kind) {
    case QCC_STEP_KERNEL: run_kernel(f, step, index, round); return QCC_OK;
    case QCC_STEP_FILL: run_fill(f, step, round); return QCC_OK;
    default: return run_eval(f, step, round);
    }
}

static QccStatus run_steps(QccFrame *f)
{
    const QccLowered *l = f->instance->lowered;
    for (QccCursor at = {.step = -1}; qcc_lowered_next(l, &at);) {
        double start = f->crew->profiling ? qcc_now_ms() : 0;
        QCC_TRY(run_step(f, at.step, at.round));
        if (f->crew->profiling) f->profile[at.step].now_ms += qcc_now_ms() - start;
    }
    for (int i = 0; f->crew->profiling && i < l->nstep; i++) {
        QccStepProfile *p = &f->profile[i];
        p->min_ms = p->runs == 0 || p->now_ms < p->min_ms ? p->now_ms : p->min_ms;
        p->total_ms += p->now_ms;
        p->now_ms = 0;
        p->runs++;
    }
    return QCC_OK;
}

/* ---- the interpreter as an engine -------------------------------------------------------------
 */

static QccStatus keep_tap(void *user, const QccValue *value, const QccTensor *tensor)
{
    QccFrame *f = user;
    if (f->next_tap == f->ntap || f->tap_value[f->next_tap] != value) return QCC_OK;
    memcpy(f->tap[f->next_tap++].data, tensor->data, (size_t)qcc_type_bytes(tensor->type));
    return QCC_OK;
}

typedef struct Interpretation {
    QccFrame *frame;
    QccArena *scratch;
} Interpretation;

static QccStatus interpret_guarded(void *user)
{
    Interpretation *it = user;
    QccFrame *f = it->frame;
    const QccGraph *g = f->instance->graph;
    int nin = g->nparam, nout = qcc_graph_result_count(g);
    QccTensor *tensor = QCC_NEW_ARRAY(it->scratch, nin + nout, QccTensor);
    for (int i = 0; i < nin; i++) tensor[i] = qcc_tensor_view(g->param[i]->type, f->input[i].data);
    for (int i = 0; i < nout; i++)
        tensor[nin + i] = qcc_tensor_view(qcc_graph_result(g, i)->type, f->output[i].data);
    f->next_tap = 0;
    return qcc_interp_run(g, tensor, tensor + nin, f->crew->taps ? keep_tap : NULL, f);
}

static QccStatus interpret(QccFrame *f)
{
    Interpretation it = {f, qcc_arena_new(&f->crew->mem)};
    QccStatus status = it.scratch ? guard_interning(f, interpret_guarded, &it) : QCC_ERROR_MEMORY;
    qcc_arena_free(it.scratch);
    return status;
}

/* ---- running --------------------------------------------------------------------------------- */

static void refresh_taps(QccFrame *f)
{
    const QccLowered *l = f->instance->lowered;
    int n = 0;
    for (int i = 0; i < l->nplace && n < f->ntap; i++) {
        const QccPlacement *p = &l->place[i];
        if (p->value != f->tap_value[n]) continue;
        const QccTensor *t = &f->tap[n++];
        int64_t to[QCC_MAX_RANK], from[QCC_MAX_RANK];
        int64_t width = qcc_dtype_bits(t->type->dtype) / 8;
        qcc_byte_strides(to, t->dim, t->type->rank, width);
        for (int d = 0; d < t->type->rank; d++) from[d] = p->layout.pitch[d] * width;
        qcc_copy_elements(t->data, to, resolve(f, &p->ref), from, t->dim, t->type->rank, width);
    }
}

QccStatus qcc_frame_run(QccFrame *frame)
{
    bool compiled = frame->instance->lowered;
    QCC_TRY(compiled ? run_steps(frame) : interpret(frame));
    if (compiled && frame->crew->taps) refresh_taps(frame);
    return QCC_OK;
}
