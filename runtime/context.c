/* context - contexts, the memory edge, the LLVM module. */
#define _GNU_SOURCE
#include "runtime/context.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/fp_env.h"

const char *qcc_version(void)
{
    return QCC_VERSION;
}

double qcc_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* ---- the memory edge ------------------------------------------------------------------------ */

typedef struct Guarded {
    QccStatus (*fn)(void *user);
    void *user;
    QccStatus status;
} Guarded;

static void run_guarded(void *user)
{
    Guarded *g = user;
    g->status = g->fn(g->user);
}

QccStatus qcc_guard_mem(QccMem *mem, QccStatus (*fn)(void *user), void *user)
{
    Guarded g = {.fn = fn, .user = user};
    fenv_t host = qcc_fp_enter();
    bool done = qcc_mem_protect(mem, run_guarded, &g);
    qcc_fp_leave(&host);
    return done ? g.status : QCC_ERROR_MEMORY;
}

QccStatus qcc_guard(QccContext *context, QccStatus (*fn)(void *user), void *user)
{
    return qcc_guard_mem(&context->mem, fn, user);
}

typedef struct Nested {
    QccMem *mem;
    QccStatus (*fn)(void *user);
    void *user;
} Nested;

static QccStatus guard_inner(void *user)
{
    Nested *n = user;
    return qcc_guard_mem(n->mem, n->fn, n->user);
}

QccStatus qcc_guard_both(QccMem *a, QccMem *b, QccStatus (*fn)(void *user), void *user)
{
    Nested inner = {b, fn, user};
    return qcc_guard_mem(a, guard_inner, &inner);
}

void *qcc_host_new(const QccMem *mem, size_t size)
{
    void *p = mem->realloc ? mem->realloc(mem->user, NULL, size) : malloc(size);
    return p ? memset(p, 0, size) : NULL;
}

void qcc_host_free(const QccMem *mem, void *p)
{
    if (mem->realloc)
        mem->realloc(mem->user, p, 0);
    else
        free(p);
}

/* ---- stores ---------------------------------------------------------------------------------- */

static void make_store(void *user)
{
    QccStore **store = user;
    QccArena *arena = (*store)->arena;
    *store = QCC_NEW(arena, QccStore);
    (*store)->arena = arena;
    atomic_init(&(*store)->refs, 1);
}

QccStore *qcc_store_new(QccMem *mem)
{
    QccStore first = {.arena = qcc_arena_new(mem)}, *store = &first;
    if (!first.arena) return NULL;
    if (qcc_mem_protect(mem, make_store, &store)) return store;
    qcc_arena_free(first.arena);
    return NULL;
}

QccStore *qcc_store_ref(QccStore *store)
{
    atomic_fetch_add(&store->refs, 1);
    return store;
}

void qcc_store_unref(QccStore *store)
{
    if (store && atomic_fetch_sub(&store->refs, 1) == 1) qcc_arena_free(store->arena);
}

/* ---- contexts -------------------------------------------------------------------------------- */

/* Options of an older caller are shorter: what it does not know keeps its default. */
static QccContextOptions take_options(const QccContextOptions *given)
{
    QccContextOptions options = {0};
    if (given) memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    options.size = sizeof options;
    return options;
}

typedef struct Opening {
    QccContext *context;
    const QccContextOptions *options;
} Opening;

static QccStatus open_context(void *user)
{
    Opening *o = user;
    QccContext *c = o->context;
    const QccContextOptions *options = o->options;
    c->ir = qcc_ir_new(&c->mem, options->diagnostic, options->diagnostic_user);
    if (!c->ir) return QCC_ERROR_MEMORY;
    c->facade = qcc_facade();
    c->diagnostic = options->diagnostic;
    c->diagnostic_user = options->diagnostic_user;
    c->progress = options->progress;
    c->progress_user = options->progress_user;
    c->threads = options->threads > 0 ? options->threads : qcc_threads_available();
    c->module_path = options->module_path ? qcc_strdup(c->arena, options->module_path) : NULL;
    c->cache = qcc_cache_open(c->arena, &c->ir->diags, options);
    if (c->facade) return c->facade->init(c, options);
    if (options->plugins && options->plugins[0])
        return qcc_fail(&c->ir->diags, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                        "this library has no passes and loads no plugins; use libqcc");
    return QCC_OK;
}

QccStatus qcc_context_new(QccContext **context, const QccContextOptions *given)
{
    QccContextOptions options = take_options(given);
    QccMem mem = {.realloc = options.realloc, .user = options.realloc_user};
    QccContext *c = *context = qcc_host_new(&mem, sizeof *c);
    if (!c) return QCC_ERROR_MEMORY;
    c->mem = mem;
    pthread_mutex_init(&c->lock, NULL);
    Opening o = {c, &options};
    c->arena = qcc_arena_new(&c->mem);
    QccStatus status = c->arena ? qcc_guard(c, open_context, &o) : QCC_ERROR_MEMORY;
    if (status == QCC_OK) return QCC_OK;
    qcc_context_free(c);
    *context = NULL;
    return status;
}

QccDiags qcc_context_diags(const QccContext *context)
{
    return (QccDiags){.fn = context->diagnostic, .user = context->diagnostic_user};
}

void qcc_context_free(QccContext *context)
{
    if (!context) return;
    qcc_ir_free(context->ir);
    qcc_arena_free(context->arena);
    pthread_mutex_destroy(&context->lock);
    QccMem mem = context->mem;
    qcc_host_free(&mem, context);
}

int qcc_cpu_count(void)
{
    return qcc_threads_available();
}

/* ---- the LLVM module ------------------------------------------------------------------------- */

/* Where the module is, and why it cannot be used. Lies on the stack: the context's memory belongs
 * to its own thread. */
typedef struct ModulePath {
    char path[4096]; /* empty: not known */
    char why[1024];
} ModulePath;

/* Beside the library that this function is in: LIBDIR/qcc/qcc-llvm.so. */
static void find_module(ModulePath *m, const QccContext *context)
{
    const char *path = context->module_path;
    if (!path) path = secure_getenv("QCC_LLVM_MODULE");
    if (path) {
        snprintf(m->path, sizeof m->path, "%s", path);
        return;
    }
    Dl_info info;
    if (!dladdr((const void *)(uintptr_t)&qcc_context_new, &info) || !info.dli_fname) return;
    const char *slash = strrchr(info.dli_fname, '/');
    if (slash)
        snprintf(m->path, sizeof m->path, "%.*s/qcc/qcc-llvm.so", (int)(slash - info.dli_fname),
                 info.dli_fname);
}

static const QccCodegen *open_module(ModulePath *m)
{
    snprintf(m->why, sizeof m->why, "its path is not known");
    if (!m->path[0]) return NULL;
    /* Never closed: LLVM keeps state for the process's life. */
    void *handle = dlopen(m->path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(m->why, sizeof m->why, "%s", dlerror());
        return NULL;
    }
    QccCodegenQueryFn *query;
    *(void **)&query = dlsym(handle, QCC_CODEGEN_SYMBOL);
    const QccCodegen *codegen = query ? query(QCC_CODEGEN_ABI) : NULL;
    if (!codegen || codegen->abi != QCC_CODEGEN_ABI) {
        snprintf(m->why, sizeof m->why, "its interface is %u and %u is wanted",
                 codegen ? codegen->abi : 0u, (unsigned)QCC_CODEGEN_ABI);
        return NULL;
    }
    return codegen;
}

const QccCodegen *qcc_context_codegen(QccContext *context, bool required)
{
    ModulePath m = {0};
    pthread_mutex_lock(&context->lock);
    if (!context->codegen) {
        find_module(&m, context);
        context->codegen = open_module(&m);
    }
    const QccCodegen *codegen = context->codegen;
    pthread_mutex_unlock(&context->lock);
    if (codegen || !required) return codegen;
    const char *quote = m.path[0] ? "'" : "";
    QccDiags diags = qcc_context_diags(context);
    qcc_fail(&diags, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
             "kernels must be compiled, and the LLVM module %s%s%s cannot be used: %s", quote,
             m.path, quote, m.why);
    qcc_note(&diags, (QccLoc){0},
             "a model whose kernels are all in the cache needs no LLVM module");
    return NULL;
}

/* ---- caches ---------------------------------------------------------------------------------- */

QccStatus qcc_cache_info(QccContext *context, QccCacheInfo *info)
{
    memset(info, 0, sizeof *info);
    qcc_cache_measure(context->cache, info);
    return QCC_OK;
}

QccStatus qcc_cache_trim(QccContext *context, int64_t bytes)
{
    return context->cache ? qcc_cache_shrink(context->cache, bytes) : QCC_OK;
}

QccStatus qcc_cache_clear(QccContext *context)
{
    return qcc_cache_trim(context, 0);
}
