/* lex - splits text into tokens; never looks beyond its end. */
#include "ir/lex.h"

#include <limits.h>
#include <string.h>

#include "ir/base/buf.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const QccLexer *lx, int64_t ahead)
{
    return lx->end - lx->at > ahead ? lx->at[ahead] : 0;
}

QccLoc qcc_lex_loc(const QccLexer *lx, const QccToken *token)
{
    return (QccLoc){.file = lx->file, .line = token->line, .col = token->col};
}

QccStatus qcc_lex_error(QccLexer *lx, const QccToken *token, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *message = qcc_vsprintf(lx->arena, fmt, args);
    va_end(args);
    /* The parser adds the source line to the few errors that are shown. */
    return qcc_error(lx->diags, qcc_lex_loc(lx, token), "%s", message);
}

/* The token as a message shows it. */
static const char *shown(const QccLexer *lx, const QccToken *t)
{
    if (t->kind == QCC_TOKEN_END) return "the end of the text";
    if (t->kind == QCC_TOKEN_NEWLINE) return "the end of the line";
    int n = t->end - t->begin > 40 ? 40 : (int)(t->end - t->begin);
    return qcc_sprintf(lx->arena, "'%.*s'", n, t->begin);
}

QccStatus qcc_lex_unexpected(QccLexer *lx, const char *wanted)
{
    return qcc_lex_error(lx, &lx->token, "wanted %s, found %s", wanted, shown(lx, &lx->token));
}

static void skip_blanks(QccLexer *lx)
{
    while (lx->at < lx->end) {
        char c = *lx->at;
        if (c == ' ' || c == '\t' || c == '\r') {
            lx->at++;
        } else if (c == ';' && !lx->semicolons) {
            const char *newline = memchr(lx->at, '\n', (size_t)(lx->end - lx->at));
            lx->at = newline ? newline : lx->end;
        } else {
            return;
        }
    }
}

static QccStatus read_string(QccLexer *lx, QccToken *t)
{
    const char *rest = qcc_read_quoted(lx->arena, &t->name, lx->at, lx->end);
    if (!rest)
        return qcc_lex_error(lx, t, "a string that does not end, or an unknown escape in it");
    lx->at = rest;
    return QCC_OK;
}

/* The name behind % or @: an identifier that may begin with a digit, or a string. */
static QccStatus read_name(QccLexer *lx, QccToken *t)
{
    if (peek(lx, 0) == '"') {
        QCC_TRY(read_string(lx, t));
    } else {
        const char *begin = lx->at;
        while (is_letter(peek(lx, 0)) || is_digit(peek(lx, 0)) ||
               (peek(lx, 0) == '.' && peek(lx, 1) != '.'))
            lx->at++;
        t->name = qcc_strndup(lx->arena, begin, (size_t)(lx->at - begin));
    }
    if (!*t->name && peek(lx, 0) == '#')
        return qcc_lex_error(lx, t, "a blob that was left out when this text was printed");
    if (!*t->name) return qcc_lex_error(lx, t, "wanted a name after '%c'", *t->begin);
    return QCC_OK;
}

/* Digits, letters, dots (but not two), and a sign after an exponent. */
static void read_number(QccLexer *lx)
{
    lx->at++;
    while (lx->at < lx->end) {
        char c = *lx->at, before = lx->at[-1];
        bool exponent = before == 'e' || before == 'E' || before == 'p' || before == 'P';
        bool part = is_letter(c) || is_digit(c) || (c == '.' && peek(lx, 1) != '.') ||
                    ((c == '-' || c == '+') && exponent);
        if (!part) return;
        lx->at++;
    }
}

QccStatus qcc_lex_next(QccLexer *lx)
{
    skip_blanks(lx);
    QccToken *t = &lx->token;
    int64_t col = lx->at - lx->line_start + 1;
    *t = (QccToken){.begin = lx->at, .end = lx->at, .line = lx->line};
    t->col = col > INT_MAX ? INT_MAX : (int)col;
    if (lx->at == lx->end) return QCC_OK; /* END is the kind 0 */

    char c = *lx->at;
    if (c == '\n') {
        t->kind = QCC_TOKEN_NEWLINE;
        lx->at++;
        lx->line_start = lx->at;
        if (lx->line < INT_MAX) lx->line++;
    } else if (is_letter(c)) {
        t->kind = QCC_TOKEN_WORD;
        while (is_letter(peek(lx, 0)) || is_digit(peek(lx, 0)) || peek(lx, 0) == '-' ||
               (peek(lx, 0) == '.' && peek(lx, 1) != '.'))
            lx->at++;
        t->name = qcc_strndup(lx->arena, t->begin, (size_t)(lx->at - t->begin));
    } else if (is_digit(c) || c == '-') {
        t->kind = QCC_TOKEN_NUMBER;
        read_number(lx);
    } else if (c == '"') {
        t->kind = QCC_TOKEN_STRING;
        QCC_TRY(read_string(lx, t));
    } else if (c == '%' || c == '@') {
        t->kind = c == '%' ? QCC_TOKEN_VALUE : QCC_TOKEN_AT;
        lx->at++;
        QCC_TRY(read_name(lx, t));
    } else if (c == '.' && peek(lx, 1) == '.') {
        t->kind = QCC_TOKEN_RANGE;
        lx->at += 2;
    } else {
        t->kind = QCC_TOKEN_PUNCT;
        lx->at++;
    }
    t->end = lx->at;
    return QCC_OK;
}

QccStatus qcc_lex_init(QccLexer *lx, QccDiags *d, QccArena *arena, const char *file,
                       const char *text, int64_t len)
{
    *lx = (QccLexer){.diags = d, .arena = arena, .file = file, .text = text, .end = text + len};
    lx->at = lx->line_start = text;
    lx->line = 1;
    return qcc_lex_next(lx);
}

void qcc_lex_skip_line(QccLexer *lx)
{
    if (lx->token.kind == QCC_TOKEN_NEWLINE || lx->token.kind == QCC_TOKEN_END) return;
    const char *newline = memchr(lx->at, '\n', (size_t)(lx->end - lx->at));
    lx->at = newline ? newline : lx->end;
    lx->semicolons = false;
    qcc_lex_next(lx); /* a newline or the end: cannot fail */
}

QccStatus qcc_lex_raw(QccLexer *lx, const char **begin, const char **end)
{
    const char *at = lx->token.begin;
    *begin = at;
    for (int depth = 0; at < lx->end && *at != '\n'; at++) {
        if (!depth && (*at == ',' || *at == '}')) break;
        depth += (*at == '[') - (*at == ']');
        if (*at != '"') continue;
        at = qcc_read_quoted(NULL, NULL, at, lx->end);
        if (!at) return qcc_lex_error(lx, &lx->token, "a string that does not end");
        at--;
    }
    *end = at;
    lx->at = at;
    return qcc_lex_next(lx);
}

bool qcc_lex_is(const QccLexer *lx, char punct)
{
    return lx->token.kind == QCC_TOKEN_PUNCT && *lx->token.begin == punct;
}

bool qcc_lex_is_word(const QccLexer *lx, const char *word)
{
    return lx->token.kind == QCC_TOKEN_WORD && !strcmp(lx->token.name, word);
}

QccStatus qcc_lex_expect(QccLexer *lx, char punct)
{
    const char wanted[] = {'\'', punct, '\'', 0};
    if (!qcc_lex_is(lx, punct)) return qcc_lex_unexpected(lx, wanted);
    return qcc_lex_next(lx);
}

QccStatus qcc_lex_take(QccLexer *lx, QccTokenKind kind, const char *wanted, QccToken *token)
{
    if (lx->token.kind != kind) return qcc_lex_unexpected(lx, wanted);
    if (token) *token = lx->token;
    return qcc_lex_next(lx);
}

QccStatus qcc_lex_i64(QccLexer *lx, int64_t *out, const char *wanted)
{
    const QccToken *t = &lx->token;
    if (t->kind != QCC_TOKEN_NUMBER || qcc_read_i64(out, t->begin, t->end) != t->end)
        return qcc_lex_unexpected(lx, wanted);
    return qcc_lex_next(lx);
}

QccStatus qcc_lex_f32(QccLexer *lx, float *out)
{
    const QccToken *t = &lx->token;
    bool number = t->kind == QCC_TOKEN_NUMBER || t->kind == QCC_TOKEN_WORD; /* inf, nan */
    if (!number || qcc_read_f32(out, t->begin, t->end) != t->end)
        return qcc_lex_unexpected(lx, "a number");
    return qcc_lex_next(lx);
}
