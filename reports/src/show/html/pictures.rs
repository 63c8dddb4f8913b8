//! The pictures of a workload, each with its data as a table.
//!
//! A picture that cannot be drawn leaves a sentence that says why, never a gap.

use super::{Field, escape, table};
use crate::analysis::{Analysis, Workload};
use crate::ask::theory::limits::common;
use crate::show::plot::{self, Drawn};

/// All pictures of a workload; `id` begins the fragment names in them.
pub(super) fn pictures(
    analysis: &Analysis,
    workload: &Workload,
    series: &impl Fn(&str) -> usize,
    id: &str,
) -> String {
    let mut limits: Vec<(f64, &str)> =
        common(&analysis.run, workload).iter().map(|limit| (limit.per_s, limit.formula)).collect();
    limits.extend(workload.bounds.ceiling_per_s.map(|rate| (rate, "generator's limit")));
    let throughput = plot::throughput_latency(workload, &limits, series, &format!("{id}-a"));
    let drawn = [
        ("Throughput and latency", throughput),
        ("Response time by percentile", plot::by_percentile(workload, series, &format!("{id}-b"))),
        ("Where the time goes", plot::split(workload, &format!("{id}-d"))),
        ("Response time over the window", plot::over_time(workload, series, &format!("{id}-c"))),
    ];
    let pictures: String = drawn.into_iter().map(|(title, drawn)| picture(drawn, title)).collect();
    format!("<div class=\"plots\">\n{pictures}</div>\n")
}

/// A drawn picture with its caption and its data, or the reason why there is none.
pub(super) fn picture(drawn: Drawn, title: &str) -> String {
    let plot = match drawn {
        Ok(plot) => plot,
        Err(why) => {
            return format!(
                "<figure><figcaption><b>{title}</b> Nothing to draw: {}</figcaption></figure>\n",
                escape(&why)
            );
        }
    };
    let columns: Vec<&str> = plot.columns.iter().map(String::as_str).collect();
    let row = |row: &Vec<String>| (escape(&row[0]), row[1..].iter().map(Field::text).collect());
    let rows: Vec<(String, Vec<Field>)> = plot.rows.iter().map(row).collect();
    format!(
        "<figure>\n<figcaption><b>{}</b> {}{}</figcaption>\n{}<details><summary>Data</summary>\n{}</details>\n</figure>\n",
        escape(&plot.title),
        escape(&plot.caption),
        key(plot.key),
        plot.svg,
        table(&plot.title, &columns, &rows).replace(" class=\"sortable\"", "")
    )
}

/// What the areas of a picture mean.
fn key(areas: &[(&str, &str)]) -> String {
    let item = |(class, words): &(&str, &str)| {
        format!(" <span class=\"key\"><span class=\"shade {class}\"></span>{words}</span>")
    };
    areas.iter().map(item).collect()
}
