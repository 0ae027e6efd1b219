/* pool - elements of a window combined, vectors over channels.
 *
 * Taps outside the input are left out by the bounds of the loops over ky and kx. Where a window is
 * inside along a row, as most are, several pixels go at once: a column of the input is loaded once
 * for all of them and, of bytes, which may be combined in any order, goes down the rows once.
 * Bytes are combined by whole registers and widened at the end.
 */
#include <string.h>

#include "backend/llvm/emit.h"

typedef struct Window {
    Val lo, hi; /* the taps of one dimension that lie inside: [lo, hi) */
    Val origin; /* position of tap 0, may be negative */
} Window;

/* How many steps of `dil` it takes from 0 to reach at least `x`; 0 when x is negative. */
static Val steps_to(QccEmit *e, Val x, int64_t dil)
{
    return emit_divc(e, emit_addc(e, emit_max(e, x, emit_i64(e, 0)), dil - 1), dil);
}

static Window window(QccEmit *e, Val out, int64_t stride, int64_t pad, int64_t dil, int64_t taps,
                     int64_t extent)
{
    Window w;
    w.origin = emit_addc(e, emit_mulc(e, out, stride), -pad);
    Val before = LLVMBuildSub(e->b, emit_i64(e, 0), w.origin, "");
    w.lo = steps_to(e, before, dil);
    w.hi = emit_min(e, steps_to(e, emit_addc(e, before, extent), dil), emit_i64(e, taps));
    return w;
}

enum {
    COLUMNS = 8, /* taps of a row that are taken without a loop, at most */
    PIXELS = 8,  /* at once, at most */
    VECTORS = 16 /* of e->lanes elements, of a pixel */
};

typedef struct Pool {
    QccEmit *e;
    const QccPoolShape *s;
    QccDtype dtype;
    int64_t size;          /* bytes of an element */
    bool picks, is_signed; /* max or min; elements that are numbers with a sign */
    bool bytes;            /* taken by whole registers */
    Typ element;           /* of what bytes are combined in along a row */
    bool widens;           /* behind each row, since sums of the whole window need 32 bits */
} Pool;

/* Vectors of some channels, of each of a few pixels. */
typedef struct Strip {
    int pixels, nv;
    int lanes, last_lanes; /* of a vector, of the last one */
    int last;              /* channels of the last one */
} Strip;

static Pool pool_of(QccEmit *e)
{
    const QccPoolShape *s = &e->k->u.pool;
    Pool p = {.e = e, .s = s, .dtype = e->k->arg[1].dtype};
    int64_t least, greatest;
    qcc_dtype_range(p.dtype, &least, &greatest);
    p.size = emit_size(e, p.dtype);
    p.picks = s->combine == QCC_COMBINE_MAX || s->combine == QCC_COMBINE_MIN;
    p.is_signed = least < 0;
    p.bytes = p.size == 1 && s->combine != QCC_COMBINE_PROD;
    /* Max and min of bytes are bytes, too; sums of up to 256 of them fit in 16 bits. */
    enum { MOST = 256 };
    p.widens = p.bytes && !p.picks && s->kh * s->kw > MOST;
    p.element = p.picks ? e->i8 : s->kw <= MOST ? e->i16 : e->i32;
    return p;
}

static int lanes_of(const Strip *strip, int j)
{
    return j == strip->nv - 1 ? strip->last_lanes : strip->lanes;
}

static int count_of(const Strip *strip, int j)
{
    return j == strip->nv - 1 ? strip->last : strip->lanes;
}

/* What a row of taps begins with: max and min of integers at the end of the element type's range.
 */
static Val start(const Pool *p, int lanes)
{
    QccEmit *e = p->e;
    int wide = emit_wide(e, p->dtype);
    bool is_float = qcc_dtype_is_float(p->dtype);
    if (p->bytes && !p->picks) return LLVMConstNull(emit_vector(p->element, lanes));
    if (is_float || !p->picks) return emit_identity(e, p->s->combine, wide);
    int64_t lo, hi;
    qcc_dtype_range(p->dtype, &lo, &hi);
    uint64_t v = (uint64_t)(p->s->combine == QCC_COMBINE_MAX ? lo : hi);
    Typ element = p->bytes ? p->element : emit_expr_type(e, wide);
    return emit_splat(e, LLVMConstInt(element, v, true), lanes);
}

static Val widen(const Pool *p, Val x, Typ type)
{
    if (LLVMTypeOf(x) == type) return x;
    return p->is_signed ? LLVMBuildSExt(p->e->b, x, type, "") : LLVMBuildZExt(p->e->b, x, type, "");
}

/* `count` elements as they are combined. */
static Val load(const Pool *p, Val from, int lanes, int count)
{
    if (!p->bytes) return emit_load_wide(p->e, p->dtype, from, 1, count);
    return widen(p, emit_load_few_bytes(p->e, from, lanes, count), emit_vector(p->element, lanes));
}

static Val combine(const Pool *p, Val acc, Val x)
{
    QccCombine how = p->s->combine;
    if (!p->bytes || !p->picks) return emit_combine(p->e, how, acc, x);
    if (how == QCC_COMBINE_MAX)
        return emit_binary(p->e, p->is_signed ? "llvm.smax" : "llvm.umax", acc, x);
    return emit_binary(p->e, p->is_signed ? "llvm.smin" : "llvm.umin", acc, x);
}

/* Whether the result is the accumulator itself, in bytes that lie side by side. */
static bool stores_bytes(const Pool *p)
{
    const QccKernel *k = p->e->k;
    const QccExpr *x = k->epilogue;
    bool plain = !x || x->node[x->result].op == QCC_EX_acc;
    return p->bytes && p->picks && plain && qcc_dtype_bits(k->arg[0].dtype) == 8 &&
           k->arg[0].stride[3] == 1;
}

/* Vector i of the vectors of i32 that an accumulator of bytes becomes. */
static Val part(const Pool *p, Val acc, int i)
{
    QccEmit *e = p->e;
    Val pick[16];
    for (int l = 0; l < e->lanes; l++) pick[l] = emit_i32(e, (int64_t)i * e->lanes + l);
    Val v = LLVMBuildShuffleVector(e->b, acc, acc, LLVMConstVector(pick, (unsigned)e->lanes), "");
    return widen(p, v, emit_vector(e->i32, e->lanes));
}

/* Epilogue and store of acc[pixels][nv]. */
static void finish(const Pool *p, const Strip *strip, const Val *at, const Val *acc)
{
    QccEmit *e = p->e;
    const QccKernelArg *to = &e->k->arg[0];
    int nv = strip->nv;
    if (!p->bytes) {
        emit_block_epilogue(e, e->k->epilogue, at, acc, strip->pixels, nv, strip->last);
        return;
    }
    if (stores_bytes(p)) {
        for (int i = 0; i < strip->pixels * nv; i++) {
            int64_t offset = i / nv * to->stride[2] + (int64_t)(i % nv) * strip->lanes;
            emit_store_bytes(e, acc[i], emit_atc(e, at[0], offset), count_of(strip, i % nv));
        }
        return;
    }
    Val vector[EMIT_CARRY];
    int n = 0, whole = (strip->last - 1) / e->lanes * e->lanes;
    for (int i = 0; i < strip->pixels * nv; i++)
        for (int v = 0; v * e->lanes < count_of(strip, i % nv); v++)
            vector[n++] = part(p, acc[i], v);
    emit_block_epilogue(e, e->k->epilogue, at, vector, strip->pixels, n / strip->pixels,
                        strip->last - whole);
}

/* ---- windows --------------------------------------------------------------------------------- */

/* acc[nv] with n taps from kx on of the row at `row`, its column 0. */
static void take(const Pool *p, const Strip *strip, Val row, const Window *wx, Val kx, int64_t n,
                 Val *acc)
{
    QccEmit *e = p->e;
    int64_t pitch = p->s->a_w * p->size;
    Val x = emit_add(e, wx->origin, emit_mulc(e, kx, p->s->dil_w));
    Val from = emit_at(e, row, emit_mulc(e, x, pitch));
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < strip->nv; j++) {
            int64_t offset = i * p->s->dil_w * pitch + j * strip->lanes * p->size;
            Val v = load(p, emit_atc(e, from, offset), lanes_of(strip, j), count_of(strip, j));
            acc[j] = combine(p, acc[j], v);
        }
}

/* The taps [lo, hi), n at a time. */
static void take_span(const Pool *p, const Strip *strip, Val row, const Window *wx, Val lo, Val hi,
                      int n, Val *acc)
{
    EmitLoop l;
    emit_loop_begin(p->e, &l, lo, hi, n, strip->nv, acc);
    for (int j = 0; j < strip->nv; j++) acc[j] = l.carry[j];
    take(p, strip, row, wx, l.i, n, acc);
    emit_loop_end(p->e, &l, acc);
    for (int j = 0; j < strip->nv; j++) acc[j] = l.carry[j];
}

/* inside: all taps of a row are there. */
static void take_row(const Pool *p, const Strip *strip, Val row, const Window *wx, bool inside,
                     Val *acc)
{
    QccEmit *e = p->e;
    int64_t n = p->s->kw, whole = n / COLUMNS * COLUMNS;
    if (!inside) {
        take_span(p, strip, row, wx, wx->lo, wx->hi, 1, acc);
        return;
    }
    if (whole) take_span(p, strip, row, wx, emit_i64(e, 0), emit_i64(e, whole), COLUMNS, acc);
    take(p, strip, row, wx, emit_i64(e, whole), n - whole, acc);
}

static Val row_of(const Pool *p, Val a, const Window *wy, Val ky)
{
    Val y = emit_add(p->e, wy->origin, emit_mulc(p->e, ky, p->s->dil_h));
    return emit_at(p->e, a, emit_mulc(p->e, y, p->s->a_h * p->size));
}

/* One pixel. `a` stands at the channel, in row and column 0. */
static void emit_window(const Pool *p, const Strip *strip, Val a, const Window *wy,
                        const Window *wx, bool inside, Val *acc)
{
    QccEmit *e = p->e;
    int nv = strip->nv;
    for (int j = 0; j < nv; j++) {
        acc[j] = start(p, lanes_of(strip, j));
        if (p->widens) acc[j] = LLVMConstNull(emit_vector(e->i32, lanes_of(strip, j)));
    }
    EmitLoop ly;
    emit_loop_begin(e, &ly, wy->lo, wy->hi, 1, nv, acc);
    Val row = row_of(p, a, wy, ly.i), sum[EMIT_CARRY];
    for (int j = 0; j < nv; j++) sum[j] = p->widens ? start(p, lanes_of(strip, j)) : ly.carry[j];
    take_row(p, strip, row, wx, inside, sum);
    for (int j = 0; j < nv && p->widens; j++)
        sum[j] = LLVMBuildAdd(e->b, ly.carry[j], widen(p, sum[j], LLVMTypeOf(acc[j])), "");
    emit_loop_end(e, &ly, sum);
    for (int j = 0; j < nv; j++) acc[j] = ly.carry[j];
}

/* The columns that the taps of some pixels lie in, from the first one's first tap on, ascending. */
typedef struct Columns {
    int n;
    int64_t at[PIXELS * COLUMNS];
} Columns;

static Columns columns_of(const QccPoolShape *s, int pixels)
{
    Columns c = {0};
    for (int i = 0; i < pixels; i++)
        for (int64_t kx = 0; kx < s->kw; kx++) {
            int64_t x = i * s->stride_w + kx * s->dil_w;
            int at = c.n;
            while (at > 0 && c.at[at - 1] > x) at--;
            if (at > 0 && c.at[at - 1] == x) continue;
            for (int k = c.n++; k > at; k--) c.at[k] = c.at[k - 1];
            c.at[at] = x;
        }
    return c;
}

/* Whether column x is a tap of pixel i. */
static bool is_tap(const QccPoolShape *s, int64_t x, int i)
{
    int64_t from = x - i * s->stride_w;
    return from >= 0 && from % s->dil_w == 0 && from / s->dil_w < s->kw;
}

/* Whether columns are combined before windows are. */
static bool goes_by_columns(const Pool *p, int pixels)
{
    return p->bytes && pixels > 1;
}

/* Some pixels whose windows are inside along the row: acc[pixels][nv], each in the order of its
 * taps, or (by columns) in another. */
static void emit_windows(const Pool *p, const Strip *strip, Val a, const Window *wy,
                         const Window *wx, Val *acc)
{
    QccEmit *e = p->e;
    int nv = strip->nv;
    int64_t pitch = p->s->a_w * p->size;
    Columns c = columns_of(p->s, strip->pixels);
    bool by_columns = goes_by_columns(p, strip->pixels);
    int n = (by_columns ? c.n : strip->pixels) * nv;
    Val sum[EMIT_CARRY];
    for (int i = 0; i < n; i++) sum[i] = start(p, lanes_of(strip, i % nv));
    EmitLoop ly;
    emit_loop_begin(e, &ly, wy->lo, wy->hi, 1, n, sum);
    Val row = emit_at(e, row_of(p, a, wy, ly.i), emit_mulc(e, wx->origin, pitch));
    for (int i = 0; i < n; i++) sum[i] = ly.carry[i];
    for (int i = 0; i < c.n * nv; i++) {
        int j = i % nv;
        int64_t x = c.at[i / nv], offset = x * pitch + j * strip->lanes * p->size;
        Val v = load(p, emit_atc(e, row, offset), lanes_of(strip, j), count_of(strip, j));
        if (by_columns) sum[i] = combine(p, sum[i], v);
        for (int k = 0; k < strip->pixels && !by_columns; k++)
            if (is_tap(p->s, x, k)) sum[k * nv + j] = combine(p, sum[k * nv + j], v);
    }
    emit_loop_end(e, &ly, sum);
    if (!by_columns) memcpy(acc, ly.carry, (size_t)n * sizeof *acc);
    for (int i = 0; i < strip->pixels * nv && by_columns; i++) {
        acc[i] = NULL;
        for (int k = 0; k < c.n; k++) {
            Val v = ly.carry[k * nv + i % nv];
            if (is_tap(p->s, c.at[k], i / nv)) acc[i] = acc[i] ? combine(p, acc[i], v) : v;
        }
    }
}

/* ---- rows of the result ---------------------------------------------------------------------- */

/* A row of the result: its windows along y; where it and the input's row 0 begin. */
typedef struct Line {
    Val a;
    const Val *at;
    Window wy;
    int64_t inside, behind; /* the pixels [inside, behind) have all their taps of a row */
} Line;

static void emit_strip(const Pool *p, const Line *line, const Strip *strip, const Window *wx,
                       const Val *pixel, Val channel, bool inside)
{
    Val here[QCC_KERNEL_ARGS], acc[EMIT_CARRY];
    emit_advance(p->e, here, pixel, 3, channel);
    Val a = emit_at(p->e, line->a, emit_mulc(p->e, channel, p->size));
    if (inside && p->s->kw <= COLUMNS && !p->widens)
        emit_windows(p, strip, a, &line->wy, wx, acc);
    else
        emit_window(p, strip, a, &line->wy, wx, inside, acc);
    finish(p, strip, here, acc);
}

/* All channels of some pixels from x on. */
static void emit_pixels(const Pool *p, const Line *line, Val x, int pixels, bool inside)
{
    QccEmit *e = p->e;
    const QccKernel *k = e->k;
    int nr = k->variant.nr < 1 ? 1 : k->variant.nr > VECTORS ? VECTORS : k->variant.nr;
    if (p->bytes) nr = (nr + 3) / 4;
    int lanes = p->bytes ? 4 * e->lanes : e->lanes;
    Strip strip = {pixels, nr, lanes, lanes, lanes};
    Window wx = window(e, x, p->s->stride_w, p->s->pad_left, p->s->dil_w, p->s->kw, p->s->iw);
    Val pixel[QCC_KERNEL_ARGS];
    emit_advance(e, pixel, line->at, 2, x);
    int64_t wide = (int64_t)nr * lanes, whole = k->extent[3] / wide * wide;
    if (whole) {
        EmitLoop lc;
        emit_loop_begin(e, &lc, emit_i64(e, 0), emit_i64(e, whole), wide, 0, NULL);
        emit_strip(p, line, &strip, &wx, pixel, lc.i, inside);
        emit_loop_end(e, &lc, NULL);
    }
    int rest = (int)(k->extent[3] - whole);
    if (!rest) return;
    strip.nv = (rest + lanes - 1) / lanes;
    strip.last = rest - (strip.nv - 1) * lanes;
    while (strip.last_lanes / 2 >= strip.last && strip.last_lanes > e->lanes) strip.last_lanes /= 2;
    emit_strip(p, line, &strip, &wx, pixel, emit_i64(e, whole), inside);
}

/* The pixels [from, to), some at a time. */
static void emit_span(const Pool *p, const Line *line, int64_t from, int64_t to, int pixels,
                      bool inside)
{
    QccEmit *e = p->e;
    int64_t whole = (to - from) / pixels * pixels, rest = to - from - whole;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, from), emit_i64(e, from + whole), pixels, 0, NULL);
        emit_pixels(p, line, l.i, pixels, inside);
        emit_loop_end(e, &l, NULL);
    }
    if (rest) emit_pixels(p, line, emit_i64(e, from + whole), (int)rest, inside);
}

/* Pixels that go at once: as many as the variant says, and no more sums than registers. */
static int pixels_of(const Pool *p, int64_t inside)
{
    const QccVariant *v = &p->e->k->variant;
    int64_t n = v->mr < inside ? v->mr : inside;
    if (p->s->kw > COLUMNS || p->widens || n < 1) return 1;
    int pixels = n > PIXELS ? PIXELS : (int)n, vectors = p->bytes ? (v->nr + 3) / 4 : v->nr;
    while (pixels > 1 && columns_of(p->s, pixels).n * vectors > p->e->t->registers) pixels--;
    return pixels;
}

void emit_pool(QccEmit *e)
{
    const QccKernel *k = e->k;
    Pool p = pool_of(e);
    const QccPoolShape *s = p.s;
    if (qcc_kernel_work(k, e->lanes) == 0) return;

    EmitLoop unit;
    Val at[QCC_KERNEL_ARGS];
    emit_loop_begin(e, &unit, e->begin, e->end, 1, 0, NULL);
    Val n = emit_divc(e, unit.i, k->extent[1]), y = emit_modc(e, unit.i, k->extent[1]);
    emit_place(e, at, (Val[]){n, y}, 2);
    Line line = {.at = at};
    line.a = emit_at(e, emit_arg(e, 1), emit_mulc(e, n, s->a_n * p.size));
    line.wy = window(e, y, s->stride_h, s->pad_top, s->dil_h, s->kh, s->ih);
    int64_t ow = k->extent[2], room = s->iw + s->pad_left - (s->kw - 1) * s->dil_w - 1;
    line.inside = (s->pad_left + s->stride_w - 1) / s->stride_w;
    line.behind = room < 0 ? 0 : room / s->stride_w + 1;
    if (line.behind > ow) line.behind = ow;
    if (line.behind < line.inside) line.inside = line.behind = 0;
    emit_span(&p, &line, 0, line.inside, 1, false);
    emit_span(&p, &line, line.inside, line.behind, pixels_of(&p, line.behind - line.inside), true);
    emit_span(&p, &line, line.behind, ow, 1, false);
    emit_loop_end(e, &unit, NULL);
}
