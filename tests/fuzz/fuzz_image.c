/* fuzz_image - any bytes as JPEG or PNG: a located error, or an image that is prepared. The last
 * four bytes choose the preprocessing. A PNG's checksums are put right, or nothing behind them
 * would ever be reached. */
#include "frontend/data.h"
#include "fuzz_ir.h"

enum { OPTIONS = 4 };

static void decode(FuzzIr *f)
{
    const uint8_t *option = f->data + f->size - OPTIONS;
    QccLoc loc = {.file = "fuzz"};
    QccImage image, out;
    QccStatus status = qcc_image_decode(&image, f->arena, &f->ir->diags, loc.file, f->data,
                                        (int64_t)f->size - OPTIONS);
    if (status != QCC_OK) {
        if (!f->errors) abort();
        return;
    }
    if (image.h < 1 || image.w < 1 || image.c != 3) abort();
    if (image.h * image.w > 1 << 16) return; /* takes its time, but nothing else */
    QccPreprocess p = {
        .resize = option[0], .crop = option[1], .channels = (QccChannels)(option[2] % 3)};
    if (qcc_image_prepare(&out, f->arena, &f->ir->diags, loc, &image, &p) != QCC_OK) {
        if (!f->errors) abort();
    } else if (out.c != (p.channels == QCC_CHANNELS_GRAY ? 1 : 3) ||
               (p.crop && (out.h != p.crop || out.w != p.crop))) {
        abort();
    }
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* CRC-32 of ISO 3309, bit by bit. */
static uint32_t checksum(const uint8_t *p, size_t n)
{
    uint32_t sum = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        sum ^= p[i];
        for (int k = 0; k < 8; k++) sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum;
}

/* Chunks are: size 4, kind 4, data, checksum of kind and data 4. */
static void put_right(uint8_t *b, size_t size)
{
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        size_t n = get32(b + at);
        if (n > size - 12 - at) return;
        uint32_t sum = checksum(b + at + 4, n + 4);
        for (int i = 0; i < 4; i++) b[at + 8 + n + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < OPTIONS) return 0;
    uint8_t *copy = malloc(size);
    if (!copy) abort();
    memcpy(copy, data, size);
    if (!memcmp(copy, "\x89PNG", 4)) put_right(copy, size - OPTIONS);
    fuzz_with_ir(decode, copy, size);
    free(copy);
    return 0;
}
