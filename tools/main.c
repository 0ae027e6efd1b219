/* main - qcc, the command line: finds the subcommand, reads its options, runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool.h"

/* In the order in which help names them; the first is meant where none is given. */
static const Command *const commands[] = {
    &compile_command, &import_command, &run_command, &eval_command,    &bench_command,
    &dump_command,    &passes_command, &ops_command, &targets_command, &cache_command,
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const Option global_options[] = {
    OPTION_FLAG('v', "verbose", Globals, verbose,
                "says more: notes about the cache, statistics and times of passes"),
    OPTION_FLAG('h', "help", Globals, help, "prints this and ends"),
    OPTION_FLAG(0, "version", Globals, version, "prints the version and ends"),
    OPTION_INT('j', "threads", Globals, threads, "N", 0, 1024,
               "threads that work; 0, the default: as many as affinity and control groups leave"),
    OPTION_STRING(
        0, "cache-dir", Globals, cache_dir, "DIR",
        "where compiled kernels are kept; by default $XDG_CACHE_HOME/qcc or ~/.cache/qcc"),
    OPTION_FLAG(0, "no-cache", Globals, no_cache,
                "neither takes kernels from the cache nor puts them there"),
    OPTION_STRING(0, "tune", Globals, tune, "off|fast",
                  "fast: variants of a kernel are measured, and the best remembered in the cache"),
    OPTION_LIST(0, "plugin", Globals, plugins, "FILE.so",
                "loads passes and ops from a plugin; may be given several times"),
    OPTION_STRING(0, "help-pass", Globals, help_pass, "NAME",
                  "prints what a pass does and its options, and ends"),
    OPTION_FLAG(0, "list-options", Globals, list_options,
                "prints the options one a line and ends, for shell completion"),
    {0},
};

static const Command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static void print_help(void)
{
    printf("qcc %s - a quantizing compiler for neural networks\n\n"
           "usage: qcc [COMMAND] [OPTIONS] ...\n"
           "       qcc -p PIPELINE MODEL\n\n"
           "commands (compile where none is given):\n",
           qcc_version());
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\noptions of every command:\n");
    options_help(stdout, global_options);
    printf("\n'qcc COMMAND --help' says more about a command.\n"
           "exit codes: 0 fine, 1 bad input, 2 usage, 3 unsupported, 4 an accuracy limit was "
           "missed,\n            5 input or output, 6 out of memory, 70 a bug in qcc\n");
}

static void print_command_help(const Command *c)
{
    printf("qcc %s - %s\n\nusage: qcc %s %s\n", c->name, c->summary, c->name, c->usage);
    if (c->options) {
        printf("\noptions:\n");
        options_help(stdout, c->options);
    }
    printf("\noptions of every command:\n");
    options_help(stdout, global_options);
    if (c->details) printf("\n%s", c->details);
}

static void list_options(const Command *c)
{
    if (c && c->options) options_list(stdout, c->options);
    options_list(stdout, global_options);
    for (int i = 0; !c && i < COMMANDS; i++) printf("%s\n", commands[i]->name);
}

static bool is_terminal(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static QccStatus open_context(Tool *tool)
{
    const char *no_color = getenv("NO_COLOR");
    tool->terminal = is_terminal();
    tool->color = tool->terminal && !(no_color && *no_color);
    QccContextOptions o = QCC_INIT(QccContextOptions);
    o.diagnostic = tool_diagnostic;
    o.diagnostic_user = tool;
    o.progress = tool_progress;
    o.progress_user = tool;
    o.cache_dir = tool->globals.cache_dir;
    o.no_cache = tool->globals.no_cache;
    o.verbose_cache = tool->globals.verbose || tool->command == &cache_command;
    o.plugins = tool->globals.plugins;
    o.threads = (int)tool->globals.threads;
    return qcc_context_new(&tool->context, &o);
}

static QccStatus run_with_context(Tool *tool, const void *values)
{
    QccStatus status = open_context(tool);
    if (status == QCC_OK && tool->globals.help_pass) {
        char topic[256];
        snprintf(topic, sizeof topic, "pass:%s", tool->globals.help_pass);
        status = qcc_describe(tool->context, topic, tool_write, stdout);
    } else if (status == QCC_OK) {
        status = tool->command->run(tool, values);
    }
    tool_progress_end(tool);
    qcc_context_free(tool->context);
    return status;
}

static QccStatus check_operands(const Tool *tool)
{
    const Command *c = tool->command;
    if (tool->narg >= c->min_args && tool->narg <= c->max_args) return QCC_OK;
    if (tool->narg < c->min_args)
        fprintf(stderr, "qcc %s: error: no MODEL is given\n", c->name);
    else
        fprintf(stderr, "qcc %s: error: '%s' is one too many\n", c->name, tool->arg[c->max_args]);
    fprintf(stderr, "usage: qcc %s %s\n", c->name, c->usage);
    return QCC_ERROR_USAGE;
}

/* A first operand that is no path and names no file: most likely a mistyped command. */
static QccStatus check_mistyped(const char *operand)
{
    const char *names[COMMANDS + 1] = {0};
    for (int i = 0; i < COMMANDS; i++) names[i] = commands[i]->name;
    if (strpbrk(operand, "./") || access(operand, F_OK) == 0) return QCC_OK;
    const char *near = nearest_name(operand, names);
    if (near)
        fprintf(stderr, "qcc: error: there is no command '%s'; did you mean '%s'?\n", operand,
                near);
    else
        fprintf(stderr, "qcc: error: '%s' is neither a command nor a file\n", operand);
    return QCC_ERROR_USAGE;
}

/* The options are read: answers what needs no context, or runs the command. */
static QccStatus dispatch(Tool *tool, const Command *named, bool any, const void *values)
{
    const Globals *g = &tool->globals;
    if (g->version) {
        printf("qcc %s\n", qcc_version());
        return QCC_OK;
    }
    if (g->list_options) {
        list_options(any ? tool->command : NULL);
        return QCC_OK;
    }
    if (g->help) {
        if (named)
            print_command_help(named);
        else
            print_help();
        return QCC_OK;
    }
    if (g->help_pass) return run_with_context(tool, values);
    if (!any) {
        fprintf(stderr, "qcc: error: nothing to do; 'qcc --help' says what there is\n");
        return QCC_ERROR_USAGE;
    }
    if (!named && tool->narg > 0) TOOL_TRY(check_mistyped(tool->arg[0]));
    TOOL_TRY(check_operands(tool));
    return run_with_context(tool, values);
}

/* `values` has room for the options of any command. */
static QccStatus run(Tool *tool, int argc, char **argv, void *values)
{
    OptionSet sets[3] = {{global_options, &tool->globals}};
    int taken = options_parse(sets, argc, argv, tool->arg, &tool->narg, true, "qcc");
    if (taken < 0) return QCC_ERROR_USAGE;
    argc -= taken;
    argv += taken;
    const Command *named = argc ? find_command(argv[0]) : NULL;
    const Command *c = tool->command = named ? named : commands[0];
    if (c->defaults) memcpy(values, c->defaults, c->values_size);
    if (c->options) sets[1] = (OptionSet){c->options, values};
    char who[32] = "qcc";
    if (named) snprintf(who, sizeof who, "qcc %s", c->name);
    int rest =
        options_parse(sets, argc - !!named, argv + !!named, tool->arg, &tool->narg, false, who);
    QccStatus status = rest < 0 ? QCC_ERROR_USAGE : dispatch(tool, named, argc > 0, values);
    if (c->options) options_free(&sets[1]);
    return status;
}

int main(int argc, char **argv)
{
    enum { LARGEST_VALUES = 512 };
    union {
        max_align_t align;
        char bytes[LARGEST_VALUES];
    } values = {.bytes = {0}};
    Tool tool = {.arg = calloc((size_t)argc + 1, sizeof *tool.arg)};
    if (!tool.arg) return QCC_ERROR_MEMORY;
    QccStatus status = run(&tool, argc - 1, argv + 1, values.bytes);
    options_free(&(OptionSet){global_options, &tool.globals});
    free(tool.arg);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "qcc: error: standard output cannot be written\n");
        if (status == QCC_OK) status = QCC_ERROR_IO;
    }
    return (int)status;
}
