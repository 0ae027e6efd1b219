/* link - object code becomes callable: a small bounded loader of ELF64 relocatable objects.
 *
 * It takes what the code generator makes and nothing more: x86-64, sections that are allocated,
 * relocations of a closed list, no undefined symbols. Everything is checked, since an entry of the
 * cache may be damaged; pages are never writable and executable at once.
 */
#ifndef QCC_RUNTIME_LINK_H
#define QCC_RUNTIME_LINK_H

#include "ir/base/arena.h"
#include "runtime/qcc.h"

/* Maps the object and returns the address of `symbol`; unmapped when the arena is freed. On failure
 * *address is NULL and *error says why (static text). Any thread, one arena a thread. */
QccStatus qcc_link_object(void **address, QccArena *arena, const void *object, size_t size,
                          const char *symbol, const char **error);

#endif
