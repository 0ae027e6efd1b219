/* say - diagnostics, progress and numbers for people; JSON for programs. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/tool.h"

/* ---- diagnostics ----------------------------------------------------------------------------- */

static const char *severity_name(QccSeverity s)
{
    return s == QCC_ERROR ? "error" : s == QCC_WARNING ? "warning" : "note";
}

static const char *paint(const Tool *tool, const char *code)
{
    return tool->color ? code : "";
}

/* Text that came from a model or a file must not steer the terminal: neither by the characters
 * below the space, nor by U+0080 to U+009F, which are c2 80 to c2 9f in UTF-8. */
static void put_safe(FILE *out, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n && s[i]; i++) {
        bool c1 = s[i] == 0xc2 && i + 1 < n && s[i + 1] >= 0x80 && s[i + 1] < 0xa0;
        bool control = (s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f || c1;
        fputc(control ? '?' : s[i], out);
        i += c1;
    }
}

static void put_heading(const Tool *tool, QccSeverity severity)
{
    static const char *const color[] = {"\033[1;36m", "\033[1;35m", "\033[1;31m"};
    fprintf(stderr, "%s%s:%s ", paint(tool, color[severity]), severity_name(severity),
            paint(tool, "\033[0m"));
}

/* The line of the source and a caret; a long line is shown around the column. */
static void put_source(const Tool *tool, const char *source, int column)
{
    enum { WIDTH = 100 };
    size_t n = strcspn(source, "\r\n"), from = 0;
    size_t at = column > 0 && (size_t)column <= n + 1 ? (size_t)column - 1 : 0;
    if (at > WIDTH * 3 / 4) from = at - WIDTH / 2;
    while (from > 0 && ((unsigned char)source[from] & 0xc0) == 0x80) from--; /* whole UTF-8 */
    size_t shown = n - from < WIDTH ? n - from : WIDTH;
    fputs("    ", stderr);
    put_safe(stderr, source + from, shown);
    fputs("\n", stderr);
    if (column <= 0) return;
    fputs("    ", stderr);
    for (size_t i = from; i < at; i++) {
        unsigned char c = (unsigned char)source[i];
        if (c == '\t')
            fputc('\t', stderr);
        else if ((c & 0xc0) != 0x80)
            fputc(' ', stderr);
    }
    fprintf(stderr, "%s^%s\n", paint(tool, "\033[1;32m"), paint(tool, "\033[0m"));
}

void tool_diagnostic(void *user, const QccDiagnostic *d)
{
    Tool *tool = user;
    if (tool->muted) return;
    tool_progress_end(tool);
    fputs(paint(tool, "\033[1m"), stderr);
    if (d->file) {
        put_safe(stderr, d->file, strlen(d->file));
        if (d->line > 0) fprintf(stderr, ":%d", d->line);
        if (d->line > 0 && d->column > 0) fprintf(stderr, ":%d", d->column);
    } else {
        fputs("qcc", stderr);
    }
    fprintf(stderr, ":%s ", paint(tool, "\033[0m"));
    put_heading(tool, d->severity);
    put_safe(stderr, d->message, strlen(d->message));
    if (d->node) {
        fputs(" (node '", stderr);
        put_safe(stderr, d->node, strlen(d->node));
        fputs("')", stderr);
    }
    fputc('\n', stderr);
    if (d->source) put_source(tool, d->source, d->column);
}

static void say(Tool *tool, QccSeverity severity, const char *fmt, va_list args)
{
    char message[1024];
    vsnprintf(message, sizeof message, fmt, args);
    QccDiagnostic d = {.severity = severity, .message = message};
    tool_diagnostic(tool, &d);
}

QccStatus tool_error(Tool *tool, QccStatus status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(tool, QCC_ERROR, fmt, args);
    va_end(args);
    return status;
}

void tool_note(Tool *tool, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(tool, QCC_NOTE, fmt, args);
    va_end(args);
}

void tool_warn(Tool *tool, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(tool, QCC_WARNING, fmt, args);
    va_end(args);
}

/* ---- progress -------------------------------------------------------------------------------- */

double tool_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

void tool_progress_end(Tool *tool)
{
    if (tool->progress.what[0]) fputs("\r\033[K", stderr);
    tool->progress.what[0] = '\0';
}

static void draw(const Progress *p, int64_t done, int64_t total, double now)
{
    enum { WIDTH = 28 };
    double part = (double)done / (double)total, spent = (now - p->started_ms) / 1e3;
    int full = (int)(part * WIDTH);
    fprintf(stderr, "\r%-12.40s [", p->what);
    for (int i = 0; i < WIDTH; i++) fputc(i < full ? '=' : i == full ? '>' : ' ', stderr);
    fprintf(stderr, "] %3d %%", (int)(part * 100));
    /* An estimate from the first moments would jump about. */
    if (spent > 1 && part > 0.01) fprintf(stderr, ", %.0f s left", spent / part - spent);
    fputs("\033[K", stderr);
}

bool tool_progress(void *user, const char *what, int64_t done, int64_t total)
{
    Tool *tool = user;
    Progress *p = &tool->progress;
    if (!tool->terminal || total <= 0) return true;
    double now = tool_now_ms();
    if (strncmp(p->what, what, sizeof p->what - 1) != 0) {
        *p = (Progress){.started_ms = now};
        snprintf(p->what, sizeof p->what, "%s", what);
    }
    if (done >= total) {
        tool_progress_end(tool);
    } else if (now - p->drawn_ms > 100) {
        p->drawn_ms = now;
        draw(p, done, total, now);
    }
    return true;
}

/* ---- output ---------------------------------------------------------------------------------- */

bool tool_write(void *file, const void *bytes, size_t size)
{
    return fwrite(bytes, 1, size, file) == size;
}

QccStatus tool_json(Tool *tool, json_t *json)
{
    int bad = json ? json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : 0;
    json_decref(json);
    if (!json) return tool_error(tool, QCC_ERROR_MEMORY, "out of memory");
    putchar('\n');
    return bad ? QCC_ERROR_IO : QCC_OK;
}

json_t *tool_real(bool known, double x)
{
    return known && isfinite(x) ? json_real(x) : json_null();
}

const char *tool_bytes(char *buf, int64_t bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB"};
    double x = (double)bytes;
    int i = 0;
    for (; x >= 1000 && i < 3; i++) x /= 1000;
    snprintf(buf, 32, i ? "%.2f %s" : "%.0f %s", x, unit[i]);
    return buf;
}
