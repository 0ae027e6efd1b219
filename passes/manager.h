/* manager - runs pipelines: YAML, order check, printing, verification, statistics, timing.
 *
 *   YAML text -> steps (pass + options, each with its place in the file) -> order check -> run
 */
#ifndef QCC_PASSES_MANAGER_H
#define QCC_PASSES_MANAGER_H

#include "passes/unfused.h"

/* The passes and observers there are: built in, then plugins'. */
typedef struct QccPassRegistry {
    QccArena *arena;
    int npass, nobserver;
    int64_t pass_cap, observer_cap;
    const QccPassDef **pass;
    const QccObserverDef **observer;
} QccPassRegistry;

QccPassRegistry *qcc_pass_registry_new(QccArena *arena);
const QccPassDef *qcc_pass_find(const QccPassRegistry *r, const char *name);
const QccObserverDef *qcc_observer_find(const QccPassRegistry *r, const char *name);
/* Opens a plugin (dlopen, RTLD_NOW | RTLD_LOCAL) and adds what it has, ops to `ir`. The library is
 * closed with the registry's arena. */
QccStatus qcc_plugin_load(QccPassRegistry *r, QccIr *ir, const char *path);

typedef struct QccPipeline QccPipeline;

/* Parses and checks the order against the properties `initial` (NULL-terminated). `set` is a
 * NULL-terminated list of "pass.option=value". */
QccStatus qcc_pipeline_parse(QccPipeline **out, const QccPassRegistry *r, QccIr *ir,
                             QccArena *arena, const char *file, const char *text, int64_t len,
                             const char *const *set, const QccGraph *g);
/* What the pipeline's calibrate step says of data (relative paths resolved against the pipeline's
 * file), or NULL. */
const char *qcc_pipeline_data(const QccPipeline *p);
/* Whether some step reads calibration data. */
bool qcc_pipeline_needs_data(const QccPipeline *p);

typedef struct QccPassRun {
    const QccExecutor *executor; /* NULL: the interpreter */
    /* Opens calibration data for the graph; NULL: there is none. */
    QccStatus (*open_data)(void *user, QccDataset **data, const QccGraph *g);
    void *data_user;
    const char *const *print_after; /* NULL-terminated names, or "all"; NULL: none */
    bool print_changed, verify_each, timing, stats;
    const char *stop_after, *reproducer;
    QccRemarks *remarks; /* receives what passes remark on ops; NULL: nobody wants to know */
    QccWriteFn *print;
    void *print_user;
    QccProgressFn *progress;
    void *progress_user;
} QccPassRun;

QccStatus qcc_pipeline_run(QccPipeline *p, QccModule *m, const QccPassRun *run);

/* Text for `qcc passes`, `qcc --help-pass=NAME`. */
void qcc_passes_list(QccBuf *buf, const QccPassRegistry *r);
void qcc_pass_help(QccBuf *buf, const QccPassRegistry *r, const QccPassDef *def);

#endif
