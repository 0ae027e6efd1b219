/* error - what quantizing into a range costs. */
#ifndef QCC_PASSES_OBSERVERS_ERROR_H
#define QCC_PASSES_OBSERVERS_ERROR_H

#include "passes/observers/clipping.h"

/* The sum of the squared errors of quantizing what was seen into [lo, hi], which holds 0, in
 * `levels` steps; every number is taken to lie in the middle of its bin. An empty range turns
 * everything into 0. */
QccRangeCost qcc_range_error;

#endif
