//! A number in JSON, which has no infinity: that is written as the word "infinite". For `#[serde(with)]`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

/// For a count that is left out of a record where it is zero.
#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

const INFINITE: &str = "infinite";

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Word(String),
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { value.serialize(to) } else { to.serialize_str(INFINITE) }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    match Written::deserialize(from)? {
        Written::Number(value) if value.is_finite() && value >= 0.0 => Ok(value),
        Written::Number(value) => Err(D::Error::custom(format!("{value} is no figure: none is below zero"))),
        Written::Word(word) if word == INFINITE => Ok(f64::INFINITY),
        Written::Word(word) => {
            Err(D::Error::custom(format!("\"{word}\" is neither a number nor \"{INFINITE}\"")))
        }
    }
}
