/* amx_traps - AMX on a machine without it: each of its instructions is illegal there, so the
 * signal's handler does what the instruction says and goes on behind it. So the very code that is
 * made for AMX can be run, at a microsecond a step, if the machine has all else that the bundle
 * needs.
 *
 * Encodings and conditions: Intel SDM volume 2. What would fault there ends the process here.
 */
#ifndef QCC_TESTS_AMX_TRAPS_H
#define QCC_TESTS_AMX_TRAPS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE    /* the registers of ucontext.h; a file that includes others first says so   \
                          itself */
#endif

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { AMX_TILES = 8, AMX_ROWS = 16, AMX_BYTES = 64 };

/* What a thread's tiles are; tests run kernels on one. */
static struct {
    bool configured;
    int rows[AMX_TILES], bytes[AMX_TILES];
    uint8_t tile[AMX_TILES][AMX_ROWS][AMX_BYTES];
    int64_t steps; /* instructions that were executed */
} amx;

/* An instruction with a VEX prefix of three bytes from the map 0F38. */
typedef struct AmxStep {
    int prefix; /* 0: none, 1: 66, 2: F3, 3: F2 */
    int opcode;
    bool memory;
    int reg, rm, vvvv;
    const char *address; /* without the index */
    int64_t index;       /* scaled */
    int length;
} AmxStep;

static int64_t amx_register(const greg_t *r, int number)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    return r[order[number]];
}

static bool amx_decode(AmxStep *s, const greg_t *r)
{
    const uint8_t *p = (const uint8_t *)r[REG_RIP];
    if (p[0] != 0xc4 || (p[1] & 31) != 2 || p[2] & 0x84) return false; /* 0F38, W0, 128 bits */
    int x = ~p[1] >> 6 & 1, b = ~p[1] >> 5 & 1, mod = p[4] >> 6, low = p[4] & 7;
    *s = (AmxStep){.prefix = p[2] & 3,
                   .opcode = p[3],
                   .memory = mod != 3,
                   .reg = (p[4] >> 3 & 7) | (~p[1] >> 7 & 1) << 3,
                   .rm = low | b << 3,
                   .vvvv = ~(p[2] >> 3) & 15,
                   .length = 5};
    if (!s->memory) return true;
    int base = s->rm;
    bool has_base = true;
    if (low == 4) {
        int sib = p[s->length++], index = (sib >> 3 & 7) | x << 3;
        base = (sib & 7) | b << 3;
        has_base = mod != 0 || (sib & 7) != 5;
        if (index != 4) s->index = amx_register(r, index) << (sib >> 6);
    }
    bool relative = mod == 0 && low == 5;
    int32_t far = 0;
    if (mod == 1) far = (int8_t)p[s->length++];
    if (mod == 2 || relative || !has_base) {
        memcpy(&far, p + s->length, 4);
        s->length += 4;
    }
    int64_t from = relative ? r[REG_RIP] + s->length : has_base ? amx_register(r, base) : 0;
    s->address = (const char *)(from + far);
    return true;
}

static bool amx_configure(const uint8_t *config)
{
    if (config[0] != 1) return false;
    for (int i = 1; i < 64; i++) /* what is reserved, and the row to go on with */
        if (config[i] && (i < 16 || (i >= 32 && i < 48) || i >= 56)) return false;
    memset(&amx.tile, 0, sizeof amx.tile);
    for (int i = 0; i < AMX_TILES; i++) {
        amx.bytes[i] = config[16 + 2 * i] | config[17 + 2 * i] << 8;
        amx.rows[i] = config[48 + i];
        if (amx.bytes[i] > AMX_BYTES || amx.rows[i] > AMX_ROWS) return false;
        if ((amx.bytes[i] == 0) != (amx.rows[i] == 0)) return false;
    }
    amx.configured = true;
    return true;
}

static bool amx_has(int tile)
{
    return amx.configured && tile < AMX_TILES && amx.rows[tile] > 0;
}

static bool amx_move(const AmxStep *s, bool load)
{
    if (!amx_has(s->reg)) return false;
    if (load) memset(amx.tile[s->reg], 0, sizeof amx.tile[s->reg]);
    for (int i = 0; i < amx.rows[s->reg]; i++) {
        char *p = (char *)(uintptr_t)s->address + i * s->index;
        size_t n = (size_t)amx.bytes[s->reg];
        memcpy(load ? (void *)amx.tile[s->reg][i] : p, load ? p : (void *)amx.tile[s->reg][i], n);
    }
    return true;
}

/* TDPBUSD reg, rm, vvvv. */
static bool amx_multiply(int c, int a, int b)
{
    if (!amx_has(c) || !amx_has(a) || !amx_has(b) || c == a || c == b || a == b) return false;
    if (amx.rows[c] != amx.rows[a] || amx.bytes[c] != amx.bytes[b] ||
        amx.bytes[a] != 4 * amx.rows[b] || amx.bytes[c] % 4)
        return false;
    for (int m = 0; m < amx.rows[c]; m++)
        for (int n = 0; n < amx.bytes[c] / 4; n++) {
            uint32_t sum;
            memcpy(&sum, &amx.tile[c][m][4 * n], 4);
            for (int k = 0; k < amx.bytes[a]; k++)
                sum += (uint32_t)(amx.tile[a][m][k] * (int8_t)amx.tile[b][k / 4][4 * n + k % 4]);
            memcpy(&amx.tile[c][m][4 * n], &sum, 4);
        }
    return true;
}

static bool amx_execute(const AmxStep *s)
{
    if (s->opcode == 0x49 && s->memory && s->prefix == 0 && s->reg == 0)
        return amx_configure((const uint8_t *)s->address);
    if (s->opcode == 0x49 && !s->memory && s->prefix == 0 && s->reg == 0 && s->rm == 0) {
        amx.configured = false;
        return true;
    }
    if (s->opcode == 0x49 && !s->memory && s->prefix == 3 && s->rm == 0) {
        if (!amx_has(s->reg)) return false;
        memset(amx.tile[s->reg], 0, sizeof amx.tile[s->reg]);
        return true;
    }
    if (s->opcode == 0x4b && s->memory && (s->prefix == 3 || s->prefix == 1))
        return amx_move(s, true);
    if (s->opcode == 0x4b && s->memory && s->prefix == 2) return amx_move(s, false);
    if (s->opcode == 0x5e && !s->memory && s->prefix == 1)
        return amx_multiply(s->reg, s->rm, s->vvvv);
    return false;
}

static void amx_trap(int number, siginfo_t *info, void *context)
{
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    AmxStep step;
    (void)info;
    if (!amx_decode(&step, r) || !amx_execute(&step)) {
        signal(number, SIG_DFL); /* comes again, and ends the process */
        return;
    }
    amx.steps++;
    r[REG_RIP] += step.length;
}

/* From now on this process has AMX. */
static void amx_set_traps(void)
{
    struct sigaction action = {.sa_sigaction = amx_trap, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGILL, &action, NULL) != 0) abort();
}

#endif
