//! What a person sees while a campaign goes on: a bar on a terminal, now and then a line in a log. Drawn between trials
//! only, so that drawing takes no CPU from a measurement.

use crate::print_to_stderr;
use bakeoff_reports::record::{Record, Trial};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Between two lines in a log.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// How long a campaign is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Trials planned; with a budget, only expected.
    pub(super) trials: usize,
    /// Rounds planned.
    pub(super) rounds: u32,
    /// The time it may take instead.
    pub(super) budget: Option<Duration>,
}

/// The progress of a campaign.
#[derive(Debug)]
pub(super) struct Progress {
    style: Style,
    begun: Instant,
    /// When the last line of a log was written.
    last: Option<Instant>,
    extent: Extent,
    done: usize,
    invalid: usize,
    so_far: String,
}

#[derive(Debug)]
enum Style {
    Bar(ProgressBar),
    Lines,
    Silent,
}

impl Progress {
    /// Silent unless `wanted`.
    pub(super) fn new(extent: Extent, wanted: bool) -> Self {
        let style = if !wanted {
            Style::Silent
        } else if std::io::stderr().is_terminal() {
            // With a budget the bar is of time, because the number of trials is not known.
            let length = extent.budget.map_or(extent.trials as u64, |budget| budget.as_secs());
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            bar.set_style(bar_style(match extent.budget {
                Some(_) => "{bar:16.green/dim} {pos}/{len} s  {wide_msg}",
                None => "{bar:16.green/dim} {pos}/{len}, about {eta} left  {wide_msg}",
            }));
            Style::Bar(bar)
        } else {
            Style::Lines
        };
        Self { style, begun: Instant::now(), last: None, extent, done: 0, invalid: 0, so_far: String::new() }
    }

    /// Something is done that is no trial.
    pub(super) fn doing(&self, what: &str) {
        match &self.style {
            Style::Bar(bar) => {
                bar.set_message(what.to_owned());
                bar.tick();
            }
            Style::Lines => print_to_stderr(what),
            Style::Silent => {}
        }
    }

    /// A trial begins.
    pub(super) fn begin(&self, scenario: &str, contestant: &str, round: u32, attempt: u32) {
        if let Style::Bar(bar) = &self.style {
            let again = if attempt > 0 { ", again" } else { "" };
            let so_far = if self.so_far.is_empty() { String::new() } else { format!("; {}", self.so_far) };
            bar.set_message(format!("{scenario} / {contestant}, {}{again}{so_far}", round + 1));
            bar.tick();
        }
    }

    /// What is known so far.
    pub(super) fn so_far(&mut self, words: String) {
        self.so_far = words;
    }

    /// A trial is done.
    pub(super) fn finished(&mut self, trial: &Trial) {
        self.invalid += usize::from(!trial.invalid.is_empty());
        // Repetitions are beside the plan.
        if trial.attempt > 0 {
            return;
        }
        self.done += 1;
        if let Style::Bar(bar) = &self.style {
            match self.extent.budget {
                Some(_) => bar.set_position(self.begun.elapsed().as_secs()),
                None => bar.inc(1),
            }
        }
    }

    /// A round of so many trials is done, repetitions included.
    pub(super) fn round_done(&mut self, round: u32) {
        let due = self.last.is_none_or(|last| last.elapsed() >= BETWEEN_LINES);
        if matches!(self.style, Style::Lines) && due {
            self.last = Some(Instant::now());
            print_to_stderr(&self.line(round + 1));
        }
    }

    /// Something was decided between two rounds.
    pub(super) fn decided(&self, record: &Record) {
        let text = match record {
            Record::Look(look) => format!(
                "looked after round {}: {} decided and stopped, {} undecided",
                look.after_rounds,
                look.ended.len(),
                look.going_on
            ),
            Record::Confirm(confirm) => {
                let cells = units_of(confirm.cells.len());
                format!("{cells} slower: {} fresh rounds to confirm it", confirm.rounds)
            }
            _ => return,
        };
        match &self.style {
            Style::Bar(bar) => bar.println(text),
            Style::Lines => print_to_stderr(&text),
            Style::Silent => {}
        }
    }

    /// The trials are done, and something follows.
    pub(super) fn afterwards(&self, what: &str) {
        if let Style::Bar(bar) = &self.style {
            // The estimate was of the trials; of what follows it knows nothing.
            bar.set_style(bar_style("{bar:16.green/dim} {pos}/{len}  {wide_msg}"));
            bar.set_message(what.to_string());
            bar.tick();
        }
    }

    /// The campaign is over, or was interrupted.
    pub(super) fn end(&self, interrupted: bool) {
        if let Style::Bar(bar) = &self.style {
            bar.finish_and_clear();
        }
        if interrupted && !matches!(self.style, Style::Silent) {
            let of = if self.extent.budget.is_some() { "about " } else { "" };
            let (done, trials) = (self.done, self.extent.trials);
            print_to_stderr(&format!("interrupted after {done} of {of}{trials} trials; those are on disk"));
        }
    }

    fn line(&self, round: u32) -> String {
        let elapsed = self.begun.elapsed();
        let invalid = match self.invalid {
            0 => String::new(),
            // Repetitions are among these, and not among the trials.
            1 => ", 1 invalid try".into(),
            n => format!(", {n} invalid tries"),
        };
        if let Some(budget) = self.extent.budget {
            let left = budget.saturating_sub(elapsed).as_secs_f64();
            let so_far = if self.so_far.is_empty() { String::new() } else { format!("; {}", self.so_far) };
            return format!(
                "{} trials done{invalid}, {left:.0} s of the budget left at most{so_far}",
                self.done
            );
        }
        let to_do = self.extent.trials.saturating_sub(self.done);
        let left = elapsed.as_secs_f64() / self.done.max(1) as f64 * to_do as f64;
        format!(
            "round {round} of {} done, {} of {} trials{invalid}, about {left:.0} s left",
            self.extent.rounds, self.done, self.extent.trials
        )
    }
}

fn bar_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template").progress_chars("━━─")
}

fn units_of(cells: usize) -> String {
    if cells == 1 { "1 cell looks".into() } else { format!("{cells} cells look") }
}
