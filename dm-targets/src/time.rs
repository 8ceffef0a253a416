//! Time, as the host tells it.

use core::time::Duration;

/// A moment on the host's clock, which never goes back; in nanoseconds since some moment before.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Time(u64);

impl Time {
    /// That many nanoseconds after the clock's beginning.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Nanoseconds since the clock's beginning.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The moment `wait` later; the end of time if that is too far.
    #[expect(clippy::cast_possible_truncation, reason = "compared in the same line")]
    pub const fn after(self, wait: Duration) -> Time {
        let nanos = wait.as_nanos();
        let nanos = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        Time(self.0.saturating_add(nanos))
    }

    /// How long ago `earlier` was; nothing if it is still to come.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_ends_where_64_bits_do() {
        let at = Time::from_nanos(5);
        assert_eq!(at.nanos(), 5);
        assert_eq!(at.after(Duration::from_nanos(7)).nanos(), 12);
        assert_eq!(Time::default().after(Duration::from_nanos(u64::MAX)).nanos(), u64::MAX);
        assert_eq!(at.after(Duration::from_nanos(u64::MAX)).nanos(), u64::MAX);
        // One nanosecond more than 64 bits hold, which cut off would be none.
        let long = Duration::from_nanos(u64::MAX) + Duration::from_nanos(1);
        assert_eq!(at.after(long).nanos(), u64::MAX);
        assert_eq!(at.after(Duration::MAX).nanos(), u64::MAX);
        assert_eq!(Time::from_nanos(12).since(at), Duration::from_nanos(7));
        assert_eq!(at.since(Time::from_nanos(12)), Duration::ZERO);
    }
}
