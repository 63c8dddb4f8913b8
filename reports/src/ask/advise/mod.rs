//! Advice from measured records: which models satisfy a question, how sure that is, and which run would settle it.
//!
//! Nothing here knows which model is better. Every finding names the records it rests on, says *not known* where they do
//! not tell, and the proposal is the run that would. Pure: no file, no clock, no process.
//!
//! The steps: [`distance`] finds the measured workloads near the question, `site` reads figures off them (between the
//! points of a sweep if need be), [`judge`] holds each model against each criterion, `choose` picks among those that
//! satisfy all of them and says how far to trust that, `propose` writes the scenario.

pub mod answer;
mod choose;
pub mod distance;
mod finding;
pub mod isolation;
pub mod judge;
pub mod memory;
mod propose;
pub mod question;
mod site;

pub use answer::{Answer, Criterion, Level, Outcome, Stand};
pub use question::{Question, Variability};
pub use site::is_ordinary;

use crate::analysis::Analysis;
use crate::show::units;
use answer::{ANSWER_VERSION, CellUsed, Finding, ModelAnswer};
use distance::Purpose;
use judge::Bench;
use question::Unasked;
use site::Site;
use std::collections::{BTreeMap, BTreeSet};

/// Records to answer from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What to call them: a path.
    pub name: String,
    /// What they say.
    pub analysis: Analysis,
}

/// The machine the answer is for, to compare the records' machine with. What is not known is not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Processor model.
    pub cpu_model: Option<String>,
    /// Number of CPUs the tool may use.
    pub cpus: Option<usize>,
}

/// Answers a question from records. Give the newest first: of equally near workloads the first is used.
pub fn advise(question: &Question, sources: &[Source], here: &Machine) -> Answer {
    let sites = site::sites(sources, question);
    let bench = Bench { question, sources, sites: &sites };
    let mut models: Vec<ModelAnswer> = names(sources)
        .into_iter()
        .map(|model| {
            let findings = bench.findings(&model);
            ModelAnswer { stand: stand(&findings), model, findings }
        })
        .collect();
    let choice = choose::choose(question, &sites, &models);
    let cells = cells_used(question, sources, &sites, &mut models);
    let near = !cells.is_empty();
    let outcome = match () {
        () if !near => Outcome::NothingNear,
        () if !choice.recommended.is_empty() => Outcome::Recommended,
        () if models.iter().all(|one| one.stand == Stand::Fails) => Outcome::NoneSatisfies,
        () => Outcome::Undecided,
    };
    let recommended = if near { choice.recommended } else { Vec::new() };
    let reasons = if near { choose::reasons(&models, &recommended, choice.reasons) } else { Vec::new() };
    let confidence = choose::confidence(
        question,
        sources,
        &sites,
        here,
        &choose::Rest { models: &models, recommended: &recommended, cells: &cells },
    );
    Answer {
        answer_version: ANSWER_VERSION,
        question: question.clone(),
        assumptions: question.assumptions(),
        outcome,
        reasons,
        confidence,
        unknown: unknown(question, sources, &models, near),
        warnings: warnings(question, sources, here),
        proposal: propose::propose(question, &models, &recommended, commands(sources)),
        models,
        cells,
        recommended,
    }
}

/// Every model of the sources, in their order.
fn names(sources: &[Source]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = sources.iter().flat_map(|source| &source.analysis.run.models).map(|model| model.name.clone());
    all.filter(|name| seen.insert(name.clone())).collect()
}

/// The texts of those that are commands, by their names; of one that differs between sources the last.
fn commands(sources: &[Source]) -> BTreeMap<String, String> {
    let all = sources.iter().flat_map(|source| &source.analysis.run.models);
    all.filter_map(|model| Some((model.name.clone(), model.command.clone()?))).collect()
}

/// The models, those that come nearest to what was asked first; equally near ones stay in their order.
fn by_shortfall(models: &[ModelAnswer]) -> Vec<&ModelAnswer> {
    let mut all: Vec<&ModelAnswer> = models.iter().collect();
    all.sort_by(|a, b| {
        let (a, b) = (a.shortfall(), b.shortfall());
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    all
}

/// A model satisfies what all that was asked of it says.
fn stand(findings: &[Finding]) -> Stand {
    let asked = || findings.iter().filter(|finding| finding.asked);
    match () {
        () if asked().any(|finding| finding.stand == Stand::Fails) => Stand::Fails,
        () if asked().all(|finding| finding.stand == Stand::Satisfies) => Stand::Satisfies,
        () => Stand::NotKnown,
    }
}

/// The purpose that a criterion is looked up for.
fn purpose(criterion: Criterion) -> Purpose {
    match criterion {
        Criterion::Rate => Purpose::Capacity,
        Criterion::Memory => Purpose::Memory,
        Criterion::P99 | Criterion::Starvation | Criterion::Isolation => Purpose::Latency,
    }
}

/// The sites that findings rest on, nearest first; findings are made to point at them.
fn cells_used(
    question: &Question,
    sources: &[Source],
    sites: &[Site<'_>],
    models: &mut [ModelAnswer],
) -> Vec<CellUsed> {
    let mut used: Vec<(usize, Vec<Criterion>)> = Vec::new();
    for finding in models.iter().flat_map(|one| &one.findings) {
        // What was not asked for is shown, but nothing rests on it.
        let Some(position) = finding.cell.filter(|_| finding.asked) else { continue };
        match used.iter_mut().find(|(site, _)| *site == position) {
            Some((_, uses)) if uses.contains(&finding.criterion) => {}
            Some((_, uses)) => uses.push(finding.criterion),
            None => used.push((position, vec![finding.criterion])),
        }
    }
    let mut cells: Vec<(usize, CellUsed)> = used
        .into_iter()
        .map(|(position, used_for)| {
            let site = &sites[position];
            let distances = used_for.iter().map(|criterion| site.distance(question, purpose(*criterion)));
            let distance = distances.max_by(|a, b| a.total().total_cmp(&b.total())).unwrap_or_default();
            let cell = CellUsed {
                source: sources[site.source].name.clone(),
                workload: site.name(),
                used_for,
                distance: distance.total(),
                differences: distance.parts.into_iter().map(|part| part.difference).collect(),
            };
            (position, cell)
        })
        .collect();
    cells.sort_by(|a, b| a.1.distance.total_cmp(&b.1.distance).then(a.0.cmp(&b.0)));
    for finding in models.iter_mut().flat_map(|one| &mut one.findings) {
        finding.cell = finding.cell.and_then(|at| cells.iter().position(|(position, _)| *position == at));
    }
    cells.into_iter().map(|(_, cell)| cell).collect()
}

fn unknown(question: &Question, sources: &[Source], models: &[ModelAnswer], near: bool) -> Vec<String> {
    let mut all: Vec<String> = question
        .unknown()
        .into_iter()
        .map(|unasked| {
            let name = match unasked {
                Unasked::Connections => "the number of connections",
                Unasked::Payload => "the payload",
                Unasked::Variability => "how much the work differs from request to request",
            };
            format!("{name}, which the question does not say")
        })
        .collect();
    for one in models.iter().filter(|one| one.stand != Stand::Fails) {
        // A finding without a cell says that nothing was near; the headline says it when that goes for all.
        let open = |finding: &&Finding| {
            finding.asked && finding.stand == Stand::NotKnown && (near || finding.cell.is_some())
        };
        for finding in one.findings.iter().filter(open) {
            all.push(format!("{}, {}: {}", one.model, finding.criterion, finding.words));
        }
    }
    let cpus: BTreeSet<usize> =
        sources.iter().map(|source| source.analysis.run.environment.server_cpus.len()).collect();
    if let Some(most) = cpus.last() {
        let most = units::plural(*most as u64, "CPU");
        all.push(format!("what more CPUs would change: the servers measured had {most}"));
    }
    all
}

fn warnings(question: &Question, sources: &[Source], here: &Machine) -> Vec<String> {
    let mut all = Vec::new();
    for source in sources {
        let name = &source.name;
        all.extend(
            elsewhere(source, here)
                .map(|why| format!("{name} is from another machine ({why}): its figures may not hold here")),
        );
        all.extend(source.analysis.caveats().into_iter().map(|caveat| format!("{name}: {caveat}")));
        if source.analysis.says_nothing() {
            all.push(format!("{name} was not used: too many of its trials are invalid"));
        }
    }
    if let (Some(rate), Some(compute)) = (question.rate_per_s, question.compute_ns) {
        let cpus = rate * compute / 1e9;
        let most = sources.iter().map(|source| source.analysis.run.environment.server_cpus.len()).max();
        if most.is_some_and(|most| cpus > most as f64) {
            all.push(format!(
                "the computing alone keeps {cpus:.1} CPUs busy, and the servers measured had {}",
                most.unwrap_or_default()
            ));
        }
    }
    all
}

/// How the machine of records differs from this one; `None` where it does not, as far as is known.
fn elsewhere(source: &Source, here: &Machine) -> Option<String> {
    let there = &source.analysis.run.environment;
    match (there.cpu_model.value(), &here.cpu_model) {
        (Some(theirs), Some(ours)) if theirs != ours => return Some(format!("{theirs}, here {ours}")),
        _ => {}
    }
    let cpus = here.cpus.filter(|cpus| *cpus != there.cpus.len())?;
    Some(format!("{} there, {cpus} here", units::plural(there.cpus.len() as u64, "CPU")))
}
