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
    QccPtrMap inside;  /* the ops, numbered */
    QccPtrMap outside; /* operands from outside, numbered */
    QccValue **in;
    QccOp *quantize; /* that reads the last, rounded result alone and rounds it again; or NULL */
} Chain;

/* What a step reads in place of `value`: the stored value behind a dequantize is read as a real. */
static QccValue *source_of(const QccOp *op, QccValue *value)
{
    QccOp *dequantize = qcc_def_is(value, &qcc_op_dequantize);
    if (!dequantize || !op->def->map) return value;
    QccValue *source = dequantize->in[0].value;
    return source->type->quant && source->type->quant->kind == QCC_QUANT_STATIC ? source : value;
}

/* The number of the chain's op that gives `value`; -1: it comes from outside. */
static int inside_by(const Chain *c, const QccValue *value)
{
    return value->def ? qcc_ptr_map_find(&c->inside, value->def) : -1;
}

static void collect(Fuser *f, QccOp *head, Chain *c)
{
    int64_t op_cap = 0, in_cap = 0;
    qcc_ptr_map_init(&c->inside, f->scratch);
    for (QccOp *op = head; op;) {
        c->op = qcc_grow(f->scratch, c->op, c->nop, &op_cap, sizeof *c->op);
        c->op[c->nop++] = op;
        qcc_ptr_map_add(&c->inside, op);
        op = f->link[qcc_ptr_map_find(&f->numbers, op)].next;
    }
    qcc_ptr_map_init(&c->outside, f->scratch);
    for (int i = 0; i < c->nop; i++) {
        for (int k = 0; k < c->op[i]->nin; k++) {
            QccValue *value = qcc_op_in(c->op[i], k);
            if (!value || inside_by(c, value) >= 0) continue;
            value = source_of(c->op[i], value);
            int at = qcc_ptr_map_add(&c->outside, value);
            c->in = qcc_grow(f->scratch, c->in, at, &in_cap, sizeof *c->in);
            c->in[at] = value;
        }
    }
    c->nin = c->outside.n;
    const QccOp *last = c->op[c->nop - 1];
    QccOp *user = qcc_sole_user(&last->out[0]);
    bool again = qcc_op_is(user, &qcc_op_quantize) && last->out[0].type->quant;
    if (again && qcc_chain_goes_on(last)) c->quantize = user;
}

/* Copies the chain's ops into the body of `fused`. */
static QccStatus fill_body(Fuser *f, const Chain *c, QccOp *fused)
{
    QccGraph *body = qcc_graph_new_body(fused);
    QccValue **copies = QCC_NEW_ARRAY(f->scratch, c->nop, QccValue *);
    for (int i = 0; i < c->nop; i++) {
        const QccOp *op = c->op[i];
        QccValue **in = QCC_NEW_ARRAY(f->scratch, op->nin + 1, QccValue *);
        for (int k = 0; k < op->nin; k++) {
            QccValue *value = qcc_op_in(op, k);
            if (!value) continue;
            int by = inside_by(c, value);
            in[k] = by >= 0 ? copies[by]
                            : body->param[qcc_ptr_map_find(&c->outside, source_of(op, value))];
        }
        QccOp *copy;
        QCC_TRY(qcc_op_new(&copy, body, NULL, op->def, op->loc, op->out[0].name, in, op->nin,
                           op->attrs));
        copies[i] = &copy->out[0];
        /* What the fused op itself rounds stays real inside. */
        bool rounds = op->out[0].type->quant && (i + 1 < c->nop || c->quantize);
        if (rounds) qcc_value_set_type(copies[i], op->out[0].type);
    }
    qcc_graph_set_results(body, &copies[c->nop - 1], 1);
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

/* The rounding of a real that nothing else reads becomes that of the op which computes it. */
static void take_in(QccPassCtx *ctx, QccOp *quantize)
{
    QccValue *result = quantize->in[0].value, *rounded = &quantize->out[0];
    bool real = !result->type->quant && result->type->dtype == QCC_F32;
    QccOp *op = result->def;
    if (!real || qcc_sole_user(result) != quantize) return;
    const char *name = result->name;
    qcc_op_set_operand(quantize, 0, op->in[0].value);
    qcc_value_set_type(result, rounded->type);
    if (rounded->has_range) qcc_value_set_range(result, rounded->lo, rounded->hi);
    qcc_value_replace(rounded, result);
    qcc_op_remove(quantize);
    qcc_value_rename(result, name);
    qcc_pass_count(ctx, QUANTIZES, 1);
}

/* ---- the pass ------------------------------------------------------------------------------ */

typedef struct Run {
    QccPassCtx *ctx;
    const Opts *opts;
} Run;

static bool may_fuse(const Run *r, const QccOp *op)
{
    return op && qcc_chain_head(op) &&
           qcc_pass_selects(r->ctx, op, r->opts->only, r->opts->exclude);
}

static QccStatus fuse_chains(QccGraph *g, void *user)
{
    const Run *r = user;
    Fuser f = {.ctx = r->ctx, .g = g, .scratch = qcc_pass_scratch(r->ctx)};
    int64_t cap = 0;
    QCC_FOR_OPS(op, g)
    {
        bool takes = op->def == &qcc_op_quantize && may_fuse(r, op->in[0].value->def);
        if (takes) take_in(r->ctx, op);
    }
    qcc_ptr_map_init(&f.numbers, f.scratch);
    QCC_FOR_OPS(op, g)
    {
        int at = qcc_ptr_map_add(&f.numbers, op);
        f.link = qcc_grow(f.scratch, f.link, at, &cap, sizeof *f.link);
        f.link[at] = (QccChainLink){.op = op, .may = may_fuse(r, op)};
        f.n = f.numbers.n;
    }
    qcc_chain_form(f.link, f.n, &f.numbers, false);
    for (int i = 0; i < f.n; i++) {
        if (!f.link[i].may || f.link[i].claimed) continue;
        Chain c = {0};
        collect(&f, f.link[i].op, &c);
        if (c.nop > 1 || c.quantize) QCC_TRY(fuse(&f, &c));
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
