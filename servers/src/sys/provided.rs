//! The buffers that receives fill: one set for all connections, taken by the kernel as bytes arrive and given back as
//! they are used.
//!
//! It never hands out a buffer's bytes while the kernel may write to them.

use crate::drive::buffers::READ_SIZE;
use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// A set of buffers, all of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// For receives that complete again and again. One fills up to 32 of them at a time (`MULTISHOT_MAX_RETRY` in
    /// io_uring/net.c), 32 KiB: half a read of the other models, since as much may be on its way while these are used.
    Small,
    /// For receives that complete once: each holds a read of the other models.
    Large,
}

impl Group {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// Its number on a ring.
    pub(super) const fn number(self) -> u16 {
        self as u16
    }

    const fn size(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Large => READ_SIZE,
        }
    }

    /// How many: a power of two, as it must be. What they hold, 2 MiB, is what all connections together may bring before
    /// some are given back.
    const fn count(self) -> u16 {
        (2 * 1024 * 1024 / self.size()) as u16
    }
}

/// A buffer that holds what one receive has brought. To be given back.
#[derive(Debug)]
pub struct Filled {
    group: Group,
    id: u16,
    length: usize,
}

impl Filled {
    /// Whose it is.
    pub(super) fn group(&self) -> Group {
        self.group
    }

    /// Whether it had no room for more, so that more may have arrived.
    pub fn is_full(&self) -> bool {
        self.length == self.group.size()
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
    group: Group,
    ring: Memory,
    bytes: Memory,
    tail: u16,
}

impl Provided {
    /// Makes the buffers and offers them all to the kernel.
    ///
    /// # Errors
    /// When the kernel knows no rings of provided buffers (before 5.19), or is short of memory.
    pub(super) fn register(submitter: &Submitter<'_>, group: Group) -> io::Result<Self> {
        let (size, count) = (group.size(), group.count());
        let mut provided = Self {
            group,
            ring: Memory::new(size_of::<BufRingEntry>() * usize::from(count)),
            bytes: Memory::new(size * usize::from(count)),
            tail: 0,
        };
        let address = provided.ring.start.as_ptr() as u64;
        // SAFETY: the memory holds `count` entries, and outlives the registration: `Ring` unregisters before it drops it,
        // or leaks it.
        unsafe { submitter.register_buf_ring_with_flags(address, count, group.number(), 0)? };
        for id in 0..count {
            provided.give_back(Filled { group, id, length: 0 });
        }
        Ok(provided)
    }

    /// A buffer that the kernel says it has filled. One with nothing in it is given back at once.
    pub(super) fn filled(&mut self, id: u16, length: usize) -> Option<Filled> {
        assert!(
            id < self.group.count() && length <= self.group.size(),
            "the kernel names a buffer that it was given"
        );
        let filled = Filled { group: self.group, id, length };
        if length > 0 {
            return Some(filled);
        }
        self.give_back(filled);
        None
    }

    /// What is in it.
    pub(super) fn bytes(&self, filled: &Filled) -> &[u8] {
        assert!(filled.group == self.group, "a buffer of this set");
        let offset = usize::from(filled.id) * self.group.size();
        // SAFETY: inside the memory (`filled` has checked both), initialised since it was zeroed, and not written to by
        // the kernel before `give_back`, which takes `filled` away.
        unsafe { std::slice::from_raw_parts(self.bytes.start.as_ptr().add(offset), filled.length) }
    }

    /// Offers the buffer to the kernel again.
    pub(super) fn give_back(&mut self, filled: Filled) {
        assert!(filled.group == self.group, "a buffer of this set");
        let entries = self.ring.start.cast::<BufRingEntry>().as_ptr();
        // SAFETY: `filled.id` and the masked tail are below the count; the entry is ours until the tail has moved past it;
        // the tail is a 16-bit field of the first entry that the setters do not touch and only we write.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail % self.group.count()));
            entry.set_addr(self.bytes.start.as_ptr().add(usize::from(filled.id) * self.group.size()) as u64);
            entry.set_len(self.group.size() as u32);
            entry.set_bid(filled.id);
            self.tail = self.tail.wrapping_add(1);
            (*BufRingEntry::tail(entries).cast::<AtomicU16>()).store(self.tail, Ordering::Release);
        }
    }
}
