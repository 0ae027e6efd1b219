/* fuzz_model_bin - any bytes as a model.bin. The checksums are put right first, or nothing behind
 * them would ever be reached. */
#include <xxhash.h>

#include "fuzz_module.h"

static uint64_t get(const uint8_t *p, int n)
{
    uint64_t x = 0;
    for (int i = n - 1; i >= 0; i--) x = x << 8 | p[i];
    return x;
}

static void put(uint8_t *p, uint64_t x)
{
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(x >> 8 * i);
}

/* Checksums of what can be reached, from the inside out (docs/model-bin.md). */
static void put_right(uint8_t *b, size_t size)
{
    if (size < 40) return;
    put(b + 16, size);
    uint64_t sections = get(b + 12, 4);
    if (sections > (size - 40) / 32) return;
    for (uint64_t i = 0; i < sections; i++) {
        uint8_t *row = b + 40 + i * 32;
        uint64_t kind = get(row, 4), at = get(row + 8, 8), n = get(row + 16, 8);
        if (at > size || n > size - at) continue;
        for (uint64_t k = 0; kind == 2 && k < n / 96; k++) {
            uint8_t *blob = b + at + k * 96;
            uint64_t from = get(blob + 72, 8), bytes = get(blob + 80, 8);
            if (from <= size && bytes <= size - from)
                put(blob + 88, XXH3_64bits(b + from, (size_t)bytes));
        }
        if (kind != 3) put(row + 24, XXH3_64bits(b + at, (size_t)n));
    }
    put(b + 24, XXH3_64bits(b + 40, (size_t)sections * 32));
}

static void read(FuzzIr *f)
{
    QccModule *m;
    QccStatus status = qcc_model_bin_read(&m, f->ir, f->arena, "fuzz", f->data, (int64_t)f->size);
    if (status == QCC_OK) {
        fuzz_module(f, m);
    } else if (!f->errors) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_ir(read, data, size);
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    if (size) memcpy(copy, data, size);
    put_right(copy, size);
    fuzz_with_ir(read, copy, size);
    free(copy);
    return 0;
}
