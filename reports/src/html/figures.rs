//! The tables of times and rates of a workload.
//!
//! A percentile here is over the requests sent, or says over what else; none is shown that the samples do not bear.

use super::workload::{name, ordered};
use super::{Field, table};
use crate::analysis::Workload;
use crate::cell::SHOWN;
use crate::probe::{Limit, NEAR_SHARE};
use crate::units;

/// Throughput, percentiles over all that was sent, and what was never answered.
pub(super) fn figures(workload: &Workload, series: &impl Fn(&str) -> usize) -> String {
    let rows: Vec<(String, Vec<Field>)> = ordered(workload)
        .map(|cell| {
            let rounds = format!("{}", cell.rounds.len());
            let mut fields = vec![Field::figure(rounds, cell.rounds.len() as f64)];
            match (&cell.merged, cell.throughput_per_s()) {
                (Some(merged), Some(rate)) => {
                    fields.push(
                        Field::figure(units::rate(rate), rate)
                            .marked(workload.bounds.at_ceiling(rate).then_some(Limit::Ceiling.sign())),
                    );
                    fields.extend(SHOWN.into_iter().zip(merged.response.shown).map(|(share, quantile)| {
                        let floor = workload.bounds.at_floor(share, quantile);
                        Field::quantile(quantile).marked(floor.then_some(Limit::Floor.sign()))
                    }));
                    fields.push(Field::quantile(merged.dispatch_lag.p99()));
                    let failed = merged.unanswered();
                    fields.push(Field::figure(units::grouped(failed), failed as f64));
                }
                _ => fields.extend((0..7).map(|_| Field::absent("no valid trial"))),
            }
            (name(cell, series), fields)
        })
        .collect();
    let percentiles = SHOWN.map(units::percentile);
    let mut columns = vec!["model", "rounds", "throughput"];
    columns.extend(percentiles.iter().map(String::as_str));
    columns.extend(["generator lag p99", "unanswered"]);
    let table = table(&format!("Figures of {}", workload.scenario.name), &columns, &rows);
    format!(
        "<h4>Figures</h4>\n{table}<p class=\"note\">Throughput is the median of the rounds. Response percentiles are over \
         all requests sent in all rounds; whatever was never answered counts as infinite, <em>never</em>. Generator lag is \
         how late the load generator itself acted on a request that was due. {}</p>\n",
        limits(workload)
    )
}

/// What the marks mean here, or why there are none.
fn limits(workload: &Workload) -> String {
    let near = units::share(NEAR_SHARE);
    let ceiling = workload.bounds.ceiling_per_s.map(|rate| {
        format!(
            "▲ within {near} of the {} that the null server did with this payload and these clients: at the generator's \
             limit, a faster server might not have shown.",
            units::rate(rate)
        )
    });
    let floor = workload.bounds.floor_ns.map(|(p50, p99)| {
        format!(
            "▼ within {near} of what one client of the null server sees (p50 {}, p99 {}): at the generator's floor.",
            units::time(p50),
            units::time(p99)
        )
    });
    let ceiling = ceiling.unwrap_or_else(|| match workload.bounds.why_no_ceiling.as_str() {
        "" => "The generator's limit was not measured for this workload.".to_owned(),
        why => format!("The generator's limit for this workload is not known: {}.", super::escape(why)),
    });
    [Some(ceiling), floor].into_iter().flatten().collect::<Vec<_>>().join(" ")
}
