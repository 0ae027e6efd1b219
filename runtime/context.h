/* context - what the opaque types of qcc.h are made of; inside the runtime only. */
#ifndef QCC_RUNTIME_CONTEXT_H
#define QCC_RUNTIME_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/codegen.h"
#include "backend/lower.h"
#include "ir/dataset.h"
#include "ir/graph.h"
#include "ir/interp.h"
#include "runtime/cache.h"
#include "runtime/qcc.h"

/* The upward calls of libqcc, which libqcc-rt lacks: reading foreign formats, data, passes. */
typedef struct QccFacade {
    /* Called for every new context: passes, plugins. */
    QccStatus (*init)(QccContext *context, const QccContextOptions *options);
    /* Any format; libqcc-rt reads model.bin only. */
    QccStatus (*import)(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                        const void *bytes, int64_t size);
    /* Data by descriptor, or (spec NULL) the samples of the module. */
    QccStatus (*open_data)(QccDataset **out, QccContext *context, QccArena *arena, const char *spec,
                           const QccModule *module, const QccGraph *graph);
} QccFacade;

struct QccContext {
    QccMem mem;
    QccArena *arena;
    QccIr *ir;
    QccCache *cache; /* NULL: none */
    const QccFacade *facade;
    void *registry; /* QccPassRegistry, known to the facade */
    QccProgressFn *progress;
    void *progress_user;
    int threads;
    const char *module_path;
    pthread_mutex_t lock;      /* the LLVM module's state, and runs that intern types */
    const QccCodegen *codegen; /* NULL until a kernel is in no cache */
};

/* The memory of a model, shared by its programs. */
typedef struct QccStore {
    atomic_int refs;
    QccArena *arena;
} QccStore;

struct QccModel {
    QccContext *context;
    QccStore *store;
    QccModule *module;
    int64_t file_bytes;
    bool random_data; /* was calibrated on made-up data */
};

/* One kernel of a program. */
typedef struct QccCode {
    QccKernelFn *fn;
    const char *text; /* canonical, with the target line */
    bool cached;      /* came from the cache */
    double compile_ms, link_ms;
    int64_t bytes;
} QccCode;

struct QccProgram {
    QccContext *context;
    QccStore *store; /* keeps the constants alive */
    QccArena *arena;
    QccGraph *graph;     /* without symbols */
    QccLowered *lowered; /* NULL: interpreted */
    QccCode *code;       /* one a kernel of `lowered` */
    bool *stage_input;   /* inputs that kernels read past the end of, one a parameter */
    bool taps;
    double lower_ms, compile_ms;
};

/* Runs fn under the context's memory edge and in the default floating-point environment;
 * QCC_ERROR_MEMORY when memory ran out. The context's thread only. */
QccStatus qcc_guard(QccContext *context, QccStatus (*fn)(void *user), void *user);

QccStore *qcc_store_new(QccMem *mem);
QccStore *qcc_store_ref(QccStore *store);
void qcc_store_unref(QccStore *store);

/* What libqcc has, or NULL (libqcc-rt). */
const QccFacade *qcc_facade(void);

/* The LLVM module, opened at the first call; NULL when there is none, with a diagnostic when it is
 * required. */
const QccCodegen *qcc_context_codegen(QccContext *context, bool required);

/* Makes code for every kernel of a lowered graph: cache, else codegen; several at a time. */
QccStatus qcc_program_compile(QccProgram *program, bool require_cache);

/* CPUs this process may use. */
int qcc_threads_available(void);

/* Milliseconds of a monotonic clock. */
double qcc_now_ms(void);

#endif
