//! How far to trust a run, in sentences: its generator, its machine, its trials.

use super::probe::brief;
use crate::analysis::Analysis;
use crate::record::{Reading, RoundRecord};
use crate::rules::probe;
use crate::rules::workload::Workload;
use crate::show::units::{self, grouped, plural};

/// What the load generator can show, and where figures came near it.
pub(crate) fn generator(analysis: &Analysis) -> String {
    let brief = brief(&analysis.run.probe);
    if let Reading::Absent(_) = analysis.run.probe {
        return brief;
    }
    let (known, unknown): (Vec<&Workload>, Vec<&Workload>) =
        analysis.workloads.iter().partition(|workload| workload.bounds.ceiling_per_s.is_some());
    let near = |workload: &&Workload| {
        let models = workload.at_ceiling().len() as u64;
        (models > 0).then(|| format!("{} ({})", workload.scenario.name, plural(models, "model")))
    };
    let marked = match known.iter().filter_map(near).collect::<Vec<_>>().as_slice() {
        [] if known.is_empty() => String::new(),
        [] => " No rate came near the limit of its workload.".to_owned(),
        near => format!(" Marked ▲ for being near it: {}.", near.join(", ")),
    };
    let names: Vec<String> = unknown.iter().map(|workload| workload.scenario.name.clone()).collect();
    let unmarked = match names.as_slice() {
        [] => String::new(),
        names => format!(" Unmarked, because the limit is not known: {}.", units::all_of(names)),
    };
    format!("{brief}{marked}{unmarked}")
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
    let during = match analysis.speed {
        probe::MachineSpeed { told: 0, .. } => by_round(analysis),
        probe::MachineSpeed { told, again: 0, kept: 0, .. } => format!(
            "No valid one of {} had it slower by more than {} both before and after.",
            plural(told.into(), "trial"),
            units::share(probe::DRIFT_SHARE)
        ),
        probe::MachineSpeed { told, again, kept, .. } => format!(
            "It was slower for a while around {} of {}: {again} made again for it, {kept} count though it was.",
            again + kept,
            plural(told.into(), "trial")
        ),
    };
    format!("{before} {during}")
}

/// What the rounds tell of a run that did not look around its trials.
fn by_round(analysis: &Analysis) -> String {
    let told: Vec<f64> = analysis.rounds.iter().filter_map(RoundRecord::drift).collect();
    match told.iter().copied().reduce(f64::max) {
        None => "Its speed was not followed during it.".to_owned(),
        Some(most) => format!(
            "Its speed moved by {} at most within any of {}.",
            units::factor(most),
            plural(told.len() as u64, "round")
        ),
    }
}

/// How many trials count, and which rounds are missing.
pub(crate) fn trials(analysis: &Analysis) -> String {
    let count = |trials: u32| grouped(u64::from(trials));
    let again = match analysis.tried_again {
        0 => String::new(),
        n => format!(", {} of them retries", count(n)),
    };
    let lost = match analysis.lost {
        0 => "every block has an undisturbed, valid one of every model".to_owned(),
        n => format!(
            "{} of {} (a model in a block) {} no undisturbed, valid one",
            count(n),
            plural(u64::from(analysis.asked), "place"),
            if n == 1 { "has" } else { "have" }
        ),
    };
    format!("{} valid of {} recorded{again}; {lost}.", count(analysis.valid), count(analysis.recorded))
}
