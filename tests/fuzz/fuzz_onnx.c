/* fuzz_onnx - any bytes as a model: a located error, or a module that stands everything. */
#include "frontend/frontend.h"
#include "fuzz_module.h"

static void import(FuzzIr *f)
{
    QccModule *m = NULL;
    QccStatus status =
        qcc_import(&m, f->ir, f->arena, "fuzz", NULL, f->data, (int64_t)f->size, NULL, 0);
    if (status == QCC_OK) {
        fuzz_module(f, m);
    } else if (!f->errors) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(import, data, size);
}
