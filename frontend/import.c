/* import - files become modules, known by content. */
#include "frontend/frontend.h"
#include "frontend/onnx.h"
#include "ir/model_bin.h"
#include "ir/text.h"

#include <string.h>

/* Whether the first word of a text, after blank lines and comments, is `qir`. */
static bool is_qir(const char *text, int64_t size)
{
    int64_t i = 0;
    while (i < size) {
        if (text[i] == ';') {
            while (i < size && text[i] != '\n') i++;
        } else if (strchr(" \t\r\n", text[i]) && text[i]) {
            i++;
        } else {
            break;
        }
    }
    return size - i >= 4 && !memcmp(text + i, "qir", 3) && strchr(" \t", text[i + 3]);
}

QccStatus qcc_import(QccModule **out, QccIr *ir, QccArena *arena, const char *file,
                     const char *path, const void *bytes, int64_t size, const QccInputShape *shapes,
                     int nshape)
{
    file = qcc_strdup(arena, file); /* locations refer to it */
    QccLoc loc = {.file = file};
    if (size <= 0) return qcc_error(&ir->diags, loc, "is empty, wanted a model");
    if (qcc_model_bin_is(bytes, size)) {
        return qcc_model_bin_read(out, ir, arena, file, bytes, size);
    }
    if (is_qir(bytes, size)) return qcc_module_parse(out, ir, arena, file, bytes, size, NULL);
    if (!qcc_wire_like_model(bytes, size)) {
        return qcc_error(&ir->diags, loc, "is neither a model.bin nor qir text nor an ONNX model");
    }
    QCC_TRY(qcc_onnx_import(out, ir, arena, file, path, bytes, size, shapes, nshape));
    return qcc_graph_verify((*out)->graph);
}
