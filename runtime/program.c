/* program - a model becomes immutable and runnable; how it runs is in its instances.
 *
 *   model's graph -> clone, with its symbols -> instance for the least extents, others as shapes
 * come
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/ops.h"
#include "runtime/context.h"

typedef struct Making {
    QccProgram *program;
    const QccModel *model;
    QccProgramOptions options;
} Making;

static QccStatus choose_target(const QccTarget **target, QccContext *c, const char *name)
{
    QccDiags *d = &c->ir->diags;
    *target = name ? qcc_target_find(name) : qcc_target_host();
    if (!*target && name)
        return qcc_fail(d, QCC_ERROR_USAGE, (QccLoc){0},
                        "there is no target '%s'; 'qcc targets' lists them", name);
    if (!*target)
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                        "this machine runs none of the targets; the interpreter still works");
    if (name && !qcc_target_runs_here(*target))
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                        "this machine lacks instructions of target '%s'", (*target)->name);
    return QCC_OK;
}

QccStatus qcc_target_check(QccContext *context, const char *target)
{
    const QccTarget *unused;
    return choose_target(&unused, context, target);
}

/* The extent with every symbol at its least, or at its largest. */
static int64_t bound(const QccDim *d, bool largest)
{
    int64_t n = d->n;
    for (int k = 0; k < 2 && d->sym[k]; k++) n *= largest ? d->sym[k]->max : d->sym[k]->min;
    return n;
}

static void describe(QccTensorInfo *info, QccArena *arena, const QccValue *value)
{
    const QccType *t = value->type;
    info->name = value->name;
    info->dtype = t->dtype;
    info->rank = t->rank;
    info->quantized = t->quant && qcc_quant_is_tensor(t->quant, &info->scale, &info->zero);
    for (int i = 0; i < t->rank; i++) {
        info->shape[i] = bound(&t->dim[i], false);
        info->max_shape[i] = bound(&t->dim[i], true);
        if (!t->dim[i].sym[0]) continue;
        QccBuf text;
        qcc_buf_init(&text, arena);
        qcc_dim_print(&text, &t->dim[i]);
        info->symbol[i] = text.data;
    }
}

/* What lies in the model's file need not stay in memory: it can be read again from there. */
static void drop_pages(void *user, const void *bytes, int64_t size)
{
    const QccStore *s = user;
    const char *begin = bytes, *end = begin + size;
    if (!s->mapped || begin < s->mapped || end > s->mapped + s->mapped_size) return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)begin + page - 1) & -page, last = (uintptr_t)end & -page;
    if (first < last)
        madvise((char *)(uintptr_t)begin + (first - (uintptr_t)begin), last - first, MADV_DONTNEED);
}

static void make_instances(QccProgram *p)
{
    QccInstances *t = p->instances = QCC_NEW(p->arena, QccInstances);
    pthread_mutex_init(&t->lock, NULL);
    t->mem = &p->mem;
    t->pool.arena = p->arena;
    int64_t bytes = qcc_graph_constant_bytes(p->graph);
    t->pool.expected = bytes + bytes / 64; /* some for what packing fills up */
    t->pool.spent = drop_pages;
    t->pool.user = p->store;
    qcc_table_init(&t->pool.packed, p->arena);
}

static QccStatus make_program(void *user)
{
    Making *m = user;
    QccProgram *p = m->program;
    QccContext *c = p->context;
    p->graph = qcc_graph_clone(m->model->module->graph, p->arena);
    /* For both engines, so that their values can be compared one by one. */
    QCC_TRY(qcc_unsign(p->graph));
    int nin = p->graph->nparam, nout = qcc_graph_result_count(p->graph);
    p->info = QCC_NEW_ARRAY(p->arena, nin + nout, QccTensorInfo);
    for (int i = 0; i < nin; i++) describe(&p->info[i], p->arena, p->graph->param[i]);
    for (int i = 0; i < nout; i++)
        describe(&p->info[nin + i], p->arena, qcc_graph_result(p->graph, i));
    p->taps = m->options.taps;
    p->require_cache = m->options.require_cache;
    p->tune = m->options.tune;
    if (!m->options.interpret) QCC_TRY(choose_target(&p->target, c, m->options.target));
    make_instances(p);
    return QCC_OK;
}

QccStatus qcc_program_new(QccProgram **program, const QccModel *model,
                          const QccProgramOptions *given)
{
    QccContext *c = model->context;
    *program = NULL;
    QccProgram *p = qcc_host_new(&c->mem, sizeof *p);
    if (!p) return QCC_ERROR_MEMORY;
    Making m = {.program = p, .model = model};
    if (given)
        memcpy(&m.options, given, given->size < sizeof m.options ? given->size : sizeof m.options);
    p->context = c;
    p->mem = (QccMem){.realloc = c->mem.realloc, .user = c->mem.user};
    p->store = qcc_store_ref(model->store);
    p->arena = qcc_arena_new(&p->mem);
    QccInstance *least = NULL;
    QccStatus status =
        p->arena ? qcc_guard_both(&c->mem, &p->mem, make_program, &m) : QCC_ERROR_MEMORY;
    if (status == QCC_OK) status = qcc_program_instance(&least, p, NULL);
    qcc_instance_unref(least);
    if (status == QCC_OK)
        *program = p;
    else
        qcc_program_free(p);
    return status;
}

QccStatus qcc_program_load(QccProgram **program, QccContext *context, const char *path,
                           const QccProgramOptions *options)
{
    *program = NULL;
    QccModel *model;
    QCC_TRY(qcc_model_open(&model, context, path));
    QccStatus status = qcc_program_new(program, model, options);
    qcc_model_free(model);
    return status;
}

void qcc_program_free(QccProgram *program)
{
    if (!program) return;
    QccInstances *t = program->instances;
    for (int i = 0; t && i < t->n; i++) qcc_instance_unref(t->item[i]);
    if (t) pthread_mutex_destroy(&t->lock);
    QccStore *store = program->store;
    QccMem mem = program->mem;
    qcc_arena_free(program->arena);
    qcc_host_free(&mem, program);
    qcc_store_unref(store);
}

/* ---- borders --------------------------------------------------------------------------------- */

int qcc_program_input_count(const QccProgram *program)
{
    return program->graph->nparam;
}

int qcc_program_output_count(const QccProgram *program)
{
    return qcc_graph_result_count(program->graph);
}

QccStatus qcc_program_input(const QccProgram *program, int index, QccTensorInfo *info)
{
    if (index < 0 || index >= qcc_program_input_count(program)) return QCC_ERROR_USAGE;
    *info = program->info[index];
    return QCC_OK;
}

QccStatus qcc_program_output(const QccProgram *program, int index, QccTensorInfo *info)
{
    if (index < 0 || index >= qcc_program_output_count(program)) return QCC_ERROR_USAGE;
    *info = program->info[program->graph->nparam + index];
    return QCC_OK;
}

/* ---- shapes ---------------------------------------------------------------------------------- */

typedef struct Shaping {
    const QccProgram *program;
    const QccShape *inputs;
    int n_inputs;
    QccShape *outputs;
    QccArena *arena;
    int64_t *extent;
} Shaping;

static QccStatus shape_inputs(void *user)
{
    Shaping *s = user;
    const QccGraph *g = s->program->graph;
    QccDiags diags = qcc_context_diags(s->program->context);
    const int64_t **shape = QCC_NEW_ARRAY(s->arena, g->nparam, const int64_t *);
    s->extent = QCC_NEW_ARRAY(s->arena, g->nsymbol, int64_t);
    if (s->n_inputs != g->nparam)
        return qcc_fail(&diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "the program has %d inputs, the call gives %d", g->nparam, s->n_inputs);
    for (int i = 0; i < g->nparam; i++) {
        shape[i] = s->inputs[i].dim;
        if (s->inputs[i].rank != g->param[i]->type->rank)
            return qcc_fail(&diags, QCC_ERROR_USAGE, (QccLoc){0},
                            "'%s' has %d dimensions, the shape has %d", g->param[i]->name,
                            g->param[i]->type->rank, s->inputs[i].rank);
    }
    return qcc_bind_extents(s->extent, &diags, g, shape);
}

/* The extents lie in an arena, because there may be any number of symbols. */
static QccStatus with_extents(Shaping *s, QccStatus (*fn)(Shaping *s))
{
    QccMem mem = {.realloc = s->program->mem.realloc, .user = s->program->mem.user};
    s->arena = qcc_arena_new(&mem);
    QccStatus status = s->arena ? qcc_guard_mem(&mem, shape_inputs, s) : QCC_ERROR_MEMORY;
    if (status == QCC_OK) status = fn(s);
    qcc_arena_free(s->arena);
    return status;
}

static QccStatus shape_outputs(Shaping *s)
{
    const QccGraph *g = s->program->graph;
    for (int i = 0; i < qcc_graph_result_count(g); i++) {
        const QccType *t = qcc_graph_result(g, i)->type;
        s->outputs[i].rank = t->rank;
        qcc_bound_shape(s->outputs[i].dim, g, t, s->extent);
    }
    return QCC_OK;
}

static QccStatus prepare(Shaping *s)
{
    QccInstance *instance;
    QCC_TRY(qcc_program_instance(&instance, s->program, s->extent));
    qcc_instance_unref(instance);
    return QCC_OK;
}

QccStatus qcc_program_output_shapes(const QccProgram *program, const QccShape *inputs, int n_inputs,
                                    QccShape *outputs, int n_outputs)
{
    if (n_outputs != qcc_program_output_count(program)) return QCC_ERROR_USAGE;
    Shaping s = {.program = program, .inputs = inputs, .n_inputs = n_inputs, .outputs = outputs};
    return with_extents(&s, shape_outputs);
}

QccStatus qcc_program_prepare(const QccProgram *program, const QccShape *inputs, int n_inputs)
{
    Shaping s = {.program = program, .inputs = inputs, .n_inputs = n_inputs};
    return with_extents(&s, prepare);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void print_kernels(QccBuf *b, const QccInstance *p)
{
    for (int i = 0; p->lowered && i < p->lowered->nkernel; i++) {
        qcc_buf_printf(b, "; kernel %d: ", i);
        qcc_kernel_title(b, p->lowered->kernel[i]);
        qcc_buf_printf(b, "\n%s\n", p->code[i].text);
    }
}

typedef struct Counts {
    int steps[QCC_STEP_EVAL + 1];
    int cached;
    int64_t code_bytes, packed_bytes, constant_bytes;
    double compile_ms, link_ms;
} Counts;

static Counts count(const QccInstance *p)
{
    Counts c = {.constant_bytes = qcc_graph_constant_bytes(p->graph)};
    if (!p->lowered) return c;
    for (int i = 0; i < p->lowered->nstep; i++) c.steps[p->lowered->step[i].kind]++;
    for (int i = 0; i < p->lowered->nconst; i++) c.packed_bytes += p->lowered->constant[i]->size;
    for (int i = 0; i < p->lowered->nkernel; i++) {
        c.cached += p->code[i].cached;
        c.code_bytes += p->code[i].bytes;
        c.compile_ms += p->code[i].compile_ms;
        c.link_ms += p->code[i].link_ms;
    }
    return c;
}

/* "extents    N 8, S 128": which of its shapes a report is about. */
static void print_extents(QccBuf *b, const QccGraph *g, const int64_t *extent)
{
    for (int i = 0; i < g->nsymbol; i++)
        qcc_buf_printf(b, "%s%s %lld", i ? ", " : "extents    ", g->symbol[i]->name,
                       (long long)extent[i]);
    if (g->nsymbol) qcc_buf_puts(b, "\n");
}

static void print_stats(QccBuf *b, const QccInstance *p)
{
    Counts c = count(p);
    if (!p->lowered) {
        qcc_buf_puts(b, "interpreted\n");
        return;
    }
    const QccLowered *l = p->lowered;
    qcc_buf_printf(b, "target     %s\n", l->target->name);
    qcc_buf_printf(b, "steps      %d kernels run, %d halos filled, %d ops through eval\n",
                   c.steps[QCC_STEP_KERNEL], c.steps[QCC_STEP_FILL], c.steps[QCC_STEP_EVAL]);
    qcc_buf_printf(b, "kernels    %d different, %d from the cache\n", l->nkernel, c.cached);
    qcc_buf_printf(b,
                   "time       lowering %.1f ms, code %.1f ms (compile %.1f, link %.2f summed)\n",
                   p->lower_ms, p->compile_ms, c.compile_ms, c.link_ms);
    const QccTuned *t = &p->tuned;
    qcc_buf_printf(b,
                   "variants   %d kernels have several: %d chosen by a record, %d by measurements, "
                   "%d not as the cost model has it; %.1f ms\n",
                   t->open, t->recorded, t->measured, t->changed, t->ms);
    for (int i = 0; i < t->ngain; i++) qcc_buf_printf(b, "variant    %s", t->gain[i]);
    for (int i = 0; i < l->nstep; i++) {
        const QccStep *s = &l->step[i];
        if (s->kind != QCC_STEP_EVAL) continue;
        qcc_buf_printf(b, "eval       %%%s: %s of %s\n", s->value->name, s->op->def->name,
                       qcc_loc_text(b->arena, s->op->loc));
    }
}

static void print_stats_json(QccBuf *b, const QccInstance *p)
{
    Counts c = count(p);
    int kernels = p->lowered ? p->lowered->nkernel : 0;
    qcc_buf_printf(b,
                   "{\"target\": \"%s\", \"kernel_steps\": %d, \"fill_steps\": %d, "
                   "\"eval_steps\": %d, \"kernels\": %d, \"cached\": %d, \"lower_ms\": %.3f, "
                   "\"code_ms\": %.3f, \"tuning\": {\"kernels\": %d, \"recorded\": %d, "
                   "\"measured\": %d, \"changed\": %d, \"ms\": %.3f}, \"compile_ms\": [",
                   p->lowered ? p->lowered->target->name : "interpreter", c.steps[QCC_STEP_KERNEL],
                   c.steps[QCC_STEP_FILL], c.steps[QCC_STEP_EVAL], kernels, c.cached, p->lower_ms,
                   p->compile_ms, p->tuned.open, p->tuned.recorded, p->tuned.measured,
                   p->tuned.changed, p->tuned.ms);
    for (int i = 0; i < kernels; i++)
        qcc_buf_printf(b, "%s%.3f", i ? ", " : "", p->code[i].compile_ms);
    qcc_buf_puts(b, "], \"link_ms\": [");
    for (int i = 0; i < kernels; i++)
        qcc_buf_printf(b, "%s%.4f", i ? ", " : "", p->code[i].link_ms);
    qcc_buf_printf(b, "], \"arena_bytes\": %lld, \"live_peak_bytes\": %lld, ",
                   p->lowered ? (long long)p->lowered->arena_size : 0,
                   p->lowered ? (long long)p->lowered->live_peak : 0);
    qcc_buf_printf(b, "\"constant_bytes\": %lld, \"packed_bytes\": %lld, \"code_bytes\": %lld}\n",
                   (long long)c.constant_bytes, (long long)c.packed_bytes, (long long)c.code_bytes);
}

static void print_sizes(QccBuf *b, const QccInstance *p)
{
    Counts c = count(p);
    qcc_buf_printf(b, "constants    %lld bytes\n", (long long)c.constant_bytes);
    if (!p->lowered) return;
    qcc_buf_printf(b, "packed       %lld bytes\n", (long long)c.packed_bytes);
    qcc_buf_printf(b, "activations  %lld bytes, %lld live at once\n",
                   (long long)p->lowered->arena_size, (long long)p->lowered->live_peak);
    qcc_buf_printf(b, "code         %lld bytes\n", (long long)c.code_bytes);
}

typedef struct Reporting {
    const QccProgram *program;
    const QccInstance *instance;
    QccReport what;
    QccWriteFn *fn;
    void *user;
    QccArena *arena;
} Reporting;

static QccStatus write_report(void *user)
{
    Reporting *r = user;
    const QccInstance *p = r->instance;
    QccBuf b;
    qcc_buf_init(&b, r->arena);
    switch (r->what) {
    case QCC_REPORT_PLAN:
        if (p->lowered) qcc_lowered_print_plan(&b, p->lowered);
        break;
    case QCC_REPORT_KERNELS: print_kernels(&b, p); break;
    case QCC_REPORT_STATS:
        print_extents(&b, r->program->graph, p->extent);
        print_stats(&b, p);
        break;
    case QCC_REPORT_SIZES: print_sizes(&b, p); break;
    case QCC_REPORT_STATS_JSON: print_stats_json(&b, p); break;
    default: return QCC_ERROR_USAGE;
    }
    return b.len == 0 || r->fn(r->user, b.data, (size_t)b.len) ? QCC_OK : QCC_ERROR_IO;
}

QccStatus qcc_program_report(const QccProgram *program, QccReport what, QccWriteFn *fn, void *user)
{
    QccContext *c = program->context;
    QccInstance *instance = qcc_program_last_instance(program);
    Reporting r = {program, instance, what, fn, user, qcc_arena_new(&c->mem)};
    QccStatus status = r.arena ? qcc_guard(c, write_report, &r) : QCC_ERROR_MEMORY;
    qcc_arena_free(r.arena);
    qcc_instance_unref(instance);
    return status;
}
