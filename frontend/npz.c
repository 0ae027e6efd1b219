/* npz - numpy's zip archives of arrays. */
#include "frontend/npz.h"

#include "frontend/frontend.h"

#include <string.h>
#include <zip.h>

/* Deflate makes at most 1032 bytes of one, so a larger claim is a lie; this bounds allocations. */
enum { DEFLATE_RATIO = 1032 };

bool qcc_npz_is(const void *bytes, int64_t size)
{
    return size >= 4 && !memcmp(bytes, "PK\x03\x04", 4);
}

typedef struct Archive {
    zip_t *zip;
    zip_file_t *entry;
} Archive;

static void close_archive(void *user)
{
    Archive *a = user;
    if (a->entry) zip_fclose(a->entry);
    if (a->zip) zip_discard(a->zip);
    a->entry = NULL;
    a->zip = NULL;
}

/* A comma-separated list of what there is. */
static const char *entry_names(QccArena *arena, zip_t *zip)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    zip_int64_t n = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; i < n && buf.len < 200; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        if (name) qcc_buf_printf(&buf, "%s%s", i ? ", " : "", name);
    }
    return buf.data ? buf.data : "nothing";
}

static QccStatus find_entry(zip_uint64_t *index, QccArena *arena, QccDiags *d, QccLoc loc,
                            zip_t *zip, const char *name)
{
    zip_int64_t found = -1;
    if (!name) {
        if (zip_get_num_entries(zip, 0) != 1) {
            return qcc_error(d, loc, "holds several arrays, say which as FILE:NAME: %s",
                             entry_names(arena, zip));
        }
        found = 0;
    }
    if (found < 0) found = zip_name_locate(zip, qcc_sprintf(arena, "%s.npy", name), 0);
    if (found < 0) found = zip_name_locate(zip, name, 0);
    if (found < 0) {
        return qcc_error(d, loc, "has no array '%s', but %s", name, entry_names(arena, zip));
    }
    *index = (zip_uint64_t)found;
    return QCC_OK;
}

/* *size is the archive's, and becomes the entry's. */
static QccStatus read_entry(void **data, int64_t *size, Archive *a, QccArena *arena, QccDiags *d,
                            QccLoc loc, zip_uint64_t index)
{
    zip_stat_t info;
    zip_uint64_t held = (zip_uint64_t)*size;
    if (zip_stat_index(a->zip, index, 0, &info)) return qcc_error(d, loc, "is damaged");
    zip_uint64_t all = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((info.valid & all) != all || info.comp_size > held ||
        info.size / DEFLATE_RATIO > info.comp_size + 64) {
        return qcc_error(d, loc, "an entry claims more than it can hold");
    }
    if (info.comp_method != ZIP_CM_STORE && info.comp_method != ZIP_CM_DEFLATE) {
        return qcc_fail(d, QCC_ERROR_UNSUPPORTED, loc, "an entry is neither stored nor deflated");
    }
    *data = qcc_alloc_aligned(arena, info.size ? (size_t)info.size : 1, 64);
    *size = (int64_t)info.size;
    a->entry = zip_fopen_index(a->zip, index, 0);
    if (!a->entry) {
        return qcc_error(d, loc, "an entry cannot be read: %s", zip_strerror(a->zip));
    }
    zip_uint64_t done = 0;
    while (done < info.size) {
        zip_int64_t n = zip_fread(a->entry, (char *)*data + done, info.size - done);
        if (n <= 0) return qcc_error(d, loc, "an entry is damaged or cut off");
        done += (zip_uint64_t)n;
    }
    /* The checksum is compared when the end is read. */
    char more;
    if (zip_fread(a->entry, &more, 1) != 0) return qcc_error(d, loc, "an entry is damaged");
    return QCC_OK;
}

QccStatus qcc_npz_parse(const QccBlob **out, QccIr *ir, QccArena *arena, const char *file,
                        const char *name, const void *bytes, int64_t size)
{
    QccLoc loc = {.file = file};
    Archive *a = QCC_NEW(arena, Archive);
    qcc_arena_defer(arena, close_archive, a);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, (zip_uint64_t)size, 0, &error);
    a->zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (!a->zip) {
        QccStatus status =
            qcc_error(&ir->diags, loc, "is a damaged .npz: %s", zip_error_strerror(&error));
        zip_source_free(source);
        zip_error_fini(&error);
        return status;
    }
    zip_error_fini(&error);
    zip_uint64_t index = 0;
    void *data = NULL;
    QCC_TRY(find_entry(&index, arena, &ir->diags, loc, a->zip, name));
    QCC_TRY(read_entry(&data, &size, a, arena, &ir->diags, loc, index));
    close_archive(a);
    return qcc_npy_parse(out, ir, arena, file, data, size);
}
