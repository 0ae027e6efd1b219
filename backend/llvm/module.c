/* module - the LLVM module's entry: kernel description -> IR -> x86-64 ELF object.
 *
 *   begin    context, module, function qcc_kernel(args, begin, end)
 *   emit     the anchor's emitter
 *   verify   LLVMVerifyModule, in every build
 *   object   code generation at its default level; no pass pipeline, which was measured to cost
 * much and to change nothing
 */
#include <llvm-c/Analysis.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <string.h>

#include "backend/codegen.h"
#include "backend/llvm/emit.h"

static const char triple[] = "x86_64-unknown-linux-gnu";

/* LLVM's handler of fatal errors gets no user pointer and must not return, so the way out of the
 * compilation that this thread is in has to be found here. What LLVM had allocated is lost. */
typedef struct FatalEdge {
    jmp_buf edge;
    char reason[256];
} FatalEdge;
/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables) */
static _Thread_local FatalEdge *fatal_edge;

static void on_fatal_error(const char *reason)
{
    FatalEdge *edge = fatal_edge;
    if (!edge) return; /* not in our code: LLVM ends the process, as it would have without us */
    strncpy(edge->reason, reason, sizeof edge->reason - 1);
    longjmp(edge->edge, 1);
}

/* Errors that code generation reports without giving up; the first one counts. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *user)
{
    char *first = user;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || first[0]) return;
    char *text = LLVMGetDiagInfoDescription(info);
    strncpy(first, text, 255);
    LLVMDisposeMessage(text);
}

static void add_attribute(QccEmit *e, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAttributeRef a =
        kind ? LLVMCreateEnumAttribute(e->context, kind, 0)
             : LLVMCreateStringAttribute(e->context, name, (unsigned)strlen(name), "", 0);
    LLVMAddAttributeAtIndex(e->fn, LLVMAttributeFunctionIndex, a);
}

static void begin_function(QccEmit *e)
{
    LLVMContextRef c = e->context;
    e->i1 = LLVMInt1TypeInContext(c);
    e->i8 = LLVMInt8TypeInContext(c);
    e->i16 = LLVMInt16TypeInContext(c);
    e->i32 = LLVMInt32TypeInContext(c);
    e->i64 = LLVMInt64TypeInContext(c);
    e->f32 = LLVMFloatTypeInContext(c);
    e->f64 = LLVMDoubleTypeInContext(c);
    e->ptr = LLVMPointerTypeInContext(c, 0);
    e->none = LLVMVoidTypeInContext(c);
    Typ parameter[3] = {e->ptr, e->i64, e->i64};
    e->fn = LLVMAddFunction(e->module, QCC_KERNEL_SYMBOL,
                            LLVMFunctionType(e->none, parameter, 3, false));
    add_attribute(e, "nounwind");
    add_attribute(e, "no-builtins");  /* nothing to link against: no loop may become a memcpy */
    add_attribute(e, "stackrealign"); /* else what is spilled straddles lines of the cache */
    e->args = LLVMGetParam(e->fn, 0);
    e->begin = LLVMGetParam(e->fn, 1);
    e->end = LLVMGetParam(e->fn, 2);
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(c, e->fn, ""));
}

static void emit_kernel(QccEmit *e)
{
    static void (*const emitters[])(QccEmit *) = {
        [QCC_ANCHOR_MAP] = emit_map,
        [QCC_ANCHOR_CONTRACT] = emit_contract,
        [QCC_ANCHOR_DEPTHWISE] = emit_depthwise,
        [QCC_ANCHOR_POOL] = emit_pool,
        [QCC_ANCHOR_ROWS] = emit_rows,
    };
    begin_function(e);
    emitters[e->k->anchor](e);
    LLVMBuildRetVoid(e->b);
    char *why = NULL;
    bool bad = LLVMVerifyModule(e->module, LLVMReturnStatusAction, &why);
    const char *text = bad ? qcc_strdup(e->arena, why) : "";
    LLVMDisposeMessage(why);
    if (bad) qcc_emit_fail(e, QCC_ERROR_INTERNAL, "the emitted IR is not valid: %s", text);
}

/* What one compilation holds of LLVM; freed on every way out but a fatal error. */
typedef struct Held {
    LLVMTargetMachineRef machine;
    LLVMMemoryBufferRef object, assembly;
    char *ir;
} Held;

static void to_object(QccEmit *e, Held *held, QccCodegenDump *dump)
{
    char *why = NULL;
    LLVMTargetRef target;
    if (LLVMGetTargetFromTriple(triple, &target, &why)) {
        const char *text = qcc_strdup(e->arena, why);
        LLVMDisposeMessage(why);
        qcc_emit_fail(e, QCC_ERROR_UNSUPPORTED, "this LLVM cannot make x86-64 code: %s", text);
    }
    held->machine =
        LLVMCreateTargetMachine(target, triple, e->t->cpu, e->t->features, LLVMCodeGenLevelDefault,
                                LLVMRelocPIC, LLVMCodeModelSmall);
    LLVMSetTarget(e->module, triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(held->machine);
    LLVMSetModuleDataLayout(e->module, layout);
    LLVMDisposeTargetData(layout);

    emit_kernel(e);
    if (dump) {
        held->ir = LLVMPrintModuleToString(e->module);
        dump->ir = qcc_strdup(e->arena, held->ir);
        /* Code generation changes the module: the text is made from a copy. */
        LLVMModuleRef copy = LLVMCloneModule(e->module);
        bool bad = LLVMTargetMachineEmitToMemoryBuffer(held->machine, copy, LLVMAssemblyFile, &why,
                                                       &held->assembly);
        LLVMDisposeModule(copy);
        if (!bad)
            dump->assembly = qcc_strndup(e->arena, LLVMGetBufferStart(held->assembly),
                                         LLVMGetBufferSize(held->assembly));
        if (bad) LLVMDisposeMessage(why);
    }
    if (LLVMTargetMachineEmitToMemoryBuffer(held->machine, e->module, LLVMObjectFile, &why,
                                            &held->object)) {
        const char *text = qcc_strdup(e->arena, why);
        LLVMDisposeMessage(why);
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "no object: %s", text);
    }
}

typedef struct Job {
    QccEmit emit;
    Held held;
    QccCodegenDump *dump;
    const void **object;
    size_t *size;
    char diagnostic[256];
    FatalEdge fatal;
    jmp_buf fail;
} Job;

/* Separate from compile, so that no local of either is changed across the jumps. */
static void run_job(Job *job)
{
    QccEmit *e = &job->emit;
    if (setjmp(job->fatal.edge)) {
        e->status = QCC_ERROR_INTERNAL;
        e->error = qcc_sprintf(e->arena, "LLVM gave up: %s", job->fatal.reason);
        job->held = (Held){0};
        e->b = NULL; /* in an unknown state: abandoned */
        e->module = NULL;
        e->context = NULL;
        return;
    }
    if (setjmp(job->fail)) return;
    fatal_edge = &job->fatal;
    to_object(e, &job->held, job->dump);
    if (job->diagnostic[0])
        qcc_emit_fail(e, QCC_ERROR_INTERNAL, "LLVM reports: %s", job->diagnostic);
    size_t size = LLVMGetBufferSize(job->held.object);
    void *bytes = qcc_alloc(e->arena, size);
    memcpy(bytes, LLVMGetBufferStart(job->held.object), size);
    *job->object = bytes;
    *job->size = size;
}

/* Also runs when the arena is freed, in case that allocation failed and control left sideways. */
static void dispose(void *user)
{
    Job *job = user;
    QccEmit *e = &job->emit;
    if (fatal_edge == &job->fatal) fatal_edge = NULL;
    if (job->held.object) LLVMDisposeMemoryBuffer(job->held.object);
    if (job->held.assembly) LLVMDisposeMemoryBuffer(job->held.assembly);
    if (job->held.ir) LLVMDisposeMessage(job->held.ir);
    if (job->held.machine) LLVMDisposeTargetMachine(job->held.machine);
    if (e->b) LLVMDisposeBuilder(e->b);
    if (e->module) LLVMDisposeModule(e->module);
    if (e->context) LLVMContextDispose(e->context);
    job->held = (Held){0};
    e->b = NULL;
    e->module = NULL;
    e->context = NULL;
}

static QccStatus compile(const QccKernel *kernel, const QccTarget *target, QccArena *arena,
                         const void **object, size_t *size, const char **error,
                         QccCodegenDump *dump)
{
    Job *job = QCC_NEW(arena, Job);
    job->dump = dump;
    job->object = object;
    job->size = size;
    QccEmit *e = &job->emit;
    *e = (QccEmit){
        .k = kernel, .t = target, .arena = arena, .lanes = target->lanes, .fail = &job->fail};
    qcc_arena_defer(arena, dispose, job);
    e->context = LLVMContextCreate();
    LLVMContextSetDiscardValueNames(e->context, true);
    LLVMContextSetDiagnosticHandler(e->context, on_diagnostic, job->diagnostic);
    e->module = LLVMModuleCreateWithNameInContext("kernel", e->context);
    e->b = LLVMCreateBuilderInContext(e->context);
    run_job(job);
    dispose(job);
    *error = e->error;
    return e->status;
}

/* When the module is opened, so once a process and before anything can be compiled. */
__attribute__((constructor)) static void set_up(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInstallFatalErrorHandler(on_fatal_error);
}

QCC_API QccCodegenQueryFn qcc_codegen_query;

const QccCodegen *qcc_codegen_query(uint32_t host_abi)
{
    static const QccCodegen codegen = {
        .abi = QCC_CODEGEN_ABI,
        .llvm_version = QCC_LLVM_VERSION,
        .compile = compile,
        .link = qcc_jit_link,
    };
    return host_abi == QCC_CODEGEN_ABI ? &codegen : NULL;
}
