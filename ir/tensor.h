/* tensor - a value at run time: type and dense memory. */
#ifndef QCC_IR_TENSOR_H
#define QCC_IR_TENSOR_H

#include "ir/type.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef struct QccTensor {
    const QccType *type;       /* symbols are bound */
    int64_t dim[QCC_MAX_RANK]; /* the type's extents */
    int64_t count;             /* elements */
    void *data;                /* dense, row-major; who owns it stands where it is made */
} QccTensor;

/* A zeroed tensor in the arena. The type has no symbols. */
QccTensor qcc_tensor_new(QccArena *arena, const QccType *type);
/* A view of existing memory. */
QccTensor qcc_tensor_view(const QccType *type, const void *data);

/* Element i as a real number, for any element type, quantization applied. For tests and reports,
 * not for arithmetic that must be exact. */
double qcc_tensor_real(const QccTensor *t, int64_t i);

/* out[count] = the reals of t as f32: plain f32 as is, quantized as (f32)(q - zero) * scale,
 * f16/bf16 widened, integers converted. */
void qcc_tensor_to_f32(float *out, const QccTensor *t);

#pragma GCC visibility pop

#endif
