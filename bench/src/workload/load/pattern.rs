//! How the rate of an open loop changes over time, and who is connected beside the clients that are measured.
//!
//! A changing rate is a change of clock: arrivals are made at the constant rate in *operational time*, which runs faster
//! where the rate is higher and stands still where nothing is due, and each is put at the real time that its operational
//! time stands for (Çinlar, "Introduction to Stochastic Processes", 1975, chapter 4). Fixed gaps stay evenly spaced in it,
//! Poisson arrivals stay Poisson, and no draw is thrown away, so a schedule remains a pure function of its seed.

use crate::host::clock::nanoseconds;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the rate of an open loop changes over time. Times count from the begin of the measured window, so that a longer
/// warm-up changes nothing in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
pub enum RateShape {
    /// It does not.
    #[default]
    Steady,
    /// Requests come in phases of length `on`, between which nothing is due for `off`; a phase begins with the window. The
    /// load's rate is the mean over both, so within a phase it is `(on + off) / on` times as high.
    Bursts {
        /// How long requests come.
        on: Duration,
        /// How long none is due.
        off: Duration,
    },
    /// For a part of the window the rate is `factor` times as high.
    Surge {
        /// How many times as high, above 1.
        factor: f64,
        /// From the begin of the window.
        after: Duration,
        /// For how long.
        lasting: Duration,
    },
}

impl RateShape {
    /// The mean rate over a window of this length, as a multiple of the load's rate. Of bursts the mean over whole cycles,
    /// which is 1: a window that cuts one off has a little more or less.
    pub fn mean_factor(&self, window: Duration) -> f64 {
        match *self {
            Self::Steady | Self::Bursts { .. } => 1.0,
            Self::Surge { factor, lasting, .. } => {
                1.0 + (factor - 1.0) * lasting.as_secs_f64() / window.as_secs_f64()
            }
        }
    }

    /// The change of clock for a window that begins `warmup` after the start.
    pub(crate) fn clock(&self, warmup: Duration) -> RateClock {
        let begin_ns = nanoseconds(warmup);
        match *self {
            Self::Steady => RateClock::Steady,
            Self::Bursts { on, off } => {
                let (on_ns, cycle_ns) = (nanoseconds(on), nanoseconds(on + off));
                // Cycles are counted back from the window to before the start, so that no time is negative.
                let cycles = begin_ns.div_ceil(cycle_ns);
                RateClock::Bursts { on_ns, cycle_ns, first_ns: cycles * cycle_ns - begin_ns }
            }
            Self::Surge { factor, after, lasting } => RateClock::Surge {
                factor,
                from_ns: (begin_ns + nanoseconds(after)) as f64,
                length_ns: nanoseconds(lasting) as f64,
            },
        }
    }
}

/// A change of clock between real time and operational time, both in nanoseconds from the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RateClock {
    /// None.
    Steady,
    /// Stands still between bursts.
    Bursts {
        /// Length of a burst.
        on_ns: u64,
        /// From the begin of one to that of the next.
        cycle_ns: u64,
        /// How far into a cycle the start lies.
        first_ns: u64,
    },
    /// Runs faster for a while.
    Surge {
        /// How much faster.
        factor: f64,
        /// From when.
        from_ns: f64,
        /// For how long.
        length_ns: f64,
    },
}

impl RateClock {
    /// The operational time at a real time.
    pub(crate) fn operational_ns(&self, real_ns: u64) -> f64 {
        match *self {
            Self::Steady => real_ns as f64,
            Self::Bursts { on_ns, cycle_ns, first_ns } => {
                let busy = |at: u64| (at / cycle_ns * on_ns + (at % cycle_ns).min(on_ns)) as f64;
                (busy(first_ns + real_ns) - busy(first_ns)) * cycle_ns as f64 / on_ns as f64
            }
            Self::Surge { factor, from_ns, length_ns } => {
                let real = real_ns as f64;
                real + (factor - 1.0) * (real - from_ns).clamp(0.0, length_ns)
            }
        }
    }

    /// The real time, in whole nanoseconds, of an operational time. Ascending, and never in a pause between bursts.
    pub(crate) fn real_ns(&self, operational_ns: f64) -> u64 {
        match *self {
            Self::Steady => operational_ns.round() as u64,
            Self::Bursts { on_ns, cycle_ns, first_ns } => {
                let gone_ns = first_ns / cycle_ns * on_ns + (first_ns % cycle_ns).min(on_ns);
                let busy_ns = gone_ns as f64 + operational_ns * on_ns as f64 / cycle_ns as f64;
                // Rounded down and in whole numbers: rounding up could leave the burst.
                let busy_ns = busy_ns as u64;
                busy_ns / on_ns * cycle_ns + busy_ns % on_ns - first_ns
            }
            Self::Surge { factor, from_ns, length_ns } => {
                let extra = (factor - 1.0) * length_ns;
                let real = if operational_ns <= from_ns {
                    operational_ns
                } else if operational_ns < from_ns + factor * length_ns {
                    from_ns + (operational_ns - from_ns) / factor
                } else {
                    operational_ns - extra
                };
                real.round() as u64
            }
        }
    }
}

/// Connections that are held beside those of the load. They are opened first, they are no client of the measurement, and
/// none of their times is in any figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// Connections that never send a byte.
    pub idle: u32,
    /// Connections that ask for much and read almost nothing, so that replies pile up at the server.
    pub slow_readers: u32,
    /// Connections that send a request byte by byte and never end it (slowloris).
    pub slow_senders: u32,
}

impl Beside {
    /// All of them.
    pub fn total(&self) -> u64 {
        u64::from(self.idle) + u64::from(self.slow_readers) + u64::from(self.slow_senders)
    }

    /// Those of one shard: number *i* of a kind is of shard `i % shards`.
    pub fn of_shard(&self, shard: u32, shards: u32) -> Self {
        let part = |count: u32| count.saturating_sub(shard).div_ceil(shards);
        Self {
            idle: part(self.idle),
            slow_readers: part(self.slow_readers),
            slow_senders: part(self.slow_senders),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    fn clock(shape: RateShape) -> RateClock {
        shape.clock(Duration::from_millis(100))
    }

    fn bursts(on: u64, off: u64) -> RateShape {
        RateShape::Bursts { on: Duration::from_nanos(on), off: Duration::from_nanos(off) }
    }

    #[test]
    fn a_burst_begins_with_the_window_whatever_the_warm_up() {
        // Cycles of 30 ms before a window at 100 ms: bursts from 10, 40, 70, 100 ms on; the start lies in a pause.
        let clock = clock(bursts(10 * MS, 20 * MS));
        let at = |operational_ms: u64| clock.real_ns((operational_ms * MS) as f64);
        assert_eq!([0, 15, 30, 90, 105].map(at), [10, 15, 40, 100, 105].map(|ms| ms * MS));
        assert_eq!(clock.operational_ns(9 * MS), 0.0);
        assert_eq!(clock.operational_ns(12 * MS), 6e6);
        assert_eq!(clock.operational_ns(35 * MS), 30e6);
    }

    #[test]
    fn a_surge_is_where_it_is_asked_for() {
        let ms = Duration::from_millis;
        let clock = clock(RateShape::Surge { factor: 3.0, after: ms(50), lasting: ms(20) });
        let at = |operational_ms: u64| clock.real_ns((operational_ms * MS) as f64);
        // From 150 to 170 ms three times as fast: 60 ms of operational time.
        assert_eq!([0, 150, 180, 210, 300].map(at), [0, 150, 160, 170, 260].map(|ms| ms * MS));
    }

    #[test]
    fn shards_share_the_companions_out() {
        let beside = Beside { idle: 10, slow_readers: 1, slow_senders: 0 };
        let parts = [0, 1, 2].map(|shard| beside.of_shard(shard, 3));
        assert_eq!(parts.map(|part| part.idle), [4, 3, 3]);
        assert_eq!(parts.map(|part| part.slow_readers), [1, 0, 0]);
        assert_eq!(parts.iter().map(Beside::total).sum::<u64>(), beside.total());
    }

    fn shapes() -> impl Strategy<Value = RateShape> {
        let surge =
            (1.01_f64..50.0, 0_u64..300, 1_u64..300).prop_map(|(factor, after, lasting)| RateShape::Surge {
                factor,
                after: Duration::from_millis(after),
                lasting: Duration::from_millis(lasting),
            });
        prop_oneof![
            Just(RateShape::Steady),
            (1_u64..50 * MS, 1_u64..50 * MS).prop_map(|(on, off)| bursts(on, off)),
            surge
        ]
    }

    proptest! {
        #[test]
        fn the_two_times_are_each_others_inverse(shape in shapes(), operational in 0.0_f64..5e8) {
            let clock = clock(shape);
            let there = clock.operational_ns(clock.real_ns(operational));
            // A nanosecond of real time is at most so much of operational time: the rounding.
            let steepest = match shape {
                RateShape::Steady => 1.0,
                RateShape::Bursts { on, off } => (on + off).as_secs_f64() / on.as_secs_f64(),
                RateShape::Surge { factor, .. } => factor,
            };
            prop_assert!((there - operational).abs() <= steepest * 1.01 + 1e-3, "{there} {operational}");
        }

        #[test]
        fn nothing_is_due_between_bursts(on in 1_u64..5_000, off in 1_u64..5_000, operational in 0.0_f64..1e9) {
            let begin = 100 * MS;
            let at = clock(bursts(on, off)).real_ns(operational);
            let phase = (i128::from(at) - i128::from(begin)).rem_euclid(i128::from(on + off));
            prop_assert!(phase < i128::from(on), "{phase} of {on}");
        }

        #[test]
        fn real_time_never_goes_back(shape in shapes(), from in 0.0_f64..5e8, step in 0.0_f64..1e6) {
            let clock = clock(shape);
            prop_assert!(clock.real_ns(from) <= clock.real_ns(from + step));
        }
    }
}
