//! What a reader must know of a run before its figures, in words.

use crate::analysis::{Caveat, RunEnd};
use crate::record::Refused;
use crate::rules::MOST_LEFT_OUT;
use crate::rules::probe::{DRIFT_SHARE, MachineSpeed};
use crate::show::units;
use std::fmt;

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Synthetic(text) => write!(f, "Synthetic data, not a measurement: {text}"),
            Self::Disturbed { disturbed, blocks, provisional, commonest } => {
                let why = commonest.as_ref().map_or_else(String::new, |(reason, count)| {
                    format!(
                        ", most often because {} ({})",
                        reason.kind(),
                        units::plural(*count as u64, "trial")
                    )
                });
                let blocks = units::plural(*blocks as u64, "block");
                write!(f, "{disturbed} of {blocks} were disturbed{why}.")?;
                match provisional {
                    0 => write!(f, " The answers rest on the others."),
                    _ => write!(
                        f,
                        " {} only a provisional answer: run again, or go on with `bakeoff continue`, while the machine \
                         is otherwise idle.",
                        match provisional {
                            1 => "1 workload has".to_owned(),
                            many => format!("{many} workloads have"),
                        }
                    ),
                }
            }
            Self::LeftOut { lost, asked, commonest } => {
                let why = commonest.as_ref().map_or_else(String::new, |(reason, count)| {
                    format!(
                        ", most often because {} ({})",
                        reason.kind(),
                        units::plural(*count as u64, "trial")
                    )
                });
                write!(
                    f,
                    "{lost} of {asked} trials had to be left out{why}; with more than {} left out, the rest may be no fair \
                     sample. A model that always fails can be left out by naming the others with --model.",
                    units::share(MOST_LEFT_OUT)
                )
            }
            Self::Refused(Refused { model, why, scenarios }) if scenarios.is_empty() => {
                write!(f, "{model} was left out because it cannot start on this machine: {why}.")
            }
            Self::Refused(Refused { model, why, scenarios }) => {
                write!(f, "{model} was left out of {}: {why}.", units::all_of(scenarios))
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
            Self::Slowed(MachineSpeed { told, again, kept, most }) => write!(
                f,
                "The machine itself was slower for a while, by more than {}: {again} of {told} trials were made again for it, \
                 {kept} count though it was ({} as long for the same work at most).",
                units::share(DRIFT_SHARE),
                units::factor(*most)
            ),
            Self::Calibration(factor) => write!(
                f,
                "Work of a stated time took {} as long after the run as before it, when demands were set by it.",
                units::factor(*factor)
            ),
            Self::Unfit(why) => {
                write!(f, "Before the run the machine was not fit to measure on: {}.", why.words())
            }
            Self::Damaged(damage) => write!(f, "The bundle is damaged: {damage}."),
        }
    }
}
