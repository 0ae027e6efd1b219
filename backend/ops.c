/* ops - what every op of a graph will be: a view, a map, an anchor with its epilogue, or eval. */
#include "backend/lowering.h"

#include "ir/ir.h"

/* Whether kernels neither read nor write such elements; moves take every byte as it is. */
static bool is_foreign(const QccOp *op, QccDtype dtype)
{
    if (op->def->traits & QCC_TRAIT_MOVE) return qcc_dtype_bits(dtype) < 8;
    return qcc_dtype_bits(dtype) < 8 || qcc_dtype_is_minifloat(dtype);
}

/* Weights of a contraction are unpacked when the program is made. */
static bool has_foreign_values(const QccOp *op)
{
    bool unpacks = op->def->traits & (QCC_TRAIT_CONTRACTION | QCC_TRAIT_FUSED);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        if (v && is_foreign(op, v->type->dtype) && !(unpacks && qcc_value_const(v))) return true;
    }
    for (int i = 0; i < op->nout; i++)
        if (is_foreign(op, op->out[i].type->dtype)) return true;
    return false;
}

static bool has_dynamic_scales(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *v = op->in[i].value;
        if (v && v->type->quant && v->type->quant->kind == QCC_QUANT_DYNAMIC) return true;
    }
    return op->nout == 1 && op->out[0].type->quant &&
           op->out[0].type->quant->kind == QCC_QUANT_DYNAMIC;
}

static bool has_quantized_values(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value && op->in[i].value->type->quant) return true;
    return op->out[0].type->quant != NULL;
}

/* A failure means that the op has no such form and runs through eval: nothing to report. */
static bool try_epilogue(QccLowering *l, QccOpPlan *plan)
{
    QccDiags saved = l->ir->diags;
    l->ir->diags.fn = NULL;
    QccStatus status = qcc_epilogue_build(&plan->epi, plan->op, l->arena);
    l->ir->diags = saved;
    plan->epilogue = status == QCC_OK;
    return plan->epilogue;
}

static void plan_op(QccLowering *l, QccOpPlan *plan)
{
    const QccOp *op = plan->op;
    uint32_t traits = op->def->traits;
    if (op->nout != 1 || has_foreign_values(op) || has_dynamic_scales(op)) return;
    if (traits & QCC_TRAIT_MOVE) {
        if (!qcc_op_moves_raw(op)) return;
        plan->view = (traits & QCC_TRAIT_VIEW) != 0;
        plan->anchor = op;
        plan->kernel = !plan->view && op->def->lower;
        return;
    }
    bool fused = (traits & QCC_TRAIT_FUSED) != 0;
    bool quantized = has_quantized_values(op) && !qcc_op_selects_raw(op);
    if (fused || op->def->map || quantized) {
        if (!try_epilogue(l, plan)) return;
        plan->anchor = plan->epi.anchor;
    } else {
        plan->anchor = op;
    }
    plan->kernel = !plan->anchor || plan->anchor->def->lower;
}

void qcc_plan_ops(QccLowering *l)
{
    int number = 0;
    QCC_FOR_OPS(op, l->g)
    {
        l->op = qcc_grow(l->arena, l->op, l->nop, &l->op_cap, sizeof *l->op);
        l->op[l->nop] = (QccOpPlan){.op = op, .number = number++};
        for (int i = 0; i < op->nout; i++)
            qcc_lowering_value(l, &op->out[i])->number = l->op[l->nop].number;
        if (!(op->def->traits & QCC_TRAIT_CONSTANT)) plan_op(l, &l->op[l->nop]);
        l->nop++;
    }
}

int qcc_plan_operand(const QccOpPlan *plan, int i)
{
    if (plan->anchor == plan->op) return i;
    return plan->epi.anchor_operand[i];
}

bool qcc_plan_window(const QccOpPlan *plan, int i, int64_t before[2], int64_t after[2])
{
    before[0] = before[1] = after[0] = after[1] = 0;
    if (i > 0 || !plan->kernel || !plan->anchor ||
        !(plan->anchor->def->traits & QCC_TRAIT_CONTRACTION))
        return false;
    if (plan->anchor->def == &qcc_op_conv2d) {
        const QccConvAttrs *a = QCC_ATTRS(plan->anchor, QccConvAttrs);
        before[0] = a->pad.v[0];
        before[1] = a->pad.v[1];
        after[0] = a->pad.v[2];
        after[1] = a->pad.v[3];
    }
    return true;
}
