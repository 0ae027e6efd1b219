/* steps - one op becomes steps: copies in front of it, its kernels, or eval.
 *
 * A kernel is asked for first, over layouts that are only promised; nothing is emitted until every
 * part of it is known to fit. What does not fit runs through eval, on dense copies where need be.
 */
#include "backend/lowering.h"

#include "backend/pack.h"
#include "ir/ir.h"

#include <assert.h>
#include <string.h>

QccStep *qcc_add_step(QccLowering *l, QccStepKind kind, const QccOp *op, const QccValue *value,
                      int nref)
{
    QccLowered *out = l->out;
    out->step = qcc_grow(l->arena, out->step, out->nstep, &out->step_cap, sizeof *out->step);
    QccStep *step = &out->step[out->nstep++];
    *step =
        (QccStep){.kind = kind, .op = op, .value = value, .kernel = -1, .nref = nref, .rounds = 1};
    step->ref = QCC_NEW_ARRAY(l->arena, nref, QccRef);
    return step;
}

/* The reference of a spot; constants get their number here, at their first reader. */
static QccRef reference(QccLowering *l, const QccValue *v, const QccSpot *spot)
{
    if (spot->ref.kind != QCC_BUFFER_CONST) return spot->ref;
    while (!qcc_value_const(v)) v = qcc_lowering_value(l, v)->alias;
    return (QccRef){QCC_BUFFER_CONST, qcc_add_constant(l, qcc_value_const(v)), spot->ref.offset};
}

QccSpot qcc_lowering_spot(QccLowering *l, const QccValue *v)
{
    QccSpot spot = qcc_lowering_value(l, v)->spot;
    spot.ref = reference(l, v, &spot);
    return spot;
}

/* ---- halos ----------------------------------------------------------------------------------- */

/* The bits of the element that means 0. */
static uint32_t zero_bits(const QccType *type)
{
    int32_t zero = 0;
    if (type->quant) qcc_quant_is_tensor(type->quant, NULL, &zero);
    int bits = qcc_dtype_bits(type->dtype);
    return bits < 32 ? (uint32_t)zero & ((1u << bits) - 1) : (uint32_t)zero;
}

/* Behind the step that writes the value: narrow halos share lines of memory with it. */
static void fill_halo(QccLowering *l, const QccOp *op, const QccValue *v, const QccSpot *spot)
{
    bool any = false;
    for (int i = 0; i < spot->layout.rank; i++)
        any |= spot->layout.halo_before[i] > 0 || spot->layout.halo_after[i] > 0;
    if (!any) return;
    QccStep *step = qcc_add_step(l, QCC_STEP_FILL, op, v, 1);
    QccLayout *layout = QCC_NEW(l->arena, QccLayout);
    *layout = spot->layout;
    step->layout = layout;
    step->ref[0] = spot->ref;
    step->fill = zero_bits(v->type);
    step->fill_dtype = v->type->dtype;
}

static bool has_halo(const QccLayout *layout, const int64_t before[2], const int64_t after[2])
{
    for (int i = 0; i < 2; i++)
        if ((before[i] || after[i]) &&
            (layout->rank != 4 || layout->halo_before[1 + i] < before[i] ||
             layout->halo_after[1 + i] < after[i]))
            return false;
    return true;
}

/* ---- the anchor's operands ------------------------------------------------------------------- */

/* What a kernel will read as an operand of its anchor. */
typedef struct Operand {
    const QccValue *value; /* NULL: absent */
    QccSpot spot;
    bool copy; /* into a new place that `spot` only promises yet */
} Operand;

static Operand choose_operand(QccLowering *l, const QccOpPlan *plan, int i)
{
    Operand o = {0};
    int operand = qcc_plan_operand(plan, i);
    o.value = operand >= 0 ? qcc_op_in(plan->op, operand) : NULL;
    if (!o.value) return o;
    const QccValueInfo *info = qcc_lowering_value(l, o.value);
    o.spot = info->spot;
    int64_t before[2], after[2];
    bool slack = qcc_plan_window(plan, i, before, after);
    if (qcc_lower_const(plan->anchor, i) && i > 0) return o;
    if (has_halo(&info->spot.layout, before, after) &&
        (!slack || info->spot.ref.kind == QCC_BUFFER_ARENA ||
         (l->body && info->spot.ref.kind == QCC_BUFFER_INPUT)))
        return o;
    if (info->has_twin && has_halo(&info->twin.layout, before, after)) {
        o.spot = info->twin;
        return o;
    }
    /* The copy serves every reader of this value, so it has the halo that the greediest wants. */
    qcc_layout_dense(&o.spot.layout, o.value->type);
    if (o.spot.layout.rank == 4) qcc_layout_halo(&o.spot.layout, info->before, info->after);
    o.copy = true;
    return o;
}

static void make_copy(QccLowering *l, const QccOpPlan *plan, Operand *o)
{
    if (!o->copy) return;
    QccValueInfo *info = qcc_lowering_value(l, o->value);
    if (info->has_twin && has_halo(&info->twin.layout, info->before, info->after)) {
        o->spot = info->twin; /* made for an earlier operand of the same op */
        return;
    }
    o->spot = qcc_new_spot(l, &o->spot.layout, o->value->type->dtype);
    l->buffer[o->spot.ref.index].bytes += QCC_READ_SLACK;
    QccSpot from = qcc_lowering_spot(l, o->value);
    qcc_add_copy(l, plan->op, o->value, &o->spot, &from, o->value->type->dtype);
    fill_halo(l, plan->op, o->value, &o->spot);
    info->twin = o->spot;
    info->has_twin = true;
}

/* ---- the epilogue ---------------------------------------------------------------------------- */

static QccExprType acc_type(const QccKernel *k)
{
    return qcc_expr_type_of(k->nanchor > 0 ? k->arg[1].dtype : QCC_F32);
}

/* Strides that read extents of 1 again and again. */
static void broadcast(int rank, const int64_t *dim, const int64_t *pitch, int to_rank,
                      int64_t *stride)
{
    int shift = to_rank - rank;
    for (int i = 0; i < to_rank; i++)
        stride[i] = i < shift || dim[i - shift] == 1 ? 0 : pitch[i - shift];
}

static void dense_pitches(int rank, const int64_t *dim, int64_t *pitch)
{
    int64_t p = 1;
    for (int i = rank - 1; i >= 0; i--) {
        pitch[i] = p;
        p *= dim[i];
    }
}

/* The strides of an argument over the kernel's dimensions, from those over the result's. */
static bool reads_result(const QccLoweredKernel *lk, const QccLayout *result, const int64_t *stride,
                         QccKernelArg *arg)
{
    int64_t step[QCC_MAX_RANK];
    for (int i = 0; i < result->rank; i++) step[i] = stride[i] * lk->result_step[i];
    return qcc_lower_strides(lk, result->rank, result->dim, step, arg->stride);
}

/* Adds argument i of the op's epilogue to a kernel: false when it does not fit. An operand that
 * lies otherwise than the dimensions that the kernel has merged (a mask that all heads share) is
 * copied.
 */
static bool add_epilogue_arg(QccLowering *l, const QccOpPlan *plan, QccLoweredKernel *lk,
                             const QccEpilogueArg *a)
{
    QccKernel *k = lk->kernel;
    const QccLayout *result = &qcc_lowering_value(l, &plan->op->out[0])->spot.layout;
    if (k->narg == QCC_KERNEL_ARGS) return false;
    int64_t pitch[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    QccSource source = {.kind = QCC_SOURCE_CONST};
    if (a->kind == QCC_EPILOGUE_OPERAND) {
        const QccValue *v = qcc_op_in(plan->op, a->operand);
        memcpy(pitch, qcc_lowering_value(l, v)->spot.layout.pitch, sizeof pitch);
        source.kind = QCC_SOURCE_OPERAND;
        source.index = a->operand;
    } else {
        dense_pitches(a->rank, a->dim, pitch);
        source.blob = qcc_blob(l->arena, a->dtype, a->rank, a->dim, a->data, false);
    }
    broadcast(a->rank, a->dim, pitch, result->rank, stride);
    QccKernelArg *arg = &k->arg[k->narg];
    *arg = (QccKernelArg){.dtype = a->dtype};
    if (!reads_result(lk, result, stride, arg)) {
        if (a->kind != QCC_EPILOGUE_OPERAND) return false;
        QccLayout *repeat = QCC_NEW(l->arena, QccLayout);
        repeat->rank = result->rank;
        memcpy(repeat->dim, result->dim, sizeof repeat->dim);
        memcpy(repeat->pitch, stride, sizeof repeat->pitch);
        source.kind = QCC_SOURCE_REPEATED;
        source.repeat = repeat;
        dense_pitches(result->rank, result->dim, stride);
        if (!reads_result(lk, result, stride, arg)) return false;
    }
    const int64_t *at = lk->source[0].index_offset;
    for (int i = 0; at && i < result->rank; i++) source.offset += at[i] * stride[i];
    lk->source[k->narg++] = source;
    return true;
}

static bool add_correction(QccLowering *l, QccLoweredKernel *lk)
{
    QccKernel *k = lk->kernel;
    int64_t count = 1;
    for (int i = 0; i < k->rank; i++) count *= lk->correction_dim[i];
    bool any = false;
    for (int64_t i = 0; i < count; i++) any |= lk->correction[i] != 0;
    if (!any) return true;
    if (k->narg == QCC_KERNEL_ARGS) return false;
    QccKernelArg *arg = &k->arg[k->narg];
    *arg = (QccKernelArg){.dtype = QCC_I32};
    int64_t pitch[QCC_MAX_RANK];
    dense_pitches(k->rank, lk->correction_dim, pitch);
    broadcast(k->rank, lk->correction_dim, pitch, k->rank, arg->stride);
    lk->source[k->narg++] = (QccSource){
        .kind = QCC_SOURCE_CONST,
        .blob = qcc_blob(l->arena, QCC_I32, k->rank, lk->correction_dim, lk->correction, false),
    };
    return true;
}

/* Joins what `lower` left (the op's own value) and the op's epilogue into one expression. The
 * epilogue's operands are the op's own, those of the anchor the anchor's: first_own says from which
 * argument on. */
static bool join_epilogue(QccLowering *l, const QccOpPlan *plan, QccLoweredKernel *lk,
                          int *first_own)
{
    QccKernel *k = lk->kernel;
    QccExpr *e = QCC_NEW(l->arena, QccExpr);
    qcc_expr_init(e, l->arena);
    int same[QCC_ROW_RESULT + QCC_ROW_STAGES];
    for (int i = 0; i < QCC_ROW_RESULT + QCC_ROW_STAGES; i++) same[i] = i;

    int value = -1;
    *first_own = k->narg;
    bool accumulates = k->anchor != QCC_ANCHOR_MAP && k->anchor != QCC_ANCHOR_ROWS;
    if (accumulates) value = qcc_expr_acc(e, acc_type(k));
    if (k->epilogue) value = qcc_expr_splice(e, k->epilogue, value, same);
    if (lk->correction) {
        int arg = k->narg;
        if (!add_correction(l, lk)) return false;
        if (k->narg > arg)
            value = qcc_expr_op2(e, QCC_EX_add, value, qcc_expr_arg(e, arg, QCC_EX_I32));
    }

    if (plan->epilogue && lk->source[0].kind == QCC_SOURCE_RESULT) {
        int arg[QCC_KERNEL_ARGS];
        if (plan->epi.narg > QCC_KERNEL_ARGS) return false;
        for (int i = 0; i < plan->epi.narg; i++) {
            arg[i] = k->narg;
            if (!add_epilogue_arg(l, plan, lk, &plan->epi.arg[i])) return false;
        }
        if (plan->anchor && e->node[value].type != (plan->epi.integer ? QCC_EX_I32 : QCC_EX_F32))
            return false;
        value = qcc_expr_splice(e, &plan->epi.expr, value, arg);
        k->arg[0].dtype = plan->epi.result;
    }
    assert(value >= 0);
    e->result = value;
    k->epilogue = e;
    return e->node[value].type == (uint8_t)qcc_expr_type_of(k->arg[0].dtype);
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* The kernel of a map: the index space is the result's. */
static void describe_map(QccLowering *l, const QccOpPlan *plan, QccKernelList *list)
{
    const QccLayout *layout = &qcc_lowering_value(l, &plan->op->out[0])->spot.layout;
    QccLoweredKernel *lk = qcc_lower_kernel(list, QCC_ANCHOR_MAP, layout->rank, layout->dim);
    qcc_lower_result(lk, plan->op->out[0].type->dtype, layout->pitch, NULL);
}

/* Maps of one 8-bit operand that compute more than this many nodes look their result up. */
enum { LONG_MAP = 24 };

/* The same for a long map from bytes to bytes: result = table[operand]. */
static bool describe_table(QccLowering *l, const QccOpPlan *plan, QccKernelList *list)
{
    int64_t size = 256;
    uint8_t table[256];
    if (!plan->epilogue || plan->epi.expr.n <= LONG_MAP) return false;
    if (!qcc_epilogue_table(&plan->epi, table, l->arena)) return false;
    describe_map(l, plan, list);
    QccLoweredKernel *lk = &list->kernel[list->n - 1];
    const QccEpilogueArg *x = plan->epi.arg;
    while (x->kind != QCC_EPILOGUE_OPERAND) x++;
    if (!add_epilogue_arg(l, plan, lk, x)) return false;
    /* Bytes as they are stored, whatever their sign. */
    lk->kernel->arg[0].dtype = lk->kernel->arg[1].dtype = QCC_U8;
    int arg = qcc_lower_const_arg(lk, qcc_blob(l->arena, QCC_U8, 1, &size, table, true), NULL);
    QccExpr *e = qcc_lower_expr(list);
    int index = qcc_expr_arg(e, 1, QCC_EX_I32);
    e->result = qcc_expr_lut(e, arg, index);
    lk->kernel->epilogue = e;
    return true;
}

/* The copy of an operand in the result's shape. */
static QccRef repeat(QccLowering *l, const QccOp *op, const QccValue *v, const QccLayout *layout)
{
    QccSpot from = qcc_lowering_value(l, v)->spot, to = {.layout = *layout};
    from.ref = reference(l, v, &from);
    from.layout = *layout;
    dense_pitches(layout->rank, layout->dim, to.layout.pitch);
    to = qcc_new_spot(l, &to.layout, v->type->dtype);
    qcc_add_copy(l, op, v, &to, &from, v->type->dtype);
    return to.ref;
}

/* References of a kernel's arguments. `own`: OPERAND means the op's operand from there on, before
 * it the anchor's. */
static void resolve(QccLowering *l, const QccOpPlan *plan, const QccLoweredKernel *lk,
                    const Operand *operand, int own, const int *temp, QccRef *ref)
{
    for (int i = 0; i < lk->kernel->narg; i++) {
        const QccSource *s = &lk->source[i];
        const QccSpot *spot = NULL;
        const QccValue *v = NULL;
        ref[i] = (QccRef){0};
        int64_t elements = s->offset;
        switch (s->kind) {
        case QCC_SOURCE_RESULT:
            v = &plan->op->out[s->index];
            spot = &qcc_lowering_value(l, v)->spot;
            break;
        case QCC_SOURCE_OPERAND:
            v = i < own ? operand[s->index].value : qcc_op_in(plan->op, s->index);
            spot = i < own ? &operand[s->index].spot : &qcc_lowering_value(l, v)->spot;
            break;
        case QCC_SOURCE_WEIGHT: continue;
        case QCC_SOURCE_CONST:
            ref[i] = (QccRef){QCC_BUFFER_CONST, qcc_add_constant(l, s->blob), 0};
            break;
        case QCC_SOURCE_REPEATED:
            ref[i] = repeat(l, plan->op, qcc_op_in(plan->op, s->index), s->repeat);
            break;
        case QCC_SOURCE_TEMP: ref[i] = (QccRef){QCC_BUFFER_ARENA, temp[s->index], 0}; break;
        }
        if (spot) {
            ref[i] = reference(l, v, spot);
            for (int d = 0; s->index_offset && d < spot->layout.rank; d++)
                elements += s->index_offset[d] * spot->layout.pitch[d];
        }
        ref[i].offset += elements * (qcc_dtype_bits(lk->kernel->arg[i].dtype) / 8);
    }
}

/* A copy of elements onto themselves: an operand that was computed in its home. */
static bool is_idle(const QccLoweredKernel *lk, const QccRef *ref)
{
    const QccKernel *k = lk->kernel;
    if (k->anchor != QCC_ANCHOR_MAP || k->narg != 2) return false;
    if (k->epilogue->node[k->epilogue->result].op != QCC_EX_arg) return false;
    for (int i = 0; i < k->rank; i++)
        if (k->extent[i] > 1 && k->arg[0].stride[i] != k->arg[1].stride[i]) return false;
    return ref[0].kind == ref[1].kind && ref[0].index == ref[1].index &&
           ref[0].offset == ref[1].offset && k->arg[0].dtype == k->arg[1].dtype;
}

static void emit_kernel(QccLowering *l, const QccOpPlan *plan, QccLoweredKernel *lk,
                        const Operand *operand, int own, const int *temp)
{
    QccRef ref[QCC_KERNEL_ARGS];
    resolve(l, plan, lk, operand, own, temp, ref);
    if (is_idle(lk, ref)) return;
    int packed = -1;
    const QccBlob *weight = NULL;
    for (int i = 0; i < lk->kernel->narg; i++) {
        if (lk->source[i].kind != QCC_SOURCE_WEIGHT) continue;
        packed = i;
        weight = lk->source[i].blob;
    }
    qcc_add_kernel(l, lk->kernel, ref, plan->op, &plan->op->out[0], packed, weight);
}

static bool emit_kernels(QccLowering *l, const QccOpPlan *plan)
{
    if (!plan->kernel) return false;
    int nin = plan->anchor ? plan->anchor->nin : 0;
    Operand *operand = QCC_NEW_ARRAY(l->arena, nin + 1, Operand);
    const QccLayout **in = QCC_NEW_ARRAY(l->arena, nin + 1, const QccLayout *);
    const QccValueInfo *result = qcc_lowering_value(l, &plan->op->out[0]);
    for (int i = 0; i < nin; i++) {
        operand[i] = choose_operand(l, plan, i);
        bool constant = operand[i].value && operand[i].spot.ref.kind == QCC_BUFFER_CONST;
        if (operand[i].value && (!constant || operand[i].copy)) in[i] = &operand[i].spot.layout;
    }
    QccKernelList list = {
        .ir = l->ir,
        .arena = l->arena,
        .target = l->target,
        .in = in,
        .result = &result->spot.layout,
    };
    if (plan->anchor) {
        /* The anchor's index space must be the op's: a later step may not have widened it. */
        QccLayout own;
        qcc_layout_dense(&own, plan->anchor->out[0].type);
        if (own.rank != result->spot.layout.rank ||
            memcmp(own.dim, result->spot.layout.dim, sizeof own.dim) != 0)
            return false;
        if (plan->anchor->def->lower(plan->anchor, &list) != QCC_OK) return false;
        if (l->target->tiles) qcc_fold_rows(&list);
    }
    bool table = !plan->anchor && describe_table(l, plan, &list);
    if (!plan->anchor && !table) describe_map(l, plan, &list);
    /* From this argument on, an operand is the op's own and not the anchor's. */
    int *first_own = QCC_NEW_ARRAY(l->arena, list.n + 1, int);
    for (int i = 0; i < list.n && !table; i++)
        if (!join_epilogue(l, plan, &list.kernel[i], &first_own[i])) return false;

    int *temp = QCC_NEW_ARRAY(l->arena, list.ntemp + 1, int);
    for (int i = 0; i < list.ntemp; i++) {
        QccLayout bytes = {.rank = 1, .dim = {list.temp[i] + QCC_READ_SLACK}, .pitch = {1}};
        temp[i] = qcc_new_spot(l, &bytes, QCC_U8).ref.index;
    }
    for (int i = 0; i < nin; i++) make_copy(l, plan, &operand[i]);
    for (int i = 0; i < list.n; i++)
        emit_kernel(l, plan, &list.kernel[i], operand, first_own[i], temp);
    fill_halo(l, plan->op, &plan->op->out[0], &result->spot);
    return true;
}

/* ---- eval ------------------------------------------------------------------------------------ */

static QccSpot dense_spot(QccLowering *l, const QccType *type)
{
    QccLayout layout;
    qcc_layout_dense(&layout, type);
    return qcc_new_spot(l, &layout, type->dtype);
}

static void emit_eval(QccLowering *l, const QccOpPlan *plan)
{
    const QccOp *op = plan->op;
    int nref = op->nin + op->nout;
    QccRef *ref = QCC_NEW_ARRAY(l->arena, nref + 1, QccRef);
    QccSpot *computed = QCC_NEW_ARRAY(l->arena, op->nout + 1, QccSpot);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        ref[i] = (QccRef){QCC_BUFFER_CONST, -1, 0};
        if (!v) continue;
        QccSpot from = qcc_lowering_spot(l, v);
        ref[i] = from.ref;
        if (qcc_layout_is_dense(&from.layout)) continue;
        QccSpot dense = dense_spot(l, v->type);
        qcc_add_copy(l, op, v, &dense, &from, v->type->dtype);
        ref[i] = dense.ref;
    }
    for (int i = 0; i < op->nout; i++) {
        const QccSpot *spot = &qcc_lowering_value(l, &op->out[i])->spot;
        bool fits = qcc_layout_is_dense(&spot->layout);
        /* eval may read after it has written: never over an operand. */
        for (int j = 0; j < op->nin && fits; j++)
            fits = ref[j].kind != spot->ref.kind || ref[j].index != spot->ref.index;
        computed[i] = fits ? *spot : dense_spot(l, op->out[i].type);
        ref[op->nin + i] = computed[i].ref;
    }
    QccStep *step = qcc_add_step(l, QCC_STEP_EVAL, op, op->nout ? &op->out[0] : NULL, nref);
    memcpy(step->ref, ref, (size_t)nref * sizeof *ref);
    for (int i = 0; i < op->nout; i++) {
        const QccValue *v = &op->out[i];
        const QccSpot *spot = &qcc_lowering_value(l, v)->spot;
        if (memcmp(&computed[i].ref, &spot->ref, sizeof spot->ref) == 0) continue;
        qcc_add_copy(l, op, v, spot, &computed[i], v->type->dtype);
        fill_halo(l, op, v, spot);
    }
}

/* ---- all ------------------------------------------------------------------------------------- */

static void emit_view(QccLowering *l, const QccOpPlan *plan)
{
    const QccValue *v = &plan->op->out[0], *source = plan->op->in[0].value;
    const QccValueInfo *info = qcc_lowering_value(l, v);
    if (info->alias) return;
    /* The elements in the order of the source, one after the other in the result. */
    QccSpot from = qcc_lowering_spot(l, source);
    QccSpot to = info->spot;
    qcc_layout_dense(&to.layout, source->type);
    qcc_add_copy(l, plan->op, v, &to, &from, v->type->dtype);
}

static void emit_output(QccLowering *l, int i)
{
    const QccValue *v = qcc_graph_result(l->g, i);
    QccSpot from = qcc_lowering_spot(l, v);
    if (from.ref.kind == QCC_BUFFER_OUTPUT && from.ref.index == i) return;
    QccSpot to = {.ref = {QCC_BUFFER_OUTPUT, i, 0}};
    qcc_layout_dense(&to.layout, v->type);
    qcc_add_copy(l, v->def, v, &to, &from, v->type->dtype);
}

void qcc_emit_steps(QccLowering *l)
{
    for (int i = 0; i < l->nop; i++) {
        const QccOpPlan *plan = &l->op[i];
        if (plan->op->def->traits & QCC_TRAIT_CONSTANT) continue;
        if (plan->view)
            emit_view(l, plan);
        else if (!emit_kernels(l, plan) && !qcc_emit_loop(l, plan))
            emit_eval(l, plan);
    }
    for (int i = 0; i < qcc_graph_result_count(l->g); i++) emit_output(l, i);
}
