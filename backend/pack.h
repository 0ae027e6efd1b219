/* pack - weights in the order in which the kernels of a target read them.
 *
 * CONTRACT: groups of channels one after the other, each with its own panels of nr*lanes output
 * channels; in a panel, run by run of taps that lie contiguously in A (qcc_contract_runs), each
 * K step of the run (qcc_contract_step) with the nr*lanes columns side by side:
 *   i8, VNNI:    4 bytes a column; MADD8 likewise
 *   i8, MADD16:  bytes 0 and 2 as two i16 a column, for all columns; then bytes 1 and 3 likewise
 *     of a wide variant: two i16 a column
 *   f32:         one f32 a column
 * With VNNI, columns that fill at most half of the last vector may have two groups of 4 bytes side
 * by side, in the place of the first one; that of the second is zero (qcc_paired_columns).
 * With tiles (variant.tiles), 16 columns after 16 in the place of panels; of each run, 64 bytes
 * after 64, a tile of 1 KiB: for each 4 bytes of the 64 the 16 columns side by side, 4 bytes a
 * column. Tails of runs and of channels are filled with zeros. DEPTHWISE: see pack.c.
 */
#ifndef QCC_BACKEND_PACK_H
#define QCC_BACKEND_PACK_H

#include "backend/target.h"

/* Bytes of the packed weights of a CONTRACT or DEPTHWISE kernel. */
int64_t qcc_pack_size(const QccKernel *k, const QccTarget *t);

/* Packs w[co][kh][kw][ci] (i8 or f32, dense) for the kernel. `out` has qcc_pack_size bytes. */
void qcc_pack(void *out, const QccKernel *k, const QccTarget *t, const void *w);

/* Runs of A that are contiguous: how many per output, and the elements of one. All kx and c of one
 * ky, where dil_w and groups are 1 and pixels lie side by side (a_w is ci); else the c of a tap. */
void qcc_contract_runs(const QccKernel *k, int64_t *runs, int64_t *length);

/* How a CONTRACT's dot products of bytes are made: the target's way, or with u.contract.pairs_fit
 * one that is faster where the target has none of its own. */
QccDot qcc_contract_dot(const QccKernel *k, const QccTarget *t);
/* Whether that way is open to the kernel with the weights w[co][kh][kw][ci]: no two of them that
 * stand side by side in a run, at an even place, sum up to more than 128 or to less than -128, so
 * that with bytes of A, at most 255, no sum of two products leaves 16 bits. */
bool qcc_pairs_fit(const QccKernel *k, const QccTarget *t, const void *w);

/* Elements of a run that one K step takes: 1 of f32, 4 bytes, 2 of a wide variant. */
int64_t qcc_contract_step(const QccKernel *k);

/* The output of a group from which on columns have the weights of two K steps side by side, so that
 * one multiply does both; without such, the number of a group's outputs. */
int64_t qcc_paired_columns(const QccKernel *k, const QccTarget *t);

/* DEPTHWISE of bytes: taps in groups that stand below each other in a column of taps (kh is 1: side
 * by side), so that neighbouring pixels share what A gives for them. */
typedef struct QccColumns {
    int64_t columns, depth; /* columns of taps, taps of one */
    int64_t taps;           /* of a group, which one multiply takes: 4 i8, without VNNI 2 i16 */
    int64_t groups;         /* of a column; the last may be filled up with zeros */
} QccColumns;
/* false: the kernel works on f32, or has so many taps that it takes pairs in a loop. */
bool qcc_depthwise_columns(const QccKernel *k, const QccTarget *t, QccColumns *q);
/* Where the weight of channel o stands, in elements; channels: as they are padded. */
int64_t qcc_column_weight(const QccColumns *q, int64_t channels, int64_t tap, int64_t o);

/* Tiles: K steps of a run of `length` bytes, and the bytes of one (as many as A gives for a pixel;
 * a multiple of 4, less than 64 only where one step is the run). */
typedef struct QccTileSteps {
    int64_t steps, bytes;
} QccTileSteps;
QccTileSteps qcc_tile_steps(int64_t length);
/* Where the weight of output o stands, element e of run `run` of `runs`, in bytes. */
int64_t qcc_tile_weight(int64_t runs, int64_t length, int64_t o, int64_t run, int64_t e);
enum { QCC_TILE_ROWS = 16, QCC_TILE_BYTES = 64, QCC_TILE_SIZE = 1024 };

/* Bytes past the end of A that a kernel may read (and ignore). */
enum { QCC_READ_SLACK = 64 };

#endif
