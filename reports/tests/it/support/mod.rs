//! Bundles with known answers, for the tests of verdicts.

use bakeoff_reports::analysis::Analysis;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{Measured, Metric, Reading};
use bakeoff_reports::sample::{self, Spec};

/// What a reader must know of a run, in words.
pub(crate) fn caveats(analysis: &Analysis) -> Vec<String> {
    analysis.caveats().iter().map(ToString::to_string).collect()
}

/// One workload, decided by throughput, with the given replies per trial for each model and round.
pub(crate) fn with_throughput(models: &[&[u64]]) -> Bundle {
    let rounds = models.iter().map(|rounds| rounds.len()).max().unwrap_or(0) as u32;
    let spec =
        Spec { scenarios: 1, models: models.len(), rounds, requests: 400, slices: 1, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    bundle.run.scenarios[0].merit = Metric::Throughput;
    let names: Vec<String> = bundle.run.models.iter().map(|model| model.name.clone()).collect();
    bundle.trials.retain_mut(|trial| {
        let model = names.iter().position(|name| *name == trial.model).expect("declared");
        trial.invalid.clear();
        let Some(replies) = models[model].get(trial.round as usize) else { return false };
        measured(&mut trial.measured).completed_in_window = *replies;
        true
    });
    bundle
}

/// What a trial of the sample measured.
pub(crate) fn measured(reading: &mut Reading<Measured>) -> &mut Measured {
    match reading {
        Reading::Value(measured) => measured,
        Reading::Absent(why) => panic!("the sample measures everything: {why}"),
    }
}

/// The winners of the first workload.
pub(crate) fn winners(analysis: &Analysis) -> Vec<&str> {
    let verdict = &analysis.workloads[0].verdict;
    assert!(!verdict.winners.is_empty(), "{:?}: {}", verdict.status, verdict.lead());
    verdict.winners.iter().map(String::as_str).collect()
}
