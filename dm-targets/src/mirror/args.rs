//! The words of a mirror's table line.

use core::fmt;

use dm_table::{Args, Sectors, Word};

use super::log::Sync;
use crate::construct::open_word;
use crate::{CtrError, CtrReason, DeviceId, Devices};

/// More regions would take more memory than a mirror is worth.
const MAX_REGIONS: u64 = 1 << 28;

/// The smallest region that Linux takes: a page.
pub(super) const MIN_REGION: u64 = 8;

/// The words of the log.
pub(super) struct LogArgs<'t> {
    /// The device's word and the device, for a log on disk.
    pub(super) device: Option<(Word<'t>, DeviceId)>,
    pub(super) region_word: Word<'t>,
    pub(super) region: u64,
    pub(super) sync: Sync,
}

/// What a mirror does beyond the usual.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Features {
    /// It goes on without legs that fail.
    pub(super) handle_errors: bool,
    /// Accepted and printed; a log that fails is never given up in any case.
    pub(super) keep_log: bool,
}

impl<'t> LogArgs<'t> {
    pub(super) fn parse(
        args: &mut Args<'t>,
        length: Sectors,
        devices: &mut dyn Devices,
    ) -> Result<LogArgs<'t>, CtrError<'t>> {
        let kind = args.word("the log, core or disk")?;
        let on_disk = kind == "disk";
        if !on_disk && kind != "core" {
            return Err(CtrError::at(kind, CtrReason::Other("the log must be core or disk")));
        }
        let (least, most, bounds) = if on_disk { (2, 3, "2 or 3") } else { (1, 2, "1 or 2") };
        let count = bounded(args, "the number of log arguments", least, most, bounds)?;
        let mut device = None;
        if on_disk {
            let word = args.word("the log's device")?;
            device = Some((word, open_word(word, devices)));
        }
        let region_word = args.clone().word("the region size in sectors")?;
        let region = args.number("the region size in sectors")?;
        let mut sync = Sync::AsLogged;
        if count > least {
            let word = args.word("sync or nosync")?;
            sync = if word == "sync" {
                Sync::Forced
            } else if word == "nosync" {
                Sync::Assumed
            } else {
                return Err(CtrError::at(word, CtrReason::Other("expected sync or nosync")));
            };
        }
        check_region(region, length).map_err(|why| CtrError::at(region_word, why))?;
        let device = match device {
            None => None,
            Some((word, opened)) => {
                let excerpt = word.excerpt();
                let open = |why| CtrError::at(word, CtrReason::Open { device: excerpt, why });
                Some((word, opened.map_err(open)?))
            }
        };
        Ok(LogArgs { device, region_word, region, sync })
    }
}

pub(super) fn check_region(region: u64, length: Sectors) -> Result<(), CtrReason<'static>> {
    let what = "the region size";
    if !region.is_power_of_two() || region < MIN_REGION {
        let bounds = "a power of two, 8 or more";
        return Err(CtrReason::Bounds { what, bounds, found: region });
    }
    if length.get().div_ceil(region) > MAX_REGIONS {
        let bounds = "such that there are at most 268435456 regions";
        return Err(CtrReason::Bounds { what, bounds, found: region });
    }
    Ok(())
}

impl Features {
    pub(super) fn parse<'t>(args: &mut Args<'t>) -> Result<Features, CtrError<'t>> {
        let mut features = Features::default();
        if args.remaining() == 0 {
            return Ok(features);
        }
        let count = bounded(args, "the number of features", 0, 2, "from 0 to 2")?;
        for _ in 0..count {
            let word = args.word("handle_errors or keep_log")?;
            if word == "handle_errors" {
                features.handle_errors = true;
            } else if word == "keep_log" {
                features.keep_log = true;
            } else {
                let reason = CtrReason::Other("expected handle_errors or keep_log");
                return Err(CtrError::at(word, reason));
            }
        }
        Ok(features)
    }

    pub(super) fn write(self, out: &mut dyn fmt::Write) -> fmt::Result {
        match (self.handle_errors, self.keep_log) {
            (false, false) => Ok(()),
            (true, false) => out.write_str(" 1 handle_errors"),
            (false, true) => out.write_str(" 1 keep_log"),
            (true, true) => out.write_str(" 2 handle_errors keep_log"),
        }
    }
}

/// Reads a number that is not to be less or more.
pub(super) fn bounded<'t>(
    args: &mut Args<'t>,
    what: &'static str,
    least: u64,
    most: u64,
    bounds: &'static str,
) -> Result<u64, CtrError<'t>> {
    let word = args.clone().word(what)?;
    let found = args.number(what)?;
    if (least..=most).contains(&found) {
        return Ok(found);
    }
    Err(CtrError::at(word, CtrReason::Bounds { what, bounds, found }))
}

/// A number for a leg's two words, by which a log knows it again, however they are quoted (FNV-1a).
pub(super) fn identify(args: Args<'_>) -> u64 {
    let chars = args.take(2).flat_map(|word| word.unescaped().chain([' ']));
    chars.fold(0xcbf2_9ce4_8422_2325, |hash, char| {
        let mut utf8 = [0; 4];
        char.encode_utf8(&mut utf8)
            .bytes()
            .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    })
}
