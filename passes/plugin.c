/* plugin - opens a shared library and takes in the passes, observers and ops that it has. */
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "passes/manager.h"

enum { NEWEST_ABI_ASKED_FOR = 64 };

static void close_library(void *library)
{
    dlclose(library);
}

/* The interface version of a plugin that turned ours down; 0: it tells none. */
static uint32_t abi_of(QccPluginQueryFn *query)
{
    for (uint32_t abi = 1; abi <= NEWEST_ABI_ASKED_FOR; abi++) {
        const QccPlugin *plugin = query(abi);
        if (plugin) return plugin->abi;
    }
    return 0;
}

static QccStatus refuse_version(QccDiags *d, QccLoc loc, uint32_t abi)
{
    QccStatus status =
        abi ? qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc,
                       "the plugin is made for version %u of the pass interface, and this is "
                       "version %u",
                       (unsigned)abi, (unsigned)QCC_PASS_ABI)
            : qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc,
                       "the plugin is made for another version of the pass interface than this "
                       "one, %u",
                       (unsigned)QCC_PASS_ABI);
    qcc_note(d, loc, "build it anew with the headers of qcc %s", QCC_VERSION);
    return status;
}

static QccStatus add_passes(QccPassRegistry *r, QccDiags *d, QccLoc loc, const QccPlugin *plugin)
{
    for (int i = 0; plugin->passes && plugin->passes[i]; i++) {
        const QccPassDef *def = plugin->passes[i];
        if (def->abi != QCC_PASS_ABI) return refuse_version(d, loc, def->abi);
        if (!def->name || !def->run) return qcc_error(d, loc, "a pass needs a name and a `run`");
        if (qcc_pass_find(r, def->name)) {
            return qcc_error(d, loc, "there is a pass '%s' already", def->name);
        }
        r->pass = qcc_grow(r->arena, r->pass, r->npass, &r->pass_cap, sizeof *r->pass);
        r->pass[r->npass++] = def;
    }
    return QCC_OK;
}

static QccStatus add_observers(QccPassRegistry *r, QccDiags *d, QccLoc loc, const QccPlugin *plugin)
{
    for (int i = 0; plugin->observers && plugin->observers[i]; i++) {
        const QccObserverDef *def = plugin->observers[i];
        if (def->abi != QCC_PASS_ABI) return refuse_version(d, loc, def->abi);
        if (!def->name || !def->estimate) {
            return qcc_error(d, loc, "an observer needs a name and an `estimate`");
        }
        if (qcc_observer_find(r, def->name)) {
            return qcc_error(d, loc, "there is an observer '%s' already", def->name);
        }
        r->observer =
            qcc_grow(r->arena, r->observer, r->nobserver, &r->observer_cap, sizeof *r->observer);
        r->observer[r->nobserver++] = def;
    }
    return QCC_OK;
}

QccStatus qcc_plugin_load(QccPassRegistry *r, QccIr *ir, const char *path)
{
    QccDiags *d = &ir->diags;
    QccLoc loc = {.file = path};
    /* Without a slash dlopen would look among the system's libraries only. */
    bool here = !strchr(path, '/') && access(path, F_OK) == 0;
    void *library =
        dlopen(here ? qcc_sprintf(r->arena, "./%s", path) : path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        return qcc_fail(d, QCC_ERROR_IO, loc, "the plugin cannot be opened: %s",
                        why ? why : "unknown reason");
    }
    qcc_arena_defer(r->arena, close_library, library);

    void *symbol = dlsym(library, QCC_PLUGIN_SYMBOL);
    if (!symbol) {
        return qcc_error(d, loc, "not a plugin of qcc: it exports no '%s'", QCC_PLUGIN_SYMBOL);
    }
    /* POSIX lets a function's address travel in a void pointer, C does not: so by its bytes. */
    QccPluginQueryFn *query;
    memcpy(&query, &symbol, sizeof query);

    const QccPlugin *plugin = query(QCC_PASS_ABI);
    if (!plugin) return refuse_version(d, loc, abi_of(query));
    if (plugin->abi != QCC_PASS_ABI) return refuse_version(d, loc, plugin->abi);

    for (int i = 0; plugin->ops && plugin->ops[i]; i++) {
        QCC_TRY(qcc_ir_add_op(ir, plugin->ops[i]));
    }
    QCC_TRY(add_passes(r, d, loc, plugin));
    return add_observers(r, d, loc, plugin);
}
