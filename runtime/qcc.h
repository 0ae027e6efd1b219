/* qcc.h - the public interface of qcc, for applications.
 *
 * Conventions. Out parameters come first. What can fail returns a QccStatus and explains itself
 * through the context's diagnostic function; the library never prints and never exits. Option
 * structs begin with their size (QCC_INIT sets it and zeroes the rest: every zero is a default).
 * Strings are UTF-8 and NUL-terminated. Objects that the library returns are freed by the function
 * named after them; freeing NULL is allowed. A model, a program and a session keep what they stand
 * on alive no longer than their context: free sessions, programs, models, then the context.
 *
 * Threads. A context and its models: one thread at a time. A program: shared freely; what it makes
 * later, for shapes that are new to it, it guards itself. A session: one thread at a time; any
 * number of sessions of a program may run at once.
 *
 * Shapes. A model may leave extents open: they are symbols with bounds ("N" in 1..64), which
 * several dimensions may share. Its program runs inputs of every shape within the bounds; for each
 * set of extents that it meets it is made ready once, from code in the cache where there is some,
 * and keeps the last few. Whoever gives no shape gets the least one.
 *
 * Floating point. Calls work in IEEE's default environment, whatever rounding and flushing of
 * denormals the host has set, and leave the host's as it was.
 */
#ifndef QCC_H
#define QCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QCC_API __attribute__((visibility("default")))
#else
#define QCC_API
#endif

#define QCC_VERSION_MAJOR 0
#define QCC_VERSION_MINOR 1
#define QCC_VERSION_PATCH 0

/* "0.1.0", of the library that is loaded. */
QCC_API const char *qcc_version(void);

/* ---- status and diagnostics ------------------------------------------------------------- */

/* The values are the exit codes of the command line. */
typedef enum QccStatus {
    QCC_OK = 0,
    QCC_ERROR_INPUT = 1,       /* a file or an argument from a user is wrong */
    QCC_ERROR_USAGE = 2,       /* the call makes no sense as made, or lacks something */
    QCC_ERROR_UNSUPPORTED = 3, /* right, but this build, machine or version cannot do it */
    QCC_ERROR_ACCURACY = 4,    /* a limit on accuracy was missed */
    QCC_ERROR_IO = 5,          /* the file system said no */
    QCC_ERROR_MEMORY = 6,
    QCC_ERROR_CANCELLED = 7,
    QCC_ERROR_INTERNAL = 70 /* our bug */
} QccStatus;

/* "input error", ...; never NULL. */
QCC_API const char *qcc_status_name(QccStatus status);

typedef enum QccSeverity { QCC_NOTE, QCC_WARNING, QCC_ERROR } QccSeverity;

typedef struct QccDiagnostic {
    QccSeverity severity;
    const char *file;    /* NULL: none */
    int line, column;    /* from 1; 0: not known */
    const char *node;    /* name in the imported model; NULL: none */
    const char *message; /* one line, lower case, no full stop */
    const char *source;  /* the line of text the location points into; NULL: none */
} QccDiagnostic;

/* Called on the thread that works; the strings live during the call. */
typedef void QccDiagnosticFn(void *user, const QccDiagnostic *diagnostic);

/* Receives text or bytes; returns false to stop (the caller then returns QCC_ERROR_IO). */
typedef bool QccWriteFn(void *user, const void *bytes, size_t size);

/* ---- element types ---------------------------------------------------------------------- */

/* In memory i4, u4 and f4e2m1 are packed two a byte, low nibble first. bool is a byte, 0 or 1. */
typedef enum QccDtype {
    QCC_F32,
    QCC_F16,
    QCC_BF16,
    QCC_F64,
    QCC_I4,
    QCC_U4,
    QCC_I8,
    QCC_U8,
    QCC_I16,
    QCC_U16,
    QCC_I32,
    QCC_U32,
    QCC_I64,
    QCC_BOOL,
    QCC_U64,
    QCC_F8E4M3FN, /* the floats of 8 bits as ONNX names them */
    QCC_F8E4M3FNUZ,
    QCC_F8E5M2,
    QCC_F8E5M2FNUZ,
    QCC_F4E2M1,
    QCC_DTYPE_COUNT
} QccDtype;

enum { QCC_MAX_RANK = 8 };

/* "f32", "u8", ...; NULL for a number out of range. */
QCC_API const char *qcc_dtype_name(QccDtype dtype);
/* Bits an element takes: 4, 8, 16, 32 or 64. */
QCC_API int qcc_dtype_bits(QccDtype dtype);

/* ---- context ---------------------------------------------------------------------------- */

typedef struct QccContext QccContext;
typedef struct QccModel QccModel;
typedef struct QccProgram QccProgram;
typedef struct QccSession QccSession;

/* Progress of a long call, from the thread that works; return false to cancel it. `total` is 0
 * while it is not known. */
typedef bool QccProgressFn(void *user, const char *what, int64_t done, int64_t total);

/* A host's own store of compiled objects, instead of the folder on disk. Called from several
 * threads at once. load copies at most *size bytes into `bytes` (NULL: asks for the size) and
 * returns false on a miss; what it returns is checked like a file. */
typedef struct QccCacheHooks {
    void *user;
    bool (*load)(void *user, const char *key, void *bytes, size_t *size);
    void (*store)(void *user, const char *key, const void *bytes, size_t size);
} QccCacheHooks;

typedef struct QccContextOptions {
    size_t size; /* sizeof(QccContextOptions) */
    QccDiagnosticFn *diagnostic;
    void *diagnostic_user;
    QccProgressFn *progress;
    void *progress_user;
    void *(*realloc)(void *user, void *ptr, size_t size); /* size 0 frees; any thread */
    void *realloc_user;
    const char *cache_dir; /* NULL: $XDG_CACHE_HOME/qcc, or ~/.cache/qcc */
    int64_t cache_limit;   /* bytes; 0: 256 MiB */
    bool no_cache;
    bool verbose_cache; /* a note for every damaged or foreign entry */
    QccCacheHooks cache;
    const char *module_path;    /* the LLVM module's file; NULL: beside this library */
    const char *const *plugins; /* NULL-terminated paths; NULL: none are loaded */
    int threads;                /* that compile and calibrate; 0: as many as the process may use */
} QccContextOptions;

#define QCC_INIT(T) ((T){.size = sizeof(T)})

/* Creates a context. `options` may be NULL. Fails: out of memory, a plugin that does not fit.
 * Owner: the caller, qcc_context_free. */
QCC_API QccStatus qcc_context_new(QccContext **context, const QccContextOptions *options);
QCC_API void qcc_context_free(QccContext *context);

/* CPUs that affinity and the cgroup's quota leave to this process; at least 1. */
QCC_API int qcc_cpu_count(void);

/* ---- models ----------------------------------------------------------------------------- */

/* Reads a model: ONNX, textual .qir, model.bin; known by content. Fails: IO, input, unsupported op.
 * Owner: the caller, qcc_model_free; borrows the context. */
QCC_API QccStatus qcc_model_open(QccModel **model, QccContext *context, const char *path);
/* The same from memory; `name` stands in messages; the bytes are borrowed while the model lives. */
QCC_API QccStatus qcc_model_from_memory(QccModel **model, QccContext *context, const char *name,
                                        const void *bytes, size_t size);
/* The extents of a tensor. */
typedef struct QccShape {
    int rank;
    int64_t dim[QCC_MAX_RANK];
} QccShape;

/* The shape that an input is given; name NULL: the only one. */
typedef struct QccInputShape {
    const char *name;
    QccShape shape;
} QccInputShape;

/* qcc_model_open, then qcc_model_set_shape for each of n shapes; but these are known from the
 * start, which a model needs that computes with its shapes what has no symbol: the half of an
 * extent. */
QCC_API QccStatus qcc_model_open_shaped(QccModel **model, QccContext *context, const char *path,
                                        const QccInputShape *shapes, int n);
QCC_API void qcc_model_free(QccModel *model);

/* Fixes symbolic dimensions: input `name` (NULL: the only one) gets this shape. Symbols that only
 * other inputs have stay symbols. */
QCC_API QccStatus qcc_model_set_shape(QccModel *model, const char *name, const int64_t *shape,
                                      int rank);

/* Whether the model has a property that passes give: "quantized", "calibrated-on-random", ... */
QCC_API bool qcc_model_has(const QccModel *model, const char *property);

/* Puts up to `samples` samples of the data that `data_yaml` describes, and its preprocessing, into
 * the model, where calibration finds them. */
QCC_API QccStatus qcc_model_embed_data(QccModel *model, const char *data_yaml, int64_t samples);

/* Writes model.bin, or .qir when the path ends so. Atomic: the file appears whole or not at all. */
QCC_API QccStatus qcc_model_save(const QccModel *model, const char *path);

/* What qcc_model_print writes. */
typedef enum QccPrint {
    QCC_PRINT_QIR,      /* the text form, big blobs elided */
    QCC_PRINT_QIR_FULL, /* the text form with every blob */
    QCC_PRINT_SUMMARY,  /* counts, parameters, sizes */
    QCC_PRINT_BINARY    /* the bytes of a model.bin */
} QccPrint;
QCC_API QccStatus qcc_model_print(const QccModel *model, QccPrint what, QccWriteFn *fn, void *user);

/* Runs a pipeline over the model. */
typedef struct QccPipelineOptions {
    size_t size;
    const char *pipeline;   /* path of a YAML file, or the name of an installed one */
    const char *data;       /* DATA.yaml, or "random:N"; NULL: the pipeline's, the model's */
    const char *const *set; /* NULL-terminated "pass.option=value" */
    const char *const *print_after; /* NULL-terminated pass names, or "all" */
    bool print_changed, verify_each, timing, stats;
    const char *stop_after; /* NULL: run them all */
    const char *reproducer; /* where to write the graph before a pass that failed */
    QccWriteFn *print;      /* receives what print_*, timing and stats produce; NULL: nowhere */
    void *print_user;
} QccPipelineOptions;
QCC_API QccStatus qcc_model_transform(QccModel *model, const QccPipelineOptions *options);

/* Writes a line for every border between quantized and float parts that the pipelines left in the
 * model: the op, who blocks it and why, the bytes that it reads and writes; and the fastest time,
 * when `profiled` (may be NULL) is a session of the model's program that has run with a profile. */
QCC_API QccStatus qcc_model_report_unfused(const QccModel *model, const QccSession *profiled,
                                           QccWriteFn *fn, void *user);

/* ---- programs --------------------------------------------------------------------------- */

/* How kernels are chosen among codes that give the same bytes. */
typedef enum QccTune {
    QCC_TUNE_OFF, /* by a cost model, or by what was measured and recorded in the cache before */
    QCC_TUNE_FAST /* what has no record is measured, on one thread, within some seconds, and
                     recorded; also when a new shape is made ready */
} QccTune;

typedef struct QccProgramOptions {
    size_t size;
    const char *target; /* a bundle of qcc_describe("targets"); NULL: the best of this machine */
    bool interpret;     /* run by the reference interpreter instead of compiled code */
    bool taps;          /* keep every intermediate value readable: qcc_session_tap */
    bool require_cache; /* fail instead of compiling what is in no cache; nothing is measured */
    QccTune tune;
} QccProgramOptions;

/* Whether this machine runs code of a bundle (NULL: of any): known before an hour of calibration.
 * Fails: QCC_ERROR_USAGE, there is no such bundle; QCC_ERROR_UNSUPPORTED. */
QCC_API QccStatus qcc_target_check(QccContext *context, const char *target);

/* Compiles the model as it stands. The model may be changed or freed afterwards.
 * A model with symbols is made ready for their least values. Fails: unsupported op or target, no
 * LLVM module on a miss. */
QCC_API QccStatus qcc_program_new(QccProgram **program, const QccModel *model,
                                  const QccProgramOptions *options);
/* Loads a saved model or program and compiles it, or takes its kernels from the cache. */
QCC_API QccStatus qcc_program_load(QccProgram **program, QccContext *context, const char *path,
                                   const QccProgramOptions *options);
QCC_API void qcc_program_free(QccProgram *program);

typedef struct QccTensorInfo {
    const char *name; /* lives as long as the program */
    QccDtype dtype;
    int rank;
    int64_t shape[QCC_MAX_RANK]; /* where an extent is symbolic, the least one */
    bool quantized;              /* real = scale * (q - zero), one pair */
    float scale;
    int32_t zero;
    int64_t max_shape[QCC_MAX_RANK];  /* the largest extents; those of `shape` where fixed */
    const char *symbol[QCC_MAX_RANK]; /* "N", "2*N*S"; NULL: the extent is fixed */
} QccTensorInfo;

QCC_API int qcc_program_input_count(const QccProgram *program);
QCC_API int qcc_program_output_count(const QccProgram *program);
/* index from 0; fails with QCC_ERROR_USAGE when out of range. */
QCC_API QccStatus qcc_program_input(const QccProgram *program, int index, QccTensorInfo *info);
QCC_API QccStatus qcc_program_output(const QccProgram *program, int index, QccTensorInfo *info);

/* Which shapes the outputs have when the inputs have these; n_inputs and n_outputs are the
 * program's counts. Compiles nothing. Fails with QCC_ERROR_USAGE: shapes that the program does not
 * take, or that contradict each other. Any thread. */
QCC_API QccStatus qcc_program_output_shapes(const QccProgram *program, const QccShape *inputs,
                                            int n_inputs, QccShape *outputs, int n_outputs);
/* Makes a program with symbols ready for inputs of these shapes, so that the first run of them does
 * not have to. Fails likewise, and as qcc_program_new. Any thread. */
QCC_API QccStatus qcc_program_prepare(const QccProgram *program, const QccShape *inputs,
                                      int n_inputs);

/* What is asked of a program, as text or JSON; of one with symbols, for the extents that were asked
 * for last. */
typedef enum QccReport {
    QCC_REPORT_PLAN,    /* memory: a layout record per value */
    QCC_REPORT_KERNELS, /* the text of every kernel */
    QCC_REPORT_STATS,   /* kernels, cache hits, compile times, ops that run through eval */
    QCC_REPORT_SIZES,   /* bytes of weights, activations, code */
    QCC_REPORT_STATS_JSON
} QccReport;
QCC_API QccStatus qcc_program_report(const QccProgram *program, QccReport what, QccWriteFn *fn,
                                     void *user);
/* Writes each kernel's text, IR, assembly and object into the folder. */
QCC_API QccStatus qcc_program_dump_kernels(const QccProgram *program, const char *folder);

/* ---- sessions --------------------------------------------------------------------------- */

typedef struct QccSessionOptions {
    size_t size;
    int threads; /* 0: as many as the process may use */
    bool profile;
} QccSessionOptions;

/* Everything a run needs is allocated here; for a program with symbols, what a run of the least
 * shapes needs. Owner: the caller, qcc_session_free. */
QCC_API QccStatus qcc_session_new(QccSession **session, const QccProgram *program,
                                  const QccSessionOptions *options);
QCC_API void qcc_session_free(QccSession *session);

/* A caller-owned buffer, borrowed during the call. dtype must be the program's, or F32 where the
 * program's border is quantized, or U8/I8 where its first op quantizes that input. */
typedef struct QccBuffer {
    void *data;
    QccDtype dtype;
    const int64_t *strides; /* in bytes, one a dimension; NULL: dense, row-major. None where dtype
                               is not the program's, or packs two elements a byte */
    const int64_t *shape;   /* extents, one a dimension; NULL: an input has those of its
                               QccTensorInfo, an output those that follow from the inputs */
} QccBuffer;

/* Runs the program once: n_inputs and n_outputs are the program's counts. Allocates nothing, unless
 * the session has not met these shapes among its last few. */
QCC_API QccStatus qcc_session_run(QccSession *session, const QccBuffer *inputs, int n_inputs,
                                  const QccBuffer *outputs, int n_outputs);

/* One row of the profile: sums over the session's runs of the shapes of its last run. */
typedef struct QccProfileRow {
    const char *kernel; /* says what it is: "conv 1x56x56x64 k3x3 u8" */
    const char *value;  /* the value it computes */
    const char *node;   /* the node of the imported model */
    int64_t runs;
    double total_ms, min_ms;
    int64_t operations; /* of one run; a multiply-add counts two */
    int64_t bytes;      /* that one run has to read and write, each once; 0: not known */
    bool compiled;      /* false: it runs through eval */
} QccProfileRow;
QCC_API int qcc_session_profile_count(const QccSession *session);
QCC_API QccStatus qcc_session_profile(const QccSession *session, int index, QccProfileRow *row);

/* Values of the last run, of a program made with taps: name, type and dense bytes, which live
 * until the next run. */
QCC_API int qcc_session_tap_count(const QccSession *session);
QCC_API QccStatus qcc_session_tap(const QccSession *session, int index, QccTensorInfo *info,
                                  const void **data);

/* ---- data and accuracy ------------------------------------------------------------------ */

typedef struct QccEvaluation {
    size_t size;
    int64_t n;
    bool labelled;     /* top1 and top5 are known */
    double top1, top5; /* percent */
    bool compared;     /* the following are known: there was a reference */
    double reference_top1, reference_top5;
    double agreement;  /* percent of samples whose best class is the reference's */
    int64_t lost, won; /* right before and wrong now, and the other way round */
    double sqnr_db;    /* of the outputs before a final softmax: per sample, averaged */
    double cosine;     /* averaged over the samples */
    int64_t size_bytes, reference_size_bytes; /* constants of the program */
} QccEvaluation;

typedef struct QccEvaluateOptions {
    size_t size;
    const char *data;            /* DATA.yaml; NULL: the samples that `model` carries */
    const QccModel *model;       /* of the program, for its own samples and preprocessing */
    const QccProgram *reference; /* NULL: compare with nothing */
    int threads;
} QccEvaluateOptions;

/* Runs the program over labelled or unlabelled data. */
QCC_API QccStatus qcc_evaluate(QccEvaluation *result, QccContext *context,
                               const QccProgram *program, const QccEvaluateOptions *options);

/* One tensor of a .npy file, or one array of an .npz ("file.npz:name"); freed by qcc_tensor_free.
 */
typedef struct QccTensorFile {
    QccDtype dtype;
    int rank;
    int64_t shape[QCC_MAX_RANK];
    void *data; /* dense, row-major */
    size_t bytes;
} QccTensorFile;
QCC_API QccStatus qcc_tensor_load(QccTensorFile *tensor, QccContext *context, const char *path);
QCC_API QccStatus qcc_tensor_save(const QccTensorFile *tensor, QccContext *context,
                                  const char *path);
QCC_API void qcc_tensor_free(QccTensorFile *tensor);

/* ---- what there is ---------------------------------------------------------------------- */

/* topic: "passes", "ops", "targets", "pipelines", "pass:NAME", "op:NAME", "target-names" (what this
 * machine can run, one a line). Fails: QCC_ERROR_USAGE for a topic or name that does not exist. */
QCC_API QccStatus qcc_describe(QccContext *context, const char *topic, QccWriteFn *fn, void *user);

typedef struct QccCacheInfo {
    const char *folder; /* lives as long as the context; NULL: there is none */
    int64_t entries, bytes, limit;
} QccCacheInfo;
QCC_API QccStatus qcc_cache_info(QccContext *context, QccCacheInfo *info);
QCC_API QccStatus qcc_cache_clear(QccContext *context);
/* Removes the least recently used entries until at most `bytes` are left. */
QCC_API QccStatus qcc_cache_trim(QccContext *context, int64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
