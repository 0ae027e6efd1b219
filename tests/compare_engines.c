/* compare_engines - every value of a program, byte for byte: the interpreter against compiled code.
 *
 *     compare_engines MODEL [--data DATA.yaml] [--samples N] [--target BUNDLE]...
 *
 * Runs real samples (when there is data), all-minimum, all-maximum and random inputs, on every
 * bundle that this machine runs (or those named), with 1, 2 and 4 threads, with every value kept
 * and again with the memory plan of production. Ends in `N values equal`, or names the first value
 * that differs, where, and how.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/random.h"
#include "runtime/context.h"

enum { MAX_TARGETS = 16, MADE_UP = 4, THREADS = 3 };

static const int thread_count[THREADS] = {1, 2, 4};

typedef struct Arguments {
    const char *model, *data;
    int64_t samples;
    int ntarget;
    const char *target[MAX_TARGETS];
} Arguments;

typedef struct Comparison {
    QccContext *context;
    QccModel *model;
    QccProgram *reference;
    QccSession *expected;
    const QccGraph *graph; /* of the reference: for the types of its parameters */
    QccArena *arena;
    QccBuffer *input, *output, *wanted;
    int64_t values, differences;
} Comparison;

static void print_diagnostic(void *user, const QccDiagnostic *d)
{
    (void)user;
    fprintf(stderr, "%s:%d:%d: %s\n", d->file ? d->file : "", d->line, d->column, d->message);
}

static void die(const char *what)
{
    fprintf(stderr, "compare_engines: %s\n", what);
    exit(1);
}

static int64_t info_bytes(const QccTensorInfo *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) n *= t->shape[i];
    return qcc_dtype_size(t->dtype, n);
}

static bool same(Comparison *c, const QccTensorInfo *t, const void *got, const void *wanted,
                 const char *where)
{
    c->values++;
    if (memcmp(got, wanted, (size_t)info_bytes(t)) == 0) return true;
    int64_t at = 0, width = qcc_dtype_bits(t->dtype) / 8, n = info_bytes(t) / width, count = 0;
    for (int64_t i = n - 1; i >= 0; i--)
        if (memcmp((const char *)got + i * width, (const char *)wanted + i * width,
                   (size_t)width) != 0) {
            at = i;
            count++;
        }
    double a = 0, b = 0;
    if (t->dtype == QCC_F32) {
        a = ((const float *)got)[at];
        b = ((const float *)wanted)[at];
    } else if (width == 1) {
        a = ((const uint8_t *)got)[at];
        b = ((const uint8_t *)wanted)[at];
    }
    if (c->differences++ < 20)
        printf("%s: %%%s (%s) differs in %lld of %lld elements, first at %lld: %.9g, wanted %.9g\n",
               where, t->name, qcc_dtype_name(t->dtype), (long long)count, (long long)n,
               (long long)at, a, b);
    return false;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

static void make_input(Comparison *c, int kind, QccRandom *random)
{
    for (int k = 0; k < c->graph->nparam; k++) {
        const QccType *t = c->graph->param[k]->type;
        int64_t n = qcc_type_count(t), lo, hi;
        qcc_dtype_range(t->dtype, &lo, &hi);
        for (int64_t i = 0; i < n; i++) {
            float f = kind == 0 ? -8 : kind == 1 ? 8 : qcc_random_f32(random, -3, 3);
            int64_t q = kind == 0 ? lo : kind == 1 ? hi : qcc_random_range(random, lo, hi);
            if (t->dtype == QCC_F32)
                ((float *)c->input[k].data)[i] = f;
            else if (qcc_dtype_bits(t->dtype) == 8)
                ((uint8_t *)c->input[k].data)[i] = (uint8_t)q;
            else
                die("inputs of this element type are not made here");
        }
    }
}

/* ---- comparing ------------------------------------------------------------------------------- */

typedef struct Engine {
    const char *name;
    QccProgram *program;
    QccSession *session[THREADS];
} Engine;

static void run(Comparison *c, QccSession *s, QccBuffer *out)
{
    int nin = qcc_program_input_count(c->reference), nout = qcc_program_output_count(c->reference);
    if (qcc_session_run(s, c->input, nin, out, nout) != QCC_OK) die("a run failed");
}

/* A constant, or a view of one. */
static bool is_constant(const QccValue *value)
{
    while (value && value->def && (value->def->def->traits & QCC_TRAIT_VIEW))
        value = value->def->in[0].value;
    return value && qcc_value_const(value);
}

/* Every value that the interpreter computes must have a place in a program with taps, and be the
 * same there. Constants need none: weights lie packed. */
static void compare_taps(Comparison *c, QccSession *s, const char *where)
{
    for (int k = 0; k < qcc_session_tap_count(c->expected); k++) {
        QccTensorInfo got, wanted;
        const void *a = NULL, *b;
        qcc_session_tap(c->expected, k, &wanted, &b);
        for (int i = 0; i < qcc_session_tap_count(s); i++) {
            qcc_session_tap(s, i, &got, &a);
            if (strcmp(got.name, wanted.name) == 0) break;
            a = NULL;
        }
        if (!a && is_constant(qcc_graph_find_value(c->graph, wanted.name))) continue;
        if (!a) {
            printf("%s: %%%s is nowhere\n", where, wanted.name);
            c->differences++;
        } else if (info_bytes(&got) != info_bytes(&wanted)) {
            die("types of one value differ");
        } else {
            same(c, &got, a, b, where);
        }
    }
}

static void compare(Comparison *c, Engine *engine, int n, const char *input)
{
    run(c, c->expected, c->wanted);
    for (int e = 0; e < n; e++)
        for (int t = 0; t < THREADS; t++) {
            QccSession *s = engine[e].session[t];
            char where[160];
            snprintf(where, sizeof where, "%s, %d threads, %s", engine[e].name, thread_count[t],
                     input);
            run(c, s, c->output);
            if (engine[e].program->taps) compare_taps(c, s, where);
            for (int i = 0; i < qcc_program_output_count(c->reference); i++) {
                QccTensorInfo info;
                qcc_program_output(c->reference, i, &info);
                same(c, &info, c->output[i].data, c->wanted[i].data, where);
            }
        }
}

static int open_engines(Comparison *c, Engine *engine, const Arguments *a)
{
    int ntarget, n = 0;
    const QccTarget *target = qcc_targets_tested(&ntarget);
    for (int i = 0; i < ntarget; i++) {
        bool wanted = a->ntarget == 0;
        for (int k = 0; k < a->ntarget; k++) wanted |= strcmp(a->target[k], target[i].name) == 0;
        if (!wanted) continue;
        if (!qcc_target_runs_here(&target[i])) {
            printf("skipped: this machine does not run %s\n", target[i].name);
            continue;
        }
        for (int taps = 0; taps < 2; taps++, n++) {
            QccProgramOptions o = {.size = sizeof o, .target = target[i].name, .taps = taps == 1};
            engine[n].name = qcc_sprintf(c->arena, "%s%s", target[i].name, taps ? " (taps)" : "");
            if (qcc_program_new(&engine[n].program, c->model, &o) != QCC_OK)
                die("does not compile");
            for (int t = 0; t < THREADS; t++) {
                QccSessionOptions s = {.size = sizeof s, .threads = thread_count[t]};
                if (qcc_session_new(&engine[n].session[t], engine[n].program, &s) != QCC_OK)
                    die("no session");
            }
        }
    }
    return n;
}

static void open_reference(Comparison *c)
{
    QccProgramOptions o = {.size = sizeof o, .interpret = true, .taps = true};
    if (qcc_program_new(&c->reference, c->model, &o) != QCC_OK) die("does not load");
    if (qcc_session_new(&c->expected, c->reference, NULL) != QCC_OK) die("no session");
    c->graph = c->reference->graph;
    int nin = qcc_program_input_count(c->reference), nout = qcc_program_output_count(c->reference);
    c->input = QCC_NEW_ARRAY(c->arena, nin, QccBuffer);
    c->output = QCC_NEW_ARRAY(c->arena, nout, QccBuffer);
    c->wanted = QCC_NEW_ARRAY(c->arena, nout, QccBuffer);
    for (int i = 0; i < nin; i++) {
        QccTensorInfo t;
        qcc_program_input(c->reference, i, &t);
        c->input[i] =
            (QccBuffer){.data = qcc_alloc(c->arena, (size_t)info_bytes(&t)), .dtype = t.dtype};
    }
    for (int i = 0; i < nout; i++) {
        QccTensorInfo t;
        qcc_program_output(c->reference, i, &t);
        c->output[i] =
            (QccBuffer){.data = qcc_alloc(c->arena, (size_t)info_bytes(&t)), .dtype = t.dtype};
        c->wanted[i] =
            (QccBuffer){.data = qcc_alloc(c->arena, (size_t)info_bytes(&t)), .dtype = t.dtype};
    }
}

static void compare_data(Comparison *c, Engine *engine, int n, const Arguments *a)
{
    QccDataset *data;
    if (c->context->facade->open_data(&data, c->context, c->arena, a->data, c->model->module,
                                      c->graph) != QCC_OK)
        die("the data cannot be opened");
    QccTensor *in = QCC_NEW_ARRAY(c->arena, c->graph->nparam, QccTensor);
    for (int k = 0; k < c->graph->nparam; k++)
        in[k] = qcc_tensor_view(c->graph->param[k]->type, c->input[k].data);
    for (int64_t i = 0; i < data->count && i < a->samples; i++) {
        if (data->read(data->self, i, in) != QCC_OK) die("a sample cannot be read");
        char name[40];
        snprintf(name, sizeof name, "sample %lld", (long long)i);
        compare(c, engine, n, name);
    }
    if (data->close) data->close(data->self);
}

static QccStatus work(void *user)
{
    void **both = user;
    Comparison *c = both[0];
    const Arguments *a = both[1];
    static const char *const made_up[MADE_UP] = {"all minimum", "all maximum", "random 1",
                                                 "random 2"};
    Engine engine[2 * MAX_TARGETS];
    memset(engine, 0, sizeof engine);
    if (qcc_model_open(&c->model, c->context, a->model) != QCC_OK) die("the model cannot be read");
    open_reference(c);
    int n = open_engines(c, engine, a);
    if (n == 0) die("no engine to compare with");
    if (a->data || c->model->module->nsamples) compare_data(c, engine, n, a);
    QccRandom random;
    qcc_random_init(&random, 1);
    for (int i = 0; i < MADE_UP; i++) {
        make_input(c, i, &random);
        compare(c, engine, n, made_up[i]);
    }
    for (int e = 0; e < n; e++) {
        for (int t = 0; t < THREADS; t++) qcc_session_free(engine[e].session[t]);
        qcc_program_free(engine[e].program);
    }
    qcc_session_free(c->expected);
    qcc_program_free(c->reference);
    qcc_model_free(c->model);
    return QCC_OK;
}

int main(int argc, char **argv)
{
    Arguments a = {.samples = 16};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--data") == 0 && more)
            a.data = argv[++i];
        else if (strcmp(argv[i], "--samples") == 0 && more)
            a.samples = atoll(argv[++i]);
        else if (strcmp(argv[i], "--target") == 0 && more && a.ntarget < MAX_TARGETS)
            a.target[a.ntarget++] = argv[++i];
        else if (argv[i][0] != '-' && !a.model)
            a.model = argv[i];
        else
            die("usage: MODEL [--data DATA.yaml] [--samples N] [--target BUNDLE]...");
    }
    if (!a.model) die("no model is given");
    Comparison c = {0};
    QccContextOptions o = {.size = sizeof o, .diagnostic = print_diagnostic};
    if (qcc_context_new(&c.context, &o) != QCC_OK) die("no context");
    c.arena = qcc_arena_new(&c.context->mem);
    if (!c.arena) die("out of memory");
    void *both[2] = {&c, &a};
    QccStatus status = qcc_guard(c.context, work, both);
    if (status != QCC_OK) die("out of memory");
    qcc_arena_free(c.arena);
    qcc_context_free(c.context);
    printf("%s: %lld values compared, %lld differ\n", a.model, (long long)c.values,
           (long long)c.differences);
    return c.differences != 0;
}
