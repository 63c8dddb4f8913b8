//! How many threads a server has in the course of the window, where its load comes and goes: one reading at the end of each
//! slice, of one file that stays open, which takes microseconds on the swarm's CPUs.
//!
//! It never walks a tree of processes: that takes milliseconds where there are many, and would disturb the window.

use super::tree::Proc;
use bakeoff_reports::record::Reading;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

/// A reading may be late by a slice, or by this share of the window where that is longer: no more than a picture over the window shows.
const LATE: f64 = 0.05;

/// The readings of one window.
#[derive(Debug)]
pub(super) struct ThreadReadings {
    stat: Result<File, String>,
    slices: u32,
    seen: Vec<u64>,
    /// Why they are not those of the slices' ends.
    off: Option<String>,
}

impl ThreadReadings {
    /// For a server that has its clients, and a window of so many slices (one at least).
    pub(super) fn new(proc: &Proc, server: u32, slices: u32) -> Self {
        let stat = alone(proc, server).and_then(|()| {
            let path = proc.path(&format!("{server}/stat"));
            File::open(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
        });
        Self { stat, slices: slices.max(1), seen: Vec::new(), off: None }
    }

    /// Reads at the end of each slice of the window from `begin` to `end`, the last at `end`; `sleep_until` waits and says whether
    /// to go on.
    ///
    /// # Errors
    /// The one of `sleep_until`.
    pub(super) fn follow<E>(
        &mut self,
        (begin, end): (Instant, Instant),
        sleep_until: impl Fn(Instant) -> Result<(), E>,
    ) -> Result<(), E> {
        let window = end - begin;
        let most = window.mul_f64(LATE.max(1.0 / f64::from(self.slices)));
        for i in 1..=self.slices {
            let due = begin + window.mul_f64(f64::from(i) / f64::from(self.slices));
            sleep_until(due)?;
            if self.off.is_none() {
                self.read(due, most);
            }
        }
        Ok(())
    }

    fn read(&mut self, due: Instant, most: Duration) {
        let late = due.elapsed();
        if late > most {
            let why = format!(
                "a reading of the threads came {late:.0?} late, and {most:.0?} are allowed: this program was held up"
            );
            self.off = Some(why);
            return;
        }
        let Ok(stat) = &self.stat else { return };
        match threads(stat) {
            Ok(threads) => self.seen.push(threads),
            Err(error) => self.off = Some(format!("the server's threads cannot be read: {error}")),
        }
    }

    /// What was read, of a server that is still what it was.
    pub(super) fn reading(self, proc: &Proc, server: u32) -> Reading<Vec<u64>> {
        let readings = match (self.stat, self.off) {
            (Err(why), _) | (Ok(_), Some(why)) => Err(why),
            (Ok(_), None) => alone(proc, server).map(|()| self.seen),
        };
        super::reading(readings)
    }
}

/// Whether a server is one process.
fn alone(proc: &Proc, server: u32) -> Result<(), String> {
    match proc.tree(server)?.len() {
        1 => Ok(()),
        processes => Err(format!(
            "the server has {processes} processes, and to read the threads of each in the window would disturb it"
        )),
    }
}

/// The threads of the process whose `stat` this is: the 20th field, the 18th behind the name, which may hold anything.
fn threads(stat: &File) -> io::Result<u64> {
    let mut text = [0; 512];
    let length = stat.read_at(&mut text, 0)?;
    let text = String::from_utf8_lossy(&text[..length]);
    let field = text.rsplit_once(')').and_then(|(_, fields)| fields.split_ascii_whitespace().nth(17));
    field.and_then(|count| count.parse().ok()).ok_or_else(|| io::Error::other("its stat has no such field"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{end, family};
    use super::*;
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;
    use std::thread;

    /// What the kernel says of a process with a name that needs care.
    fn write_stat(process: &Path, threads: u64) {
        let fields = ["S"; 17].join(" ");
        fs::write(process.join("stat"), format!("7 (a) b) {fields} {threads} 0 4711\n")).expect("written");
    }

    #[test]
    fn each_slice_has_the_threads_of_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let process = folder.path().join("7");
        fs::create_dir_all(process.join("task/7")).expect("a folder");
        fs::write(process.join("task/7/children"), "").expect("written");
        write_stat(&process, 9);
        let proc = Proc::at(folder.path());
        let mut readings = ThreadReadings::new(&proc, 7, 4);
        let (begin, slice) = (Instant::now() + Duration::from_secs(60), Cell::new(0));
        let followed = readings.follow((begin, begin + Duration::from_secs(60)), |_| {
            write_stat(&process, [4, 4, 41, 12][slice.get()]);
            slice.set(slice.get() + 1);
            Ok::<(), ()>(())
        });
        followed.expect("it goes on");
        assert_eq!(readings.reading(&proc, 7), Reading::Value(vec![4, 4, 41, 12]));
    }

    #[test]
    fn a_late_reading_or_a_tree_of_processes_is_absent() {
        let absent = |reading: Reading<Vec<u64>>, words: &str| match reading {
            Reading::Absent(why) => assert!(why.contains(words), "{why}"),
            Reading::Value(seen) => panic!("{seen:?}, not: {words}"),
        };
        let (proc, own, past) = (Proc::system(), std::process::id(), Instant::now());
        thread::sleep(Duration::from_millis(20));
        let mut late = ThreadReadings::new(&proc, own, 2);
        late.follow((past, past + Duration::from_millis(4)), |_| Ok::<(), ()>(())).expect("it goes on");
        absent(late.reading(&proc, own), "late");
        let family = family();
        let id = family.id();
        absent(ThreadReadings::new(&proc, id, 2).reading(&proc, id), "3 processes");
        end(family);
    }
}
