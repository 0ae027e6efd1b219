/* kernel_case - one kernel with its arguments, as compiled code and as plain C that says the same.
 *
 * Arguments lie against pages that may not be touched: the first byte past the end (for A past
 * QCC_READ_SLACK) is one of them. Results are compared as whole buffers, gaps included.
 */
#ifndef QCC_TESTS_KERNEL_CASE_H
#define QCC_TESTS_KERNEL_CASE_H

#include <math.h>

#include "backend/pack.h"
#include "ir/base/random.h"
#include "tests/guarded.h"
#include "tests/kernel_code.h"

typedef struct Case {
    QccMem *mem;
    QccArena *arena;
    QccRandom random;
    QccKernel k;
    QccExpr *e;
    Guarded buffer[QCC_KERNEL_ARGS];
    const void *weights; /* unpacked, of a contraction or depthwise */
} Case;

static int64_t pick(Case *c, int64_t lo, int64_t hi)
{
    return qcc_random_range(&c->random, lo, hi);
}

static void free_buffer(void *buffer)
{
    guarded_free(buffer);
}

static void make_buffer(Case *c, int arg, size_t bytes, size_t slack)
{
    c->buffer[arg] = guarded_new(bytes, slack, 1);
    qcc_arena_defer(c->arena, free_buffer, &c->buffer[arg]);
}

/* A float of moderate size, and now and then a special one. */
static float random_float(Case *c)
{
    static const float special[] = {0.0f, -0.0f, 0.5f, -0.5f, 1.0f, 2.5f, -3.5f, 65504.0f, 1e-30f};
    if (pick(c, 0, 15) == 0) return special[pick(c, 0, 8)];
    float scale = (float)pick(c, 1, 100) * (pick(c, 0, 3) ? 0.05f : 1000.0f);
    return qcc_random_f32(&c->random, -scale, scale);
}

static void fill_random(Case *c, QccDtype dtype, char *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float f = random_float(c);
        double d = f;
        int32_t small = (int32_t)pick(c, -100000, 100000);
        uint32_t word = qcc_random_u32(&c->random);
        int64_t wide = (int64_t)(word % 2000000) - 1000000;
        uint16_t half = (uint16_t)(word % 0x7c00 | (word >> 31) << 15); /* finite in f16 and bf16 */
        switch (dtype) {
        case QCC_F32: memcpy(p + 4 * i, &f, 4); break;
        case QCC_F64: memcpy(p + 8 * i, &d, 8); break;
        case QCC_I32: memcpy(p + 4 * i, &small, 4); break;
        case QCC_U32: memcpy(p + 4 * i, &word, 4); break;
        case QCC_I64: memcpy(p + 8 * i, &wide, 8); break;
        case QCC_F16:
        case QCC_BF16: memcpy(p + 2 * i, &half, 2); break;
        case QCC_I16:
        case QCC_U16: memcpy(p + 2 * i, &word, 2); break;
        case QCC_BOOL: p[i] = (char)(word & 1); break;
        default: p[i] = (char)word; break;
        }
    }
}

/* Adds an argument of the kernel whose elements lie by its strides, filled with random values. */
static int add_arg(Case *c, QccDtype dtype, const int64_t *stride)
{
    QccKernel *k = &c->k;
    int a = k->narg++;
    k->arg[a].dtype = dtype;
    int64_t last = 0;
    for (int d = 0; d < k->rank && stride; d++) {
        k->arg[a].stride[d] = stride[d];
        last += (k->extent[d] - 1) * stride[d];
    }
    make_buffer(c, a, (size_t)((last + 1) * (qcc_dtype_bits(dtype) / 8)), 0);
    fill_random(c, dtype, c->buffer[a].data, last + 1);
    return a;
}

/* An anchor's operand of n elements. */
static int add_operand(Case *c, QccDtype dtype, int64_t n, size_t slack)
{
    int a = c->k.narg++;
    c->k.arg[a].dtype = dtype;
    size_t size = (size_t)qcc_dtype_bits(dtype) / 8;
    make_buffer(c, a, (size_t)n * size, slack);
    fill_random(c, dtype, c->buffer[a].data, n);
    return a;
}

/* ---- scalars -----------------------------------------------------------------------------------
 */

typedef union Scalar {
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
} Scalar;

static float half_to_float(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v = exponent ? (1024 + mantissa) * (double)(1LL << exponent) / (1LL << 25)
                        : mantissa / (double)(1LL << 24);
    return (float)(h >> 15 ? -v : v);
}

/* The element in memory, widened as the expression's argument is. Returns bytes of the wide type.
 */
static size_t widen(QccDtype dtype, const char *p, void *to)
{
    Scalar s = {0};
    uint32_t bits = 0;
    size_t size = 4;
    switch (dtype) {
    case QCC_U8:
    case QCC_BOOL: s.i32 = *(const uint8_t *)p; break;
    case QCC_I8: s.i32 = *(const int8_t *)p; break;
    case QCC_U16:
        memcpy(&bits, p, 2);
        s.i32 = (int32_t)bits;
        break;
    case QCC_I16:
        memcpy(&bits, p, 2);
        s.i32 = (int16_t)bits;
        break;
    case QCC_F16:
        memcpy(&bits, p, 2);
        s.f32 = half_to_float((uint16_t)bits);
        break;
    case QCC_BF16: memcpy((char *)&s.f32 + 2, p, 2); break;
    case QCC_U32:
        memcpy(&bits, p, 4);
        s.i64 = bits;
        size = 8;
        break;
    case QCC_F64:
    case QCC_I64:
        memcpy(&s, p, 8);
        size = 8;
        break;
    default: memcpy(&s, p, 4); break;
    }
    memcpy(to, &s, size);
    return size;
}

static uint16_t float_to_bf16(float f)
{
    uint32_t bits, even;
    memcpy(&bits, &f, 4);
    even = bits >> 16 & 1;
    return (uint16_t)((bits + 0x7fff + even) >> 16);
}

/* By search: the nearest of all finite f16, the even one of two; beyond 65520 infinity. */
static uint16_t float_to_half(float f)
{
    uint16_t sign = f < 0 || (f == 0 && 1 / f < 0) ? 0x8000 : 0;
    double x = f < 0 ? -(double)f : f;
    if (x >= 65520) return sign | 0x7c00;
    int lo = 0, hi = 0x7bff;
    while (lo < hi) {
        int mid = (lo + hi + 1) / 2;
        if (half_to_float((uint16_t)mid) <= x)
            lo = mid;
        else
            hi = mid - 1;
    }
    if (lo < 0x7bff) {
        double below = x - half_to_float((uint16_t)lo),
               above = half_to_float((uint16_t)(lo + 1)) - x;
        if (above < below || (above == below && lo & 1)) lo++;
    } else if (x - 65504 >= 16)
        lo++;
    return (uint16_t)(sign | lo);
}

static void narrow(QccDtype dtype, const void *from, char *p)
{
    Scalar s = {0};
    memcpy(&s, from, qcc_dtype_bits(dtype) == 64 || dtype == QCC_U32 ? 8 : 4);
    uint16_t half;
    switch (dtype) {
    case QCC_F16:
        half = float_to_half(s.f32);
        memcpy(p, &half, 2);
        break;
    case QCC_BF16:
        half = float_to_bf16(s.f32);
        memcpy(p, &half, 2);
        break;
    default: memcpy(p, &s, (size_t)qcc_dtype_bits(dtype) / 8); break; /* little-endian */
    }
}

/* ---- the meaning of a kernel -------------------------------------------------------------------
 */

static int64_t place_of(const Case *c, int arg, const int64_t *index)
{
    int64_t at = 0;
    for (int d = 0; d < c->k.rank; d++) at += index[d] * c->k.arg[arg].stride[d];
    return at;
}

/* The accumulator of a contraction or depthwise at an output. */
static Scalar contract_at(const Case *c, const int64_t *i)
{
    const QccKernel *k = &c->k;
    const QccContractShape *s = &k->u.contract;
    bool deep = k->anchor == QCC_ANCHOR_DEPTHWISE, f32 = k->arg[1].dtype == QCC_F32;
    int64_t ci = deep ? 1 : s->ci, o = i[3];
    int64_t group = deep ? o : o / (k->extent[3] / s->groups);
    const uint8_t *au = (const void *)c->buffer[1].data;
    const float *af = (const void *)c->buffer[1].data;
    Scalar acc = {0};
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++)
            for (int64_t x = 0; x < ci; x++) {
                int64_t a = i[0] * s->a_n + (i[1] * s->stride_h + ky * s->dil_h) * s->a_h +
                            (i[2] * s->stride_w + kx * s->dil_w) * s->a_w + group * ci + x;
                int64_t b = ((o * s->kh + ky) * s->kw + kx) * ci + x;
                if (s->b_strided && f32) b = i[0] * s->b_n + i[1] * s->b_h + x * s->b_k + o;
                if (s->b_strided && !f32)
                    b = i[0] * s->b_n + i[1] * s->b_h + x / 4 * s->b_k + 4 * o + x % 4;
                if (f32)
                    acc.f32 = fmaf(af[a], ((const float *)c->weights)[b], acc.f32);
                else
                    acc.i32 += au[a] * ((const int8_t *)c->weights)[b];
            }
    return acc;
}

static Scalar combine(int how, int64_t type, Scalar a, Scalar b)
{
#define COMBINE(T, U, m)                                                                           \
    a.m = how == QCC_COMBINE_SUM    ? (T)((U)a.m + (U)b.m)                                         \
          : how == QCC_COMBINE_PROD ? (T)((U)a.m * (U)b.m)                                         \
          : how == QCC_COMBINE_MAX  ? (a.m > b.m ? a.m : b.m)                                      \
                                    : (a.m < b.m ? a.m : b.m)
    switch (type) {
    case QCC_EX_F32: COMBINE(float, float, f32); break;
    case QCC_EX_F64: COMBINE(double, double, f64); break;
    case QCC_EX_I32: COMBINE(int32_t, uint32_t, i32); break;
    default: COMBINE(int64_t, uint64_t, i64); break;
    }
#undef COMBINE
    return a;
}

static Scalar identity(int how, int64_t type)
{
    bool max = how == QCC_COMBINE_MAX, picks = max || how == QCC_COMBINE_MIN;
    float infinite = max ? -INFINITY : INFINITY, one = how == QCC_COMBINE_PROD;
    switch (type) {
    case QCC_EX_F32: return (Scalar){.f32 = picks ? infinite : one};
    case QCC_EX_F64: return (Scalar){.f64 = (double)(picks ? infinite : one)};
    case QCC_EX_I32: return (Scalar){.i32 = picks ? max ? INT32_MIN : INT32_MAX : (int)one};
    default: return (Scalar){.i64 = picks ? max ? INT64_MIN : INT64_MAX : (int)one};
    }
}

static Scalar pool_at(const Case *c, const int64_t *i)
{
    const QccPoolShape *s = &c->k.u.pool;
    QccDtype dtype = c->k.arg[1].dtype;
    size_t size = (size_t)qcc_dtype_bits(dtype) / 8;
    int64_t lo, hi, type = qcc_expr_type_of(dtype);
    qcc_dtype_range(dtype, &lo, &hi);
    Scalar acc = identity(s->combine, type);
    int64_t end = s->combine == QCC_COMBINE_MAX ? lo : hi;
    bool picks = s->combine == QCC_COMBINE_MAX || s->combine == QCC_COMBINE_MIN;
    if (picks && type == QCC_EX_I32) acc.i32 = (int32_t)end;
    if (picks && type == QCC_EX_I64) acc.i64 = end;
    for (int64_t ky = 0; ky < s->kh; ky++)
        for (int64_t kx = 0; kx < s->kw; kx++) {
            int64_t y = i[1] * s->stride_h + ky * s->dil_h - s->pad_top;
            int64_t x = i[2] * s->stride_w + kx * s->dil_w - s->pad_left;
            if (y < 0 || y >= s->ih || x < 0 || x >= s->iw) continue;
            int64_t at = i[0] * s->a_n + y * s->a_h + x * s->a_w + i[3];
            Scalar v;
            widen(dtype, c->buffer[1].data + (size_t)at * size, &v);
            acc = combine(s->combine, type, acc, v);
        }
    return acc;
}

/* Evaluates an expression at one place. rows: results of earlier stages. */
static Scalar eval_at(const Case *c, const QccExpr *e, const int64_t *index, Scalar acc,
                      const Scalar *rows, QccArena *scratch)
{
    static const uint8_t stride[QCC_ROW_RESULT + QCC_ROW_STAGES];
    const void *arg[QCC_ROW_RESULT + QCC_ROW_STAGES] = {NULL};
    Scalar value[QCC_KERNEL_ARGS], out = {0};
    for (int a = c->k.nanchor + 1; a < c->k.narg; a++) {
        QccDtype dtype = c->k.arg[a].dtype;
        const char *p = c->buffer[a].data + place_of(c, a, index) * (qcc_dtype_bits(dtype) / 8);
        widen(dtype, p, &value[a]);
        arg[a] = &value[a];
    }
    QccExprMemory memory[QCC_KERNEL_ARGS];
    for (int i = 0; i < e->n; i++) {
        int a = (int)e->node[i].imm.i;
        /* Tables are argument pointers themselves. */
        if (e->node[i].op == QCC_EX_lut) arg[a] = c->buffer[a].data;
        if (e->node[i].op != QCC_EX_load) continue;
        int64_t size = qcc_dtype_bits(c->k.arg[a].dtype) / 8;
        memory[a] = (QccExprMemory){.data = c->buffer[a].data + place_of(c, a, index) * size,
                                    .dtype = c->k.arg[a].dtype};
        arg[a] = &memory[a];
    }
    for (int r = 0; rows && r < QCC_ROW_STAGES; r++) arg[QCC_ROW_RESULT + r] = &rows[r];
    qcc_expr_eval(e, 1, arg, stride, &acc, &out, scratch);
    return out;
}

static bool next_index(const Case *c, int64_t *index, int rank)
{
    for (int d = rank - 1; d >= 0; d--) {
        if (++index[d] < c->k.extent[d]) return true;
        index[d] = 0;
    }
    return false;
}

static int expr_type(const QccExpr *e)
{
    return e->node[e->result].type;
}

/* The stages of one row. */
static void reduce_row(const Case *c, int64_t *index, Scalar *rows, QccArena *scratch)
{
    const QccRowShape *r = &c->k.u.rows;
    int last = c->k.rank - 1;
    for (int s = 0; s < r->nstage; s++) {
        const QccRowStage *stage = &r->stage[s];
        int type = expr_type(stage->term), how = stage->combine;
        Scalar lane[16];
        for (int i = 0; i < 16; i++) lane[i] = identity(how, type);
        for (index[last] = 0; index[last] < c->k.extent[last]; index[last]++) {
            Scalar v = eval_at(c, stage->term, index, (Scalar){0}, rows, scratch);
            lane[index[last] % 16] = combine(how, type, lane[index[last] % 16], v);
        }
        index[last] = 0;
        for (int w = 8; w; w /= 2)
            for (int i = 0; i < w; i++) lane[i] = combine(how, type, lane[i], lane[i + w]);
        rows[s] = stage->then ? eval_at(c, stage->then, index, lane[0], rows, scratch) : lane[0];
    }
}

/* Fills `out`, a copy of the result's buffer, as the description says. */
static void reference(const Case *c, char *out)
{
    int64_t index[QCC_MAX_RANK] = {0};
    const QccKernel *k = &c->k;
    bool rows = k->anchor == QCC_ANCHOR_ROWS;
    QccArena *scratch = NULL;
    do {
        qcc_arena_free(scratch);
        scratch = qcc_arena_new(c->mem);
        Scalar result[QCC_ROW_STAGES] = {0}, acc = {0};
        if (rows) reduce_row(c, index, result, scratch);
        int64_t n = rows && !k->u.rows.reduced ? k->extent[k->rank - 1] : 1;
        for (int64_t x = 0; x < n; x++) {
            if (rows) index[k->rank - 1] = x;
            if (k->anchor == QCC_ANCHOR_POOL) acc = pool_at(c, index);
            if (k->anchor == QCC_ANCHOR_CONTRACT || k->anchor == QCC_ANCHOR_DEPTHWISE)
                acc = contract_at(c, index);
            if (k->epilogue)
                acc = eval_at(c, k->epilogue, index, acc, rows ? result : NULL, scratch);
            narrow(k->arg[0].dtype, &acc,
                   out + place_of(c, 0, index) * (qcc_dtype_bits(k->arg[0].dtype) / 8));
        }
        if (rows) index[k->rank - 1] = 0;
    } while (next_index(c, index, rows ? k->rank - 1 : k->rank));
    qcc_arena_free(scratch);
}

/* Runs the case's code, which was made for a target, and compares. Returns NULL, or what went
 * wrong.
 */
static inline const char *run_case(Case *c, QccKernelFn *fn, const QccTarget *t)
{
    size_t bytes = c->buffer[0].bytes;
    char *before = qcc_alloc(c->arena, bytes), *want = qcc_alloc(c->arena, bytes);
    memcpy(before, c->buffer[0].data, bytes);
    memcpy(want, before, bytes);
    void *arg[QCC_KERNEL_ARGS] = {NULL};
    for (int a = 0; a < c->k.narg; a++) arg[a] = c->buffer[a].data;
    if (c->weights && !c->k.u.contract.b_strided) {
        arg[2] = qcc_alloc_aligned(c->arena, (size_t)qcc_pack_size(&c->k, t), 64);
        qcc_pack(arg[2], &c->k, t, c->weights);
    }
    reference(c, want);
    /* In two parts, the second one first. */
    int64_t work = qcc_kernel_work(&c->k, t->lanes), middle = pick(c, 0, work);
    fn(arg, middle, work);
    fn(arg, 0, middle);
    const char *got = c->buffer[0].data;
    QccDtype dtype = c->k.arg[0].dtype;
    size_t element = (size_t)qcc_dtype_bits(dtype) / 8;
    const char *bad = NULL;
    for (int a = 0; a < c->k.narg && !bad; a++)
        if (!guarded_is_intact(&c->buffer[a])) bad = "a guard was overwritten";
    for (size_t i = 0; i < bytes && !bad; i += element) {
        if (memcmp(got + i, want + i, element) == 0) continue;
        Scalar g = {0}, w = {0};
        widen(dtype, got + i, &g);
        widen(dtype, want + i, &w);
        if (dtype == QCC_F32 && g.f32 != g.f32 && w.f32 != w.f32) continue; /* NaN is NaN */
        if (dtype == QCC_F64 && g.f64 != g.f64 && w.f64 != w.f64) continue;
        bad = dtype == QCC_F32
                  ? qcc_sprintf(c->arena, "element %zu: %a, wanted %a", i / element, g.f32, w.f32)
                  : qcc_sprintf(c->arena, "element %zu: %lld, wanted %lld", i / element,
                                (long long)g.i64, (long long)w.i64);
    }
    memcpy(c->buffer[0].data, before, bytes);
    return bad;
}

#endif
