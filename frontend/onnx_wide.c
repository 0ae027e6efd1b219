/* onnx_wide - nodes over f16 and bf16 whose ops compute in f32: what they read is widened, which is
 * exact, and what they give is rounded once to the type that ONNX gives it.
 *
 *   x: f16 -> cast f32 -> ops of the node -> cast f16 -> y: f16
 *
 * So between nodes every value is what ONNX says. Weights are widened here and now; elementwise
 * operators are not listed, since their ops take narrow floats as they are.
 */
#include "frontend/onnx.h"

#include <string.h>

enum { OUTPUTS = 5, STAYS_F32 = -1 };

/* An operator that is computed in f32, and for each output the input whose element type it has.
 * Alphabetical; the order carries no meaning. */
static const struct Wide {
    const char *type;
    int like[OUTPUTS];
} wide[] = {
    {"Attention", {0, 1, 2, 0}},
    {"AveragePool", {0}},
    {"BatchNormalization", {0, 3, 4, 3, 4}},
    {"Conv", {0}},
    {"ConvTranspose", {0}},
    {"Det", {0}},
    {"Einsum", {0}},
    {"Gemm", {0}},
    {"GlobalAveragePool", {0}},
    {"GlobalLpPool", {0}},
    {"GlobalMaxPool", {0}},
    {"GridSample", {0}},
    {"GroupNormalization", {0}},
    {"GRU", {0}},
    {"Hardmax", {0}},
    {"InstanceNormalization", {0}},
    {"LayerNormalization", {0, STAYS_F32, STAYS_F32}},
    {"LogSoftmax", {0}},
    {"LpNormalization", {0}},
    {"LpPool", {0}},
    {"LRN", {0}},
    {"LSTM", {0}},
    {"MatMul", {0}},
    {"MaxPool", {0}},
    {"MaxUnpool", {0}},
    {"MeanVarianceNormalization", {0}},
    {"ReduceL1", {0}},
    {"ReduceL2", {0}},
    {"ReduceLogSum", {0}},
    {"ReduceLogSumExp", {0}},
    {"ReduceMax", {0}},
    {"ReduceMean", {0}},
    {"ReduceMin", {0}},
    {"ReduceProd", {0}},
    {"ReduceSum", {0}},
    {"ReduceSumSquare", {0}},
    {"Resize", {0}},
    {"RMSNormalization", {0}},
    {"RNN", {0}},
    {"RotaryEmbedding", {0}},
    {"Softmax", {0}},
    {"Upsample", {0}},
};

static const struct Wide *find_wide(const char *type)
{
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        if (!strcmp(wide[i].type, type)) return &wide[i];
    }
    return NULL;
}

static bool is_narrow(QccDtype dtype)
{
    return dtype == QCC_F16 || dtype == QCC_BF16;
}

/* A widened blob or value, by what it was; a loop's body has its own. */
typedef struct Widened {
    const void *from;
    const QccGraph *graph;
    QccOnnxValue to;
} Widened;

static const QccBlob *widen_blob(QccOnnxImport *im, const QccBlob *blob)
{
    const QccType *type = qcc_type_shape(im->ir, blob->dtype, blob->rank, blob->dim);
    QccTensor narrow = qcc_tensor_view(type, blob->data);
    QccTensor real = qcc_tensor_new(im->arena, qcc_type_plain(im->ir, type, QCC_F32));
    qcc_tensor_to_f32(real.data, &narrow);
    return qcc_blob(im->arena, QCC_F32, blob->rank, blob->dim, real.data, false);
}

/* Once for each value and graph, and once for each blob, however many nodes and names share it. */
static QccStatus widen(QccOnnxNode *n, QccOnnxValue **v, int input)
{
    const QccBlob *blob = qcc_onnx_blob(n, input), *done = NULL;
    const void *from = blob ? (const void *)blob : (*v)->value;
    uint64_t hash = qcc_hash(0, &from, sizeof from);
    int64_t at = -1;
    Widened *w;
    while ((w = qcc_table_next(&n->im->widened, hash, &at))) {
        if (w->from != from) continue;
        done = w->to.blob;
        if (w->graph != n->im->graph) continue;
        *v = &w->to;
        return QCC_OK;
    }
    w = QCC_NEW(n->im->scratch, Widened);
    w->from = from;
    w->graph = n->im->graph;
    w->to.name = qcc_sprintf(n->im->scratch, "%s_f32", (*v)->name);
    if (blob) {
        w->to.blob = done ? done : widen_blob(n->im, blob);
    } else {
        QccCastAttrs attrs = {.to = QCC_F32};
        const char *name = qcc_onnx_value_name(n->im, w->to.name);
        QCC_TRY(qcc_onnx_emit(n, &w->to.value, &qcc_op_cast, name, &(*v)->value, 1, &attrs));
    }
    qcc_table_add(&n->im->widened, hash, w);
    *v = &w->to;
    return QCC_OK;
}

/* The element type of input i in the file; f32 where there is none. */
static QccDtype element_type(const QccOnnxNode *n, int i)
{
    if (!qcc_onnx_has(n, i)) return QCC_F32;
    const QccOnnxValue *v = n->in[i];
    return v->blob ? v->blob->dtype : v->value ? v->value->type->dtype : QCC_F32;
}

static QccStatus round_output(QccOnnxNode *n, int i, QccDtype to)
{
    QccCastAttrs attrs = {.to = (int)to};
    QccValue *y = n->out[i];
    const char *name = qcc_onnx_value_name(n->im, n->proto->output[i]);
    if (y->def && !strcmp(y->name, name))
        qcc_value_rename(y, qcc_sprintf(n->im->scratch, "%s_f32", name));
    return qcc_onnx_emit(n, &n->out[i], &qcc_op_cast, name, &y, 1, &attrs);
}

QccStatus qcc_onnx_import_row(QccOnnxNode *n)
{
    const struct Wide *w = find_wide(n->row->type);
    if (!w) return n->row->import(n);
    QccDtype like[OUTPUTS];
    bool narrow = false;
    for (int i = 0; i < OUTPUTS; i++)
        like[i] = w->like[i] == STAYS_F32 ? QCC_F32 : element_type(n, w->like[i]);
    for (int i = 0; i < n->nin; i++) {
        if (!is_narrow(element_type(n, i))) continue;
        narrow = true;
        QCC_TRY(widen(n, &n->in[i], i));
    }
    QCC_TRY(n->row->import(n));
    for (int i = 0; narrow && i < n->nout && i < OUTPUTS; i++) {
        const QccValue *y = n->out[i];
        if (y && y->type->dtype == QCC_F32 && is_narrow(like[i]))
            QCC_TRY(round_output(n, i, like[i]));
    }
    return QCC_OK;
}
