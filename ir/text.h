/* text - the qir language: printing and parsing modules (docs/qir.md). */
#ifndef QCC_IR_TEXT_H
#define QCC_IR_TEXT_H

#include "ir/graph.h"

/* How blobs of more than a few bytes are printed. */
typedef enum QccBlobStyle {
    QCC_BLOBS_INLINE, /* base64, in a blob section: reads back whole */
    QCC_BLOBS_ELIDED, /* shape and hash only: for people; does not read back */
    QCC_BLOBS_TABLE   /* a number in the model.bin's table */
} QccBlobStyle;

/* Numbers the blobs that a text refers to, in order of first use. */
typedef struct QccBlobTable {
    int n;
    int64_t cap;
    const QccBlob **blob;
} QccBlobTable;

/* print(parse(print(m))) == print(m). `table` is filled (may be NULL unless style is TABLE). */
void qcc_module_print(QccBuf *buf, const QccModule *m, QccBlobStyle style, QccBlobTable *table);
/* One graph, blobs elided; for --print-after. */
void qcc_graph_print(QccBuf *buf, const QccGraph *g);

/* Parses a module. `text` is borrowed during the call; `table` gives the blobs of a model.bin
 * (NULL: they stand in the text). Reports every error it finds, line by line, as file:line:col with
 * a caret; then returns QCC_ERROR_INPUT. The result lives in `arena` and is verified. */
QccStatus qcc_module_parse(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                           const char *text, int64_t len, const QccBlobTable *table);

#endif
