//! Scenario files: refused with a line of the file and in words that drive no terminal, or good for everything before a run.

use bakeoff::workload::contestant::{self, Contestant};
use bakeoff::workload::curves;
use bakeoff::workload::scenario::Scenario;
use bakeoff_reports::record::ScenarioRecord;

/// Takes the input for a scenario file.
///
/// # Panics
/// Where an error names no line of the file, or a scenario that was accepted is not the same again, or cannot be recorded, planned
/// or swept.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let scenario = match Scenario::parse(text, "fuzz.toml") {
        Ok(scenario) => scenario,
        Err(error) => {
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&error.line), "line {} of {lines}", error.line);
            assert!(!error.reason.is_empty());
            return;
        }
    };
    assert_eq!(Scenario::parse(&scenario.toml, "again").as_ref().ok(), Some(&scenario));
    let config = scenario.server.config(2);
    // Two commands of one name are refused when it is run, where others can be chosen.
    let Ok(contestants) = contestant::each_once(scenario.contestants_by_default()) else { return };
    for one in &contestants {
        let back = Contestant::of_record(&one.record()).expect("our own record");
        assert_eq!(back.record(), one.record());
    }
    let names = contestants.iter().map(|one| one.name().to_owned()).collect();
    let record = scenario.record(names, &config);
    let line = serde_json::to_string(&record).expect("a record is JSON");
    let back: ScenarioRecord = serde_json::from_str(&line).expect("our own line");
    assert_eq!(back, record, "it is another one when it is recorded");
    let _ = scenario.known(contestants.iter(), 2);
    if let Ok(points) = curves::points(&scenario, Default::default(), true) {
        for point in points {
            assert_eq!(point.service, scenario.service);
        }
    }
}
