//! How well an open loop keeps its schedule at half the rate that a closed loop reaches, and whether the response times
//! it reports are those that a bare ping-pong sees on the same server and CPUs.

use crate::measure::{Server, Stage};
use bakeoff::load::{Arrivals, Load};
use bakeoff_reports::histogram::Recorder;
use bakeoff_reports::record::EncodedHistogram;
use bakeoff_reports::statistics::bootstrap::median_interval;
use bakeoff_reports::statistics::median;
use bakeoff_reports::statistics::paired::{Better, factor};
use bakeoff_reports::statistics::quantile::Distribution;
use bakeoff_reports::statistics::random::Random;
use std::time::Duration;

/// What a filter on the command line finds the section by.
pub(crate) const NAME: &str = "lag";
/// Connections of the closed and of the open loop.
const CONNECTIONS: u32 = 64;
/// The null server: nothing faster is at hand.
const SERVER: Server = Server::Control("epoll");
/// The dispatch lag that 99 % of requests should stay below, in microseconds.
const MOST_LAG_US: f64 = 50.0;

/// One round, in requests per second and microseconds.
struct Round {
    ceiling: f64,
    dispatch_p99: f64,
    send_p99: f64,
    response_p50: f64,
    /// One client in a closed loop of the swarm.
    alone_p50: f64,
    /// The bare blocking client.
    ping_pong_p50: f64,
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
    let (mut open, mut alone, mut bare) = (None, None, None);
    let first = random.below(3);
    for turn in 0..3 {
        match (first + turn) % 3 {
            0 => {
                let load = Load::Open {
                    clients: CONNECTIONS,
                    rate_per_s: ceiling / 2.0,
                    arrivals: Arrivals::Poisson,
                };
                open = Some(stage.by_swarm(SERVER, load, u64::from(round))?);
            }
            1 => alone = Some(stage.by_swarm(SERVER, closed(1), 1)?),
            _ => bare = stage.by_bare_client(SERVER, 1, true)?.p50_ns,
        }
    }
    let (open, alone) = (open.expect("each had its turn"), alone.expect("each had its turn"));
    let bare = bare.ok_or("the ping-pong completed no exchange in the window: give a longer one")?;
    Ok(Round {
        ceiling,
        dispatch_p99: quantile_us(&open.dispatch_lag, open.dispatch_lag.count, 0.99)?,
        send_p99: quantile_us(&open.send_lag, open.send_lag.count, 0.99)?,
        response_p50: quantile_us(&open.response, open.counts.sent, 0.5)?,
        alone_p50: quantile_us(&alone.response, alone.counts.sent, 0.5)?,
        ping_pong_p50: bare as f64 / 1_000.0,
    })
}

fn quantile_us(histogram: &EncodedHistogram, sent: u64, p: f64) -> Result<f64, String> {
    let recorder = Recorder::decode(histogram).map_err(|e| e.to_string())?;
    let ns = Distribution::new(&recorder, sent).quantile(p).ns();
    ns.map(|ns| ns / 1_000.0)
        .ok_or(format!("{sent} requests are too few for a quantile at {p}: give a longer window"))
}

fn print(rounds: &[Round]) {
    let of = |figure: fn(&Round) -> f64| rounds.iter().map(figure).collect::<Vec<_>>();
    let middle = |values: &[f64]| median(values).unwrap_or(f64::NAN);
    println!(
        "\nlag: open loop, Poisson, {CONNECTIONS} connections, 64 B echo, half of {:.0} requests/s",
        middle(&of(|r| r.ceiling))
    );
    println!("  {:<46} {:>7}  95 % interval", "", "median");
    let times: [(&str, Vec<f64>, Option<f64>); 5] = [
        ("dispatch lag p99, us", of(|r| r.dispatch_p99), Some(MOST_LAG_US)),
        ("send lag p99, us", of(|r| r.send_p99), None),
        ("response p50, us", of(|r| r.response_p50), None),
        ("one client of the swarm, p50, us", of(|r| r.alone_p50), None),
        ("bare blocking ping-pong p50, us", of(|r| r.ping_pong_p50), None),
    ];
    for (name, values, most) in times {
        let mut random = Random::named(1, &[name]);
        let Some((low, high)) = median_interval(&values, &mut random) else { continue };
        let verdict = match most {
            None => String::new(),
            Some(most) if high < most => format!("  below {most:.0}: met"),
            Some(most) if low >= most => format!("  below {most:.0}: missed"),
            Some(most) => format!("  below {most:.0}: undecided"),
        };
        println!("  {name:<46} {:>7.2}  [{low:.2}, {high:.2}]{verdict}", middle(&values));
    }
    let bare: Vec<_> = rounds.iter().map(|r| Some(r.ping_pong_p50)).collect();
    let ratios: [(&str, Vec<_>); 2] = [
        ("response p50 / ping-pong p50", rounds.iter().map(|r| Some(r.response_p50)).collect()),
        ("one client of the swarm / ping-pong p50", rounds.iter().map(|r| Some(r.alone_p50)).collect()),
    ];
    for (name, subject) in ratios {
        let mut random = Random::named(1, &[name]);
        let Some(ratio) = factor(&subject, &bare, Better::More, &mut random) else { continue };
        println!("  {name:<46} {:>7.3}  [{:.3}, {:.3}]", ratio.median, ratio.low, ratio.high);
    }
    println!("  {} rounds", rounds.len());
}
