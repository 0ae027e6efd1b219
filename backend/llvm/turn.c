/* turn - maps of one operand whose elements lie side by side along one dimension in memory that is
 * read and along another in memory that is written: transposes. Squares of lanes x lanes are loaded
 * by rows, turned in registers, and stored by rows, so that both sides move whole cache lines. A
 * few planes of bytes, as the channels of an image, become one by registers that take from each in
 * turn.
 */
#include "backend/llvm/emit.h"

static bool is_copy(const QccKernel *k)
{
    return k->epilogue->node[k->epilogue->result].op == QCC_EX_arg;
}

static bool looks_up(const QccExpr *x)
{
    return qcc_expr_has(x, QCC_EX_lut) || qcc_expr_has(x, QCC_EX_load);
}

int emit_turned_dim(const QccEmit *e)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1;
    const QccKernelArg *to = &k->arg[0], *from = &k->arg[1];
    if (k->narg != 2 || to->dtype != from->dtype) return -1;
    if (!is_copy(k) && (to->dtype != QCC_I32 || looks_up(k->epilogue))) return -1;
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
    for (int i = 0; i < columns && !is_copy(k); i++) {
        EmitOperand operand[2] = {{0}, {.dtype = dtype, .step = 1, .value = v[i]}};
        v[i] = emit_expr(e, k->epilogue, operand, NULL, NULL, rows);
    }
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

/* ---- few planes ------------------------------------------------------------------------------ */

enum { PLANES = 4 };

/* Whether a map from bytes to bytes adds a number to each. */
static bool adds_number(const QccKernel *k, int32_t *number)
{
    const QccExprNode *node = k->epilogue->node, *sum = &node[k->epilogue->result];
    *number = 0;
    if (k->arg[0].dtype == QCC_BOOL || k->arg[1].dtype == QCC_BOOL || sum->op != QCC_EX_add ||
        node[sum->in[0]].op != QCC_EX_arg || node[sum->in[1]].op != QCC_EX_imm)
        return false;
    *number = (int32_t)node[sum->in[1]].imm.i;
    return sum->type == QCC_EX_I32;
}

bool emit_interleaves(const QccEmit *e)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1, number;
    const QccKernelArg *to = &k->arg[0], *from = &k->arg[1];
    if (k->narg != 2 || last < 2 || qcc_dtype_bits(from->dtype) != 8) return false;
    if (!adds_number(k, &number) && (!is_copy(k) || to->dtype != from->dtype)) return false;
    int64_t planes = k->extent[last];
    return qcc_dtype_bits(to->dtype) == 8 && planes >= 2 && planes <= PLANES &&
           to->stride[last] == 1 && to->stride[last - 1] == planes && from->stride[last - 1] == 1;
}

/* Register `part` of those that hold plane[0][0], plane[1][0], .., plane[0][1], .. */
static Val interleave(QccEmit *e, const Val *plane, int planes, int part)
{
    int bytes = 4 * e->lanes;
    Val all = plane[0], pick[4 * 16];
    for (int p = 0; p < planes; p++) {
        for (int l = 0; l < bytes; l++) {
            int at = part * bytes + l;
            pick[l] = emit_i32(e, at % planes == p ? bytes + at / planes : p ? l : 0);
        }
        all =
            LLVMBuildShuffleVector(e->b, all, plane[p], LLVMConstVector(pick, (unsigned)bytes), "");
    }
    return all;
}

static void emit_pixels(QccEmit *e, Val to, Val from, int n)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1, planes = (int)k->extent[last], bytes = 4 * e->lanes;
    Val plane[PLANES];
    int32_t number;
    bool adds = adds_number(k, &number);
    for (int p = 0; p < planes; p++) {
        plane[p] = emit_load_bytes(e, emit_atc(e, from, p * k->arg[1].stride[last]), n);
        Val same = emit_splat(e, LLVMConstInt(e->i8, (uint8_t)number, false), bytes);
        if (adds) plane[p] = LLVMBuildAdd(e->b, plane[p], same, "");
    }
    for (int part = 0; part * bytes < n * planes; part++) {
        int rest = n * planes - part * bytes;
        emit_store_bytes(e, interleave(e, plane, planes, part), emit_atc(e, to, part * bytes),
                         rest < bytes ? rest : bytes);
    }
}

void emit_interleaved(QccEmit *e, const Val *at)
{
    const QccKernel *k = e->k;
    int64_t planes = k->extent[k->rank - 1], n = k->extent[k->rank - 2];
    int64_t bytes = 4 * (int64_t)e->lanes, whole = n / bytes * bytes;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), bytes, 0, NULL);
        emit_pixels(e, emit_at(e, at[0], emit_mulc(e, l.i, planes)), emit_at(e, at[1], l.i),
                    (int)bytes);
        emit_loop_end(e, &l, NULL);
    }
    if (n > whole)
        emit_pixels(e, emit_atc(e, at[0], whole * planes), emit_atc(e, at[1], whole),
                    (int)(n - whole));
}
