/* fuzz_npy - any bytes as .npy: a located error, or an array. */
#include "frontend/frontend.h"
#include "fuzz_ir.h"

static void parse(FuzzIr *f)
{
    const QccBlob *blob = NULL;
    QccStatus status = qcc_npy_parse(&blob, f->ir, f->arena, "fuzz", f->data, (int64_t)f->size);
    if (status != QCC_OK) {
        if (!f->errors) abort();
        return;
    }
    /* Every byte of what was accepted is there: a copy reads them all. */
    qcc_blob(f->arena, blob->dtype, blob->rank, blob->dim, blob->data, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
