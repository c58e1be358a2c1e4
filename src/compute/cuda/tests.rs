//! The card against the host. Without a card (or the emulator) they say that they skip.

use candle_core::DType;

use super::super::flow::{Flow, Winners};
use super::super::relevance::{Damping, Served, Stabiliser};
use super::super::{
    Array, PoolGeometry, Workspace, blocks, dense, elementwise, fused, pool3d, relevance, softmax,
    update,
};
use super::Card;
use crate::Result;
use crate::seed::{Seed, Stream};

/// The card, or none with a word about it.
pub(super) fn card() -> Option<&'static Card> {
    Card::open(0).map_err(|why| eprintln!("skipped: {why}")).ok()
}

/// Normal numbers, a third of them 0.
pub(super) fn array(shape: &[usize], dtype: DType, s: &mut Stream) -> Array {
    let len = shape.iter().product();
    let draws = (0..len).map(|_| if s.chance(0.3) { 0.0 } else { s.normal() }).collect();
    let wide = Array::from_vec::<f64>(draws, shape).expect("array");
    if dtype == DType::F64 { wide } else { wide.cast::<f32>().expect("cast") }
}

pub(super) fn numbers(x: &Array) -> Vec<f64> {
    x.to_f64().expect("numbers")
}

/// Numbers of sums, which must have stayed where the array is that they are of.
fn kept(sums: Array, of: &Array) -> Vec<f64> {
    assert_eq!((sums.on_host(), sums.dtype()), (of.on_host(), DType::F64));
    numbers(&sums)
}

/// Largest difference over the largest number of the host.
fn apart(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let top = want.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
    got.iter().zip(want).map(|(a, b)| (a - b).abs() / top).fold(0.0, f64::max)
}

/// What an operation makes of arrays on the host and of the same on the card.
pub(super) fn alike(
    what: &str,
    inputs: &[&Array],
    limit: f64,
    of: impl Fn(&[Array], &mut Workspace) -> Result<Vec<f64>>,
) {
    let Some(card) = card() else { return };
    let ws = &mut Workspace::new();
    let copies = |there: bool| -> Vec<Array> {
        let copy = |x: &&Array| if there { card.take(x) } else { x.duplicate() };
        inputs.iter().map(copy).collect::<Result<_>>().expect("copied")
    };
    let want = of(&copies(false), ws).expect("host");
    let got = of(&copies(true), ws).expect("card");
    let again = of(&copies(true), ws).expect("card");
    assert_eq!(got, again, "{what}: the same again");
    let apart = apart(&got, &want);
    assert!(apart <= limit, "{what}: {apart:e} apart");
}

pub(super) fn both(mut test: impl FnMut(DType, f64, &mut Stream)) {
    test(DType::F32, 2e-6, &mut Seed(5).stream("f32"));
    test(DType::F64, 1e-14, &mut Seed(5).stream("f64"));
}

#[test]
fn elementwise_steps_and_sums() {
    both(|dtype, limit, s| {
        let (x, y) = (array(&[2, 3, 5, 7, 4], dtype, s), array(&[2, 3, 5, 7, 4], dtype, s));
        alike("relu", &[&x], 0.0, |a, ws| Ok(numbers(&elementwise::relu(&a[0], ws)?)));
        alike("relu_backward", &[&x, &y], 0.0, |a, ws| {
            Ok(numbers(&elementwise::relu_backward(&a[0], &a[1], ws)?))
        });
        alike("times", &[&x, &y], 0.0, |a, ws| Ok(numbers(&elementwise::times(&a[0], &a[1], ws)?)));
        alike("add_to", &[&x, &y], 0.0, |a, ws| {
            let mut sum = ws.copy(&a[0])?;
            elementwise::add_to(&mut sum, &a[1])?;
            Ok(numbers(&sum))
        });
        for positive in [true, false] {
            alike("part", &[&x], 0.0, |a, ws| {
                Ok(numbers(&elementwise::part(&a[0], positive, ws)?))
            });
        }
        alike("bent", &[&x], limit, |a, ws| {
            Ok(numbers(&elementwise::bent(&a[0], [1.5, -0.5, 0.25, 0.75], ws)?))
        });
        alike("per_sample", &[&x], 0.0, |a, ws| {
            Ok(numbers(&elementwise::per_sample(&a[0], &[0.1, -3.0], ws)?))
        });
        alike("channel_sums", &[&x], limit, |a, _| Ok(numbers(&elementwise::channel_sums(&a[0])?)));
        alike("ranges", &[&x], 0.0, |a, _| Ok(kept(elementwise::ranges(&a[0])?, &a[0])));
        alike("sample_sums", &[&x], 1e-12, |a, _| Ok(kept(relevance::sample_sums(&a[0])?, &a[0])));
        alike("sums", &[&x], 1e-12, |a, _| Ok(<[f64; 2]>::from(a[0].sums()?).to_vec()));
        alike("negatives", &[&x], 0.0, |a, ws| {
            let none = elementwise::relu(&a[0], ws)?;
            let found = [elementwise::any_negative(&a[0])?, elementwise::any_negative(&none)?];
            assert_eq!(found, [true, false]);
            Ok(kept(elementwise::negatives(&a[0])?, &a[0]))
        });
        alike("bent_by", &[&x, &y], 0.0, |a, ws| {
            Ok(numbers(&elementwise::bent_by(&a[0], &a[1], &[0.25, -1.5, 2.0], ws)?))
        });
        for (shape, logarithm) in [(&[4, 3][..], true), (&[4, 3], false), (&[2, 3, 5, 7, 4], true)]
        {
            let (x, y) = (array(shape, dtype, s), array(shape, dtype, s));
            alike("softmax", &[&x, &y], limit, |a, ws| {
                let y = softmax::forward(&a[0], logarithm, ws)?;
                let dx = softmax::backward(&y, &a[1], logarithm, ws)?;
                Ok([numbers(&y), numbers(&dx)].concat())
            });
        }
    });
}

#[test]
fn long_rows_are_added_in_parts() {
    both(|dtype, _, s| {
        let x = array(&[3, 50_001], dtype, s);
        alike("sample_sums", &[&x], 1e-12, |a, _| Ok(kept(relevance::sample_sums(&a[0])?, &a[0])));
        alike("ranges", &[&x], 0.0, |a, _| Ok(kept(elementwise::ranges(&a[0])?, &a[0])));
    });
}

#[test]
fn small_arrays_come_back_together() {
    let Some(card) = card() else { return };
    both(|dtype, _, s| {
        let shapes: [&[usize]; 4] = [&[7], &[1], &[3, 300], &[2, 2]];
        let mut all: Vec<Array> = shapes.iter().map(|shape| array(shape, dtype, s)).collect();
        all.push(array(&[5], DType::F64, s));
        all.push(array(&[0, 2], dtype, s));
        let mut there: Vec<Array> = all.iter().map(|x| card.take(x).expect("copied")).collect();
        // One may be on the host.
        there[1] = all[1].duplicate().expect("copied");
        let before = Card::waits();
        let got = Array::all_to_f64(&there.iter().collect::<Vec<_>>()).expect("numbers");
        assert_eq!(Card::waits(), before + 1);
        assert_eq!(got, all.iter().map(numbers).collect::<Vec<_>>());
    });
}

#[test]
fn an_optimisers_steps() {
    let s = &mut Seed(5).stream("adamw");
    let all: Vec<Array> = (0..4).map(|_| array(&[6, 5], DType::F32, s)).collect();
    let of = update::Factors {
        first: [0.9, 0.1],
        second: [0.999, 0.001],
        scales: [1.9, 2.5],
        epsilon: 1e-8,
        stay: 0.99,
        rate: 0.01,
    };
    alike("adamw", &all.iter().collect::<Vec<_>>(), 2e-6, |a, ws| {
        let [mut w, mut m] = [ws.copy(&a[0])?, ws.copy(&a[2])?];
        // Second moments are never negative.
        let mut v = elementwise::times(&a[3], &a[3], ws)?;
        update::adamw(&mut w, &a[1], [&mut m, &mut v], &of)?;
        update::towards(&mut m, &w, 0.25)?;
        Ok([numbers(&w), numbers(&m), numbers(&v)].concat())
    });
}

#[test]
fn pools_of_every_geometry() {
    both(|dtype, limit, s| {
        for round in 0..60 {
            let mut three = |from: usize, to: usize| [0; 3].map(|_| from + s.below(to - from));
            let g = PoolGeometry {
                kernel: three(1, 4),
                stride: three(1, 4),
                dilation: three(1, 3),
                pad_before: three(0, 2),
                pad_after: three(0, 2),
                count_padding: round % 2 == 0,
            };
            let e = three(3, 9);
            let Ok(o) = g.output(e) else { continue };
            let x = array(&[2, 2, e[0], e[1], e[2]], dtype, s);
            let dy = array(&[2, 2, o[0], o[1], o[2]], dtype, s);
            alike(&format!("max {g:?} {e:?}"), &[&x, &dy], limit, |a, ws| {
                let m = pool3d::max_forward(&a[0], &g, ws)?;
                let dx = pool3d::max_backward(&a[1], &m.places, &g, e, ws)?;
                Ok([numbers(&m.output), numbers(&dx)].concat())
            });
            alike(&format!("average {g:?} {e:?}"), &[&x, &dy], limit, |a, ws| {
                let y = pool3d::average_forward(&a[0], &g, ws)?;
                let dx = pool3d::average_backward(&a[1], &g, e, ws)?;
                Ok([numbers(&y), numbers(&dx)].concat())
            });
        }
        let g = PoolGeometry { kernel: [9, 10, 11], ..PoolGeometry::tiles(1) };
        let x = array(&[1, 3, 9, 10, 11], dtype, s);
        alike("global average", &[&x], limit, |a, ws| {
            Ok(numbers(&pool3d::average_forward(&a[0], &g, ws)?))
        });
    });
}

#[test]
fn relevance_is_divided() {
    // Pairs and not, rests at the far border of one axis or of none, and rows of several parts.
    let long = ([2; 3], [2, 1, 26, 27, 26]);
    divided(([2; 3], [3, 2, 5, 4, 6]));
    for tiles in [([2; 3], [2, 2, 4, 5, 7]), ([3, 1, 2], [2, 3, 7, 3, 5]), long] {
        divided(tiles);
    }
}

fn divided((kernel, shape): ([usize; 3], [usize; 5])) {
    both(|dtype, limit, s| {
        let [z, r, sign, other] = [0; 4].map(|_| array(&shape, dtype, s));
        let o: [usize; 3] = std::array::from_fn(|a| shape[a + 2] / kernel[a]);
        let values = array(&[shape[0], shape[1], o[0], o[1], o[2]], dtype, s);
        let (flat_z, flat_r) = (array(&[3, 7], dtype, s), array(&[3, 7], dtype, s));
        let ways = [Damping::Absolute, Damping::RootMeanSquare, Damping::Clipped]
            .into_iter()
            .flat_map(|mode| [0.25, 0.0].map(|epsilon| (mode, epsilon)))
            .flat_map(|(mode, epsilon)| [true, false].map(|zero| (mode, epsilon, zero)));
        for (mode, epsilon, zero_is_positive) in ways {
            let stabiliser = Stabiliser { epsilon, mode, zero_is_positive };
            for (only, beside) in [(0, false), (1, false), (2, true), (0, true)] {
                let ask = |a: &[Array], r: &Flow<'_>, ws: &mut Workspace| -> Result<Vec<f64>> {
                    let served = Served {
                        gain: 0.75,
                        only: (only > 0).then(|| (&a[2], only == 1)),
                        beside: beside.then(|| &a[3]),
                    };
                    let q = relevance::quotient(r, ws.copy(&a[0])?, served, stabiliser)?;
                    Ok([numbers(&q.s), kept(q.bins, &a[0])].concat())
                };
                alike("quotient", &[&z, &r, &sign, &other], 10.0 * limit, |a, ws| {
                    ask(a, &Flow::Whole(ws.copy(&a[1])?), ws)
                });
                let pooled = [&z, &values, &sign, &other];
                alike("quotient of winners", &pooled, 10.0 * limit, |a, ws| {
                    let done = fused::forward(&a[0], None, kernel, ws)?;
                    let flow = Flow::Winners(Winners {
                        values: ws.copy(&a[1])?,
                        winners: &done.winners,
                        kernel,
                        shape: shape.to_vec(),
                    });
                    let met = [true, false].map(|side| relevance::comes_to(&flow, &a[2], side));
                    let mut all = ask(a, &flow, ws)?;
                    for met in met {
                        all.push(f64::from(u8::from(met?)));
                    }
                    all.extend(numbers(&flow.whole(ws)?));
                    Ok(all)
                });
            }
            alike("quotient of features", &[&flat_z, &flat_r], 10.0 * limit, |a, ws| {
                let flow = Flow::Whole(ws.copy(&a[1])?);
                let z = ws.copy(&a[0])?;
                let q = relevance::quotient(&flow, z, Served::all(1.0), stabiliser)?;
                Ok([numbers(&q.s), kept(q.bins, &a[0])].concat())
            });
        }
        alike("comes_to", &[&z, &r], 0.0, |a, ws| {
            let flow = Flow::Whole(elementwise::part(&a[1], true, ws)?);
            let met = [true, false].map(|side| relevance::comes_to(&flow, &a[0], side));
            met.into_iter().map(|m| Ok(f64::from(u8::from(m?)))).collect()
        });
    });
}

#[test]
fn blocks_are_moved() {
    both(|dtype, limit, s| {
        let (x, y) = (array(&[3, 2, 4, 3, 5], dtype, s), array(&[3, 4, 4, 3, 5], dtype, s));
        alike("join and split", &[&x, &y], 0.0, |a, ws| {
            let joined = blocks::join(&[&a[0], &a[1]], ws)?;
            let parts = blocks::split(&joined, &[a[0].shape(), a[1].shape()], ws)?;
            let all = [&joined, &parts[0], &parts[1]].map(numbers);
            Ok(all.concat())
        });
        alike("samples, stack and place", &[&x], 0.0, |a, ws| {
            let part = blocks::samples(&a[0], 1..3, ws)?;
            let mut all = blocks::stack(&[&part, &a[0], &part], ws)?;
            blocks::place(&part, 4, &mut all)?;
            Ok([numbers(&part), numbers(&all), numbers(&a[0].rows(0, 2)?)].concat())
        });
        alike("pad and crop", &[&x], limit, |a, ws| {
            let (before, after) = ([1, 0, 2, 1], [0, 1, 1, 3]);
            let padded = blocks::pad(&a[0], before, after, -1.5, ws)?;
            let small = [3, 2, 4, 3, 5];
            let back = blocks::crop(&padded, small, before, ws)?;
            let sums = kept(blocks::border_sums(&padded, small, before)?, &a[0]);
            Ok([numbers(&padded), numbers(&back), sums].concat())
        });
        let wide = array(&[3, 2, 14, 13, 15], dtype, s);
        for (x, gate) in [
            (&x, [3, 2, 1, 1, 1]),
            (&x, [3, 1, 4, 3, 5]),
            (&x, [3, 2, 1, 3, 1]),
            (&wide, [3, 1, 1, 1, 1]),
            (&wide, [3, 2, 1, 1, 15]),
        ] {
            alike("gated", &[x, &array(&gate, dtype, s)], limit, |a, ws| {
                let y = blocks::gated(&a[0], &a[1], ws)?;
                let dg = blocks::gate_gradient(&a[0], &y, a[1].shape())?;
                assert_eq!(dg.on_host(), a[0].on_host());
                Ok([numbers(&y), numbers(&dg)].concat())
            });
        }
        alike("reversed", &[&x], 0.0, |a, _| Ok(numbers(&blocks::reversed(&a[0])?)));
    });
}

#[test]
fn dense_layers() {
    both(|dtype, limit, s| {
        let (x, w, dy) =
            (array(&[3, 700], dtype, s), array(&[4, 700], dtype, s), array(&[3, 4], dtype, s));
        let b = array(&[4], dtype, s);
        alike("dense", &[&x, &w, &dy, &b], limit, |a, ws| {
            let y = dense::forward(&a[0], &a[1], Some(&a[3]), ws)?;
            let plain = dense::forward(&a[0], &a[1], None, ws)?;
            let dx = dense::grad_input(&a[2], &a[1], ws)?;
            let dw = dense::grad_weight(&a[0], &a[2], ws)?;
            Ok([y, plain, dx, dw].iter().flat_map(numbers).collect())
        });
    });
}
