/* old_cpus - compiled kernels on an emulated CPU, where an instruction too new is caught.
 *
 *   old_cpus emit BUNDLE FOLDER    compiles random kernels, an object file each
 *   old_cpus run BUNDLE FOLDER     links them and compares what they give
 *
 * The first runs natively, the second in the emulator, where LLVM would be slow. Descriptions and
 * arguments follow from seeds, so both see the same. See old_cpus.sh.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <stdio.h>

#include "tests/kernel_random.h"

enum { SEEDS = 12 };

typedef struct Job {
    QccMem mem;
    const QccTarget *target;
    const char *folder;
    const QccCodegen *codegen;
    int failed;
} Job;

static const char *path_of(const Job *job, QccArena *arena, int anchor, int seed)
{
    return qcc_sprintf(arena, "%s/%d-%d.o", job->folder, anchor, seed);
}

static const char *emit_case(Job *job, Case *c, const char *path)
{
    const void *object;
    size_t size;
    const char *error = "no code";
    if (job->codegen->compile(&c->k, job->target, c->arena, &object, &size, &error, NULL) != QCC_OK)
        return error;
    FILE *f = fopen(path, "wb");
    bool written = f && fwrite(object, 1, size, f) == size;
    if (f && fclose(f) != 0) written = false;
    return written ? NULL : "cannot be written";
}

static const char *run_object(Job *job, Case *c, const char *path)
{
    enum { LARGEST = 1 << 20 };
    char *object = qcc_alloc_aligned(c->arena, LARGEST, 64);
    FILE *f = fopen(path, "rb");
    if (!f) return "cannot be read";
    size_t size = fread(object, 1, LARGEST, f);
    fclose(f);
    const char *error = "no code";
    QccKernelFn *fn = link_kernel(c->arena, object, size, &error);
    return fn ? run_case(c, fn, job->target) : error;
}

/* Whether f64 is made of i32: for cvtdq2pd, which reads 8 bytes, QEMU 7.2 reads 16, past the end of
 * an argument. */
static bool widens_integers(const QccExpr *x)
{
    for (int i = 0; x && i < x->n; i++) {
        const QccExprNode *node = &x->node[i];
        if (node->op == QCC_EX_cvt && node->type == QCC_EX_F64 &&
            x->node[node->in[0]].type == QCC_EX_I32)
            return true;
    }
    return false;
}

static void run_job(void *user)
{
    Job *job = user;
    for (int anchor = 0; anchor < ANCHORS; anchor++) {
        for (int seed = 0; seed < SEEDS; seed++) {
            QccArena *arena = qcc_arena_new(&job->mem);
            Case *c = random_case(arena, &job->mem, (QccAnchor)anchor, (uint64_t)seed, job->target);
            const char *path = path_of(job, arena, anchor, seed);
            if (widens_integers(c->k.epilogue)) {
                qcc_arena_free(arena);
                continue;
            }
            const char *bad = job->codegen ? emit_case(job, c, path) : run_object(job, c, path);
            if (bad) printf("%s: %s\n", path, bad);
            job->failed += bad != NULL;
            qcc_arena_free(arena);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4 || (strcmp(argv[1], "emit") != 0 && strcmp(argv[1], "run") != 0)) {
        fprintf(stderr, "usage: old_cpus emit|run BUNDLE FOLDER\n");
        return 2;
    }
    Job job = {.target = qcc_target_find(argv[2]), .folder = argv[3]};
    if (!job.target) {
        fprintf(stderr, "there is no bundle '%s'\n", argv[2]);
        return 2;
    }
    if (argv[1][0] == 'e' && !(job.codegen = open_codegen())) return 77;
    if (!qcc_mem_protect(&job.mem, run_job, &job)) return 1;
    return job.failed ? 1 : 0;
}
