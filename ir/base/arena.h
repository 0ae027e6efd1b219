/* arena - memory and other resources by lifetime.
 *
 * An arena is filled during one phase (a context's life, a graph's life, one pass) and freed as a
 * whole. Allocation never returns NULL: when the host's allocator fails, control unwinds to the
 * edge of the public API (qcc_mem_protect), which reports QCC_ERROR_MEMORY. Files, mappings and
 * handles are tied to an arena with qcc_arena_defer, so that the unwinding leaks nothing.
 */
#ifndef QCC_IR_BASE_ARENA_H
#define QCC_IR_BASE_ARENA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

/* The host's allocator: realloc(ptr, new_size) semantics; size 0 frees. May be called from any
 * thread. NULL in QccMem means the C library's. */
typedef void *QccReallocFn(void *user, void *ptr, size_t size);

/* Where memory comes from, and where to go when there is none. One per thread of control. */
typedef struct QccMem {
    QccReallocFn *realloc; /* NULL: the C library */
    void *user;
    jmp_buf *edge; /* innermost qcc_mem_protect; never NULL while an arena allocates */
} QccMem;

typedef struct QccArena QccArena;

/* Runs fn(user) and returns true; returns false when memory ran out inside. Nests. */
bool qcc_mem_protect(QccMem *mem, void (*fn)(void *user), void *user);

/* Creates an arena; NULL when memory ran out (the only function here that says so). `mem` is
 * borrowed for the arena's life. */
QccArena *qcc_arena_new(QccMem *mem);

/* An arena that is freed with its parent at the latest; freed before, it is gone from there. For
 * scratch memory inside what may unwind. Never NULL. */
QccArena *qcc_arena_sub(QccArena *parent);

/* Frees the arenas below it, runs the deferred functions, newest first, and frees everything. NULL
 * is allowed. */
void qcc_arena_free(QccArena *arena);

/* `size` zeroed bytes, aligned to 16 (to 64 from 4096 bytes on). */
void *qcc_alloc(QccArena *arena, size_t size);

/* n * size zeroed bytes; an overflowing product counts as out of memory. */
void *qcc_alloc_array(QccArena *arena, int64_t n, size_t size);

/* Like qcc_alloc with an alignment (a power of two). */
void *qcc_alloc_aligned(QccArena *arena, size_t size, size_t alignment);

/* `size` zeroed bytes for large data that lives long: from 2 MiB on aligned to it, in pages of that
 * size where the system offers such; else aligned to 64. */
void *qcc_alloc_pages(QccArena *arena, size_t size);

#define QCC_NEW(arena, T)          ((T *)qcc_alloc((arena), sizeof(T)))
#define QCC_NEW_ARRAY(arena, n, T) ((T *)qcc_alloc_array((arena), (n), sizeof(T)))

/* Makes room for item n of an array of *cap items of `size` bytes and returns the array (moved or
 * not; what it held stays). Use: v = qcc_grow(arena, v, n, &cap, sizeof *v); v[n++] = x; */
void *qcc_grow(QccArena *arena, void *items, int64_t n, int64_t *cap, size_t size);

char *qcc_strdup(QccArena *arena, const char *s);
char *qcc_strndup(QccArena *arena, const char *s, size_t n);

#if defined(__GNUC__)
#define QCC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define QCC_PRINTF(fmt, first)
#endif

char *qcc_sprintf(QccArena *arena, const char *fmt, ...) QCC_PRINTF(2, 3);
char *qcc_vsprintf(QccArena *arena, const char *fmt, va_list args) QCC_PRINTF(2, 0);

/* Calls fn(user) when the arena is freed. */
void qcc_arena_defer(QccArena *arena, void (*fn)(void *user), void *user);

/* Bytes held, for statistics. */
size_t qcc_arena_size(const QccArena *arena);

/* Checked arithmetic for numbers that come from files: false on overflow or negative operands. */
bool qcc_mul_i64(int64_t *out, int64_t a, int64_t b);
bool qcc_add_i64(int64_t *out, int64_t a, int64_t b);

#pragma GCC visibility pop

#endif
