/* test_base - arenas, strings, numbers as text, option tables, diagnostics, random numbers. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "ir/base/base64.h"
#include "ir/base/field.h"
#include "ir/base/random.h"
#include "ir/base/table.h"
#include "tests/unit/ir_test.h"

/* ---- arenas --------------------------------------------------------------------------------- */

static void aligned(Fixture *f)
{
    for (size_t size = 0; size < 300000; size = size * 3 + 1) {
        unsigned char *p = qcc_alloc(f->arena, size);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % (size >= 4096 ? 64 : 16), 0);
        for (size_t i = 0; i < size; i++) ck_assert_uint_eq(p[i], 0);
        memset(p, 0xaa, size);
    }
    ck_assert_uint_eq((uintptr_t)qcc_alloc_aligned(f->arena, 5, 4096) % 4096, 0);
}

START_TEST(test_aligned)
{
    with_ir(aligned);
}
END_TEST

static void grow(Fixture *f)
{
    int64_t *v = NULL, cap = 0;
    for (int64_t i = 0; i < 50000; i++) {
        v = qcc_grow(f->arena, v, i, &cap, sizeof *v);
        v[i] = i * i;
    }
    for (int64_t i = 0; i < 50000; i++) ck_assert_int_eq(v[i], i * i);
    /* what was outgrown has been given back: not much more than the array is held */
    ck_assert_uint_lt(qcc_arena_size(f->arena), 3 * 65536 * sizeof *v);
}

START_TEST(test_grow)
{
    with_ir(grow);
}
END_TEST

static void put_letter(void *user)
{
    char **at = user;
    *(*at)++ = "abc"[0];
}

typedef struct Order {
    char *at;
    char text[8];
    char letter;
} Order;

static void first(void *user)
{
    Order *o = user;
    *o->at++ = '1';
}

static void second(void *user)
{
    Order *o = user;
    *o->at++ = '2';
}

static void deferred(Fixture *f)
{
    Order o = {.at = o.text};
    QccArena *arena = qcc_arena_sub(f->arena), *inner = qcc_arena_sub(arena);
    qcc_arena_defer(arena, first, &o);
    qcc_arena_defer(inner, second, &o);
    qcc_arena_free(arena); /* the inner one goes first, with its parent */
    ck_assert_str_eq(o.text, "21");
    char text[4] = "", *at = text;
    qcc_arena_defer(qcc_arena_sub(f->arena), put_letter, &at);
    ck_assert_str_eq(text, "");
    qcc_arena_free(f->arena);
    ck_assert_str_eq(text, "a");
    f->arena = NULL;
}

START_TEST(test_deferred)
{
    with_ir(deferred);
}
END_TEST

static void *never(void *user, void *p, size_t size)
{
    (void)user;
    (void)p;
    (void)size;
    return NULL;
}

static void ask_too_much(void *user)
{
    QccArena *arena = user;
    qcc_alloc_array(arena, INT64_MAX / 2, 16);
    ck_abort_msg("came back");
}

typedef struct Unlucky {
    QccMem *mem;
    QccArena *arena;
    int closed;
} Unlucky;

static void closed(void *user)
{
    ((Unlucky *)user)->closed++;
}

static void defer_without_memory(void *user)
{
    Unlucky *u = user;
    for (;;) qcc_arena_defer(u->arena, closed, u);
}

static void *few(void *user, void *p, size_t size)
{
    int *left = user;
    if (!size) {
        free(p);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(p, size) : NULL;
}

START_TEST(test_unwinding)
{
    QccMem mem = {0};
    QccArena *arena = qcc_arena_new(&mem);
    ck_assert(!qcc_mem_protect(&mem, ask_too_much, arena));
    ck_assert_ptr_null(mem.edge);
    qcc_arena_free(arena);

    QccMem none = {.realloc = never};
    ck_assert_ptr_null(qcc_arena_new(&none));

    /* what could not be deferred is closed at once: nothing leaks, nothing is closed twice */
    int left = 4;
    QccMem tight = {.realloc = few, .user = &left};
    Unlucky u = {.mem = &tight, .arena = qcc_arena_new(&tight)};
    ck_assert(!qcc_mem_protect(&tight, defer_without_memory, &u));
    ck_assert_int_eq(u.closed, 1);
    qcc_arena_free(u.arena);
    ck_assert_int_gt(u.closed, 1);
}
END_TEST

START_TEST(test_checked)
{
    int64_t x = -7;
    ck_assert(qcc_mul_i64(&x, 3037000499, 3037000499) && x == 9223372030926249001);
    ck_assert(!qcc_mul_i64(&x, 3037000500, 3037000500));
    ck_assert(!qcc_mul_i64(&x, -1, 1) && !qcc_mul_i64(&x, 1, -1));
    ck_assert(qcc_mul_i64(&x, 0, INT64_MAX) && x == 0);
    ck_assert(qcc_add_i64(&x, INT64_MAX, 0) && x == INT64_MAX);
    ck_assert(!qcc_add_i64(&x, INT64_MAX, 1) && !qcc_add_i64(&x, -1, 5));
}
END_TEST

/* ---- numbers as text ------------------------------------------------------------------------ */

/* Worked out with numpy: str(numpy.float32(x)) gives the shortest digits. */
static const struct {
    uint32_t bits;
    const char *text;
} shortest[] = {
    {0x3dcccccd, "0.1"},       {0x40490fdb, "3.1415927"},     {0x7f7fffff, "3.4028235e+38"},
    {0x00000001, "1e-45"},     {0x00800000, "1.1754944e-38"}, {0x80000000, "-0"},
    {0x3f800001, "1.0000001"}, {0x4b800000, "16777216"},      {0x7f800000, "inf"},
    {0xff800000, "-inf"},      {0x7fc00000, "nan"},           {0x3cfe9dc4, "0.031081088"},
};

static void check_shortest(Fixture *f)
{
    for (size_t i = 0; i < sizeof shortest / sizeof *shortest; i++) {
        float x, back;
        memcpy(&x, &shortest[i].bits, sizeof x);
        QccBuf buf;
        qcc_buf_init(&buf, f->arena);
        qcc_buf_f32(&buf, x);
        double as_double = strtod(buf.data, NULL);
        if (strcmp(buf.data, shortest[i].text) != 0) {
            /* %g may write the same digits with or without an exponent */
            ck_assert_msg(as_double == strtod(shortest[i].text, NULL) &&
                              strlen(buf.data) <= strlen(shortest[i].text),
                          "%s, not %s", buf.data, shortest[i].text);
        }
        ck_assert_ptr_eq(qcc_read_f32(&back, buf.data, buf.data + buf.len), buf.data + buf.len);
        if (!isnan(x)) ck_assert(!memcmp(&x, &back, sizeof x));
    }
}

START_TEST(test_shortest)
{
    with_ir(check_shortest);
}
END_TEST

static void any_float(Fixture *f)
{
    QccRandom r;
    qcc_random_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = qcc_random_u32(&r), back_bits;
        float x, back;
        memcpy(&x, &bits, sizeof x);
        if (isnan(x)) continue;
        QccBuf buf;
        QccArena *arena = qcc_arena_sub(f->arena);
        qcc_buf_init(&buf, arena);
        qcc_buf_f32(&buf, x);
        ck_assert(qcc_read_f32(&back, buf.data, buf.data + buf.len) == buf.data + buf.len);
        memcpy(&back_bits, &back, sizeof back);
        ck_assert_msg(bits == back_bits, "%08x became %s", bits, buf.data);
        qcc_arena_free(arena);
    }
}

START_TEST(test_any_float)
{
    with_ir(any_float);
}
END_TEST

static void other_locale(Fixture *f)
{
    static const char *const comma[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    bool found = false;
    for (int i = 0; i < 4 && !found; i++) found = setlocale(LC_NUMERIC, comma[i]) != NULL;
    if (!found) {
        printf("no locale with a decimal comma is installed: the test under one is skipped\n");
        return;
    }
    check_shortest(f);
    setlocale(LC_NUMERIC, "C");
}

START_TEST(test_locale)
{
    with_ir(other_locale);
}
END_TEST

START_TEST(test_read_numbers)
{
    float x;
    double y;
    int64_t i;
    const char *s = "0x1.8p3,";
    ck_assert_ptr_eq(qcc_read_f32(&x, s, s + 8), s + 7);
    ck_assert(x == 12);
    s = "1.5e3..";
    ck_assert_ptr_eq(qcc_read_f64(&y, s, s + 5), s + 5);
    ck_assert(y == 1500);
    /* f32 is rounded once: by way of f64 this would be 1 */
    s = "1.00000005960464477540";
    ck_assert(qcc_read_f32(&x, s, s + 22) && x == 0x1.000002p0f);
    ck_assert_ptr_null(qcc_read_f32(&x, "1e39", "1e39" + 4));
    static const char bad[][8] = {"", "-", ".", "e5", "1e", "1e+", "--1", "abc", "0x", " 1"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        const char *rest = qcc_read_f64(&y, bad[k], bad[k] + strlen(bad[k]));
        ck_assert_msg(!rest || *rest == 'x', "'%s'", bad[k]); /* of 0x the 0 is a number */
    }
    /* nothing behind `end` is read */
    s = "123";
    ck_assert_ptr_eq(qcc_read_i64(&i, s, s + 2), s + 2);
    ck_assert_int_eq(i, 12);
    s = "-9223372036854775808";
    ck_assert_ptr_nonnull(qcc_read_i64(&i, s, s + 20));
    ck_assert_int_eq(i, INT64_MIN);
    s = "9223372036854775808";
    ck_assert_ptr_null(qcc_read_i64(&i, s, s + 19));
}
END_TEST

static void quoted(Fixture *f)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_buf_quoted(&buf, "a\"b\\c\nd\te\x01\xc3\xa9");
    ck_assert_str_eq(buf.data, "\"a\\\"b\\\\c\\nd\\te\\x01\xc3\xa9\"");
    const char *back;
    ck_assert_ptr_eq(qcc_read_quoted(f->arena, &back, buf.data, buf.data + buf.len),
                     buf.data + buf.len);
    ck_assert_str_eq(back, "a\"b\\c\nd\te\x01\xc3\xa9");
    static const char *const bad[] = {"\"",       "\"a",       "a\"",   "\"\\q\"",
                                      "\"\\x0\"", "\"\\x00\"", "\"\n\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_ptr_null(qcc_read_quoted(f->arena, &back, bad[i], bad[i] + strlen(bad[i])));
}

START_TEST(test_quoted)
{
    with_ir(quoted);
}
END_TEST

/* RFC 4648, section 10 */
static void base64(Fixture *f)
{
    static const char *const vector[][2] = {{"", ""},
                                            {"f", "Zg=="},
                                            {"fo", "Zm8="},
                                            {"foo", "Zm9v"},
                                            {"foob", "Zm9vYg=="},
                                            {"fooba", "Zm9vYmE="},
                                            {"foobar", "Zm9vYmFy"}};
    for (int i = 0; i < 7; i++) {
        QccBuf buf;
        char back[8] = "";
        int64_t n = (int64_t)strlen(vector[i][0]);
        qcc_buf_init(&buf, f->arena);
        qcc_base64_print(&buf, vector[i][0], n);
        ck_assert_str_eq(buf.data ? buf.data : "", vector[i][1]);
        ck_assert(qcc_base64_read(back, n, buf.data, buf.len));
        ck_assert_str_eq(back, vector[i][0]);
    }
    char out[8];
    ck_assert(!qcc_base64_read(out, 1, "Zh==", 4)); /* bits that belong to no byte */
    ck_assert(!qcc_base64_read(out, 2, "Zg==", 4));
    ck_assert(!qcc_base64_read(out, 3, "Zm9", 3));
    ck_assert(!qcc_base64_read(out, 3, "Zm9_", 4));
}

START_TEST(test_base64)
{
    with_ir(base64);
}
END_TEST

/* ---- option tables -------------------------------------------------------------------------- */

typedef struct Options {
    bool on;
    int64_t count;
    double ratio;
    int mode;
    const char *name;
    QccInts list;
    QccStrings words;
} Options;

static const char *const modes[] = {"slow", "fast", NULL};

static const QccField fields[] = {
    {"on", QCC_FIELD_BOOL, offsetof(Options, on), "true", 0, 0, NULL, "switch"},
    {"count", QCC_FIELD_INT, offsetof(Options, count), NULL, 1, 8, NULL, "how many"},
    {"ratio", QCC_FIELD_FLOAT, offsetof(Options, ratio), "0.1", 0, 0, NULL, "a part"},
    {"mode", QCC_FIELD_ENUM, offsetof(Options, mode), "fast", 0, 0, modes, "which"},
    {"name", QCC_FIELD_STRING, offsetof(Options, name), "", 0, 0, NULL, "who"},
    {"list", QCC_FIELD_INTS, offsetof(Options, list), "[1, 1]", -4, 4, NULL, "sizes"},
    {"words", QCC_FIELD_STRINGS, offsetof(Options, words), "[]", 0, 0, NULL, "words"},
    {.name = NULL},
};

static QccStatus set(Fixture *f, Options *o, const char *name, const char *text)
{
    return qcc_field_parse(f->arena, &f->ir->diags, (QccLoc){.file = "o", .line = 1},
                           qcc_field_find(fields, name), text, (int64_t)strlen(text), o);
}

static const char *shown(Fixture *f, const Options *o, const char *name)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_field_print(&buf, qcc_field_find(fields, name), o);
    return buf.data;
}

static void options(Fixture *f)
{
    Options o = {0};
    qcc_fields_init(f->arena, fields, &o);
    ck_assert(o.on && o.count == 0 && o.ratio == 0.1 && o.mode == 1 && !*o.name);
    ck_assert(o.list.n == 2 && o.list.v[0] == 1 && o.list.v[1] == 1 && o.words.n == 0);
    for (const QccField *row = fields; row->name; row++)
        ck_assert_int_eq(qcc_field_is_default(row, &o), strcmp(row->name, "count") != 0);
    ck_assert_ptr_null(qcc_field_find(fields, "none"));

    static const char *const good[][3] = {
        {"on", " false ", "false"},
        {"count", "8", "8"},
        {"ratio", "2.5e-1", "0.25"},
        {"mode", "slow", "slow"},
        {"mode", "\"fast\"", "fast"},
        {"name", "bare words", "\"bare words\""},
        {"name", "\"a\\\"b\"", "\"a\\\"b\""},
        {"list", "[ -4, 0,4 ]", "[-4,0,4]"},
        {"list", "[]", "[]"},
        {"words", "[a, \"b,c\"]", "[\"a\",\"b,c\"]"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert_msg(set(f, &o, good[i][0], good[i][1]) == QCC_OK, "%s", f->said);
        ck_assert_str_eq(shown(f, &o, good[i][0]), good[i][2]);
    }
    ck_assert(!qcc_field_is_default(qcc_field_find(fields, "words"), &o));
    ck_assert(!qcc_field_is_default(qcc_field_find(fields, "name"), &o));

    static const char *const bad[][3] = {
        {"on", "yes", "'on' is 'yes'; wanted true or false"},
        {"count", "9", "'count' is 9; it must lie in 1..8"},
        {"count", "1x", "'count' is '1x'; wanted an integer"},
        {"ratio", "nan", "'ratio' is not a number"},
        {"mode", "fas", "'mode' is 'fas'; wanted one of: slow, fast"},
        {"list", "[1,5]", "'list' is 5; it must lie in -4..4"},
        {"list", "[1,,2]", "'list' is '[1,,2]'; wanted integers as [1,2,3]"},
        {"list", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
         "'list' has more items than the 24 that fit"},
        {"words", "[a", "'words' is '[a'; wanted strings as [\"a\",\"b\"]"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->said[0] = 0;
        ck_assert_int_eq(set(f, &o, bad[i][0], bad[i][1]), QCC_ERROR_INPUT);
        ck_assert_msg(strstr(f->said, bad[i][2]), "%s", f->said);
    }
    QccBuf help;
    qcc_buf_init(&help, f->arena);
    qcc_fields_help(&help, fields);
    ck_assert_ptr_nonnull(strstr(help.data, "count=INT in 1..8 (required): how many\n"));
    ck_assert_ptr_nonnull(strstr(help.data, "mode=slow|fast (default fast): which\n"));

    static const QccField bounds[] = {
        {"share", QCC_FIELD_FLOAT, 0, "50", 50, 100, NULL, "of all"},
        {"part", QCC_FIELD_FLOAT, 0, "0.5", 0.001, 1e30, NULL, "of it"},
        {"size", QCC_FIELD_INT, 0, "1", -1, 0x1p40, NULL, "in bytes"},
        {0}};
    qcc_buf_init(&help, f->arena);
    qcc_fields_help(&help, bounds);
    ck_assert_str_eq(help.data, "share=FLOAT in 50..100 (default 50): of all\n"
                                "part=FLOAT in 0.001..1e+30 (default 0.5): of it\n"
                                "size=INT in -1..1099511627776 (default 1): in bytes\n");
}

START_TEST(test_options)
{
    with_ir(options);
}
END_TEST

/* ---- diagnostics, tables, random numbers ---------------------------------------------------- */

static void keep_source(void *user, const QccDiagnostic *d)
{
    snprintf(user, 256, "%d:%d %s | %s", d->line, d->column, d->message,
             d->source ? d->source : "-");
}

START_TEST(test_diagnostics)
{
    char said[256];
    QccDiags d = {.fn = keep_source, .user = said};
    static const char source[] = "one\n\ttwo words\nthree";
    QccLoc loc = {.file = "f", .line = 2, .col = 5};
    ck_assert_int_eq(qcc_error_in_text(&d, loc, source, sizeof source - 1, "bad '%s'", "a\nb"),
                     QCC_ERROR_INPUT);
    ck_assert_str_eq(said, "2:5 bad 'a?b' |  two words");
    loc.line = 4;
    qcc_error_in_text(&d, loc, source, sizeof source - 1, "past the end");
    ck_assert_str_eq(said, "4:5 past the end | -");
    ck_assert_int_eq(qcc_fail(&d, QCC_ERROR_IO, loc, "%s", "io"), QCC_ERROR_IO);
    qcc_warn(&d, loc, "careful");
    ck_assert_int_eq(d.errors, 3);
    ck_assert_int_eq(d.warnings, 1);
    ck_assert_str_eq(qcc_status_name(QCC_ERROR_INPUT), "input error");
    ck_assert_ptr_nonnull(qcc_status_name((QccStatus)12345));
}
END_TEST

static void table(Fixture *f)
{
    static int item[1000];
    QccTable t;
    qcc_table_init(&t, f->arena);
    int64_t at = -1;
    ck_assert_ptr_null(qcc_table_next(&t, 3, &at));
    for (int i = 0; i < 1000; i++) qcc_table_add(&t, (uint64_t)i % 100, &item[i]);
    for (uint64_t hash = 0; hash < 101; hash++) {
        int n = 0;
        at = -1;
        for (int *p; (p = qcc_table_next(&t, hash, &at)); n++)
            ck_assert_uint_eq((uint64_t)(p - item) % 100, hash);
        ck_assert_int_eq(n, hash < 100 ? 10 : 0);
    }
}

START_TEST(test_table)
{
    with_ir(table);
}
END_TEST

/* Worked out in Python from the definition in O'Neill's paper: the default stream, seed 42. */
START_TEST(test_random)
{
    QccRandom r;
    qcc_random_init(&r, 42);
    static const uint32_t expected[] = {0xc2f57bd6, 0x6b07c4a9, 0x72b7b29b,
                                        0x44215383, 0xf5af5ead, 0x68beb632};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_uint_eq(qcc_random_u32(&r), expected[i]);
    bool seen[7] = {false};
    for (int i = 0; i < 1000; i++) {
        int64_t x = qcc_random_range(&r, -3, 3);
        ck_assert(x >= -3 && x <= 3);
        seen[x + 3] = true;
        float y = qcc_random_f32(&r, -1, 2);
        ck_assert(y >= -1 && y < 2);
    }
    for (int i = 0; i < 7; i++) ck_assert(seen[i]);
    qcc_random_range(&r, INT64_MIN, INT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tc = tcase_create("base");
    tcase_add_test(tc, test_aligned);
    tcase_add_test(tc, test_grow);
    tcase_add_test(tc, test_deferred);
    tcase_add_test(tc, test_unwinding);
    tcase_add_test(tc, test_checked);
    tcase_add_test(tc, test_shortest);
    tcase_add_test(tc, test_any_float);
    tcase_add_test(tc, test_locale);
    tcase_add_test(tc, test_read_numbers);
    tcase_add_test(tc, test_quoted);
    tcase_add_test(tc, test_base64);
    tcase_add_test(tc, test_options);
    tcase_add_test(tc, test_diagnostics);
    tcase_add_test(tc, test_table);
    tcase_add_test(tc, test_random);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
