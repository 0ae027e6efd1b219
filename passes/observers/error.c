/* error - what quantizing into a range costs, see error.h. */
#include "passes/observers/error.h"

#include <math.h>

double qcc_range_error(const QccHistogram *h, int first, int last, double lo, double hi, int levels,
                       double limit)
{
    double scale = (hi - lo) / (levels - 1), sum = 0;
    double zero = scale > 0 ? rint(-lo / scale) : 0;
    for (int k = first; k <= last && sum < limit; k++) {
        int64_t n = qcc_histogram_at(h, k);
        if (n == 0) continue;
        double x = (qcc_histogram_edge(h, k) + qcc_histogram_edge(h, k + 1)) / 2;
        /* The outermost bins are often wider than what lies in them. */
        if (x < h->min) x = h->min;
        if (x > h->max) x = h->max;
        double q = scale > 0 ? rint(x / scale) + zero : 0;
        q = q < 0 ? 0 : q > levels - 1 ? levels - 1 : q;
        double error = x - (q - zero) * scale;
        sum += (double)n * error * error;
    }
    return sum;
}
