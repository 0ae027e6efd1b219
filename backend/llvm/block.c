/* block - where a block of accumulators begins, and its epilogue: pixels x vectors of channels. */
#include "backend/llvm/emit.h"

void emit_advance(QccEmit *e, Val *to, const Val *from, int dim, Val by)
{
    const QccKernel *k = e->k;
    for (int a = 0; a < k->narg; a++) {
        if (a > 0 && a <= k->nanchor) continue;
        int64_t bytes = k->arg[a].stride[dim] * emit_size(e, k->arg[a].dtype);
        to[a] = emit_at(e, from[a], emit_mulc(e, by, bytes));
        if (to[a] != from[a]) to[a] = emit_opaque(e, to[a]);
    }
}

/* Operand a for pixel i, vector j. What does not depend on the pixel, or on the channel, was loaded
 * for an earlier one and stays. */
static void step_operand(QccEmit *e, EmitOperand *o, const QccKernelArg *arg, Val at, int i, int j)
{
    int64_t pixel = arg->stride[2], channel = arg->stride[3];
    bool kept = o->value && pixel == 0 && (i > 0 || channel == 0);
    *o = (EmitOperand){
        .dtype = arg->dtype,
        .step = channel,
        .value = kept ? o->value : NULL,
        .at = emit_atc(e, at,
                       (i * pixel + (int64_t)j * e->lanes * channel) * emit_size(e, arg->dtype))};
}

const QccExpr *emit_block_start(QccEmit *e, const Val *at, Val *acc, int mr, int nv, int last)
{
    const QccKernel *k = e->k;
    QccExpr *rest = QCC_NEW(e->arena, QccExpr);
    int a = emit_addend(e, k->epilogue, rest);
    Typ type = emit_vector(k->arg[1].dtype == QCC_F32 ? e->f32 : e->i32, e->lanes);
    for (int j = 0; j < nv; j++) {
        EmitOperand addend = {0};
        for (int i = 0; i < mr; i++) {
            Val *sum = &acc[i * nv + j];
            *sum = LLVMConstNull(type);
            if (a < 0) continue;
            step_operand(e, &addend, &k->arg[a], at[a], i, j);
            if (!addend.value)
                addend.value = emit_load_wide(e, addend.dtype, addend.at, addend.step,
                                              j == nv - 1 ? last : e->lanes);
            *sum = addend.value;
        }
    }
    return a < 0 ? k->epilogue : rest;
}

enum {
    WIDE = 2,  /* vectors of a pixel that are narrowed and stored together, */
    BYTES = 4, /* as many as fill a register with bytes, where they may be of several pixels */
};

/* A block at work. */
typedef struct Block {
    QccEmit *e;
    const QccExpr *epilogue;
    const Val *at, *acc;
    int nv, last;
    EmitOperand operand[BYTES][QCC_KERNEL_ARGS];
} Block;

/* The epilogue of `pixels` pixels from i on, of each the vectors [j, j + n). What does not depend
 * on the pixel is loaded for the first one, so that all have the same registers. */
static void evaluate(Block *b, int i, int pixels, int j, int n, Val *out)
{
    const QccKernel *k = b->e->k;
    EmitVector vector[BYTES];
    for (int v = 0; v < pixels * n; v++) {
        int w = v % n, count = j + w == b->nv - 1 ? b->last : b->e->lanes;
        for (int a = k->nanchor + 1; a < k->narg; a++) {
            EmitOperand *o = &b->operand[v][a];
            if (v >= n) *o = b->operand[w][a];
            step_operand(b->e, o, &k->arg[a], b->at[a], i + v / n, j + w);
            if (!o->value && k->arg[a].stride[2] == 0)
                o->value = emit_load_wide(b->e, o->dtype, o->at, o->step, count);
        }
        Val acc = b->acc[(i + v / n) * b->nv + j + w];
        vector[v] = (EmitVector){.operand = b->operand[v], .acc = acc, .count = count};
    }
    emit_exprs(b->e, b->epilogue, vector, pixels * n, out);
}

/* Where vector j of pixel i goes. */
static Val result_at(const Block *b, int i, int j)
{
    const QccKernelArg *to = &b->e->k->arg[0];
    int64_t offset = i * to->stride[2] + (int64_t)j * b->e->lanes * to->stride[3];
    return emit_atc(b->e, b->at[0], offset * emit_size(b->e, to->dtype));
}

static void store(const Block *b, int i, int j, int n, const Val *out)
{
    const QccKernelArg *to = &b->e->k->arg[0];
    int count = j + n == b->nv ? b->last : b->e->lanes;
    if (to->stride[3] == 1) {
        emit_store_run(b->e, to->dtype, out, n, result_at(b, i, j), count);
        return;
    }
    for (int w = 0; w < n; w++)
        emit_store(b->e, to->dtype, out[w], result_at(b, i, j + w), to->stride[3],
                   w == n - 1 ? count : b->e->lanes);
}

/* Vectors [j, j + n) of `pixels` pixels from i on, as bytes of one register. */
static void store_saturated(const Block *b, int i, int pixels, int j, int n, Val *out)
{
    int lanes = b->e->lanes, count = j + n == b->nv ? b->last : lanes;
    for (int v = pixels * n; v < BYTES; v++) out[v] = out[0]; /* anything: it is dropped */
    Val bytes = emit_saturate(b->e, b->e->k->arg[0].dtype, out);
    for (int p = 0; p < pixels; p++)
        emit_store_part(b->e, bytes, p * n * lanes, (n - 1) * lanes + count,
                        result_at(b, i + p, j));
}

void emit_block_epilogue(QccEmit *e, const QccExpr *epilogue, const Val *at, const Val *acc, int mr,
                         int nv, int last)
{
    const QccKernel *k = e->k;
    Block b = {.e = e, .epilogue = epilogue, .at = at, .acc = acc, .nv = nv, .last = last};
    QccExpr raw;
    bool saturates = k->arg[0].stride[3] == 1 && emit_saturates(epilogue, k->arg[0].dtype, &raw);
    if (saturates) b.epilogue = &raw;
    int wide = saturates && mr == 1 ? BYTES : WIDE;
    for (int j = 0; j < nv; j += wide) {
        int n = nv - j < wide ? nv - j : wide, together = saturates ? BYTES / n : 1;
        for (int i = 0; i < mr; i += together) {
            int pixels = mr - i < together ? mr - i : together;
            Val out[BYTES] = {NULL};
            evaluate(&b, i, pixels, j, n, out);
            if (saturates)
                store_saturated(&b, i, pixels, j, n, out);
            else
                store(&b, i, j, n, out);
        }
    }
}
