/* onnx_dims - lists of extents, some of which are symbols: what exporters compute from Shape.
 *
 *   Shape -> Gather, Slice, Concat, Mul, ... -> Reshape, Expand, ConstantOfShape, Range, Slice,
 * Resize
 *
 * Such a list is no value of the graph. It is computed here, node by node, and ends in attributes.
 * Where only numbers are left, it becomes a constant like any other.
 */
#include "frontend/onnx.h"
#include "ir/elements.h"

#include <math.h>
#include <string.h>

typedef QccOnnxDims Dims;

/* ---- in and out ---------------------------------------------------------------------------- */

QccStatus qcc_onnx_needs_shape(const QccOnnxNode *n, const char *what)
{
    qcc_onnx_unsupported(n, "%s", what);
    qcc_note(n->im->d, n->loc, "--shape fixes what is dynamic");
    return QCC_ERROR_UNSUPPORTED;
}

/* Numbers among extents may be negative; none that means something is large. */
static bool is_small(double x)
{
    return fabs(x) < 0x1p53;
}

/* A constant as a list. Reals that are whole count: some exporters compute extents in f32. */
static bool from_blob(const QccOnnxNode *n, Dims *d, const QccBlob *blob)
{
    int64_t count = 1;
    for (int i = 0; i < blob->rank; i++) count *= blob->dim[i];
    *d = (Dims){.dtype = blob->dtype, .rank = blob->rank, .n = (int)count};
    if (blob->rank > 1 || count > QCC_INTS_MAX || qcc_dtype_bits(blob->dtype) < 8) return false;
    for (int i = 0; i < d->n; i++) {
        double real = qcc_onnx_real(n, blob, i);
        bool wide = blob->dtype == QCC_I64;
        if (!wide && !(real == rint(real) && is_small(real))) return false;
        d->v[i] = qcc_dim(wide ? ((const int64_t *)blob->data)[i] : (int64_t)real);
    }
    return true;
}

QccStatus qcc_onnx_dims_in(const QccOnnxNode *n, int i, const char *what, Dims *d, bool *given)
{
    const QccBlob *blob;
    *given = qcc_onnx_has(n, i);
    if (!*given) return QCC_OK;
    if (n->in[i]->dims) {
        *d = *n->in[i]->dims;
        return QCC_OK;
    }
    QCC_TRY(qcc_onnx_blob_in(n, i, what, &blob));
    if (from_blob(n, d, blob)) return QCC_OK;
    return qcc_onnx_wrong(n, "needs a list of integers in '%s' (%s)", n->in[i]->name, what);
}

bool qcc_onnx_dims_known(const Dims *d)
{
    bool known = true;
    for (int i = 0; i < d->n; i++) known = known && !d->v[i].sym[0];
    return known;
}

QccValue *qcc_onnx_const_dims(QccOnnxNode *n, const Dims *d, const char *name)
{
    int64_t count = d->n;
    void *data = qcc_alloc_aligned(n->im->arena, sizeof d->v, 64);
    for (int i = 0; i < d->n; i++) {
        int64_t i64 = d->v[i].n;
        int32_t i32 = (int32_t)i64;
        float f32 = (float)i64;
        double f64 = (double)i64;
        const void *const wide[] = {
            [QCC_EX_F32] = &f32, [QCC_EX_F64] = &f64, [QCC_EX_I32] = &i32, [QCC_EX_I64] = &i64};
        qcc_narrow(data, d->dtype, i, wide[qcc_expr_type_of(d->dtype)], 1);
    }
    const QccBlob *blob = qcc_blob(n->im->arena, d->dtype, d->rank, &count, data, false);
    return qcc_const_new(n->im->graph, NULL, name, blob, NULL);
}

void qcc_onnx_give_dims(QccOnnxNode *n, const Dims *d)
{
    if (qcc_onnx_dims_known(d)) {
        n->out[0] = qcc_onnx_const_dims(n, d, qcc_onnx_name(n, ""));
        return;
    }
    n->dims = QCC_NEW(n->im->scratch, Dims);
    *n->dims = *d;
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

static bool is_number(const QccDim *d)
{
    return !d->sym[0];
}

static bool multiply(QccDim *out, const QccDim *a, const QccDim *b)
{
    int n = 0;
    const QccSymbol *sym[4] = {0};
    for (int k = 0; k < 2 && a->sym[k]; k++) sym[n++] = a->sym[k];
    for (int k = 0; k < 2 && b->sym[k]; k++) sym[n++] = b->sym[k];
    if (!is_small((double)a->n * (double)b->n) || n > 2) return false;
    *out = (QccDim){.n = a->n * b->n, .sym = {sym[0], sym[1]}};
    if (out->n == 0) *out = qcc_dim(0);
    return out->n >= 0 || n == 0;
}

/* Without remainder, unless both are numbers. */
static bool divide(QccDim *out, const QccDim *a, const QccDim *b)
{
    const QccSymbol *left[2] = {a->sym[0], a->sym[1]};
    if (b->n == 0 || (b->n == -1 && a->n == INT64_MIN)) return false;
    for (int k = 0; k < 2 && b->sym[k]; k++) {
        int at = left[0] == b->sym[k] ? 0 : 1;
        if (left[at] != b->sym[k]) return false;
        left[at] = NULL;
    }
    *out = (QccDim){.n = a->n / b->n, .sym = {left[0], left[1]}};
    if (!left[0]) out->sym[0] = left[1], out->sym[1] = NULL;
    bool numbers = is_number(a) && is_number(b);
    return numbers || (a->n % b->n == 0 && (out->n > 0 || is_number(out)));
}

static bool same_symbols(const QccDim *a, const QccDim *b)
{
    return (a->sym[0] == b->sym[0] && a->sym[1] == b->sym[1]) ||
           (a->sym[0] == b->sym[1] && a->sym[1] == b->sym[0]);
}

/* a + sign * b */
static bool add(QccDim *out, const QccDim *a, const QccDim *b, int sign)
{
    QccDim minus = *b;
    if (!is_small((double)a->n) || !is_small((double)b->n)) return false;
    minus.n *= sign;
    bool a_zero = is_number(a) && a->n == 0, b_zero = is_number(b) && b->n == 0;
    if (!a_zero && !b_zero && !same_symbols(a, b)) return false;
    *out = a_zero ? minus : *a;
    if (!a_zero && !b_zero) out->n = a->n + minus.n;
    if (out->n == 0) *out = qcc_dim(0);
    return out->n >= 0 || is_number(out);
}

static bool plus(QccDim *out, const QccDim *a, const QccDim *b)
{
    return add(out, a, b, 1);
}

static bool minus(QccDim *out, const QccDim *a, const QccDim *b)
{
    return add(out, a, b, -1);
}

/* The least or the largest that an extent may be. */
static int64_t bound(const QccDim *d, bool largest)
{
    int64_t n = d->n;
    for (int k = 0; k < 2 && d->sym[k]; k++)
        if (!qcc_mul_i64(&n, n, largest ? d->sym[k]->max : d->sym[k]->min)) n = INT64_MAX;
    return n;
}

/* 1 or 0, where the bounds of the symbols tell. */
static bool equal(QccDim *out, const QccDim *a, const QccDim *b)
{
    bool same = qcc_dim_equal(a, b);
    *out = qcc_dim(same);
    return same || same_symbols(a, b) || bound(a, true) < bound(b, false) ||
           bound(b, true) < bound(a, false);
}

/* ---- nodes --------------------------------------------------------------------------------- */

/* Inputs of a node that computes lists from lists, all of them given. */
typedef struct Lists {
    QccOnnxNode *node;
    int n;
    Dims in[3], out;
} Lists;

static QccStatus not_known(const Lists *l)
{
    return qcc_onnx_needs_shape(l->node, "what it computes from dynamic extents is no multiple of "
                                         "them");
}

static const QccDim *item(const Dims *d, int i)
{
    return &d->v[d->n == 1 ? 0 : i];
}

/* The shape of an elementwise result. */
static QccStatus broadcast(Lists *l)
{
    l->out = l->in[0];
    for (int k = 1; k < l->n; k++) {
        const Dims *d = &l->in[k];
        if (d->n != 1 && l->out.n != 1 && d->n != l->out.n)
            return qcc_onnx_wrong(l->node, "has lists of %d and %d numbers", l->out.n, d->n);
        if (d->n != 1) l->out.n = d->n;
        if (d->rank > l->out.rank) l->out.rank = d->rank;
    }
    return QCC_OK;
}

static QccStatus elementwise(Lists *l, bool (*fn)(QccDim *out, const QccDim *a, const QccDim *b))
{
    QCC_TRY(broadcast(l));
    for (int i = 0; i < l->out.n; i++)
        if (!fn(&l->out.v[i], item(&l->in[0], i), item(&l->in[1], i))) return not_known(l);
    return QCC_OK;
}

static QccStatus compute_mul(Lists *l)
{
    return elementwise(l, multiply);
}

static QccStatus compute_div(Lists *l)
{
    QCC_TRY(elementwise(l, divide));
    bool cuts = !qcc_dtype_is_float(l->out.dtype);
    for (int i = 0; !cuts && i < l->out.n; i++)
        if (item(&l->in[0], i)->n % item(&l->in[1], i)->n) return not_known(l);
    return QCC_OK;
}

static QccStatus compute_add(Lists *l)
{
    return elementwise(l, plus);
}

static QccStatus compute_sub(Lists *l)
{
    return elementwise(l, minus);
}

static QccStatus compute_equal(Lists *l)
{
    QCC_TRY(elementwise(l, equal));
    l->out.dtype = QCC_BOOL;
    return QCC_OK;
}

static QccStatus compute_where(Lists *l)
{
    QCC_TRY(broadcast(l));
    l->out.dtype = l->in[1].dtype;
    for (int i = 0; i < l->out.n; i++) {
        const QccDim *which = item(&l->in[0], i);
        if (which->sym[0]) return not_known(l);
        l->out.v[i] = *item(&l->in[which->n ? 1 : 2], i);
    }
    return QCC_OK;
}

/* Of whole numbers: Floor, Ceil, Round too. */
static QccStatus compute_same(Lists *l)
{
    l->out = l->in[0];
    return QCC_OK;
}

static QccStatus compute_cast(Lists *l)
{
    int64_t to = 0, saturate = 1;
    l->out = l->in[0];
    QCC_TRY(qcc_onnx_attr_int(l->node, "to", &to));
    QCC_TRY(qcc_onnx_attr_int(l->node, "saturate", &saturate));
    if (!qcc_onnx_dtype(&l->out.dtype, to) || qcc_dtype_bits(l->out.dtype) < 32)
        return not_known(l);
    return QCC_OK;
}

/* [a] -> a; without axes more than one stay as they are. */
static QccStatus compute_scalar(Lists *l)
{
    QccOnnxNode *n = l->node;
    bool given;
    QccInts axes;
    QCC_TRY(qcc_onnx_attr_ints(n, "axes", &axes, &given));
    l->out = l->in[0];
    if (l->out.n == 1)
        l->out.rank = 0;
    else if (given || qcc_onnx_has(n, 1))
        return qcc_onnx_wrong(n, "squeezes %d numbers", l->out.n);
    return QCC_OK;
}

/* a -> [a] */
static QccStatus compute_list(Lists *l)
{
    l->out = l->in[0];
    l->out.rank = 1;
    bool given;
    QccInts axes;
    QCC_TRY(qcc_onnx_attr_ints(l->node, "axes", &axes, &given));
    return l->in[0].rank ? qcc_onnx_needs_shape(l->node, "a table of dynamic extents") : QCC_OK;
}

static QccStatus compute_reshape(Lists *l)
{
    const Dims *to = &l->in[1];
    l->out = l->in[0];
    l->out.rank = to->n;
    bool whole = to->n == 0 || to->v[0].n == -1 || to->v[0].n == 0 || to->v[0].n == l->out.n;
    if (to->n > 1 || !whole || to->v[0].sym[0])
        return qcc_onnx_needs_shape(l->node, "a table of dynamic extents");
    return QCC_OK;
}

static QccStatus compute_gather(Lists *l)
{
    const Dims *x = &l->in[0], *at = &l->in[1];
    int64_t axis = 0;
    QCC_TRY(qcc_onnx_attr_int(l->node, "axis", &axis));
    if (x->rank != 1 || !qcc_onnx_dims_known(at)) return not_known(l);
    l->out = *at;
    l->out.dtype = x->dtype;
    for (int i = 0; i < at->n; i++) {
        int64_t k = at->v[i].n;
        if (k < -x->n || k >= x->n)
            return qcc_onnx_wrong(l->node, "has index %lld, which is out of range", (long long)k);
        l->out.v[i] = x->v[k < 0 ? k + x->n : k];
    }
    return QCC_OK;
}

static int64_t clamp(int64_t i, int64_t n)
{
    if (i < 0) i += n;
    return i < 0 ? 0 : i > n ? n : i;
}

/* From opset 10 on the bounds are inputs. */
static QccStatus compute_slice(Lists *l)
{
    QccOnnxNode *n = l->node;
    QccInts bound[4] = {{0}}; /* starts, ends, axes, steps */
    static const char *const name[] = {"starts", "ends", "axes", "steps"};
    bool given, listed = n->row->since >= 10;
    for (int i = 0; i < (listed ? 4 : 3); i++) {
        if (listed && qcc_onnx_has(n, 1 + i) && n->in[1 + i]->dims) return not_known(l);
        QCC_TRY(listed ? qcc_onnx_ints_in(n, 1 + i, name[i], &bound[i], &given)
                       : qcc_onnx_attr_ints(n, name[i], &bound[i], &given));
    }
    const Dims *x = &l->in[0];
    bool forward = bound[3].n == 0 || (bound[3].n == 1 && bound[3].v[0] == 1);
    if (x->rank != 1 || bound[0].n != 1 || bound[1].n != 1 || !forward)
        return qcc_onnx_needs_shape(n, "an odd part of dynamic extents");
    int64_t from = clamp(bound[0].v[0], x->n), to = clamp(bound[1].v[0], x->n);
    l->out = (Dims){.dtype = x->dtype, .rank = 1};
    for (; from < to; from++) l->out.v[l->out.n++] = x->v[from];
    return QCC_OK;
}

static QccStatus compute_concat(Lists *l)
{
    QccOnnxNode *n = l->node;
    int64_t axis = 0;
    QCC_TRY(qcc_onnx_attr_int(n, "axis", &axis));
    for (int i = 0; i < n->nin; i++) {
        Dims d = {0};
        bool given;
        QCC_TRY(qcc_onnx_dims_in(n, i, "a part", &d, &given));
        if (!given || d.rank != 1) return qcc_onnx_wrong(n, "needs lists of numbers");
        if (i == 0) l->out = (Dims){.dtype = d.dtype, .rank = 1};
        if (l->out.n + d.n > QCC_INTS_MAX) return not_known(l);
        for (int k = 0; k < d.n; k++) l->out.v[l->out.n++] = d.v[k];
    }
    return QCC_OK;
}

static QccStatus compute_product(Lists *l)
{
    int64_t keep = 1;
    bool given;
    QccInts axes;
    QCC_TRY(qcc_onnx_attr_int(l->node, "keepdims", &keep));
    QCC_TRY(qcc_onnx_attr_ints(l->node, "axes", &axes, &given));
    QccDim all = qcc_dim(1);
    for (int i = 0; i < l->in[0].n; i++)
        if (!multiply(&all, &all, &l->in[0].v[i])) return not_known(l);
    l->out = (Dims){.dtype = l->in[0].dtype, .rank = keep ? 1 : 0, .n = 1, .v = {all}};
    return QCC_OK;
}

/* What computes lists from lists, and how many of its inputs are read as such (0: as it likes).
 * `part`: takes elements of its first input, which then is what must be dynamic. */
static const struct {
    const char *type;
    int nin;
    bool part;
    QccStatus (*compute)(Lists *l);
} computing[] = {
    /* alphabetical; order carries no meaning */
    {"Add", 2, false, compute_add},           {"Cast", 1, false, compute_cast},
    {"Ceil", 1, false, compute_same},         {"Concat", 0, false, compute_concat},
    {"Div", 2, false, compute_div},           {"Equal", 2, false, compute_equal},
    {"Floor", 1, false, compute_same},        {"Gather", 2, true, compute_gather},
    {"Identity", 1, false, compute_same},     {"Mul", 2, false, compute_mul},
    {"ReduceProd", 1, true, compute_product}, {"Reshape", 2, true, compute_reshape},
    {"Round", 1, false, compute_same},        {"Slice", 1, true, compute_slice},
    {"Squeeze", 1, true, compute_scalar},     {"Sub", 2, false, compute_sub},
    {"Unsqueeze", 1, true, compute_list},     {"Where", 3, false, compute_where},
};

/* Nodes of tensors that take lists: a bit an input. */
static const struct {
    const char *type;
    unsigned inputs;
} taking[] = {
    /* alphabetical; order carries no meaning */
    {"ConstantOfShape", 1}, {"Expand", 2}, {"Range", 2},
    {"Reshape", 2},         {"Resize", 8}, {"Slice", 4},
};

static bool takes(const char *type, int i)
{
    for (size_t k = 0; k < sizeof taking / sizeof *taking; k++)
        if (!strcmp(taking[k].type, type)) return taking[k].inputs >> i & 1;
    return false;
}

static bool is_list(const QccOnnxNode *n, int i)
{
    Dims d;
    const QccBlob *blob = n->in[i] && !n->in[i]->dims ? qcc_onnx_blob(n, i) : NULL;
    return !n->in[i] || n->in[i]->dims || (blob && from_blob(n, &d, blob));
}

static QccStatus compute(QccOnnxNode *n, int nin, QccStatus (*fn)(Lists *l))
{
    Lists l = {.node = n, .n = nin};
    for (int i = 0; i < nin; i++) {
        bool given;
        QCC_TRY(qcc_onnx_dims_in(n, i, "extents", &l.in[i], &given));
        if (!given) return qcc_onnx_wrong(n, "lacks input %d", i);
    }
    QCC_TRY(fn(&l));
    qcc_onnx_give_dims(n, &l.out);
    return QCC_OK;
}

QccStatus qcc_onnx_compute_dims(QccOnnxNode *n, bool *done)
{
    const char *type = n->proto->op_type;
    bool any = false, lists = true, taken = true;
    *done = false;
    for (int i = 0; i < n->nin; i++) {
        bool dynamic = n->in[i] && n->in[i]->dims;
        any = any || dynamic;
        lists = lists && is_list(n, i);
        taken = taken && (!dynamic || takes(type, i));
    }
    if (!any) return QCC_OK;
    for (size_t k = 0; lists && k < sizeof computing / sizeof *computing; k++) {
        if (strcmp(computing[k].type, type) != 0) continue;
        if (computing[k].part && !n->in[0]->dims) break;
        *done = true;
        return compute(n, computing[k].nin, computing[k].compute);
    }
    return taken ? QCC_OK : qcc_onnx_needs_shape(n, "its input is computed from dynamic extents");
}
