//! The sentences of a sweep: knees, laws, boundaries, capacities. The same words for the terminal and the page.

use crate::record::{Axis, Objective};
use crate::rules::sweep::capacity::{Capacity, End, Found};
use crate::rules::sweep::{Boundary, Crossover, Fit, Knee, Sweep, sure};
use crate::rules::verdict::Flip;
use crate::rules::workload::Workload;
use crate::show::units;

/// What κ and σ cannot say.
pub(crate) const NO_CORES: &str =
    "N counts clients here, not processors: the law says nothing of more cores.";

impl Axis {
    /// Its name in a narrow column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Rate => "rate",
            Self::Idle => "idle",
            Self::Cores => "cores",
            Self::Room => "members",
        }
    }

    /// The most of it that keeps an objective.
    pub(crate) fn most(self) -> &'static str {
        match self {
            Self::Rate => "the highest rate",
            Self::Room => "the largest room",
            Self::Clients => "the most clients",
            Self::Idle => "the most idle connections",
            Self::Cores => "the most cores",
        }
    }

    /// What it counts.
    pub fn label(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Rate => "requests per second",
            Self::Idle => "idle connections",
            Self::Cores => "server cores",
            Self::Room => "members of a room",
        }
    }

    /// A value without its unit: three significant digits.
    pub fn bare(self, value: f64) -> String {
        match self {
            Self::Rate => units::rate(value),
            Self::Clients | Self::Idle | Self::Cores | Self::Room => units::grouped(three(value)),
        }
    }

    /// A value with its unit: "210 clients", "12.3k/s".
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Rate => self.bare(value),
            Self::Clients if three(value) == 1 => "1 client".to_owned(),
            Self::Clients => format!("{} clients", self.bare(value)),
            Self::Idle => format!("{} idle connections", self.bare(value)),
            Self::Cores if three(value) == 1 => "1 core".to_owned(),
            Self::Cores => format!("{} cores", self.bare(value)),
            Self::Room => format!("{} members", self.bare(value)),
        }
    }
}

/// A count to three significant digits.
fn three(value: f64) -> u64 {
    let unit = 10_f64.powf((value.max(1.0).log10().floor() - 2.0).max(0.0));
    ((value / unit).round() * unit) as u64
}

/// An objective in words: "response p99 of at most 5.00 ms".
pub(crate) fn objective(objective: &Objective) -> String {
    format!(
        "response {} of at most {}",
        units::percentile(objective.percentile),
        units::time(objective.limit_ns as f64)
    )
}

impl Crossover {
    /// The boundary as a sentence.
    pub fn sentence(&self, axis: Axis) -> String {
        let (before, after) = (&self.before, &self.after);
        match self.boundary {
            Boundary::Shown { value, low, high, .. } => {
                let at = (value, low, high);
                Flip { before: before.clone(), after: after.clone(), axis, at }.sentence()
            }
            Boundary::Unshown { from, to } => format!(
                "{before} and {after} change places between {} and {}, but not by more than the floor and the \
                 uncertainty: no boundary could be shown.",
                axis.bare(from),
                axis.show(to)
            ),
        }
    }
}

impl Flip {
    /// Which model is best until where, and which from there on.
    pub fn sentence(&self) -> String {
        let (axis, (value, low, high)) = (self.axis, self.at);
        let interval = format!("({} to {})", axis.bare(low), axis.bare(high));
        let unit = match axis {
            Axis::Rate => String::new(),
            Axis::Clients | Axis::Idle | Axis::Cores | Axis::Room => format!(" {}", axis.label()),
        };
        format!("{} until {} {interval}{unit}, then {}.", self.before, axis.bare(value), self.after)
    }
}

impl Knee {
    /// In a few words.
    pub fn brief(&self, axis: Axis) -> String {
        match self {
            Self::At { value, low, high } => {
                format!("{} ({} to {})", axis.bare(*value), axis.bare(*low), axis.bare(*high))
            }
            Self::Before(first) => format!("none in range: at {} or below", axis.bare(*first)),
            Self::Beyond(last) => format!("none in range: at {} or above", axis.bare(*last)),
            Self::Untold(why) => format!("not told: {why}"),
        }
    }
}

impl Fit {
    /// The law with its parameters and its residual; whether it holds comes first.
    pub fn sentence(&self, axis: Axis) -> String {
        match self {
            Self::None(why) => format!("no fit: {why}"),
            Self::Usl(usl) => {
                let holds = if usl.holds() { "" } else { "the fit does not hold; " };
                let peak = usl
                    .peak()
                    .map_or_else(String::new, |n| format!(", most at {}", axis.show(n.round().min(1e9))));
                format!(
                    "{holds}λ {}, σ {}, κ {}{peak}; residual {}",
                    units::rate(usl.lambda_per_s),
                    small(usl.sigma),
                    small(usl.kappa),
                    units::share(usl.residual)
                )
            }
            Self::Queue(queue) => {
                let holds = if queue.holds() { "" } else { "the fit does not hold; " };
                format!(
                    "{holds}{}, {} per request in one queue, saturated at {}, {} unloaded; residual {}",
                    queue.name(),
                    units::time(queue.service_ns),
                    units::rate(queue.saturation_per_s()),
                    units::time(queue.alone_ns),
                    units::share(queue.residual)
                )
            }
        }
    }
}

/// A parameter that may be very small.
fn small(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 0.001 => format!("{v:.1e}"),
        v => format!("{v:.3}"),
    }
}

impl Capacity {
    /// What was found on an axis, in a few words.
    pub fn brief(&self, axis: Axis) -> String {
        let one = |value: &f64| axis.bare(*value);
        match &self.found {
            Found::At { value, low, high } if high.is_infinite() => {
                format!("{} (at least {})", one(value), one(low))
            }
            Found::At { value, low, high } => format!("{} ({} to {})", one(value), one(low), one(high)),
            Found::AtLeast { value, end } => {
                let why = match end {
                    End::NotTried => "nothing above was tried".to_owned(),
                    End::LeftOut { value } => {
                        format!("trials at {} had to be left out; the discarded trials say why", one(value))
                    }
                    End::Generator { rate_per_s } => {
                        format!("the generator's own ceiling is {}", units::rate(*rate_per_s))
                    }
                };
                format!("at least {}: {why}", one(value))
            }
            Found::Below { value } => format!("below {}", one(value)),
            Found::Unknown { trials } => {
                format!(
                    "unknown: {} valid, {} needed",
                    units::plural(*trials as u64, "trial"),
                    crate::rules::sweep::capacity::LEAST_TRIALS
                )
            }
        }
    }

    /// What nearly all windows keep, with how many windows say so; empty where nothing was seen to be kept.
    pub fn kept_words(&self, axis: Axis) -> String {
        self.kept.map_or_else(String::new, |kept| {
            let (kept_in, windows) = (kept.windows - kept.missed, kept.windows as u64);
            format!("{} ({kept_in} of {})", axis.bare(kept.value), units::plural(windows, "window"))
        })
    }

    /// How far behind the best, in a few words; empty for the best.
    pub fn behind(&self) -> String {
        match self.behind_by {
            Some((_, low, high)) if high.is_infinite() => format!("at least {}", units::factor(low)),
            Some((middle, low, high)) => {
                format!("{} ({})", units::factor(middle), units::interval(low, high))
            }
            None => String::new(),
        }
    }
}

impl Sweep {
    /// The name with what was swept: "churn over clients".
    pub fn title(&self) -> String {
        if self.searched {
            format!("{}: capacity", self.of)
        } else {
            format!("{} over {}", self.of, self.axis.label())
        }
    }

    /// The answer of the sweep in sentences.
    pub fn answer(&self) -> Vec<String> {
        if self.withheld {
            return vec!["No statement: too many trials of the run had to be left out.".to_owned()];
        }
        let mut told = self.capacity.as_ref().map_or_else(Vec::new, |capacities| {
            let winners: Vec<String> =
                capacities.models.iter().filter(|one| one.wins).map(|one| one.model.clone()).collect();
            let objective = objective(&capacities.objective);
            let (carry, carries, any) = match capacities.axis {
                Axis::Room => ("serve", "serves", "any of the rooms"),
                _ => ("carry", "carries", "any of the rates"),
            };
            let most = capacities.axis.most();
            vec![match winners.as_slice() {
                [] => format!("No model was shown to {carry} {any} with a {objective}."),
                [one] => format!("{one} {carries} {most} with a {objective}."),
                several => format!(
                    "{} {carry} {most} with a {objective}; they are not distinguishable with these trials.",
                    units::all_of(several)
                ),
            }]
        });
        if !self.searched {
            let boundaries = self.boundaries();
            if boundaries.is_empty() {
                told.push(self.constant());
            }
            told.extend(boundaries.iter().map(Flip::sentence));
        }
        told
    }

    /// On which CPUs the servers of each point were, and what is unclean about that, or only where something is; nothing where all
    /// points had the same.
    pub fn places(&self, only_doubtful: bool) -> Vec<String> {
        let told = |point: &Workload| {
            let at = self.axis.show(crate::rules::sweep::value(point));
            let doubts = point.cells.iter().flat_map(|cell| &cell.doubts).map(|doubt| &doubt.worst);
            let mut doubts: Vec<String> =
                doubts.filter(|doubt| doubt.is_about_cpus()).map(ToString::to_string).collect();
            doubts.dedup();
            if only_doubtful && doubts.is_empty() {
                return None;
            }
            let doubts: String = doubts.iter().map(|doubt| format!("; {doubt}")).collect();
            Some(format!("{at}: server on {}{doubts}", units::cpus(&point.scenario.server_cpus)))
        };
        let points = self.points.iter().filter(|point| !point.scenario.server_cpus.is_empty());
        points.filter(|_| self.axis == Axis::Cores).filter_map(told).collect()
    }

    /// What holds along the whole axis when no boundary does.
    fn constant(&self) -> String {
        // The workload itself tells of no other point.
        let own = |point: &&Workload| point.scenario.name != self.of;
        let chosen: Vec<&Workload> =
            self.kept().filter(own).filter(|point| !point.verdict.winners.is_empty()).collect();
        if chosen.is_empty() {
            return "No point has a verdict, so no boundary could be shown.".to_owned();
        }
        let always = |wins: &dyn Fn(&Workload, &str) -> bool| -> Vec<String> {
            let models = self.models.iter();
            models.filter(|model| chosen.iter().all(|point| wins(point, model))).cloned().collect()
        };
        let best = always(&|point, model| sure(point).any(|winner| winner == model));
        let perhaps = always(&|point, model| point.verdict.wins(model));
        let which = match self.points.iter().any(|point| self.beyond(point)) {
            true => "with a verdict that any model keeps up with",
            false => "with a verdict",
        };
        match (best.as_slice(), perhaps.as_slice()) {
            ([], [] | [_]) => "No boundary between the best models could be shown.".to_owned(),
            ([], several) => format!(
                "No boundary between the best models could be shown: these rounds do not show which of {} is best where.",
                units::all_of(several)
            ),
            (always, _) => {
                let (who, verbs) = (
                    units::all_of(always),
                    if always.len() == 1 { ("is", "shares") } else { ("are", "share") },
                );
                let open: Vec<String> =
                    perhaps.iter().filter(|model| !always.contains(model)).cloned().collect();
                let open = match open.as_slice() {
                    [] => String::new(),
                    open => format!(
                        " Never behind there, but not told from the first at all of these points either: {}.",
                        units::all_of(open)
                    ),
                };
                format!("{who} {} best, or {} first place, at every point {which}.{open}", verbs.0, verbs.1)
            }
        }
    }
}
