/* dump - qcc dump: a model, and what is made of it, as text. */
#include <stdio.h>

#include "tools/tool.h"

typedef struct Values {
    bool full, summary, plan, kernels, stats, sizes, json;
    const char *folder, *target;
    const char *const *shapes;
} Values;

static QccStatus report_program(Tool *tool, const QccProgram *program, const Values *v)
{
    const struct {
        bool wanted;
        QccReport report;
    } reports[] = {
        {v->plan, QCC_REPORT_PLAN},
        {v->kernels, QCC_REPORT_KERNELS},
        {v->sizes, QCC_REPORT_SIZES},
        {v->stats && !v->json, QCC_REPORT_STATS},
        {v->stats && v->json, QCC_REPORT_STATS_JSON},
    };
    (void)tool;
    for (size_t i = 0; i < sizeof reports / sizeof *reports; i++)
        if (reports[i].wanted)
            TOOL_TRY(qcc_program_report(program, reports[i].report, tool_write, stdout));
    return v->folder ? qcc_program_dump_kernels(program, v->folder) : QCC_OK;
}

static QccStatus dump_program(Tool *tool, const Values *v)
{
    QccModel *model;
    QccProgramOptions options;
    TOOL_TRY(tool_program_options(tool, &options, v->target, NULL));
    TOOL_TRY(tool_open_ready(tool, &model, tool->arg[0], v->shapes));
    QccProgram *program = NULL;
    QccStatus status = qcc_program_new(&program, model, &options);
    if (status == QCC_OK) status = report_program(tool, program, v);
    qcc_program_free(program);
    qcc_model_free(model);
    return status;
}

static QccStatus run(Tool *tool, const void *values)
{
    const Values *v = values;
    if (v->json && !v->stats)
        return tool_error(tool, QCC_ERROR_USAGE, "--json is the form of --stats, which is missing");
    if (v->plan || v->kernels || v->stats || v->sizes || v->folder) return dump_program(tool, v);
    QccModel *model;
    TOOL_TRY(tool_open_model(tool, &model, tool->arg[0], v->shapes));
    QccPrint what = v->summary ? QCC_PRINT_SUMMARY : v->full ? QCC_PRINT_QIR_FULL : QCC_PRINT_QIR;
    QccStatus status = qcc_model_print(model, what, tool_write, stdout);
    qcc_model_free(model);
    return status;
}

static const Option options[] = {
    OPTION_FLAG(0, "full", Values, full,
                "the text with every constant; by default large ones are left out"),
    OPTION_FLAG(0, "summary", Values, summary,
                "inputs, outputs, ops, parameters instead of the text"),
    OPTION_FLAG(0, "plan", Values, plan, "where every value lies in memory: offset, pitches, halo"),
    OPTION_FLAG(0, "kernels", Values, kernels, "the text of every kernel"),
    OPTION_STRING(0, "dump-kernels", Values, folder, "DIR",
                  "writes every kernel's text, LLVM IR, assembly and object into a folder"),
    OPTION_FLAG(0, "sizes", Values, sizes, "bytes of constants, activations and code"),
    OPTION_FLAG(0, "stats", Values, stats,
                "kernels, cache hits, compile times, and the ops that run through eval"),
    OPTION_FLAG(0, "json", Values, json, "--stats as JSON"),
    OPTION_STRING('t', "target", Values, target, "BUNDLE",
                  "instruction set (qcc targets); by default the best of this machine"),
    OPTION_LIST(0, "shape", Values, shapes, "[NAME=]N,N,...",
                "the shape of an input, where the model leaves it open"),
    {0},
};

const Command dump_command = {
    .name = "dump",
    .usage = "MODEL [--plan | --kernels | --stats | ...]",
    .summary = "prints a model as text, or the program that is made of it",
    .options = options,
    .values_size = sizeof(Values),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
