//! The buffers that receives fill: one set for all connections, taken by the kernel as bytes arrive and given back as
//! they are used.
//!
//! It never hands out a buffer's bytes while the kernel may write to them.

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// Bytes in all buffers: what all connections together may bring before some are given back.
const TOTAL: usize = 4 * 1024 * 1024;

/// Bytes in a buffer. A receive fills up to 32 of them at a time (`MULTISHOT_MAX_RETRY` in io_uring/net.c), 32 KiB:
/// half a read of the other models, since as much may be on its way while these are used.
const SIZE: usize = 1024;

/// Buffers: a power of two, as it must be.
const COUNT: u16 = (TOTAL / SIZE) as u16;

/// A buffer that holds what one receive has brought. To be given back.
#[derive(Debug)]
pub(crate) struct Filled {
    id: u16,
    length: usize,
}

impl Filled {
    /// Whether it had no room for more, so that more may have arrived.
    pub(crate) fn is_full(&self) -> bool {
        self.length == SIZE
    }
}

/// Zeroed memory of its own, page-aligned.
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size, 4096).expect("a size far below the limit");
        // SAFETY: the size is not zero (both callers pass a product of constants).
        let start = unsafe { alloc_zeroed(layout) };
        Self { start: NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout)), layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// The buffers and the ring by which the kernel is offered them. To be dropped only after the kernel has given the
/// group up and no receive is in flight.
pub(super) struct Provided {
    ring: Memory,
    bytes: Memory,
    tail: u16,
}

impl Provided {
    /// The group's number, on a ring that has one.
    pub(super) const GROUP: u16 = 0;

    /// Makes the buffers and offers them all to the kernel.
    ///
    /// # Errors
    /// When the kernel knows no rings of provided buffers (before 5.19), or is short of memory.
    pub(super) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let mut provided = Self {
            ring: Memory::new(size_of::<BufRingEntry>() * usize::from(COUNT)),
            bytes: Memory::new(TOTAL),
            tail: 0,
        };
        let address = provided.ring.start.as_ptr() as u64;
        // SAFETY: the memory holds COUNT entries, and outlives the registration: `Ring` unregisters before it drops it,
        // or leaks it.
        unsafe { submitter.register_buf_ring_with_flags(address, COUNT, Self::GROUP, 0)? };
        for id in 0..COUNT {
            provided.give_back(Filled { id, length: 0 });
        }
        Ok(provided)
    }

    /// A buffer that the kernel says it has filled. One with nothing in it is given back at once.
    pub(super) fn filled(&mut self, id: u16, length: usize) -> Option<Filled> {
        assert!(id < COUNT && length <= SIZE, "the kernel names a buffer that it was given");
        let filled = Filled { id, length };
        if length > 0 {
            return Some(filled);
        }
        self.give_back(filled);
        None
    }

    /// What is in it.
    pub(super) fn bytes(&self, filled: &Filled) -> &[u8] {
        let offset = usize::from(filled.id) * SIZE;
        // SAFETY: inside the memory (`filled` has checked both), initialised since it was zeroed, and not written to by
        // the kernel before `give_back`, which takes `filled` away.
        unsafe { std::slice::from_raw_parts(self.bytes.start.as_ptr().add(offset), filled.length) }
    }

    /// Offers the buffer to the kernel again.
    pub(super) fn give_back(&mut self, filled: Filled) {
        let entries = self.ring.start.cast::<BufRingEntry>().as_ptr();
        // SAFETY: `filled.id` and the masked tail are below COUNT; the entry is ours until the tail has moved past it;
        // the tail is a 16-bit field of the first entry that the setters do not touch and only we write.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail % COUNT));
            entry.set_addr(self.bytes.start.as_ptr().add(usize::from(filled.id) * SIZE) as u64);
            entry.set_len(SIZE as u32);
            entry.set_bid(filled.id);
            self.tail = self.tail.wrapping_add(1);
            (*BufRingEntry::tail(entries).cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }
}
