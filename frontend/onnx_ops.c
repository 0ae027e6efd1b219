/* onnx_ops - the table of ONNX operators: type, first opset of the row, inputs, import function. */
#include "frontend/onnx.h"

#include <string.h>

/* By type, then by opset, which ascends: of a type, the last row that is not newer than the model's
 * opset holds. A second row of a type stands
 * where attributes became inputs or the meaning changed; the first begins where this importer does.
 */
static const QccOnnxRow rows[] = {
    {"Abs", 1, 1, 1, qcc_onnx_plain, &qcc_op_abs},
    {"Acos", 7, 1, 1, qcc_onnx_plain, &qcc_op_acos},
    {"Acosh", 9, 1, 1, qcc_onnx_plain, &qcc_op_acosh},
    {"Add", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_add},
    {"Add", 7, 2, 2, qcc_onnx_plain, &qcc_op_add},
    {"And", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_and},
    {"And", 7, 2, 2, qcc_onnx_plain, &qcc_op_and},
    {"ArgMax", 1, 1, 1, qcc_onnx_arg, &qcc_op_arg_max},
    {"ArgMin", 1, 1, 1, qcc_onnx_arg, &qcc_op_arg_min},
    {"Asin", 7, 1, 1, qcc_onnx_plain, &qcc_op_asin},
    {"Asinh", 9, 1, 1, qcc_onnx_plain, &qcc_op_asinh},
    {"Atan", 7, 1, 1, qcc_onnx_plain, &qcc_op_atan},
    {"Atanh", 9, 1, 1, qcc_onnx_plain, &qcc_op_atanh},
    {"Attention", 23, 3, 6, qcc_onnx_attention, NULL},
    {"Attention", 24, 3, 7, qcc_onnx_attention, NULL},
    {"AveragePool", 1, 1, 1, qcc_onnx_pool, &qcc_op_avg_pool},
    {"BatchNormalization", 1, 5, 5, qcc_onnx_batchnorm, NULL},
    {"BitShift", 11, 2, 2, qcc_onnx_bit_shift, NULL},
    {"BlackmanWindow", 17, 1, 1, qcc_onnx_window, NULL},
    {"BitwiseAnd", 18, 2, 2, qcc_onnx_plain, &qcc_op_and},
    {"BitwiseNot", 18, 1, 1, qcc_onnx_plain, &qcc_op_not},
    {"BitwiseOr", 18, 2, 2, qcc_onnx_plain, &qcc_op_or},
    {"BitwiseXor", 18, 2, 2, qcc_onnx_plain, &qcc_op_xor},
    {"Cast", 6, 1, 1, qcc_onnx_cast, NULL},
    {"CastLike", 15, 2, 2, qcc_onnx_cast_like, NULL},
    {"Ceil", 1, 1, 1, qcc_onnx_plain, &qcc_op_ceil},
    {"Celu", 12, 1, 1, qcc_onnx_scalars, &qcc_op_celu},
    {"CenterCropPad", 18, 2, 2, qcc_onnx_center_crop_pad, NULL},
    {"Clip", 1, 1, 1, qcc_onnx_clip, NULL},
    {"Clip", 11, 1, 3, qcc_onnx_clip, NULL},
    {"Compress", 9, 2, 2, qcc_onnx_compress, NULL},
    {"Concat", 4, 1, -1, qcc_onnx_concat, NULL},
    {"Constant", 1, 0, 0, qcc_onnx_constant, NULL},
    {"ConstantOfShape", 9, 1, 1, qcc_onnx_constant_of_shape, NULL},
    {"Conv", 1, 2, 3, qcc_onnx_conv, NULL},
    {"ConvInteger", 10, 2, 4, qcc_onnx_conv_integer, NULL},
    {"ConvTranspose", 1, 2, 3, qcc_onnx_conv_transpose, NULL},
    {"Cos", 7, 1, 1, qcc_onnx_plain, &qcc_op_cos},
    {"Cosh", 9, 1, 1, qcc_onnx_plain, &qcc_op_cosh},
    {"CumSum", 11, 2, 2, qcc_onnx_cum_sum, NULL},
    {"DepthToSpace", 1, 1, 1, qcc_onnx_depth_to_space, NULL},
    {"DequantizeLinear", 10, 2, 3, qcc_onnx_dequantize, NULL},
    {"Det", 11, 1, 1, qcc_onnx_plain, &qcc_op_det},
    {"Div", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_div},
    {"Div", 7, 2, 2, qcc_onnx_plain, &qcc_op_div},
    {"Dropout", 1, 1, 1, qcc_onnx_dropout, NULL},
    {"Dropout", 12, 1, 3, qcc_onnx_dropout, NULL},
    {"DynamicQuantizeLinear", 11, 1, 1, qcc_onnx_dynamic_quantize, NULL},
    {"Einsum", 12, 1, -1, qcc_onnx_einsum, NULL},
    {"Elu", 1, 1, 1, qcc_onnx_scalars, &qcc_op_elu},
    {"Equal", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_equal},
    {"Equal", 7, 2, 2, qcc_onnx_plain, &qcc_op_equal},
    {"Erf", 9, 1, 1, qcc_onnx_plain, &qcc_op_erf},
    {"Exp", 1, 1, 1, qcc_onnx_plain, &qcc_op_exp},
    {"Expand", 8, 2, 2, qcc_onnx_expand, NULL},
    {"EyeLike", 9, 1, 1, qcc_onnx_eye_like, NULL},
    {"Flatten", 1, 1, 1, qcc_onnx_flatten, NULL},
    {"Floor", 1, 1, 1, qcc_onnx_plain, &qcc_op_floor},
    {"Gather", 1, 2, 2, qcc_onnx_gather, NULL},
    {"GatherElements", 11, 2, 2, qcc_onnx_gather_elements, NULL},
    {"GatherND", 11, 2, 2, qcc_onnx_gather_nd, NULL},
    {"Gelu", 20, 1, 1, qcc_onnx_gelu, NULL},
    {"Gemm", 1, 2, 3, qcc_onnx_gemm, NULL},
    {"GlobalAveragePool", 1, 1, 1, qcc_onnx_global_pool, &qcc_op_avg_pool},
    {"GlobalLpPool", 1, 1, 1, qcc_onnx_global_lp_pool, NULL},
    {"GlobalMaxPool", 1, 1, 1, qcc_onnx_global_pool, &qcc_op_max_pool},
    {"Greater", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_less},
    {"Greater", 7, 2, 2, qcc_onnx_swapped, &qcc_op_less},
    {"GreaterOrEqual", 12, 2, 2, qcc_onnx_swapped, &qcc_op_less_equal},
    {"GridSample", 16, 2, 2, qcc_onnx_grid_sample, NULL},
    {"GridSample", 20, 2, 2, qcc_onnx_grid_sample, NULL},
    {"GroupNormalization", 18, 3, 3, qcc_onnx_group_norm, NULL},
    {"GroupNormalization", 21, 3, 3, qcc_onnx_group_norm, NULL},
    {"GRU", 7, 3, 6, qcc_onnx_recurrent, NULL},
    {"HammingWindow", 17, 1, 1, qcc_onnx_window, NULL},
    {"HannWindow", 17, 1, 1, qcc_onnx_window, NULL},
    {"Hardmax", 1, 1, 1, qcc_onnx_softmax_from, &qcc_op_hardmax},
    {"Hardmax", 13, 1, 1, qcc_onnx_softmax, &qcc_op_hardmax},
    {"HardSigmoid", 1, 1, 1, qcc_onnx_scalars, &qcc_op_hard_sigmoid},
    {"HardSwish", 14, 1, 1, qcc_onnx_plain, &qcc_op_hard_swish},
    {"Identity", 1, 1, 1, qcc_onnx_identity, NULL},
    {"If", 1, 1, 1, qcc_onnx_if, NULL},
    {"InstanceNormalization", 1, 3, 3, qcc_onnx_instance_norm, NULL},
    {"IsInf", 10, 1, 1, qcc_onnx_is_inf, NULL},
    {"IsNaN", 9, 1, 1, qcc_onnx_plain, &qcc_op_is_nan},
    {"LayerNormalization", 1, 2, 3, qcc_onnx_layer_norm, NULL},
    {"LeakyRelu", 1, 1, 1, qcc_onnx_scalars, &qcc_op_leaky_relu},
    {"Less", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_less},
    {"Less", 7, 2, 2, qcc_onnx_plain, &qcc_op_less},
    {"LessOrEqual", 12, 2, 2, qcc_onnx_plain, &qcc_op_less_equal},
    {"Log", 1, 1, 1, qcc_onnx_plain, &qcc_op_log},
    {"LogSoftmax", 1, 1, 1, qcc_onnx_softmax_from, &qcc_op_log_softmax},
    {"LogSoftmax", 13, 1, 1, qcc_onnx_softmax, &qcc_op_log_softmax},
    {"Loop", 1, 0, -1, qcc_onnx_loop, NULL},
    {"LpNormalization", 1, 1, 1, qcc_onnx_lp_normalization, NULL},
    {"LpPool", 1, 1, 1, qcc_onnx_lp_pool, NULL},
    {"LRN", 1, 1, 1, qcc_onnx_lrn, NULL},
    {"LSTM", 7, 3, 8, qcc_onnx_recurrent, NULL},
    {"MatMul", 1, 2, 2, qcc_onnx_matmul, NULL},
    {"MatMulInteger", 10, 2, 4, qcc_onnx_matmul_integer, NULL},
    {"Max", 1, 1, -1, qcc_onnx_variadic, &qcc_op_max},
    {"MaxPool", 1, 1, 1, qcc_onnx_pool, &qcc_op_max_pool},
    {"MaxUnpool", 9, 2, 3, qcc_onnx_max_unpool, NULL},
    {"Mean", 1, 1, -1, qcc_onnx_mean, &qcc_op_add},
    {"MeanVarianceNormalization", 9, 1, 1, qcc_onnx_mean_variance, NULL},
    {"MelWeightMatrix", 17, 5, 5, qcc_onnx_mel_weights, NULL},
    {"Min", 1, 1, -1, qcc_onnx_variadic, &qcc_op_min},
    {"Mish", 18, 1, 1, qcc_onnx_plain, &qcc_op_mish},
    {"Mod", 10, 2, 2, qcc_onnx_mod, NULL},
    {"Mul", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_mul},
    {"Mul", 7, 2, 2, qcc_onnx_plain, &qcc_op_mul},
    {"Neg", 1, 1, 1, qcc_onnx_plain, &qcc_op_neg},
    {"NonZero", 9, 1, 1, qcc_onnx_non_zero, NULL},
    {"Not", 1, 1, 1, qcc_onnx_plain, &qcc_op_not},
    {"OneHot", 9, 3, 3, qcc_onnx_one_hot, NULL},
    {"Or", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_or},
    {"Or", 7, 2, 2, qcc_onnx_plain, &qcc_op_or},
    {"Pad", 2, 1, 1, qcc_onnx_pad, NULL},
    {"Pad", 11, 2, 4, qcc_onnx_pad, NULL},
    {"Pow", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_pow},
    {"Pow", 7, 2, 2, qcc_onnx_plain, &qcc_op_pow},
    {"PRelu", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_prelu},
    {"PRelu", 7, 2, 2, qcc_onnx_plain, &qcc_op_prelu},
    {"QLinearConv", 10, 8, 9, qcc_onnx_qlinear_conv, NULL},
    {"QLinearMatMul", 10, 8, 8, qcc_onnx_qlinear_matmul, NULL},
    {"QuantizeLinear", 10, 2, 3, qcc_onnx_quantize, NULL},
    {"Range", 11, 3, 3, qcc_onnx_range, NULL},
    {"Reciprocal", 1, 1, 1, qcc_onnx_plain, &qcc_op_reciprocal},
    {"ReduceL1", 1, 1, 1, qcc_onnx_reduce_between, NULL},
    {"ReduceL1", 18, 1, 2, qcc_onnx_reduce_between, NULL},
    {"ReduceL2", 1, 1, 1, qcc_onnx_reduce_between, NULL},
    {"ReduceL2", 18, 1, 2, qcc_onnx_reduce_between, NULL},
    {"ReduceLogSum", 1, 1, 1, qcc_onnx_reduce_between, NULL},
    {"ReduceLogSum", 18, 1, 2, qcc_onnx_reduce_between, NULL},
    {"ReduceLogSumExp", 1, 1, 1, qcc_onnx_reduce_log_sum_exp, NULL},
    {"ReduceLogSumExp", 18, 1, 2, qcc_onnx_reduce_log_sum_exp, NULL},
    {"ReduceMax", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_max},
    {"ReduceMax", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_max},
    {"ReduceMean", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_mean},
    {"ReduceMean", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_mean},
    {"ReduceMin", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_min},
    {"ReduceMin", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_min},
    {"ReduceProd", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_prod},
    {"ReduceProd", 18, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_prod},
    {"ReduceSum", 1, 1, 1, qcc_onnx_reduce, &qcc_op_reduce_sum},
    {"ReduceSum", 13, 1, 2, qcc_onnx_reduce, &qcc_op_reduce_sum},
    {"ReduceSumSquare", 1, 1, 1, qcc_onnx_reduce_between, NULL},
    {"ReduceSumSquare", 18, 1, 2, qcc_onnx_reduce_between, NULL},
    {"Relu", 1, 1, 1, qcc_onnx_plain, &qcc_op_relu},
    {"Reshape", 5, 2, 2, qcc_onnx_reshape_to, NULL},
    {"Resize", 10, 2, 2, qcc_onnx_upsample, NULL},
    {"Resize", 11, 1, 4, qcc_onnx_resize, NULL},
    {"ReverseSequence", 10, 2, 2, qcc_onnx_reverse_sequence, NULL},
    {"RMSNormalization", 23, 2, 2, qcc_onnx_rms_norm, NULL},
    {"RNN", 7, 3, 6, qcc_onnx_recurrent, NULL},
    {"RotaryEmbedding", 23, 3, 4, qcc_onnx_rotary_embedding, NULL},
    {"Round", 11, 1, 1, qcc_onnx_plain, &qcc_op_round},
    {"Scan", 8, 0, -1, qcc_onnx_scan_batch, NULL},
    {"Scan", 9, 1, -1, qcc_onnx_scan, NULL},
    {"Scatter", 9, 3, 3, qcc_onnx_scatter, &qcc_op_scatter_elements},
    {"ScatterElements", 11, 3, 3, qcc_onnx_scatter, &qcc_op_scatter_elements},
    {"ScatterND", 11, 3, 3, qcc_onnx_scatter, &qcc_op_scatter_nd},
    {"Selu", 1, 1, 1, qcc_onnx_scalars, &qcc_op_selu},
    {"Shape", 1, 1, 1, qcc_onnx_shape, NULL},
    {"Shrink", 9, 1, 1, qcc_onnx_shrink, NULL},
    {"Sigmoid", 1, 1, 1, qcc_onnx_plain, &qcc_op_sigmoid},
    {"Sign", 9, 1, 1, qcc_onnx_plain, &qcc_op_sign},
    {"SimplifiedLayerNormalization", 1, 2, 2, qcc_onnx_rms_norm, NULL},
    {"Sin", 7, 1, 1, qcc_onnx_plain, &qcc_op_sin},
    {"Sinh", 9, 1, 1, qcc_onnx_plain, &qcc_op_sinh},
    {"Size", 1, 1, 1, qcc_onnx_size, NULL},
    {"Slice", 1, 1, 1, qcc_onnx_slice, NULL},
    {"Slice", 10, 3, 5, qcc_onnx_slice, NULL},
    {"Softmax", 1, 1, 1, qcc_onnx_softmax_from, &qcc_op_softmax},
    {"Softmax", 13, 1, 1, qcc_onnx_softmax, &qcc_op_softmax},
    {"Softplus", 1, 1, 1, qcc_onnx_plain, &qcc_op_softplus},
    {"Softsign", 1, 1, 1, qcc_onnx_plain, &qcc_op_softsign},
    {"SpaceToDepth", 1, 1, 1, qcc_onnx_space_to_depth, NULL},
    {"Split", 1, 1, 1, qcc_onnx_split, NULL},
    {"Split", 13, 1, 2, qcc_onnx_split, NULL},
    {"Split", 18, 1, 2, qcc_onnx_split, NULL},
    {"Sqrt", 1, 1, 1, qcc_onnx_plain, &qcc_op_sqrt},
    {"Squeeze", 1, 1, 1, qcc_onnx_squeeze, NULL},
    {"Squeeze", 13, 1, 2, qcc_onnx_squeeze, NULL},
    {"Sub", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_sub},
    {"Sub", 7, 2, 2, qcc_onnx_plain, &qcc_op_sub},
    {"Sum", 1, 1, -1, qcc_onnx_variadic, &qcc_op_add},
    {"Swish", 24, 1, 1, qcc_onnx_scalars, &qcc_op_swish},
    {"Tan", 7, 1, 1, qcc_onnx_plain, &qcc_op_tan},
    {"Tanh", 1, 1, 1, qcc_onnx_plain, &qcc_op_tanh},
    {"ThresholdedRelu", 10, 1, 1, qcc_onnx_scalars, &qcc_op_thresholded_relu},
    {"Tile", 6, 2, 2, qcc_onnx_tile, NULL},
    {"TopK", 1, 1, 1, qcc_onnx_top_k, NULL},
    {"TopK", 10, 2, 2, qcc_onnx_top_k, NULL},
    {"Transpose", 1, 1, 1, qcc_onnx_transpose_dims, NULL},
    {"Trilu", 14, 1, 2, qcc_onnx_trilu, NULL},
    {"Unique", 11, 1, 1, qcc_onnx_unique, NULL},
    {"Unsqueeze", 1, 1, 1, qcc_onnx_unsqueeze, NULL},
    {"Unsqueeze", 13, 2, 2, qcc_onnx_unsqueeze, NULL},
    {"Upsample", 7, 1, 1, qcc_onnx_upsample, NULL},
    {"Upsample", 9, 2, 2, qcc_onnx_upsample, NULL},
    {"Where", 9, 3, 3, qcc_onnx_plain, &qcc_op_where},
    {"Xor", 1, 2, 2, qcc_onnx_by_axis, &qcc_op_xor},
    {"Xor", 7, 2, 2, qcc_onnx_plain, &qcc_op_xor},
};

/* Operators of domain com.microsoft, which quantizers and optimizers write; LayerNormalization and
 * SimplifiedLayerNormalization they write into the standard one, in any opset. */
static const QccOnnxRow contributed[] = {
    {"BiasGelu", 1, 2, 2, qcc_onnx_bias_gelu, NULL},
    {"DequantizeLinear", 1, 2, 3, qcc_onnx_dequantize, NULL},
    {"DynamicQuantizeMatMul", 1, 3, 5, qcc_onnx_dynamic_matmul, NULL},
    {"FastGelu", 1, 1, 2, qcc_onnx_bias_gelu, NULL},
    {"FusedConv", 1, 2, 4, qcc_onnx_fused_conv, NULL},
    {"FusedMatMul", 1, 2, 2, qcc_onnx_fused_matmul, NULL},
    {"Gelu", 1, 1, 1, qcc_onnx_bias_gelu, NULL},
    {"MatMulIntegerToFloat", 1, 4, 7, qcc_onnx_matmul_to_float, NULL},
    {"MatMulNBits", 1, 3, 6, qcc_onnx_matmul_nbits, NULL},
    {"QGemm", 1, 2, 9, qcc_onnx_qgemm, NULL},
    {"QLinearAdd", 1, 2, 8, qcc_onnx_qlinear_binary, &qcc_op_add},
    {"QLinearAveragePool", 1, 2, 5, qcc_onnx_qlinear_pool, &qcc_op_avg_pool},
    {"QLinearConcat", 1, 1, -1, qcc_onnx_qlinear_concat, NULL},
    {"QLinearGlobalAveragePool", 1, 2, 5, qcc_onnx_qlinear_global_pool, &qcc_op_avg_pool},
    {"QLinearLeakyRelu", 1, 2, 5, qcc_onnx_qlinear_unary, &qcc_op_leaky_relu},
    {"QLinearMul", 1, 2, 8, qcc_onnx_qlinear_binary, &qcc_op_mul},
    {"QLinearSigmoid", 1, 2, 5, qcc_onnx_qlinear_unary, &qcc_op_sigmoid},
    {"QLinearSoftmax", 1, 2, 5, qcc_onnx_qlinear_softmax, &qcc_op_softmax},
    {"QuantizeLinear", 1, 2, 3, qcc_onnx_quantize, NULL},
    {"QuickGelu", 1, 1, 1, qcc_onnx_quick_gelu, NULL},
    {"SimplifiedLayerNormalization", 1, 2, 2, qcc_onnx_rms_norm, NULL},
    {"SkipLayerNormalization", 1, 3, 5, qcc_onnx_skip_norm, NULL},
    {"SkipSimplifiedLayerNormalization", 1, 3, 4, qcc_onnx_skip_norm, NULL},
};

static const QccOnnxRow *find(const QccOnnxRow *row, size_t n, const char *type, int64_t opset,
                              int *since)
{
    const QccOnnxRow *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(row[i].type, type)) continue;
        if (!*since) *since = row[i].since;
        if (row[i].since <= opset) found = &row[i];
    }
    return found;
}

const QccOnnxRow *qcc_onnx_find_row(const Onnx__NodeProto *p, int64_t opset, int *since)
{
    const char *domain = p->domain ? p->domain : "", *type = p->op_type ? p->op_type : "";
    *since = 0;
    if (!domain[0] || !strcmp(domain, "ai.onnx"))
        return find(rows, sizeof rows / sizeof *rows, type, opset, since);
    if (!strcmp(domain, "com.microsoft"))
        return find(contributed, sizeof contributed / sizeof *contributed, type, 1, since);
    return NULL;
}

bool qcc_onnx_on_stored(const QccOnnxNode *n)
{
    /* alphabetical; order carries no meaning */
    static const char *const movers[] = {
        "Concat",        "DepthToSpace",    "Dropout",        "Expand",
        "Flatten",       "Gather",          "GatherElements", "GatherND",
        "GlobalMaxPool", "Identity",        "MaxPool",        "Pad",
        "Reshape",       "ReverseSequence", "Shape",          "Size",
        "Slice",         "SpaceToDepth",    "Split",          "Squeeze",
        "Tile",          "Transpose",       "Unsqueeze"};
    const char *type = n->row->type;
    if (!strncmp(type, "QLinear", 7) || !strcmp(type, "QGemm") || !strcmp(type, "DequantizeLinear"))
        return true;
    bool moves = false;
    for (size_t i = 0; i < sizeof movers / sizeof *movers; i++) moves |= !strcmp(type, movers[i]);
    const QccValue *x = n->nin && n->in[0] ? n->in[0]->value : NULL;
    if (!moves || !x) return false;
    if (x->type->quant && !qcc_quant_is_tensor(x->type->quant, NULL, NULL)) return false;
    for (int i = 1; n->row->import == qcc_onnx_concat && i < n->nin; i++) {
        const QccValue *other = n->in[i] ? n->in[i]->value : NULL;
        moves &=
            other && other->type->quant == x->type->quant && other->type->dtype == x->type->dtype;
    }
    return moves;
}
