/* resize - x sampled at evenly spaced places along one axis, between its elements.
 *
 *   place of position i = first + i * step, in f64
 *   y[i] = x[j] * w[j] + ...      over the taps j ascending, each product and sum in f32
 *
 * With t the distance of tap j from the place divided by `stretch`, its weight is, in f64,
 *   linear  1 - |t|
 *   cubic   (a+2)|t|^3 - (a+3)t^2 + 1 below 1, a|t|^3 - 5a t^2 + 8a|t| - 4a below 2   (Keys 1981)
 * divided by the sum of all weights and rounded to f32. Taps outside x read the nearest element, or
 * are left out (exclude). Taps of weight 0 are left out.
 */
#include <math.h>

#include "ir/ops/index.h"

static const char *const methods[] = {"linear", "cubic", NULL};

static const QccField attrs[] = {
    {"axis", QCC_FIELD_INT, offsetof(QccResizeAttrs, axis), NULL, 0, 0, NULL,
     "the dimension that changes"},
    {"extent", QCC_FIELD_INT, offsetof(QccResizeAttrs, extent), NULL, 0, 281474976710656.0, NULL,
     "its new extent"},
    {"first", QCC_FIELD_FLOAT, offsetof(QccResizeAttrs, first), NULL, 0, 0, NULL,
     "the place in x of position 0; 0 is the first element"},
    {"step", QCC_FIELD_FLOAT, offsetof(QccResizeAttrs, step), NULL, 0, 0, NULL,
     "the distance in x of neighbouring positions"},
    {"method", QCC_FIELD_ENUM, offsetof(QccResizeAttrs, method), "linear", 0, 0, methods,
     "linear: between two elements; cubic: between four"},
    {"a", QCC_FIELD_FLOAT, offsetof(QccResizeAttrs, a), "-0.75", 0, 0, NULL,
     "cubic: the slope at 1"},
    {"stretch", QCC_FIELD_FLOAT, offsetof(QccResizeAttrs, stretch), "1", 1, 4096, NULL,
     "the filter is this much wider, so that nothing is skipped: for steps beyond 1"},
    {"exclude", QCC_FIELD_BOOL, offsetof(QccResizeAttrs, exclude), "false", 0, 0, NULL,
     "leave out taps outside x, instead of repeating its edges"},
    {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccResizeAttrs *a = op->attrs;
    int64_t extent;
    QCC_TRY(qcc_op_need_f32(op, 0, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    QCC_TRY(qcc_op_extent(op, 0, (int)a->axis, &extent));
    if (extent == 0 || !isfinite(a->first) || !isfinite(a->step) || !isfinite(a->a))
        return qcc_op_error(op,
                            "'resize' needs elements along dimension %lld and finite places; x "
                            "is %s, first is %g, step is %g, a is %g",
                            (long long)a->axis, qcc_op_type_text(op, 0), a->first, a->step, a->a);
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < x->rank; i++) dim[i] = i == a->axis ? qcc_dim(a->extent) : x->dim[i];
    *result = qcc_type(op->graph->ir, QCC_F32, x->rank, dim, NULL);
    return QCC_OK;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* Elements on each side of a place that the filter reaches. */
static int64_t reach(const QccResizeAttrs *a)
{
    return (int64_t)ceil(a->stretch) * (a->method == QCC_SAMPLE_CUBIC ? 2 : 1);
}

static double weight_at(const QccResizeAttrs *a, double distance)
{
    double t = fabs(distance / a->stretch);
    if (a->method == QCC_SAMPLE_LINEAR) return t < 1 ? 1 - t : 0;
    if (t < 1) return ((a->a + 2) * t - (a->a + 3)) * t * t + 1;
    return t < 2 ? ((a->a * t - 5 * a->a) * t + 8 * a->a) * t - 4 * a->a : 0;
}

/* The taps of position i over n elements: how many; index and weight have room for 2 * reach. */
static int taps_of(const QccResizeAttrs *a, int64_t i, int64_t n, int64_t *index, float *weight)
{
    double place = a->first + (double)i * a->step, sum = 0, w;
    int64_t span = reach(a);
    /* Farther out nothing but the edge is seen. */
    place = fmin(fmax(place, -(double)span), (double)(n - 1 + span));
    int64_t from = (int64_t)floor(place) - span + 1, to = from + 2 * span;
    for (int64_t j = from; j < to; j++)
        if (!a->exclude || (j >= 0 && j < n)) sum += weight_at(a, (double)j - place);
    int count = 0;
    for (int64_t j = from; j < to; j++) {
        if (a->exclude && (j < 0 || j >= n)) continue;
        w = weight_at(a, (double)j - place) / sum;
        if (!isfinite(w) || (float)w == 0) continue;
        index[count] = j < 0 ? 0 : j < n ? j : n - 1;
        weight[count++] = (float)w;
    }
    return count;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    const QccResizeAttrs *a = op->attrs;
    QccLines l = qcc_lines(&in[0], a->axis);
    int64_t *index = qcc_alloc_array(arena, 2 * reach(a), sizeof *index);
    float *weight = qcc_alloc_array(arena, 2 * reach(a), sizeof *weight);
    for (int64_t i = 0; i < a->extent; i++) {
        int n = taps_of(a, i, l.n, index, weight);
        for (int64_t at = 0; at < l.outer * l.inner; at++) {
            int64_t o = at / l.inner, k = at % l.inner;
            const float *x = (const float *)in[0].data + o * l.n * l.inner + k;
            float sum = n ? x[index[0] * l.inner] * weight[0] : 0;
            for (int t = 1; t < n; t++) sum += x[index[t] * l.inner] * weight[t];
            ((float *)result->data)[(o * a->extent + i) * l.inner + k] = sum;
        }
    }
    return QCC_OK;
}

static bool permute(QccOp *op, const int *perm, int rank)
{
    QccResizeAttrs *a = op->attrs;
    a->axis = qcc_permute_axis(a->axis, perm, rank);
    return true;
}

/* ---- lowering -------------------------------------------------------------------------------- */

enum {
    RUN_TAPS_MAX = 8, /* of a kernel whose taps are arguments; steps behind it want some, too */
    TAPS_MAX = 32     /* of a kernel that looks its taps up */
};

static QccTaps make_taps(const QccResizeAttrs *a, int64_t n, QccArena *arena)
{
    int width = (int)(2 * reach(a));
    int *count = qcc_alloc_array(arena, a->extent, sizeof *count);
    int64_t *index = qcc_alloc_array(arena, a->extent * width, sizeof *index);
    float *weight = qcc_alloc_array(arena, a->extent * width, sizeof *weight);
    for (int64_t i = 0; i < a->extent; i++)
        count[i] = taps_of(a, i, n, index + i * width, weight + i * width);
    return (QccTaps){
        .n = a->extent, .width = width, .count = count, .index = index, .weight = weight};
}

/* The kernel of one run: every tap an argument of its own, and every weight. */
static void lower_run(const QccOp *op, QccKernelList *list, const QccTaps *taps, const QccRun *run,
                      int64_t *extent)
{
    const QccResizeAttrs *a = op->attrs;
    const QccType *type = op->in[0].value->type;
    QccReal real;
    int rank = op->out[0].type->rank, axis = (int)a->axis;
    int64_t to_stride[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        to_stride[i] = list->result->pitch[i] * (i == axis ? run->step : 1);
        stride[i] = qcc_lower_pitch(list, op, 0, i) * (i == axis ? run->delta : 1);
    }
    extent[axis] = run->n;
    int64_t *to = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
    to[axis] = run->first;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank, extent);
    qcc_lower_result(k, QCC_F32, to_stride, to);
    k->result_step[axis] = run->step;
    qcc_lower_real(list, k, type, &real);
    QccExpr *e = qcc_lower_expr(list);
    int sum = -1;
    for (int t = 0; t < taps->count[run->first]; t++) {
        int64_t at = run->first * taps->width + t;
        int64_t *from = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        from[axis] = taps->index[at];
        QccBlob *weight = qcc_blob(list->arena, QCC_F32, 0, NULL, &taps->weight[at], true);
        int x = qcc_lower_arg_node(e, k, qcc_lower_operand(k, 0, type->dtype, stride, from));
        x = qcc_lower_real_node(e, k, &real, x);
        int w = qcc_lower_arg_node(e, k, qcc_lower_const_arg(k, weight, NULL));
        int term = qcc_expr_op2(e, QCC_EX_mul, x, w);
        sum = sum < 0 ? term : qcc_expr_op2(e, QCC_EX_add, sum, term);
    }
    e->result = sum < 0 ? qcc_expr_f32(e, 0) : sum;
    k->kernel->epilogue = e;
}

/* One kernel, whose taps stand in tables of indices and weights; behind the last one are zeros. */
static void lower_tables(const QccOp *op, QccKernelList *list, const QccTaps *taps,
                         const int64_t *extent)
{
    const QccResizeAttrs *a = op->attrs;
    const QccType *type = op->in[0].value->type;
    QccReal real;
    int rank = op->out[0].type->rank, axis = (int)a->axis;
    int64_t stride[QCC_MAX_RANK], table_stride[QCC_MAX_RANK] = {0};
    for (int i = 0; i < rank; i++) stride[i] = i == axis ? 0 : qcc_lower_pitch(list, op, 0, i);
    table_stride[axis] = taps->width;
    int64_t dim[2] = {taps->n, taps->width}, pitch = qcc_lower_pitch(list, op, 0, axis);
    int64_t *offset = QCC_NEW_ARRAY(list->arena, taps->n * taps->width, int64_t);
    float *weight = QCC_NEW_ARRAY(list->arena, taps->n * taps->width, float);
    int most = 0;
    for (int64_t i = 0; i < taps->n; i++) {
        for (int t = 0; t < taps->count[i]; t++) {
            offset[i * taps->width + t] = taps->index[i * taps->width + t] * pitch;
            weight[i * taps->width + t] = taps->weight[i * taps->width + t];
        }
        most = taps->count[i] > most ? taps->count[i] : most;
    }
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, rank, extent);
    qcc_lower_result(k, QCC_F32, list->result->pitch, NULL);
    int x = qcc_lower_operand(k, 0, type->dtype, stride, NULL);
    qcc_lower_real(list, k, type, &real);
    int offsets =
        qcc_lower_const_arg(k, qcc_blob(list->arena, QCC_I64, 2, dim, offset, false), table_stride);
    int weights =
        qcc_lower_const_arg(k, qcc_blob(list->arena, QCC_F32, 2, dim, weight, false), table_stride);
    QccExpr *e = qcc_lower_expr(list);
    int zero = qcc_expr_f32(e, 0), sum = zero;
    for (int t = 0; t < most; t++) {
        int tap = qcc_expr_imm(e, QCC_EX_I64, 0, t);
        int w = qcc_expr_load(e, weights, QCC_EX_F32, tap);
        int v = qcc_expr_load(e, x, qcc_expr_type_of(type->dtype),
                              qcc_expr_load(e, offsets, QCC_EX_I64, tap));
        v = qcc_lower_real_node(e, k, &real, v);
        int next = qcc_expr_op2(e, QCC_EX_mul, v, w);
        if (t > 0) next = qcc_expr_op2(e, QCC_EX_add, sum, next);
        int some = qcc_expr_op2(e, QCC_EX_ne, w, zero);
        sum = qcc_expr_op3(e, QCC_EX_select, some, next, sum);
    }
    e->result = sum;
    k->kernel->epilogue = e;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccResizeAttrs *a = op->attrs;
    const QccType *x = op->in[0].value->type;
    int64_t dim[QCC_MAX_RANK];
    QccRun run[QCC_RUNS_MAX];
    bool reads = x->quant
                     ? qcc_dtype_bits(x->dtype) == 8 && qcc_quant_is_tensor(x->quant, NULL, NULL)
                     : x->dtype == QCC_F32;
    if (!reads || 2 * reach(a) > TAPS_MAX) return QCC_ERROR_UNSUPPORTED;
    if (!qcc_type_extents(op->out[0].type, dim) || x->dim[a->axis].sym[0] || a->extent == 0)
        return QCC_ERROR_UNSUPPORTED;
    QccTaps taps = make_taps(a, x->dim[a->axis].n, list->arena);
    int n = taps.width <= RUN_TAPS_MAX ? qcc_find_runs(run, &taps) : 0;
    for (int i = 0; i < n; i++) lower_run(op, list, &taps, &run[i], dim);
    if (!n) lower_tables(op, list, &taps, dim);
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccResizeAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1), .a = -0.75};
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    int64_t n = type->dim[axis].n;
    bool doubled = qcc_random_bool(random);
    a.extent = doubled ? 2 * n : qcc_random_range(random, 1, 20);
    a.step = (double)n / (double)a.extent;
    a.first = doubled ? a.step / 2 - 0.5 : (double)qcc_random_f32(random, -1, 1);
    a.method = (int)qcc_random_range(random, QCC_SAMPLE_LINEAR, QCC_SAMPLE_CUBIC);
    a.stretch = a.step > 1 && qcc_random_bool(random) ? a.step : 1;
    a.exclude = qcc_random_bool(random);
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_resize, &x, 1, &a);
}

const QccOpDef qcc_op_resize = {
    .name = "resize",
    .summary = "x sampled between its elements along one axis, linear or cubic",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccResizeAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_ELEMENTWISE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
