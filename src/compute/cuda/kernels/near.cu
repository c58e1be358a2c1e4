// Convolutions whose windows are 3 x 3 x 3 voxels side by side, a step of one voxel apart: most of
// those there are, and their gradients.
//
// One channel of what the windows of a box of voxels read, the box and a border of one voxel, lies in
// shared memory; while it is used the next one is fetched. So a number is fetched once for its 27 products.
//
// Of the convolution, and of the gradient by the input, a block makes OUTPUTS channels of a box, a thread
// of it four voxels of a row. Where numbers lie is worked out once for all channels.

// Numbers of the largest box with its border.
#define BOX 2048

struct Box {
    int size[3];       // voxels of a box, the last a multiple of 4
    Volume boxes;      // of a sample
    Divider four[2];   // groups of four voxels: in a plane of the box, in a row
    Divider around[2]; // numbers of the box with its border: in a plane, in a row
};

template <int OUTPUTS>
__device__ __forceinline__ void near(const Pass &p, const Box &b, const Tap *__restrict__ table,
                                     const Real *__restrict__ x, const Real *__restrict__ w, const Real *bias,
                                     Real *y) {
    constexpr int READS = BOX / THREADS, WEIGHTS = (27 * OUTPUTS + THREADS - 1) / THREADS;
    constexpr int WIDTH = OUTPUTS < 4 ? OUTPUTS : 4; // weights read at a time
    constexpr int CHANNELS = LEVEL / 27; // of a level
    __shared__ Some<4> values[2][BOX / 4];
    __shared__ Some<WIDTH> weights[2][27 * OUTPUTS / WIDTH];
    // Each thread's own: registers are short.
    __shared__ int from[READS][THREADS], targets[THREADS];
    const int tid = threadIdx.x, bands = (p.outputs + OUTPUTS - 1) / OUTPUTS;
    const int group = blockIdx.y / bands, output = blockIdx.y % bands * OUTPUTS;
    const Index of = over(blockIdx.x, b.boxes.volume);
    int corner[3];
    unfold(blockIdx.x - of * b.boxes.volume.by, b.boxes, corner);
    for (int a = 0; a < 3; ++a) corner[a] *= b.size[a];
    const int plane = b.around[0].by, row = b.around[1].by, numbers = (b.size[0] + 2) * plane;

    // What this thread fetches of every channel: some numbers, -1 for one that is outside, and weights.
    for (int r = 0; r < READS; ++r) {
        const unsigned at = tid + r * THREADS;
        int k = over(at, b.around[0]), rest = at - k * plane, j = over(rest, b.around[1]);
        int place[3] = {k, j, rest - j * row};
        bool inside = (int)at < numbers && place[2] < b.size[2] + 2;
        Index number = 0;
        for (int a = 0; a < 3; ++a) {
            const Axis &axis = p.axis[a];
            int position = corner[a] + axis.start + (axis.between > 0 ? 0 : -2) + place[a];
            inside = inside && position >= 0 && position < axis.extent;
            number = number * axis.extent + position;
        }
        from[r][tid] = inside ? (int)number : -1;
    }
    int weight_from[WEIGHTS];
    for (int i = 0; i < WEIGHTS; ++i) {
        const int at = tid + i * THREADS, m = output + at % OUTPUTS, t = at / OUTPUTS;
        // Taps are listed as the window has them, which may be against the order of the voxels.
        int tk = t / 9, tj = t / 3 % 3, ti = t % 3;
        if (p.axis[0].between < 0) tk = 2 - tk;
        if (p.axis[1].between < 0) tj = 2 - tj;
        if (p.axis[2].between < 0) ti = 2 - ti;
        const bool held = at < 27 * OUTPUTS && m < p.outputs;
        weight_from[i] = held ? m * p.weight_step + table[(tk * 3 + tj) * 3 + ti].weight : -1;
    }
    const int weight_step = p.inputs > 1 ? table[27].weight - table[0].weight : 0;
    w += (Index)group * p.weight_group;
    const Real *channel = x + (of * p.groups + group) * p.inputs * input_volume(p);
    Real read[READS], weight[WEIGHTS];
    auto fetch = [&](int c) {
        for (int r = 0; r < READS; ++r) {
            const int number = from[r][tid];
            read[r] = number < 0 ? (Real)0 : channel[number];
        }
        for (int i = 0; i < WEIGHTS; ++i)
            weight[i] = weight_from[i] < 0 ? (Real)0 : w[weight_from[i] + c * weight_step];
        channel += input_volume(p);
    };
    auto put_down = [&](int c) {
        for (int r = 0; r < READS; ++r) {
            const int at = tid + r * THREADS;
            values[c % 2][at / 4].v[at % 4] = read[r];
        }
        for (int i = 0; i < WEIGHTS; ++i) {
            const int at = tid + i * THREADS;
            if (at < 27 * OUTPUTS) weights[c % 2][at / WIDTH].v[at % WIDTH] = weight[i];
        }
    };

    // The four voxels of this thread, and where their windows begin.
    const int k = over(tid, b.four[0]), rest = tid - k * b.four[0].by, j = over(rest, b.four[1]);
    const int i = (rest - j * b.four[1].by) * 4;
    const bool works = k < b.size[0];
    const int mine = works ? (k * plane + j * row + i) / 4 : 0;
    // Where their numbers go in the channel, -1 for nowhere.
    const int place[3] = {corner[0] + k, corner[1] + j, corner[2] + i};
    int target = 0;
    bool inside = works;
    for (int a = 0; a < 3; ++a) {
        inside = inside && place[a] < p.axis[a].to_extent;
        target = target * p.axis[a].to_extent + place[a];
    }
    targets[tid] = inside ? target : -1;
    Real sums[4 * OUTPUTS] = {}, level[4 * OUTPUTS] = {};
    fetch(0);
    put_down(0);
    __syncthreads();
    for (int c = 0; c < p.inputs; ++c) {
        const bool follows = c + 1 < p.inputs;
        if (follows) fetch(c + 1);
        const int half = c % 2;
#pragma unroll
        for (int t = 0; t < 9; ++t) {
            const int at = mine + (t / 3 * plane + t % 3 * row) / 4;
            const Some<4> four = values[half][at];
            const Real line[6] = {four.v[0], four.v[1], four.v[2], four.v[3], values[half][at + 1].v[0],
                                  values[half][at + 1].v[1]};
#pragma unroll
            for (int s = 0; s < 3; ++s)
#pragma unroll
                for (int m = 0; m < OUTPUTS / WIDTH; ++m) {
                    const Some<WIDTH> some = weights[half][(t * 3 + s) * (OUTPUTS / WIDTH) + m];
                    for (int o = 0; o < WIDTH; ++o)
                        for (int n = 0; n < 4; ++n) level[(m * WIDTH + o) * 4 + n] += some.v[o] * line[s + n];
                }
        }
        if (c % CHANNELS == CHANNELS - 1) raise(sums, level);
        if (follows) put_down(c + 1);
        __syncthreads();
    }
    raise(sums, level);

    const int first = targets[tid], extent = p.axis[2].to_extent;
    if (first < 0) return;
    const Index volume = output_volume(p), sample = over(blockIdx.x, b.boxes.volume);
    Real *to = y + ((sample * p.groups + group) * p.outputs + output) * volume + first;
    // Rows of a multiple of four numbers are written four at a time.
    const int left = extent - first % extent;
    for (int m = 0; m < OUTPUTS; ++m, to += volume) {
        if (output + m >= p.outputs) break;
        const Real add = bias ? bias[group * p.outputs + output + m] : (Real)0;
        Some<4> made;
        for (int n = 0; n < 4; ++n) {
            const Real sum = sums[m * 4 + n] + add;
            made.v[n] = p.rectify && !(sum > 0) ? (Real)0 : sum;
        }
        if (extent % 4 == 0) *reinterpret_cast<Some<4> *>(to) = made;
        else
            for (int n = 0; n < 4; ++n)
                if (n < left) to[n] = made.v[n];
    }
}

// Two blocks of f32 a multiprocessor: one multiplies while the other waits.
extern "C" __global__ void __launch_bounds__(THREADS, sizeof(Real) == 4 ? 2 : 1)
    NAMED(convolve_near)(Pass p, Box b, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y);
KERNEL(convolve_near)(Pass p, Box b, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    near<8>(p, b, table, x, w, bias, y);
}

// The same for fewer channels, or where there would be few blocks: they wait for shared memory, and
// have room for more blocks.
extern "C" __global__ void __launch_bounds__(THREADS, sizeof(Real) == 4 ? 3 : 1)
    NAMED(convolve_near_4)(Pass p, Box b, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y);
KERNEL(convolve_near_4)(Pass p, Box b, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    near<4>(p, b, table, x, w, bias, y);
}
extern "C" __global__ void __launch_bounds__(THREADS, sizeof(Real) == 4 ? 4 : 2)
    NAMED(convolve_near_2)(Pass p, Box b, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y);
KERNEL(convolve_near_2)(Pass p, Box b, const Tap *table, const Real *x, const Real *w, const Real *bias, Real *y) {
    near<2>(p, b, table, x, w, bias, y);
}

// --- Gradient by the weights ----------------------------------------------------------------------

// A block makes the weights of BAND channels for one channel of the input, from `length` boxes: half of
// its threads have half of the channels, each thread four voxels of a row at a time, twice a box, and sums
// of its own for all taps. Blocks: channels read, group and outputs / BAND, part.
#define OWN (sizeof(Real) == 4 ? 4 : 2) // channels of a thread
#define BAND (2 * OWN)

// Slopes are fetched while those before them are used: there is one block a multiprocessor.
__device__ __forceinline__ void weigh_box(const Pass &p, const Box &b, const Real *__restrict__ x,
                                          const Real *__restrict__ dy, Real *__restrict__ parts, int samples,
                                          int length) {
    constexpr int READS = BOX / THREADS, HALF = THREADS / 2, STRIPES = 8;
    __shared__ Some<4> values[2][BOX / 4];
    __shared__ int local[READS][THREADS]; // each thread's own, as registers are short: where it reads
    const int tid = threadIdx.x, bands = (p.outputs + BAND - 1) / BAND;
    const int group = blockIdx.y / bands, output = blockIdx.y % bands * BAND + tid / HALF * OWN;
    const int plane = b.around[0].by, row = b.around[1].by, numbers = (b.size[0] + 2) * plane;
    const int volume = (int)input_volume(p), places = (int)output_volume(p);
    const unsigned boxes = samples * b.boxes.volume.by, start = blockIdx.z * (unsigned)length;
    const unsigned end = start + length < boxes ? start + length : boxes;
    for (int r = 0; r < READS; ++r) {
        const unsigned at = tid + r * THREADS;
        int k = over(at, b.around[0]), rest = at - k * plane, j = over(rest, b.around[1]), i = rest - j * row;
        local[r][tid] = (int)at < numbers && i < b.size[2] + 2 ? k << 20 | j << 10 | i : -1;
    }
    // The two groups of four voxels of this thread: place in the box, and in its numbers.
    int four[2], mine[2];
    for (int h = 0; h < 2; ++h) {
        const int at = tid % HALF + h * HALF, k = over(at, b.four[0]), rest = at - k * b.four[0].by;
        const int j = over(rest, b.four[1]), i = (rest - j * b.four[1].by) * 4;
        four[h] = k < b.size[0] ? k << 20 | j << 10 | i : -1;
        mine[h] = k < b.size[0] ? (k * plane + j * row + i) / 4 : 0;
    }
    const bool whole = p.axis[2].to_extent % 4 == 0;
    Real read[READS], sums[27 * OWN] = {}, slope[OWN][4], next[OWN][4];
    int corner[3]; // of the box that is fetched
    Index sample;
    auto turn_to = [&](unsigned box) {
        sample = over(box, b.boxes.volume);
        unsigned rest = box - (unsigned)sample * b.boxes.volume.by;
        const unsigned k = over(rest, b.boxes.plane);
        rest -= k * b.boxes.plane.by;
        const unsigned j = over(rest, b.boxes.row);
        corner[0] = k * b.size[0];
        corner[1] = j * b.size[1];
        corner[2] = (rest - j * b.boxes.row.by) * b.size[2];
    };
    auto fetch = [&]() {
        bool within = true;
        int first[3];
        for (int a = 0; a < 3; ++a) {
            first[a] = corner[a] + p.axis[a].start;
            within = within && first[a] >= 0 && first[a] + b.size[a] + 2 <= p.axis[a].extent;
        }
        const Real *from = x + ((sample * p.groups + group) * p.inputs + blockIdx.x) * volume;
#pragma unroll
        for (int r = 0; r < READS; ++r) {
            const int code = local[r][tid];
            const int k = first[0] + (code >> 20), j = first[1] + (code >> 10 & 1023), i = first[2] + (code & 1023);
            const bool inside = within || ((unsigned)k < (unsigned)p.axis[0].extent &&
                                           (unsigned)j < (unsigned)p.axis[1].extent &&
                                           (unsigned)i < (unsigned)p.axis[2].extent);
            read[r] = inside && code >= 0 ? from[(k * p.axis[1].extent + j) * p.axis[2].extent + i] : (Real)0;
        }
    };
    auto put_down = [&](unsigned box) {
#pragma unroll
        for (int r = 0; r < READS; ++r) {
            const int at = tid + r * THREADS;
            values[(box - start) % 2][at / 4].v[at % 4] = read[r];
        }
    };
    // Slopes at one of this thread's fours of the box at `corner`; 0 outside.
    auto take = [&](int code, Real (&to)[OWN][4]) {
        const int k = corner[0] + (code >> 20), j = corner[1] + (code >> 10 & 1023), i = corner[2] + (code & 1023);
        const bool inside = code >= 0 && k < p.axis[0].to_extent && j < p.axis[1].to_extent && i < p.axis[2].to_extent;
        const int left = inside ? p.axis[2].to_extent - i : 0, at = (k * p.axis[1].to_extent + j) * p.axis[2].to_extent + i;
        const Real *from = dy + ((sample * p.groups + group) * p.outputs + output) * places + at;
#pragma unroll
        for (int m = 0; m < OWN; ++m) {
            const bool held = inside && output + m < p.outputs;
            if (whole) {
                const Some<4> some = held ? *reinterpret_cast<const Some<4> *>(from + m * places) : Some<4>{};
                for (int n = 0; n < 4; ++n) to[m][n] = some.v[n];
            } else
                for (int n = 0; n < 4; ++n) to[m][n] = held && n < left ? from[m * places + n] : (Real)0;
        }
        return inside;
    };
    turn_to(start);
    fetch();
    bool works = take(four[0], slope);
    put_down(start);
    __syncthreads();
#pragma unroll 1
    for (unsigned box = start; box < end; ++box) {
        const bool follows = box + 1 < end;
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            bool then = false;
            if (h == 0) then = take(four[1], next);
            else if (follows) {
                turn_to(box + 1);
                fetch();
                then = take(four[0], next);
            }
            if (works) {
#pragma unroll
                for (int t = 0; t < 9; ++t) {
                    const int at = mine[h] + (t / 3 * plane + t % 3 * row) / 4;
                    const Some<4> some = values[(box - start) % 2][at];
                    const Real line[6] = {some.v[0], some.v[1], some.v[2], some.v[3],
                                          values[(box - start) % 2][at + 1].v[0],
                                          values[(box - start) % 2][at + 1].v[1]};
                    // Sums in turn, so that none waits for itself.
#pragma unroll
                    for (int n = 0; n < 4; ++n)
#pragma unroll
                        for (int m = 0; m < OWN; ++m)
                            for (int s = 0; s < 3; ++s) sums[m * 27 + t * 3 + s] += slope[m][n] * line[s + n];
                }
            }
            works = then;
            for (int m = 0; m < OWN; ++m)
                for (int n = 0; n < 4; ++n) slope[m][n] = next[m][n];
        }
        if (follows) put_down(box + 1);
        __syncthreads();
    }

    // The sums of all threads of a half, nine at a time, in double: first of stripes of threads.
    __shared__ double striped[18][STRIPES];
    Real *room = values[0][0].v;
    Real *out = parts + (Index)blockIdx.z * p.groups * p.outputs * p.inputs * 27;
#pragma unroll
    for (int nine = 0; nine < 3 * OWN; ++nine) {
#pragma unroll
        for (int t = 0; t < 9; ++t) room[t * THREADS + tid] = sums[nine * 9 + t];
        __syncthreads();
        const int half = tid / STRIPES / 9, stripe = tid % STRIPES, t = tid / STRIPES % 9;
        if (half < 2) {
            double sum = 0;
            for (int i = stripe; i < HALF; i += STRIPES) sum += room[t * THREADS + half * HALF + i];
            striped[half * 9 + t][stripe] = sum;
        }
        __syncthreads();
        const int m = blockIdx.y % bands * BAND + tid / 9 * OWN + nine / 3;
        if (tid < 18 && m < p.outputs) {
            double sum = 0;
            for (int s = 0; s < STRIPES; ++s) sum += striped[tid][s];
            const Index weight = ((Index)(group * p.outputs + m) * p.inputs + blockIdx.x) * 27;
            out[weight + nine % 3 * 9 + tid % 9] = (Real)sum;
        }
    }
}

KERNEL(weigh_near)(Pass p, Box b, const Real *x, const Real *dy, Real *parts, int samples, int length) {
    weigh_box(p, b, x, dy, parts, samples, length);
}
