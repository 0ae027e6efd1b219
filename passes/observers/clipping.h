/* clipping - tries ranges that clip, and keeps the one with the least cost. */
#ifndef QCC_PASSES_OBSERVERS_CLIPPING_H
#define QCC_PASSES_OBSERVERS_CLIPPING_H

#include "passes/observers/histogram.h"

/* What a range costs; the bins [first, last] are all that are not empty. What costs `limit` or more
 * need not be added up to the end. */
typedef double QccRangeCost(const QccHistogram *h, int first, int last, double lo, double hi,
                            int levels, double limit);

/* Shrinks the range seen towards zero in steps of 1/128 of its larger side (a side is clipped only
 * once the threshold reaches it) and gives the cheapest; among equals the widest. */
void qcc_clipping_search(const QccHistogram *h, QccRangeCost *cost, int levels, float *lo,
                         float *hi);

#endif
