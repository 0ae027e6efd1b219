/* target - the closed list of target bundles: instruction set, vector shape, register budget. */
#ifndef QCC_BACKEND_TARGET_H
#define QCC_BACKEND_TARGET_H

#include "ir/kernel.h"

/* How an int8 dot product of four bytes is made. Exact, all of them. */
typedef enum QccDot {
    QCC_DOT_MADD16, /* bytes widened to 16 bits, pmaddwd: two per four bytes */
    QCC_DOT_VNNI,   /* vpdpbusd */
    QCC_DOT_MADD8   /* pmaddubsw, which saturates, and pmaddwd: of no bundle, but of kernels whose
                       weights cannot make it saturate (qcc_contract_dot) */
} QccDot;

/* Whether products of bytes may go by tiles (AMX-INT8). */
typedef enum QccTiles {
    QCC_TILES_NONE,
    QCC_TILES_AMX,
    QCC_TILES_MEMORY /* the same steps on tiles in memory, by vectors: for tests */
} QccTiles;

struct QccTarget {
    const char *name;     /* "x86-64-v4+vnni" */
    const char *cpu;      /* LLVM's CPU model */
    const char *features; /* LLVM's feature string */
    int lanes;            /* f32 per vector register: 4, 8, 16 */
    int registers;        /* vector registers: 16, 32 */
    QccDot dot;
    QccTiles tiles;
    bool fma;         /* false: f32 fma is emulated (right, slow) */
    bool byte_tables; /* vpermi2b: tables of bytes fit in registers */
    uint32_t needs;   /* bits of qcc_host_features */
};

/* All bundles, worst first; the order is the order of preference. *n receives the count. */
const QccTarget *qcc_targets(int *n);
/* The same, and behind them those that are there for tests only: none of these is ever preferred.
 */
const QccTarget *qcc_targets_tested(int *n);
/* By name, those for tests included; NULL: there is none. */
const QccTarget *qcc_target_find(const char *name);
/* How a CPU and the operating system are asked. */
typedef struct QccCpu {
    /* out: eax, ebx, ecx, edx; false: there is no such leaf. */
    bool (*cpuid)(void *user, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
    /* The register state that is saved; only asked where CPUID says that it may be. */
    uint64_t (*xcr0)(void *user);
    /* Whether this process may use tiles; only asked where all else that they need is there. */
    bool (*grant_tiles)(void *user);
    void *user;
} QccCpu;
/* What a CPU and the operating system offer, as bits; see target.c. */
uint32_t qcc_cpu_features(const QccCpu *cpu);
/* The same of this machine. Asks the kernel for the state of tiles, which it grants to the whole
 * process, once and for all, or refuses. */
uint32_t qcc_host_features(void);
/* The best bundle for such bits; NULL when there is not even the first one. */
const QccTarget *qcc_target_best(uint32_t features);
/* What the speed of a kernel depends on here: the CPU's name, its model, the sizes of its caches.
 */
void qcc_host_print(QccBuf *buf);
bool qcc_target_runs_here(const QccTarget *t);
/* The best bundle of this machine; NULL when not even the first one runs. */
const QccTarget *qcc_target_host(void);

#endif
