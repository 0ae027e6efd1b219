/* codegen - the interface of the LLVM module: kernel description -> object code.
 *
 * The module is a shared library that exports qcc_codegen_query and is opened when a kernel is in
 * no cache. It is the only code that sees LLVM.
 */
#ifndef QCC_BACKEND_CODEGEN_H
#define QCC_BACKEND_CODEGEN_H

#include "backend/target.h"

/* Part of every cache key: raise it when the same kernel text gives other code. */
enum { QCC_CODEGEN_ABI = 2, QCC_EMITTER_VERSION = 17 };

/* Receives text or bytes of a dump. */
typedef struct QccCodegenDump {
    const char *ir; /* textual LLVM IR */
    const char *assembly;
} QccCodegenDump;

typedef struct QccCodegen {
    uint32_t abi;
    const char *llvm_version; /* "19.1.7" */
    /* Compiles one kernel to an x86-64 ELF relocatable object that exports QCC_KERNEL_SYMBOL and
     * needs no other symbol. Thread-safe: every call has its own LLVM context. The object is
     * allocated in `arena`. On failure *error is a message in the arena. dump may be NULL. */
    QccStatus (*compile)(const QccKernel *kernel, const QccTarget *target, QccArena *arena,
                         const void **object, size_t *size, const char **error,
                         QccCodegenDump *dump);
    /* Makes such an object callable by LLVM's own linker, for what that of the runtime does not
     * take (runtime/link.h): names that it does not define are looked up in the process. The code
     * lives as long as the arena. On failure *address is NULL and *error a message in the arena.
     * Any thread, one arena a thread. */
    QccStatus (*link)(void **address, QccArena *arena, const void *object, size_t size,
                      const char *symbol, const char **error);
} QccCodegen;

typedef const QccCodegen *QccCodegenQueryFn(uint32_t host_abi);
#define QCC_CODEGEN_SYMBOL "qcc_codegen_query"

#endif
