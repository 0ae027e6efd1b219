/* test_unfused - the borders that are left between quantized and float parts: which, why, how dear.
 *
 * The lines are worked out by hand: 4 elements are 4 bytes stored and 16 bytes as reals.
 */
#include "passes/manager.h"
#include "tests/unit/ir_test.h"

typedef struct Case {
    const char *passes, *graph, *report;
    bool timed;
} Case;

#define WEIGHT "  %w = const [1,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1] : f32[4,4]\n"

static const Case cases[] = {
    /* cum_sum has no quantized form; %c is excluded; behind %d there is nothing but the result. */
    {.passes = "[quantize: {exclude: [^c$]}, propagate-scales, fuse-requant]",
     .graph = "qir 1\n"
              "graph @g(%x: f32[1,4] range(-1, 1)) props(calibrated) {\n" WEIGHT
              "  %a = fc %x, %w : f32[1,4] range(-1, 1)\n"
              "  %e = cum_sum %a {axis: 1} : f32[1,4] range(0, 3)\n"
              "  %b = fc %e, %w : f32[1,4] range(0, 3)\n"
              "  %c = fc %b, %w : f32[1,4] range(0, 3)\n"
              "  %d = fc %c, %w : f32[1,4] range(0, 3)\n"
              "  return %d\n"
              "}\n",
     .report =
         "leaves    %a = fc: blocked by 'cum_sum' %e: 'cum_sum' has no quantized form; 20 bytes\n"
         "enters    %e = cum_sum: blocked by 'cum_sum' %e: 'cum_sum' has no quantized form; 20 "
         "bytes\n"
         "leaves    %b = fc: blocked by 'fc' %c: the scopes of quantize leave it out; 20 bytes\n"
         "enters    %c = fc: blocked by 'fc' %c: the scopes of quantize leave it out; 20 bytes\n"
         "unfused   4 borders; 80 bytes\n"},
    /* A float op between others; two readers; each step takes 1/4 ms here. */
    {.passes = "[quantize, propagate-scales, fuse-requant]",
     .timed = true,
     .graph = "qir 1\n"
              "graph @g(symbols N: 2..9; %x: f32[N,4] range(-1, 1)) props(calibrated) {\n" WEIGHT
              "  %a = fc %x, %w : f32[N,4] range(-1, 1)\n"
              "  %e = exp %a : f32[N,4] range(0, 3) loc(\"m.onnx\" \"/exp\")\n"
              "  %s = cum_sum %e {axis: 1} : f32[N,4] range(0, 9)\n"
              "  %l = log %a : f32[N,4] range(-9, 9)\n"
              "  %b = fc %s, %w : f32[N,4] range(0, 9)\n"
              "  return %b, %l\n"
              "}\n",
     .report = "leaves    %a = fc: blocked by 'exp' %e of /exp and 1 more: 'exp' has no quantized "
               "form; 40 bytes, 0.2500 ms\n"
               "float     %e = exp: blocked by 'exp' %e of /exp: 'exp' has no quantized form; 64 "
               "bytes, 0.2500 ms\n"
               "enters    %s = cum_sum: blocked by 'cum_sum' %s: 'cum_sum' has no quantized form; "
               "40 bytes, 0.2500 ms\n"
               "unfused   3 borders; 144 bytes, 0.7500 ms\n"},
    /* %a is read with its own scale and with that of the concatenation. */
    {.passes = "[quantize, propagate-scales, fuse-requant]",
     .graph = "qir 1\n"
              "graph @g(%x: f32[1,4] range(-1, 1)) props(calibrated) {\n" WEIGHT
              "  %v = const [1,0,0,0,0,0,0,0] : f32[1,8]\n"
              "  %a = fc %x, %w : f32[1,4] range(-1, 1)\n"
              "  %b = fc %a, %w : f32[1,4] range(-4, 4)\n"
              "  %c = concat %a, %b {axis: 1} : f32[1,8] range(-4, 4)\n"
              "  %d = fc %c, %v : f32[1,1] range(-4, 4)\n"
              "  return %d\n"
              "}\n",
     .report = "rescales  %a.q = quantize: two scales, of which 'fc' %d wants the second; 8 bytes\n"
               "unfused   1 border; 8 bytes\n"},
    /* 2 * 255 + 2147483200 is more than 2^31 - 1. */
    {.passes = "[strip-fake-quant, propagate-scales, fold-constants, fuse-requant]",
     .graph = "qir 1\n"
              "graph @g(%x: f32[1,2]) {\n"
              "  %q = quantize %x : u8[1,2] q(1: 0)\n"
              "  %d = dequantize %q : f32[1,2]\n"
              "  %w = const [1,1,1,1] : i8[2,2] q(1: 0)\n"
              "  %v = dequantize %w : f32[2,2]\n"
              "  %b = const [2147483200,0] : i32[2] q(1: 0)\n"
              "  %c = dequantize %b : f32[2]\n"
              "  %y = fc %d, %v, %c : f32[1,2]\n"
              "  %r = quantize %y : u8[1,2] q(1: 0)\n"
              "  %s = dequantize %r : f32[1,2]\n"
              "  %z = fc %s, %v : f32[1,2]\n"
              "  return %z\n"
              "}\n",
     .report =
         "leaves    %d = dequantize: blocked by 'fc' %y: its accumulator may not fit 32 bits; "
         "10 bytes\n"
         "enters    %y = fc: blocked by 'fc' %y: its accumulator may not fit 32 bits; 10 "
         "bytes\n"
         "unfused   2 borders; 20 bytes\n"},
    /* What stands at the borders of the graph is none of this. */
    {.passes = "[strip-fake-quant, propagate-scales, fuse-requant]",
     .graph = "qir 1\n"
              "graph @g(%x: f32[1,2]) {\n"
              "  %q = quantize %x : u8[1,2] q(1: 0)\n"
              "  %r = relu %q : u8[1,2] q(1: 0)\n"
              "  %y = dequantize %r : f32[1,2]\n"
              "  return %y\n"
              "}\n",
     .report = "unfused   0 borders\n"},
};

static int current;

static double quarter(void *user, const QccValue *value)
{
    (void)user;
    (void)value;
    return 0.25;
}

static void check_case(Fixture *f)
{
    const Case *c = &cases[current];
    QccModule *m = parse_text(f, c->graph);
    const char *yaml = qcc_sprintf(f->arena, "qcc: 1\npasses: %s\n", c->passes);
    QccPipeline *p;
    QccRemarks remarks;
    qcc_remarks_init(&remarks, f->arena);
    QccPassRun run = {.verify_each = true, .remarks = &remarks};
    QccStatus status = qcc_pipeline_parse(&p, qcc_pass_registry_new(f->arena), f->ir, f->arena, "p",
                                          yaml, (int64_t)strlen(yaml), NULL, m->graph);
    ck_assert_msg(status == QCC_OK && qcc_pipeline_run(p, m, &run) == QCC_OK, "%s", f->said);
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    int n = qcc_unfused_print(&buf, m->graph, &remarks, c->timed ? quarter : NULL, NULL);
    ck_assert_msg(!strcmp(buf.data, c->report), "wanted\n%s\nfound\n%s\nof\n%s", c->report,
                  buf.data, print_module(f, m));
    int lines = 0;
    for (const char *s = buf.data; *s; s++) lines += *s == '\n';
    ck_assert_int_eq(n, lines - 1);
}

START_TEST(borders_are_named)
{
    current = _i;
    with_ir(check_case);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unfused");
    TCase *tc = tcase_create("unfused");
    tcase_add_loop_test(tc, borders_are_named, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
