//! Files of `torch.save`: a zip archive since PyTorch 1.6, a row of pickles before.

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;
use std::path::Path;

use safetensors::Dtype;

use super::pickle::{Id, Object, Pickle};
use super::{StateDict, narrowed};
use crate::compute::Array;
use crate::model::tensors::reals;
use crate::{Error, Result};

/// First number of the files before PyTorch 1.6, least byte first.
const LEGACY: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Names under which training programs keep the weights, the likeliest first.
const USUAL: [&str; 7] =
    ["state_dict", "model_state_dict", "model", "net", "network", "weights", "params"];

/// Whether the bytes are of `torch.save`.
pub fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 2])
}

/// Reads the tensors of a state dict; `key` names it where a file holds several.
///
/// # Errors
/// [`Error::Refused`] `E-TORCH-001` (damaged, or of another kind), `E-TORCH-002` (a whole
/// module instead of its weights, or none), `E-TORCH-003` (several, or none under `key`),
/// `E-TORCH-004` (a tensor that does not lie in its storage).
pub fn read(path: &Path, bytes: &[u8], key: Option<&str>) -> Result<StateDict> {
    let damaged = |seen: String| {
        let fix = "Save it again: torch.save(model.state_dict(), \"model.pt\")";
        Error::refused("E-TORCH-001", path, "content", seen, "a file of torch.save", fix)
    };
    let file = if bytes.starts_with(b"PK") { zipped(bytes) } else { legacy(bytes) };
    let file = file.map_err(damaged)?;
    let (chosen, from) = choose(path, &file.pickle, key)?;
    let mut budget = bytes.len();
    let mut found = StateDict { from, ..StateDict::default() };
    for (name, value) in chosen {
        let refuse = |seen: String| {
            let fix = "Save the weights again, as tensors on the CPU: model.cpu().state_dict()";
            Error::refused("E-TORCH-004", path, shown(&name), seen, "a dense tensor", fix)
        };
        match tensor(&file, value, &mut budget).map_err(refuse)? {
            Some(array) => {
                let _ = found.arrays.insert(name, array);
            }
            None => found.left_out.push(name),
        }
    }
    Ok(found)
}

/// One file: what it says, and where the numbers of its tensors lie.
struct File<'a> {
    pickle: Pickle,
    /// Bytes of each storage, by its key.
    storages: HashMap<String, &'a [u8]>,
}

/// The archive of PyTorch 1.6 and later: `NAME/data.pkl` and `NAME/data/KEY`.
fn zipped(bytes: &[u8]) -> std::result::Result<File<'_>, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let (mut text, mut storages) = (None, HashMap::new());
    for n in 0..archive.len() {
        let entry = archive.by_index_raw(n).map_err(|e| e.to_string())?;
        let name = entry.name().map_err(|e| e.to_string())?.into_owned();
        let Some((_, inner)) = name.split_once('/') else { continue };
        if inner != "data.pkl" && inner != "byteorder" && !inner.starts_with("data/") {
            continue;
        }
        if entry.compression() != zip::CompressionMethod::Stored {
            return Err(format!("{} is compressed, which PyTorch never does", shown(&name)));
        }
        let range = entry.data_start().and_then(|start| {
            let start = usize::try_from(start).ok()?;
            let end = start.checked_add(usize::try_from(entry.size()).ok()?)?;
            bytes.get(start..end)
        });
        let raw = range.ok_or_else(|| format!("{} ends beyond the file", shown(&name)))?;
        match inner {
            "data.pkl" => text = Some(raw),
            "byteorder" if raw != b"little" => return Err("written on a big-endian machine".into()),
            _ => {
                let _ = storages.insert(inner.trim_start_matches("data/").to_owned(), raw);
            }
        }
    }
    let text = text.ok_or("a zip archive without data.pkl")?;
    Ok(File { pickle: Pickle::read(text)?, storages })
}

/// Before PyTorch 1.6: a magic number, a version, facts of the machine, the object, the keys of
/// its storages, then each storage as its length and its numbers.
fn legacy(bytes: &[u8]) -> std::result::Result<File<'_>, String> {
    let mut at = 0;
    let mut next = || {
        let read = Pickle::read(bytes.get(at..).unwrap_or_default())?;
        at += read.length;
        Ok::<Pickle, String>(read)
    };
    let (magic, _version, _machine) = (next()?, next()?, next()?);
    if *magic.get(magic.root()) != Object::Long(LEGACY.to_vec()) {
        return Err("a pickle, but not of torch.save".to_owned());
    }
    let (pickle, keys) = (next()?, next()?);
    let names = keys.members(keys.root()).ok_or("without a list of storages")?;
    let sizes = storage_kinds(&pickle);
    let mut storages = HashMap::new();
    for name in names {
        let name = keys.text(*name).ok_or("a storage without a name")?;
        let width = sizes.get(name).copied().flatten().ok_or("a storage of unknown type")?;
        let head = bytes.get(at..at + 8).ok_or("ends before its storages")?;
        let count = head.iter().rev().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
        let length = usize::try_from(count).ok().and_then(|n| n.checked_mul(width));
        let end = length.and_then(|n| n.checked_add(at + 8));
        let raw = end.and_then(|end| bytes.get(at + 8..end)).ok_or("ends within a storage")?;
        let _ = storages.insert(name.to_owned(), raw);
        at += 8 + raw.len();
    }
    Ok(File { pickle, storages })
}

/// Bytes of one number of every storage the pickle names.
fn storage_kinds(pickle: &Pickle) -> HashMap<String, Option<usize>> {
    let all = pickle.outside().filter_map(|id| {
        let parts = pickle.members(id)?;
        let [_, class, key, ..] = parts else { return None };
        let Object::Class(class) = pickle.get(*class) else { return None };
        Some((pickle.text(*key)?.to_owned(), kind(class).map(|(_, width)| width)))
    });
    all.collect()
}

/// The type of a storage's numbers (none for whole numbers), and their bytes.
fn kind(class: &str) -> Option<(Option<Dtype>, usize)> {
    Some(match class.rsplit('.').next()? {
        "DoubleStorage" => (Some(Dtype::F64), 8),
        "FloatStorage" => (Some(Dtype::F32), 4),
        "HalfStorage" => (Some(Dtype::F16), 2),
        "BFloat16Storage" => (Some(Dtype::BF16), 2),
        "LongStorage" => (None, 8),
        "IntStorage" => (None, 4),
        "ShortStorage" => (None, 2),
        "CharStorage" | "ByteStorage" | "BoolStorage" => (None, 1),
        _ => return None,
    })
}

/// Whether an object is a tensor, and the arguments that rebuild it.
fn rebuilt(pickle: &Pickle, id: Id) -> Option<&[Id]> {
    let mut id = id;
    // A parameter, or a tensor of a subclass, wraps the tensor it is.
    for _ in 0..4 {
        let (function, arguments) = pickle.call(id)?;
        match function {
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                return Some(arguments);
            }
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                id = *arguments.first()?;
            }
            "torch._tensor._rebuild_from_type_v2" => {
                let [inner, _, values, ..] = arguments else { return None };
                return match pickle.get(*inner) {
                    Object::Class(name) if name.starts_with("torch._utils._rebuild_tensor") => {
                        pickle.members(*values)
                    }
                    _ => None,
                };
            }
            _ => return None,
        }
    }
    None
}

/// A tensor's numbers as f32; none for whole numbers.
fn tensor(
    file: &File<'_>,
    id: Id,
    budget: &mut usize,
) -> std::result::Result<Option<Array>, String> {
    let pickle = &file.pickle;
    let parts = rebuilt(pickle, id).ok_or("no tensor")?;
    let [storage, offset, size, stride, ..] = parts else {
        return Err("a tensor without extents".to_owned());
    };
    let Object::Outside(storage) = pickle.get(*storage) else {
        return Err("a tensor without a storage".to_owned());
    };
    let parts = pickle.members(*storage).unwrap_or_default();
    let [_, class, key, _, _, view @ ..] = parts else {
        return Err("a storage without a type".to_owned());
    };
    let class = match pickle.get(*class) {
        Object::Class(name) => name.as_str(),
        _ => "",
    };
    let (kind, width) = kind(class).ok_or_else(|| format!("numbers of {}", shown(class)))?;
    let Some(kind) = kind else { return Ok(None) };
    let key = pickle.text(*key).ok_or("a storage without a name")?;
    let raw = *file.storages.get(key).ok_or("its storage is not in the file")?;
    if view.iter().any(|v| !matches!(pickle.get(*v), Object::None)) {
        return Err("a view of another storage".to_owned());
    }
    let counts = |id: &Id| -> Option<Vec<usize>> {
        pickle.members(*id)?.iter().map(|n| pickle.count(*n)).collect()
    };
    let offset = pickle.count(*offset).ok_or("an offset that is no count")?;
    let (size, stride) = counts(size).zip(counts(stride)).ok_or("extents that are no counts")?;
    if size.len() != stride.len() || size.len() > 8 {
        return Err(format!("{} extents and {} strides", size.len(), stride.len()));
    }
    let numbers = size.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    let numbers = numbers.filter(|n| *n <= *budget).ok_or("more numbers than the file can hold")?;
    *budget -= numbers;
    if numbers == 0 {
        return Err("an empty tensor".to_owned());
    }
    let last = size.iter().zip(&stride).try_fold(offset, |at, (n, step)| {
        (n - 1).checked_mul(*step).and_then(|more| at.checked_add(more))
    });
    let within = last.and_then(|at| at.checked_add(1)?.checked_mul(width));
    if within.is_none_or(|end| end > raw.len()) {
        return Err(format!("extents {size:?} beyond the {} bytes of its storage", raw.len()));
    }
    let mut plain = 1;
    let contiguous = size.iter().zip(&stride).rev().all(|(n, step)| {
        let fits = *n == 1 || *step == plain;
        plain *= n;
        fits
    });
    let data = if contiguous {
        reals(kind, &raw[offset * width..(offset + numbers) * width])
    } else {
        let mut picked = Vec::with_capacity(numbers * width);
        let mut place = vec![0usize; size.len()];
        for _ in 0..numbers {
            let at = offset + place.iter().zip(&stride).map(|(p, s)| p * s).sum::<usize>();
            picked.extend_from_slice(&raw[at * width..(at + 1) * width]);
            for axis in (0..size.len()).rev() {
                place[axis] += 1;
                if place[axis] < size[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        reals(kind, &picked)
    };
    let data = data.ok_or("numbers that are not real")?;
    narrowed(Array::from_vec(data, &size)).map(Some)
}

/// Entries that are tensors of an object that is a dictionary.
fn entries(pickle: &Pickle, id: Id) -> Option<BTreeMap<String, Id>> {
    let Object::Dict(pairs) = pickle.get(id) else { return None };
    let all: BTreeMap<String, Id> = pairs
        .iter()
        .filter_map(|(key, value)| Some((pickle.text(*key)?.to_owned(), *value)))
        .filter(|(_, value)| rebuilt(pickle, *value).is_some())
        .collect();
    (!all.is_empty()).then_some(all)
}

/// The state dict of a file, and the key it was under.
fn choose(
    path: &Path,
    pickle: &Pickle,
    key: Option<&str>,
) -> Result<(BTreeMap<String, Id>, Option<String>)> {
    let refuse = |code, seen: String, fix: String| {
        Err(Error::refused(code, path, "content", seen, "one dictionary of tensors", fix))
    };
    let mut inner: Vec<(String, BTreeMap<String, Id>)> = Vec::new();
    if let Object::Dict(pairs) = pickle.get(pickle.root()) {
        for (name, value) in pairs {
            let named = pickle.text(*name).zip(entries(pickle, *value));
            inner.extend(named.map(|(name, all)| (name.to_owned(), all)));
        }
    }
    let names: Vec<String> = inner.iter().map(|(n, _)| shown(n)).collect();
    let names = names.join(", ");
    let mut take = |wanted: &str| {
        let at = inner.iter().position(|(n, _)| n == wanted)?;
        let (name, all) = inner.swap_remove(at);
        Some((all, Some(name)))
    };
    if let Some(key) = key {
        return match take(key) {
            Some(found) => Ok(found),
            None => {
                let fix = format!("Name one of the dictionaries of tensors: {names}");
                refuse("E-TORCH-003", format!("no weights under {key:?}"), fix)
            }
        };
    }
    if let Some(own) = entries(pickle, pickle.root()) {
        return Ok((own, None));
    }
    if let Some(found) = USUAL.iter().find_map(|usual| take(usual)) {
        return Ok(found);
    }
    match inner.len() {
        0 => {
            let (seen, fix) = match pickle.call(pickle.root()) {
                Some((class, _)) => (format!("an object of {}", shown(class)), "its weights alone"),
                None => ("no tensors".to_owned(), "the weights"),
            };
            let fix = format!("Save {fix}: torch.save(model.state_dict(), \"model.pt\")");
            refuse("E-TORCH-002", seen, fix)
        }
        1 => Ok(inner.swap_remove(0)).map(|(name, all)| (all, Some(name))),
        n => {
            let fix = format!("Set weights_key in model.toml to one of: {names}");
            refuse("E-TORCH-003", format!("{n} dictionaries of tensors"), fix)
        }
    }
}

/// Text of the file for a message: no control characters, not endless.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
