//! A side of a comparison: what a person asked for, and what is ready to be started once it is built.

use super::build::{BuildError, Builder, Built, Layout, is_commit};
use crate::process::launch::{Interrupt, Launcher};
use crate::process::program::Program;
use crate::workload::command::Command;
use bakeoff_reports::record::{Contender, Origin, Side};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What a person may compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SideSpec {
    /// The program that runs.
    ThisProgram,
    /// A file: a build of this program.
    Binary(PathBuf),
    /// A commit to build, by any name that git knows.
    Reference(String),
    /// A command that serves where it is told.
    Command(Command),
}

impl SideSpec {
    /// Reads what was given for a side: a command if it says `{port}` or `{address}`, `this` for the program that runs, a file
    /// if it can be nothing but a path, a git ref if git knows one, a file if there is one of this name, a git ref else.
    ///
    /// # Errors
    /// A command without words, a file that is not there or cannot be run.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_in(Path::new("."), text)
    }

    fn parse_in(folder: &Path, text: &str) -> Result<Self, String> {
        if text.contains("{port}") || text.contains("{address}") {
            return Command::parse(text).map(Self::Command);
        }
        if text.contains(char::is_whitespace) {
            // A ref has no blanks; this would be a command if it said where the port goes.
            return Command::parse(text).map(Self::Command);
        }
        if text == "this" {
            return Ok(Self::ThisProgram);
        }
        let path = Path::new(text);
        let there = folder.join(path).metadata();
        let looks_like_a_path = text.starts_with(['/', '.', '~']);
        // The ref before the file: what is proposed for merging may hold a file called `main`, and would be its own baseline.
        if !looks_like_a_path && is_commit(folder, text) {
            return Ok(Self::Reference(text.into()));
        }
        match there {
            Ok(file) if file.is_file() && file.permissions().mode() & 0o111 != 0 => {
                Ok(Self::Binary(path.into()))
            }
            Ok(file) if file.is_file() => {
                Err(format!("{text} cannot be run (chmod +x {text}); give a build of bakeoff, or a git ref"))
            }
            _ if looks_like_a_path => Err(format!(
                "there is no program {text}; give a git ref, a build of bakeoff, or a command with {{port}} in it"
            )),
            _ => Ok(Self::Reference(text.into())),
        }
    }
}

/// A side that is ready to be started.
#[derive(Debug)]
pub struct PreparedSide {
    /// For the record.
    pub contender: Contender,
    /// How to start it.
    start: Start,
    /// The same built again, its functions in other orders.
    further: Vec<Start>,
    /// Busy time added to every request, in nanoseconds.
    tax_ns: u64,
}

/// How a build of a side is started.
#[derive(Debug)]
struct Start {
    launcher: Launcher,
    /// The command, if it is one.
    command: Option<Command>,
}

/// What sides are prepared with.
#[derive(Debug)]
pub struct Preparation<'a> {
    /// Builds commits.
    pub builder: Option<&'a Builder>,
    /// The command of a side that is given as a commit of another program.
    pub run: Option<&'a Command>,
    /// Ends what is started.
    pub interrupt: &'a Interrupt,
    /// How often a commit is built, its functions in another order each time.
    pub layouts: u32,
}

impl PreparedSide {
    /// Prepares a side: builds it if it is a commit.
    ///
    /// # Errors
    /// It does not build, with the compiler's words, or is no commit.
    pub fn prepare(side: Side, spec: &SideSpec, preparation: &Preparation<'_>) -> Result<Self, BuildError> {
        let this = Launcher::this_program(preparation.interrupt.clone());
        let prepared = |label: String, origin, launcher, command| Self {
            contender: Contender { label, origin },
            start: Start { launcher, command },
            further: Vec::new(),
            tax_ns: 0,
        };
        Ok(match spec {
            SideSpec::ThisProgram => {
                let path = std::env::current_exe().unwrap_or_else(|_| "bakeoff".into()).display().to_string();
                prepared("this program".into(), Origin::Binary { path }, this, None)
            }
            SideSpec::Binary(path) => {
                let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
                let launcher = Launcher { program: whole.clone(), interrupt: preparation.interrupt.clone() };
                let origin = Origin::Binary { path: whole.display().to_string() };
                prepared(path.display().to_string(), origin, launcher, None)
            }
            SideSpec::Command(command) => {
                let origin = Origin::Command { words: command.text.clone() };
                prepared(command.text.clone(), origin, this, Some(command.clone()))
            }
            SideSpec::Reference(reference) => {
                let builder = preparation
                    .builder
                    .ok_or(BuildError::NoBuilder { side, reference: reference.clone() })?;
                let layouts = Layout::of(preparation.layouts);
                let mut builds = layouts.map(|layout| builder.build(side, reference, layout));
                let built = builds.next().expect("one at least")?;
                let label = format!("{reference} ({})", &built.commit[..built.commit.len().min(10)]);
                let origin = Origin::Commit { reference: reference.clone(), commit: built.commit.clone() };
                let start = |built: Built| match preparation.run {
                    Some(run) => {
                        let command = Command { folder: Some(built.folder), ..run.clone() };
                        Start { launcher: this.clone(), command: Some(command) }
                    }
                    None => {
                        let interrupt = preparation.interrupt.clone();
                        Start { launcher: Launcher { program: built.program, interrupt }, command: None }
                    }
                };
                let further = builds.map(|built| built.map(start)).collect::<Result<_, _>>()?;
                Self { contender: Contender { label, origin }, start: start(built), further, tax_ns: 0 }
            }
        })
    }

    /// The same with so much busy time on every request, in nanoseconds.
    #[must_use]
    pub fn taxed(mut self, tax_ns: u64) -> Self {
        self.tax_ns = tax_ns;
        if tax_ns > 0 {
            self.contender.label += &format!(", {tax_ns} ns more a request");
        }
        self
    }

    /// What serves for it with this model.
    pub fn program<'a>(&'a self, model: &'a str) -> Program<'a> {
        self.started(&self.start, model)
    }

    /// The command, if it is one.
    pub fn command(&self) -> Option<&Command> {
        self.start.command.as_ref()
    }

    /// Its further builds, with this model.
    pub fn further<'a>(&'a self, model: &'a str) -> impl Iterator<Item = Program<'a>> {
        self.further.iter().map(move |start| self.started(start, model))
    }

    /// How often it was built.
    pub fn layouts(&self) -> u32 {
        self.further.len() as u32 + 1
    }

    fn started<'a>(&self, start: &'a Start, model: &'a str) -> Program<'a> {
        let launcher = &start.launcher;
        match &start.command {
            Some(command) => Program::Command { launcher, name: model, command },
            None => Program::Model { launcher, model, tax_ns: self.tax_ns },
        }
    }
}

/// The two sides.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The baseline.
    pub a: &'a PreparedSide,
    /// The candidate.
    pub b: &'a PreparedSide,
}

impl<'a> Sides<'a> {
    /// One of them.
    pub fn of(self, side: Side) -> &'a PreparedSide {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::git;
    use super::*;

    #[test]
    fn what_is_given_is_a_command_a_file_or_a_ref() {
        assert!(matches!(SideSpec::parse("./x --port {port}"), Ok(SideSpec::Command(_))));
        assert!(matches!(SideSpec::parse("serve {address}"), Ok(SideSpec::Command(_))));
        assert_eq!(SideSpec::parse("/bin/sh"), Ok(SideSpec::Binary("/bin/sh".into())));
        assert_eq!(SideSpec::parse("origin/main"), Ok(SideSpec::Reference("origin/main".into())));
        assert_eq!(SideSpec::parse("HEAD~3"), Ok(SideSpec::Reference("HEAD~3".into())));
        assert_eq!(SideSpec::parse("this"), Ok(SideSpec::ThisProgram));
    }

    #[test]
    fn a_file_is_no_ref_that_git_knows() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = |arguments: &[&str]| git(folder.path(), arguments).expect("git does it");
        run(&["init", "--quiet", "--initial-branch=main"]);
        let who = ["-c", "user.name=T", "-c", "user.email=t@example.org"];
        run(&[&who[..], &["commit", "--quiet", "--allow-empty", "-m", "one"]].concat());
        for name in ["main", "HEAD~0", "build"] {
            std::fs::write(folder.path().join(name), "#!/bin/sh\n").expect("room");
            let may_run = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path().join(name), may_run).expect("ours");
        }
        let asked = |text: &str| SideSpec::parse_in(folder.path(), text);
        assert_eq!(asked("main"), Ok(SideSpec::Reference("main".into())));
        assert_eq!(asked("HEAD~0"), Ok(SideSpec::Reference("HEAD~0".into())));
        assert_eq!(asked("./main"), Ok(SideSpec::Binary("./main".into())), "a path says that it is one");
        assert_eq!(asked("build"), Ok(SideSpec::Binary("build".into())), "git knows no such ref");
    }

    #[test]
    fn what_can_be_none_of_them_is_refused() {
        for (text, word) in [
            ("./no-such-build", "there is no program"),
            ("./server --port 80", "where the port goes"),
            ("/etc/passwd", "cannot be run"),
        ] {
            let error = SideSpec::parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
