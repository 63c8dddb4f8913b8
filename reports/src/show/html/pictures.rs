//! The pictures of a workload, each with its data as a table.

use super::element::picture;
use crate::analysis::Analysis;
use crate::ask::theory::limits::common;
use crate::rules::workload::Workload;
use crate::show::plot;
use crate::show::words::theory;
use maud::{Markup, html};

/// All pictures of a workload; `id` begins the fragment names in them.
pub(super) fn pictures(
    analysis: &Analysis,
    workload: &Workload,
    series: &impl Fn(&str) -> usize,
    id: &str,
) -> Markup {
    let mut limits: Vec<(f64, &str)> = common(&analysis.run, workload)
        .iter()
        .map(|limit| (limit.per_s, theory::formula(limit.bound)))
        .collect();
    limits.extend(workload.bounds.ceiling_per_s.map(|rate| (rate, "generator's limit")));
    let throughput = plot::throughput_latency(workload, &limits, series, &format!("{id}-a"));
    html! {
        div.plots {
            (picture(throughput, "Throughput and latency"))
            (picture(plot::by_percentile(workload, series, &format!("{id}-b")), "Response time by percentile"))
            (picture(plot::processes(workload, series, &format!("{id}-e")), "Every process"))
            (picture(plot::split(workload, &format!("{id}-d")), "Where the time goes"))
            (picture(plot::over_time(workload, series, &format!("{id}-c")), "Response time over the window"))
            @if workload.scenario.load.varies() {
                (picture(plot::threads(workload, series, &format!("{id}-f")), "Threads over the window"))
            }
        }
    }
}
