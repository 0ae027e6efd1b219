/* npy - numpy's array files: headers of versions 1 to 3, read in place, written atomically. */
#include "frontend/extents.h"
#include "frontend/frontend.h"
#include "frontend/npz.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- reading ------------------------------------------------------------------------------ */

/* The header is a Python dictionary:
 * {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
typedef struct Header {
    QccDtype dtype;
    bool fortran;
    const char *refused; /* the code of an element type that is not read; NULL: none */
    int nrefused, rank;
    int64_t dim[QCC_MAX_RANK];
} Header;

typedef struct Cursor {
    const char *at, *end;
} Cursor;

static void skip_space(Cursor *c)
{
    while (c->at < c->end && isspace((unsigned char)*c->at)) c->at++;
}

static bool take(Cursor *c, char want)
{
    skip_space(c);
    if (c->at == c->end || *c->at != want) return false;
    c->at++;
    return true;
}

static bool take_word(Cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes. */
static bool take_string(Cursor *c, const char **s, size_t *n)
{
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char *close = memchr(c->at + 1, *c->at, (size_t)(c->end - c->at - 1));
    if (!close) return false;
    *s = c->at + 1;
    *n = (size_t)(close - *s);
    c->at = close + 1;
    return true;
}

static const struct {
    const char *code;
    QccDtype dtype;
} codes[] = {
    {"b1", QCC_BOOL}, {"u1", QCC_U8},  {"i1", QCC_I8},  {"u2", QCC_U16},
    {"i2", QCC_I16},  {"u4", QCC_U32}, {"i4", QCC_I32}, {"i8", QCC_I64},
    {"u8", QCC_U64},  {"f2", QCC_F16}, {"f4", QCC_F32}, {"f8", QCC_F64},
};
enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

/* NULL, or what is wrong. */
static const char *parse_descr(QccDtype *dtype, const char *s, size_t n)
{
    if (n != 3 || !memchr("<>|=", s[0], 4)) return "has elements that are no plain numbers";
    for (int i = 0; i < CODE_COUNT; i++) {
        if (memcmp(s + 1, codes[i].code, 2) != 0) continue;
        if (s[0] == '>' && s[2] != '1') return "is big-endian, wanted little-endian";
        *dtype = codes[i].dtype;
        return NULL;
    }
    return "has an element type that is not read";
}

static const char *parse_shape(Header *h, Cursor *c)
{
    if (!take(c, '(')) return "has a shape that is no tuple";
    while (!take(c, ')')) {
        if (h->rank == QCC_MAX_RANK) return "has more than 8 dimensions";
        skip_space(c);
        const char *after = qcc_read_i64(&h->dim[h->rank], c->at, c->end);
        if (!after || after == c->at) return "has a shape that is no tuple of numbers";
        if (h->dim[h->rank++] < 0) return "has a negative extent";
        c->at = after;
        if (!take(c, ',') && (c->at == c->end || *c->at != ')')) {
            return "has a shape that is no tuple of numbers";
        }
    }
    return NULL;
}

static const char *parse_header(Header *h, Cursor c)
{
    unsigned seen = 0;
    if (!take(&c, '{')) return "has a header that is no dictionary";
    while (!take(&c, '}')) {
        const char *key, *value, *wrong = NULL;
        size_t n, m;
        if (!take_string(&c, &key, &n) || !take(&c, ':')) return "has a header without keys";
        if (n == 5 && !memcmp(key, "descr", n)) {
            if (!take_string(&c, &value, &m)) return "has structured elements";
            wrong = parse_descr(&h->dtype, value, m);
            if (wrong) h->refused = value, h->nrefused = m < 32 ? (int)m : 32;
            seen |= 1;
        } else if (n == 13 && !memcmp(key, "fortran_order", n)) {
            h->fortran = take_word(&c, "True");
            if (!h->fortran && !take_word(&c, "False")) wrong = "has no order";
            seen |= 2;
        } else if (n == 5 && !memcmp(key, "shape", n)) {
            if (seen & 4) return "has two shapes";
            wrong = parse_shape(h, &c);
            seen |= 4;
        } else {
            wrong = "has a header with keys that are not known";
        }
        if (wrong) return wrong;
        take(&c, ',');
    }
    return seen == 7 ? NULL : "has a header that lacks descr, fortran_order or shape";
}

/* data is [dim[rank-1]]...[dim[0]] row-major; the result is row-major in dim. */
static const void *transpose(QccArena *arena, const Header *h, const char *data, int64_t count)
{
    size_t bytes = (size_t)qcc_dtype_bits(h->dtype) / 8;
    char *to = qcc_alloc_aligned(arena, count ? (size_t)count * bytes : 1, 64);
    int64_t index[QCC_MAX_RANK] = {0}, stride[QCC_MAX_RANK], at = 0;
    for (int i = 0; i < h->rank; i++) stride[i] = i ? stride[i - 1] * h->dim[i - 1] : 1;
    for (int64_t i = 0; i < count; i++) {
        memcpy(to + (size_t)i * bytes, data + (size_t)at * bytes, bytes);
        for (int k = h->rank - 1; k >= 0; k--) {
            at += stride[k];
            if (++index[k] < h->dim[k]) break;
            at -= stride[k] * h->dim[k];
            index[k] = 0;
        }
    }
    return to;
}

static bool is_npy(const void *bytes, int64_t size)
{
    return size >= 10 && memcmp(bytes, "\x93NUMPY", 6) == 0;
}

bool qcc_array_is(const void *bytes, int64_t size)
{
    return is_npy(bytes, size) || qcc_npz_is(bytes, size);
}

QccStatus qcc_npy_parse(const QccBlob **out, QccIr *ir, QccArena *arena, const char *file,
                        const void *bytes, int64_t size)
{
    QccLoc loc = {.file = file};
    const uint8_t *b = bytes;
    if (!is_npy(b, size)) return qcc_error(&ir->diags, loc, "is no .npy file");
    if (b[6] < 1 || b[6] > 3) {
        return qcc_error(&ir->diags, loc, "is a .npy of version %d, wanted 1 to 3", b[6]);
    }
    int64_t start = b[6] == 1 ? 10 : 12;
    int64_t length = b[8] | b[9] << 8;
    if (start == 12 && size >= 12) length |= (int64_t)b[10] << 16 | (int64_t)b[11] << 24;
    if (size < start || length > size - start) {
        return qcc_error(&ir->diags, loc, "ends within its header");
    }
    Header h = {0};
    Cursor c = {(const char *)b + start, (const char *)b + start + length};
    const char *wrong = parse_header(&h, c);
    if (h.refused) return qcc_error(&ir->diags, loc, "%s: '%.*s'", wrong, h.nrefused, h.refused);
    if (wrong) return qcc_error(&ir->diags, loc, "%s", wrong);

    int64_t count, wanted, found = size - start - length;
    if (!qcc_extents_count(&count, &wanted, h.dtype, h.rank, h.dim)) {
        return qcc_error(&ir->diags, loc, "has extents that are too large");
    }
    if (found != wanted) {
        return qcc_error(&ir->diags, loc, "has %lld bytes of data, its shape wants %lld",
                         (long long)found, (long long)wanted);
    }
    const char *data = (const char *)b + start + length;
    for (int64_t i = 0; h.dtype == QCC_BOOL && i < count; i++) {
        if ((uint8_t)data[i] > 1) {
            return qcc_error(&ir->diags, loc, "element %lld is no bool", (long long)i);
        }
    }
    bool aligned = (uintptr_t)data % (uintptr_t)(qcc_dtype_bits(h.dtype) / 8) == 0;
    if (h.fortran && h.rank > 1) {
        *out = qcc_blob(arena, h.dtype, h.rank, h.dim, transpose(arena, &h, data, count), false);
    } else {
        *out = qcc_blob(arena, h.dtype, h.rank, h.dim, data, !aligned);
    }
    return QCC_OK;
}

/* Splits "file.npz:name" unless a file of the whole name exists. */
static const char *split_path(QccArena *arena, const char *path, const char **entry)
{
    struct stat info;
    const char *colon = strrchr(path, ':');
    *entry = NULL;
    if (!colon || !stat(path, &info)) return path;
    *entry = colon + 1;
    return qcc_strndup(arena, path, (size_t)(colon - path));
}

QccStatus qcc_npy_load(const QccBlob **out, QccIr *ir, QccArena *arena, const char *path)
{
    const char *entry, *file = split_path(arena, qcc_strdup(arena, path), &entry);
    const void *bytes;
    int64_t size;
    QCC_TRY(qcc_map_file(arena, &ir->diags, file, &bytes, &size));
    if (qcc_npz_is(bytes, size)) return qcc_npz_parse(out, ir, arena, file, entry, bytes, size);
    if (entry) {
        QccLoc loc = {.file = file};
        return qcc_error(&ir->diags, loc, "is no .npz file, so it has no array '%s'", entry);
    }
    return qcc_npy_parse(out, ir, arena, file, bytes, size);
}

/* ---- writing ------------------------------------------------------------------------------ */

/* Padded so that the data begins at a multiple of 64, as numpy does. */
static int64_t format_header(char header[256], const char *code, const QccTensor *t)
{
    int n = snprintf(header + 10, 246, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                     code[1] == '1' ? '|' : '<', code);
    for (int i = 0; i < t->type->rank; i++) {
        n += snprintf(header + 10 + n, (size_t)(246 - n), "%s%lld", i ? ", " : "",
                      (long long)t->dim[i]);
    }
    n += snprintf(header + 10 + n, (size_t)(246 - n), "%s), }", t->type->rank == 1 ? "," : "");
    int padded = (10 + n + 1 + 63) / 64 * 64;
    memset(header + 10 + n, ' ', (size_t)(padded - 10 - n));
    header[padded - 1] = '\n';
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)((padded - 10) & 255);
    header[9] = (char)((padded - 10) >> 8);
    return padded;
}

static QccStatus save(QccArena *arena, QccDiags *d, const char *path, const QccTensor *t)
{
    QccLoc loc = {.file = path};
    const char *code = NULL;
    for (int i = 0; i < CODE_COUNT; i++) {
        if (codes[i].dtype == t->type->dtype) code = codes[i].code;
    }
    if (!code) {
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc, "numpy has no %s",
                        qcc_dtype_name(t->type->dtype));
    }
    char header[256]; /* 8 extents of at most 19 digits fit */
    int64_t length = format_header(header, code, t);
    QccPiece piece[2] = {{header, length}, {t->data, qcc_dtype_size(t->type->dtype, t->count)}};
    return qcc_write_file(arena, d, path, piece, 2);
}

QccStatus qcc_npy_save(QccIr *ir, const char *path, const QccTensor *t)
{
    QccArena *arena = qcc_arena_sub(ir->arena);
    QccStatus status = save(arena, &ir->diags, path, t);
    qcc_arena_free(arena);
    return status;
}
