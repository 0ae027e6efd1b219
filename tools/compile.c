/* compile - qcc compile: a pipeline makes a program of a model; a table says what was won and lost.
 *
 *   MODEL -> pipeline -> OUT.bin -> program -+-> accuracy -> latency -> table
 *   MODEL -> float    ----------> reference -+
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

typedef struct Values {
    const char *pipeline, *output, *calib, *data, *target, *stop_after, *reproducer;
    const char *const *set, *const *print_after, *const *shapes;
    bool print_changed, verify_each, timing, stats, report_unfused, json, quick;
    int64_t top;
} Values;

/* One column of the table. */
typedef struct Side {
    QccModel *model;
    QccProgram *program;
    json_t *stats;
    int64_t file_bytes;
} Side;

typedef struct Job {
    Tool *tool;
    const Values *values;
    FILE *out; /* where the table goes: standard error when the program goes to standard output */
    QccProgramOptions options;
    const char *input, *output;
    Side made, reference;
    bool evaluated;
    QccEvaluation evaluation;
    Measurement measured[2]; /* of made, of reference */
} Job;

/* ---- the program ----------------------------------------------------------------------------- */

static QccStatus transform(Job *j)
{
    const Values *v = j->values;
    bool verbose = j->tool->globals.verbose;
    QccPipelineOptions o = QCC_INIT(QccPipelineOptions);
    o.pipeline = v->pipeline;
    o.data = v->calib;
    o.set = v->set;
    o.print_after = v->print_after;
    o.print_changed = v->print_changed;
    o.verify_each = v->verify_each;
    o.timing = v->timing || verbose;
    o.stats = v->stats || verbose;
    o.stop_after = v->stop_after;
    o.reproducer = v->reproducer;
    o.print = tool_write;
    o.print_user = stderr;
    QccStatus status = qcc_model_transform(j->made.model, &o);
    tool_progress_end(j->tool);
    return status;
}

static QccStatus make_program(Job *j, Side *s)
{
    TOOL_TRY(qcc_program_new(&s->program, s->model, &j->options));
    return tool_program_stats(j->tool, &s->stats, s->program);
}

/* ---- what it is worth ------------------------------------------------------------------------ */

/* The fp32 model, for comparison. That it cannot be had is no reason to fail. */
static void make_reference(Job *j)
{
    Side *r = &j->reference;
    QccStatus status = tool_open_ready(j->tool, &r->model, j->input, j->values->shapes);
    if (status == QCC_OK) status = make_program(j, r);
    r->file_bytes = tool_file_bytes(j->input);
    if (status == QCC_OK) return;
    qcc_program_free(r->program);
    r->program = NULL;
    tool_warn(j->tool, "there is no fp32 program to compare with");
}

static QccStatus evaluate(Job *j)
{
    const Values *v = j->values;
    bool random = v->calib && strncmp(v->calib, "random:", 7) == 0;
    QccEvaluateOptions o = QCC_INIT(QccEvaluateOptions);
    o.data = v->data ? v->data : random ? NULL : v->calib;
    /* A quantized program carries no samples any more. */
    o.model = j->reference.model ? j->reference.model : j->made.model;
    o.reference = j->reference.program;
    o.threads = (int)j->tool->globals.threads;
    /* Without --data or --calib the model's own samples serve, if it has any. */
    j->tool->muted = !o.data;
    QccStatus status = qcc_evaluate(&j->evaluation, j->tool->context, j->made.program, &o);
    j->tool->muted = false;
    tool_progress_end(j->tool);
    j->evaluated = status == QCC_OK;
    return o.data ? status : QCC_OK;
}

static QccStatus measure(Job *j)
{
    j->measured[0].program = j->made.program;
    j->measured[1].program = j->reference.program;
    MeasureOptions o = {
        .threads = j->tool->globals.threads, .warmup = 3, .iterations = 200, .limit_ms = 1500};
    return measure_run(j->tool, j->measured, 2, &o);
}

/* ---- the table ------------------------------------------------------------------------------- */

enum { LABEL = 18, COLUMN = 14 };

static void put_row(const Job *j, const char *label, const char *made, const char *reference,
                    const char *remark)
{
    fprintf(j->out, "%-*s%*s", LABEL, label, COLUMN, made);
    if (j->reference.program) fprintf(j->out, "%*s", COLUMN, reference);
    fprintf(j->out, "%s%s\n", *remark ? "   " : "", remark);
}

static int64_t stat_of(const Side *s, const char *key)
{
    return json_integer_value(json_object_get(s->stats, key));
}

static void put_bytes(const Job *j, const char *label, int64_t made, int64_t reference)
{
    char a[32], b[32], remark[32] = "";
    if (j->reference.program && reference > 0)
        snprintf(remark, sizeof remark, "%.2f of it", (double)made / (double)reference);
    put_row(j, label, tool_bytes(a, made), tool_bytes(b, reference), remark);
}

static void put_percent(const Job *j, const char *label, double made, double reference)
{
    char a[32], b[32], remark[48] = "";
    snprintf(a, sizeof a, "%.2f %%", made);
    snprintf(b, sizeof b, "%.2f %%", reference);
    if (j->reference.program) snprintf(remark, sizeof remark, "%+.2f", made - reference);
    put_row(j, label, a, b, remark);
}

static void put_ms(const Job *j, const char *label, double made, double reference)
{
    char a[32], b[32], remark[48] = "";
    snprintf(a, sizeof a, "%.4f ms", made);
    snprintf(b, sizeof b, "%.4f ms", reference);
    if (j->reference.program && made > 0)
        snprintf(remark, sizeof remark, "%.2f times as fast", reference / made);
    put_row(j, label, a, b, remark);
}

static void put_accuracy(const Job *j)
{
    const QccEvaluation *e = &j->evaluation;
    char text[64], remark[96] = "";
    if (e->labelled) {
        put_percent(j, "top-1", e->top1, e->reference_top1);
        put_percent(j, "top-5", e->top5, e->reference_top5);
    }
    if (e->compared) {
        if (e->labelled)
            snprintf(remark, sizeof remark, "   %" PRId64 " lost, %" PRId64 " won of %" PRId64,
                     e->lost, e->won, e->n);
        else
            snprintf(remark, sizeof remark, "   of %" PRId64, e->n);
        snprintf(text, sizeof text, "%.2f %%", e->agreement);
        fprintf(j->out, "%-*s%*s%s\n", LABEL, "same class", COLUMN, text, remark);
        snprintf(text, sizeof text, "%.2f dB", e->sqnr_db);
        fprintf(j->out, "%-*s%*s\n", LABEL, "sqnr", COLUMN, text);
    }
}

static void print_table(const Job *j)
{
    const Side *made = &j->made, *reference = &j->reference;
    const char *name = qcc_model_has(made->model, "quantized") ? "int8" : "fp32";
    fprintf(j->out, "%s for %s\n\n", j->output,
            json_string_value(json_object_get(made->stats, "target")));
    bool float_reference = j->reference.model && !qcc_model_has(j->reference.model, "quantized");
    put_row(j, "", name, float_reference ? "fp32" : "reference", "");
    put_bytes(j, "file", made->file_bytes, reference->file_bytes);
    put_bytes(j, "constants", stat_of(made, "constant_bytes"),
              stat_of(reference, "constant_bytes"));
    put_bytes(j, "packed weights", stat_of(made, "packed_bytes"),
              stat_of(reference, "packed_bytes"));
    put_bytes(j, "activations", stat_of(made, "arena_bytes"), stat_of(reference, "arena_bytes"));
    if (j->evaluated) put_accuracy(j);
    put_ms(j, "latency, min", j->measured[0].timing.min_ms, j->measured[1].timing.min_ms);
    put_ms(j, "latency, median", j->measured[0].timing.median_ms, j->measured[1].timing.median_ms);
    if (stat_of(made, "eval_steps"))
        fprintf(j->out, "%-*s%*" PRId64 "   ops have no kernel and run slowly: --stats\n", LABEL,
                "not compiled", COLUMN, stat_of(made, "eval_steps"));
    fprintf(j->out, "\nslowest kernels\n");
    measure_print_kernels(j->out, &j->measured[0], (int)j->values->top);
}

static json_t *side_json(const Side *s, const Measurement *m)
{
    if (!s->program) return json_null();
    return json_pack("{s:I, s:o, s:O}", "file_bytes", (json_int_t)s->file_bytes, "latency",
                     measure_timing_json(m), "program", s->stats);
}

static QccStatus print_json(const Job *j)
{
    const QccEvaluation *e = &j->evaluation;
    bool labelled = j->evaluated && e->labelled, compared = j->evaluated && e->compared;
    json_t *accuracy =
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "n", (json_int_t)e->n, "top1",
                  tool_real(labelled, e->top1), "top5", tool_real(labelled, e->top5),
                  "reference_top1", tool_real(labelled && compared, e->reference_top1),
                  "reference_top5", tool_real(labelled && compared, e->reference_top5), "agreement",
                  tool_real(compared, e->agreement), "sqnr_db", tool_real(compared, e->sqnr_db),
                  "cosine", tool_real(compared, e->cosine));
    return tool_json(
        j->tool, json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o}", "output", j->output, "quantized",
                           qcc_model_has(j->made.model, "quantized"), "random_calibration",
                           qcc_model_has(j->made.model, "calibrated-on-random"), "made",
                           side_json(&j->made, &j->measured[0]), "reference",
                           side_json(&j->reference, &j->measured[1]), "accuracy", accuracy,
                           "kernels", measure_kernels_json(&j->measured[0])));
}

/* ---- the command ----------------------------------------------------------------------------- */

/* "dir/ptq_int8.yaml" -> "ptq_int8"; to be freed. */
static char *pipeline_stem(const char *pipeline)
{
    const char *slash = strrchr(pipeline, '/'), *base = slash ? slash + 1 : pipeline;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    char *stem = malloc(n + 1);
    if (!stem) return NULL;
    memcpy(stem, base, n);
    stem[n] = '\0';
    return stem;
}

/* With times when the program has been measured. */
static QccStatus report_unfused(const Job *j)
{
    return qcc_model_report_unfused(j->made.model, j->measured[0].session, tool_write, stderr);
}

static QccStatus compile(Job *j)
{
    const Values *v = j->values;
    TOOL_TRY(tool_program_options(j->tool, &j->options, v->target, NULL));
    TOOL_TRY(tool_open_model(j->tool, &j->made.model, j->input, v->shapes));
    TOOL_TRY(transform(j));
    TOOL_TRY(tool_save_model(j->tool, j->made.model, j->output, j->input));
    j->made.file_bytes = tool_file_bytes(j->output);
    if (v->stop_after) return QCC_OK; /* what there is now need not be fit to run */
    TOOL_TRY(make_program(j, &j->made));
    if (v->stats || j->tool->globals.verbose)
        TOOL_TRY(qcc_program_report(j->made.program, QCC_REPORT_STATS, tool_write, stderr));
    if (v->quick) return v->report_unfused ? report_unfused(j) : QCC_OK;
    make_reference(j);
    TOOL_TRY(evaluate(j));
    TOOL_TRY(measure(j));
    if (v->report_unfused) TOOL_TRY(report_unfused(j));
    if (v->json) return print_json(j);
    print_table(j);
    return QCC_OK;
}

static void free_side(Side *s)
{
    json_decref(s->stats);
    qcc_program_free(s->program);
    qcc_model_free(s->model);
}

static QccStatus run(Tool *tool, const void *values)
{
    const Values *v = values;
    if (!v->pipeline)
        return tool_error(tool, QCC_ERROR_USAGE,
                          "no pipeline is given: -p PIPELINE, for instance -p ptq_int8");
    if (v->output && strcmp(v->output, "-") == 0 && v->json)
        return tool_error(tool, QCC_ERROR_USAGE, "-o - and --json both want standard output");
    char *stem = pipeline_stem(v->pipeline);
    char *beside = stem ? tool_output_path(tool->arg[0], stem) : NULL;
    Job j = {.tool = tool,
             .values = v,
             .out = v->output && strcmp(v->output, "-") == 0 ? stderr : stdout,
             .input = tool->arg[0],
             .output = v->output ? v->output : beside,
             .evaluation = QCC_INIT(QccEvaluation)};
    QccStatus status = j.output ? compile(&j) : tool_error(tool, QCC_ERROR_MEMORY, "out of memory");
    measure_free(j.measured, 2);
    free_side(&j.made);
    free_side(&j.reference);
    free(stem);
    free(beside);
    return status;
}

static const Option options[] = {
    OPTION_STRING('p', "pipeline", Values, pipeline, "PIPELINE",
                  "a YAML file, or the name of an installed pipeline: float, ptq_int8, ..."),
    OPTION_STRING(
        'o', "output", Values, output, "FILE",
        "where the program goes; - is standard output; by default STEM.PIPELINE.bin beside MODEL"),
    OPTION_STRING('c', "calib", Values, calib, "DATA.yaml",
                  "data for calibration; random:N makes it up, for benchmarks only; by default the "
                  "pipeline's, "
                  "or the samples that the model carries"),
    OPTION_STRING('d', "data", Values, data, "DATA.yaml",
                  "data for the accuracy in the table; by default that for calibration"),
    OPTION_LIST('s', "set", Values, set, "PASS.OPTION=VALUE",
                "sets an option of a pass, over what the pipeline says"),
    OPTION_STRING('t', "target", Values, target, "BUNDLE",
                  "instruction set (qcc targets); by default the best of this machine"),
    OPTION_LIST(0, "shape", Values, shapes, "[NAME=]N,N,...",
                "the shape of an input, where the model leaves it open"),
    OPTION_LIST(0, "print-after", Values, print_after, "PASS|all",
                "prints the graph after a pass, on standard error"),
    OPTION_FLAG(0, "print-changed", Values, print_changed,
                "prints the graph after every pass that changed it"),
    OPTION_STRING(0, "stop-after", Values, stop_after, "PASS",
                  "ends after a pass; the output is the graph as it then stands"),
    OPTION_FLAG(0, "verify-each", Values, verify_each, "checks the graph after every pass"),
    OPTION_FLAG(0, "timing", Values, timing, "prints how long every pass took"),
    OPTION_FLAG(0, "stats", Values, stats,
                "prints what every pass counted, and the kernels, with the ops that have none"),
    OPTION_FLAG(
        0, "report-unfused", Values, report_unfused,
        "names what is left between quantized and float parts: who blocks it, why, and what "
        "it costs"),
    OPTION_STRING(0, "reproducer", Values, reproducer, "FILE.qir",
                  "when a pass fails, writes the graph as it was before it"),
    OPTION_FLAG(0, "quick", Values, quick,
                "ends when the program is written and compiled: no accuracy, no latency, no table"),
    OPTION_INT(0, "top", Values, top, "N", 1, 1e6, "how many kernels the table names; 5"),
    OPTION_FLAG(0, "json", Values, json, "prints the table as JSON"),
    {0},
};

const Command compile_command = {
    .name = "compile",
    .usage = "-p PIPELINE MODEL [--calib=DATA.yaml] [-o OUT.bin]",
    .summary = "makes a program of a model by a pipeline of passes, and says what it is worth",
    .details = "MODEL is ONNX, .qir or model.bin. The table compares with the fp32 model on this\n"
               "machine; accuracy needs data with labels.\n",
    .options = options,
    .values_size = sizeof(Values),
    .defaults = &(const Values){.top = 5},
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
