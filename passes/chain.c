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
    return is_plain(op) && qcc_is_step(op) && (type->quant || type->dtype == QCC_F32);
}

bool qcc_chain_head(const QccOp *op)
{
    return is_plain(op) && (qcc_is_anchor(op) || is_real_step(op));
}

static bool is_contraction(const QccOp *op)
{
    return op->def->traits & QCC_TRAIT_CONTRACTION;
}

/* A contraction, or a step of a few instructions. Longer ones are better looked up in a table when
 * they read values of 8 bits. */
static bool is_light(const QccOp *op)
{
    if (qcc_is_anchor(op)) return is_contraction(op);
    return op->def->traits & QCC_TRAIT_HOMOGENEOUS || op->def == &qcc_op_clip ||
           op->def == &qcc_op_mul || op->def == &qcc_op_hard_sigmoid ||
           op->def == &qcc_op_hard_swish;
}

bool qcc_chain_goes_on(const QccOp *op)
{
    const QccType *type = op->out[0].type;
    if (!type->quant) return type->dtype == QCC_F32;
    return qcc_type_rounds(type) && is_light(op);
}

bool qcc_chain_may_follow(const QccOp *op, const QccOp *user)
{
    const QccType *type = op->out[0].type;
    if (!qcc_chain_goes_on(op) || !is_real_step(user)) return false;
    return qcc_type_same_shape(type, user->out[0].type) && (!type->quant || is_light(user));
}

/* ---- forming ------------------------------------------------------------------------------- */

enum { STEPS = 32 };

/* A chain as it grows: ops by their numbers, in ascending order. */
typedef struct Growth {
    QccChainLink *link;
    const QccPtrMap *numbers;
    bool tables; /* what a product gives can be rounded, and long steps looked up */
    int at[STEPS], n;
    int operands;
} Growth;

static bool holds(const Growth *g, const QccOp *op)
{
    for (int i = 0; i < g->n; i++)
        if (g->link[g->at[i]].op == op) return true;
    return false;
}

/* The first op outside that reads a value of the chain; -1: none that can be in it. */
static int first_reader(const Growth *g)
{
    int first = -1;
    for (int i = 0; i < g->n; i++) {
        const QccOp *op = g->link[g->at[i]].op;
        for (const QccUse *use = op->out[0].uses; use; use = use->next) {
            if (holds(g, use->user)) continue;
            int at = qcc_ptr_map_find(g->numbers, use->user);
            if (at < 0) return -1;
            if (first < 0 || at < first) first = at;
        }
    }
    return first;
}

/* Whether a step behind the chain may read what is computed inside. Rounding ends a stretch of
 * steps (ir/epilogue.c): what they computed as reals is gone. */
static bool is_in_reach(const Growth *g, const QccOp *op)
{
    if (op->out[0].type->quant) return true;
    for (int i = g->n - 1; g->link[g->at[i]].op != op; i--)
        if (g->link[g->at[i]].op->out[0].type->quant) return false;
    return true;
}

/* Whether op `at`, which reads the chain, can be its next step. */
static bool may_join(const Growth *g, int at)
{
    const QccChainLink *next = &g->link[at];
    if (!next->may || next->claimed || next->next) return false;
    if (g->tables && is_contraction(g->link[g->at[0]].op) && !is_light(next->op)) return false;
    for (int i = 0; i < next->op->nin; i++) {
        const QccValue *value = qcc_op_in(next->op, i);
        bool inside = value && value->def && holds(g, value->def);
        if (inside && !is_in_reach(g, value->def)) return false;
        if (inside && !qcc_chain_may_follow(value->def, next->op)) return false;
    }
    return true;
}

/* Whether nothing outside reads the chain's values but the last. */
static bool is_closed(const Growth *g)
{
    for (int i = 0; i + 1 < g->n; i++) {
        const QccOp *op = g->link[g->at[i]].op;
        for (const QccUse *use = op->out[0].uses; use; use = use->next)
            if (!holds(g, use->user)) return false;
    }
    return true;
}

/* The longest chain that begins with op i and leaks no value. */
static void form_from(QccChainLink *link, int i, const QccPtrMap *numbers, bool tables)
{
    Growth g = {.link = link,
                .numbers = numbers,
                .tables = tables,
                .at = {i},
                .n = 1,
                .operands = link[i].op->nin};
    int length = 1;
    while (g.n < STEPS && g.operands <= QCC_CHAIN_OPERANDS) {
        int next = first_reader(&g);
        if (next < 0 || !may_join(&g, next)) break;
        g.at[g.n++] = next;
        g.operands += link[next].op->nin - 1;
        if (is_closed(&g)) length = g.n;
    }
    for (int k = 1; k < length; k++) {
        link[g.at[k - 1]].next = link[g.at[k]].op;
        link[g.at[k]].claimed = true;
    }
}

void qcc_chain_form(QccChainLink *link, int n, const QccPtrMap *numbers, bool tables)
{
    for (int i = 0; i < n; i++) {
        link[i].claimed = false;
        link[i].next = NULL;
    }
    for (int i = n - 1; i >= 0; i--)
        if (link[i].may && qcc_is_anchor(link[i].op)) form_from(link, i, numbers, tables);
    /* What is left may form chains without an anchor. */
    for (int i = 0; i < n; i++) {
        bool head = link[i].may && !link[i].claimed && !link[i].next && qcc_chain_head(link[i].op);
        if (head && !qcc_is_anchor(link[i].op)) form_from(link, i, numbers, tables);
    }
}
