/* top_k - the indices of the k greatest (or least) elements along an axis, the most extreme first.
 *
 * Of equal elements the one with the lower index comes first; a NaN is greater than everything. The
 * elements themselves are gather_elements of x and this.
 */
#include <stdlib.h>

#include "ir/ops/index.h"

static const QccField attrs[] = {{"k", QCC_FIELD_INT, offsetof(QccTopKAttrs, k), NULL, 0,
                                  281474976710656.0, NULL, "how many, at most the extent"},
                                 {"axis", QCC_FIELD_INT, offsetof(QccTopKAttrs, axis), "-1", 0, 0,
                                  NULL, "the dimension that is searched"},
                                 {"largest", QCC_FIELD_BOOL, offsetof(QccTopKAttrs, largest),
                                  "true", 0, 0, NULL, "the greatest elements, else the least"},
                                 {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QccTopKAttrs *a = op->attrs;
    int64_t extent;
    QCC_TRY(qcc_op_need_bytes(op, 0));
    const QccType *x = qcc_op_real(op, 0);
    QCC_TRY(qcc_op_axis(op, &a->axis, x->rank));
    QCC_TRY(qcc_op_extent(op, 0, (int)a->axis, &extent));
    if (a->k < 0 || a->k > extent)
        return qcc_op_error(op,
                            "'top_k' needs at most the %lld elements of dimension %lld; k is "
                            "%lld",
                            (long long)extent, (long long)a->axis, (long long)a->k);
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < x->rank; i++) dim[i] = i == a->axis ? qcc_dim(a->k) : x->dim[i];
    *result = qcc_type(op->graph->ir, QCC_I64, x->rank, dim, NULL);
    return QCC_OK;
}

typedef struct Item {
    int64_t key, index;
} Item;

static int by_index(const Item *a, const Item *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int descending(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key) - (x->key > y->key) : by_index(x, y);
}

static int ascending(const void *a, const void *b)
{
    const Item *x = a, *y = b;
    return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : by_index(x, y);
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    const QccTopKAttrs *a = op->attrs;
    QccLines l = qcc_lines(&in[0], a->axis);
    Item *item = QCC_NEW_ARRAY(arena, l.n + 1, Item);
    int64_t *y = result->data;
    if (result->count == 0) return QCC_OK;
    for (int64_t line = 0; line < l.outer * l.inner; line++) {
        int64_t o = line / l.inner, k = line % l.inner;
        for (int64_t i = 0; i < l.n; i++)
            item[i] = (Item){qcc_order_key(&in[0], (o * l.n + i) * l.inner + k), i};
        qsort(item, (size_t)l.n, sizeof *item, a->largest ? descending : ascending);
        for (int64_t i = 0; i < a->k; i++) y[(o * a->k + i) * l.inner + k] = item[i].index;
    }
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    QccTopKAttrs a = {.axis = qcc_random_range(random, -type->rank, type->rank - 1),
                      .largest = qcc_random_bool(random)};
    int axis = (int)(a.axis < 0 ? a.axis + type->rank : a.axis);
    a.k = qcc_random_range(random, 1, type->dim[axis].n);
    QccValue *x = qcc_sample_param(s, type);
    qcc_sample_op(s, &qcc_op_top_k, &x, 1, &a);
}

const QccOpDef qcc_op_top_k = {
    .name = "top_k",
    .summary = "the indices of the k greatest or least elements along an axis",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .attr_size = sizeof(QccTopKAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
