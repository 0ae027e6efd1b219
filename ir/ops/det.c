/* det - determinants of the square matrices in the last two dimensions.
 *
 * Gaussian elimination with the greatest pivot of each column, in f64, rounded to f32 once.
 */
#include <math.h>

#include "ir/ops/common.h"

static QccStatus infer(QccOp *op, const QccType **result)
{
    QCC_TRY(qcc_op_need_f32(op, 0, 0));
    const QccType *x = qcc_op_real(op, 0);
    bool square = x->rank >= 2 && qcc_dim_equal(&x->dim[x->rank - 1], &x->dim[x->rank - 2]);
    if (!square)
        return qcc_op_error(op, "'det' needs square matrices; x is %s", qcc_op_type_text(op, 0));
    *result = qcc_type(op->graph->ir, QCC_F32, x->rank - 2, x->dim, NULL);
    return QCC_OK;
}

/* Destroys m[n,n]. */
static double determinant(double *m, int64_t n)
{
    double det = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(m[r * n + c]) > fabs(m[pivot * n + c])) pivot = r;
        if (m[pivot * n + c] == 0) return 0;
        for (int64_t k = 0; pivot != c && k < n; k++) {
            double t = m[c * n + k];
            m[c * n + k] = m[pivot * n + k];
            m[pivot * n + k] = t;
        }
        det = pivot == c ? det * m[c * n + c] : -det * m[c * n + c];
        for (int64_t r = c + 1; r < n; r++) {
            double factor = m[r * n + c] / m[c * n + c];
            for (int64_t k = c; k < n; k++) m[r * n + k] -= factor * m[c * n + k];
        }
    }
    return det;
}

static QccStatus eval(const QccOp *op, const QccTensor *in, const QccTensor *result,
                      QccArena *arena)
{
    (void)op;
    int64_t n = in[0].dim[in[0].type->rank - 1];
    double *m = qcc_alloc_array(arena, n * n + 1, sizeof *m);
    const float *x = in[0].data;
    for (int64_t i = 0; i < result->count; i++, x += n * n) {
        for (int64_t k = 0; k < n * n; k++) m[k] = (double)x[k];
        ((float *)result->data)[i] = (float)determinant(m, n);
    }
    return QCC_OK;
}

static void sample(QccRandom *random, QccSample *s)
{
    int64_t n = qcc_random_range(random, 1, 5), dim[3] = {qcc_random_range(random, 1, 4), n, n};
    int skip = qcc_random_bool(random);
    QccValue *x = qcc_sample_param(s, qcc_sample_shape(s, 3 - skip, dim + skip));
    qcc_sample_op(s, &qcc_op_det, &x, 1, NULL);
}

const QccOpDef qcc_op_det = {
    .name = "det",
    .summary = "determinants of the matrices in the last two dimensions",
    .min_in = 1,
    .max_in = 1,
    .nout = 1,
    .infer = infer,
    .eval = eval,
    .sample = sample,
};
