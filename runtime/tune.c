/* tune - the choice among byte-identical variants of a kernel, by measurements that are remembered.
 *
 *   candidates of the backend -> record in the cache: that one
 *                             -> none: compile all, run them in turns, confirm, remember
 */
#define _GNU_SOURCE
#include "runtime/tune.h"

#include <float.h>
#include <string.h>
#include <time.h>

#include "backend/variant.h"
#include "runtime/trial.h"

enum {
    ALL_MS = 20000, /* of one instance, compiling included: then the cost model decides */
    PLAY_MS = 30,   /* of a kernel's candidates, in turns */
    PAUSE_MS = 100, /* neighbours that disturb are gone by then, or stay long enough to count */
    CONFIRM_MS = 15,
    LEAST_ROUNDS = 4,
    MOST_ROUNDS = 400,
    HOPELESS = 130,        /* per cent of the best time: out after the first rounds */
    GAIN = 103,            /* per cent that the cost model's choice must take longer, twice */
    WEIGHT_BYTES = 8 << 20 /* of copies of the weights: none is in L2 when its turn comes */
};

/* What was found for a kernel. */
typedef struct Decision {
    const char *text;
    int choice; /* -1: nobody knows, and the cost model's stays */
} Decision;

struct QccTuner {
    QccInstance *instance;
    QccContext *context;
    bool measure;
    double started_ms;
    const char *machine;
    QccTable decisions; /* by text */
    QccStatus status;
};

QccTuner *qcc_tuner_new(QccInstance *instance, QccContext *context, bool measure)
{
    QccTuner *tuner = QCC_NEW(instance->arena, QccTuner);
    QccBuf machine;
    qcc_buf_init(&machine, instance->arena);
    qcc_host_print(&machine);
    *tuner = (QccTuner){.instance = instance,
                        .context = context,
                        .measure = measure && qcc_context_codegen(context, false),
                        .started_ms = qcc_now_ms(),
                        .machine = machine.data};
    qcc_table_init(&tuner->decisions, instance->arena);
    return tuner;
}

QccStatus qcc_tuner_status(const QccTuner *tuner)
{
    return tuner->status;
}

/* ---- records --------------------------------------------------------------------------------- */

void qcc_tuning_print(QccBuf *buf, const QccVariant *candidate, int n, int choice)
{
    qcc_buf_printf(buf, "choice %d of %d\n", choice, n);
    qcc_variant_print(buf, &candidate[choice]);
}

/* A record is one of n texts, or it is none. */
int qcc_tuning_parse(const void *record, size_t size, QccArena *scratch,
                     const QccVariant *candidate, int n)
{
    for (int i = 0; i < n; i++) {
        QccBuf text;
        qcc_buf_init(&text, scratch);
        qcc_tuning_print(&text, candidate, n, i);
        if ((size_t)text.len == size && memcmp(text.data, record, size) == 0) return i;
    }
    return -1;
}

/* The text that names a record: of another list of candidates it is another one. */
static const char *record_text(const QccTuner *tuner, QccArena *arena, const QccKernel *k,
                               const QccTarget *t, const QccVariant *list, int n)
{
    QccBuf text;
    qcc_buf_init(&text, arena);
    qcc_buf_printf(&text, "tuning\n%scpu %s\n", qcc_code_text(arena, k, t, false), tuner->machine);
    for (int i = 0; i < n; i++) qcc_variant_print(&text, &list[i]);
    return text.data;
}

static int recorded(QccTuner *tuner, QccArena *scratch, const char *text, const QccVariant *list,
                    int n)
{
    const void *record;
    size_t size;
    const char *note = NULL;
    int choice = -1;
    if (qcc_cache_load(tuner->context->cache, scratch, text, strlen(text), &record, &size, &note)) {
        choice = qcc_tuning_parse(record, size, scratch, list, n);
        if (choice < 0) note = "it names none of the variants that there are";
    }
    if (note)
        qcc_note(&tuner->instance->ir->diags, (QccLoc){0}, "a tuning record is ignored: %s", note);
    return choice;
}

static void remember(const QccTuner *tuner, QccArena *scratch, const char *text,
                     const QccVariant *list, int n, int choice)
{
    QccBuf record;
    qcc_buf_init(&record, scratch);
    qcc_tuning_print(&record, list, n, choice);
    qcc_cache_store(tuner->context->cache, scratch, text, strlen(text), record.data,
                    (size_t)record.len);
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* Candidates that run against each other. */
typedef struct Contest {
    QccTrial trial;
    int n;
    QccKernelFn *fn[QCC_CANDIDATES];
    int64_t work[QCC_CANDIDATES];
    bool out[QCC_CANDIDATES];
    double best[QCC_CANDIDATES]; /* milliseconds */
} Contest;

/* The fastest one still in. */
static int leader(const Contest *c)
{
    int first = 0;
    for (int i = 1; i < c->n; i++)
        if (!c->out[i] && c->best[i] < c->best[first]) first = i;
    return first;
}

/* Runs them in turns, so that what disturbs one disturbs the others, and keeps each one's fastest
 * run. The first one is never out: it is what the others are held against. */
static void play(Contest *c, double ms)
{
    double end = qcc_now_ms() + ms;
    for (int i = 0; i < c->n; i++) c->best[i] = DBL_MAX;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        if (round >= LEAST_ROUNDS && qcc_now_ms() > end) return;
        for (int j = 0; j < c->n; j++) {
            int i = (round + j) % c->n;
            if (c->out[i]) continue;
            double t = qcc_trial_run(&c->trial, c->fn[i], c->work[i]);
            if (t < c->best[i]) c->best[i] = t;
        }
        double limit = c->best[leader(c)] * HOPELESS / 100;
        for (int i = 1; round + 1 == LEAST_ROUNDS && i < c->n; i++)
            if (c->best[i] > limit) c->out[i] = true;
    }
}

/* Whether candidate i beats the first one by more than noise does. */
static bool wins(const Contest *c, int i)
{
    return c->best[i] * GAIN / 100 < c->best[0];
}

/* The one to take: the cost model's unless another wins among all, and again against it alone. */
static int decide(Contest *c)
{
    play(c, PLAY_MS);
    int first = leader(c);
    if (!wins(c, first)) return 0;
    for (int i = 1; i < c->n; i++) c->out[i] = i != first;
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    play(c, CONFIRM_MS);
    return wins(c, first) ? first : 0;
}

static void report(QccTuner *tuner, const QccKernel *k, const QccVariant *list, const Contest *c,
                   int choice)
{
    QccInstance *p = tuner->instance;
    QccBuf text;
    qcc_buf_init(&text, p->arena);
    qcc_kernel_title(&text, k);
    qcc_buf_printf(&text, ": %.4f ms instead of %.4f\n           ", c->best[choice], c->best[0]);
    qcc_variant_print(&text, &list[choice]);
    qcc_buf_puts(&text, "           instead of ");
    qcc_variant_print(&text, &list[0]);
    QccTuned *t = &p->tuned;
    t->gain = qcc_grow(p->arena, t->gain, t->ngain, &t->gain_cap, sizeof *t->gain);
    t->gain[t->ngain++] = text.data;
}

/* -1: it cannot be measured. */
static int measured(QccTuner *tuner, QccArena *scratch, const QccKernel *k, const QccTarget *t,
                    const QccVariant *list, int n)
{
    QccInstance *p = tuner->instance;
    Contest contest = {.n = n};
    QccKernel **kernel = QCC_NEW_ARRAY(scratch, n, QccKernel *);
    QccCode *code = QCC_NEW_ARRAY(scratch, n, QccCode);
    if (!qcc_trial_init(&contest.trial, scratch, k, t, list, n, WEIGHT_BYTES)) return -1;
    for (int i = 0; i < n; i++) {
        kernel[i] = QCC_NEW(scratch, QccKernel);
        *kernel[i] = *k;
        kernel[i]->variant = list[i];
        contest.work[i] = qcc_kernel_work(kernel[i], t->lanes);
    }
    tuner->status =
        qcc_code_make(code, scratch, tuner->context, &p->ir->diags, t, kernel, n, false);
    if (tuner->status != QCC_OK) return -1;
    for (int i = 0; i < n; i++) contest.fn[i] = code[i].fn;
    int choice = decide(&contest);
    p->tuned.measured++;
    if (choice > 0) report(tuner, k, list, &contest, choice);
    return choice;
}

/* ---- the choice ------------------------------------------------------------------------------ */

static Decision *find(const QccTuner *tuner, uint64_t hash, const char *text)
{
    int64_t at = -1;
    Decision *d;
    while ((d = qcc_table_next(&tuner->decisions, hash, &at)))
        if (strcmp(d->text, text) == 0) return d;
    return NULL;
}

static int choose(QccTuner *tuner, const char *text, const QccKernel *k, const QccTarget *t,
                  const QccVariant *list, int n)
{
    QccTuned *counts = &tuner->instance->tuned;
    double start = qcc_now_ms();
    QccArena *scratch = qcc_arena_sub(tuner->instance->arena);
    int choice = recorded(tuner, scratch, text, list, n);
    counts->open++;
    counts->recorded += choice >= 0;
    if (choice < 0 && tuner->measure && tuner->status == QCC_OK &&
        start - tuner->started_ms < ALL_MS) {
        choice = measured(tuner, scratch, k, t, list, n);
        if (choice >= 0) remember(tuner, scratch, text, list, n, choice);
    }
    counts->changed += choice > 0;
    qcc_arena_free(scratch);
    counts->ms += qcc_now_ms() - start;
    return choice;
}

void qcc_tuner_choose(void *self, QccKernel *k, const QccTarget *t)
{
    QccTuner *tuner = self;
    QccVariant list[QCC_CANDIDATES];
    int n = qcc_variant_candidates(k, t, list, QCC_CANDIDATES);
    if (n < 2) return;
    QccArena *arena = tuner->instance->arena;
    const char *text = record_text(tuner, arena, k, t, list, n);
    uint64_t hash = qcc_hash(0, text, strlen(text));
    Decision *d = find(tuner, hash, text);
    if (!d) {
        d = QCC_NEW(arena, Decision);
        *d = (Decision){.text = text, .choice = choose(tuner, text, k, t, list, n)};
        qcc_table_add(&tuner->decisions, hash, d);
    }
    if (d->choice >= 0) k->variant = list[d->choice];
}
