/* layout - where every value lies, before any kernel is made.
 *
 *   1. what readers want: halos, slack; transpositions that products read as they are  (any order)
 *   2. which values are written as graph results  (through views)
 *   3. homes: operands of a concatenation, or of a transposition, that are written into it
 *   4. buffers for what kernels and eval compute  (backwards: a home before its members)
 *   5. views, and maps over a dying operand       (forwards)
 *
 * Invariant: a view, a parameter, a constant and a graph result have no halo; a reader that wants
 * one around them gets a copy (QccValueInfo.twin).
 */
#include "backend/lowering.h"

#include "backend/pack.h"

#include <assert.h>
#include <string.h>

QccValueInfo *qcc_lowering_value(QccLowering *l, const QccValue *v)
{
    uint64_t hash = qcc_hash(0, &v, sizeof v);
    int64_t at = -1;
    QccValueInfo *info;
    while ((info = qcc_table_next(&l->values, hash, &at)))
        if (info->value == v) return info;
    info = QCC_NEW(l->arena, QccValueInfo);
    info->value = v;
    info->output = info->number = -1;
    qcc_table_add(&l->values, hash, info);
    return info;
}

/* ---- layouts --------------------------------------------------------------------------------- */

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* What lies behind a row is what lies before the next one. */
static void set_pitches(QccLayout *layout)
{
    int64_t pitch = 1;
    for (int i = layout->rank - 1; i >= 0; i--) {
        layout->pitch[i] = pitch;
        pitch *= layout->dim[i] + max_i64(layout->halo_before[i], layout->halo_after[i]);
    }
}

int64_t qcc_layout_before(const QccLayout *layout)
{
    int64_t n = 0;
    for (int i = 0; i < layout->rank; i++) n += layout->halo_before[i] * layout->pitch[i];
    return n;
}

int64_t qcc_layout_span(const QccLayout *layout)
{
    int64_t n = 1;
    for (int i = 0; i < layout->rank; i++) {
        int64_t box = layout->halo_before[i] + layout->dim[i] + layout->halo_after[i];
        if (box == 0) return 0;
        n += (box - 1) * layout->pitch[i];
    }
    return n;
}

void qcc_layout_dense(QccLayout *layout, const QccType *type)
{
    *layout = (QccLayout){.rank = type->rank};
    bool known = qcc_type_extents(type, layout->dim);
    assert(known);
    (void)known;
    set_pitches(layout);
}

bool qcc_layout_is_dense(const QccLayout *layout)
{
    int64_t pitch = 1;
    for (int i = layout->rank - 1; i >= 0; i--) {
        if (layout->dim[i] > 1 && layout->pitch[i] != pitch) return false;
        pitch *= layout->dim[i];
    }
    return true;
}

void qcc_layout_halo(QccLayout *layout, const int64_t before[2], const int64_t after[2])
{
    assert(layout->rank == 4);
    for (int i = 0; i < 2; i++) {
        layout->halo_before[1 + i] = before[i];
        layout->halo_after[1 + i] = after[i];
    }
    set_pitches(layout);
}

QccSpot qcc_new_spot(QccLowering *l, const QccLayout *layout, QccDtype dtype)
{
    l->buffer = qcc_grow(l->arena, l->buffer, l->nbuffer, &l->buffer_cap, sizeof *l->buffer);
    l->buffer[l->nbuffer] = (QccPlanBuffer){
        .bytes = qcc_dtype_size(dtype, qcc_layout_span(layout)),
        .first = -1,
        .last = -1,
        .last_reader = -1,
    };
    return (QccSpot){
        .ref = {QCC_BUFFER_ARENA, l->nbuffer++, qcc_dtype_size(dtype, qcc_layout_before(layout))},
        .layout = *layout,
    };
}

/* ---- 1 to 3: wishes -------------------------------------------------------------------------- */

static const QccOpPlan *plan_of(QccLowering *l, const QccOp *op)
{
    int number = op->nout ? qcc_lowering_value(l, &op->out[0])->number : -1;
    return number >= 0 ? &l->op[number] : NULL;
}

/* Whether the halo is worth its memory. A window that strides over far more padding than there are
 * values comes from a strange file; it runs through eval. */
static bool is_reasonable(const QccOpPlan *plan, const QccValue *v, const int64_t before[2],
                          const int64_t after[2])
{
    int64_t in = qcc_type_count(v->type), out = qcc_type_count(plan->op->out[0].type);
    int64_t padded = 1, usual;
    for (int i = 0; i < v->type->rank; i++) {
        int64_t extent = v->type->dim[i].n;
        if (i == 1 || i == 2)
            if (!qcc_add_i64(&extent, extent, before[i - 1]) ||
                !qcc_add_i64(&extent, extent, after[i - 1]))
                return false;
        if (!qcc_mul_i64(&padded, padded, extent)) return false;
    }
    return qcc_add_i64(&usual, in, out) && padded / 64 <= usual + 4096;
}

static void gather_windows(QccLowering *l, QccOpPlan *plan)
{
    for (int i = 0; plan->anchor && i < plan->anchor->nin; i++) {
        int64_t before[2], after[2];
        if (!qcc_plan_window(plan, i, before, after)) continue;
        int operand = qcc_plan_operand(plan, i);
        const QccValue *v = operand >= 0 ? qcc_op_in(plan->op, operand) : NULL;
        if (!v || qcc_value_const(v)) continue;
        QccValueInfo *info = qcc_lowering_value(l, v);
        for (int j = 0; j < 2; j++) {
            before[j] = max_i64(info->before[j], before[j]);
            after[j] = max_i64(info->after[j], after[j]);
        }
        if (!is_reasonable(plan, v, before, after)) {
            plan->kernel = false;
            return;
        }
        info->slack = true;
        memcpy(info->before, before, sizeof before);
        memcpy(info->after, after, sizeof after);
    }
}

static const QccInts *perm_of(const QccOp *op)
{
    return &QCC_ATTRS(op, QccPermAttrs)->perm;
}

/* Whether a transposition leaves the last of at most four dimensions where it is: products read and
 * write along that one, and step by any stride along each of the others. */
static bool keeps_last(const QccOp *op)
{
    const QccInts *perm = perm_of(op);
    return perm->n >= 2 && perm->n <= 4 && perm->v[perm->n - 1] == perm->n - 1;
}

static bool is_product(const QccOpPlan *plan)
{
    return plan && plan->kernel && plan->anchor && plan->anchor->def == &qcc_op_matmul;
}

/* Whether a product reads the result of a transposition, its operand number `operand`, as well
 * where the elements lay before. B of bytes is put in order in any case. */
static bool reads_turned(const QccOpPlan *product, int operand, const QccOp *turn)
{
    if (!is_product(product)) return false;
    bool bytes = product->anchor->in[0].value->type->quant != NULL;
    for (int i = 0; i < product->anchor->nin; i++)
        if (qcc_plan_operand(product, i) == operand)
            return keeps_last(turn) || (i == 1 && bytes && perm_of(turn)->n <= 4);
    return false;
}

/* A transposition that products only read is a view. */
static void mark_turned(QccLowering *l, QccOpPlan *plan)
{
    const QccOp *op = plan->op;
    if (op->def != &qcc_op_transpose || !plan->kernel || !op->out[0].uses) return;
    for (const QccUse *use = op->out[0].uses; use; use = use->next)
        if (!reads_turned(plan_of(l, use->user), use->index, op)) return;
    plan->view = plan->turned = true;
    plan->kernel = false;
}

/* What v is a view of; NULL: it is none. */
static const QccValue *view_source(QccLowering *l, const QccValue *v)
{
    if (!v->def || !(v->def->def->traits & QCC_TRAIT_VIEW)) return NULL;
    const QccOpPlan *plan = plan_of(l, v->def);
    return plan && plan->view ? v->def->in[0].value : NULL;
}

static bool is_computed(const QccValue *v)
{
    return v->def && !(v->def->def->traits & QCC_TRAIT_CONSTANT);
}

/* Result i is computed in place when neither it nor what it is a view of must lie in the arena. */
static void mark_output(QccLowering *l, const QccValue *result, int i)
{
    const QccValue *root = result;
    for (const QccValue *v = result; v; v = view_source(l, v)) {
        const QccValueInfo *info = qcc_lowering_value(l, v);
        if (!is_computed(v) || info->slack || info->output >= 0) return;
        root = v;
    }
    /* Views of the root find their place through it; the result itself remembers its number. */
    qcc_lowering_value(l, result)->output = i;
    qcc_lowering_value(l, root)->output = i;
}

/* A product that nobody else reads is written in the order of its transposition. */
static void mark_turned_home(QccLowering *l, const QccOpPlan *plan)
{
    const QccOp *op = plan->op;
    if (op->def != &qcc_op_transpose || !plan->kernel || !keeps_last(op)) return;
    const QccValue *v = op->in[0].value;
    QccValueInfo *info = qcc_lowering_value(l, v);
    if (!is_computed(v) || !is_product(plan_of(l, v->def)) || info->output >= 0) return;
    if (qcc_value_use_count(v) == 1) info->home = &op->out[0];
}

static bool wants_halo(const QccValueInfo *info)
{
    return info->before[0] || info->before[1] || info->after[0] || info->after[1];
}

/* Whether everyone who reads v reads it at any strides. */
static bool is_read_anywhere(QccLowering *l, const QccValue *v)
{
    static const QccOpDef *const by_strides[] = {&qcc_op_concat, &qcc_op_conv2d, &qcc_op_max_pool,
                                                 &qcc_op_avg_pool, &qcc_op_batchnorm};
    for (const QccUse *use = v->uses; use; use = use->next) {
        const QccOpPlan *plan = plan_of(l, use->user);
        if (!plan || !plan->kernel) return false;
        bool may = !plan->anchor; /* a map */
        for (size_t i = 0; i < sizeof by_strides / sizeof *by_strides && !may; i++)
            may = plan->anchor->def == by_strides[i];
        if (!may) return false;
    }
    return !wants_halo(qcc_lowering_value(l, v));
}

/* Operands are computed right inside the result of a concatenation, unless others who read them
 * need more than strides. */
static void mark_homes(QccLowering *l, const QccOpPlan *plan)
{
    const QccOp *op = plan->op;
    mark_turned_home(l, plan);
    if (op->def != &qcc_op_concat || !plan->kernel) return;
    int64_t axis = QCC_ATTRS(op, QccAxisAttrs)->axis;
    if (axis < 0) axis += op->out[0].type->rank;
    int64_t index = 0;
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        QccValueInfo *info = qcc_lowering_value(l, v);
        const QccOpPlan *def = is_computed(v) ? plan_of(l, v->def) : NULL;
        bool may_move = qcc_value_use_count(v) == 1 || is_read_anywhere(l, v);
        if (def && def->kernel && may_move && info->output < 0) {
            info->home = &op->out[0];
            info->home_index = index;
        }
        index += v->type->dim[axis].n;
    }
}

/* ---- 4, 5: places ---------------------------------------------------------------------------- */

static void place_computed(QccLowering *l, const QccOpPlan *plan, const QccValue *v)
{
    QccValueInfo *info = qcc_lowering_value(l, v);
    QccSpot *spot = &info->spot;
    info->placed = true;
    qcc_layout_dense(&spot->layout, v->type);
    if (info->output >= 0) {
        spot->ref = (QccRef){QCC_BUFFER_OUTPUT, info->output, 0};
        return;
    }
    if (info->home && info->home->def->def == &qcc_op_transpose) {
        const QccSpot *home = &qcc_lowering_value(l, info->home)->spot;
        const QccInts *perm = perm_of(info->home->def);
        for (int i = 0; i < perm->n; i++) spot->layout.pitch[perm->v[i]] = home->layout.pitch[i];
        spot->ref = home->ref;
        info->alias = info->home;
        return;
    }
    if (info->home) {
        const QccValueInfo *home = qcc_lowering_value(l, info->home);
        const QccLayout *outer = &home->spot.layout;
        int64_t axis = QCC_ATTRS(info->home->def, QccAxisAttrs)->axis;
        if (axis < 0) axis += outer->rank;
        memcpy(spot->layout.pitch, outer->pitch, sizeof outer->pitch);
        spot->ref = home->spot.ref;
        spot->ref.offset += qcc_dtype_size(v->type->dtype, info->home_index * outer->pitch[axis]);
        info->alias = info->home;
        if (info->slack && spot->ref.kind == QCC_BUFFER_ARENA)
            l->buffer[spot->ref.index].bytes += QCC_READ_SLACK;
        return;
    }
    if (plan->kernel && spot->layout.rank == 4)
        qcc_layout_halo(&spot->layout, info->before, info->after);
    *spot = qcc_new_spot(l, &spot->layout, v->type->dtype);
    if (info->slack) l->buffer[spot->ref.index].bytes += QCC_READ_SLACK;
}

static void place_view(QccLowering *l, const QccOpPlan *plan)
{
    const QccValue *v = &plan->op->out[0], *source = plan->op->in[0].value;
    QccValueInfo *info = qcc_lowering_value(l, v);
    const QccValueInfo *from = qcc_lowering_value(l, source);
    if (from->placed && (plan->turned || qcc_layout_is_dense(&from->spot.layout))) {
        info->placed = true;
        info->spot.ref = from->spot.ref;
        qcc_layout_dense(&info->spot.layout, v->type);
        for (int i = 0; plan->turned && i < v->type->rank; i++)
            info->spot.layout.pitch[i] = from->spot.layout.pitch[perm_of(plan->op)->v[i]];
        info->alias = source;
        if (info->slack && info->spot.ref.kind == QCC_BUFFER_ARENA && !from->slack)
            l->buffer[info->spot.ref.index].bytes += QCC_READ_SLACK;
        return;
    }
    /* A copy; a result of the graph only when the chain up to the root was free to be one. */
    QccOpPlan copied = *plan;
    copied.kernel = false;
    place_computed(l, &copied, v);
}

/* The number of the last op that reads v; past all of them for the graph's results. */
static int last_reader(QccLowering *l, const QccValue *v)
{
    int last = -1;
    for (const QccUse *use = v->uses; use; use = use->next) {
        const QccOpPlan *plan = plan_of(l, use->user);
        if (!plan) return l->nop;
        if (plan->number > last) last = plan->number;
    }
    return last;
}

static bool same_layout(const QccLayout *a, const QccLayout *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i] || a->pitch[i] != b->pitch[i] ||
            a->halo_before[i] != b->halo_before[i] || a->halo_after[i] != b->halo_after[i])
            return false;
    return true;
}

/* A map may write over an operand whose last reader it is. Other operands in the same buffer are
 * views of it with as many elements, so they are read where they are written, too. */
static void place_over_operand(QccLowering *l, const QccOpPlan *plan)
{
    const QccValue *v = &plan->op->out[0];
    QccValueInfo *info = qcc_lowering_value(l, v);
    if (l->taps || !plan->kernel || plan->anchor || info->home) return;
    if (info->spot.ref.kind != QCC_BUFFER_ARENA) return;
    for (int i = 0; i < plan->op->nin; i++) {
        const QccValue *x = plan->op->in[i].value;
        if (!x) continue;
        const QccValueInfo *from = qcc_lowering_value(l, x);
        if (!from->placed || from->home || from->spot.ref.kind != QCC_BUFFER_ARENA) continue;
        QccPlanBuffer *buffer = &l->buffer[from->spot.ref.index];
        if (buffer->last_reader != plan->number) continue;
        if (qcc_dtype_bits(x->type->dtype) != qcc_dtype_bits(v->type->dtype)) continue;
        if (!same_layout(&from->spot.layout, &info->spot.layout)) continue;
        if (info->slack && buffer->bytes < l->buffer[info->spot.ref.index].bytes)
            buffer->bytes = l->buffer[info->spot.ref.index].bytes;
        info->spot.ref = from->spot.ref;
        info->alias = x;
        return;
    }
}

static void note_reader(QccLowering *l, const QccValue *v)
{
    const QccValueInfo *info = qcc_lowering_value(l, v);
    if (info->spot.ref.kind != QCC_BUFFER_ARENA) return;
    QccPlanBuffer *buffer = &l->buffer[info->spot.ref.index];
    int last = last_reader(l, v);
    if (last > buffer->last_reader) buffer->last_reader = last;
}

void qcc_plan_layouts(QccLowering *l)
{
    for (int i = 0; i < l->nop; i++) gather_windows(l, &l->op[i]);
    for (int i = 0; i < l->nop; i++) mark_turned(l, &l->op[i]);
    for (int i = 0; i < qcc_graph_result_count(l->g); i++)
        mark_output(l, qcc_graph_result(l->g, i), i);
    for (int i = l->nop - 1; i >= 0; i--) mark_homes(l, &l->op[i]);

    for (int i = 0; i < l->g->nparam; i++) {
        QccValueInfo *info = qcc_lowering_value(l, l->g->param[i]);
        const QccValue *always = qcc_body_operand(l->g->param[i]);
        info->placed = true;
        info->spot.ref = (QccRef){QCC_BUFFER_INPUT, i, 0};
        if (qcc_value_const(always)) {
            info->spot.ref = (QccRef){QCC_BUFFER_CONST, -1, 0};
            info->alias = always;
        }
        qcc_layout_dense(&info->spot.layout, info->value->type);
    }
    for (int i = l->nop - 1; i >= 0; i--) {
        const QccOpPlan *plan = &l->op[i];
        if (plan->view) continue;
        for (int j = 0; j < plan->op->nout; j++) {
            const QccValue *v = &plan->op->out[j];
            if (is_computed(v)) {
                place_computed(l, plan, v);
                continue;
            }
            /* Constants are numbered when something reads them: index -1 until then. */
            QccValueInfo *info = qcc_lowering_value(l, v);
            info->placed = true;
            info->spot.ref = (QccRef){QCC_BUFFER_CONST, -1, 0};
            qcc_layout_dense(&info->spot.layout, v->type);
        }
    }
    for (int i = 0; i < l->nop; i++) {
        const QccOpPlan *plan = &l->op[i];
        if (plan->view)
            place_view(l, plan);
        else if (is_computed(&plan->op->out[0]))
            place_over_operand(l, plan);
        for (int j = 0; j < plan->op->nout; j++) note_reader(l, &plan->op->out[j]);
    }
}
