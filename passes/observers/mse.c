/* mse - the range that quantizes what was seen with the least mean squared error. */
#include "passes/observers/clipping.h"
#include "passes/observers/error.h"

static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    (void)opts;
    qcc_clipping_search(h, qcc_range_error, levels, lo, hi);
}

const QccObserverDef qcc_observer_mse = {
    .abi = QCC_PASS_ABI,
    .name = "mse",
    .summary = "the range that quantizes with the least mean squared error",
    .estimate = estimate,
};
