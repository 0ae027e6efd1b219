/* ir - the context: memory, diagnostics, interned types, the table of ops. */
#include "ir/ir.h"

#include <string.h>

#include "ir/op.h"
#include "ir/type_table.h"

static const QccOpDef *const builtin[] = {
#define QCC_OP(name) &qcc_op_##name,
#include "ir/ops.def"
#undef QCC_OP
};

enum { NBUILTIN = sizeof builtin / sizeof *builtin };

typedef struct Setup {
    QccArena *arena;
    QccMem *mem;
    QccIr *ir;
} Setup;

static void add_op(QccIr *ir, const QccOpDef *def)
{
    ir->op = qcc_grow(ir->arena, ir->op, ir->nop, &ir->op_cap, sizeof *ir->op);
    ir->op[ir->nop++] = def;
}

static void set_up(void *user)
{
    Setup *setup = user;
    QccIr *ir = QCC_NEW(setup->arena, QccIr);
    ir->mem = setup->mem;
    ir->arena = setup->arena;
    ir->types = qcc_type_table_new(ir->arena);
    for (int i = 0; i < NBUILTIN; i++) add_op(ir, builtin[i]);
    setup->ir = ir;
}

QccIr *qcc_ir_new(QccMem *mem, QccDiagnosticFn *fn, void *user)
{
    Setup setup = {.arena = qcc_arena_new(mem), .mem = mem};
    if (!setup.arena) return NULL;
    if (!qcc_mem_protect(mem, set_up, &setup)) {
        qcc_arena_free(setup.arena);
        return NULL;
    }
    setup.ir->diags = (QccDiags){.fn = fn, .user = user};
    return setup.ir;
}

void qcc_ir_free(QccIr *ir)
{
    if (ir) qcc_arena_free(ir->arena);
}

const QccOpDef *qcc_ir_find_op(const QccIr *ir, const char *name)
{
    for (int i = 0; i < ir->nop; i++) {
        if (!strcmp(ir->op[i]->name, name)) return ir->op[i];
    }
    return NULL;
}

QccStatus qcc_ir_add_op(QccIr *ir, const QccOpDef *def)
{
    if (qcc_ir_find_op(ir, def->name))
        return qcc_error(&ir->diags, (QccLoc){0}, "there is an op '%s' already", def->name);
    add_op(ir, def);
    return QCC_OK;
}
