/* kernel_code - for tests and benchmarks of kernels: the LLVM module, and a loader of its objects.
 *
 * The loader trusts the object: it maps the sections that occupy memory, applies the relocations of
 * x86-64 and refuses symbols that the object does not define, so that it is also a check that
 * kernels call nothing.
 */
#ifndef QCC_TESTS_KERNEL_CODE_H
#define QCC_TESTS_KERNEL_CODE_H

#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/codegen.h"

enum { CODE_SECTIONS = 64 };

typedef struct Code {
    QccKernelFn *run;
    void *base;
    size_t size;
} Code;

/* The module that QCC_LLVM_MODULE names; NULL (with a line saying so) when it is not there. */
static const QccCodegen *code_module(void)
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

static const char *code_relocate(unsigned char *at, const Elf64_Rela *r,
                                 const unsigned char *target)
{
    int64_t value = (int64_t)(intptr_t)target + r->r_addend;
    int32_t relative = (int32_t)(value - (int64_t)(intptr_t)at);
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_X86_64_PC32:
    case R_X86_64_PLT32: memcpy(at, &relative, 4); return NULL;
    case R_X86_64_64: memcpy(at, &value, 8); return NULL;
    default: return "a relocation of unknown type";
    }
}

/* Maps the object and returns NULL, or what is wrong with it. */
static const char *code_load(Code *code, const void *object, size_t size)
{
    const unsigned char *o = object;
    const Elf64_Ehdr *h = object;
    const Elf64_Shdr *s = (const void *)(o + h->e_shoff);
    size_t offset[CODE_SECTIONS] = {0}, total = 0;
    if (size < sizeof *h || h->e_shnum > CODE_SECTIONS) return "too many sections";
    for (int i = 0; i < h->e_shnum; i++) {
        if (!(s[i].sh_flags & SHF_ALLOC)) continue;
        size_t align = s[i].sh_addralign ? s[i].sh_addralign : 1;
        total = (total + align - 1) / align * align;
        offset[i] = total;
        total += s[i].sh_size;
    }
    unsigned char *m =
        mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED) return "no memory";
    *code = (Code){.base = m, .size = total};
    for (int i = 0; i < h->e_shnum; i++)
        if ((s[i].sh_flags & SHF_ALLOC) && s[i].sh_type != SHT_NOBITS)
            memcpy(m + offset[i], o + s[i].sh_offset, s[i].sh_size);
    for (int i = 0; i < h->e_shnum; i++) {
        const Elf64_Sym *symbols = (const void *)(o + s[s[i].sh_link].sh_offset);
        if (s[i].sh_type == SHT_SYMTAB) {
            const Elf64_Sym *y = (const void *)(o + s[i].sh_offset);
            const char *names = (const char *)(o + s[s[i].sh_link].sh_offset);
            for (size_t n = 1; n < s[i].sh_size / sizeof *y; n++) {
                if (y[n].st_shndx == SHN_UNDEF) return names + y[n].st_name;
                if (strcmp(names + y[n].st_name, QCC_KERNEL_SYMBOL) != 0) continue;
                void *at = m + offset[y[n].st_shndx] + y[n].st_value;
                memcpy(&code->run, &at, sizeof at);
            }
        }
        if (s[i].sh_type != SHT_RELA || !(s[s[i].sh_info].sh_flags & SHF_ALLOC)) continue;
        const Elf64_Rela *r = (const void *)(o + s[i].sh_offset);
        for (size_t n = 0; n < s[i].sh_size / sizeof *r; n++) {
            const Elf64_Sym *y = &symbols[ELF64_R_SYM(r[n].r_info)];
            const char *bad = code_relocate(m + offset[s[i].sh_info] + r[n].r_offset, &r[n],
                                            m + offset[y->st_shndx] + y->st_value);
            if (bad) return bad;
        }
    }
    if (!code->run) return "no " QCC_KERNEL_SYMBOL;
    return mprotect(m, total, PROT_READ | PROT_EXEC) == 0 ? NULL : "mprotect failed";
}

static void code_unload(Code *code)
{
    if (code->base) munmap(code->base, code->size);
    *code = (Code){0};
}

#endif
