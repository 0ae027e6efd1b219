/* run - qcc run: feeds arrays from files to a program, and writes or shows what comes out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

typedef struct Values {
    const char *const *inputs, *const *outputs;
    const char *engine, *target;
    const char *const *shapes;
} Values;

/* Everything that one run holds. */
typedef struct Job {
    Tool *tool;
    const Values *values;
    QccModel *model;
    QccProgram *program;
    QccSession *session;
    int nfile, nin, nout;
    QccTensorFile *file; /* one an --input */
    QccTensorFile *out;  /* one an output of the program */
    QccBuffer *buffer;   /* inputs, then outputs */
    QccShape *shape;     /* the same */
} Job;

static int count(const char *const *list)
{
    int n = 0;
    while (list && list[n]) n++;
    return n;
}

static bool is_named(const char *text, size_t n, const char *name)
{
    return strlen(name) == n && memcmp(text, name, n) == 0;
}

static void print_shape(char *buf, size_t size, const int64_t *shape, int rank)
{
    size_t at = (size_t)snprintf(buf, size, "[");
    for (int i = 0; i < rank && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%" PRId64, i ? "," : "", shape[i]);
    if (at < size) snprintf(buf + at, size - at, "]");
}

/* The same of a program's input: "[N,3,224,224]". */
static void print_type_shape(char *buf, size_t size, const QccTensorInfo *info)
{
    size_t at = (size_t)snprintf(buf, size, "[");
    for (int i = 0; i < info->rank && at < size; i++)
        if (info->symbol[i])
            at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? "," : "", info->symbol[i]);
        else
            at += (size_t)snprintf(buf + at, size - at, "%s%" PRId64, i ? "," : "", info->shape[i]);
    if (at < size) snprintf(buf + at, size - at, "]");
}

/* What a file says of the shape of its input, as --shape does; empty where it says nothing. */
static void shape_text(char *buf, size_t size, const char *input, const QccTensorFile *f, bool only)
{
    size_t n, at;
    tool_split_name(input, &n);
    bool told = f->rank > 0 && (n || only);
    for (int i = 0; i < f->rank; i++) told = told && f->shape[i] > 0;
    at = (size_t)snprintf(buf, size, "%.*s", told && n ? (int)n + 1 : 0, input);
    for (int i = 0; told && i < f->rank && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%" PRId64, i ? "," : "", f->shape[i]);
    if (at >= size) buf[0] = '\0';
}

/* Which file a wrong shape came from. */
static void note_shape(const Job *j, int i)
{
    char shape[128];
    size_t unused;
    const QccTensorFile *f = &j->file[i];
    print_shape(shape, sizeof shape, f->shape, f->rank);
    tool_note(j->tool, "%s holds %s%s", tool_split_name(j->values->inputs[i], &unused),
              qcc_dtype_name(f->dtype), shape);
}

/* Reads the inputs and opens the model with their shapes, so that nothing is compiled for others.
 */
static QccStatus load_inputs(Job *j)
{
    enum { TEXT = 512 };
    int nshape = count(j->values->shapes), n = 0;
    j->nfile = count(j->values->inputs);
    j->file = calloc((size_t)j->nfile + 1, sizeof *j->file);
    char(*text)[TEXT] = calloc((size_t)j->nfile + 1, sizeof *text);
    const char **shape = calloc((size_t)(nshape + j->nfile) + 1, sizeof *shape);
    QccStatus status = QCC_OK;
    if (!j->file || !text || !shape)
        status = tool_error(j->tool, QCC_ERROR_MEMORY, "out of memory");
    for (; status == QCC_OK && n < nshape; n++) shape[n] = j->values->shapes[n];
    for (int i = 0; status == QCC_OK && i < j->nfile; i++) {
        size_t unused;
        const char *input = j->values->inputs[i];
        status = qcc_tensor_load(&j->file[i], j->tool->context, tool_split_name(input, &unused));
        shape_text(text[i], TEXT, input, &j->file[i], j->nfile == 1);
        if (text[i][0]) shape[n++] = text[i];
    }
    if (status == QCC_OK) status = tool_open_ready(j->tool, &j->model, j->tool->arg[0], shape);
    for (int i = 0; status == QCC_ERROR_USAGE && i < j->nfile; i++) note_shape(j, i);
    free(text);
    free(shape);
    return status;
}

/* The file for an input: by name, else the first unnamed one that is still free. */
static int find_file(const Job *j, const char *name, const bool *taken)
{
    int unnamed = -1;
    for (int i = j->nfile - 1; i >= 0; i--) {
        size_t n;
        tool_split_name(j->values->inputs[i], &n);
        if (taken[i]) continue;
        if (n == 0)
            unnamed = i;
        else if (is_named(j->values->inputs[i], n, name))
            return i;
    }
    return unnamed;
}

/* What is wrong with an extent that may vary, the library says. */
static bool fits(const QccTensorInfo *info, const QccTensorFile *file)
{
    if (info->rank != file->rank) return false;
    for (int i = 0; i < info->rank; i++)
        if (!info->symbol[i] && info->shape[i] != file->shape[i]) return false;
    return true;
}

static QccStatus bind_input(Job *j, int index, bool *taken)
{
    QccTensorInfo info;
    TOOL_TRY(qcc_program_input(j->program, index, &info));
    int k = find_file(j, info.name, taken);
    char wanted[256], found[256];
    print_type_shape(wanted, sizeof wanted, &info);
    if (k < 0)
        return tool_error(j->tool, QCC_ERROR_USAGE, "input '%s' (%s%s) needs --input=%s=FILE.npy",
                          info.name, qcc_dtype_name(info.dtype), wanted, info.name);
    const QccTensorFile *f = &j->file[k];
    taken[k] = true;
    print_shape(found, sizeof found, f->shape, f->rank);
    /* Bytes for an f32 input are right where its first op quantizes it; the library knows. */
    bool type_fits = f->dtype == info.dtype || (info.quantized && f->dtype == QCC_F32) ||
                     (info.dtype == QCC_F32 && (f->dtype == QCC_U8 || f->dtype == QCC_I8));
    if (!fits(&info, f) || !type_fits)
        return tool_error(j->tool, QCC_ERROR_INPUT, "input '%s' is %s%s, the file holds %s%s",
                          info.name, qcc_dtype_name(info.dtype), wanted, qcc_dtype_name(f->dtype),
                          found);
    j->buffer[index] = (QccBuffer){.data = f->data, .dtype = f->dtype, .shape = f->shape};
    j->shape[index].rank = f->rank;
    memcpy(j->shape[index].dim, f->shape, sizeof f->shape);
    return QCC_OK;
}

static QccStatus bind_inputs(Job *j)
{
    bool *taken = calloc((size_t)j->nfile + 1, sizeof *taken);
    if (!taken) return tool_error(j->tool, QCC_ERROR_MEMORY, "out of memory");
    QccStatus status = QCC_OK;
    for (int i = 0; i < j->nin && status == QCC_OK; i++) status = bind_input(j, i, taken);
    for (int i = 0; i < j->nfile && status == QCC_OK; i++)
        if (!taken[i])
            status = tool_error(j->tool, QCC_ERROR_USAGE, "the program has no input for '%s'",
                                j->values->inputs[i]);
    free(taken);
    return status;
}

static QccStatus make_outputs(Job *j)
{
    j->out = calloc((size_t)j->nout + 1, sizeof *j->out);
    if (!j->out) return tool_error(j->tool, QCC_ERROR_MEMORY, "out of memory");
    QccShape *shape = j->shape + j->nin;
    TOOL_TRY(qcc_program_output_shapes(j->program, j->shape, j->nin, shape, j->nout));
    for (int i = 0; i < j->nout; i++) {
        QccTensorInfo info;
        TOOL_TRY(qcc_program_output(j->program, i, &info));
        QccTensorFile *f = &j->out[i];
        f->dtype = info.quantized ? QCC_F32 : info.dtype;
        f->rank = shape[i].rank;
        memcpy(f->shape, shape[i].dim, sizeof f->shape);
        memcpy(info.shape, f->shape, sizeof info.shape);
        f->bytes = tool_size(&info, f->dtype);
        f->data = calloc(1, f->bytes ? f->bytes : 1);
        if (!f->data) return tool_error(j->tool, QCC_ERROR_MEMORY, "out of memory");
        j->buffer[j->nin + i] = (QccBuffer){.data = f->data, .dtype = f->dtype};
    }
    return QCC_OK;
}

/* ---- what comes out -------------------------------------------------------------------------- */

/* The largest values of an f32 output, of the first sample. */
static void print_top(const QccTensorFile *f)
{
    enum { TOP = 5 };
    int64_t n = f->rank ? f->shape[f->rank - 1] : 1, best[TOP];
    const float *y = f->data;
    int found = 0;
    for (int64_t i = 0; i < n; i++) {
        int k = found < TOP ? found++ : TOP;
        for (; k > 0 && y[i] > y[best[k - 1]]; k--)
            if (k < TOP) best[k] = best[k - 1];
        if (k < TOP) best[k] = i;
    }
    for (int k = 0; k < found; k++) printf("  %5" PRId64 "  %g\n", best[k], (double)y[best[k]]);
}

static QccStatus show_outputs(Job *j)
{
    for (int i = 0; i < j->nout; i++) {
        QccTensorInfo info;
        char shape[128];
        TOOL_TRY(qcc_program_output(j->program, i, &info));
        print_shape(shape, sizeof shape, j->out[i].shape, j->out[i].rank);
        printf("%s: %s%s\n", info.name, qcc_dtype_name(j->out[i].dtype), shape);
        if (j->out[i].dtype == QCC_F32 && j->out[i].bytes >= sizeof(float)) print_top(&j->out[i]);
    }
    return QCC_OK;
}

static QccStatus save_to(const Job *j, int output, const char *path)
{
    const char *file = strcmp(path, "-") == 0 ? "/proc/self/fd/1" : path;
    return qcc_tensor_save(&j->out[output], j->tool->context, file);
}

static QccStatus save_output(Job *j, const char *text, int index)
{
    size_t n;
    const char *path = tool_split_name(text, &n);
    for (int i = 0; n > 0 && i < j->nout; i++) {
        QccTensorInfo info;
        TOOL_TRY(qcc_program_output(j->program, i, &info));
        if (is_named(text, n, info.name)) return save_to(j, i, path);
    }
    if (n > 0 || index >= j->nout)
        return tool_error(j->tool, QCC_ERROR_USAGE, "the program has no output for '%s'", text);
    return save_to(j, index, path);
}

static QccStatus run_job(Job *j)
{
    const Values *v = j->values;
    QccProgramOptions options;
    TOOL_TRY(tool_program_options(j->tool, &options, v->target, v->engine));
    TOOL_TRY(load_inputs(j));
    TOOL_TRY(qcc_program_new(&j->program, j->model, &options));
    j->nin = qcc_program_input_count(j->program);
    j->nout = qcc_program_output_count(j->program);
    j->buffer = calloc((size_t)(j->nin + j->nout) + 1, sizeof *j->buffer);
    j->shape = calloc((size_t)(j->nin + j->nout) + 1, sizeof *j->shape);
    if (!j->buffer || !j->shape) return tool_error(j->tool, QCC_ERROR_MEMORY, "out of memory");
    TOOL_TRY(bind_inputs(j));
    TOOL_TRY(make_outputs(j));
    QccSessionOptions session = QCC_INIT(QccSessionOptions);
    session.threads = (int)j->tool->globals.threads;
    TOOL_TRY(qcc_session_new(&j->session, j->program, &session));
    TOOL_TRY(qcc_session_run(j->session, j->buffer, j->nin, j->buffer + j->nin, j->nout));
    int nsave = count(v->outputs);
    for (int i = 0; i < nsave; i++) TOOL_TRY(save_output(j, v->outputs[i], i));
    return nsave ? QCC_OK : show_outputs(j);
}

static QccStatus run(Tool *tool, const void *values)
{
    Job j = {.tool = tool, .values = values};
    QccStatus status = run_job(&j);
    qcc_session_free(j.session);
    for (int i = 0; i < j.nfile && j.file; i++) qcc_tensor_free(&j.file[i]);
    for (int i = 0; i < j.nout && j.out; i++) free(j.out[i].data);
    free(j.file);
    free(j.out);
    free(j.buffer);
    free(j.shape);
    qcc_program_free(j.program);
    qcc_model_free(j.model);
    return status;
}

static const Option options[] = {
    OPTION_LIST('i', "input", Values, inputs, "[NAME=]FILE.npy",
                "an input; file.npz:array takes one of several; without names they count in order"),
    OPTION_LIST('o', "output", Values, outputs, "[NAME=]FILE.npy",
                "where an output goes; - is standard output; without it the largest values are "
                "printed"),
    OPTION_STRING('e', "engine", Values, engine, "jit|interp",
                  "compiled code, or the reference interpreter: the bytes are the same"),
    OPTION_STRING('t', "target", Values, target, "BUNDLE",
                  "instruction set (qcc targets); by default the best of this machine"),
    OPTION_LIST(0, "shape", Values, shapes, "[NAME=]N,N,...",
                "the shape of an input; by default that of its file"),
    {0},
};

const Command run_command = {
    .name = "run",
    .usage = "MODEL --input=[NAME=]X.npy [--output=[NAME=]Y.npy]",
    .summary = "runs a program on arrays from files",
    .details = "Quantized inputs and outputs are read and written as f32. Where a model leaves\n"
               "dimensions open, the files say them.\n",
    .options = options,
    .values_size = sizeof(Values),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
