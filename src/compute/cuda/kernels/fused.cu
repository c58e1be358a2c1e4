// Scale, shift, ReLU and max pool with windows side by side as one step, and the way back. A winner is
// the number of a voxel in its window, CUT where nothing is above 0.

#define CUT 255

struct Tiles {
    int input[3], kernel[3], output[3];
    Volume voxels, windows;
    Divider plane, side[3]; // of a window
};

// Place in the channel of voxel `winner` of window `at`.
__device__ __forceinline__ Index place_of(const Tiles &t, Index at, int winner) {
    int window[3];
    unfold(at, t.windows, window);
    int above = over(winner, t.plane), rest = winner - above * t.plane.by, before = over(rest, t.side[2]);
    int k = window[0] * t.kernel[0] + above;
    int j = window[1] * t.kernel[1] + before;
    int i = window[2] * t.kernel[2] + rest - before * t.kernel[2];
    return ((Index)k * t.input[1] + j) * t.input[2] + i;
}

// The window that holds voxel `at` of a channel and the voxel's number in it; false for the rest at a
// far border.
__device__ __forceinline__ bool window_of(const Tiles &t, Index at, Index &window, int &number) {
    int place[3];
    unfold(at, t.voxels, place);
    window = 0;
    number = 0;
    for (int a = 0; a < 3; ++a) {
        int o = over(place[a], t.side[a]);
        if (o >= t.output[a]) return false;
        window = window * t.output[a] + o;
        number = number * t.kernel[a] + place[a] - o * t.kernel[a];
    }
    return true;
}

// `maps` pairs of scale and shift in turn, one a channel; without any z is as it is.
KERNEL(rectified_maxima)(const Real *z, const double *scale, const double *shift, int maps, Real *y,
                         unsigned char *winners, Index first, Tiles t, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, t.windows.volume);
        unsigned map = maps ? (unsigned)channel % maps : 0;
        Real a = maps ? (Real)scale[map] : 1, b = maps ? (Real)shift[map] : 0, best = 0;
        const Real *values = z + channel * t.voxels.volume.by;
        int window[3], won = CUT, number = 0;
        unfold(at - channel * t.windows.volume.by, t.windows, window);
        for (int k = 0; k < t.kernel[0]; ++k)
            for (int j = 0; j < t.kernel[1]; ++j) {
                const Real *line = values + ((Index)(window[0] * t.kernel[0] + k) * t.input[1] +
                                             window[1] * t.kernel[1] + j) *
                                                t.input[2] +
                                   window[2] * t.kernel[2];
                for (int i = 0; i < t.kernel[2]; ++i, ++number) {
                    Real value = line[i] * a + b;
                    if (value > best) {
                        best = value;
                        won = number;
                    }
                }
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
    const Real *values = z + (Index)blockIdx.x * t.voxels.volume.by;
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

// Writes b z + d, at each window's winner + a dy, over z; `maps` triples in turn. Without a map z itself
// does not count.
KERNEL(spread)(Real *z, const Real *dy, const unsigned char *winners, Index first, const double *abd, int maps,
               Tiles t, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, t.voxels.volume), window;
        int number;
        bool covered = window_of(t, at - channel * t.voxels.volume.by, window, number);
        Index of = first + channel * t.windows.volume.by + window;
        Real share = 0;
        if (!maps) {
            if (covered && winners[of] == number) share = dy[of];
            z[at] = share;
            continue;
        }
        const double *map = abd + (unsigned)channel % maps * 3;
        if (covered && winners[of] == number) share = (Real)map[0] * dy[of];
        z[at] = z[at] * (Real)map[1] + (Real)map[2] + share;
    }
}

// Relevance of every voxel from that of the windows' winners; of a window without one the first voxel
// has it.
KERNEL(whole)(const Real *values, const unsigned char *winners, Real *r, Tiles t, Index count) {
    EACH(at, count) {
        Index channel = quotient(at, t.voxels.volume), window;
        int number;
        Real value = 0;
        if (window_of(t, at - channel * t.voxels.volume.by, window, number)) {
            Index of = channel * t.windows.volume.by + window;
            int winner = winners[of] == CUT ? 0 : winners[of];
            if (winner == number) value = values[of];
        }
        r[at] = value;
    }
}
