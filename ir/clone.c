/* clone - deep copies of graphs, and graphs with numbers in place of their symbols. */
#include <assert.h>
#include <string.h>

#include "ir/base/table.h"
#include "ir/names.h"
#include "ir/op.h"

/* Which value of the copy stands for a value of the original. */
typedef struct Pair {
    const QccValue *from;
    QccValue *to;
} Pair;

typedef struct Cloner {
    QccIr *ir; /* of the copy */
    QccArena *arena, *scratch;
    QccTable pairs;
} Cloner;

static uint64_t address_hash(const void *p)
{
    return qcc_hash(0, &p, sizeof(void *));
}

static void pair(Cloner *c, const QccValue *from, QccValue *to)
{
    Pair *p = QCC_NEW(c->scratch, Pair);
    *p = (Pair){from, to};
    qcc_table_add(&c->pairs, address_hash(from), p);
}

static QccValue *copy_of(const Cloner *c, const QccValue *from)
{
    if (!from) return NULL;
    int64_t at = -1;
    for (const Pair *p; (p = qcc_table_next(&c->pairs, address_hash(from), &at));) {
        if (p->from == from) return p->to;
    }
    assert(!"operands come before their users");
    return NULL;
}

static void copy_ops(Cloner *c, QccGraph *to, const QccGraph *from);

/* The same type, interned where the copy lives. */
static const QccType *type_in(QccIr *ir, const QccType *t)
{
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        dim[i] = t->dim[i];
        for (int k = 0; k < 2; k++) {
            const QccSymbol *s = dim[i].sym[k];
            if (s) dim[i].sym[k] = qcc_symbol(ir, s->name, s->min, s->max);
        }
    }
    return qcc_type(ir, t->dtype, t->rank, dim, t->quant);
}

static void copy_value(Cloner *c, const QccValue *from, QccValue *to)
{
    to->type = c->ir == from->graph->ir ? from->type : type_in(c->ir, from->type);
    to->has_range = from->has_range;
    to->lo = from->lo;
    to->hi = from->hi;
    pair(c, from, to);
}

static void copy_op(Cloner *c, QccGraph *to, const QccOp *op)
{
    QccValue **in = QCC_NEW_ARRAY(c->scratch, op->nin, QccValue *);
    for (int i = 0; i < op->nin; i++) in[i] = copy_of(c, op->in[i].value);
    QccOp *copy = qcc_op_copy(to, op, in);
    for (int i = 0; i < op->nout; i++) copy_value(c, &op->out[i], &copy->out[i]);
    if (!op->body) return;
    if (op->def->traits & QCC_TRAIT_LOOP) {
        const char **name = QCC_NEW_ARRAY(c->scratch, op->nin, const char *);
        for (int i = 0; i < op->nin; i++) name[i] = op->body->param[i]->name;
        qcc_graph_new_loop(copy, name);
    } else {
        qcc_graph_new_body(copy);
    }
    for (int i = 0; i < op->nin; i++) copy_value(c, op->body->param[i], copy->body->param[i]);
    copy_ops(c, copy->body, op->body);
}

static void copy_ops(Cloner *c, QccGraph *to, const QccGraph *from)
{
    for (const QccOp *op = from->first; op; op = op->next) copy_op(c, to, op);
}

QccGraph *qcc_graph_clone(const QccGraph *g, QccArena *arena)
{
    return qcc_graph_clone_into(g->ir, g, arena);
}

QccGraph *qcc_graph_clone_into(QccIr *ir, const QccGraph *g, QccArena *arena)
{
    Cloner c = {.ir = ir, .arena = arena, .scratch = qcc_arena_sub(arena)};
    qcc_table_init(&c.pairs, c.scratch);
    QccGraph *copy = qcc_graph_new(ir, arena, g->name);
    for (int i = 0; i < g->nsymbol; i++) {
        const QccSymbol *s = g->symbol[i];
        qcc_graph_symbol(copy, s->name, s->min, s->max);
    }
    for (int i = 0; i < g->nprop; i++) qcc_graph_set_prop(copy, g->prop[i]);
    for (int i = 0; i < g->nparam; i++) {
        const QccValue *param = g->param[i];
        copy_value(&c, param, qcc_graph_add_param(copy, param->name, param->type));
    }
    copy_ops(&c, copy, g);
    qcc_arena_free(c.scratch);
    return copy;
}

/* ---- binding symbols ------------------------------------------------------------------------ */

/* The extent of symbol i; 0: it stays. */
static int64_t extent_of(const QccGraph *g, const int64_t *extent, int i)
{
    return extent ? extent[i] : g->symbol[i]->min;
}

static QccStatus bind_dim(QccGraph *g, const int64_t *extent, QccDim *d)
{
    int kept = 0;
    for (int k = 0; k < 2; k++) {
        const QccSymbol *s = d->sym[k];
        if (!s) continue;
        int i = 0;
        while (i < g->nsymbol && g->symbol[i] != s) i++;
        assert(i < g->nsymbol);
        int64_t n = extent_of(g, extent, i);
        d->sym[k] = NULL;
        if (n == 0)
            d->sym[kept++] = s;
        else if (!qcc_mul_i64(&d->n, d->n, n))
            return qcc_error(&g->ir->diags, (QccLoc){0}, "an extent of graph '%s' overflows",
                             g->name);
    }
    return QCC_OK;
}

/* Symbols in attributes, also of the ops in a body. */
static QccStatus bind_attrs(QccGraph *g, const int64_t *extent, QccOp *op)
{
    for (QccOp *inner = op->body ? op->body->first : NULL; inner; inner = inner->next)
        QCC_TRY(bind_attrs(g, extent, inner));
    if (!op->def->symbols) return QCC_OK;
    QccInts *number = (QccInts *)((char *)op->attrs + op->def->extents);
    QccStrings *symbols = (QccStrings *)((char *)op->attrs + op->def->symbols);
    QccDim dim[QCC_INTS_MAX];
    QCC_TRY(qcc_op_dims(op, number, symbols, dim));
    for (int i = 0; i < number->n; i++) QCC_TRY(bind_dim(g, extent, &dim[i]));
    qcc_dims_split(g->arena, number, symbols, number->n, dim);
    return QCC_OK;
}

QccStatus qcc_graph_bind(QccGraph *g, const int64_t *extent)
{
    QccDiags *d = &g->ir->diags;
    for (int i = 0; i < g->nsymbol; i++) {
        const QccSymbol *s = g->symbol[i];
        int64_t n = extent_of(g, extent, i);
        if (n && (n < s->min || n > s->max))
            return qcc_error(d, (QccLoc){0}, "symbol '%s' is %lld; it must lie in %lld..%lld",
                             s->name, (long long)n, (long long)s->min, (long long)s->max);
    }
    for (int i = 0; i < g->nparam; i++) {
        const QccType *t = g->param[i]->type;
        QccDim dim[QCC_MAX_RANK];
        for (int k = 0; k < t->rank; k++) {
            dim[k] = t->dim[k];
            QCC_TRY(bind_dim(g, extent, &dim[k]));
        }
        qcc_value_set_type(g->param[i], qcc_type(g->ir, t->dtype, t->rank, dim, t->quant));
    }
    for (QccOp *op = g->first; op; op = op->next) {
        QCC_TRY(bind_attrs(g, extent, op));
        QCC_TRY(qcc_op_reinfer(op));
    }
    int kept = 0;
    for (int i = 0; i < g->nsymbol; i++)
        if (extent_of(g, extent, i) == 0) g->symbol[kept++] = g->symbol[i];
    g->nsymbol = kept;
    return QCC_OK;
}
