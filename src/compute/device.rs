//! Where the numbers are worked on: this machine's processors, or a card.
//!
//! One place for the whole program, chosen once. Work begins and ends on the host: a network and
//! its input go to the card with the first layer, and what comes out comes back with the last.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use super::array::Array;
use super::facts::Facts;
use super::seats::Seats;
use crate::{Error, Result};

/// The device asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Asked {
    /// A card if there is one.
    Auto,
    /// The processors.
    #[default]
    Cpu,
    /// The card of this number.
    Cuda(usize),
}

impl FromStr for Asked {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let card = match word.split_once(':') {
            Some(("cuda", number)) => number.parse().ok().map(Self::Cuda),
            _ => None,
        };
        match word {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => card.ok_or_else(|| {
                Error::usage(
                    "E-DEVICE-001",
                    format!("there is no device {word:?}"),
                    "Choose auto, cpu, cuda or cuda:N, with N the number of the card from 0",
                )
            }),
        }
    }
}

impl Asked {
    /// What the variable `HEATPROOF_DEVICE` says; the processors without it.
    ///
    /// # Errors
    /// `E-DEVICE-001` when it names no device.
    pub fn by_variable() -> Result<Self> {
        match std::env::var("HEATPROOF_DEVICE") {
            Ok(word) if !word.is_empty() => word.parse(),
            _ => Ok(Self::default()),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Why a card that was asked for, if there is one, is not used.
    pub instead: Option<String>,
}

static CHOSEN: OnceLock<Choice> = OnceLock::new();

/// Chooses the device for the rest of the program; the first choice stays.
///
/// # Errors
/// `E-DEVICE-002` when the card asked for cannot be used.
pub fn choose(asked: Asked) -> Result<&'static Choice> {
    if let Some(choice) = CHOSEN.get() {
        return Ok(choice);
    }
    let cpu = |instead| Choice { device: "cpu".to_owned(), instead };
    let choice = match asked {
        Asked::Cpu => cpu(None),
        Asked::Cuda(number) => open(number)?,
        Asked::Auto => open(0).unwrap_or_else(|why| cpu(Some(why.to_string()))),
    };
    crate::provenance::works_on(&choice.device);
    Ok(CHOSEN.get_or_init(|| choice))
}

/// Whether the processors do the work for now, whatever was chosen.
static ASIDE: AtomicBool = AtomicBool::new(false);

/// Does `body` on the processors, whatever was chosen: what a card is held to. Nothing else may
/// compute meanwhile.
pub fn on_host<T>(body: impl FnOnce() -> T) -> T {
    ASIDE.store(true, Ordering::Release);
    let made = body();
    ASIDE.store(false, Ordering::Release);
    made
}

/// Who makes a card's convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convolutions {
    /// Our kernels in f32; cuDNN for less, and for windows that ours have no tiles for.
    Chosen,
    /// Our kernels alone.
    Ours,
    /// cuDNN, and our kernels where it refuses.
    Cudnn,
}

static MAKERS: AtomicU8 = AtomicU8::new(0);

impl Convolutions {
    const ALL: [Self; 3] = [Self::Chosen, Self::Ours, Self::Cudnn];

    /// Does `body` with convolutions of this maker, so that each can be held to the truth. Nothing
    /// else may compute meanwhile.
    pub fn during<T>(self, body: impl FnOnce() -> T) -> T {
        let before = MAKERS.swap(self as u8, Ordering::AcqRel);
        let made = body();
        MAKERS.store(before, Ordering::Release);
        made
    }

    /// Who makes them now.
    pub fn now() -> Self {
        if cfg!(feature = "cudnn") {
            Self::ALL[usize::from(MAKERS.load(Ordering::Acquire))]
        } else {
            Self::Ours
        }
    }
}

/// What the driver says of the card in use; none where work is done on the host.
///
/// # Errors
/// Those of [`on_card`]; `E-DEVICE-003` when the card does not answer.
pub fn facts() -> Result<Option<Facts>> {
    #[cfg(feature = "cuda")]
    if on_card()? {
        return super::cuda::Card::opened().map(super::cuda::Card::facts).transpose();
    }
    let _ = on_card()?;
    Ok(None)
}

/// Whether work is done on a card. Where nothing was chosen, `HEATPROOF_DEVICE` chooses.
///
/// # Errors
/// Those of [`choose`].
pub fn on_card() -> Result<bool> {
    if ASIDE.load(Ordering::Acquire) {
        return Ok(false);
    }
    if CHOSEN.get().is_none() {
        choose(Asked::by_variable()?)?;
    }
    #[cfg(feature = "cuda")]
    return Ok(super::cuda::Card::opened().is_some());
    #[cfg(not(feature = "cuda"))]
    Ok(false)
}

/// Bytes of the card's memory in all; none where work is done on the host. The same in every run on
/// a card, so that what depends on it is, too.
///
/// # Errors
/// Those of [`on_card`]; `E-DEVICE-003` when the card does not answer.
pub fn memory() -> Result<Option<usize>> {
    #[cfg(feature = "cuda")]
    if on_card()? {
        return super::cuda::Card::opened().map(|card| Ok(card.memory()?.1)).transpose();
    }
    let _ = on_card()?;
    Ok(None)
}

/// The most bytes that arrays of the card took at once since the program began or since the last
/// [`held_during`]; none where work is done on the host. As the driver's pool counts them: without what
/// cuDNN and the driver take for themselves.
///
/// # Errors
/// Those of [`on_card`]; `E-DEVICE-003` when the card does not answer.
pub fn held_at_most() -> Result<Option<usize>> {
    #[cfg(feature = "cuda")]
    if on_card()? {
        return super::cuda::Card::opened().map(super::cuda::Card::held_at_most).transpose();
    }
    let _ = on_card()?;
    Ok(None)
}

/// Does `body`; and the most bytes that arrays of the card took at once meanwhile ([`held_at_most`]), beyond
/// those that were there before. None where work is done on the host. Nothing else may compute meanwhile.
///
/// # Errors
/// Those of `body` and of [`held_at_most`].
pub fn held_during<T>(body: impl FnOnce() -> Result<T>) -> Result<(T, Option<usize>)> {
    let before = held_from_now()?;
    let made = body()?;
    Ok((made, held_at_most()?.map(|most| most.saturating_sub(before))))
}

/// Bytes that arrays of the card take now, from where [`held_at_most`] counts anew.
fn held_from_now() -> Result<usize> {
    #[cfg(feature = "cuda")]
    if on_card()? {
        let card = super::cuda::Card::opened();
        return card.map_or(Ok(0), super::cuda::Card::held_from_now);
    }
    let _ = on_card()?;
    Ok(0)
}

/// Waits until the device has done all it was asked for.
///
/// # Errors
/// `E-DEVICE-003` when the card fails.
pub fn finish() -> Result<()> {
    #[cfg(feature = "cuda")]
    if let Some(card) = super::cuda::Card::opened() {
        return card.finish();
    }
    Ok(())
}

/// How often this thread has waited for numbers of the card so far; 0 where there is none.
pub fn waits() -> usize {
    #[cfg(feature = "cuda")]
    return super::cuda::Card::waits();
    #[cfg(not(feature = "cuda"))]
    0
}

/// `x` where the work is done, for `body`, and what comes out where `x` was.
///
/// # Errors
/// Those of `body`; `E-DEVICE-003` when the card fails.
pub fn at_work(x: &Array, body: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    match x.sent()? {
        Some(there) => body(&there)?.at_rest(),
        None => body(x),
    }
}

/// Passes that hold memory of a card at once.
static SEATS: Seats = Seats::new(PASSES, Duration::from_secs(600));
/// How many, so that while one waits for numbers another is at work; chosen, not measured.
const PASSES: usize = 4;
/// Of a card's memory in all, the part that the arrays of a pass may take: half is for passes, the rest
/// for networks, for cuDNN and for what the driver cannot use between arrays.
const PART: usize = 2 * PASSES;

/// A pass through a network. On the host it is done by a thread of the pool that shares out the work:
/// from any other each operation is handed to the pool, and two threads are woken for it; behind this the
/// operations of `body` start at once. On a card it is done by this thread, as a card's work is queued by
/// thread, when no more than three others are under way: each may take [`memory_of_a_pass`]. What a training
/// step keeps from its pass forth to its pass back is not counted; a training has one thread.
///
/// # Errors
/// Those of `body` and of [`on_card`].
pub fn pass<T: Send>(body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    if !on_card()? {
        return rayon::scope(|_| body());
    }
    let _seat = SEATS.take();
    body()
}

/// Bytes of the card that the arrays of a pass may take; none where work is done on the host. The same
/// in every run on a card, however many threads there are.
///
/// # Errors
/// Those of [`on_card`]; `E-DEVICE-003` when the card does not answer.
pub fn memory_of_a_pass() -> Result<Option<usize>> {
    Ok(memory()?.map(|bytes| bytes / PART))
}

#[cfg(feature = "cuda")]
fn open(number: usize) -> Result<Choice> {
    super::cuda::Card::open(number)?;
    Ok(Choice { device: format!("cuda:{number}"), instead: None })
}

#[cfg(not(feature = "cuda"))]
fn open(_: usize) -> Result<Choice> {
    Err(Error::usage(
        "E-DEVICE-002",
        "this program was built without CUDA",
        "Use heatproof-cuda, or --device cpu",
    ))
}
