//! What a reader must know of a run before its figures, in words.

use crate::analysis::{Caveat, RunEnd};
use crate::record::Refused;
use crate::rules::probe::DRIFT_SHARE;
use crate::rules::verdict::MOST_LEFT_OUT;
use crate::show::units;
use std::fmt;

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synthetic(text) => write!(f, "Synthetic data, not a measurement: {text}"),
            Self::NoVerdict { lost, asked, retried, commonest } => {
                let retried = match *retried {
                    0 => String::new(),
                    n if n == *lost => ", and retries failed too".to_owned(),
                    n => format!(", for {n} of which retries failed too"),
                };
                let commonest = commonest.as_ref().map_or_else(String::new, |(reason, count)| {
                    let most = 2 * count > *lost as usize;
                    let how_many = if most { "most of them" } else { "the most frequent reason" };
                    format!(", {how_many} ({count}) because {}", reason.kind())
                });
                write!(
                    f,
                    "No verdict: {lost} of {asked} trials had to be left out{retried}{commonest}; with more than {} left \
                     out, the rest is no fair sample. Run again while the machine has nothing else to do; a model that \
                     always fails can be left out by naming the others with --model.",
                    units::share(MOST_LEFT_OUT)
                )
            }
            Self::Refused(Refused { model, why }) => {
                write!(f, "{model} was left out, for it cannot start on this machine: {why}.")
            }
            Self::Incomplete { ended, recorded, planned, about } => {
                let lead = match ended {
                    RunEnd::Properly => "",
                    RunEnd::Interrupted => "The run was interrupted: ",
                    RunEnd::Killed => "The run did not end properly: ",
                };
                let about = if *about { "about " } else { "" };
                write!(f, "{lead}{recorded} of {about}{planned} planned trials are recorded.")
            }
            Self::Drift { moved, told, most } => write!(
                f,
                "The machine's own speed moved by more than {} within {moved} of {told} rounds ({} at most): figures of \
                 such a round compare badly with each other.",
                units::share(DRIFT_SHARE),
                units::factor(*most)
            ),
            Self::Unfit(why) => {
                write!(f, "Before the run the machine was not fit to measure on: {}.", why.words())
            }
            Self::Damaged(damage) => write!(f, "The bundle is damaged: {damage}."),
        }
    }
}
