// A compiler that knows compute capability 8.0 only, and whose assembly is the text itself and the heads of the fake
// driver's kernels. Text with `error` does not compile.

#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default"))) int
typedef struct { char *text; int wrong; } Program;
static int compiled;

API fake_compiled(void) { return compiled; }
API nvrtcVersion(int *major, int *minor) { *major = 12; *minor = 0; return 0; }
API nvrtcGetNumSupportedArchs(int *count) { *count = 1; return 0; }
API nvrtcGetSupportedArchs(int *all) { *all = 80; return 0; }
API nvrtcCreateProgram(Program **to, const char *text, const char *name, int headers, const char *const *a, const char *const *b) {
    (void)name, (void)headers, (void)a, (void)b;
    *to = calloc(1, sizeof **to);
    (*to)->text = strdup(text);
    return 0;
}
API nvrtcDestroyProgram(Program **program) { free((*program)->text); free(*program); return 0; }
API nvrtcCompileProgram(Program *program, int count, const char *const *options) {
    (void)count, (void)options;
    compiled++;
    program->wrong = strstr(program->text, "error") != 0;
    return program->wrong ? 6 : 0;
}
static const char *log_of(Program *program) { return program->wrong ? "program.cu(1): error: expected an identifier\n" : ""; }
API nvrtcGetProgramLogSize(Program *program, size_t *bytes) { *bytes = strlen(log_of(program)) + 1; return 0; }
API nvrtcGetProgramLog(Program *program, char *to) { strcpy(to, log_of(program)); return 0; }
#define HEADS "\n.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c)\n.visible .entry crash(.param .u64 a)\n"
API nvrtcGetPTXSize(Program *program, size_t *bytes) { *bytes = strlen(program->text) + sizeof HEADS; return 0; }
API nvrtcGetPTX(Program *program, char *to) { strcat(strcpy(to, program->text), HEADS); return 0; }
API nvrtcGetCUBINSize(Program *program, size_t *bytes) { (void)program; *bytes = 0; return 0; }
API nvrtcGetCUBIN(Program *program, char *to) { (void)program, (void)to; return 0; }
