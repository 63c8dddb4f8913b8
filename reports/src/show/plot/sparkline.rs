//! A series in one line of text.

/// Eight heights, the lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands before the first value of a new level.
const BREAK: char = '|';
/// Stands for a value that is not comparable.
const MISSING: char = '·';

/// The newest `values` as blocks between the lowest and the highest of them, at most `width` characters, with a bar where a
/// new level begins. All are of the same height when nothing differs.
pub(crate) fn sparkline(values: &[Option<f64>], changes: &[usize], width: usize) -> String {
    let mut from = values.len().saturating_sub(width);
    // Each bar takes the place of a value.
    while from < values.len() && values.len() - from + bars(changes, from) > width {
        from += 1;
    }
    let shown = &values[from..];
    let finite = || shown.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (f64::min(low, value), f64::max(high, value))
    });
    let mut line = String::new();
    for (at, value) in shown.iter().enumerate() {
        if at > 0 && changes.contains(&(from + at)) {
            line.push(BREAK);
        }
        line.push(match value.filter(|value| value.is_finite()) {
            None => MISSING,
            Some(_) if high <= low => BLOCKS[3],
            Some(value) => BLOCKS[(((value - low) / (high - low)) * 7.0).round() as usize],
        });
    }
    line
}

fn bars(changes: &[usize], from: usize) -> usize {
    changes.iter().filter(|change| **change > from).count()
}

#[cfg(test)]
mod tests {
    use super::sparkline;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_seen_and_marked() {
        let values = [1.0, 1.0, 1.1, 2.0, 2.0].map(Some);
        assert_eq!(sparkline(&values, &[3], 20), "▁▁▂|██");
        assert_eq!(sparkline(&values, &[3], 4), "▁|██", "a bar takes the place of a value");
        assert_eq!(sparkline(&[Some(5.0), None, Some(5.0)], &[], 9), "▄·▄");
        assert_eq!(sparkline(&[None, Some(f64::INFINITY)], &[], 9), "··");
        assert_eq!(sparkline(&[], &[], 9), "");
    }

    proptest! {
        #[test]
        fn it_never_grows_beyond_its_width(
            values in prop::collection::vec(prop::option::of(0.0..9.0_f64), 0..60),
            changes in prop::collection::vec(0_usize..60, 0..9), width in 0_usize..50,
        ) {
            prop_assert!(sparkline(&values, &changes, width).chars().count() <= width);
        }
    }
}
