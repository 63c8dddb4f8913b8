//! Who gets which CPUs: a pure function of a topology and of what a person wishes.
//!
//! Ways to choose are generated and the least bad one is taken: [`Cost`] has the rules, in their order.

use super::{Cpu, CpuWish, Topology, count};
use bakeoff_reports::record::{ChosenBy, CoreCounts, CpuChoice, CpuReason, Doubt};
use bakeoff_reports::show::units::{self, cpu_list};
use std::collections::BTreeSet;

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

/// The CPUs of the pool in the orders in which a side may take the first of them: of one kind or of all, of one node or of all, a CPU
/// of each core first or core by core.
fn orders(pool: &[Cpu]) -> Vec<Vec<Cpu>> {
    let each = |value: fn(&Cpu) -> u32| {
        let mut values: Vec<Option<u32>> = pool.iter().map(|cpu| Some(value(cpu))).collect();
        values.sort_unstable();
        values.dedup();
        if values.len() > 1 {
            values.push(None);
        }
        values
    };
    let mut orders = Vec::new();
    for kind in each(|cpu| cpu.kind) {
        for node in each(|cpu| cpu.node) {
            let of = |cpu: &&Cpu| {
                kind.is_none_or(|kind| kind == cpu.kind) && node.is_none_or(|node| node == cpu.node)
            };
            let mut order: Vec<Cpu> = pool.iter().filter(of).copied().collect();
            order.sort_unstable_by_key(|cpu| (cpu.kind, cpu.node, cpu.cache, cpu.core, cpu.id));
            let place_on_core =
                |cpu: &Cpu| order.iter().filter(|one| one.core == cpu.core && one.id < cpu.id).count();
            let mut spread = order.clone();
            spread.sort_by_key(|cpu| (cpu.kind, place_on_core(cpu)));
            if spread != order {
                orders.push(order);
            }
            orders.push(spread);
        }
    }
    orders
}

/// What is bad about a choice, the worst first. Of two choices the one is taken that has less of the first in which they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// CPUs that both sides have.
    shared_cpus: usize,
    /// Cores on which both sides have CPUs.
    shared_cores: usize,
    /// Sides with cores of several kinds.
    mixed: usize,
    /// CPUs beyond the first of each core, within a side.
    siblings: usize,
    /// NUMA nodes.
    nodes: usize,
    /// How slow the slowest core of each side is.
    slowness: u32,
    /// Last-level caches that both sides use, and all that they use.
    caches: (usize, usize),
}

impl Cost {
    fn of((server, swarm): &Pair) -> Self {
        let both: Vec<Cpu> = server.iter().chain(swarm).copied().collect();
        let common =
            |value: fn(&Cpu) -> u32| count(server, value) + count(swarm, value) - count(&both, value);
        let siblings = |side: &[Cpu]| side.len() - count(side, |cpu| cpu.core);
        let slowest = |side: &[Cpu]| side.iter().map(|cpu| cpu.kind).max().unwrap_or(0);
        Self {
            shared_cpus: common(|cpu| cpu.id),
            shared_cores: common(|cpu| cpu.core),
            mixed: [server, swarm].into_iter().filter(|side| count(side.iter(), |cpu| cpu.kind) > 1).count(),
            siblings: siblings(server) + siblings(swarm),
            nodes: count(&both, |cpu| cpu.node),
            slowness: slowest(server) + slowest(swarm),
            caches: (common(|cpu| cpu.cache), count(&both, |cpu| cpu.cache)),
        }
    }

    /// Whether nothing is worse than in `other` but the use of caches.
    fn is_as_clean_as(self, other: Self) -> bool {
        let caches = (0, 0);
        Self { caches, ..self } <= Self { caches, ..other }
    }
}

/// A side that has its CPUs, wants so many, or takes what is sensible.
#[derive(Clone, Debug)]
enum Side {
    Has(Vec<Cpu>),
    Wants(usize),
    Open,
}

impl Side {
    fn new(wish: Option<&CpuWish>, named: Option<Vec<Cpu>>) -> Self {
        match (named, wish) {
            (Some(cpus), _) => Self::Has(cpus),
            (None, Some(CpuWish::Count(count))) => Self::Wants(*count as usize),
            (None, _) => Self::Open,
        }
    }

    fn chosen_by(&self) -> ChosenBy {
        match self {
            Self::Has(_) => ChosenBy::List,
            Self::Wants(_) => ChosenBy::Count,
            Self::Open => ChosenBy::Tool,
        }
    }

    fn has(&self) -> Option<&[Cpu]> {
        match self {
            Self::Has(cpus) => Some(cpus),
            Self::Wants(_) | Self::Open => None,
        }
    }
}

/// The CPUs of server and swarm.
type Pair = (Vec<Cpu>, Vec<Cpu>);

/// The CPUs that may be used, and the orders in which a side may take of them.
struct Chooser<'a> {
    topology: &'a Topology,
    pool: Vec<Cpu>,
    orders: Vec<Vec<Cpu>>,
    share: bool,
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
        let free = self.pool.len().saturating_sub(others);
        match side {
            Side::Wants(count) if *count > free && !self.pool.is_empty() => {
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

    /// The CPUs of each side; `None` where there are not enough, which [`Self::check`] has excluded.
    fn choose(&self, server: &Side, swarm: &Side) -> Option<Pair> {
        match (server, swarm) {
            (Side::Open, Side::Open) => {
                let (for_server, for_swarm) = self.halves();
                self.best(&Side::Wants(for_server), &Side::Wants(for_swarm))
            }
            (Side::Open, swarm) => {
                let (_, swarm) = self.best(&Side::Wants(1), swarm)?;
                let most = self.halves().0.max(1);
                let swarm = Side::Has(swarm);
                self.fill(most, &swarm, |count| self.best(&Side::Wants(count), &swarm))
            }
            (server, Side::Open) => {
                let (server, _) = self.best(server, &Side::Wants(1))?;
                // A request may cost the swarm more than a cheap server, and it must not be the limit.
                let most = server.len() * 2;
                let server = Side::Has(server);
                self.fill(most, &server, |count| self.best(&server, &Side::Wants(count)))
            }
            (server, swarm) => self.best(server, swarm),
        }
    }

    /// As many CPUs for one side as make nothing worse than a single one does, and as the quota grants beside the other's.
    fn fill(&self, most: usize, other: &Side, place: impl Fn(usize) -> Option<Pair>) -> Option<Pair> {
        let others = other.has().map_or(0, <[Cpu]>::len);
        let most = most.min(self.granted().saturating_sub(others)).max(1);
        let one = place(1)?;
        let least = Cost::of(&one);
        // More CPUs never make it cleaner, so halving finds where it gets worse.
        let (mut found, mut clean, mut worse) = (one, 1, most + 1);
        while worse - clean > 1 {
            let count = clean.midpoint(worse);
            match place(count).filter(|pair| Cost::of(pair).is_as_clean_as(least)) {
                Some(pair) => (found, clean) = (pair, count),
                None => worse = count,
            }
        }
        Some(found)
    }

    /// CPUs that the quota keeps busy: two at least, since there are two sides.
    fn granted(&self) -> usize {
        self.topology.quota.map_or(usize::MAX, |cpus| (cpus as usize).max(2))
    }

    /// How many CPUs each side gets by default: half of the cores of the fastest kind of which one node has two.
    fn halves(&self) -> (usize, usize) {
        let mut kinds: Vec<u32> = self.pool.iter().map(|cpu| cpu.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let of_kind =
            |kind: u32| self.pool.iter().filter(|cpu| cpu.kind == kind).copied().collect::<Vec<_>>();
        let on_one_node = |cpus: &Vec<Cpu>| {
            let cores_of = |node| count(cpus.iter().filter(|cpu| cpu.node == node), |cpu| cpu.core);
            cpus.iter().map(|cpu| cores_of(cpu.node)).max().unwrap_or(0)
        };
        let two = |cores: &usize| *cores >= 2;
        let cores = kinds.iter().map(|kind| on_one_node(&of_kind(*kind))).find(two);
        let cores =
            cores.or_else(|| kinds.iter().map(|kind| count(&of_kind(*kind), |cpu| cpu.core)).find(two));
        let cores = cores.unwrap_or_else(|| count(&self.pool, |cpu| cpu.core)).min(self.granted());
        ((cores / 2).max(1), cores.div_ceil(2).max(1))
    }

    /// The least bad of all ways.
    fn best(&self, server: &Side, swarm: &Side) -> Option<Pair> {
        // Who has CPUs comes first, so that the other side can avoid them.
        let pairs: Vec<Pair> = match swarm.has() {
            Some(swarm) => {
                self.ways(server, swarm).into_iter().map(|server| (server, swarm.to_vec())).collect()
            }
            None => self
                .ways(server, &[])
                .into_iter()
                .flat_map(|server| {
                    let ways = self.ways(swarm, &server);
                    ways.into_iter().map(move |swarm| (server.clone(), swarm))
                })
                .collect(),
        };
        pairs.into_iter().min_by_key(Cost::of)
    }

    /// Ways in which a side can have its CPUs, beside those of the other.
    fn ways(&self, side: &Side, other: &[Cpu]) -> Vec<Vec<Cpu>> {
        let count = match side {
            Side::Has(cpus) => return vec![cpus.clone()],
            Side::Wants(count) => *count,
            Side::Open => 1,
        };
        let mut ways: Vec<Vec<Cpu>> = Vec::new();
        for order in &self.orders {
            for avoid_caches in [true, false] {
                let way = self.take(order, count, other, avoid_caches);
                ways.extend(way.filter(|way| !ways.contains(way)));
            }
        }
        ways
    }

    /// The first of an order, but what the other side uses last: its caches where they are to be avoided, its cores, and, where they
    /// may be shared, its CPUs.
    fn take(&self, order: &[Cpu], count: usize, other: &[Cpu], avoid_caches: bool) -> Option<Vec<Cpu>> {
        let used = |value: fn(&Cpu) -> u32| other.iter().map(value).collect::<BTreeSet<u32>>();
        let (cpus, cores, caches) = (used(|cpu| cpu.id), used(|cpu| cpu.core), used(|cpu| cpu.cache));
        let (shared, mut own): (Vec<Cpu>, Vec<Cpu>) = order.iter().partition(|cpu| cpus.contains(&cpu.id));
        own.sort_by_key(|cpu| (cores.contains(&cpu.core), avoid_caches && caches.contains(&cpu.cache)));
        if self.share {
            own.extend(shared.into_iter().rev());
        }
        own.truncate(count);
        own.sort_unstable_by_key(|cpu| cpu.id);
        (own.len() == count).then_some(own)
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
        let quota = self.topology.quota.filter(|_| chosen && used.len() == self.granted());
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
        [
            (cost.shared_cpus > 0).then_some(Doubt::SharedCpu),
            (cost.shared_cores > cost.shared_cpus)
                .then_some(Doubt::SharedCore { cores: cost.shared_cores as u32 }),
            (cost.mixed > 0).then_some(Doubt::MixedCores),
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
