/* pack - weights in the order in which the kernels of a target read them.
 *
 * CONTRACT: panels of nr*lanes output channels; in a panel, for each run of taps that lies
 * contiguously in A (all kx and c of one ky when dil_w is 1 and groups is 1; else the c of one tap)
 * and each group of 4 bytes of it (f32: one element), the nr*lanes columns side by side:
 *   i8, VNNI:    4 bytes a column
 *   i8, MADD16:  for the group, first the even two as i16 a column for all columns, then the odd
 * two f32:         one f32 a column Tails of runs and of channels are filled with zeros. Groups of
 * channels (groups > 1) are packed one after the other, each with its own panels. DEPTHWISE: see
 * pack.c.
 */
#ifndef QCC_BACKEND_PACK_H
#define QCC_BACKEND_PACK_H

#include "backend/target.h"

/* Bytes of the packed weights of a CONTRACT or DEPTHWISE kernel. */
int64_t qcc_pack_size(const QccKernel *k, const QccTarget *t);

/* Packs w[co][kh][kw][ci] (i8 or f32, dense) for the kernel. `out` has qcc_pack_size bytes. */
void qcc_pack(void *out, const QccKernel *k, const QccTarget *t, const void *w);

/* Runs of A that are contiguous: how many per output, and the elements of one. */
void qcc_contract_runs(const QccKernel *k, int64_t *runs, int64_t *length);

/* Bytes past the end of A that a kernel may read (and ignore). */
enum { QCC_READ_SLACK = 64 };

#endif
