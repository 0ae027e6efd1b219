/* clipping - tries ranges that clip, see clipping.h. */
#include "passes/observers/clipping.h"

#include <math.h>

enum { STEPS = 128, LEAST = 16 };

void qcc_clipping_search(const QccHistogram *h, QccRangeCost *cost, int levels, float *lo,
                         float *hi)
{
    int first, last;
    *lo = h->min;
    *hi = h->max;
    if (!qcc_histogram_span(h, &first, &last)) return;

    double min = h->min < 0 ? h->min : 0, max = h->max > 0 ? h->max : 0;
    double side = max > -min ? max : -min;
    if (side == 0) return;
    double best = INFINITY;
    for (int i = STEPS; i >= LEAST; i--) {
        double threshold = side * i / STEPS;
        double l = min < -threshold ? -threshold : min, r = max > threshold ? threshold : max;
        double c = cost(h, first, last, l, r, levels, best);
        if (c >= best) continue;
        best = c;
        *lo = (float)l;
        *hi = (float)r;
    }
}
