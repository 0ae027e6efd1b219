/* clipping - tries ranges that clip, and keeps the one with the least cost. */
#ifndef QCC_PASSES_OBSERVERS_CLIPPING_H
#define QCC_PASSES_OBSERVERS_CLIPPING_H

#include "passes/observers/histogram.h"

/* What a range costs; the bins [first, last] are all that are not empty. */
typedef double QccRangeCost(const QccHistogram *h, int first, int last, double lo, double hi,
                            int levels);

/* Shrinks the range seen towards zero in steps of 1/128 of its larger side (a side is clipped only
 * once the threshold reaches it) and gives the cheapest; among equals the widest. */
void qcc_clipping_search(const QccHistogram *h, QccRangeCost *cost, int levels, float *lo,
                         float *hi);

#endif
