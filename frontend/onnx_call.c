/* onnx_call - nodes that stand for graphs: calls of the model's functions, and If. */
#include "frontend/onnx.h"

#include <string.h>

enum { NODES_MAX = 1 << 16 }; /* that a model makes by calls and branches */

QccStatus qcc_onnx_enter(QccOnnxImport *im, QccLoc loc, const char *type, size_t nodes)
{
    if (im->depth == QCC_ONNX_DEPTH_MAX) {
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc,
                        "unsupported op '%s': more than %d calls in each other", type,
                        QCC_ONNX_DEPTH_MAX);
    }
    if (nodes >= NODES_MAX || im->inlined > NODES_MAX - (int64_t)nodes) {
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc,
                        "unsupported op '%s': the calls of the model make more than %d nodes", type,
                        NODES_MAX);
    }
    im->inlined += (int64_t)nodes + 1;
    im->depth++;
    return QCC_OK;
}

/* ---- functions ------------------------------------------------------------------------------ */

/* The caller's values under the function's names; an input that is not given is absent there. */
static QccStatus pass_inputs(QccOnnxImport *im, QccOnnxScope *inner, const QccOnnxFunction *f,
                             const Onnx__NodeProto *p, QccLoc loc)
{
    const Onnx__FunctionProto *proto = f->proto;
    if (p->n_input > proto->n_input || p->n_output > proto->n_output) {
        return qcc_error(im->d, loc,
                         "'%s' has %zu inputs and %zu outputs, the function at most %zu and %zu",
                         proto->name, p->n_input, p->n_output, proto->n_input, proto->n_output);
    }
    for (size_t i = 0; i < proto->n_input; i++) {
        QccOnnxValue *v = &im->absent;
        if (i < p->n_input && p->input[i][0]) v = qcc_onnx_find(im, p->input[i]);
        if (!v) {
            return qcc_error(im->d, loc, "'%s' reads '%s', which nothing before it makes",
                             proto->name, p->input[i]);
        }
        if (!qcc_onnx_define(inner, proto->input[i], v)) {
            return qcc_error(im->d, loc, "function '%s' has input '%s' twice", proto->name,
                             proto->input[i]);
        }
    }
    return QCC_OK;
}

static QccStatus take_outputs(QccOnnxImport *im, QccOnnxScope *inner, const QccOnnxFunction *f,
                              const Onnx__NodeProto *p, QccLoc loc)
{
    QccOnnxScope *caller = im->scope;
    for (size_t i = 0; i < p->n_output; i++) {
        if (!p->output[i][0]) continue;
        im->scope = inner;
        QccOnnxValue *v = qcc_onnx_find(im, f->proto->output[i]);
        im->scope = caller;
        if (!v) {
            return qcc_error(im->d, loc, "output '%s' of function '%s' is not computed by any node",
                             f->proto->output[i], f->proto->name);
        }
        if (!qcc_onnx_define(caller, p->output[i], v)) {
            return qcc_error(im->d, loc, "'%s' defines '%s' a second time", f->proto->name,
                             p->output[i]);
        }
    }
    return QCC_OK;
}

QccStatus qcc_onnx_call(QccOnnxImport *im, QccOnnxFunction *f, const Onnx__NodeProto *p, QccLoc loc)
{
    const Onnx__FunctionProto *proto = f->proto;
    for (size_t i = 0; i < p->n_attribute; i++) {
        const char *name = p->attribute[i]->name ? p->attribute[i]->name : "";
        if (qcc_onnx_function_takes(f, name)) continue;
        return qcc_fail(im->d, QCC_ERROR_UNSUPPORTED, loc,
                        "unsupported op '%s': its attribute '%s' is not known", proto->name, name);
    }
    if (f->active) return qcc_error(im->d, loc, "function '%s' calls itself", proto->name);
    QCC_TRY(qcc_onnx_enter(im, loc, proto->name, proto->n_node + proto->n_input + proto->n_output));
    const QccOnnxCall call = {f, p};
    QccOnnxScope *caller = im->scope;
    QccOnnxScope *inner = qcc_onnx_scope_new(im, NULL, qcc_onnx_inner_path(im, loc));
    int64_t opset = im->opset;
    inner->call = &call;
    QCC_TRY(pass_inputs(im, inner, f, p, loc));
    im->scope = inner;
    im->opset = qcc_onnx_opset(proto->opset_import, proto->n_opset_import, opset);
    f->active = true;
    QCC_TRY(qcc_onnx_import_nodes(im, proto->node, proto->n_node));
    f->active = false;
    im->opset = opset;
    im->scope = caller;
    im->depth--;
    return take_outputs(im, inner, f, p, loc);
}

/* ---- If ------------------------------------------------------------------------------------- */

/* The nodes of a branch take the place of the If, and see the names around it. */
static QccStatus inline_branch(QccOnnxNode *n, const Onnx__GraphProto *g)
{
    QccOnnxImport *im = n->im;
    if (g->n_input) return qcc_onnx_wrong(n, "has a branch with inputs");
    if (g->n_output != (size_t)n->nout) {
        return qcc_onnx_wrong(n, "has %d outputs, its branch %zu", n->nout, g->n_output);
    }
    QCC_TRY(
        qcc_onnx_enter(im, n->loc, "If", g->n_node + g->n_initializer + g->n_sparse_initializer));
    QccOnnxScope *outer = im->scope;
    im->scope = qcc_onnx_scope_new(im, outer, qcc_onnx_inner_path(im, n->loc));
    QCC_TRY(qcc_onnx_import_body(im, g));
    for (int i = 0; i < n->nout; i++) {
        const char *name = g->output[i]->name ? g->output[i]->name : "";
        QccOnnxValue *v = qcc_onnx_find(im, name);
        if (!v)
            return qcc_onnx_wrong(n, "has a branch that does not compute its output '%s'", name);
        n->out[i] = qcc_onnx_value(im, v);
    }
    im->scope = outer;
    im->depth--;
    return QCC_OK;
}

QccStatus qcc_onnx_if(QccOnnxNode *n)
{
    static const char *const branches[] = {"else_branch", "then_branch"};
    const QccBlob *condition = qcc_onnx_blob(n, 0);
    const Onnx__GraphProto *graph[2];
    for (int i = 0; i < 2; i++) {
        const Onnx__AttributeProto *a = qcc_onnx_attr(n, branches[i]);
        if (!a || !a->g) return qcc_onnx_wrong(n, "has no graph in attribute '%s'", branches[i]);
        graph[i] = a->g;
    }
    if (!condition) return qcc_onnx_unsupported(n, "its condition is not constant");
    if (condition->dtype != QCC_BOOL || condition->size != 1)
        return qcc_onnx_wrong(n, "needs a condition of one bool");
    return inline_branch(n, graph[*(const bool *)condition->data]);
}
