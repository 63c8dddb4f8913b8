//! What a person sees while a run goes on: a bar on a terminal, a line a round in a log. Drawn between trials only, so
//! that drawing takes no CPU from a measurement.

use crate::run::plan::{Plan, Slot};
use crate::scenario::Scenario;
use crate::tell;
use bakeoff_reports::record::Trial;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Instant;

/// The progress of a run.
#[derive(Debug)]
pub struct Progress {
    style: Style,
    begun: Instant,
    total: usize,
    per_round: usize,
    done: usize,
    invalid: usize,
}

#[derive(Debug)]
enum Style {
    Bar(ProgressBar),
    Lines,
    Silent,
}

impl Progress {
    /// For the trials of a plan; silent unless `wanted`.
    pub fn new(plan: &Plan, wanted: bool) -> Self {
        let total = plan.slots.len();
        let per_round = plan.slots.iter().filter(|s| s.round == 0).count();
        let style = if !wanted {
            Style::Silent
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let template = "{bar:16.green/dim} {pos}/{len}, about {eta} left  {wide_msg}";
            bar.set_style(
                ProgressStyle::with_template(template).expect("a constant template").progress_chars("━━─"),
            );
            Style::Bar(bar)
        } else {
            Style::Lines
        };
        Self { style, begun: Instant::now(), total, per_round, done: 0, invalid: 0 }
    }

    /// The measurement before the run begins.
    pub fn probing(&self) {
        let words = "measuring the machine and the load generator first";
        match &self.style {
            Style::Bar(bar) => {
                bar.set_message(words);
                bar.tick();
            }
            Style::Lines => tell(&format!("{words}, about three seconds")),
            Style::Silent => {}
        }
    }

    /// A trial begins.
    pub fn begin(&self, slot: &Slot, scenario: &Scenario, model: &str) {
        if let Style::Bar(bar) = &self.style {
            let again = if slot.attempt > 0 { ", again" } else { "" };
            bar.set_message(format!("{} / {model}, round {}{again}", scenario.name, slot.round + 1));
            bar.tick();
        }
    }

    /// A trial is done and on disk.
    pub fn finished(&mut self, trial: &Trial) {
        if !trial.invalid.is_empty() {
            self.invalid += 1;
        }
        // Tries again are beside the plan.
        if trial.attempt > 0 {
            return;
        }
        self.done += 1;
        match &self.style {
            Style::Bar(bar) => bar.inc(1),
            Style::Lines if self.done.is_multiple_of(self.per_round) => tell(&self.line()),
            Style::Lines | Style::Silent => {}
        }
    }

    /// The trials are done, and something follows.
    pub fn afterwards(&self, what: &str) {
        if let Style::Bar(bar) = &self.style {
            // The estimate was of the trials; of what follows it knows nothing.
            let template = "{bar:16.green/dim} {pos}/{len}  {wide_msg}";
            bar.set_style(
                ProgressStyle::with_template(template).expect("a constant template").progress_chars("━━─"),
            );
            bar.set_message(what.to_string());
            bar.tick();
        }
    }

    /// The run is over, or was interrupted.
    pub fn end(&self, interrupted: bool) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
        if interrupted && !matches!(self.style, Style::Silent) {
            tell(&format!("interrupted after {} of {} trials; those are on disk", self.done, self.total));
        }
    }

    fn line(&self) -> String {
        let elapsed = self.begun.elapsed().as_secs_f64();
        let left = elapsed / self.done as f64 * (self.total - self.done) as f64;
        let invalid = match self.invalid {
            0 => String::new(),
            n => format!(", {n} invalid"),
        };
        let (round, rounds) = (self.done / self.per_round, self.total / self.per_round);
        format!(
            "round {round} of {rounds} done, {} of {} trials{invalid}, about {left:.0} s left",
            self.done, self.total
        )
    }
}
