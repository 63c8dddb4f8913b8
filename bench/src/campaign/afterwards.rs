//! What a run may take of every model once its trials are done: the anatomy of a request, and what breaks it.

use super::{Running, Stop};
use crate::instruments::anatomy::{self, AnatomyOptions};
use crate::instruments::envelope;
use crate::process::launch::LaunchError;
use bakeoff_reports::record::envelope::Stress;
use bakeoff_reports::record::{Anatomy, Record};

impl Running<'_> {
    /// Takes what was asked for, into the bundle.
    pub(super) fn afterwards(&mut self) -> Result<(), Stop> {
        let names: Vec<String> = self.campaign.field.entries.iter().map(|entry| entry.name.clone()).collect();
        if self.campaign.options.anatomy {
            names.iter().try_for_each(|model| self.anatomy(model))?;
        }
        if self.campaign.options.envelope {
            let progress = &self.campaign.progress;
            let begin = |model: &str, stress: Stress| {
                progress.afterwards(&format!("what breaks {model} / {}", stress.name()));
            };
            let models: Vec<&str> = names.iter().map(String::as_str).collect();
            let (context, seed) = (self.campaign.context, self.conditions.seed);
            if !envelope::take_all(context, seed, &models, Stress::ALL, &mut self.bundle, begin)? {
                return Err(Stop::Interrupted);
            }
        }
        Ok(())
    }

    /// The anatomy of a small echo of a model.
    fn anatomy(&mut self, model: &str) -> Result<(), Stop> {
        self.campaign.progress.afterwards(&format!("anatomy of a request / {model}"));
        let options = AnatomyOptions::small_echo(model);
        let anatomy = match anatomy::take(self.campaign.context, &options) {
            Ok(anatomy) => anatomy,
            Err(LaunchError::Interrupted) => return Err(Stop::Interrupted),
            Err(error) => Anatomy::absent(model, options.service.name, &error.to_string()),
        };
        Ok(self.bundle.append(&Record::Anatomy(Box::new(anatomy)))?)
    }
}
