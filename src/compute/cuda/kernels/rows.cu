// Sums over rows of numbers: blockIdx.x is the row, blockIdx.y one of `pieces` parts of it; part p of
// row r goes to out[(r * pieces + p) * width]. add_pieces puts the parts together.

struct Span {
    Index from, to;
};

// What this block adds up of a row.
__device__ __forceinline__ Span span(Index row, int pieces) {
    Index length = (row + pieces - 1) / pieces, from = blockIdx.y * length;
    Span s = {from < row ? from : row, from + length < row ? from + length : row};
    return s;
}

template <int SUMS> __device__ void put_sums(double (&mine)[SUMS], double *out, int pieces) {
    block_sums(mine);
    if (threadIdx.x == 0) {
        double *to = out + ((Index)blockIdx.x * pieces + blockIdx.y) * SUMS;
        for (int s = 0; s < SUMS; ++s) to[s] = mine[s];
    }
}

// Adds `pieces` parts of `width` sums for each row, in order.
KERNEL(add_pieces)(const double *parts, double *sums, int pieces, int width, Index count) {
    EACH(at, count) {
        Index row = at / width, s = at % width;
        double sum = 0;
        for (int p = 0; p < pieces; ++p) sum += parts[(row * pieces + p) * width + s];
        sums[at] = sum;
    }
}

// Sum and sum of magnitudes.
KERNEL(row_sums)(const Real *x, double *out, Index row, int pieces) {
    Span s = span(row, pieces);
    double mine[2] = {0, 0};
    for (Index at = s.from + threadIdx.x; at < s.to; at += THREADS) {
        double value = x[blockIdx.x * row + at];
        mine[0] += value;
        mine[1] += fabs(value);
    }
    put_sums(mine, out, pieces);
}
