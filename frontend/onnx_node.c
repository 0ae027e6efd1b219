/* onnx_node - what import functions read of a node, and how they make ops. */
#include "frontend/onnx.h"

#include "ir/interp.h"

#include <string.h>

/* Shape arithmetic is computed at once up to this many elements. */
enum { FOLD_MAX = 4096 };

/* ---- messages ----------------------------------------------------------------------------- */

QccStatus qcc_onnx_unsupported(const QccOnnxNode *n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *why = qcc_vsprintf(n->im->scratch, fmt, args);
    va_end(args);
    return qcc_fail(n->im->d, QCC_ERROR_UNSUPPORTED, n->loc, "unsupported op '%s': %s",
                    n->proto->op_type, why);
}

QccStatus qcc_onnx_wrong(const QccOnnxNode *n, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *why = qcc_vsprintf(n->im->scratch, fmt, args);
    va_end(args);
    return qcc_error(n->im->d, n->loc, "'%s' %s", n->proto->op_type, why);
}

/* ---- inputs ------------------------------------------------------------------------------- */

bool qcc_onnx_has(const QccOnnxNode *n, int i)
{
    return i < n->nin && n->in[i];
}

QccValue *qcc_onnx_in(QccOnnxNode *n, int i)
{
    return qcc_onnx_has(n, i) ? qcc_onnx_value(n->im, n->in[i]) : NULL;
}

const QccBlob *qcc_onnx_blob(const QccOnnxNode *n, int i)
{
    if (!qcc_onnx_has(n, i)) return NULL;
    const QccOnnxValue *v = n->in[i];
    if (v->blob) return v->blob;
    /* What is quantized holds other numbers than the value means. */
    return v->value->type->quant ? NULL : qcc_value_const(v->value);
}

static int64_t blob_count(const QccBlob *blob)
{
    int64_t count = 1;
    for (int i = 0; i < blob->rank; i++) count *= blob->dim[i];
    return count;
}

double qcc_onnx_real(const QccOnnxNode *n, const QccBlob *blob, int64_t i)
{
    const QccType *type = qcc_type_shape(n->im->ir, blob->dtype, blob->rank, blob->dim);
    QccTensor t = qcc_tensor_view(type, blob->data);
    return qcc_tensor_real(&t, i);
}

QccStatus qcc_onnx_blob_in(const QccOnnxNode *n, int i, const char *what, const QccBlob **blob)
{
    *blob = qcc_onnx_blob(n, i);
    if (*blob || !qcc_onnx_has(n, i)) return QCC_OK;
    return qcc_onnx_unsupported(n, "its input '%s' (%s) is not constant", n->in[i]->name, what);
}

QccStatus qcc_onnx_scalar_in(const QccOnnxNode *n, int i, const char *what, double *value)
{
    const QccBlob *blob;
    QCC_TRY(qcc_onnx_blob_in(n, i, what, &blob));
    if (!blob) return QCC_OK;
    if (blob_count(blob) != 1) {
        return qcc_onnx_wrong(n, "needs one element in '%s' (%s)", n->in[i]->name, what);
    }
    *value = qcc_onnx_real(n, blob, 0);
    return QCC_OK;
}

QccStatus qcc_onnx_ints_in(const QccOnnxNode *n, int i, const char *what, QccInts *v, bool *given)
{
    const QccBlob *blob;
    QCC_TRY(qcc_onnx_blob_in(n, i, what, &blob));
    *given = blob;
    if (!blob) return QCC_OK;
    int64_t count = blob_count(blob);
    if ((blob->dtype != QCC_I64 && blob->dtype != QCC_I32) || blob->rank > 1) {
        return qcc_onnx_wrong(n, "needs a list of integers in '%s' (%s)", n->in[i]->name, what);
    }
    if (count > QCC_INTS_MAX) {
        return qcc_onnx_unsupported(n, "%lld numbers in '%s' (%s), at most %d", (long long)count,
                                    n->in[i]->name, what, QCC_INTS_MAX);
    }
    v->n = (int)count;
    for (int k = 0; k < v->n; k++) {
        v->v[k] = blob->dtype == QCC_I64 ? ((const int64_t *)blob->data)[k]
                                         : ((const int32_t *)blob->data)[k];
    }
    return QCC_OK;
}

/* ---- attributes --------------------------------------------------------------------------- */

const Onnx__AttributeProto *qcc_onnx_attr(QccOnnxNode *n, const char *name)
{
    const Onnx__AttributeProto *found = NULL;
    for (size_t i = 0; i < n->proto->n_attribute; i++) {
        const Onnx__AttributeProto *a = n->proto->attribute[i];
        if (!a->name || strcmp(a->name, name)) continue;
        n->attr_seen[i] = true;
        if (!found) found = a;
    }
    return found;
}

typedef Onnx__AttributeProto__AttributeType AttrType;

/* The attribute if it is of the type; NULL when absent. The type may be missing in old files. */
static QccStatus typed_attr(QccOnnxNode *n, const char *name, AttrType type, bool has,
                            const Onnx__AttributeProto *a, const char *wanted)
{
    if (a->ref_attr_name && a->ref_attr_name[0]) {
        return qcc_onnx_unsupported(n, "its attribute '%s' refers to a function's", name);
    }
    bool right = a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED
                     ? a->type == type
                     : has;
    return right ? QCC_OK : qcc_onnx_wrong(n, "needs %s in attribute '%s'", wanted, name);
}

QccStatus qcc_onnx_attr_int(QccOnnxNode *n, const char *name, int64_t *value)
{
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, name);
    if (!a) return QCC_OK;
    QCC_TRY(
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, a->has_i, a, "an integer"));
    *value = a->i;
    return QCC_OK;
}

QccStatus qcc_onnx_attr_bool(QccOnnxNode *n, const char *name, bool *value)
{
    int64_t number = *value;
    QCC_TRY(qcc_onnx_attr_int(n, name, &number));
    if (number != 0 && number != 1) {
        return qcc_onnx_wrong(n, "needs 0 or 1 in attribute '%s'", name);
    }
    *value = number;
    return QCC_OK;
}

QccStatus qcc_onnx_attr_float(QccOnnxNode *n, const char *name, double *value)
{
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, name);
    if (!a) return QCC_OK;
    QCC_TRY(
        typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, a->has_f, a, "a number"));
    *value = (double)a->f;
    return QCC_OK;
}

QccStatus qcc_onnx_attr_ints(QccOnnxNode *n, const char *name, QccInts *v, bool *given)
{
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, name);
    *given = a;
    if (!a) return QCC_OK;
    QCC_TRY(typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, true, a,
                       "a list of integers"));
    if (a->n_ints > QCC_INTS_MAX) {
        return qcc_onnx_unsupported(n, "%zu numbers in attribute '%s', at most %d", a->n_ints, name,
                                    QCC_INTS_MAX);
    }
    v->n = (int)a->n_ints;
    for (int i = 0; i < v->n; i++) v->v[i] = a->ints[i];
    return QCC_OK;
}

QccStatus qcc_onnx_attr_string(QccOnnxNode *n, const char *name, const char **value)
{
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, name);
    if (!a) return QCC_OK;
    QCC_TRY(typed_attr(n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, a->has_s, a,
                       "a string"));
    *value = qcc_strndup(n->im->scratch, (const char *)a->s.data, a->s.len);
    return QCC_OK;
}

QccStatus qcc_onnx_over(QccOnnxNode *n, QccValue *const *in, int nin,
                        QccStatus (*import)(QccOnnxNode *n))
{
    QccOnnxValue **own = n->in;
    int count = n->nin;
    n->in = QCC_NEW_ARRAY(n->im->scratch, nin, QccOnnxValue *);
    n->nin = nin;
    for (int i = 0; i < nin; i++) {
        if (!in[i]) continue;
        n->in[i] = QCC_NEW(n->im->scratch, QccOnnxValue);
        *n->in[i] = (QccOnnxValue){.name = in[i]->name, .value = in[i]};
    }
    QCC_TRY(import(n));
    n->in = own;
    n->nin = count;
    return QCC_OK;
}

/* ---- making ops --------------------------------------------------------------------------- */

const char *qcc_onnx_name(const QccOnnxNode *n, const char *suffix)
{
    int first = 0;
    while (first < n->nout - 1 && !n->proto->output[first][0]) first++;
    const char *name = qcc_sprintf(n->im->scratch, "%s%s", n->proto->output[first], suffix);
    return qcc_onnx_value_name(n->im, name);
}

/* Whether the op is arithmetic on constant shapes, which many nodes may do. */
static bool folds(const QccOnnxImport *im, const QccOp *op)
{
    const QccType *type = op->out[0].type;
    int64_t count = qcc_type_count(type);
    if (im->made >= QCC_ONNX_CONSTANTS_MAX) return false;
    if (op->nout != 1 || op->nin == 0 || count < 0 || count > FOLD_MAX) return false;
    bool shape = type->dtype == QCC_I64 || type->dtype == QCC_I32 || type->dtype == QCC_BOOL;
    if (!shape && op->def != &qcc_op_cast) return false; /* scalars are often cast to their type */
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = qcc_op_in(op, i);
        if (v && (!qcc_value_const(v) || v->type->quant)) return false;
    }
    return true;
}

static QccStatus fold(QccOnnxImport *im, QccValue **out, QccOp *op, const char *name)
{
    QccTensor *in = QCC_NEW_ARRAY(im->scratch, op->nin, QccTensor);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = qcc_op_in(op, i);
        if (v) in[i] = qcc_tensor_view(v->type, qcc_value_const(v)->data);
    }
    QccTensor result = qcc_tensor_new(im->arena, op->out[0].type);
    im->made += qcc_dtype_size(result.type->dtype, result.count);
    QccArena *work = qcc_arena_sub(im->scratch); /* given back: a file may have many */
    QCC_TRY(qcc_interp_op(op, in, &result, work));
    qcc_arena_free(work);
    const QccBlob *blob =
        qcc_blob(im->arena, result.type->dtype, result.type->rank, result.dim, result.data, false);
    qcc_op_remove(op);
    *out = qcc_const_new(im->graph, NULL, name, blob, NULL);
    return QCC_OK;
}

/* What moves quantized values of one scale, or picks some of them, leaves them quantized. */
static void keep_stored(QccIr *ir, QccOp *op)
{
    const QccType *t = op->nin ? qcc_op_in(op, 0)->type : NULL;
    if (op->def->quant.kind != QCC_QUANT_SAME_SCALE || !t || !t->quant) return;
    if (!qcc_quant_is_tensor(t->quant, NULL, NULL)) return;
    for (int i = 1; op->def == &qcc_op_concat && i < op->nin; i++) {
        const QccType *other = qcc_op_in(op, i)->type;
        if (other->quant != t->quant || other->dtype != t->dtype) return;
    }
    QccValue *y = &op->out[0];
    qcc_value_set_type(y, qcc_type_quantized(ir, y->type, t->dtype, t->quant));
}

QccStatus qcc_onnx_emit(QccOnnxNode *n, QccValue **out, const QccOpDef *def, const char *name,
                        QccValue *const *in, int nin, const void *attrs)
{
    QccOp *op;
    QCC_TRY(qcc_op_new(&op, n->im->graph, NULL, def, n->loc, name, in, nin, attrs));
    *out = &op->out[0];
    keep_stored(n->im->ir, op);
    return folds(n->im, op) ? fold(n->im, out, op, name) : QCC_OK;
}

QccStatus qcc_onnx_emit_out(QccOnnxNode *n, const QccOpDef *def, QccValue *const *in, int nin,
                            const void *attrs)
{
    return qcc_onnx_emit(n, &n->out[0], def, qcc_onnx_name(n, ""), in, nin, attrs);
}

QccStatus qcc_onnx_transpose(QccOnnxNode *n, QccValue **out, QccValue *x, const char *name,
                             const int *perm)
{
    QccPermAttrs attrs = {.perm = {.n = x->type->rank}};
    for (int i = 0; i < x->type->rank; i++) attrs.perm.v[i] = perm[i];
    return qcc_onnx_emit(n, out, &qcc_op_transpose, name, &x, 1, &attrs);
}

/* Whether nothing lies in these extents, all of which are known. */
static bool is_empty(int rank, const QccDim *dim)
{
    bool none = false;
    for (int i = 0; i < rank; i++) {
        if (dim[i].sym[0]) return false;
        none |= dim[i].n == 0;
    }
    return none;
}

/* The constant without elements. */
static QccStatus empty(QccOnnxNode *n, QccValue **out, QccDtype dtype, const char *name, int rank,
                       const QccDim *dim)
{
    int64_t extent[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) extent[i] = dim[i].n;
    void *data = qcc_alloc_aligned(n->im->arena, 1, 64);
    *out = qcc_const_new(n->im->graph, NULL, name,
                         qcc_blob(n->im->arena, dtype, rank, extent, data, false), NULL);
    return QCC_OK;
}

QccStatus qcc_onnx_reshape(QccOnnxNode *n, QccValue **out, QccValue *x, const char *name, int rank,
                           const QccDim *dim)
{
    QccShapeAttrs attrs = {0};
    QccDim to[QCC_MAX_RANK];
    bool inferred = false;
    for (int i = 0; i < rank; i++) {
        to[i] = dim[i];
        if (!dim[i].sym[0] && dim[i].n != 0) continue;
        if (i < x->type->rank && qcc_dim_equal(&dim[i], &x->type->dim[i])) {
            to[i] = qcc_dim(0);
        } else if (!inferred && dim[i].sym[0]) {
            to[i] = qcc_dim(-1);
            inferred = true;
        } else if (is_empty(rank, dim)) {
            return empty(n, out, x->type->dtype, name, rank, dim);
        } else if (!dim[i].sym[0]) {
            return qcc_onnx_unsupported(n, "an extent of 0 changes its place");
        }
    }
    qcc_dims_split(n->im->scratch, &attrs.shape, &attrs.symbols, rank, to);
    return qcc_onnx_emit(n, out, &qcc_op_reshape, name, &x, 1, &attrs);
}

/* Copies elements of `bytes` bytes so that dimension i of the result is perm[i] of the source. */
static void permute(char *to, const char *from, int rank, const int64_t *dim, const int *perm,
                    size_t bytes)
{
    int64_t stride[QCC_MAX_RANK], extent[QCC_MAX_RANK], index[QCC_MAX_RANK] = {0};
    int64_t count = 1;
    for (int i = 0; i < rank; i++) {
        stride[i] = 1;
        for (int k = perm[i] + 1; k < rank; k++) stride[i] *= dim[k];
        extent[i] = dim[perm[i]];
        count *= extent[i];
    }
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        memcpy(to + (size_t)i * bytes, from + (size_t)at * bytes, bytes);
        for (int k = rank - 1; k >= 0; k--) {
            at += stride[k];
            if (++index[k] < extent[k]) break;
            at -= stride[k] * extent[k];
            index[k] = 0;
        }
    }
}

typedef struct Permuted {
    const QccBlob *from, *to;
    int perm[QCC_MAX_RANK];
} Permuted;

/* Weights that several nodes share stay shared, or a small file could ask for any memory. */
static const QccBlob *permute_blob(QccOnnxImport *im, const QccBlob *blob, const int *perm)
{
    size_t size = (size_t)blob->rank * sizeof *perm;
    uint64_t hash = qcc_hash(qcc_hash(0, &blob, sizeof(const void *)), perm, size);
    int64_t at = -1;
    Permuted *p;
    while ((p = qcc_table_next(&im->permuted, hash, &at)))
        if (p->from == blob && !memcmp(p->perm, perm, size)) return p->to;

    int64_t dim[QCC_MAX_RANK];
    for (int i = 0; i < blob->rank; i++) dim[i] = blob->dim[perm[i]];
    void *data = qcc_alloc_aligned(im->arena, blob->size ? (size_t)blob->size : 1, 64);
    permute(data, blob->data, blob->rank, blob->dim, perm, (size_t)qcc_dtype_bits(blob->dtype) / 8);
    p = QCC_NEW(im->scratch, Permuted);
    p->from = blob;
    p->to = qcc_blob(im->arena, blob->dtype, blob->rank, dim, data, false);
    memcpy(p->perm, perm, size);
    qcc_table_add(&im->permuted, hash, p);
    return p->to;
}

/* The quantization of a permuted tensor; NULL where that would reorder its entries. */
static bool permute_quant(QccQuant *q, int rank, const int *perm)
{
    int blocked = 0;
    QccQuant old = *q;
    for (int i = 0; i < rank; i++) {
        q->block[i] = old.block[perm[i]];
        blocked += q->block[i] != 0;
    }
    return blocked <= 1;
}

QccStatus qcc_onnx_transpose_weight(QccOnnxNode *n, QccValue **out, QccValue *w, const int *perm)
{
    QccOnnxImport *im = n->im;
    const char *name = qcc_onnx_value_name(
        im, qcc_sprintf(im->scratch, "%s_%s", w->name, w->type->rank == 4 ? "ohwi" : "t"));
    const QccBlob *blob = qcc_value_const(w);
    if (blob && !w->type->quant && qcc_dtype_bits(blob->dtype) >= 8) {
        *out = qcc_const_new(im->graph, NULL, name, permute_blob(im, blob, perm), NULL);
        return QCC_OK;
    }
    const QccValue *q = w->def && w->def->def == &qcc_op_dequantize ? qcc_op_in(w->def, 0) : NULL;
    blob = q ? qcc_value_const(q) : NULL;
    QccQuant quant;
    if (blob && q->type->quant && qcc_dtype_bits(blob->dtype) >= 8) {
        quant = *q->type->quant;
        if (permute_quant(&quant, blob->rank, perm)) {
            const char *qname = qcc_onnx_value_name(im, qcc_sprintf(im->scratch, "%s_q", name));
            QccValue *c =
                qcc_const_new(im->graph, NULL, qname, permute_blob(im, blob, perm), &quant);
            return qcc_onnx_emit(n, out, &qcc_op_dequantize, name, &c, 1, NULL);
        }
    }
    return qcc_onnx_transpose(n, out, w, name, perm);
}

QccValue *qcc_onnx_f32(QccOnnxNode *n, float x)
{
    const QccBlob *blob = qcc_blob(n->im->arena, QCC_F32, 0, NULL, &x, true);
    return qcc_const_new(n->im->graph, NULL, NULL, blob, NULL);
}

QccStatus qcc_onnx_real_like(QccOnnxNode *n, QccValue **out, const QccValue *like, double x)
{
    QccValue *wide = qcc_const_new(n->im->graph, NULL, NULL,
                                   qcc_blob(n->im->arena, QCC_F64, 0, NULL, &x, true), NULL);
    QccCastAttrs attrs = {.to = (int)qcc_type_real(n->im->ir, like->type)->dtype};
    return qcc_onnx_emit(n, out, &qcc_op_cast, NULL, &wide, 1, &attrs);
}

QccStatus qcc_onnx_is_test(QccOnnxNode *n)
{
    bool test = false;
    if (n->im->opset >= 7) return QCC_OK;
    QCC_TRY(qcc_onnx_attr_bool(n, "is_test", &test));
    return test ? QCC_OK : qcc_onnx_unsupported(n, "training mode");
}

QccStatus qcc_onnx_axis(const QccOnnxNode *n, int rank, int64_t *axis)
{
    if (*axis < -rank || *axis >= rank) {
        return qcc_onnx_wrong(n, "has axis %lld, its operand has %d dimensions", (long long)*axis,
                              rank);
    }
    if (*axis < 0) *axis += rank;
    return QCC_OK;
}
