/* diag - diagnostics: posted where the fact is known, passed up as a status. */
#ifndef QCC_IR_BASE_DIAG_H
#define QCC_IR_BASE_DIAG_H

#include "ir/base/arena.h"
#include "runtime/qcc.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

/* Where something stands: in a file (line and column from 1; 0: not known), in a model (node). */
typedef struct QccLoc {
    const char *file; /* NULL: none */
    int line, col;
    const char *node; /* name in the model that was imported; NULL: none */
} QccLoc;

/* Where diagnostics go. Not shared between threads. */
typedef struct QccDiags {
    QccDiagnosticFn *fn; /* NULL: dropped */
    void *user;
    int errors, warnings; /* posted so far */
} QccDiags;

/* Post one message. `source` may be the text of the file at loc (for the line and the caret) or
 * NULL. Returns `status`, so that one can write: return qcc_fail(d, QCC_ERROR_INPUT, loc, ...); */
QccStatus qcc_fail(QccDiags *d, QccStatus status, QccLoc loc, const char *fmt, ...)
    QCC_PRINTF(4, 5);

/* The common case: qcc_fail with QCC_ERROR_INPUT. */
QccStatus qcc_error(QccDiags *d, QccLoc loc, const char *fmt, ...) QCC_PRINTF(3, 4);

void qcc_warn(QccDiags *d, QccLoc loc, const char *fmt, ...) QCC_PRINTF(3, 4);

/* A remedy or a detail; belongs to the message before it. */
void qcc_note(QccDiags *d, QccLoc loc, const char *fmt, ...) QCC_PRINTF(3, 4);

/* Posts an error whose loc.line/col points into `text` (len bytes): the message carries the source
 * line and a caret. */
QccStatus qcc_error_in_text(QccDiags *d, QccLoc loc, const char *text, int64_t len, const char *fmt,
                            ...) QCC_PRINTF(5, 6);

enum { QCC_SOURCE_MAX = 512 };

/* Copies line `line` of a text as it is shown with a diagnostic: printable, NUL-terminated. False
 * when there is no such line, or when it is so long that column `col` would not be in it. */
bool qcc_source_line(char out[QCC_SOURCE_MAX], const char *text, int64_t len, int line, int col);

/* Passes a failure up. */
#define QCC_TRY(call)                                                                              \
    do {                                                                                           \
        QccStatus try_status_ = (call);                                                            \
        if (try_status_ != QCC_OK) return try_status_;                                             \
    } while (0)

#pragma GCC visibility pop

#endif
