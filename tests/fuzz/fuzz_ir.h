/* fuzz_ir - a context for fuzz targets; all memory through an allocator with a limit. */
#ifndef QCC_TESTS_FUZZ_IR_H
#define QCC_TESTS_FUZZ_IR_H

#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

/* Small files have no reason to ask for more at once: an image may have 64 million pixels, a
 * ConstantOfShape 256 MiB. */
#define FUZZ_BLOCK_MAX (((size_t)1 << 28) + 4096)

typedef struct FuzzIr {
    QccMem mem;
    QccIr *ir;
    QccArena *arena;
    const uint8_t *data;
    size_t size;
    int errors; /* diagnostics that are errors */
    void (*fn)(struct FuzzIr *f);
} FuzzIr;

static inline void *fuzz_realloc(void *user, void *p, size_t size)
{
    (void)user;
    if (!size) {
        free(p);
        return NULL;
    }
    if (size > FUZZ_BLOCK_MAX) abort(); /* by a number that nobody checked */
    return realloc(p, size);
}

static inline void fuzz_diagnostic(void *user, const QccDiagnostic *d)
{
    FuzzIr *f = user;
    if (!d->message || !d->message[0]) abort();
    if (d->severity == QCC_ERROR && !d->file) abort();
    f->errors += d->severity == QCC_ERROR;
}

static inline void fuzz_call(void *user)
{
    FuzzIr *f = user;
    f->fn(f);
}

static inline int fuzz_with_ir(void (*fn)(FuzzIr *f), const uint8_t *data, size_t size)
{
    FuzzIr f = {.mem = {.realloc = fuzz_realloc}, .data = data, .size = size, .fn = fn};
    f.ir = qcc_ir_new(&f.mem, fuzz_diagnostic, &f);
    f.arena = f.ir ? qcc_arena_new(&f.mem) : NULL;
    if (f.arena && !qcc_mem_protect(&f.mem, fuzz_call, &f)) abort();
    qcc_arena_free(f.arena);
    qcc_ir_free(f.ir);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
