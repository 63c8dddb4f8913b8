//! Who gets which CPUs: a pure function of a topology and of what a person wishes; with what is refused, and in the end the reasons
//! and the doubts.

use super::choose::{Chooser, Cost, Pair, Side, orders};
use super::{Cpu, CpuWish, Topology, count};
use bakeoff_reports::record::{CoreCounts, CpuChoice, CpuReason, Doubt, cpu_list};
use bakeoff_reports::show::units;

/// How the CPUs are divided.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuPlan {
    /// All the tool may use; none where the system does not tell.
    pub all: Vec<u32>,
    /// For servers.
    pub server: Vec<u32>,
    /// For the swarm.
    pub swarm: Vec<u32>,
    /// Why these.
    pub choice: CpuChoice,
    /// What is unclean about it: reasons for caution on every figure.
    pub doubts: Vec<Doubt>,
}

/// What a person wants of the division; what is not said is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// CPUs of servers.
    pub server: Option<CpuWish>,
    /// CPUs of the swarm.
    pub swarm: Option<CpuWish>,
    /// Whether both may have the same CPUs where there are too few, with a doubt, instead of being refused.
    pub share: bool,
}

impl CpuPlan {
    /// The default of this machine.
    pub fn of_this_machine() -> Self {
        Self::new(&Topology::of_this_machine(), &Wishes::default()).expect("nothing was wished for")
    }

    /// Divides the CPUs of a machine.
    ///
    /// # Errors
    /// CPUs that do not exist, are offline or not allowed, that both sides should have, or that leave none for the other side:
    /// which, what there is, and what to do.
    pub fn new(topology: &Topology, wishes: &Wishes) -> Result<Self, String> {
        let pool = topology.pool();
        let named = |wish: &Option<CpuWish>, flag| match wish {
            Some(CpuWish::List(list)) => named(topology, list, flag).map(Some),
            Some(CpuWish::Count(_)) | None => Ok(None),
        };
        let server = Side::new(wishes.server.as_ref(), named(&wishes.server, SERVER)?);
        let swarm = Side::new(wishes.swarm.as_ref(), named(&wishes.swarm, SWARM)?);
        let share = wishes.share || pool.len() == 1;
        let chooser = Chooser { topology, orders: orders(&pool), pool, share };
        chooser.check(&server, &swarm)?;
        Ok(match chooser.choose(&server, &swarm) {
            Some(pair) => chooser.plan((&server, &swarm), pair),
            // The system does not tell what may be used, so nothing is pinned.
            None => Self::as_given(Vec::new(), Vec::new()),
        })
    }

    /// The same machine with so many CPUs for servers. The swarm keeps its own, so that it can do the same with any number of them.
    ///
    /// # Errors
    /// When there are not as many.
    pub fn with_servers_on(&self, count: u32, mut topology: Topology) -> Result<Self, String> {
        let Self { server, swarm, .. } = self;
        let most = topology.usable().max(server.len());
        if count as usize > most {
            let there = units::plural(most as u64, "CPU");
            return Err(format!(
                "its servers are to get {count} CPUs, and may use {there}; lower `cpus` of [server]"
            ));
        }
        if count as usize <= server.len() {
            // Some of those that all servers have, which may be isolated ones that somebody named.
            topology.allowed = server.iter().chain(swarm).copied().collect();
            topology.isolated.clear();
        }
        let list = (!swarm.is_empty()).then(|| CpuWish::List(swarm.clone()));
        let wishes = Wishes { server: Some(CpuWish::Count(count)), swarm: list, share: true };
        let mut plan = Self::new(&topology, &wishes)?;
        plan.choice.swarm = self.choice.swarm;
        Ok(plan)
    }

    /// These CPUs and no others, for one side each, without a look at the machine.
    pub fn as_given(server: Vec<u32>, swarm: Vec<u32>) -> Self {
        let mut all: Vec<u32> = server.iter().chain(&swarm).copied().collect();
        all.sort_unstable();
        all.dedup();
        let mut plan = Self { all, server, swarm, choice: CpuChoice::default(), doubts: Vec::new() };
        if plan.all.is_empty() {
            plan.doubts.push(Doubt::NotPinned);
        }
        if plan.shared() {
            plan.doubts.push(Doubt::SharedCpu);
        }
        plan
    }

    /// Whether servers and swarm compete for CPUs.
    pub fn shared(&self) -> bool {
        self.server.iter().any(|cpu| self.swarm.contains(cpu))
    }
}

const SERVER: &str = "--server-cpus";
const SWARM: &str = "--swarm-cpus";

/// The CPUs that a person named, each of which must be there and allowed.
fn named(topology: &Topology, list: &[u32], flag: &str) -> Result<Vec<Cpu>, String> {
    let numbers = |cpus: &[Cpu]| cpu_list(&cpus.iter().map(|cpu| cpu.id).collect::<Vec<_>>());
    let one = |id: &u32| match topology.cpu(*id) {
        None if topology.offline.contains(id) => Err(format!(
            "{flag}: CPU {id} is offline; bring it online (`echo 1 > /sys/devices/system/cpu/cpu{id}/online`), or choose among {}",
            numbers(&topology.pool())
        )),
        None => {
            Err(format!("{flag}: there is no CPU {id}; this machine has CPUs {}", numbers(&topology.cpus)))
        }
        Some(_) if topology.cpuset.as_ref().is_some_and(|set| !set.contains(id)) => Err(format!(
            "{flag}: CPU {id} is not in the cpuset of the control group, which has CPUs {}",
            cpu_list(topology.cpuset.as_deref().unwrap_or_default())
        )),
        // Isolated CPUs are in nobody's set until somebody asks for them.
        Some(_) if !topology.allowed.contains(id) && !topology.isolated.contains(id) => Err(format!(
            "{flag}: this process may not run on CPU {id}, only on {}; start it without `taskset`, or choose among these",
            cpu_list(&topology.allowed)
        )),
        Some(cpu) => Ok(cpu),
    };
    list.iter().map(one).collect()
}

impl Chooser<'_> {
    /// Whether there are CPUs enough for what is wished.
    fn check(&self, server: &Side, swarm: &Side) -> Result<(), String> {
        if self.share {
            return self.check_count(server, SERVER, 0).and(self.check_count(swarm, SWARM, 0));
        }
        if let (Some(server), Some(swarm)) = (server.has(), swarm.has()) {
            let both: Vec<u32> = server.iter().filter(|cpu| swarm.contains(cpu)).map(|cpu| cpu.id).collect();
            return match both.as_slice() {
                [] => Ok(()),
                both => Err(format!(
                    "{SERVER} and {SWARM} both have {}; give each CPU to one of them",
                    units::cpus(both)
                )),
            };
        }
        for (side, flag, other, name) in
            [(server, SERVER, swarm, "the swarm"), (swarm, SWARM, server, "servers")]
        {
            if let Some(taken) = side.has().filter(|taken| self.pool.iter().all(|cpu| taken.contains(cpu))) {
                let taken: Vec<u32> = taken.iter().map(|cpu| cpu.id).collect();
                return Err(format!(
                    "{flag} {} leaves no CPU for {name}: {}; leave one at least",
                    cpu_list(&taken),
                    self.there()
                ));
            }
            let others = match other {
                Side::Has(cpus) => cpus.iter().filter(|cpu| self.pool.contains(cpu)).count(),
                Side::Wants(count) => *count,
                Side::Open => 1,
            };
            self.check_count(side, flag, others)?;
        }
        Ok(())
    }

    /// Whether a side can have as many as it wants, beside so many of the other's.
    fn check_count(&self, side: &Side, flag: &str, others: usize) -> Result<(), String> {
        if let (Side::Wants(count), true) = (side, self.pool.is_empty()) {
            return Err(format!(
                "{flag} {count}: the system does not tell which CPUs this process may use, so none can be chosen"
            ));
        }
        let free = self.pool.len().saturating_sub(others);
        match side {
            Side::Wants(count) if *count > free => {
                let beside = if others > 0 {
                    format!(", and the other side needs {others} of them")
                } else {
                    String::new()
                };
                Err(format!(
                    "{flag} {count} is more than there are: {}{beside}; give {free} at most",
                    self.there()
                ))
            }
            _ => Ok(()),
        }
    }

    fn there(&self) -> String {
        let ids: Vec<u32> = self.pool.iter().map(|cpu| cpu.id).collect();
        format!("this process may use {}", units::cpus(&ids))
    }

    /// What was chosen, why, and what is unclean about it.
    fn plan(&self, sides: (&Side, &Side), (server, swarm): Pair) -> CpuPlan {
        let ids = |cpus: &[Cpu]| cpus.iter().map(|cpu| cpu.id).collect::<Vec<u32>>();
        let mut all: Vec<Cpu> = self.pool.iter().chain(&server).chain(&swarm).copied().collect();
        all.sort_unstable();
        all.dedup();
        let fastest = all.iter().map(|cpu| cpu.kind).min().unwrap_or(0);
        let slow = count(all.iter().filter(|cpu| cpu.kind > fastest), |cpu| cpu.core) as u32;
        let cores = CoreCounts {
            packages: count(&all, |cpu| cpu.package) as u32,
            nodes: count(&all, |cpu| cpu.node) as u32,
            cores: count(&all, |cpu| cpu.core) as u32,
            slow_cores: slow,
            cpus: all.len() as u32,
        };
        let choice = CpuChoice {
            server: sides.0.chosen_by(),
            swarm: sides.1.chosen_by(),
            cores,
            reasons: self.reasons(sides, &server, &swarm, cores),
        };
        let doubts = self.doubts(&server, &swarm);
        CpuPlan { all: ids(&all), server: ids(&server), swarm: ids(&swarm), choice, doubts }
    }

    fn reasons(
        &self,
        sides: (&Side, &Side),
        server: &[Cpu],
        swarm: &[Cpu],
        there: CoreCounts,
    ) -> Vec<CpuReason> {
        let cost = Cost::of(&(server.to_vec(), swarm.to_vec()));
        let used: Vec<Cpu> = server.iter().chain(swarm).copied().collect();
        let is_open = matches!(sides, (Side::Open, Side::Open));
        let chosen = !matches!(sides, (Side::Has(_), Side::Has(_)));
        let on_used_cores = |cpu: &&Cpu| used.iter().any(|one| one.core == cpu.core);
        let idle = self.pool.iter().filter(|cpu| on_used_cores(cpu) && !used.contains(cpu)).count() as u32;
        let is_alone = |id: &&u32| {
            self.topology.cpu(**id).is_some() && !self.pool.iter().chain(&used).any(|cpu| cpu.id == **id)
        };
        let isolated: Vec<u32> = self.topology.isolated.iter().filter(is_alone).copied().collect();
        let quota = self.topology.quota.filter(|_| chosen && used.len() == self.topology.granted());
        [
            (is_open && cost.shared_cores == 0)
                .then(|| CpuReason::Halves { cores: count(&used, |cpu| cpu.core) as u32 }),
            quota.map(|cpus| CpuReason::Quota { cpus }),
            (chosen && there.slow_cores > 0 && cost.mixed == 0 && cost.slowness == 0)
                .then_some(CpuReason::FastCores { slow: there.slow_cores }),
            (chosen && there.nodes > 1 && cost.nodes == 1)
                .then(|| CpuReason::OneNode { node: used[0].node, nodes: there.nodes }),
            (chosen && idle > 0 && cost.siblings + cost.shared_cores == 0)
                .then_some(CpuReason::OneCpuPerCore { idle }),
            (chosen && !isolated.is_empty()).then_some(CpuReason::Isolated { cpus: isolated }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn doubts(&self, server: &[Cpu], swarm: &[Cpu]) -> Vec<Doubt> {
        let cost = Cost::of(&(server.to_vec(), swarm.to_vec()));
        let cpus = (server.len() + swarm.len() - cost.shared_cpus) as u32;
        let cores = count(server, |cpu| cpu.core) as u32;
        let fastest = self.pool.iter().chain(server).chain(swarm).map(|cpu| cpu.kind).min().unwrap_or(0);
        let is_slow = |side: &[Cpu]| !side.is_empty() && side.iter().all(|cpu| cpu.kind > fastest);
        let (servers_slow, swarm_slow) = (is_slow(server), is_slow(swarm));
        [
            (cost.shared_cpus > 0).then_some(Doubt::SharedCpu),
            (cost.shared_cores > cost.shared_cpus)
                .then_some(Doubt::SharedCore { cores: cost.shared_cores as u32 }),
            (cost.mixed > 0).then_some(Doubt::MixedCores),
            (servers_slow || swarm_slow)
                .then_some(Doubt::SlowCores { servers: servers_slow, swarm: swarm_slow }),
            (cost.nodes > 1).then_some(Doubt::ManyNodes { nodes: cost.nodes as u32 }),
            (server.len() as u32 > cores)
                .then_some(Doubt::HardwareThreads { cpus: server.len() as u32, cores }),
            self.topology
                .quota
                .filter(|granted| *granted < f64::from(cpus))
                .map(|granted| Doubt::Quota { granted, cpus }),
            (!self.topology.cores_known && cpus > 1).then_some(Doubt::CoresUnknown),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
