/* peer_session - the qcc side of bench_peers: runs a program when it is told to.
 *
 *   peer_session PROGRAM X.npy THREADS [BUNDLE]
 *
 * Reads commands from standard input, a line each: "run N" runs N times and answers with a line of
 * N latencies in milliseconds, "save FILE" writes the first output of the last run as .npy and
 * answers "saved". Programs of one f32 input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/context.h"

typedef struct Worker {
    QccContext *context;
    QccProgram *program;
    QccSession *session;
    QccTensorFile x, y;
} Worker;

static void say(void *user, const QccDiagnostic *d)
{
    (void)user;
    fprintf(stderr, "%s: %s\n", d->file ? d->file : "qcc", d->message);
}

/* The output of the shape that follows from the input's. */
static QccStatus make_output(Worker *w)
{
    QccShape in = {.rank = w->x.rank}, out;
    QccTensorInfo info;
    memcpy(in.dim, w->x.shape, sizeof in.dim);
    int outputs = qcc_program_output_count(w->program);
    if (qcc_program_input_count(w->program) != 1 || outputs != 1 || w->x.dtype != QCC_F32) {
        fprintf(stderr, "a program of one f32 input and one output is needed\n");
        return QCC_ERROR_USAGE;
    }
    QccStatus status = qcc_program_output_shapes(w->program, &in, 1, &out, 1);
    if (status != QCC_OK) return status;
    status = qcc_program_output(w->program, 0, &info);
    if (status != QCC_OK) return status;
    w->y = (QccTensorFile){.dtype = QCC_F32, .rank = out.rank, .bytes = sizeof(float)};
    memcpy(w->y.shape, out.dim, sizeof w->y.shape);
    for (int i = 0; i < out.rank; i++) w->y.bytes *= (size_t)out.dim[i];
    w->y.data = malloc(w->y.bytes);
    return w->y.data ? QCC_OK : QCC_ERROR_MEMORY;
}

static QccStatus open_worker(Worker *w, char **argv)
{
    QccContextOptions options = QCC_INIT(QccContextOptions);
    options.diagnostic = say;
    QccStatus status = qcc_context_new(&w->context, &options);
    if (status != QCC_OK) return status;
    QccProgramOptions program = QCC_INIT(QccProgramOptions);
    program.target = argv[4];
    status = qcc_program_load(&w->program, w->context, argv[1], &program);
    if (status != QCC_OK) return status;
    status = qcc_tensor_load(&w->x, w->context, argv[2]);
    if (status != QCC_OK) return status;
    QccSessionOptions session = QCC_INIT(QccSessionOptions);
    session.threads = atoi(argv[3]);
    status = qcc_session_new(&w->session, w->program, &session);
    return status == QCC_OK ? make_output(w) : status;
}

static QccStatus run(Worker *w, int n)
{
    QccBuffer in = {.data = w->x.data, .dtype = QCC_F32, .shape = w->x.shape};
    QccBuffer out = {.data = w->y.data, .dtype = QCC_F32};
    for (int i = 0; i < n; i++) {
        double start = qcc_now_ms();
        QccStatus status = qcc_session_run(w->session, &in, 1, &out, 1);
        if (status != QCC_OK) return status;
        printf("%s%.4f", i ? " " : "", qcc_now_ms() - start);
    }
    printf("\n");
    return QCC_OK;
}

static QccStatus obey(Worker *w, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "run ", 4) == 0) return run(w, atoi(line + 4));
    if (strncmp(line, "save ", 5) != 0) return QCC_ERROR_USAGE;
    QccStatus status = qcc_tensor_save(&w->y, w->context, line + 5);
    if (status == QCC_OK) printf("saved\n");
    return status;
}

int main(int argc, char **argv)
{
    Worker w = {0};
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: peer_session PROGRAM X.npy THREADS [BUNDLE]\n");
        return QCC_ERROR_USAGE;
    }
    QccStatus status = open_worker(&w, argv);
    if (status == QCC_OK) printf("ready\n");
    fflush(stdout);
    char line[4096];
    while (status == QCC_OK && fgets(line, sizeof line, stdin)) {
        status = obey(&w, line);
        fflush(stdout);
    }
    if (status != QCC_OK) fprintf(stderr, "peer_session: %s\n", qcc_status_name(status));
    qcc_tensor_free(&w.x);
    free(w.y.data);
    qcc_session_free(w.session);
    qcc_program_free(w.program);
    qcc_context_free(w.context);
    return status;
}
