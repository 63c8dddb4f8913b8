//! The balancers that there are, whether they are installed, and the command that starts each.

use super::configuration::{Backend, haproxy, nginx};
use crate::suggest;
use crate::workload::command::Command;
use crate::workload::contestant::NamedCommand;
use bakeoff_reports::record::Reading;
use bakeoff_reports::record::balance::LeftOut;
use rustix::fs::{Access, access};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where the addresses of the servers go in a command.
const SERVERS: &str = "{servers}";
/// Where distributions put programs that a user's PATH need not name.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What may stand before the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// HAProxy, of the distribution.
    Haproxy,
    /// nginx, of the distribution.
    Nginx,
    /// A command of somebody else's, that listens on `{port}` and balances over `{servers}`.
    Own {
        /// What a reader calls it.
        name: String,
        /// Its words, before `{servers}` is filled in.
        text: String,
    },
    /// None: one server is asked directly.
    Direct,
}

impl Balancer {
    /// Those that a comparison has unless others are named.
    pub const USUAL: [Self; 3] = [Self::Haproxy, Self::Nginx, Self::Direct];

    /// Its name, as on the command line.
    pub fn name(&self) -> &str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Own { name, .. } => name,
            Self::Direct => "direct",
        }
    }

    /// What it is, in a line.
    pub fn about(&self) -> &str {
        match self {
            Self::Haproxy => {
                "HAProxy from the distribution, one thread, with health checks (apt install haproxy)"
            }
            Self::Nginx => {
                "nginx from the distribution, one process, that notes which servers fail (apt install nginx)"
            }
            Self::Own { text, .. } => text,
            Self::Direct => "none: one server alone at the same rate",
        }
    }

    /// The program to look for, which is also the package of most distributions.
    pub fn program(&self) -> Option<&'static str> {
        match self {
            Self::Haproxy => Some("haproxy"),
            Self::Nginx => Some("nginx"),
            Self::Own { .. } | Self::Direct => None,
        }
    }
}

impl FromStr for Balancer {
    type Err = String;

    /// Reads a name, or `NAME=COMMAND`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(known) = Self::USUAL.into_iter().find(|one| one.name() == text) {
            return Ok(known);
        }
        let names = || Self::USUAL.map(|one| one.name().to_owned());
        let own = "; or NAME='COMMAND' of your own, such as mine='./balancer {port} {servers}'";
        let Some((name, command)) = text.split_once('=') else {
            let known = names();
            return Err(suggest::unknown("balancer", text, known.iter().map(String::as_str)) + own);
        };
        if names().iter().any(|known| known == name) {
            return Err(format!("`{name}` is a balancer that is known; give the command another name"));
        }
        if !command.contains(SERVERS) {
            return Err(format!(
                "the command `{command}` does not say where the servers go: write {SERVERS}, which becomes their addresses with \
                 commas between them"
            ));
        }
        NamedCommand::new(name, command)?;
        Ok(Self::Own { name: name.into(), text: command.into() })
    }
}

/// A balancer that can be started here.
#[derive(Clone, Debug, PartialEq)]
pub struct Installed {
    /// Which.
    pub balancer: Balancer,
    /// Its program; none for what has none of its own.
    program: PathBuf,
    /// What it says of its version.
    pub version: Reading<String>,
}

impl Installed {
    /// What is to be started before these servers, with its files in `folder`, and what to write there once it is known where it
    /// will listen.
    pub(super) fn command(&self, servers: &[SocketAddr], folder: &Path) -> Result<Command, String> {
        let quoted = |path: &Path| shell_words::quote(&path.to_string_lossy()).into_owned();
        let file = quoted(&folder.join("{port}.conf"));
        let program = quoted(&self.program);
        Command::parse(&match &self.balancer {
            // In the foreground, without a master process.
            Balancer::Haproxy => format!("{program} -db -f {file}"),
            Balancer::Nginx => format!("{program} -p {} -e stderr -c {file}", quoted(folder)),
            Balancer::Own { text, .. } => {
                let all: Vec<String> = servers.iter().map(ToString::to_string).collect();
                text.replace(SERVERS, &all.join(","))
            }
            Balancer::Direct => return Err("nothing is started where a server is asked directly".into()),
        })
    }

    /// The configuration of one that reads a file.
    pub(super) fn configuration(&self, backend: &Backend<'_>) -> Option<String> {
        match self.balancer {
            Balancer::Haproxy => Some(haproxy(backend)),
            Balancer::Nginx => Some(nginx(backend)),
            Balancer::Own { .. } | Balancer::Direct => None,
        }
    }
}

/// Those of the balancers asked for that are installed, each once, and those that are not with the way to install them.
///
/// # Errors
/// Balancers were asked for and none is installed.
pub fn admit(
    asked: &[Balancer],
    find: impl Fn(&str) -> Option<PathBuf>,
    version: impl Fn(&Path) -> Reading<String>,
) -> Result<(Vec<Installed>, Vec<LeftOut>), String> {
    let (mut installed, mut left_out) = (Vec::<Installed>::new(), Vec::new());
    for (at, balancer) in asked.iter().enumerate() {
        if asked[..at].contains(balancer) {
            continue;
        }
        let (program, version) = match balancer.program() {
            None => (PathBuf::new(), Reading::Absent("a command tells no version".into())),
            Some(name) => match find(name) {
                Some(program) => (program.clone(), version(&program)),
                None => {
                    let why = format!(
                        "it is not installed; install it with `apt install {name}`, or your system's like"
                    );
                    left_out.push(LeftOut { balancer: name.into(), why });
                    continue;
                }
            },
        };
        installed.push(Installed { balancer: balancer.clone(), program, version });
    }
    if installed.iter().all(|one| one.balancer == Balancer::Direct) && !left_out.is_empty() {
        let each = left_out.iter().map(|one| format!("{}: {}", one.balancer, one.why));
        return Err(format!("there is no balancer to measure: {}", each.collect::<Vec<_>>().join("; ")));
    }
    Ok((installed, left_out))
}

/// The program of this name: on the PATH, or where a system has those that are for its administrator.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    find_in(name, std::env::split_paths(&path).chain(SYSTEM_FOLDERS.map(PathBuf::from)))
}

fn find_in(name: &str, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let mut places = folders.filter(|folder| folder.is_absolute()).map(|folder| folder.join(name));
    places.find(|place| place.is_file() && access(place, Access::EXEC_OK).is_ok())
}

/// What a program says to `-v`: its first line.
pub fn version(program: &Path) -> Reading<String> {
    let said = match std::process::Command::new(program).arg("-v").output() {
        // HAProxy says it on standard output, nginx on standard error.
        Ok(output) => [output.stdout, output.stderr].concat(),
        Err(error) => return Reading::Absent(format!("starting {} -v failed: {error}", program.display())),
    };
    match String::from_utf8_lossy(&said).lines().next() {
        Some(line) => Reading::Value(line.trim().into()),
        None => Reading::Absent(format!("{} -v says nothing", program.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn nowhere(_: &Path) -> Reading<String> {
        Reading::Absent("not asked in this test".into())
    }

    fn only_nginx(name: &str) -> Option<PathBuf> {
        (name == "nginx").then(|| "/opt/nginx".into())
    }

    #[test]
    fn who_is_missing_is_left_out_with_its_package() {
        let asked = [Balancer::Nginx, Balancer::Haproxy, Balancer::Direct, Balancer::Nginx];
        let (installed, left_out) = admit(&asked, only_nginx, nowhere).expect("one is there");
        let names: Vec<&str> = installed.iter().map(|one| one.balancer.name()).collect();
        assert_eq!(names, ["nginx", "direct"], "each once");
        assert!(left_out.len() == 1 && left_out[0].why.contains("apt install haproxy"), "{left_out:?}");
    }

    #[test]
    fn without_any_balancer_there_is_nothing_to_measure() {
        let error = admit(&[Balancer::Haproxy, Balancer::Direct], only_nginx, nowhere).expect_err("none");
        assert!(error.contains("apt install haproxy"), "{error}");
        let (alone, _) =
            admit(&[Balancer::Direct], only_nginx, nowhere).expect("nobody asked for a balancer");
        assert_eq!(alone.len(), 1);
    }

    #[test]
    fn a_balancer_is_known_by_name_or_by_a_command_with_places() {
        assert_eq!("haproxy".parse(), Ok(Balancer::Haproxy));
        let own = "mine=./b {port} {servers}".parse::<Balancer>().expect("a command");
        assert_eq!((own.name(), own.about()), ("mine", "./b {port} {servers}"));
        for (text, word) in [
            ("haprxy", "did you mean `haproxy`"),
            ("mine=./b {port}", "{servers}"),
            ("mine=./b {servers}", "{port}"),
            ("nginx=./b {port} {servers}", "another name"),
            ("tokio=./b {port} {servers}", "name of a model"),
        ] {
            let error = text.parse::<Balancer>().expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn commands_name_program_file_and_servers_whatever_their_paths() {
        let installed = |balancer: Balancer| Installed {
            balancer,
            program: "/a b/c".into(),
            version: nowhere(Path::new("")),
        };
        let servers =
            ["127.0.0.1:1".parse().expect("an address"), "127.0.0.1:2".parse().expect("an address")];
        let words = |balancer| {
            let command = installed(balancer).command(&servers, Path::new("/t m")).expect("a command");
            command.at("127.0.0.1:7".parse().expect("an address"), "http")
        };
        assert_eq!(words(Balancer::Haproxy), ["/a b/c", "-db", "-f", "/t m/7.conf"]);
        assert_eq!(words(Balancer::Nginx), ["/a b/c", "-p", "/t m", "-e", "stderr", "-c", "/t m/7.conf"]);
        let own = Balancer::Own { name: "own".into(), text: "./b {port} {servers}".into() };
        assert_eq!(words(own), ["./b", "7", "127.0.0.1:1,127.0.0.1:2"]);
    }

    #[test]
    fn a_program_is_a_file_that_may_be_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("prog");
        let find = || find_in("prog", [PathBuf::from("relative"), folder.path().into()].into_iter());
        assert_eq!(find(), None);
        fs::write(&place, "").expect("writable");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).expect("ours");
        assert_eq!(find(), None, "not to be run");
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).expect("ours");
        assert_eq!(find(), Some(place));
    }
}
