/* onnx_move - ops that are made of slices, reshapes, transpositions, borders and choices. */
#include "frontend/extents.h"
#include "frontend/onnx.h"
#include "ir/elements.h"

#include <string.h>

/* The slice that is all of x. */
static QccSliceAttrs whole(const QccType *t)
{
    QccSliceAttrs a = {.begin = {.n = t->rank}, .end = {.n = t->rank}, .step = {.n = t->rank}};
    for (int i = 0; i < t->rank; i++) {
        a.end.v[i] = t->dim[i].sym[0] ? INT64_MAX : t->dim[i].n;
        a.step.v[i] = 1;
    }
    return a;
}

static QccStatus need_number(const QccOnnxNode *n, const QccType *t, int64_t axis)
{
    if (!t->dim[axis].sym[0]) return QCC_OK;
    return qcc_onnx_unsupported(n, "along dynamic extent %d", (int)axis);
}

/* ---- split -------------------------------------------------------------------------------- */

/* Equal parts, but for the last one, which is smaller where it does not come out even. */
static QccStatus equal_parts(QccOnnxNode *n, int64_t extent, int64_t *part)
{
    int64_t size = (extent + n->nout - 1) / n->nout;
    if (n->row->since < 18 && extent % n->nout != 0)
        return qcc_onnx_wrong(n, "has %d outputs of %lld elements", n->nout, (long long)extent);
    for (int i = 0; i < n->nout; i++) {
        part[i] = extent < size ? extent : size;
        extent -= part[i];
    }
    return QCC_OK;
}

QccStatus qcc_onnx_split(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    int64_t axis = 0, outputs = n->nout, at = 0;
    int64_t *part = QCC_NEW_ARRAY(n->im->scratch, n->nout, int64_t);
    const QccBlob *sizes = NULL;
    QccInts list = {0};
    bool given;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    QCC_TRY(qcc_onnx_axis(n, t->rank, &axis));
    QCC_TRY(need_number(n, t, axis));
    if (n->row->since < 13) {
        QCC_TRY(qcc_onnx_attr_ints(n, "split", &list, &given));
    } else {
        QCC_TRY(qcc_onnx_attr_int(n, "num_outputs", &outputs));
        QCC_TRY(qcc_onnx_blob_in(n, 1, "split", &sizes));
        given = sizes != NULL;
    }
    if (outputs != n->nout) return qcc_onnx_wrong(n, "has %d outputs", n->nout);
    if (!given) {
        QCC_TRY(equal_parts(n, t->dim[axis].n, part));
    } else {
        if (sizes && (sizes->dtype != QCC_I64 || sizes->rank != 1))
            return qcc_onnx_wrong(n, "needs a list of i64 as split");
        int64_t count = sizes ? sizes->dim[0] : list.n;
        if (count != n->nout) return qcc_onnx_wrong(n, "needs a part for each output");
        for (int i = 0; i < n->nout; i++)
            part[i] = sizes ? ((const int64_t *)sizes->data)[i] : list.v[i];
    }
    for (int i = 0; i < n->nout; i++) {
        if (part[i] < 0 || part[i] > t->dim[axis].n - at)
            return qcc_onnx_wrong(n, "has parts that are not its operand's");
        QccSliceAttrs attrs = whole(t);
        attrs.begin.v[axis] = at;
        attrs.end.v[axis] = at += part[i];
        const char *name = qcc_onnx_value_name(n->im, n->proto->output[i]);
        if (!name) continue;
        QCC_TRY(qcc_onnx_emit(n, &n->out[i], &qcc_op_slice, name, &x, 1, &attrs));
    }
    return at == t->dim[axis].n ? QCC_OK : qcc_onnx_wrong(n, "has parts that leave something");
}

/* ---- tile --------------------------------------------------------------------------------- */

/* [a, b] -> [1, a, 1, b] -> [r, a, s, b] -> [r a, s b]; what is not repeated stays one dimension.
 */
QccStatus qcc_onnx_tile(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    QccInts repeats = {0};
    bool given;
    QCC_TRY(qcc_onnx_ints_in(n, 1, "repeats", &repeats, &given));
    if (repeats.n != t->rank) return qcc_onnx_wrong(n, "needs a number for each dimension");
    QccDim split[2 * QCC_MAX_RANK], merged[QCC_MAX_RANK];
    QccShapeAttrs wide = {0};
    int rank = 0;
    for (int i = 0; i < t->rank; i++) {
        int64_t r = repeats.v[i];
        merged[i] = t->dim[i];
        if (r < 0 || !qcc_mul_i64(&merged[i].n, merged[i].n, r))
            return qcc_onnx_wrong(n, "repeats %lld times", (long long)r);
        if (r != 1) {
            wide.shape.v[wide.shape.n++] = r;
            split[rank++] = qcc_dim(1);
        }
        wide.shape.v[wide.shape.n++] = -1;
        split[rank++] = t->dim[i];
    }
    if (rank > QCC_MAX_RANK) return qcc_onnx_unsupported(n, "%d dimensions repeat", rank - t->rank);
    if (rank == t->rank) {
        n->out[0] = x;
        return QCC_OK;
    }
    QCC_TRY(qcc_onnx_reshape(n, &x, x, NULL, rank, split));
    QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_expand, NULL, &x, 1, &wide));
    return qcc_onnx_reshape(n, &n->out[0], x, qcc_onnx_name(n, ""), t->rank, merged);
}

/* ---- space and depth ---------------------------------------------------------------------- */

/* x of six dimensions, transposed, as [n, c, h, w]. */
static QccStatus shuffle(QccOnnxNode *n, QccValue *x, const QccDim *split, const int *perm,
                         const QccDim *merged)
{
    QCC_TRY(qcc_onnx_reshape(n, &x, x, NULL, 6, split));
    QCC_TRY(qcc_onnx_transpose(n, &x, x, NULL, perm));
    return qcc_onnx_reshape(n, &n->out[0], x, qcc_onnx_name(n, ""), 4, merged);
}

static QccStatus read_block(QccOnnxNode *n, const QccType *t, int64_t *block)
{
    *block = 0;
    QCC_TRY(qcc_onnx_attr_int(n, "blocksize", block));
    if (*block < 1 || *block > INT32_MAX) return qcc_onnx_wrong(n, "needs a blocksize");
    if (t->rank != 4) return qcc_onnx_wrong(n, "needs x[n,c,h,w]");
    for (int i = 1; i < 4; i++) QCC_TRY(need_number(n, t, i));
    return QCC_OK;
}

QccStatus qcc_onnx_depth_to_space(QccOnnxNode *n)
{
    static const int dcr[6] = {0, 3, 4, 1, 5, 2}, crd[6] = {0, 1, 4, 2, 5, 3};
    QccValue *x = qcc_onnx_in(n, 0);
    const QccDim *d = x->type->dim;
    const char *mode = "DCR";
    int64_t b;
    QCC_TRY(read_block(n, x->type, &b));
    QCC_TRY(qcc_onnx_attr_string(n, "mode", &mode));
    bool columns_first = !strcmp(mode, "CRD");
    if (!columns_first && strcmp(mode, "DCR") != 0)
        return qcc_onnx_unsupported(n, "mode '%s'", mode);
    if (d[1].n % (b * b))
        return qcc_onnx_wrong(n, "needs channels divided by the square of %lld", (long long)b);
    QccDim c = qcc_dim(d[1].n / (b * b)), s = qcc_dim(b);
    const QccDim split[2][6] = {{d[0], s, s, c, d[2], d[3]}, {d[0], c, s, s, d[2], d[3]}};
    const QccDim merged[4] = {d[0], c, qcc_dim(d[2].n * b), qcc_dim(d[3].n * b)};
    return shuffle(n, x, split[columns_first], columns_first ? crd : dcr, merged);
}

QccStatus qcc_onnx_space_to_depth(QccOnnxNode *n)
{
    static const int perm[6] = {0, 3, 5, 1, 2, 4};
    QccValue *x = qcc_onnx_in(n, 0);
    const QccDim *d = x->type->dim;
    int64_t b;
    QCC_TRY(read_block(n, x->type, &b));
    if (d[2].n % b || d[3].n % b)
        return qcc_onnx_wrong(n, "needs extents divided by %lld", (long long)b);
    QccDim h = qcc_dim(d[2].n / b), w = qcc_dim(d[3].n / b), s = qcc_dim(b);
    const QccDim split[6] = {d[0], d[1], h, s, w, s};
    const QccDim merged[4] = {d[0], qcc_dim(d[1].n * b * b), h, w};
    return shuffle(n, x, split, perm, merged);
}

/* ---- center, crop, pad -------------------------------------------------------------------- */

QccStatus qcc_onnx_center_crop_pad(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    QccInts shape = {0}, axes = {0};
    bool given;
    QCC_TRY(qcc_onnx_ints_in(n, 1, "the shape", &shape, &given));
    QCC_TRY(qcc_onnx_attr_ints(n, "axes", &axes, &given));
    for (int i = 0; !given && i < t->rank; i++) axes.v[axes.n++] = i;
    if (axes.n != shape.n) return qcc_onnx_wrong(n, "needs an extent for each axis");
    QccSliceAttrs crop = whole(t);
    QccPadAttrs pad = {.before = {.n = t->rank}, .after = {.n = t->rank}};
    bool crops = false, pads = false;
    for (int i = 0; i < axes.n; i++) {
        QCC_TRY(qcc_onnx_axis(n, t->rank, &axes.v[i]));
        QCC_TRY(need_number(n, t, axes.v[i]));
        int64_t axis = axes.v[i], have = t->dim[axis].n, want = shape.v[i];
        if (want < 0) return qcc_onnx_wrong(n, "has a negative extent");
        if (want < have) {
            crop.begin.v[axis] = (have - want) / 2;
            crop.end.v[axis] = crop.begin.v[axis] + want;
        } else {
            pad.before.v[axis] = (want - have) / 2;
            pad.after.v[axis] = want - have - pad.before.v[axis];
        }
        crops = crops || want < have;
        pads = pads || want > have;
    }
    if (crops && !pads) return qcc_onnx_emit_out(n, &qcc_op_slice, &x, 1, &crop);
    if (crops) QCC_TRY(qcc_onnx_emit(n, &x, &qcc_op_slice, NULL, &x, 1, &crop));
    if (pads) return qcc_onnx_emit_out(n, &qcc_op_pad, &x, 1, &pad);
    n->out[0] = x;
    return QCC_OK;
}

/* ---- choices by position ------------------------------------------------------------------ */

/* where(mask, x, 0), the mask being a constant over the last two dimensions. */
QccStatus qcc_onnx_trilu(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    const QccType *t = x->type;
    QccInts k = {0};
    bool upper = true, given;
    QCC_TRY(qcc_onnx_attr_bool(n, "upper", &upper));
    QCC_TRY(qcc_onnx_ints_in(n, 1, "k", &k, &given));
    if (t->rank < 2 || (given && k.n != 1)) return qcc_onnx_wrong(n, "needs a matrix and one k");
    if (qcc_dtype_bits(t->dtype) < 8)
        return qcc_onnx_unsupported(n, "of %s", qcc_dtype_name(t->dtype));
    int64_t dim[2], count, bytes, above = given ? k.v[0] : 0;
    for (int i = 0; i < 2; i++) {
        QCC_TRY(need_number(n, t, t->rank - 2 + i));
        dim[i] = t->dim[t->rank - 2 + i].n;
    }
    if (!qcc_extents_count(&count, &bytes, QCC_BOOL, 2, dim))
        return qcc_onnx_wrong(n, "has an operand that is too large");
    QCC_TRY(qcc_onnx_make_room(n, bytes));
    uint8_t *mask = qcc_alloc_array(n->im->arena, count + 1, 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = i / dim[1], column = i % dim[1];
        mask[i] = upper ? column - row >= above : column - row <= above;
    }
    const int64_t zero = 0;
    QccGraph *g = n->im->graph;
    QccValue *in[3] = {
        qcc_const_new(g, NULL, qcc_onnx_name(n, "_mask"),
                      qcc_blob(n->im->arena, QCC_BOOL, 2, dim, mask, false), NULL),
        x,
        qcc_const_new(g, NULL, NULL, qcc_blob(n->im->arena, t->dtype, 0, NULL, &zero, true), NULL)};
    return qcc_onnx_emit_out(n, &qcc_op_where, in, 3, NULL);
}

/* The constants first, first + 1, ... as `count` elements of a type, along one dimension of many.
 */
static QccValue *count_up(QccOnnxNode *n, QccDtype dtype, int64_t first, int64_t count, int rank,
                          int axis)
{
    int64_t dim[QCC_MAX_RANK];
    char *data = qcc_alloc_array(n->im->arena, count + 1, 8);
    for (int i = 0; i < rank; i++) dim[i] = i == axis ? count : 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t i64 = first + i;
        int32_t i32 = (int32_t)i64;
        float f32 = (float)i64;
        double f64 = (double)i64;
        const void *const wide[] = {[QCC_EX_F32] = &f32,
                                    [QCC_EX_F64] = &f64,
                                    [QCC_EX_I32] = &i32,
                                    [QCC_EX_I64] = &i64,
                                    [QCC_EX_U64] = &i64};
        qcc_narrow(data, dtype, i, wide[qcc_expr_type_of(dtype)], 1);
    }
    return qcc_const_new(n->im->graph, NULL, NULL,
                         qcc_blob(n->im->arena, dtype, rank, dim, data, false), NULL);
}

/* Element i of a list, as a scalar. */
static QccStatus take_scalar(QccOnnxNode *n, QccValue *list, int i, QccValue **out)
{
    QccSliceAttrs a = {.begin = {1, {i}}, .end = {1, {i + 1}}, .step = {1, {1}}};
    QccShapeAttrs scalar = {0};
    QCC_TRY(qcc_onnx_emit(n, out, &qcc_op_slice, NULL, &list, 1, &a));
    return qcc_onnx_emit(n, out, &qcc_op_reshape, NULL, out, 1, &scalar);
}

/* index == 0, 1, ... ? on : index == -depth, 1 - depth, ... ? on : off */
QccStatus qcc_onnx_one_hot(QccOnnxNode *n)
{
    enum { DEPTH_MAX = 1 << 24 };
    QccValue *index = qcc_onnx_in(n, 0), *values = qcc_onnx_in(n, 2), *on, *off;
    const QccType *t = index->type, *v = values->type;
    int64_t axis = -1;
    double real = 0;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    QCC_TRY(qcc_onnx_axis(n, t->rank + 1, &axis));
    QCC_TRY(qcc_onnx_scalar_in(n, 1, "depth", &real));
    if (!(real >= 0 && real <= DEPTH_MAX)) return qcc_onnx_unsupported(n, "a depth of %g", real);
    if (t->rank == QCC_MAX_RANK) return qcc_onnx_unsupported(n, "%d dimensions", t->rank + 1);
    if (v->rank != 1 || v->dim[0].sym[0] || v->dim[0].n != 2)
        return qcc_onnx_wrong(n, "needs two values");
    if (qcc_dtype_bits(t->dtype) < 8)
        return qcc_onnx_unsupported(n, "indices of %s", qcc_dtype_name(t->dtype));
    int64_t depth = (int64_t)real, least, most;
    qcc_dtype_range(t->dtype, &least, &most);
    bool integers = !qcc_dtype_is_float(t->dtype);
    if (integers && depth - 1 > most)
        return qcc_onnx_unsupported(n, "a depth of %g for %s", real, qcc_dtype_name(t->dtype));
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i <= t->rank; i++) dim[i] = i == axis ? qcc_dim(1) : t->dim[rank++];
    rank = t->rank + 1;
    QCC_TRY(qcc_onnx_make_room(n, 16 * depth)); /* both lists of classes */
    QCC_TRY(take_scalar(n, values, 0, &off));
    QCC_TRY(take_scalar(n, values, 1, &on));
    QCC_TRY(qcc_onnx_reshape(n, &index, index, NULL, rank, dim));
    for (int negative = 1; negative >= 0; negative--) {
        int64_t first = negative ? -depth : 0;
        if (integers && first < least) continue; /* what is not signed is not negative */
        QccValue *same[2] = {index, count_up(n, t->dtype, first, depth, rank, (int)axis)};
        QccValue *choice[3] = {NULL, on, off};
        QCC_TRY(qcc_onnx_emit(n, &choice[0], &qcc_op_equal, NULL, same, 2, NULL));
        const char *name = qcc_onnx_name(n, negative ? "_negative" : "");
        QCC_TRY(qcc_onnx_emit(n, &off, &qcc_op_where, name, choice, 3, NULL));
    }
    n->out[0] = off;
    return QCC_OK;
}
