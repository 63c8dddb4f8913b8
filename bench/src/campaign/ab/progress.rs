//! What a person sees while two builds are compared. Drawn between trials only, so that drawing takes no CPU from a
//! measurement.

use crate::tell;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// Between two lines in a log.
const BETWEEN_LINES: Duration = Duration::from_secs(20);

/// The progress of a comparison.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    wanted: bool,
    begun: Instant,
    last: Instant,
    budget: Option<Duration>,
}

impl Progress {
    /// For a comparison with a budget, or of so many rounds; silent unless `wanted`.
    pub(super) fn new(budget: Option<Duration>, rounds: u32, wanted: bool) -> Self {
        let now = Instant::now();
        let bar = (wanted && std::io::stderr().is_terminal()).then(|| {
            let length = budget.map_or(u64::from(rounds), |budget| budget.as_secs());
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            let unit = if budget.is_some() { " s" } else { " rounds" };
            let template = format!("{{bar:16.green/dim}} {{pos}}/{{len}}{unit}  {{wide_msg}}");
            bar.set_style(
                ProgressStyle::with_template(&template).expect("a sound template").progress_chars("━━─"),
            );
            bar
        });
        Self { bar, wanted, begun: now, last: now, budget }
    }

    /// Something is done that is no round.
    pub(super) fn doing(&self, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(what.to_owned());
                bar.tick();
            }
            None => self.say(what),
        }
    }

    /// A round is done.
    pub(super) fn round(&mut self, words: &str, round: u32) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.budget.map_or(u64::from(round), |_| self.begun.elapsed().as_secs()));
                bar.set_message(words.to_owned());
            }
            None if self.last.elapsed() >= BETWEEN_LINES => {
                self.last = Instant::now();
                self.say(words);
            }
            None => {}
        }
    }

    /// A sentence that stays.
    pub(super) fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) => bar.println(words),
            None if self.wanted => tell(words),
            None => {}
        }
    }

    /// It is over.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
