/* rows - reductions over the last dimension, up to three in turn, and what follows from them.
 *
 *   for each unit (a row)
 *     for each stage: 16 virtual lanes take the elements in turn; tree 8, 4, 2, 1; `then`
 *     the epilogue over the row, or once where the result is reduced
 *
 * The 16 lanes are one, two or four vectors, so the order of additions is the same on every ISA.
 * What a stage has computed of each element and later passes over the row compute again, say the
 * exponentials of a softmax, is kept on the stack where the row is short.
 */
#include <assert.h>
#include <string.h>

#include "backend/llvm/emit.h"

enum {
    VIRTUAL = 16,
    AT_ONCE = 4,     /* vectors of elements that are computed together */
    KEPT = 16 << 10, /* bytes of a row that are kept at most: half of a small L1 */
};

/* A row at work. The expressions are those of the kernel, but that they read what is kept. */
typedef struct Row {
    QccEmit *e;
    const Val *at;
    Val result[QCC_ROW_STAGES];
    const QccExpr *term[QCC_ROW_STAGES], *epilogue;
    Val kept[QCC_ROW_STAGES]; /* where the terms of a stage are kept; NULL: nowhere */
} Row;

/* The number under which expressions read the kept terms of a stage; no argument has it. */
static int kept_number(const QccEmit *e, int stage)
{
    return e->k->narg + stage;
}

/* Whether the nodes are the same operation; *same says so of their operands, which come before. */
static bool is_same(const QccExprNode *a, const QccExprNode *b, const int *same)
{
    if (a->op != b->op || a->type != b->type || memcmp(&a->imm, &b->imm, sizeof a->imm) != 0)
        return false;
    for (int k = 0; k < qcc_expr_arity(a->op); k++)
        if (same[a->in[k]] != b->in[k]) return false;
    return true;
}

/* The node of x that computes what `term` does; -1: none does. */
static int find_term(QccEmit *e, const QccExpr *x, const QccExpr *term)
{
    int *same = QCC_NEW_ARRAY(e->arena, x->n, int);
    for (int i = 0; i <= x->result; i++) {
        same[i] = -1;
        for (int j = 0; j <= term->result && same[i] < 0; j++)
            if (is_same(&x->node[i], &term->node[j], same)) same[i] = j;
        if (same[i] == term->result) return i;
    }
    return -1;
}

/* x with the kept terms of `stage` in the place of the node that computes them. */
static const QccExpr *with_kept(QccEmit *e, const QccExpr *x, const QccExpr *term, int stage)
{
    int at = find_term(e, x, term);
    if (at < 0) return x;
    QccExpr *y = QCC_NEW(e->arena, QccExpr);
    *y = *x;
    y->node = QCC_NEW_ARRAY(e->arena, x->n, QccExprNode);
    memcpy(y->node, x->node, (size_t)x->n * sizeof *x->node);
    y->node[at] = (QccExprNode){.op = QCC_EX_arg,
                                .type = x->node[at].type,
                                .in = {-1, -1, -1},
                                .imm.i = kept_number(e, stage)};
    return y;
}

/* Whether computing the term again costs more than reading it: it is more than an element of an
 * argument, converted. */
static bool is_worth_keeping(const QccEmit *e, const QccExpr *term, int stage)
{
    enum { CHEAP = 4 }; /* nodes */
    const QccKernel *k = e->k;
    return term->n > CHEAP && term->node[term->result].type == QCC_EX_F32 &&
           k->extent[k->rank - 1] * 4 <= KEPT && kept_number(e, stage) < QCC_KERNEL_ARGS;
}

/* Decides what is kept. Stands in the function's first block. */
static void plan_row(QccEmit *e, Row *r)
{
    const QccRowShape *shape = &e->k->u.rows;
    int64_t n = e->k->extent[e->k->rank - 1];
    for (int s = 0; s < shape->nstage; s++) r->term[s] = shape->stage[s].term;
    r->epilogue = e->k->epilogue;
    for (int s = 0; s < shape->nstage; s++) {
        const QccExpr *term = r->term[s];
        bool again = find_term(e, r->epilogue, term) >= 0;
        for (int t = s + 1; t < shape->nstage; t++)
            again = again || find_term(e, r->term[t], term) >= 0;
        if (!again || !is_worth_keeping(e, term, s)) continue;
        r->kept[s] = emit_stack(e, (n * 4 + 63) / 64 * 64);
        for (int t = s + 1; t < shape->nstage; t++) r->term[t] = with_kept(e, r->term[t], term, s);
        r->epilogue = with_kept(e, r->epilogue, term, s);
    }
}

/* The operands of x at the beginning of the row. */
static void row_operands(const Row *r, const QccExpr *x, EmitOperand *row)
{
    emit_row_operands(r->e, x, r->at, row);
    for (int s = 0; s < QCC_ROW_STAGES; s++)
        if (r->kept[s])
            row[kept_number(r->e, s)] =
                (EmitOperand){.dtype = QCC_F32, .step = 1, .at = r->kept[s]};
}

/* Elements i .. i + n of the row into the virtual lanes; lanes that get none stay as they are. */
static void take(const Row *r, int stage, const EmitOperand *row, Val i, int n, Val *lane)
{
    QccEmit *e = r->e;
    QccCombine how = e->k->u.rows.stage[stage].combine;
    int nv = (n + e->lanes - 1) / e->lanes;
    EmitOperand here[AT_ONCE][QCC_KERNEL_ARGS];
    EmitVector vector[AT_ONCE];
    Val term[AT_ONCE];
    for (int v = 0; v < nv; v++) {
        emit_operands_at(e, row, here[v], emit_addc(e, i, (int64_t)v * e->lanes));
        vector[v] = (EmitVector){here[v], NULL, v < nv - 1 ? e->lanes : n - v * e->lanes};
    }
    emit_exprs(e, r->term[stage], vector, nv, r->result, term);
    for (int v = 0; v < nv; v++) {
        Val *to = &lane[v % (VIRTUAL / e->lanes)], x = emit_combine(e, how, *to, term[v]);
        int count = vector[v].count;
        if (r->kept[stage]) {
            Val at = emit_mulc(e, emit_addc(e, i, (int64_t)v * e->lanes), 4);
            emit_store(e, QCC_F32, term[v], emit_at(e, r->kept[stage], at), 1, count);
        }
        if (count < e->lanes) {
            Val some[VIRTUAL];
            for (int l = 0; l < e->lanes; l++) some[l] = LLVMConstInt(e->i1, l < count, false);
            x = LLVMBuildSelect(e->b, LLVMConstVector(some, (unsigned)e->lanes), x, *to, "");
        }
        *to = x;
    }
}

/* lane[i] = combine(lane[i], lane[i + w]) for w = 8, 4, 2, 1: first whole vectors, then within one.
 * The result stands in every lane. */
static Val tree(QccEmit *e, QccCombine how, Val *lane)
{
    int vectors = VIRTUAL / e->lanes;
    for (int half = vectors / 2; half > 0; half /= 2)
        for (int v = 0; v < half; v++) lane[v] = emit_combine(e, how, lane[v], lane[v + half]);
    Val x = lane[0];
    for (int w = e->lanes / 2; w > 0; w /= 2) {
        Val index[VIRTUAL];
        for (int l = 0; l < e->lanes; l++) index[l] = emit_i32(e, l < w ? l + w : l);
        Val upper = LLVMBuildShuffleVector(e->b, x, LLVMGetPoison(LLVMTypeOf(x)),
                                           LLVMConstVector(index, (unsigned)e->lanes), "");
        x = emit_combine(e, how, x, upper);
    }
    return emit_splat(e, LLVMBuildExtractElement(e->b, x, emit_i32(e, 0), ""), e->lanes);
}

static Val emit_stage(const Row *r, int stage)
{
    QccEmit *e = r->e;
    const QccRowStage *s = &e->k->u.rows.stage[stage];
    const QccExpr *term = r->term[stage];
    int64_t n = e->k->extent[e->k->rank - 1], step = (int64_t)AT_ONCE * e->lanes;
    int64_t whole = n / step * step;
    int type = term->node[term->result].type, vectors = VIRTUAL / e->lanes;
    EmitOperand row[QCC_KERNEL_ARGS];
    Val lane[VIRTUAL] = {NULL};
    row_operands(r, term, row);
    for (int v = 0; v < vectors; v++) lane[v] = emit_identity(e, s->combine, type);
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), step, vectors, lane);
        for (int v = 0; v < vectors; v++) lane[v] = l.carry[v];
        take(r, stage, row, l.i, (int)step, lane);
        emit_loop_end(e, &l, lane);
        for (int v = 0; v < vectors; v++) lane[v] = l.carry[v];
    }
    if (n > whole) take(r, stage, row, emit_i64(e, whole), (int)(n - whole), lane);
    Val value = tree(e, s->combine, lane);
    if (!s->then) return value;
    emit_row_operands(e, s->then, r->at, row);
    return emit_expr(e, s->then, row, r->result, value, 1);
}

void emit_rows(QccEmit *e)
{
    const QccKernel *k = e->k;
    const QccRowShape *shape = &k->u.rows;
    Row r = {.e = e};
    if (!k->epilogue) qcc_emit_fail(e, QCC_ERROR_INTERNAL, "rows without an epilogue");
    assert(shape->nstage <= QCC_ROW_STAGES);
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    plan_row(e, &r);
    EmitLoop l;
    emit_loop_begin(e, &l, e->begin, e->end, 1, 0, NULL);
    Val index[QCC_MAX_RANK], at[QCC_KERNEL_ARGS], rest = l.i;
    for (int d = k->rank - 2; d >= 0; d--) {
        index[d] = d > 0 ? emit_modc(e, rest, k->extent[d]) : rest;
        if (d > 0) rest = emit_divc(e, rest, k->extent[d]);
    }
    emit_place(e, at, index, k->rank - 1);
    r.at = at;
    for (int s = 0; s < shape->nstage; s++) r.result[s] = emit_stage(&r, s);
    EmitOperand row[QCC_KERNEL_ARGS];
    row_operands(&r, r.epilogue, row);
    if (shape->reduced)
        emit_store(e, k->arg[0].dtype, emit_expr(e, r.epilogue, row, r.result, NULL, 1), at[0], 1,
                   1);
    else
        emit_row(e, r.epilogue, row, r.result, at[0], k->extent[k->rank - 1]);
    emit_loop_end(e, &l, NULL);
}
