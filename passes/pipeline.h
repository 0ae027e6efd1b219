/* pipeline - a parsed pipeline: steps and where they stand. Private to the manager. */
#ifndef QCC_PASSES_PIPELINE_H
#define QCC_PASSES_PIPELINE_H

#include "passes/manager.h"

/* Where an option was given; line 0: it was not, the default stands. */
typedef struct QccOptionPlace {
    QccLoc loc;
    int nitem;
    QccLoc *item; /* of each item of a list */
} QccOptionPlace;

typedef struct QccStep {
    const QccPassDef *def;
    void *opts; /* def->opts_size bytes */
    QccLoc loc; /* of the pass's name */
    int nfield;
    QccOptionPlace *place; /* one per row of def->opts */
} QccStep;

struct QccPipeline {
    const QccPassRegistry *registry;
    QccIr *ir;
    QccArena *arena;
    const char *file;
    const char *text; /* kept for the source lines of later messages */
    int64_t len;
    int nstep;
    int64_t step_cap;
    QccStep *step;
};

/* Index of the row `name` of a table, or -1. */
int qcc_step_field(const QccStep *step, const char *name);
/* Number of rows of a table. */
int qcc_field_count(const QccField *fields);
/* Applies "pass.option=value" to every step of that pass. */
QccStatus qcc_pipeline_set(QccPipeline *p, const char *assignment);
/* Posts an error that points into the pipeline's text, and returns QCC_ERROR_INPUT; line 0: at an
 * option that was given on the command line, QCC_ERROR_USAGE. */
QccStatus qcc_pipeline_error(const QccPipeline *p, QccLoc loc, const char *fmt, ...)
    QCC_PRINTF(3, 4);
/* Checks that every step finds the properties that it needs, beginning with those of g (NULL:
 * none).
 */
QccStatus qcc_pipeline_check_order(const QccPipeline *p, const QccGraph *g);
/* The step as a line of YAML: "calibrate: {method: \"minmax\"}", options with their defaults left
 * out. */
void qcc_step_print(QccBuf *buf, const QccStep *step);

/* The name in `names` (NULL-terminated) that is the least number of edits away from `name`, when
 * that is near enough to be meant; else NULL. */
const char *qcc_nearest_name(QccArena *scratch, const char *name, const char *const *names);

#endif
