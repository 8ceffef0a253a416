//! A request's whole way through dm-core, and a table's way from text to live.
//!
//! The host does nothing. A request goes in, a fragment comes out and is kept; what completing costs
//! is measured apart. `cargo xtask bench map` runs it.

use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dm_benches::idle::{self, IdleBio};

/// Requests between two reads of the clock.
const BATCH: usize = 512;

fn request_to_fragment(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request to fragment");
    for lines in [1u64, 4, 16, 64, 1_000, 100_000] {
        let mapper = idle::mapper();
        let device = idle::device(&mapper, &idle::linear_lines(lines));
        let open = device.open().expect("the device is there");
        let host = mapper.host();
        host.keep_room_for(BATCH);
        let sectors = random_blocks(lines);

        let wanted = sectors.iter().map(|at| idle::expected(lines, *at)).fold(0, u64::wrapping_add);
        sectors.iter().for_each(|at| open.submit(IdleBio::read(*at, 8)));
        assert_eq!(host.complete_all(), wanted, "fragments are where they should be");

        let mut run = |name: String, with_completion: bool| {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|requests| {
                    let batches = requests.div_ceil(BATCH as u64);
                    let mut taken = std::time::Duration::ZERO;
                    for _ in 0..batches {
                        let start = Instant::now();
                        sectors.iter().for_each(|at| open.submit(IdleBio::read(*at, 8)));
                        if with_completion {
                            host.complete_all();
                        }
                        taken += start.elapsed();
                        host.complete_all();
                    }
                    taken.mul_f64(requests as f64 / (batches * BATCH as u64) as f64)
                });
            });
        };
        run(format!("{lines} lines"), false);
        run(format!("{lines} lines, and completed"), true);
    }
}

/// Starts of 4 KiB blocks all over the table; as many as a batch.
fn random_blocks(lines: u64) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % (lines * 128) * 8
    };
    std::iter::repeat_with(next).take(BATCH).collect()
}

fn text_to_table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("text to live table");
    group.sample_size(10);
    for lines in [16u64, 1_000_000] {
        let text = idle::linear_lines(lines);
        let mapper = idle::mapper();
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

criterion_group!(benches, request_to_fragment, text_to_table);
criterion_main!(benches);
