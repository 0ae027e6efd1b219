/* test_onnx_dims - what ONNX models compute from their own shapes: followed with its symbols,
 * refused where it has no such form, numbers where shapes are given. */
#include <stdlib.h>
#include <string.h>

#include "onnx_model.h"

static QccStatus import(Fixture *f, QccModule **m, ModelGraph *g, const QccInputShape *shapes,
                        int nshape)
{
    int64_t size;
    const void *bytes = model_pack(f, g, NULL, 0, &size);
    f->said[0] = 0;
    return qcc_import(m, f->ir, f->arena, "m.onnx", NULL, bytes, size, shapes, nshape);
}

static void constant(Fixture *f, ModelGraph *g, const char *name, int rank, int64_t value)
{
    const int64_t one = 1;
    int64_t *data = QCC_NEW(f->arena, int64_t);
    *data = value;
    model_raw(model_initializer(f, g, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, rank, &one), data,
              sizeof *data);
}

/* x: f32[N,S] and its extents as lists n and s; then nodes, "TYPE INPUTS > OUTPUT" each; y is the
 * result. */
static ModelGraph *model(Fixture *f, const char *nodes)
{
    static const char *const names[] = {"N", "S"};
    ModelGraph *g = model_graph(f);
    model_input(f, g, "x");
    for (int i = 0; i < 2; i++) {
        Onnx__TensorShapeProto__Dimension *d = g->input[0]->type->tensor_type->shape->dim[i];
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        d->dim_param = qcc_strdup(f->arena, names[i]);
    }
    model_output(f, g, "y");
    constant(f, g, "first", 0, 0);
    constant(f, g, "second", 0, 1);
    constant(f, g, "zero", 1, 0);
    constant(f, g, "one", 1, 1);
    constant(f, g, "two", 1, 2);
    constant(f, g, "rest", 1, -1);
    model_add(f, g, "Shape", "x", "shape");
    model_add(f, g, "Gather", "shape zero", "n");
    model_add(f, g, "Gather", "shape one", "s");
    char *rest = qcc_strdup(f->arena, nodes);
    for (char *line; (line = strtok_r(rest, ";", &rest));) {
        char *type = strtok_r(line, " ", &line), *inputs = strtok_r(line, ">", &line);
        Onnx__NodeProto *n = model_add(f, g, type, inputs, line);
        if (strcmp(type, "Concat") == 0) {
            Onnx__AttributeProto *a = model_attr(f, n, "axis");
            a->has_i = true;
            a->i = 0;
            a->has_type = true;
            a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        }
    }
    return g;
}

static const char *type_text(Fixture *f, const QccModule *m)
{
    QccBuf b;
    qcc_buf_init(&b, f->arena);
    qcc_type_print(&b, qcc_graph_result(m->graph, 0)->type);
    return b.data;
}

/* ONNX's division of integers cuts; that of extents has no remainder, or is none. */
static const struct {
    const char *nodes;
    const char *type;  /* of y */
    const char *given; /* of y where x is f32[4,6] */
} followed[] = {
    {"Concat s n > t; Reshape x t > y", "f32[S,N]", "f32[6,4]"},
    {"Mul n s > t; Reshape x t > y", "f32[N*S]", "f32[24]"},
    {"Reshape x rest > a; Concat n s > t; Reshape a t > y", "f32[N,S]", "f32[4,6]"},
    {"Mul n two > t; ConstantOfShape t > y", "f32[2*N]", "f32[8]"},
    {"Add n n > t; ConstantOfShape t > y", "f32[2*N]", "f32[8]"},
    {"Mul n s > a; Div a s > t; ConstantOfShape t > y", "f32[N]", "f32[4]"},
    {"Mul n two > a; Sub a n > t; ConstantOfShape t > y", "f32[N]", "f32[4]"},
    {"Mul n two > a; Div a two > t; ConstantOfShape t > y", "f32[N]", "f32[4]"},
    {"Sub n n > t; ConstantOfShape t > y", "f32[0]", "f32[0]"},
    {"Equal n rest > a; Where a one s > t; ConstantOfShape t > y", "f32[S]", "f32[6]"},
    {"Equal n n > a; Where a one s > t; ConstantOfShape t > y", "f32[1]", "f32[1]"},
    {"ReduceProd shape > t; ConstantOfShape t > y", "f32[N*S]", "f32[24]"},
    {"Squeeze shape > t; ConstantOfShape t > y", "f32[N,S]", "f32[4,6]"},
    {"Squeeze s > a; Range first a second > y", "i64[S]", "i64[6]"},
    {"Concat two n s > t; Expand x t > y", "f32[2,N,S]", "f32[2,4,6]"},
    {"Slice x zero s one > y", "f32[N,S]", "f32[4,6]"},
    {"Slice x zero one one > y", "f32[N,1]", "f32[4,1]"},
};

static void follow(Fixture *f)
{
    static const QccInputShape shape = {.name = "x", .shape = {2, {4, 6}}};
    for (size_t i = 0; i < sizeof followed / sizeof *followed; i++) {
        const char *nodes = followed[i].nodes;
        QccModule *m;
        ck_assert_msg(import(f, &m, model(f, nodes), NULL, 0) == QCC_OK, "%s: %s", nodes, f->said);
        ck_assert_msg(strcmp(type_text(f, m), followed[i].type) == 0, "%s: %s", nodes,
                      type_text(f, m));
        ck_assert_msg(import(f, &m, model(f, nodes), &shape, 1) == QCC_OK, "%s: %s", nodes,
                      f->said);
        ck_assert_msg(strcmp(type_text(f, m), followed[i].given) == 0, "%s: %s", nodes,
                      type_text(f, m));
        ck_assert_int_eq(m->graph->nsymbol, 0);
    }
}

START_TEST(test_followed)
{
    with_ir(follow);
}
END_TEST

/* What has no such form, and what it is where x is f32[4,6]; NULL: an error all the same. */
static const struct {
    const char *nodes, *says, *given;
} refused[] = {
    {"Div n two > t; ConstantOfShape t > y", "'Div': what it computes from dynamic extents is no",
     "f32[2]"},
    {"Add n s > t; ConstantOfShape t > y", "'Add': what it computes", "f32[10]"},
    {"Sub n two > t; ConstantOfShape t > y", "'Sub': what it computes", "f32[2]"},
    {"Equal n two > a; Where a one s > t; ConstantOfShape t > y", "'Equal': what it computes",
     "f32[6]"},
    {"Mul n n > a; Mul a s > t; ConstantOfShape t > y", "'Mul': what it computes", "f32[96]"},
    {"Neg n > y", "'Neg': its input is computed from dynamic extents", "i64[1]"},
    {"Mul n two > y", "result 'y' is computed from dynamic extents", "i64[1]"},
    {"Reshape x two > y", "'reshape' needs as many elements as x has", NULL},
    {"Slice x one s one > y", "'slice' takes as many elements as a symbol says", "f32[4,5]"},
    {"Slice x zero rest one > y", "'Slice': a part of a dynamic extent", "f32[4,5]"},
    {"Gather shape two > t; ConstantOfShape t > y", "has index 2, which is out of range", NULL},
    {"Squeeze shape zero > t; ConstantOfShape t > y", "'Squeeze' squeezes 2 numbers", NULL},
};

static void refuse(Fixture *f)
{
    static const QccInputShape shape = {.name = "x", .shape = {2, {4, 6}}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *nodes = refused[i].nodes, *given = refused[i].given;
        QccModule *m;
        ck_assert_msg(import(f, &m, model(f, nodes), NULL, 0) != QCC_OK, "%s", nodes);
        ck_assert_msg(strstr(f->said, refused[i].says), "%s: %s", nodes, f->said);
        QccStatus status = import(f, &m, model(f, nodes), &shape, 1);
        ck_assert_msg((status == QCC_OK) == (given != NULL), "%s: %s", nodes, f->said);
        if (given) ck_assert_str_eq(type_text(f, m), given);
    }
}

START_TEST(test_refused)
{
    with_ir(refuse);
}
END_TEST

/* A shape that does not fit makes nothing a number; the model says so when it is given the shape.
 */
static void misfit(Fixture *f)
{
    static const QccInputShape shape[] = {{.name = "z", .shape = {2, {4, 6}}},
                                          {.name = "x", .shape = {3, {4, 6, 1}}},
                                          {.name = "x", .shape = {2, {-4, 0}}}};
    QccModule *m;
    ck_assert_int_eq(import(f, &m, model(f, "Relu x > y"), shape, 3), QCC_OK);
    ck_assert_str_eq(type_text(f, m), "f32[N,S]");
}

START_TEST(test_misfit)
{
    with_ir(misfit);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("onnx_dims");
    TCase *tc = tcase_create("onnx_dims");
    tcase_add_test(tc, test_followed);
    tcase_add_test(tc, test_refused);
    tcase_add_test(tc, test_misfit);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
