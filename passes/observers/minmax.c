/* minmax - the range from the least to the greatest number seen. */
#include "passes/observers/histogram.h"

static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    (void)opts;
    (void)levels;
    *lo = h->min;
    *hi = h->max;
}

const QccObserverDef qcc_observer_minmax = {
    .abi = QCC_PASS_ABI,
    .name = "minmax",
    .summary = "from the least to the greatest number seen",
    .estimate = estimate,
};
