/* reference - the meaning of kernel descriptions in plain C, against which emitted code is held. */
#ifndef QCC_BACKEND_REFERENCE_H
#define QCC_BACKEND_REFERENCE_H

#include "backend/target.h"

/* Does what the code of `k` for target `t` does over the work units [begin, end): same arguments,
 * same packed weights, same bytes. Slow. Touches exactly the elements that the kernel is about.
 * `scratch` is filled, not freed. */
void qcc_kernel_reference(const QccKernel *k, const QccTarget *t, void *const *arg, int64_t begin,
                          int64_t end, QccArena *scratch);

#endif
