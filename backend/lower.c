/* lower - a graph becomes steps over buffers; see lowering.h for the stages. */
#include "backend/lower.h"

#include "backend/lowering.h"

QccStatus qcc_lower(QccLowered **out, QccArena *arena, const QccGraph *g, const QccTarget *target,
                    const QccLowerOptions *options)
{
    *out = NULL;
    QccLowering *l = QCC_NEW(arena, QccLowering);
    *l = (QccLowering){
        .arena = arena,
        .ir = g->ir,
        .g = g,
        .target = target,
        .taps = options && options->taps,
        .pool = options ? options->pool : NULL,
        .body = options && options->body,
        .choose = options ? options->choose : NULL,
        .choose_user = options ? options->choose_user : NULL,
        .out = QCC_NEW(arena, QccLowered),
    };
    l->out->graph = g;
    l->out->target = target;
    qcc_table_init(&l->values, arena);
    qcc_table_init(&l->kernels, arena);
    qcc_table_init(&l->constants, arena);
    qcc_table_init(&l->packed, arena);

    qcc_plan_ops(l);
    qcc_plan_layouts(l);
    qcc_emit_steps(l);
    QCC_TRY(qcc_plan_memory(l));
    *out = l->out;
    return QCC_OK;
}

bool qcc_lowered_next(const QccLowered *l, QccCursor *at)
{
    at->step++;
    if (at->loop < l->nloop) {
        const QccLoop *loop = &l->loop[at->loop];
        bool end = at->step == loop->first + loop->count;
        if (end && ++at->round < l->step[loop->first].rounds) {
            at->step = loop->first;
        } else if (end) {
            at->round = 0;
            at->loop++;
        }
    }
    return at->step < l->nstep;
}
