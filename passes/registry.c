/* registry - the passes and observers there are, their listing and their help. */
#include <string.h>

#include "passes/manager.h"

#define QCC_PASS(name) extern const QccPassDef qcc_pass_##name;
#include "passes/passes.def"
#undef QCC_PASS

#define QCC_OBSERVER(name) extern const QccObserverDef qcc_observer_##name;
#include "passes/observers/observers.def"
#undef QCC_OBSERVER

static const QccPassDef *const builtin_pass[] = {
#define QCC_PASS(name) &qcc_pass_##name,
#include "passes/passes.def"
#undef QCC_PASS
};

static const QccObserverDef *const builtin_observer[] = {
#define QCC_OBSERVER(name) &qcc_observer_##name,
#include "passes/observers/observers.def"
#undef QCC_OBSERVER
};

enum {
    BUILTIN_PASSES = sizeof builtin_pass / sizeof *builtin_pass,
    BUILTIN_OBSERVERS = sizeof builtin_observer / sizeof *builtin_observer
};

QccPassRegistry *qcc_pass_registry_new(QccArena *arena)
{
    QccPassRegistry *r = QCC_NEW(arena, QccPassRegistry);
    r->arena = arena;
    for (int i = 0; i < BUILTIN_PASSES; i++) {
        r->pass = qcc_grow(arena, r->pass, r->npass, &r->pass_cap, sizeof *r->pass);
        r->pass[r->npass++] = builtin_pass[i];
    }
    for (int i = 0; i < BUILTIN_OBSERVERS; i++) {
        r->observer =
            qcc_grow(arena, r->observer, r->nobserver, &r->observer_cap, sizeof *r->observer);
        r->observer[r->nobserver++] = builtin_observer[i];
    }
    return r;
}

const QccPassDef *qcc_pass_find(const QccPassRegistry *r, const char *name)
{
    for (int i = 0; i < r->npass; i++) {
        if (!strcmp(r->pass[i]->name, name)) return r->pass[i];
    }
    return NULL;
}

const QccObserverDef *qcc_observer_find(const QccPassRegistry *r, const char *name)
{
    for (int i = 0; i < r->nobserver; i++) {
        if (!strcmp(r->observer[i]->name, name)) return r->observer[i];
    }
    return NULL;
}

void qcc_passes_list(QccBuf *buf, const QccPassRegistry *r)
{
    for (int i = 0; i < r->npass; i++) {
        qcc_buf_printf(buf, "%-18s %s\n", r->pass[i]->name, r->pass[i]->summary);
    }
}

static void list_properties(QccBuf *buf, const char *what, const char *const *props)
{
    for (int i = 0; props && props[i]; i++) {
        qcc_buf_printf(buf, "%s%s", i ? ", " : what, props[i]);
        if (!props[i + 1]) qcc_buf_puts(buf, "\n");
    }
}

void qcc_pass_help(QccBuf *buf, const QccPassRegistry *r, const QccPassDef *def)
{
    qcc_buf_printf(buf, "%s - %s\n", def->name, def->summary);
    list_properties(buf, "needs:  ", def->needs);
    list_properties(buf, "makes:  ", def->makes);
    list_properties(buf, "breaks: ", def->breaks);
    if (def->opts && def->opts->name) {
        qcc_buf_puts(buf, "\noptions:\n");
        qcc_fields_help(buf, def->opts);
    }
    if (!qcc_field_find(def->opts, "method")) return;
    qcc_buf_puts(buf, "\nmethods:\n");
    for (int i = 0; i < r->nobserver; i++) {
        qcc_buf_printf(buf, "%-15s %s\n", r->observer[i]->name, r->observer[i]->summary);
    }
}
