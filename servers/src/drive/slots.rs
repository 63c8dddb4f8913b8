//! Storage with keys that are never right twice: a late completion or event cannot reach a connection that has taken
//! the place of the one it was for.

/// Entries by key. A key holds the entry's index (low 32 bits) and the generation of its place (31 bits above).
#[derive(Debug)]
pub struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    entry: Option<T>,
}

/// Keys from here up are never given out; they are free for other uses of the same number space.
pub const RESERVED_KEYS: usize = 1 << 63;

impl<T> Slots<T> {
    /// Empty storage.
    pub fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// Entries in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Stores an entry made from its key. Nothing is stored when making it fails.
    ///
    /// # Errors
    /// What `make` fails with.
    pub fn insert_with<E>(&mut self, make: impl FnOnce(usize) -> Result<T, E>) -> Result<usize, E> {
        let index = match self.free.last() {
            Some(&index) => index,
            None => {
                let index = u32::try_from(self.places.len()).expect("fewer than 2^32 connections");
                self.places.push(Place { generation: 0, entry: None });
                self.free.push(index);
                index
            }
        };
        let place = &mut self.places[index as usize];
        let key = (place.generation as usize) << 32 | index as usize;
        place.entry = Some(make(key)?);
        self.free.pop();
        self.len += 1;
        Ok(key)
    }

    /// The entry of that key, unless it is gone.
    pub fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        let place = self.places.get_mut(key & 0xffff_ffff)?;
        if place.generation as usize != key >> 32 {
            return None;
        }
        place.entry.as_mut()
    }

    /// Removes the entry of that key and makes the key void.
    pub fn remove(&mut self, key: usize) -> Option<T> {
        let entry = self.get_mut(key).is_some().then(|| &mut self.places[key & 0xffff_ffff])?;
        entry.generation = (entry.generation + 1) & 0x7fff_ffff;
        self.free.push((key & 0xffff_ffff) as u32);
        self.len -= 1;
        entry.entry.take()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_dies_with_its_entry() {
        let mut slots = Slots::new();
        let first = slots.insert_with(|_| Ok::<_, ()>("first")).unwrap();
        assert_eq!(slots.remove(first), Some("first"));
        let second = slots.insert_with(|_| Ok::<_, ()>("second")).unwrap();
        assert_ne!(first, second, "the place is the same, the key is not");
        assert!(slots.get_mut(first).is_none() && slots.remove(first).is_none());
        assert_eq!(slots.get_mut(second), Some(&mut "second"));
        assert!(second < RESERVED_KEYS && slots.len() == 1);
    }

    #[test]
    fn a_failed_insertion_leaves_nothing() {
        let mut slots = Slots::new();
        let mut failed_key = None;
        assert!(
            slots
                .insert_with(|key| {
                    failed_key = Some(key);
                    Err::<(), _>("no")
                })
                .is_err()
        );
        assert!(slots.is_empty() && slots.get_mut(failed_key.unwrap()).is_none());
        assert_eq!(slots.insert_with(|_| Ok::<_, ()>(())).ok(), failed_key, "the place is used again");
    }
}
