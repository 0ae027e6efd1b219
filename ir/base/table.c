/* table - linear probing, at most half full. */
#include "ir/base/table.h"

void qcc_table_init(QccTable *table, QccArena *arena)
{
    *table = (QccTable){.arena = arena};
}

/* The low bits of a hash choose the slot, so the high ones are folded in. */
static int64_t home(const QccTable *table, uint64_t hash)
{
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15u;
    return (int64_t)((hash >> 20) & (uint64_t)(table->cap - 1));
}

void *qcc_table_next(const QccTable *table, uint64_t hash, int64_t *at)
{
    if (!table->cap) return NULL;
    int64_t i = *at < 0 ? home(table, hash) : (*at + 1) & (table->cap - 1);
    for (; table->slot[i].item; i = (i + 1) & (table->cap - 1)) {
        if (table->slot[i].hash != hash) continue;
        *at = i;
        return table->slot[i].item;
    }
    return NULL;
}

static void put(QccTable *table, uint64_t hash, void *item)
{
    int64_t i = home(table, hash);
    while (table->slot[i].item) i = (i + 1) & (table->cap - 1);
    table->slot[i] = (struct QccTableSlot){.hash = hash, .item = item};
}

void qcc_table_add(QccTable *table, uint64_t hash, void *item)
{
    if (2 * (table->n + 1) > table->cap) {
        QccTable grown = {.arena = table->arena, .n = table->n};
        grown.cap = table->cap ? table->cap * 2 : 32;
        grown.slot = qcc_alloc_array(table->arena, grown.cap, sizeof *grown.slot);
        for (int64_t i = 0; i < table->cap; i++) {
            if (table->slot[i].item) put(&grown, table->slot[i].hash, table->slot[i].item);
        }
        *table = grown;
    }
    put(table, hash, item);
    table->n++;
}

uint64_t qcc_hash(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    hash ^= 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}
