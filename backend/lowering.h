/* lowering - the state of one qcc_lower, shared by its stages.
 *
 *   ops.c      what every op is: a view, a map, an anchor with its epilogue, or eval
 *   layout.c   where every value lies: halos, views, concatenations and maps in place
 *   steps.c    one op becomes steps: copies in front of it, its kernels, or eval
 *   loops.c    a scan becomes a loop over the steps of its body
 *   fold.c     a convolution of few channels over rows that lie side by side
 *   kernels.c  one description is finished: epilogue, merged dimensions, variant, constants
 *   plan.c     lifetimes and offsets of the buffers
 *
 * Until plan.c has run, a reference into the arena holds the number of a buffer in `index` and an
 * offset inside it.
 */
#ifndef QCC_BACKEND_LOWERING_H
#define QCC_BACKEND_LOWERING_H

#include "backend/lower.h"
#include "ir/base/table.h"
#include "ir/epilogue.h"
#include "ir/ops.h"

/* A piece of the activation arena. */
typedef struct QccPlanBuffer {
    int64_t bytes;
    int first, last; /* steps that touch it; first -1: none does */
    int last_reader; /* number of the last op that reads a value in it */
    bool keep;       /* until the end of the run */
    int64_t offset;
} QccPlanBuffer;

/* Where something lies: the reference is that of logical element (0, 0, ...). */
typedef struct QccSpot {
    QccRef ref;
    QccLayout layout;
} QccSpot;

typedef struct QccValueInfo {
    const QccValue *value;
    int number; /* of the op that computes it; -1: a parameter */
    QccSpot spot;
    bool placed;
    const QccValue *alias;       /* lies inside or over this one */
    int output;                  /* the graph's result it is written as; -1: none */
    bool slack;                  /* a kernel may read past its end */
    int64_t before[2], after[2]; /* halo of rows and columns that its readers want */
    const QccValue *home; /* the concatenation, or its transposition, that it is written into */
    int64_t home_index;   /* its first index in the concatenation */
    QccSpot twin;         /* a copy in the arena, with the halo that the reader in question wants */
    bool has_twin;
} QccValueInfo;

/* What is known of an op before any layout is. */
typedef struct QccOpPlan {
    const QccOp *op;
    int number;          /* position in the graph */
    bool view;           /* its result is its operand's bytes */
    bool turned;         /* a view whose dimensions are the operand's in another order */
    bool epilogue;       /* epi is set */
    bool kernel;         /* it may become kernels: a map, or an anchor with a lower */
    const QccOp *anchor; /* the op whose `lower` is asked; NULL: a map */
    QccEpilogue epi;
} QccOpPlan;

typedef struct QccLowering {
    QccArena *arena;
    QccIr *ir;
    const QccGraph *g;
    const QccTarget *target;
    bool taps;
    QccPackPool *pool; /* NULL: none */
    bool body;         /* of a loop: see QccLowerOptions */
    QccChooseFn *choose;
    void *choose_user;
    QccLowered *out;
    QccTable values; /* QccValueInfo by value */
    int nop;
    int64_t op_cap;
    QccOpPlan *op;
    int nbuffer;
    int64_t buffer_cap;
    QccPlanBuffer *buffer;
    int64_t text_cap;
    const char **text;  /* of kernel i */
    QccTable kernels;   /* texts, by hash */
    QccTable constants; /* by content */
    QccTable packed;    /* weights packed for a kernel */
} QccLowering;

QccValueInfo *qcc_lowering_value(QccLowering *l, const QccValue *v);

/* ---- ops.c */
void qcc_plan_ops(QccLowering *l);
/* Operand of plan->op that operand `i` of the anchor is; -1: none (computed inside, or absent). */
int qcc_plan_operand(const QccOpPlan *plan, int i);
/* Whether the kernel may read its operand i of the anchor (0: A) past the end, and is a convolution
 * that wants a halo around it (then before[2], after[2] are set; else zeros). */
bool qcc_plan_window(const QccOpPlan *plan, int i, int64_t before[2], int64_t after[2]);

/* ---- layout.c */
void qcc_plan_layouts(QccLowering *l);
void qcc_layout_dense(QccLayout *layout, const QccType *type);
bool qcc_layout_is_dense(const QccLayout *layout);
/* A new buffer for the layout, and the spot of its element (0, 0, ...). */
QccSpot qcc_new_spot(QccLowering *l, const QccLayout *layout, QccDtype dtype);
/* A dense rank 4 layout with rows and columns around it. */
void qcc_layout_halo(QccLayout *layout, const int64_t before[2], const int64_t after[2]);
/* Elements from the first one of all to the value's first, and to the last one of all. */
int64_t qcc_layout_before(const QccLayout *layout);
int64_t qcc_layout_span(const QccLayout *layout);

/* ---- steps.c */
void qcc_emit_steps(QccLowering *l);
QccStep *qcc_add_step(QccLowering *l, QccStepKind kind, const QccOp *op, const QccValue *value,
                      int nref);

/* Where v lies. Constants get their number here, at their first reader. */
QccSpot qcc_lowering_spot(QccLowering *l, const QccValue *v);

/* ---- fold.c */
/* Where an op became one convolution of few channels whose stride over rows allows it, and products
 * in tiles are faster for it: a copy of A with those rows side by side, and the convolution over
 * it. */
void qcc_fold_rows(QccKernelList *list);

/* ---- loops.c */
/* The steps of a scan; false: it is none, or stands within another, and runs through eval. */
bool qcc_emit_loop(QccLowering *l, const QccOpPlan *plan);

/* ---- kernels.c */
/* The number of an equal kernel, which is added when there is none. */
int qcc_find_kernel(QccLowering *l, QccKernel *k);
/* Finishes the description (merges dimensions, chooses the variant, finds an equal kernel) and adds
 * its step. ref[k] belongs to argument k; weight != NULL is packed as argument `packed`. */
void qcc_add_kernel(QccLowering *l, QccKernel *k, const QccRef *ref, const QccOp *op,
                    const QccValue *value, int packed, const QccBlob *weight);
/* A map kernel that copies raw elements from one spot to another of the same extents. */
void qcc_add_copy(QccLowering *l, const QccOp *op, const QccValue *value, const QccSpot *to,
                  const QccSpot *from, QccDtype dtype);
/* Puts `value` (a node of e) in the place of acc, and arg[k] in that of argument k. */
int qcc_expr_splice(QccExpr *e, const QccExpr *from, int acc, const int *arg);
/* The number of the program's constant with this content. */
int qcc_add_constant(QccLowering *l, const QccBlob *blob);

/* ---- plan.c */
QccStatus qcc_plan_memory(QccLowering *l);

#endif
