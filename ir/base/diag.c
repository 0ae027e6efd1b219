/* diag - formats messages into a fixed buffer: reporting an error must not need memory. */
#include "ir/base/diag.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 2048 };

/* A message is one line of text, whatever names from files are in it. */
static void make_printable(char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f) *s = *s == '\t' ? ' ' : '?';
    }
}

static void post(QccDiags *d, QccSeverity severity, QccLoc loc, const char *source, const char *fmt,
                 va_list args)
{
    if (severity == QCC_ERROR) d->errors++;
    if (severity == QCC_WARNING) d->warnings++;
    if (!d->fn) return;
    char message[MESSAGE_MAX];
    int n = vsnprintf(message, sizeof message, fmt, args);
    if (n < 0) snprintf(message, sizeof message, "message could not be formatted");
    if (n >= MESSAGE_MAX) memcpy(message + MESSAGE_MAX - 4, "...", 4);
    make_printable(message);
    QccDiagnostic diagnostic = {
        .severity = severity,
        .file = loc.file,
        .line = loc.line,
        .column = loc.col,
        .node = loc.node,
        .message = message,
        .source = source,
    };
    d->fn(d->user, &diagnostic);
}

QccStatus qcc_fail(QccDiags *d, QccStatus status, QccLoc loc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    post(d, QCC_ERROR, loc, NULL, fmt, args);
    va_end(args);
    return status;
}

QccStatus qcc_error(QccDiags *d, QccLoc loc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    post(d, QCC_ERROR, loc, NULL, fmt, args);
    va_end(args);
    return QCC_ERROR_INPUT;
}

void qcc_warn(QccDiags *d, QccLoc loc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    post(d, QCC_WARNING, loc, NULL, fmt, args);
    va_end(args);
}

void qcc_note(QccDiags *d, QccLoc loc, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    post(d, QCC_NOTE, loc, NULL, fmt, args);
    va_end(args);
}

bool qcc_source_line(char out[QCC_SOURCE_MAX], const char *text, int64_t len, int line, int col)
{
    const char *at = text, *end = text + len;
    for (int i = 1; i < line; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) return false;
        at = newline + 1;
    }
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    int64_t n = (newline ? newline : end) - at;
    if (n >= QCC_SOURCE_MAX) n = QCC_SOURCE_MAX - 1;
    if (col > n + 1) return false;
    memcpy(out, at, (size_t)n);
    out[n] = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!out[i]) out[i] = '?';
    }
    make_printable(out); /* tabs become single blanks, so that the caret stands right */
    return true;
}

QccStatus qcc_error_in_text(QccDiags *d, QccLoc loc, const char *text, int64_t len, const char *fmt,
                            ...)
{
    char source[QCC_SOURCE_MAX];
    bool found = text && loc.line > 0 && qcc_source_line(source, text, len, loc.line, loc.col);
    va_list args;
    va_start(args, fmt);
    post(d, QCC_ERROR, loc, found ? source : NULL, fmt, args);
    va_end(args);
    return QCC_ERROR_INPUT;
}
