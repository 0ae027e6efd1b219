/* frame - what a session needs to run one instance: borders, activations, profile, taps. */
#ifndef QCC_RUNTIME_FRAME_H
#define QCC_RUNTIME_FRAME_H

#include "runtime/context.h"
#include "runtime/pool.h"

/* One input or output at the border. */
typedef struct QccBorder {
    const QccValue *value;
    int64_t dim[QCC_MAX_RANK], count, bytes;
    void *stage; /* dense, the value's element type */
    void *data;  /* of this run: the caller's or the stage */
} QccBorder;

typedef struct QccStepProfile {
    int64_t runs;
    double total_ms, min_ms;
    double now_ms; /* of the run that is under way; a loop takes a step many times */
} QccStepProfile;

/* What frames of a session have in common; borrowed by them. */
typedef struct QccCrew {
    QccMem mem;
    QccPool *pool; /* NULL: one thread */
    int threads;
    bool profiling, taps;
} QccCrew;

typedef struct QccFrame {
    QccCrew *crew;
    QccInstance *instance; /* a reference */
    QccArena *arena;       /* of the frame, which lies in it */
    char *activations;     /* 64-byte aligned */
    QccBorder *input, *output;
    bool *shared;            /* one a step: it is worth waking the other threads */
    QccStepProfile *profile; /* one a step */
    const char **title;      /* one a step: what the profile calls it */
    int ntap;
    int next_tap;   /* of a run by the interpreter, which computes values in this order */
    QccTensor *tap; /* dense copies, of a program made with taps */
    const QccValue **tap_value;
} QccFrame;

/* Everything that running this instance needs; takes a reference of its own. Owner: the caller,
 * qcc_frame_free (NULL is allowed). */
QccStatus qcc_frame_new(QccFrame **frame, QccCrew *crew, QccInstance *instance);
void qcc_frame_free(QccFrame *frame);

/* Runs it once, from input[].data to output[].data, and keeps the taps. */
QccStatus qcc_frame_run(QccFrame *frame);

/* Strides in bytes of dense elements of `width` bytes. */
void qcc_byte_strides(int64_t *stride, const int64_t *dim, int rank, int64_t width);
/* Copies elements from one strided buffer to another, contiguous rows at once. */
void qcc_copy_elements(char *to, const int64_t *to_stride, const char *from,
                       const int64_t *from_stride, const int64_t *dim, int rank, int64_t width);

#endif
