/* lex - the words of the qir language, one at a time. */
#ifndef QCC_IR_LEX_H
#define QCC_IR_LEX_H

#include "ir/ir.h"

typedef enum QccTokenKind {
    QCC_TOKEN_END,     /* of the text */
    QCC_TOKEN_NEWLINE, /* statements end with their line */
    QCC_TOKEN_WORD,    /* letters, digits, _ . - ; begins with a letter or _ */
    QCC_TOKEN_NUMBER,  /* begins with a digit or -; also 128x784 */
    QCC_TOKEN_STRING,  /* "..."; name holds what it says */
    QCC_TOKEN_VALUE,   /* %x or %"a/b"; name without % */
    QCC_TOKEN_AT,      /* @3, @mlp or @"..."; name without @ */
    QCC_TOKEN_RANGE,   /* .. */
    QCC_TOKEN_PUNCT    /* any other character */
} QccTokenKind;

typedef struct QccToken {
    QccTokenKind kind;
    const char *begin, *end; /* in the text */
    const char *name;        /* of STRING, VALUE, AT and WORD; in the lexer's arena */
    int line, col;           /* from 1 */
} QccToken;

typedef struct QccLexer {
    QccDiags *diags;
    QccArena *arena;
    const char *file, *text, *end;
    const char *at, *line_start;
    int line;
    bool semicolons; /* ; is a word of its own; else it begins a comment */
    QccToken token;  /* the current one */
} QccLexer;

/* Makes the first token current. `text` is borrowed. */
QccStatus qcc_lex_init(QccLexer *lx, QccDiags *d, QccArena *arena, const char *file,
                       const char *text, int64_t len);

/* Makes the next token current. Fails on a string that does not end or a stray control byte. */
QccStatus qcc_lex_next(QccLexer *lx);

/* Goes to the end of the current line (its newline becomes current), also from a bad token. */
void qcc_lex_skip_line(QccLexer *lx);

/* The text from the current token up to a , or } that is in no bracket and no string; the , or }
 * becomes current. */
QccStatus qcc_lex_raw(QccLexer *lx, const char **begin, const char **end);

bool qcc_lex_is(const QccLexer *lx, char punct);
bool qcc_lex_is_word(const QccLexer *lx, const char *word);
/* Consumes the punctuation or posts what was found instead. */
QccStatus qcc_lex_expect(QccLexer *lx, char punct);
/* Consumes a token of that kind. */
QccStatus qcc_lex_take(QccLexer *lx, QccTokenKind kind, const char *wanted, QccToken *token);
/* The same for numbers. */
QccStatus qcc_lex_i64(QccLexer *lx, int64_t *out, const char *wanted);
QccStatus qcc_lex_f32(QccLexer *lx, float *out);

QccLoc qcc_lex_loc(const QccLexer *lx, const QccToken *token);
/* Posts an error at the token. */
QccStatus qcc_lex_error(QccLexer *lx, const QccToken *token, const char *fmt, ...) QCC_PRINTF(3, 4);
/* Posts "wanted ..., found ..." at the current token. */
QccStatus qcc_lex_unexpected(QccLexer *lx, const char *wanted);

#endif
