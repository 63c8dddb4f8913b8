//! What a person sees while a run goes on: a bar on a terminal, a line a round in a log. Drawn between trials only, so
//! that drawing takes no CPU from a measurement.

use crate::campaign::run::plan::{Plan, Slot};
use crate::tell;
use crate::workload::scenario::Scenario;
use bakeoff_reports::record::{LookRecord, Trial};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// The progress of a run.
#[derive(Debug)]
pub struct Progress {
    style: Style,
    begun: Instant,
    /// Trials planned; with a budget, only expected.
    total: usize,
    rounds: u32,
    budget: Option<Duration>,
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
        let style = if !wanted {
            Style::Silent
        } else if std::io::stderr().is_terminal() {
            // With a budget the bar is of time, because the number of trials is not known.
            let length = plan.budget.map_or(total as u64, |budget| budget.as_secs());
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            let template = match plan.budget {
                Some(_) => "{bar:16.green/dim} {pos}/{len} s  {wide_msg}",
                None => "{bar:16.green/dim} {pos}/{len}, about {eta} left  {wide_msg}",
            };
            bar.set_style(
                ProgressStyle::with_template(template).expect("a constant template").progress_chars("━━─"),
            );
            Style::Bar(bar)
        } else {
            Style::Lines
        };
        let (rounds, budget) = (plan.rounds(), plan.budget);
        Self { style, begun: Instant::now(), total, rounds, budget, done: 0, invalid: 0 }
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
        if let Style::Bar(bar) = &self.style {
            match self.budget {
                Some(_) => bar.set_position(self.begun.elapsed().as_secs()),
                None => bar.inc(1),
            }
        }
    }

    /// A round of so many trials is done, tries again included.
    pub fn round_done(&self, round: u32, trials: usize) {
        if matches!(self.style, Style::Lines) {
            tell(&self.line(round + 1, trials));
        }
    }

    /// The figures were looked at.
    pub fn looked(&self, look: &LookRecord) {
        let text = format!(
            "looked after round {}: {} decided and stopped, {} go on",
            look.after_rounds,
            look.ended.len(),
            look.going_on
        );
        match &self.style {
            Style::Bar(bar) => bar.println(text),
            Style::Lines => tell(&text),
            Style::Silent => {}
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
            let of = if self.budget.is_some() { "about " } else { "" };
            tell(&format!("interrupted after {} of {of}{} trials; those are on disk", self.done, self.total));
        }
    }

    fn line(&self, round: u32, trials: usize) -> String {
        let elapsed = self.begun.elapsed();
        let invalid = match self.invalid {
            0 => String::new(),
            // Tries again are among these, and not among the trials.
            1 => ", 1 invalid try".into(),
            n => format!(", {n} invalid tries"),
        };
        if let Some(budget) = self.budget {
            let left = budget.saturating_sub(elapsed).as_secs_f64();
            return format!("round {round} of {trials} trials done{invalid}, {left:.0} s of the budget left");
        }
        let left =
            elapsed.as_secs_f64() / self.done.max(1) as f64 * self.total.saturating_sub(self.done) as f64;
        format!(
            "round {round} of {} done, {} of {} trials{invalid}, about {left:.0} s left",
            self.rounds, self.done, self.total
        )
    }
}
