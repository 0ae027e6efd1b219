/* interp - the reference interpreter: every op by its own meaning, one after the other.
 *
 *   op -> const: its blob
 *      -> map, fused:          epilogue over the operands
 *      -> scan:                its body, step by step
 *      -> no quantized type:   eval
 *      -> move of equal types: eval on raw elements
 *      -> anchor:              eval gives the exact i32 (or, on dequantized operands, f32)
 *                              accumulator, then the epilogue
 */
#include "ir/interp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ir/epilogue.h"
#include "ir/ops.h"

/* ---- one op -----------------------------------------------------------------------------------
 */

static bool has_quantized(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value && op->in[i].value->type->quant) return true;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i].type->quant) return true;
    return false;
}

/* The operands as their reals. */
static const QccTensor *dequantized(const QccOp *op, const QccTensor *in, QccArena *scratch)
{
    QccTensor *out = QCC_NEW_ARRAY(scratch, op->nin + 1, QccTensor);
    for (int i = 0; i < op->nin; i++) {
        out[i] = in[i];
        if (!op->in[i].value || !in[i].type->quant) continue;
        out[i] = qcc_tensor_new(scratch, qcc_type_real(op->graph->ir, in[i].type));
        qcc_tensor_to_f32(out[i].data, &in[i]);
    }
    return out;
}

/* The anchor's accumulator over its own operands. */
static QccStatus run_anchor(const QccEpilogue *ep, const QccTensor *in, QccTensor *acc,
                            QccArena *scratch)
{
    const QccOp *anchor = ep->anchor;
    QccTensor *own = QCC_NEW_ARRAY(scratch, anchor->nin + 1, QccTensor);
    for (int i = 0; i < anchor->nin; i++)
        if (ep->anchor_operand[i] >= 0) own[i] = in[ep->anchor_operand[i]];
    QccIr *ir = anchor->graph->ir;
    QccDtype dtype = ep->integer ? QCC_I32 : QCC_F32;
    *acc = qcc_tensor_new(scratch, qcc_type_plain(ir, anchor->out[0].type, dtype));
    return anchor->def->eval(anchor, ep->integer ? own : dequantized(anchor, own, scratch), acc,
                             scratch);
}

static QccStatus run_epilogue(const QccOp *op, const QccTensor *in, const QccTensor *out,
                              QccArena *scratch)
{
    QccEpilogue ep;
    QccTensor acc = {0};
    QCC_TRY(qcc_epilogue_build(&ep, op, scratch));
    if (ep.anchor) QCC_TRY(run_anchor(&ep, in, &acc, scratch));
    qcc_epilogue_eval(&ep, in, acc.data, out, scratch);
    return QCC_OK;
}

/* Below, since it runs a graph. */
static QccStatus run_loop(const QccOp *op, const QccTensor *in, const QccTensor *out,
                          QccArena *scratch);

QccStatus qcc_interp_op(const QccOp *op, const QccTensor *in, const QccTensor *out,
                        QccArena *scratch)
{
    uint32_t traits = op->def->traits;
    if (traits & QCC_TRAIT_TERMINATOR) return QCC_OK;
    if (traits & QCC_TRAIT_CONSTANT) {
        const QccBlob *blob = qcc_value_const(&op->out[0]);
        if (blob->size) memcpy(out->data, blob->data, (size_t)blob->size);
        return QCC_OK;
    }
    if (traits & QCC_TRAIT_LOOP) return run_loop(op, in, out, scratch);
    bool raw = (traits & QCC_TRAIT_MOVE) && qcc_op_moves_raw(op);
    if (op->def->eval && (raw || !has_quantized(op))) return op->def->eval(op, in, out, scratch);
    return run_epilogue(op, in, out, scratch);
}

/* ---- a graph ----------------------------------------------------------------------------------
 */

/* A value of the graph and, during a run, its tensor. */
typedef struct Slot {
    const QccValue *value;
    int last;         /* the op that uses it last; -1: none */
    bool result;      /* stays until the end */
    QccTensor tensor; /* data NULL: not computed, or freed */
    QccArena *own;    /* holds the tensor; NULL: it lies elsewhere; below the run's arena */
} Slot;

/* A graph made ready. */
typedef struct Run {
    const QccGraph *graph;
    QccArena *arena;
    int nslot;
    Slot *slot; /* sorted by the value's address */
    const QccTensor *in, *out;
    QccTapFn *tap;
    void *user;
    QccArena *scratch; /* of the op that runs */
    QccStatus status;
} Run;

static int by_value(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const Slot *)a)->value, y = (uintptr_t)((const Slot *)b)->value;
    return (x > y) - (x < y);
}

static Slot *slot_of(Run *run, const QccValue *value)
{
    Slot key = {.value = value};
    return bsearch(&key, run->slot, (size_t)run->nslot, sizeof *run->slot, by_value);
}

static QccStatus add_slot(Run *run, const QccValue *value)
{
    int64_t dim[QCC_MAX_RANK];
    if (!qcc_type_extents(value->type, dim)) {
        QccLoc loc = value->def ? value->def->loc : (QccLoc){0};
        return qcc_error(&run->graph->ir->diags, loc,
                         "%%%s has symbolic extents, which must be bound before it runs",
                         value->name);
    }
    run->slot[run->nslot++] = (Slot){.value = value, .last = -1};
    return QCC_OK;
}

/* Lays out the slots and finds every value's last use. */
static QccStatus prepare(Run *run)
{
    const QccGraph *g = run->graph;
    int n = g->nparam, number = 0;
    if (!qcc_graph_yield(g))
        return qcc_error(&g->ir->diags, (QccLoc){0}, "graph @%s returns nothing", g->name);
    QCC_FOR_OPS(op, g) n += op->nout;
    run->slot = QCC_NEW_ARRAY(run->arena, n + 1, Slot);
    for (int i = 0; i < g->nparam; i++) QCC_TRY(add_slot(run, g->param[i]));
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nout; i++) QCC_TRY(add_slot(run, &op->out[i]));
    }
    qsort(run->slot, (size_t)run->nslot, sizeof *run->slot, by_value);
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nin; i++)
            if (op->in[i].value) slot_of(run, op->in[i].value)->last = number;
        number++;
    }
    for (int i = 0; i < qcc_graph_result_count(g); i++)
        slot_of(run, qcc_graph_result(g, i))->result = true;
    return QCC_OK;
}

static void release(Slot *slot)
{
    qcc_arena_free(slot->own);
    slot->own = NULL;
    slot->tensor.data = NULL;
}

/* Where a result goes: a constant lies in its blob already. */
static void place(Run *run, Slot *slot)
{
    const QccBlob *blob = qcc_value_const(slot->value);
    if (blob) {
        slot->tensor = qcc_tensor_view(slot->value->type, blob->data);
        return;
    }
    slot->own = qcc_arena_sub(run->arena);
    slot->tensor = qcc_tensor_new(slot->own, slot->value->type);
}

static QccStatus run_op(Run *run, const QccOp *op, int number)
{
    run->scratch = qcc_arena_sub(run->arena);
    QccTensor *in = QCC_NEW_ARRAY(run->scratch, op->nin + 1, QccTensor);
    QccTensor *out = QCC_NEW_ARRAY(run->scratch, op->nout + 1, QccTensor);
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value) in[i] = slot_of(run, op->in[i].value)->tensor;
    for (int i = 0; i < op->nout; i++) {
        Slot *slot = slot_of(run, &op->out[i]);
        place(run, slot);
        out[i] = slot->tensor;
    }
    if (!(op->def->traits & QCC_TRAIT_CONSTANT)) QCC_TRY(qcc_interp_op(op, in, out, run->scratch));
    for (int i = 0; i < op->nout && run->tap; i++)
        QCC_TRY(run->tap(run->user, &op->out[i], &out[i]));
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value) continue;
        Slot *slot = slot_of(run, op->in[i].value);
        if (slot->last == number && !slot->result) release(slot);
    }
    for (int i = 0; i < op->nout; i++) {
        Slot *slot = slot_of(run, &op->out[i]);
        if (slot->last < 0 && !slot->result) release(slot);
    }
    qcc_arena_free(run->scratch);
    run->scratch = NULL;
    return QCC_OK;
}

static QccStatus run_graph(Run *run)
{
    const QccGraph *g = run->graph;
    int number = 0;
    for (int i = 0; i < g->nparam; i++) {
        Slot *slot = slot_of(run, g->param[i]);
        slot->tensor = qcc_tensor_view(g->param[i]->type, run->in[i].data);
        if (run->tap) QCC_TRY(run->tap(run->user, g->param[i], &slot->tensor));
    }
    QCC_FOR_OPS(op, g) QCC_TRY(run_op(run, op, number++));
    for (int i = 0; i < qcc_graph_result_count(g); i++) {
        const QccTensor *from = &slot_of(run, qcc_graph_result(g, i))->tensor;
        int64_t bytes = qcc_type_bytes(from->type);
        if (run->out && run->out[i].data && bytes)
            memcpy(run->out[i].data, from->data, (size_t)bytes);
    }
    return QCC_OK;
}

/* ---- a loop -----------------------------------------------------------------------------------
 */

/* A body and where its operands and results are at one step. */
typedef struct Loop {
    const QccScanAttrs *attrs;
    Run run;
    const QccTensor *whole_in, *whole_out; /* of the scan */
    QccTensor *in, *out;                   /* of a step */
} Loop;

static void *slice_of(const QccTensor *whole, const QccTensor *slice, int64_t t)
{
    return (char *)whole->data + t * qcc_type_bytes(slice->type);
}

/* The states that a step leaves are those that the next one begins with. */
static QccStatus run_iteration(Loop *loop, int64_t t)
{
    const QccScanAttrs *a = loop->attrs;
    for (int64_t i = 0; i < a->scanned; i++) {
        int64_t at = a->states + i;
        loop->in[at].data = slice_of(&loop->whole_in[at], &loop->in[at], t);
    }
    for (int64_t i = a->states; i < a->states + a->stacked; i++)
        loop->out[i].data = slice_of(&loop->whole_out[i], &loop->out[i], t);
    loop->run.in = loop->in;
    loop->run.out = loop->out;
    QCC_TRY(run_graph(&loop->run));
    for (int i = 0; i < loop->run.nslot; i++) release(&loop->run.slot[i]);
    for (int64_t i = 0; i < a->states; i++) {
        void *done = loop->out[i].data;
        loop->out[i].data = loop->in[i].data;
        loop->in[i].data = done;
    }
    return QCC_OK;
}

static QccStatus run_loop(const QccOp *op, const QccTensor *in, const QccTensor *out,
                          QccArena *scratch)
{
    const QccScanAttrs *a = op->attrs;
    const QccGraph *body = op->body;
    Loop loop = {.attrs = a, .run = {.graph = body, .arena = scratch}, in, out};
    if (!body) return qcc_op_error(op, "'%s' has no body", op->def->name);
    QCC_TRY(prepare(&loop.run));
    loop.in = QCC_NEW_ARRAY(scratch, op->nin, QccTensor);
    loop.out = QCC_NEW_ARRAY(scratch, op->nout, QccTensor);
    for (int i = 0; i < op->nin; i++)
        loop.in[i] = qcc_tensor_view(body->param[i]->type, in[i].data);
    for (int i = 0; i < op->nout; i++)
        loop.out[i] = qcc_tensor_view(qcc_graph_result(body, i)->type, out[i].data);
    for (int64_t i = 0; i < a->states; i++) {
        loop.in[i] = qcc_tensor_new(scratch, loop.in[i].type);
        loop.out[i] = qcc_tensor_new(scratch, loop.in[i].type);
        memcpy(loop.in[i].data, in[i].data, (size_t)qcc_type_bytes(in[i].type));
    }
    int64_t steps = in[a->states].dim[0];
    for (int64_t t = 0; t < steps; t++)
        QCC_TRY(run_iteration(&loop, a->reverse ? steps - 1 - t : t));
    for (int64_t i = 0; i < a->states; i++)
        memcpy(out[i].data, loop.in[i].data, (size_t)qcc_type_bytes(in[i].type));
    return QCC_OK;
}

/* ---- runs -------------------------------------------------------------------------------------
 */

static void run_protected(void *user)
{
    Run *run = user;
    run->status = run_graph(run);
}

/* Runs a prepared graph. Whatever happens, every tensor is freed. */
static QccStatus run_prepared(Run *run, const QccTensor *in, const QccTensor *out, QccTapFn *tap,
                              void *user)
{
    run->in = in;
    run->out = out;
    run->tap = tap;
    run->user = user;
    bool enough = qcc_mem_protect(run->graph->ir->mem, run_protected, run);
    for (int i = 0; i < run->nslot; i++) release(&run->slot[i]);
    qcc_arena_free(run->scratch);
    run->scratch = NULL;
    return enough ? run->status : QCC_ERROR_MEMORY;
}

/* A run being opened. */
typedef struct Opening {
    const QccGraph *graph;
    QccArena *arena;
    Run *run;
    QccStatus status;
} Opening;

static void open_protected(void *user)
{
    Opening *o = user;
    o->run = QCC_NEW(o->arena, Run);
    *o->run = (Run){.graph = o->graph, .arena = o->arena};
    o->status = prepare(o->run);
}

static QccStatus open_run(Run **run, const QccGraph *g)
{
    Opening o = {.graph = g, .arena = qcc_arena_new(g->ir->mem)};
    if (!o.arena) return QCC_ERROR_MEMORY;
    if (!qcc_mem_protect(g->ir->mem, open_protected, &o)) o.status = QCC_ERROR_MEMORY;
    if (o.status != QCC_OK) qcc_arena_free(o.arena);
    *run = o.run;
    return o.status;
}

static void close_run(Run *run)
{
    qcc_arena_free(run->arena); /* the run lies in it */
}

QccStatus qcc_interp_run(const QccGraph *g, const QccTensor *in, const QccTensor *out,
                         QccTapFn *tap, void *user)
{
    Run *run;
    QCC_TRY(open_run(&run, g));
    QccStatus status = run_prepared(run, in, out, tap, user);
    close_run(run);
    return status;
}

/* ---- the interpreter as an executor -----------------------------------------------------------
 */

static QccStatus executor_open(void *self, void **handle, const QccGraph *g)
{
    (void)self;
    Run *run;
    QCC_TRY(open_run(&run, g));
    *handle = run;
    return QCC_OK;
}

static QccStatus executor_run(void *self, void *handle, const QccTensor *in, const QccTensor *out,
                              QccTapFn *tap, void *user)
{
    (void)self;
    return run_prepared(handle, in, out, tap, user);
}

static void executor_close(void *self, void *handle)
{
    (void)self;
    if (handle) close_run(handle);
}

QccExecutor qcc_interp_executor(QccIr *ir)
{
    return (QccExecutor){
        .self = ir, .open = executor_open, .run = executor_run, .close = executor_close};
}
