/* op - what descriptors share: errors at an op, inference of elementwise ops, samples. */
#include "ir/op.h"

#include <assert.h>

#include "ir/qmath.h"

int qcc_op_count(const QccOpDef *def, const void *attrs)
{
    return def->count ? def->count(attrs) : def->nout;
}

QccStatus qcc_op_error(const QccOp *op, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = qcc_vsprintf(op->graph->arena, fmt, args);
    va_end(args);
    return qcc_error(&op->graph->ir->diags, op->loc, "%s", text);
}

/* ---- inference ---------------------------------------------------------------------------- */

static bool is_one(const QccDim *d)
{
    return d->n == 1 && !d->sym[0];
}

static const char *operand_types(const QccOp *op)
{
    QccBuf buf;
    qcc_buf_init(&buf, op->graph->arena);
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value) continue;
        if (buf.len) qcc_buf_puts(&buf, i == op->nin - 1 ? " and " : ", ");
        qcc_type_print(&buf, op->in[i].value->type);
    }
    return buf.data ? buf.data : "";
}

QccStatus qcc_infer_broadcast(const QccOp *op, int *rank, QccDim *dim)
{
    *rank = 0;
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        if (v && v->type->rank > *rank) *rank = v->type->rank;
    }
    for (int d = 0; d < *rank; d++) dim[d] = qcc_dim(1);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        if (!v) continue;
        int shift = *rank - v->type->rank;
        for (int d = 0; d < v->type->rank; d++) {
            const QccDim *from = &v->type->dim[d];
            QccDim *to = &dim[shift + d];
            if (is_one(to)) *to = *from;
            if (is_one(from) || qcc_dim_equal(from, to)) continue;
            return qcc_op_error(op, "'%s' needs operands that broadcast; they are %s",
                                op->def->name, operand_types(op));
        }
    }
    return QCC_OK;
}

QccStatus qcc_infer_map(QccOp *op, const QccType **result)
{
    QccIr *ir = op->graph->ir;
    int rank;
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value)
            return qcc_op_error(op, "'%s' needs operand %d", op->def->name, i + 1);
    }
    QccDtype dtype = qcc_type_real(ir, op->in[0].value->type)->dtype;
    for (int i = 1; i < op->nin; i++) {
        if (qcc_type_real(ir, op->in[i].value->type)->dtype != dtype)
            return qcc_op_error(op, "'%s' needs operands of one element type; they are %s",
                                op->def->name, operand_types(op));
    }
    QCC_TRY(qcc_infer_broadcast(op, &rank, dim));
    *result = qcc_type(ir, dtype, rank, dim, NULL);
    return QCC_OK;
}

QccStatus qcc_infer_same(QccOp *op, const QccType **result)
{
    if (!op->in[0].value) return qcc_op_error(op, "'%s' needs operand 1", op->def->name);
    *result = qcc_type_real(op->graph->ir, op->in[0].value->type);
    return QCC_OK;
}

/* ---- moves -------------------------------------------------------------------------------- */

bool qcc_op_is_index(const QccOp *op, int i)
{
    const QccValue *v = op->in[i].value;
    if (i == 0 || !v || v->type->quant || !op->in[0].value) return false;
    bool integers = v->type->dtype == QCC_I64 || v->type->dtype == QCC_I32;
    return integers && v->type->dtype != op->in[0].value->type->dtype;
}

bool qcc_op_moves_raw(const QccOp *op)
{
    const QccType *to = op->out[0].type;
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        if (!v || qcc_op_is_index(op, i)) continue;
        if (v->type->dtype != to->dtype || v->type->quant != to->quant) return false;
    }
    return !to->quant || qcc_quant_is_tensor(to->quant, NULL, NULL);
}

bool qcc_op_selects_raw(const QccOp *op)
{
    return (op->def->traits & QCC_TRAIT_SELECT) != 0 && qcc_op_moves_raw(op);
}

/* ---- samples ------------------------------------------------------------------------------ */

QccValue *qcc_sample_param(QccSample *s, const QccType *type)
{
    return qcc_graph_add_param(s->graph, NULL, type);
}

static void random_element(QccRandom *r, QccDtype dtype, char *to)
{
    float f = qcc_random_f32(r, -2, 2);
    uint64_t bits = ((uint64_t)qcc_random_u32(r) << 32) | qcc_random_u32(r);
    switch (dtype) {
    case QCC_F32: *(float *)to = f; return;
    case QCC_F64: *(double *)to = f; return;
    case QCC_F16: *(uint16_t *)to = qcc_f32_to_f16(f); return;
    case QCC_BF16: *(uint16_t *)to = qcc_f32_to_bf16(f); return;
    case QCC_BOOL: *to = bits & 1; return;
    case QCC_I16:
    case QCC_U16: *(uint16_t *)to = (uint16_t)bits; return;
    case QCC_I32:
    case QCC_U32: *(uint32_t *)to = (uint32_t)bits; return;
    case QCC_I64:
    case QCC_U64: *(uint64_t *)to = bits; return;
    default: *(uint8_t *)to = (uint8_t)bits; /* bytes, and pairs of nibbles */
    }
}

QccValue *qcc_sample_const(QccSample *s, const QccType *type)
{
    QccArena *arena = s->graph->arena;
    int64_t dim[QCC_MAX_RANK];
    bool bound = qcc_type_extents(type, dim);
    assert(bound);
    (void)bound;
    int64_t bytes = qcc_type_bytes(type), step = qcc_dtype_size(type->dtype, 1);
    char *data = qcc_alloc(arena, (size_t)bytes);
    for (int64_t i = 0; i < bytes; i += step) random_element(s->random, type->dtype, data + i);
    QccBlob *blob = qcc_blob(arena, type->dtype, type->rank, dim, data, false);
    return qcc_const_new(s->graph, NULL, NULL, blob, NULL);
}

QccOp *qcc_sample_op(QccSample *s, const QccOpDef *def, QccValue *const *in, int nin,
                     const void *attrs)
{
    QccOp *op = NULL;
    QccStatus status =
        qcc_op_new(&op, s->graph, NULL, def, (QccLoc){.node = def->name}, NULL, in, nin, attrs);
    assert(status == QCC_OK);
    (void)status;
    QccValue *out[QCC_MAX_RANK];
    for (int i = 0; i < op->nout; i++) out[i] = &op->out[i];
    qcc_graph_set_results(s->graph, out, op->nout);
    return op;
}
