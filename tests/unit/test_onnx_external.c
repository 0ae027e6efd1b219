/* test_onnx_external - data of tensors in other files: places that are taken, places that are not,
 * and more than 2 GiB of it. */
#define _GNU_SOURCE /* mkdtemp, nftw */
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ir/interp.h"
#include "ir/model_bin.h"
#include "onnx_model.h"

enum { FLOAT = 1, U8 = 2, I64 = 7 };

/* A folder for one test. */
static const char *make_folder(Fixture *f)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = qcc_sprintf(f->arena, "%s/qcc-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static void remove_folder(const char *folder)
{
    ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *in(Fixture *f, const char *folder, const char *name)
{
    return qcc_sprintf(f->arena, "%s/%s", folder, name);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void add_entry(Fixture *f, Onnx__TensorProto *t, const char *key, const char *value)
{
    if (!t->external_data)
        t->external_data = QCC_NEW_ARRAY(f->arena, 8, Onnx__StringStringEntryProto *);
    Onnx__StringStringEntryProto *e = QCC_NEW(f->arena, Onnx__StringStringEntryProto);
    *e = (Onnx__StringStringEntryProto)ONNX__STRING_STRING_ENTRY_PROTO__INIT;
    e->key = qcc_strdup(f->arena, key);
    e->value = qcc_strdup(f->arena, value);
    t->external_data[t->n_external_data++] = e;
    t->has_data_location = true;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

/* y = x + w, w f32[3] lying at `location`; other entries: NULL, "", or a value. */
static ModelGraph *sum(Fixture *f, const char *location, const char *offset, const char *length)
{
    const int64_t three = 3;
    ModelGraph *g = model_graph(f);
    model_input(f, g, "x");
    model_output(f, g, "y");
    model_add(f, g, "Add", "x w", "y");
    Onnx__TensorProto *t = model_initializer(f, g, "w", FLOAT, 1, &three);
    if (location) add_entry(f, t, "location", location);
    if (offset) add_entry(f, t, "offset", offset);
    if (length) add_entry(f, t, "length", length);
    add_entry(f, t, "checksum", "0000");
    return g;
}

static QccStatus import(Fixture *f, QccModule **m, ModelGraph *g, const char *path)
{
    int64_t size;
    const void *bytes = model_pack(f, g, NULL, 0, &size);
    f->said[0] = 0;
    return qcc_import(m, f->ir, f->arena, "m.onnx", path, bytes, size, NULL, 0);
}

static const float *weights(Fixture *f, ModelGraph *g, const char *path)
{
    QccModule *m;
    ck_assert_msg(import(f, &m, g, path) == QCC_OK, "%s", f->said);
    const QccValue *w = qcc_op_in(qcc_graph_result(m->graph, 0)->def, 1);
    ck_assert_str_eq(w->name, "w");
    return qcc_value_const(w)->data;
}

static const float data[] = {1, 2, 3, 4, 5};

static void places(Fixture *f)
{
    const char *folder = make_folder(f), *model = in(f, folder, "m.onnx");
    write_file(model, "", 0);
    write_file(in(f, folder, "w.bin"), data, sizeof data);
    ck_assert_int_eq(mkdir(in(f, folder, "sub"), 0700), 0);
    ck_assert_int_eq(symlink("../w.bin", in(f, folder, "sub/link")), 0);
    ck_assert_float_eq(weights(f, sum(f, "w.bin", NULL, "12"), model)[2], 3);
    ck_assert_float_eq(weights(f, sum(f, "w.bin", "4", "12"), model)[0], 2);
    ck_assert_float_eq(weights(f, sum(f, "./w.bin", "8", NULL), model)[2], 5);
    ck_assert_float_eq(weights(f, sum(f, "w.bin", NULL, NULL), model)[2], 3);
    ck_assert_float_eq(weights(f, sum(f, "sub/link", "0", "12"), model)[1], 2);

    /* Two tensors of one file, used where it is mapped; of an odd offset, copied. */
    const int64_t two = 2;
    ModelGraph *g = sum(f, "w.bin", "4", "12");
    model_add(f, g, "Neg", "v", "z");
    model_output(f, g, "z");
    Onnx__TensorProto *v = model_initializer(f, g, "v", FLOAT, 1, &two);
    add_entry(f, v, "location", "w.bin");
    QccModule *m;
    ck_assert_msg(import(f, &m, g, model) == QCC_OK, "%s", f->said);
    const QccValue *w = qcc_op_in(qcc_graph_result(m->graph, 0)->def, 1);
    const QccValue *other = qcc_op_in(qcc_graph_result(m->graph, 1)->def, 0);
    ck_assert_ptr_eq(qcc_value_const(w)->data, (const float *)qcc_value_const(other)->data + 1);
    ck_assert_uint_ne((uintptr_t)weights(f, sum(f, "w.bin", "3", "12"), model) % 4, 3);

    /* A model and its data that are links side by side, as in caches of downloads. */
    ck_assert_int_eq(mkdir(in(f, folder, "store"), 0700), 0);
    ck_assert_int_eq(mkdir(in(f, folder, "view"), 0700), 0);
    write_file(in(f, folder, "store/1"), "", 0);
    write_file(in(f, folder, "store/2"), data, sizeof data);
    ck_assert_int_eq(symlink("../store/1", in(f, folder, "view/m.onnx")), 0);
    ck_assert_int_eq(symlink("../store/2", in(f, folder, "view/w.bin")), 0);
    const float *seen = weights(f, sum(f, "w.bin", "0", "12"), in(f, folder, "view/m.onnx"));
    ck_assert_float_eq(seen[2], 3);
    remove_folder(folder);
}

START_TEST(test_places)
{
    with_ir(places);
}
END_TEST

/* As applications open it: by its path the data is found, from memory it is not. */
static void opened(Fixture *f)
{
    const char *folder = make_folder(f), *path = in(f, folder, "m.onnx");
    int64_t size;
    const void *bytes = model_pack(f, sum(f, "w.bin", "8", NULL), NULL, 0, &size);
    write_file(path, bytes, (size_t)size);
    write_file(in(f, folder, "w.bin"), data, sizeof data);
    QccContext *context;
    QccModel *model;
    ck_assert_int_eq(qcc_context_new(&context, NULL), QCC_OK);
    ck_assert_int_eq(qcc_model_open(&model, context, path), QCC_OK);
    ck_assert_int_eq(qcc_model_save(model, in(f, folder, "m.bin")), QCC_OK);
    qcc_model_free(model);
    ck_assert_int_eq(unlink(in(f, folder, "w.bin")), 0);
    ck_assert_int_eq(qcc_model_open(&model, context, in(f, folder, "m.bin")), QCC_OK);
    qcc_model_free(model);
    ck_assert_int_eq(qcc_model_open(&model, context, path), QCC_ERROR_IO);
    QccStatus status = qcc_model_from_memory(&model, context, path, bytes, (size_t)size);
    ck_assert_int_eq(status, QCC_ERROR_UNSUPPORTED);
    qcc_context_free(context);
    remove_folder(folder);
}

START_TEST(test_opened)
{
    with_ir(opened);
}
END_TEST

static void refused(Fixture *f)
{
    const char *folder = make_folder(f), *model = in(f, folder, "a/m.onnx");
    ck_assert_int_eq(mkdir(in(f, folder, "a"), 0700), 0);
    ck_assert_int_eq(mkdir(in(f, folder, "a/dir"), 0700), 0);
    ck_assert_int_eq(mkfifo(in(f, folder, "a/pipe"), 0600), 0);
    write_file(model, "", 0);
    write_file(in(f, folder, "outside"), data, sizeof data);
    write_file(in(f, folder, "a/w"), data, sizeof data);
    write_file(in(f, folder, "a/none"), data, 0);
    ck_assert_int_eq(symlink("../outside", in(f, folder, "a/out")), 0);
    ck_assert_int_eq(symlink("..", in(f, folder, "a/up")), 0);
    const struct {
        const char *location, *offset, *length, *says;
        QccStatus status;
    } cases[] = {
        {in(f, folder, "a/w"), "0", "12", "wanted a file in the model's folder", QCC_ERROR_INPUT},
        {"../outside", "0", "12", "wanted a file in the model's folder", QCC_ERROR_INPUT},
        {"dir/../../outside", "0", "12", "wanted a file in the model's", QCC_ERROR_INPUT},
        {"..", "0", "12", "wanted a file in the model's folder", QCC_ERROR_INPUT},
        {"out", "0", "12", "lies outside of the model's folder", QCC_ERROR_INPUT},
        {"up/outside", "0", "12", "lies outside of the model's folder", QCC_ERROR_INPUT},
        {"missing", "0", "12", "cannot be opened", QCC_ERROR_IO},
        {"dir", "0", "12", "is not a regular file", QCC_ERROR_IO},
        {"pipe", "0", "12", "is not a regular file", QCC_ERROR_IO},
        {"", "0", "12", "does not say in which file", QCC_ERROR_INPUT},
        {NULL, "0", "12", "does not say in which file", QCC_ERROR_INPUT},
        {"w", "-4", "12", "the offset of the data of initializer 'w' is '-4'", QCC_ERROR_INPUT},
        {"w", "4x", "12", "the offset of the data of initializer 'w' is '4x'", QCC_ERROR_INPUT},
        {"w", "0", "", "the length of the data of initializer 'w' is ''", QCC_ERROR_INPUT},
        {"w", "99999999999999999999", "12", "wanted a number of bytes", QCC_ERROR_INPUT},
        {"w", "9223372036854775807", "12", "wants 12 bytes from byte 9223372036854775807 on",
         QCC_ERROR_INPUT},
        {"w", "4", "9223372036854775807", "on of 'w', which has 20", QCC_ERROR_INPUT},
        {"w", "12", "12", "wants 12 bytes from byte 12 on of 'w', which has 20", QCC_ERROR_INPUT},
        {"w", "12", NULL, "wants 12 bytes from byte 12 on of 'w', which has 20", QCC_ERROR_INPUT},
        {"none", NULL, NULL, "wants 12 bytes from byte 0 on of 'none', which has 0",
         QCC_ERROR_INPUT},
        {"w", "0", "8", "has 8 bytes of data, its shape wants 12", QCC_ERROR_INPUT},
        {"w", "0", "16", "has 16 bytes of data, its shape wants 12", QCC_ERROR_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        QccModule *m;
        ModelGraph *g = sum(f, cases[i].location, cases[i].offset, cases[i].length);
        QccStatus status = import(f, &m, g, model);
        ck_assert_msg(status == cases[i].status && strstr(f->said, cases[i].says),
                      "case %zu: %d: %s", i, (int)status, f->said);
    }
    QccModule *m;
    ck_assert_int_eq(import(f, &m, sum(f, "w", "0", "12"), NULL), QCC_ERROR_UNSUPPORTED);
    ck_assert_msg(strstr(f->said, "the model was not opened from a file"), "%s", f->said);
    remove_folder(folder);
}

START_TEST(test_refused)
{
    with_ir(refused);
}
END_TEST

static bool has_room(const char *folder, int64_t bytes)
{
    struct statvfs info;
    return statvfs(folder, &info) == 0 && (int64_t)(info.f_bavail * info.f_frsize) / 2 > bytes;
}

enum { COLUMNS = 1 << 16, ROWS = (1 << 15) + 100, TAIL = 1 << 16 };

/* y = t[ROWS - 1], t lying in `path` from an offset on. */
static QccModule *import_table(Fixture *f, const char *folder, int64_t offset)
{
    const int64_t dim[] = {ROWS, COLUMNS}, last = ROWS - 1;
    ModelGraph *g = model_graph(f);
    model_output(f, g, "y");
    model_add(f, g, "Gather", "t i", "y");
    Onnx__TensorProto *t = model_initializer(f, g, "t", U8, 2, dim);
    add_entry(f, t, "location", "table");
    add_entry(f, t, "offset", qcc_sprintf(f->arena, "%lld", (long long)offset));
    model_raw(model_initializer(f, g, "i", I64, 0, NULL), &last, sizeof last);
    QccModule *m;
    ck_assert_msg(import(f, &m, g, in(f, folder, "m.onnx")) == QCC_OK, "%s", f->said);
    return m;
}

static void write_at(const char *path, int64_t offset, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseeko(file, (off_t)offset, SEEK_SET), 0);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

/* The last row of a table of more than 2 GiB that is a hole in a file: from ONNX to model.bin and
 * back. The table lies where model.bin has it, so that nothing has to be copied to make that. */
static void large(Fixture *f)
{
    const int64_t size = (int64_t)ROWS * COLUMNS;
    const char *folder = make_folder(f), *path = in(f, folder, "table");
    if (!has_room(folder, size)) {
        printf("skipped: %s has no room for %lld bytes\n", folder, (long long)size);
        return;
    }
    write_file(in(f, folder, "m.onnx"), "", 0);
    write_file(path, "", 0);
    ck_assert_int_eq(truncate(path, size + TAIL), 0);
    int n;
    const QccPiece *piece = qcc_model_bin_pieces(f->arena, import_table(f, folder, 0), &n);
    ck_assert_int_eq(piece[2].size, size);
    int64_t start = piece[0].size + piece[1].size, end = start + size;
    ck_assert_int_lt(start, TAIL);
    write_at(path, end - 4, "abcd", 4);
    piece = qcc_model_bin_pieces(f->arena, import_table(f, folder, start), &n);
    write_at(path, 0, piece[0].bytes, (size_t)piece[0].size);
    for (int i = 3; i < n; i++, end += piece[i - 1].size)
        write_at(path, end, piece[i].bytes, (size_t)piece[i].size);
    ck_assert_int_eq(truncate(path, end), 0);

    int64_t read;
    const void *bytes;
    QccModule *m;
    ck_assert_int_eq(qcc_map_file(f->arena, &f->ir->diags, path, &bytes, &read), QCC_OK);
    ck_assert_int_eq(unlink(path), 0);
    QccStatus status = qcc_import(&m, f->ir, f->arena, "m.bin", NULL, bytes, read, NULL, 0);
    ck_assert_msg(status == QCC_OK, "%s", f->said);
    const QccOp *row = NULL;
    QCC_FOR_OPS(op, m->graph)
    {
        const QccValue *x = op->nin ? qcc_op_in(op, 0) : NULL;
        if (x && qcc_value_const(x) && qcc_value_const(x)->size == size) row = op;
    }
    ck_assert_ptr_nonnull(row);
    QccTensor operand[2], y = qcc_tensor_new(f->arena, row->out[0].type);
    for (int i = 0; i < row->nin; i++) {
        const QccValue *v = qcc_op_in(row, i);
        operand[i] = qcc_tensor_view(v->type, qcc_value_const(v)->data);
    }
    ck_assert_int_eq(y.count, COLUMNS);
    ck_assert_int_eq(qcc_interp_op(row, operand, &y, f->arena), QCC_OK);
    ck_assert_int_eq(memcmp((const char *)y.data + COLUMNS - 4, "abcd", 4), 0);
    remove_folder(folder);
}

START_TEST(test_large)
{
    with_ir(large);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_external");
    TCase *tc = tcase_create("onnx_external");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_places);
    tcase_add_test(tc, test_opened);
    tcase_add_test(tc, test_refused);
    tcase_add_test(tc, test_large);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
