/* cache - qcc cache: shows, empties and trims the folder of compiled kernels. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

typedef struct Values {
    int64_t megabytes; /* -1: the limit */
    bool json;
} Values;

static QccStatus print_info(Tool *tool, bool json)
{
    QccCacheInfo info;
    TOOL_TRY(qcc_cache_info(tool->context, &info));
    if (json)
        return tool_json(tool, json_pack("{s:s?, s:I, s:I, s:I}", "folder", info.folder, "entries",
                                         (json_int_t)info.entries, "bytes", (json_int_t)info.bytes,
                                         "limit", (json_int_t)info.limit));
    char bytes[32], limit[32];
    printf("folder   %s\n", info.folder ? info.folder : "none");
    printf("entries  %" PRId64 "\n", info.entries);
    printf("size     %s of %s\n", tool_bytes(bytes, info.bytes), tool_bytes(limit, info.limit));
    return QCC_OK;
}

static QccStatus run(Tool *tool, const void *values)
{
    const Values *v = values;
    const char *what = tool->narg ? tool->arg[0] : "info";
    if (strcmp(what, "info") == 0) return print_info(tool, v->json);
    bool clear = strcmp(what, "clear") == 0;
    if (!clear && strcmp(what, "trim") != 0)
        return tool_error(tool, QCC_ERROR_USAGE, "cache wants info, clear or trim, not '%s'", what);
    QccCacheInfo info;
    TOOL_TRY(qcc_cache_info(tool->context, &info));
    if (!info.folder) return tool_error(tool, QCC_ERROR_IO, "there is no cache to %s", what);
    if (clear) return qcc_cache_clear(tool->context);
    return qcc_cache_trim(tool->context, v->megabytes < 0 ? info.limit : v->megabytes * 1000000);
}

static const Option options[] = {
    OPTION_INT(0, "size", Values, megabytes, "MB", 0, 1e9,
               "what trim leaves, in megabytes; by default the limit of the cache"),
    OPTION_FLAG(0, "json", Values, json, "info as JSON"),
    {0},
};

const Command cache_command = {
    .name = "cache",
    .usage = "[info | clear | trim [--size=MB]]",
    .summary = "shows, empties or trims the folder of compiled kernels",
    .details = "trim removes the entries that were not used for the longest time. Only files that\n"
               "the cache itself has named are ever removed.\n",
    .options = options,
    .values_size = sizeof(Values),
    .defaults = &(const Values){.megabytes = -1},
    .max_args = 1,
    .run = run,
};
