//! The levels in turn on servers made up for it, and what is refused.

use super::*;

/// A server on which busy time comes out so many times as dear, of 10 us a request, and what was asked of it.
fn server(
    dearness: f64,
    gates: u32,
    slower: &[f64],
) -> (SelfTestReport, Result<Ending, SelfTestError>, Vec<GateSpec>) {
    let mut asked = Vec::new();
    let (found, ended) = levels(gates, slower, |ask| {
        let factor = 1.0 + dearness * ask.tax_ns as f64 / 10_000.0;
        asked.push(ask);
        Ok(Some(GateResult {
            regressed: factor > 1.04,
            rate: Some(100_000.0),
            factor: Some(factor),
            logs: vec![factor.ln()],
            pairs: 1,
            measuring: Duration::from_secs(1),
            ..GateResult::default()
        }))
    });
    (found, ended, asked)
}

#[test]
fn the_server_gets_as_slow_as_asked_however_dear_busy_time_is() {
    for dearness in [0.5, 1.0, 1.6] {
        let (found, ended, asked) = server(dearness, 3, &[0.03, 0.10]);
        assert!(matches!(ended, Ok(Ending::Complete)));
        let names: Vec<&str> = asked.iter().map(|ask| ask.name.as_str()).collect();
        assert_eq!(names[..4], ["none-01", "what-a-slowdown-costs", "3-percent-01", "10-percent-01"]);
        assert_eq!((names.len(), asked[0].tax_ns, asked[1].tax_ns), (10, 0, 1_000));
        let numbers: std::collections::BTreeSet<u64> = asked.iter().map(|ask| ask.number).collect();
        assert_eq!(numbers.len(), 10, "every gate has schedules of its own");
        for (level, slower) in found.levels.iter().zip([0.0, 0.03, 0.10]) {
            assert!(level.factors.iter().all(|factor| (factor - 1.0 - slower).abs() < 1e-3), "{level:?}");
            assert_eq!((level.gates, level.alarms), (3, if slower > 0.04 { 3 } else { 0 }));
        }
        assert_eq!((found.request_ns, found.noise.len(), found.pair), (10_000.0, 3, Duration::from_secs(1)));
    }
}

#[test]
fn a_server_that_does_not_limit_is_refused() {
    let (found, ended, asked) = server(0.2, 3, &[0.05]);
    assert!(matches!(ended, Err(SelfTestError::NotShown { tax_ns: 1_000, .. })), "{ended:?}");
    assert_eq!((asked.len(), found.levels[0].gates, found.levels[1].gates), (2, 1, 0));
}

#[test]
fn what_measured_nothing_is_said_to_have() {
    let nothing = |wanted: &'static str| {
        let (_, ended) = levels(1, &[0.05], |ask| {
            let done = GateResult { rate: Some(1e5), factor: Some(1.0), ..GateResult::default() };
            let reason = "lost".to_owned();
            Ok(Some(if ask.name == wanted { GateResult { reason, ..GateResult::default() } } else { done }))
        });
        ended.expect_err("nothing was measured").to_string()
    };
    assert!(nothing("none-01").starts_with("nothing was measured without a cost"));
    assert!(nothing("what-a-slowdown-costs").starts_with("nothing was measured with a cost"));
}

#[test]
fn an_interruption_keeps_what_was_found() {
    let mut count = 0;
    let (found, ended) = levels(5, &[0.05], |_| {
        count += 1;
        let done = GateResult { rate: Some(1e5), factor: Some(1.1), ..GateResult::default() };
        Ok((count < 4).then_some(done))
    });
    assert!(matches!(ended, Ok(Ending::Interrupted)));
    assert_eq!(found.levels.iter().map(|level| level.gates).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_price_is_learned_from_what_can_be_one() {
    let mut price = Price { request_ns: 10_000.0, paid_ns: 1_000.0, bought: 0.16 };
    let before = price.clone();
    for (tax_ns, factor) in [(0, 1.3), (1_000, f64::INFINITY), (1_000, 0.80), (1_000, f64::NAN)] {
        price.learn(tax_ns, factor);
        assert_eq!(price, before, "{tax_ns} {factor}");
    }
    price.learn(500, 1.04);
    assert_eq!(price.of(0.05).ok(), Some(375));
    let error = price.of(1e-6).expect_err("under a nanosecond").to_string();
    assert!(error.contains("the least is about 0.0067 %"), "{error}");
}

#[test]
fn folders_are_called_after_their_levels() {
    assert_eq!([0.0, 0.03, 0.1, 0.025].map(called), ["none", "3-percent", "10-percent", "2.5-percent"]);
}
