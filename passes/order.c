/* order - checks a pipeline before it runs, and answers questions about it. */
#include <stdio.h>
#include <string.h>

#include "passes/pipeline.h"

int qcc_field_count(const QccField *fields)
{
    int n = 0;
    while (fields && fields[n].name) n++;
    return n;
}

int qcc_step_field(const QccStep *step, const char *name)
{
    for (int i = 0; i < step->nfield; i++) {
        if (!strcmp(step->def->opts[i].name, name)) return i;
    }
    return -1;
}

QccStatus qcc_pipeline_error(const QccPipeline *p, QccLoc loc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *message = qcc_vsprintf(p->arena, fmt, args);
    va_end(args);
    /* No line: an option of the command line, whose text is loc.file. */
    if (!loc.line) return qcc_fail(&p->ir->diags, QCC_ERROR_USAGE, loc, "%s", message);
    return qcc_error_in_text(&p->ir->diags, loc, p->text, p->len, "%s", message);
}

static bool contains(const char *const *list, const char *name)
{
    for (int i = 0; list && list[i]; i++) {
        if (!strcmp(list[i], name)) return true;
    }
    return false;
}

static const char *article(const char *word)
{
    return strchr("aeiou", word[0]) ? "an" : "a";
}

/* Step `at` needs `prop`, which does not hold there: says why, and what would help. */
static QccStatus missing(const QccPipeline *p, int at, const char *prop)
{
    const QccStep *step = &p->step[at];
    const QccStep *breaker = NULL, *maker = NULL;
    for (int i = 0; i < at; i++) {
        if (contains(p->step[i].def->breaks, prop)) breaker = &p->step[i];
    }
    for (int i = p->nstep - 1; i > at; i--) {
        if (contains(p->step[i].def->makes, prop)) maker = &p->step[i];
    }
    if (breaker) {
        return qcc_pipeline_error(p, step->loc,
                                  "pass '%s' needs %s %s graph, and pass '%s' in line %d leaves "
                                  "none",
                                  step->def->name, article(prop), prop, breaker->def->name,
                                  breaker->loc.line);
    }
    QccStatus status = qcc_pipeline_error(
        p, step->loc, "pass '%s' needs %s %s graph, and no pass before it makes one",
        step->def->name, article(prop), prop);
    if (maker) {
        qcc_note(&p->ir->diags, maker->loc, "pass '%s' makes one, but comes after it",
                 maker->def->name);
        return status;
    }
    for (int i = 0; i < p->registry->npass; i++) {
        if (!contains(p->registry->pass[i]->makes, prop)) continue;
        qcc_note(&p->ir->diags, step->loc, "pass '%s' makes one", p->registry->pass[i]->name);
    }
    return status;
}

QccStatus qcc_pipeline_check_order(const QccPipeline *p, const QccGraph *g)
{
    for (int i = 0; i < p->nstep; i++) {
        const char *const *needs = p->step[i].def->needs;
        for (int k = 0; needs && needs[k]; k++) {
            bool holds = g && qcc_graph_has_prop(g, needs[k]);
            for (int j = 0; j < i; j++) {
                if (contains(p->step[j].def->breaks, needs[k])) holds = false;
                if (contains(p->step[j].def->makes, needs[k])) holds = true;
            }
            if (!holds) return missing(p, i, needs[k]);
        }
    }
    return QCC_OK;
}

/* ---- questions ----------------------------------------------------------------------------- */

const char *qcc_pipeline_data(const QccPipeline *p)
{
    for (int i = 0; i < p->nstep; i++) {
        const QccStep *step = &p->step[i];
        int index = qcc_step_field(step, "data");
        if (!step->def->observe || index < 0) continue;
        if (step->def->opts[index].type != QCC_FIELD_STRING) continue;
        const char *data = *(const char **)((char *)step->opts + step->def->opts[index].offset);
        if (!data || !*data) continue;
        const char *slash = strrchr(p->file, '/');
        bool in_file = step->place[index].loc.line != 0;
        if (data[0] == '/' || !slash || !in_file || !strncmp(data, "random:", 7)) return data;
        return qcc_sprintf(p->arena, "%.*s/%s", (int)(slash - p->file), p->file, data);
    }
    return NULL;
}

bool qcc_pipeline_needs_data(const QccPipeline *p)
{
    for (int i = 0; i < p->nstep; i++) {
        if (p->step[i].def->observe) return true;
    }
    return false;
}

void qcc_step_print(QccBuf *buf, const QccStep *step)
{
    int printed = 0;
    qcc_buf_puts(buf, step->def->name);
    for (int i = 0; i < step->nfield; i++) {
        const QccField *field = &step->def->opts[i];
        if (qcc_field_is_default(field, step->opts)) continue;
        qcc_buf_printf(buf, "%s%s: ", printed++ ? ", " : ": {", field->name);
        qcc_field_print(buf, field, step->opts);
    }
    if (printed) qcc_buf_puts(buf, "}");
}

/* Levenshtein's distance, row by row. */
static int64_t distance(QccArena *scratch, const char *a, const char *b)
{
    int64_t na = (int64_t)strlen(a), nb = (int64_t)strlen(b);
    int64_t *row = QCC_NEW_ARRAY(scratch, nb + 1, int64_t);
    for (int64_t j = 0; j <= nb; j++) row[j] = j;
    for (int64_t i = 1; i <= na; i++) {
        int64_t diagonal = row[0];
        row[0] = i;
        for (int64_t j = 1; j <= nb; j++) {
            int64_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

const char *qcc_nearest_name(QccArena *scratch, const char *name, const char *const *names)
{
    enum { LONGEST = 64 };
    if (strlen(name) > LONGEST) return NULL;
    const char *nearest = NULL;
    int64_t best = 1 + (int64_t)strlen(name) / 3;
    if (best < 3) best = 3;
    for (int i = 0; names[i]; i++) {
        int64_t d = distance(scratch, name, names[i]);
        if (d >= best) continue;
        best = d;
        nearest = names[i];
    }
    return nearest;
}
