/* extents - the size of a tensor whose extents come from a file. */
#include "frontend/extents.h"

bool qcc_extents_count(int64_t *count, int64_t *bytes, QccDtype dtype, int rank, const int64_t *dim)
{
    int64_t n = 1, bits;
    bool empty = false;
    if (rank < 0 || rank > QCC_MAX_RANK) return false;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 0 || !qcc_mul_i64(&n, n, dim[i] ? dim[i] : 1)) return false;
        empty |= dim[i] == 0;
    }
    if (!qcc_mul_i64(&bits, n, qcc_dtype_bits(dtype)) || bits / 8 > (int64_t)1 << 47) return false;
    *count = empty ? 0 : n;
    *bytes = qcc_dtype_size(dtype, *count);
    return true;
}
