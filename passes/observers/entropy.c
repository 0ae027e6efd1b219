/* entropy - the range whose quantized distribution tells the most about the one that was seen.
 *
 * Minimizes the Kullback-Leibler divergence of the distribution after quantization from the one
 * before, clipped numbers being counted at the ends (S. Migacz, "8-bit inference with TensorRT",
 * GTC 2017; there over symmetric ranges, here also over one-sided and lopsided ones). As there, the
 * bin of zero counts no more than its neighbour: what relu has cut to exactly 0 is exact at any
 * scale, and would otherwise ask for steps as fine as the bins.
 */
#include <math.h>

#include "passes/observers/clipping.h"

static int64_t counts_at(const QccHistogram *h, int k)
{
    int64_t n = qcc_histogram_at(h, k);
    int64_t beside = k == 0 ? qcc_histogram_at(h, 1) : n;
    return n < beside ? n : beside;
}

/* Bin of a real, limited to [first, last]. */
static int bin_of(const QccHistogram *h, double x, int first, int last)
{
    double k = floor(ldexp(x, -h->exponent));
    return k < first ? first : k > last ? last : (int)k;
}

/* p: counts inside [lo, hi], what lies outside added to the end bins. q: the counts inside without
 * those, each of the `levels` steps spread evenly over its bins that are not empty. */
static double divergence(const QccHistogram *h, int first, int last, double lo, double hi,
                         int levels, double limit)
{
    (void)limit; /* terms of either sign */
    int begin = bin_of(h, lo, first, last), end = bin_of(h, hi, first, last);
    int64_t below = 0, above = 0;
    for (int k = first; k < begin; k++) below += counts_at(h, k);
    for (int k = end + 1; k <= last; k++) above += counts_at(h, k);

    int bins = end - begin + 1;
    int64_t zeros = qcc_histogram_at(h, 0) - counts_at(h, 0);
    double total = (double)(h->count - zeros), inside = total - (double)(below + above), sum = 0;
    if (inside <= 0) return INFINITY;
    for (int step = 0; step < levels; step++) {
        int from = begin + (int)((int64_t)step * bins / levels);
        int to = begin + (int)((int64_t)(step + 1) * bins / levels);
        int64_t mass = 0;
        int filled = 0;
        for (int k = from; k < to; k++) {
            mass += counts_at(h, k);
            filled += counts_at(h, k) > 0;
        }
        for (int k = from; k < to; k++) {
            double n = (double)counts_at(h, k);
            double p = n + (k == begin ? (double)below : 0) + (k == end ? (double)above : 0);
            if (p == 0) continue;
            /* An empty end bin that clipped numbers pile up in: q gets half a count there. */
            double q = n > 0 ? (double)mass / filled : 0.5;
            sum += p / total * log((p / total) / (q / inside));
        }
    }
    return sum;
}

static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    (void)opts;
    qcc_clipping_search(h, divergence, levels, lo, hi);
}

const QccObserverDef qcc_observer_entropy = {
    .abi = QCC_PASS_ABI,
    .name = "entropy",
    .summary = "the range that loses the least information (Kullback-Leibler divergence)",
    .estimate = estimate,
};
