/* compile - the facade: the one file that sees frontend, passes, backend and runtime.
 *
 *   file -> frontend -> module -> passes (reading frontend's data, running compiled code) -> module
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/target.h"
#include "frontend/frontend.h"
#include "passes/manager.h"
#include "runtime/context.h"

/* ---- hooks ----------------------------------------------------------------------------------- */

static QccStatus init(QccContext *c, const QccContextOptions *options)
{
    QccPassRegistry *r = qcc_pass_registry_new(c->arena);
    c->registry = r;
    for (const char *const *path = options->plugins; path && *path; path++)
        QCC_TRY(qcc_plugin_load(r, c->ir, *path));
    return QCC_OK;
}

static QccStatus open_data(QccDataset **out, QccContext *c, QccArena *arena, const char *spec,
                           const QccModule *module, const QccGraph *graph)
{
    if (spec) return qcc_dataset_open(out, c->ir, arena, spec, graph);
    return qcc_dataset_of_module(out, arena, module);
}

static const QccFacade facade = {.init = init, .import = qcc_import, .open_data = open_data};

const QccFacade *qcc_facade(void)
{
    return &facade;
}

/* ---- compiled code as an executor: calibration runs at full speed ------------------------------
 */

typedef struct Run {
    QccProgram *program;
    QccSession *session;
    QccModule module;
    QccArena *arena;
    const QccGraph *graph;
    const QccValue **value; /* tap i of the session is this value of `graph` */
    QccBuffer *buffer;
} Run;

static void close_run(void *self, void *run)
{
    (void)self;
    Run *r = run;
    qcc_session_free(r->session);
    qcc_program_free(r->program);
    qcc_arena_free(r->arena);
}

static QccStatus match_taps(Run *r)
{
    int n = qcc_session_tap_count(r->session);
    r->value = QCC_NEW_ARRAY(r->arena, n, const QccValue *);
    for (int i = 0; i < n; i++) {
        QccTensorInfo info;
        const void *data;
        QCC_TRY(qcc_session_tap(r->session, i, &info, &data));
        r->value[i] = qcc_graph_find_value(r->graph, info.name);
    }
    return QCC_OK;
}

typedef struct Opening {
    QccContext *context;
    QccArena *arena; /* of the run */
    const QccGraph *graph;
    Run *run;
} Opening;

static QccStatus make_run(void *user)
{
    Opening *o = user;
    QccContext *c = o->context;
    const QccGraph *g = o->graph;
    Run *r = o->run = QCC_NEW(o->arena, Run);
    r->arena = o->arena;
    r->graph = g;
    r->module.graph = (QccGraph *)(uintptr_t)g; /* is cloned, not changed */
    QccStore store = {.arena = o->arena};
    atomic_init(&store.refs, 2);
    QccModel model = {.context = c, .store = &store, .module = &r->module};
    QccProgramOptions options = {.size = sizeof options, .taps = true};
    QccSessionOptions session = {.size = sizeof session, .threads = c->threads};
    QccStatus status = qcc_program_new(&r->program, &model, &options);
    /* The constants belong to g, which outlives the run. */
    if (r->program) r->program->store = NULL;
    if (status == QCC_OK) status = qcc_session_new(&r->session, r->program, &session);
    if (status == QCC_OK) status = match_taps(r);
    r->buffer = QCC_NEW_ARRAY(o->arena, g->nparam + qcc_graph_result_count(g), QccBuffer);
    return status;
}

static QccStatus open_run(void *self, void **run, const QccGraph *g)
{
    QccContext *c = self;
    Opening o = {.context = c, .arena = qcc_arena_new(&c->mem), .graph = g};
    if (!o.arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(c, make_run, &o);
    *run = status == QCC_OK ? o.run : NULL;
    if (status == QCC_OK) return QCC_OK;
    if (o.run)
        close_run(self, o.run);
    else
        qcc_arena_free(o.arena);
    return status;
}

static QccStatus run_graph(void *self, void *run, const QccTensor *in, const QccTensor *out,
                           QccTapFn *tap, void *user)
{
    (void)self;
    Run *r = run;
    int nin = r->graph->nparam, nout = qcc_graph_result_count(r->graph);
    QccBuffer *b = r->buffer;
    for (int i = 0; i < nin; i++)
        b[i] = (QccBuffer){.data = in[i].data, .dtype = in[i].type->dtype};
    for (int i = 0; i < nout; i++) {
        const QccType *t = qcc_graph_result(r->graph, i)->type;
        b[nin + i].dtype = t->dtype;
        if (out)
            b[nin + i].data = out[i].data;
        else if (!b[nin + i].data)
            b[nin + i].data = qcc_alloc(r->arena, (size_t)qcc_type_bytes(t));
    }
    QCC_TRY(qcc_session_run(r->session, b, nin, b + nin, nout));
    for (int i = 0; tap && i < nin; i++) QCC_TRY(tap(user, r->graph->param[i], &in[i]));
    for (int i = 0; tap && i < qcc_session_tap_count(r->session); i++) {
        QccTensorInfo info;
        const void *data;
        QCC_TRY(qcc_session_tap(r->session, i, &info, &data));
        const QccValue *value = r->value[i];
        if (!value || !value->def) continue;
        QccTensor t = qcc_tensor_view(value->type, data);
        QCC_TRY(tap(user, value, &t));
    }
    return QCC_OK;
}

/* ---- pipelines ------------------------------------------------------------------------------- */

/* The folder of installed pipelines, which lies beside the library: PREFIX/share/qcc. NULL: none.
 */
static const char *pipeline_folder(QccArena *arena)
{
    Dl_info info;
    if (!dladdr((const void *)(uintptr_t)&qcc_facade, &info) || !info.dli_fname) return NULL;
    const char *slash = strrchr(info.dli_fname, '/');
    if (!slash) return NULL;
    static const char *const up[] = {"..", "../..", "../../.."};
    for (size_t i = 0; i < sizeof up / sizeof *up; i++) {
        const char *folder = qcc_sprintf(arena, "%.*s/%s/share/qcc/pipelines",
                                         (int)(slash - info.dli_fname), info.dli_fname, up[i]);
        if (access(folder, R_OK) == 0) return folder;
    }
    return NULL;
}

/* A path, or the name of a pipeline that is installed; NULL: a name of none. */
static const char *pipeline_path(QccArena *arena, const char *name)
{
    if (strchr(name, '/') || access(name, R_OK) == 0) return name;
    const char *folder = pipeline_folder(arena);
    if (strchr(name, '.')) return name; /* was meant to be a file */
    const char *path = folder ? qcc_sprintf(arena, "%s/%s.yaml", folder, name) : name;
    return access(path, R_OK) == 0 ? path : NULL;
}

typedef struct Transforming {
    QccModel *model;
    QccPipelineOptions options;
    QccArena *arena;
    QccPipeline *pipeline;
} Transforming;

/* --calib, then the pipeline's own, then the model's samples. */
static QccStatus open_calibration(void *user, QccDataset **data, const QccGraph *g)
{
    Transforming *t = user;
    QccContext *c = t->model->context;
    const char *spec = t->options.data ? t->options.data : qcc_pipeline_data(t->pipeline);
    if (spec) {
        QCC_TRY(qcc_dataset_open(data, c->ir, t->arena, spec, g));
        if ((*data)->random) qcc_graph_set_prop(t->model->module->graph, "calibrated-on-random");
        return QCC_OK;
    }
    *data = NULL; /* the manager says that there is none */
    if (!t->model->module->nsamples) return QCC_OK;
    return qcc_dataset_of_module(data, t->arena, t->model->module);
}

static QccStatus transform(void *user)
{
    Transforming *t = user;
    QccContext *c = t->model->context;
    const QccPipelineOptions *o = &t->options;
    if (!o->pipeline)
        return qcc_fail(&c->ir->diags, QCC_ERROR_USAGE, (QccLoc){0}, "no pipeline is given");
    const char *path = pipeline_path(t->arena, o->pipeline);
    if (!path)
        return qcc_fail(&c->ir->diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "there is no pipeline '%s'; 'qcc passes --pipelines' lists those that are "
                        "installed",
                        o->pipeline);
    const void *text;
    int64_t size;
    QCC_TRY(qcc_map_file(t->arena, &c->ir->diags, path, &text, &size));
    QCC_TRY(qcc_pipeline_parse(&t->pipeline, c->registry, c->ir, t->arena, path, text, size, o->set,
                               t->model->module->graph));
    const QccTarget *host = qcc_target_host();
    QccExecutor compiled = {.self = c, .open = open_run, .run = run_graph, .close = close_run};
    QccPassRun run = {
        .executor = host && qcc_context_codegen(c, false) ? &compiled : NULL,
        .open_data = open_calibration,
        .data_user = t,
        .print_after = o->print_after,
        .print_changed = o->print_changed,
        .verify_each = o->verify_each,
        .timing = o->timing,
        .stats = o->stats,
        .stop_after = o->stop_after,
        .reproducer = o->reproducer,
        .print = o->print,
        .print_user = o->print_user,
        .progress = c->progress,
        .progress_user = c->progress_user,
    };
    QccModule *module = t->model->module;
    if (!t->model->remarks) {
        QccRemarks *remarks = QCC_NEW(t->model->store->arena, QccRemarks);
        qcc_remarks_init(remarks, t->model->store->arena);
        t->model->remarks = remarks;
    }
    run.remarks = t->model->remarks;
    QCC_TRY(qcc_pipeline_run(t->pipeline, module, &run));
    /* Samples are there to be calibrated with; what is deployed should not carry them. */
    if (qcc_graph_has_prop(module->graph, "quantized")) module->nsamples = 0, module->labels = NULL;
    return QCC_OK;
}

QccStatus qcc_model_transform(QccModel *model, const QccPipelineOptions *given)
{
    Transforming t = {.model = model, .arena = qcc_arena_new(&model->context->mem)};
    if (!t.arena) return QCC_ERROR_MEMORY;
    if (given)
        memcpy(&t.options, given, given->size < sizeof t.options ? given->size : sizeof t.options);
    QccStatus status = qcc_guard(model->context, transform, &t);
    qcc_arena_free(t.arena);
    return status;
}

/* ---- borders --------------------------------------------------------------------------------- */

typedef struct Bordering {
    const QccModel *model;
    const QccSession *profiled;
    QccWriteFn *fn;
    void *user;
    QccArena *arena;
} Bordering;

/* The fastest run of the steps that compute the value. */
static double border_time(void *user, const QccValue *value)
{
    const Bordering *b = user;
    double ms = -1;
    for (int i = 0; i < qcc_session_profile_count(b->profiled); i++) {
        QccProfileRow row;
        if (qcc_session_profile(b->profiled, i, &row) != QCC_OK || row.runs == 0) continue;
        if (row.value && !strcmp(row.value, value->name)) ms = (ms < 0 ? 0 : ms) + row.min_ms;
    }
    return ms;
}

static QccStatus report_unfused(void *user)
{
    Bordering *b = user;
    QccBuf buf;
    qcc_buf_init(&buf, b->arena);
    qcc_unfused_print(&buf, b->model->module->graph, b->model->remarks,
                      b->profiled ? border_time : NULL, b);
    return b->fn(b->user, buf.data, (size_t)buf.len) ? QCC_OK : QCC_ERROR_IO;
}

QccStatus qcc_model_report_unfused(const QccModel *model, const QccSession *profiled,
                                   QccWriteFn *fn, void *user)
{
    QccContext *c = model->context;
    Bordering b = {model, profiled, fn, user, qcc_arena_new(&c->mem)};
    if (!b.arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(c, report_unfused, &b);
    qcc_arena_free(b.arena);
    return status;
}

/* ---- data ------------------------------------------------------------------------------------ */

typedef struct Embedding {
    QccModel *model;
    const char *data;
    int64_t samples;
} Embedding;

static QccStatus embed(void *user)
{
    Embedding *e = user;
    return qcc_module_embed(e->model->module, e->model->context->ir, e->model->store->arena,
                            e->data, e->samples);
}

QccStatus qcc_model_embed_data(QccModel *model, const char *data_yaml, int64_t samples)
{
    Embedding e = {model, data_yaml, samples};
    return qcc_guard(model->context, embed, &e);
}

typedef struct TensorCall {
    QccContext *context;
    QccTensorFile *out;
    const QccTensorFile *in;
    const char *path;
    QccArena *arena;
} TensorCall;

static QccStatus load_tensor(void *user)
{
    TensorCall *t = user;
    const QccBlob *blob;
    QCC_TRY(qcc_npy_load(&blob, t->context->ir, t->arena, t->path));
    void *data = malloc(blob->size ? (size_t)blob->size : 1);
    if (!data) return QCC_ERROR_MEMORY;
    memcpy(data, blob->data, (size_t)blob->size);
    *t->out = (QccTensorFile){
        .dtype = blob->dtype, .rank = blob->rank, .data = data, .bytes = (size_t)blob->size};
    memcpy(t->out->shape, blob->dim, sizeof t->out->shape);
    return QCC_OK;
}

static QccStatus save_tensor(void *user)
{
    TensorCall *t = user;
    const QccType *type = qcc_type_shape(t->context->ir, t->in->dtype, t->in->rank, t->in->shape);
    QccTensor tensor = qcc_tensor_view(type, t->in->data);
    return qcc_npy_save(t->context->ir, t->path, &tensor);
}

static QccStatus tensor_call(TensorCall *t, QccStatus (*fn)(void *user))
{
    t->arena = qcc_arena_new(&t->context->mem);
    if (!t->arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(t->context, fn, t);
    qcc_arena_free(t->arena);
    return status;
}

QccStatus qcc_tensor_load(QccTensorFile *tensor, QccContext *context, const char *path)
{
    memset(tensor, 0, sizeof *tensor);
    return tensor_call(&(TensorCall){.context = context, .out = tensor, .path = path}, load_tensor);
}

QccStatus qcc_tensor_save(const QccTensorFile *tensor, QccContext *context, const char *path)
{
    return tensor_call(&(TensorCall){.context = context, .in = tensor, .path = path}, save_tensor);
}

void qcc_tensor_free(QccTensorFile *tensor)
{
    if (tensor) free(tensor->data);
}

/* ---- what there is --------------------------------------------------------------------------- */

static void list_ops(QccBuf *b, const QccIr *ir)
{
    for (int i = 0; i < ir->nop; i++)
        qcc_buf_printf(b, "%-14s %s\n", ir->op[i]->name, ir->op[i]->summary);
}

static void list_targets(QccBuf *b, bool names_only)
{
    int n;
    const QccTarget *t = qcc_targets(&n);
    for (int i = 0; i < n; i++) {
        bool here = qcc_target_runs_here(&t[i]);
        if (names_only && here) qcc_buf_printf(b, "%s\n", t[i].name);
        if (!names_only)
            qcc_buf_printf(b, "%-24s %2d lanes, %2d registers, %s%s%s%s\n", t[i].name, t[i].lanes,
                           t[i].registers, t[i].dot == QCC_DOT_VNNI ? "vnni" : "madd16",
                           t[i].byte_tables ? ", byte tables" : "", t[i].tiles ? ", tiles" : "",
                           !here                        ? ", not on this machine"
                           : &t[i] == qcc_target_host() ? ", the default here"
                                                        : "");
    }
}

static void close_folder(void *dir)
{
    closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One a line: its first comment, which begins with the name. */
static QccStatus list_pipelines(QccBuf *b, QccContext *c)
{
    const char *folder = pipeline_folder(b->arena), **name = NULL;
    DIR *dir = folder ? opendir(folder) : NULL;
    if (!dir) return QCC_OK;
    qcc_arena_defer(b->arena, close_folder, dir);
    int64_t n = 0, cap = 0;
    for (struct dirent *d; (d = readdir(dir));) {
        const char *dot = strrchr(d->d_name, '.');
        if (!dot || strcmp(dot, ".yaml") != 0) continue;
        name = qcc_grow(b->arena, name, n, &cap, sizeof *name);
        name[n++] = qcc_strdup(b->arena, d->d_name);
    }
    if (n) qsort(name, (size_t)n, sizeof *name, by_name);
    for (int64_t i = 0; i < n; i++) {
        const void *bytes;
        int64_t size, line = 0;
        QCC_TRY(qcc_map_file(b->arena, &c->ir->diags,
                             qcc_sprintf(b->arena, "%s/%s", folder, name[i]), &bytes, &size));
        const char *text = bytes;
        int64_t from = size > 2 && text[0] == '#' && text[1] == ' ' ? 2 : 0;
        while (from + line < size && text[from + line] != '\n') line++;
        if (from)
            qcc_buf_add(b, text + from, line);
        else
            qcc_buf_add(b, name[i], (int64_t)strlen(name[i]) - 5);
        qcc_buf_puts(b, "\n");
    }
    return QCC_OK;
}

static void op_help(QccBuf *b, const QccOpDef *def)
{
    static const char *const rule[] = {"float", "affine", "elementwise", "same-scale", "fixed"};
    qcc_buf_printf(b, "%s - %s\n", def->name, def->summary);
    if (def->max_in < 0)
        qcc_buf_printf(b, "operands: %d or more\n", def->min_in);
    else
        qcc_buf_printf(b, "operands: %d..%d\n", def->min_in, def->max_in);
    qcc_buf_printf(b, "quantized form: %s\n", rule[def->quant.kind]);
    qcc_fields_help(b, def->attrs);
}

typedef struct Describing {
    QccContext *context;
    const char *topic;
    QccWriteFn *fn;
    void *user;
    QccArena *arena;
} Describing;

/* "pass:NAME" and "op:NAME" are said as what they mean. */
static QccStatus no_topic(QccDiags *diags, const char *topic)
{
    QccLoc none = {0};
    const char *name = strchr(topic, ':');
    if (!name) return qcc_fail(diags, QCC_ERROR_USAGE, none, "there is no topic '%s'", topic);
    bool op = strncmp(topic, "op:", 3) == 0;
    return qcc_fail(diags, QCC_ERROR_USAGE, none, "there is no %.*s '%s'; 'qcc %s' lists them",
                    (int)(name - topic), topic, name + 1, op ? "ops" : "passes");
}

static QccStatus describe(void *user)
{
    Describing *d = user;
    QccContext *c = d->context;
    QccBuf b;
    qcc_buf_init(&b, d->arena);
    const QccPassDef *pass =
        strncmp(d->topic, "pass:", 5) == 0 ? qcc_pass_find(c->registry, d->topic + 5) : NULL;
    const QccOpDef *op =
        strncmp(d->topic, "op:", 3) == 0 ? qcc_ir_find_op(c->ir, d->topic + 3) : NULL;
    if (strcmp(d->topic, "passes") == 0)
        qcc_passes_list(&b, c->registry);
    else if (strcmp(d->topic, "ops") == 0)
        list_ops(&b, c->ir);
    else if (strcmp(d->topic, "targets") == 0)
        list_targets(&b, false);
    else if (strcmp(d->topic, "target-names") == 0)
        list_targets(&b, true);
    else if (strcmp(d->topic, "pipelines") == 0)
        QCC_TRY(list_pipelines(&b, c));
    else if (pass)
        qcc_pass_help(&b, c->registry, pass);
    else if (op)
        op_help(&b, op);
    else
        return no_topic(&c->ir->diags, d->topic);
    return d->fn(d->user, b.data ? b.data : "", (size_t)b.len) ? QCC_OK : QCC_ERROR_IO;
}

QccStatus qcc_describe(QccContext *context, const char *topic, QccWriteFn *fn, void *user)
{
    Describing d = {context, topic, fn, user, qcc_arena_new(&context->mem)};
    if (!d.arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(context, describe, &d);
    qcc_arena_free(d.arena);
    return status;
}
