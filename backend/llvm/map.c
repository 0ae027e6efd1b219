/* map - no accumulator: the epilogue over every index, vectors along the last dimension.
 *
 * Arguments whose last stride is 1 are loaded as vectors, those of stride 0 once a row; others, as
 * in transposes, element by element. A map that only looks bytes up in a table takes them by whole
 * registers.
 */
#include <string.h>

#include "backend/llvm/emit.h"

enum {
    MAP_BLOCK = 4096, /* elements of a unit of rank 1 (qcc_kernel_work) */
    WIDE = 4,         /* vectors an iteration, so that narrow results fill a register */
    LONG_EXPR = 96    /* nodes from which on one vector is work enough */
};

static bool uses(const QccExpr *x, int argument)
{
    for (int i = 0; i <= x->result; i++)
        if (x->node[i].op == QCC_EX_arg && x->node[i].imm.i == argument) return true;
    return false;
}

void emit_row_operands(QccEmit *e, const QccExpr *x, const Val *at, EmitOperand *operand)
{
    const QccKernel *k = e->k;
    memset(operand, 0, QCC_KERNEL_ARGS * sizeof *operand);
    for (int a = k->nanchor + 1; a < k->narg; a++) {
        int64_t step = k->arg[a].stride[k->rank - 1];
        operand[a] = (EmitOperand){.dtype = k->arg[a].dtype, .step = step, .at = at[a]};
        if (step == 0 && x && uses(x, a))
            operand[a].value = emit_load_wide(e, k->arg[a].dtype, at[a], 0, e->lanes);
    }
}

void emit_operands_at(QccEmit *e, const EmitOperand *row, EmitOperand *here, Val i)
{
    for (int a = 0; a < QCC_KERNEL_ARGS; a++) {
        here[a] = row[a];
        if (row[a].step == 0) continue;
        here[a].at =
            emit_at(e, row[a].at, emit_mulc(e, i, row[a].step * emit_size(e, row[a].dtype)));
    }
}

/* n vectors from element i on, the last with `last` lanes. saturates: x leaves it to the store to
 * clamp to bytes. */
static void emit_vectors(QccEmit *e, const QccExpr *x, bool saturates, const EmitOperand *row,
                         const Val *result, Val out, Val i, int n, int last)
{
    const QccKernel *k = e->k;
    const QccKernelArg *to = &k->arg[0];
    int64_t step = to->stride[k->rank - 1], size = emit_size(e, to->dtype);
    Val value[WIDE];
    EmitOperand here[WIDE][QCC_KERNEL_ARGS];
    EmitVector vector[WIDE];
    for (int w = 0; w < n; w++) {
        emit_operands_at(e, row, here[w], emit_addc(e, i, (int64_t)w * e->lanes));
        vector[w] = (EmitVector){
            .operand = here[w], .result = result, .count = w == n - 1 ? last : e->lanes};
    }
    emit_exprs(e, x, vector, n, value);
    if (saturates) {
        for (int w = n; w < WIDE; w++) value[w] = value[0]; /* anything: it is dropped */
        emit_store_bytes(e, emit_saturate(e, to->dtype, value), emit_at(e, out, i),
                         (n - 1) * e->lanes + last);
        return;
    }
    if (step == 1) {
        emit_store_run(e, to->dtype, value, n, emit_at(e, out, emit_mulc(e, i, size)), last);
        return;
    }
    for (int w = 0; w < n; w++) {
        Val at = emit_mulc(e, emit_addc(e, i, (int64_t)w * e->lanes), step * size);
        emit_store(e, to->dtype, value[w], emit_at(e, out, at), step, vector[w].count);
    }
}

/* Whether the epilogue is one look-up of bytes side by side, which stay bytes; *from: of which
 * argument, *table: in which. */
static bool is_byte_table(const QccEmit *e, int *from, int *table)
{
    const QccKernel *k = e->k;
    const QccExprNode *lut = &k->epilogue->node[k->epilogue->result];
    if (lut->op != QCC_EX_lut) return false;
    const QccExprNode *index = &k->epilogue->node[lut->in[0]];
    if (index->op != QCC_EX_arg || index->imm.i >= QCC_ROW_RESULT) return false;
    *from = (int)index->imm.i;
    *table = (int)lut->imm.i;
    const QccKernelArg *in = &k->arg[*from], *out = &k->arg[0];
    return qcc_dtype_bits(in->dtype) == 8 && in->stride[k->rank - 1] == 1 &&
           qcc_dtype_bits(out->dtype) == 8 && out->stride[k->rank - 1] == 1;
}

static void emit_table_row(QccEmit *e, Val to, Val from, Val table, int64_t n)
{
    int64_t step = 4 * (int64_t)e->lanes, whole = n / step * step;
    int rest = (int)(n - whole);
    Val part[EMIT_TABLE];
    emit_table_parts(e, table, part);
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), step, 0, NULL);
        Val bytes = emit_load_bytes(e, emit_at(e, from, l.i), (int)step);
        emit_store_bytes(e, emit_table(e, part, bytes), emit_at(e, to, l.i), (int)step);
        emit_loop_end(e, &l, NULL);
    }
    if (!rest) return;
    Val bytes = emit_load_bytes(e, emit_atc(e, from, whole), rest);
    emit_store_bytes(e, emit_table(e, part, bytes), emit_atc(e, to, whole), rest);
}

void emit_row(QccEmit *e, const QccExpr *x, const EmitOperand *row, const Val *result, Val out,
              int64_t n)
{
    const QccKernelArg *to = &e->k->arg[0];
    QccExpr raw;
    bool saturates = to->stride[e->k->rank - 1] == 1 && emit_saturates(x, to->dtype, &raw);
    if (saturates) x = &raw;
    int wide = x->n >= LONG_EXPR && !saturates ? 1 : WIDE;
    int64_t step = (int64_t)wide * e->lanes, whole = n / step * step;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), step, 0, NULL);
        emit_vectors(e, x, saturates, row, result, out, l.i, wide, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    int rest = (int)(n - whole);
    int vectors = (rest + e->lanes - 1) / e->lanes;
    if (rest)
        emit_vectors(e, x, saturates, row, result, out, emit_i64(e, whole), vectors,
                     rest - (vectors - 1) * e->lanes);
}

/* The kernel's epilogue over a row of n elements. */
static void emit_mapped(QccEmit *e, const Val *at, int64_t n)
{
    const QccExpr *x = e->k->epilogue;
    EmitOperand row[QCC_KERNEL_ARGS];
    int from, table;
    if (is_byte_table(e, &from, &table)) {
        emit_table_row(e, at[0], at[from], at[table], n);
        return;
    }
    emit_row_operands(e, x, at, row);
    emit_row(e, x, row, NULL, at[0], n);
}

/* Loops over the dimensions d .. rank-2, then the row, or (turned: a dimension, else -1) the rows
 * of all indices of that dimension. */
static void emit_nest(QccEmit *e, const Val *at, int d, int turned)
{
    const QccKernel *k = e->k;
    if (d == emit_interleaved_dim(e)) {
        emit_interleaved(e, at);
        return;
    }
    if (d == turned) {
        emit_nest(e, at, d + 1, turned);
        return;
    }
    if (d == k->rank - 1) {
        if (turned >= 0)
            emit_turned(e, at, turned);
        else
            emit_mapped(e, at, k->extent[d]);
        return;
    }
    EmitLoop l;
    Val here[QCC_KERNEL_ARGS];
    emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, k->extent[d]), 1, 0, NULL);
    emit_advance(e, here, at, d, l.i);
    emit_nest(e, here, d + 1, turned);
    emit_loop_end(e, &l, NULL);
}

/* A single dimension: units are blocks, the last one shorter. */
static void emit_line(QccEmit *e, Val unit, const Val *base)
{
    int64_t n = e->k->extent[0], whole = n / MAP_BLOCK, rest = n % MAP_BLOCK;
    Val at[QCC_KERNEL_ARGS];
    emit_advance(e, at, base, 0, emit_mulc(e, unit, MAP_BLOCK));
    if (whole) {
        Val is_whole = LLVMBuildICmp(e->b, LLVMIntSLT, unit, emit_i64(e, whole), "");
        LLVMBasicBlockRef join = emit_if_begin(e, is_whole);
        emit_mapped(e, at, MAP_BLOCK);
        emit_if_end(e, join);
    }
    if (rest) {
        Val is_rest = LLVMBuildICmp(e->b, LLVMIntEQ, unit, emit_i64(e, whole), "");
        LLVMBasicBlockRef join = emit_if_begin(e, is_rest);
        emit_mapped(e, at, rest);
        emit_if_end(e, join);
    }
}

/* No dimension: one element. */
static void emit_point(QccEmit *e, const Val *at)
{
    EmitOperand operand[QCC_KERNEL_ARGS] = {0};
    for (int a = 1; a < e->k->narg; a++)
        operand[a] = (EmitOperand){.dtype = e->k->arg[a].dtype, .at = at[a]};
    emit_store(e, e->k->arg[0].dtype, emit_expr(e, e->k->epilogue, operand, NULL, NULL, 1), at[0],
               1, 1);
}

void emit_map(QccEmit *e)
{
    const QccKernel *k = e->k;
    if (!k->epilogue) qcc_emit_fail(e, QCC_ERROR_INTERNAL, "a map without an expression");
    if (qcc_kernel_work(k, e->lanes) == 0) return;
    EmitLoop l;
    Val base[QCC_KERNEL_ARGS], at[QCC_KERNEL_ARGS];
    emit_place(e, base, NULL, 0);
    emit_loop_begin(e, &l, e->begin, e->end, 1, 0, NULL);
    if (k->rank == 0) {
        emit_point(e, base);
    } else if (k->rank == 1) {
        emit_line(e, l.i, base);
    } else {
        emit_advance(e, at, base, 0, l.i);
        emit_nest(e, at, 1, emit_turned_dim(e));
    }
    emit_loop_end(e, &l, NULL);
}
