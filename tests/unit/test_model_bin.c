/* test_model_bin - the container: round trips, and what damage does to it. */
#include <stdlib.h>

#include "ir/model_bin.h"
#include "tests/unit/ir_test.h"

static const char text[] = "qir 1\n"
                           "graph @g(%x: f32[1,4]) props(quantized) {\n"
                           "  %w = const @0 : i8[3,4] q(block 1x0: [1,0.5,0.25], 0)\n"
                           "  %big = const @1 : u8[16]\n"
                           "  %q = quantize %x : u8[1,4] q(0.5: 10)\n"
                           "  %y = fc %q, %w : f32[1,3]\n"
                           "  return %y, %big\n"
                           "}\n"
                           "blob @0 i8 3x4 \"AAECAwQFBgcICQoL\"\n"
                           "blob @1 u8 16 \"AAECAwQFBgcICQoLDA0ODw==\"\n";

/* The container of `text`, 64-byte aligned. */
static unsigned char *container(Fixture *f, int64_t *size)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_model_bin_write(&buf, parse_text(f, text));
    unsigned char *bytes = qcc_alloc_aligned(f->arena, (size_t)buf.len, 64);
    memcpy(bytes, buf.data, (size_t)buf.len);
    *size = buf.len;
    return bytes;
}

static uint64_t number(const unsigned char *p, int n)
{
    uint64_t x = 0;
    for (int i = n - 1; i >= 0; i--) x = x << 8 | p[i];
    return x;
}

static void round_trip(Fixture *f)
{
    int64_t size;
    unsigned char *bytes = container(f, &size);
    QccModule *m;
    ck_assert(qcc_model_bin_is(bytes, size));
    ck_assert_msg(qcc_model_bin_read(&m, f->ir, f->arena, "m.bin", bytes, size) == QCC_OK, "%s",
                  f->said);
    ck_assert_str_eq(print_module(f, m), text);
    /* deterministic: what was read gives the same bytes again */
    QccBuf again;
    qcc_buf_init(&again, f->arena);
    qcc_model_bin_write(&again, m);
    ck_assert_int_eq(again.len, size);
    ck_assert_mem_eq(again.data, bytes, (size_t)size);
    /* used in place, aligned */
    const char *w = qcc_value_const(qcc_graph_find_value(m->graph, "w"))->data;
    ck_assert(w >= (char *)bytes && w < (char *)bytes + size);
    ck_assert_uint_eq((uintptr_t)w % 64, 0);
}

START_TEST(test_round_trip)
{
    with_ir(round_trip);
}
END_TEST

/* The layout as docs/model-bin.md gives it. */
static void layout(Fixture *f)
{
    int64_t size;
    unsigned char *b = container(f, &size);
    ck_assert_mem_eq(b, "qccmodel", 8);
    ck_assert_uint_eq(number(b + 8, 4), 1);
    ck_assert_uint_eq(number(b + 12, 4), 3);
    ck_assert_uint_eq(number(b + 16, 8), (uint64_t)size);
    const unsigned char *row = b + 40;
    ck_assert_uint_eq(number(row, 4), 1);
    const char *t = (const char *)b + number(row + 8, 8);
    ck_assert(!strncmp(t, "qir 1\ngraph @g", 14));
    const unsigned char *blob = b + number(row + 32 + 8, 8);
    ck_assert_uint_eq(number(row + 32 + 16, 8), 2 * 96); /* two blobs */
    ck_assert_uint_eq(number(blob, 4), QCC_I8);
    ck_assert_uint_eq(number(blob + 4, 4), 2);
    ck_assert_uint_eq(number(blob + 8, 8), 3);
    ck_assert_uint_eq(number(blob + 16, 8), 4);
    uint64_t at = number(blob + 72, 8);
    ck_assert_uint_eq(at % 64, 0);
    ck_assert_uint_eq(number(blob + 80, 8), 12);
    for (int i = 0; i < 12; i++) ck_assert_int_eq(b[at + (uint64_t)i], i);
}

START_TEST(test_layout)
{
    with_ir(layout);
}
END_TEST

static void unaligned(Fixture *f)
{
    int64_t size;
    unsigned char *bytes = container(f, &size);
    unsigned char *moved = qcc_alloc_aligned(f->arena, (size_t)size + 1, 64);
    memcpy(moved + 1, bytes, (size_t)size);
    QccModule *m;
    ck_assert(qcc_model_bin_read(&m, f->ir, f->arena, "m.bin", moved + 1, size) == QCC_OK);
    memset(moved, 0xff, (size_t)size + 1); /* nothing of it is needed any more */
    ck_assert_str_eq(print_module(f, m), text);
}

START_TEST(test_unaligned)
{
    with_ir(unaligned);
}
END_TEST

/* Every truncation, each as a block of its own, so that the sanitizer sees a read past it. */
static void truncations(Fixture *f)
{
    int64_t size;
    unsigned char *bytes = container(f, &size);
    for (int64_t n = 0; n < size; n++) {
        unsigned char *part = malloc(n ? (size_t)n : 1);
        memcpy(part, bytes, (size_t)n);
        f->said[0] = 0;
        QccModule *m;
        QccArena *arena = qcc_arena_sub(f->arena);
        ck_assert_int_eq(qcc_model_bin_read(&m, f->ir, arena, "m.bin", part, n), QCC_ERROR_INPUT);
        ck_assert_ptr_null(m);
        ck_assert_msg(strstr(f->said, "m.bin:0:0: error: damaged model.bin: "), "%s", f->said);
        qcc_arena_free(arena);
        free(part);
    }
}

START_TEST(test_truncations)
{
    with_ir(truncations);
}
END_TEST

/* No bit of the file is without meaning: each flip is noticed. */
static void bit_flips(Fixture *f)
{
    int64_t size;
    unsigned char *bytes = container(f, &size);
    for (int64_t i = 0; i < size * 8; i++) {
        bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        f->said[0] = 0;
        QccModule *m;
        QccArena *arena = qcc_arena_sub(f->arena);
        QccStatus status = qcc_model_bin_read(&m, f->ir, arena, "m.bin", bytes, size);
        ck_assert_msg(status != QCC_OK, "bit %lld", (long long)i);
        ck_assert(*f->said);
        qcc_arena_free(arena);
        bytes[i / 8] ^= (unsigned char)(1 << i % 8);
    }
}

START_TEST(test_bit_flips)
{
    with_ir(bit_flips);
}
END_TEST

static void newer(Fixture *f)
{
    int64_t size;
    unsigned char *bytes = container(f, &size);
    bytes[8] = 7;
    QccModule *m;
    ck_assert_int_eq(qcc_model_bin_read(&m, f->ir, f->arena, "m.bin", bytes, size),
                     QCC_ERROR_UNSUPPORTED);
    ck_assert_str_eq(f->said, "m.bin:0:0: error: this is a model.bin of version 7; this version of "
                              "qcc reads version 1\n");
}

START_TEST(test_newer)
{
    with_ir(newer);
}
END_TEST

/* ---- memory that runs out ------------------------------------------------------------------- */

typedef struct Limited {
    int64_t left; /* allocations until none is given */
    int64_t live; /* blocks that are not freed */
} Limited;

static void *limited_realloc(void *user, void *p, size_t size)
{
    Limited *l = user;
    if (!size) {
        l->live -= p != NULL;
        free(p);
        return NULL;
    }
    if (l->left-- <= 0) return NULL;
    if (!p) l->live++;
    return realloc(p, size);
}

typedef struct Attempt {
    QccIr *ir;
    QccArena *arena;
    bool done;
} Attempt;

static void attempt(void *user)
{
    Attempt *a = user;
    QccModule *m;
    QccStatus status = qcc_module_parse(&m, a->ir, a->arena, "t", text, sizeof text - 1, NULL);
    if (status == QCC_ERROR_MEMORY) return;
    ck_assert_int_eq(status, QCC_OK);
    QccBuf buf;
    qcc_buf_init(&buf, a->arena);
    qcc_model_bin_write(&buf, m);
    qcc_graph_clone(m->graph, a->arena);
    unsigned char *bytes = qcc_alloc_aligned(a->arena, (size_t)buf.len, 64);
    memcpy(bytes, buf.data, (size_t)buf.len);
    status = qcc_model_bin_read(&m, a->ir, a->arena, "m", bytes, buf.len);
    if (status == QCC_ERROR_MEMORY) return;
    ck_assert_int_eq(status, QCC_OK);
    a->done = true;
}

/* An allocator that fails at its n-th call, for every n that matters. */
START_TEST(test_out_of_memory)
{
    bool done = false;
    int64_t n = 0;
    for (; !done; n++) {
        Limited l = {.left = n};
        QccMem mem = {.realloc = limited_realloc, .user = &l};
        Attempt a = {.ir = qcc_ir_new(&mem, NULL, NULL)};
        if (a.ir && (a.arena = qcc_arena_new(&mem))) {
            bool whole = qcc_mem_protect(&mem, attempt, &a);
            done = whole && a.done;
        }
        qcc_arena_free(a.arena);
        qcc_ir_free(a.ir);
        ck_assert_int_eq(l.live, 0);
    }
    ck_assert_int_gt(n, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_bin");
    TCase *tc = tcase_create("model_bin");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_round_trip);
    tcase_add_test(tc, test_layout);
    tcase_add_test(tc, test_unaligned);
    tcase_add_test(tc, test_truncations);
    tcase_add_test(tc, test_bit_flips);
    tcase_add_test(tc, test_newer);
    tcase_add_test(tc, test_out_of_memory);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
