/* run_lowered - runs lowered graphs with the reference kernels; for tests that want no LLVM. */
#ifndef QCC_TESTS_RUN_LOWERED_H
#define QCC_TESTS_RUN_LOWERED_H

#include <stdlib.h>
#include <string.h>

#include "backend/pack.h"
#include "backend/reference.h"
#include "backend/lower.h"
#include "ir/interp.h"

enum { GUARD = 256, POISON = 0xa5 };

/* The buffers of one run. Inputs and outputs are allocated at exactly their sizes, so that the
 * address sanitizer sees what reaches past them; the arena stands between guards. */
typedef struct Lowered {
    const QccLowered *l;
    char *arena; /* with a guard on either side */
    char **input, **output;
} Lowered;

static char *lowered_at(const Lowered *run, const QccRef *ref)
{
    switch (ref->kind) {
    case QCC_BUFFER_ARENA: return run->arena + GUARD + ref->offset;
    case QCC_BUFFER_CONST:
        if (ref->index < 0) return NULL;
        return (char *)(uintptr_t)run->l->constant[ref->index]->data + ref->offset;
    case QCC_BUFFER_INPUT: return run->input[ref->index] + ref->offset;
    default: return run->output[ref->index] + ref->offset;
    }
}

/* Writes everything of the padded box but the box itself. */
static void lowered_fill(const Lowered *run, const QccStep *step)
{
    const QccLayout *l = step->layout;
    int64_t index[QCC_MAX_RANK], size = qcc_dtype_bits(step->fill_dtype) / 8;
    for (int d = 0; d < l->rank; d++) index[d] = -l->halo_before[d];
    for (;;) {
        bool inside = true;
        int64_t at = 0;
        for (int d = 0; d < l->rank; d++) {
            inside &= index[d] >= 0 && index[d] < l->dim[d];
            at += index[d] * l->pitch[d];
        }
        if (!inside) memcpy(lowered_at(run, &step->ref[0]) + at * size, &step->fill, (size_t)size);
        int d = l->rank - 1;
        while (d >= 0 && ++index[d] == l->dim[d] + l->halo_after[d]) {
            index[d] = -l->halo_before[d];
            d--;
        }
        if (d < 0) return;
    }
}

static QccStatus lowered_eval(const Lowered *run, const QccStep *step, QccArena *scratch)
{
    const QccOp *op = step->op;
    QccTensor *t = QCC_NEW_ARRAY(scratch, step->nref + 1, QccTensor);
    for (int i = 0; i < step->nref; i++) {
        const QccValue *v = i < op->nin ? op->in[i].value : &op->out[i - op->nin];
        if (v) t[i] = qcc_tensor_view(v->type, lowered_at(run, &step->ref[i]));
    }
    return qcc_interp_op(op, t, t + op->nin, scratch);
}

/* Work units from the last to the first, one by one: they must not depend on each other. */
static void lowered_kernel(const Lowered *run, const QccStep *step, QccMem *mem)
{
    void *arg[QCC_KERNEL_ARGS];
    for (int i = 0; i < step->nref; i++) arg[i] = lowered_at(run, &step->ref[i]);
    QccArena *scratch = qcc_arena_new(mem);
    int64_t block = (step->work + 6) / 7;
    for (int64_t end = step->work; end > 0; end -= block)
        qcc_kernel_reference(run->l->kernel[step->kernel], run->l->target, arg,
                             end > block ? end - block : 0, end, scratch);
    qcc_arena_free(scratch);
}

/* Allocates the buffers; `in` is copied. */
static void lowered_open(Lowered *run, const QccLowered *l, const QccTensor *in)
{
    const QccGraph *g = l->graph;
    run->l = l;
    run->arena = malloc((size_t)l->arena_size + 2 * GUARD);
    memset(run->arena, POISON, (size_t)l->arena_size + 2 * GUARD);
    run->input = calloc((size_t)g->nparam + 1, sizeof *run->input);
    run->output = calloc((size_t)qcc_graph_result_count(g) + 1, sizeof *run->output);
    for (int i = 0; i < g->nparam; i++) {
        size_t size = (size_t)qcc_type_bytes(g->param[i]->type);
        run->input[i] = malloc(size);
        memcpy(run->input[i], in[i].data, size);
    }
    for (int i = 0; i < qcc_graph_result_count(g); i++) {
        size_t size = (size_t)qcc_type_bytes(qcc_graph_result(g, i)->type);
        run->output[i] = malloc(size);
        memset(run->output[i], POISON, size);
    }
}

static QccStatus lowered_run(Lowered *run, QccMem *mem)
{
    for (int i = 0; i < run->l->nstep; i++) {
        const QccStep *step = &run->l->step[i];
        if (step->kind == QCC_STEP_KERNEL) {
            lowered_kernel(run, step, mem);
        } else if (step->kind == QCC_STEP_FILL) {
            lowered_fill(run, step);
        } else {
            QccArena *scratch = qcc_arena_new(mem);
            QccStatus status = lowered_eval(run, step, scratch);
            qcc_arena_free(scratch);
            if (status != QCC_OK) return status;
        }
    }
    return QCC_OK;
}

/* Whether the guards around the arena are what they were. */
static bool lowered_guards(const Lowered *run)
{
    for (int i = 0; i < GUARD; i++)
        if ((unsigned char)run->arena[i] != POISON ||
            (unsigned char)run->arena[GUARD + run->l->arena_size + i] != POISON)
            return false;
    return true;
}

/* The dense elements of a value from where the plan has placed it. */
static void lowered_read(const Lowered *run, const QccPlacement *p, void *out)
{
    const QccLayout *l = &p->layout;
    int64_t bits = qcc_dtype_bits(p->value->type->dtype), size = bits / 8;
    char *to = out;
    if (bits < 8) {
        memcpy(out, lowered_at(run, &p->ref), (size_t)qcc_type_bytes(p->value->type));
        return;
    }
    int64_t index[QCC_MAX_RANK] = {0};
    for (int d = 0; d < l->rank; d++)
        if (l->dim[d] == 0) return;
    for (;;) {
        int64_t at = 0;
        for (int d = 0; d < l->rank; d++) at += index[d] * l->pitch[d];
        memcpy(to, lowered_at(run, &p->ref) + at * size, (size_t)size);
        to += size;
        int d = l->rank - 1;
        while (d >= 0 && ++index[d] == l->dim[d]) index[d--] = 0;
        if (d < 0) return;
    }
}

static void lowered_close(Lowered *run)
{
    for (int i = 0; i < run->l->graph->nparam; i++) free(run->input[i]);
    for (int i = 0; i < qcc_graph_result_count(run->l->graph); i++) free(run->output[i]);
    free(run->input);
    free(run->output);
    free(run->arena);
}

#endif
