//! A comparison of two builds in the summary: the verdict in a sentence first, then its table and reasons.

use super::{Style, push_wrapped};
use crate::rules::gate::{Gate, Outcome};

/// The verdict and what it rests on.
pub(super) fn verdict(out: &mut String, gate: &Gate, style: Style) {
    let paint = |line: &str| match gate.outcome() {
        Outcome::Pass | Outcome::Improved => style.good(line),
        Outcome::Inconclusive | Outcome::Invalid => style.warn(line),
        Outcome::Regressed => style.bad(line),
    };
    push_wrapped(out, &super::gate_ab::sentence(gate), style.width, "", paint);
    out.push_str(&super::gate_ab::details(gate, style.width));
    out.push('\n');
}
