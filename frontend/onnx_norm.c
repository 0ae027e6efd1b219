/* onnx_norm - norms and softmax; where no op here means the same, what the standard defines it by.
 */
#include "frontend/onnx.h"

#include <string.h>

/* ---- parts -------------------------------------------------------------------------------- */

static QccStatus binary(QccOnnxNode *n, QccValue **out, const QccOpDef *def, QccValue *a,
                        QccValue *b)
{
    QccValue *in[] = {a, b};
    return qcc_onnx_emit(n, out, def, NULL, in, 2, NULL);
}

static QccStatus scalar(QccOnnxNode *n, QccValue **x, const QccOpDef *def, float by)
{
    QccValue *c;
    QCC_TRY(qcc_onnx_real_like(n, &c, *x, (double)by));
    return binary(n, x, def, *x, c);
}

static QccStatus mean_over(QccOnnxNode *n, QccValue **out, QccValue *x, const QccReduceAttrs *a)
{
    return qcc_onnx_emit(n, out, &qcc_op_reduce_mean, NULL, &x, 1, a);
}

/* d = x - mean(x), v = mean(d * d), over the axes. */
static QccStatus moments(QccOnnxNode *n, QccValue *x, const QccReduceAttrs *a, QccValue **mean,
                         QccValue **d, QccValue **v)
{
    QCC_TRY(mean_over(n, mean, x, a));
    QCC_TRY(binary(n, d, &qcc_op_sub, x, *mean));
    QCC_TRY(binary(n, v, &qcc_op_mul, *d, *d));
    return mean_over(n, v, *v, a);
}

static QccReduceAttrs axes_from(int first, int rank)
{
    QccReduceAttrs a = {.keep = true};
    for (int i = first; i < rank; i++) a.axes.v[a.axes.n++] = i;
    return a;
}

/* A vector along dimension 1 of x[n,c,...]: [c,1,1]. */
static QccStatus along_channels(QccOnnxNode *n, QccValue **v, const QccType *x)
{
    QccDim dim[QCC_MAX_RANK];
    if ((*v)->type->rank != 1) {
        return qcc_onnx_wrong(n, "needs a vector, found rank %d", (*v)->type->rank);
    }
    dim[0] = (*v)->type->dim[0];
    for (int i = 1; i < x->rank - 1; i++) dim[i] = qcc_dim(1);
    if (x->rank == 2) return QCC_OK;
    return qcc_onnx_reshape(n, v, *v, NULL, x->rank - 1, dim);
}

/* Output 0: y * scale + bias, both along the channels of x[n,c,...]. */
static QccStatus scaled(QccOnnxNode *n, QccValue *y, QccValue *scale, QccValue *bias)
{
    QCC_TRY(along_channels(n, &scale, y->type));
    QCC_TRY(along_channels(n, &bias, y->type));
    QCC_TRY(binary(n, &y, &qcc_op_mul, y, scale));
    QccValue *in[] = {y, bias};
    return qcc_onnx_emit_out(n, &qcc_op_add, in, 2, NULL);
}

static bool wanted(const QccOnnxNode *n, int output)
{
    return output < n->nout && n->proto->output[output][0];
}

/* Gives a value that exists already as an output of the node. */
static void give(QccOnnxNode *n, int output, QccValue *v)
{
    n->out[output] = v;
}

/* ---- batch, layer, instance, group ---------------------------------------------------------- */

/* momentum * old + (1 - momentum) * now */
static QccStatus running(QccOnnxNode *n, int output, QccValue *old, QccValue *now, double momentum)
{
    if (!wanted(n, output)) return QCC_OK;
    QCC_TRY(scalar(n, &old, &qcc_op_mul, (float)momentum));
    QCC_TRY(scalar(n, &now, &qcc_op_mul, (float)(1 - momentum)));
    QCC_TRY(binary(n, &old, &qcc_op_add, old, now));
    give(n, output, old);
    return QCC_OK;
}

/* Mean and variance are those of x over all but the channels. */
static QccStatus batch_moments(QccOnnxNode *n, QccValue **in, double momentum)
{
    QccReduceAttrs a = axes_from(1, in[0]->type->rank);
    a.axes.v[0] = 0; /* 0, 2, 3, ... */
    QccValue *mean, *d, *variance, *flat[2];
    QCC_TRY(moments(n, in[0], &a, &mean, &d, &variance));
    QccDim c = in[0]->type->dim[1];
    QCC_TRY(qcc_onnx_reshape(n, &flat[0], mean, NULL, 1, &c));
    QCC_TRY(qcc_onnx_reshape(n, &flat[1], variance, NULL, 1, &c));
    QCC_TRY(running(n, 1, in[3], flat[0], momentum));
    QCC_TRY(running(n, 2, in[4], flat[1], momentum));
    in[3] = flat[0];
    in[4] = flat[1];
    return QCC_OK;
}

/* Before opset 9, spatial 0: scale, bias, mean and variance are those of each element of x[n,...].
 */
static QccStatus each_feature(QccOnnxNode *n, QccValue **in, float epsilon)
{
    QccValue *d, *v = in[4];
    QCC_TRY(binary(n, &d, &qcc_op_sub, in[0], in[3]));
    QCC_TRY(scalar(n, &v, &qcc_op_add, epsilon));
    QCC_TRY(qcc_onnx_emit(n, &v, &qcc_op_sqrt, NULL, &v, 1, NULL));
    QCC_TRY(binary(n, &d, &qcc_op_div, d, v));
    QCC_TRY(binary(n, &d, &qcc_op_mul, d, in[1]));
    QccValue *sum[] = {d, in[2]};
    return qcc_onnx_emit_out(n, &qcc_op_add, sum, 2, NULL);
}

QccStatus qcc_onnx_batchnorm(QccOnnxNode *n)
{
    QccAxisAttrs attrs = {.axis = 1, .epsilon = (double)1e-5f};
    double momentum = (double)0.9f;
    bool training = false;
    int64_t spatial = 1;
    QCC_TRY(qcc_onnx_attr_float(n, "epsilon", &attrs.epsilon));
    QCC_TRY(qcc_onnx_attr_float(n, "momentum", &momentum));
    QCC_TRY(qcc_onnx_is_test(n));
    QCC_TRY(qcc_onnx_attr_bool(n, "training_mode", &training));
    QCC_TRY(qcc_onnx_attr_int(n, "spatial", &spatial));
    /* Before opset 14 the statistics of the batch are asked for by naming them. */
    for (int i = 1; n->im->opset >= 7 && n->im->opset < 14 && i < n->nout; i++)
        if (wanted(n, i)) return qcc_onnx_unsupported(n, "training mode");
    QccValue *in[5];
    for (int i = 0; i < 5; i++) in[i] = qcc_onnx_in(n, i);
    if (in[0]->type->rank < 2) return qcc_onnx_wrong(n, "needs x[n,c,...]");
    if (!spatial) return each_feature(n, in, (float)attrs.epsilon);
    if (training) QCC_TRY(batch_moments(n, in, momentum));
    return qcc_onnx_emit_out(n, &qcc_op_batchnorm, in, 5, &attrs);
}

/* Outputs 1 and 2 of LayerNormalization: the mean, and 1 / sqrt(variance + epsilon). */
static QccStatus layer_moments(QccOnnxNode *n, QccValue *x, const QccAxisAttrs *attrs)
{
    QccReduceAttrs a = axes_from((int)attrs->axis, x->type->rank);
    QccValue *mean, *d, *v;
    if (!wanted(n, 1) && !wanted(n, 2)) return QCC_OK;
    QCC_TRY(moments(n, x, &a, &mean, &d, &v));
    if (wanted(n, 1)) give(n, 1, mean);
    if (!wanted(n, 2)) return QCC_OK;
    QCC_TRY(scalar(n, &v, &qcc_op_add, (float)attrs->epsilon));
    QCC_TRY(qcc_onnx_emit(n, &v, &qcc_op_sqrt, NULL, &v, 1, NULL));
    QCC_TRY(qcc_onnx_emit(n, &v, &qcc_op_reciprocal, NULL, &v, 1, NULL));
    give(n, 2, v);
    return QCC_OK;
}

/* Whether a scale or bias has the shape of x from the axis on, as the op wants it. */
static bool fits_rows(const QccValue *v, const QccType *x, int first)
{
    bool fits = v->type->rank == x->rank - first;
    for (int i = 0; fits && i < v->type->rank; i++)
        fits = qcc_dim_equal(&v->type->dim[i], &x->dim[first + i]);
    return fits;
}

static QccStatus read_norm(QccOnnxNode *n, QccValue *x, QccAxisAttrs *attrs)
{
    int64_t stash = 1;
    *attrs = (QccAxisAttrs){.axis = -1, .epsilon = (double)1e-5f};
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &attrs->axis));
    QCC_TRY(qcc_onnx_attr_float(n, "epsilon", &attrs->epsilon));
    QCC_TRY(qcc_onnx_attr_int(n, "stash_type", &stash));
    if (stash != 1) return qcc_onnx_unsupported(n, "stash_type is not float");
    return qcc_onnx_axis(n, x->type->rank, &attrs->axis);
}

/* The outputs, of x, its scale and a bias that may be NULL. */
static QccStatus layer_norm(QccOnnxNode *n, QccValue *x, QccValue *scale, QccValue *bias,
                            const QccAxisAttrs *attrs)
{
    QccValue *in[] = {x, scale, bias}, *y;
    QCC_TRY(layer_moments(n, x, attrs));
    bool direct = true;
    for (int i = 1; i < 3; i++) direct &= !in[i] || fits_rows(in[i], x->type, (int)attrs->axis);
    if (direct) return qcc_onnx_emit_out(n, &qcc_op_layer_norm, in, bias ? 3 : 2, attrs);
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_layer_norm, NULL, in, 1, attrs));
    QCC_TRY(binary(n, &y, &qcc_op_mul, y, scale));
    if (bias) QCC_TRY(binary(n, &y, &qcc_op_add, y, bias));
    give(n, 0, y);
    return QCC_OK;
}

QccStatus qcc_onnx_layer_norm(QccOnnxNode *n)
{
    QccAxisAttrs attrs;
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(read_norm(n, x, &attrs));
    return layer_norm(n, x, qcc_onnx_in(n, 1), qcc_onnx_in(n, 2), &attrs);
}

/* x / sqrt(mean(x * x) + epsilon) * scale */
static QccStatus rms_norm(QccOnnxNode *n, QccValue *x, QccValue *scale, const QccAxisAttrs *attrs)
{
    QccValue *v;
    QccReduceAttrs a = axes_from((int)attrs->axis, x->type->rank);
    QCC_TRY(binary(n, &v, &qcc_op_mul, x, x));
    QCC_TRY(mean_over(n, &v, v, &a));
    QCC_TRY(scalar(n, &v, &qcc_op_add, (float)attrs->epsilon));
    QCC_TRY(qcc_onnx_emit(n, &v, &qcc_op_sqrt, NULL, &v, 1, NULL));
    QCC_TRY(binary(n, &v, &qcc_op_div, x, v));
    QccValue *in[] = {v, scale};
    return qcc_onnx_emit_out(n, &qcc_op_mul, in, 2, NULL);
}

QccStatus qcc_onnx_rms_norm(QccOnnxNode *n)
{
    QccAxisAttrs attrs;
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(read_norm(n, x, &attrs));
    return rms_norm(n, x, qcc_onnx_in(n, 1), &attrs);
}

/* Of x + skip, to which a bias may be added as well; output 3 is that sum. */
QccStatus qcc_onnx_skip_norm(QccOnnxNode *n)
{
    bool simple = !strcmp(n->row->type, "SkipSimplifiedLayerNormalization");
    QccAxisAttrs attrs = {.epsilon = (double)1e-12F};
    QccValue *x, *scale = qcc_onnx_in(n, 2), *bias = qcc_onnx_in(n, simple ? 3 : 4);
    QCC_TRY(qcc_onnx_attr_float(n, "epsilon", &attrs.epsilon));
    QCC_TRY(binary(n, &x, &qcc_op_add, qcc_onnx_in(n, 0), qcc_onnx_in(n, 1)));
    if (bias) QCC_TRY(binary(n, &x, &qcc_op_add, x, bias));
    attrs.axis = x->type->rank - 1;
    if (attrs.axis < 0) return qcc_onnx_wrong(n, "needs x[...,n]");
    if (wanted(n, 3)) give(n, 3, x);
    if (simple) return rms_norm(n, x, scale, &attrs);
    return layer_norm(n, x, scale, qcc_onnx_in(n, 3), &attrs);
}

/* Rows are an image's channel. */
QccStatus qcc_onnx_instance_norm(QccOnnxNode *n)
{
    QccAxisAttrs attrs = {.axis = 2, .epsilon = (double)1e-5f};
    QccValue *x = qcc_onnx_in(n, 0), *y;
    QCC_TRY(qcc_onnx_attr_float(n, "epsilon", &attrs.epsilon));
    if (x->type->rank < 3) return qcc_onnx_wrong(n, "needs x[n,c,...]");
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_layer_norm, NULL, &x, 1, &attrs));
    return scaled(n, y, qcc_onnx_in(n, 1), qcc_onnx_in(n, 2));
}

/* Rows are a group of channels. Scale and bias are those of the channels, before opset 21 of the
 * groups. */
QccStatus qcc_onnx_group_norm(QccOnnxNode *n)
{
    int64_t groups = 0, stash = 1;
    QccAxisAttrs attrs = {.axis = 2, .epsilon = (double)1e-5f};
    QccValue *x = qcc_onnx_in(n, 0), *scale = qcc_onnx_in(n, 1), *bias = qcc_onnx_in(n, 2), *y;
    const QccType *t = x->type;
    QCC_TRY(qcc_onnx_attr_float(n, "epsilon", &attrs.epsilon));
    QCC_TRY(qcc_onnx_attr_int(n, "num_groups", &groups));
    QCC_TRY(qcc_onnx_attr_int(n, "stash_type", &stash));
    if (stash != 1) return qcc_onnx_unsupported(n, "stash_type is not float");
    if (t->rank < 3 || t->rank == QCC_MAX_RANK) return qcc_onnx_wrong(n, "needs x[n,c,...]");
    if (t->dim[1].sym[0]) return qcc_onnx_needs_shape(n, "dynamic channels");
    if (groups < 1 || t->dim[1].n % groups) {
        return qcc_onnx_wrong(n, "has %lld groups of %lld channels", (long long)groups,
                              (long long)t->dim[1].n);
    }
    QccDim dim[QCC_MAX_RANK] = {t->dim[0], qcc_dim(groups), qcc_dim(t->dim[1].n / groups)};
    memcpy(dim + 3, t->dim + 2, (size_t)(t->rank - 2) * sizeof *dim);
    QCC_TRY(qcc_onnx_reshape(n, &y, x, NULL, t->rank + 1, dim));
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_layer_norm, NULL, &y, 1, &attrs));
    if (n->row->since < 21) {
        QCC_TRY(along_channels(n, &scale, y->type));
        QCC_TRY(along_channels(n, &bias, y->type));
        QCC_TRY(binary(n, &y, &qcc_op_mul, y, scale));
        QCC_TRY(binary(n, &y, &qcc_op_add, y, bias));
        return qcc_onnx_reshape(n, &n->out[0], y, qcc_onnx_name(n, ""), t->rank, t->dim);
    }
    QCC_TRY(qcc_onnx_reshape(n, &y, y, NULL, t->rank, t->dim));
    return scaled(n, y, scale, bias);
}

/* (x - mean) / (sqrt(variance) + 1e-9) */
QccStatus qcc_onnx_mean_variance(QccOnnxNode *n)
{
    bool given;
    QccReduceAttrs a = {.axes = {3, {0, 2, 3}}, .keep = true};
    QccValue *x = qcc_onnx_in(n, 0), *mean, *d, *v;
    QCC_TRY(qcc_onnx_attr_ints(n, "axes", &a.axes, &given));
    for (int i = 0; i < a.axes.n; i++) QCC_TRY(qcc_onnx_axis(n, x->type->rank, &a.axes.v[i]));
    QCC_TRY(moments(n, x, &a, &mean, &d, &v));
    QCC_TRY(qcc_onnx_emit(n, &v, &qcc_op_sqrt, NULL, &v, 1, NULL));
    QCC_TRY(scalar(n, &v, &qcc_op_add, 1e-9f));
    QccValue *in[] = {d, v};
    return qcc_onnx_emit_out(n, &qcc_op_div, in, 2, NULL);
}

/* x / (bias + alpha * mean of x * x over `size` neighbouring channels)^beta, the mean being that of
 * a pool over [n,c,1,rest] whose padding counts. */
QccStatus qcc_onnx_lrn(QccOnnxNode *n)
{
    int64_t size = 0, rest = 1;
    double alpha = (double)1e-4f, beta = 0.75, bias = 1;
    QccValue *x = qcc_onnx_in(n, 0), *v;
    const QccType *t = x->type;
    QCC_TRY(qcc_onnx_attr_int(n, "size", &size));
    QCC_TRY(qcc_onnx_attr_float(n, "alpha", &alpha));
    QCC_TRY(qcc_onnx_attr_float(n, "beta", &beta));
    QCC_TRY(qcc_onnx_attr_float(n, "bias", &bias));
    if (size < 1 || size > 1 << 20) return qcc_onnx_wrong(n, "has size %lld", (long long)size);
    if (t->rank < 2) return qcc_onnx_wrong(n, "needs x[n,c,...]");
    for (int i = 2; i < t->rank; i++) {
        if (t->dim[i].sym[0]) return qcc_onnx_needs_shape(n, "a dynamic extent");
        rest *= t->dim[i].n;
    }
    QccDim dim[] = {t->dim[0], t->dim[1], qcc_dim(1), qcc_dim(rest)};
    QccPoolAttrs attrs = {.kernel = {2, {size, 1}},
                          .stride = {2, {1, 1}},
                          .pad = {4, {(size - 1) / 2, 0, size / 2, 0}},
                          .dilation = {2, {1, 1}},
                          .include_pad = true};
    QCC_TRY(binary(n, &v, &qcc_op_mul, x, x));
    QCC_TRY(qcc_onnx_reshape(n, &v, v, NULL, 4, dim));
    QCC_TRY(qcc_onnx_emit(n, &v, &qcc_op_avg_pool, NULL, &v, 1, &attrs));
    QCC_TRY(qcc_onnx_reshape(n, &v, v, NULL, t->rank, t->dim));
    QCC_TRY(scalar(n, &v, &qcc_op_mul, (float)alpha));
    QCC_TRY(scalar(n, &v, &qcc_op_add, (float)bias));
    QCC_TRY(scalar(n, &v, &qcc_op_pow, (float)beta));
    QccValue *in[] = {x, v};
    return qcc_onnx_emit_out(n, &qcc_op_div, in, 2, NULL);
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* Softmax, LogSoftmax and Hardmax before opset 13: over all dimensions from the axis on, as the ops
 * here. */
QccStatus qcc_onnx_softmax_from(QccOnnxNode *n)
{
    QccAxisAttrs attrs = {.axis = 1};
    QccValue *x = qcc_onnx_in(n, 0);
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &attrs.axis));
    if (x->type->rank == 1 && attrs.axis == 1) attrs.axis = 0; /* the default, of a vector */
    QCC_TRY(qcc_onnx_axis(n, x->type->rank, &attrs.axis));
    return qcc_onnx_emit_out(n, n->row->def, &x, 1, &attrs);
}

/* Over one dimension, which becomes the last where others of more than 1 follow it. */
QccStatus qcc_onnx_softmax(QccOnnxNode *n)
{
    QccAxisAttrs attrs = {.axis = -1};
    QccValue *x = qcc_onnx_in(n, 0), *y;
    int rank = x->type->rank, swap[QCC_MAX_RANK];
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &attrs.axis));
    QCC_TRY(qcc_onnx_axis(n, rank, &attrs.axis));
    bool last = true;
    for (int i = 0; i < rank; i++) {
        swap[i] = i;
        last &= i <= attrs.axis || (!x->type->dim[i].sym[0] && x->type->dim[i].n == 1);
    }
    if (last) return qcc_onnx_emit_out(n, n->row->def, &x, 1, &attrs);
    swap[attrs.axis] = rank - 1;
    swap[rank - 1] = (int)attrs.axis;
    attrs.axis = rank - 1;
    QCC_TRY(qcc_onnx_transpose(n, &y, x, NULL, swap));
    QCC_TRY(qcc_onnx_emit(n, &y, n->row->def, NULL, &y, 1, &attrs));
    return qcc_onnx_transpose(n, &n->out[0], y, qcc_onnx_name(n, ""), swap);
}
