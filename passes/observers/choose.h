/* choose - the estimator whose range quantizes a tensor best. */
#ifndef QCC_PASSES_OBSERVERS_CHOOSE_H
#define QCC_PASSES_OBSERVERS_CHOOSE_H

#include "passes/observers/histogram.h"

extern const QccObserverDef qcc_observer_choose;

/* The built-in estimator whose range for `levels` steps has the least squared error; *lo and *hi
 * are that range. opts: QccPercentileOpts, the only options that any of them has. */
const QccObserverDef *qcc_choose_observer(const QccHistogram *h, const void *opts, int levels,
                                          float *lo, float *hi);

#endif
