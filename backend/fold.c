/* fold - convolutions of few channels that step over rows read these side by side.
 *
 *   stride s over rows:   A[n][h][w][c]      ->  A[n][h / s][w][s][c]        a copy
 *                         B[o][kh][kw][c]    ->  B[o][kh / s][kw][s][c]      filled up with zeros
 *
 * which is a convolution of stride 1 over rows, of s times the channels. A K step of a product in
 * tiles is up to 64 bytes of a row of taps: a stem of 7 x 7 taps and 3 channels has 7 steps of 21
 * bytes, folded 4 of 42.
 */
#include "backend/lowering.h"

#include "backend/pack.h"

#include <string.h>

enum {
    FOLD_MOST = 4,  /* rows */
    FEW_STEPS = 3,  /* of fewer than these, the epilogue takes longer than the multiplies */
    COPY_BYTES = 8, /* that the copy makes in a cycle; a multiply takes one a pixel, 16 channels */
};

typedef struct Fold {
    int64_t rows;          /* s */
    int64_t high, wide;    /* folded rows that are read, pixels of one */
    int64_t ci;            /* bytes of a pixel of A */
    int64_t pitch;         /* bytes of a folded row */
    int64_t above, before; /* folded rows of taps; K steps as it was */
} Fold;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static bool pays(const QccKernel *k, const Fold *f, int64_t length)
{
    int64_t after = f->above * qcc_tile_steps(f->rows * length).steps;
    int64_t pixels = k->extent[0] * k->extent[1] * k->extent[2];
    int64_t saved = (f->before - after) * pixels * ceil_div(k->extent[3], QCC_TILE_ROWS);
    return after >= FEW_STEPS && saved > k->extent[0] * f->high * f->pitch / COPY_BYTES;
}

static bool fold_of(const QccLoweredKernel *product, Fold *f)
{
    const QccKernel *k = product->kernel;
    const QccContractShape *c = &k->u.contract;
    if (k->anchor != QCC_ANCHOR_CONTRACT || k->arg[1].dtype != QCC_U8 || c->groups != 1 ||
        product->source[1].kind != QCC_SOURCE_OPERAND ||
        product->source[2].kind != QCC_SOURCE_WEIGHT)
        return false;
    if (c->stride_h < 2 || c->stride_h > FOLD_MOST || c->dil_h != 1) return false;
    int64_t runs, length;
    qcc_contract_runs(k, &runs, &length);
    if (runs != c->kh || length > QCC_TILE_BYTES) return false;
    f->rows = c->stride_h;
    f->above = ceil_div(c->kh, f->rows);
    f->high = k->extent[1] - 1 + f->above;
    f->wide = (k->extent[2] - 1) * c->stride_w + c->kw;
    f->ci = c->ci;
    f->pitch = f->wide * f->rows * f->ci;
    f->before = runs;
    return pays(k, f, length);
}

/* Copies into the folded rows [first, first + n) the first `rows` of those that belong to each. */
static void add_rows(QccKernelList *list, const Fold *f, int temp, int64_t first, int64_t n,
                     int64_t rows)
{
    if (n == 0 || rows == 0) return;
    const QccKernel *product = list->kernel[0].kernel;
    const QccContractShape *c = &product->u.contract;
    QccSource from = list->kernel[0].source[1];
    const int64_t extent[5] = {product->extent[0], n, f->wide, rows, f->ci};
    const int64_t to[5] = {f->high * f->pitch, f->pitch, f->rows * f->ci, f->ci, 1};
    const int64_t at[5] = {c->a_n, f->rows * c->a_h, c->a_w, c->a_h, 1};
    QccLoweredKernel *k = qcc_lower_kernel(list, QCC_ANCHOR_MAP, 5, extent);
    k->source[qcc_lower_temp_arg(k, temp, QCC_U8, to)].offset = first * f->pitch;
    int arg = qcc_lower_operand(k, from.index, QCC_U8, at, from.index_offset);
    k->source[arg].offset = from.offset + first * f->rows * c->a_h;
    k->kernel->epilogue = qcc_lower_expr(list);
    k->kernel->epilogue->result = qcc_lower_arg_node(k->kernel->epilogue, k, arg);
}

/* Of the last folded row A may not have all; the taps that are not there have weights of zero. */
static void add_copy(QccKernelList *list, const Fold *f, int temp)
{
    const QccSource *from = &list->kernel[0].source[1];
    const QccLayout *a = list->in[from->index];
    int64_t there = a->dim[1] + a->halo_after[1];
    if (from->index_offset) there -= from->index_offset[1];
    int64_t n = there / f->rows < f->high ? there / f->rows : f->high;
    add_rows(list, f, temp, 0, n, f->rows);
    add_rows(list, f, temp, n, f->high - n, there % f->rows);
}

static const QccBlob *folded_weights(QccArena *arena, const QccKernel *k, const QccBlob *w,
                                     const Fold *f)
{
    const QccContractShape *c = &k->u.contract;
    const int64_t dim[4] = {k->extent[3], f->above, c->kw, f->rows * f->ci};
    int8_t *folded = QCC_NEW_ARRAY(arena, dim[0] * dim[1] * dim[2] * dim[3], int8_t);
    const int8_t *from = w->data;
    for (int64_t o = 0; o < dim[0]; o++)
        for (int64_t ky = 0; ky < c->kh; ky++)
            for (int64_t kx = 0; kx < c->kw; kx++, from += f->ci) {
                int64_t row = o * dim[1] + ky / f->rows;
                int8_t *to = folded + (row * dim[2] + kx) * dim[3] + ky % f->rows * f->ci;
                memcpy(to, from, (size_t)f->ci);
            }
    return qcc_blob(arena, QCC_I8, 4, dim, folded, false);
}

void qcc_fold_rows(QccKernelList *list)
{
    Fold f;
    if (list->n != 1 || !fold_of(&list->kernel[0], &f)) return;
    const int64_t dim[3] = {list->kernel[0].kernel->extent[0], f.high, f.pitch};
    int temp = qcc_lower_temp(list, QCC_U8, 3, dim);
    add_copy(list, &f, temp);

    QccLoweredKernel product = list->kernel[0];
    QccSource *a = &product.source[1], *b = &product.source[2];
    *a = (QccSource){.kind = QCC_SOURCE_TEMP, .index = temp};
    b->blob = folded_weights(list->arena, product.kernel, b->blob, &f);
    QccContractShape *c = &product.kernel->u.contract;
    c->kh = f.above;
    c->stride_h = 1;
    c->ci = c->a_w = f.rows * f.ci;
    c->a_h = f.pitch;
    c->a_n = f.high * f.pitch;
    memmove(list->kernel, list->kernel + 1, (size_t)(list->n - 1) * sizeof product);
    list->kernel[list->n - 1] = product;
}
