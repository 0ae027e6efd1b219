/* onnx_signal - constants of signal processing: windows, and weights of the mel scale.
 *
 * Their functions are those of expr.h and not the C library's, so that a model has the same bytes
 * wherever it is imported.
 */
#include "frontend/extents.h"
#include "frontend/onnx.h"
#include "ir/elements.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846, ln10 = 2.30258509299404568402;

/* The constant `v`, f64 numbers, in the element type that the node asks for; f32 by default. */
static QccStatus give(QccOnnxNode *n, int rank, const int64_t *dim, const double *v)
{
    int64_t number = 1, count, size;
    QccDtype dtype;
    QCC_TRY(qcc_onnx_attr_int(n, "output_datatype", &number));
    if (!qcc_onnx_dtype(&dtype, number) || !qcc_dtype_is_float(dtype) ||
        qcc_dtype_is_minifloat(dtype))
        return qcc_onnx_unsupported(n, "of %s", qcc_onnx_dtype_name(n->im->scratch, number));
    if (!qcc_extents_count(&count, &size, dtype, rank, dim))
        return qcc_onnx_wrong(n, "has a result that is too large");
    QCC_TRY(qcc_onnx_make_room(n, size));
    char *data = qcc_alloc_aligned(n->im->arena, (size_t)size + 8, 64);
    for (int64_t i = 0; i < count && dtype != QCC_F64; i++)
        qcc_store_real(data, dtype, i, (float)v[i]);
    if (dtype == QCC_F64) memcpy(data, v, (size_t)size);
    n->out[0] = qcc_const_new(n->im->graph, NULL, qcc_onnx_name(n, ""),
                              qcc_blob(n->im->arena, dtype, rank, dim, data, false), NULL);
    return QCC_OK;
}

/* A whole number in [least, most] that input i holds. */
static QccStatus whole_in(QccOnnxNode *n, int i, const char *what, int64_t least, int64_t most,
                          int64_t *v)
{
    double real = 0;
    QCC_TRY(qcc_onnx_scalar_in(n, i, what, &real));
    if (!(real >= (double)least && real <= (double)most) || real != floor(real))
        return qcc_onnx_wrong(n, "needs a %s of %lld to %lld; it is %g", what, (long long)least,
                              (long long)most, real);
    *v = (int64_t)real;
    return QCC_OK;
}

/* ---- windows: sums of cosines ------------------------------------------------------------- */

QccStatus qcc_onnx_window(QccOnnxNode *n)
{
    static const struct {
        const char *name;
        double level, once, twice; /* level + once * cos(x) + twice * cos(2 * x) */
    } windows[] = {{"HannWindow", 0.5, -0.5, 0},
                   {"HammingWindow", 25.0 / 46, -21.0 / 46, 0},
                   {"BlackmanWindow", 0.42, -0.5, 0.08}};
    enum { MOST = 1 << 20 };
    int64_t size = 0;
    bool periodic = true;
    int w = 0;
    while (strcmp(windows[w].name, n->proto->op_type) != 0) w++;
    QCC_TRY(whole_in(n, 0, "size", 1, MOST, &size));
    QCC_TRY(qcc_onnx_attr_bool(n, "periodic", &periodic));

    QccExpr e;
    qcc_expr_init(&e, n->im->scratch);
    int x = qcc_expr_arg(&e, 0, QCC_EX_F64), y = qcc_expr_imm(&e, QCC_EX_F64, windows[w].level, 0);
    const double factor[] = {windows[w].once, windows[w].twice};
    for (int k = 0; k < 2; k++) {
        int angle = qcc_expr_op2(&e, QCC_EX_mul, x, qcc_expr_real(&e, x, k + 1));
        int term =
            qcc_expr_op2(&e, QCC_EX_mul, qcc_expr_cos(&e, angle), qcc_expr_real(&e, x, factor[k]));
        y = qcc_expr_op2(&e, QCC_EX_add, y, term);
    }
    double *v = QCC_NEW_ARRAY(n->im->scratch, size, double);
    int64_t turn = periodic || size == 1 ? size : size - 1;
    for (int64_t i = 0; i < size; i++) v[i] = 2 * pi * (double)i / (double)turn;
    qcc_expr_eval(&e, size, (const void *const[]){v}, (const uint8_t[]){1}, NULL, v,
                  n->im->scratch);
    return give(n, 1, &size, v);
}

/* ---- the mel scale ------------------------------------------------------------------------- */

static double constant_of(QccExpr *e, int node)
{
    return e->node[node].imm.f64; /* functions of constants are folded */
}

/* 2595 * log10(1 + hertz / 700), and back. */
static double mel_of(QccOnnxNode *n, double hertz)
{
    QccExpr e;
    qcc_expr_init(&e, n->im->scratch);
    int y = qcc_expr_log(&e, qcc_expr_imm(&e, QCC_EX_F64, 1 + hertz / 700, 0));
    return 2595 * (constant_of(&e, y) / ln10);
}

static double hertz_of(QccOnnxNode *n, double mel)
{
    QccExpr e;
    qcc_expr_init(&e, n->im->scratch);
    int y = qcc_expr_exp(&e, qcc_expr_imm(&e, QCC_EX_F64, mel / 2595 * ln10, 0));
    return 700 * (constant_of(&e, y) - 1);
}

/* Column i rises from bin[0] to bin[1] and falls to bin[2]. */
static void put_triangle(double *v, int64_t columns, int64_t i, const int64_t *bin)
{
    if (bin[0] == bin[1]) v[bin[1] * columns + i] = 1;
    for (int64_t j = bin[0]; bin[0] < bin[1] && j <= bin[1]; j++)
        v[j * columns + i] = (double)(j - bin[0]) / (double)(bin[1] - bin[0]);
    for (int64_t j = bin[1]; j < bin[2]; j++)
        v[j * columns + i] = (double)(bin[2] - j) / (double)(bin[2] - bin[1]);
}

QccStatus qcc_onnx_mel_weights(QccOnnxNode *n)
{
    enum { MOST_BANDS = 1 << 12, MOST_POINTS = 1 << 16 };
    int64_t bands = 0, points = 0, rate = 0;
    double low = 0, high = 0;
    QCC_TRY(whole_in(n, 0, "num_mel_bins", 1, MOST_BANDS, &bands));
    QCC_TRY(whole_in(n, 1, "dft_length", 1, MOST_POINTS, &points));
    QCC_TRY(whole_in(n, 2, "sample_rate", 1, INT32_MAX, &rate));
    QCC_TRY(qcc_onnx_scalar_in(n, 3, "lower_edge_hertz", &low));
    QCC_TRY(qcc_onnx_scalar_in(n, 4, "upper_edge_hertz", &high));
    if (!(low >= 0 && low <= high && high <= INT32_MAX))
        return qcc_onnx_wrong(n, "needs edges with 0 <= lower <= upper; they are %g and %g", low,
                              high);
    int64_t dim[] = {points / 2 + 1, bands},
            *bin = QCC_NEW_ARRAY(n->im->scratch, bands + 2, int64_t);
    QCC_TRY(qcc_onnx_make_room(n, dim[0] * bands * (int64_t)sizeof(double)));
    double first = mel_of(n, low), step = (mel_of(n, high) - first) / (double)(bands + 2);
    for (int64_t i = 0; i < bands + 2; i++) {
        double hertz = hertz_of(n, first + (double)i * step);
        bin[i] = (int64_t)floor((double)(points + 1) * hertz / (double)rate);
        if (bin[i] < 0 || bin[i] >= dim[0])
            return qcc_onnx_wrong(n,
                                  "has a band at %g Hz, which %lld points at %lld Hz do not reach",
                                  hertz, (long long)points, (long long)rate);
    }
    double *v = QCC_NEW_ARRAY(n->im->scratch, dim[0] * bands, double);
    for (int64_t i = 0; i < bands; i++) put_triangle(v, bands, i, &bin[i]);
    return give(n, 2, dim, v);
}
