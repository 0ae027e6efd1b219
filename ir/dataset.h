/* dataset - samples for calibration and evaluation; frontend implements it, passes read it. */
#ifndef QCC_IR_DATASET_H
#define QCC_IR_DATASET_H

#include "ir/tensor.h"

typedef struct QccDataset {
    void *self;
    int64_t count;
    bool random; /* made-up data: results record it */
    /* Writes sample `index` for every parameter of the graph it was opened for: in[i] is one sample
     * of the type of parameter i, with a first extent of 1 where the parameter's is a batch. */
    QccStatus (*read)(void *self, int64_t index, const QccTensor *in);
    /* The class of a sample, or -1 when there are no labels. */
    int64_t (*label)(void *self, int64_t index);
    void (*close)(void *self);
} QccDataset;

#endif
