// NVRTC: the kernels have been compiled with the emulator; a program is a word that says so.
#include <cstring>

#define API extern "C" __attribute__((visibility("default"))) int

static const char IMAGE[] = ".target emulated";

API nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }
API nvrtcCreateProgram(void **program, const char *, const char *, int, const char *const *,
                       const char *const *) {
    return *program = const_cast<char *>(IMAGE), 0;
}
API nvrtcCompileProgram(void *, int, const char *const *) { return 0; }
API nvrtcDestroyProgram(void **) { return 0; }
API nvrtcGetPTXSize(void *, size_t *size) { return *size = sizeof IMAGE, 0; }
API nvrtcGetPTX(void *, char *to) { return std::memcpy(to, IMAGE, sizeof IMAGE), 0; }
API nvrtcGetProgramLogSize(void *, size_t *size) { return *size = 1, 0; }
API nvrtcGetProgramLog(void *, char *to) { return *to = 0, 0; }
