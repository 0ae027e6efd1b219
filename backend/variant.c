/* variant - block sizes and loop orders, by a small model of what a block costs.
 *
 *   block of mr pixels x nr vectors, per group of K:  mr*nr multiplies, nr loads of B, mr
 * broadcasts
 *
 * The model counts issue slots of a core that does two loads and two multiplies a cycle; it was
 * checked against measurements of 5x4, 6x4 and 12x2 blocks of vpdpbusd, which all reach 95 % and
 * more of the peak, while blocks that outgrow the registers lose half.
 */
#include "backend/variant.h"

#include <assert.h>

#include "backend/pack.h"

enum {
    L1_BYTES = 32 * 1024, /* what may be counted on; the smallest that the bundles meet */
    UNIT_BYTES = 24 * 1024,
    MIN_UNITS = 16,   /* work for a handful of threads, with some slack for stragglers */
    ROW_PIXELS = 64,  /* rows up to this long are one unit */
    LATENCY = 10,     /* multiplies in flight that hide the latency of one on two ports */
    OUTPUT_COST = 10, /* an epilogue of one vector */
    BLOCK_COST = 12,  /* addresses, branches, first loads of a block */
    MAX_MR = 12,
    MAX_NR = 4,
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}
static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Issue slots of one block with `groups` steps along K. */
static int64_t block_cost(int64_t mr, int64_t nr, int64_t groups, bool madd)
{
    int64_t multiply = mr * nr * (madd ? 4 : 1);   /* two pmaddwd, two paddd */
    int64_t load = mr + nr + (madd ? mr + nr : 0); /* mask and shift of A's bytes, more of B */
    int64_t step = max_i64(max_i64(multiply, load), LATENCY);
    return groups * step + mr * nr * OUTPUT_COST + BLOCK_COST;
}

static void choose_contract(QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    QccVariant *v = &k->variant;
    bool f32 = k->arg[1].dtype == QCC_F32;
    bool madd = !f32 && t->dot == QCC_DOT_MADD16;
    int64_t pixels = k->extent[2];
    int64_t depth = c->kh * c->kw * c->ci;
    int64_t groups = max_i64(1, f32 ? depth : ceil_div(depth, 4));
    int64_t vectors = max_i64(1, ceil_div(k->extent[3] / c->groups, t->lanes));
    int spare = madd ? 3 : 0; /* second half of A, mask, product */

    int64_t best = INT64_MAX;
    for (int nr = MAX_NR; nr >= 1; nr--) {
        for (int mr = MAX_MR; mr >= 1; mr--) {
            if (mr * nr + nr + 1 + spare > t->registers) continue;
            if ((nr > 1 && nr > vectors) || (mr > 1 && mr > pixels)) continue;
            /* Emulated fma is a page of code a multiply: one accumulator. */
            if (f32 && !t->fma && mr * nr > 1) continue;
            int64_t tail = pixels % mr;
            int64_t cost = pixels / mr * block_cost(mr, nr, groups, madd) +
                           (tail ? block_cost(tail, nr, groups, madd) : 0);
            cost *= ceil_div(vectors, nr);
            if (cost >= best) continue;
            best = cost;
            v->mr = mr;
            v->nr = nr;
        }
    }
    assert(best != INT64_MAX || pixels == 0);
    if (v->mr == 0) v->mr = v->nr = 1;

    /* About 48 multiplies an iteration: the loop's own instructions vanish, code stays small. A
     * step of MADD16 has enough of them by itself, and twice as many took four times as long to
     * compile.
     */
    v->unroll = 1;
    while (!madd && v->unroll < 4 && v->unroll * 2 * v->mr * v->nr <= 48 && v->unroll * 2 <= groups)
        v->unroll *= 2;

    /* Which operand is read again and again from beyond L1: all of B for every chunk of pixels, or
     * all of A for every panel of B. */
    int64_t element = f32 ? 4 : 1;
    int64_t cols = (int64_t)v->nr * t->lanes;
    int64_t panels = c->groups * ceil_div(k->extent[3] / c->groups, cols);
    int64_t a_bytes = k->extent[0] * k->extent[1] * c->stride_h * pixels * c->stride_w * c->ci *
                      c->groups * element;
    int64_t b_bytes = panels * cols * depth * element * (madd ? 2 : 1);

    /* A unit's share of A stays in L1 while the panels pass over it. */
    int64_t chunk = pixels;
    if (pixels > ROW_PIXELS) {
        chunk = UNIT_BYTES / max_i64(1, c->stride_w * c->ci * element);
        chunk = min_i64(max_i64(chunk, 4 * v->mr), 4 * ROW_PIXELS);
    }
    int64_t rows = k->extent[0] * k->extent[1] * panels;
    while (chunk > 4 * v->mr && rows * ceil_div(pixels, chunk) < MIN_UNITS) chunk /= 2;
    chunk = ceil_div(max_i64(chunk, 1), v->mr) * v->mr;
    v->chunk = chunk >= pixels ? 0 : (int)chunk;

    int64_t chunks = k->extent[0] * k->extent[1] * ceil_div(max_i64(pixels, 1), chunk);
    int64_t again_b = b_bytes > L1_BYTES ? b_bytes * chunks : b_bytes;
    int64_t again_a = a_bytes > L1_BYTES ? a_bytes * panels : a_bytes;
    v->n_outer = again_a + b_bytes < again_b + a_bytes;
}

void qcc_choose_variant(QccKernel *k, const QccTarget *t)
{
    int64_t vectors = k->rank ? ceil_div(k->extent[k->rank - 1], t->lanes) : 1;
    k->variant = (QccVariant){0};
    switch (k->anchor) {
    case QCC_ANCHOR_CONTRACT: choose_contract(k, t); break;
    case QCC_ANCHOR_DEPTHWISE: {
        /* Weights are shared by the pixels, and in fours of taps what A gives for them as well. */
        QccQuads q;
        int64_t most = qcc_depthwise_quads(k, t, &q) && t->registers > 16 ? 8 : 4;
        k->variant.mr = (int)max_i64(1, min_i64(k->extent[2], most));
        k->variant.nr = 1;
        break;
    }
    case QCC_ANCHOR_POOL:
        k->variant.mr = 1;
        k->variant.nr = (int)max_i64(1, min_i64(vectors, 4));
        break;
    case QCC_ANCHOR_MAP:
    case QCC_ANCHOR_ROWS: break;
    }
}
