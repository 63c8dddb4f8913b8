//! What a contestant is, in a line.

use crate::record::{ContestantKind, ModelRecord};

/// What a contestant is and, of a command, what is not known of it.
pub(crate) fn contestant(model: &ModelRecord) -> String {
    match model.kind() {
        ContestantKind::Model | ContestantKind::Tuned => model.summary.clone(),
        ContestantKind::Command(text) => format!(
            "the command `{text}`: sampled from outside like the models; it counts nothing for us, states nothing of itself, and \
             takes none of a workload's sizes"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_command_is_shown_by_its_text_and_what_is_not_known_of_it() {
        let model = ModelRecord {
            name: "go".into(),
            summary: "an event loop".into(),
            facts: None,
            tuning: BTreeMap::new(),
            command: None,
        };
        assert_eq!(contestant(&model), "an event loop");
        let command = ModelRecord { command: Some("./gecho {port}".into()), ..model };
        let words = contestant(&command);
        assert!(
            words.starts_with("the command `./gecho {port}`") && words.contains("counts nothing"),
            "{words}"
        );
    }
}
