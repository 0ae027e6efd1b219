/* wire - looks through the protobuf bytes of an ONNX file before protobuf-c sees them. */
#include "frontend/wire.h"

#include <limits.h>
#include <string.h>

/* Bounds what protobuf-c allocates beyond a small multiple of the file's size. */
enum { MAX_MESSAGES = 1 << 20 };

/* Subgraphs in subgraphs; bounds the recursion here, in protobuf-c and in the importer. */
enum { MAX_GRAPHS = 16 };

typedef enum Kind {
    VARINT,
    FIXED32,
    FIXED64,
    STRING,  /* text without NUL */
    BYTES,   /* copied */
    PAYLOAD, /* becomes a span */
    MARK,    /* a message of which only the presence is kept */
    MESSAGE
} Kind;

typedef struct Message Message;

typedef struct Field {
    uint32_t number;
    Kind kind;
    bool repeated; /* numbers then may be packed */
    const Message *message;
} Field;

struct Message {
    const char *name;
    const Field *field;
    int nfield; /* at most 32 */
};

#define MESSAGE_OF(label, fields) {.name = label, .field = (fields), .nfield = (int)COUNT(fields)}
#define COUNT(a)                  (sizeof(a) / sizeof((a)[0]))

/* The numbers are those of onnx.proto. Fields that do not stand here are left out. */

static const Field entry_fields[] = {{1, STRING, false, NULL}, {2, STRING, false, NULL}};
static const Message entry_message = MESSAGE_OF("StringStringEntryProto", entry_fields);

static const Field segment_fields[] = {{1, VARINT, false, NULL}, {2, VARINT, false, NULL}};
static const Message segment_message = MESSAGE_OF("Segment", segment_fields);

static const Field tensor_fields[] = {
    {1, VARINT, true, NULL},               /* dims */
    {2, VARINT, false, NULL},              /* data_type */
    {3, MESSAGE, false, &segment_message}, /* segment */
    {4, FIXED32, true, NULL},              /* float_data */
    {5, VARINT, true, NULL},               /* int32_data */
    {6, BYTES, true, NULL},                /* string_data */
    {7, VARINT, true, NULL},               /* int64_data */
    {8, STRING, false, NULL},              /* name */
    {9, PAYLOAD, false, NULL},             /* raw_data */
    {10, FIXED64, true, NULL},             /* double_data */
    {11, VARINT, true, NULL},              /* uint64_data */
    {13, MESSAGE, true, &entry_message},   /* external_data */
    {14, VARINT, false, NULL},             /* data_location */
};
static const Message tensor_message = MESSAGE_OF("TensorProto", tensor_fields);

static const Field dimension_fields[] = {{1, VARINT, false, NULL}, {2, STRING, false, NULL}};
static const Message dimension_message = MESSAGE_OF("Dimension", dimension_fields);

static const Field shape_fields[] = {{1, MESSAGE, true, &dimension_message}};
static const Message shape_message = MESSAGE_OF("TensorShapeProto", shape_fields);

static const Field tensor_type_fields[] = {
    {1, VARINT, false, NULL}, /* elem_type */
    {2, MESSAGE, false, &shape_message},
};
static const Message tensor_type_message = MESSAGE_OF("TypeProto.Tensor", tensor_type_fields);

static const Field type_fields[] = {{1, MESSAGE, false, &tensor_type_message}};
static const Message type_message = MESSAGE_OF("TypeProto", type_fields);

static const Field value_info_fields[] = {
    {1, STRING, false, NULL},           /* name */
    {2, MESSAGE, false, &type_message}, /* type */
};
static const Message value_info_message = MESSAGE_OF("ValueInfoProto", value_info_fields);

static const Field sparse_fields[] = {
    {1, MESSAGE, false, &tensor_message}, /* values */
    {2, MESSAGE, false, &tensor_message}, /* indices */
    {3, VARINT, true, NULL},              /* dims */
};
static const Message sparse_message = MESSAGE_OF("SparseTensorProto", sparse_fields);

static const Message graph_message; /* the one cycle: node, attribute, graph */

static const Field attribute_fields[] = {
    {1, STRING, false, NULL},              /* name */
    {2, FIXED32, false, NULL},             /* f */
    {3, VARINT, false, NULL},              /* i */
    {4, BYTES, false, NULL},               /* s */
    {5, MESSAGE, false, &tensor_message},  /* t */
    {6, MESSAGE, false, &graph_message},   /* g */
    {7, FIXED32, true, NULL},              /* floats */
    {8, VARINT, true, NULL},               /* ints */
    {9, BYTES, true, NULL},                /* strings */
    {11, MARK, true, NULL},                /* graphs */
    {20, VARINT, false, NULL},             /* type */
    {21, STRING, false, NULL},             /* ref_attr_name */
    {22, MESSAGE, false, &sparse_message}, /* sparse_tensor */
};
static const Message attribute_message = MESSAGE_OF("AttributeProto", attribute_fields);

static const Field node_fields[] = {
    {1, STRING, true, NULL},                /* input */
    {2, STRING, true, NULL},                /* output */
    {3, STRING, false, NULL},               /* name */
    {4, STRING, false, NULL},               /* op_type */
    {5, MESSAGE, true, &attribute_message}, /* attribute */
    {7, STRING, false, NULL},               /* domain */
    {8, STRING, false, NULL},               /* overload */
};
static const Message node_message = MESSAGE_OF("NodeProto", node_fields);

static const Field graph_fields[] = {
    {1, MESSAGE, true, &node_message},        /* node */
    {2, STRING, false, NULL},                 /* name */
    {5, MESSAGE, true, &tensor_message},      /* initializer */
    {11, MESSAGE, true, &value_info_message}, /* input */
    {12, MESSAGE, true, &value_info_message}, /* output */
    {15, MESSAGE, true, &sparse_message},     /* sparse_initializer */
};
static const Message graph_message = MESSAGE_OF("GraphProto", graph_fields);

static const Field opset_fields[] = {
    {1, STRING, false, NULL}, /* domain */
    {2, VARINT, false, NULL}, /* version */
};
static const Message opset_message = MESSAGE_OF("OperatorSetIdProto", opset_fields);

static const Field function_fields[] = {
    {1, STRING, false, NULL},                /* name */
    {4, STRING, true, NULL},                 /* input */
    {5, STRING, true, NULL},                 /* output */
    {6, STRING, true, NULL},                 /* attribute */
    {7, MESSAGE, true, &node_message},       /* node */
    {9, MESSAGE, true, &opset_message},      /* opset_import */
    {10, STRING, false, NULL},               /* domain */
    {11, MESSAGE, true, &attribute_message}, /* attribute_proto */
    {13, STRING, false, NULL},               /* overload */
};
static const Message function_message = MESSAGE_OF("FunctionProto", function_fields);

static const Field model_fields[] = {
    {1, VARINT, false, NULL},               /* ir_version */
    {7, MESSAGE, false, &graph_message},    /* graph */
    {8, MESSAGE, true, &opset_message},     /* opset_import */
    {25, MESSAGE, true, &function_message}, /* functions */
};
static const Message model_message = MESSAGE_OF("ModelProto", model_fields);

static const struct {
    const Message *message;
    uint32_t number, as;
} newer[] = {{&node_message, 8, QCC_WIRE_OVERLOAD},
             {&function_message, 11, QCC_WIRE_DEFAULT},
             {&function_message, 13, QCC_WIRE_OVERLOAD}};

typedef struct Scan {
    QccWire *out;
    QccArena *arena;
    QccDiags *d;
    const char *file;
    const uint8_t *bytes;
    int64_t messages;
    int graphs; /* around what is scanned */
} Scan;

static QccStatus bad(const Scan *s, int64_t at, const char *what, const Message *m)
{
    QccLoc loc = {.file = s->file};
    return qcc_error(s->d, loc, "offset %lld: %s in %s", (long long)at, what, m->name);
}

/* Reads the varint at *pos; NULL, or what is wrong with it. */
static const char *read_varint(const uint8_t *bytes, int64_t *pos, int64_t end, uint64_t *value)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (*pos == end) return "a number is cut off";
        uint8_t byte = bytes[(*pos)++];
        if (shift == 63 && byte > 1) return "a number of more than 64 bits";
        v |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128)) {
            *value = v;
            return NULL;
        }
    }
    return "a number of more than 64 bits";
}

static void put_varint(QccBuf *buf, uint64_t v)
{
    uint8_t bytes[10];
    int n = 0;
    do {
        bytes[n++] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
    } while (v);
    qcc_buf_add(buf, bytes, n);
}

static const Field *find_field(const Message *m, uint64_t number, int *index)
{
    for (*index = 0; *index < m->nfield; ++*index) {
        if (m->field[*index].number == number) return &m->field[*index];
    }
    return NULL;
}

static int wire_type_of(Kind kind)
{
    switch (kind) {
    case VARINT: return 0;
    case FIXED64: return 1;
    case FIXED32: return 5;
    default: return 2;
    }
}

/* The number of a field in the reduced message. */
static uint32_t number_of(const Message *m, const Field *f)
{
    for (size_t i = 0; i < COUNT(newer); i++) {
        if (newer[i].message == m && newer[i].number == f->number) return newer[i].as;
    }
    return f->number;
}

/* Checks a packed list of numbers. */
static const char *check_packed(const Scan *s, const Field *f, int64_t pos, int64_t end)
{
    if (f->kind == FIXED32) return (end - pos) % 4 ? "a list of 4-byte numbers is cut off" : NULL;
    if (f->kind == FIXED64) return (end - pos) % 8 ? "a list of 8-byte numbers is cut off" : NULL;
    while (pos < end) {
        uint64_t value;
        const char *wrong = read_varint(s->bytes, &pos, end, &value);
        if (wrong) return wrong;
    }
    return NULL;
}

static void put_span(Scan *s, int64_t pos, int64_t end)
{
    QccWire *w = s->out;
    uint32_t number = (uint32_t)w->nspan; /* fewer than MAX_MESSAGES */
    w->span = qcc_grow(s->arena, w->span, w->nspan, &w->span_cap, sizeof *w->span);
    w->span[w->nspan++] = (QccWireSpan){s->bytes + pos, end - pos};
    put_varint(&w->reduced, sizeof number);
    qcc_buf_add(&w->reduced, &number, sizeof number);
}

static QccStatus scan_message(Scan *s, const Message *m, int64_t pos, int64_t end);

/* One length-delimited field whose tag is written already; the content is [pos, end). */
static QccStatus scan_content(Scan *s, const Message *m, const Field *f, int64_t pos, int64_t end)
{
    QccBuf *buf = &s->out->reduced;
    if (f->kind == MESSAGE) {
        /* The length is known afterwards: five bytes are left for it, a padded varint. */
        int64_t at = buf->len;
        qcc_buf_add(buf, "\0\0\0\0\0", 5);
        QCC_TRY(scan_message(s, f->message, pos, end));
        uint64_t len = (uint64_t)(buf->len - at - 5);
        for (int i = 0; i < 5; i++) {
            buf->data[at + i] = (char)(((len >> (7 * i)) & 127) | (i < 4 ? 128 : 0));
        }
        return QCC_OK;
    }
    if (f->kind == MARK) {
        put_varint(buf, 0);
        return QCC_OK;
    }
    if (f->kind == PAYLOAD) {
        put_span(s, pos, end);
        return QCC_OK;
    }
    if (f->kind == STRING && memchr(s->bytes + pos, 0, (size_t)(end - pos))) {
        return bad(s, pos, "a string with a NUL byte", m);
    }
    if (f->kind != STRING && f->kind != BYTES) {
        const char *wrong = check_packed(s, f, pos, end);
        if (wrong) return bad(s, pos, wrong, m);
    }
    put_varint(buf, (uint64_t)(end - pos));
    qcc_buf_add(buf, s->bytes + pos, end - pos);
    return QCC_OK;
}

static QccStatus scan_message(Scan *s, const Message *m, int64_t pos, int64_t end)
{
    if (++s->messages > MAX_MESSAGES) return bad(s, pos, "more than a million messages", m);
    if (m == &graph_message && s->graphs++ == MAX_GRAPHS)
        return bad(s, pos, "too many graphs in each other", m);
    uint32_t seen = 0;
    while (pos < end) {
        int64_t at = pos;
        uint64_t tag = 0, value = 0;
        const char *wrong = read_varint(s->bytes, &pos, end, &tag);
        if (wrong) return bad(s, at, wrong, m);
        if (tag >> 3 == 0 || tag >> 32) return bad(s, at, "a field number out of range", m);
        int type = (int)(tag & 7);

        int64_t start = pos; /* of the content */
        if (type == 0 || type == 2) {
            wrong = read_varint(s->bytes, &pos, end, &value);
            if (wrong) return bad(s, start, wrong, m);
        }
        if (type == 1 || type == 5 || type == 2) {
            uint64_t size = type == 1 ? 8 : type == 5 ? 4 : value;
            if (size > (uint64_t)(end - pos)) return bad(s, at, "a field ends past the end", m);
            if (type == 2) start = pos;
            pos += (int64_t)size;
        } else if (type != 0) {
            return bad(s, at, "a wire type that ONNX does not use", m);
        }

        int index;
        const Field *f = find_field(m, tag >> 3, &index);
        if (!f) continue;
        bool packed = f->repeated && type == 2;
        if (type != wire_type_of(f->kind) && !packed) {
            return bad(s, at, "a field of the wrong wire type", m);
        }
        /* Said twice, the last one counts or both are merged; no writer does that. */
        if (!f->repeated && (seen >> index & 1)) return bad(s, at, "a field occurs twice", m);
        seen |= 1u << index;

        put_varint(&s->out->reduced, (uint64_t)number_of(m, f) << 3 | (uint64_t)type);
        if (type == 2) {
            QCC_TRY(scan_content(s, m, f, start, pos));
        } else {
            qcc_buf_add(&s->out->reduced, s->bytes + start, pos - start);
        }
    }
    s->graphs -= m == &graph_message;
    return QCC_OK;
}

QccStatus qcc_wire_reduce(QccWire *out, QccArena *arena, QccDiags *d, const char *file,
                          QccWireRoot root, const void *bytes, int64_t size)
{
    memset(out, 0, sizeof *out);
    qcc_buf_init(&out->reduced, arena);
    Scan s = {.out = out, .arena = arena, .d = d, .file = file, .bytes = bytes};
    const Message *m = root == QCC_WIRE_MODEL ? &model_message : &tensor_message;
    QCC_TRY(scan_message(&s, m, 0, size));
    if (out->reduced.len > INT_MAX) {
        QccLoc loc = {.file = file};
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc,
                        "more than 2 GiB besides the raw data of tensors");
    }
    return QCC_OK;
}

bool qcc_wire_newer(const ProtobufCMessage *m, uint32_t number, int64_t *at, const uint8_t **bytes,
                    int64_t *size)
{
    while (*at < (int64_t)m->n_unknown_fields) {
        const ProtobufCMessageUnknownField *f = &m->unknown_fields[(*at)++];
        uint64_t len;
        int64_t start = 0;
        if (f->tag != number) continue;
        /* What is kept begins with the length, which is true: it was written here. */
        if (read_varint(f->data, &start, (int64_t)f->len, &len)) continue;
        *bytes = f->data + start;
        *size = (int64_t)f->len - start;
        return true;
    }
    return false;
}

bool qcc_wire_like_model(const void *bytes, int64_t size)
{
    /* Every ONNX writer begins with ir_version, a small number. */
    const uint8_t *b = bytes;
    return size >= 2 && b[0] == 0x08 && b[1] > 0 && b[1] < 128;
}
