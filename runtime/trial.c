/* trial - one kernel by itself, over memory of its own, to be timed. */
#include "runtime/trial.h"

#include <string.h>

#include "backend/pack.h"
#include "runtime/context.h"

enum {
    MOST_BYTES = 256 << 20, /* of an argument */
    LEAST_BYTES = 256,      /* a table */
    MOST_COPIES = 64,
    ALIGNMENT = 64,
};

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool kernel_loads_by_index(const QccKernel *k)
{
    bool loads = qcc_expr_has(k->epilogue, QCC_EX_load);
    for (int i = 0; k->anchor == QCC_ANCHOR_ROWS && i < k->u.rows.nstage; i++)
        loads |= qcc_expr_has(k->u.rows.stage[i].term, QCC_EX_load) ||
                 qcc_expr_has(k->u.rows.stage[i].then, QCC_EX_load);
    return loads;
}

/* How far an argument reaches before and behind its first element, in elements. */
typedef struct Reach {
    int64_t before, behind; /* the latter includes the element itself */
    bool bad;
} Reach;

static void reach_along(Reach *r, int64_t extent, int64_t stride)
{
    int64_t n;
    bool back = stride < 0;
    int64_t *end = back ? &r->before : &r->behind;
    if (extent < 1 || stride == INT64_MIN) r->bad = true;
    if (r->bad || !qcc_mul_i64(&n, extent - 1, back ? -stride : stride) ||
        !qcc_add_i64(end, *end, n))
        r->bad = true;
}

static Reach reach_of(const QccKernel *k, int i)
{
    Reach r = {.behind = 1};
    const QccContractShape *c = &k->u.contract;
    const QccPoolShape *p = &k->u.pool;
    const int64_t *e = k->extent;
    bool anchor = i >= 1 && i <= k->nanchor;
    if (!anchor) {
        for (int d = 0; d < k->rank; d++) reach_along(&r, e[d], k->arg[i].stride[d]);
    } else if (k->anchor == QCC_ANCHOR_POOL) {
        reach_along(&r, e[0], p->a_n);
        reach_along(&r, p->ih, p->a_h);
        reach_along(&r, p->iw, p->a_w);
        reach_along(&r, e[3], 1);
    } else if (i == 1) {
        reach_along(&r, e[0], c->a_n);
        reach_along(&r, (e[1] - 1) * c->stride_h + (c->kh - 1) * c->dil_h + 1, c->a_h);
        reach_along(&r, (e[2] - 1) * c->stride_w + (c->kw - 1) * c->dil_w + 1, c->a_w);
        reach_along(&r, c->groups * c->ci, 1);
    } else { /* B of the run; packed weights have a size of their own */
        bool bytes = k->arg[i].dtype == QCC_I8;
        reach_along(&r, e[0], c->b_n);
        reach_along(&r, e[1], c->b_h);
        reach_along(&r, bytes ? QCC_FOURS_DEPTH(c->ci) / 4 : c->ci, c->b_k);
        reach_along(&r, bytes ? 4 * e[3] : e[3], 1);
    }
    return r;
}

/* Numbers that no instruction is slow with, the same each time. */
static void fill(void *bytes, int64_t n, QccDtype dtype)
{
    uint32_t random = 12345;
    for (int64_t i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        int16_t half = dtype == QCC_F16 ? 0x3c00 : 0x3f80; /* 1 */
        switch (dtype) {
        case QCC_F32: ((float *)bytes)[i] = (float)(random >> 8) * 0x1p-23f - 1; break;
        case QCC_F64: ((double *)bytes)[i] = (double)(random >> 8) * 0x1p-23 - 1; break;
        case QCC_F16:
        case QCC_BF16: ((int16_t *)bytes)[i] = half; break;
        case QCC_I32:
        case QCC_U32: ((int32_t *)bytes)[i] = (int32_t)(random >> 24); break;
        case QCC_I64:
        case QCC_U64: ((int64_t *)bytes)[i] = random >> 24; break;
        case QCC_I16:
        case QCC_U16: ((int16_t *)bytes)[i] = (int16_t)(random >> 24); break;
        default: ((uint8_t *)bytes)[i] = (uint8_t)(random >> 24); break;
        }
    }
}

static bool make_argument(QccTrial *trial, QccArena *arena, const QccKernel *k, int i)
{
    QccDtype dtype = k->arg[i].dtype;
    int64_t size = qcc_dtype_bits(dtype) / 8;
    Reach r = reach_of(k, i);
    if (r.bad || size < 1 || r.before > MOST_BYTES / size || r.behind > MOST_BYTES / size)
        return false;
    int64_t n = max_i64(r.before + r.behind, LEAST_BYTES / size);
    char *bytes = qcc_alloc_aligned(arena, (size_t)(n * size) + QCC_READ_SLACK, ALIGNMENT);
    fill(bytes, n, dtype);
    trial->arg[i] = bytes + r.before * size;
    trial->bytes[i] = n * size;
    return true;
}

static bool make_weights(QccTrial *trial, QccArena *arena, const QccKernel *k, const QccTarget *t,
                         const QccVariant *variant, int n, int64_t spread)
{
    QccKernel packed = *k;
    int64_t bytes = ALIGNMENT;
    for (int i = 0; i < n; i++) {
        packed.variant = variant[i];
        bytes = max_i64(bytes, qcc_pack_size(&packed, t));
    }
    if (bytes > MOST_BYTES) return false;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    int64_t copies = (spread + bytes - 1) / bytes;
    trial->copies = (int)(copies < 1 ? 1 : copies > MOST_COPIES ? MOST_COPIES : copies);
    trial->weight = 2;
    trial->bytes[2] = bytes;
    trial->weights = qcc_alloc_aligned(arena, (size_t)(bytes * trial->copies), ALIGNMENT);
    bool f32 = k->arg[2].dtype == QCC_F32;
    fill(trial->weights, bytes * trial->copies / (f32 ? 4 : 1), f32 ? QCC_F32 : QCC_I8);
    return true;
}

bool qcc_trial_init(QccTrial *trial, QccArena *arena, const QccKernel *k, const QccTarget *t,
                    const QccVariant *variant, int n, int64_t spread)
{
    *trial = (QccTrial){.weight = -1};
    bool product = k->anchor == QCC_ANCHOR_CONTRACT || k->anchor == QCC_ANCHOR_DEPTHWISE;
    bool packs = product && !(k->anchor == QCC_ANCHOR_CONTRACT && k->u.contract.b_strided);
    if (kernel_loads_by_index(k)) return false;
    for (int i = 0; i < k->narg; i++) {
        bool good = packs && i == 2 ? make_weights(trial, arena, k, t, variant, n, spread)
                                    : make_argument(trial, arena, k, i);
        if (!good) return false;
    }
    return true;
}

double qcc_trial_run(QccTrial *trial, QccKernelFn *fn, int64_t work)
{
    if (trial->weight >= 0) {
        trial->turn = (trial->turn + 1) % trial->copies;
        trial->arg[trial->weight] = trial->weights + trial->turn * trial->bytes[trial->weight];
    }
    double start = qcc_now_ms();
    fn(trial->arg, 0, work);
    return qcc_now_ms() - start;
}
