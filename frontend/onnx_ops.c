/* onnx_ops - the table of ONNX operators: type, first opset of the row, inputs, import function. */
#include "frontend/onnx.h"

#include <string.h>

/* By type, then by opset, which ascends: of a type, the last row that is not newer than the model's
 * opset holds. A second row of a type stands where attributes became inputs or the meaning changed.
 * Rows that begin before opset 7, the oldest that is read, begin with 1. */
static const QccOnnxRow rows[] = {
    {"Abs", 1, 1, 1, qcc_onnx_plain, &qcc_op_abs},
    {"Add", 1, 2, 2, qcc_onnx_plain, &qcc_op_add},
    {"AveragePool", 1, 1, 1, qcc_onnx_pool, &qcc_op_avg_pool},
    {"BatchNormalization", 1, 5, 5, qcc_onnx_batchnorm, NULL},
    {"Cast", 1, 1, 1, qcc_onnx_cast, NULL},
    {"Clip", 1, 1, 1, qcc_onnx_clip, NULL},
    {"Clip", 11, 1, 3, qcc_onnx_clip, NULL},
    {"Concat", 1, 1, -1, qcc_onnx_concat, NULL},
    {"Constant", 1, 0, 0, qcc_onnx_constant, NULL},
    {"ConstantOfShape", 9, 1, 1, qcc_onnx_constant_of_shape, NULL},
    {"Conv", 1, 2, 3, qcc_onnx_conv, NULL},
    {"DequantizeLinear", 10, 2, 3, qcc_onnx_dequantize, NULL},
    {"Div", 1, 2, 2, qcc_onnx_plain, &qcc_op_div},
    {"Dropout", 1, 1, 1, qcc_onnx_dropout, NULL},
    {"Dropout", 12, 1, 3, qcc_onnx_dropout, NULL},
    {"Erf", 9, 1, 1, qcc_onnx_plain, &qcc_op_erf},
    {"Exp", 1, 1, 1, qcc_onnx_plain, &qcc_op_exp},
    {"Expand", 8, 2, 2, qcc_onnx_expand, NULL},
    {"Flatten", 1, 1, 1, qcc_onnx_flatten, NULL},
    {"Gather", 1, 2, 2, qcc_onnx_gather, NULL},
    {"Gelu", 20, 1, 1, qcc_onnx_gelu, NULL},
    {"Gemm", 1, 2, 3, qcc_onnx_gemm, NULL},
    {"GlobalAveragePool", 1, 1, 1, qcc_onnx_global_pool, &qcc_op_avg_pool},
    {"GlobalMaxPool", 1, 1, 1, qcc_onnx_global_pool, &qcc_op_max_pool},
    {"HardSigmoid", 1, 1, 1, qcc_onnx_scalars, &qcc_op_hard_sigmoid},
    {"HardSwish", 14, 1, 1, qcc_onnx_plain, &qcc_op_hard_swish},
    {"Identity", 1, 1, 1, qcc_onnx_identity, NULL},
    {"LayerNormalization", 17, 2, 3, qcc_onnx_layer_norm, NULL},
    {"LeakyRelu", 1, 1, 1, qcc_onnx_scalars, &qcc_op_leaky_relu},
    {"Log", 1, 1, 1, qcc_onnx_plain, &qcc_op_log},
    {"MatMul", 1, 2, 2, qcc_onnx_matmul, NULL},
    {"Max", 1, 1, -1, qcc_onnx_variadic, &qcc_op_max},
    {"MaxPool", 1, 1, 1, qcc_onnx_pool, &qcc_op_max_pool},
    {"Mean", 1, 1, -1, qcc_onnx_mean, &qcc_op_add},
    {"Min", 1, 1, -1, qcc_onnx_variadic, &qcc_op_min},
    {"Mul", 1, 2, 2, qcc_onnx_plain, &qcc_op_mul},
    {"Neg", 1, 1, 1, qcc_onnx_plain, &qcc_op_neg},
    {"Pad", 1, 1, 1, qcc_onnx_pad, NULL},
    {"Pad", 11, 2, 4, qcc_onnx_pad, NULL},
    {"Pow", 1, 2, 2, qcc_onnx_pow, NULL},
    {"QuantizeLinear", 10, 2, 3, qcc_onnx_quantize, NULL},
    {"Reciprocal", 1, 1, 1, qcc_onnx_plain, &qcc_op_reciprocal},
    {"ReduceMax", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_max},
    {"ReduceMax", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_max},
    {"ReduceMean", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_mean},
    {"ReduceMean", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_mean},
    {"ReduceMin", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_min},
    {"ReduceMin", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_min},
    {"ReduceSum", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_sum},
    {"ReduceSum", 13, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_sum},
    {"Relu", 1, 1, 1, qcc_onnx_plain, &qcc_op_relu},
    {"Reshape", 1, 2, 2, qcc_onnx_reshape_to, NULL},
    {"Shape", 1, 1, 1, qcc_onnx_shape, NULL},
    {"Sigmoid", 1, 1, 1, qcc_onnx_plain, &qcc_op_sigmoid},
    {"Slice", 1, 1, 1, qcc_onnx_slice, NULL},
    {"Slice", 10, 3, 5, qcc_onnx_slice, NULL},
    {"Softmax", 1, 1, 1, qcc_onnx_softmax_from, NULL},
    {"Softmax", 13, 1, 1, qcc_onnx_softmax, NULL},
    {"Sqrt", 1, 1, 1, qcc_onnx_plain, &qcc_op_sqrt},
    {"Squeeze", 1, 1, 1, qcc_onnx_squeeze, NULL},
    {"Squeeze", 13, 1, 2, qcc_onnx_squeeze, NULL},
    {"Sub", 1, 2, 2, qcc_onnx_plain, &qcc_op_sub},
    {"Sum", 1, 1, -1, qcc_onnx_variadic, &qcc_op_add},
    {"Tanh", 1, 1, 1, qcc_onnx_plain, &qcc_op_tanh},
    {"Transpose", 1, 1, 1, qcc_onnx_transpose_dims, NULL},
    {"Unsqueeze", 1, 1, 1, qcc_onnx_unsqueeze, NULL},
    {"Unsqueeze", 13, 2, 2, qcc_onnx_unsqueeze, NULL},
};

const QccOnnxRow *qcc_onnx_find_row(const char *type, int64_t opset, int *since)
{
    const QccOnnxRow *found = NULL;
    *since = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].type, type)) continue;
        if (!*since) *since = rows[i].since;
        if (rows[i].since <= opset) found = &rows[i];
    }
    return found;
}
