/* onnx_operators [-v] [DIR] - runs a folder of ONNX operator tests by interpreter and by compiled
 * code.
 *
 * A case is a folder with model.onnx and test_data_set_*, which hold input_*.pb and output_*.pb.
 * Values are compared as the ONNX project's own runner does it: |y - e| <= 1e-7 + 1e-3 * |e|,
 * element type and shape equal, NaN equal to NaN.
 *
 * The tests feed shapes, axes and bounds as inputs, which are constants in real models. So a model
 * that is not supported is tried again with all inputs but the first as initializers, then with all
 * of them. What is still unsupported because the importer names an op is skipped and counted by
 * what was named; everything else that does not give the expected values fails.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "frontend/onnx.h"
#include "ir/tensor.h"
#include "runtime/qcc.h"

static const char *const default_dirs[] = {"/usr/share/libonnx-testdata/data/node",
                                           "/usr/share/libonnx-testdata/data/pytorch-operator",
                                           "/usr/share/libonnx-testdata/data/pytorch-converted",
                                           "/usr/share/libonnx-testdata/data/simple", NULL};

enum { VALUES = 64, REASONS = 512 };

typedef struct Reason {
    char text[160];
    int count;
} Reason;

/* How many cases each reason was met in. */
typedef struct Tally {
    int n;
    Reason reason[REASONS];
} Tally;

typedef struct Runner {
    QccContext *context;
    QccMem mem;
    QccIr *ir;
    bool compiled; /* kernels can be compiled here */
    bool verbose;
    int passed, failed, skipped, kernels; /* cases; those that passed without eval */
    Tally skips, evals;
    char message[512]; /* the first of the last call */
} Runner;

typedef struct Value {
    const QccBlob *blob;
    const char *name; /* of the model's input */
    bool cut;         /* to bf16, where it should have been rounded: the last bit may differ */
} Value;

/* One data set of a case. */
typedef struct Case {
    Runner *r;
    QccArena *arena;
    const char *name;
    const uint8_t *model;
    int64_t model_size;
    Value in[VALUES], out[VALUES];
    int nin, nout;
    Tally *evals; /* the ops that ran through eval, of all data sets */
} Case;

static void on_message(void *user, const QccDiagnostic *d)
{
    Runner *r = user;
    if (d->severity == QCC_ERROR && !r->message[0]) {
        snprintf(r->message, sizeof r->message, "%s", d->message);
    }
}

static bool fail(Case *c, const char *engine, const char *why)
{
    printf("FAILED %s (%s): %s\n", c->name, engine, why);
    return false;
}

/* ---- files -------------------------------------------------------------------------------- */

static uint8_t *read_file(QccArena *arena, const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat info;
    if (!f || fstat(fileno(f), &info) || !S_ISREG(info.st_mode)) {
        if (f) fclose(f);
        return NULL;
    }
    uint8_t *bytes = qcc_alloc_aligned(arena, (size_t)info.st_size + 1, 64);
    *size = (int64_t)fread(bytes, 1, (size_t)info.st_size, f);
    fclose(f);
    return *size == info.st_size ? bytes : NULL;
}

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* ---- a model whose inputs are initializers ------------------------------------------------ */

static void put_varint(QccBuf *b, uint64_t v)
{
    for (; v > 127; v >>= 7) qcc_buf_add(b, &(uint8_t){(uint8_t)(v | 128)}, 1);
    qcc_buf_add(b, &(uint8_t){(uint8_t)v}, 1);
}

static void put_bytes(QccBuf *b, int field, const void *bytes, int64_t size)
{
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, (uint64_t)size);
    qcc_buf_add(b, bytes, size);
}

static const int onnx_dtype[QCC_DTYPE_COUNT] = {
    [QCC_F32] = 1,       [QCC_F16] = 10,        [QCC_BF16] = 16,   [QCC_F64] = 11,
    [QCC_I8] = 3,        [QCC_U8] = 2,          [QCC_I16] = 5,     [QCC_U16] = 4,
    [QCC_I32] = 6,       [QCC_U32] = 12,        [QCC_I64] = 7,     [QCC_U64] = 13,
    [QCC_F8E4M3FN] = 17, [QCC_F8E4M3FNUZ] = 18, [QCC_F8E5M2] = 19, [QCC_F8E5M2FNUZ] = 20,
    [QCC_F4E2M1] = 23,   [QCC_BOOL] = 9,        [QCC_U4] = 21,     [QCC_I4] = 22};

static void put_initializer(QccBuf *graph, QccArena *arena, const Value *v)
{
    QccBuf t;
    qcc_buf_init(&t, arena);
    for (int i = 0; i < v->blob->rank; i++) {
        put_varint(&t, 1 << 3);
        put_varint(&t, (uint64_t)v->blob->dim[i]);
    }
    put_varint(&t, 2 << 3);
    put_varint(&t, (uint64_t)onnx_dtype[v->blob->dtype]);
    put_bytes(&t, 8, v->name, (int64_t)strlen(v->name));
    put_bytes(&t, 9, v->blob->data, v->blob->size);
    put_bytes(graph, 5, t.data, t.len);
}

static uint64_t take_varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) break;
    }
    return v;
}

/* Copies the model; its graph gets inputs [first, nin) as initializers. The importer has read the
 * model before, so it is well formed. */
static void bake(QccBuf *out, const Case *c, int first)
{
    qcc_buf_init(out, c->arena);
    const uint8_t *p = c->model, *end = p + c->model_size;
    while (p < end) {
        const uint8_t *start = p;
        uint64_t tag = take_varint(&p, end), size = take_varint(&p, end);
        if ((tag & 7) == 2 && size > (uint64_t)(end - p)) return;
        if (tag != (7 << 3 | 2)) {
            if ((tag & 7) == 2) p += size;
            qcc_buf_add(out, start, p - start);
            continue;
        }
        QccBuf graph;
        qcc_buf_init(&graph, c->arena);
        qcc_buf_add(&graph, p, (int64_t)size);
        for (int i = first; i < c->nin; i++) put_initializer(&graph, c->arena, &c->in[i]);
        put_bytes(out, 7, graph.data, graph.len);
        p += size;
    }
}

/* ---- tallies ------------------------------------------------------------------------------ */

static void count_reason(Tally *t, const char *text)
{
    int i = 0;
    while (i < t->n && strncmp(t->reason[i].text, text, sizeof t->reason[i].text - 1)) i++;
    if (i == REASONS) return;
    if (i == t->n) snprintf(t->reason[t->n++].text, sizeof t->reason[i].text, "%s", text);
    t->reason[i].count++;
}

static void note_evals(Tally *evals, const QccSession *session)
{
    QccProfileRow row;
    for (int i = 0; i < qcc_session_profile_count(session); i++) {
        if (qcc_session_profile(session, i, &row) != QCC_OK || row.compiled) continue;
        count_reason(evals, row.kernel + strlen("eval "));
    }
}

static int by_count(const void *a, const void *b)
{
    return ((const Reason *)b)->count - ((const Reason *)a)->count;
}

static void print_tally(Tally *t, const char *what)
{
    qsort(t->reason, (size_t)t->n, sizeof *t->reason, by_count);
    for (int i = 0; i < t->n; i++)
        printf("%5d %s: %s\n", t->reason[i].count, what, t->reason[i].text);
}

/* ---- running ------------------------------------------------------------------------------ */

static bool same(const Value *value, const QccTensorInfo *info, const void *data, QccIr *ir,
                 char why[128])
{
    const QccBlob *expected = value->blob;
    double relative = value->cut ? 0x1p-7 : 1e-3;
    bool shape = expected->rank == info->rank;
    for (int i = 0; shape && i < info->rank; i++) shape = expected->dim[i] == info->shape[i];
    if (!shape) {
        snprintf(why, 128, "output '%s' has another shape than expected", info->name);
        return false;
    }
    if (expected->dtype != info->dtype) {
        snprintf(why, 128, "output '%s' is %s, expected %s", info->name,
                 qcc_dtype_name(info->dtype), qcc_dtype_name(expected->dtype));
        return false;
    }
    const QccType *type = qcc_type_shape(ir, expected->dtype, expected->rank, expected->dim);
    QccTensor e = qcc_tensor_view(type, expected->data), y = qcc_tensor_view(type, data);
    for (int64_t i = 0; i < e.count; i++) {
        double a = qcc_tensor_real(&y, i), b = qcc_tensor_real(&e, i);
        if ((isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-7 + relative * fabs(b)) continue;
        snprintf(why, 128, "element %lld of '%s' is %.9g, expected %.9g", (long long)i, info->name,
                 a, b);
        return false;
    }
    return true;
}

static const char *engine_name(bool interpret)
{
    return interpret ? "interpreter" : "compiled";
}

static bool run_program(Case *c, bool interpret, const QccProgram *program)
{
    const char *engine = engine_name(interpret);
    QccTensorInfo info;
    QccBuffer in[VALUES], out[VALUES];
    int nin = qcc_program_input_count(program), nout = qcc_program_output_count(program);
    if (nin > c->nin || nout != c->nout) return fail(c, engine, "another number of values");
    for (int i = 0; i < nin; i++) {
        qcc_program_input(program, i, &info);
        /* The library reads, the type of the buffer serves inputs and outputs. */
        in[i] = (QccBuffer){.data = (void *)(uintptr_t)c->in[i].blob->data, .dtype = info.dtype};
        if (info.dtype != c->in[i].blob->dtype) return fail(c, engine, "an input of another type");
    }
    for (int i = 0; i < nout; i++) {
        qcc_program_output(program, i, &info);
        int64_t count = 1;
        for (int k = 0; k < info.rank; k++) count *= info.shape[k];
        int64_t bytes = qcc_dtype_size(info.dtype, count);
        out[i] = (QccBuffer){.data = qcc_alloc_aligned(c->arena, (size_t)bytes + 1, 64),
                             .dtype = info.dtype};
    }
    QccSession *session = NULL;
    QccSessionOptions options = QCC_INIT(QccSessionOptions);
    options.threads = 1;
    QccStatus status = qcc_session_new(&session, program, &options);
    if (status == QCC_OK) status = qcc_session_run(session, in, nin, out, nout);
    if (status == QCC_OK && !interpret) note_evals(c->evals, session);
    qcc_session_free(session);
    if (status != QCC_OK) return fail(c, engine, c->r->message);
    for (int i = 0; i < nout; i++) {
        char why[128];
        qcc_program_output(program, i, &info);
        if (!same(&c->out[i], &info, out[i].data, c->r->ir, why)) return fail(c, engine, why);
    }
    return true;
}

static bool run_engine(Case *c, QccModel *model, bool interpret)
{
    QccProgramOptions options = QCC_INIT(QccProgramOptions);
    options.interpret = interpret;
    QccProgram *program = NULL;
    c->r->message[0] = 0;
    if (qcc_program_new(&program, model, &options) != QCC_OK) {
        return fail(c, engine_name(interpret), c->r->message);
    }
    bool passed = run_program(c, interpret, program);
    qcc_program_free(program);
    return passed;
}

/* The importer's message without the names of this one model: what stands in the second and later
 * quotes. */
static void reduce_reason(char *to, size_t size, const char *message)
{
    int quotes = 0;
    size_t n = 0;
    for (const char *s = message; *s && n + 1 < size; s++) {
        quotes += *s == '\'';
        bool inside = quotes >= 3 && quotes % 2 && *s != '\'';
        if (!inside) to[n++] = *s;
    }
    to[n] = 0;
}

static QccStatus open_model(Case *c, QccModel **model, int baked_from)
{
    QccBuf baked;
    const void *bytes = c->model;
    int64_t size = c->model_size;
    if (baked_from < c->nin) {
        bake(&baked, c, baked_from);
        bytes = baked.data;
        size = baked.len;
    }
    c->r->message[0] = 0;
    QccStatus status = qcc_model_from_memory(model, c->r->context, c->name, bytes, (size_t)size);
    for (int i = 0; status == QCC_OK && i < baked_from; i++) {
        status =
            qcc_model_set_shape(*model, c->in[i].name, c->in[i].blob->dim, c->in[i].blob->rank);
    }
    return status;
}

typedef enum Outcome { PASSED, FAILED, SKIPPED } Outcome;

static Outcome run_set(Case *c)
{
    const int from[] = {c->nin, 1, 0};
    QccModel *model = NULL;
    QccStatus status = QCC_ERROR_UNSUPPORTED;
    for (int i = 0; i < 3 && status == QCC_ERROR_UNSUPPORTED; i++) {
        qcc_model_free(model);
        model = NULL;
        status = open_model(c, &model, from[i]);
    }
    if (status == QCC_ERROR_UNSUPPORTED && !strncmp(c->r->message, "unsupported op", 14)) {
        char text[160];
        reduce_reason(text, sizeof text, c->r->message);
        count_reason(&c->r->skips, text);
        return SKIPPED;
    }
    bool passed = status == QCC_OK;
    if (!passed) fail(c, "import", c->r->message);
    passed = passed && run_engine(c, model, true);
    if (c->r->compiled) passed = passed && run_engine(c, model, false);
    qcc_model_free(model);
    return passed ? PASSED : FAILED;
}

/* ---- cases -------------------------------------------------------------------------------- */

/* Reads input_0.pb, input_1.pb, ...; false when one is no tensor that exists here. */
static bool read_values(Case *c, const char *folder, const char *kind, Value *v, int *n)
{
    for (*n = 0; *n < VALUES; ++*n) {
        const char *path = qcc_sprintf(c->arena, "%s/%s_%d.pb", folder, kind, *n);
        if (!exists(path)) return true;
        int64_t size;
        const uint8_t *bytes = read_file(c->arena, path, &size);
        if (!bytes) return false;
        if (qcc_onnx_read_tensor(&v[*n].blob, &v[*n].name, c->r->ir, c->arena, path, bytes, size) !=
            QCC_OK) {
            return false;
        }
    }
    return false;
}

/* Old files hold bf16 as u16, cut and not rounded; then the model knows better. */
static void mend_dtype(Case *c, Value *v, const Onnx__ValueInfoProto *info)
{
    QccDtype dtype;
    const Onnx__TypeProto *type = info->type;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return;
    if (!qcc_onnx_dtype(&dtype, type->tensor_type->elem_type)) return;
    if (v->blob->dtype != QCC_U16 || dtype != QCC_BF16) return;
    v->blob = qcc_blob(c->arena, QCC_BF16, v->blob->rank, v->blob->dim, v->blob->data, false);
    v->cut = true;
}

/* They also hold one element for an operand of which only the type matters: zeros of the shape that
 * the model gives. */
static void mend_shape(Case *c, Value *v, const Onnx__ValueInfoProto *info)
{
    const Onnx__TypeProto *type = info->type;
    if (!type || type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return;
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    bool one = v->blob->rank == 1 && v->blob->dim[0] == 1;
    if (!one || !shape || shape->n_dim < 2 || shape->n_dim > QCC_MAX_RANK) return;
    int64_t dim[QCC_MAX_RANK], count = 1;
    for (size_t i = 0; i < shape->n_dim; i++) {
        dim[i] = shape->dim[i]->dim_value;
        if (dim[i] < 1 || dim[i] > 1 << 10 || (count *= dim[i]) > 1 << 20) return;
    }
    void *zeros = qcc_alloc_aligned(c->arena, (size_t)qcc_dtype_size(v->blob->dtype, count), 64);
    v->blob = qcc_blob(c->arena, v->blob->dtype, (int)shape->n_dim, dim, zeros, false);
}

/* The names of the model's inputs that are no initializers, in order; the files' may differ. */
static void match_model(Case *c)
{
    const Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, (size_t)c->model_size, c->model);
    if (!m || !m->graph) return;
    int n = 0;
    for (size_t i = 0; i < m->graph->n_input && n < c->nin; i++) {
        bool constant = false;
        for (size_t k = 0; k < m->graph->n_initializer; k++) {
            constant |= !strcmp(m->graph->initializer[k]->name, m->graph->input[i]->name);
        }
        if (constant) continue;
        mend_dtype(c, &c->in[n], m->graph->input[i]);
        mend_shape(c, &c->in[n], m->graph->input[i]);
        c->in[n++].name = qcc_strdup(c->arena, m->graph->input[i]->name);
    }
    for (size_t i = 0; i < m->graph->n_output && (int)i < c->nout; i++)
        mend_dtype(c, &c->out[i], m->graph->output[i]);
    onnx__model_proto__free_unpacked((Onnx__ModelProto *)(uintptr_t)m, NULL);
}

static Outcome run_data_set(Case *c, const char *folder)
{
    Runner *r = c->r;
    bool tensors = read_values(c, folder, "input", c->in, &c->nin);
    tensors = tensors && read_values(c, folder, "output", c->out, &c->nout);
    if (tensors) {
        match_model(c);
        return run_set(c);
    }
    /* Values that do not exist here: then the importer must say so as well. */
    QccModel *m = NULL;
    r->message[0] = 0;
    c->nin = 0;
    QccStatus status = open_model(c, &m, 0);
    qcc_model_free(m);
    if (status == QCC_ERROR_UNSUPPORTED && !strncmp(r->message, "unsupported op", 14)) {
        char text[160];
        reduce_reason(text, sizeof text, r->message);
        count_reason(&r->skips, text);
        return SKIPPED;
    }
    fail(c, "data", "its values cannot be read");
    return FAILED;
}

static void run_case(Runner *r, const char *folder, const char *name)
{
    QccArena *arena = qcc_arena_new(&r->mem);
    int64_t size = 0;
    Outcome worst = PASSED;
    const uint8_t *model = read_file(arena, qcc_sprintf(arena, "%s/model.onnx", folder), &size);
    Tally *evals = QCC_NEW(arena, Tally);
    Case *c = QCC_NEW(arena, Case);
    int sets = 0;
    for (; model; sets++) {
        const char *set = qcc_sprintf(arena, "%s/test_data_set_%d", folder, sets);
        if (!exists(set)) break;
        *c = (Case){.r = r,
                    .arena = arena,
                    .name = name,
                    .model = model,
                    .model_size = size,
                    .evals = evals};
        Outcome o = run_data_set(c, set);
        if (o == FAILED || worst == PASSED) worst = o;
    }
    if (!sets) {
        printf("FAILED %s: has no model or no data\n", name);
        worst = FAILED;
    }
    r->passed += worst == PASSED;
    r->failed += worst == FAILED;
    r->skipped += worst == SKIPPED;
    for (int i = 0; i < evals->n; i++) {
        count_reason(&r->evals, evals->reason[i].text);
        if (r->verbose) printf("%s ran through eval: %s\n", name, evals->reason[i].text);
    }
    r->kernels += r->compiled && worst == PASSED && evals->n == 0;
    qcc_arena_free(arena);
}

static bool run_folder(Runner *r, const char *folder)
{
    struct dirent **entry;
    int n = scandir(folder, &entry, NULL, alphasort);
    if (n < 0) return false;
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s/model.onnx", folder, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.' && exists(path)) {
            *strrchr(path, '/') = 0;
            run_case(r, path, entry[i]->d_name);
        }
        free(entry[i]);
    }
    free(entry);
    return true;
}

static void run_all(void *user)
{
    Runner *r = ((void **)user)[0];
    const char *dir = ((void **)user)[1];
    bool found = dir && run_folder(r, dir);
    for (int i = 0; !dir && default_dirs[i]; i++) found |= run_folder(r, default_dirs[i]);
    if (!found) printf("skipped: there is no folder of operator tests (libonnx-testdata)\n");
}

int main(int argc, char **argv)
{
    Runner *r = calloc(1, sizeof *r);
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = on_message;
    options.diagnostic_user = r;
    options.module_path = getenv("QCC_LLVM_MODULE");
    if (!r || qcc_context_new(&r->context, &options) != QCC_OK) return 70;
    r->ir = qcc_ir_new(&r->mem, NULL, NULL);
    const char *engine = getenv("QCC_ENGINE"); /* "interp": no compiled code */
    r->compiled = !engine || strcmp(engine, "interp") != 0;

    r->verbose = argc > 1 && !strcmp(argv[1], "-v");
    void *call[] = {r, argc > 1 + r->verbose ? argv[1 + r->verbose] : NULL};
    if (!r->ir || !qcc_mem_protect(&r->mem, run_all, call)) printf("out of memory\n");
    print_tally(&r->skips, "skipped");
    print_tally(&r->evals, "ran through eval");
    if (r->compiled) printf("%d ran wholly compiled\n", r->kernels);
    printf("%d passed, %d failed, %d skipped\n", r->passed, r->failed, r->skipped);
    int failed = r->failed != 0;
    if (!r->passed && !r->failed && !r->skipped) failed = 77; /* skipped, as the line above says */
    qcc_ir_free(r->ir);
    qcc_context_free(r->context);
    free(r);
    return failed;
}
