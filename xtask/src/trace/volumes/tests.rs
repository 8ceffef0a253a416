use super::*;

struct Line {
    start: u64,
    sectors: u64,
    /// Disks, and the sectors there.
    places: Vec<(String, u64)>,
}

fn lines(volume: &Volume) -> Vec<Line> {
    let parse = |word: &str| word.parse::<u64>().unwrap();
    let table = (volume.table)();
    let lines = table.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let first = if words[2] == "striped" { 5 } else { 3 };
        let places = words[first..].chunks(2).map(|at| (at[0].to_owned(), parse(at[1])));
        Line { start: parse(words[0]), sectors: parse(words[1]), places: places.collect() }
    });
    lines.collect()
}

#[test]
fn lines_follow_one_another_to_about_a_gibibyte() {
    for (volume, count) in VOLUMES.iter().zip([1, 16, 1, 4000]) {
        let lines = lines(volume);
        assert_eq!(lines.len(), count, "{}", volume.name);
        let mut end = 0;
        for Line { start, sectors, .. } in lines {
            assert_eq!(start, end, "{}", volume.name);
            end += sectors;
        }
        assert!(end.abs_diff(GIB) < GIB / 50, "{}: {end} sectors", volume.name);
    }
}

#[test]
fn no_sector_of_a_disk_is_used_twice() {
    for volume in VOLUMES {
        let mut used = Vec::new();
        for Line { sectors, places, .. } in lines(volume) {
            let each = sectors / places.len() as u64;
            used.extend(places.into_iter().map(|(disk, at)| (disk, at, at + each)));
        }
        used.sort();
        for pair in used.windows(2) {
            assert!(pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1, "{}: {pair:?}", volume.name);
        }
        assert!(used.iter().all(|(_, _, end)| *end <= DISK), "{}", volume.name);
    }
}
