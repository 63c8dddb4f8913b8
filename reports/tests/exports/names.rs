//! Names are free text: whatever they are, no format breaks.

use crate::builds::gate;
use crate::junit::is_junit;
use crate::{made, text};
use bakeoff_reports::bundle::Bundle;
use bakeoff_reports::export::{Format, LARGEST_MARKDOWN, junit_of_gate, markdown_of_gate};
use bakeoff_reports::sample::{self, Spec};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A small bundle whose workload and first model have these names.
pub(crate) fn renamed(workload: &str, model: &str) -> Bundle {
    let mut bundle = sample::bundle(&Spec {
        scenarios: 1,
        models: 2,
        rounds: 5,
        requests: 30,
        slices: 1,
        ..Spec::default()
    });
    let run = &mut bundle.run;
    (run.scenarios[0].name, run.models[1].name) = (workload.to_owned(), model.to_owned());
    run.scenarios[0].models[1] = model.to_owned();
    for trial in &mut bundle.trials {
        trial.scenario = workload.to_owned();
        if trial.model != "iterative" {
            trial.model = model.to_owned();
        }
    }
    bundle
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_name_breaks_a_format(
        workload in "[ -~]{1,30}|[\\PC\n]{1,20}|.{60,70}",
        model in "[<>&\"'|`@#\\\\/,\n {}=]{1,12}|[a-z./]{1,9}|new|\\.\\.",
    ) {
        let bundle = renamed(&workload, &model);
        is_junit(&text(&bundle, Format::Junit));
        for format in [Format::Criterion, Format::Hgrm, Format::GithubActionBenchmark] {
            let made = made(&bundle, format);
            let paths: BTreeSet<&str> = made.files.iter().map(|file| file.path.as_str()).collect();
            prop_assert_eq!(paths.len(), made.files.len(), "no file is written twice");
            for part in paths.iter().flat_map(|path| path.split('/')) {
                prop_assert!(!part.is_empty() && part != "." && part != ".." && part.len() <= 70, "{:?}", part);
            }
        }
        // Every row of a table has as many cells as its head.
        let summary = text(&bundle, Format::Markdown);
        let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        let rows: Vec<usize> = summary.lines().filter(|line| line.starts_with("| ")).map(cells).collect();
        prop_assert!(rows.len() == 3 && rows.iter().all(|count| *count == rows[0]), "{}", summary);
        // Every line of the exposition is a comment or one sample.
        for line in text(&bundle, Format::Openmetrics).lines() {
            let sample = line.starts_with("bakeoff_") && line.rsplit('}').next().is_some_and(|end| !end.contains('{'));
            prop_assert!(sample || line.starts_with("# "), "{}", line);
        }
        let gate = gate(&workload, &model);
        is_junit(&junit_of_gate(&gate, &bundle.run));
        prop_assert!(markdown_of_gate(&gate, &bundle.run).len() < LARGEST_MARKDOWN);
    }
}
