/* buf - a growing string of bytes in an arena; always followed by a NUL. */
#ifndef QCC_IR_BASE_BUF_H
#define QCC_IR_BASE_BUF_H

#include "ir/base/arena.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef struct QccBuf {
    QccArena *arena;
    char *data; /* NULL while empty */
    int64_t len, cap;
} QccBuf;

void qcc_buf_init(QccBuf *buf, QccArena *arena);
void qcc_buf_add(QccBuf *buf, const void *bytes, int64_t n);
void qcc_buf_puts(QccBuf *buf, const char *s);
void qcc_buf_printf(QccBuf *buf, const char *fmt, ...) QCC_PRINTF(2, 3);

/* "s" in quotes; quotes, backslashes and control characters become \" \\ \n \t \xHH. */
void qcc_buf_quoted(QccBuf *buf, const char *s);

/* The fewest digits that read back as exactly this f32 (f64), locale-independent; inf, -inf, nan.
 */
void qcc_buf_f32(QccBuf *buf, float x);
void qcc_buf_f64(QccBuf *buf, double x);

/* Reads what the two above print (and any decimal or hexadecimal float), locale-independent.
 * Returns the first character after the number, or NULL: no number, one that is too big for the
 * type, or one of more than 500 characters. f32 is rounded once, from the text. */
const char *qcc_read_f32(float *out, const char *s, const char *end);
const char *qcc_read_f64(double *out, const char *s, const char *end);
const char *qcc_read_i64(int64_t *out, const char *s, const char *end); /* NULL on overflow */

/* Reads what qcc_buf_quoted prints. Returns the first character after the closing quote, or NULL:
 * no string, no end, a NUL, or an unknown escape. `arena` NULL: only skips it. */
const char *qcc_read_quoted(QccArena *arena, const char **out, const char *s, const char *end);

#pragma GCC visibility pop

#endif
