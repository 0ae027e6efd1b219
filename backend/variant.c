/* variant - block sizes and loop orders, by a small model of what a block costs.
 *
 *   block of mr pixels x nr vectors, per group of K:  mr*nr multiplies, nr loads of B, mr
 * broadcasts
 *
 * The model counts issue slots of a core that does two loads and two multiplies a cycle; it was
 * checked against measurements of 5x4, 6x4 and 12x2 blocks of vpdpbusd, which all reach 95 % and
 * more of the peak, while blocks that outgrow the registers lose half. Products in tiles have a
 * model of their own, in cycles, and are taken where it says less.
 */
#include "backend/variant.h"

#include <assert.h>

#include "backend/pack.h"

enum {
    L1_BYTES = 32 * 1024, /* what may be counted on; the smallest that the bundles meet */
    UNIT_BYTES = 24 * 1024,
    MIN_UNITS = 16,  /* work for a handful of threads, with some slack for stragglers */
    ROW_PIXELS = 64, /* rows up to this long are one unit */
    LATENCY = 10,    /* multiplies in flight that hide the latency of one on two ports */
    OUTPUT_COST = 8, /* an epilogue of one vector, */
    PACK_COST = 6,   /* narrowing and storing of up to four */
    OUTPUT_INSTRUCTIONS = 8,
    BLOCK_COST = 12,        /* addresses, branches, first loads of a block */
    AHEAD = 512,            /* instructions that a core looks ahead, */
    WAITING = 64,           /* and those of them that may wait for others */
    BLOCKS = 4,             /* of vectors that are worth measuring */
    WIDE_BYTES = 48 * 1024, /* of A that is widened for a unit; it lies on the stack */
    MAX_MR = 12,
    MAX_NR = 4,
    /* Tiles, as measured on Emerald Rapids. A multiply takes a cycle a pixel. */
    TILE_LATENCY = 52,         /* cycles until a sum can be added to again */
    TILE_BLOCK = 60,           /* addresses, first loads */
    FEW_PIXELS = 4,            /* fewer than this in a tile: bound by memory, and not by tiles */
    TILE_L1_BYTES = 40 * 1024, /* of 48 */
    L1_SETS = 64,              /* of 64 bytes; what lies a multiple of 4096 apart meets in one, */
    L1_WAYS = 8,               /* of which so many of 12 places are A's */
    L2_BYTES = 1536 * 1024,    /* which weights and activations have to share */
    CYCLE = 16, /* of these units in a cycle: what a row of 64 bytes adds to a K step */
    ROW_L1 = 3,
    ROW_L2 = 9,
    ROW_FAR = 100,
    TILE_STEPS = 4096, /* along K, at most: code has a table of them */
    PASS_STEPS = 8,    /* K steps of a pass, at least */
    CARRYING = 12,     /* K steps over which the epilogue of a block is spread */
    CARRIED = 8,       /* pixels of it that go with one K step, at most */
    LATE_STEPS = 3,    /* K steps, at most, that do not hide how long sums take to be stored; one
                          more where the epilogue binds. Of more, a core cannot look past them */
    PLAIN_UOPS = 5,    /* of an epilogue, for a vector: add, convert, multiply, convert, narrow */
    FAR_BYTES = 10,    /* that come from beyond L2 in a cycle */
    AHEAD_SHARE = 10,  /* a tenth more: bringing B near was not measured */
    COLD_BYTES = 768 * 1024, /* weights of this size are not in L2 when a network comes back */
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

/* What the block sizes of a product by vectors follow from. */
typedef struct Product {
    bool f32, madd, split, wide; /* madd: by pmaddwd; split: which takes bytes of A apart */
    int64_t pixels, depth, groups, vectors; /* of a row; K; steps along K; of output channels */
    int64_t element;                        /* bytes of one of B */
    int64_t b_vector;                       /* bytes of B for a vector of outputs, K deep */
    int64_t widened; /* bytes of a row of A that are widened, for all its taps */
} Product;

/* Issue slots of the K steps of a block by pmaddwd. A core begins four instructions a cycle: of
 * each step the multiplies and additions, broadcasts of A (and what takes their bytes apart), loads
 * of B, the loop. Of B from beyond L1 come 16 bytes a cycle. */
static int64_t pairs_cost(const Product *p, int64_t mr, int64_t nr)
{
    enum { LOOP = 2, FAR_BYTES_A_SLOT = 8 };
    int64_t sums = mr * nr, instructions = (p->wide ? 2 : 3) * sums + mr + nr + LOOP;
    if (p->split) instructions = 4 * sums + 3 * mr + 2 * nr + LOOP;
    int64_t cost = p->groups * instructions / 2, b = nr * p->b_vector;
    bool near = b <= L1_BYTES && p->pixels > mr; /* passed more than once */
    return near ? cost : max_i64(cost, b / FAR_BYTES_A_SLOT);
}

/* Issue slots of one block with `groups` steps along K. Blocks that are not deep overlap: together
 * their multiplies hide the latency, and those of the next one up to half of the epilogue. (Not so
 * pmaddwd, of which a step alone is dozens of instructions.) */
static int64_t block_cost(const Product *p, int64_t mr, int64_t nr)
{
    int64_t packs = nr / 2 * ceil_div(mr, 2) + nr % 2 * ceil_div(mr, 4); /* see block.c */
    int64_t half = (mr * nr * OUTPUT_COST + packs * PACK_COST + BLOCK_COST) / 2;
    if (p->madd) return pairs_cost(p, mr, nr) + 2 * half;
    int64_t groups = p->groups, multiply = mr * nr, load = mr + nr, step = max_i64(multiply, load);
    if (groups * (LATENCY - multiply) > WAITING) step = max_i64(step, LATENCY);
    int64_t instructions = groups * (multiply + load) + mr * nr * OUTPUT_INSTRUCTIONS;
    half += half * min_i64(instructions, AHEAD) / AHEAD;
    return groups * step + groups * load / 8 + half;
}

bool qcc_tiles_fit(const QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    if (t->tiles == QCC_TILES_NONE || k->anchor != QCC_ANCHOR_CONTRACT) return false;
    for (int i = 0; i < k->rank; i++)
        if (k->extent[i] == 0) return false;
    if (k->arg[1].dtype != QCC_U8 || k->arg[2].dtype != QCC_I8 || c->groups != 1) return false;
    /* Results that are dropped still have to be computed and to lie somewhere. */
    if (k->arg[0].stride[3] != 1 || qcc_expr_has(k->epilogue, QCC_EX_load)) return false;
    int64_t runs, length;
    qcc_contract_runs(k, &runs, &length);
    return runs * qcc_tile_steps(length).steps <= TILE_STEPS;
}

bool qcc_tiles_fit_flat(const QccKernel *k)
{
    const QccContractShape *c = &k->u.contract;
    int64_t down = c->stride_h * c->a_h, right = c->stride_w * c->a_w;
    return !c->b_strided && k->extent[1] > 1 && right > 0 && down % right == 0 &&
           down / right >= k->extent[2] && down / right <= INT32_MAX / k->extent[1];
}

void qcc_tiles_shape(QccKernel *k, int mt, int nt, bool flat)
{
    QccVariant *v = &k->variant;
    *v = (QccVariant){.mr = mt, .nr = nt, .tiles = mt, .flat = flat, .unroll = 4};
    int64_t length = qcc_kernel_tiling(k).length;
    v->mr = mt * (int)ceil_div(length, ceil_div(length, QCC_TILE_ROWS));
}

/* K steps of a kernel in tiles. */
static int64_t tile_steps(const QccKernel *k)
{
    int64_t runs, length;
    qcc_contract_runs(k, &runs, &length);
    return runs * qcc_tile_steps(length).steps;
}

/* What a row of 64 bytes adds to a K step, by how much is read how often. */
static int64_t load_cost(int64_t bytes, int64_t times)
{
    if (bytes <= TILE_L1_BYTES) return ROW_L1;
    return bytes <= L2_BYTES || times == 1 ? ROW_L2 : ROW_FAR;
}

/* Instructions of a node on vectors, by the two ports that do them. */
static int64_t node_uops(const QccKernel *k, const QccExprNode *node)
{
    switch (node->op) {
    case QCC_EX_imm:
    case QCC_EX_acc: return 0;
    case QCC_EX_arg: {
        /* Those that pixels share are loaded once. */
        const QccKernelArg *arg = &k->arg[node->imm.i];
        bool widens = arg->dtype != QCC_F32 && arg->dtype != QCC_I32;
        return widens && (arg->stride[0] || arg->stride[1] || arg->stride[2]);
    }
    case QCC_EX_rne: return 2;
    case QCC_EX_lut: return 8;
    case QCC_EX_div:
    case QCC_EX_sqrt: return 20;
    default: return 1;
    }
}

/* Of the epilogue of a vector of outputs, narrowing included. */
static int64_t epilogue_uops(const QccKernel *k)
{
    int64_t n = 1;
    for (int i = 0; k->epilogue && i < k->epilogue->n; i++)
        n += node_uops(k, &k->epilogue->node[i]);
    if (qcc_dtype_bits(k->arg[0].dtype) == 8) n -= 2; /* narrowing clamps as well */
    return max_i64(n, 1);
}

/* Bytes of B for all panels. */
static int64_t bytes_of_b(const QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    return c->b_strided ? QCC_FOURS_DEPTH(c->ci) * k->extent[3] : qcc_pack_size(k, t);
}

/* What operands add to K steps. */
typedef struct Rows {
    int64_t a, b;    /* for a row of 64 bytes */
    int64_t between; /* for all passes of a block: sums that are stored and loaded */
} Rows;

/* Settles which operand is read past L1. Either blocks pass over a panel of B, which stays in L1,
 * and read A anew for each panel: that pays for one tap only, others find in L1 what the first one
 * brought. Or panels pass over a block of A. */
static Rows cost_of_rows(QccKernel *k, const QccTarget *t, const QccTiling *g, int64_t steps)
{
    const QccContractShape *c = &k->u.contract;
    QccVariant *v = &k->variant;
    int64_t panels = qcc_kernel_panels(k, t->lanes);
    int64_t taps = max_i64(1, c->kh * c->kw / (c->stride_h * c->stride_w));
    int64_t a = k->extent[0] * k->extent[1] * c->stride_h * k->extent[2] * c->stride_w * c->ci;
    int64_t a_block = v->mr * c->stride_w * c->kh * c->ci, b = bytes_of_b(k, t);
    int64_t times = panels; /* a block of A is read */
    Rows r = {0};
    if (v->chunk) {
        a_block = (int64_t)v->mr * v->chunk * QCC_TILE_BYTES;
        times = min_i64(panels, g->group);
        r.between = (steps / v->chunk - 1) * 2 * v->mr * v->nr * ROW_L2;
    }
    if (v->n_outer || panels == 1) {
        r.a = ROW_L1 + (load_cost(a, panels) - ROW_L1) / taps;
        r.b = load_cost(v->nr * steps * QCC_TILE_SIZE, g->blocks);
        v->stream = taps == 1 && r.a > ROW_L1 ? QCC_STREAM_A : QCC_STREAM_NONE;
    } else {
        r.a = ROW_L1 + (ROW_L2 - ROW_L1) / (a_block <= TILE_L1_BYTES ? taps * times : taps);
        r.b = load_cost(b + a_block, g->blocks);
        v->stream = r.b > ROW_L1 ? QCC_STREAM_B : QCC_STREAM_NONE;
    }
    return r;
}

/* Cycles of the whole kernel; settles what follows from its blocks and their order. */
static int64_t tile_cost(QccKernel *k, const QccTarget *t)
{
    QccVariant *v = &k->variant;
    QccTiling g = qcc_kernel_tiling(k);
    int64_t steps = tile_steps(k), panels = qcc_kernel_panels(k, t->lanes);
    Rows rows = cost_of_rows(k, t, &g, steps);
    int64_t multiply = max_i64((int64_t)v->tiles * v->nr * g.rows, TILE_LATENCY) * CYCLE;
    int64_t step = multiply + v->mr * rows.a + (int64_t)v->nr * QCC_TILE_ROWS * rows.b;
    int64_t vectors = (int64_t)v->mr * v->nr, epilogue = vectors * epilogue_uops(k) / 2 * CYCLE;
    v->seeded = epilogue > steps * step * 3 / 4; /* it binds, or nearly */
    v->late = !v->chunk && steps <= LATE_STEPS + v->seeded;
    if (v->seeded) epilogue -= vectors / 2 * CYCLE;
    int64_t block = (max_i64(steps * step, epilogue) + rows.between) / CYCLE + TILE_BLOCK;
    /* What of B comes from beyond L2 holds up what needs it, unless it was called for before; that
     * counts where it is not little beside the multiplies. */
    int64_t b = bytes_of_b(k, t), far = b / FAR_BYTES, all = g.blocks * panels * block;
    int64_t pixels = k->extent[0] * k->extent[1] * k->extent[2];
    int64_t least = b / QCC_TILE_SIZE * pixels; /* a cycle a pixel for each tile of B */
    if (b <= COLD_BYTES || 2 * far < least) return all;
    v->ahead = v->n_outer && g.blocks > 1;
    if (v->ahead) return max_i64(all, far) + max_i64(all, far) / AHEAD_SHARE;
    return max_i64(panels * block, far) + all - panels * block;
}

/* Lines of a block's part of A that meet in one set of L1, for each K step. */
static int64_t lines_of_set(const QccKernel *k)
{
    const QccContractShape *c = &k->u.contract;
    int64_t apart = c->stride_w * c->a_w, sets = L1_SETS;
    while (sets > 1 && apart % (L1_SETS * QCC_TILE_BYTES / sets * 2) == 0) sets /= 2;
    return ceil_div(k->variant.mr, sets);
}

/* K steps of a pass, of which a block's part of A stays in L1; 0: no number of them divides all. */
static int64_t steps_of_pass(const QccKernel *k)
{
    int64_t runs, length, steps = tile_steps(k);
    if (lines_of_set(k) > L1_WAYS) return 0;
    qcc_contract_runs(k, &runs, &length);
    int64_t n = min_i64(steps / 2, L1_BYTES / (k->variant.mr * QCC_TILE_BYTES));
    while (n >= PASS_STEPS && steps % n) n--;
    return runs == 1 && n >= PASS_STEPS ? n : 0;
}

/* ---- what there is to choose from ------------------------------------------------------------ */

/* The cheapest variants so far, the cheapest first. */
typedef struct Ranking {
    int n, max;
    QccVariant variant[QCC_CANDIDATES];
    int64_t cost[QCC_CANDIDATES];
} Ranking;

static void consider(Ranking *r, const QccVariant *v, int64_t cost)
{
    int at = r->n;
    while (at > 0 && cost < r->cost[at - 1]) at--;
    if (at == r->max) return;
    if (r->n < r->max) r->n++;
    for (int i = r->n - 1; i > at; i--) {
        r->variant[i] = r->variant[i - 1];
        r->cost[i] = r->cost[i - 1];
    }
    r->variant[at] = *v;
    r->cost[at] = cost;
}

/* Variants for the caller, each once; none that leaves threads without work. */
typedef struct Candidates {
    QccKernel *k; /* its variant is scratch */
    const QccTarget *t;
    QccVariant *out;
    int n, max;
    int64_t units; /* of work, at least */
} Candidates;

static bool same(const QccVariant *a, const QccVariant *b)
{
    return a->mr == b->mr && a->nr == b->nr && a->unroll == b->unroll && a->chunk == b->chunk &&
           a->n_outer == b->n_outer && a->tiles == b->tiles && a->flat == b->flat &&
           a->spread == b->spread && a->stream == b->stream && a->seeded == b->seeded &&
           a->late == b->late && a->ahead == b->ahead && a->wide == b->wide;
}

static void offer(Candidates *c, const QccVariant *v)
{
    c->k->variant = *v;
    int64_t units = qcc_kernel_work(c->k, c->t->lanes);
    if (c->n == 0) c->units = min_i64(units, MIN_UNITS);
    if (units < c->units) return;
    for (int i = 0; i < c->n; i++)
        if (same(&c->out[i], v)) return;
    if (c->n < c->max) c->out[c->n++] = *v;
}

/* Pixels whose epilogue goes with one K step, so that all are done when the next block is. */
static int spread_of(const QccKernel *k, const QccVariant *v)
{
    int64_t steps = v->chunk ? v->chunk : tile_steps(k);
    int64_t carrying = max_i64(1, min_i64(steps - 1, CARRYING));
    return (int)min_i64(ceil_div(v->mr, 2 * carrying) * 2, CARRIED); /* pairs */
}

/* Blocks of tiles, in cycles. */
static void rank_tiles(Ranking *ranking, QccKernel *k, const QccTarget *t)
{
    static const struct {
        int mt, nt, handicap; /* per cent: no measurement speaks for it */
    } blocks[] = {{2, 2, 0},  {1, 4, 0},  {1, 3, 10}, {4, 1, 10},
                  {3, 1, 10}, {1, 2, 10}, {2, 1, 10}, {1, 1, 10}};
    enum { M_OUTER, N_OUTER, PASSES, ORDERS };
    static const int order_handicap[ORDERS] = {[N_OUTER] = 5};
    for (int flat = 0; flat < 1 + qcc_tiles_fit_flat(k); flat++) {
        for (size_t i = 0; i < ORDERS * sizeof blocks / sizeof *blocks; i++) {
            size_t block = i / ORDERS, order = i % ORDERS;
            qcc_tiles_shape(k, blocks[block].mt, blocks[block].nt, flat);
            if (k->variant.mr / k->variant.tiles < FEW_PIXELS || !qcc_kernel_blocks_fit(k))
                continue;
            k->variant.n_outer = order == N_OUTER;
            if (order == PASSES) k->variant.chunk = (int)steps_of_pass(k);
            if (order == PASSES && !k->variant.chunk) continue;
            int handicap = blocks[block].handicap + order_handicap[order];
            int64_t cost = tile_cost(k, t) / 100 * (100 + handicap);
            k->variant.spread = spread_of(k, &k->variant);
            consider(ranking, &k->variant, cost);
        }
    }
}

static Product product_of(const QccKernel *k, const QccTarget *t, bool wide)
{
    const QccContractShape *c = &k->u.contract;
    Product p = {.f32 = k->arg[1].dtype == QCC_F32, .wide = wide, .pixels = k->extent[2]};
    QccDot dot = qcc_contract_dot(k, t);
    p.madd = !p.f32 && dot != QCC_DOT_VNNI;
    p.split = p.madd && dot == QCC_DOT_MADD16 && !wide;
    p.element = p.f32 ? 4 : dot == QCC_DOT_MADD16 ? 2 : 1;
    p.depth = c->kh * c->kw * c->ci;
    p.groups = max_i64(1, p.f32 ? p.depth : ceil_div(p.depth, wide ? 2 : 4));
    p.vectors = max_i64(1, ceil_div(k->extent[3] / c->groups, t->lanes));
    p.b_vector = p.depth * t->lanes * p.element;
    if (wide) p.widened = c->kh * (p.pixels * c->stride_w + c->kw - 1) * c->a_w;
    return p;
}

bool qcc_wide_fits(const QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    return qcc_contract_dot(k, t) == QCC_DOT_MADD16 && k->anchor == QCC_ANCHOR_CONTRACT &&
           k->arg[2].dtype == QCC_I8 && !c->b_strided && c->groups == 1 && c->a_w >= c->ci;
}

/* Pixels of which what a unit reads of A may be widened at once. */
static int64_t wide_pixels(const QccKernel *k)
{
    const QccContractShape *c = &k->u.contract;
    int64_t room = WIDE_BYTES / 2 / c->kh - (c->kw - 1) * c->dil_w * c->a_w - c->ci;
    return room < 0 ? 0 : room / max_i64(1, c->stride_w * c->a_w) + 1;
}

/* Issue slots of a row of pixels, nr vectors of outputs. */
static int64_t row_cost(const Product *p, int64_t mr, int64_t nr)
{
    int64_t cost = p->pixels / mr * block_cost(p, mr, nr), tail = p->pixels % mr;
    return tail ? cost + block_cost(p, tail, nr) : cost;
}

/* Blocks of mr x nr, in issue slots of a row of pixels. */
static void rank_blocks(Ranking *ranking, const QccKernel *k, const QccTarget *t, bool wide)
{
    Product product = product_of(k, t, wide), *p = &product;
    /* Product; ones, or the second half of A and the mask; without AVX copies of what products
     * overwrite. */
    int halves = p->split ? 2 : 1;
    int spare = !p->madd ? 0 : t->lanes == 4 ? 4 : wide ? 1 : p->split ? 3 : 2;
    int64_t most = wide ? min_i64(wide_pixels(k), MAX_MR) : MAX_MR;
    for (int nr = MAX_NR; nr >= 1; nr--) {
        for (int mr = (int)most; mr >= 1; mr--) {
            if (mr * nr + halves * nr + 1 + spare > t->registers) continue;
            if ((nr > 1 && nr > p->vectors) || (mr > 1 && mr > p->pixels)) continue;
            /* Emulated fma is a page of code a multiply: one accumulator. */
            if (p->f32 && !t->fma && mr * nr > 1) continue;
            int64_t cost = p->vectors / nr * row_cost(p, mr, nr);
            if (p->vectors % nr) cost += row_cost(p, mr, p->vectors % nr);
            cost += p->widened / t->lanes; /* two vectors: load, extend, store */
            consider(ranking, &(QccVariant){.mr = mr, .nr = nr, .wide = wide}, cost);
        }
    }
}

/* Unroll, chunk and order of a block. */
static void settle_block(QccVariant *v, const QccKernel *k, const QccTarget *t)
{
    const QccContractShape *c = &k->u.contract;
    Product product = product_of(k, t, v->wide), *p = &product;
    int64_t pixels = p->pixels;
    /* About 48 multiplies an iteration: the loop's own instructions vanish, code stays small. A
     * step that takes bytes apart has enough of them by itself, and twice as many took four
     * times as long to compile.
     */
    int most = !p->madd ? 4 : p->split ? 1 : 2;
    v->unroll = 1;
    while (v->unroll < most && v->unroll * 2 * v->mr * v->nr <= 48 && v->unroll * 2 <= p->groups)
        v->unroll *= 2;

    /* Which operand is read again and again from beyond L1: all of B for every chunk of pixels, or
     * all of A for every panel of B. */
    int64_t element = p->f32 ? 4 : 1;
    int64_t cols = (int64_t)v->nr * t->lanes;
    int64_t panels = c->groups * ceil_div(k->extent[3] / c->groups, cols);
    int64_t a_bytes = k->extent[0] * k->extent[1] * c->stride_h * pixels * c->stride_w * c->ci *
                      c->groups * element;
    int64_t b_bytes = panels * cols * p->depth * p->element;

    /* A unit's share of A stays in L1 while the panels pass over it. */
    int64_t chunk = pixels;
    if (pixels > ROW_PIXELS) {
        chunk = UNIT_BYTES / max_i64(1, c->stride_w * c->ci * element);
        chunk = min_i64(max_i64(chunk, 4 * v->mr), 4 * ROW_PIXELS);
    }
    int64_t rows = k->extent[0] * k->extent[1] * panels;
    while (chunk > 4 * v->mr && rows * ceil_div(pixels, chunk) < MIN_UNITS) chunk /= 2;
    chunk = ceil_div(max_i64(chunk, 1), v->mr) * v->mr;
    if (v->wide && wide_pixels(k) < pixels) chunk = min_i64(chunk, wide_pixels(k) / v->mr * v->mr);
    v->chunk = chunk >= pixels ? 0 : (int)chunk;

    int64_t chunks = k->extent[0] * k->extent[1] * ceil_div(max_i64(pixels, 1), chunk);
    int64_t again_b = b_bytes > L1_BYTES ? b_bytes * chunks : b_bytes;
    int64_t again_a = a_bytes > L1_BYTES ? a_bytes * panels : a_bytes;
    /* What has been widened serves all panels. */
    v->n_outer = !v->wide && again_a + b_bytes < again_b + a_bytes;
}

/* The chosen variant of tiles with other details than its blocks and order. */
static void offer_details(Candidates *c, const QccKernel *k, const QccVariant *v)
{
    QccVariant other = *v;
    other.stream = v->stream ? QCC_STREAM_NONE : v->n_outer ? QCC_STREAM_A : QCC_STREAM_B;
    offer(c, &other);
    other = *v;
    other.ahead = !v->ahead;
    if (!v->n_outer) { /* which needs the other order */
        other.n_outer = true;
        other.stream = QCC_STREAM_NONE;
    }
    if (!v->chunk) offer(c, &other);
    if (v->chunk || tile_steps(k) > 2 * LATE_STEPS) return;
    other = *v;
    other.late = !v->late;
    offer(c, &other);
    other = *v;
    other.seeded = !v->seeded;
    offer(c, &other);
}

/* The same block in the other order, over longer and shorter chunks, and with more K steps in a
 * row. */
static void offer_orders(Candidates *list, const QccVariant *v, int64_t pixels)
{
    QccVariant other = *v;
    other.n_outer = !v->n_outer;
    offer(list, &other);
    int64_t chunk = v->chunk ? v->chunk : pixels;
    other = *v;
    other.chunk = (int)(ceil_div(chunk / 2, v->mr) * v->mr);
    if (chunk >= 4 * v->mr && chunk <= INT32_MAX) offer(list, &other);
    other.chunk = 2 * v->chunk >= pixels ? 0 : 2 * v->chunk;
    if (!v->wide && v->chunk && v->chunk < INT32_MAX / 2) offer(list, &other);
    other = *v;
    other.unroll = 2 * v->unroll;
    if (v->unroll > 1) offer(list, &other);
}

static void offer_contract(Candidates *list, QccKernel *k, const QccTarget *t)
{
    Product p = product_of(k, t, false);
    Ranking blocks = {.max = QCC_CANDIDATES}, tiles = {.max = QCC_CANDIDATES};
    for (int wide = 0; wide <= qcc_wide_fits(k, t); wide++) rank_blocks(&blocks, k, t, wide);
    assert(blocks.n > 0);
    for (int i = 0; i < blocks.n; i++) settle_block(&blocks.variant[i], k, t);
    if (qcc_tiles_fit(k, t)) rank_tiles(&tiles, k, t);
    /* Two issue slots are a cycle. */
    int64_t lines = k->extent[0] * k->extent[1], vectors = lines * p.pixels * p.vectors;
    int64_t by_blocks = lines * blocks.cost[0] + vectors * (epilogue_uops(k) - PLAIN_UOPS);
    bool by_tiles = tiles.n && tiles.cost[0] < by_blocks / 2;
    if (by_tiles) {
        offer(list, &tiles.variant[0]);
        offer_details(list, k, &tiles.variant[0]);
        offer(list, &blocks.variant[0]);
        for (int i = 1; i < tiles.n; i++) offer(list, &tiles.variant[i]);
        return;
    }
    offer(list, &blocks.variant[0]);
    if (tiles.n) offer(list, &tiles.variant[0]);
    offer_orders(list, &blocks.variant[0], p.pixels);
    for (int i = 1; i < blocks.n && i < BLOCKS; i++) offer(list, &blocks.variant[i]);
}

/* Pixels of a block, at most `most`, that leave the least to do beside the sums: columns of A to
 * bring side by side, and blocks. */
static int64_t depthwise_pixels(const QccKernel *k, int64_t most)
{
    enum {
        COLUMN = 3,
        BLOCK = 6,
        OTHER_CODE = 2
    }; /* issue slots; for a shorter block at the end */
    const QccContractShape *c = &k->u.contract;
    int64_t pixels = k->extent[2], best = 1, least = INT64_MAX;
    most = max_i64(1, min_i64(most, pixels));
    for (int64_t mr = most; mr > most / 2; mr--) {
        int64_t blocks = ceil_div(pixels, mr);
        int64_t columns = (pixels - blocks) * c->stride_w + blocks * c->kw;
        int64_t cost = columns * COLUMN + blocks * BLOCK + (pixels % mr ? OTHER_CODE : 0);
        if (cost >= least) continue;
        least = cost;
        best = mr;
    }
    return best;
}

static void offer_depthwise(Candidates *list, const QccKernel *k, const QccTarget *t)
{
    /* In columns of taps, few sums are alive at a time, else all are. The code of large windows is
     * long: it outgrows its cache, and takes long to compile. */
    enum { MANY_TAPS = 32 };
    QccColumns q;
    bool columns = qcc_depthwise_columns(k, t, &q);
    int64_t most = columns && q.columns * q.depth <= MANY_TAPS ? 8 : 4;
    for (int i = 0; i < 3; i++) {
        int64_t pixels[] = {most, most / 2, 2 * most};
        offer(list, &(QccVariant){.mr = (int)depthwise_pixels(k, pixels[i]), .nr = 1});
    }
}

/* Some pixels at once share what they load, as far as registers hold their sums. Of a single one
 * all channels go together, so that no line of memory is read twice. */
static void offer_pool(Candidates *list, const QccKernel *k, const QccTarget *t)
{
    enum { PIXELS = 4 };
    const QccPoolShape *s = &k->u.pool;
    bool bytes = qcc_dtype_bits(k->arg[1].dtype) == 8, sums = s->combine == QCC_COMBINE_SUM;
    int64_t vectors = k->rank ? ceil_div(k->extent[k->rank - 1], t->lanes) : 1;
    int64_t most = bytes && k->extent[2] == 1 ? t->registers / 2 : 4;
    for (int64_t nr = most; nr >= 1; nr /= 2) {
        QccVariant v = {.mr = PIXELS, .nr = (int)max_i64(1, min_i64(vectors, nr))};
        int64_t held = bytes ? s->stride_w * (1 + sums) : v.nr;
        while (v.mr > 1 && v.mr * held > t->registers / 2) v.mr /= 2;
        offer(list, &v);
        v.mr = 1;
        offer(list, &v);
    }
}

/* Rows side by side hide what one waits for. There are four chains of sums with four rows of 16
 * lanes, two of 8, or one of 4; no more than a quarter of them is done for nothing. The elements of
 * a unit stay in L1, and there are enough units for several threads. */
static void offer_rows(Candidates *list, const QccKernel *k, const QccTarget *t)
{
    enum { LANES = 4, BYTES = 24 << 10, ROWS = 16, UNITS = 16 };
    int64_t rows = 1, side = t->lanes / LANES, bytes = 4 * k->extent[k->rank - 1];
    for (int d = 0; d < k->rank - 1; d++) rows *= k->extent[d];
    while (side > 1 && (4 * ceil_div(rows, side) * side > 5 * rows || bytes * side > BYTES))
        side /= 2;
    for (; side >= 1; side /= 2) {
        int64_t unit = side;
        while (2 * unit <= ROWS && 2 * unit * bytes <= BYTES && rows >= 2 * unit * UNITS) unit *= 2;
        offer(list, &(QccVariant){.mr = (int)unit, .nr = (int)side});
    }
}

int qcc_variant_candidates(const QccKernel *kernel, const QccTarget *t, QccVariant *out, int max)
{
    QccKernel k = *kernel; /* the models of costs read its variant */
    Candidates list = {.k = &k, .t = t, .out = out, .max = max};
    assert(max > 0);
    switch (k.anchor) {
    case QCC_ANCHOR_CONTRACT: offer_contract(&list, &k, t); break;
    case QCC_ANCHOR_DEPTHWISE: offer_depthwise(&list, &k, t); break;
    case QCC_ANCHOR_POOL: offer_pool(&list, &k, t); break;
    case QCC_ANCHOR_ROWS: offer_rows(&list, &k, t); break;
    case QCC_ANCHOR_MAP: offer(&list, &(QccVariant){0}); break;
    }
    return list.n;
}

void qcc_choose_variant(QccKernel *k, const QccTarget *t)
{
    QccVariant first;
    qcc_variant_candidates(k, t, &first, 1);
    k->variant = first;
}
