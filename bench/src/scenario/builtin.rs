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

/// A scenario that shows every key with its range.
pub const REFERENCE: BuiltIn =
    BuiltIn { name: "reference", toml: include_str!("../../scenarios/reference.toml") };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn the_reference_is_a_valid_scenario_that_names_every_key() {
        let scenario = Scenario::parse(REFERENCE.toml, REFERENCE.name).expect("valid");
        assert_eq!(scenario.name, REFERENCE.name);
        // What an unknown key is answered with lists all that are known.
        for section in ["", "[load]\n", "[beside]\n", "[request]\n", "[server]\n", "[trial]\n"] {
            let text = if section.is_empty() {
                format!("nonsense = 1\n{}", REFERENCE.toml)
            } else {
                REFERENCE.toml.replace(&section[..section.len() - 1], &format!("{section}nonsense = 1\n#"))
            };
            let error = Scenario::parse(&text, "test").expect_err("an unknown key").reason;
            let known =
                error.split("`nonsense`, expected").nth(1).unwrap_or_else(|| panic!("{section}: {error}"));
            for key in known.split('`').skip(1).step_by(2) {
                assert!(REFERENCE.toml.contains(key), "{key} is not explained");
            }
        }
    }

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
