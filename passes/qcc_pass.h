/* qcc_pass.h - the interface of passes, in the tree and in plugins.
 *
 * A pass is one const descriptor. A plugin is a shared library that exports qcc_plugin_query and
 * needs this header and libqcc, nothing else:
 *
 *     const QccPlugin *qcc_plugin_query(uint32_t host_abi);
 *
 * See docs/adding-a-pass.md and docs/examples/pass_plugin.c. Graphs are walked and changed with
 * ir/graph.h, constants and types are made with ir/type.h, both included here.
 */
#ifndef QCC_PASSES_QCC_PASS_H
#define QCC_PASSES_QCC_PASS_H

#include "ir/base/field.h"
#include "ir/dataset.h"
#include "ir/graph.h"
#include "ir/interp.h"
#include "ir/op.h"
#include "ir/ops.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

/* Changes with every change of a struct that a plugin sees. */
enum { QCC_PASS_ABI = 1 };

#if defined(__GNUC__)
#define QCC_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define QCC_PLUGIN_EXPORT
#endif

/* What a pass may use while it works; made by the manager. */
typedef struct QccPassCtx QccPassCtx;

typedef struct QccPassDef {
    uint32_t abi; /* QCC_PASS_ABI */
    const char *name, *summary;
    size_t opts_size;
    const QccField *opts;
    const char *const *stats; /* names of counters, NULL-terminated */
    const char *const *needs, *const *makes, *const *breaks; /* properties, NULL-terminated */
    /* Optional: asks for statistics (qcc_pass_observe); the data is read once for all passes that
     * observe in a row. */
    QccStatus (*observe)(QccPassCtx *ctx, QccGraph *g, const void *opts);
    QccStatus (*run)(QccPassCtx *ctx, QccGraph *g, const void *opts);
} QccPassDef;

/* ---- what passes call ----------------------------------------------------------------------- */

/* Freed when the pass returns. */
QccArena *qcc_pass_scratch(QccPassCtx *ctx);
/* Adds to counter `index` of the pass's `stats`. */
void qcc_pass_count(QccPassCtx *ctx, int index, int64_t n);
/* Posts an error at the op (with its node's name and line) and returns QCC_ERROR_INPUT. */
QccStatus qcc_pass_error(QccPassCtx *ctx, const QccOp *op, const char *fmt, ...) QCC_PRINTF(3, 4);
/* The same, located at the option of this pass in the pipeline's YAML; an option that was given on
 * the command line ends in QCC_ERROR_USAGE. */
QccStatus qcc_pass_option_error(QccPassCtx *ctx, const char *option, const char *fmt, ...)
    QCC_PRINTF(3, 4);
void qcc_pass_warn(QccPassCtx *ctx, const QccOp *op, const char *fmt, ...) QCC_PRINTF(3, 4);

/* Notes why the op stays in float, for --report-unfused; of several reasons the last counts. */
void qcc_pass_remark(QccPassCtx *ctx, const QccOp *op, const char *fmt, ...) QCC_PRINTF(3, 4);

/* Whether scopes `only` and `exclude` (regular expressions, POSIX extended, over node names, value
 * names or op names) select the op. Patterns that matched nothing at all are reported when the pass
 * ends: call it for every candidate. */
bool qcc_pass_selects(QccPassCtx *ctx, const QccOp *op, QccStrings only, QccStrings exclude);

/* Calibration data opened for g's parameters; the manager closes it. Without any: QCC_ERROR_USAGE,
 * and the diagnostic says the remedy. */
QccStatus qcc_pass_data(QccDataset **data, QccPassCtx *ctx, const QccGraph *g);
/* Runs graphs, whole or partly quantized. */
const QccExecutor *qcc_pass_executor(QccPassCtx *ctx);
/* Reports progress; QCC_ERROR_CANCELLED when the host wants to stop. */
QccStatus qcc_pass_progress(QccPassCtx *ctx, const char *what, int64_t done, int64_t total);

/* ---- observers: estimators of a value's range ------------------------------------------------ */

typedef struct QccHistogram QccHistogram; /* passes/observers/histogram.h */

/* Called from `observe`: asks for the distribution of `value`, a real value at the top level of the
 * graph, over at most `samples` samples (0: all). The histogram is empty until every pass that
 * observes in this row has asked, full when `run` is called, and lives until then ends. Asking
 * twice gives the same histogram, over the larger number of samples. */
const QccHistogram *qcc_pass_observe(QccPassCtx *ctx, const QccValue *value, int64_t samples);
/* The histogram that `observe` of this or another pass in the row asked for, or NULL. */
const QccHistogram *qcc_pass_observed(QccPassCtx *ctx, const QccValue *value);

typedef struct QccObserverDef {
    uint32_t abi;
    const char *name, *summary;
    size_t opts_size;
    const QccField *opts;
    /* The range that this estimator gives for what the histogram saw; levels: of the target type
     * (256 for u8). */
    void (*estimate)(const QccHistogram *h, const void *opts, int levels, float *lo, float *hi);
} QccObserverDef;

/* ---- plugins --------------------------------------------------------------------------------- */

typedef struct QccPlugin {
    uint32_t abi;
    const char *name, *version;
    const QccPassDef *const *passes;        /* NULL-terminated, or NULL */
    const QccOpDef *const *ops;             /* likewise */
    const QccObserverDef *const *observers; /* likewise */
} QccPlugin;

/* Answers with tables that live as long as the library, or NULL when host_abi does not fit (the
 * host then names both versions). */
typedef const QccPlugin *QccPluginQueryFn(uint32_t host_abi);
#define QCC_PLUGIN_SYMBOL "qcc_plugin_query"

#pragma GCC visibility pop

#endif
