/* instance - a program for one set of extents: bind, lower, compile; a program keeps the last few.
 *
 *   program's graph -> clone, symbols bound -> (interpreted: done) -> qcc_lower -> compile
 */
#define _GNU_SOURCE
#include <string.h>

#include "runtime/tune.h"

typedef struct Making {
    QccInstance *instance;
    const QccProgram *program;
    const int64_t *extent; /* NULL: the least */
} Making;

/* Kernels of contractions read some bytes past the end of their first operand; where that is the
 * caller's buffer, it is copied first. */
static void mark_staged(QccInstance *p)
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

static QccStatus make_instance(void *user)
{
    Making *m = user;
    QccInstance *p = m->instance;
    const QccProgram *program = m->program;
    const QccGraph *g = program->graph;
    p->extent = QCC_NEW_ARRAY(p->arena, g->nsymbol, int64_t);
    for (int i = 0; i < g->nsymbol; i++)
        p->extent[i] = m->extent ? m->extent[i] : g->symbol[i]->min;
    p->graph = qcc_graph_clone_into(p->ir, g, p->arena);
    if (g->nsymbol) QCC_TRY(qcc_graph_bind(p->graph, p->extent));
    if (!program->target) return QCC_OK;
    double start = qcc_now_ms();
    bool measure = program->tune == QCC_TUNE_FAST && !program->require_cache;
    QccTuner *tuner = qcc_tuner_new(p, program->context, measure);
    QccLowerOptions lower = {.taps = program->taps,
                             .pool = &program->instances->pool,
                             .choose = qcc_tuner_choose,
                             .choose_user = tuner};
    QCC_TRY(qcc_lower(&p->lowered, p->arena, p->graph, program->target, &lower));
    QCC_TRY(qcc_tuner_status(tuner));
    p->lower_ms = qcc_now_ms() - start;
    mark_staged(p);
    return qcc_instance_compile(p, program->context, program->require_cache);
}

static QccInstance *new_instance(const QccProgram *program)
{
    QccInstance *p = qcc_host_new(&program->mem, sizeof *p);
    if (!p) return NULL;
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->lock, NULL);
    p->mem = (QccMem){.realloc = program->mem.realloc, .user = program->mem.user};
    p->arena = qcc_arena_new(&p->mem);
    const QccContext *c = program->context;
    p->ir = qcc_ir_new(&p->mem, c->diagnostic, c->diagnostic_user);
    if (p->arena && p->ir) return p;
    qcc_instance_unref(p);
    return NULL;
}

void qcc_instance_unref(QccInstance *instance)
{
    if (!instance || atomic_fetch_sub(&instance->refs, 1) != 1) return;
    QccMem mem = instance->mem;
    qcc_arena_free(instance->arena);
    qcc_ir_free(instance->ir);
    pthread_mutex_destroy(&instance->lock);
    qcc_host_free(&mem, instance);
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool is_for(const QccInstance *p, const QccGraph *g, const int64_t *extent)
{
    for (int i = 0; i < g->nsymbol; i++)
        if (p->extent[i] != (extent ? extent[i] : g->symbol[i]->min)) return false;
    return true;
}

/* Item i becomes the first one. */
static QccInstance *to_front(QccInstances *t, int i)
{
    QccInstance *p = t->item[i];
    memmove(t->item + 1, t->item, (size_t)i * sizeof *t->item);
    t->item[0] = p;
    atomic_fetch_add(&p->refs, 1);
    return p;
}

static QccStatus find_or_make(QccInstance **instance, const QccProgram *program,
                              const int64_t *extent)
{
    QccInstances *t = program->instances;
    for (int i = 0; i < t->n; i++) {
        if (!is_for(t->item[i], program->graph, extent)) continue;
        *instance = to_front(t, i);
        return QCC_OK;
    }
    Making m = {.instance = new_instance(program), .program = program, .extent = extent};
    if (!m.instance) return QCC_ERROR_MEMORY;
    QccStatus status = qcc_guard_both(t->mem, &m.instance->mem, make_instance, &m);
    if (status != QCC_OK) {
        qcc_instance_unref(m.instance);
        return status;
    }
    /* The one used longest ago makes room; sessions that still hold it keep it alive. */
    if (t->n == QCC_INSTANCES) qcc_instance_unref(t->item[--t->n]);
    t->item[t->n++] = m.instance;
    *instance = to_front(t, t->n - 1);
    return QCC_OK;
}

QccStatus qcc_program_instance(QccInstance **instance, const QccProgram *program,
                               const int64_t *extent)
{
    *instance = NULL;
    pthread_mutex_lock(&program->instances->lock);
    QccStatus status = find_or_make(instance, program, extent);
    pthread_mutex_unlock(&program->instances->lock);
    return status;
}

QccInstance *qcc_program_last_instance(const QccProgram *program)
{
    QccInstances *t = program->instances;
    pthread_mutex_lock(&t->lock);
    QccInstance *p = to_front(t, 0);
    pthread_mutex_unlock(&t->lock);
    return p;
}
