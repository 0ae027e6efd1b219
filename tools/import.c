/* import - qcc import: a foreign model becomes a model.bin, with samples for calibration if wanted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

typedef struct Values {
    const char *output, *calib;
    int64_t samples;
    const char *const *shapes;
} Values;

static QccStatus import_model(Tool *tool, QccModel *model, const Values *v, const char *path)
{
    if (v->calib) TOOL_TRY(qcc_model_embed_data(model, v->calib, v->samples));
    TOOL_TRY(tool_save_model(tool, model, path, tool->arg[0]));
    if (strcmp(path, "-") == 0) return QCC_OK;
    char bytes[32];
    printf("file       %s, %s\n", path, tool_bytes(bytes, tool_file_bytes(path)));
    return qcc_model_print(model, QCC_PRINT_SUMMARY, tool_write, stdout);
}

static QccStatus run(Tool *tool, const void *values)
{
    const Values *v = values;
    QccModel *model;
    TOOL_TRY(tool_open_model(tool, &model, tool->arg[0], v->shapes));
    char *beside = v->output ? NULL : tool_output_path(tool->arg[0], NULL);
    const char *path = v->output ? v->output : beside;
    QccStatus status = path ? import_model(tool, model, v, path)
                            : tool_error(tool, QCC_ERROR_MEMORY, "out of memory");
    free(beside);
    qcc_model_free(model);
    return status;
}

static const Option options[] = {
    OPTION_STRING('o', "output", Values, output, "FILE",
                  "where the model goes; .qir writes text; - is standard output; by default "
                  "MODEL's name with "
                  ".bin"),
    OPTION_STRING('c', "calib", Values, calib, "DATA.yaml",
                  "data of which samples go into the model, with the preprocessing"),
    OPTION_INT('n', "samples", Values, samples, "N", 1, 1e9,
               "how many samples at most; 256 by default"),
    OPTION_LIST(0, "shape", Values, shapes, "[NAME=]N,N,...",
                "the shape of an input, where the model leaves it open"),
    {0},
};

const Command import_command = {
    .name = "import",
    .usage = "MODEL [-o FILE] [--calib=DATA.yaml [--samples=N]]",
    .summary = "reads a model (ONNX, .qir, model.bin) and writes a model.bin",
    .options = options,
    .values_size = sizeof(Values),
    .defaults = &(const Values){.samples = 256},
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
