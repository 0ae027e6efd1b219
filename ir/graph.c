/* graph - makes, links and unlinks ops and values. */
#include "ir/graph.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "ir/names.h"
#include "ir/op.h"
#include "ir/ops.h"

/* ---- use lists ------------------------------------------------------------------------------ */

static void link_use(QccUse *use, QccValue *value)
{
    use->value = value;
    use->prev = NULL;
    use->next = NULL;
    if (!value) return;
    use->next = value->uses;
    if (use->next) use->next->prev = use;
    value->uses = use;
}

static void unlink_use(QccUse *use)
{
    if (!use->value) return;
    if (use->next) use->next->prev = use->prev;
    if (use->prev) {
        use->prev->next = use->next;
    } else {
        use->value->uses = use->next;
    }
    use->value = NULL;
    use->prev = use->next = NULL;
}

static bool is_loop(const QccOp *op)
{
    return op->def->traits & QCC_TRAIT_LOOP;
}

/* A parameter of a body follows its operand: in type, and but for loops in name. */
static void sync_body(QccOp *op, int index)
{
    if (!op->body || index >= op->body->nparam || !op->in[index].value) return;
    QccValue *param = op->body->param[index];
    if (!is_loop(op)) param->name = op->in[index].value->name;
    param->type = qcc_body_param_type(op, index);
    for (QccUse *use = param->uses; use; use = use->next) sync_body(use->user, use->index);
}

static void sync_users(QccValue *value)
{
    for (QccUse *use = value->uses; use; use = use->next) sync_body(use->user, use->index);
}

/* ---- lists of ops --------------------------------------------------------------------------- */

static bool is_terminator(const QccOp *op)
{
    return op && op->def->traits & QCC_TRAIT_TERMINATOR;
}

/* Links the op before `before`; NULL: at the end, but before the yield. */
static void insert_op(QccGraph *g, QccOp *op, QccOp *before)
{
    if (!before && is_terminator(g->last) && !is_terminator(op)) before = g->last;
    op->next = before;
    op->prev = before ? before->prev : g->last;
    if (op->prev) {
        op->prev->next = op;
    } else {
        g->first = op;
    }
    if (op->next) {
        op->next->prev = op;
    } else {
        g->last = op;
    }
}

static void take_out(QccOp *op)
{
    QccGraph *g = op->graph;
    if (op->prev) {
        op->prev->next = op->next;
    } else {
        g->first = op->next;
    }
    if (op->next) {
        op->next->prev = op->prev;
    } else {
        g->last = op->prev;
    }
    op->prev = op->next = NULL;
}

/* ---- graphs --------------------------------------------------------------------------------- */

QccGraph *qcc_graph_new(QccIr *ir, QccArena *arena, const char *name)
{
    QccGraph *g = QCC_NEW(arena, QccGraph);
    g->ir = ir;
    g->arena = arena;
    g->name = qcc_strdup(arena, name && *name ? name : "main");
    g->names = qcc_names_new(arena);
    return g;
}

static QccValue *push_param(QccGraph *g, const QccType *type)
{
    QccValue *v = QCC_NEW(g->arena, QccValue);
    v->type = type;
    v->graph = g;
    v->index = g->nparam;
    g->param = qcc_grow(g->arena, g->param, g->nparam, &g->param_cap, sizeof(QccValue *));
    g->param[g->nparam++] = v;
    return v;
}

/* A body with its parameters, which have no names yet. */
static QccGraph *new_body(QccOp *op)
{
    QccGraph *outer = op->graph, *g = QCC_NEW(outer->arena, QccGraph);
    g->ir = outer->ir;
    g->arena = outer->arena;
    g->name = outer->name;
    g->names = outer->names;
    g->parent = op;
    for (int i = 0; i < op->nin; i++) push_param(g, qcc_body_param_type(op, i));
    op->body = g;
    return g;
}

QccGraph *qcc_graph_new_body(QccOp *op)
{
    assert(op->def->traits & QCC_TRAIT_FUSED);
    QccGraph *g = new_body(op);
    for (int i = 0; i < op->nin; i++) g->param[i]->name = op->in[i].value->name;
    return g;
}

QccGraph *qcc_graph_new_loop(QccOp *op, const char *const *name)
{
    assert(is_loop(op));
    QccGraph *g = new_body(op);
    for (int i = 0; i < op->nin; i++)
        qcc_name_value(g->param[i], name ? name[i] : op->in[i].value->name);
    return g;
}

QccValue *qcc_graph_add_param(QccGraph *g, const char *name, const QccType *type)
{
    QccValue *v = push_param(g, type);
    qcc_name_value(v, name);
    return v;
}

static QccGraph *root_of(QccGraph *g)
{
    while (g->parent) g = g->parent->graph;
    return g;
}

const QccSymbol *qcc_graph_symbol(QccGraph *g, const char *name, int64_t min, int64_t max)
{
    g = root_of(g);
    for (int i = 0; i < g->nsymbol; i++) {
        if (!strcmp(g->symbol[i]->name, name)) return g->symbol[i];
    }
    const QccSymbol *symbol = qcc_symbol(g->ir, name, min, max);
    g->symbol = qcc_grow(g->arena, g->symbol, g->nsymbol, &g->symbol_cap, sizeof(QccSymbol *));
    g->symbol[g->nsymbol++] = symbol;
    return symbol;
}

static int find_prop(const QccGraph *g, const char *prop)
{
    for (int i = 0; i < g->nprop; i++) {
        if (!strcmp(g->prop[i], prop)) return i;
    }
    return -1;
}

void qcc_graph_set_prop(QccGraph *g, const char *prop)
{
    if (find_prop(g, prop) >= 0) return;
    g->prop = qcc_grow(g->arena, g->prop, g->nprop, &g->prop_cap, sizeof(char *));
    g->prop[g->nprop++] = qcc_strdup(g->arena, prop);
}

void qcc_graph_clear_prop(QccGraph *g, const char *prop)
{
    int i = find_prop(g, prop);
    if (i < 0) return;
    for (g->nprop--; i < g->nprop; i++) g->prop[i] = g->prop[i + 1];
}

bool qcc_graph_has_prop(const QccGraph *g, const char *prop)
{
    return find_prop(g, prop) >= 0;
}

/* ---- ops ------------------------------------------------------------------------------------ */

/* Locations outlive the op; neighbours come from one file, whose name is kept once. */
static QccLoc keep_loc(QccGraph *g, QccLoc loc)
{
    if (loc.node) loc.node = qcc_strdup(g->arena, loc.node);
    const char *kept = g->last ? g->last->loc.file : NULL;
    if (loc.file)
        loc.file = kept && !strcmp(kept, loc.file) ? kept : qcc_strdup(g->arena, loc.file);
    return loc;
}

/* A copy of the attributes whose strings live in the arena. */
static void *keep_attrs(QccArena *arena, const QccOpDef *def, const void *attrs)
{
    void *copy = qcc_alloc(arena, def->attr_size);
    if (!attrs) {
        qcc_fields_init(arena, def->attrs, copy);
        return copy;
    }
    if (def->attr_size) memcpy(copy, attrs, def->attr_size);
    for (const QccField *f = def->attrs; f && f->name; f++) {
        void *member = (char *)copy + f->offset;
        if (f->type == QCC_FIELD_STRING) {
            const char **s = member;
            if (*s) *s = qcc_strdup(arena, *s);
        } else if (f->type == QCC_FIELD_STRINGS) {
            QccStrings *strings = member;
            const char **v = QCC_NEW_ARRAY(arena, strings->n, const char *);
            for (int i = 0; i < strings->n; i++) v[i] = qcc_strdup(arena, strings->v[i]);
            strings->v = v;
        }
    }
    return copy;
}

/* An op that is in no list and uses nothing yet. */
static QccOp *new_op(QccGraph *g, const QccOpDef *def, QccLoc loc, QccValue *const *in, int nin,
                     const void *attrs)
{
    QccOp *op = QCC_NEW(g->arena, QccOp);
    op->def = def;
    op->graph = g;
    op->loc = keep_loc(g, loc);
    op->nin = nin;
    op->attrs = keep_attrs(g->arena, def, attrs);
    op->nout = qcc_op_count(def, op->attrs);
    op->in = QCC_NEW_ARRAY(g->arena, nin, QccUse);
    op->out = QCC_NEW_ARRAY(g->arena, op->nout, QccValue);
    for (int i = 0; i < nin; i++) op->in[i] = (QccUse){.value = in[i], .user = op, .index = i};
    for (int i = 0; i < op->nout; i++) op->out[i] = (QccValue){.def = op, .graph = g, .index = i};
    return op;
}

static void link_op(QccGraph *g, QccOp *op, QccOp *before)
{
    for (int i = 0; i < op->nin; i++) link_use(&op->in[i], op->in[i].value);
    insert_op(g, op, before);
}

static QccStatus check_operands(const QccOp *op)
{
    const QccOpDef *def = op->def;
    if (op->nin < def->min_in || (def->max_in >= 0 && op->nin > def->max_in)) {
        if (def->max_in < 0)
            return qcc_op_error(op, "'%s' takes at least %d operands, not %d", op->def->name,
                                def->min_in, op->nin);
        if (def->max_in == def->min_in)
            return qcc_op_error(op, "'%s' takes %d operands, not %d", op->def->name, def->min_in,
                                op->nin);
        return qcc_op_error(op, "'%s' takes %d to %d operands, not %d", op->def->name, def->min_in,
                            def->max_in, op->nin);
    }
    bool optional = !(def->traits & (QCC_TRAIT_BODY | QCC_TRAIT_TERMINATOR));
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value && (i < def->min_in || !optional))
            return qcc_op_error(op, "'%s' needs its operand %d", op->def->name, i);
    }
    return QCC_OK;
}

/* Result types after operands and attributes, checked. */
static QccStatus infer(QccOp *op, const QccType **type)
{
    QccIr *ir = op->graph->ir;
    for (const QccField *f = op->def->attrs; f && f->name; f++)
        QCC_TRY(qcc_field_check(&ir->diags, op->loc, f, op->attrs));
    QCC_TRY(op->def->infer(op, type));
    for (int i = 0; i < op->nout; i++) QCC_TRY(qcc_type_check(ir, op->loc, type[i]));
    return QCC_OK;
}

QccStatus qcc_op_new(QccOp **op, QccGraph *g, QccOp *before, const QccOpDef *def, QccLoc loc,
                     const char *name, QccValue *const *in, int nin, const void *attrs)
{
    *op = NULL;
    QccOp *made = new_op(g, def, loc, in, nin, attrs);
    QCC_TRY(check_operands(made));
    const QccType **type = QCC_NEW_ARRAY(g->arena, made->nout, const QccType *);
    QCC_TRY(infer(made, type));
    for (int i = 0; i < made->nout; i++) {
        made->out[i].type = type[i];
        qcc_name_value(&made->out[i], i ? NULL : name);
    }
    link_op(g, made, before);
    *op = made;
    return QCC_OK;
}

QccOp *qcc_op_copy(QccGraph *g, const QccOp *from, QccValue *const *in)
{
    QccOp *op = new_op(g, from->def, from->loc, in, from->nin, from->attrs);
    for (int i = 0; i < op->nout; i++) {
        op->out[i].type = from->out[i].type;
        qcc_name_value(&op->out[i], from->out[i].name);
    }
    link_op(g, op, NULL);
    return op;
}

QccValue *qcc_const_new(QccGraph *g, QccOp *before, const char *name, const QccBlob *blob,
                        const QccQuant *quant)
{
    QccConstAttrs attrs = {.blob = blob};
    QccOp *op = new_op(g, &qcc_op_const, (QccLoc){0}, NULL, 0, &attrs);
    QccDim dim[QCC_MAX_RANK];
    for (int i = 0; i < blob->rank; i++) dim[i] = qcc_dim(blob->dim[i]);
    op->out[0].type = qcc_type(g->ir, blob->dtype, blob->rank, dim, quant);
    qcc_name_value(&op->out[0], name);
    link_op(g, op, before);
    return &op->out[0];
}

void qcc_graph_set_results(QccGraph *g, QccValue *const *value, int n)
{
    QccOp *old = qcc_graph_yield(g);
    QccOp *op = new_op(g, &qcc_op_yield, (QccLoc){0}, value, n, NULL);
    if (old) {
        op->loc = old->loc;
        for (int i = 0; i < old->nin; i++) unlink_use(&old->in[i]);
        take_out(old);
    }
    link_op(g, op, NULL);
}

void qcc_op_set_operand(QccOp *op, int index, QccValue *value)
{
    assert(index >= 0 && index < op->nin);
    unlink_use(&op->in[index]);
    link_use(&op->in[index], value);
    sync_body(op, index);
}

void qcc_value_replace(QccValue *from, QccValue *to)
{
    if (from == to) return;
    while (from->uses) qcc_op_set_operand(from->uses->user, from->uses->index, to);
}

/* Names and uses of a body go with its op. */
static void dissolve(QccGraph *body)
{
    for (int i = 0; is_loop(body->parent) && i < body->nparam; i++)
        qcc_name_release(body->param[i]);
    for (QccOp *op = body->last; op; op = op->prev) {
        if (op->body) dissolve(op->body);
        for (int i = 0; i < op->nin; i++) unlink_use(&op->in[i]);
        for (int i = 0; i < op->nout; i++) qcc_name_release(&op->out[i]);
    }
}

void qcc_op_remove(QccOp *op)
{
    for (int i = 0; i < op->nout; i++) {
        assert(!op->out[i].uses);
        qcc_name_release(&op->out[i]);
    }
    if (op->body) dissolve(op->body);
    for (int i = 0; i < op->nin; i++) unlink_use(&op->in[i]);
    take_out(op);
}

void qcc_op_move(QccOp *op, QccOp *before)
{
    if (op == before) return;
    assert(!before || before->graph == op->graph);
    take_out(op);
    insert_op(op->graph, op, before);
}

/* The type that a result gets whose inferred type is `type`: its quantization stays where it can.
 */
static const QccType *keep_quant(QccIr *ir, const QccOp *op, const QccType *old,
                                 const QccType *type)
{
    if (!old || !old->quant || !qcc_quant_fits(old->quant, type->rank, type->dim)) return type;
    bool fits = type->dtype == QCC_F32;
    if (op->def->traits & QCC_TRAIT_CONSTANT) fits = type->dtype == old->dtype;
    return fits ? qcc_type_quantized(ir, type, old->dtype, old->quant) : type;
}

QccStatus qcc_op_reinfer(QccOp *op)
{
    QccGraph *g = op->graph;
    for (int i = 0; i < op->nin; i++) sync_body(op, i);
    if (op->body) {
        for (QccOp *inner = op->body->first; inner; inner = inner->next)
            QCC_TRY(qcc_op_reinfer(inner));
    }
    const QccType *few[4], **type = few;
    if (op->nout > 4) type = QCC_NEW_ARRAY(g->arena, op->nout, const QccType *);
    QCC_TRY(infer(op, type));
    for (int i = 0; i < op->nout; i++)
        qcc_value_set_type(&op->out[i], keep_quant(g->ir, op, op->out[i].type, type[i]));
    return QCC_OK;
}

void qcc_value_set_type(QccValue *value, const QccType *type)
{
    value->type = type;
    sync_users(value);
}

void qcc_value_set_range(QccValue *value, float lo, float hi)
{
    assert(isfinite(lo) && isfinite(hi));
    value->has_range = true;
    value->lo = lo < 0 ? lo : 0;
    value->hi = hi > 0 ? hi : 0;
}

void qcc_value_rename(QccValue *value, const char *name)
{
    qcc_name_release(value);
    qcc_name_value(value, name);
    sync_users(value);
}

/* ---- asking --------------------------------------------------------------------------------- */

QccOp *qcc_graph_yield(const QccGraph *g)
{
    return is_terminator(g->last) ? g->last : NULL;
}

int qcc_graph_result_count(const QccGraph *g)
{
    const QccOp *yield = qcc_graph_yield(g);
    return yield ? yield->nin : 0;
}

QccValue *qcc_graph_result(const QccGraph *g, int index)
{
    return qcc_op_in(qcc_graph_yield(g), index);
}

const QccBlob *qcc_value_const(const QccValue *value)
{
    if (!value || !value->def || !(value->def->def->traits & QCC_TRAIT_CONSTANT)) return NULL;
    return QCC_ATTRS(value->def, QccConstAttrs)->blob;
}

int64_t qcc_graph_constant_bytes(const QccGraph *g)
{
    int64_t bytes = 0;
    QCC_FOR_OPS(op, g)
    {
        const QccBlob *blob = op->nout ? qcc_value_const(&op->out[0]) : NULL;
        if (blob) bytes += blob->size;
    }
    return bytes;
}

int qcc_value_use_count(const QccValue *value)
{
    int n = 0;
    for (const QccUse *use = value->uses; use; use = use->next) n++;
    return n;
}

QccValue *qcc_graph_find_value(const QccGraph *g, const char *name)
{
    for (int i = 0; g->parent && i < g->nparam; i++) {
        if (!strcmp(g->param[i]->name, name)) return g->param[i];
    }
    return qcc_name_find(g, name);
}

QccValue *qcc_op_in(const QccOp *op, int index)
{
    return op && index >= 0 && index < op->nin ? op->in[index].value : NULL;
}

const char *qcc_loc_text(QccArena *arena, QccLoc loc)
{
    if (loc.node) return qcc_strdup(arena, loc.node);
    if (!loc.file) return "unknown place";
    if (!loc.line) return qcc_strdup(arena, loc.file);
    if (!loc.col) return qcc_sprintf(arena, "%s:%d", loc.file, loc.line);
    return qcc_sprintf(arena, "%s:%d:%d", loc.file, loc.line, loc.col);
}
