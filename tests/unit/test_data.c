/* test_data - DATA.yaml, images as Pillow resizes them, labels, scaling, samples in a module. */
#include <math.h>
#include <stdlib.h>

#include "frontend/data.h"
#include "frontend/frontend.h"
#include "ir_test.h"

static const char *data_path(Fixture *f, const char *name)
{
    const char *source = getenv("QCC_SOURCE");
    return qcc_sprintf(f->arena, "%s/tests/data/%s", source ? source : ".", name);
}

static const QccBlob *golden(Fixture *f, const char *name)
{
    const QccBlob *blob = NULL;
    ck_assert_int_eq(qcc_npy_load(&blob, f->ir, f->arena, data_path(f, name)), QCC_OK);
    return blob;
}

static const char *const image_names[] = {"a.png", "b.png", "c.png", "d.jpg"};

/* Every byte as Pillow gives it. */
static void images(Fixture *f)
{
    const uint8_t *rgb = golden(f, "images_rgb.npy")->data;
    const uint8_t *gray = golden(f, "images_gray.npy")->data;
    for (int i = 0; i < 4; i++) {
        const char *path = data_path(f, qcc_sprintf(f->arena, "images/%s", image_names[i]));
        const void *bytes;
        int64_t size;
        QccImage image, out;
        QccPreprocess p = {.resize = 23, .crop = 20};
        QccLoc loc = {.file = path};
        qcc_map_file(f->arena, &f->ir->diags, path, &bytes, &size);
        ck_assert_int_eq(qcc_image_decode(&image, f->arena, &f->ir->diags, path, bytes, size),
                         QCC_OK);
        ck_assert_int_eq(qcc_image_prepare(&out, f->arena, &f->ir->diags, loc, &image, &p), QCC_OK);
        ck_assert(out.h == 20 && out.w == 20 && out.c == 3);
        ck_assert_msg(!memcmp(out.data, rgb + i * 1200, 1200), "%s", image_names[i]);
        p.channels = QCC_CHANNELS_GRAY;
        qcc_image_prepare(&out, f->arena, &f->ir->diags, loc, &image, &p);
        ck_assert(out.c == 1);
        ck_assert_msg(!memcmp(out.data, gray + i * 400, 400), "%s in gray", image_names[i]);
    }
}

START_TEST(test_images)
{
    with_ir(images);
}
END_TEST

static void truncated_images(Fixture *f)
{
    for (int i = 0; i < 4; i++) {
        const char *path = data_path(f, qcc_sprintf(f->arena, "images/%s", image_names[i]));
        const void *bytes;
        int64_t size;
        qcc_map_file(f->arena, &f->ir->diags, path, &bytes, &size);
        for (int64_t n = 0; n < size - 12; n += 7) { /* the last bytes hold no pixels */
            QccArena *arena = qcc_arena_sub(f->arena);
            QccImage image;
            char *part = malloc(n ? (size_t)n : 1);
            memcpy(part, bytes, (size_t)n);
            f->said[0] = 0;
            QccStatus status = qcc_image_decode(&image, arena, &f->ir->diags, path, part, n);
            ck_assert_int_eq(status, QCC_ERROR_INPUT);
            ck_assert_msg(strstr(f->said, image_names[i]), "%s", f->said);
            free(part);
            qcc_arena_free(arena);
        }
    }
}

START_TEST(test_truncated_images)
{
    with_ir(truncated_images);
}
END_TEST

static QccGraph *graph_of(Fixture *f, int rank, const int64_t *dim)
{
    QccGraph *g = qcc_graph_new(f->ir, f->arena, "g");
    QccDim d[QCC_MAX_RANK];
    for (int i = 0; i < rank; i++) d[i] = qcc_dim(dim[i]);
    d[0].sym[0] = qcc_graph_symbol(g, "N", 1, 100);
    QccValue *x = qcc_graph_add_param(g, "x", qcc_type(f->ir, QCC_F32, rank, d, NULL));
    qcc_graph_set_results(g, &x, 1);
    return g;
}

static QccTensor sample_of(Fixture *f, int rank, const int64_t *dim)
{
    return qcc_tensor_new(f->arena, qcc_type_shape(f->ir, QCC_F32, rank, dim));
}

/* BGR in NCHW, scaled by channel, from Pillow's RGB in NHWC. */
static void check_image(const QccBlob *rgb, int64_t index, const QccTensor *t)
{
    static const double mean[] = {0.25, 0.5, 0.125}, std[] = {0.5, 1, 2};
    const uint8_t *x = (const uint8_t *)rgb->data + index * 1200;
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 400; i++) {
            float want = (float)((x[3 * i + 2 - c] * (1.0 / 255) - mean[c]) / std[c]);
            ck_assert(((const float *)t->data)[c * 400 + i] == want);
        }
    }
}

static void image_set(Fixture *f)
{
    int64_t dim[] = {1, 3, 20, 20};
    QccGraph *g = graph_of(f, 4, dim);
    QccDataset *set;
    QccStatus status = qcc_dataset_open(&set, f->ir, f->arena, data_path(f, "images.yaml"), g);
    ck_assert_msg(status == QCC_OK, "%s", f->said);
    ck_assert_int_eq(set->count, 4);
    ck_assert(!set->random);
    const int64_t labels[] = {4, 8, 1, 13};
    const QccBlob *rgb = golden(f, "images_rgb.npy");
    QccTensor t = sample_of(f, 4, dim);
    for (int64_t i = 3; i >= 0; i--) {
        ck_assert_int_eq(set->label(set->self, i), labels[i]);
        ck_assert_int_eq(set->read(set->self, i, &t), QCC_OK);
        check_image(rgb, i, &t);
    }
    set->close(set->self);
}

START_TEST(test_image_set)
{
    with_ir(image_set);
}
END_TEST

/* What a module carries is u8 and gives the same samples. */
static void embedded(Fixture *f)
{
    int64_t dim[] = {1, 3, 20, 20};
    QccModule m = {.graph = graph_of(f, 4, dim)};
    QccDataset *set;
    ck_assert_int_eq(qcc_dataset_of_module(&set, f->arena, &m), QCC_ERROR_USAGE);
    QccStatus status = qcc_module_embed(&m, f->ir, f->arena, data_path(f, "images.yaml"), 3);
    ck_assert_msg(status == QCC_OK, "%s", f->said);
    ck_assert_int_eq(m.nsamples, 1);
    ck_assert(m.samples[0]->dtype == QCC_U8 && m.samples[0]->size == 3 * 1200);
    ck_assert_int_eq(qcc_dataset_of_module(&set, f->arena, &m), QCC_OK);
    ck_assert_int_eq(set->count, 3);
    ck_assert_int_eq(set->label(set->self, 1), 8);
    QccTensor t = sample_of(f, 4, dim);
    const QccBlob *rgb = golden(f, "images_rgb.npy");
    for (int64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(set->read(set->self, i, &t), QCC_OK);
        check_image(rgb, i, &t);
    }
}

START_TEST(test_embedded)
{
    with_ir(embedded);
}
END_TEST

/* digits_u8.npy counts 0, 1, ... in [5,2,3,3] (nhwc); the range begins at 1. */
static void tensor_set(Fixture *f)
{
    int64_t dim[] = {1, 3, 2, 3};
    QccDataset *set;
    QccStatus status =
        qcc_dataset_open(&set, f->ir, f->arena, data_path(f, "tensors.yaml"), graph_of(f, 4, dim));
    ck_assert_msg(status == QCC_OK, "%s", f->said);
    ck_assert_int_eq(set->count, 3);
    ck_assert_int_eq(set->label(set->self, 0), 0);
    ck_assert_int_eq(set->label(set->self, 2), 2);
    QccTensor t = sample_of(f, 4, dim);
    ck_assert_int_eq(set->read(set->self, 2, &t), QCC_OK);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 6; i++) {
            float want = (float)((3 * 18 + i * 3 + c) * 0.5 - (c + 1)) / 2;
            ck_assert(((const float *)t.data)[c * 6 + i] == want);
        }
    }
}

START_TEST(test_tensor_set)
{
    with_ir(tensor_set);
}
END_TEST

static void random_set(Fixture *f)
{
    int64_t dim[] = {1, 1000};
    QccDataset *set;
    QccGraph *g = graph_of(f, 2, dim);
    ck_assert_int_eq(qcc_dataset_open(&set, f->ir, f->arena, "random:5", g), QCC_OK);
    ck_assert(strstr(f->said, "warning: random numbers"));
    ck_assert(set->random && set->count == 5 && set->label(set->self, 0) == -1);
    QccTensor t = sample_of(f, 2, dim), again = sample_of(f, 2, dim);
    set->read(set->self, 3, &t);
    set->read(set->self, 3, &again);
    ck_assert_mem_eq(t.data, again.data, 4000);
    double sum = 0, squares = 0;
    for (int i = 0; i < 1000; i++) {
        double x = ((const float *)t.data)[i];
        sum += x;
        squares += x * x;
    }
    /* Five standard errors of mean and variance. */
    ck_assert(fabs(sum / 1000) < 0.16 && fabs(squares / 1000 - 1) < 0.23);
    static const char *const wrong[] = {"random:0", "random:", "random:x",
                                        "random:99999999999999999999"};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(qcc_dataset_open(&set, f->ir, f->arena, wrong[i], g), QCC_ERROR_USAGE);
    }
}

START_TEST(test_random_set)
{
    with_ir(random_set);
}
END_TEST

static void wrong_yaml(Fixture *f)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"images: a\nimage: b\n", "d.yaml:2:1: error: 'image' is no key"},
        {"tensors: x.npy\npreprocess: {mean: [1, b]}\n", "d.yaml:2:24: error: wanted a number"},
        {"tensors: x.npy\npreprocess: {std: 0}\n", "d.yaml:2:19: error: std must be more than 0"},
        {"tensors: x.npy\npreprocess:\n  layout: chw\n", "d.yaml:3:11: error: wanted one of nchw"},
        {"tensors: x.npy\nrange: [5, 3]\n", "d.yaml:2:12: error: wanted a whole number, 5 to"},
        {"tensors: x.npy\ntensors: y.npy\n", "d.yaml:2:1: error: 'tensors' is said twice"},
        {"labels: y.npy\n", "error: wanted one of images and tensors"},
        {"tensors: x.npy\npreprocess: {scale: 1/0}\n", "d.yaml:2:21: error: wanted a number"},
        {"tensors: [x.npy\n", "d.yaml:2:1: error:"},
        {"a: &x 1\nb: *x\n", "aliases are not read"},
        {"[[[[[[[[[[[[1]]]]]]]]]]]]", "nested deeper"},
        {"", "error: wanted one of images and tensors"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        QccDataSpec spec;
        f->said[0] = 0;
        QccStatus status = qcc_data_parse(&spec, f->arena, &f->ir->diags, "d.yaml", cases[i].text,
                                          (int64_t)strlen(cases[i].text));
        ck_assert_int_eq(status, QCC_ERROR_INPUT);
        ck_assert_msg(strstr(f->said, cases[i].says), "%s: %s", cases[i].text, f->said);
    }
}

START_TEST(test_wrong_yaml)
{
    with_ir(wrong_yaml);
}
END_TEST

static void misfits(Fixture *f)
{
    QccDataset *set;
    int64_t wrong_size[] = {1, 3, 24, 24}, wrong_rank[] = {1, 18};
    ck_assert_int_eq(qcc_dataset_open(&set, f->ir, f->arena, data_path(f, "images.yaml"),
                                      graph_of(f, 4, wrong_size)),
                     QCC_ERROR_INPUT);
    ck_assert_msg(strstr(f->said, "[20,20,3] (nhwc), but input 'x' is f32[N,3,24,24]"), "%s",
                  f->said);
    ck_assert_int_eq(qcc_dataset_open(&set, f->ir, f->arena, data_path(f, "tensors.yaml"),
                                      graph_of(f, 2, wrong_rank)),
                     QCC_ERROR_INPUT);
    ck_assert_msg(strstr(f->said, "samples of [2,3,3]"), "%s", f->said);
    ck_assert_int_eq(qcc_dataset_open(&set, f->ir, f->arena, data_path(f, "absent.yaml"),
                                      graph_of(f, 2, wrong_rank)),
                     QCC_ERROR_IO);
}

START_TEST(test_misfits)
{
    with_ir(misfits);
}
END_TEST

static void preprocess_text(Fixture *f)
{
    QccPreprocess p = {.resize = 256,
                       .crop = 224,
                       .channels = QCC_CHANNELS_BGR,
                       .layout = QCC_LAYOUT_NHWC,
                       .scale = 1.0 / 255,
                       .nmean = 3,
                       .mean = {0.485, 0.456, 0.406},
                       .nstd = 1,
                       .std = {0.1}};
    const char *text = qcc_preprocess_print(f->arena, &p);
    QccPreprocess q;
    QccStatus status =
        qcc_preprocess_parse(&q, f->arena, &f->ir->diags, "p", text, (int64_t)strlen(text));
    ck_assert_msg(status == QCC_OK, "%s %s", text, f->said);
    ck_assert_mem_eq(&p, &q, sizeof p);
}

START_TEST(test_preprocess_text)
{
    with_ir(preprocess_text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data");
    TCase *tc = tcase_create("data");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_images);
    tcase_add_test(tc, test_truncated_images);
    tcase_add_test(tc, test_image_set);
    tcase_add_test(tc, test_embedded);
    tcase_add_test(tc, test_tensor_set);
    tcase_add_test(tc, test_random_set);
    tcase_add_test(tc, test_wrong_yaml);
    tcase_add_test(tc, test_misfits);
    tcase_add_test(tc, test_preprocess_text);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
