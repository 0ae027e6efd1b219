/* parser - what the files of the qir parser share. */
#ifndef QCC_IR_PARSER_H
#define QCC_IR_PARSER_H

#include "ir/base/table.h"
#include "ir/graph.h"
#include "ir/lex.h"
#include "ir/text.h"

typedef struct QccParser {
    QccIr *ir;
    QccArena *arena;   /* of the module */
    QccArena *scratch; /* of the parse */
    QccLexer lx;
    QccGraph *graph;           /* the graph or body whose ops are being read */
    const QccBlobTable *blobs; /* of the container, or from the blob lines */
    bool contained;            /* the blobs come from a container */
    QccTable lost;             /* names of results of ops that failed; their users fail quietly */
    int depth;                 /* bodies around */
    int errors;                /* posted in the context before this parse */
} QccParser;

/* parse_type.c: "f32[1,N] q(0.5: 3)" */
QccStatus qcc_parse_type(QccParser *p, const QccType **type);
/* " range(-1, 2)", or nothing */
QccStatus qcc_parse_range(QccParser *p, bool *has_range, float *lo, float *hi);
/* "@3": a blob of the table */
QccStatus qcc_parse_blob_ref(QccParser *p, const QccBlob **blob);
/* "128x784" or "scalar" as the shape of that element type */
QccStatus qcc_parse_shape(QccParser *p, QccDtype dtype, int *rank, int64_t *dim);

/* The numbers of "[1,2,3]", converted once their element type is known. */
typedef struct QccNumbers {
    int64_t n, cap;
    QccToken *token;
} QccNumbers;
QccStatus qcc_parse_numbers(QccParser *p, QccNumbers *numbers);
/* numbers->n elements of that type and shape. */
QccStatus qcc_numbers_blob(QccParser *p, const QccNumbers *numbers, QccDtype dtype, int rank,
                           const int64_t *dim, const QccBlob **blob);

/* parse_op.c: the statements of a graph or body, up to its closing brace. Errors are posted and the
 * statement left out. */
void qcc_parse_ops(QccParser *p);

#endif
