/* fold-constants - evaluates ops whose operands are all constants.
 *
 * quantize and dequantize stay: a weight behind them is a quantized weight, which strip-fake-quant
 * turns into a type; folding it here would throw that away.
 */
#include "passes/rewrite.h"

typedef struct Opts {
    int64_t limit;
} Opts;

static const QccField fields[] = {
    {"limit", QCC_FIELD_INT, offsetof(Opts, limit), "1048576", 0, 0x1p40, NULL,
     "bytes; a larger result is made only when it is not larger than its operands"},
    {0}};

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const Opts *o = opts;
    QCC_FOR_OPS(op, g)
    {
        if (op->def == &qcc_op_quantize || op->def == &qcc_op_dequantize) continue;
        bool done;
        QCC_TRY(qcc_fold_op(op, o->limit, qcc_pass_scratch(ctx), &done));
        qcc_pass_count(ctx, 0, done);
    }
    qcc_remove_dead(g);
    return QCC_OK;
}

const QccPassDef qcc_pass_fold_constants = {
    .abi = QCC_PASS_ABI,
    .name = "fold-constants",
    .summary = "evaluate ops whose operands are constants",
    .opts_size = sizeof(Opts),
    .opts = fields,
    .stats = (const char *const[]){"ops evaluated", NULL},
    .run = run,
};
