/* matmul - y[...,m,n] = sum over k of a[...,m,k] * b[...,k,n], k ascending; the leading dimensions
 * broadcast.
 *
 * Types other than f32 are computed with as they widen: f16 and bf16 like f32 and rounded once, f64
 * by fma in f64, integers exactly, modulo their size.
 */
#include <math.h>
#include <string.h>

#include "ir/elements.h"
#include "ir/ops.h"
#include "ir/ops/contract.h"

static bool is_one(const QccDim *d)
{
    return d->n == 1 && !d->sym[0];
}

/* Leading dimensions of the result, as numpy broadcasts them. */
static QccStatus infer_batch(const QccOp *op, const QccType *a, const QccType *b, int rank,
                             QccDim *dim)
{
    for (int i = 0; i < rank - 2; i++) {
        int ia = i - (rank - a->rank), ib = i - (rank - b->rank);
        QccDim da = ia < 0 ? qcc_dim(1) : a->dim[ia], db = ib < 0 ? qcc_dim(1) : b->dim[ib];
        dim[i] = is_one(&da) ? db : da;
        if (!is_one(&da) && !is_one(&db) && !qcc_dim_equal(&da, &db))
            return qcc_op_error(op,
                                "'%s' needs leading dimensions that broadcast; they are "
                                "those of %s and %s",
                                op->def->name, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    }
    return QCC_OK;
}

QccStatus qcc_matmul_infer(const QccOp *op, QccDtype dtype, const QccType **result)
{
    const QccType *a = qcc_op_real(op, 0), *b = qcc_op_real(op, 1);
    if (a->rank < 2 || b->rank < 2)
        return qcc_op_error(op, "'%s' needs a[...,m,k] and b[...,k,n]; they are %s and %s",
                            op->def->name, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    if (!qcc_dim_equal(&a->dim[a->rank - 1], &b->dim[b->rank - 2]))
        return qcc_op_error(op, "'%s' needs a[...,m,k] and b[...,k,n]; k differs in %s and %s",
                            op->def->name, qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    int rank = a->rank > b->rank ? a->rank : b->rank;
    QccDim dim[QCC_MAX_RANK];
    QCC_TRY(infer_batch(op, a, b, rank, dim));
    dim[rank - 2] = a->dim[a->rank - 2];
    dim[rank - 1] = b->dim[b->rank - 1];
    *result = qcc_type(op->graph->ir, dtype, rank, dim, NULL);
    return QCC_OK;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_op_need_bytes(op, 0));
    QCC_TRY(qcc_op_need_bytes(op, 1));
    QccDtype dtype = qcc_op_real(op, 0)->dtype;
    if (dtype != qcc_op_real(op, 1)->dtype || dtype == QCC_BOOL)
        return qcc_op_error(op, "'matmul' needs numbers of one type; they are %s and %s",
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    return qcc_matmul_infer(op, dtype, result);
}

/* Strides of an operand over the result's leading dimensions: 0 where it broadcasts. */
static void batch_strides(int rank, int operand_rank, const int64_t *dim, const int64_t *pitch,
                          int64_t *stride)
{
    for (int i = 0; i < rank - 2; i++) {
        int own = i - (rank - operand_rank);
        stride[i] = own < 0 || dim[own] == 1 ? 0 : pitch[own];
    }
}

/* ---- meaning ----------------------------------------------------------------------------------
 */

static void product(const QccProduct *p, const QccNumber *a, const QccNumber *b, QccNumber *y,
                    int64_t m, int64_t k, int64_t n)
{
    for (int64_t row = 0; row < m; row++, y += n) {
        for (int64_t i = 0; i < k; i++) qcc_product_step(p->integer, y, *a++, b + i * n, n);
    }
}

void qcc_matmul_run(const QccProduct *p, const QccTensor *in, const QccTensor *result)
{
    int rank = result->type->rank, ra = in[0].type->rank, rb = in[1].type->rank;
    int64_t m = result->dim[rank - 2], n = result->dim[rank - 1], k = in[0].dim[ra - 1];
    int64_t pitch[QCC_MAX_RANK], sa[QCC_MAX_RANK], sb[QCC_MAX_RANK], index[QCC_MAX_RANK] = {0};
    qcc_dense_strides(ra, in[0].dim, pitch);
    batch_strides(rank, ra, in[0].dim, pitch, sa);
    qcc_dense_strides(rb, in[1].dim, pitch);
    batch_strides(rank, rb, in[1].dim, pitch, sb);
    for (int64_t i = 0; i < result->count; i++) p->y[i].i = 0;
    for (int64_t at = 0; at < result->count; at += m * n) {
        const QccNumber *a = p->x, *b = p->w;
        for (int i = 0; i < rank - 2; i++) {
            a += index[i] * sa[i];
            b += index[i] * sb[i];
        }
        product(p, a, b, p->y + at, m, k, n);
        for (int d = rank - 3; d >= 0 && ++index[d] == result->dim[d]; d--) index[d] = 0;
    }
}

/* One element of a type other than f32, from elements a and b of the operands on. */
#define SUM(T, step)                                                                               \
    do {                                                                                           \
        T sum = 0, x, w;                                                                           \
        for (int64_t i = 0; i < k; i++) {                                                          \
            qcc_widen(&x, dtype, in[0].data, a + i, 1);                                            \
            qcc_widen(&w, dtype, in[1].data, b + i * n, 1);                                        \
            sum = (step);                                                                          \
        }                                                                                          \
        qcc_narrow(result->data, dtype, at, &sum, 1);                                              \
    } while (0)

static void sum_widened(const QccTensor *in, const QccTensor *result, int64_t at, int64_t a,
                        int64_t b, int64_t k, int64_t n)
{
    QccDtype dtype = result->type->dtype;
    switch (qcc_expr_type_of(dtype)) { /* integers unsigned: they wrap */
    case QCC_EX_F32: SUM(float, fmaf(x, w, sum)); break;
    case QCC_EX_F64: SUM(double, fma(x, w, sum)); break;
    case QCC_EX_I32: SUM(int32_t, (int32_t)((uint32_t)sum + (uint32_t)x * (uint32_t)w)); break;
    default: SUM(int64_t, (int64_t)((uint64_t)sum + (uint64_t)x * (uint64_t)w)); break;
    }
}

static void eval_widened(const QccTensor *in, const QccTensor *result)
{
    int rank = result->type->rank, ra = in[0].type->rank, rb = in[1].type->rank;
    int64_t pitch[QCC_MAX_RANK], sa[QCC_MAX_RANK], sb[QCC_MAX_RANK], index[QCC_MAX_RANK] = {0};
    int64_t n = result->dim[rank - 1], k = in[0].dim[ra - 1];
    qcc_dense_strides(ra, in[0].dim, pitch);
    batch_strides(rank, ra, in[0].dim, pitch, sa);
    qcc_dense_strides(rb, in[1].dim, pitch);
    batch_strides(rank, rb, in[1].dim, pitch, sb);
    for (int64_t at = 0; at < result->count; at++) {
        int64_t a = index[rank - 2] * k, b = index[rank - 1];
        for (int i = 0; i < rank - 2; i++) {
            a += index[i] * sa[i];
            b += index[i] * sb[i];
        }
        sum_widened(in, result, at, a, b, k, n);
        for (int d = rank - 1; d >= 0 && ++index[d] == result->dim[d]; d--) index[d] = 0;
    }
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    QccProduct p;
    if (qcc_op_real(op, 0)->dtype != QCC_F32) {
        eval_widened(in, result);
        return QCC_OK;
    }
    QCC_TRY(qcc_product_init(&p, op, in, result, false, arena));
    qcc_matmul_run(&p, in, result);
    return QCC_OK;
}

static QccStatus unit(const QccOp *op, QccArena *arena, QccUnit *u)
{
    return qcc_product_unit(op, op->in[1].value->type->rank - 1, arena, u);
}

/* ---- lowering ---------------------------------------------------------------------------------
 */

/* Extents and pitches of the result and the operands. */
typedef struct Operands {
    int rank, ra, rb;
    int64_t dim[QCC_MAX_RANK], ad[QCC_MAX_RANK], bd[QCC_MAX_RANK];
    int64_t sy[QCC_MAX_RANK], pa[QCC_MAX_RANK], pb[QCC_MAX_RANK];
} Operands;

/* The index space [batch, 1, m, n] and what A, B and the result step by in it. */
typedef struct Space {
    bool one_b; /* every batch multiplies with the same b */
    bool rows;  /* the leading dimensions are rows like any other */
    int64_t batch, m, a_batch, a_m, b_batch, y_batch, y_m;
} Space;

/* Without a batch in b, the leading dimensions are rows like any other. */
static bool merge_rows(int rank, const int64_t *dim, const int64_t *sa, const int64_t *sy, Space *s)
{
    s->batch = 1;
    return qcc_lower_merge(dim, sa, 0, rank - 2, &s->m, &s->a_m) &&
           qcc_lower_merge(dim, sy, 0, rank - 2, &s->m, &s->y_m);
}

static bool merge_batch(int rank, const int64_t *dim, const int64_t *sa, const int64_t *sb,
                        const int64_t *sy, Space *s)
{
    s->m = dim[rank - 2];
    s->a_m = sa[rank - 2];
    s->y_m = sy[rank - 2];
    return qcc_lower_merge(dim, sa, 0, rank - 3, &s->batch, &s->a_batch) &&
           qcc_lower_merge(dim, sb, 0, rank - 3, &s->batch, &s->b_batch) &&
           qcc_lower_merge(dim, sy, 0, rank - 3, &s->batch, &s->y_batch);
}

static bool find_space(const Operands *o, Space *s)
{
    int rank = o->rank;
    int64_t sa[QCC_MAX_RANK] = {0}, sb[QCC_MAX_RANK] = {0};
    batch_strides(rank, o->ra, o->ad, o->pa, sa);
    sa[rank - 2] = o->pa[o->ra - 2];
    batch_strides(rank, o->rb, o->bd, o->pb, sb);
    *s = (Space){.one_b = true};
    for (int i = 0; i < rank - 2; i++) s->one_b = s->one_b && (o->dim[i] == 1 || sb[i] == 0);
    s->rows = s->one_b && merge_rows(rank, o->dim, sa, o->sy, s);
    return s->rows || merge_batch(rank, o->dim, sa, sb, o->sy, s);
}

/* A kernel of k products for each result, without arguments. */
static QccLoweredKernel *new_kernel(QccKernelList *list, const Operands *o, const Space *s,
                                    int64_t k, bool packed)
{
    int last = o->rank - 1;
    int64_t extent[4] = {s->batch, 1, s->m, o->dim[last]};
    QccLoweredKernel *lk = qcc_lower_kernel(list, QCC_ANCHOR_CONTRACT, 4, extent);
    QccContractShape *shape = &lk->kernel->u.contract;
    *shape = qcc_row_product_shape(k, s->a_batch, s->a_m);
    shape->b_strided = !packed;
    shape->b_n = packed ? 0 : s->b_batch;
    shape->b_k = packed ? 0 : o->pb[o->rb - 2];
    for (int i = 0; i < o->rank; i++)
        lk->result_dim[i] = i == last ? 3 : i == last - 1 || s->rows ? 2 : 0;
    return lk;
}

/* Two operands of bytes, neither of them packed beforehand. Without their zero points they are
 * integers of at most 255, whose products f32 holds exactly, and sums of 258 of these (255^2 * 258
 * < 2^24) as well: so parts of k go through the kernel of f32, over copies of the operands, and
 * their exact sums are added up as integers. */
enum { PART = 258, PARTS = QCC_MATMUL_DEPTH / PART };

/* A dense copy of operand i in f32, without its zero point. */
static int centered(const QccOp *op, QccKernelList *list, int i, const int64_t *dim,
                    const int64_t *pitch)
{
    const QccType *t = op->in[i].value->type;
    int32_t zero = 0;
    int64_t dense[QCC_MAX_RANK];
    qcc_quant_is_tensor(t->quant, NULL, &zero);
    qcc_dense_strides(t->rank, dim, dense);
    int temp = qcc_lower_temp(list, QCC_F32, t->rank, dim);
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, t->rank, dim);
    qcc_lower_temp_arg(k, temp, QCC_F32, dense);
    int x = qcc_lower_operand(k, i, t->dtype, pitch, NULL);
    int z = qcc_lower_const_arg(k, qcc_blob(list->arena, QCC_I32, 0, NULL, &zero, true), NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int q = qcc_lower_arg_node(e, k, x);
    q = qcc_expr_op2(e, QCC_EX_sub, q, qcc_lower_arg_node(e, k, z));
    e->result = qcc_expr_cvt(e, QCC_EX_F32, q);
    return temp;
}

/* The sums of one part, into a temporary (its number) or, -1, as the result. */
static void lower_part(const QccOp *op, QccKernelList *list, const Operands *o, const Space *s,
                       const int temp[2], int64_t first, int64_t k, int to)
{
    int64_t stride[4] = {s->y_batch, 0, s->y_m, o->sy[o->rank - 1]};
    QccLoweredKernel *lk = new_kernel(list, o, s, k, false);
    if (to < 0)
        qcc_lower_result(lk, op->out[0].type->dtype, stride, NULL);
    else
        qcc_lower_temp_arg(lk, to, QCC_F32, stride);
    lk->source[qcc_lower_temp_arg(lk, temp[0], QCC_F32, NULL)].offset = first;
    lk->source[qcc_lower_temp_arg(lk, temp[1], QCC_F32, NULL)].offset = first * o->pb[o->rb - 2];
    lk->kernel->nanchor = 2;
    if (to >= 0) return;
    QccExpr *e = lk->kernel->epilogue = qcc_lower_expr(list);
    e->result = qcc_expr_cvt(e, QCC_EX_I32, qcc_expr_acc(e, QCC_EX_F32));
}

static void add_parts(const QccOp *op, QccKernelList *list, const Operands *o, int n,
                      const int *part)
{
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, o->rank, o->dim);
    qcc_lower_result(k, op->out[0].type->dtype, list->result->pitch, NULL);
    QccExpr *e = k->kernel->epilogue = qcc_lower_expr(list);
    int sum = -1;
    for (int i = 0; i < n; i++) {
        int x = qcc_lower_arg_node(e, k, qcc_lower_temp_arg(k, part[i], QCC_F32, o->sy));
        x = qcc_expr_cvt(e, QCC_EX_I32, x);
        sum = i ? qcc_expr_op2(e, QCC_EX_add, sum, x) : x;
    }
    e->result = sum;
}

static QccStatus lower_bytes(const QccOp *op, QccKernelList *list, Operands *o)
{
    int64_t k = o->bd[o->rb - 2];
    int n = 0, temp[2], part[PARTS];
    Space s;
    for (int i = 0; i < 2; i++) {
        const QccType *t = op->in[i].value->type;
        if (qcc_dtype_bits(t->dtype) != 8 || !qcc_quant_is_tensor(t->quant, NULL, NULL))
            return QCC_ERROR_UNSUPPORTED;
    }
    if (k < 1 || k > QCC_MATMUL_DEPTH) return QCC_ERROR_UNSUPPORTED;
    temp[0] = centered(op, list, 0, o->ad, o->pa);
    temp[1] = centered(op, list, 1, o->bd, o->pb);
    qcc_dense_strides(o->ra, o->ad, o->pa);
    qcc_dense_strides(o->rb, o->bd, o->pb);
    if (k > PART) qcc_dense_strides(o->rank, o->dim, o->sy);
    if (!find_space(o, &s)) return QCC_ERROR_UNSUPPORTED;
    for (int64_t first = 0; first < k; first += PART) {
        int64_t depth = k - first < PART ? k - first : PART;
        int to = k > PART ? qcc_lower_temp(list, QCC_F32, o->rank, o->dim) : -1;
        part[n++] = to;
        lower_part(op, list, o, &s, temp, first, depth, to);
    }
    if (n > 1) add_parts(op, list, o, n, part);
    return QCC_OK;
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccType *a = op->in[0].value->type, *b = op->in[1].value->type, *y = op->out[0].type;
    Operands o = {.rank = y->rank, .ra = a->rank, .rb = b->rank};
    Space s;
    int last = o.rank - 1;
    if (qcc_op_real(op, 0)->dtype != QCC_F32) return QCC_ERROR_UNSUPPORTED;
    if (!qcc_type_extents(y, o.dim) || !qcc_type_extents(a, o.ad) || !qcc_type_extents(b, o.bd))
        return QCC_ERROR_UNSUPPORTED;
    memcpy(o.sy, list->result->pitch, sizeof o.sy);
    for (int i = 0; i < a->rank; i++) o.pa[i] = qcc_lower_pitch(list, op, 0, i);
    for (int i = 0; i < b->rank; i++) o.pb[i] = qcc_lower_pitch(list, op, 1, i);
    const QccBlob *w = qcc_lower_const(op, 1);
    bool found = find_space(&o, &s), packed = found && w && s.one_b && list->in[0];
    if (!packed && qcc_product_is_integer(op)) return lower_bytes(op, list, &o);
    if (!found || !list->in[0] || o.pa[a->rank - 1] != 1) return QCC_ERROR_UNSUPPORTED;
    if (!packed && (a->quant || b->quant || o.pb[b->rank - 1] != 1)) return QCC_ERROR_UNSUPPORTED;

    int64_t stride[4] = {s.y_batch, 0, s.y_m, o.sy[last]};
    QccLoweredKernel *k = new_kernel(list, &o, &s, o.bd[b->rank - 2], packed);
    qcc_lower_result(k, y->dtype, stride, NULL);
    if (packed) return qcc_product_lower(op, list, k, NULL, w, 1, o.dim[last], false);
    qcc_lower_operand(k, 0, QCC_F32, NULL, NULL);
    qcc_lower_operand(k, 1, QCC_F32, NULL, NULL);
    k->kernel->nanchor = 2;
    return QCC_OK;
}

/* ---- sample -----------------------------------------------------------------------------------
 */

static void sample(QccRandom *r, QccSample *s)
{
    int64_t m = qcc_random_range(r, 1, 9), k = qcc_random_range(r, 1, 40);
    int64_t a[4] = {qcc_random_range(r, 1, 3), qcc_random_range(r, 1, 3), m, k};
    int64_t b[4] = {a[0], a[1], k, qcc_random_range(r, 1, 40)};
    int skip_a = (int)qcc_random_range(r, 0, 2), skip_b = (int)qcc_random_range(r, 0, 2);
    if (qcc_random_bool(r)) (qcc_random_bool(r) ? a : b)[qcc_random_range(r, 0, 1)] = 1;
    bool weight = qcc_random_bool(r);
    s->quantizable = true;
    if (weight) skip_b = 2;
    if (!weight && qcc_random_bool(r)) a[3] = b[2] = qcc_random_range(r, 250, 600);
    const QccType *tb = qcc_sample_shape(s, 4 - skip_b, b + skip_b);
    QccValue *in[2] = {qcc_sample_param(s, qcc_sample_shape(s, 4 - skip_a, a + skip_a)), NULL};
    in[1] = weight ? qcc_sample_const(s, tb) : qcc_sample_param(s, tb);
    qcc_sample_op(s, &qcc_op_matmul, in, 2, NULL);
}

const QccOpDef qcc_op_matmul = {
    .name = "matmul",
    .summary = "product of a[...,m,k] and b[...,k,n]; leading dimensions broadcast",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .traits = QCC_TRAIT_CONTRACTION | QCC_TRAIT_HOMOGENEOUS,
    .quant = {.kind = QCC_QUANT_AFFINE, .weight = 1, .weight_axis = -1},
    .infer = infer,
    .eval = eval,
    .unit = unit,
    .sample = sample,
    .lower = lower,
};
