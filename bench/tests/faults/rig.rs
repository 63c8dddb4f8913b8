//! Brings a fault about, gives the command, and looks at what came of it.

use crate::commands::{Command, Does};
use crate::faults::{Fault, How, Limit};
use crate::group::Group;
use crate::support::{TINY, example, tool};
use bakeoff::exit::Exit;
use bakeoff_reports::record::bundle::Writer;
use bakeoff_reports::sample::{self, Spec};
use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a command may take under a fault: it has ten seconds of patience with its children, more than once.
const LIMIT: Duration = Duration::from_secs(60);
/// Marks every process of a case.
const MARK: &str = "BAKEOFF_FAULT_CASE";
/// A user that is nobody's.
const NOBODY: &str = "65533";

/// Holds a case; the error says what did not.
pub(crate) fn hold(fault: &Fault, command: &Command) -> Result<(), String> {
    let folder = Place::new();
    let mark = format!("{}-{}-{}", fault.name, command.name, std::process::id());
    let errors = folder.path("errors");
    let group = match fault.how {
        How::Group(limit) => Some(Group::new(limit, &format!("{}-{}", fault.name, command.name))?),
        _ => None,
    };
    let mut started = folder.start(fault.how, &folder.words(command), &mark, &errors, group.as_ref());
    let status = match (fault.how, &command.does) {
        (How::Killed(signal, after_ms), _) => {
            std::thread::sleep(Duration::from_millis(after_ms));
            crate::support::signal(started.id(), signal);
            end(&mut started)
        }
        (_, Does::Serves(_)) => talk_and_stop(&mut started, &errors),
        (_, Does::Ends(_)) => end(&mut started),
    };
    let said = String::from_utf8_lossy(&fs::read(&errors).unwrap_or_default()).into_owned();
    let left = left_behind(&mark);
    let told = |what: String| format!("{what}\n{said}");
    let status = status.ok_or_else(|| told(format!("it did not end within {LIMIT:?}")))?;
    if !left.is_empty() {
        return Err(told(format!("processes are left: {left:?}")));
    }
    judge(fault, command, status, &said).map_err(told)
}

fn judge(fault: &Fault, command: &Command, status: ExitStatus, said: &str) -> Result<(), String> {
    if let (How::Killed(signal, _), Some(by)) = (fault.how, status.signal()) {
        return if by == signal { Ok(()) } else { Err(format!("it was ended by signal {by}")) };
    }
    // The kernel kills whom it chooses in a group that has no memory left.
    if matches!(fault.how, How::Group(Limit::Memory(_))) && status.signal() == Some(9) {
        return Ok(());
    }
    // What cannot even be started was not of the tool's making, nor that an allocation which cannot be made aborts.
    let aborted = said.contains("out of memory") || said.contains("memory allocation of");
    let by_the_loader = matches!(fault.how, How::Ulimit(_) | How::Refuses(_))
        && (status.code() == Some(127) || status.signal() == Some(6) && aborted);
    // tokio's own panic is caught, and told as an error.
    let panicked = said.lines().any(|line| line.contains("panicked at") && !line.contains("/tokio-"));
    let exit = status.code().and_then(|code| Exit::of_code(u8::try_from(code).ok()?));
    if panicked || exit.is_none() && !by_the_loader {
        return Err(format!("it ended with {status}"));
    }
    if exit == Some(Exit::Failed) && !matches!(fault.how, How::NobodyReads) && !said.contains(": ") {
        return Err("it failed and does not say why".into());
    }
    let Some(expected) = fault.of(command) else { return Ok(()) };
    let right = exit.is_some_and(|exit| expected.exits.contains(&exit));
    if right && said.to_lowercase().contains(expected.says) {
        return Ok(());
    }
    Err(format!("it ended with {status}; expected {:?} and `{}`", expected.exits, expected.says))
}

/// The end of a process; `None` when it does not come, and it is killed.
fn end(started: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if let Some(status) = started.try_wait().expect("our child") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    started.kill().and_then(|()| started.wait()).expect("our child");
    None
}

/// Says something to a server, if it lets, and asks it to stop.
fn talk_and_stop(started: &mut Child, errors: &Path) -> Option<ExitStatus> {
    let address = || {
        let said = fs::read_to_string(errors).unwrap_or_default();
        let line = said.lines().find(|line| line.contains(" serves "))?.to_owned();
        line.split_whitespace().find(|word| word.starts_with("127."))?.trim_end_matches(';').parse().ok()
    };
    let deadline = Instant::now() + LIMIT / 4;
    let address: std::net::SocketAddr = loop {
        if let Some(status) = started.try_wait().expect("our child") {
            return Some(status);
        }
        match address() {
            Some(address) => break address,
            None if Instant::now() > deadline => break ([127, 0, 0, 1], 9).into(),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    for _ in 0..4 {
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
            stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a time above zero");
            let _ = stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut [0; 5]));
        }
    }
    for pid in servers_of(started.id()) {
        crate::support::signal(pid, 15);
    }
    end(started)
}

/// The tool's own process: the one started, or what a tracer or a limit started in its place.
fn servers_of(started: u32) -> Vec<u32> {
    let family = bakeoff::host::usage::tree(started).unwrap_or_default();
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let starter = family.first().is_some_and(|first| matches!(name(first).trim(), "strace" | "unshare"));
    family.into_iter().skip(usize::from(starter)).take(1).collect()
}

/// Processes that bear the mark, some time later; they are killed.
fn left_behind(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let marked = || {
        let all = procfs::process::all_processes().expect("/proc").flatten();
        all.filter(|process| {
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes())
                && process.stat().is_ok_and(|stat| stat.state != 'Z')
        })
        .collect::<Vec<_>>()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while !marked().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut names = Vec::new();
    for process in marked() {
        names.push(format!("{:?}", process.cmdline().unwrap_or_default()));
        crate::support::signal(process.pid as u32, 9);
    }
    names
}

/// A folder with what commands need.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        // For the user that is nobody's, too.
        fs::set_permissions(place.0.path(), Permissions::from_mode(0o777)).expect("ours");
        fs::create_dir(place.path("results")).expect("room");
        fs::set_permissions(place.path("results"), Permissions::from_mode(0o777)).expect("ours");
        fs::write(place.path("tiny.toml"), TINY).expect("room");
        let spec = Spec { rounds: 6, scenarios: 1, models: 2, ..Spec::default() };
        let made = sample::bundle(&spec);
        let mut writer = Writer::create(&place.path("run.jsonl"), &made.run).expect("room");
        for trial in made.trials {
            writer.append(&bakeoff_reports::record::Record::Trial(Box::new(trial))).expect("room");
        }
        fs::set_permissions(place.path("run.jsonl"), Permissions::from_mode(0o644)).expect("ours");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The arguments of the tool.
    fn words(&self, command: &Command) -> Vec<String> {
        match command.does {
            Does::Serves(model) => ["serve", "--model", model, "--service", "echo", "--addr", "127.0.0.1:0"]
                .map(str::to_owned)
                .to_vec(),
            Does::Ends(words) => words.iter().map(|word| self.filled(word)).collect(),
        }
    }

    fn filled(&self, word: &str) -> String {
        let at = |name: &str| self.path(name).display().to_string();
        let server = || if word.contains("{server}") { echo_server() } else { String::new() };
        word.replace("{tiny}", &at("tiny.toml"))
            .replace("{out}", &at("results/out"))
            .replace("{bundle}", &at("run.jsonl"))
            .replace("{server}", &server())
    }

    /// Starts the tool under a fault.
    fn start(&self, how: How, words: &[String], mark: &str, errors: &Path, group: Option<&Group>) -> Child {
        let mut line: Vec<String> = match how {
            How::Refuses(calls) => {
                let before = [example("refuse-calls").display().to_string()];
                let calls = calls.iter().map(|call| (*call).to_owned());
                before.into_iter().chain(calls).chain(["--".into(), tool().into()]).collect()
            }
            How::Injects(what) => {
                let call = what.split(':').next().expect("a call");
                let trace = format!("trace={call}");
                let inject = format!("inject={what}");
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, tool()]
                    .map(str::to_owned)
                    .to_vec()
            }
            How::Ulimit(limit) => {
                let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
                ["bash".to_owned(), "-c".into(), script, tool().into()].to_vec()
            }
            How::Tasks(count) => {
                let limit = format!("--nproc={count}:{count}");
                let tool = self.readable_tool();
                let user =
                    ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "prlimit", &limit];
                user.map(str::to_owned).into_iter().chain([tool]).collect()
            }
            How::Group(_) => {
                let entrance = group.map(|group| group.entrance().display().to_string()).unwrap_or_default();
                let script = format!("echo $$ >'{entrance}' && exec \"$0\" \"$@\"");
                ["sh".to_owned(), "-c".into(), script, tool().into()].to_vec()
            }
            How::Namespace(options, setup) => {
                let setup = setup.replace("{results}", &self.path("results").display().to_string());
                let script = if setup.is_empty() {
                    "exec \"$0\" \"$@\"".into()
                } else {
                    format!("{setup} && exec \"$0\" \"$@\"")
                };
                let options = options.iter().map(|option| (*option).to_owned());
                let shell = ["sh".to_owned(), "-c".into(), script, tool().into()];
                ["unshare".to_owned()].into_iter().chain(options).chain(shell).collect()
            }
            How::Nothing | How::FullOutput | How::NobodyReads | How::Killed(..) => vec![tool().into()],
        };
        line.extend(words.iter().cloned());
        let mut command = std::process::Command::new(&line[0]);
        command.args(&line[1..]).env(MARK, mark).env("RUST_BACKTRACE", "0").current_dir(self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(errors).expect("room"));
        match how {
            How::FullOutput => {
                command.stdout(File::create("/dev/full").expect("a device"));
            }
            How::NobodyReads => {
                // Pipes whose other ends close at once.
                command.stdout(Stdio::piped());
                let mut child = command.spawn().expect("it can be started");
                drop(child.stdout.take());
                return child;
            }
            _ => {}
        }
        command.spawn().expect("it can be started")
    }

    /// A copy of the tool that every user can run.
    fn readable_tool(&self) -> String {
        let copy = self.path("bakeoff");
        fs::copy(tool(), &copy).expect("room");
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("ours");
        copy.display().to_string()
    }
}

/// A server that echoes, for as long as the test runs.
fn echo_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
