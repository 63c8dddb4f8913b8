//! Balancers side by side for a terminal: a table, a few sentences on each trial, and what the words mean.

use super::grid::{Column, Grid};
use super::style::Style;
use crate::record::balance::{BalanceSetup, Kill};
use crate::record::{ErrorKind, Reading};
use crate::rules::balance::{Outage, TimeToNone};
use crate::show::balance::{BalanceReport, BalanceSummary, Figures, Percentiles};
use crate::show::layout::{clean, left, push, width as columns};
use crate::show::units::{cpus, grouped, plural, rate, ratio, span, time};
use crate::show::words::{http, quantile};
use std::time::Duration;

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

/// A time that was set.
fn ns(set: u64) -> String {
    span(Duration::from_nanos(set))
}

/// What was asked of all.
fn setup(setup: &BalanceSetup) -> String {
    let mut text = format!(
        "{} behind each balancer, {} due for {} over {}; servers and balancer on {}, load on {}.",
        plural(setup.servers.into(), "server"),
        rate(setup.rate_per_s),
        ns(setup.window_ns),
        plural(setup.clients.into(), "connection"),
        cpus(&setup.server_cpus),
        cpus(&setup.swarm_cpus)
    );
    text += match setup.retries {
        true => " A balancer sends a request that got nothing of a reply to another server.",
        false => " A balancer sends no request twice.",
    };
    if let Some(at) = setup.kill_at_ns {
        text += &format!(" The first server is killed (SIGKILL) at {}", ns(at));
        text += &match setup.back_at_ns {
            Some(back) => format!(" and is back at {}.", ns(back)),
            None => " and does not come back.".to_owned(),
        };
    }
    text
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

fn time_to_none(outage: Outage) -> String {
    match outage.time_to_none {
        TimeToNone::NothingFailed => "0".to_owned(),
        TimeToNone::Within(ns) => time(ns as f64),
        TimeToNone::NotReached(_) => "never".to_owned(),
    }
}

/// How long after it was back.
fn first_reply(kill: &Kill) -> String {
    match (&kill.back_ns, &kill.first_reply_ns) {
        (Reading::Value(back), Reading::Value(first)) => time(first.saturating_sub(*back) as f64),
        (Reading::Value(_), Reading::Absent(_)) => "none".to_owned(),
        (Reading::Absent(_), _) => "-".to_owned(),
    }
}

fn sentences(trial: &BalanceSummary) -> String {
    let mut all: Vec<String> = trial.ended_early.iter().map(|how| format!("{how}.")).collect();
    match &trial.figures {
        Reading::Absent(why) => all.push(format!("not measured: {why}.")),
        Reading::Value(figures) => all.push(failures(figures)),
    }
    if let Some(kill) = &trial.kill {
        let absent =
            |reading: &Reading<u64>, what: &str| reading.absence().map(|why| format!("{what}: {why}."));
        all.extend(absent(&kill.back_ns, "The killed server is not back"));
        all.extend(
            absent(&kill.first_reply_ns, "It had no first reply").filter(|_| kill.back_ns.value().is_some()),
        );
    }
    let requests = trial
        .servers
        .iter()
        .map(|server| server.requests.value().map_or("?".to_owned(), |count| grouped(*count)));
    let each = requests.collect::<Vec<_>>().join(", ");
    if trial.servers.len() > 1 {
        let since = if trial.kill.is_some() { " (the first since it is back)" } else { "" };
        let fairness = match &trial.jain {
            Reading::Value(index) => format!("Jain's index {} of those that lived throughout", ratio(*index)),
            Reading::Absent(why) => format!("no Jain's index: {why}"),
        };
        all.push(format!("Requests by server{since}: {each}; {fairness}."));
    }
    all.extend(trial.doubts.iter().map(|doubt| format!("Careful: {doubt}.")));
    all.join(" ")
}

/// How many failed, how, and when.
fn failures(figures: &Figures) -> String {
    let Figures { counts, http, outage, .. } = figures;
    let failed = counts.unanswered();
    if failed == 0 {
        return format!("None of {} requests failed.", grouped(counts.sent));
    }
    let mut kinds: Vec<String> = Vec::new();
    for (kind, count) in &counts.errors {
        // A wrong reply says what was wrong with it.
        match kind {
            ErrorKind::Corrupt if !http.wrong.is_empty() => kinds.push(http::kinds(&http.wrong)),
            kind => kinds.push(format!("{} {}", grouped(*count), kind.label())),
        }
    }
    for (count, what) in [(counts.timeouts, "timed out"), (counts.in_flight_at_end, "unanswered at the end")]
    {
        if count > 0 {
            kinds.push(format!("{} {what}", grouped(count)));
        }
    }
    let of =
        format!("{} of {} requests failed ({})", grouped(failed), grouped(counts.sent), kinds.join(", "));
    let Some(Outage { failed_before, failed_gone, failed_back, time_to_none }) = outage else {
        return of + ".";
    };
    let last = match time_to_none {
        TimeToNone::NothingFailed => String::new(),
        TimeToNone::Within(ns) => format!(" None failed from {} after the kill on.", time(*ns as f64)),
        TimeToNone::NotReached(_) => " Requests failed to the end of the window.".to_owned(),
    };
    let [before, gone, back] = [failed_before, failed_gone, failed_back].map(|count| grouped(*count));
    format!(
        "{of}: {before} before the kill, {gone} while the server was gone, {back} when it was back.{last}"
    )
}

/// What the columns mean.
fn key(report: &BalanceReport) -> String {
    let mut text = "Response times count from when a request was due".to_owned();
    if report.setup.kill_at_ns.is_none() {
        return text + ".";
    }
    let slice = report.trials.iter().find_map(|trial| trial.figures.value()).map(|figures| figures.slice_ns);
    text +=
        " and are of the time before the kill. Time to none runs from the kill to the end of the last slice";
    text += &slice.map_or_else(String::new, |length| format!(" of {}", ns(length)));
    text += " in which a request failed. First reply: how long after the server listened again it answered its first request.";
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::balance::ServerRecord;
    use crate::record::{Counts, HttpFault, HttpReplies, WrongReplies};
    use crate::show::balance::BALANCE_VERSION;
    use crate::show::summary::Time;
    use crate::stats::quantile::Quantile;
    use std::collections::BTreeMap;

    const SECOND: u64 = 1_000_000_000;

    fn report() -> BalanceReport {
        let setup = BalanceSetup {
            servers: 2,
            rate_per_s: 2_000.0,
            clients: 64,
            reply_bytes: 64,
            window_ns: 10 * SECOND,
            warmup_ns: SECOND,
            timeout_ns: 2 * SECOND,
            retries: false,
            kill_at_ns: Some(3 * SECOND),
            back_at_ns: Some(6 * SECOND),
            server_cpus: vec![0],
            swarm_cpus: vec![1],
            seed: 1,
        };
        let first = HttpFault::Status { status: 502 };
        let http = HttpReplies { wrong: vec![WrongReplies { first, replies: 12 }], ..HttpReplies::default() };
        let errors = BTreeMap::from([(ErrorKind::Corrupt, 12), (ErrorKind::Reset, 2)]);
        let counts = Counts { sent: 20_000, ok: 19_985, errors, timeouts: 1, ..Counts::default() };
        let times = Percentiles {
            p50_ns: Time(Quantile::Value(300_000)),
            p95_ns: Time(Quantile::Value(500_000)),
            p99_ns: Time(Quantile::NeverAnswered),
        };
        let time_to_none = TimeToNone::Within(440_000_000);
        let outage = Outage { failed_before: 0, failed_gone: 14, failed_back: 1, time_to_none };
        let figures = Figures {
            replies_per_s: 1_998.5,
            counts,
            http,
            undisturbed: times,
            whole_window: times,
            outage: Some(outage),
            slice_ns: SECOND / 50,
            completed_by_slice: Vec::new(),
            failed_by_slice: Vec::new(),
        };
        let server = |requests| ServerRecord { address: "127.0.0.1:1".to_owned(), requests };
        let absent = || Reading::Absent("no request reached it before the end".to_owned());
        let trial = BalanceSummary {
            name: "nginx least-connections".to_owned(),
            model: "tokio".to_owned(),
            balancer: None,
            figures: Reading::Value(figures),
            kill: Some(Kill {
                killed_ns: 3 * SECOND,
                back_ns: Reading::Value(6 * SECOND),
                first_reply_ns: absent(),
            }),
            servers: vec![server(Reading::Value(0)), server(Reading::Value(15_000))],
            jain: Reading::Absent("fewer than two servers lived throughout".to_owned()),
            ended_early: vec!["the balancer nginx was killed by signal 9".to_owned()],
            doubts: Vec::new(),
        };
        BalanceReport { balance_version: BALANCE_VERSION, setup, left_out: Vec::new(), trials: vec![trial] }
    }

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
