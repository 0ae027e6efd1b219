/* cpus - how many processors this process may use: affinity, then the quotas of control groups. */
#define _GNU_SOURCE
#include "runtime/cpus.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/context.h"

/* The first bytes of a file, as text; false: it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    size_t n = 0;
    while (n < size - 1) {
        ssize_t got = read(fd, text + n, size - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
    }
    close(fd);
    text[n] = '\0';
    return n > 0;
}

static int whole_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0; /* "max", or -1: no limit */
    long long cpus = quota / period;
    return cpus < 1 ? 1 : cpus > INT_MAX ? INT_MAX : (int)cpus;
}

/* The quota of one folder; 0: none. */
static int folder_cpus(const char *folder)
{
    char path[PATH_MAX], text[64], period[64];
    if (snprintf(path, sizeof path, "%s/cpu.max", folder) >= (int)sizeof path) return 0;
    if (read_text(path, text, sizeof text)) {
        char *end;
        long long quota = strtoll(text, &end, 10); /* "max 100000" gives 0 */
        return whole_cpus(quota, strtoll(end, NULL, 10));
    }
    if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int)sizeof path ||
        !read_text(path, text, sizeof text))
        return 0;
    if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= (int)sizeof path ||
        !read_text(path, period, sizeof period))
        return 0;
    return whole_cpus(strtoll(text, NULL, 10), strtoll(period, NULL, 10));
}

static int tighter(int a, int b)
{
    if (a == 0 || b == 0) return a ? a : b;
    return a < b ? a : b;
}

/* From the group's folder up to the mount. Inside a container the path may be one of the host and
 * not exist; the mount is then the container's own group. */
static int tree_cpus(const char *mount, const char *controller, const char *group)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s%s", mount, *controller ? "/" : "", controller);
    if (n < 0 || n >= (int)sizeof path || strlen(group) >= sizeof path - (size_t)n) return 0;
    memcpy(path + n, group, strlen(group) + 1);
    int cpus = 0;
    for (;;) {
        cpus = tighter(cpus, folder_cpus(path));
        char *slash = strrchr(path + n, '/');
        if (!slash) return cpus;
        *slash = '\0';
    }
}

/* Whether a comma-separated list of controllers names cpu. */
static bool names_cpu(const char *list)
{
    for (;;) {
        size_t n = strcspn(list, ",");
        if (n == 3 && memcmp(list, "cpu", 3) == 0) return true;
        if (!list[n]) return false;
        list += n + 1;
    }
}

/* One line of /proc/self/cgroup: "0::/path" in version 2, "4:cpu,cpuacct:/path" in version 1. */
static int line_cpus(char *line, const char *mount)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group || group[1] != '/') return 0;
    controllers++;
    *group++ = '\0';
    if (!*controllers) /* alone, or beside version 1 */
        return tighter(tree_cpus(mount, "", group), tree_cpus(mount, "unified", group));
    if (!names_cpu(controllers)) return 0;
    return tighter(tree_cpus(mount, controllers, group), tree_cpus(mount, "cpu", group));
}

int qcc_cgroup_cpus(const char *membership, const char *mount)
{
    int cpus = 0;
    while (*membership) {
        size_t n = strcspn(membership, "\n");
        char line[PATH_MAX];
        if (n < sizeof line) {
            memcpy(line, membership, n);
            line[n] = '\0';
            cpus = tighter(cpus, line_cpus(line, mount));
        }
        membership += n + (membership[n] == '\n');
    }
    return cpus;
}

/* CPUs in the affinity mask, however many the machine has. */
static int affinity_cpus(void)
{
    for (int most = 1024; most <= 1 << 20; most *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0) return n;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

int qcc_threads_available(void)
{
    char membership[16384];
    int cpus = affinity_cpus();
    if (read_text("/proc/self/cgroup", membership, sizeof membership))
        cpus = tighter(cpus, qcc_cgroup_cpus(membership, "/sys/fs/cgroup"));
    return cpus;
}
