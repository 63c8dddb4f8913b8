//! A verdict in words: the choice, how far it is ahead at least, and what the blocks do not tell.
//!
//! The lower end of an interval comes first, because that is what was shown; the middle of it stands behind. Nothing is said of
//! "all" models when some could not be compared.

use crate::rules::verdict::{Closeness, LOOKS, MIN_BLOCKS, Place, Standing, Status, Verdict};
use crate::show::units;
use crate::stats::estimate::Estimate;
use crate::stats::paired::Better;

impl Status {
    /// What stands before a choice, or for it: "decided", "equal", "undecided (3 more blocks)", "provisional (disturbed)".
    pub fn words(self) -> String {
        match self {
            Self::Undecided { more } => format!("undecided ({})", further(more)),
            Self::Provisional => "provisional (disturbed)".to_owned(),
            Self::NoneFits => "none fits".to_owned(),
            Self::Decided | Self::Equal => self.name().to_owned(),
        }
    }
}

/// "3 more blocks", "more than 100 more blocks", "more blocks do not help".
fn further(more: Option<usize>) -> String {
    match more {
        None => "more blocks do not help".to_owned(),
        Some(more) if more > most_more() => format!("more than {} more blocks", most_more()),
        Some(more) => units::plural(more as u64, "more block"),
    }
}

/// Beyond so many further blocks only "more than" is said.
fn most_more() -> usize {
    LOOKS[LOOKS.len() - 1].0 - LOOKS[LOOKS.len() - 2].0
}

/// A factor with what was shown first: "at least 1.42× (1.66×, up to 1.90×)".
pub(crate) fn at_least(factor: Estimate) -> String {
    let (low, seen) = (units::factor(factor.low), units::factor(factor.median));
    match (factor.median.is_finite(), factor.high.is_finite()) {
        (false, _) => format!("at least {low}"),
        (true, false) => format!("at least {low} ({seen} was seen)"),
        (true, true) => format!("at least {low} ({seen}, up to {})", units::factor(factor.high)),
    }
}

/// Where a model stands, in a word or two.
pub(crate) fn place(verdict: &Verdict, standing: &Standing) -> String {
    match standing.place {
        _ if standing.place.is_front() && standing.useless(verdict.merit) => {
            "does not do the work".to_owned()
        }
        Place::Leader if !verdict.wins(&standing.model) => "first so far".to_owned(),
        Place::Leader => "best".to_owned(),
        Place::Equal(_) => "equal".to_owned(),
        Place::Near(_) => "near".to_owned(),
        Place::Open(_) => "not told apart".to_owned(),
        Place::Between(_) => format!("behind {}", units::any_of(&standing.behind)),
        Place::Behind(_) => "behind".to_owned(),
        Place::TooFew { more } => format!("{} needed", units::plural(more as u64, "more block")),
        Place::Invalid => "invalid".to_owned(),
    }
}

impl Verdict {
    /// The choice in a few words: "tokio", "tokio or mio-event-loop", "no model", "undecided (3 more blocks)".
    pub fn choice(&self) -> String {
        match self.status {
            Status::NoneFits => "no model".to_owned(),
            Status::Undecided { .. } => self.status.words(),
            Status::Provisional if self.winners.is_empty() => "no model is shown to be behind".to_owned(),
            Status::Decided | Status::Equal | Status::Provisional => units::any_of(&self.winners),
        }
    }

    /// How far the choice is ahead, who else is not behind, who was not compared, and where it flips, as sentences.
    pub fn lead(&self) -> String {
        let flips: Vec<String> = self.boundary.iter().map(crate::rules::verdict::Flip::sentence).collect();
        let flips = Some(flips.join(" ")).filter(|text| !text.is_empty() && !self.winners.is_empty());
        let sentences = [
            self.rests_on(),
            self.outcome(),
            self.among_winners(),
            self.between(),
            flips,
            self.not_compared(),
        ];
        sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// What a provisional verdict rests on.
    fn rests_on(&self) -> Option<String> {
        let provisional = self.provisional?;
        let blocks = self.clean_blocks + self.disturbed_blocks;
        let disturbed = format!(
            "Provisional: {} of {} disturbed.",
            self.disturbed_blocks,
            units::plural(blocks as u64, "block")
        );
        let by = match provisional.by == self.merit {
            true => format!("only what differs by {} or more counts", units::factor(provisional.allowance)),
            false => format!(
                "models are compared by {}, which other programs affect least: {} shrinks",
                provisional.by.label(),
                self.merit.label()
            ),
        };
        Some(format!("{disturbed} In these, {by}."))
    }

    /// The figure that the factors are of.
    fn compared_by(&self) -> crate::record::Metric {
        self.provisional.map_or(self.merit, |provisional| provisional.by)
    }

    fn outcome(&self) -> Option<String> {
        let label = self.merit.label();
        match self.status {
            Status::NoneFits => Some(match self.merit.nothing() {
                Some(nothing) => format!("Even the best model {nothing} in every block."),
                None => format!(
                    "Every model in front left so many requests unanswered that its {label} is infinite."
                ),
            }),
            Status::Undecided { .. } => self.undecided(),
            Status::Equal => Some(format!(
                "{} differ in {label} by less than the {} that matter.",
                self.those_compared(),
                units::share(self.merit.floor())
            )),
            Status::Decided | Status::Provisional => {
                let (next, factor) = self.next()?;
                Some(self.ahead(&self.standings[0].model, next, factor))
            }
        }
    }

    fn undecided(&self) -> Option<String> {
        let compared = self.standings.iter().filter(|one| one.place.is_compared()).count();
        if self.standings.len() < 2 {
            return Some("There are not two models to compare.".to_owned());
        }
        if compared == 0 {
            return Some(format!("The first comparison is made after {MIN_BLOCKS} blocks."));
        }
        let behind: Vec<String> = self
            .standings
            .iter()
            .filter(|one| !one.behind.is_empty())
            .map(|one| format!("{} is behind {}", one.model, one.behind[0]))
            .collect();
        let front: Vec<String> =
            self.standings.iter().filter(|one| one.place.is_front()).map(|one| one.model.clone()).collect();
        Some(match behind.as_slice() {
            [] => format!("No model is shown to be behind in {}.", self.merit.label()),
            some => format!("{}; nobody is ahead of {}.", some.join(", "), units::any_of(&front)),
        })
    }

    fn ahead(&self, best: &str, next: &Standing, factor: Estimate) -> String {
        let (by, name) = (self.compared_by(), &next.model);
        if next.useless(self.merit) {
            return match self.merit.nothing() {
                Some(nothing) => format!("The next, {name}, {nothing}, in half of the blocks or more."),
                None => format!(
                    "The next, {name}, never answered enough of its requests to have a {}.",
                    self.merit.label()
                ),
            };
        }
        let (amount, label) = (at_least(factor), by.label());
        match by.better() {
            Better::More => format!("{best} has {amount} the {label} of {name}."),
            Better::Less => format!("{name} has {amount} the {label} of {best}."),
        }
    }

    /// How alike the winners are.
    fn among_winners(&self) -> Option<String> {
        let alike = match self.closeness.filter(|_| self.status != Status::Equal)? {
            Closeness::Equal => "differ by less than matters",
            Closeness::Near => "are near each other",
            Closeness::NotToldApart => "are not told apart",
        };
        let widest = |standing: &Standing| {
            let factor = standing.place.factor().filter(|_| self.wins(&standing.model))?;
            Some(factor.high.max(1.0 / factor.low))
        };
        let widest = self.standings.iter().filter_map(widest).fold(1.0, f64::max);
        let within = if widest.is_finite() {
            format!("by up to {} from {}", units::factor(widest), self.winners[0])
        } else {
            "no upper bound, because of the generator's limit or unanswered requests".to_owned()
        };
        Some(format!("{} {alike} ({within}).", units::all_of(&self.winners)))
    }

    /// Those behind some of the winners and not told from others.
    fn between(&self) -> Option<String> {
        let mut groups: Vec<(&[String], Vec<String>)> = Vec::new();
        let here = |one: &&Standing| matches!(one.place, Place::Between(_)) && !self.winners.is_empty();
        for one in self.standings.iter().filter(here) {
            match groups.iter_mut().find(|(ahead, _)| *ahead == one.behind.as_slice()) {
                Some((_, group)) => group.push(one.model.clone()),
                None => groups.push((&one.behind, vec![one.model.clone()])),
            }
        }
        let tell = |(ahead, group): (&[String], Vec<String>)| {
            let verb = if group.len() == 1 { "is" } else { "are" };
            format!(
                "{} {verb} behind {}, and not told from the others",
                units::all_of(&group),
                units::all_of(ahead)
            )
        };
        let all: Vec<String> = groups.into_iter().map(tell).collect();
        (!all.is_empty()).then(|| format!("{}.", all.join("; ")))
    }

    /// "The 5 models", or how many of them could be compared.
    fn those_compared(&self) -> String {
        let (compared, all) =
            (self.standings.iter().filter(|one| one.place.is_compared()).count(), self.standings.len());
        if compared == all {
            format!("The {all} models")
        } else {
            format!("The {compared} models that could be compared, of {all},")
        }
    }

    /// The models that the verdict says nothing of, each with the reason.
    fn not_compared(&self) -> Option<String> {
        let out = self.standings.iter().filter(|one| !one.place.is_compared());
        let out: Vec<String> = out
            .map(|standing| {
                let mut why = match standing.blocks {
                    blocks @ ..MIN_BLOCKS => vec![format!("{blocks} of the {MIN_BLOCKS} blocks needed")],
                    _ => vec!["too few blocks together with another".to_owned()],
                };
                if standing.excluded > 0 {
                    let trials = units::plural(u64::from(standing.excluded), "trial");
                    why.push(format!("{trials} left out as invalid"));
                }
                if standing.without_figure > 0 {
                    let trials = units::plural(standing.without_figure as u64, "trial");
                    why.push(format!("{trials} {}", self.merit.why_none()));
                }
                format!("{} ({})", standing.model, why.join(", "))
            })
            .collect();
        (!out.is_empty()).then(|| format!("Not compared: {}.", out.join("; ")))
    }
}
