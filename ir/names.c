/* names - one hash table for a graph and its bodies, keyed by graph and name. */
#include "ir/names.h"

#include <assert.h>
#include <string.h>

#include "ir/base/table.h"

typedef struct Entry {
    const QccGraph *graph;
    const char *name;
    QccValue *value; /* who has the name in this graph, or NULL */
    int64_t inner;   /* how many have it in bodies within this graph */
    int64_t suffix;  /* the last one given to make a name like this unique */
} Entry;

struct QccNames {
    QccTable entries;
    int64_t temporaries; /* the last number given to a value without a name */
};

QccNames *qcc_names_new(QccArena *arena)
{
    QccNames *names = QCC_NEW(arena, QccNames);
    qcc_table_init(&names->entries, arena);
    return names;
}

static uint64_t hash_of(const QccGraph *g, const char *name)
{
    uint64_t hash = qcc_hash(0, &g, sizeof(const QccGraph *));
    return qcc_hash(hash, name, strlen(name));
}

static Entry *find(const QccGraph *g, const char *name)
{
    uint64_t hash = hash_of(g, name);
    int64_t at = -1;
    for (Entry *e; (e = qcc_table_next(&g->names->entries, hash, &at));) {
        if (e->graph == g && !strcmp(e->name, name)) return e;
    }
    return NULL;
}

static Entry *find_or_make(const QccGraph *g, const char *name)
{
    Entry *e = find(g, name);
    if (e) return e;
    e = QCC_NEW(g->arena, Entry);
    e->graph = g;
    e->name = qcc_strdup(g->arena, name);
    qcc_table_add(&g->names->entries, hash_of(g, name), e);
    return e;
}

static const QccGraph *around(const QccGraph *g)
{
    return g->parent ? g->parent->graph : NULL;
}

bool qcc_name_is_free(const QccGraph *g, const char *name)
{
    const Entry *e = find(g, name);
    if (e && (e->value || e->inner)) return false;
    for (const QccGraph *a = around(g); a; a = around(a)) {
        e = find(a, name);
        if (e && e->value) return false;
    }
    return true;
}

void qcc_name_value(QccValue *value, const char *wanted)
{
    QccGraph *g = value->graph;
    const char *name = wanted;
    if (!wanted || !*wanted) {
        do name = qcc_sprintf(g->arena, "t%lld", (long long)++g->names->temporaries);
        while (!qcc_name_is_free(g, name));
    } else if (!qcc_name_is_free(g, wanted)) {
        Entry *e = find_or_make(g, wanted);
        do name = qcc_sprintf(g->arena, "%s_%lld", wanted, (long long)++e->suffix);
        while (!qcc_name_is_free(g, name));
    }
    Entry *e = find_or_make(g, name);
    e->value = value;
    value->name = e->name;
    for (const QccGraph *a = around(g); a; a = around(a)) find_or_make(a, name)->inner++;
}

void qcc_name_release(QccValue *value)
{
    Entry *e = find(value->graph, value->name);
    if (!e || e->value != value) return;
    e->value = NULL;
    for (const QccGraph *a = around(value->graph); a; a = around(a)) {
        Entry *outer = find(a, value->name);
        assert(outer && outer->inner > 0);
        outer->inner--;
    }
}

QccValue *qcc_name_find(const QccGraph *g, const char *name)
{
    const Entry *e = find(g, name);
    return e ? e->value : NULL;
}
