/* fuse-requant - wraps an anchor and the elementwise steps behind it into one fused op.
 *
 *   %a = conv2d %q, %w, %b                     %y = fused %q, %w, %b, %s : u8[...] q(...) {
 *   %r = relu %a                        ->         %a = conv2d %q, %w, %b
 *   %y = add %r, %s : u8[...] q(...)               ...
 *                                                  yield %t }
 *
 * A value that was rounded stays rounded inside, with its type; the others are exact or f32. Chains
 * without an anchor are wrapped as well, and so are chains of f32 ops: each fused op is one walk
 * through memory.
 */
#include <string.h>

#include "passes/chain.h"

enum { FUSED, STEPS, QUANTIZES };

typedef struct Opts {
    QccStrings only, exclude;
} Opts;

static const QccField fields[] = {
    {"only", QCC_FIELD_STRINGS, offsetof(Opts, only), "[]", 0, 0, NULL,
     "regular expressions over nodes, values and ops: fuse these ops and no others"},
    {"exclude", QCC_FIELD_STRINGS, offsetof(Opts, exclude), "[]", 0, 0, NULL,
     "regular expressions over nodes, values and ops: leave these ops alone"},
    {0}};

typedef struct Fuser {
    QccPassCtx *ctx;
    QccGraph *g;
    QccArena *scratch;
    QccPtrMap numbers;
    QccChainLink *link;
    int n;
} Fuser;

/* ---- one chain ----------------------------------------------------------------------------- */

typedef struct Chain {
    int nop, nin;
    QccOp **op;        /* in order; the last one's result is the fused op's */
    QccPtrMap outside; /* operands from outside, numbered */
    QccValue **in;
    QccOp *quantize; /* that reads the last result alone, and is taken in; or NULL */
} Chain;

/* What a step reads in place of `value`: the stored value behind a dequantize is read as a real. */
static QccValue *source_of(const QccOp *op, QccValue *value)
{
    QccOp *dequantize = qcc_def_is(value, &qcc_op_dequantize);
    if (!dequantize || !op->def->map) return value;
    QccValue *source = dequantize->in[0].value;
    return source->type->quant && source->type->quant->kind == QCC_QUANT_STATIC ? source : value;
}

/* Whether op i of the chain reads `value` inside. A chain is a line: all but the last result have
 * one user, so what is inside is the result of the op just before. */
static bool is_inside(const Chain *c, int i, const QccValue *value)
{
    return i > 0 && value->def == c->op[i - 1];
}

static void collect(Fuser *f, QccOp *head, Chain *c)
{
    int64_t op_cap = 0, in_cap = 0;
    for (QccOp *op = head; op;) {
        c->op = qcc_grow(f->scratch, c->op, c->nop, &op_cap, sizeof *c->op);
        c->op[c->nop++] = op;
        op = f->link[qcc_ptr_map_find(&f->numbers, op)].next;
    }
    qcc_ptr_map_init(&c->outside, f->scratch);
    for (int i = 0; i < c->nop; i++) {
        for (int k = 0; k < c->op[i]->nin; k++) {
            QccValue *value = qcc_op_in(c->op[i], k);
            if (!value || is_inside(c, i, value)) continue;
            value = source_of(c->op[i], value);
            int at = qcc_ptr_map_add(&c->outside, value);
            c->in = qcc_grow(f->scratch, c->in, at, &in_cap, sizeof *c->in);
            c->in[at] = value;
        }
    }
    c->nin = c->outside.n;
    const QccOp *last = c->op[c->nop - 1];
    QccOp *user = qcc_sole_user(&last->out[0]);
    if (qcc_op_is(user, &qcc_op_quantize) && qcc_chain_goes_on(last)) c->quantize = user;
}

/* Copies the chain's ops into the body of `fused`. */
static QccStatus fill_body(Fuser *f, const Chain *c, QccOp *fused)
{
    QccGraph *body = qcc_graph_new_body(fused);
    QccValue *last = NULL;
    for (int i = 0; i < c->nop; i++) {
        const QccOp *op = c->op[i];
        QccValue **in = QCC_NEW_ARRAY(f->scratch, op->nin + 1, QccValue *);
        for (int k = 0; k < op->nin; k++) {
            QccValue *value = qcc_op_in(op, k);
            if (!value) continue;
            in[k] = is_inside(c, i, value)
                        ? last
                        : body->param[qcc_ptr_map_find(&c->outside, source_of(op, value))];
        }
        QccOp *copy;
        QCC_TRY(qcc_op_new(&copy, body, NULL, op->def, op->loc, op->out[0].name, in, op->nin,
                           op->attrs));
        last = &copy->out[0];
        /* What the fused op itself rounds stays real inside. */
        bool rounds = op->out[0].type->quant && (i + 1 < c->nop || c->quantize);
        if (rounds) qcc_value_set_type(last, op->out[0].type);
    }
    qcc_graph_set_results(body, &last, 1);
    return QCC_OK;
}

static QccStatus fuse(Fuser *f, const Chain *c)
{
    QccOp *end = c->op[c->nop - 1], *fused;
    QccOp *place = c->quantize ? c->quantize : end;
    const QccType *type = place->out[0].type;
    QCC_TRY(
        qcc_op_new(&fused, f->g, place, &qcc_op_fused, c->op[0]->loc, NULL, c->in, c->nin, NULL));
    QCC_TRY(fill_body(f, c, fused));
    QCC_TRY(qcc_op_reinfer(fused));
    if (type->quant) qcc_value_set_type(&fused->out[0], type);

    /* The names of the values that go, for those that stand for them. */
    const char **name = QCC_NEW_ARRAY(f->scratch, c->nop, const char *);
    for (int i = 0; i < c->nop; i++) name[i] = c->op[i]->out[0].name;
    if (c->quantize) {
        const char *result = end->out[0].name;
        qcc_op_replace(c->quantize, &fused->out[0]);
        qcc_op_remove(end);
        qcc_value_rename(&fused->out[0], result);
        qcc_pass_count(f->ctx, QUANTIZES, 1);
    } else {
        qcc_op_replace(end, &fused->out[0]);
    }
    for (int i = c->nop - 2; i >= 0; i--) qcc_op_remove(c->op[i]);
    QccOp *inner = fused->body->first;
    for (int i = 0; i + 1 < c->nop; i++, inner = inner->next) {
        qcc_value_rename(&inner->out[0], name[i]);
    }
    qcc_pass_count(f->ctx, FUSED, 1);
    qcc_pass_count(f->ctx, STEPS, c->nop - 1);
    return QCC_OK;
}

/* One op alone that is followed by its rounding: the rounding becomes its own. */
static QccStatus take_in_quantize(Fuser *f, const Chain *c)
{
    QccValue *result = &c->op[0]->out[0], *rounded = &c->quantize->out[0];
    const char *name = result->name;
    qcc_op_set_operand(c->quantize, 0, c->op[0]->in[0].value);
    qcc_value_set_type(result, rounded->type);
    if (rounded->has_range) qcc_value_set_range(result, rounded->lo, rounded->hi);
    qcc_value_replace(rounded, result);
    qcc_op_remove(c->quantize);
    qcc_value_rename(result, name);
    qcc_pass_count(f->ctx, QUANTIZES, 1);
    return QCC_OK;
}

/* ---- the pass ------------------------------------------------------------------------------ */

typedef struct Run {
    QccPassCtx *ctx;
    const Opts *opts;
} Run;

static QccStatus fuse_chains(QccGraph *g, void *user)
{
    QccPassCtx *ctx = ((Run *)user)->ctx;
    const Opts *o = ((Run *)user)->opts;
    Fuser f = {.ctx = ctx, .g = g, .scratch = qcc_pass_scratch(ctx)};
    int64_t cap = 0;
    qcc_ptr_map_init(&f.numbers, f.scratch);
    QCC_FOR_OPS(op, g)
    {
        int at = qcc_ptr_map_add(&f.numbers, op);
        f.link = qcc_grow(f.scratch, f.link, at, &cap, sizeof *f.link);
        bool selected = qcc_pass_selects(ctx, op, o->only, o->exclude);
        f.link[at] = (QccChainLink){.op = op, .may = selected && qcc_chain_head(op)};
        f.n = f.numbers.n;
    }
    qcc_chain_form(f.link, f.n, &f.numbers);
    for (int i = 0; i < f.n; i++) {
        if (!f.link[i].may || f.link[i].claimed) continue;
        Chain c = {0};
        collect(&f, f.link[i].op, &c);
        bool rounds_twice = c.quantize && c.op[0]->out[0].type->quant;
        if (c.nop > 1 || rounds_twice) {
            QCC_TRY(fuse(&f, &c));
        } else if (c.quantize) {
            QCC_TRY(take_in_quantize(&f, &c));
        }
    }
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    Run r = {ctx, opts};
    QCC_TRY(qcc_visit_graphs(g, fuse_chains, &r));
    qcc_remove_dead(g);
    return QCC_OK;
}

const QccPassDef qcc_pass_fuse_requant = {
    .abi = QCC_PASS_ABI,
    .name = "fuse-requant",
    .summary = "wrap contractions, poolings and the elementwise steps behind them into fused ops",
    .opts_size = sizeof(Opts),
    .opts = fields,
    .stats = (const char *const[]){[FUSED] = "fused ops",
                                   [STEPS] = "steps taken in",
                                   [QUANTIZES] = "roundings taken in",
                                   NULL},
    .makes = (const char *const[]){"fused", NULL},
    .run = run,
};
