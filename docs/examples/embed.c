/* embed - loads a program, runs it on an array from a file, and prints the five best classes.
 *
 *     cc embed.c $(pkg-config --cflags --libs qcc) -o embed && ./embed model.ptq_int8.bin x.npy
 */
#include <stdio.h>
#include <stdlib.h>

#include <qcc.h>

static void say(void *user, const QccDiagnostic *d)
{
    (void)user;
    fprintf(stderr, "%s: %s\n", d->file ? d->file : "qcc", d->message);
}

static void print_best(float *y, int64_t n)
{
    for (int k = 0; k < 5 && k < n; k++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            if (y[i] > y[best]) best = i;
        printf("%d. class %lld: %g\n", k + 1, (long long)best, (double)y[best]);
        y[best] = -1e30f;
    }
}

int main(int argc, char **argv)
{
    QccContextOptions options = QCC_INIT(QccContextOptions);
    QccContext *context = NULL;
    QccProgram *program = NULL;
    QccSession *session = NULL;
    QccTensorFile x = {0};
    QccTensorInfo in, out;
    options.diagnostic = say;
    if (argc != 3) return fprintf(stderr, "usage: embed PROGRAM X.npy\n"), QCC_ERROR_USAGE;
    QccStatus status = qcc_context_new(&context, &options);
    if (!status) status = qcc_program_load(&program, context, argv[1], NULL);
    if (!status) status = qcc_program_input(program, 0, &in);
    if (!status) status = qcc_program_output(program, 0, &out);
    if (!status) status = qcc_session_new(&session, program, NULL);
    if (!status) status = qcc_tensor_load(&x, context, argv[2]);
    int64_t wanted = 1, n = 1;
    for (int i = 0; !status && i < in.rank; i++) wanted *= in.shape[i];
    for (int i = 0; !status && i < out.rank; i++) n *= out.shape[i];
    wanted *= qcc_dtype_bits(x.dtype) / 8;
    if (!status && (size_t)wanted != x.bytes) status = QCC_ERROR_INPUT;
    float *y = calloc((size_t)n, sizeof *y);
    QccBuffer input = {.data = x.data, .dtype = x.dtype}, output = {.data = y, .dtype = QCC_F32};
    if (!status) status = qcc_session_run(session, &input, 1, &output, 1);
    if (!status) print_best(y, n);
    if (status) fprintf(stderr, "embed: %s\n", qcc_status_name(status));
    free(y);
    qcc_tensor_free(&x);
    qcc_session_free(session);
    qcc_program_free(program);
    qcc_context_free(context);
    return status;
}
