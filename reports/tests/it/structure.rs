//! The page as a document, without a browser: what every reader, screen reader and policy can rely on. The script and the
//! layout are for the browser's own test.

use bakeoff_reports::analysis::analyse;
use bakeoff_reports::record::{Axis, Reading, SweepPoint};
use bakeoff_reports::sample::{self, Spec};
use bakeoff_reports::show::html;
use std::collections::{BTreeMap, BTreeSet};

fn page() -> String {
    let spec = Spec { scenarios: 4, models: 8, rounds: 4, requests: 400, slices: 3, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    // A workload without any valid trial, so that what cannot be drawn is looked at too.
    for trial in bundle.trials.iter_mut().filter(|trial| trial.scenario == "churn") {
        trial.measured = Reading::Absent("left out by the test".to_owned());
    }
    html::report_beside(&analyse(&bundle), Some("run.jsonl"))
}

/// The opening tags of a page in order, without `<`, `>` and the content of style and script.
fn tags(page: &str) -> Vec<String> {
    let mut text = page.to_owned();
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        while let Some(from) = text.find(open) {
            let to = text[from..].find(close).expect("closed") + from + close.len();
            text.replace_range(from..to, "");
        }
    }
    let tags = text.split('<').skip(1).filter_map(|part| part.split_once('>'));
    tags.map(|(tag, _)| tag.to_owned()).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

#[test]
fn every_element_is_closed_in_order() {
    let void = ["meta", "br", "wbr", "input", "!DOCTYPE"];
    let mut open: Vec<String> = Vec::new();
    for tag in tags(&page()) {
        let name = tag.split([' ', '\n']).next().unwrap_or_default().to_owned();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "the end of {closed}");
        } else if !void.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
}

#[test]
fn every_picture_has_a_title_a_description_and_its_data() {
    let page = page();
    let plots: Vec<&str> = page.split("<svg class=\"plot\"").skip(1).collect();
    // One of all; three workloads: five pictures and eight maps each; five costs, one of theory.
    assert_eq!(plots.len(), 1 + 3 * (5 + 8) + 5 + 1);
    for plot in &plots {
        let head = plot.split_once('>').map_or("", |(head, _)| head);
        assert_eq!(attribute(head, "role"), Some("img"));
        let names: Vec<&str> = attribute(head, "aria-labelledby").unwrap_or_default().split(' ').collect();
        assert_eq!(names.len(), 2);
        for (element, id) in ["title", "desc"].iter().zip(names) {
            let text = plot.split_once(&format!("<{element} id=\"{id}\">")).map(|(_, rest)| rest);
            let text = text.and_then(|rest| rest.split_once(&format!("</{element}>"))).map(|(text, _)| text);
            assert!(text.is_some_and(|text| text.len() > 8), "{element} of {head}");
        }
    }
    for figure in page.split("<figure").skip(1).map(|rest| rest.split("</figure>").next().unwrap_or_default())
    {
        let drawn = figure.contains("class=\"plot\"");
        assert_eq!(drawn, figure.contains("<summary>Data</summary>"), "{}", &figure[..200.min(figure.len())]);
        assert!(drawn || figure.contains("othing to draw"), "a gap is told");
    }
    let hidden = page.matches("<svg").count() - plots.len();
    assert_eq!(
        hidden,
        page.matches("<svg class=\"swatch\" viewBox=\"0 0 60 28\" aria-hidden=\"true\"").count()
    );
}

#[test]
fn links_and_labels_lead_to_something_that_is_there_once() {
    let tags = tags(&page());
    let mut ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "ids are unique");
    let mut fragments = 0;
    for href in tags.iter().filter_map(|tag| attribute(tag, "href")) {
        if let Some(fragment) = href.strip_prefix('#') {
            assert!(ids.binary_search(&fragment).is_ok(), "{href} leads nowhere");
            fragments += 1;
        } else {
            assert_eq!(href, "./run.jsonl", "leaves the page");
        }
    }
    assert!(fragments > 30, "{fragments} links inside the page");
    for tag in &tags {
        assert!(
            attribute(tag, "src").is_none() && attribute(tag, "srcset").is_none(),
            "{tag} loads something"
        );
        let code = |part: &str| part.starts_with("on") && part.contains("=\"");
        assert!(!tag.split([' ', '\n']).any(code), "{tag} has code in it");
    }
}

/// Every model of the list of models, with the classes of its swatch but the one that the script goes by.
fn looks(page: &str) -> BTreeMap<String, String> {
    let list = page.split("<section id=\"models\">").nth(1).and_then(|rest| rest.split("</section>").next());
    let items = list.unwrap_or_default().split("<dt>").skip(1);
    let look = |item: &str| {
        let class = item.split("<g class=\"mark ").nth(1)?.split('"').next()?;
        let name = item.split("</svg>").nth(1)?.split('<').next()?;
        Some((name.to_owned(), class.to_owned()))
    };
    items.filter_map(look).collect()
}

#[test]
fn a_model_has_the_same_colour_and_mark_in_every_report() {
    let bundle =
        |models| sample::bundle(&Spec { scenarios: 1, models, rounds: 1, requests: 20, ..Spec::default() });
    let all = looks(&html::report(&analyse(&bundle(8))));
    let mut fewer = bundle(5);
    fewer.run.models.reverse();
    fewer.run.models.pop();
    let some = looks(&html::report(&analyse(&fewer)));
    assert_eq!((all.len(), some.len()), (8, 4));
    assert!(some.iter().all(|(model, look)| all.get(model) == Some(look)), "{all:?} {some:?}");
    let distinct: BTreeSet<&String> = all.values().collect();
    assert_eq!(distinct.len(), all.len(), "no two look the same");
}

#[test]
fn headings_go_down_one_step_at_a_time() {
    let tags = tags(&page());
    let level = |tag: &String| {
        let name = tag.split(' ').next().unwrap_or_default();
        name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok())
    };
    let levels: Vec<u8> = tags.iter().filter_map(level).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    for pair in levels.windows(2) {
        assert!(pair[1] <= pair[0] + 1, "h{} after h{}", pair[1], pair[0]);
    }
}

#[test]
fn the_policy_forbids_every_request() {
    let page = page();
    let policy = page.split_once("Content-Security-Policy\" content=\"").map(|(_, rest)| rest);
    let policy = policy.and_then(|rest| rest.split('"').next());
    assert_eq!(policy, Some("default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"));
    // Before anything that could load or run.
    let at = |what: &str| page.find(what).unwrap_or(usize::MAX);
    assert!(at("Content-Security-Policy") < at("<style>") && at("Content-Security-Policy") < at("<script>"));
}

#[test]
fn a_section_without_figures_says_why() {
    let page = page();
    for id in [
        "answer",
        "matrix",
        "decision",
        "workloads",
        "sweeps",
        "cost",
        "theory",
        "envelope",
        "history",
        "data",
    ] {
        let section = page.split_once(&format!("<section id=\"{id}\"")).map(|(_, rest)| rest);
        let section = section.and_then(|rest| rest.split("</section>").next()).unwrap_or_default();
        assert!(section.matches(' ').count() > 12, "{id} says something");
        assert!(page.contains(&format!("<a href=\"#{id}\">")), "{id} is in the contents");
    }
    assert!(page.contains("No history in this bundle"));
}

#[test]
fn points_of_a_sweep_are_no_answers_of_their_own_and_are_not_lost() {
    let spec = Spec { scenarios: 3, models: 3, rounds: 4, requests: 400, slices: 2, ..Spec::default() };
    let mut bundle = sample::bundle(&spec);
    for (scenario, value) in bundle.run.scenarios.iter_mut().skip(1).zip([64.0, 16.0]) {
        scenario.sweep = Some(SweepPoint { of: "echo".to_owned(), axis: Axis::Clients, value });
    }
    let page = html::report(&analyse(&bundle));
    assert_eq!(page.matches("<article class=\"card").count(), 1);
    assert!(page.contains("<a href=\"#sweep-1\">echo over clients</a>"), "in the contents");
    assert_eq!(page.matches("<section id=\"sweep-1\"").count(), 1);
    assert!(!page.contains("<section id=\"workload-2\""), "one workload stands alone");
}

#[test]
fn a_default_run_fits_in_two_megabytes() {
    // Eight workloads, seven models, six rounds: 336 trials.
    let spec = Spec { scenarios: 8, models: 7, requests: 400, ..Spec::default() };
    let page = html::report_beside(&analyse(&sample::bundle(&spec)), Some("run.jsonl"));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}
