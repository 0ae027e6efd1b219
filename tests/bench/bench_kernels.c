/* bench_kernels - every emitter over the shapes of layers of well-known networks, beside what the
 * machine reaches in the same run: multiply-adds in registers, reading from caches and memory.
 *
 *   share   of the register peak
 *   bound   the roofline: no kernel is faster than its operations at that peak, or than the bytes
 *           it has to move from the smallest level that holds them
 */
#include <getopt.h>
#include <regex.h>

#include "backend/pack.h"
#include "backend/variant.h"
#include "runtime/trial.h"
#include "tests/bench/layers.h"
#include "tests/bench/speeds.h"
#include "tests/kernel_code.h"

static const char usage[] =
    "bench_kernels [OPTION...]        QCC_LLVM_MODULE names the code generator\n"
    "  --net=NAME          layers of one network (resnet18, resnet50, mobilenetv1, mobilenetv2,\n"
    "                      mobilenetv3, efficientnetb0, bertbase, cube)\n"
    "  --match=REGEX       kernels with such titles (\"conv 1x56x56x64 k3x3 u8\")\n"
    "  --type=int8|f32     one of the two types; layers that have only one are always there\n"
    "  --target=BUNDLE     or all; the best of this machine by default\n"
    "  --cold              weights come from beyond L2, as in a network\n"
    "  --candidates        every variant that tuning would try; ! where the cost model's choice\n"
    "                      takes more than 3 % longer than the best\n"
    "  --variant=MR,NR,UNROLL,CHUNK[,[n][w]]   instead of what the cost model chooses\n"
    "  --pairs-fit         weights so small that two products fit in 16 bits\n"
    "  --machine           only the speeds of the machine\n"
    "  --json\n";

typedef struct Options {
    int networks; /* bits */
    bool filtered;
    regex_t match;
    const char *type, *target;
    bool cold, candidates, pairs_fit, machine, json, fixed;
    QccVariant variant; /* `fixed` */
} Options;

typedef struct Bench {
    const Options *o;
    const QccCodegen *codegen;
    const QccTarget *target;
    const Peaks *peaks; /* NULL: not known for this target */
    Speeds speeds;
    QccMem mem;
    int rows; /* printed */
    double *compile_ms;
    int64_t ncompile, compile_cap;
    QccArena *arena; /* of the latter */
} Bench;

/* ---- descriptions ---------------------------------------------------------------------------- */

/* A kernel in the making. */
typedef struct Making {
    QccKernel *k;
    QccExpr *e; /* its epilogue */
    const Layer *l;
    bool f32; /* where the layer has two types */
} Making;

/* An argument over the dimensions of the index space that `dims` has bits of, row-major. */
static int add_arg(QccKernel *k, QccDtype dtype, unsigned dims)
{
    QccKernelArg *arg = &k->arg[k->narg];
    *arg = (QccKernelArg){.dtype = dtype};
    int64_t next = 1;
    for (int d = k->rank - 1; d >= 0; d--) {
        if (!(dims >> d & 1)) continue;
        arg->stride[d] = next;
        next *= k->extent[d];
    }
    return k->narg++;
}

enum { ALL = 0xff };

static void set_space(QccKernel *k, QccAnchor anchor, int rank, const int64_t *extent)
{
    k->anchor = anchor;
    k->rank = rank;
    memcpy(k->extent, extent, (size_t)rank * sizeof *extent);
}

/* saturate(rne(v) + 3) to u8 of an f32 node. */
static void to_u8(QccExpr *e, int v)
{
    v = qcc_expr_op2(e, QCC_EX_add, qcc_expr_cvt(e, QCC_EX_I32, v), qcc_expr_i32(e, 3));
    v = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_i32(e, 0));
    e->result = qcc_expr_op2(e, QCC_EX_min, v, qcc_expr_i32(e, 255));
}

/* rne((f32)(acc + bias) * factor) + 3, clamped to u8; f32: relu(acc + bias). */
static void finish_sums(const Making *m)
{
    QccKernel *k = m->k;
    QccExpr *e = m->e;
    unsigned channels = 1u << (k->rank - 1);
    if (m->f32) {
        int bias = qcc_expr_arg(e, add_arg(k, QCC_F32, channels), QCC_EX_F32);
        int v = qcc_expr_op2(e, QCC_EX_add, qcc_expr_acc(e, QCC_EX_F32), bias);
        e->result = qcc_expr_op2(e, QCC_EX_max, v, qcc_expr_f32(e, 0));
        return;
    }
    int bias = qcc_expr_arg(e, add_arg(k, QCC_I32, channels), QCC_EX_I32);
    int v = qcc_expr_op2(e, QCC_EX_add, qcc_expr_acc(e, QCC_EX_I32), bias);
    int factor = qcc_expr_arg(e, add_arg(k, QCC_F32, channels), QCC_EX_F32);
    to_u8(e, qcc_expr_op2(e, QCC_EX_mul, qcc_expr_cvt(e, QCC_EX_F32, v), factor));
}

static void make_conv(const Making *m)
{
    const Layer *l = m->l;
    bool deep = l->op == DEPTHWISE;
    int64_t h = (l->h + l->stride - 1) / l->stride, w = (l->w + l->stride - 1) / l->stride;
    int64_t row = (l->w + l->kernel - 1) * l->c; /* with its halo */
    set_space(m->k, deep ? QCC_ANCHOR_DEPTHWISE : QCC_ANCHOR_CONTRACT, 4,
              (int64_t[]){1, h, w, l->k});
    m->k->u.contract = (QccContractShape){.kh = l->kernel,
                                          .kw = l->kernel,
                                          .stride_h = l->stride,
                                          .stride_w = l->stride,
                                          .dil_h = 1,
                                          .dil_w = 1,
                                          .ci = l->c / l->groups,
                                          .groups = l->groups,
                                          .a_h = row,
                                          .a_w = l->c};
    m->k->nanchor = 2;
    add_arg(m->k, m->f32 ? QCC_F32 : QCC_U8, ALL);
    m->k->arg[m->k->narg++].dtype = m->f32 ? QCC_F32 : QCC_U8;
    m->k->arg[m->k->narg++].dtype = m->f32 ? QCC_F32 : QCC_I8;
    finish_sums(m);
    /* As the backend merges rows that follow each other. */
    if (l->kernel > 1 || l->stride > 1 || deep) return;
    m->k->extent[2] *= m->k->extent[1];
    m->k->extent[1] = 1;
    m->k->u.contract.a_h = 0;
}

static void make_matmul(const Making *m)
{
    const Layer *l = m->l;
    bool batched = l->op == BATCHED, f32 = m->f32;
    int64_t n = batched ? l->w : 1;
    /* Bytes of the run lie in fours of a column. */
    int64_t rows = f32 ? l->c : QCC_FOURS_DEPTH(l->c) / 4, row = f32 ? l->k : 4 * (int64_t)l->k;
    set_space(m->k, QCC_ANCHOR_CONTRACT, 4, (int64_t[]){n, 1, l->h, l->k});
    m->k->u.contract = (QccContractShape){.kh = 1,
                                          .kw = 1,
                                          .stride_h = 1,
                                          .stride_w = 1,
                                          .dil_h = 1,
                                          .dil_w = 1,
                                          .ci = l->c,
                                          .groups = 1,
                                          .a_n = batched ? (int64_t)l->h * l->c : 0,
                                          .a_w = l->c,
                                          .b_strided = batched,
                                          .b_n = batched ? rows * row : 0,
                                          .b_k = batched ? row : 0};
    m->k->nanchor = 2;
    add_arg(m->k, f32 ? QCC_F32 : QCC_U8, ALL);
    m->k->arg[m->k->narg++].dtype = f32 ? QCC_F32 : QCC_U8;
    m->k->arg[m->k->narg++].dtype = f32 ? QCC_F32 : QCC_I8;
    finish_sums(m);
}

static void make_pool(const Making *m)
{
    const Layer *l = m->l;
    bool mean = l->op == AVGPOOL;
    int64_t h = l->h / l->stride, w = l->w / l->stride, pad = mean ? 0 : l->kernel / 2;
    set_space(m->k, QCC_ANCHOR_POOL, 4, (int64_t[]){1, h, w, l->c});
    m->k->u.pool = (QccPoolShape){.combine = mean ? QCC_COMBINE_SUM : QCC_COMBINE_MAX,
                                  .ih = l->h,
                                  .iw = l->w,
                                  .kh = l->kernel,
                                  .kw = l->kernel,
                                  .stride_h = l->stride,
                                  .stride_w = l->stride,
                                  .dil_h = 1,
                                  .dil_w = 1,
                                  .pad_top = pad,
                                  .pad_left = pad,
                                  .a_h = (int64_t)l->w * l->c,
                                  .a_w = l->c};
    m->k->nanchor = 1;
    QccExprType type = m->f32 ? QCC_EX_F32 : QCC_EX_I32;
    add_arg(m->k, m->f32 ? QCC_F32 : QCC_U8, ALL);
    m->k->arg[m->k->narg++].dtype = m->f32 ? QCC_F32 : QCC_U8;
    int v = m->e->result = qcc_expr_acc(m->e, type);
    if (!mean) return;
    v = m->f32 ? v : qcc_expr_cvt(m->e, QCC_EX_F32, v);
    v = m->e->result = qcc_expr_op2(m->e, QCC_EX_mul, v, qcc_expr_f32(m->e, 0.02F));
    if (!m->f32) to_u8(m->e, v);
}

/* (a - zero) * 0.7 of a new argument of bytes, or an f32 as it is. */
static int add_real(const Making *m, int32_t zero)
{
    if (m->f32) return qcc_expr_arg(m->e, add_arg(m->k, QCC_F32, ALL), QCC_EX_F32);
    int q = qcc_expr_arg(m->e, add_arg(m->k, QCC_U8, ALL), QCC_EX_I32);
    q = qcc_expr_op2(m->e, QCC_EX_sub, q, qcc_expr_i32(m->e, zero));
    return qcc_expr_op2(m->e, QCC_EX_mul, qcc_expr_cvt(m->e, QCC_EX_F32, q),
                        qcc_expr_f32(m->e, 0.7F));
}

static void make_map(const Making *m)
{
    const Layer *l = m->l;
    QccKernel *k = m->k;
    QccExpr *e = m->e;
    int64_t count = (int64_t)l->h * l->w * l->c;
    bool bytes = !m->f32;
    if (l->op == SCALE)
        set_space(k, QCC_ANCHOR_MAP, 2, (int64_t[]){(int64_t)l->h * l->w, l->c});
    else if (l->op == TRANSPOSE)
        set_space(k, QCC_ANCHOR_MAP, 3, (int64_t[]){l->h, l->w, l->c});
    else
        set_space(k, QCC_ANCHOR_MAP, 1, &count);
    add_arg(k, bytes ? QCC_U8 : QCC_F32, ALL);
    switch (l->op) {
    case ADD: {
        int a = add_real(m, 5);
        e->result = qcc_expr_op2(e, QCC_EX_add, a, add_real(m, 7));
        break;
    }
    case SCALE: {
        int a = add_real(m, 5);
        int s = qcc_expr_arg(e, add_arg(k, QCC_F32, 2), QCC_EX_F32);
        e->result = qcc_expr_op2(e, QCC_EX_mul, a, s);
        break;
    }
    case QUANTIZE: {
        int a = qcc_expr_arg(e, add_arg(k, QCC_F32, ALL), QCC_EX_F32);
        e->result = qcc_expr_op2(e, QCC_EX_div, a, qcc_expr_f32(e, 0.3F));
        break;
    }
    case TABLE: {
        int a = qcc_expr_arg(e, add_arg(k, QCC_U8, ALL), QCC_EX_I32);
        e->result = qcc_expr_lut(e, add_arg(k, QCC_U8, 0), a);
        return;
    }
    default: /* TRANSPOSE */
        e->result = qcc_expr_arg(e, add_arg(k, QCC_U8, ALL), QCC_EX_I32);
        k->arg[1].stride[0] = l->c;
        k->arg[1].stride[1] = (int64_t)l->h * l->c;
        return;
    }
    if (bytes) to_u8(e, e->result);
}

static QccExpr *new_expr(QccArena *arena)
{
    QccExpr *e = QCC_NEW(arena, QccExpr);
    qcc_expr_init(e, arena);
    return e;
}

static void make_rows(const Making *m)
{
    const Layer *l = m->l;
    QccRowShape *rows = &m->k->u.rows;
    QccExpr *e = m->e, *first = new_expr(e->arena), *second = new_expr(e->arena);
    set_space(m->k, QCC_ANCHOR_ROWS, 2, (int64_t[]){(int64_t)l->h * l->w, l->c});
    add_arg(m->k, QCC_F32, ALL);
    add_arg(m->k, QCC_F32, ALL);
    rows->nstage = 2;
    rows->stage[0].term = first;
    rows->stage[1].term = second;
    first->result = qcc_expr_arg(first, 1, QCC_EX_F32);
    QccExpr *each[2] = {second, e};
    for (int i = 0; i < 2; i++) /* x - max, or x - mean */
        each[i]->result = qcc_expr_op2(each[i], QCC_EX_sub, qcc_expr_arg(each[i], 1, QCC_EX_F32),
                                       qcc_expr_arg(each[i], QCC_ROW_RESULT, QCC_EX_F32));
    if (l->op == SOFTMAX) {
        rows->stage[0].combine = QCC_COMBINE_MAX;
        for (int i = 0; i < 2; i++) each[i]->result = qcc_expr_exp(each[i], each[i]->result);
        e->result =
            qcc_expr_op2(e, QCC_EX_div, e->result, qcc_expr_arg(e, QCC_ROW_RESULT + 1, QCC_EX_F32));
        return;
    }
    float part = 1.0F / (float)l->c;
    QccExpr *mean = rows->stage[0].then = new_expr(e->arena);
    mean->result =
        qcc_expr_op2(mean, QCC_EX_mul, qcc_expr_acc(mean, QCC_EX_F32), qcc_expr_f32(mean, part));
    second->result = qcc_expr_op2(second, QCC_EX_mul, second->result, second->result);
    QccExpr *root = rows->stage[1].then = new_expr(e->arena);
    int v =
        qcc_expr_op2(root, QCC_EX_mul, qcc_expr_acc(root, QCC_EX_F32), qcc_expr_f32(root, part));
    v = qcc_expr_op1(root, QCC_EX_sqrt,
                     qcc_expr_op2(root, QCC_EX_add, v, qcc_expr_f32(root, 1e-5F)));
    root->result = qcc_expr_op2(root, QCC_EX_div, qcc_expr_f32(root, 1), v);
    e->result =
        qcc_expr_op2(e, QCC_EX_mul, e->result, qcc_expr_arg(e, QCC_ROW_RESULT + 1, QCC_EX_F32));
    e->result = qcc_expr_op2(e, QCC_EX_mul, e->result,
                             qcc_expr_arg(e, add_arg(m->k, QCC_F32, 2), QCC_EX_F32));
    e->result = qcc_expr_op2(e, QCC_EX_add, e->result,
                             qcc_expr_arg(e, add_arg(m->k, QCC_F32, 2), QCC_EX_F32));
}

static QccKernel *describe(QccArena *arena, const Layer *l, bool f32, const QccTarget *t,
                           bool pairs_fit)
{
    Making m = {QCC_NEW(arena, QccKernel), new_expr(arena), l, f32};
    m.k->epilogue = m.e;
    switch (l->op) {
    case CONV:
    case DEPTHWISE: make_conv(&m); break;
    case MATMUL:
    case BATCHED: make_matmul(&m); break;
    case MAXPOOL:
    case AVGPOOL: make_pool(&m); break;
    case ADD:
    case SCALE:
    case TABLE:
    case QUANTIZE:
    case TRANSPOSE: make_map(&m); break;
    case SOFTMAX:
    case NORM: make_rows(&m); break;
    }
    QccContractShape *c = &m.k->u.contract;
    if (m.k->anchor == QCC_ANCHOR_CONTRACT) c->pairs_fit = pairs_fit && !f32 && !c->b_strided;
    qcc_choose_variant(m.k, t);
    return m.k;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* One kernel, and what it reached. */
typedef struct Row {
    const QccKernel *k;
    const char *title;
    double peak, seconds, compile_ms;
    size_t code_bytes;
} Row;

static void print_shape(const QccVariant *v, char *text, size_t size)
{
    if (v->tiles)
        snprintf(text, size, "t%dx%d%s s%d c%d %s%s", v->tiles, v->nr, v->flat ? " flat" : "",
                 v->spread, v->chunk, v->n_outer ? "n" : "m",
                 v->stream == QCC_STREAM_A   ? " >a"
                 : v->stream == QCC_STREAM_B ? " >b"
                                             : "");
    else if (v->mr)
        snprintf(text, size, "%dx%d u%d c%d %s%s", v->mr, v->nr, v->unroll, v->chunk,
                 v->n_outer ? "n" : "m", v->wide ? "w" : "");
    else
        snprintf(text, size, "-");
}

static void print_row(Bench *b, const Row *r, bool beaten)
{
    char shape[64];
    print_shape(&r->k->variant, shape, sizeof shape);
    bool products = r->peak > 0;
    double operations = (double)qcc_kernel_operations(r->k) / 1e9;
    double bytes = (double)qcc_kernel_bytes(r->k) / 1e9;
    double bound = bytes / read_speed_of(&b->speeds, qcc_kernel_bytes(r->k));
    if (products && operations / r->peak > bound) bound = operations / r->peak;
    double share = products ? 100 * operations / r->seconds / r->peak : 0;
    if (b->o->json) {
        printf("%s\n  {\"kernel\": \"%s\", \"variant\": \"%s\", \"us\": %.3f, \"gops\": %.2f, "
               "\"gbs\": %.2f, \"peak\": %.1f, \"bound_us\": %.3f, \"compile_ms\": %.2f, "
               "\"code_bytes\": %zu}",
               b->rows ? "," : "", r->title, shape, r->seconds * 1e6, operations / r->seconds,
               bytes / r->seconds, r->peak, bound * 1e6, r->compile_ms, r->code_bytes);
    } else {
        if (b->rows == 0)
            printf("%-34s %-20s %9s %8s %7s %7s %9s %7s %8s %7s\n", "kernel", "variant", "us",
                   "GOP/s", "of peak", "GB/s", "bound us", "of it", "compile", "bytes");
        printf("%-34s %-20s %9.1f %8.1f ", r->title, shape, r->seconds * 1e6,
               operations / r->seconds);
        if (products)
            printf("%6.1f%%", share);
        else
            printf("%7s", "-");
        printf(" %7.1f %9.1f %6.1f%% %5.1f ms %7zu%s\n", bytes / r->seconds, bound * 1e6,
               100 * bound / r->seconds, r->compile_ms, r->code_bytes, beaten ? " !" : "");
    }
    b->rows++;
}

/* The peak that a kernel is held against; NULL: it has no products. */
static double (*peak_for(const Bench *b, const QccKernel *k))(void)
{
    bool sums = k->anchor == QCC_ANCHOR_CONTRACT || k->anchor == QCC_ANCHOR_DEPTHWISE;
    if (!sums || !b->peaks) return NULL;
    if (k->arg[1].dtype == QCC_F32) return b->peaks->f32;
    return k->anchor == QCC_ANCHOR_CONTRACT ? b->peaks->bytes : b->peaks->vectors;
}

static int variants_of(const Bench *b, const QccKernel *k, QccVariant *list)
{
    bool product = k->anchor == QCC_ANCHOR_CONTRACT || k->anchor == QCC_ANCHOR_DEPTHWISE;
    list[0] = b->o->fixed && product ? b->o->variant : k->variant;
    return b->o->candidates ? qcc_variant_candidates(k, b->target, list, QCC_CANDIDATES) : 1;
}

/* Runs the variants in turns; row[i].seconds is the fastest run of each. */
static void race(const Bench *b, QccTrial *trial, Row *row, QccKernelFn *const *fn, int n)
{
    enum { LEAST = 5, MOST = 2000 };
    double (*peak)(void) = peak_for(b, row[0].k);
    double best_peak = peak ? best_of(peak, 3) : 0, end = now() + 0.06 * n;
    for (int i = 0; i < n; i++) row[i].seconds = 1e9;
    for (int r = 0; r < MOST && (r < LEAST || now() < end); r++) {
        for (int i = 0; i < n; i++) {
            int64_t work = qcc_kernel_work(row[i].k, b->target->lanes);
            double t = qcc_trial_run(trial, fn[i], work) * 1e-3;
            if (t < row[i].seconds) row[i].seconds = t;
        }
        double p = peak && r % 64 == 0 ? best_of(peak, 1) : 0;
        if (p > best_peak) best_peak = p;
    }
    for (int i = 0; i < n; i++) row[i].peak = best_peak;
}

static QccKernelFn *compile_row(Bench *b, Row *r, QccArena *arena)
{
    const char *error = NULL;
    double start = now();
    QccKernelFn *fn = compile_kernel(b->codegen, r->k, b->target, arena, &r->code_bytes, &error);
    r->compile_ms = (now() - start) * 1e3;
    if (!fn) {
        fprintf(stderr, "bench_kernels: '%s' cannot be compiled: %s\n", r->title, error);
        exit(1);
    }
    b->compile_ms =
        qcc_grow(b->arena, b->compile_ms, b->ncompile, &b->compile_cap, sizeof *b->compile_ms);
    b->compile_ms[b->ncompile++] = r->compile_ms;
    return fn;
}

/* The kernel's title; what maps and rows compute does not stand there. */
static void print_title(QccBuf *title, const QccKernel *k, const Layer *l)
{
    static const char *const does[] = {
        [ADD] = "add ",           [SCALE] = "scale ",         [TABLE] = "table ",
        [QUANTIZE] = "quantize ", [TRANSPOSE] = "transpose ", [SOFTMAX] = "softmax ",
        [NORM] = "norm "};
    if (l->op >= ADD) qcc_buf_puts(title, does[l->op]);
    qcc_kernel_title(title, k);
}

static void bench_layer(Bench *b, const Layer *l, bool f32)
{
    enum { BEYOND_L2 = 16 << 20, BEATEN = 103 };
    QccArena *arena = qcc_arena_sub(b->arena);
    QccKernel *k = describe(arena, l, f32, b->target, b->o->pairs_fit);
    QccBuf title;
    qcc_buf_init(&title, arena);
    print_title(&title, k, l);
    QccVariant list[QCC_CANDIDATES];
    Row row[QCC_CANDIDATES] = {{0}};
    QccKernelFn *fn[QCC_CANDIDATES];
    QccTrial trial;
    int n = variants_of(b, k, list);
    bool wanted = !b->o->filtered || regexec(&b->o->match, title.data, 0, NULL, 0) == 0;
    if (wanted && !qcc_trial_init(&trial, arena, k, b->target, list, n, b->o->cold ? BEYOND_L2 : 0))
        wanted = false;
    for (int i = 0; wanted && i < n; i++) {
        QccKernel *each = QCC_NEW(arena, QccKernel);
        *each = *k;
        each->variant = list[i];
        row[i] = (Row){.k = each, .title = title.data};
        fn[i] = compile_row(b, &row[i], arena);
    }
    if (wanted) {
        race(b, &trial, row, fn, n);
        double best = row[0].seconds;
        for (int i = 1; i < n; i++) best = row[i].seconds < best ? row[i].seconds : best;
        for (int i = 0; i < n; i++)
            print_row(b, &row[i], i == 0 && row[0].seconds > best * BEATEN / 100);
        fflush(stdout);
    }
    qcc_arena_free(arena);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Whether the layer's numbers are bytes or f32. */
static bool has_two_types(LayerOp op)
{
    return op == CONV || op == DEPTHWISE || op == MATMUL || op == BATCHED || op == MAXPOOL ||
           op == AVGPOOL || op == ADD || op == SCALE;
}

static void bench_layers(void *user)
{
    Bench *b = user;
    const char *type = b->o->type;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const Layer *l = &layers[i];
        bool two = has_two_types(l->op);
        if (!(l->networks & b->o->networks)) continue;
        if (!two || !type || strcmp(type, "int8") == 0) bench_layer(b, l, false);
        if (two && (!type || strcmp(type, "f32") == 0)) bench_layer(b, l, true);
    }
    if (b->ncompile == 0 || b->o->json) return;
    qsort(b->compile_ms, (size_t)b->ncompile, sizeof *b->compile_ms, by_value);
    printf("median of compile times %.1f ms\n", b->compile_ms[b->ncompile / 2]);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void print_machine(const Bench *b)
{
    const Speeds *s = &b->speeds;
    if (b->o->json)
        printf("{\"target\": \"%s\", \"bytes_gops\": %.1f, \"vector_gops\": %.1f, "
               "\"f32_gops\": %.1f, \"levels\": [",
               b->target->name, s->bytes, s->vectors, s->f32);
    else
        printf("%s: bytes %.0f GOP/s, by vectors %.0f, f32 %.0f; reading", b->target->name,
               s->bytes, s->vectors, s->f32);
    for (int i = L1; i < LEVELS; i++)
        if (b->o->json)
            printf("%s{\"level\": \"%s\", \"bytes\": %lld, \"read_gbs\": %.1f}", i ? ", " : "",
                   level_name[i], i == DRAM ? 0 : (long long)s->size[i], s->read[i]);
        else
            printf("%s %s %.0f GB/s", i ? "," : "", level_name[i], s->read[i]);
    printf(b->o->json ? "], \"rows\": [" : "\n");
}

static bool bench_target(const Options *o, const QccCodegen *codegen, const QccTarget *t)
{
    Bench b = {.o = o, .codegen = codegen, .target = t, .peaks = peaks_of(t)};
    b.arena = qcc_arena_new(&b.mem);
    measure_peaks(&b.speeds, t);
    measure_memory(&b.speeds);
    print_machine(&b);
    bool good = b.arena && (o->machine || qcc_mem_protect(&b.mem, bench_layers, &b));
    if (o->json) printf("]}\n");
    qcc_arena_free(b.arena);
    return good;
}

static bool parse_variant(QccVariant *v, const char *text)
{
    char flags[4] = "";
    *v = (QccVariant){0};
    int n = sscanf(text, "%d,%d,%d,%d,%3s", &v->mr, &v->nr, &v->unroll, &v->chunk, flags);
    v->n_outer = strchr(flags, 'n');
    v->wide = strchr(flags, 'w');
    return n >= 4 && v->mr > 0 && v->nr > 0;
}

static int network_bit(const char *name)
{
    for (size_t i = 0; i < sizeof network_name / sizeof *network_name; i++)
        if (strcmp(network_name[i], name) == 0) return 1 << i;
    return 0;
}

static bool parse_options(Options *o, int argc, char **argv)
{
    enum { NET = 256, MATCH, TYPE, TARGET, COLD, CANDIDATES, VARIANT, PAIRS_FIT, MACHINE, JSON };
    static const struct option table[] = {
        {"net", required_argument, NULL, NET},
        {"match", required_argument, NULL, MATCH},
        {"type", required_argument, NULL, TYPE},
        {"target", required_argument, NULL, TARGET},
        {"cold", no_argument, NULL, COLD},
        {"candidates", no_argument, NULL, CANDIDATES},
        {"variant", required_argument, NULL, VARIANT},
        {"pairs-fit", no_argument, NULL, PAIRS_FIT},
        {"machine", no_argument, NULL, MACHINE},
        {"json", no_argument, NULL, JSON},
        {0},
    };
    *o = (Options){.networks = -1};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        bool good = true;
        switch (c) {
        case NET: good = (o->networks = network_bit(optarg)) != 0; break;
        case MATCH:
            good = !o->filtered && regcomp(&o->match, optarg, REG_EXTENDED | REG_NOSUB) == 0;
            o->filtered = good;
            break;
        case TYPE:
            o->type = optarg;
            good = strcmp(optarg, "int8") == 0 || strcmp(optarg, "f32") == 0;
            break;
        case TARGET: o->target = optarg; break;
        case COLD: o->cold = true; break;
        case CANDIDATES: o->candidates = true; break;
        case VARIANT: good = o->fixed = parse_variant(&o->variant, optarg); break;
        case PAIRS_FIT: o->pairs_fit = true; break;
        case MACHINE: o->machine = true; break;
        case JSON: o->json = true; break;
        default: good = false;
        }
        if (!good) return false;
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    Options o;
    if (!parse_options(&o, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    const QccCodegen *codegen = o.machine ? NULL : open_codegen();
    if (!codegen && !o.machine) return 77;
    int n;
    const QccTarget *targets = qcc_targets(&n), *host = qcc_target_host();
    bool all = o.target && strcmp(o.target, "all") == 0, found = false, good = true;
    for (int i = 0; i < n; i++) {
        bool named = o.target ? strcmp(o.target, targets[i].name) == 0 : &targets[i] == host;
        if (!all && !named) continue;
        found = true;
        if (qcc_target_runs_here(&targets[i]))
            good &= bench_target(&o, codegen, &targets[i]);
        else
            fprintf(stderr, "%s: skipped, this machine does not run it\n", targets[i].name);
    }
    if (!found) fprintf(stderr, "bench_kernels: there is no target '%s'\n", o.target);
    if (o.filtered) regfree(&o.match);
    return found && good ? 0 : 1;
}
