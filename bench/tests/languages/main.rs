//! The example servers of `servers/examples` in other languages, each held to the contract in every service that it speaks, and one
//! in a run. A case whose tool chain is not on this machine is ignored with that reason.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

/// An example server.
struct Example {
    language: &'static str,
    /// What must be there, and the argument that makes it say so.
    needs: (&'static str, &'static str),
    /// What builds it in its folder, to `$OUT`.
    build: Option<&'static [&'static str]>,
    /// The command, in its folder.
    command: &'static str,
    services: &'static [&'static str],
}

const EXAMPLES: [Example; 3] = [
    Example {
        language: "python",
        needs: ("python3", "--version"),
        build: None,
        command: "python3 server.py {service} {port}",
        services: &["echo", "line", "http", "wait", "block"],
    },
    Example {
        language: "node",
        needs: ("node", "--version"),
        build: None,
        command: "node server.js {service} {port}",
        services: &["echo", "line", "http", "wait"],
    },
    Example {
        language: "go",
        needs: ("go", "version"),
        build: Some(&["go", "build", "-o"]),
        command: "OUT {service} {port}",
        services: &["echo", "line", "http", "wait", "block", "hash"],
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let of = |example: &'static Example| {
        let (program, argument) = example.needs;
        let there = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
        let reason = if there { String::new() } else { format!("{program} is not on this machine") };
        let trial = move |name: String, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
            Trial::test(name, test).with_kind(&reason).with_ignored_flag(!there)
        };
        let conforms = example.services.iter().map(|service| {
            (
                format!("{}::{service}", example.language),
                Box::new(move || conforms(example, service)) as Box<_>,
            )
        });
        let runs = (format!("{}::in_a_run", example.language), Box::new(move || runs(example)) as Box<_>);
        conforms.chain([runs]).map(|(name, test)| trial(name, test)).collect::<Vec<_>>()
    };
    libtest_mimic::run(&arguments, EXAMPLES.iter().flat_map(of).collect()).exit_code()
}

fn folder(example: &Example) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../servers/examples").join(example.language)
}

/// The command of an example, built into a folder where it has to be.
fn command(example: &Example, out: &Path) -> Result<String, Failed> {
    let Some([program, arguments @ ..]) = example.build else { return Ok(example.command.into()) };
    let binary = out.join("server");
    let built =
        Command::new(program).args(arguments).arg(&binary).arg(".").current_dir(folder(example)).output();
    let built = built.map_err(|e| format!("{program}: {e}"))?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned().into());
    }
    Ok(example.command.replace("OUT", &binary.display().to_string()))
}

fn tool(example: &Example, arguments: &[&str]) -> Result<Output, Failed> {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_bakeoff"));
    Ok(tool.args(arguments).current_dir(folder(example)).output().map_err(|e| format!("the tool: {e}"))?)
}

fn conforms(example: &Example, service: &str) -> Result<(), Failed> {
    let out = tempfile::tempdir().map_err(|e| e.to_string())?;
    let command = command(example, out.path())?;
    let output = tool(example, &["conform", &command, "--service", service])?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    // Not only what it must do: an example lacks nothing.
    if output.status.success() && text.contains("It conforms (") { Ok(()) } else { Err(text.into()) }
}

/// A run of it beside a model, in two services, is measured in both.
fn runs(example: &Example) -> Result<(), Failed> {
    let out = tempfile::tempdir().map_err(|e| e.to_string())?;
    let contestant = format!("own={}", command(example, out.path())?);
    let results = out.path().join("results").display().to_string();
    let brief = ["--blocks", "2", "--window", "100ms", "--warmup", "20ms", "--no-probe", "--retries", "0"];
    let asked =
        ["run", "small-echo-closed", "wait", "-m", "tokio", "--contestant", &contestant, "--out", &results];
    let output = tool(example, &[&asked[..], &brief].concat())?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    // A busy machine may leave a run without a verdict.
    if !matches!(output.status.code(), Some(0 | 3)) {
        return Err(error.into());
    }
    let bundle = bakeoff_reports::record::bundle::load(format!("{results}/run.jsonl").as_ref());
    let bundle = bundle.map_err(|e| e.to_string())?;
    // Its own words for a reply are followed like ours.
    let anatomy =
        tool(example, &["anatomy", "--contestant", &contestant, "--service", "http", "--for", "200ms"])?;
    let text = String::from_utf8_lossy(&anatomy.stdout).into_owned();
    if !anatomy.status.success() || !text.contains("the whole reply") {
        return Err((text + &String::from_utf8_lossy(&anatomy.stderr)).into());
    }
    for workload in ["small-echo-closed", "wait"] {
        let mut own = bundle.trials.iter().filter(|trial| trial.model == "own" && trial.scenario == workload);
        let answered = |trial: &bakeoff_reports::record::Trial| {
            trial.measured.value().is_some_and(|measured| measured.counts.ok > 0)
        };
        if !own.any(answered) {
            return Err(format!("{workload} was not measured: {error}").into());
        }
    }
    Ok(())
}
