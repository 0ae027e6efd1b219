/* fuzz_qir - any bytes as qir: a located error, or a module that stands everything. */
#include "fuzz_module.h"

static void parse(FuzzIr *f)
{
    QccModule *m;
    QccStatus status = qcc_module_parse(&m, f->ir, f->arena, "fuzz", (const char *)f->data,
                                        (int64_t)f->size, NULL);
    if (status == QCC_OK) {
        fuzz_module(f, m);
    } else if (!f->errors) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
