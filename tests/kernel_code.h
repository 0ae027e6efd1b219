/* kernel_code - for tests and benchmarks of kernels: the LLVM module, and code made callable. */
#ifndef QCC_TESTS_KERNEL_CODE_H
#define QCC_TESTS_KERNEL_CODE_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/codegen.h"
#include "runtime/link.h"

/* The module that QCC_LLVM_MODULE names; NULL (with a line saying so) when it is not there. */
static inline const QccCodegen *open_codegen(void)
{
    const char *path = getenv("QCC_LLVM_MODULE");
    void *handle = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!handle) {
        printf("skipped: no LLVM module (%s)\n", path ? dlerror() : "QCC_LLVM_MODULE is not set");
        return NULL;
    }
    QccCodegenQueryFn *query;
    void *symbol = dlsym(handle, QCC_CODEGEN_SYMBOL);
    memcpy(&query, &symbol, sizeof query); /* POSIX's way from an object pointer to a function */
    return symbol ? query(QCC_CODEGEN_ABI) : NULL;
}

/* QCC_TARGET in the environment names the only bundle that is of interest. */
static inline bool target_is_wanted(const QccTarget *t)
{
    const char *only = getenv("QCC_TARGET");
    return !only || strcmp(only, t->name) == 0;
}

/* Maps an object's kernel, which lives as long as the arena. NULL: *error says why not. */
static QccKernelFn *link_kernel(QccArena *arena, const void *object, size_t size,
                                const char **error)
{
    void *address = NULL;
    QccKernelFn *fn = NULL;
    qcc_link_object(&address, arena, object, size, QCC_KERNEL_SYMBOL, error);
    memcpy(&fn, &address, sizeof fn);
    return fn;
}

/* Compiles and maps a kernel. */
static inline QccKernelFn *compile_kernel(const QccCodegen *codegen, const QccKernel *k,
                                          const QccTarget *target, QccArena *arena, size_t *size,
                                          const char **error)
{
    const void *object;
    if (codegen->compile(k, target, arena, &object, size, error, NULL) != QCC_OK) return NULL;
    return link_kernel(arena, object, *size, error);
}

#endif
