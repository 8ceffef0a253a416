//! Buffers that wait to be used again.

use dm_core::{OutOfMemory, Sectors};

use super::Buffer;

/// Spare buffers, by how much room they have: 2^n sectors each.
///
/// A new one costs a large request more than its data does: the system clears every page.
#[derive(Default)]
pub(crate) struct BufferPool {
    spare: [Vec<Buffer>; SIZES],
    /// Bytes in all of them.
    kept: usize,
}

/// From 2^0 to 2^16 sectors, 32 MiB. Longer ones are not kept.
const SIZES: usize = 17;

/// How many bytes are kept at most.
const MAX_KEPT: usize = 4 << 20;

impl BufferPool {
    /// A buffer of that length; what is in it is left over from earlier use.
    pub(crate) fn take(&mut self, sectors: Sectors) -> Result<Buffer, OutOfMemory> {
        let room = sectors.get().checked_next_power_of_two().ok_or(OutOfMemory)?;
        let size = self.spare.get_mut(room.ilog2() as usize);
        let Some(spare) = size else {
            return Buffer::zeroed(sectors);
        };
        let mut buffer = match spare.pop() {
            Some(buffer) => {
                self.kept -= buffer.room;
                buffer
            }
            None => Buffer::zeroed(Sectors::new(room))?,
        };
        if buffer.resize(sectors) { Ok(buffer) } else { Err(OutOfMemory) }
    }

    /// Keeps a buffer, if that is of use.
    pub(crate) fn give(&mut self, buffer: Buffer) {
        let room = Sectors::from_bytes(buffer.room as u64).get();
        if !room.is_power_of_two() || self.kept + buffer.room > MAX_KEPT {
            return;
        }
        if let Some(spare) = self.spare.get_mut(room.ilog2() as usize) {
            self.kept += buffer.room;
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_at_another_length() {
        let mut pool = BufferPool::default();
        let mut buffer = pool.take(Sectors::new(9)).unwrap();
        assert_eq!((buffer.sectors(), buffer.room), (Sectors::new(9), 16 * 512));
        buffer.fill(7);
        let start = buffer.as_ptr();
        pool.give(buffer);
        assert_ne!(pool.take(Sectors::new(8)).unwrap().as_ptr(), start, "less room");
        let again = pool.take(Sectors::new(16)).unwrap();
        assert_eq!((again.as_ptr(), again.len(), again[0]), (start, 16 * 512, 7));
        assert_eq!(pool.kept, 0);
    }

    #[test]
    fn only_so_much_is_kept() {
        let mut pool = BufferPool::default();
        let buffers: Vec<_> = (0..5).map(|_| pool.take(Sectors::new(2048)).unwrap()).collect();
        buffers.into_iter().for_each(|buffer| pool.give(buffer));
        pool.give(Buffer::default());
        assert_eq!((pool.kept, pool.spare[11].len()), (MAX_KEPT, 4));
        let long = pool.take(Sectors::new(1 << 17)).unwrap();
        pool.give(long);
        assert!(pool.take(Sectors::new(u64::MAX)).is_err());
        assert_eq!(pool.kept, MAX_KEPT);
    }
}
