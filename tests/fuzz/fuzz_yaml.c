/* fuzz_yaml - any bytes as a pipeline: steps that print, or a message with a place. */
#include "fuzz_ir.h"
#include "passes/pipeline.h"

static void parse(FuzzIr *f)
{
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    QccPipeline *p = NULL;
    QccStatus status = qcc_pipeline_parse(&p, registry, f->ir, f->arena, "f.yaml",
                                          (const char *)f->data, (int64_t)f->size, NULL, NULL);
    /* Either a message or a pipeline, never both and never none. */
    if ((status == QCC_OK) != (f->errors == 0)) abort();
    if (status) return;
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    for (int i = 0; i < p->nstep; i++) qcc_step_print(&buf, &p->step[i]);
    qcc_pipeline_data(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
