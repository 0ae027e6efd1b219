/* test_onnx - the importer: structure, names, hostile bytes. Values: tests/onnx, onnx_operators. */
#include <stdlib.h>

#include "frontend/frontend.h"
#include "frontend/wire.h"
#include "ir/ops.h"
#include "ir_test.h"

static const void *read_source(Fixture *f, const char *name, int64_t *size)
{
    const char *source = getenv("QCC_SOURCE");
    const void *bytes = NULL;
    const char *path = qcc_sprintf(f->arena, "%s/%s", source ? source : ".", name);
    ck_assert_int_eq(qcc_map_file(f->arena, &f->ir->diags, path, &bytes, size), QCC_OK);
    return bytes;
}

static QccStatus import(Fixture *f, QccModule **m, const void *bytes, int64_t size)
{
    f->said[0] = 0;
    return qcc_import(m, f->ir, f->arena, "m.onnx", NULL, bytes, size, NULL, 0);
}

static void digits(Fixture *f)
{
    int64_t size;
    const void *bytes = read_source(f, "models/digits/digits.onnx", &size);
    QccModule *m;
    ck_assert_msg(import(f, &m, bytes, size) == QCC_OK, "%s", f->said);
    const QccGraph *g = m->graph;
    ck_assert_int_eq(g->nparam, 1);
    ck_assert_str_eq(g->param[0]->name, "image");
    ck_assert_str_eq(g->param[0]->type->dim[0].sym[0]->name, "N");
    ck_assert_int_eq(qcc_graph_result_count(g), 1);
    ck_assert_str_eq(qcc_graph_result(g, 0)->name, "logits");
    int convs = 0, in_place = 0;
    QCC_FOR_OPS(op, g)
    {
        if (op->def != &qcc_op_conv2d) continue;
        convs++;
        ck_assert_ptr_nonnull(op->loc.node);
        ck_assert_str_eq(op->loc.file, "m.onnx");
        ck_assert_ptr_nonnull(qcc_value_const(qcc_op_in(op, 1))); /* transposed on import */
    }
    QCC_FOR_OPS(op, g)
    {
        const QccBlob *b = op->def == &qcc_op_const ? qcc_value_const(&op->out[0]) : NULL;
        const char *data = b ? b->data : NULL;
        in_place += data >= (const char *)bytes && data < (const char *)bytes + size;
    }
    ck_assert_int_eq(convs, 6);
    ck_assert_int_gt(in_place, 0); /* some raw data is aligned in the file */
}

START_TEST(test_digits)
{
    with_ir(digits);
}
END_TEST

static void truncations(Fixture *f)
{
    static const char *const files[] = {"tests/onnx/conv_groups/model.onnx",
                                        "tests/onnx/shape_arithmetic/model.onnx",
                                        "tests/onnx/gemm_quantized_weights/model.onnx"};
    for (int i = 0; i < 3; i++) {
        int64_t size;
        const char *bytes = read_source(f, files[i], &size);
        for (int64_t n = 0; n < size; n++) {
            QccArena *arena = qcc_arena_sub(f->arena);
            char *part = malloc(n ? (size_t)n : 1);
            memcpy(part, bytes, (size_t)n);
            QccModule *m;
            f->said[0] = 0;
            QccStatus status = qcc_import(&m, f->ir, arena, "m.onnx", NULL, part, n, NULL, 0);
            ck_assert_msg(status != QCC_OK, "%s cut to %lld bytes", files[i], (long long)n);
            ck_assert_msg(strstr(f->said, "m.onnx:0:0: error: "), "%s", f->said);
            qcc_arena_free(arena);
            free(part);
        }
    }
}

START_TEST(test_truncations)
{
    with_ir(truncations);
}
END_TEST

/* Written by hand after the protobuf encoding; the importer sees a graph (field 7) after the IR
 * version (field 1). */
static void hostile(Fixture *f)
{
    static const struct {
        const char *bytes;
        int64_t size;
        const char *says;
    } cases[] = {
        {"\x08\x07\x3a\x7f\x0a", 5, "offset 2: a field ends past the end in ModelProto"},
        {"\x08\x07\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, "offset 2: a field ends past"},
        {"\x08\x07\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 14,
         "offset 3: a number of more"},
        {"\x08\x07\x3a\x02\x0a", 5, "offset 2: a field ends past"},
        {"\x08\x07\x3a\x03\x0a\x09\x00", 7, "offset 4: a field ends past the end in GraphProto"},
        {"\x08\x07\x3b", 3, "offset 2: a wire type that ONNX does not use"},
        {"\x08\x07\x38\x01", 4, "offset 2: a field of the wrong wire type in ModelProto"},
        {"\x08\x07\x08\x07", 4, "offset 2: a field occurs twice"},
        {"\x08\x07\x02\x01", 4, "offset 2: a field number out of range"},
        {"\x08\x07\x3a\x06\x12\x04\x61\x00\x62\x63", 10, "offset 6: a string with a NUL byte"},
        {"\x08\x07\x3a\x80", 4, "offset 3: a number is cut off"},
        {"\x08\x07", 2, "the model has no graph"},
        {"\x08\x07\x42\x02\x10\x06\x3a\x04\x0a\x02\x22\x00", 12, "unsupported op ''"},
        {"\x08\x07\x42\x02\x10\x0d\x3a\x00", 8, "the graph has no outputs"},
        {"hello", 5, "is neither a model.bin nor qir text nor an ONNX model"},
        {"", 0, "is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        QccModule *m;
        ck_assert_int_ne(import(f, &m, cases[i].bytes, cases[i].size), QCC_OK);
        ck_assert_msg(strstr(f->said, cases[i].says), "case %zu: %s", i, f->said);
    }
}

START_TEST(test_hostile)
{
    with_ir(hostile);
}
END_TEST

/* Graphs in attributes of nodes of graphs are followed to a depth. */
static void nested(Fixture *f)
{
    QccBuf buf, outer;
    qcc_buf_init(&buf, f->arena);
    for (int i = 0; i < 200; i++) {
        /* graph (7 in the model) > node (1) > attribute (5) > g (6) */
        static const int path[] = {6, 5, 1};
        for (int k = 0; k < 3; k++) {
            qcc_buf_init(&outer, f->arena);
            uint8_t tag = (uint8_t)(path[k] << 3 | 2);
            qcc_buf_add(&outer, &tag, 1);
            for (uint64_t n = (uint64_t)buf.len;; n >>= 7) {
                uint8_t byte = (uint8_t)((n & 127) | (n > 127 ? 128 : 0));
                qcc_buf_add(&outer, &byte, 1);
                if (n <= 127) break;
            }
            qcc_buf_add(&outer, buf.data, buf.len);
            buf = outer;
        }
    }
    QccWire wire;
    qcc_buf_init(&outer, f->arena);
    qcc_buf_puts(&outer, "\x08\x07\x42\x02\x10\x0d\x3a"); /* IR version 7, opset 13, a graph */
    for (uint64_t n = (uint64_t)buf.len;; n >>= 7) {
        uint8_t byte = (uint8_t)((n & 127) | (n > 127 ? 128 : 0));
        qcc_buf_add(&outer, &byte, 1);
        if (n <= 127) break;
    }
    qcc_buf_add(&outer, buf.data, buf.len);
    f->said[0] = 0;
    ck_assert_int_eq(qcc_wire_reduce(&wire, f->arena, &f->ir->diags, "m.onnx", QCC_WIRE_MODEL,
                                     outer.data, outer.len),
                     QCC_ERROR_INPUT);
    ck_assert_msg(strstr(f->said, "too many graphs in each other"), "%s", f->said);
}

START_TEST(test_nested)
{
    with_ir(nested);
}
END_TEST

static void sniffs(Fixture *f)
{
    static const char text[] = "; a comment\nqir 1\ngraph @g(%x: f32[2]) {\n  %y = relu %x : "
                               "f32[2]\n  return %y\n}\n";
    QccModule *m;
    ck_assert_msg(import(f, &m, text, sizeof text - 1) == QCC_OK, "%s", f->said);
    ck_assert_str_eq(m->graph->param[0]->name, "x");
}

START_TEST(test_sniffs)
{
    with_ir(sniffs);
}
END_TEST

/* Every model of the shared folder but one with ops of a foreign domain, which are all named. */
static void shared_models(Fixture *f)
{
    static const char *const names[] = {
        "resnet20_cifar10",     "resnet56_cifar10", "squeezenet1.1",       "mobilenet_v1_0.25_224",
        "mobilenet_v2_1.0_224", "resnet18_trunk",   "tfc_mnist_2w2a_qonnx"};
    const char *shared = getenv("QCC_SHARED");
    for (int i = 0; i < 7; i++) {
        const char *path = qcc_sprintf(f->arena, "%s/data/models/%s.onnx",
                                       shared ? shared : "../shared", names[i]);
        const void *bytes;
        int64_t size;
        QccModule *m;
        if (qcc_map_file(f->arena, &f->ir->diags, path, &bytes, &size) != QCC_OK) {
            printf("skipped: there is no %s\n", path);
            continue;
        }
        QccStatus status = import(f, &m, bytes, size);
        ck_assert_msg(status == (i < 6 ? QCC_OK : QCC_ERROR_UNSUPPORTED), "%s: %s", path, f->said);
        int named = 0;
        for (const char *s = f->said; (s = strstr(s, "unsupported op 'Quant'")); s++) named++;
        ck_assert_int_eq(named, i < 6 ? 0 : 8);
    }
}

START_TEST(test_shared_models)
{
    with_ir(shared_models);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx");
    TCase *tc = tcase_create("onnx");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_digits);
    tcase_add_test(tc, test_truncations);
    tcase_add_test(tc, test_hostile);
    tcase_add_test(tc, test_nested);
    tcase_add_test(tc, test_sniffs);
    tcase_add_test(tc, test_shared_models);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
