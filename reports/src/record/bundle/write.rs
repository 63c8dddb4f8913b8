//! Writing a bundle: each record whole and on disk before the next, never over an older bundle.

use super::{AfterFailure, Bundle, BundleError, Line};
use crate::record::{Record, Run};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The line of a record, line feed included.
fn line_of(record: &Record) -> io::Result<Vec<u8>> {
    let body = serde_json::value::to_raw_value(record)?;
    let crc32 = format!("{:08x}", crc32fast::hash(body.get().as_bytes()));
    let mut line = serde_json::to_vec(&Line { crc32, body: &body })?;
    line.push(b'\n');
    Ok(line)
}

/// What a writer needs of its file; a seam, so that a full disk can be tested without one.
trait Backing {
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Backing for File {
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()?;
        if self.metadata()?.nlink() == 0 {
            let what = "the file was removed meanwhile, and with it all that was measured";
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        // The file is open for appending, so its offset needs no care.
        self.set_len(length)?;
        self.sync_data()
    }
}

#[derive(Debug)]
struct Log<B> {
    backing: B,
    length: u64,
    records: usize,
}

impl<B: Backing> Log<B> {
    fn append(&mut self, record: &Record) -> Result<(), (io::Error, AfterFailure)> {
        let written = line_of(record).and_then(|line| {
            self.backing.write_whole(&line)?;
            self.backing.sync()?;
            Ok(line.len() as u64)
        });
        match written {
            Ok(length) => {
                self.length += length;
                self.records += 1;
                Ok(())
            }
            Err(source) => {
                let after = match self.backing.cut(self.length) {
                    Ok(()) => AfterFailure::CutBack(self.records),
                    Err(why) => AfterFailure::Torn(self.records, why),
                };
                Err((source, after))
            }
        }
    }
}

/// A bundle that nobody else writes while this lives.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Hold {
    /// Holds a bundle.
    ///
    /// # Errors
    /// It cannot be opened, or somebody else writes it.
    pub fn new(path: &Path) -> Result<Self, BundleError> {
        let file = File::open(path).map_err(|source| BundleError::Read { path: path.to_owned(), source })?;
        hold(&file, path)?;
        Ok(Self(file))
    }
}

/// Takes the lock of an open bundle, which its closing gives back.
fn hold(file: &File, path: &Path) -> Result<(), BundleError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(BundleError::Busy { path: path.to_owned() }),
        // A file system without locks takes whoever comes.
        _ => Ok(()),
    }
}

/// A bundle being written.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    log: Log<File>,
}

impl Writer {
    /// Creates the bundle with its first record, on disk when this returns.
    ///
    /// # Errors
    /// The file exists already (a bundle is never overwritten), cannot be created, or the record cannot be written;
    /// in the last case the file is removed again.
    pub fn create(path: &Path, run: &Run) -> Result<Self, BundleError> {
        let create = |source| BundleError::Create { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(create)?;
        hold(&file, path)?;
        let mut writer = Self { path: path.to_owned(), log: Log { backing: file, length: 0, records: 0 } };
        if let Err(error) = writer.append(&Record::Run(Box::new(run.clone()))) {
            // Nothing of value is in it, and a leftover would make the next attempt fail for another reason.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        sync_folder(path).map_err(create)?;
        Ok(writer)
    }

    /// Goes on with a bundle that is held: the file gets its records again without its end, which is to come. It is replaced
    /// whole or not at all.
    ///
    /// # Errors
    /// It cannot be written beside its place, or put there.
    pub fn go_on(path: &Path, bundle: &Bundle, held: Hold) -> Result<Self, BundleError> {
        let beside = path.with_extension("jsonl.new");
        let failed = |source| BundleError::Create { path: beside.clone(), source };
        let bytes = to_bytes(&Bundle { end: None, ..bundle.clone() }).map_err(failed)?;
        // Whoever was killed in the middle of this left one behind; nobody else writes, for the bundle is held.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = OpenOptions::new().append(true).create_new(true).open(&beside).map_err(failed)?;
        hold(&file, path)?;
        let placed = file.write_all(&bytes).and_then(|()| file.sync_data()).and_then(|()| {
            std::fs::rename(&beside, path)?;
            sync_folder(path)
        });
        if let Err(error) = placed {
            let _ = std::fs::remove_file(&beside);
            return Err(failed(error));
        }
        drop(held);
        let records = bytes.iter().filter(|byte| **byte == b'\n').count();
        let log = Log { backing: file, length: bytes.len() as u64, records };
        Ok(Self { path: path.to_owned(), log })
    }

    /// Appends a record, on disk when this returns.
    ///
    /// # Errors
    /// The record could not be written. The file is then cut back to its last whole record, and the error says so.
    pub fn append(&mut self, record: &Record) -> Result<(), BundleError> {
        self.log.append(record).map_err(|(source, after)| BundleError::Append {
            path: self.path.clone(),
            record: self.log.records + 1,
            source,
            after,
        })
    }

    /// Where the bundle is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the file's name as durable as its contents.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// The bytes of a whole bundle, as a [`Writer`] would have left them. For tests and benches: whoever measures appends
/// record by record instead.
///
/// # Errors
/// A record cannot be put into JSON.
pub fn to_bytes(bundle: &Bundle) -> io::Result<Vec<u8>> {
    let mut bytes = line_of(&Record::Run(Box::new(bundle.run.clone())))?;
    for objective in &bundle.objectives {
        bytes.extend(line_of(&Record::Objective(objective.clone()))?);
    }
    for trial in &bundle.trials {
        bytes.extend(line_of(&Record::Trial(Box::new(trial.clone())))?);
    }
    for round in &bundle.rounds {
        bytes.extend(line_of(&Record::Round(round.clone()))?);
    }
    for look in &bundle.looks {
        bytes.extend(line_of(&Record::Look(look.clone()))?);
    }
    if let Some(confirm) = &bundle.confirm {
        bytes.extend(line_of(&Record::Confirm(confirm.clone()))?);
    }
    for anatomy in &bundle.anatomies {
        bytes.extend(line_of(&Record::Anatomy(Box::new(anatomy.clone())))?);
    }
    for envelope in &bundle.envelopes {
        bytes.extend(line_of(&Record::Envelope(Box::new(envelope.clone())))?);
    }
    if let Some(end) = &bundle.end {
        bytes.extend(line_of(&Record::End(end.clone()))?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::End;

    /// A disk with room for so many bytes.
    struct FullDisk {
        room: usize,
        content: Vec<u8>,
        can_cut: bool,
    }

    impl Backing for FullDisk {
        fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
            let fits = bytes.len().min(self.room - self.content.len());
            self.content.extend_from_slice(&bytes[..fits]);
            if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn cut(&mut self, length: u64) -> io::Result<()> {
            if !self.can_cut {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            self.content.truncate(length as usize);
            Ok(())
        }
    }

    fn end(trials: u32) -> Record {
        Record::End(End { finished_unix_ms: 1, trials, interrupted: false, compute_ns_per_nominal_us: None })
    }

    #[test]
    fn a_full_disk_leaves_whole_records() {
        let line = line_of(&end(1)).expect("serializes").len();
        for room in line..2 * line {
            let backing = FullDisk { room, content: Vec::new(), can_cut: true };
            let mut log = Log { backing, length: 0, records: 0 };
            log.append(&end(1)).expect("there is room for one");
            let (error, after) = log.append(&end(2)).expect_err("there is none for two");
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(matches!(after, AfterFailure::CutBack(1)));
            assert_eq!(log.backing.content, line_of(&end(1)).expect("serializes"));
            log.backing.room = 2 * line;
            log.append(&end(3)).expect("space was freed");
            assert_eq!(log.backing.content.len(), 2 * line);
        }
    }

    #[test]
    fn a_file_that_cannot_be_cut_back_is_said_to_be_torn() {
        let line = line_of(&end(1)).expect("serializes").len();
        let backing = FullDisk { room: line + 3, content: Vec::new(), can_cut: false };
        let mut log = Log { backing, length: 0, records: 0 };
        log.append(&end(1)).expect("there is room for one");
        let (_, after) = log.append(&end(2)).expect_err("there is none for two");
        assert!(after.to_string().contains("first 1 records load"), "{after}");
    }

    #[test]
    fn records_of_a_file_that_was_removed_are_not_taken_for_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.jsonl");
        let file = OpenOptions::new().append(true).create_new(true).open(&path).expect("room");
        let mut log = Log { backing: file, length: 0, records: 0 };
        log.append(&end(1)).expect("it is there");
        std::fs::remove_file(&path).expect("ours");
        let (error, _) = log.append(&end(2)).expect_err("it is gone");
        assert!(error.to_string().contains("removed"), "{error}");
    }
}
