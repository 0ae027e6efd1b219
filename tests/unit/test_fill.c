/* test_fill - halos of random layouts: written whole, element by element, and nothing else. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/random.h"
#include "runtime/fill.h"

enum { LAYOUTS = 3000, POISON = 0xa5, MARGIN = 64 };

/* Each dimension with or without halos; gaps between the boxes of a dimension now and then. */
static QccLayout random_layout(QccRandom *r, int64_t *elements)
{
    QccLayout l = {.rank = (int)qcc_random_range(r, 0, 5)};
    int64_t pitch = 1;
    for (int d = l.rank - 1; d >= 0; d--) {
        l.dim[d] = qcc_random_range(r, qcc_random_range(r, 0, 9) == 0 ? 0 : 1, 4);
        if (qcc_random_bool(r)) l.halo_before[d] = qcc_random_range(r, 0, 2);
        if (qcc_random_bool(r)) l.halo_after[d] = qcc_random_range(r, 0, 2);
        if (qcc_random_range(r, 0, 3) == 0) pitch += qcc_random_range(r, 1, 3);
        l.pitch[d] = pitch;
        pitch *= l.halo_before[d] + l.dim[d] + l.halo_after[d];
    }
    *elements = pitch;
    return l;
}

/* Which elements a fill writes, said one by one. `at` is where the least element of the box lies.
 */
static void mark(bool *marked, const QccLayout *l, int d, int64_t at, bool inside)
{
    if (d == l->rank) {
        marked[at] = !inside;
        return;
    }
    for (int64_t i = 0; i < l->halo_before[d] + l->dim[d] + l->halo_after[d]; i++) {
        bool here = i >= l->halo_before[d] && i < l->halo_before[d] + l->dim[d];
        mark(marked, l, d + 1, at + i * l->pitch[d], inside && here);
    }
}

START_TEST(writes_halos_and_nothing_else)
{
    static const uint32_t bits[] = {0, 0x80, 0xbf800000, 0x7f7f, 0xdeadbeef};
    QccRandom r;
    qcc_random_init(&r, 1);
    int64_t written = 0;
    for (int n = 0; n < LAYOUTS; n++) {
        int64_t elements, width = 1 << n % 3, origin = 0;
        QccLayout l = random_layout(&r, &elements);
        uint32_t fill = bits[qcc_random_range(&r, 0, 4)];
        size_t bytes = (size_t)(elements * width + 2 * MARGIN);
        unsigned char *memory = malloc(bytes);
        bool *marked = calloc((size_t)elements, sizeof *marked);
        memset(memory, POISON, bytes);
        mark(marked, &l, 0, 0, true);
        for (int d = 0; d < l.rank; d++) origin += l.halo_before[d] * l.pitch[d];
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
