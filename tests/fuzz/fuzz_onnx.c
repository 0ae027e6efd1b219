/* fuzz_onnx - any bytes as a model: a located error, or a graph that the verifier accepts. */
#include "frontend/frontend.h"
#include "fuzz_ir.h"

static void import(FuzzIr *f)
{
    QccModule *m = NULL;
    QccStatus status = qcc_import(&m, f->ir, f->arena, "fuzz", f->data, (int64_t)f->size);
    if (status == QCC_OK && qcc_graph_verify(m->graph) != QCC_OK) abort();
    if (status != QCC_OK && !f->errors) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(import, data, size);
}
