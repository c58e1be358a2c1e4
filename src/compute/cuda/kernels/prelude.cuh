// What every kernel starts from. Compiled once for each number type, by NVRTC on the machine with the
// card and by a C++ compiler for the emulator (tools/cuda); nothing is included.
//
// Arrays are dense, volumes [n, c, k, j, i] with i fastest. Sums are double, each in an order that
// depends on shapes alone: every launch gives the same bits again. Nothing is added atomically.
#ifdef REAL_F64
typedef double Real;
#define NAMED(name) name##_f64
#else
typedef float Real;
#define NAMED(name) name##_f32
#endif
#define KERNEL(name) extern "C" __global__ void NAMED(name)

// Numbers of an array, places in it: more than 2^31 are possible.
typedef long long Index;

// Numbers that lie together in memory and are read or written as one.
template <int N> struct alignas(N * sizeof(Real)) Some {
    Real v[N];
};

// Threads of a block where a kernel does not say otherwise.
#define THREADS 256

// The first place of this thread, and how many threads there are.
__device__ __forceinline__ Index first_place() { return (Index)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ Index all_threads() { return (Index)gridDim.x * blockDim.x; }

// One at a time: what is written may be what is read next, so there is nothing to gain from more, and
// counting them takes a division of 64 bits.
#define EACH(at, count) _Pragma("unroll 1") for (Index at = first_place(); at < (count); at += all_threads())

// Division by multiplication, for numbers below 2^31.
struct Divider {
    unsigned by, times, shift;
};

__device__ __forceinline__ unsigned over(unsigned number, const Divider &d) {
    return (unsigned)(((unsigned long long)number * d.times) >> d.shift);
}

// For any number: a card divides 64 bits in some seventy steps.
__device__ __forceinline__ Index quotient(Index number, const Divider &d) {
    return number >> 31 ? number / d.by : over((unsigned)number, d);
}

__device__ __forceinline__ Index remainder_of(Index number, const Divider &d) {
    return number - quotient(number, d) * d.by;
}

// Extents of a volume as divisors of places in [n, k, j, i].
struct Volume {
    Divider volume, plane, row;
};

// The voxel `at` of a volume.
__device__ __forceinline__ void unfold(Index at, const Volume &v, int (&place)[3]) {
    Index k = quotient(at, v.plane), rest = at - k * v.plane.by, j = quotient(rest, v.row);
    place[0] = (int)k;
    place[1] = (int)j;
    place[2] = (int)(rest - j * v.row.by);
}

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
