/* observe - reads calibration data once and counts what every value of interest takes.
 *
 *   sample -> executor, with a tap -> histogram of each value that was asked for
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/context.h"
#include "passes/observers/histogram.h"

typedef struct Observed {
    const QccValue *value;  /* that was asked for */
    const QccValue *tapped; /* its twin in the graph that runs */
    QccHistogram histogram;
    QccChannels *channels; /* NULL: nobody asked for them */
} Observed;

struct QccObservations {
    QccArena *arena;
    const QccPassCtx *ctx; /* while data is read */
    int64_t first, batch;  /* the samples of the run at work */
    int n;
    int64_t cap, order_cap;
    Observed **item; /* in the order of asking */
    int64_t samples; /* the most that anyone wanted; 0 once someone wanted all */
    Observed **by_tapped;
    float *real; /* room for one tensor */
    int64_t real_cap;
};

QccObservations *qcc_observations_new(QccArena *arena)
{
    QccObservations *o = QCC_NEW(arena, QccObservations);
    o->arena = arena;
    o->samples = -1;
    return o;
}

static Observed *find_observed(const QccPassCtx *ctx, const QccValue *value)
{
    for (int i = 0; ctx->seen && i < ctx->seen->n; i++) {
        if (ctx->seen->item[i]->value == value) return ctx->seen->item[i];
    }
    return NULL;
}

const QccHistogram *qcc_pass_observed(QccPassCtx *ctx, const QccValue *value)
{
    const Observed *item = find_observed(ctx, value);
    return item ? &item->histogram : NULL;
}

const QccChannels *qcc_pass_observed_channels(QccPassCtx *ctx, const QccValue *value)
{
    const Observed *item = find_observed(ctx, value);
    return item ? item->channels : NULL;
}

const QccHistogram *qcc_pass_observe(QccPassCtx *ctx, const QccValue *value, int64_t samples)
{
    QccObservations *o = ctx->seen;
    if (samples == 0 || o->samples == 0) {
        o->samples = 0;
    } else if (samples > o->samples) {
        o->samples = samples;
    }
    const QccHistogram *known = qcc_pass_observed(ctx, value);
    if (known) return known;
    o->item = qcc_grow(o->arena, o->item, o->n, &o->cap, sizeof *o->item);
    Observed *item = QCC_NEW(o->arena, Observed);
    item->value = item->tapped = value;
    qcc_histogram_init(&item->histogram, o->arena);
    o->item[o->n++] = item;
    return &item->histogram;
}

void qcc_pass_observe_channels(QccPassCtx *ctx, const QccValue *value)
{
    QccObservations *o = ctx->seen;
    Observed *item = find_observed(ctx, value);
    int64_t n = value->type->dim[value->type->rank - 1].n;
    if (!item || item->channels) return;
    item->channels = QCC_NEW(o->arena, QccChannels);
    item->channels->n = n;
    item->channels->lo = QCC_NEW_ARRAY(o->arena, n, float);
    item->channels->hi = QCC_NEW_ARRAY(o->arena, n, float);
    item->channels->sum = QCC_NEW_ARRAY(o->arena, n, double);
    item->channels->count = QCC_NEW_ARRAY(o->arena, n, int64_t);
    for (int64_t c = 0; c < n; c++) {
        item->channels->lo[c] = INFINITY;
        item->channels->hi[c] = -INFINITY;
    }
}

/* A graph that is open at an executor; closed also when memory runs out on the way. */
typedef struct OpenRun {
    const QccExecutor *executor;
    void *handle;
    bool open;
} OpenRun;

static void close_run(void *user)
{
    OpenRun *run = user;
    if (run->open) run->executor->close(run->executor->self, run->handle);
    run->open = false;
}

/* ---- collecting ---------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)(*(Observed *const *)a)->tapped;
    uintptr_t y = (uintptr_t)(*(Observed *const *)b)->tapped;
    return x < y ? -1 : x > y;
}

static Observed *find_tapped(const QccObservations *o, const QccValue *value)
{
    int lo = 0, hi = o->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if ((uintptr_t)o->by_tapped[mid]->tapped < (uintptr_t)value) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < o->n && o->by_tapped[lo]->tapped == value ? o->by_tapped[lo] : NULL;
}

static void add_to_channels(QccChannels *r, const float *x, int64_t count)
{
    for (int64_t i = 0, c = 0; i < count; i++, c = c + 1 < r->n ? c + 1 : 0) {
        if (!isfinite(x[i])) continue;
        if (x[i] < r->lo[c]) r->lo[c] = x[i];
        if (x[i] > r->hi[c]) r->hi[c] = x[i];
        r->sum[c] += (double)x[i];
        r->count[c]++;
    }
}

static void count_reals(Observed *item, const float *x, int64_t count)
{
    qcc_histogram_add(&item->histogram, x, count);
    if (item->channels) add_to_channels(item->channels, x, count);
}

/* An input that is no number is no sample: nothing that was computed from it would mean anything.
 */
static QccStatus refuse(const QccObservations *o, const QccValue *value, const float *x, int64_t n)
{
    int64_t at = 0;
    while (at < n && isfinite(x[at])) at++;
    return qcc_error(&o->ctx->ir->diags, o->ctx->step->loc,
                     "sample %lld of the calibration data has %g in %%%s, which needs finite "
                     "numbers",
                     (long long)(o->first + at / (n / o->batch)), (double)x[at], value->name);
}

static QccStatus count_tensor(void *user, const QccValue *value, const QccTensor *tensor)
{
    QccObservations *o = user;
    Observed *item = find_tapped(o, value);
    if (!item) return QCC_OK;
    if (tensor->type->dtype == QCC_F32 && !tensor->type->quant) {
        count_reals(item, tensor->data, tensor->count);
        bool strange = !value->def && item->histogram.strays > 0;
        return strange ? refuse(o, value, tensor->data, tensor->count) : QCC_OK;
    }
    if (tensor->count > o->real_cap) {
        o->real = QCC_NEW_ARRAY(o->arena, tensor->count, float);
        o->real_cap = tensor->count;
    }
    qcc_tensor_to_f32(o->real, tensor);
    count_reals(item, o->real, tensor->count);
    return QCC_OK;
}

/* Every value of `g` gets its twin in `twin`, a clone: the same ops in the same order. */
static void pair_with_clone(QccObservations *o, QccPassCtx *ctx, const QccGraph *g,
                            const QccGraph *twin)
{
    for (int i = 0; i < o->n; i++) {
        const QccValue *value = o->item[i]->value;
        if (!value->def) o->item[i]->tapped = twin->param[value->index];
    }
    const QccOp *b = twin->first;
    for (const QccOp *a = g->first; a && b; a = a->next, b = b->next) {
        for (int k = 0; k < a->nout; k++) {
            if (!qcc_pass_observed(ctx, &a->out[k])) continue;
            for (int i = 0; i < o->n; i++) {
                if (o->item[i]->value == &a->out[k]) o->item[i]->tapped = &b->out[k];
            }
        }
    }
}

/* How many samples one run takes: the common first extent of the parameters, if samples are of
 * extent 1; see QccDataset. */
static int64_t batch_of(const QccGraph *g)
{
    int64_t batch = 0;
    for (int i = 0; i < g->nparam; i++) {
        const QccType *t = g->param[i]->type;
        int64_t n = t->rank ? t->dim[0].n : 1;
        if (batch && n != batch) return 1;
        batch = n;
    }
    return batch > 0 ? batch : 1;
}

/* Fills in[] with the samples first, first + 1, ...; a last batch that is not full begins again
 * with sample 0. */
static QccStatus read_batch(QccDataset *data, const QccGraph *g, const QccTensor *in, int64_t first,
                            int64_t batch, int64_t count, QccTensor *one)
{
    for (int64_t b = 0; b < batch; b++) {
        for (int i = 0; i < g->nparam; i++) {
            one[i] = in[i];
            if (batch == 1) continue;
            int64_t bytes = qcc_type_bytes(in[i].type) / batch;
            one[i].dim[0] = 1;
            one[i].count = in[i].count / batch;
            one[i].data = (char *)in[i].data + b * bytes;
        }
        QCC_TRY(data->read(data->self, (first + b) % count, one));
    }
    return QCC_OK;
}

static QccStatus run_all(QccPassCtx *ctx, const QccGraph *g, QccDataset *data, void *handle)
{
    QccObservations *o = ctx->seen;
    const QccExecutor *x = ctx->executor;
    QccTensor *in = QCC_NEW_ARRAY(o->arena, g->nparam + 1, QccTensor);
    QccTensor *one = QCC_NEW_ARRAY(o->arena, g->nparam + 1, QccTensor);
    for (int i = 0; i < g->nparam; i++) in[i] = qcc_tensor_new(o->arena, g->param[i]->type);
    int nresult = qcc_graph_result_count(g);
    QccTensor *out = QCC_NEW_ARRAY(o->arena, nresult + 1, QccTensor);
    for (int i = 0; i < nresult; i++) {
        out[i] = qcc_tensor_new(o->arena, qcc_graph_result(g, i)->type);
    }

    int64_t count = data->count, batch = batch_of(g);
    if (o->samples > 0 && o->samples < count) count = o->samples;
    o->ctx = ctx;
    o->batch = batch;
    for (int64_t done = 0; done < count; done += batch) {
        o->first = done;
        QCC_TRY(qcc_pass_progress(ctx, "calibrate", done, count));
        QCC_TRY(read_batch(data, g, in, done, batch, count, one));
        QCC_TRY(x->run(x->self, handle, in, out, count_tensor, o));
    }
    return qcc_pass_progress(ctx, "calibrate", count, count);
}

QccStatus qcc_observations_collect(QccPassCtx *ctx, QccGraph *g)
{
    QccObservations *o = ctx->seen;
    if (o->n == 0) return QCC_OK;
    QccGraph *runs = g;
    if (g->nsymbol) {
        runs = qcc_graph_clone(g, o->arena);
        QCC_TRY(qcc_graph_bind(runs, NULL)); /* one sample at a time */
        pair_with_clone(o, ctx, g, runs);
    }
    o->by_tapped = QCC_NEW_ARRAY(o->arena, o->n, Observed *);
    memcpy(o->by_tapped, o->item, (size_t)o->n * sizeof *o->item);
    qsort(o->by_tapped, (size_t)o->n, sizeof *o->by_tapped, by_address);

    QccDataset *data;
    QCC_TRY(qcc_pass_data(&data, ctx, runs));
    if (data->count <= 0) {
        return qcc_fail(&ctx->ir->diags, QCC_ERROR_USAGE, ctx->step->loc,
                        "the calibration data has no samples");
    }
    OpenRun *run = QCC_NEW(o->arena, OpenRun);
    run->executor = ctx->executor;
    qcc_arena_defer(o->arena, close_run, run);
    QCC_TRY(run->executor->open(run->executor->self, &run->handle, runs));
    run->open = true;
    QccStatus status = run_all(ctx, runs, data, run->handle);
    close_run(run);
    return status;
}
