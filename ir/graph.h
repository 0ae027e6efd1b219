/* graph - values, ops, graphs; walking and changing them.
 *
 * Invariant: ops are in topological order; a use is linked into its value's list; the last op of a
 * graph is `yield`, whose operands are the results.
 */
#ifndef QCC_IR_GRAPH_H
#define QCC_IR_GRAPH_H

#include "ir/type.h"

#pragma GCC visibility push(default) /* for plugins; see docs/architecture.md */

typedef struct QccGraph QccGraph;
typedef struct QccOp QccOp;
typedef struct QccValue QccValue;

/* One operand: a place in an op where a value is used. */
typedef struct QccUse {
    QccValue *value; /* NULL: an optional operand that is absent, printed as _ */
    QccOp *user;
    int index;                  /* of the operand */
    struct QccUse *prev, *next; /* other uses of the same value */
} QccUse;

struct QccValue {
    const char *name; /* without %; unique in its graph and the graphs around it */
    const QccType *type;
    QccOp *def; /* NULL: a parameter of the graph */
    QccGraph *graph;
    int index; /* of the result or the parameter */
    QccUse *uses;
    bool has_range; /* lo and hi are known: what calibration saw, lo <= 0 <= hi */
    float lo, hi;
};

struct QccOp {
    const QccOpDef *def;
    QccGraph *graph;
    QccOp *prev, *next; /* topological order */
    QccLoc loc;
    int nin, nout;
    QccUse *in;
    QccValue *out;
    QccGraph *body; /* of fused and scan; NULL otherwise. A parameter for each operand. */
    void *attrs;    /* def->attr_size bytes, described by def->attrs */
};

struct QccGraph {
    QccIr *ir;
    QccArena *arena; /* shared by a graph and its bodies */
    const char *name;
    QccOp *parent; /* the op whose body this is; NULL: top level */
    int nparam;
    int64_t param_cap;
    QccValue **param;
    QccOp *first, *last; /* last is the yield once it is set */
    int nsymbol;
    int64_t symbol_cap;
    const QccSymbol **symbol;
    int nprop;
    int64_t prop_cap;
    const char **prop;      /* properties: "calibrated", "quantized", ... */
    struct QccNames *names; /* the table behind unique names; shared with the bodies */
};

/* A whole model: a graph and what travels with it. */
typedef struct QccModule {
    QccGraph *graph;
    const QccBlob **samples; /* one per parameter: first dimension counts samples, then a sample's
                                shape before `preprocess`; NULL: carries none */
    int nsamples;            /* parameters that have samples: 0 or graph->nparam */
    const char
        *preprocess; /* YAML of DATA.yaml's `preprocess:` that samples still go through, or NULL */
    const QccBlob *labels; /* i64[samples] or NULL */
} QccModule;

/* ---- making ------------------------------------------------------------------------------- */

QccGraph *qcc_graph_new(QccIr *ir, QccArena *arena, const char *name);
/* An empty body for `op`, with one parameter per operand (same names, same types; they follow the
 * operands when these change). Fill it, give it its results, then qcc_op_reinfer(op). */
QccGraph *qcc_graph_new_body(QccOp *op);
/* The same for a loop, whose parameters have names of their own, made unique when they are taken
 * (NULL: those of the operands), and types that follow from the operands'. */
QccGraph *qcc_graph_new_loop(QccOp *op, const char *const *name);
/* A deep copy in `arena`; blobs are shared, so the arena must not outlive their owner. */
QccGraph *qcc_graph_clone(const QccGraph *g, QccArena *arena);
/* The same with the types of another context, which then alone is used by what becomes of it. */
QccGraph *qcc_graph_clone_into(QccIr *ir, const QccGraph *g, QccArena *arena);

/* `name` is made unique when it is taken; NULL: "t1", "t2", ... */
QccValue *qcc_graph_add_param(QccGraph *g, const char *name, const QccType *type);
/* The symbol of that name, made when new. */
const QccSymbol *qcc_graph_symbol(QccGraph *g, const char *name, int64_t min, int64_t max);

/* Makes an op before `before` (NULL: at the end, before the yield). `attrs` is copied (NULL: the
 * defaults). Result types are inferred; name is that of the first result (NULL: any). Fails, with a
 * diagnostic at loc, when the operands do not fit. */
QccStatus qcc_op_new(QccOp **op, QccGraph *g, QccOp *before, const QccOpDef *def, QccLoc loc,
                     const char *name, QccValue *const *in, int nin, const void *attrs);
/* A constant before `before`; `quant` may be NULL. */
QccValue *qcc_const_new(QccGraph *g, QccOp *before, const char *name, const QccBlob *blob,
                        const QccQuant *quant);
/* A copy of `from` (of any graph of the context) at the end of g, with other operands; its results
 * have the types and, where they are free, the names of the original's. It has no body. */
QccOp *qcc_op_copy(QccGraph *g, const QccOp *from, QccValue *const *in);
/* Sets what the graph returns (makes or replaces its yield). */
void qcc_graph_set_results(QccGraph *g, QccValue *const *value, int n);

/* ---- changing ----------------------------------------------------------------------------- */

void qcc_op_set_operand(QccOp *op, int index, QccValue *value);
/* All uses of `from` become uses of `to`. */
void qcc_value_replace(QccValue *from, QccValue *to);
/* Removes an op whose results have no uses. */
void qcc_op_remove(QccOp *op);
/* Moves before `before`, which is in the same graph. */
void qcc_op_move(QccOp *op, QccOp *before);
/* Infers the result types anew after operands or attributes changed; a result that was quantized
 * keeps its quantization where the shape allows. */
QccStatus qcc_op_reinfer(QccOp *op);
void qcc_value_set_type(QccValue *value, const QccType *type);
void qcc_value_set_range(QccValue *value, float lo, float hi);
void qcc_value_rename(QccValue *value, const char *name);

void qcc_graph_set_prop(QccGraph *g, const char *prop);
void qcc_graph_clear_prop(QccGraph *g, const char *prop);
bool qcc_graph_has_prop(const QccGraph *g, const char *prop);

/* Replaces symbols by numbers everywhere: extent[i] for g->symbol[i], which then is gone; 0: it
 * stays. NULL: each by the least that it may be. After a failure the graph is of no more use. */
QccStatus qcc_graph_bind(QccGraph *g, const int64_t *extent);

/* ---- asking ------------------------------------------------------------------------------- */

/* The yield, or NULL while it is not set; its operands are the results. */
QccOp *qcc_graph_yield(const QccGraph *g);
int qcc_graph_result_count(const QccGraph *g);
QccValue *qcc_graph_result(const QccGraph *g, int index);
/* The data of a constant, or NULL for any other value. */
const QccBlob *qcc_value_const(const QccValue *value);
/* Bytes of all constants at the top level; what two of them share counts twice. */
int64_t qcc_graph_constant_bytes(const QccGraph *g);
int qcc_value_use_count(const QccValue *value);
QccValue *qcc_graph_find_value(const QccGraph *g, const char *name); /* top level of g only */
/* Operand i, or NULL where there is none. */
QccValue *qcc_op_in(const QccOp *op, int index);
/* The loc as "/l2/Conv" or "file:3:5", for messages. In the graph's arena. */
const char *qcc_loc_text(QccArena *arena, QccLoc loc);

/* Visits every op of one graph but the yield; `op` itself may be removed. */
/* NOLINTBEGIN(bugprone-macro-parentheses): op names a variable, and cannot be in parentheses */
#define QCC_FOR_OPS(op, g)                                                                         \
    for (QccOp *op = (g)->first, *next_##op = op ? op->next : NULL; op && op->next;                \
         op = next_##op, next_##op = op ? op->next : NULL)
/* NOLINTEND(bugprone-macro-parentheses) */

/* ---- checking ----------------------------------------------------------------------------- */

/* Whether a result may have this type when inference gives `inferred`: the same, or a quantized one
 * of that shape where the op computes f32 (a constant: of its own element type). */
bool qcc_type_fits(const QccOp *op, const QccType *inferred, const QccType *type);
/* Posts "'fc' gives f32[1,10], not f32[1,11]" at loc. */
QccStatus qcc_type_misfit(const QccOp *op, QccLoc loc, const QccType *inferred,
                          const QccType *type);

/* Every invariant of graph, types and ops, with located errors. */
QccStatus qcc_graph_verify(const QccGraph *g);

#pragma GCC visibility pop

#endif
