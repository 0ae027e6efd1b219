/* reshape - the same elements in the same order under other extents. A view. */
#include "ir/ops/common.h"

#include <string.h>

static const QccField attrs[] = {{"shape", QCC_FIELD_INTS, offsetof(QccShapeAttrs, shape), NULL, -1,
                                  281474976710656.0, NULL,
                                  "the new extents; 0: x's in this place; one -1: what is left"},
                                 QCC_SYMBOLS_FIELD(QccShapeAttrs),
                                 {0}};

/* A product of extents: a number times symbols. */
typedef struct Product {
    int64_t n;
    int nsym;
    const QccSymbol *sym[2 * QCC_MAX_RANK];
} Product;

static bool multiply(Product *p, const QccDim *d)
{
    if (!qcc_mul_i64(&p->n, p->n, d->n)) return false;
    for (int i = 0; i < 2 && d->sym[i]; i++) p->sym[p->nsym++] = d->sym[i];
    return true;
}

/* all / part as an extent. */
static bool divide(QccDim *out, const Product *all, const Product *part)
{
    const QccSymbol *left[2 * QCC_MAX_RANK];
    int n = all->nsym;
    for (int i = 0; i < n; i++) left[i] = all->sym[i];
    for (int i = 0; i < part->nsym; i++) {
        int at = 0;
        while (at < n && left[at] != part->sym[i]) at++;
        if (at == n) return false;
        left[at] = left[--n];
    }
    if (n > 2 || part->n == 0 || all->n % part->n) return false;
    *out = (QccDim){.n = all->n / part->n};
    for (int i = 0; i < n; i++) out->sym[i] = left[i];
    return true;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccShapeAttrs *a = op->attrs;
    const QccInts *shape = &a->shape;
    if (!qcc_op_has(op, 0)) return qcc_op_error(op, "'reshape' needs operand 1");
    const QccType *x = qcc_op_real(op, 0);
    if (shape->n > QCC_MAX_RANK)
        return qcc_op_error(op, "'reshape' makes at most %d dimensions; shape has %d", QCC_MAX_RANK,
                            shape->n);
    Product all = {.n = 1}, given = {.n = 1};
    QccDim dim[QCC_MAX_RANK], rest;
    int inferred = -1;
    bool fits = true;
    QCC_TRY(qcc_op_dims(op, shape, &a->symbols, dim));
    for (int i = 0; i < x->rank; i++) fits = fits && multiply(&all, &x->dim[i]);
    for (int i = 0; i < shape->n; i++) {
        int64_t n = shape->v[i];
        if ((n == 0 && i >= x->rank) || (n < 0 && inferred >= 0))
            return qcc_op_error(op,
                                "'reshape' needs at most one -1, and 0 only where x has a "
                                "dimension; x is %s, and entry %d is %lld",
                                qcc_op_type_text(op, 0), i, (long long)n);
        if (n < 0) {
            inferred = i;
            continue;
        }
        if (n == 0) dim[i] = x->dim[i];
        fits = fits && multiply(&given, &dim[i]);
    }
    if (inferred >= 0) {
        fits = fits && divide(&dim[inferred], &all, &given);
    } else if (fits && (given.n != 0 || all.n != 0)) {
        fits = divide(&rest, &all, &given) && rest.n == 1 && !rest.sym[0];
    }
    if (!fits) {
        QccBuf text;
        qcc_buf_init(&text, op->graph->arena);
        for (int i = 0; i < shape->n; i++) {
            if (i) qcc_buf_puts(&text, ",");
            if (shape->v[i] > 0)
                qcc_dim_print(&text, &dim[i]);
            else
                qcc_buf_printf(&text, "%lld", (long long)shape->v[i]);
        }
        return qcc_op_error(op, "'reshape' needs as many elements as x has; x is %s, shape is [%s]",
                            qcc_op_type_text(op, 0), text.data ? text.data : "");
    }
    *result = qcc_type(op->graph->ir, x->dtype, shape->n, dim, NULL);
    return QCC_OK;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)op;
    (void)arena;
    if (result->count)
        memcpy(result->data, in[0].data,
               (size_t)qcc_dtype_size(result->type->dtype, result->count));
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    const QccType *type = qcc_sample_type(s, 1, 4);
    int rank = type->rank, at = (int)qcc_random_range(random, 0, rank - 1);
    QccShapeAttrs a = {.shape = {.n = rank}};
    for (int i = 0; i < rank; i++) a.shape.v[i] = qcc_random_bool(random) ? 0 : type->dim[i].n;
    a.shape.v[at] = -1;
    if (at + 1 < rank && qcc_random_bool(random)) { /* two dimensions become one */
        for (int i = at + 1; i + 1 < rank; i++) a.shape.v[i] = type->dim[i + 1].n;
        a.shape.n--;
    } else if (qcc_random_bool(random)) { /* one more */
        a.shape.v[a.shape.n++] = 1;
    }
    QccValue *x = qcc_sample_param(s, type);
    s->quantizable = true;
    qcc_sample_op(s, &qcc_op_reshape, &x, 1, &a);
}

const QccOpDef qcc_op_reshape = {
    .name = "reshape",
    .summary = "the same elements under other extents",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .traits = QCC_TRAIT_MOVE | QCC_TRAIT_VIEW,
    .attr_size = sizeof(QccShapeAttrs),
    .attrs = attrs,
    .extents = offsetof(QccShapeAttrs, shape),
    .symbols = offsetof(QccShapeAttrs, symbols),
    .quant = {.kind = QCC_QUANT_SAME_SCALE},
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
