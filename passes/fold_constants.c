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
     "bytes; a larger result is made only when it is not larger than its operands; all results "
     "together stay below 64 times this and 16 times the constants that there were"},
    {0}};

enum { TOTAL_LIMITS = 64, TOTAL_CONSTANTS = 16 };

/* Bytes that all results together may take: thousands of small nodes must not fill the memory. */
static int64_t budget_of(const QccGraph *g, int64_t limit)
{
    int64_t total = limit * TOTAL_LIMITS; /* at most 2^46 */
    QCC_FOR_OPS(op, g)
    {
        const QccBlob *blob = op->nout == 1 ? qcc_value_const(&op->out[0]) : NULL;
        int64_t room;
        if (blob && qcc_mul_i64(&room, blob->size, TOTAL_CONSTANTS) &&
            !qcc_add_i64(&total, total, room))
            total = INT64_MAX;
    }
    return total;
}

typedef struct Folding {
    QccPassCtx *ctx;
    int64_t limit;
    int64_t budget; /* bytes left, of the graph and its bodies */
} Folding;

static QccStatus fold(QccGraph *g, void *user)
{
    Folding *f = user;
    QCC_FOR_OPS(op, g)
    {
        int64_t bytes = op->nout == 1 ? qcc_type_bytes(op->out[0].type) : 0;
        if (bytes > f->budget) continue;
        if (op->def == &qcc_op_quantize || op->def == &qcc_op_dequantize) continue;
        bool done;
        QCC_TRY(qcc_fold_op(op, f->limit, qcc_pass_scratch(f->ctx), &done));
        if (done) f->budget -= bytes;
        qcc_pass_count(f->ctx, 0, done);
    }
    return QCC_OK;
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const Opts *o = opts;
    Folding f = {ctx, o->limit, budget_of(g, o->limit)};
    QCC_TRY(qcc_visit_graphs(g, fold, &f));
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
