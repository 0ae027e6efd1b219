/* interp - the reference interpreter, and the executors that passes and tools are given. */
#ifndef QCC_IR_INTERP_H
#define QCC_IR_INTERP_H

#include "ir/graph.h"
#include "ir/tensor.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

/* Called for every value as it is computed (parameters first). The tensor lives during the call;
 * `value` is the one of the graph that was opened. */
typedef QccStatus QccTapFn(void *user, const QccValue *value, const QccTensor *tensor);

/* Something that runs graphs: the interpreter, or compiled code given by the facade. */
typedef struct QccExecutor {
    void *self;
    /* Prepares a graph, which must not change while it is open. *run is the handle. */
    QccStatus (*open)(void *self, void **run, const QccGraph *g);
    /* in[nparam]; out[nresult] (NULL: not wanted) with data of the caller. tap may be NULL. */
    QccStatus (*run)(void *self, void *run, const QccTensor *in, const QccTensor *out,
                     QccTapFn *tap, void *user);
    void (*close)(void *self, void *run);
} QccExecutor;

/* The interpreter as an executor; allocates from ir->mem. */
QccExecutor qcc_interp_executor(QccIr *ir);

/* Runs g once: in[nparam], out[nresult] (NULL: not wanted). Symbols are bound. Values are freed
 * after their last use. */
QccStatus qcc_interp_run(const QccGraph *g, const QccTensor *in, const QccTensor *out,
                         QccTapFn *tap, void *user);

/* One op: operands and results dense; data of results belongs to the caller. `scratch` is filled,
 * not freed. Handles quantized types, fused bodies, MOVE ops. */
QccStatus qcc_interp_op(const QccOp *op, const QccTensor *in, const QccTensor *out,
                        QccArena *scratch);

#pragma GCC visibility pop

#endif
