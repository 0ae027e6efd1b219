/* frontend - files become modules; data descriptors become datasets. */
#ifndef QCC_FRONTEND_FRONTEND_H
#define QCC_FRONTEND_FRONTEND_H

#include "ir/base/file.h"
#include "ir/dataset.h"
#include "ir/graph.h"

/* Imports a model from memory, known by content: model.bin, .qir text, ONNX. `bytes` must live as
 * long as `arena` (tensors' raw bytes are used in place where aligned). `file` names it in
 * messages; `path` is the file that the bytes are of, beside which a model may keep data, NULL when
 * they are of none. Unsupported ops give QCC_ERROR_UNSUPPORTED and are all listed. Dynamic extents
 * that ONNX leaves open and one of the shapes says are numbers; of other files, and where a shape
 * does not fit, nothing is made of them. */
QccStatus qcc_import(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                     const char *path, const void *bytes, int64_t size, const QccInputShape *shapes,
                     int nshape);

/* Opens DATA.yaml, or "random:N" (normal values, uniform integers; warns; dataset->random), for the
 * parameters of g. Everything lives in `arena`; close releases decoders. */
QccStatus qcc_dataset_open(QccDataset **out, QccIr *ir, QccArena *arena, const char *spec,
                           const QccGraph *g);
/* The samples a module carries; QCC_ERROR_USAGE without a message when it carries none. */
QccStatus qcc_dataset_of_module(QccDataset **out, QccArena *arena, const QccModule *m);
/* Reads up to n samples of `spec` into the module. */
QccStatus qcc_module_embed(QccModule *m, QccIr *ir, QccArena *arena, const char *spec, int64_t n);

/* Whether the bytes begin like a .npy or an .npz. */
bool qcc_array_is(const void *bytes, int64_t size);

/* One array of a .npy or .npz ("file.npz:name"; an .npz with one array needs no name). Fortran
 * order is transposed. Big-endian and object arrays are refused. Read from memory: bytes are
 * borrowed. */
QccStatus qcc_npy_load(const QccBlob **out, QccIr *ir, QccArena *arena, const char *path);
QccStatus qcc_npy_parse(const QccBlob **out, QccIr *ir, QccArena *arena, const char *file,
                        const void *bytes, int64_t size);
/* Writes a .npy atomically. */
QccStatus qcc_npy_save(QccIr *ir, const char *path, const QccTensor *t);

#endif
