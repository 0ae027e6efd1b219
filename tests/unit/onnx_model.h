/* onnx_model - small ONNX models, made by tests node by node. */
#ifndef QCC_TESTS_ONNX_MODEL_H
#define QCC_TESTS_ONNX_MODEL_H

#include "frontend/frontend.h"
#include "frontend/onnx.h"
#include "ir_test.h"

enum { MODEL_LIST = 16 };

/* A graph with room for a few of everything. */
typedef struct ModelGraph {
    Onnx__GraphProto proto;
    Onnx__NodeProto *node[MODEL_LIST];
    Onnx__ValueInfoProto *input[MODEL_LIST], *output[MODEL_LIST];
    Onnx__TensorProto *initializer[MODEL_LIST];
    Onnx__SparseTensorProto *sparse[MODEL_LIST];
} ModelGraph;

static inline ModelGraph *model_graph(Fixture *f)
{
    ModelGraph *g = QCC_NEW(f->arena, ModelGraph);
    g->proto = (Onnx__GraphProto)ONNX__GRAPH_PROTO__INIT;
    g->proto.node = g->node;
    g->proto.input = g->input;
    g->proto.output = g->output;
    g->proto.initializer = g->initializer;
    g->proto.sparse_initializer = g->sparse;
    return g;
}

/* "a b" as two strings, "a - b" with an empty one between them. */
static inline char **model_names(Fixture *f, const char *list, size_t *n)
{
    char **names = QCC_NEW_ARRAY(f->arena, MODEL_LIST, char *);
    char *rest = qcc_strdup(f->arena, list);
    *n = 0;
    for (char *s; (s = strtok_r(rest, " ", &rest));) {
        ck_assert_uint_lt(*n, MODEL_LIST);
        names[(*n)++] = strcmp(s, "-") ? s : s + 1;
    }
    return names;
}

static inline Onnx__NodeProto *model_node(Fixture *f, const char *type, const char *inputs,
                                          const char *outputs)
{
    Onnx__NodeProto *n = QCC_NEW(f->arena, Onnx__NodeProto);
    *n = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
    const char *colon = strchr(type, ':'); /* "domain:Type" */
    if (colon) n->domain = qcc_strndup(f->arena, type, (size_t)(colon - type));
    n->op_type = qcc_strdup(f->arena, colon ? colon + 1 : type);
    n->input = model_names(f, inputs, &n->n_input);
    n->output = model_names(f, outputs, &n->n_output);
    n->attribute = QCC_NEW_ARRAY(f->arena, MODEL_LIST, Onnx__AttributeProto *);
    return n;
}

static inline Onnx__NodeProto *model_add(Fixture *f, ModelGraph *g, const char *type,
                                         const char *inputs, const char *outputs)
{
    return g->node[g->proto.n_node++] = model_node(f, type, inputs, outputs);
}

static inline Onnx__AttributeProto *model_attr(Fixture *f, Onnx__NodeProto *n, const char *name)
{
    Onnx__AttributeProto *a = QCC_NEW(f->arena, Onnx__AttributeProto);
    *a = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
    a->name = qcc_strdup(f->arena, name);
    return n->attribute[n->n_attribute++] = a;
}

/* A parameter of f32[2,3]. */
static inline void model_input(Fixture *f, ModelGraph *g, const char *name)
{
    Onnx__ValueInfoProto *v = QCC_NEW(f->arena, Onnx__ValueInfoProto);
    Onnx__TypeProto *type = QCC_NEW(f->arena, Onnx__TypeProto);
    Onnx__TypeProto__Tensor *tensor = QCC_NEW(f->arena, Onnx__TypeProto__Tensor);
    Onnx__TensorShapeProto *shape = QCC_NEW(f->arena, Onnx__TensorShapeProto);
    *v = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
    *type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
    *tensor = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
    *shape = (Onnx__TensorShapeProto)ONNX__TENSOR_SHAPE_PROTO__INIT;
    shape->dim = QCC_NEW_ARRAY(f->arena, 2, Onnx__TensorShapeProto__Dimension *);
    for (int i = 0; i < 2; i++) {
        Onnx__TensorShapeProto__Dimension *d = QCC_NEW(f->arena, Onnx__TensorShapeProto__Dimension);
        *d = (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = 2 + i;
        shape->dim[shape->n_dim++] = d;
    }
    tensor->has_elem_type = true;
    tensor->elem_type = 1;
    tensor->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    v->name = qcc_strdup(f->arena, name);
    v->type = type;
    g->input[g->proto.n_input++] = v;
}

static inline void model_output(Fixture *f, ModelGraph *g, const char *name)
{
    Onnx__ValueInfoProto *v = QCC_NEW(f->arena, Onnx__ValueInfoProto);
    *v = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
    v->name = qcc_strdup(f->arena, name);
    g->output[g->proto.n_output++] = v;
}

/* A tensor of an ONNX element type that holds no data yet. */
static inline Onnx__TensorProto *model_tensor(Fixture *f, const char *name, int type, int rank,
                                              const int64_t *dim)
{
    Onnx__TensorProto *t = QCC_NEW(f->arena, Onnx__TensorProto);
    *t = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
    t->name = qcc_strdup(f->arena, name);
    t->has_data_type = true;
    t->data_type = type;
    t->n_dims = (size_t)rank;
    t->dims = QCC_NEW_ARRAY(f->arena, rank, int64_t);
    for (int i = 0; i < rank; i++) t->dims[i] = dim[i];
    return t;
}

static inline Onnx__TensorProto *model_initializer(Fixture *f, ModelGraph *g, const char *name,
                                                   int type, int rank, const int64_t *dim)
{
    return g->initializer[g->proto.n_initializer++] = model_tensor(f, name, type, rank, dim);
}

static inline void model_raw(Onnx__TensorProto *t, const void *bytes, size_t size)
{
    t->has_raw_data = true;
    t->raw_data.data = (uint8_t *)(uintptr_t)bytes;
    t->raw_data.len = size;
}

/* A function of domain "local", to be filled with nodes. */
static inline Onnx__FunctionProto *model_function(Fixture *f, const char *name, const char *inputs,
                                                  const char *outputs)
{
    Onnx__FunctionProto *p = QCC_NEW(f->arena, Onnx__FunctionProto);
    *p = (Onnx__FunctionProto)ONNX__FUNCTION_PROTO__INIT;
    p->name = qcc_strdup(f->arena, name);
    p->domain = "local";
    p->input = model_names(f, inputs, &p->n_input);
    p->output = model_names(f, outputs, &p->n_output);
    p->node = QCC_NEW_ARRAY(f->arena, MODEL_LIST, Onnx__NodeProto *);
    return p;
}

/* The bytes of a model of opset 18. */
static inline const void *model_pack(Fixture *f, ModelGraph *g, Onnx__FunctionProto **function,
                                     size_t functions, int64_t *size)
{
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
    Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
    opset.domain = "";
    opset.has_version = true;
    opset.version = 18;
    m.has_ir_version = true;
    m.ir_version = 8;
    m.n_opset_import = 1;
    m.opset_import = &opsets;
    m.graph = &g->proto;
    m.n_functions = functions;
    m.functions = function;
    size_t bytes = onnx__model_proto__get_packed_size(&m);
    uint8_t *data = qcc_alloc_aligned(f->arena, bytes, 64);
    *size = (int64_t)onnx__model_proto__pack(&m, data);
    return data;
}

#endif
