/* test_symbolic - one program at many shapes: the interpreter's bytes, no kernel compiled twice,
 * shapes that do not fit, sessions on several threads. */
#define _GNU_SOURCE
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qcc.h"

enum { TEXT = 32768, LARGEST = 4096 };

typedef struct Fixture {
    QccContext *context;
    char said[2048]; /* the last error */
    char text[TEXT];
    char folder[64]; /* of the cache */
    pthread_mutex_t lock;
    long allocations; /* so far */
} Fixture;

/* ---- models ---------------------------------------------------------------------------------- */

static void put(Fixture *f, const char *s)
{
    size_t n = strlen(f->text);
    ck_assert_int_lt(n + strlen(s), TEXT);
    strcpy(f->text + n, s);
}

/* "  %name = const [...] : f32[dims]": n small numbers, each weight another. */
static void put_const(Fixture *f, const char *name, const char *dims, int n)
{
    char number[64];
    snprintf(number, sizeof number, "  %%%s = const [", name);
    put(f, number);
    for (int i = 0; i < n; i++) {
        snprintf(number, sizeof number, "%s%g", i ? "," : "", (i * 37 % 19 - 9) / 16.0);
        put(f, number);
    }
    snprintf(number, sizeof number, "] : f32[%s]\n", dims);
    put(f, number);
}

/* Convolution, pooling and a classifier. */
static void conv_net(Fixture *f)
{
    f->text[0] = '\0';
    put(f, "qir 1\ngraph @conv(symbols N: 1..64; %x: f32[N,6,6,3]) {\n");
    put_const(f, "w", "8,3,3,3", 8 * 27);
    put_const(f, "v", "5,72", 5 * 72);
    put(f, "  %c = conv2d %x, %w {pad: [1,1,1,1]} : f32[N,6,6,8]\n"
           "  %r = relu %c : f32[N,6,6,8]\n"
           "  %p = max_pool %r {kernel: [2,2], stride: [2,2]} : f32[N,3,3,8]\n"
           "  %m = reshape %p {shape: [0,-1]} : f32[N,72]\n"
           "  %y = fc %m, %v : f32[N,5]\n"
           "  return %y\n}\n");
}

/* Attention over N sequences of S, and what follows it in a transformer. */
static void transformer(Fixture *f)
{
    static const char *const weight[] = {"wq", "wk", "wv", "wo"};
    f->text[0] = '\0';
    put(f, "qir 1\ngraph @block(symbols N: 1..16, S: 2..32; %x: f32[N,S,8]) {\n");
    for (int i = 0; i < 4; i++) put_const(f, weight[i], "8,8", 64);
    put_const(f, "wf", "8,24", 8 * 24);
    put_const(f, "wg", "24,8", 8 * 24);
    put_const(f, "scale", "8", 8);
    put_const(f, "move", "8", 8);
    put(f, "  %q = matmul %x, %wq : f32[N,S,8]\n"
           "  %k = matmul %x, %wk : f32[N,S,8]\n"
           "  %v = matmul %x, %wv : f32[N,S,8]\n"
           "  %q4 = reshape %q {shape: [0,0,2,4]} : f32[N,S,2,4]\n"
           "  %k4 = reshape %k {shape: [0,0,2,4]} : f32[N,S,2,4]\n"
           "  %v4 = reshape %v {shape: [0,0,-1,4]} : f32[N,S,2,4]\n"
           "  %qt = transpose %q4 {perm: [0,2,1,3]} : f32[N,2,S,4]\n"
           "  %kt = transpose %k4 {perm: [0,2,3,1]} : f32[N,2,4,S]\n"
           "  %vt = transpose %v4 {perm: [0,2,1,3]} : f32[N,2,S,4]\n"
           "  %a = matmul %qt, %kt : f32[N,2,S,S]\n"
           "  %s = softmax %a : f32[N,2,S,S]\n"
           "  %h = matmul %s, %vt : f32[N,2,S,4]\n"
           "  %ht = transpose %h {perm: [0,2,1,3]} : f32[N,S,2,4]\n"
           "  %flat = reshape %ht {shape: [-1,8]} : f32[N*S,8]\n"
           "  %o = matmul %flat, %wo : f32[N*S,8]\n"
           "  %rows = reshape %x {shape: [-1,8]} : f32[N*S,8]\n"
           "  %sum = add %o, %rows : f32[N*S,8]\n"
           "  %n = layer_norm %sum, %scale, %move : f32[N*S,8]\n"
           "  %f1 = matmul %n, %wf : f32[N*S,24]\n"
           "  %e = erf %f1 : f32[N*S,24]\n"
           "  %g = mul %f1, %e : f32[N*S,24]\n"
           "  %f2 = matmul %g, %wg : f32[N*S,8]\n"
           "  %y = add %f2, %n : f32[N*S,8]\n"
           "  return %y\n}\n");
}

/* A recurrent layer over N sequences of S steps, whose loop has a length of the run. */
static void recurrent(Fixture *f)
{
    f->text[0] = '\0';
    put(f, "qir 1\ngraph @layer(symbols N: 1..16, S: 1..64; %x: f32[N,S,8]) {\n");
    put_const(f, "w", "8,8", 64);
    put(f, "  %t = transpose %x {perm: [1,0,2]} : f32[S,N,8]\n"
           "  %h = reduce_max %t {axes: [0], keep: false} : f32[N,8]\n"
           "  %last, %all = scan %h, %t, %w {stacked: 1} : f32[N,8], f32[S,N,8] (%s, %e, %r) {\n"
           "    %p = fc %s, %r : f32[N,8]\n"
           "    %sum = add %e, %p : f32[N,8]\n"
           "    %a = tanh %sum : f32[N,8]\n"
           "    yield %a, %sum\n"
           "  }\n"
           "  %y = transpose %all {perm: [1,0,2]} : f32[N,S,8]\n"
           "  return %y\n}\n");
}

/* ---- the fixture ----------------------------------------------------------------------------- */

static void hear(void *user, const QccDiagnostic *d)
{
    Fixture *f = user;
    if (d->severity == QCC_ERROR) snprintf(f->said, sizeof f->said, "%s", d->message);
}

static void *count_allocations(void *user, void *p, size_t size)
{
    Fixture *f = user;
    pthread_mutex_lock(&f->lock);
    f->allocations += size > 0;
    pthread_mutex_unlock(&f->lock);
    if (size) return realloc(p, size);
    free(p);
    return NULL;
}

static void set_up(Fixture *f)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    snprintf(f->folder, sizeof f->folder, "/tmp/qcc-symbolic-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->folder));
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = hear;
    options.diagnostic_user = f;
    options.realloc = count_allocations;
    options.realloc_user = f;
    options.cache_dir = f->folder;
    ck_assert_int_eq(qcc_context_new(&f->context, &options), QCC_OK);
}

static void tear_down(Fixture *f)
{
    char command[128];
    qcc_context_free(f->context);
    pthread_mutex_destroy(&f->lock);
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    ck_assert_int_eq(system(command), 0);
}

static bool compiles(void)
{
    if (getenv("QCC_LLVM_MODULE")) return true;
    printf("compiled code: skipped, QCC_LLVM_MODULE is not set\n");
    return false;
}

/* A program of the text in f->text. */
static QccProgram *program_of(Fixture *f, bool interpret, bool require_cache)
{
    QccModel *m;
    QccProgram *p = NULL;
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    options.interpret = interpret;
    options.require_cache = require_cache;
    ck_assert_msg(qcc_model_from_memory(&m, f->context, "test", f->text, strlen(f->text)) == QCC_OK,
                  "%s", f->said);
    ck_assert_msg(qcc_program_new(&p, m, &options) == QCC_OK, "%s", f->said);
    qcc_model_free(m);
    return p;
}

static QccSession *session_of(Fixture *f, const QccProgram *p, int threads)
{
    QccSession *s = NULL;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = threads;
    ck_assert_msg(qcc_session_new(&s, p, &options) == QCC_OK, "%s", f->said);
    return s;
}

static int64_t count(const int64_t *shape, int rank)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    return n;
}

/* The same for every program: element i of the input. */
static void fill(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = (float)(i * 73 % 101 - 50) / 32;
}

static QccStatus run(QccSession *s, const float *x, const int64_t *shape, float *y)
{
    QccBuffer in = {.data = (void *)(uintptr_t)x, .dtype = QCC_F32, .shape = shape};
    QccBuffer out = {.data = y, .dtype = QCC_F32};
    return qcc_session_run(s, &in, 1, &out, 1);
}

/* ---- equal bytes ----------------------------------------------------------------------------- */

/* Elements of the whole result of a run of this shape, and its shape as the program says it. */
static int64_t result_count(Fixture *f, const QccProgram *p, const int64_t *shape, int rank)
{
    QccShape in = {.rank = rank}, out;
    memcpy(in.dim, shape, (size_t)rank * sizeof *shape);
    ck_assert_msg(qcc_program_output_shapes(p, &in, 1, &out, 1) == QCC_OK, "%s", f->said);
    return count(out.dim, out.rank);
}

/* The engine against the interpreter, and a batch against its samples one by one. */
static void compare(Fixture *f, const int64_t (*shape)[QCC_MAX_RANK], int n, int rank,
                    bool interpret)
{
    static float x[LARGEST], wanted[LARGEST], y[LARGEST], single[LARGEST];
    QccProgram *reference = program_of(f, true, false), *p = program_of(f, interpret, false);
    QccSession *a = session_of(f, reference, 1), *b = session_of(f, p, 2);
    fill(x, LARGEST);
    for (int i = 0; i < n; i++) {
        int64_t elements = count(shape[i], rank), batch = shape[i][0];
        int64_t results = result_count(f, p, shape[i], rank);
        ck_assert_int_le(elements, LARGEST);
        ck_assert_int_le(results, LARGEST);
        memset(y, 0xa5, sizeof y);
        ck_assert_msg(run(a, x, shape[i], wanted) == QCC_OK, "%s", f->said);
        ck_assert_msg(run(b, x, shape[i], y) == QCC_OK, "%s", f->said);
        ck_assert_mem_eq(y, wanted, (size_t)results * sizeof *y);
        int64_t one[QCC_MAX_RANK];
        memcpy(one, shape[i], sizeof one);
        one[0] = 1;
        for (int64_t k = 0; k < batch; k++) {
            ck_assert_int_eq(run(b, x + k * (elements / batch), one, single), QCC_OK);
            ck_assert_mem_eq(single, wanted + k * (results / batch),
                             (size_t)(results / batch) * sizeof *y);
        }
    }
    qcc_session_free(a);
    qcc_session_free(b);
    qcc_program_free(reference);
    qcc_program_free(p);
}

START_TEST(test_conv)
{
    static const int64_t shape[][QCC_MAX_RANK] = {
        {1, 6, 6, 3}, {3, 6, 6, 3}, {8, 6, 6, 3}, {3, 6, 6, 3}};
    Fixture f;
    set_up(&f);
    conv_net(&f);
    compare(&f, shape, 4, 4, true);
    if (compiles()) compare(&f, shape, 4, 4, false);
    tear_down(&f);
}
END_TEST

START_TEST(test_transformer)
{
    static const int64_t shape[][QCC_MAX_RANK] = {
        {1, 2, 8}, {3, 5, 8}, {8, 5, 8}, {8, 17, 8}, {1, 32, 8}};
    Fixture f;
    set_up(&f);
    transformer(&f);
    compare(&f, shape, 5, 3, true);
    if (compiles()) compare(&f, shape, 5, 3, false);
    tear_down(&f);
}
END_TEST

START_TEST(test_loop)
{
    static const int64_t shape[][QCC_MAX_RANK] = {{1, 2, 8},  {3, 5, 8}, {8, 5, 8},
                                                  {8, 17, 8}, {1, 1, 8}, {2, 64, 8}};
    Fixture f;
    set_up(&f);
    recurrent(&f);
    compare(&f, shape, 6, 3, true);
    if (compiles()) compare(&f, shape, 6, 3, false);
    tear_down(&f);
}
END_TEST

/* What was compiled for a shape is in the cache, and serves the next program. */
START_TEST(test_cache)
{
    static const int64_t batch[] = {1, 3, 8};
    static float x[LARGEST], y[LARGEST];
    if (!compiles()) return;
    Fixture f;
    set_up(&f);
    conv_net(&f);
    for (int again = 0; again < 2; again++) {
        QccProgram *p = program_of(&f, false, again);
        QccSession *s = session_of(&f, p, 1);
        for (int i = 0; i < 3; i++) {
            int64_t shape[] = {batch[i], 6, 6, 3};
            ck_assert_msg(run(s, x, shape, y) == QCC_OK, "%s", f.said);
        }
        int64_t fresh[] = {5, 6, 6, 3};
        if (again) ck_assert_int_eq(run(s, x, fresh, y), QCC_ERROR_UNSUPPORTED);
        int64_t known[] = {3, 6, 6, 3};
        ck_assert_int_eq(run(s, x, known, y), QCC_OK);
        qcc_session_free(s);
        qcc_program_free(p);
    }
    tear_down(&f);
}
END_TEST

static void check_allocations(Fixture *f, const int64_t *one, const int64_t *other, int rank)
{
    static float x[LARGEST], y[LARGEST];
    QccProgram *p = program_of(f, false, false);
    QccSession *s = session_of(f, p, 1);
    QccShape ahead = {.rank = rank};
    memcpy(ahead.dim, one, (size_t)rank * sizeof *one);
    ck_assert_int_eq(qcc_program_prepare(p, &ahead, 1), QCC_OK);
    ck_assert_int_eq(run(s, x, one, y), QCC_OK);
    ck_assert_int_eq(run(s, x, other, y), QCC_OK);
    long before = f->allocations;
    ck_assert_int_eq(run(s, x, NULL, y), QCC_OK);
    ck_assert_int_eq(run(s, x, one, y), QCC_OK);
    ck_assert_int_eq(run(s, x, other, y), QCC_OK);
    ck_assert_int_eq(f->allocations, before);
    qcc_session_free(s);
    qcc_program_free(p);
}

START_TEST(test_no_allocation)
{
    if (!compiles()) return;
    Fixture f;
    set_up(&f);
    conv_net(&f);
    check_allocations(&f, (int64_t[]){3, 6, 6, 3}, (int64_t[]){8, 6, 6, 3}, 4);
    recurrent(&f);
    check_allocations(&f, (int64_t[]){3, 5, 8}, (int64_t[]){2, 40, 8}, 3);
    tear_down(&f);
}
END_TEST

/* ---- what a program says --------------------------------------------------------------------- */

static const char two_inputs[] =
    "qir 1\n"
    "graph @g(symbols N: 2..9, S: 1..4; %a: f32[N,3], %b: f32[N,2*S], %c: f32[N*S]) {\n"
    "  %x = relu %a : f32[N,3]\n"
    "  %y = concat %b, %b {axis: 1} : f32[N,4*S]\n"
    "  %z = neg %c : f32[N*S]\n"
    "  return %x, %y, %z\n}\n";

START_TEST(test_info)
{
    Fixture f;
    set_up(&f);
    strcpy(f.text, two_inputs);
    QccProgram *p = program_of(&f, true, false);
    QccTensorInfo info;
    ck_assert_int_eq(qcc_program_output(p, 1, &info), QCC_OK);
    ck_assert_int_eq(info.shape[0], 2);
    ck_assert_int_eq(info.shape[1], 4);
    ck_assert_int_eq(info.max_shape[0], 9);
    ck_assert_int_eq(info.max_shape[1], 16);
    ck_assert_str_eq(info.symbol[1], "4*S");
    ck_assert_int_eq(qcc_program_input(p, 0, &info), QCC_OK);
    ck_assert_str_eq(info.symbol[0], "N");
    ck_assert_ptr_null(info.symbol[1]);
    QccShape in[3] = {{2, {5, 3}}, {2, {5, 6}}, {1, {15}}}, out[3];
    ck_assert_int_eq(qcc_program_output_shapes(p, in, 3, out, 3), QCC_OK);
    ck_assert_int_eq(out[1].rank, 2);
    ck_assert_int_eq(out[1].dim[0], 5);
    ck_assert_int_eq(out[1].dim[1], 12);
    ck_assert_int_eq(out[2].dim[0], 15);
    qcc_program_free(p);
    tear_down(&f);
}
END_TEST

START_TEST(test_misfits)
{
    static const struct {
        QccShape in[3];
        const char *said;
    } cases[] = {
        {{{2, {1, 3}}, {2, {1, 2}}, {1, {1}}},
         "1 is no extent for dimension 0 of 'a', which is N: N lies in 2..9"},
        {{{2, {10, 3}}, {2, {10, 2}}, {1, {10}}},
         "10 is no extent for dimension 0 of 'a', which is N: N lies in 2..9"},
        {{{2, {-3, 3}}, {2, {2, 2}}, {1, {2}}},
         "-3 is no extent for dimension 0 of 'a', which is N: N lies in 2..9"},
        {{{2, {3, 4}}, {2, {3, 2}}, {1, {3}}},
         "dimension 1 of 'a' is 3 in the model, the shape says 4"},
        {{{2, {3, 3}}, {2, {4, 2}}, {1, {3}}},
         "dimension 0 of 'b' is N, which is 3 by the other dimensions; the shape says 4"},
        {{{2, {3, 3}}, {2, {3, 3}}, {1, {3}}},
         "3 is no extent for dimension 1 of 'b', which is 2*S: S lies in 1..4"},
        {{{2, {3, 3}}, {2, {3, 10}}, {1, {15}}},
         "10 is no extent for dimension 1 of 'b', which is 2*S: S lies in 1..4"},
        {{{2, {3, 3}}, {2, {3, 4}}, {1, {7}}},
         "dimension 0 of 'c' is N*S, which is 6 by the other dimensions; the shape says 7"},
        {{{2, {3, 3}}, {1, {3}}, {1, {7}}}, "'b' has 2 dimensions, the shape has 1"},
    };
    Fixture f;
    set_up(&f);
    strcpy(f.text, two_inputs);
    QccProgram *p = program_of(&f, true, false);
    QccSession *s = session_of(&f, p, 1);
    float x[64] = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(qcc_program_prepare(p, cases[i].in, 3), QCC_ERROR_USAGE);
        ck_assert_str_eq(f.said, cases[i].said);
        if (cases[i].in[1].rank != 2) continue;
        QccBuffer b[6];
        for (int k = 0; k < 6; k++) {
            b[k] = (QccBuffer){.data = x, .dtype = QCC_F32};
            if (k < 3) b[k].shape = cases[i].in[k].dim;
        }
        f.said[0] = '\0';
        ck_assert_int_eq(qcc_session_run(s, b, 3, b + 3, 3), QCC_ERROR_USAGE);
        ck_assert_str_eq(f.said, cases[i].said);
    }
    ck_assert_int_eq(qcc_program_prepare(p, cases[0].in, 2), QCC_ERROR_USAGE);
    qcc_session_free(s);
    qcc_program_free(p);
    tear_down(&f);
}
END_TEST

/* A symbol that stands in a product only is found from the other factor; one that no shape says is
 * least. */
START_TEST(test_products)
{
    Fixture f;
    set_up(&f);
    strcpy(f.text, "qir 1\ngraph @g(symbols N: 1..9, S: 1..9; %c: f32[N*S], %a: f32[N]) {\n"
                   "  %x = relu %c : f32[N*S]\n  %y = relu %a : f32[N]\n  return %x, %y\n}\n");
    QccProgram *p = program_of(&f, true, false);
    QccShape in[2] = {{1, {12}}, {1, {3}}}, out[2];
    ck_assert_int_eq(qcc_program_output_shapes(p, in, 2, out, 2), QCC_OK);
    ck_assert_int_eq(out[0].dim[0], 12);
    in[1].dim[0] = 5;
    ck_assert_int_eq(qcc_program_output_shapes(p, in, 2, out, 2), QCC_ERROR_USAGE);
    ck_assert_str_eq(f.said,
                     "12 is no extent for dimension 0 of 'c', which is N*S: S lies in 1..9");
    qcc_program_free(p);

    strcpy(f.text, "qir 1\ngraph @g(symbols N: 1..9, S: 1..9; %c: f32[N*S]) {\n"
                   "  %x = relu %c : f32[N*S]\n  return %x\n}\n");
    p = program_of(&f, true, false);
    ck_assert_int_eq(qcc_program_output_shapes(p, in, 1, out, 1), QCC_ERROR_USAGE);
    ck_assert_str_eq(f.said, "the shapes give two symbols only as their product");
    qcc_program_free(p);
    tear_down(&f);
}
END_TEST

START_TEST(test_output_shape)
{
    Fixture f;
    set_up(&f);
    conv_net(&f);
    QccProgram *p = program_of(&f, true, false);
    QccSession *s = session_of(&f, p, 1);
    static float x[LARGEST], y[LARGEST];
    int64_t shape[] = {2, 6, 6, 3}, right[] = {2, 5}, wrong[] = {2, 6};
    QccBuffer in = {.data = x, .dtype = QCC_F32, .shape = shape};
    QccBuffer out = {.data = y, .dtype = QCC_F32, .shape = right};
    ck_assert_int_eq(qcc_session_run(s, &in, 1, &out, 1), QCC_OK);
    out.shape = wrong;
    ck_assert_int_eq(qcc_session_run(s, &in, 1, &out, 1), QCC_ERROR_USAGE);
    ck_assert_str_eq(f.said, "dimension 1 of 'y' is 5 in this run, the shape says 6");
    qcc_session_free(s);
    qcc_program_free(p);
    tear_down(&f);
}
END_TEST

/* The symbols of one input are fixed, those of the others stay. */
START_TEST(test_set_shape)
{
    Fixture f;
    set_up(&f);
    strcpy(f.text, two_inputs);
    QccModel *m;
    QccProgram *p;
    QccTensorInfo info;
    int64_t shape[] = {4, 3}, other[] = {5, 2}, last[] = {4, 6};
    ck_assert_int_eq(qcc_model_from_memory(&m, f.context, "test", f.text, strlen(f.text)), QCC_OK);
    ck_assert_int_eq(qcc_model_set_shape(m, "a", shape, 2), QCC_OK);
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    options.interpret = true;
    ck_assert_int_eq(qcc_program_new(&p, m, &options), QCC_OK);
    ck_assert_int_eq(qcc_program_input(p, 2, &info), QCC_OK);
    ck_assert_str_eq(info.symbol[0], "4*S");
    ck_assert_int_eq(info.max_shape[0], 16);
    ck_assert_int_eq(qcc_program_input(p, 1, &info), QCC_OK);
    ck_assert_ptr_null(info.symbol[0]);
    ck_assert_int_eq(info.shape[0], 4);
    qcc_program_free(p);
    ck_assert_int_eq(qcc_model_set_shape(m, "b", other, 2), QCC_ERROR_USAGE);
    ck_assert_str_eq(f.said, "dimension 0 of 'b' is 4 in the model, the shape says 5");
    ck_assert_int_eq(qcc_model_set_shape(m, "b", last, 2), QCC_OK);
    ck_assert_int_eq(qcc_program_new(&p, m, &options), QCC_OK);
    ck_assert_int_eq(qcc_program_input(p, 2, &info), QCC_OK);
    ck_assert_ptr_null(info.symbol[0]);
    ck_assert_int_eq(info.shape[0], 12);
    qcc_program_free(p);
    qcc_model_free(m);
    tear_down(&f);
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------- */

enum { WORKERS = 4, BATCHES = 12, ROUNDS = 3 }; /* more batches than a program keeps instances */

typedef struct Worker {
    const QccProgram *program;
    const float *x;
    float (*wanted)[BATCHES * 5]; /* one a batch */
    int number;
    int wrong;
} Worker;

static void *work(void *user)
{
    Worker *w = user;
    QccSession *s = NULL;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = 1;
    w->wrong = qcc_session_new(&s, w->program, &options) != QCC_OK;
    for (int i = 0; i < ROUNDS * BATCHES && !w->wrong; i++) {
        int batch = (i * (w->number + 1) + w->number) % BATCHES + 1;
        int64_t shape[] = {batch, 6, 6, 3};
        float y[BATCHES * 5];
        w->wrong = run(s, w->x, shape, y) != QCC_OK ||
                   memcmp(y, w->wanted[batch - 1], (size_t)batch * 5 * sizeof *y) != 0;
    }
    qcc_session_free(s);
    return NULL;
}

static void on_threads(bool interpret)
{
    static float x[LARGEST], wanted[BATCHES][BATCHES * 5];
    Fixture f;
    set_up(&f);
    conv_net(&f);
    fill(x, LARGEST);
    QccProgram *reference = program_of(&f, true, false), *p = program_of(&f, interpret, false);
    QccSession *s = session_of(&f, reference, 1);
    for (int batch = 1; batch <= BATCHES; batch++) {
        int64_t shape[] = {batch, 6, 6, 3};
        ck_assert_msg(run(s, x, shape, wanted[batch - 1]) == QCC_OK, "%s", f.said);
    }
    pthread_t thread[WORKERS];
    Worker worker[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        worker[i] = (Worker){.program = p, .x = x, .wanted = wanted, .number = i};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_msg(!worker[i].wrong, "thread %d: %s", i, f.said);
    }
    qcc_session_free(s);
    qcc_program_free(reference);
    qcc_program_free(p);
    tear_down(&f);
}

START_TEST(test_threads)
{
    on_threads(true);
    if (compiles()) on_threads(false);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("symbolic");
    TCase *tc = tcase_create("symbolic");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_conv);
    tcase_add_test(tc, test_transformer);
    tcase_add_test(tc, test_loop);
    tcase_add_test(tc, test_cache);
    tcase_add_test(tc, test_no_allocation);
    tcase_add_test(tc, test_info);
    tcase_add_test(tc, test_misfits);
    tcase_add_test(tc, test_products);
    tcase_add_test(tc, test_output_shape);
    tcase_add_test(tc, test_set_shape);
    tcase_add_test(tc, test_threads);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
