//! How the tool ends: every exit status, what it means, and what it means of each subcommand. The one table of them; help,
//! manual, README and ARCHITECTURE.md show it (`tests/it/exit.rs` holds them to it, and walks it).

use std::process::ExitCode;

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, and nothing is wrong with it.
    Fine,
    /// A build regressed.
    Regressed,
    /// Not done.
    Failed,
    /// Done, and its figures are not to be relied on.
    Invalid,
    /// The person, or the system, ended it.
    Interrupted,
}

impl Exit {
    /// All, by their numbers.
    pub const ALL: [Self; 5] = [Self::Fine, Self::Regressed, Self::Failed, Self::Invalid, Self::Interrupted];

    /// The number that a shell sees: 128 and the signal's where one ended it, as shells do.
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Regressed => 1,
            Self::Failed => 2,
            Self::Invalid => 3,
            Self::Interrupted => 130,
        }
    }

    /// The status of this number.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// What it means of every subcommand.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Fine => "done",
            Self::Regressed => "a build regressed",
            Self::Failed => {
                "not done: a mistake in what was asked, or a server, a build or the system did not do its part; the message \
                 says which"
            }
            Self::Invalid => "done, but the measurement is invalid or decides nothing",
            Self::Interrupted => "interrupted; what was finished is on disk and reported",
        }
    }

    /// What it means of single subcommands, where that says more.
    pub const fn of_commands(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Fine => &[
                ("ab", "passed, improved or, without --strict, undecided"),
                ("run", "also where models that cannot start here were left out"),
                ("advise", "an answer, also that no model satisfies it"),
                ("conform", "every required case passed; optional cases that failed are listed"),
            ],
            Self::Regressed => &[("ab", "slower, or broken where the baseline is not")],
            Self::Failed => &[
                ("ab", "a side does not build or does not serve"),
                ("run, sweep, capacity", "no model that was asked for can start here"),
                ("load", "no connection could be opened"),
                ("conform", "the server does not start or does not listen"),
                ("balance", "no balancer that was asked for is installed, or one does not start"),
            ],
            Self::Invalid => &[
                ("run, sweep, capacity", "too many trials without a valid try for a verdict"),
                ("replicate", "two runs contradict each other, or one failed"),
                (
                    "load",
                    "the server ended in the window, a reply was wrong, most requests went unanswered, or the load \
                     generator ran out of ports, descriptors or memory",
                ),
                ("ab", "not one figure could be compared, or with --strict not every one was decided"),
                ("probe", "the machine is unfit to measure on, which a run only says"),
                ("verify", "a wrong or unknown figure"),
                ("conform", "the server does not do what it must"),
                ("balance", "a balancer, or a server that was not to die, ended in the window"),
                ("advise", "undecided, or nothing near enough was measured"),
                ("history import", "an invalid measurement was not recorded"),
            ],
            Self::Interrupted => &[],
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table in Markdown, a line a row, as README.md and ARCHITECTURE.md hold it.
pub fn table() -> String {
    let mut text = String::from("| status | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        text += &format!("| {} | {}", exit.code(), exit.meaning());
        for (command, meaning) in exit.of_commands() {
            text += &format!("; `{command}`: {meaning}");
        }
        text += " |\n";
    }
    text
}

/// The table as lines of help.
pub fn lines() -> Vec<(String, String)> {
    let of = |exit: Exit| {
        let all = (exit.code().to_string(), exit.meaning().to_owned());
        let each = exit
            .of_commands()
            .iter()
            .map(|(command, meaning)| (String::new(), format!("{command}: {meaning}")));
        std::iter::once(all).chain(each)
    };
    Exit::ALL.into_iter().flat_map(of).collect()
}
