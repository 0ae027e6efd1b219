/* unfused - the borders between the quantized and the float parts of a graph, see unfused.h. */
#include "passes/unfused.h"

#include <string.h>

#include "passes/choose.h"

typedef enum Border { NONE, LEAVES, ENTERS, FLOAT, RESCALES } Border;

static const char *const border_name[] = {
    [LEAVES] = "leaves", [ENTERS] = "enters", [FLOAT] = "float", [RESCALES] = "rescales"};

/* What is known of an op. */
typedef struct Node {
    bool behind, before; /* computes on something stored; its result ends up stored */
    const QccOp *source; /* computes what operand 0 is moved or chosen from; NULL: a parameter */
    const QccOp *reader; /* the first to go on with the result, past moves; NULL: it is a result */
    int more;            /* other readers */
} Node;

typedef struct Search {
    const QccRemarks *remarks;
    QccArena *scratch;
    QccPtrMap numbers; /* of ops, in order */
    Node *node;
} Search;

static bool is_data(const QccValue *value)
{
    return value && !qcc_value_const(value);
}

static bool is_real(const QccValue *value)
{
    return value->type->dtype == QCC_F32 && !value->type->quant;
}

static bool is_computing(const QccOp *op)
{
    return op->nout > 0 && !(op->def->traits & (QCC_TRAIT_CONSTANT | QCC_TRAIT_TERMINATOR));
}

static bool reads(const QccOp *op, bool (*what)(const QccValue *))
{
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        if (is_data(value) && what(value)) return true;
    }
    return false;
}

/* ---- what lies between stored values ------------------------------------------------------- */

static Node *node_of(const Search *s, const QccOp *op)
{
    return &s->node[qcc_ptr_map_find(&s->numbers, op)];
}

static void look_before(const Search *s, const QccOp *op)
{
    Node *node = node_of(s, op);
    node->behind = is_computing(op) && reads(op, qcc_is_stored);
    for (int i = 0; i < op->nin; i++) {
        const QccValue *value = qcc_op_in(op, i);
        const QccOp *def = value ? value->def : NULL;
        if (!def) continue;
        node->behind = node->behind || node_of(s, def)->behind;
        if (i == 0) node->source = qcc_op_chooses(def) ? node_of(s, def)->source : def;
    }
}

static bool comes_before(const Search *s, const QccOp *a, const QccOp *b)
{
    return qcc_ptr_map_find(&s->numbers, a) < qcc_ptr_map_find(&s->numbers, b);
}

static void look_behind(const Search *s, const QccOp *op)
{
    Node *node = node_of(s, op);
    for (int i = 0; i < op->nout; i++) {
        node->before = node->before || qcc_is_stored(&op->out[i]);
        for (const QccUse *use = op->out[i].uses; use; use = use->next) {
            if (use->user->def->traits & QCC_TRAIT_TERMINATOR) continue;
            const Node *user = node_of(s, use->user);
            const QccOp *reader = qcc_op_chooses(use->user) ? user->reader : use->user;
            node->before = node->before || user->before;
            if (!reader) continue;
            node->more += node->reader != NULL;
            if (!node->reader || comes_before(s, reader, node->reader)) node->reader = reader;
        }
    }
}

static void look(Search *s, const QccGraph *g)
{
    qcc_ptr_map_init(&s->numbers, s->scratch);
    for (const QccOp *op = g->first; op; op = op->next) qcc_ptr_map_add(&s->numbers, op);
    s->node = QCC_NEW_ARRAY(s->scratch, s->numbers.n + 1, Node);
    for (const QccOp *op = g->first; op; op = op->next) look_before(s, op);
    for (const QccOp *op = g->last; op; op = op->prev) look_behind(s, op);
}

static Border border_of(const Search *s, const QccOp *op)
{
    if (!is_computing(op)) return NONE;
    const QccValue *result = &op->out[0];
    bool stored = reads(op, qcc_is_stored), real = reads(op, is_real);
    bool makes_stored = qcc_is_stored(result);
    const Node *node = node_of(s, op);
    if (op->def == &qcc_op_quantize && stored) return RESCALES;
    if (op->def == &qcc_op_quantize) return node->source ? ENTERS : NONE;
    if (real && makes_stored) return ENTERS;
    if (stored && !makes_stored && is_real(result)) return node->reader ? LEAVES : NONE;
    if (!real || makes_stored || qcc_op_chooses(op)) return NONE;
    return node->behind && node->before ? FLOAT : NONE;
}

/* ---- why ----------------------------------------------------------------------------------- */

typedef struct Remark {
    QccLoc loc;
    const QccOpDef *def;
    const char *why;
} Remark;

static uint64_t hash_of(const QccOp *op)
{
    const char *node = op->loc.node ? op->loc.node : "";
    int place[2] = {op->loc.line, op->loc.col};
    return qcc_hash(qcc_hash(0, node, strlen(node)), place, sizeof place);
}

static Remark *find_remark(const QccRemarks *remarks, const QccOp *op)
{
    int64_t at = -1;
    for (Remark *r; remarks && (r = qcc_table_next(&remarks->table, hash_of(op), &at));) {
        bool nodes = r->loc.node && op->loc.node ? !strcmp(r->loc.node, op->loc.node)
                                                 : r->loc.node == op->loc.node;
        bool place = r->loc.line == op->loc.line && r->loc.col == op->loc.col;
        if (r->def == op->def && nodes && place) return r;
    }
    return NULL;
}

void qcc_remarks_init(QccRemarks *remarks, QccArena *arena)
{
    remarks->arena = arena;
    qcc_table_init(&remarks->table, arena);
}

void qcc_remark_add(QccRemarks *remarks, const QccOp *op, const char *why)
{
    Remark *r = find_remark(remarks, op);
    if (!r) {
        r = QCC_NEW(remarks->arena, Remark);
        *r = (Remark){.loc = op->loc, .def = op->def};
        if (op->loc.node) r->loc.node = qcc_strdup(remarks->arena, op->loc.node);
        qcc_table_add(&remarks->table, hash_of(op), r);
    }
    r->why = why;
}

/* A fused op is its body's ops; a loop that has a body is an op like any other. */
static bool is_fused(const QccOp *op)
{
    return (op->def->traits & QCC_TRAIT_FUSED) != 0;
}

static const char *why_one(const Search *s, const QccOp *op)
{
    const Remark *remark = find_remark(s->remarks, op);
    if (remark) return remark->why;
    bool converts = op->def == &qcc_op_quantize || op->def == &qcc_op_dequantize;
    bool none = op->def->quant.kind == QCC_QUANT_FLOAT && !converts && !is_fused(op);
    return none ? qcc_sprintf(s->scratch, "'%s' has no quantized form", op->def->name) : NULL;
}

/* The op that keeps `op` in float, itself or one that it has fused, and the reason. */
static const QccOp *reason_of(const Search *s, const QccOp *op, const char **why)
{
    *why = why_one(s, op);
    if (*why || !is_fused(op)) return op;
    QCC_FOR_OPS(inner, op->body)
    {
        *why = why_one(s, inner);
        if (*why) return inner;
    }
    return op->body->first;
}

/* What op computes by: the op, or the one that a body begins with. */
static const char *kind_of(const QccOp *op)
{
    return is_fused(op) && op->body->first ? op->body->first->def->name : op->def->name;
}

static void put_reason(QccBuf *buf, const Search *s, const QccOp *op, Border border)
{
    const Node *node = node_of(s, op);
    const QccOp *blocker = border == LEAVES              ? node->reader
                           : op->def == &qcc_op_quantize ? node->source
                                                         : op;
    if (border == RESCALES) {
        qcc_buf_puts(buf, "two scales");
        if (!node->reader) return;
        qcc_buf_printf(buf, ", of which '%s' %%%s wants the second", kind_of(node->reader),
                       node->reader->out[0].name);
        return;
    }
    const char *why;
    const QccOp *culprit = reason_of(s, blocker, &why);
    qcc_buf_printf(buf, "blocked by '%s' %%%s", culprit->def->name, blocker->out[0].name);
    if (culprit->loc.node) qcc_buf_printf(buf, " of %s", culprit->loc.node);
    if (border == LEAVES && node->more) qcc_buf_printf(buf, " and %d more", node->more);
    qcc_buf_printf(buf, ": %s", why ? why : "what it reads or gives is in float");
}

/* ---- what it costs ------------------------------------------------------------------------- */

static double bytes_of(const QccType *t)
{
    double bytes = qcc_dtype_bits(t->dtype) / 8.0;
    for (int i = 0; i < t->rank; i++) {
        bytes *= (double)t->dim[i].n;
        for (int k = 0; k < 2; k++)
            if (t->dim[i].sym[k]) bytes *= (double)t->dim[i].sym[k]->min;
    }
    return bytes;
}

static double bytes_moved(const QccOp *op)
{
    double bytes = 0;
    for (int i = 0; i < op->nin; i++) {
        if (is_data(qcc_op_in(op, i))) bytes += bytes_of(op->in[i].value->type);
    }
    for (int i = 0; i < op->nout; i++) bytes += bytes_of(op->out[i].type);
    return bytes;
}

int qcc_unfused_print(QccBuf *buf, const QccGraph *g, const QccRemarks *remarks,
                      QccBorderTime *time, void *user)
{
    Search s = {.remarks = remarks, .scratch = buf->arena};
    look(&s, g);
    int n = 0;
    double bytes = 0, ms = 0;
    QCC_FOR_OPS(op, g)
    {
        Border border = border_of(&s, op);
        if (border == NONE) continue;
        double moved = bytes_moved(op), took = time ? time(user, &op->out[0]) : -1;
        n++;
        bytes += moved;
        qcc_buf_printf(buf, "%-8s  %%%s = %s: ", border_name[border], op->out[0].name, kind_of(op));
        put_reason(buf, &s, op, border);
        qcc_buf_printf(buf, "; %.0f bytes", moved);
        if (took >= 0) {
            ms += took;
            qcc_buf_printf(buf, ", %.4f ms", took);
        }
        qcc_buf_puts(buf, "\n");
    }
    qcc_buf_printf(buf, "unfused   %d border%s", n, n == 1 ? "" : "s");
    if (n) qcc_buf_printf(buf, "; %.0f bytes", bytes);
    if (n && ms > 0) qcc_buf_printf(buf, ", %.4f ms", ms);
    qcc_buf_puts(buf, "\n");
    return n;
}
