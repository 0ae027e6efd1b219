/* mse - the range that quantizes what was seen with the least mean squared error. */
#include "passes/observers/clipping.h"
#include "passes/observers/error.h"

static double squared_error(const QccHistogram *h, int first, int last, double lo, double hi,
                            int levels)
{
    (void)first;
    (void)last;
    return qcc_range_error(h, lo, hi, levels);
}

static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    (void)opts;
    qcc_clipping_search(h, squared_error, levels, lo, hi);
}

const QccObserverDef qcc_observer_mse = {
    .abi = QCC_PASS_ABI,
    .name = "mse",
    .summary = "the range that quantizes with the least mean squared error",
    .estimate = estimate,
};
