/* print - modules, graphs and types as text (docs/qir.md). */
#include <math.h>
#include <string.h>

#include "ir/base/base64.h"
#include "ir/base/table.h"
#include "ir/ops.h"
#include "ir/text.h"

enum { INLINE_MAX = 8 }; /* elements of constants and scales that stand in the line */

typedef struct Printer {
    QccBuf *buf;
    QccBlobStyle style;
    QccBlobTable *table;
    QccTable known; /* the blobs in `table`, as Numbered */
} Printer;

typedef struct Numbered {
    const QccBlob *blob;
    int number;
} Numbered;

/* ---- names ---------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A name as it is, or in quotes where it is no identifier. */
static void put_name(QccBuf *buf, const char *name, bool digit_first)
{
    bool plain = is_letter(*name) || (digit_first && is_digit(*name));
    for (const char *s = name; *s; s++)
        plain = plain && (is_letter(*s) || is_digit(*s) || *s == '.');
    if (plain) {
        qcc_buf_puts(buf, name);
    } else {
        qcc_buf_quoted(buf, name);
    }
}

static void put_value(QccBuf *buf, const QccValue *value)
{
    if (!value) {
        qcc_buf_puts(buf, "_");
        return;
    }
    qcc_buf_puts(buf, "%");
    put_name(buf, value->name, true);
}

/* ---- blobs ---------------------------------------------------------------------------------- */

static bool same_blob(const QccBlob *a, const QccBlob *b)
{
    if (a == b) return true;
    if (a->dtype != b->dtype || a->rank != b->rank || a->size != b->size || a->hash != b->hash)
        return false;
    return !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) &&
           !memcmp(a->data, b->data, (size_t)a->size);
}

/* Equal blobs have one number. */
static int number_of(Printer *p, const QccBlob *blob)
{
    QccBlobTable *t = p->table;
    int64_t at = -1;
    for (const Numbered *known; (known = qcc_table_next(&p->known, blob->hash, &at));) {
        if (same_blob(known->blob, blob)) return known->number;
    }
    Numbered *added = QCC_NEW(p->known.arena, Numbered);
    *added = (Numbered){.blob = blob, .number = t->n};
    qcc_table_add(&p->known, blob->hash, added);
    t->blob = qcc_grow(p->buf->arena, t->blob, t->n, &t->cap, sizeof *t->blob);
    t->blob[t->n++] = blob;
    return added->number;
}

static void put_blob(Printer *p, const QccBlob *blob)
{
    if (p->style == QCC_BLOBS_ELIDED) {
        qcc_buf_printf(p->buf, "@#%016llx", (unsigned long long)blob->hash);
    } else {
        qcc_buf_printf(p->buf, "@%d", number_of(p, blob));
    }
}

static int64_t count_of(const QccBlob *blob)
{
    int64_t n = 1;
    for (int i = 0; i < blob->rank; i++) n *= blob->dim[i];
    return n;
}

static void put_integer(QccBuf *buf, QccDtype dtype, const void *data, int64_t i)
{
    long long x = 0;
    switch (dtype) {
    case QCC_U4: x = (((const uint8_t *)data)[i / 2] >> (i % 2 * 4)) & 15; break;
    case QCC_I4: x = (((((const uint8_t *)data)[i / 2] >> (i % 2 * 4)) & 15) ^ 8) - 8; break;
    case QCC_I8: x = (int64_t)((const int8_t *)data)[i]; break;
    case QCC_U8:
    case QCC_BOOL: x = ((const uint8_t *)data)[i]; break;
    case QCC_I16: x = ((const int16_t *)data)[i]; break;
    case QCC_U16: x = ((const uint16_t *)data)[i]; break;
    case QCC_I32: x = ((const int32_t *)data)[i]; break;
    case QCC_U32: x = ((const uint32_t *)data)[i]; break;
    case QCC_I64:
    case QCC_U64: x = ((const int64_t *)data)[i]; break;
    default: break;
    }
    qcc_buf_printf(buf, "%lld", x);
}

/* Short, and nothing of it is lost as decimal numbers: not the bits of a NaN, not a nibble that
 * belongs to no element, not a number beyond 2^63. */
static bool is_inline(const QccBlob *blob)
{
    int64_t n = count_of(blob);
    bool real = blob->dtype == QCC_F32 || blob->dtype == QCC_F64;
    if (n > INLINE_MAX || (qcc_dtype_is_float(blob->dtype) && !real)) return false;
    for (int64_t i = 0; i < n; i++) {
        if (blob->dtype == QCC_F32 && isnan(((const float *)blob->data)[i])) return false;
        if (blob->dtype == QCC_F64 && isnan(((const double *)blob->data)[i])) return false;
        if (blob->dtype == QCC_U64 && ((const int64_t *)blob->data)[i] < 0) return false;
    }
    bool nibbles = blob->dtype == QCC_I4 || blob->dtype == QCC_U4;
    return !nibbles || n % 2 == 0 || ((const uint8_t *)blob->data)[n / 2] < 16;
}

static void put_list(QccBuf *buf, const QccBlob *blob)
{
    int64_t n = count_of(blob);
    qcc_buf_puts(buf, "[");
    for (int64_t i = 0; i < n; i++) {
        if (i) qcc_buf_puts(buf, ",");
        if (blob->dtype == QCC_F32) {
            qcc_buf_f32(buf, ((const float *)blob->data)[i]);
        } else if (blob->dtype == QCC_F64) {
            qcc_buf_f64(buf, ((const double *)blob->data)[i]);
        } else {
            put_integer(buf, blob->dtype, blob->data, i);
        }
    }
    qcc_buf_puts(buf, "]");
}

static void put_data(Printer *p, const QccBlob *blob)
{
    if (is_inline(blob)) {
        put_list(p->buf, blob);
    } else {
        put_blob(p, blob);
    }
}

/* ---- types ---------------------------------------------------------------------------------- */

void qcc_dim_print(QccBuf *buf, const QccDim *d)
{
    if (!d->sym[0] || d->n != 1) qcc_buf_printf(buf, "%lld", (long long)d->n);
    for (int k = 0; k < 2 && d->sym[k]; k++) {
        if (k || d->n != 1) qcc_buf_puts(buf, "*");
        put_name(buf, d->sym[k]->name, false);
    }
}

static bool is_blocked(const QccQuant *q, int rank)
{
    for (int i = 0; i < rank; i++) {
        if (q->block[i]) return true;
    }
    return false;
}

static void put_blocks(QccBuf *buf, const QccQuant *q, int rank)
{
    qcc_buf_puts(buf, "block ");
    for (int i = 0; i < rank; i++)
        qcc_buf_printf(buf, "%s%lld", i ? "x" : "", (long long)q->block[i]);
}

static void put_zeros(Printer *p, const QccBlob *blob)
{
    const int32_t *zero = blob->data;
    int64_t n = blob->size / (int64_t)sizeof *zero;
    bool equal = n > 0;
    for (int64_t i = 1; i < n; i++) equal = equal && zero[i] == zero[0];
    if (equal) {
        qcc_buf_printf(p->buf, "%d", zero[0]);
    } else {
        put_data(p, blob);
    }
}

static void put_quant(Printer *p, const QccType *t)
{
    const QccQuant *q = t->quant;
    QccBuf *buf = p->buf;
    bool blocked = is_blocked(q, t->rank);
    qcc_buf_puts(buf, " q(");
    if (q->kind == QCC_QUANT_DYNAMIC) {
        qcc_buf_puts(buf, blocked ? "dynamic " : "dynamic");
        if (blocked) put_blocks(buf, q, t->rank);
    } else if (blocked) {
        put_blocks(buf, q, t->rank);
        qcc_buf_puts(buf, ": ");
        put_data(p, q->scale);
        qcc_buf_puts(buf, ", ");
        put_zeros(p, q->zero);
    } else {
        qcc_buf_f32(buf, *(const float *)q->scale->data);
        qcc_buf_printf(buf, ": %d", *(const int32_t *)q->zero->data);
    }
    int64_t lo, hi;
    qcc_dtype_range(t->dtype, &lo, &hi);
    if (q->qmin != lo || q->qmax != hi) qcc_buf_printf(buf, " in %d..%d", q->qmin, q->qmax);
    qcc_buf_puts(buf, ")");
}

static void put_type(Printer *p, const QccType *t)
{
    qcc_buf_printf(p->buf, "%s[", qcc_dtype_name(t->dtype));
    for (int i = 0; i < t->rank; i++) {
        if (i) qcc_buf_puts(p->buf, ",");
        qcc_dim_print(p->buf, &t->dim[i]);
    }
    qcc_buf_puts(p->buf, "]");
    if (t->quant) put_quant(p, t);
}

void qcc_type_print(QccBuf *buf, const QccType *t)
{
    Printer p = {.buf = buf, .style = QCC_BLOBS_ELIDED};
    put_type(&p, t);
}

static void put_typed(Printer *p, const QccValue *value)
{
    put_type(p, value->type);
    if (!value->has_range) return;
    qcc_buf_puts(p->buf, " range(");
    qcc_buf_f32(p->buf, value->lo);
    qcc_buf_puts(p->buf, ", ");
    qcc_buf_f32(p->buf, value->hi);
    qcc_buf_puts(p->buf, ")");
}

/* ---- ops ------------------------------------------------------------------------------------ */

static void indent(Printer *p, int depth)
{
    for (int i = 0; i < depth; i++) qcc_buf_puts(p->buf, "  ");
}

static void put_attrs(QccBuf *buf, const QccOp *op)
{
    const char *before = " {";
    for (const QccField *f = op->def->attrs; f && f->name; f++) {
        if (qcc_field_is_default(f, op->attrs)) continue;
        qcc_buf_printf(buf, "%s%s: ", before, f->name);
        qcc_field_print(buf, f, op->attrs);
        before = ", ";
    }
    if (*before == ',') qcc_buf_puts(buf, "}");
}

/* A file without a line is the model that was imported; else it is the text that was parsed, which
 * is not part of the graph. */
static void put_loc(QccBuf *buf, QccLoc loc)
{
    if (!loc.node) return;
    qcc_buf_puts(buf, " loc(");
    if (loc.file && !loc.line) {
        qcc_buf_quoted(buf, loc.file);
        qcc_buf_puts(buf, " ");
    }
    qcc_buf_quoted(buf, loc.node);
    qcc_buf_puts(buf, ")");
}

static void put_operands(QccBuf *buf, const QccOp *op)
{
    for (int i = 0; i < op->nin; i++) {
        qcc_buf_puts(buf, i ? ", " : " ");
        put_value(buf, op->in[i].value);
    }
}

static void put_op(Printer *p, const QccOp *op, int depth);

static void put_ops(Printer *p, const QccGraph *g, int depth)
{
    for (const QccOp *op = g->first; op; op = op->next) put_op(p, op, depth);
}

/* The names by which the body of a loop knows its operands. */
static void put_params(QccBuf *buf, const QccGraph *body)
{
    for (int i = 0; i < body->nparam; i++) {
        qcc_buf_puts(buf, i ? ", " : " (");
        put_value(buf, body->param[i]);
    }
    qcc_buf_puts(buf, ")");
}

static void put_op(Printer *p, const QccOp *op, int depth)
{
    QccBuf *buf = p->buf;
    indent(p, depth);
    if (op->def->traits & QCC_TRAIT_TERMINATOR) {
        qcc_buf_puts(buf, op->graph->parent ? "yield" : "return");
        put_operands(buf, op);
        qcc_buf_puts(buf, "\n");
        return;
    }
    for (int i = 0; i < op->nout; i++) {
        if (i) qcc_buf_puts(buf, ", ");
        put_value(buf, &op->out[i]);
    }
    if (op->nout) qcc_buf_puts(buf, " = ");
    qcc_buf_puts(buf, op->def->name);
    if (op->def->traits & QCC_TRAIT_CONSTANT) {
        qcc_buf_puts(buf, " ");
        put_data(p, qcc_value_const(&op->out[0]));
    }
    put_operands(buf, op);
    put_attrs(buf, op);
    for (int i = 0; i < op->nout; i++) {
        qcc_buf_puts(buf, i ? ", " : " : ");
        put_typed(p, &op->out[i]);
    }
    put_loc(buf, op->loc);
    if (op->body) {
        if (op->def->traits & QCC_TRAIT_LOOP) put_params(buf, op->body);
        qcc_buf_puts(buf, " {\n");
        put_ops(p, op->body, depth + 1);
        indent(p, depth);
        qcc_buf_puts(buf, "}");
    }
    qcc_buf_puts(buf, "\n");
}

/* ---- graphs --------------------------------------------------------------------------------- */

static void put_graph(Printer *p, const QccGraph *g)
{
    QccBuf *buf = p->buf;
    qcc_buf_puts(buf, "graph @");
    put_name(buf, g->name, true);
    qcc_buf_puts(buf, "(");
    for (int i = 0; i < g->nsymbol; i++) {
        const QccSymbol *s = g->symbol[i];
        qcc_buf_puts(buf, i ? ", " : "symbols ");
        put_name(buf, s->name, false);
        qcc_buf_printf(buf, ": %lld..%lld", (long long)s->min, (long long)s->max);
    }
    if (g->nsymbol) qcc_buf_puts(buf, g->nparam ? "; " : ";");
    for (int i = 0; i < g->nparam; i++) {
        if (i) qcc_buf_puts(buf, ", ");
        put_value(buf, g->param[i]);
        qcc_buf_puts(buf, ": ");
        put_typed(p, g->param[i]);
    }
    qcc_buf_puts(buf, ")");
    for (int i = 0; i < g->nprop; i++) {
        qcc_buf_puts(buf, i ? ", " : " props(");
        put_name(buf, g->prop[i], false);
    }
    qcc_buf_puts(buf, g->nprop ? ") {\n" : " {\n");
    put_ops(p, g, 1);
    qcc_buf_puts(buf, "}\n");
}

void qcc_graph_print(QccBuf *buf, const QccGraph *g)
{
    Printer p = {.buf = buf, .style = QCC_BLOBS_ELIDED};
    put_graph(&p, g);
}

/* ---- modules -------------------------------------------------------------------------------- */

static void put_extras(Printer *p, const QccModule *m)
{
    QccBuf *buf = p->buf;
    for (int i = 0; i < m->nsamples; i++) {
        qcc_buf_puts(buf, i ? ", " : "samples ");
        put_blob(p, m->samples[i]);
    }
    if (m->nsamples) qcc_buf_puts(buf, "\n");
    if (m->labels) {
        qcc_buf_puts(buf, "labels ");
        put_blob(p, m->labels);
        qcc_buf_puts(buf, "\n");
    }
    if (m->preprocess) {
        qcc_buf_puts(buf, "preprocess ");
        qcc_buf_quoted(buf, m->preprocess);
        qcc_buf_puts(buf, "\n");
    }
}

static void put_blob_lines(Printer *p)
{
    for (int i = 0; i < p->table->n; i++) {
        const QccBlob *blob = p->table->blob[i];
        qcc_buf_printf(p->buf, "blob @%d %s ", i, qcc_dtype_name(blob->dtype));
        if (!blob->rank) qcc_buf_puts(p->buf, "scalar");
        for (int k = 0; k < blob->rank; k++)
            qcc_buf_printf(p->buf, "%s%lld", k ? "x" : "", (long long)blob->dim[k]);
        qcc_buf_puts(p->buf, " \"");
        qcc_base64_print(p->buf, blob->data, blob->size);
        qcc_buf_puts(p->buf, "\"\n");
    }
}

void qcc_module_print(QccBuf *buf, const QccModule *m, QccBlobStyle style, QccBlobTable *table)
{
    QccBlobTable own = {0};
    Printer p = {.buf = buf, .style = style, .table = table ? table : &own};
    QccArena *scratch = qcc_arena_sub(buf->arena);
    qcc_table_init(&p.known, scratch);
    qcc_buf_puts(buf, "qir 1\n");
    put_graph(&p, m->graph);
    put_extras(&p, m);
    if (style == QCC_BLOBS_INLINE) put_blob_lines(&p);
    qcc_arena_free(scratch);
}
