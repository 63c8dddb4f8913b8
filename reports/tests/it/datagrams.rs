//! What became of datagrams, wherever it is shown.

use crate::support::measured;

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::record::{Counts, Datagrams, Metric, Reading, Transport};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::{Format, Source, export};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};

/// Two models under one workload; over UDP each trial lost three, two of them by the workload's loss, and one to the server's buffer.
fn bundle(transport: Transport) -> Bundle {
    let spec = Spec { scenarios: 1, models: 2, rounds: 4, requests: 400, slices: 2, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    (bundle.run.scenarios[0].transport, bundle.run.scenarios[0].loss) = (transport, 0.005);
    for trial in bundle.trials.iter_mut().filter(|_| transport == Transport::Udp) {
        let datagrams = Datagrams { lost: 3, dropped: 2, late: 1, reordered: 5, ..Datagrams::default() };
        measured(&mut trial.measured).datagrams = Some(datagrams);
        if let Reading::Value(counted) = &mut trial.server {
            counted.insert("overflowed".into(), 1);
        }
    }
    bundle
}

fn exported(bundle: &Bundle, format: Format) -> String {
    let analysis = analyse(bundle);
    let made = export(Source { bundle, analysis: &analysis, gate: None }, format, None).expect("figures");
    String::from_utf8(made.files[0].bytes.clone()).expect("text")
}

#[test]
fn fates_are_in_text_page_and_exports() {
    let over_udp = bundle(Transport::Udp);
    let analysis = analyse(&over_udp);
    let best = &analysis.workloads[0].verdict.standings[0].model;
    let rounds = analysis.workloads[0].cell(best).expect("it ran").rounds.len();
    let fates = format!("{} lost (up to {} of these by the workload's loss", 3 * rounds, 2 * rounds);
    let text = summary(&analysis, &SummaryOptions { width: 400, ..SummaryOptions::default() });
    assert!(text.contains(&format!("Datagrams: {best} {fates}")), "{text}");
    assert!(text.contains("at a full receive buffer of the server"), "{text}");
    let page = html::report(&analysis);
    for words in [&*fates, "over UDP", "0.5 % of what comes to the swarm: datagrams", "RFC 4737"] {
        let escaped = words.replace('\'', "&#39;");
        assert!(page.contains(words) || page.contains(&escaped), "{words}");
    }
    let csv = exported(&over_udp, Format::Csv);
    let mut lines = csv.lines();
    assert!(
        lines.next().is_some_and(|head| head.ends_with(",datagrams_unasked,datagrams_overflowed")),
        "{csv}"
    );
    assert!(lines.all(|line| line.ends_with(",3,2,1,0,5,0,0,0")), "{csv}");
    let metrics = exported(&over_udp, Format::Openmetrics);
    assert!(
        metrics.contains("# TYPE bakeoff_datagrams gauge") && metrics.contains("fate=\"reordered\"} 5 "),
        "{metrics}"
    );
}

#[test]
fn nothing_is_told_of_datagrams_over_connections() {
    let over_tcp = bundle(Transport::Tcp);
    let analysis = analyse(&over_tcp);
    let text = summary(&analysis, &SummaryOptions::default()) + &html::report(&analysis);
    assert!(
        !text.contains("Datagrams:")
            && !text.contains("over UDP")
            && text.contains("segments, which are sent again")
    );
    assert!(!exported(&over_tcp, Format::Csv).contains("datagrams"));
}

#[test]
fn percentiles_stand_beside_the_goodput_where_something_is_lost() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let mut bundle = bundle(transport);
        bundle.run.scenarios[0].merit = Metric::Goodput;
        bundle.run.scenarios[0].objective_ns = Some(20_000_000);
        for trial in &mut bundle.trials {
            let mut response = Recorder::fine();
            response.record_n(100_000, 380);
            response.record_n(5_000_000, 12);
            let measured = measured(&mut trial.measured);
            measured.response = response.encode();
            measured.counts = Counts { sent: 400, ok: 392, timeouts: 8, ..Counts::default() };
        }
        let told = |bundle: &Bundle| {
            summary(&analyse(bundle), &SummaryOptions { width: 400, ..SummaryOptions::default() })
        };
        let text = told(&bundle);
        let tails = text.lines().find(|line| line.trim_start().starts_with("Response p50 / p99 / p99.9: "));
        let tails = tails.unwrap_or_else(|| panic!("{text}"));
        assert_eq!(tails.matches(" 100 µs / never / ").count(), 2, "each model: {tails}");
        bundle.run.scenarios[0].loss = 0.0;
        assert!(!told(&bundle).contains("p50 / p99"));
    }
}
