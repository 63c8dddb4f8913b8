//! Real machines as fake sysfs roots, each with the plan that is expected of it: `machines.txt` has the table.

mod fake;

use super::{CpuPlan, CpuWish, Topology, Wishes, read};
use bakeoff_reports::record::Doubt;
use bakeoff_reports::show::words::cpus::division;
use fake::Machine;
use std::fmt::Write as _;

const TABLE: &str = include_str!("machines.txt");

/// The machine as it is read from its files.
fn topology(machine: &Machine) -> Topology {
    let root = machine.root();
    read::read(root.path(), machine.allowed())
}

/// What a wish as on the command line is answered with: the plan in words, its doubts, or the refusal.
fn answer(topology: &Topology, wish: &str) -> String {
    let mut wishes = Wishes { share: wish.contains("share"), ..Wishes::default() };
    let words: Vec<&str> = wish.split_whitespace().collect();
    for pair in words.windows(2) {
        let value = || Some(pair[1].parse::<CpuWish>().expect("a wish"));
        match pair[0] {
            "--server-cpus" => wishes.server = value(),
            "--swarm-cpus" => wishes.swarm = value(),
            _ => {}
        }
    }
    match CpuPlan::new(topology, &wishes) {
        Err(why) => format!("    refused: {why}\n"),
        Ok(plan) => {
            let mut text = format!("    {}\n", division(&plan.server, &plan.swarm, &plan.choice));
            plan.doubts.iter().for_each(|doubt| _ = writeln!(text, "    ! {doubt}"));
            text
        }
    }
}

/// The table again, with every answer as it is now.
fn answered() -> String {
    let mut text = String::new();
    let (mut machine, mut known) = (Machine::default(), None);
    for line in TABLE.lines() {
        if line.starts_with("    ") {
            continue;
        }
        let _ = writeln!(text, "{line}");
        if let Some(wish) = line.strip_prefix("  >") {
            text.push_str(&answer(known.get_or_insert_with(|| topology(&machine)), wish));
        } else if let Some(field) = line.strip_prefix("  ") {
            machine.set(field);
        } else {
            (machine, known) = (Machine::default(), None);
        }
    }
    text
}

#[test]
fn every_machine_gets_the_plan_that_its_topology_asks_for() {
    let now = answered();
    assert!(now == TABLE, "machines.txt is not what comes out now:\n{now}");
    assert_eq!(TABLE.matches("\n  cores").count(), 25, "as ARCHITECTURE.md says");
}

#[test]
fn without_any_rule_broken_sides_never_meet() {
    // Whatever is asked of a machine with SMT: cores are shared only where there are too few of them.
    let mut machine = Machine::default();
    machine.set("cores 0-3+4");
    let topology = topology(&machine);
    for (server, swarm) in (1..8).flat_map(|server| (1..8).map(move |swarm| (server, swarm))) {
        let wishes =
            Wishes { server: Some(CpuWish::Count(server)), swarm: Some(CpuWish::Count(swarm)), share: false };
        let plan = CpuPlan::new(&topology, &wishes);
        assert_eq!(plan.is_ok(), server + swarm <= 8, "{server} and {swarm}");
        let Ok(plan) = plan else { continue };
        let core = |cpu: &u32| cpu % 4;
        let shared = plan.server.iter().any(|one| plan.swarm.iter().any(|other| core(one) == core(other)));
        assert_eq!(shared, server.div_ceil(2) + swarm.div_ceil(2) > 4, "{server} and {swarm}: {plan:?}");
        assert_eq!(
            (plan.server.len() as u32, plan.swarm.len() as u32, plan.shared()),
            (server, swarm, false)
        );
    }
}

#[test]
fn a_scenario_gets_isolated_cpus_that_somebody_named_and_no_more_than_there_are() {
    let mut machine = Machine::default();
    machine.set("cores 0-7");
    machine.set("isolated 1-6");
    let topology = topology(&machine);
    let wishes = Wishes { server: Some(CpuWish::List(vec![1, 2, 3, 4])), ..Wishes::default() };
    let whole = CpuPlan::new(&topology, &wishes).expect("isolated ones by their numbers");
    assert!(topology.usable() < 3, "fewer may be used without being named");
    let servers =
        |count| whole.with_servers_on(count, topology.clone()).map(|plan| (plan.server, plan.swarm));
    assert_eq!(servers(3), Ok((vec![1, 2, 3], whole.swarm.clone())));
    assert_eq!(servers(4), Ok((vec![1, 2, 3, 4], whole.swarm.clone())));
    assert!(servers(5).is_err_and(|why| why.contains("may use 4 CPUs; lower `cpus`")));
}

#[test]
fn where_the_system_tells_nothing_nothing_is_pinned_and_no_number_is_promised() {
    let silent = Topology::default();
    let plan = CpuPlan::new(&silent, &Wishes::default()).expect("nothing is asked for");
    assert_eq!((plan.server, plan.swarm, plan.doubts), (vec![], vec![], vec![Doubt::NotPinned]));
    let wishes = Wishes { server: Some(CpuWish::Count(1)), ..Wishes::default() };
    let error = CpuPlan::new(&silent, &wishes).expect_err("none can be chosen");
    assert!(error.contains("does not tell which CPUs"), "{error}");
}

#[test]
fn this_machine_is_read_and_divided() {
    let plan = CpuPlan::of_this_machine();
    assert!(!plan.server.is_empty() && !plan.swarm.is_empty(), "{plan:?}");
    assert!(plan.server.iter().chain(&plan.swarm).all(|cpu| plan.all.contains(cpu)), "{plan:?}");
    assert_eq!(plan.shared(), plan.all.len() == 1);
}
