/* data_yaml - DATA.yaml: a small tree from libyaml's events, then the keys, with located errors. */
#include "frontend/data.h"

#include <math.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH = 6, NODES = 10000 };

typedef enum Kind { SCALAR, LIST, MAP } Kind;

typedef struct Node {
    Kind kind;
    const char *text; /* of a scalar, and its length */
    int64_t length;
    int line, col;
    struct Node *key;          /* of a map's entry */
    struct Node *child, *last; /* items of a list, values of a map */
    struct Node *next;
} Node;

typedef struct Parse {
    QccArena *arena;
    QccDiags *d;
    const char *file;
    const char *text;
    int64_t size;
    yaml_parser_t yaml;
    bool open; /* the parser is to be deleted */
    int nodes;
} Parse;

static QccLoc loc_at(const Parse *p, int line, int col)
{
    return (QccLoc){.file = p->file, .line = line, .col = col};
}

#define BAD(p, node, ...)                                                                          \
    qcc_error_in_text((p)->d, loc_at(p, (node)->line, (node)->col), (p)->text, (p)->size,          \
                      __VA_ARGS__)

/* ---- events to a tree --------------------------------------------------------------------- */

static void close_parser(void *user)
{
    Parse *p = user;
    if (p->open) yaml_parser_delete(&p->yaml);
    p->open = false;
}

static QccStatus next_event(Parse *p, yaml_event_t *e)
{
    if (yaml_parser_parse(&p->yaml, e)) return QCC_OK;
    if (p->yaml.error == YAML_MEMORY_ERROR) return QCC_ERROR_MEMORY;
    Node at = {.line = (int)p->yaml.problem_mark.line + 1,
               .col = (int)p->yaml.problem_mark.column + 1};
    return BAD(p, &at, "%s", p->yaml.problem ? p->yaml.problem : "is no YAML");
}

/* Takes the node that begins with event e, which is deleted. The nodes are made while no event is
 * held, because making one may unwind. */
static QccStatus take_node(Parse *p, Node **out, yaml_event_t *e, int depth)
{
    yaml_event_type_t type = e->type;
    Node at = {.line = (int)e->start_mark.line + 1, .col = (int)e->start_mark.column + 1};
    Node *n = *out = QCC_NEW(p->arena, Node);
    *n = at;
    if (type == YAML_SCALAR_EVENT) {
        n->length = (int64_t)e->data.scalar.length;
        char *text = qcc_alloc(p->arena, e->data.scalar.length + 1);
        memcpy(text, e->data.scalar.value, e->data.scalar.length);
        n->text = text;
    }
    yaml_event_delete(e);
    if (type == YAML_ALIAS_EVENT) return BAD(p, &at, "aliases are not read");
    if (++p->nodes > NODES) return BAD(p, &at, "more than %d values", NODES);
    if (type == YAML_SCALAR_EVENT) return QCC_OK;
    if (depth == DEPTH) return BAD(p, &at, "nested deeper than %d", DEPTH);

    bool map = type == YAML_MAPPING_START_EVENT;
    n->kind = map ? MAP : LIST;
    for (;;) {
        Node *key = NULL, *value;
        QCC_TRY(next_event(p, e));
        if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT) break;
        if (map) {
            QCC_TRY(take_node(p, &key, e, depth + 1));
            if (key->kind != SCALAR) return BAD(p, key, "wanted a key");
            QCC_TRY(next_event(p, e));
        }
        QCC_TRY(take_node(p, &value, e, depth + 1));
        value->key = key;
        for (Node *other = n->child; key && other; other = other->next) {
            if (!strcmp(other->key->text, key->text)) {
                return BAD(p, key, "'%s' is said twice", key->text);
            }
        }
        if (n->last) n->last->next = value;
        if (!n->child) n->child = value;
        n->last = value;
    }
    yaml_event_delete(e);
    return QCC_OK;
}

static QccStatus take_document(Parse *p, Node **root)
{
    yaml_event_t *e = QCC_NEW(p->arena, yaml_event_t);
    *root = QCC_NEW(p->arena, Node);
    **root = (Node){.kind = MAP, .line = 1, .col = 1};
    for (bool seen = false;;) {
        QCC_TRY(next_event(p, e));
        yaml_event_type_t type = e->type;
        Node at = {.line = (int)e->start_mark.line + 1, .col = (int)e->start_mark.column + 1};
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT ||
            type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(e);
            if (type == YAML_STREAM_END_EVENT) return QCC_OK;
        } else if (type == YAML_DOCUMENT_START_EVENT) {
            yaml_event_delete(e);
            if (seen) return BAD(p, &at, "a second document");
            seen = true;
            QCC_TRY(next_event(p, e));
            QCC_TRY(take_node(p, root, e, 0));
        } else {
            yaml_event_delete(e);
            return BAD(p, &at, "is no YAML");
        }
    }
}

static QccStatus parse_tree(Parse **out, Node **root, QccArena *arena, QccDiags *d,
                            const char *file, const char *text, int64_t size)
{
    Parse *p = *out = QCC_NEW(arena, Parse);
    *p = (Parse){.arena = arena, .d = d, .file = file, .text = text, .size = size};
    qcc_arena_defer(arena, close_parser, p);
    if (!yaml_parser_initialize(&p->yaml)) return QCC_ERROR_MEMORY;
    p->open = true;
    yaml_parser_set_input_string(&p->yaml, (const unsigned char *)(text ? text : ""), (size_t)size);
    QccStatus status = take_document(p, root);
    close_parser(p);
    if (status != QCC_OK) return status;
    return (*root)->kind == MAP ? QCC_OK : BAD(p, *root, "wanted keys and values");
}

/* ---- values ------------------------------------------------------------------------------- */

static QccStatus read_int(const Parse *p, const Node *n, int64_t min, int64_t max, int64_t *v)
{
    const char *end = n->kind == SCALAR ? n->text + n->length : NULL;
    if (!end || !n->length || qcc_read_i64(v, n->text, end) != end || *v < min || *v > max) {
        return BAD(p, n, "wanted a whole number, %lld to %lld", (long long)min, (long long)max);
    }
    return QCC_OK;
}

/* A number, or a quotient of two: 1/255. */
static QccStatus read_number(const Parse *p, const Node *n, double *v)
{
    const char *end = n->kind == SCALAR ? n->text + n->length : NULL;
    double by = 1;
    const char *s = end && n->length ? qcc_read_f64(v, n->text, end) : NULL;
    if (s && s < end && *s == '/') s = qcc_read_f64(&by, s + 1, end);
    if (!s || s != end || !isfinite(*v / by)) return BAD(p, n, "wanted a number");
    *v /= by;
    return QCC_OK;
}

/* A number for all channels, or a list of one a channel. */
static QccStatus read_channels(const Parse *p, const Node *n, int *count, double *v)
{
    *count = 1;
    if (n->kind == SCALAR) return read_number(p, n, v);
    *count = 0;
    for (const Node *item = n->child; item; item = item->next) {
        if (n->kind != LIST || *count == QCC_CHANNELS_MAX) {
            return BAD(p, n, "wanted a list of at most %d numbers", QCC_CHANNELS_MAX);
        }
        QCC_TRY(read_number(p, item, &v[(*count)++]));
    }
    return *count ? QCC_OK : BAD(p, n, "wanted a number for each channel");
}

static QccStatus read_name(const Parse *p, const Node *n, const char *const *names, int *v)
{
    QccBuf list;
    qcc_buf_init(&list, p->arena);
    for (int i = 0; names[i]; i++) {
        if (n->kind == SCALAR && !strcmp(n->text, names[i])) {
            *v = i;
            return QCC_OK;
        }
        qcc_buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    return BAD(p, n, "wanted one of %s", list.data);
}

static QccStatus read_path(const Parse *p, const Node *n, const char **path)
{
    if (n->kind != SCALAR || !n->length || strlen(n->text) != (size_t)n->length) {
        return BAD(p, n, "wanted a path");
    }
    const char *slash = p->file ? strrchr(p->file, '/') : NULL;
    *path = n->text[0] == '/' || !slash
                ? qcc_strdup(p->arena, n->text)
                : qcc_sprintf(p->arena, "%.*s%s", (int)(slash - p->file + 1), p->file, n->text);
    return QCC_OK;
}

/* ---- keys --------------------------------------------------------------------------------- */

static const char *const channel_names[] = {"rgb", "bgr", "gray", NULL};
static const char *const layout_names[] = {"nchw", "nhwc", NULL}; /* from QCC_LAYOUT_NCHW on */
static const char *const interpolation_names[] = {"bilinear", NULL};

static QccStatus preprocess_key(const Parse *p, const Node *n, QccPreprocess *out)
{
    const char *key = n->key->text;
    int choice;
    if (!strcmp(key, "resize")) return read_int(p, n, 1, 1 << 14, &out->resize);
    if (!strcmp(key, "crop")) return read_int(p, n, 1, 1 << 14, &out->crop);
    if (!strcmp(key, "scale")) return read_number(p, n, &out->scale);
    if (!strcmp(key, "mean")) return read_channels(p, n, &out->nmean, out->mean);
    if (!strcmp(key, "interpolation")) return read_name(p, n, interpolation_names, &choice);
    if (!strcmp(key, "std")) {
        QCC_TRY(read_channels(p, n, &out->nstd, out->std));
        for (int i = 0; i < out->nstd; i++) {
            if (!(out->std[i] > 0)) return BAD(p, n, "std must be more than 0");
        }
        return QCC_OK;
    }
    if (!strcmp(key, "channels")) {
        QCC_TRY(read_name(p, n, channel_names, &choice));
        out->channels = (QccChannels)choice;
        return QCC_OK;
    }
    if (!strcmp(key, "layout")) {
        QCC_TRY(read_name(p, n, layout_names, &choice));
        out->layout = choice ? QCC_LAYOUT_NHWC : QCC_LAYOUT_NCHW;
        return QCC_OK;
    }
    return BAD(p, n->key,
               "'%s' is no key of preprocess: resize, crop, interpolation, channels, scale, mean, "
               "std, layout",
               key);
}

static QccStatus read_preprocess(const Parse *p, const Node *n, QccPreprocess *out)
{
    if (n->kind != MAP) return BAD(p, n, "wanted keys and values");
    for (const Node *k = n->child; k; k = k->next) QCC_TRY(preprocess_key(p, k, out));
    return QCC_OK;
}

static QccStatus read_tensors(const Parse *p, const Node *n, QccDataSpec *out)
{
    const Node *item = n->kind == MAP ? n->child : n;
    if (!item || n->kind == LIST) return BAD(p, n, "wanted a file, or {name: file}");
    for (; item; item = n->kind == MAP ? item->next : NULL) {
        QccDataFile f = {.name = n->kind == MAP ? item->key->text : NULL};
        QCC_TRY(read_path(p, item, &f.path));
        out->tensor = qcc_grow(p->arena, out->tensor, out->ntensor, &out->tensor_cap, sizeof f);
        out->tensor[out->ntensor++] = f;
    }
    return QCC_OK;
}

static QccStatus data_key(const Parse *p, const Node *n, QccDataSpec *out)
{
    const char *key = n->key->text;
    if (!strcmp(key, "images")) return read_path(p, n, &out->images);
    if (!strcmp(key, "tensors")) return read_tensors(p, n, out);
    if (!strcmp(key, "labels")) return read_path(p, n, &out->labels);
    if (!strcmp(key, "label_offset")) return read_int(p, n, -1000000, 1000000, &out->label_offset);
    if (!strcmp(key, "preprocess")) return read_preprocess(p, n, &out->preprocess);
    if (!strcmp(key, "range")) {
        const Node *first = n->kind == LIST ? n->child : NULL, *last = first ? first->next : NULL;
        if (!last || last->next) return BAD(p, n, "wanted [first, last], both included");
        QCC_TRY(read_int(p, first, 0, INT64_MAX - 1, &out->first));
        return read_int(p, last, out->first, INT64_MAX - 1, &out->last);
    }
    return BAD(p, n->key,
               "'%s' is no key of data: images, tensors, labels, label_offset, range, preprocess",
               key);
}

QccStatus qcc_data_parse(QccDataSpec *out, QccArena *arena, QccDiags *d, const char *file,
                         const char *text, int64_t size)
{
    Parse *p;
    Node *root;
    QCC_TRY(parse_tree(&p, &root, arena, d, file, text, size));
    *out = (QccDataSpec){.last = -1, .preprocess = {.scale = 1}};
    for (const Node *n = root->child; n; n = n->next) QCC_TRY(data_key(p, n, out));
    if (!out->images == !out->ntensor) return BAD(p, root, "wanted one of images and tensors");
    return QCC_OK;
}

QccStatus qcc_preprocess_parse(QccPreprocess *out, QccArena *arena, QccDiags *d, const char *file,
                               const char *text, int64_t size)
{
    Parse *p;
    Node *root;
    QCC_TRY(parse_tree(&p, &root, arena, d, file, text, size));
    *out = (QccPreprocess){.scale = 1};
    return read_preprocess(p, root, out);
}

static void print_list(QccBuf *buf, const char *key, int n, const double *v)
{
    if (!n) return;
    qcc_buf_printf(buf, ", %s: [", key);
    for (int i = 0; i < n; i++) {
        if (i) qcc_buf_puts(buf, ", ");
        qcc_buf_f64(buf, v[i]);
    }
    qcc_buf_puts(buf, "]");
}

const char *qcc_preprocess_print(QccArena *arena, const QccPreprocess *p)
{
    QccBuf buf;
    qcc_buf_init(&buf, arena);
    qcc_buf_puts(&buf, "{scale: ");
    qcc_buf_f64(&buf, p->scale);
    if (p->resize) qcc_buf_printf(&buf, ", resize: %lld", (long long)p->resize);
    if (p->crop) qcc_buf_printf(&buf, ", crop: %lld", (long long)p->crop);
    qcc_buf_printf(&buf, ", channels: %s", channel_names[p->channels]);
    print_list(&buf, "mean", p->nmean, p->mean);
    print_list(&buf, "std", p->nstd, p->std);
    if (p->layout) qcc_buf_printf(&buf, ", layout: %s", layout_names[p->layout - QCC_LAYOUT_NCHW]);
    qcc_buf_puts(&buf, "}");
    return buf.data;
}
