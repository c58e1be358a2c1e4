// One number at a time.

// Numbers of x from `from` on over those of y from `to` on.
KERNEL(copy)(const Real *x, Index from, Real *y, Index to, Index count) {
    EACH(at, count) y[to + at] = x[from + at];
}

KERNEL(relu)(const Real *x, Real *y, Index count) {
    EACH(at, count) y[at] = x[at] > 0 ? x[at] : (Real)0;
}

// dy where the output is positive.
KERNEL(relu_backward)(const Real *output, const Real *dy, Real *dx, Index count) {
    EACH(at, count) dx[at] = output[at] > 0 ? dy[at] : (Real)0;
}

// a * b; minus zero becomes zero.
KERNEL(times)(const Real *a, const Real *b, Real *y, Index count) {
    EACH(at, count) y[at] = a[at] * b[at] + (Real)0;
}

KERNEL(add_to)(Real *a, const Real *b, Index count) {
    EACH(at, count) a[at] += b[at];
}

// Positive numbers, or the others; 0 elsewhere.
KERNEL(part)(const Real *x, Real *y, int positive, Index count) {
    EACH(at, count) y[at] = ((x[at] > 0) == (positive != 0)) ? x[at] : (Real)0;
}

// constant + above * x where x > 0 + below * x elsewhere + square * x^2.
KERNEL(bent)(const Real *x, Real *y, double above, double below, double square, double constant, Index count) {
    EACH(at, count) {
        double value = x[at];
        y[at] = (Real)(constant + (value > 0 ? above : below) * value + square * value * value);
    }
}

// One number for each `row` numbers.
KERNEL(per_row)(const double *values, Real *y, Divider row, Index count) {
    EACH(at, count) y[at] = (Real)values[quotient(at, row)];
}

// scale * x + shift, with `maps` pairs in turn, each for `voxels` numbers.
KERNEL(affine)(const Real *x, const double *scale, const double *shift, Real *y, Divider voxels, Divider maps,
               Index count) {
    EACH(at, count) {
        Index map = remainder_of(quotient(at, voxels), maps);
        y[at] = x[at] * (Real)scale[map] + (Real)shift[map];
    }
}

// a * dy + b * x + d, with `maps` triples in turn, each for `voxels` numbers.
KERNEL(combined)(const Real *x, const Real *dy, const double *abd, Real *dx, Divider voxels, Divider maps,
                 Index count) {
    EACH(at, count) {
        const double *map = abd + remainder_of(quotient(at, voxels), maps) * 3;
        dx[at] = (Real)map[0] * dy[at] + (Real)map[1] * x[at] + (Real)map[2];
    }
}

// One step of AdamW (Loshchilov and Hutter 2019), as train::optimiser has it.
KERNEL(adamw)(Real *w, const Real *g, Real *m, Real *v, double keep1, double take1, double keep2, double take2,
              double scale1, double scale2, double epsilon, double stay, double rate, Index count) {
    EACH(at, count) {
        Real slope = g[at];
        m[at] = m[at] * (Real)keep1 + slope * (Real)take1;
        v[at] = v[at] * (Real)keep2 + slope * slope * (Real)take2;
        Real update = m[at] * (Real)scale1 / (sqrt(v[at] * (Real)scale2) + (Real)epsilon);
        w[at] = w[at] * (Real)stay - update * (Real)rate;
    }
}

// Moves a mean towards the numbers of now.
KERNEL(towards)(Real *mean, const Real *now, double share, Index count) {
    EACH(at, count) mean[at] += (Real)share * (now[at] - mean[at]);
}

// Numbers of f32, by their bits, to the nearest of bf16, halves to even; a NaN stays one.
KERNEL(to_bf16)(const unsigned *x, unsigned short *y, Index count) {
    EACH(at, count) {
        unsigned bits = x[at];
        bool nan = (bits & 0x7fffffff) > 0x7f800000;
        bits = nan ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
        y[at] = (unsigned short)(bits >> 16);
    }
}

// Numbers of bf16 as f32, by their bits.
KERNEL(from_bf16)(const unsigned short *x, unsigned *y, Index count) {
    EACH(at, count) y[at] = (unsigned)x[at] << 16;
}
