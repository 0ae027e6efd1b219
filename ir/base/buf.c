/* buf - strings of bytes, and numbers as text in the same way under every locale. */
#include "ir/base/buf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 500 };

void qcc_buf_init(QccBuf *buf, QccArena *arena)
{
    *buf = (QccBuf){.arena = arena};
}

void qcc_buf_add(QccBuf *buf, const void *bytes, int64_t n)
{
    if (!n) return;
    buf->data = qcc_grow(buf->arena, buf->data, buf->len + n, &buf->cap, 1);
    memcpy(buf->data + buf->len, bytes, (size_t)n);
    buf->len += n;
    buf->data[buf->len] = 0;
}

void qcc_buf_puts(QccBuf *buf, const char *s)
{
    qcc_buf_add(buf, s, (int64_t)strlen(s));
}

void qcc_buf_printf(QccBuf *buf, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n > 0) {
        buf->data = qcc_grow(buf->arena, buf->data, buf->len + n, &buf->cap, 1);
        vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, args);
        buf->len += n;
    }
    va_end(args);
}

/* ---- strings -------------------------------------------------------------------------------- */

void qcc_buf_quoted(QccBuf *buf, const char *s)
{
    qcc_buf_puts(buf, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            char escaped[2] = {'\\', *s};
            qcc_buf_add(buf, escaped, 2);
        } else if (c == '\n') {
            qcc_buf_puts(buf, "\\n");
        } else if (c == '\t') {
            qcc_buf_puts(buf, "\\t");
        } else if (c < ' ' || c == 0x7f) {
            qcc_buf_printf(buf, "\\x%02x", c);
        } else {
            qcc_buf_add(buf, s, 1);
        }
    }
    qcc_buf_puts(buf, "\"");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Reads one character after a backslash; NULL: none that we know. */
static const char *read_escape(char *out, const char *s, const char *end)
{
    if (s == end) return NULL;
    switch (*s) {
    case '"':
    case '\\': *out = *s; return s + 1;
    case 'n': *out = '\n'; return s + 1;
    case 't': *out = '\t'; return s + 1;
    case 'x': break;
    default: return NULL;
    }
    if (end - s < 3) return NULL;
    int high = hex_digit(s[1]), low = hex_digit(s[2]);
    if (high < 0 || low < 0 || !(high | low)) return NULL;
    *out = (char)(high * 16 + low);
    return s + 3;
}

const char *qcc_read_quoted(QccArena *arena, const char **out, const char *s, const char *end)
{
    if (s == end || *s != '"') return NULL;
    /* The first walk measures, the second copies. */
    char *copy = NULL;
    for (int walk = 0; walk < 2; walk++) {
        const char *at = s + 1;
        size_t n = 0;
        for (;;) {
            if (at == end) return NULL;
            char c = *at++;
            if (c == '"') break;
            if (!c || c == '\n') return NULL;
            if (c == '\\') at = read_escape(&c, at, end);
            if (!at) return NULL;
            if (copy) copy[n] = c;
            n++;
        }
        if (!arena || walk) {
            if (out) *out = copy;
            return at;
        }
        copy = qcc_alloc(arena, n + 1);
    }
    return NULL;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Puts a '.' where the C library wrote the locale's decimal point. */
static void fix_point(char *s)
{
    char *to = s;
    bool inside = false;
    for (; *s; s++) {
        bool plain = (*s >= '0' && *s <= '9') || *s == '-' || *s == '+' || *s == 'e';
        if (plain) *to++ = *s;
        if (!plain && !inside) *to++ = '.';
        inside = !plain;
    }
    *to = 0;
}

static bool put_special(QccBuf *buf, double x)
{
    if (isfinite(x)) return false;
    qcc_buf_puts(buf, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
    return true;
}

void qcc_buf_f32(QccBuf *buf, float x)
{
    if (put_special(buf, (double)x)) return;
    char s[64];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)x);
        fix_point(s);
        float back;
        if (qcc_read_f32(&back, s, s + strlen(s)) && back == x) break;
    }
    qcc_buf_puts(buf, s);
}

void qcc_buf_f64(QccBuf *buf, double x)
{
    if (put_special(buf, x)) return;
    char s[64];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        fix_point(s);
        double back;
        if (qcc_read_f64(&back, s, s + strlen(s)) && back == x) break;
    }
    qcc_buf_puts(buf, s);
}

static bool is_digit(char c, bool hex)
{
    return hex ? hex_digit(c) >= 0 : c >= '0' && c <= '9';
}

/* Where a finite number ends, or NULL: [+-] digits [. digits] [e [+-] digits]; 0x and p for hex. */
static const char *scan_number(const char *s, const char *end)
{
    if (s < end && (*s == '-' || *s == '+')) s++;
    bool hex = end - s > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    if (hex) s += 2;
    int digits = 0;
    for (; s < end && is_digit(*s, hex); s++) digits++;
    if (s < end && *s == '.') {
        for (s++; s < end && is_digit(*s, hex); s++) digits++;
    }
    if (!digits) return NULL;
    if (s < end && (hex ? *s == 'p' || *s == 'P' : *s == 'e' || *s == 'E')) {
        const char *e = s + 1;
        if (e < end && (*e == '-' || *e == '+')) e++;
        if (e == end || !is_digit(*e, false)) return NULL;
        while (e < end && is_digit(*e, false)) e++;
        s = e;
    }
    return s;
}

/* Reads inf, -inf, nan; NULL: it is none of them. */
static const char *read_special(double *out, const char *s, const char *end)
{
    bool negative = s < end && *s == '-';
    if (negative) s++;
    if (end - s < 3) return NULL;
    if (!memcmp(s, "inf", 3)) {
        *out = negative ? -(double)INFINITY : (double)INFINITY;
    } else if (!memcmp(s, "nan", 3) && !negative) {
        *out = (double)NAN;
    } else {
        return NULL;
    }
    return s + 3;
}

/* Copies a number as the C library wants to read it: with the locale's decimal point, which is what
 * it prints between the digits of 0.5. */
static bool localize(char out[2 * NUMBER_MAX], const char *s, const char *end)
{
    if (end - s > NUMBER_MAX) return false;
    char point[64];
    snprintf(point, sizeof point, "%.1f", 0.5);
    size_t width = strlen(point) - 2;
    for (; s < end; s++) {
        if (*s == '.') {
            memcpy(out, point + 1, width);
            out += width;
        } else {
            *out++ = *s;
        }
    }
    *out = 0;
    return true;
}

const char *qcc_read_f32(float *out, const char *s, const char *end)
{
    double special;
    const char *rest = read_special(&special, s, end);
    if (rest) {
        *out = (float)special;
        return rest;
    }
    char text[2 * NUMBER_MAX];
    rest = scan_number(s, end);
    if (!rest || !localize(text, s, rest)) return NULL;
    *out = strtof(text, NULL);
    return isfinite(*out) ? rest : NULL;
}

const char *qcc_read_f64(double *out, const char *s, const char *end)
{
    const char *rest = read_special(out, s, end);
    if (rest) return rest;
    char text[2 * NUMBER_MAX];
    rest = scan_number(s, end);
    if (!rest || !localize(text, s, rest)) return NULL;
    *out = strtod(text, NULL);
    return isfinite(*out) ? rest : NULL;
}

const char *qcc_read_i64(int64_t *out, const char *s, const char *end)
{
    bool negative = s < end && *s == '-';
    if (negative) s++;
    if (s == end || !is_digit(*s, false)) return NULL;
    uint64_t limit = (uint64_t)INT64_MAX + negative, x = 0;
    for (; s < end && is_digit(*s, false); s++) {
        uint64_t digit = (uint64_t)(*s - '0');
        if (x > (limit - digit) / 10) return NULL;
        x = x * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - x) : (int64_t)x;
    return s;
}
