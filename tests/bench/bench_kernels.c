/* bench_kernels - speed of contractions of the shapes of ResNet-18, int8 and f32, on every bundle
 * that this machine runs, beside the peak that registers reach in the same run.
 *
 *   bench_kernels [BUNDLE] [mr nr unroll chunk]     variant: instead of the one the backend chooses
 */
#include <time.h>

#include "backend/pack.h"
#include "backend/variant.h"
#include "tests/kernel_code.h"

typedef struct Layer {
    const char *name;
    int64_t size, ci, co, kernel, stride; /* of the input: a square image */
} Layer;

static const Layer layers[] = {
    {"stem 7x7/2 3-64", 224, 3, 64, 7, 2}, {"3x3 56x56x64", 56, 64, 64, 3, 1},
    {"3x3/2 64-128", 56, 64, 128, 3, 2},   {"1x1/2 64-128", 56, 64, 128, 1, 2},
    {"3x3 28x28x128", 28, 128, 128, 3, 1}, {"3x3/2 128-256", 28, 128, 256, 3, 2},
    {"3x3 14x14x256", 14, 256, 256, 3, 1}, {"3x3/2 256-512", 14, 256, 512, 3, 2},
    {"3x3 7x7x512", 7, 512, 512, 3, 1},
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return seconds(CLOCK_MONOTONIC);
}

/* ---- peaks: twelve independent chains in registers ------------------------------------------- */

enum { CHAINS = 12, ROUNDS = 1 << 16 };

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

/* `step` is the assembly of one multiply-add into register number n; `ops` its operations. */
#define PEAK(name, step, ops)                                                                      \
    static double name(void)                                                                       \
    {                                                                                              \
        double t = now();                                                                          \
        for (int r = 0; r < ROUNDS; r++)                                                           \
            __asm__ volatile(TWELVE(step)::                                                        \
                                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
                                   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");            \
        t = now() - t;                                                                             \
        return (double)(ops) * CHAINS * ROUNDS / t / 1e9;                                          \
    }

#define STEP_V2(n)                                                                                 \
    "movdqa %%xmm12, %%xmm13\n pmaddwd %%xmm12, %%xmm13\n paddd %%xmm13, %%xmm" #n "\n"
#define STEP_V3(n)       "vpmaddwd %%ymm12, %%ymm12, %%ymm13\n vpaddd %%ymm13, %%ymm" #n ", %%ymm" #n "\n"
#define STEP_V4(n)       "vpmaddwd %%zmm12, %%zmm12, %%zmm13\n vpaddd %%zmm13, %%zmm" #n ", %%zmm" #n "\n"
#define STEP_AVX_VNNI(n) "%{vex%} vpdpbusd %%ymm12, %%ymm12, %%ymm" #n "\n"
#define STEP_VNNI(n)     "vpdpbusd %%zmm12, %%zmm12, %%zmm" #n "\n"
#define STEP_FMA_YMM(n)  "vfmadd231ps %%ymm12, %%ymm12, %%ymm" #n "\n"
#define STEP_FMA_ZMM(n)  "vfmadd231ps %%zmm12, %%zmm12, %%zmm" #n "\n"
PEAK(peak_v2_i8, STEP_V2, 16)
PEAK(peak_v3_i8, STEP_V3, 32)
PEAK(peak_v4_i8, STEP_V4, 64)
PEAK(peak_avx_vnni, STEP_AVX_VNNI, 64)
PEAK(peak_vnni, STEP_VNNI, 128)
PEAK(peak_v3_f32, STEP_FMA_YMM, 16)
PEAK(peak_v4_f32, STEP_FMA_ZMM, 32)

/* Four chains of tiles in registers. */
static double peak_amx(void)
{
    enum { TILE_ROUNDS = ROUNDS / 16 };
    uint8_t config[64] __attribute__((aligned(64))) = {1};
    for (int i = 0; i < 8; i++) {
        config[16 + 2 * i] = 64;
        config[48 + i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
    double t = now();
    for (int r = 0; r < TILE_ROUNDS; r++)
        __asm__ volatile("tdpbusd %tmm6, %tmm4, %tmm0\n"
                         "tdpbusd %tmm7, %tmm4, %tmm1\n"
                         "tdpbusd %tmm6, %tmm5, %tmm2\n"
                         "tdpbusd %tmm7, %tmm5, %tmm3\n");
    t = now() - t;
    __asm__ volatile("tilerelease");
    return TILE_ROUNDS * 4.0 * 16 * 16 * 64 * 2 / t / 1e9;
}

typedef struct Peak {
    const char *target;
    double (*i8)(void), (*f32)(void); /* GOP/s; NULL: not measured */
} Peak;

static const Peak peaks[] = {
    {"x86-64-v2", peak_v2_i8, NULL},
    {"x86-64-v3", peak_v3_i8, peak_v3_f32},
    {"x86-64-v3+avxvnni", peak_avx_vnni, peak_v3_f32},
    {"x86-64-v4", peak_v4_i8, peak_v4_f32},
    {"x86-64-v4+vnni", peak_vnni, peak_v4_f32},
    {"x86-64-v4+vnni+vbmi", peak_vnni, peak_v4_f32},
    {"x86-64-v4+vnni+vbmi+amx", peak_amx, peak_v4_f32},
};

/* ---- layers ------------------------------------------------------------------------------------
 */

/* rne((f32)(acc + bias) * factor) + zero, clamped to u8; f32: relu(acc + bias). */
static QccExpr *epilogue(QccArena *arena, bool f32)
{
    QccExpr *e = QCC_NEW(arena, QccExpr);
    qcc_expr_init(e, arena);
    if (f32) {
        int v = qcc_expr_op2(e, QCC_EX_add, qcc_expr_acc(e, QCC_EX_F32),
                             qcc_expr_arg(e, 3, QCC_EX_F32));
        e->result = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_f32(e, 0));
        return e;
    }
    int v =
        qcc_expr_op2(e, QCC_EX_add, qcc_expr_acc(e, QCC_EX_I32), qcc_expr_arg(e, 3, QCC_EX_I32));
    v = qcc_expr_cvt(e, QCC_EX_F32, v);
    v = qcc_expr_op2(e, QCC_EX_mul, v, qcc_expr_arg(e, 4, QCC_EX_F32));
    v = qcc_expr_cvt(e, QCC_EX_I32, v);
    v = qcc_expr_op2(e, QCC_EX_add, v, qcc_expr_arg(e, 5, QCC_EX_I32));
    v = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_i32(e, 0));
    e->result = qcc_expr_op2(e, QCC_EX_min, v, qcc_expr_i32(e, 255));
    return e;
}

static QccKernel *describe(QccArena *arena, const Layer *l, bool f32, const QccTarget *t)
{
    QccKernel *k = QCC_NEW(arena, QccKernel);
    int64_t pad = l->kernel / 2, out = (l->size + 2 * pad - l->kernel) / l->stride + 1;
    int64_t wide = l->size + 2 * pad;
    *k = (QccKernel){.anchor = QCC_ANCHOR_CONTRACT,
                     .rank = 4,
                     .extent = {1, out, out, l->co},
                     .nanchor = 2,
                     .narg = f32 ? 4 : 6};
    k->u.contract = (QccContractShape){.kh = l->kernel,
                                       .kw = l->kernel,
                                       .stride_h = l->stride,
                                       .stride_w = l->stride,
                                       .dil_h = 1,
                                       .dil_w = 1,
                                       .ci = l->ci,
                                       .groups = 1,
                                       .a_n = wide * wide * l->ci,
                                       .a_h = wide * l->ci,
                                       .a_w = l->ci};
    k->arg[0] = (QccKernelArg){f32 ? QCC_F32 : QCC_U8, {out * out * l->co, out * l->co, l->co, 1}};
    k->arg[1].dtype = f32 ? QCC_F32 : QCC_U8;
    k->arg[2].dtype = f32 ? QCC_F32 : QCC_I8;
    k->arg[3] = (QccKernelArg){f32 ? QCC_F32 : QCC_I32, {0, 0, 0, 1}};
    k->arg[4] = (QccKernelArg){QCC_F32, {0, 0, 0, 1}};
    k->arg[5] = (QccKernelArg){QCC_I32, {0}};
    k->epilogue = epilogue(arena, f32);
    qcc_choose_variant(k, t);
    return k;
}

/* ---- what is bound by memory
 * --------------------------------------------------------------------- */

/* (n_0, ..., 1) over the kernel's index space. */
static void dense(const QccKernel *k, int64_t *stride)
{
    int64_t next = 1;
    for (int d = k->rank - 1; d >= 0; next *= k->extent[d--]) stride[d] = next;
}

static int add_dense(QccKernel *k, QccDtype dtype)
{
    k->arg[k->narg].dtype = dtype;
    dense(k, k->arg[k->narg].stride);
    return k->narg++;
}

/* saturate(rne(v) + 3) to u8 of an f32 node. */
static void to_u8(QccExpr *e, int v)
{
    v = qcc_expr_op2(e, QCC_EX_add, qcc_expr_cvt(e, QCC_EX_I32, v), qcc_expr_i32(e, 3));
    v = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_i32(e, 0));
    e->result = qcc_expr_op2(e, QCC_EX_min, v, qcc_expr_i32(e, 255));
}

static void describe_depthwise(QccKernel *k, QccExpr *e, int64_t size, int64_t c, int64_t stride)
{
    int64_t out = size / stride, wide = size + 2;
    k->anchor = QCC_ANCHOR_DEPTHWISE;
    k->rank = 4;
    memcpy(k->extent, (int64_t[]){1, out, out, c}, 4 * sizeof(int64_t));
    k->u.contract = (QccContractShape){.kh = 3,
                                       .kw = 3,
                                       .stride_h = stride,
                                       .stride_w = stride,
                                       .dil_h = 1,
                                       .dil_w = 1,
                                       .ci = 1,
                                       .groups = c,
                                       .a_n = wide * wide * c,
                                       .a_h = wide * c,
                                       .a_w = c};
    add_dense(k, QCC_U8);
    k->nanchor = 2;
    k->arg[1].dtype = QCC_U8;
    k->arg[2].dtype = QCC_I8;
    k->arg[3] = (QccKernelArg){QCC_I32, {0, 0, 0, 1}};
    k->arg[4] = (QccKernelArg){QCC_F32, {0, 0, 0, 1}};
    k->narg = 5;
    int v =
        qcc_expr_op2(e, QCC_EX_add, qcc_expr_acc(e, QCC_EX_I32), qcc_expr_arg(e, 3, QCC_EX_I32));
    v = qcc_expr_cvt(e, QCC_EX_F32, v);
    to_u8(e, qcc_expr_op2(e, QCC_EX_mul, v, qcc_expr_arg(e, 4, QCC_EX_F32)));
}

static void dw_96(QccKernel *k, QccExpr *e)
{
    describe_depthwise(k, e, 112, 96, 1);
}

static void dw_96_s2(QccKernel *k, QccExpr *e)
{
    describe_depthwise(k, e, 112, 96, 2);
}

static void dw_512(QccKernel *k, QccExpr *e)
{
    describe_depthwise(k, e, 14, 512, 1);
}

static void maxpool(QccKernel *k, QccExpr *e)
{
    k->anchor = QCC_ANCHOR_POOL;
    k->rank = 4;
    memcpy(k->extent, (int64_t[]){1, 56, 56, 64}, 4 * sizeof(int64_t));
    k->u.pool = (QccPoolShape){.combine = QCC_COMBINE_MAX,
                               .ih = 112,
                               .iw = 112,
                               .kh = 3,
                               .kw = 3,
                               .stride_h = 2,
                               .stride_w = 2,
                               .dil_h = 1,
                               .dil_w = 1,
                               .pad_top = 1,
                               .pad_left = 1,
                               .a_n = 112 * 112 * 64,
                               .a_h = 112 * 64,
                               .a_w = 64};
    add_dense(k, QCC_U8);
    k->nanchor = 1;
    k->arg[1].dtype = QCC_U8;
    k->narg = 2;
    e->result = qcc_expr_acc(e, QCC_EX_I32);
}

/* y = saturate(rne((a - 5) * s + (b - 7) * t) + 3) */
static void residual_add(QccKernel *k, QccExpr *e)
{
    k->rank = 1;
    k->extent[0] = 56 * 56 * 64;
    add_dense(k, QCC_U8);
    int v = 0;
    for (int i = 0; i < 2; i++) {
        int q = qcc_expr_arg(e, add_dense(k, QCC_U8), QCC_EX_I32);
        q = qcc_expr_op2(e, QCC_EX_sub, q, qcc_expr_i32(e, 5 + 2 * i));
        q = qcc_expr_op2(e, QCC_EX_mul, qcc_expr_cvt(e, QCC_EX_F32, q), qcc_expr_f32(e, 0.7f));
        v = i ? qcc_expr_op2(e, QCC_EX_add, v, q) : q;
    }
    to_u8(e, v);
}

static void quantize(QccKernel *k, QccExpr *e)
{
    k->rank = 1;
    k->extent[0] = 224 * 224 * 3;
    add_dense(k, QCC_U8);
    int v = qcc_expr_arg(e, add_dense(k, QCC_F32), QCC_EX_F32);
    to_u8(e, qcc_expr_op2(e, QCC_EX_div, v, qcc_expr_f32(e, 0.3f)));
}

static void lookup(QccKernel *k, QccExpr *e)
{
    k->rank = 1;
    k->extent[0] = 56 * 56 * 64;
    add_dense(k, QCC_U8);
    int v = qcc_expr_arg(e, add_dense(k, QCC_U8), QCC_EX_I32);
    k->arg[k->narg++].dtype = QCC_U8;
    e->result = qcc_expr_lut(e, 2, v);
}

/* [c,h,w] to [h,w,c] */
static void transpose(QccKernel *k, QccExpr *e)
{
    k->rank = 3; /* as the backend describes it: the units are blocks of pixels */
    k->extent[0] = 49;
    k->extent[1] = 64;
    k->extent[2] = 64;
    add_dense(k, QCC_U8);
    k->arg[k->narg++] = (QccKernelArg){QCC_U8, {64, 1, 56 * 56}};
    e->result = qcc_expr_arg(e, 1, QCC_EX_I32);
}

static void softmax(QccKernel *k, QccExpr *e)
{
    k->anchor = QCC_ANCHOR_ROWS;
    k->rank = 2;
    k->extent[0] = 128;
    k->extent[1] = 1000;
    add_dense(k, QCC_F32);
    add_dense(k, QCC_F32);
    k->u.rows.nstage = 2;
    QccExpr *term[2];
    for (int i = 0; i < 2; i++) {
        term[i] = k->u.rows.stage[i].term = QCC_NEW(e->arena, QccExpr);
        qcc_expr_init(term[i], e->arena);
    }
    k->u.rows.stage[0].combine = QCC_COMBINE_MAX;
    term[0]->result = qcc_expr_arg(term[0], 1, QCC_EX_F32);
    QccExpr *each[2] = {term[1], e};
    for (int i = 0; i < 2; i++) {
        int x = qcc_expr_arg(each[i], 1, QCC_EX_F32);
        int max = qcc_expr_arg(each[i], QCC_ROW_RESULT, QCC_EX_F32);
        each[i]->result = qcc_expr_exp(each[i], qcc_expr_op2(each[i], QCC_EX_sub, x, max));
    }
    e->result =
        qcc_expr_op2(e, QCC_EX_div, e->result, qcc_expr_arg(e, QCC_ROW_RESULT + 1, QCC_EX_F32));
}

typedef struct Other {
    const char *name;
    void (*describe)(QccKernel *k, QccExpr *e);
} Other;

static const Other others[] = {
    {"dw 3x3 112x112x96", dw_96},      {"dw 3x3/2 112x112x96", dw_96_s2},
    {"dw 3x3 14x14x512", dw_512},      {"maxpool 3x3/2 112x112x64", maxpool},
    {"add u8 56x56x64", residual_add}, {"quantize 224x224x3", quantize},
    {"table 56x56x64", lookup},        {"transpose 56x56x64", transpose},
    {"softmax 128x1000", softmax},
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct Bench {
    const QccCodegen *codegen;
    const QccTarget *target;
    bool f32;
    const QccVariant *variant; /* NULL: as chosen */
    double (*peak)(void);
    QccMem *mem;
} Bench;

/* One layer; returns the milliseconds of CPU that its compilation took. */
static double bench_layer(const Bench *b, const Layer *l)
{
    QccArena *arena = qcc_arena_new(b->mem);
    QccKernel *k = describe(arena, l, b->f32, b->target);
    if (b->variant) k->variant = *b->variant;
    size_t size;
    const char *error = NULL;
    double compile = seconds(CLOCK_PROCESS_CPUTIME_ID);
    QccKernelFn *code = compile_kernel(b->codegen, k, b->target, arena, &size, &error);
    compile = seconds(CLOCK_PROCESS_CPUTIME_ID) - compile;
    if (!code) {
        printf("%s: %s\n", l->name, error);
        exit(1);
    }
    int64_t element = b->f32 ? 4 : 1;
    int64_t out = k->extent[1] * k->extent[2] * l->co;
    int64_t wide = l->size + l->kernel / 2 * 2;
    void *arg[6] = {
        qcc_alloc_aligned(arena, (size_t)(out * element), 64),
        qcc_alloc_aligned(arena, (size_t)(wide * wide * l->ci * element) + QCC_READ_SLACK, 64),
        qcc_alloc_aligned(arena, (size_t)qcc_pack_size(k, b->target), 64),
        qcc_alloc(arena, (size_t)l->co * 4),
        qcc_alloc(arena, (size_t)l->co * 4),
        qcc_alloc(arena, 4)};
    int64_t work = qcc_kernel_work(k, b->target->lanes);
    double best = 1e9, peak = 0, spent = 0;
    for (int r = 0; r < 200 && (r < 5 || spent < 0.15); r++) {
        double t = now();
        code(arg, 0, work);
        t = now() - t;
        spent += t;
        if (t < best) best = t;
        if (r % 16 == 0 && b->peak) {
            double p = b->peak();
            if (p > peak) peak = p;
        }
    }
    double rate = (double)qcc_kernel_operations(k) / best / 1e9;
    printf("  %-16s %dx%d u%d c%-3d%s %9.1f us %7.1f GOP/s %5.1f %%  compile %5.1f ms %6zu bytes\n",
           l->name, k->variant.mr, k->variant.nr, k->variant.unroll, k->variant.chunk,
           k->variant.n_outer ? " n" : "  ", best * 1e6, rate, peak > 0 ? 100 * rate / peak : 0,
           compile * 1e3, size);
    qcc_arena_free(arena);
    return compile * 1e3;
}

/* Bytes that a kernel has to read and to write, each once; not those of tables and numbers. */
static int64_t moved_bytes(const QccKernel *k)
{
    int64_t bytes = 0;
    for (int a = 0; a < k->narg; a++) {
        int64_t n = 1;
        for (int d = 0; d < k->rank; d++) n *= k->arg[a].stride[d] ? k->extent[d] : 1;
        if (a == 1 && k->anchor == QCC_ANCHOR_POOL)
            n = k->extent[0] * k->u.pool.ih * k->u.pool.iw * k->extent[3];
        if (a == 1 && k->anchor == QCC_ANCHOR_DEPTHWISE) n = k->extent[0] * k->u.contract.a_n;
        bytes += n * (qcc_dtype_bits(k->arg[a].dtype) / 8);
    }
    return bytes;
}

static void bench_other(const Bench *b, const Other *o)
{
    QccArena *arena = qcc_arena_new(b->mem);
    QccKernel *k = QCC_NEW(arena, QccKernel);
    QccExpr *e = k->epilogue = QCC_NEW(arena, QccExpr);
    qcc_expr_init(e, arena);
    o->describe(k, e);
    qcc_choose_variant(k, b->target);
    size_t size;
    const char *error = NULL;
    double compile = seconds(CLOCK_PROCESS_CPUTIME_ID);
    QccKernelFn *code = compile_kernel(b->codegen, k, b->target, arena, &size, &error);
    compile = seconds(CLOCK_PROCESS_CPUTIME_ID) - compile;
    if (!code) {
        printf("%s: %s\n", o->name, error);
        exit(1);
    }
    void *arg[QCC_KERNEL_ARGS];
    for (int a = 0; a < k->narg; a++) arg[a] = qcc_alloc_aligned(arena, 8 << 20, 64);
    double best = 1e9, copy = 1e9, bytes = (double)moved_bytes(k);
    for (int r = 0; r < 30; r++) { /* in turn with a memcpy that reads and writes as much */
        double t = now();
        code(arg, 0, qcc_kernel_work(k, b->target->lanes));
        t = now() - t;
        if (t < best) best = t;
        t = now();
        memcpy(arg[0], arg[1], (size_t)bytes / 2);
        t = now() - t;
        if (t < copy) copy = t;
    }
    printf("  %-26s %9.1f us %6.1f GB/s, memcpy %6.1f  compile %5.1f ms %6zu bytes\n", o->name,
           best * 1e6, bytes / best / 1e9, bytes / copy / 1e9, compile * 1e3, size);
    qcc_arena_free(arena);
}

static void run_others(void *user)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) bench_other(user, &others[i]);
}

static void run(void *user)
{
    Bench *b = user;
    enum { N = sizeof layers / sizeof *layers };
    double ms[N];
    for (int i = 0; i < N; i++) ms[i] = bench_layer(b, &layers[i]);
    qsort(ms, N, sizeof *ms, compare_doubles);
    printf("  median compile time %.1f ms\n", ms[N / 2]);
}

int main(int argc, char **argv)
{
    const QccCodegen *codegen = open_codegen();
    if (!codegen) return 77;
    QccVariant variant;
    if (argc > 5)
        variant = (QccVariant){.mr = atoi(argv[2]),
                               .nr = atoi(argv[3]),
                               .unroll = atoi(argv[4]),
                               .chunk = atoi(argv[5]),
                               .n_outer = argc > 6};
    int n;
    const QccTarget *targets = qcc_targets(&n);
    for (int i = 0; i < n; i++) {
        if (argc > 1 && strcmp(argv[1], targets[i].name) != 0) continue;
        if (!qcc_target_runs_here(&targets[i])) {
            printf("%s: skipped, this machine does not run it\n", targets[i].name);
            continue;
        }
        for (int f32 = 0; f32 < 2; f32++) {
            QccMem mem = {0};
            Bench b = {.codegen = codegen,
                       .target = &targets[i],
                       .f32 = f32,
                       .mem = &mem,
                       .variant = argc > 5 ? &variant : NULL,
                       .peak = f32 ? peaks[i].f32 : peaks[i].i8};
            printf("%s %s\n", targets[i].name, f32 ? "f32" : "int8");
            if (b.peak) b.peak(); /* warms up */
            if (!qcc_mem_protect(&mem, run, &b)) return 1;
            if (!f32 || argc > 5) continue;
            printf("%s others\n", targets[i].name);
            if (!qcc_mem_protect(&mem, run_others, &b)) return 1;
        }
    }
    return 0;
}
