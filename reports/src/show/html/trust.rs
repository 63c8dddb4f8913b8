//! How far to trust the answer: what the generator can show, what had to be left out, which controls were run. It stands
//! beside the answer, so that nobody reads the one without the other.

use super::escape;
use crate::analysis::Analysis;
use crate::record::Reading;
use crate::rules::probe;
use crate::show::units;
use std::fmt::Write as _;

/// The box beside the answer.
pub(super) fn trust(analysis: &Analysis) -> String {
    let mut html = String::from("<aside class=\"trust\">\n<h3>How far to trust it</h3>\n<dl>\n");
    let facts =
        [("Generator", generator(analysis)), ("Machine", machine(analysis)), ("Trials", trials(analysis))];
    for (name, text) in facts {
        let _ = writeln!(html, "<dt>{name}</dt><dd>{}</dd>", escape(&text));
    }
    html.push_str(
        "<dt>Controls</dt><dd>This run holds no control trials. <code>bakeoff verify</code> puts situations with a known \
         answer to the same harness on this machine: queues that theory can compute, a server that stands still for a \
         known time, counts of the other side. Run it before you trust a surprise.</dd>\n</dl>\n\
         <p><a href=\"#limits\">Limits of the measurement</a></p>\n</aside>\n",
    );
    html
}

fn generator(analysis: &Analysis) -> String {
    let brief = crate::show::text::probe::brief(&analysis.run.probe);
    let near: Vec<String> = analysis
        .workloads
        .iter()
        .filter_map(|workload| {
            let models = workload.at_ceiling().len();
            let name = &workload.scenario.name;
            (models > 0).then(|| format!("{name} ({})", units::plural(models as u64, "model")))
        })
        .collect();
    match (near.as_slice(), &analysis.run.probe) {
        (_, Reading::Absent(_)) => brief,
        ([], _) => format!("{brief} No throughput came near that rate."),
        (near, _) => format!("{brief} Marked ▲ for being near it: {}.", near.join(", ")),
    }
}

fn machine(analysis: &Analysis) -> String {
    let unfit = match &analysis.run.probe {
        Reading::Absent(_) => Vec::new(),
        Reading::Value(probe) => probe::unfit(probe),
    };
    let before = match (&analysis.run.probe, unfit.as_slice()) {
        (Reading::Absent(why), _) => format!("Not looked at before the run: {why}."),
        (_, []) => "Fit to measure on before the run.".to_owned(),
        (_, unfit) => format!("Not fit to measure on before the run: {}.", unfit.join("; ")),
    };
    let during = match probe::drift(&analysis.rounds) {
        None => "Its speed was not followed during it.".to_owned(),
        Some((0, told, _)) => format!(
            "Its speed moved by no more than {} within any of {}.",
            units::share(probe::DRIFT_SHARE),
            units::plural(told as u64, "round")
        ),
        Some((moved, told, most)) => {
            format!("Its speed moved within {moved} of {told} rounds, {} at most.", units::factor(most))
        }
    };
    format!("{before} {during}")
}

fn trials(analysis: &Analysis) -> String {
    let (valid, recorded) =
        (units::grouped(u64::from(analysis.valid)), units::grouped(u64::from(analysis.recorded)));
    let again = match analysis.tried_again {
        0 => String::new(),
        n => format!(", {} of them tries again", units::grouped(u64::from(n))),
    };
    let lost = match analysis.lost {
        0 => "every round of every model has a valid one".to_owned(),
        1 => "1 round of a model under a workload stays without".to_owned(),
        n => format!("{} of a model under a workload stay without", units::plural(u64::from(n), "round")),
    };
    format!("{valid} valid of {recorded} recorded{again}; {lost}.")
}
