//! The keys of a scenario's tables `[load]` and `[background]`: which go together, their ranges, and what they mean.

use super::check::{Checked, Checker};
use crate::workload::bounds::{self, ScheduleError};
use crate::workload::load::{Arrivals, Background, Load, RateShape};
use crate::workload::units::{PositiveSpan, Rate, Span, Whole};
use serde::Deserialize;
use std::time::Duration;
use toml::Spanned;

/// Most slow connections of a kind: each is stepped on its own, and the swarm has no CPU to spare for very many.
const MAX_SLOW: i64 = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLoad {
    kind: FileLoadKind,
    clients: Spanned<Whole>,
    think: Option<Spanned<Span>>,
    pipeline: Option<Spanned<Whole>>,
    rate: Option<Spanned<Rate>>,
    arrivals: Option<Spanned<Arrivals>>,
    bursts: Option<Spanned<FileBursts>>,
    surge: Option<Spanned<FileSurge>>,
    requests_per_connection: Option<Spanned<Whole>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum FileLoadKind {
    Closed,
    Open,
    Churn,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileBursts {
    on: PositiveSpan,
    off: PositiveSpan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSurge {
    factor: f64,
    after: Span,
    lasting: PositiveSpan,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileBackground {
    idle: Option<Spanned<Whole>>,
    slow_readers: Option<Spanned<Whole>>,
    slow_senders: Option<Spanned<Whole>>,
}

/// Where a key stands, if it is there.
fn at<T>(value: Option<&Spanned<T>>) -> Option<usize> {
    value.map(|value| value.span().start)
}

/// Refuses keys that have no meaning in a load of this kind.
fn only_its_own(check: &Checker<'_>, file: &FileLoad) -> Checked<()> {
    let (kind, takes) = match file.kind {
        FileLoadKind::Closed => ("closed", ["think", "pipeline"].as_slice()),
        FileLoadKind::Open => ("open", ["rate", "arrivals", "bursts", "surge"].as_slice()),
        FileLoadKind::Churn => ("churn", ["requests_per_connection"].as_slice()),
    };
    for (key, position) in [
        ("think", at(file.think.as_ref())),
        ("pipeline", at(file.pipeline.as_ref())),
        ("rate", at(file.rate.as_ref())),
        ("arrivals", at(file.arrivals.as_ref())),
        ("bursts", at(file.bursts.as_ref())),
        ("surge", at(file.surge.as_ref())),
        ("requests_per_connection", at(file.requests_per_connection.as_ref())),
    ] {
        if let Some(position) = position.filter(|_| !takes.contains(&key)) {
            let takes = takes.join(", ");
            let reason = format!("`{key}` has no meaning in a load of kind \"{kind}\", which takes {takes}");
            return Err(check.error(position, reason));
        }
    }
    Ok(())
}

/// The load that the table asks for.
pub(super) fn load(check: &Checker<'_>, spanned: &Spanned<FileLoad>) -> Checked<Load> {
    let file = spanned.get_ref();
    let clients = check.whole("clients", &file.clients, 1, i64::from(bounds::MAX_CLIENTS))?;
    only_its_own(check, file)?;
    match file.kind {
        FileLoadKind::Closed => closed(check, file, clients),
        FileLoadKind::Open => open(check, spanned, clients),
        FileLoadKind::Churn => {
            let requests = check.optional(
                "requests_per_connection",
                file.requests_per_connection.as_ref(),
                1_000_000,
            )?;
            Ok(Load::Churn { clients, requests_per_connection: requests.unwrap_or(1) })
        }
    }
}

fn closed(check: &Checker<'_>, file: &FileLoad, clients: u32) -> Checked<Load> {
    let think = file.think.as_ref().map_or(Duration::ZERO, |think| think.get_ref().0);
    let pipeline = file.pipeline.as_ref();
    match (pipeline, check.optional("pipeline", pipeline, i64::from(bounds::MAX_PIPELINE))?) {
        (Some(pipeline), Some(2..)) if !think.is_zero() => Err(check.at(
            pipeline,
            "`pipeline` and `think` exclude each other: a client that thinks between its requests has but one under way",
        )),
        (_, Some(depth @ 2..)) => Ok(Load::Pipelined { clients, depth }),
        _ => Ok(Load::Closed { clients, think }),
    }
}

fn open(check: &Checker<'_>, spanned: &Spanned<FileLoad>, clients: u32) -> Checked<Load> {
    let file = spanned.get_ref();
    let Some(rate) = &file.rate else {
        return Err(check.at(spanned, "an open load needs `rate`, in requests per second"));
    };
    let rate_per_s = rate.get_ref().0;
    let arrivals = file.arrivals.as_ref().map_or(Arrivals::Poisson, |a| *a.get_ref());
    let shape = match (&file.bursts, &file.surge) {
        (None, None) => RateShape::Steady,
        (Some(bursts), None) => {
            let FileBursts { on, off } = bursts.get_ref();
            RateShape::Bursts { on: on.0, off: off.0 }
        }
        (None, Some(surge)) => {
            let FileSurge { factor, after, lasting } = surge.get_ref();
            RateShape::Surge { factor: *factor, after: after.0, lasting: lasting.0 }
        }
        (Some(_), Some(surge)) => {
            let reason = "`bursts` and `surge` exclude each other: a rate changes in one way or the other";
            return Err(check.at(surge, reason));
        }
    };
    Ok(Load::Open { clients, rate_per_s, arrivals, shape })
}

/// The connections background the load.
pub(super) fn background(
    check: &Checker<'_>,
    spanned: Option<&Spanned<FileBackground>>,
) -> Checked<Background> {
    let Some(spanned) = spanned else { return Ok(Background::default()) };
    let file = spanned.get_ref();
    let count = |key: &str, value: Option<&Spanned<Whole>>, most| -> Checked<u32> {
        Ok(check.optional(key, value, most)?.unwrap_or(0))
    };
    let background = Background {
        idle: count("idle", file.idle.as_ref(), i64::from(bounds::MAX_CLIENTS))?,
        slow_readers: count("slow_readers", file.slow_readers.as_ref(), MAX_SLOW)?,
        slow_senders: count("slow_senders", file.slow_senders.as_ref(), MAX_SLOW)?,
    };
    if background.total() == 0 {
        return Err(
            check.at(spanned, "`[background]` asks for nobody; give idle, slow_readers or slow_senders")
        );
    }
    Ok(background)
}

/// Where in the file an error of the schedule comes from, if it is a key of the load.
pub(super) fn position(error: &ScheduleError, load: &Spanned<FileLoad>) -> usize {
    let file = load.get_ref();
    let key = match error {
        ScheduleError::Clients(_)
        | ScheduleError::Shard { .. }
        | ScheduleError::TooManyInBackground { .. } => at(Some(&file.clients)),
        ScheduleError::Rate(_) | ScheduleError::TooManyRequests { .. } => at(file.rate.as_ref()),
        ScheduleError::Pipeline(_) | ScheduleError::TooManyInFlight { .. } => at(file.pipeline.as_ref()),
        ScheduleError::Shape(_) => at(file.bursts.as_ref()).or_else(|| at(file.surge.as_ref())),
        ScheduleError::EmptySession => at(file.requests_per_connection.as_ref()),
        ScheduleError::TooLong { .. }
        | ScheduleError::NotOverTls(_)
        | ScheduleError::Zero(_)
        | ScheduleError::Size(_)
        | ScheduleError::Share(_)
        | ScheduleError::Demand(_) => None,
    };
    key.unwrap_or_else(|| load.span().start)
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;
    use bakeoff_servers::ServerConfig;

    /// A scenario with these lines behind `[load]`, from line 5 on.
    fn parse(lines: &str) -> Result<Scenario, super::super::ScenarioError> {
        let text = format!(
            "name = \"t\"\nabout = \"\"\nservice = \"hash\"\n[load]\n{lines}\n[request]\nsize = \"64 B\"\n\
             [trial]\nwindow = \"300ms\"\n"
        );
        Scenario::parse(&text.replacen("service", "merit = \"throughput\"\nservice", 1), "t.toml")
    }

    #[test]
    fn the_new_shapes_are_read() {
        let ms = Duration::from_millis;
        let load = |lines: &str| parse(lines).unwrap_or_else(|e| panic!("{lines}: {e}")).load;
        let piped = load("kind = \"closed\"\nclients = 4\npipeline = 16");
        assert_eq!(piped, Load::Pipelined { clients: 4, depth: 16 });
        let plain = load("kind = \"closed\"\nclients = 4\npipeline = 1\nthink = \"1ms\"");
        assert_eq!(plain, Load::Closed { clients: 4, think: ms(1) });
        let open = |shape| Load::Open { clients: 4, rate_per_s: 100.0, arrivals: Arrivals::Poisson, shape };
        let keys = "kind = \"open\"\nclients = 4\nrate = 100\n";
        assert_eq!(load(keys), open(RateShape::Steady));
        let bursts = load(&format!("{keys}bursts = {{ on = \"20ms\", off = \"80ms\" }}"));
        assert_eq!(bursts, open(RateShape::Bursts { on: ms(20), off: ms(80) }));
        let surge =
            load(&format!("{keys}surge = {{ factor = 3.0, after = \"100ms\", lasting = \"100ms\" }}"));
        assert_eq!(surge, open(RateShape::Surge { factor: 3.0, after: ms(100), lasting: ms(100) }));
        let background =
            parse("kind = \"churn\"\nclients = 1\n[background]\nidle = 9\nslow_senders = 2").expect("good");
        assert_eq!(background.background, Background { idle: 9, slow_readers: 0, slow_senders: 2 });
        assert_eq!(background.record(Vec::new(), &ServerConfig::for_cpus(1)).profile().idle_connections, 9);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        let closed = "kind = \"closed\"\nclients = 10\n";
        let open = "kind = \"open\"\nclients = 10\nrate = 100\n";
        for (line, lines, word) in [
            (8, format!("{closed}pipeline = 0"), "from 1 to 1024"),
            (8, format!("{closed}pipeline = 1025"), "from 1 to 1024"),
            (9, format!("{closed}think = \"1ms\"\npipeline = 2"), "exclude each other"),
            (9, "kind = \"closed\"\nclients = 1_000_000\n\npipeline = 1024".into(), "requests at once"),
            (9, format!("{open}pipeline = 2"), "no meaning in a load of kind \"open\""),
            (8, format!("{closed}surge = {{ factor = 2, after = \"0s\", lasting = \"1ms\" }}"), "no meaning"),
            (9, format!("{open}bursts = {{ on = \"20ms\", off = \"0s\" }}"), "zero"),
            (9, format!("{open}bursts = {{ on = \"0s\", off = \"20ms\" }}"), "zero"),
            (9, format!("{open}bursts = {{ on = \"1ms\", off = \"300ms\" }}"), "longer than the window"),
            (9, format!("{open}surge = {{ factor = 1.0, after = \"0s\", lasting = \"1ms\" }}"), "above 1"),
            (9, format!("{open}surge = {{ factor = 2, after = \"0s\", lasting = \"0s\" }}"), "zero"),
            (
                9,
                format!("{open}surge = {{ factor = 2, after = \"250ms\", lasting = \"51ms\" }}"),
                "does not lie within",
            ),
            (
                10,
                format!(
                    "{open}bursts = {{ on = \"1ms\", off = \"1ms\" }}\n\
                     surge = {{ factor = 2, after = \"0s\", lasting = \"1ms\" }}"
                ),
                "exclude each other",
            ),
            (8, format!("{closed}[background]"), "asks for nobody"),
            (9, format!("{closed}[background]\nidle = 0"), "from 1 to 1000000"),
            (9, format!("{closed}[background]\nslow_readers = 10_001"), "from 1 to 10000"),
            (7, format!("{closed}[background]\nidle = 1_000_000"), "the most together"),
            (9, format!("{closed}[background]\nlazy = 1"), "lazy"),
        ] {
            let error = parse(&lines).expect_err(&lines);
            assert!(error.reason.contains(word), "{lines}: {error}");
            assert_eq!(error.line, line, "{lines}: {error}");
        }
    }

    #[test]
    fn demands_that_are_none_are_refused_where_they_stand() {
        for (demand, word) in [
            ("{ kind = \"pareto\", least = \"1ms\", most = \"1ms\", shape = 1.0 }", "least < most"),
            ("{ kind = \"pareto\", least = \"1us\", most = \"1ms\", shape = 0.0 }", "`shape` is 0"),
            ("{ kind = \"pareto\", least = \"1us\", most = \"1ms\", shape = inf }", "`shape` is inf"),
            ("{ kind = \"pareto\", least = \"1us\", most = \"61s\", shape = 1.0 }", "at most"),
            ("{ kind = \"poison\", share = 0.5 }", "for the service poison"),
        ] {
            let text = format!(
                "name = \"t\"\nabout = \"\"\nservice = \"hash\"\nmerit = \"throughput\"\n[load]\n\
                 kind = \"closed\"\nclients = 1\n[request]\nsize = \"8 B\"\ndemand = {demand}\n"
            );
            let error = Scenario::parse(&text, "t.toml").expect_err(demand);
            assert!(error.reason.contains(word), "{demand}: {error}");
            assert_eq!(error.line, 10, "{demand}: {error}");
        }
    }
}
