//! What the figures stand on: the method, the run, what was left out.

use super::{Field, escape, table};
use crate::analysis::{Analysis, MOST_LEFT_OUT};
use crate::record::{Environment, Reading, RoundRecord};
use crate::rules::probe;
use crate::rules::verdict::{
    ANSWERED_FLOOR, LATENCY_FLOOR, LEVEL, MEMORY_FLOOR, MIN_ROUNDS, THROUGHPUT_FLOOR,
};
use crate::show::units;
use crate::stats::bootstrap::{CONFIDENCE, RESAMPLES, confidence_at_most};
use crate::stats::median;
use std::fmt::Write as _;

/// How the figures were made and what they claim.
pub(super) fn method(analysis: &Analysis) -> String {
    let rounds = analysis.rounds_done() as usize;
    format!(
        "<section id=\"method\">\n<h2>How to read this</h2>\n\
         <p>A <em>round</em> runs every model that still runs once under every workload, each in a fresh server process, in an \
         order shuffled from the seed. Models are compared within a round, so that what the machine did to one it did to all; \
         the factor shown is the median over the rounds.</p>\n\
         <p>The interval is a percentile bootstrap of that median, {} resamples, nominally {:.0}&nbsp;%. With few \
         rounds it is close to the range of the rounds, which contains the true median with a confidence of \
         1&nbsp;−&nbsp;2/2<sup>R</sup>: with the {rounds} rounds of this run, {} at most. It is of the one comparison.</p>\n\
         <p>A model is <em>behind</em> when another beats it: the whole interval lies above 1 plus the practical floor, \
         {:.0}&nbsp;% for throughput and goodput, {:.0}&nbsp;% for latency, {:.0}&nbsp;% for the share answered, {:.0}&nbsp;% for \
         memory, and a sign-flip permutation test of the rounds rejects, after \
         adjusting for every pair of models of the run (Benjamini and Hochberg), that it is not behind by more than the floor: \
         of all such claims of a run, {:.0}&nbsp;% are expected to be false at most. A model is <em>equal</em> to the best when \
         the interval lies within the floor to both sides and two one-sided tests reject, at {:.0}&nbsp;% and not adjusted, that it \
         lies beyond either. Otherwise the rounds do not tell, and it is <em>not resolved</em>. \
         A difference that would have shown is one that such a run calls behind in 4 of 5 cases. \
         Fewer than {MIN_ROUNDS} valid rounds are undecided.</p>\n\
         <p>Response time runs from the <em>intended</em> send time to the last byte of the right reply. A percentile is \
         shown only when enough requests were sent for its upper confidence bound to exist: 381 for p99, 3,838 for \
         p99.9. Fewer suffice for <em>never</em>: when so many of them went unanswered that the percentile is infinite \
         beyond reasonable doubt (2.5&nbsp;%).</p>\n\
         <p>A trial in which nothing was answered, or whose server died on the way, counts like \
         any other: what it left unanswered is infinite, and its throughput may be 0. When fewer than half of a workload's models could be compared, \
         the workload is undecided. Trials that the generator or the neighbours spoiled are tried again at the end of their \
         round, within bounds; the first valid try counts. This selects, by rules that are the same for all models: time taken by \
         other programs or the hypervisor; a generator later than a share of the least response any server could show; \
         and, in closed loop, a generator that used all its CPU before an idle server at a rate far below its own ceiling. \
         The last looks at the rate and drops slow trials only, so read it beside the number of trials left out. With more than {}&nbsp;of a run's planned trials without a valid try there is no \
         verdict.</p>\n</section>\n",
        units::grouped(RESAMPLES as u64),
        CONFIDENCE * 100.0,
        units::share(confidence_at_most(rounds)),
        THROUGHPUT_FLOOR * 100.0,
        LATENCY_FLOOR * 100.0,
        ANSWERED_FLOOR * 100.0,
        MEMORY_FLOOR * 100.0,
        LEVEL * 100.0,
        LEVEL * 100.0,
        units::share(MOST_LEFT_OUT),
    )
}

/// The models in a line each.
pub(super) fn models(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"models\">\n<h2>The models</h2>\n<dl class=\"pairs\">\n");
    for (series, model) in analysis.run.models.iter().enumerate() {
        let swatch = crate::show::plot::swatch(series);
        let _ = writeln!(html, "<dt>{swatch}{}</dt><dd>{}</dd>", escape(&model.name), escape(&model.summary));
    }
    html.push_str("</dl>\n</section>\n");
    html
}

/// Command, seed, machine.
pub(super) fn run(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let mut html = format!(
        "<section id=\"run\">\n<h2>The run</h2>\n<p>The exact command, and the seed that makes the same schedules and the \
         same order again:</p>\n<pre class=\"command\">{}</pre>\n<dl class=\"pairs\">\n",
        escape(&command_line(&run.command))
    );
    let finished =
        analysis.end.as_ref().map_or_else(|| "never".to_owned(), |end| units::moment(end.finished_unix_ms));
    let facts = [
        ("seed", run.seed.to_string()),
        ("started", units::moment(run.started_unix_ms)),
        ("finished", finished),
        (
            "trials",
            format!(
                "{}{} planned, {} recorded ({} of them tries again), {} valid",
                if run.sequential.is_some() { "about " } else { "" },
                run.planned_trials,
                analysis.recorded,
                analysis.tried_again,
                analysis.valid
            ),
        ),
        ("schema", format!("version {}", run.schema_version)),
    ];
    let facts = facts.into_iter().chain(disturbance(analysis));
    for (name, value) in facts.chain(environment(&run.environment)) {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value));
    }
    html.push_str("</dl>\n</section>\n");
    html
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
        let (largest, median) = (units::share(largest), units::share(median));
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

fn environment(environment: &Environment) -> Vec<(&str, String)> {
    fn or_why<T>(reading: &Reading<T>, show: impl Fn(&T) -> String) -> String {
        match reading {
            Reading::Value(value) => show(value),
            Reading::Absent(why) => format!("absent: {why}"),
        }
    }
    let list = |cpus: &[u32]| match cpus {
        [] => "not pinned".to_owned(),
        cpus => cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(", "),
    };
    let count = |value: &u64| units::grouped(*value);
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
                format!("{} per nominal µs", units::time(*ns))
            }),
        ),
    ];
    rows.extend(environment.notes.iter().map(|(name, text)| (name.as_str(), text.clone())));
    rows
}

/// What the generator and the machine can show, measured before the run and round by round.
pub(super) fn limits(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"limits\">\n<h2>Limits of the measurement</h2>\n");
    match &analysis.run.probe {
        Reading::Absent(why) => {
            let _ = writeln!(html, "<p>Not measured before this run: {}.</p>", escape(why));
        }
        Reading::Value(probe) => {
            html.push_str(
                "<p>Measured before the first round, against a null server that does nothing but return what it reads. A \
                 rate is a ceiling where the swarm had no CPU left; each is the best of a few short goes, so a trial may exceed \
                 it, and then the workload says so.</p>\n<dl class=\"pairs\">\n",
            );
            for (name, value) in crate::show::text::probe::facts(probe) {
                let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(&name), escape(&value));
            }
            html.push_str("</dl>\n");
            let advice = probe::advice(probe);
            if !advice.is_empty() {
                html.push_str("<h3>What to change to measure better</h3>\n<ul>\n");
                advice.iter().for_each(|line| html.push_str(&format!("<li>{}</li>\n", escape(line))));
                html.push_str("</ul>\n");
            }
        }
    }
    html.push_str(&drift(analysis));
    html.push_str("</section>\n");
    html
}

/// The fixed work round by round.
fn drift(analysis: &Analysis) -> String {
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
        ((u64::from(round.round) + 1).to_string(), fields)
    };
    let rows: Vec<(String, Vec<Field>)> = analysis.rounds.iter().map(row).collect();
    if rows.is_empty() {
        return "<p>The machine's speed was recorded for no round.</p>\n".to_owned();
    }
    let table = table("Speed of the machine", &["round", "before", "after", "moved by"], &rows);
    format!(
        "<h3>Speed of the machine</h3>\n<p>The same piece of work on a server CPU, alone, before and after each round. More \
         than {} within a round is told above all figures.</p>\n{table}",
        units::share(probe::DRIFT_SHARE)
    )
}

/// What was left out and why.
pub(super) fn discarded(analysis: &Analysis) -> String {
    let mut html = String::from("<section id=\"discarded\">\n<h2>Discarded trials</h2>\n");
    if analysis.excluded.is_empty() {
        html.push_str("<p>None: every recorded trial counts.</p>\n");
    } else {
        let row = |trial: &crate::analysis::Excluded| {
            let round = u64::from(trial.round) + 1;
            let fields = vec![
                Field::figure(round.to_string(), round as f64),
                Field::text(&trial.scenario),
                Field::text(&trial.model),
                Field::figure((u64::from(trial.attempt) + 1).to_string(), f64::from(trial.attempt)),
                Field::text(trial.reasons.join("; ")),
                Field::text(if trial.replaced { "another try counts" } else { "the round is missing" }),
            ];
            ((u64::from(trial.index) + 1).to_string(), fields)
        };
        let rows: Vec<(String, Vec<Field>)> = analysis.excluded.iter().map(row).collect();
        html.push_str("<p>Left out of every figure above.</p>\n");
        html.push_str(&table(
            "Discarded trials",
            &["trial", "round", "workload", "model", "try", "reason", "outcome"],
            &rows,
        ));
    }
    html.push_str("</section>\n");
    html
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
        let quiet = "used at most 4.0 % of the pinned CPUs in any valid trial (median 2.0 %)";
        assert_eq!(most(shares.iter(), "used"), quiet);
        let absent = Reading::Absent("no clock".to_owned());
        assert_eq!(
            most(shares.iter().chain([&absent]), "used"),
            format!("{quiet}; absent in 1 valid trial: no clock")
        );
        assert_eq!(most([].iter(), "used"), "no valid trial");
    }
}
