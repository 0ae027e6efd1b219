/* percentile - options of the estimator, shared with `choose`, which tries it. */
#ifndef QCC_PASSES_OBSERVERS_PERCENTILE_H
#define QCC_PASSES_OBSERVERS_PERCENTILE_H

#include <stddef.h>

#include "passes/qcc_pass.h"

typedef struct QccPercentileOpts {
    double percentile;
} QccPercentileOpts;

#define QCC_PERCENTILE_FIELD                                                                       \
    {"percentile",                                                                                 \
     QCC_FIELD_FLOAT,                                                                              \
     offsetof(QccPercentileOpts, percentile),                                                      \
     "99.99",                                                                                      \
     50,                                                                                           \
     100,                                                                                          \
     NULL,                                                                                         \
     "percent of the numbers that stay inside the range"}

#endif
