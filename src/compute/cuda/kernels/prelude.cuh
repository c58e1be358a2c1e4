// What every kernel starts from. Compiled once for each number type, by NVRTC on the machine with the
// card and by a C++ compiler for the emulator (tools/cuda); nothing is included.
//
// Arrays are dense, volumes [n, c, k, j, i] with i fastest. Sums are double, each in an order that
// depends on shapes alone: every launch gives the same bits again. Nothing is added atomically.
#ifdef REAL_F64
typedef double Real;
#define KERNEL(name) extern "C" __global__ void name##_f64
#else
typedef float Real;
#define KERNEL(name) extern "C" __global__ void name##_f32
#endif

// Numbers of an array, places in it: more than 2^31 are possible.
typedef long long Index;

// Threads of a block where a kernel does not say otherwise.
#define THREADS 256

// The first place of this thread, and how many threads there are.
__device__ __forceinline__ Index first_place() { return (Index)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ Index all_threads() { return (Index)gridDim.x * blockDim.x; }

#define EACH(at, count) for (Index at = first_place(); at < (count); at += all_threads())

// Adds what each thread of a block brought, in the order of a tree; thread 0 has the sum.
template <int SUMS> __device__ void block_sums(double (&mine)[SUMS]) {
    __shared__ double all[SUMS][THREADS];
    for (int s = 0; s < SUMS; ++s) all[s][threadIdx.x] = mine[s];
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half)
            for (int s = 0; s < SUMS; ++s) all[s][threadIdx.x] += all[s][threadIdx.x + half];
    }
    if (threadIdx.x == 0)
        for (int s = 0; s < SUMS; ++s) mine[s] = all[s][0];
    __syncthreads();
}
