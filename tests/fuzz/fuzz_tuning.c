/* fuzz_tuning - any bytes as a tuning record: one of the candidates, or none. */
#include <stdlib.h>
#include <string.h>

#include "backend/variant.h"
#include "runtime/tune.h"

/* A list as a kernel in tiles gets it. */
static const QccVariant list[] = {
    {.mr = 28, .nr = 2, .unroll = 4, .tiles = 2, .spread = 2, .stream = QCC_STREAM_B},
    {.mr = 28, .nr = 2, .unroll = 4, .tiles = 2, .spread = 2},
    {.mr = 14, .nr = 4, .unroll = 4, .tiles = 1, .spread = 2, .flat = true},
    {.mr = 6, .nr = 4, .unroll = 2, .chunk = 96, .n_outer = true},
};
enum { N = sizeof list / sizeof *list };

typedef struct Input {
    const uint8_t *data;
    size_t size;
    QccArena *arena;
} Input;

static void parse(void *user)
{
    const Input *in = user;
    int choice = qcc_tuning_parse(in->data, in->size, in->arena, list, N);
    if (choice < -1 || choice >= N) abort();
    if (choice < 0) return;
    /* What was accepted is what is written. */
    QccBuf text;
    qcc_buf_init(&text, in->arena);
    qcc_tuning_print(&text, list, N, choice);
    if ((size_t)text.len != in->size || memcmp(text.data, in->data, in->size) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QccMem mem = {0};
    Input in = {data, size, qcc_arena_new(&mem)};
    if (in.arena && !qcc_mem_protect(&mem, parse, &in)) abort();
    qcc_arena_free(in.arena);
    return 0;
}
