/* mse - the range that quantizes what was seen with the least mean squared error. */
#include <math.h>

#include "passes/observers/clipping.h"

/* Squared error, every number taken to lie in the middle of its bin. */
static double squared_error(const QccHistogram *h, int first, int last, double lo, double hi,
                            int levels)
{
    double scale = (hi - lo) / (levels - 1);
    double zero = rint(-lo / scale), sum = 0;
    for (int k = first; k <= last; k++) {
        int64_t n = qcc_histogram_at(h, k);
        if (n == 0) continue;
        double x = (qcc_histogram_edge(h, k) + qcc_histogram_edge(h, k + 1)) / 2;
        /* The outermost bins are often wider than what lies in them. */
        if (x < h->min) x = h->min;
        if (x > h->max) x = h->max;
        double q = rint(x / scale) + zero;
        q = q < 0 ? 0 : q > levels - 1 ? levels - 1 : q;
        double error = x - (q - zero) * scale;
        sum += (double)n * error * error;
    }
    return sum;
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
