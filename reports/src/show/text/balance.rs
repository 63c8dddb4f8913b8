//! Balancers side by side for a terminal: a table, a few sentences on each trial, and what the words mean.

use super::grid::{Column, Grid};
use super::style::Style;
use crate::record::Reading;
use crate::show::balance::{BalanceReport, BalanceSummary, Figures, Percentiles};
use crate::show::layout::{clean, left, push, width as columns};
use crate::show::units::{grouped, rate};
use crate::show::words::balance::{first_reply, key, sentences, setup, time_to_none};
use crate::show::words::quantile;

/// The whole text, no wider than `width` (at least 60) unless a single word is.
pub fn table(report: &BalanceReport, width: usize) -> String {
    let width = width.max(60);
    let mut out = String::new();
    push(&mut out, &setup(&report.setup), width, "");
    for left_out in &report.left_out {
        push(&mut out, &format!("{} is left out: {}", left_out.balancer, left_out.why), width, "! ");
    }
    let mut models: Vec<&str> = report.trials.iter().map(|trial| trial.model.as_str()).collect();
    models.dedup();
    for model in models {
        let of_model: Vec<&BalanceSummary> = report.trials.iter().filter(|one| one.model == model).collect();
        out.push('\n');
        grid(model, &of_model).push(&mut out, Style { width, colour: false });
        out.push('\n');
        for trial in of_model {
            push(&mut out, &format!("{}: {}", trial.name, sentences(trial)), width, "- ");
        }
    }
    out.push('\n');
    push(&mut out, &key(report), width, "");
    out
}

fn grid(model: &str, trials: &[&BalanceSummary]) -> Grid {
    let lead =
        trials.iter().map(|trial| columns(&clean(&trial.name))).chain([columns(model)]).max().unwrap_or(0);
    let killed = trials.iter().any(|trial| trial.kill.is_some());
    let column = |head: &[&str], cell: &dyn Fn(&Figures, &BalanceSummary) -> String| {
        let cells = trials.iter().map(|trial| match &trial.figures {
            Reading::Value(figures) => (cell(figures, trial), false),
            Reading::Absent(_) => ("-".to_owned(), false),
        });
        Column::new(head.iter().map(ToString::to_string).collect(), cells.collect())
    };
    let percentile = |of: fn(&Percentiles) -> String| {
        move |figures: &Figures, _: &BalanceSummary| of(&figures.undisturbed)
    };
    let mut all = vec![
        column(&["replies"], &|figures, _| rate(figures.replies_per_s)),
        column(&["p50"], &percentile(|all| quantile(all.p50_ns.0))),
        column(&["p95"], &percentile(|all| quantile(all.p95_ns.0))),
        column(&["p99"], &percentile(|all| quantile(all.p99_ns.0))),
        column(&["failed"], &|figures, _| grouped(figures.counts.unanswered())),
    ];
    if killed {
        all.push(column(&["time", "to none"], &|figures, _| {
            figures.outage.map_or_else(String::new, time_to_none)
        }));
        all.push(column(&["first", "reply"], &|_, trial| {
            trial.kill.as_ref().map_or_else(String::new, first_reply)
        }));
    }
    Grid {
        names: trials.iter().map(|trial| left(&clean(&trial.name), lead)).collect(),
        lead,
        corner: clean(model),
        columns: all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::balance::example::report;

    #[test]
    fn a_trial_is_told_with_what_failed_how_and_when() {
        let text = table(&report(), 80);
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "2 servers behind each balancer, 2.00k/s due for 10 s over 64 connections",
            "A balancer sends no request twice. The first server is killed (SIGKILL) at 3 s and is back at 6 s.",
            "the balancer nginx was killed by signal 9. 15 of 20,000 requests failed (2 reset, 12 had status 502, 1 timed out): 0 \
             before the kill, 14 while the server was gone, 1 when it was back. None failed from 440 ms after the kill on.",
            "It had no first reply: no request reached it before the end.",
            "Requests by server (the first since it is back): 0, 15,000; no Jain's index: fewer than two",
            "slice of 20 ms",
        ] {
            assert!(flat.contains(words), "{words}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
