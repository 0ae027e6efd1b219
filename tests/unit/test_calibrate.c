/* test_calibrate - channels: those that a depthwise convolution reads, and the means that biases
 * are corrected by, against what the samples hold. */
#include <math.h>
#include <stdlib.h>

#include "ir/base/random.h"
#include "passes/manager.h"
#include "tests/unit/ir_test.h"

enum { SAMPLES = 7, PIXELS = 9, CHANNELS = 4, ELEMENTS = PIXELS * CHANNELS };

static const char graph[] = "qir 1\n"
                            "graph @g(%x: f32[1,3,3,4]) {\n"
                            "  %w = const [1,1,1,1] : f32[4,1,1,1]\n"
                            "  %v = const [1,1,1,1] : f32[1,1,1,4]\n"
                            "  %d = conv2d %x, %w {groups: 4} : f32[1,3,3,4]\n"
                            "  %c = conv2d %x, %v : f32[1,3,3,1]\n"
                            "  return %d, %c\n"
                            "}\n";

typedef struct Data {
    QccDataset set;
    float x[SAMPLES][ELEMENTS];
    char printed[2048];
} Data;

static QccStatus read_sample(void *self, int64_t index, const QccTensor *out)
{
    Data *d = self;
    memcpy(out[0].data, d->x[index], sizeof d->x[index]);
    return QCC_OK;
}

static QccStatus open_data(void *user, QccDataset **data, const QccGraph *g)
{
    Data *d = user;
    (void)g;
    d->set = (QccDataset){.self = d, .count = SAMPLES, .read = read_sample};
    *data = &d->set;
    return QCC_OK;
}

static bool keep(void *user, const void *bytes, size_t size)
{
    Data *d = user;
    size_t n = strlen(d->printed);
    snprintf(d->printed + n, sizeof d->printed - n, "%.*s", (int)size, (const char *)bytes);
    return true;
}

static void fill(Data *d)
{
    static const float scale[CHANNELS] = {1, 0.3F, 0.05F, 0.002F};
    QccRandom r;
    qcc_random_init(&r, 3);
    for (int i = 0; i < SAMPLES * ELEMENTS; i++)
        d->x[i / ELEMENTS][i % ELEMENTS] = qcc_random_f32(&r, -4, 1) * scale[i % CHANNELS];
}

static void run_over(Fixture *f, Data *d, QccModule *m, const char *yaml)
{
    QccPipeline *p;
    QccPassRun run = {
        .open_data = open_data, .data_user = d, .stats = true, .print = keep, .print_user = d};
    ck_assert_int_eq(qcc_pipeline_parse(&p, qcc_pass_registry_new(f->arena), f->ir, f->arena,
                                        "p.yaml", yaml, (int64_t)strlen(yaml), NULL, m->graph),
                     QCC_OK);
    ck_assert_msg(qcc_pipeline_run(p, m, &run) == QCC_OK, "%s", f->said);
}

static void measure_channels(Fixture *f)
{
    static Data d;
    float lo = 0, hi = 0, least[CHANNELS] = {0}, greatest[CHANNELS] = {0};
    fill(&d);
    for (int s = 0; s < SAMPLES; s++) {
        for (int i = 0; i < ELEMENTS; i++) {
            int c = i % CHANNELS;
            float x = d.x[s][i];
            lo = fminf(lo, x);
            hi = fmaxf(hi, x);
            least[c] = fminf(least[c], x);
            greatest[c] = fmaxf(greatest[c], x);
        }
    }
    int narrow = 0;
    for (int c = 0; c < CHANNELS; c++) narrow += (greatest[c] - least[c]) * 8 < hi - lo;
    ck_assert_int_eq(narrow, 2);

    QccModule *m = parse_text(f, graph);
    run_over(f, &d, m, "qcc: 1\npasses: [calibrate: {report: true}]\n");
    ck_assert_str_eq(d.printed,
                     "         3  calibrate: values\n"
                     "         1  calibrate: inputs of depthwise convolutions\n"
                     "         4  calibrate: channels of these\n"
                     "         2  calibrate: channels with less than 1/8 of the range\n");
    char note[256];
    snprintf(note, sizeof note,
             "t.qir:5:8: note: calibrate: 2 of the 4 channels of %%x take less than 1/8 of its "
             "range; channel 3 takes %.3g of 256 steps\n",
             (double)(greatest[3] - least[3]) / (double)(hi - lo) * 255);
    ck_assert_str_eq(f->said, note);
    /* For analysis alone: the range is that of the whole. */
    ck_assert(m->graph->param[0]->lo == lo && m->graph->param[0]->hi == hi);
}

START_TEST(channels_of_depthwise_inputs)
{
    with_ir(measure_channels);
}
END_TEST

/* Two groups of two channels; no weight but the largest of a group is a multiple of its scale. */
static const char biases[] = "qir 1\n"
                             "graph @g(%x: f32[1,3,3,4]) {\n"
                             "  %w = const [1, 0.3337, 0.25, -0.5021] : f32[2,1,1,2]\n"
                             "  %v = const [0.9, 0.111, 0.222, 0.333] : f32[1,4]\n"
                             "  %b = const [0.125] : f32[1]\n"
                             "  %c = conv2d %x, %w {groups: 2} : f32[1,3,3,2]\n"
                             "  %d = fc %x, %v, %b : f32[1,3,3,1]\n"
                             "  return %c, %d\n"
                             "}\n";

/* What `largest` / 127 as a scale makes of w. */
static double error_of(double w, double largest)
{
    double scale = largest / 127;
    return rint(w / scale) * scale - w;
}

static void expect_bias(const QccValue *bias, int i, double want)
{
    const QccBlob *blob = qcc_value_const(bias);
    ck_assert(blob && blob->dtype == QCC_I32 && i < blob->dim[0]);
    double step = (double)((const float *)bias->type->quant->scale->data)[i];
    double got = ((const int32_t *)blob->data)[i] * step;
    ck_assert_msg(fabs(got - want) <= 0.51 * step, "bias %d is %g, not %g; a step is %g", i, got,
                  want, step);
}

static void correct_biases(Fixture *f)
{
    static Data d;
    double mean[CHANNELS] = {0};
    fill(&d);
    for (int i = 0; i < SAMPLES * ELEMENTS; i++)
        mean[i % CHANNELS] += (double)d.x[i / ELEMENTS][i % ELEMENTS] / (SAMPLES * PIXELS);
    QccModule *m = parse_text(f, biases);
    run_over(f, &d, m, "qcc: 1\npasses: [calibrate, quantize: {bias: corrected}]\n");
    const QccOp *conv = qcc_graph_result(m->graph, 0)->def, *fc = conv->next;
    while (strcmp(fc->def->name, "fc") != 0) fc = fc->next;
    ck_assert_int_eq(conv->nin, 3);
    expect_bias(conv->in[2].value, 0, -error_of(0.3337, 1) * mean[1]);
    expect_bias(conv->in[2].value, 1, -error_of(0.25, 0.5021) * mean[2]);
    expect_bias(fc->in[2].value, 0,
                0.125 - error_of(0.111, 0.9) * mean[1] - error_of(0.222, 0.9) * mean[2] -
                    error_of(0.333, 0.9) * mean[3]);

    m = parse_text(f, biases);
    run_over(f, &d, m, "qcc: 1\npasses: [calibrate, quantize]\n");
    conv = qcc_graph_result(m->graph, 0)->def;
    ck_assert_int_eq(conv->nin, 2);
}

static void refuse_odd_samples(Fixture *f)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    static const char *const word[] = {"nan", "inf", "-inf"};
    for (int i = 0; i < 3; i++) {
        static Data d;
        fill(&d);
        d.x[4][ELEMENTS - 1] = odd[i];
        QccModule *m = parse_text(f, graph);
        QccPipeline *p;
        const char yaml[] = "qcc: 1\npasses:\n  - calibrate\n";
        char want[200];
        QccPassRun run = {.open_data = open_data, .data_user = &d};
        ck_assert_int_eq(qcc_pipeline_parse(&p, qcc_pass_registry_new(f->arena), f->ir, f->arena,
                                            "p.yaml", yaml, sizeof yaml - 1, NULL, m->graph),
                         QCC_OK);
        f->said[0] = '\0';
        ck_assert_int_eq(qcc_pipeline_run(p, m, &run), QCC_ERROR_INPUT);
        snprintf(want, sizeof want,
                 "p.yaml:3:5: error: sample 4 of the calibration data has %s in %%x, which needs "
                 "finite numbers\n",
                 word[i]);
        ck_assert_str_eq(f->said, want);
    }
}

START_TEST(samples_are_finite)
{
    with_ir(refuse_odd_samples);
}
END_TEST

START_TEST(biases_are_corrected)
{
    with_ir(correct_biases);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("calibrate");
    TCase *tc = tcase_create("calibrate");
    tcase_add_test(tc, channels_of_depthwise_inputs);
    tcase_add_test(tc, biases_are_corrected);
    tcase_add_test(tc, samples_are_finite);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
