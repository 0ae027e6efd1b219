/* unfused - the borders that are left between the quantized and the float parts of a graph.
 *
 * A border is an op that
 *   leaves    reads stored values and gives reals that some other op goes on with
 *   enters    reads reals and gives stored values
 *   float     computes on reals, between stored values before and behind it
 *   rescales  brings stored values to another scale
 *
 * A quantize of a parameter of the graph is none, nor are reals that are its results.
 */
#ifndef QCC_PASSES_UNFUSED_H
#define QCC_PASSES_UNFUSED_H

#include "ir/base/table.h"
#include "passes/qcc_pass.h"

/* Why an op stays in float: known to the pass that left it so. Found again by place and kind of the
 * op, which survive when others copy and wrap it. */
typedef struct QccRemarks {
    QccArena *arena; /* of the remarks, and of what they refer to */
    QccTable table;
} QccRemarks;

void qcc_remarks_init(QccRemarks *remarks, QccArena *arena);
/* `why` lies in the remarks' arena. Of two remarks on one op the later stands. */
void qcc_remark_add(QccRemarks *remarks, const QccOp *op, const char *why);

/* What a border takes of a run, in milliseconds; below 0: not known. */
typedef double QccBorderTime(void *user, const QccValue *value);

/* One line a border: the op, the bytes that it reads and writes (symbols at their least), who
 * blocks it, and why. remarks and time may be NULL. Returns the number of borders. */
int qcc_unfused_print(QccBuf *buf, const QccGraph *g, const QccRemarks *remarks,
                      QccBorderTime *time, void *user);

#endif
