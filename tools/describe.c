/* describe - qcc passes, ops, targets: what there is. */
#include <stdio.h>

#include "tools/tool.h"

/* The list, or what is said about each of the names. */
static QccStatus describe(Tool *tool, const char *list, const char *one)
{
    if (tool->narg == 0) return qcc_describe(tool->context, list, tool_write, stdout);
    for (int i = 0; i < tool->narg; i++) {
        char topic[256];
        snprintf(topic, sizeof topic, "%s:%s", one, tool->arg[i]);
        if (i > 0) putchar('\n');
        TOOL_TRY(qcc_describe(tool->context, topic, tool_write, stdout));
    }
    return QCC_OK;
}

typedef struct PassValues {
    bool pipelines;
} PassValues;

static QccStatus run_passes(Tool *tool, const void *values)
{
    const PassValues *v = values;
    if (v->pipelines) return qcc_describe(tool->context, "pipelines", tool_write, stdout);
    return describe(tool, "passes", "pass");
}

static QccStatus run_ops(Tool *tool, const void *values)
{
    (void)values;
    return describe(tool, "ops", "op");
}

enum { MANY = 1000 };

static const Option pass_options[] = {
    OPTION_FLAG(0, "pipelines", PassValues, pipelines,
                "the installed pipelines, which -p takes by name, instead of the passes"),
    {0},
};

const Command passes_command = {
    .name = "passes",
    .usage = "[NAME...] [--pipelines]",
    .summary = "lists the passes, or says what the named ones do and their options",
    .options = pass_options,
    .values_size = sizeof(PassValues),
    .max_args = MANY,
    .run = run_passes,
};

const Command ops_command = {
    .name = "ops",
    .usage = "[NAME...]",
    .summary = "lists the ops, or says what the named ones do and their attributes",
    .max_args = MANY,
    .run = run_ops,
};

typedef struct TargetValues {
    bool names;
} TargetValues;

static QccStatus run_targets(Tool *tool, const void *values)
{
    const TargetValues *v = values;
    return qcc_describe(tool->context, v->names ? "target-names" : "targets", tool_write, stdout);
}

static const Option target_options[] = {
    OPTION_FLAG(0, "names", TargetValues, names,
                "only the names of those that this machine can run, one a line"),
    {0},
};

const Command targets_command = {
    .name = "targets",
    .usage = "[--names]",
    .summary = "lists the instruction set bundles that code is made for",
    .options = target_options,
    .values_size = sizeof(TargetValues),
    .run = run_targets,
};
