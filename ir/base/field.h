/* field - the one option table: attributes of ops, options of passes, observers and targets.
 *
 * A row names a member of a struct, its type, default, bounds and help; parsing from .qir and
 * YAML, printing, checks, --help and docs all read it.
 */
#ifndef QCC_IR_BASE_FIELD_H
#define QCC_IR_BASE_FIELD_H

#include "ir/base/buf.h"
#include "ir/base/diag.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef enum QccFieldType {
    QCC_FIELD_BOOL,   /* bool */
    QCC_FIELD_INT,    /* int64_t */
    QCC_FIELD_FLOAT,  /* double; as text: fewest digits that read back */
    QCC_FIELD_ENUM,   /* int: index into names */
    QCC_FIELD_STRING, /* const char *, in the owner's arena; as text: "quoted" */
    QCC_FIELD_INTS,   /* QccInts; as text: [1,2,3] */
    QCC_FIELD_STRINGS /* QccStrings; as text: ["a","b"] */
} QccFieldType;

enum { QCC_INTS_MAX = 24 };

typedef struct QccInts {
    int n;
    int64_t v[QCC_INTS_MAX];
} QccInts;

typedef struct QccStrings {
    int n;
    const char *const *v;
} QccStrings;

typedef struct QccField {
    const char *name;
    QccFieldType type;
    size_t offset;            /* offsetof(struct, member) */
    const char *init;         /* the default as text; NULL: must be given */
    double min, max;          /* INT and FLOAT and the items of INTS; min == max == 0: any */
    const char *const *names; /* ENUM: NULL-terminated, in the order of the enum's values */
    const char *help;         /* what it is for, unit, odd values */
} QccField;

/* Tables end in a row whose name is NULL; a NULL table is an empty one. */

/* Sets every member to its default. Members without a default become zero. */
void qcc_fields_init(QccArena *arena, const QccField *fields, void *object);

/* The row of that name, or NULL. */
const QccField *qcc_field_find(const QccField *fields, const char *name);

/* Parses `text` (len bytes; the textual form of the type; strings and enums also without quotes)
 * into the member, with bounds checked. Errors are posted at `loc` and name the field. */
QccStatus qcc_field_parse(QccArena *arena, QccDiags *d, QccLoc loc, const QccField *field,
                          const char *text, int64_t len, void *object);

/* Prints the member's textual form. */
void qcc_field_print(QccBuf *buf, const QccField *field, const void *object);

/* Whether the member holds its default (then it is not printed). Required fields never do. */
bool qcc_field_is_default(const QccField *field, const void *object);

/* Whether a member that was set in C keeps the table's bounds and would survive being printed and
 * read back; posts what does not, at `loc`. */
QccStatus qcc_field_check(QccDiags *d, QccLoc loc, const QccField *field, const void *object);

/* "name=TYPE (default X): help", one line a row: for --help and docs. */
void qcc_fields_help(QccBuf *buf, const QccField *fields);

#pragma GCC visibility pop

#endif
