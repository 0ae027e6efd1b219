/* test_cpus - the quotas of control groups, over folders made for the purpose. */
#define _GNU_SOURCE
#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/context.h"
#include "runtime/cpus.h"

/* Writes root/path, with the folders on the way. */
static void put(const char *root, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *p = full + strlen(root) + 1; *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        mkdir(full, 0700);
        *p = '/';
    }
    FILE *f = fopen(full, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static char root[] = "/tmp/qcc-cpus-XXXXXX";

static void setup(void)
{
    strcpy(root + sizeof root - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(version_2_takes_the_tightest_on_the_way_up)
{
    put(root, "a/b/cpu.max", "800000 100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/a/b\n", root), 8);
    put(root, "a/cpu.max", "300000 100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/a/b\n", root), 3);
    put(root, "cpu.max", "200000 50000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/a/b\n", root), 3);
    put(root, "cpu.max", "100000 50000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/a/b\n", root), 2);
}
END_TEST

START_TEST(no_quota_and_odd_quotas)
{
    ck_assert_int_eq(qcc_cgroup_cpus("", root), 0);
    ck_assert_int_eq(qcc_cgroup_cpus("0::/\n", root), 0);
    put(root, "cpu.max", "max 100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/\n", root), 0);
    put(root, "cpu.max", "250000 100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/\n", root), 2); /* down */
    put(root, "cpu.max", "1000 100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/\n", root), 1); /* at least one */
    put(root, "cpu.max", "5 0\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/\n", root), 0);
    put(root, "cpu.max", "nonsense");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/\n", root), 0);
    put(root, "cpu.max", "99999999999999999 1\n");
    ck_assert_int_gt(qcc_cgroup_cpus("0::/\n", root), 1000000);
}
END_TEST

START_TEST(a_path_of_the_host_falls_back_to_the_mount)
{
    put(root, "cpu.max", "400000 100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("0::/not/in/this/container\n", root), 4);
    ck_assert_int_eq(qcc_cgroup_cpus("rubbish\n:\n::\n0::relative\n", root), 0);
}
END_TEST

START_TEST(version_1_reads_quota_and_period)
{
    put(root, "cpu,cpuacct/box/cpu.cfs_quota_us", "150000\n");
    put(root, "cpu,cpuacct/box/cpu.cfs_period_us", "50000\n");
    put(root, "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    put(root, "cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("3:memory:/box\n4:cpu,cpuacct:/box\n", root), 3);
    ck_assert_int_eq(qcc_cgroup_cpus("4:cpuset:/box\n", root), 0);
    put(root, "cpu/cpu.cfs_quota_us", "200000\n");
    put(root, "cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_int_eq(qcc_cgroup_cpus("7:cpuacct,cpu:/elsewhere\n", root), 2);
}
END_TEST

START_TEST(affinity_is_respected)
{
    cpu_set_t before, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    ck_assert_int_le(qcc_threads_available(), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, &before)) continue;
        CPU_SET(i, &one);
        break;
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(qcc_threads_available(), 1);
    sched_setaffinity(0, sizeof before, &before);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cpus");
    TCase *t = tcase_create("cpus");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, version_2_takes_the_tightest_on_the_way_up);
    tcase_add_test(t, no_quota_and_odd_quotas);
    tcase_add_test(t, a_path_of_the_host_falls_back_to_the_mount);
    tcase_add_test(t, version_1_reads_quota_and_period);
    tcase_add_test(t, affinity_is_respected);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
