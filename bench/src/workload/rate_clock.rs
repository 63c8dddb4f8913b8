//! How the rate of an open loop changes over time, as a change of clock: arrivals are made at the constant rate in
//! *operational time*, which runs faster where the rate is higher and stands still where nothing is due, and each is put at
//! the real time that its operational time stands for (Çinlar, "Introduction to Stochastic Processes", 1975, chapter 4).
//! Fixed gaps stay evenly spaced in it, Poisson arrivals stay Poisson, and no draw is thrown away, so a schedule remains a
//! pure function of its seed.

use crate::host::clock::nanoseconds;
use bakeoff_reports::record::RateShape;
use std::time::Duration;

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
    /// The change of clock for a window that begins `warmup` after the start.
    pub(crate) fn of(shape: &RateShape, warmup: Duration) -> Self {
        let begin_ns = nanoseconds(warmup);
        match *shape {
            RateShape::Steady => Self::Steady,
            RateShape::Bursts { on, off } => {
                let (on_ns, cycle_ns) = (nanoseconds(on), nanoseconds(on + off));
                // Cycles are counted back from the window to before the start, so that no time is negative.
                let cycles = begin_ns.div_ceil(cycle_ns);
                Self::Bursts { on_ns, cycle_ns, first_ns: cycles * cycle_ns - begin_ns }
            }
            RateShape::Surge { factor, after, lasting } => Self::Surge {
                factor,
                from_ns: (begin_ns + nanoseconds(after)) as f64,
                length_ns: nanoseconds(lasting) as f64,
            },
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    fn clock(shape: RateShape) -> RateClock {
        RateClock::of(&shape, Duration::from_millis(100))
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
