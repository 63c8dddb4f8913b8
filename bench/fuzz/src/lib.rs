//! Fuzz targets for everything that reads what others wrote: bytes of clients and of servers, files of people, bundles of other runs.
//!
//! A target is a function from bytes to nothing that panics where something does not hold. Not to crash is the least of it: each
//! holds its subject to an oracle, such as a second reading in plain code, or that what was read is written and read as the same.
//!
//! `scripts/fuzz` runs them under libFuzzer with AddressSanitizer. The corpora are read by an ordinary test, too, so that what was
//! once found stays mended. No target reads a clock, sleeps, or draws what its input does not tell it to.
#![deny(missing_docs)]

pub mod bundle;
mod conversation;
pub mod framing;
pub mod histogram;
pub mod http_reply;
pub mod http_request;
pub mod quantities;
pub mod report;
pub mod scenario;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its program and of its corpus.
    pub name: &'static str,
    /// Panics where something does not hold for this input.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "bundle", check: bundle::check },
    Target { name: "framing", check: framing::check },
    Target { name: "histogram", check: histogram::check },
    Target { name: "http_reply", check: http_reply::check },
    Target { name: "http_request", check: http_request::check },
    Target { name: "quantities", check: quantities::check },
    Target { name: "report", check: report::check },
    Target { name: "scenario", check: scenario::check },
];

#[cfg(test)]
mod tests {
    use super::*;
    use bakeoff_reports::stats::random::Random;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The seeds of a target: its own corpus, and what the tree has of its kind anyway.
    fn seeds(target: &Target) -> Vec<Vec<u8>> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders: &[PathBuf] = match target.name {
            "scenario" => &[here.join("corpus/scenario"), here.join("../scenarios")],
            "report" => &[here.join("corpus/bundle")],
            name => &[here.join("corpus").join(name)],
        };
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a corpus"));
        let paths = files.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
        paths.map(|path| fs::read(path).expect("readable")).collect()
    }

    /// Every seed, and each a few times with something cut out, doubled or changed: what a minute of fuzzing begins with.
    fn holds(name: &str) {
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "the corpus of {name} is empty");
        let mut random = Random::named(1, &[name]);
        (target.check)(b"");
        for seed in seeds.iter().filter(|seed| !seed.is_empty()) {
            (target.check)(seed);
            for _ in 0..4 {
                let mut input = seed.clone();
                let (from, to) = (random.below(input.len()), random.below(input.len()));
                match random.below(4) {
                    0 => input.truncate(from),
                    1 => drop(input.drain(from.min(to)..from.max(to))),
                    2 => input.extend_from_within(from.min(to)..from.max(to)),
                    _ => input[from] = random.next_u64() as u8,
                }
                (target.check)(&input);
            }
        }
    }

    macro_rules! corpora {
        ($($name:ident)*) => {
            $(#[test] fn $name() { holds(stringify!($name)); })*

            #[test]
            fn every_target_has_its_test() {
                assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), [$(stringify!($name)),*]);
            }
        };
    }

    corpora! { bundle framing histogram http_reply http_request quantities report scenario }
}
