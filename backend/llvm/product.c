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
 * (With spread 0 each block's epilogue stands behind its own K steps.)
 *
 * Where a block's part of A would not stay in L1, K is done in passes: a pass goes over a group of
 * panels, whose sums lie in memory from one pass to the next.
 */
#include <assert.h>
#include <string.h>

#include "backend/llvm/emit.h"

enum {
    SIDE = 4,         /* tiles of a block along one side, at most */
    STRAIGHT = 4,     /* K steps that are written out */
    PIXELS = 2,       /* of an iteration, where epilogues stand alone */
    LANES = 16,       /* of a vector, columns of a tile, rows of a tile at most */
    ROW_BYTES = 64,   /* of sums in a tile */
    NOWHERE_SIZE = 8, /* bytes of a result at most */
};

typedef struct Product {
    QccEmit *e;
    const QccContractShape *c;
    QccTiling g;
    EmitTiles tiles;
    int mt, nt;                    /* tiles of pixels, of channels, of a block */
    int na, nb;                    /* tiles that hold A, B */
    QccTileSteps run;              /* of one run of taps */
    int64_t steps;                 /* along K */
    int64_t pass;                  /* K steps of a pass over K; all, if there is one */
    int64_t *at;                   /* of A: where a K step begins, in bytes from the first tap */
    int64_t b_row, b_step, b_tile; /* of B: bytes from row to row of a tile, from one K step to the
                                      next, from tile to tile of a K step */
    Val table;                     /* the same, for loops; NULL: at[s] is s * at[1] */
    int64_t carrying;              /* K steps that carry epilogues of the block before */
    int64_t pixels;                /* of a block, and some that fill up */
    Val sums;                      /* i32 [pixels][nt][16] of the block before */
    Val parts;                     /* i32 [panels of a group][mr][nt][16] between passes */
    Val place[QCC_KERNEL_ARGS]; /* ptr [pixels]: of each argument; NULL: does not vary by pixel */
    Val nowhere;                /* where results go that are none */
    const QccExpr *epilogue;
    bool saturates; /* the epilogue leaves it to the store to clamp */
} Product;

/* Panels of output channels that are alike: full ones, or the last one. */
typedef struct Panel {
    int nv;               /* tiles, that is vectors, of channels */
    int last;             /* channels of the last one */
    int64_t first, count; /* panels */
} Panel;

/* A tile of pixels: which, and where. */
typedef struct Place {
    Val a;       /* of A, for its first row */
    Val n, y, x; /* its first position; flat: y is 0 */
    Val own;     /* its first row that is not its neighbour's; NULL: all are its own */
    Val exists;  /* NULL: it does */
} Place;

typedef EmitOperand Kept[SIDE][QCC_KERNEL_ARGS];

/* ---- addresses of pixels --------------------------------------------------------------------- */

/* Tile `i` of a block. Behind the last tile of all it is the last one again. */
static Place place_of(const Product *t, Val block, int i)
{
    QccEmit *e = t->e;
    const QccContractShape *c = t->c;
    int64_t tiles = t->g.lines * t->g.tiles, rows = t->g.rows;
    Place p = {0};
    Val tile = emit_addc(e, emit_mulc(e, block, t->mt), i);
    if (tiles % t->mt) {
        p.exists = LLVMBuildICmp(e->b, LLVMIntSLT, tile, emit_i64(e, tiles), "");
        tile = emit_min(e, tile, emit_i64(e, tiles - 1));
    }
    Val line = emit_divc(e, tile, t->g.tiles);
    Val first = emit_mulc(e, emit_modc(e, tile, t->g.tiles), rows);
    p.x = first;
    if (t->g.length % rows) {
        p.x = emit_min(e, first, emit_i64(e, t->g.length - rows));
        p.own = LLVMBuildSub(e->b, first, p.x, "");
    }
    p.n = t->g.pitch ? line : emit_divc(e, line, e->k->extent[1]);
    p.y = t->g.pitch ? emit_i64(e, 0) : emit_modc(e, line, e->k->extent[1]);
    Val a = emit_add(e, emit_mulc(e, p.n, c->a_n), emit_mulc(e, p.y, c->stride_h * c->a_h));
    a = emit_add(e, a, emit_mulc(e, p.x, c->stride_w * c->a_w));
    p.a = emit_at(e, emit_arg(e, 1), a);
    return p;
}

/* 0, by, 2 * by, ... plus a scalar. */
static Val count_up(QccEmit *e, Val from, int64_t by)
{
    Val v[LANES];
    for (int i = 0; i < LANES; i++) v[i] = emit_i64(e, i * by);
    return LLVMBuildAdd(e->b, emit_splat(e, from, LANES), LLVMConstVector(v, LANES), "");
}

/* Which of a tile's 16 rows are pixels of its own. x: their columns. */
static Val owned(const Product *t, const Place *p, Val x)
{
    QccEmit *e = t->e;
    LLVMBuilderRef b = e->b;
    Val row = count_up(e, emit_i64(e, 0), 1), rows = emit_splat(e, emit_i64(e, t->g.rows), LANES);
    Val yes = LLVMBuildICmp(b, LLVMIntSLT, row, rows, "");
    if (p->own) {
        Val own = LLVMBuildICmp(b, LLVMIntSGE, row, emit_splat(e, p->own, LANES), "");
        yes = LLVMBuildAnd(b, yes, own, "");
    }
    if (p->exists) yes = LLVMBuildAnd(b, yes, emit_splat(e, p->exists, LANES), "");
    if (!t->g.pitch) return yes;
    Val end = emit_splat(e, emit_i64(e, e->k->extent[2]), LANES);
    return LLVMBuildAnd(b, yes, LLVMBuildICmp(b, LLVMIntSLT, x, end, ""), "");
}

/* Bytes from argument a's first element to channel `channel` of its first pixel. */
static Val to_channel(const Product *t, int a, Val channel)
{
    const QccKernelArg *arg = &t->e->k->arg[a];
    return emit_mulc(t->e, channel, arg->stride[3] * emit_size(t->e, arg->dtype));
}

/* Where rows of no pixel read, or (the result) write. */
static Val elsewhere(const Product *t, int a, Val channel)
{
    if (a == 0) return t->nowhere;
    return emit_at(t->e, emit_arg(t->e, a), to_channel(t, a, channel));
}

static void store_places(const Product *t, int a, int64_t first, Val address)
{
    Val p = emit_atc(t->e, t->place[a], 8 * first);
    LLVMSetAlignment(LLVMBuildStore(t->e->b, address, p), 8);
}

static Val as_number(QccEmit *e, Val p)
{
    return LLVMBuildPtrToInt(e->b, p, e->i64, "");
}

/* Writes down the addresses of a block's pixels, for its epilogue. */
static void emit_places(const Product *t, const Place *tile, Val channel)
{
    QccEmit *e = t->e;
    for (int i = 0; i < t->mt; i++) {
        const Place *p = &tile[i];
        Val x = count_up(e, p->x, 1), y = NULL;
        if (t->g.pitch) {
            /* In 32 bits, where a division by a number is a multiplication. */
            Typ i32 = emit_vector(e->i32, LANES), i64 = emit_vector(e->i64, LANES);
            Val pitch = emit_splat(e, emit_i32(e, t->g.pitch), LANES);
            x = LLVMBuildTrunc(e->b, x, i32, "");
            y = LLVMBuildUDiv(e->b, x, pitch, "");
            x = LLVMBuildSub(e->b, x, LLVMBuildMul(e->b, y, pitch, ""), "");
            x = LLVMBuildZExt(e->b, x, i64, "");
            y = LLVMBuildZExt(e->b, y, i64, "");
        }
        Val yes = owned(t, p, x);
        for (int a = 0; a < e->k->narg; a++) {
            if (!t->place[a]) continue;
            const int64_t *stride = e->k->arg[a].stride;
            int64_t size = emit_size(e, e->k->arg[a].dtype);
            Val at = emit_mulc(e, p->n, stride[0] * size);
            at = emit_add(e, at, emit_mulc(e, p->y, stride[1] * size));
            at = emit_at(e, emit_at(e, emit_arg(e, a), at), to_channel(t, a, channel));
            Val address;
            if (t->g.pitch) {
                Val down = emit_splat(e, emit_i64(e, stride[1] * size), LANES);
                Val right = emit_splat(e, emit_i64(e, stride[2] * size), LANES);
                address = LLVMBuildAdd(e->b, LLVMBuildMul(e->b, y, down, ""),
                                       LLVMBuildMul(e->b, x, right, ""), "");
                address = LLVMBuildAdd(e->b, address, emit_splat(e, as_number(e, at), LANES), "");
            } else {
                at = emit_at(e, at, emit_mulc(e, p->x, stride[2] * size));
                address = count_up(e, as_number(e, at), stride[2] * size);
            }
            Val no = emit_splat(e, as_number(e, elsewhere(t, a, channel)), LANES);
            store_places(t, a, i * t->g.rows, LLVMBuildSelect(e->b, yes, address, no, ""));
        }
    }
}

/* No pixel at all: what the first block takes for the one before it. */
static void emit_no_places(const Product *t)
{
    QccEmit *e = t->e;
    for (int a = 0; a < e->k->narg; a++) {
        if (!t->place[a]) continue;
        Val no = emit_splat(e, as_number(e, elsewhere(t, a, emit_i64(e, 0))), LANES);
        for (int64_t i = 0; i < t->pixels; i += LANES) store_places(t, a, i, no);
    }
}

/* ---- epilogue -------------------------------------------------------------------------------- */

static bool is_read(const QccExpr *x, int a)
{
    for (int i = 0; x && i < x->n; i++)
        if (x->node[i].op == QCC_EX_arg && x->node[i].imm.i == a) return true;
    return false;
}

/* Loads the operands that all pixels share, for the channels from `channel` on. */
static void keep_operands(const Product *t, const Panel *panel, Val channel, Kept kept)
{
    QccEmit *e = t->e;
    const QccKernel *k = e->k;
    for (int j = 0; j < panel->nv; j++) {
        int count = j == panel->nv - 1 ? panel->last : LANES;
        for (int a = k->nanchor + 1; a < k->narg; a++) {
            EmitOperand *o = &kept[j][a];
            int64_t step = k->arg[a].stride[3];
            *o = (EmitOperand){.dtype = k->arg[a].dtype, .step = step};
            if (t->place[a]) continue;
            if (step == 0 && j > 0) {
                *o = kept[0][a];
                continue;
            }
            o->at = emit_at(e, emit_arg(e, a), to_channel(t, a, channel));
            o->at = emit_atc(e, o->at, (int64_t)j * LANES * step * emit_size(e, o->dtype));
            if (is_read(t->epilogue, a)) o->value = emit_load_wide(e, o->dtype, o->at, step, count);
        }
    }
}

/* The epilogue of pixel u of those that begin with number `pixel`. to: where its result lies. */
static void evaluate(const Product *t, const Panel *panel, Kept kept, Val pixel, int u, Val *to,
                     Val *out)
{
    QccEmit *e = t->e;
    const QccKernel *k = e->k;
    Val at[QCC_KERNEL_ARGS] = {NULL};
    for (int a = 0; a < k->narg; a++)
        if (t->place[a])
            at[a] = LLVMBuildLoad2(
                e->b, e->ptr,
                emit_atc(e, emit_at(e, t->place[a], emit_mulc(e, pixel, 8)), 8 * (int64_t)u), "");
    Val sums = emit_at(e, t->sums, emit_mulc(e, pixel, (int64_t)t->nt * ROW_BYTES));
    for (int j = 0; j < panel->nv; j++) {
        EmitOperand operand[QCC_KERNEL_ARGS] = {0};
        for (int a = k->nanchor + 1; a < k->narg; a++) {
            operand[a] = kept[j][a];
            if (t->place[a])
                operand[a].at =
                    emit_atc(e, at[a],
                             (int64_t)j * LANES * operand[a].step * emit_size(e, operand[a].dtype));
        }
        Val acc = emit_load_vector(e, emit_vector(e->i32, LANES),
                                   emit_atc(e, sums, (u * t->nt + j) * (int64_t)ROW_BYTES), 64);
        int count = j == panel->nv - 1 ? panel->last : LANES;
        out[j] = emit_expr(e, t->epilogue, operand, NULL, acc, count);
    }
    *to = at[0];
}

/* Pixels that are stored together: as many as fill a register of bytes. */
static int together(const Panel *panel)
{
    return panel->nv == 2 ? 2 : 1;
}

/* The epilogue of n pixels from number pixel + u on, n no more than go together. */
static void emit_pixel(const Product *t, const Panel *panel, Kept kept, Val pixel, int u, int n)
{
    QccEmit *e = t->e;
    QccDtype dtype = e->k->arg[0].dtype;
    int nv = panel->nv, bytes = (nv - 1) * LANES + panel->last;
    Val to[2] = {NULL}, out[2 * SIDE] = {NULL};
    for (int i = 0; i < n; i++)
        evaluate(t, panel, kept, pixel, u + i, &to[i], out + (size_t)i * (size_t)nv);
    if (!t->saturates) {
        for (int i = 0; i < n; i++)
            emit_store_run(e, dtype, out + (size_t)i * (size_t)nv, nv, to[i], panel->last);
        return;
    }
    for (int i = n * nv; i < SIDE; i++) out[i] = out[i % nv]; /* anything: it is dropped */
    Val packed = emit_saturate(e, dtype, out);
    for (int i = 0; i < n; i++) emit_store_part(e, packed, i * nv * LANES, bytes, to[i]);
}

/* Part `part` of `parts` of n pixels. */
static void emit_share(const Product *t, const Panel *panel, Kept kept, Val pixel, int n, int part,
                       int parts)
{
    int unit = together(panel), units = (n + unit - 1) / unit;
    for (int i = part * units / parts; i < (part + 1) * units / parts; i++)
        emit_pixel(t, panel, kept, pixel, i * unit, n - i * unit < unit ? n - i * unit : unit);
}

/* The epilogue of pixels [from, to), alone. */
static void emit_pixels(const Product *t, const Panel *panel, Kept kept, int64_t from, int64_t to)
{
    if (from >= to) return;
    EmitLoop l;
    emit_loop_begin(t->e, &l, emit_i64(t->e, from), emit_i64(t->e, to), PIXELS, 0, NULL);
    emit_share(t, panel, kept, l.i, PIXELS, 0, 1);
    emit_loop_end(t->e, &l, NULL);
}

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

/* What goes along with a K step. */
typedef struct Along {
    bool first; /* tiles get new sums: */
    Val to;     /* where those that they hold are stored; NULL: nobody wants them */
    Val from;   /* where the new ones are loaded from; NULL: they are zero */
    int pixels; /* epilogues: so many, from number `pixel` on */
    Val pixel;
    EmitOperand (*kept)[QCC_KERNEL_ARGS];
} Along;

/* One K step. Of the longer side every tile is loaded where it is used first, and dropped after
 * its row or column; the shorter side is held. */
static void emit_step(const Product *t, const Panel *panel, const Val *a, Val b, const Along *along)
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
            emit_tile_zero(e, &t->tiles, acc);
        if (by_column ? i == 0 : slot < inner)
            emit_tile_load(e, &t->tiles, bt, emit_atc(e, b, j * t->b_tile), t->b_row,
                           stream == QCC_STREAM_B);
        if (by_column ? slot < inner : j == 0)
            emit_tile_load(e, &t->tiles, at, a[i], t->c->stride_w * t->c->a_w,
                           stream == QCC_STREAM_A);
        emit_tile_multiply(e, &t->tiles, acc, at, bt);
        emit_share(t, panel, along->kept, along->pixel, along->pixels, slot, slots);
    }
}

/* K step `s` (s + more, in a loop) of the block at a and b. */
static void emit_step_at(const Product *t, const Panel *panel, const Val *a, Val b, Val s,
                         int64_t more, const Along *along)
{
    QccEmit *e = t->e;
    Val here[SIDE] = {NULL}, offset;
    if (!s)
        offset = emit_i64(e, t->at[more]);
    else if (t->table)
        offset = LLVMBuildLoad2(e->b, e->i64,
                                emit_at(e, t->table, emit_mulc(e, emit_addc(e, s, more), 8)), "");
    else
        offset = emit_mulc(e, emit_addc(e, s, more), t->at[1]);
    for (int i = 0; i < t->mt; i++) here[i] = emit_at(e, a[i], offset);
    Val weights = emit_at(e, b, s ? emit_mulc(e, s, t->b_step) : emit_i64(e, 0));
    emit_step(t, panel, here, emit_atc(e, weights, more * t->b_step), along);
}

/* K steps [from, to) with nothing along. */
static void emit_steps(const Product *t, const Panel *panel, const Val *a, Val b, int64_t from,
                       int64_t to)
{
    QccEmit *e = t->e;
    const Along nothing = {0};
    int64_t n = e->k->variant.unroll > 0 ? e->k->variant.unroll : 1;
    if (to - from <= STRAIGHT) {
        for (int64_t s = from; s < to; s++) emit_step_at(t, panel, a, b, NULL, s, &nothing);
        return;
    }
    while ((to - from) % n) n--;
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, from), emit_i64(e, to), n, 0, NULL);
    for (int64_t s = 0; s < n; s++) emit_step_at(t, panel, a, b, l.i, s, &nothing);
    emit_loop_end(e, &l, NULL);
}

/* K steps [1, 1 + carrying), with epilogues of the block before. */
static void emit_carrying(const Product *t, const Panel *panel, const Val *a, Val b, Kept kept)
{
    QccEmit *e = t->e;
    int spread = e->k->variant.spread;
    if (t->carrying == 0) return;
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 1), emit_i64(e, 1 + t->carrying), 1, 0, NULL);
    Along along = {.pixels = spread, .kept = kept};
    along.pixel = emit_mulc(e, emit_addc(e, l.i, -1), spread);
    emit_step_at(t, panel, a, b, l.i, 0, &along);
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
static void emit_pass(const Product *t, const Panel *panel, const Val *a, Val b, Val from,
                      const Before *before)
{
    QccEmit *e = t->e;
    emit_step_at(t, panel, a, b, NULL, 0, &(Along){.first = true, .to = before->to, .from = from});
    if (!before->channel) {
        emit_steps(t, panel, a, b, 1, t->pass);
        return;
    }
    LLVMBasicBlockRef join = before->whole ? emit_if_begin(e, before->whole) : NULL;
    Kept kept;
    keep_operands(t, panel, before->channel, kept);
    emit_carrying(t, panel, a, b, kept);
    emit_pixels(t, panel, kept, t->carrying * e->k->variant.spread, t->pixels);
    if (join) {
        emit_if_end(e, join);
        join = emit_if_begin(e, LLVMBuildNot(e->b, before->whole, ""));
        emit_steps(t, panel, a, b, 1, 1 + t->carrying);
        emit_if_end(e, join);
    }
    emit_steps(t, panel, a, b, 1 + t->carrying, t->pass);
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

/* One block: the tiles of pixels `tile`, channels from `channel` on. */
static void emit_block(const Product *t, const Panel *panel, const Place *tile, Val channel,
                       const Before *before)
{
    QccEmit *e = t->e;
    Val a[SIDE], b = emit_opaque(e, weights_at(t, tile, channel));
    for (int i = 0; i < t->mt; i++) a[i] = emit_opaque(e, tile[i].a);
    emit_pass(t, panel, a, b, NULL, before);
    emit_places(t, tile, channel);
    if (before->channel) return;
    Kept kept;
    store_all_sums(t, panel);
    keep_operands(t, panel, channel, kept);
    emit_pixels(t, panel, kept, 0, t->pixels);
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
    Val steps = emit_mulc(e, pass, t->pass), a[SIDE];
    for (int i = 0; i < t->mt; i++)
        a[i] = emit_opaque(e, emit_at(e, tile[i].a, emit_mulc(e, steps, QCC_TILE_BYTES)));
    Val b = emit_at(e, weights_at(t, tile, channel), emit_mulc(e, steps, t->b_step));
    Val part = emit_at(e, t->parts,
                       emit_mulc(e, LLVMBuildSub(e->b, l.i, from, ""),
                                 (int64_t)e->k->variant.mr * t->nt * ROW_BYTES));
    emit_pass(t, panel, a, emit_opaque(e, b), first ? NULL : part,
              &(Before){l.carry[CHANNEL], l.carry[TO], l.carry[WHOLE]});
    Val whole = LLVMBuildICmp(e->b, LLVMIntEQ, pass, emit_i64(e, t->steps / t->pass - 1), "");
    if (!first) {
        LLVMBasicBlockRef join = emit_if_begin(e, whole);
        emit_places(t, tile, channel);
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

/* The units [from, to) of some panels. They count panels (groups of them) first, or blocks. */
static void emit_blocks(const Product *t, const Panel *panel, Val from, Val to)
{
    QccEmit *e = t->e;
    bool over = e->k->variant.spread > 0, n_outer = e->k->variant.n_outer;
    int64_t groups = (panel->count + t->g.group - 1) / t->g.group;
    LLVMBasicBlockRef join = emit_if_begin(e, LLVMBuildICmp(e->b, LLVMIntSLT, from, to, ""));
    Val carry = emit_i64(e, 0);
    if (over) emit_no_places(t);
    EmitLoop l;
    emit_loop_begin(e, &l, from, to, 1, over, &carry);
    Val block = n_outer ? emit_modc(e, l.i, t->g.blocks) : emit_divc(e, l.i, groups);
    Val number = n_outer ? emit_divc(e, l.i, t->g.blocks) : emit_modc(e, l.i, groups);
    Val first = emit_addc(e, emit_mulc(e, number, t->g.group), panel->first);
    Place tile[SIDE];
    for (int i = 0; i < t->mt; i++) tile[i] = place_of(t, block, i);
    Before before = {0};
    if (over) before = (Before){.channel = l.carry[0], .to = t->sums};
    if (t->pass < t->steps) {
        before.whole = LLVMConstInt(e->i1, 1, false);
        Val end =
            emit_min(e, emit_addc(e, first, t->g.group), emit_i64(e, panel->first + panel->count));
        emit_group(t, panel, tile, first, end, &before);
        carry = before.channel;
    } else {
        carry = emit_mulc(e, first, (int64_t)t->nt * LANES);
        emit_block(t, panel, tile, carry, &before);
    }
    emit_loop_end(e, &l, &carry);
    if (over) {
        Kept kept;
        store_all_sums(t, panel);
        keep_operands(t, panel, l.carry[0], kept);
        emit_pixels(t, panel, kept, 0, t->pixels);
    }
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
        emit_blocks(t, &last, e->begin, e->end);
        return;
    }
    Panel full = {.nv = t->nt, .last = LANES, .count = panels - 1};
    if (e->k->variant.n_outer) {
        Val end = emit_i64(e, full.count * t->g.blocks);
        emit_blocks(t, &full, e->begin, emit_min(e, e->end, end));
        emit_blocks(t, &last, LLVMBuildSub(e->b, emit_max(e, e->begin, end), end, ""),
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
        emit_blocks(t, &full, left_begin, left_end);
        emit_blocks(t, &last, begin, end);
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
    while (t->pixels < pixels) t->pixels += PIXELS;
}

static bool varies(const QccKernelArg *arg)
{
    return arg->stride[0] != 0 || arg->stride[1] != 0 || arg->stride[2] != 0;
}

void emit_product(QccEmit *e)
{
    const QccKernel *k = e->k;
    Product t = {.e = e, .c = &k->u.contract, .mt = k->variant.tiles, .nt = k->variant.nr};
    if (k->arg[1].dtype != QCC_U8 || k->arg[2].dtype != QCC_I8 || t.c->groups != 1 ||
        k->arg[0].stride[3] != 1 || e->t->tiles == QCC_TILES_NONE)
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "this contraction cannot go by tiles");
    QccExpr raw;
    t.saturates = emit_saturates(k->epilogue, k->arg[0].dtype, &raw);
    t.epilogue = t.saturates ? &raw : k->epilogue;
    t.g = qcc_kernel_tiling(k);
    walk_taps(&t);
    walk_weights(&t);
    shape_tiles(&t);
    share_pixels(&t);
    t.sums = emit_stack(e, t.pixels * t.nt * ROW_BYTES);
    if (t.pass < t.steps) t.parts = emit_stack(e, t.g.group * k->variant.mr * t.nt * ROW_BYTES);
    t.nowhere = emit_stack(e, (int64_t)t.nt * LANES * NOWHERE_SIZE);
    for (int a = 0; a < k->narg; a++)
        if (a == 0 || (a > k->nanchor && varies(&k->arg[a])))
            t.place[a] = emit_stack(e, (t.pixels + LANES) * 8);
    emit_tiles_configure(e, &t.tiles);
    emit_units(&t);
    emit_tiles_release(e);
}
