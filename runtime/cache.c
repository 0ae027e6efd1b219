/* cache - compiled objects on disk, by content.
 *
 * An entry is one file, named by the XXH3-128 of its text in hexadecimal:
 *
 *   header, 64 bytes | text, zeros up to a multiple of 64 | object
 *
 * The checksum covers all that follows it. The modification time is the time of the last use.
 */
#define _GNU_SOURCE
#include "runtime/cache.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    VERSION = 1,
    ALIGNMENT = 64,
    NAME_SIZE = 33, /* 32 hexadecimal digits and the NUL */
    DEFAULT_LIMIT = 256 << 20 /* bytes */,
    MAX_ENTRY = 128 << 20, /* bytes; what is larger is no entry of ours */
    REUSE_SECONDS = 60,    /* how exactly the time of the last use is kept */
    STALE_SECONDS = 3600   /* after that a temporary file has been left behind */
};

typedef struct Header {
    char magic[8]; /* "qcc-obj" */
    uint64_t checksum;
    uint32_t version, header_size;
    uint64_t text_size, object_size;
    uint64_t reserved[3];
} Header;

static_assert(sizeof(Header) == ALIGNMENT, "the text follows the header, aligned");

static const char magic[8] = "qcc-obj";

struct QccCache {
    const char *folder; /* NULL: hooks */
    int dir;
    QccCacheHooks hooks;
    int64_t limit;
    QccReallocFn *realloc; /* for lists of the folder, which have no arena */
    void *realloc_user;
    atomic_uint serial;   /* of temporary files */
    pthread_mutex_t lock; /* held while the folder is counted and shrunk; guards total */
    int64_t total;        /* bytes of entries, as far as this process knows; -1: not counted yet */
};

/* ---- the folder ------------------------------------------------------------------------------ */

/* mkdir -p; what cannot be made shows when the folder is opened. */
static void make_folders(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    mkdir(path, 0700);
}

/* Where the folder is to be, or NULL with the reason. */
static char *folder_path(QccArena *arena, const QccContextOptions *options, const char **why)
{
    char *path = NULL;
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *why = "neither XDG_CACHE_HOME nor HOME names a folder";
    if (options->cache_dir)
        path = qcc_strdup(arena, options->cache_dir);
    else if (xdg && xdg[0] == '/') /* the XDG specification: a relative path is to be ignored */
        path = qcc_sprintf(arena, "%s/qcc", xdg);
    else if (home && home[0] == '/')
        path = qcc_sprintf(arena, "%s/.cache/qcc", home);
    if (!path) return NULL;
    *why = "its name is empty";
    /* A slash at the end would follow a link. */
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') path[--n] = '\0';
    return n ? path : NULL;
}

/* Opens the folder and checks that it is ours alone to write; -1 with the reason. */
static int open_folder(char *path, const char **why)
{
    make_folders(path);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (dir < 0)
        *why = errno == ENOTDIR || errno == ELOOP ? "it is a link or no folder" : strerror(errno);
    else if (fstat(dir, &st) != 0)
        *why = strerror(errno);
    else if (st.st_uid != geteuid())
        *why = "it belongs to another user";
    else if (st.st_mode & (S_IWGRP | S_IWOTH))
        *why = "others may write to it";
    else
        return dir;
    if (dir >= 0) close(dir);
    return -1;
}

static void close_cache(void *user)
{
    QccCache *cache = user;
    if (cache->dir >= 0) close(cache->dir);
    pthread_mutex_destroy(&cache->lock);
}

QccCache *qcc_cache_open(QccArena *arena, QccDiags *diags, const QccContextOptions *options)
{
    if (options->no_cache) return NULL;
    QccCache *cache = QCC_NEW(arena, QccCache);
    cache->dir = -1;
    cache->limit = options->cache_limit > 0 ? options->cache_limit : DEFAULT_LIMIT;
    cache->total = -1;
    cache->realloc = options->realloc;
    cache->realloc_user = options->realloc_user;
    cache->hooks = options->cache;
    pthread_mutex_init(&cache->lock, NULL);
    qcc_arena_defer(arena, close_cache, cache);
    if (cache->hooks.load) return cache;

    const char *why = "the process runs with another user's rights";
    char *path = getauxval(AT_SECURE) ? NULL : folder_path(arena, options, &why);
    if (path) cache->dir = open_folder(path, &why);
    cache->folder = path;
    if (cache->dir >= 0) return cache;
    /* Who named a folder wants to know that it is not used. */
    if (options->verbose_cache || options->cache_dir)
        qcc_note(diags, (QccLoc){.file = path}, "the kernel cache is not used: %s", why);
    return NULL;
}

/* ---- counting and shrinking ------------------------------------------------------------------ */

typedef struct Entry {
    char name[NAME_SIZE];
    struct timespec used;
    int64_t size;
} Entry;

typedef struct Listing {
    Entry *entry;
    size_t n, cap;
    int64_t bytes;
} Listing;

/* Characters of a name that are hexadecimal digits as we write them. */
static size_t digits(const char *name)
{
    return strspn(name, "0123456789abcdef");
}

static void *resize(QccCache *cache, void *p, size_t size)
{
    if (cache->realloc) return cache->realloc(cache->realloc_user, p, size);
    if (size) return realloc(p, size);
    free(p);
    return NULL;
}

static bool list_entry(QccCache *cache, Listing *list, const char *name, const struct stat *st)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 256;
        Entry *grown = resize(cache, list->entry, cap * sizeof *grown);
        if (!grown) return false;
        list->entry = grown;
        list->cap = cap;
    }
    Entry *e = &list->entry[list->n++];
    memcpy(e->name, name, NAME_SIZE);
    e->used = st->st_mtim;
    e->size = st->st_size;
    list->bytes += st->st_size;
    return true;
}

/* Lists the entries; removes temporary files that a process left behind. Looks only at names that
 * the cache gives: the folder may hold what is not ours. */
static bool list_folder(QccCache *cache, Listing *list)
{
    int fd = openat(cache->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return false;
    }
    time_t now = time(NULL);
    bool ok = true;
    for (struct dirent *d; ok && (d = readdir(dir));) {
        struct stat st;
        const char *rest = d->d_name + digits(d->d_name);
        if (rest - d->d_name != NAME_SIZE - 1 || (*rest && *rest != '.')) continue;
        if (fstatat(cache->dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (!S_ISREG(st.st_mode)) continue;
        if (!*rest)
            ok = list_entry(cache, list, d->d_name, &st);
        else if (now - st.st_mtime > STALE_SECONDS)
            unlinkat(cache->dir, d->d_name, 0);
    }
    closedir(dir);
    return ok;
}

static int oldest_first(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec) return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec) return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Removes entries, the least recently used first, until at most `bytes` are left. */
static bool shrink(QccCache *cache, int64_t bytes)
{
    Listing list = {0};
    bool ok = list_folder(cache, &list);
    if (ok && list.n) qsort(list.entry, list.n, sizeof *list.entry, oldest_first);
    for (size_t i = 0; ok && i < list.n && list.bytes > bytes; i++) {
        /* Another process may have been here first. */
        if (unlinkat(cache->dir, list.entry[i].name, 0) != 0 && errno != ENOENT)
            ok = false;
        else
            list.bytes -= list.entry[i].size;
    }
    cache->total = list.bytes;
    resize(cache, list.entry, 0);
    return ok;
}

void qcc_cache_measure(QccCache *cache, QccCacheInfo *info)
{
    *info = (QccCacheInfo){0};
    if (!cache) return;
    info->limit = cache->limit;
    info->folder = cache->folder;
    if (!cache->folder) return;
    Listing list = {0};
    pthread_mutex_lock(&cache->lock);
    list_folder(cache, &list);
    pthread_mutex_unlock(&cache->lock);
    info->entries = (int64_t)list.n;
    info->bytes = list.bytes;
    resize(cache, list.entry, 0);
}

QccStatus qcc_cache_shrink(QccCache *cache, int64_t bytes)
{
    if (!cache || !cache->folder) return QCC_OK;
    pthread_mutex_lock(&cache->lock);
    bool ok = shrink(cache, bytes);
    pthread_mutex_unlock(&cache->lock);
    return ok ? QCC_OK : QCC_ERROR_IO;
}

/* An entry of `size` bytes has come: keeps the folder below the limit. The folder is listed at the
 * first store, and then only when the limit is reached; an eighth of it is made free at once. */
static void account(QccCache *cache, int64_t size)
{
    pthread_mutex_lock(&cache->lock);
    if (cache->total < 0)
        shrink(cache, cache->limit);
    else
        cache->total += size;
    int64_t room = cache->limit - cache->limit / 8;
    if (cache->total > cache->limit) shrink(cache, room > size ? room : size);
    pthread_mutex_unlock(&cache->lock);
}

/* ---- entries --------------------------------------------------------------------------------- */

static void name_of(char name[NAME_SIZE], const char *text, size_t text_size)
{
    XXH128_hash_t h = XXH3_128bits(text, text_size);
    snprintf(name, NAME_SIZE, "%016llx%016llx", (unsigned long long)h.high64,
             (unsigned long long)h.low64);
}

static size_t padded(size_t n)
{
    return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static uint64_t checksum(const void *entry, size_t size)
{
    size_t from = offsetof(Header, version);
    return XXH3_64bits((const char *)entry + from, size - from);
}

/* The reason why these bytes are no entry for the text, or NULL. */
static const char *check_entry(const void *entry, size_t size, const char *text, size_t text_size)
{
    if (size < sizeof(Header)) return "a cache entry is too short";
    Header h;
    memcpy(&h, entry, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0) return "a cache entry is not of this program";
    if (h.version != VERSION || h.header_size != sizeof h)
        return "a cache entry is of another version";
    if (h.text_size > size || h.object_size > size ||
        sizeof h + padded(h.text_size) + h.object_size != size)
        return "a cache entry is truncated or too long";
    if (checksum(entry, size) != h.checksum) return "a cache entry is damaged";
    if (h.text_size != text_size || memcmp((const char *)entry + sizeof h, text, text_size) != 0)
        return "a cache entry of this name holds another kernel";
    return NULL;
}

static bool read_whole(int fd, void *bytes, size_t size)
{
    for (size_t n = 0; n < size;) {
        ssize_t got = read(fd, (char *)bytes + n, size - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        n += (size_t)got;
    }
    return true;
}

static bool write_whole(int fd, const void *bytes, size_t size)
{
    for (size_t n = 0; n < size;) {
        ssize_t put = write(fd, (const char *)bytes + n, size - n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        n += (size_t)put;
    }
    return true;
}

/* Makes the entry the most recently used one. */
static void touch(int fd, const struct stat *st)
{
    time_t age = time(NULL) - st->st_mtime;
    if (age > REUSE_SECONDS || age < 0) futimens(fd, NULL);
}

/* Reads a file of the folder; NULL: there is none, or *note says what is wrong with it. */
static void *read_file(QccCache *cache, QccArena *arena, const char *name, size_t *size,
                       const char **note)
{
    struct stat st, opened;
    if (fstatat(cache->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return NULL;
    *note = "a cache entry cannot be read";
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_ENTRY) return NULL;
    /* No file is open while memory is allocated, which may unwind. */
    *size = (size_t)st.st_size;
    void *bytes = qcc_alloc_aligned(arena, *size ? *size : 1, ALIGNMENT);
    int fd = openat(cache->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) *note = NULL; /* removed just now, to make room */
    if (fd < 0) return NULL;
    bool ok = fstat(fd, &opened) == 0 && S_ISREG(opened.st_mode);
    if (ok && (opened.st_uid != geteuid() || (opened.st_mode & (S_IWGRP | S_IWOTH)))) {
        *note = "a cache entry is not ours alone to write";
        ok = false;
    }
    /* It may have been replaced just now by another of the same kernel: then its size is equal. */
    ok = ok && opened.st_size == st.st_size && read_whole(fd, bytes, *size);
    if (ok) touch(fd, &opened);
    close(fd);
    return ok ? bytes : NULL;
}

static void *read_hook(QccCache *cache, QccArena *arena, const char *name, size_t *size,
                       const char **note)
{
    const QccCacheHooks *h = &cache->hooks;
    size_t wanted = 0;
    if (!h->load(h->user, name, NULL, &wanted)) return NULL;
    *note = "a cache entry cannot be read";
    if (wanted > MAX_ENTRY) return NULL;
    void *bytes = qcc_alloc_aligned(arena, wanted ? wanted : 1, ALIGNMENT);
    *size = wanted;
    if (!h->load(h->user, name, bytes, size) || *size > wanted) return NULL;
    return bytes;
}

bool qcc_cache_load(QccCache *cache, QccArena *arena, const char *text, size_t text_size,
                    const void **object, size_t *size, const char **note)
{
    *note = NULL;
    if (!cache) return false;
    char name[NAME_SIZE];
    name_of(name, text, text_size);
    size_t n = 0;
    const char *entry = cache->folder ? read_file(cache, arena, name, &n, note)
                                      : read_hook(cache, arena, name, &n, note);
    if (!entry) return false;
    *note = check_entry(entry, n, text, text_size);
    if (*note) return false;
    *object = entry + sizeof(Header) + padded(text_size);
    *size = n - sizeof(Header) - padded(text_size);
    return true;
}

/* Creates a temporary file with a name that no other thread or process has. */
static int create_temporary(QccCache *cache, const char *name, char *temporary, size_t size)
{
    for (int tries = 0; tries < 100; tries++) {
        snprintf(temporary, size, "%s.%ld.%u.tmp", name, (long)getpid(),
                 atomic_fetch_add(&cache->serial, 1));
        int fd = openat(cache->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        0600);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static void write_file(QccCache *cache, const char *name, const void *entry, size_t size)
{
    char temporary[NAME_SIZE + 64];
    int fd = create_temporary(cache, name, temporary, sizeof temporary);
    if (fd < 0) return;
    bool ok = write_whole(fd, entry, size);
    if (close(fd) != 0) ok = false;
    if (ok && renameat(cache->dir, temporary, cache->dir, name) == 0)
        account(cache, (int64_t)size);
    else
        unlinkat(cache->dir, temporary, 0);
}

void qcc_cache_store(QccCache *cache, QccArena *scratch, const char *text, size_t text_size,
                     const void *object, size_t size)
{
    if (!cache || (!cache->folder && !cache->hooks.store)) return;
    if (text_size > MAX_ENTRY || size > MAX_ENTRY) return;
    size_t whole = sizeof(Header) + padded(text_size) + size;
    if (whole > MAX_ENTRY || (int64_t)whole > cache->limit) return;
    Header h = {
        .version = VERSION, .header_size = sizeof h, .text_size = text_size, .object_size = size};
    memcpy(h.magic, magic, sizeof magic);
    char *entry = qcc_alloc(scratch, whole); /* zeroed: so is what lies between */
    memcpy(entry, &h, sizeof h);
    memcpy(entry + sizeof h, text, text_size);
    memcpy(entry + sizeof h + padded(text_size), object, size);
    h.checksum = checksum(entry, whole);
    memcpy(entry, &h, sizeof h);
    char name[NAME_SIZE];
    name_of(name, text, text_size);
    if (cache->folder)
        write_file(cache, name, entry, whole);
    else
        cache->hooks.store(cache->hooks.user, name, entry, whole);
}
