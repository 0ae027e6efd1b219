/* chain - which ops can become one fused op, see chain.h. */
#include "passes/chain.h"

#include "ir/epilogue.h"

static bool converts(const QccOp *op)
{
    return op->def == &qcc_op_quantize || op->def == &qcc_op_dequantize;
}

static bool is_plain(const QccOp *op)
{
    return !op->body && op->nout == 1 && !converts(op) && !(op->def->traits & QCC_TRAIT_TERMINATOR);
}

/* A step whose value may stand inside a fused op, or be its result. */
static bool is_real_step(const QccOp *op)
{
    const QccType *type = op->out[0].type;
    return qcc_is_step(op) && (type->quant || type->dtype == QCC_F32);
}

bool qcc_chain_head(const QccOp *op)
{
    return is_plain(op) && (qcc_is_anchor(op) || is_real_step(op));
}

static bool same_shape(const QccType *a, const QccType *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (!qcc_dim_equal(&a->dim[i], &b->dim[i])) return false;
    }
    return true;
}

/* A step of a few instructions. The others are better looked up where values have 8 bits. */
static bool is_light(const QccOp *op)
{
    return op->def->traits & (QCC_TRAIT_HOMOGENEOUS | QCC_TRAIT_CONTRACTION) ||
           op->def == &qcc_op_clip || op->def == &qcc_op_mul;
}

bool qcc_chain_goes_on(const QccOp *op)
{
    const QccType *type = op->out[0].type;
    if (!type->quant) return type->dtype == QCC_F32;
    return type->quant->kind == QCC_QUANT_STATIC && qcc_dtype_bits(type->dtype) <= 16 &&
           is_light(op);
}

QccOp *qcc_chain_next(const QccOp *op)
{
    const QccValue *value = &op->out[0];
    QccOp *user = qcc_sole_user(value);
    if (!qcc_chain_goes_on(op)) return NULL;
    if (!user || !is_plain(user) || !is_real_step(user)) return NULL;
    if (value->type->quant && !is_light(user)) return NULL;
    return same_shape(value->type, user->out[0].type) ? user : NULL;
}

/* Links op i to the op that follows, if that one is free. Returns its number, or -1. */
static int extend(QccChainLink *link, int i, const QccPtrMap *numbers)
{
    if (!link[i].may || link[i].next || !qcc_chain_head(link[i].op)) return -1;
    QccOp *next = qcc_chain_next(link[i].op);
    int at = next ? qcc_ptr_map_find(numbers, next) : -1;
    if (at < 0 || !link[at].may || link[at].claimed) return -1;
    link[i].next = next;
    link[at].claimed = true;
    return at;
}

void qcc_chain_form(QccChainLink *link, int n, const QccPtrMap *numbers)
{
    for (int i = 0; i < n; i++) {
        link[i].claimed = false;
        link[i].next = NULL;
    }
    for (int i = n - 1; i >= 0; i--) {
        if (!link[i].may || !qcc_is_anchor(link[i].op)) continue;
        int operands = link[i].op->nin;
        for (int at = i; at >= 0 && operands <= QCC_CHAIN_OPERANDS;) {
            at = extend(link, at, numbers);
            if (at >= 0) operands += link[at].op->nin - 1;
        }
    }
    /* What is left may form chains without an anchor; their length is bounded by going forward. */
    for (int i = 0; i < n; i++) {
        if (!link[i].may || link[i].claimed || link[i].next || qcc_is_anchor(link[i].op)) continue;
        int operands = link[i].op->nin;
        for (int at = i; at >= 0 && operands <= QCC_CHAIN_OPERANDS;) {
            at = extend(link, at, numbers);
            if (at >= 0) operands += link[at].op->nin - 1;
        }
    }
}
