/* onnx_quant - QuantizeLinear, DequantizeLinear and what computes with quantized values. */
#include "frontend/onnx.h"

#include <math.h>
#include <string.h>

/* The quantization that inputs 1 and 2 and the attribute `axis` describe, for a tensor of the
 * shape of x; *dtype is the zero point's when there is one. */
static QccStatus read_quant(QccOnnxNode *n, const QccType *x, QccDtype *dtype,
                            const QccQuant **quant)
{
    const QccBlob *scale = qcc_onnx_blob(n, 1), *zero = qcc_onnx_blob(n, 2);
    int64_t axis = 1, block = 0;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    QCC_TRY(qcc_onnx_attr_int(n, "block_size", &block));
    if (block) return qcc_onnx_unsupported(n, "blocked quantization");
    if (!scale || (!zero && qcc_onnx_has(n, 2))) {
        return qcc_onnx_unsupported(n, "its scale or zero point is not constant");
    }
    if (scale->dtype != QCC_F32) {
        return qcc_onnx_unsupported(n, "a scale of %s", qcc_dtype_name(scale->dtype));
    }
    if (zero) *dtype = zero->dtype;
    if (*dtype != QCC_U8 && *dtype != QCC_I8 && *dtype != QCC_U16 && *dtype != QCC_I16 &&
        *dtype != QCC_I32) {
        return qcc_onnx_unsupported(n, "quantized values of %s", qcc_dtype_name(*dtype));
    }
    int64_t count = scale->rank == 1 ? scale->dim[0] : 1;
    if (scale->rank > 1 ||
        (zero && (zero->rank > 1 || (zero->rank == 1 ? zero->dim[0] : 1) != count))) {
        return qcc_onnx_wrong(n, "needs scale and zero point of one shape, one entry or a list");
    }
    const float *s = scale->data;
    int32_t *z = QCC_NEW_ARRAY(n->im->scratch, count, int32_t);
    for (int64_t i = 0; i < count; i++) {
        if (zero) z[i] = (int32_t)qcc_onnx_real(n, zero, i);
        if (!(s[i] >= ldexpf(1, -60) && s[i] <= ldexpf(1, 60))) {
            return qcc_onnx_wrong(n, "has scale %g at index %lld, wanted 2^-60 to 2^60",
                                  (double)s[i], (long long)i);
        }
    }
    if (count == 1 && (scale->rank == 0 || x->rank == 0)) {
        *quant = qcc_quant_tensor(n->im->ir, *dtype, s[0], z[0]);
        return QCC_OK;
    }
    if (count == 1 && (axis < -x->rank || axis >= x->rank)) axis = 0; /* one entry: no axis */
    QCC_TRY(qcc_onnx_axis(n, x->rank, &axis));
    const QccDim *d = &x->dim[axis];
    if (count == 1 && (d->sym[0] || d->n != 1)) {
        *quant = qcc_quant_tensor(n->im->ir, *dtype, s[0], z[0]);
        return QCC_OK;
    }
    if (d->sym[0] || d->n != count) {
        return qcc_onnx_wrong(n, "has %lld scales for axis %lld of extent %lld", (long long)count,
                              (long long)axis, (long long)d->n);
    }
    int64_t lo, hi;
    qcc_dtype_range(*dtype, &lo, &hi);
    *quant = qcc_quant_axis(n->im->ir, *dtype, x->rank, (int)axis, count, s, z, (int32_t)lo,
                            (int32_t)hi);
    return QCC_OK;
}

QccStatus qcc_onnx_quantize(QccOnnxNode *n)
{
    QccValue *x = qcc_onnx_in(n, 0);
    QccDtype dtype = QCC_U8;
    const QccQuant *quant;
    int64_t saturate = 1, output = 0; /* saturate concerns float8 */
    QCC_TRY(read_quant(n, x->type, &dtype, &quant));
    QCC_TRY(qcc_onnx_attr_int(n, "saturate", &saturate));
    QCC_TRY(qcc_onnx_attr_int(n, "output_dtype", &output));
    QccDtype wanted = dtype;
    if (output && (!qcc_onnx_dtype(&wanted, output) || wanted != dtype)) {
        return qcc_onnx_unsupported(n, "output_dtype %s",
                                    qcc_onnx_dtype_name(n->im->scratch, output));
    }
    QCC_TRY(qcc_onnx_emit_out(n, &qcc_op_quantize, &x, 1, NULL));
    qcc_value_set_type(n->out[0], qcc_type_quantized(n->im->ir, n->out[0]->type, dtype, quant));
    return QCC_OK;
}

/* The operand becomes a quantized value: a constant of that type, a parameter of that type, or what
 * a QuantizeLinear with the same scale made. */
QccStatus qcc_onnx_dequantize(QccOnnxNode *n)
{
    const QccBlob *blob = qcc_onnx_blob(n, 0);
    QccValue *x = blob ? NULL : qcc_onnx_in(n, 0);
    const QccType *type =
        blob ? qcc_type_shape(n->im->ir, blob->dtype, blob->rank, blob->dim) : x->type;
    QccDtype dtype = type->dtype;
    const QccQuant *quant;
    QCC_TRY(read_quant(n, type, &dtype, &quant));
    if (dtype != type->dtype) {
        return qcc_onnx_wrong(n, "has values of %s and a zero point of %s",
                              qcc_dtype_name(type->dtype), qcc_dtype_name(dtype));
    }
    const QccType *wanted = qcc_type_quantized(n->im->ir, type, dtype, quant);
    if (blob) {
        const char *name = qcc_onnx_value_name(n->im, n->in[0]->name);
        x = qcc_const_new(n->im->graph, NULL, name, blob, quant);
    } else if (!x->def && !x->uses && !type->quant) {
        qcc_value_set_type(x, wanted);
    } else if (type != wanted) {
        return qcc_onnx_unsupported(n, "its input '%s' is not quantized by the same scale",
                                    n->in[0]->name);
    }
    return qcc_onnx_emit_out(n, &qcc_op_dequantize, &x, 1, NULL);
}
