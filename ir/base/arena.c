/* arena - memory by lifetime: chunks in a list, unwinding to the edge when there is no more. */
#define _DEFAULT_SOURCE /* madvise */
#include "ir/base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Under AddressSanitizer every allocation is a block of its own, so that it sees each overrun. */
#if defined(__SANITIZE_ADDRESS__)
enum { OWN_BLOCKS = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { OWN_BLOCKS = 1 };
#else
enum { OWN_BLOCKS = 0 };
#endif
#else
enum { OWN_BLOCKS = 0 };
#endif

enum {
    ALIGN = 16,
    ALIGN_BIG = 64,
    BIG = 4096, /* from here on allocations are aligned to ALIGN_BIG */
    CHUNK_FIRST = 4096,
    CHUNK_MAX = 1 << 18,
    OWN = 1 << 16 /* from here on an allocation has a chunk of its own, which can be given back */
};

typedef struct Chunk {
    struct Chunk *prev, *next;
    size_t size; /* bytes, this header included */
} Chunk;

typedef struct Deferred {
    struct Deferred *next;
    void (*fn)(void *user);
    void *user;
} Deferred;

struct QccArena {
    QccMem *mem;
    Chunk *chunks;    /* newest first */
    char *at, *end;   /* what is free of the chunk that is being filled */
    size_t next_size; /* of the next chunk */
    size_t size;      /* bytes held */
    Deferred *deferred;
    QccArena *parent, *sub;  /* sub: the newest one below */
    QccArena *older, *newer; /* others of the same parent */
};

/* ---- the host's allocator ------------------------------------------------------------------- */

/* Zeroed bytes, or NULL. */
static void *host_alloc(const QccMem *mem, size_t size)
{
    if (!mem->realloc) return calloc(1, size);
    void *p = mem->realloc(mem->user, NULL, size);
    if (p) memset(p, 0, size);
    return p;
}

static void host_free(const QccMem *mem, void *p)
{
    if (mem->realloc) {
        mem->realloc(mem->user, p, 0);
    } else {
        free(p);
    }
}

bool qcc_mem_protect(QccMem *mem, void (*fn)(void *user), void *user)
{
    jmp_buf here;
    jmp_buf *volatile outer = mem->edge;
    volatile bool whole = false;
    if (!setjmp(here)) {
        mem->edge = &here;
        fn(user);
        whole = true;
    }
    mem->edge = outer;
    return whole;
}

static _Noreturn void out_of_memory(const QccMem *mem)
{
    /* Allocating outside of qcc_mem_protect is our bug, and there is nowhere to go. */
    if (!mem->edge) abort();
    longjmp(*mem->edge, 1);
}

/* ---- arenas --------------------------------------------------------------------------------- */

QccArena *qcc_arena_new(QccMem *mem)
{
    QccArena *arena = host_alloc(mem, sizeof *arena);
    if (!arena) return NULL;
    arena->mem = mem;
    arena->next_size = CHUNK_FIRST;
    arena->size = sizeof *arena;
    return arena;
}

QccArena *qcc_arena_sub(QccArena *parent)
{
    QccArena *arena = qcc_arena_new(parent->mem);
    if (!arena) out_of_memory(parent->mem);
    arena->parent = parent;
    arena->older = parent->sub;
    if (arena->older) arena->older->newer = arena;
    parent->sub = arena;
    return arena;
}

static void leave_parent(QccArena *arena)
{
    if (arena->older) arena->older->newer = arena->newer;
    if (arena->newer) {
        arena->newer->older = arena->older;
    } else if (arena->parent) {
        arena->parent->sub = arena->older;
    }
}

/* Frees an arena that its parent knows no more, or that goes with its parent. */
static void destroy(QccArena *arena)
{
    for (QccArena *sub = arena->sub, *older; sub; sub = older) {
        older = sub->older;
        destroy(sub);
    }
    for (Deferred *d = arena->deferred; d; d = d->next) d->fn(d->user);
    const QccMem *mem = arena->mem;
    for (Chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        host_free(mem, c);
    }
    host_free(mem, arena);
}

void qcc_arena_free(QccArena *arena)
{
    if (!arena) return;
    leave_parent(arena);
    destroy(arena);
}

/* A chunk for `room` bytes beside its header, or NULL. */
static Chunk *new_chunk(QccArena *arena, size_t room)
{
    if (room > PTRDIFF_MAX - sizeof(Chunk)) return NULL;
    size_t size = sizeof(Chunk) + room;
    Chunk *c = host_alloc(arena->mem, size);
    if (!c) return NULL;
    c->size = size;
    c->next = arena->chunks;
    if (c->next) c->next->prev = c;
    arena->chunks = c;
    arena->size += size;
    return c;
}

static void free_chunk(QccArena *arena, Chunk *c)
{
    if (c->next) c->next->prev = c->prev;
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        arena->chunks = c->next;
    }
    arena->size -= c->size;
    host_free(arena->mem, c);
}

static char *align_up(char *p, size_t alignment)
{
    size_t rest = (uintptr_t)p & (alignment - 1);
    return rest ? p + (alignment - rest) : p;
}

static bool is_own(size_t size)
{
    return OWN_BLOCKS || size >= OWN;
}

/* A chunk of its own has its address in front of the bytes, see give_back. */
static void *alloc_own(QccArena *arena, size_t size, size_t alignment)
{
    if (size > PTRDIFF_MAX - alignment - sizeof(Chunk *)) return NULL;
    Chunk *c = new_chunk(arena, size + alignment + sizeof(Chunk *));
    if (!c) return NULL;
    /* Where the sanitizer watches, the end of the bytes is the end of the block. */
    char *p = align_up((char *)(c + 1) + sizeof(Chunk *), alignment);
    if (OWN_BLOCKS) {
        p = (char *)c + c->size - size;
        p -= (uintptr_t)p & (alignment - 1);
    }
    memcpy(p - sizeof(Chunk *), &c, sizeof(Chunk *));
    return p;
}

static void give_back(QccArena *arena, void *p, size_t size)
{
    if (!p || !is_own(size)) return;
    Chunk *c;
    memcpy(&c, (char *)p - sizeof(Chunk *), sizeof(Chunk *));
    free_chunk(arena, c);
}

static void *try_alloc(QccArena *arena, size_t size, size_t alignment)
{
    assert(alignment && !(alignment & (alignment - 1)));
    if (is_own(size)) return alloc_own(arena, size, alignment);

    char *p = arena->at ? align_up(arena->at, alignment) : NULL;
    if (!p || p > arena->end || (size_t)(arena->end - p) < size) {
        size_t room = size + alignment;
        if (room < arena->next_size) room = arena->next_size;
        Chunk *c = new_chunk(arena, room);
        if (!c) return NULL;
        if (arena->next_size < CHUNK_MAX) arena->next_size *= 2;
        arena->end = (char *)c + c->size;
        p = align_up((char *)(c + 1), alignment);
    }
    arena->at = p + size;
    return p;
}

void *qcc_alloc_aligned(QccArena *arena, size_t size, size_t alignment)
{
    void *p = try_alloc(arena, size, alignment);
    if (!p) out_of_memory(arena->mem);
    return p;
}

void *qcc_alloc_pages(QccArena *arena, size_t size)
{
    const size_t page = (size_t)2 << 20;
    void *p = qcc_alloc_aligned(arena, size, size < page ? ALIGN_BIG : page);
#ifdef MADV_HUGEPAGE
    if (size >= page)
        madvise(p, size & ~(page - 1), MADV_HUGEPAGE); /* a wish: small pages do as well */
#endif
    return p;
}

void *qcc_alloc(QccArena *arena, size_t size)
{
    return qcc_alloc_aligned(arena, size, size >= BIG ? ALIGN_BIG : ALIGN);
}

void *qcc_alloc_array(QccArena *arena, int64_t n, size_t size)
{
    if (n < 0 || (size && (uint64_t)n > (uint64_t)PTRDIFF_MAX / size)) out_of_memory(arena->mem);
    return qcc_alloc(arena, (size_t)n * size);
}

void *qcc_grow(QccArena *arena, void *items, int64_t n, int64_t *cap, size_t size)
{
    if (n < *cap) return items;
    int64_t want = *cap > INT64_MAX / 2 ? INT64_MAX : *cap * 2;
    if (want < 8) want = 8;
    if (want <= n) want = n < INT64_MAX ? n + 1 : n;
    void *grown = qcc_alloc_array(arena, want, size);
    size_t held = (size_t)*cap * size;
    if (held) memcpy(grown, items, held);
    give_back(arena, items, held);
    *cap = want;
    return grown;
}

char *qcc_strndup(QccArena *arena, const char *s, size_t n)
{
    if (n > PTRDIFF_MAX - 1) out_of_memory(arena->mem);
    char *copy = qcc_alloc(arena, n + 1);
    if (n) memcpy(copy, s, n);
    return copy;
}

char *qcc_strdup(QccArena *arena, const char *s)
{
    return qcc_strndup(arena, s, strlen(s));
}

char *qcc_vsprintf(QccArena *arena, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) out_of_memory(arena->mem);
    char *s = qcc_alloc(arena, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, args);
    return s;
}

char *qcc_sprintf(QccArena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *s = qcc_vsprintf(arena, fmt, args);
    va_end(args);
    return s;
}

void qcc_arena_defer(QccArena *arena, void (*fn)(void *user), void *user)
{
    Deferred *d = try_alloc(arena, sizeof *d, ALIGN);
    if (!d) {
        fn(user); /* or the resource would leak */
        out_of_memory(arena->mem);
    }
    *d = (Deferred){.next = arena->deferred, .fn = fn, .user = user};
    arena->deferred = d;
}

size_t qcc_arena_size(const QccArena *arena)
{
    return arena->size;
}

bool qcc_mul_i64(int64_t *out, int64_t a, int64_t b)
{
    if (a < 0 || b < 0 || (a && b > INT64_MAX / a)) return false;
    *out = a * b;
    return true;
}

bool qcc_add_i64(int64_t *out, int64_t a, int64_t b)
{
    if (a < 0 || b < 0 || b > INT64_MAX - a) return false;
    *out = a + b;
    return true;
}
