//! What the figures stand on: the method, the run, what was left out.

use super::element::{Field, Row, pairs, section, table};
use super::model::{named, series_of};
use crate::analysis::{Analysis, Excluded};
use crate::record::{Environment, ModelRecord, Reading, RoundRecord, cpu_list};
use crate::rules::probe;
use crate::rules::verdict::{CLOSE, LEVEL, LOOKS, MIN_BLOCKS};
use crate::show::units::{self, grouped, moment, share};
use crate::show::words::contestant::contestant;
use crate::show::words::cpus;
use crate::show::words::joined;
use crate::show::words::metric::floors;
use crate::show::words::probe::facts;
use crate::stats::median;
use maud::{Markup, Render as _, html};

/// How the figures were made and what they claim.
pub(super) fn method(analysis: &Analysis) -> Markup {
    let family =
        |one: &crate::rules::workload::Workload| one.cells.len() * one.cells.len().saturating_sub(1) / 2;
    let pairs: usize = analysis.workloads.iter().map(family).sum();
    let looks: Vec<String> = LOOKS.iter().map(|(blocks, _)| blocks.to_string()).collect();
    let body = html! {
        p {
            "A " em { "block" } " is one workload with all its models back to back, each in a fresh server process, in an order \
             shuffled from the seed; blocks are shuffled, too. Models are compared within a block, so that what the machine did \
             to one it did to all."
        }
        p {
            "Every pair of models of a workload has one interval for the factor by which one is behind the other. The intervals \
             of all " (grouped(pairs as u64)) " pairs of this run cover the truth simultaneously in " (share(1.0 - LEVEL))
            " of runs, at whichever look the run stops (after " (units::all_of(&looks)) " blocks). Each is a Student's t interval \
             of the log ratios, with a fifth of the blocks trimmed at either end from eight blocks on, and a spread to which all \
             pairs of the workload contribute. The lower end comes first: that much was shown."
        }
        p {
            "A model is " em { "behind" } " another when their interval lies beyond 1 plus the practical floor, " (floors())
            "; two are " em { "near" } " within " (units::factor(CLOSE)) ", and " em { "equal" } " within the floor, if no more \
             than a few of their processes can be bad ones. A workload is " em { "decided" } " when half of its models are behind \
             another, or somebody is behind all the winners, or all are near; " em { "undecided" } " with the blocks it would still take; " em { "provisional" } " when it \
             rests on blocks that others disturbed, and then its intervals are made again, with an error rate of their own. Fewer than " (MIN_BLOCKS) " blocks say nothing."
        }
        p {
            "Response time runs from the " em { "intended" } " send time to the last byte of the correct reply. A percentile is \
             shown only when enough requests were sent for its upper confidence bound to exist: 381 for p99, 3,838 for p99.9. \
             Fewer suffice for " em { "never" } ": when so many of them went unanswered that the percentile is infinite beyond \
             reasonable doubt (2.5\u{a0}%)."
        }
        p {
            "A trial in which nothing was answered, or whose server died, counts like any other: what it left unanswered took \
             at least the timeout. A block in which other programs, the hypervisor or a quota took from the pinned CPUs is left \
             out whole, and another one is run while there is time; single trials of it are not picked. Lateness of the load \
             generator counts against the trial alone."
        }
    };
    section("method", "How to read this", &body)
}

/// The contestants in a line each.
pub(super) fn models(analysis: &Analysis) -> Markup {
    let models = &analysis.run.models;
    let line =
        |model: &ModelRecord| (named(series_of(analysis, &model.name), &model.name), contestant(model));
    section("models", "The models", &pairs(models.iter().map(line)))
}

/// Command, seed, machine.
pub(super) fn run(analysis: &Analysis) -> Markup {
    let run = &analysis.run;
    let finished = match &analysis.end {
        None => "never".to_owned(),
        Some(end) if end.finished_unix_ms < run.started_unix_ms => format!(
            "{}, before it started: the clock was set back meanwhile, so no time of day here can be relied on",
            moment(end.finished_unix_ms)
        ),
        Some(end) => moment(end.finished_unix_ms),
    };
    let trials = format!(
        "{}{} planned, {} recorded ({} of them retries), {} valid",
        if run.sequential.is_some() { "about " } else { "" },
        run.planned_trials,
        analysis.recorded,
        analysis.tried_again,
        analysis.valid
    );
    let facts = [
        ("seed", run.seed.to_string()),
        ("started", moment(run.started_unix_ms)),
        ("finished", finished),
        ("trials", trials),
        ("schema", format!("version {}", run.schema_version)),
    ];
    let again = analysis.end.as_ref().and_then(|end| end.compute_ns_per_nominal_us);
    let facts = facts.into_iter().chain(disturbance(analysis)).chain(environment(&run.environment, again));
    let body = html! {
        p { "The exact command, and the seed that makes the same schedules and the same order again:" }
        pre.command { (command_line(&run.command)) }
        (pairs(facts))
    };
    section("run", "The run", &body)
}

/// What took the pinned CPUs from server and swarm while valid trials were measured.
fn disturbance(analysis: &Analysis) -> [(&'static str, String); 2] {
    let rounds = || analysis.measured().flat_map(|one| &one.cells).flat_map(|cell| &cell.rounds);
    let foreign = rounds().map(|round| &round.foreign_share);
    let steal = rounds().map(|round| &round.steal_share);
    [("other programs", most(foreign, "used")), ("hypervisor", most(steal, "took"))]
}

/// The largest of the shares and their median, and how many trials could not tell.
fn most<'a>(shares: impl Iterator<Item = &'a Reading<f64>>, verb: &str) -> String {
    let (mut known, mut absent) = (Vec::new(), Vec::new());
    for share in shares {
        match share {
            // Made of clock ticks, a share may come out below zero: for a reader that is none.
            Reading::Value(share) => known.push(share.max(0.0)),
            Reading::Absent(why) => absent.push(why.as_str()),
        }
    }
    let mut parts = Vec::new();
    if let Some(median) = median(&known) {
        let largest = known.iter().copied().fold(0.0, f64::max);
        let (largest, median) = (share(largest), share(median));
        parts.push(format!(
            "{verb} at most {largest} of the pinned CPUs in any valid trial (median {median})"
        ));
    }
    if let Some(why) = absent.first() {
        parts.push(format!("absent in {}: {why}", units::plural(absent.len() as u64, "valid trial")));
    }
    if parts.is_empty() { "no valid trial".to_owned() } else { parts.join("; ") }
}

/// Words of a command as a shell would need them.
pub(crate) fn command_line(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=:,+@%".contains(c))
    };
    let quote =
        |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// `again` is the compute calibration after the run, in nanoseconds.
fn environment(environment: &Environment, again: Option<f64>) -> Vec<(&str, String)> {
    fn or_why<T>(reading: &Reading<T>, show: impl Fn(&T) -> String) -> String {
        match reading {
            Reading::Value(value) => show(value),
            Reading::Absent(why) => format!("absent: {why}"),
        }
    }
    let list = |cpus: &[u32]| match cpus {
        [] => "not pinned".to_owned(),
        cpus => cpu_list(cpus),
    };
    let count = |value: &u64| grouped(*value);
    let mut rows = vec![
        ("kernel", or_why(&environment.kernel, String::clone)),
        ("processor", or_why(&environment.cpu_model, String::clone)),
        ("CPUs allowed", list(&environment.cpus)),
        ("server CPUs", list(&environment.server_cpus)),
        ("swarm CPUs", list(&environment.swarm_cpus)),
        ("memory", or_why(&environment.memory_bytes, |value| units::bytes(*value as f64))),
        ("frequency governor", or_why(&environment.governor, String::clone)),
        ("descriptors per process", or_why(&environment.max_descriptors, count)),
        ("processes and threads", or_why(&environment.max_processes, count)),
        ("listen backlog cap", or_why(&environment.somaxconn, count)),
        (
            "congestion control",
            or_why(&environment.congestion_control, |name| format!("{name}, on every socket of the run")),
        ),
        (
            "compute calibration",
            or_why(&environment.compute_ns_per_nominal_us, |ns| {
                let again = again.map(|ns| format!(", {} after the run", units::time(ns)));
                format!("{} per nominal µs before the run{}", units::time(*ns), again.unwrap_or_default())
            }),
        ),
    ];
    if let Some(choice) = &environment.cpu_choice {
        rows.push(("topology", cpus::counts(&choice.cores)));
        rows.extend(cpus::of(environment).map(|text| ("why these CPUs", text)));
    }
    rows.extend(environment.notes.iter().map(|(name, text)| (name.as_str(), text.clone())));
    rows
}

/// What the generator and the machine can show, measured before the run and round by round.
pub(super) fn limits(analysis: &Analysis) -> Markup {
    let body = html! {
        @match &analysis.run.probe {
            Reading::Absent(why) => p { "Not measured before this run: " (why) "." },
            Reading::Value(probe) => {
                p {
                    "Measured before the first round, against a null server that only returns what it reads. A rate is a \
                     ceiling where the swarm had no CPU left; each is the best of a few short runs, so a trial may exceed it, \
                     and then the workload says so."
                }
                (pairs(facts(probe)))
                @let advice = probe::advice(probe);
                @if !advice.is_empty() {
                    h3 { "What to change to measure better" }
                    ul { @for line in advice { li { (line.sentence()) } } }
                }
            }
        }
        (drift(analysis))
    };
    section("limits", "Limits of the measurement", &body)
}

/// The fixed work round by round.
fn drift(analysis: &Analysis) -> Markup {
    let time = |reading: &Reading<f64>| match reading {
        Reading::Value(ns) => Field::figure(units::time(*ns), *ns),
        Reading::Absent(why) => Field::absent(why),
    };
    let row = |round: &RoundRecord| {
        let moved = match round.drift() {
            Some(factor) => Field::figure(units::factor(factor), factor),
            None => Field::absent("not measured before and after"),
        };
        let fields = vec![time(&round.loop_before_ns), time(&round.loop_after_ns), moved];
        ((u64::from(round.round) + 1).render(), fields)
    };
    let rows: Vec<Row> = analysis.rounds.iter().map(row).collect();
    html! {
        @if rows.is_empty() {
            p { "The machine's speed was recorded for no round." }
        } @else {
            h3 { "Speed of the machine" }
            p {
                "The same piece of work on a CPU of each side, alone, before and after each round, and around each trial. One around "
                "which it took more than " (share(probe::DRIFT_SHARE)) " longer than when it was fastest lately is made again."
            }
            (table("Speed of the machine", &["round", "before", "after", "moved by"], &rows))
        }
    }
}

/// What was left out and why.
pub(super) fn discarded(analysis: &Analysis) -> Markup {
    let row = |trial: &Excluded| {
        let fields = vec![
            Field::count(u64::from(trial.round) + 1),
            Field::text(&trial.scenario),
            Field::text(&trial.model),
            Field::count(u64::from(trial.attempt) + 1),
            Field::text(joined(&trial.reasons)),
            Field::text(if trial.replaced { "replaced by a retry" } else { "the round is missing" }),
        ];
        ((u64::from(trial.index) + 1).render(), fields)
    };
    let rows: Vec<Row> = analysis.excluded.iter().map(row).collect();
    let columns = ["trial", "round", "workload", "model", "attempt", "reason", "outcome"];
    let body = html! {
        @if rows.is_empty() {
            p { "None: every recorded trial counts." }
        } @else {
            p { "Left out of every figure above." }
            (table("Discarded trials", &columns, &rows))
        }
    };
    section("discarded", "Discarded trials", &body)
}

#[cfg(test)]
mod tests {
    use super::{command_line, most};
    use crate::record::Reading;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = ["bakeoff", "run", "--out=a b", "it's", ""].map(str::to_owned);
        assert_eq!(command_line(&words), r"bakeoff run '--out=a b' 'it'\''s' ''");
    }

    #[test]
    fn disturbance_is_told_at_its_worst_and_what_is_absent_is_told_too() {
        let shares = [Reading::Value(0.01), Reading::Value(0.04), Reading::Value(0.02)];
        let quiet = "used at most 4 % of the pinned CPUs in any valid trial (median 2 %)";
        assert_eq!(most(shares.iter(), "used"), quiet);
        let absent = Reading::Absent("no clock".to_owned());
        assert_eq!(
            most(shares.iter().chain([&absent]), "used"),
            format!("{quiet}; absent in 1 valid trial: no clock")
        );
        assert_eq!(most([].iter(), "used"), "no valid trial");
    }
}
