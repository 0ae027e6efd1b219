/* context - what is behind QccPassCtx. Private to the manager, and to calibrate and quantize for
 * observers and channels.
 */
#ifndef QCC_PASSES_CONTEXT_H
#define QCC_PASSES_CONTEXT_H

#include "passes/pipeline.h"

/* A pattern of a scope: compiled once, and whether it matched anything yet. */
typedef struct QccScopePattern {
    const char *text; /* its address identifies the item of the option */
    void *regex;      /* regex_t; NULL: it did not compile */
    bool matched;
} QccScopePattern;

typedef struct QccObservations QccObservations;

/* What the finite numbers of each channel, an index of the last dimension, were. */
typedef struct QccChannels {
    int64_t n;
    float *lo, *hi; /* the least and the greatest; lo > hi: there was none */
    double *sum;
    int64_t *count;
} QccChannels;

struct QccPassCtx {
    QccIr *ir;
    QccArena *scratch;
    const QccPipeline *pipeline;
    const QccStep *step;
    const QccPassRun *run;
    const QccExecutor *executor;
    int64_t *stat; /* one per name in step->def->stats */
    int nstat;
    int npattern;
    int64_t pattern_cap;
    QccScopePattern *pattern;
    QccStatus deferred;    /* the first failure that a function without a status met */
    QccObservations *seen; /* what `observe` asked for; NULL: no observing pass */
    QccArena *data_arena;  /* lives as long as the run */
    QccDataset **data;     /* where the open dataset is kept; NULL inside: not opened yet */
    const QccGraph **data_graph;
};

/* scope.c: reports the patterns that matched nothing. */
QccStatus qcc_scope_finish(QccPassCtx *ctx);

/* observe.c */
QccObservations *qcc_observations_new(QccArena *arena);
/* Asks also for the channels of a value that has been asked for, whose last extent is
 * known. */
void qcc_pass_observe_channels(QccPassCtx *ctx, const QccValue *value);
/* What was asked for, or NULL. */
const QccChannels *qcc_pass_observed_channels(QccPassCtx *ctx, const QccValue *value);
/* Reads the data once and fills every histogram that was asked for. Nothing asked for: does
 * nothing.
 */
QccStatus qcc_observations_collect(QccPassCtx *ctx, QccGraph *g);

#endif
