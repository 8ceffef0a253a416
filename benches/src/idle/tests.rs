use super::*;

/// Requests in and across lines, and some that are refused.
fn requests(lines: u64) -> impl Iterator<Item = IdleBio> {
    let end = lines * 1024;
    (0..200).map(move |n| match n % 10 {
        7 => IdleBio::read(n * 1024 % end, 2048),
        8 => IdleBio::read(end - 4, 8),
        9 => IdleBio::read(u64::MAX, 8),
        _ => IdleBio::read(n * 7919 * 8 % end, 8),
    })
}

#[test]
fn many_requests_go_where_each_of_them_would() {
    // The second is looked up side by side.
    for lines in [100, 70_000] {
        let mapper = mapper(true);
        let device = device(&mapper, &linear_lines(lines));
        let open = device.open().unwrap();
        requests(lines).for_each(|bio| open.submit(bio));
        let singly = mapper.host().take_sum();
        assert_ne!(singly, 0);

        open.submit_all(requests(lines));
        assert_eq!(mapper.host().take_sum(), singly, "{lines} lines");

        assert!(device.suspend().unwrap().is_done());
        open.submit_all(requests(lines));
        assert_eq!(mapper.host().take_sum(), 0, "held while {lines} lines are suspended");
        assert!(device.resume().unwrap().is_done());
        assert_eq!(mapper.host().take_sum(), singly, "{lines} lines, after");
    }
}
