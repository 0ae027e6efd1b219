/* bench_session - what a program costs besides its runs: load, memory, threads.
 *
 *   bench_session PROGRAM [N,N,...]
 *
 * The shape is that of the one f32 input, where the program leaves it open. Prints the time of
 * loading (with the kernels that are not in the cache, and again with all of them there), which of
 * LLVM is mapped then, the peak of resident memory beside its parts, the latency with 1, 2 and 4
 * threads, and that of two sessions of one thread each at once.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/context.h"

enum { RUNS = 30, MEGABYTE = 1 << 20 };

typedef struct Loaded {
    QccContext *context;
    QccProgram *program;
    QccShape shape, out_shape;
    double load_ms;
} Loaded;

static void say(void *user, const QccDiagnostic *d)
{
    (void)user;
    if (d->severity == QCC_ERROR) fprintf(stderr, "%s\n", d->message);
}

static void check(QccStatus status)
{
    if (status != QCC_OK) exit(1);
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void load(Loaded *l, const char *path, const char *shape)
{
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = say;
    double start = qcc_now_ms();
    check(qcc_context_new(&l->context, &options));
    check(qcc_program_load(&l->program, l->context, path, NULL));
    QccTensorInfo info;
    check(qcc_program_input(l->program, 0, &info));
    l->shape.rank = info.rank;
    memcpy(l->shape.dim, info.shape, sizeof l->shape.dim);
    for (int i = 0; shape && i < info.rank; i++) {
        char *end;
        l->shape.dim[i] = strtoll(shape, &end, 10);
        shape = *end == ',' ? end + 1 : NULL;
    }
    check(qcc_program_prepare(l->program, &l->shape, 1));
    l->load_ms = qcc_now_ms() - start;
    check(qcc_program_output_shapes(l->program, &l->shape, 1, &l->out_shape, 1));
}

static void *buffer_of(const QccShape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->rank; i++) n *= shape->dim[i];
    float *p = calloc((size_t)n, sizeof *p);
    for (int64_t i = 0; p && i < n; i++) p[i] = (float)(i * 37 % 255) / 64 - 2;
    return p;
}

typedef struct Timing {
    const Loaded *loaded;
    int threads;
    double min, median;
} Timing;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *time_runs(void *user)
{
    Timing *t = user;
    const Loaded *l = t->loaded;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = t->threads;
    QccSession *session;
    check(qcc_session_new(&session, l->program, &options));
    QccBuffer in = {.data = buffer_of(&l->shape), .dtype = QCC_F32, .shape = l->shape.dim};
    QccBuffer out = {.data = buffer_of(&l->out_shape), .dtype = QCC_F32};
    double ms[RUNS];
    for (int i = -3; i < RUNS; i++) {
        double start = qcc_now_ms();
        check(qcc_session_run(session, &in, 1, &out, 1));
        if (i >= 0) ms[i] = qcc_now_ms() - start;
    }
    qsort(ms, RUNS, sizeof *ms, ascending);
    t->min = ms[0];
    t->median = ms[RUNS / 2];
    qcc_session_free(session);
    free(in.data);
    free(out.data);
    return NULL;
}

/* ---- the system's view ----------------------------------------------------------------------- */

/* A line "NAME:  N kB" of /proc/self/status, in bytes. */
static double status_bytes(const char *name)
{
    char line[256];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kilobytes = strtod(line + strlen(name) + 1, NULL);
    if (f) fclose(f);
    return 1024 * kilobytes;
}

static bool maps_llvm(void)
{
    char line[4352];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) found |= strstr(line, "LLVM") != NULL;
    if (f) fclose(f);
    return found;
}

static bool collect(void *user, const void *bytes, size_t size)
{
    char *text = user;
    size_t n = strlen(text);
    if (n + size < 1 << 16) memcpy(text + n, bytes, size);
    return true;
}

/* The number behind "name": in the program's statistics. */
static double statistic(const QccProgram *program, const char *name)
{
    static char text[1 << 16];
    memset(text, 0, sizeof text);
    check(qcc_program_report(program, QCC_REPORT_STATS_JSON, collect, text));
    char key[64];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(text, key);
    return at ? strtod(at + strlen(key), NULL) : 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* In a process of its own, whose memory nothing else has touched. */
static void measure_memory(const char *path, const char *shape)
{
    Loaded l;
    load(&l, path, shape);
    Timing t = {.loaded = &l, .threads = 1};
    time_runs(&t);
    double weights = statistic(l.program, "constant_bytes"),
           live = statistic(l.program, "live_peak_bytes");
    double peak = status_bytes("VmHWM"), least = l.load_ms;
    for (int i = 0; i < 9; i++) {
        Loaded again;
        load(&again, path, shape);
        if (again.load_ms < least) least = again.load_ms;
        qcc_program_free(again.program);
        qcc_context_free(again.context);
    }
    printf("load, all kernels in the cache     %10.2f ms   least of ten %.2f; LLVM %s\n", l.load_ms,
           least, maps_llvm() ? "is mapped" : "is not mapped");
    printf("peak of resident memory            %10.2f MB   weights %.2f, largest live set %.2f; "
           "weights + 1.15 live + 10: %.2f\n",
           peak / MEGABYTE, weights / MEGABYTE, live / MEGABYTE,
           (weights + 1.15 * live) / MEGABYTE + 10);
    fflush(stdout);
}

static void measure_latency(const char *path, const char *shape)
{
    Loaded l;
    load(&l, path, shape);
    double alone = 0;
    for (int threads = 1; threads <= 4; threads *= 2) {
        Timing t = {.loaded = &l, .threads = threads};
        time_runs(&t);
        if (threads == 1) alone = t.median;
        printf("%d thread%-2s                         %10.3f ms   median %.3f, speedup %.2f\n",
               threads, threads > 1 ? "s" : "", t.min, t.median, alone / t.median);
    }
    Timing both[2] = {{.loaded = &l, .threads = 1}, {.loaded = &l, .threads = 1}};
    pthread_t other;
    if (pthread_create(&other, NULL, time_runs, &both[1]) != 0) exit(1);
    time_runs(&both[0]);
    pthread_join(other, NULL);
    printf("two sessions of one thread at once %10.3f ms   median %.3f and %.3f\n", both[0].min,
           both[0].median, both[1].median);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: bench_session PROGRAM [N,N,...]\n");
        return 2;
    }
    const char *shape = argc > 2 ? argv[2] : NULL;
    for (int part = 0; part < 3; part++) {
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            Loaded l;
            if (part == 0) load(&l, argv[1], shape);
            if (part == 0)
                printf(
                    "load, as the cache is              %10.2f ms   %.0f kernels, compile %.2f ms, "
                    "lowering %.2f\n",
                    l.load_ms, statistic(l.program, "kernels"), statistic(l.program, "code_ms"),
                    statistic(l.program, "lower_ms"));
            if (part == 1) measure_memory(argv[1], shape);
            if (part == 2) measure_latency(argv[1], shape);
            fflush(stdout);
            _exit(0);
        }
        int status;
        if (waitpid(child, &status, 0) != child || status != 0) return 1;
    }
    return 0;
}
