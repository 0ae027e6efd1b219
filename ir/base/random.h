/* random - small reproducible random numbers (PCG-XSH-RR 64/32, O'Neill 2014) for samples, tests.
 */
#ifndef QCC_IR_BASE_RANDOM_H
#define QCC_IR_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef struct QccRandom {
    uint64_t state;
} QccRandom;

void qcc_random_init(QccRandom *r, uint64_t seed);
uint32_t qcc_random_u32(QccRandom *r);
int64_t qcc_random_range(QccRandom *r, int64_t lo, int64_t hi); /* both included */
float qcc_random_f32(QccRandom *r, float lo, float hi);
bool qcc_random_bool(QccRandom *r);

#pragma GCC visibility pop

#endif
