//! An interval log of HdrHistogram (version 1.3): the response times of every valid trial, an interval each, tagged with
//! workload and model.
//!
//! The histograms are those of the bundle, byte for byte (V2, deflated, base64), in nanoseconds; the column of the largest
//! value is in milliseconds, as the library's tools have it. An interval begins when its trial began, before the warm-up,
//! and is as long as the window. A histogram holds only what was answered: the requests that never were are told in a
//! comment before their interval, which readers pass over.

use super::cells;
use super::text::Unique;
use super::{Export, File, Source};
use std::fmt::Write as _;

pub(super) fn log(source: Source<'_>) -> Export {
    let all = cells::all(source);
    let mut taken = Unique::default();
    let mut lines = Vec::new();
    for counted in &all {
        let tag =
            taken.name("", &format!("{}/{}", tag(&counted.workload.scenario.name), tag(&counted.cell.model)));
        for (trial, measured, _) in &counted.rounds {
            let mut text = String::new();
            let (lost, sent) = (measured.counts.unanswered(), measured.counts.sent);
            if lost > 0 {
                let _ = writeln!(
                    text,
                    "# {tag}: {lost} of {sent} requests of the next interval were never answered"
                );
            }
            let began_ms = trial.started_unix_ms.saturating_sub(source.bundle.run.started_unix_ms);
            let _ = writeln!(
                text,
                "Tag={tag},{:.3},{:.3},{:.3},{}",
                began_ms as f64 / 1e3,
                measured.window_ns as f64 / 1e9,
                measured.response.max_ns as f64 / 1e6,
                measured.response.hdr_v2
            );
            lines.push(((trial.started_unix_ms, trial.index), text));
        }
    }
    if lines.is_empty() {
        return Export { files: Vec::new(), left_out: Vec::new() };
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut text = head(source.bundle.run.started_unix_ms);
    lines.iter().for_each(|(_, line)| text.push_str(line));
    Export { files: vec![File::new(super::file_name(super::Format::Hlog), text)], left_out: Vec::new() }
}

fn head(started_unix_ms: u64) -> String {
    let seconds = started_unix_ms as f64 / 1e3;
    let moment = crate::show::units::moment(started_unix_ms);
    format!(
        "#[Histogram log format version 1.3]\n#[StartTime: {seconds:.3} (seconds since epoch), {moment}]\n\
         #[BaseTime: {seconds:.3} (seconds since epoch)]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
    )
}

/// A name as part of a tag, which ends at a comma, a blank or a line's end.
fn tag(name: &str) -> String {
    name.chars().map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::record::histogram::Recorder;
    use crate::sample::{self, Spec};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_librarys_own_reader_reads_every_trial_back() {
        let spec = Spec { scenarios: 2, models: 3, rounds: 3, requests: 300, slices: 2, ..Spec::default() };
        let mut bundle = sample::bundle(&spec);
        bundle.run.scenarios[0].name = "a, b".to_owned();
        bundle
            .trials
            .iter_mut()
            .filter(|t| t.scenario == "echo-small")
            .for_each(|t| t.scenario = "a, b".to_owned());
        let analysis = analyse(&bundle);
        let made = log(Source { bundle: &bundle, analysis: &analysis, gate: None });
        let (mut read, mut last, mut based) = (0, 0.0, false);
        for entry in IntervalLogIterator::new(&made.files[0].bytes) {
            match entry.expect("an entry of the format") {
                LogEntry::BaseTime(at) => based = at.as_millis() == u128::from(bundle.run.started_unix_ms),
                LogEntry::StartTime(_) => {}
                LogEntry::Interval(interval) => {
                    let bytes = STANDARD.decode(interval.encoded_histogram()).expect("base64");
                    let histogram = Deserializer::new()
                        .deserialize::<u64, _>(&mut bytes.as_slice())
                        .expect("a histogram");
                    let trial = bundle.trials.iter().filter_map(|trial| trial.measured.value());
                    let same = trial
                        .filter(|m| Recorder::decode(&m.response).expect("ours").histogram() == &histogram);
                    assert_eq!(same.count(), 1, "one trial has these times");
                    let tag = interval.tag().expect("a tag").as_str();
                    assert!(tag.starts_with("a__b/") || tag.starts_with("echo-paced/"), "{tag}");
                    let start = interval.start_timestamp().as_secs_f64();
                    assert!(last <= start, "in the order of time");
                    (last, read) = (start, read + 1);
                }
            }
        }
        assert!(based);
        assert_eq!(read, bundle.trials.len() - 1, "all but the one that the sample spoils");
    }
}
