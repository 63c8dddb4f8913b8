//! Writing as a good citizen: to standard output as one of pipes, to files as one of file systems.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Writes `text`. A reader that went away (`| head`) is no error.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("writing to standard output failed: {error}"))
        }
        _ => Ok(()),
    }
}

/// A file that is written and not yet in its place. It goes away again when dropped.
#[derive(Debug)]
pub(super) enum Draft<'a> {
    /// Beside its place, whole and on disk.
    Beside { draft: TempPath, place: PathBuf },
    /// For a device, a pipe or a socket, which is written to and never replaced.
    Through { bytes: &'a [u8], place: &'a Path },
}

impl<'a> Draft<'a> {
    /// Writes the bytes beside `path`. Where a link is, they are for its target. A file that is there keeps its permissions, a
    /// new one has those of the umask.
    ///
    /// # Errors
    /// The system's; there is a folder of that name.
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> io::Result<Self> {
        let there = match fs::metadata(path) {
            Ok(there) if there.is_dir() => {
                let what = format!("{} is a folder; move it away, or choose another place", path.display());
                return Err(io::Error::new(ErrorKind::IsADirectory, what));
            }
            Ok(there) if !there.is_file() => return Ok(Self::Through { bytes, place: path }),
            Ok(there) => Some(there.permissions()),
            Err(_) => None,
        };
        let place = target(path)?;
        let folder = place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
        file.write_all(bytes)?;
        if let Some(permissions) = there {
            file.as_file().set_permissions(permissions)?;
        }
        file.as_file().sync_all()?;
        Ok(Self::Beside { draft: file.into_temp_path(), place })
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn place(self) -> io::Result<()> {
        match self {
            Self::Beside { draft, place } => draft.persist(place).map_err(|error| error.error),
            Self::Through { bytes, place } => OpenOptions::new().write(true).open(place)?.write_all(bytes),
        }
    }
}

/// Where a path leads, over links, also over one whose target is not there yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    /// As many as the kernel follows.
    const MOST_LINKS: u32 = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            // A relative target is one beside the link; an absolute one replaces all of it.
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other(format!("{} is a link to itself", path.display())))
}

/// Writes a file whole or not at all.
///
/// # Errors
/// The system's.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    Draft::new(path, text.as_bytes())?.place()
}

/// Whether standard output wants colour: it is a terminal that has any, and nobody said no (no-color.org: by a NO_COLOR that is
/// not empty).
pub(super) fn wants_colour() -> bool {
    use std::io::IsTerminal as _;
    let variable = |name| std::env::var_os(name).unwrap_or_default();
    colour(
        io::stdout().is_terminal(),
        &variable("NO_COLOR").to_string_lossy(),
        &variable("TERM").to_string_lossy(),
    )
}

fn colour(is_terminal: bool, no_color: &str, term: &str) -> bool {
    is_terminal && no_color.is_empty() && term != "dumb"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, symlink};

    #[test]
    fn what_is_no_regular_file_is_written_to_and_stays() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || fs::read_to_string(fifo)
        });
        replace(&fifo, "through").expect("somebody reads");
        assert_eq!(reader.join().expect("no panic").expect("read"), "through");
        assert!(fs::symlink_metadata(&fifo).expect("there").file_type().is_fifo());
        let null = folder.path().join("null");
        symlink("/dev/null", &null).expect("a link");
        replace(&null, "nothing").expect("it takes all");
        assert!(fs::metadata("/dev/null").expect("there").file_type().is_char_device());
        assert!(fs::symlink_metadata(&null).expect("there").is_symlink());
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("sub")).expect("a folder");
        symlink("sub/target", path("link")).expect("a link");
        symlink("link", path("twice")).expect("a link");
        for text in ["new", "old"] {
            replace(&path("twice"), text).expect("writable");
            assert_eq!(fs::read_to_string(path("sub/target")).expect("there"), text);
            assert!(fs::symlink_metadata(path("link")).expect("there").is_symlink());
        }
        symlink("loop", path("loop")).expect("a link");
        replace(&path("loop"), "").expect_err("it leads nowhere");
        replace(&path("sub"), "").expect_err("a folder is not replaced");
        assert_eq!(fs::read_dir(path("sub")).expect("a folder").count(), 1, "no draft stays");
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "old").expect("writable");
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("ours");
        replace(&file, "new").expect("writable");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn colour_is_for_terminals_that_have_it_and_people_who_want_it() {
        assert!(colour(true, "", "xterm-256color") && colour(true, "", ""));
        assert!(!colour(false, "", "xterm") && !colour(true, "1", "xterm") && !colour(true, "", "dumb"));
    }
}
