//! Voxels that hang together.

/// The connected parts of a set of voxels (26 neighbours: faces, edges and corners), each with
/// its voxels ascending, in the order of their first voxel. `inside` has `shape` voxels, i
/// fastest; missing ones count as outside.
pub fn blobs(inside: &[bool], shape: [usize; 3]) -> Vec<Vec<usize>> {
    let [ni, nj, nk] = shape;
    let mut open = inside.to_vec();
    open.resize(ni * nj * nk, false);
    let mut found = Vec::new();
    for first in 0..open.len() {
        if !std::mem::take(&mut open[first]) {
            continue;
        }
        let (mut blob, mut next) = (vec![first], 0);
        while let Some(&v) = blob.get(next) {
            next += 1;
            let around = |at: usize, n: usize| at.saturating_sub(1)..(at + 2).min(n);
            for k in around(v / (ni * nj), nk) {
                for j in around(v / ni % nj, nj) {
                    for i in around(v % ni, ni) {
                        let w = i + ni * (j + nj * k);
                        if std::mem::take(&mut open[w]) {
                            blob.push(w);
                        }
                    }
                }
            }
        }
        blob.sort_unstable();
        found.push(blob);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_join_and_rows_do_not_run_on() {
        let shape = [4, 3, 2];
        let set = |voxels: &[usize]| (0..24).map(|v| voxels.contains(&v)).collect::<Vec<_>>();
        // (0,0,0) and (1,1,1) touch at a corner; (3,0,0) and (0,1,0) are neighbours in memory only.
        assert_eq!(blobs(&set(&[0, 17]), shape), [vec![0, 17]]);
        assert_eq!(blobs(&set(&[3, 4]), shape), [vec![3], vec![4]]);
        assert_eq!(blobs(&set(&[0, 1, 3, 23]), shape), [vec![0, 1], vec![3], vec![23]]);
        assert_eq!(blobs(&[true; 24], shape), [(0..24).collect::<Vec<_>>()]);
        assert!(blobs(&set(&[]), shape).is_empty());
    }
}
