//! The least bad of all ways to divide CPUs: ways are generated, and [`Cost`] has the rules, in their order.

use super::{Cpu, CpuWish, Topology, count};
use bakeoff_reports::record::ChosenBy;
use std::collections::BTreeSet;

/// The CPUs of the pool in the orders in which a side may take the first of them: of one kind or of all, of one node or of all, a CPU
/// of each core first or core by core.
pub(super) fn orders(pool: &[Cpu]) -> Vec<Vec<Cpu>> {
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
            spread.sort_by_cached_key(|cpu| (cpu.kind, place_on_core(cpu)));
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
pub(super) struct Cost {
    /// CPUs that both sides have.
    pub(super) shared_cpus: usize,
    /// Cores on which both sides have CPUs.
    pub(super) shared_cores: usize,
    /// Sides with cores of several kinds.
    pub(super) mixed: usize,
    /// CPUs beyond the first of each core, within a side.
    pub(super) siblings: usize,
    /// NUMA nodes.
    pub(super) nodes: usize,
    /// How slow the slowest core of each side is.
    pub(super) slowness: u32,
    /// Last-level caches that both sides use, and all that they use.
    caches: (usize, usize),
}

impl Cost {
    pub(super) fn of((server, swarm): &Pair) -> Self {
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
pub(super) enum Side {
    Has(Vec<Cpu>),
    Wants(usize),
    Open,
}

impl Side {
    pub(super) fn new(wish: Option<&CpuWish>, named: Option<Vec<Cpu>>) -> Self {
        match (named, wish) {
            (Some(cpus), _) => Self::Has(cpus),
            (None, Some(CpuWish::Count(count))) => Self::Wants(*count as usize),
            (None, _) => Self::Open,
        }
    }

    pub(super) fn chosen_by(&self) -> ChosenBy {
        match self {
            Self::Has(_) => ChosenBy::List,
            Self::Wants(_) => ChosenBy::Count,
            Self::Open => ChosenBy::Tool,
        }
    }

    pub(super) fn has(&self) -> Option<&[Cpu]> {
        match self {
            Self::Has(cpus) => Some(cpus),
            Self::Wants(_) | Self::Open => None,
        }
    }
}

/// The CPUs of server and swarm.
pub(super) type Pair = (Vec<Cpu>, Vec<Cpu>);

/// The CPUs that may be used, and the orders in which a side may take of them.
pub(super) struct Chooser<'a> {
    pub(super) topology: &'a Topology,
    pub(super) pool: Vec<Cpu>,
    pub(super) orders: Vec<Vec<Cpu>>,
    pub(super) share: bool,
}

impl Chooser<'_> {
    /// The CPUs of each side; `None` where there are not enough, which [`Self::check`] has excluded.
    pub(super) fn choose(&self, server: &Side, swarm: &Side) -> Option<Pair> {
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
                let none_left = self.pool.iter().all(|cpu| server.contains(cpu));
                let server = Side::Has(server);
                if self.share && none_left {
                    // Where all CPUs are shared, servers on fewer of them leave the other half alone.
                    return self.best(&server, &Side::Wants((self.pool.len() / 2).max(1)));
                }
                self.fill(most, &server, |count| self.best(&server, &Side::Wants(count)))
            }
            (server, swarm) => self.best(server, swarm),
        }
    }

    /// As many CPUs for one side as make nothing worse than a single one does, and as the quota grants beside the other's.
    fn fill(&self, most: usize, other: &Side, place: impl Fn(usize) -> Option<Pair>) -> Option<Pair> {
        let others = other.has().map_or(0, <[Cpu]>::len);
        let most = most.min(self.topology.granted().saturating_sub(others)).max(1);
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
        let cores = cores.unwrap_or_else(|| count(&self.pool, |cpu| cpu.core)).min(self.topology.granted());
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
}
