/* test_cache - the store of compiled objects: what it gives back, and what it must not. */
#define _GNU_SOURCE
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cache.h"

/* The name is the canonical XXH3-128 of the text: a change of it would lose every cache. */
static const char text[] = "kernel gemm 4x8x16\n";
static const char text_name[] = "7248595664d309e824222a760176c303";
static const char object[] = "\177ELF not really an object";

static char folder[64];
static QccMem mem;
static QccArena *arena;
static int notes;

static void count_note(void *user, const QccDiagnostic *d)
{
    (void)user;
    (void)d;
    notes++;
}

static QccDiags diags = {.fn = count_note};

static void setup(void)
{
    strcpy(folder, "/tmp/qcc-cache-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    mem = (QccMem){0};
    arena = qcc_arena_new(&mem);
    notes = 0;
}

static void teardown(void)
{
    char command[256];
    qcc_arena_free(arena);
    snprintf(command, sizeof command, "chmod -R u+rwx '%s' && rm -rf '%s'", folder, folder);
    ck_assert_int_eq(system(command), 0);
}

static QccCache *open_with(int64_t limit)
{
    QccContextOptions o = QCC_INIT(QccContextOptions);
    o.cache_dir = folder;
    o.cache_limit = limit;
    return qcc_cache_open(arena, &diags, &o);
}

static QccCache *open_cache(void)
{
    QccCache *c = open_with(0);
    ck_assert_ptr_nonnull(c);
    return c;
}

static void store(QccCache *c, const char *key, const void *bytes, size_t size)
{
    qcc_cache_store(c, arena, key, strlen(key), bytes, size);
}

static bool load(QccCache *c, const char *key, const void **bytes, size_t *size, const char **note)
{
    return qcc_cache_load(c, arena, key, strlen(key), bytes, size, note);
}

static void check_hit(QccCache *c)
{
    const void *bytes;
    size_t size;
    const char *note;
    ck_assert(load(c, text, &bytes, &size, &note));
    ck_assert_uint_eq(size, sizeof object);
    ck_assert_mem_eq(bytes, object, sizeof object);
    ck_assert_uint_eq((uintptr_t)bytes % 64, 0);
    ck_assert_ptr_null(note);
}

static bool is_miss(QccCache *c, const char *key, bool with_note)
{
    const void *bytes;
    size_t size;
    const char *note;
    return !load(c, key, &bytes, &size, &note) && (note != NULL) == with_note;
}

static const char *path_of(const char *name)
{
    return qcc_sprintf(arena, "%s/%s", folder, name);
}

static size_t read_path(const char *path, unsigned char *bytes, size_t most)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(bytes, 1, most, f);
    fclose(f);
    return n;
}

static void write_path(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static int count_files(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

/* ---- hits and misses ------------------------------------------------------------------------- */

START_TEST(what_was_stored_is_loaded)
{
    QccCache *c = open_cache();
    ck_assert(is_miss(c, text, false));
    store(c, text, object, sizeof object);
    check_hit(c);
    check_hit(open_cache()); /* another context */
    ck_assert(is_miss(c, "kernel gemm 4x8x17\n", false));
    ck_assert_int_eq(count_files(), 1);
    ck_assert_int_eq(access(path_of(text_name), R_OK), 0);
    struct stat st;
    ck_assert_int_eq(stat(path_of(text_name), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(odd_sizes)
{
    QccCache *c = open_cache();
    store(c, "", "", 0);
    const void *bytes;
    size_t size;
    const char *note;
    ck_assert(load(c, "", &bytes, &size, &note));
    ck_assert_uint_eq(size, 0);
    char big[513];
    memset(big, 'x', sizeof big - 1);
    for (size_t n = 1; n < sizeof big; n += 73) {
        big[n] = '\0';
        store(c, big, big, n);
        ck_assert(load(c, big, &bytes, &size, &note));
        ck_assert_uint_eq(size, n);
        ck_assert_mem_eq(bytes, big, n);
        big[n] = 'x';
    }
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_a_miss)
{
    QccCache *c = open_cache();
    unsigned char bytes[512];
    store(c, text, object, sizeof object);
    const char *path = path_of(text_name);
    size_t n = read_path(path, bytes, sizeof bytes);
    ck_assert_uint_eq(n, 64 + 64 + sizeof object);
    for (size_t i = 0; i < n; i++) {
        unsigned char flip = (unsigned char)(1 << (i % 8));
        bytes[i] ^= flip;
        write_path(path, bytes, n);
        chmod(path, 0600);
        ck_assert_msg(is_miss(c, text, true), "byte %zu", i);
        bytes[i] ^= flip;
    }
    write_path(path, bytes, n);
    check_hit(c);
}
END_TEST

START_TEST(every_length_but_the_right_one_is_a_miss)
{
    QccCache *c = open_cache();
    unsigned char bytes[512] = {0};
    store(c, text, object, sizeof object);
    const char *path = path_of(text_name);
    size_t n = read_path(path, bytes, sizeof bytes);
    for (size_t i = 0; i < n + 70; i++) {
        write_path(path, bytes, i);
        if (i == n)
            check_hit(c);
        else
            ck_assert_msg(is_miss(c, text, true), "length %zu", i);
    }
    store(c, text, object, sizeof object); /* mended by the next store */
    check_hit(c);
}
END_TEST

START_TEST(an_entry_of_another_text_is_a_miss)
{
    QccCache *c = open_cache();
    store(c, "another kernel, another length", object, sizeof object);
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') rename(path_of(e->d_name), path_of(text_name));
    closedir(d);
    ck_assert(is_miss(c, text, true));
}
END_TEST

START_TEST(what_is_no_file_is_a_miss)
{
    QccCache *c = open_cache();
    const char *path = path_of(text_name);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(is_miss(c, text, true)); /* and does not wait for a writer */
    unlink(path);
    store(c, text, object, sizeof object);
    ck_assert_int_eq(rename(path, path_of("elsewhere")), 0);
    ck_assert_int_eq(symlink("elsewhere", path), 0);
    ck_assert(is_miss(c, text, true));
    unlink(path);
    ck_assert_int_eq(rename(path_of("elsewhere"), path), 0);
    check_hit(c);
    ck_assert_int_eq(chmod(path, 0666), 0);
    ck_assert(is_miss(c, text, true));
}
END_TEST

/* ---- the folder ------------------------------------------------------------------------------ */

START_TEST(folders_are_made_and_private)
{
    strcat(folder, "/a/b///");
    check_hit((store(open_cache(), text, object, sizeof object), open_cache()));
    struct stat st;
    ck_assert_int_eq(stat(folder, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0700);
    *strstr(folder, "/a/b") = '\0';
}
END_TEST

START_TEST(a_folder_that_others_write_to_is_refused)
{
    ck_assert_int_eq(chmod(folder, 0777), 0);
    ck_assert_ptr_null(open_with(0));
    ck_assert_int_eq(notes, 1);
    ck_assert_int_eq(chmod(folder, 0700), 0);
    ck_assert_ptr_nonnull(open_with(0));
}
END_TEST

START_TEST(a_folder_of_another_user_is_refused)
{
    if (geteuid() != 0) {
        printf("a_folder_of_another_user_is_refused: skipped, needs root\n");
        return;
    }
    ck_assert_int_eq(chown(folder, 1234, 1234), 0);
    ck_assert_ptr_null(open_with(0));
    ck_assert_int_eq(chown(folder, 0, 0), 0);
}
END_TEST

START_TEST(links_and_files_are_refused)
{
    char whole[64];
    strcpy(whole, folder);
    mkdir(path_of("real"), 0700);
    ck_assert_int_eq(symlink("real", path_of("link")), 0);
    write_path(path_of("file"), "", 0);
    static const char *const bad[] = {"/link", "/link/", "/file", "/file/below"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(folder, sizeof folder, "%s%s", whole, bad[i]);
        ck_assert_msg(!open_with(0), "%s", bad[i]);
    }
    strcpy(folder, whole);
    ck_assert_int_eq(notes, 4);
}
END_TEST

START_TEST(a_read_only_folder_is_read)
{
    store(open_cache(), text, object, sizeof object);
    ck_assert_int_eq(chmod(folder, 0500), 0);
    QccCache *c = open_cache();
    check_hit(c);
    store(c, "another", object, sizeof object); /* silent */
    if (geteuid() != 0)
        ck_assert_int_eq(count_files(), 1);
    else
        printf("a_read_only_folder_is_read: the store is skipped, root may write\n");
}
END_TEST

START_TEST(a_full_disk_is_no_error)
{
    QccCache *c = open_cache();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit small = {100, 100};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        qcc_cache_store(c, arena, text, strlen(text), object, sizeof object);
        _exit(is_miss(c, text, false) ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(count_files(), 0); /* nothing is left behind */
    store(c, text, object, sizeof object);
    check_hit(c);
}
END_TEST

START_TEST(no_cache_is_none)
{
    QccContextOptions o = QCC_INIT(QccContextOptions);
    o.cache_dir = folder;
    o.no_cache = true;
    QccCache *c = qcc_cache_open(arena, &diags, &o);
    ck_assert_ptr_null(c);
    store(c, text, object, sizeof object);
    ck_assert(is_miss(c, text, false));
    QccCacheInfo info;
    qcc_cache_measure(c, &info);
    ck_assert_int_eq(info.entries, 0);
    ck_assert_int_eq(qcc_cache_shrink(c, 0), QCC_OK);
    ck_assert_int_eq(count_files(), 0);
}
END_TEST

/* ---- the limit ------------------------------------------------------------------------------- */

/* Makes every entry that is there older by a day. */
static void age_all(void)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (e->d_name[0] == '.' || stat(path_of(e->d_name), &st) != 0) continue;
        struct timespec at[2] = {st.st_mtim, st.st_mtim};
        at[0].tv_sec -= 86400;
        at[1].tv_sec -= 86400;
        utimensat(AT_FDCWD, path_of(e->d_name), at, 0);
    }
    closedir(d);
}

static void store_number(QccCache *c, int i)
{
    char bytes[1024 - 128] = {0}, key[32]; /* an entry takes 1024 bytes */
    snprintf(key, sizeof key, "kernel %d", i);
    store(c, key, bytes, sizeof bytes);
}

static bool has_number(QccCache *c, int i)
{
    char key[32];
    snprintf(key, sizeof key, "kernel %d", i);
    const void *bytes;
    size_t size;
    const char *note;
    return load(c, key, &bytes, &size, &note);
}

START_TEST(the_least_recently_used_go_first)
{
    QccCache *c = open_with(8 * 1024);
    for (int i = 0; i < 8; i++) {
        age_all(); /* so that 0 is the oldest */
        store_number(c, i);
    }
    QccCacheInfo info;
    qcc_cache_measure(c, &info);
    ck_assert_int_eq(info.entries, 8);
    ck_assert_int_eq(info.bytes, 8 * 1024);
    ck_assert_int_eq(info.limit, 8 * 1024);
    ck_assert_str_eq(info.folder, folder);
    ck_assert(has_number(c, 0)); /* now it is the youngest */
    store_number(c, 8);
    qcc_cache_measure(c, &info);
    ck_assert_int_eq(info.entries, 7); /* 9 are above the limit; an eighth of it is made free */
    ck_assert(has_number(c, 0));
    ck_assert(!has_number(c, 1));
    ck_assert(!has_number(c, 2));
    for (int i = 3; i <= 8; i++) ck_assert(has_number(c, i));
    ck_assert_int_eq(qcc_cache_shrink(c, 2048), QCC_OK);
    qcc_cache_measure(c, &info);
    ck_assert_int_eq(info.entries, 2);
    ck_assert_int_eq(qcc_cache_shrink(c, 0), QCC_OK);
    qcc_cache_measure(c, &info);
    ck_assert_int_eq(info.entries, 0);
}
END_TEST

START_TEST(the_limit_holds_for_a_new_context_and_for_big_entries)
{
    QccCache *c = open_with(1 << 20);
    for (int i = 0; i < 20; i++) store_number(c, i);
    c = open_with(4 * 1024);
    store_number(c, 20);
    QccCacheInfo info;
    qcc_cache_measure(c, &info);
    ck_assert_int_le(info.bytes, 4 * 1024);
    char big[8192] = {0};
    store(c, "bigger than the limit", big, sizeof big);
    ck_assert(is_miss(c, "bigger than the limit", false));
    store(c, "nearly as big as the limit", big, 4096 - 128);
    qcc_cache_measure(c, &info);
    ck_assert_int_eq(info.bytes, 4096);
    ck_assert_int_eq(info.entries, 1);
    const void *bytes;
    size_t size;
    const char *note;
    ck_assert(load(c, "nearly as big as the limit", &bytes, &size, &note));
}
END_TEST

START_TEST(only_files_of_the_cache_are_removed)
{
    QccCache *c = open_cache();
    store(c, text, object, sizeof object);
    char stale[80], fresh[80];
    snprintf(stale, sizeof stale, "%s.12.0.tmp", text_name);
    snprintf(fresh, sizeof fresh, "%s.13.0.tmp", text_name);
    write_path(path_of(stale), "x", 1);
    write_path(path_of("letter.txt"), "dear", 4);
    write_path(path_of("0123456789abcdef0123456789abcdef0"), "too long a name", 4);
    age_all();
    write_path(path_of(fresh), "x", 1);
    ck_assert_int_eq(qcc_cache_shrink(c, 0), QCC_OK);
    ck_assert_int_ne(access(path_of(text_name), F_OK), 0);
    ck_assert_int_ne(access(path_of(stale), F_OK), 0);
    ck_assert_int_eq(access(path_of(fresh), F_OK), 0); /* somebody may be writing it */
    ck_assert_int_eq(access(path_of("letter.txt"), F_OK), 0);
    ck_assert_int_eq(count_files(), 3);
}
END_TEST

/* ---- many at once ---------------------------------------------------------------------------- */

enum { WORKERS = 8, KEYS = 16, ROUNDS = 200 };

/* Stores and loads kernels whose object is known from the key; counts wrong answers. */
static int hammer(QccCache *c, unsigned seed)
{
    int wrong = 0;
    QccMem own_mem = {0};
    for (int round = 0; round < ROUNDS; round++) {
        QccArena *own = qcc_arena_new(&own_mem);
        char key[64], value[1000];
        seed = seed * 1664525u + 1013904223u;
        int k = (int)(seed >> 16) % KEYS;
        snprintf(key, sizeof key, "kernel %d", k);
        memset(value, k, sizeof value);
        const void *bytes;
        size_t size;
        const char *note;
        if (qcc_cache_load(c, own, key, strlen(key), &bytes, &size, &note))
            wrong += size != sizeof value || memcmp(bytes, value, sizeof value) != 0;
        else
            qcc_cache_store(c, own, key, strlen(key), value, sizeof value);
        wrong += note != NULL;
        qcc_arena_free(own);
    }
    return wrong;
}

START_TEST(processes_at_once)
{
    pid_t child[WORKERS];
    fflush(stdout);
    for (int i = 0; i < WORKERS; i++) {
        child[i] = fork();
        if (child[i] != 0) continue;
        QccContextOptions o = QCC_INIT(QccContextOptions);
        o.cache_dir = folder;
        o.cache_limit = 10 * 1280; /* less than all keys: they also remove */
        _exit(hammer(qcc_cache_open(arena, &diags, &o), (unsigned)i) ? 1 : 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        int status;
        ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    QccCacheInfo info;
    qcc_cache_measure(open_cache(), &info);
    ck_assert_int_eq(info.entries, count_files()); /* no temporary file is left */
    ck_assert_int_gt(info.entries, 0);
}
END_TEST

typedef struct Worker {
    QccCache *cache;
    unsigned seed;
    int wrong;
} Worker;

static void *work(void *arg)
{
    Worker *w = arg;
    w->wrong = hammer(w->cache, w->seed);
    return NULL;
}

START_TEST(threads_at_once)
{
    QccCache *c = open_with(10 * 1280);
    pthread_t thread[WORKERS];
    Worker worker[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        worker[i] = (Worker){c, (unsigned)i, 0};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_int_eq(worker[i].wrong, 0);
    }
}
END_TEST

/* ---- hooks ----------------------------------------------------------------------------------- */

typedef struct Shelf {
    char key[64];
    unsigned char bytes[4096];
    size_t size;
    int loads, stores;
} Shelf;

static bool shelf_load(void *user, const char *key, void *bytes, size_t *size)
{
    Shelf *s = user;
    s->loads++;
    if (strcmp(key, s->key) != 0) return false;
    if (bytes) memcpy(bytes, s->bytes, s->size < *size ? s->size : *size);
    *size = s->size;
    return true;
}

static void shelf_store(void *user, const char *key, const void *bytes, size_t size)
{
    Shelf *s = user;
    s->stores++;
    snprintf(s->key, sizeof s->key, "%s", key);
    ck_assert_uint_le(size, sizeof s->bytes);
    memcpy(s->bytes, bytes, size);
    s->size = size;
}

START_TEST(hooks_replace_the_folder)
{
    Shelf shelf = {0};
    QccContextOptions o = QCC_INIT(QccContextOptions);
    o.cache_dir = folder;
    o.cache = (QccCacheHooks){&shelf, shelf_load, shelf_store};
    QccCache *c = qcc_cache_open(arena, &diags, &o);
    ck_assert(is_miss(c, text, false));
    store(c, text, object, sizeof object);
    ck_assert_int_eq(shelf.stores, 1);
    ck_assert_str_eq(shelf.key, text_name);
    check_hit(c);
    ck_assert_int_eq(count_files(), 0);
    for (size_t i = 0; i < shelf.size; i++) { /* checked like a file */
        shelf.bytes[i] ^= 0x10;
        ck_assert_msg(is_miss(c, text, true), "byte %zu", i);
        shelf.bytes[i] ^= 0x10;
    }
    shelf.size--;
    ck_assert(is_miss(c, text, true));
    shelf.size++;
    o.cache.store = NULL;
    c = qcc_cache_open(arena, &diags, &o);
    store(c, "another", object, sizeof object);
    check_hit(c);
    QccCacheInfo info;
    qcc_cache_measure(c, &info);
    ck_assert_ptr_null(info.folder);
    ck_assert_int_eq(qcc_cache_shrink(c, 0), QCC_OK);
    check_hit(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache");
    TCase *t = tcase_create("cache");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_was_stored_is_loaded);
    tcase_add_test(t, odd_sizes);
    tcase_add_test(t, a_flipped_bit_anywhere_is_a_miss);
    tcase_add_test(t, every_length_but_the_right_one_is_a_miss);
    tcase_add_test(t, an_entry_of_another_text_is_a_miss);
    tcase_add_test(t, what_is_no_file_is_a_miss);
    tcase_add_test(t, folders_are_made_and_private);
    tcase_add_test(t, a_folder_that_others_write_to_is_refused);
    tcase_add_test(t, a_folder_of_another_user_is_refused);
    tcase_add_test(t, links_and_files_are_refused);
    tcase_add_test(t, a_read_only_folder_is_read);
    tcase_add_test(t, a_full_disk_is_no_error);
    tcase_add_test(t, no_cache_is_none);
    tcase_add_test(t, the_least_recently_used_go_first);
    tcase_add_test(t, the_limit_holds_for_a_new_context_and_for_big_entries);
    tcase_add_test(t, only_files_of_the_cache_are_removed);
    tcase_add_test(t, processes_at_once);
    tcase_add_test(t, threads_at_once);
    tcase_add_test(t, hooks_replace_the_folder);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
