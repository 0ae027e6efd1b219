/* fill - writes the halos of a value, in spans that are as long as its layout allows. */
#ifndef QCC_RUNTIME_FILL_H
#define QCC_RUNTIME_FILL_H

#include "ir/kernel.h"

/* Gives every element of the padded box that is not the value's own the bits `fill`; nothing else
 * is touched. `origin` is logical element (0, 0, ...); width: bytes of an element, 1, 2 or 4. */
void qcc_fill_halo(void *origin, const QccLayout *l, uint32_t fill, int64_t width);

#endif
