/* field - reads, prints and checks members of structs after a table. */
#include "ir/base/field.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct Text {
    const char *at, *end;
} Text;

static void skip_blanks(Text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t')) t->at++;
}

static bool accept(Text *t, char c)
{
    skip_blanks(t);
    if (t->at == t->end || *t->at != c) return false;
    t->at++;
    return true;
}

static bool at_end(Text *t)
{
    skip_blanks(t);
    return t->at == t->end;
}

static bool is_word(Text t, const char *word)
{
    return (size_t)(t.end - t.at) == strlen(word) && !memcmp(t.at, word, strlen(word));
}

static Text trim(const char *text, int64_t len)
{
    Text t = {text, text + len};
    skip_blanks(&t);
    while (t.end > t.at && (t.end[-1] == ' ' || t.end[-1] == '\t')) t.end--;
    return t;
}

static void *member(const QccField *field, void *object)
{
    return (char *)object + field->offset;
}

static const void *const_member(const QccField *field, const void *object)
{
    return (const char *)object + field->offset;
}

static const char *const type_name[] = {
    [QCC_FIELD_BOOL] = "true|false",      [QCC_FIELD_INT] = "INT",
    [QCC_FIELD_FLOAT] = "FLOAT",          [QCC_FIELD_ENUM] = "NAME",
    [QCC_FIELD_STRING] = "STRING",        [QCC_FIELD_INTS] = "[INT,...]",
    [QCC_FIELD_STRINGS] = "[STRING,...]",
};

static const char *const wanted[] = {
    [QCC_FIELD_BOOL] = "true or false",
    [QCC_FIELD_INT] = "an integer",
    [QCC_FIELD_FLOAT] = "a number",
    [QCC_FIELD_ENUM] = "a name",
    [QCC_FIELD_STRING] = "a string",
    [QCC_FIELD_INTS] = "integers as [1,2,3]",
    [QCC_FIELD_STRINGS] = "strings as [\"a\",\"b\"]",
};

/* ---- reading -------------------------------------------------------------------------------- */

typedef enum Outcome { DONE, MALFORMED, TOO_MANY } Outcome;

static Outcome read_ints(Text *t, QccInts *ints)
{
    *ints = (QccInts){0};
    if (!accept(t, '[')) return MALFORMED;
    if (accept(t, ']')) return DONE;
    do {
        if (ints->n == QCC_INTS_MAX) return TOO_MANY;
        skip_blanks(t);
        const char *rest = qcc_read_i64(&ints->v[ints->n], t->at, t->end);
        if (!rest) return MALFORMED;
        t->at = rest;
        ints->n++;
    } while (accept(t, ','));
    return accept(t, ']') ? DONE : MALFORMED;
}

/* One string, quoted or (up to `stop` characters) bare. */
static Outcome read_string(QccArena *arena, Text *t, const char *stop, const char **out)
{
    skip_blanks(t);
    if (t->at < t->end && *t->at == '"') {
        const char *rest = qcc_read_quoted(arena, out, t->at, t->end);
        if (!rest) return MALFORMED;
        t->at = rest;
        return DONE;
    }
    const char *begin = t->at;
    while (t->at < t->end && !strchr(stop, *t->at)) t->at++;
    if (memchr(begin, 0, (size_t)(t->at - begin))) return MALFORMED;
    *out = qcc_strndup(arena, begin, (size_t)(t->at - begin));
    return DONE;
}

static Outcome read_strings(QccArena *arena, Text *t, QccStrings *strings)
{
    *strings = (QccStrings){0};
    if (!accept(t, '[')) return MALFORMED;
    if (accept(t, ']')) return DONE;
    const char **v = NULL;
    int64_t cap = 0;
    int n = 0;
    do {
        if (n == 1 << 20) return TOO_MANY;
        v = qcc_grow(arena, v, n, &cap, sizeof *v);
        const char *begin = t->at;
        Outcome outcome = read_string(arena, t, ",] \t", &v[n]);
        if (outcome != DONE || t->at == begin) return MALFORMED;
        n++;
    } while (accept(t, ','));
    *strings = (QccStrings){.n = n, .v = v};
    return accept(t, ']') ? DONE : MALFORMED;
}

static int find_name(const QccField *field, Text t)
{
    if (t.at < t.end && *t.at == '"' && qcc_read_quoted(NULL, NULL, t.at, t.end) == t.end) {
        t.at++;
        t.end--;
    }
    for (int i = 0; field->names[i]; i++) {
        if (is_word(t, field->names[i])) return i;
    }
    return -1;
}

/* The whole text becomes the member. */
static Outcome read_value(QccArena *arena, const QccField *field, Text t, void *out)
{
    Outcome outcome = DONE;
    const char *rest;
    switch (field->type) {
    case QCC_FIELD_BOOL:
        if (!is_word(t, "true") && !is_word(t, "false")) return MALFORMED;
        *(bool *)out = is_word(t, "true");
        return DONE;
    case QCC_FIELD_INT:
        rest = qcc_read_i64(out, t.at, t.end);
        if (!rest) return MALFORMED;
        t.at = rest;
        break;
    case QCC_FIELD_FLOAT:
        rest = qcc_read_f64(out, t.at, t.end);
        if (!rest) return MALFORMED;
        t.at = rest;
        break;
    case QCC_FIELD_ENUM: {
        int i = find_name(field, t);
        if (i < 0) return MALFORMED;
        *(int *)out = i;
        return DONE;
    }
    case QCC_FIELD_STRING: outcome = read_string(arena, &t, "", out); break;
    case QCC_FIELD_INTS: outcome = read_ints(&t, out); break;
    case QCC_FIELD_STRINGS: outcome = read_strings(arena, &t, out); break;
    }
    if (outcome != DONE) return outcome;
    return at_end(&t) ? DONE : MALFORMED;
}

static Text default_text(const QccField *field)
{
    return (Text){field->init, field->init + strlen(field->init)};
}

void qcc_fields_init(QccArena *arena, const QccField *fields, void *object)
{
    for (const QccField *f = fields; f && f->name; f++) {
        if (!f->init) continue;
        Outcome outcome = read_value(arena, f, default_text(f), member(f, object));
        assert(outcome == DONE && "a default that its own table cannot read");
        (void)outcome;
    }
}

const QccField *qcc_field_find(const QccField *fields, const char *name)
{
    for (const QccField *f = fields; f && f->name; f++) {
        if (!strcmp(f->name, name)) return f;
    }
    return NULL;
}

/* ---- bounds --------------------------------------------------------------------------------- */

static bool in_bounds(const QccField *field, double x)
{
    if (isnan(x)) return false;
    return (field->min == 0 && field->max == 0) || (x >= field->min && x <= field->max);
}

static QccStatus bounds_error(QccDiags *d, QccLoc loc, const QccField *field, double x)
{
    return qcc_error(d, loc, "'%s' is %.17g; it must lie in %.17g..%.17g", field->name, x,
                     field->min, field->max);
}

QccStatus qcc_field_check(QccDiags *d, QccLoc loc, const QccField *field, const void *object)
{
    const void *m = const_member(field, object);
    switch (field->type) {
    case QCC_FIELD_BOOL: break;
    case QCC_FIELD_INT: {
        double x = (double)*(const int64_t *)m;
        if (!in_bounds(field, x)) return bounds_error(d, loc, field, x);
        break;
    }
    case QCC_FIELD_FLOAT: {
        double x = *(const double *)m;
        if (isnan(x)) return qcc_error(d, loc, "'%s' is not a number", field->name);
        if (!in_bounds(field, x)) return bounds_error(d, loc, field, x);
        break;
    }
    case QCC_FIELD_ENUM: {
        int n = 0, i = *(const int *)m;
        while (field->names[n]) n++;
        if (i < 0 || i >= n) return qcc_error(d, loc, "'%s' is choice %d of %d", field->name, i, n);
        break;
    }
    case QCC_FIELD_STRING: break;
    case QCC_FIELD_INTS: {
        const QccInts *ints = m;
        if (ints->n < 0 || ints->n > QCC_INTS_MAX)
            return qcc_error(d, loc, "'%s' has %d items; at most %d fit", field->name, ints->n,
                             QCC_INTS_MAX);
        for (int i = 0; i < ints->n; i++) {
            double x = (double)ints->v[i];
            if (!in_bounds(field, x)) return bounds_error(d, loc, field, x);
        }
        break;
    }
    case QCC_FIELD_STRINGS: break;
    }
    return QCC_OK;
}

static const char *joined_names(QccArena *arena, const QccField *field)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    for (int i = 0; field->names[i]; i++)
        qcc_buf_printf(&buf, "%s%s", i ? ", " : "", field->names[i]);
    return buf.data ? buf.data : "";
}

QccStatus qcc_field_parse(QccArena *arena, QccDiags *d, QccLoc loc, const QccField *field,
                          const char *text, int64_t len, void *object)
{
    Text t = trim(text, len);
    int shown = t.end - t.at > 60 ? 60 : (int)(t.end - t.at);
    switch (read_value(arena, field, t, member(field, object))) {
    case DONE: return qcc_field_check(d, loc, field, object);
    case TOO_MANY:
        return qcc_error(d, loc, "'%s' has more items than the %d that fit", field->name,
                         QCC_INTS_MAX);
    case MALFORMED: break;
    }
    if (field->type == QCC_FIELD_ENUM)
        return qcc_error(d, loc, "'%s' is '%.*s'; wanted one of: %s", field->name, shown, t.at,
                         joined_names(arena, field));
    return qcc_error(d, loc, "'%s' is '%.*s'; wanted %s", field->name, shown, t.at,
                     wanted[field->type]);
}

/* ---- printing ------------------------------------------------------------------------------- */

void qcc_field_print(QccBuf *buf, const QccField *field, const void *object)
{
    const void *m = const_member(field, object);
    switch (field->type) {
    case QCC_FIELD_BOOL: qcc_buf_puts(buf, *(const bool *)m ? "true" : "false"); break;
    case QCC_FIELD_INT: qcc_buf_printf(buf, "%lld", (long long)*(const int64_t *)m); break;
    case QCC_FIELD_FLOAT: qcc_buf_f64(buf, *(const double *)m); break;
    case QCC_FIELD_ENUM: qcc_buf_puts(buf, field->names[*(const int *)m]); break;
    case QCC_FIELD_STRING: {
        const char *s = *(const char *const *)m;
        qcc_buf_quoted(buf, s ? s : "");
        break;
    }
    case QCC_FIELD_INTS: {
        const QccInts *ints = m;
        qcc_buf_puts(buf, "[");
        for (int i = 0; i < ints->n; i++)
            qcc_buf_printf(buf, "%s%lld", i ? "," : "", (long long)ints->v[i]);
        qcc_buf_puts(buf, "]");
        break;
    }
    case QCC_FIELD_STRINGS: {
        const QccStrings *strings = m;
        qcc_buf_puts(buf, "[");
        for (int i = 0; i < strings->n; i++) {
            if (i) qcc_buf_puts(buf, ",");
            qcc_buf_quoted(buf, strings->v[i]);
        }
        qcc_buf_puts(buf, "]");
        break;
    }
    }
}

/* Whether the text, quoted or bare, is the string. */
static bool same_string(Text t, const char *s)
{
    if (t.at == t.end || *t.at != '"') return is_word(t, s);
    /* Defaults have no escapes: tables are written by hand. */
    t.at++;
    t.end--;
    return is_word(t, s);
}

static bool same_strings(Text t, const QccStrings *strings)
{
    if (!accept(&t, '[')) return false;
    for (int i = 0; i < strings->n; i++) {
        if (i && !accept(&t, ',')) return false;
        skip_blanks(&t);
        Text item = t;
        while (t.at < t.end && !strchr(",]", *t.at)) t.at++;
        item.end = t.at;
        if (!same_string(item, strings->v[i])) return false;
    }
    return accept(&t, ']');
}

/* -0 is not 0: it would not be printed. */
static bool same_double(double a, double b)
{
    return a == b && !signbit(a) == !signbit(b);
}

bool qcc_field_is_default(const QccField *field, const void *object)
{
    if (!field->init) return false;
    const void *m = const_member(field, object);
    Text init = default_text(field);
    union {
        bool b;
        int64_t i;
        double f;
        int e;
        QccInts ints;
    } value = {0};
    switch (field->type) {
    case QCC_FIELD_STRING: {
        const char *s = *(const char *const *)m;
        return same_string(init, s ? s : "");
    }
    case QCC_FIELD_STRINGS: return same_strings(init, m);
    default: break;
    }
    if (read_value(NULL, field, init, &value) != DONE) return false;
    switch (field->type) {
    case QCC_FIELD_BOOL: return value.b == *(const bool *)m;
    case QCC_FIELD_INT: return value.i == *(const int64_t *)m;
    case QCC_FIELD_FLOAT: return same_double(value.f, *(const double *)m);
    case QCC_FIELD_ENUM: return value.e == *(const int *)m;
    case QCC_FIELD_INTS: {
        const QccInts *ints = m;
        if (ints->n != value.ints.n) return false;
        return !memcmp(ints->v, value.ints.v, (size_t)ints->n * sizeof *ints->v);
    }
    default: return false;
    }
}

/* Plain notation for integers and where it is short: 100 and not 1e+02, but 1e+12. */
static void put_bound(QccBuf *buf, const QccField *field, double x)
{
    double most = field->type == QCC_FIELD_FLOAT ? 1e6 : 0x1p53;
    if (x == rint(x) && fabs(x) <= most) {
        qcc_buf_printf(buf, "%.0f", x);
    } else {
        qcc_buf_f64(buf, x);
    }
}

void qcc_fields_help(QccBuf *buf, const QccField *fields)
{
    for (const QccField *f = fields; f && f->name; f++) {
        qcc_buf_printf(buf, "%s=", f->name);
        if (f->type == QCC_FIELD_ENUM) {
            for (int i = 0; f->names[i]; i++)
                qcc_buf_printf(buf, "%s%s", i ? "|" : "", f->names[i]);
        } else {
            qcc_buf_puts(buf, type_name[f->type]);
        }
        if (f->min != 0 || f->max != 0) {
            qcc_buf_puts(buf, " in ");
            put_bound(buf, f, f->min);
            qcc_buf_puts(buf, "..");
            put_bound(buf, f, f->max);
        }
        if (f->init) {
            qcc_buf_printf(buf, " (default %s)", *f->init ? f->init : "\"\"");
        } else {
            qcc_buf_puts(buf, " (required)");
        }
        qcc_buf_printf(buf, ": %s\n", f->help ? f->help : "");
    }
}
