/* product - a contraction of bytes in tiles: blocks of pixels x channels, 16 x 16 a tile.
 *
 *   for each block of mt tiles of pixels and nt tiles of channels
 *     K step 0:       per tile: store what it holds of the block before, zero it, multiply
 *     K steps 1..:    multiply, and between the multiplies the epilogue of some pixels of the
 *                     block before
 *     K steps ..:     multiply
 *     the epilogue of what pixels are left
 *   the last block's sums are stored and get their epilogue
 *
 * So the vector units work while the tiles do. A K step is 64 bytes of a run of taps: A's tiles are
 * read where A lies, rows a pixel apart, and no copy is made. Tiles lie as qcc_kernel_tiling says.
 * A tile may hold rows that are no pixels, or pixels of its neighbour: their sums are dropped, by
 * giving them an address where nobody looks. No result is made twice, since it may lie where an
 * operand of the epilogue lay.
 *
 * (With spread 0 each block's epilogue stands behind its own K steps.) Where K steps are few, the
 * epilogue would wait for sums that have just been stored: with `late` it is that of the block
 * before the one before, behind the multiplies.
 *
 * Where a block's part of A would not stay in L1, K is done in passes: a pass goes over a group of
 * panels, whose sums lie in memory from one pass to the next.
 */
#include <assert.h>
#include <string.h>

#include "backend/llvm/product.h"

enum { STRAIGHT = 4 }; /* K steps that are written out */

/* ---- K steps --------------------------------------------------------------------------------- */

static int acc_tile(const Product *t, int i, int j)
{
    return i * t->nt + j;
}

/* Where the sums of a tile lie in those of a block. */
static Val sums_of(const Product *t, Val sums, int i, int j)
{
    return emit_atc(t->e, sums, (i * t->g.rows * t->nt + j) * ROW_BYTES);
}

static void store_sums(const Product *t, Val to, int i, int j)
{
    emit_tile_store(t->e, &t->tiles, acc_tile(t, i, j), sums_of(t, to, i, j),
                    (int64_t)t->nt * ROW_BYTES);
}

static void store_all_sums(const Product *t, const Panel *panel)
{
    for (int i = 0; i < t->mt; i++)
        for (int j = 0; j < panel->nv; j++) store_sums(t, t->sums, i, j);
}

/* What a block of tiles reads. */
typedef struct Reads {
    Val a[SIDE], b; /* of each tile of A, and of B */
    Val seed;       /* what the sums of its channels begin with; NULL: zero */
    Val ahead;      /* what the block brings near of B for the next panel; NULL: nothing */
} Reads;

/* What goes along with a K step. */
typedef struct Along {
    bool first; /* tiles get new sums: */
    Val to;     /* where those that they hold are stored; NULL: nobody wants them */
    Val from;   /* where the new ones are loaded from; NULL: they are new sums */
    int pixels; /* epilogues: so many, from number `pixel` on */
    Val pixel;
    EmitOperand (*kept)[QCC_KERNEL_ARGS];
} Along;

/* New sums in a tile of channels j. */
static void begin_sums(const Product *t, int acc, Val seed, int j)
{
    if (seed) /* a row for all pixels */
        emit_tile_load(t->e, &t->tiles, acc, emit_atc(t->e, seed, (int64_t)j * ROW_BYTES), 0,
                       false);
    else
        emit_tile_zero(t->e, &t->tiles, acc);
}

/* Rows of B for the next panel that one block brings near in a K step, of each of its columns of
 * tiles: all blocks together all. One block after the other goes on where the last one stopped, and
 * not through every tile: a core's own prefetcher follows what goes straight on. */
static int64_t rows_ahead(const Product *t)
{
    return (QCC_TILE_ROWS + t->g.blocks - 1) / t->g.blocks;
}

static void bring_near(const Product *t, Val ahead, int j)
{
    QccEmit *e = t->e;
    for (int64_t r = 0; r < rows_ahead(t); r++)
        emit_prefetch(e, emit_atc(e, ahead, j * t->b_tile + r * t->b_row));
}

/* One K step. Of the longer side every tile is loaded where it is used first, and dropped after
 * its row or column; the shorter side is held. */
static void emit_step(const Product *t, const Panel *panel, const Reads *from, const Along *along)
{
    QccEmit *e = t->e;
    QccStream stream = e->k->variant.stream;
    bool by_column = t->mt <= t->nt;
    int slots = t->mt * panel->nv, outer = by_column ? panel->nv : t->mt;
    for (int slot = 0; slot < slots; slot++) {
        int inner = slots / outer;
        int i = by_column ? slot % inner : slot / inner,
            j = by_column ? slot / inner : slot % inner;
        int acc = acc_tile(t, i, j), at = t->mt * t->nt + i % t->na;
        int bt = t->mt * t->nt + t->na + j % t->nb;
        if (along->to) store_sums(t, along->to, i, j);
        if (along->from)
            emit_tile_load(e, &t->tiles, acc, sums_of(t, along->from, i, j),
                           (int64_t)t->nt * ROW_BYTES, false);
        else if (along->first)
            begin_sums(t, acc, from->seed, j);
        if (by_column ? i == 0 : slot < inner) {
            emit_tile_load(e, &t->tiles, bt, emit_atc(e, from->b, j * t->b_tile), t->b_row,
                           stream == QCC_STREAM_B);
            if (from->ahead) bring_near(t, from->ahead, j);
        }
        if (by_column ? slot < inner : j == 0)
            emit_tile_load(e, &t->tiles, at, from->a[i], t->c->stride_w * t->c->a_w,
                           stream == QCC_STREAM_A);
        emit_tile_multiply(e, &t->tiles, acc, at, bt);
        emit_product_share(t, panel, along->kept, along->pixel, along->pixels, slot, slots);
    }
}

/* K step `s` (s + more, in a loop) of a block. */
static void emit_step_at(const Product *t, const Panel *panel, const Reads *block, Val s,
                         int64_t more, const Along *along)
{
    QccEmit *e = t->e;
    Reads here = *block;
    Val offset;
    if (!s)
        offset = emit_i64(e, t->at[more]);
    else if (t->table)
        offset = LLVMBuildLoad2(e->b, e->i64,
                                emit_at(e, t->table, emit_mulc(e, emit_addc(e, s, more), 8)), "");
    else
        offset = emit_mulc(e, emit_addc(e, s, more), t->at[1]);
    for (int i = 0; i < t->mt; i++) here.a[i] = emit_at(e, block->a[i], offset);
    Val step = s ? emit_mulc(e, s, t->b_step) : emit_i64(e, 0);
    here.b = emit_atc(e, emit_at(e, block->b, step), more * t->b_step);
    if (block->ahead) {
        int64_t rows = rows_ahead(t) * t->b_row;
        Val along_k = s ? emit_mulc(e, s, rows) : emit_i64(e, 0);
        here.ahead = emit_atc(e, emit_at(e, block->ahead, along_k), more * rows);
    }
    emit_step(t, panel, &here, along);
}

/* K steps [from, to) with nothing along. */
static void emit_steps(const Product *t, const Panel *panel, const Reads *block, int64_t from,
                       int64_t to)
{
    QccEmit *e = t->e;
    const Along nothing = {0};
    int64_t n = e->k->variant.unroll > 0 ? e->k->variant.unroll : 1;
    if (to - from <= STRAIGHT) {
        for (int64_t s = from; s < to; s++) emit_step_at(t, panel, block, NULL, s, &nothing);
        return;
    }
    while ((to - from) % n) n--;
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, from), emit_i64(e, to), n, 0, NULL);
    for (int64_t s = 0; s < n; s++) emit_step_at(t, panel, block, l.i, s, &nothing);
    emit_loop_end(e, &l, NULL);
}

/* K steps [1, 1 + carrying), with epilogues of the block before. */
static void emit_carrying(const Product *t, const Panel *panel, const Reads *block, Kept kept)
{
    QccEmit *e = t->e;
    int spread = e->k->variant.spread;
    if (t->carrying == 0) return;
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 1), emit_i64(e, 1 + t->carrying), 1, 0, NULL);
    Along along = {.pixels = spread, .kept = kept};
    along.pixel = emit_mulc(e, emit_addc(e, l.i, -1), spread);
    emit_step_at(t, panel, block, l.i, 0, &along);
    emit_loop_end(e, &l, NULL);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The block before, whose sums the tiles still hold. */
typedef struct Before {
    Val channel; /* its first; NULL: there is none */
    Val to;      /* where its sums are stored */
    Val whole;   /* whether its sums are, so that it gets its epilogue now; NULL: they are */
} Before;

/* The K steps of one pass, and meanwhile the epilogue of the block before. */
static void emit_pass(const Product *t, const Panel *panel, const Reads *block, Val from,
                      const Before *before)
{
    QccEmit *e = t->e;
    emit_step_at(t, panel, block, NULL, 0, &(Along){.first = true, .to = before->to, .from = from});
    if (!before->channel) {
        emit_steps(t, panel, block, 1, t->pass);
        return;
    }
    LLVMBasicBlockRef join = before->whole ? emit_if_begin(e, before->whole) : NULL;
    Kept kept;
    emit_product_operands(t, panel, before->channel, kept);
    emit_carrying(t, panel, block, kept);
    emit_product_pixels(t, panel, kept, t->carrying * e->k->variant.spread, t->pixels);
    if (join) {
        emit_if_end(e, join);
        join = emit_if_begin(e, LLVMBuildNot(e->b, before->whole, ""));
        emit_steps(t, panel, block, 1, 1 + t->carrying);
        emit_if_end(e, join);
    }
    emit_steps(t, panel, block, 1 + t->carrying, t->pass);
}

/* B of a block for the channels from `channel` on. */
static Val weights_at(const Product *t, const Place *tile, Val channel)
{
    QccEmit *e = t->e;
    Val b = emit_mulc(e, channel, t->b_tile / LANES);
    b = emit_add(e, b, emit_mulc(e, tile->n, t->c->b_n));
    b = emit_add(e, b, emit_mulc(e, tile->y, t->c->b_h));
    return emit_at(e, emit_arg(e, 2), b);
}

/* What block number `block` reads: the tiles of pixels `tile`, channels from `channel` on. */
static Reads reads_of(const Product *t, const Place *tile, Val channel, Val block)
{
    QccEmit *e = t->e;
    Val weights = weights_at(t, tile, channel);
    Reads r = {.b = emit_opaque(e, weights)};
    for (int i = 0; i < t->mt; i++) r.a[i] = emit_opaque(e, tile[i].a);
    if (t->seed >= 0)
        r.seed = emit_at(e, emit_arg(e, t->seed), emit_to_channel(t, t->seed, channel));
    if (e->k->variant.ahead && block) {
        Val next = emit_atc(e, weights, t->nt * t->b_tile);
        next = emit_at(e, next, emit_mulc(e, block, t->steps * rows_ahead(t) * t->b_row));
        r.ahead = emit_opaque(e, next);
    }
    return r;
}

/* Pass number `pass` of K over the panels [from, to) of a group: of each the sums of an earlier
 * pass are loaded (unless it is the first), added to, and left in the tiles. */
static void emit_panels(const Product *t, const Panel *panel, const Place *tile, Val from, Val to,
                        Val pass, Before *before)
{
    enum { CHANNEL, TO, WHOLE, N };
    QccEmit *e = t->e;
    bool first = LLVMIsConstant(pass);
    EmitLoop l;
    emit_loop_begin(e, &l, from, to, 1, N, (Val[N]){before->channel, before->to, before->whole});
    Val channel = emit_mulc(e, l.i, (int64_t)t->nt * LANES);
    Val steps = emit_mulc(e, pass, t->pass);
    Reads reads = reads_of(t, tile, channel, NULL);
    for (int i = 0; i < t->mt; i++)
        reads.a[i] = emit_opaque(e, emit_at(e, reads.a[i], emit_mulc(e, steps, QCC_TILE_BYTES)));
    reads.b = emit_opaque(e, emit_at(e, reads.b, emit_mulc(e, steps, t->b_step)));
    Val part = emit_at(e, t->parts,
                       emit_mulc(e, LLVMBuildSub(e->b, l.i, from, ""),
                                 (int64_t)e->k->variant.mr * t->nt * ROW_BYTES));
    emit_pass(t, panel, &reads, first ? NULL : part,
              &(Before){l.carry[CHANNEL], l.carry[TO], l.carry[WHOLE]});
    Val whole = LLVMBuildICmp(e->b, LLVMIntEQ, pass, emit_i64(e, t->steps / t->pass - 1), "");
    if (!first) {
        LLVMBasicBlockRef join = emit_if_begin(e, whole);
        emit_product_places(t, tile, channel);
        emit_if_end(e, join);
    }
    emit_loop_end(e, &l, (Val[N]){channel, LLVMBuildSelect(e->b, whole, t->sums, part, ""), whole});
    *before = (Before){l.carry[CHANNEL], l.carry[TO], l.carry[WHOLE]};
}

/* A block of pixels and the panels [from, to), K in passes. */
static void emit_group(const Product *t, const Panel *panel, const Place *tile, Val from, Val to,
                       Before *before)
{
    enum { CHANNEL, TO, WHOLE, N };
    QccEmit *e = t->e;
    emit_panels(t, panel, tile, from, to, emit_i64(e, 0), before);
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 1), emit_i64(e, t->steps / t->pass), 1, N,
                    (Val[N]){before->channel, before->to, before->whole});
    Before here = {l.carry[CHANNEL], l.carry[TO], l.carry[WHOLE]};
    emit_panels(t, panel, tile, from, to, l.i, &here);
    emit_loop_end(e, &l, (Val[N]){here.channel, here.to, here.whole});
    before->channel = l.carry[CHANNEL]; /* its sums are whole */
}

/* A unit of work: a block of pixels, and its first panel. They count panels (groups of them) first,
 * or blocks. */
typedef struct Unit {
    Val block, panel;
    Place tile[SIDE];
} Unit;

static Unit unit_of(const Product *t, const Panel *panel, Val number)
{
    QccEmit *e = t->e;
    bool n_outer = e->k->variant.n_outer;
    int64_t groups = (panel->count + t->g.group - 1) / t->g.group;
    Unit u = {.block = n_outer ? emit_modc(e, number, t->g.blocks) : emit_divc(e, number, groups)};
    Val group = n_outer ? emit_divc(e, number, t->g.blocks) : emit_modc(e, number, groups);
    u.panel = emit_addc(e, emit_mulc(e, group, t->g.group), panel->first);
    for (int i = 0; i < t->mt; i++) u.tile[i] = emit_product_place(t, u.block, i);
    return u;
}

static Val channel_of(const Product *t, Val panel)
{
    return emit_mulc(t->e, panel, (int64_t)t->nt * LANES);
}

/* All of a block's epilogue. */
static void emit_epilogue(const Product *t, const Panel *panel, Val channel)
{
    Kept kept;
    emit_product_operands(t, panel, channel, kept);
    emit_product_pixels(t, panel, kept, 0, t->pixels);
}

/* One block: channels from `channel` on. */
static void emit_block(const Product *t, const Panel *panel, const Unit *u, Val channel,
                       const Before *before)
{
    Reads reads = reads_of(t, u->tile, channel, u->block);
    emit_pass(t, panel, &reads, NULL, before);
    emit_product_places(t, u->tile, channel);
    if (before->channel) return;
    store_all_sums(t, panel);
    emit_epilogue(t, panel, channel);
}

/* The units [from, to) of some panels. */
static void emit_blocks(const Product *t, const Panel *panel, Val from, Val to)
{
    QccEmit *e = t->e;
    bool over = e->k->variant.spread > 0;
    Val carry = emit_i64(e, 0);
    if (over) emit_product_no_places(t);
    EmitLoop l;
    emit_loop_begin(e, &l, from, to, 1, over, &carry);
    Unit u = unit_of(t, panel, l.i);
    Before before = {0};
    if (over) before = (Before){.channel = l.carry[0], .to = t->sums};
    if (t->pass < t->steps) {
        before.whole = LLVMConstInt(e->i1, 1, false);
        Val end = emit_i64(e, panel->first + panel->count);
        end = emit_min(e, emit_addc(e, u.panel, t->g.group), end);
        emit_group(t, panel, u.tile, u.panel, end, &before);
        carry = before.channel;
    } else {
        carry = channel_of(t, u.panel);
        emit_block(t, panel, &u, carry, &before);
    }
    emit_loop_end(e, &l, &carry);
    if (!over) return;
    store_all_sums(t, panel);
    emit_epilogue(t, panel, l.carry[0]);
}

/* The same, with epilogues two blocks late: sums and places are in turns those of the block before
 * and of the one before that. */
static void emit_late_blocks(const Product *t, const Panel *panel, Val from, Val to)
{
    enum { BEFORE, EARLIER, TURN, N }; /* channels of those blocks; the set of the earlier one */
    QccEmit *e = t->e;
    Val zero = emit_i64(e, 0), one = emit_i64(e, 1);
    for (int i = 0; i < 2; i++) {
        Product set = emit_product_set(t, emit_i64(e, i));
        emit_product_no_places(&set);
    }
    EmitLoop l;
    emit_loop_begin(e, &l, from, to, 1, N, (Val[N]){zero, zero, zero});
    Unit u = unit_of(t, panel, l.i);
    Val channel = channel_of(t, u.panel);
    Reads reads = reads_of(t, u.tile, channel, u.block);
    Val turn = LLVMBuildSub(e->b, one, l.carry[TURN], "");
    Product earlier = emit_product_set(t, l.carry[TURN]), before = emit_product_set(t, turn);
    emit_step_at(t, panel, &reads, NULL, 0, &(Along){.first = true, .to = before.sums});
    emit_steps(t, panel, &reads, 1, t->steps);
    emit_epilogue(&earlier, panel, l.carry[EARLIER]);
    emit_product_places(&earlier, u.tile, channel); /* this block's: the set is free */
    emit_loop_end(e, &l, (Val[N]){channel, l.carry[BEFORE], turn});
    before = emit_product_set(t, l.carry[TURN]);
    emit_epilogue(&before, panel, l.carry[EARLIER]);
    Product last = emit_product_set(t, LLVMBuildSub(e->b, one, l.carry[TURN], ""));
    store_all_sums(&last, panel);
    emit_epilogue(&last, panel, l.carry[BEFORE]);
}

/* Units of some panels, if there are any. */
static void emit_range(const Product *t, const Panel *panel, Val from, Val to)
{
    QccEmit *e = t->e;
    LLVMBasicBlockRef join = emit_if_begin(e, LLVMBuildICmp(e->b, LLVMIntSLT, from, to, ""));
    if (e->k->variant.late)
        emit_late_blocks(t, panel, from, to);
    else
        emit_blocks(t, panel, from, to);
    emit_if_end(e, join);
}

/* The kernel's units, those of full panels first: so all code knows how many channels it has. */
static void emit_units(const Product *t)
{
    QccEmit *e = t->e;
    int64_t outputs = e->k->extent[3], cols = (int64_t)t->nt * LANES;
    int64_t panels = qcc_kernel_panels(e->k, e->lanes), rest = outputs - (panels - 1) * cols;
    Panel last = {.nv = (int)((rest + LANES - 1) / LANES), .first = panels - 1, .count = 1};
    last.last = (int)(rest - (int64_t)(last.nv - 1) * LANES);
    if (panels == 1 || rest == cols) {
        last.first = 0;
        last.count = panels;
        emit_range(t, &last, e->begin, e->end);
        return;
    }
    Panel full = {.nv = t->nt, .last = LANES, .count = panels - 1};
    if (e->k->variant.n_outer) {
        Val end = emit_i64(e, full.count * t->g.blocks);
        emit_range(t, &full, e->begin, emit_min(e, e->end, end));
        emit_range(t, &last, LLVMBuildSub(e->b, emit_max(e, e->begin, end), end, ""),
                   LLVMBuildSub(e->b, e->end, end, ""));
    } else {
        /* The last panel belongs to the last group, which may have no other. */
        int64_t groups = (panels + t->g.group - 1) / t->g.group;
        Val begin = emit_divc(e, e->begin, groups), end = emit_divc(e, e->end, groups);
        Val left_begin = e->begin, left_end = e->end;
        if (full.count % t->g.group == 0) {
            left_begin = LLVMBuildSub(e->b, e->begin, begin, "");
            left_end = LLVMBuildSub(e->b, e->end, end, "");
        }
        emit_range(t, &full, left_begin, left_end);
        emit_range(t, &last, begin, end);
    }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void shape_tiles(Product *t)
{
    int acc = t->mt * t->nt, spare = EMIT_TILES - acc;
    t->na = t->mt <= t->nt ? t->mt : spare - t->nt < t->mt ? spare - t->nt : t->mt;
    t->nb = t->mt > t->nt ? t->nt : spare - t->mt < t->nt ? spare - t->mt : t->nt;
    if (t->mt < 1 || t->nt < 1 || t->na < 1 || t->nb < 1 || t->g.rows > QCC_TILE_ROWS)
        qcc_emit_fail(t->e, QCC_ERROR_INTERNAL, "a block of %dx%d tiles of %lld pixels", t->mt,
                      t->nt, (long long)t->g.rows);
    for (int i = 0; i < acc + t->na + t->nb; i++) {
        bool is_b = i >= acc + t->na;
        t->tiles.rows[i] = is_b ? (int)t->run.bytes / 4 : (int)t->g.rows;
        t->tiles.bytes[i] = i < acc || is_b ? ROW_BYTES : (int)t->run.bytes;
    }
}

/* How B lies: packed tile by tile, or as it was made in the run. */
static void walk_weights(Product *t)
{
    const QccContractShape *c = t->c;
    t->b_row = c->b_strided ? c->b_k : ROW_BYTES;
    t->b_step = c->b_strided ? c->b_k * QCC_TILE_ROWS : QCC_TILE_SIZE;
    t->b_tile = c->b_strided ? ROW_BYTES : t->steps * QCC_TILE_SIZE;
    if (!qcc_kernel_blocks_fit(t->e->k))
        qcc_emit_fail(t->e, QCC_ERROR_INTERNAL, "a block of tiles that two B are for");
}

/* Where each K step begins in A. */
static void walk_taps(Product *t)
{
    const QccContractShape *c = t->c;
    int64_t runs, length;
    qcc_contract_runs(t->e->k, &runs, &length);
    t->run = qcc_tile_steps(length);
    t->steps = runs * t->run.steps;
    t->at = QCC_NEW_ARRAY(t->e->arena, t->steps, int64_t);
    int64_t per_row = runs == c->kh ? 1 : c->kw;
    bool even = true;
    for (int64_t s = 0; s < t->steps; s++) {
        int64_t run = s / t->run.steps;
        t->at[s] = run / per_row * c->dil_h * c->a_h + run % per_row * c->dil_w * c->a_w +
                   s % t->run.steps * QCC_TILE_BYTES;
        even = even && t->at[s] == s * t->at[t->steps > 1];
    }
    int64_t chunk = t->e->k->variant.chunk;
    t->pass = chunk > 0 ? chunk : t->steps;
    bool passes = t->pass < t->steps;
    const QccVariant *v = &t->e->k->variant;
    if (v->late && (passes || v->spread == 0))
        qcc_emit_fail(t->e, QCC_ERROR_INTERNAL, "late epilogues of %lld K steps in passes of %lld",
                      (long long)t->steps, (long long)t->pass);
    if (passes && (t->steps % t->pass || !even || t->at[1] != QCC_TILE_BYTES ||
                   t->e->k->variant.n_outer || t->e->k->variant.spread == 0 || t->g.group < 1))
        qcc_emit_fail(t->e, QCC_ERROR_INTERNAL, "%lld K steps in passes of %lld",
                      (long long)t->steps, (long long)t->pass);
    if (!even) t->table = emit_constant_bytes(t->e, t->at, (size_t)t->steps * sizeof *t->at);
}

/* How many pixels' epilogues go along with how many K steps. */
static void share_pixels(Product *t)
{
    int64_t pixels = t->mt * t->g.rows, spread = t->e->k->variant.spread;
    if (spread > 0) {
        t->carrying = (pixels + spread - 1) / spread;
        if (t->carrying > t->pass - 1) t->carrying = t->pass - 1;
    }
    t->pixels = t->carrying * spread;
    t->at_once = t->nt == 1 ? TOGETHER : 2;
    if (t->pixels < pixels) t->pixels = pixels;
}

static bool varies(const QccKernelArg *arg)
{
    return arg->stride[0] != 0 || arg->stride[1] != 0 || arg->stride[2] != 0;
}

/* Whether tiles of sums may begin with an argument: i32 by channel, read by whole vectors. */
static bool seeds(const QccKernel *k, int a)
{
    const QccKernelArg *arg = &k->arg[a];
    return arg->dtype == QCC_I32 && arg->stride[3] == 1 && !varies(arg) &&
           k->extent[3] % LANES == 0;
}

void emit_product(QccEmit *e)
{
    const QccKernel *k = e->k;
    Product t = {.e = e, .c = &k->u.contract, .mt = k->variant.tiles, .nt = k->variant.nr};
    if (k->arg[1].dtype != QCC_U8 || k->arg[2].dtype != QCC_I8 || t.c->groups != 1 ||
        k->arg[0].stride[3] != 1 || e->t->tiles == QCC_TILES_NONE)
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "this contraction cannot go by tiles");
    QccExpr raw;
    QccExpr rest;
    t.epilogue = k->epilogue;
    t.seed = k->variant.seeded ? emit_addend(e, k->epilogue, &rest) : -1;
    if (t.seed >= 0 && seeds(k, t.seed))
        t.epilogue = &rest;
    else
        t.seed = -1;
    t.saturates = emit_saturates(t.epilogue, k->arg[0].dtype, &raw);
    if (t.saturates) t.epilogue = &raw;
    t.g = qcc_kernel_tiling(k);
    walk_taps(&t);
    walk_weights(&t);
    shape_tiles(&t);
    share_pixels(&t);
    int64_t sets = k->variant.late ? 2 : 1;
    t.sums = emit_stack(e, sets * emit_sums_size(&t));
    if (t.pass < t.steps) t.parts = emit_stack(e, t.g.group * k->variant.mr * t.nt * ROW_BYTES);
    t.nowhere = emit_stack(e, (int64_t)t.nt * LANES * NOWHERE_SIZE);
    for (int a = 0; a < k->narg; a++)
        if (a == 0 || (a > k->nanchor && varies(&k->arg[a])))
            t.place[a] = emit_stack(e, sets * emit_places_size(&t));
    emit_tiles_configure(e, &t.tiles);
    emit_units(&t);
    emit_tiles_release(e);
}
