/* test_kernels - compiled kernels give the bytes of plain C: random descriptions of every anchor,
 * on every bundle that this machine runs. */
#define _GNU_SOURCE /* amx_traps.h */
#include <check.h>
#include <math.h>

#include "tests/amx_traps.h"
#include "tests/kernel_random.h"

enum { BATCH = 20, BATCHES = 2 };

static const QccCodegen *codegen(void)
{
    static const QccCodegen *module; /* opened once a process */
    if (!module) module = open_codegen();
    return module;
}

typedef struct Run {
    QccAnchor anchor;
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
    Case *c = random_case(arena, &r->mem, QCC_ANCHOR_CONTRACT, 1, r->target);
    c->k.arg[1].dtype = QCC_I16;
    const void *object;
    size_t size;
    const char *error = NULL;
    QccStatus status = codegen()->compile(&c->k, r->target, arena, &object, &size, &error, NULL);
    ck_assert_int_eq(status, QCC_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(error, "i16"));
    qcc_arena_free(arena);
}

/* ---- what must and must not stand in the code ------------------------------------------------ */

/* One int8 product of matrices, and the instruction that each bundle makes its sums with. */
static const struct {
    const char *target, *with, *without;
} dots[] = {
    {"x86-64-v2", "pmaddwd", "ymm"},
    {"x86-64-v3", "vpmaddwd", "zmm"},
    {"x86-64-v3+avxvnni", "{vex}\tvpdpbusd", "zmm"},
    {"x86-64-v4", "vpmaddwd", "vpdp"},
    {"x86-64-v4+vnni", "vpdpbusd", "ymm"},
    {"x86-64-v4+vnni+vbmi", "vpdpbusd", "ymm"},
    {"x86-64-v4+vnni+vbmi+amx", "tdpbusd", "vpdp"},
    {"x86-64-v4+vnni+vbmi+tiles", "vpdpbusd", "tdpb"},
};

static QccKernel product_of_bytes(int64_t pixels, int64_t outputs, int64_t depth)
{
    QccKernel k = {.anchor = QCC_ANCHOR_CONTRACT, .rank = 4, .narg = 3, .nanchor = 2};
    memcpy(k.extent, (int64_t[]){1, 1, pixels, outputs}, 4 * sizeof(int64_t));
    k.u.contract = (QccContractShape){.kh = 1,
                                      .kw = 1,
                                      .stride_h = 1,
                                      .stride_w = 1,
                                      .dil_h = 1,
                                      .dil_w = 1,
                                      .ci = depth,
                                      .groups = 1,
                                      .a_w = depth};
    k.arg[0] = (QccKernelArg){QCC_I32, {pixels * outputs, pixels * outputs, outputs, 1}};
    k.arg[1].dtype = QCC_U8;
    k.arg[2].dtype = QCC_I8;
    return k;
}

static void run_dots(void *user)
{
    Run *r = user;
    QccArena *arena = qcc_arena_new(&r->mem);
    for (size_t i = 0; i < sizeof dots / sizeof *dots; i++) {
        QccKernel k = product_of_bytes(12, 64, 64);
        const QccTarget *t = qcc_target_find(dots[i].target);
        qcc_choose_variant(&k, t);
        const void *object;
        size_t size;
        const char *error = "";
        QccCodegenDump dump = {0};
        ck_assert_int_eq(codegen()->compile(&k, t, arena, &object, &size, &error, &dump), QCC_OK);
        ck_assert_msg(strstr(dump.assembly, dots[i].with) != NULL, "%s: no %s", t->name,
                      dots[i].with);
        ck_assert_msg(!strstr(dump.assembly, dots[i].without), "%s: %s", t->name, dots[i].without);
    }
    int n;
    qcc_targets_tested(&n);
    ck_assert_int_eq(n, (int)(sizeof dots / sizeof *dots));
    qcc_arena_free(arena);
}

/* ---- pairs of products in 16 bits ------------------------------------------------------------ */

static const struct {
    int8_t w[4];
    bool fits;
} fours[] = {
    {{127, 1, -128, 0}, true},  {{64, 64, 127, -128}, true}, {{1, 127, -64, -64}, true},
    {{-1, 127, 0, -128}, true}, {{127, 2, 0, 0}, false},     {{0, 0, 65, 64}, false},
    {{0, 0, -128, -1}, false},  {{-65, -64, 0, 0}, false},   {{127, 127, 1, 1}, false},
};

/* Sums of 4 * 255 * w, or with a 0 among them: where the weights let pmaddubsw saturate it must not
 * be there, and where it is there sums are right. */
static void run_pairs(void *user)
{
    Run *r = user;
    for (size_t i = 0; i < sizeof fours / sizeof *fours; i++) {
        enum { DEPTH = 12, OUTPUTS = 40, PIXELS = 7 };
        QccArena *arena = qcc_arena_new(&r->mem);
        Case *c = QCC_NEW(arena, Case);
        QccKernel *k = &c->k;
        c->arena = arena;
        *k = product_of_bytes(PIXELS, OUTPUTS, DEPTH);
        int8_t w[OUTPUTS * DEPTH] = {0};
        for (int j = 0; j < 4; j++) w[(OUTPUTS - 1) * DEPTH + 8 + j] = fours[i].w[j];
        k->u.contract.pairs_fit = qcc_pairs_fit(k, r->target, w);
        ck_assert(k->u.contract.pairs_fit == (fours[i].fits && r->target->dot == QCC_DOT_MADD16));
        qcc_choose_variant(k, r->target);
        const void *object;
        size_t size;
        const char *error = "";
        QccCodegenDump dump = {0};
        ck_assert_int_eq(codegen()->compile(k, r->target, arena, &object, &size, &error, &dump),
                         QCC_OK);
        ck_assert((strstr(dump.assembly, "pmaddubsw") != NULL) == k->u.contract.pairs_fit);
        QccKernelFn *fn = link_kernel(arena, object, size, &error);
        ck_assert_msg(fn != NULL, "%s", error);
        int32_t out[PIXELS * OUTPUTS];
        uint8_t a[PIXELS * DEPTH + QCC_READ_SLACK];
        memset(a, 255, sizeof a);
        a[3 * DEPTH + 9] = 0; /* of pixel 3, what meets w[1] */
        char *packed = qcc_alloc_aligned(arena, (size_t)qcc_pack_size(k, r->target), 64);
        qcc_pack(packed, k, r->target, w);
        void *arg[3] = {out, a, packed};
        fn(arg, 0, qcc_kernel_work(k, r->target->lanes));
        for (int p = 0; p < PIXELS; p++)
            for (int o = 0; o < OUTPUTS; o++) {
                const int8_t *x = fours[i].w;
                int want = 255 * (x[0] + (p == 3 ? 0 : x[1]) + x[2] + x[3]);
                ck_assert_int_eq(out[p * OUTPUTS + o], o == OUTPUTS - 1 ? want : 0);
            }
        qcc_arena_free(arena);
    }
}

/* ---- tiles -------------------------------------------------------------------------------------
 */

/* The steps on tiles in a text, in order: "tdpbusd 0 4 6". Of the IR they are calls of intrinsics
 * with the numbers of tiles, of the assembly (AT&T: operands backwards) instructions. */
static const char *tile_steps(QccArena *arena, const char *text, bool ir)
{
    static const struct {
        const char *call, *instruction;
    } steps[] = {
        {"@llvm.x86.ldtilecfg(", "\tldtilecfg\t"},
        {"@llvm.x86.tilerelease(", "\ttilerelease"},
        {"@llvm.x86.tilezero(", "\ttilezero\t"},
        {"@llvm.x86.tileloadd64(", "\ttileloadd\t"},
        {"@llvm.x86.tileloaddt164(", "\ttileloaddt1\t"},
        {"@llvm.x86.tilestored64(", "\ttilestored\t"},
        {"@llvm.x86.tdpbusd(", "\ttdpbusd\t"},
    };
    QccBuf out;
    qcc_buf_init(&out, arena);
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t length = end ? (size_t)(end - text) : strlen(text);
        const char *line = qcc_strndup(arena, text, length), *at = NULL;
        text += length + (end != NULL);
        size_t i = 0;
        while (i < sizeof steps / sizeof *steps &&
               !(at = strstr(line, ir ? steps[i].call : steps[i].instruction)))
            i++;
        if (!at || strstr(line, "declare ")) continue;
        int tile[3], n = 0;
        const char *mark = ir ? "i8 " : "%tmm";
        for (at = strstr(at, mark); at && n < 3; at = strstr(at + 1, mark))
            tile[n++] = (int)strtol(at + strlen(mark), NULL, 10);
        qcc_buf_printf(&out, "%d", (int)i);
        for (int j = 0; j < n; j++) qcc_buf_printf(&out, " %d", tile[ir ? j : n - 1 - j]);
        qcc_buf_puts(&out, "\n");
    }
    return out.data ? out.data : "";
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what)) n++;
    return n;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The lines of a text in the order of the alphabet. */
static const char *sorted_lines(QccArena *arena, const char *text)
{
    int n = count(text, "\n"), i = 0;
    const char **line = QCC_NEW_ARRAY(arena, n, const char *);
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        line[i++] = qcc_strndup(arena, text, (size_t)(end - text));
    if (n) qsort(line, (size_t)n, sizeof *line, by_text);
    QccBuf out;
    qcc_buf_init(&out, arena);
    for (i = 0; i < n; i++) qcc_buf_printf(&out, "%s\n", line[i]);
    return out.data ? out.data : "";
}

/* The code for AMX has the very steps that were emitted, in their order, but for loops whose blocks
 * LLVM lays down beginning with another one: no tile is spilled, moved or configured anew. */
static void run_schedule(void *user)
{
    Run *r = user;
    int in_tiles = 0, laid_otherwise = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        QccArena *arena = qcc_arena_new(&r->mem);
        Case *c = random_case(arena, &r->mem, QCC_ANCHOR_CONTRACT, seed, r->target);
        if (c->k.variant.tiles) {
            const void *object;
            size_t size;
            const char *error = "";
            QccCodegenDump dump = {0};
            QccStatus status =
                codegen()->compile(&c->k, r->target, arena, &object, &size, &error, &dump);
            ck_assert_msg(status == QCC_OK, "seed %llu: %s", (unsigned long long)seed, error);
            const char *want = tile_steps(arena, dump.ir, true);
            const char *got = tile_steps(arena, dump.assembly, false);
            laid_otherwise += strcmp(want, got) != 0;
            ck_assert_msg(strcmp(sorted_lines(arena, want), sorted_lines(arena, got)) == 0,
                          "seed %llu: emitted\n%s\nthe code has\n%s", (unsigned long long)seed,
                          want, got);
            ck_assert_int_eq(count(dump.assembly, "ldtilecfg"), 1);
            ck_assert_int_eq(count(dump.assembly, "tilerelease"), 1);
            ck_assert_int_ge(count(dump.assembly, "tdpbusd"), 1);
            in_tiles++;
        }
        qcc_arena_free(arena);
    }
    ck_assert_int_ge(in_tiles, 10);
    ck_assert_int_le(4 * laid_otherwise, in_tiles);
}

static void run_on(int i, void (*run)(void *user))
{
    int n;
    Run r = {.target = &qcc_targets_tested(&n)[i]};
    if (!target_is_wanted(r.target)) return;
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
    Case *c = random_case(arena, &r->mem, r->anchor, r->seed, r->target);
    size_t size;
    const char *bad = "no code";
    QccKernelFn *fn = compile_kernel(codegen(), &c->k, r->target, arena, &size, &bad);
    if (fn) bad = run_case(c, fn, r->target);
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

/* Test number i is bundle i / BATCHES, seeds from i % BATCHES * BATCH on; QCC_SEED: one seed,
 * QCC_TARGET: one bundle. */
static void run_batch(int i, QccAnchor anchor)
{
    int n;
    const QccTarget *targets = qcc_targets_tested(&n);
    Run r = {.anchor = anchor, .target = &targets[i / BATCHES]};
    const char *only = getenv("QCC_SEED");
    if (i / BATCHES >= n || !target_is_wanted(r.target)) return;
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
    run_batch(_i, QCC_ANCHOR_CONTRACT);
}
END_TEST

/* The code for AMX where only AMX is missing: its instructions are done by hand. */
START_TEST(contract_by_amx_traps)
{
    Run r = {.anchor = QCC_ANCHOR_CONTRACT, .target = qcc_target_find("x86-64-v4+vnni+vbmi+amx")};
    if (qcc_target_runs_here(r.target) ||
        !qcc_target_runs_here(qcc_target_find("x86-64-v4+vnni+vbmi+tiles"))) {
        printf("AMX by traps: skipped, this machine has AMX or too little of the rest\n");
        return;
    }
    amx_set_traps();
    for (r.seed = 0; r.seed < BATCH; r.seed++) ck_assert(qcc_mem_protect(&r.mem, run_seed, &r));
    ck_assert_msg(r.failed == 0, "%d of %d kernels differ", r.failed, BATCH);
    ck_assert_int_gt(amx.steps, 1000);
}
END_TEST

START_TEST(depthwise)
{
    run_batch(_i, QCC_ANCHOR_DEPTHWISE);
}
END_TEST

START_TEST(pool)
{
    run_batch(_i, QCC_ANCHOR_POOL);
}
END_TEST

START_TEST(map)
{
    run_batch(_i, QCC_ANCHOR_MAP);
}
END_TEST

START_TEST(rows)
{
    run_batch(_i, QCC_ANCHOR_ROWS);
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

START_TEST(sums_are_made_by_the_bundles_instruction)
{
    Run r = {0};
    ck_assert(qcc_mem_protect(&r.mem, run_dots, &r));
}
END_TEST

START_TEST(pairs_do_not_saturate)
{
    run_on(_i, run_pairs);
}
END_TEST

START_TEST(steps_on_tiles_stay_as_they_were_emitted)
{
    Run r = {.target = qcc_target_find("x86-64-v4+vnni+vbmi+amx")};
    ck_assert(qcc_mem_protect(&r.mem, run_schedule, &r));
}
END_TEST

int main(void)
{
    if (!codegen()) return 77;
    Suite *suite = suite_create("kernels");
    TCase *tc = tcase_create("kernels");
    int n;
    qcc_targets_tested(&n);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, contract, 0, n * BATCHES);
    tcase_add_test(tc, contract_by_amx_traps);
    tcase_add_loop_test(tc, depthwise, 0, n * BATCHES);
    tcase_add_loop_test(tc, pool, 0, n * BATCHES);
    tcase_add_loop_test(tc, map, 0, n * BATCHES);
    tcase_add_loop_test(tc, rows, 0, n * BATCHES);
    tcase_add_loop_test(tc, fma_is_rounded_once, 0, n);
    tcase_add_loop_test(tc, multiply_then_add_stays_two, 0, n);
    tcase_add_loop_test(tc, unknown_operands_are_refused, 0, n);
    tcase_add_loop_test(tc, pairs_do_not_saturate, 0, n);
    tcase_add_test(tc, sums_are_made_by_the_bundles_instruction);
    tcase_add_test(tc, steps_on_tiles_stay_as_they_were_emitted);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
