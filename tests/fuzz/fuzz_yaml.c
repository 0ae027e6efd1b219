/* fuzz_yaml - any bytes as a pipeline: steps that print, or a message with a place. */
#include <assert.h>
#include <stdlib.h>

#include "passes/pipeline.h"

typedef struct Run {
    const uint8_t *data;
    size_t size;
    QccIr *ir;
    QccArena *arena;
    int errors;
} Run;

static void count(void *user, const QccDiagnostic *d)
{
    Run *run = user;
    if (d->severity != QCC_ERROR) return;
    run->errors++;
    assert(d->file && d->message);
}

static void parse(void *user)
{
    Run *run = user;
    QccPassRegistry *registry = qcc_pass_registry_new(run->arena);
    QccPipeline *p = NULL;
    QccStatus status = qcc_pipeline_parse(&p, registry, run->ir, run->arena, "f.yaml",
                                          (const char *)run->data, (int64_t)run->size, NULL, NULL);
    /* Either a message or a pipeline, never both and never none. */
    if ((status == QCC_OK) != (run->errors == 0)) abort();
    if (status) return;
    QccBuf buf;
    qcc_buf_init(&buf, run->arena);
    for (int i = 0; i < p->nstep; i++) qcc_step_print(&buf, &p->step[i]);
    qcc_pipeline_data(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QccMem mem = {0};
    Run run = {.data = data, .size = size};
    run.ir = qcc_ir_new(&mem, count, &run);
    run.arena = run.ir ? qcc_arena_new(&mem) : NULL;
    if (run.arena) qcc_mem_protect(&mem, parse, &run);
    qcc_arena_free(run.arena);
    if (run.ir) qcc_ir_free(run.ir);
    return 0;
}
