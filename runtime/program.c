/* program - a model becomes immutable and runnable: bind, lower, compile.
 *
 *   model's graph -> clone, symbols bound -> (interpret: done) -> qcc_lower -> qcc_program_compile
 */
#define _GNU_SOURCE
#include <string.h>

#include "ir/ops.h"
#include "runtime/context.h"

typedef struct Making {
    QccArena *arena; /* of the program */
    QccProgram *program;
    const QccModel *model;
    QccProgramOptions options;
} Making;

/* Symbols that nobody gave a value take their smallest. */
static QccStatus bind_symbols(QccGraph *g)
{
    if (g->nsymbol == 0) return QCC_OK;
    int64_t *extent = QCC_NEW_ARRAY(g->arena, g->nsymbol, int64_t);
    for (int i = 0; i < g->nsymbol; i++) extent[i] = g->symbol[i]->min;
    return qcc_graph_bind(g, extent);
}

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
    if (!qcc_target_runs_here(*target))
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                        "this machine lacks instructions of target '%s'", (*target)->name);
    return QCC_OK;
}

/* Kernels of contractions read some bytes past the end of their first operand; where that is the
 * caller's buffer, it is copied first. */
static void mark_staged(QccProgram *p)
{
    const QccLowered *l = p->lowered;
    p->stage_input = QCC_NEW_ARRAY(p->arena, p->graph->nparam, bool);
    for (int i = 0; i < l->nstep; i++) {
        const QccStep *s = &l->step[i];
        if (s->kind != QCC_STEP_KERNEL || s->nref < 2) continue;
        QccAnchor anchor = l->kernel[s->kernel]->anchor;
        bool past_end = anchor == QCC_ANCHOR_CONTRACT || anchor == QCC_ANCHOR_DEPTHWISE;
        if (past_end && s->ref[1].kind == QCC_BUFFER_INPUT) p->stage_input[s->ref[1].index] = true;
    }
}

static QccStatus make_program(void *user)
{
    Making *m = user;
    QccContext *c = m->model->context;
    QccProgram *p = m->program = QCC_NEW(m->arena, QccProgram);
    p->context = c;
    p->arena = m->arena;
    p->store = qcc_store_ref(m->model->store);
    p->graph = qcc_graph_clone(m->model->module->graph, p->arena);
    QCC_TRY(bind_symbols(p->graph));
    /* For both engines, so that their values can be compared one by one. */
    QCC_TRY(qcc_unsign(p->graph));
    p->taps = m->options.taps;
    if (m->options.interpret) return QCC_OK;
    const QccTarget *target;
    QCC_TRY(choose_target(&target, c, m->options.target));
    double start = qcc_now_ms();
    QccLowerOptions lower = {.taps = p->taps};
    QCC_TRY(qcc_lower(&p->lowered, p->arena, p->graph, target, &lower));
    p->lower_ms = qcc_now_ms() - start;
    mark_staged(p);
    return qcc_program_compile(p, m->options.require_cache);
}

QccStatus qcc_program_new(QccProgram **program, const QccModel *model,
                          const QccProgramOptions *given)
{
    *program = NULL;
    QccContext *c = model->context;
    Making m = {.arena = qcc_arena_new(&c->mem), .model = model};
    if (!m.arena) return QCC_ERROR_MEMORY;
    if (given)
        memcpy(&m.options, given, given->size < sizeof m.options ? given->size : sizeof m.options);
    QccStatus status = qcc_guard(c, make_program, &m);
    if (status == QCC_OK)
        *program = m.program;
    else if (m.program)
        qcc_program_free(m.program);
    else
        qcc_arena_free(m.arena);
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
    QccStore *store = program->store;
    qcc_arena_free(program->arena);
    qcc_store_unref(store);
}

/* ---- borders --------------------------------------------------------------------------------- */

static QccStatus describe(QccTensorInfo *info, const QccValue *value)
{
    memset(info, 0, sizeof *info);
    info->name = value->name;
    info->dtype = value->type->dtype;
    info->rank = value->type->rank;
    qcc_type_extents(value->type, info->shape);
    info->quantized =
        value->type->quant && qcc_quant_is_tensor(value->type->quant, &info->scale, &info->zero);
    return QCC_OK;
}

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
    return describe(info, program->graph->param[index]);
}

QccStatus qcc_program_output(const QccProgram *program, int index, QccTensorInfo *info)
{
    if (index < 0 || index >= qcc_program_output_count(program)) return QCC_ERROR_USAGE;
    return describe(info, qcc_graph_result(program->graph, index));
}

/* ---- reports --------------------------------------------------------------------------------- */

static void print_kernels(QccBuf *b, const QccProgram *p)
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

static Counts count(const QccProgram *p)
{
    Counts c = {0};
    QCC_FOR_OPS(op, p->graph)
    {
        const QccBlob *blob = op->nout ? qcc_value_const(&op->out[0]) : NULL;
        if (blob) c.constant_bytes += blob->size;
    }
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

static void print_stats(QccBuf *b, const QccProgram *p)
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
    for (int i = 0; i < l->nstep; i++) {
        const QccStep *s = &l->step[i];
        if (s->kind != QCC_STEP_EVAL) continue;
        qcc_buf_printf(b, "eval       %%%s: %s of %s\n", s->value->name, s->op->def->name,
                       qcc_loc_text(b->arena, s->op->loc));
    }
}

static void print_stats_json(QccBuf *b, const QccProgram *p)
{
    Counts c = count(p);
    int kernels = p->lowered ? p->lowered->nkernel : 0;
    qcc_buf_printf(b,
                   "{\"target\": \"%s\", \"kernel_steps\": %d, \"fill_steps\": %d, "
                   "\"eval_steps\": %d, \"kernels\": %d, \"cached\": %d, \"lower_ms\": %.3f, "
                   "\"code_ms\": %.3f, \"compile_ms\": [",
                   p->lowered ? p->lowered->target->name : "interpreter", c.steps[QCC_STEP_KERNEL],
                   c.steps[QCC_STEP_FILL], c.steps[QCC_STEP_EVAL], kernels, c.cached, p->lower_ms,
                   p->compile_ms);
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

static void print_sizes(QccBuf *b, const QccProgram *p)
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
    QccReport what;
    QccWriteFn *fn;
    void *user;
    QccArena *arena;
} Reporting;

static QccStatus write_report(void *user)
{
    Reporting *r = user;
    QccBuf b;
    qcc_buf_init(&b, r->arena);
    switch (r->what) {
    case QCC_REPORT_PLAN:
        if (r->program->lowered) qcc_lowered_print_plan(&b, r->program->lowered);
        break;
    case QCC_REPORT_KERNELS: print_kernels(&b, r->program); break;
    case QCC_REPORT_STATS: print_stats(&b, r->program); break;
    case QCC_REPORT_SIZES: print_sizes(&b, r->program); break;
    case QCC_REPORT_STATS_JSON: print_stats_json(&b, r->program); break;
    default: return QCC_ERROR_USAGE;
    }
    return b.len == 0 || r->fn(r->user, b.data, (size_t)b.len) ? QCC_OK : QCC_ERROR_IO;
}

QccStatus qcc_program_report(const QccProgram *program, QccReport what, QccWriteFn *fn, void *user)
{
    QccContext *c = program->context;
    Reporting r = {program, what, fn, user, qcc_arena_new(&c->mem)};
    if (!r.arena) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard(c, write_report, &r);
    qcc_arena_free(r.arena);
    return status;
}
