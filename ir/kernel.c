/* kernel - the canonical text of kernel descriptions, their work units and their names. */
#include "ir/kernel.h"

#include "ir/type.h"

#include <assert.h>

static const char *const anchor_name[] = {
    [QCC_ANCHOR_MAP] = "map",
    [QCC_ANCHOR_CONTRACT] = "contract",
    [QCC_ANCHOR_DEPTHWISE] = "depthwise",
    [QCC_ANCHOR_POOL] = "pool",
    [QCC_ANCHOR_ROWS] = "rows",
};

static const char *const combine_name[] = {
    [QCC_COMBINE_SUM] = "sum",
    [QCC_COMBINE_MAX] = "max",
    [QCC_COMBINE_MIN] = "min",
    [QCC_COMBINE_PROD] = "prod",
};

enum {
    MAP_BLOCK = 4096, /* elements of a work unit of a rank 1 map */
    TILE_COLUMNS = 16,
    PART_SUMS = 8192, /* i32 that are kept between passes over K */
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t space(const QccKernel *k)
{
    int64_t n = 1;
    for (int i = 0; i < k->rank; i++) n *= k->extent[i];
    return n;
}

/* Whether argument i is reached by the anchor's own strides. */
static bool is_anchor_operand(const QccKernel *k, int i)
{
    return i >= 1 && i <= k->nanchor && k->anchor != QCC_ANCHOR_MAP && k->anchor != QCC_ANCHOR_ROWS;
}

int64_t qcc_kernel_panels(const QccKernel *k, int lanes)
{
    assert(k->anchor == QCC_ANCHOR_CONTRACT && k->variant.nr > 0);
    int64_t groups = k->u.contract.groups;
    return groups * ceil_div(k->extent[3] / groups, (int64_t)k->variant.nr * lanes);
}

QccTiling qcc_kernel_tiling(const QccKernel *k)
{
    const QccContractShape *c = &k->u.contract;
    const QccVariant *v = &k->variant;
    QccTiling t = {.lines = k->extent[0] * k->extent[1], .length = k->extent[2]};
    assert(k->anchor == QCC_ANCHOR_CONTRACT && v->tiles > 0 && v->mr % v->tiles == 0);
    if (v->flat) {
        t.pitch = c->stride_h * c->a_h / (c->stride_w * c->a_w);
        t.lines = k->extent[0];
        t.length = (k->extent[1] - 1) * t.pitch + k->extent[2];
    }
    t.rows = v->mr / v->tiles;
    t.tiles = ceil_div(t.length, t.rows);
    t.blocks = ceil_div(t.lines * t.tiles, v->tiles);
    t.group = 1;
    if (v->chunk > 0) t.group = PART_SUMS / ((int64_t)v->mr * v->nr * TILE_COLUMNS);
    assert(t.rows <= t.length);
    return t;
}

int64_t qcc_kernel_rows(const QccKernel *k)
{
    assert(k->anchor == QCC_ANCHOR_ROWS);
    return k->variant.mr > 0 ? k->variant.mr : 1;
}

bool qcc_kernel_blocks_fit(const QccKernel *k)
{
    const QccContractShape *c = &k->u.contract;
    bool own = c->b_strided && (c->b_n != 0 || c->b_h != 0);
    return !own || (!k->variant.flat && qcc_kernel_tiling(k).tiles % k->variant.tiles == 0);
}

int64_t qcc_kernel_work(const QccKernel *k, int lanes)
{
    const int64_t *e = k->extent;
    if (space(k) == 0) return 0;
    switch (k->anchor) {
    case QCC_ANCHOR_MAP:
        if (k->rank == 0) return 1;
        return k->rank == 1 ? ceil_div(e[0], MAP_BLOCK) : e[0];
    case QCC_ANCHOR_POOL:
    case QCC_ANCHOR_DEPTHWISE: return e[0] * e[1];
    case QCC_ANCHOR_ROWS: return ceil_div(space(k) / e[k->rank - 1], qcc_kernel_rows(k));
    case QCC_ANCHOR_CONTRACT: break;
    }
    if (k->variant.tiles > 0) {
        QccTiling t = qcc_kernel_tiling(k);
        return t.blocks * ceil_div(qcc_kernel_panels(k, lanes), t.group);
    }
    int64_t chunk = k->variant.chunk > 0 ? k->variant.chunk : e[2];
    return e[0] * e[1] * ceil_div(e[2], chunk) * qcc_kernel_panels(k, lanes);
}

int64_t qcc_kernel_operations(const QccKernel *k)
{
    switch (k->anchor) {
    case QCC_ANCHOR_CONTRACT:
        return 2 * space(k) * k->u.contract.kh * k->u.contract.kw * k->u.contract.ci;
    case QCC_ANCHOR_DEPTHWISE: return 2 * space(k) * k->u.contract.kh * k->u.contract.kw;
    case QCC_ANCHOR_POOL: return space(k) * k->u.pool.kh * k->u.pool.kw;
    case QCC_ANCHOR_ROWS: return space(k) * (k->u.rows.nstage + 1);
    case QCC_ANCHOR_MAP: break;
    }
    return space(k);
}

/* Different positions that n windows of k taps touch. */
static int64_t touched(int64_t n, int64_t k, int64_t stride)
{
    return k < stride ? n * k : (n - 1) * stride + k;
}

static int64_t anchor_elements(const QccKernel *k, int i)
{
    const int64_t *e = k->extent;
    const QccContractShape *c = &k->u.contract;
    const QccPoolShape *p = &k->u.pool;
    if (k->anchor == QCC_ANCHOR_POOL) return e[0] * p->ih * p->iw * e[3];
    if (i == 1)
        return e[0] * touched(e[1], c->kh, c->stride_h) * touched(e[2], c->kw, c->stride_w) *
               c->groups * c->ci;
    int64_t own = c->b_strided ? (c->b_n ? e[0] : 1) * (c->b_h ? e[1] : 1) : 1;
    return own * e[3] * c->kh * c->kw * c->ci;
}

int64_t qcc_kernel_bytes(const QccKernel *k)
{
    int64_t bytes = 0;
    for (int i = 0; i < k->narg && space(k) > 0; i++) {
        int64_t n = 1;
        for (int d = 0; d < k->rank; d++) n *= k->arg[i].stride[d] ? k->extent[d] : 1;
        if (is_anchor_operand(k, i)) n = anchor_elements(k, i);
        bytes += n * (qcc_dtype_bits(k->arg[i].dtype) / 8);
    }
    return bytes;
}

static void print_list(QccBuf *buf, const char *head, const int64_t *v, int n, const char *sep)
{
    qcc_buf_puts(buf, head);
    for (int i = 0; i < n; i++) qcc_buf_printf(buf, "%s%lld", i ? sep : "", (long long)v[i]);
}

static void print_contract(QccBuf *buf, const QccContractShape *c)
{
    qcc_buf_printf(buf, "taps %lldx%lld stride %lldx%lld dilation %lldx%lld ci %lld groups %lld\n",
                   (long long)c->kh, (long long)c->kw, (long long)c->stride_h,
                   (long long)c->stride_w, (long long)c->dil_h, (long long)c->dil_w,
                   (long long)c->ci, (long long)c->groups);
    qcc_buf_printf(buf, "a %lld %lld %lld\n", (long long)c->a_n, (long long)c->a_h,
                   (long long)c->a_w);
    if (c->b_strided)
        qcc_buf_printf(buf, "b strided %lld %lld %lld\n", (long long)c->b_n, (long long)c->b_h,
                       (long long)c->b_k);
    else
        qcc_buf_printf(buf, "b packed%s\n", c->pairs_fit ? " pairs fit" : "");
}

static void print_pool(QccBuf *buf, const QccPoolShape *p)
{
    qcc_buf_printf(buf, "%s of %lldx%lld taps %lldx%lld stride %lldx%lld dilation %lldx%lld",
                   combine_name[p->combine], (long long)p->ih, (long long)p->iw, (long long)p->kh,
                   (long long)p->kw, (long long)p->stride_h, (long long)p->stride_w,
                   (long long)p->dil_h, (long long)p->dil_w);
    qcc_buf_printf(buf, " pad %lld %lld\n", (long long)p->pad_top, (long long)p->pad_left);
    qcc_buf_printf(buf, "a %lld %lld %lld\n", (long long)p->a_n, (long long)p->a_h,
                   (long long)p->a_w);
}

static void print_expr(QccBuf *buf, const char *head, const QccExpr *e)
{
    qcc_buf_printf(buf, "%s\n", head);
    qcc_expr_print(buf, e);
}

static void print_rows(QccBuf *buf, const QccRowShape *r)
{
    qcc_buf_printf(buf, "%s\n", r->reduced ? "reduced" : "whole");
    for (int i = 0; i < r->nstage; i++) {
        qcc_buf_printf(buf, "stage %d %s\n", i, combine_name[r->stage[i].combine]);
        print_expr(buf, "term", r->stage[i].term);
        if (r->stage[i].then) print_expr(buf, "then", r->stage[i].then);
    }
}

void qcc_variant_print(QccBuf *buf, const QccVariant *v)
{
    static const char *const streams[] = {
        [QCC_STREAM_NONE] = "", [QCC_STREAM_A] = " stream a", [QCC_STREAM_B] = " stream b"};
    qcc_buf_printf(buf, "variant mr %d nr %d unroll %d chunk %d %s%s", v->mr, v->nr, v->unroll,
                   v->chunk, v->n_outer ? "n-outer" : "m-outer", v->wide ? " wide" : "");
    if (v->tiles)
        qcc_buf_printf(buf, " tiles %d%s spread %d%s%s%s%s", v->tiles, v->flat ? " flat" : "",
                       v->spread, streams[v->stream], v->seeded ? " seeded" : "",
                       v->late ? " late" : "", v->ahead ? " ahead" : "");
    qcc_buf_puts(buf, "\n");
}

void qcc_kernel_print(QccBuf *buf, const QccKernel *k, bool variant)
{
    qcc_buf_printf(buf, "kernel %s\n", anchor_name[k->anchor]);
    print_list(buf, "space ", k->extent, k->rank, "x");
    qcc_buf_puts(buf, "\n");
    switch (k->anchor) {
    case QCC_ANCHOR_CONTRACT:
    case QCC_ANCHOR_DEPTHWISE: print_contract(buf, &k->u.contract); break;
    case QCC_ANCHOR_POOL: print_pool(buf, &k->u.pool); break;
    case QCC_ANCHOR_ROWS: print_rows(buf, &k->u.rows); break;
    case QCC_ANCHOR_MAP: break;
    }
    for (int i = 0; i < k->narg; i++) {
        bool anchor = is_anchor_operand(k, i);
        qcc_buf_printf(buf, "arg %d %s%s", i, qcc_dtype_name(k->arg[i].dtype),
                       anchor ? " anchor" : "");
        if (!anchor) print_list(buf, " ", k->arg[i].stride, k->rank, " ");
        qcc_buf_puts(buf, "\n");
    }
    if (k->epilogue) print_expr(buf, "epilogue", k->epilogue);
    if (variant) qcc_variant_print(buf, &k->variant);
}

static void title_window(QccBuf *buf, int64_t kh, int64_t kw, int64_t sh, int64_t sw)
{
    qcc_buf_printf(buf, " k%lldx%lld", (long long)kh, (long long)kw);
    if (sh != 1 || sw != 1) qcc_buf_printf(buf, " s%lldx%lld", (long long)sh, (long long)sw);
}

void qcc_kernel_title(QccBuf *buf, const QccKernel *k)
{
    const char *name = anchor_name[k->anchor];
    const QccContractShape *c = &k->u.contract;
    const QccPoolShape *p = &k->u.pool;
    bool product = k->anchor == QCC_ANCHOR_CONTRACT && c->kh == 1 && c->kw == 1 && c->groups == 1 &&
                   k->extent[1] == 1;
    if (product)
        name = "matmul";
    else if (k->anchor == QCC_ANCHOR_CONTRACT)
        name = "conv";
    if (k->anchor == QCC_ANCHOR_POOL) qcc_buf_puts(buf, combine_name[p->combine]);
    qcc_buf_puts(buf, name);
    print_list(buf, " ", k->extent, k->rank, "x");
    if (product)
        qcc_buf_printf(buf, " k%lld", (long long)c->ci);
    else if (k->anchor == QCC_ANCHOR_CONTRACT || k->anchor == QCC_ANCHOR_DEPTHWISE)
        title_window(buf, c->kh, c->kw, c->stride_h, c->stride_w);
    else if (k->anchor == QCC_ANCHOR_POOL)
        title_window(buf, p->kh, p->kw, p->stride_h, p->stride_w);
    if (k->anchor == QCC_ANCHOR_CONTRACT && c->groups > 1)
        qcc_buf_printf(buf, " g%lld", (long long)c->groups);
    int operand = k->narg > 1 ? 1 : 0;
    qcc_buf_printf(buf, " %s", qcc_dtype_name(k->arg[operand].dtype));
}
