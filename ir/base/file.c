/* file - whole files: mapped for an arena's life, written at once or not at all. */
#define _XOPEN_SOURCE 700 /* realpath beside POSIX */
#include "ir/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* Creates a file beside `path` that no other writer has; -1 with errno. Its name is in `name`. */
static int create_beside(const char *path, char *name, size_t size)
{
    enum { LEFT_BEHIND = 100 }; /* files of this name, of processes that were killed */
    int fd = -1;
    for (int i = 0; i < LEFT_BEHIND && fd < 0; i++) {
        snprintf(name, size, "%s.%ld-%d.tmp", path, (long)getpid(), i);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    return fd;
}

static bool write_pieces(int fd, const QccPiece *piece, int n)
{
    bool good = true;
    for (int i = 0; good && i < n; i++) good = write_all(fd, piece[i].bytes, piece[i].size);
    int error = errno;
    if (close(fd) != 0 && good) return false;
    errno = error;
    return good;
}

/* Errors are in errno, here and below. */
static bool replace(QccArena *arena, const char *path, const QccPiece *piece, int n)
{
    size_t size = strlen(path) + 48;
    char *temporary = qcc_alloc(arena, size);
    int fd = create_beside(path, temporary, size);
    if (fd < 0) return false;
    if (write_pieces(fd, piece, n) && rename(temporary, path) == 0) return true;
    int error = errno;
    unlink(temporary);
    errno = error;
    return false;
}

/* A device or a pipe is written to; put in its place, a file would be the end of it. */
static bool write_through(const char *path, const QccPiece *piece, int n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write_pieces(fd, piece, n);
}

QccStatus qcc_write_file(QccArena *arena, QccDiags *d, const char *path, const QccPiece *piece,
                         int n)
{
    struct stat info;
    bool exists = stat(path, &info) == 0;
    /* A link stays one: the file that it leads to is replaced. */
    const char *target = exists ? realpath(path, qcc_alloc(arena, PATH_MAX)) : NULL;
    bool good = exists && !S_ISREG(info.st_mode) ? write_through(path, piece, n)
                                                 : replace(arena, target ? target : path, piece, n);
    if (good) return QCC_OK;
    return qcc_fail(d, QCC_ERROR_IO, (QccLoc){.file = path}, "cannot be written: %s",
                    strerror(errno));
}
