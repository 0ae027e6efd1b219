/* rewrite - small steps that passes share, see rewrite.h. */
#include "passes/rewrite.h"

#include <string.h>

const float *qcc_const_reals(QccArena *scratch, const QccValue *value, int64_t *n)
{
    const QccBlob *blob = qcc_value_const(value);
    if (!blob || (!value->type->quant && !qcc_dtype_is_float(value->type->dtype))) return NULL;
    QccTensor t = qcc_tensor_view(value->type, blob->data);
    float *real = QCC_NEW_ARRAY(scratch, t.count + 1, float);
    qcc_tensor_to_f32(real, &t);
    if (n) *n = t.count;
    return real;
}

bool qcc_const_is_f32(const QccValue *value, const float **data)
{
    const QccBlob *blob = value ? qcc_value_const(value) : NULL;
    if (!blob || value->type->dtype != QCC_F32 || value->type->quant) return false;
    *data = blob->data;
    return true;
}

bool qcc_const_is_splat(const QccValue *value, float *x)
{
    const float *data;
    if (!qcc_const_is_f32(value, &data)) return false;
    int64_t n = qcc_type_count(value->type);
    if (n <= 0) return false;
    for (int64_t i = 1; i < n; i++) {
        if (data[i] != data[0]) return false;
    }
    *x = data[0];
    return true;
}

QccValue *qcc_const_f32(QccGraph *g, QccOp *before, const char *name, int rank, const int64_t *dim,
                        const float *data)
{
    return qcc_const_new(g, before, name, qcc_blob(g->arena, QCC_F32, rank, dim, data, true), NULL);
}

QccOp *qcc_sole_user(const QccValue *value)
{
    return value->uses && !value->uses->next ? value->uses->user : NULL;
}

bool qcc_op_is(const QccOp *op, const QccOpDef *def)
{
    return op && op->def == def;
}

QccOp *qcc_def_is(const QccValue *value, const QccOpDef *def)
{
    return value && qcc_op_is(value->def, def) ? value->def : NULL;
}

bool qcc_depth_fits(const QccOp *op)
{
    const QccType *a = op->in[0].value->type;
    const QccDim *k = &a->dim[a->rank - 1];
    return !k->sym[0] && k->n <= QCC_MATMUL_DEPTH;
}

QccStatus qcc_make(QccValue **out, QccGraph *g, QccOp *before, const QccOpDef *def, QccLoc loc,
                   QccValue *const *in, int nin, const void *attrs)
{
    QccOp *op;
    QCC_TRY(qcc_op_new(&op, g, before, def, loc, NULL, in, nin, attrs));
    *out = &op->out[0];
    return QCC_OK;
}

static QccLoc loc_of(const QccValue *value)
{
    return value->def ? value->def->loc : (QccLoc){0};
}

QccStatus qcc_make_quantize(QccValue **out, QccGraph *g, QccOp *before, QccValue *value,
                            QccDtype dtype, const QccQuant *quant)
{
    QccOp *op;
    const char *name = qcc_sprintf(g->arena, "%s.q", value->name);
    QCC_TRY(qcc_op_new(&op, g, before, &qcc_op_quantize, loc_of(value), name, &value, 1, NULL));
    qcc_value_set_type(&op->out[0], qcc_type_quantized(g->ir, value->type, dtype, quant));
    if (value->has_range) qcc_value_set_range(&op->out[0], value->lo, value->hi);
    *out = &op->out[0];
    return QCC_OK;
}

QccStatus qcc_make_dequantize(QccValue **out, QccGraph *g, QccOp *before, QccValue *value)
{
    QccOp *op;
    const char *name = qcc_sprintf(g->arena, "%s.f", value->name);
    QCC_TRY(qcc_op_new(&op, g, before, &qcc_op_dequantize, loc_of(value), name, &value, 1, NULL));
    if (value->has_range) qcc_value_set_range(&op->out[0], value->lo, value->hi);
    *out = &op->out[0];
    return QCC_OK;
}

void qcc_op_replace(QccOp *op, QccValue *to)
{
    QccValue *from = &op->out[0];
    const char *name = from->name;
    bool fresh = to->def && !to->uses;
    if (from->has_range && !to->has_range) qcc_value_set_range(to, from->lo, from->hi);
    qcc_value_replace(from, to);
    qcc_op_remove(op);
    /* Only a value that was made for this place is called as the one that it stands for. */
    if (fresh) qcc_value_rename(to, name);
}

static bool is_loop(const QccOp *op)
{
    return op->def->traits & QCC_TRAIT_LOOP;
}

QccStatus qcc_fold_op(QccOp *op, int64_t limit, QccArena *scratch, bool *done)
{
    *done = false;
    /* A loop takes longer than its bytes say. */
    if (op->nout != 1 || op->nin == 0 || is_loop(op)) return QCC_OK;
    int64_t bytes = qcc_type_bytes(op->out[0].type), operands = 0;
    QccTensor *in = QCC_NEW_ARRAY(scratch, op->nin, QccTensor);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        if (!value) continue;
        const QccBlob *blob = qcc_value_const(value);
        if (!blob) return QCC_OK;
        in[i] = qcc_tensor_view(value->type, blob->data);
        operands += blob->size;
    }
    if (bytes < 0 || (bytes > limit && bytes > operands)) return QCC_OK;

    /* Of its own: thousands of ops may be folded in one pass. */
    QccArena *work = qcc_arena_sub(scratch);
    QccTensor out = qcc_tensor_new(work, op->out[0].type);
    QCC_TRY(qcc_interp_op(op, in, &out, work));
    const QccType *t = op->out[0].type;
    QccBlob *blob = qcc_blob(op->graph->arena, t->dtype, t->rank, out.dim, out.data, true);
    qcc_arena_free(work);
    qcc_op_replace(op, qcc_const_new(op->graph, op, NULL, blob, t->quant));
    *done = true;
    return QCC_OK;
}

/* Evaluates the op behind *value if its operands are constants. */
static QccStatus fold_value(QccValue **value, QccArena *scratch)
{
    QccOp *op = (*value)->def;
    QccGraph *g = op->graph;
    if (!qcc_value_const(op->in[0].value)) return QCC_OK;
    QccOp *next = op->next;
    bool done;
    QCC_TRY(qcc_fold_op(op, INT64_MAX, scratch, &done));
    /* The constant stands where the op stood. */
    if (done) *value = &(next ? next->prev : g->last)->out[0];
    return QCC_OK;
}

/* The quantization of a tensor whose dimension i is dimension perm[i] of one quantized by q. */
static const QccQuant *permute_quant(QccIr *ir, const QccType *t, const QccInts *perm)
{
    const QccQuant *q = t->quant;
    int axis = -1;
    for (int i = 0; i < t->rank; i++) {
        if (q->block[i] == 0) continue;
        if (axis >= 0 || q->block[i] != 1) return NULL;
        axis = i;
    }
    if (axis < 0) return q;
    for (int i = 0; i < perm->n; i++) {
        if (perm->v[i] != axis) continue;
        return qcc_quant_axis(ir, t->dtype, t->rank, i, t->dim[axis].n, q->scale->data,
                              q->zero->data, q->qmin, q->qmax);
    }
    return NULL;
}

/* Moves a constant of any type: the elements as stored, the quantization along with them. */
static QccStatus transpose_quantized(QccValue **out, QccGraph *g, QccOp *before, QccValue *value,
                                     const QccInts *perm, QccArena *scratch)
{
    const QccBlob *blob = qcc_value_const(value);
    const QccQuant *quant = permute_quant(g->ir, value->type, perm);
    if (!quant) {
        return qcc_fail(&g->ir->diags, QCC_ERROR_UNSUPPORTED, loc_of(value),
                        "a constant that is quantized in blocks cannot be transposed");
    }
    QccValue *plain = qcc_const_new(g, before, NULL, blob, NULL), *moved;
    QccPermAttrs attrs = {.perm = *perm};
    QCC_TRY(qcc_make(&moved, g, before, &qcc_op_transpose, loc_of(value), &plain, 1, &attrs));
    QCC_TRY(fold_value(&moved, scratch));
    const QccBlob *result = qcc_value_const(moved);
    QccOp *temporary = moved->def;
    *out = qcc_const_new(g, before, value->name, result, quant);
    qcc_op_remove(temporary);
    if (!plain->uses) qcc_op_remove(plain->def);
    return QCC_OK;
}

QccStatus qcc_make_transpose(QccValue **out, QccGraph *g, QccOp *before, QccValue *value,
                             const QccInts *perm, QccArena *scratch)
{
    if (qcc_value_const(value) && value->type->quant) {
        return transpose_quantized(out, g, before, value, perm, scratch);
    }
    QccPermAttrs attrs = {.perm = *perm};
    QCC_TRY(qcc_make(out, g, before, &qcc_op_transpose, loc_of(value), &value, 1, &attrs));
    return fold_value(out, scratch);
}

QccStatus qcc_make_reshape(QccValue **out, QccGraph *g, QccOp *before, QccValue *value, int rank,
                           const int64_t *dim, QccArena *scratch)
{
    QccShapeAttrs attrs = {.shape = {.n = rank}};
    memcpy(attrs.shape.v, dim, (size_t)rank * sizeof *dim);
    QCC_TRY(qcc_make(out, g, before, &qcc_op_reshape, loc_of(value), &value, 1, &attrs));
    return fold_value(out, scratch);
}

int64_t qcc_remove_dead(QccGraph *g)
{
    int64_t removed = 0;
    for (QccOp *op = g->last, *prev; op; op = prev) {
        prev = op->prev;
        if (op->def->traits & QCC_TRAIT_TERMINATOR) continue;
        bool used = false;
        for (int i = 0; i < op->nout; i++) used = used || op->out[i].uses;
        if (used && is_loop(op)) removed += qcc_remove_dead(op->body);
        if (used) continue;
        qcc_op_remove(op);
        removed++;
    }
    return removed;
}

QccStatus qcc_visit_graphs(QccGraph *g, QccStatus (*fn)(QccGraph *g, void *user), void *user)
{
    QCC_FOR_OPS(op, g)
    {
        if (is_loop(op)) QCC_TRY(qcc_visit_graphs(op->body, fn, user));
    }
    return fn(g, user);
}

QccOp *qcc_op_after(const QccValue *value)
{
    return value->def ? value->def->next : value->graph->first;
}

/* ---- numbers for pointers ------------------------------------------------------------------ */

void qcc_ptr_map_init(QccPtrMap *map, QccArena *arena)
{
    *map = (QccPtrMap){.arena = arena};
}

static int slot_of(const QccPtrMap *map, const void *key)
{
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    int slot = (int)(h >> 33) & (map->slots - 1);
    while (map->key[slot] && map->key[slot] != key) slot = (slot + 1) & (map->slots - 1);
    return slot;
}

int qcc_ptr_map_find(const QccPtrMap *map, const void *key)
{
    if (map->slots == 0) return -1;
    int slot = slot_of(map, key);
    return map->key[slot] ? map->number[slot] : -1;
}

int qcc_ptr_map_add(QccPtrMap *map, const void *key)
{
    if (map->n * 2 >= map->slots) {
        QccPtrMap old = *map;
        map->slots = old.slots ? old.slots * 2 : 64;
        map->key = QCC_NEW_ARRAY(map->arena, map->slots, const void *);
        map->number = QCC_NEW_ARRAY(map->arena, map->slots, int);
        for (int i = 0; i < old.slots; i++) {
            if (!old.key[i]) continue;
            int slot = slot_of(map, old.key[i]);
            map->key[slot] = old.key[i];
            map->number[slot] = old.number[i];
        }
    }
    int slot = slot_of(map, key);
    if (!map->key[slot]) {
        map->key[slot] = key;
        map->number[slot] = map->n++;
    }
    return map->number[slot];
}
