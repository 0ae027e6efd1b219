/* block - the epilogue of a block of accumulators: pixels x vectors of channels. */
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

void emit_block_epilogue(QccEmit *e, const Val *at, const Val *acc, int mr, int nv, int last)
{
    const QccKernel *k = e->k;
    const QccKernelArg *result = &k->arg[0];
    int64_t size = emit_size(e, result->dtype);
    enum { WIDE = 2 }; /* vectors that are narrowed and stored together */
    EmitOperand operand[WIDE][QCC_KERNEL_ARGS] = {0};
    for (int j = 0; j < nv; j += WIDE) {
        int n = nv - j < WIDE ? nv - j : WIDE;
        for (int i = 0; i < mr; i++) {
            Val out[WIDE];
            for (int w = 0; w < n; w++) {
                int count = j + w == nv - 1 ? last : e->lanes;
                for (int a = k->nanchor + 1; a < k->narg; a++)
                    step_operand(e, &operand[w][a], &k->arg[a], at[a], i, j + w);
                out[w] = emit_expr(e, k->epilogue, operand[w], NULL, acc[i * nv + j + w], count);
            }
            int64_t offset = i * result->stride[2] + (int64_t)j * e->lanes * result->stride[3];
            Val p = emit_atc(e, at[0], offset * size);
            int count = j + n == nv ? last : e->lanes;
            if (result->stride[3] == 1) {
                emit_store_run(e, result->dtype, out, n, p, count);
                continue;
            }
            for (int w = 0; w < n; w++)
                emit_store(e, result->dtype, out[w],
                           emit_atc(e, p, (int64_t)w * e->lanes * result->stride[3] * size),
                           result->stride[3], w == n - 1 ? count : e->lanes);
        }
    }
}
