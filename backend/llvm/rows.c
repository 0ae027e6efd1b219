/* rows - reductions over the last dimension, up to three in turn, and what follows from them.
 *
 *   for each unit (variant.mr rows)
 *     for each stage, for each variant.nr rows: 16 virtual lanes take the elements in turn;
 *       tree 8, 4, 2, 1; `then`
 *     for each row: the epilogue over it, or once where the result is reduced
 *
 * The 16 lanes are one, two or four vectors, so the order of additions is the same on every ISA.
 * That order makes each lane one long chain. So some rows go through a stage side by side: while
 * one waits for its sum the others go on, and from some width of the tree on they share its
 * vectors, and `then`. Where there are no more rows the last one is done several times over. A unit
 * has several times as many rows, so that there is work between a result and those that wait for
 * it. What a stage has computed of each element and later passes over the row compute again, say
 * the exponentials of a softmax, is kept on the stack where the rows are short.
 */
#include <assert.h>
#include <string.h>

#include "backend/llvm/emit.h"

enum {
    VIRTUAL = 16,
    AT_ONCE = 4,     /* vectors of elements that are computed together */
    KEPT = 24 << 10, /* bytes of a unit that are kept at most, so that they stay in L1 */
};

/* The rows of a unit at work. The expressions are those of the kernel, but that they read what is
 * kept. */
typedef struct Rows {
    QccEmit *e;
    int side;         /* rows side by side */
    int64_t all;      /* rows of the kernel */
    Val first, count; /* of the unit */
    const QccExpr *term[QCC_ROW_STAGES], *epilogue;
    Val kept[QCC_ROW_STAGES];   /* where the terms of a stage are kept; NULL: nowhere */
    Val result[QCC_ROW_STAGES]; /* where those of a stage are, lanes / side numbers apart */
    Typ type[QCC_ROW_STAGES];   /* of such a number */
} Rows;

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

/* From one row's kept terms to the next one's. */
static int64_t kept_bytes(const QccEmit *e)
{
    return (e->k->extent[e->k->rank - 1] * 4 + 63) / 64 * 64;
}

/* Whether computing the term again costs more than reading it: it is more than an element of an
 * argument, converted. */
static bool is_worth_keeping(const QccEmit *e, const QccExpr *term, int stage)
{
    enum { CHEAP = 4 }; /* nodes */
    return term->n > CHEAP && term->node[term->result].type == QCC_EX_F32 &&
           kept_number(e, stage) < QCC_KERNEL_ARGS;
}

static int64_t number_size(const Rows *r, int stage)
{
    return r->type[stage] == r->e->i64 || r->type[stage] == r->e->f64 ? 8 : 4;
}

/* Decides what is kept. Stands in the function's first block. */
static void plan_rows(QccEmit *e, Rows *r)
{
    const QccRowShape *shape = &e->k->u.rows;
    int64_t rows = qcc_kernel_rows(e->k), room = KEPT;
    for (int s = 0; s < shape->nstage; s++) {
        const QccExpr *last = shape->stage[s].then ? shape->stage[s].then : shape->stage[s].term;
        int type = last->node[last->result].type;
        r->term[s] = shape->stage[s].term;
        r->type[s] = emit_expr_type(e, type);
        r->result[s] = emit_stack(e, rows / r->side * e->lanes * number_size(r, s));
    }
    r->epilogue = e->k->epilogue;
    for (int s = 0; s < shape->nstage; s++) {
        const QccExpr *term = r->term[s];
        bool again = find_term(e, r->epilogue, term) >= 0;
        for (int t = s + 1; t < shape->nstage; t++)
            again = again || find_term(e, r->term[t], term) >= 0;
        if (!again || !is_worth_keeping(e, term, s) || rows * kept_bytes(e) > room) continue;
        room -= rows * kept_bytes(e);
        r->kept[s] = emit_stack(e, rows * kept_bytes(e));
        for (int t = s + 1; t < shape->nstage; t++) r->term[t] = with_kept(e, r->term[t], term, s);
        r->epilogue = with_kept(e, r->epilogue, term, s);
    }
}

/* The operands of x at the beginning of row `number` of the unit, which is at `at`. */
static void row_operands(const Rows *r, const QccExpr *x, const Val *at, Val number,
                         EmitOperand *row)
{
    QccEmit *e = r->e;
    emit_row_operands(e, x, at, row);
    for (int s = 0; s < QCC_ROW_STAGES; s++) {
        if (!r->kept[s]) continue;
        Val kept = emit_at(e, r->kept[s], emit_mulc(e, number, kept_bytes(e)));
        row[kept_number(e, s)] = (EmitOperand){.dtype = QCC_F32, .step = 1, .at = kept};
    }
}

/* Where stage s leaves its result for a row. */
static Val result_at(const Rows *r, int s, Val number)
{
    return emit_at(r->e, r->result[s],
                   emit_mulc(r->e, number, r->e->lanes / r->side * number_size(r, s)));
}

/* What the first n stages gave for a row, each in every lane. */
static void row_results(const Rows *r, int n, Val number, Val *result)
{
    for (int s = 0; s < n; s++) {
        Val at = result_at(r, s, number);
        result[s] = emit_load_vector(r->e, r->type[s], at, (int)number_size(r, s));
        result[s] = emit_splat(r->e, result[s], r->e->lanes);
    }
}

static void place_row(QccEmit *e, Val row, Val *at)
{
    const QccKernel *k = e->k;
    Val index[QCC_MAX_RANK];
    for (int d = k->rank - 2; d >= 0; d--) {
        index[d] = d > 0 ? emit_modc(e, row, k->extent[d]) : row;
        if (d > 0) row = emit_divc(e, row, k->extent[d]);
    }
    emit_place(e, at, index, k->rank - 1);
}

/* Rows side by side in a stage. */
typedef struct Pass {
    int stage;
    Val number; /* of the first one */
    EmitOperand row[AT_ONCE][QCC_KERNEL_ARGS];
    Val kept[AT_ONCE];
    Val result[AT_ONCE][QCC_ROW_STAGES];
} Pass;

/* What is the same for all rows is loaded once. */
static void begin_pass(const Rows *r, Pass *p)
{
    QccEmit *e = r->e;
    const QccKernel *k = e->k;
    for (int j = 0; j < r->side; j++) {
        Val at[QCC_KERNEL_ARGS], number = emit_addc(e, p->number, j);
        Val row = emit_add(e, r->first, number);
        if (r->all % r->side) row = emit_min(e, row, emit_i64(e, r->all - 1));
        place_row(e, row, at);
        row_operands(r, r->term[p->stage], at, number, p->row[j]);
        row_results(r, p->stage, number, p->result[j]);
        if (r->kept[p->stage])
            p->kept[j] = emit_at(e, r->kept[p->stage], emit_mulc(e, number, kept_bytes(e)));
        for (int a = 1; a < k->narg; a++) {
            bool same = true;
            for (int d = 0; d < k->rank; d++) same = same && k->arg[a].stride[d] == 0;
            if (same) p->row[j][a] = p->row[0][a];
        }
    }
}

/* Elements i .. i + n of each row into its virtual lanes; lanes that get none stay as they are. */
static void take(const Rows *r, const Pass *p, Val i, int n, Val *lane)
{
    QccEmit *e = r->e;
    QccCombine how = e->k->u.rows.stage[p->stage].combine;
    int nv = (n + e->lanes - 1) / e->lanes, vectors = VIRTUAL / e->lanes;
    EmitOperand here[AT_ONCE][QCC_KERNEL_ARGS];
    EmitVector vector[AT_ONCE];
    Val term[AT_ONCE];
    for (int w = 0; w < r->side * nv; w++) {
        int j = w / nv, v = w % nv;
        emit_operands_at(e, p->row[j], here[w], emit_addc(e, i, (int64_t)v * e->lanes));
        vector[w] = (EmitVector){.operand = here[w],
                                 .result = p->result[j],
                                 .count = v < nv - 1 ? e->lanes : n - v * e->lanes};
    }
    emit_exprs(e, r->term[p->stage], vector, r->side * nv, term);
    for (int w = 0; w < r->side * nv; w++) {
        int j = w / nv, v = w % nv, count = vector[w].count;
        Val *to = &lane[j * vectors + v % vectors], x = emit_combine(e, how, *to, term[w]);
        if (r->kept[p->stage]) {
            Val at = emit_mulc(e, emit_addc(e, i, (int64_t)v * e->lanes), 4);
            emit_store(e, QCC_F32, term[w], emit_at(e, p->kept[j], at), 1, count);
        }
        if (count < e->lanes) {
            Val some[VIRTUAL];
            for (int l = 0; l < e->lanes; l++) some[l] = LLVMConstInt(e->i1, l < count, false);
            x = LLVMBuildSelect(e->b, LLVMConstVector(some, (unsigned)e->lanes), x, *to, "");
        }
        *to = x;
    }
}

/* Lane l of the result is lane from[l] of a and b side by side. */
static Val shuffle(QccEmit *e, Val a, Val b, const int *from)
{
    Val index[VIRTUAL];
    for (int l = 0; l < e->lanes; l++) index[l] = emit_i32(e, from[l]);
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(index, (unsigned)e->lanes), "");
}

/* lane[i] = combine(lane[i], lane[i + w]) for w = 8, 4, 2, 1: first whole vectors, then parts of
 * one. Two rows whose parts fill no more than a vector go on in one. The result of row j ends in
 * lane j * lanes / side. */
static Val tree(const Rows *r, QccCombine how, Val *lane)
{
    QccEmit *e = r->e;
    int vectors = VIRTUAL / e->lanes, n = r->side;
    Val x[AT_ONCE];
    for (int j = 0; j < n; j++) {
        Val *own = lane + (size_t)j * (size_t)vectors;
        for (int half = vectors / 2; half > 0; half /= 2)
            for (int v = 0; v < half; v++) own[v] = emit_combine(e, how, own[v], own[v + half]);
        x[j] = own[0];
    }
    int part = e->lanes; /* lanes from row to row */
    for (int w = e->lanes / 2; w > 0; w /= 2) {
        int lower[VIRTUAL], upper[VIRTUAL], other = n > 1;
        if (other) {
            n /= 2;
            part = w;
        }
        for (int l = 0; l < e->lanes; l++) {
            /* Two vectors side by side have their rows twice as far apart as the one has. */
            lower[l] = other ? l / w * 2 * w + l % w : l;
            upper[l] = l % part < w ? lower[l] + w : lower[l];
        }
        for (int j = 0; j < n; j++) {
            Val a = x[other ? 2 * j : j], b = x[other ? 2 * j + 1 : j];
            x[j] = emit_combine(e, how, shuffle(e, a, b, lower), shuffle(e, a, b, upper));
        }
    }
    return x[0];
}

/* A stage of the rows from `number` on that go side by side. */
static void emit_pass(const Rows *r, int stage, Val number)
{
    QccEmit *e = r->e;
    const QccRowStage *s = &e->k->u.rows.stage[stage];
    const QccExpr *term = r->term[stage];
    int64_t n = e->k->extent[e->k->rank - 1], step = (int64_t)AT_ONCE / r->side * e->lanes;
    int64_t whole = n / step * step;
    int type = term->node[term->result].type, lanes = r->side * VIRTUAL / e->lanes;
    Val lane[AT_ONCE] = {NULL};
    Pass p = {.stage = stage, .number = number};
    begin_pass(r, &p);
    for (int v = 0; v < lanes; v++) lane[v] = emit_identity(e, s->combine, type);
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), step, lanes, lane);
        memcpy(lane, l.carry, (size_t)lanes * sizeof *lane);
        take(r, &p, l.i, (int)step, lane);
        emit_loop_end(e, &l, lane);
        memcpy(lane, l.carry, (size_t)lanes * sizeof *lane);
    }
    if (n > whole) take(r, &p, emit_i64(e, whole), (int)(n - whole), lane);
    Val value = tree(r, s->combine, lane);
    if (s->then) {
        EmitOperand none[QCC_KERNEL_ARGS] = {0};
        Val earlier[QCC_ROW_STAGES];
        for (int i = 0; i < stage; i++)
            earlier[i] = emit_load_vector(e, emit_vector(r->type[i], e->lanes),
                                          result_at(r, i, number), (int)number_size(r, i));
        value = emit_expr(e, s->then, none, earlier, value, e->lanes);
    }
    Val store = LLVMBuildStore(e->b, value, result_at(r, stage, number));
    LLVMSetAlignment(store, (unsigned)number_size(r, stage));
}

/* The epilogue of a row. */
static void finish_row(const Rows *r, Val number)
{
    QccEmit *e = r->e;
    const QccKernel *k = e->k;
    EmitOperand row[QCC_KERNEL_ARGS];
    Val at[QCC_KERNEL_ARGS], result[QCC_ROW_STAGES];
    place_row(e, emit_add(e, r->first, number), at);
    row_operands(r, r->epilogue, at, number, row);
    row_results(r, k->u.rows.nstage, number, result);
    if (!k->u.rows.reduced) {
        emit_row(e, r->epilogue, row, result, at[0], k->extent[k->rank - 1]);
        return;
    }
    Val value = emit_expr(e, r->epilogue, row, result, NULL, 1);
    emit_store(e, k->arg[0].dtype, value, at[0], 1, 1);
}

void emit_rows(QccEmit *e)
{
    const QccKernel *k = e->k;
    int rows = (int)qcc_kernel_rows(k);
    Rows r = {.e = e, .side = k->variant.nr, .all = 1};
    if (!k->epilogue) qcc_emit_fail(e, QCC_ERROR_INTERNAL, "rows without an epilogue");
    if (r.side < 1 || r.side > e->lanes / 4 || AT_ONCE % r.side || rows % r.side)
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "%d rows, %d side by side", rows, r.side);
    assert(k->u.rows.nstage <= QCC_ROW_STAGES);
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    for (int d = 0; d < k->rank - 1; d++) r.all *= k->extent[d];
    plan_rows(e, &r);
    EmitLoop unit, l;
    emit_loop_begin(e, &unit, e->begin, e->end, 1, 0, NULL);
    r.first = emit_mulc(e, unit.i, rows);
    r.count = emit_i64(e, rows);
    if (r.all % rows)
        r.count = emit_min(e, r.count, LLVMBuildSub(e->b, emit_i64(e, r.all), r.first, ""));
    for (int s = 0; s < k->u.rows.nstage; s++) {
        emit_loop_begin(e, &l, emit_i64(e, 0), r.count, r.side, 0, NULL);
        emit_pass(&r, s, l.i);
        emit_loop_end(e, &l, NULL);
    }
    emit_loop_begin(e, &l, emit_i64(e, 0), r.count, 1, 0, NULL);
    finish_row(&r, l.i);
    emit_loop_end(e, &l, NULL);
    emit_loop_end(e, &unit, NULL);
}
