/* scan - runs a body once for each index of a dimension, with states carried from step to step.
 *
 *   operands:    first states | sequences, of which a step sees one index | what is the same always
 *   body yields: next states  | what the step adds to each stacked sequence
 *   results:     last states  | stacked sequences
 *
 * Sequences are scanned and stacked along dimension 0, all of them from its beginning or,
 * `reverse`, from its end. Recurrent layers and loops of a known number of steps are this op; so
 * the body is an ordinary list of ops, and what does not depend on a state is computed before it,
 * at once.
 */
#include "ir/ops/common.h"

#include <assert.h>

static const QccField attrs[] = {
    {"states", QCC_FIELD_INT, offsetof(QccScanAttrs, states), "1", 0, 4096, NULL,
     "operands, then results, that are carried from step to step"},
    {"scanned", QCC_FIELD_INT, offsetof(QccScanAttrs, scanned), "1", 1, 4096, NULL,
     "operands after the states of which each step sees one index of dimension 0"},
    {"stacked", QCC_FIELD_INT, offsetof(QccScanAttrs, stacked), "0", 0, 4096, NULL,
     "results after the states that hold one index of dimension 0 for each step"},
    {"reverse", QCC_FIELD_BOOL, offsetof(QccScanAttrs, reverse), "false", 0, 0, NULL,
     "the last index is the first step"},
    {0}};

static int count(const void *attributes)
{
    const QccScanAttrs *a = attributes;
    return (int)(a->states + a->stacked);
}

QccDim qcc_scan_steps(const QccOp *op)
{
    return op->in[QCC_ATTRS(op, QccScanAttrs)->states].value->type->dim[0];
}

static bool is_scanned(const QccOp *op, int i)
{
    const QccScanAttrs *a = op->attrs;
    return op->def->traits & QCC_TRAIT_LOOP && i >= a->states && i < a->states + a->scanned;
}

const QccType *qcc_body_param_type(const QccOp *op, int i)
{
    const QccType *t = op->in[i].value->type;
    if (!is_scanned(op, i) || t->rank == 0) return t;
    return qcc_type(op->graph->ir, t->dtype, t->rank - 1, t->dim + 1, NULL);
}

QccValue *qcc_body_operand(const QccValue *param)
{
    const QccOp *op = param->graph->parent;
    if (param->def || !op) return NULL;
    bool changes =
        op->def->traits & QCC_TRAIT_LOOP &&
        param->index < QCC_ATTRS(op, QccScanAttrs)->states + QCC_ATTRS(op, QccScanAttrs)->scanned;
    return changes ? NULL : op->in[param->index].value;
}

static QccStatus check_operands(const QccOp *op)
{
    const QccScanAttrs *a = op->attrs;
    if (op->nout == 0) return qcc_op_error(op, "'scan' needs a state, or something to stack");
    if (op->nin < a->states + a->scanned)
        return qcc_op_error(op, "'scan' with %lld states and %lld sequences has %d operands",
                            (long long)a->states, (long long)a->scanned, op->nin);
    for (int i = 0; i < op->nin; i++) {
        const QccType *t = op->in[i].value->type;
        if (t->quant)
            return qcc_op_error(op, "'scan' needs plain operands; operand %d is %s", i + 1,
                                qcc_op_type_text(op, i));
        if (!is_scanned(op, i)) continue;
        QCC_TRY(qcc_op_need_bytes(op, i));
        QccDim steps = qcc_scan_steps(op);
        if (t->rank == 0 || op->in[a->states].value->type->rank == 0 ||
            !qcc_dim_equal(&t->dim[0], &steps))
            return qcc_op_error(op, "'scan' needs sequences of equal length; operand %d is %s",
                                i + 1, qcc_op_type_text(op, i));
    }
    return QCC_OK;
}

/* One more dimension for the steps. */
static QccStatus stack(const QccOp *op, const QccType **result, const QccType *slice)
{
    QccDim dim[QCC_MAX_RANK];
    if (slice->rank == QCC_MAX_RANK)
        return qcc_op_error(op, "'scan' cannot stack values of %d dimensions", slice->rank);
    if (qcc_dtype_bits(slice->dtype) < 8)
        return qcc_op_error(op, "'scan' cannot stack values of %s", qcc_dtype_name(slice->dtype));
    dim[0] = qcc_scan_steps(op);
    for (int i = 0; i < slice->rank; i++) dim[1 + i] = slice->dim[i];
    *result = qcc_type(op->graph->ir, slice->dtype, slice->rank + 1, dim, NULL);
    return QCC_OK;
}

static QccStatus infer(QccOp *op, const QccType **result)
{
    const QccScanAttrs *a = op->attrs;
    QCC_TRY(check_operands(op));
    /* Until the body is there, results look like the first operand. */
    for (int i = 0; i < op->nout; i++) result[i] = op->in[i < a->states ? i : 0].value->type;
    if (!op->body || !qcc_graph_yield(op->body)) return QCC_OK;
    if (qcc_graph_result_count(op->body) != op->nout)
        return qcc_op_error(op, "'scan' with %lld states and %lld stacked results yields %d values",
                            (long long)a->states, (long long)a->stacked,
                            qcc_graph_result_count(op->body));
    for (int i = 0; i < op->nout; i++) {
        const QccType *t = qcc_graph_result(op->body, i)->type;
        if (t->quant) return qcc_op_error(op, "'scan' needs plain results");
        if (i >= a->states) {
            QCC_TRY(stack(op, &result[i], t));
        } else if (t != result[i]) {
            QccBuf text;
            qcc_buf_init(&text, op->graph->arena);
            qcc_type_print(&text, t);
            return qcc_op_error(op,
                                "'scan' needs states that keep their types; state %d is %s, "
                                "after a step %s",
                                i + 1, qcc_op_type_text(op, i), text.data);
        }
    }
    return QCC_OK;
}

/* ---- sample -----------------------------------------------------------------------------------
 */

static QccValue *emit(QccGraph *g, const QccOpDef *def, QccValue *a, QccValue *b)
{
    QccOp *op = NULL;
    QccValue *in[] = {a, b};
    QccStatus status = qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, in, b ? 2 : 1, NULL);
    assert(status == QCC_OK);
    (void)status;
    return &op->out[0];
}

/* A cell like those of recurrent layers: h' = tanh(x + h * w), c' = c + h * x; or with lengths. */
static void sample(QccRandom *random, QccSample *s)
{
    int64_t steps = qcc_random_range(random, 1, 5), batch = qcc_random_range(random, 1, 3);
    int64_t n = qcc_random_range(random, 1, 20);
    int64_t state[] = {batch, n}, sequence[] = {steps, batch, n}, square[] = {n, n};
    QccScanAttrs a = {.states = qcc_random_range(random, 0, 2), .scanned = 1};
    a.stacked = qcc_random_range(random, a.states == 0, 2);
    a.reverse = qcc_random_bool(random);
    bool masked = qcc_random_bool(random);
    QccValue *in[5];
    int nin = 0;
    for (int i = 0; i < a.states; i++) {
        const QccType *t = qcc_sample_shape(s, 2, state);
        in[nin++] = qcc_random_bool(random) ? qcc_sample_param(s, t) : qcc_sample_const(s, t);
    }
    in[nin++] = qcc_sample_param(s, qcc_sample_shape(s, 3, sequence));
    if (masked) {
        int64_t mask[] = {steps, batch, 1};
        in[nin++] = qcc_sample_const(
            s, qcc_type_plain(s->graph->ir, qcc_sample_shape(s, 3, mask), QCC_BOOL));
        a.scanned++;
    }
    in[nin++] = qcc_random_bool(random) ? qcc_sample_const(s, qcc_sample_shape(s, 2, square))
                                        : qcc_sample_param(s, qcc_sample_shape(s, 2, square));
    QccOp *op = qcc_sample_op(s, &qcc_op_scan, in, nin, &a);
    QccGraph *body = qcc_graph_new_loop(op, NULL);
    QccValue *x = body->param[a.states], *w = body->param[nin - 1];
    QccValue *h = a.states ? body->param[0] : x, *yield[4];
    QccValue *next = emit(body, &qcc_op_add, x, emit(body, &qcc_op_matmul, h, w));
    next = emit(body, &qcc_op_tanh, next, NULL);
    if (masked) {
        QccValue *choice[] = {body->param[a.states + 1], next, h};
        QccOp *where = NULL;
        QccStatus status =
            qcc_op_new(&where, body, NULL, &qcc_op_where, (QccLoc){0}, NULL, choice, 3, NULL);
        assert(status == QCC_OK);
        (void)status;
        next = &where->out[0];
    }
    int nout = 0;
    if (a.states > 0) yield[nout++] = next;
    if (a.states > 1)
        yield[nout++] = emit(body, &qcc_op_add, body->param[1], emit(body, &qcc_op_mul, h, x));
    for (int i = 0; i < a.stacked; i++) yield[nout++] = i ? h : next;
    qcc_graph_set_results(body, yield, nout);
    QccStatus status = qcc_op_reinfer(op);
    assert(status == QCC_OK);
    (void)status;
}

const QccOpDef qcc_op_scan = {
    .name = "scan",
    .summary = "a body that runs once for each index of dimension 0, with states carried along",
    .min_in = 1,
    .max_in = -1,
    .count = count,
    .traits = QCC_TRAIT_LOOP,
    .attr_size = sizeof(QccScanAttrs),
    .attrs = attrs,
    .infer = infer,
    .sample = sample,
};
