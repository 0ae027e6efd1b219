/* plan - lifetimes and offsets of the buffers, and the plan as text.
 *
 * A buffer lives from the first to the last step that touches it. Offsets: greedy by size, the
 * largest first, each into the smallest gap between those that live at the same time (Pisarchyk
 * and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
 */
#include "backend/lowering.h"

#include "ir/ir.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGNMENT = 64 };

static int64_t padded(const QccPlanBuffer *b)
{
    return (b->bytes + ALIGNMENT - 1) & -ALIGNMENT;
}

static void touch(QccLowering *l, const QccRef *ref, int first, int last)
{
    if (ref->kind != QCC_BUFFER_ARENA) return;
    QccPlanBuffer *b = &l->buffer[ref->index];
    if (b->first < 0) b->first = first;
    b->last = last;
}

static void find_lifetimes(QccLowering *l)
{
    const QccLowered *out = l->out;
    int loop = 0;
    for (int i = 0; i < out->nstep; i++) {
        while (loop < out->nloop && out->loop[loop].first + out->loop[loop].count <= i) loop++;
        bool inside = loop < out->nloop && out->loop[loop].first <= i;
        /* What a loop touches lives until its last round is over. */
        int first = inside ? out->loop[loop].first : i;
        int last = inside ? first + out->loop[loop].count - 1 : i;
        for (int j = 0; j < out->step[i].nref; j++) touch(l, &out->step[i].ref[j], first, last);
    }
    for (int i = 0; i < l->nbuffer; i++)
        if (l->buffer[i].keep && l->buffer[i].first >= 0) l->buffer[i].last = out->nstep - 1;
}

/* The largest sum of what lives during one step. */
static QccStatus find_live_peak(QccLowering *l)
{
    QccLowered *out = l->out;
    int64_t *change = QCC_NEW_ARRAY(l->arena, out->nstep + 1, int64_t);
    int64_t total = 0;
    for (int i = 0; i < l->nbuffer; i++) {
        const QccPlanBuffer *b = &l->buffer[i];
        if (b->first < 0) continue;
        if (b->bytes > INT64_MAX - ALIGNMENT || !qcc_add_i64(&total, total, padded(b)))
            return qcc_fail(&l->ir->diags, QCC_ERROR_UNSUPPORTED, (QccLoc){0},
                            "the values of '%s' do not fit into memory", l->g->name);
        change[b->first] += padded(b);
        change[b->last + 1] -= padded(b);
    }
    int64_t live = 0;
    for (int i = 0; i < out->nstep; i++) {
        live += change[i];
        if (live > out->live_peak) out->live_peak = live;
    }
    return QCC_OK;
}

/* Largest first; equal ones in the order in which they come to life, so that a plan is stable. */
static int by_size(const void *a, const void *b)
{
    const QccPlanBuffer *x = *(QccPlanBuffer *const *)a, *y = *(QccPlanBuffer *const *)b;
    if (padded(x) != padded(y)) return padded(x) > padded(y) ? -1 : 1;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Puts b into the smallest gap between the placed buffers (sorted by offset) that live with it. */
static int64_t find_offset(QccPlanBuffer *const *placed, int n, const QccPlanBuffer *b)
{
    int64_t end = 0, best = -1, best_gap = INT64_MAX;
    for (int i = 0; i < n; i++) {
        const QccPlanBuffer *p = placed[i];
        if (p->last < b->first || b->last < p->first) continue;
        int64_t gap = p->offset - end;
        if (gap >= padded(b) && gap < best_gap) {
            best = end;
            best_gap = gap;
        }
        if (p->offset + padded(p) > end) end = p->offset + padded(p);
    }
    return best >= 0 ? best : end;
}

static void place_buffers(QccLowering *l)
{
    QccPlanBuffer **order = QCC_NEW_ARRAY(l->arena, l->nbuffer + 1, QccPlanBuffer *);
    QccPlanBuffer **placed = QCC_NEW_ARRAY(l->arena, l->nbuffer + 1, QccPlanBuffer *);
    int n = 0;
    for (int i = 0; i < l->nbuffer; i++)
        if (l->buffer[i].first >= 0) order[n++] = &l->buffer[i];
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++) {
        QccPlanBuffer *b = order[i];
        b->offset = find_offset(placed, i, b);
        int at = i;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--) placed[at] = placed[at - 1];
        placed[at] = b;
        int64_t end = b->offset + padded(b);
        if (end > l->out->arena_size) l->out->arena_size = end;
    }
}

/* ---- the record ------------------------------------------------------------------------------ */

static void record_place(QccLowering *l, const QccValue *v)
{
    QccLowered *out = l->out;
    const QccValueInfo *info = qcc_lowering_value(l, v);
    QccPlacement place = {
        .value = v,
        .ref = info->spot.ref,
        .layout = info->spot.layout,
        .alias = info->alias,
        .last = out->nstep - 1,
        .bytes = qcc_dtype_size(v->type->dtype, qcc_layout_span(&info->spot.layout)),
    };
    if (place.ref.kind == QCC_BUFFER_CONST) return;
    if (place.ref.kind == QCC_BUFFER_ARENA) {
        const QccPlanBuffer *b = &l->buffer[place.ref.index];
        place.first = b->first;
        place.last = b->last;
        place.ref.offset += b->offset;
        place.ref.index = 0;
    }
    out->place = qcc_grow(l->arena, out->place, out->nplace, &out->place_cap, sizeof *out->place);
    out->place[out->nplace++] = place;
}

QccStatus qcc_plan_memory(QccLowering *l)
{
    QccLowered *out = l->out;
    for (int i = 0; l->taps && i < l->nop; i++) {
        for (int j = 0; j < l->op[i].op->nout; j++) {
            const QccRef *ref = &qcc_lowering_value(l, &l->op[i].op->out[j])->spot.ref;
            if (ref->kind == QCC_BUFFER_ARENA) l->buffer[ref->index].keep = true;
        }
    }
    find_lifetimes(l);
    QCC_TRY(find_live_peak(l));
    place_buffers(l);
    for (int i = 0; i < l->g->nparam; i++) record_place(l, l->g->param[i]);
    for (int i = 0; i < l->nop; i++)
        for (int j = 0; j < l->op[i].op->nout; j++) record_place(l, &l->op[i].op->out[j]);
    for (int i = 0; i < out->nstep; i++) {
        for (int j = 0; j < out->step[i].nref; j++) {
            QccRef *ref = &out->step[i].ref[j];
            if (ref->kind != QCC_BUFFER_ARENA) continue;
            ref->offset += l->buffer[ref->index].offset;
            ref->index = 0;
        }
    }
    return QCC_OK;
}

static void print_list(QccBuf *buf, const int64_t *v, int n)
{
    if (n == 0) qcc_buf_puts(buf, "-");
    for (int i = 0; i < n; i++) qcc_buf_printf(buf, "%s%lld", i ? "," : "", (long long)v[i]);
}

static void print_halo(QccBuf *buf, const QccLayout *layout)
{
    bool any = false;
    for (int i = 0; i < layout->rank; i++) any |= layout->halo_before[i] || layout->halo_after[i];
    if (!any) {
        qcc_buf_puts(buf, "-");
        return;
    }
    for (int i = 0; i < layout->rank; i++)
        qcc_buf_printf(buf, "%s%lld:%lld", i ? "," : "", (long long)layout->halo_before[i],
                       (long long)layout->halo_after[i]);
}

void qcc_lowered_print_plan(QccBuf *buf, const QccLowered *l)
{
    static const char *const kind[] = {
        [QCC_BUFFER_ARENA] = "",
        [QCC_BUFFER_CONST] = "const ",
        [QCC_BUFFER_INPUT] = "input ",
        [QCC_BUFFER_OUTPUT] = "output ",
    };
    qcc_buf_printf(buf, "arena %lld bytes, live %lld, %d steps, %d kernels\n",
                   (long long)l->arena_size, (long long)l->live_peak, l->nstep, l->nkernel);
    qcc_buf_puts(buf, "value  offset  bytes  pitches  halo  alias  lifetime\n");
    for (int i = 0; i < l->nplace; i++) {
        const QccPlacement *p = &l->place[i];
        qcc_buf_printf(buf, "%%%s  %s", p->value->name, kind[p->ref.kind]);
        if (p->ref.kind != QCC_BUFFER_ARENA) qcc_buf_printf(buf, "%d ", p->ref.index);
        qcc_buf_printf(buf, "%lld  %lld  ", (long long)p->ref.offset, (long long)p->bytes);
        print_list(buf, p->layout.pitch, p->layout.rank);
        qcc_buf_puts(buf, "  ");
        print_halo(buf, &p->layout);
        qcc_buf_printf(buf, "  %s%s  %d..%d\n", p->alias ? "%" : "-",
                       p->alias ? p->alias->name : "", p->first, p->last);
    }
    for (int i = 0; i < l->nloop; i++) {
        const QccLoop *loop = &l->loop[i];
        qcc_buf_printf(buf, "steps %d..%d are taken %lld times\n", loop->first,
                       loop->first + loop->count - 1, (long long)l->step[loop->first].rounds);
    }
}
