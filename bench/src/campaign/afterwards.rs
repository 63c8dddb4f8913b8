//! What a run may take of every model once its trials are done: the anatomy of a request, and what breaks it.

use super::{Running, Stop};
use crate::instruments::anatomy::{self, AnatomyOptions};
use crate::instruments::envelope;
use crate::process::launch::LaunchError;
use crate::process::program::Program;
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::record::{Anatomy, Record};

impl Running<'_> {
    /// Takes what was asked for, into the bundle.
    pub(super) fn afterwards(&mut self) -> Result<(), Stop> {
        let programs: Vec<Program<'_>> =
            self.campaign.field.entries.iter().map(|entry| entry.program).collect();
        if self.campaign.options.anatomy {
            programs.iter().try_for_each(|program| self.anatomy(*program))?;
        }
        if self.campaign.options.envelope {
            let progress = &self.campaign.progress;
            let begin = |model: &str, stress: Stress| {
                progress.afterwards(&format!("what breaks {model} / {}", stress.name()));
            };
            let (context, seed) = (self.campaign.context, self.conditions.seed);
            if !envelope::take_all(context, seed, &programs, Stress::ALL, &mut self.bundle, begin)? {
                return Err(Stop::Interrupted);
            }
        }
        Ok(())
    }

    /// The anatomy of a small echo.
    fn anatomy(&mut self, program: Program<'_>) -> Result<(), Stop> {
        let model = program.name();
        self.campaign.progress.afterwards(&format!("anatomy of a request / {model}"));
        let options = AnatomyOptions::small_echo();
        let anatomy = match anatomy::take(self.campaign.context, program, &options) {
            Ok(anatomy) => anatomy,
            Err(LaunchError::Interrupted) => return Err(Stop::Interrupted),
            Err(error) => Anatomy::absent(model, options.service.name, &error.to_string()),
        };
        Ok(self.bundle.append(&Record::Anatomy(Box::new(anatomy)))?)
    }
}
