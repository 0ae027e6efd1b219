/* fp_env - IEEE's default floating-point environment, whatever the host works in.
 *
 * Ties to even, denormals kept, exceptions masked: bytes would depend on anything else. The host's
 * environment comes back as it was, its exception flags included. Per thread: a new thread has its
 * creator's, so workers enter by themselves. Costs some 0.1 us.
 */
#ifndef QCC_RUNTIME_FP_ENV_H
#define QCC_RUNTIME_FP_ENV_H

#include <fenv.h>

static inline fenv_t qcc_fp_enter(void)
{
    fenv_t host;
    fegetenv(&host);
    fesetenv(FE_DFL_ENV);
    return host;
}

static inline void qcc_fp_leave(const fenv_t *host)
{
    fesetenv(host);
}

#endif
