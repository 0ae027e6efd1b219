/* link - object code becomes callable: a small bounded loader of ELF64 relocatable objects. */
#define _GNU_SOURCE
#include "runtime/link.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_SECTIONS = 256, MAX_IMAGE = 64 << 20 };

typedef struct Object {
    const unsigned char *bytes;
    size_t size;
    const Elf64_Shdr *section;
    int nsection;
    size_t place[MAX_SECTIONS];  /* offset in the image; SIZE_MAX: not in it */
    size_t text_end, image_size; /* [0, text_end) is executable, the rest read-only */
    unsigned char *image;
    const char *error;
} Object;

typedef struct Mapping {
    void *start;
    size_t size;
} Mapping;

static void unmap(void *user)
{
    Mapping *m = user;
    munmap(m->start, m->size);
}

static bool fail(Object *o, const char *why)
{
    o->error = why;
    return false;
}

/* The bytes [offset, offset + size) of the object, or NULL. */
static const void *range(const Object *o, uint64_t offset, uint64_t size)
{
    if (offset > o->size || size > o->size - offset) return NULL;
    return o->bytes + offset;
}

static bool read_headers(Object *o)
{
    if (o->size < sizeof(Elf64_Ehdr)) return fail(o, "object is shorter than an ELF header");
    if ((uintptr_t)o->bytes % 8) return fail(o, "object is not aligned");
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)o->bytes;
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
        h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_type != ET_REL || h->e_machine != EM_X86_64)
        return fail(o, "object is not an x86-64 relocatable ELF file");
    if (h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shnum == 0 || h->e_shnum > MAX_SECTIONS ||
        h->e_shoff % 8)
        return fail(o, "object has an odd section table");
    o->section = range(o, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr));
    if (!o->section) return fail(o, "section table lies outside the object");
    o->nsection = h->e_shnum;
    for (int i = 0; i < o->nsection; i++) {
        const Elf64_Shdr *s = &o->section[i];
        if (s->sh_type == SHT_NULL || s->sh_type == SHT_NOBITS) continue;
        if (!range(o, s->sh_offset, s->sh_size)) return fail(o, "section lies outside the object");
        if ((s->sh_type == SHT_RELA || s->sh_type == SHT_SYMTAB) && s->sh_offset % 8)
            return fail(o, "table in the object is not aligned");
    }
    return true;
}

static bool is_loaded(const Elf64_Shdr *s)
{
    /* Unwind tables are of no use: kernels call nothing and throw nothing. */
    enum { SHT_X86_64_UNWIND_TABLE = 0x70000001 };
    return (s->sh_flags & SHF_ALLOC) && s->sh_size > 0 && s->sh_type != SHT_NULL &&
           s->sh_type != SHT_X86_64_UNWIND_TABLE;
}

/* Executable sections first, then, on pages of their own, the read-only ones. */
static bool lay_out(Object *o)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), at = 0;
    for (int i = 0; i < o->nsection; i++) o->place[i] = SIZE_MAX;
    for (int executable = 1; executable >= 0; executable--) {
        for (int i = 0; i < o->nsection; i++) {
            const Elf64_Shdr *s = &o->section[i];
            if (!is_loaded(s) || !!(s->sh_flags & SHF_EXECINSTR) != executable) continue;
            if (s->sh_flags & SHF_WRITE) return fail(o, "object has writable data");
            size_t align = s->sh_addralign ? s->sh_addralign : 1;
            if (align > page || (align & (align - 1))) return fail(o, "section's alignment is odd");
            if (s->sh_size > MAX_IMAGE) return fail(o, "object is too large");
            at = (at + align - 1) & ~(align - 1);
            o->place[i] = at;
            at += s->sh_size;
            if (at > MAX_IMAGE) return fail(o, "object is too large");
        }
        at = (at + page - 1) & ~(page - 1);
        if (executable) o->text_end = at;
    }
    o->image_size = at;
    return o->text_end > 0 || fail(o, "object has no code");
}

static const Elf64_Sym *symbols(const Object *o, uint32_t table, size_t *n)
{
    if (table >= (uint32_t)o->nsection || o->section[table].sh_type != SHT_SYMTAB) return NULL;
    *n = o->section[table].sh_size / sizeof(Elf64_Sym);
    return (const Elf64_Sym *)(o->bytes + o->section[table].sh_offset);
}

/* Where a symbol lies in the image; SIZE_MAX: nowhere. */
static size_t symbol_place(const Object *o, const Elf64_Sym *s)
{
    if (s->st_shndx >= o->nsection || o->place[s->st_shndx] == SIZE_MAX) return SIZE_MAX;
    if (s->st_value > o->section[s->st_shndx].sh_size) return SIZE_MAX;
    return o->place[s->st_shndx] + s->st_value;
}

static bool relocate_one(Object *o, const Elf64_Rela *r, const Elf64_Sym *symbol, size_t n,
                         int target)
{
    uint64_t index = ELF64_R_SYM(r->r_info), type = ELF64_R_TYPE(r->r_info);
    size_t width = type == R_X86_64_64 ? 8 : 4;
    if (index >= n) return fail(o, "relocation names no symbol");
    size_t to = symbol_place(o, &symbol[index]), limit = o->section[target].sh_size;
    if (to == SIZE_MAX) return fail(o, "object needs a symbol that it does not define");
    if (r->r_offset > limit || width > limit - r->r_offset)
        return fail(o, "relocation lies outside its section");
    unsigned char *where = o->image + o->place[target] + r->r_offset;
    uint64_t value = (uintptr_t)o->image + to + (uint64_t)r->r_addend;
    switch (type) {
    case R_X86_64_64: break;
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
        value -= (uintptr_t)where;
        if ((int64_t)value != (int32_t)value) return fail(o, "relocation is out of reach");
        break;
    default: return fail(o, "relocation of an unknown kind");
    }
    memcpy(where, &value, width);
    return true;
}

static bool relocate(Object *o)
{
    for (int i = 0; i < o->nsection; i++) {
        const Elf64_Shdr *s = &o->section[i];
        if (s->sh_type != SHT_RELA && s->sh_type != SHT_REL) continue;
        if (s->sh_info >= (uint32_t)o->nsection || o->place[s->sh_info] == SIZE_MAX) continue;
        if (s->sh_type == SHT_REL) return fail(o, "relocation of an unknown kind");
        size_t n = 0;
        const Elf64_Sym *symbol = symbols(o, s->sh_link, &n);
        if (!symbol) return fail(o, "relocations without a symbol table");
        const Elf64_Rela *r = (const Elf64_Rela *)(o->bytes + s->sh_offset);
        for (size_t k = 0; k < s->sh_size / sizeof *r; k++)
            if (!relocate_one(o, &r[k], symbol, n, (int)s->sh_info)) return false;
    }
    return true;
}

static void *find(Object *o, const char *name)
{
    for (int i = 0; i < o->nsection; i++) {
        size_t n = 0;
        const Elf64_Sym *symbol = symbols(o, (uint32_t)i, &n);
        if (!symbol || o->section[i].sh_link >= (uint32_t)o->nsection) continue;
        const Elf64_Shdr *names = &o->section[o->section[i].sh_link];
        if (names->sh_type != SHT_STRTAB) continue;
        size_t length = strlen(name) + 1;
        for (size_t k = 0; k < n; k++) {
            size_t place = symbol_place(o, &symbol[k]);
            if (place >= o->text_end || ELF64_ST_TYPE(symbol[k].st_info) != STT_FUNC) continue;
            if (symbol[k].st_name >= names->sh_size || names->sh_size - symbol[k].st_name < length)
                continue;
            if (memcmp(o->bytes + names->sh_offset + symbol[k].st_name, name, length) == 0)
                return o->image + place;
        }
    }
    return NULL;
}

static bool load(Object *o, QccArena *arena)
{
    if (!read_headers(o) || !lay_out(o)) return false;
    Mapping *m = QCC_NEW(arena, Mapping);
    m->size = o->image_size;
    m->start = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->start == MAP_FAILED) return fail(o, "no memory for code");
    qcc_arena_defer(arena, unmap, m);
    o->image = m->start;
    for (int i = 0; i < o->nsection; i++)
        if (o->place[i] != SIZE_MAX && o->section[i].sh_type != SHT_NOBITS)
            memcpy(o->image + o->place[i], o->bytes + o->section[i].sh_offset,
                   o->section[i].sh_size);
    if (!relocate(o)) return false;
    size_t data = o->image_size - o->text_end;
    if (mprotect(o->image, o->text_end, PROT_READ | PROT_EXEC) != 0 ||
        (data && mprotect(o->image + o->text_end, data, PROT_READ) != 0))
        return fail(o, "the system does not let this process make code");
    return true;
}

QccStatus qcc_link_object(void **address, QccArena *arena, const void *object, size_t size,
                          const char *symbol, const char **error)
{
    Object o = {.bytes = object, .size = size};
    *address = NULL;
    if (load(&o, arena)) {
        *address = find(&o, symbol);
        if (!*address) o.error = "object does not define the kernel";
    }
    *error = o.error;
    return *address ? QCC_OK : QCC_ERROR_INPUT;
}
