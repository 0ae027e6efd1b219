/* percentile - the range that holds all but a few of the numbers, equally few cut at either end. */
#include "passes/observers/percentile.h"

#include <math.h>

#include "passes/observers/histogram.h"

static const QccField fields[] = {QCC_PERCENTILE_FIELD, {0}};

/* The ends are edges of bins, at most one bin's width outside the percentile proper. */
static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    (void)levels;
    const QccPercentileOpts *o = opts;
    int first, last;
    *lo = h->min;
    *hi = h->max;
    if (!qcc_histogram_span(h, &first, &last)) return;

    /* How many numbers may be cut at one end. */
    /* The guard: 0.1 % of 20000 are 20, though 100 - 99.9 is a little less than 0.1. */
    double cut = floor((double)h->count * (100 - o->percentile) / 200 + 1e-6);
    int64_t below = 0, above = 0;
    while (first < last && (double)(below + qcc_histogram_at(h, first)) <= cut) {
        below += qcc_histogram_at(h, first++);
    }
    while (last > first && (double)(above + qcc_histogram_at(h, last)) <= cut) {
        above += qcc_histogram_at(h, last--);
    }
    if (below) *lo = (float)qcc_histogram_edge(h, first);
    if (above) *hi = (float)qcc_histogram_edge(h, last + 1);
}

const QccObserverDef qcc_observer_percentile = {
    .abi = QCC_PASS_ABI,
    .name = "percentile",
    .summary = "all but a few of the numbers, equally few cut at either end",
    .opts_size = sizeof(QccPercentileOpts),
    .opts = fields,
    .estimate = estimate,
};
