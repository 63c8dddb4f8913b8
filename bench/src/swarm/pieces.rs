//! A message in pieces that a socket has taken a part of. Never sends.

use bakeoff_servers::exchange::Parts;
use std::io::IoSlice;

/// What is left of a message from `offset` on, and in how many pieces.
pub(super) fn rest<'a>(message: &'a Parts<'_>, offset: usize) -> ([IoSlice<'a>; 3], usize) {
    let mut rest: [&[u8]; 3] = [&[]; 3];
    let (mut pieces, mut skip) = (0, offset);
    for piece in message.pieces() {
        let skipped = skip.min(piece.len());
        skip -= skipped;
        if skipped < piece.len() {
            rest[pieces] = &piece[skipped..];
            pieces += 1;
        }
    }
    (rest.map(IoSlice::new), pieces)
}
