/* dce - removes ops whose results nothing needs. */
#include "passes/rewrite.h"

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    (void)opts;
    qcc_pass_count(ctx, 0, qcc_remove_dead(g));
    return QCC_OK;
}

const QccPassDef qcc_pass_dce = {
    .abi = QCC_PASS_ABI,
    .name = "dce",
    .summary = "remove ops whose results nothing needs",
    .stats = (const char *const[]){"ops removed", NULL},
    .run = run,
};
