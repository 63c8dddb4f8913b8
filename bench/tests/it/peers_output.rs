//! What the load generators of others print is read right: their own words, as they were printed.

#[path = "../../benches/peers/output.rs"]
mod output;

use output::{Claim, ab, h2load, hey, swarm, wrk};

const WRK: &str = "\
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    93.65us  149.62us   4.09ms   98.65%
  72483 requests in 1.00s, 7.12MB read
Requests/sec:  72445.40
figures 72483 1000519 0 93.647 80 615
";

const H2LOAD: &str = "\
finished in 1.00s, 58344.00 req/s, 5.73MB/s
requests: 58344 total, 58352 started, 58344 done, 58340 succeeded, 1 failed, 2 errored, 1 timeout
status codes: 58344 2xx, 0 3xx, 0 4xx, 0 5xx
                     min         max         mean         sd        +/- sd
time for request:       42us      9.13ms       136us       374us    99.08%
time for connect:        6us        44us        29us        12us    75.00%
";

const AB: &str = "\
Time taken for tests:   1.000 seconds
Complete requests:      51805
Failed requests:        0
Keep-Alive requests:    51805
Requests per second:    51799.72 [#/sec] (mean)
Time per request:       0.154 [ms] (mean)
";

const HEY: &str = "\
Summary:
  Total:\t1.0005 secs
  Average:\t0.0002 secs
  Requests/sec:\t38494.5

Latency distribution:
  50% in 0.0002 secs
  99% in 0.0004 secs

Status code distribution:
  [200]\t38514 responses
  [404]\t3 responses
";

#[test]
fn the_figures_of_each_are_found() {
    let claim = wrk(WRK).expect("wrk");
    assert_eq!((claim.answered, claim.failed), (72_483, 0));
    assert_eq!((claim.mean_us, claim.p50_us, claim.p99_us), (Some(93.647), Some(80.0), Some(615.0)));
    assert!((claim.rate_per_s - 72_445.40).abs() < 0.01, "{claim:?}");
    let expected =
        Claim { answered: 58_340, failed: 4, rate_per_s: 58_344.0, mean_us: Some(136.0), ..Claim::default() };
    assert_eq!(h2load(H2LOAD), Ok(expected));
    let claim = ab(AB, "Percentage served,Time in ms\n5,0.09\n50,0.102\n99,2.252\n").expect("ab");
    assert_eq!((claim.answered, claim.failed, claim.rate_per_s), (51_805, 0, 51_799.72));
    assert_eq!((claim.mean_us, claim.p50_us, claim.p99_us), (None, Some(102.0), Some(2_252.0)));
    let claim = hey(HEY).expect("hey");
    assert_eq!((claim.answered, claim.failed, claim.rate_per_s), (38_514, 3, 38_494.5));
    assert_eq!((claim.mean_us, claim.p50_us, claim.p99_us), (Some(200.0), Some(200.0), Some(400.0)));
}

#[test]
fn what_is_missing_is_an_error_with_the_words_and_never_a_zero() {
    for (what, done) in [
        ("figures ", wrk("unable to connect")),
        ("six figures", wrk("figures 1 2 3")),
        ("requests: ", h2load("finished in 0.00us, 0.00 req/s")),
        ("percentile", ab(AB, "Percentage served,Time in ms\n")),
        ("99% in", hey(&HEY.replace("99%", "98%"))),
        ("summary_version", swarm("{}")),
    ] {
        let error = done.expect_err(what);
        assert!(error.contains(what), "{what}: {error}");
    }
}
