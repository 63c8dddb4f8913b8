//! CPUs as people and the kernel write them.

use std::str::FromStr;

/// The most CPUs that a list may name, far above what pinning has room for: `0-4294967295` must not fill the memory.
const MOST: u32 = 1 << 16;

/// Which CPUs a person wants for a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuWish {
    /// So many, whichever.
    Count(u32),
    /// These.
    List(Vec<u32>),
}

impl FromStr for CpuWish {
    type Err = String;

    /// A bare number is a count; with a comma or a range it is a list, so that `4,` and `4-4` are CPU 4.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.contains([',', '-']) {
            // A file of the kernel may be empty, a wish may not.
            let list = if text == "," { text } else { text.strip_suffix(',').unwrap_or(text) };
            return parse_list(list).map(Self::List);
        }
        match text.parse() {
            Ok(0) => Err("0 CPUs are too few; give 1 at least, or `0,` for CPU 0".into()),
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => Err(format!(
                "`{text}` is neither a number of CPUs (4) nor a list of them (0-3,6; `4,` for CPU 4 alone)"
            )),
        }
    }
}

/// Reads a list as the kernel writes it, `0-3,8`, ascending; empty for an empty text.
///
/// # Errors
/// The part that is no number and no range, or that is listed twice.
pub fn parse_list(text: &str) -> Result<Vec<u32>, String> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|cpu| *cpu < MOST);
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(format!("`{part}` is no CPU and no range of CPUs; write a list such as 0-3,6"));
        };
        if first > last {
            return Err(format!("the range `{part}` does not ascend; write {last}-{first}"));
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    match cpus.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("CPU {} is listed twice in `{text}`", pair[0])),
        None => Ok(cpus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_count_and_a_comma_or_a_range_makes_a_list() {
        let wish = |text: &str| text.parse::<CpuWish>();
        assert_eq!(wish("4"), Ok(CpuWish::Count(4)));
        for one in ["4,", "4-4", " 4-4 "] {
            assert_eq!(wish(one), Ok(CpuWish::List(vec![4])), "{one}");
        }
        assert_eq!(wish("6, 0-3"), Ok(CpuWish::List(vec![0, 1, 2, 3, 6])));
        for (bad, words) in [
            ("0", "`0,` for CPU 0"),
            ("four", "neither"),
            ("", "neither"),
            ("3-1", "write 1-3"),
            ("0-3,2", "CPU 2 is listed twice"),
            ("0,,2", "no CPU"),
            (",", "no CPU"),
            ("-1", "no CPU"),
            ("0-4294967295", "no CPU"),
        ] {
            let error = wish(bad).expect_err(bad);
            assert!(error.contains(words), "{bad}: {error}");
        }
        assert_eq!(parse_list("\n"), Ok(vec![]));
    }
}
