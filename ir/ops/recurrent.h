/* recurrent - what rnn, gru and lstm share: steps over a sequence, states, activations.
 *
 * Operand 0 is x[s,b,g*h]: for each step and sequence of the batch what the input adds to the g
 * gates, biases included (a product that an fc before has computed). Operand 1 is r[g*h,h]. The
 * result y[s+1,b,...] holds the state after each step and, as the last row, the final states. A
 * sequence of length l has l steps, reversed ones too; rows behind them are 0.
 *
 *   gate = x + sum of h[k] * r[k]       the sum by fma, k ascending from 0
 *
 * then, where given, + peephole * cell, and the clip. Every operation is rounded.
 */
#ifndef QCC_IR_OPS_RECURRENT_H
#define QCC_IR_OPS_RECURRENT_H

#include "ir/ops/common.h"

/* Rows of a field table: the activation `which` (0, 1, 2), named f, g or h. */
#define QCC_RECURRENT_ACTIVATION(name, which, init)                                                \
    {name,                                                                                         \
     QCC_FIELD_ENUM,                                                                               \
     offsetof(QccRecurrentAttrs, activation) + (which) * sizeof(int),                              \
     init,                                                                                         \
     0,                                                                                            \
     0,                                                                                            \
     qcc_recurrent_activations,                                                                    \
     "an activation"},                                                                             \
        {name "_alpha",                                                                            \
         QCC_FIELD_FLOAT,                                                                          \
         offsetof(QccRecurrentAttrs, alpha) + (which) * sizeof(double),                            \
         "0",                                                                                      \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "a parameter of that activation"},                                                        \
        {name "_beta",                                                                             \
         QCC_FIELD_FLOAT,                                                                          \
         offsetof(QccRecurrentAttrs, beta) + (which) * sizeof(double),                             \
         "0",                                                                                      \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "a parameter of that activation"}

#define QCC_RECURRENT_FIELDS                                                                       \
    {"reverse", QCC_FIELD_BOOL, offsetof(QccRecurrentAttrs, reverse), "false", 0,                  \
     0,         NULL,           "the last step comes first"},                                      \
        {"clip",                                                                                   \
         QCC_FIELD_FLOAT,                                                                          \
         offsetof(QccRecurrentAttrs, clip),                                                        \
         "inf",                                                                                    \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "bounds what activations get, inf: nothing does"}

extern const char *const qcc_recurrent_activations[];

/* One step of one sequence. */
typedef struct QccRecurrent {
    const QccOp *op;
    const QccTensor *in;
    int64_t hidden;
    float *h, *c;             /* the state, replaced by the step; c: lstm */
    float *gate[4];           /* x + h * r of each gate; scratch for the step */
    float *spare;             /* h elements */
    QccExprEval *function[3]; /* f, g, h */
} QccRecurrent;

typedef void QccRecurrentStep(QccRecurrent *r);

/* x[s,b,gates*h] and r[gates*h,h] give y[s+1,b,states*h]; `lens` and, one for each
 * state, `first` and what follows it name operands that may be absent: i32[b], f32[b,h]. */
QccStatus qcc_recurrent_infer(const QccOp *op, const QccType **result, int gates, int states,
                              int lens, int first);
/* Errors unless operand i, where there is one, is f32[n*h]. */
QccStatus qcc_recurrent_vector(const QccOp *op, int i, int n);

/* Runs the steps; gates of the sum h * r before `summed` are added to x. */
void qcc_recurrent_eval(const QccOp *op, const QccTensor *in, const QccTensor *result, int gates,
                        int summed, int states, int lens, int first, QccRecurrentStep *step,
                        QccArena *arena);

/* v[i] = activation `which` of v[i] clipped. */
void qcc_recurrent_apply(const QccRecurrent *r, int which, float *v);
/* out[o] = sum over k of h[k] * r[first + o][k] */
void qcc_recurrent_product(const QccRecurrent *r, const float *h, int gate, float *out);

/* Random x, r, lengths and first states; returns how many operands there are. */
int qcc_recurrent_sample(QccRandom *random, QccSample *s, QccValue **in, int gates, int states,
                         int lens, int first, QccRecurrentAttrs *a);

#endif
