/* tool - what the subcommands of qcc share. The tool is a plain client of runtime/qcc.h.
 *
 * Results go to standard output, everything else to standard error.
 */
#ifndef QCC_TOOLS_TOOL_H
#define QCC_TOOLS_TOOL_H

#include <jansson.h>

#include "runtime/qcc.h"
#include "tools/options.h"

typedef struct Tool Tool;

/* Everything about a subcommand; one stands in each file. */
typedef struct Command {
    const char *name, *usage, *summary;
    const char *details; /* what --help adds at its end; NULL: nothing */
    const Option *options;
    size_t values_size;     /* of the struct that `options` fills */
    const void *defaults;   /* NULL: zeroes */
    int min_args, max_args; /* operands */
    QccStatus (*run)(Tool *tool, const void *values);
} Command;

/* Options of every subcommand. */
typedef struct Globals {
    bool verbose, help, version, no_cache, list_options;
    int64_t threads;
    const char *cache_dir, *help_pass, *tune;
    const char *const *plugins;
} Globals;

/* The bar that shows what a long call does. */
typedef struct Progress {
    char what[48]; /* empty: no bar stands on the line */
    double started_ms, drawn_ms;
} Progress;

struct Tool {
    Globals globals;
    const Command *command;
    const char **arg; /* operands */
    int narg;
    QccContext *context;
    bool terminal, color; /* of standard error */
    bool muted;           /* diagnostics are dropped: a failure is expected */
    Progress progress;
};

/* ---- saying things (say.c) ------------------------------------------------------------------- */

#if defined(__GNUC__)
#define TOOL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define TOOL_PRINTF(fmt, first)
#endif

/* Says what is wrong and returns the status. */
QccStatus tool_error(Tool *tool, QccStatus status, const char *fmt, ...) TOOL_PRINTF(3, 4);
void tool_note(Tool *tool, const char *fmt, ...) TOOL_PRINTF(2, 3); /* behind an error */
void tool_warn(Tool *tool, const char *fmt, ...) TOOL_PRINTF(2, 3);

/* Of a clock that only goes forward. */
double tool_now_ms(void);

/* For the context's options; user is the Tool. */
void tool_diagnostic(void *user, const QccDiagnostic *d);
bool tool_progress(void *user, const char *what, int64_t done, int64_t total);
/* Takes the bar off the terminal. */
void tool_progress_end(Tool *tool);

/* A QccWriteFn: user is a FILE. */
bool tool_write(void *file, const void *bytes, size_t size);
/* Prints the document and frees it. */
QccStatus tool_json(Tool *tool, json_t *json);
/* A number, or null where there is none to say. */
json_t *tool_real(bool known, double x);
/* "1.2 kB", "34.5 MB"; buf has room for 32 characters. */
const char *tool_bytes(char *buf, int64_t bytes);

/* Passes a failure up. */
#define TOOL_TRY(call)                                                                             \
    do {                                                                                           \
        QccStatus try_status_ = (call);                                                            \
        if (try_status_ != QCC_OK) return try_status_;                                             \
    } while (0)

/* ---- models (load.c) ------------------------------------------------------------------------- */

/* Opens a model and gives its inputs the shapes of `shapes`: NULL-terminated "[NAME=]8,3,224,224";
 * NULL: none. */
QccStatus tool_open_model(Tool *tool, QccModel **model, const char *path,
                          const char *const *shapes);
/* The same, made ready to run: a model that no pipeline has seen goes through `float`. */
QccStatus tool_open_ready(Tool *tool, QccModel **model, const char *path,
                          const char *const *shapes);

/* The options of a program: --tune, --target (NULL: the best here), --engine=jit|interp (NULL:
 * compiled code). Wrong ones are told here, before anything is computed or written. */
QccStatus tool_program_options(Tool *tool, QccProgramOptions *options, const char *target,
                               const char *engine);
/* What is known about a program, as an object; NULL with a message. */
QccStatus tool_program_stats(Tool *tool, json_t **stats, const QccProgram *program);

/* Writes a model; the path "-" means standard output. Refuses to write over `input`. */
QccStatus tool_save_model(Tool *tool, const QccModel *model, const char *path, const char *input);
/* "DIR/STEM.MIDDLE.bin" of the path "DIR/STEM.EXT" (MIDDLE NULL: "DIR/STEM.bin"); to be freed. */
char *tool_output_path(const char *input, const char *middle);
/* Bytes of a file; 0: there is none. */
int64_t tool_file_bytes(const char *path);

/* Elements and bytes of a tensor. */
int64_t tool_count(const QccTensorInfo *info);
size_t tool_size(const QccTensorInfo *info, QccDtype dtype);

/* "NAME=rest": the rest, and the name's length in *n; no name: `text`, and 0. */
const char *tool_split_name(const char *text, size_t *n);

/* ---- measuring (measure.c) ------------------------------------------------------------------- */

typedef struct Timing {
    double min_ms, median_ms, p90_ms;
} Timing;

typedef struct Measurement {
    const QccProgram *program; /* NULL: there is none */
    QccSession *session;       /* with a profile */
    void *memory;              /* of inputs and outputs */
    QccBuffer *buffer;
    double *sample_ms;
    Timing timing;
} Measurement;

typedef struct MeasureOptions {
    int64_t threads, warmup, iterations;
    double limit_ms; /* ends earlier, after 5 runs of each; 0: no limit */
} MeasureOptions;

/* Runs the programs of m[0..n) in turns on the same made-up input, and times each run. m is to be
 * freed whether it fails or not. */
QccStatus measure_run(Tool *tool, Measurement *m, int n, const MeasureOptions *options);
void measure_free(Measurement *m, int n);

/* The kernels of a measured program, the slowest first, at most `most` (0: all). */
void measure_print_kernels(FILE *out, const Measurement *m, int most);
json_t *measure_kernels_json(const Measurement *m);
json_t *measure_timing_json(const Measurement *m);

/* ---- the subcommands ------------------------------------------------------------------------- */

extern const Command bench_command, cache_command, compile_command, dump_command, eval_command,
    import_command, ops_command, passes_command, run_command, targets_command;

#endif
