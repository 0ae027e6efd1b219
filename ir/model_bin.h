/* model_bin - the model.bin container: the text plus the blobs, 64-byte aligned, checked.
 * Layout, version and limits: docs/model-bin.md. */
#ifndef QCC_IR_MODEL_BIN_H
#define QCC_IR_MODEL_BIN_H

#include "ir/base/file.h"
#include "ir/graph.h"

/* Whether these bytes begin like a model.bin. */
bool qcc_model_bin_is(const void *bytes, int64_t size);

/* The file in *n pieces, the data of blobs where it lies, all else in `arena`. */
QccPiece *qcc_model_bin_pieces(QccArena *arena, const QccModule *m, int *n);
/* The same in one (the buffer's data is the file). */
void qcc_model_bin_write(QccBuf *buf, const QccModule *m);

/* Reads; every size, offset and checksum is verified first. Blobs are used in place: `bytes` must
 * live as long as `arena` and be 64-byte aligned (else the blobs are copied). */
QccStatus qcc_model_bin_read(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                             const void *bytes, int64_t size);

#endif
