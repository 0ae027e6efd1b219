/* test_file - files are written whole or not at all; links, pipes and devices stay what they are.
 */
#define _XOPEN_SOURCE 700 /* mkdtemp beside POSIX */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/base/file.h"
#include "tests/unit/ir_test.h"

enum { LARGE = 1 << 20 };

static const char wanted[] = "two pieces of text";

static QccStatus write_text(Fixture *f, const char *path)
{
    const QccPiece piece[] = {{wanted, 4}, {wanted + 4, (int64_t)strlen(wanted) - 4}};
    return qcc_write_file(f->arena, &f->ir->diags, path, piece, 2);
}

static void check_text(Fixture *f, const char *path)
{
    const void *bytes;
    int64_t size;
    ck_assert_int_eq(qcc_map_file(f->arena, &f->ir->diags, path, &bytes, &size), QCC_OK);
    ck_assert_int_eq(size, (int64_t)strlen(wanted));
    ck_assert_mem_eq(bytes, wanted, (size_t)size);
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    ck_assert_int_eq(lstat(path, &info), 0);
    return info.st_mode;
}

/* In a folder of their own; each test leaves it empty, so nothing temporary was left behind. */
static void in_folder(void (*fn)(Fixture *f))
{
    char folder[] = "qcc_file_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    with_ir(fn);
    ck_assert_int_eq(chdir(".."), 0);
    ck_assert_msg(rmdir(folder) == 0, "the folder is not empty");
}

static void replaces(Fixture *f)
{
    mode_t mask = umask(027);
    ck_assert_int_eq(write_text(f, "a"), QCC_OK);
    umask(mask);
    check_text(f, "a");
    ck_assert_uint_eq(mode_of("a"), S_IFREG | 0640);
    ck_assert_int_eq(write_text(f, "a"), QCC_OK);
    check_text(f, "a");
    unlink("a");
    ck_assert_int_eq(write_text(f, "none/a"), QCC_ERROR_IO);
    ck_assert_int_eq(write_text(f, "."), QCC_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(f->said, ".:0:0: error: cannot be written: "));
}

START_TEST(test_replaces)
{
    in_folder(replaces);
}
END_TEST

static void follows_links(Fixture *f)
{
    ck_assert_int_eq(mkdir("other", 0700), 0);
    ck_assert_int_eq(symlink("other/a", "link"), 0);
    int fd = creat("other/a", 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(write_text(f, "link"), QCC_OK);
    ck_assert(S_ISLNK(mode_of("link")));
    check_text(f, "other/a");
    unlink("link");
    unlink("other/a");
    rmdir("other");
}

START_TEST(test_follows_links)
{
    in_folder(follows_links);
}
END_TEST

static void keeps_pipes(Fixture *f)
{
    char found[sizeof wanted] = {0};
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    int fd = open("pipe", O_RDONLY | O_NONBLOCK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write_text(f, "pipe"), QCC_OK);
    ck_assert_int_eq(read(fd, found, sizeof found), (ssize_t)strlen(wanted));
    ck_assert_str_eq(found, wanted);
    close(fd);
    ck_assert(S_ISFIFO(mode_of("pipe")));
    unlink("pipe");
}

START_TEST(test_keeps_pipes)
{
    in_folder(keeps_pipes);
}
END_TEST

/* As on a full disk: what was there stays, and nothing of the new file. */
static void fails_whole(Fixture *f)
{
    ck_assert_int_eq(write_text(f, "a"), QCC_OK);
    const QccPiece large = {qcc_alloc(f->arena, LARGE), LARGE};
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){LARGE / 2, limit.rlim_max});
    ck_assert_int_eq(qcc_write_file(f->arena, &f->ir->diags, "a", &large, 1), QCC_ERROR_IO);
    setrlimit(RLIMIT_FSIZE, &limit);
    check_text(f, "a");
    unlink("a");
}

START_TEST(test_fails_whole)
{
    in_folder(fails_whole);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tc = tcase_create("file");
    tcase_add_test(tc, test_replaces);
    tcase_add_test(tc, test_follows_links);
    tcase_add_test(tc, test_keeps_pipes);
    tcase_add_test(tc, test_fails_whole);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
