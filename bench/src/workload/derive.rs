//! Scenarios made from another one: the text is read as a table, a few keys are set, and the result is parsed like any file.
//! So a derived scenario can be run again from its record, and keeps keys that this module knows nothing of.

use crate::workload::axis::Values;
use crate::workload::scenario::Scenario;
use crate::workload::units::show_duration;
use bakeoff_reports::record::{Axis, HttpExpectation, HttpRequest, SweepPoint};
use std::time::Duration;
use toml::{Table, Value};

/// Times to set instead of the scenario's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The measured window.
    pub window: Option<Duration>,
    /// The load before it.
    pub warmup: Option<Duration>,
}

/// The points of a sweep, in ascending order.
///
/// # Errors
/// A value that the scenario cannot take, as its file would be refused.
pub fn points(base: &Scenario, values: &Values, times: Times) -> Result<Vec<Scenario>, String> {
    values.values.iter().map(|value| point(base, values.axis, *value, times)).collect()
}

/// The scenario at one value of an axis.
///
/// # Errors
/// As [`points`].
pub fn point(base: &Scenario, axis: Axis, value: f64, times: Times) -> Result<Scenario, String> {
    let mut table = table_of(base)?;
    let name = match axis {
        Axis::Clients => format!("{} @ {value} clients", base.name),
        Axis::Rate => format!("{} @ {value}/s", base.name),
        Axis::Idle => format!("{} @ {value} idle", base.name),
        Axis::Cores => format!("{} @ {value} cores", base.name),
        Axis::Room => format!("{} @ {value} members", base.name),
    };
    table.insert("name".into(), Value::String(name.clone()));
    match axis {
        Axis::Clients => {
            section(&mut table, "load").insert("clients".into(), Value::Integer(value as i64));
        }
        Axis::Rate => {
            section(&mut table, "load").insert("rate".into(), Value::Float(value));
        }
        Axis::Idle => idle(&mut table, value as i64),
        Axis::Room => {
            section(&mut table, "audience").remove("size"); // all clients
            set_clients(&mut table, base, value as u32);
        }
        Axis::Cores => {
            section(&mut table, "server").insert("cpus".into(), Value::Integer(value as i64));
        }
    }
    set_times(&mut table, times);
    let sweep = SweepPoint { of: base.name.clone(), axis, value };
    // One figure along the whole sweep, whatever the requests of a point.
    parse(&table, &name).map(|scenario| Scenario { sweep: Some(sweep), merit: base.merit, ..scenario })
}

/// The scenario as an open loop: unchanged if it is one, else its connections asked by a Poisson schedule at `rate_per_s`.
///
/// # Errors
/// Churn, which has no schedule; or what its file would be refused for.
pub fn open_loop(base: &Scenario, rate_per_s: f64) -> Result<Scenario, String> {
    let mut table = table_of(base)?;
    let load = section(&mut table, "load");
    match load.get("kind").and_then(Value::as_str) {
        Some("open") => return Ok(base.clone()),
        Some("closed") => {}
        _ => {
            return Err(format!(
                "the scenario `{}` opens a connection for each session, and no schedule says when, so there is no rate to \
                 search; sweep its clients with `bakeoff sweep`, or take an open or closed loop",
                base.name
            ));
        }
    }
    // What only a closed loop has; its clients stay as the pool of connections.
    load.retain(|key, _| key == "clients");
    load.insert("kind".into(), Value::String("open".into()));
    load.insert("rate".into(), Value::Float(rate_per_s));
    parse(&table, &base.name)
}

/// The scenario with more connections; a pool that has a worker for each of the scenario's own keeps one for each.
///
/// # Errors
/// What its file would be refused for.
pub fn with_clients(base: &Scenario, clients: u32) -> Result<Scenario, String> {
    let mut table = table_of(base)?;
    set_clients(&mut table, base, clients);
    parse(&table, &base.name)
}

fn set_clients(table: &mut Table, base: &Scenario, clients: u32) {
    section(table, "load").insert("clients".into(), Value::Integer(clients.into()));
    if base.server.config(1).pool_workers >= base.load.clients() as usize {
        section(table, "server").insert("pool_workers".into(), Value::Integer(clients.into()));
    }
}

/// The load of a scenario with another request, for contestants that are named elsewhere: those of the scenario serve its own.
///
/// # Errors
/// What its file would be refused for, such as pipelining.
pub fn asking(base: &Scenario, request: &HttpRequest) -> Result<Scenario, String> {
    let mut table = table_of(base)?;
    let name = format!("{}: {request}", base.name);
    for (key, text) in [
        ("name", name.clone()),
        ("about", format!("{request}, under the load of {}", base.name)),
        ("service", "http".into()),
    ] {
        table.insert(key.into(), Value::String(text));
    }
    for of_its_own in ["models", "also", "audience"] {
        table.remove(of_its_own);
    }
    let http = [("http".to_owned(), Value::Table(spelled_out(request)))];
    table.insert("request".into(), Value::Table(http.into_iter().collect()));
    parse(&table, &name)
}

/// The table `[request.http]` of a request.
fn spelled_out(request: &HttpRequest) -> Table {
    let text = |text: &String| Value::String(text.clone());
    let list = |all: &[String]| Value::Array(all.iter().map(text).collect());
    let fields = |all: &[(String, String)]| {
        Value::Table(all.iter().map(|(name, value)| (name.clone(), text(value))).collect())
    };
    let HttpExpectation { statuses, length, headers, same_body } = &request.expect;
    let statuses: Vec<String> = statuses.iter().map(|one| format!("{}-{}", one.start(), one.end())).collect();
    let mut expect: Table = [
        ("status".to_owned(), list(&statuses)),
        ("headers".to_owned(), fields(headers)),
        ("same_body".to_owned(), Value::Boolean(*same_body)),
    ]
    .into_iter()
    .collect();
    expect.extend(length.map(|length| ("length".to_owned(), Value::Integer(length as i64))));
    [
        ("method".to_owned(), text(&request.method)),
        ("paths".to_owned(), list(&request.paths)),
        ("headers".to_owned(), fields(&request.headers)),
        ("body".to_owned(), text(&request.body)),
        ("expect".to_owned(), Value::Table(expect)),
    ]
    .into_iter()
    .collect()
}

/// The scenario with other times.
///
/// # Errors
/// What its file would be refused for.
pub fn with_times(base: &Scenario, times: Times) -> Result<Scenario, String> {
    if times == Times::default() {
        return Ok(base.clone());
    }
    let mut table = table_of(base)?;
    set_times(&mut table, times);
    parse(&table, &base.name)
}

fn table_of(base: &Scenario) -> Result<Table, String> {
    base.toml.parse().map_err(|e| format!("the text of the scenario `{}` is no TOML: {e}", base.name))
}

fn section<'a>(table: &'a mut Table, name: &str) -> &'a mut Table {
    let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    entry.as_table_mut().expect("made a table above")
}

/// No idle connections is said by leaving the key out.
fn idle(table: &mut Table, connections: i64) {
    if let Some(old_name) = table.remove("beside") {
        table.insert("background".into(), old_name);
    }
    let background = section(table, "background");
    match connections {
        0 => background.remove("idle"),
        some => background.insert("idle".into(), Value::Integer(some)),
    };
    if background.is_empty() {
        table.remove("background");
    }
}

fn set_times(table: &mut Table, times: Times) {
    for (key, time) in [("window", times.window), ("warmup", times.warmup)] {
        if let Some(time) = time {
            section(table, "trial").insert(key.into(), Value::String(show_duration(time)));
        }
    }
}

fn parse(table: &Table, name: &str) -> Result<Scenario, String> {
    let text = toml::to_string(table).map_err(|e| format!("writing the scenario `{name}` failed: {e}"))?;
    Scenario::parse(&text, name).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::load::Load;
    use crate::workload::scenario::BUILT_IN;

    #[test]
    fn every_built_in_scenario_can_be_swept_and_its_points_parse_back() {
        for built_in in BUILT_IN {
            let base = Scenario::built_in(built_in.name).expect("built in");
            // Longer than any window of the catalogue: bursts and surges must still fit.
            let window = 2 * base.timing.window;
            let times = Times { window: Some(window), warmup: Some(Duration::from_millis(20)) };
            // Members of a chat come in circles of one size.
            let clients = if base.audience.is_some() { 20 } else { 3 };
            let point = point(&base, Axis::Clients, clients.into(), times).expect(built_in.name);
            assert_eq!(point.name, format!("{} @ {clients} clients", base.name));
            assert_eq!((point.load.clients(), point.timing.window), (clients, window));
            assert_eq!(
                (&point.request, &point.server, point.merit),
                (&base.request, &base.server, base.merit)
            );
            let place = point.sweep.clone().expect("a point");
            assert_eq!((place.of, place.axis, place.value), (base.name, Axis::Clients, f64::from(clients)));
            let back = Scenario::parse(&point.toml, "test").expect("parses back");
            assert_eq!(Scenario { sweep: point.sweep.clone(), merit: base.merit, ..back }, point);
        }
    }

    #[test]
    fn a_load_asks_what_is_spelled_out_and_keeps_it() {
        let request = HttpRequest {
            method: "POST".into(),
            paths: vec!["/a?b=\"1\"".into(), "/c".into()],
            headers: vec![("content-type".into(), "application/json".into())],
            body: "{\"ä\":\n1}".into(),
            expect: HttpExpectation {
                statuses: vec![200..=204, 404..=404],
                length: Some(9),
                headers: vec![("etag".into(), "W/\"x\"".into())],
                same_body: true,
            },
        };
        let refused = ["pipelined", "churn-tls", "churn-tls-resumed"];
        for built_in in BUILT_IN.iter().filter(|built_in| !refused.contains(&built_in.name)) {
            let base = Scenario::built_in(built_in.name).expect("built in");
            if !base.transport.is_tcp() {
                assert!(asking(&base, &request).expect_err(built_in.name).contains("http needs connections"));
                continue;
            }
            let asking = asking(&base, &request).expect(built_in.name);
            assert_eq!(asking.request.http.as_ref(), Some(&request), "{}", built_in.name);
            assert_eq!((&asking.load, asking.timing, &asking.models), (&base.load, base.timing, &None));
            let point = point(&asking, Axis::Clients, 3.0, Times::default()).expect(built_in.name);
            assert_eq!(point.request, asking.request);
        }
        for (name, key) in refused.into_iter().zip(["`pipeline`", "`tls`", "`tls`"]) {
            let base = Scenario::built_in(name).expect("built in");
            assert!(asking(&base, &request).expect_err(name).contains(key), "{name}");
        }
    }

    #[test]
    fn a_rate_is_set_in_the_schedule_and_a_closed_loop_becomes_an_open_one() {
        let base = Scenario::built_in("small-echo-open").expect("built in");
        let point = point(&base, Axis::Rate, 1_234.5, Times::default()).expect("open");
        assert_eq!(point.load.stated_rate(), Some(1_234.5));
        assert_eq!(open_loop(&base, 9.0).expect("open"), base, "an open loop keeps its own rate");
        let closed = Scenario::built_in("small-echo-closed").expect("built in");
        let Load::Open { clients, rate_per_s, .. } = open_loop(&closed, 500.0).expect("closed").load else {
            panic!("an open loop")
        };
        assert_eq!((clients, rate_per_s), (closed.load.clients(), 500.0));
        let churn = Scenario::built_in("churn").expect("built in");
        assert!(open_loop(&churn, 500.0).expect_err("churn").contains("bakeoff sweep"));
    }

    #[test]
    fn cores_are_a_key_of_the_server_and_its_workers_follow_them_unless_they_are_set() {
        let at = |name: &str| {
            let base = Scenario::built_in(name).expect("built in");
            point(&base, Axis::Cores, 3.0, Times::default()).expect("a point").server
        };
        let open = at("small-echo-closed");
        assert_eq!(
            (open.cpus, open.config(3).runtime_workers, open.config(3).compute_workers),
            (Some(3), 3, 3)
        );
        // It compares models at one budget of threads, which its file states.
        let set = at("compute-bimodal");
        assert_eq!((set.cpus, set.config(3).pool_workers, set.config(3).compute_workers), (Some(3), 64, 64));
    }

    #[test]
    fn a_room_has_all_clients_and_a_pool_a_worker_for_each() {
        for name in ["chat-room-100", "chat-groups"] {
            let base = Scenario::built_in(name).expect("built in");
            let point = point(&base, Axis::Room, 7.0, Times::default()).expect(name);
            let audience = point.audience.expect("it has one");
            assert_eq!((audience.size, point.load.clients()), (7, 7), "{name}");
            assert_eq!(point.server.config(1).pool_workers, 7, "{name}");
            assert_eq!(point.load.stated_rate(), base.load.stated_rate());
        }
    }

    #[test]
    fn idle_connections_are_a_key_beside_the_load_and_none_is_no_key() {
        let mut table: Table = "[background]\nslow_readers = 8\n".parse().expect("TOML");
        idle(&mut table, 2_000);
        assert_eq!(toml::to_string(&table).expect("TOML"), "[background]\nidle = 2000\nslow_readers = 8\n");
        idle(&mut table, 0);
        assert_eq!(toml::to_string(&table).expect("TOML"), "[background]\nslow_readers = 8\n");
        let mut table = Table::new();
        idle(&mut table, 0);
        assert!(table.is_empty());
    }

    #[test]
    fn a_value_that_the_scenario_cannot_take_is_refused_as_its_file_would_be() {
        let base = Scenario::built_in("churn").expect("built in");
        let error = point(&base, Axis::Clients, 2e6, Times::default()).expect_err("too many");
        assert!(error.contains("1000000"), "{error}");
    }
}
