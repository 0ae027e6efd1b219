/* test_fill - halos of random layouts: written whole, element by element, and nothing else. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/random.h"
#include "runtime/fill.h"

enum { LAYOUTS = 3000, POISON = 0xa5, MARGIN = 64 };

/* Each dimension with or without halos, which neighbours share. */
static QccLayout random_layout(QccRandom *r, int64_t *elements, int64_t *origin)
{
    QccLayout l = {.rank = (int)qcc_random_range(r, 0, 5)};
    int64_t pitch = 1, last = 0;
    *origin = 0;
    for (int d = l.rank - 1; d >= 0; d--) {
        l.dim[d] = qcc_random_range(r, qcc_random_range(r, 0, 9) == 0 ? 0 : 1, 4);
        if (qcc_random_bool(r)) l.halo_before[d] = qcc_random_range(r, 0, 2);
        if (qcc_random_bool(r)) l.halo_after[d] = qcc_random_range(r, 0, 2);
        l.pitch[d] = pitch;
        *origin += l.halo_before[d] * pitch;
        last += (l.dim[d] + l.halo_after[d] - 1) * pitch;
        bool more = l.halo_before[d] > l.halo_after[d];
        pitch *= l.dim[d] + (more ? l.halo_before[d] : l.halo_after[d]);
    }
    *elements = *origin + last + 1;
    return l;
}

/* The value's own elements, one by one. */
static void unmark(bool *marked, const QccLayout *l, int d, int64_t at)
{
    if (d == l->rank) marked[at] = false;
    for (int64_t i = 0; d < l->rank && i < l->dim[d]; i++)
        unmark(marked, l, d + 1, at + i * l->pitch[d]);
}

static bool has_halo(const QccLayout *l)
{
    bool any = false;
    for (int d = 0; d < l->rank; d++) any |= l->halo_before[d] || l->halo_after[d];
    return any;
}

START_TEST(writes_halos_and_nothing_else)
{
    static const uint32_t bits[] = {0, 0x80, 0xbf800000, 0x7f7f, 0xdeadbeef};
    QccRandom r;
    qcc_random_init(&r, 1);
    int64_t written = 0;
    for (int n = 0; n < LAYOUTS; n++) {
        int64_t elements, origin, width = 1 << n % 3;
        QccLayout l = random_layout(&r, &elements, &origin);
        if (elements < 0) continue; /* nothing, and nothing around it */
        uint32_t fill = bits[qcc_random_range(&r, 0, 4)];
        size_t bytes = (size_t)(elements * width + 2 * MARGIN);
        unsigned char *memory = malloc(bytes);
        bool *marked = malloc((size_t)elements + 1);
        memset(memory, POISON, bytes);
        memset(marked, has_halo(&l), (size_t)elements);
        unmark(marked, &l, 0, origin);
        qcc_fill_halo(memory + MARGIN + origin * width, &l, fill, width);
        for (int64_t i = 0; i < (int64_t)bytes; i++) {
            int64_t at = i - MARGIN;
            bool is_halo = at >= 0 && at < elements * width && marked[at / width];
            unsigned char want = is_halo ? (unsigned char)(fill >> 8 * (at % width)) : POISON;
            if (memory[i] != want)
                ck_abort_msg("layout %d, byte %d: %d, wanted %d", n, (int)at, memory[i], want);
            written += is_halo;
        }
        free(marked);
        free(memory);
    }
    ck_assert_int_gt(written, 100 * LAYOUTS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fill");
    TCase *tcase = tcase_create("fill");
    tcase_add_test(tcase, writes_halos_and_nothing_else);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
