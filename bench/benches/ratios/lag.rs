//! How well an open loop keeps its schedule at half the rate that a closed loop reaches, and whether the response times
//! it reports are those that a bare ping-pong sees on the same server and CPUs.

use crate::controls::Kind;
use crate::measure::{Server, Stage};
use bakeoff::workload::load::{Arrivals, Load, RateShape};
use bakeoff_reports::record::EncodedHistogram;
use bakeoff_reports::record::histogram::Recorder;
use bakeoff_reports::stats::bootstrap::median_interval;
use bakeoff_reports::stats::median;
use bakeoff_reports::stats::paired::{Better, factor};
use bakeoff_reports::stats::quantile::Distribution;
use bakeoff_reports::stats::random::Random;
use std::time::Duration;

/// What a filter on the command line finds the section by.
pub(crate) const NAME: &str = "lag";
/// Connections of the closed and of the open loop.
pub(crate) const CONNECTIONS: u32 = 64;
/// The null server: nothing faster is at hand.
const SERVER: Server = Server::Control("epoll");
/// The dispatch lag that 99 % of requests should stay below, in microseconds.
const MOST_LAG_US: f64 = 50.0;

/// Requests per second at the least: on a machine so busy that a short closed loop got next to nothing, there is still a
/// schedule to keep.
const LEAST_RATE: f64 = 1_000.0;

/// One round, in requests per second and microseconds; absent where there were too few requests to tell.
struct Round {
    ceiling: f64,
    dispatch_p99: Option<f64>,
    send_p99: Option<f64>,
    response_p50: Option<f64>,
    /// A loop that only looks at the clock.
    clock_p99: Option<f64>,
    /// One client in a closed loop of the swarm.
    alone_p50: Option<f64>,
    /// The bare blocking client.
    ping_pong_p50: Option<f64>,
}

/// Measures and prints.
pub(crate) fn run(stage: &Stage, rounds: u32) -> Result<(), String> {
    let mut random = Random::named(7, &[NAME]);
    let rounds = (0..rounds).map(|round| measure(stage, round, &mut random));
    print(&rounds.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}

/// The ceiling first, for the rate depends on it; the rest in an order by chance.
fn measure(stage: &Stage, round: u32, random: &mut Random) -> Result<Round, String> {
    let closed = |clients| Load::Closed { clients, think: Duration::ZERO };
    let ceiling = stage.by_swarm(SERVER, closed(CONNECTIONS), 1)?;
    let ceiling = ceiling.completed_in_window as f64 / (ceiling.window_ns as f64 / 1e9);
    let rate_per_s = (ceiling / 2.0).max(LEAST_RATE);
    let (mut open, mut alone, mut ping_pong, mut clock) = (None, None, None, None);
    let first = random.below(4);
    for turn in 0..4 {
        match (first + turn) % 4 {
            0 => {
                let load = Load::Open {
                    clients: CONNECTIONS,
                    rate_per_s,
                    arrivals: Arrivals::Poisson,
                    shape: RateShape::Steady,
                };
                open = Some(stage.by_swarm(SERVER, load, u64::from(round))?);
            }
            1 => alone = Some(stage.by_swarm(SERVER, closed(1), 1)?),
            2 => ping_pong = stage.by_bare_client(SERVER, 1, Kind::PingPong)?.times,
            _ => clock = stage.by_bare_client(SERVER, 1, Kind::Clock { rate_per_s })?.times,
        }
    }
    let (Some(open), Some(alone), Some(ping_pong), Some(clock)) = (open, alone, ping_pong, clock) else {
        return Err("a client returned no times".into());
    };
    Ok(Round {
        ceiling,
        dispatch_p99: quantile_us(&open.dispatch_lag, open.dispatch_lag.count, 0.99)?,
        send_p99: quantile_us(&open.send_lag, open.send_lag.count, 0.99)?,
        response_p50: quantile_us(&open.response, open.counts.sent, 0.5)?,
        clock_p99: quantile_us(&clock, clock.count, 0.99)?,
        alone_p50: quantile_us(&alone.response, alone.counts.sent, 0.5)?,
        ping_pong_p50: quantile_us(&ping_pong, ping_pong.count, 0.5)?,
    })
}

fn quantile_us(histogram: &EncodedHistogram, sent: u64, p: f64) -> Result<Option<f64>, String> {
    let recorder = Recorder::decode(histogram).map_err(|e| e.to_string())?;
    Ok(Distribution::new(&recorder, sent).quantile(p).ns().map(|ns| ns / 1_000.0))
}

fn print(rounds: &[Round]) {
    let of = |figure: fn(&Round) -> Option<f64>| rounds.iter().map(figure).collect::<Vec<_>>();
    let ceilings: Vec<_> = rounds.iter().map(|round| round.ceiling).collect();
    println!(
        "\nlag: open loop, Poisson, {CONNECTIONS} connections, 64 B echo, half of {:.0} requests/s",
        median(&ceilings).unwrap_or(f64::NAN)
    );
    println!("  {:<46} {:>7}  95 % interval", "", "median");
    print_time("dispatch lag p99, us", &of(|r| r.dispatch_p99), Some(MOST_LAG_US));
    print_time("a loop that only looks at the clock, p99, us", &of(|r| r.clock_p99), None);
    print_time("send lag p99, us", &of(|r| r.send_p99), None);
    print_time("response p50, us", &of(|r| r.response_p50), None);
    print_time("one client of the swarm, p50, us", &of(|r| r.alone_p50), None);
    print_time("bare blocking ping-pong p50, us", &of(|r| r.ping_pong_p50), None);
    let bare = of(|r| r.ping_pong_p50);
    let subjects = [
        ("response p50 / ping-pong p50", of(|r| r.response_p50)),
        ("one client of the swarm / ping-pong p50", of(|r| r.alone_p50)),
    ];
    for (name, subject) in subjects {
        let mut random = Random::named(1, &[name]);
        match factor(&subject, &bare, Better::More, &mut random) {
            Some(ratio) => {
                println!("  {name:<46} {:>7.3}  [{:.3}, {:.3}]", ratio.median, ratio.low, ratio.high);
            }
            None => println!("  {name:<46}  absent: too few requests"),
        }
    }
    println!("  {} rounds", rounds.len());
}

/// Prints a line of microseconds; `most` is what they should stay below.
fn print_time(name: &str, values: &[Option<f64>], most: Option<f64>) {
    let values: Vec<f64> = values.iter().copied().flatten().collect();
    let mut random = Random::named(1, &[name]);
    let interval = median_interval(&values, &mut random);
    let (Some(middle), Some((low, high))) = (median(&values), interval) else {
        return println!("  {name:<46}  absent: too few requests");
    };
    let verdict = match most {
        None => String::new(),
        Some(most) if high < most => format!("  below {most:.0}: met"),
        Some(most) if low >= most => format!("  below {most:.0}: missed"),
        Some(most) => format!("  below {most:.0}: undecided"),
    };
    println!("  {name:<46} {middle:>7.2}  [{low:.2}, {high:.2}]{verdict}");
}
