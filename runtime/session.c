/* session - runs a program: takes shapes and buffers, and has a frame run the instance for them.
 *
 *   caller's inputs -> extents -> frame -> (staged where they are strided, converted, or read past
 *     the end) -> steps -> (staged) -> caller's outputs
 */
#define _GNU_SOURCE
#include <string.h>

#include "ir/ops.h"
#include "ir/qmath.h"
#include "runtime/fp_env.h"
#include "runtime/frame.h"

struct QccSession {
    const QccProgram *program;
    QccCrew crew;
    QccDiags diags;
    QccArena *arena;
    const int64_t **shape; /* one an input, of this run */
    int64_t *extent;       /* one a symbol, of this run */
    int nframe;
    QccFrame *frame[QCC_INSTANCES]; /* the last used one first */
    QccFrame *now;                  /* of the last run */
};

/* ---- making ---------------------------------------------------------------------------------- */

static QccStatus make_session(void *user)
{
    QccSession *s = user;
    const QccGraph *g = s->program->graph;
    s->shape = QCC_NEW_ARRAY(s->arena, g->nparam, const int64_t *);
    s->extent = QCC_NEW_ARRAY(s->arena, g->nsymbol, int64_t);
    if (!s->program->target || s->crew.threads < 2) return QCC_OK;
    s->crew.pool = qcc_pool_new(s->arena, s->crew.threads);
    return s->crew.pool ? QCC_OK : QCC_ERROR_MEMORY;
}

/* The frame for these extents (NULL: the least) becomes the one that runs. */
static QccStatus make_frame(QccSession *s, const int64_t *extent)
{
    QccInstance *instance;
    QCC_TRY(qcc_program_instance(&instance, s->program, extent));
    QccFrame *frame;
    QccStatus status = qcc_frame_new(&frame, &s->crew, instance);
    qcc_instance_unref(instance);
    if (status != QCC_OK) return status;
    if (s->nframe == QCC_INSTANCES) qcc_frame_free(s->frame[--s->nframe]);
    memmove(s->frame + 1, s->frame, (size_t)s->nframe * sizeof(QccFrame *));
    s->frame[0] = s->now = frame;
    s->nframe++;
    return QCC_OK;
}

QccStatus qcc_session_new(QccSession **session, const QccProgram *program,
                          const QccSessionOptions *given)
{
    *session = NULL;
    QccSessionOptions options = {0};
    if (given) memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    QccSession *s = qcc_host_new(&program->mem, sizeof *s);
    if (!s) return QCC_ERROR_MEMORY;
    s->program = program;
    s->diags = qcc_context_diags(program->context);
    s->crew = (QccCrew){
        .mem = {.realloc = program->mem.realloc, .user = program->mem.user},
        .threads = options.threads > 0 ? options.threads : qcc_threads_available(),
        .profiling = options.profile,
        .taps = program->taps,
    };
    s->arena = qcc_arena_new(&s->crew.mem);
    QccStatus status = s->arena ? qcc_guard_mem(&s->crew.mem, make_session, s) : QCC_ERROR_MEMORY;
    if (status == QCC_OK) status = make_frame(s, NULL);
    if (status == QCC_OK)
        *session = s;
    else
        qcc_session_free(s);
    return status;
}

void qcc_session_free(QccSession *session)
{
    if (!session) return;
    for (int i = 0; i < session->nframe; i++) qcc_frame_free(session->frame[i]);
    qcc_arena_free(session->arena);
    QccMem mem = session->crew.mem;
    qcc_host_free(&mem, session);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static bool is_for(const QccFrame *f, const int64_t *extent, int n)
{
    return n == 0 || memcmp(f->instance->extent, extent, (size_t)n * sizeof *extent) == 0;
}

/* Makes s->now the frame for the shapes of these inputs. */
static QccStatus choose_frame(QccSession *s, const QccBuffer *inputs)
{
    const QccProgram *p = s->program;
    const QccGraph *g = p->graph;
    bool given = g->nsymbol > 0;
    for (int i = 0; i < g->nparam; i++) {
        given |= inputs[i].shape != NULL;
        s->shape[i] = inputs[i].shape ? inputs[i].shape : p->info[i].shape;
    }
    if (!given) return QCC_OK;
    QCC_TRY(qcc_bind_extents(s->extent, &s->diags, g, s->shape));
    for (int i = 0; i < s->nframe; i++) {
        if (!is_for(s->frame[i], s->extent, g->nsymbol)) continue;
        s->now = s->frame[i];
        memmove(s->frame + 1, s->frame, (size_t)i * sizeof(QccFrame *));
        s->frame[0] = s->now;
        return QCC_OK;
    }
    return make_frame(s, s->extent);
}

static QccStatus check_output_shape(QccSession *s, const QccBorder *b, const int64_t *shape)
{
    for (int i = 0; shape && i < b->value->type->rank; i++)
        if (shape[i] != b->dim[i])
            return qcc_fail(&s->diags, QCC_ERROR_USAGE, (QccLoc){0},
                            "dimension %d of '%s' is %lld in this run, the shape says %lld", i,
                            b->value->name, (long long)b->dim[i], (long long)shape[i]);
    return QCC_OK;
}

/* ---- borders --------------------------------------------------------------------------------- */

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

static Conversion conversion(const QccBorder *b, QccDtype dtype, float *scale, int32_t *zero)
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

static QccStatus border_error(QccSession *s, const QccBorder *b, QccDtype dtype)
{
    const char *name = qcc_dtype_name(dtype);
    return qcc_fail(&s->diags, QCC_ERROR_USAGE, (QccLoc){0},
                    "'%s' is %s in the program, the buffer is %s", b->value->name,
                    qcc_dtype_name(b->value->type->dtype), name ? name : "of no known type");
}

/* Whether the caller's strides can be followed: elements of whole bytes, as they are. */
static QccStatus check_strides(QccSession *s, const QccBorder *b, const QccBuffer *buffer)
{
    QccDtype dtype = b->value->type->dtype;
    if (!buffer->strides || (buffer->dtype == dtype && qcc_dtype_bits(dtype) >= 8)) return QCC_OK;
    return qcc_fail(&s->diags, QCC_ERROR_USAGE, (QccLoc){0},
                    "'%s' is %s in the program and %s in the buffer, which takes no strides",
                    b->value->name, qcc_dtype_name(dtype), qcc_dtype_name(buffer->dtype));
}

static QccStatus take_input(QccSession *s, int index, const QccBuffer *buffer)
{
    QccBorder *b = &s->now->input[index];
    const QccType *t = b->value->type;
    float scale = 1;
    int32_t zero = 0;
    Conversion how = conversion(b, buffer->dtype, &scale, &zero);
    if (how == NONE || !buffer->data) return border_error(s, b, buffer->dtype);
    QCC_TRY(check_strides(s, b, buffer));
    b->data = buffer->data;
    int64_t width = qcc_dtype_bits(buffer->dtype) / 8;
    bool staged = s->now->instance->stage_input && s->now->instance->stage_input[index];
    if (how == SAME && !buffer->strides && !staged) return QCC_OK;
    b->data = b->stage;
    if (how == SAME) {
        int64_t dense[QCC_MAX_RANK];
        qcc_byte_strides(dense, b->dim, t->rank, width);
        qcc_copy_elements(b->stage, dense, buffer->data, buffer->strides ? buffer->strides : dense,
                          b->dim, t->rank, width);
        return QCC_OK;
    }
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
    QccBorder *b = &s->now->output[index];
    float scale;
    int32_t zero;
    QCC_TRY(check_output_shape(s, b, buffer->shape));
    Conversion how = conversion(b, buffer->dtype, &scale, &zero);
    if ((how != SAME && how != NARROW) || !buffer->data) return border_error(s, b, buffer->dtype);
    QCC_TRY(check_strides(s, b, buffer));
    b->data = how == SAME && !buffer->strides ? buffer->data : b->stage;
    return QCC_OK;
}

static void give_output(QccSession *s, int index, const QccBuffer *buffer)
{
    QccBorder *b = &s->now->output[index];
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
    qcc_byte_strides(dense, b->dim, b->value->type->rank, width);
    qcc_copy_elements(buffer->data, buffer->strides, b->stage, dense, b->dim, b->value->type->rank,
                      width);
}

/* ---- running --------------------------------------------------------------------------------- */

static QccStatus run_session(QccSession *session, const QccBuffer *inputs, int n_inputs,
                             const QccBuffer *outputs, int n_outputs)
{
    const QccProgram *p = session->program;
    if (n_inputs != qcc_program_input_count(p) || n_outputs != qcc_program_output_count(p))
        return qcc_fail(&session->diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "the program has %d inputs and %d outputs, the call gives %d and %d",
                        qcc_program_input_count(p), qcc_program_output_count(p), n_inputs,
                        n_outputs);
    QCC_TRY(choose_frame(session, inputs));
    for (int i = 0; i < n_inputs; i++) QCC_TRY(take_input(session, i, &inputs[i]));
    for (int i = 0; i < n_outputs; i++) QCC_TRY(offer_output(session, i, &outputs[i]));
    QCC_TRY(qcc_frame_run(session->now));
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
    return session->now->instance->lowered ? session->now->instance->lowered->nstep : 0;
}

QccStatus qcc_session_profile(const QccSession *session, int index, QccProfileRow *row)
{
    if (index < 0 || index >= qcc_session_profile_count(session)) return QCC_ERROR_USAGE;
    const QccLowered *l = session->now->instance->lowered;
    const QccStep *s = &l->step[index];
    const QccStepProfile *p = &session->now->profile[index];
    const QccKernel *k = s->kind == QCC_STEP_KERNEL ? l->kernel[s->kernel] : NULL;
    *row = (QccProfileRow){
        .kernel = session->now->title[index],
        .value = s->value ? s->value->name : "",
        .node = s->op && s->op->loc.node ? s->op->loc.node : "",
        .runs = p->runs,
        .total_ms = p->total_ms,
        .min_ms = p->min_ms,
        .operations = k ? qcc_kernel_operations(k) * s->rounds : 0,
        .bytes = k ? qcc_kernel_bytes(k) * s->rounds : 0,
        .compiled = s->kind != QCC_STEP_EVAL,
    };
    return QCC_OK;
}

int qcc_session_tap_count(const QccSession *session)
{
    return session->now->ntap;
}

QccStatus qcc_session_tap(const QccSession *session, int index, QccTensorInfo *info,
                          const void **data)
{
    if (index < 0 || index >= session->now->ntap) return QCC_ERROR_USAGE;
    const QccTensor *t = &session->now->tap[index];
    const QccType *type = session->now->tap_value[index]->type;
    memset(info, 0, sizeof *info);
    info->name = session->now->tap_value[index]->name;
    info->dtype = type->dtype;
    info->rank = type->rank;
    memcpy(info->shape, t->dim, sizeof info->shape);
    info->quantized = type->quant && qcc_quant_is_tensor(type->quant, &info->scale, &info->zero);
    *data = t->data;
    return QCC_OK;
}
