// Blocks of numbers moved.

// `length` numbers of each of some rows, `x_step` and `y_step` apart.
KERNEL(copy_rows)(const Real *x, Index x_from, Index x_step, Real *y, Index y_from, Index y_step, Divider length,
                  Index count) {
    EACH(at, count) {
        Index row = quotient(at, length), rest = at - row * length.by;
        y[y_from + row * y_step + rest] = x[x_from + row * x_step + rest];
    }
}

// Extents [c, k, j, i] of what lies within and of the whole, and the border before.
struct Border {
    int small[4], large[4], before[4];
    Divider side[4]; // of the whole
};

// Where the number `at` of the whole lies within, or -1.
__device__ __forceinline__ Index inside(const Border &b, Index at) {
    int place[4];
    for (int a = 3; a >= 0; --a) {
        Index rest = quotient(at, b.side[a]);
        place[a] = (int)(at - rest * b.large[a]) - b.before[a];
        at = rest;
        if (place[a] < 0 || place[a] >= b.small[a]) return -1;
    }
    Index index = at; // the sample
    for (int a = 0; a < 4; ++a) index = index * b.small[a] + place[a];
    return index;
}

KERNEL(pad)(const Real *x, Real *y, Border b, double value, Index count) {
    EACH(at, count) {
        Index from = inside(b, at);
        y[at] = from < 0 ? (Real)value : x[from];
    }
}

KERNEL(crop)(const Real *y, Real *x, Border b, Index count) {
    EACH(at, count) {
        Index from = inside(b, at);
        if (from >= 0) x[from] = y[at];
    }
}

// Sums over the border alone; a row is a sample of the whole.
KERNEL(row_borders)(const Real *y, Border b, double *out, Index row, int pieces) {
    Index start = blockIdx.x * row;
    double mine[1] = {0};
    EACH_OF_ROW(at) {
        if (inside(b, at) < 0) mine[0] += y[start + at];
    }
    put_sums(mine, out, pieces);
}

// x * g, with g spread over axes of extent 1: up to six axes, outermost first.
struct Spread {
    int extent[6], step[6];
    Divider side[6];
};

// Where number `at` of the axes lies.
__device__ __forceinline__ Index place_in(const Spread &s, Index at) {
    Index from = 0;
    for (int a = 5; a >= 0; --a) {
        Index rest = quotient(at, s.side[a]);
        from += (at - rest * s.extent[a]) * s.step[a];
        at = rest;
    }
    return from;
}

KERNEL(gated)(const Real *x, const Real *g, Real *y, Spread s, Index count) {
    EACH(at, count) y[at] = x[at] * g[place_in(s, at)];
}

// Sums of x * y over the axes along which a gate was spread, `gone`; a row is a number of the gate, which
// the others, `kept`, place.
KERNEL(row_gates)(const Real *x, const Real *y, Spread kept, Spread gone, double *out, Index row, int pieces) {
    Index start = place_in(kept, blockIdx.x);
    double mine[1] = {0};
    EACH_OF_ROW(at) {
        Index of = start + place_in(gone, at);
        mine[0] += (double)x[of] * y[of];
    }
    put_sums(mine, out, pieces);
}

// The same for short rows, one thread each.
KERNEL(gates)(const Real *x, const Real *y, Spread kept, Spread gone, double *out, Index row, Index count) {
    EACH(at, count) {
        Index start = place_in(kept, at);
        double sum = 0;
        for (Index i = 0; i < row; ++i) {
            Index of = start + place_in(gone, i);
            sum += (double)x[of] * y[of];
        }
        out[at] = sum;
    }
}

// Numbers in another order of axes.
KERNEL(picked)(const Real *x, Real *y, Spread s, Index count) {
    EACH(at, count) y[at] = x[place_in(s, at)];
}

// Numbers of many small arrays one after another. Of each array four words: the halves of its address,
// where its numbers end among all, and whether they are double.
KERNEL(gathered)(const unsigned *parts, double *out, Index count) {
    EACH(at, count) {
        const unsigned *part = parts;
        Index from = 0;
        for (; at >= part[2]; part += 4) from = part[2];
        unsigned long long address = (unsigned long long)part[1] << 32 | part[0];
        out[at] = part[3] ? ((const double *)address)[at - from] : (double)((const Real *)address)[at - from];
    }
}
