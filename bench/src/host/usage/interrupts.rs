//! Where this kernel puts the time of interrupts, the soft ones above all, in which loopback delivers its segments.
//!
//! By default the tick charges it to whatever task it interrupts: that task's CPU clock holds it, while /proc/stat lists
//! it apart. With `CONFIG_IRQ_TIME_ACCOUNTING` it is taken out of the task's clock, too, so that the CPU time of a server
//! lacks what the kernel did for it in interrupts. Who compares the two must know which it is; never guesses.

use procfs::{Current as _, KernelConfig};
use rustix::io::Errno;
use std::sync::LazyLock;

/// Who is charged with the time of interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interrupts {
    /// The task that is interrupted: its CPU clock holds them.
    InTasks,
    /// Nobody: CPU clocks of tasks lack them.
    Apart,
    /// This machine does not tell.
    Unknown,
}

/// Those of this kernel, found out once: from where its pressure figures are (/proc/pressure/irq is there only when
/// interrupts are accounted apart, since Linux 6.1), else from its configuration.
pub(super) fn of_this_kernel() -> Interrupts {
    static FOUND: LazyLock<Interrupts> = LazyLock::new(|| {
        let pressure = std::fs::read("/proc/pressure/irq").map(|_| ()).map_err(|e| e.raw_os_error());
        let setting = KernelConfig::current().ok().map(|KernelConfig(all)| {
            // An option that is off is not listed, so an empty list tells nothing.
            (!all.is_empty()).then(|| all.contains_key("CONFIG_IRQ_TIME_ACCOUNTING"))
        });
        judge(pressure, setting.flatten())
    });
    *FOUND
}

/// `pressure`: whether the pressure of interrupts could be read; `configured`: what the configuration says, if known.
fn judge(pressure: Result<(), Option<i32>>, configured: Option<bool>) -> Interrupts {
    match (pressure, configured) {
        (Ok(()), _) => Interrupts::Apart,
        // Built in, but switched off at boot, as with an unsteady TSC.
        (Err(Some(code)), _) if code == Errno::OPNOTSUPP.raw_os_error() => Interrupts::InTasks,
        (Err(_), Some(true)) => Interrupts::Apart,
        (Err(_), Some(false)) => Interrupts::InTasks,
        (Err(_), None) => Interrupts::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_not_guessed() {
        let missing = Err(Some(Errno::NOENT.raw_os_error()));
        assert_eq!(judge(Ok(()), None), Interrupts::Apart);
        assert_eq!(judge(Err(Some(Errno::OPNOTSUPP.raw_os_error())), Some(true)), Interrupts::InTasks);
        assert_eq!(judge(missing, Some(true)), Interrupts::Apart);
        assert_eq!(judge(missing, Some(false)), Interrupts::InTasks);
        assert_eq!(judge(missing, None), Interrupts::Unknown);
    }
}
