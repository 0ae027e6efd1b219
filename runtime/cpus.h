/* cpus - how many processors this process may use. */
#ifndef QCC_RUNTIME_CPUS_H
#define QCC_RUNTIME_CPUS_H

/* The whole CPUs that control groups leave, by the tightest quota on the way up: `membership` is
 * the text of /proc/self/cgroup, `mount` the folder /sys/fs/cgroup. Version 2 (cpu.max) and version
 * 1 (cpu.cfs_quota_us). Rounded down, since a thread that is throttled holds up all others; at
 * least 1. 0: no quota. Any thread. */
int qcc_cgroup_cpus(const char *membership, const char *mount);

#endif
