// Norms: what lies between the sums of a layer's numbers and the next kernel. A set is a channel of the
// whole batch, or `width` neighbouring channels of a sample; line l of a layer, a channel of a sample,
// belongs to set l / width, and with `sets` of them in turn to l / width % sets.

// Count, mean and squares about it of every set, and with them `repeats` lines of `row` numbers, of which
// row_moments made the sums: of two sets as of their union.
KERNEL(merge_moments)(const double *lines, double *state, int fresh, Index repeats, Index row, Index count) {
    EACH(at, count) {
        double many = 0, mean = 0, squares = 0;
        if (!fresh) {
            many = state[at * 3];
            mean = state[at * 3 + 1];
            squares = state[at * 3 + 2];
        }
        for (Index n = 0; n < repeats; ++n) {
            const double *line = lines + (n * count + at) * 3;
            double more = row, total = many + more, apart = line[2] + line[0] / more - mean;
            double own = line[1] - line[0] * line[0] / more;
            mean += apart * (more / total);
            squares += (own > 0 ? own : 0) + apart * apart * (many * more / total);
            many = total;
        }
        state[at * 3] = many;
        state[at * 3 + 1] = mean;
        state[at * 3 + 2] = squares;
    }
}

// Mean and biased variance.
KERNEL(statistics)(const double *state, double *mean, double *variance, Index count) {
    EACH(at, count) {
        mean[at] = state[at * 3 + 1];
        variance[at] = state[at * 3 + 2] / state[at * 3];
    }
}

// Scale and shift of every line; `weights` are the gammas of the channels, then their betas.
KERNEL(norm_map)(const double *weights, const double *mean, const double *variance, double epsilon, int channels,
                 int width, double *scale, double *shift, Index count) {
    EACH(at, count) {
        Index channel = at % channels, set = at / width;
        scale[at] = weights[channel] / sqrt(variance[set] + epsilon);
        shift[at] = weights[channels + channel] - mean[set] * scale[at];
    }
}

// Of each line the sums of dy * xhat and of dy in turn: added over samples for each channel.
KERNEL(norm_totals)(const double *lines, Real *dgamma, Real *dbeta, Index samples, Index count) {
    EACH(at, count) {
        double hat = 0, plain = 0;
        for (Index n = 0; n < samples; ++n) {
            hat += lines[(n * count + at) * 2];
            plain += lines[(n * count + at) * 2 + 1];
        }
        dgamma[at] = (Real)hat;
        dbeta[at] = (Real)plain;
    }
}

// a, b and d of dx = a dy + b x + d for the first `count` lines, those that differ, from the sums of all:
// the sets' lines come `repeats` times.
KERNEL(norm_slopes)(const double *lines, const double *gamma, const double *mean, const double *variance,
                    double epsilon, double numbers, int channels, int width, Index repeats, double *abd,
                    Index count) {
    EACH(at, count) {
        Index set = at / width;
        double hat = 0, plain = 0, inverse = 1 / sqrt(variance[set] + epsilon);
        for (Index n = 0; n < repeats; ++n)
            for (int w = 0; w < width; ++w) {
                Index line = n * count + set * width + w;
                double slope = gamma[line % channels];
                hat += slope * lines[line * 2];
                plain += slope * lines[line * 2 + 1];
            }
        double b = -inverse * inverse * hat / numbers;
        abd[at * 3] = gamma[at % channels] * inverse;
        abd[at * 3 + 1] = b;
        abd[at * 3 + 2] = -inverse * plain / numbers - b * mean[set];
    }
}

// Adds to the sums of dy * xhat and of dy of the channels whose pooled values tell xhat = (y - beta) /
// gamma what row_gated made. `weights` are the gammas, the betas and whether a channel is told.
KERNEL(add_gated)(const double *lines, const double *weights, double *sums, Index samples, Index count) {
    EACH(at, count) {
        if (weights[2 * count + at] == 0) continue;
        for (Index n = 0; n < samples; ++n) {
            const double *line = lines + (n * count + at) * 2;
            sums[at * 2] += (line[1] - weights[count + at] * line[0]) / weights[at];
            sums[at * 2 + 1] += line[0];
        }
    }
}

// And to those of the others what row_won made.
KERNEL(add_won)(const double *lines, const double *weights, double *sums, Index samples, Index count) {
    EACH(at, count) {
        if (weights[2 * count + at] != 0) continue;
        for (Index n = 0; n < samples; ++n)
            for (int s = 0; s < 2; ++s) sums[at * 2 + s] += lines[(n * count + at) * 2 + s];
    }
}
