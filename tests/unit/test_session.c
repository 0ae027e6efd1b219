/* test_session - the borders of a program: strides, converted element types, what is refused. All
 * by the interpreter, and compiled where that is possible. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qcc.h"

/* q = round(x / 0.5) + 10 in 0..255 */
static const float reals[] = {0, 1, -5, 1000}, rounded[] = {0, 1, -5, 122.5f};
static const uint8_t stored[] = {10, 12, 0, 255};

typedef struct Fixture {
    QccContext *context;
    QccProgram *program;
    QccSession *session;
    char said[512]; /* the last error */
} Fixture;

static void hear(void *user, const QccDiagnostic *d)
{
    Fixture *f = user;
    if (d->severity == QCC_ERROR) snprintf(f->said, sizeof f->said, "%s", d->message);
}

static bool compiles(void)
{
    return getenv("QCC_LLVM_MODULE") != NULL;
}

/* A graph of one op: %x of this type becomes the result. */
static void open_program(Fixture *f, bool interpret, const char *type, const char *op)
{
    char text[512];
    QccModel *model;
    QccContextOptions context = QCC_INIT(QccContextOptions);
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    *f = (Fixture){0};
    context.diagnostic = hear;
    context.diagnostic_user = f;
    context.no_cache = true;
    options.interpret = interpret;
    int n = snprintf(text, sizeof text, "qir 1\ngraph @g(%%x: %s) {\n  %%y = %s\n  return %%y\n}\n",
                     type, op);
    ck_assert_int_eq(qcc_context_new(&f->context, &context), QCC_OK);
    ck_assert_msg(!qcc_model_from_memory(&model, f->context, "t.qir", text, (size_t)n), "%s",
                  f->said);
    ck_assert_msg(!qcc_program_new(&f->program, model, &options), "%s", f->said);
    qcc_model_free(model);
    ck_assert_int_eq(qcc_session_new(&f->session, f->program, NULL), QCC_OK);
}

static void close_program(Fixture *f)
{
    qcc_session_free(f->session);
    qcc_program_free(f->program);
    qcc_context_free(f->context);
}

static QccStatus run(Fixture *f, QccBuffer in, QccBuffer out)
{
    f->said[0] = '\0';
    return qcc_session_run(f->session, &in, 1, &out, 1);
}

/* A matrix that lies transposed, into one whose rows are five elements apart. */
static void check_strides(bool interpret)
{
    Fixture f;
    open_program(&f, interpret, "f32[2,3]", "neg %x : f32[2,3]");
    float x[6] = {1, 4, 2, 5, 3, 6}, y[10] = {0};
    const float want[10] = {-1, -2, -3, 0, 0, -4, -5, -6, 0, 0};
    const int64_t columns[] = {4, 8}, rows[] = {20, 4};
    const QccBuffer in = {.data = x, .dtype = QCC_F32, .strides = columns};
    const QccBuffer out = {.data = y, .dtype = QCC_F32, .strides = rows};
    ck_assert_msg(!run(&f, in, out), "%s", f.said);
    ck_assert_mem_eq(y, want, sizeof y);
    close_program(&f);
}

static void check_quantized_input(bool interpret)
{
    Fixture f;
    open_program(&f, interpret, "u8[4] q(0.5: 10)", "dequantize %x : f32[4]");
    float y[4];
    const int64_t dense[] = {4}, bytes[] = {1};
    const QccBuffer out = {.data = y, .dtype = QCC_F32};
    ck_assert_int_eq(run(&f, (QccBuffer){.data = (void *)reals, .dtype = QCC_F32}, out), QCC_OK);
    ck_assert_mem_eq(y, rounded, sizeof y);
    memset(y, 0, sizeof y);
    QccBuffer in = {.data = (void *)stored, .dtype = QCC_U8, .strides = bytes};
    ck_assert_int_eq(run(&f, in, out), QCC_OK);
    ck_assert_mem_eq(y, rounded, sizeof y);
    in = (QccBuffer){.data = (void *)reals, .dtype = QCC_F32, .strides = dense};
    ck_assert_int_eq(run(&f, in, out), QCC_ERROR_USAGE);
    ck_assert_str_eq(f.said,
                     "'x' is u8 in the program and f32 in the buffer, which takes no strides");
    in = (QccBuffer){.data = (void *)stored, .dtype = QCC_I8};
    ck_assert_int_eq(run(&f, in, out), QCC_ERROR_USAGE);
    ck_assert_str_eq(f.said, "'x' is u8 in the program, the buffer is i8");
    close_program(&f);
}

static void check_quantized_output(bool interpret)
{
    Fixture f;
    open_program(&f, interpret, "f32[4]", "quantize %x : u8[4] q(0.5: 10)");
    float y[4];
    uint8_t q[4];
    const QccBuffer real = {.data = (void *)reals, .dtype = QCC_F32};
    const QccBuffer byte = {.data = (void *)stored, .dtype = QCC_U8};
    ck_assert_int_eq(run(&f, real, (QccBuffer){.data = q, .dtype = QCC_U8}), QCC_OK);
    ck_assert_mem_eq(q, stored, sizeof q);
    ck_assert_int_eq(run(&f, real, (QccBuffer){.data = y, .dtype = QCC_F32}), QCC_OK);
    ck_assert_mem_eq(y, rounded, sizeof y);
    memset(q, 0, sizeof q);
    ck_assert_int_eq(run(&f, byte, (QccBuffer){.data = q, .dtype = QCC_U8}), QCC_OK);
    ck_assert_mem_eq(q, stored, sizeof q);
    close_program(&f);
}

/* Two elements a byte: as they are, or not at all. */
static void check_packed(bool interpret)
{
    Fixture f;
    open_program(&f, interpret, "u4[4]", "cast %x {to: f32} : f32[4]");
    uint8_t x[2] = {0x21, 0xf3};
    float y[4];
    const float want[4] = {1, 2, 3, 15};
    const int64_t stride = 1;
    const QccBuffer out = {.data = y, .dtype = QCC_F32};
    ck_assert_msg(!run(&f, (QccBuffer){.data = x, .dtype = QCC_U4}, out), "%s", f.said);
    ck_assert_mem_eq(y, want, sizeof y);
    const QccBuffer strided = {.data = x, .dtype = QCC_U4, .strides = &stride};
    ck_assert_int_eq(run(&f, strided, out), QCC_ERROR_USAGE);
    ck_assert_ptr_nonnull(strstr(f.said, "takes no strides"));
    close_program(&f);
}

static void check_refused(bool interpret)
{
    Fixture f;
    open_program(&f, interpret, "f32[4]", "neg %x : f32[4]");
    float x[4] = {0}, y[4];
    const QccBuffer in = {.data = x, .dtype = QCC_F32}, out = {.data = y, .dtype = QCC_F32};
    ck_assert_int_eq(run(&f, (QccBuffer){.dtype = QCC_F32}, out), QCC_ERROR_USAGE);
    ck_assert_int_eq(run(&f, in, (QccBuffer){.dtype = QCC_F32}), QCC_ERROR_USAGE);
    ck_assert_int_eq(run(&f, (QccBuffer){.data = x, .dtype = QCC_U8}, out), QCC_ERROR_USAGE);
    ck_assert_int_eq(run(&f, (QccBuffer){.data = x, .dtype = (QccDtype)99}, out), QCC_ERROR_USAGE);
    ck_assert_int_eq(qcc_session_run(f.session, NULL, 0, &out, 1), QCC_ERROR_USAGE);
    ck_assert_int_eq(qcc_session_run(f.session, &in, 1, NULL, 0), QCC_ERROR_USAGE);
    ck_assert_int_eq(run(&f, in, out), QCC_OK);
    close_program(&f);
}

/* One check by both engines. */
#define BORDER_TEST(name, check)                                                                   \
    START_TEST(name)                                                                               \
    {                                                                                              \
        check(true);                                                                               \
        if (compiles()) check(false);                                                              \
    }                                                                                              \
    END_TEST

BORDER_TEST(test_strides, check_strides)
BORDER_TEST(test_quantized_input, check_quantized_input)
BORDER_TEST(test_quantized_output, check_quantized_output)
BORDER_TEST(test_packed, check_packed)
BORDER_TEST(test_refused, check_refused)

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("session");
    if (!compiles()) printf("test_session: compiled code: skipped, there is no LLVM module\n");
    tcase_add_test(tc, test_strides);
    tcase_add_test(tc, test_quantized_input);
    tcase_add_test(tc, test_quantized_output);
    tcase_add_test(tc, test_packed);
    tcase_add_test(tc, test_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
