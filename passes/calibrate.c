/* calibrate - runs the graph over samples and notes the range of every real value.
 *
 *   observe: asks for a histogram of each f32 value
 *   run:     range(lo, hi) on the value, as the method estimates it
 */
#include <string.h>

#include "passes/context.h"
#include "passes/observers/histogram.h"
#include "passes/rewrite.h"

typedef struct Opts {
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
    return QCC_OK;
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
    def->estimate(h, opts, (int)o->levels, &lo, &hi);
    if (!(lo <= hi)) { /* also when a plugin's estimate is NaN */
        lo = h->min;
        hi = h->max;
    }
    qcc_value_set_range(value, lo < 0 ? lo : 0, hi > 0 ? hi : 0);
    qcc_pass_count(ctx, 0, 1);
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
    return QCC_OK;
}

const QccPassDef qcc_pass_calibrate = {
    .abi = QCC_PASS_ABI,
    .name = "calibrate",
    .summary = "note the range of every value over calibration samples",
    .opts_size = sizeof(Opts),
    .opts = fields,
    .stats = (const char *const[]){"values", NULL},
    .makes = (const char *const[]){"calibrated", NULL},
    .observe = observe,
    .run = run,
};
