/* ir - the context that types, graphs and ops live in. */
#ifndef QCC_IR_IR_H
#define QCC_IR_IR_H

#include "ir/base/arena.h"
#include "ir/base/diag.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef struct QccOpDef QccOpDef;
typedef struct QccTypeTable QccTypeTable;

/* Owns interned types and the table of ops. One thread at a time. */
typedef struct QccIr {
    QccMem *mem;     /* borrowed */
    QccArena *arena; /* lives as long as the context */
    QccDiags diags;
    QccTypeTable *types;
    const QccOpDef **op; /* built-in ones in the order of ops.def, then those of plugins */
    int nop;
    int64_t op_cap;
} QccIr;

/* Sets up a context with the built-in ops. Everything it holds lives in an arena over `mem`, which
 * is borrowed; qcc_ir_free frees it. NULL: out of memory. */
QccIr *qcc_ir_new(QccMem *mem, QccDiagnosticFn *fn, void *user);
void qcc_ir_free(QccIr *ir);

/* The op of that name, or NULL. */
const QccOpDef *qcc_ir_find_op(const QccIr *ir, const char *name);

/* Adds a plugin's op; a second op of a name is an error. `def` is borrowed for the context's life.
 */
QccStatus qcc_ir_add_op(QccIr *ir, const QccOpDef *def);

#pragma GCC visibility pop

#endif
