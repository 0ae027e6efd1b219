/* pad - x with a border: one value, x mirrored at its edge, the edge repeated, or x wrapped around.
 */
#include "ir/ops/common.h"

#include <string.h>

static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};

static const QccField attrs[] = {
    {"before", QCC_FIELD_INTS, offsetof(QccPadAttrs, before), NULL, 0, 281474976710656.0, NULL,
     "elements before x, a dimension each"},
    {"after", QCC_FIELD_INTS, offsetof(QccPadAttrs, after), NULL, 0, 281474976710656.0, NULL,
     "elements behind x, a dimension each"},
    {"mode", QCC_FIELD_ENUM, offsetof(QccPadAttrs, mode), "constant", 0, 0, modes,
     "constant: value; reflect: mirrored without the edge itself; edge: the edge repeated; "
     "wrap: what lies at the other end"},
    {"value", QCC_FIELD_FLOAT, offsetof(QccPadAttrs, value), "0", 0, 0, NULL,
     "the border's value, a real number"},
    {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccPadAttrs *a = op->attrs;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_need_ints(op, "before", &a->before, x->rank));
    QCC_TRY(qcc_op_need_ints(op, "after", &a->after, x->rank));
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < x->rank; i++) {
        int64_t before = a->before.v[i], after = a->after.v[i], extent, n;
        dim[i] = x->dim[i];
        if (before == 0 && after == 0) continue;
        QCC_TRY(qcc_op_extent(op, 0, i, &extent));
        int64_t limit = a->mode == QCC_PAD_REFLECT ? extent - 1 : INT64_MAX;
        if (a->mode == QCC_PAD_WRAP) limit = extent;
        bool fits = before >= 0 && after >= 0 && before <= limit && after <= limit &&
                    (a->mode == QCC_PAD_CONSTANT || extent > 0);
        if (!fits || !qcc_add_i64(&n, before, after) || !qcc_add_i64(&n, n, extent))
            return qcc_op_error(op,
                                "'pad' needs a border that x can give; in dimension %d of %s "
                                "it is %lld before and %lld behind",
                                i, qcc_op_type_text(op, 0), (long long)before, (long long)after);
        dim[i] = qcc_dim(n);
    }
    *result = qcc_type(op->graph->ir, x->dtype, x->rank, dim, NULL);
    return QCC_OK;
}

/* The index in x that position i of a padded dimension shows. */
static int64_t source_index(int mode, int64_t i, int64_t extent)
{
    if (mode == QCC_PAD_EDGE) return i < 0 ? 0 : i < extent ? i : extent - 1;
    if (mode == QCC_PAD_WRAP) return i < 0 ? i + extent : i < extent ? i : i - extent;
    return i < 0 ? -i : i < extent ? i : 2 * (extent - 1) - i;
}

/* Mirrors and repeats element by element. */
static void eval_border(const QccPadAttrs *a, const QccTensor *x, const QccTensor *y, size_t size)
{
    int rank = x->type->rank;
    int64_t index[QCC_MAX_RANK] = {0}, stride[QCC_MAX_RANK];
    qcc_dense_strides(rank, x->dim, stride);
    for (int64_t i = 0; i < y->count; i++) {
        int64_t from = 0;
        for (int d = 0; d < rank; d++)
            from += stride[d] * source_index(a->mode, index[d] - a->before.v[d], x->dim[d]);
        memcpy((char *)y->data + i * (int64_t)size, (const char *)x->data + from * (int64_t)size,
               size);
        for (int d = rank - 1; d >= 0 && ++index[d] == y->dim[d]; d--) index[d] = 0;
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccPadAttrs *a = op->attrs;
    int rank = result->type->rank;
    size_t size = (size_t)qcc_dtype_size(result->type->dtype, 1);
    if (a->mode != QCC_PAD_CONSTANT) {
        eval_border(a, &in[0], result, size);
        return QCC_OK;
    }
    char element[8], *y = result->data;
    int64_t from[QCC_MAX_RANK], to[QCC_MAX_RANK], first = 0;
    qcc_element_of(result->type, a->value, element);
    for (int64_t i = 0; i < result->count; i++) memcpy(y + i * (int64_t)size, element, size);
    if (in[0].count == 0) return QCC_OK;
    qcc_dense_strides(rank, in[0].dim, from);
    qcc_dense_strides(rank, result->dim, to);
    for (int i = 0; i < rank; i++) first += a->before.v[i] * to[i];
    qcc_copy_strided(rank, in[0].dim, size, y + first * (int64_t)size, to, in[0].data, from);
    return QCC_OK;
}

static bool permute(QccOp *op, const int *perm, int rank)
{
    QccPadAttrs *a = op->attrs;
    qcc_permute_ints(&a->before, perm, rank);
    qcc_permute_ints(&a->after, perm, rank);
    return true;
}

/* ---- lowering ---------------------------------------------------------------------------------
 */

/* A part of one padded dimension: before x, x itself, or behind it. Step by step through x it is
 * start, start + step, ...; the middle part has step 1, a repeated edge 0, a mirror -1. */
typedef struct Part {
    int64_t at, extent, start, step;
} Part;

static Part part_of(const QccPadAttrs *a, int d, int64_t extent, int which)
{
    int64_t before = a->before.v[d], mirror = a->mode == QCC_PAD_REFLECT;
    bool wrap = a->mode == QCC_PAD_WRAP;
    if (wrap && which == 0) return (Part){0, before, extent - before, 1};
    if (wrap && which == 2) return (Part){before + extent, a->after.v[d], 0, 1};
    if (which == 0) return (Part){0, before, mirror ? before : 0, -mirror};
    if (which == 1) return (Part){before, extent, 0, 1};
    return (Part){before + extent, a->after.v[d], extent - 1 - mirror, -mirror};
}

/* A copy for each combination of parts, border or not, of every dimension. */
static bool lower_border(const QccOp *op, QccKernelList *list, const int64_t *xd, int rank)
{
    const QccPadAttrs *a = op->attrs;
    int which[QCC_MAX_RANK] = {0};
    for (int d = 0; d < rank;) {
        int64_t extent[QCC_MAX_RANK], stride[QCC_MAX_RANK];
        int64_t *to = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        int64_t *from = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        bool empty = false;
        for (int i = 0; i < rank; i++) {
            Part p = part_of(a, i, xd[i], which[i]);
            empty = empty || p.extent == 0;
            extent[i] = p.extent;
            to[i] = p.at;
            from[i] = p.start;
            stride[i] = p.step * qcc_lower_pitch(list, op, 0, i);
        }
        if (!empty && !qcc_lower_copy(op, list, 0, extent, to, stride, from)) return false;
        for (d = 0; d < rank && ++which[d] == 3; d++) which[d] = 0;
    }
    return true;
}

/* The value everywhere, then x over it. */
static bool lower_constant(const QccOp *op, QccKernelList *list, const int64_t *xd, int rank)
{
    const QccPadAttrs *a = op->attrs;
    int64_t yd[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    int64_t *to = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
    for (int i = 0; i < rank; i++) {
        to[i] = a->before.v[i];
        yd[i] = a->before.v[i] + xd[i] + a->after.v[i];
        stride[i] = qcc_lower_pitch(list, op, 0, i);
    }
    return qcc_lower_fill(op, list, yd, NULL, a->value) &&
           qcc_lower_copy(op, list, 0, xd, to, stride, NULL);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccPadAttrs *a = op->attrs;
    const QccType *x = op->in[0].value->type;
    int64_t xd[QCC_MAX_RANK], copies = 1;
    if (!qcc_type_extents(x, xd)) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < x->rank; i++) copies *= 1 + (a->before.v[i] > 0) + (a->after.v[i] > 0);
    bool constant = a->mode == QCC_PAD_CONSTANT;
    if (!constant && copies > 81) return QCC_ERROR_UNSUPPORTED; /* more than four dimensions */
    bool done = constant || x->rank == 0 ? lower_constant(op, list, xd, x->rank)
                                         : lower_border(op, list, xd, x->rank);
    return done ? QCC_OK : QCC_ERROR_UNSUPPORTED;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int rank = type->rank;
    QccPadAttrs a = {.before = {.n = rank}, .after = {.n = rank}};
    a.mode = (int)qcc_random_range(random, QCC_PAD_CONSTANT, QCC_PAD_WRAP);
    if (qcc_random_bool(random)) a.value = qcc_random_f32(random, -2, 2);
    for (int i = 0; i < rank; i++) {
        int64_t most = a.mode == QCC_PAD_REFLECT ? type->dim[i].n - 1 : 3;
        if (a.mode == QCC_PAD_WRAP) most = type->dim[i].n;
        a.before.v[i] = qcc_random_range(random, 0, most < 3 ? most : 3);
        a.after.v[i] = qcc_random_range(random, 0, most < 3 ? most : 3);
    }
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_pad, &x, 1, &a);
}

const QccOpDef qcc_op_pad = {
    .name = "pad",
    .summary = "x with a border in any dimension",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE,
    .attr_size = sizeof(QccPadAttrs),
    .attrs = attrs,
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .permute = permute,
    .sample = sample,
    .lower = lower,
};
