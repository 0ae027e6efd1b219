/* trial - one kernel by itself, over memory of its own, to be timed. */
#ifndef QCC_RUNTIME_TRIAL_H
#define QCC_RUNTIME_TRIAL_H

#include "backend/target.h"

typedef struct QccTrial {
    void *arg[QCC_KERNEL_ARGS];
    int64_t bytes[QCC_KERNEL_ARGS]; /* that lie before and behind arg[i] together */
    int weight;                     /* the argument that is packed; -1: none */
    char *weights;                  /* `copies` of them, which runs take in turn */
    int copies, turn;
} QccTrial;

/* Gives every argument of k memory as far as its strides reach, filled with numbers of moderate
 * size. Packed weights get room for any of n variants, and so many copies that together they take
 * `spread` bytes (0: one): a run then finds its weights where a network has them, beyond L2.
 * false: the kernel reads by computed indices, or needs more memory than is reasonable. */
bool qcc_trial_init(QccTrial *trial, QccArena *arena, const QccKernel *k, const QccTarget *t,
                    const QccVariant *variant, int n, int64_t spread);

/* Runs all work units once, on this thread; milliseconds. */
double qcc_trial_run(QccTrial *trial, QccKernelFn *fn, int64_t work);

#endif
