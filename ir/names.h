/* names - the names of values: unique in their graph, the graphs around it and the bodies in it.
 * Bodies side by side may use the same names. Parameters of bodies are named after the operands
 * and are not registered. */
#ifndef QCC_IR_NAMES_H
#define QCC_IR_NAMES_H

#include "ir/graph.h"

typedef struct QccNames QccNames;

QccNames *qcc_names_new(QccArena *arena);

/* Gives the value (value->graph is set) a name like `wanted` (NULL or empty: "t1", ...). */
void qcc_name_value(QccValue *value, const char *wanted);
/* Whether a value of this graph may have that name as it is. */
bool qcc_name_is_free(const QccGraph *g, const char *name);
/* Makes its name free again. */
void qcc_name_release(QccValue *value);
/* The registered value of that name in this graph alone, or NULL. */
QccValue *qcc_name_find(const QccGraph *g, const char *name);

#endif
