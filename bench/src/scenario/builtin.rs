//! The built-in scenarios, embedded in the binary. A scenario is one file in `bench/scenarios/` and one line here.

/// A built-in scenario.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name, the file's stem.
    pub name: &'static str,
    /// The file's text.
    pub toml: &'static str,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// All built-in scenarios, in the order of the default run.
        pub const BUILT_IN: &[BuiltIn] = &[
            $(BuiltIn { name: $name, toml: include_str!(concat!("../../scenarios/", $name, ".toml")) },)*
        ];
    };
}

built_in!["small-echo-closed", "small-echo-open", "large-echo", "churn", "compute-bimodal", "wait"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_built_in_scenario_is_valid_and_named_as_its_file() {
        assert!(BUILT_IN.len() >= 6);
        for built_in in BUILT_IN {
            let scenario = Scenario::parse(built_in.toml, built_in.name).expect("valid");
            assert_eq!(scenario.name, built_in.name);
            assert!(built_in.toml.starts_with("# "), "{} begins by saying what it separates", built_in.name);
        }
    }
}
