//! The page of `bakeoff balance`: the figures, the course of each trial in pictures and sentences, what every balancer was told.

use super::element::{Field, Row, document, header, picture, section, table};
use super::model::named;
use crate::record::Reading;
use crate::rules::balance::TimeToNone;
use crate::show::balance::{BalanceReport, BalanceSummary};
use crate::show::plot::{self, Counted};
use crate::show::units;
use crate::show::words::balance::{first_reply, key, sentences, setup, time_to_none};
use maud::{Markup, html};

/// Balancers side by side as an HTML document.
pub fn balance(report: &BalanceReport) -> String {
    let caveats = report.left_out.iter().map(|one| format!("{} is left out: {}", one.balancer, one.why));
    let facts = [units::plural(report.trials.len() as u64, "trial"), format!("seed {}", report.setup.seed)];
    let question = "What does a balancer cost, and what does it save when a server dies?";
    let body = html! {
        (header("the figures", "bakeoff balance", question, &facts, &caveats.collect::<Vec<_>>()))
        main #main {
            (figures(report))
            (pictures(report))
            (trials(report))
            (configurations(report))
        }
    };
    let footer = html! { "Written by " code { "bakeoff balance" } "; " code { "--json" } " has the same figures for programs." };
    document("bakeoff, balancing", &body, &footer)
}

fn figures(report: &BalanceReport) -> Markup {
    let row = |(at, trial): (usize, &BalanceSummary)| -> Row {
        let mut fields = vec![Field::text(&trial.model)];
        match &trial.figures {
            Reading::Absent(why) => fields.extend((0..7).map(|_| Field::absent(why))),
            Reading::Value(figures) => {
                let times = figures.undisturbed;
                fields.push(Field::figure(units::rate(figures.replies_per_s), figures.replies_per_s));
                fields.extend([times.p50_ns, times.p95_ns, times.p99_ns].map(|time| Field::quantile(time.0)));
                fields.push(Field::count(figures.counts.unanswered()));
                fields.push(figures.outage.map_or_else(
                    || Field::absent("nobody was killed"),
                    |outage| Field::figure(time_to_none(outage), nanoseconds(outage.time_to_none)),
                ));
                fields.push(
                    match trial.kill.as_ref().and_then(|kill| Some((kill, kill.first_reply_ns.value()?))) {
                        Some((kill, ns)) => Field::figure(first_reply(kill), *ns as f64),
                        None => Field::absent("no server came back and was asked"),
                    },
                );
            }
        }
        (named(at, &trial.name), fields)
    };
    let rows: Vec<Row> = report.trials.iter().enumerate().map(row).collect();
    let columns = ["trial", "model", "replies", "p50", "p95", "p99", "failed", "time to none", "first reply"];
    let body = html! {
        p.lede { (setup(&report.setup)) }
        (table("Balancers", &columns, &rows))
        p.note { (key(report)) }
    };
    section("figures", "The figures", &body)
}

/// What a time to none sorts by.
fn nanoseconds(time: TimeToNone) -> f64 {
    match time {
        TimeToNone::NothingFailed => 0.0,
        TimeToNone::Within(ns) => ns as f64,
        TimeToNone::NotReached(_) => f64::INFINITY,
    }
}

fn pictures(report: &BalanceReport) -> Markup {
    let body = html! {
        ul.legend aria-label="Legend" {
            @for (at, trial) in report.trials.iter().enumerate() { li { (named(at, &trial.name)) ", " (trial.model) } }
        }
        div.plots {
            (picture(plot::balance(report, Counted::Replies, "replies"), "Replies over the window"))
            (picture(plot::balance(report, Counted::Failures, "failures"), "Failures over the window"))
        }
    };
    section("pictures", "In pictures", &body)
}

fn trials(report: &BalanceReport) -> Markup {
    let body = html! {
        @for (at, trial) in report.trials.iter().enumerate() {
            p { (named(at, &trial.name)) ", " (trial.model) ": " (sentences(trial)) }
        }
    };
    section("trials", "Trial by trial", &body)
}

fn configurations(report: &BalanceReport) -> Markup {
    let body = html! {
        @for trial in &report.trials {
            @if let Some(balancer) = &trial.balancer {
                details {
                    summary {
                        (trial.name) ", " (trial.model)
                        @if let Reading::Value(version) = &balancer.version { ": " (version) }
                    }
                    pre { (balancer.configuration) }
                }
            }
        }
    };
    section("configurations", "What each balancer was told", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::balance::example::report;

    #[test]
    fn the_page_has_figures_pictures_and_configurations() {
        let page = balance(&report());
        assert_eq!(page.matches("<svg class=\"plot\"").count(), 2);
        // What is written in a picture stands on a line of its own.
        for word in ["killed", "back"] {
            assert_eq!(page.lines().filter(|line| line.trim() == word).count(), 2, "{word}: {page}");
        }
        for words in [
            "15 of 20,000 requests failed",
            ">440 ms<",
            "nginx least-connections, tokio: nginx/1.22.1",
            "daemon off; # &lt;b&gt;",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }

    #[test]
    fn where_nothing_failed_the_page_says_so() {
        let mut report = report();
        for trial in &mut report.trials {
            let Reading::Value(figures) = &mut trial.figures else { continue };
            figures.failed_by_slice.fill(0);
        }
        assert!(balance(&report).contains("Nothing to draw: no request failed."));
    }
}
