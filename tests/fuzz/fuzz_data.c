/* fuzz_data - any text as a DATA.yaml: a located error, or a description that prints and reads. */
#include "frontend/data.h"
#include "fuzz_ir.h"

static void parse(FuzzIr *f)
{
    QccDataSpec spec;
    QccPreprocess again;
    QccDiags *d = &f->ir->diags;
    const char *text = (const char *)f->data;
    if (qcc_data_parse(&spec, f->arena, d, "fuzz", text, (int64_t)f->size) != QCC_OK) {
        if (!f->errors) abort();
        return;
    }
    const char *printed = qcc_preprocess_print(f->arena, &spec.preprocess);
    QccStatus status =
        qcc_preprocess_parse(&again, f->arena, d, "printed", printed, (int64_t)strlen(printed));
    if (status != QCC_OK || strcmp(printed, qcc_preprocess_print(f->arena, &again)) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
