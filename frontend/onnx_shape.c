/* onnx_shape - ops that move elements or make shapes, and constants. */
#include "frontend/extents.h"
#include "frontend/onnx.h"

#include <limits.h>
#include <string.h>

/* ---- constants ---------------------------------------------------------------------------- */

static void give_const(QccOnnxNode *n, const QccBlob *blob)
{
    n->out[0] = qcc_const_new(n->im->graph, NULL, qcc_onnx_name(n, ""), blob, NULL);
}

/* The tensor of attribute `a`, if its element type exists here. */
static QccStatus tensor_attr(QccOnnxNode *n, const Onnx__AttributeProto *a, const QccBlob **blob)
{
    QccDtype dtype;
    if (!a->t) return qcc_onnx_wrong(n, "has no tensor in attribute 'value'");
    if (!qcc_onnx_dtype(&dtype, a->t->data_type)) {
        return qcc_onnx_unsupported(n, "its value is %s",
                                    qcc_onnx_dtype_name(n->im->scratch, a->t->data_type));
    }
    n->im->tensors.loc = n->loc;
    return qcc_onnx_tensor(blob, &n->im->tensors, a->t, "its value");
}

QccStatus qcc_onnx_constant(QccOnnxNode *n)
{
    enum { TENSOR, SPARSE, FLOAT, FLOATS, INT, INTS, STRING, STRINGS, KINDS };
    static const char *const names[KINDS] = {"value",        "sparse_value", "value_float",
                                             "value_floats", "value_int",    "value_ints",
                                             "value_string", "value_strings"};
    const Onnx__AttributeProto *a = NULL;
    QccOnnxImport *im = n->im;
    int which = 0;
    while (which < KINDS && !(a = qcc_onnx_attr(n, names[which]))) which++;
    const QccBlob *blob = NULL;
    switch (which) {
    case TENSOR: QCC_TRY(tensor_attr(n, a, &blob)); break;
    case SPARSE:
        if (!a->sparse_tensor) return qcc_onnx_wrong(n, "has no tensor in attribute '%s'", a->name);
        QCC_TRY(qcc_onnx_sparse(&blob, im, n->loc, a->sparse_tensor, "its value"));
        break;
    case FLOAT: blob = qcc_blob(im->arena, QCC_F32, 0, NULL, &a->f, true); break;
    case FLOATS: blob = qcc_onnx_list(&im->tensors, QCC_F32, a->n_floats, a->floats); break;
    case INT: blob = qcc_blob(im->arena, QCC_I64, 0, NULL, &a->i, true); break;
    case INTS: blob = qcc_onnx_list(&im->tensors, QCC_I64, a->n_ints, a->ints); break;
    case KINDS: return qcc_onnx_wrong(n, "has no value");
    default: return qcc_onnx_unsupported(n, "its value is string");
    }
    give_const(n, blob);
    return QCC_OK;
}

QccStatus qcc_onnx_make_room(QccOnnxNode *n, int64_t bytes)
{
    if (bytes > QCC_ONNX_CONSTANTS_MAX - n->im->made) {
        return qcc_onnx_unsupported(n, "more than %d bytes in the whole model",
                                    QCC_ONNX_CONSTANTS_MAX);
    }
    n->im->made += bytes;
    return QCC_OK;
}

/* The first `n` of a list that may have symbols as attributes. */
static QccStatus shape_attrs(const QccOnnxNode *n, const QccOnnxDims *d, QccShapeAttrs *attrs)
{
    if (d->n > QCC_MAX_RANK) return qcc_onnx_unsupported(n, "%d dimensions", d->n);
    qcc_dims_split(n->im->scratch, &attrs->shape, &attrs->symbols, d->n, d->v);
    return QCC_OK;
}

/* A constant of one element in a shape with symbols. */
static QccStatus repeat(QccOnnxNode *n, const QccBlob *value)
{
    QccShapeAttrs attrs;
    QCC_TRY(shape_attrs(n, n->in[0]->dims, &attrs));
    QccValue *x = qcc_const_new(n->im->graph, NULL, NULL, value, NULL), *one;
    QCC_TRY(qcc_onnx_reshape(n, &one, x, NULL, 0, NULL));
    return qcc_onnx_emit_out(n, &qcc_op_expand, &one, 1, &attrs);
}

QccStatus qcc_onnx_constant_of_shape(QccOnnxNode *n)
{
    QccInts shape = {0};
    bool given, known = !n->in[0]->dims;
    if (known) QCC_TRY(qcc_onnx_ints_in(n, 0, "the shape", &shape, &given));
    if (shape.n > QCC_MAX_RANK) return qcc_onnx_unsupported(n, "%d dimensions", shape.n);
    float zero = 0;
    const QccBlob *value = qcc_blob(n->im->arena, QCC_F32, 0, NULL, &zero, true);
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, "value");
    if (a) QCC_TRY(tensor_attr(n, a, &value));
    size_t bytes = (size_t)qcc_dtype_bits(value->dtype) / 8;
    if (value->size != (int64_t)bytes) return qcc_onnx_wrong(n, "needs a value of one element");
    if (!known) return repeat(n, value);
    int64_t count, size;
    if (!qcc_extents_count(&count, &size, value->dtype, shape.n, shape.v)) {
        return qcc_onnx_wrong(n, "has a shape that is negative or too large");
    }
    QCC_TRY(qcc_onnx_make_room(n, size));
    char *data = qcc_alloc_aligned(n->im->arena, count ? (size_t)count * bytes : 1, 64);
    for (int64_t i = 0; i < count; i++) memcpy(data + (size_t)i * bytes, value->data, bytes);
    give_const(n, qcc_blob(n->im->arena, value->dtype, shape.n, shape.v, data, false));
    return QCC_OK;
}

QccStatus qcc_onnx_shape(QccOnnxNode *n)
{
    const QccType *t = qcc_onnx_in(n, 0)->type;
    int64_t start = 0, end = t->rank;
    QCC_TRY(qcc_onnx_attr_int(n, "start", &start));
    QCC_TRY(qcc_onnx_attr_int(n, "end", &end));
    if (start < 0) start = start < -t->rank ? 0 : start + t->rank;
    if (end < 0) end = end < -t->rank ? 0 : end + t->rank;
    if (end > t->rank) end = t->rank;
    QccOnnxDims d = {.dtype = QCC_I64, .rank = 1};
    for (int64_t i = start; i < end; i++) d.v[d.n++] = t->dim[i];
    qcc_onnx_give_dims(n, &d);
    return QCC_OK;
}

static QccStatus cast_to(QccOnnxNode *n, QccDtype dtype, bool saturate)
{
    QccValue *x = qcc_onnx_in(n, 0);
    if (x->type->dtype == dtype && !x->type->quant) {
        n->out[0] = x;
        return QCC_OK;
    }
    QccCastAttrs attrs = {.to = (int)dtype, .overflow = !saturate};
    return qcc_onnx_emit_out(n, &qcc_op_cast, &x, 1, &attrs);
}

QccStatus qcc_onnx_cast(QccOnnxNode *n)
{
    int64_t to = 0;
    bool saturate = true; /* it and round_mode concern float8 */
    const char *round = "up";
    QccDtype dtype;
    QCC_TRY(qcc_onnx_attr_int(n, "to", &to));
    QCC_TRY(qcc_onnx_attr_bool(n, "saturate", &saturate));
    QCC_TRY(qcc_onnx_attr_string(n, "round_mode", &round));
    if (!qcc_onnx_dtype(&dtype, to)) {
        return qcc_onnx_unsupported(n, "to %s", qcc_onnx_dtype_name(n->im->scratch, to));
    }
    return cast_to(n, dtype, saturate);
}

QccStatus qcc_onnx_cast_like(QccOnnxNode *n)
{
    bool saturate = true;
    const char *round = "up";
    QCC_TRY(qcc_onnx_attr_bool(n, "saturate", &saturate));
    QCC_TRY(qcc_onnx_attr_string(n, "round_mode", &round));
    const QccBlob *blob = qcc_onnx_blob(n, 1);
    return cast_to(n, blob ? blob->dtype : qcc_onnx_in(n, 1)->type->dtype, saturate);
}

/* ---- the same elements in the same order -------------------------------------------------- */

QccStatus qcc_onnx_identity(QccOnnxNode *n)
{
    n->out[0] = qcc_onnx_in(n, 0);
    return QCC_OK;
}

/* In inference, and where nothing is dropped, it does nothing, and all of its mask is true. */
QccStatus qcc_onnx_dropout(QccOnnxNode *n)
{
    double ratio = 0.5, training = 0;
    int64_t seed = 0;
    QCC_TRY(qcc_onnx_attr_float(n, "ratio", &ratio));
    QCC_TRY(qcc_onnx_attr_int(n, "seed", &seed));
    QCC_TRY(qcc_onnx_is_test(n));
    QCC_TRY(qcc_onnx_scalar_in(n, 2, "training_mode", &training));
    if (training != 0) QCC_TRY(qcc_onnx_scalar_in(n, 1, "ratio", &ratio));
    if (training != 0 && ratio != 0) return qcc_onnx_unsupported(n, "training mode");
    QCC_TRY(qcc_onnx_identity(n));
    int64_t dim[QCC_MAX_RANK], count = qcc_type_count(n->out[0]->type);
    if (n->nout < 2 || !n->proto->output[1][0] || count < 0) return QCC_OK;
    if (count > QCC_ONNX_CONSTANTS_MAX - n->im->made) return QCC_OK; /* the mask stays unknown */
    n->im->made += count;
    qcc_type_extents(n->out[0]->type, dim);
    bool *mask = qcc_alloc_array(n->im->arena, count ? count : 1, sizeof *mask);
    memset(mask, true, (size_t)count);
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_BOOL, n->out[0]->type->rank, dim, mask, false);
    n->out[1] = qcc_const_new(n->im->graph, NULL, qcc_onnx_value_name(n->im, n->proto->output[1]),
                              blob, NULL);
    return QCC_OK;
}

QccStatus qcc_onnx_reshape_to(QccOnnxNode *n)
{
    QccShapeAttrs attrs = {0};
    QccOnnxDims d;
    bool given, allow_zero = false;
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(qcc_onnx_dims_in(n, 1, "the shape", &d, &given));
    QCC_TRY(qcc_onnx_attr_bool(n, "allowzero", &allow_zero));
    QCC_TRY(shape_attrs(n, &d, &attrs));
    bool zero = false;
    for (int i = 0; i < d.n; i++) zero |= allow_zero && d.v[i].n == 0;
    int64_t count, bytes;
    if (zero && !qcc_extents_count(&count, &bytes, x->type->dtype, attrs.shape.n, attrs.shape.v))
        return qcc_onnx_wrong(n, "has a shape that is negative or too large");
    if (zero && qcc_type_count(x->type) == 0) {
        return qcc_onnx_reshape(n, &n->out[0], x, qcc_onnx_name(n, ""), d.n, d.v);
    }
    if (zero) return qcc_onnx_wrong(n, "makes nothing of something");
    return qcc_onnx_emit_out(n, &qcc_op_reshape, &x, 1, &attrs);
}

/* The product of extents [from, to); false when a symbol is in the way. */
static bool product(const QccType *t, int from, int to, int64_t *p)
{
    *p = 1;
    for (int i = from; i < to; i++) {
        if (t->dim[i].sym[0] || !qcc_mul_i64(p, *p, t->dim[i].n)) return false;
    }
    return true;
}

QccStatus qcc_onnx_flatten(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    int64_t axis = 1, outer, inner;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    if (axis < 0) axis += t->rank;
    if (axis < 0 || axis > t->rank) return qcc_onnx_wrong(n, "has an axis out of range");
    bool outer_known = product(t, 0, (int)axis, &outer);
    bool inner_known = product(t, (int)axis, t->rank, &inner);
    if (!outer_known && !inner_known && axis != 1) {
        return qcc_onnx_needs_shape(n, "dynamic extents on both sides of its axis");
    }
    /* 0 keeps the first extent. */
    if (!outer_known) outer = axis == 1 ? 0 : -1;
    if (!inner_known) inner = -1;
    if ((outer == 0 && outer_known && axis != 1) || (inner == 0 && inner_known)) {
        return qcc_onnx_unsupported(n, "an extent of 0");
    }
    QccShapeAttrs attrs = {.shape = {.n = 2, .v = {outer, inner}}};
    return qcc_onnx_emit_out(n, &qcc_op_reshape, &x, 1, &attrs);
}

/* `axes` as an attribute, or as input 1 from opset 13 on; sorted marks in `is`, of `rank`. */
static QccStatus read_axes(QccOnnxNode *n, int rank, bool *is, bool *given)
{
    QccInts axes = {0};
    memset(is, 0, (size_t)rank * sizeof *is);
    if (n->row->max_in == 2) {
        QCC_TRY(qcc_onnx_ints_in(n, 1, "axes", &axes, given));
    } else {
        QCC_TRY(qcc_onnx_attr_ints(n, "axes", &axes, given));
    }
    for (int i = 0; i < axes.n; i++) {
        QCC_TRY(qcc_onnx_axis(n, rank, &axes.v[i]));
        if (is[axes.v[i]]) return qcc_onnx_wrong(n, "has an axis twice");
        is[axes.v[i]] = true;
    }
    return QCC_OK;
}

QccStatus qcc_onnx_squeeze(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    bool given, gone[QCC_MAX_RANK];
    QCC_TRY(read_axes(n, t->rank, gone, &given));
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < t->rank; i++) {
        bool one = !t->dim[i].sym[0] && t->dim[i].n == 1;
        if (gone[i] && !one) return qcc_onnx_wrong(n, "squeezes axis %d, which is not 1", i);
        if (gone[i] || (!given && one)) continue;
        dim[rank++] = t->dim[i];
    }
    return qcc_onnx_reshape(n, &n->out[0], x, qcc_onnx_name(n, ""), rank, dim);
}

QccStatus qcc_onnx_unsqueeze(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    QccInts axes = {0};
    bool given, fresh[QCC_MAX_RANK];
    if (n->row->max_in == 2) {
        QCC_TRY(qcc_onnx_ints_in(n, 1, "axes", &axes, &given));
    } else {
        QCC_TRY(qcc_onnx_attr_ints(n, "axes", &axes, &given));
    }
    int rank = x->type->rank + axes.n;
    if (rank > QCC_MAX_RANK) return qcc_onnx_unsupported(n, "%d dimensions", rank);
    QCC_TRY(read_axes(n, rank, fresh, &given));
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0, k = 0; i < rank; i++) dim[i] = fresh[i] ? qcc_dim(1) : x->type->dim[k++];
    return qcc_onnx_reshape(n, &n->out[0], x, qcc_onnx_name(n, ""), rank, dim);
}

/* ---- elements change their place ---------------------------------------------------------- */

QccStatus qcc_onnx_transpose_dims(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    int rank = x->type->rank, perm[QCC_MAX_RANK];
    QccInts list = {0};
    bool given, seen[QCC_MAX_RANK] = {false};
    QCC_TRY(qcc_onnx_attr_ints(n, "perm", &list, &given));
    for (int i = 0; !given && i < rank; i++) list.v[list.n++] = rank - 1 - i;
    if (list.n != rank) return qcc_onnx_wrong(n, "has perm of %d, wanted %d", list.n, rank);
    for (int i = 0; i < rank; i++) {
        if (list.v[i] < 0 || list.v[i] >= rank || seen[list.v[i]]) {
            return qcc_onnx_wrong(n, "has a perm that is no permutation");
        }
        seen[list.v[i]] = true;
        perm[i] = (int)list.v[i];
    }
    return qcc_onnx_transpose(n, &n->out[0], x, qcc_onnx_name(n, ""), perm);
}

QccStatus qcc_onnx_concat(QccOnnxNode *n)
{
    QccAxisAttrs attrs = {.axis = INT64_MIN};
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &attrs.axis));
    QccValue **in = QCC_NEW_ARRAY(n->im->scratch, n->nin, QccValue *);
    for (int i = 0; i < n->nin; i++) {
        in[i] = qcc_onnx_in(n, i);
        if (!in[i]) return qcc_onnx_wrong(n, "lacks input %d", i);
    }
    QCC_TRY(qcc_onnx_axis(n, in[0]->type->rank, &attrs.axis));
    return qcc_onnx_emit_out(n, &qcc_op_concat, in, n->nin, &attrs);
}

QccStatus qcc_onnx_expand(QccOnnxNode *n)
{
    QccShapeAttrs attrs = {0};
    QccOnnxDims d;
    bool given;
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    QCC_TRY(qcc_onnx_dims_in(n, 1, "the shape", &d, &given));
    QCC_TRY(shape_attrs(n, &d, &attrs));
    QccInts *s = &attrs.shape;
    /* Both broadcast: fewer extents than x has, and extents of 1, mean those of x. */
    for (int i = 0; i < t->rank && i < s->n; i++) {
        int64_t *v = &s->v[s->n - 1 - i];
        const QccDim *own = &t->dim[t->rank - 1 - i];
        if (*v == 1 && !d.v[d.n - 1 - i].sym[0]) *v = own->sym[0] ? -1 : own->n;
    }
    return qcc_onnx_emit_out(n, &qcc_op_expand, &x, 1, &attrs);
}

/* One dimension as numpy slices it; ends past the extent are cut. */
static void clamp_slice(int64_t extent, int64_t *begin, int64_t *end, int64_t step)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? extent - 1 : extent;
    for (int i = 0; i < 2; i++) {
        int64_t *v = i ? end : begin;
        if (*v < 0) *v += extent; /* cannot overflow: the extent is not negative */
        if (*v < low) *v = low;
        if (*v > high) *v = high;
    }
    /* An empty slice begins within the extent. */
    if (step > 0 ? *end < *begin : *end > *begin) *end = *begin;
    if (*begin < 0) *begin = *end = 0;
}

QccStatus qcc_onnx_slice(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    QccInts starts = {0}, axes = {0}, steps = {0}, list = {0};
    QccOnnxDims ends = {0};
    bool given, has_axes, has_steps = false;
    if (n->row->since < 10) {
        QCC_TRY(qcc_onnx_attr_ints(n, "starts", &starts, &given));
        QCC_TRY(qcc_onnx_attr_ints(n, "ends", &list, &given));
        for (; ends.n < list.n; ends.n++) ends.v[ends.n] = qcc_dim(list.v[ends.n]);
        QCC_TRY(qcc_onnx_attr_ints(n, "axes", &axes, &has_axes));
    } else {
        QCC_TRY(qcc_onnx_ints_in(n, 1, "starts", &starts, &given));
        QCC_TRY(qcc_onnx_dims_in(n, 2, "ends", &ends, &given));
        QCC_TRY(qcc_onnx_ints_in(n, 3, "axes", &axes, &has_axes));
        QCC_TRY(qcc_onnx_ints_in(n, 4, "steps", &steps, &has_steps));
    }
    if (starts.n != ends.n || (has_axes && axes.n != starts.n) ||
        (has_steps && steps.n != starts.n) || starts.n > t->rank) {
        return qcc_onnx_wrong(n, "needs as many starts as ends, axes and steps");
    }
    QccSliceAttrs attrs = {.begin = {.n = t->rank}, .step = {.n = t->rank}};
    QccDim stop[QCC_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        stop[i] = qcc_dim(t->dim[i].sym[0] ? INT64_MAX : t->dim[i].n);
        attrs.step.v[i] = 1;
    }
    bool seen[QCC_MAX_RANK] = {false};
    for (int i = 0; i < starts.n; i++) {
        int64_t axis = has_axes ? axes.v[i] : i, step = has_steps ? steps.v[i] : 1;
        int64_t begin = starts.v[i], end = ends.v[i].n;
        QCC_TRY(qcc_onnx_axis(n, t->rank, &axis));
        if (seen[axis]) return qcc_onnx_wrong(n, "has an axis twice");
        seen[axis] = true;
        if (step == 0) return qcc_onnx_wrong(n, "has a step of 0");
        if (t->dim[axis].sym[0] && begin == 0 && step == 1 &&
            (qcc_dim_equal(&ends.v[i], &t->dim[axis]) || (!ends.v[i].sym[0] && end >= INT32_MAX)))
            continue; /* all of it */
        if (t->dim[axis].sym[0] || ends.v[i].sym[0]) {
            /* What can be there is known to inference. */
            if (begin < 0 || end < 0 || step != 1)
                return qcc_onnx_needs_shape(n, "a part of a dynamic extent");
            attrs.begin.v[axis] = begin;
            stop[axis] = ends.v[i];
            continue;
        }
        /* Longer steps take one element all the same. */
        if (step > INT32_MAX) step = INT32_MAX;
        if (step < -INT32_MAX) step = -INT32_MAX;
        clamp_slice(t->dim[axis].n, &begin, &end, step);
        attrs.begin.v[axis] = begin;
        stop[axis] = qcc_dim(end);
        attrs.step.v[axis] = step;
    }
    qcc_dims_split(n->im->scratch, &attrs.end, &attrs.symbols, t->rank, stop);
    return qcc_onnx_emit_out(n, &qcc_op_slice, &x, 1, &attrs);
}

/* Negative pads cut off: those are a slice. */
static QccStatus cut(QccOnnxNode *n, QccValue **x, const QccInts *pads)
{
    const QccType *t = (*x)->type;
    QccSliceAttrs attrs = {.begin = {.n = t->rank}, .end = {.n = t->rank}, .step = {.n = t->rank}};
    bool any = false;
    for (int i = 0; i < t->rank; i++) {
        int64_t before = pads->v[i], after = pads->v[t->rank + i];
        attrs.begin.v[i] = before < 0 ? -before : 0;
        attrs.end.v[i] = t->dim[i].sym[0] ? INT64_MAX : t->dim[i].n;
        attrs.step.v[i] = 1;
        if (before >= 0 && after >= 0) continue;
        if (t->dim[i].sym[0]) return qcc_onnx_needs_shape(n, "a part of a dynamic extent");
        any = true;
        if (after < 0) attrs.end.v[i] += after;
        if (attrs.begin.v[i] > attrs.end.v[i]) return qcc_onnx_wrong(n, "cuts off more than all");
    }
    return any ? qcc_onnx_emit(n, x, &qcc_op_slice, NULL, x, 1, &attrs) : QCC_OK;
}

QccStatus qcc_onnx_pad(QccOnnxNode *n)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    QccValue *x = qcc_onnx_in(n, 0);
    int rank = x->type->rank;
    QccInts given_pads = {0}, axes = {0}, pads = {.n = 2 * rank};
    bool given, has_axes = false;
    QccPadAttrs attrs = {.before = {.n = rank}, .after = {.n = rank}};
    const char *mode = "constant";
    QCC_TRY(qcc_onnx_attr_string(n, "mode", &mode));
    if (n->row->since < 11) {
        QCC_TRY(qcc_onnx_attr_ints(n, "pads", &given_pads, &given));
        QCC_TRY(qcc_onnx_attr_float(n, "value", &attrs.value));
    } else {
        QCC_TRY(qcc_onnx_ints_in(n, 1, "pads", &given_pads, &given));
        QCC_TRY(qcc_onnx_scalar_in(n, 2, "constant_value", &attrs.value));
        QCC_TRY(qcc_onnx_ints_in(n, 3, "axes", &axes, &has_axes));
    }
    float scale;
    int32_t zero;
    if (x->type->quant && qcc_quant_is_tensor(x->type->quant, &scale, &zero))
        attrs.value = (attrs.value - zero) * (double)scale; /* it is a stored value */
    for (attrs.mode = 0; attrs.mode < 4 && strcmp(mode, modes[attrs.mode]); attrs.mode++) {
    }
    if (attrs.mode == 4) return qcc_onnx_unsupported(n, "mode '%s'", mode);

    for (int i = 0; !has_axes && i < rank; i++) axes.v[axes.n++] = i;
    if (given_pads.n != 2 * axes.n) {
        return qcc_onnx_wrong(n, "has %d pads, wanted %d", given_pads.n, 2 * axes.n);
    }
    for (int i = 0; i < axes.n; i++) {
        QCC_TRY(qcc_onnx_axis(n, rank, &axes.v[i]));
        for (int side = 0; side < 2; side++) {
            int64_t pad = given_pads.v[side * axes.n + i];
            if (pad < -INT32_MAX || pad > INT32_MAX)
                return qcc_onnx_wrong(n, "has a pad too large");
            pads.v[side * rank + axes.v[i]] = pad;
        }
    }
    QCC_TRY(cut(n, &x, &pads));
    for (int i = 0; i < rank; i++) {
        attrs.before.v[i] = pads.v[i] > 0 ? pads.v[i] : 0;
        attrs.after.v[i] = pads.v[rank + i] > 0 ? pads.v[rank + i] : 0;
    }
    return qcc_onnx_emit_out(n, &qcc_op_pad, &x, 1, &attrs);
}
