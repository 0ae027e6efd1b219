/* moving_average - the least and the greatest number of each tensor, averaged over the tensors.
 *
 * The first hundred tensors count alike, then each new one counts for a hundredth of the average
 * (as in B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
 * Integer-Arithmetic-Only Inference", CVPR 2018). The one estimator that the order of the samples
 * matters to.
 */
#include "passes/observers/histogram.h"

static void estimate(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi)
{
    (void)opts;
    (void)levels;
    *lo = (float)h->average_min;
    *hi = (float)h->average_max;
}

const QccObserverDef qcc_observer_moving_average = {
    .abi = QCC_PASS_ABI,
    .name = "moving-average",
    .summary = "the least and the greatest number of a sample, averaged over the samples",
    .estimate = estimate,
};
