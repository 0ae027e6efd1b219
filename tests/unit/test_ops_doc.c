/* test_ops_doc - docs/ops.md says what the table of ops says; QCC_UPDATE=1 (make update) writes it.
 *
 * What is compiled is found out: random instances of every op, plain and quantized, are lowered for
 * every bundle.
 */
#include <stdlib.h>

#include "backend/lower.h"
#include "tests/unit/ir_test.h"
#include "tests/unit/op_samples.h"

enum { SEEDS = 30, TARGETS_MAX = 16 };

/* ---- how an op runs -------------------------------------------------------------------------- */

typedef struct Coverage {
    int samples, evals; /* evals: samples of which a part has no kernel */
} Coverage;

static void lower_sample(Fixture *f, const QccGraph *g, const QccTarget *target, Coverage *c)
{
    QccLowered *l;
    ck_assert_int_eq(qcc_lower(&l, f->arena, g, target, NULL), QCC_OK);
    bool eval = false;
    for (int i = 0; i < l->nstep; i++) eval = eval || l->step[i].kind == QCC_STEP_EVAL;
    c->samples++;
    c->evals += eval;
}

static Coverage cover(Fixture *f, const QccOpDef *def, const QccTarget *target, bool quantized)
{
    Coverage c = {0};
    for (uint64_t seed = 0; def->sample && seed < SEEDS; seed++) {
        QccRandom r;
        qcc_random_init(&r, seed);
        QccGraph *g = qcc_graph_new(f->ir, f->arena, "sample");
        QccSample s = {.graph = g, .random = &r};
        def->sample(&r, &s);
        QccOp *op = qcc_graph_yield(g)->prev;
        if (quantized && !(s.quantizable && quantize_sample(&r, f->arena, op, QCC_U8))) continue;
        lower_sample(f, g, target, &c);
    }
    return c;
}

static const char *way(const QccOpDef *def, Coverage c)
{
    if (!c.samples) return "-";
    if (def->traits & QCC_TRAIT_VIEW && !c.evals) return "view";
    return !c.evals ? "kernel" : c.evals < c.samples ? "kernel, some eval" : "eval";
}

/* One word for all bundles where they agree, else "x86-64-v2: eval, x86-64-v3: kernel". */
static void put_ways(Fixture *f, QccBuf *b, const QccOpDef *def, bool quantized)
{
    int n;
    const QccTarget *target = qcc_targets(&n);
    const char *found[TARGETS_MAX];
    bool alike = true;
    ck_assert_int_le(n, TARGETS_MAX);
    for (int i = 0; i < n; i++) {
        found[i] = way(def, cover(f, def, &target[i], quantized));
        alike = alike && !strcmp(found[i], found[0]);
    }
    for (int i = 0; i < (alike ? 1 : n); i++)
        qcc_buf_printf(b, "%s%s%s%s", i ? ", " : "", alike ? "" : target[i].name, alike ? "" : ": ",
                       found[i]);
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char *quantized_form(Fixture *f, const QccOpDef *def)
{
    const QccQuantRule *rule = &def->quant;
    switch (rule->kind) {
    case QCC_QUANT_FLOAT: return "none";
    case QCC_QUANT_AFFINE: return rule->bias ? "integer sums" : "integer sums of activations";
    case QCC_QUANT_ELEMENTWISE: return "a scale each";
    case QCC_QUANT_SAME_SCALE: return "one scale";
    case QCC_QUANT_FIXED:
        return qcc_sprintf(f->arena, "result q(%g: %d)", (double)rule->scale, rule->zero);
    }
    return NULL;
}

static const char *operands(Fixture *f, const QccOpDef *def)
{
    if (def->max_in < 0) return qcc_sprintf(f->arena, "%d or more", def->min_in);
    if (def->max_in == def->min_in) return qcc_sprintf(f->arena, "%d", def->min_in);
    return qcc_sprintf(f->arena, "%d to %d", def->min_in, def->max_in);
}

/* A cell of a table: a bar would end it. */
static void put_cell(QccBuf *b, const char *text)
{
    for (; *text && *text != '\n'; text++) qcc_buf_printf(b, *text == '|' ? "\\|" : "%c", *text);
}

static void put_overview(Fixture *f, QccBuf *b)
{
    qcc_buf_puts(b, "| op | what it does | operands | quantized form | f32 | int8 |\n"
                    "|---|---|---|---|---|---|\n");
    for (int i = 0; i < f->ir->nop; i++) {
        const QccOpDef *def = f->ir->op[i];
        if (def->traits & (QCC_TRAIT_CONSTANT | QCC_TRAIT_TERMINATOR | QCC_TRAIT_FUSED)) continue;
        qcc_buf_printf(b, "| `%s` | ", def->name);
        put_cell(b, def->summary);
        qcc_buf_printf(b, " | %s | %s | ", operands(f, def), quantized_form(f, def));
        put_ways(f, b, def, false);
        qcc_buf_puts(b, " | ");
        put_ways(f, b, def, true);
        qcc_buf_puts(b, " |\n");
    }
}

static void put_attributes(Fixture *f, QccBuf *b)
{
    for (int i = 0; i < f->ir->nop; i++) {
        const QccOpDef *def = f->ir->op[i];
        if (!def->attrs || !def->attrs->name) continue;
        qcc_buf_printf(b, "\n    %s\n", def->name);
        QccBuf help;
        qcc_buf_init(&help, f->arena);
        qcc_fields_help(&help, def->attrs);
        for (const char *line = help.data, *end; *line; line = end + 1) {
            end = strchr(line, '\n');
            qcc_buf_printf(b, "      %.*s\n", (int)(end - line), line);
        }
    }
}

static const char introduction[] =
    "# Ops\n\n"
    "Made from the table of ops by `make update`; a test fails while the table says something "
    "else.\n"
    "`qcc ops NAME` prints one op, also of a plugin.\n\n"
    "**Quantized form**: \"integer sums\" multiplies stored numbers (of a constant weight with a "
    "scale per output channel,\n"
    "or of two activations) and adds them up exactly; \"a scale each\": operands and result have "
    "scales of their own;\n"
    "\"one scale\": operands and result share theirs; \"result q(s: z)\": the result's scale and "
    "zero point are given by\n"
    "the op, unless calibration saw less than half of that range; \"none\": stays in f32 between "
    "dequantize and quantize.\n\n"
    "**f32** and **int8** say how random instances run in a compiled program: by a \"kernel\", as "
    "a "
    "\"view\" of bytes that are\n"
    "there already, or through the reference \"eval\", which `--stats` names. It is so for each "
    "of\n";

static const char *page(Fixture *f)
{
    QccBuf b;
    qcc_buf_init(&b, f->arena);
    qcc_buf_puts(&b, introduction);
    int n;
    const QccTarget *target = qcc_targets(&n);
    for (int i = 0; i < n; i++)
        qcc_buf_printf(&b, "%s%s", i ? i + 1 < n ? ", " : " and " : "", target[i].name);
    qcc_buf_puts(&b, ", unless bundles are told apart.\n\n");
    put_overview(f, &b);
    qcc_buf_puts(&b, "\n`const`, `fused` and `yield` are the frame of a graph: see "
                     "[qir.md](qir.md).\n\n## Attributes\n");
    put_attributes(f, &b);
    return b.data;
}

/* ---- the test -------------------------------------------------------------------------------- */

static const char *file_path(Fixture *f)
{
    const char *root = getenv("QCC_SOURCE");
    return qcc_sprintf(f->arena, "%s/docs/ops.md", root ? root : ".");
}

static const char *read_page(Fixture *f)
{
    FILE *file = fopen(file_path(f), "rb");
    if (!file) return "";
    QccBuf b;
    qcc_buf_init(&b, f->arena);
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) qcc_buf_add(&b, part, (int64_t)n);
    fclose(file);
    return b.data ? b.data : "";
}

static void compare_pages(Fixture *f)
{
    const char *want = page(f), *have = read_page(f);
    if (getenv("QCC_UPDATE")) {
        FILE *file = fopen(file_path(f), "wb");
        ck_assert(file && fputs(want, file) >= 0);
        ck_assert_int_eq(fclose(file), 0);
        return;
    }
    /* The first line that differs. */
    int line = 1;
    while (*want && strcspn(want, "\n") == strcspn(have, "\n") &&
           !strncmp(want, have, strcspn(want, "\n") + 1)) {
        want += strcspn(want, "\n") + 1;
        have += strcspn(have, "\n") + 1;
        line++;
    }
    ck_assert_msg(!*want && !*have,
                  "docs/ops.md:%d is out of date; make update writes it\n"
                  "  there: %.*s\n  now:   %.*s",
                  line, (int)strcspn(have, "\n"), have, (int)strcspn(want, "\n"), want);
}

START_TEST(page_is_up_to_date)
{
    with_ir(compare_pages);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops_doc");
    TCase *tc = tcase_create("ops_doc");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, page_is_up_to_date);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
