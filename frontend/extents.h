/* extents - the size of a tensor whose extents come from a file. */
#ifndef QCC_FRONTEND_EXTENTS_H
#define QCC_FRONTEND_EXTENTS_H

#include "ir/type.h"

/* Elements and bytes; false when an extent is negative, or when the tensor would exceed 2^47 bytes,
 * extents of 0 counted as 1. Whoever allocates compares `bytes` with what the file holds first. */
bool qcc_extents_count(int64_t *count, int64_t *bytes, QccDtype dtype, int rank,
                       const int64_t *dim);

#endif
