/* fuzz_npy - any bytes as .npy, .npz, JPEG or PNG: a located error, or an array or image. */
#include "frontend/data.h"
#include "frontend/frontend.h"
#include "frontend/npz.h"
#include "fuzz_ir.h"

static void parse(FuzzIr *f)
{
    const QccBlob *blob = NULL;
    QccImage image;
    QccStatus status;
    int64_t size = (int64_t)f->size;
    if (size && f->data[0] >= 0x80 && f->data[0] != 0x93) {
        status = qcc_image_decode(&image, f->arena, &f->ir->diags, "fuzz", f->data, size);
        if (status == QCC_OK && image.h * image.w < 1) abort();
    } else if (qcc_npz_is(f->data, size)) {
        status = qcc_npz_parse(&blob, f->ir, f->arena, "fuzz", NULL, f->data, size);
    } else {
        status = qcc_npy_parse(&blob, f->ir, f->arena, "fuzz", f->data, size);
    }
    if (status != QCC_OK && !f->errors) abort();
    /* Every byte of what was accepted is there. */
    unsigned sum = 0;
    for (int64_t i = 0; blob && i < blob->size; i++) sum += ((const uint8_t *)blob->data)[i];
    if (sum == 1u << 31) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
