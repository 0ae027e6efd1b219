/* dims - extents in attributes: numbers, and the names of the symbols that multiply them. */
#include <string.h>

#include "ir/op.h"

static const QccSymbol *find_symbol(const QccGraph *g, const char *name, size_t n)
{
    while (g->parent) g = g->parent->graph;
    for (int i = 0; i < g->nsymbol; i++) {
        const char *known = g->symbol[i]->name;
        if (strlen(known) == n && memcmp(known, name, n) == 0) return g->symbol[i];
    }
    return NULL;
}

/* "N*S" */
static bool read_symbols(const QccGraph *g, const char *text, QccDim *dim)
{
    for (int k = 0; *text; k++) {
        size_t n = strcspn(text, "*");
        if (k == 2 || !(dim->sym[k] = find_symbol(g, text, n))) return false;
        text += n;
        if (*text && !*++text) return false;
    }
    return true;
}

QccStatus qcc_op_dims(const QccOp *op, const QccInts *number, const QccStrings *symbols,
                      QccDim *dim)
{
    if (symbols->n && symbols->n != number->n)
        return qcc_op_error(op, "'%s' needs as many symbols as extents; there are %d and %d",
                            op->def->name, symbols->n, number->n);
    for (int i = 0; i < number->n; i++) {
        dim[i] = (QccDim){.n = number->v[i]};
        if (!symbols->n || !symbols->v[i][0]) continue;
        if (number->v[i] < 1)
            return qcc_op_error(op, "'%s' needs a positive multiple of '%.60s'; it is %lld",
                                op->def->name, symbols->v[i], (long long)number->v[i]);
        if (!read_symbols(op->graph, symbols->v[i], &dim[i]))
            return qcc_op_error(op,
                                "'%s' needs at most two symbols of the graph in an extent; it has "
                                "'%.60s'",
                                op->def->name, symbols->v[i]);
    }
    return QCC_OK;
}

void qcc_dims_split(QccArena *arena, QccInts *number, QccStrings *symbols, int n, const QccDim *dim)
{
    const char **text = QCC_NEW_ARRAY(arena, n, const char *);
    bool any = false;
    number->n = n;
    for (int i = 0; i < n; i++) {
        const QccSymbol *const *s = dim[i].sym;
        number->v[i] = dim[i].n;
        text[i] = !s[0]  ? ""
                  : s[1] ? qcc_sprintf(arena, "%s*%s", s[0]->name, s[1]->name)
                         : s[0]->name;
        any = any || s[0];
    }
    *symbols = (QccStrings){.n = any ? n : 0, .v = text};
}
