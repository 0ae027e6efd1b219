/* lower - a graph becomes steps over buffers: kernels, fills, and what runs through eval.
 *
 *   graph (NHWC, typed) -> views and writes in place -> layouts with halos -> kernels -> memory
 * plan
 */
#ifndef QCC_BACKEND_LOWER_H
#define QCC_BACKEND_LOWER_H

#include "backend/target.h"
#include "ir/base/table.h"

typedef enum QccBufferKind {
    QCC_BUFFER_ARENA, /* offset in the session's activation arena */
    QCC_BUFFER_CONST, /* constant `index` of the program */
    QCC_BUFFER_INPUT, /* caller's (or staged) input `index`, dense */
    QCC_BUFFER_OUTPUT
} QccBufferKind;

typedef struct QccRef {
    QccBufferKind kind;
    int index;
    int64_t offset; /* bytes */
} QccRef;

/* How a reference moves on inside of a loop: in round t it is bytes * (t & mask) further. */
typedef struct QccTurn {
    int64_t bytes;
    int64_t mask; /* -1: on with each round; 1: to and fro; 0: it stays */
} QccTurn;

typedef enum QccStepKind {
    QCC_STEP_KERNEL,
    QCC_STEP_FILL, /* writes the halo of a value with its zero point (or 0.0f) */
    QCC_STEP_EVAL  /* the op's reference eval, on dense buffers */
} QccStepKind;

typedef struct QccStep {
    QccStepKind kind;
    const QccOp *op;
    const QccValue *value; /* what it computes */
    int kernel;            /* KERNEL: index into QccLowered.kernel */
    int nref;
    QccRef *ref; /* KERNEL: argument by argument. FILL: the value's logical element (0, 0, ...).
                    EVAL: operands (an absent one: index -1), then results; all dense */
    const QccLayout *layout; /* FILL: what lies in the halos is written, nothing else */
    uint32_t fill;           /* FILL: the element's bits */
    QccDtype fill_dtype;
    int64_t work;        /* KERNEL: work units */
    const QccTurn *turn; /* inside of a loop: one a reference; NULL outside */
    int64_t rounds;      /* how often a run takes it */
} QccStep;

/* Steps that are taken again and again: those of the body of a scan. */
typedef struct QccLoop {
    int first, count; /* at least one, with equal rounds */
} QccLoop;

/* Where a value lies, for qcc dump --plan and for taps. */
typedef struct QccPlacement {
    const QccValue *value;
    QccRef ref; /* of logical element (0, 0, ...) */
    QccLayout layout;
    const QccValue *alias; /* lies inside or over this value; NULL: its own place */
    int first, last;       /* steps between which it lives */
    int64_t bytes;         /* with halo */
} QccPlacement;

typedef struct QccLowered {
    const QccGraph *graph;
    const QccTarget *target;
    int nkernel;
    int64_t kernel_cap;
    QccKernel **kernel; /* unique ones */
    int nstep;
    int64_t step_cap;
    QccStep *step;
    int nloop; /* in the order of their steps; none within another */
    int64_t loop_cap;
    QccLoop *loop;
    int nconst;
    int64_t const_cap;
    const QccBlob **constant; /* 64-byte aligned data; followed by QCC_READ_SLACK bytes where a
                                 kernel may read them */
    int nplace;
    int64_t place_cap;
    QccPlacement *place;
    int64_t arena_size; /* bytes, 64-byte aligned places */
    int64_t live_peak;  /* the largest sum of live values: what no plan can beat */
} QccLowered;

/* Packed weights that the lowerings of one program share. One thread at a time. */
typedef struct QccPackPool {
    QccArena *arena;  /* where they lie; outlives the lowerings */
    QccTable packed;  /* QccBlob by content */
    int64_t expected; /* bytes, about, of all that will be packed; 0: not known */
    char *at, *end;   /* what is left of the memory that was made for the next ones */
    /* Told, where there is one, of weights as the model has them, once they are packed: they are
     * not read again unless a program is lowered for other extents. */
    void (*spent)(void *user, const void *bytes, int64_t size);
    void *user;
} QccPackPool;

/* Called for every finished description, with the variant that the cost model chose; may put
 * another candidate (backend/variant.h) in its place. Equal descriptions must get equal variants.
 */
typedef void QccChooseFn(void *user, QccKernel *k, const QccTarget *t);

typedef struct QccLowerOptions {
    bool taps;         /* every value of the top level keeps a place of its own until the end */
    QccPackPool *pool; /* NULL: packed weights lie in the lowering's arena */
    bool body;         /* of a loop: parameters can be read QCC_READ_SLACK bytes past their ends */
    QccChooseFn *choose; /* NULL: the cost model decides */
    void *choose_user;
} QccLowerOptions;

/* Lowers a verified graph without symbols. Everything lies in `arena`; the graph is borrowed.
 * What has no kernel becomes an EVAL step; that never fails. Steps run in order; all work units of
 * one may run at once. In a MAP kernel the result may lie exactly over an argument (same strides,
 * same size of element): every element is read before it is written, and written once. */
QccStatus qcc_lower(QccLowered **out, QccArena *arena, const QccGraph *g, const QccTarget *target,
                    const QccLowerOptions *options);

/* Where a run is. Begins as {.step = -1}. */
typedef struct QccCursor {
    int step, loop;
    int64_t round; /* of the loop that it is in, else 0 */
} QccCursor;

/* Goes on to the next step that a run takes; false: there is none. */
bool qcc_lowered_next(const QccLowered *l, QccCursor *at);
/* How far reference i of the step is moved in that round, in bytes. */
static inline int64_t qcc_step_offset(const QccStep *step, int i, int64_t round)
{
    return step->turn ? step->turn[i].bytes * (round & step->turn[i].mask) : 0;
}

/* Gives i8 activations of g the type u8 with the same reals (zero + 128), which is what kernels of
 * contractions read; without it such contractions run through eval. Nothing changes when there is
 * none. Parameters, results and weights keep their types: conversions stand at the border. The
 * graph stays valid. Changes no real value and no byte of a result. */
QccStatus qcc_unsign(QccGraph *g);

/* "value  offset  bytes  pitches  halo  alias  lifetime", one line a value. */
void qcc_lowered_print_plan(QccBuf *buf, const QccLowered *l);

#endif
