/* model - models as applications hold them: opening, shapes, saving, printing. */
#include <string.h>

#include "ir/base/file.h"
#include "ir/model_bin.h"
#include "ir/ops.h"
#include "ir/text.h"
#include "runtime/context.h"

/* ---- opening --------------------------------------------------------------------------------- */

typedef struct Opening {
    QccContext *context;
    QccStore *store;
    QccModel *model;
    const char *path; /* of a file, or NULL and the bytes are given */
    const char *name;
    const void *bytes;
    int64_t size;
    const QccInputShape *shapes;
    int nshape;
} Opening;

static QccStatus open_model(void *user)
{
    Opening *o = user;
    QccContext *c = o->context;
    QccArena *arena = o->store->arena;
    QccModel *m = o->model = QCC_NEW(arena, QccModel);
    m->context = c;
    m->store = o->store;
    const char *name = qcc_strdup(arena, o->name);
    if (o->path) {
        QCC_TRY(qcc_map_file(arena, &c->ir->diags, o->path, &o->bytes, &o->size));
        o->store->mapped = o->bytes;
        o->store->mapped_size = o->size;
    }
    m->file_bytes = o->size;
    if (c->facade)
        return c->facade->import(&m->module, c->ir, arena, name, o->path, o->bytes, o->size,
                                 o->shapes, o->nshape);
    if (!qcc_model_bin_is(o->bytes, o->size))
        return qcc_fail(&c->ir->diags, QCC_ERROR_UNSUPPORTED, (QccLoc){.file = name},
                        "is not a model.bin, and this library reads nothing else; use libqcc");
    return qcc_model_bin_read(&m->module, c->ir, arena, name, o->bytes, o->size);
}

static QccStatus new_model(QccModel **model, QccContext *context, Opening *o)
{
    *model = NULL;
    o->context = context;
    o->store = qcc_store_new(&context->mem);
    if (!o->store) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(context, open_model, o);
    if (status == QCC_OK)
        *model = o->model;
    else
        qcc_store_unref(o->store);
    return status;
}

QccStatus qcc_model_open(QccModel **model, QccContext *context, const char *path)
{
    return new_model(model, context, &(Opening){.path = path, .name = path});
}

QccStatus qcc_model_open_shaped(QccModel **model, QccContext *context, const char *path,
                                const QccInputShape *shapes, int n)
{
    Opening o = {.path = path, .name = path, .shapes = shapes, .nshape = n};
    QccStatus status = new_model(model, context, &o);
    for (int i = 0; i < n && status == QCC_OK; i++)
        status =
            qcc_model_set_shape(*model, shapes[i].name, shapes[i].shape.dim, shapes[i].shape.rank);
    if (status == QCC_OK) return QCC_OK;
    qcc_model_free(*model);
    *model = NULL;
    return status;
}

QccStatus qcc_model_from_memory(QccModel **model, QccContext *context, const char *name,
                                const void *bytes, size_t size)
{
    if (size > INT64_MAX) return QCC_ERROR_USAGE;
    return new_model(model, context,
                     &(Opening){.name = name, .bytes = bytes, .size = (int64_t)size});
}

void qcc_model_free(QccModel *model)
{
    if (model) qcc_store_unref(model->store);
}

bool qcc_model_has(const QccModel *model, const char *property)
{
    return qcc_graph_has_prop(model->module->graph, property);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

typedef struct Shaping {
    QccModel *model;
    const char *name;
    const int64_t *shape;
    int rank;
} Shaping;

static QccValue *find_input(const QccGraph *g, const char *name)
{
    if (!name) return g->nparam == 1 ? g->param[0] : NULL;
    for (int i = 0; i < g->nparam; i++)
        if (strcmp(g->param[i]->name, name) == 0) return g->param[i];
    return NULL;
}

static QccStatus no_input(QccDiags *diags, QccGraph *g, const char *name)
{
    QccBuf names;
    qcc_buf_init(&names, g->arena);
    for (int i = 0; i < g->nparam; i++)
        qcc_buf_printf(&names, "%s'%s'", i ? ", " : "", g->param[i]->name);
    if (!name)
        return qcc_fail(diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "the shape names no input, and the model has %d: %s", g->nparam,
                        names.data ? names.data : "");
    return qcc_fail(diags, QCC_ERROR_USAGE, (QccLoc){0}, "the model has no input '%s', only %s",
                    name, names.data ? names.data : "none");
}

static QccStatus set_shape(void *user)
{
    Shaping *s = user;
    QccGraph *g = s->model->module->graph;
    QccDiags *diags = &g->ir->diags;
    QccLoc none = {0};
    QccValue *input = find_input(g, s->name);
    if (!input) return no_input(diags, g, s->name);
    const QccType *t = input->type;
    if (t->rank != s->rank)
        return qcc_fail(diags, QCC_ERROR_USAGE, none, "'%s' has %d dimensions, the shape has %d",
                        input->name, t->rank, s->rank);
    int64_t *extent = QCC_NEW_ARRAY(g->arena, g->nsymbol, int64_t);
    QCC_TRY(qcc_bind_shapes(extent, diags, g, &input, &s->shape, 1));
    return g->nsymbol ? qcc_graph_bind(g, extent) : QCC_OK;
}

QccStatus qcc_model_set_shape(QccModel *model, const char *name, const int64_t *shape, int rank)
{
    Shaping s = {model, name, shape, rank};
    return qcc_guard(model->context, set_shape, &s);
}

/* ---- saving and printing ----------------------------------------------------------------------
 */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

typedef struct Saving {
    const QccModel *model;
    const char *path;
    QccPrint what;
    QccWriteFn *fn;
    void *user;
    QccArena *arena;
} Saving;

static void summarize(QccBuf *b, const QccModel *model)
{
    const QccGraph *g = model->module->graph;
    int64_t parameters = 0, bytes = 0, ops = 0, quantized = 0;
    QCC_FOR_OPS(op, g)
    {
        const QccBlob *blob = op->nout ? qcc_value_const(&op->out[0]) : NULL;
        if (!blob) {
            ops++;
            quantized += op->nout && op->out[0].type->quant;
            continue;
        }
        bytes += blob->size;
        parameters += qcc_type_count(op->out[0].type);
    }
    qcc_buf_printf(b, "graph      %s\n", g->name);
    for (int i = 0; i < g->nparam; i++) {
        qcc_buf_printf(b, "input      %s: ", g->param[i]->name);
        qcc_type_print(b, g->param[i]->type);
        qcc_buf_puts(b, "\n");
    }
    for (int i = 0; i < qcc_graph_result_count(g); i++) {
        qcc_buf_printf(b, "output     %s: ", qcc_graph_result(g, i)->name);
        qcc_type_print(b, qcc_graph_result(g, i)->type);
        qcc_buf_puts(b, "\n");
    }
    qcc_buf_printf(b, "ops        %lld, %lld with a quantized result\n", (long long)ops,
                   (long long)quantized);
    qcc_buf_printf(b, "constants  %lld values, %lld bytes\n", (long long)parameters,
                   (long long)bytes);
    if (model->module->nsamples)
        qcc_buf_printf(b, "samples    %lld\n", (long long)model->module->samples[0]->dim[0]);
}

static QccStatus save_or_print(void *user)
{
    Saving *s = user;
    const QccModule *module = s->model->module;
    QccBuf buf;
    qcc_buf_init(&buf, s->arena);
    if (s->path) {
        int n = 1;
        QccPiece whole, *piece = &whole;
        if (ends_with(s->path, ".qir")) {
            qcc_module_print(&buf, module, QCC_BLOBS_INLINE, NULL);
            whole = (QccPiece){buf.data, buf.len};
        } else {
            piece = qcc_model_bin_pieces(s->arena, module, &n);
        }
        return qcc_write_file(s->arena, &s->model->context->ir->diags, s->path, piece, n);
    }
    if (s->what == QCC_PRINT_SUMMARY)
        summarize(&buf, s->model);
    else if (s->what == QCC_PRINT_BINARY)
        qcc_model_bin_write(&buf, module);
    else
        qcc_module_print(&buf, module,
                         s->what == QCC_PRINT_QIR ? QCC_BLOBS_ELIDED : QCC_BLOBS_INLINE, NULL);
    return s->fn(s->user, buf.data, (size_t)buf.len) ? QCC_OK : QCC_ERROR_IO;
}

static QccStatus with_scratch(Saving *s)
{
    QccContext *c = s->model->context;
    s->arena = qcc_arena_new(&c->mem);
    if (!s->arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(c, save_or_print, s);
    qcc_arena_free(s->arena);
    return status;
}

QccStatus qcc_model_save(const QccModel *model, const char *path)
{
    return with_scratch(&(Saving){.model = model, .path = path});
}

QccStatus qcc_model_print(const QccModel *model, QccPrint what, QccWriteFn *fn, void *user)
{
    return with_scratch(&(Saving){.model = model, .what = what, .fn = fn, .user = user});
}
