//! What was set out to be reached, and what was.

use std::fmt::Write;

use super::contenders::{NBDKIT, OURS, QEMU_NBD};
use super::ground::Layout;
use super::report::{Figure, Quantity, find};

/// A line for each goal in each case that was measured.
pub(super) fn table(figures: &[Figure]) -> String {
    let mut text = "Goals, as ratios of us to them\n".to_owned();
    let mut line = |ours: &Figure, against: &str, ratio: f64, goal: f64, more: bool| {
        let reached = if more { ratio >= goal } else { ratio <= goal };
        let verdict = if reached { "reached" } else { "missed" };
        let sign = if more { ">=" } else { "<=" };
        let (case, layout, what) = (&ours.case, ours.layout.label(), ours.what);
        let _ = write!(
            text,
            "{verdict:8}{ratio:6.2} {sign} {goal:4.2}  {what:?} against {against}: {layout}, {case}"
        );
        match idle(figures, ours).filter(|_| !reached && what == Quantity::Time) {
            Some(idle) => {
                let percent = idle * 100.0;
                let _ = writeln!(text, "; the server waited for others {percent:.0} % of the time");
            }
            None => text.push('\n'),
        }
    };
    for ours in figures.iter().filter(|figure| figure.name == OURS) {
        let deep = ours.case.contains("depth 32") && ours.case.contains(" 4K");
        let shallow = ours.case.contains("depth 1,");
        let peer = |name| find(figures, ours, name, ours.what).map(|peer| peer.value);
        let (qemu, nbdkit) = (peer(QEMU_NBD), peer(NBDKIT));
        match ours.what {
            Quantity::Time => {
                let (than_qemu, than_nbdkit) = if deep { (1.3, 2.0) } else { (1.0, 1.0) };
                for (name, peer, goal) in
                    [(QEMU_NBD, qemu, than_qemu), (NBDKIT, nbdkit, than_nbdkit)]
                {
                    if let Some(peer) = peer.filter(|_| deep || shallow) {
                        line(ours, name, peer / ours.value, goal, true);
                    }
                }
            }
            Quantity::Cpu => {
                if let Some(qemu) = qemu {
                    line(ours, QEMU_NBD, ours.value / qemu, 0.7, false);
                }
            }
            Quantity::FirstByte => line(ours, "30 ms", ours.value / 30e6, 1.0, false),
            Quantity::Memory => line(ours, "30 MB", ours.value / 30e6, 1.0, false),
            Quantity::Busy => {}
        }
        let one_line = Figure { layout: Layout::Line, ..ours.clone() };
        let allowed = match ours.layout {
            Layout::Line => continue,
            Layout::Lines | Layout::Files => 1.03,
            Layout::Stripe => 1.05,
        };
        if let Some(one) = find(figures, &one_line, OURS, ours.what)
            && matches!(ours.what, Quantity::Time | Quantity::Cpu)
        {
            line(ours, "one line", ours.value / one.value, allowed, false);
        }
    }
    text
}

/// Which part of the time a server did nothing that serves one client, by a thread at a time: then it
/// had no request, or none that the disk had done.
fn idle(figures: &[Figure], ours: &Figure) -> Option<f64> {
    let one = ours.case.contains("clients 1,");
    let busy = find(figures, ours, ours.name, Quantity::Busy).filter(|_| one)?;
    Some((1.0 - busy.value).max(0.0))
}
