/* loops - a scan becomes a loop over steps: its body is lowered like a graph and spliced in.
 *
 *   first states -> slot 0 of two      operands that do not lie dense in the arena -> a copy there
 *   each round: the body's steps, over slot t % 2 of each state, index t of each sequence
 *                 writing slot (t + 1) % 2,                     index t of each stacked result
 *   last slot -> last states
 *
 * What the body knows as its inputs and outputs are references into the outer graph's buffers,
 * which move on with each round; so nothing is copied between rounds. The body's arena is one
 * buffer.
 */
#include "backend/lowering.h"

#include "backend/pack.h"

#include <string.h>

/* Where an input or output of the body lies in round 0, and how it moves on. */
typedef struct Port {
    QccRef ref;
    QccTurn turn;
} Port;

typedef struct Loop {
    QccLowering *l;
    const QccOp *op;
    const QccScanAttrs *attrs;
    int64_t rounds;
    const QccLowered *body;
    Port *in, *out;
    QccRef arena;
} Loop;

/* A failure means that the loop runs through eval: nothing to report. */
static bool lower_body(Loop *loop)
{
    QccLowering *l = loop->l;
    QccLowerOptions options = {
        .pool = l->pool, .body = true, .choose = l->choose, .choose_user = l->choose_user};
    QccDiags saved = l->ir->diags;
    QccLowered *body;
    l->ir->diags.fn = NULL;
    QccStatus status = qcc_lower(&body, l->arena, loop->op->body, l->target, &options);
    l->ir->diags = saved;
    loop->body = body;
    return status == QCC_OK;
}

/* A buffer of bytes that kernels may read past. */
static QccRef new_buffer(QccLowering *l, int64_t bytes)
{
    QccLayout layout = {.rank = 1, .dim = {bytes + QCC_READ_SLACK}, .pitch = {1}};
    return qcc_new_spot(l, &layout, QCC_U8).ref;
}

static QccSpot dense_at(QccRef ref, const QccType *type)
{
    QccSpot spot = {.ref = ref};
    qcc_layout_dense(&spot.layout, type);
    return spot;
}

/* Both slots of a state, one after the other; the first one is filled. */
static void open_state(Loop *loop, int i)
{
    const QccValue *v = loop->op->in[i].value;
    int64_t slot = (qcc_type_bytes(v->type) + 63) & -64;
    QccRef first = new_buffer(loop->l, 2 * slot), second = first;
    second.offset += slot;
    loop->in[i] = (Port){first, {slot, 1}};
    loop->out[i] = (Port){second, {-slot, 1}};
    QccSpot from = qcc_lowering_spot(loop->l, v), to = dense_at(first, v->type);
    qcc_add_copy(loop->l, loop->op, v, &to, &from, v->type->dtype);
}

static void close_state(Loop *loop, int i)
{
    const QccValue *v = &loop->op->out[i];
    const Port *last = loop->rounds % 2 ? &loop->out[i] : &loop->in[i];
    QccSpot from = dense_at(last->ref, v->type);
    QccSpot to = qcc_lowering_value(loop->l, v)->spot;
    qcc_add_copy(loop->l, loop->op, v, &to, &from, v->type->dtype);
}

/* Where an operand lies whole: dense, in the arena, readable past its end. */
static QccRef place_operand(Loop *loop, int i)
{
    const QccValue *v = loop->op->in[i].value;
    QccSpot from = qcc_lowering_spot(loop->l, v);
    if (from.ref.kind == QCC_BUFFER_ARENA && qcc_layout_is_dense(&from.layout)) return from.ref;
    QccSpot to = dense_at(new_buffer(loop->l, qcc_type_bytes(v->type)), v->type);
    qcc_add_copy(loop->l, loop->op, v, &to, &from, v->type->dtype);
    return to.ref;
}

/* An index of dimension 0 in each round. */
static Port along(const Loop *loop, QccRef ref, const QccType *slice)
{
    int64_t bytes = qcc_type_bytes(slice);
    if (!loop->attrs->reverse) return (Port){ref, {bytes, -1}};
    ref.offset += (loop->rounds - 1) * bytes;
    return (Port){ref, {-bytes, -1}};
}

static void open_ports(Loop *loop)
{
    const QccOp *op = loop->op;
    const QccGraph *body = op->body;
    int64_t states = loop->attrs->states, scanned = loop->attrs->scanned;
    for (int i = 0; i < states; i++) open_state(loop, i);
    for (int i = (int)states; i < op->nin; i++) {
        bool sequence = i < states + scanned;
        /* The body takes constants from the program. */
        if (!sequence && qcc_value_const(op->in[i].value)) continue;
        QccRef ref = place_operand(loop, i);
        loop->in[i] = sequence ? along(loop, ref, body->param[i]->type) : (Port){.ref = ref};
    }
    for (int i = (int)states; i < op->nout; i++) {
        QccRef ref = qcc_lowering_value(loop->l, &op->out[i])->spot.ref;
        loop->out[i] = along(loop, ref, qcc_graph_result(body, i)->type);
    }
    loop->arena = new_buffer(loop->l, loop->body->arena_size);
}

/* The body's reference as one of the outer graph's. */
static Port move_ref(const Loop *loop, const QccRef *ref)
{
    Port port = {.ref = *ref};
    switch (ref->kind) {
    case QCC_BUFFER_ARENA: port.ref = loop->arena; break;
    case QCC_BUFFER_CONST:
        if (ref->index >= 0)
            port.ref.index = qcc_add_constant(loop->l, loop->body->constant[ref->index]);
        return port;
    case QCC_BUFFER_INPUT: port = loop->in[ref->index]; break;
    case QCC_BUFFER_OUTPUT: port = loop->out[ref->index]; break;
    }
    port.ref.offset += ref->offset;
    return port;
}

static void splice_step(const Loop *loop, const QccStep *from)
{
    QccLowering *l = loop->l;
    QccTurn *turn = QCC_NEW_ARRAY(l->arena, from->nref, QccTurn);
    QccStep *step = qcc_add_step(l, from->kind, from->op, from->value, from->nref);
    QccRef *ref = step->ref;
    *step = *from;
    step->ref = ref;
    step->turn = turn;
    step->rounds = loop->rounds;
    if (from->kind == QCC_STEP_KERNEL)
        step->kernel = qcc_find_kernel(l, loop->body->kernel[from->kernel]);
    for (int i = 0; i < from->nref; i++) {
        Port port = move_ref(loop, &from->ref[i]);
        ref[i] = port.ref;
        turn[i] = port.turn;
    }
}

bool qcc_emit_loop(QccLowering *l, const QccOpPlan *plan)
{
    const QccOp *op = plan->op;
    if (!(op->def->traits & QCC_TRAIT_LOOP) || l->body) return false;
    Loop loop = {.l = l, .op = op, .attrs = op->attrs, .rounds = qcc_scan_steps(op).n};
    if (!lower_body(&loop)) return false;
    loop.in = QCC_NEW_ARRAY(l->arena, op->nin, Port);
    loop.out = QCC_NEW_ARRAY(l->arena, op->nout, Port);
    open_ports(&loop);
    QccLowered *out = l->out;
    QccLoop made = {.first = out->nstep, .count = loop.body->nstep};
    for (int i = 0; i < made.count && loop.rounds > 0; i++) splice_step(&loop, &loop.body->step[i]);
    if (out->nstep > made.first) {
        out->loop = qcc_grow(l->arena, out->loop, out->nloop, &out->loop_cap, sizeof *out->loop);
        out->loop[out->nloop++] = made;
    }
    for (int i = 0; i < loop.attrs->states; i++) close_state(&loop, i);
    return true;
}
