/* cache - compiled objects on disk, by content.
 *
 * One file an entry, named by the XXH3-128 of its text (the kernel's canonical text and the target
 * line). The folder's boundary is ownership: 0700, opened without following links, owner checked,
 * not used by set-user-id processes. Checksums detect accidents. What is damaged, foreign or of
 * another version is a miss with a note; a full or read-only disk is no error.
 */
#ifndef QCC_RUNTIME_CACHE_H
#define QCC_RUNTIME_CACHE_H

#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "runtime/qcc.h"

typedef struct QccCache QccCache;

/* Opens (and makes) the folder. NULL when there can be no cache (a note says why, when verbose);
 * hooks with a load function replace the folder. */
QccCache *qcc_cache_open(QccArena *arena, QccDiags *diags, const QccContextOptions *options);

/* The object stored under `text`, allocated in `arena`, 64-byte aligned; false: a miss. The whole
 * text is compared. A hit becomes the most recently used entry. Any thread; *note is set to a
 * static text when an entry was there but of no use. */
bool qcc_cache_load(QccCache *cache, QccArena *arena, const char *text, size_t text_size,
                    const void **object, size_t *size, const char **note);

/* Stores atomically (a temporary file, renamed), then removes the least recently used entries above
 * the limit. Failures are silent. Any thread, any number of processes. */
void qcc_cache_store(QccCache *cache, QccArena *scratch, const char *text, size_t text_size,
                     const void *object, size_t size);

/* For qcc_cache_info, clear and trim; cache may be NULL. */
void qcc_cache_measure(QccCache *cache, QccCacheInfo *info);
QccStatus qcc_cache_shrink(QccCache *cache, int64_t bytes);

#endif
