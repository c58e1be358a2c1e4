// What CUDA C++ has and C++ has not, so that kernels compile for the CPU. Threads of a block that
// wait for one another are fibers of one thread; blocks run one after another.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict
// A thread of the host runs one block at a time.
#define __shared__ static thread_local

struct Dimensions {
    unsigned x = 1, y = 1, z = 1;
};

extern thread_local Dimensions threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();

using std::erfc;
using std::exp;
using std::expm1;
using std::fabs;
using std::fma;
using std::fmax;
using std::fmin;
using std::log;
using std::log1p;
using std::sqrt;
using std::tanh;

struct Kernel {
    const char *name;
    void (*call)(void **parameters);
};
extern const Kernel kernels_f32[], kernels_f64[];
