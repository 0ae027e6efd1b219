/* test_npy - arrays that numpy wrote; damaged ones; what is saved reads back. */
#include <stdlib.h>
#include <unistd.h>

#include "frontend/frontend.h"
#include "ir_test.h"

static const char *data_path(Fixture *f, const char *name)
{
    const char *source = getenv("QCC_SOURCE");
    return qcc_sprintf(f->arena, "%s/tests/data/%s", source ? source : ".", name);
}

static const QccBlob *load(Fixture *f, const char *name)
{
    const QccBlob *blob = NULL;
    QccStatus status = qcc_npy_load(&blob, f->ir, f->arena, data_path(f, name));
    ck_assert_msg(status == QCC_OK, "%s: %s", name, f->said);
    return blob;
}

/* make_data.py wrote 0, 1, ..., 23 in the shape [2,3,4]. */
static void check_grid(const QccBlob *b, QccDtype dtype)
{
    ck_assert_int_eq(b->dtype, dtype);
    ck_assert_int_eq(b->rank, 3);
    ck_assert(b->dim[0] == 2 && b->dim[1] == 3 && b->dim[2] == 4);
    for (int i = 0; i < 24; i++) {
        if (dtype == QCC_F32) ck_assert(((const float *)b->data)[i] == (float)i);
        if (dtype == QCC_I64) ck_assert(((const int64_t *)b->data)[i] == i);
    }
}

static void reads(Fixture *f)
{
    check_grid(load(f, "npy/c_order.npy"), QCC_F32);
    check_grid(load(f, "npy/fortran.npy"), QCC_F32);
    check_grid(load(f, "npy/version2.npy"), QCC_I64);
    check_grid(load(f, "npy/version3.npy"), QCC_I64);
    check_grid(load(f, "npy/one.npz"), QCC_F32);
    check_grid(load(f, "npy/one.npz:only"), QCC_F32);
    check_grid(load(f, "npy/two.npz:x"), QCC_F32);
    const QccBlob *scalar = load(f, "npy/scalar.npy");
    ck_assert(scalar->rank == 0 && *(const double *)scalar->data == 2.5);
    const QccBlob *empty = load(f, "npy/empty.npy");
    ck_assert(empty->rank == 2 && empty->dim[0] == 0 && empty->dim[1] == 3 && empty->size == 0);
    const QccBlob *y = load(f, "npy/two.npz:y");
    ck_assert(y->dim[0] == 2 && ((const int64_t *)y->data)[0] == 3);
}

START_TEST(test_reads)
{
    with_ir(reads);
}
END_TEST

static void refuse(Fixture *f, const char *name, const char *why)
{
    const QccBlob *blob;
    f->said[0] = 0;
    ck_assert_int_ne(qcc_npy_load(&blob, f->ir, f->arena, data_path(f, name)), QCC_OK);
    ck_assert_msg(strstr(f->said, why), "%s: %s", name, f->said);
}

static void refuses(Fixture *f)
{
    refuse(f, "npy/big_endian.npy", "is big-endian");
    refuse(f, "npy/objects.npy", "no plain numbers");
    refuse(f, "npy/two.npz", "say which as FILE:NAME: x.npy, y.npy");
    refuse(f, "npy/two.npz:z", "has no array 'z'");
    refuse(f, "npy/absent.npy", "cannot be opened");
    refuse(f, "npy/c_order.npy:x", "is no .npz file");
    refuse(f, "images.yaml", "is no .npy file");
}

START_TEST(test_refuses)
{
    with_ir(refuses);
}
END_TEST

static void truncated(Fixture *f)
{
    static const char *const names[] = {"npy/c_order.npy", "npy/one.npz", "npy/version3.npy"};
    for (int i = 0; i < 3; i++) {
        const void *bytes;
        int64_t size;
        QccStatus status =
            qcc_map_file(f->arena, &f->ir->diags, data_path(f, names[i]), &bytes, &size);
        ck_assert_int_eq(status, QCC_OK);
        for (int64_t n = 0; n < size; n++) {
            /* A block of its own, so that reading past the end is seen. */
            QccArena *arena = qcc_arena_sub(f->arena);
            char *part = malloc(n ? (size_t)n : 1);
            memcpy(part, bytes, (size_t)n);
            const QccBlob *blob;
            char name[] = "/tmp/qcc-test-npy-XXXXXX";
            int fd = mkstemp(name);
            ck_assert(fd >= 0 && write(fd, part, (size_t)n) == n);
            close(fd);
            f->said[0] = 0;
            ck_assert_int_eq(qcc_npy_load(&blob, f->ir, arena, name), QCC_ERROR_INPUT);
            ck_assert_msg(strstr(f->said, name), "%s", f->said);
            unlink(name);
            free(part);
            qcc_arena_free(arena);
        }
    }
}

START_TEST(test_truncated)
{
    with_ir(truncated);
}
END_TEST

/* A header that asks for more than there is. */
static void overflowing(Fixture *f)
{
    static const char *const shapes[] = {
        "(4611686018427387904, 8)",    "(99999999999999999999,)",      "(-1,)",
        "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "(0, 4611686018427387904, 64)", "(3"};
    for (int i = 0; i < 6; i++) {
        char text[256] = "\x93NUMPY\x01\x00\x76\x00";
        memset(text + 10, ' ', 0x76);
        int n = snprintf(text + 10, 118, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
                         shapes[i]);
        text[10 + n] = ' ';
        const QccBlob *blob;
        ck_assert_int_eq(qcc_npy_parse(&blob, f->ir, f->arena, "x.npy", text, 128),
                         QCC_ERROR_INPUT);
    }
}

START_TEST(test_overflowing)
{
    with_ir(overflowing);
}
END_TEST

static void saves(Fixture *f)
{
    static const QccDtype dtypes[] = {QCC_F32, QCC_F16, QCC_F64, QCC_I8,  QCC_U8,  QCC_I16,
                                      QCC_U16, QCC_I32, QCC_U32, QCC_I64, QCC_BOOL};
    char name[] = "/tmp/qcc-test-npy-XXXXXX";
    int fd = mkstemp(name);
    ck_assert(fd >= 0);
    close(fd);
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        const QccType *type = qcc_type_shape(f->ir, dtypes[i], 2, (int64_t[]){3, 2});
        QccTensor t = qcc_tensor_new(f->arena, type);
        for (int64_t k = 0; k < qcc_type_bytes(type); k++) {
            ((uint8_t *)t.data)[k] = dtypes[i] == QCC_BOOL ? k & 1 : (uint8_t)(k * 37);
        }
        ck_assert_int_eq(qcc_npy_save(f->ir, name, &t), QCC_OK);
        const QccBlob *b;
        QccArena *arena = qcc_arena_sub(f->arena);
        ck_assert_int_eq(qcc_npy_load(&b, f->ir, arena, name), QCC_OK);
        ck_assert(b->dtype == dtypes[i] && b->rank == 2 && b->dim[0] == 3 && b->dim[1] == 2);
        ck_assert_mem_eq(b->data, t.data, (size_t)b->size);
        qcc_arena_free(arena);
    }
    /* The bytes are those of numpy. */
    const QccBlob *grid = load(f, "npy/c_order.npy");
    QccTensor t = qcc_tensor_view(qcc_type_shape(f->ir, QCC_F32, 3, grid->dim), grid->data);
    ck_assert_int_eq(qcc_npy_save(f->ir, name, &t), QCC_OK);
    const void *a, *b;
    int64_t na, nb;
    qcc_map_file(f->arena, &f->ir->diags, name, &a, &na);
    qcc_map_file(f->arena, &f->ir->diags, data_path(f, "npy/c_order.npy"), &b, &nb);
    ck_assert_int_eq(na, nb);
    ck_assert_mem_eq(a, b, (size_t)na);
    unlink(name);
    ck_assert_int_eq(qcc_npy_save(f->ir, "/nowhere/x.npy", &t), QCC_ERROR_IO);
}

START_TEST(test_saves)
{
    with_ir(saves);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *tc = tcase_create("npy");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_reads);
    tcase_add_test(tc, test_refuses);
    tcase_add_test(tc, test_truncated);
    tcase_add_test(tc, test_overflowing);
    tcase_add_test(tc, test_saves);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
