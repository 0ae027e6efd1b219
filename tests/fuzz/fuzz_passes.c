/* fuzz_passes - any small module through the ready pipelines: a located error, or a module that
 * verifies after every pass and stands everything. */
#include "frontend/frontend.h"
#include "fuzz_module.h"
#include "passes/manager.h"

static const char *const pipelines[] = {
    "qcc: 1\npasses: [widen-floats, fold-constants, canonicalize, layout, fold-batchnorm, "
    "fuse-requant, dce]\n",
    "qcc: 1\npasses: [widen-floats, fold-constants, canonicalize, layout, fold-batchnorm, "
    "calibrate: {method: choose}, quantize: {bias: corrected}, propagate-scales, fuse-requant, "
    "dce]\n",
    "qcc: 1\npasses: [fold-constants, canonicalize, layout, strip-fake-quant: {report: true}, "
    "propagate-scales, canonicalize, fuse-requant, dce]\n",
};

static QccStatus open_random(void *user, QccDataset **data, const QccGraph *g)
{
    FuzzIr *f = user;
    return qcc_dataset_open(data, f->ir, f->arena, "random:2", g);
}

static bool drop(void *user, const void *bytes, size_t size)
{
    (void)user, (void)bytes, (void)size;
    return true;
}

/* Whether the passes may run it, as often as calibration wants. */
static bool is_small(FuzzIr *f, const QccModule *m)
{
    QccGraph *g = qcc_graph_clone(m->graph, f->arena);
    if (qcc_graph_constant_bytes(g) > FUZZ_BYTES_MAX) return false;
    return qcc_graph_bind(g, NULL) == QCC_OK && fuzz_is_small(g);
}

static void transform(FuzzIr *f, const QccModule *m, const char *text)
{
    int before = f->errors;
    QccModule module = {.graph = qcc_graph_clone(m->graph, f->arena)};
    QccPassRegistry *registry = qcc_pass_registry_new(f->arena);
    QccRemarks remarks;
    qcc_remarks_init(&remarks, f->arena);
    QccPassRun run = {.open_data = open_random,
                      .data_user = f,
                      .verify_each = true,
                      .stats = true,
                      .remarks = &remarks,
                      .print = drop};
    QccPipeline *p;
    QccStatus status = qcc_pipeline_parse(&p, registry, f->ir, f->arena, "f.yaml", text,
                                          (int64_t)strlen(text), NULL, module.graph);
    if (status == QCC_OK) status = qcc_pipeline_run(p, &module, &run);
    if (status == QCC_ERROR_INTERNAL || (status == QCC_OK) != (f->errors == before)) abort();
    if (status == QCC_OK) fuzz_module(f, &module);
}

static void parse(FuzzIr *f)
{
    QccModule *m;
    if (qcc_module_parse(&m, f->ir, f->arena, "fuzz", (const char *)f->data, (int64_t)f->size,
                         NULL) != QCC_OK ||
        !is_small(f, m))
        return;
    for (size_t i = 0; i < sizeof pipelines / sizeof *pipelines; i++) transform(f, m, pipelines[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_with_ir(parse, data, size);
}
