/* model_bin - writes and reads the container: header, table of sections, text, blobs, alignment.
 *
 *   magic version sections size checksum | section rows | text | blob rows | blob data ...
 *
 * All numbers are little-endian. docs/model-bin.md has the layout.
 */
#include "ir/model_bin.h"

#include <string.h>

#include "ir/text.h"
#include "ir/type_table.h"

enum {
    VERSION = 1,
    HEADER_BYTES = 40,  /* magic 8, version 4, sections 4, size 8, checksum of rows 8, zero 8 */
    SECTION_BYTES = 32, /* kind 4, zero 4, offset 8, size 8, checksum 8 */
    BLOB_BYTES = 96,    /* dtype 4, rank 4, dims 64, offset 8, size 8, checksum 8 */
    ALIGN = 64,
    SECTIONS_MAX = 64
};

enum { SECTION_TEXT = 1, SECTION_BLOBS = 2, SECTION_DATA = 3 };

static const char magic[8] = "qccmodel";

bool qcc_model_bin_is(const void *bytes, int64_t size)
{
    return size >= (int64_t)sizeof magic && !memcmp(bytes, magic, sizeof magic);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put32(QccBuf *buf, uint32_t x)
{
    unsigned char b[4] = {(unsigned char)x, (unsigned char)(x >> 8), (unsigned char)(x >> 16),
                          (unsigned char)(x >> 24)};
    qcc_buf_add(buf, b, 4);
}

static void put64(QccBuf *buf, uint64_t x)
{
    put32(buf, (uint32_t)x);
    put32(buf, (uint32_t)(x >> 32));
}

static int64_t aligned(int64_t offset)
{
    return (offset + ALIGN - 1) / ALIGN * ALIGN;
}

static void put_section(QccBuf *buf, uint32_t kind, int64_t offset, int64_t size, uint64_t checksum)
{
    put32(buf, kind);
    put32(buf, 0);
    put64(buf, (uint64_t)offset);
    put64(buf, (uint64_t)size);
    put64(buf, checksum);
}

/* A row per blob; data lies at `offset` and on, each blob aligned. Returns where it ends. */
static int64_t put_blob_rows(QccBuf *rows, const QccBlobTable *table, int64_t offset)
{
    for (int i = 0; i < table->n; i++) {
        const QccBlob *blob = table->blob[i];
        offset = aligned(offset);
        put32(rows, (uint32_t)blob->dtype);
        put32(rows, (uint32_t)blob->rank);
        for (int k = 0; k < QCC_MAX_RANK; k++)
            put64(rows, k < blob->rank ? (uint64_t)blob->dim[k] : 0);
        put64(rows, (uint64_t)offset);
        put64(rows, (uint64_t)blob->size);
        put64(rows, blob->hash);
        offset += blob->size;
    }
    return offset;
}

QccPiece *qcc_model_bin_pieces(QccArena *arena, const QccModule *m, int *n)
{
    static const char zeros[ALIGN];
    QccBlobTable table = {0};
    QccBuf text, rows, head, front;
    QccBuf *const all[] = {&text, &rows, &head, &front};
    for (int i = 0; i < 4; i++) qcc_buf_init(all[i], arena);
    qcc_module_print(&text, m, QCC_BLOBS_TABLE, &table);

    int64_t text_at = HEADER_BYTES + 3 * SECTION_BYTES;
    int64_t rows_at = text_at + text.len;
    int64_t rows_size = (int64_t)table.n * BLOB_BYTES;
    int64_t data_at = rows_at + rows_size;
    int64_t end = put_blob_rows(&rows, &table, data_at);

    put_section(&head, SECTION_TEXT, text_at, text.len, qcc_blob_hash(text.data, text.len));
    put_section(&head, SECTION_BLOBS, rows_at, rows_size, qcc_blob_hash(rows.data, rows.len));
    /* The blobs' own checksums stand in their rows, so the data has none as a whole. */
    put_section(&head, SECTION_DATA, data_at, end - data_at, 0);

    qcc_buf_add(&front, magic, sizeof magic);
    put32(&front, VERSION);
    put32(&front, 3);
    put64(&front, (uint64_t)end);
    put64(&front, qcc_blob_hash(head.data, head.len));
    put64(&front, 0);
    qcc_buf_add(&front, head.data, head.len);
    qcc_buf_add(&front, text.data, text.len);
    qcc_buf_add(&front, rows.data, rows.len);

    QccPiece *piece = QCC_NEW_ARRAY(arena, 1 + 2 * (int64_t)table.n, QccPiece);
    int64_t at = front.len;
    *n = 0;
    piece[(*n)++] = (QccPiece){front.data, front.len};
    for (int i = 0; i < table.n; i++) {
        piece[(*n)++] = (QccPiece){zeros, aligned(at) - at};
        piece[(*n)++] = (QccPiece){table.blob[i]->data, table.blob[i]->size};
        at = aligned(at) + table.blob[i]->size;
    }
    return piece;
}

void qcc_model_bin_write(QccBuf *buf, const QccModule *m)
{
    int n;
    QccArena *scratch = qcc_arena_sub(buf->arena);
    const QccPiece *piece = qcc_model_bin_pieces(scratch, m, &n);
    for (int i = 0; i < n; i++) qcc_buf_add(buf, piece[i].bytes, piece[i].size);
    qcc_arena_free(scratch);
}

/* ---- reading -------------------------------------------------------------------------------- */

typedef struct Reader {
    QccIr *ir;
    QccArena *arena;
    const char *file;
    const unsigned char *bytes;
    int64_t size;
    struct Section {
        int64_t at, size; /* at: -1 while it has not been met */
    } text, rows, data;
} Reader;

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static QccStatus damaged(const Reader *r, const char *fmt, ...) QCC_PRINTF(2, 3);
static QccStatus damaged(const Reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *why = qcc_vsprintf(r->arena, fmt, args);
    va_end(args);
    return qcc_error(&r->ir->diags, (QccLoc){.file = r->file}, "damaged model.bin: %s", why);
}

/* Whether [offset, offset + size) lies in [begin, end). The numbers are a file's. */
static bool lies_in(uint64_t offset, uint64_t size, int64_t begin, int64_t end)
{
    return offset >= (uint64_t)begin && offset <= (uint64_t)end && size <= (uint64_t)end - offset;
}

static QccStatus read_section(Reader *r, const unsigned char *row, int64_t begin)
{
    uint32_t kind = get32(row);
    uint64_t offset = get64(row + 8), size = get64(row + 16);
    if (get32(row + 4)) return damaged(r, "a section row has bits that must be 0");
    if (!lies_in(offset, size, begin, r->size))
        return damaged(r, "section %u lies outside of the file", kind);
    if (kind != SECTION_DATA && qcc_blob_hash(r->bytes + offset, (int64_t)size) != get64(row + 24))
        return damaged(r, "the checksum of section %u is wrong", kind);
    struct Section *section = kind == SECTION_TEXT    ? &r->text
                              : kind == SECTION_BLOBS ? &r->rows
                              : kind == SECTION_DATA  ? &r->data
                                                      : NULL;
    if (!section) return QCC_OK; /* one for other readers */
    if (section->at >= 0) return damaged(r, "section %u stands there twice", kind);
    *section = (struct Section){(int64_t)offset, (int64_t)size};
    return QCC_OK;
}

static QccStatus read_header(Reader *r)
{
    if (!qcc_model_bin_is(r->bytes, r->size)) return damaged(r, "it does not begin like one");
    if (r->size < HEADER_BYTES) return damaged(r, "it ends within its header");
    uint32_t version = get32(r->bytes + 8), sections = get32(r->bytes + 12);
    if (version > VERSION)
        return qcc_fail(&r->ir->diags, QCC_ERROR_UNSUPPORTED, (QccLoc){.file = r->file},
                        "this is a model.bin of version %u; this version of qcc reads version %d",
                        version, VERSION);
    if (version != VERSION) return damaged(r, "there is no version %u", version);
    if (get64(r->bytes + 16) != (uint64_t)r->size)
        return damaged(r, "it has %lld bytes; its header says %llu", (long long)r->size,
                       (unsigned long long)get64(r->bytes + 16));
    if (get64(r->bytes + 32)) return damaged(r, "the header has bits that must be 0");
    if (sections > SECTIONS_MAX) return damaged(r, "%u sections", sections);
    int64_t rows = (int64_t)sections * SECTION_BYTES;
    if (rows > r->size - HEADER_BYTES) return damaged(r, "it ends within its table of sections");
    if (qcc_blob_hash(r->bytes + HEADER_BYTES, rows) != get64(r->bytes + 24))
        return damaged(r, "the checksum of its table of sections is wrong");
    r->text.at = r->rows.at = r->data.at = -1;
    for (int64_t i = 0; i < sections; i++)
        QCC_TRY(read_section(r, r->bytes + HEADER_BYTES + i * SECTION_BYTES, HEADER_BYTES + rows));
    if (r->text.at < 0 || r->rows.at < 0 || r->data.at < 0)
        return damaged(r, "it lacks its text, its blobs or their data");
    return QCC_OK;
}

/* `end` is where the blobs before this one end, and moves on. */
static QccStatus read_blob(const Reader *r, int64_t i, const unsigned char *row, int64_t *end,
                           const QccBlob **out)
{
    uint32_t dtype = get32(row), rank = get32(row + 4);
    if (dtype >= QCC_DTYPE_COUNT || rank > QCC_MAX_RANK)
        return damaged(r, "blob %lld has element type %u and %u dimensions", (long long)i, dtype,
                       rank);
    int64_t dim[QCC_MAX_RANK], count;
    for (int k = 0; k < QCC_MAX_RANK; k++) {
        uint64_t x = get64(row + 8 + 8 * (int64_t)k);
        if (x > INT64_MAX || (k >= (int)rank && x))
            return damaged(r, "blob %lld has a wrong extent", (long long)i);
        dim[k] = (int64_t)x;
    }
    uint64_t offset = get64(row + 72), size = get64(row + 80);
    if (!qcc_shape_count(&count, (QccDtype)dtype, (int)rank, dim) ||
        size != (uint64_t)qcc_dtype_size((QccDtype)dtype, count))
        return damaged(r, "blob %lld has %llu bytes, which is not what its shape takes",
                       (long long)i, (unsigned long long)size);
    if (offset != (uint64_t)aligned(*end) ||
        !lies_in(offset, size, r->data.at, r->data.at + r->data.size))
        return damaged(r, "blob %lld does not lie where it should", (long long)i);
    for (; *end < (int64_t)offset; ++*end) {
        if (r->bytes[*end])
            return damaged(r, "the gap before blob %lld is not empty", (long long)i);
    }
    *end += (int64_t)size;
    const void *data = r->bytes + offset;
    bool in_place = (uintptr_t)r->bytes % ALIGN == 0;
    const QccBlob *blob = qcc_blob(r->arena, (QccDtype)dtype, (int)rank, dim, data, !in_place);
    if (blob->hash != get64(row + 88))
        return damaged(r, "the checksum of blob %lld is wrong", (long long)i);
    *out = blob;
    return QCC_OK;
}

static QccStatus read_blobs(const Reader *r, QccBlobTable *table)
{
    if (r->rows.size % BLOB_BYTES) return damaged(r, "the table of blobs has a broken row");
    int64_t n = r->rows.size / BLOB_BYTES;
    if (n > INT32_MAX) return damaged(r, "%lld blobs", (long long)n);
    /* n rows are really there, so this is no number of a file's choice. */
    table->blob = QCC_NEW_ARRAY(r->arena, n, const QccBlob *);
    int64_t end = r->data.at;
    for (int64_t i = 0; i < n; i++) {
        QCC_TRY(read_blob(r, i, r->bytes + r->rows.at + i * BLOB_BYTES, &end, &table->blob[i]));
        table->n++;
    }
    if (end != r->data.at + r->data.size) return damaged(r, "bytes behind the last blob");
    return QCC_OK;
}

QccStatus qcc_model_bin_read(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                             const void *bytes, int64_t size)
{
    *out = NULL;
    Reader r = {.ir = ir, .arena = arena, .file = file, .bytes = bytes, .size = size};
    QccBlobTable table = {0};
    QCC_TRY(read_header(&r));
    QCC_TRY(read_blobs(&r, &table));
    return qcc_module_parse(out, ir, arena, file, (const char *)r.bytes + r.text.at, r.text.size,
                            &table);
}
