/* emit - the state of one compilation, and thin helpers over LLVM's builder.
 *
 *   module.c     opens a context, calls the anchor's emitter, verifies, writes the object
 *   contract.c depthwise.c pool.c map.c rows.c      one anchor each
 *   product.c    contractions in tiles              tile.c     what is done with tiles
 *   expr.c       an epilogue over vectors           store.c    narrowing and storing
 *   memory.c     loads of whole and partial vectors emit.c     loops, constants, intrinsics
 *   block.c      epilogues of blocks of pixels x channels    turn.c   transposes in registers
 *
 * Every extent is a number of the description, so every tail is a number here: a vector with fewer
 * than all its lanes is loaded and stored by a constant count, and nothing beyond it is touched.
 *
 * Everything here works on a QccEmit that one thread owns. What a kernel asks and no emitter can
 * give is reported through qcc_emit_fail, which does not return.
 */
#ifndef QCC_BACKEND_LLVM_EMIT_H
#define QCC_BACKEND_LLVM_EMIT_H

#include <llvm-c/Core.h>
#include <setjmp.h>

#include "backend/pack.h"
#include "backend/target.h"

typedef LLVMValueRef Val;
typedef LLVMTypeRef Typ;

typedef struct QccEmit {
    const QccKernel *k;
    const QccTarget *t;
    QccArena *arena;
    int lanes; /* f32 per vector register: the width of every expression */
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    Val fn;
    Val args, begin, end; /* parameters of the kernel */
    Typ i1, i8, i16, i32, i64, f32, f64, ptr, none;
    jmp_buf *fail; /* where qcc_emit_fail goes */
    QccStatus status;
    const char *error;
} QccEmit;

/* Ends the compilation with a status and a message. */
_Noreturn void qcc_emit_fail(QccEmit *e, QccStatus status, const char *fmt, ...) QCC_PRINTF(3, 4);

/* ---- emit.c: constants, arithmetic on addresses, loops, intrinsics --------------------------- */

Val emit_i32(QccEmit *e, int64_t x);
Val emit_i64(QccEmit *e, int64_t x);
Typ emit_vector(Typ element, int lanes);
/* x in every lane; x is a scalar. */
Val emit_splat(QccEmit *e, Val x, int lanes);

/* i64 arithmetic; constants fold. */
Val emit_add(QccEmit *e, Val a, Val b);
Val emit_addc(QccEmit *e, Val a, int64_t b);
Val emit_mulc(QccEmit *e, Val a, int64_t b);
/* Unsigned a / b and a % b; a is known not to be negative. */
Val emit_divc(QccEmit *e, Val a, int64_t b);
Val emit_modc(QccEmit *e, Val a, int64_t b);
Val emit_min(QccEmit *e, Val a, Val b); /* signed */
Val emit_max(QccEmit *e, Val a, Val b);

/* p + bytes. */
Val emit_at(QccEmit *e, Val p, Val bytes);
Val emit_atc(QccEmit *e, Val p, int64_t bytes);

/* The same address, of which LLVM does not know how it was computed. Loop strength reduction weighs
 * every way to reach every address of a loop; of a block's dozens of addresses that differ by
 * constants it is told one, and half the time of code generation is saved. */
Val emit_opaque(QccEmit *e, Val p);

/* The pointer args[number]. */
Val emit_arg(QccEmit *e, int number);

/* A counted loop with values carried from one iteration to the next. Between begin and end the
 * builder stands in the body, which may have blocks of its own; after end, behind the loop. The
 * bounds are tested before the first iteration, unless they are numbers. */
enum { EMIT_CARRY = 72 };
typedef struct EmitLoop {
    LLVMBasicBlockRef head, exit;
    Val i; /* the counter in the body */
    Val limit, step;
    int n;
    Val carry[EMIT_CARRY]; /* in the body: the values at its beginning; after end: the last ones */
    Val first[EMIT_CARRY];
    LLVMBasicBlockRef before;
} EmitLoop;
void emit_loop_begin(QccEmit *e, EmitLoop *l, Val from, Val to, int64_t step, int n, Val *carry);
void emit_loop_end(QccEmit *e, EmitLoop *l, Val *next);

/* Runs what follows, up to emit_if_end, when the condition (i1) holds. */
LLVMBasicBlockRef emit_if_begin(QccEmit *e, Val condition);
void emit_if_end(QccEmit *e, LLVMBasicBlockRef join);

/* Calls an intrinsic. `over`: the types it is overloaded on (noverload of them). */
Val emit_intrinsic(QccEmit *e, const char *name, Typ *over, int noverload, Val *arg, int narg);
/* Intrinsics of one vector type. */
Val emit_unary(QccEmit *e, const char *name, Val a);
Val emit_binary(QccEmit *e, const char *name, Val a, Val b);

/* a * b + c for f32 vectors, rounded once: the instruction, or its exact emulation. */
Val emit_fma(QccEmit *e, Val a, Val b, Val c);

/* ---- memory.c: elements of arguments --------------------------------------------------------- */

/* Bytes of an element; fails for packed types, which no kernel takes. */
int64_t emit_size(QccEmit *e, QccDtype dtype);
Typ emit_type(QccEmit *e, QccDtype dtype);
/* The type an expression sees (QccExprType), and its LLVM type. */
int emit_wide(QccEmit *e, QccDtype dtype);
Typ emit_expr_type(QccEmit *e, int type);

/* `count` elements (1 .. lanes) at p, `step` elements apart, as they lie in memory; the other lanes
 * are anything. Touches exactly those elements. */
Val emit_load(QccEmit *e, QccDtype dtype, Val p, int64_t step, int count);
/* Widened to what expressions compute with: what was loaded, or a load and this. */
Val emit_widen(QccEmit *e, QccDtype dtype, Val elements);
Val emit_load_wide(QccEmit *e, QccDtype dtype, Val p, int64_t step, int count);
/* All lanes of a vector of LLVM type `type`, at an alignment. */
Val emit_load_vector(QccEmit *e, Typ type, Val p, int align);
/* The line of memory at p will be read: it is brought into L2. p may lie anywhere. */
void emit_prefetch(QccEmit *e, Val p);
/* The first `count` bytes of a whole register of them (4 * lanes), as they lie in memory. */
Val emit_load_bytes(QccEmit *e, Val p, int count);
/* The same of `lanes` bytes, which are a part of a register. */
Val emit_load_few_bytes(QccEmit *e, Val p, int lanes, int count);

/* ---- store.c --------------------------------------------------------------------------------- */

/* Narrows `value` (in the type that expressions of `dtype` have) and stores its first `count` lanes
 * `step` elements apart. */
void emit_store(QccEmit *e, QccDtype dtype, Val value, Val p, int64_t step, int count);
/* n vectors whose elements follow each other, the last with `count` lanes. */
void emit_store_run(QccEmit *e, QccDtype dtype, const Val *value, int n, Val p, int count);

/* Four vectors of i32 as bytes of `dtype` (u8 or i8), each number the nearest one that there is.
 * Packs work on the 128-bit parts of registers: part l of the bytes has, one after the other, four
 * of each vector. */
Val emit_pack(QccEmit *e, QccDtype dtype, const Val *value);
/* The vectors side by side. And `count` of a register's bytes, from byte `from` on. */
Val emit_saturate(QccEmit *e, QccDtype dtype, const Val *value);
void emit_store_part(QccEmit *e, Val bytes, int from, int count, Val p);

/* The first `count` bytes of a register of them, or of a part of one. */
void emit_store_bytes(QccEmit *e, Val value, Val p, int count);

/* ---- expr.c ---------------------------------------------------------------------------------- */

/* An argument of an expression at the place where it is evaluated. */
typedef struct EmitOperand {
    QccDtype dtype;
    int64_t step; /* elements from lane to lane; 0: the same in all */
    Val at;       /* address of lane 0; NULL with a value: nothing to load */
    Val value;    /* what was loaded (kept for the next use); NULL: not yet */
} EmitOperand;

/* The expression over lanes, of which the first `count` exist. operand[k] is argument k;
 * result[j] (or NULL) argument QCC_ROW_RESULT + j. acc may be NULL when it is not used. */
Val emit_expr(QccEmit *e, const QccExpr *x, EmitOperand *operand, const Val *result, Val acc,
              int count);

/* The same for n vectors, a step of all after the other: while one waits for its latency, the
 * others go on, and a constant is loaded for all. */
typedef struct EmitVector {
    EmitOperand *operand;
    const Val *result;
    Val acc;
    int count;
} EmitVector;
void emit_exprs(QccEmit *e, const QccExpr *x, EmitVector *v, int n, Val *value);

/* Whether x ends in a clamp to what `dtype` (u8 or i8) holds, so that it may be stored by
 * saturating: then *raw is x without what of the clamp that does. */
bool emit_saturates(const QccExpr *x, QccDtype dtype, QccExpr *raw);

/* The argument that x adds to acc, an i32, before all else, so that acc may begin with it: then
 * *rest is x without that. -1: there is none. */
int emit_addend(QccEmit *e, const QccExpr *x, QccExpr *rest);

/* A table of 256 bytes in parts, and a whole register of bytes looked up in it: two permutations
 * with target.byte_tables, sixteen shuffles without. */
enum { EMIT_TABLE = 16 };
void emit_table_parts(QccEmit *e, Val table, Val *part);
Val emit_table(QccEmit *e, const Val *part, Val index);

/* min and max as QCC_EX_min and QCC_EX_max have them, on any vector. */
Val emit_lesser(QccEmit *e, Val a, Val b);
Val emit_greater(QccEmit *e, Val a, Val b);

/* Two vectors, or two scalars, combined; where it begins, in every lane of a vector of `type`
 * (QccExprType). */
Val emit_combine(QccEmit *e, QccCombine how, Val a, Val b);
Val emit_identity(QccEmit *e, QccCombine how, int type);

/* acc + the products of i16 pairs, added two and two into i32 lanes: pmaddwd, or fused with the
 * sum. */
Val emit_pairs(QccEmit *e, Val acc, Val a, Val b);
/* acc + the products of u8 by i8, added four and four into i32 lanes: vpdpbusd. All are i32. */
Val emit_quad(QccEmit *e, Val acc, Val a, Val b);

/* ---- tile.c: the tiles of AMX, or tiles in memory (target.tiles) ------------------------------
 */

enum { EMIT_TILES = 8 };
typedef struct EmitTiles {
    int rows[EMIT_TILES], bytes[EMIT_TILES]; /* of a row; multiples of 4, 0: a tile not used */
    Val memory;                              /* where the tiles are, if in memory */
} EmitTiles;

/* Gives the tiles their shapes, up to emit_tiles_release; they hold nothing yet. Stands in the
 * function's first block. */
void emit_tiles_configure(QccEmit *e, EmitTiles *t);
void emit_tiles_release(QccEmit *e);
void emit_tile_zero(QccEmit *e, const EmitTiles *t, int tile);
/* All rows of a tile, `stride` bytes apart. past_l1: what is read will not soon be read again. */
void emit_tile_load(QccEmit *e, const EmitTiles *t, int tile, Val p, int64_t stride, bool past_l1);
void emit_tile_store(QccEmit *e, const EmitTiles *t, int tile, Val p, int64_t stride);
/* c[row][column] += a[row][k] * b[k / 4][column][k % 4]: u8 by i8 into i32. */
void emit_tile_multiply(QccEmit *e, const EmitTiles *t, int c, int a, int b);

/* Bytes of the stack, and constant bytes in the object; at addresses divisible by 64. The former
 * stands in the function's first block. */
Val emit_stack(QccEmit *e, int64_t bytes);
Val emit_constant_bytes(QccEmit *e, const void *data, size_t size);

/* ---- anchors --------------------------------------------------------------------------------- */

void emit_contract(QccEmit *e);
void emit_product(QccEmit *e); /* a contraction whose variant says tiles */
void emit_depthwise(QccEmit *e);
void emit_pool(QccEmit *e);
void emit_map(QccEmit *e);
void emit_rows(QccEmit *e);

/* Addresses of every epilogue argument and of the result for the outer indices index[0..n): the
 * sum of index * stride. at[0] is the result; anchor operands are left alone. */
void emit_place(QccEmit *e, Val *at, const Val *index, int n);
/* The same addresses, `by` indices further in one dimension. */
void emit_advance(QccEmit *e, Val *to, const Val *from, int dim, Val by);

/* A block of acc[mr][nv] over the index space [n, y, x, channel]; `at` stands at its first pixel
 * and channel, the last vector has `last` channels. First the values that sums begin with: 0, or of
 * i32 what the kernel's epilogue would add; returns what is left of it. Then epilogue and store. */
const QccExpr *emit_block_start(QccEmit *e, const Val *at, Val *acc, int mr, int nv, int last);
void emit_block_epilogue(QccEmit *e, const QccExpr *epilogue, const Val *at, const Val *acc, int mr,
                         int nv, int last);

/* ---- turn.c: transposes ---------------------------------------------------------------------- */

/* The dimension, behind the first and before the last, along which a map of one operand reads
 * elements that lie side by side, where it writes so along the last one; -1: it is no such map, or
 * computes with elements of another type than i32. */
int emit_turned_dim(const QccEmit *e);
/* Such a map over that dimension and the last one; `at` stands at their first indices. */
void emit_turned(QccEmit *e, const Val *at, int dim);

/* The dimension of pixels, where the map copies a few planes of them (of few bytes each), or adds
 * one number to all bytes, to where they alternate; -1: it is no such map. And that map from there
 * on. */
int emit_interleaved_dim(const QccEmit *e);
void emit_interleaved(QccEmit *e, const Val *at);

/* ---- map.c: rows, vectors along the last dimension ------------------------------------------- */

/* The operands of x at the beginning of a row; those that do not vary along it are loaded. Numbers
 * that are no arguments of the kernel are left empty: room for what else lies along the row. */
void emit_row_operands(QccEmit *e, const QccExpr *x, const Val *at, EmitOperand *operand);
/* The same, i elements further. */
void emit_operands_at(QccEmit *e, const EmitOperand *row, EmitOperand *here, Val i);
/* x over a row of n elements, narrowed and stored as the kernel's result from `out` on. */
void emit_row(QccEmit *e, const QccExpr *x, const EmitOperand *row, const Val *result, Val out,
              int64_t n);

/* ---- jit.c: the module's `link` (backend/codegen.h) ------------------------------------------ */

QccStatus qcc_jit_link(void **address, QccArena *arena, const void *object, size_t size,
                       const char *symbol, const char **error);

#endif
