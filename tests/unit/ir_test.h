/* ir_test - a context, an arena and the diagnostics of one test. */
#ifndef QCC_TESTS_IR_TEST_H
#define QCC_TESTS_IR_TEST_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ir/text.h"

typedef struct Fixture {
    QccMem mem;
    QccIr *ir;
    QccArena *arena;
    char said[8192]; /* "file:line:col: error: message\n" for every diagnostic */
} Fixture;

static inline void note_down(void *user, const QccDiagnostic *d)
{
    Fixture *f = user;
    static const char *const severity[] = {"note", "warning", "error"};
    size_t n = strlen(f->said);
    snprintf(f->said + n, sizeof f->said - n, "%s:%d:%d: %s: %s\n", d->file ? d->file : "", d->line,
             d->column, severity[d->severity], d->message);
}

static inline void set_up(Fixture *f)
{
    *f = (Fixture){0};
    f->ir = qcc_ir_new(&f->mem, note_down, f);
    f->arena = qcc_arena_new(&f->mem);
    ck_assert_ptr_nonnull(f->ir);
    ck_assert_ptr_nonnull(f->arena);
}

static inline void tear_down(Fixture *f)
{
    qcc_arena_free(f->arena);
    qcc_ir_free(f->ir);
}

typedef struct Protected {
    void (*fn)(Fixture *f);
    Fixture f;
} Protected;

static inline void run_protected(void *user)
{
    Protected *p = user;
    p->fn(&p->f);
}

/* A test with a context, within qcc_mem_protect. */
static inline void with_ir(void (*fn)(Fixture *f))
{
    Protected p = {.fn = fn};
    set_up(&p.f);
    ck_assert(qcc_mem_protect(&p.f.mem, run_protected, &p));
    tear_down(&p.f);
}

static inline QccModule *parse_text(Fixture *f, const char *text)
{
    QccModule *m;
    QccStatus status =
        qcc_module_parse(&m, f->ir, f->arena, "t.qir", text, (int64_t)strlen(text), NULL);
    ck_assert_msg(status == QCC_OK, "%s", f->said);
    return m;
}

static inline const char *print_module(Fixture *f, const QccModule *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_module_print(&buf, m, QCC_BLOBS_INLINE, NULL);
    return buf.data;
}

/* Runs one suite and gives the program's exit status. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
