/* test_kernels - compiled kernels give the bytes of plain C: random descriptions of every anchor,
 * on every bundle that this machine runs. */
#include <check.h>
#include <math.h>

#include "backend/variant.h"
#include "tests/kernel_case.h"

enum { BATCH = 20, BATCHES = 2 };

static const QccCodegen *codegen(void)
{
    static const QccCodegen *module; /* opened once a process */
    if (!module) module = open_codegen();
    return module;
}

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
        k->arg[0].dtype = f32 ? QCC_F32 : QCC_I32;
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

static void random_contract(Case *c, const QccTarget *t)
{
    QccKernel *k = &c->k;
    QccContractShape *s = &k->u.contract;
    bool f32 = pick(c, 0, 2) == 0, deep = k->anchor == QCC_ANCHOR_DEPTHWISE;
    bool strided = f32 && !deep && pick(c, 0, 3) == 0;
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
    if (strided) s->kh = s->kw = s->groups = 1;
    int64_t outputs = pick(c, 1, pick(c, 0, 3) ? 40 : 140);
    if (deep) {
        s->groups = outputs;
        s->ci = 1;
    }
    k->rank = 4;
    k->nanchor = 2;
    k->extent[0] = pick(c, 1, 2);
    k->extent[1] = pick(c, 1, 3);
    k->extent[2] = pick(c, 1, 29);
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
        s->b_k = k->extent[3] + pick(c, 0, 5);
        s->b_n = pick(c, 0, 1) * s->b_k * s->ci;
        b = (k->extent[0] - 1) * s->b_n + (s->ci - 1) * s->b_k + k->extent[3];
    }
    k->narg = 1;
    add_operand(c, f32 ? QCC_F32 : QCC_U8, a, QCC_READ_SLACK);
    add_operand(c, f32 ? QCC_F32 : QCC_I8, b, 0);
    c->weights = c->buffer[2].data;
    random_epilogue(c, f32);
    qcc_choose_variant(k, t);
    if (pick(c, 0, 1)) return;
    k->variant.mr = (int)pick(c, 1, 6);
    k->variant.nr = (int)pick(c, 1, 4);
    k->variant.unroll = (int)pick(c, 1, 4);
    k->variant.chunk = k->variant.mr * (int)pick(c, 0, 3);
    k->variant.n_outer = pick(c, 0, 1);
}

static void random_pool(Case *c, const QccTarget *t)
{
    static const QccDtype types[] = {QCC_U8, QCC_I8, QCC_F32, QCC_U8};
    QccKernel *k = &c->k;
    QccPoolShape *s = &k->u.pool;
    *s = (QccPoolShape){.max = pick(c, 0, 1),
                        .ih = pick(c, 1, 9),
                        .iw = pick(c, 1, 9),
                        .kh = pick(c, 1, 4),
                        .kw = pick(c, 1, 4),
                        .stride_h = pick(c, 1, 3),
                        .stride_w = pick(c, 1, 3),
                        .dil_h = pick(c, 1, 2),
                        .dil_w = pick(c, 1, 2),
                        .pad_top = pick(c, 0, 2),
                        .pad_left = pick(c, 0, 2)};
    QccDtype dtype = types[pick(c, 0, 3)];
    k->rank = 4;
    k->nanchor = 1;
    k->extent[0] = pick(c, 1, 2);
    k->extent[1] = (s->ih + s->pad_top) / s->stride_h + pick(c, 0, 1);
    k->extent[2] = (s->iw + s->pad_left) / s->stride_w + pick(c, 0, 1);
    if (k->extent[1] == 0) k->extent[1] = 1;
    if (k->extent[2] == 0) k->extent[2] = 1;
    k->extent[3] = pick(c, 1, 80);
    s->a_w = k->extent[3] + pick(c, 0, 1) * 3;
    s->a_h = s->iw * s->a_w;
    s->a_n = s->ih * s->a_h;
    k->narg = 1;
    add_operand(c, dtype, k->extent[0] * s->a_n - (s->a_w - k->extent[3]), 0);
    random_epilogue(c, dtype == QCC_F32);
    qcc_choose_variant(k, t);
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

static void random_map(Case *c, const QccTarget *t)
{
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

/* max, then sum of exp(x - max) and the like, then a quotient; or a single integer sum. */
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
        r->stage[i].combine = pick(c, 0, 2);
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
}

typedef struct Run {
    QccAnchor anchor;
    void (*make)(Case *c, const QccTarget *t);
    uint64_t seed;
    const QccTarget *target;
    QccMem mem;
    int failed;
} Run;

/* ---- fused and unfused multiplication ----------------------------------------------------------
 */

/* A sum so close to the middle between two f32 that f64 does not tell it from the middle: c of 24
 * bits, and a * b = half its last bit * (1 + e) with e = -x^2 or x^3 below 2^-29; or any operands.
 */
static void fma_operands(Case *c, float *a, float *b, float *sum)
{
    int scale = (int)pick(c, -30, 30), split = (int)pick(c, -30, 30);
    *sum = ldexpf(1 + (float)pick(c, 0, (1 << 23) - 1) * 0x1p-23f, scale);
    *a = ldexpf(1 + (float)pick(c, 0, (1 << 23) - 1) * 0x1p-23f, scale - split);
    *b = ldexpf(1 + (float)pick(c, 0, (1 << 23) - 1) * 0x1p-23f, split);
    if (pick(c, 0, 1)) {
        bool below = pick(c, 0, 1);
        float x = ldexpf(1, below ? -(int)pick(c, 15, 23) : -(int)pick(c, 10, 11));
        *a = ldexpf(1 + x, scale - 24 - split);
        *b = ldexpf(below ? 1 - x : 1 - x + x * x, split);
    }
    if (pick(c, 0, 1)) *a = -*a;
    if (pick(c, 0, 1)) *sum = -*sum;
}

static void fma_map(Case *c, const QccTarget *t)
{
    static const int64_t dense[] = {1};
    c->k.rank = 1;
    c->k.extent[0] = 20000;
    for (int a = 0; a < 4; a++) add_arg(c, QCC_F32, dense);
    float *p[4] = {NULL};
    for (int a = 1; a < 4; a++) p[a] = (void *)c->buffer[a].data;
    for (int i = 0; i < c->k.extent[0]; i++) fma_operands(c, &p[1][i], &p[2][i], &p[3][i]);
    p[1][0] = INFINITY;
    p[3][1] = -INFINITY;
    p[1][2] = p[2][2] = 0x1p-75f; /* the product is far below the least f32 */
    p[3][2] = 1.5f;
    p[1][3] = p[2][3] = 3e38f;
    QccExpr *e = c->k.epilogue = QCC_NEW(c->arena, QccExpr);
    qcc_expr_init(e, c->arena);
    e->result = qcc_expr_op3(e, QCC_EX_fma, qcc_expr_arg(e, 1, QCC_EX_F32),
                             qcc_expr_arg(e, 2, QCC_EX_F32), qcc_expr_arg(e, 3, QCC_EX_F32));
    qcc_choose_variant(&c->k, t);
}

static void run_fma(void *user)
{
    Run *r = user;
    QccArena *arena = qcc_arena_new(&r->mem);
    Case *c = QCC_NEW(arena, Case);
    c->arena = arena;
    fma_map(c, r->target);
    size_t size;
    const char *error = "";
    QccKernelFn *fn = compile_kernel(codegen(), &c->k, r->target, arena, &size, &error);
    ck_assert_msg(fn != NULL, "%s", error);
    void *arg[4];
    for (int a = 0; a < 4; a++) arg[a] = c->buffer[a].data;
    fn(arg, 0, qcc_kernel_work(&c->k, r->target->lanes));
    const float *out = arg[0], *a = arg[1], *b = arg[2], *x = arg[3];
    int differ_from_double = 0;
    for (int i = 0; i < c->k.extent[0]; i++) {
        float want = fmaf(a[i], b[i], x[i]);
        ck_assert_msg(memcmp(&out[i], &want, 4) == 0, "fma(%a, %a, %a) is %a, wanted %a", a[i],
                      b[i], x[i], out[i], want);
        differ_from_double += (float)((double)a[i] * b[i] + x[i]) != want;
    }
    /* The operands are hard enough only if two roundings go wrong now and then. */
    ck_assert_int_gt(differ_from_double, 100);
    qcc_arena_free(arena);
}

/* a * b + c as two operations, whose code must not contain a fused one; then as one. */
static void run_unfused(void *user)
{
    Run *r = user;
    QccArena *arena = qcc_arena_new(&r->mem);
    for (int fused = 0; fused < 2; fused++) {
        Case *c = QCC_NEW(arena, Case);
        c->arena = arena;
        fma_map(c, r->target);
        QccExpr *e = c->k.epilogue;
        if (!fused) {
            int product = qcc_expr_op2(e, QCC_EX_mul, qcc_expr_arg(e, 1, QCC_EX_F32),
                                       qcc_expr_arg(e, 2, QCC_EX_F32));
            e->result = qcc_expr_op2(e, QCC_EX_add, product, qcc_expr_arg(e, 3, QCC_EX_F32));
        }
        const void *object;
        size_t size;
        const char *error = "";
        QccCodegenDump dump = {0};
        QccStatus status =
            codegen()->compile(&c->k, r->target, arena, &object, &size, &error, &dump);
        ck_assert_msg(status == QCC_OK, "%s", error);
        ck_assert_ptr_nonnull(strstr(dump.ir, "define"));
        bool has_fused = strstr(dump.assembly, "fmadd") != NULL;
        ck_assert_int_eq(has_fused, fused && r->target->fma);
        if (!fused) ck_assert_ptr_nonnull(strstr(dump.assembly, "mulps"));
    }
    qcc_arena_free(arena);
}

/* What no emitter takes is an answer, not an end. */
static void run_refused(void *user)
{
    Run *r = user;
    QccArena *arena = qcc_arena_new(&r->mem);
    Case *c = QCC_NEW(arena, Case);
    c->arena = arena;
    qcc_random_init(&c->random, 1);
    c->k.anchor = QCC_ANCHOR_CONTRACT;
    random_contract(c, r->target);
    c->k.arg[1].dtype = QCC_I16;
    const void *object;
    size_t size;
    const char *error = NULL;
    QccStatus status = codegen()->compile(&c->k, r->target, arena, &object, &size, &error, NULL);
    ck_assert_int_eq(status, QCC_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error, "i16"));
    qcc_arena_free(arena);
}

static void run_on(int i, void (*run)(void *user))
{
    int n;
    Run r = {.target = &qcc_targets(&n)[i]};
    if (!qcc_target_runs_here(r.target))
        printf("%s: skipped, this machine does not run it\n", r.target->name);
    else
        ck_assert(qcc_mem_protect(&r.mem, run, &r));
}

/* ---- the tests ---------------------------------------------------------------------------------
 */

static void run_seed(void *user)
{
    Run *r = user;
    QccArena *arena = qcc_arena_new(&r->mem);
    Case *c = QCC_NEW(arena, Case);
    c->mem = &r->mem;
    c->arena = arena;
    qcc_random_init(&c->random, r->seed);
    c->k.anchor = r->anchor;
    r->make(c, r->target);
    const char *bad = run_case(c, codegen(), r->target);
    if (bad) {
        QccBuf text;
        qcc_buf_init(&text, arena);
        qcc_kernel_print(&text, &c->k, true);
        printf("seed %llu on %s: %s\n%s\n", (unsigned long long)r->seed, r->target->name, bad,
               text.data);
        r->failed++;
    }
    qcc_arena_free(arena);
}

/* Test number i is bundle i / BATCHES, seeds from i % BATCHES * BATCH on; QCC_SEED: one seed. */
static void run_batch(int i, QccAnchor anchor, void (*make)(Case *c, const QccTarget *t))
{
    int n;
    const QccTarget *targets = qcc_targets(&n);
    Run r = {.anchor = anchor, .make = make, .target = &targets[i / BATCHES]};
    const char *only = getenv("QCC_SEED");
    if (i / BATCHES >= n) return;
    if (!qcc_target_runs_here(r.target)) {
        printf("%s: skipped, this machine does not run it\n", r.target->name);
        return;
    }
    uint64_t first = (uint64_t)(i % BATCHES) * BATCH;
    for (uint64_t seed = first; seed < first + BATCH; seed++) {
        r.seed = only ? strtoull(only, NULL, 10) : seed;
        if (only && seed > 0) break;
        ck_assert(qcc_mem_protect(&r.mem, run_seed, &r));
    }
    ck_assert_msg(r.failed == 0, "%d of %d kernels differ", r.failed, BATCH);
}

START_TEST(contract)
{
    run_batch(_i, QCC_ANCHOR_CONTRACT, random_contract);
}
END_TEST

START_TEST(depthwise)
{
    run_batch(_i, QCC_ANCHOR_DEPTHWISE, random_contract);
}
END_TEST

START_TEST(pool)
{
    run_batch(_i, QCC_ANCHOR_POOL, random_pool);
}
END_TEST

START_TEST(map)
{
    run_batch(_i, QCC_ANCHOR_MAP, random_map);
}
END_TEST

START_TEST(rows)
{
    run_batch(_i, QCC_ANCHOR_ROWS, random_rows);
}
END_TEST

START_TEST(fma_is_rounded_once)
{
    run_on(_i, run_fma);
}
END_TEST

START_TEST(multiply_then_add_stays_two)
{
    run_on(_i, run_unfused);
}
END_TEST

START_TEST(unknown_operands_are_refused)
{
    run_on(_i, run_refused);
}
END_TEST

int main(void)
{
    if (!codegen()) return 77;
    Suite *suite = suite_create("kernels");
    TCase *tc = tcase_create("kernels");
    int n;
    qcc_targets(&n);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, contract, 0, n * BATCHES);
    tcase_add_loop_test(tc, depthwise, 0, n * BATCHES);
    tcase_add_loop_test(tc, pool, 0, n * BATCHES);
    tcase_add_loop_test(tc, map, 0, n * BATCHES);
    tcase_add_loop_test(tc, rows, 0, n * BATCHES);
    tcase_add_loop_test(tc, fma_is_rounded_once, 0, n);
    tcase_add_loop_test(tc, multiply_then_add_stays_two, 0, n);
    tcase_add_loop_test(tc, unknown_operands_are_refused, 0, n);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
