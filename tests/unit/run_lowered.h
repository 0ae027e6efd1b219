/* run_lowered - runs lowered graphs over guarded buffers, kernels as the caller says. */
#ifndef QCC_TESTS_RUN_LOWERED_H
#define QCC_TESTS_RUN_LOWERED_H

#include "backend/lower.h"
#include "backend/pack.h"
#include "ir/interp.h"
#include "tests/guarded.h"

typedef struct Lowered Lowered;

/* The buffers of one run, each between guards. */
struct Lowered {
    const QccLowered *l;
    Guarded arena, *input, *output, *constant;
    /* Runs all work units of a kernel step. */
    void (*kernel)(const Lowered *run, const QccStep *step, void *const *arg);
    void *user;
};

static char *lowered_at(const Lowered *run, const QccRef *ref)
{
    if (ref->index < 0 && ref->kind == QCC_BUFFER_CONST) return NULL;
    const Guarded *g = ref->kind == QCC_BUFFER_ARENA   ? &run->arena
                       : ref->kind == QCC_BUFFER_CONST ? &run->constant[ref->index]
                       : ref->kind == QCC_BUFFER_INPUT ? &run->input[ref->index]
                                                       : &run->output[ref->index];
    return g->data + ref->offset;
}

/* Argument i of a step, in that round of the loop around it. */
static char *lowered_ref(const Lowered *run, const QccStep *step, int i, int64_t round)
{
    return lowered_at(run, &step->ref[i]) + qcc_step_offset(step, i, round);
}

/* Writes everything of the padded box but the box itself. */
static void lowered_fill(const Lowered *run, const QccStep *step, int64_t round)
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
        if (!inside)
            memcpy(lowered_ref(run, step, 0, round) + at * size, &step->fill, (size_t)size);
        int d = l->rank - 1;
        while (d >= 0 && ++index[d] == l->dim[d] + l->halo_after[d]) {
            index[d] = -l->halo_before[d];
            d--;
        }
        if (d < 0) return;
    }
}

static QccStatus lowered_eval(const Lowered *run, const QccStep *step, int64_t round,
                              QccArena *scratch)
{
    const QccOp *op = step->op;
    QccTensor *t = QCC_NEW_ARRAY(scratch, step->nref + 1, QccTensor);
    for (int i = 0; i < step->nref; i++) {
        const QccValue *v = i < op->nin ? op->in[i].value : &op->out[i - op->nin];
        if (v) t[i] = qcc_tensor_view(v->type, lowered_ref(run, step, i, round));
    }
    return qcc_interp_op(op, t, t + op->nin, scratch);
}

/* Whether a kernel reads past the end of an input; sessions then stage it. */
static bool lowered_reads_past(const QccLowered *l, int input)
{
    for (int i = 0; i < l->nstep; i++) {
        const QccStep *s = &l->step[i];
        if (s->kind != QCC_STEP_KERNEL || s->nref < 2) continue;
        QccAnchor anchor = l->kernel[s->kernel]->anchor;
        bool past = anchor == QCC_ANCHOR_CONTRACT || anchor == QCC_ANCHOR_DEPTHWISE;
        if (past && s->ref[1].kind == QCC_BUFFER_INPUT && s->ref[1].index == input) return true;
    }
    return false;
}

/* Allocates the buffers and copies inputs and constants. */
static void lowered_open(Lowered *run, const QccLowered *l, const QccTensor *in)
{
    const QccGraph *g = l->graph;
    int nout = qcc_graph_result_count(g);
    run->l = l;
    run->arena = guarded_new((size_t)l->arena_size, QCC_READ_SLACK, 64);
    run->input = calloc((size_t)g->nparam + 1, sizeof *run->input);
    run->output = calloc((size_t)nout + 1, sizeof *run->output);
    run->constant = calloc((size_t)l->nconst + 1, sizeof *run->constant);
    for (int i = 0; i < g->nparam; i++) {
        size_t size = (size_t)qcc_type_bytes(g->param[i]->type);
        run->input[i] = guarded_new(size, lowered_reads_past(l, i) ? QCC_READ_SLACK : 0, 1);
        memcpy(run->input[i].data, in[i].data, size);
    }
    for (int i = 0; i < nout; i++)
        run->output[i] = guarded_new((size_t)qcc_type_bytes(qcc_graph_result(g, i)->type), 0, 1);
    for (int i = 0; i < l->nconst; i++) {
        const QccBlob *b = l->constant[i];
        run->constant[i] = guarded_new((size_t)b->size, QCC_READ_SLACK, 64);
        memcpy(run->constant[i].data, b->data, (size_t)b->size);
    }
}

static QccStatus lowered_run(Lowered *run, QccMem *mem)
{
    for (QccCursor at = {.step = -1}; qcc_lowered_next(run->l, &at);) {
        const QccStep *step = &run->l->step[at.step];
        if (step->kind == QCC_STEP_KERNEL) {
            void *arg[QCC_KERNEL_ARGS];
            for (int k = 0; k < step->nref; k++) arg[k] = lowered_ref(run, step, k, at.round);
            run->kernel(run, step, arg);
        } else if (step->kind == QCC_STEP_FILL) {
            lowered_fill(run, step, at.round);
        } else {
            QccArena *scratch = qcc_arena_new(mem);
            QccStatus status = lowered_eval(run, step, at.round, scratch);
            qcc_arena_free(scratch);
            if (status != QCC_OK) return status;
        }
    }
    return QCC_OK;
}

/* Whether all guards, inputs and constants are what they were. */
static bool lowered_is_intact(const Lowered *run, const QccTensor *in)
{
    const QccLowered *l = run->l;
    bool good = guarded_is_intact(&run->arena);
    for (int i = 0; i < l->graph->nparam; i++)
        good &= guarded_is_intact(&run->input[i]) &&
                memcmp(run->input[i].data, in[i].data, run->input[i].bytes) == 0;
    for (int i = 0; i < qcc_graph_result_count(l->graph); i++)
        good &= guarded_is_intact(&run->output[i]);
    for (int i = 0; i < l->nconst; i++)
        good &= guarded_is_intact(&run->constant[i]) &&
                memcmp(run->constant[i].data, l->constant[i]->data, run->constant[i].bytes) == 0;
    return good;
}

/* The dense elements of a value from where the plan has placed it. */
static inline void lowered_read(const Lowered *run, const QccPlacement *p, void *out)
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
    guarded_free(&run->arena);
    for (int i = 0; i < run->l->graph->nparam; i++) guarded_free(&run->input[i]);
    for (int i = 0; i < qcc_graph_result_count(run->l->graph); i++) guarded_free(&run->output[i]);
    for (int i = 0; i < run->l->nconst; i++) guarded_free(&run->constant[i]);
    free(run->input);
    free(run->output);
    free(run->constant);
}

#endif
