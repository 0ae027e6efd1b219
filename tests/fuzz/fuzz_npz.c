/* fuzz_npz - any bytes as an archive of arrays: a located error, or an array. */
#include "frontend/npz.h"
#include "fuzz_ir.h"

static void parse(FuzzIr *f)
{
    static const char *const names[] = {NULL, "a"};
    for (int i = 0; i < 2; i++) {
        const QccBlob *blob = NULL;
        f->errors = 0;
        QccStatus status =
            qcc_npz_parse(&blob, f->ir, f->arena, "fuzz", names[i], f->data, (int64_t)f->size);
        if (status == QCC_OK) {
            qcc_blob(f->arena, blob->dtype, blob->rank, blob->dim, blob->data, true);
        } else if (!f->errors) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
