//! Reading a bundle: what is whole is handed out, what is damaged is named, and nothing is repaired.

use super::{Bundle, BundleError, Damage, DamageKind, Line, schema3};
use crate::record::{Record, Run, SCHEMA_VERSION};
use serde::Deserialize;
use std::path::Path;

/// Reads a bundle. Damaged records are named in [`Bundle::damage`]; the others are read all the same.
///
/// # Errors
/// The file cannot be read, is empty, is no bundle, has another schema version, or its first record is damaged.
pub fn load(path: &Path) -> Result<Bundle, BundleError> {
    let bytes = std::fs::read(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
    parse(&bytes, path)
}

/// Reads a bundle from memory; `path` only names it in errors.
///
/// # Errors
/// As [`load`], reading aside.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Bundle, BundleError> {
    if bytes.is_empty() {
        return Err(BundleError::Empty { path: path.to_owned() });
    }
    let ends_whole = bytes.ends_with(b"\n");
    let lines: Vec<&[u8]> = bytes[..bytes.len() - usize::from(ends_whole)].split(|&b| b == b'\n').collect();
    let torn_at = if ends_whole { usize::MAX } else { lines.len() - 1 };
    let run = head(lines[0], torn_at == 0, lines.len() - 1, path)?;
    let (trials, rounds, looks, anatomies, envelopes, objectives, confirm, damage) = Default::default();
    let mut bundle =
        Bundle { run, trials, rounds, looks, anatomies, envelopes, objectives, confirm, end: None, damage };
    for (at, line) in lines.iter().enumerate().skip(1) {
        let kind = match body(line).and_then(record) {
            Ok(Record::Trial(trial)) => {
                bundle.trials.push(*trial);
                continue;
            }
            Ok(Record::Anatomy(anatomy)) => {
                bundle.anatomies.push(*anatomy);
                continue;
            }
            Ok(Record::Objective(objective)) => {
                bundle.objectives.push(objective);
                continue;
            }
            Ok(Record::Envelope(envelope)) => {
                bundle.envelopes.push(*envelope);
                continue;
            }
            Ok(Record::Round(round)) => {
                bundle.rounds.push(round);
                continue;
            }
            Ok(Record::Look(look)) => {
                bundle.looks.push(look);
                continue;
            }
            Ok(Record::Confirm(confirm)) if bundle.confirm.is_none() => {
                bundle.confirm = Some(confirm);
                continue;
            }
            Ok(Record::Confirm(_)) => DamageKind::Misplaced("the fresh rounds have begun before"),
            Ok(Record::End(end)) if bundle.end.is_none() => {
                bundle.end = Some(end);
                continue;
            }
            Ok(Record::End(_)) => DamageKind::Misplaced("the run has ended before"),
            Ok(Record::Run(_)) => DamageKind::Misplaced("a second head; two bundles were joined"),
            Err(_) if at == torn_at => DamageKind::CutOff,
            Err(kind) => kind,
        };
        bundle.damage.push(Damage { record: at + 1, readable: 0, kind });
    }
    let readable = lines.len() - bundle.damage.len();
    bundle.damage.iter_mut().for_each(|damage| damage.readable = readable);
    Ok(bundle)
}

/// The text of a line's body, its checksum verified.
fn body(line: &[u8]) -> Result<&str, DamageKind> {
    let unreadable =
        |error: serde_json::Error| DamageKind::Unreadable(format!("not a line of a bundle ({error})"));
    let line: Line<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let text = line.body.get();
    let crc32 = format!("{:08x}", crc32fast::hash(text.as_bytes()));
    if crc32 == line.crc32 { Ok(text) } else { Err(DamageKind::Checksum) }
}

fn record(body: &str) -> Result<Record, DamageKind> {
    serde_json::from_str(body)
        .map_err(|error| DamageKind::Unreadable(format!("not a record of schema {SCHEMA_VERSION} ({error})")))
}

/// Enough of a head to know whether the rest can be understood.
#[derive(Deserialize)]
struct Head {
    run: Version,
}

#[derive(Deserialize)]
struct Version {
    schema_version: u64,
}

fn head(line: &[u8], torn: bool, others: usize, path: &Path) -> Result<Run, BundleError> {
    let path = path.to_owned();
    let text = match body(line) {
        Ok(text) => text,
        Err(_) if !line.starts_with(b"{\"crc32\":\"") => {
            let shown: String =
                String::from_utf8_lossy(line).chars().take(40).flat_map(char::escape_debug).collect();
            return Err(BundleError::NotABundle { path, detail: format!("it begins with \"{shown}\"") });
        }
        Err(_) if torn => {
            return Err(BundleError::Head { path, detail: DamageKind::CutOff.to_string(), others });
        }
        Err(kind) => return Err(BundleError::Head { path, detail: kind.to_string(), others }),
    };
    if let Ok(Head { run: Version { schema_version: found } }) = serde_json::from_str(text) {
        let supported = SCHEMA_VERSION;
        if found == schema3::VERSION {
            return schema3::head(text).map_err(|detail| BundleError::Old { path, found, detail });
        }
        if found != u64::from(supported) {
            return Err(BundleError::ForeignVersion { path, found, supported });
        }
    }
    match record(text) {
        Ok(Record::Run(run)) => Ok(*run),
        Ok(_) => Err(BundleError::Head { path, detail: "is not a head".to_owned(), others }),
        Err(kind) => Err(BundleError::Head { path, detail: kind.to_string(), others }),
    }
}
