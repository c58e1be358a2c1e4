//! Boxes of voxels for convolutions whose windows are 3 × 3 × 3 voxels side by side.

use candle_core::DType;

use super::super::divider::Divider;
use super::super::launch::{Argument, THREADS};
use super::{FULL, Shapes};

/// Output channels of a block of the gradient by the weights.
const OUTPUTS: usize = 8;
/// Kernels by the output channels that a block makes.
const KERNELS: [(usize, &str); 3] =
    [(2, "convolve_near_2"), (4, "convolve_near_4"), (8, "convolve_near")];
/// The last of them.
const LARGEST: usize = KERNELS.len() - 1;
/// Up to so many output channels of a group the gradient by the weights is left to tiles.
const FEW: usize = 2;
/// Blocks below which the smaller tiles of other kernels are used: two in three of a card's 132
/// multiprocessors are busy.
const ENOUGH: usize = 88;
/// Share of a block's threads that must have something to do, where a group has more than `WIDE`
/// output channels: of a volume of 6³ it is 54 of 256, and the tiles of other kernels are faster.
const BUSY: f64 = 0.5;
const WIDE: usize = 32;
/// The same for the gradient by the weights, and what it takes there to add up the sums of a block's
/// threads, in boxes.
const WEIGHING: f64 = 0.75;
const SUMMED: f64 = 1.5;
/// Numbers of a box with its border, at most: `BOX` of the kernel.
const NUMBERS: usize = 2048;
/// Boxes that a block of the gradient by the weights adds up at most: a thread has 8 voxels of each,
/// and sums of 128 products go into the next level.
const LONGEST: usize = 16;
/// Numbers of the parts of a gradient at most: 64 MiB of f32.
const BESIDE: usize = 1 << 24;
/// Blocks behind one another that CUDA takes.
const LAYERS: usize = 65_535;
/// Voxels of a thread, side by side in a row.
const FOUR: usize = 4;

/// Boxes that cover a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Boxes {
    /// Voxels of a box.
    size: [usize; 3],
    /// How many of them along each axis.
    many: [usize; 3],
    /// Which of [`KERNELS`], and its blocks for the channels of each box.
    kernel: usize,
    bands: usize,
}

/// The lengths that cut `extent` into 1, 2, 3 … parts as equal as may be, none beyond `most`.
fn lengths(extent: usize, most: usize) -> impl Iterator<Item = usize> {
    let mut last = 0;
    (1..=extent).map(move |parts| extent.div_ceil(parts)).filter(move |length| {
        let new = *length <= most && *length != last;
        last = *length;
        new
    })
}

impl Boxes {
    /// Those of a pass that makes `outputs` channels of a group in each of these places, where it is
    /// worth it.
    pub(super) fn of(places: [usize; 3], shapes: &Shapes<'_>, outputs: usize) -> Option<Self> {
        let cover = Self::cover(places);
        if cover.idle(places, outputs) {
            return None;
        }
        let boxes = cover.boxes(shapes.batch);
        let groups = shapes.geometry.groups;
        let of = |kernel: usize| {
            let bands = outputs.div_ceil(KERNELS[kernel].0) * groups;
            Self { kernel, bands, ..cover }
        };
        let blocks = |it: &Self| it.bands * boxes;
        // The first that makes all channels at once; a smaller one where blocks would be few.
        let first = KERNELS.iter().position(|(own, _)| outputs <= *own).unwrap_or(LARGEST);
        let made = match of(first) {
            it if first == LARGEST && blocks(&it) < FULL / 2 => of(LARGEST - 1),
            it => it,
        };
        (blocks(&made) >= ENOUGH).then_some(made)
    }

    /// The kernel for them.
    pub(super) fn kernel(&self) -> &'static str {
        KERNELS[self.kernel].1
    }

    /// Blocks for so many samples.
    pub(super) fn grid(&self, samples: usize) -> [u32; 3] {
        [self.boxes(samples), self.bands, 1].map(|n| n as u32)
    }

    /// Those that cover a volume with the fewest blocks, of these the ones with the least border.
    pub(super) fn cover(places: [usize; 3]) -> Self {
        let threads = THREADS as usize;
        let mut best: Option<((usize, usize), Self)> = None;
        for fours in lengths(places[2].div_ceil(FOUR), threads) {
            for rows in lengths(places[1], threads / fours) {
                let row = FOUR * (fours + 1);
                let room = (NUMBERS / ((rows + 2) * row)).saturating_sub(2);
                let most = (threads / (fours * rows)).min(room);
                if most == 0 {
                    continue;
                }
                let planes = places[0].div_ceil(places[0].div_ceil(most));
                let size = [planes, rows, FOUR * fours];
                let many = std::array::from_fn(|a| places[a].div_ceil(size[a]));
                let cost = (many.iter().product(), (planes + 2) * (rows + 2) * row);
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, Self { size, many, kernel: LARGEST, bands: 1 }));
                }
            }
        }
        let none = Self { size: [1, 1, FOUR], many: [0; 3], kernel: LARGEST, bands: 1 };
        best.map_or(none, |(_, boxes)| boxes)
    }

    /// Blocks of the gradient by the weights from `inputs` to `outputs` channels of each group, and
    /// boxes of a part, where it is worth it.
    pub(super) fn parts(&self, shapes: &Shapes<'_>, dtype: DType) -> Option<([usize; 3], usize)> {
        let ([inputs, outputs], boxes) = (shapes.grouped(), self.boxes(shapes.batch));
        // A thread has half of a block's channels, as many as there are registers for.
        let band = if dtype == DType::F64 { OUTPUTS / 2 } else { OUTPUTS };
        let bands = outputs.div_ceil(band) * shapes.geometry.groups;
        let length = boxes.div_ceil((2 * FULL).div_ceil(inputs * bands)).clamp(1, LONGEST);
        let blocks = [inputs, bands, boxes.div_ceil(length)];
        let share = length as f64 / (length as f64 + SUMMED) * self.used(shapes.output);
        let busy = outputs <= WIDE || share >= WEIGHING;
        let fits = busy && blocks[2] <= LAYERS && blocks[2] * shapes.weights() <= BESIDE;
        let enough = outputs > FEW && blocks.iter().product::<usize>() >= ENOUGH;
        (enough && fits).then_some((blocks, length))
    }

    /// The share of a block's threads that have voxels.
    fn used(&self, places: [usize; 3]) -> f64 {
        let boxes = self.many.iter().product::<usize>() * FOUR * THREADS as usize;
        places.iter().product::<usize>() as f64 / boxes.max(1) as f64
    }

    /// Whether too few threads have voxels, and other kernels have tiles for so many channels.
    fn idle(&self, places: [usize; 3], outputs: usize) -> bool {
        outputs > WIDE && self.used(places) < BUSY
    }

    /// Boxes of so many samples.
    fn boxes(&self, samples: usize) -> usize {
        samples * self.many.iter().product::<usize>()
    }

    /// As the kernel knows them.
    pub(super) fn argument(&self) -> Argument {
        let ([_, rows, columns], boxes) = (self.size, Divider::volume(&self.many));
        let fours = columns / FOUR;
        let within = [rows * fours, fours, (rows + 2) * (columns + FOUR), columns + FOUR];
        Argument::ints(&[&self.size, &boxes, &Divider::all(&within)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::geometry::ConvGeometry;
    use super::super::super::super::precision::Precision;
    use super::*;

    #[test]
    fn parts_of_a_gradient_have_room_and_are_as_many_as_cuda_takes() {
        let parts = |batch: usize, channels: [usize; 2], input: [usize; 3]| {
            let geometry = ConvGeometry::same(3);
            let (output, precision) = (input, Precision::F32);
            let shapes = Shapes { geometry: &geometry, batch, channels, input, output, precision };
            Boxes::cover(input).parts(&shapes, DType::F32)
        };
        // 6 by 6 by 3 boxes of 8 samples, at most 16 a part.
        assert_eq!(parts(8, [8, 16], [48; 3]), Some(([8, 2, 54], 16)));
        assert_eq!(parts(1, [8, 16], [8, 8, 4]), None, "too few blocks");
        assert_eq!(parts(1, [1, 8], [1, 1, 1 << 30]), None, "too many parts");
        assert_eq!(parts(4, [256, 256], [96; 3]), None, "parts too large");
        assert_eq!(parts(8, [32, 64], [12; 3]), None, "boxes of a part too few for its sums");
    }

    #[test]
    fn kernels_make_as_many_channels_as_there_are_and_fewer_where_blocks_are_few() {
        let kernel = |batch: usize, outputs: usize, side: usize| {
            let geometry = ConvGeometry::same(3);
            let (channels, extent, precision) = ([8, outputs], [side; 3], Precision::F32);
            let geometry = &geometry;
            let shapes =
                Shapes { geometry, batch, channels, input: extent, output: extent, precision };
            Boxes::of(extent, &shapes, outputs).map(|boxes| (boxes.kernel(), boxes.bands))
        };
        assert_eq!(kernel(8, 1, 48), Some(("convolve_near_2", 1)));
        assert_eq!(kernel(8, 3, 48), Some(("convolve_near_4", 1)));
        assert_eq!(kernel(8, 16, 48), Some(("convolve_near", 2)));
        assert_eq!(kernel(8, 32, 12), Some(("convolve_near_4", 8)), "few blocks");
        assert_eq!(kernel(8, 16, 12), None, "too few blocks");
        assert_eq!(kernel(8, 512, 6), None, "idle threads");
    }

    #[test]
    fn boxes_cover_a_volume_and_fit_a_block() {
        let extents = [1, 2, 3, 5, 8, 12, 13, 31, 48, 64, 96, 97, 160, 1025];
        for k in extents {
            for j in extents {
                for i in extents {
                    let boxes = Boxes::cover([k, j, i]);
                    let [planes, rows, columns] = boxes.size;
                    let reach: Vec<usize> = (0..3).map(|a| boxes.size[a] * boxes.many[a]).collect();
                    assert!(reach[0] >= k && reach[1] >= j && reach[2] >= i, "{boxes:?}");
                    assert!(planes * rows * (columns / FOUR) <= THREADS as usize, "{boxes:?}");
                    let numbers = (planes + 2) * (rows + 2) * (columns + FOUR);
                    assert!(numbers <= NUMBERS && columns % FOUR == 0, "{boxes:?}");
                }
            }
        }
        // Of the volumes that networks have, few threads are idle.
        for (side, least) in [(96, 0.85), (64, 0.95), (48, 0.85), (32, 0.95), (24, 0.8), (12, 0.8)]
        {
            let boxes = Boxes::cover([side; 3]);
            let used = boxes.used([side; 3]);
            assert!(used >= least, "{side}: {used} of {boxes:?}");
        }
    }
}
