/* dataset - opens a DATA.yaml, random data or a module's own samples; puts samples into a module.
 */
#include "frontend/data.h"
#include "frontend/frontend.h"
#include "ir/base/random.h"
#include "ir/elements.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- DATA.yaml ---------------------------------------------------------------------------- */

static bool is_image_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name &&
           (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

typedef struct Folder {
    DIR *dir;
} Folder;

static void close_folder(void *user)
{
    Folder *f = user;
    if (f->dir) closedir(f->dir);
    f->dir = NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static QccStatus list_images(const char ***out, int64_t *count, QccArena *arena, QccDiags *d,
                             const char *folder)
{
    QccLoc loc = {.file = folder};
    Folder *f = QCC_NEW(arena, Folder);
    qcc_arena_defer(arena, close_folder, f);
    f->dir = opendir(folder);
    if (!f->dir) {
        return qcc_fail(d, QCC_ERROR_IO, loc, "cannot be opened: %s", strerror(errno));
    }
    const char **path = NULL;
    int64_t n = 0, cap = 0;
    for (struct dirent *e; (e = readdir(f->dir));) {
        if (!is_image_name(e->d_name)) continue;
        path = qcc_grow(arena, path, n, &cap, sizeof *path);
        path[n++] = qcc_sprintf(arena, "%s/%s", folder, e->d_name);
    }
    close_folder(f);
    if (!n) return qcc_error(d, loc, "has no .jpg, .jpeg or .png");
    qsort(path, (size_t)n, sizeof *path, by_text);
    *out = path;
    *count = n;
    return QCC_OK;
}

static QccSource *find_source(QccSamples *s, const char *name)
{
    for (int i = 0; i < s->nsource; i++) {
        if (!name || !strcmp(s->source[i].param->name, name)) return &s->source[i];
    }
    return NULL;
}

static const char *names_of_inputs(const QccSamples *s)
{
    QccBuf names;
    qcc_buf_init(&names, s->arena);
    for (int i = 0; i < s->nsource; i++)
        qcc_buf_printf(&names, "%s'%s'", i ? ", " : "", s->source[i].param->name);
    return names.data ? names.data : "none";
}

static QccStatus open_tensors(QccSamples *s, const QccDataSpec *spec, QccLoc loc, int64_t *total)
{
    QccDiags *d = &s->ir->diags;
    if (spec->ntensor != s->nsource) {
        return qcc_error(d, loc, "has %lld tensors, the model has %d inputs",
                         (long long)spec->ntensor, s->nsource);
    }
    for (int64_t i = 0; i < spec->ntensor; i++) {
        QccSource *source = find_source(s, spec->tensor[i].name);
        if (!source)
            return qcc_error(d, loc, "the model has no input '%s', only %s", spec->tensor[i].name,
                             names_of_inputs(s));
        QCC_TRY(qcc_npy_load(&source->rows, s->ir, s->arena, spec->tensor[i].path));
        QccLoc file = {.file = spec->tensor[i].path};
        QCC_TRY(qcc_source_fit(source, s->arena, d, file));
        int64_t rows = source->rows->dim[0];
        if (i && rows != *total) {
            return qcc_error(d, file, "has %lld samples, the others %lld", (long long)rows,
                             (long long)*total);
        }
        *total = rows;
    }
    return QCC_OK;
}

static QccStatus open_images(QccSamples *s, const QccDataSpec *spec, QccLoc loc, int64_t *total)
{
    if (s->nsource != 1) {
        return qcc_error(&s->ir->diags, loc, "images serve a model of one input, this has %d",
                         s->nsource);
    }
    QccSource *source = &s->source[0];
    QCC_TRY(list_images(&source->path, total, s->arena, &s->ir->diags, spec->images));
    return qcc_source_fit(source, s->arena, &s->ir->diags, loc);
}

static void make_sources(QccSamples *s, const QccGraph *g, const QccPreprocess *p)
{
    s->nsource = g->nparam;
    s->source = QCC_NEW_ARRAY(s->arena, g->nparam, QccSource);
    for (int i = 0; i < g->nparam; i++) {
        s->source[i].param = g->param[i];
        s->source[i].preprocess = *p;
    }
}

/* The data itself where its description is wanted is what is given most often by mistake. */
static QccStatus open_description(const void **text, int64_t *size, QccSamples *s)
{
    struct stat info;
    QccDiags *d = &s->ir->diags;
    QccLoc loc = {.file = s->file};
    const char *key = "images";
    if (stat(s->file, &info) || !S_ISDIR(info.st_mode)) {
        QCC_TRY(qcc_map_file(s->arena, d, s->file, text, size));
        if (!qcc_array_is(*text, *size)) return QCC_OK;
        key = "tensors";
    }
    QccStatus status = qcc_error(d, loc, "is data, wanted a DATA.yaml that describes it");
    qcc_note(d, loc, "its first line would be '%s: %s'", key, s->file);
    return status;
}

QccStatus qcc_samples_open(QccSamples **out, QccIr *ir, QccArena *arena, const char *path,
                           const QccGraph *g)
{
    QccSamples *s = *out = QCC_NEW(arena, QccSamples);
    *s = (QccSamples){.ir = ir, .arena = arena, .file = qcc_strdup(arena, path)};
    QccLoc loc = {.file = s->file};
    const void *text;
    int64_t size, total = 0;
    QccDataSpec *spec = QCC_NEW(arena, QccDataSpec);
    QCC_TRY(open_description(&text, &size, s));
    QCC_TRY(qcc_data_parse(spec, arena, &ir->diags, s->file, text, size));
    make_sources(s, g, &spec->preprocess);
    if (spec->images) {
        QCC_TRY(open_images(s, spec, loc, &total));
    } else {
        QCC_TRY(open_tensors(s, spec, loc, &total));
    }
    int64_t last = spec->last < 0 ? total - 1 : spec->last;
    if (spec->first > last || last >= total) {
        return qcc_error(&ir->diags, loc, "has a range up to %lld of %lld samples",
                         (long long)(last < spec->first ? spec->first : last), (long long)total);
    }
    s->first = spec->first;
    s->count = last - spec->first + 1;
    if (!spec->labels) return QCC_OK;
    int64_t *label;
    QCC_TRY(qcc_labels_load(&label, ir, arena, spec->labels, s->source[0].path, total));
    s->label = label + s->first;
    for (int64_t i = 0; i < s->count; i++) {
        if (s->label[i] + spec->label_offset < 0) {
            return qcc_error(&ir->diags, loc, "sample %lld has a negative class",
                             (long long)(s->first + i));
        }
        s->label[i] += spec->label_offset;
    }
    return QCC_OK;
}

/* ---- the dataset's functions -------------------------------------------------------------- */

static QccStatus read_sample(void *self, int64_t index, const QccTensor *in)
{
    const QccSamples *s = self;
    QccLoc loc = {.file = s->file};
    QccStatus status = QCC_OK;
    QccArena *scratch = qcc_arena_sub(s->arena);
    for (int i = 0; i < s->nsource && status == QCC_OK; i++) {
        const void *raw;
        status =
            qcc_source_read(&raw, &s->source[i], scratch, &s->ir->diags, loc, s->first + index);
        if (status != QCC_OK) break;
        status = qcc_source_convert(&s->source[i], &s->ir->diags, loc, raw, &in[i]);
    }
    qcc_arena_free(scratch);
    return status;
}

static int64_t read_label(void *self, int64_t index)
{
    const QccSamples *s = self;
    return s->label ? s->label[index] : -1;
}

static void close_nothing(void *self)
{
    (void)self; /* everything hangs on the arena */
}

static QccDataset *make_dataset(QccSamples *s)
{
    QccDataset *set = QCC_NEW(s->arena, QccDataset);
    *set = (QccDataset){.self = s,
                        .count = s->count,
                        .read = read_sample,
                        .label = read_label,
                        .close = close_nothing};
    return set;
}

/* ---- random:N ----------------------------------------------------------------------------- */

static void fill_random(QccRandom *r, const QccTensor *t)
{
    if (qcc_dtype_is_float(t->type->dtype)) {
        for (int64_t i = 0; i < t->count; i++) {
            float sum = -6; /* of 12 uniform numbers: nearly normal, equal everywhere */
            for (int k = 0; k < 12; k++) sum += qcc_random_f32(r, 0, 1);
            qcc_store_real(t->data, t->type->dtype, i, sum);
        }
        return;
    }
    /* Wide integers are mostly indices: small ones. */
    int64_t lo, hi;
    qcc_dtype_range(t->type->dtype, &lo, &hi);
    if (qcc_dtype_bits(t->type->dtype) > 8) lo = 0, hi = 127;
    if (t->type->dtype == QCC_BOOL) lo = 0, hi = 1;
    int bits = qcc_dtype_bits(t->type->dtype);
    for (int64_t i = 0; i < (bits < 8 ? (t->count + 1) / 2 : t->count); i++) {
        int64_t v = bits < 8 ? qcc_random_range(r, 0, 255) : qcc_random_range(r, lo, hi);
        size_t bytes = bits < 8 ? 1 : (size_t)bits / 8;
        memcpy((char *)t->data + (size_t)i * bytes, &v, bytes);
    }
}

static QccStatus read_random(void *self, int64_t index, const QccTensor *in)
{
    const QccSamples *s = self;
    QccRandom r;
    qcc_random_init(&r, (uint64_t)index);
    for (int i = 0; i < s->nsource; i++) fill_random(&r, &in[i]);
    return QCC_OK;
}

static QccStatus open_random(QccDataset **out, QccIr *ir, QccArena *arena, const char *spec,
                             const QccGraph *g)
{
    QccLoc loc = {.file = qcc_strdup(arena, spec)};
    const char *number = strchr(spec, ':') + 1, *end = number + strlen(number);
    QccSamples *s = QCC_NEW(arena, QccSamples);
    *s = (QccSamples){.ir = ir, .arena = arena, .file = loc.file};
    QccPreprocess none = {.scale = 1};
    make_sources(s, g, &none);
    if (number == end || qcc_read_i64(&s->count, number, end) != end || s->count < 1) {
        return qcc_fail(&ir->diags, QCC_ERROR_USAGE, loc, "wanted random:N with N at least 1");
    }
    qcc_warn(&ir->diags, loc, "random numbers stand for data: accuracy means nothing");
    *out = make_dataset(s);
    (*out)->random = true;
    (*out)->read = read_random;
    return QCC_OK;
}

/* ---- entries ------------------------------------------------------------------------------ */

static bool is_random(const char *spec)
{
    return !strncmp(spec, "random:", 7);
}

QccStatus qcc_dataset_open(QccDataset **out, QccIr *ir, QccArena *arena, const char *spec,
                           const QccGraph *g)
{
    if (is_random(spec)) return open_random(out, ir, arena, spec, g);
    QccSamples *s;
    QCC_TRY(qcc_samples_open(&s, ir, arena, spec, g));
    *out = make_dataset(s);
    return QCC_OK;
}

QccStatus qcc_dataset_of_module(QccDataset **out, QccArena *arena, const QccModule *m)
{
    if (!m->nsamples || !m->samples) return QCC_ERROR_USAGE;
    QccIr *ir = m->graph->ir;
    QccLoc loc = {.file = "the model's samples"};
    QccPreprocess p = {.scale = 1};
    if (m->preprocess) {
        QCC_TRY(qcc_preprocess_parse(&p, arena, &ir->diags, loc.file, m->preprocess,
                                     (int64_t)strlen(m->preprocess)));
    }
    /* Stored samples are cut and in place already. */
    p.resize = p.crop = 0;
    p.channels = QCC_CHANNELS_RGB;
    QccSamples *s = QCC_NEW(arena, QccSamples);
    *s = (QccSamples){.ir = ir, .arena = arena, .file = loc.file};
    make_sources(s, m->graph, &p);
    if (m->nsamples != s->nsource) {
        return qcc_error(&ir->diags, loc, "serve %d inputs, the graph has %d", m->nsamples,
                         s->nsource);
    }
    for (int i = 0; i < s->nsource; i++) {
        s->source[i].rows = m->samples[i];
        QCC_TRY(qcc_source_fit(&s->source[i], arena, &ir->diags, loc));
        int64_t rows = m->samples[i]->dim[0];
        if (rows < 1 || (i && rows != s->count)) {
            return qcc_error(&ir->diags, loc, "differ in number between inputs, or there are none");
        }
        s->count = rows;
    }
    if (m->labels) {
        const QccBlob *b = m->labels;
        if (b->dtype != QCC_I64 || b->rank != 1 || b->dim[0] != s->count) {
            return qcc_error(&ir->diags, loc, "have labels that do not fit");
        }
        s->label = QCC_NEW_ARRAY(arena, s->count, int64_t);
        memcpy(s->label, b->data, (size_t)s->count * sizeof(int64_t));
    }
    *out = make_dataset(s);
    return QCC_OK;
}

QccStatus qcc_module_embed(QccModule *m, QccIr *ir, QccArena *arena, const char *spec, int64_t n)
{
    QccLoc loc = {.file = spec};
    if (is_random(spec)) {
        return qcc_fail(&ir->diags, QCC_ERROR_USAGE, loc, "random data is not put into a model");
    }
    if (n < 1) return qcc_fail(&ir->diags, QCC_ERROR_USAGE, loc, "wanted at least one sample");
    /* What is open while reading goes at the end; the module keeps copies. */
    QccArena *work = qcc_arena_sub(arena);
    QccSamples *s;
    QccStatus status = qcc_samples_open(&s, ir, work, spec, m->graph);
    if (status == QCC_OK && s->count < n) n = s->count;
    const QccBlob **samples = QCC_NEW_ARRAY(arena, m->graph->nparam, const QccBlob *);
    for (int i = 0; status == QCC_OK && i < s->nsource; i++) {
        const QccSource *source = &s->source[i];
        int64_t dim[QCC_MAX_RANK] = {n}, bytes = qcc_dtype_size(source->dtype, source->count);
        memcpy(dim + 1, source->dim, (size_t)source->rank * sizeof *dim);
        char *data = qcc_alloc_array(arena, n, (size_t)bytes);
        for (int64_t k = 0; status == QCC_OK && k < n; k++) {
            const void *raw;
            QccArena *scratch = qcc_arena_sub(work);
            status = qcc_source_read(&raw, source, scratch, &ir->diags, loc, s->first + k);
            if (status == QCC_OK) memcpy(data + k * bytes, raw, (size_t)bytes);
            qcc_arena_free(scratch);
        }
        if (status != QCC_OK) break;
        samples[i] = qcc_blob(arena, source->dtype, source->rank + 1, dim, data, false);
    }
    if (status == QCC_OK) {
        m->samples = samples;
        m->nsamples = s->nsource;
        m->preprocess = qcc_preprocess_print(arena, &s->source[0].preprocess);
        m->labels = s->label ? qcc_blob(arena, QCC_I64, 1, &n, s->label, true) : NULL;
    }
    qcc_arena_free(work);
    return status;
}
