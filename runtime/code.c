/* code - kernels become callable: describe, hash, hit or emit and store, link; several at a time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/base/file.h"
#include "runtime/context.h"
#include "runtime/link.h"
#include "runtime/pool.h"

#ifndef QCC_LLVM_VERSION
#define QCC_LLVM_VERSION "19.1.7" /* a build without LLVM takes the objects of one with it */
#endif

/* One kernel's way from text to address. Each has an arena of its own, because they run at once. */
typedef struct Job {
    QccContext *context;
    const QccTarget *target;
    QccCode *code;
    const QccKernel *kernel;
    QccMem mem;
    QccArena *arena; /* lives as long as the program: holds the mapping */
    const void *object;
    size_t size;
    QccStatus status;
    const char *error;    /* of this job, posted by the thread that waits */
    const char *note;     /* what was wrong with the cache's entry */
    const char *fallback; /* why LLVM's linker had to do it */
} Job;

static void load_job(void *user)
{
    Job *j = user;
    QccCache *cache = j->context->cache;
    if (!cache) return;
    j->code->cached = qcc_cache_load(cache, j->arena, j->code->text, strlen(j->code->text),
                                     &j->object, &j->size, &j->note);
}

static void emit_job(void *user)
{
    Job *j = user;
    const QccContext *c = j->context;
    double start = qcc_now_ms();
    j->status =
        c->codegen->compile(j->kernel, j->target, j->arena, &j->object, &j->size, &j->error, NULL);
    j->code->compile_ms = qcc_now_ms() - start;
}

static void store_job(void *user)
{
    Job *j = user;
    QccCache *cache = j->context->cache;
    if (cache)
        qcc_cache_store(cache, j->arena, j->code->text, strlen(j->code->text), j->object, j->size);
}

static void link_job(void *user)
{
    Job *j = user;
    double start = qcc_now_ms();
    void *address = NULL;
    j->status =
        qcc_link_object(&address, j->arena, j->object, j->size, QCC_KERNEL_SYMBOL, &j->error);
    j->code->link_ms = qcc_now_ms() - start;
    j->code->bytes = (int64_t)j->size;
    memcpy(&j->code->fn, &address, sizeof address);
}

static bool run_job(Job *j, void (*fn)(void *))
{
    if (!qcc_mem_protect(&j->mem, fn, j)) j->status = QCC_ERROR_MEMORY;
    return j->status == QCC_OK;
}

/* A hit is linked at once; one that does not link is as good as a miss. */
static void look_up(Job *j)
{
    run_job(j, load_job);
    if (!j->code->cached || run_job(j, link_job) || j->status == QCC_ERROR_MEMORY) return;
    j->note = "entry does not link";
    j->status = QCC_OK;
    j->error = NULL;
    j->code->cached = false;
}

/* What our linker does not take, LLVM's may: of objects that have just been made, since LLVM's is
 * not made for bytes that may be damaged. */
static void jit_job(void *user)
{
    Job *j = user;
    void *address = NULL;
    const char *error = NULL;
    double start = qcc_now_ms();
    if (j->context->codegen->link(&address, j->arena, j->object, j->size, QCC_KERNEL_SYMBOL,
                                  &error) == QCC_OK) {
        j->fallback = j->error;
        j->error = NULL;
        j->status = QCC_OK;
    } else {
        j->error = qcc_sprintf(j->arena, "%s; nor does LLVM link it: %s", j->error, error);
    }
    j->code->link_ms += qcc_now_ms() - start;
    memcpy(&j->code->fn, &address, sizeof address);
}

static void emit(Job *j)
{
    if (j->code->fn || !run_job(j, emit_job)) return;
    if (run_job(j, link_job))
        run_job(j, store_job);
    else if (j->status != QCC_ERROR_MEMORY)
        run_job(j, jit_job);
}

static void look_up_some(void *user, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) look_up((Job *)user + i);
}

static void emit_some(void *user, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) emit((Job *)user + i);
}

static void free_arena(void *arena)
{
    qcc_arena_free(arena);
}

const char *qcc_code_text(QccArena *arena, const QccKernel *k, const QccTarget *t, bool variant)
{
    QccBuf b;
    qcc_buf_init(&b, arena);
    qcc_kernel_print(&b, k, variant);
    qcc_buf_printf(&b, "target %s cpu %s features %s emitter %d llvm " QCC_LLVM_VERSION "\n",
                   t->name, t->cpu, t->features, QCC_EMITTER_VERSION);
    return b.data;
}

static QccStatus report(const Job *j, QccArena *arena, QccDiags *d)
{
    if (j->note)
        qcc_note(d, (QccLoc){0}, "a cached kernel is of no use and was made anew: %s", j->note);
    if (j->status == QCC_OK && !j->fallback) return QCC_OK;
    QccBuf title;
    qcc_buf_init(&title, arena);
    qcc_kernel_title(&title, j->kernel);
    if (j->status == QCC_OK) {
        qcc_note(d, (QccLoc){0}, "kernel '%s' is linked by LLVM and not cached: %s", title.data,
                 j->fallback);
        return QCC_OK;
    }
    return qcc_fail(d, j->status, (QccLoc){0}, "kernel '%s' cannot be compiled: %s", title.data,
                    j->error ? j->error : qcc_status_name(j->status));
}

static QccStatus run_jobs(QccContext *c, QccArena *arena, QccDiags *diags, Job *job, int n,
                          QccPool *pool, bool require_cache)
{
    qcc_pool_run(pool, look_up_some, job, n, 1);
    int missing = 0;
    for (int i = 0; i < n; i++) {
        if (job[i].status != QCC_OK) return report(&job[i], arena, diags);
        missing += !job[i].code->fn;
    }
    if (missing && require_cache)
        return qcc_fail(diags, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                        "%d of %d kernels are not in the cache, and compiling was ruled out",
                        missing, n);
    if (missing && !qcc_context_codegen(c, true)) return QCC_ERROR_UNSUPPORTED;
    if (missing) qcc_pool_run(pool, emit_some, job, n, 1);
    for (int i = 0; i < n; i++) QCC_TRY(report(&job[i], arena, diags));
    return QCC_OK;
}

QccStatus qcc_code_make(QccCode *code, QccArena *arena, QccContext *context, QccDiags *diags,
                        const QccTarget *target, QccKernel *const *kernel, int n,
                        bool require_cache)
{
    Job *job = QCC_NEW_ARRAY(arena, n, Job);
    for (int i = 0; i < n; i++) {
        code[i].text = qcc_code_text(arena, kernel[i], target, true);
        job[i] = (Job){.context = context,
                       .target = target,
                       .code = &code[i],
                       .kernel = kernel[i],
                       .mem = {.realloc = context->mem.realloc, .user = context->mem.user}};
        job[i].arena = qcc_arena_new(&job[i].mem);
        if (!job[i].arena) return QCC_ERROR_MEMORY;
        qcc_arena_defer(arena, free_arena, job[i].arena);
    }
    int threads = context->threads < n ? context->threads : n;
    QccArena *scratch = qcc_arena_sub(arena);
    QccPool *pool = threads > 1 ? qcc_pool_new(scratch, threads) : NULL;
    QccStatus status = run_jobs(context, scratch, diags, job, n, pool, require_cache);
    qcc_arena_free(scratch);
    return status;
}

QccStatus qcc_instance_compile(QccInstance *p, QccContext *context, bool require_cache)
{
    const QccLowered *l = p->lowered;
    double start = qcc_now_ms();
    p->code = QCC_NEW_ARRAY(p->arena, l->nkernel, QccCode);
    QccStatus status = qcc_code_make(p->code, p->arena, context, &p->ir->diags, l->target,
                                     l->kernel, l->nkernel, require_cache);
    p->compile_ms = qcc_now_ms() - start;
    return status;
}

/* ---- dumps ----------------------------------------------------------------------------------- */

static QccStatus dump_file(QccContext *c, QccArena *arena, const char *folder, int index,
                           const char *extension, const void *bytes, size_t size)
{
    const char *path = qcc_sprintf(arena, "%s/kernel%03d.%s", folder, index, extension);
    QccPiece piece = {bytes, (int64_t)size};
    return qcc_write_file(arena, &c->ir->diags, path, &piece, 1);
}

typedef struct Dumping {
    QccContext *context;
    const QccInstance *instance;
    const char *folder;
    QccArena *arena;
} Dumping;

static QccStatus dump_kernels(void *user)
{
    Dumping *d = user;
    const QccInstance *p = d->instance;
    QccContext *c = d->context;
    if (!p->lowered) return QCC_OK;
    if (mkdir(d->folder, 0777) != 0 && errno != EEXIST)
        return qcc_fail(&c->ir->diags, QCC_ERROR_IO, (QccLoc){.file = d->folder},
                        "cannot be made: %s", strerror(errno));
    const QccCodegen *codegen = qcc_context_codegen(c, true);
    if (!codegen) return QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < p->lowered->nkernel; i++) {
        const void *object;
        size_t size;
        const char *error = NULL;
        QccCodegenDump dump = {0};
        QccStatus status = codegen->compile(p->lowered->kernel[i], p->lowered->target, d->arena,
                                            &object, &size, &error, &dump);
        if (status != QCC_OK)
            return qcc_fail(&c->ir->diags, status, (QccLoc){0}, "kernel %d: %s", i, error);
        QCC_TRY(
            dump_file(c, d->arena, d->folder, i, "txt", p->code[i].text, strlen(p->code[i].text)));
        QCC_TRY(dump_file(c, d->arena, d->folder, i, "o", object, size));
        if (dump.ir) QCC_TRY(dump_file(c, d->arena, d->folder, i, "ll", dump.ir, strlen(dump.ir)));
        if (dump.assembly)
            QCC_TRY(
                dump_file(c, d->arena, d->folder, i, "s", dump.assembly, strlen(dump.assembly)));
    }
    return QCC_OK;
}

QccStatus qcc_program_dump_kernels(const QccProgram *program, const char *folder)
{
    QccContext *c = program->context;
    QccInstance *instance = qcc_program_last_instance(program);
    Dumping d = {c, instance, folder, qcc_arena_new(&c->mem)};
    QccStatus status = d.arena ? qcc_guard(c, dump_kernels, &d) : QCC_ERROR_MEMORY;
    qcc_arena_free(d.arena);
    qcc_instance_unref(instance);
    return status;
}
