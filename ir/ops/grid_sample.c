/* grid_sample - x[n,c,d...] sampled at the places that grid[n,e...,r] names: y[n,c,e...].
 *
 * A row of the grid names a place in [-1, 1] for each of the r spatial dimensions, the last
 * dimension first. Places, weights (those of `resize`, a = -0.75) and sums are f64, rounded to f32
 * once; the sum runs over the taps of the last dimension innermost.
 */
#include <math.h>

#include "ir/ops/common.h"

enum { DIMS_MAX = QCC_MAX_RANK - 2, TAPS = 4 };

static const char *const methods[] = {"linear", "cubic", "nearest", NULL};
static const char *const outsides[] = {"zeros", "border", "reflection", NULL};

static const QccField attrs[] = {
    {"method", QCC_FIELD_ENUM, offsetof(QccGridSampleAttrs, method), "linear", 0, 0, methods,
     "which elements around a place give its value"},
    {"outside", QCC_FIELD_ENUM, offsetof(QccGridSampleAttrs, outside), "zeros", 0, 0, outsides,
     "what lies outside x: zeros, its border repeated, or x mirrored"},
    {"align", QCC_FIELD_BOOL, offsetof(QccGridSampleAttrs, align), "false", 0, 0, NULL,
     "-1 and 1 are the centers of the first and the last element, else their outer edges"},
    {0}};

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_op_need_f32(op, 0, 1));
    const QccType *x = qcc_op_real(op, 0), *grid = qcc_op_real(op, 1);
    int rank = x->rank;
    bool fits = rank >= 3 && grid->rank == rank && qcc_dim_equal(&x->dim[0], &grid->dim[0]) &&
                !grid->dim[rank - 1].sym[0] && grid->dim[rank - 1].n == rank - 2;
    for (int i = 2; fits && i < rank; i++) fits = x->dim[i].n > 0;
    if (!fits)
        return qcc_op_error(op,
                            "'grid_sample' needs x[n,c,d...] and grid[n,e...,r], r being the "
                            "number of dimensions d; they are %s and %s",
                            qcc_op_type_text(op, 0), qcc_op_type_text(op, 1));
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) dim[i] = i < 2 ? x->dim[i] : grid->dim[i - 1];
    *result = qcc_type(op->graph->ir, QCC_F32, rank, dim, NULL);
    return QCC_OK;
}

/* ---- one dimension --------------------------------------------------------------------------- */

/* The elements that a place along one dimension reads. */
typedef struct Taps {
    int n;
    int64_t index[TAPS]; /* -1: reads 0 */
    double weight[TAPS];
} Taps;

/* Mirrors x at lo and hi until it lies between them. */
static double reflect(double x, double lo, double hi)
{
    double range = hi - lo;
    if (range <= 0) return lo;
    double t = fmod(fabs(x - lo), 2 * range);
    return lo + (t <= range ? t : 2 * range - t);
}

static double bring_inside(const QccGridSampleAttrs *a, double x, int64_t n)
{
    double last = (double)(n - 1);
    if (a->outside == QCC_OUTSIDE_BORDER) return fmin(fmax(x, 0), last);
    if (a->outside == QCC_OUTSIDE_MIRROR)
        return a->align ? reflect(x, 0, last) : reflect(x, -0.5, last + 0.5);
    return x;
}

static int64_t element(const QccGridSampleAttrs *a, double x, int64_t n)
{
    double last = (double)(n - 1);
    if (a->outside == QCC_OUTSIDE_ZEROS && !(x >= 0 && x <= last)) return -1;
    return (int64_t)fmin(fmax(bring_inside(a, x, n), 0), last);
}

static double cubic(double t)
{
    const double a = -0.75;
    t = fabs(t);
    if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

static Taps taps_of(const QccGridSampleAttrs *a, float place, int64_t n)
{
    Taps taps = {.n = a->method == QCC_SAMPLE_NEAREST ? 1 : a->method == QCC_SAMPLE_LINEAR ? 2 : 4};
    double p = (double)place, length = (double)n;
    double x = a->align ? (p + 1) / 2 * (length - 1) : ((p + 1) * length - 1) / 2;
    if (!(fabs(x) < 1e9)) x = x > 0 ? 1e9 : -1e9; /* NaN, too: outside */
    if (a->method == QCC_SAMPLE_NEAREST) x = nearbyint(x);
    bool inside = a->align ? x >= 0 && x <= length - 1 : x >= -0.5 && x <= length - 0.5;
    if (!inside) x = bring_inside(a, x, n);
    double low = floor(x) - (a->method == QCC_SAMPLE_CUBIC ? 1 : 0);
    if (a->method == QCC_SAMPLE_NEAREST) low = nearbyint(x);
    for (int i = 0; i < taps.n; i++) {
        double at = low + i;
        taps.index[i] = element(a, at, n);
        taps.weight[i] = a->method == QCC_SAMPLE_NEAREST  ? 1
                         : a->method == QCC_SAMPLE_LINEAR ? 1 - fabs(x - at)
                                                          : cubic(x - at);
    }
    return taps;
}

/* ---- all ------------------------------------------------------------------------------------- */

/* The sum over the taps of dimensions [d, rank); `base` is the index so far. */
static double sum_taps(const float *x, const Taps *taps, const int64_t *extent, int d, int rank,
                       int64_t base)
{
    if (d == rank) return (double)x[base];
    double sum = 0;
    for (int i = 0; i < taps[d].n; i++) {
        if (taps[d].index[i] < 0) continue;
        sum += taps[d].weight[i] *
               sum_taps(x, taps, extent, d + 1, rank, base * extent[d] + taps[d].index[i]);
    }
    return sum;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)arena;
    const QccGridSampleAttrs *a = op->attrs;
    int r = in[0].type->rank - 2;
    int64_t below = 1, places = 1, channels = in[0].dim[1];
    for (int d = 0; d < r; d++) {
        below *= in[0].dim[2 + d];
        places *= result->dim[2 + d];
    }
    float *y = result->data;
    for (int64_t n = 0; n < result->dim[0]; n++) {
        for (int64_t i = 0; i < places; i++) {
            Taps taps[DIMS_MAX];
            const float *row = (const float *)in[1].data + (n * places + i) * r;
            for (int d = 0; d < r; d++) taps[d] = taps_of(a, row[r - 1 - d], in[0].dim[2 + d]);
            for (int64_t c = 0; c < channels; c++) {
                const float *x = (const float *)in[0].data + (n * channels + c) * below;
                y[(n * channels + c) * places + i] =
                    (float)sum_taps(x, taps, in[0].dim + 2, 0, r, 0);
            }
        }
    }
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    int r = (int)qcc_random_range(random, 1, 3);
    int64_t x[5] = {qcc_random_range(random, 1, 2), qcc_random_range(random, 1, 3)},
            grid[5] = {x[0]};
    for (int i = 0; i < r; i++) {
        x[2 + i] = qcc_random_range(random, 1, 5);
        grid[1 + i] = qcc_random_range(random, 1, 4);
    }
    grid[1 + r] = r;
    QccGridSampleAttrs a = {
        .method = (int)qcc_random_range(random, QCC_SAMPLE_LINEAR, QCC_SAMPLE_NEAREST),
        .outside = (int)qcc_random_range(random, QCC_OUTSIDE_ZEROS, QCC_OUTSIDE_MIRROR),
        .align = qcc_random_bool(random)};
    QccValue *in[2] = {qcc_sample_param(s, qcc_sample_shape(s, r + 2, x)),
                       qcc_sample_param(s, qcc_sample_shape(s, r + 2, grid))};
    qcc_sample_op(s, &qcc_op_grid_sample, in, 2, &a);
}

const QccOpDef qcc_op_grid_sample = {
    .name = "grid_sample",
    .summary = "x sampled at the places that a grid names",
    .min_in = 2,
    .max_in = 2,
    .nout = 1,
    .attr_size = sizeof(QccGridSampleAttrs),
    .attrs = attrs,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
