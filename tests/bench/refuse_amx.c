/* refuse_amx - preloaded into a peer, it refuses the permission to use AMX, so that both sides can
 * be measured without. Every other arch_prctl goes through. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <dlfcn.h>

long syscall(long number, ...);

long syscall(long number, ...)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    static long (*next)(long, ...);
    va_list list;
    long a[6];
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_arch_prctl && a[0] == REQUEST_PERMISSION && a[1] == TILE_DATA) {
        errno = EPERM;
        return -1;
    }
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "syscall");
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
