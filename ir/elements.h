/* elements - runs of stored elements, widened to the types of expressions and narrowed again. */
#ifndef QCC_IR_ELEMENTS_H
#define QCC_IR_ELEMENTS_H

#include "ir/expr.h"

/* out[n] = elements [first, first + n) of `data`, as qcc_expr_type_of(dtype). */
void qcc_widen(void *out, QccDtype dtype, const void *data, int64_t first, int64_t n);

/* Stores in[n], of type qcc_expr_type_of(dtype), as elements [first, first + n) of `data`. Integers
 * that do not fit wrap; `first` is even where elements are nibbles. */
void qcc_narrow(void *data, QccDtype dtype, int64_t first, const void *in, int64_t n);

/* Stores x as element i of floats, rounded once where they are narrower. */
void qcc_store_real(void *data, QccDtype dtype, int64_t i, float x);

#endif
