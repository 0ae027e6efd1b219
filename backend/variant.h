/* variant - which of the byte-identical codes for a kernel a target gets. */
#ifndef QCC_BACKEND_VARIANT_H
#define QCC_BACKEND_VARIANT_H

#include "backend/target.h"

/* Fills k->variant from the rest of the description; deterministic, and free of LLVM. CONTRACT:
 * mr * nr + nr + 1 <= t->registers, chunk is a multiple of mr. DEPTHWISE and POOL: mr pixels by nr
 * vectors of channels. MAP and ROWS have nothing to choose: all zero. */
void qcc_choose_variant(QccKernel *k, const QccTarget *t);

#endif
