/* calibrate - runs the graph over samples and notes the range of every real value.
 *
 *   observe: asks for a histogram of each f32 value
 *   run:     range(lo, hi) on the value, as the method estimates it
 *
 * What a depthwise convolution reads is also measured channel by channel, for analysis: its
 * channels never meet in a sum, so one that is much narrower than the tensor has few of its steps
 * to itself.
 */
#include <math.h>
#include <string.h>

#include "passes/context.h"
#include "passes/observers/choose.h"
#include "passes/observers/histogram.h"
#include "passes/rewrite.h"

enum { VALUES, DEPTHWISE, CHANNELS, NARROW, MINMAX, MOVING_AVERAGE, PERCENTILE, MSE };

typedef struct Opts {
    bool report;
    const char *method, *data;
    double percentile;
    int64_t samples, levels;
    QccStrings observer;
} Opts;

static const QccField fields[] = {
    {"method", QCC_FIELD_STRING, offsetof(Opts, method), "minmax", 0, 0, NULL,
     "how a range is estimated: the name of an observer"},
    {"percentile", QCC_FIELD_FLOAT, offsetof(Opts, percentile), "99.99", 50, 100, NULL,
     "for the method percentile: percent of the numbers that stay inside the range"},
    {"samples", QCC_FIELD_INT, offsetof(Opts, samples), "0", 0, 0x1p40, NULL,
     "how many samples are read; 0: all"},
    {"data", QCC_FIELD_STRING, offsetof(Opts, data), "", 0, 0, NULL,
     "description of the data, relative to the pipeline's file; --calib goes before it"},
    {"levels", QCC_FIELD_INT, offsetof(Opts, levels), "256", 2, 65536, NULL,
     "steps of the type that ranges are made for"},
    {"observer", QCC_FIELD_STRINGS, offsetof(Opts, observer), "[]", 0, 0, NULL,
     "further options of the method, as [\"name=value\"]; for observers of plugins"},
    {"report", QCC_FIELD_BOOL, offsetof(Opts, report), "false", 0, 0, NULL,
     "a note for each value that a depthwise convolution reads: how narrow its channels are"},
    {0}};

static QccStatus find_method(QccPassCtx *ctx, const Opts *o, const QccObserverDef **def)
{
    const QccPassRegistry *r = ctx->pipeline->registry;
    *def = qcc_observer_find(r, o->method);
    if (*def) return QCC_OK;
    QccBuf names;
    qcc_buf_init(&names, qcc_pass_scratch(ctx));
    for (int i = 0; i < r->nobserver; i++) {
        qcc_buf_printf(&names, "%s%s", i ? ", " : "", r->observer[i]->name);
    }
    return qcc_pass_option_error(ctx, "method", "there is no '%s', only %s", o->method, names.data);
}

/* The observer's options: its defaults, `percentile` where it has one, then `observer`. */
static QccStatus observer_opts(QccPassCtx *ctx, const Opts *o, const QccObserverDef *def,
                               void **out)
{
    QccArena *scratch = qcc_pass_scratch(ctx);
    void *opts = qcc_alloc(scratch, def->opts_size ? def->opts_size : 1);
    if (def->opts) qcc_fields_init(scratch, def->opts, opts);
    const QccField *percentile = qcc_field_find(def->opts, "percentile");
    if (percentile && percentile->type == QCC_FIELD_FLOAT) {
        memcpy((char *)opts + percentile->offset, &o->percentile, sizeof o->percentile);
    }
    for (int i = 0; i < o->observer.n; i++) {
        const char *item = o->observer.v[i], *equals = strchr(item, '=');
        const char *name = equals ? qcc_strndup(scratch, item, (size_t)(equals - item)) : item;
        const QccField *field = qcc_field_find(def->opts, name);
        if (!equals || !field) {
            return qcc_pass_option_error(ctx, "observer", "'%s' is no name=value that '%s' knows",
                                         item, def->name);
        }
        QCC_TRY(qcc_field_parse(scratch, &ctx->ir->diags, ctx->step->loc, field, equals + 1,
                                (int64_t)strlen(equals + 1), opts));
    }
    *out = opts;
    return QCC_OK;
}

static bool is_real(const QccValue *value)
{
    return value->type->dtype == QCC_F32 && !value->type->quant && !qcc_value_const(value);
}

/* The value that a depthwise convolution reads, or NULL. */
static QccValue *depthwise_input(const QccOp *op)
{
    if (op->def != &qcc_op_conv2d) return NULL;
    QccValue *x = op->in[0].value;
    const QccDim *channels = &x->type->dim[x->type->rank - 1];
    bool known = !channels->sym[0] && channels->n > 1;
    return known && QCC_ATTRS(op, QccConvAttrs)->groups == channels->n ? x : NULL;
}

static QccStatus observe(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const Opts *o = opts;
    const QccObserverDef *def;
    void *unused;
    QCC_TRY(find_method(ctx, o, &def));
    QCC_TRY(observer_opts(ctx, o, def, &unused));
    for (int i = 0; i < g->nparam; i++) {
        if (is_real(g->param[i])) qcc_pass_observe(ctx, g->param[i], o->samples);
    }
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nout; i++) {
            if (is_real(&op->out[i])) qcc_pass_observe(ctx, &op->out[i], o->samples);
        }
    }
    QCC_FOR_OPS(op, g)
    {
        const QccValue *x = depthwise_input(op);
        if (x) qcc_pass_observe_channels(ctx, x);
    }
    return QCC_OK;
}

static void count_choice(QccPassCtx *ctx, const QccObserverDef *chosen)
{
    static const char *const name[] = {[MINMAX] = "minmax",
                                       [MOVING_AVERAGE] = "moving-average",
                                       [PERCENTILE] = "percentile",
                                       [MSE] = "mse"};
    for (int i = MINMAX; i <= MSE; i++) qcc_pass_count(ctx, i, !strcmp(name[i], chosen->name));
}

static void note_range(QccPassCtx *ctx, const Opts *o, const QccObserverDef *def, const void *opts,
                       QccValue *value)
{
    const QccHistogram *h = is_real(value) ? qcc_pass_observed(ctx, value) : NULL;
    if (!h) return;
    if (h->strays) {
        qcc_pass_warn(ctx, value->def, "%%%s took %lld values that are infinite or no numbers",
                      value->name, (long long)h->strays);
    }
    if (h->count == 0) return;
    float lo, hi;
    if (def == &qcc_observer_choose) {
        count_choice(ctx, qcc_choose_observer(h, opts, (int)o->levels, &lo, &hi));
    } else {
        def->estimate(h, opts, (int)o->levels, &lo, &hi);
    }
    if (!(lo <= hi)) { /* also when a plugin's estimate is NaN */
        lo = h->min;
        hi = h->max;
    }
    qcc_value_set_range(value, lo < 0 ? lo : 0, hi > 0 ? hi : 0);
    qcc_pass_count(ctx, VALUES, 1);
}

/* The part of the value's range that a channel takes: between 0 and 1. */
static double part_of(const QccValue *value, const QccChannels *r, int64_t c)
{
    double whole = (double)value->hi - (double)value->lo;
    double lo = fmin((double)r->lo[c], 0), hi = fmax((double)r->hi[c], 0);
    return whole > 0 && lo <= hi ? fmin((hi - lo) / whole, 1) : 1;
}

/* Counts the channels that a depthwise convolution reads; narrow: with less than an eighth of the
 * steps, three bits lost. */
static void measure_channels(QccPassCtx *ctx, const Opts *o, const QccOp *op)
{
    const QccValue *x = depthwise_input(op);
    const QccChannels *r = x ? qcc_pass_observed_channels(ctx, x) : NULL;
    if (!r || !x->has_range) return;
    double least = 1;
    int64_t at = 0, narrow = 0;
    for (int64_t c = 0; c < r->n; c++) {
        double part = part_of(x, r, c);
        narrow += part < 0.125;
        if (part >= least) continue;
        least = part;
        at = c;
    }
    qcc_pass_count(ctx, DEPTHWISE, 1);
    qcc_pass_count(ctx, CHANNELS, r->n);
    qcc_pass_count(ctx, NARROW, narrow);
    if (!o->report) return;
    qcc_note(
        &ctx->ir->diags, op->loc,
        "calibrate: %lld of the %lld channels of %%%s take less than 1/8 of its range; channel "
        "%lld takes %.3g of %lld steps",
        (long long)narrow, (long long)r->n, x->name, (long long)at, least * (double)(o->levels - 1),
        (long long)o->levels);
}

static QccStatus run(QccPassCtx *ctx, QccGraph *g, const void *opts)
{
    const Opts *o = opts;
    const QccObserverDef *def;
    void *observer;
    QCC_TRY(find_method(ctx, o, &def));
    QCC_TRY(observer_opts(ctx, o, def, &observer));
    for (int i = 0; i < g->nparam; i++) note_range(ctx, o, def, observer, g->param[i]);
    QCC_FOR_OPS(op, g)
    {
        for (int i = 0; i < op->nout; i++) note_range(ctx, o, def, observer, &op->out[i]);
    }
    QCC_FOR_OPS(op, g) measure_channels(ctx, o, op);
    return QCC_OK;
}

const QccPassDef qcc_pass_calibrate = {
    .abi = QCC_PASS_ABI,
    .name = "calibrate",
    .summary = "note the range of every value over calibration samples",
    .opts_size = sizeof(Opts),
    .opts = fields,
    .stats = (const char *const[]){[VALUES] = "values",
                                   [DEPTHWISE] = "inputs of depthwise convolutions",
                                   [CHANNELS] = "channels of these",
                                   [NARROW] = "channels with less than 1/8 of the range",
                                   [MINMAX] = "values that chose minmax",
                                   [MOVING_AVERAGE] = "values that chose moving-average",
                                   [PERCENTILE] = "values that chose percentile",
                                   [MSE] = "values that chose mse",
                                   NULL},
    .makes = (const char *const[]){"calibrated", NULL},
    .observe = observe,
    .run = run,
};
