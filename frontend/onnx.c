/* onnx - a ModelProto becomes a graph: opset, parameters, initializers, nodes, results. */
#include "frontend/extents.h"
#include "frontend/onnx.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

enum {
    OPSET_KNOWN = 26,     /* the newest whose operators were looked at */
    SYMBOL_MAX = 1 << 16, /* bound of a dynamic extent, where there is one symbol */
    /* Where there are more, [N,heads,S,S] and [N,H,W,channels] must stay below a tensor's bound. */
    BATCH_MAX = 1 << 10,
    EXTENT_MAX = 1 << 13,
    SYMBOLS = 256, /* dynamic extents by different names */
    RESULTS = 4096,
    UNSUPPORTED_LISTED = 1000 /* nodes that are named one by one */
};

/* ---- parameters and initializers ---------------------------------------------------------- */

typedef Onnx__TensorShapeProto__Dimension Dimension;

static bool is_number(const Dimension *d)
{
    return d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
           d->dim_value >= 0; /* some writers say -1 for an extent not known */
}

/* The name of a dynamic extent; "": it has none. */
static const char *param_of(const Dimension *d)
{
    bool named = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    return named && d->dim_param ? d->dim_param : "";
}

static const Onnx__TensorShapeProto *shape_of(const Onnx__ValueInfoProto *info)
{
    const Onnx__TypeProto *type = info->type;
    bool tensor = type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    return tensor ? type->tensor_type->shape : NULL;
}

/* Whether the inputs have more than one dynamic extent that may differ. */
static bool has_many(const Onnx__GraphProto *g)
{
    const Dimension *first = NULL;
    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TensorShapeProto *shape = shape_of(g->input[i]);
        for (size_t k = 0; shape && k < shape->n_dim; k++) {
            const Dimension *d = shape->dim[k];
            if (is_number(d)) continue;
            if (!first) first = d;
            bool same = param_of(d)[0] && !strcmp(param_of(first), param_of(d));
            if (d != first && !same) return true;
        }
    }
    return false;
}

static void add_symbol(QccOnnxImport *im, const char *param, QccDim dim)
{
    im->symbol =
        qcc_grow(im->scratch, im->symbol, im->nsymbol, &im->symbol_cap, sizeof *im->symbol);
    im->symbol[im->nsymbol++] = (QccOnnxSymbol){param, dim};
}

static const QccDim *find_symbol(const QccOnnxImport *im, const char *param)
{
    for (int64_t i = 0; i < im->nsymbol; i++) {
        if (!strcmp(im->symbol[i].param, param)) return &im->symbol[i].dim;
    }
    return NULL;
}

/* The dynamic extent `param` ("": without a name, like no other). The symbol's name is an
 * identifier for the text form; "d" and a number where nothing of `param` can be kept. */
static QccDim make_symbol(QccOnnxImport *im, const char *param, int64_t max)
{
    const QccDim *known = param[0] ? find_symbol(im, param) : NULL;
    if (known) return *known;
    char *name = qcc_strdup(im->arena, param);
    for (char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) || (unsigned char)*c > 127) *c = '_';
    }
    bool taken = !isalpha((unsigned char)name[0]);
    for (int i = 0; i < im->graph->nsymbol; i++) taken |= !strcmp(im->graph->symbol[i]->name, name);
    if (taken) name = qcc_sprintf(im->arena, "d%lld_%s", (long long)im->nsymbol, name);
    QccDim dim = {.n = 1, .sym = {qcc_graph_symbol(im->graph, name, 1, max)}};
    add_symbol(im, param, dim);
    return dim;
}

/* The shape that is given to an input of so many dimensions, or NULL. Whatever does not fit is said
 * when the model has been read. */
static const int64_t *given_shape(const QccOnnxImport *im, const char *input, size_t rank)
{
    for (int i = 0; i < im->nshape; i++) {
        const QccInputShape *s = &im->shapes[i];
        if (s->name && strcmp(s->name, input) != 0) continue;
        if (s->shape.rank >= 0 && (size_t)s->shape.rank == rank) return s->shape.dim;
    }
    return NULL;
}

/* Dynamic extents that a given shape makes numbers, wherever they stand. */
static void take_shapes(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++) {
        const Onnx__TensorShapeProto *shape = shape_of(g->input[i]);
        const char *name = g->input[i]->name;
        const int64_t *given = shape && name ? given_shape(im, name, shape->n_dim) : NULL;
        for (size_t k = 0; given && k < shape->n_dim; k++) {
            const char *param = param_of(shape->dim[k]);
            if (param[0] && !is_number(shape->dim[k]) && given[k] >= 1 && !find_symbol(im, param))
                add_symbol(im, param, qcc_dim(given[k]));
        }
    }
}

/* What the type of a graph's input says: false when no op here can take such a value. */
static bool input_dtype(QccOnnxImport *im, const Onnx__ValueInfoProto *info, QccDtype *dtype,
                        const char **what)
{
    const Onnx__TypeProto *type = info->type;
    *what = "what is no tensor";
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return false;
    *what = qcc_onnx_dtype_name(im->scratch, type->tensor_type->elem_type);
    return qcc_onnx_dtype(dtype, type->tensor_type->elem_type);
}

static QccStatus add_param(QccOnnxImport *im, const Onnx__ValueInfoProto *info, QccOnnxValue *v)
{
    QccLoc loc = {.file = im->file, .node = qcc_strdup(im->arena, info->name)};
    QccDtype dtype;
    const char *what;
    if (!input_dtype(im, info, &dtype, &what)) {
        v->unsupported = what; /* said with the nodes that read it */
        return QCC_OK;
    }
    const Onnx__TensorShapeProto *shape = info->type->tensor_type->shape;
    if (!shape) return qcc_error(im->d, loc, "input '%s' has no shape", info->name);
    if (shape->n_dim > QCC_MAX_RANK) {
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc,
                        "input '%s' has %zu dimensions, at most %d", info->name, shape->n_dim,
                        QCC_MAX_RANK);
    }
    QccDim dim[QCC_MAX_RANK] = {{0}};
    int64_t extent[QCC_MAX_RANK], count, bytes;
    const int64_t *given = given_shape(im, info->name, shape->n_dim);
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Dimension *d = shape->dim[i];
        if (is_number(d)) {
            dim[i] = qcc_dim(d->dim_value);
        } else if (given && given[i] >= 1 && !param_of(d)[0]) {
            dim[i] = qcc_dim(given[i]);
        } else {
            if (im->nsymbol == SYMBOLS) {
                return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc, "more than %d dynamic extents",
                                SYMBOLS);
            }
            int64_t max = !im->many ? SYMBOL_MAX : i ? EXTENT_MAX : BATCH_MAX;
            dim[i] = make_symbol(im, param_of(d), max);
        }
        extent[i] = dim[i].n;
    }
    if (!qcc_extents_count(&count, &bytes, dtype, (int)shape->n_dim, extent)) {
        return qcc_error(im->d, loc, "the extents of input '%s' are too large", info->name);
    }
    const QccType *type = qcc_type(im->ir, dtype, (int)shape->n_dim, dim, NULL);
    v->value = qcc_graph_add_param(im->graph, qcc_onnx_value_name(im, info->name), type);
    return QCC_OK;
}

/* A sparse one has the name and the type of its values `t`. */
static QccStatus add_initializer(QccOnnxImport *im, const Onnx__TensorProto *t,
                                 const Onnx__SparseTensorProto *sparse)
{
    QccLoc loc = {.file = im->file};
    if (!t || !t->name || !t->name[0]) return qcc_error(im->d, loc, "an initializer has no name");
    QccOnnxValue *v = qcc_onnx_add_value(im, t->name);
    if (!v) return qcc_error(im->d, loc, "'%s' is defined twice", t->name);
    QccDtype dtype;
    if (!qcc_onnx_dtype(&dtype, t->data_type)) {
        v->unsupported = qcc_onnx_dtype_name(im->scratch, t->data_type);
        return QCC_OK;
    }
    im->tensors.loc = loc;
    const char *what = qcc_sprintf(im->scratch, "initializer '%s'", t->name);
    if (sparse) return qcc_onnx_sparse(&v->blob, im, loc, sparse, what);
    return qcc_onnx_tensor(&v->blob, &im->tensors, t, what);
}

static QccStatus add_initializers(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        QCC_TRY(add_initializer(im, g->initializer[i], NULL));
    for (size_t i = 0; i < g->n_sparse_initializer; i++) {
        const Onnx__SparseTensorProto *sparse = g->sparse_initializer[i];
        QCC_TRY(add_initializer(im, sparse->values, sparse));
    }
    return QCC_OK;
}

QccValue *qcc_onnx_value(QccOnnxImport *im, QccOnnxValue *v)
{
    if (!v->value && v->blob) {
        const char *name = qcc_onnx_value_name(im, v->name);
        v->value = qcc_const_new(im->graph, NULL, name, v->blob, NULL);
    }
    return v->value;
}

static QccStatus add_inputs(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    QccLoc loc = {.file = im->file};
    take_shapes(im, g);
    im->many = has_many(g);
    for (size_t i = 0; i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        if (!name || !name[0]) return qcc_error(im->d, loc, "an input of the graph has no name");
        QccOnnxValue *v = qcc_onnx_add_value(im, name);
        if (!v) {
            /* Before IR version 4 initializers stand among the inputs. */
            v = qcc_onnx_find(im, name);
            if (v->value || !(v->blob || v->unsupported)) {
                return qcc_error(im->d, loc, "'%s' is defined twice", name);
            }
            continue;
        }
        QCC_TRY(add_param(im, g->input[i], v));
    }
    return QCC_OK;
}

/* ---- what cannot be imported -------------------------------------------------------------- */

static QccLoc node_loc(const QccOnnxImport *im, const Onnx__NodeProto *p)
{
    const char *name = p->name && p->name[0] ? p->name : p->n_output ? p->output[0] : "";
    if (!name[0] && !im->scope->path[0]) return (QccLoc){.file = im->file};
    return (QccLoc){.file = im->file,
                    .node = qcc_sprintf(im->arena, "%s%s", im->scope->path, name)};
}

/* Why a node that calls no function cannot be imported whatever its inputs hold; NULL: it may be.
 */
static const char *node_unsupported(const QccOnnxImport *im, const Onnx__NodeProto *p)
{
    const char *type = p->op_type ? p->op_type : "";
    int since;
    if (!qcc_onnx_find_row(p, im->opset, &since)) {
        if (p->domain && p->domain[0] && strcmp(p->domain, "ai.onnx")) {
            return qcc_sprintf(im->scratch, "unsupported op '%s' of domain '%s'", type, p->domain);
        }
        if (since) {
            return qcc_sprintf(im->scratch,
                               "unsupported op '%s': it begins with opset %d, the "
                               "model is of opset %lld",
                               type, since, (long long)im->opset);
        }
        return qcc_sprintf(im->scratch, "unsupported op '%s'", type);
    }
    for (size_t i = 0; i < p->n_input; i++) {
        const QccOnnxValue *v = p->input[i][0] ? qcc_onnx_find(im, p->input[i]) : NULL;
        if (v && v != &im->absent && v->unsupported) {
            return qcc_sprintf(im->scratch, "unsupported op '%s': its input '%s' is %s", type,
                               v->name, v->unsupported);
        }
    }
    return NULL;
}

static void list_nodes(QccOnnxImport *im, Onnx__NodeProto **node, size_t n, int64_t *count);

/* Once for each function; in a scope without names, since its inputs are those of the calls. */
static void list_function(QccOnnxImport *im, QccOnnxFunction *f, QccLoc loc, int64_t *count)
{
    QccOnnxScope *outer = im->scope;
    int64_t opset = im->opset;
    /* What is deeper is refused when it is called. */
    if (f->listed || im->depth == QCC_ONNX_DEPTH_MAX) return;
    f->listed = true;
    im->depth++;
    im->scope = qcc_onnx_scope_new(im, NULL, qcc_onnx_inner_path(im, loc));
    im->opset = qcc_onnx_opset(f->proto->opset_import, f->proto->n_opset_import, opset);
    list_nodes(im, f->proto->node, f->proto->n_node, count);
    im->opset = opset;
    im->scope = outer;
    im->depth--;
}

static void list_nodes(QccOnnxImport *im, Onnx__NodeProto **node, size_t n, int64_t *count)
{
    for (size_t i = 0; i < n; i++) {
        QccOnnxFunction *f = qcc_onnx_find_function(im, node[i]);
        if (f) {
            list_function(im, f, node_loc(im, node[i]), count);
            continue;
        }
        const char *why = node_unsupported(im, node[i]);
        if (!why || ++*count > UNSUPPORTED_LISTED) continue;
        qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, node_loc(im, node[i]), "%s", why);
    }
}

static QccStatus list_unsupported(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    int64_t count = 0;
    list_nodes(im, g->node, g->n_node, &count);
    QccLoc loc = {.file = im->file};
    if (count > UNSUPPORTED_LISTED) {
        qcc_note(im->d, loc, "and %lld more nodes", (long long)count - UNSUPPORTED_LISTED);
    }
    return count ? QCC_ERROR_UNSUPPORTED : QCC_OK;
}

/* ---- nodes -------------------------------------------------------------------------------- */

static QccStatus find_operands(QccOnnxNode *n)
{
    const Onnx__NodeProto *p = n->proto;
    n->in = QCC_NEW_ARRAY(n->im->scratch, (int64_t)p->n_input, QccOnnxValue *);
    for (size_t i = 0; i < p->n_input; i++) {
        if (!p->input[i][0]) continue;
        QccOnnxValue *v = qcc_onnx_find(n->im, p->input[i]);
        if (!v) return qcc_onnx_wrong(n, "reads '%s', which nothing before it makes", p->input[i]);
        if (v == &n->im->absent) continue;
        n->in[i] = v;
        n->nin = (int)i + 1;
    }
    if (n->nin < n->row->min_in || (n->row->max_in >= 0 && n->nin > n->row->max_in)) {
        return qcc_onnx_wrong(n, "has %d inputs, wanted %s%d", n->nin,
                              n->row->min_in == n->row->max_in ? "" : "at least ", n->row->min_in);
    }
    for (int i = 0; i < n->row->min_in; i++) {
        if (!n->in[i]) return qcc_onnx_wrong(n, "lacks input %d", i);
    }
    if (qcc_onnx_on_stored(n)) return QCC_OK;
    for (int i = 0; i < n->nin; i++) {
        const QccValue *x = n->in[i] ? n->in[i]->value : NULL;
        if (x && x->type->quant) QCC_TRY(qcc_onnx_integers(n, &n->in[i]));
    }
    return QCC_OK;
}

static QccStatus bind_outputs(const QccOnnxNode *n)
{
    for (int i = 0; i < n->nout; i++) {
        const char *name = n->proto->output[i];
        if (!name[0]) continue;
        QccOnnxValue *v = qcc_onnx_add_value(n->im, name);
        if (!v) return qcc_onnx_wrong(n, "defines '%s' a second time", name);
        v->value = n->out[i];
        v->dims = i ? NULL : n->dims;
        if (v->value || v->dims) continue;
        /* A mask or an index: matters only when it is read. */
        v->unsupported = qcc_sprintf(n->im->scratch, "output %d of '%s', which is not computed", i,
                                     n->proto->op_type);
    }
    return QCC_OK;
}

static QccStatus import_node(QccOnnxImport *im, const Onnx__NodeProto *p)
{
    int since;
    p = qcc_onnx_resolve(im, p);
    QccOnnxFunction *function = qcc_onnx_find_function(im, p);
    if (function) return qcc_onnx_call(im, function, p, node_loc(im, p));
    const char *why = node_unsupported(im, p);
    if (why) return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, node_loc(im, p), "%s", why);
    QccOnnxNode *n = QCC_NEW(im->scratch, QccOnnxNode);
    *n = (QccOnnxNode){.im = im,
                       .proto = p,
                       .row = qcc_onnx_find_row(p, im->opset, &since),
                       .loc = node_loc(im, p),
                       .nout = (int)p->n_output};
    n->out = QCC_NEW_ARRAY(im->scratch, n->nout ? n->nout : 1, QccValue *);
    n->attr_seen = QCC_NEW_ARRAY(im->scratch, (int64_t)p->n_attribute, bool);
    int named = 0;
    while (named < n->nout && !p->output[named][0]) named++;
    if (named == n->nout) return qcc_onnx_wrong(n, "has no output");
    QCC_TRY(find_operands(n));
    bool done;
    QCC_TRY(qcc_onnx_compute_dims(n, &done));
    if (!done) QCC_TRY(qcc_onnx_import_row(n));
    for (size_t i = 0; i < p->n_attribute; i++) {
        const char *name = p->attribute[i]->name;
        /* Before opset 6, a permission to compute in place. */
        if (n->attr_seen[i] || (im->opset < 6 && name && !strcmp(name, "consumed_inputs")))
            continue;
        return qcc_onnx_unsupported(n, "its attribute '%s' is not known",
                                    p->attribute[i]->name ? p->attribute[i]->name : "");
    }
    return bind_outputs(n);
}

QccStatus qcc_onnx_import_nodes(QccOnnxImport *im, Onnx__NodeProto **node, size_t n)
{
    for (size_t i = 0; i < n; i++) QCC_TRY(import_node(im, node[i]));
    return QCC_OK;
}

/* After naming all that cannot be imported. */
static QccStatus import_listed(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    QCC_TRY(list_unsupported(im, g));
    return qcc_onnx_import_nodes(im, g->node, g->n_node);
}

QccStatus qcc_onnx_import_body(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    QCC_TRY(add_initializers(im, g));
    return import_listed(im, g);
}

static QccStatus set_results(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    QccLoc loc = {.file = im->file};
    if (!g->n_output) return qcc_error(im->d, loc, "the graph has no outputs");
    if (g->n_output > RESULTS) {
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc, "more than %d outputs", RESULTS);
    }
    QccValue **result = QCC_NEW_ARRAY(im->scratch, (int64_t)g->n_output, QccValue *);
    for (size_t i = 0; i < g->n_output; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        QccOnnxValue *v = qcc_onnx_find(im, name);
        if (!v) return qcc_error(im->d, loc, "output '%s' is not computed by any node", name);
        if (v->dims) v->unsupported = "computed from dynamic extents, which --shape fixes";
        if (!qcc_onnx_value(im, v)) {
            return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc, "unsupported op: result '%s' is %s",
                            name, v->unsupported);
        }
        /* An Identity before an output leaves the name of its operand. */
        bool first = v->value->def != NULL;
        for (size_t k = 0; k < i; k++) first &= result[k] != v->value;
        if (first && strcmp(v->value->name, name)) {
            qcc_value_rename(v->value, qcc_onnx_value_name(im, name));
        }
        result[i] = v->value;
    }
    qcc_graph_set_results(im->graph, result, (int)g->n_output);
    /* Weights whose transposed copies serve instead, and folded shapes. */
    QCC_FOR_OPS(op, im->graph)
    {
        if (op->def == &qcc_op_const && !op->out[0].uses) qcc_op_remove(op);
    }
    return QCC_OK;
}

/* ---- the model ---------------------------------------------------------------------------- */

int64_t qcc_onnx_opset(Onnx__OperatorSetIdProto **import, size_t n, int64_t absent)
{
    int64_t opset = absent;
    for (size_t i = 0; i < n; i++) {
        const char *domain = import[i]->domain;
        if (!domain || !domain[0] || !strcmp(domain, "ai.onnx")) opset = import[i]->version;
    }
    return opset;
}

static QccStatus find_opset(QccOnnxImport *im, const Onnx__ModelProto *m)
{
    QccLoc loc = {.file = im->file};
    /* Before IR version 3 files did not say it. */
    im->opset = qcc_onnx_opset(m->opset_import, m->n_opset_import, 1);
    if (!m->n_opset_import && m->ir_version >= 3)
        return qcc_error(im->d, loc, "the model does not say its opset");
    if (im->opset < 1)
        return qcc_error(im->d, loc, "the model's opset is %lld", (long long)im->opset);
    if (im->opset > OPSET_KNOWN) {
        qcc_warn(im->d, loc, "opset %lld is newer than %d, the newest that is known here",
                 (long long)im->opset, OPSET_KNOWN);
    }
    return QCC_OK;
}

/* Inputs of types that do not exist here and that no node reads: the program could not take them.
 */
static QccStatus check_inputs(const QccOnnxImport *im, const Onnx__GraphProto *g)
{
    QccLoc loc = {.file = im->file};
    for (size_t i = 0; i < g->n_input; i++) {
        const QccOnnxValue *v = qcc_onnx_find(im, g->input[i]->name);
        if (!v->unsupported) continue;
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc, "input '%s' is %s", v->name,
                        v->unsupported);
    }
    return QCC_OK;
}

static QccStatus import_graph(QccOnnxImport *im, const Onnx__GraphProto *g)
{
    QCC_TRY(add_initializers(im, g));
    QCC_TRY(add_inputs(im, g));
    QCC_TRY(import_listed(im, g));
    QCC_TRY(check_inputs(im, g));
    QCC_TRY(set_results(im, g));
    if (im->tensors.denormals) {
        QccLoc loc = {.file = im->file};
        qcc_warn(im->d, loc, "%lld denormal constants became 0", (long long)im->tensors.denormals);
    }
    return QCC_OK;
}

static void *pb_alloc(void *arena, size_t size)
{
    return qcc_alloc(arena, size);
}

static void pb_free(void *arena, void *pointer)
{
    (void)arena, (void)pointer; /* all at once, with the arena */
}

static QccStatus import_bytes(QccOnnxImport *im, const char *path, const void *bytes, int64_t size)
{
    QccLoc loc = {.file = im->file};
    QccWire wire;
    QCC_TRY(qcc_wire_reduce(&wire, im->scratch, im->d, im->file, QCC_WIRE_MODEL, bytes, size));
    ProtobufCAllocator allocator = {
        .alloc = pb_alloc, .free = pb_free, .allocator_data = im->scratch};
    const Onnx__ModelProto *m = onnx__model_proto__unpack(&allocator, (size_t)wire.reduced.len,
                                                          (const uint8_t *)wire.reduced.data);
    if (!m) return qcc_error(im->d, loc, "is not an ONNX model");
    if (!m->graph) return qcc_error(im->d, loc, "the model has no graph");
    QCC_TRY(find_opset(im, m));
    im->tensors = (QccOnnxTensorReader){.arena = im->arena,
                                        .scratch = im->scratch,
                                        .wire = &wire,
                                        .d = im->d,
                                        .loc = loc,
                                        .path = path};
    qcc_table_init(&im->tensors.read, im->scratch);
    qcc_table_init(&im->tensors.files, im->scratch);
    const char *name = m->graph->name && m->graph->name[0] ? m->graph->name : "main";
    im->graph = qcc_graph_new(im->ir, im->arena, qcc_onnx_value_name(im, name));
    im->scope = qcc_onnx_scope_new(im, NULL, "");
    qcc_table_init(&im->functions, im->scratch);
    im->absent.unsupported = "an input that the call does not give";
    QCC_TRY(qcc_onnx_add_functions(im, m, &allocator));
    return import_graph(im, m->graph);
}

QccStatus qcc_onnx_import(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                          const char *path, const void *bytes, int64_t size,
                          const QccInputShape *shapes, int nshape)
{
    QccArena *scratch = qcc_arena_sub(arena);
    QccOnnxImport *im = QCC_NEW(scratch, QccOnnxImport);
    *im = (QccOnnxImport){.ir = ir,
                          .arena = arena,
                          .scratch = scratch,
                          .d = &ir->diags,
                          .file = file,
                          .shapes = shapes,
                          .nshape = nshape};
    qcc_table_init(&im->permuted, scratch);
    qcc_table_init(&im->widened, scratch);
    QccStatus status = import_bytes(im, path, bytes, size);
    if (status == QCC_OK) {
        *out = QCC_NEW(arena, QccModule);
        (*out)->graph = im->graph;
    }
    qcc_arena_free(scratch);
    return status;
}
