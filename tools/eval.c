/* eval - qcc eval: accuracy over labelled data, and the distance from a reference. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/tool.h"

typedef struct Values {
    const char *data, *reference, *target, *engine;
    bool json;
    double min_top1, max_loss; /* negative: no limit */
    const char *const *shapes;
} Values;

static QccStatus print_json(Tool *tool, const QccEvaluation *e)
{
    json_t *fp32 = e->compared
                       ? json_pack("{s:o, s:o}", "top1", tool_real(e->labelled, e->reference_top1),
                                   "top5", tool_real(e->labelled, e->reference_top5))
                       : json_null();
    json_t *flips =
        e->compared && e->labelled
            ? json_pack("{s:I, s:I}", "lost", (json_int_t)e->lost, "won", (json_int_t)e->won)
            : json_null();
    return tool_json(
        tool,
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o}", "n", (json_int_t)e->n,
                  "top1", tool_real(e->labelled, e->top1), "top5", tool_real(e->labelled, e->top5),
                  "agreement", tool_real(e->compared, e->agreement), "sqnr_db",
                  tool_real(e->compared, e->sqnr_db), "cosine", tool_real(e->compared, e->cosine),
                  "fp32", fp32, "flips", flips, "size_bytes", (json_int_t)e->size_bytes,
                  "reference_size_bytes",
                  e->compared ? json_integer((json_int_t)e->reference_size_bytes) : json_null()));
}

static void print_text(const QccEvaluation *e)
{
    char bytes[32];
    printf("samples    %" PRId64 "\n", e->n);
    if (e->labelled) printf("top-1      %.2f %%\ntop-5      %.2f %%\n", e->top1, e->top5);
    if (e->compared && e->labelled)
        printf("reference  top-1 %.2f %%, top-5 %.2f %%; %" PRId64
               " right there are wrong here, %" PRId64 " the other way round\n",
               e->reference_top1, e->reference_top5, e->lost, e->won);
    if (e->compared)
        printf("agreement  %.2f %%\nsqnr       %.2f dB\ncosine     %.6f\n", e->agreement,
               e->sqnr_db, e->cosine);
    printf("constants  %s", tool_bytes(bytes, e->size_bytes));
    if (e->compared) printf(", reference %s", tool_bytes(bytes, e->reference_size_bytes));
    putchar('\n');
}

static QccStatus check_limits(Tool *tool, const QccEvaluation *e, const Values *v)
{
    if (v->min_top1 < 0 && v->max_loss < 0) return QCC_OK;
    if (!e->labelled)
        return tool_error(tool, QCC_ERROR_USAGE, "a limit on accuracy needs data with labels");
    if (v->min_top1 >= 0 && e->top1 < v->min_top1)
        return tool_error(tool, QCC_ERROR_ACCURACY, "top-1 is %.2f %%, the limit is %.2f %%",
                          e->top1, v->min_top1);
    if (v->max_loss >= 0 && e->reference_top1 - e->top1 > v->max_loss)
        return tool_error(tool, QCC_ERROR_ACCURACY,
                          "top-1 is %.2f points below the reference, the limit is %.2f",
                          e->reference_top1 - e->top1, v->max_loss);
    return QCC_OK;
}

static QccStatus make_program(Tool *tool, QccModel **model, QccProgram **program, const char *path,
                              const Values *v)
{
    QccProgramOptions options;
    TOOL_TRY(tool_program_options(tool, &options, v->target, v->engine));
    TOOL_TRY(tool_open_ready(tool, model, path, v->shapes));
    return qcc_program_new(program, *model, &options);
}

static QccStatus run(Tool *tool, const void *values)
{
    const Values *v = values;
    if (v->max_loss >= 0 && !v->reference)
        return tool_error(tool, QCC_ERROR_USAGE, "--max-loss needs --reference=MODEL");
    QccModel *model = NULL, *reference_model = NULL;
    QccProgram *program = NULL, *reference = NULL;
    QccEvaluation e = QCC_INIT(QccEvaluation);
    QccStatus status = make_program(tool, &model, &program, tool->arg[0], v);
    if (status == QCC_OK && v->reference)
        status = make_program(tool, &reference_model, &reference, v->reference, v);
    if (status == QCC_OK) {
        QccEvaluateOptions o = QCC_INIT(QccEvaluateOptions);
        o.data = v->data;
        o.model = model;
        o.reference = reference;
        o.threads = (int)tool->globals.threads;
        status = qcc_evaluate(&e, tool->context, program, &o);
    }
    tool_progress_end(tool);
    if (status == QCC_OK && v->json)
        status = print_json(tool, &e);
    else if (status == QCC_OK)
        print_text(&e);
    if (status == QCC_OK) status = check_limits(tool, &e, v);
    qcc_program_free(program);
    qcc_program_free(reference);
    qcc_model_free(model);
    qcc_model_free(reference_model);
    return status;
}

static const Option options[] = {
    OPTION_STRING('d', "data", Values, data, "DATA.yaml",
                  "what to evaluate on; by default the samples that the model carries"),
    OPTION_STRING('r', "reference", Values, reference, "MODEL",
                  "what to compare with, usually the fp32 model"),
    OPTION_FLAG(0, "json", Values, json, "prints JSON"),
    OPTION_FLOAT(0, "min-top1", Values, min_top1, "PERCENT", 0, 100,
                 "ends with exit code 4 when top-1 is lower"),
    OPTION_FLOAT(0, "max-loss", Values, max_loss, "POINTS", 0, 100,
                 "ends with exit code 4 when top-1 is further below the reference's"),
    OPTION_STRING('e', "engine", Values, engine, "jit|interp",
                  "compiled code, or the reference interpreter"),
    OPTION_STRING('t', "target", Values, target, "BUNDLE",
                  "instruction set (qcc targets); by default the best of this machine"),
    OPTION_LIST(0, "shape", Values, shapes, "[NAME=]N,N,...",
                "the shape of an input, where the model leaves it open"),
    {0},
};

const Command eval_command = {
    .name = "eval",
    .usage = "MODEL --data=DATA.yaml [--reference=MODEL] [--json]",
    .summary = "measures accuracy, and the distance from a reference",
    .details =
        "Agreement, SQNR and cosine compare the outputs before a final softmax with those of the\n"
        "reference. In JSON, percentages are numbers from 0 to 100, and what is not known is "
        "null.\n",
    .options = options,
    .values_size = sizeof(Values),
    .defaults = &(const Values){.min_top1 = -1, .max_loss = -1},
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
