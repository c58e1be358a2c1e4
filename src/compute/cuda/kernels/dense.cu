// Dense layers: y = W x + b of x [n, in], w [out, in]. Sums in double, in fixed order.

// One block a number of the output.
KERNEL(dense)(const Real *x, const Real *w, const Real *b, int biased, Real *y, Index in, Index out) {
    Index row = blockIdx.x / out, o = blockIdx.x % out;
    double mine[1] = {0};
    for (Index at = threadIdx.x; at < in; at += THREADS) mine[0] += (double)x[row * in + at] * w[o * in + at];
    block_sums(mine);
    if (threadIdx.x == 0) y[blockIdx.x] = (Real)(mine[0] + (biased ? (double)b[o] : 0.0));
}

KERNEL(dense_grad_input)(const Real *dy, const Real *w, Real *dx, Index in, Index out, Index count) {
    EACH(at, count) {
        Index row = at / in, i = at % in;
        double sum = 0;
        for (Index o = 0; o < out; ++o) sum += (double)dy[row * out + o] * w[o * in + i];
        dx[at] = (Real)sum;
    }
}

KERNEL(dense_grad_weight)(const Real *x, const Real *dy, Real *dw, Index in, Index out, Index rows, Index count) {
    EACH(at, count) {
        Index o = at / in, i = at % in;
        double sum = 0;
        for (Index row = 0; row < rows; ++row) sum += (double)dy[row * out + o] * x[row * in + i];
        dw[at] = (Real)sum;
    }
}
