//! The verdicts of a comparison in words: one or two sentences each, the same for terminal and page.

use crate::record::Figure;
use crate::rules::gate::book::Pairs;
use crate::rules::gate::{MIN_PAIRS, Verdict};
use crate::rules::verdict::MOST_MORE;
use crate::show::units;
use crate::stats::paired::Factor;

/// A factor to three digits behind the point: a gate is about per cents. "1.052", "12.3", "∞".
pub(crate) fn factor(factor: f64) -> String {
    match factor {
        f if f.is_infinite() => "∞".to_owned(),
        f if f >= 1_000.0 => "over 1000".to_owned(),
        f if f >= 10.0 => format!("{f:.1}"),
        f => format!("{f:.3}"),
    }
}

/// A factor with its interval: "1.052 [1.041, 1.063]".
pub(crate) fn with_interval(of: Factor) -> String {
    format!("{} [{}, {}]", factor(of.median), factor(of.low), factor(of.high))
}

/// A share to one digit behind the point, or none from 10 % on: "3.1 %".
pub(crate) fn share(share: f64) -> String {
    match share {
        share if share.is_infinite() => "∞".to_owned(),
        share if share > 0.0 && share < 0.0005 => "under 0.1 %".to_owned(),
        share => units::percent(share),
    }
}

/// How far B is behind: "5.2 % worse", "2.10 times worse", "4.8 % better".
pub(crate) fn difference(factor: f64) -> String {
    match factor {
        f if f.is_infinite() => "without an answer".to_owned(),
        f if f >= 2.0 => format!("{} times worse", units::factor(f).trim_end_matches('×')),
        f if f >= 1.0 => format!("{} worse", share(f - 1.0)),
        f if f > 0.5 => format!("{} better", share(1.0 - f)),
        0.0 => "better by any measure".to_owned(),
        f => format!("{} times better", units::factor(1.0 / f).trim_end_matches('×')),
    }
}

/// What the bar of a verdict is.
fn bar(verdict: &Verdict) -> String {
    if verdict.floor > verdict.practical {
        format!("the {} that chance makes of these rounds", share(verdict.floor))
    } else {
        format!("the {} that matter", share(verdict.practical))
    }
}

fn pairs(count: usize) -> String {
    units::plural(count as u64, "pair")
}

/// What the search says of a suspect.
fn suspicion(verdict: &Verdict, found: Factor) -> String {
    format!("{} in {}, beyond {}", difference(found.median), pairs(verdict.rounds), bar(verdict))
}

/// Suspected, and the fresh rounds say the same.
pub(crate) fn regressed(verdict: &Verdict, found: Factor, fresh: Factor) -> String {
    let (search, again) = (suspicion(verdict, found), difference(fresh.median));
    format!("B is {search}; {} fresh ones confirm it: {again}.", fresh.rounds)
}

/// Suspected, and the fresh rounds do not say the same.
pub(crate) fn refuted(verdict: &Verdict, found: Factor, fresh: Factor) -> String {
    let (search, again) = (suspicion(verdict, found), difference(fresh.median));
    format!(
        "B looked {search}, but {} fresh ones do not confirm it: {again} ({}).",
        fresh.rounds,
        with_interval(fresh)
    )
}

/// Suspected, and there are too few fresh rounds to say.
pub(crate) fn unconfirmed(verdict: &Verdict, found: Factor, fresh: usize, needed: usize) -> String {
    let search = suspicion(verdict, found);
    match fresh {
        0 => format!("B looks {search}, but no fresh rounds were run to confirm it."),
        fresh => format!(
            "B looks {search}, but there are only {} of fresh rounds to confirm it, and {needed} are needed.",
            pairs(fresh)
        ),
    }
}

/// Better.
pub(crate) fn improved(verdict: &Verdict, found: Factor) -> String {
    format!("B is {} in {}, beyond {}.", difference(found.median), pairs(verdict.rounds), bar(verdict))
}

/// A slowdown that matters is ruled out.
pub(crate) fn pass(verdict: &Verdict, found: Factor) -> String {
    let matters = share(verdict.practical);
    if found.low > 1.0 {
        return format!("B is {}, below the {matters} that matter.", difference(found.median));
    }
    let most =
        if found.high > 1.0005 { format!(": {} at most", share(found.high - 1.0)) } else { String::new() };
    format!("A slowdown of more than {matters} is ruled out{most}.")
}

/// The rounds do not tell.
pub(crate) fn open(verdict: &Verdict) -> String {
    let matters = share(verdict.practical);
    let told = format!(
        "{} do not tell whether B is worse by more than the {matters} that matter",
        pairs(verdict.rounds)
    );
    match verdict.more {
        Some(more) if more < MOST_MORE => {
            format!("{told}; about {} would.", units::plural(more as u64, "more round"))
        }
        Some(_) => {
            format!("{told}; more than {} more rounds would be needed.", units::grouped(MOST_MORE as u64))
        }
        None => format!("{told}."),
    }
}

/// Too few rounds were tried.
pub(crate) fn short(tried: usize) -> String {
    format!(
        "Too short: {} tried, and nothing is said of fewer than {MIN_PAIRS}.",
        match tried {
            1 => "1 round was".to_owned(),
            tried => format!("{tried} rounds were"),
        }
    )
}

/// Too many rounds have no pair.
pub(crate) fn lost(pairs: &Pairs, figure: Figure, commonest: Option<&str>, faults: Option<&str>) -> String {
    let lost = pairs.tried.saturating_sub(pairs.logs.len());
    let head = format!("{lost} of {} have no pair to compare", units::plural(pairs.tried as u64, "round"));
    let without = pairs.valid.saturating_sub(pairs.logs.len());
    match (faults, commonest) {
        (Some(faults), _) => format!("{head}. {faults}"),
        _ if 2 * without >= lost => format!("{head}, {without} of them rounds {}.", figure.why_none()),
        (None, Some(reason)) => format!("{head}, most often because: {reason} …"),
        (None, None) => format!("{head}."),
    }
}

/// Neither side does the work.
pub(crate) fn useless(figure: Figure) -> String {
    format!("Neither side does the work: {} says nothing of either.", figure.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_and_differences_read_well() {
        assert_eq!(
            [1.0, 1.0523, 12.34, 4e3, f64::INFINITY].map(factor),
            ["1.000", "1.052", "12.3", "over 1000", "∞"]
        );
        let shown = [1.0523, 2.1, f64::INFINITY, 0.952, 0.25, 0.0].map(difference);
        let expected = [
            "5.2 % worse",
            "2.10 times worse",
            "without an answer",
            "4.8 % better",
            "4.00 times better",
            "better by any measure",
        ];
        assert_eq!(shown, expected);
        assert_eq!([0.0, 0.0002, 0.031, 0.12].map(share), ["0 %", "under 0.1 %", "3.1 %", "12 %"]);
    }
}
