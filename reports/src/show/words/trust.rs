//! How far to trust a run, in sentences: its generator, its machine, its trials.

use super::probe::brief;
use crate::analysis::Analysis;
use crate::record::Reading;
use crate::rules::probe;
use crate::show::units::{self, grouped, plural};

/// What the load generator can show, and where figures came near it.
pub(crate) fn generator(analysis: &Analysis) -> String {
    let brief = brief(&analysis.run.probe);
    let near: Vec<String> = analysis
        .workloads
        .iter()
        .filter_map(|workload| {
            let models = workload.at_ceiling().len() as u64;
            (models > 0).then(|| format!("{} ({})", workload.scenario.name, plural(models, "model")))
        })
        .collect();
    match (near.as_slice(), &analysis.run.probe) {
        (_, Reading::Absent(_)) => brief,
        ([], _) => format!("{brief} No throughput came near that rate."),
        (near, _) => format!("{brief} Marked ▲ for being near it: {}.", near.join(", ")),
    }
}

/// Whether the machine was fit to measure on, and whether it stayed as it was.
pub(crate) fn machine(analysis: &Analysis) -> String {
    let before = match &analysis.run.probe {
        Reading::Absent(why) => format!("Not checked before the run: {why}."),
        Reading::Value(probe) => match probe::unfit(probe).as_slice() {
            [] => "Fit to measure on before the run.".to_owned(),
            unfit => {
                let why: Vec<String> = unfit.iter().map(probe::Unfit::words).collect();
                format!("Not fit to measure on before the run: {}.", why.join("; "))
            }
        },
    };
    let during = match probe::drift(&analysis.rounds) {
        None => "Its speed was not followed during it.".to_owned(),
        Some((0, told, _)) => format!(
            "Its speed moved by no more than {} within any of {}.",
            units::share(probe::DRIFT_SHARE),
            plural(told as u64, "round")
        ),
        Some((moved, told, most)) => {
            format!("Its speed moved within {moved} of {told} rounds, {} at most.", units::factor(most))
        }
    };
    format!("{before} {during}")
}

/// How many trials count, and which rounds are missing.
pub(crate) fn trials(analysis: &Analysis) -> String {
    let count = |trials: u32| grouped(u64::from(trials));
    let again = match analysis.tried_again {
        0 => String::new(),
        n => format!(", {} of them retries", count(n)),
    };
    let lost = match analysis.lost {
        0 => "every round of every model has a valid one".to_owned(),
        1 => "1 round of a model under a workload has none".to_owned(),
        n => format!("{} of a model under a workload have none", plural(u64::from(n), "round")),
    };
    format!("{} valid of {} recorded{again}; {lost}.", count(analysis.valid), count(analysis.recorded))
}
