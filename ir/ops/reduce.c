/* reduce - what the reductions share: reduce_*, softmax, layer_norm. */
#include "ir/ops/reduce.h"

#include <limits.h>
#include <math.h>

#include "ir/elements.h"
#include "ir/ops/index.h"

const QccField qcc_reduce_fields[] = {
    {"axes", QCC_FIELD_INTS, offsetof(QccReduceAttrs, axes), "[]", 0, 0, NULL,
     "the dimensions that are reduced, negative from the end; none: all"},
    {"keep", QCC_FIELD_BOOL, offsetof(QccReduceAttrs, keep), "true", 0, 0, NULL,
     "they stay, with extent 1"},
    {0}};

/* Which dimensions are reduced; returns the first one, or rank. */
static int reduced_mask(const QccOp *op, int rank, bool *mask)
{
    const QccReduceAttrs *a = op->attrs;
    for (int i = 0; i < rank; i++) mask[i] = a->axes.n == 0;
    for (int i = 0; i < a->axes.n; i++) mask[a->axes.v[i]] = true;
    int first = 0;
    while (first < rank && !mask[first]) first++;
    return first;
}

/* One behind the last dimension of the run that begins with `first`; -1 when others follow. */
static int run_end(const bool *mask, int first, int rank)
{
    int end = first;
    while (end < rank && mask[end]) end++;
    for (int i = end; i < rank; i++) {
        if (mask[i]) return -1;
    }
    return end;
}

static int64_t reduced_count(const bool *mask, int rank, const int64_t *dim)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= mask[i] ? dim[i] : 1;
    return n;
}

/* Sorted, from the front, each once. */
static QccStatus normalize_axes(const QccOp *op, QccInts *axes, int rank)
{
    if (axes->n > rank)
        return qcc_op_error(op, "'%s' has %d axes, and x is %s", op->def->name, axes->n,
                            qcc_op_type_text(op, 0));
    for (int i = 0; i < axes->n; i++) {
        QCC_TRY(qcc_op_axis(op, &axes->v[i], rank));
        int64_t axis = axes->v[i];
        int at = i;
        for (; at > 0 && axes->v[at - 1] >= axis; at--) {
            if (axes->v[at - 1] == axis)
                return qcc_op_error(op, "'%s' has axis %lld twice", op->def->name, (long long)axis);
            axes->v[at] = axes->v[at - 1];
        }
        axes->v[at] = axis;
    }
    return QCC_OK;
}

QccStatus qcc_reduce_infer(QccOp *op, const QccType **result)
{
    QccReduceAttrs *a = op->attrs;
    if (!qcc_op_has(op, 0)) return qcc_op_error(op, "'%s' needs operand 1", op->def->name);
    const QccType *x = qcc_op_real(op, 0);
    bool choice = op->def == &qcc_op_reduce_max || op->def == &qcc_op_reduce_min;
    if (qcc_dtype_bits(x->dtype) < 8 || (x->dtype == QCC_BOOL && !choice))
        return qcc_op_error(op, "'%s' reduces numbers of at least a byte; x is %s", op->def->name,
                            qcc_op_type_text(op, 0));
    QCC_TRY(normalize_axes(op, &a->axes, x->rank));
    bool mask[QCC_MAX_RANK];
    reduced_mask(op, x->rank, mask);
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (!mask[i])
            dim[rank++] = x->dim[i];
        else if (a->keep)
            dim[rank++] = qcc_dim(1);
    }
    *result = qcc_type(op->graph->ir, x->dtype, rank, dim, NULL);
    return QCC_OK;
}

bool qcc_reduce_permute(QccOp *op, const int *perm, int rank)
{
    QccReduceAttrs *a = op->attrs;
    bool mask[QCC_MAX_RANK];
    reduced_mask(op, rank, mask);
    int before = -1;
    for (int i = 0; i < rank && !a->keep; i++) { /* what remains must keep its order */
        if (mask[perm[i]]) continue;
        if (perm[i] < before) return false;
        before = perm[i];
    }
    if (a->axes.n == 0) return true;
    a->axes.n = 0;
    for (int i = 0; i < rank; i++) {
        if (mask[perm[i]]) a->axes.v[a->axes.n++] = i;
    }
    return true;
}

/* ---- meaning ----------------------------------------------------------------------------------
 */

static float identity(QccReduceKind kind)
{
    switch (kind) {
    case QCC_REDUCE_MAX: return -INFINITY;
    case QCC_REDUCE_MIN: return INFINITY;
    case QCC_REDUCE_PROD: return 1;
    default: return 0;
    }
}

#define COMBINE(acc, x, kind)                                                                      \
    ((kind) == QCC_REDUCE_MAX    ? ((acc) > (x) ? (acc) : (x))                                     \
     : (kind) == QCC_REDUCE_MIN  ? ((acc) < (x) ? (acc) : (x))                                     \
     : (kind) == QCC_REDUCE_PROD ? (acc) * (x)                                                     \
                                 : (acc) + (x))

enum { LANES = 16 };

#define REDUCE_ROW(T)                                                                              \
    T lane[LANES];                                                                                 \
    for (int i = 0; i < LANES; i++) lane[i] = (T)identity(kind);                                   \
    for (int64_t i = 0; i < n; i++) lane[i % LANES] = COMBINE(lane[i % LANES], x[i], kind);        \
    for (int w = LANES / 2; w > 0; w /= 2) {                                                       \
        for (int i = 0; i < w; i++) lane[i] = COMBINE(lane[i], lane[i + w], kind);                 \
    }                                                                                              \
    return lane[0]

float qcc_reduce_row(const float *x, int64_t n, QccReduceKind kind)
{
    REDUCE_ROW(float);
}

double qcc_reduce_row_f64(const double *x, int64_t n, QccReduceKind kind)
{
    REDUCE_ROW(double);
}

/* Walks over the operand in row-major order: `at` is the output of the current element. */
typedef struct Walk {
    int rank;
    const int64_t *dim;
    int64_t stride[QCC_MAX_RANK], index[QCC_MAX_RANK], at; /* stride 0: reduced */
} Walk;

static Walk walk_over(const QccTensor *x, const bool *mask)
{
    Walk w = {.rank = x->type->rank, .dim = x->dim};
    int64_t step = 1;
    for (int i = w.rank - 1; i >= 0; i--) {
        w.stride[i] = mask[i] ? 0 : step;
        if (!mask[i]) step *= x->dim[i];
    }
    return w;
}

static void walk_on(Walk *w)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        w->at += w->stride[d];
        if (++w->index[d] < w->dim[d]) return;
        w->at -= w->stride[d] * w->dim[d];
        w->index[d] = 0;
    }
}

/* Neither the last dimensions nor neighbours: how the dimensions lie when the reduced ones have
 * been moved to the end. Strides are those of x. */
static void moved_to_end(const bool *mask, int rank, const int64_t *dim, const int64_t *stride,
                         int64_t *to_dim, int64_t *to_stride)
{
    for (int pass = 0, n = 0; pass < 2; pass++) {
        for (int i = 0; i < rank; i++) {
            if (mask[i] != (pass == 1)) continue;
            to_dim[n] = dim[i];
            to_stride[n++] = stride[i];
        }
    }
}

static const void *move_to_end(const QccTensor *x, const void *from, size_t size, const bool *mask,
                               QccArena *arena)
{
    int rank = x->type->rank;
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK], own[QCC_MAX_RANK], dense[QCC_MAX_RANK];
    qcc_dense_strides(rank, x->dim, own);
    moved_to_end(mask, rank, x->dim, own, dim, stride);
    qcc_dense_strides(rank, dim, dense);
    void *to = qcc_alloc_array(arena, x->count + 1, size);
    qcc_copy_strided(rank, dim, size, to, dense, from, stride);
    return to;
}

#define EVAL_REALS(T, reduce_row)                                                                  \
    int rank = x->type->rank, end = run_end(mask, first, rank);                                    \
    int64_t n = reduced_count(mask, rank, x->dim);                                                 \
    if (end < 0) from = move_to_end(x, from, sizeof *from, mask, arena);                           \
    if (end < 0 || end == rank) {                                                                  \
        for (int64_t i = 0; i < count; i++) y[i] = reduce_row(from + i * n, n, kind);              \
    } else {                                                                                       \
        Walk w = walk_over(x, mask);                                                               \
        for (int64_t i = 0; i < count; i++) y[i] = (T)identity(kind);                              \
        for (int64_t i = 0; i < x->count; i++, walk_on(&w))                                        \
            y[w.at] = COMBINE(y[w.at], from[i], kind);                                             \
    }                                                                                              \
    for (int64_t i = 0; i < count && kind == QCC_REDUCE_MEAN; i++) y[i] /= (T)n

static void eval_f32(const QccTensor *x, const float *from, int64_t count, float *y,
                     const bool *mask, int first, QccReduceKind kind, QccArena *arena)
{
    EVAL_REALS(float, qcc_reduce_row);
}

static void eval_f64(const QccTensor *x, const double *from, int64_t count, double *y,
                     const bool *mask, int first, QccReduceKind kind, QccArena *arena)
{
    EVAL_REALS(double, qcc_reduce_row_f64);
}

static int64_t combine_i64(int64_t acc, int64_t x, QccReduceKind kind)
{
    switch (kind) { /* unsigned: wraps */
    case QCC_REDUCE_MAX: return acc > x ? acc : x;
    case QCC_REDUCE_MIN: return acc < x ? acc : x;
    case QCC_REDUCE_PROD: return (int64_t)((uint64_t)acc * (uint64_t)x);
    default: return (int64_t)((uint64_t)acc + (uint64_t)x);
    }
}

/* Unsigned numbers of 64 bits as signed ones in the same order, and back. */
static int64_t biased(int64_t x)
{
    return (int64_t)((uint64_t)x ^ UINT64_C(1) << 63);
}

static int64_t mean(int64_t sum, int64_t n, bool is_unsigned)
{
    if (n == 0) return 0;
    return is_unsigned ? (int64_t)((uint64_t)sum / (uint64_t)n) : sum / n;
}

/* Integers of any width, in i64; narrowing wraps as the width would have. */
static void eval_i64(const QccTensor *x, const QccTensor *result, const bool *mask,
                     QccReduceKind kind, QccArena *arena)
{
    QccDtype dtype = x->type->dtype;
    bool wide = qcc_expr_type_of(dtype) != QCC_EX_I32, is_unsigned = dtype == QCC_U64;
    bool bias = is_unsigned && (kind == QCC_REDUCE_MAX || kind == QCC_REDUCE_MIN);
    int64_t *y = QCC_NEW_ARRAY(arena, result->count, int64_t), least, most;
    int64_t n = reduced_count(mask, x->type->rank, x->dim);
    qcc_dtype_range(bias ? QCC_I64 : dtype, &least, &most);
    Walk w = walk_over(x, mask);
    for (int64_t i = 0; i < result->count; i++) {
        y[i] = kind == QCC_REDUCE_MAX   ? least
               : kind == QCC_REDUCE_MIN ? most
                                        : kind == QCC_REDUCE_PROD;
    }
    for (int64_t i = 0; i < x->count; i++, walk_on(&w)) {
        int64_t v;
        int32_t half;
        qcc_widen(wide ? (void *)&v : &half, dtype, x->data, i, 1);
        if (!wide) v = half;
        y[w.at] = combine_i64(y[w.at], bias ? biased(v) : v, kind);
    }
    for (int64_t i = 0; i < result->count; i++) {
        if (kind == QCC_REDUCE_MEAN) y[i] = mean(y[i], n, is_unsigned);
        if (bias) y[i] = biased(y[i]);
        int32_t half = (int32_t)(uint32_t)(uint64_t)y[i];
        qcc_narrow(result->data, dtype, i, wide ? (const void *)&y[i] : &half, 1);
    }
}

/* Exact, so that one order is as good as another. */
static void eval_quantized(const QccTensor *x, const QccTensor *result, const bool *mask,
                           int32_t zero, QccReduceKind kind)
{
    int32_t *y = result->data;
    int32_t init = kind == QCC_REDUCE_MAX ? INT32_MIN : kind == QCC_REDUCE_MIN ? INT32_MAX : 0;
    for (int64_t i = 0; i < result->count; i++) y[i] = init;
    Walk w = walk_over(x, mask);
    for (int64_t i = 0; i < x->count; i++, walk_on(&w)) {
        int32_t q = qcc_load_integer(x, i) - zero;
        if (kind == QCC_REDUCE_MAX)
            y[w.at] = y[w.at] > q ? y[w.at] : q;
        else if (kind == QCC_REDUCE_MIN)
            y[w.at] = y[w.at] < q ? y[w.at] : q;
        else
            y[w.at] = (int32_t)((uint32_t)y[w.at] + (uint32_t)q);
    }
}

/* f16 and bf16 by way of f32. */
static void eval_narrow(const QccTensor *x, const QccTensor *result, const bool *mask, int first,
                        QccReduceKind kind, QccArena *arena)
{
    float *from = QCC_NEW_ARRAY(arena, x->count, float);
    float *y = QCC_NEW_ARRAY(arena, result->count, float);
    qcc_widen(from, x->type->dtype, x->data, 0, x->count);
    eval_f32(x, from, result->count, y, mask, first, kind, arena);
    qcc_narrow(result->data, result->type->dtype, 0, y, result->count);
}

QccStatus qcc_reduce_eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                          QccReduceKind kind, QccArena *arena)
{
    bool mask[QCC_MAX_RANK];
    const QccTensor *x = &in[0];
    int first = reduced_mask(op, x->type->rank, mask);
    if (x->type->quant) {
        int32_t zero = 0;
        QCC_TRY(qcc_op_tensor_quant(op, 0, NULL, &zero));
        eval_quantized(x, result, mask, zero, kind);
        return QCC_OK;
    }
    switch (x->type->dtype) {
    case QCC_F32:
        eval_f32(x, x->data, result->count, result->data, mask, first, kind, arena);
        break;
    case QCC_F64:
        eval_f64(x, x->data, result->count, result->data, mask, first, kind, arena);
        break;
    case QCC_F16:
    case QCC_BF16: eval_narrow(x, result, mask, first, kind, arena); break;
    default: eval_i64(x, result, mask, kind, arena);
    }
    return QCC_OK;
}

QccStatus qcc_reduce_unit(const QccOp *op, QccArena *arena, QccUnit *unit, QccReduceKind kind)
{
    const QccType *x = op->in[0].value->type;
    int64_t dim[QCC_MAX_RANK];
    bool mask[QCC_MAX_RANK];
    if (kind != QCC_REDUCE_MEAN) return qcc_unit_scale(op, 1, arena, unit);
    if (!qcc_type_extents(x, dim))
        return qcc_op_error(op, "'%s' over quantized values needs extents that are numbers",
                            op->def->name);
    reduced_mask(op, x->rank, mask);
    return qcc_unit_scale(op, reduced_count(mask, x->rank, dim), arena, unit);
}

/* ---- f64 --------------------------------------------------------------------------------------
 */

void qcc_softmax_f64(const double *x, double *y, int64_t count, int64_t n, bool log,
                     QccArena *arena)
{
    double *e = QCC_NEW_ARRAY(arena, n, double);
    QccExprEval *exponential = qcc_expr_function(qcc_expr_exp, QCC_EX_F64, arena);
    QccExprEval *logarithm = qcc_expr_function(qcc_expr_log, QCC_EX_F64, arena);
    for (int64_t at = 0; at < count; at += n, x += n, y += n) {
        double most = qcc_reduce_row_f64(x, n, QCC_REDUCE_MAX), sum, by;
        for (int64_t i = 0; i < n; i++) y[i] = x[i] - most;
        qcc_expr_apply(exponential, n, y, e);
        sum = qcc_reduce_row_f64(e, n, QCC_REDUCE_SUM);
        qcc_expr_apply(logarithm, 1, &sum, &by);
        for (int64_t i = 0; i < n; i++) y[i] = log ? y[i] - by : e[i] / sum;
    }
}

/* ---- lowering ---------------------------------------------------------------------------------
 */

int qcc_rows_real(QccExpr *e, const QccLoweredKernel *k, const QccReal *real)
{
    return qcc_lower_real_node(e, k, real, qcc_lower_arg_node(e, k, 1));
}

int qcc_rows_stage(QccExpr *e, int i, QccExprType type)
{
    return qcc_expr_arg(e, QCC_ROW_RESULT + i, type);
}

QccLoweredKernel *qcc_rows_lower(const QccOp *op, QccKernelList *list, int first, bool reduced)
{
    const QccType *x = op->in[0].value->type, *y = op->out[0].type;
    const QccLayout *in = list->in[0];
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    if (!in || !qcc_type_extents(x, xd) || !qcc_type_extents(y, yd) || first >= QCC_MAX_RANK)
        return NULL;
    if (qcc_dtype_bits(x->dtype) < 8) return NULL;
    int64_t extent[QCC_MAX_RANK];
    for (int i = 0; i < first; i++) {
        extent[i] = xd[i];
        stride[i] = in->pitch[i];
    }
    if (!qcc_lower_merge(xd, in->pitch, first, x->rank - 1, &extent[first], &stride[first]))
        return NULL;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_ROWS, first + 1, extent);
    for (int i = first; i < y->rank; i++) k->result_dim[i] = first;
    int64_t result_stride[QCC_MAX_RANK];
    if (!qcc_lower_strides(k, y->rank, yd, list->result->pitch, result_stride)) {
        list->n--;
        return NULL;
    }
    k->kernel->u.rows.reduced = reduced;
    qcc_lower_result(k, y->dtype, result_stride, NULL);
    qcc_lower_operand(k, 0, x->dtype, stride, NULL);
    k->kernel->nanchor = 1;
    return k;
}

/* The element type that values are combined in: a mean of plain integers is one of i64, and so are
 * unsigned numbers of 64 bits, which are compared as signed ones in the same order. */
static QccExprType sum_type(const QccType *x, QccReduceKind kind)
{
    QccExprType type = qcc_expr_type_of(x->dtype);
    if (type == QCC_EX_U64) return QCC_EX_I64;
    return kind == QCC_REDUCE_MEAN && type == QCC_EX_I32 && !x->quant ? QCC_EX_I64 : type;
}

static bool is_compared(const QccType *x, QccReduceKind kind)
{
    return x->dtype == QCC_U64 && (kind == QCC_REDUCE_MAX || kind == QCC_REDUCE_MIN);
}

/* acc, or acc / n, as the result's type. */
static QccExpr *finish(QccKernelList *list, const QccType *x, QccReduceKind kind, int64_t n)
{
    QccExprType type = qcc_expr_type_of(x->dtype);
    if (x->quant || (kind != QCC_REDUCE_MEAN && type != QCC_EX_U64)) return NULL;
    QccExpr *e = qcc_lower_expr(list);
    int y = qcc_expr_acc(e, sum_type(x, kind));
    if (is_compared(x, kind)) y = qcc_lower_signed(e, y);
    if (type == QCC_EX_U64) y = qcc_expr_cvt(e, type, y);
    if (kind == QCC_REDUCE_MEAN)
        y = qcc_expr_op2(e, QCC_EX_div, y, qcc_expr_imm(e, e->node[y].type, (double)n, n));
    e->result = qcc_expr_cvt(e, type, y);
    return e;
}

static QccCombine combine_of(QccReduceKind kind)
{
    switch (kind) {
    case QCC_REDUCE_MAX: return QCC_COMBINE_MAX;
    case QCC_REDUCE_MIN: return QCC_COMBINE_MIN;
    case QCC_REDUCE_PROD: return QCC_COMBINE_PROD;
    default: return QCC_COMBINE_SUM;
    }
}

/* The one stage of a ROWS kernel over argument 1. */
static void set_stage(QccKernelList *list, QccLoweredKernel *k, const QccType *x, int64_t n,
                      QccReduceKind kind)
{
    QccRowShape *rows = &k->kernel->u.rows;
    QccExpr *term = qcc_lower_expr(list), *value = qcc_lower_expr(list);
    int item = qcc_lower_arg_node(term, k, 1);
    if (is_compared(x, kind)) item = qcc_lower_signed(term, item);
    term->result = qcc_expr_cvt(term, sum_type(x, kind), item);
    value->result = qcc_rows_stage(value, 0, qcc_expr_type_of(x->dtype));
    rows->nstage = 1;
    rows->stage[0].combine = combine_of(kind);
    rows->stage[0].term = term;
    rows->stage[0].then = finish(list, x, kind, n);
    k->kernel->epilogue = value;
}

static QccLoweredKernel *lower_rows(const QccOp *op, QccKernelList *list, int first, int64_t n,
                                    QccReduceKind kind)
{
    QccLoweredKernel *k = qcc_rows_lower(op, list, first, true);
    if (k) set_stage(list, k, op->in[0].value->type, n, kind);
    return k;
}

/* A copy whose reduced dimensions are the last ones, then its rows. */
static QccLoweredKernel *lower_moved(const QccOp *op, QccKernelList *list, const bool *mask,
                                     int64_t n, QccReduceKind kind)
{
    const QccType *x = op->in[0].value->type, *y = op->out[0].type;
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK], dim[QCC_MAX_RANK], from[QCC_MAX_RANK];
    int64_t dense[QCC_MAX_RANK], result_stride[QCC_MAX_RANK];
    if (!list->in[0] || !qcc_type_extents(x, xd) || !qcc_type_extents(y, yd)) return NULL;
    moved_to_end(mask, x->rank, xd, list->in[0]->pitch, dim, from);
    qcc_dense_strides(x->rank, dim, dense);
    int temp = qcc_lower_temp(list, x->dtype, x->rank, dim), kept = 0;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, x->rank, dim);
    qcc_lower_temp_arg(k, temp, qcc_moved_as(x->dtype), dense);
    qcc_lower_operand(k, 0, qcc_moved_as(x->dtype), from, NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    e->result = qcc_lower_arg_node(e, k, 1);

    for (int i = 0; i < x->rank; i++) kept += !mask[i];
    int64_t extent[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    for (int i = 0; i < kept; i++) extent[i] = dim[i], stride[i] = dense[i];
    extent[kept] = n;
    stride[kept] = 1;
    k = qcc_lower_kernel(list, QCC_ANCHOR_ROWS, kept + 1, extent);
    for (int i = 0, at = 0; i < y->rank; i++)
        k->result_dim[i] = y->rank == x->rank && mask[i] ? kept : at++;
    if (!qcc_lower_strides(k, y->rank, yd, list->result->pitch, result_stride)) return NULL;
    k->kernel->u.rows.reduced = true;
    qcc_lower_result(k, y->dtype, result_stride, NULL);
    qcc_lower_temp_arg(k, temp, x->dtype, stride);
    k->kernel->nanchor = 1;
    set_stage(list, k, x, n, kind);
    return k;
}

/* The dimensions before `first` are images, those from `end` on are channels, and between them lies
 * a window as large as the image. */
static QccLoweredKernel *lower_pool(const QccOp *op, QccKernelList *list, int first, int end,
                                    int64_t n, QccReduceKind kind)
{
    const QccType *x = op->in[0].value->type, *y = op->out[0].type;
    const QccLayout *in = list->in[0];
    int64_t xd[QCC_MAX_RANK], yd[QCC_MAX_RANK], stride[QCC_MAX_RANK], c_stride;
    int64_t extent[4] = {1, 1, 1, 1};
    if (!in || !qcc_type_extents(x, xd) || !qcc_type_extents(y, yd)) return NULL;
    if (qcc_dtype_bits(x->dtype) < 8 || sum_type(x, kind) != qcc_expr_type_of(x->dtype))
        return NULL;
    const int64_t *pitch = in->pitch;
    QccPoolShape p = {.combine = combine_of(kind),
                      .iw = xd[end - 1],
                      .kw = xd[end - 1],
                      .stride_h = 1,
                      .stride_w = 1,
                      .dil_h = 1,
                      .dil_w = 1,
                      .a_w = pitch[end - 1]};
    if (!qcc_lower_merge(xd, pitch, 0, first - 1, &extent[0], &p.a_n) ||
        !qcc_lower_merge(xd, pitch, first, end - 2, &p.ih, &p.a_h) ||
        !qcc_lower_merge(xd, pitch, end, x->rank - 1, &extent[3], &c_stride) || c_stride > 1)
        return NULL;
    p.kh = p.ih;
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_POOL, 4, extent);
    k->kernel->u.pool = p;
    int kept = y->rank == x->rank ? end : first;
    for (int i = 0; i < y->rank; i++) k->result_dim[i] = i < first ? 0 : i < kept ? 1 : 3;
    if (!qcc_lower_strides(k, y->rank, yd, list->result->pitch, stride)) {
        list->n--;
        return NULL;
    }
    qcc_lower_result(k, y->dtype, stride, NULL);
    qcc_lower_operand(k, 0, x->dtype, NULL, NULL);
    k->kernel->nanchor = 1;
    k->kernel->epilogue = finish(list, x, kind, n);
    return k;
}

QccStatus qcc_reduce_lower(const QccOp *op, QccKernelList *list, QccReduceKind kind)
{
    const QccType *x = op->in[0].value->type;
    int64_t dim[QCC_MAX_RANK];
    bool mask[QCC_MAX_RANK];
    if (!qcc_type_extents(x, dim)) return QCC_ERROR_UNSUPPORTED;
    int first = reduced_mask(op, x->rank, mask), end = run_end(mask, first, x->rank);
    int64_t n = reduced_count(mask, x->rank, dim);
    if (n == 0) return QCC_ERROR_UNSUPPORTED;
    QccLoweredKernel *k = end == x->rank ? lower_rows(op, list, first, n, kind)
                          : end > 0      ? lower_pool(op, list, first, end, n, kind)
                                         : NULL;
    /* The order of f32 sums is that of rows or of windows; of integers it is all the same. */
    bool exact = x->quant || !qcc_dtype_is_float(x->dtype);
    if (!k && (end < 0 || exact)) k = lower_moved(op, list, mask, n, kind);
    if (!k) return QCC_ERROR_UNSUPPORTED;
    if (qcc_op_selects_raw(op)) return QCC_OK;
    bool sum = kind == QCC_REDUCE_SUM || kind == QCC_REDUCE_MEAN;
    return qcc_lower_correct_zero(op, list, k, sum ? n : 1);
}

/* ---- sample -----------------------------------------------------------------------------------
 */

void qcc_reduce_sample(QccRandom *r, QccSample *s, const QccOpDef *def)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccReduceAttrs a = {.keep = qcc_random_bool(r)};
    if (qcc_random_bool(r)) { /* neighbours, often H and W */
        int first = (int)qcc_random_range(r, 0, type->rank - 1);
        int last = (int)qcc_random_range(r, first, type->rank - 1);
        for (int i = first; i <= last; i++) a.axes.v[a.axes.n++] = i - type->rank;
    } else { /* any, in an order that is not sorted; none: all */
        for (int i = type->rank - 1; i >= 0; i--) {
            if (qcc_random_bool(r)) a.axes.v[a.axes.n++] = i;
        }
    }
    static const QccDtype other[] = {QCC_F64, QCC_F16, QCC_BF16, QCC_I8,  QCC_U8, QCC_I16,
                                     QCC_U16, QCC_I32, QCC_U32,  QCC_I64, QCC_U64};
    bool plain = qcc_random_range(r, 0, 4) == 0;
    if (plain) {
        int64_t i = qcc_random_range(r, 0, sizeof other / sizeof *other - 1);
        type = qcc_type_plain(s->graph->ir, type, other[i]);
    }
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = def->unit != NULL && !plain;
    qcc_sample_op(s, def, &x, 1, &a);
}
