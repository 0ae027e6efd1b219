/* file - whole files: mapped for an arena's life, written at once or not at all. */
#ifndef QCC_IR_BASE_FILE_H
#define QCC_IR_BASE_FILE_H

#include "ir/base/diag.h"

/* Maps a regular file for the arena's life; *bytes is page-aligned, NULL for an empty file. A file
 * that another process truncates meanwhile ends this one, as with every mapping. */
QccStatus qcc_map_file(QccArena *arena, QccDiags *d, const char *path, const void **bytes,
                       int64_t *size);

/* One piece of a file to write. */
typedef struct QccPiece {
    const void *bytes;
    int64_t size;
} QccPiece;

/* Writes the pieces, one after the other, to a temporary file beside `path` and renames it: the
 * file appears whole or not at all. A link stays a link, and what is no regular file (a pipe, a
 * device) is written to as it is, and may have got a part when this fails. `arena` is scratch. */
QccStatus qcc_write_file(QccArena *arena, QccDiags *d, const char *path, const QccPiece *piece,
                         int n);

#endif
