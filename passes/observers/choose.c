/* choose - for each tensor the estimator whose range quantizes it best.
 *
 * Best is the largest signal-to-noise ratio of what the histogram saw, quantized into that range;
 * the signal being the same, that is the least squared error. It is measured over the histogram and
 * not by running the network: what one tensor loses by itself depends on its distribution alone,
 * and so every candidate can be tried on every tensor at no cost in runs. entropy is none: it
 * chooses among the ranges of which mse chooses the one with the least squared error.
 */
#include "passes/observers/choose.h"

#include <math.h>

#include "passes/observers/error.h"
#include "passes/observers/percentile.h"

#define QCC_OBSERVER(name) extern const QccObserverDef qcc_observer_##name;
#include "passes/observers/observers.def"
#undef QCC_OBSERVER

/* Among equals the first. */
static const QccObserverDef *const candidate[] = {
    &qcc_observer_minmax,
    &qcc_observer_moving_average,
    &qcc_observer_percentile,
    &qcc_observer_mse,
};

enum { CANDIDATES = sizeof candidate / sizeof *candidate };

const QccObserverDef *qcc_choose_observer(const QccHistogram *h, const void *opts, int levels,
                                          float *lo, float *hi)
{
    const QccObserverDef *best = NULL;
    double least = INFINITY;
    int first = 0, last = -1;
    qcc_histogram_span(h, &first, &last);
    for (int i = 0; i < CANDIDATES; i++) {
        float l, r;
        candidate[i]->estimate(h, opts, levels, &l, &r);
        double error = qcc_range_error(h, first, last, l < 0 ? l : 0, r > 0 ? r : 0, levels, least);
        if (best && !(error < least)) continue;
        best = candidate[i];
        least = error;
        *lo = l;
        *hi = r;
    }
    return best;
}

static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    qcc_choose_observer(h, opts, levels, lo, hi);
}

static const QccField fields[] = {QCC_PERCENTILE_FIELD, {0}};

const QccObserverDef qcc_observer_choose = {
    .abi = QCC_PASS_ABI,
    .name = "choose",
    .summary = "for each value the one of these that quantizes it with the least squared error",
    .opts_size = sizeof(QccPercentileOpts),
    .opts = fields,
    .estimate = estimate,
};
