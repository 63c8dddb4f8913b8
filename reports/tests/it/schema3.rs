//! Bundles of schema 3: a real one cut down to three trials, and heads that do not say enough.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::bundle::{self, BundleError};
use bakeoff_reports::record::{
    Arrivals, Background, Concurrency, DemandShape, Load, RateShape, Reading, SCHEMA_VERSION, ScenarioRecord,
    Tuning, Work,
};
use bakeoff_reports::show::html;
use std::path::Path;
use std::time::Duration;

const OLD: &str = include_str!("fixtures/schema3.jsonl");

/// The bundle with another head.
fn with_head(change: impl Fn(&str) -> String) -> Result<bundle::Bundle, BundleError> {
    let (head, rest) = OLD.split_once('\n').expect("a head and trials");
    let body = head.split_once(",\"body\":").and_then(|(_, body)| body.strip_suffix('}')).expect("a line");
    let body = change(body);
    let crc32 = crc32fast::hash(body.as_bytes());
    let text = format!("{{\"crc32\":\"{crc32:08x}\",\"body\":{body}}}\n{rest}");
    bundle::parse(text.as_bytes(), Path::new("old"))
}

fn read() -> bundle::Bundle {
    bundle::parse(OLD.as_bytes(), Path::new("old")).expect("schema 3 is read")
}

#[test]
fn loads_of_schema_3_become_types() {
    let bundle = read();
    assert!(bundle.damage.is_empty() && bundle.trials.len() == 3, "{:?}", bundle.damage);
    assert_eq!(bundle.run.schema_version, SCHEMA_VERSION);
    let of = |name: &str| -> &ScenarioRecord {
        bundle.run.scenarios.iter().find(|one| one.name == name).expect("in the default run")
    };
    let ms = Duration::from_millis;
    let surge = RateShape::Surge { factor: 3.0, after: ms(100), lasting: ms(100) };
    let open = |clients, rate_per_s, shape| {
        let arrivals = Arrivals::Poisson;
        Load::Open { clients, rate_per_s, arrivals, shape }
    };
    assert_eq!(of("overload").load, open(64, 2_500.0, surge));
    assert_eq!(of("overload").rate_per_s(), Some(3_500.0));
    assert_eq!(of("small-echo-closed").load, Load::Closed { clients: 64, think: Duration::ZERO });
    assert_eq!(of("churn").load, Load::Churn { clients: 16, requests_per_connection: 1 });
    assert_eq!(of("idle-mass").background, Background { idle: 4_000, ..Background::default() });
    assert_eq!(of("idle-mass").server.backlog, 4_096);
    let wait = of("wait");
    assert_eq!((wait.work, &wait.request.demand), (Some(Work::Wait), &DemandShape::Fixed { value: ms(5) }));
    assert_eq!(wait.server.workers[&Tuning::PoolWorkers], 16);
    assert_eq!(of("crash").work, Some(Work::Poison));
    let bimodal = of("compute-bimodal").profile();
    assert!((bimodal.compute_ns - 99_750.0).abs() < 1e-6, "{bimodal:?}");
    assert!((bimodal.demand_scv - 49.500_939_064_453).abs() < 1e-9, "{bimodal:?}");
}

#[test]
fn trials_and_reports_of_schema_3_are_whole() {
    let bundle = read();
    let Reading::Value(measured) = &bundle.trials[0].measured else { panic!("idle-mass was measured") };
    assert_eq!(measured.background.all().held(), 4_000);
    let facts = |model: &str| bundle.run.facts(model).expect("of that version");
    assert_eq!(facts("thread-pool").concurrency, Concurrency::HeldBy(Tuning::PoolWorkers));
    assert!(facts("fork-per-client").isolates_crashes() && !facts("tokio").isolates_crashes());
    let page = html::report(&analyse(&bundle));
    assert!(page.contains("with a surge to 3× for 100 ms from 100 ms on"));
    let again = bundle::to_bytes(&bundle).expect("serializes");
    let back = bundle::parse(&again, Path::new("new")).expect("schema 4");
    assert!(back.run == bundle.run && back.trials == bundle.trials);
}

#[test]
fn a_head_of_schema_3_that_does_not_say_enough_is_refused_by_name() {
    for (from, to, word) in [
        ("rate = 2500", "rate = 2501", "not those of its scenario file"),
        (r#""pool workers":"64","#, "", "does not say its pool workers"),
        ("kind = \\\"churn\\\"", "kind = \\\"hurn\\\"", "cannot be read"),
    ] {
        let changed = with_head(|head| head.replacen(from, to, 1));
        let error = changed.expect_err(word).to_string();
        assert!(error.contains(word) && error.contains("schema version 3"), "{error}");
        assert!(error.contains("read it with the version of bakeoff that wrote it"), "{error}");
    }
    assert!(with_head(str::to_owned).is_ok());
}
