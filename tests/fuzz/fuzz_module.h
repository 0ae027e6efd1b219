/* fuzz_module - what every module that a reader accepted must stand: it verifies, prints and parses
 * to the same text, clones, goes through a model.bin, and is lowered and interpreted while small.
 */
#ifndef QCC_TESTS_FUZZ_MODULE_H
#define QCC_TESTS_FUZZ_MODULE_H

#include "backend/lower.h"
#include "fuzz_ir.h"
#include "ir/interp.h"
#include "ir/model_bin.h"
#include "ir/ops.h"
#include "ir/text.h"

enum {
    FUZZ_OPS_MAX = 48,          /* of a graph that is lowered */
    FUZZ_RUNS_MAX = 1 << 10,    /* of ops, by loops */
    FUZZ_BYTES_MAX = 1 << 14,   /* of all values together */
    FUZZ_TEXT_MAX = 1 << 22,    /* bytes of constants in a text: of more, it takes seconds */
    FUZZ_PRODUCTS_MAX = 1 << 18 /* of elements of results and of second operands */
};

static inline QccBuf fuzz_print(FuzzIr *f, const QccModule *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, f->arena);
    qcc_module_print(&buf, m, QCC_BLOBS_INLINE, NULL);
    return buf;
}

static inline void fuzz_expect_same(FuzzIr *f, const QccBuf *text, const QccModule *m)
{
    QccBuf other = fuzz_print(f, m);
    if (other.len != text->len || memcmp(other.data, text->data, (size_t)text->len) != 0) abort();
}

typedef struct FuzzWeight {
    int64_t ops, bytes, products;
    int64_t runs; /* of ops, those in loops counted each time */
} FuzzWeight;

/* Adds what a graph weighs that runs so many times; false: too much. */
static inline bool fuzz_weigh(FuzzWeight *w, const QccGraph *g, int64_t times)
{
    QCC_FOR_OPS(op, g)
    {
        const QccValue *second = op->nin > 1 ? op->in[1].value : NULL;
        int64_t n = second ? qcc_type_count(second->type) : 0;
        for (int i = 0; i < op->nout; i++) {
            w->bytes += qcc_type_bytes(op->out[i].type);
            if (w->bytes > FUZZ_BYTES_MAX) return false;
            w->products += (qcc_type_count(op->out[i].type) + 1) * (n + 1) * times;
            if (w->products > FUZZ_PRODUCTS_MAX) return false;
        }
        w->runs += times;
        if (++w->ops > FUZZ_OPS_MAX || w->runs > FUZZ_RUNS_MAX) return false;
        if (!op->body || !(op->def->traits & QCC_TRAIT_LOOP)) continue;
        int64_t steps = qcc_scan_steps(op).n;
        if (steps > FUZZ_RUNS_MAX || !fuzz_weigh(w, op->body, steps * times)) return false;
    }
    return true;
}

/* Whether running it takes no time worth speaking of. */
static inline bool fuzz_is_small(const QccGraph *g)
{
    FuzzWeight w = {0};
    for (int i = 0; i < g->nparam; i++) {
        w.bytes += qcc_type_bytes(g->param[i]->type);
        if (w.bytes > FUZZ_BYTES_MAX) return false;
    }
    return fuzz_weigh(&w, g, 1);
}

/* Over zeros: what the ops do with values is tested elsewhere. */
static inline void fuzz_interpret(FuzzIr *f, const QccGraph *g)
{
    QccTensor *in = QCC_NEW_ARRAY(f->arena, g->nparam + 1, QccTensor);
    for (int i = 0; i < g->nparam; i++) in[i] = qcc_tensor_new(f->arena, g->param[i]->type);
    if (qcc_interp_run(g, in, NULL, NULL, NULL) != QCC_OK && !f->errors) abort();
}

static inline void fuzz_lower(FuzzIr *f, const QccModule *m)
{
    QccGraph *g = qcc_graph_clone(m->graph, f->arena);
    int64_t *extent = QCC_NEW_ARRAY(f->arena, g->nsymbol + 1, int64_t);
    for (int i = 0; i < g->nsymbol; i++) extent[i] = g->symbol[i]->min;
    if (g->nsymbol && qcc_graph_bind(g, extent) != QCC_OK) {
        if (!f->errors) abort();
        return;
    }
    if (!fuzz_is_small(g)) return;
    fuzz_interpret(f, g);
    if (qcc_unsign(g) != QCC_OK || qcc_graph_verify(g) != QCC_OK) abort();
    int n;
    const QccTarget *target = qcc_targets_tested(&n);
    QccLowered *l;
    QccLowerOptions options = {.taps = f->size & 1};
    if (qcc_lower(&l, f->arena, g, &target[f->size / 2 % (size_t)n], &options) != QCC_OK) abort();
    QccBuf plan;
    qcc_buf_init(&plan, f->arena);
    qcc_lowered_print_plan(&plan, l);
}

static inline void fuzz_module(FuzzIr *f, const QccModule *m)
{
    QccModule *again;
    if (qcc_graph_verify(m->graph) != QCC_OK) abort();
    if (qcc_graph_constant_bytes(m->graph) > FUZZ_TEXT_MAX) return;
    QccBuf text = fuzz_print(f, m);
    if (qcc_module_parse(&again, f->ir, f->arena, "again", text.data, text.len, NULL)) abort();
    fuzz_expect_same(f, &text, again);

    QccModule clone = *m;
    clone.graph = qcc_graph_clone(m->graph, f->arena);
    if (qcc_graph_verify(clone.graph)) abort();
    fuzz_expect_same(f, &text, &clone);

    QccBuf bin, twice;
    qcc_buf_init(&bin, f->arena);
    qcc_buf_init(&twice, f->arena);
    qcc_model_bin_write(&bin, m);
    if (qcc_model_bin_read(&again, f->ir, f->arena, "bin", bin.data, bin.len)) abort();
    fuzz_expect_same(f, &text, again);
    qcc_model_bin_write(&twice, again);
    if (twice.len != bin.len || memcmp(twice.data, bin.data, (size_t)bin.len) != 0) abort();

    fuzz_lower(f, m);
}

#endif
