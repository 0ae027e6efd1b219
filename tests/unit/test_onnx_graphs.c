/* test_onnx_graphs - functions, branches, loops, names and constants that are wrong or too
 * much; locations. Values: tests/onnx, make_graphs.py, make_loops.py and make_opsets.py. */
#include "onnx_model.h"

enum { FLOAT = 1, I64 = 7, BOOL = 9 };

static QccStatus import(Fixture *f, QccModule **m, ModelGraph *g, Onnx__FunctionProto **function,
                        size_t functions)
{
    int64_t size;
    const void *bytes = model_pack(f, g, function, functions, &size);
    f->said[0] = 0;
    return qcc_import(m, f->ir, f->arena, "m.onnx", NULL, bytes, size, NULL, 0);
}

static void refused(Fixture *f, ModelGraph *g, Onnx__FunctionProto **function, size_t functions,
                    QccStatus status, const char *says)
{
    QccModule *m;
    QccStatus found = import(f, &m, g, function, functions);
    ck_assert_msg(found == status && strstr(f->said, says), "wanted '%s', found %d: %s", says,
                  (int)found, f->said);
}

/* y = TYPE(x), a node that calls a function. */
static ModelGraph *caller(Fixture *f, const char *type, const char *inputs)
{
    ModelGraph *g = model_graph(f);
    model_input(f, g, "x");
    model_output(f, g, "y");
    model_add(f, g, type, inputs, "y")->name = "call";
    return g;
}

static void fill(Fixture *f, Onnx__FunctionProto *p, const char *type, const char *inputs,
                 const char *outputs)
{
    p->node[p->n_node] = model_node(f, type, inputs, outputs);
    p->node[p->n_node++]->name = qcc_sprintf(f->arena, "%s_of_%s", type, p->name);
}

static void locations(Fixture *f)
{
    Onnx__FunctionProto *list[] = {model_function(f, "Outer", "a", "b"),
                                   model_function(f, "Inner", "a", "b")};
    fill(f, list[0], "local:Inner", "a", "b");
    fill(f, list[1], "Relu", "a", "b");
    QccModule *m;
    ck_assert_msg(import(f, &m, caller(f, "local:Outer", "x"), list, 2) == QCC_OK, "%s", f->said);
    const QccValue *y = qcc_graph_result(m->graph, 0);
    ck_assert_str_eq(y->name, "y");
    ck_assert_str_eq(y->def->loc.node, "call/local:Inner_of_Outer/Relu_of_Inner");
}

START_TEST(test_locations)
{
    with_ir(locations);
}
END_TEST

static void wrong_calls(Fixture *f)
{
    Onnx__FunctionProto *p = model_function(f, "F", "a b", "c"), *twice[] = {p, p};
    fill(f, p, "Relu", "a", "c");
    refused(f, caller(f, "local:F", "x x x"), &p, 1, QCC_ERROR_INPUT,
            "'F' has 3 inputs and 1 outputs, the function at most 2 and 1");
    refused(f, caller(f, "local:F", "z"), &p, 1, QCC_ERROR_INPUT, "'F' reads 'z', which nothing");
    refused(f, caller(f, "local:F", "- x"), &p, 1, QCC_ERROR_INPUT, "'Relu' has 0 inputs");
    refused(f, caller(f, "local:G", "x"), &p, 1, QCC_ERROR_UNSUPPORTED,
            "unsupported op 'G' of domain 'local'");
    refused(f, caller(f, "local:F", "x"), twice, 2, QCC_ERROR_INPUT,
            "function 'F' is defined twice");
    ModelGraph *g = caller(f, "local:F", "x");
    Onnx__AttributeProto *a = model_attr(f, g->node[0], "beta");
    a->has_i = true;
    refused(f, g, &p, 1, QCC_ERROR_UNSUPPORTED, "its attribute 'beta' is not known");
    p->output[0] = "d";
    refused(f, caller(f, "local:F", "x"), &p, 1, QCC_ERROR_INPUT,
            "output 'd' of function 'F' is not computed by any node");
    p->output[0] = "b"; /* an input that is not given */
    refused(f, caller(f, "local:F", "x"), &p, 1, QCC_ERROR_UNSUPPORTED,
            "result 'y' is an input that the call does not give");
    p->input[1] = "a";
    refused(f, caller(f, "local:F", "x"), &p, 1, QCC_ERROR_INPUT, "has input 'a' twice");
}

START_TEST(test_wrong_calls)
{
    with_ir(wrong_calls);
}
END_TEST

/* All that is unsupported in functions is named, with the first call of each. */
static void unsupported(Fixture *f)
{
    Onnx__FunctionProto *p = model_function(f, "F", "a", "c");
    fill(f, p, "Foo", "a", "b");
    fill(f, p, "Bar", "b", "c");
    refused(f, caller(f, "local:F", "x"), &p, 1, QCC_ERROR_UNSUPPORTED, "unsupported op 'Foo'");
    ck_assert_msg(strstr(f->said, "unsupported op 'Bar'"), "%s", f->said);
}

START_TEST(test_unsupported)
{
    with_ir(unsupported);
}
END_TEST

static void recursion(Fixture *f)
{
    Onnx__FunctionProto *list[] = {model_function(f, "F", "a", "c"),
                                   model_function(f, "G", "a", "c")};
    fill(f, list[0], "local:G", "a", "c");
    fill(f, list[1], "local:F", "a", "c");
    refused(f, caller(f, "local:F", "x"), list, 2, QCC_ERROR_INPUT, "function 'F' calls itself");
}

START_TEST(test_recursion)
{
    with_ir(recursion);
}
END_TEST

/* Functions that call the next one `width` times: 2^40 nodes, and 100 calls in each other. */
static void explosion(Fixture *f)
{
    enum { N = 100 };
    for (int width = 1; width <= 2; width++) {
        Onnx__FunctionProto *list[N];
        for (int i = 0; i < N; i++) {
            list[i] = model_function(f, qcc_sprintf(f->arena, "F%d", i), "a", "c");
            const char *next =
                i < (width == 1 ? N : 40) - 1 ? qcc_sprintf(f->arena, "local:F%d", i + 1) : "Relu";
            if (width == 2) fill(f, list[i], next, "a", "b");
            fill(f, list[i], next, width == 2 ? "b" : "a", "c");
        }
        refused(f, caller(f, "local:F0", "x"), list, N, QCC_ERROR_UNSUPPORTED,
                width == 1 ? "more than 64 calls in each other"
                           : "the calls of the model make more than 65536 nodes");
    }
}

START_TEST(test_explosion)
{
    with_ir(explosion);
}
END_TEST

static void set_branch(Fixture *f, Onnx__NodeProto *n, const char *name, ModelGraph *g)
{
    model_attr(f, n, name)->g = &g->proto;
}

static void branches(Fixture *f)
{
    static const bool yes[] = {true, true};
    const int64_t two = 2;
    ModelGraph *same = model_graph(f), *taking = model_graph(f), *lost = model_graph(f);
    model_output(f, same, "x");
    model_input(f, taking, "t");
    model_output(f, taking, "t");
    model_output(f, lost, "nowhere");

    ModelGraph *g = caller(f, "If", "c");
    Onnx__NodeProto *n = g->node[0];
    model_raw(model_initializer(f, g, "c", BOOL, 0, NULL), yes, 1);
    set_branch(f, n, "then_branch", same);
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'If' has no graph in attribute 'else_branch'");
    set_branch(f, n, "else_branch", same);
    QccModule *m;
    ck_assert_msg(import(f, &m, g, NULL, 0) == QCC_OK, "%s", f->said);
    ck_assert_ptr_eq(qcc_graph_result(m->graph, 0), m->graph->param[0]);

    n->attribute[0]->g = &taking->proto;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'If' has a branch with inputs");
    n->attribute[0]->g = &lost->proto;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "a branch that does not compute its output 'nowhere'");
    n->output[n->n_output++] = "z";
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'If' has 2 outputs, its branch 1");
    n->n_output--;
    g->initializer[0]->n_dims = 1;
    g->initializer[0]->dims = (int64_t *)(uintptr_t)&two;
    g->initializer[0]->raw_data.len = 2;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'If' needs a condition of one bool");

    /* A condition of the run, and control flow that is not imported. */
    g = caller(f, "If", "c");
    g->node[1] = g->node[0];
    g->node[0] = model_node(f, "IsNaN", "x", "c");
    g->proto.n_node = 2;
    set_branch(f, g->node[1], "then_branch", same);
    set_branch(f, g->node[1], "else_branch", same);
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED,
            "unsupported op 'If': its condition is not constant");
    g->node[1]->op_type = "Loop";
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "unsupported op 'Loop'");
}

START_TEST(test_branches)
{
    with_ir(branches);
}
END_TEST

/* What a name may stand for, and how often. */
static void names(Fixture *f)
{
    static const float w[6] = {0};
    const int64_t dim[] = {2, 3};
    QccModule *m;
    ModelGraph *g = caller(f, "Add", "x w");
    model_raw(model_initializer(f, g, "w", FLOAT, 2, dim), w, sizeof w);
    model_input(f, g, "w"); /* as before IR version 4 */
    ck_assert_msg(import(f, &m, g, NULL, 0) == QCC_OK, "%s", f->said);
    ck_assert_int_eq(m->graph->nparam, 1);
    model_input(f, g, "x");
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'x' is defined twice");
    g->proto.n_input--;
    model_raw(model_initializer(f, g, "w", FLOAT, 2, dim), w, sizeof w);
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'w' is defined twice");
    g->proto.n_initializer--;
    model_add(f, g, "Relu", "y", "x");
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Relu' defines 'x' a second time");
    g->node[1] = model_node(f, "Relu", "z", "u");
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Relu' reads 'z', which nothing before it makes");
    model_add(f, g, "Relu", "y", "z"); /* too late */
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Relu' reads 'z', which nothing before it makes");
    g->proto.n_node = 1;
    model_output(f, g, "z");
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "output 'z' is not computed by any node");
}

START_TEST(test_names)
{
    with_ir(names);
}
END_TEST

/* Sparse tensors whose parts do not fit each other. */
static void sparse(Fixture *f)
{
    static const float values[] = {1, 2};
    int64_t index[] = {0, 5}, two = 2, dim[] = {2, 3};
    ModelGraph *g = caller(f, "Add", "x w");
    Onnx__SparseTensorProto s = ONNX__SPARSE_TENSOR_PROTO__INIT;
    g->sparse[g->proto.n_sparse_initializer++] = &s;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "an initializer has no name");
    s.values = model_tensor(f, "w", FLOAT, 1, &two);
    model_raw(s.values, values, sizeof values);
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "initializer 'w' lacks values, indices or extents");
    s.indices = model_tensor(f, "", I64, 1, &two);
    model_raw(s.indices, index, sizeof index);
    s.dims = dim;
    s.n_dims = 2;
    QccModule *m;
    ck_assert_msg(import(f, &m, g, NULL, 0) == QCC_OK, "%s", f->said);
    index[1] = 6;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "value 1 of initializer 'w' lies outside of it");
    index[1] = -1;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "value 1 of initializer 'w' lies outside of it");
    dim[0] = -2;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "are negative or too large");
    dim[0] = (int64_t)1 << 40;
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "more than 268435456 bytes in the whole model");
    dim[0] = 2;
    s.indices->dims[0] = 1;
    s.indices->raw_data.len = 8;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "needs values[n] of whole bytes and indices i64[n]");
}

START_TEST(test_sparse)
{
    with_ir(sparse);
}
END_TEST

/* Constants of strings, statistics of a batch: named as what cannot be imported. */
static void refused_forms(Fixture *f)
{
    ModelGraph *g = caller(f, "Constant", "");
    Onnx__AttributeProto *a = model_attr(f, g->node[0], "value_string");
    a->has_s = true;
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "unsupported op 'Constant': its value is string");
    a->name = "value_floats";
    QccModule *m;
    ck_assert_msg(import(f, &m, g, NULL, 0) == QCC_OK, "%s", f->said);
    ck_assert_int_eq(qcc_type_count(qcc_graph_result(m->graph, 0)->type), 0);
    a->name = "values";
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Constant' has no value");
}

START_TEST(test_refused_forms)
{
    with_ir(refused_forms);
}
END_TEST

/* A node with a body whose state goes through TYPE. */
static ModelGraph *loop(Fixture *f, const char *type, const char *inputs, ModelGraph *body)
{
    ModelGraph *g = caller(f, type, inputs);
    model_attr(f, g->node[0], "body")->g = &body->proto;
    return g;
}

static void loops(Fixture *f)
{
    static const bool no[] = {false, true};
    const int64_t two = 2;
    ModelGraph *body = model_graph(f);
    model_input(f, body, "s");
    model_input(f, body, "e");
    model_output(f, body, "r");
    model_add(f, body, "Add", "s e", "r");

    ModelGraph *g = caller(f, "Scan", "x x");
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Scan' has no graph in attribute 'body'");
    g = loop(f, "Scan", "x x", body);
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Scan' scans 0 of 2 operands");
    Onnx__AttributeProto *count = model_attr(f, g->node[0], "num_scan_inputs");
    count->has_i = true;
    count->i = 2;
    QccModule *m;
    ck_assert_msg(import(f, &m, g, NULL, 0) == QCC_OK, "%s", f->said);
    count->i = 3;
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Scan' scans 3 of 2 operands");
    count->i = 1;
    body->node[0] = model_node(f, "ArgMax", "s", "r");
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "its state 0 changes its type");
    body->node[0] = model_node(f, "Add", "s e", "r");
    body->node[0]->input[1] = qcc_strdup(f->arena, "nowhere");
    refused(f, g, NULL, 0, QCC_ERROR_INPUT, "'Add' reads 'nowhere', which nothing before it makes");
    body->node[0]->op_type = qcc_strdup(f->arena, "Foo");
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "unsupported op 'Foo'");

    ModelGraph *turn = model_graph(f);
    model_input(f, turn, "i");
    model_input(f, turn, "go");
    model_input(f, turn, "v");
    model_output(f, turn, "stop");
    model_output(f, turn, "v");
    model_add(f, turn, "Not", "go", "stop");
    g = loop(f, "Loop", "n c x", turn);
    model_raw(model_initializer(f, g, "n", I64, 0, NULL), &two, sizeof two);
    model_raw(model_initializer(f, g, "c", BOOL, 0, NULL), no + 1, 1);
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "whether it goes on is computed by its body");
    g = loop(f, "Loop", "x - x", turn);
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "(the number of steps) is not constant");
    g = loop(f, "Loop", "- - x", turn);
    refused(f, g, NULL, 0, QCC_ERROR_UNSUPPORTED, "no number of steps");
}

START_TEST(test_loops)
{
    with_ir(loops);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_graphs");
    TCase *tc = tcase_create("onnx_graphs");
    tcase_add_test(tc, test_locations);
    tcase_add_test(tc, test_wrong_calls);
    tcase_add_test(tc, test_unsupported);
    tcase_add_test(tc, test_recursion);
    tcase_add_test(tc, test_explosion);
    tcase_add_test(tc, test_branches);
    tcase_add_test(tc, test_names);
    tcase_add_test(tc, test_sparse);
    tcase_add_test(tc, test_refused_forms);
    tcase_add_test(tc, test_loops);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
