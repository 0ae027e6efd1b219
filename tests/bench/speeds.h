/* speeds - what the machine reaches: multiply-adds in registers, reading from caches and memory. */
#ifndef QCC_TESTS_BENCH_SPEEDS_H
#define QCC_TESTS_BENCH_SPEEDS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/target.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- registers: twelve independent chains ---------------------------------------------------- */

enum { CHAINS = 12, ROUNDS = 1 << 14 };

#define TWELVE(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

/* `step` is the assembly of one multiply-add into register number n; `ops` its operations. */
#define PEAK(name, step, ops)                                                                      \
    static double name(void)                                                                       \
    {                                                                                              \
        double t = now();                                                                          \
        for (int r = 0; r < ROUNDS; r++)                                                           \
            __asm__ volatile(TWELVE(step)::                                                        \
                                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
                                   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13");            \
        t = now() - t;                                                                             \
        return (double)(ops) * CHAINS * ROUNDS / t / 1e9;                                          \
    }

#define STEP_V2(n)                                                                                 \
    "movdqa %%xmm12, %%xmm13\n pmaddwd %%xmm12, %%xmm13\n paddd %%xmm13, %%xmm" #n "\n"
#define STEP_V3(n)       "vpmaddwd %%ymm12, %%ymm12, %%ymm13\n vpaddd %%ymm13, %%ymm" #n ", %%ymm" #n "\n"
#define STEP_V4(n)       "vpmaddwd %%zmm12, %%zmm12, %%zmm13\n vpaddd %%zmm13, %%zmm" #n ", %%zmm" #n "\n"
#define STEP_AVX_VNNI(n) "%{vex%} vpdpbusd %%ymm12, %%ymm12, %%ymm" #n "\n"
#define STEP_VNNI(n)     "vpdpbusd %%zmm12, %%zmm12, %%zmm" #n "\n"
#define STEP_MUL_XMM(n)                                                                            \
    "movaps %%xmm12, %%xmm13\n mulps %%xmm12, %%xmm13\n addps %%xmm13, %%xmm" #n "\n"
#define STEP_FMA_YMM(n) "vfmadd231ps %%ymm12, %%ymm12, %%ymm" #n "\n"
#define STEP_FMA_ZMM(n) "vfmadd231ps %%zmm12, %%zmm12, %%zmm" #n "\n"
PEAK(peak_v2_i8, STEP_V2, 16)
PEAK(peak_v3_i8, STEP_V3, 32)
PEAK(peak_v4_i8, STEP_V4, 64)
PEAK(peak_avx_vnni, STEP_AVX_VNNI, 64)
PEAK(peak_vnni, STEP_VNNI, 128)
PEAK(peak_v2_f32, STEP_MUL_XMM, 8)
PEAK(peak_v3_f32, STEP_FMA_YMM, 16)
PEAK(peak_v4_f32, STEP_FMA_ZMM, 32)

/* Four chains of tiles. */
static double peak_amx(void)
{
    enum { TILE_ROUNDS = ROUNDS / 4 };
    uint8_t config[64] __attribute__((aligned(64))) = {1};
    for (int i = 0; i < 8; i++) {
        config[16 + 2 * i] = 64;
        config[48 + i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
    double t = now();
    for (int r = 0; r < TILE_ROUNDS; r++)
        __asm__ volatile("tdpbusd %tmm6, %tmm4, %tmm0\n"
                         "tdpbusd %tmm7, %tmm4, %tmm1\n"
                         "tdpbusd %tmm6, %tmm5, %tmm2\n"
                         "tdpbusd %tmm7, %tmm5, %tmm3\n");
    t = now() - t;
    __asm__ volatile("tilerelease");
    return TILE_ROUNDS * 4.0 * 16 * 16 * 64 * 2 / t / 1e9;
}

/* GOP/s of products of bytes, of those that do not go by tiles, and of f32. */
typedef struct Peaks {
    const char *target;
    double (*bytes)(void), (*vectors)(void), (*f32)(void);
} Peaks;

static const Peaks *peaks_of(const QccTarget *t)
{
    static const Peaks peaks[] = {
        {"x86-64-v2", peak_v2_i8, peak_v2_i8, peak_v2_f32},
        {"x86-64-v3", peak_v3_i8, peak_v3_i8, peak_v3_f32},
        {"x86-64-v3+avxvnni", peak_avx_vnni, peak_avx_vnni, peak_v3_f32},
        {"x86-64-v4", peak_v4_i8, peak_v4_i8, peak_v4_f32},
        {"x86-64-v4+vnni", peak_vnni, peak_vnni, peak_v4_f32},
        {"x86-64-v4+vnni+vbmi", peak_vnni, peak_vnni, peak_v4_f32},
        {"x86-64-v4+vnni+vbmi+amx", peak_amx, peak_vnni, peak_v4_f32},
    };
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++)
        if (strcmp(peaks[i].target, t->name) == 0) return &peaks[i];
    return NULL;
}

/* Registers' upper halves that are not empty make code of before AVX several times slower. */
static void empty_upper_halves(void)
{
    if (__builtin_cpu_supports("avx")) __asm__ volatile("vzeroupper");
}

/* The fastest of some runs. */
static double best_of(double (*peak)(void), int runs)
{
    double best = 0;
    for (int i = 0; i < runs; i++) {
        double p = peak();
        empty_upper_halves();
        if (p > best) best = p;
    }
    return best;
}

/* ---- memory ---------------------------------------------------------------------------------- */

#define EIGHT(X)    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define LOAD_XMM(n) "movups 16*" #n "(%0), %%xmm" #n "\n"
#define LOAD_YMM(n) "vmovups 32*" #n "(%0), %%ymm" #n "\n"
#define LOAD_ZMM(n) "vmovups 64*" #n "(%0), %%zmm" #n "\n"
/* Reads `size` bytes, a multiple of 512, by eight vectors of `width` bytes a step. */
#define READ(name, load, width)                                                                    \
    static void name(const char *p, size_t size)                                                   \
    {                                                                                              \
        for (const char *end = p + size; p < end; p += 8 * (width))                                \
            __asm__ volatile(EIGHT(load)::"r"(p)                                                   \
                             : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",   \
                               "xmm7");                                                            \
    }
READ(read_xmm, LOAD_XMM, 16)
READ(read_ymm, LOAD_YMM, 32)
READ(read_zmm, LOAD_ZMM, 64)

enum { L1, L2, L3, DRAM, LEVELS };
static const char *const level_name[LEVELS] = {"L1", "L2", "L3", "DRAM"};

typedef struct Speeds {
    double bytes, vectors, f32; /* GOP/s in registers */
    int64_t size[LEVELS];       /* of the caches; those of DRAM have no end */
    double read[LEVELS];        /* GB/s */
} Speeds;

/* GB/s of reading that many bytes again and again. */
static double read_speed(void (*read)(const char *p, size_t size), const char *p, int64_t size)
{
    double best = 1e9;
    int64_t again = (4 << 20) / size + 1;
    for (int r = 0; r < 12; r++) {
        double t = now();
        for (int64_t i = 0; i < again; i++) read(p, (size_t)size);
        t = (now() - t) / (double)again;
        if (t < best) best = t;
    }
    return (double)size / best / 1e9;
}

/* Reads half of each cache, and eight times the last one. */
static void measure_memory(Speeds *s)
{
    enum { BLOCK = 4096, MOST = 512 << 20 };
    static const int64_t usual[] = {32 << 10, 1 << 20, 16 << 20};
    long known[] = {sysconf(_SC_LEVEL1_DCACHE_SIZE), sysconf(_SC_LEVEL2_CACHE_SIZE),
                    sysconf(_SC_LEVEL3_CACHE_SIZE)};
    for (int i = L1; i < DRAM; i++) s->size[i] = known[i] > 0 ? known[i] : usual[i];
    s->size[DRAM] = INT64_MAX;
    int64_t most = s->size[L3] > MOST / 8 ? MOST : 8 * s->size[L3];
    char *p = aligned_alloc(BLOCK, (size_t)most);
    if (!p) return;
    memset(p, 1, (size_t)most);
    void (*read)(const char *, size_t) = __builtin_cpu_supports("avx512f") ? read_zmm
                                         : __builtin_cpu_supports("avx2")  ? read_ymm
                                                                           : read_xmm;
    for (int i = L1; i < LEVELS; i++) {
        int64_t size = i == DRAM ? most : s->size[i] / 2;
        if (i == L3 && size > 8 * s->size[L2]) size = 8 * s->size[L2]; /* others use it as well */
        s->read[i] = read_speed(read, p, size / BLOCK * BLOCK);
    }
    empty_upper_halves();
    free(p);
}

static void measure_peaks(Speeds *s, const QccTarget *t)
{
    empty_upper_halves();
    const Peaks *p = peaks_of(t);
    if (!p) return;
    s->bytes = best_of(p->bytes, 20);
    s->vectors = best_of(p->vectors, 20);
    s->f32 = best_of(p->f32, 20);
}

/* GB/s of the smallest level that holds so many bytes. */
static double read_speed_of(const Speeds *s, int64_t bytes)
{
    int level = L1;
    while (level < DRAM && bytes > s->size[level]) level++;
    return s->read[level];
}

#endif
