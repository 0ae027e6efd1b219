/* chain - which ops can become one fused op: an anchor, or none, and the elementwise steps behind
 * it.
 *
 * quantize asks, to leave the values inside real; fuse-requant asks, to wrap them. Both get the
 * same answer.
 */
#ifndef QCC_PASSES_CHAIN_H
#define QCC_PASSES_CHAIN_H

#include "passes/rewrite.h"

/* Operands that a fused op may have: a kernel has 24 arguments, some of them tables. */
enum { QCC_CHAIN_OPERANDS = 12 };

typedef struct QccChainLink {
    QccOp *op;
    bool may;     /* in: the op may be part of a chain */
    bool claimed; /* out: some other op's result stays real because this one reads it */
    QccOp *next;  /* out: the op that follows in the chain; NULL: the chain ends here */
} QccChainLink;

/* Forms chains of the n ops, which are in topological order; op i has number i in `numbers`.
 * A value stays inside a chain when all its readers are in it, steps that give the same shape, and
 * it is real; or it is rounded there, and steps before and behind are light. Chains with an anchor
 * go first, later ones before earlier ones: of two operands that could stay real the later one
 * does, as by then the other one lies in memory. `tables`: a value between a product and a long
 * step, say a sigmoid, is better rounded, as then a table gives that step. */
void qcc_chain_form(QccChainLink *link, int n, const QccPtrMap *numbers, bool tables);

/* Whether a chain may begin with the op. */
bool qcc_chain_head(const QccOp *op);
/* Whether the op's result may stand inside a chain, as a real or rounded on the way. */
bool qcc_chain_goes_on(const QccOp *op);
/* Whether `user`, which reads the op's result, may be behind it in a chain, whatever else claims
 * it. */
bool qcc_chain_may_follow(const QccOp *op, const QccOp *user);

#endif
