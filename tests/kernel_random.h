/* kernel_random - random kernel descriptions of every anchor, from a seed, with their arguments. */
#ifndef QCC_TESTS_KERNEL_RANDOM_H
#define QCC_TESTS_KERNEL_RANDOM_H

#include "backend/variant.h"
#include "tests/kernel_case.h"

/* ---- random epilogues --------------------------------------------------------------------------
 */

/* Strides of an argument over [n, y, x, c]: dense, with gaps, or channels first. */
static void random_layout(Case *c, int64_t *stride)
{
    const int64_t *e = c->k.extent;
    int64_t gap = pick(c, 0, 3) ? 0 : pick(c, 1, 9);
    stride[3] = 1;
    stride[2] = e[3] + gap;
    stride[1] = e[2] * stride[2];
    stride[0] = e[1] * stride[1];
    if (pick(c, 0, 7) == 0) {
        stride[2] = 1;
        stride[1] = e[2];
        stride[3] = e[1] * e[2];
        stride[0] = e[3] * stride[3];
    }
}

static int add2(Case *c, int a, int b)
{
    return qcc_expr_op2(c->e, QCC_EX_add, a, b);
}

static int arg_node(Case *c, QccDtype dtype, const int64_t *stride)
{
    bool f = dtype == QCC_F32 || dtype == QCC_F16 || dtype == QCC_BF16;
    return qcc_expr_arg(c->e, add_arg(c, dtype, stride), f ? QCC_EX_F32 : QCC_EX_I32);
}

static const int64_t channels[] = {0, 0, 0, 1}, everywhere[] = {0, 0, 0, 0};

/* The result's type is chosen with the epilogue; acc is i32 or f32. */
static void random_epilogue(Case *c, bool f32)
{
    QccExpr *e = c->e = QCC_NEW(c->arena, QccExpr);
    QccKernel *k = &c->k;
    int64_t stride[4];
    qcc_expr_init(e, c->arena);
    random_layout(c, stride);
    int kind = (int)pick(c, 0, 4), residual = 0;
    if (kind == 0) { /* the accumulator itself */
        bool bytes = k->anchor == QCC_ANCHOR_POOL && qcc_dtype_bits(k->arg[1].dtype) == 8;
        k->arg[0].dtype = f32 ? QCC_F32 : bytes ? k->arg[1].dtype : QCC_I32;
    } else {
        static const QccDtype floats[] = {QCC_F32, QCC_F16, QCC_BF16};
        static const QccDtype others[] = {QCC_U8, QCC_I8, QCC_F32, QCC_F16, QCC_BF16};
        int v = qcc_expr_acc(e, f32 ? QCC_EX_F32 : QCC_EX_I32);
        if (!f32) v = qcc_expr_cvt(e, QCC_EX_F32, add2(c, v, arg_node(c, QCC_I32, channels)));
        v = qcc_expr_op2(e, QCC_EX_mul, v,
                         arg_node(c, QCC_F32, pick(c, 0, 1) ? channels : everywhere));
        if (kind > 2) {
            residual = k->narg;
            int r = arg_node(c, others[pick(c, 0, 4)], stride);
            if (e->node[r].type == QCC_EX_I32)
                r = qcc_expr_cvt(e, QCC_EX_F32, qcc_expr_op2(e, QCC_EX_sub, r, qcc_expr_i32(e, 7)));
            v = add2(c, v, qcc_expr_op2(e, QCC_EX_mul, r, qcc_expr_f32(e, 0.37f)));
        }
        k->arg[0].dtype = floats[pick(c, 0, 2)];
        if (kind % 2) {
            bool u8 = pick(c, 0, 1);
            k->arg[0].dtype = u8 ? QCC_U8 : QCC_I8;
            v = qcc_expr_op2(e, QCC_EX_mul, v, qcc_expr_f32(e, 1e-4f));
            v = qcc_expr_op2(e, QCC_EX_min, v, qcc_expr_f32(e, 1e9f));
            v = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_f32(e, -1e9f));
            v = add2(c, qcc_expr_cvt(e, QCC_EX_I32, v), qcc_expr_i32(e, (int32_t)pick(c, -9, 99)));
            v = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_i32(e, u8 ? 0 : -128));
            v = qcc_expr_op2(e, QCC_EX_min, v, qcc_expr_i32(e, u8 ? 255 : 127));
            if (pick(c, 0, 3) == 0) {
                int table = add_operand(c, QCC_U8, 256, 0);
                v = qcc_expr_lut(e, table, u8 ? v : add2(c, v, qcc_expr_i32(e, 128)));
            }
        }
        e->result = v;
        k->epilogue = e;
    }
    /* The result was reserved as argument 0; it may lie where the residual lies. */
    if (residual && k->arg[residual].dtype == k->arg[0].dtype && pick(c, 0, 1)) {
        k->arg[0] = k->arg[residual];
        c->buffer[0] = c->buffer[residual];
        return;
    }
    int narg = k->narg;
    k->narg = 0;
    random_layout(c, stride);
    add_arg(c, k->arg[0].dtype, stride);
    k->narg = narg;
}

/* ---- random anchors ----------------------------------------------------------------------------
 */

/* Any tiles that the kernel can go by; false: it cannot. */
static bool random_tiles(Case *c, const QccTarget *t)
{
    static const int blocks[][2] = {{2, 2}, {1, 4}, {4, 1}, {1, 3}, {3, 1}, {1, 2}, {2, 1}, {1, 1}};
    QccKernel *k = &c->k;
    if (!qcc_tiles_fit(k, t)) return false;
    const int *block = blocks[pick(c, 0, 7)];
    qcc_tiles_shape(k, block[0], block[1], qcc_tiles_fit_flat(k) && pick(c, 0, 1));
    if (!qcc_kernel_blocks_fit(k)) qcc_tiles_shape(k, 1, block[1], false);
    k->variant.unroll = (int)pick(c, 1, 4);
    k->variant.n_outer = pick(c, 0, 1);
    k->variant.spread = (int)pick(c, 0, 9);
    int64_t runs, length;
    qcc_contract_runs(k, &runs, &length);
    int64_t steps = qcc_tile_steps(length).steps, pass = pick(c, 1, steps);
    while (steps % pass) pass--;
    if (runs == 1 && pass < steps && pick(c, 0, 2)) { /* K in passes */
        k->variant.chunk = (int)pass;
        k->variant.n_outer = false;
        k->variant.spread += k->variant.spread == 0;
    }
    k->variant.stream = (QccStream)pick(c, QCC_STREAM_NONE, QCC_STREAM_B);
    k->variant.seeded = pick(c, 0, 1);
    k->variant.late = k->variant.spread > 0 && k->variant.chunk == 0 && pick(c, 0, 2) == 0;
    k->variant.ahead = k->variant.chunk == 0 && pick(c, 0, 2) == 0;
    return true;
}

/* Zeros behind the bytes of each column of a B that is made in the run. */
static void clear_past_depth(Case *c)
{
    const QccContractShape *s = &c->k.u.contract;
    const int64_t *e = c->k.extent;
    char *b = c->buffer[2].data;
    for (int64_t i = 0; i < e[0] * e[1] * e[3]; i++)
        for (int64_t x = s->ci; x < QCC_FOURS_DEPTH(s->ci); x++)
            b[i / e[3] / e[1] * s->b_n + i / e[3] % e[1] * s->b_h + x / 4 * s->b_k +
              4 * (i % e[3]) + x % 4] = 0;
}

/* One of those that tuning would try. */
static void choose_candidate(Case *c, const QccTarget *t)
{
    QccVariant list[QCC_CANDIDATES];
    int n = qcc_variant_candidates(&c->k, t, list, QCC_CANDIDATES);
    c->k.variant = list[pick(c, 0, n - 1)];
}

/* Weights whose sums of two neighbours with bytes of A, nearly all 255, only just stay in 16 bits;
 * or all but one. */
static void weights_at_the_edge(Case *c, const QccTarget *t)
{
    int64_t runs, length, most = 128;
    qcc_contract_runs(&c->k, &runs, &length);
    runs *= c->k.extent[3];
    int64_t wrong = pick(c, 0, 1) ? pick(c, 0, runs * length - 1) : -1;
    int8_t *w = (int8_t *)c->buffer[2].data;
    for (int64_t i = 0; i < runs * length; i++) {
        int64_t before = i % length % 2 ? w[i - 1] : 0, sign = pick(c, 0, 1) ? 1 : -1;
        if (i % length % 2 && pick(c, 0, 3)) sign = before < 0 ? -1 : 1;
        int64_t left = sign * before > 0 ? most - sign * before : most;
        int64_t x = i % length % 2 ? left + (i == wrong) : pick(c, 0, 128);
        w[i] = (int8_t)(sign < 0 ? -x : x > 127 ? 127 : x);
    }
    uint8_t *a = (uint8_t *)c->buffer[1].data;
    for (size_t i = 0; i < c->buffer[1].bytes; i++)
        if (pick(c, 0, 7)) a[i] = 255;
    c->k.u.contract.pairs_fit = qcc_pairs_fit(&c->k, t, w);
}

static void random_contract(Case *c, const QccTarget *t)
{
    QccKernel *k = &c->k;
    QccContractShape *s = &k->u.contract;
    bool f32 = pick(c, 0, 2) == 0, deep = k->anchor == QCC_ANCHOR_DEPTHWISE;
    bool strided = !deep && pick(c, 0, 3) == 0;
    *s = (QccContractShape){.kh = pick(c, 1, 3),
                            .kw = pick(c, 1, 3),
                            .stride_h = pick(c, 1, 2),
                            .stride_w = pick(c, 1, 2),
                            .dil_h = pick(c, 1, 2),
                            .dil_w = 1,
                            .ci = pick(c, 1, 21),
                            .groups = 1};
    if (pick(c, 0, 3) == 0) s->dil_w = 2;
    if (pick(c, 0, 3) == 0) s->groups = pick(c, 2, 3);
    if (pick(c, 0, 7) == 0) s->kw = pick(c, 4, 7);
    if (deep && pick(c, 0, 3) == 0) s->kh = pick(c, 4, 7);
    if (strided) s->kh = s->kw = s->groups = 1;
    bool in_passes = t->tiles && !f32 && !deep && pick(c, 0, 3) == 0;
    if (t->tiles && pick(c, 0, 1)) s->ci = pick(c, 20, s->kh * s->kw > 4 ? 90 : 300);
    if (in_passes) { /* one run of many K steps */
        s->kh = s->kw = s->groups = 1;
        s->ci = pick(c, 65, 800);
    }
    int64_t outputs = pick(c, 1, pick(c, 0, 3) ? 40 : 140);
    if (in_passes && pick(c, 0, 1)) outputs = pick(c, 1, 500);
    if (t->tiles && !deep && pick(c, 0, 1)) outputs = (outputs + 15) / 16 * 16; /* whole tiles */
    if (deep) {
        s->groups = outputs;
        s->ci = 1;
    }
    k->rank = 4;
    k->nanchor = 2;
    k->extent[0] = pick(c, 1, 2);
    k->extent[1] = pick(c, 1, 3);
    k->extent[2] = pick(c, 1, t->tiles && !in_passes ? 50 : 29);
    if (in_passes) k->extent[0] = k->extent[1] = 1;
    k->extent[3] = deep ? outputs : outputs * s->groups;
    s->a_w = deep ? outputs : s->ci * s->groups;
    if (pick(c, 0, 3) == 0) s->a_w += pick(c, 1, 7);
    int64_t wide = (k->extent[2] - 1) * s->stride_w + (s->kw - 1) * s->dil_w + 1;
    int64_t high = (k->extent[1] - 1) * s->stride_h + (s->kh - 1) * s->dil_h + 1;
    s->a_h = wide * s->a_w + pick(c, 0, 5);
    s->a_n = high * s->a_h;
    int64_t per_pixel = deep ? outputs : s->ci * s->groups;
    int64_t a = (k->extent[0] - 1) * s->a_n + (high - 1) * s->a_h + (wide - 1) * s->a_w + per_pixel;
    int64_t taps = s->kh * s->kw * s->ci, b = k->extent[3] * taps;
    if (strided) {
        s->b_strided = true;
        int64_t columns = f32 ? k->extent[3] : 4 * k->extent[3];
        int64_t rows = f32 ? s->ci : QCC_FOURS_DEPTH(s->ci) / 4;
        s->b_k = columns + pick(c, 0, 5);
        s->b_h = pick(c, 0, 1) * s->b_k * rows;
        s->b_n = pick(c, 0, 1) * s->b_k * rows * k->extent[1];
        b = (k->extent[0] - 1) * s->b_n + (k->extent[1] - 1) * s->b_h + (rows - 1) * s->b_k +
            columns;
    }
    k->narg = 1;
    add_operand(c, f32 ? QCC_F32 : QCC_U8, a, QCC_READ_SLACK);
    add_operand(c, f32 ? QCC_F32 : QCC_I8, b, strided && !f32 ? QCC_READ_SLACK : 0);
    c->weights = c->buffer[2].data;
    if (strided && !f32) clear_past_depth(c);
    if (!strided && !f32 && !deep && pick(c, 0, 1)) weights_at_the_edge(c, t);
    random_epilogue(c, f32);
    choose_candidate(c, t);
    if (pick(c, 0, 1)) return;
    if (t->tiles && random_tiles(c, t)) return;
    k->variant.mr = (int)pick(c, 1, 6);
    k->variant.nr = (int)pick(c, 1, 4);
    k->variant.unroll = (int)pick(c, 1, 4);
    k->variant.chunk = k->variant.mr * (int)pick(c, 0, 3);
    k->variant.n_outer = pick(c, 0, 1);
    k->variant.wide = qcc_wide_fits(k, t) && pick(c, 0, 1);
    if (deep) k->variant.chunk = 0;
}

static void random_pool(Case *c, const QccTarget *t)
{
    static const QccDtype types[] = {QCC_U8, QCC_I8, QCC_F32, QCC_U8, QCC_I16, QCC_BF16, QCC_I32};
    QccKernel *k = &c->k;
    QccPoolShape *s = &k->u.pool;
    /* Windows of more than 256 bytes are summed row by row. */
    bool large = pick(c, 0, 7) == 0;
    *s = (QccPoolShape){.combine = pick(c, 0, 3),
                        .ih = pick(c, 1, large ? 40 : 9),
                        .iw = pick(c, 1, large ? 40 : 9),
                        .kh = pick(c, 1, large ? 40 : 4),
                        .kw = pick(c, 1, large ? 40 : 4),
                        .stride_h = pick(c, 1, 3),
                        .stride_w = pick(c, 1, 3),
                        .dil_h = pick(c, 1, 2),
                        .dil_w = pick(c, 1, 2),
                        .pad_top = pick(c, 0, 2),
                        .pad_left = pick(c, 0, 2)};
    QccDtype dtype = types[pick(c, 0, 6)];
    k->rank = 4;
    k->nanchor = 1;
    k->extent[0] = pick(c, 1, 2);
    k->extent[1] = (s->ih + s->pad_top) / s->stride_h + pick(c, 0, 1);
    k->extent[2] = (s->iw + s->pad_left) / s->stride_w + pick(c, 0, 1);
    if (k->extent[1] == 0) k->extent[1] = 1;
    if (k->extent[2] == 0) k->extent[2] = 1;
    k->extent[3] = pick(c, 1, pick(c, 0, 7) ? 80 : 300);
    s->a_w = k->extent[3] + pick(c, 0, 1) * 3;
    s->a_h = s->iw * s->a_w;
    s->a_n = s->ih * s->a_h;
    k->narg = 1;
    add_operand(c, dtype, k->extent[0] * s->a_n - (s->a_w - k->extent[3]), 0);
    random_epilogue(c, qcc_dtype_is_float(dtype));
    choose_candidate(c, t);
}

/* Strides of an argument over the index space: each dimension broadcast, dense in some order, or
 * with a gap. */
static void random_strides(Case *c, int64_t *stride, bool broadcasts)
{
    int order[QCC_MAX_RANK], rank = c->k.rank;
    bool natural = pick(c, 0, 2) > 0;
    for (int d = 0; d < rank; d++) order[d] = rank - 1 - d;
    for (int d = rank - 1; d > 0 && !natural; d--) {
        int other = (int)pick(c, 0, d), swap = order[d];
        order[d] = order[other];
        order[other] = swap;
    }
    int64_t next = pick(c, 0, 9) ? 1 : 2;
    for (int d = 0; d < rank; d++) {
        bool broadcast = broadcasts && pick(c, 0, 3) == 0;
        stride[order[d]] = broadcast ? 0 : next;
        if (!broadcast) next *= c->k.extent[order[d]];
    }
}

static int clamp(Case *c, int v, double lo, double hi)
{
    QccExprType t = c->e->node[v].type;
    v = qcc_expr_op2(c->e, QCC_EX_min, v, qcc_expr_imm(c->e, t, hi, (int64_t)hi));
    return qcc_expr_op2(c->e, QCC_EX_max, v, qcc_expr_imm(c->e, t, lo, (int64_t)lo));
}

static int convert(Case *c, int v, QccExprType to)
{
    QccExprType from = c->e->node[v].type;
    bool to_integer = to == QCC_EX_I32 || to == QCC_EX_I64;
    if (to_integer && (from == QCC_EX_F32 || from == QCC_EX_F64)) v = clamp(c, v, -1e9, 1e9);
    return qcc_expr_cvt(c->e, to, v);
}

/* One more node over those that are there; NaN never reaches what shows its bits. */
static int random_node(Case *c, const int *node, int n)
{
    static const QccExprOp two[] = {QCC_EX_add, QCC_EX_sub, QCC_EX_mul, QCC_EX_div, QCC_EX_min,
                                    QCC_EX_max, QCC_EX_lt,  QCC_EX_le,  QCC_EX_eq,  QCC_EX_ne};
    static const QccExprOp bitwise[] = {QCC_EX_and, QCC_EX_or,  QCC_EX_xor,
                                        QCC_EX_shl, QCC_EX_shr, QCC_EX_sar};
    static const QccExprOp rounding[] = {QCC_EX_floor, QCC_EX_ceil, QCC_EX_trunc, QCC_EX_rne};
    QccExpr *e = c->e;
    int a = node[pick(c, 0, n - 1)];
    QccExprType type = e->node[a].type;
    bool f = type == QCC_EX_F32 || type == QCC_EX_F64;
    int b = convert(c, node[pick(c, 0, n - 1)], type);
    switch (pick(c, 0, 9)) {
    case 0: return qcc_expr_op1(e, pick(c, 0, 1) ? QCC_EX_neg : QCC_EX_abs, a);
    case 1: return convert(c, a, (QccExprType)pick(c, QCC_EX_F32, QCC_EX_I64));
    case 2:
        if (f) return qcc_expr_op1(e, QCC_EX_sqrt, qcc_expr_op1(e, QCC_EX_abs, a));
        int amount = qcc_expr_imm(e, type, 0, pick(c, 0, 31));
        return qcc_expr_op2(e, bitwise[pick(c, 3, 5)], a, amount);
    case 3:
        if (f) return qcc_expr_op1(e, rounding[pick(c, 0, 3)], a);
        return qcc_expr_op2(e, bitwise[pick(c, 0, 2)], a, b);
    case 4:
        if (type == QCC_EX_F32) return qcc_expr_op3(e, QCC_EX_fma, a, b, convert(c, node[0], type));
        return qcc_expr_op2(e, QCC_EX_add, a, b);
    case 5: {
        int truth = qcc_expr_op2(e, QCC_EX_lt, a, b);
        return qcc_expr_op3(e, QCC_EX_select, truth, b, a);
    }
    default: return qcc_expr_op2(e, two[pick(c, 0, 9)], a, b);
    }
}

/* Bytes through a table of 256, in rows that lie side by side or not. */
static void random_table(Case *c)
{
    QccKernel *k = &c->k;
    int64_t stride[QCC_MAX_RANK];
    k->rank = (int)pick(c, 0, 3);
    for (int d = 0; d < k->rank; d++) k->extent[d] = pick(c, 1, d == k->rank - 1 ? 200 : 5);
    k->narg = 0;
    random_strides(c, stride, false);
    add_arg(c, QCC_U8, stride);
    random_strides(c, stride, true);
    QccExpr *e = c->e = k->epilogue = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(e, c->arena);
    int index = qcc_expr_arg(e, add_arg(c, pick(c, 0, 1) ? QCC_U8 : QCC_I8, stride), QCC_EX_I32);
    e->result = qcc_expr_lut(e, add_operand(c, QCC_U8, 256, 0), index);
}

/* Elements of a random type from where an index says, the same along a row or not. */
static void random_load(Case *c)
{
    static const QccDtype types[] = {QCC_F32, QCC_U8, QCC_I8, QCC_U16, QCC_I32, QCC_I64, QCC_F64};
    QccKernel *k = &c->k;
    int64_t stride[QCC_MAX_RANK], n = pick(c, 1, 9), pitch = pick(c, 1, 3);
    k->rank = (int)pick(c, 0, 3);
    for (int d = 0; d < k->rank; d++) k->extent[d] = pick(c, 1, d == k->rank - 1 ? 70 : 5);
    QccDtype dtype = types[pick(c, 0, 6)];
    k->narg = 0;
    random_strides(c, stride, false);
    add_arg(c, dtype, stride);
    QccExpr *e = c->e = k->epilogue = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(e, c->arena);
    random_strides(c, stride, true);
    bool wide = pick(c, 0, 1);
    int index = add_arg(c, wide ? QCC_I64 : QCC_I32, stride);
    int at = qcc_expr_arg(e, index, wide ? QCC_EX_I64 : QCC_EX_I32);
    at = clamp(c, qcc_expr_cvt(e, QCC_EX_I64, at), 0, (double)(n - 1));
    at = qcc_expr_op2(e, QCC_EX_mul, at, qcc_expr_imm(e, QCC_EX_I64, 0, pitch));
    int64_t last = (n - 1) * pitch;
    random_strides(c, stride, true);
    for (int d = 0; d < k->rank; d++) last += (k->extent[d] - 1) * stride[d];
    int x = add_operand(c, dtype, last + 1, 0);
    for (int d = 0; d < k->rank; d++) k->arg[x].stride[d] = stride[d];
    e->result = qcc_expr_load(e, x, qcc_expr_type_of(dtype), at);
}

/* Copies of planes to where their elements alternate: [y][c][x] to [y][x][c], with and without
 * gaps; up to five planes, of bytes and of what is wider. */
static void random_planes(Case *c)
{
    static const QccDtype types[] = {QCC_U8, QCC_I8, QCC_U8, QCC_F32, QCC_BOOL};
    QccKernel *k = &c->k;
    QccDtype dtype = types[pick(c, 0, 4)];
    int64_t rows = pick(c, 1, 3), width = pick(c, 1, 200), planes = pick(c, 2, 5);
    int64_t apart = pick(c, 0, 3) ? planes : planes + 1, gap = pick(c, 0, 2);
    k->rank = 3;
    k->extent[0] = rows;
    k->extent[1] = width;
    k->extent[2] = planes;
    k->narg = 0;
    add_arg(c, dtype, (int64_t[]){width * apart + gap, apart, 1});
    QccExpr *e = c->e = k->epilogue = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(e, c->arena);
    int from = add_arg(c, dtype, (int64_t[]){(width + gap) * planes, 1, width + gap});
    e->result = qcc_expr_arg(e, from, qcc_expr_type_of(dtype));
}

/* What B of a product in the run is made by: fours of bytes of a column put side by side, or moved
 * as numbers of 32 bits. */
static void random_fours(Case *c)
{
    QccKernel *k = &c->k;
    bool bytes = pick(c, 0, 1);
    QccExpr *e = c->e = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(e, c->arena);
    k->rank = 3;
    k->extent[0] = pick(c, 1, 3);
    k->extent[1] = pick(c, 1, 70);
    k->extent[2] = bytes ? 4 : pick(c, 1, 70);
    int64_t apart = k->extent[1] + pick(c, 0, 5), to[3] = {0, k->extent[2], 1};
    int64_t from[3] = {k->extent[2] * apart, 1, apart};
    to[0] = k->extent[1] * k->extent[2] + pick(c, 0, 9);
    add_arg(c, bytes ? pick(c, 0, 1) ? QCC_U8 : QCC_I8 : QCC_I32, to);
    int x = qcc_expr_arg(e, add_arg(c, bytes ? QCC_U8 : QCC_I32, from), QCC_EX_I32);
    if (bytes) x = add2(c, x, qcc_expr_i32(e, -128));
    if (!bytes && pick(c, 0, 1)) x = qcc_expr_op2(e, QCC_EX_xor, x, qcc_expr_i32(e, 0x1234567));
    e->result = x;
    k->epilogue = e;
}

static void random_map(Case *c, const QccTarget *t)
{
    if (pick(c, 0, 6) == 0) {
        random_planes(c);
        qcc_choose_variant(&c->k, t);
        return;
    }
    if (pick(c, 0, 5) == 0) {
        random_fours(c);
        qcc_choose_variant(&c->k, t);
        return;
    }
    if (pick(c, 0, 5) == 0) {
        random_load(c);
        qcc_choose_variant(&c->k, t);
        return;
    }
    if (pick(c, 0, 4) == 0) {
        random_table(c);
        qcc_choose_variant(&c->k, t);
        return;
    }
    static const QccDtype types[] = {QCC_F32, QCC_F32,  QCC_U8,  QCC_I8,  QCC_I32,
                                     QCC_F16, QCC_BF16, QCC_I16, QCC_U16, QCC_U32,
                                     QCC_I64, QCC_BOOL, QCC_F64};
    static const QccDtype results[][4] = {{QCC_F32, QCC_F32, QCC_F16, QCC_BF16},
                                          {QCC_F64, QCC_F64, QCC_F64, QCC_F64},
                                          {QCC_I32, QCC_U8, QCC_I8, QCC_I16},
                                          {QCC_I64, QCC_U32, QCC_I64, QCC_I64}};
    QccKernel *k = &c->k;
    int64_t stride[QCC_MAX_RANK];
    int node[24], n = 0, inputs = (int)pick(c, 1, 4);
    k->rank = (int)pick(c, 0, 4);
    for (int d = 0; d < k->rank; d++) k->extent[d] = pick(c, 1, d == k->rank - 1 ? 100 : 5);
    if (k->rank == 1 && pick(c, 0, 1)) k->extent[0] = pick(c, 4000, 9000);
    QccExpr *e = c->e = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(e, c->arena);
    k->narg = 1;
    for (int i = 0; i < inputs; i++) {
        QccDtype dtype = types[pick(c, 0, 12)];
        QccExprType wide = dtype == QCC_F64                                            ? QCC_EX_F64
                           : dtype == QCC_I64 || dtype == QCC_U32                      ? QCC_EX_I64
                           : dtype == QCC_F32 || dtype == QCC_F16 || dtype == QCC_BF16 ? QCC_EX_F32
                                                                                       : QCC_EX_I32;
        random_strides(c, stride, true);
        node[n++] = qcc_expr_arg(e, add_arg(c, dtype, stride), wide);
        if (wide == QCC_EX_F32 && pick(c, 0, 3) == 0) {
            node[n] = qcc_expr_bits(e, QCC_EX_I32, node[n - 1]);
            n++;
        }
    }
    for (int i = (int)pick(c, 0, 8); i > 0; i--, n++) node[n] = random_node(c, node, n);
    int v = node[n - 1];
    QccDtype dtype = results[e->node[v].type][pick(c, 0, 3)];
    if (dtype == QCC_F16 || dtype == QCC_BF16) v = clamp(c, v, -1e9, 1e9);
    if (dtype == QCC_U8) v = clamp(c, v, 0, 255);
    if (dtype == QCC_I8) v = clamp(c, v, -128, 127);
    if (dtype == QCC_I16) v = clamp(c, v, -32768, 32767);
    if (dtype == QCC_U32) v = clamp(c, v, 0, 4294967295.0);
    e->result = v;
    k->epilogue = e;
    int narg = k->narg;
    k->narg = 0;
    random_strides(c, stride, false);
    add_arg(c, dtype, stride);
    k->narg = narg;
    qcc_choose_variant(k, t);
}

static QccExpr *new_expr(Case *c)
{
    c->e = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(c->e, c->arena);
    return c->e;
}

/* max, then sum of exp(x - max) and the like, then a quotient; or a single integer sum. Any rows
 * side by side and in a unit. */
static void random_rows(Case *c, const QccTarget *t)
{
    QccKernel *k = &c->k;
    QccRowShape *r = &k->u.rows;
    int64_t stride[QCC_MAX_RANK];
    k->rank = (int)pick(c, 1, 3);
    for (int d = 0; d < k->rank; d++) k->extent[d] = pick(c, 1, d == k->rank - 1 ? 90 : 4);
    bool integers = pick(c, 0, 2) == 0;
    r->reduced = pick(c, 0, 1);
    r->nstage = integers ? 1 : (int)pick(c, 1, 3);
    k->narg = 1;
    random_strides(c, stride, true);
    int x = add_arg(c, integers ? QCC_I8 : QCC_F32, stride), y = 0;
    if (!r->reduced) {
        random_strides(c, stride, true);
        y = add_arg(c, QCC_F32, stride);
    }
    QccExprType type = integers ? QCC_EX_I32 : QCC_EX_F32;
    for (int i = 0; i < r->nstage; i++) {
        QccExpr *e = r->stage[i].term = new_expr(c);
        int v = qcc_expr_arg(e, x, type);
        r->stage[i].combine = pick(c, 0, 3);
        if (i > 0) {
            int earlier = qcc_expr_arg(e, QCC_ROW_RESULT + (int)pick(c, 0, i - 1), type);
            v = qcc_expr_op2(e, QCC_EX_sub, v, earlier);
            if (pick(c, 0, 1)) v = qcc_expr_exp(e, clamp(c, v, -20, 20));
        }
        e->result = v;
        if (pick(c, 0, 1)) continue;
        e = r->stage[i].then = new_expr(c);
        v = qcc_expr_acc(e, type);
        e->result = qcc_expr_op2(e, QCC_EX_mul, v, qcc_expr_imm(e, type, 0.37, 3));
    }
    QccExpr *e = k->epilogue = new_expr(c);
    int v = qcc_expr_arg(e, QCC_ROW_RESULT + r->nstage - 1, type);
    if (integers) v = qcc_expr_cvt(e, QCC_EX_F32, v);
    if (!r->reduced)
        v = qcc_expr_op2(e, QCC_EX_div, qcc_expr_arg(e, y, QCC_EX_F32),
                         add2(c, v, qcc_expr_f32(e, 3)));
    e->result = v;
    int narg = k->narg;
    k->narg = 0;
    random_strides(c, stride, false);
    if (r->reduced) stride[k->rank - 1] = 0;
    add_arg(c, QCC_F32, stride);
    k->narg = narg;
    qcc_choose_variant(k, t);
    for (k->variant.nr = t->lanes / 4; k->variant.nr > 1 && pick(c, 0, 1);) k->variant.nr /= 2;
    k->variant.mr = k->variant.nr * (int)pick(c, 1, 3);
}

/* ---- all of them -------------------------------------------------------------------------------
 */

/* By anchor. */
static void (*const random_anchor[])(Case *c, const QccTarget *t) = {
    [QCC_ANCHOR_MAP] = random_map,
    [QCC_ANCHOR_CONTRACT] = random_contract,
    [QCC_ANCHOR_DEPTHWISE] = random_contract,
    [QCC_ANCHOR_POOL] = random_pool,
    [QCC_ANCHOR_ROWS] = random_rows,
};

enum { ANCHORS = sizeof random_anchor / sizeof *random_anchor };

/* The case that a seed stands for; the same one in every process. */
static Case *random_case(QccArena *arena, QccMem *mem, QccAnchor anchor, uint64_t seed,
                         const QccTarget *t)
{
    Case *c = QCC_NEW(arena, Case);
    c->mem = mem;
    c->arena = arena;
    qcc_random_init(&c->random, seed);
    c->k.anchor = anchor;
    random_anchor[anchor](c, t);
    return c;
}

#endif
