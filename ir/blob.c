/* blob - read-only data with a shape and a hash. */
#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "ir/type_table.h"

uint64_t qcc_blob_hash(const void *data, int64_t size)
{
    return XXH3_64bits(size ? data : "", (size_t)size);
}

bool qcc_shape_count(int64_t *count, QccDtype dtype, int rank, const int64_t *dim)
{
    int64_t n = 1, bits;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0 || !qcc_mul_i64(&n, n, dim[i] ? dim[i] : 1)) return false;
        if (!dim[i]) empty = true;
    }
    if (!qcc_mul_i64(&bits, n, qcc_dtype_bits(dtype))) return false;
    if (bits >> 3 > (int64_t)1 << QCC_BYTES_MAX_LOG2) return false;
    *count = empty ? 0 : n;
    return true;
}

QccBlob *qcc_blob(QccArena *arena, QccDtype dtype, int rank, const int64_t *dim, const void *data,
                  bool copy)
{
    int64_t n = 0;
    assert(rank >= 0 && rank <= QCC_MAX_RANK);
    bool fits = qcc_shape_count(&n, dtype, rank, dim);
    assert(fits && "shapes from files are checked before");
    (void)fits;

    QccBlob *blob = QCC_NEW(arena, QccBlob);
    blob->dtype = dtype;
    blob->rank = rank;
    for (int i = 0; i < rank; i++) blob->dim[i] = dim[i];
    blob->size = qcc_dtype_size(dtype, n);
    blob->data = data;
    if (copy) {
        void *bytes = qcc_alloc(arena, (size_t)blob->size);
        if (blob->size) memcpy(bytes, data, (size_t)blob->size);
        blob->data = bytes;
    }
    blob->hash = qcc_blob_hash(blob->data, blob->size);
    return blob;
}
