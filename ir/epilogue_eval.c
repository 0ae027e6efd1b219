/* epilogue_eval - epilogues over dense tensors: arguments are broadcast in chunks, then evaluated.
 */
#include <string.h>

#include "ir/elements.h"
#include "ir/epilogue.h"

enum { CHUNK = 2048 }; /* elements at once; even, for nibbles */

/* How an argument is walked along the result's elements. */
typedef struct Walk {
    QccDtype dtype;
    const void *data;
    bool scalar, dense; /* one element; or element i for element i */
    int rank;           /* else: strides over merged dimensions */
    int64_t dim[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    size_t size; /* of a widened element */
    char *buffer;
} Walk;

/* Whether elements lie in memory as they are evaluated. */
static bool as_is(QccDtype dtype)
{
    return dtype == QCC_F32 || dtype == QCC_F64 || dtype == QCC_I32 || dtype == QCC_I64 ||
           dtype == QCC_U64;
}

static Walk walk_of(const QccEpilogueArg *arg, const void *data, int rank, const int64_t *dim,
                    QccArena *scratch)
{
    QccExprType type = qcc_expr_type_of(arg->dtype);
    Walk w = {.dtype = arg->dtype, .data = data, .scalar = true, .dense = true};
    w.size = type == QCC_EX_F32 || type == QCC_EX_I32 ? 4 : 8;
    w.buffer = qcc_alloc_aligned(scratch, CHUNK * w.size, 64);
    int64_t stride[QCC_MAX_RANK], own = 1, whole = 1;
    for (int d = rank - 1; d >= 0; d--) {
        int k = d - (rank - arg->rank);
        stride[d] = k >= 0 && arg->dim[k] != 1 ? own : 0;
        if (k >= 0) own *= arg->dim[k];
        if (dim[d] == 1) continue;
        w.scalar &= stride[d] == 0;
        w.dense &= stride[d] == whole;
        whole *= dim[d];
    }
    for (int d = 0; d < rank; d++) { /* merges what one stride serves */
        if (dim[d] == 1) continue;
        int last = w.rank - 1;
        if (last >= 0 && w.stride[last] == stride[d] * dim[d]) {
            w.dim[last] *= dim[d];
            w.stride[last] = stride[d];
        } else {
            w.dim[w.rank] = dim[d];
            w.stride[w.rank++] = stride[d];
        }
    }
    return w;
}

static void repeat(char *to, size_t size, int64_t n)
{
    for (int64_t i = 1; i < n; i++) memcpy(to + i * (int64_t)size, to, size);
}

/* The argument for result elements [first, first + n): in the buffer, or where it lies. */
static const void *walk_read(const Walk *w, int64_t first, int64_t n)
{
    if (w->scalar) {
        if (first == 0) qcc_widen(w->buffer, w->dtype, w->data, 0, 1);
        return w->buffer;
    }
    if (w->dense && as_is(w->dtype)) return (const char *)w->data + first * (int64_t)w->size;
    if (w->dense) {
        qcc_widen(w->buffer, w->dtype, w->data, first, n);
        return w->buffer;
    }
    int64_t index[QCC_MAX_RANK], rest = first, at = 0;
    for (int d = w->rank - 1; d >= 0; d--) {
        index[d] = rest % w->dim[d];
        rest /= w->dim[d];
        at += index[d] * w->stride[d];
    }
    int inner = w->rank - 1;
    for (int64_t done = 0; done < n;) {
        int64_t run = w->dim[inner] - index[inner];
        if (run > n - done) run = n - done;
        char *to = w->buffer + done * (int64_t)w->size;
        qcc_widen(to, w->dtype, w->data, at, w->stride[inner] ? run : 1);
        if (!w->stride[inner]) repeat(to, w->size, run);
        done += run;
        at += run * w->stride[inner];
        index[inner] += run;
        for (int d = inner; d > 0 && index[d] == w->dim[d]; d--) {
            at += w->stride[d - 1] - w->dim[d] * w->stride[d];
            index[d] = 0;
            index[d - 1]++;
        }
    }
    return w->buffer;
}

void qcc_epilogue_eval(const QccEpilogue *epilogue, const QccTensor *in, const void *acc,
                       const QccTensor *out, QccArena *scratch)
{
    int narg = epilogue->narg;
    const void **data = QCC_NEW_ARRAY(scratch, narg + 1, const void *);
    uint8_t *stride = QCC_NEW_ARRAY(scratch, narg + 1, uint8_t);
    Walk *walk = QCC_NEW_ARRAY(scratch, narg + 1, Walk);
    for (int i = 0; i < narg; i++) {
        const QccEpilogueArg *arg = &epilogue->arg[i];
        const void *from = arg->kind == QCC_EPILOGUE_TABLE ? arg->data : in[arg->operand].data;
        walk[i] = walk_of(arg, from, out->type->rank, out->dim, scratch);
        stride[i] = !walk[i].scalar;
    }
    QccExprEval *eval = qcc_expr_eval_new(&epilogue->expr, scratch);
    char *buffer = qcc_alloc_aligned(scratch, CHUNK * 8, 64);
    for (int64_t first = 0; first < out->count; first += CHUNK) {
        int64_t n = out->count - first < CHUNK ? out->count - first : CHUNK;
        for (int i = 0; i < narg; i++) data[i] = walk_read(&walk[i], first, n);
        const void *from = acc ? (const char *)acc + first * 4 : NULL; /* i32 or f32 */
        qcc_expr_eval_run(eval, n, data, stride, from, buffer);
        qcc_narrow(out->data, epilogue->result, first, buffer, n);
    }
}

bool qcc_epilogue_table(const QccEpilogue *epilogue, uint8_t out[256], QccArena *scratch)
{
    int operand = -1;
    if (epilogue->anchor || qcc_dtype_bits(epilogue->result) != 8) return false;
    for (int i = 0; i < epilogue->narg; i++) {
        const QccEpilogueArg *arg = &epilogue->arg[i];
        if (arg->kind == QCC_EPILOGUE_OPERAND) {
            if (operand >= 0 || qcc_dtype_bits(arg->dtype) != 8) return false;
            operand = i;
            continue;
        }
        for (int d = 0; d < arg->rank; d++)
            if (arg->dim[d] != 1) return false;
    }
    if (operand < 0) return false;
    int32_t stored[256], value[256];
    uint8_t byte[256];
    for (int i = 0; i < 256; i++) byte[i] = (uint8_t)i;
    qcc_widen(stored, epilogue->arg[operand].dtype, byte, 0, 256);
    const void **data = QCC_NEW_ARRAY(scratch, epilogue->narg, const void *);
    uint8_t *stride = QCC_NEW_ARRAY(scratch, epilogue->narg, uint8_t);
    for (int i = 0; i < epilogue->narg; i++) data[i] = epilogue->arg[i].data;
    data[operand] = stored;
    stride[operand] = 1;
    qcc_expr_eval(&epilogue->expr, 256, data, stride, NULL, value, scratch);
    qcc_narrow(out, epilogue->result, 0, value, 256);
    return true;
}
