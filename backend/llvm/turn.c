/* turn - maps of one operand whose elements lie side by side along one dimension in memory that is
 * read and along another in memory that is written: transposes. Squares of lanes x lanes are loaded
 * by rows, turned in registers, and stored by rows, so that both sides move whole cache lines. A
 * few planes of bytes, as the channels of an image, or rows of few channels, become one by
 * registers that take from each in turn.
 */
#include <assert.h>

#include "backend/llvm/emit.h"

static bool is_copy(const QccKernel *k)
{
    return k->epilogue->node[k->epilogue->result].op == QCC_EX_arg;
}

static bool looks_up(const QccExpr *x)
{
    return qcc_expr_has(x, QCC_EX_lut) || qcc_expr_has(x, QCC_EX_load);
}

int emit_turned_dim(const QccEmit *e)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1;
    const QccKernelArg *to = &k->arg[0], *from = &k->arg[1];
    if (k->narg != 2 || to->dtype != from->dtype) return -1;
    if (!is_copy(k) && (to->dtype != QCC_I32 || looks_up(k->epilogue))) return -1;
    if (to->stride[last] != 1 || from->stride[last] <= 1 || k->extent[last] < 4) return -1;
    for (int d = 1; d < last; d++)
        if (from->stride[d] == 1 && k->extent[d] >= 4) return d;
    return -1;
}

/* Element l of vector i and element i of vector l change places: first neighbours, then pairs of
 * pairs, ... */
static void turn(QccEmit *e, Val *v)
{
    int n = e->lanes;
    for (int w = 1; w < n; w *= 2) {
        Val low[64], high[64];
        for (int l = 0; l < n; l++) {
            low[l] = emit_i32(e, l & w ? n + l - w : l);
            high[l] = emit_i32(e, l & w ? n + l : l + w);
        }
        Val to_low = LLVMConstVector(low, (unsigned)n),
            to_high = LLVMConstVector(high, (unsigned)n);
        for (int i = 0; i < n; i++) {
            if (i & w) continue;
            Val a = v[i], b = v[i | w];
            v[i] = LLVMBuildShuffleVector(e->b, a, b, to_low, "");
            v[i | w] = LLVMBuildShuffleVector(e->b, a, b, to_high, "");
        }
    }
}

/* rows indices of the dimension that is read along, columns of the one that is written along. */
static void emit_square(QccEmit *e, Val to, Val from, int dim, int rows, int columns)
{
    const QccKernel *k = e->k;
    QccDtype dtype = k->arg[0].dtype;
    int64_t size = emit_size(e, dtype);
    Val v[64];
    for (int i = 0; i < e->lanes; i++)
        v[i] = LLVMGetPoison(emit_vector(emit_type(e, dtype), e->lanes));
    for (int i = 0; i < columns; i++)
        v[i] = emit_load(e, dtype, emit_atc(e, from, i * k->arg[1].stride[k->rank - 1] * size), 1,
                         rows);
    for (int i = 0; i < columns && !is_copy(k); i++) {
        EmitOperand operand[2] = {{0}, {.dtype = dtype, .step = 1, .value = v[i]}};
        v[i] = emit_expr(e, k->epilogue, operand, NULL, NULL, rows);
    }
    turn(e, v);
    for (int i = 0; i < rows; i++)
        emit_store(e, dtype, v[i], emit_atc(e, to, i * k->arg[0].stride[dim] * size), 1, columns);
}

/* All columns of some rows. */
static void emit_strip(QccEmit *e, Val to, Val from, int dim, int rows)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1;
    int64_t size = emit_size(e, k->arg[0].dtype), step = k->arg[1].stride[last] * size;
    int64_t n = k->extent[last], whole = n / e->lanes * e->lanes;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), e->lanes, 0, NULL);
        emit_square(e, emit_at(e, to, emit_mulc(e, l.i, size)),
                    emit_at(e, from, emit_mulc(e, l.i, step)), dim, rows, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    if (n > whole)
        emit_square(e, emit_atc(e, to, whole * size), emit_atc(e, from, whole * step), dim, rows,
                    (int)(n - whole));
}

void emit_turned(QccEmit *e, const Val *at, int dim)
{
    const QccKernel *k = e->k;
    int64_t size = emit_size(e, k->arg[0].dtype), step = k->arg[0].stride[dim] * size;
    int64_t n = k->extent[dim], whole = n / e->lanes * e->lanes;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), e->lanes, 0, NULL);
        emit_strip(e, emit_at(e, at[0], emit_mulc(e, l.i, step)),
                   emit_at(e, at[1], emit_mulc(e, l.i, size)), dim, e->lanes);
        emit_loop_end(e, &l, NULL);
    }
    if (n > whole)
        emit_strip(e, emit_atc(e, at[0], whole * step), emit_atc(e, at[1], whole * size), dim,
                   (int)(n - whole));
}

/* ---- few planes ------------------------------------------------------------------------------ */

enum { PLANES = 4 };

/* Planes of bytes that become one, of each a pixel (so many bytes) in turn. */
typedef struct Planes {
    int dim;      /* of pixels */
    int n, bytes; /* planes; bytes of a pixel of one */
    int64_t apart, pixels;
} Planes;

/* Whether a map from bytes to bytes adds a number to each. */
static bool adds_number(const QccKernel *k, int32_t *number)
{
    const QccExprNode *node = k->epilogue->node, *sum = &node[k->epilogue->result];
    *number = 0;
    if (k->arg[0].dtype == QCC_BOOL || k->arg[1].dtype == QCC_BOOL || sum->op != QCC_EX_add ||
        node[sum->in[0]].op != QCC_EX_arg || node[sum->in[1]].op != QCC_EX_imm)
        return false;
    *number = (int32_t)node[sum->in[1]].imm.i;
    return sum->type == QCC_EX_I32;
}

static bool planes_of(const QccEmit *e, Planes *p)
{
    const QccKernel *k = e->k;
    int last = k->rank - 1, number;
    const QccKernelArg *to = &k->arg[0], *from = &k->arg[1];
    if (k->narg != 2 || qcc_dtype_bits(from->dtype) != 8 || qcc_dtype_bits(to->dtype) != 8)
        return false;
    if (!adds_number(k, &number) && (!is_copy(k) || to->dtype != from->dtype)) return false;
    int plane = from->stride[last] == 1 ? last - 1 : last; /* pixels of one byte have no extent */
    int64_t bytes = plane < last ? k->extent[last] : 1, room = 4 * (int64_t)e->lanes;
    if (plane < 2 || to->stride[last] != 1 || to->stride[plane] != bytes) return false;
    int64_t n = k->extent[plane];
    if (n < 2 || n > PLANES || bytes > room / 8) return false;
    *p = (Planes){plane - 1, (int)n, (int)bytes, from->stride[plane], k->extent[plane - 1]};
    return to->stride[p->dim] == n * bytes && from->stride[p->dim] == bytes;
}

int emit_interleaved_dim(const QccEmit *e)
{
    Planes p;
    return planes_of(e, &p) ? p.dim : -1;
}

/* Of each plane the bytes [from, to) that register `part` of n pixels is made of, of which a
 * register holds all; those of all n where it does. */
typedef struct Part {
    int from, to;
} Part;

static Part part_of(const QccEmit *e, const Planes *p, int n, int part)
{
    int room = 4 * e->lanes, pixel = p->n * p->bytes, end = (part + 1) * room;
    if (n * p->bytes <= room) return (Part){0, n * p->bytes};
    if (end > n * pixel) end = n * pixel;
    return (Part){part * room / pixel * p->bytes, (end + pixel - 1) / pixel * p->bytes};
}

/* Register `part` of those that hold the first pixel of each plane, the second of each, .. */
static Val interleave(QccEmit *e, const Val *plane, const Planes *p, int part, int from)
{
    int room = 4 * e->lanes;
    Val all = plane[0], pick[4 * 16];
    for (int i = 0; i < p->n; i++) {
        for (int l = 0; l < room; l++) {
            int at = part * room + l;
            int here = at / (p->n * p->bytes) * p->bytes + at % p->bytes - from;
            bool is_own = at / p->bytes % p->n == i && here < room;
            pick[l] = emit_i32(e, is_own ? room + here : i ? l : 0);
        }
        all =
            LLVMBuildShuffleVector(e->b, all, plane[i], LLVMConstVector(pick, (unsigned)room), "");
    }
    return all;
}

static void emit_pixels(QccEmit *e, const Planes *p, Val to, Val from, int n)
{
    int room = 4 * e->lanes, all = n * p->n * p->bytes;
    Val plane[PLANES];
    int32_t number;
    bool adds = adds_number(e->k, &number);
    Val same = emit_splat(e, LLVMConstInt(e->i8, (uint8_t)number, false), room);
    for (int part = 0, last = -1; part * room < all; part++) {
        Part has = part_of(e, p, n, part);
        for (int i = 0; i < p->n && has.from != last; i++) {
            Val at = emit_atc(e, from, i * p->apart + has.from);
            plane[i] = emit_load_bytes(e, at, has.to - has.from);
            if (adds) plane[i] = LLVMBuildAdd(e->b, plane[i], same, "");
        }
        last = has.from;
        int rest = all - part * room;
        emit_store_bytes(e, interleave(e, plane, p, part, has.from), emit_atc(e, to, part * room),
                         rest < room ? rest : room);
    }
}

/* Pixels that fill whole registers, as many as one register of each plane holds. */
static int64_t pixels_at_once(const QccEmit *e, const Planes *p)
{
    int64_t room = 4 * (int64_t)e->lanes, n = 1;
    while (n * p->n * p->bytes % room) n++;
    return n * p->bytes < room ? room / (n * p->bytes) * n : n;
}

void emit_interleaved(QccEmit *e, const Val *at)
{
    Planes p;
    bool is_one = planes_of(e, &p);
    assert(is_one);
    (void)is_one;
    int64_t n = pixels_at_once(e, &p), whole = p.pixels / n * n;
    if (whole) {
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, whole), n, 0, NULL);
        emit_pixels(e, &p, emit_at(e, at[0], emit_mulc(e, l.i, (int64_t)p.n * p.bytes)),
                    emit_at(e, at[1], emit_mulc(e, l.i, p.bytes)), (int)n);
        emit_loop_end(e, &l, NULL);
    }
    if (p.pixels > whole)
        emit_pixels(e, &p, emit_atc(e, at[0], whole * p.n * p.bytes),
                    emit_atc(e, at[1], whole * p.bytes), (int)(p.pixels - whole));
}
