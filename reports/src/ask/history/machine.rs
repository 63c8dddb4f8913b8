//! The fingerprint of a machine: what must be the same for two runs to lie in one series.
//!
//! It is made of the kernel's name with major and minor version, the processor's model, the number of CPUs the tool may
//! use, how many of them servers and swarm have where that is not half each, which where a person had a say, and the memory. Each
//! of them moves figures by more than a commit does, and none of them changes from day to day: a kernel's patch level, a
//! frequency that is read at one moment, host names and limits are left out, because they would begin a new series where nothing
//! changed. Memory counts in coarse steps, since the kernel keeps a little for itself and
//! not always the same. Two machines of the same make share a fingerprint on purpose: the ratio to the reference takes out
//! what is left between them.

use super::entry::Machine;
use crate::record::{ChosenBy, Environment, Reading, cpu_list};

/// The machine of an environment. What could not be read counts as unknown, which is a value of its own.
pub fn machine(environment: &Environment) -> Machine {
    let kernel = environment.kernel.value().map_or_else(|| "unknown kernel".to_owned(), |text| kernel(text));
    let cpu = environment.cpu_model.value().map_or("unknown processor", |model| model.trim());
    let memory = match environment.memory_bytes {
        Reading::Value(bytes) => format!("{} GiB", coarse_gib(bytes)),
        Reading::Absent(_) => "unknown memory".to_owned(),
    };
    // The words are part of every stored run, and of its fingerprint: they must not follow a change of style.
    let cpus = match environment.cpus.len() {
        1 => "1 CPU".to_owned(),
        count => format!("{count} CPUs"),
    };
    let words = format!("{kernel}, {cpu}, {cpus}{}, {memory}", sides(environment));
    Machine { fingerprint: format!("{:08x}", crc32fast::hash(words.as_bytes())), words }
}

/// How the CPUs were divided; nothing where each side had half of them, as all runs once did. Which they were follows from the
/// machine, unless a person had a say: as many CPUs may be hardware threads of the other side's cores, or have cores of their own.
fn sides(environment: &Environment) -> String {
    let all = environment.cpus.len();
    let (server, swarm) = (environment.server_cpus.len(), environment.swarm_cpus.len());
    let halves = if all < 2 { (all, all) } else { (all / 2, all.div_ceil(2)) };
    let choice = environment.cpu_choice.as_ref();
    let is_asked = choice.is_some_and(|one| [one.server, one.swarm] != [ChosenBy::Tool; 2]);
    // Two CPUs can be divided in one way only.
    if is_asked && all > 2 {
        let (server, swarm) = (cpu_list(&environment.server_cpus), cpu_list(&environment.swarm_cpus));
        return format!(", CPUs {server} to serve and CPUs {swarm} to load");
    }
    if (server, swarm) == halves { String::new() } else { format!(", {server} to serve and {swarm} to load") }
}

/// "Linux 6.18.3-generic" to "Linux 6.18".
fn kernel(text: &str) -> String {
    let (name, release) = text.split_once(' ').unwrap_or((text, ""));
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    let numbers: Vec<String> = release.split('.').take(2).map(number).collect();
    format!("{name} {}", numbers.join(".")).trim_end().to_owned()
}

/// Gibibytes, rounded up to whole ones below 16, and to an eighth of the power of two below above that.
fn coarse_gib(bytes: u64) -> u64 {
    let gib = bytes.div_ceil(1 << 30).max(1);
    let step = ((1_u64 << gib.ilog2()) / 8).max(1);
    gib.div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::CpuChoice;
    use crate::sample::machine::environment;

    #[test]
    fn what_changes_by_itself_is_no_other_machine() {
        let here = machine(&environment());
        assert_eq!(here.words, "Linux 6.18, Imaginary CPU at 3.0 GHz, 2 CPUs, 24 GiB");
        let mut patched = environment();
        patched.kernel = Reading::Value("Linux 6.18.44-cloud".to_owned());
        patched.memory_bytes = Reading::Value(25_000_000_000);
        patched.governor = Reading::Value("powersave".to_owned());
        patched.max_descriptors = Reading::Value(1);
        assert_eq!(machine(&patched), here);
    }

    #[test]
    fn what_moves_figures_is_another_machine() {
        let here = machine(&environment()).fingerprint;
        let other = |change: fn(&mut Environment)| {
            let mut environment = environment();
            change(&mut environment);
            machine(&environment).fingerprint
        };
        assert_ne!(other(|e| e.kernel = Reading::Value("Linux 6.19".to_owned())), here);
        assert_ne!(other(|e| e.cpu_model = Reading::Absent("hidden".to_owned())), here);
        assert_ne!(other(|e| e.cpus.push(2)), here);
        assert_ne!(other(|e| e.server_cpus.push(1)), here, "another division of the same CPUs");
        assert_ne!(other(|e| e.memory_bytes = Reading::Value(8 << 30)), here);
    }

    #[test]
    fn the_same_number_of_other_cpus_is_another_machine_where_a_person_chose_them() {
        let of = |server: [u32; 2], swarm: [u32; 2], by| {
            let mut environment = environment();
            environment.cpus = vec![0, 1, 2, 3];
            (environment.server_cpus, environment.swarm_cpus) = (server.to_vec(), swarm.to_vec());
            environment.cpu_choice = Some(CpuChoice { server: by, swarm: by, ..CpuChoice::default() });
            machine(&environment)
        };
        let (tool, list) = (ChosenBy::Tool, ChosenBy::List);
        assert_eq!(
            of([0, 1], [2, 3], list).words,
            "Linux 6.18, Imaginary CPU at 3.0 GHz, 4 CPUs, CPUs 0,1 to serve and CPUs 2,3 to load, 24 GiB"
        );
        assert_ne!(
            of([0, 1], [2, 3], list),
            of([0, 2], [1, 3], list),
            "siblings may be on one side or on both"
        );
        assert_eq!(of([0, 1], [2, 3], tool).words, "Linux 6.18, Imaginary CPU at 3.0 GHz, 4 CPUs, 24 GiB");
        let mut two = environment();
        two.cpu_choice = Some(CpuChoice { server: list, ..CpuChoice::default() });
        assert_eq!(machine(&two), machine(&environment()), "two CPUs are divided in one way");
    }

    #[test]
    fn memory_counts_in_steps_that_hide_what_the_kernel_keeps() {
        let gib = |tenths: u64| coarse_gib(tenths * (1 << 30) / 10);
        assert_eq!([0, 9, 19, 78, 155].map(gib), [1, 1, 2, 8, 16]);
        assert_eq!([313, 316, 627, 1_256, 2_515].map(gib), [32, 32, 64, 128, 256]);
    }
}
