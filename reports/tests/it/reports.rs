//! The reports: fixed pictures of what they say, escaping, determinism, size.

use bakeoff_reports::analysis::{Analysis, analyse};
use bakeoff_reports::record::bundle::Bundle;
use bakeoff_reports::record::{self, Doubt, Invalid, Metric, Reading};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::export::{Format, Source, export};
use bakeoff_reports::show::html;
use bakeoff_reports::show::text::anatomy;
use bakeoff_reports::show::text::{SummaryOptions, summary};

fn small() -> Bundle {
    sample::bundle(&Spec {
        scenarios: 2,
        models: 4,
        rounds: 8,
        requests: 1_000,
        slices: 4,
        ..Spec::default()
    })
}

fn at_width(bundle: &Bundle, width: usize) -> String {
    let options =
        SummaryOptions { width, colour: false, report_path: Some("runs/sample/report.html".into()) };
    summary(&analyse(bundle), &options)
}

#[test]
fn the_summary_at_80_columns() {
    insta::assert_snapshot!(at_width(&sample::bundle(&Spec::default()), 80));
}

#[test]
fn the_summary_at_120_columns() {
    insta::assert_snapshot!(at_width(&sample::bundle(&Spec::default()), 120));
}

#[test]
fn the_anatomy_of_a_fork_and_of_an_event_loop_at_80_columns() {
    let bundle = sample::bundle(&Spec { scenarios: 1, rounds: 1, requests: 20, ..Spec::default() });
    let tables: Vec<String> =
        bundle.anatomies.iter().skip(1).step_by(3).map(|anatomy| anatomy::table(anatomy, 80)).collect();
    insta::assert_snapshot!(tables.join("\n=====\n"));
}

#[test]
fn an_anatomy_fits_its_width_and_says_what_is_absent() {
    let bundle =
        sample::bundle(&Spec { scenarios: 1, models: 8, rounds: 1, requests: 20, ..Spec::default() });
    for width in [60, 80, 120] {
        for anatomy in &bundle.anatomies {
            let text = anatomy::table(anatomy, width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{widest:?} columns for {width}:\n{text}");
        }
    }
    let mut large = bundle.anatomies[0].clone();
    let Reading::Value(phases) = &mut large.phases else { panic!("the sample is traced") };
    let request = &mut phases[2].steps;
    *request = request.iter().cycle().take(500).cloned().collect();
    let text = anatomy::table(&large, 80);
    assert!(text.contains("464 more steps"), "{text}");
    assert!(text.lines().count() < 90, "the many calls of a large message are cut:\n{text}");
    let mut refused = bundle.anatomies[3].clone();
    refused.wire = Reading::Absent("no TCP_INFO".into());
    let text = anatomy::table(&refused, 80);
    assert!(text.contains("No system calls: ptrace of the server is refused"), "{text}");
    assert!(text.contains("No segments: no TCP_INFO") && text.contains("round trip"), "{text}");
    let nothing = anatomy::table(&record::Anatomy::absent("tokio", "echo", "the server did not start"), 80);
    assert!(nothing.contains("No times: the server did not start"), "{nothing}");
}

#[test]
fn a_long_reason_is_told_whole() {
    let mut bundle = small();
    let detail = (0..200).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ");
    let trial = bundle.trials.iter_mut().find(|trial| trial.invalid.is_empty()).expect("a valid trial");
    trial.invalid = vec![Invalid::ServerDidNotStart { detail: detail.clone() }, Invalid::Unbalanced];
    trial.doubts = vec![Doubt::ServerDied { detail: detail.clone() }];
    let analysis = analyse(&bundle);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for width in [40, 80] {
        let text = at_width(&bundle, width);
        assert!(words(&text).contains(&detail), "{width} columns:\n{text}");
    }
    assert!(words(&html::report(&analysis)).contains(&detail), "the page cuts it");
    let table = export(Source { bundle: &bundle, analysis: &analysis, gate: None }, Format::Csv, None);
    let bytes = &table.expect("the sample has figures").files[0].bytes;
    assert!(words(&String::from_utf8_lossy(bytes)).contains(&detail), "the table cuts it");
}

#[test]
fn no_line_of_a_summary_is_wider_than_asked() {
    let bundle =
        sample::bundle(&Spec { scenarios: 8, models: 8, rounds: 5, requests: 500, ..Spec::default() });
    for width in [40, 60, 80, 100, 120, 200] {
        let text = at_width(&bundle, width);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(width), "{widest:?} columns for {width}:\n{text}");
    }
}

#[test]
fn colour_only_adds_codes() {
    let analysis = analyse(&small());
    let options = |colour| SummaryOptions { colour, ..SummaryOptions::default() };
    let (plain, coloured) = (summary(&analysis, &options(false)), summary(&analysis, &options(true)));
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[1;32m"));
    let stripped: String = coloured
        .split('\u{1b}')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once('m').map_or("", |code| code.1) })
        .collect();
    assert_eq!(stripped, plain);
}

/// What a reader of the page reads: its text, a block a line, without style, script and pictures.
fn text_of(page: &str) -> String {
    let mut rest = page.to_owned();
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>"), ("<svg", "</svg>")] {
        while let Some(from) = rest.find(open) {
            let to = rest[from..].find(close).expect("every element is closed") + from + close.len();
            rest.replace_range(from..to, "");
        }
    }
    const INLINE: [&str; 11] =
        ["a", "abbr", "b", "br", "code", "em", "small", "span", "strong", "sup", "wbr"];
    let mut text = String::new();
    for part in rest.split('<') {
        let (tag, content) = part.split_once('>').unwrap_or(("", part));
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap_or_default();
        text.push_str(match name {
            "td" | "th" => " | ",
            "br" => " ",
            name if INLINE.contains(&name) => "",
            _ => "\n",
        });
        text.push_str(&content.replace('\n', " "));
    }
    let lines = text.lines().map(|line| line.replace(" |  | ", " | ")).map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

#[test]
fn a_clock_that_was_set_back_is_told() {
    let mut bundle = small();
    let page = |bundle: &Bundle| text_of(&html::report(&analyse(bundle)));
    assert!(!page(&bundle).contains("set back"));
    bundle.end.as_mut().expect("it ended").finished_unix_ms = bundle.run.started_unix_ms - 1;
    assert!(page(&bundle).contains("before it started: the clock was set back meanwhile"));
}

#[test]
fn the_text_of_the_page() {
    insta::assert_snapshot!(text_of(&html::report(&analyse(&small()))));
}

#[test]
fn the_same_records_give_the_same_bytes_on_any_number_of_threads() {
    let bundle = small();
    let page = html::report(&analyse(&bundle));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        assert!(pool.install(|| html::report(&analyse(&bundle))) == page, "{threads} threads");
    }
}

/// A label that would break out of text, attributes in either quote, a script, a comment, and a terminal.
const HOSTILE: &str =
    "<script>alert(1)</script>\"'--><img src=x onerror=alert(2)>&amp;\u{1b}[31m\u{0}\u{202e}</title></style>";

fn hostile() -> Bundle {
    let mut bundle = small();
    let rename = |name: &mut String| *name = format!("{HOSTILE}{name}");
    for model in &mut bundle.run.models {
        rename(&mut model.name);
        rename(&mut model.summary);
    }
    for scenario in &mut bundle.run.scenarios {
        let texts = [&mut scenario.name, &mut scenario.about, &mut scenario.service, &mut scenario.toml];
        texts.into_iter().for_each(rename);
        scenario.models.iter_mut().for_each(rename);
    }
    for anatomy in &mut bundle.anatomies {
        [&mut anatomy.model, &mut anatomy.service].into_iter().for_each(rename);
        let Reading::Value(phases) = &mut anatomy.phases else {
            anatomy.phases = Reading::Absent(HOSTILE.to_owned());
            continue;
        };
        for step in phases.iter_mut().flat_map(|phase| &mut phase.steps) {
            step.on.iter_mut().chain([&mut step.task, &mut step.call]).for_each(rename);
        }
    }
    for envelope in &mut bundle.envelopes {
        [&mut envelope.model, &mut envelope.service].into_iter().for_each(rename);
        envelope.caps.tasks = Reading::Absent(HOSTILE.to_owned());
        match &mut envelope.result {
            Reading::Value(findings) => rename(&mut findings.evidence.words),
            Reading::Absent(why) => rename(why),
        }
    }
    for trial in &mut bundle.trials {
        rename(&mut trial.scenario);
        rename(&mut trial.model);
        trial.usage.threads = Reading::Absent(HOSTILE.to_owned());
    }
    bundle.trials[0].doubts.push(Doubt::SharedCpu);
    bundle.trials[1].invalid.push(Invalid::ServerDied { detail: HOSTILE.to_owned() });
    bundle.run.command.push(HOSTILE.to_owned());
    bundle.run.tool_version = HOSTILE.to_owned();
    bundle.run.environment.notes.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    bundle
}

#[test]
fn labels_from_a_bundle_stay_text() {
    let analysis = analyse(&hostile());
    assert!(analysis.valid > 0, "the hostile names still match");
    let page = html::report(&analysis);
    let plain = html::report(&analyse(&small()));
    let count = |page: &str, what: &str| page.matches(what).count();
    for tag in ["<script", "</script", "</style", "</title", "-->", "<!--"] {
        assert_eq!(count(&page, tag), count(&plain, tag), "{tag}");
    }
    assert_eq!(count(&page, "<script"), 1);
    assert_eq!(count(&page, "<img"), 0);
    assert!(page.contains("&lt;script&gt;alert(1)"));
    let control = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!page.contains(control), "no control character reaches the page");
    let text = summary(&analysis, &SummaryOptions::default());
    assert!(!text.contains(control), "no control character reaches the terminal");
}

#[test]
fn a_page_asks_nothing_of_anybody() {
    let page = html::report(&analyse(&small()));
    for reach in ["http:", "https:", "src=", "@import", "url(", "<link", "fetch("] {
        // The namespace of SVG would be an address, but inline SVG needs none.
        assert!(!page.contains(reach), "{reach}");
    }
    for broken in ["NaN", "inf\"", "-inf"] {
        assert!(!page.contains(broken), "{broken}");
    }
}

#[test]
fn eight_workloads_of_eight_models_fit_in_two_megabytes() {
    let page = html::report(&analyse(&sample::bundle(&Spec {
        scenarios: 8,
        models: 8,
        requests: 500,
        ..Spec::default()
    })));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

#[test]
fn empty_and_broken_runs_still_make_reports_that_say_so() {
    let mut bundle = small();
    bundle.trials.clear();
    bundle.end = None;
    let analysis = analyse(&bundle);
    let (page, text) = (html::report(&analysis), summary(&analysis, &SummaryOptions::default()));
    assert!(page.contains("did not end properly: 0 of 64") && page.contains("Nothing to draw"));
    assert!(text.contains("undecided") && text.contains("did not end properly"));
    bundle.run.scenarios.clear();
    bundle.run.models.clear();
    let page = html::report(&analyse(&bundle));
    assert!(page.contains("nothing to answer"));
}

#[test]
fn a_thousand_trials_make_one_report() {
    let spec = Spec { requests: 50, slices: 2, ..Spec::thousand() };
    let analysis = analyse(&sample::bundle(&spec));
    assert_eq!(analysis.recorded, 1_000);
    assert!(html::report(&analysis).len() < 2_000_000);
}

/// What the box on trust says of marks, and the marks themselves, of the same page.
#[test]
fn the_trust_box_and_the_marks_agree() {
    let spec = Spec { scenarios: 2, models: 3, rounds: 4, requests: 400, ..Spec::default() };
    let bundle = sample::bundle(&spec);
    let fastest = |analysis: &Analysis, at: usize| {
        let cells = analysis.workloads[at].cells.iter();
        cells.flat_map(|cell| cell.values(Metric::Throughput)).fold(0.0, f64::max)
    };
    // Far from the fastest, just above it, and below it: then the fastest is what the generator can do.
    for (share, marked, known) in [(10.0, false, true), (1.01, true, true), (0.5, true, true)] {
        let mut bundle = bundle.clone();
        let rates: Vec<f64> = {
            let analysis = analyse(&bundle);
            (0..2).map(|at| fastest(&analysis, at)).collect()
        };
        let names: Vec<String> = bundle.run.scenarios.iter().map(|one| one.name.clone()).collect();
        let Reading::Value(probe) = &mut bundle.run.probe else { panic!("the sample has a probe") };
        let ceiling = probe.ceilings[0].clone();
        probe.ceilings = names
            .iter()
            .zip(&rates)
            .map(|(name, rate)| {
                let mut one = ceiling.clone();
                one.scenarios = vec![name.clone()];
                let Reading::Value(reached) = &mut one.reached else { panic!("it was reached") };
                (reached.rate_per_s, reached.swarm_share) = (rate * share, 0.99);
                one
            })
            .collect();
        let analysis = analyse(&bundle);
        let page = html::report(&analysis);
        let (_, rest) = page.split_once("<aside class=\"trust\">").expect("a box");
        let (told, figures) = rest.split_once("</aside>").expect("it ends");
        let marks = figures.matches(">▲</abbr>").count();
        assert_eq!(marks > 0, marked, "{share}: {marks} marks");
        assert_eq!(told.contains("Marked ▲"), marked, "{share}: {told}");
        assert_eq!(told.contains("No rate came near"), known && !marked, "{share}: {told}");
        assert_eq!(told.contains("Unmarked, because the limit is not known"), !known, "{share}: {told}");
        for workload in &analysis.workloads {
            let name = format!("{} (", workload.scenario.name);
            assert_eq!(told.contains(&name), !workload.at_ceiling().is_empty(), "{name} {told}");
        }
    }
}

#[test]
fn accepts_by_worker_stand_beside_the_counters_where_workers_accept() {
    let mut bundle = small();
    let page = |bundle: &Bundle| html::report_beside(&analyse(bundle), None);
    assert!(!page(&bundle).contains("accepted by a worker"));
    let model = bundle.run.models[0].name.clone();
    for trial in bundle.trials.iter_mut().filter(|trial| trial.model == model) {
        trial.accepted_by_worker = vec![30 + u64::from(trial.round), 7, 12];
    }
    let page = page(&bundle);
    for words in ["accepted by a worker", "7 to 37", "3 workers that accept"] {
        assert!(page.contains(words), "{words}");
    }
}
