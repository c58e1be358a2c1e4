// Max and average pools, [n, c, k, j, i]. Backward passes ask for each voxel which windows hold it, so
// nothing is added by two threads.

struct Window {
    int kernel[3], stride[3], dilation[3], pad[3], input[3], output[3], count_padding;
    Volume voxels, windows;
    Divider step[3];
};

// Voxels of window `out` on axis a that lie in the volume.
__device__ __forceinline__ int within(const Window &w, int a, int out) {
    int count = 0;
    for (int t = 0; t < w.kernel[a]; ++t) {
        int at = out * w.stride[a] + t * w.dilation[a] - w.pad[a];
        count += at >= 0 && at < w.input[a];
    }
    return count;
}

__device__ __forceinline__ double divisor(const Window &w, const int (&out)[3]) {
    if (w.count_padding) return (double)w.kernel[0] * w.kernel[1] * w.kernel[2];
    return (double)within(w, 0, out[0]) * within(w, 1, out[1]) * within(w, 2, out[2]);
}

// Runs `body` with the place `v` in the channel of each voxel of the window `out`, in memory order.
#define EACH_VOXEL(w, out, v, body)                                                                          \
    for (int tk = 0; tk < w.kernel[0]; ++tk) {                                                               \
        int k = out[0] * w.stride[0] + tk * w.dilation[0] - w.pad[0];                                        \
        if (k < 0 || k >= w.input[0]) continue;                                                              \
        for (int tj = 0; tj < w.kernel[1]; ++tj) {                                                           \
            int j = out[1] * w.stride[1] + tj * w.dilation[1] - w.pad[1];                                    \
            if (j < 0 || j >= w.input[1]) continue;                                                          \
            for (int ti = 0; ti < w.kernel[2]; ++ti) {                                                       \
                int i = out[2] * w.stride[2] + ti * w.dilation[2] - w.pad[2];                                \
                if (i < 0 || i >= w.input[2]) continue;                                                      \
                Index v = ((Index)k * w.input[1] + j) * w.input[2] + i;                                      \
                body                                                                                         \
            }                                                                                                \
        }                                                                                                    \
    }

// Runs `body` with the index `o` in the channel of each window that holds the voxel `in`.
#define EACH_WINDOW(w, in, o, out, body)                                                                     \
    for (int tk = w.kernel[0] - 1; tk >= 0; --tk) {                                                          \
        int k = in[0] + w.pad[0] - tk * w.dilation[0];                                                       \
        int ok = (int)over(k < 0 ? 0 : k, w.step[0]);                                                        \
        if (k < 0 || ok * w.stride[0] != k || ok >= w.output[0]) continue;                                   \
        for (int tj = w.kernel[1] - 1; tj >= 0; --tj) {                                                      \
            int j = in[1] + w.pad[1] - tj * w.dilation[1];                                                   \
            int oj = (int)over(j < 0 ? 0 : j, w.step[1]);                                                    \
            if (j < 0 || oj * w.stride[1] != j || oj >= w.output[1]) continue;                               \
            for (int ti = w.kernel[2] - 1; ti >= 0; --ti) {                                                  \
                int i = in[2] + w.pad[2] - ti * w.dilation[2];                                               \
                int oi = (int)over(i < 0 ? 0 : i, w.step[2]);                                                \
                if (i < 0 || oi * w.stride[2] != i || oi >= w.output[2]) continue;                           \
                int out[3] = {ok, oj, oi};                                                                   \
                Index o = ((Index)out[0] * w.output[1] + out[1]) * w.output[2] + out[2];                     \
                body                                                                                         \
            }                                                                                                \
        }                                                                                                    \
    }

// The first maximum of each window and its place; a NaN only where there is nothing else.
KERNEL(max_pool)(const Real *x, Real *y, unsigned *places, Window w, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, w.windows.volume);
        int out[3];
        unfold(at - channel * w.windows.volume.by, w.windows, out);
        const Real *values = x + channel * w.voxels.volume.by;
        Real best = 0;
        Index place = -1;
        EACH_VOXEL(w, out, v, {
            Real value = values[v];
            if (place < 0 || value > best || best != best) {
                best = value;
                place = v;
            }
        })
        y[at] = best;
        places[at] = (unsigned)(place < 0 ? 0 : place);
    }
}

KERNEL(max_pool_backward)(const Real *dy, const unsigned *places, Real *dx, Window w, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, w.voxels.volume), v = at - channel * w.voxels.volume.by;
        Index windows = w.windows.volume.by;
        int in[3];
        unfold(v, w.voxels, in);
        Real sum = 0;
        EACH_WINDOW(w, in, o, out, {
            if (places[channel * windows + o] == (unsigned)v) sum += dy[channel * windows + o];
        })
        dx[at] = sum;
    }
}

// One block for each window, for windows of many voxels; one thread does the adding in order of a tree.
KERNEL(average_pool)(const Real *x, Real *y, Window w) {
    Index at = blockIdx.x, channel = quotient(at, w.windows.volume);
    int out[3];
    unfold(at - channel * w.windows.volume.by, w.windows, out);
    const Real *values = x + channel * w.voxels.volume.by;
    int taps = w.kernel[0] * w.kernel[1] * w.kernel[2];
    double mine[1] = {0};
    for (int t = threadIdx.x; t < taps; t += THREADS) {
        int row = t / w.kernel[2], tap[3] = {row / w.kernel[1], row % w.kernel[1], t % w.kernel[2]};
        int place[3];
        bool inside = true;
        for (int a = 0; a < 3; ++a) {
            place[a] = out[a] * w.stride[a] + tap[a] * w.dilation[a] - w.pad[a];
            inside = inside && place[a] >= 0 && place[a] < w.input[a];
        }
        if (inside) mine[0] += values[((Index)place[0] * w.input[1] + place[1]) * w.input[2] + place[2]];
    }
    block_sums(mine);
    if (threadIdx.x == 0) y[at] = (Real)(mine[0] / divisor(w, out));
}

KERNEL(average_pool_small)(const Real *x, Real *y, Window w, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, w.windows.volume);
        int out[3];
        unfold(at - channel * w.windows.volume.by, w.windows, out);
        const Real *values = x + channel * w.voxels.volume.by;
        double sum = 0;
        EACH_VOXEL(w, out, v, { sum += values[v]; })
        y[at] = (Real)(sum / divisor(w, out));
    }
}

KERNEL(average_pool_backward)(const Real *dy, Real *dx, Window w, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, w.voxels.volume), windows = w.windows.volume.by;
        int in[3];
        unfold(at - channel * w.voxels.volume.by, w.voxels, in);
        Real sum = 0;
        EACH_WINDOW(w, in, o, out, { sum += (Real)(dy[channel * windows + o] / divisor(w, out)); })
        dx[at] = sum;
    }
}
