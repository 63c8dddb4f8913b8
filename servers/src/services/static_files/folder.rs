//! A person's folder: paths looked up beneath it and nowhere else.
//!
//! The kernel keeps the wall: every look-up is one `openat2(2)` that refuses to leave the folder, by `..`, by an
//! absolute symlink or by a relative one, whatever is renamed meanwhile. Symlinks that stay inside are followed.

use super::{Dotfiles, Found, Page};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Where a look-up must stay. No magic links: `/proc/self/fd/3` in a served folder would lead anywhere.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// Tries of a look-up that met a rename; openat2(2) says to try again.
const TRIES: usize = 8;

/// A folder to serve.
#[derive(Debug)]
pub(super) struct Folder {
    root: OwnedFd,
    dotfiles: Dotfiles,
}

impl Folder {
    /// Opens the folder.
    ///
    /// # Errors
    /// It is not there, not a folder, not ours to read; or the kernel is older than 5.6 and cannot keep the wall.
    pub(super) fn open(path: &Path, dotfiles: Dotfiles) -> io::Result<Self> {
        let root = open(path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        openat2(&root, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), BENEATH)?;
        Ok(Self { root, dotfiles })
    }

    /// What is at that path, which begins with a slash; a folder's page is its `index.html`.
    ///
    /// # Errors
    /// What is not the client's doing: no descriptor left, a disk that fails.
    pub(super) fn find(&self, path: &[u8]) -> io::Result<Found> {
        let mut relative =
            path.iter().position(|byte| *byte != b'/').map_or(&[][..], |at| &path[at..]).to_vec();
        if path.ends_with(b"/") {
            relative.extend_from_slice(b"index.html");
        }
        if self.dotfiles == Dotfiles::Hidden && has_dotfile(&relative) {
            return Ok(Found::Nothing);
        }
        let Some(place) = self.locate_beneath(&relative)? else { return Ok(Found::Nothing) };
        let place = File::from(place);
        let metadata = place.metadata()?;
        if metadata.is_dir() {
            let is_index = path.ends_with(b"/");
            return Ok(if is_index { Found::Nothing } else { Found::Folder });
        }
        if !metadata.is_file() {
            return Ok(Found::Nothing); // a pipe, a device, a socket: to open one may already do something
        }
        let file = match reopen(&place) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let content_type = super::types::of(&relative);
        let (from, until) = (0, metadata.len());
        let modified = metadata.modified().ok().filter(|time| has_date(*time));
        Ok(Found::Page(Page { content_type, modified, file: Arc::new(file), from, until }))
    }

    /// What is at that path beneath the root, found but not opened, or `None` where nothing is that a client may have.
    fn locate_beneath(&self, relative: &[u8]) -> io::Result<Option<OwnedFd>> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            return match openat2(&self.root, relative, flags, Mode::empty(), BENEATH) {
                Ok(file) => Ok(Some(file)),
                Err(Errno::AGAIN) => continue,
                Err(
                    Errno::NOENT
                    | Errno::NOTDIR
                    | Errno::XDEV
                    | Errno::LOOP
                    | Errno::ACCESS
                    | Errno::PERM
                    | Errno::NAMETOOLONG
                    | Errno::NXIO
                    | Errno::NODEV
                    | Errno::INVAL,
                ) => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        Err(Errno::AGAIN.into())
    }
}

/// Opens what was located, and nothing that has taken its name meanwhile.
fn reopen(place: &File) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    Ok(File::from(open(path, flags, Mode::empty())?))
}

/// Whether a segment of the path begins with a dot. `.` alone is the folder itself.
fn has_dotfile(relative: &[u8]) -> bool {
    let mut segments = relative.split(|byte| *byte == b'/');
    segments.any(|segment| segment.starts_with(b".") && segment != b"." && segment != b".well-known")
}

/// Whether a time can be written as a date of HTTP, which begins in 1970 and has four digits for the year. A file may
/// claim to be from any time; one without such a date is always sent.
fn has_date(time: SystemTime) -> bool {
    const YEAR_10_000: u64 = 253_402_300_800;
    time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < YEAR_10_000)
}
