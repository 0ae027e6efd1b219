/* options - the one table of a command's options: parsing, checks, help and completion read it. */
#ifndef QCC_TOOLS_OPTIONS_H
#define QCC_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum OptionType {
    OPTION_IS_FLAG,   /* bool */
    OPTION_IS_INT,    /* int64_t, within min..max */
    OPTION_IS_FLOAT,  /* double, within min..max */
    OPTION_IS_STRING, /* const char *; the last one counts */
    OPTION_IS_LIST    /* const char *const *; every one counts, NULL-terminated; NULL: none */
} OptionType;

/* A table ends in a row whose name is NULL. */
typedef struct Option {
    const char *name; /* without the dashes */
    size_t offset;    /* offsetof(struct, member) */
    const char *arg;  /* what help calls its value; NULL for flags */
    const char *help;
    double min, max; /* of INT and FLOAT; equal: any */
    OptionType type;
    char letter; /* 0: it has a long name only */
} Option;

/* Rows: `member` of the struct `T` receives the value. */
#define OPTION_ROW(letter, name, T, member, arg, min, max, help, type)                             \
    {name, offsetof(T, member), arg, help, min, max, type, letter}
#define OPTION_FLAG(letter, name, T, member, help)                                                 \
    OPTION_ROW(letter, name, T, member, NULL, 0, 0, help, OPTION_IS_FLAG)
#define OPTION_INT(letter, name, T, member, arg, min, max, help)                                   \
    OPTION_ROW(letter, name, T, member, arg, min, max, help, OPTION_IS_INT)
#define OPTION_FLOAT(letter, name, T, member, arg, min, max, help)                                 \
    OPTION_ROW(letter, name, T, member, arg, min, max, help, OPTION_IS_FLOAT)
#define OPTION_STRING(letter, name, T, member, arg, help)                                          \
    OPTION_ROW(letter, name, T, member, arg, 0, 0, help, OPTION_IS_STRING)
#define OPTION_LIST(letter, name, T, member, arg, help)                                            \
    OPTION_ROW(letter, name, T, member, arg, 0, 0, help, OPTION_IS_LIST)

/* A table and the struct that it fills. */
typedef struct OptionSet {
    const Option *table;
    void *values;
} OptionSet;

/* Sorts the arguments argv[0..argc) into the sets (NULL table: the last one) and operand[*n]. With
 * `stop`, ends at the first operand, before it, or at an option of none of the sets. Returns the
 * number of arguments taken; -1: wrong usage, said on stderr in the name of `who`. Lists are
 * allocated: options_free. */
int options_parse(const OptionSet *sets, int argc, char **argv, const char **operand, int *n,
                  bool stop, const char *who);
void options_free(const OptionSet *set);

/* "  -o, --output FILE   where the result goes", one line a row, wrapped. */
void options_help(FILE *out, const Option *table);
/* "--output", one a line, for completion; those that want a value end in "=". */
void options_list(FILE *out, const Option *table);

/* The name in `names` (NULL-terminated) that is nearest to a mistyped one; NULL: none is near. */
const char *nearest_name(const char *mistyped, const char *const *names);

#endif
