/* test_calibrate - the channels that a depthwise convolution reads, against what the samples hold.
 */
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

static void measure_channels(Fixture *f)
{
    static const float scale[CHANNELS] = {1, 0.3F, 0.05F, 0.002F};
    static Data d;
    float lo = 0, hi = 0, least[CHANNELS] = {0}, greatest[CHANNELS] = {0};
    QccRandom r;
    qcc_random_init(&r, 3);
    for (int s = 0; s < SAMPLES; s++) {
        for (int i = 0; i < ELEMENTS; i++) {
            int c = i % CHANNELS;
            float x = d.x[s][i] = qcc_random_f32(&r, -4, 1) * scale[c];
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
    const char yaml[] = "qcc: 1\npasses: [calibrate: {report: true}]\n";
    QccPipeline *p;
    QccPassRun run = {
        .open_data = open_data, .data_user = &d, .stats = true, .print = keep, .print_user = &d};
    ck_assert_int_eq(qcc_pipeline_parse(&p, qcc_pass_registry_new(f->arena), f->ir, f->arena,
                                        "p.yaml", yaml, sizeof yaml - 1, NULL, m->graph),
                     QCC_OK);
    ck_assert_int_eq(qcc_pipeline_run(p, m, &run), QCC_OK);
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

int main(void)
{
    Suite *suite = suite_create("calibrate");
    TCase *tc = tcase_create("calibrate");
    tcase_add_test(tc, channels_of_depthwise_inputs);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
