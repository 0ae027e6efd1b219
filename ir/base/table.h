/* table - a set of pointers found by hash; open addressing. What equal means is the user's matter.
 */
#ifndef QCC_IR_BASE_TABLE_H
#define QCC_IR_BASE_TABLE_H

#include "ir/base/arena.h"

#pragma GCC visibility push(default) /* plugins resolve these in libqcc */

typedef struct QccTable {
    QccArena *arena;
    int64_t n, cap; /* cap: 0 or a power of two */
    struct QccTableSlot {
        uint64_t hash;
        void *item; /* NULL: free */
    } *slot;
} QccTable;

void qcc_table_init(QccTable *table, QccArena *arena);

/* Walks the items of a hash: `at` begins as -1 and is advanced; NULL: no more. */
void *qcc_table_next(const QccTable *table, uint64_t hash, int64_t *at);

void qcc_table_add(QccTable *table, uint64_t hash, void *item);

/* FNV-1a of n bytes, continued from `hash` (0: begin). */
uint64_t qcc_hash(uint64_t hash, const void *bytes, size_t n);

#pragma GCC visibility pop

#endif
