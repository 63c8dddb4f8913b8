//! `hash`: a digest of the payload that costs a stated number of nominal nanoseconds of CPU to compute, and next to
//! nothing to check.
//!
//! The digest is the end of a chain of affine steps x <- A x + C (mod 2^64) that starts from a fold of the payload.
//! Each step needs the one before, so the chain takes one multiplication and one addition of latency a step, whatever
//! the width of the machine. The client checks by jumping: n affine steps compose to one affine step, found in log2(n)
//! squarings (F. B. Brown, Random number generation with arbitrary strides, Trans. Am. Nucl. Soc. 71, 1994).

use super::framing::{Framed, FramedExchange, Work};
use super::{ServiceConfig, ServiceEntry};
use crate::{Exchange, Job, Service};
use std::hint::black_box;
use std::sync::Arc;

/// Steps per 5 nominal nanoseconds. A step has the latency of a 64-bit multiplication (3 cycles on current x86-64)
/// and an addition (1): 4 cycles, which are 1.25 ns at 3.2 GHz, so 4 steps are 5 ns there.
const STEPS_PER_5_NS: u64 = 4;

/// Multiplier and increment of Knuth's MMIX generator (TAOCP 2, 3.3.4, table 1): full period.
const A: u64 = 6_364_136_223_846_793_005;
const C: u64 = 1_442_695_040_888_963_407;

/// The registry's line.
pub(super) static ENTRY: ServiceEntry = ServiceEntry {
    name: "hash",
    summary: "a digest that costs a stated time of CPU to compute",
    demand: Some("compute"),
    build,
    exchange,
};

fn build(config: &ServiceConfig) -> Arc<dyn Service> {
    let job = |payload: &[u8], demand: std::time::Duration| {
        let seed = fold(payload);
        let nominal_ns = demand.as_nanos() as u64; // at most 60 s
        Job::compute(move || compute(seed, nominal_ns))
    };
    Arc::new(Framed::new(Work { job, without_demand: fold, replies_result: true }, config))
}

fn exchange(max_payload: u32) -> Box<dyn Exchange> {
    let result = |payload: &[u8], demand_ns: u64| {
        let nominal_ns = match demand_ns {
            0 => ServiceConfig::default().default_demand.as_nanos() as u64,
            stated => stated,
        };
        jump(fold(payload), steps(nominal_ns))
    };
    Box::new(FramedExchange::new(max_payload, Some(result)))
}

/// Occupies a CPU for about `nominal_ns` nanoseconds and returns the end of the chain that starts at `seed`.
/// What a nominal nanosecond is in real time depends on the machine; time this function to know.
pub fn compute(seed: u64, nominal_ns: u64) -> u64 {
    // Opaque constants: a compiler that knew them would compose unrolled steps, as `jump` does.
    let (a, c) = (black_box(A), black_box(C));
    let mut x = seed;
    for _ in 0..steps(nominal_ns) {
        x = x.wrapping_mul(a).wrapping_add(c);
    }
    x
}

/// Steps of the chain in so many nominal nanoseconds.
pub(super) fn steps(nominal_ns: u64) -> u64 {
    nominal_ns.saturating_mul(STEPS_PER_5_NS) / 5
}

/// What `n` steps from `x` lead to.
pub(super) fn jump(x: u64, mut n: u64) -> u64 {
    let (mut a, mut c) = (A, C); // the step squared again and again
    let (mut a_n, mut c_n) = (1_u64, 0_u64); // the composition so far
    while n > 0 {
        if n & 1 == 1 {
            a_n = a_n.wrapping_mul(a);
            c_n = c_n.wrapping_mul(a).wrapping_add(c);
        }
        c = c.wrapping_mul(a.wrapping_add(1));
        a = a.wrapping_mul(a);
        n >>= 1;
    }
    x.wrapping_mul(a_n).wrapping_add(c_n)
}

/// Folds a payload to the chain's start: the same affine mixing, eight bytes at a time. Not cryptographic.
pub(super) fn fold(payload: &[u8]) -> u64 {
    let (words, rest) = payload.as_chunks::<8>();
    let mut x = payload.len() as u64;
    for word in words {
        x = (x.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(A);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    (x.rotate_left(29) ^ u64::from_le_bytes(last)).wrapping_mul(A)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumping_is_stepping() {
        for nominal_ns in [0, 1, 2, 5, 6, 99, 1_000, 123_457] {
            for seed in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
                assert_eq!(jump(seed, steps(nominal_ns)), compute(seed, nominal_ns), "{seed} {nominal_ns}");
            }
        }
    }

    #[test]
    fn the_fold_depends_on_every_byte_and_on_the_length() {
        let payload: Vec<u8> = (0..100).collect();
        let all = fold(&payload);
        for at in 0..payload.len() {
            let mut other = payload.clone();
            other[at] ^= 1;
            assert_ne!(fold(&other), all, "byte {at}");
        }
        assert_ne!(fold(&[0; 3]), fold(&[0; 4]));
    }
}
