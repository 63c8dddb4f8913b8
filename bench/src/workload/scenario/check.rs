//! What is wrong with a scenario, by file and line: values held against their ranges where they stand.

use crate::workload::units::Whole;
use toml::Spanned;

/// Why a scenario was refused.
#[derive(Debug, thiserror::Error)]
#[error("scenario `{origin}`, line {line}: {reason}")]
pub struct ScenarioError {
    /// The file (or the built-in scenario's name).
    pub origin: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

/// Turns positions in the text into errors with lines.
pub(super) struct Checker<'a> {
    pub(super) text: &'a str,
    pub(super) origin: &'a str,
}

pub(super) type Checked<T> = Result<T, ScenarioError>;

impl Checker<'_> {
    pub(super) fn error(&self, at: usize, reason: impl Into<String>) -> ScenarioError {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        ScenarioError { origin: self.origin.into(), line, reason: reason.into() }
    }

    pub(super) fn at<T>(&self, value: &Spanned<T>, reason: impl Into<String>) -> ScenarioError {
        self.error(value.span().start, reason)
    }

    pub(super) fn whole<T: TryFrom<i64>>(
        &self,
        key: &str,
        value: &Spanned<Whole>,
        least: i64,
        most: i64,
    ) -> Checked<T> {
        let number = value.get_ref().0;
        let refuse = || self.at(value, format!("`{key}` is {number}; it must be from {least} to {most}"));
        if !(least..=most).contains(&number) {
            return Err(refuse());
        }
        T::try_from(number).map_err(|_| refuse())
    }

    pub(super) fn optional<T: TryFrom<i64>>(
        &self,
        key: &str,
        value: Option<&Spanned<Whole>>,
        most: i64,
    ) -> Checked<Option<T>> {
        value.map(|v| self.whole(key, v, 1, most)).transpose()
    }
}
