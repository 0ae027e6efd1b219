/* onnx_quant - QuantizeLinear, DequantizeLinear and what computes with quantized values. */
#include "frontend/onnx_quant.h"
#include "frontend/onnx_window.h"

#include <math.h>
#include <string.h>

/* ---- scales and zero points ----------------------------------------------------------------- */

static bool can_store(QccDtype dtype)
{
    return dtype == QCC_U8 || dtype == QCC_I8 || dtype == QCC_U16 || dtype == QCC_I16 ||
           dtype == QCC_I32 || dtype == QCC_U4 || dtype == QCC_I4;
}

/* Values that are floats of 8 or 4 bits in steps of a scale: computed, not quantized types. */
static bool can_compute(QccDtype dtype)
{
    return can_store(dtype) || qcc_dtype_is_minifloat(dtype);
}

static int64_t count_of(const QccBlob *blob)
{
    int64_t count = 1;
    for (int i = 0; i < blob->rank; i++) count *= blob->dim[i];
    return count;
}

QccStatus qcc_onnx_check_scale(const QccOnnxNode *n, int i, int64_t at, float scale)
{
    if (scale >= ldexpf(1, -60) && scale <= ldexpf(1, 60)) return QCC_OK;
    return qcc_onnx_wrong(n, "has scale %g at index %lld of '%s', wanted 2^-60 to 2^60",
                          (double)scale, (long long)at, n->in[i]->name);
}

/* Element i as f32, which f16 and bf16 are exactly. */
static QccStatus read_scales(QccOnnxNode *n, const QccOnnxParams *p, const QccBlob *scale,
                             const QccBlob *zero, float **s, int32_t **z)
{
    int64_t count = count_of(scale);
    *s = QCC_NEW_ARRAY(n->im->scratch, count, float);
    *z = QCC_NEW_ARRAY(n->im->scratch, count, int32_t);
    if (zero && count_of(zero) != count) {
        return qcc_onnx_wrong(n, "needs scale and zero point of one shape");
    }
    for (int64_t i = 0; i < count; i++) {
        (*s)[i] = (float)qcc_onnx_real(n, scale, i);
        if (zero) (*z)[i] = (int32_t)qcc_onnx_real(n, zero, i);
        QCC_TRY(qcc_onnx_check_scale(n, p->scale, i, (*s)[i]));
    }
    return QCC_OK;
}

/* Scales of x's rank, each for `block` neighbours along the axis. */
static QccStatus blocked(QccOnnxNode *n, const QccType *x, const QccBlob *scale, QccOnnxParams *p,
                         const float *s, const int32_t *z)
{
    int64_t lo, hi, count = count_of(scale);
    qcc_dtype_range(p->dtype, &lo, &hi);
    QccQuant q = {.kind = QCC_QUANT_STATIC, .qmin = (int32_t)lo, .qmax = (int32_t)hi};
    bool fits = scale->rank == x->rank && p->block > 0;
    for (int i = 0; fits && i < x->rank; i++) {
        q.block[i] = i == p->axis ? p->block : 1;
        fits = !x->dim[i].sym[0] && scale->dim[i] == (x->dim[i].n + q.block[i] - 1) / q.block[i];
    }
    if (!fits)
        return qcc_onnx_wrong(n, "needs a scale for each block of %lld", (long long)p->block);
    if (x->dim[p->axis].n % p->block) {
        return qcc_onnx_unsupported(n, "blocks of %lld that do not divide %lld",
                                    (long long)p->block, (long long)x->dim[p->axis].n);
    }
    q.scale = qcc_blob(n->im->arena, QCC_F32, 1, &count, s, true);
    q.zero = qcc_blob(n->im->arena, QCC_I32, 1, &count, z, true);
    p->quant = qcc_type_quantized(n->im->ir, x, p->dtype, &q)->quant;
    return QCC_OK;
}

QccStatus qcc_onnx_params(QccOnnxNode *n, const QccType *x, QccOnnxParams *p)
{
    const QccBlob *scale = qcc_onnx_blob(n, p->scale), *zero = qcc_onnx_blob(n, p->zero);
    if (!scale || (!zero && qcc_onnx_has(n, p->zero))) {
        return qcc_onnx_unsupported(n, "its scale or zero point is not constant");
    }
    if (!qcc_dtype_is_float(scale->dtype) || scale->dtype == QCC_F64) {
        return qcc_onnx_unsupported(n, "a scale of %s", qcc_dtype_name(scale->dtype));
    }
    if (zero) p->dtype = zero->dtype;
    if (!can_store(p->dtype)) {
        return qcc_onnx_unsupported(n, "quantized values of %s", qcc_dtype_name(p->dtype));
    }
    float *s;
    int32_t *z;
    int64_t count = count_of(scale), lo, hi;
    QCC_TRY(read_scales(n, p, scale, zero, &s, &z));
    if (count == 1 && (p->axis < -x->rank || p->axis >= x->rank)) p->axis = 0; /* no axis */
    if (x->rank) QCC_TRY(qcc_onnx_axis(n, x->rank, &p->axis));
    if (p->block) return blocked(n, x, scale, p, s, z);
    if (count != 1 && scale->rank != 1) {
        return qcc_onnx_wrong(n, "needs one scale or a list, found rank %d", scale->rank);
    }
    const QccDim *d = x->rank ? &x->dim[p->axis] : NULL;
    if (count == 1 && (scale->rank == 0 || !d || d->sym[0] || d->n != 1)) {
        p->quant = qcc_quant_tensor(n->im->ir, p->dtype, s[0], z[0]);
        return QCC_OK;
    }
    if (!d || d->sym[0] || d->n != count) {
        return qcc_onnx_wrong(n, "has %lld scales for axis %lld of extent %lld", (long long)count,
                              (long long)p->axis, d ? (long long)d->n : 0);
    }
    qcc_dtype_range(p->dtype, &lo, &hi);
    p->quant = qcc_quant_axis(n->im->ir, p->dtype, x->rank, (int)p->axis, count, s, z, (int32_t)lo,
                              (int32_t)hi);
    return QCC_OK;
}

/* Those of QuantizeLinear and DequantizeLinear, with their attributes. */
static QccStatus own_params(QccOnnxNode *n, QccOnnxParams *p)
{
    *p = (QccOnnxParams){.scale = 1, .zero = 2, .axis = 1, .dtype = QCC_U8};
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &p->axis));
    QCC_TRY(qcc_onnx_attr_int(n, "block_size", &p->block));
    if (p->block < 0) return qcc_onnx_wrong(n, "has block_size %lld", (long long)p->block);
    return QCC_OK;
}

static QccStatus cast(QccOnnxNode *n, QccValue **x, QccDtype to)
{
    QccCastAttrs attrs = {.to = (int)to};
    if ((*x)->type->dtype == to && !(*x)->type->quant) return QCC_OK;
    return qcc_onnx_emit(n, x, &qcc_op_cast, NULL, x, 1, &attrs);
}

static QccStatus binary(QccOnnxNode *n, QccValue **x, const QccOpDef *def, QccValue *a, QccValue *b)
{
    QccValue *in[] = {a, b};
    return qcc_onnx_emit(n, x, def, NULL, in, 2, NULL);
}

/* Integers that were computed, or quantized by another scale, as values of this one. */
static QccStatus store(QccOnnxNode *n, QccOnnxValue *v, const QccType *wanted, QccValue **out)
{
    float scale;
    int32_t zero;
    if (wanted->dtype == QCC_I32 || !qcc_quant_is_tensor(wanted->quant, &scale, &zero)) {
        return qcc_onnx_unsupported(n, "its input '%s' is not quantized by the same scale",
                                    v->name);
    }
    if (v->value->type->quant) QCC_TRY(qcc_onnx_integers(n, &v));
    QccValue *y = v->value;
    QCC_TRY(cast(n, &y, QCC_F32));
    QCC_TRY(binary(n, &y, &qcc_op_sub, y, qcc_onnx_f32(n, (float)zero)));
    QCC_TRY(binary(n, &y, &qcc_op_mul, y, qcc_onnx_f32(n, scale)));
    QCC_TRY(qcc_onnx_emit(n, out, &qcc_op_quantize, NULL, &y, 1, NULL));
    qcc_value_set_type(*out, wanted);
    return QCC_OK;
}

QccStatus qcc_onnx_stored(QccOnnxNode *n, int i, QccOnnxParams *p, QccValue **out)
{
    const QccBlob *blob = qcc_onnx_blob(n, i);
    QccValue *x = blob ? NULL : qcc_onnx_in(n, i);
    const QccType *type =
        blob ? qcc_type_shape(n->im->ir, blob->dtype, blob->rank, blob->dim) : x->type;
    p->dtype = type->dtype;
    QCC_TRY(qcc_onnx_params(n, type, p));
    if (p->dtype != type->dtype) {
        return qcc_onnx_wrong(n, "has values of %s and a zero point of %s",
                              qcc_dtype_name(type->dtype), qcc_dtype_name(p->dtype));
    }
    const QccType *wanted = qcc_type_quantized(n->im->ir, type, p->dtype, p->quant);
    if (blob) {
        const char *name = qcc_onnx_value_name(n->im, n->in[i]->name);
        x = qcc_const_new(n->im->graph, NULL, name, blob, p->quant);
    } else if (!x->def && !x->uses && !type->quant) {
        qcc_value_set_type(x, wanted);
    } else if (type != wanted) {
        QCC_TRY(store(n, n->in[i], wanted, &x));
    }
    *out = x;
    return QCC_OK;
}

/* ---- scales of the run ---------------------------------------------------------------------- */

/* Every entry of v stands for `block` neighbours along the axis. */
static QccStatus repeat(QccOnnxNode *n, QccValue **v, const QccType *x, int64_t axis, int64_t block)
{
    const QccType *t = (*v)->type;
    QccDim dim[QCC_MAX_RANK];
    QccShapeAttrs wide = {.shape = {.n = t->rank + 1}};
    if (t->rank != x->rank || t->rank == QCC_MAX_RANK) {
        return qcc_onnx_wrong(n, "needs a scale for each block of %lld", (long long)block);
    }
    for (int i = 0, k = 0; i < t->rank; i++) {
        if (t->dim[i].sym[0]) return qcc_onnx_needs_shape(n, "blocks in dynamic extents");
        wide.shape.v[k] = t->dim[i].n;
        dim[k++] = t->dim[i];
        if (i != axis) continue;
        wide.shape.v[k] = block;
        dim[k++] = qcc_dim(1);
    }
    QCC_TRY(qcc_onnx_reshape(n, v, *v, NULL, t->rank + 1, dim));
    QCC_TRY(qcc_onnx_emit(n, v, &qcc_op_expand, NULL, v, 1, &wide));
    return qcc_onnx_reshape(n, v, *v, NULL, x->rank, x->dim);
}

/* A scale or zero point in f32, in a shape that broadcasts to x. */
static QccStatus spread(QccOnnxNode *n, QccValue **v, const QccType *x, const QccOnnxParams *p)
{
    QccDim dim[QCC_MAX_RANK];
    int64_t axis = p->axis, count = qcc_type_count((*v)->type);
    QCC_TRY(cast(n, v, QCC_F32));
    if (count == 1 && !p->block) return qcc_onnx_reshape(n, v, *v, NULL, 0, NULL);
    QCC_TRY(qcc_onnx_axis(n, x->rank, &axis));
    if (p->block) return repeat(n, v, x, axis, p->block);
    if ((*v)->type->rank != 1) return qcc_onnx_wrong(n, "needs one scale or a list");
    dim[0] = (*v)->type->dim[0];
    for (int i = (int)axis + 1; i < x->rank; i++) dim[i - axis] = qcc_dim(1);
    return qcc_onnx_reshape(n, v, *v, NULL, x->rank - (int)axis, dim);
}

/* x / scale as a float of few bits, which has no zero point. */
static QccStatus scale_to_float(QccOnnxNode *n, QccValue *x, QccValue *scale, QccDtype dtype,
                                bool saturate)
{
    QccCastAttrs attrs = {.to = (int)dtype, .overflow = !saturate};
    QccValue *y;
    QCC_TRY(binary(n, &y, &qcc_op_div, x, scale));
    return qcc_onnx_emit_out(n, &qcc_op_cast, &y, 1, &attrs);
}

/* saturate(rne(x / scale) + zero), computed. */
static QccStatus quantize_by(QccOnnxNode *n, QccValue **y, QccValue *x, QccValue *scale,
                             QccValue *zero, QccDtype dtype)
{
    QCC_TRY(binary(n, y, &qcc_op_div, x, scale));
    QCC_TRY(qcc_onnx_emit(n, y, &qcc_op_round, NULL, y, 1, NULL));
    if (zero) QCC_TRY(binary(n, y, &qcc_op_add, *y, zero));
    return cast(n, y, dtype);
}

/* q = rne(real / scale) + zero: exactly, the real being a product with the scale. */
QccStatus qcc_onnx_integers(QccOnnxNode *n, QccOnnxValue **v)
{
    float scale;
    int32_t zero;
    QccValue *x = (*v)->value, *real;
    const QccType *type = x->type;
    if ((*v)->integers) {
        *v = (*v)->integers;
        return QCC_OK;
    }
    if (type->dtype == QCC_I32 || !qcc_quant_is_tensor(type->quant, &scale, &zero)) {
        return qcc_onnx_unsupported(n, "its input '%s' is quantized by more than one scale",
                                    (*v)->name);
    }
    QCC_TRY(qcc_onnx_emit(n, &real, &qcc_op_dequantize, NULL, &x, 1, NULL));
    QccOnnxValue *plain = QCC_NEW(n->im->scratch, QccOnnxValue);
    plain->name = (*v)->name;
    QCC_TRY(quantize_by(n, &plain->value, real, qcc_onnx_f32(n, scale),
                        zero ? qcc_onnx_f32(n, (float)zero) : NULL, type->dtype));
    (*v)->integers = plain;
    *v = plain;
    return QCC_OK;
}

static QccStatus quantize_at_run(QccOnnxNode *n, const QccOnnxParams *p, bool saturate)
{
    QccValue *x = qcc_onnx_in(n, 0), *scale = qcc_onnx_in(n, 1), *zero = qcc_onnx_in(n, 2);
    QccDtype dtype = zero ? zero->type->dtype : p->dtype;
    if (!can_compute(dtype)) {
        return qcc_onnx_unsupported(n, "quantized values of %s", qcc_dtype_name(dtype));
    }
    QCC_TRY(cast(n, &x, QCC_F32));
    QCC_TRY(spread(n, &scale, x->type, p));
    if (qcc_dtype_is_minifloat(dtype)) return scale_to_float(n, x, scale, dtype, saturate);
    if (zero) QCC_TRY(spread(n, &zero, x->type, p));
    return quantize_by(n, &n->out[0], x, scale, zero, dtype);
}

/* (x - zero) * scale, computed; in the element type of the scale. */
static QccStatus dequantize_at_run(QccOnnxNode *n, const QccOnnxParams *p, QccDtype to)
{
    QccValue *x = qcc_onnx_in(n, 0), *scale = qcc_onnx_in(n, 1), *zero = qcc_onnx_in(n, 2), *y;
    const QccType *type = x->type;
    if (!can_compute(type->dtype) || type->quant) {
        return qcc_onnx_unsupported(n, "its input '%s' is not quantized by the same scale",
                                    n->in[0]->name);
    }
    y = x;
    QCC_TRY(cast(n, &y, QCC_F32));
    if (zero) {
        QCC_TRY(spread(n, &zero, type, p));
        QCC_TRY(binary(n, &y, &qcc_op_sub, y, zero));
    }
    QCC_TRY(spread(n, &scale, type, p));
    QCC_TRY(binary(n, &y, &qcc_op_mul, y, scale));
    QCC_TRY(cast(n, &y, to));
    n->out[0] = y;
    return QCC_OK;
}

QccStatus qcc_onnx_quantize_dynamic(QccOnnxNode *n, QccValue *x, QccValue **y, QccValue **s,
                                    QccValue **point)
{
    QccReduceAttrs all = {.keep = false};
    QccValue *lo = x, *hi = x, *scale, *zero;
    if (x->type->rank) {
        QCC_TRY(qcc_onnx_emit(n, &lo, &qcc_op_reduce_min, NULL, &x, 1, &all));
        QCC_TRY(qcc_onnx_emit(n, &hi, &qcc_op_reduce_max, NULL, &x, 1, &all));
    }
    QCC_TRY(binary(n, &lo, &qcc_op_min, lo, qcc_onnx_f32(n, 0)));
    QCC_TRY(binary(n, &hi, &qcc_op_max, hi, qcc_onnx_f32(n, 0)));
    QCC_TRY(binary(n, &scale, &qcc_op_sub, hi, lo));
    QCC_TRY(binary(n, &scale, &qcc_op_div, scale, qcc_onnx_f32(n, 255)));
    QCC_TRY(qcc_onnx_emit(n, &lo, &qcc_op_neg, NULL, &lo, 1, NULL));
    QCC_TRY(quantize_by(n, point, lo, scale, NULL, QCC_U8));
    zero = *point;
    QCC_TRY(cast(n, &zero, QCC_F32));
    *s = scale;
    return quantize_by(n, y, x, scale, zero, QCC_U8);
}

QccStatus qcc_onnx_dynamic_quantize(QccOnnxNode *n)
{
    QccValue *scale, *point;
    QCC_TRY(qcc_onnx_quantize_dynamic(n, qcc_onnx_in(n, 0), &n->out[0], &scale, &point));
    if (n->nout > 1) n->out[1] = scale;
    if (n->nout > 2) n->out[2] = point;
    return QCC_OK;
}

/* ---- QuantizeLinear, DequantizeLinear ------------------------------------------------------- */

QccStatus qcc_onnx_quantize(QccOnnxNode *n)
{
    QccOnnxParams p;
    QccValue *x = qcc_onnx_in(n, 0);
    int64_t output = 0, precision = 0;
    bool saturate = true; /* concerns float8 */
    QCC_TRY(own_params(n, &p));
    QCC_TRY(qcc_onnx_attr_bool(n, "saturate", &saturate));
    QCC_TRY(qcc_onnx_attr_int(n, "output_dtype", &output));
    QCC_TRY(qcc_onnx_attr_int(n, "precision", &precision));
    if (precision > 1) return qcc_onnx_unsupported(n, "precision is not float");
    if (output && !qcc_onnx_dtype(&p.dtype, output)) {
        return qcc_onnx_unsupported(n, "output_dtype %s",
                                    qcc_onnx_dtype_name(n->im->scratch, output));
    }
    const QccBlob *zero = qcc_onnx_blob(n, 2);
    bool constant = qcc_onnx_blob(n, 1) && (zero || !qcc_onnx_has(n, 2));
    if (!constant || qcc_dtype_is_minifloat(zero ? zero->dtype : p.dtype))
        return quantize_at_run(n, &p, saturate);
    QccDtype wanted = p.dtype;
    QCC_TRY(qcc_onnx_params(n, x->type, &p));
    if (output && wanted != p.dtype) {
        return qcc_onnx_wrong(n, "has an output_dtype that is not the zero point's");
    }
    QCC_TRY(qcc_onnx_emit_out(n, &qcc_op_quantize, &x, 1, NULL));
    qcc_value_set_type(n->out[0], qcc_type_quantized(n->im->ir, n->out[0]->type, p.dtype, p.quant));
    return QCC_OK;
}

/* What was quantized by another scale than that of `own` is read as integers. */
static QccStatus of_other_scale(QccOnnxNode *n, const QccOnnxParams *own)
{
    const QccValue *x = qcc_onnx_in(n, 0);
    const QccQuant *quant = x->type->quant;
    if (!quant) return QCC_OK;
    if (own) {
        QccOnnxParams p = *own;
        p.dtype = x->type->dtype;
        QCC_TRY(qcc_onnx_params(n, x->type, &p));
        if (p.quant == quant) return QCC_OK;
    }
    return qcc_onnx_integers(n, &n->in[0]);
}

QccStatus qcc_onnx_dequantize(QccOnnxNode *n)
{
    QccOnnxParams p;
    QccValue *x;
    int64_t output = 0;
    QCC_TRY(own_params(n, &p));
    QCC_TRY(qcc_onnx_attr_int(n, "output_dtype", &output));
    const QccBlob *scale = qcc_onnx_blob(n, 1), *blob = qcc_onnx_blob(n, 0);
    QccDtype to = scale ? scale->dtype : qcc_onnx_in(n, 1)->type->dtype;
    if (output && !qcc_onnx_dtype(&to, output)) {
        return qcc_onnx_unsupported(n, "output_dtype %s",
                                    qcc_onnx_dtype_name(n->im->scratch, output));
    }
    QccDtype from = blob ? blob->dtype : qcc_onnx_in(n, 0)->type->dtype;
    if (qcc_dtype_is_minifloat(from)) return dequantize_at_run(n, &p, to);
    bool constant = scale && (!qcc_onnx_has(n, 2) || qcc_onnx_blob(n, 2));
    if (!blob) QCC_TRY(of_other_scale(n, constant ? &p : NULL));
    x = blob ? NULL : qcc_onnx_in(n, 0);
    bool known = blob || x->type->quant || (!x->def && !x->uses);
    if (!constant || !known || to != QCC_F32) return dequantize_at_run(n, &p, to);
    QCC_TRY(qcc_onnx_stored(n, 0, &p, &x));
    return qcc_onnx_emit_out(n, &qcc_op_dequantize, &x, 1, NULL);
}

/* ---- QLinearConv, QLinearMatMul ------------------------------------------------------------- */

/* Makes the result of an op quantized by what stands in inputs 6 and 7. */
static QccStatus quantize_result(QccOnnxNode *n, QccValue *y)
{
    QccOnnxParams p = {.scale = 6, .zero = 7, .dtype = QCC_U8};
    QCC_TRY(qcc_onnx_params(n, y->type, &p));
    if (!qcc_quant_is_tensor(p.quant, NULL, NULL)) {
        return qcc_onnx_unsupported(n, "a result of more than one scale");
    }
    qcc_value_set_type(y, qcc_type_quantized(n->im->ir, y->type, p.dtype, p.quant));
    return QCC_OK;
}

/* The stored value behind a dequantized weight that has been transposed. */
static QccStatus transposed_weight(QccOnnxNode *n, QccValue **w,
                                   QccStatus (*transpose)(QccOnnxNode *n, QccValue **w))
{
    QCC_TRY(qcc_onnx_emit(n, w, &qcc_op_dequantize, NULL, w, 1, NULL));
    QCC_TRY(transpose(n, w));
    QccOp *op = (*w)->def;
    if (op->def != &qcc_op_dequantize || !qcc_value_const(qcc_op_in(op, 0))) {
        return qcc_onnx_unsupported(n, "weights that are not constant");
    }
    *w = qcc_op_in(op, 0);
    return QCC_OK;
}

QccStatus qcc_onnx_stored_bias(QccOnnxNode *n, int i, const QccValue *x, const QccValue *w,
                               QccValue **bias)
{
    *bias = NULL;
    if (!qcc_onnx_has(n, i)) return QCC_OK;
    const QccBlob *blob = qcc_onnx_blob(n, i);
    if (!blob || blob->dtype != QCC_I32 || blob->rank != 1) {
        return qcc_onnx_unsupported(n, "a bias that is not a constant i32[o]");
    }
    float sx, *s = QCC_NEW_ARRAY(n->im->scratch, blob->dim[0], float);
    const QccQuant *qw = w->type->quant;
    qcc_quant_is_tensor(x->type->quant, &sx, NULL);
    const float *sw = qw->scale->data;
    for (int64_t o = 0; o < blob->dim[0]; o++)
        s[o] = (float)((double)sx * (double)sw[qw->scale->size > 4 ? o : 0]);
    bool fits = qw->scale->size == 4 || qw->scale->size == blob->dim[0] * 4;
    if (!fits) return qcc_onnx_wrong(n, "has %lld biases", (long long)blob->dim[0]);
    const QccQuant *quant =
        qcc_quant_axis(n->im->ir, QCC_I32, 1, 0, blob->dim[0], s, NULL, INT32_MIN, INT32_MAX);
    *bias = qcc_const_new(n->im->graph, NULL, NULL, blob, quant);
    return QCC_OK;
}

QccStatus qcc_onnx_qlinear_conv(QccOnnxNode *n)
{
    QccOnnxParams px = {.scale = 1, .zero = 2}, pw = {.scale = 4, .zero = 5};
    QccValue *x, *w, *bias, *y;
    int64_t groups;
    QccOnnxWindow window;
    QCC_TRY(qcc_onnx_stored(n, 0, &px, &x));
    QCC_TRY(qcc_onnx_stored(n, 3, &pw, &w));
    if (!qcc_quant_is_tensor(px.quant, NULL, NULL)) {
        return qcc_onnx_unsupported(n, "an input of more than one scale");
    }
    QCC_TRY(qcc_onnx_conv_window(n, &window, x->type, w->type, &groups));
    if (window.dims > 2) return qcc_onnx_unsupported(n, "%d spatial dimensions", window.n);
    QCC_TRY(qcc_onnx_stored_bias(n, 8, x, w, &bias));
    QccValue *last;
    QCC_TRY(qcc_onnx_take_last(n, &last, x));
    QCC_TRY(transposed_weight(n, &w, qcc_onnx_conv_weight));
    QCC_TRY(qcc_onnx_emit_conv(n, &y, last, w, bias, &window, groups));
    QCC_TRY(quantize_result(n, y));
    return qcc_onnx_give_first(n, 0, y, window.n);
}

static QccStatus swap_matrix(QccOnnxNode *n, QccValue **w)
{
    static const int swap[] = {1, 0};
    return qcc_onnx_transpose_weight(n, w, *w, swap);
}

QccStatus qcc_onnx_qlinear_matmul(QccOnnxNode *n)
{
    QccOnnxParams pa = {.scale = 1, .zero = 2, .axis = -2},
                  pb = {.scale = 4, .zero = 5, .axis = -1};
    QccValue *in[2];
    QCC_TRY(qcc_onnx_stored(n, 0, &pa, &in[0]));
    QCC_TRY(qcc_onnx_stored(n, 3, &pb, &in[1]));
    const QccType *a = in[0]->type, *b = in[1]->type;
    if (a->rank < 2 || b->rank < 2) return qcc_onnx_unsupported(n, "vectors");
    if (!qcc_quant_is_tensor(pa.quant, NULL, NULL)) {
        return qcc_onnx_unsupported(n, "a left side of more than one scale");
    }
    bool weight = b->rank == 2 && qcc_value_const(in[1]);
    if (weight) QCC_TRY(transposed_weight(n, &in[1], swap_matrix));
    QCC_TRY(qcc_onnx_emit_out(n, weight ? &qcc_op_fc : &qcc_op_matmul, in, 2, NULL));
    return quantize_result(n, n->out[0]);
}

/* ---- ConvInteger, MatMulInteger ------------------------------------------------------------- */

QccStatus qcc_onnx_conv_integer(QccOnnxNode *n)
{
    static const int to_ohwi[] = {0, 2, 3, 1};
    QccValue *in[4] = {0}, *y;
    for (int i = 0; i < n->nin; i++) in[i] = qcc_onnx_in(n, i);
    int64_t groups;
    QccOnnxWindow w;
    QCC_TRY(qcc_onnx_conv_window(n, &w, in[0]->type, in[1]->type, &groups));
    if (w.n != 2) return qcc_onnx_unsupported(n, "%d spatial dimensions", w.n);
    if (in[3] && in[3]->type->rank == 1) { /* one an output channel */
        QccDim dim[] = {in[3]->type->dim[0], qcc_dim(1), qcc_dim(1), qcc_dim(1)};
        QCC_TRY(qcc_onnx_reshape(n, &in[3], in[3], NULL, 4, dim));
    }
    QCC_TRY(qcc_onnx_take_last(n, &in[0], in[0]));
    QCC_TRY(qcc_onnx_transpose_weight(n, &in[1], in[1], to_ohwi));
    QccConvAttrs attrs = {.stride = {2, {w.stride[0], w.stride[1]}},
                          .pad = {4, {w.before[0], w.before[1], w.after[0], w.after[1]}},
                          .dilation = {2, {w.dilation[0], w.dilation[1]}},
                          .groups = groups};
    QCC_TRY(qcc_onnx_emit(n, &y, &qcc_op_conv_integer, NULL, in, n->nin, &attrs));
    return qcc_onnx_give_first(n, 0, y, 2);
}

QccStatus qcc_onnx_matmul_integer(QccOnnxNode *n)
{
    QccValue *in[4] = {0};
    for (int i = 0; i < n->nin; i++) in[i] = qcc_onnx_in(n, i);
    if (in[0]->type->rank < 2 || in[1]->type->rank < 2) return qcc_onnx_unsupported(n, "vectors");
    if (in[2] && in[2]->type->rank == 1 && in[2]->type->dim[0].n != 1) { /* one a row of a */
        QccDim dim[] = {in[2]->type->dim[0], qcc_dim(1)};
        QCC_TRY(qcc_onnx_reshape(n, &in[2], in[2], NULL, 2, dim));
    }
    return qcc_onnx_emit_out(n, &qcc_op_matmul_integer, in, n->nin, NULL);
}
