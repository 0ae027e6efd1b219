/* test_kernels - compiled kernels give the bytes of plain C: random descriptions of every anchor,
 * on every bundle that this machine runs. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
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
    int kind = (int)pick(c, 0, 4);
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
    /* The result was reserved as argument 0. */
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

/* ---- the tests ---------------------------------------------------------------------------------
 */

typedef struct Run {
    QccAnchor anchor;
    void (*make)(Case *c, const QccTarget *t);
    uint64_t seed;
    const QccTarget *target;
    QccMem mem;
    int failed;
} Run;

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

int main(void)
{
    if (!codegen()) return 77;
    Suite *suite = suite_create("kernels");
    TCase *tc = tcase_create("kernels");
    int n;
    qcc_targets(&n);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, contract, 0, n * BATCHES);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
