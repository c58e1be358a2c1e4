// cuDNN's N-d convolutions, as far as heatproof asks for them: nested loops in double. What it is not
// given as agreed stops the program: three arrays of f32 (full f32, or factors rounded to TF32 under the
// default math) or three of bf16 (on tensor cores), sums of f32; a deterministic algorithm, room to
// work, symmetric padding. Some geometries it refuses, as the real one may, so that what follows a
// refusal is run.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define API extern "C" __attribute__((visibility("default"))) int

namespace {

[[noreturn]] void fault(const char *what) {
    std::fprintf(stderr, "emulated cuDNN: %s\n", what);
    std::abort();
}

constexpr int NOT_SUPPORTED = 3000, FLOAT = 0, BFLOAT16 = 9, NCHW = 0, CROSS_CORRELATION = 1,
              FMA_MATH = 3, DEFAULT_MATH = 0, TENSOR_OP_MATH = 1;
constexpr size_t WORK = 1000;

struct Tensor {
    int type, extent[5];
};

struct Convolution {
    int pad[3], stride[3], dilation[3], groups = 1, math = -1;
};

void dense(const int *extent, const int *stride) {
    int expected = 1;
    for (int a = 4; a >= 0; expected *= extent[a--])
        if (stride[a] != expected) fault("a tensor that is not dense");
}

enum Pass { FORWARD, BY_INPUT, BY_WEIGHT };

// Whether the pass is refused.
bool refused(Pass pass, int algorithm, const Convolution &c, const Tensor &x, const Tensor &w, const Tensor &y) {
    if (x.type != w.type || x.type != y.type) fault("arrays of several types");
    const bool half = x.type == BFLOAT16;
    if (half ? c.math != TENSOR_OP_MATH : c.math != FMA_MATH && c.math != DEFAULT_MATH)
        fault("neither full f32 nor TF32 nor bf16");
    if (half && c.groups > 1) return true;
    bool spread = c.dilation[0] > 1 || c.dilation[1] > 1 || c.dilation[2] > 1;
    switch (pass) {
    case FORWARD:
        if (algorithm != 0 && algorithm != 1) fault("not an algorithm of implicit matrix products");
        return spread && (algorithm == 1 || c.groups > 1);
    case BY_INPUT:
        if (algorithm != 1) fault("an algorithm that is not deterministic");
        return c.stride[2] == 3;
    default:
        if (algorithm != 1) fault("an algorithm that is not deterministic");
        return spread && c.groups > 1;
    }
}

int room(Pass pass, int algorithm, const Tensor *x, const Tensor *w, const Tensor *y, const Convolution *c,
         size_t *bytes) {
    if (refused(pass, algorithm, *c, *x, *w, *y)) return NOT_SUPPORTED;
    *bytes = algorithm == 1 ? WORK : 0;
    return 0;
}

// Without its last `dropped` bits, halves to even: 13 make TF32 of f32, 16 bf16.
float rounded(float v, int dropped) {
    if (v != v) return v;
    uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    bits += (1u << (dropped - 1)) - 1 + (bits >> dropped & 1);
    bits &= ~0u << dropped;
    return std::memcpy(&v, &bits, sizeof v), v;
}

float read(const void *from, int type, size_t at) {
    if (type == FLOAT) return static_cast<const float *>(from)[at];
    const uint32_t bits = uint32_t(static_cast<const uint16_t *>(from)[at]) << 16;
    float v;
    return std::memcpy(&v, &bits, sizeof v), v;
}

void write(void *to, int type, size_t at, float v) {
    if (type == FLOAT) {
        static_cast<float *>(to)[at] = v;
        return;
    }
    uint32_t bits;
    v = rounded(v, 16);
    std::memcpy(&bits, &v, sizeof bits);
    static_cast<uint16_t *>(to)[at] = uint16_t(bits >> 16);
}

// Every product: y += x * w, x += y * w or w += x * y.
int convolve(Pass pass, int algorithm, const Tensor &x, const void *xs, const Tensor &w, const void *ws,
             const Tensor &y, const void *ys, const Convolution &c, const float *alpha, const float *beta,
             void *work, size_t bytes, void *to) {
    if (refused(pass, algorithm, c, x, w, y)) return NOT_SUPPORTED;
    if (*alpha != 1 || *beta != 0) fault("scaled");
    if (algorithm == 1) {
        if (!work || bytes < WORK) fault("no room to work");
        std::memset(work, 0xab, WORK);
    }
    const int inputs = w.extent[1], outputs = w.extent[0] / c.groups;
    if (x.extent[1] != inputs * c.groups || y.extent[1] != w.extent[0] || x.extent[0] != y.extent[0])
        fault("channels or samples that do not fit");
    for (int a = 0; a < 3; ++a) {
        int reach = c.dilation[a] * (w.extent[a + 2] - 1) + 1;
        int made = (x.extent[a + 2] + 2 * c.pad[a] - reach) / c.stride[a] + 1;
        if (y.extent[a + 2] != made) fault("an output of another extent");
    }
    const Tensor &made = pass == FORWARD ? y : pass == BY_INPUT ? x : w;
    size_t count = 1;
    for (int extent : made.extent) count *= extent;
    std::vector<double> sums(count);
    auto factor = [&](const void *of, size_t at) -> double {
        const float v = read(of, x.type, at);
        return c.math == DEFAULT_MATH ? rounded(v, 13) : v;
    };
    for (int n = 0; n < x.extent[0]; ++n)
        for (int o = 0; o < w.extent[0]; ++o)
            for (int place = 0; place < y.extent[2] * y.extent[3] * y.extent[4]; ++place) {
                const int p[3] = {place / (y.extent[3] * y.extent[4]), place / y.extent[4] % y.extent[3],
                                  place % y.extent[4]};
                const size_t at_y = (size_t(n) * w.extent[0] + o) * y.extent[2] * y.extent[3] * y.extent[4] + place;
                for (int i = 0; i < inputs; ++i)
                    for (int tap = 0; tap < w.extent[2] * w.extent[3] * w.extent[4]; ++tap) {
                        const int t[3] = {tap / (w.extent[3] * w.extent[4]), tap / w.extent[4] % w.extent[3],
                                          tap % w.extent[4]};
                        size_t at_x = size_t(n) * x.extent[1] + o / outputs * inputs + i;
                        bool inside = true;
                        for (int a = 0; a < 3; ++a) {
                            int q = p[a] * c.stride[a] + t[a] * c.dilation[a] - c.pad[a];
                            inside = inside && q >= 0 && q < x.extent[a + 2];
                            at_x = at_x * x.extent[a + 2] + q;
                        }
                        if (!inside) continue;
                        const size_t at_w = (size_t(o) * inputs + i) * w.extent[2] * w.extent[3] * w.extent[4] + tap;
                        switch (pass) {
                        case FORWARD: sums[at_y] += factor(xs, at_x) * factor(ws, at_w); break;
                        case BY_INPUT: sums[at_x] += factor(ys, at_y) * factor(ws, at_w); break;
                        default: sums[at_w] += factor(ys, at_y) * factor(xs, at_x);
                        }
                    }
            }
    for (size_t at = 0; at < count; ++at) write(to, x.type, at, float(sums[at]));
    return 0;
}

} // namespace

API cudnnCreate(void **handle) { return *handle = new int(0), 0; }
API cudnnDestroy(void *handle) { return delete static_cast<int *>(handle), 0; }
API cudnnSetStream(void *, void *) { return 0; }

API cudnnCreateTensorDescriptor(Tensor **t) { return *t = new Tensor(), 0; }
API cudnnDestroyTensorDescriptor(Tensor *t) { return delete t, 0; }
API cudnnSetTensorNdDescriptor(Tensor *t, int type, int rank, const int *extent, const int *stride) {
    if ((type != FLOAT && type != BFLOAT16) || rank != 5) fault("not a volume of f32 or bf16");
    dense(extent, stride);
    t->type = type;
    return std::memcpy(t->extent, extent, sizeof t->extent), 0;
}

API cudnnCreateFilterDescriptor(Tensor **t) { return *t = new Tensor(), 0; }
API cudnnDestroyFilterDescriptor(Tensor *t) { return delete t, 0; }
API cudnnSetFilterNdDescriptor(Tensor *t, int type, int format, int rank, const int *extent) {
    if ((type != FLOAT && type != BFLOAT16) || rank != 5 || format != NCHW)
        fault("not a window of f32 or bf16");
    t->type = type;
    return std::memcpy(t->extent, extent, sizeof t->extent), 0;
}

API cudnnCreateConvolutionDescriptor(Convolution **c) { return *c = new Convolution(), 0; }
API cudnnDestroyConvolutionDescriptor(Convolution *c) { return delete c, 0; }
API cudnnSetConvolutionNdDescriptor(Convolution *c, int rank, const int *pad, const int *stride,
                                    const int *dilation, int mode, int type) {
    if (rank != 3 || mode != CROSS_CORRELATION || type != FLOAT) fault("not a correlation of f32");
    std::memcpy(c->pad, pad, sizeof c->pad);
    std::memcpy(c->stride, stride, sizeof c->stride);
    std::memcpy(c->dilation, dilation, sizeof c->dilation);
    return 0;
}
API cudnnSetConvolutionMathType(Convolution *c, int math) { return c->math = math, 0; }
API cudnnSetConvolutionGroupCount(Convolution *c, int groups) { return c->groups = groups, 0; }

API cudnnGetConvolutionForwardWorkspaceSize(void *, Tensor *x, Tensor *w, Convolution *c, Tensor *y,
                                            int algorithm, size_t *bytes) {
    return room(FORWARD, algorithm, x, w, y, c, bytes);
}
API cudnnGetConvolutionBackwardDataWorkspaceSize(void *, Tensor *w, Tensor *y, Convolution *c, Tensor *x,
                                                 int algorithm, size_t *bytes) {
    return room(BY_INPUT, algorithm, x, w, y, c, bytes);
}
API cudnnGetConvolutionBackwardFilterWorkspaceSize(void *, Tensor *x, Tensor *y, Convolution *c, Tensor *w,
                                                   int algorithm, size_t *bytes) {
    return room(BY_WEIGHT, algorithm, x, w, y, c, bytes);
}

API cudnnConvolutionForward(void *, const float *alpha, Tensor *x, const void *xs, Tensor *w, const void *ws,
                            Convolution *c, int algorithm, void *work, size_t bytes, const float *beta, Tensor *y,
                            void *ys) {
    return convolve(FORWARD, algorithm, *x, xs, *w, ws, *y, nullptr, *c, alpha, beta, work, bytes, ys);
}
API cudnnConvolutionBackwardData(void *, const float *alpha, Tensor *w, const void *ws, Tensor *y,
                                 const void *ys, Convolution *c, int algorithm, void *work, size_t bytes,
                                 const float *beta, Tensor *x, void *xs) {
    return convolve(BY_INPUT, algorithm, *x, nullptr, *w, ws, *y, ys, *c, alpha, beta, work, bytes, xs);
}
API cudnnConvolutionBackwardFilter(void *, const float *alpha, Tensor *x, const void *xs, Tensor *y,
                                   const void *ys, Convolution *c, int algorithm, void *work, size_t bytes,
                                   const float *beta, Tensor *w, void *ws) {
    return convolve(BY_WEIGHT, algorithm, *x, xs, *w, nullptr, *y, ys, *c, alpha, beta, work, bytes, ws);
}
