/* tune - the choice among byte-identical variants of a kernel, by measurements that are remembered.
 *
 * What was measured is kept in the cache of kernels: an entry whose text is the kernel's without a
 * variant, the target, this CPU with its caches, and the candidates; its content names one of
 * these. Whoever compiles the same kernel here later takes that one.
 */
#ifndef QCC_RUNTIME_TUNE_H
#define QCC_RUNTIME_TUNE_H

#include "runtime/context.h"

typedef struct QccTuner QccTuner;

/* For the lowering of one instance. `measure`: what no record knows is measured, as far as the
 * budget goes; else the cost model's choice stays. */
QccTuner *qcc_tuner_new(QccInstance *instance, QccContext *context, bool measure);

/* A QccChooseFn; self is a QccTuner. */
void qcc_tuner_choose(void *self, QccKernel *k, const QccTarget *t);

/* What went wrong meanwhile; candidates that do not compile are our bug. */
QccStatus qcc_tuner_status(const QccTuner *tuner);

/* The content of a record: candidate `choice` of n. */
void qcc_tuning_print(QccBuf *buf, const QccVariant *candidate, int n, int choice);
/* Which candidate a record names; -1: none of these, or it is damaged. */
int qcc_tuning_parse(const void *record, size_t size, QccArena *scratch,
                     const QccVariant *candidate, int n);

#endif
