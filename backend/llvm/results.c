/* results - what becomes of a block of tiles: the addresses of its pixels, and their epilogue. */
#include "backend/llvm/product.h"

/* ---- addresses of pixels --------------------------------------------------------------------- */

Place emit_product_place(const Product *t, Val block, int i)
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

/* Flat: a tile's rows go on from the end of an image's row to the next one's beginning. */
typedef struct Turns {
    int n;           /* how often they may */
    Val over[LANES]; /* which of the 16 have done so once, twice, .. */
    Val column;      /* i32, of each */
} Turns;

static Turns turns_of(const Product *t, Val column)
{
    QccEmit *e = t->e;
    int64_t pitch = t->g.pitch;
    Turns turns = {.n = (int)((pitch - 1 + t->g.rows - 1) / pitch)};
    Val count[LANES], row = emit_splat(e, emit_i32(e, pitch), LANES);
    for (int i = 0; i < LANES; i++) count[i] = emit_i32(e, i);
    column = emit_splat(e, LLVMBuildTrunc(e->b, column, e->i32, ""), LANES);
    column = LLVMBuildAdd(e->b, column, LLVMConstVector(count, LANES), "");
    for (int i = 0; i < turns.n; i++) {
        turns.over[i] = LLVMBuildICmp(e->b, LLVMIntSGE, column, row, "");
        Val next = LLVMBuildSub(e->b, column, row, "");
        column = LLVMBuildSelect(e->b, turns.over[i], next, column, "");
    }
    turns.column = column;
    return turns;
}

/* Which of a tile's 16 rows are pixels of its own. */
static Val owned(const Product *t, const Place *p, const Turns *turns)
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
    if (t->g.pitch <= e->k->extent[2]) return yes;
    Val end = emit_splat(e, emit_i32(e, e->k->extent[2]), LANES);
    return LLVMBuildAnd(b, yes, LLVMBuildICmp(b, LLVMIntSLT, turns->column, end, ""), "");
}

Val emit_to_channel(const Product *t, int a, Val channel)
{
    const QccKernelArg *arg = &t->e->k->arg[a];
    return emit_mulc(t->e, channel, arg->stride[3] * emit_size(t->e, arg->dtype));
}

/* Where rows of no pixel read, or (the result) write. */
static Val elsewhere(const Product *t, int a, Val channel)
{
    if (a == 0) return t->nowhere;
    return emit_at(t->e, emit_arg(t->e, a), emit_to_channel(t, a, channel));
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

void emit_product_places(const Product *t, const Place *tile, Val channel)
{
    QccEmit *e = t->e;
    for (int i = 0; i < t->mt; i++) {
        const Place *p = &tile[i];
        Val x = p->x, y = p->y;
        Turns turns = {0};
        if (t->g.pitch) {
            y = emit_divc(e, p->x, t->g.pitch);
            x = LLVMBuildSub(e->b, p->x, emit_mulc(e, y, t->g.pitch), "");
            turns = turns_of(t, x);
        }
        Val yes = owned(t, p, &turns);
        for (int a = 0; a < e->k->narg; a++) {
            if (!t->place[a]) continue;
            const int64_t *stride = e->k->arg[a].stride;
            int64_t size = emit_size(e, e->k->arg[a].dtype);
            Val at = emit_mulc(e, p->n, stride[0] * size);
            at = emit_add(e, at, emit_mulc(e, y, stride[1] * size));
            at = emit_add(e, at, emit_mulc(e, x, stride[2] * size));
            at = emit_at(e, emit_at(e, emit_arg(e, a), at), emit_to_channel(t, a, channel));
            Val address = count_up(e, as_number(e, at), stride[2] * size);
            Val jump = emit_i64(e, (stride[1] - t->g.pitch * stride[2]) * size);
            for (int j = 0; j < turns.n; j++) {
                Val next = LLVMBuildAdd(e->b, address, emit_splat(e, jump, LANES), "");
                address = LLVMBuildSelect(e->b, turns.over[j], next, address, "");
            }
            Val no = emit_splat(e, as_number(e, elsewhere(t, a, channel)), LANES);
            store_places(t, a, i * t->g.rows, LLVMBuildSelect(e->b, yes, address, no, ""));
        }
    }
}

void emit_product_no_places(const Product *t)
{
    QccEmit *e = t->e;
    for (int a = 0; a < e->k->narg; a++) {
        if (!t->place[a]) continue;
        Val no = emit_splat(e, as_number(e, elsewhere(t, a, emit_i64(e, 0))), LANES);
        for (int64_t i = 0; i < t->pixels; i += LANES) store_places(t, a, i, no);
    }
}

int64_t emit_sums_size(const Product *t)
{
    return t->pixels * t->nt * ROW_BYTES;
}

int64_t emit_places_size(const Product *t)
{
    return (t->pixels + LANES) * 8;
}

Product emit_product_set(const Product *t, Val set)
{
    Product p = *t;
    p.sums = emit_at(t->e, t->sums, emit_mulc(t->e, set, emit_sums_size(t)));
    for (int a = 0; a < t->e->k->narg; a++)
        if (t->place[a])
            p.place[a] = emit_at(t->e, t->place[a], emit_mulc(t->e, set, emit_places_size(t)));
    return p;
}

/* ---- epilogue -------------------------------------------------------------------------------- */

static bool is_read(const QccExpr *x, int a)
{
    for (int i = 0; x && i < x->n; i++)
        if (x->node[i].op == QCC_EX_arg && x->node[i].imm.i == a) return true;
    return false;
}

void emit_product_operands(const Product *t, const Panel *panel, Val channel, Kept kept)
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
            o->at = emit_at(e, emit_arg(e, a), emit_to_channel(t, a, channel));
            o->at = emit_atc(e, o->at, (int64_t)j * LANES * step * emit_size(e, o->dtype));
            if (is_read(t->epilogue, a)) o->value = emit_load_wide(e, o->dtype, o->at, step, count);
        }
    }
}

/* What the epilogue of pixel u of those that begin with number `pixel` works on, vector by vector.
 * Gives where the result lies. */
static Val gather_pixel(const Product *t, const Panel *panel, Kept kept, Val pixel, int u,
                        EmitVector *vector)
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
        EmitOperand *operand = vector[j].operand;
        for (int a = k->nanchor + 1; a < k->narg; a++) {
            operand[a] = kept[j][a];
            if (t->place[a])
                operand[a].at =
                    emit_atc(e, at[a],
                             (int64_t)j * LANES * operand[a].step * emit_size(e, operand[a].dtype));
        }
        vector[j].acc =
            emit_load_vector(e, emit_vector(e->i32, LANES),
                             emit_atc(e, sums, (u * t->nt + j) * (int64_t)ROW_BYTES), 64);
        vector[j].count = j == panel->nv - 1 ? panel->last : LANES;
    }
    return at[0];
}

/* Pixels that are stored together: as many as fill a register of bytes. */
static int together(const Panel *panel)
{
    return panel->nv <= 2 ? TOGETHER / panel->nv : 1;
}

/* The epilogue of n pixels from number pixel + u on, n no more than go together. */
static void emit_pixel(const Product *t, const Panel *panel, Kept kept, Val pixel, int u, int n)
{
    QccEmit *e = t->e;
    QccDtype dtype = e->k->arg[0].dtype;
    int nv = panel->nv, bytes = (nv - 1) * LANES + panel->last;
    Val to[TOGETHER] = {NULL}, out[TOGETHER * SIDE] = {NULL};
    EmitOperand operand[TOGETHER * SIDE][QCC_KERNEL_ARGS] = {0};
    EmitVector vector[TOGETHER * SIDE];
    for (int v = 0; v < n * nv; v++) vector[v] = (EmitVector){.operand = operand[v]};
    for (int i = 0; i < n; i++)
        to[i] = gather_pixel(t, panel, kept, pixel, u + i, vector + (size_t)i * (size_t)nv);
    emit_exprs(e, t->epilogue, vector, n * nv, out);
    if (!t->saturates) {
        for (int i = 0; i < n; i++)
            emit_store_run(e, dtype, out + (size_t)i * (size_t)nv, nv, to[i], panel->last);
        return;
    }
    for (int i = n * nv; i < SIDE; i++) out[i] = out[i % nv]; /* anything: it is dropped */
    Val packed = emit_saturate(e, dtype, out);
    for (int i = 0; i < n; i++) emit_store_part(e, packed, i * nv * LANES, bytes, to[i]);
}

void emit_product_share(const Product *t, const Panel *panel, Kept kept, Val pixel, int n, int part,
                        int parts)
{
    int unit = together(panel), units = (n + unit - 1) / unit;
    for (int i = part * units / parts; i < (part + 1) * units / parts; i++)
        emit_pixel(t, panel, kept, pixel, i * unit, n - i * unit < unit ? n - i * unit : unit);
}

void emit_product_pixels(const Product *t, const Panel *panel, Kept kept, int64_t from, int64_t to)
{
    int rest = (int)((to - from) % t->at_once);
    if (rest) emit_product_share(t, panel, kept, emit_i64(t->e, from), rest, 0, 1);
    if (from + rest >= to) return;
    EmitLoop l;
    emit_loop_begin(t->e, &l, emit_i64(t->e, from + rest), emit_i64(t->e, to), t->at_once, 0, NULL);
    emit_product_share(t, panel, kept, l.i, (int)t->at_once, 0, 1);
    emit_loop_end(t->e, &l, NULL);
}
