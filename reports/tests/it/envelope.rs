//! The failure envelope in words: every cell has a sentence, every claim its evidence, nothing is left out in silence.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::envelope::{Envelope, Findings, Limit, Recovery, Stress};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::{SummaryOptions, summary};

fn sample_bundle() -> Bundle {
    sample::bundle(&Spec { scenarios: 1, models: 8, rounds: 1, requests: 20, slices: 1, ..Spec::default() })
}

fn findings(envelope: &mut Envelope) -> &mut Findings {
    match &mut envelope.result {
        Reading::Value(findings) => findings,
        Reading::Absent(why) => panic!("{} was tried: {why}", envelope.model),
    }
}

/// The part of the page from the section's begin to its end.
fn section(bundle: &Bundle) -> String {
    let page = html::report(&analyse(bundle));
    let from = page.split("<section id=\"envelope\"").nth(1).expect("the section is always there");
    from.split("</section>").next().expect("it ends").to_owned()
}

#[test]
fn the_table_of_all_models_fits_80_columns_and_shows_what_is_counted() {
    let text = bakeoff_reports::show::text::envelope::table(&analyse(&sample_bundle()).envelopes, 80);
    for width in [60, 80, 120] {
        let text = bakeoff_reports::show::text::envelope::table(&analyse(&sample_bundle()).envelopes, width);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?}:\n{text}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_cell_is_what_was_held_when_it_broke_and_a_crash_takes_nothing_back() {
    let mut bundle = sample_bundle();
    let fork = bundle.envelopes[0].model.clone();
    // 64 were held before; then the server died with all of them.
    let one = findings(&mut bundle.envelopes[0]);
    one.levels[0].asked = 64;
    one.levels[1].served = 0;
    one.limit = Limit::AddressSpace;
    one.recovery = Recovery::Censored { waited_ns: 5_000_000_000 };
    let text = bakeoff_reports::show::text::envelope::table(&bundle.envelopes[..1], 1_000);
    assert!(text.contains(&fork) && text.contains("Holds 64 connections"), "{text}");
    assert!(text.contains("No new client was answered in the 5.00 s"), "{text}");
}

#[test]
fn what_was_left_over_and_a_cause_that_is_not_shown_are_said() {
    let mut bundle = sample_bundle();
    let one = findings(&mut bundle.envelopes[0]);
    one.limit = Limit::NotShown;
    let Reading::Value(rest) = &mut one.rest else { panic!("the sample reads it") };
    rest.after.descriptors += 3;
    rest.after.processes += 2;
    let text = bakeoff_reports::show::text::envelope::table(&bundle.envelopes[..1], 1_000);
    assert!(text.contains("the cause is not shown"), "{text}");
    assert!(text.contains("More than before it still has: 3 descriptors, 2 processes."), "{text}");
    assert!(section(&bundle).contains("nothing that was counted says what"));
}

#[test]
fn the_page_has_a_sentence_a_lesson_and_the_evidence_for_every_cell() {
    let bundle = sample_bundle();
    let html = section(&bundle);
    for model in &bundle.run.models {
        assert!(html.matches(&model.name).count() >= 6, "{}", model.name);
    }
    for words in
        ["390, then descriptors", "200 tasks", "told nothing", "dies alone", "one fate", "ended by signal 6"]
    {
        assert!(html.contains(words), "{words} is missing");
    }
    assert!(html.contains("the server did not start"), "what could not be tried is told with its reason");
}

#[test]
fn a_run_without_one_says_so_and_one_without_anything_else_shows_it() {
    let mut bundle = sample_bundle();
    let envelopes = std::mem::take(&mut bundle.envelopes);
    assert!(section(&bundle).contains("Nothing to show: this run raised no stressor"));
    bundle.envelopes = envelopes;
    bundle.trials.clear();
    bundle.rounds.clear();
    bundle.run.scenarios.clear();
    (bundle.run.planned_trials, bundle.run.rounds) = (0, 0);
    if let Some(end) = &mut bundle.end {
        end.trials = 0;
    }
    let analysis = analyse(&bundle);
    // That the data are made up is all there is to be careful about.
    assert!(!analysis.says_nothing() && analysis.caveats().len() == 1, "{:?}", analysis.caveats());
    assert!(summary(&analysis, &SummaryOptions::default()).contains("CONNECTIONS HELD"));
}

#[test]
fn the_order_is_that_of_the_models_the_last_of_a_pair_counts_and_strangers_are_left_out() {
    let mut bundle = sample_bundle();
    let mut again = bundle.envelopes[0].clone();
    findings(&mut again).limit = Limit::Memory;
    let stranger = Envelope { model: "stranger".to_owned(), ..again.clone() };
    bundle.envelopes.reverse();
    bundle.envelopes.extend([again, stranger]);
    let shown = analyse(&bundle).envelopes;
    let names: Vec<(&str, Stress)> = shown.iter().map(|one| (one.model.as_str(), one.stress)).collect();
    let expected: Vec<(&str, Stress)> = bundle
        .run
        .models
        .iter()
        .flat_map(|model| [(model.name.as_str(), Stress::Connections), (model.name.as_str(), Stress::Poison)])
        .collect();
    assert_eq!(names, expected);
    assert!(matches!(&shown[0].result, Reading::Value(one) if one.limit == Limit::Memory));
}
