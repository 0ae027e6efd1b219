/* turn - copies whose elements lie side by side along one dimension in memory that is read and
 * along another in memory that is written: transposes. Squares of lanes x lanes are loaded by rows,
 * turned in registers, and stored by rows, so that both sides move whole cache lines.
 */
#include "backend/llvm/emit.h"

int emit_turned_dim(const QccEmit *e)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1;
    const QccExprNode *x = &k->epilogue->node[k->epilogue->result];
    const QccKernelArg *to = &k->arg[0], *from = &k->arg[1];
    if (k->narg != 2 || x->op != QCC_EX_arg || to->dtype != from->dtype) return -1;
    if (to->stride[last] != 1 || from->stride[last] <= 1 || k->extent[last] < 4) return -1;
    for (int d = 1; d < last; d++)
        if (from->stride[d] == 1 && k->extent[d] >= 4) return d;
    return -1;
}

/* Element l of vector i and element i of vector l change places: first neighbours, then pairs of
 * pairs, ... */
static void turn(QccEmit *e, Val *v)
{
    int n = e->lanes;
    for (int w = 1; w < n; w *= 2) {
        Val low[64], high[64];
        for (int l = 0; l < n; l++) {
            low[l] = emit_i32(e, l & w ? n + l - w : l);
            high[l] = emit_i32(e, l & w ? n + l : l + w);
        }
        Val to_low = LLVMConstVector(low, (unsigned)n),
            to_high = LLVMConstVector(high, (unsigned)n);
        for (int i = 0; i < n; i++) {
            if (i & w) continue;
            Val a = v[i], b = v[i | w];
            v[i] = LLVMBuildShuffleVector(e->b, a, b, to_low, "");
            v[i | w] = LLVMBuildShuffleVector(e->b, a, b, to_high, "");
        }
    }
}

/* rows indices of the dimension that is read along, columns of the one that is written along. */
static void emit_square(QccEmit *e, Val to, Val from, int dim, int rows, int columns)
{
    const QccKernel *k = e->k;
    QccDtype dtype = k->arg[0].dtype;
    int64_t size = emit_size(e, dtype);
    Val v[64];
    for (int i = 0; i < e->lanes; i++)
        v[i] = LLVMGetPoison(emit_vector(emit_type(e, dtype), e->lanes));
    for (int i = 0; i < columns; i++)
        v[i] = emit_load(e, dtype, emit_atc(e, from, i * k->arg[1].stride[k->rank - 1] * size), 1,
                         rows);
    turn(e, v);
    for (int i = 0; i < rows; i++)
        emit_store(e, dtype, v[i], emit_atc(e, to, i * k->arg[0].stride[dim] * size), 1, columns);
}

/* All columns of some rows. */
static void emit_strip(QccEmit *e, Val to, Val from, int dim, int rows)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1;
    int64_t size = emit_size(e, k->arg[0].dtype), step = k->arg[1].stride[last] * size;
    int64_t n = k->extent[last], whole = n / e->lanes * e->lanes;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), e->lanes, 0, NULL);
        emit_square(e, emit_at(e, to, emit_mulc(e, l.i, size)),
                    emit_at(e, from, emit_mulc(e, l.i, step)), dim, rows, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    if (n > whole)
        emit_square(e, emit_atc(e, to, whole * size), emit_atc(e, from, whole * step), dim, rows,
                    (int)(n - whole));
}

void emit_turned(QccEmit *e, const Val *at, int dim)
{
    const QccKernel *k = e->k;
    int64_t size = emit_size(e, k->arg[0].dtype), step = k->arg[0].stride[dim] * size;
    int64_t n = k->extent[dim], whole = n / e->lanes * e->lanes;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), e->lanes, 0, NULL);
        emit_strip(e, emit_at(e, at[0], emit_mulc(e, l.i, step)),
                   emit_at(e, at[1], emit_mulc(e, l.i, size)), dim, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    if (n > whole)
        emit_strip(e, emit_atc(e, at[0], whole * step), emit_atc(e, at[1], whole * size), dim,
                   (int)(n - whole));
}
