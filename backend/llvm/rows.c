/* rows - reductions over the last dimension, up to three in turn, and what follows from them.
 *
 *   for each unit (a row)
 *     for each stage: 16 virtual lanes take the elements in turn; tree 8, 4, 2, 1; `then`
 *     the epilogue over the row, or once where the result is reduced
 *
 * The 16 lanes are one, two or four vectors, so the order of additions is the same on every ISA.
 */
#include <assert.h>

#include "backend/llvm/emit.h"

enum { VIRTUAL = 16 };

/* Elements i .. i + n of the row into the virtual lanes; lanes that get none stay as they are. */
static void take(QccEmit *e, const QccRowStage *s, const EmitOperand *row, const Val *result, Val i,
                 int n, Val *lane)
{
    EmitOperand here[QCC_KERNEL_ARGS];
    for (int v = 0; v * e->lanes < n; v++) {
        int count = n - v * e->lanes < e->lanes ? n - v * e->lanes : e->lanes;
        emit_operands_at(e, row, here, emit_addc(e, i, (int64_t)v * e->lanes));
        Val x = emit_expr(e, s->term, here, result, NULL, count);
        x = emit_combine(e, s->combine, lane[v], x);
        if (count < e->lanes) {
            Val some[VIRTUAL];
            for (int l = 0; l < e->lanes; l++) some[l] = LLVMConstInt(e->i1, l < count, false);
            x = LLVMBuildSelect(e->b, LLVMConstVector(some, (unsigned)e->lanes), x, lane[v], "");
        }
        lane[v] = x;
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

static Val emit_stage(QccEmit *e, const QccRowStage *s, const Val *at, const Val *result)
{
    const QccKernel *k = e->k;
    int64_t n = k->extent[k->rank - 1], whole = n / VIRTUAL * VIRTUAL;
    int type = s->term->node[s->term->result].type, vectors = VIRTUAL / e->lanes;
    EmitOperand row[QCC_KERNEL_ARGS];
    Val lane[VIRTUAL] = {NULL};
    emit_row_operands(e, s->term, at, row);
    for (int v = 0; v < vectors; v++) lane[v] = emit_identity(e, s->combine, type);
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), VIRTUAL, vectors, lane);
        for (int v = 0; v < vectors; v++) lane[v] = l.carry[v];
        take(e, s, row, result, l.i, VIRTUAL, lane);
        emit_loop_end(e, &l, lane);
        for (int v = 0; v < vectors; v++) lane[v] = l.carry[v];
    }
    if (n > whole) take(e, s, row, result, emit_i64(e, whole), (int)(n - whole), lane);
    Val value = tree(e, s->combine, lane);
    if (!s->then) return value;
    emit_row_operands(e, s->then, at, row);
    return emit_expr(e, s->then, row, result, value, 1);
}

void emit_rows(QccEmit *e)
{
    const QccKernel *k = e->k;
    const QccRowShape *r = &k->u.rows;
    if (!k->epilogue) qcc_emit_fail(e, QCC_ERROR_INTERNAL, "rows without an epilogue");
    assert(r->nstage <= QCC_ROW_STAGES);
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    EmitLoop l;
    emit_loop_begin(e, &l, e->begin, e->end, 1, 0, NULL);
    Val index[QCC_MAX_RANK], at[QCC_KERNEL_ARGS], result[QCC_ROW_STAGES] = {NULL}, rest = l.i;
    for (int d = k->rank - 2; d >= 0; d--) {
        index[d] = d > 0 ? emit_modc(e, rest, k->extent[d]) : rest;
        if (d > 0) rest = emit_divc(e, rest, k->extent[d]);
    }
    emit_place(e, at, index, k->rank - 1);
    for (int s = 0; s < r->nstage; s++) result[s] = emit_stage(e, &r->stage[s], at, result);
    if (r->reduced) {
        EmitOperand row[QCC_KERNEL_ARGS];
        emit_row_operands(e, k->epilogue, at, row);
        emit_store(e, k->arg[0].dtype, emit_expr(e, k->epilogue, row, result, NULL, 1), at[0], 1,
                   1);
    } else {
        emit_row(e, at, result, k->extent[k->rank - 1]);
    }
    emit_loop_end(e, &l, NULL);
}
