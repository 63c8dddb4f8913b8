//! Writing to standard output as a good citizen of pipes.

use std::io::{self, ErrorKind, Write as _};

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
