/* onnx_qlinear - what quantizers write into domain com.microsoft: operators between quantized
 * values.
 *
 * QLinearAdd and its kin are their operator between reals: dequantize, compute, quantize, which the
 * passes read as they read a model with such nodes. Products with scales of the run are sums in
 * i32, scaled.
 */
#include "frontend/onnx_quant.h"

#include <string.h>

/* ---- operands and results -------------------------------------------------------------------- */

/* The reals of input i, whose scale and zero point are the next two inputs. */
static QccStatus real_in(QccOnnxNode *n, int i, int64_t axis, QccValue **out)
{
    QccOnnxParams p = {.scale = i + 1, .zero = i + 2, .axis = axis};
    if (!qcc_onnx_has(n, i)) return qcc_onnx_wrong(n, "lacks input %d", i);
    QCC_TRY(qcc_onnx_stored(n, i, &p, out));
    return qcc_onnx_emit(n, out, &qcc_op_dequantize, NULL, out, 1, NULL);
}

/* Output 0 quantized by the inputs `scale` and the one behind it; u8, or as the first operand,
 * where that is absent. */
static QccStatus round_out(QccOnnxNode *n, int scale, QccDtype dtype)
{
    QccValue *y = n->out[0];
    QccOnnxParams p = {.scale = scale, .zero = scale + 1, .dtype = dtype};
    QCC_TRY(qcc_onnx_params(n, y->type, &p));
    if (!strcmp(y->name, qcc_onnx_name(n, ""))) qcc_value_rename(y, qcc_onnx_name(n, "_real"));
    QCC_TRY(qcc_onnx_emit_out(n, &qcc_op_quantize, &y, 1, NULL));
    y = n->out[0];
    qcc_value_set_type(y, qcc_type_quantized(n->im->ir, y->type, p.dtype, p.quant));
    return QCC_OK;
}

static QccDtype stored_dtype(const QccValue *real)
{
    return qcc_op_in(real->def, 0)->type->dtype;
}

/* ---- QLinear* ----------------------------------------------------------------------------------
 */

/* x, scale, zero, y_scale, y_zero: what `import` makes of one real operand. */
static QccStatus of_one(QccOnnxNode *n, QccStatus (*import)(QccOnnxNode *n))
{
    QccValue *x;
    QCC_TRY(real_in(n, 0, 0, &x));
    QccDtype dtype = stored_dtype(x);
    QCC_TRY(qcc_onnx_over(n, &x, 1, import));
    return round_out(n, 3, dtype);
}

QccStatus qcc_onnx_qlinear_unary(QccOnnxNode *n)
{
    return of_one(n, n->row->def == &qcc_op_leaky_relu ? qcc_onnx_scalars : qcc_onnx_plain);
}

static QccStatus channels_first(QccOnnxNode *n)
{
    bool last = false;
    QCC_TRY(qcc_onnx_attr_bool(n, "channels_last", &last));
    return last ? qcc_onnx_unsupported(n, "channels_last") : QCC_OK;
}

QccStatus qcc_onnx_qlinear_pool(QccOnnxNode *n)
{
    QCC_TRY(channels_first(n));
    return of_one(n, qcc_onnx_pool);
}

QccStatus qcc_onnx_qlinear_global_pool(QccOnnxNode *n)
{
    QCC_TRY(channels_first(n));
    return of_one(n, qcc_onnx_global_pool);
}

/* An attribute says of which opset the softmax is. */
QccStatus qcc_onnx_qlinear_softmax(QccOnnxNode *n)
{
    int64_t opset = n->im->opset;
    QCC_TRY(qcc_onnx_attr_int(n, "opset", &opset));
    return of_one(n, opset < 13 ? qcc_onnx_softmax_from : qcc_onnx_softmax);
}

QccStatus qcc_onnx_qlinear_binary(QccOnnxNode *n)
{
    QccValue *in[2];
    QCC_TRY(real_in(n, 0, 0, &in[0]));
    QCC_TRY(real_in(n, 3, 0, &in[1]));
    QCC_TRY(qcc_onnx_over(n, in, 2, qcc_onnx_plain));
    return round_out(n, 6, stored_dtype(in[0]));
}

/* y_scale, y_zero, then each operand with its own. */
QccStatus qcc_onnx_qlinear_concat(QccOnnxNode *n)
{
    int count = (n->nin - 1) / 3; /* the last zero point may be absent */
    if (count < 1) return qcc_onnx_wrong(n, "has nothing to join");
    QccValue **in = QCC_NEW_ARRAY(n->im->scratch, count, QccValue *);
    for (int i = 0; i < count; i++) QCC_TRY(real_in(n, 2 + 3 * i, 0, &in[i]));
    QccDtype dtype = stored_dtype(in[0]);
    QCC_TRY(qcc_onnx_over(n, in, count, qcc_onnx_concat));
    return round_out(n, 0, dtype);
}

/* a, b and a bias in steps of their scales; without a scale for y the result is real. */
QccStatus qcc_onnx_qgemm(QccOnnxNode *n)
{
    double alpha = 1;
    bool trans_b = false;
    QccValue *in[3];
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &alpha));
    QCC_TRY(qcc_onnx_attr_bool(n, "transB", &trans_b));
    if (alpha != 1) return qcc_onnx_unsupported(n, "alpha is not 1");
    QCC_TRY(real_in(n, 0, 0, &in[0]));
    QCC_TRY(real_in(n, 3, trans_b ? 0 : 1, &in[1]));
    const QccValue *a = qcc_op_in(in[0]->def, 0), *b = qcc_op_in(in[1]->def, 0);
    if (!qcc_quant_is_tensor(a->type->quant, NULL, NULL)) {
        return qcc_onnx_unsupported(n, "a left side of more than one scale");
    }
    QCC_TRY(qcc_onnx_stored_bias(n, 6, a, b, &in[2]));
    if (in[2]) QCC_TRY(qcc_onnx_emit(n, &in[2], &qcc_op_dequantize, NULL, &in[2], 1, NULL));
    QccDtype dtype = a->type->dtype;
    QCC_TRY(qcc_onnx_over(n, in, in[2] ? 3 : 2, qcc_onnx_gemm));
    return qcc_onnx_has(n, 7) ? round_out(n, 7, dtype) : QCC_OK;
}

/* ---- products by scales of the run -------------------------------------------------------------
 */

typedef struct IntegerProduct {
    QccValue *a, *b, *a_scale, *b_scale, *a_zero, *b_zero, *bias; /* zeros, bias: NULL for 0 */
} IntegerProduct;

/* (a - a_zero) * (b - b_zero) * (a_scale * b_scale) + bias */
static QccStatus scaled_product(QccOnnxNode *n, const IntegerProduct *p)
{
    QccCastAttrs real = {.to = QCC_F32};
    QccValue *in[] = {p->a, p->b, p->a_zero, p->b_zero}, *scale[] = {p->a_scale, p->b_scale}, *y;
    int nin = p->b_zero ? 4 : p->a_zero ? 3 : 2;
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_matmul_integer, NULL, in, nin, NULL));
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_cast, NULL, &y, 1, &real));
    QCC_TRY(qcc_onnx_emit(n, &scale[1], &qcc_op_mul, NULL, scale, 2, NULL));
    QccValue *product[] = {y, scale[1]};
    if (!p->bias) return qcc_onnx_emit_out(n, &qcc_op_mul, product, 2, NULL);
    QccValue *sum[] = {NULL, p->bias};
    QCC_TRY(qcc_onnx_emit(n, &sum[0], &qcc_op_mul, NULL, product, 2, NULL));
    return qcc_onnx_emit_out(n, &qcc_op_add, sum, 2, NULL);
}

QccStatus qcc_onnx_matmul_to_float(QccOnnxNode *n)
{
    IntegerProduct p = {qcc_onnx_in(n, 0), qcc_onnx_in(n, 1), qcc_onnx_in(n, 2), qcc_onnx_in(n, 3),
                        qcc_onnx_in(n, 4), qcc_onnx_in(n, 5), qcc_onnx_in(n, 6)};
    if (p.a->type->rank < 2 || p.b->type->rank < 2) return qcc_onnx_unsupported(n, "vectors");
    return scaled_product(n, &p);
}

QccStatus qcc_onnx_dynamic_matmul(QccOnnxNode *n)
{
    IntegerProduct p = {.b = qcc_onnx_in(n, 1),
                        .b_scale = qcc_onnx_in(n, 2),
                        .b_zero = qcc_onnx_in(n, 3),
                        .bias = qcc_onnx_in(n, 4)};
    QccValue *x = qcc_onnx_in(n, 0);
    if (x->type->rank < 2 || p.b->type->rank < 2) return qcc_onnx_unsupported(n, "vectors");
    QCC_TRY(qcc_onnx_quantize_dynamic(n, x, &p.a, &p.a_scale, &p.a_zero));
    return scaled_product(n, &p);
}

/* ---- weights of four bits ----------------------------------------------------------------------
 */

/* Zero points of four bits, each row beginning with a byte of its own; 8 where there are none. */
static QccStatus zeros_of_blocks(QccOnnxNode *n, int64_t rows, int64_t blocks, int32_t *zero)
{
    const QccBlob *blob;
    QCC_TRY(qcc_onnx_blob_in(n, 3, "zero points", &blob));
    for (int64_t i = 0; i < rows * blocks; i++) zero[i] = 8;
    if (!blob) return QCC_OK;
    int64_t pitch = (blocks + 1) / 2;
    if (blob->dtype != QCC_U8 || blob->size != rows * pitch)
        return qcc_onnx_wrong(n, "needs a zero point of 4 bits for each block");
    for (int64_t i = 0; i < rows * blocks; i++) {
        int64_t row = i / blocks, at = i % blocks;
        uint8_t pair = ((const uint8_t *)blob->data)[row * pitch + at / 2];
        zero[i] = at % 2 ? pair >> 4 : pair & 15;
    }
    return QCC_OK;
}

/* y = x * w', w[n,k] in blocks of k, packed as two nibbles a byte. */
QccStatus qcc_onnx_matmul_nbits(QccOnnxNode *n)
{
    int64_t k = 0, rows = 0, bits = 4, block = 0, accuracy = 0, blocks, count;
    const QccBlob *packed, *scales;
    QCC_TRY(qcc_onnx_attr_int(n, "K", &k));
    QCC_TRY(qcc_onnx_attr_int(n, "N", &rows));
    QCC_TRY(qcc_onnx_attr_int(n, "bits", &bits));
    QCC_TRY(qcc_onnx_attr_int(n, "block_size", &block));
    QCC_TRY(qcc_onnx_attr_int(n, "accuracy_level", &accuracy)); /* permits what is not done here */
    QCC_TRY(qcc_onnx_blob_in(n, 1, "weights", &packed));
    QCC_TRY(qcc_onnx_blob_in(n, 2, "scales", &scales));
    if (bits != 4) return qcc_onnx_unsupported(n, "weights of %lld bits", (long long)bits);
    if (qcc_onnx_has(n, 4)) return qcc_onnx_unsupported(n, "an order of groups");
    if (k < 1 || rows < 1 || block < 2 || block % 2 || k % block) {
        return qcc_onnx_unsupported(n, "blocks of %lld in rows of %lld", (long long)block,
                                    (long long)k);
    }
    blocks = k / block;
    bool fits = qcc_mul_i64(&count, rows, k) && packed->dtype == QCC_U8 &&
                packed->size == count / 2 && count % 2 == 0 && scales->dtype == QCC_F32 &&
                scales->size == rows * blocks * (int64_t)sizeof(float);
    if (!fits) return qcc_onnx_wrong(n, "needs w[n,k] of 4 bits and a scale for each block");

    count = rows * blocks;
    int64_t dim[] = {rows, k};
    int32_t *zero = QCC_NEW_ARRAY(n->im->scratch, count, int32_t);
    QCC_TRY(zeros_of_blocks(n, rows, blocks, zero));
    QccQuant quant = {.kind = QCC_QUANT_STATIC, .block = {1, block}, .qmin = 0, .qmax = 15};
    const float *s = scales->data;
    for (int64_t i = 0; i < count; i++) QCC_TRY(qcc_onnx_check_scale(n, 2, i, s[i]));
    quant.scale = qcc_blob(n->im->arena, QCC_F32, 1, &count, s, false);
    quant.zero = qcc_blob(n->im->arena, QCC_I32, 1, &count, zero, true);
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_U4, 2, dim, packed->data, false);
    QccValue *w = qcc_const_new(n->im->graph, NULL, NULL, blob, &quant);
    QccValue *in[] = {qcc_onnx_in(n, 0), NULL, qcc_onnx_in(n, 5)};
    QCC_TRY(qcc_onnx_emit(n, &in[1], &qcc_op_dequantize, NULL, &w, 1, NULL));
    return qcc_onnx_emit_out(n, &qcc_op_fc, in, in[2] ? 3 : 2, NULL);
}
