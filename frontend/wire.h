/* wire - looks through the protobuf bytes of an ONNX file before protobuf-c sees them.
 *
 * protobuf-c has no limit on recursion, copies every byte it reads and says only "failed". So the
 * bytes are first walked along a table of the fields that the importer reads. Its one cycle, a
 * graph that is an attribute of a node, is followed to a depth of 16. The walk checks every tag,
 * length and number, and writes a reduced message: other fields are left out, and the raw data of a
 * tensor, which is used in place, is replaced by the number of its span.
 */
#ifndef QCC_FRONTEND_WIRE_H
#define QCC_FRONTEND_WIRE_H

#include "ir/base/buf.h"
#include "ir/base/diag.h"

#include <protobuf-c/protobuf-c.h>

typedef struct QccWireSpan {
    const uint8_t *data; /* in the file's bytes, of any alignment */
    int64_t size;
} QccWireSpan;

typedef struct QccWire {
    QccBuf reduced; /* safe for protobuf-c */
    int64_t nspan, span_cap;
    QccWireSpan *span; /* a tensor's reduced raw_data is an index into it: u32, 4 bytes */
} QccWire;

/* Fields that are newer than some copies of onnx.proto get numbers that none of them has, and so
 * always are unknown fields of the message. */
enum {
    QCC_WIRE_OVERLOAD = 1001, /* of a node, of a function */
    QCC_WIRE_DEFAULT = 1002   /* attributes of a function that have a default */
};

/* The next such field from *at (begin with 0) on; false: no more. */
bool qcc_wire_newer(const ProtobufCMessage *m, uint32_t number, int64_t *at, const uint8_t **bytes,
                    int64_t *size);

/* What the bytes are: a ModelProto, or a TensorProto alone. */
typedef enum QccWireRoot { QCC_WIRE_MODEL, QCC_WIRE_TENSOR } QccWireRoot;

/* Walks `bytes`, which are borrowed for the life of the spans. Everything else lives in `arena`.
 * Errors: "model.onnx: error: offset 1234: ..." and QCC_ERROR_INPUT. */
QccStatus qcc_wire_reduce(QccWire *out, QccArena *arena, QccDiags *d, const char *file,
                          QccWireRoot root, const void *bytes, int64_t size);

/* Whether the bytes begin like a ModelProto: a known field of the right wire type. */
bool qcc_wire_like_model(const void *bytes, int64_t size);

#endif
