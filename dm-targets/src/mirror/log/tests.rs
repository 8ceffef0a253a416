use std::vec;

use super::*;

const JOB: JobId = JobId(7);

/// A device that a log is on.
struct Disk(Vec<u8>);

impl Disk {
    /// Lets a log do what it wants to; returns all its news.
    fn run(&mut self, log: &mut Log, sync: Sync) -> Vec<News> {
        let (mut page, mut news) = (vec![0xee; 4096], Vec::new());
        while let Some(action) = log.poll() {
            match action {
                Action::Fill { buffer: 0 } => log.fill(&mut page),
                Action::Look { buffer: 0 } => news.push(log.look(&page, sync)),
                Action::Start(job) => {
                    assert_eq!(
                        (job.id, job.data, job.device),
                        (JOB, JobData::Buffer(0), DeviceId(3))
                    );
                    let at = job.sector.get() as usize * 512;
                    let place = &mut self.0[at..][..job.sectors.get() as usize * 512];
                    let page = &mut page[..place.len()];
                    match job.op {
                        BioOp::Data(Op::Read) => page.copy_from_slice(place),
                        BioOp::Data(Op::Write) if job.fua => place.copy_from_slice(page),
                        op => panic!("{op:?} of a log"),
                    }
                    news.push(log.handle_done(Ok(())));
                }
                other => panic!("{other:?} of a log"),
            }
        }
        news.retain(|news| *news != News::None);
        news
    }
}

fn log(regions: u64) -> Box<Log> {
    Log::new(DeviceId(3), Sectors::new(1), regions, 0, JOB).unwrap()
}

#[test]
fn is_laid_out_like_linuxs() {
    let mut disk = Disk(vec![0; 4096]);
    let mut log = log(20);
    assert!(log.resume());
    // The bits, and then the header.
    let news = disk.run(&mut log, Sync::Assumed);
    assert_eq!(news, [News::Loaded, News::Written, News::Written]);
    let header = [0x72, 0x52, 0x69, 0x4d, 2, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(disk.0[..16], header);
    assert!(disk.0[16..1024].iter().all(|&byte| byte == 0));
    assert_eq!(disk.0[1024..1028], [0xff, 0xff, 0x0f, 0]);
    assert!(!log.mark(9), "the mark is not there yet");
    assert_eq!(disk.run(&mut log, Sync::AsLogged), [News::Written]);
    assert!(log.mark(9));
    assert_eq!(disk.0[1024..1028], [0xff, 0xfd, 0x0f, 0]);
}

#[test]
fn a_log_that_is_none_is_begun() {
    for (sync, ones) in [(Sync::AsLogged, 0), (Sync::Assumed, 100)] {
        let mut disk = Disk(vec![0x55; 4096]);
        let mut log = log(100);
        log.resume();
        disk.run(&mut log, sync);
        assert_eq!(log.regions().ones(), ones);
        assert_eq!(disk.0[8..16], 100u64.to_le_bytes());
    }
}

#[test]
fn a_power_cut_leaves_no_header_without_its_bits() {
    let mut log = log(100);
    log.start_anew(Sync::Assumed);
    assert_eq!(log.poll(), Some(Action::Fill { buffer: 0 }));
    let mut page = [0x55; 4096];
    log.fill(&mut page);
    assert_eq!(page[..16], [0; 16], "no header yet, whatever of this gets to the device");
    assert!(matches!(log.poll(), Some(Action::Start(_))));
    assert_eq!(log.handle_done(Ok(())), News::Written);
    assert!(!log.is_quiet() && !log.mark(9), "marks do not count yet");
    let mut disk = Disk(vec![0; 4096]);
    disk.run(&mut log, Sync::Assumed);
    assert_eq!(disk.0[8..16], 100u64.to_le_bytes());
    assert!(log.is_quiet() && log.mark(9));
}

#[test]
fn what_was_written_is_read_again_over_several_pages() {
    let regions = 3 * 32768 + 5;
    let mut disk = Disk(vec![0; 1024 + (regions as usize).div_ceil(32) * 4 + 512]);
    let mut first = log(regions);
    first.resume();
    disk.run(&mut first, Sync::Assumed);
    for region in (0..regions).step_by(1001) {
        first.mark(region);
    }
    first.set_stale(Stale::from_slice(&[77, 1 << 63]).unwrap());
    disk.run(&mut first, Sync::AsLogged);
    let mut second = log(regions);
    second.resume();
    assert_eq!(disk.run(&mut second, Sync::AsLogged), [News::Loaded]);
    for region in 0..regions {
        assert_eq!(second.regions().get(region), region % 1001 != 0, "region {region}");
        assert_eq!(second.mark(region), region % 1001 == 0, "marked on disk, region {region}");
    }
    assert_eq!(second.stale_on_disk().as_slice(), [77, 1 << 63]);
    let mut third = log(regions);
    third.resume();
    disk.run(&mut third, Sync::AsLogged);
    third.mark(regions - 2);
    assert_eq!(disk.run(&mut third, Sync::AsLogged), [News::Written]);
    assert_eq!(third.stale_on_disk().as_slice(), [77, 1 << 63], "they are on another page");
}

#[test]
fn regions_that_a_log_does_not_reach_to_are_new() {
    let mut disk = Disk(vec![0xff; 4096]);
    let mut small = log(40);
    small.start_anew(Sync::Assumed);
    disk.run(&mut small, Sync::AsLogged);
    // Whatever lies behind the small log's bits.
    disk.0[1032..].fill(0xff);
    let mut large = log(100);
    large.resume();
    disk.run(&mut large, Sync::AsLogged);
    assert_eq!(large.regions().ones(), 40);
    assert_eq!(disk.0[1024 + 5..1024 + 13], [0; 8], "and the log says so");
}

#[test]
fn another_version_cannot_be_read() {
    let mut disk = Disk(vec![0; 4096]);
    disk.0[..8].copy_from_slice(&[0x72, 0x52, 0x69, 0x4d, 3, 0, 0, 0]);
    let before = disk.0.clone();
    let mut log = log(8);
    log.resume();
    assert_eq!(disk.run(&mut log, Sync::AsLogged), [News::Failed]);
    assert!(log.has_failed() && log.is_unreadable() && log.is_quiet());
    assert_eq!(disk.0, before, "and is not overwritten");
}

#[test]
fn a_mark_that_was_overtaken_by_its_clearing_is_waited_for() {
    let mut disk = Disk(vec![0; 4096]);
    let mut log = log(64);
    log.start_anew(Sync::AsLogged);
    disk.run(&mut log, Sync::AsLogged);
    log.clear(0, 1);
    // The page goes out with region 0 clean ...
    assert_eq!(log.poll(), Some(Action::Fill { buffer: 0 }));
    let mut page = [0; 4096];
    log.fill(&mut page);
    assert!(matches!(log.poll(), Some(Action::Start(_))));
    // ... and comes back while somebody wants to write there.
    assert!(!log.mark(0));
    assert_eq!(log.handle_done(Ok(())), News::Written);
    assert!(!log.mark(0), "clean on disk");
    disk.run(&mut log, Sync::AsLogged);
    assert!(log.mark(0));
}

#[test]
fn a_log_of_no_regions_names_its_legs_until_there_is_another() {
    let mut disk = Disk(vec![0; 4096]);
    Header::write(&mut disk.0, 0);
    write_stale(&mut disk.0, &Stale::from_slice(&[77]).unwrap());
    let before = disk.0.clone();
    let mut log = log(8);
    log.resume();
    assert!(matches!(log.poll(), Some(Action::Start(_))));
    log.handle_done(Ok(()));
    assert_eq!(log.poll(), Some(Action::Look { buffer: 0 }));
    assert_eq!(log.look(&before, Sync::AsLogged), News::Loaded);
    assert_eq!(log.poll(), Some(Action::Fill { buffer: 0 }));
    let mut page = [0x55; 4096];
    log.fill(&mut page);
    assert!(page[..] == before, "a power cut now leaves what was there");
    disk.run(&mut log, Sync::AsLogged);
    assert_eq!(disk.0[8..16], 8u64.to_le_bytes());
    assert_eq!(read_stale(&disk.0).as_slice(), [77]);
}
