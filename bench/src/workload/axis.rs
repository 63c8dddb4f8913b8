//! The values of a sweep as people write them: `clients=1,4,16`, `rate=1k..50k:8`, `idle`.

use crate::workload::scenario::Scenario;
use crate::workload::units::parse_number;
use bakeoff_reports::record::{AudienceKind, Axis};
use bakeoff_reports::show::{units, words};

/// Points of a range that does not say how many.
const POINTS: usize = 7;
/// The most points of a sweep: each is a trial of every model in every round.
const MOST_POINTS: usize = 64;
/// Clients of a sweep that says no more.
const CLIENTS: (f64, f64) = (1.0, 256.0);
/// Idle connections of a sweep that says no more; without any first, and from there on geometric.
const IDLE: [f64; 4] = [0.0, 250.0, 1_000.0, 4_000.0];
/// Members of the room in a sweep that says no more, as far as others' limits allow.
const ROOM: (f64, f64) = (10.0, 2_000.0);
/// The most deliveries and bytes per second that such a sweep asks for: about twice what one server thread has been seen to do.
const MOST_DELIVERIES_PER_S: f64 = 400_000.0;
const MOST_BYTES_PER_S: f64 = 100e6;
/// Rates of a sweep that says no more, as multiples of the scenario's own.
const RATES: (f64, f64) = (0.125, 2.0);

/// An axis with its values, ascending.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// The parameter.
    pub axis: Axis,
    /// The points.
    pub values: Vec<f64>,
}

/// Reads the axis and its values, for a scenario that gives what the text leaves out, on a machine of so many CPUs, of which a quota keeps
/// no more than `granted` busy.
///
/// # Errors
/// An unknown axis, values that do not ascend, too few or too many of them, numbers out of range, a rate where the load has
/// none, more cores than CPUs: what is wrong and what would be right.
pub fn parse(text: &str, scenario: &Scenario, cpus: usize, granted: usize) -> Result<Values, String> {
    let (name, given) = match text.split_once('=') {
        Some((name, given)) => (name.trim(), Some(given.trim())),
        None => (text.trim(), None),
    };
    let axis = match name {
        "clients" => Axis::Clients,
        "rate" => Axis::Rate,
        "idle" => Axis::Idle,
        "cores" => Axis::Cores,
        "room" => Axis::Room,
        _ => {
            let known = ["clients", "rate", "idle", "cores", "room"].into_iter();
            return Err(crate::suggest::unknown("axis", name, known));
        }
    };
    let own_rate = scenario.load.stated_rate();
    if axis == Axis::Rate && own_rate.is_none() {
        return Err(format!(
            "the scenario `{}` has no rate to sweep: {}, so the server sets the pace. Sweep `clients`, or find the highest \
             rate under an objective with `bakeoff capacity`, which asks by a schedule",
            scenario.name,
            words::workload::load(&scenario.load)
        ));
    }
    check_room(axis, scenario)?;
    let values = match given {
        None => defaults(axis, scenario, cpus.min(granted)),
        Some(given) => match given.split_once("..") {
            Some((low, rest)) => range(axis, low, rest)?,
            None => given.split(',').map(|one| number(axis, one)).collect::<Result<_, _>>()?,
        },
    };
    if let Some(most) = values.iter().find(|most| axis == Axis::Cores && **most > cpus as f64) {
        return Err(format!(
            "`{text}`: {most} cores are more than there are: servers may use {} here",
            units::plural(cpus as u64, "CPU")
        ));
    }
    check(axis, text, values).map(|values| Values { axis, values })
}

/// Only messages to a room or a group have hearers whose number can be varied; and then it is not the number of clients that is.
fn check_room(axis: Axis, scenario: &Scenario) -> Result<(), String> {
    let name = &scenario.name;
    let room = scenario.audience.filter(|audience| audience.kind != AudienceKind::One);
    match axis {
        Axis::Room if room.is_none() => Err(format!(
            "the scenario `{name}` has no room or group to sweep; take one that has, such as chat-room-100"
        )),
        Axis::Clients if room.is_some_and(|room| room.size == scenario.load.clients()) => {
            Err(format!("in `{name}` all clients are in one room: sweep `room`, whose members they are"))
        }
        _ => Ok(()),
    }
}

fn defaults(axis: Axis, scenario: &Scenario, cpus: usize) -> Vec<f64> {
    let own_rate = scenario.load.stated_rate();
    match axis {
        // Doubled as long as the other half is left to the swarm.
        Axis::Cores => {
            let doubled = std::iter::successors(Some(1_usize), |cores| Some(cores * 2));
            doubled.take_while(|cores| *cores <= (cpus / 2).max(2)).map(|cores| cores as f64).collect()
        }
        Axis::Clients => whole(geometric(CLIENTS.0, CLIENTS.1, POINTS)),
        Axis::Room => rooms(own_rate.unwrap_or(1.0), scenario.request.size),
        Axis::Idle => IDLE.to_vec(),
        Axis::Rate => {
            let rate = own_rate.unwrap_or_default();
            geometric(rate * RATES.0, rate * RATES.1, POINTS)
        }
    }
}

/// Rooms up to the most that a server may be able to serve.
fn rooms(rate_per_s: f64, bytes: u32) -> Vec<f64> {
    let most = (MOST_DELIVERIES_PER_S / rate_per_s).min(MOST_BYTES_PER_S / rate_per_s / f64::from(bytes));
    let high = most.floor().clamp(8.0, ROOM.1);
    whole(geometric(ROOM.0.min((high / 4.0).floor()), high, POINTS))
}

fn range(axis: Axis, low: &str, rest: &str) -> Result<Vec<f64>, String> {
    let (high, points) = match rest.split_once(':') {
        Some((high, points)) => {
            let count = points.trim().parse::<usize>().ok().filter(|count| (2..=MOST_POINTS).contains(count));
            let refuse = || {
                format!(
                    "`{points}` points: a range takes a whole number from 2 to {MOST_POINTS}, as in 1..256:9"
                )
            };
            (high, count.ok_or_else(refuse)?)
        }
        None => (rest, POINTS),
    };
    let (low, high) = (number(axis, low)?, number(axis, high)?);
    if low >= high {
        return Err(format!("the range {low}..{high} does not ascend; write the smaller value first"));
    }
    if low <= 0.0 {
        return Err(
            "a range is geometric and cannot begin at 0; list the values, as in idle=0,1000,4000".into()
        );
    }
    let values = geometric(low, high, points);
    Ok(if axis == Axis::Rate { values } else { whole(values) })
}

/// Values with one ratio between neighbours, both ends exactly, rates to four digits.
fn geometric(low: f64, high: f64, points: usize) -> Vec<f64> {
    let last = (points - 1) as f64;
    let at = |at: usize| match at {
        0 => low,
        at if at + 1 == points => high,
        at => four_digits(low * (high / low).powf(at as f64 / last)),
    };
    (0..points).map(at).collect()
}

pub(crate) fn four_digits(value: f64) -> f64 {
    let unit = 10_f64.powf(value.log10().floor() - 3.0);
    let digits = (value / unit).round();
    // Dividing by a whole number keeps a decimal such as 1234 or 12.34 exact; multiplying by 0.01 would not.
    if unit < 1.0 { digits / (1.0 / unit).round() } else { digits * unit.round() }
}

/// Whole numbers, each once.
fn whole(values: Vec<f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().map(f64::round).collect();
    values.dedup();
    values
}

/// A number with the suffix k or M.
pub fn number(axis: Axis, text: &str) -> Result<f64, String> {
    let text = text.trim();
    let value = parse_number(text)?;
    match axis {
        Axis::Rate if value <= 0.0 => {
            Err(format!("a rate of {text} requests per second; it must be above zero"))
        }
        Axis::Clients if value < 1.0 || value.fract() != 0.0 => {
            Err(format!("{text} clients; it must be a whole number from 1 on"))
        }
        Axis::Cores if value < 1.0 || value.fract() != 0.0 => {
            Err(format!("{text} cores; it must be a whole number from 1 on"))
        }
        Axis::Room if value < 2.0 || value.fract() != 0.0 => {
            Err(format!("a room of {text}; it must be a whole number from 2 on"))
        }
        Axis::Idle if value < 0.0 || value.fract() != 0.0 => {
            Err(format!("{text} idle connections; it must be a whole number from 0 on"))
        }
        _ => Ok(value),
    }
}

fn check(axis: Axis, text: &str, values: Vec<f64>) -> Result<Vec<f64>, String> {
    if let Some(pair) = values.windows(2).find(|pair| pair[0] >= pair[1]) {
        let what = if pair[0] == pair[1] { "is listed twice" } else { "does not ascend" };
        return Err(format!(
            "`{text}`: {} after {} {what}; list each value once, the smallest first",
            pair[1], pair[0]
        ));
    }
    match values.len() {
        0 | 1 => Err(format!("`{text}` is one point; a sweep over {} takes at least two", axis.label())),
        2..=MOST_POINTS => Ok(values),
        many => Err(format!("`{text}` has {many} points; {MOST_POINTS} are the most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(name: &str) -> Scenario {
        Scenario::built_in(name).expect("built in")
    }

    fn values(text: &str) -> Result<Vec<f64>, String> {
        parse(text, &built_in("small-echo-open"), 8, 8).map(|values| values.values)
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(values("clients=1,4, 16"), Ok(vec![1.0, 4.0, 16.0]));
        assert_eq!(values("clients = 1..256:9"), Ok((0..9).map(|at| 2_f64.powi(at)).collect()));
        assert_eq!(values("rate=1k..8k:4"), Ok(vec![1_000.0, 2_000.0, 4_000.0, 8_000.0]));
        assert_eq!(values("idle=0,1k"), Ok(vec![0.0, 1_000.0]));
        assert_eq!(values("cores=1..8:4"), Ok(vec![1.0, 2.0, 4.0, 8.0]));
        assert_eq!(values("clients=1..3:9"), Ok(vec![1.0, 2.0, 3.0]), "whole numbers, each once");
    }

    #[test]
    fn rooms_are_swept_by_their_members_and_nothing_else_is() {
        let of = |text: &str, name: &str| parse(text, &built_in(name), 8, 8).map(|values| values.values);
        assert_eq!(of("room=2,100", "chat-room-100"), Ok(vec![2.0, 100.0]));
        let ends = |name: &str| {
            let usual = of("room", name).expect("a sensible one");
            (usual[0], usual[usual.len() - 1])
        };
        assert_eq!(ends("chat-room-100"), (10.0, 2_000.0));
        assert_eq!(ends("chat-groups"), (10.0, 400.0), "1,000 messages/s");
        assert_eq!(ends("chat-slow-hearer"), (6.0, 24.0), "1,000/s of 4 KiB");
        assert_eq!(of("clients=20,100", "chat-groups"), Ok(vec![20.0, 100.0]), "more groups of ten");
        for (text, name, words) in [
            ("room=1,100", "chat-room-100", "from 2 on"),
            ("room", "chat-whisper", "no room or group"),
            ("clients", "chat-room-100", "sweep `room`"),
        ] {
            let error = of(text, name).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_left_out_is_geometric_and_ascends() {
        let own = built_in("small-echo-open").load.stated_rate().expect("open");
        for text in ["clients", "rate", "idle"] {
            let values = values(text).expect(text);
            assert!(
                (4..=9).contains(&values.len()) && values.windows(2).all(|pair| pair[0] < pair[1]),
                "{values:?}"
            );
        }
        let under = |cpus, quota| parse("cores", &built_in("churn"), cpus, quota).map(|values| values.values);
        let cores = |cpus| under(cpus, usize::MAX);
        assert_eq!(cores(2), Ok(vec![1.0, 2.0]), "half of it would be no curve");
        assert_eq!(cores(64), Ok(vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0]));
        assert_eq!(under(64, 2), Ok(vec![1.0, 2.0]), "no more than a quota grants");
        assert_eq!(under(64, 9), Ok(vec![1.0, 2.0, 4.0]));
        assert!(cores(1).is_err_and(|why| why.contains("servers may use 1 CPU here")));
        let rates = values("rate").expect("open");
        assert!(rates[0] < own && own < rates[6], "{rates:?} around {own}");
    }

    #[test]
    fn bad_values_are_refused_with_what_would_be_right() {
        for (text, words) in [
            ("cleints=1,2", "did you mean `clients`"),
            ("room=10,20", "has no room"),
            ("clients=4,1", "does not ascend"),
            ("clients=4,4", "twice"),
            ("clients=4", "at least two"),
            ("clients=", "not a number"),
            ("clients=1,two", "not a number"),
            ("clients=0,2", "from 1 on"),
            ("clients=1.5,2", "whole number"),
            ("rate=0,100", "above zero"),
            ("rate=8k..1k", "smaller value first"),
            ("rate=1k..8k:1", "from 2 to 64"),
            ("cores=0,2", "from 1 on"),
            ("cores=4", "at least two"),
            ("cores=2,16", "servers may use 8 CPUs"),
            ("idle=0..4k", "cannot begin at 0"),
            ("idle=-1,4", "from 0 on"),
            ("rate=1..inf", "not a number"),
        ] {
            let error = values(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        let error = parse("rate=1k,2k", &built_in("small-echo-closed"), 8, 8).expect_err("closed");
        assert!(error.contains("bakeoff capacity") && error.contains("closed loop"), "{error}");
    }
}
