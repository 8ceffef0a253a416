//! The same contenders under criterion, for its statistics and its comparisons between runs.
//!
//! Random queries over 16, 1,000 and 100,000 targets: ours as a table would be searched here, and the
//! peers that matter most.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dm_benches::field::field;
use dm_benches::measure::check;
use dm_benches::workload::{ends, random_queries};

const NAMES: &[&str] =
    &["Index scalar", "Index AVX2", "Index AVX-512", "Linux model, C", "partition_point"];

fn lookup(criterion: &mut Criterion) {
    for targets in [16, 1000, 100_000] {
        let ends = ends(targets, 500);
        let queries = random_queries(ends[targets - 1], 1 << 16);
        let mut entries = field(&ends);
        entries.retain(|entry| NAMES.contains(&entry.name.as_str()));
        check(&entries, &ends, &queries);
        let mut group = criterion.benchmark_group(format!("random, {targets} targets"));
        group.throughput(Throughput::Elements(queries.len() as u64));
        for entry in &entries {
            group.bench_function(&entry.name, |bencher| {
                bencher.iter(|| entry.contender.independent(black_box(&queries)));
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = lookup
}
criterion_main!(benches);
