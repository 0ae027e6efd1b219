/* tile - the steps on AMX tiles that products are made of, and their twins on tiles in memory.
 *
 * A tile is up to 16 rows of up to 64 bytes; there are eight. Intrinsics with the numbers of tiles
 * as immediates are used, whose order LLVM keeps (that over values of type x86_amx would allocate
 * tiles and schedule by itself). Shapes that do not fit each other are an illegal instruction,
 * which LLVM does not see: they are checked here.
 *
 * On a target whose tiles are in memory the same calls work on 8 KiB of the stack, by vectors, so
 * that everything around the instructions is run and compared on machines without them. What holds
 * nothing after configuring holds rubbish there.
 */
#include <assert.h>
#include <string.h>

#include "backend/llvm/emit.h"

static bool in_memory(const QccEmit *e)
{
    return e->t->tiles == QCC_TILES_MEMORY;
}

static Val number(QccEmit *e, int tile)
{
    assert(tile >= 0 && tile < EMIT_TILES);
    return LLVMConstInt(e->i8, (unsigned)tile, false);
}

static Val row_at(QccEmit *e, const EmitTiles *t, int tile, Val row)
{
    Val p = emit_atc(e, t->memory, (int64_t)tile * QCC_TILE_SIZE);
    return emit_at(e, p, emit_mulc(e, row, QCC_TILE_BYTES));
}

Val emit_constant_bytes(QccEmit *e, const void *data, size_t size)
{
    Val bytes = LLVMConstStringInContext(e->context, data, (unsigned)size, true);
    Val global = LLVMAddGlobal(e->module, LLVMTypeOf(bytes), "");
    LLVMSetInitializer(global, bytes);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, 64);
    return global;
}

Val emit_stack(QccEmit *e, int64_t bytes)
{
    Val p = LLVMBuildAlloca(e->b, LLVMArrayType2(e->i8, (uint64_t)bytes), "");
    LLVMSetAlignment(p, 64);
    return p;
}

void emit_tiles_configure(QccEmit *e, EmitTiles *t)
{
    if (in_memory(e)) {
        t->memory = emit_stack(e, (int64_t)EMIT_TILES * QCC_TILE_SIZE);
        EmitLoop l;
        emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, (int64_t)EMIT_TILES * QCC_TILE_ROWS), 1,
                        0, NULL);
        Val rubbish = emit_splat(e, LLVMConstInt(e->i8, 0x5a, false), QCC_TILE_BYTES);
        emit_store_bytes(e, rubbish, row_at(e, t, 0, l.i), QCC_TILE_BYTES);
        emit_loop_end(e, &l, NULL);
        return;
    }
    /* Intel SDM volume 1, 18.3: palette 1, bytes of a row from 16 on, rows from 48 on. */
    uint8_t config[64] = {1};
    for (int i = 0; i < EMIT_TILES; i++) {
        config[16 + 2 * i] = (uint8_t)t->bytes[i];
        config[48 + i] = (uint8_t)t->rows[i];
    }
    Val p = emit_constant_bytes(e, config, sizeof config);
    emit_intrinsic(e, "llvm.x86.ldtilecfg", NULL, 0, &p, 1);
}

void emit_tiles_release(QccEmit *e)
{
    if (!in_memory(e)) emit_intrinsic(e, "llvm.x86.tilerelease", NULL, 0, NULL, 0);
}

void emit_tile_zero(QccEmit *e, const EmitTiles *t, int tile)
{
    Val n = number(e, tile);
    if (!in_memory(e)) {
        emit_intrinsic(e, "llvm.x86.tilezero", NULL, 0, &n, 1);
        return;
    }
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, QCC_TILE_ROWS), 1, 0, NULL);
    Val zero = LLVMConstNull(emit_vector(e->i8, QCC_TILE_BYTES));
    emit_store_bytes(e, zero, row_at(e, t, tile, l.i), QCC_TILE_BYTES);
    emit_loop_end(e, &l, NULL);
}

void emit_tile_load(QccEmit *e, const EmitTiles *t, int tile, Val p, int64_t stride, bool past_l1)
{
    if (!in_memory(e)) {
        Val arg[3] = {number(e, tile), p, emit_i64(e, stride)};
        const char *name = past_l1 ? "llvm.x86.tileloaddt164" : "llvm.x86.tileloadd64";
        emit_intrinsic(e, name, NULL, 0, arg, 3);
        return;
    }
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, t->rows[tile]), 1, 0, NULL);
    Val row = emit_load_bytes(e, emit_at(e, p, emit_mulc(e, l.i, stride)), t->bytes[tile]);
    emit_store_bytes(e, row, row_at(e, t, tile, l.i), QCC_TILE_BYTES);
    emit_loop_end(e, &l, NULL);
}

void emit_tile_store(QccEmit *e, const EmitTiles *t, int tile, Val p, int64_t stride)
{
    if (!in_memory(e)) {
        Val arg[3] = {number(e, tile), p, emit_i64(e, stride)};
        emit_intrinsic(e, "llvm.x86.tilestored64", NULL, 0, arg, 3);
        return;
    }
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, t->rows[tile]), 1, 0, NULL);
    Val row = emit_load_bytes(e, row_at(e, t, tile, l.i), QCC_TILE_BYTES);
    emit_store_bytes(e, row, emit_at(e, p, emit_mulc(e, l.i, stride)), t->bytes[tile]);
    emit_loop_end(e, &l, NULL);
}

void emit_tile_multiply(QccEmit *e, const EmitTiles *t, int c, int a, int b)
{
    assert(t->rows[c] == t->rows[a] && t->bytes[a] == 4 * t->rows[b] && t->bytes[c] == t->bytes[b]);
    if (!in_memory(e)) {
        Val arg[3] = {number(e, c), number(e, a), number(e, b)};
        emit_intrinsic(e, "llvm.x86.tdpbusd", NULL, 0, arg, 3);
        return;
    }
    Typ sums = emit_vector(e->i32, e->lanes);
    EmitLoop l;
    emit_loop_begin(e, &l, emit_i64(e, 0), emit_i64(e, t->rows[c]), 1, 0, NULL);
    Val to = row_at(e, t, c, l.i), from = row_at(e, t, a, l.i);
    Val acc = emit_load_vector(e, sums, to, 64);
    for (int k = 0; k < t->rows[b]; k++) {
        Val four = emit_load_vector(e, e->i32, emit_atc(e, from, 4 * (int64_t)k), 4);
        Val weights = emit_load_vector(e, sums, row_at(e, t, b, emit_i64(e, k)), 64);
        acc = emit_quad(e, acc, emit_splat(e, four, e->lanes), weights);
    }
    emit_store_bytes(e, LLVMBuildBitCast(e->b, acc, emit_vector(e->i8, QCC_TILE_BYTES), ""), to,
                     QCC_TILE_BYTES);
    emit_loop_end(e, &l, NULL);
}
