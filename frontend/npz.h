/* npz - numpy's zip archives of arrays. */
#ifndef QCC_FRONTEND_NPZ_H
#define QCC_FRONTEND_NPZ_H

#include "ir/type.h"

/* Whether the bytes begin like a zip archive. */
bool qcc_npz_is(const void *bytes, int64_t size);

/* The array `name` (NULL: the only one). `bytes` are borrowed during the call; the array lives in
 * `arena`. */
QccStatus qcc_npz_parse(const QccBlob **out, QccIr *ir, QccArena *arena, const char *file,
                        const char *name, const void *bytes, int64_t size);

#endif
