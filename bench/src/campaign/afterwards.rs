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
        let entries = &self.campaign.field.entries;
        let programs: Vec<Program<'_>> = entries.iter().map(|entry| entry.program).collect();
        if self.campaign.options.anatomy {
            let echoes: Vec<bool> = entries.iter().map(|entry| entry.echoes).collect();
            programs.iter().zip(echoes).try_for_each(|(program, echoes)| self.anatomy(*program, echoes))?;
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
    fn anatomy(&mut self, program: Program<'_>, echoes: bool) -> Result<(), Stop> {
        let model = program.name();
        self.campaign.progress.afterwards(&format!("anatomy of a request / {model}"));
        let options = AnatomyOptions::small_echo();
        let context = self.campaign.context;
        // A command that speaks something else would keep its client waiting for nothing.
        let taken = match echoes {
            true => anatomy::take(context, program, &options),
            false => {
                Err(LaunchError::Refused("it runs no workload of echo, so it was not asked for one".into()))
            }
        };
        let anatomy = match taken {
            Ok(anatomy) => anatomy,
            Err(LaunchError::Interrupted) => return Err(Stop::Interrupted),
            Err(error) => Anatomy::absent(model, options.service.name, &error.to_string()),
        };
        Ok(self.bundle.append(&Record::Anatomy(Box::new(anatomy)))?)
    }
}
