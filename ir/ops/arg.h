/* arg - arg_max and arg_min: where the extreme element along an axis lies. */
#ifndef QCC_IR_OPS_ARG_H
#define QCC_IR_OPS_ARG_H

#include "ir/ops/index.h"

extern const QccField qcc_arg_fields[];

QccStatus qcc_arg_infer(QccOp *op, const QccType **result);
/* The index of the greatest element (least: of the least one) of each line; equal ones: the first,
 * or the last. A NaN is greater than everything. */
void qcc_arg_eval(const QccOp *op, const QccTensor *x, const QccTensor *result, bool least);
/* ROWS: the extreme key of a line, then the least (last: the greatest) index that has it. */
QccStatus qcc_arg_lower(const QccOp *op, QccKernelList *list, bool least);
void qcc_arg_sample(QccRandom *random, QccSample *s, const QccOpDef *def);

#endif
