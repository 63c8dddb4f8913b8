//! The definition of the command line as help, manual and completions show it: subcommands in groups.

use super::Cli;
use crate::exit;
use bakeoff_reports::show::text::wrapped;
use clap::CommandFactory as _;
use std::fmt::Write as _;

/// The subcommands by what a person is about to do.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Measure", &["run", "continue", "replicate", "sweep", "capacity", "list", "scenario"]),
    ("Serve and load", &["serve", "load", "conform"]),
    ("Understand", &["report", "advise", "anatomy", "envelope", "balance", "export"]),
    ("Gate", &["ab", "compare", "history"]),
    ("Trust", &["probe", "verify"]),
    ("This tool", &["completions", "man", "help"]),
];

/// The whole definition.
pub(super) fn definition() -> clap::Command {
    let command = Cli::command();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}{{after-help}}",
        groups(&command, crate::terminal_width().min(100))
    );
    command.help_template(template).after_help(exits())
}

/// The exit statuses.
fn exits() -> String {
    let width = crate::terminal_width().min(100);
    let line = |(code, meaning): (String, String)| wrapped(&meaning, width, &format!("{code:>5}  "));
    let lines: String = exit::lines().into_iter().map(line).collect();
    format!("Exit status:\n{}", lines.trim_end())
}

/// The groups, each with a line on every subcommand in it.
fn groups(command: &clap::Command, width: usize) -> String {
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(text, "{title}:");
        for name in names {
            let about = match command.find_subcommand(name).and_then(clap::Command::get_about) {
                Some(about) => about.to_string(),
                // Clap adds it when the command line is read.
                None => "Print this, or the help of a subcommand".into(),
            };
            text.push_str(&wrapped(&about, width, &format!("  {name:<13}")));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn nothing_is_hidden_so_that_completions_and_hints_cannot_show_it() {
        let mut whole = definition();
        whole.build();
        let mut commands: Vec<&clap::Command> = vec![&whole];
        while let Some(command) = commands.pop() {
            let hidden = command.get_arguments().find(|argument| argument.is_hide_set());
            assert!(!command.is_hide_set() && hidden.is_none(), "{}: {hidden:?}", command.get_name());
            commands.extend(command.get_subcommands());
        }
    }

    #[test]
    fn every_subcommand_is_in_one_group() {
        let command = definition();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        grouped.retain(|name| *name != "help");
        grouped.sort_unstable();
        let mut known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }

    #[test]
    fn help_fits_80_columns_and_examples_stay_on_their_lines() {
        let mut whole = definition().term_width(80);
        whole.build();
        let commands = whole.get_subcommands().cloned().collect::<Vec<_>>();
        for mut command in commands {
            let text = command.render_long_help().to_string();
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(wide.is_empty(), "{}: {wide:?}", command.get_name());
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for example in after.lines().filter(|line| line.starts_with("  ")) {
                assert!(text.lines().any(|line| line == example), "broken: {example}\n{text}");
            }
        }
    }
}
