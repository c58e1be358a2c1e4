// 3D convolution and its two gradients, as matrix products whose second factor is never written out.
//
// A pass makes outputs[m, voxel] = sum over `products` of weight[m, tap] * from[voxel, tap]. A tap is
// one channel at one place of the window; the host lists them (convolution.rs), so that the same
// kernels do the convolution and the gradient by its input: there, with a step, voxels whose taps
// are the same make one pass each.
//
// Sums are of the kernel's number type, in two levels: LEVEL products, then those sums. All loops run
// in an order that shapes alone decide.

// Products added up before they go to the sum; fewer where a sum has as many as there are voxels.
#define LEVEL 128
#define SHORT_LEVEL 32

// One axis: the window of place p begins at step * p + start of what is read, which has `extent`
// numbers; its taps lie `between` apart. p is written to to_step * p + to_start of to_extent.
struct Axis {
    int step, start, between, taps, extent, to_step, to_start, to_extent;
};

// All a kernel has to know of the geometry. Channels are those of one group.
struct Pass {
    Axis axis[3];
    Divider volume, plane, row; // of the places of one sample
    unsigned voxels;            // places of all samples
    int products, inputs, outputs, groups;
    int weight_group, weight_step; // weights of a group; from the weights of one output to the next
    int rectify;
};

// A product: how far from the window's first voxel it reads, a bit for the place on each axis (the
// last bit for none), and its place in the weights of one output.
struct Tap {
    int from;
    unsigned places;
    int weight, number;
};
#define NONE 0x80000000u

struct Place {
    unsigned sample;
    int at[3];
};

__device__ __forceinline__ Place place(const Pass &p, unsigned voxel) {
    unsigned sample = over(voxel, p.volume), rest = voxel - sample * p.volume.by;
    unsigned k = over(rest, p.plane);
    rest -= k * p.plane.by;
    unsigned j = over(rest, p.row);
    Place at = {sample, {(int)k, (int)j, (int)(rest - j * p.row.by)}};
    return at;
}

// The window of a voxel: the number it begins with, and the places outside as bits. All bits are set
// for a voxel that is none, the last one for every voxel.
struct View {
    Index from;
    unsigned outside;
};

__device__ __forceinline__ Index input_volume(const Pass &p) {
    return (Index)p.axis[0].extent * p.axis[1].extent * p.axis[2].extent;
}

__device__ __forceinline__ Index output_volume(const Pass &p) {
    return (Index)p.axis[0].to_extent * p.axis[1].to_extent * p.axis[2].to_extent;
}

__device__ __forceinline__ Index window_start(const Pass &p, int group, const Place &place) {
    Index from = 0;
    for (int a = 0; a < 3; ++a) {
        const Axis &axis = p.axis[a];
        from = from * axis.extent + (axis.step * place.at[a] + axis.start);
    }
    return ((Index)place.sample * p.groups + group) * p.inputs * input_volume(p) + from;
}

__device__ __forceinline__ View view(const Pass &p, int group, unsigned voxel) {
    View w = {0, ~0u};
    if (voxel >= p.voxels) return w;
    Place at = place(p, voxel);
    w.from = window_start(p, group, at);
    w.outside = NONE;
    unsigned bit = 1;
    for (int a = 0; a < 3; ++a) {
        const Axis &axis = p.axis[a];
        int position = axis.step * at.at[a] + axis.start;
        for (int t = 0; t < axis.taps; ++t, bit <<= 1, position += axis.between)
            if (position < 0 || position >= axis.extent) w.outside |= bit;
    }
    return w;
}

// Where output 0 of a group goes for a voxel.
__device__ __forceinline__ Index destination(const Pass &p, int group, unsigned voxel) {
    Place place_of = place(p, voxel);
    Index to = 0;
    for (int a = 0; a < 3; ++a) {
        const Axis &axis = p.axis[a];
        to = to * axis.to_extent + (axis.to_step * place_of.at[a] + axis.to_start);
    }
    return ((Index)place_of.sample * p.groups + group) * p.outputs * output_volume(p) + to;
}

__device__ __forceinline__ void put(const Pass &p, const Real *bias, Real *y, int group, int output, Index to,
                                    Real sum) {
    if (bias) sum += bias[group * p.outputs + output];
    if (p.rectify) sum = sum > 0 ? sum : (Real)0;
    y[to + output * output_volume(p)] = sum;
}

// Adds a level to the sum and begins the next one.
template <int N> __device__ __forceinline__ void raise(Real (&sums)[N], Real (&level)[N]) {
    for (int i = 0; i < N; ++i) {
        sums[i] += level[i];
        level[i] = 0;
    }
}

// --- Few outputs ---------------------------------------------------------------------------------

// Each thread has VOXELS voxels and all of up to OUTPUTS outputs: what is read serves no other thread,
// so it goes to registers, and weights are broadcast from shared memory. Blocks: voxels / (THREADS *
// VOXELS), group.
template <int OUTPUTS, int VOXELS>
__device__ __forceinline__ void few(const Pass &p, const Tap *__restrict__ table, const Real *__restrict__ x,
                                    const Real *__restrict__ w, const Real *bias, Real *y) {
    constexpr int DEPTH = 32, WIDTH = OUTPUTS < 4 ? OUTPUTS : 4;
    __shared__ Some<WIDTH> weights[DEPTH][OUTPUTS / WIDTH];
    __shared__ Tap taps[DEPTH];
    const int tid = threadIdx.x, group = blockIdx.y;
    const unsigned first = blockIdx.x * (unsigned)(THREADS * VOXELS) + tid;
    w += (Index)group * p.weight_group;
    View views[VOXELS];
    for (int v = 0; v < VOXELS; ++v) views[v] = view(p, group, first + v * THREADS);
    Real sums[VOXELS][OUTPUTS] = {}, level[VOXELS][OUTPUTS] = {};
    for (int done = 0; done < p.products; done += DEPTH) {
        __syncthreads();
        if (tid < DEPTH) taps[tid] = table[done + tid];
        for (int at = tid; at < DEPTH * OUTPUTS; at += THREADS) {
            int k = at % DEPTH, m = at / DEPTH;
            bool held = m < p.outputs && done + k < p.products;
            weights[k][m / WIDTH].v[m % WIDTH] =
                held ? w[(Index)m * p.weight_step + table[done + k].weight] : (Real)0;
        }
        __syncthreads();
        const int count = p.products - done < DEPTH ? p.products - done : DEPTH;
#pragma unroll 2
        for (int k = 0; k < count; ++k) {
            const int from = taps[k].from;
            const unsigned places = taps[k].places;
            Real value[VOXELS];
            for (int v = 0; v < VOXELS; ++v)
                value[v] = (views[v].outside & places) ? (Real)0 : x[views[v].from + from];
            for (int m = 0; m < OUTPUTS / WIDTH; ++m) {
                const Some<WIDTH> some = weights[k][m];
                for (int v = 0; v < VOXELS; ++v)
                    for (int i = 0; i < WIDTH; ++i) level[v][m * WIDTH + i] += value[v] * some.v[i];
            }
        }
        if (done % LEVEL == LEVEL - DEPTH)
            for (int v = 0; v < VOXELS; ++v) raise(sums[v], level[v]);
    }
    for (int v = 0; v < VOXELS; ++v) {
        const unsigned voxel = first + v * THREADS;
        if (voxel >= p.voxels) continue;
        const Index to = destination(p, group, voxel);
        for (int m = 0; m < OUTPUTS; ++m)
            if (m < p.outputs) put(p, bias, y, group, m, to, sums[v][m] + level[v][m]);
    }
}

KERNEL(convolve_2)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    few<2, 4>(p, table, x, w, bias, y);
}
KERNEL(convolve_8)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    few<8, 4>(p, table, x, w, bias, y);
}

// --- Many outputs --------------------------------------------------------------------------------

// A block makes OUTPUTS x VOXELS numbers, a thread M x N of them. DEPTH products at a time go through
// shared memory; while they are used the next ones are read, and the taps of those after them.
// Threads of a warp form 4 x 8, so that both factors come from shared memory without conflict. Blocks:
// voxels / VOXELS, group and outputs / OUTPUTS.
template <int OUTPUTS, int VOXELS, int M, int N>
__device__ __forceinline__ void many(const Pass &p, const Tap *__restrict__ table, const Real *__restrict__ x,
                                     const Real *__restrict__ w, const Real *bias, Real *y) {
    static_assert(OUTPUTS / M * (VOXELS / N) == THREADS && N == 4, "one part of the tile for each thread");
    constexpr int DEPTH = 8, WIDTH = M < 4 ? M : 4, ROWS = OUTPUTS / M / 4;
    constexpr int READS = DEPTH * VOXELS / THREADS, WEIGHTS = (DEPTH * OUTPUTS + THREADS - 1) / THREADS;
    __shared__ Some<WIDTH> weights[2][DEPTH][OUTPUTS / WIDTH + 4 / WIDTH];
    __shared__ Some<N> values[2][DEPTH][VOXELS / N];
    __shared__ Tap taps[2][DEPTH];
    const int tid = threadIdx.x, bands = (p.outputs + OUTPUTS - 1) / OUTPUTS;
    const int group = blockIdx.y / bands, output = blockIdx.y % bands * OUTPUTS;
    const unsigned first = blockIdx.x * (unsigned)VOXELS;
    const int slabs = (p.products + DEPTH - 1) / DEPTH;
    w += (Index)group * p.weight_group;

    // What this thread brings: one voxel for every (THREADS / VOXELS)th tap, some weights.
    const View own = view(p, group, first + tid % VOXELS);
    Real read[READS], weight[WEIGHTS];
    auto fetch = [&](int slab) {
        for (int i = 0; i < READS; ++i) {
            const Tap &tap = taps[slab % 2][tid / VOXELS + i * (THREADS / VOXELS)];
            read[i] = (own.outside & tap.places) ? (Real)0 : x[own.from + tap.from];
        }
        for (int i = 0; i < WEIGHTS; ++i) {
            const int at = tid + i * THREADS, k = at % DEPTH, m = output + at / DEPTH;
            const bool held = at < DEPTH * OUTPUTS && m < p.outputs && slab * DEPTH + k < p.products;
            weight[i] = held ? w[(Index)m * p.weight_step + taps[slab % 2][k].weight] : (Real)0;
        }
    };
    auto store = [&](int slab) {
        for (int i = 0; i < READS; ++i) {
            const int k = tid / VOXELS + i * (THREADS / VOXELS), v = tid % VOXELS;
            values[slab % 2][k][v / N].v[v % N] = read[i];
        }
        for (int i = 0; i < WEIGHTS; ++i) {
            const int at = tid + i * THREADS, m = at / DEPTH;
            if (at < DEPTH * OUTPUTS) weights[slab % 2][at % DEPTH][m / WIDTH].v[m % WIDTH] = weight[i];
        }
    };

    const int warp = tid / 32, row = warp % ROWS * 4 + tid % 4, column = warp / ROWS * 8 + tid % 32 / 4;
    Real sums[M * N] = {}, level[M * N] = {};
    for (int at = tid; at < 2 * DEPTH && at < slabs * DEPTH; at += THREADS) taps[at / DEPTH][at % DEPTH] = table[at];
    __syncthreads();
    if (slabs > 0) {
        fetch(0);
        store(0);
    }
    __syncthreads();
    for (int slab = 0; slab < slabs; ++slab) {
        const bool follows = slab + 1 < slabs, brings = tid < DEPTH && slab + 2 < slabs;
        Tap later = {};
        if (follows) fetch(slab + 1);
        if (brings) later = table[(slab + 2) * DEPTH + tid];
#pragma unroll
        for (int k = 0; k < DEPTH; ++k) {
            Some<WIDTH> a[M / WIDTH];
            for (int m = 0; m < M / WIDTH; ++m) a[m] = weights[slab % 2][k][row * (M / WIDTH) + m];
            const Some<N> b = values[slab % 2][k][column];
            for (int m = 0; m < M; ++m)
                for (int n = 0; n < N; ++n) level[m * N + n] += a[m / WIDTH].v[m % WIDTH] * b.v[n];
        }
        if (slab % (LEVEL / DEPTH) == LEVEL / DEPTH - 1) raise(sums, level);
        if (follows) store(slab + 1);
        if (brings) taps[slab % 2][tid] = later;
        __syncthreads();
    }
    raise(sums, level);
    for (int n = 0; n < N; ++n) {
        const unsigned voxel = first + column * N + n;
        if (voxel >= p.voxels) continue;
        const Index to = destination(p, group, voxel);
        for (int m = 0; m < M; ++m) {
            const int of = output + row * M + m;
            if (of < p.outputs) put(p, bias, y, group, of, to, sums[m * N + n]);
        }
    }
}

KERNEL(convolve_16x256)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    many<16, 256, 4, 4>(p, table, x, w, bias, y);
}
KERNEL(convolve_32x64)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    many<32, 64, 2, 4>(p, table, x, w, bias, y);
}
KERNEL(convolve_32x128)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    many<32, 128, 4, 4>(p, table, x, w, bias, y);
}
KERNEL(convolve_64x128)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    many<64, 128, 8, 4>(p, table, x, w, bias, y);
}

// --- Windows of any size -------------------------------------------------------------------------

// Whether a tap of a window lies outside, where its places have no bits.
__device__ __forceinline__ bool beyond(const Pass &p, const Place &place, int number) {
    int rest = number;
    for (int a = 2; a >= 0; --a) {
        const Axis &axis = p.axis[a];
        int position = axis.step * place.at[a] + axis.start + axis.between * (rest % axis.taps);
        if (position < 0 || position >= axis.extent) return true;
        rest /= axis.taps;
    }
    return false;
}

// One number of the output for each thread: blocks as above, one output each.
KERNEL(convolve_any)(Pass p, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    const int group = blockIdx.y / p.outputs, output = blockIdx.y % p.outputs;
    const unsigned voxel = blockIdx.x * (unsigned)THREADS + threadIdx.x;
    if (voxel >= p.voxels) return;
    const Place at = place(p, voxel);
    const Real *from = x + window_start(p, group, at);
    w += (Index)group * p.weight_group + (Index)output * p.weight_step;
    Real sums[1] = {}, level[1] = {};
    for (int k = 0; k < p.products; ++k) {
        const Tap tap = table[k];
        if (!beyond(p, at, tap.number)) level[0] += from[tap.from] * w[tap.weight];
        if (k % LEVEL == LEVEL - 1) raise(sums, level);
    }
    put(p, bias, y, group, output, destination(p, group, voxel), sums[0] + level[0]);
}

// --- Gradient by the weights ---------------------------------------------------------------------

// A voxel as the gradient by the weights needs it: its window and its place in the output's gradient,
// below 0 for none.
struct Spot {
    Index from, to;
    unsigned outside;
};

__device__ __forceinline__ Spot spot(const Pass &p, int group, unsigned voxel, unsigned end) {
    Spot s = {0, -1, ~0u};
    if (voxel < end) {
        View w = view(p, group, voxel);
        s.from = w.from;
        s.outside = w.outside;
        s.to = destination(p, group, voxel);
    }
    return s;
}

// dw[m, tap] of a part of the voxels: a block makes OUTPUTS x TAPS numbers, a thread M x 4 of them,
// for every SLICESth voxel; slices are added at the end. Blocks: taps / TAPS, group and outputs /
// OUTPUTS, part of `length` voxels. Part b goes to parts[b * numbers of the weight].
template <int OUTPUTS, int TAPS, int M, int DEPTH>
__device__ __forceinline__ void weigh(const Pass &p, const Tap *__restrict__ table, const Real *__restrict__ x,
                                      const Real *__restrict__ dy, Real *parts, int length) {
    constexpr int N = 4, SIDE = OUTPUTS / M * (TAPS / N), SLICES = THREADS / SIDE, STEP = THREADS / DEPTH;
    constexpr int ROWS = OUTPUTS / M, WIDE = OUTPUTS + 4, LONG = TAPS + 4, SLAB = DEPTH * (WIDE + LONG) / 4;
    constexpr int EVERY = SHORT_LEVEL * SLICES / DEPTH, NUMBERS = OUTPUTS * TAPS, HALVES = SLICES / 2 * NUMBERS / 4;
    static_assert(SIDE * SLICES == THREADS && M % 4 == 0 && STEP <= OUTPUTS && STEP <= TAPS, "the tile fits");
    __shared__ Some<4> room[2 * SLAB > HALVES ? 2 * SLAB : HALVES];
    __shared__ Spot spots[2][DEPTH];
    const int tid = threadIdx.x, bands = (p.outputs + OUTPUTS - 1) / OUTPUTS;
    const int group = blockIdx.y / bands, output = blockIdx.y % bands * OUTPUTS, tap = blockIdx.x * TAPS;
    const unsigned start = blockIdx.z * (unsigned)length;
    const unsigned end = p.voxels - start < (unsigned)length ? p.voxels : start + length;
    const int slabs = (end - start + DEPTH - 1) / DEPTH;
    const Index volume = output_volume(p);
    auto dys = [&](int slab, int k) { return &room[slab % 2 * SLAB + k * (WIDE / 4)]; };
    auto xs = [&](int slab, int k) { return &room[slab % 2 * SLAB + DEPTH * (WIDE / 4) + k * (LONG / 4)]; };

    // What this thread brings: one voxel of a slab, for every STEPth tap and output.
    const int own = tid % DEPTH, nth = tid / DEPTH;
    int from[TAPS / STEP];
    unsigned places[TAPS / STEP];
    for (int i = 0; i < TAPS / STEP; ++i) {
        const int at = tap + nth + i * STEP;
        const Tap of = at < p.products ? table[at] : Tap{0, NONE, 0, 0};
        from[i] = of.from;
        places[i] = of.places;
    }
    Real read[TAPS / STEP], gradient[OUTPUTS / STEP];
    auto fetch = [&](int slab) {
        const Spot s = spots[slab % 2][own];
        for (int i = 0; i < TAPS / STEP; ++i) read[i] = (s.outside & places[i]) ? (Real)0 : x[s.from + from[i]];
        for (int i = 0; i < OUTPUTS / STEP; ++i) {
            const int m = output + nth + i * STEP;
            gradient[i] = s.to >= 0 && m < p.outputs ? dy[s.to + m * volume] : (Real)0;
        }
    };
    auto store = [&](int slab) {
        for (int i = 0; i < TAPS / STEP; ++i) {
            const int n = nth + i * STEP;
            xs(slab, own)[n / 4].v[n % 4] = read[i];
        }
        for (int i = 0; i < OUTPUTS / STEP; ++i) {
            const int m = nth + i * STEP;
            dys(slab, own)[m / 4].v[m % 4] = gradient[i];
        }
    };

    const int slice = tid / SIDE, row = tid % SIDE % ROWS, column = tid % SIDE / ROWS;
    Real sums[M * N] = {}, level[M * N] = {};
    if (tid < 2 * DEPTH) spots[tid / DEPTH][own] = spot(p, group, start + tid, end);
    __syncthreads();
    fetch(0);
    store(0);
    __syncthreads();
    for (int slab = 0; slab < slabs; ++slab) {
        const bool follows = slab + 1 < slabs, brings = tid < DEPTH && slab + 2 < slabs;
        Spot later = {};
        if (follows) fetch(slab + 1);
        if (brings) later = spot(p, group, start + (slab + 2) * DEPTH + tid, end);
#pragma unroll
        for (int i = 0; i < DEPTH / SLICES; ++i) {
            const int k = i * SLICES + slice;
            Some<4> a[M / 4];
            for (int m = 0; m < M / 4; ++m) a[m] = dys(slab, k)[row * (M / 4) + m];
            const Some<4> b = xs(slab, k)[column];
            for (int m = 0; m < M; ++m)
                for (int n = 0; n < N; ++n) level[m * N + n] += a[m / 4].v[m % 4] * b.v[n];
        }
        if (slab % EVERY == EVERY - 1) raise(sums, level);
        if (follows) store(slab + 1);
        if (brings) spots[slab % 2][tid] = later;
        __syncthreads();
    }
    raise(sums, level);
    Some<4> *halves = room;
    for (int half = SLICES / 2; half > 0; half /= 2) {
        const int place_of = (slice % half * SIDE + tid % SIDE) * M;
        __syncthreads();
        if (slice >= half && slice < 2 * half)
            for (int m = 0; m < M; ++m)
                for (int n = 0; n < N; ++n) halves[place_of + m].v[n] = sums[m * N + n];
        __syncthreads();
        if (slice < half)
            for (int m = 0; m < M; ++m)
                for (int n = 0; n < N; ++n) sums[m * N + n] += halves[place_of + m].v[n];
    }
    if (slice > 0) return;
    parts += ((Index)blockIdx.z * p.groups + group) * p.outputs * p.products;
    for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n) {
            const int of = output + row * M + m, at = tap + column * N + n;
            if (of < p.outputs && at < p.products) parts[(Index)of * p.products + at] = sums[m * N + n];
        }
}

KERNEL(weigh_8x32)(Pass p, const Tap *table, const Real *x, const Real *dy, Real *parts, int length) {
    weigh<8, 32, 4, 32>(p, table, x, dy, parts, length);
}
KERNEL(weigh_32x64)(Pass p, const Tap *table, const Real *x, const Real *dy, Real *parts, int length) {
    weigh<32, 64, 4, 16>(p, table, x, dy, parts, length);
}
KERNEL(weigh_64x64)(Pass p, const Tap *table, const Real *x, const Real *dy, Real *parts, int length) {
    weigh<64, 64, 4, 16>(p, table, x, dy, parts, length);
}

// The same for windows of any size: a block makes one number. Blocks: taps, group and output, part.
KERNEL(weigh_any)(Pass p, const Tap *table, const Real *x, const Real *dy, Real *parts, int length) {
    const int group = blockIdx.y / p.outputs, output = blockIdx.y % p.outputs;
    const unsigned start = blockIdx.z * (unsigned)length;
    const unsigned end = p.voxels - start < (unsigned)length ? p.voxels : start + length;
    const Tap tap = table[blockIdx.x];
    double mine[1] = {0};
    for (unsigned voxel = start + threadIdx.x; voxel < end; voxel += THREADS) {
        const Place at = place(p, voxel);
        if (beyond(p, at, tap.number)) continue;
        const Index to = destination(p, group, voxel) + output * output_volume(p);
        mine[0] += (double)x[window_start(p, group, at) + tap.from] * dy[to];
    }
    block_sums(mine);
    const Index row = ((Index)blockIdx.z * p.groups + group) * p.outputs + output;
    if (threadIdx.x == 0) parts[row * p.products + blockIdx.x] = (Real)mine[0];
}

// Adds parts of `count` numbers in order: 32 numbers a block, every 8th part a thread.
KERNEL(add_parts)(const Real *parts, Real *sums, int number, Index count) {
    __shared__ double all[8][32];
    const int lane = threadIdx.x % 32, stripe = threadIdx.x / 32;
    const Index at = (Index)blockIdx.x * 32 + lane;
    double sum = 0;
#pragma unroll 4
    for (int part = stripe; part < number; part += 8)
        if (at < count) sum += parts[part * count + at];
    all[stripe][lane] = sum;
    __syncthreads();
    if (stripe > 0 || at >= count) return;
    for (int s = 1; s < 8; ++s) sum += all[s][lane];
    sums[at] = (Real)sum;
}

// y + bias, negative numbers set to 0 with `rectify`, in place: one row of voxels a blockIdx.x.
KERNEL(add_bias)(Real *y, const Real *bias, int channels, int rectify, Index row) {
    const Real add = bias ? bias[blockIdx.x % channels] : (Real)0;
    y += blockIdx.x * row;
    for (Index at = (Index)blockIdx.y * THREADS + threadIdx.x; at < row; at += (Index)gridDim.y * THREADS) {
        const Real sum = y[at] + add;
        y[at] = rectify && !(sum > 0) ? (Real)0 : sum;
    }
}
