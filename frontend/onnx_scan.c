/* onnx_scan - Scan, and Loop with a number of steps that is known: their bodies become scans.
 *
 *   sequences -> axis first, all in one direction -> scan { the body's nodes } -> stacked results
 *
 * A body sees the names around it. Constants among them are constants in the body; other values
 * become operands that are the same at every step.
 */
#include "frontend/onnx.h"

#include <string.h>

enum { OPERANDS_MAX = 4096 };

/* A name from outside of a body that it reads. */
typedef struct Capture {
    const char *name;
    QccOnnxValue *value;
    bool operand; /* else it holds no value that changes: it is copied */
} Capture;

typedef struct Loop {
    QccOnnxNode *n;
    const Onnx__GraphProto *g;
    int64_t nin, in_cap; /* those of the body, then what it captures */
    QccValue **in;
    int64_t ncapture, capture_cap;
    Capture *capture;
    QccOnnxScope *known; /* names that the body defines, or that are captured */
    QccScanAttrs attrs;
    int given; /* inputs of the body before the states: of Loop, a condition */
} Loop;

/* ---- what a body reads ---------------------------------------------------------------------- */

static void define(Loop *l, const char *name)
{
    if (name && name[0]) qcc_onnx_define(l->known, name, &l->n->im->absent);
}

/* Calls fn for a graph and those in its nodes; their depth was bounded when the file was read. */
static void walk(Loop *l, const Onnx__GraphProto *g, void (*fn)(Loop *l, const Onnx__GraphProto *g))
{
    fn(l, g);
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t k = 0; k < g->node[i]->n_attribute; k++) {
            const Onnx__AttributeProto *a = g->node[i]->attribute[k];
            if (a->g) walk(l, a->g, fn);
        }
    }
}

static void note_definitions(Loop *l, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_input; i++) define(l, g->input[i]->name);
    for (size_t i = 0; i < g->n_initializer; i++) define(l, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_sparse_initializer; i++)
        if (g->sparse_initializer[i]->values) define(l, g->sparse_initializer[i]->values->name);
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++) define(l, g->node[i]->output[k]);
}

static void note_use(Loop *l, const char *name)
{
    QccOnnxImport *im = l->n->im;
    if (!name || !name[0] || !qcc_onnx_define(l->known, name, &im->absent)) return;
    QccOnnxValue *v = qcc_onnx_find(im, name);
    if (!v) return; /* said with the node that reads it */
    l->capture =
        qcc_grow(im->scratch, l->capture, l->ncapture, &l->capture_cap, sizeof *l->capture);
    bool plain = v->value && !v->value->type->quant;
    bool constant = plain && qcc_value_const(v->value);
    l->capture[l->ncapture++] = (Capture){name, v, v->value && !constant};
    if (!v->value || constant) return;
    l->in = qcc_grow(im->scratch, l->in, l->nin, &l->in_cap, sizeof *l->in);
    l->in[l->nin++] = v->value;
}

static void note_uses(Loop *l, const Onnx__GraphProto *g)
{
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_input; k++) note_use(l, g->node[i]->input[k]);
    for (size_t i = 0; i < g->n_output; i++) note_use(l, g->output[i]->name);
}

/* ---- a body --------------------------------------------------------------------------------- */

/* The loop for `nin` operands from input `from` of the node on: a graph, and room for captures. */
static QccStatus open_loop(Loop *l, QccOnnxNode *n, int from)
{
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, "body");
    *l = (Loop){.n = n};
    if (!a || !a->g) return qcc_onnx_wrong(n, "has no graph in attribute 'body'");
    if (n->nin - from > OPERANDS_MAX)
        return qcc_onnx_unsupported(n, "more than %d operands", OPERANDS_MAX);
    l->g = a->g;
    for (int i = from; i < n->nin; i++) {
        QccValue *v = qcc_onnx_in(n, i);
        if (!v) return qcc_onnx_wrong(n, "lacks input %d", i);
        l->in = qcc_grow(n->im->scratch, l->in, l->nin, &l->in_cap, sizeof *l->in);
        l->in[l->nin++] = v;
    }
    return QCC_OK;
}

static void find_captures(Loop *l)
{
    l->known = qcc_onnx_scope_new(l->n->im, NULL, "");
    walk(l, l->g, note_definitions);
    walk(l, l->g, note_uses);
}

/* What input i of the body is called inside, to be given its value. */
static QccStatus add_input(Loop *l, int64_t i, QccOnnxValue **v)
{
    const char *name = l->g->input[i]->name;
    *v = name && name[0] ? qcc_onnx_add_value(l->n->im, name) : NULL;
    if (*v) return QCC_OK;
    return qcc_onnx_wrong(l->n, "has a body whose input %lld has no name of its own", (long long)i);
}

/* What the names of the body's inputs and of its captures stand for inside. */
static QccStatus define_inputs(Loop *l, const QccGraph *body)
{
    QccOnnxImport *im = l->n->im;
    int64_t own = l->attrs.states + l->attrs.scanned, at = own;
    for (int64_t i = 0; i < own; i++) {
        /* Loop's sequence is the number of the step, which comes before the condition. */
        bool number = l->given && i == l->attrs.states;
        int64_t input = number ? 0 : i + l->given + (l->given > 0);
        QccOnnxValue *v;
        QCC_TRY(add_input(l, input, &v));
        v->value = body->param[i];
    }
    for (int64_t i = 0; i < l->ncapture; i++) {
        const Capture *c = &l->capture[i];
        QccOnnxValue *v = c->value;
        if (v != &im->absent) {
            v = QCC_NEW(im->scratch, QccOnnxValue);
            *v = (QccOnnxValue){.name = c->name, .unsupported = c->value->unsupported};
            if (c->operand)
                v->value = body->param[at++];
            else
                v->blob = c->value->blob ? c->value->blob : qcc_value_const(c->value->value);
        }
        qcc_onnx_define(im->scope, c->name, v);
    }
    return QCC_OK;
}

static QccStatus take_outputs(Loop *l, QccGraph *body)
{
    QccOnnxImport *im = l->n->im;
    int count = (int)(l->attrs.states + l->attrs.stacked);
    QccValue **out = QCC_NEW_ARRAY(im->scratch, count, QccValue *);
    for (int i = 0; i < count; i++) {
        const char *name = l->g->output[i + l->given]->name;
        QccOnnxValue *v = name ? qcc_onnx_find(im, name) : NULL;
        out[i] = v ? qcc_onnx_value(im, v) : NULL;
        if (!v) return qcc_onnx_wrong(l->n, "has a body that does not compute its output %d", i);
        if (!out[i]) return qcc_onnx_unsupported(l->n, "'%s' is %s", name, v->unsupported);
        if (i < l->attrs.states && out[i]->type != body->param[i]->type)
            return qcc_onnx_unsupported(l->n, "its state %d changes its type", i);
    }
    qcc_graph_set_results(body, out, count);
    QCC_FOR_OPS(op, body)
    {
        if (op->def == &qcc_op_const && !op->out[0].uses) qcc_op_remove(op);
    }
    return QCC_OK;
}

/* Loop's condition: true before the first step, and after each. */
static QccStatus check_condition(Loop *l, bool before)
{
    static const bool yes = true;
    QccOnnxImport *im = l->n->im;
    QccOnnxValue *v = NULL;
    if (!l->given) return QCC_OK;
    if (before) {
        QCC_TRY(add_input(l, 1, &v));
        v->blob = qcc_blob(im->arena, QCC_BOOL, 0, NULL, &yes, true);
        return QCC_OK;
    }
    const char *name = l->g->output[0]->name;
    v = name ? qcc_onnx_find(im, name) : NULL;
    const QccBlob *blob = v ? v->blob : NULL;
    if (v && v->value) blob = qcc_value_const(v->value);
    if (blob && blob->dtype == QCC_BOOL && blob->size == 1 && *(const bool *)blob->data)
        return QCC_OK;
    return qcc_onnx_unsupported(l->n, "whether it goes on is computed by its body");
}

/* The scan in the graph that is being made, over operands `in` that are in it. */
static QccStatus emit_loop(Loop *l, QccValue *const *in, QccOp **scan)
{
    QccOnnxNode *n = l->n;
    QccOnnxImport *im = n->im;
    size_t inputs = (size_t)(l->attrs.states + l->attrs.scanned + l->given);
    size_t outputs = (size_t)(l->attrs.states + l->attrs.stacked + l->given);
    if (l->g->n_input != inputs || l->g->n_output < outputs) {
        return qcc_onnx_wrong(n,
                              "needs a body of %zu inputs and at least %zu outputs; it has %zu "
                              "and %zu",
                              inputs, outputs, l->g->n_input, l->g->n_output);
    }
    QCC_TRY(qcc_onnx_enter(im, n->loc, n->proto->op_type, l->g->n_node + l->g->n_initializer));
    QccGraph *graph = im->graph;
    QccOnnxScope *scope = im->scope;
    QCC_TRY(qcc_op_new(scan, graph, NULL, &qcc_op_scan, n->loc, NULL, in, (int)l->nin, &l->attrs));
    im->graph = qcc_graph_new_loop(*scan, NULL);
    im->scope = qcc_onnx_scope_new(im, scope, qcc_onnx_inner_path(im, n->loc));
    im->scope->outer = NULL; /* it sees what is captured */
    QCC_TRY(check_condition(l, true));
    QCC_TRY(define_inputs(l, im->graph));
    QCC_TRY(qcc_onnx_import_body(im, l->g));
    QCC_TRY(check_condition(l, false));
    QCC_TRY(take_outputs(l, im->graph));
    im->graph = graph;
    im->scope = scope;
    im->depth--;
    return qcc_op_reinfer(*scan);
}

/* ---- Scan ----------------------------------------------------------------------------------- */

/* One number for each of `count` sequences, from an attribute that may be absent: zeros. */
static QccStatus flags(QccOnnxNode *n, const char *name, int64_t count, const int64_t **value)
{
    const Onnx__AttributeProto *a = qcc_onnx_attr(n, name);
    *value = QCC_NEW_ARRAY(n->im->scratch, count, int64_t);
    if (!a) return QCC_OK;
    if (a->n_ints != (size_t)count)
        return qcc_onnx_wrong(n, "has %zu numbers in '%s', wanted %lld", a->n_ints, name,
                              (long long)count);
    *value = a->ints;
    return QCC_OK;
}

/* Dimension `from` becomes dimension `to`; the others keep their order. */
static QccStatus move_axis(QccOnnxNode *n, QccValue **x, int64_t from, int64_t to)
{
    int perm[QCC_MAX_RANK], rank = (*x)->type->rank;
    for (int i = 0, k = 0; i < rank; i++) {
        if (k == from) k++;
        perm[i] = i == to ? (int)from : k++;
    }
    return from == to ? QCC_OK : qcc_onnx_transpose(n, x, *x, NULL, perm);
}

/* The other direction along dimension 0. */
static QccStatus flip(QccOnnxNode *n, QccValue **x)
{
    int rank = (*x)->type->rank;
    const QccDim *extent = &(*x)->type->dim[0];
    if (extent->sym[0]) return qcc_onnx_unsupported(n, "a dynamic extent in both directions");
    QccSliceAttrs a = {.begin = {.n = rank}, .end = {.n = rank}, .step = {.n = rank}};
    for (int i = 0; i < rank; i++) {
        a.end.v[i] = INT64_MAX;
        a.step.v[i] = 1;
    }
    a.begin.v[0] = extent->n - 1;
    a.end.v[0] = a.step.v[0] = -1;
    return qcc_onnx_emit(n, x, &qcc_op_slice, NULL, x, 1, &a);
}

static QccStatus count_sequences(Loop *l)
{
    QccOnnxNode *n = l->n;
    int64_t scanned = 0;
    QCC_TRY(qcc_onnx_attr_int(n, "num_scan_inputs", &scanned));
    if (scanned < 1 || scanned > l->nin)
        return qcc_onnx_wrong(n, "scans %lld of %lld operands", (long long)scanned,
                              (long long)l->nin);
    l->attrs.scanned = scanned;
    l->attrs.states = l->nin - scanned;
    l->attrs.stacked = (int64_t)l->g->n_output - l->attrs.states;
    if (l->attrs.stacked < 0 || l->attrs.stacked > OPERANDS_MAX)
        return qcc_onnx_wrong(n, "has a body of %zu outputs for %lld states", l->g->n_output,
                              (long long)l->attrs.states);
    if (n->nout > l->attrs.states + l->attrs.stacked)
        return qcc_onnx_wrong(n, "has %d outputs, its body %zu", n->nout, l->g->n_output);
    return QCC_OK;
}

QccStatus qcc_onnx_scan(QccOnnxNode *n)
{
    Loop l;
    QccOp *scan;
    const int64_t *in_axis, *in_back, *out_axis, *out_back;
    QCC_TRY(open_loop(&l, n, 0));
    QCC_TRY(count_sequences(&l));
    QccScanAttrs *a = &l.attrs;
    QCC_TRY(flags(n, "scan_input_axes", a->scanned, &in_axis));
    QCC_TRY(flags(n, "scan_input_directions", a->scanned, &in_back));
    QCC_TRY(flags(n, "scan_output_axes", a->stacked, &out_axis));
    QCC_TRY(flags(n, "scan_output_directions", a->stacked, &out_back));
    a->reverse = in_back[0] != 0;
    for (int64_t i = 0; i < a->scanned; i++) {
        QccValue **x = &l.in[a->states + i];
        int64_t axis = in_axis[i];
        QCC_TRY(qcc_onnx_axis(n, (*x)->type->rank, &axis));
        QCC_TRY(move_axis(n, x, axis, 0));
        if ((in_back[i] != 0) != a->reverse) QCC_TRY(flip(n, x));
    }
    find_captures(&l);
    QCC_TRY(emit_loop(&l, l.in, &scan));
    for (int i = 0; i < n->nout; i++) {
        n->out[i] = &scan->out[i];
        if (i < a->states) continue;
        int64_t axis = out_axis[i - a->states];
        QCC_TRY(qcc_onnx_axis(n, n->out[i]->type->rank, &axis));
        if ((out_back[i - a->states] != 0) != a->reverse) QCC_TRY(flip(n, &n->out[i]));
        QCC_TRY(move_axis(n, &n->out[i], 0, axis));
    }
    return QCC_OK;
}

/* In opset 8 everything has a batch first, and is scanned along what comes then: a scan over the
 * batch, of scans. */
QccStatus qcc_onnx_scan_batch(QccOnnxNode *n)
{
    Loop l;
    QccOp *batch, *scan;
    const int64_t *back;
    if (qcc_onnx_has(n, 0)) return qcc_onnx_unsupported(n, "sequences of their own lengths");
    QCC_TRY(open_loop(&l, n, 1));
    QCC_TRY(count_sequences(&l));
    QCC_TRY(flags(n, "directions", l.attrs.scanned, &back));
    l.attrs.reverse = back[0] != 0;
    for (int64_t i = 1; i < l.attrs.scanned; i++)
        if ((back[i] != 0) != l.attrs.reverse)
            return qcc_onnx_unsupported(n, "sequences in both directions");
    QccScanAttrs each = {.scanned = l.nin, .stacked = l.attrs.states + l.attrs.stacked};
    find_captures(&l);
    QccGraph *graph = n->im->graph;
    QCC_TRY(qcc_op_new(&batch, graph, NULL, &qcc_op_scan, n->loc, NULL, l.in, (int)l.nin, &each));
    n->im->graph = qcc_graph_new_loop(batch, NULL);
    QCC_TRY(emit_loop(&l, n->im->graph->param, &scan));
    QccValue **out = QCC_NEW_ARRAY(n->im->scratch, scan->nout, QccValue *);
    for (int i = 0; i < scan->nout; i++) {
        out[i] = &scan->out[i];
        bool forward = i >= l.attrs.states && l.attrs.reverse; /* stacked as they come */
        if (forward) QCC_TRY(flip(n, &out[i]));
    }
    qcc_graph_set_results(n->im->graph, out, scan->nout);
    n->im->graph = graph;
    QCC_TRY(qcc_op_reinfer(batch));
    for (int i = 0; i < n->nout; i++) n->out[i] = &batch->out[i];
    return QCC_OK;
}

/* ---- Loop ----------------------------------------------------------------------------------- */

/* 0, 1, ... as the sequence that a Loop scans. */
static QccStatus numbers(QccOnnxNode *n, int64_t count, QccValue **out)
{
    int64_t bytes;
    if (!qcc_mul_i64(&bytes, count, sizeof(int64_t)))
        return qcc_onnx_unsupported(n, "%lld steps", (long long)count);
    QCC_TRY(qcc_onnx_make_room(n, bytes));
    int64_t *data = qcc_alloc_aligned(n->im->arena, (size_t)bytes + 1, 64);
    for (int64_t i = 0; i < count; i++) data[i] = i;
    *out = qcc_const_new(n->im->graph, NULL, NULL,
                         qcc_blob(n->im->arena, QCC_I64, 1, &count, data, false), NULL);
    return QCC_OK;
}

QccStatus qcc_onnx_loop(QccOnnxNode *n)
{
    Loop l;
    QccOp *scan;
    double steps = -1;
    const QccBlob *condition;
    QCC_TRY(qcc_onnx_scalar_in(n, 0, "the number of steps", &steps));
    QCC_TRY(qcc_onnx_blob_in(n, 1, "the condition", &condition));
    if (!qcc_onnx_has(n, 0)) return qcc_onnx_unsupported(n, "no number of steps");
    if (steps < 0) steps = 0;
    if (condition && (condition->dtype != QCC_BOOL || condition->size != 1))
        return qcc_onnx_wrong(n, "needs a condition of one bool");
    if (condition && !*(const bool *)condition->data) steps = 0;
    if (!(steps < 0x1p40)) return qcc_onnx_unsupported(n, "%g steps", steps);
    QCC_TRY(open_loop(&l, n, n->nin < 2 ? n->nin : 2));
    l.given = 1;
    l.attrs.states = l.nin;
    l.attrs.scanned = 1;
    l.attrs.stacked = (int64_t)l.g->n_output - 1 - l.nin;
    if (l.attrs.stacked < 0 || l.attrs.stacked > OPERANDS_MAX ||
        n->nout > l.attrs.states + l.attrs.stacked)
        return qcc_onnx_wrong(n, "has a body of %zu outputs", l.g->n_output);
    l.in = qcc_grow(n->im->scratch, l.in, l.nin, &l.in_cap, sizeof *l.in);
    QCC_TRY(numbers(n, (int64_t)steps, &l.in[l.nin++]));
    find_captures(&l);
    QCC_TRY(emit_loop(&l, l.in, &scan));
    for (int i = 0; i < n->nout; i++) n->out[i] = &scan->out[i];
    return QCC_OK;
}
