/* target - the table of bundles, and what this machine can run.
 *
 * A bundle is one row. Its CPU model gives LLVM the features and the schedule, and `needs` names
 * the same features as the host must show them, so the two cannot drift apart unseen: a test
 * compiles for every row. LLVM ends the process on an unnatural mix of features, hence whole
 * microarchitecture levels (x86-64 psABI) and models that were built, never features one by one.
 */
#define _GNU_SOURCE /* syscall */
#include "backend/target.h"

#include <string.h>
#include <unistd.h>

/* Bits of qcc_host_features: groups that only appear together. */
enum {
    HOST_V2 = 1 << 0, /* SSE3 to SSE4.2, POPCNT, CMPXCHG16B, LAHF */
    HOST_V3 = 1 << 1, /* AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE, and ymm saved by the OS */
    HOST_V4 = 1 << 2, /* AVX512 F, BW, CD, DQ, VL, and zmm and masks saved by the OS */
    HOST_VNNI = 1 << 3,     /* AVX512_VNNI */
    HOST_VBMI = 1 << 4,     /* AVX512 VBMI, VBMI2, IFMA, BITALG, VPOPCNTDQ, and GFNI, VAES,
                               VPCLMULQDQ, which Ice Lake and Zen 4 brought together */
    HOST_AVX_VNNI = 1 << 5, /* AVX_VNNI, and GFNI, VAES, VPCLMULQDQ (Alder Lake) */
    HOST_AMX = 1 << 6,      /* AMX TILE, INT8, BF16, and AVX512 BF16, AVX_VNNI (Sapphire Rapids),
                               and tiles saved by the OS, for this process */
    HOST_ALL = (1 << 7) - 1
};

/* Worst first. -prefer-256-bit: the emitter writes 512-bit vectors and means them. */
static const QccTarget targets[] = {
    {
        .name = "x86-64-v2",
        .cpu = "x86-64-v2",
        .features = "",
        .lanes = 4,
        .registers = 16,
        .dot = QCC_DOT_MADD16,
        .fma = false,
        .needs = HOST_V2,
    },
    {
        .name = "x86-64-v3",
        .cpu = "x86-64-v3",
        .features = "",
        .lanes = 8,
        .registers = 16,
        .dot = QCC_DOT_MADD16,
        .fma = true,
        .needs = HOST_V2 | HOST_V3,
    },
    {
        .name = "x86-64-v3+avxvnni",
        .cpu = "alderlake",
        .features = "",
        .lanes = 8,
        .registers = 16,
        .dot = QCC_DOT_VNNI,
        .fma = true,
        .needs = HOST_V2 | HOST_V3 | HOST_AVX_VNNI,
    },
    {
        .name = "x86-64-v4",
        .cpu = "x86-64-v4",
        .features = "-prefer-256-bit",
        .lanes = 16,
        .registers = 32,
        .dot = QCC_DOT_MADD16,
        .fma = true,
        .needs = HOST_V2 | HOST_V3 | HOST_V4,
    },
    {
        .name = "x86-64-v4+vnni",
        .cpu = "cascadelake",
        .features = "-prefer-256-bit",
        .lanes = 16,
        .registers = 32,
        .dot = QCC_DOT_VNNI,
        .fma = true,
        .needs = HOST_V2 | HOST_V3 | HOST_V4 | HOST_VNNI,
    },
    {
        .name = "x86-64-v4+vnni+vbmi",
        .cpu = "icelake-client",
        .features = "-prefer-256-bit",
        .lanes = 16,
        .registers = 32,
        .dot = QCC_DOT_VNNI,
        .fma = true,
        .byte_tables = true,
        .needs = HOST_V2 | HOST_V3 | HOST_V4 | HOST_VNNI | HOST_VBMI,
    },
    {
        .name = "x86-64-v4+vnni+vbmi+amx",
        .cpu = "sapphirerapids",
        /* Without f16, which nothing needs: only the tiles' instructions are then too new for
         * machines before it, and a test does those by hand. */
        .features = "-prefer-256-bit,-avx512fp16",
        .lanes = 16,
        .registers = 32,
        .dot = QCC_DOT_VNNI,
        .tiles = QCC_TILES_AMX,
        .fma = true,
        .byte_tables = true,
        .needs = HOST_V2 | HOST_V3 | HOST_V4 | HOST_VNNI | HOST_VBMI | HOST_AMX,
    },
    /* For tests only. */
    {
        .name = "x86-64-v4+vnni+vbmi+tiles",
        .cpu = "icelake-client",
        .features = "-prefer-256-bit",
        .lanes = 16,
        .registers = 32,
        .dot = QCC_DOT_VNNI,
        .tiles = QCC_TILES_MEMORY,
        .fma = true,
        .byte_tables = true,
        .needs = HOST_V2 | HOST_V3 | HOST_V4 | HOST_VNNI | HOST_VBMI,
    },
};

enum { TESTED_COUNT = sizeof targets / sizeof targets[0], TARGET_COUNT = TESTED_COUNT - 1 };

const QccTarget *qcc_targets(int *n)
{
    *n = TARGET_COUNT;
    return targets;
}

const QccTarget *qcc_targets_tested(int *n)
{
    *n = TESTED_COUNT;
    return targets;
}

const QccTarget *qcc_target_find(const char *name)
{
    for (int i = 0; i < TESTED_COUNT; i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    return NULL;
}

enum { EAX, EBX, ECX, EDX };

/* One bit of one register of one cpuid leaf, and the group that needs it. */
typedef struct CpuidBit {
    uint32_t group;
    uint32_t leaf, subleaf;
    int reg, bit;
} CpuidBit;

/* Intel SDM volume 2, CPUID; grouped. */
static const CpuidBit cpuid_bits[] = {
    {HOST_V2, 1, 0, ECX, 0},           /* SSE3 */
    {HOST_V2, 1, 0, ECX, 9},           /* SSSE3 */
    {HOST_V2, 1, 0, ECX, 13},          /* CMPXCHG16B */
    {HOST_V2, 1, 0, ECX, 19},          /* SSE4.1 */
    {HOST_V2, 1, 0, ECX, 20},          /* SSE4.2 */
    {HOST_V2, 1, 0, ECX, 23},          /* POPCNT */
    {HOST_V2, 0x80000001u, 0, ECX, 0}, /* LAHF in 64-bit mode */
    {HOST_V3, 1, 0, ECX, 12},          /* FMA */
    {HOST_V3, 1, 0, ECX, 22},          /* MOVBE */
    {HOST_V3, 1, 0, ECX, 27},          /* OSXSAVE */
    {HOST_V3, 1, 0, ECX, 28},          /* AVX */
    {HOST_V3, 1, 0, ECX, 29},          /* F16C */
    {HOST_V3, 7, 0, EBX, 3},           /* BMI1 */
    {HOST_V3, 7, 0, EBX, 5},           /* AVX2 */
    {HOST_V3, 7, 0, EBX, 8},           /* BMI2 */
    {HOST_V3, 0x80000001u, 0, ECX, 5}, /* LZCNT */
    {HOST_V4, 1, 0, ECX, 27},          /* OSXSAVE */
    {HOST_V4, 7, 0, EBX, 16},          /* AVX512F */
    {HOST_V4, 7, 0, EBX, 17},          /* AVX512DQ */
    {HOST_V4, 7, 0, EBX, 28},          /* AVX512CD */
    {HOST_V4, 7, 0, EBX, 30},          /* AVX512BW */
    {HOST_V4, 7, 0, EBX, 31},          /* AVX512VL */
    {HOST_VNNI, 7, 0, ECX, 11},        /* AVX512_VNNI */
    {HOST_VBMI, 7, 0, EBX, 21},        /* AVX512_IFMA */
    {HOST_VBMI, 7, 0, ECX, 1},         /* AVX512_VBMI */
    {HOST_VBMI, 7, 0, ECX, 6},         /* AVX512_VBMI2 */
    {HOST_VBMI, 7, 0, ECX, 8},         /* GFNI */
    {HOST_VBMI, 7, 0, ECX, 9},         /* VAES */
    {HOST_VBMI, 7, 0, ECX, 10},        /* VPCLMULQDQ */
    {HOST_VBMI, 7, 0, ECX, 12},        /* AVX512_BITALG */
    {HOST_VBMI, 7, 0, ECX, 14},        /* AVX512_VPOPCNTDQ */
    {HOST_AVX_VNNI, 7, 0, ECX, 8},     /* GFNI */
    {HOST_AVX_VNNI, 7, 0, ECX, 9},     /* VAES */
    {HOST_AVX_VNNI, 7, 0, ECX, 10},    /* VPCLMULQDQ */
    {HOST_AVX_VNNI, 7, 1, EAX, 4},     /* AVX_VNNI */
    {HOST_AMX, 7, 0, EDX, 22},         /* AMX_BF16 */
    {HOST_AMX, 7, 0, EDX, 24},         /* AMX_TILE */
    {HOST_AMX, 7, 0, EDX, 25},         /* AMX_INT8 */
    {HOST_AMX, 7, 1, EAX, 4},          /* AVX_VNNI */
    {HOST_AMX, 7, 1, EAX, 5},          /* AVX512_BF16 */
};

/* Register state that the kernel must save for a group, as bits of XCR0. */
static const struct {
    uint32_t group;
    uint64_t xcr0;
} saved_state[] = {
    {HOST_V3, 0x06}, /* xmm, ymm */
    {HOST_V4, 0xe6}, /* and masks, upper zmm, zmm 16..31 */
    {HOST_VNNI, 0xe6},     {HOST_VBMI, 0xe6},
    {HOST_AVX_VNNI, 0x06}, {HOST_AMX, 0x600e6}, /* and the tiles and their configuration */
};

uint32_t qcc_cpu_features(const QccCpu *cpu)
{
    uint32_t features = HOST_ALL, r[4] = {0};
    for (size_t i = 0; i < sizeof cpuid_bits / sizeof cpuid_bits[0]; i++) {
        const CpuidBit *row = &cpuid_bits[i];
        if (!cpu->cpuid(cpu->user, row->leaf, row->subleaf, r) || !(r[row->reg] >> row->bit & 1))
            features &= ~row->group;
    }
    bool saves = cpu->cpuid(cpu->user, 1, 0, r) && r[ECX] >> 27 & 1; /* OSXSAVE */
    uint64_t xcr0 = saves ? cpu->xcr0(cpu->user) : 0;
    for (size_t i = 0; i < sizeof saved_state / sizeof saved_state[0]; i++)
        if ((xcr0 & saved_state[i].xcr0) != saved_state[i].xcr0) features &= ~saved_state[i].group;
    if ((features & HOST_AMX) && !cpu->grant_tiles(cpu->user)) features &= ~(uint32_t)HOST_AMX;
    return features;
}

#if defined(__x86_64__)

#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

/* Linux grants a process the 8 KiB of tiles' state on demand, for good and for all threads; it
 * refuses when a thread has a signal stack that could not hold them. Asking again for what was
 * granted changes nothing, so nothing is remembered here. */
static bool may_use_tiles(void *user)
{
    (void)user;
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* asm/prctl.h: ARCH_REQ_XCOMP_PERM */
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

static uint64_t read_xcr0(void *user)
{
    uint32_t lo, hi;
    (void)user;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static bool read_cpuid(void *user, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    (void)user;
    return __get_cpuid_count(leaf, subleaf, &out[EAX], &out[EBX], &out[ECX], &out[EDX]);
}

uint32_t qcc_host_features(void)
{
    return qcc_cpu_features(
        &(QccCpu){.cpuid = read_cpuid, .xcr0 = read_xcr0, .grant_tiles = may_use_tiles});
}

/* Intel SDM volume 2, CPUID: leaf 1 EAX has family, model and stepping; leaves 0x80000002 to
 * 0x80000004 the brand string, 16 characters each. */
static void print_cpu(QccBuf *buf)
{
    enum { PARTS = 3, PART = 16 };
    char brand[PARTS * PART + 1] = {0};
    uint32_t r[4] = {0};
    for (unsigned i = 0; i < PARTS; i++) {
        uint32_t part[4];
        if (__get_cpuid(0x80000002u + i, &part[0], &part[1], &part[2], &part[3]))
            memcpy(brand + i * PART, part, PART);
    }
    for (char *p = brand; *p; p++)
        if (*p < ' ' || *p > '~') *p = ' ';
    __get_cpuid(1, &r[EAX], &r[EBX], &r[ECX], &r[EDX]);
    qcc_buf_printf(buf, "'%s' %08x", brand, r[EAX]);
}

#else

uint32_t qcc_host_features(void)
{
    return 0;
}

static void print_cpu(QccBuf *buf)
{
    qcc_buf_puts(buf, "unknown");
}

#endif

void qcc_host_print(QccBuf *buf)
{
    static const int cache[] = {
#ifdef _SC_LEVEL1_DCACHE_SIZE /* not in POSIX */
        _SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE
#endif
    };
    print_cpu(buf);
    for (size_t i = 0; i < sizeof cache / sizeof *cache; i++)
        qcc_buf_printf(buf, " %ld", sysconf(cache[i]));
}

bool qcc_target_runs_here(const QccTarget *t)
{
    return (qcc_host_features() & t->needs) == t->needs;
}

const QccTarget *qcc_target_best(uint32_t features)
{
    for (int i = TARGET_COUNT - 1; i >= 0; i--)
        if ((features & targets[i].needs) == targets[i].needs) return &targets[i];
    return NULL;
}

const QccTarget *qcc_target_host(void)
{
    return qcc_target_best(qcc_host_features());
}
