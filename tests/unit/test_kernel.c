/* test_kernel - texts, work units, variants and packed weights of kernel descriptions. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backend/pack.h"
#include "backend/variant.h"
#include "ir/base/random.h"

static QccMem mem;
static QccArena *arena;

static void setup(void)
{
    ck_assert_ptr_nonnull(arena = qcc_arena_new(&mem));
}
static void teardown(void)
{
    qcc_arena_free(arena);
}

/* Bodies run behind a memory edge, as arenas want it. */
static void (*body)(void);
static void call_body(void *user)
{
    (void)user;
    body();
}
static void run(void (*fn)(void))
{
    body = fn;
    ck_assert(qcc_mem_protect(&mem, call_body, NULL));
}

/* A convolution of dense u8 NHWC by i8, or all f32: acc, plus one i32 or f32 a channel. */
static QccKernel *make_conv(const int64_t *space, int64_t kh, int64_t kw, int64_t ci,
                            int64_t groups, bool f32)
{
    QccKernel *k = QCC_NEW(arena, QccKernel);
    k->anchor = QCC_ANCHOR_CONTRACT;
    k->rank = 4;
    memcpy(k->extent, space, 4 * sizeof *space);
    int64_t w = space[2] + kw - 1, h = space[1] + kh - 1;
    k->u.contract = (QccContractShape){.kh = kh,
                                       .kw = kw,
                                       .stride_h = 1,
                                       .stride_w = 1,
                                       .dil_h = 1,
                                       .dil_w = 1,
                                       .ci = ci,
                                       .groups = groups,
                                       .a_n = h * w * ci * groups,
                                       .a_h = w * ci * groups,
                                       .a_w = ci * groups};
    k->narg = 4;
    k->nanchor = 2;
    QccDtype sum = f32 ? QCC_F32 : QCC_I32;
    int64_t pitch = 1;
    for (int i = 3; i >= 0; i--) {
        k->arg[0].stride[i] = pitch;
        pitch *= space[i];
    }
    k->arg[0].dtype = k->arg[3].dtype = sum;
    k->arg[1].dtype = f32 ? QCC_F32 : QCC_U8;
    k->arg[2].dtype = f32 ? QCC_F32 : QCC_I8;
    k->arg[3].stride[3] = 1;
    QccExpr *e = k->epilogue = QCC_NEW(arena, QccExpr);
    qcc_expr_init(e, arena);
    QccExprType t = f32 ? QCC_EX_F32 : QCC_EX_I32;
    int acc = qcc_expr_acc(e, t);
    e->result = qcc_expr_op2(e, QCC_EX_add, acc, qcc_expr_arg(e, 3, t));
    return k;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* The text is what caches are keyed by: a change here makes every cached object stale. */
static const char conv_text[] = "kernel contract\n"
                                "space 1x7x9x20\n"
                                "taps 3x2 stride 1x1 dilation 1x1 ci 5 groups 1\n"
                                "a 450 50 5\n"
                                "b packed\n"
                                "arg 0 i32 1260 180 20 1\n"
                                "arg 1 u8 anchor\n"
                                "arg 2 i8 anchor\n"
                                "arg 3 i32 0 0 0 1\n"
                                "epilogue\n"
                                "0 = acc i32\n"
                                "1 = arg i32 #3\n"
                                "2 = add i32 0 1\n"
                                "result 2\n";

static void check_text(void)
{
    QccKernel *k = make_conv((int64_t[]){1, 7, 9, 20}, 3, 2, 5, 1, false);
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    qcc_kernel_print(&buf, k, false);
    ck_assert_str_eq(buf.data, conv_text);
    k->variant = (QccVariant){.mr = 6, .nr = 2, .unroll = 4, .chunk = 12, .n_outer = true};
    buf.len = 0;
    qcc_kernel_print(&buf, k, true);
    ck_assert_int_eq(strncmp(buf.data, conv_text, sizeof conv_text - 1), 0);
    ck_assert_str_eq(buf.data + sizeof conv_text - 1,
                     "variant mr 6 nr 2 unroll 4 chunk 12 n-outer\n");
    k->variant = (QccVariant){.mr = 28,
                              .nr = 2,
                              .unroll = 4,
                              .tiles = 2,
                              .flat = true,
                              .spread = 3,
                              .stream = QCC_STREAM_B,
                              .seeded = true,
                              .late = true,
                              .ahead = true};
    buf.len = 0;
    qcc_kernel_print(&buf, k, true);
    ck_assert_str_eq(buf.data + sizeof conv_text - 1,
                     "variant mr 28 nr 2 unroll 4 chunk 0 m-outer tiles 2 flat spread 3 stream b "
                     "seeded late ahead\n");
    buf.len = 0;
    qcc_kernel_title(&buf, k);
    ck_assert_str_eq(buf.data, "conv 1x7x9x20 k3x2 u8");
    ck_assert_int_eq(qcc_kernel_operations(k), 2 * 7 * 9 * 20 * 3 * 2 * 5);
    /* The i32 result, 9 x 10 pixels of A, the weights, a bias. */
    ck_assert_int_eq(qcc_kernel_bytes(k), 7 * 9 * 20 * 4 + 9 * 10 * 5 + 20 * 3 * 2 * 5 + 20 * 4);
    /* A B of its own for every row. */
    k->u.contract.b_strided = true;
    k->u.contract.b_h = 1000;
    ck_assert_int_eq(qcc_kernel_bytes(k),
                     7 * 9 * 20 * 4 + 9 * 10 * 5 + 7 * 20 * 3 * 2 * 5 + 20 * 4);
    k->u.contract.b_strided = false;
    k->u.contract.stride_h = k->u.contract.stride_w = 3; /* every third column of two is left out */
    ck_assert_int_eq(qcc_kernel_bytes(k), 7 * 9 * 20 * 4 + 21 * 18 * 5 + 20 * 3 * 2 * 5 + 20 * 4);
}
START_TEST(test_text)
{
    run(check_text);
}
END_TEST

static void check_work(void)
{
    QccKernel *k = make_conv((int64_t[]){2, 7, 9, 84}, 1, 1, 4, 2, false);
    k->variant = (QccVariant){.mr = 4, .nr = 2, .chunk = 4};
    /* 42 outputs a group are 2 panels of 32, of which there are two groups; 9 pixels, 3 chunks. */
    ck_assert_int_eq(qcc_kernel_panels(k, 16), 4);
    ck_assert_int_eq(qcc_kernel_work(k, 16), 2 * 7 * 3 * 4);
    k->variant.chunk = 0;
    ck_assert_int_eq(qcc_kernel_work(k, 16), 2 * 7 * 1 * 4);
    /* 14 rows of 9 pixels in tiles of 5 are 28 tiles, in blocks of two. */
    k->variant = (QccVariant){.mr = 10, .nr = 2, .tiles = 2};
    ck_assert_int_eq(qcc_kernel_work(k, 16), 14 * 4);
    /* In passes of K: 32 KiB of sums of 10 x 32 are 25 panels. */
    k->variant.chunk = 1;
    ck_assert_int_eq(qcc_kernel_tiling(k).group, 25);
    ck_assert_int_eq(qcc_kernel_work(k, 16), 14);
    k->anchor = QCC_ANCHOR_DEPTHWISE;
    k->variant = (QccVariant){.mr = 4, .nr = 1};
    ck_assert_int_eq(qcc_kernel_work(k, 16), 2 * 7);
    k->anchor = QCC_ANCHOR_POOL;
    ck_assert_int_eq(qcc_kernel_work(k, 16), 14);
    k->anchor = QCC_ANCHOR_ROWS; /* 126 of them */
    k->variant = (QccVariant){.mr = 4, .nr = 2};
    ck_assert_int_eq(qcc_kernel_work(k, 16), 32);
    k->anchor = QCC_ANCHOR_MAP;
    ck_assert_int_eq(qcc_kernel_work(k, 16), 2);
    k->rank = 1;
    k->extent[0] = 4097;
    ck_assert_int_eq(qcc_kernel_work(k, 16), 2);
    k->extent[0] = 0;
    ck_assert_int_eq(qcc_kernel_work(k, 16), 0);
}
START_TEST(test_work)
{
    run(check_work);
}
END_TEST

/* ---- targets and variants -------------------------------------------------------------------- */

START_TEST(test_targets)
{
    int n;
    const QccTarget *t = qcc_targets(&n);
    ck_assert_int_ge(n, 6);
    for (int i = 0; i < n; i++) {
        ck_assert_ptr_eq(qcc_target_find(t[i].name), &t[i]);
        /* None is a part of one before it, so the last that runs is the best. */
        for (int j = 0; j < i; j++)
            ck_assert_msg((t[j].needs & t[i].needs) != t[i].needs, "%s comes after %s", t[i].name,
                          t[j].name);
        if (qcc_target_runs_here(&t[i])) ck_assert(qcc_target_host() >= &t[i]);
    }
    /* Those for tests are found by name, and never offered or preferred. */
    int tested;
    ck_assert_ptr_eq(qcc_targets_tested(&tested), t);
    ck_assert_int_gt(tested, n);
    for (int i = n; i < tested; i++) ck_assert_ptr_eq(qcc_target_find(t[i].name), &t[i]);
    if (qcc_target_host()) ck_assert(qcc_target_host() < &t[n]);
    ck_assert_ptr_null(qcc_target_find("x86-64-v5"));
    if (qcc_target_host()) ck_assert(qcc_target_runs_here(qcc_target_host()));
}
END_TEST

/* A CPU that answers as it is told, and counts how often it was asked for tiles. */
typedef struct FakeCpu {
    uint32_t leaf1[4], leaf7[4], leaf7_1[4], extended[4];
    uint64_t xcr0;
    bool grants;
    int asked;
} FakeCpu;

static bool fake_cpuid(void *user, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const FakeCpu *c = user;
    const uint32_t *r = leaf == 1 ? c->leaf1 : leaf == 7 ? c->leaf7 : c->extended;
    if (leaf == 7 && subleaf == 1) r = c->leaf7_1;
    memcpy(out, r, 4 * sizeof *out);
    return leaf == 1 || leaf == 7 || leaf == 0x80000001u;
}

static uint64_t fake_xcr0(void *user)
{
    return ((FakeCpu *)user)->xcr0;
}

static bool fake_grant(void *user)
{
    FakeCpu *c = user;
    c->asked++;
    return c->grants;
}

/* The name of the best bundle of such a CPU, and how often it was asked for tiles. */
static void check_best(FakeCpu cpu, const char *name, int asked)
{
    QccCpu c = {fake_cpuid, fake_xcr0, fake_grant, &cpu};
    const QccTarget *best = qcc_target_best(qcc_cpu_features(&c));
    ck_assert_str_eq(best ? best->name : "none", name);
    ck_assert_int_eq(cpu.asked, asked);
}

START_TEST(test_masked_cpus)
{
    /* What a Sapphire Rapids and Linux say. */
    const FakeCpu all = {.leaf1 = {0x000806f8, 0x00800800, 0x7ffefbff, 0xbfebfbff},
                         .leaf7 = {0x00000001, 0xf3bfb7ef, 0xfb417ffe, 0xffdd4432},
                         .leaf7_1 = {0x00001c30},
                         .extended = {0, 0, 0x00000121, 0x2c100800},
                         .xcr0 = 0x602e7,
                         .grants = true};
    FakeCpu c = all;
    check_best(c, "x86-64-v4+vnni+vbmi+amx", 1);
    c.grants = false; /* an older kernel, a sandbox, a small signal stack */
    check_best(c, "x86-64-v4+vnni+vbmi", 1);
    c = all;
    c.xcr0 = 0x2e7; /* a hypervisor that shows AMX and does not save it */
    check_best(c, "x86-64-v4+vnni+vbmi", 0);
    c.xcr0 = 0x202e7; /* and one that saves the configuration only */
    check_best(c, "x86-64-v4+vnni+vbmi", 0);
    c = all;
    c.leaf7[3] &= ~(1u << 25); /* tiles, but no int8 */
    check_best(c, "x86-64-v4+vnni+vbmi", 0);
    c = all;
    c.xcr0 = 7; /* no zmm */
    check_best(c, "x86-64-v3+avxvnni", 0);
    c = all;
    c.leaf1[2] &= ~(1u << 27); /* the operating system does not use xsave */
    check_best(c, "x86-64-v2", 0);
    c.leaf1[2] &= ~(1u << 19);
    check_best(c, "none", 0);
}
END_TEST

static void check_same(const QccVariant *a, const QccVariant *b)
{
    ck_assert_int_eq(a->mr, b->mr);
    ck_assert_int_eq(a->nr, b->nr);
    ck_assert_int_eq(a->unroll, b->unroll);
    ck_assert_int_eq(a->chunk, b->chunk);
    ck_assert_int_eq(a->n_outer, b->n_outer);
    ck_assert_int_eq(a->tiles, b->tiles);
    ck_assert_int_eq(a->flat, b->flat);
    ck_assert_int_eq(a->spread, b->spread);
    ck_assert_int_eq(a->stream, b->stream);
    ck_assert_int_eq(a->seeded, b->seeded);
    ck_assert_int_eq(a->late, b->late);
    ck_assert_int_eq(a->ahead, b->ahead);
}

static void check_variant(const QccKernel *k, const QccTarget *t, const QccVariant *v,
                          int64_t groups)
{
    ck_assert_int_ge(v->mr, 1);
    ck_assert_int_ge(v->nr, 1);
    ck_assert_int_ge(v->unroll, 1);
    if (v->tiles) {
        ck_assert(t->tiles && groups == 1 && k->arg[1].dtype == QCC_U8);
        ck_assert_int_eq(v->mr % v->tiles, 0);
        ck_assert_int_le(v->mr / v->tiles, 16);
        ck_assert_int_le(v->tiles * v->nr, 4);
        ck_assert_int_ge(v->spread, 1);
        ck_assert(v->chunk == 0 || !v->n_outer);
    } else {
        ck_assert_int_ge(v->chunk, 0);
        ck_assert_int_eq(v->chunk % v->mr, 0);
        ck_assert_int_le(v->mr * v->nr + v->nr + 1, t->registers);
    }
}

static void check_variants(void)
{
    int n, in_tiles = 0;
    const QccTarget *t = qcc_targets_tested(&n);
    QccRandom r;
    qcc_random_init(&r, 7);
    for (int i = 0; i < 400; i++) {
        const QccTarget *target = &t[i % n];
        int64_t groups = qcc_random_range(&r, 0, 3) ? 1 : qcc_random_range(&r, 1, 9);
        int64_t space[4] = {qcc_random_range(&r, 1, 3), qcc_random_range(&r, 1, 60),
                            qcc_random_range(&r, 1, 1500), groups * qcc_random_range(&r, 1, 300)};
        QccKernel *k = make_conv(space, qcc_random_range(&r, 1, 5), qcc_random_range(&r, 1, 5),
                                 qcc_random_range(&r, 1, 600), groups, qcc_random_bool(&r));
        qcc_choose_variant(k, target);
        QccVariant list[QCC_CANDIDATES], chosen = k->variant;
        int m = qcc_variant_candidates(k, target, list, QCC_CANDIDATES);
        ck_assert(m >= 1 && m <= QCC_CANDIDATES);
        check_same(&list[0], &chosen);
        for (int j = 0; j < m; j++) check_variant(k, target, &list[j], groups);
        in_tiles += chosen.tiles > 0;
        qcc_choose_variant(k, target);
        check_same(&chosen, &k->variant);
        ck_assert_int_eq(qcc_variant_candidates(k, target, list + 1, 1), 1);
        check_same(&list[0], &list[1]);
    }
    ck_assert_int_gt(in_tiles, 20);
}
START_TEST(test_variants)
{
    run(check_variants);
}
END_TEST

/* Blocks of 20 to 24 accumulators were measured to be good, and smaller ones to be slower. */
static void check_measured_variants(void)
{
    const QccTarget *t = qcc_target_find("x86-64-v4+vnni");
    static const int64_t space[][4] = {{1, 1, 128, 768}, {1, 56, 56, 64}, {1, 14, 14, 256}};
    for (size_t i = 0; i < sizeof space / sizeof space[0]; i++) {
        QccKernel *k = make_conv(space[i], 3, 3, 64, 1, false);
        qcc_choose_variant(k, t);
        ck_assert_int_ge(k->variant.mr * k->variant.nr, 20);
        ck_assert_int_le(k->variant.mr * k->variant.nr, 24);
        ck_assert_int_ge(qcc_kernel_work(k, t->lanes), 14);
    }
}
static void check_measured_depthwise(void)
{
    const QccTarget *t = qcc_target_find("x86-64-v4+vnni");
    static const struct {
        int64_t wide, taps, stride;
        int mr;
    } measured[] = {{56, 3, 1, 8}, {28, 3, 1, 7}, {14, 5, 1, 7}, {56, 3, 2, 8},
                    {28, 5, 2, 7}, {7, 3, 1, 7},  {14, 7, 1, 4}};
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++) {
        int64_t wide = measured[i].wide, taps = measured[i].taps;
        QccKernel *k = make_conv((int64_t[]){1, wide, wide, 64}, taps, taps, 1, 64, false);
        k->anchor = QCC_ANCHOR_DEPTHWISE;
        k->u.contract.stride_h = k->u.contract.stride_w = measured[i].stride;
        qcc_choose_variant(k, t);
        ck_assert_int_eq(k->variant.mr, measured[i].mr);
    }
}
START_TEST(test_measured_variants)
{
    run(check_measured_variants);
    run(check_measured_depthwise);
}
END_TEST

/* What hides an epilogue that binds, and weights that come from memory; and neither where the
 * multiplies bind and weights stay in L2. */
static void check_tile_details(const QccTarget *t)
{
    static const struct {
        int64_t h, w, n, taps, ci;
        bool seeded, late, ahead;
    } conv[] = {
        {56, 56, 256, 1, 64, true, true, false},    {112, 112, 96, 1, 16, true, true, false},
        {14, 14, 256, 3, 256, false, false, false}, {56, 56, 64, 3, 64, false, false, false},
        {7, 7, 512, 3, 512, false, false, false}, /* one block: B passes by once */
        {1, 128, 768, 1, 3072, false, false, true}};
    for (size_t i = 0; i < sizeof conv / sizeof *conv; i++) {
        int64_t space[4] = {1, conv[i].h, conv[i].w, conv[i].n};
        QccKernel *k = make_conv(space, conv[i].taps, conv[i].taps, conv[i].ci, 1, false);
        k->arg[0].dtype = QCC_U8;
        QccExpr *e = k->epilogue;
        k->arg[k->narg++] = (QccKernelArg){.dtype = QCC_F32, .stride = {0, 0, 0, 1}};
        int v = qcc_expr_op2(e, QCC_EX_mul, qcc_expr_cvt(e, QCC_EX_F32, e->result),
                             qcc_expr_arg(e, 4, QCC_EX_F32));
        v = qcc_expr_op2(e, QCC_EX_max, qcc_expr_cvt(e, QCC_EX_I32, v), qcc_expr_i32(e, 0));
        e->result = qcc_expr_op2(e, QCC_EX_min, v, qcc_expr_i32(e, 255));
        qcc_choose_variant(k, t);
        ck_assert_int_gt(k->variant.tiles, 0);
        ck_assert_int_eq(k->variant.seeded, conv[i].seeded);
        ck_assert_int_eq(k->variant.late, conv[i].late);
        ck_assert_int_eq(k->variant.ahead, conv[i].ahead);
        /* With and without that is worth measuring. */
        QccVariant list[QCC_CANDIDATES];
        int n = qcc_variant_candidates(k, t, list, QCC_CANDIDATES), others = 0;
        for (int j = 0; j < n; j++) others += list[j].tiles && list[j].ahead != conv[i].ahead;
        ck_assert_int_gt(others, 0);
    }
}

/* The blocks, and the operand read past L1, that were measured to be the best (u8 x i8 to u8 on
 * Emerald Rapids); products of few pixels are no work for tiles. */
static void check_measured_tiles(void)
{
    const QccTarget *t = qcc_target_find("x86-64-v4+vnni+vbmi+amx");
    static const struct {
        int64_t m, n, k;
        int tiles, nr;
        QccStream stream;
    } product[] = {
        {128, 768, 768, 2, 2, QCC_STREAM_B},    {512, 1024, 1024, 2, 2, QCC_STREAM_B},
        {1024, 1024, 1024, 2, 2, QCC_STREAM_B}, {3136, 64, 576, 1, 4, QCC_STREAM_A},
        {784, 128, 1152, 2, 2, QCC_STREAM_B},   {1, 4096, 4096, 0, 4, QCC_STREAM_NONE},
    };
    for (size_t i = 0; i < sizeof product / sizeof *product; i++) {
        QccKernel *k =
            make_conv((int64_t[]){1, 1, product[i].m, product[i].n}, 1, 1, product[i].k, 1, false);
        qcc_choose_variant(k, t);
        ck_assert_int_eq(k->variant.tiles, product[i].tiles);
        ck_assert_int_eq(k->variant.nr, product[i].nr);
        ck_assert_int_eq(k->variant.stream, product[i].stream);
    }
    check_tile_details(t);
    /* A row of 56 pixels is four tiles of 14; 7 x 7 pixels with a halo are one row of 61. */
    QccKernel *wide = make_conv((int64_t[]){1, 56, 56, 128}, 3, 3, 64, 1, false);
    qcc_choose_variant(wide, t);
    ck_assert_int_eq(wide->variant.mr, wide->variant.tiles * 14);
    ck_assert(!wide->variant.flat);
    QccKernel *small = make_conv((int64_t[]){1, 7, 7, 512}, 3, 3, 512, 1, false);
    qcc_choose_variant(small, t);
    ck_assert(small->variant.flat);
    QccTiling g = qcc_kernel_tiling(small);
    ck_assert_int_eq(g.pitch, 9);
    ck_assert_int_eq(g.length, 61);
    ck_assert_int_eq(g.rows, 16);
    ck_assert_int_eq(g.tiles, 4);
}
START_TEST(test_measured_tiles)
{
    run(check_measured_tiles);
}
END_TEST

/* ---- packed weights -------------------------------------------------------------------------- */

/* Reads the packed weights from front to back, in the order that pack.h promises, and puts every
 * weight that is not beyond the edges into w[co][kh*kw*ci]; checks that the rest is zero. */
typedef struct Reader {
    const char *at;
    int size; /* of a packed element */
} Reader;

static double next(Reader *r)
{
    double x = 0;
    if (r->size == 4) x = *(const float *)r->at;
    if (r->size == 2) x = *(const int16_t *)r->at;
    if (r->size == 1) x = *(const int8_t *)r->at;
    r->at += r->size;
    return x;
}

static void put(double *w, bool exists, int64_t at, double x)
{
    if (exists)
        w[at] = x;
    else
        ck_assert_double_eq(x, 0);
}

/* paired: from which column on two steps stand side by side. */
static void read_panel(Reader *in, const QccKernel *k, const QccTarget *t, int64_t first,
                       int64_t valid, int64_t paired, double *w)
{
    int64_t runs, length, cols = (int64_t)k->variant.nr * t->lanes;
    qcc_contract_runs(k, &runs, &length);
    int64_t depth = runs * length;
    static const int as_they_are[] = {0, 1, 2, 3}, madd[] = {0, 2, 1, 3};
    for (int64_t run = 0; run < runs; run++) {
        if (in->size == 4) {
            for (int64_t e = 0; e < length; e++)
                for (int64_t j = 0; j < cols; j++)
                    put(w, j < valid, (first + j) * depth + run * length + e, next(in));
            continue;
        }
        int halves = in->size == 2 ? 2 : 1;
        const int *order = halves == 1 || k->variant.wide ? as_they_are : madd;
        for (int64_t e = 0; e < length; e += 4)
            for (int h = 0; h < halves && (!k->variant.wide || e + 2 * h < length); h++)
                for (int64_t j = 0; j < cols; j++)
                    for (int b = 0; b < 4 / halves; b++) {
                        int64_t byte = e + order[h * 2 + b], column = j;
                        bool exists = j < paired || e % 8 == 0;
                        if (j >= paired) byte += 4 * ((j - paired) % 2);
                        if (j >= paired) column = paired + (j - paired) / 2;
                        exists &= column < valid && byte < length;
                        put(w, exists, (first + column) * depth + run * length + byte, next(in));
                    }
    }
}

static void check_pack(void)
{
    int n, in_pairs = 0;
    const QccTarget *targets = qcc_targets(&n);
    QccRandom r;
    qcc_random_init(&r, 11);
    for (int i = 0; i < 300; i++) {
        const QccTarget *t = &targets[i % n];
        bool f32 = qcc_random_bool(&r);
        int64_t groups = qcc_random_range(&r, 0, 2) ? 1 : qcc_random_range(&r, 2, 4);
        int64_t per = qcc_random_range(&r, 1, 70), ci = qcc_random_range(&r, 1, 9);
        int64_t kh = qcc_random_range(&r, 1, 3), kw = qcc_random_range(&r, 1, 3);
        QccKernel *k = make_conv((int64_t[]){1, 4, 4, per * groups}, kh, kw, ci, groups, f32);
        if (qcc_random_bool(&r)) k->u.contract.a_w += 3; /* pixels that do not touch */
        k->variant = (QccVariant){.mr = 1, .nr = (int)qcc_random_range(&r, 1, 4)};
        k->variant.wide = qcc_wide_fits(k, t) && qcc_random_bool(&r);
        int64_t depth = kh * kw * ci, count = per * groups * depth;
        void *w = qcc_alloc_array(arena, count, 4);
        double *want = qcc_alloc_array(arena, count, 8), *got = qcc_alloc_array(arena, count, 8);
        for (int64_t j = 0; j < count; j++) {
            int32_t x = (int32_t)qcc_random_range(&r, -128, 127);
            want[j] = x;
            if (f32)
                ((float *)w)[j] = (float)x;
            else
                ((int8_t *)w)[j] = (int8_t)x;
        }
        int64_t size = qcc_pack_size(k, t), cols = (int64_t)k->variant.nr * t->lanes;
        char *packed = qcc_alloc(arena, (size_t)size + 1);
        packed[size] = 77;
        qcc_pack(packed, k, t, w);
        ck_assert_int_eq(packed[size], 77);
        Reader in = {packed, f32 ? 4 : t->dot == QCC_DOT_VNNI ? 1 : 2};
        int64_t paired = qcc_paired_columns(k, t);
        in_pairs += paired < per;
        for (int64_t g = 0; g < groups; g++)
            for (int64_t first = 0; first < per; first += cols)
                read_panel(&in, k, t, g * per + first, per - first < cols ? per - first : cols,
                           paired - first, got);
        ck_assert_ptr_eq(in.at, packed + size);
        ck_assert_mem_eq(got, want, (size_t)count * 8);
    }
    ck_assert_int_gt(in_pairs, 5);
}
START_TEST(test_pack)
{
    run(check_pack);
}
END_TEST

/* Two filters of 1 x 3 taps and ci channels each, whose last weights are w; the others are zero. */
static bool pairs_of(const QccTarget *t, int64_t ci, int64_t groups, int apart, const int *w, int n)
{
    QccKernel *k = make_conv((int64_t[]){1, 2, 4, 2 * groups}, 1, 3, ci, groups, false);
    k->u.contract.a_w += apart;
    int8_t all[256] = {0};
    int64_t count = 2 * groups * 3 * ci;
    for (int i = 0; i < n; i++) all[count - n + i] = (int8_t)w[i];
    return qcc_pairs_fit(k, t, all);
}

/* A pair stands at an even place of a run: the taps of a row, if pixels touch, or one tap. Of 16
 * bits 255 * 128 is the most, 255 * 129 is too much. */
static void check_pairs_fit(void)
{
    const QccTarget *t = qcc_target_find("x86-64-v3");
    ck_assert(pairs_of(t, 4, 1, 0, (int[]){127, 1, -128, 0}, 4));
    ck_assert(pairs_of(t, 4, 1, 0, (int[]){127, -128, 64, 64}, 4));
    ck_assert(pairs_of(t, 4, 1, 0, (int[]){127, 0, 127, 0}, 4));
    ck_assert(pairs_of(t, 4, 1, 0, (int[]){1, 127, 1, 127}, 4));
    ck_assert(!pairs_of(t, 4, 1, 0, (int[]){127, 2, 0, 0}, 4));
    ck_assert(!pairs_of(t, 4, 1, 0, (int[]){0, 0, 64, 65}, 4));
    ck_assert(!pairs_of(t, 4, 1, 0, (int[]){0, 0, -128, -1}, 4));
    ck_assert(!pairs_of(t, 4, 1, 0, (int[]){-64, -65, 1, 1}, 4));
    /* Runs of 9: the last weight stands alone. Runs of 3: the first two are a pair. */
    ck_assert(pairs_of(t, 3, 1, 0, (int[]){0, 0, 127, 0, 127}, 5));
    ck_assert(!pairs_of(t, 3, 1, 0, (int[]){127, 127, 0, 0, 0}, 5));
    ck_assert(pairs_of(t, 3, 1, 1, (int[]){0, 127, 127, 0, 127}, 5));
    ck_assert(!pairs_of(t, 3, 1, 1, (int[]){0, 0, 127, 127, 0}, 5));
    ck_assert(!pairs_of(t, 3, 2, 0, (int[]){0, 0, 127, 127, 0}, 5));
    /* Where four are multiplied at once there is nothing to ask for. */
    ck_assert(!pairs_of(qcc_target_find("x86-64-v4+vnni"), 4, 1, 0, (int[]){1, 1, 1, 1}, 4));
}
START_TEST(test_pairs_fit)
{
    run(check_pairs_fit);
}
END_TEST

/* 16 outputs after 16; of each, run by run, 64 bytes after 64; of these, four by four. */
static void check_pack_tiles(void)
{
    const QccTarget *t = qcc_target_find("x86-64-v4+vnni+vbmi+amx");
    for (int touching = 0; touching < 2; touching++) {
        enum { OUT = 20, TAPS = 3, CI = 70, COUNT = OUT * TAPS * CI };
        QccKernel *k = make_conv((int64_t[]){1, 4, 4, OUT}, 1, TAPS, CI, 1, false);
        if (!touching) k->u.contract.a_w += 3; /* a run is one tap, not three */
        k->variant = (QccVariant){.mr = 4, .nr = 2, .tiles = 1};
        int64_t runs = touching ? 1 : TAPS, length = touching ? TAPS * CI : CI;
        int64_t steps = touching ? 4 : 2;
        int8_t *w = qcc_alloc(arena, COUNT);
        for (int i = 0; i < COUNT; i++) w[i] = (int8_t)(i * 7 % 251 - 125);
        ck_assert_int_eq(qcc_pack_size(k, t), 2 * runs * steps * 1024);
        int8_t *packed = qcc_alloc(arena, (size_t)qcc_pack_size(k, t)), *in = packed;
        qcc_pack(packed, k, t, w);
        for (int64_t first = 0; first < 32; first += 16)
            for (int64_t run = 0; run < runs; run++)
                for (int64_t four = 0; four < 16 * steps; four++)
                    for (int64_t o = first; o < first + 16; o++)
                        for (int64_t e = 4 * four; e < 4 * four + 4; e++, in++)
                            ck_assert_int_eq(*in, o < OUT && e < length
                                                      ? w[o * TAPS * CI + run * length + e]
                                                      : 0);
    }
}
START_TEST(test_pack_tiles)
{
    run(check_pack_tiles);
}
END_TEST

static void check_pack_depthwise(void)
{
    const QccTarget *t = qcc_target_find("x86-64-v3");
    QccKernel *k = make_conv((int64_t[]){1, 4, 4, 10}, 1, 3, 1, 10, false);
    k->anchor = QCC_ANCHOR_DEPTHWISE;
    int8_t w[10][3];
    for (int i = 0; i < 30; i++) w[i / 3][i % 3] = (int8_t)(i - 15);
    ck_assert_int_eq(qcc_pack_size(k, t), 2 * 16 * 2 * 2); /* pairs, channels, two, bytes */
    int16_t packed[2][16][2];
    qcc_pack(packed, k, t, w);
    for (int c = 0; c < 16; c++) {
        ck_assert_int_eq(packed[0][c][0], c < 10 ? w[c][0] : 0);
        ck_assert_int_eq(packed[0][c][1], c < 10 ? w[c][1] : 0);
        ck_assert_int_eq(packed[1][c][0], c < 10 ? w[c][2] : 0);
        ck_assert_int_eq(packed[1][c][1], 0);
    }
    /* Columns of three taps: pairs below each other, the last one with zero. */
    QccKernel *two = make_conv((int64_t[]){1, 4, 4, 10}, 3, 2, 1, 10, false);
    two->anchor = QCC_ANCHOR_DEPTHWISE;
    int8_t tall[10][3][2], quads[2][16][4];
    int16_t pairs[2][2][16][2];
    for (int i = 0; i < 60; i++) tall[i / 6][i % 6 / 2][i % 2] = (int8_t)(i - 30);
    ck_assert_int_eq(qcc_pack_size(two, t), (int64_t)sizeof pairs);
    qcc_pack(pairs, two, t, tall);
    for (int c = 0; c < 16; c++)
        for (int x = 0; x < 2; x++)
            for (int y = 0; y < 4; y++)
                ck_assert_int_eq(pairs[x][y / 2][c][y % 2], c < 10 && y < 3 ? tall[c][y][x] : 0);
    /* Columns of three taps: bytes of a channel side by side, the fourth zero. */
    t = qcc_target_find("x86-64-v4+vnni");
    ck_assert_int_eq(qcc_pack_size(two, t), (int64_t)sizeof quads);
    qcc_pack(quads, two, t, tall);
    for (int c = 0; c < 16; c++)
        for (int x = 0; x < 2; x++)
            for (int y = 0; y < 4; y++)
                ck_assert_int_eq(quads[x][c][y], c < 10 && y < 3 ? tall[c][y][x] : 0);
    t = qcc_target_find("x86-64-v3");
    k->arg[1].dtype = k->arg[2].dtype = QCC_F32;
    float wf[10][3], pf[3][16];
    for (int i = 0; i < 30; i++) wf[i / 3][i % 3] = (float)(i + 1);
    ck_assert_int_eq(qcc_pack_size(k, t), (int64_t)sizeof pf);
    qcc_pack(pf, k, t, wf);
    for (int tap = 0; tap < 3; tap++)
        for (int c = 0; c < 16; c++) ck_assert(pf[tap][c] == (c < 10 ? wf[c][tap] : 0));
}
START_TEST(test_pack_depthwise)
{
    run(check_pack_depthwise);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel");
    TCase *tcase = tcase_create("kernel");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, test_text);
    tcase_add_test(tcase, test_work);
    tcase_add_test(tcase, test_targets);
    tcase_add_test(tcase, test_masked_cpus);
    tcase_add_test(tcase, test_variants);
    tcase_add_test(tcase, test_measured_variants);
    tcase_add_test(tcase, test_measured_tiles);
    tcase_add_test(tcase, test_pack);
    tcase_add_test(tcase, test_pairs_fit);
    tcase_add_test(tcase, test_pack_tiles);
    tcase_add_test(tcase, test_pack_depthwise);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
