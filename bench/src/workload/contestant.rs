//! Who takes part, and what a record keeps of it: what a model states of itself, a command's text, how servers were set up. The
//! two crates on either side do not know each other, so their words are matched here, once.

use super::audience;
use super::command::Command;
use super::transport;
use crate::suggest;
use bakeoff_reports::record::{self, Facts, ModelRecord, ServerSetup, Transport};
use bakeoff_servers::model::{Concurrency, PerClient, Role, Tuning};
use bakeoff_servers::tuning::{Sizes, TuningError};
use bakeoff_servers::{Meta, ServerConfig, TunedModel, models};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Who serves in a trial, by a name of its own.
#[derive(Clone, Debug)]
pub enum Contestant {
    /// A model of this program, with its tuning where it has one.
    Model(TunedModel),
    /// A command of somebody else's.
    Command(NamedCommand),
}

/// A command and what a reader calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCommand {
    /// Its name in the record.
    pub name: String,
    /// The command.
    pub command: Command,
}

impl Contestant {
    /// The contestant of a model's name such as `tokio` or `tokio[compute_workers=8]`.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn model(name: &str) -> Result<Self, String> {
        parse(name).map(Self::Model)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Model(tuned) => tuned.name(),
            Self::Command(named) => &named.name,
        }
    }

    /// The model, if it is one.
    pub fn tuned(&self) -> Option<&TunedModel> {
        match self {
            Self::Model(tuned) => Some(tuned),
            Self::Command(_) => None,
        }
    }

    /// Why it does not serve this service over this transport, if so.
    pub fn refusal(&self, service: &str, transport: Transport) -> Option<String> {
        match self {
            Self::Model(tuned) => transport::refusal(tuned.model(), transport)
                .or_else(|| audience::refusal(tuned.model(), service))
                .or_else(|| {
                    let sizes = transport::check_sizes(tuned.model(), tuned.sizes(), transport);
                    sizes.err().map(|error| error.to_string())
                }),
            Self::Command(_) if transport.is_tcp() => None,
            Self::Command(one) => {
                Some(format!("{} is a command, and commands are asked over TCP alone", one.name))
            }
        }
    }

    /// It in the head of a bundle.
    pub fn record(&self) -> ModelRecord {
        match self {
            Self::Model(tuned) => model_record(tuned),
            Self::Command(NamedCommand { name, command }) => ModelRecord {
                name: name.clone(),
                summary: command.text.clone(),
                facts: None,
                tuning: BTreeMap::new(),
                command: Some(command.text.clone()),
            },
        }
    }

    /// The contestant that a bundle tells of.
    ///
    /// # Errors
    /// A model that this program does not have.
    pub fn of_record(record: &ModelRecord) -> Result<Self, String> {
        match &record.command {
            Some(text) => NamedCommand::new(&record.name, text).map(Self::Command),
            None => Self::model(&record.name),
        }
    }
}

/// Two are the same when their names are and, of commands, their texts.
impl PartialEq for Contestant {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Model(one), Self::Model(other)) => one.name() == other.name(),
            (Self::Command(one), Self::Command(other)) => one == other,
            _ => false,
        }
    }
}

impl NamedCommand {
    /// A command by a name.
    ///
    /// # Errors
    /// A name that cannot be one or that a model has; a command that cannot serve.
    pub fn new(name: &str, text: &str) -> Result<Self, String> {
        const LONGEST: usize = 64;
        let plain = |c: char| c.is_alphanumeric() || "-_.+".contains(c);
        if name.is_empty() || name.chars().count() > LONGEST || !name.chars().all(plain) {
            return Err(format!(
                "`{name}` cannot name a contestant: letters, digits and any of - _ . + make a name, {LONGEST} at most"
            ));
        }
        if models::find(name).is_some() {
            return Err(format!(
                "`{name}` is the name of a model; give the command another, such as `my-{name}`"
            ));
        }
        Ok(Self { name: name.into(), command: Command::parse(text)? })
    }
}

impl FromStr for NamedCommand {
    type Err = String;

    /// Reads `NAME=COMMAND`.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write NAME='COMMAND', such as go='./server --port {port}'";
        if parse(text).is_ok() {
            return Err(format!("`{text}` is a model: give it with --model; {form}"));
        }
        match text.split_once('=') {
            Some((name, command)) if !name.contains(char::is_whitespace) => Self::new(name, command),
            _ => Err(format!("`{text}` has no name: {form}")),
        }
    }
}

/// Who was chosen by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Names of models instead of those of the scenarios; none for those.
    pub models: Vec<String>,
    /// Commands beside them.
    pub commands: Vec<NamedCommand>,
}

impl Chosen {
    /// Models alone.
    pub fn models<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Self {
        Self { models: names.into_iter().map(Into::into).collect(), commands: Vec::new() }
    }

    /// Those chosen where a scenario runs `default` without a choice.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn or(&self, default: Vec<Contestant>) -> Result<Vec<Contestant>, String> {
        let models = match self.models.as_slice() {
            [] => default,
            names => names.iter().map(|name| Contestant::model(name)).collect::<Result<_, _>>()?,
        };
        let commands = self.commands.iter().cloned().map(Contestant::Command);
        Ok(models.into_iter().chain(commands).collect())
    }
}

/// The tuned model of a name such as `tokio` or `tokio[compute_workers=8]`.
///
/// # Errors
/// A model that is not known, with what was probably meant; a tuning that it does not have, with those that it has.
pub fn parse(name: &str) -> Result<TunedModel, String> {
    TunedModel::parse(name).map_err(|error| match error {
        TuningError::Model(base) => suggest::unknown("model", &base, models::all().map(|m| m.name())),
        other => other.to_string(),
    })
}

/// Contestants, each once: models in the order of the registry, the tunings of a model by their sizes, then commands as they were
/// given.
///
/// # Errors
/// Two commands of one name.
pub fn each_once(all: impl IntoIterator<Item = Contestant>) -> Result<Vec<Contestant>, String> {
    let mut all: Vec<Contestant> = all.into_iter().collect();
    let place = |model: &TunedModel| models::all().position(|one| one.name() == model.model().name());
    all.sort_by_cached_key(|one| {
        let model = one.tuned().map(|model| (place(model), model.sizes().clone()));
        (model.is_none(), model)
    });
    let mut each: Vec<Contestant> = Vec::new();
    for one in all {
        match each.iter().find(|other| other.name() == one.name()) {
            None => each.push(one),
            Some(same) if *same == one => {}
            Some(other) => {
                let text = |one: &Contestant| one.record().summary;
                return Err(format!(
                    "two contestants are named `{}`, `{}` and `{}`; the report could not tell them apart",
                    one.name(),
                    text(other),
                    text(&one)
                ));
            }
        }
    }
    Ok(each)
}

/// A tuned model in the head of a bundle.
pub fn model_record(tuned: &TunedModel) -> ModelRecord {
    let meta = tuned.model().meta();
    ModelRecord {
        name: tuned.name().into(),
        summary: meta.summary.into(),
        facts: Some(facts(meta)),
        tuning: sizes(tuned.sizes()),
        command: None,
    }
}

fn sizes(sizes: &Sizes) -> BTreeMap<record::Tuning, u32> {
    sizes.iter().map(|(one, size)| (tuning(one), count(size))).collect()
}

fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// What a model states of itself.
pub fn facts(meta: &Meta) -> Facts {
    Facts {
        concurrency: match meta.concurrency {
            Concurrency::Unbounded => record::Concurrency::Unbounded,
            Concurrency::One => record::Concurrency::One,
            Concurrency::HeldBy(workers) => record::Concurrency::HeldBy(tuning(workers)),
            Concurrency::HeldByProcess(workers) => record::Concurrency::HeldByProcess(tuning(workers)),
            Concurrency::PerRequest(workers) => record::Concurrency::PerRequest(tuning(workers)),
        },
        per_client: match meta.per_client {
            PerClient::Nothing => record::PerClient::Nothing,
            PerClient::Thread => record::PerClient::Thread,
            PerClient::Process => record::PerClient::Process,
        },
        tunings: meta.tunings.iter().copied().map(tuning).collect(),
        role: match meta.role {
            Role::Standard => record::Role::Standard,
            Role::Reference => record::Role::Reference,
            Role::Extra => record::Role::Extra,
        },
    }
}

/// How servers of this configuration are set up.
pub fn setup(config: &ServerConfig, backlog: u32) -> ServerSetup {
    ServerSetup {
        backlog,
        ballast_mib: config.ballast_mib,
        workers: Tuning::ALL.into_iter().map(|one| (tuning(one), count(one.of(config)))).collect(),
    }
}

fn tuning(tuning: Tuning) -> record::Tuning {
    match tuning {
        Tuning::PoolWorkers => record::Tuning::PoolWorkers,
        Tuning::PoolFloor => record::Tuning::PoolFloor,
        Tuning::PoolCeiling => record::Tuning::PoolCeiling,
        Tuning::BlockingWorkers => record::Tuning::BlockingWorkers,
        Tuning::ComputeWorkers => record::Tuning::ComputeWorkers,
        Tuning::RuntimeWorkers => record::Tuning::RuntimeWorkers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::scenario::Scenario;

    #[test]
    fn tunings_of_a_scenario_are_contestants_with_typed_sizes() {
        let text = "name = \"t\"\nabout = \"\"\nservice = \"echo\"\nmerit = \"throughput\"\n\
                    models = [\"tokio\", { model = \"tokio\", compute_workers = 8 }]\n\
                    [load]\nkind = \"closed\"\nclients = 1\n[request]\nsize = \"8 B\"\n\
                    [server]\ncompute_workers = 4\n";
        let scenario = Scenario::parse(text, "t.toml").expect("sound");
        let all = each_once(scenario.contestants_by_default()).expect("known");
        let names: Vec<&str> = all.iter().map(Contestant::name).collect();
        assert_eq!(names, ["tokio", "tokio[compute_workers=8]"]);
        let records: Vec<ModelRecord> = all.iter().map(Contestant::record).collect();
        let workload = setup(&scenario.server.config(1), scenario.server.backlog());
        let computing = |one: &ModelRecord| one.setup(&workload).workers[&record::Tuning::ComputeWorkers];
        assert_eq!(records.iter().map(computing).collect::<Vec<_>>(), [4, 8]);
        assert_eq!(records[1].tuning, BTreeMap::from([(record::Tuning::ComputeWorkers, 8)]));
        let tuned = all[1].tuned().expect("a model");
        assert_eq!(tuned.config(&scenario.server.config(1)).compute_workers, 8);
    }

    #[test]
    fn a_command_has_a_name_that_nobody_else_has() {
        let go: NamedCommand = "go=./gecho --bind=x {port}".parse().expect("sound");
        assert_eq!((go.name.as_str(), go.command.words.len()), ("go", 3));
        for (text, words) in [
            ("./gecho {port}", "has no name: write NAME='COMMAND'"),
            ("tokio", "give it with --model"),
            ("tokio[compute_workers=8]", "give it with --model"),
            ("tokio=./gecho {port}", "`tokio` is the name of a model"),
            ("a b=./gecho {port}", "has no name"),
            ("a[b]=./gecho {port}", "cannot name a contestant"),
            ("=./gecho {port}", "cannot name a contestant"),
            ("go=./gecho", "write {port}"),
            ("go=", "empty"),
            ("go=./gecho {port} | tee log", "needs a shell"),
        ] {
            let error = text.parse::<NamedCommand>().expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn commands_come_behind_models_and_two_of_one_name_are_refused() {
        let command = |text: &str| Contestant::Command(text.parse().expect("sound"));
        let chosen = [command("b=./x {port}"), command("a=./x {port}"), command("b=./x {port}")];
        let tokio = Contestant::model("tokio").expect("a model");
        let all = each_once(chosen.clone().into_iter().chain([tokio])).expect("one each");
        assert_eq!(all.iter().map(Contestant::name).collect::<Vec<_>>(), ["tokio", "b", "a"]);
        let error = each_once(chosen.into_iter().chain([command("a=./y {port}")])).expect_err("two");
        assert!(error.contains("named `a`, `./x {port}` and `./y {port}`"), "{error}");
        let record = all[1].record();
        assert_eq!(Contestant::of_record(&record).expect("it says all"), all[1]);
        assert!(record.facts.is_none() && record.command.as_deref() == Some("./x {port}"));
    }
}
