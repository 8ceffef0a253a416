//! Tables that are exchanged for others that mean the same, and lines that are moved.

use std::process::Stdio;
use std::time::Duration;

use super::Soak;
use super::random::Random;
use super::volume::{self, MOVED, MOVED_LINES};
use crate::failure::Failure;

/// Cuts the linear lines anew: 16 of them, or thousands.
pub(super) fn exchange_lines(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let most = [1, 2, 10, 200][random.below(4) as usize];
    let table = volume::lines(random, most);
    soak.ground.exchange("lines", &table, random.is_one_in(2))?;
    soak.counts.swaps.add(1);
    random.sleep(Duration::from_millis(500));
    Ok(())
}

/// Turns stripes into linear lines, and back.
pub(super) fn exchange_stripes(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let table = match random.below(3) {
        0 => volume::striped(1),
        1 => volume::striped(1 << random.below(6)),
        _ => volume::chunks(),
    };
    soak.ground.exchange("stripes", &table, random.is_one_in(2))?;
    soak.counts.swaps.add(1);
    random.sleep(Duration::from_millis(500));
    Ok(())
}

/// Moves all lines to the other disk; the client may be killed, and the move taken up or given up.
pub(super) fn move_lines(soak: &Soak, random: &mut Random) -> Result<(), Failure> {
    let ground = &soak.ground;
    let table = ground.ask(&["table", "moved"])?;
    let is_first_on_a = table.lines().next().is_some_and(|line| line.contains("/a.img "));
    // Where some are moved already, since a move was given up, the rest follows.
    let (from, to) = if is_first_on_a { ("/a.img ", "b.img") } else { ("/b.img ", "a.img") };
    let on_from: Vec<bool> = table.lines().map(|line| line.contains(from)).collect();
    let kept = on_from.iter().take_while(|&&is_on| is_on).count() as u64;
    let (lines, at, to) = match kept {
        MOVED_LINES => (format!("1-{kept}"), 0, to),
        // The others went from here to there.
        _ => (format!("{}-{MOVED_LINES}", kept + 1), kept * MOVED, from.trim_matches(['/', ' '])),
    };
    let limit = ["0", "100", "25", "10"][random.below(4) as usize];
    let place = format!("{to}:{at}");
    let words = ["move", "moved", "--lines", &lines, "--to", &place, "--limit", limit];
    if random.is_one_in(3) {
        return cut_off(soak, random, &words);
    }
    ground.ask(&words)?;
    soak.counts.moves.add(1);
    random.sleep(Duration::from_millis(500));
    Ok(())
}

/// Kills the client in the midst of a move; then the move is taken up, or given up.
fn cut_off(soak: &Soak, random: &mut Random, words: &[&str]) -> Result<(), Failure> {
    let ground = &soak.ground;
    let mut command = ground.dmctl(words);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = |source| Failure::Start { command: "dmctl move".to_owned(), source };
    let mut client = command.spawn().map_err(start)?;
    random.sleep(Duration::from_secs(1));
    // It fails where it has ended by itself.
    let _ = client.kill();
    client.wait().map_err(start)?;
    if !ground.folder.join("run/move-moved.json").exists() {
        // It had not begun, or was over.
        return Ok(());
    }
    soak.counts.moves_cut_off.add(1);
    let gives_up = random.is_one_in(2);
    let words: &[&str] = match gives_up {
        true => &["move", "moved", "--abort"],
        false => &["move", "moved", "--resume", "--limit", "0"],
    };
    ground.ask(words)?;
    soak.counts.moves.add(u64::from(!gives_up));
    Ok(())
}
