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
    bool by_row; /* each row of a matrix has a zero point of its own */
} Operands;

/* The index space [n, y, m, columns] and what A, B and the result step by in it. */
typedef struct Space {
    bool one_b; /* every batch multiplies with the same b */
    int split;  /* leading dimensions before this one lie in n, the others in y; -1: all lie
                   in m, as rows like any other */
    int64_t extent[4];
    int64_t a[3], b[2], y[3];
} Space;

/* Without a batch in b, the leading dimensions are rows like any other. */
static bool merge_rows(int rank, const int64_t *dim, const int64_t *sa, const int64_t *sy, Space *s)
{
    s->split = -1;
    return qcc_lower_merge(dim, sa, 0, rank - 2, &s->extent[2], &s->a[2]) &&
           qcc_lower_merge(dim, sy, 0, rank - 2, &s->extent[2], &s->y[2]);
}

/* Leading dimensions [first, last] as dimension `to` of the space. */
static bool merge_batch(const int64_t *dim, const int64_t *sa, const int64_t *sb, const int64_t *sy,
                        int first, int last, int to, Space *s)
{
    return qcc_lower_merge(dim, sa, first, last, &s->extent[to], &s->a[to]) &&
           qcc_lower_merge(dim, sb, first, last, &s->extent[to], &s->b[to]) &&
           qcc_lower_merge(dim, sy, first, last, &s->extent[to], &s->y[to]);
}

static bool find_space(const Operands *o, Space *s)
{
    int rank = o->rank;
    int64_t sa[QCC_MAX_RANK] = {0}, sb[QCC_MAX_RANK] = {0};
    batch_strides(rank, o->ra, o->ad, o->pa, sa);
    sa[rank - 2] = o->pa[o->ra - 2];
    batch_strides(rank, o->rb, o->bd, o->pb, sb);
    *s = (Space){.one_b = true, .extent = {1, 1, o->dim[rank - 2], o->dim[rank - 1]}};
    for (int i = 0; i < rank - 2; i++) s->one_b = s->one_b && (o->dim[i] == 1 || sb[i] == 0);
    if (s->one_b && !o->by_row && merge_rows(rank, o->dim, sa, o->sy, s)) return true;
    s->extent[2] = o->dim[rank - 2];
    s->a[2] = sa[rank - 2];
    s->y[2] = o->sy[rank - 2];
    for (s->split = rank - 2; s->split >= 0; s->split--)
        if (merge_batch(o->dim, sa, sb, o->sy, 0, s->split - 1, 0, s) &&
            merge_batch(o->dim, sa, sb, o->sy, s->split, rank - 3, 1, s))
            return true;
    return false;
}

static QccContractShape shape_of(const Operands *o, const Space *s, bool packed)
{
    QccContractShape shape = qcc_row_product_shape(o->ad[o->ra - 1], s->a[0], s->a[2]);
    shape.a_h = s->a[1];
    shape.b_strided = !packed;
    if (packed) return shape;
    shape.b_n = s->b[0];
    shape.b_h = s->b[1];
    shape.b_k = o->pb[o->rb - 2];
    return shape;
}

/* Which dimension of the space each of the result's lies in. */
static void tell_dims(const Operands *o, const Space *s, int *result_dim)
{
    for (int i = 0; i < o->rank - 2; i++) result_dim[i] = s->split < 0 ? 2 : i >= s->split;
    result_dim[o->rank - 2] = 2;
    result_dim[o->rank - 1] = 3;
}

/* A kernel without arguments. */
static QccLoweredKernel *new_kernel(QccKernelList *list, const Operands *o, const Space *s,
                                    bool packed)
{
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_CONTRACT, 4, s->extent);
    k->kernel->u.contract = shape_of(o, s, packed);
    tell_dims(o, s, k->result_dim);
    return k;
}

static bool find_operands(const QccOp *op, const QccKernelList *list, Operands *o)
{
    const QccType *a = op->in[0].value->type, *b = op->in[1].value->type, *y = op->out[0].type;
    *o = (Operands){.rank = y->rank, .ra = a->rank, .rb = b->rank};
    if (!qcc_type_extents(y, o->dim) || !qcc_type_extents(a, o->ad) || !qcc_type_extents(b, o->bd))
        return false;
    memcpy(o->sy, list->result->pitch, sizeof o->sy);
    for (int i = 0; i < a->rank; i++) o->pa[i] = qcc_lower_pitch(list, op, 0, i);
    for (int i = 0; i < b->rank; i++) o->pb[i] = qcc_lower_pitch(list, op, 1, i);
    return true;
}

/* The pitches of B in fours of a column. */
static void find_fours(Operands *o)
{
    int64_t pitch = 4 * o->bd[o->rb - 1];
    o->pb[o->rb - 2] = pitch;
    pitch *= QCC_FOURS_DEPTH(o->bd[o->rb - 2]) / 4;
    for (int i = o->rb - 3; i >= 0; i--) {
        o->pb[i] = pitch;
        pitch *= o->bd[i];
    }
}

QccStatus qcc_matmul_lower_bytes(const QccOp *op, QccKernelList *list, const int64_t *a_zero,
                                 const int64_t *b_zero)
{
    const QccType *a = op->in[0].value->type, *b = op->in[1].value->type;
    bool in_place = list->in[0] && (op->def->traits & QCC_TRAIT_CONTRACTION) && a->dtype == QCC_U8;
    const int64_t before[QCC_MAX_RANK] = {0};
    int64_t pitch[QCC_MAX_RANK];
    Operands o;
    Space s;
    for (int i = 0; i < 2; i++) {
        const QccType *t = op->in[i].value->type;
        if (t->dtype != QCC_U8 && t->dtype != QCC_I8) return QCC_ERROR_UNSUPPORTED;
    }
    if (!find_operands(op, list, &o) || o.ad[a->rank - 1] < 1 || b->rank == QCC_MAX_RANK)
        return QCC_ERROR_UNSUPPORTED;
    memcpy(pitch, o.pb, sizeof pitch);
    find_fours(&o);
    o.by_row = a_zero[2] != 0;
    QccByteProduct p = {.a = -1};
    if (!in_place || o.pa[a->rank - 1] != 1 || !find_space(&o, &s)) {
        p.a = qcc_lower_unsigned(op, list, o.ad, before, o.pa);
        qcc_dense_strides(o.ra, o.ad, o.pa);
        if (!find_space(&o, &s)) return QCC_ERROR_UNSUPPORTED;
    }
    p.b = qcc_lower_fours(op, list, o.bd, pitch);
    p.shape = shape_of(&o, &s, false);
    tell_dims(&o, &s, p.result_dim);
    memcpy(p.extent, s.extent, sizeof p.extent);
    memcpy(p.result, s.y, sizeof s.y);
    p.result[3] = o.sy[o.rank - 1];
    memcpy(p.a_zero, a_zero, sizeof p.a_zero);
    memcpy(p.b_zero, b_zero, sizeof p.b_zero);
    return qcc_lower_bytes(op, list, &p);
}

static QccStatus lower(const QccOp *op, QccKernelList *list)
{
    const QccType *a = op->in[0].value->type, *b = op->in[1].value->type, *y = op->out[0].type;
    Operands o;
    Space s;
    if (qcc_op_real(op, 0)->dtype != QCC_F32 || !find_operands(op, list, &o))
        return QCC_ERROR_UNSUPPORTED;
    const QccBlob *w = qcc_lower_const(op, 1);
    bool found = find_space(&o, &s), packed = found && w && s.one_b && list->in[0];
    if (!packed && qcc_product_is_integer(op)) {
        const int64_t everywhere[4] = {0};
        bool whole =
            qcc_quant_is_tensor(a->quant, NULL, NULL) && qcc_quant_is_tensor(b->quant, NULL, NULL);
        return whole ? qcc_matmul_lower_bytes(op, list, everywhere, everywhere)
                     : QCC_ERROR_UNSUPPORTED;
    }
    if (!found || !list->in[0] || o.pa[a->rank - 1] != 1) return QCC_ERROR_UNSUPPORTED;
    if (!packed && (a->quant || b->quant || o.pb[b->rank - 1] != 1)) return QCC_ERROR_UNSUPPORTED;

    int64_t stride[4] = {s.y[0], s.y[1], s.y[2], o.sy[o.rank - 1]};
    QccLoweredKernel *k = new_kernel(list, &o, &s, packed);
    qcc_lower_result(k, y->dtype, stride, NULL);
    if (packed) return qcc_product_lower(op, list, k, NULL, w, 1, s.extent[3], false);
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
