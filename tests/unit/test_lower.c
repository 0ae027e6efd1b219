/* test_lower - lowered graphs, run by the reference kernels, give the interpreter's bytes. */
#include <check.h>
#include <stdio.h>

#include "backend/reference.h"
#include "ir/ops.h"
#include "tests/unit/op_samples.h"
#include "tests/unit/run_lowered.h"

enum { SEEDS = 60 };

static QccMem mem;
static QccIr *ir;

static void print_diagnostic(void *user, const QccDiagnostic *d)
{
    (void)user;
    fprintf(stderr, "%s\n", d->message);
}

/* ---- comparison ------------------------------------------------------------------------------ */

/* No two values that live at the same time overlap, unless one is laid over the other on purpose;
 * the arena is at least what must live at once, and not absurdly more. */
static void check_plan(const QccLowered *l)
{
    ck_assert_int_ge(l->arena_size, l->live_peak);
    ck_assert_int_le(l->arena_size, 2 * l->live_peak + 4096);
    for (int i = 0; i < l->nplace; i++) {
        const QccPlacement *a = &l->place[i];
        if (a->ref.kind != QCC_BUFFER_ARENA || a->alias || a->first < 0) continue;
        int64_t origin = 0;
        for (int d = 0; d < a->layout.rank; d++)
            origin += a->layout.halo_before[d] * a->layout.pitch[d];
        int64_t from = a->ref.offset - qcc_dtype_size(a->value->type->dtype, origin);
        ck_assert_int_eq(from % 64, 0);
        ck_assert_int_ge(from, 0);
        ck_assert_int_le(from + a->bytes, l->arena_size);
        for (int j = 0; j < l->nplace; j++) {
            const QccPlacement *b = &l->place[j];
            if (i == j || b->ref.kind != QCC_BUFFER_ARENA || b->alias || b->first < 0) continue;
            if (a->last < b->first || b->last < a->first) continue;
            bool inside = b->ref.offset >= from && b->ref.offset < from + a->bytes;
            ck_assert_msg(!inside || b->bytes == 0, "%%%s lies in %%%s", b->value->name,
                          a->value->name);
        }
    }
}

typedef struct Counts {
    int kernels, evals, fills;
} Counts;

static Counts count_steps(const QccLowered *l)
{
    Counts c = {0};
    for (int i = 0; i < l->nstep; i++) {
        c.kernels += l->step[i].kind == QCC_STEP_KERNEL;
        c.evals += l->step[i].kind == QCC_STEP_EVAL;
        c.fills += l->step[i].kind == QCC_STEP_FILL;
    }
    return c;
}

/* Work units from the last to the first, block by block: they must not depend on each other. */
static void run_reference(const Lowered *run, const QccStep *step, void *const *arg)
{
    QccArena *scratch = qcc_arena_new(&mem);
    int64_t block = (step->work + 6) / 7;
    for (int64_t end = step->work; end > 0; end -= block)
        qcc_kernel_reference(run->l->kernel[step->kernel], run->l->target, arg,
                             end > block ? end - block : 0, end, scratch);
    qcc_arena_free(scratch);
}

static void compare(const QccGraph *g, const QccTarget *target, bool taps, const QccTensor *in,
                    const Seen *want, const char *what, Counts *counts)
{
    QccArena *arena = qcc_arena_new(&mem);
    QccLowered *l;
    QccLowerOptions options = {.taps = taps};
    ck_assert_int_eq(qcc_lower(&l, arena, g, target, &options), QCC_OK);
    check_plan(l);
    for (int i = 0; i < l->nkernel; i++) {
        const QccKernel *k = l->kernel[i];
        bool own_strides = k->anchor != QCC_ANCHOR_MAP && k->anchor != QCC_ANCHOR_ROWS;
        ck_assert_int_eq(k->nanchor > 0, own_strides);
    }
    *counts = count_steps(l);
    Lowered run = {.kernel = run_reference};
    lowered_open(&run, l, in);
    ck_assert_int_eq(lowered_run(&run, &mem), QCC_OK);
    ck_assert_msg(lowered_is_intact(&run, in),
                  "%s: a guard, an input or a constant was overwritten", what);
    for (int i = 0; i < qcc_graph_result_count(g); i++) {
        const QccValue *v = qcc_graph_result(g, i);
        int64_t size = qcc_type_bytes(v->type);
        const void *data = seen(want, v);
        ck_assert_ptr_nonnull(data);
        ck_assert_msg(memcmp(run.output[i].data, data, (size_t)size) == 0,
                      "%s: result %%%s differs on %s%s", what, v->name, target->name,
                      taps ? " with taps" : "");
    }
    for (int i = 0; taps && i < l->nplace; i++) {
        const QccValue *v = l->place[i].value;
        int64_t size = qcc_type_bytes(v->type);
        char *got = qcc_alloc(arena, (size_t)size + 1);
        if (!seen(want, v)) continue;
        lowered_read(&run, &l->place[i], got);
        ck_assert_msg(memcmp(got, seen(want, v), (size_t)size) == 0, "%s: %%%s differs on %s", what,
                      v->name, target->name);
    }
    lowered_close(&run);
    qcc_arena_free(arena);
}

/* Runs the graph both ways on random inputs, for targets of every width and dot product, with taps
 * and without; returns the steps without. */
static Counts check_graph(const QccGraph *g, uint64_t seed, const char *what)
{
    QccRandom r;
    qcc_random_init(&r, seed);
    QccArena *arena = qcc_arena_new(&mem);
    QccTensor *in = QCC_NEW_ARRAY(arena, g->nparam + 1, QccTensor);
    QccTensor *out = QCC_NEW_ARRAY(arena, qcc_graph_result_count(g) + 1, QccTensor);
    for (int i = 0; i < g->nparam; i++) in[i] = random_input(&r, arena, g->param[i]->type);
    for (int i = 0; i < qcc_graph_result_count(g); i++)
        out[i] = qcc_tensor_new(arena, qcc_graph_result(g, i)->type);
    Seen want = {.arena = arena};
    ck_assert_int_eq(qcc_interp_run(g, in, out, see, &want), QCC_OK);
    Counts c;
    static const char *const target[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4+vnni",
                                         "x86-64-v4+vnni+vbmi+amx"};
    for (int i = 0; i < 8; i++)
        compare(g, qcc_target_find(target[i / 2]), i % 2 == 0, in, &want, what, &c);
    qcc_arena_free(arena);
    return c;
}

/* ---- samples of every op --------------------------------------------------------------------- */

static const QccOpDef *sampled;

static void check_samples(void *user)
{
    (void)user;
    int evals = 0, runs = 0;
    for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
        QccRandom r;
        qcc_random_init(&r, seed / 2);
        QccArena *arena = qcc_arena_new(&mem);
        QccGraph *g = qcc_graph_new(ir, arena, "sample");
        QccSample s = {.graph = g, .random = &r};
        sampled->sample(&r, &s);
        QccOp *op = qcc_graph_yield(g)->prev;
        bool run = seed % 2 == 0 || (s.quantizable && quantize_sample(&r, arena, op, QCC_U8));
        char what[100];
        snprintf(what, sizeof what, "%s, seed %d%s", sampled->name, (int)(seed / 2),
                 seed % 2 ? ", quantized" : "");
        if (run) {
            ck_assert_msg(qcc_graph_verify(g) == QCC_OK, "%s", what);
            evals += check_graph(g, seed, what).evals > 0;
            runs++;
        }
        qcc_arena_free(arena);
    }
    if (evals) printf("%s: %d of %d samples run through eval\n", sampled->name, evals, runs);
}

START_TEST(test_samples)
{
    ir = qcc_ir_new(&mem, print_diagnostic, NULL);
    ck_assert_ptr_nonnull(ir);
    if (_i < ir->nop && ir->op[_i]->sample) {
        sampled = ir->op[_i];
        ck_assert(qcc_mem_protect(&mem, check_samples, NULL));
    }
    qcc_ir_free(ir);
}
END_TEST

/* ---- graphs ---------------------------------------------------------------------------------- */

/* A graph being built by hand; weights and scales are random. */
typedef struct Build {
    QccGraph *g;
    QccRandom r;
    QccArena *arena;
} Build;

static QccValue *param(Build *b, QccDtype dtype, int rank, const int64_t *dim)
{
    const QccType *t = qcc_type_shape(ir, QCC_F32, rank, dim);
    return qcc_graph_add_param(b->g, NULL,
                               dtype == QCC_U8 ? random_quantized(ir, &b->r, t, QCC_U8) : t);
}

static QccValue *apply(QccGraph *g, const QccOpDef *def, QccValue *const *in, int nin,
                       const void *attrs)
{
    QccOp *op;
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, in, nin, attrs), QCC_OK);
    return &op->out[0];
}

static QccValue *apply1(QccGraph *g, const QccOpDef *def, QccValue *x)
{
    return apply(g, def, &x, 1, NULL);
}

static QccValue *apply2(QccGraph *g, const QccOpDef *def, QccValue *x, QccValue *y)
{
    return apply(g, def, (QccValue *[]){x, y}, 2, NULL);
}

/* Gives a value a quantized type. */
static QccValue *quant(Build *b, QccValue *v)
{
    qcc_value_set_type(v, random_quantized(ir, &b->r, v->type, QCC_U8));
    return v;
}

static QccValue *weights(Build *b, int rank, const int64_t *dim)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= dim[i];
    int8_t *data = QCC_NEW_ARRAY(b->arena, count, int8_t);
    for (int64_t i = 0; i < count; i++) data[i] = (int8_t)qcc_random_range(&b->r, -127, 127);
    float *scale = QCC_NEW_ARRAY(b->arena, dim[0], float);
    for (int64_t i = 0; i < dim[0]; i++) scale[i] = qcc_random_f32(&b->r, 0.0005f, 0.005f);
    return qcc_const_new(b->g, NULL, NULL, qcc_blob(b->arena, QCC_I8, rank, dim, data, false),
                         qcc_quant_axis(ir, QCC_I8, rank, 0, dim[0], scale, NULL, -127, 127));
}

/* A convolution by o filters of k x k, with padding that keeps the extents. */
static QccValue *conv(Build *b, QccGraph *g, QccValue *x, QccValue *w, int64_t groups)
{
    int64_t pad = w->type->dim[1].n / 2;
    QccConvAttrs a = {.stride = {2, {1, 1}},
                      .pad = {4, {pad, pad, pad, pad}},
                      .dilation = {2, {1, 1}},
                      .groups = groups};
    (void)b;
    return apply(g, &qcc_op_conv2d, (QccValue *[]){x, w}, 2, &a);
}

static QccValue *filters(Build *b, int64_t o, int64_t k, int64_t c)
{
    return weights(b, 4, (int64_t[]){o, k, k, c});
}

/* fused { relu(conv(x, w) + r) }, quantized; r may be absent. */
static QccValue *fused_conv(Build *b, QccValue *x, QccValue *w, QccValue *r)
{
    QccOp *op;
    QccValue *in[] = {x, w, r};
    ck_assert_int_eq(
        qcc_op_new(&op, b->g, NULL, &qcc_op_fused, (QccLoc){0}, NULL, in, r ? 3 : 2, NULL), QCC_OK);
    QccGraph *body = qcc_graph_new_body(op);
    QccValue *v = conv(b, body, body->param[0], body->param[1], 1);
    if (r) v = apply2(body, &qcc_op_add, v, body->param[2]);
    v = apply1(body, &qcc_op_relu, v);
    qcc_graph_set_results(body, &v, 1);
    ck_assert_int_eq(qcc_op_reinfer(op), QCC_OK);
    return quant(b, &op->out[0]);
}

static QccValue *reshape(QccGraph *g, QccValue *x, int rank, const int64_t *dim)
{
    QccShapeAttrs a = {.shape = {.n = rank}};
    for (int i = 0; i < rank; i++) a.shape.v[i] = dim[i];
    QccValue *y = apply(g, &qcc_op_reshape, &x, 1, &a);
    if (x->type->quant)
        qcc_value_set_type(y, qcc_type_quantized(ir, y->type, x->type->dtype, x->type->quant));
    return y;
}

static void yield(Build *b, QccValue *v)
{
    qcc_graph_set_results(b->g, &v, 1);
}

static const int64_t image[] = {1, 6, 7, 5};

static void build_maps(Build *b)
{
    QccValue *x = param(b, QCC_F32, 3, (int64_t[]){2, 3, 5});
    yield(b, apply1(b->g, &qcc_op_exp, apply1(b->g, &qcc_op_relu, apply1(b->g, &qcc_op_neg, x))));
}

static void build_residual(Build *b)
{
    QccValue *x = param(b, QCC_U8, 4, image);
    QccValue *w1 = filters(b, 9, 3, 5), *w2 = filters(b, 5, 3, 9);
    yield(b, fused_conv(b, fused_conv(b, x, w1, NULL), w2, x));
}

static void build_depthwise(Build *b)
{
    QccValue *x = param(b, QCC_U8, 4, image);
    QccValue *w1 = filters(b, 20, 1, 5), *w2 = filters(b, 20, 3, 1), *w3 = filters(b, 3, 1, 20);
    QccValue *y = fused_conv(b, x, w1, NULL);
    y = quant(b, conv(b, b->g, y, w2, 20));
    yield(b, quant(b, conv(b, b->g, y, w3, 1)));
}

static QccValue *concat(Build *b, QccValue *x, QccValue *y)
{
    QccAxisAttrs a = {.axis = 3};
    QccValue *v = apply(b->g, &qcc_op_concat, (QccValue *[]){x, y}, 2, &a);
    if (x->type->quant) {
        qcc_value_set_type(y, qcc_type_quantized(ir, y->type, QCC_U8, x->type->quant));
        qcc_value_set_type(v, qcc_type_quantized(ir, v->type, QCC_U8, x->type->quant));
    }
    return v;
}

/* Both convolutions write into the padded image that the third one reads. */
static void build_concat(Build *b)
{
    QccValue *x = param(b, QCC_U8, 4, image);
    QccValue *w1 = filters(b, 4, 1, 5), *w2 = filters(b, 7, 3, 5), *w3 = filters(b, 6, 3, 11);
    QccValue *y = concat(b, fused_conv(b, x, w1, NULL), fused_conv(b, x, w2, NULL));
    yield(b, fused_conv(b, y, w3, NULL));
}

/* What is concatenated is read by others, too; a concatenation is a part of the next one. */
static void build_dense(Build *b)
{
    QccValue *x = param(b, QCC_U8, 4, image);
    QccValue *w1 = filters(b, 4, 1, 5), *w2 = filters(b, 3, 1, 4), *w3 = filters(b, 2, 1, 7);
    QccValue *w4 = filters(b, 6, 3, 9);
    QccValue *y = fused_conv(b, x, w1, NULL);
    y = concat(b, y, fused_conv(b, y, w2, NULL));
    y = concat(b, y, fused_conv(b, y, w3, NULL));
    yield(b, fused_conv(b, y, w4, NULL));
}

/* Read by a padded convolution and as a flat row; the row's classifier is a view's reader. */
static void build_views(Build *b)
{
    QccValue *x = param(b, QCC_U8, 4, image);
    QccValue *w1 = filters(b, 3, 1, 5), *w2 = filters(b, 2, 3, 3);
    QccValue *w3 = weights(b, 2, (int64_t[]){10, 126});
    QccValue *y = fused_conv(b, x, w1, NULL), *z = fused_conv(b, y, w2, NULL);
    QccValue *row = reshape(b->g, y, 2, (int64_t[]){1, 126});
    QccValue *c = apply2(b->g, &qcc_op_fc, row, w3);
    QccValue *s = apply1(b->g, &qcc_op_softmax, c);
    qcc_graph_set_results(b->g, (QccValue *[]){s, z, reshape(b->g, z, 1, (int64_t[]){84})}, 3);
}

/* A sum of a value and a view of it, which is read in another order. */
static void build_outer_sum(Build *b)
{
    QccValue *x = apply1(b->g, &qcc_op_neg, param(b, QCC_F32, 2, (int64_t[]){3, 3}));
    QccValue *y = reshape(b->g, x, 3, (int64_t[]){3, 1, 3});
    QccValue *z = apply1(b->g, &qcc_op_neg, apply2(b->g, &qcc_op_add, y, x));
    qcc_graph_set_results(b->g, (QccValue *[]){z}, 1);
}

/* Results that are a parameter, a constant, the same twice, and a view of one. */
static void build_results(Build *b)
{
    QccValue *x = param(b, QCC_F32, 2, (int64_t[]){2, 3});
    float data[4] = {1, 2, 3, 4};
    int64_t dim = 4;
    QccValue *c =
        qcc_const_new(b->g, NULL, NULL, qcc_blob(b->arena, QCC_F32, 1, &dim, data, true), NULL);
    QccValue *y = apply1(b->g, &qcc_op_neg, x);
    QccValue *v = reshape(b->g, y, 1, (int64_t[]){6});
    qcc_graph_set_results(b->g, (QccValue *[]){x, c, y, y, v}, 5);
}

/* The first map must leave its operand alone, the others need not. */
static void build_two_readers(Build *b)
{
    QccValue *x = apply1(b->g, &qcc_op_neg, param(b, QCC_F32, 2, (int64_t[]){3, 3}));
    QccValue *y = apply1(b->g, &qcc_op_exp, x);
    yield(b, apply1(b->g, &qcc_op_neg, apply2(b->g, &qcc_op_add, x, y)));
}

static void build_table(Build *b)
{
    QccValue *x = param(b, QCC_U8, 2, (int64_t[]){3, 50});
    yield(b, quant(b, apply1(b->g, &qcc_op_tanh, x)));
}

static void build_float(Build *b)
{
    QccValue *x = param(b, QCC_F32, 4, image);
    float *data = QCC_NEW_ARRAY(b->arena, 8 * 3 * 3 * 5, float);
    for (int i = 0; i < 8 * 3 * 3 * 5; i++) data[i] = qcc_random_f32(&b->r, -1, 1);
    QccBlob *w = qcc_blob(b->arena, QCC_F32, 4, (int64_t[]){8, 3, 3, 5}, data, false);
    QccValue *y = conv(b, b->g, x, qcc_const_new(b->g, NULL, NULL, w, NULL), 1);
    yield(b, apply1(b->g, &qcc_op_relu, y));
}

static QccValue *transpose(QccGraph *g, QccValue *x, const int64_t *perm)
{
    QccPermAttrs a = {.perm = {.n = 4, .v = {perm[0], perm[1], perm[2], perm[3]}}};
    QccValue *y = apply(g, &qcc_op_transpose, &x, 1, &a);
    if (x->type->quant)
        qcc_value_set_type(y, qcc_type_quantized(ir, y->type, x->type->dtype, x->type->quant));
    return y;
}

/* One of [batch, position, head, depth] as kernels compute it. */
static QccValue *projection(Build *b, QccDtype dtype)
{
    QccValue *x = param(b, dtype, 4, (int64_t[]){2, 5, 3, 8});
    x = apply1(b->g, &qcc_op_neg, x);
    return dtype == QCC_U8 ? quant(b, x) : x;
}

/* Both products read what is transposed, and the second one is. */
static void build_attention_of(Build *b, QccDtype dtype)
{
    static const int64_t heads[] = {0, 2, 1, 3}, turned[] = {0, 2, 3, 1};
    bool bytes = dtype == QCC_U8;
    QccValue *q = transpose(b->g, projection(b, dtype), heads);
    QccValue *k = transpose(b->g, projection(b, dtype), turned);
    QccValue *v = transpose(b->g, projection(b, dtype), heads);
    QccValue *p = apply2(b->g, &qcc_op_matmul, q, k);
    p = apply2(b->g, &qcc_op_matmul, bytes ? quant(b, p) : p, v);
    yield(b, transpose(b->g, bytes ? quant(b, p) : p, heads));
}

static void build_attention(Build *b)
{
    build_attention_of(b, QCC_U8);
}

static void build_attention_f32(Build *b)
{
    build_attention_of(b, QCC_F32);
}

/* Stems of few channels. In tiles their rows are read side by side: of the first all lie there, of
 * the second the last one not, and of the third, with one K step less for it, they stay as they
 * are.
 */
static void build_stems(Build *b)
{
    static const struct {
        int64_t k, stride, rows, after;
    } stem[3] = {{7, 2, 24, 3}, {5, 2, 23, 0}, {3, 2, 24, 1}};
    QccValue *y[3];
    for (int i = 0; i < 3; i++) {
        int64_t k = stem[i].k, stride = stem[i].stride, pad = k / 2;
        QccConvAttrs a = {.stride = {2, {stride, 2}},
                          .pad = {4, {pad, pad, stem[i].after, pad}},
                          .dilation = {2, {1, 1}},
                          .groups = 1};
        QccValue *x = param(b, QCC_U8, 4, (int64_t[]){2, stem[i].rows, 19, 3});
        QccValue *w = filters(b, 37, k, 3);
        y[i] = quant(b, apply(b->g, &qcc_op_conv2d, (QccValue *[]){x, w}, 2, &a));
    }
    qcc_graph_set_results(b->g, y, 3);
}

/* What a graph lowers to. */
typedef struct Example {
    const char *name;
    void (*build)(Build *b);
    Counts counts; /* without taps: kernels, evals, fills */
} Example;

static const Example examples[] = {
    {"maps in place", build_maps, {3, 0, 0}},
    {"residual", build_residual, {3, 0, 2}},    /* the input gets a halo by a copy */
    {"depthwise", build_depthwise, {4, 0, 1}},  /* the input gets slack by a copy */
    {"concatenation", build_concat, {4, 0, 2}}, /* no copy behind the convolutions */
    {"dense block", build_dense, {5, 0, 1}},
    {"views", build_views, {7, 0, 1}}, /* input, flat row, second result */
    {"outer sum", build_outer_sum, {3, 0, 0}},
    {"two readers", build_two_readers, {4, 0, 0}},
    {"results", build_results, {5, 0, 0}},
    {"table", build_table, {1, 0, 0}},
    {"float", build_float, {3, 0, 1}},
    /* Three projections; B in order (in three parts where fours are not full), two sums, product.
     */
    {"attention", build_attention, {3 + 4 + 6, 0, 0}},
    {"attention in f32", build_attention_f32, {3 + 1 + 2, 0, 0}}, /* k is turned by a copy */
    {"stems", build_stems, {3 + 4 + 2, 0, 3}}, /* halos, folds (one of them in two parts) */
};

static const Example *example;

static void check_example(void *user)
{
    (void)user;
    Build b = {.arena = qcc_arena_new(&mem)};
    qcc_random_init(&b.r, 3);
    b.g = qcc_graph_new(ir, b.arena, "example");
    example->build(&b);
    ck_assert_msg(qcc_graph_verify(b.g) == QCC_OK, "%s", example->name);
    Counts c = check_graph(b.g, 5, example->name), want = example->counts;
    ck_assert_msg(memcmp(&c, &want, sizeof c) == 0, "%s: %d kernels, %d evals, %d fills",
                  example->name, c.kernels, c.evals, c.fills);
    qcc_arena_free(b.arena);
}

START_TEST(test_examples)
{
    example = &examples[_i];
    ir = qcc_ir_new(&mem, print_diagnostic, NULL);
    ck_assert_ptr_nonnull(ir);
    ck_assert(qcc_mem_protect(&mem, check_example, NULL));
    qcc_ir_free(ir);
}
END_TEST

/* ---- signed activations ---------------------------------------------------------------------- */

static QccValue *quant_signed(Build *b, QccValue *v)
{
    qcc_value_set_type(v, random_quantized(ir, &b->r, v->type, QCC_I8));
    return v;
}

/* Two convolutions, a concatenation with a constant, a parameter that is also a result. */
static void build_signed(Build *b)
{
    QccValue *x = quant_signed(b, param(b, QCC_F32, 4, image));
    QccValue *w1 = filters(b, 4, 3, 5), *w2 = filters(b, 6, 3, 5);
    QccValue *y = quant_signed(b, conv(b, b->g, x, w1, 1));
    int8_t data[42];
    for (int i = 0; i < 42; i++) data[i] = (int8_t)qcc_random_range(&b->r, -128, 127);
    QccBlob *blob = qcc_blob(b->arena, QCC_I8, 4, (int64_t[]){1, 6, 7, 1}, data, true);
    QccValue *c = qcc_const_new(b->g, NULL, NULL, blob, y->type->quant);
    QccAxisAttrs a = {.axis = 3};
    QccValue *z = apply(b->g, &qcc_op_concat, (QccValue *[]){y, c}, 2, &a);
    qcc_value_set_type(z, qcc_type_quantized(ir, z->type, QCC_I8, y->type->quant));
    QccValue *v = quant_signed(b, conv(b, b->g, z, w2, 1));
    qcc_graph_set_results(b->g, (QccValue *[]){v, x, z}, 3);
}

static void check_signed(void *user)
{
    (void)user;
    Build b = {.arena = qcc_arena_new(&mem)};
    qcc_random_init(&b.r, 3);
    b.g = qcc_graph_new(ir, b.arena, "signed");
    build_signed(&b);
    QccGraph *u = qcc_graph_clone(b.g, b.arena);
    ck_assert_int_eq(qcc_unsign(u), QCC_OK);
    ck_assert_int_eq(qcc_graph_verify(u), QCC_OK);
    ck_assert_int_eq(check_graph(u, 5, "signed").evals, 0);
    QccRandom r;
    qcc_random_init(&r, 9);
    QccTensor in = random_input(&r, b.arena, b.g->param[0]->type), want[3], got[3];
    for (int i = 0; i < 3; i++) {
        const QccValue *v = qcc_graph_result(b.g, i);
        ck_assert_ptr_eq(qcc_graph_result(u, i)->type, v->type);
        ck_assert_str_eq(qcc_graph_result(u, i)->name, v->name);
        want[i] = qcc_tensor_new(b.arena, v->type);
        got[i] = qcc_tensor_new(b.arena, v->type);
    }
    ck_assert_int_eq(qcc_interp_run(b.g, &in, want, NULL, NULL), QCC_OK);
    ck_assert_int_eq(qcc_interp_run(u, &in, got, NULL, NULL), QCC_OK);
    for (int i = 0; i < 3; i++) ck_assert_mem_eq(got[i].data, want[i].data, (size_t)want[i].count);
    qcc_arena_free(b.arena);
}

START_TEST(test_signed)
{
    ir = qcc_ir_new(&mem, print_diagnostic, NULL);
    ck_assert_ptr_nonnull(ir);
    ck_assert(qcc_mem_protect(&mem, check_signed, NULL));
    qcc_ir_free(ir);
}
END_TEST

/* Two convolutions of one shape, one with weights that can leave 16 bits in pairs. */
static void check_pairs(void *user)
{
    (void)user;
    Build b = {.arena = qcc_arena_new(&mem)};
    qcc_random_init(&b.r, 4);
    b.g = qcc_graph_new(ir, b.arena, "pairs");
    QccValue *x = quant(&b, param(&b, QCC_F32, 4, image)), *y[2];
    for (int i = 0; i < 2; i++) {
        QccValue *w = filters(&b, 4, 3, 5);
        int8_t *data = (int8_t *)qcc_value_const(w)->data;
        for (int j = 0; j < 4 * 3 * 3 * 5; j++) data[j] = (int8_t)(j % 2 ? 64 : -64);
        data[0] = data[1] = (int8_t)(64 + i);
        y[i] = quant(&b, conv(&b, b.g, x, w, 1));
    }
    qcc_graph_set_results(b.g, y, 2);
    static const char *const target[] = {"x86-64-v3", "x86-64-v4+vnni"};
    for (int i = 0; i < 2; i++) {
        QccLowered *l;
        ck_assert_int_eq(qcc_lower(&l, b.arena, b.g, qcc_target_find(target[i]), NULL), QCC_OK);
        int products = 0, fit = 0;
        for (int s = 0; s < l->nstep; s++) {
            const QccKernel *k = l->kernel[l->step[s].kernel];
            if (l->step[s].kind != QCC_STEP_KERNEL || k->anchor != QCC_ANCHOR_CONTRACT) continue;
            if (i == 0) ck_assert_int_eq(k->u.contract.pairs_fit, products == 0);
            fit += k->u.contract.pairs_fit;
            products++;
        }
        ck_assert_int_eq(products, 2);
        ck_assert_int_eq(fit, i == 0);
    }
    qcc_arena_free(b.arena);
}

START_TEST(test_pairs)
{
    ir = qcc_ir_new(&mem, print_diagnostic, NULL);
    ck_assert_ptr_nonnull(ir);
    ck_assert(qcc_mem_protect(&mem, check_pairs, NULL));
    qcc_ir_free(ir);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lower");
    TCase *tcase = tcase_create("lower");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, test_samples, 0, 300);
    tcase_add_loop_test(tcase, test_examples, 0, (int)(sizeof examples / sizeof examples[0]));
    tcase_add_test(tcase, test_signed);
    tcase_add_test(tcase, test_pairs);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
