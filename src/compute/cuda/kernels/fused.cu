// Scale, shift, ReLU and max pool with windows side by side as one step, and the way back. A winner is
// the number of a voxel in its window, CUT where nothing is above 0.

#define CUT 255

struct Tiles {
    int input[3], kernel[3], output[3];
    Divider voxels;        // of a channel
    Volume windows, cells; // cells: windows, and what is left of some at a far border
    Divider plane, row;    // of a window
};

// How far voxel `winner` of a window lies behind the first.
__device__ __forceinline__ Index behind(const Tiles &t, int winner) {
    const int above = over(winner, t.plane), rest = winner - above * t.plane.by, before = over(rest, t.row);
    return ((Index)above * t.input[1] + before) * t.input[2] + rest - before * t.kernel[2];
}

// Place in the channel of voxel `winner` of window `at`.
__device__ __forceinline__ Index place_of(const Tiles &t, Index at, int winner) {
    int window[3];
    unfold(at, t.windows, window);
    Index first = 0;
    for (int a = 0; a < 3; ++a) first = first * t.input[a] + window[a] * t.kernel[a];
    return first + behind(t, winner);
}

// A window of a channel, or what is left of one at a far border, which no window covers.
struct Cell {
    Index window, first; // the window, -1 for none; the first voxel
    int size[3];
};

__device__ __forceinline__ Cell cell_of(const Tiles &t, Index at) {
    int place[3];
    unfold(at, t.cells, place);
    Cell cell = {0, 0, {}};
    bool covered = true;
    for (int a = 0; a < 3; ++a) {
        const int start = place[a] * t.kernel[a], left = t.input[a] - start;
        covered = covered && place[a] < t.output[a];
        cell.window = cell.window * t.output[a] + place[a];
        cell.first = cell.first * t.input[a] + start;
        cell.size[a] = left < t.kernel[a] ? left : t.kernel[a];
    }
    if (!covered) cell.window = -1;
    return cell;
}

// Whether windows are pairs of numbers side by side that lie together in memory as one.
__device__ __forceinline__ bool in_pairs(const Tiles &t) { return t.kernel[2] == 2 && t.input[2] % 2 == 0; }

// Replaces the numbers of a cell: `made` makes one from what was there and its number in the window.
template <class Made> __device__ __forceinline__ void refill(const Tiles &t, const Cell &cell, Real *z, Made made) {
    const bool pairs = in_pairs(t);
    for (int k = 0; k < cell.size[0]; ++k)
        for (int j = 0; j < cell.size[1]; ++j) {
            Real *line = z + cell.first + ((Index)k * t.input[1] + j) * t.input[2];
            const int number = (k * t.kernel[1] + j) * t.kernel[2];
            if (pairs) {
                Some<2> two = *reinterpret_cast<const Some<2> *>(line);
                for (int i = 0; i < 2; ++i) two.v[i] = made(two.v[i], number + i);
                *reinterpret_cast<Some<2> *>(line) = two;
            } else
                for (int i = 0; i < cell.size[2]; ++i) line[i] = made(line[i], number + i);
        }
}

// `maps` pairs of scale and shift in turn, one a channel; without any z is as it is.
KERNEL(rectified_maxima)(const Real *z, const double *scale, const double *shift, int maps, Real *y,
                         unsigned char *winners, Index first, Tiles t, Index count) {
    const bool pairs = in_pairs(t);
    EACH(at, count) {
        Index channel = quotient(at, t.windows.volume);
        unsigned map = maps ? (unsigned)channel % maps : 0;
        Real a = maps ? (Real)scale[map] : 1, b = maps ? (Real)shift[map] : 0, best = 0;
        const Real *values = z + channel * t.voxels.by;
        int window[3], won = CUT, number = 0;
        unfold(at - channel * t.windows.volume.by, t.windows, window);
        for (int k = 0; k < t.kernel[0]; ++k)
            for (int j = 0; j < t.kernel[1]; ++j) {
                const Real *line = values + ((Index)(window[0] * t.kernel[0] + k) * t.input[1] +
                                             window[1] * t.kernel[1] + j) *
                                                t.input[2] +
                                   window[2] * t.kernel[2];
                auto meet = [&](Real there) {
                    const Real value = there * a + b;
                    if (value > best) {
                        best = value;
                        won = number;
                    }
                    ++number;
                };
                if (pairs) {
                    const Some<2> two = *reinterpret_cast<const Some<2> *>(line);
                    for (int i = 0; i < 2; ++i) meet(two.v[i]);
                } else
                    for (int i = 0; i < t.kernel[2]; ++i) meet(line[i]);
            }
        y[first + at] = best;
        winners[first + at] = (unsigned char)won;
    }
}

// Sums of dy * zhat at the winners, where zhat = (z - mean) / sqrt(variance + epsilon) of the channel, and of
// dy there; a row is the windows of a channel.
KERNEL(row_won)(const Real *dy, const unsigned char *winners, const Real *z, Index first, const double *mean,
                const double *variance, double epsilon, int channels, Tiles t, double *out, Index row,
                int pieces) {
    Index start = first + blockIdx.x * row;
    const Real *values = z + (Index)blockIdx.x * t.voxels.by;
    int channel = blockIdx.x % channels;
    double middle = mean[channel], mine[2] = {0, 0};
    EACH_OF_ROW(at) {
        int winner = winners[start + at];
        if (winner == CUT) continue;
        double slope = dy[start + at];
        mine[0] += slope * (values[place_of(t, at, winner)] - middle);
        mine[1] += slope;
    }
    put_sums(mine, out, pieces, 1 / sqrt(variance[channel] + epsilon));
}

// Writes b z + d, at each window's winner + a dy, over z, cell by cell; `maps` triples in turn. Without a
// map z itself does not count.
KERNEL(spread)(Real *z, const Real *dy, const unsigned char *winners, Index first, const double *abd, int maps,
               Tiles t, Index count) {
    EACH(at, count) {
        const Index channel = quotient(at, t.cells.volume);
        const Cell cell = cell_of(t, at - channel * t.cells.volume.by);
        const Index of = first + channel * t.windows.volume.by + cell.window;
        const int winner = cell.window < 0 ? CUT : winners[of];
        Real share = winner == CUT ? (Real)0 : dy[of];
        Real *to = z + channel * t.voxels.by;
        if (!maps) {
            refill(t, cell, to, [&](Real, int number) { return number == winner ? share : (Real)0; });
            continue;
        }
        const double *map = abd + (unsigned)channel % maps * 3;
        const Real b = (Real)map[1], d = (Real)map[2];
        share *= (Real)map[0];
        refill(t, cell, to, [&](Real value, int number) { return value * b + d + (number == winner ? share : (Real)0); });
    }
}

// Relevance of every voxel from that of the windows' winners, cell by cell; of a window without one the
// first voxel has it.
KERNEL(whole)(const Real *values, const unsigned char *winners, Real *r, Tiles t, Index count) {
    EACH(at, count) {
        const Index channel = quotient(at, t.cells.volume);
        const Cell cell = cell_of(t, at - channel * t.cells.volume.by);
        const Index of = channel * t.windows.volume.by + cell.window;
        const bool covered = cell.window >= 0;
        const int winner = covered ? (winners[of] == CUT ? 0 : winners[of]) : CUT;
        const Real value = covered ? values[of] : (Real)0;
        refill(t, cell, r + channel * t.voxels.by,
               [&](Real, int number) { return number == winner ? value : (Real)0; });
    }
}
