// Relevance divided by sums of contributions, with where the stabiliser's share went.

struct Way {
    int mode;             // 0: epsilon is added to |z|, 1: times the root mean square of z, 2: the least |z|
    int zero_is_positive; // whether a sum of exactly 0 counts as positive
    int only;             // 0: all outputs, 1: where `sign` is positive, 2: where it is negative
    int beside;           // whether `other` says which outputs have no other group
};

struct Bins {
    double stabiliser, degenerate, sum;
};

__device__ __forceinline__ Real quotient_of(const Way &way, double gain, double epsilon, double root, Real r, Real z, Real sign, Real other, Bins &bins) {
    double part = gain * (double)r;
    if (way.only) {
        bool side = way.only == 1;
        if (sign == 0 && side) bins.degenerate += part;
        if (sign == 0 || (sign > 0) != side) return 0;
    }
    if (way.beside && other == 0 && z != 0) part = r;
    else if (way.beside && other != 0 && z == 0) return 0;
    double added = 0, below = z;
    if (z != 0 || way.zero_is_positive) {
        double amount = epsilon;
        if (way.mode == 1) amount *= root;
        if (way.mode == 2) amount = fmax(epsilon - fabs((double)z), 0.0);
        added = z >= 0 ? amount : -amount;
        below += added;
    }
    Real s = below != 0 && part != 0 ? (Real)(part / below) : (Real)0;
    if (z != 0) bins.stabiliser += added * s;
    else if (below == 0) bins.degenerate += part;
    else bins.degenerate += added * s;
    bins.sum += s;
    return s;
}

// The root mean square of z over the `count` numbers of the row's sample, from the sum of squares.
__device__ __forceinline__ double root_of(const Way &way, const double *squares, Index count, int rows_of_sample) {
    return way.mode == 1 ? sqrt(squares[blockIdx.x / rows_of_sample] / count) : 0;
}

// s is written over z. Rows of `row` numbers, `rows_of_sample` of them with one root.
KERNEL(row_quotients)(const Real *r, Real *z, const Real *sign, const Real *other, const double *squares,
                      int rows_of_sample, Way way, double gain, double epsilon, double *out, Index row, int pieces) {
    Index start = blockIdx.x * row;
    double root = root_of(way, squares, row * rows_of_sample, rows_of_sample);
    Bins bins = {0, 0, 0};
    EACH_OF_ROW(at) {
        Index of = start + at;
        z[of] = quotient_of(way, gain, epsilon, root, r[of], z[of], way.only ? sign[of] : (Real)0,
                            way.beside ? other[of] : (Real)0, bins);
    }
    double mine[3] = {bins.stabiliser, bins.degenerate, bins.sum};
    put_sums(mine, out, pieces);
}

// The same where relevance is that of the winners of windows, cell by cell; the other voxels get 0.
// A row is the cells of a channel.
KERNEL(row_quotients_won)(const Real *values, const unsigned char *winners, Tiles t, Real *z, const Real *sign,
                          const Real *other, const double *squares, int rows_of_sample, Way way, double gain, double epsilon, double *out,
                          Index row, int pieces) {
    const Index volume = t.voxels.by, start = blockIdx.x * volume, windows = (Index)blockIdx.x * t.windows.volume.by;
    double root = root_of(way, squares, volume * rows_of_sample, rows_of_sample);
    Bins bins = {0, 0, 0};
    EACH_OF_ROW(at) {
        const Cell cell = cell_of(t, at);
        int winner = CUT;
        Real s = 0;
        if (cell.window >= 0) {
            winner = winners[windows + cell.window];
            if (winner == CUT) winner = 0;
            const Index of = start + cell.first + behind(t, winner);
            s = quotient_of(way, gain, epsilon, root, values[windows + cell.window], z[of], way.only ? sign[of] : (Real)0,
                            way.beside ? other[of] : (Real)0, bins);
        }
        refill(t, cell, z + start, [&](Real, int number) { return number == winner ? s : (Real)0; });
    }
    double mine[3] = {bins.stabiliser, bins.degenerate, bins.sum};
    put_sums(mine, out, pieces);
}

// How many windows with relevance have a winner where z is positive, or negative.
KERNEL(row_meetings_won)(const Real *values, const unsigned char *winners, Tiles t, const Real *z, int positive,
                         double *out, Index row, int pieces) {
    Index start = blockIdx.x * row;
    const Real *sums = z + (Index)blockIdx.x * t.voxels.by;
    double mine[1] = {0};
    EACH_OF_ROW(at) {
        int winner = winners[start + at];
        Real sum = sums[place_of(t, at, winner == CUT ? 0 : winner)];
        mine[0] += values[start + at] != 0 && (positive ? sum > 0 : sum < 0);
    }
    put_sums(mine, out, pieces);
}
