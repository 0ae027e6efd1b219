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
    /* Any format; libqcc-rt reads model.bin only. The shapes as qcc_import takes them. */
    QccStatus (*import)(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                        const char *path, const void *bytes, int64_t size,
                        const QccInputShape *shapes, int nshape);
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
    void *registry;              /* QccPassRegistry, known to the facade */
    QccDiagnosticFn *diagnostic; /* the host's; whatever else ir->diags is led to meanwhile */
    void *diagnostic_user;
    QccProgressFn *progress;
    void *progress_user;
    int threads;
    const char *module_path;
    pthread_mutex_t lock;      /* guards codegen */
    const QccCodegen *codegen; /* NULL until a kernel is in no cache */
};

/* The memory of a model, shared by its programs. */
typedef struct QccStore {
    atomic_int refs;
    QccArena *arena;
    const char *mapped; /* the file, as the system pages it in; NULL: the bytes are the host's */
    int64_t mapped_size;
} QccStore;

struct QccModel {
    QccContext *context;
    QccStore *store;
    QccModule *module;
    int64_t file_bytes;
    bool random_data; /* was calibrated on made-up data */
    void *remarks;    /* QccRemarks, known to the facade; NULL: no pipeline has run */
};

/* One kernel of a program. */
typedef struct QccCode {
    QccKernelFn *fn;
    const char *text; /* canonical, with the target line */
    bool cached;      /* came from the cache */
    double compile_ms, link_ms;
    int64_t bytes;
} QccCode;

/* What a lowering found out about variants (runtime/tune.c). */
typedef struct QccTuned {
    int open;               /* different kernels that have variants to choose from */
    int recorded, measured; /* of these: by a record, by measurements just now */
    int changed;            /* of both: another variant than the cost model's */
    int ngain;
    int64_t gain_cap;
    const char **gain; /* of those that were measured: which, and how much; lines of text */
    double ms;
} QccTuned;

/* A program for one set of extents. Has types and memory of its own, so that it is made and run
 * beside whatever else the context does. */
typedef struct QccInstance {
    atomic_int refs;
    QccMem mem;
    QccArena *arena;
    QccIr *ir;
    pthread_mutex_t lock; /* held by runs that intern types */
    int64_t *extent;      /* one a symbol of the program */
    QccGraph *graph;      /* without symbols */
    QccLowered *lowered;  /* NULL: interpreted */
    QccCode *code;        /* one a kernel of `lowered` */
    bool *stage_input;    /* inputs that kernels read past the end of, one a parameter */
    QccTuned tuned;
    double lower_ms, compile_ms;
} QccInstance;

/* How many instances a program keeps, and a session what it needs to run them. */
enum { QCC_INSTANCES = 8 };

/* What a program makes as it goes. */
typedef struct QccInstances {
    pthread_mutex_t lock; /* guards all */
    QccMem *mem;          /* of the program */
    QccPackPool pool;     /* weights, which all have in common */
    int n;
    QccInstance *item[QCC_INSTANCES]; /* the last used one first */
} QccInstances;

struct QccProgram {
    QccContext *context;
    QccMem mem;
    QccArena *arena;
    QccStore *store;         /* keeps the constants alive */
    QccGraph *graph;         /* with symbols */
    QccTensorInfo *info;     /* of its inputs, then of its outputs */
    const QccTarget *target; /* NULL: interpreted */
    bool taps, require_cache;
    QccTune tune;
    QccInstances *instances;
};

/* Runs fn under the context's memory edge and in the default floating-point environment;
 * QCC_ERROR_MEMORY when memory ran out. The context's thread only. */
QccStatus qcc_guard(QccContext *context, QccStatus (*fn)(void *user), void *user);
/* Runs fn under the edge of a memory, or of two. */
QccStatus qcc_guard_mem(QccMem *mem, QccStatus (*fn)(void *user), void *user);
QccStatus qcc_guard_both(QccMem *a, QccMem *b, QccStatus (*fn)(void *user), void *user);

/* Zeroed bytes of the host's allocator for what holds a QccMem itself; NULL: none left. */
void *qcc_host_new(const QccMem *mem, size_t size);
void qcc_host_free(const QccMem *mem, void *p);

QccStore *qcc_store_new(QccMem *mem);
QccStore *qcc_store_ref(QccStore *store);
void qcc_store_unref(QccStore *store);

/* Diagnostics for whoever does not work for the context's thread. Any thread. */
QccDiags qcc_context_diags(const QccContext *context);

/* What libqcc has, or NULL (libqcc-rt). */
const QccFacade *qcc_facade(void);

/* The LLVM module, opened at the first call; NULL when there is none, with a diagnostic when it is
 * required. Any thread. */
const QccCodegen *qcc_context_codegen(QccContext *context, bool required);

/* The instance for these extents (one a symbol; NULL: the least), made when there is none. A
 * reference for the caller. Any thread. */
QccStatus qcc_program_instance(QccInstance **instance, const QccProgram *program,
                               const int64_t *extent);
/* The one that was asked for last. A reference for the caller. Any thread. */
QccInstance *qcc_program_last_instance(const QccProgram *program);
void qcc_instance_unref(QccInstance *instance);

/* The text that names a kernel's code: the kernel, with or without its variant, then everything
 * else that shapes the object. */
const char *qcc_code_text(QccArena *arena, const QccKernel *k, const QccTarget *t, bool variant);

/* Makes code[i] of kernel[i] for n kernels: cache, else codegen; several at a time. The code lives
 * as long as `arena`. */
QccStatus qcc_code_make(QccCode *code, QccArena *arena, QccContext *context, QccDiags *diags,
                        const QccTarget *target, QccKernel *const *kernel, int n,
                        bool require_cache);

/* The same for every kernel of a lowered graph. */
QccStatus qcc_instance_compile(QccInstance *instance, QccContext *context, bool require_cache);

/* The extents (0: not known yet) that n values, parameters of a graph with `nsymbol` symbols, give
 * its symbols when they have these shapes: adds what it learns to extent[nsymbol]. Errors when a
 * shape does not fit the value's type or what is known, or lies outside the bounds. */
QccStatus qcc_bind_shapes(int64_t *extent, QccDiags *diags, const QccGraph *g,
                          QccValue *const *value, const int64_t *const *shape, int n);
/* The same of all parameters, for all symbols: what no shape says takes its least value. */
QccStatus qcc_bind_extents(int64_t *extent, QccDiags *diags, const QccGraph *g,
                           const int64_t *const *shape);
/* The shape of a type once its symbols are known. */
void qcc_bound_shape(int64_t *shape, const QccGraph *g, const QccType *type, const int64_t *extent);

/* CPUs this process may use. */
int qcc_threads_available(void);

/* Milliseconds of a monotonic clock. */
double qcc_now_ms(void);

#endif
