//! The way of a request through a table: split, mapped, and passed on.

use dm_table::{Sector, SectorRange, Sectors};
use dm_targets::{DeviceId, IoError, Map, Op, Request};

use crate::table::{Backing, TableDevice};
use crate::{Bio, BioOp, Host, Mode, Table};

/// Where the first sectors of a request go.
enum Step<'t, H: Host> {
    To {
        device: &'t TableDevice<H>,
        sector: Sector,
        sectors: Sectors,
    },
    Zeros {
        sectors: Sectors,
    },
    Fail {
        error: IoError,
        sectors: Sectors,
    },
}

impl<H: Host> Table<H> {
    /// Sends every sector of `bio` where its target says.
    pub(crate) fn route(&self, host: &H, bio: H::Bio) {
        match bio.op() {
            BioOp::Flush => self.flush(host, bio),
            BioOp::Data(op) => match self.refuse(op, &bio) {
                Some(error) => bio.complete(Err(error)),
                None => self.route_data(host, op, bio),
            },
        }
    }

    /// Why a request can be carried out nowhere.
    fn refuse(&self, op: Op, bio: &H::Bio) -> Option<IoError> {
        if op.is_write() && self.mode == Mode::ReadOnly {
            return Some(IoError::ReadOnly);
        }
        let Some(range) = SectorRange::new(bio.sector(), bio.sectors()) else {
            return Some(IoError::OutOfRange);
        };
        if range.end().get() > self.size().get() {
            return Some(IoError::OutOfRange);
        }
        let within_block = self.limits().logical_block.get().wrapping_sub(1);
        if (bio.sector().get() | bio.sectors().get()) & within_block != 0 {
            return Some(IoError::Misaligned);
        }
        None
    }

    fn route_data(&self, host: &H, op: Op, mut bio: H::Bio) {
        loop {
            let (wanted, step) = (bio.sectors(), self.step(op, bio.sector(), bio.sectors()));
            let taken = match step {
                Step::To { sectors, .. } | Step::Zeros { sectors } | Step::Fail { sectors, .. } => {
                    sectors
                }
            };
            if taken >= wanted {
                return step.carry_out(host, op, bio);
            }
            match bio.split(taken) {
                Ok(front) => step.carry_out(host, op, front),
                Err(_) => return bio.complete(Err(IoError::OutOfMemory)),
            }
        }
    }

    /// What becomes of the first of `sectors` from `sector` on; at least one of them.
    #[inline]
    fn step(&self, op: Op, sector: Sector, sectors: Sectors) -> Step<'_, H> {
        let Some((target, range)) = self
            .lookup(sector)
            .and_then(|line| Some((self.targets.get(line)?, self.range(line)?)))
        else {
            return Step::Fail {
                error: IoError::OutOfRange,
                sectors,
            };
        };
        let at = sector.distance_from(range.start()).unwrap_or(Sectors::ZERO);
        let room = range.length().saturating_sub(at);
        let request = Request {
            op,
            at: Sector::new(at.get()),
            sectors: sectors.min(room),
        };
        match target.map(&request) {
            Map::To {
                device: DeviceId(id),
                sector,
                sectors,
            } => {
                let taken = sectors.min(request.sectors);
                let device = self.devices.get(id as usize);
                let (Some(device), false) = (device, taken.is_zero()) else {
                    return Step::Fail {
                        error: IoError::Failed,
                        sectors: request.sectors,
                    };
                };
                // Devices take whole blocks; a limit that is none of them is kept from below.
                let longest = device.limits.max(op);
                if longest.is_zero() {
                    return Step::Fail {
                        error: IoError::NotSupported,
                        sectors: taken,
                    };
                }
                Step::To {
                    device,
                    sector,
                    sectors: taken.min(longest),
                }
            }
            Map::Zeros => Step::Zeros {
                sectors: request.sectors,
            },
            Map::Fail(error) => Step::Fail {
                error,
                sectors: request.sectors,
            },
        }
    }

    /// Sends a flush to every device of the table; it completes when all of them have.
    fn flush(&self, host: &H, bio: H::Bio) {
        let Some((last, others)) = self.devices.split_last() else {
            return bio.complete(Ok(()));
        };
        for device in others {
            match bio.duplicate() {
                Ok(twin) => device.backing.submit(host, twin),
                Err(_) => return bio.complete(Err(IoError::OutOfMemory)),
            }
        }
        last.backing.submit(host, bio);
    }
}

impl<H: Host> Step<'_, H> {
    #[inline]
    fn carry_out(&self, host: &H, op: Op, mut bio: H::Bio) {
        match *self {
            Step::To { device, sector, .. } => {
                bio.aim(sector);
                device.backing.submit(host, bio);
            }
            Step::Zeros { .. } => {
                if op == Op::Read {
                    bio.fill_zeros();
                }
                bio.complete(Ok(()));
            }
            Step::Fail { error, .. } => bio.complete(Err(error)),
        }
    }
}

impl<H: Host> Backing<H> {
    #[inline]
    fn submit(&self, host: &H, bio: H::Bio) {
        match self {
            Backing::Host(device) => host.submit(bio, device),
            Backing::Mapped(open) => open.submit(bio),
        }
    }
}
