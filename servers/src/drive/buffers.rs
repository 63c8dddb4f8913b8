//! The buffers a thread or loop reads into and replies from: one pair for all the connections it serves.
//!
//! A connection owns no buffer while it is idle; it keeps bytes of its own only when they are left over.

/// Bytes asked of one read, in every model.
pub const READ_SIZE: usize = 64 * 1024;

/// A buffer that is empty and larger than this gives its memory back.
pub const RETAINED: usize = 64 * 1024;

/// What a shared output buffer may keep: it serves many connections, so one large message must not make it reallocate
/// for the next, but its size must not stay at the largest ever seen either.
pub const RETAINED_SHARED: usize = 2 * 1024 * 1024;

/// Input and output of whoever serves. The input is reserved, never touched beyond what arrives.
#[derive(Debug)]
pub struct Buffers {
    /// Where reads go: capacity [`READ_SIZE`], empty between uses.
    pub input: Vec<u8>,
    /// Where replies are made, empty between uses.
    pub output: Vec<u8>,
    /// What the output may keep.
    retained: usize,
}

impl Buffers {
    /// Reserves them, for all the connections of a thread or loop.
    pub fn new() -> Self {
        Self { input: Vec::with_capacity(READ_SIZE), output: Vec::new(), retained: RETAINED_SHARED }
    }

    /// Reserves them for one connection alone.
    pub fn of_one() -> Self {
        Self { retained: RETAINED, ..Self::new() }
    }

    /// Empties the output, giving back what is more than a large message's worth.
    pub fn clear_output(&mut self) {
        clear(&mut self.output, self.retained);
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// Empties a buffer; gives its memory back when it is more than `keep` bytes.
pub fn clear(buffer: &mut Vec<u8>, keep: usize) {
    if buffer.capacity() > keep {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
