/* test_ops - every row of ops.def: its descriptor, its samples, its values.
 *
 * Values come from tests/ops/NAME.txt, which make_golden.py there works out with numpy. An op whose
 * file is missing fails.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/elements.h"
#include "ir/ops.h"
#include "ir/ops/common.h"
#include "ir/qmath.h"
#include "ir/tensor.h"
#include "ir/text.h"

static QccMem mem;
static QccArena *arena;
static QccIr *ir;
static char message[1024]; /* the last diagnostic */

static const QccOpDef *const ops[] = {
#define QCC_OP(name) &qcc_op_##name,
#include "ir/ops.def"
#undef QCC_OP
};
enum { NOPS = sizeof ops / sizeof *ops };

static void keep_message(void *user, const QccDiagnostic *d)
{
    (void)user;
    snprintf(message, sizeof message, "%s", d->message);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(arena = qcc_arena_new(&mem));
    ck_assert_ptr_nonnull(ir = qcc_ir_new(&mem, keep_message, NULL));
    message[0] = '\0';
}

static void teardown(void)
{
    qcc_ir_free(ir);
    qcc_arena_free(arena);
}

/* Bodies run behind a memory edge, as arenas want it. */
static void (*body)(int);
static void call_body(void *user)
{
    body(*(int *)user);
}
static void protect(void (*fn)(int), int i)
{
    body = fn;
    ck_assert(qcc_mem_protect(&mem, call_body, &i));
}

/* const, yield and fused are structure: their files and tests are those of graphs. */
static bool is_structure(const QccOpDef *def)
{
    return def == &qcc_op_const || def == &qcc_op_yield || def == &qcc_op_fused;
}

/* ---- descriptors ------------------------------------------------------------------------------
 */

START_TEST(descriptor)
{
    const QccOpDef *def = ops[_i];
    ck_assert_ptr_nonnull(def->summary);
    ck_assert_msg(def->infer, "%s needs an infer", def->name);
    ck_assert_ptr_eq(qcc_ir_find_op(ir, def->name), def);
    for (const QccField *f = def->attrs; f && f->name; f++) {
        ck_assert_msg(f->help && f->help[0], "%s.%s has no help", def->name, f->name);
        ck_assert_uint_lt(f->offset, def->attr_size);
    }
    if (is_structure(def)) return;
    ck_assert_msg(!def->attrs == !def->attr_size, "%s", def->name);
    bool loop = def->traits & QCC_TRAIT_LOOP;
    ck_assert_msg(loop || !def->map != !def->eval, "%s needs a map or an eval", def->name);
    ck_assert_msg(def->sample, "%s needs a sample", def->name);
    ck_assert_msg(def->max_in < 0 || def->max_in >= def->min_in, "%s", def->name);
    bool computes = def->eval && !(def->traits & QCC_TRAIT_MOVE);
    if (computes && def->quant.kind != QCC_QUANT_FLOAT)
        ck_assert_msg(def->lower, "%s is quantized without a kernel", def->name);
    if (def->traits & QCC_TRAIT_MOVE && !(def->traits & QCC_TRAIT_VIEW))
        ck_assert_msg(def->lower, "%s moves and has no kernel", def->name);
}
END_TEST

/* ---- samples ----------------------------------------------------------------------------------
 */

static QccGraph *sample(const QccOpDef *def, uint64_t seed, bool *quantizable)
{
    QccRandom random;
    qcc_random_init(&random, seed);
    QccSample s = {.graph = qcc_graph_new(ir, arena, "sample"), .random = &random};
    def->sample(&random, &s);
    *quantizable = s.quantizable;
    return s.graph;
}

static void check_samples(int i)
{
    const QccOpDef *def = ops[i];
    int quantizable = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        bool q;
        QccGraph *g = sample(def, seed, &q);
        ck_assert_msg(qcc_graph_verify(g) == QCC_OK, "%s, seed %d: %s", def->name, (int)seed,
                      message);
        QccOp *op = qcc_graph_result(g, 0)->def;
        ck_assert_msg(op->def == def, "%s, seed %d", def->name, (int)seed);
        const QccType *before = op->out[0].type;
        ck_assert_int_eq(qcc_op_reinfer(op), QCC_OK); /* axes are normalized by now */
        ck_assert_ptr_eq(op->out[0].type, before);
        quantizable += q;
    }
    ck_assert_msg(def->quant.kind == QCC_QUANT_FLOAT ? !quantizable : quantizable > 0, "%s",
                  def->name);
}

START_TEST(samples_verify)
{
    if (!is_structure(ops[_i])) protect(check_samples, _i);
}
END_TEST

static const char *print(const QccModule *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    qcc_module_print(&buf, m, QCC_BLOBS_INLINE, NULL);
    return buf.data;
}

static void check_round_trips(int i)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        bool q;
        QccModule m = {.graph = sample(ops[i], seed, &q)}, *back;
        const char *text = print(&m);
        ck_assert_msg(qcc_module_parse(&back, ir, arena, "sample.qir", text, (int64_t)strlen(text),
                                       NULL) == QCC_OK,
                      "%s\n%s", message, text);
        ck_assert_str_eq(print(back), text);
        const QccOp *op = qcc_graph_result(back->graph, 0)->def;
        ck_assert_ptr_eq(op->def, ops[i]);
        ck_assert_ptr_eq(op->out[0].type, qcc_graph_result(m.graph, 0)->type);
    }
}

START_TEST(samples_as_text)
{
    if (!is_structure(ops[_i])) protect(check_round_trips, _i);
}
END_TEST

static void check_counts(int i)
{
    const QccOpDef *def = ops[i];
    const QccType *type = qcc_type_shape(ir, QCC_F32, 1, &(int64_t){4});
    QccGraph *g = qcc_graph_new(ir, arena, "counts");
    QccValue *x[8];
    for (int k = 0; k < 8; k++) x[k] = qcc_graph_add_param(g, NULL, type);
    QccOp *op;
    ck_assert_int_ne(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, x, def->min_in - 1, NULL),
                     QCC_OK);
    ck_assert_str_ne(message, "");
    if (def->max_in < 0) return;
    message[0] = '\0';
    ck_assert_int_ne(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, x, def->max_in + 1, NULL),
                     QCC_OK);
    ck_assert_str_ne(message, "");
}

START_TEST(wrong_operand_counts)
{
    if (!is_structure(ops[_i])) protect(check_counts, _i);
}
END_TEST

/* Absent operands, wrong element types, ranks and shapes are errors or fine, never a crash. */
static void check_odd_operands(int i)
{
    const QccOpDef *def = ops[i];
    int n = def->max_in < 0 ? 3 : def->max_in;
    QccRandom random;
    for (uint64_t seed = 0; seed < 300; seed++) {
        qcc_random_init(&random, seed);
        QccGraph *g = qcc_graph_new(ir, arena, "odd");
        QccValue *x[8] = {NULL};
        for (int k = 0; k < n; k++) {
            int64_t dim[QCC_MAX_RANK];
            int rank = (int)qcc_random_range(&random, 0, QCC_MAX_RANK);
            for (int d = 0; d < rank; d++) dim[d] = qcc_random_range(&random, 0, 3);
            QccDtype dtype = qcc_random_bool(&random)
                                 ? QCC_F32
                                 : (QccDtype)qcc_random_range(&random, 0, QCC_DTYPE_COUNT - 1);
            const QccType *type = qcc_type_shape(ir, dtype, rank, dim);
            if (qcc_random_range(&random, 0, 7)) x[k] = qcc_graph_add_param(g, NULL, type);
        }
        QccOp *op;
        message[0] = '\0';
        QccStatus status = qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, x, n, NULL);
        ck_assert_msg(status == QCC_OK || message[0], "%s: failed in silence", def->name);
    }
}

START_TEST(odd_operands)
{
    if (!is_structure(ops[_i])) protect(check_odd_operands, _i);
}
END_TEST

/* Attributes of any value: inference refuses them in words, or eval can do what it was promised. */
static int64_t odd_number(QccRandom *r, const QccField *f)
{
    bool bounded = f->min != f->max;
    switch (qcc_random_range(r, 0, 9)) {
    case 0: return bounded ? (int64_t)f->min : INT64_MIN;
    case 1: return bounded ? (int64_t)f->max : INT64_MAX;
    default:
        return bounded ? (int64_t)f->min + qcc_random_range(r, 0, 5) : qcc_random_range(r, -4, 8);
    }
}

static void set_odd_field(QccRandom *r, const QccField *f, char *attrs)
{
    void *member = attrs + f->offset;
    QccInts *list = member;
    switch (f->type) {
    case QCC_FIELD_BOOL: *(bool *)member = qcc_random_bool(r); return;
    case QCC_FIELD_INT: *(int64_t *)member = odd_number(r, f); return;
    case QCC_FIELD_FLOAT: *(double *)member = qcc_random_bool(r) ? NAN : -1e300; return;
    case QCC_FIELD_ENUM: *(int *)member = (int)qcc_random_range(r, 0, 1); return;
    case QCC_FIELD_INTS:
        if (qcc_random_range(r, 0, 3) == 0) list->n = (int)qcc_random_range(r, 0, QCC_INTS_MAX);
        for (int i = 0; i < list->n; i++) {
            if (qcc_random_bool(r)) list->v[i] = odd_number(r, f);
        }
        return;
    default: return;
    }
}

static void try_eval(const QccOp *op)
{
    QccTensor in[8] = {0};
    int64_t total = qcc_type_count(op->out[0].type);
    if (!op->def->eval || total < 0 || total > 20000) return;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i].value) in[i] = qcc_tensor_new(arena, op->in[i].value->type);
    QccTensor out = qcc_tensor_new(arena, op->out[0].type);
    ck_assert_int_eq(op->def->eval(op, in, &out, arena), QCC_OK);
}

static void check_odd_attributes(int i)
{
    const QccOpDef *def = ops[i];
    int nfield = 0;
    while (def->attrs[nfield].name) nfield++;
    for (uint64_t seed = 0; seed < 400; seed++) {
        bool q;
        QccRandom r;
        QccGraph *g = sample(def, seed, &q);
        QccOp *op = qcc_graph_result(g, 0)->def, *odd;
        QccValue *in[8];
        for (int k = 0; k < op->nin; k++) in[k] = op->in[k].value;
        char *attrs = qcc_alloc(arena, def->attr_size);
        memcpy(attrs, op->attrs, def->attr_size);
        qcc_random_init(&r, seed);
        set_odd_field(&r, &def->attrs[qcc_random_range(&r, 0, nfield - 1)], attrs);
        message[0] = '\0';
        QccStatus status = qcc_op_new(&odd, g, NULL, def, (QccLoc){0}, NULL, in, op->nin, attrs);
        ck_assert_msg(status == QCC_OK || message[0], "%s: failed in silence", def->name);
        if (status == QCC_OK) try_eval(odd);
    }
}

START_TEST(odd_attributes)
{
    if (!is_structure(ops[_i]) && ops[_i]->attrs) protect(check_odd_attributes, _i);
}
END_TEST

/* ---- values -----------------------------------------------------------------------------------
 */

typedef struct Case {
    char name[64];
    int nin;
    QccTensor in[8], out;
    int nunit;
    double unit[64], tolerance;
    void *attrs;
} Case;

static FILE *file;
static char word[4096];

static const char *next_word(void)
{
    ck_assert_int_eq(fscanf(file, "%4095s", word), 1);
    return word;
}

static int64_t next_int(void)
{
    return strtoll(next_word(), NULL, 10);
}

static QccTensor read_values(const QccType *type)
{
    QccTensor t = qcc_tensor_new(arena, type);
    for (int64_t i = 0; i < t.count; i++) {
        const char *text = next_word();
        int64_t size = qcc_dtype_size(type->dtype, 1), wide = strtoll(text, NULL, 10);
        char element[8];
        const QccType *plain = qcc_type_plain(ir, type, type->dtype); /* values are as stored */
        qcc_element_of(plain, strtod(text, NULL), element);
        memcpy((char *)t.data + i * size, type->dtype == QCC_I64 ? (void *)&wide : element,
               (size_t)size);
    }
    return t;
}

/* TYPE RANK DIMS, for operands perhaps a quantization, then the values. */
static QccTensor read_tensor(void)
{
    QccDtype dtype;
    next_word();
    ck_assert(qcc_dtype_parse(&dtype, word, (int64_t)strlen(word)));
    int rank = (int)next_int();
    int64_t dim[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) dim[i] = next_int();
    const QccType *type = qcc_type_shape(ir, dtype, rank, dim);
    long at = ftell(file);
    char q[8] = "";
    if (fscanf(file, "%7s", q) == 1 && strcmp(q, "q") == 0) {
        float scale[64];
        int32_t zero[64];
        int axis = (int)next_int(), n = (int)next_int();
        for (int i = 0; i < n; i++) {
            scale[i] = strtof(next_word(), NULL);
            zero[i] = (int32_t)next_int();
        }
        int64_t lo, hi;
        qcc_dtype_range(dtype, &lo, &hi);
        const QccQuant *quant = axis < 0 ? qcc_quant_tensor(ir, dtype, scale[0], zero[0])
                                         : qcc_quant_axis(ir, dtype, rank, axis, n, scale, zero,
                                                          (int32_t)lo, (int32_t)hi);
        type = qcc_type_quantized(ir, type, dtype, quant);
    } else {
        fseek(file, at, SEEK_SET);
    }
    return read_values(type);
}

static bool read_case(const QccOpDef *def, Case *c)
{
    *c = (Case){0};
    while (fscanf(file, "%4095s", word) == 1) {
        if (word[0] == '#') {
            ck_assert_ptr_nonnull(fgets(word, sizeof word, file));
        } else if (strcmp(word, "case") == 0) {
            snprintf(c->name, sizeof c->name, "%.60s", next_word());
            c->attrs = qcc_alloc(arena, def->attr_size + 1);
            qcc_fields_init(arena, def->attrs, c->attrs);
        } else if (strcmp(word, "attr") == 0) {
            const QccField *f = qcc_field_find(def->attrs, next_word());
            ck_assert_msg(f, "%s has no %s", def->name, word);
            next_word();
            ck_assert_msg(qcc_field_parse(arena, &ir->diags, (QccLoc){0}, f, word,
                                          (int64_t)strlen(word), c->attrs) == QCC_OK,
                          "%s", message);
        } else if (strcmp(word, "in") == 0) {
            c->in[c->nin++] = read_tensor();
        } else if (strcmp(word, "out") == 0) {
            c->out = read_tensor();
        } else if (strcmp(word, "unit") == 0) {
            c->nunit = (int)next_int();
            for (int i = 0; i < c->nunit; i++) c->unit[i] = strtod(next_word(), NULL);
        } else if (strcmp(word, "tol") == 0) {
            c->tolerance = strtod(next_word(), NULL);
        } else {
            ck_assert_str_eq(word, "end");
            return true;
        }
    }
    return false;
}

static void compute(const QccOp *op, const Case *c, const QccTensor *out)
{
    if (op->def->eval) {
        ck_assert_msg(op->def->eval(op, c->in, out, arena) == QCC_OK, "%s", message);
        return;
    }
    QccExpr e;
    qcc_expr_init(&e, arena);
    int arg[3];
    const void *data[3];
    uint8_t stride[3];
    for (int i = 0; i < c->nin; i++) {
        QccDtype dtype = c->in[i].type->dtype;
        void *wide = qcc_alloc_aligned(arena, (size_t)c->in[i].count * 8 + 8, 64);
        qcc_widen(wide, dtype, c->in[i].data, 0, c->in[i].count);
        arg[i] = qcc_expr_arg(&e, i, qcc_expr_type_of(dtype));
        data[i] = wide;
        stride[i] = c->in[i].count > 1 || out->count == 1;
    }
    e.result = op->def->map(op, &e, arg);
    void *wide = qcc_alloc_aligned(arena, (size_t)out->count * 8 + 8, 64);
    qcc_expr_eval(&e, out->count, data, stride, NULL, wide, arena);
    qcc_narrow(out->data, out->type->dtype, 0, wide, out->count);
}

static void compare(const char *where, const QccTensor *got, const Case *c)
{
    const QccTensor *want = &c->out;
    ck_assert_msg(got->count == want->count, "%s: %d elements, wanted %d", where, (int)got->count,
                  (int)want->count);
    for (int64_t i = 0; i < want->count; i++) {
        double g = qcc_tensor_real(got, i), w = qcc_tensor_real(want, i);
        double room = c->tolerance * fmax(1, fabs(w));
        if (isnan(g) && isnan(w)) continue;
        bool equal = c->tolerance > 0 ? fabs(g - w) <= room : g == w && signbit(g) == signbit(w);
        ck_assert_msg(equal, "%s: element %d is %.9g, wanted %.9g", where, (int)i, g, w);
    }
}

static void check_unit(const QccOp *op, const char *where, const Case *c)
{
    QccUnit u = {0};
    ck_assert_msg(op->def->unit(op, arena, &u) == QCC_OK, "%s: %s", where, message);
    int64_t n = 1;
    for (int i = 0; i < u.rank; i++) {
        ck_assert(u.dim[i] == 1 || u.dim[i] == c->out.dim[i]);
        n *= u.dim[i];
    }
    ck_assert_int_eq(n, c->nunit);
    for (int i = 0; i < c->nunit; i++)
        ck_assert_msg(fabs(u.value[i] / c->unit[i] - 1) < 1e-7,
                      "%s: unit %d is %.17g, wanted %.17g", where, i, u.value[i], c->unit[i]);
}

static void check_values(int i)
{
    const QccOpDef *def = ops[i];
    if (def->traits & QCC_TRAIT_LOOP) return; /* a body has values of its own: test_scan.c */
    const char *source = getenv("QCC_SOURCE");
    char path[512], where[256];
    snprintf(path, sizeof path, "%s/tests/ops/%s.txt", source ? source : ".", def->name);
    ck_assert_msg((file = fopen(path, "r")) != NULL, "%s is missing", path);
    int ncase = 0;
    for (Case c; read_case(def, &c); ncase++) {
        snprintf(where, sizeof where, "%s, case %s", def->name, c.name);
        QccGraph *g = qcc_graph_new(ir, arena, "values");
        QccValue *x[8];
        for (int k = 0; k < c.nin; k++) x[k] = qcc_graph_add_param(g, NULL, c.in[k].type);
        QccOp *op;
        ck_assert_msg(qcc_op_new(&op, g, NULL, def, (QccLoc){0}, NULL, x, c.nin, c.attrs) == QCC_OK,
                      "%s: %s", where, message);
        const QccType *type = op->out[0].type;
        ck_assert_msg(type->rank == c.out.type->rank, "%s: rank %d", where, type->rank);
        for (int d = 0; d < type->rank; d++) ck_assert_int_eq(type->dim[d].n, c.out.dim[d]);
        /* integer meanings give i32 where inference says f32; all else is what it says */
        ck_assert(c.nunit || type->dtype == c.out.type->dtype);
        QccTensor out = qcc_tensor_new(arena, c.out.type);
        memset(out.data, 0x5a, (size_t)qcc_dtype_size(c.out.type->dtype, out.count));
        compute(op, &c, &out);
        compare(where, &out, &c);
        if (c.nunit) check_unit(op, where, &c);
    }
    fclose(file);
    ck_assert_int_gt(ncase, 0);
}

START_TEST(values)
{
    if (!is_structure(ops[_i])) protect(check_values, _i);
}
END_TEST

/* ---- inference over symbols, permutations, messages -------------------------------------------
 */

static QccDim times(int64_t n, const QccSymbol *a, const QccSymbol *b)
{
    return (QccDim){.n = n, .sym = {a, b}};
}

static void check_symbols(int unused)
{
    (void)unused;
    QccGraph *g = qcc_graph_new(ir, arena, "symbols");
    const QccSymbol *n = qcc_graph_symbol(g, "N", 1, 8), *s = qcc_graph_symbol(g, "S", 1, 512);
    QccValue *x = qcc_graph_add_param(
        g, NULL,
        qcc_type(ir, QCC_F32, 3, (QccDim[]){times(1, n, NULL), times(1, s, NULL), qcc_dim(6)},
                 NULL));
    QccOp *op;
    QccShapeAttrs split = {.shape = {4, {0, 0, 2, 3}}};
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, &qcc_op_reshape, (QccLoc){0}, NULL, &x, 1, &split),
                     QCC_OK);
    ck_assert(qcc_dim_equal(&op->out[0].type->dim[1], &x->type->dim[1]));
    QccShapeAttrs merge = {.shape = {2, {-1, 3}}};
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, &qcc_op_reshape, (QccLoc){0}, NULL, &x, 1, &merge),
                     QCC_OK);
    ck_assert_int_eq(op->out[0].type->dim[0].n, 2);
    ck_assert_ptr_nonnull(op->out[0].type->dim[0].sym[1]);
    QccShapeAttrs wrong = {.shape = {2, {5, 3}}};
    ck_assert_int_ne(qcc_op_new(&op, g, NULL, &qcc_op_reshape, (QccLoc){0}, NULL, &x, 1, &wrong),
                     QCC_OK);
    QccAxisAttrs axis = {.axis = 1};
    ck_assert_int_eq(
        qcc_op_new(&op, g, NULL, &qcc_op_concat, (QccLoc){0}, NULL, (QccValue *[]){x, x}, 2, &axis),
        QCC_OK);
    ck_assert_int_eq(op->out[0].type->dim[1].n, 2);
    ck_assert_ptr_eq(op->out[0].type->dim[1].sym[0], s);
}

START_TEST(symbols)
{
    protect(check_symbols, 0);
}
END_TEST

static void check_message(int unused)
{
    (void)unused;
    QccGraph *g = qcc_graph_new(ir, arena, "message");
    QccValue *x[2] = {
        qcc_graph_add_param(g, NULL, qcc_type_shape(ir, QCC_F32, 2, (int64_t[]){1, 784})),
        qcc_graph_add_param(g, NULL, qcc_type_shape(ir, QCC_F32, 2, (int64_t[]){10, 700}))};
    QccOp *op;
    ck_assert_int_eq(qcc_op_new(&op, g, NULL, &qcc_op_fc, (QccLoc){0}, NULL, x, 2, NULL),
                     QCC_ERROR_INPUT);
    ck_assert_str_eq(message, "'fc' needs x[m,k] and w[n,k]; k is 784 in x and 700 in w");
}

START_TEST(message_of_fc)
{
    protect(check_message, 0);
}
END_TEST

/* y of the permuted operand is the permuted y, for every op that says it can. */
static void permuted_copy(const QccTensor *from, const int *perm, const QccTensor *to)
{
    int rank = from->type->rank;
    size_t size = (size_t)qcc_dtype_size(from->type->dtype, 1);
    for (int64_t i = 0; i < to->count; i++) {
        int64_t index[QCC_MAX_RANK], left = i, at = 0;
        for (int d = rank - 1; d >= 0; d--) {
            index[perm[d]] = left % to->dim[d];
            left /= to->dim[d];
        }
        for (int d = 0; d < rank; d++) at = at * from->dim[d] + index[d];
        memcpy((char *)to->data + (size_t)i * size, (char *)from->data + (size_t)at * size, size);
    }
}

static const QccType *permuted_type(const QccType *t, const int *perm)
{
    int64_t dim[QCC_MAX_RANK];
    for (int i = 0; i < t->rank; i++) dim[i] = t->dim[perm[i]].n;
    return qcc_type_shape(ir, t->dtype, t->rank, dim);
}

/* Values are small integers: then sums are exact in any order. */
static QccTensor small_integers(QccRandom *r, const QccType *type)
{
    QccTensor t = qcc_tensor_new(arena, type);
    for (int64_t i = 0; i < t.count; i++) ((float *)t.data)[i] = (float)qcc_random_range(r, -9, 9);
    return t;
}

static void check_permute_once(const QccOpDef *def, uint64_t seed, int *permuted)
{
    bool q;
    QccRandom r;
    QccGraph *g = sample(def, seed, &q);
    QccOp *op = qcc_graph_result(g, 0)->def;
    if (op->in[0].value->type->dtype != QCC_F32) return; /* the values here are floats */
    qcc_random_init(&r, seed);
    int rank = op->in[0].value->type->rank, perm[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int at = (int)qcc_random_range(&r, 0, i);
        perm[i] = perm[at];
        perm[at] = i;
    }
    QccTensor in[8], x[8], y = qcc_tensor_new(arena, op->out[0].type);
    bool vectors = def == &qcc_op_batchnorm || def == &qcc_op_layer_norm;
    for (int i = 0; i < op->nin; i++) {
        if (!op->in[i].value) continue;
        bool stays = i > 0 && (vectors || qcc_op_is_index(op, i));
        in[i] = small_integers(&r, op->in[i].value->type);
        for (int64_t k = 0; vectors && i > 0 && k < in[i].count; k++)
            ((float *)in[i].data)[k] = fabsf(((float *)in[i].data)[k]);
        x[i] = in[i];
        if (stays) continue;
        x[i] = qcc_tensor_new(arena, permuted_type(in[i].type, perm));
        permuted_copy(&in[i], perm, &x[i]);
    }
    ck_assert_int_eq(def->eval(op, in, &y, arena), QCC_OK);
    if (!def->permute(op, perm, rank)) return;
    ++*permuted;
    QccValue *value[8];
    QccOp *other;
    for (int i = 0; i < op->nin; i++)
        value[i] = op->in[i].value ? qcc_graph_add_param(g, NULL, x[i].type) : NULL;
    ck_assert_msg(qcc_op_new(&other, g, NULL, def, (QccLoc){0}, NULL, value, op->nin, op->attrs) ==
                      QCC_OK,
                  "%s, seed %d: %s", def->name, (int)seed, message);
    QccTensor got = qcc_tensor_new(arena, other->out[0].type), want = y;
    ck_assert_int_eq(def->eval(other, x, &got, arena), QCC_OK);
    if (y.type->rank == rank) {
        want = qcc_tensor_new(arena, permuted_type(y.type, perm));
        permuted_copy(&y, perm, &want);
    }
    ck_assert_int_eq(got.count, want.count);
    for (int64_t i = 0; i < want.count; i++) {
        float a = ((float *)got.data)[i], b = ((float *)want.data)[i];
        ck_assert_msg(fabsf(a - b) <= 1e-5F * fmaxf(1, fabsf(b)), "%s, seed %d, element %d: %g, %g",
                      def->name, (int)seed, (int)i, (double)a, (double)b);
    }
}

static void check_permute(int i)
{
    int permuted = 0;
    for (uint64_t seed = 0; seed < 200; seed++) check_permute_once(ops[i], seed, &permuted);
    ck_assert_msg(permuted > 20, "%s: %d of 200", ops[i]->name, permuted);
}

START_TEST(permute)
{
    if (ops[_i]->permute) protect(check_permute, _i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ops");
    TCase *t = tcase_create("ops");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, descriptor, 0, NOPS);
    tcase_add_loop_test(t, samples_verify, 0, NOPS);
    tcase_add_loop_test(t, samples_as_text, 0, NOPS);
    tcase_add_loop_test(t, wrong_operand_counts, 0, NOPS);
    tcase_add_loop_test(t, odd_operands, 0, NOPS);
    tcase_add_loop_test(t, odd_attributes, 0, NOPS);
    tcase_add_loop_test(t, values, 0, NOPS);
    tcase_add_loop_test(t, permute, 0, NOPS);
    tcase_add_test(t, symbols);
    tcase_add_test(t, message_of_fc);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
