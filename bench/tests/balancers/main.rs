//! Real balancers, those of the distribution, under every policy: each passes on what it should, and one that loses a server goes on.
//! Nothing here asserts a time. A balancer that is not on this machine is ignored with that reason.

#[allow(dead_code)] // other tests use the rest
#[path = "../it/support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::process::{ExitCode, Stdio};
use support::{bakeoff, children_of, signal, wait_for};

use bakeoff::instruments::balance::find_program;
use bakeoff_reports::record::balance::Policy;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let of = |balancer: &'static str| {
        let there = find_program(balancer).is_some();
        let reason = if there { String::new() } else { format!("{balancer} is not installed") };
        let trial = move |name: &str, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
            Trial::test(format!("{balancer}::{name}"), test).with_kind(&reason).with_ignored_flag(!there)
        };
        let passes = Policy::ALL
            .iter()
            .map(move |policy| (policy.name(), Box::new(move || passes_on(balancer, *policy)) as Box<_>));
        let survives = ("one_of_three_dies", Box::new(move || survives(balancer)) as Box<_>);
        let loses = ("the_only_server_dies", Box::new(move || loses(balancer)) as Box<_>);
        let dies = ("it_is_killed_itself", Box::new(move || dies(balancer)) as Box<_>);
        passes.chain([survives, loses, dies]).map(|(name, test)| trial(name, test)).collect::<Vec<_>>()
    };
    libtest_mimic::run(&arguments, ["haproxy", "nginx"].into_iter().flat_map(of).collect()).exit_code()
}

/// The one trial of a balancer.
fn trial(balancer: &str, more: &[&str]) -> Result<Value, Failed> {
    let usual =
        ["balance", "--balancer", balancer, "--rate", "400", "--clients", "8", "--json", "--timeout", "10s"];
    let output = bakeoff(&usual).args(more).output();
    let output = output.map_err(|e| format!("the tool: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    Ok(document["trials"][0].clone())
}

fn hold(holds: bool, what: &str, trial: &Value) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("{what}: {trial:#}").into()) }
}

fn requests(trial: &Value) -> Vec<Option<u64>> {
    let servers = trial["servers"].as_array().map_or(&[][..], Vec::as_slice);
    servers.iter().map(|server| server["requests"]["value"].as_u64()).collect()
}

/// With nobody killed nothing fails, and the servers together counted what was sent.
fn passes_on(balancer: &str, policy: Policy) -> Result<(), Failed> {
    let trial =
        trial(balancer, &["--servers", "3", "--policy", policy.name(), "--for", "500ms", "--warmup", "0s"])?;
    let counts = &trial["figures"]["value"]["counts"];
    hold(counts["sent"] == counts["ok"] && counts["ok"].as_u64() > Some(0), "all are answered", &trial)?;
    let each = requests(&trial);
    let sum = each.iter().flatten().sum::<u64>();
    hold(each.len() == 3 && Some(sum) == counts["sent"].as_u64(), "each reaches one server", &trial)?;
    let idle = each.contains(&Some(0));
    hold(!(policy == Policy::RoundRobin && idle), "in turn nobody is left out", &trial)
}

/// The others go on, and the one that is back answers again.
fn survives(balancer: &str) -> Result<(), Failed> {
    let kill = ["--servers", "3", "--for", "4s", "--kill-at", "300ms", "--back-at", "800ms"];
    let trial = trial(balancer, &kill)?;
    let each = requests(&trial);
    hold(each.iter().all(|count| *count > Some(0)), "all three answer at the end", &trial)?;
    hold(trial["kill"]["first_reply_ns"]["value"].is_u64(), "the one that is back is used", &trial)?;
    let figures = &trial["figures"]["value"];
    hold(figures["outage"]["failed_before"] == 0, "nothing fails before the kill", &trial)?;
    let (ok, sent) = (figures["counts"]["ok"].as_u64(), figures["counts"]["sent"].as_u64());
    hold(ok.zip(sent).is_some_and(|(ok, sent)| 2 * ok > sent), "most are answered", &trial)
}

/// Without any server every request fails, with a status of the balancer's own, and that is a result.
fn loses(balancer: &str) -> Result<(), Failed> {
    let trial = trial(balancer, &["--servers", "1", "--for", "1s", "--kill-at", "300ms"])?;
    let figures = &trial["figures"]["value"];
    hold(figures["outage"]["failed_gone"].as_u64() > Some(0), "nobody is there", &trial)?;
    let statuses = figures["http"]["statuses"].as_array().map_or(&[][..], Vec::as_slice);
    let says_so = statuses.iter().any(|one| matches!(one["status"].as_u64(), Some(502..=504)));
    hold(says_so, "the balancer says so", &trial)?;
    hold(figures["outage"]["time_to_none"]["not_reached"].is_u64(), "to the end", &trial)
}

/// It is told how it ended, whether that was before the window or in it; nobody is left behind, and nothing passes for a result.
fn dies(balancer: &str) -> Result<(), Failed> {
    let mut tool = bakeoff(&["balance", "--balancer", balancer, "--servers", "2", "--for", "2s"]);
    let tool = tool.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    // Not the one that was asked for its version, which has no words left when it has ended, and none yet while it begins.
    let is_it = |pid: &i32| {
        procfs::process::Process::new(*pid).is_ok_and(|one| {
            let is_named = one.stat().is_ok_and(|stat| stat.comm == balancer);
            let serves = one.cmdline().is_ok_and(|words| words.last().is_some_and(|word| word != "-v"));
            is_named && serves
        })
    };
    let mut it = None;
    wait_for("the balancer", || {
        it = children_of(tool.id()).into_iter().find(is_it);
        it.is_some()
    });
    signal(it.ok_or("it was there")? as u32, 9);
    let output = tool.wait_with_output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    // A master of nginx that is gone before it was looked who listens leaves workers that are nobody's.
    let why = error.contains("signal 9") || error.contains("another program listens");
    let told = matches!(output.status.code(), Some(2 | 3)) && why;
    if told { Ok(()) } else { Err(format!("{}: {error}", output.status).into()) }
}
