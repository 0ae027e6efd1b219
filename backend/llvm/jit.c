/* jit - objects that the runtime's own linker does not take become callable by LLVM's (LLJIT).
 *
 * No kernel needs it as long as the code generator makes what runtime/link.c knows: it is there for
 * the LLVM that will call a helper of the C library or use another relocation one day. It takes
 * objects that were compiled just now, never bytes of a file.
 */
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <string.h>

#include "backend/codegen.h"
#include "backend/llvm/emit.h"

typedef struct Jit {
    LLVMOrcLLJITRef lljit; /* NULL: not there yet */
    char error[256];       /* the first one */
} Jit;

static void dispose(void *user)
{
    Jit *j = user;
    if (j->lljit) LLVMConsumeError(LLVMOrcDisposeLLJIT(j->lljit));
}

static bool good(Jit *j, LLVMErrorRef e)
{
    if (!e) return true;
    char *text = LLVMGetErrorMessage(e);
    if (!j->error[0]) strncpy(j->error, text, sizeof j->error - 1);
    LLVMDisposeErrorMessage(text);
    return false;
}

/* What a lookup meets on its way, such as the names that are missing; LLVM would print it. */
static void on_error(void *user, LLVMErrorRef e)
{
    good(user, e);
}

static bool link_object(Jit *j, LLVMOrcExecutorAddress *at, const void *object, size_t size,
                        const char *symbol)
{
    if (!good(j, LLVMOrcCreateLLJIT(&j->lljit, NULL))) return false;
    LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(j->lljit), on_error, j);
    LLVMOrcDefinitionGeneratorRef process; /* of names that the object does not define */
    if (!good(j, LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
                     &process, LLVMOrcLLJITGetGlobalPrefix(j->lljit), NULL, NULL)))
        return false;
    LLVMOrcJITDylibRef dylib = LLVMOrcLLJITGetMainJITDylib(j->lljit);
    LLVMOrcJITDylibAddGenerator(dylib, process);
    LLVMMemoryBufferRef copy = LLVMCreateMemoryBufferWithMemoryRangeCopy(object, size, "kernel");
    return good(j, LLVMOrcLLJITAddObjectFile(j->lljit, dylib, copy)) &&
           good(j, LLVMOrcLLJITLookup(j->lljit, at, symbol));
}

QccStatus qcc_jit_link(void **address, QccArena *arena, const void *object, size_t size,
                       const char *symbol, const char **error)
{
    Jit *j = QCC_NEW(arena, Jit);
    qcc_arena_defer(arena, dispose, j);
    LLVMOrcExecutorAddress at = 0;
    bool linked = link_object(j, &at, object, size, symbol);
    *address = linked ? (void *)(uintptr_t)at : NULL;
    if (!linked) *error = j->error;
    return linked ? QCC_OK : QCC_ERROR_UNSUPPORTED;
}
