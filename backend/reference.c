/* reference - the meaning of kernel descriptions in plain C, obviously right rather than fast.
 *
 *   work unit -> box of the index space -> rows of the last dimension:
 *       accumulate, widen the arguments, evaluate the epilogue, narrow and store
 *
 * A unit of a kernel in tiles is no box: its pixels are boxes of their own.
 */
#include "backend/reference.h"

#include "backend/pack.h"
#include "ir/elements.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { ARGS = QCC_ROW_RESULT + QCC_ROW_STAGES, LANES = 16 };

typedef struct Run {
    const QccKernel *k;
    const QccTarget *t;
    char *const *base; /* of the arguments */
    QccArena *arena;
    int64_t columns; /* the longest row */
    void *acc, *result;
    struct {
        const QccExpr *expr;
        QccExprEval *eval;
    } known[1 + 2 * QCC_ROW_STAGES]; /* expressions made ready */
    void *buffer[QCC_KERNEL_ARGS];
    void *wide[ARGS]; /* arguments of a row, widened, and results of stages */
    QccExprMemory memory[QCC_KERNEL_ARGS];
    uint8_t stride[ARGS];
    int64_t stage[QCC_ROW_STAGES][1]; /* results, in what memory their type needs */
} Run;

/* ---- elements -------------------------------------------------------------------------------- */

static int wide_size(QccDtype d)
{
    QccExprType type = qcc_expr_type_of(d);
    return type == QCC_EX_F32 || type == QCC_EX_I32 ? 4 : 8;
}

static bool uses(const QccExpr *e, QccExprOp op, int arg)
{
    for (int i = 0; i < e->n; i++)
        if (e->node[i].op == op && e->node[i].imm.i == arg) return true;
    return false;
}

/* Arguments [from, narg) at `index`, along n elements of the last dimension. */
static void gather(Run *r, const QccExpr *e, int from, const int64_t *index, int64_t n)
{
    const QccKernel *k = r->k;
    for (int a = from; a < k->narg; a++) {
        const QccKernelArg *arg = &k->arg[a];
        if (uses(e, QCC_EX_lut, a)) {
            r->wide[a] = r->base[a];
            continue;
        }
        int64_t at = 0, step = arg->stride[k->rank - 1];
        for (int d = 0; d < k->rank; d++) at += index[d] * arg->stride[d];
        if (uses(e, QCC_EX_load, a)) {
            r->memory[a] = (QccExprMemory){r->base[a] + at * (qcc_dtype_bits(arg->dtype) / 8),
                                           arg->dtype, step};
            r->wide[a] = &r->memory[a];
            continue;
        }
        r->stride[a] = step != 0;
        int size = wide_size(arg->dtype);
        if (!r->buffer[a]) r->buffer[a] = qcc_alloc_array(r->arena, r->columns, 8);
        r->wide[a] = r->buffer[a];
        for (int64_t i = 0; i < (step ? n : 1); i++)
            qcc_widen((char *)r->wide[a] + i * size, arg->dtype, r->base[a], at + i * step, 1);
    }
}

static void evaluate(Run *r, const QccExpr *e, int64_t n, const void *acc, void *out)
{
    int i = 0;
    while (r->known[i].expr && r->known[i].expr != e) i++;
    if (!r->known[i].expr) {
        r->known[i].expr = e;
        r->known[i].eval = qcc_expr_eval_new(e, r->arena);
    }
    qcc_expr_eval_run(r->known[i].eval, n, (const void *const *)r->wide, r->stride, acc, out);
}

/* Epilogue and store of n elements from `index` on. */
static void finish(Run *r, const int64_t *index, int64_t n)
{
    const QccKernel *k = r->k;
    const QccKernelArg *to = &k->arg[0];
    int first = k->anchor == QCC_ANCHOR_MAP || k->anchor == QCC_ANCHOR_ROWS ? 1 : 1 + k->nanchor;
    gather(r, k->epilogue, first, index, n);
    evaluate(r, k->epilogue, n, r->acc, r->result);
    int64_t at = 0;
    for (int d = 0; d < k->rank; d++) at += index[d] * to->stride[d];
    for (int64_t i = 0; i < n; i++)
        qcc_narrow(r->base[0], to->dtype, at + i * to->stride[k->rank - 1],
                   (char *)r->result + i * wide_size(to->dtype), 1);
}

/* ---- products -------------------------------------------------------------------------------- */

/* Where the weight of output o, tap (ky, kx), channel c stands, in elements of the packed type. */
static int64_t weight_at(const Run *r, const int64_t *index, int64_t o, int64_t tap, int64_t c,
                         bool f32)
{
    const QccKernel *k = r->k;
    const QccContractShape *s = &k->u.contract;
    if (k->anchor == QCC_ANCHOR_DEPTHWISE) {
        int64_t channels = (s->groups + r->t->lanes - 1) / r->t->lanes * r->t->lanes;
        QccColumns q;
        if (qcc_depthwise_columns(k, r->t, &q)) return qcc_column_weight(&q, channels, tap, o);
        return f32 ? tap * channels + o : (tap / 2 * channels + o) * 2 + tap % 2;
    }
    if (s->b_strided) {
        int64_t row = index[0] * s->b_n + index[1] * s->b_h;
        return row + (f32 ? c * s->b_k + o : c / 4 * s->b_k + 4 * o + c % 4);
    }
    int64_t cols = (int64_t)k->variant.nr * r->t->lanes, outputs = k->extent[3] / s->groups;
    int64_t panels = (outputs + cols - 1) / cols;
    int64_t panel = o / outputs * panels + o % outputs / cols, col = o % outputs % cols;
    int64_t runs, length;
    qcc_contract_runs(k, &runs, &length);
    int64_t run = panel * runs + (tap * s->ci + c) / length, e = (tap * s->ci + c) % length;
    if (f32) return (run * length + e) * cols + col;
    if (k->variant.tiles) return qcc_tile_weight(runs, length, o, (tap * s->ci + c) / length, e);
    if (k->variant.wide) return ((run * ((length + 1) / 2) + e / 2) * cols + col) * 2 + e % 2;
    int64_t four = (run * ((length + 3) / 4) + e / 4) * cols * 4;
    int64_t paired = o % outputs - qcc_paired_columns(k, r->t), odd = e / 4 % 2;
    if (paired >= 0) return four + (col + paired + odd - odd * cols) * 4 + e % 4;
    if (qcc_contract_dot(k, r->t) != QCC_DOT_MADD16) return four + col * 4 + e % 4;
    return four + e % 2 * cols * 2 + col * 2 + e % 4 / 2;
}

static float weight_f32(const Run *r, const int64_t *index, int64_t o, int64_t tap, int64_t c)
{
    return ((const float *)r->base[2])[weight_at(r, index, o, tap, c, true)];
}

static int32_t weight_i8(const Run *r, const int64_t *index, int64_t o, int64_t tap, int64_t c)
{
    int64_t at = weight_at(r, index, o, tap, c, false);
    QccColumns q;
    bool depthwise = r->k->anchor == QCC_ANCHOR_DEPTHWISE;
    bool pairs = depthwise && !(qcc_depthwise_columns(r->k, r->t, &q) && q.taps == 4);
    bool contract = r->k->anchor == QCC_ANCHOR_CONTRACT && !r->k->u.contract.b_strided;
    if (pairs || (contract && qcc_contract_dot(r->k, r->t) == QCC_DOT_MADD16))
        return ((const int16_t *)r->base[2])[at];
    return ((const int8_t *)r->base[2])[at];
}

/* acc[i] of output channel index[3] + i, for n channels. */
static void accumulate(Run *r, const int64_t *index, int64_t n)
{
    const QccKernel *k = r->k;
    const QccContractShape *s = &k->u.contract;
    bool f32 = k->arg[1].dtype == QCC_F32, depthwise = k->anchor == QCC_ANCHOR_DEPTHWISE;
    int64_t outputs = k->extent[3] / s->groups, ci = depthwise ? 1 : s->ci;
    for (int64_t i = 0; i < n; i++) {
        int64_t o = index[3] + i, first = depthwise ? o : o / outputs * s->ci;
        float f = 0;
        uint32_t u = 0; /* unsigned: wraps */
        for (int64_t tap = 0; tap < s->kh * s->kw; tap++) {
            int64_t y = index[1] * s->stride_h + tap / s->kw * s->dil_h;
            int64_t x = index[2] * s->stride_w + tap % s->kw * s->dil_w;
            int64_t at = index[0] * s->a_n + y * s->a_h + x * s->a_w + first;
            for (int64_t c = 0; c < ci; c++) {
                if (f32)
                    f = fmaf(((const float *)r->base[1])[at + c], weight_f32(r, index, o, tap, c),
                             f);
                else
                    u += (uint32_t)((const uint8_t *)r->base[1])[at + c] *
                         (uint32_t)weight_i8(r, index, o, tap, c);
            }
        }
        if (f32)
            ((float *)r->acc)[i] = f;
        else
            ((int32_t *)r->acc)[i] = (int32_t)u;
    }
}

/* ---- combining ------------------------------------------------------------------------------- */

typedef union Number {
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
} Number;

#define COMBINE(T, U, a, b)                                                                        \
    (how == QCC_COMBINE_SUM   ? (T)((U)(a) + (U)(b))                                               \
     : how == QCC_COMBINE_MAX ? ((a) > (b) ? (a) : (b))                                            \
     : how == QCC_COMBINE_MIN ? ((a) < (b) ? (a) : (b))                                            \
                              : (T)((U)(a) * (U)(b)))

/* a becomes a combined with b, both of `type`; integers unsigned: they wrap. */
static void combine(QccCombine how, int type, Number *a, const Number *b)
{
    switch (type) {
    case QCC_EX_F32: a->f32 = COMBINE(float, float, a->f32, b->f32); break;
    case QCC_EX_F64: a->f64 = COMBINE(double, double, a->f64, b->f64); break;
    case QCC_EX_I32: a->i32 = COMBINE(int32_t, uint32_t, a->i32, b->i32); break;
    default: a->i64 = COMBINE(int64_t, uint64_t, a->i64, b->i64); break;
    }
}

static Number identity(QccCombine how, int type)
{
    static const double real[] = {0, -INFINITY, INFINITY, 1};
    static const int64_t i32[] = {0, INT32_MIN, INT32_MAX, 1}, i64[] = {0, INT64_MIN, INT64_MAX, 1};
    switch (type) {
    case QCC_EX_F32: return (Number){.f32 = (float)real[how]};
    case QCC_EX_F64: return (Number){.f64 = real[how]};
    case QCC_EX_I32: return (Number){.i32 = (int32_t)i32[how]};
    default: return (Number){.i64 = i64[how]};
    }
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Where a window over integers begins: max and min at the ends of the element type's range. */
static Number pool_start(QccCombine how, QccDtype d)
{
    int64_t least, greatest;
    qcc_dtype_range(d, &least, &greatest);
    int type = qcc_expr_type_of(d);
    bool picks = how == QCC_COMBINE_MAX || how == QCC_COMBINE_MIN;
    if (qcc_dtype_is_float(d) || !picks) return identity(how, type);
    int64_t v = how == QCC_COMBINE_MAX ? least : greatest;
    return type == QCC_EX_I32 ? (Number){.i32 = (int32_t)v} : (Number){.i64 = v};
}

static void pool(Run *r, const int64_t *index, int64_t n)
{
    const QccKernel *k = r->k;
    const QccPoolShape *p = &k->u.pool;
    QccDtype d = k->arg[1].dtype;
    size_t size = (size_t)wide_size(d);
    for (int64_t i = 0; i < n; i++) {
        Number acc = pool_start(p->combine, d), v;
        for (int64_t tap = 0; tap < p->kh * p->kw; tap++) {
            int64_t y = index[1] * p->stride_h - p->pad_top + tap / p->kw * p->dil_h;
            int64_t x = index[2] * p->stride_w - p->pad_left + tap % p->kw * p->dil_w;
            if (y < 0 || y >= p->ih || x < 0 || x >= p->iw) continue;
            int64_t at = index[0] * p->a_n + y * p->a_h + x * p->a_w + index[3] + i;
            qcc_widen(&v, d, r->base[1], at, 1);
            combine(p->combine, qcc_expr_type_of(d), &acc, &v);
        }
        memcpy((char *)r->acc + size * (size_t)i, &acc, size);
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* n elements of `type` by 16 virtual lanes. */
static Number reduce(QccCombine how, int type, const char *x, int64_t n)
{
    size_t size = type == QCC_EX_F32 || type == QCC_EX_I32 ? 4 : 8;
    Number lane[LANES], v;
    for (int i = 0; i < LANES; i++) lane[i] = identity(how, type);
    for (int64_t i = 0; i < n; i++) {
        memcpy(&v, x + (size_t)i * size, size);
        combine(how, type, &lane[i % LANES], &v);
    }
    for (int w = LANES / 2; w > 0; w /= 2)
        for (int i = 0; i < w; i++) combine(how, type, &lane[i], &lane[i + w]);
    return lane[0];
}

static void run_row(Run *r, const int64_t *index)
{
    const QccKernel *k = r->k;
    const QccRowShape *s = &k->u.rows;
    int64_t n = k->extent[k->rank - 1];
    for (int i = 0; i < s->nstage; i++) {
        const QccRowStage *stage = &s->stage[i];
        gather(r, stage->term, 1, index, n);
        evaluate(r, stage->term, n, NULL, r->result);
        int type = stage->term->node[stage->term->result].type;
        Number combined = reduce(stage->combine, type, r->result, n);
        /* Later expressions read it as one more argument. */
        memcpy(r->acc, &combined, sizeof combined);
        memcpy(r->stage[i], &combined, sizeof combined);
        if (stage->then) evaluate(r, stage->then, 1, r->acc, r->stage[i]);
        r->wide[QCC_ROW_RESULT + i] = r->stage[i];
        r->stride[QCC_ROW_RESULT + i] = 0;
    }
    finish(r, index, s->reduced ? 1 : n);
}

/* ---- work units ------------------------------------------------------------------------------ */

typedef struct Box {
    int64_t from[QCC_MAX_RANK], to[QCC_MAX_RANK];
} Box;

static int64_t take(int64_t *unit, int64_t n)
{
    int64_t digit = *unit % n;
    *unit /= n;
    return digit;
}

static void set_range(Box *b, int dim, int64_t from, int64_t n, int64_t extent)
{
    b->from[dim] = from;
    b->to[dim] = from + n < extent ? from + n : extent;
}

static Box box_of(const Run *r, int64_t unit)
{
    const QccKernel *k = r->k;
    const int64_t *e = k->extent;
    Box b = {{0}, {0}};
    for (int d = 0; d < k->rank; d++) set_range(&b, d, 0, e[d], e[d]);
    if (k->anchor == QCC_ANCHOR_MAP) {
        int64_t n = k->rank == 1 ? 4096 : 1;
        set_range(&b, 0, unit * n, n, e[0]);
    } else if (k->anchor == QCC_ANCHOR_ROWS) {
        for (int d = k->rank - 2; d >= 0; d--) set_range(&b, d, take(&unit, e[d]), 1, e[d]);
    } else if (k->anchor != QCC_ANCHOR_CONTRACT) {
        set_range(&b, 1, take(&unit, e[1]), 1, e[1]);
        set_range(&b, 0, unit, 1, e[0]);
    } else {
        int64_t chunk = k->variant.chunk ? k->variant.chunk : e[2];
        int64_t chunks = (e[2] + chunk - 1) / chunk, panels = qcc_kernel_panels(k, r->t->lanes);
        int64_t outputs = e[3] / k->u.contract.groups;
        int64_t cols = (int64_t)k->variant.nr * r->t->lanes;
        int64_t panel = k->variant.n_outer ? 0 : take(&unit, panels);
        set_range(&b, 2, take(&unit, chunks) * chunk, chunk, e[2]);
        set_range(&b, 1, take(&unit, e[1]), 1, e[1]);
        set_range(&b, 0, take(&unit, e[0]), 1, e[0]);
        if (k->variant.n_outer) panel = unit;
        int64_t per_group = panels / k->u.contract.groups, first = panel / per_group * outputs;
        set_range(&b, 3, first + panel % per_group * cols, cols, first + outputs);
    }
    return b;
}

static void run_box(Run *r, const Box *b)
{
    const QccKernel *k = r->k;
    int last = k->rank - 1;
    int64_t index[QCC_MAX_RANK];
    for (int d = 0; d <= last; d++) {
        if (b->from[d] >= b->to[d]) return;
        index[d] = b->from[d];
    }
    for (;;) {
        int64_t n = b->to[last] - b->from[last];
        switch (k->anchor) {
        case QCC_ANCHOR_ROWS: run_row(r, index); break;
        case QCC_ANCHOR_CONTRACT:
        case QCC_ANCHOR_DEPTHWISE: accumulate(r, index, n); break;
        case QCC_ANCHOR_POOL: pool(r, index, n); break;
        case QCC_ANCHOR_MAP: break;
        }
        if (k->anchor != QCC_ANCHOR_ROWS) finish(r, index, n);
        int d = last - 1;
        while (d >= 0 && ++index[d] == b->to[d]) {
            index[d] = b->from[d];
            d--;
        }
        if (d < 0) return;
    }
}

/* The own pixels of a tile, one by one. */
static void run_tile(Run *r, const QccTiling *g, int64_t tile, int64_t panel)
{
    const int64_t *e = r->k->extent, cols = (int64_t)r->k->variant.nr * r->t->lanes;
    int64_t line = tile / g->tiles, first = tile % g->tiles * g->rows;
    for (int64_t p = first; p < first + g->rows && p < g->length; p++) {
        Box b = {.from = {line / e[1], line % e[1], p}};
        if (g->pitch) memcpy(b.from, (int64_t[]){line, p / g->pitch, p % g->pitch}, 3 * sizeof p);
        if (b.from[2] >= e[2]) continue;
        for (int d = 0; d < 3; d++) set_range(&b, d, b.from[d], 1, e[d]);
        set_range(&b, 3, panel * cols, cols, e[3]);
        run_box(r, &b);
    }
}

/* A block of tiles and a group of panels. */
static void run_tiles(Run *r, int64_t unit)
{
    const QccVariant *v = &r->k->variant;
    const QccTiling g = qcc_kernel_tiling(r->k);
    int64_t panels = qcc_kernel_panels(r->k, r->t->lanes);
    int64_t groups = (panels + g.group - 1) / g.group;
    int64_t group = v->n_outer ? unit / g.blocks : unit % groups;
    int64_t block = v->n_outer ? unit % g.blocks : unit / groups;
    for (int64_t i = 0; i < v->tiles; i++)
        for (int64_t panel = group * g.group; panel < (group + 1) * g.group; panel++)
            if (block * v->tiles + i < g.lines * g.tiles && panel < panels)
                run_tile(r, &g, block * v->tiles + i, panel);
}

void qcc_kernel_reference(const QccKernel *k, const QccTarget *t, void *const *arg, int64_t begin,
                          int64_t end, QccArena *scratch)
{
    Run r = {.k = k, .t = t, .base = (char *const *)arg, .arena = scratch};
    r.columns = k->extent[k->rank - 1];
    r.acc = qcc_alloc_array(scratch, r.columns, 8);
    r.result = qcc_alloc_array(scratch, r.columns, 8);
    if (k->anchor == QCC_ANCHOR_ROWS) { /* one by one */
        int64_t rows = qcc_kernel_rows(k), all = 1;
        for (int d = 0; d < k->rank - 1; d++) all *= k->extent[d];
        begin *= rows;
        end = end * rows < all ? end * rows : all;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        if (k->anchor == QCC_ANCHOR_CONTRACT && k->variant.tiles) {
            run_tiles(&r, unit);
            continue;
        }
        Box b = box_of(&r, unit);
        run_box(&r, &b);
    }
}
