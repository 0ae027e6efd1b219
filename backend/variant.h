/* variant - which of the byte-identical codes for a kernel a target gets. */
#ifndef QCC_BACKEND_VARIANT_H
#define QCC_BACKEND_VARIANT_H

#include "backend/target.h"

/* Fills k->variant from the rest of the description; deterministic, and free of LLVM. CONTRACT:
 * mr * nr + nr + 1 <= t->registers, chunk is a multiple of mr; or tiles. DEPTHWISE and POOL: mr
 * pixels by nr vectors of channels. ROWS: mr rows, nr side by side. MAP has nothing to choose: all
 * zero. */
void qcc_choose_variant(QccKernel *k, const QccTarget *t);

/* Variants worth measuring, at most. */
enum { QCC_CANDIDATES = 12 };

/* Variants that may be the fastest of a kernel, byte-identical all of them: the one of
 * qcc_choose_variant first, then others that the model finds nearly as good, at most `max`
 * together. Returns how many; 1 where there is nothing to choose. Deterministic. */
int qcc_variant_candidates(const QccKernel *kernel, const QccTarget *t, QccVariant *out, int max);

/* Whether what the kernel reads of A may be widened for each unit (variant.wide): a contraction of
 * bytes in one group by pairs of 16 bits, whose B is packed. */
bool qcc_wide_fits(const QccKernel *k, const QccTarget *t);
/* Whether the kernel can go by the target's tiles: a contraction of bytes in one group, whose
 * results lie channel by channel, and whose epilogue may be given any sum (nothing is loaded by
 * index). */
bool qcc_tiles_fit(const QccKernel *k, const QccTarget *t);
/* Whether its tiles may run on over the ends of rows. */
bool qcc_tiles_fit_flat(const QccKernel *k);
/* Sets the variant to blocks of mt tiles of pixels x nt of channels (at most four together), whose
 * epilogue stands behind them. */
void qcc_tiles_shape(QccKernel *k, int mt, int nt, bool flat);

#endif
