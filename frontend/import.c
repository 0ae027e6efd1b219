/* import - files become modules: mapping a file, and knowing its format by content. */
#include "frontend/frontend.h"
#include "frontend/onnx.h"
#include "ir/model_bin.h"
#include "ir/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Mapping {
    void *bytes;
    size_t size;
    int fd; /* -1: closed */
} Mapping;

static void unmap(void *user)
{
    Mapping *m = user;
    if (m->fd >= 0) close(m->fd);
    if (m->bytes) munmap(m->bytes, m->size);
}

QccStatus qcc_map_file(QccArena *arena, QccDiags *d, const char *path, const void **bytes,
                       int64_t *size)
{
    QccLoc loc = {.file = path};
    Mapping *m = QCC_NEW(arena, Mapping);
    m->fd = -1;
    qcc_arena_defer(arena, unmap, m);
    *bytes = NULL;
    *size = 0;
    m->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (m->fd < 0) {
        return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be opened: %s", strerror(errno));
    }
    struct stat info;
    if (fstat(m->fd, &info)) {
        return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be read: %s", strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) return qcc_fail(d, QCC_ERROR_IO, loc, "is not a regular file");
    if (info.st_size > 0) {
        void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, m->fd, 0);
        if (p == MAP_FAILED) {
            return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be mapped: %s", strerror(errno));
        }
        m->bytes = p;
        m->size = (size_t)info.st_size;
        *bytes = p;
        *size = info.st_size;
    }
    close(m->fd);
    m->fd = -1;
    return QCC_OK;
}

/* Whether the first word of a text, after blank lines and comments, is `qir`. */
static bool is_qir(const char *text, int64_t size)
{
    int64_t i = 0;
    while (i < size) {
        if (text[i] == ';') {
            while (i < size && text[i] != '\n') i++;
        } else if (strchr(" \t\r\n", text[i]) && text[i]) {
            i++;
        } else {
            break;
        }
    }
    return size - i >= 4 && !memcmp(text + i, "qir", 3) && strchr(" \t", text[i + 3]);
}

QccStatus qcc_import(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                     const void *bytes, int64_t size)
{
    file = qcc_strdup(arena, file); /* locations refer to it */
    QccLoc loc = {.file = file};
    if (size <= 0) return qcc_error(&ir->diags, loc, "is empty, wanted a model");
    if (qcc_model_bin_is(bytes, size)) {
        return qcc_model_bin_read(out, ir, arena, file, bytes, size);
    }
    if (is_qir(bytes, size)) return qcc_module_parse(out, ir, arena, file, bytes, size, NULL);
    if (!qcc_wire_like_model(bytes, size)) {
        return qcc_error(&ir->diags, loc, "is neither a model.bin nor qir text nor an ONNX model");
    }
    QCC_TRY(qcc_onnx_import(out, ir, arena, file, bytes, size));
    return qcc_graph_verify((*out)->graph);
}
