/* type_table - what ir/ alone uses of types and blobs. */
#ifndef QCC_IR_TYPE_TABLE_H
#define QCC_IR_TYPE_TABLE_H

#include "ir/type.h"

/* An empty table of interned types. */
QccTypeTable *qcc_type_table_new(QccArena *arena);

/* XXH3-64 of `size` bytes. */
uint64_t qcc_blob_hash(const void *data, int64_t size);

/* Elements of a shape from a file; false when it overflows or its bytes pass 2^48. */
bool qcc_shape_count(int64_t *count, QccDtype dtype, int rank, const int64_t *dim);

enum { QCC_BYTES_MAX_LOG2 = 48 };

#endif
