/* file - whole files: mapped for an arena's life, written at once or not at all. */
#define _DEFAULT_SOURCE /* mkstemp beside POSIX */
#include "ir/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
    m->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not make us wait */
    if (m->fd < 0) return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be opened: %s", strerror(errno));
    struct stat info;
    if (fstat(m->fd, &info))
        return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(info.st_mode)) return qcc_fail(d, QCC_ERROR_IO, loc, "is not a regular file");
    if (info.st_size > 0) {
        void *p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, m->fd, 0);
        if (p == MAP_FAILED)
            return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be mapped: %s", strerror(errno));
        m->bytes = p;
        m->size = (size_t)info.st_size;
        *bytes = p;
        *size = info.st_size;
    }
    close(m->fd);
    m->fd = -1;
    return QCC_OK;
}

static bool write_all(int fd, const char *bytes, int64_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, (size_t)n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        bytes += done;
        n -= done;
    }
    return true;
}

/* What mkstemp makes is for the owner only; the file gets what a new file would have. */
static bool open_to_others(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask) == 0;
}

QccStatus qcc_write_file(QccArena *arena, QccDiags *d, const char *path, const QccPiece *piece,
                         int n)
{
    char *temporary = qcc_sprintf(arena, "%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    bool good = fd >= 0 && open_to_others(fd);
    for (int i = 0; good && i < n; i++) good = write_all(fd, piece[i].bytes, piece[i].size);
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && rename(temporary, path) == 0) return QCC_OK;
    if (good) error = errno;
    if (fd >= 0) unlink(temporary);
    return qcc_fail(d, QCC_ERROR_IO, (QccLoc){.file = path}, "cannot be written: %s",
                    strerror(error));
}
