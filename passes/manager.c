/* manager - runs the steps of a pipeline over a module.
 *
 *   for each step:  [observe: data is read once for all observing steps in a row]
 *                   run -> scopes checked -> properties -> verify -> print
 *   at the end:     verify, timing, statistics
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "ir/base/file.h"
#include "ir/text.h"
#include "passes/context.h"

/* What belongs to one run of a pipeline. */
typedef struct Manager {
    QccPipeline *p;
    QccModule *module;
    QccGraph *graph;
    const QccPassRun *run;
    QccArena *arena;    /* lives during the run */
    QccArena *observed; /* histograms of the row of observing steps at hand; NULL: none */
    QccArena *before;   /* the graph before the step, for the reproducer */
    QccArena *scratch;  /* of the step at hand */
    QccExecutor interp;
    QccDataset *data;
    const QccGraph *data_graph;
    double *seconds; /* per step */
    int64_t **stat;  /* per step, per name in its stats */
} Manager;

/* ---- what passes call ---------------------------------------------------------------------- */

QccArena *qcc_pass_scratch(QccPassCtx *ctx)
{
    return ctx->scratch;
}

void qcc_pass_count(QccPassCtx *ctx, int index, int64_t n)
{
    if (index >= 0 && index < ctx->nstat) ctx->stat[index] += n;
}

static QccLoc loc_of(const QccPassCtx *ctx, const QccOp *op)
{
    return op ? op->loc : ctx->step->loc;
}

QccStatus qcc_pass_error(QccPassCtx *ctx, const QccOp *op, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = qcc_vsprintf(ctx->scratch, fmt, args);
    va_end(args);
    return qcc_error(&ctx->ir->diags, loc_of(ctx, op), "%s: %s", ctx->step->def->name, message);
}

QccStatus qcc_pass_option_error(QccPassCtx *ctx, const char *option, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = qcc_vsprintf(ctx->scratch, fmt, args);
    va_end(args);
    int index = qcc_step_field(ctx->step, option);
    QccLoc loc = ctx->step->loc;
    if (index >= 0 && ctx->step->place[index].loc.file) loc = ctx->step->place[index].loc;
    return qcc_pipeline_error(ctx->pipeline, loc, "%s of '%s': %s", option, ctx->step->def->name,
                              message);
}

void qcc_pass_warn(QccPassCtx *ctx, const QccOp *op, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = qcc_vsprintf(ctx->scratch, fmt, args);
    va_end(args);
    qcc_warn(&ctx->ir->diags, loc_of(ctx, op), "%s: %s", ctx->step->def->name, message);
}

void qcc_pass_remark(QccPassCtx *ctx, const QccOp *op, const char *fmt, ...)
{
    QccRemarks *all = ctx->run->remarks;
    if (!all) return;
    va_list args;
    va_start(args, fmt);
    const char *why = qcc_vsprintf(all->arena, fmt, args);
    va_end(args);
    qcc_remark_add(all, op, why);
}

const QccExecutor *qcc_pass_executor(QccPassCtx *ctx)
{
    return ctx->executor;
}

QccStatus qcc_pass_progress(QccPassCtx *ctx, const char *what, int64_t done, int64_t total)
{
    const QccPassRun *run = ctx->run;
    if (!run->progress || run->progress(run->progress_user, what, done, total)) return QCC_OK;
    return QCC_ERROR_CANCELLED;
}

QccStatus qcc_pass_data(QccDataset **out, QccPassCtx *ctx, const QccGraph *g)
{
    *out = *ctx->data;
    if (*out && *ctx->data_graph == g) return QCC_OK;
    const QccPassRun *run = ctx->run;
    QccDataset *data = NULL;
    if (run->open_data) QCC_TRY(run->open_data(run->data_user, &data, g));
    if (!data) {
        qcc_fail(&ctx->ir->diags, QCC_ERROR_USAGE, ctx->step->loc,
                 "pass '%s' reads calibration data, and there is none", ctx->step->def->name);
        qcc_note(&ctx->ir->diags, ctx->step->loc,
                 "give --calib DATA.yaml, or 'data:' in the pipeline, or a model that carries "
                 "samples (qcc import --calib)");
        return QCC_ERROR_USAGE;
    }
    if (*out && (*out)->close) (*out)->close((*out)->self);
    *out = *ctx->data = data;
    *ctx->data_graph = g;
    return QCC_OK;
}

/* ---- printing ------------------------------------------------------------------------------ */

static QccStatus print(const Manager *m, const QccBuf *buf)
{
    if (!m->run->print || !buf->len) return QCC_OK;
    if (m->run->print(m->run->print_user, buf->data, (size_t)buf->len)) return QCC_OK;
    return QCC_ERROR_IO;
}

static bool names_pass(const char *const *names, const char *name)
{
    for (int i = 0; names && names[i]; i++) {
        if (!strcmp(names[i], "all") || !strcmp(names[i], name)) return true;
    }
    return false;
}

static QccStatus print_graph(const Manager *m, int at, QccArena *scratch, const char *before)
{
    const QccStep *step = &m->p->step[at];
    bool asked = names_pass(m->run->print_after, step->def->name);
    if (!asked && !m->run->print_changed) return QCC_OK;
    QccBuf graph, buf;
    qcc_buf_init(&graph, scratch);
    qcc_graph_print(&graph, m->graph);
    bool changed = m->run->print_changed && (!before || strcmp(before, graph.data) != 0);
    if (!asked && !changed) return QCC_OK;
    qcc_buf_init(&buf, scratch);
    qcc_buf_printf(&buf, "; after %s, pass %d of %d\n", step->def->name, at + 1, m->p->nstep);
    qcc_buf_add(&buf, graph.data, graph.len);
    return print(m, &buf);
}

static QccStatus print_timing(const Manager *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, m->arena);
    double total = 0;
    for (int i = 0; i < m->p->nstep; i++) total += m->seconds[i];
    for (int i = 0; i < m->p->nstep; i++) {
        qcc_buf_printf(&buf, "%10.2f ms %5.1f %%  %s\n", m->seconds[i] * 1e3,
                       total > 0 ? m->seconds[i] / total * 100 : 0, m->p->step[i].def->name);
    }
    qcc_buf_printf(&buf, "%10.2f ms          all passes\n", total * 1e3);
    return print(m, &buf);
}

static QccStatus print_stats(const Manager *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, m->arena);
    for (int i = 0; i < m->p->nstep; i++) {
        const QccPassDef *def = m->p->step[i].def;
        for (int k = 0; def->stats && def->stats[k]; k++) {
            if (!m->stat[i][k]) continue;
            qcc_buf_printf(&buf, "%10lld  %s: %s\n", (long long)m->stat[i][k], def->name,
                           def->stats[k]);
        }
    }
    return print(m, &buf);
}

/* ---- the reproducer ------------------------------------------------------------------------ */

/* Writes the graph before step `at` and the steps that were left to run. */
static void write_reproducer(const Manager *m, int at, const QccGraph *before)
{
    QccDiags *d = &m->p->ir->diags;
    QccLoc loc = {.file = m->run->reproducer};
    QccBuf buf;
    qcc_buf_init(&buf, m->arena);
    for (int i = at; i < m->p->nstep; i++) {
        qcc_buf_puts(&buf, i == at ? "; PIPELINE: [" : ", ");
        qcc_step_print(&buf, &m->p->step[i]);
    }
    qcc_buf_puts(&buf, "]\n");
    QccModule module = {.graph = (QccGraph *)before};
    qcc_module_print(&buf, &module, QCC_BLOBS_INLINE, NULL);

    QccPiece piece = {buf.data, buf.len};
    if (qcc_write_file(m->arena, d, m->run->reproducer, &piece, 1) == QCC_OK)
        qcc_note(d, loc, "the graph before pass '%s' is here", m->p->step[at].def->name);
}

/* ---- running ------------------------------------------------------------------------------- */

static QccPassCtx context_for(Manager *m, int at, QccArena *scratch)
{
    const QccStep *step = &m->p->step[at];
    QccPassCtx ctx = {
        .ir = m->p->ir,
        .scratch = scratch,
        .pipeline = m->p,
        .step = step,
        .run = m->run,
        .executor = m->run->executor ? m->run->executor : &m->interp,
        .stat = m->stat[at],
        .data_arena = m->arena,
        .data = &m->data,
        .data_graph = &m->data_graph,
    };
    while (step->def->stats && step->def->stats[ctx.nstat]) ctx.nstat++;
    return ctx;
}

static void *new_observations(Manager *m)
{
    qcc_arena_free(m->observed);
    m->observed = qcc_arena_new(m->p->ir->mem);
    return m->observed ? qcc_observations_new(m->observed) : NULL;
}

/* Step `at` is the first of a row of observing steps: lets all of them ask, then reads the data. */
static QccStatus observe_row(Manager *m, int at, QccArena *scratch, QccObservations **seen)
{
    *seen = new_observations(m);
    if (!*seen) return QCC_ERROR_MEMORY;
    for (int i = at; i < m->p->nstep && m->p->step[i].def->observe; i++) {
        const QccStep *step = &m->p->step[i];
        QccPassCtx ctx = context_for(m, i, scratch);
        ctx.seen = *seen;
        QCC_TRY(step->def->observe(&ctx, m->graph, step->opts));
        /* Patterns may still match in `run`; only failures count here. */
        QCC_TRY(ctx.deferred);
    }
    QccPassCtx ctx = context_for(m, at, scratch);
    ctx.seen = *seen;
    return qcc_observations_collect(&ctx, m->graph);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static QccStatus run_pass(Manager *m, int at, QccArena *scratch, QccObservations **seen)
{
    const QccStep *step = &m->p->step[at];
    bool first = step->def->observe && (at == 0 || !m->p->step[at - 1].def->observe);
    if (first) QCC_TRY(observe_row(m, at, scratch, seen));

    QccPassCtx ctx = context_for(m, at, scratch);
    ctx.seen = step->def->observe ? *seen : NULL;
    QCC_TRY(step->def->run(&ctx, m->graph, step->opts));
    QCC_TRY(qcc_scope_finish(&ctx));
    for (int i = 0; step->def->breaks && step->def->breaks[i]; i++) {
        qcc_graph_clear_prop(m->graph, step->def->breaks[i]);
    }
    for (int i = 0; step->def->makes && step->def->makes[i]; i++) {
        qcc_graph_set_prop(m->graph, step->def->makes[i]);
    }
    return QCC_OK;
}

static QccStatus verify_after(const Manager *m, int at)
{
    if (qcc_graph_verify(m->graph) == QCC_OK) return QCC_OK;
    return qcc_fail(&m->p->ir->diags, QCC_ERROR_INTERNAL, m->p->step[at].loc,
                    "pass '%s' left a graph that is not valid", m->p->step[at].def->name);
}

static QccStatus run_step(Manager *m, int at, QccArena *scratch, QccObservations **seen)
{
    const char *before = NULL;
    if (m->run->print_changed) {
        QccBuf text;
        qcc_buf_init(&text, scratch);
        qcc_graph_print(&text, m->graph);
        before = text.data;
    }
    QccGraph *copy = NULL;
    if (m->run->reproducer) {
        qcc_arena_free(m->before);
        m->before = qcc_arena_new(m->p->ir->mem);
        if (!m->before) return QCC_ERROR_MEMORY;
        copy = qcc_graph_clone(m->graph, m->before);
    }

    double begin = now();
    QccStatus status = run_pass(m, at, scratch, seen);
    m->seconds[at] = now() - begin;
    bool last = at + 1 == m->p->nstep;
    if (!status && (m->run->verify_each || last)) status = verify_after(m, at);
    if (status && copy) write_reproducer(m, at, copy);
    QCC_TRY(status);
    return print_graph(m, at, scratch, before);
}

static bool pipeline_has(const QccPipeline *p, const char *name)
{
    for (int i = 0; i < p->nstep; i++) {
        if (!strcmp(p->step[i].def->name, name)) return true;
    }
    return false;
}

/* A name that is no step would be ignored silently. */
static QccStatus check_names(const QccPipeline *p, const QccPassRun *run)
{
    QccLoc loc = {.file = p->file};
    for (int i = 0; run->print_after && run->print_after[i]; i++) {
        const char *name = run->print_after[i];
        if (!strcmp(name, "all") || pipeline_has(p, name)) continue;
        return qcc_fail(&p->ir->diags, QCC_ERROR_USAGE, loc,
                        "--print-after=%s: the pipeline has no such pass", name);
    }
    if (!run->stop_after || pipeline_has(p, run->stop_after)) return QCC_OK;
    return qcc_fail(&p->ir->diags, QCC_ERROR_USAGE, loc,
                    "--stop-after=%s: the pipeline has no such pass", run->stop_after);
}

/* Frees what a run holds; also when memory ran out in it. */
static void end_run(void *user)
{
    Manager *m = user;
    if (m->data && m->data->close) m->data->close(m->data->self);
    m->data = NULL;
    qcc_arena_free(m->observed);
    qcc_arena_free(m->before);
    qcc_arena_free(m->scratch);
    m->observed = m->before = m->scratch = NULL;
}

static QccStatus run_steps(Manager *m)
{
    QccObservations *seen = NULL;
    for (int i = 0; i < m->p->nstep; i++) {
        const QccPassDef *def = m->p->step[i].def;
        QccPassCtx progress = {.run = m->run};
        QCC_TRY(qcc_pass_progress(&progress, def->name, i, m->p->nstep));
        qcc_arena_free(m->scratch);
        m->scratch = qcc_arena_new(m->p->ir->mem);
        if (!m->scratch) return QCC_ERROR_MEMORY;
        QCC_TRY(run_step(m, i, m->scratch, &seen));
        if (m->run->stop_after && !strcmp(m->run->stop_after, def->name)) break;
    }
    if (m->run->timing) QCC_TRY(print_timing(m));
    return m->run->stats ? print_stats(m) : QCC_OK;
}

typedef struct Protected {
    Manager *m;
    QccStatus status;
} Protected;

static void run_protected(void *user)
{
    Protected *p = user;
    Manager *m = p->m;
    m->seconds = QCC_NEW_ARRAY(m->arena, m->p->nstep + 1, double);
    m->stat = QCC_NEW_ARRAY(m->arena, m->p->nstep + 1, int64_t *);
    for (int i = 0; i < m->p->nstep; i++) {
        const char *const *stats = m->p->step[i].def->stats;
        int n = 0;
        while (stats && stats[n]) n++;
        m->stat[i] = QCC_NEW_ARRAY(m->arena, n + 1, int64_t);
    }
    p->status = run_steps(m);
}

QccStatus qcc_pipeline_run(QccPipeline *p, QccModule *module, const QccPassRun *run)
{
    QCC_TRY(check_names(p, run));
    QCC_TRY(qcc_pipeline_check_order(p, module->graph));
    QccArena *arena = qcc_arena_new(p->ir->mem);
    if (!arena) return qcc_fail(&p->ir->diags, QCC_ERROR_MEMORY, (QccLoc){0}, "out of memory");
    Manager m = {
        .p = p,
        .module = module,
        .graph = module->graph,
        .run = run,
        .arena = arena,
        .interp = qcc_interp_executor(p->ir),
    };
    Protected guarded = {.m = &m, .status = QCC_ERROR_MEMORY};
    bool finished = qcc_mem_protect(p->ir->mem, run_protected, &guarded);
    end_run(&m);
    qcc_arena_free(arena);
    if (finished) return guarded.status;
    return qcc_fail(&p->ir->diags, QCC_ERROR_MEMORY, (QccLoc){0}, "out of memory");
}
