/* test_growth - small files whose nodes multiply what they hold: memory stays within bounds. */
#include <stdio.h>
#include <stdlib.h>

#include "backend/lower.h"
#include "ir_test.h"
#include "runtime/qcc.h"

enum { NODES = 400, SIDE = 128 };

/* Fails when more than `limit` bytes are asked for in all. */
typedef struct Purse {
    size_t asked, limit;
} Purse;

static void *spend(void *user, void *p, size_t size)
{
    Purse *purse = user;
    if (!size) {
        free(p);
        return NULL;
    }
    purse->asked += size;
    return purse->asked > purse->limit ? NULL : realloc(p, size);
}

/* 400 nodes over constants, each with a result of 1 MiB: not all of them are evaluated. */
START_TEST(test_folding)
{
    char *text = malloc(NODES * 64 + 512), *end = text, pipeline[4096];
    end += sprintf(end, "qir 1\ngraph @g(%%x: f32[262144]) {\n  %%c = const @0 : f32[1]\n"
                        "  %%v0 = expand %%c {shape: [262144]} : f32[262144]\n");
    for (int i = 0; i < NODES; i++)
        end += sprintf(end, "  %%v%d = neg %%v%d : f32[262144]\n", i + 1, i);
    end += sprintf(end, "  %%y = add %%x, %%v%d : f32[262144]\n  return %%y\n}\n", NODES);
    end += sprintf(end, "blob @0 f32 1 \"AACAPw==\"\n");

    Purse purse = {.limit = (size_t)400 << 20};
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.realloc = spend;
    options.realloc_user = &purse;
    options.no_cache = true;
    QccContext *c;
    QccModel *m;
    const char *source = getenv("QCC_SOURCE");
    snprintf(pipeline, sizeof pipeline, "%s/pipelines/float.yaml", source ? source : ".");
    QccPipelineOptions transform = QCC_INIT(QccPipelineOptions);
    transform.pipeline = pipeline;
    ck_assert_int_eq(qcc_context_new(&c, &options), QCC_OK);
    ck_assert_int_eq(qcc_model_from_memory(&m, c, "t.qir", text, (size_t)(end - text)), QCC_OK);
    ck_assert_int_eq(qcc_model_transform(m, &transform), QCC_OK);
    qcc_model_free(m);
    qcc_context_free(c);
    free(text);
}
END_TEST

/* Many products by one weight: neither its order nor its packing is made once a product. */
static void shared_weight(Fixture *f)
{
    QccBuf text;
    qcc_buf_init(&text, f->arena);
    qcc_buf_printf(&text, "qir 1\ngraph @g(%%v0: f32[1,%d]) {\n  %%w = const @0 : f32[%d,%d]\n",
                   SIDE, SIDE, SIDE);
    for (int i = 0; i < NODES; i++)
        qcc_buf_printf(&text, "  %%v%d = fc %%v%d, %%w, _ : f32[1,%d]\n", i + 1, i, SIDE);
    qcc_buf_printf(&text, "  return %%v%d\n}\nblob @0 f32 %dx%d \"", NODES, SIDE, SIDE);
    int64_t size = SIDE * SIDE * 4, letters = (size + 2) / 3 * 4;
    for (int64_t i = 0; i < letters; i++)
        qcc_buf_puts(&text, i + (3 - size % 3) % 3 < letters ? "A" : "=");
    qcc_buf_puts(&text, "\"\n");

    QccModule *m;
    QccLowered *l;
    QccArena *arena = qcc_arena_sub(f->arena);
    QccLowerOptions options = {0};
    ck_assert_msg(qcc_module_parse(&m, f->ir, f->arena, "t.qir", text.data, text.len, NULL) ==
                      QCC_OK,
                  "%s", f->said);
    ck_assert_int_eq(qcc_lower(&l, arena, m->graph, qcc_target_find("x86-64-v3"), &options),
                     QCC_OK);
    ck_assert_int_eq(l->nconst, 1);
    ck_assert_int_lt((int64_t)qcc_arena_size(arena), NODES * size / 2);
}

START_TEST(test_shared_weight)
{
    with_ir(shared_weight);
}
END_TEST

/* A softmax of many short rows: what one row needs is not held for each. */
START_TEST(test_short_rows)
{
    enum { ROWS = 20000 };
    static float x[2 * ROWS], y[2 * ROWS];
    static const char text[] = "qir 1\ngraph @g(%x: f32[20000,2]) {\n"
                               "  %y = softmax %x : f32[20000,2]\n  return %y\n}\n";
    Purse purse = {.limit = (size_t)64 << 20};
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.realloc = spend;
    options.realloc_user = &purse;
    QccProgramOptions interpreted = QCC_INIT(QccProgramOptions);
    interpreted.interpret = true;
    QccContext *c;
    QccModel *m;
    QccProgram *p;
    QccSession *s;
    ck_assert_int_eq(qcc_context_new(&c, &options), QCC_OK);
    ck_assert_int_eq(qcc_model_from_memory(&m, c, "t.qir", text, sizeof text - 1), QCC_OK);
    ck_assert_int_eq(qcc_program_new(&p, m, &interpreted), QCC_OK);
    ck_assert_int_eq(qcc_session_new(&s, p, NULL), QCC_OK);
    const QccBuffer in = {.data = x, .dtype = QCC_F32}, out = {.data = y, .dtype = QCC_F32};
    ck_assert_int_eq(qcc_session_run(s, &in, 1, &out, 1), QCC_OK);
    for (int i = 0; i < 2 * ROWS; i++) ck_assert(y[i] == 0.5f);
    qcc_session_free(s);
    qcc_program_free(p);
    qcc_model_free(m);
    qcc_context_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("growth");
    TCase *tc = tcase_create("growth");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_folding);
    tcase_add_test(tc, test_shared_weight);
    tcase_add_test(tc, test_short_rows);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
