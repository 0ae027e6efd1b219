/* index - what ops share that pick elements by number: indices, lines along an axis, order. */
#include "ir/ops/index.h"

#include <string.h>

#include "ir/elements.h"

/* ---- indices --------------------------------------------------------------------------------- */

QccStatus qcc_op_need_index(const QccOp *op, int i)
{
    const QccType *t = qcc_op_has(op, i) ? op->in[i].value->type : NULL;
    if (t && !t->quant && (t->dtype == QCC_I64 || t->dtype == QCC_I32)) return QCC_OK;
    return qcc_op_error(op, "'%s' needs i32 or i64 indices as operand %d; it is %s", op->def->name,
                        i + 1, qcc_op_type_text(op, i));
}

int64_t qcc_index_at(const QccTensor *indices, int64_t i, int64_t n)
{
    int64_t at = indices->type->dtype == QCC_I64 ? ((const int64_t *)indices->data)[i]
                                                 : ((const int32_t *)indices->data)[i];
    if (at < 0) at = at < -n ? 0 : at + n;
    return at < n ? at : n - 1;
}

/* ---- lines along an axis --------------------------------------------------------------------- */

QccLines qcc_lines(const QccTensor *t, int64_t axis)
{
    QccLines l = {.outer = 1, .n = t->dim[axis], .inner = 1};
    for (int64_t i = 0; i < axis; i++) l.outer *= t->dim[i];
    for (int64_t i = axis + 1; i < t->type->rank; i++) l.inner *= t->dim[i];
    return l;
}

/* ---- order ----------------------------------------------------------------------------------- */

static int64_t float_key(double x)
{
    int64_t bits;
    if (x != x) return INT64_MAX;
    if (x == 0) return 0;
    memcpy(&bits, &x, sizeof bits);
    /* Floats of one sign are ordered as their bits are. */
    return bits < 0 ? -(bits & INT64_MAX) : bits;
}

int64_t qcc_order_key(const QccTensor *t, int64_t i)
{
    union {
        float f32;
        double f64;
        int32_t i32;
        int64_t i64;
        uint64_t u64;
    } x;
    qcc_widen(&x, t->type->dtype, t->data, i, 1);
    switch (qcc_expr_type_of(t->type->dtype)) {
    case QCC_EX_F32: return float_key((double)x.f32);
    case QCC_EX_F64: return float_key(x.f64);
    case QCC_EX_I32: return x.i32;
    case QCC_EX_U64: return (int64_t)(x.u64 ^ UINT64_C(1) << 63);
    default: return x.i64;
    }
}

int qcc_lower_signed(QccExpr *e, int x)
{
    x = qcc_expr_cvt(e, QCC_EX_I64, x);
    return qcc_expr_op2(e, QCC_EX_xor, x, qcc_expr_imm(e, QCC_EX_I64, 0, INT64_MIN));
}

int qcc_lower_key(QccExpr *e, int x)
{
    bool wide = e->node[x].type == QCC_EX_F64;
    if (e->node[x].type == QCC_EX_U64) return qcc_lower_signed(e, x);
    if (e->node[x].type != QCC_EX_F32 && !wide) return x;
    QccExprType type = wide ? QCC_EX_I64 : QCC_EX_I32;
    int64_t most = wide ? INT64_MAX : INT32_MAX;
    int bits = qcc_expr_bits(e, type, x), zero = qcc_expr_imm(e, type, 0, 0);
    int greatest = qcc_expr_imm(e, type, 0, most);
    int magnitude = qcc_expr_op2(e, QCC_EX_and, bits, greatest);
    int negative = qcc_expr_op2(e, QCC_EX_lt, bits, zero), nan = qcc_expr_op2(e, QCC_EX_ne, x, x);
    int key = qcc_expr_op3(e, QCC_EX_select, negative, qcc_expr_op2(e, QCC_EX_sub, zero, magnitude),
                           bits);
    return qcc_expr_op3(e, QCC_EX_select, nan, greatest, key);
}

int qcc_lower_arg(QccKernelList *list, QccLoweredKernel *k, int count, bool least, bool last)
{
    QccRowShape *rows = &k->kernel->u.rows;
    QccExpr *key = qcc_lower_expr(list), *place = qcc_lower_expr(list);
    key->result = qcc_lower_key(key, qcc_lower_arg_node(key, k, 1));
    rows->stage[0].combine = least ? QCC_COMBINE_MIN : QCC_COMBINE_MAX;
    rows->stage[0].term = key;
    int own = qcc_lower_key(place, qcc_lower_arg_node(place, k, 1));
    int extreme = qcc_expr_arg(place, QCC_ROW_RESULT, key->node[key->result].type);
    place->result = qcc_expr_op3(place, QCC_EX_select, qcc_expr_op2(place, QCC_EX_eq, own, extreme),
                                 qcc_lower_arg_node(place, k, count),
                                 qcc_expr_i32(place, last ? -1 : INT32_MAX));
    rows->stage[1].combine = last ? QCC_COMBINE_MAX : QCC_COMBINE_MIN;
    rows->stage[1].term = place;
    rows->nstage = 2;
    return QCC_ROW_RESULT + 1;
}

/* ---- reductions of scattered elements -------------------------------------------------------- */

const char *const qcc_scatter_names[] = {"none", "add", "mul", "min", "max", NULL};

/* U is the type to add and multiply in: unsigned, where integers wrap. */
#define COMBINE(T, U)                                                                              \
    do {                                                                                           \
        T a, b;                                                                                    \
        qcc_widen(&a, dtype, y->data, at, 1);                                                      \
        qcc_widen(&b, dtype, u->data, from, 1);                                                    \
        if (how == QCC_SCATTER_ADD) a = (T)((U)a + (U)b);                                          \
        if (how == QCC_SCATTER_MUL) a = (T)((U)a * (U)b);                                          \
        if (how == QCC_SCATTER_MIN) a = a < b ? a : b;                                             \
        if (how == QCC_SCATTER_MAX) a = a > b ? a : b;                                             \
        qcc_narrow(y->data, dtype, at, &a, 1);                                                     \
    } while (0)

void qcc_scatter_one(QccScatter how, const QccTensor *y, int64_t at, const QccTensor *u,
                     int64_t from)
{
    QccDtype dtype = y->type->dtype;
    if (how == QCC_SCATTER_NONE) {
        size_t size = (size_t)qcc_dtype_size(dtype, 1);
        memcpy((char *)y->data + at * (int64_t)size, (const char *)u->data + from * (int64_t)size,
               size);
        return;
    }
    switch (qcc_expr_type_of(dtype)) {
    case QCC_EX_F32: COMBINE(float, float); break;
    case QCC_EX_F64: COMBINE(double, double); break;
    case QCC_EX_I32: COMBINE(int32_t, uint32_t); break;
    case QCC_EX_U64: COMBINE(uint64_t, uint64_t); break;
    default: COMBINE(int64_t, uint64_t); break;
    }
}

/* ---- lowering -------------------------------------------------------------------------------- */

static bool same_weights(const QccTaps *t, int64_t a, int64_t b)
{
    if (!t->count) return true;
    size_t size = (size_t)t->count[a] * sizeof(float);
    return t->count[a] == t->count[b] &&
           memcmp(t->weight + a * t->width, t->weight + b * t->width, size) == 0;
}

/* Whether position b is a's neighbour: all indices moved by the same *delta. */
static bool is_next(const QccTaps *t, int64_t a, int64_t b, int64_t *delta)
{
    const int64_t *from = t->index + a * t->width, *to = t->index + b * t->width;
    if (!same_weights(t, a, b)) return false;
    int n = t->count ? t->count[a] : 1;
    *delta = n ? to[0] - from[0] : 0;
    for (int i = 1; i < n; i++)
        if (to[i] - from[i] != *delta) return false;
    return true;
}

/* Runs that step by `step`; more than `most`: gives up. */
static int runs_of_step(QccRun *run, int most, const QccTaps *t, int64_t step)
{
    int n = 0;
    for (int64_t phase = 0; phase < step && phase < t->n; phase++) {
        QccRun *r = NULL;
        for (int64_t i = phase; i < t->n; i += step) {
            int64_t delta;
            bool joins = r && is_next(t, i - step, i, &delta) && (r->n == 1 || delta == r->delta);
            if (joins) {
                r->delta = delta;
                r->n++;
                continue;
            }
            if (n == most) return most + 1;
            r = &run[n++];
            *r = (QccRun){.first = i, .step = step, .n = 1};
        }
    }
    return n;
}

int qcc_find_runs(QccRun run[QCC_RUNS_MAX], const QccTaps *taps)
{
    enum { STEPS = 8 }; /* resizing by more is rare */
    int best = QCC_RUNS_MAX + 1;
    for (int64_t step = 1; step <= STEPS; step++) {
        QccRun found[QCC_RUNS_MAX];
        int n = runs_of_step(found, QCC_RUNS_MAX, taps, step);
        if (n >= best) continue;
        best = n;
        memcpy(run, found, (size_t)n * sizeof *run);
    }
    return best > QCC_RUNS_MAX ? 0 : best;
}

bool qcc_lower_pick(const QccOp *op, QccKernelList *list, int axis, bool keeps, int64_t n,
                    const int64_t *source)
{
    QccRun run[QCC_RUNS_MAX];
    const QccTaps taps = {.n = n, .width = 1, .index = source};
    int nrun = qcc_find_runs(run, &taps), rank = op->out[0].type->rank;
    int64_t extent[QCC_MAX_RANK], to_stride[QCC_MAX_RANK], stride[QCC_MAX_RANK];
    if (nrun == 0 || !qcc_type_extents(op->out[0].type, extent)) return false;
    for (int i = 0; i < rank; i++) {
        to_stride[i] = list->result->pitch[i];
        stride[i] = qcc_lower_pitch(list, op, 0, i < axis || keeps ? i : i + 1);
    }
    int64_t pitch = qcc_lower_pitch(list, op, 0, axis);
    for (int r = 0; r < nrun; r++) {
        int64_t *to = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        int64_t *from = QCC_NEW_ARRAY(list->arena, QCC_MAX_RANK, int64_t);
        from[axis] = source[run[r].first];
        if (keeps) {
            to[axis] = run[r].first;
            extent[axis] = run[r].n;
            to_stride[axis] = list->result->pitch[axis] * run[r].step;
            stride[axis] = pitch * run[r].delta;
        }
        if (!qcc_lower_copy_steps(op, list, 0, extent, to_stride, to, stride, from)) return false;
    }
    return true;
}

QccLoweredKernel *qcc_lower_picks(const QccOp *op, QccKernelList *list, const int64_t *stride)
{
    const QccType *x = op->in[0].value->type, *y = op->out[0].type;
    int64_t extent[QCC_MAX_RANK];
    if (x->dtype != y->dtype || x->quant != y->quant || qcc_dtype_bits(x->dtype) < 8) return NULL;
    if (!qcc_type_extents(y, extent)) return NULL;
    QccLoweredKernel *k = qcc_lower_move(op, list, extent, list->result->pitch, NULL);
    qcc_lower_operand(k, 0, qcc_moved_as(x->dtype), stride, NULL);
    return k;
}

int qcc_lower_position(QccExpr *e, const QccLoweredKernel *k, int arg, int64_t n)
{
    int i = qcc_expr_cvt(e, QCC_EX_I64, qcc_lower_arg_node(e, k, arg));
    int zero = qcc_expr_imm(e, QCC_EX_I64, 0, 0), last = qcc_expr_imm(e, QCC_EX_I64, 0, n - 1);
    int from_end = qcc_expr_op2(e, QCC_EX_add, i, qcc_expr_imm(e, QCC_EX_I64, 0, n));
    i = qcc_expr_op3(e, QCC_EX_select, qcc_expr_op2(e, QCC_EX_lt, i, zero), from_end, i);
    return qcc_expr_op2(e, QCC_EX_min, qcc_expr_op2(e, QCC_EX_max, i, zero), last);
}

const QccBlob *qcc_lower_count(QccKernelList *list, int64_t n)
{
    int32_t *count = QCC_NEW_ARRAY(list->arena, n, int32_t);
    for (int64_t i = 0; i < n; i++) count[i] = (int32_t)i;
    return qcc_blob(list->arena, QCC_I32, 1, &n, count, false);
}

int qcc_lower_times(QccExpr *e, int i, int64_t by)
{
    return by == 1 ? i : qcc_expr_op2(e, QCC_EX_mul, i, qcc_expr_imm(e, QCC_EX_I64, 0, by));
}

void qcc_lower_picked(QccLoweredKernel *k, QccExpr *e, int offset)
{
    e->result = qcc_expr_load(e, 1, qcc_expr_type_of(k->kernel->arg[1].dtype), offset);
    k->kernel->epilogue = e;
}

/* ---- samples --------------------------------------------------------------------------------- */

QccValue *qcc_sample_indices(QccSample *s, int rank, const int64_t *dim, int64_t n)
{
    const QccType *type = qcc_type_shape(s->graph->ir, QCC_I64, rank, dim);
    if (qcc_random_range(s->random, 0, 3) == 0) return qcc_sample_param(s, type);
    int64_t count = qcc_type_count(type);
    int64_t *data = QCC_NEW_ARRAY(s->graph->arena, count + 1, int64_t);
    for (int64_t i = 0; i < count; i++) data[i] = qcc_random_range(s->random, -n, n - 1);
    return qcc_const_new(s->graph, NULL, NULL,
                         qcc_blob(s->graph->arena, QCC_I64, rank, dim, data, false), NULL);
}
