/* load - models from the command line: opened, given shapes, made ready to run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tool.h"

const char *tool_split_name(const char *text, size_t *n)
{
    const char *equals = access(text, F_OK) == 0 ? NULL : strchr(text, '=');
    *n = equals ? (size_t)(equals - text) : 0;
    return equals ? equals + 1 : text;
}

/* "8,3,224,224", also with x between. */
static bool parse_shape(const char *text, int64_t *shape, int *rank)
{
    for (*rank = 0; *rank < QCC_MAX_RANK; text++) {
        char *end;
        errno = 0;
        shape[(*rank)++] = strtoll(text, &end, 10);
        if (end == text || errno || shape[*rank - 1] <= 0) return false;
        text = end;
        if (!*text) return true;
        if (*text != ',' && *text != 'x') return false;
    }
    return false;
}

/* One --shape; its name is allocated. */
static QccStatus read_shape(Tool *tool, QccInputShape *shape, const char *text)
{
    size_t n;
    const char *extents = tool_split_name(text, &n);
    *shape = (QccInputShape){0};
    if (!parse_shape(extents, shape->shape.dim, &shape->shape.rank))
        return tool_error(tool, QCC_ERROR_USAGE,
                          "--shape wants [NAME=]N,N,... with at most %d positive numbers, not '%s'",
                          QCC_MAX_RANK, text);
    if (n == 0) return QCC_OK;
    shape->name = strndup(text, n);
    return shape->name ? QCC_OK : tool_error(tool, QCC_ERROR_MEMORY, "out of memory");
}

QccStatus tool_open_model(Tool *tool, QccModel **model, const char *path, const char *const *shapes)
{
    int n = 0;
    while (shapes && shapes[n]) n++;
    *model = NULL;
    QccInputShape *given = calloc((size_t)n + 1, sizeof *given);
    if (!given) return tool_error(tool, QCC_ERROR_MEMORY, "out of memory");
    QccStatus status = QCC_OK;
    for (int i = 0; i < n && status == QCC_OK; i++) status = read_shape(tool, &given[i], shapes[i]);
    if (status == QCC_OK) status = qcc_model_open_shaped(model, tool->context, path, given, n);
    for (int i = 0; i < n; i++) free((char *)(uintptr_t)given[i].name);
    free(given);
    return status;
}

QccStatus tool_open_ready(Tool *tool, QccModel **model, const char *path, const char *const *shapes)
{
    TOOL_TRY(tool_open_model(tool, model, path, shapes));
    if (qcc_model_has(*model, "fused") || qcc_model_has(*model, "quantized")) return QCC_OK;
    QccPipelineOptions options = QCC_INIT(QccPipelineOptions);
    options.pipeline = "float";
    QccStatus status = qcc_model_transform(*model, &options);
    if (status == QCC_OK) return QCC_OK;
    qcc_model_free(*model);
    *model = NULL;
    return status;
}

/* ---- files ----------------------------------------------------------------------------------- */

int64_t tool_file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

char *tool_output_path(const char *input, const char *middle)
{
    const char *slash = strrchr(input, '/'), *base = slash ? slash + 1 : input;
    const char *dot = strrchr(base, '.');
    int stem = (int)(dot && dot > base ? dot - input : (ptrdiff_t)strlen(input));
    size_t size = (size_t)stem + (middle ? strlen(middle) : 0) + 8;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%.*s%s%s.bin", stem, input, middle ? "." : "", middle ? middle : "");
    return path;
}

QccStatus tool_save_model(Tool *tool, const QccModel *model, const char *path, const char *input)
{
    if (strcmp(path, "-") == 0) return qcc_model_print(model, QCC_PRINT_BINARY, tool_write, stdout);
    if (same_file(path, input))
        return tool_error(tool, QCC_ERROR_USAGE,
                          "'%s' is the input, and is not written over: give another -o FILE", path);
    return qcc_model_save(model, path);
}

/* ---- programs -------------------------------------------------------------------------------- */

QccStatus tool_program_options(Tool *tool, QccProgramOptions *options, const char *target,
                               const char *engine)
{
    const char *tune = tool->globals.tune;
    *options = QCC_INIT(QccProgramOptions);
    options->target = target;
    if (tune && strcmp(tune, "fast") == 0)
        options->tune = QCC_TUNE_FAST;
    else if (tune && strcmp(tune, "off") != 0)
        return tool_error(tool, QCC_ERROR_USAGE, "--tune is off or fast, not '%s'", tune);
    options->interpret = engine && strcmp(engine, "interp") == 0;
    if (options->interpret) return QCC_OK;
    if (engine && strcmp(engine, "jit") != 0)
        return tool_error(tool, QCC_ERROR_USAGE, "--engine is jit or interp, not '%s'", engine);
    return qcc_target_check(tool->context, target);
}

typedef struct Text {
    char *bytes;
    size_t size;
} Text;

static bool collect(void *user, const void *bytes, size_t size)
{
    Text *t = user;
    char *grown = realloc(t->bytes, t->size + size + 1);
    if (!grown) return false;
    memcpy(grown + t->size, bytes, size);
    t->bytes = grown;
    t->size += size;
    return true;
}

QccStatus tool_program_stats(Tool *tool, json_t **stats, const QccProgram *program)
{
    Text text = {0};
    QccStatus status = qcc_program_report(program, QCC_REPORT_STATS_JSON, collect, &text);
    *stats = status == QCC_OK ? json_loadb(text.bytes, text.size, 0, NULL) : NULL;
    free(text.bytes);
    if (status == QCC_OK && !*stats)
        return tool_error(tool, QCC_ERROR_INTERNAL, "the statistics of the program are no JSON");
    return status;
}

int64_t tool_count(const QccTensorInfo *info)
{
    int64_t n = 1;
    for (int i = 0; i < info->rank; i++) n *= info->shape[i];
    return n;
}

size_t tool_size(const QccTensorInfo *info, QccDtype dtype)
{
    return ((size_t)tool_count(info) * (size_t)qcc_dtype_bits(dtype) + 7) / 8;
}
