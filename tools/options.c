/* options - the one table of a command's options: parsing, checks, help and completion read it. */
#include "tools/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names that are nearly right ------------------------------------------------------------- */

enum { LONGEST_NAME = 48 };

/* Insertions, deletions and replacements that turn a into b (Levenshtein). */
static int distance(const char *a, const char *b)
{
    int row[LONGEST_NAME + 1], nb = (int)strlen(b);
    if (strlen(a) > LONGEST_NAME || nb > LONGEST_NAME) return LONGEST_NAME;
    for (int j = 0; j <= nb; j++) row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

/* How far a mistyped name may be from the one that was meant. */
static int tolerance(const char *name)
{
    return 1 + (int)strlen(name) / 4;
}

const char *nearest_name(const char *mistyped, const char *const *names)
{
    const char *best = NULL;
    int least = tolerance(mistyped) + 1;
    for (; *names; names++) {
        int d = distance(mistyped, *names);
        if (d >= least) continue;
        least = d;
        best = *names;
    }
    return best;
}

static const char *nearest_option(const OptionSet *sets, const char *name)
{
    const char *best = NULL;
    int least = tolerance(name) + 1;
    size_t n = strlen(name);
    for (; sets->table; sets++) {
        for (const Option *o = sets->table; o->name; o++) {
            if (n >= 3 && strncmp(name, o->name, n) == 0) return o->name; /* cut short */
            int d = distance(name, o->name);
            if (d >= least) continue;
            least = d;
            best = o->name;
        }
    }
    return best;
}

/* ---- parsing --------------------------------------------------------------------------------- */

typedef struct Found {
    const Option *option; /* NULL: none */
    void *member;
} Found;

static Found find(const OptionSet *sets, char letter, const char *name, size_t n)
{
    for (; sets->table; sets++)
        for (const Option *o = sets->table; o->name; o++)
            if (name ? strlen(o->name) == n && memcmp(o->name, name, n) == 0
                     : letter && o->letter == letter)
                return (Found){o, (char *)sets->values + o->offset};
    return (Found){0};
}

static bool append(void *member, const char *value)
{
    const char **list = *(const char ***)member;
    size_t n = 0;
    while (list && list[n]) n++;
    const char **grown = realloc(list, (n + 2) * sizeof *list);
    if (!grown) return false;
    grown[n] = value;
    grown[n + 1] = NULL;
    *(const char ***)member = grown;
    return true;
}

static bool within(const Option *o, double x)
{
    return o->min == o->max || (x >= o->min && x <= o->max);
}

static bool set_number(Found f, const char *value, const char *who)
{
    const Option *o = f.option;
    char *end;
    errno = 0;
    double x;
    if (o->type == OPTION_IS_INT) {
        long long i = strtoll(value, &end, 10);
        x = (double)i;
        if (!errno) *(int64_t *)f.member = i;
    } else {
        x = strtod(value, &end);
        *(double *)f.member = x;
    }
    if (end == value || *end || errno || isnan(x)) {
        fprintf(stderr, "%s: error: --%s wants a number, not '%s'\n", who, o->name, value);
        return false;
    }
    if (within(o, x)) return true;
    fprintf(stderr, "%s: error: --%s lies in %.15g..%.15g, and is %s\n", who, o->name, o->min,
            o->max, value);
    return false;
}

static bool set_value(Found f, const char *value, const char *who)
{
    switch (f.option->type) {
    case OPTION_IS_FLAG: *(bool *)f.member = true; return true;
    case OPTION_IS_STRING: *(const char **)f.member = value; return true;
    case OPTION_IS_LIST: return append(f.member, value);
    case OPTION_IS_INT:
    case OPTION_IS_FLOAT: return set_number(f, value, who);
    }
    return false;
}

/* "--name", "--name=value", "--name value". Returns how many arguments it took, or -1. */
static int parse_long(const OptionSet *sets, int argc, char **argv, bool stop, const char *who)
{
    const char *name = argv[0] + 2, *value = strchr(name, '=');
    size_t n = value ? (size_t)(value - name) : strlen(name);
    Found f = find(sets, 0, name, n);
    if (!f.option && stop) return 0;
    if (!f.option) {
        char wrong[LONGEST_NAME + 1];
        snprintf(wrong, sizeof wrong, "%.*s", (int)(n < LONGEST_NAME ? n : LONGEST_NAME), name);
        const char *near = nearest_option(sets, wrong);
        fprintf(stderr, "%s: error: there is no option '--%s'%s%s%s\n", who, wrong,
                near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
        return -1;
    }
    if (value) value++;
    if (f.option->type == OPTION_IS_FLAG && value) {
        fprintf(stderr, "%s: error: --%s takes no value\n", who, f.option->name);
        return -1;
    }
    if (f.option->type == OPTION_IS_FLAG || value) return set_value(f, value, who) ? 1 : -1;
    if (argc < 2) {
        fprintf(stderr, "%s: error: --%s wants %s after it\n", who, f.option->name, f.option->arg);
        return -1;
    }
    return set_value(f, argv[1], who) ? 2 : -1;
}

/* "-vj4", "-o file", "-ofile". */
static int parse_short(const OptionSet *sets, int argc, char **argv, bool stop, const char *who)
{
    for (const char *p = argv[0] + 1; *p; p++) {
        Found f = find(sets, *p, NULL, 0);
        if (!f.option && stop && p == argv[0] + 1) return 0;
        if (!f.option) {
            fprintf(stderr, "%s: error: there is no option '-%c'\n", who, *p);
            return -1;
        }
        if (f.option->type == OPTION_IS_FLAG) {
            set_value(f, NULL, who);
            continue;
        }
        if (p[1]) return set_value(f, p + 1, who) ? 1 : -1;
        if (argc < 2) {
            fprintf(stderr, "%s: error: -%c wants %s after it\n", who, *p, f.option->arg);
            return -1;
        }
        return set_value(f, argv[1], who) ? 2 : -1;
    }
    return 1;
}

int options_parse(const OptionSet *sets, int argc, char **argv, const char **operand, int *n,
                  bool stop, const char *who)
{
    bool plain = false; /* after "--" */
    for (int i = 0; i < argc;) {
        const char *a = argv[i];
        if (plain || a[0] != '-' || !a[1]) { /* "-" alone is standard output */
            if (stop) return i;
            operand[(*n)++] = a;
            i++;
        } else if (strcmp(a, "--") == 0) {
            plain = true;
            i++;
        } else {
            int taken = a[1] == '-' ? parse_long(sets, argc - i, argv + i, stop, who)
                                    : parse_short(sets, argc - i, argv + i, stop, who);
            if (taken < 0) return -1;
            if (taken == 0) return i;
            i += taken;
        }
    }
    return argc;
}

void options_free(const OptionSet *set)
{
    for (const Option *o = set->table; o && o->name; o++)
        if (o->type == OPTION_IS_LIST) free(*(void **)((char *)set->values + o->offset));
}

/* ---- help ------------------------------------------------------------------------------------ */

enum { HELP_COLUMN = 30, HELP_WIDTH = 96 };

/* Prints words from HELP_COLUMN on; the first line stands at `at` already. */
static void wrap(FILE *out, const char *words, int at)
{
    fprintf(out, "%*s", at < HELP_COLUMN ? HELP_COLUMN - at : 0, "");
    if (at >= HELP_COLUMN) fprintf(out, "\n%*s", HELP_COLUMN, "");
    for (int column = HELP_COLUMN; *words;) {
        int n = (int)strcspn(words, " ");
        if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        if (column > HELP_COLUMN) column += fprintf(out, " ");
        column += fprintf(out, "%.*s", n, words);
        words += n + (words[n] == ' ');
    }
    fprintf(out, "\n");
}

void options_help(FILE *out, const Option *table)
{
    for (const Option *o = table; o->name; o++) {
        int at = o->letter ? fprintf(out, "  -%c, --%s", o->letter, o->name)
                           : fprintf(out, "      --%s", o->name);
        if (o->arg) at += fprintf(out, "=%s", o->arg);
        wrap(out, o->help, at + 1 > HELP_COLUMN ? HELP_COLUMN : at);
    }
}

void options_list(FILE *out, const Option *table)
{
    for (const Option *o = table; o->name; o++)
        fprintf(out, "--%s%s\n", o->name, o->arg ? "=" : "");
}
