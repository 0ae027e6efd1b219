/* pool - what max_pool and avg_pool share. */
#ifndef QCC_IR_OPS_POOL_H
#define QCC_IR_OPS_POOL_H

#include "ir/ops/common.h"

/* The options of both, but for include_pad. Rows of a field table. */
#define QCC_POOL_FIELDS                                                                            \
    {"kernel", QCC_FIELD_INTS, offsetof(QccPoolAttrs, kernel), NULL, 1, 1048576, NULL, "[h, w]"},  \
        {"stride", QCC_FIELD_INTS, offsetof(QccPoolAttrs, stride), "[1,1]", 1, 1048576,            \
         NULL,     "[h, w]"},                                                                      \
        {"pad",                                                                                    \
         QCC_FIELD_INTS,                                                                           \
         offsetof(QccPoolAttrs, pad),                                                              \
         "[0,0,0,0]",                                                                              \
         0,                                                                                        \
         1048576,                                                                                  \
         NULL,                                                                                     \
         "[top, left, bottom, right], less than the kernel spans"},                                \
        {"dilation", QCC_FIELD_INTS, offsetof(QccPoolAttrs, dilation),           "[1,1]", 1,       \
         1048576,    NULL,           "[h, w], the distance of neighbouring taps"},                 \
        {"ceil",                                                                                   \
         QCC_FIELD_BOOL,                                                                           \
         offsetof(QccPoolAttrs, ceil),                                                             \
         "false",                                                                                  \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "the output extent rounds up, unless the last window would begin behind x"}

QccStatus qcc_pool_infer(QccOp *op, const QccType **result);

/* Taps of output pixel (oy, ox): those that exist, or with `padded` those in the padding, too (but
 * not those behind it, which `ceil` makes). */
int64_t qcc_pool_taps(const QccPoolAttrs *a, int64_t ih, int64_t iw, int64_t oy, int64_t ox,
                      bool padded);

/* Combines the taps that exist, (ky, kx) ascending, from 0 or from the least value: for f32
 * acc = acc + x, or acc > x ? acc : x; for a quantized operand exactly, in i32. max of plain bytes
 * gives bytes. */
QccStatus qcc_pool_eval(const QccOp *op, const QccTensor *in, const QccTensor *result, bool max,
                        QccArena *arena);

/* The POOL kernel, raw. NULL: this instance has none. */
QccLoweredKernel *qcc_pool_lower(const QccOp *op, QccKernelList *list, bool max);

/* Random attributes and the instance made of them. */
void qcc_pool_sample(QccRandom *r, QccSample *s, const QccOpDef *def);

#endif
