/* test_observers - histograms: any order, any split; estimators against brute force on the numbers
 * themselves. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/random.h"
#include "passes/manager.h"
#include "passes/observers/histogram.h"

enum { MOST = 20000 };

static QccMem mem;

typedef struct Data {
    QccArena *arena;
    const QccPassRegistry *registry;
    int64_t n;
    float x[MOST];
} Data;

/* Roughly normal, with a scale of its own and a few far outliers. */
static void fill_normal(QccRandom *r, float *x, int64_t n, float scale, int outliers)
{
    for (int64_t i = 0; i < n; i++) {
        float sum = 0;
        for (int k = 0; k < 12; k++) sum += qcc_random_f32(r, -0.5F, 0.5F);
        x[i] = sum * scale;
    }
    for (int i = 0; i < outliers; i++) x[qcc_random_range(r, 0, n - 1)] *= 20;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static void run_protected(void (*fn)(void *), Data *d)
{
    d->arena = qcc_arena_new(&mem);
    ck_assert_ptr_nonnull(d->arena);
    ck_assert(qcc_mem_protect(&mem, fn, d));
    qcc_arena_free(d->arena);
}

static bool same(const QccHistogram *a, const QccHistogram *b)
{
    return a->count == b->count && a->strays == b->strays && a->min == b->min && a->max == b->max &&
           a->exponent == b->exponent &&
           !memcmp(a->bin, b->bin, QCC_HISTOGRAM_BINS * sizeof *a->bin);
}

static const char *const scales_text = "scale 2^%d, seed %llu";

/* One stream whole; the same shuffled; the same in pieces that are merged in some order. */
static void check_splits(void *user)
{
    Data *d = user;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        QccRandom r;
        qcc_random_init(&r, seed);
        int power = (int)qcc_random_range(&r, -100, 100);
        d->n = qcc_random_range(&r, 1, 600);
        fill_normal(&r, d->x, d->n, ldexpf(1, power), 3);
        if (seed % 3 == 0) d->x[0] = 0;
        if (seed % 5 == 0) d->x[d->n / 2] = NAN;
        if (seed % 7 == 0) d->x[d->n - 1] = -INFINITY;
        /* Exactly on an edge of what the bins hold, at either side. */
        if (seed % 4 == 0) d->x[0] = -ldexpf(1, power + 3);
        if (seed % 4 == 1) d->x[0] = ldexpf(1, power + 3);

        QccHistogram whole, shuffled, merged, part[4];
        qcc_histogram_init(&whole, d->arena);
        qcc_histogram_add(&whole, d->x, d->n);

        qcc_histogram_init(&merged, d->arena);
        int64_t from = 0;
        for (int i = 0; i < 4; i++) {
            int64_t to = i == 3 ? d->n : qcc_random_range(&r, from, d->n);
            qcc_histogram_init(&part[i], d->arena);
            qcc_histogram_add(&part[i], d->x + from, to - from);
            from = to;
        }
        int first = (int)qcc_random_range(&r, 0, 3);
        for (int i = 0; i < 4; i++) qcc_histogram_merge(&merged, &part[(first + i * 3) % 4]);
        ck_assert_msg(same(&whole, &merged), scales_text, power, (unsigned long long)seed);

        for (int64_t i = d->n - 1; i > 0; i--) {
            int64_t k = qcc_random_range(&r, 0, i);
            float t = d->x[i];
            d->x[i] = d->x[k];
            d->x[k] = t;
        }
        qcc_histogram_init(&shuffled, d->arena);
        for (int64_t i = 0; i < d->n; i++) qcc_histogram_add(&shuffled, d->x + i, 1);
        ck_assert_msg(same(&whole, &shuffled), scales_text, power, (unsigned long long)seed);
    }
}

START_TEST(any_order_and_split_count_the_same)
{
    static Data d;
    run_protected(check_splits, &d);
}
END_TEST

/* Every bin against a count over the numbers. */
static void check_bins(void *user)
{
    Data *d = user;
    QccRandom r;
    qcc_random_init(&r, 7);
    d->n = 3000;
    fill_normal(&r, d->x, d->n, 3, 2);
    QccHistogram h;
    qcc_histogram_init(&h, d->arena);
    qcc_histogram_add(&h, d->x, d->n);
    int64_t counted = 0;
    for (int k = -QCC_HISTOGRAM_HALF; k < QCC_HISTOGRAM_HALF; k++) {
        double lo = k * ldexp(1, h.exponent), hi = (k + 1) * ldexp(1, h.exponent);
        ck_assert(qcc_histogram_edge(&h, k) == lo);
        if (qcc_histogram_at(&h, k) == 0) continue;
        int64_t n = 0;
        for (int64_t i = 0; i < d->n; i++) n += d->x[i] >= lo && d->x[i] < hi;
        ck_assert_int_eq(n, qcc_histogram_at(&h, k));
        counted += n;
    }
    ck_assert_int_eq(counted, d->n);
    /* No wider than needed: at half the width the largest number would have no bin. */
    double largest = fmax(h.max, -h.min);
    ck_assert(largest > ldexp(QCC_HISTOGRAM_HALF / 2, h.exponent) * 0.999);
}

START_TEST(bins_hold_what_lies_in_them)
{
    static Data d;
    run_protected(check_bins, &d);
}
END_TEST

/* ---- estimators ---------------------------------------------------------------------------- */

static void estimate(Data *d, const char *name, double percentile, float *lo, float *hi)
{
    const QccObserverDef *def = qcc_observer_find(d->registry, name);
    ck_assert_ptr_nonnull(def);
    void *opts = qcc_alloc(d->arena, def->opts_size + 1);
    if (def->opts) qcc_fields_init(d->arena, def->opts, opts);
    if (def->opts_size) *(double *)opts = percentile;
    QccHistogram h;
    qcc_histogram_init(&h, d->arena);
    qcc_histogram_add(&h, d->x, d->n);
    def->estimate(&h, opts, 256, lo, hi);
}

static double bin_width(Data *d)
{
    QccHistogram h;
    qcc_histogram_init(&h, d->arena);
    qcc_histogram_add(&h, d->x, d->n);
    return ldexp(1, h.exponent);
}

static void check_percentile(void *user)
{
    Data *d = user;
    static const double percents[] = {100, 99.99, 99.9, 99, 90, 50};
    d->registry = qcc_pass_registry_new(d->arena);
    QccRandom r;
    qcc_random_init(&r, 11);
    d->n = MOST;
    fill_normal(&r, d->x, d->n, 2, 20);
    static float sorted[MOST];
    memcpy(sorted, d->x, sizeof sorted);
    qsort(sorted, MOST, sizeof *sorted, by_value);
    double width = bin_width(d);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
        float lo, hi;
        estimate(d, "percentile", percents[i], &lo, &hi);
        /* So many may be cut at either end; the range ends within one bin of the next number. */
        int64_t cut = (int64_t)(MOST * (100 - percents[i]) / 200 + 1e-9);
        ck_assert_msg(lo <= sorted[cut] && lo >= sorted[cut] - width, "%g: %g %g", percents[i],
                      (double)lo, (double)sorted[cut]);
        ck_assert_msg(hi >= sorted[MOST - 1 - cut] && hi <= sorted[MOST - 1 - cut] + width,
                      "%g: %g %g", percents[i], (double)hi, (double)sorted[MOST - 1 - cut]);
    }
    float lo, hi;
    estimate(d, "minmax", 0, &lo, &hi);
    ck_assert(lo == sorted[0] && hi == sorted[MOST - 1]);
}

START_TEST(percentile_cuts_what_it_may)
{
    static Data d;
    run_protected(check_percentile, &d);
}
END_TEST

/* Mean squared error of quantizing the numbers themselves. */
static double true_error(const Data *d, double lo, double hi)
{
    double scale = (hi - lo) / 255, zero = nearbyint(-lo / scale), sum = 0;
    for (int64_t i = 0; i < d->n; i++) {
        double q = nearbyint((double)d->x[i] / scale) + zero;
        q = q < 0 ? 0 : q > 255 ? 255 : q;
        double e = (double)d->x[i] - (q - zero) * scale;
        sum += e * e;
    }
    return sum / (double)d->n;
}

/* The ranges that an estimator may choose from: the numbers' own, both ends clipped at a threshold
 * that is a fraction of the larger end. */
static void range_at(const Data *d, int step, double *lo, double *hi)
{
    double min = 0, max = 0;
    for (int64_t i = 0; i < d->n; i++) {
        min = fmin(min, (double)d->x[i]);
        max = fmax(max, (double)d->x[i]);
    }
    double t = fmax(max, -min) * step / 128;
    *lo = fmax(min, -t);
    *hi = fmin(max, t);
}

static void check_mse(void *user)
{
    Data *d = user;
    d->registry = qcc_pass_registry_new(d->arena);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        QccRandom r;
        qcc_random_init(&r, seed);
        d->n = 8000;
        fill_normal(&r, d->x, d->n, 1.5F, seed % 2 ? 5 : 0);
        if (seed > 3) {
            for (int64_t i = 0; i < d->n; i++) d->x[i] = fmaxf(d->x[i], 0);
        }
        double best = INFINITY;
        for (int i = 16; i <= 128; i++) {
            double lo, hi;
            range_at(d, i, &lo, &hi);
            best = fmin(best, true_error(d, lo, hi));
        }
        float lo, hi;
        estimate(d, "mse", 0, &lo, &hi);
        ck_assert_msg(true_error(d, (double)lo, (double)hi) <= best * 1.02,
                      "seed %llu: %g, and there is %g", (unsigned long long)seed,
                      true_error(d, (double)lo, (double)hi), best);
    }
}

START_TEST(mse_finds_the_least_error)
{
    static Data d;
    run_protected(check_mse, &d);
}
END_TEST

/* Divergence from counts over the numbers, in bins of width w from zero, as entropy.c defines it.
 */
static double true_divergence(const Data *d, double w, double lo, double hi)
{
    static double p[2 * QCC_HISTOGRAM_BINS];
    int first = INT32_MAX, last = INT32_MIN, half = QCC_HISTOGRAM_BINS;
    memset(p, 0, sizeof p);
    for (int64_t i = 0; i < d->n; i++) {
        int k = (int)floor((double)d->x[i] / w);
        p[k + half]++;
        if (k < first) first = k;
        if (k > last) last = k;
    }
    /* Exact zeros do not count beyond what lies beside them. */
    double zeros = fmax(p[half] - p[half + 1], 0);
    p[half] -= zeros;
    int begin = (int)fmax(floor(lo / w), first), end = (int)fmin(floor(hi / w), last);
    double below = 0, above = 0, sum = 0;
    for (int k = first; k < begin; k++) below += p[k + half];
    for (int k = end + 1; k <= last; k++) above += p[k + half];
    double total = (double)d->n - zeros, inside = total - below - above;
    int bins = end - begin + 1;
    for (int s = 0; s < 256; s++) {
        double mass = 0, filled = 0;
        int from = begin + s * bins / 256, to = begin + (s + 1) * bins / 256;
        for (int k = from; k < to; k++) {
            mass += p[k + half];
            filled += p[k + half] > 0;
        }
        for (int k = from; k < to; k++) {
            double n = p[k + half], all = n + (k == begin) * below + (k == end) * above;
            if (all > 0)
                sum += all / total * log(all / total * inside / (n > 0 ? mass / filled : 0.5));
        }
    }
    return sum;
}

static void check_entropy(void *user)
{
    Data *d = user;
    d->registry = qcc_pass_registry_new(d->arena);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        QccRandom r;
        qcc_random_init(&r, seed + 50);
        d->n = MOST;
        fill_normal(&r, d->x, d->n, 1, seed % 2 ? 4 : 0);
        if (seed > 3) {
            for (int64_t i = 0; i < d->n; i++) d->x[i] = fmaxf(d->x[i], 0);
        }
        double best = INFINITY, width = bin_width(d);
        for (int i = 16; i <= 128; i++) {
            double lo, hi;
            range_at(d, i, &lo, &hi);
            best = fmin(best, true_divergence(d, width, lo, hi));
        }
        float lo, hi;
        estimate(d, "entropy", 0, &lo, &hi);
        double found = true_divergence(d, width, (double)lo, (double)hi);
        ck_assert_msg(found <= best + 1e-6, "seed %llu: %g, and there is %g",
                      (unsigned long long)seed, found, best);
        /* Far outliers do not set the range. */
        float min, max;
        estimate(d, "minmax", 0, &min, &max);
        if (seed % 2) ck_assert(hi - lo < max - min);
    }
}

START_TEST(entropy_finds_the_least_divergence)
{
    static Data d;
    run_protected(check_entropy, &d);
}
END_TEST

/* The averages over tensors, in a stream of 250 of them, in long double and by their definition. */
static void check_moving_average(void *user)
{
    Data *d = user;
    d->registry = qcc_pass_registry_new(d->arena);
    const QccObserverDef *def = qcc_observer_find(d->registry, "moving-average");
    QccHistogram h;
    qcc_histogram_init(&h, d->arena);
    QccRandom r;
    qcc_random_init(&r, 5);
    long double least = 0, greatest = 0;
    for (int i = 0; i < 250; i++) {
        float x[40], lo, hi;
        fill_normal(&r, x, 40, 1 + 0.02F * (float)i, 0);
        if (i % 10 == 3) x[7] = NAN;
        long double min = INFINITY, max = -INFINITY;
        for (int k = 0; k < 40; k++) {
            if (isnan(x[k])) continue;
            min = fminl(min, x[k]);
            max = fmaxl(max, x[k]);
        }
        if (i < 100) { /* a mean: undo the division of the last one */
            least = (least * i + min) / (i + 1);
            greatest = (greatest * i + max) / (i + 1);
        } else {
            least = 0.99L * least + 0.01L * min;
            greatest = 0.99L * greatest + 0.01L * max;
        }
        qcc_histogram_add(&h, x, 40);
        def->estimate(&h, NULL, 256, &lo, &hi);
        ck_assert_msg(fabsl(lo - least) < 1e-5L && fabsl(hi - greatest) < 1e-5L,
                      "tensor %d: %g and %Lg, %g and %Lg", i, (double)lo, least, (double)hi,
                      greatest);
    }
    float none[2] = {NAN, INFINITY};
    int64_t tensors = h.tensors;
    qcc_histogram_add(&h, none, 2);
    ck_assert_int_eq(h.tensors, tensors);
    ck_assert_int_eq(tensors, 250);
}

START_TEST(moving_average_follows_the_tensors)
{
    static Data d;
    run_protected(check_moving_average, &d);
}
END_TEST

/* On the numbers themselves no method is better than the one that was chosen. */
static void check_choice(Data *d, const char *what, const char *wanted)
{
    static const char *const names[] = {"minmax", "moving-average", "percentile", "entropy", "mse"};
    double best = INFINITY;
    float lo, hi;
    estimate(d, "choose", 99.9, &lo, &hi);
    for (int i = 0; i < 5; i++) {
        float l, h;
        estimate(d, names[i], 99.9, &l, &h);
        best = fmin(best, true_error(d, fmin((double)l, 0), fmax((double)h, 0)));
        if (!strcmp(names[i], wanted))
            ck_assert_msg(l == lo && h == hi, "%s: not %s", what, wanted);
    }
    double found = true_error(d, fmin((double)lo, 0), fmax((double)hi, 0));
    ck_assert_msg(found <= best * 1.02, "%s: %g, and there is %g", what, found, best);
}

static void check_choose(void *user)
{
    Data *d = user;
    d->registry = qcc_pass_registry_new(d->arena);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        QccRandom r;
        qcc_random_init(&r, seed + 900);
        d->n = 6000;
        fill_normal(&r, d->x, d->n, 0.3F * (float)seed, seed % 4 ? 3 * (int)seed : 0);
        for (int64_t i = 0; i < d->n && seed % 3 == 0; i++) d->x[i] = fmaxf(d->x[i], 0);
        check_choice(d, "normal", "mse");
    }
    /* The 256 steps of a scale of 1: whoever clips or widens loses them. */
    d->n = 75 * 256;
    for (int64_t i = 0; i < d->n; i++) d->x[i] = (float)(i % 256 - 64);
    check_choice(d, "steps", "minmax");
    /* With one number outside, the percentile alone ends where the steps end. */
    d->x[d->n++] = 193.3F;
    check_choice(d, "steps and one outside", "percentile");
}

START_TEST(choose_finds_the_least_error)
{
    static Data d;
    run_protected(check_choose, &d);
}
END_TEST

/* Nothing, only zeros, one number, only NaN: every estimator gives a range. */
static void check_odd(void *user)
{
    Data *d = user;
    static const char *const names[] = {"minmax", "percentile", "entropy",
                                        "mse",    "choose",     "moving-average"};
    static const float odd[][3] = {{0, 0, 0}, {5, 5, 5}, {-1e30F, 0, 1e-30F}, {NAN, NAN, NAN}};
    d->registry = qcc_pass_registry_new(d->arena);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
            float lo, hi;
            d->n = 3;
            memcpy(d->x, odd[k], sizeof odd[k]);
            estimate(d, names[i], 99, &lo, &hi);
            ck_assert_msg(lo <= hi && isfinite(lo) && isfinite(hi), "%s %zu", names[i], k);
        }
    }
}

START_TEST(odd_streams_give_ranges)
{
    static Data d;
    run_protected(check_odd, &d);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observers");
    TCase *tc = tcase_create("observers");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, any_order_and_split_count_the_same);
    tcase_add_test(tc, bins_hold_what_lies_in_them);
    tcase_add_test(tc, percentile_cuts_what_it_may);
    tcase_add_test(tc, mse_finds_the_least_error);
    tcase_add_test(tc, entropy_finds_the_least_divergence);
    tcase_add_test(tc, moving_average_follows_the_tensors);
    tcase_add_test(tc, choose_finds_the_least_error);
    tcase_add_test(tc, odd_streams_give_ranges);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
