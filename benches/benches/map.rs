//! A request's whole way through dm-core, and a table's way from text to live.
//!
//! The host does nothing. A request goes in and a fragment comes out; with and without what completing
//! it costs. Times are of a batch of 512 requests, the rates of single ones. `cargo xtask bench map` runs it.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dm_benches::idle::{self, IdleBio};

/// Requests in a batch.
const BATCH: usize = 512;

fn request_to_fragment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request to fragment");
    for (completes, what) in [(false, ""), (true, ", and completed")] {
        for lines in [1u64, 4, 16, 64, 1_000, 100_000] {
            let mapper = idle::mapper(completes);
            let device = idle::device(&mapper, &idle::linear_lines(lines));
            let open = device.open().expect("the device is there");
            let sectors = random_blocks(lines, BATCH);

            let wanted = sectors.iter().map(|at| idle::expected(lines, *at));
            sectors.iter().for_each(|at| open.submit(IdleBio::read(*at, 8)));
            let right = mapper.host().take_sum() == wanted.fold(0, u64::wrapping_add);
            assert!(right, "fragments are where they should be");

            group.throughput(Throughput::Elements(BATCH as u64));
            group.bench_function(format!("{lines} lines{what}"), |bencher| {
                bencher.iter(|| sectors.iter().for_each(|at| open.submit(IdleBio::read(*at, 8))));
            });
        }
    }
}

/// Requests one by one, and the same handed over all at once.
fn many_requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("many requests");
    for lines in [1u64, 16, 1_000, 100_000, 1_000_000] {
        let mapper = idle::mapper(true);
        let device = idle::device(&mapper, &idle::linear_lines(lines));
        let open = device.open().expect("the device is there");
        // Enough of them that few find what they need in a cache near the processor.
        let all = random_blocks(lines, if lines > 1_000 { 1 << 18 } else { BATCH });
        let bios = |part: usize| {
            let parts = all.len() / BATCH;
            all.iter().skip(part % parts * BATCH).take(BATCH).map(|at| IdleBio::read(*at, 8))
        };
        bios(0).for_each(|bio| open.submit(bio));
        let singly = mapper.host().take_sum();
        open.submit_all(bios(0));
        assert_eq!(mapper.host().take_sum(), singly, "all go where each of them went");

        group.throughput(Throughput::Elements(BATCH as u64));
        let mut part = 0;
        group.bench_function(format!("{lines} lines, singly"), |bencher| {
            bencher.iter(|| {
                part += 1;
                bios(part).for_each(|bio| open.submit(bio));
            });
        });
        group.bench_function(format!("{lines} lines, together"), |bencher| {
            bencher.iter(|| {
                part += 1;
                open.submit_all(bios(part));
            });
        });
    }
}

/// Starts of 4 KiB blocks all over the table.
fn random_blocks(lines: u64, count: usize) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % (lines * 128) * 8
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn text_to_table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text to live table");
    group.sample_size(10);
    for lines in [16u64, 1_000_000] {
        let text = idle::linear_lines(lines);
        let mapper = idle::mapper(true);
        let device = idle::device(&mapper, &text);
        group.bench_function(format!("{lines} lines"), |bencher| {
            bencher.iter_batched(
                || (),
                |()| idle::bind(&mapper, &device, &text),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, request_to_fragment, many_requests, text_to_table);
criterion_main!(benches);
