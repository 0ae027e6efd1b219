/* quantize - decides which ops compute on quantized operands, and gives their values types.
 *
 *   select   which ops read quantized operands, by the ops' rules and the scopes
 *   chain    which results stay real because one fused op will hold them and their user
 *   group    which values share one scale, and the parameters of each group
 *   rewrite  types, weights, biases; quantize and dequantize where real values begin and end
 *
 * A value is rounded only where some op reads it quantized: what goes to the graph's results stays
 * real, straight from the accumulator.
 */
#include "passes/quantize.h"

#include "ir/ops.h"
#include "ir/qmath.h"
#include "passes/context.h"

enum { QUANTIZED, IN_FLOAT, WEIGHTS, INSERTED };

/* ---- select -------------------------------------------------------------------------------- */

bool qcc_is_data(const QccValue *value)
{
    return value && !qcc_value_const(value);
}

static bool has_params(const QccValue *value)
{
    return value->type->dtype == QCC_F32 && !value->type->quant && value->has_range;
}

static QccOpPlan *plan_of(const QccQuantizer *z, const QccOp *op)
{
    int at = op ? qcc_ptr_map_find(&z->ops, op) : -1;
    return at < 0 ? NULL : &z->plan[at];
}

static bool is_in(const QccQuantizer *z, const QccOp *op)
{
    const QccOpPlan *p = plan_of(z, op);
    return p && p->in;
}

/* Whether operand i is a number to compute with: no index, no condition. */
static bool is_number(const QccOp *op, int i)
{
    return op->in[i].value && !qcc_op_is_index(op, i) && op->in[i].value->type->dtype != QCC_BOOL;
}

/* Whether every number that is computed has a range. */
static bool operands_known(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        if (is_number(op, i) && qcc_is_data(value) && !has_params(value)) return false;
    }
    return true;
}

static bool reads_constant(const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        if (is_number(op, i) && !qcc_is_data(op->in[i].value)) return true;
    }
    return false;
}

/* Whether the op computes on something that a contraction has computed. */
static bool is_rooted(const QccQuantizer *z, const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        const QccOpPlan *p = value ? plan_of(z, value->def) : NULL;
        if (p && p->rooted) return true;
    }
    return false;
}

/* Whether the op's rule is about a constant weight; else it is the product of two activations. */
static bool has_weight(const QccOp *op)
{
    return op->def->quant.kind == QCC_QUANT_AFFINE && op->def->quant.bias;
}

static bool can_quantize_affine(QccOp *op)
{
    const QccQuantRule *rule = &op->def->quant;
    const float *unused;
    QccValue *x = op->in[0].value, *bias = rule->bias ? qcc_op_in(op, rule->bias) : NULL;
    QccValue *w = op->in[rule->weight].value;
    if (!qcc_is_data(x) || !has_params(x)) return false;
    if (!has_weight(op)) return qcc_is_data(w) && has_params(w) && qcc_depth_fits(op);
    if (!qcc_const_is_f32(w, &unused)) return false;
    return !bias || qcc_const_is_f32(bias, &unused);
}

static void select_op(QccQuantizer *z, QccOp *op)
{
    const QccQuantRule *rule = &op->def->quant;
    QccOpPlan *p = plan_of(z, op);
    p->rooted = false;
    p->in = p->eligible && !p->banned;
    if (!p->in) return;
    if (rule->kind == QCC_QUANT_AFFINE) {
        p->in = p->rooted = can_quantize_affine(op);
        return;
    }
    p->rooted = is_rooted(z, op);
    p->in = operands_known(op) && op->out[0].has_range;
    if (rule->kind == QCC_QUANT_SAME_SCALE) {
        p->in = p->in && !reads_constant(op);
    } else {
        p->in = p->in && p->rooted;
    }
    p->rooted = p->rooted && p->in;
}

static bool has_user_in(const QccQuantizer *z, const QccOp *op)
{
    for (const QccUse *use = op->out[0].uses; use; use = use->next) {
        if (is_in(z, use->user)) return true;
    }
    return false;
}

/* The latest operand's op that this step could continue within one fused op. */
static bool continues_chain(const QccQuantizer *z, const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        if (!value || !is_in(z, value->def) || !qcc_chain_head(value->def)) continue;
        if (qcc_sole_user(value) == op && qcc_chain_may_follow(value->def, op)) return true;
    }
    return false;
}

/* An op whose result nobody reads quantized: worth it only when it saves a rounding before it. */
static void prune_op(QccQuantizer *z, QccOp *op)
{
    QccOpPlan *p = plan_of(z, op);
    if (!p->in || op->def->quant.kind == QCC_QUANT_AFFINE || has_user_in(z, op)) return;
    if (op->def->quant.kind != QCC_QUANT_SAME_SCALE) {
        if (op->def->unit || continues_chain(z, op)) return;
    }
    p->in = false;
}

/* ---- chain --------------------------------------------------------------------------------- */

static void chain_ops(QccQuantizer *z)
{
    for (int i = 0; i < z->n; i++) {
        const QccOpPlan *p = &z->plan[i];
        bool may = p->in && p->op->def->quant.kind != QCC_QUANT_SAME_SCALE;
        z->link[i] = (QccChainLink){.op = p->op, .may = may};
    }
    qcc_chain_form(z->link, z->n, &z->ops, true);
}

/* ---- group --------------------------------------------------------------------------------- */

static int root_of(QccQuantizer *z, int i)
{
    while (z->value[i].parent != i) i = z->value[i].parent = z->value[z->value[i].parent].parent;
    return i;
}

static void unite(QccQuantizer *z, int a, int b)
{
    a = root_of(z, a);
    b = root_of(z, b);
    if (a != b) z->value[a > b ? a : b].parent = a < b ? a : b;
}

static bool is_inner(const QccQuantizer *z, const QccValue *value)
{
    int at = value->def ? qcc_ptr_map_find(&z->ops, value->def) : -1;
    return at >= 0 && z->link[at].next;
}

/* Whether some op reads the value quantized. */
static bool is_wanted(const QccQuantizer *z, const QccValue *value)
{
    if (!qcc_is_data(value) || is_inner(z, value)) return false;
    for (const QccUse *use = value->uses; use; use = use->next) {
        if (is_in(z, use->user) && is_number(use->user, use->index)) return true;
    }
    return false;
}

static void add_value(QccQuantizer *z, QccValue *value)
{
    if (!is_wanted(z, value)) return;
    int at = qcc_ptr_map_add(&z->values, value);
    z->value = qcc_grow(z->scratch, z->value, at, &z->value_cap, sizeof *z->value);
    z->value[at] = (QccValuePlan){.value = value, .parent = at};
    z->nvalue = z->values.n;
}

static float span_of(const QccValue *value)
{
    return value->hi - value->lo;
}

/* Whether this operand of a same-scale op must be brought to the op's scale by a step of its own:
 * other readers of it should not lose a bit or more for a neighbour's range. */
static bool needs_own(const QccOp *op, const QccValue *value)
{
    int numbers = 0;
    for (int i = 0; i < op->nin; i++) numbers += is_number(op, i);
    return numbers > 1 && qcc_value_use_count(value) > 1 &&
           2 * span_of(value) < span_of(&op->out[0]);
}

static void unite_same_scale(QccQuantizer *z, QccOp *op)
{
    if (!is_in(z, op) || op->def->quant.kind != QCC_QUANT_SAME_SCALE) return;
    int result = qcc_ptr_map_find(&z->values, &op->out[0]);
    for (int i = 0; i < op->nin; i++) {
        QccValue *value = qcc_op_in(op, i);
        if (!value || needs_own(op, value)) continue;
        int at = qcc_ptr_map_find(&z->values, value);
        if (at >= 0 && result >= 0) unite(z, at, result);
    }
}

static const QccQuant *params_of(const QccQuantizer *z, float lo, float hi)
{
    float scale;
    int32_t zero;
    qcc_choose_qparams(lo, hi, 0, 255, z->opts->activations == QCC_ACTIVATIONS_SYMMETRIC, 128,
                       &scale, &zero);
    return qcc_quant_tensor(z->g->ir, QCC_U8, scale, zero);
}

/* The value's parameters as its op gives them; NULL: it gives none, or the value takes less than
 * half of their range, as a softmax over many classes does. */
static const QccQuantRule *fixed_rule(const QccValue *value)
{
    const QccQuantRule *rule = value->def ? &value->def->def->quant : NULL;
    if (!rule || rule->kind != QCC_QUANT_FIXED) return NULL;
    return 2 * (value->hi - value->lo) < 255 * rule->scale ? NULL : rule;
}

static void choose_params(QccQuantizer *z)
{
    for (int i = 0; i < z->nvalue; i++) z->value[i].members = 0;
    for (int i = 0; i < z->nvalue; i++) {
        const QccValuePlan *v = &z->value[i];
        QccValuePlan *group = &z->value[root_of(z, i)];
        if (!group->members || v->value->lo < group->lo) group->lo = v->value->lo;
        if (!group->members || v->value->hi > group->hi) group->hi = v->value->hi;
        group->members++;
    }
    for (int i = 0; i < z->nvalue; i++) {
        QccValuePlan *v = &z->value[i];
        if (v->parent != i) continue;
        const QccQuantRule *fixed = v->members == 1 ? fixed_rule(v->value) : NULL;
        v->quant = fixed ? qcc_quant_tensor(z->g->ir, QCC_U8, fixed->scale, fixed->zero)
                         : params_of(z, v->lo, v->hi);
    }
    for (int i = 0; i < z->nvalue; i++) z->value[i].quant = z->value[root_of(z, i)].quant;
}

static const QccQuant *quant_of(const QccQuantizer *z, const QccValue *value)
{
    int at = qcc_ptr_map_find(&z->values, value);
    return at < 0 ? NULL : z->value[at].quant;
}

/* ---- rewrite ------------------------------------------------------------------------------- */

/* The plan as it stands, from the ops that are not banned; repeated when a weight does not fit. */
static QccStatus make_plan(QccQuantizer *z, bool *good)
{
    for (int i = 0; i < z->n; i++) select_op(z, z->plan[i].op);
    for (int i = z->n - 1; i >= 0; i--) prune_op(z, z->plan[i].op);
    chain_ops(z);
    qcc_ptr_map_init(&z->values, z->scratch);
    z->nvalue = 0;
    for (int i = 0; i < z->g->nparam; i++) add_value(z, z->g->param[i]);
    for (int i = 0; i < z->n; i++) add_value(z, &z->plan[i].op->out[0]);
    for (int i = 0; i < z->n; i++) unite_same_scale(z, z->plan[i].op);
    choose_params(z);
    *good = true;
    for (int i = 0; i < z->n; i++) {
        QccOpPlan *p = &z->plan[i];
        if (!p->in || !has_weight(p->op)) continue;
        bool fits;
        const QccQuant *x = quant_of(z, p->op->in[0].value);
        QCC_TRY(qcc_quantize_weights(z, p->op, x, &p->weights, &fits));
        if (fits) continue;
        qcc_pass_warn(z->ctx, p->op, "its accumulator may not fit 32 bits; it stays in float");
        p->banned = true;
        *good = false;
    }
    return QCC_OK;
}

/* Gives the readers of a value what they want: those in the plan the quantized value, others a real
 * one. */
static QccStatus rewrite_value(QccQuantizer *z, const QccValuePlan *v)
{
    QccValue *value = v->value, *other;
    QccGraph *g = z->g;
    bool computed = is_in(z, value->def);
    bool any_float = false;
    for (const QccUse *use = value->uses; use; use = use->next) {
        any_float = any_float || !is_in(z, use->user);
    }
    if (computed) {
        qcc_value_set_type(value, qcc_type_quantized(g->ir, value->type, QCC_U8, v->quant));
        if (!any_float) return QCC_OK;
        QCC_TRY(qcc_make_dequantize(&other, g, qcc_op_after(value), value));
    } else {
        QCC_TRY(qcc_make_quantize(&other, g, qcc_op_after(value), value, QCC_U8, v->quant));
    }
    qcc_pass_count(z->ctx, INSERTED, 1);
    for (QccUse *use = value->uses, *next; use; use = next) {
        next = use->next;
        if (use->user == other->def || is_in(z, use->user) == computed) continue;
        qcc_op_set_operand(use->user, use->index, other);
    }
    return QCC_OK;
}

/* Operands of a same-scale op that keep their own scale elsewhere. */
static QccStatus rewrite_same_scale(QccQuantizer *z, QccOp *op)
{
    const QccQuant *want = op->out[0].type->quant;
    for (int i = 0; i < op->nin; i++) {
        QccValue *value = qcc_op_in(op, i), *own;
        if (!want || !is_number(op, i) || value->type->quant == want) continue;
        QCC_TRY(qcc_make_quantize(&own, z->g, op, value, QCC_U8, want));
        qcc_op_set_operand(op, i, own);
        qcc_pass_count(z->ctx, INSERTED, 1);
    }
    return QCC_OK;
}

static const char *product_why_not(const QccOp *op)
{
    if (!qcc_is_data(op->in[1].value)) return "it reads a constant";
    return has_params(op->in[1].value)
               ? "its sums may not be exact, or how long they are is unknown"
               : "no range is known of what it reads";
}

/* What keeps an op that has a quantized form in float; see select_op and prune_op. */
static const char *why_not(const QccQuantizer *z, QccOp *op)
{
    const QccOpPlan *p = plan_of(z, op);
    const QccQuantRule *rule = &op->def->quant;
    const float *unused;
    if (!p->eligible) return "the scopes of quantize leave it out";
    if (p->banned) return "its accumulator may not fit 32 bits";
    if (rule->kind == QCC_QUANT_AFFINE) {
        if (!qcc_is_data(op->in[0].value)) return "it reads a constant";
        if (!has_params(op->in[0].value)) return "no range is known of what it reads";
        if (!has_weight(op)) return product_why_not(op);
        return qcc_const_is_f32(op->in[rule->weight].value, &unused)
                   ? "its bias is no f32 constant"
                   : "its weight is no f32 constant";
    }
    if (!operands_known(op)) return "no range is known of what it reads";
    if (!op->out[0].has_range) return "no range is known of its result";
    if (rule->kind == QCC_QUANT_SAME_SCALE && reads_constant(op)) return "it reads a constant";
    if (rule->kind != QCC_QUANT_SAME_SCALE && !is_rooted(z, op))
        return "nothing that it reads comes out of a quantized contraction";
    return "nothing behind it reads stored values";
}

static bool is_candidate(const QccOp *op)
{
    return op->nout == 1 && !op->body && op->def->quant.kind != QCC_QUANT_FLOAT &&
           op->def != &qcc_op_quantize && op->def != &qcc_op_dequantize &&
           !(op->def->traits & (QCC_TRAIT_CONSTANT | QCC_TRAIT_TERMINATOR));
}

static void remark(const QccQuantizer *z)
{
    for (int i = 0; i < z->n; i++) {
        QccOp *op = z->plan[i].op;
        if (z->plan[i].in || !is_candidate(op)) continue;
        qcc_pass_remark(z->ctx, op, "%s", why_not(z, op));
    }
}

static QccStatus rewrite(QccQuantizer *z)
{
    for (int i = 0; i < z->nvalue; i++) QCC_TRY(rewrite_value(z, &z->value[i]));
    for (int i = 0; i < z->n; i++) {
        QccOpPlan *p = &z->plan[i];
        if (!p->in) {
            qcc_pass_count(z->ctx, IN_FLOAT, p->op->def->quant.kind == QCC_QUANT_AFFINE);
            continue;
        }
        qcc_pass_count(z->ctx, QUANTIZED, 1);
        if (has_weight(p->op)) {
            QCC_TRY(qcc_place_weights(z, p->op, &p->weights));
            qcc_pass_count(z->ctx, WEIGHTS, 1);
        } else if (p->op->def->quant.kind == QCC_QUANT_SAME_SCALE) {
            QCC_TRY(rewrite_same_scale(z, p->op));
        }
    }
    qcc_remove_dead(z->g);
    return QCC_OK;
}

/* ---- the pass ------------------------------------------------------------------------------ */

static const char *const weights_names[] = {"per-channel", "per-tensor", NULL};
static const char *const activations_names[] = {"asymmetric", "symmetric", NULL};
static const char *const bias_names[] = {"rounded", "corrected", NULL};

static const QccField fields[] = {
    {"weights", QCC_FIELD_ENUM, offsetof(QccQuantizeOpts, weights), "per-channel", 0, 0,
     weights_names, "one scale for each output channel, or one for the whole weight"},
    {"weight_bits", QCC_FIELD_INT, offsetof(QccQuantizeOpts, weight_bits), "8", 7, 8, NULL,
     "8: weights in [-127, 127]; 7: in [-64, 64], which CPUs without VNNI multiply faster"},
    {"activations", QCC_FIELD_ENUM, offsetof(QccQuantizeOpts, activations), "asymmetric", 0, 0,
     activations_names, "whether 0 may lie anywhere in the range, or only in the middle"},
    {"bias", QCC_FIELD_ENUM, offsetof(QccQuantizeOpts, bias), "rounded", 0, 0, bias_names,
     "rounded as it is, or corrected by what rounding the weights adds on the mean of the data"},
    {"only", QCC_FIELD_STRINGS, offsetof(QccQuantizeOpts, only), "[]", 0, 0, NULL,
     "regular expressions over nodes, values and ops: quantize these ops and no others"},
    {"exclude", QCC_FIELD_STRINGS, offsetof(QccQuantizeOpts, exclude), "[]", 0, 0, NULL,
     "regular expressions over nodes, values and ops: leave these ops in float"},
    {0}};

/* Asks for the means of what contractions read. */
static QccStatus observe(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const QccQuantizeOpts *o = opts;
    if (o->bias != QCC_BIAS_CORRECTED) return QCC_OK;
    QCC_FOR_OPS(op, g)
    {
        if (op->def->quant.kind != QCC_QUANT_AFFINE || !op->def->quant.bias) continue;
        const QccValue *x = op->in[0].value;
        if (!qcc_is_data(x) || x->type->dtype != QCC_F32 || x->type->quant) continue;
        /* As many samples as calibrate wants, if it stands in the row. */
        if (!qcc_pass_observed(ctx, x)) qcc_pass_observe(ctx, x, 0);
        qcc_pass_observe_channels(ctx, x);
    }
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    QccQuantizer z = {.ctx = ctx, .g = g, .opts = opts, .scratch = qcc_pass_scratch(ctx)};
    qcc_ptr_map_init(&z.ops, z.scratch);
    qcc_ptr_map_init(&z.placed, z.scratch);
    QCC_FOR_OPS(op, g)
    {
        if (op->nout != 1) continue;
        /* Every op may be named by a scope, also one that is in float anyway. */
        bool selected = qcc_pass_selects(ctx, op, z.opts->only, z.opts->exclude);
        int at = qcc_ptr_map_add(&z.ops, op);
        z.plan = qcc_grow(z.scratch, z.plan, at, &z.cap, sizeof *z.plan);
        z.plan[at] = (QccOpPlan){.op = op, .eligible = selected && is_candidate(op)};
        z.n = z.ops.n;
    }
    z.link = QCC_NEW_ARRAY(z.scratch, z.n + 1, QccChainLink);
    bool good = false;
    while (!good) QCC_TRY(make_plan(&z, &good));
    remark(&z);
    return rewrite(&z);
}

const QccPassDef qcc_pass_quantize = {
    .abi = QCC_PASS_ABI,
    .name = "quantize",
    .summary = "give values and weights quantized types, from the ranges that calibration found",
    .opts_size = sizeof(QccQuantizeOpts),
    .opts = fields,
    .stats = (const char *const[]){[QUANTIZED] = "ops quantized",
                                   [IN_FLOAT] = "contractions left in float",
                                   [WEIGHTS] = "weights quantized",
                                   [INSERTED] = "conversions inserted",
                                   NULL},
    .needs = (const char *const[]){"calibrated", NULL},
    .makes = (const char *const[]){"quantized", NULL},
    .observe = observe,
    .run = run,
};
