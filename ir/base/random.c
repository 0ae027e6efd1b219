/* random - PCG-XSH-RR 64/32: a 64-bit congruential state, 32 bits of it shifted and rotated out. */
#include "ir/base/random.h"

static const uint64_t multiplier = 6364136223846793005u;
static const uint64_t increment = 1442695040888963407u;

void qcc_random_init(QccRandom *r, uint64_t seed)
{
    r->state = 0;
    qcc_random_u32(r);
    r->state += seed;
    qcc_random_u32(r);
}

uint32_t qcc_random_u32(QccRandom *r)
{
    uint64_t old = r->state;
    r->state = old * multiplier + increment;
    uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t turn = (uint32_t)(old >> 59);
    return (shifted >> turn) | (shifted << (-turn & 31));
}

int64_t qcc_random_range(QccRandom *r, int64_t lo, int64_t hi)
{
    uint64_t span = (uint64_t)hi - (uint64_t)lo + 1; /* 0: all 2^64 values */
    uint64_t floor = span ? -span % span : 0;        /* below it a remainder would be too likely */
    uint64_t x;
    do {
        x = (uint64_t)qcc_random_u32(r) << 32;
        x |= qcc_random_u32(r);
    } while (x < floor);
    return (int64_t)((uint64_t)lo + (span ? x % span : x));
}

float qcc_random_f32(QccRandom *r, float lo, float hi)
{
    float unit = (float)(qcc_random_u32(r) >> 8) * 0x1p-24f; /* in [0, 1), exact */
    return lo + (hi - lo) * unit;
}

bool qcc_random_bool(QccRandom *r)
{
    return qcc_random_u32(r) >> 31;
}
