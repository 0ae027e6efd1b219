/* scope - `only:` and `exclude:`: regular expressions that select ops. */
#include <regex.h>
#include <string.h>

#include "passes/context.h"

enum { LONGEST_PATTERN = 256 };

static void free_regex(void *regex)
{
    regfree(regex);
}

/* The place of the item of an option whose text is at `text`. */
static QccLoc place_of(const QccStep *step, const char *text)
{
    for (int i = 0; i < step->nfield; i++) {
        const QccField *field = &step->def->opts[i];
        if (field->type != QCC_FIELD_STRINGS) continue;
        const QccStrings *strings = (const QccStrings *)((char *)step->opts + field->offset);
        for (int k = 0; k < strings->n; k++) {
            if (strings->v[k] != text) continue;
            const QccOptionPlace *place = &step->place[i];
            return k < place->nitem ? place->item[k] : place->loc;
        }
    }
    return step->loc;
}

/* Counted repetition and back references let a short pattern take gigabytes or years. */
static const char *objection(const char *text)
{
    if (strlen(text) > LONGEST_PATTERN) return "it is longer than 256 bytes";
    for (const char *s = text; *s; s++) {
        if (*s == '{') return "repetition by count ({n,m}) is not allowed";
        if (*s != '\\') continue;
        if (s[1] >= '1' && s[1] <= '9') return "back references are not allowed";
        if (*++s == 0) break;
    }
    return NULL;
}

static void compile(QccPassCtx *ctx, QccScopePattern *pattern)
{
    QccLoc loc = place_of(ctx->step, pattern->text);
    char message[200];
    const char *why = objection(pattern->text);
    regex_t *regex = QCC_NEW(ctx->scratch, regex_t);
    int code = why ? REG_BADPAT : regcomp(regex, pattern->text, REG_EXTENDED | REG_NOSUB);
    if (code) {
        if (!why) {
            regerror(code, regex, message, sizeof message);
            why = message;
        }
        ctx->deferred = qcc_pipeline_error(
            ctx->pipeline, loc, "'%s' is not a regular expression: %s", pattern->text, why);
        return;
    }
    qcc_arena_defer(ctx->scratch, free_regex, regex);
    pattern->regex = regex;
}

static QccScopePattern *find_pattern(QccPassCtx *ctx, const char *text)
{
    for (int i = 0; i < ctx->npattern; i++) {
        if (ctx->pattern[i].text == text) return &ctx->pattern[i];
    }
    ctx->pattern = qcc_grow(ctx->scratch, ctx->pattern, ctx->npattern, &ctx->pattern_cap,
                            sizeof *ctx->pattern);
    QccScopePattern *pattern = &ctx->pattern[ctx->npattern++];
    *pattern = (QccScopePattern){.text = text};
    compile(ctx, pattern);
    return pattern;
}

static bool matches(const QccScopePattern *pattern, const char *text)
{
    return text && !regexec(pattern->regex, text, 0, NULL, 0);
}

/* Tries every pattern, also behind a hit: each that matches something is in order. */
static bool any_matches(QccPassCtx *ctx, QccStrings patterns, const QccOp *op)
{
    bool hit = false;
    for (int i = 0; i < patterns.n; i++) {
        QccScopePattern *pattern = find_pattern(ctx, patterns.v[i]);
        if (!pattern->regex) continue;
        bool here = matches(pattern, op->loc.node) || matches(pattern, op->def->name);
        for (int k = 0; k < op->nout && !here; k++) here = matches(pattern, op->out[k].name);
        if (!here) continue;
        pattern->matched = hit = true;
    }
    return hit;
}

bool qcc_pass_selects(QccPassCtx *ctx, const QccOp *op, QccStrings only, QccStrings exclude)
{
    bool in = any_matches(ctx, only, op) || only.n == 0;
    bool out = any_matches(ctx, exclude, op);
    return in && !out;
}

QccStatus qcc_scope_finish(QccPassCtx *ctx)
{
    QccStatus status = ctx->deferred;
    for (int i = 0; i < ctx->npattern; i++) {
        const QccScopePattern *pattern = &ctx->pattern[i];
        if (pattern->matched || !pattern->regex) continue;
        QccStatus failed = qcc_pipeline_error(ctx->pipeline, place_of(ctx->step, pattern->text),
                                              "'%s' matches no node, value or op that pass '%s' "
                                              "looks at",
                                              pattern->text, ctx->step->def->name);
        if (!status) status = failed;
    }
    return status;
}
