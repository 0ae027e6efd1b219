/* bench - qcc bench: latency of a program and of a reference, in turns; a table of kernels. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/tool.h"

typedef struct Values {
    const char *reference, *target, *engine;
    bool json;
    int64_t warmup, iterations, top;
    const char *const *shapes;
} Values;

/* One of the two columns. */
typedef struct Side {
    const char *name; /* "int8", "fp32" */
    QccModel *model;
    QccProgram *program;
} Side;

static QccStatus open_side(Tool *tool, Side *s, const char *path, const Values *v)
{
    QccProgramOptions options;
    TOOL_TRY(tool_program_options(tool, &options, v->target, v->engine));
    TOOL_TRY(tool_open_ready(tool, &s->model, path, v->shapes));
    s->name = qcc_model_has(s->model, "quantized") ? "int8" : "fp32";
    return qcc_program_new(&s->program, s->model, &options);
}

/* The measured side of that name: of two the reference is always fp32. */
static const Measurement *side_of(const Measurement *m, bool quantized, bool compared, int which)
{
    if (compared) return &m[which];
    return quantized == (which == 0) ? &m[0] : &m[1];
}

static QccStatus print_json(Tool *tool, const Measurement *int8, const Measurement *fp32,
                            const Measurement *main_side, const Side *side, const Values *v)
{
    json_t *stats;
    TOOL_TRY(tool_program_stats(tool, &stats, side->program));
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I}", "int8", measure_timing_json(int8), "fp32",
                  measure_timing_json(fp32), "kernels", measure_kernels_json(main_side), "program",
                  stats, "threads", (json_int_t)tool->globals.threads, "warmup",
                  (json_int_t)v->warmup, "iterations", (json_int_t)v->iterations);
    if (json && int8->session && fp32->session)
        json_object_set_new(json, "speedup",
                            tool_real(true, fp32->timing.median_ms / int8->timing.median_ms));
    return tool_json(tool, json);
}

static void print_timing(const char *name, const Measurement *m)
{
    if (!m->session) return;
    printf("%-6s %10.4f %10.4f %10.4f\n", name, m->timing.min_ms, m->timing.median_ms,
           m->timing.p90_ms);
}

static void print_text(const Measurement *int8, const Measurement *fp32,
                       const Measurement *main_side, const Values *v)
{
    printf("%-6s %10s %10s %10s\n", "", "min ms", "median ms", "p90 ms");
    print_timing("int8", int8);
    print_timing("fp32", fp32);
    if (int8->session && fp32->session && int8->timing.median_ms > 0)
        printf("int8 is %.2f times as fast\n", fp32->timing.median_ms / int8->timing.median_ms);
    putchar('\n');
    measure_print_kernels(stdout, main_side, (int)v->top);
}

static QccStatus measure(Tool *tool, const Side *side, const Values *v)
{
    bool quantized = qcc_model_has(side[0].model, "quantized"), compared = side[1].program != NULL;
    Measurement m[2] = {{.program = side[0].program}, {.program = side[1].program}};
    MeasureOptions options = {
        .threads = tool->globals.threads, .warmup = v->warmup, .iterations = v->iterations};
    QccStatus status = measure_run(tool, m, 2, &options);
    const Measurement *int8 = side_of(m, quantized, compared, 0);
    const Measurement *fp32 = side_of(m, quantized, compared, 1);
    if (status == QCC_OK && v->json)
        status = print_json(tool, int8, fp32, &m[0], &side[0], v);
    else if (status == QCC_OK)
        print_text(int8, fp32, &m[0], v);
    measure_free(m, 2);
    return status;
}

static QccStatus run(Tool *tool, const void *values)
{
    const Values *v = values;
    Side side[2] = {0};
    QccStatus status = open_side(tool, &side[0], tool->arg[0], v);
    if (status == QCC_OK && v->reference) status = open_side(tool, &side[1], v->reference, v);
    if (status == QCC_OK) status = measure(tool, side, v);
    for (int k = 0; k < 2; k++) {
        qcc_program_free(side[k].program);
        qcc_model_free(side[k].model);
    }
    return status;
}

static const Option options[] = {
    OPTION_STRING('r', "reference", Values, reference, "MODEL",
                  "what to compare with, usually the fp32 model; the two run in turns"),
    OPTION_INT('w', "warmup", Values, warmup, "N", 0, 1e6, "runs that do not count; 5"),
    OPTION_INT('i', "iterations", Values, iterations, "N", 1, 1e6, "runs that count; 50"),
    OPTION_LIST(0, "shape", Values, shapes, "[NAME=]N,N,...",
                "the shape of an input, as x=8,3,224,224, where the model leaves it open"),
    OPTION_INT(0, "top", Values, top, "N", 0, 1e6,
               "how many kernels the table shows, the slowest first; all by default"),
    OPTION_STRING('e', "engine", Values, engine, "jit|interp",
                  "compiled code, or the reference interpreter"),
    OPTION_STRING('t', "target", Values, target, "BUNDLE",
                  "instruction set (qcc targets); by default the best of this machine"),
    OPTION_FLAG(0, "json", Values, json, "prints JSON"),
    {0},
};

const Command bench_command = {
    .name = "bench",
    .usage = "MODEL [--reference=MODEL] [--threads=N] [--shape=x=8,3,224,224] [--json]",
    .summary = "measures latency, of the whole and of every kernel",
    .details = "A model that no pipeline has seen is measured as fp32. A multiply-add counts as\n"
               "two operations.\n",
    .options = options,
    .values_size = sizeof(Values),
    .defaults = &(const Values){.warmup = 5, .iterations = 50},
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
