/* labels - the classes of samples: a text file by image name, or a .npy. */
#include "frontend/data.h"
#include "frontend/frontend.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLASS_MAX = 1 << 30 };

typedef struct Line {
    const char *name;
    int64_t label;
    int line;
} Line;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Line *)a)->name, ((const Line *)b)->name);
}

/* "name class": the class is the last word. */
static QccStatus parse_line(Line *out, QccArena *arena, QccDiags *d, QccLoc loc, const char *s,
                            const char *end)
{
    while (end > s && isspace((unsigned char)end[-1])) end--;
    const char *word = end;
    while (word > s && !isspace((unsigned char)word[-1])) word--;
    const char *name_end = word;
    while (name_end > s && isspace((unsigned char)name_end[-1])) name_end--;
    while (s < name_end && isspace((unsigned char)*s)) s++;
    if (s == name_end || qcc_read_i64(&out->label, word, end) != end || out->label > CLASS_MAX ||
        out->label < -CLASS_MAX) {
        return qcc_error(d, loc, "wanted a name and the number of its class");
    }
    out->name = qcc_strndup(arena, s, (size_t)(name_end - s));
    out->line = loc.line;
    return QCC_OK;
}

static QccStatus read_lines(Line **out, int64_t *count, QccArena *arena, QccDiags *d,
                            const char *file, const char *text, int64_t size)
{
    QccLoc loc = {.file = file};
    int64_t cap = 0;
    const char *end = text + size;
    *out = NULL;
    *count = 0;
    for (const char *s = text; s < end;) {
        const char *line_end = memchr(s, '\n', (size_t)(end - s));
        if (!line_end) line_end = end;
        const char *first = s;
        while (first < line_end && isspace((unsigned char)*first)) first++;
        loc.line++;
        if (first < line_end) {
            *out = qcc_grow(arena, *out, *count, &cap, sizeof **out);
            QCC_TRY(parse_line(&(*out)[*count], arena, d, loc, first, line_end));
            ++*count;
        }
        s = line_end + 1;
    }
    if (*count) qsort(*out, (size_t)*count, sizeof **out, by_name);
    for (int64_t i = 1; i < *count; i++) {
        if (strcmp((*out)[i].name, (*out)[i - 1].name) != 0) continue;
        loc.line = (*out)[i].line;
        return qcc_error(d, loc, "'%s' has two classes", (*out)[i].name);
    }
    return QCC_OK;
}

/* By the file's name, with or without its ending. */
static QccStatus labels_by_name(int64_t *label, QccArena *arena, QccDiags *d, const char *file,
                                const char *text, int64_t size, const char *const *path,
                                int64_t count)
{
    Line *line;
    int64_t lines;
    QCC_TRY(read_lines(&line, &lines, arena, d, file, text, size));
    for (int64_t i = 0; i < count; i++) {
        const char *slash = strrchr(path[i], '/');
        Line key = {.name = slash ? slash + 1 : path[i]};
        const Line *found =
            lines ? bsearch(&key, line, (size_t)lines, sizeof *line, by_name) : NULL;
        const char *dot = strrchr(key.name, '.');
        if (!found && dot && lines) {
            key.name = qcc_strndup(arena, key.name, (size_t)(dot - key.name));
            found = bsearch(&key, line, (size_t)lines, sizeof *line, by_name);
        }
        if (!found) {
            QccLoc loc = {.file = file};
            return qcc_error(d, loc, "has no class for '%s'", slash ? slash + 1 : path[i]);
        }
        label[i] = found->label;
    }
    return QCC_OK;
}

static QccStatus labels_of_array(int64_t *label, QccIr *ir, QccArena *arena, const char *file,
                                 int64_t count)
{
    const QccBlob *blob;
    QccLoc loc = {.file = file};
    QCC_TRY(qcc_npy_load(&blob, ir, arena, file));
    bool column = blob->rank == 2 && blob->dim[1] == 1;
    if ((blob->rank != 1 && !column) || blob->dim[0] != count) {
        return qcc_error(&ir->diags, loc, "has %lld labels in %d dimensions, wanted a list of %lld",
                         (long long)(blob->rank ? blob->dim[0] : 1), blob->rank, (long long)count);
    }
    if (qcc_dtype_is_float(blob->dtype) || blob->dtype == QCC_BOOL) {
        return qcc_error(&ir->diags, loc, "has labels of %s, wanted integers",
                         qcc_dtype_name(blob->dtype));
    }
    const QccType *type = qcc_type_shape(ir, blob->dtype, blob->rank, blob->dim);
    QccTensor t = qcc_tensor_view(type, blob->data);
    for (int64_t i = 0; i < count; i++) {
        double x = qcc_tensor_real(&t, i);
        if (!(fabs(x) <= CLASS_MAX)) {
            return qcc_error(&ir->diags, loc, "label %lld is out of range", (long long)i);
        }
        label[i] = (int64_t)x;
    }
    return QCC_OK;
}

QccStatus qcc_labels_load(int64_t **out, QccIr *ir, QccArena *arena, const char *file,
                          const char *const *path, int64_t count)
{
    QccLoc loc = {.file = file};
    int64_t *label = *out = QCC_NEW_ARRAY(arena, count ? count : 1, int64_t);
    const char *colon = strrchr(file, ':'); /* FILE.npz:NAME */
    if (!path || (colon && colon > file)) return labels_of_array(label, ir, arena, file, count);
    const void *bytes;
    int64_t size;
    QCC_TRY(qcc_map_file(arena, &ir->diags, file, &bytes, &size));
    if (qcc_array_is(bytes, size)) return labels_of_array(label, ir, arena, file, count);
    if (!size) return qcc_error(&ir->diags, loc, "is empty, wanted labels");
    return labels_by_name(label, arena, &ir->diags, file, bytes, size, path, count);
}
