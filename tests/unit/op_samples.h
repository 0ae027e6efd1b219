/* op_samples - random instances of ops for tests of engines: quantized types, inputs, and what the
 * interpreter makes of them. */
#ifndef QCC_TESTS_OP_SAMPLES_H
#define QCC_TESTS_OP_SAMPLES_H

#include <string.h>

#include "ir/base/random.h"
#include "ir/interp.h"
#include "ir/op.h"
#include "ir/qmath.h"

/* ---- values ---------------------------------------------------------------------------------- */

/* Every value that the interpreter computed. */
typedef struct Seen {
    int n;
    int64_t cap;
    struct {
        const QccValue *value;
        void *data;
    } *item;
    QccArena *arena;
} Seen;

static inline QccStatus see(void *user, const QccValue *value, const QccTensor *t)
{
    Seen *s = user;
    int64_t size = qcc_type_bytes(value->type);
    s->item = qcc_grow(s->arena, s->item, s->n, &s->cap, sizeof *s->item);
    s->item[s->n].value = value;
    s->item[s->n].data = qcc_alloc(s->arena, (size_t)size + 1);
    memcpy(s->item[s->n++].data, t->data, (size_t)size);
    return QCC_OK;
}

static inline const void *seen(const Seen *s, const QccValue *v)
{
    for (int i = 0; i < s->n; i++)
        if (s->item[i].value == v) return s->item[i].data;
    return NULL;
}

static inline QccTensor random_input(QccRandom *r, QccArena *arena, const QccType *type)
{
    QccTensor t = qcc_tensor_new(arena, type);
    int64_t bytes = qcc_type_bytes(type);
    for (int64_t i = 0; i < bytes; i++) { /* now and then the greatest byte */
        uint32_t word = qcc_random_u32(r);
        ((uint8_t *)t.data)[i] = word >> 29 ? (uint8_t)word : 255;
    }
    for (int64_t i = 0; i < t.count; i++) {
        switch (type->dtype) { /* narrow floats and f64 of any bits are mostly no numbers */
        case QCC_F32: ((float *)t.data)[i] = qcc_random_f32(r, -3, 3); break;
        case QCC_F64: ((double *)t.data)[i] = 1.000000001 * (double)qcc_random_f32(r, -3, 3); break;
        case QCC_F16: ((uint16_t *)t.data)[i] = qcc_f32_to_f16(qcc_random_f32(r, -3, 3)); break;
        case QCC_BF16: ((uint16_t *)t.data)[i] = qcc_f32_to_bf16(qcc_random_f32(r, -3, 3)); break;
        case QCC_BOOL: ((uint8_t *)t.data)[i] = qcc_random_bool(r); break;
        default: break;
        }
    }
    return t;
}

/* ---- types ----------------------------------------------------------------------------------- */

/* `t` as u8 or i8 with a random scale and zero. */
static inline const QccType *random_quantized(QccIr *ir, QccRandom *r, const QccType *t,
                                              QccDtype dtype)
{
    float scale = qcc_random_f32(r, 0.005f, 0.05f);
    int32_t zero = (int32_t)qcc_random_range(r, 90, 160) - (dtype == QCC_I8 ? 128 : 0);
    return qcc_type_quantized(ir, t, dtype, qcc_quant_tensor(ir, dtype, scale, zero));
}

/* A constant of i8 per channel, or i32 for a bias, in the place of an f32 one. */
static inline void quantize_const(QccRandom *r, QccArena *arena, QccOp *op, int index, bool bias,
                                  int axis)
{
    const QccValue *old = op->in[index].value;
    QccIr *ir = op->graph->ir;
    int64_t dim[QCC_MAX_RANK], count = qcc_type_count(old->type);
    qcc_type_extents(old->type, dim); /* samples have no symbols */
    int rank = old->type->rank;
    if (axis < 0) axis += rank;
    QccDtype dtype = bias ? QCC_I32 : QCC_I8;
    void *data = qcc_alloc_array(arena, count, 4);
    /* Of 64 any two can be added to what bytes make of them in 16 bits, of 65 not. */
    static const int limits[] = {127, 127, 64, 65};
    int most = limits[qcc_random_range(r, 0, 3)];
    for (int64_t i = 0; i < count; i++) {
        int32_t w = (int32_t)qcc_random_range(r, -most, most);
        if (qcc_random_range(r, 0, 3) == 0) w = w < 0 ? -most : most;
        if (bias)
            ((int32_t *)data)[i] = (int32_t)qcc_random_range(r, -5000, 5000);
        else
            ((int8_t *)data)[i] = (int8_t)w;
    }
    float *scale = QCC_NEW_ARRAY(arena, count + 1, float);
    for (int64_t i = 0; i < count; i++) scale[i] = qcc_random_f32(r, 0.001f, 0.01f);
    if (bias) { /* counts in what the accumulator counts in */
        const float *sx = op->in[0].value->type->quant->scale->data;
        const float *sw = op->in[1].value->type->quant->scale->data;
        for (int64_t i = 0; i < count; i++) scale[i] = (float)((double)sx[0] * sw[i]);
    }
    const QccQuant *q =
        bias ? qcc_quant_axis(ir, QCC_I32, rank, axis, dim[axis], scale, NULL, INT32_MIN, INT32_MAX)
             : qcc_quant_axis(ir, QCC_I8, rank, axis, dim[axis], scale, NULL, -127, 127);
    QccValue *v =
        qcc_const_new(op->graph, op, NULL, qcc_blob(arena, dtype, rank, dim, data, false), q);
    qcc_op_set_operand(op, index, v);
}

/* Gives the one op of a sample quantized operands, as its rule says. *shared: the quantization that
 * its result must have (NULL: any). false: this op, or this sample, has no quantized form. */
static inline bool quantize_operands(QccRandom *r, QccArena *arena, QccOp *op, QccDtype dtype,
                                     const QccQuant **shared)
{
    const QccQuantRule *rule = &op->def->quant;
    bool affine = rule->kind == QCC_QUANT_AFFINE, same = rule->kind == QCC_QUANT_SAME_SCALE;
    *shared = NULL;
    if (rule->kind == QCC_QUANT_FLOAT) return false;
    for (int i = 0; i < op->nin; i++) {
        QccValue *v = op->in[i].value;
        if (!v || v->type->dtype != QCC_F32) continue;
        bool weight = affine && i == rule->weight && qcc_value_const(v);
        bool bias = affine && rule->bias && i == rule->bias;
        if (weight || bias) {
            quantize_const(r, arena, op, i, bias, bias ? 0 : rule->weight_axis);
            continue;
        }
        if (qcc_value_const(v) && same) return false;
        if (qcc_value_const(v)) continue;
        const QccType *t = random_quantized(op->graph->ir, r, v->type, dtype);
        if (same && *shared) t = qcc_type_quantized(op->graph->ir, t, dtype, *shared);
        if (same) *shared = t->quant;
        qcc_value_set_type(v, t);
    }
    return qcc_op_reinfer(op) == QCC_OK && op->out[0].type->dtype == QCC_F32;
}

/* The same, and a quantized result. */
static inline bool quantize_sample(QccRandom *r, QccArena *arena, QccOp *op, QccDtype dtype)
{
    const QccQuant *shared;
    if (!quantize_operands(r, arena, op, dtype, &shared)) return false;
    const QccType *t = random_quantized(op->graph->ir, r, op->out[0].type, dtype);
    if (shared) t = qcc_type_quantized(op->graph->ir, t, dtype, shared);
    qcc_value_set_type(&op->out[0], t);
    return true;
}

#endif
