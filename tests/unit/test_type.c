/* test_type - element types, interning, quantization, blobs, tensors. */
#include "ir/tensor.h"
#include "tests/unit/ir_test.h"

/* Bits and ranges as C has them. */
START_TEST(test_dtypes)
{
    static const struct {
        const char *name;
        int bits;
        int64_t lo, hi;
    } want[] = {
        {"f32", 32, 0, 0},
        {"f16", 16, 0, 0},
        {"bf16", 16, 0, 0},
        {"f64", 64, 0, 0},
        {"i4", 4, -8, 7},
        {"u4", 4, 0, 15},
        {"i8", 8, -128, 127},
        {"u8", 8, 0, 255},
        {"i16", 16, -32768, 32767},
        {"u16", 16, 0, 65535},
        {"i32", 32, -2147483648, 2147483647},
        {"u32", 32, 0, 4294967295},
        {"i64", 64, INT64_MIN, INT64_MAX},
        {"bool", 8, 0, 1},
        {"u64", 64, 0, INT64_MAX},
        {"f8e4m3fn", 8, 0, 0},
        {"f8e4m3fnuz", 8, 0, 0},
        {"f8e5m2", 8, 0, 0},
        {"f8e5m2fnuz", 8, 0, 0},
        {"f4e2m1", 4, 0, 0},
    };
    ck_assert_int_eq(sizeof want / sizeof *want, QCC_DTYPE_COUNT);
    for (int i = 0; i < QCC_DTYPE_COUNT; i++) {
        QccDtype dtype;
        int64_t lo, hi;
        ck_assert(qcc_dtype_parse(&dtype, want[i].name, (int64_t)strlen(want[i].name)));
        ck_assert_int_eq((int)dtype, i);
        ck_assert_str_eq(qcc_dtype_name(dtype), want[i].name);
        ck_assert_int_eq(qcc_dtype_bits(dtype), want[i].bits);
        qcc_dtype_range(dtype, &lo, &hi);
        ck_assert(lo == want[i].lo && hi == want[i].hi);
    }
    QccDtype dtype;
    ck_assert(!qcc_dtype_parse(&dtype, "f3", 2));
    ck_assert(!qcc_dtype_parse(&dtype, "f322", 4));
    ck_assert_ptr_null(qcc_dtype_name((QccDtype)99));
    ck_assert_int_eq(qcc_dtype_size(QCC_I4, 5), 3);
    ck_assert_int_eq(qcc_dtype_size(QCC_F64, 5), 40);
}
END_TEST

static void interning(Fixture *f)
{
    int64_t dim[] = {1, 4};
    const QccType *a = qcc_type_shape(f->ir, QCC_F32, 2, dim);
    ck_assert_ptr_eq(a, qcc_type_shape(f->ir, QCC_F32, 2, dim));
    ck_assert_ptr_ne(a, qcc_type_shape(f->ir, QCC_F64, 2, dim));
    ck_assert_ptr_ne(a, qcc_type_shape(f->ir, QCC_F32, 1, dim));
    const QccQuant *q = qcc_quant_tensor(f->ir, QCC_U8, 0.5f, 3);
    ck_assert_ptr_eq(q, qcc_quant_tensor(f->ir, QCC_U8, 0.5f, 3));
    ck_assert_ptr_ne(q, qcc_quant_tensor(f->ir, QCC_U8, 0.5f, 4));
    const QccType *b = qcc_type_quantized(f->ir, a, QCC_U8, q);
    ck_assert_ptr_eq(b, qcc_type_quantized(f->ir, a, QCC_U8, q));
    ck_assert_ptr_eq(qcc_type_real(f->ir, b), a);
    ck_assert_ptr_eq(qcc_type_real(f->ir, a), a);

    /* a scale per channel, given twice from different memory */
    float s1[] = {1, 2, 4, 8}, s2[] = {1, 2, 4, 8};
    q = qcc_quant_axis(f->ir, QCC_I8, 2, 1, 4, s1, NULL, -127, 127);
    ck_assert_ptr_eq(q, qcc_quant_axis(f->ir, QCC_I8, 2, 1, 4, s2, NULL, -127, 127));
    s2[3] = 9;
    ck_assert_ptr_ne(q, qcc_quant_axis(f->ir, QCC_I8, 2, 1, 4, s2, NULL, -127, 127));
    ck_assert(!qcc_quant_is_tensor(q, NULL, NULL));

    /* symbols are equal by name and bounds, in any order */
    const QccSymbol *n = qcc_symbol(f->ir, "N", 1, 8), *m = qcc_symbol(f->ir, "M", 1, 8);
    ck_assert_ptr_eq(n, qcc_symbol(f->ir, "N", 1, 8));
    QccDim nm = {.n = 2, .sym = {n, m}}, mn = {.n = 2, .sym = {m, n}};
    ck_assert(qcc_dim_equal(&nm, &mn));
    const QccType *t = qcc_type(f->ir, QCC_F32, 1, &nm, NULL);
    ck_assert_ptr_eq(t, qcc_type(f->ir, QCC_F32, 1, &mn, NULL));
    ck_assert_int_eq(qcc_type_count(t), -1);
    ck_assert(!qcc_type_extents(t, dim));
}

START_TEST(test_interning)
{
    with_ir(interning);
}
END_TEST

static void many(Fixture *f)
{
    const QccType *t[2000];
    for (int64_t i = 0; i < 2000; i++) t[i] = qcc_type_shape(f->ir, QCC_I8, 1, &i);
    for (int64_t i = 0; i < 2000; i++) ck_assert_ptr_eq(t[i], qcc_type_shape(f->ir, QCC_I8, 1, &i));
}

START_TEST(test_many)
{
    with_ir(many);
}
END_TEST

/* 2 x 6, groups of 3 along dimension 1: element (r, c) belongs to entry 2 r + c / 3. */
static void blocks(Fixture *f)
{
    QccQuant q = {.block = {1, 3}, .qmin = -8, .qmax = 7};
    int64_t dim[] = {2, 6}, n = 4;
    float scale[] = {1, 2, 4, 8};
    int32_t zero[] = {0, 1, 0, -1};
    q.scale = qcc_blob(f->arena, QCC_F32, 1, &n, scale, false);
    q.zero = qcc_blob(f->arena, QCC_I32, 1, &n, zero, false);
    ck_assert_int_eq(qcc_quant_count(&q, 2, dim), 4);
    for (int64_t r = 0; r < 2; r++) {
        for (int64_t c = 0; c < 6; c++) {
            int64_t index[] = {r, c};
            ck_assert_int_eq(qcc_quant_index(&q, 2, dim, index), 2 * r + c / 3);
        }
    }
    QccDim d[] = {qcc_dim(2), qcc_dim(6)};
    ck_assert(qcc_quant_fits(&q, 2, d));
    const QccType *type = qcc_type(f->ir, QCC_I4, 2, d, &q);
    ck_assert_int_eq(qcc_type_check(f->ir, (QccLoc){0}, type), QCC_OK);
    /* -8 .. 3, low nibble first */
    uint8_t data[] = {0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32};
    QccTensor t = qcc_tensor_view(type, data);
    static const double want[] = {-8, -7, -6, -12, -10, -8, -8, -4, 0, 16, 24, 32};
    float f32[12];
    qcc_tensor_to_f32(f32, &t);
    for (int i = 0; i < 12; i++) {
        ck_assert(qcc_tensor_real(&t, i) == want[i]);
        ck_assert((double)f32[i] == want[i]);
    }
    d[1] = qcc_dim(7);
    ck_assert(!qcc_quant_fits(&q, 2, d));
    d[1] = qcc_dim(3);
    ck_assert(!qcc_quant_fits(&q, 2, d));
    ck_assert(!qcc_quant_fits(&q, 1, d));
}

START_TEST(test_blocks)
{
    with_ir(blocks);
}
END_TEST

static bool is_valid(Fixture *f, QccDtype dtype, const QccQuant *q)
{
    QccDim d = qcc_dim(4);
    return qcc_type_check(f->ir, (QccLoc){0}, qcc_type(f->ir, dtype, 1, &d, q)) == QCC_OK;
}

static void validity(Fixture *f)
{
    static const struct {
        float scale;
        int32_t zero, qmin, qmax;
        bool valid;
    } row[] = {
        {1, 0, -128, 127, true},        {0x1p-60f, 0, -128, 127, true},
        {0x1p60f, 0, -128, 127, true},  {0x1p-61f, 0, -128, 127, false},
        {0x1p61f, 0, -128, 127, false}, {0, 0, -128, 127, false},
        {-1, 0, -128, 127, false},      {1, 128, -128, 127, false},
        {1, -128, -128, 127, true},     {1, -128, -127, 127, false},
        {1, 0, -129, 127, false},       {1, 0, 5, 5, false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        int64_t one = 1;
        QccQuant q = {.qmin = row[i].qmin, .qmax = row[i].qmax};
        q.scale = qcc_blob(f->arena, QCC_F32, 1, &one, &row[i].scale, true);
        q.zero = qcc_blob(f->arena, QCC_I32, 1, &one, &row[i].zero, true);
        ck_assert_msg(is_valid(f, QCC_I8, &q) == row[i].valid, "row %zu", i);
    }
    const QccQuant *q = qcc_quant_tensor(f->ir, QCC_I8, 1, 0);
    ck_assert(is_valid(f, QCC_I32, q));
    ck_assert(!is_valid(f, QCC_F32, q));
    ck_assert(!is_valid(f, QCC_I64, q));
    ck_assert(!is_valid(f, QCC_U8, q)); /* -128..127 is no range of it */
}

START_TEST(test_validity)
{
    with_ir(validity);
}
END_TEST

static void overflow(Fixture *f)
{
    const QccSymbol *n = qcc_symbol(f->ir, "N", 1, (int64_t)1 << 40);
    QccDim d[3] = {{.n = 1 << 10}, {.n = 1, .sym = {n}}, {.n = 2}};
    ck_assert_int_ne(qcc_type_check(f->ir, (QccLoc){0}, qcc_type(f->ir, QCC_F32, 3, d, NULL)),
                     QCC_OK);
    d[1].sym[0] = qcc_symbol(f->ir, "N", 1, 1 << 20);
    ck_assert_int_eq(qcc_type_check(f->ir, (QccLoc){0}, qcc_type(f->ir, QCC_F32, 3, d, NULL)),
                     QCC_OK);
    /* an extent of 0 does not make the others harmless */
    int64_t e[] = {0, INT64_MAX / 2, 5};
    const QccType *t = qcc_type_shape(f->ir, QCC_F32, 3, e);
    ck_assert_int_ne(qcc_type_check(f->ir, (QccLoc){0}, t), QCC_OK);
    ck_assert_int_eq(qcc_type_count(t), 0);
}

START_TEST(test_overflow)
{
    with_ir(overflow);
}
END_TEST

static const char *text_of(Fixture *f, const QccType *t)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_type_print(&buf, t);
    return buf.data;
}

static void printing(Fixture *f)
{
    int64_t dim[] = {1, 56, 64};
    const QccType *t = qcc_type_shape(f->ir, QCC_F32, 3, dim);
    ck_assert_str_eq(text_of(f, t), "f32[1,56,64]");
    ck_assert_str_eq(text_of(f, qcc_type_shape(f->ir, QCC_BOOL, 0, dim)), "bool[]");
    const QccQuant *q = qcc_quant_tensor(f->ir, QCC_U8, 0.0311f, 61);
    ck_assert_str_eq(text_of(f, qcc_type_quantized(f->ir, t, QCC_U8, q)),
                     "u8[1,56,64] q(0.0311: 61)");
    float scale[] = {0.5f};
    q = qcc_quant_axis(f->ir, QCC_I8, 3, 0, 1, scale, NULL, -127, 127);
    ck_assert_str_eq(text_of(f, qcc_type_quantized(f->ir, t, QCC_I8, q)),
                     "i8[1,56,64] q(block 1x0x0: [0.5], 0 in -127..127)");
    QccDim d[] = {{.n = 2, .sym = {qcc_symbol(f->ir, "N", 1, 8), qcc_symbol(f->ir, "a b", 1, 2)}}};
    QccQuant dynamic = {.kind = QCC_QUANT_DYNAMIC, .qmin = 0, .qmax = 255};
    ck_assert_str_eq(text_of(f, qcc_type(f->ir, QCC_U8, 1, d, &dynamic)),
                     "u8[2*N*\"a b\"] q(dynamic)");
}

START_TEST(test_printing)
{
    with_ir(printing);
}
END_TEST

/* XXH3-64 of nothing, from the xxHash specification's test vectors (seed 0). */
static void hashes(Fixture *f)
{
    int64_t none = 0, three = 3;
    ck_assert_uint_eq(qcc_blob(f->arena, QCC_U8, 1, &none, NULL, true)->hash, 0x2d06800538d394c2u);
    uint8_t a[] = {1, 2, 3}, b[] = {1, 2, 4};
    const QccBlob *x = qcc_blob(f->arena, QCC_U8, 1, &three, a, true);
    ck_assert_uint_ne(x->hash, qcc_blob(f->arena, QCC_U8, 1, &three, b, true)->hash);
    a[0] = 9;
    ck_assert_int_eq(*(const uint8_t *)x->data, 1); /* it was copied */
    ck_assert_int_eq(x->size, 3);
}

START_TEST(test_hashes)
{
    with_ir(hashes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("type");
    TCase *tc = tcase_create("type");
    tcase_add_test(tc, test_dtypes);
    tcase_add_test(tc, test_interning);
    tcase_add_test(tc, test_many);
    tcase_add_test(tc, test_blocks);
    tcase_add_test(tc, test_validity);
    tcase_add_test(tc, test_overflow);
    tcase_add_test(tc, test_printing);
    tcase_add_test(tc, test_hashes);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
