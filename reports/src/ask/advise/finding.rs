//! How a finding is made of an estimate, or of the reason why there is none. It judges nothing.

use super::answer::{Criterion, Finding, Stand};
use crate::record::Reading;
use crate::stats::estimate::Estimate;

pub(super) fn found(
    criterion: Criterion,
    stand: Stand,
    words: String,
    figure: Estimate,
    headroom: Option<f64>,
) -> Finding {
    let value = match figure.median.is_finite() {
        true => Reading::Value(figure.median),
        false => Reading::Absent("infinite: too many requests were never answered".to_owned()),
    };
    let interval = (figure.low.is_finite() && figure.high.is_finite()).then_some((figure.low, figure.high));
    // A time that is infinite falls short by no factor.
    let headroom = headroom.filter(|factor| factor.is_finite() && figure.median.is_finite());
    let rounds = figure.rounds as u32;
    Finding { criterion, asked: true, stand, words, headroom, value, interval, rounds, cell: None }
}

pub(super) fn unknown(criterion: Criterion, why: String) -> Finding {
    Finding {
        criterion,
        asked: true,
        stand: Stand::NotKnown,
        value: Reading::Absent(why.clone()),
        words: why,
        headroom: None,
        interval: None,
        rounds: 0,
        cell: None,
    }
}
