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

// One number for each sample of `row` numbers.
KERNEL(per_sample)(const double *values, Real *y, Index row, Index count) {
    EACH(at, count) y[at] = (Real)values[at / row];
}

