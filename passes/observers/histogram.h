/* histogram - counts of a stream of reals, in memory that does not grow with the stream.
 *
 * Bin k counts what lies in [k * width, (k + 1) * width). The width is a power of two and zero is a
 * bin's edge, always; when a number does not fit, the width doubles, and bins 2k and 2k + 1 become
 * bin k. As floor(floor(x / w) / 2) = floor(x / (2 w)), the counts are those that the final width
 * would have given from the beginning: neither the order of the stream nor how it was split and
 * merged changes anything.
 */
#ifndef QCC_PASSES_OBSERVERS_HISTOGRAM_H
#define QCC_PASSES_OBSERVERS_HISTOGRAM_H

#include "passes/qcc_pass.h"

enum { QCC_HISTOGRAM_HALF = 4096, QCC_HISTOGRAM_BINS = 2 * QCC_HISTOGRAM_HALF };

struct QccHistogram {
    int64_t count;                   /* finite numbers seen */
    int64_t strays;                  /* NaN and infinities seen; they are in no bin */
    float min, max;                  /* of the finite ones, exact; 0 while count is 0 */
    int64_t tensors;                 /* that had a finite number */
    double average_min, average_max; /* of the tensors' least and greatest numbers: the mean over
                                        the first 100 of them, then each new one counts for 1/100 */
    int exponent; /* the width is 2^exponent; meaningless while all numbers were 0 */
    int64_t *bin; /* [QCC_HISTOGRAM_BINS]; bin k is bin[k + QCC_HISTOGRAM_HALF] */
};

/* Empty; its bins lie in the arena. */
void qcc_histogram_init(QccHistogram *h, QccArena *arena);
/* Adds the numbers of one tensor. */
void qcc_histogram_add(QccHistogram *h, const float *x, int64_t n);
/* As if what `from` saw had been added to h; the averages are weighted by the numbers of tensors,
 * which for more than 100 is not what the order would have given. `from` is unchanged. */
void qcc_histogram_merge(QccHistogram *h, const QccHistogram *from);
/* Lower edge of bin k, -HALF <= k <= HALF (the last is the upper edge of the last bin). */
double qcc_histogram_edge(const QccHistogram *h, int k);
/* Counts below: how many numbers lie in bins below k. */
int64_t qcc_histogram_at(const QccHistogram *h, int k);
/* The outermost bins that are not empty; false when there is none. */
bool qcc_histogram_span(const QccHistogram *h, int *first, int *last);

#endif
