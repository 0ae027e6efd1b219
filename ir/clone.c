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

static void copy_value(Cloner *c, const QccValue *from, QccValue *to)
{
    to->type = from->type;
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
    qcc_graph_new_body(copy);
    for (int i = 0; i < op->nin; i++) copy_value(c, op->body->param[i], copy->body->param[i]);
    copy_ops(c, copy->body, op->body);
}

static void copy_ops(Cloner *c, QccGraph *to, const QccGraph *from)
{
    for (const QccOp *op = from->first; op; op = op->next) copy_op(c, to, op);
}

QccGraph *qcc_graph_clone(const QccGraph *g, QccArena *arena)
{
    Cloner c = {.arena = arena, .scratch = qcc_arena_sub(arena)};
    qcc_table_init(&c.pairs, c.scratch);
    QccGraph *copy = qcc_graph_new(g->ir, arena, g->name);
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

static QccStatus bind_dim(QccGraph *g, const int64_t *extent, QccDim *d)
{
    for (int k = 0; k < 2; k++) {
        if (!d->sym[k]) continue;
        int i = 0;
        while (i < g->nsymbol && g->symbol[i] != d->sym[k]) i++;
        assert(i < g->nsymbol);
        if (!qcc_mul_i64(&d->n, d->n, extent[i]))
            return qcc_error(&g->ir->diags, (QccLoc){0}, "an extent of graph '%s' overflows",
                             g->name);
        d->sym[k] = NULL;
    }
    return QCC_OK;
}

QccStatus qcc_graph_bind(QccGraph *g, const int64_t *extent)
{
    QccDiags *d = &g->ir->diags;
    for (int i = 0; i < g->nsymbol; i++) {
        const QccSymbol *s = g->symbol[i];
        if (extent[i] < s->min || extent[i] > s->max)
            return qcc_error(d, (QccLoc){0}, "symbol '%s' is %lld; it must lie in %lld..%lld",
                             s->name, (long long)extent[i], (long long)s->min, (long long)s->max);
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
    for (QccOp *op = g->first; op; op = op->next) QCC_TRY(qcc_op_reinfer(op));
    g->nsymbol = 0;
    return QCC_OK;
}
