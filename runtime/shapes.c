/* shapes - what the shapes of inputs say about the symbols of a graph. */
#include <stdio.h>

#include "runtime/context.h"

static int index_of(const QccGraph *g, const QccSymbol *symbol)
{
    int i = 0;
    while (g->symbol[i] != symbol) i++;
    return i;
}

static const char *dim_text(char *buf, size_t size, const QccDim *d)
{
    int n = d->n != 1 ? snprintf(buf, size, "%lld*", (long long)d->n) : 0;
    snprintf(buf + n, size - (size_t)n, "%.60s%s%.60s", d->sym[0]->name, d->sym[1] ? "*" : "",
             d->sym[1] ? d->sym[1]->name : "");
    return buf;
}

/* The known factor of an extent, and how many of its symbols are not known; the last of them. */
static int64_t known_part(const QccGraph *g, const QccDim *d, const int64_t *extent, int *open,
                          int *symbol)
{
    int64_t n = d->n;
    *open = 0;
    for (int k = 0; k < 2 && d->sym[k]; k++) {
        int i = index_of(g, d->sym[k]);
        if (!extent[i]) {
            *symbol = i;
            ++*open;
        } else if (!qcc_mul_i64(&n, n, extent[i])) {
            return -1;
        }
    }
    return n;
}

/* The error of dimension `dim`. */
static QccStatus misfit(QccDiags *diags, const QccGraph *g, const QccValue *v, int dim,
                        int64_t wanted, const int64_t *extent)
{
    const QccDim *d = &v->type->dim[dim];
    char text[160];
    int open, symbol = 0;
    int64_t known = known_part(g, d, extent, &open, &symbol);
    if (!d->sym[0])
        return qcc_fail(diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "dimension %d of '%s' is %lld in the model, the shape says %lld", dim,
                        v->name, (long long)d->n, (long long)wanted);
    dim_text(text, sizeof text, d);
    if (!open)
        return qcc_fail(diags, QCC_ERROR_USAGE, (QccLoc){0},
                        "dimension %d of '%s' is %s, which is %lld by the other dimensions; the "
                        "shape says %lld",
                        dim, v->name, text, (long long)known, (long long)wanted);
    const QccSymbol *s = g->symbol[symbol];
    return qcc_fail(diags, QCC_ERROR_USAGE, (QccLoc){0},
                    "%lld is no extent for dimension %d of '%s', which is %s: %s lies in "
                    "%lld..%lld",
                    (long long)wanted, dim, v->name, text, s->name, (long long)s->min,
                    (long long)s->max);
}

/* Learns from one dimension. *open: it has more than one symbol that is not known. */
static QccStatus bind_dim(int64_t *extent, QccDiags *diags, const QccGraph *g, const QccValue *v,
                          int dim, int64_t wanted, bool *open)
{
    const QccDim *d = &v->type->dim[dim];
    int nopen, symbol = 0;
    int64_t known = known_part(g, d, extent, &nopen, &symbol);
    if (nopen == 2 && d->sym[0] != d->sym[1]) {
        *open = true;
        return QCC_OK;
    }
    if (nopen == 0) return known == wanted ? QCC_OK : misfit(diags, g, v, dim, wanted, extent);
    const QccSymbol *s = g->symbol[symbol];
    int64_t n = known > 0 && wanted % known == 0 ? wanted / known : 0;
    if (nopen == 2) { /* a square */
        int64_t root = 1;
        while (root < s->max && root * root < n) root++;
        n = root * root == n ? root : 0;
    }
    if (n < s->min || n > s->max) return misfit(diags, g, v, dim, wanted, extent);
    extent[symbol] = n;
    return QCC_OK;
}

QccStatus qcc_bind_shapes(int64_t *extent, QccDiags *diags, const QccGraph *g,
                          QccValue *const *value, const int64_t *const *shape, int n)
{
    /* What one dimension leaves open another may say: each round learns a symbol, or is the last.
     */
    bool open = true;
    for (int round = 0; open && round <= g->nsymbol; round++) {
        open = false;
        for (int i = 0; i < n; i++)
            for (int d = 0; d < value[i]->type->rank; d++)
                QCC_TRY(bind_dim(extent, diags, g, value[i], d, shape[i][d], &open));
    }
    if (!open) return QCC_OK;
    return qcc_fail(diags, QCC_ERROR_USAGE, (QccLoc){0},
                    "the shapes give two symbols only as their product");
}

QccStatus qcc_bind_extents(int64_t *extent, QccDiags *diags, const QccGraph *g,
                           const int64_t *const *shape)
{
    for (int i = 0; i < g->nsymbol; i++) extent[i] = 0;
    QCC_TRY(qcc_bind_shapes(extent, diags, g, g->param, shape, g->nparam));
    for (int i = 0; i < g->nsymbol; i++)
        if (!extent[i]) extent[i] = g->symbol[i]->min;
    return QCC_OK;
}

void qcc_bound_shape(int64_t *shape, const QccGraph *g, const QccType *type, const int64_t *extent)
{
    for (int i = 0; i < type->rank; i++) {
        const QccDim *d = &type->dim[i];
        shape[i] = d->n;
        for (int k = 0; k < 2 && d->sym[k]; k++) shape[i] *= extent[index_of(g, d->sym[k])];
    }
}
