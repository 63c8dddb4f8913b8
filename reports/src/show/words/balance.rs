//! Balancers in words: their policies, what was asked of them, and what became of the requests of each.

use crate::record::balance::{BalanceSetup, Kill, Policy};
use crate::record::{ErrorKind, Reading};
use crate::rules::balance::{Outage, TimeToNone};
use crate::show::balance::{BalanceReport, BalanceSummary, Figures};
use crate::show::units::{cpus, grouped, plural, rate, ratio, span, time};
use crate::show::words::http;
use std::time::Duration;

impl Policy {
    /// What it does, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::RoundRobin => "one server after the other",
            Self::LeastConnections => "the server with the fewest connections in use",
            Self::Random => "any server, by chance",
            Self::TwoChoices => {
                "of two servers drawn by chance the one with fewer in use: the power of two choices"
            }
            Self::SourceHash => {
                "always the same server for a client's address and port, on a consistent ring"
            }
        }
    }
}

/// A time that was set.
fn ns(set: u64) -> String {
    span(Duration::from_nanos(set))
}

/// What was asked of all.
pub(crate) fn setup(setup: &BalanceSetup) -> String {
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

/// From the kill to the last failure, as a figure.
pub(crate) fn time_to_none(outage: Outage) -> String {
    match outage.time_to_none {
        TimeToNone::NothingFailed => "0".to_owned(),
        TimeToNone::Within(ns) => time(ns as f64),
        TimeToNone::NotReached(_) => "never".to_owned(),
    }
}

/// How long after it was back.
pub(crate) fn first_reply(kill: &Kill) -> String {
    match (&kill.back_ns, &kill.first_reply_ns) {
        (Reading::Value(back), Reading::Value(first)) => time(first.saturating_sub(*back) as f64),
        (Reading::Value(_), Reading::Absent(_)) => "none".to_owned(),
        (Reading::Absent(_), _) => "-".to_owned(),
    }
}

/// What became of the requests of a trial, in sentences.
pub(crate) fn sentences(trial: &BalanceSummary) -> String {
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
pub(crate) fn key(report: &BalanceReport) -> String {
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
