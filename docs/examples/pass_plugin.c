/* pass_plugin - a pass outside the tree: cap-relu turns every relu into a clip with an upper bound.
 *
 *   cc -shared -fPIC pass_plugin.c -o cap_relu.so $(pkg-config --cflags --libs qcc-pass)
 *   qcc --plugin ./cap_relu.so -p pipeline.yaml model.onnx
 *
 * with, in the pipeline:  - cap-relu: {limit: 6}
 */
#include <math.h>

#include "passes/qcc_pass.h"

typedef struct Opts {
    double limit;
} Opts;

/* One row an option: parsing, checks, `qcc --help-pass=cap-relu` and --set read this table. */
static const QccField fields[] = {{"limit", QCC_FIELD_FLOAT, offsetof(Opts, limit), "6", 0, 1e6,
                                   NULL, "the largest value that a relu may give"},
                                  {0}};

static QccStatus cap(QccPassCtx *ctx, QccGraph *g, QccOp *relu, double limit)
{
    QccValue *x = qcc_op_in(relu, 0), *old = &relu->out[0];
    if (old->type->quant) {
        return qcc_pass_error(ctx, relu, "%%%s is quantized already; put cap-relu before quantize",
                              old->name);
    }
    QccScalarAttrs attrs = {.lo = 0, .hi = limit};
    QccOp *clip;
    QCC_TRY(qcc_op_new(&clip, g, relu, &qcc_op_clip, relu->loc, old->name, &x, 1, &attrs));
    if (old->has_range) qcc_value_set_range(&clip->out[0], 0, fminf(old->hi, (float)limit));
    qcc_value_replace(old, &clip->out[0]);
    qcc_op_remove(relu);
    qcc_pass_count(ctx, 0, 1);
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const Opts *o = opts;
    if (o->limit == 0) return qcc_pass_option_error(ctx, "limit", "0 would leave nothing");
    QCC_FOR_OPS(op, g)
    {
        if (op->def == &qcc_op_relu) QCC_TRY(cap(ctx, g, op, o->limit));
    }
    return QCC_OK;
}

static const QccPassDef cap_relu = {
    .abi = QCC_PASS_ABI,
    .name = "cap-relu",
    .summary = "give every relu an upper bound",
    .opts_size = sizeof(Opts),
    .opts = fields,
    .stats = (const char *const[]){"relus capped", NULL},
    .run = run,
};

static const QccPassDef *const passes[] = {&cap_relu, NULL};
static const QccPlugin plugin = {
    .abi = QCC_PASS_ABI, .name = "cap-relu", .version = "1.0", .passes = passes};

/* The one symbol that qcc looks for. */
QCC_PLUGIN_EXPORT QccPluginQueryFn qcc_plugin_query;

const QccPlugin *qcc_plugin_query(uint32_t host_abi)
{
    return host_abi == QCC_PASS_ABI ? &plugin : NULL;
}
