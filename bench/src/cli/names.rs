//! Names that a flag takes out of a registry: completions offer them, and an error says which one was probably meant.

use crate::suggest;
use crate::workload::contestant;
use crate::workload::scenario::{BUILT_IN, REFERENCE};
use bakeoff_reports::record::Transport;
use bakeoff_servers::services::ServiceEntry;
use bakeoff_servers::{TunedModel, models, services};
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use std::ffi::OsStr;

/// What a parser takes besides names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Also {
    Nothing,
    /// A path to a file.
    File,
    /// A name with a tuning behind it.
    Tuning,
}

/// A parser for one of a list of names.
#[derive(Clone, Debug)]
pub(super) struct NameParser {
    /// What they are names of, for messages.
    kind: &'static str,
    names: Vec<&'static str>,
    /// What will do as well as a name.
    also: Also,
}

impl NameParser {
    /// One of `names`, each the name of a `kind` of thing.
    pub(super) fn of(kind: &'static str, names: impl IntoIterator<Item = &'static str>) -> Self {
        Self { kind, names: names.into_iter().collect(), also: Also::Nothing }
    }

    /// The names.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.names.clone()
    }
}

/// The name of a model, with its tuning where it has one: `tokio[compute_workers=8]`.
pub(super) fn model_name() -> NameParser {
    NameParser { also: Also::Tuning, ..NameParser::of("model", models::all().map(|model| model.name())) }
}

/// A model, by its name, with its tuning.
pub(super) fn model() -> impl TypedValueParser<Value = TunedModel> {
    model_name().map(|name| contestant::parse(&name).expect("one of the names that are taken"))
}

/// A service, by its name.
pub(super) fn service() -> impl TypedValueParser<Value = &'static ServiceEntry> {
    let known = NameParser::of("service", services::ALL.iter().map(|service| service.name));
    known.map(|name| services::find(&name).expect("one of the names that are taken"))
}

/// A transport, by its name.
pub(super) fn transport() -> impl TypedValueParser<Value = Transport> {
    let known = NameParser::of("transport", Transport::ALL.iter().map(|transport| transport.name()));
    known.map(|name| Transport::of_name(&name).expect("one of the names that are taken"))
}

/// The name of a built-in scenario, or the path of a file.
pub(super) fn scenario() -> NameParser {
    NameParser {
        also: Also::File,
        ..NameParser::of("scenario", BUILT_IN.iter().map(|built_in| built_in.name))
    }
}

/// The name of a scenario that comes with the tool, `reference` among them.
pub(super) fn scenario_file() -> NameParser {
    NameParser::of("scenario", BUILT_IN.iter().chain([&REFERENCE]).map(|built_in| built_in.name))
}

/// Whether a scenario is given as a file.
pub(super) fn is_path(name: &str) -> bool {
    name.ends_with(".toml") || name.contains('/')
}

impl TypedValueParser for NameParser {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let name = value.to_string_lossy();
        if self.names.contains(&&*name) || self.also == Also::File && is_path(&name) {
            return Ok(name.into_owned());
        }
        let unknown = || suggest::unknown(self.kind, &name, self.names.iter().copied());
        let why = match self.also {
            Also::Tuning => match contestant::parse(&name) {
                Ok(tuned) => return Ok(tuned.name().into()),
                Err(why) => why,
            },
            Also::File => unknown() + "; or a file that ends in .toml",
            Also::Nothing => unknown(),
        };
        Err(command.clone().error(ErrorKind::InvalidValue, why))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(|name| PossibleValue::new(*name))))
    }
}
