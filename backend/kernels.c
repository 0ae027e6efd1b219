/* kernels - a description is finished: expressions joined, dimensions merged, constants found. */
#include "backend/lowering.h"

#include "backend/pack.h"
#include "backend/variant.h"

#include <assert.h>
#include <string.h>

/* ---- expressions ----------------------------------------------------------------------------- */

int qcc_expr_splice(QccExpr *e, const QccExpr *from, int acc, const int *arg)
{
    int *map = QCC_NEW_ARRAY(e->arena, from->n, int);
    for (int i = 0; i < from->n; i++) {
        const QccExprNode *node = &from->node[i];
        int in[3] = {-1, -1, -1};
        for (int j = 0; j < 3; j++)
            if (node->in[j] >= 0) in[j] = map[node->in[j]];
        switch (node->op) {
        case QCC_EX_acc: map[i] = acc; continue;
        case QCC_EX_arg: map[i] = qcc_expr_arg(e, arg[node->imm.i], node->type); continue;
        case QCC_EX_lut: map[i] = qcc_expr_lut(e, arg[node->imm.i], in[0]); continue;
        case QCC_EX_load: map[i] = qcc_expr_load(e, arg[node->imm.i], node->type, in[0]); continue;
        case QCC_EX_cvt: map[i] = qcc_expr_cvt(e, node->type, in[0]); continue;
        case QCC_EX_bits: map[i] = qcc_expr_bits(e, node->type, in[0]); continue;
        case QCC_EX_imm:
            map[i] = node->type == QCC_EX_F32
                         ? qcc_expr_f32(e, node->imm.f32)
                         : qcc_expr_imm(e, node->type, node->imm.f64, node->imm.i);
            continue;
        default: break;
        }
        switch (qcc_expr_arity(node->op)) {
        case 1: map[i] = qcc_expr_op1(e, node->op, in[0]); break;
        case 2: map[i] = qcc_expr_op2(e, node->op, in[0], in[1]); break;
        default: map[i] = qcc_expr_op3(e, node->op, in[0], in[1], in[2]); break;
        }
    }
    return map[from->result];
}

/* ---- constants ------------------------------------------------------------------------------- */

int qcc_add_constant(QccLowering *l, const QccBlob *blob)
{
    QccLowered *out = l->out;
    uint64_t hash = qcc_hash(blob->hash, &blob->size, sizeof blob->size);
    int64_t at = -1;
    const int *known;
    while ((known = qcc_table_next(&l->constants, hash, &at))) {
        const QccBlob *b = out->constant[*known];
        if (b == blob || (b->size == blob->size && b->dtype == blob->dtype &&
                          memcmp(b->data, blob->data, (size_t)b->size) == 0))
            return *known;
    }
    int *number = QCC_NEW(l->arena, int);
    *number = out->nconst;
    qcc_table_add(&l->constants, hash, number);
    out->constant =
        qcc_grow(l->arena, out->constant, out->nconst, &out->const_cap, sizeof *out->constant);
    out->constant[out->nconst++] = blob;
    return *number;
}

/* Weights that have been packed for a kernel. */
typedef struct Packed {
    int kernel;
    const QccBlob *weight;
    int constant;
} Packed;

static const QccBlob *pack(QccArena *arena, const QccKernel *k, const QccTarget *t,
                           const QccBlob *weight, void *data)
{
    int64_t size = qcc_pack_size(k, t);
    qcc_pack(data, k, t, weight->data);
    return qcc_blob(arena, QCC_U8, 1, &size, data, false);
}

/* Room for that many bytes, at pool->at. Weights lie one behind the other in large pieces of
 * memory, for which the system may have large pages. */
static void make_room(QccPackPool *pool, int64_t size)
{
    enum { PIECE = 1 << 20 };
    if (pool->end - pool->at >= size) return;
    if (size < pool->expected) size = pool->expected;
    if (size < PIECE) size = PIECE;
    pool->expected = 0;
    pool->at = qcc_alloc_pages(pool->arena, (size_t)size);
    pool->end = pool->at + size;
}

/* The pool's blob of the same bytes, made when there is none. */
static const QccBlob *pack_in_pool(QccPackPool *pool, const QccKernel *k, const QccTarget *t,
                                   const QccBlob *weight)
{
    int64_t size = (qcc_pack_size(k, t) + QCC_READ_SLACK + 63) & -64;
    make_room(pool, size);
    const QccBlob *fresh = pack(pool->arena, k, t, weight, pool->at), *known;
    if (pool->spent) pool->spent(pool->user, weight->data, weight->size);
    int64_t at = -1;
    while ((known = qcc_table_next(&pool->packed, fresh->hash, &at)))
        if (known->size == fresh->size &&
            memcmp(known->data, fresh->data, (size_t)fresh->size) == 0)
            return known;
    qcc_table_add(&pool->packed, fresh->hash, (QccBlob *)(uintptr_t)fresh);
    pool->at += size;
    return fresh;
}

static const QccBlob *pack_alone(QccArena *arena, const QccKernel *k, const QccTarget *t,
                                 const QccBlob *weight)
{
    size_t size = (size_t)(qcc_pack_size(k, t) + QCC_READ_SLACK);
    return pack(arena, k, t, weight, qcc_alloc_aligned(arena, size, 64));
}

static int pack_weight(QccLowering *l, int kernel, const QccBlob *weight)
{
    uint64_t hash = qcc_hash(qcc_hash(0, &kernel, sizeof kernel), &weight->hash, sizeof(uint64_t));
    int64_t at = -1;
    Packed *p;
    while ((p = qcc_table_next(&l->packed, hash, &at)))
        if (p->kernel == kernel && p->weight->size == weight->size &&
            (p->weight->data == weight->data ||
             memcmp(p->weight->data, weight->data, (size_t)weight->size) == 0))
            return p->constant;
    const QccKernel *k = l->out->kernel[kernel];
    const QccBlob *packed = l->pool ? pack_in_pool(l->pool, k, l->target, weight)
                                    : pack_alone(l->arena, k, l->target, weight);
    p = QCC_NEW(l->arena, Packed);
    p->kernel = kernel;
    p->weight = weight;
    p->constant = qcc_add_constant(l, packed);
    qcc_table_add(&l->packed, hash, p);
    return p->constant;
}

/* ---- dimensions ------------------------------------------------------------------------------ */

static void drop_dim(QccKernel *k, int dim)
{
    for (int i = dim; i + 1 < k->rank; i++) k->extent[i] = k->extent[i + 1];
    for (int a = 0; a < k->narg; a++)
        for (int i = dim; i + 1 < k->rank; i++) k->arg[a].stride[i] = k->arg[a].stride[i + 1];
    k->rank--;
    for (int a = 0; a < k->narg; a++) k->arg[a].stride[k->rank] = 0;
    k->extent[k->rank] = 0;
}

static bool merges(const QccKernel *k, int dim)
{
    for (int a = 0; a < k->narg; a++) {
        const int64_t *s = k->arg[a].stride;
        if (s[dim] != s[dim + 1] * k->extent[dim + 1]) return false;
    }
    return true;
}

/* Adjacent dimensions among the first `n` become one where every argument allows. */
static void merge_dims(QccKernel *k, int n)
{
    for (int i = n - 1; i >= 0 && k->rank > 1; i--)
        if (k->extent[i] == 1 && n > 1) {
            drop_dim(k, i);
            n--;
        }
    for (int i = n - 2; i >= 0; i--) {
        if (!merges(k, i)) continue;
        k->extent[i + 1] *= k->extent[i];
        drop_dim(k, i);
    }
}

/* A map that reads along its first dimension and writes along its last one: the units become blocks
 * of the first, so that a unit can turn squares. */
static void split_units(QccKernel *k)
{
    enum { LEAST = 8, MOST = 64 };
    int last = k->rank - 1;
    bool turns = k->rank >= 2 && k->rank < QCC_MAX_RANK && k->narg == 2 &&
                 k->arg[0].stride[last] == 1 && k->arg[1].stride[0] == 1 && k->extent[last] > 1;
    int64_t block = turns ? MOST : 0;
    while (block >= LEAST && k->extent[0] % block) block--;
    if (block < LEAST || block == 0) return;
    for (int i = k->rank; i > 1; i--) k->extent[i] = k->extent[i - 1];
    k->extent[1] = block;
    k->extent[0] /= block;
    for (int a = 0; a < k->narg; a++) {
        int64_t *s = k->arg[a].stride;
        for (int i = k->rank; i > 0; i--) s[i] = s[i - 1];
        s[0] *= block;
    }
    k->rank++;
}

/* A product or a convolution with one tap: rows that follow each other in every argument become
 * one long row, [n, h, w, c] -> [n, 1, h*w, c] -> [1, 1, n*h*w, c]. */
static void merge_pixels(QccKernel *k)
{
    QccContractShape *c = &k->u.contract;
    if (c->kh != 1 || c->kw != 1 || c->b_n || c->b_h) return;
    int64_t *e = k->extent;
    if (e[1] == 1 && e[0] > 1) {
        /* The batch takes the place of the rows, then both cases are one. */
        for (int a = 0; a < k->narg; a++) {
            k->arg[a].stride[1] = k->arg[a].stride[0];
            k->arg[a].stride[0] = 0;
        }
        e[1] = e[0];
        e[0] = 1;
        c->a_h = c->a_n;
        c->a_n = 0;
        c->stride_h = 1;
    }
    if (e[1] <= 1 || c->stride_h * c->a_h != e[2] * c->stride_w * c->a_w) return;
    for (int a = 0; a < k->narg; a++) {
        if (a >= 1 && a <= k->nanchor) continue;
        if (k->arg[a].stride[1] != k->arg[a].stride[2] * e[2]) return;
    }
    e[2] *= e[1];
    e[1] = 1;
    c->stride_h = 1;
    c->a_h = 0;
    for (int a = 0; a < k->narg; a++) k->arg[a].stride[1] = 0;
    if (e[0] > 1) merge_pixels(k);
}

/* A stride along an extent of 1 means nothing: zero, so that equal kernels have equal texts. */
static void normalize(QccKernel *k)
{
    if (k->rank == 0) k->extent[k->rank++] = 1;
    if (k->anchor == QCC_ANCHOR_MAP || k->anchor == QCC_ANCHOR_ROWS) k->nanchor = 0;
    if (k->anchor == QCC_ANCHOR_MAP) {
        merge_dims(k, k->rank);
        split_units(k);
    }
    if (k->anchor == QCC_ANCHOR_ROWS && k->rank > 2) merge_dims(k, k->rank - 1);
    if (k->anchor == QCC_ANCHOR_CONTRACT) merge_pixels(k);
    for (int i = 0; i < k->rank; i++)
        for (int a = 0; a < k->narg && k->extent[i] == 1; a++) k->arg[a].stride[i] = 0;
    if (k->anchor == QCC_ANCHOR_CONTRACT || k->anchor == QCC_ANCHOR_DEPTHWISE) {
        QccContractShape *c = &k->u.contract;
        if (k->extent[0] == 1) c->a_n = c->b_n = 0;
        if (k->extent[1] == 1) c->b_h = 0;
    } else if (k->anchor == QCC_ANCHOR_POOL && k->extent[0] == 1) {
        k->u.pool.a_n = 0;
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

int qcc_find_kernel(QccLowering *l, QccKernel *k)
{
    QccLowered *out = l->out;
    QccBuf text;
    qcc_buf_init(&text, l->arena);
    qcc_kernel_print(&text, k, true);
    uint64_t hash = qcc_hash(0, text.data, (size_t)text.len);
    int64_t at = -1;
    const int *known;
    while ((known = qcc_table_next(&l->kernels, hash, &at)))
        if (strcmp(l->text[*known], text.data) == 0) return *known;
    int *number = QCC_NEW(l->arena, int);
    *number = out->nkernel;
    qcc_table_add(&l->kernels, hash, number);
    l->text = qcc_grow(l->arena, l->text, out->nkernel, &l->text_cap, sizeof *l->text);
    l->text[out->nkernel] = text.data;
    out->kernel =
        qcc_grow(l->arena, out->kernel, out->nkernel, &out->kernel_cap, sizeof *out->kernel);
    out->kernel[out->nkernel++] = k;
    return *number;
}

void qcc_add_kernel(QccLowering *l, QccKernel *k, const QccRef *ref, const QccOp *op,
                    const QccValue *value, int packed, const QccBlob *weight)
{
    assert(k->narg <= QCC_KERNEL_ARGS && k->epilogue);
    qcc_expr_prune(k->epilogue);
    normalize(k);
    for (int i = 0; i < k->rank; i++)
        if (k->extent[i] == 0) return;
    if (weight) k->u.contract.pairs_fit = qcc_pairs_fit(k, l->target, weight->data);
    qcc_choose_variant(k, l->target);
    if (l->choose) l->choose(l->choose_user, k, l->target);
    int kernel = qcc_find_kernel(l, k);
    QccStep *step = qcc_add_step(l, QCC_STEP_KERNEL, op, value, k->narg);
    step->kernel = kernel;
    step->work = qcc_kernel_work(k, l->target->lanes);
    memcpy(step->ref, ref, (size_t)k->narg * sizeof *ref);
    if (weight) step->ref[packed] = (QccRef){QCC_BUFFER_CONST, pack_weight(l, kernel, weight), 0};
}

/* Raw elements are copied as integers of their size: a NaN keeps its bits. */
static QccDtype raw_dtype(QccDtype dtype)
{
    switch (qcc_dtype_bits(dtype)) {
    case 8: return QCC_U8;
    case 16: return QCC_U16;
    case 32: return QCC_I32;
    default: return QCC_I64;
    }
}

void qcc_add_copy(QccLowering *l, const QccOp *op, const QccValue *value, const QccSpot *to,
                  const QccSpot *from, QccDtype dtype)
{
    QccKernel *k = QCC_NEW(l->arena, QccKernel);
    k->anchor = QCC_ANCHOR_MAP;
    if (qcc_dtype_bits(dtype) < 8) {
        /* Nibbles have no strides; such values are dense, and copied as bytes. */
        QccSpot bytes[2] = {{.ref = to->ref}, {.ref = from->ref}};
        int64_t size = qcc_type_bytes(value->type);
        for (int i = 0; i < 2; i++)
            bytes[i].layout = (QccLayout){.rank = 1, .dim = {size}, .pitch = {1}};
        qcc_add_copy(l, op, value, &bytes[0], &bytes[1], QCC_U8);
        return;
    }
    k->rank = to->layout.rank;
    k->narg = 2;
    k->arg[0].dtype = k->arg[1].dtype = raw_dtype(dtype);
    for (int i = 0; i < k->rank; i++) {
        k->extent[i] = to->layout.dim[i];
        k->arg[0].stride[i] = to->layout.pitch[i];
        k->arg[1].stride[i] = from->layout.pitch[i];
    }
    k->epilogue = QCC_NEW(l->arena, QccExpr);
    qcc_expr_init(k->epilogue, l->arena);
    k->epilogue->result = qcc_expr_arg(k->epilogue, 1, qcc_expr_type_of(k->arg[1].dtype));
    QccRef ref[2] = {to->ref, from->ref};
    qcc_add_kernel(l, k, ref, op, value, -1, NULL);
}
