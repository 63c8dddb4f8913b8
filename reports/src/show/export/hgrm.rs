//! A percentile distribution for each cell, in the text form of HdrHistogram: `<workload>/<model>.hgrm`, times in
//! milliseconds.
//!
//! # What was never answered
//! The histogram of a cell holds what was answered, in all its valid rounds together. The percentiles here are shares of
//! what was *sent*, so the rows end where the answers end, and the last row, at 1.000000, is `inf`. The footer's mean,
//! deviation and maximum are of the answered ones and say so; a line of it whose figures there are not is left out. With
//! every request answered this is the format as the library writes it.
//!
//! The last row has three fields, not four: there 1/(1-Percentile) is infinite, and the public plotter, which takes rows of
//! exactly four fields, would draw a point at infinity.

use super::cells::{self, Counted};
use super::text::{LONGEST_FILE_NAME, Unique, component_within};
use super::{Export, File, Source};
use crate::record::histogram::Recorder;
use crate::show::layout::clean;
use std::fmt::Write as _;

/// Rows for each halving of the share that is slower, as the library's own tools have it.
const TICKS_PER_HALF: u32 = 5;

/// Nanoseconds of the unit that values are written in.
const MILLISECOND: f64 = 1e6;

pub(super) fn files(source: Source<'_>) -> Export {
    let (mut files, mut left_out, mut taken) = (Vec::new(), Vec::new(), Unique::within(LONGEST_FILE_NAME));
    for counted in cells::all(source) {
        // Before anything is left out, so that the names of the others do not depend on it.
        let part = |name: &str| component_within(name, LONGEST_FILE_NAME);
        let folder = part(&counted.workload.scenario.name);
        let name = taken.name(&folder, &part(&counted.cell.model));
        let sent = counted.cell.merged.as_ref().map_or(0, |merged| merged.response.sent);
        if sent == 0 {
            left_out.push(format!("{}: no valid trial in which anything was asked", counted.name()));
            continue;
        }
        let text = named(&counted) + &distribution(&counted.response(), sent);
        files.push(File::new(format!("{folder}/{name}.hgrm"), text));
    }
    Export { files, left_out }
}

/// What the rows are of, as comments: the name of the file may be cut, and may be lost.
fn named(counted: &Counted<'_>) -> String {
    let line = |what: &str, text: &str| format!("# {what}: {}\n", clean(text));
    line("Workload", &counted.workload.scenario.name)
        + &line("Model", &counted.cell.model)
        + &line("Metric", "response time from the intended send time, in milliseconds")
}

/// The rows and the footer; `sent` is above zero.
fn distribution(recorder: &Recorder, sent: u64) -> String {
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let answered = recorder.count();
    for (ns, share, count) in rows(recorder, sent) {
        let _ = writeln!(
            text,
            "{:>12.6} {share:>14.12} {count:>10} {:>14.2}",
            ns / MILLISECOND,
            1.0 / (1.0 - share)
        );
    }
    if answered < sent {
        let _ = writeln!(text, "{:>12} {:>14.12} {sent:>10}", "inf", 1.0);
    } else {
        let _ = writeln!(text, "{:>12.6} {:>14.12} {sent:>10}", recorder.max_ns() as f64 / MILLISECOND, 1.0);
    }
    footer(&mut text, recorder, sent);
    text
}

/// Value in nanoseconds, share of the requests sent (below 1), and how many were answered within the value.
fn rows(recorder: &Recorder, sent: u64) -> Vec<(f64, f64, u64)> {
    let (mut rows, mut level, mut below) = (Vec::new(), 0, 0_u64);
    for step in recorder.histogram().iter_recorded() {
        below += step.count_since_last_iteration();
        let ns = step.value_iterated_to().min(recorder.max_ns()) as f64;
        while share_of(level) < 1.0 && share_of(level) * sent as f64 <= below as f64 {
            rows.push((ns, share_of(level), below));
            if below == recorder.count() {
                break;
            }
            level += 1;
        }
    }
    rows
}

/// The share of a row: five to each halving of what is left, so 0, 0.1 to 0.4, 0.5, 0.55 to 0.7, 0.75 and so on.
fn share_of(level: u32) -> f64 {
    let left = 0.5_f64.powi((level / TICKS_PER_HALF) as i32);
    1.0 - left + f64::from(level % TICKS_PER_HALF) * left / 2.0 / f64::from(TICKS_PER_HALF)
}

fn footer(text: &mut String, recorder: &Recorder, sent: u64) {
    let histogram = recorder.histogram();
    // Twice ten to the digits, as a power of two: how finely values are told apart.
    let sub_buckets = (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    if let Some(mean) = recorder.mean_ns() {
        let (mean, deviation) = (mean / MILLISECOND, histogram.stdev() / MILLISECOND);
        let _ = writeln!(text, "#[Mean    = {mean:>12.6}, StdDeviation   = {deviation:>12.6}]");
    }
    if recorder.count() > 0 {
        let max = recorder.max_ns() as f64 / MILLISECOND;
        let _ = writeln!(text, "#[Max     = {max:>12.6}, Total count    = {sent:>12}]");
    }
    let _ = writeln!(text, "#[Buckets = {:>12}, SubBuckets     = {sub_buckets:>12}]", histogram.buckets());
    let lost = sent - recorder.count().min(sent);
    if lost > 0 {
        let not = if recorder.count() > 0 { ", not in Mean, StdDeviation and Max" } else { "" };
        let _ = writeln!(text, "# {lost} of {sent} requests were never answered: infinite in the rows{not}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public plotter's rule: a line that is no comment, with exactly four fields whose first and last are numbers to
    /// JavaScript's `parseFloat`, which takes no `inf` but does take `Infinity`.
    fn plotted(text: &str) -> Vec<(f64, f64)> {
        let number = |field: &str| match field {
            "Infinity" => Some(f64::INFINITY),
            field => {
                field.starts_with(|c: char| c.is_ascii_digit() || c == '-').then(|| field.parse().ok())?
            }
        };
        let point = |line: &str| match line.split(' ').filter(|field| !field.is_empty()).collect::<Vec<_>>()[..]
        {
            [value, _, _, inverse] if !line.starts_with('#') => Some((number(inverse)?, number(value)?)),
            _ => None,
        };
        text.lines().map(str::trim).filter_map(point).collect()
    }

    fn recorder(values: impl IntoIterator<Item = u64>) -> Recorder {
        let mut recorder = Recorder::fine();
        values.into_iter().for_each(|ns| recorder.record(ns));
        recorder
    }

    fn data(text: &str) -> Vec<Vec<&str>> {
        let rows = text.lines().skip(2).filter(|line| !line.starts_with('#'));
        rows.map(|line| line.split_whitespace().collect()).collect()
    }

    #[test]
    fn the_plotter_sees_finite_points_that_rise_and_the_last_row_is_not_among_them() {
        let text = distribution(&recorder((1..=10_000).map(|n| n * 1_000)), 10_000);
        let points = plotted(&text);
        let rows = data(&text);
        assert_eq!(points.len(), rows.len() - 1, "every row but the last:\n{text}");
        assert!(points.len() > 40 && points.iter().all(|(x, y)| x.is_finite() && y.is_finite()));
        assert!(points.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{text}");
        assert_eq!(points[0].0, 1.0);
        // Half of the requests took up to 5 ms.
        let (_, half) = points.iter().find(|(x, _)| *x == 2.0).expect("the median");
        assert!((half / 5.0 - 1.0).abs() < 0.002, "{half}");
        assert_eq!(rows.last().expect("rows")[..], ["10.000000", "1.000000000000", "10000"]);
    }

    #[test]
    fn what_was_never_answered_takes_its_share_of_the_percentiles() {
        let text = distribution(&recorder((1..=900).map(|n| n * 1_000)), 1_000);
        let rows = data(&text);
        assert_eq!(rows.last().expect("rows")[..], ["inf", "1.000000000000", "1000"]);
        let last = plotted(&text).last().copied().expect("points");
        assert!(last.0 <= 10.0 + 1e-9, "beyond the 90th percentile there is no answer: {last:?}\n{text}");
        assert!(text.contains("100 of 1000 requests were never answered"), "{text}");
        let nothing = distribution(&recorder([]), 7);
        assert_eq!(data(&nothing), [["inf", "1.000000000000", "7"]]);
        assert!(plotted(&nothing).is_empty() && nothing.contains("7 of 7"), "{nothing}");
    }

    #[test]
    fn the_footer_leaves_out_what_there_is_not() {
        let footer = |text: &str| -> Vec<String> {
            text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect()
        };
        let begins = |lines: &[String], with: &str| lines.iter().any(|line| line.starts_with(with));
        let nothing = footer(&distribution(&recorder([]), 7));
        assert!(nothing.iter().all(|line| !line.contains("NaN") && !line.contains("Mean")), "{nothing:?}");
        assert!(nothing.len() == 2 && begins(&nothing, "#[Buckets"), "{nothing:?}");
        // Their sum has reached its end, so there is no mean, but there is a maximum.
        let endless = footer(&distribution(&recorder([u64::MAX, u64::MAX]), 2));
        assert!(endless.len() == 2 && begins(&endless, "#[Max "), "{endless:?}");
        let whole = footer(&distribution(&recorder([1_000_000]), 1));
        assert!(whole.len() == 3 && begins(&whole, "#[Mean    =     1.000000"), "{whole:?}");
    }

    #[test]
    fn every_row_counts_what_its_value_says() {
        let values: Vec<u64> = (0..5_000_u64).map(|n| 1_000 + n * n % 7_919 * 100).collect();
        let recorder = recorder(values.iter().copied());
        for (ns, share, count) in rows(&recorder, 5_000) {
            let within = values.iter().filter(|value| **value as f64 <= ns).count() as u64;
            // A bucket ends up to 0.1 % above its values.
            assert!(within <= count && count as f64 >= share * 5_000.0, "{ns} {share} {count} {within}");
            let above = values.iter().filter(|value| **value as f64 <= ns * 1.001).count() as u64;
            assert!(count <= above, "{ns} {count} {above}");
        }
    }
}
