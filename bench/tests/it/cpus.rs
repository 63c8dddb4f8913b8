//! Who runs on which CPUs, as a person asks for it.

use crate::support::{Folder, TINY, bakeoff, children_of, fails, measured, wait_for};
use bakeoff::host::environment::{allowed_cpus, pin};
use bakeoff_reports::record::{ChosenBy, Doubt};
use std::fs;

#[test]
fn cpus_that_cannot_be_had_are_refused_before_anything_starts() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let all = allowed_cpus();
    let everything = all.iter().map(u32::to_string).collect::<Vec<_>>().join(",") + ",";
    let many = (all.len() + 1).to_string();
    let mut cases = vec![
        (vec!["--server-cpus", "900,"], "--server-cpus: there is no CPU 900"),
        (vec!["--swarm-cpus", "900-901"], "--swarm-cpus: there is no CPU 900"),
        (vec!["--server-cpus", "0"], "0 CPUs are too few"),
        (vec!["--server-cpus", "all"], "neither a number of CPUs"),
        (vec!["--server-cpus", &many], "is more than there are"),
    ];
    let one = format!("{},", all[0]);
    if all.len() > 1 {
        cases.push((vec!["--server-cpus", &everything], "leaves no CPU for the swarm"));
        cases.push((vec!["--server-cpus", &one, "--swarm-cpus", &one], "give each CPU to one of them"));
    }
    for (flags, words) in cases {
        let error = fails(&[&["run", &file, "--out", &out], &flags[..]].concat(), 2);
        assert!(error.contains(words), "{flags:?}: {error}");
        assert!(!fs::exists(&out).expect("tells"), "nothing was begun: {flags:?}");
    }
    let greedy = folder.file("greedy.toml", &format!("{TINY}\n[server]\ncpus = 900\n"));
    let error = fails(&["run", &greedy, "--out", &out], 2);
    assert!(error.contains("its servers are to get 900 CPUs"), "{error}");
    for command in [
        &["sweep", "churn"][..],
        &["capacity", "wait", "--objective", "p99<=20ms"],
        &["envelope"],
        &["anatomy", "-m", "tokio"],
        &["probe"],
    ] {
        let error = fails(&[command, &["--swarm-cpus", "900,"]].concat(), 2);
        assert!(error.contains("--swarm-cpus: there is no CPU 900"), "{command:?}: {error}");
    }
}

#[test]
fn cpus_by_number_are_those_that_server_and_swarm_run_on() {
    let all = allowed_cpus();
    if all.len() < 2 {
        return;
    }
    // The other way round than by default.
    let (server, swarm) = (all[all.len() - 1], all[0]);
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let (server_flag, swarm_flag) = (format!("{server},"), format!("{swarm}-{swarm}"));
    let run = bakeoff(&[
        "run",
        &file,
        "-m",
        "tokio",
        "--blocks",
        "1",
        "--no-probe",
        "--window",
        "300ms",
        "--out",
        &out,
    ])
    .args(["--server-cpus", &server_flag, "--swarm-cpus", &swarm_flag])
    .stderr(std::process::Stdio::piped())
    .spawn()
    .expect("it runs");
    let status_of = |pid: i32| fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let is_on = |cpu: u32| {
        children_of(run.id())
            .into_iter()
            .any(|pid| status_of(pid).contains(&format!("Cpus_allowed_list:\t{cpu}\n")))
    };
    wait_for("server and swarm on their CPUs", || is_on(server) && is_on(swarm));
    let output = run.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr);
    let told = format!("servers on CPU {server} (as asked), swarm on CPU {swarm} (as asked)");
    assert!(error.contains(&told), "{error}");
    let environment = measured(output.status, &out).run.environment;
    assert_eq!((environment.server_cpus, environment.swarm_cpus), (vec![server], vec![swarm]));
    let choice = environment.cpu_choice.expect("told");
    assert_eq!((choice.server, choice.swarm), (ChosenBy::List, ChosenBy::List));
    // The page says it too, and a run that goes on stays where it was.
    let page = fs::read_to_string(format!("{out}/report.html")).expect("a page");
    assert!(page.contains("why these CPUs") && page.contains(&told), "the page tells");
    let more = bakeoff(&["continue", &out, "--blocks", "1", "--quiet"]).output().expect("it runs");
    let bundle = measured(more.status, &out);
    assert!(bundle.trials.len() >= 2 && bundle.damage.is_empty());
}

#[test]
fn a_single_cpu_is_shared_with_a_doubt_on_every_trial() {
    let folder = Folder::new();
    let (file, out) = (folder.file("tiny.toml", TINY), folder.path("out"));
    let arguments = ["run", &file, "-m", "tokio", "--blocks", "1", "--no-probe", "--out", &out];
    // A child is allowed what the thread that starts it is.
    let on_one = || {
        pin(&allowed_cpus()[..1]).expect("an allowed CPU");
        bakeoff(&arguments).output().expect("it runs")
    };
    let output = std::thread::scope(|scope| scope.spawn(on_one).join()).expect("no panic");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("! server and swarm shared a CPU"), "{error}");
    let bundle = measured(output.status, &out);
    assert!(bundle.trials.iter().all(|trial| trial.doubts.contains(&Doubt::SharedCpu)), "{bundle:?}");
}
