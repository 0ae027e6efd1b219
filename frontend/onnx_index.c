/* onnx_index - ops that look elements up, scatter, search or sort them. */
#include "frontend/extents.h"
#include "frontend/onnx.h"
#include "ir/ops/index.h"

#include <stdlib.h>
#include <string.h>

static void give_const(QccOnnxNode *n, int i, const QccBlob *blob, const char *suffix)
{
    n->out[i] = qcc_const_new(n->im->graph, NULL, qcc_onnx_name(n, suffix), blob, NULL);
}

static const QccBlob *i64_list(QccOnnxNode *n, int64_t count, const int64_t *v)
{
    return qcc_blob(n->im->arena, QCC_I64, 1, &count, v, true);
}

/* The axis of an op that has one, which counts within operand 0. */
static QccStatus read_axis(QccOnnxNode *n, int64_t *axis)
{
    QCC_TRY(qcc_onnx_attr_int(n, "axis", axis));
    return qcc_onnx_axis(n, qcc_onnx_in(n, 0)->type->rank, axis);
}

/* ---- looking up --------------------------------------------------------------------------- */

/* Indices that are known lie within the extent. */
static QccStatus check_indices(QccOnnxNode *n, int input, const QccDim *extent)
{
    const QccBlob *blob = qcc_onnx_blob(n, input);
    if (!blob || extent->sym[0] || (blob->dtype != QCC_I64 && blob->dtype != QCC_I32))
        return QCC_OK;
    int64_t count = blob->size / (qcc_dtype_bits(blob->dtype) / 8);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = blob->dtype == QCC_I64 ? ((const int64_t *)blob->data)[i]
                                            : ((const int32_t *)blob->data)[i];
        if (at < -extent->n || at >= extent->n)
            return qcc_onnx_wrong(n, "has index %lld, which is out of range", (long long)at);
    }
    return QCC_OK;
}

/* By one known index: that slice, without the axis. */
static QccStatus gather_one(QccOnnxNode *n, QccValue *x, int axis, int64_t at, bool keep)
{
    const QccType *t = x->type;
    QccValue *part;
    QccSliceAttrs attrs = {.begin = {.n = t->rank}, .end = {.n = t->rank}, .step = {.n = t->rank}};
    for (int i = 0; i < t->rank; i++) {
        attrs.end.v[i] = t->dim[i].sym[0] ? INT64_MAX : t->dim[i].n;
        attrs.step.v[i] = 1;
    }
    attrs.begin.v[axis] = at < 0 ? at + t->dim[axis].n : at;
    attrs.end.v[axis] = attrs.begin.v[axis] + 1;
    if (keep) return qcc_onnx_emit_out(n, &qcc_op_slice, &x, 1, &attrs);
    QCC_TRY(qcc_onnx_emit(n, &part, &qcc_op_slice, NULL, &x, 1, &attrs));
    QccDim dim[QCC_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < t->rank; i++) {
        if (i != axis) dim[rank++] = t->dim[i];
    }
    return qcc_onnx_reshape(n, &n->out[0], part, qcc_onnx_name(n, ""), rank, dim);
}

QccStatus qcc_onnx_gather(QccOnnxNode *n)
{
    QccValue *in[2] = {qcc_onnx_in(n, 0), NULL};
    const QccBlob *index = qcc_onnx_blob(n, 1);
    QccAxisAttrs attrs = {0};
    QCC_TRY(read_axis(n, &attrs.axis));
    const QccDim *extent = &in[0]->type->dim[attrs.axis];
    QCC_TRY(check_indices(n, 1, extent));
    bool integers = index && (index->dtype == QCC_I64 || index->dtype == QCC_I32);
    bool one = integers && (index->rank == 0 || (index->rank == 1 && index->dim[0] == 1));
    if (one && !extent->sym[0]) {
        int64_t at =
            index->dtype == QCC_I64 ? *(const int64_t *)index->data : *(const int32_t *)index->data;
        return gather_one(n, in[0], (int)attrs.axis, at, index->rank == 1);
    }
    in[1] = qcc_onnx_in(n, 1);
    return qcc_onnx_emit_out(n, &qcc_op_gather, in, 2, &attrs);
}

QccStatus qcc_onnx_gather_elements(QccOnnxNode *n)
{
    QccValue *in[2] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    QccAxisAttrs attrs = {0};
    QCC_TRY(read_axis(n, &attrs.axis));
    QCC_TRY(check_indices(n, 1, &in[0]->type->dim[attrs.axis]));
    return qcc_onnx_emit_out(n, &qcc_op_gather_elements, in, 2, &attrs);
}

QccStatus qcc_onnx_gather_nd(QccOnnxNode *n)
{
    QccValue *in[2] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    QccGatherNdAttrs attrs = {0};
    QCC_TRY(qcc_onnx_attr_int(n, "batch_dims", &attrs.batch));
    return qcc_onnx_emit_out(n, &qcc_op_gather_nd, in, 2, &attrs);
}

/* ---- scattering --------------------------------------------------------------------------- */

/* Scatter, ScatterElements and ScatterND. */
QccStatus qcc_onnx_scatter(QccOnnxNode *n)
{
    QccValue *in[3] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1), qcc_onnx_in(n, 2)};
    QccScatterAttrs attrs = {0};
    const char *reduction = "none";
    QCC_TRY(qcc_onnx_attr_string(n, "reduction", &reduction));
    while (qcc_scatter_names[attrs.reduction] &&
           strcmp(qcc_scatter_names[attrs.reduction], reduction) != 0)
        attrs.reduction++;
    if (!qcc_scatter_names[attrs.reduction])
        return qcc_onnx_unsupported(n, "reduction '%s'", reduction);
    if (n->row->def == &qcc_op_scatter_elements) {
        QCC_TRY(read_axis(n, &attrs.axis));
        QCC_TRY(check_indices(n, 1, &in[0]->type->dim[attrs.axis]));
    }
    return qcc_onnx_emit_out(n, n->row->def, in, 3, &attrs);
}

/* ---- searching and sorting ---------------------------------------------------------------- */

QccStatus qcc_onnx_arg(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    QccArgAttrs attrs = {.keep = true};
    QCC_TRY(read_axis(n, &attrs.axis));
    QCC_TRY(qcc_onnx_attr_bool(n, "keepdims", &attrs.keep));
    QCC_TRY(qcc_onnx_attr_bool(n, "select_last_index", &attrs.last));
    return qcc_onnx_emit_out(n, n->row->def, &x, 1, &attrs);
}

/* Output 1 are the indices; output 0 the elements that lie there. */
QccStatus qcc_onnx_top_k(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0), *index;
    QccTopKAttrs attrs = {.axis = -1, .k = -1, .largest = true};
    bool sorted = true;
    QCC_TRY(read_axis(n, &attrs.axis));
    QCC_TRY(qcc_onnx_attr_int(n, "k", &attrs.k));
    QCC_TRY(qcc_onnx_attr_bool(n, "largest", &attrs.largest));
    QCC_TRY(qcc_onnx_attr_bool(n, "sorted", &sorted)); /* sorted is one of any orders */
    if (n->row->min_in == 2) {
        QccInts list = {0};
        bool given;
        QCC_TRY(qcc_onnx_ints_in(n, 1, "K", &list, &given));
        if (list.n != 1) return qcc_onnx_wrong(n, "needs one number as K");
        attrs.k = list.v[0];
    }
    if (attrs.k < 0) return qcc_onnx_wrong(n, "needs a K that is not negative");
    const char *name = n->nout > 1 ? n->proto->output[1] : "";
    name = name[0] ? qcc_onnx_value_name(n->im, name) : qcc_onnx_name(n, "_indices");
    QCC_TRY(qcc_onnx_emit(n, &index, &qcc_op_top_k, name, &x, 1, &attrs));
    if (n->nout > 1) n->out[1] = index;
    QccAxisAttrs gather = {.axis = attrs.axis};
    return qcc_onnx_emit_out(n, &qcc_op_gather_elements, (QccValue *[]){x, index}, 2, &gather);
}

QccStatus qcc_onnx_cum_sum(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    QccCumSumAttrs attrs = {0};
    QccInts axis = {0};
    bool given;
    QCC_TRY(qcc_onnx_ints_in(n, 1, "the axis", &axis, &given));
    if (axis.n != 1) return qcc_onnx_wrong(n, "needs one axis");
    QCC_TRY(qcc_onnx_axis(n, x->type->rank, &axis.v[0]));
    QCC_TRY(qcc_onnx_attr_bool(n, "exclusive", &attrs.exclusive));
    QCC_TRY(qcc_onnx_attr_bool(n, "reverse", &attrs.reverse));
    attrs.axis = axis.v[0];
    return qcc_onnx_emit_out(n, &qcc_op_cum_sum, &x, 1, &attrs);
}

QccStatus qcc_onnx_reverse_sequence(QccOnnxNode *n)
{
    QccValue *in[2] = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)};
    QccSequenceAttrs attrs = {.batch_axis = 1};
    QCC_TRY(qcc_onnx_attr_int(n, "batch_axis", &attrs.batch_axis));
    QCC_TRY(qcc_onnx_attr_int(n, "time_axis", &attrs.time_axis));
    return qcc_onnx_emit_out(n, &qcc_op_reverse_sequence, in, 2, &attrs);
}

/* ---- results whose extents depend on data: of constants only ------------------------------ */

/* The constant that decides extents. */
static QccStatus known(QccOnnxNode *n, int input, QccTensor *t)
{
    const QccBlob *blob = qcc_onnx_blob(n, input);
    if (!blob) {
        return qcc_onnx_unsupported(n,
                                    "how many results it has depends on input '%s', which is "
                                    "not constant",
                                    n->in[input]->name);
    }
    if (qcc_dtype_bits(blob->dtype) < 8) {
        return qcc_onnx_unsupported(n, "its input '%s' is %s", n->in[input]->name,
                                    qcc_dtype_name(blob->dtype));
    }
    *t = qcc_tensor_view(qcc_type_shape(n->im->ir, blob->dtype, blob->rank, blob->dim), blob->data);
    return QCC_OK;
}

QccStatus qcc_onnx_compress(QccOnnxNode *n)
{
    QccValue *in[2] = {qcc_onnx_in(n, 0), NULL};
    QccTensor condition;
    int64_t axis = INT64_MAX;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    QCC_TRY(known(n, 1, &condition));
    if (axis == INT64_MAX) { /* over all elements in their order */
        QccShapeAttrs flat = {.shape = {.n = 1, .v = {-1}}};
        QCC_TRY(qcc_onnx_emit(n, &in[0], &qcc_op_reshape, NULL, &in[0], 1, &flat));
        axis = 0;
    }
    QCC_TRY(qcc_onnx_axis(n, in[0]->type->rank, &axis));
    int64_t count = 0, *at = QCC_NEW_ARRAY(n->im->scratch, condition.count + 1, int64_t);
    for (int64_t i = 0; i < condition.count; i++)
        if (qcc_tensor_real(&condition, i) != 0) at[count++] = i;
    const QccDim *extent = &in[0]->type->dim[axis];
    if (count && !extent->sym[0] && at[count - 1] >= extent->n)
        return qcc_onnx_wrong(n, "has a condition longer than its operand");
    in[1] = qcc_const_new(n->im->graph, NULL, qcc_onnx_name(n, "_indices"), i64_list(n, count, at),
                          NULL);
    QccAxisAttrs attrs = {.axis = axis};
    return qcc_onnx_emit_out(n, &qcc_op_gather, in, 2, &attrs);
}

QccStatus qcc_onnx_non_zero(QccOnnxNode *n)
{
    QccTensor x;
    QCC_TRY(known(n, 0, &x));
    int rank = x.type->rank;
    int64_t count = 0, stride[QCC_MAX_RANK];
    qcc_dense_strides(rank, x.dim, stride);
    for (int64_t i = 0; i < x.count; i++) count += qcc_tensor_real(&x, i) != 0;
    /* A row for each dimension; a single number counts as one of one dimension. */
    int64_t dim[2] = {rank ? rank : 1, count};
    int64_t *data = QCC_NEW_ARRAY(n->im->arena, dim[0] * count + 1, int64_t), at = 0;
    for (int64_t i = 0; i < x.count; i++) {
        if (qcc_tensor_real(&x, i) == 0) continue;
        for (int d = 0; d < rank; d++) data[d * count + at] = i / stride[d] % x.dim[d];
        at++;
    }
    give_const(n, 0, qcc_blob(n->im->arena, QCC_I64, 2, dim, data, false), "");
    return QCC_OK;
}

/* The slices of a tensor along an axis. */
typedef struct Slices {
    QccTensor x;
    QccLines lines;
} Slices;

static int compare_slices(const Slices *s, int64_t a, int64_t b)
{
    const QccLines *l = &s->lines;
    for (int64_t i = 0; i < l->outer * l->inner; i++) {
        int64_t at = i / l->inner * l->n * l->inner + i % l->inner;
        int64_t x = qcc_order_key(&s->x, at + a * l->inner);
        int64_t y = qcc_order_key(&s->x, at + b * l->inner);
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

/* Heap sort of slice numbers, by slice and then by number: a comparison has a context. */
static bool before(const Slices *s, int64_t a, int64_t b)
{
    int order = compare_slices(s, a, b);
    return order ? order < 0 : a < b;
}

static void sift(const Slices *s, int64_t *v, int64_t at, int64_t n)
{
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(s, v[child], v[child + 1])) child++;
        if (!before(s, v[at], v[child])) return;
        int64_t t = v[at];
        v[at] = v[child];
        v[child] = t;
    }
}

static void sort_slices(const Slices *s, int64_t *v, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift(s, v, i, n);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t t = v[0];
        v[0] = v[i];
        v[i] = t;
        sift(s, v, 0, i);
    }
}

/* What Unique gives besides the elements: for each kind of slice its first place and how many
 * there are, for each slice its kind. Kinds are numbered by value, or by first place. */
typedef struct Kinds {
    int64_t n, *first, *count, *of;
} Kinds;

static Kinds find_kinds(const Slices *s, bool sorted, QccArena *arena)
{
    int64_t n = s->lines.n;
    int64_t *order = QCC_NEW_ARRAY(arena, n + 1, int64_t);
    Kinds k = {.first = QCC_NEW_ARRAY(arena, n + 1, int64_t),
               .count = QCC_NEW_ARRAY(arena, n + 1, int64_t),
               .of = QCC_NEW_ARRAY(arena, n + 1, int64_t)};
    for (int64_t i = 0; i < n; i++) order[i] = i;
    sort_slices(s, order, n);
    for (int64_t i = 0; i < n; i++) {
        bool fresh = i == 0 || compare_slices(s, order[i - 1], order[i]) != 0;
        if (fresh) k.first[k.n++] = order[i];
        k.of[order[i]] = k.n - 1;
    }
    if (!sorted) { /* number them anew, in the order of their first places */
        int64_t *number = QCC_NEW_ARRAY(arena, n + 1, int64_t), next = 0;
        for (int64_t i = 0; i < n; i++) {
            if (k.first[k.of[i]] == i) number[k.of[i]] = next++;
        }
        for (int64_t i = 0; i < n; i++) {
            bool is_first = k.first[k.of[i]] == i;
            k.of[i] = number[k.of[i]];
            if (is_first) order[k.of[i]] = i;
        }
        memcpy(k.first, order, (size_t)k.n * sizeof *order);
    }
    for (int64_t i = 0; i < n; i++) k.count[k.of[i]]++;
    return k;
}

QccStatus qcc_onnx_unique(QccOnnxNode *n)
{
    QccValue *in[2] = {qcc_onnx_in(n, 0), NULL};
    Slices s;
    int64_t axis = INT64_MAX;
    bool sorted = true;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    QCC_TRY(qcc_onnx_attr_bool(n, "sorted", &sorted));
    QCC_TRY(known(n, 0, &s.x));
    if (axis == INT64_MAX) {
        QccShapeAttrs flat = {.shape = {.n = 1, .v = {-1}}};
        QCC_TRY(qcc_onnx_emit(n, &in[0], &qcc_op_reshape, NULL, &in[0], 1, &flat));
        s.lines = (QccLines){.outer = 1, .n = s.x.count, .inner = 1};
        axis = 0;
    } else {
        QCC_TRY(qcc_onnx_axis(n, s.x.type->rank, &axis));
        s.lines = qcc_lines(&s.x, axis);
    }
    Kinds k = find_kinds(&s, sorted, n->im->scratch);
    const QccBlob *more[4] = {NULL, i64_list(n, k.n, k.first), i64_list(n, s.lines.n, k.of),
                              i64_list(n, k.n, k.count)};
    static const char *const suffix[4] = {"", "_indices", "_inverse", "_counts"};
    for (int i = 1; i < 4 && i < n->nout; i++) {
        if (n->proto->output[i][0]) give_const(n, i, more[i], suffix[i]);
    }
    in[1] = qcc_const_new(n->im->graph, NULL, qcc_onnx_name(n, "_first"), more[1], NULL);
    QccAxisAttrs attrs = {.axis = axis};
    return qcc_onnx_emit_out(n, &qcc_op_gather, in, 2, &attrs);
}
