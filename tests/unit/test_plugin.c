/* test_plugin - docs/examples/pass_plugin.c, compiled and loaded: its pass, option, statistic,
 * error; and plugins that do not fit. */
#include <stdlib.h>

#include "passes/manager.h"
#include "tests/unit/ir_test.h"

static const char *source, *build;

/* Compiles `file` with `flags` into a shared library of the build folder; its path. */
static char *compile(Fixture *f, const char *file, const char *flags, const char *name)
{
    const char *cc = getenv("CC");
    char *so = qcc_sprintf(f->arena, "%s/tests/%s.so", build, name);
    char *command = qcc_sprintf(f->arena, "%s -std=c11 -shared -fPIC %s -I'%s' '%s' -o '%s'",
                                cc ? cc : "cc", flags, source, file, so);
    ck_assert_msg(system(command) == 0, "%s", command);
    return so;
}

static char *example(Fixture *f)
{
    return compile(f, qcc_sprintf(f->arena, "%s/docs/examples/pass_plugin.c", source), "",
                   "pass_plugin");
}

static bool append(void *user, const void *bytes, size_t size)
{
    qcc_buf_add(user, bytes, (int64_t)size);
    return true;
}

static QccStatus transform(Fixture *f, const QccPassRegistry *registry, const char *yaml,
                           QccModule *m, QccBuf *stats)
{
    QccPipeline *p;
    QCC_TRY(qcc_pipeline_parse(&p, registry, f->ir, f->arena, "p.yaml", yaml, (int64_t)strlen(yaml),
                               NULL, m->graph));
    QccPassRun run = {.stats = true, .verify_each = true, .print = append, .print_user = stats};
    return qcc_pipeline_run(p, m, &run);
}

static void caps_relus(Fixture *f)
{
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    ck_assert_msg(!qcc_plugin_load(registry, f->ir, example(f)), "%s", f->said);
    QccModule *m = parse_text(f, "qir 1\n"
                                 "graph @g(%x: f32[2]) {\n"
                                 "  %y = relu %x : f32[2] range(0, 9)\n"
                                 "  return %y\n"
                                 "}\n");
    QccBuf stats;
    qcc_buf_init(&stats, f->arena);
    QccStatus status =
        transform(f, registry, "qcc: 1\npasses: [cap-relu: {limit: 4.5}]\n", m, &stats);
    ck_assert_msg(status == QCC_OK, "%s", f->said);
    ck_assert_str_eq(stats.data, "         1  cap-relu: relus capped\n");
    ck_assert_ptr_nonnull(strstr(print_module(f, m), "clip %x {lo: 0, hi: 4.5} : f32[2] "
                                                     "range(0, 4.5)"));
}

START_TEST(example_rewrites_counts_and_has_an_option)
{
    with_ir(caps_relus);
}
END_TEST

static void says_where(Fixture *f)
{
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    ck_assert(!qcc_plugin_load(registry, f->ir, example(f)));
    QccModule *m = parse_text(f, "qir 1\n"
                                 "graph @g(%x: u8[2] q(0.5: 0)) {\n"
                                 "  %y = relu %x : u8[2] q(0.5: 0)\n"
                                 "  return %y\n"
                                 "}\n");
    QccBuf stats;
    qcc_buf_init(&stats, f->arena);
    ck_assert_int_eq(transform(f, registry, "{qcc: 1, passes: [cap-relu]}", m, &stats),
                     QCC_ERROR_INPUT);
    ck_assert_ptr_nonnull(strstr(f->said, "t.qir:3:"));
    ck_assert_ptr_nonnull(strstr(f->said, "error: cap-relu: %y is quantized already"));
    f->said[0] = 0;
    ck_assert_int_eq(
        transform(f, registry, "qcc: 1\npasses:\n  - cap-relu: {limit: 0}\n", m, &stats),
        QCC_ERROR_INPUT);
    ck_assert_str_eq(f->said, "p.yaml:3:23: error: limit of 'cap-relu': 0 would leave nothing\n");
}

START_TEST(example_says_where)
{
    with_ir(says_where);
}
END_TEST

static void loads_twice(Fixture *f)
{
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    char *so = example(f);
    ck_assert(!qcc_plugin_load(registry, f->ir, so));
    ck_assert_int_eq(qcc_plugin_load(registry, f->ir, so), QCC_ERROR_INPUT);
    ck_assert_ptr_nonnull(strstr(f->said, "there is a pass 'cap-relu' already"));
}

START_TEST(names_are_unique)
{
    with_ir(loads_twice);
}
END_TEST

/* A plugin of two lines, written here. */
static char *write_plugin(Fixture *f, const char *text, const char *name)
{
    char *path = qcc_sprintf(f->arena, "%s/tests/%s.c", build, name);
    FILE *file = fopen(path, "wb");
    ck_assert(file && fputs(text, file) >= 0 && !fclose(file));
    return compile(f, path, "", name);
}

static void does_not_fit(Fixture *f)
{
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    char *newer =
        write_plugin(f,
                     "#include \"passes/qcc_pass.h\"\n"
                     "static const QccPlugin p = {.abi = 7, .name = \"p\"};\n"
                     "QCC_PLUGIN_EXPORT const QccPlugin *qcc_plugin_query(uint32_t abi);\n"
                     "const QccPlugin *qcc_plugin_query(uint32_t abi)\n"
                     "{\n    return abi == 7 ? &p : NULL;\n}\n",
                     "plugin_newer");
    ck_assert_int_eq(qcc_plugin_load(registry, f->ir, newer), QCC_ERROR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(f->said, "made for version 7 of the pass interface, and this is "
                                          "version 1"));
    f->said[0] = 0;
    char *other = write_plugin(f, "int nothing_of_ours;\n", "plugin_other");
    ck_assert_int_eq(qcc_plugin_load(registry, f->ir, other), QCC_ERROR_INPUT);
    ck_assert_ptr_nonnull(strstr(f->said, "not a plugin of qcc: it exports no 'qcc_plugin_query'"));
    f->said[0] = 0;
    ck_assert_int_eq(qcc_plugin_load(registry, f->ir, "/nowhere/p.so"), QCC_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(f->said, "the plugin cannot be opened"));
}

START_TEST(says_what_does_not_fit)
{
    with_ir(does_not_fit);
}
END_TEST

int main(void)
{
    source = getenv("QCC_SOURCE");
    build = getenv("QCC_BUILD");
    if (!source || !build) {
        puts("skipped: QCC_SOURCE and QCC_BUILD are not set");
        return 77;
    }
    Suite *suite = suite_create("plugin");
    TCase *tc = tcase_create("plugin");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, example_rewrites_counts_and_has_an_option);
    tcase_add_test(tc, example_says_where);
    tcase_add_test(tc, names_are_unique);
    tcase_add_test(tc, says_what_does_not_fit);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
