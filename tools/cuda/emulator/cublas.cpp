// cuBLAS: candle opens it with a device; heatproof multiplies with kernels of its own.
#define API extern "C" __attribute__((visibility("default"))) int

API cublasCreate_v2(void **handle) { return *handle = &handle, 0; }
API cublasDestroy_v2(void *) { return 0; }
API cublasSetStream_v2(void *, void *) { return 0; }
