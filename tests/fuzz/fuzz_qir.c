/* fuzz_qir - any bytes as qir: what parses must print, parse and print the same again, also as a
 * clone and by way of a model.bin. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ir/model_bin.h"
#include "ir/text.h"

typedef struct Input {
    QccMem mem;
    QccIr *ir;
    QccArena *arena;
    const uint8_t *data;
    size_t size;
} Input;

static QccBuf print(Input *in, const QccModule *m)
{
    QccBuf buf;
    qcc_buf_init(&buf, in->arena);
    qcc_module_print(&buf, m, QCC_BLOBS_INLINE, NULL);
    return buf;
}

static void expect_same(Input *in, const QccBuf *text, const QccModule *m)
{
    QccBuf other = print(in, m);
    if (other.len != text->len || memcmp(other.data, text->data, (size_t)text->len) != 0) abort();
}

static void run(void *user)
{
    Input *in = user;
    QccModule *m, *again;
    if (qcc_module_parse(&m, in->ir, in->arena, "fuzz", (const char *)in->data, (int64_t)in->size,
                         NULL))
        return;
    if (qcc_graph_verify(m->graph)) abort();
    QccBuf text = print(in, m);
    if (qcc_module_parse(&again, in->ir, in->arena, "again", text.data, text.len, NULL)) abort();
    expect_same(in, &text, again);

    QccModule clone = *m;
    clone.graph = qcc_graph_clone(m->graph, in->arena);
    if (qcc_graph_verify(clone.graph)) abort();
    expect_same(in, &text, &clone);

    QccBuf bin;
    qcc_buf_init(&bin, in->arena);
    qcc_model_bin_write(&bin, m);
    if (qcc_model_bin_read(&again, in->ir, in->arena, "bin", bin.data, bin.len)) abort();
    expect_same(in, &text, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = {.data = data, .size = size};
    in.ir = qcc_ir_new(&in.mem, NULL, NULL);
    in.arena = in.ir ? qcc_arena_new(&in.mem) : NULL;
    if (in.arena && !qcc_mem_protect(&in.mem, run, &in)) abort();
    qcc_arena_free(in.arena);
    qcc_ir_free(in.ir);
    return 0;
}
