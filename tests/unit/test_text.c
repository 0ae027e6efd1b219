/* test_text - the qir language: round trips, and what the parser says to wrong text. */
#include "ir/ops.h"
#include "tests/unit/ir_test.h"

static const char small[] =
    "qir 1\n"
    "graph @mlp(%x: f32[1,4] range(-1, 2.5)) {\n"
    "  %w = const [1,-2,3,4,5,6,7,-8] : i8[2,4] q(block 1x0: [0.5,0.25], 0)\n"
    "  %b = const [3,4] : i32[2] q(block 1: [0.25,0.125], 0)\n"
    "  %q = quantize %x : u8[1,4] q(0.5: 10)\n"
    "  %h = fused %q, %w, %b : u8[1,2] q(0.125: 0) range(0, 8.1) "
    "loc(\"mlp.onnx\" \"/fc1/Gemm\") {\n"
    "    %a = fc %q, %w, %b : f32[1,2]\n"
    "    %r = relu %a : f32[1,2]\n"
    "    yield %r\n"
    "  }\n"
    "  %\"y/out:0\" = dequantize %h : f32[1,2] loc(\"last\")\n"
    "  return %\"y/out:0\"\n"
    "}\n";

static void round_trip(Fixture *f)
{
    const char *once = print_module(f, parse_text(f, small));
    ck_assert_str_eq(once, small);
}

START_TEST(test_round_trip)
{
    with_ir(round_trip);
}
END_TEST

static void meaning(Fixture *f)
{
    const QccGraph *g = parse_text(f, small)->graph;
    const QccValue *h = qcc_graph_find_value(g, "h");
    ck_assert_ptr_nonnull(h);
    ck_assert(h->has_range && h->lo == 0 && h->hi == 8.1f);
    ck_assert_str_eq(h->def->loc.file, "mlp.onnx");
    ck_assert_str_eq(h->def->loc.node, "/fc1/Gemm");
    ck_assert_int_eq(h->type->dtype, QCC_U8);
    float scale;
    int32_t zero;
    ck_assert(qcc_quant_is_tensor(h->type->quant, &scale, &zero));
    ck_assert(scale == 0.125f && zero == 0);
    const QccOp *body = h->def->body->first;
    ck_assert_ptr_eq(body->def, &qcc_op_fc);
    ck_assert_ptr_eq(body->in[0].value, h->def->body->param[0]);
    const QccBlob *w = qcc_value_const(qcc_graph_find_value(g, "w"));
    ck_assert_int_eq(((const int8_t *)w->data)[7], -8);
    /* positions of text stay with ops that name no file */
    const QccOp *last = qcc_graph_find_value(g, "y/out:0")->def;
    ck_assert_int_eq(last->loc.line, 11);
    ck_assert_str_eq(last->loc.node, "last");
}

START_TEST(test_meaning)
{
    with_ir(meaning);
}
END_TEST

static void blobs(Fixture *f)
{
    /* 16 bytes 0..15 in base64, worked out with Python's base64 module */
    const char *text = "qir 1\n"
                       "graph @g() {\n"
                       "  %a = const @0 : u8[16]\n"
                       "  %b = const @0 : u8[16]\n"
                       "  %n = const @1 : f32[]\n"
                       "  return %a, %b, %n\n"
                       "}\n"
                       "blob @0 u8 16 \"AAECAwQFBgcICQoLDA0ODw==\"\n"
                       "blob @1 f32 scalar \"AQDAfw==\"\n";
    QccModule *m = parse_text(f, text);
    ck_assert_str_eq(print_module(f, m), text);
    const uint8_t *a = qcc_value_const(qcc_graph_find_value(m->graph, "a"))->data;
    for (int i = 0; i < 16; i++) ck_assert_int_eq(a[i], i);
    uint32_t bits;
    memcpy(&bits, qcc_value_const(qcc_graph_find_value(m->graph, "n"))->data, 4);
    ck_assert_uint_eq(bits, 0x7fc00001); /* the NaN's payload is kept */
}

START_TEST(test_blobs)
{
    with_ir(blobs);
}
END_TEST

static void extras(Fixture *f)
{
    const char *text = "qir 1\n"
                       "graph @\"two words\"(symbols N: 1..64; %x: f32[N,2]) props(calibrated) {\n"
                       "  return %x\n"
                       "}\n"
                       "samples @0\n"
                       "labels @1\n"
                       "preprocess \"scale: 1/255\\nmean: [0.5]\\n\"\n"
                       "blob @0 f32 2x2 \"AACAPwAAAEAAAEBAAACAQA==\"\n"
                       "blob @1 i64 2 \"AwAAAAAAAAAHAAAAAAAAAA==\"\n";
    QccModule *m = parse_text(f, text);
    ck_assert_str_eq(print_module(f, m), text);
    ck_assert_int_eq(m->nsamples, 1);
    ck_assert(((const float *)m->samples[0]->data)[3] == 4);
    ck_assert_int_eq(((const int64_t *)m->labels->data)[1], 7);
    ck_assert_str_eq(m->preprocess, "scale: 1/255\nmean: [0.5]\n");
    ck_assert(qcc_graph_has_prop(m->graph, "calibrated"));
}

START_TEST(test_extras)
{
    with_ir(extras);
}
END_TEST

/* Text, and the first thing that is said about it. */
static const struct {
    const char *text, *said;
} wrong[] = {
    {"", "t.qir:1:1: error: wanted 'qir 1', found the end of the text\n"},
    {"qir 2\n", "t.qir:1:5: error: this is qir 2; this version of qcc reads qir 1\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n  %y = reul %x : f32[1]\n  return %y\n}\n",
     "t.qir:3:8: error: there is no op 'reul'\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n  %y = relu %z : f32[1]\n  return %y\n}\n",
     "t.qir:3:13: error: there is no value %z before this line\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n  %y = relu %x : f32[2]\n  return %y\n}\n",
     "t.qir:3:18: error: 'relu' gives f32[1], not f32[2]\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n  %x = relu %x : f32[1]\n  return %x\n}\n",
     "t.qir:3:3: error: %x is defined already\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n}\n", "t.qir:3:1: error: wanted 'return' before '}'\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n  return %x\n",
     "t.qir:4:1: error: wanted '}', found the end of the text\n"},
    {"qir 1\ngraph @g(%x: u8[1] q(0: 0)) {\n  return %x\n}\n",
     "t.qir:2:14: error: scale 0 is 0; it must lie in 2^-60..2^60\n"},
    {"qir 1\ngraph @g(%x: u8[1] q(1: 256)) {\n  return %x\n}\n",
     "t.qir:2:14: error: zero point 0 is 256; it must lie in 0..255\n"},
    {"qir 1\ngraph @g(%x: f32[1] q(1: 0)) {\n  return %x\n}\n",
     "t.qir:2:21: error: f32 cannot be quantized; wanted an integer of at most 32 bits\n"},
    {"qir 1\ngraph @g(%x: f32[99999999,99999999]) {\n  return %x\n}\n",
     "t.qir:2:14: error: a tensor of more than 2^48 bytes\n"},
    {"qir 1\ngraph @g(%x: f32[99999999999999999999]) {\n  return %x\n}\n",
     "t.qir:2:18: error: wanted an extent, found '99999999999999999999'\n"},
    {"qir 1\ngraph @g(%x: f32[M]) {\n  return %x\n}\n",
     "t.qir:2:18: error: 'M' is no symbol of this graph\n"},
    {"qir 1\ngraph @g(%x: i8[4] q(block 3: [1], 0)) {\n  return %x\n}\n",
     "t.qir:2:28: error: blocks of 3 do not divide dimension 0, which is 4\n"},
    {"qir 1\ngraph @g() {\n  %c = const [1,300] : u8[2]\n  return %c\n}\n",
     "t.qir:3:17: error: 300 does not fit u8, which holds 0..255\n"},
    {"qir 1\ngraph @g() {\n  %c = const [1] : u8[2]\n  return %c\n}\n",
     "t.qir:3:14: error: 1 numbers; the type has 2 elements\n"},
    {"qir 1\ngraph @g() {\n  %c = const @0 : u8[2]\n  return %c\n}\n",
     "t.qir:3:14: error: there is no blob @0; there are 0\n"},
    {"qir 1\ngraph @g() {\n  %c = const @#0123 : u8[2]\n  return %c\n}\n",
     "t.qir:3:14: error: a blob that was left out when this text was printed\n"},
    {"qir 1\ngraph @g() {\n  return\n}\nblob @0 u8 3 \"AAE=\"\n",
     "t.qir:5:12: error: the data is not base64 of the 3 bytes of the shape\n"},
    {"qir 1\ngraph @g() {\n  return\n}\nblob @0 u8 99999999 \"AAE=\"\n",
     "t.qir:5:12: error: the data is shorter than the 99999999 bytes of the shape\n"},
    {"qir 1\ngraph @g(%x: f32[1]) {\n  %y = relu %x {slope: 1} : f32[1]\n  return %y\n}\n",
     "t.qir:3:17: error: 'relu' has no attribute 'slope'\n"},
};

static void check_wrong(Fixture *f)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        QccModule *m;
        f->said[0] = 0;
        QccStatus status = qcc_module_parse(&m, f->ir, f->arena, "t.qir", wrong[i].text,
                                            (int64_t)strlen(wrong[i].text), NULL);
        ck_assert_int_ne(status, QCC_OK);
        ck_assert_ptr_null(m);
        ck_assert_msg(!strncmp(f->said, wrong[i].said, strlen(wrong[i].said)), "case %zu: %s", i,
                      f->said);
    }
}

START_TEST(test_wrong)
{
    with_ir(check_wrong);
}
END_TEST

static void recovers(Fixture *f)
{
    /* Three errors on three lines; the users of %b and %f stay quiet, so does the lost body. */
    const char *text = "qir 1\n"
                       "graph @g(%x: f32[2]) {\n"
                       "  %a = relu %x : f32[2]\n"
                       "  %b = nothing %a : f32[2]\n"
                       "  %c = relu %b : f32[2]\n"
                       "  %d = relu %a : f32[3]\n"
                       "  %f = fused %a, %nowhere : f32[2] {\n"
                       "    %g = rleu %a\n"
                       "    yield %g\n"
                       "  }\n"
                       "  return %c, %f\n"
                       "}\n";
    QccModule *m;
    ck_assert_int_eq(
        qcc_module_parse(&m, f->ir, f->arena, "t.qir", text, (int64_t)strlen(text), NULL),
        QCC_ERROR_INPUT);
    ck_assert_str_eq(f->said, "t.qir:4:8: error: there is no op 'nothing'\n"
                              "t.qir:6:18: error: 'relu' gives f32[2], not f32[3]\n"
                              "t.qir:7:18: error: there is no value %nowhere before this line\n");
}

START_TEST(test_recovers)
{
    with_ir(recovers);
}
END_TEST

static void wrong_versions(Fixture *f)
{
    QccModule *m;
    ck_assert_int_eq(qcc_module_parse(&m, f->ir, f->arena, "t", "qir 9\n", 6, NULL),
                     QCC_ERROR_UNSUPPORTED);
}

START_TEST(test_version)
{
    with_ir(wrong_versions);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_test(tc, test_round_trip);
    tcase_add_test(tc, test_meaning);
    tcase_add_test(tc, test_blobs);
    tcase_add_test(tc, test_extras);
    tcase_add_test(tc, test_wrong);
    tcase_add_test(tc, test_recovers);
    tcase_add_test(tc, test_version);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
