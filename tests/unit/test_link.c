/* test_link - object code becomes callable: by our loader, over objects that the host's C compiler
 * made, and by LLVM's linker where that is there. */
#define _GNU_SOURCE
#include <check.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/context.h"
#include "runtime/link.h"
#include "tests/kernel_code.h"

/* What it computes is known without it: 10 * the i-th prime, and a sum with a float constant. */
static const char kernel_source[] =
    "static const int primes[8] = {2, 3, 5, 7, 11, 13, 17, 19};\n"
    "static int times(int a, int b);\n"
    "int pick(int i) { return times(primes[i & 7], 10); }\n"
    "double third(double x) { return x + 0.3; }\n"
    "static __attribute__((noinline)) int times(int a, int b) { return a * b; }\n";

typedef struct Bytes {
    unsigned char *data; /* malloc: of the exact size, so that a sanitizer sees what is beyond */
    size_t size;
} Bytes;

static char folder[] = "/tmp/qcc-link-XXXXXX";

/* Compiles C to an object; data NULL: the compiler refuses. */
static Bytes compile(const char *source, const char *flags)
{
    char path[64], command[512];
    const char *cc = getenv("CC");
    snprintf(path, sizeof path, "%s/k.c", folder);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(source, f);
    fclose(f);
    snprintf(command, sizeof command, "cd %s && %s -O1 %s -fno-stack-protector -c k.c -o k.o",
             folder, cc && *cc ? cc : "cc", flags);
    Bytes b = {0};
    if (system(command) != 0) return b;
    snprintf(path, sizeof path, "%s/k.o", folder);
    f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    fseek(f, 0, SEEK_END);
    b.size = (size_t)ftell(f);
    rewind(f);
    b.data = malloc(b.size);
    ck_assert_uint_eq(fread(b.data, 1, b.size, f), b.size);
    fclose(f);
    return b;
}

static QccMem mem;

static void *link_in(QccArena *arena, const void *object, size_t size, const char *symbol,
                     const char **error)
{
    void *address = &mem;
    *error = NULL;
    QccStatus status = qcc_link_object(&address, arena, object, size, symbol, error);
    ck_assert((status == QCC_OK) == (address != NULL));
    ck_assert((status == QCC_OK) == (*error == NULL));
    return address;
}

/* The reason for which an object is refused. */
static const char *refusal(Bytes b, const char *symbol)
{
    const char *error;
    QccArena *arena = qcc_arena_new(&mem);
    ck_assert_ptr_null(link_in(arena, b.data, b.size, symbol, &error));
    qcc_arena_free(arena);
    free(b.data);
    return error;
}

/* The permissions of the page that holds an address, as in /proc/self/maps. */
static void permissions(char perm[5], const void *address)
{
    FILE *f = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(f);
    char line[512];
    strcpy(perm, "none");
    while (fgets(line, sizeof line, f)) {
        uintptr_t from, to;
        char p[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, p) != 3) continue;
        if ((uintptr_t)address >= from && (uintptr_t)address < to) strcpy(perm, p);
    }
    fclose(f);
}

START_TEST(code_with_constants_runs)
{
    Bytes b = compile(kernel_source, "");
    ck_assert_ptr_nonnull(b.data);
    const char *error;
    QccArena *arena = qcc_arena_new(&mem);
    int (*pick)(int);
    double (*third)(double);
    *(void **)&pick = link_in(arena, b.data, b.size, "pick", &error);
    *(void **)&third = link_in(arena, b.data, b.size, "third", &error);
    ck_assert(pick && third);
    char perm[5];
    permissions(perm, *(void **)&pick);
    ck_assert_str_eq(perm, "r-xp");
    free(b.data); /* nothing of the object is needed any more */
    static const int expect[8] = {20, 30, 50, 70, 110, 130, 170, 190};
    for (int i = 0; i < 8; i++) ck_assert_int_eq(pick(i), expect[i]);
    ck_assert(third(1.0) == 1.3);
    qcc_arena_free(arena);
    permissions(perm, *(void **)&pick);
    ck_assert_str_eq(perm, "none");
}
END_TEST

START_TEST(names_that_are_not_there)
{
    static const char *const names[] = {"pic", "pick_", "primes", "", "k.c"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *error = refusal(compile(kernel_source, ""), names[i]);
        ck_assert_str_eq(error, "object does not define the kernel");
    }
}
END_TEST

START_TEST(what_the_loader_does_not_take)
{
    static const struct {
        const char *source, *flags, *error;
    } cases[] = {
        {"extern int other(int); int pick(int i) { return other(i) + 1; }", "",
         "object needs a symbol that it does not define"},
        {"int counter; int pick(int i) { return counter += i; }", "", "object has writable data"},
        {"static const int t[4] = {1, 2, 3, 4}; int pick(int i) { return t[i & 3]; }",
         "-fno-pic -fno-pie -mcmodel=small", "relocation of an unknown kind"},
        {"typedef int nothing;", "", "object has no code"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes b = compile(cases[i].source, cases[i].flags);
        ck_assert_ptr_nonnull(b.data);
        ck_assert_str_eq(refusal(b, "pick"), cases[i].error);
    }
}
END_TEST

/* Every relocation of the object gets a type that is on no list. */
START_TEST(unknown_relocations_are_refused)
{
    Bytes b = compile(kernel_source, "");
    ck_assert_ptr_nonnull(b.data);
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)b.data;
    const Elf64_Shdr *s = (const Elf64_Shdr *)(b.data + h->e_shoff);
    int changed = 0;
    for (int i = 0; i < h->e_shnum; i++) {
        if (s[i].sh_type != SHT_RELA) continue;
        Elf64_Rela *r = (Elf64_Rela *)(b.data + s[i].sh_offset);
        for (size_t k = 0; k < s[i].sh_size / sizeof *r; k++, changed++)
            r[k].r_info = ELF64_R_INFO(ELF64_R_SYM(r[k].r_info), R_X86_64_TPOFF64);
    }
    ck_assert_int_gt(changed, 0);
    ck_assert_str_eq(refusal(b, "pick"), "relocation of an unknown kind");
}
END_TEST

START_TEST(every_truncation_is_refused_or_linked)
{
    Bytes b = compile(kernel_source, "");
    ck_assert_ptr_nonnull(b.data);
    for (size_t n = 0; n < b.size; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        memcpy(cut, b.data, n);
        const char *error;
        QccArena *arena = qcc_arena_new(&mem);
        void *address = link_in(arena, cut, n, "pick", &error);
        /* The section table stands at the end of what compilers write. */
        ck_assert_msg(!address, "linked with %zu of %zu bytes", n, b.size);
        qcc_arena_free(arena);
        free(cut);
    }
    free(b.data);
}
END_TEST

START_TEST(random_damage_never_crashes)
{
    Bytes b = compile(kernel_source, "");
    ck_assert_ptr_nonnull(b.data);
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)b.data;
    size_t tables = h->e_shoff, table_size = h->e_shnum * sizeof(Elf64_Shdr);
    uint64_t random = 0x9e3779b97f4a7c15u;
    int linked = 0;
    for (int round = 0; round < 20000; round++) {
        unsigned char *copy = malloc(b.size);
        memcpy(copy, b.data, b.size);
        for (int k = 0; k <= round % 4; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t r = random >> 16;
            /* Half of the damage goes where the structure is. */
            size_t at = round % 2 ? tables + r % table_size : r % b.size;
            if (round % 8 < 4)
                copy[at] ^= (unsigned char)(1u << (random >> 61));
            else
                copy[at] = (unsigned char)(random >> 56);
        }
        const char *error;
        QccArena *arena = qcc_arena_new(&mem);
        linked += link_in(arena, copy, b.size, "pick", &error) != NULL; /* it is not run */
        qcc_arena_free(arena);
        free(copy);
    }
    free(b.data);
    ck_assert_int_gt(linked, 0); /* damage to code and names does not matter to the loader */
    ck_assert_int_lt(linked, 20000);
}
END_TEST

START_TEST(objects_at_odd_addresses_are_refused)
{
    Bytes b = compile(kernel_source, "");
    ck_assert_ptr_nonnull(b.data);
    unsigned char *moved = malloc(b.size + 1);
    memcpy(moved + 1, b.data, b.size);
    const char *error;
    QccArena *arena = qcc_arena_new(&mem);
    ck_assert_ptr_null(link_in(arena, moved + 1, b.size, "pick", &error));
    ck_assert_str_eq(error, "object is not aligned");
    qcc_arena_free(arena);
    free(moved);
    free(b.data);
}
END_TEST

/* ---- LLVM's linker, for what ours does not take -----------------------------------------------
 */

static const QccCodegen *real; /* NULL: there is no LLVM module */

START_TEST(llvm_links_what_the_loader_does_not_take)
{
    if (!real) return; /* open_codegen has said so */
    Bytes b = compile("unsigned long strlen(const char *); int calls = 40;\n"
                      "int pick(const char *s) { return ++calls + (int)strlen(s); }",
                      "-fPIC -fno-builtin");
    const char *error = NULL;
    QccArena *arena = qcc_arena_new(&mem);
    ck_assert_ptr_null(link_in(arena, b.data, b.size, "pick", &error));
    int (*pick)(const char *);
    void *address = NULL;
    ck_assert_int_eq(real->link(&address, arena, b.data, b.size, "pick", &error), QCC_OK);
    memcpy(&pick, &address, sizeof pick);
    ck_assert_int_eq(pick("seven"), 46);
    ck_assert_int_eq(pick(""), 42);
    char perm[5];
    permissions(perm, address);
    ck_assert_str_eq(perm, "r-xp");
    ck_assert_int_eq(real->link(&address, arena, b.data, b.size, "pack", &error),
                     QCC_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(address);
    ck_assert_ptr_nonnull(strstr(error, "pack"));
    qcc_arena_free(arena);
    free(b.data);
}
END_TEST

START_TEST(llvm_says_what_is_missing)
{
    if (!real) return;
    Bytes b = compile("extern int no_such(int); int pick(int i) { return no_such(i); }", "");
    const char *error = NULL;
    QccArena *arena = qcc_arena_new(&mem);
    void *address = &mem;
    ck_assert_int_eq(real->link(&address, arena, b.data, b.size, "pick", &error),
                     QCC_ERROR_UNSUPPORTED);
    ck_assert_ptr_null(address);
    ck_assert_ptr_nonnull(strstr(error, "no_such"));
    qcc_arena_free(arena);
    free(b.data);
}
END_TEST

/* A code generator whose objects our loader refuses: their constants are marked as writable. */
static QccStatus compile_odd(const QccKernel *kernel, const QccTarget *target, QccArena *arena,
                             const void **object, size_t *size, const char **error,
                             QccCodegenDump *dump)
{
    QccStatus status = real->compile(kernel, target, arena, object, size, error, dump);
    if (status != QCC_OK) return status;
    unsigned char *bytes = memcpy(qcc_alloc(arena, *size), *object, *size);
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)bytes;
    Elf64_Shdr *s = (Elf64_Shdr *)(bytes + h->e_shoff);
    for (int i = 0; i < h->e_shnum; i++)
        if (s[i].sh_type == SHT_PROGBITS && s[i].sh_flags & SHF_ALLOC &&
            !(s[i].sh_flags & SHF_EXECINSTR))
            s[i].sh_flags = SHF_ALLOC | SHF_WRITE;
    *object = bytes;
    return QCC_OK;
}

static void keep_note(void *user, const QccDiagnostic *d)
{
    char *note = user;
    if (d->severity == QCC_NOTE) snprintf(note, 256, "%s", d->message);
}

static void run_program(float y[4], int64_t *entries, char *note, const QccCodegen *codegen)
{
    static const char text[] = "qir 1\n"
                               "graph @g(%x: f32[4]) {\n"
                               "  %e = exp %x : f32[4]\n"
                               "  return %e\n"
                               "}\n";
    QccContextOptions options = QCC_INIT(QccContextOptions);
    char cache[64];
    snprintf(cache, sizeof cache, "%s/cache-%d", folder, codegen != real);
    options.cache_dir = cache;
    options.diagnostic = keep_note;
    options.diagnostic_user = note;
    QccContext *context;
    QccModel *model;
    QccProgram *program;
    QccSession *session;
    ck_assert_int_eq(qcc_context_new(&context, &options), QCC_OK);
    context->codegen = codegen;
    ck_assert_int_eq(qcc_model_from_memory(&model, context, "m", text, sizeof text - 1), QCC_OK);
    ck_assert_int_eq(qcc_program_new(&program, model, NULL), QCC_OK);
    ck_assert_int_eq(qcc_session_new(&session, program, NULL), QCC_OK);
    float x[4] = {0, 1, -2, 100};
    QccBuffer in = {.data = x, .dtype = QCC_F32}, out = {.data = y, .dtype = QCC_F32};
    ck_assert_int_eq(qcc_session_run(session, &in, 1, &out, 1), QCC_OK);
    QccCacheInfo info;
    ck_assert_int_eq(qcc_cache_info(context, &info), QCC_OK);
    *entries = info.entries;
    qcc_session_free(session);
    qcc_program_free(program);
    qcc_model_free(model);
    qcc_context_free(context);
}

START_TEST(programs_run_on_llvms_linker)
{
    if (!real || !qcc_target_host()) return;
    float expected[4], y[4];
    int64_t entries;
    char note[256] = "";
    run_program(expected, &entries, note, real);
    ck_assert_int_eq(entries, 1);
    ck_assert_str_eq(note, "");
    ck_assert(expected[0] == 1.0f && expected[3] > 1e38f);
    QccCodegen odd = *real;
    odd.compile = compile_odd;
    run_program(y, &entries, note, &odd);
    ck_assert_mem_eq(y, expected, sizeof y);
    ck_assert_int_eq(entries, 0); /* what only LLVM can link is not kept */
    ck_assert_ptr_nonnull(strstr(note, "linked by LLVM and not cached: object has writable data"));
}
END_TEST

/* Why the tests cannot run here, or NULL. */
static const char *obstacle(void)
{
#if defined(__x86_64__)
    if (system("${CC:-cc} --version >/dev/null 2>&1") == 0) return NULL;
    return "there is no C compiler (CC, or cc)";
#else
    return "the loader takes x86-64 objects";
#endif
}

int main(void)
{
    const char *why = obstacle();
    if (why) {
        printf("test_link: skipped, %s\n", why);
        return 77;
    }
    if (!mkdtemp(folder)) return 1;
    real = open_codegen();
    Suite *s = suite_create("link");
    TCase *t = tcase_create("link");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, code_with_constants_runs);
    tcase_add_test(t, names_that_are_not_there);
    tcase_add_test(t, what_the_loader_does_not_take);
    tcase_add_test(t, unknown_relocations_are_refused);
    tcase_add_test(t, every_truncation_is_refused_or_linked);
    tcase_add_test(t, random_damage_never_crashes);
    tcase_add_test(t, objects_at_odd_addresses_are_refused);
    tcase_add_test(t, llvm_links_what_the_loader_does_not_take);
    tcase_add_test(t, llvm_says_what_is_missing);
    tcase_add_test(t, programs_run_on_llvms_linker);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) failed++;
    return failed ? 1 : 0;
}
