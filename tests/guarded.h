/* guarded - memory for tests of kernels: right before a page that may not be touched, and with one
 * in front; what is left of its pages is poisoned, so that stray writes are seen as well. */
#ifndef QCC_TESTS_GUARDED_H
#define QCC_TESTS_GUARDED_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { POISON = 0xa5 };

typedef struct Guarded {
    char *map;
    size_t mapped, page;
    char *data;
    size_t bytes; /* without slack */
} Guarded;

/* `slack` bytes behind the data may be read; alignment is a power of two up to a page. */
static Guarded guarded_new(size_t bytes, size_t slack, size_t alignment)
{
    Guarded g = {.page = (size_t)sysconf(_SC_PAGESIZE), .bytes = bytes};
    size_t room = (bytes + alignment - 1) / alignment * alignment + slack;
    size_t inner = (room + g.page) / g.page * g.page;
    g.mapped = inner + 2 * g.page;
    void *map;
    if (posix_memalign(&map, g.page, g.mapped) != 0) abort();
    g.map = map;
    memset(g.map, POISON, g.mapped);
    if (mprotect(g.map, g.page, PROT_NONE) != 0) abort();
    if (mprotect(g.map + g.page + inner, g.page, PROT_NONE) != 0) abort();
    g.data = g.map + g.page + inner - room;
    return g;
}

static bool guarded_is_intact(const Guarded *g)
{
    const char *end = g->map + g->mapped - g->page;
    for (const char *p = g->map + g->page; p < end; p++) {
        if (p == g->data) p += g->bytes;
        if (p < end && (unsigned char)*p != POISON) return false;
    }
    return true;
}

static void guarded_free(Guarded *g)
{
    if (mprotect(g->map, g->mapped, PROT_READ | PROT_WRITE) != 0) abort();
    free(g->map);
}

#endif
