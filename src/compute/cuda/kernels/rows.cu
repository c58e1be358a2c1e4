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

#define EACH_OF_ROW(at)                                                                                      \
    Span own = span(row, pieces);                                                                            \
    for (Index at = own.from + threadIdx.x; at < own.to; at += THREADS)

// Writes what the threads of this block added up, the first sum times `factor`.
template <int SUMS> __device__ void put_sums(double (&mine)[SUMS], double *out, int pieces, double factor = 1) {
    block_sums(mine);
    if (threadIdx.x == 0) {
        double *to = out + ((Index)blockIdx.x * pieces + blockIdx.y) * SUMS;
        for (int s = 0; s < SUMS; ++s) to[s] = s ? mine[s] : mine[s] * factor;
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
    const Real *mine_x = x + blockIdx.x * row;
    double mine[2] = {0, 0};
    EACH_OF_ROW(at) {
        double value = mine_x[at];
        mine[0] += value;
        mine[1] += fabs(value);
    }
    put_sums(mine, out, pieces);
}

// Sums of x - x0 and of its square, x0 the row's first number: what mean and variance are made of
// without losing digits to a large mean. And x0, by the one thread that reads it as its own.
KERNEL(row_moments)(const Real *x, double *out, Index row, int pieces) {
    const Real *mine_x = x + blockIdx.x * row;
    double first = mine_x[0], mine[3] = {0, 0, 0};
    EACH_OF_ROW(at) {
        double apart = mine_x[at] - first;
        mine[0] += apart;
        mine[1] += apart * apart;
        if (at == 0) mine[2] = first;
    }
    put_sums(mine, out, pieces);
}

// The first of `width` sums of every row, added over samples: one for each channel.
KERNEL(channel_totals)(const double *sums, Real *y, Index samples, int width, Index count) {
    EACH(at, count) {
        double total = 0;
        for (Index n = 0; n < samples; ++n) total += sums[(n * count + at) * width];
        y[at] = (Real)total;
    }
}

// Sums of dy * xhat and of dy, where xhat = (x - mean) / sqrt(variance + epsilon); row r belongs to set
// r / width % sets (norms.cu).
KERNEL(row_products)(const Real *x, const Real *dy, const double *mean, const double *variance, double epsilon,
                     int width, int sets, double *out, Index row, int pieces) {
    Index start = blockIdx.x * row;
    int set = blockIdx.x / width % sets;
    double middle = mean[set], mine[2] = {0, 0};
    EACH_OF_ROW(at) {
        double slope = dy[start + at];
        mine[0] += slope * (x[start + at] - middle);
        mine[1] += slope;
    }
    put_sums(mine, out, pieces, 1 / sqrt(variance[set] + epsilon));
}

// Sums of dy and of dy * y where y > 0.
KERNEL(row_gated)(const Real *dy, const Real *y, double *out, Index row, int pieces) {
    Index start = blockIdx.x * row;
    double mine[2] = {0, 0};
    EACH_OF_ROW(at) {
        double value = y[start + at], slope = value > 0 ? dy[start + at] : (Real)0;
        mine[0] += slope;
        mine[1] += slope * value;
    }
    put_sums(mine, out, pieces);
}

// Sum of squares.
KERNEL(row_squares)(const Real *x, double *out, Index row, int pieces) {
    const Real *mine_x = x + blockIdx.x * row;
    double mine[1] = {0};
    EACH_OF_ROW(at) mine[0] += (double)mine_x[at] * mine_x[at];
    put_sums(mine, out, pieces);
}

// How many numbers are below zero.
KERNEL(row_negatives)(const Real *x, double *out, Index row, int pieces) {
    const Real *mine_x = x + blockIdx.x * row;
    double mine[1] = {0};
    EACH_OF_ROW(at) mine[0] += mine_x[at] < 0;
    put_sums(mine, out, pieces);
}

// How many numbers of r are not 0 where z is positive, or negative.
KERNEL(row_meetings)(const Real *r, const Real *z, int positive, double *out, Index row, int pieces) {
    Index start = blockIdx.x * row;
    double mine[1] = {0};
    EACH_OF_ROW(at) {
        Real sum = z[start + at];
        mine[0] += r[start + at] != 0 && (positive ? sum > 0 : sum < 0);
    }
    put_sums(mine, out, pieces);
}

// The least and the largest number of each part of a row.
KERNEL(row_ranges)(const Real *x, double *out, Index row, int pieces) {
    __shared__ double low[THREADS], high[THREADS];
    const Real *mine = x + blockIdx.x * row;
    double least = mine[0], most = mine[0];
    EACH_OF_ROW(at) {
        least = fmin(least, (double)mine[at]);
        most = fmax(most, (double)mine[at]);
    }
    low[threadIdx.x] = least;
    high[threadIdx.x] = most;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) {
            low[threadIdx.x] = fmin(low[threadIdx.x], low[threadIdx.x + half]);
            high[threadIdx.x] = fmax(high[threadIdx.x], high[threadIdx.x + half]);
        }
    }
    if (threadIdx.x == 0) {
        double *to = out + ((Index)blockIdx.x * pieces + blockIdx.y) * 2;
        to[0] = low[0];
        to[1] = high[0];
    }
}
