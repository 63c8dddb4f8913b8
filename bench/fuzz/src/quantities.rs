//! Quantities as people write them, in files and on the command line: in range, and read back as what they are.

use bakeoff::host::topology::{CpuWish, parse_list};
use bakeoff::workload::scenario::Scenario;
use bakeoff::workload::units::*;
use bakeoff::workload::{axis, contestant};
use bakeoff_reports::record::cpu_list;
use std::sync::OnceLock;
use std::time::Duration;

/// Takes the input for each kind of quantity.
///
/// # Panics
/// Where one is accepted that is out of its range, or that is another one when it is written and read.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(duration) = parse_duration(text) {
        assert!(duration <= Duration::from_secs(3600), "{duration:?}");
        assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        assert_eq!(parse_positive_duration(text).is_ok(), !duration.is_zero());
    }
    if let Ok(bytes) = parse_bytes(text) {
        assert!(bytes > 0);
        assert_eq!(parse_bytes(&bytes.to_string()), Ok(bytes));
        assert_eq!(parse_size(text).ok().map(u64::from), (bytes <= 4 << 20).then_some(bytes));
    }
    if let Ok(number) = parse_number(text) {
        assert!(number.is_finite());
        assert_eq!(parse_number(&number.to_string()), Ok(number));
        assert_eq!(parse_rate(text).is_ok(), number > 0.0);
    }
    if let Ok(CpuWish::List(cpus)) = text.parse() {
        assert!(!cpus.is_empty() && cpus.is_sorted_by(|a, b| a < b), "{cpus:?}");
        assert_eq!(parse_list(&cpu_list(&cpus)), Ok(cpus));
    }
    if let Ok(whole) = parse_whole(text) {
        assert_eq!(parse_number(text), Ok(whole as f64));
        assert_eq!(parse_count(text).ok(), u64::try_from(whole).ok().filter(|count| *count > 0));
    }
    if let Ok(share) = parse_share(text) {
        assert!(share.is_finite() && share >= 0.0 && (share <= 1.0 || text.contains('%')), "{share}");
    }
    if let Ok(tuned) = contestant::parse(text) {
        let name = tuned.name();
        let again = contestant::parse(name).expect("its own name");
        assert_eq!((again.name(), again.sizes()), (name, tuned.sizes()));
    }
    static SWEPT: OnceLock<Scenario> = OnceLock::new();
    let swept = SWEPT.get_or_init(|| Scenario::built_in("small-echo-open").expect("built in"));
    if let Ok(values) = axis::parse(text, swept, 64, 64) {
        assert!(values.values.is_sorted_by(|a, b| a < b), "{:?}", values.values);
        assert!(values.values.iter().all(|value| value.is_finite() && *value >= 0.0));
    }
}
