/* measure - how long programs take: runs in turns, and the kernels of each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

/* ---- buffers --------------------------------------------------------------------------------- */

enum { ALIGNMENT = 64 };

/* Made-up input: the same for every program, f32 about as large as normalized images. */
static void fill(void *data, QccDtype dtype, int64_t n, size_t bytes)
{
    uint32_t random = 12345;
    if (dtype != QCC_F32) {
        /* Ids, masks and lengths: small enough to be valid wherever 0 and 1 are. */
        memset(data, 0, bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        ((float *)data)[i] = (float)(random >> 8) * (4.0f / 16777216.0f) - 2.0f;
    }
}

/* A quantized border is fed and read as f32. */
static QccDtype border(const QccTensorInfo *info)
{
    return info->quantized ? QCC_F32 : info->dtype;
}

static size_t padded(size_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static QccStatus describe(const Measurement *m, int i, int nin, QccTensorInfo *info)
{
    return i < nin ? qcc_program_input(m->program, i, info)
                   : qcc_program_output(m->program, i - nin, info);
}

static QccStatus prepare(Tool *tool, Measurement *m, const MeasureOptions *options)
{
    int nin = qcc_program_input_count(m->program);
    int n = nin + qcc_program_output_count(m->program);
    size_t total = ALIGNMENT;
    QccTensorInfo info;
    for (int i = 0; i < n; i++) {
        TOOL_TRY(describe(m, i, nin, &info));
        total += padded(tool_size(&info, border(&info)));
    }
    m->memory = malloc(total);
    m->buffer = calloc((size_t)n, sizeof *m->buffer);
    m->sample_ms = calloc((size_t)options->iterations, sizeof *m->sample_ms);
    if (!m->memory || !m->buffer || !m->sample_ms)
        return tool_error(tool, QCC_ERROR_MEMORY, "out of memory");
    char *at = (char *)m->memory + ALIGNMENT - (uintptr_t)m->memory % ALIGNMENT;
    for (int i = 0; i < n; i++) {
        TOOL_TRY(describe(m, i, nin, &info));
        QccDtype dtype = border(&info);
        m->buffer[i] = (QccBuffer){.data = at, .dtype = dtype};
        if (i < nin) fill(at, dtype, tool_count(&info), tool_size(&info, dtype));
        at += padded(tool_size(&info, dtype));
    }
    QccSessionOptions session = QCC_INIT(QccSessionOptions);
    session.threads = (int)options->threads;
    session.profile = true;
    return qcc_session_new(&m->session, m->program, &session);
}

/* ---- timing ---------------------------------------------------------------------------------- */

static QccStatus run_once(Measurement *m, double *ms)
{
    int nin = qcc_program_input_count(m->program);
    double start = tool_now_ms();
    TOOL_TRY(qcc_session_run(m->session, m->buffer, nin, m->buffer + nin,
                             qcc_program_output_count(m->program)));
    *ms = tool_now_ms() - start;
    return QCC_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle, or the mean of the two in the middle. */
static Timing summarize(double *ms, int64_t n)
{
    qsort(ms, (size_t)n, sizeof *ms, by_value);
    return (Timing){.min_ms = ms[0],
                    .median_ms = (ms[(n - 1) / 2] + ms[n / 2]) / 2,
                    .p90_ms = ms[(n * 9 + 9) / 10 - 1]};
}

QccStatus measure_run(Tool *tool, Measurement *m, int n, const MeasureOptions *options)
{
    enum { LEAST_RUNS = 5 };
    double ms;
    for (int k = 0; k < n; k++)
        if (m[k].program) TOOL_TRY(prepare(tool, &m[k], options));
    for (int64_t i = 0; i < options->warmup; i++)
        for (int k = 0; k < n; k++)
            if (m[k].program) TOOL_TRY(run_once(&m[k], &ms));
    double start = tool_now_ms();
    int64_t runs = 0;
    while (runs < options->iterations) {
        for (int k = 0; k < n; k++)
            if (m[k].program) TOOL_TRY(run_once(&m[k], &m[k].sample_ms[runs]));
        runs++;
        tool_progress(tool, "measuring", runs, options->iterations);
        if (options->limit_ms > 0 && runs >= LEAST_RUNS &&
            tool_now_ms() - start > options->limit_ms)
            break;
    }
    tool_progress_end(tool);
    for (int k = 0; k < n; k++)
        if (m[k].program) m[k].timing = summarize(m[k].sample_ms, runs);
    return QCC_OK;
}

void measure_free(Measurement *m, int n)
{
    for (int k = 0; k < n; k++) {
        qcc_session_free(m[k].session);
        free(m[k].memory);
        free(m[k].buffer);
        free(m[k].sample_ms);
        m[k] = (Measurement){0};
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

static double mean_ms(const QccProfileRow *r)
{
    return r->runs ? r->total_ms / (double)r->runs : 0;
}

/* Giga-operations a second, of the fastest run. */
static double gops(const QccProfileRow *r)
{
    return r->min_ms > 0 ? (double)r->operations / r->min_ms * 1e-6 : 0;
}

static int slowest_first(const void *a, const void *b)
{
    double x = ((const QccProfileRow *)a)->min_ms, y = ((const QccProfileRow *)b)->min_ms;
    return (x < y) - (x > y);
}

/* The rows in the order of the program; freed by the caller; NULL: none, or no memory. */
static QccProfileRow *rows_of(const Measurement *m, int *n)
{
    *n = m->session ? qcc_session_profile_count(m->session) : 0;
    QccProfileRow *row = *n > 0 ? calloc((size_t)*n, sizeof *row) : NULL;
    if (!row) *n = 0;
    for (int i = 0; i < *n; i++) qcc_session_profile(m->session, i, &row[i]);
    return row;
}

static const char *or_dash(const char *s)
{
    return s && *s ? s : "-";
}

void measure_print_kernels(FILE *out, const Measurement *m, int most)
{
    int n;
    QccProfileRow *row = rows_of(m, &n);
    double total = 0;
    for (int i = 0; i < n; i++) total += row[i].min_ms; /* the first runs were cold */
    if (n) qsort(row, (size_t)n, sizeof *row, slowest_first);
    if (most <= 0 || most > n) most = n;
    fprintf(out, "  %9s %6s %9s  %-44s %s\n", "min ms", "share", "GOP/s", "kernel", "node");
    for (int i = 0; i < most; i++) {
        const QccProfileRow *r = &row[i];
        fprintf(out, "  %9.4f %5.1f%% %9.2f  %-44s %s%s\n", r->min_ms,
                total > 0 ? 100 * r->min_ms / total : 0, gops(r), or_dash(r->kernel),
                or_dash(r->node && *r->node ? r->node : r->value),
                r->compiled ? "" : " (not compiled)");
    }
    free(row);
}

json_t *measure_kernels_json(const Measurement *m)
{
    int n;
    QccProfileRow *row = rows_of(m, &n);
    json_t *list = json_array();
    for (int i = 0; i < n; i++) {
        const QccProfileRow *r = &row[i];
        json_array_append_new(
            list, json_pack("{s:s?, s:s?, s:s?, s:o, s:o, s:I, s:I, s:o, s:b}", "kernel", r->kernel,
                            "value", r->value, "node", r->node, "mean_ms",
                            tool_real(true, mean_ms(r)), "min_ms", tool_real(true, r->min_ms),
                            "operations", (json_int_t)r->operations, "bytes", (json_int_t)r->bytes,
                            "gops", tool_real(true, gops(r)), "compiled", r->compiled));
    }
    free(row);
    return list;
}

json_t *measure_timing_json(const Measurement *m)
{
    if (!m->session) return json_null();
    return json_pack("{s:o, s:o, s:o}", "min_ms", tool_real(true, m->timing.min_ms), "median_ms",
                     tool_real(true, m->timing.median_ms), "p90_ms",
                     tool_real(true, m->timing.p90_ms));
}
