/* onnx_scope - what nodes see: values by name, the model's functions, attributes of a call. */
#include "frontend/onnx.h"

#include <string.h>
#include <xxhash.h>

/* ---- values by name ----------------------------------------------------------------------- */

/* A formal input of a function is another name of the same value. */
typedef struct Name {
    const char *name;
    QccOnnxValue *value;
} Name;

static uint64_t hash_name(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

QccOnnxScope *qcc_onnx_scope_new(QccOnnxImport *im, QccOnnxScope *outer, const char *path)
{
    QccOnnxScope *scope = QCC_NEW(im->scratch, QccOnnxScope);
    scope->outer = outer;
    scope->path = path;
    if (outer) scope->call = outer->call;
    qcc_table_init(&scope->names, im->scratch);
    return scope;
}

static QccOnnxValue *find_in(const QccOnnxScope *scope, const char *name)
{
    int64_t at = -1;
    const Name *found;
    while ((found = qcc_table_next(&scope->names, hash_name(name), &at)))
        if (!strcmp(found->name, name)) return found->value;
    return NULL;
}

QccOnnxValue *qcc_onnx_find(const QccOnnxImport *im, const char *name)
{
    QccOnnxValue *found = NULL;
    for (const QccOnnxScope *s = im->scope; s && !found; s = s->outer) found = find_in(s, name);
    return found;
}

bool qcc_onnx_define(QccOnnxScope *scope, const char *name, QccOnnxValue *value)
{
    if (find_in(scope, name)) return false;
    Name *item = QCC_NEW(scope->names.arena, Name);
    *item = (Name){name, value};
    qcc_table_add(&scope->names, hash_name(name), item);
    return true;
}

QccOnnxValue *qcc_onnx_add_value(QccOnnxImport *im, const char *name)
{
    QccOnnxValue *value = QCC_NEW(im->scratch, QccOnnxValue);
    value->name = name;
    return qcc_onnx_define(im->scope, name, value) ? value : NULL;
}

const char *qcc_onnx_value_name(QccOnnxImport *im, const char *name)
{
    return name && name[0] ? qcc_strdup(im->arena, name) : NULL;
}

const char *qcc_onnx_inner_path(QccOnnxImport *im, QccLoc loc)
{
    return qcc_sprintf(im->scratch, "%s/", loc.node ? loc.node : "");
}

/* ---- functions ---------------------------------------------------------------------------- */

static const char *domain_of(const char *domain)
{
    return domain && strcmp(domain, "ai.onnx") ? domain : "";
}

/* The overload of a node or a function; "" mostly. */
static const char *overload_of(QccOnnxImport *im, const ProtobufCMessage *m)
{
    const uint8_t *bytes;
    int64_t at = 0, size;
    if (!qcc_wire_newer(m, QCC_WIRE_OVERLOAD, &at, &bytes, &size)) return "";
    return qcc_strndup(im->scratch, (const char *)bytes, (size_t)size);
}

static uint64_t hash_function(const char *domain, const char *type)
{
    return hash_name(domain) * 31 + hash_name(type);
}

static QccOnnxFunction *find(const QccOnnxImport *im, const char *domain, const char *type,
                             const char *overload)
{
    int64_t at = -1;
    QccOnnxFunction *f;
    while ((f = qcc_table_next(&im->functions, hash_function(domain, type), &at))) {
        if (!strcmp(f->domain, domain) && !strcmp(f->proto->name, type) &&
            !strcmp(f->overload, overload))
            return f;
    }
    return NULL;
}

QccOnnxFunction *qcc_onnx_find_function(QccOnnxImport *im, const Onnx__NodeProto *p)
{
    if (!im->functions.n || !p->op_type) return NULL;
    return find(im, domain_of(p->domain), p->op_type, overload_of(im, &p->base));
}

static QccStatus read_defaults(QccOnnxImport *im, QccOnnxFunction *f, ProtobufCAllocator *allocator)
{
    const uint8_t *bytes;
    int64_t at = 0, size, cap = 0;
    while (qcc_wire_newer(&f->proto->base, QCC_WIRE_DEFAULT, &at, &bytes, &size)) {
        f->attribute = qcc_grow(im->scratch, f->attribute, f->nattribute, &cap,
                                sizeof(const Onnx__AttributeProto *));
        const Onnx__AttributeProto *a =
            onnx__attribute_proto__unpack(allocator, (size_t)size, bytes);
        if (!a) return qcc_error(im->d, (QccLoc){.file = im->file}, "is not an ONNX model");
        f->attribute[f->nattribute++] = a;
    }
    return QCC_OK;
}

QccStatus qcc_onnx_add_functions(QccOnnxImport *im, const Onnx__ModelProto *m,
                                 ProtobufCAllocator *allocator)
{
    QccLoc loc = {.file = im->file};
    for (size_t i = 0; i < m->n_functions; i++) {
        const Onnx__FunctionProto *proto = m->functions[i];
        if (!proto->name || !proto->name[0]) return qcc_error(im->d, loc, "a function has no name");
        QccOnnxFunction *f = QCC_NEW(im->scratch, QccOnnxFunction);
        *f = (QccOnnxFunction){.proto = proto,
                               .domain = domain_of(proto->domain),
                               .overload = overload_of(im, &proto->base)};
        if (find(im, f->domain, proto->name, f->overload)) {
            return qcc_error(im->d, loc, "function '%s' is defined twice", proto->name);
        }
        QCC_TRY(read_defaults(im, f, allocator));
        qcc_table_add(&im->functions, hash_function(f->domain, proto->name), f);
    }
    return QCC_OK;
}

bool qcc_onnx_function_takes(const QccOnnxFunction *f, const char *attribute)
{
    for (size_t i = 0; i < f->proto->n_attribute; i++)
        if (!strcmp(f->proto->attribute[i], attribute)) return true;
    for (int64_t i = 0; i < f->nattribute; i++)
        if (f->attribute[i]->name && !strcmp(f->attribute[i]->name, attribute)) return true;
    return false;
}

/* ---- attributes that refer to those of the call --------------------------------------------- */

static const Onnx__AttributeProto *referred(const QccOnnxCall *call, const char *name)
{
    for (size_t i = 0; i < call->node->n_attribute; i++) {
        const Onnx__AttributeProto *a = call->node->attribute[i];
        if (a->name && !strcmp(a->name, name)) return a;
    }
    for (int64_t i = 0; i < call->function->nattribute; i++) {
        const Onnx__AttributeProto *a = call->function->attribute[i];
        if (a->name && !strcmp(a->name, name)) return a;
    }
    return NULL;
}

static bool refers(const Onnx__AttributeProto *a)
{
    return a->ref_attr_name && a->ref_attr_name[0];
}

const Onnx__NodeProto *qcc_onnx_resolve(QccOnnxImport *im, const Onnx__NodeProto *p)
{
    bool any = false;
    for (size_t i = 0; i < p->n_attribute; i++) any |= refers(p->attribute[i]);
    if (!any || !im->scope->call) return p;
    Onnx__NodeProto *node = QCC_NEW(im->scratch, Onnx__NodeProto);
    *node = *p;
    node->attribute = QCC_NEW_ARRAY(im->scratch, (int64_t)p->n_attribute, Onnx__AttributeProto *);
    node->n_attribute = 0;
    for (size_t i = 0; i < p->n_attribute; i++) {
        const Onnx__AttributeProto *a = p->attribute[i];
        const Onnx__AttributeProto *given =
            refers(a) ? referred(im->scope->call, a->ref_attr_name) : a;
        if (!given) continue; /* neither given nor of a default: the op's own default holds */
        Onnx__AttributeProto *copy = QCC_NEW(im->scratch, Onnx__AttributeProto);
        *copy = *given;
        copy->name = a->name;
        node->attribute[node->n_attribute++] = copy;
    }
    return node;
}
