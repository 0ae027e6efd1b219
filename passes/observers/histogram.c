/* histogram - counts of a stream of reals, see histogram.h. */
#include "passes/observers/histogram.h"

#include <math.h>

enum { AVERAGED = 100 }; /* tensors that the moving averages are over */

/* Below this a width would need denormal arithmetic, and nothing that small is worth a bin. */
enum { HALF = QCC_HISTOGRAM_HALF, BINS = QCC_HISTOGRAM_BINS, SMALLEST_EXPONENT = -120 };

void qcc_histogram_init(QccHistogram *h, QccArena *arena)
{
    *h = (QccHistogram){.exponent = SMALLEST_EXPONENT};
    h->bin = QCC_NEW_ARRAY(arena, BINS, int64_t);
}

static int floor_half(int k)
{
    return k >= 0 ? k / 2 : -((1 - k) / 2);
}

/* Merges neighbours until the width is 2^exponent. */
static void widen(QccHistogram *h, int exponent)
{
    int by = exponent - h->exponent;
    h->exponent = exponent;
    if (h->count == 0) return;
    /* Outwards from zero, so that nothing is overwritten before it has been moved. */
    for (; by > 0; by--) {
        for (int k = 0; k < HALF; k++) {
            int64_t n = h->bin[HALF + k];
            h->bin[HALF + k] = 0;
            h->bin[HALF + floor_half(k)] += n;
        }
        for (int k = -1; k >= -HALF; k--) {
            int64_t n = h->bin[HALF + k];
            h->bin[HALF + k] = 0;
            h->bin[HALF + floor_half(k)] += n;
        }
    }
}

/* The least exponent at which x has a bin. */
static int exponent_for(float x)
{
    int e = SMALLEST_EXPONENT;
    if (x == 0) return e;
    int of_x;
    frexpf(x, &of_x); /* |x| in [2^(of_x - 1), 2^of_x) */
    int log_half = 0;
    while ((1 << log_half) < HALF) log_half++;
    /* -2^n lies in the last negative bin of the width at which 2^n - 1 is the last positive one. */
    int needed = of_x - log_half;
    if (x < 0 && ldexpf(x, -(of_x - 1)) == -1.0f) needed--;
    return needed > e ? needed : e;
}

/* Moves the averages towards a new tensor's (or several tensors') ends. */
static void average(QccHistogram *h, double min, double max, int64_t tensors)
{
    h->tensors += tensors;
    double n = (double)(h->tensors < AVERAGED ? h->tensors : AVERAGED);
    double weight = (double)tensors < n ? (double)tensors / n : 1;
    h->average_min += (min - h->average_min) * weight;
    h->average_max += (max - h->average_max) * weight;
}

void qcc_histogram_add(QccHistogram *h, const float *x, int64_t n)
{
    float min = 0, max = 0;
    int64_t finite = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= 0x1.fffffep127f)) continue;
        if (!finite || x[i] < min) min = x[i];
        if (!finite || x[i] > max) max = x[i];
        finite++;
    }
    h->strays += n - finite;
    if (finite == 0) return;
    average(h, (double)min, (double)max, 1);

    int low = exponent_for(min), high = exponent_for(max);
    int exponent = low > high ? low : high;
    if (exponent > h->exponent) widen(h, exponent);
    if (h->count == 0 || min < h->min) h->min = min;
    if (h->count == 0 || max > h->max) h->max = max;
    h->count += finite;

    /* A product with a power of two is exact, or too small to leave the bins next to zero. */
    double inverse = ldexp(1.0, -h->exponent);
    for (int64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= 0x1.fffffep127f)) continue;
        double scaled = (double)x[i] * inverse;
        int k = (int)scaled;
        if (scaled < k) k--;
        h->bin[HALF + k]++;
    }
}

void qcc_histogram_merge(QccHistogram *h, const QccHistogram *from)
{
    h->strays += from->strays;
    if (from->count == 0) return;
    average(h, from->average_min, from->average_max, from->tensors);
    if (from->exponent > h->exponent) widen(h, from->exponent);
    int by = h->exponent - from->exponent;
    for (int k = -HALF; k < HALF; k++) {
        int to = k;
        for (int i = 0; i < by && to != 0 && to != -1; i++) to = floor_half(to);
        h->bin[HALF + to] += from->bin[HALF + k];
    }
    if (h->count == 0 || from->min < h->min) h->min = from->min;
    if (h->count == 0 || from->max > h->max) h->max = from->max;
    h->count += from->count;
}

double qcc_histogram_edge(const QccHistogram *h, int k)
{
    return ldexp(k, h->exponent);
}

int64_t qcc_histogram_at(const QccHistogram *h, int k)
{
    return h->bin[HALF + k];
}

bool qcc_histogram_span(const QccHistogram *h, int *first, int *last)
{
    if (h->count == 0) return false;
    int lo = -HALF, hi = HALF - 1;
    while (h->bin[HALF + lo] == 0) lo++;
    while (h->bin[HALF + hi] == 0) hi--;
    *first = lo;
    *last = hi;
    return true;
}
