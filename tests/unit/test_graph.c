/* test_graph - making, changing, copying and checking graphs. */
#include <math.h>

#include "ir/ops.h"
#include "tests/unit/ir_test.h"

static const char *print_graph(Fixture *f, const QccGraph *g)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_graph_print(&buf, g);
    return buf.data;
}

static const QccType *f32(Fixture *f, int64_t n, int64_t m)
{
    int64_t dim[] = {n, m};
    return qcc_type_shape(f->ir, QCC_F32, 2, dim);
}

static QccValue *unary(QccGraph *g, const QccOpDef *def, const char *name, QccValue *x)
{
    QccOp *op;
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, name, &x, 1, NULL), QCC_OK);
    return &op->out[0];
}

static void expect_valid(Fixture *f, const QccGraph *g)
{
    ck_assert_msg(qcc_graph_verify(g) == QCC_OK, "%s", f->said);
}

static void changing(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 1, 4));
    QccValue *a = unary(g, &qcc_op_relu, "a", x);
    QccValue *b = unary(g, &qcc_op_neg, "b", a);
    qcc_graph_set_results(g, &b, 1);
    expect_valid(f, g);
    ck_assert_int_eq(qcc_graph_result_count(g), 1);
    ck_assert_ptr_eq(qcc_graph_result(g, 0), b);

    /* behind the yield nothing is put */
    QccValue *c = unary(g, &qcc_op_abs, "c", a);
    ck_assert_ptr_eq(g->last->def, &qcc_op_yield);
    qcc_value_replace(b, c);
    ck_assert_int_eq(qcc_value_use_count(b), 0);
    ck_assert_int_eq(qcc_value_use_count(c), 1);
    ck_assert_int_eq(qcc_value_use_count(a), 2);
    qcc_op_remove(b->def);
    ck_assert_int_eq(qcc_value_use_count(a), 1);
    expect_valid(f, g);
    ck_assert_str_eq(print_graph(f, g), "graph @g(%x: f32[1,4]) {\n"
                                        "  %a = relu %x : f32[1,4]\n"
                                        "  %c = abs %a : f32[1,4]\n"
                                        "  return %c\n"
                                        "}\n");
    /* the removed op's name is free again */
    ck_assert_str_eq(unary(g, &qcc_op_neg, "b", x)->name, "b");
    qcc_op_move(qcc_graph_find_value(g, "b")->def, a->def);
    ck_assert_ptr_eq(g->first->out, qcc_graph_find_value(g, "b"));
    expect_valid(f, g);

    /* an order that is wrong is noticed */
    qcc_op_move(c->def, a->def);
    ck_assert_int_eq(qcc_graph_verify(g), QCC_ERROR_INPUT);
    ck_assert_ptr_nonnull(strstr(f->said, "operand 0 of 'abs' is not defined before it"));
}

START_TEST(test_changing)
{
    with_ir(changing);
}
END_TEST

static void removal_in_walk(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 1, 4));
    for (int i = 0; i < 5; i++) unary(g, &qcc_op_relu, NULL, x);
    qcc_graph_set_results(g, &x, 1);
    int n = 0;
    QCC_FOR_OPS(op, g)
    {
        qcc_op_remove(op);
        n++;
    }
    ck_assert_int_eq(n, 5);
    ck_assert_ptr_eq(g->first, g->last);
    ck_assert_int_eq(qcc_value_use_count(x), 1);
}

START_TEST(test_removal_in_walk)
{
    with_ir(removal_in_walk);
}
END_TEST

static void names(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 1, 4));
    ck_assert_str_eq(qcc_graph_add_param(g, "x", x->type)->name, "x_1");
    ck_assert_str_eq(qcc_graph_add_param(g, "x", x->type)->name, "x_2");
    ck_assert_str_eq(qcc_graph_add_param(g, "x_1", x->type)->name, "x_1_1");
    ck_assert_str_eq(qcc_graph_add_param(g, NULL, x->type)->name, "t1");
    ck_assert_str_eq(qcc_graph_add_param(g, "t2", x->type)->name, "t2");
    ck_assert_str_eq(qcc_graph_add_param(g, "", x->type)->name, "t3");
    qcc_value_rename(x, "y");
    ck_assert_ptr_null(qcc_graph_find_value(g, "x"));
    ck_assert_ptr_eq(qcc_graph_find_value(g, "y"), x);
    ck_assert_str_eq(qcc_graph_add_param(g, "x", x->type)->name, "x");
    /* many of one name stay fast */
    for (int i = 0; i < 20000; i++) qcc_graph_add_param(g, "same", x->type);
}

START_TEST(test_names)
{
    with_ir(names);
}
END_TEST

/* fused(x) { relu; abs } with names of its own */
static QccOp *fuse(QccGraph *g, const char *name, QccValue *x)
{
    QccOp *op;
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, &qcc_op_fused, (QccLoc){0}, name, &x, 1, NULL),
                     QCC_OK);
    QccGraph *body = qcc_graph_new_body(op);
    QccValue *r = unary(body, &qcc_op_relu, "r", body->param[0]);
    QccValue *s = unary(body, &qcc_op_abs, "s", r);
    qcc_graph_set_results(body, &s, 1);
    ck_assert_int_eq(qcc_op_reinfer(op), QCC_OK);
    return op;
}

static void bodies(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 2, 3));
    QccOp *a = fuse(g, "a", x), *b = fuse(g, "b", &a->out[0]);
    qcc_graph_set_results(g, &(QccValue *){&b->out[0]}, 1);
    expect_valid(f, g);
    /* bodies side by side use the same names; around them these are taken */
    ck_assert_str_eq(b->body->first->out->name, "r");
    ck_assert_str_eq(unary(g, &qcc_op_neg, "r", x)->name, "r_1");
    /* a parameter follows its operand */
    qcc_value_rename(&a->out[0], "renamed");
    ck_assert_str_eq(b->body->param[0]->name, "renamed");
    const QccType *u8 =
        qcc_type_quantized(f->ir, x->type, QCC_U8, qcc_quant_tensor(f->ir, QCC_U8, 0.5f, 0));
    qcc_value_set_type(&a->out[0], u8);
    ck_assert_ptr_eq(b->body->param[0]->type, u8);
    qcc_op_set_operand(b, 0, x);
    ck_assert_str_eq(b->body->param[0]->name, "x");
    ck_assert_ptr_eq(b->body->param[0]->type, x->type);
    expect_valid(f, g);
    /* reinference keeps the quantization, and goes through the body */
    qcc_value_set_type(x, f32(f, 5, 6));
    ck_assert_int_eq(qcc_op_reinfer(a), QCC_OK);
    ck_assert_int_eq(a->out[0].type->dim[0].n, 5);
    ck_assert_ptr_eq(a->out[0].type->quant, u8->quant);
    ck_assert_int_eq(a->body->first->out->type->dim[1].n, 6);
    /* with the op its body's names go */
    qcc_op_remove(a);
    QccValue *s = unary(g, &qcc_op_neg, "s", x);
    ck_assert_str_eq(s->name, "s_1"); /* b's body has it still */
}

START_TEST(test_bodies)
{
    with_ir(bodies);
}
END_TEST

static void nested(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 2, 3));
    QccOp *a = fuse(g, "a", x);
    qcc_graph_set_results(g, &(QccValue *){&a->out[0]}, 1);
    QccOp *inner = fuse(a->body, "inner", a->body->param[0]);
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    ck_assert_ptr_nonnull(strstr(f->said, "'fused' within the body of another"));
    ck_assert_str_eq(inner->body->first->out->name, "r_1");
}

START_TEST(test_nested)
{
    with_ir(nested);
}
END_TEST

static void cloning(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccDim d[] = {{.n = 1, .sym = {qcc_graph_symbol(g, "N", 1, 8)}}, {.n = 3}};
    QccValue *x = qcc_graph_add_param(g, "x", qcc_type(f->ir, QCC_F32, 2, d, NULL));
    qcc_value_set_range(x, 1, 2);
    ck_assert(x->lo == 0 && x->hi == 2); /* a range holds 0 */
    QccOp *a = fuse(g, "a", x);
    a->loc.node = "/a";
    qcc_graph_set_prop(g, "calibrated");
    qcc_graph_set_prop(g, "calibrated");
    qcc_graph_set_results(g, &(QccValue *){&a->out[0]}, 1);
    expect_valid(f, g);
    QccArena *arena = qcc_arena_sub(f->arena);
    QccGraph *copy = qcc_graph_clone(g, arena);
    expect_valid(f, copy);
    ck_assert_str_eq(print_graph(f, copy), print_graph(f, g));

    /* the copy is a graph of its own */
    int64_t n = 9;
    ck_assert_int_eq(qcc_graph_bind(copy, &n), QCC_ERROR_INPUT);
    n = 7;
    ck_assert_int_eq(qcc_graph_bind(copy, &n), QCC_OK);
    expect_valid(f, copy);
    ck_assert_str_eq(print_graph(f, copy),
                     "graph @g(%x: f32[7,3] range(0, 2)) props(calibrated) {\n"
                     "  %a = fused %x : f32[7,3] loc(\"/a\") {\n"
                     "    %r = relu %x : f32[7,3]\n"
                     "    %s = abs %r : f32[7,3]\n"
                     "    yield %s\n"
                     "  }\n"
                     "  return %a\n"
                     "}\n");
    qcc_graph_clear_prop(copy, "calibrated");
    ck_assert(!qcc_graph_has_prop(copy, "calibrated") && qcc_graph_has_prop(g, "calibrated"));
    qcc_arena_free(arena);
    expect_valid(f, g);
}

START_TEST(test_cloning)
{
    with_ir(cloning);
}
END_TEST

static void misfits(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 1, 4));
    QccValue *two[] = {x, x};
    QccOp *op;
    ck_assert_int_eq(
        qcc_op_new(&op, g, NULL, &qcc_op_relu, (QccLoc){.node = "/n"}, NULL, two, 2, NULL),
        QCC_ERROR_INPUT);
    ck_assert_ptr_null(op);
    ck_assert_ptr_nonnull(strstr(f->said, "'relu' takes 1 operands, not 2"));
    two[1] = NULL;
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, &qcc_op_add, (QccLoc){0}, NULL, two, 2, NULL),
                     QCC_ERROR_INPUT);
    ck_assert_int_eq(qcc_value_use_count(x), 0);
    ck_assert_ptr_null(g->first);
    ck_assert_int_eq(qcc_graph_verify(g), QCC_ERROR_INPUT); /* it returns nothing */
}

START_TEST(test_misfits)
{
    with_ir(misfits);
}
END_TEST

/* Damage that only wrong code can do is noticed too. */
static void damage(Fixture *f)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccValue *x = qcc_graph_add_param(g, "x", f32(f, 1, 4));
    QccValue *y = unary(g, &qcc_op_relu, "y", x), *z = unary(g, &qcc_op_relu, "z", x);
    qcc_graph_set_results(g, &z, 1);
    expect_valid(f, g);
    const QccType *type = y->type;
    y->type = f32(f, 2, 4);
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    y->type = type;
    y->has_range = true;
    y->lo = 1;
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    y->lo = (float)NAN;
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    y->has_range = false;
    const char *name = y->name;
    y->name = "z";
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    y->name = name;
    QccUse *uses = x->uses;
    x->uses = uses->next; /* z's use is lost */
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    x->uses = uses;
    QccOp *before = z->def->prev;
    z->def->prev = NULL;
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    z->def->prev = before;
    qcc_value_set_type(x, f32(f, 3, 4)); /* and nobody inferred anew */
    ck_assert_int_ne(qcc_graph_verify(g), QCC_OK);
    qcc_value_set_type(x, type);
    expect_valid(f, g);
}

START_TEST(test_damage)
{
    with_ir(damage);
}
END_TEST

/* The bias of an integer contraction: scale (f32)((double)sx * sw[c]), zero point 0. */
static void bias(Fixture *f)
{
    static const char *const text[] = {
        /* 0.1f * 0.3f in double, rounded once: 0.030000001 (worked out with numpy) */
        "  %b = const [3,4] : i32[2] q(block 1: [0.030000001,0.05], 0)\n",
        "  %b = const [3,4] : i32[2] q(block 1: [0.03,0.05], 0)\n",
        "  %b = const [3,4] : i32[2] q(block 1: [0.030000001,0.05], 1)\n",
        "  %b = const [3,4] : i32[2] q(0.030000001: 0)\n",
    };
    for (int i = 0; i < 4; i++) {
        char all[1024];
        snprintf(all, sizeof all,
                 "qir 1\ngraph @g(%%x: u8[1,4] q(0.1: 3)) {\n"
                 "  %%w = const [1,2,3,4,5,6,7,8] : i8[2,4] q(block 1x0: [0.3,0.5], 0)\n%s"
                 "  %%y = fc %%x, %%w, %%b : f32[1,2]\n  return %%y\n}\n",
                 text[i]);
        QccModule *m;
        f->said[0] = 0;
        QccStatus status =
            qcc_module_parse(&m, f->ir, f->arena, "t", all, (int64_t)strlen(all), NULL);
        ck_assert_msg((status == QCC_OK) == (i == 0), "%d: %s", i, f->said);
        if (i) ck_assert_ptr_nonnull(strstr(f->said, "t:5:8: error: 'fc': bias "));
    }
}

START_TEST(test_bias)
{
    with_ir(bias);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");
    tcase_add_test(tc, test_changing);
    tcase_add_test(tc, test_removal_in_walk);
    tcase_add_test(tc, test_names);
    tcase_add_test(tc, test_bodies);
    tcase_add_test(tc, test_nested);
    tcase_add_test(tc, test_cloning);
    tcase_add_test(tc, test_misfits);
    tcase_add_test(tc, test_damage);
    tcase_add_test(tc, test_bias);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
