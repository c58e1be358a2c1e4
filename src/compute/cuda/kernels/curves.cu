// Activations: functions of one number, in double, by the names of src/model/layers and methods. With a
// gradient g at the output the result is that at the input. a and b are the layer's settings.

#define CURVE(name, value, slope)                                                                            \
    KERNEL(name)(const Real *xs, const Real *gs, int back, Real *ys, double a, double b, Index count) {      \
        EACH(at, count) {                                                                                    \
            double x = xs[at];                                                                               \
            ys[at] = (Real)(back ? (slope) * gs[at] : (value));                                              \
        }                                                                                                    \
    }

__device__ __forceinline__ double logistic(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

// Share of a standard normal distribution below x, and its density.
__device__ __forceinline__ double normal_below(double x) { return 0.5 * erfc(x * -0.70710678118654752440); }
__device__ __forceinline__ double normal_density(double x) { return 0.39894228040143267794 * exp(-0.5 * x * x); }

// gelu_tanh: 2 sqrt(2 / pi) and the factor of the cube.
#define TWICE_SCALE 1.59576912160573071176
#define CUBIC 0.044715
__device__ __forceinline__ double about_below(double x) {
    return 1 / (1 + exp(-TWICE_SCALE * (x + CUBIC * x * x * x)));
}

__device__ __forceinline__ double within(double x, double low, double high) { return fmin(fmax(x, low), high); }

CURVE(clip, within(x, a, b), x > a && x < b ? 1.0 : 0.0)
CURVE(elu, x > 0 ? x : a * expm1(x), x > 0 ? 1.0 : a * exp(x))
CURVE(gelu, x * normal_below(x), normal_below(x) + x * normal_density(x))
CURVE(gelu_tanh, x * about_below(x), about_below(x) + x * about_below(x) * (1 - about_below(x)) * TWICE_SCALE * (1 + 3 * CUBIC * x * x))
CURVE(hard_sigmoid, within(a * x + b, 0, 1), a * x + b > 0 && a * x + b < 1 ? a : 0.0)
CURVE(hard_swish, x * within(x / 6 + 0.5, 0, 1), x <= -3 ? 0.0 : x >= 3 ? 1.0 : x / 3 + 0.5)
CURVE(leaky_relu, x > 0 ? x : a * x, x > 0 ? 1.0 : a)
CURVE(sigmoid, logistic(x), logistic(x) * (1 - logistic(x)))
CURVE(silu, x * logistic(x), logistic(x) * (1 + x * (1 - logistic(x))))
CURVE(softplus, x > 0 ? x + log1p(exp(-a * x)) / a : log1p(exp(a * x)) / a, logistic(a * x))
CURVE(tanh, tanh(x), 1 - tanh(x) * tanh(x))

// y where x > 0, y times the slope of its channel elsewhere; `channels` slopes in turn.
KERNEL(bent_by)(const Real *x, const Real *y, const double *slopes, Real *out, Divider voxels, Divider channels,
                Index count) {
    EACH(at, count) {
        Index channel = remainder_of(quotient(at, voxels), channels);
        out[at] = x[at] > 0 ? y[at] : y[at] * (Real)slopes[channel];
    }
}

// Softmax over the channels of every place, or its logarithm.
KERNEL(softmax)(const Real *xs, Real *ys, Index voxels, Index channels, int logarithm, Index count) {
    EACH(at, count) {
        Index first = at / voxels * channels * voxels + at % voxels, after = first + channels * voxels;
        double top = xs[first], total = 0;
        for (Index c = first; c < after; c += voxels) top = fmax(top, (double)xs[c]);
        for (Index c = first; c < after; c += voxels) total += exp(xs[c] - top);
        double lost = log(total);
        for (Index c = first; c < after; c += voxels)
            ys[c] = (Real)(logarithm ? xs[c] - top - lost : exp(xs[c] - top) / total);
    }
}

// Its gradient by the input, from the output.
KERNEL(softmax_backward)(const Real *ys, const Real *gs, Real *dx, Index voxels, Index channels, int logarithm,
                         Index count) {
    EACH(at, count) {
        Index first = at / voxels * channels * voxels + at % voxels, after = first + channels * voxels;
        double sum = 0;
        for (Index c = first; c < after; c += voxels) sum += logarithm ? gs[c] : (double)ys[c] * gs[c];
        for (Index c = first; c < after; c += voxels)
            dx[c] = (Real)(logarithm ? gs[c] - exp((double)ys[c]) * sum : ys[c] * (gs[c] - sum));
    }
}
