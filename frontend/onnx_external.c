/* onnx_external - data of tensors in other files of the model's folder, mapped once each. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "frontend/onnx.h"
#include "ir/base/file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct File {
    const char *location;
    const uint8_t *bytes;
    int64_t size;
} File;

/* What a tensor says about where its data lies. */
typedef struct Place {
    const char *location;
    int64_t offset, length; /* length -1: up to the end */
} Place;

static QccStatus read_number(const QccOnnxTensorReader *r, const char *what,
                             const Onnx__StringStringEntryProto *e, int64_t *value)
{
    const char *end = e->value + strlen(e->value);
    if (qcc_read_i64(value, e->value, end) == end && *value >= 0) return QCC_OK;
    return qcc_error(r->d, r->loc, "the %s of the data of %s is '%s', wanted a number of bytes",
                     e->key, what, e->value);
}

/* Other keys, as a checksum, say nothing that is needed. */
static QccStatus read_place(const QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                            const char *what, Place *p)
{
    *p = (Place){.length = -1};
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = t->external_data[i];
        if (!e->key || !e->value) continue;
        if (!strcmp(e->key, "location")) p->location = e->value;
        if (!strcmp(e->key, "offset")) QCC_TRY(read_number(r, what, e, &p->offset));
        if (!strcmp(e->key, "length")) QCC_TRY(read_number(r, what, e, &p->length));
    }
    if (p->location && p->location[0]) return QCC_OK;
    return qcc_error(r->d, r->loc, "%s does not say in which file its data lies", what);
}

/* Whether a path is relative and has no component "..". */
static bool stays_below(const char *location)
{
    if (location[0] == '/') return false;
    for (const char *s = location; *s; s += strcspn(s, "/"), s += *s == '/') {
        if (!strncmp(s, "..", 2) && (s[2] == '/' || !s[2])) return false;
    }
    return true;
}

/* Cuts the last component off. */
static void to_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = 0;
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (path[n] == '/' || !strcmp(folder, "/"));
}

/* The file's real path: below the folder that the model was opened in, or below the one that a link
 * to the model leads to, as in caches of downloads, where both are links side by side. */
static QccStatus find_file(const QccOnnxTensorReader *r, const char *location,
                           char real[static PATH_MAX])
{
    QccLoc loc = {.file = location};
    char folder[PATH_MAX], home[PATH_MAX];
    const char *slash = strrchr(r->path, '/');
    const char *beside =
        slash ? qcc_strndup(r->scratch, r->path, (size_t)(slash - r->path) + 1) : "./";
    const char *path = qcc_sprintf(r->scratch, "%s%s", beside, location);
    if (!realpath(path, real) || !realpath(beside, folder) || !realpath(r->path, home))
        return qcc_fail(r->d, QCC_ERROR_IO, loc, "cannot be opened: %s", strerror(errno));
    to_folder(home);
    if (is_below(real, folder) || is_below(real, home)) return QCC_OK;
    return qcc_error(r->d, loc, "lies outside of the model's folder");
}

static QccStatus open_file(QccOnnxTensorReader *r, const char *location, const File **out)
{
    int64_t at = -1;
    uint64_t hash = qcc_hash(0, location, strlen(location));
    while ((*out = qcc_table_next(&r->files, hash, &at)))
        if (!strcmp((*out)->location, location)) return QCC_OK;
    char real[PATH_MAX];
    const void *bytes;
    File *file = QCC_NEW(r->scratch, File);
    file->location = location;
    QCC_TRY(find_file(r, location, real));
    QCC_TRY(qcc_map_file(r->arena, r->d, qcc_strdup(r->arena, real), &bytes, &file->size));
    file->bytes = bytes ? bytes : (const void *)""; /* of an empty file */
    qcc_table_add(&r->files, hash, file);
    *out = file;
    return QCC_OK;
}

QccStatus qcc_onnx_external(QccWireSpan *out, QccOnnxTensorReader *r, const Onnx__TensorProto *t,
                            const char *what, int64_t size)
{
    Place p;
    const File *file;
    QCC_TRY(read_place(r, t, what, &p));
    if (!r->path) {
        return qcc_fail(
            r->d, QCC_ERROR_UNSUPPORTED, r->loc,
            "the data of %s lies in file '%s', and the model was not opened from a file", what,
            p.location);
    }
    if (!stays_below(p.location)) {
        return qcc_error(r->d, r->loc,
                         "the data of %s lies in '%s', wanted a file in the model's folder", what,
                         p.location);
    }
    QccStatus status = open_file(r, p.location, &file);
    if (status != QCC_OK) {
        qcc_note(r->d, r->loc, "the data of %s lies there", what);
        return status;
    }
    int64_t rest = file->size - p.offset;
    if (rest < 0 || p.length > rest || (p.length < 0 && size > rest)) {
        return qcc_error(
            r->d, r->loc,
            "the data of %s wants %lld bytes from byte %lld on of '%s', which has %lld", what,
            (long long)(p.length < 0 ? size : p.length), (long long)p.offset, p.location,
            (long long)file->size);
    }
    *out = (QccWireSpan){file->bytes + p.offset, p.length < 0 ? size : p.length};
    return QCC_OK;
}
