//! Finding the line of a sector: ours against everybody else, in one run on the same queries.

use dm_benches::field::{Entry, field};
use dm_benches::measure::{Order, check, measure};
use dm_benches::workload::{ends, random_queries, sequential_queries};

fn main() {
    let sizes: Vec<usize> = match std::env::var("SIZES") {
        Ok(s) => s.split(',').map(|s| s.parse().unwrap()).collect(),
        _ => vec![1, 4, 16, 64, 1000, 10_000, 100_000, 1_000_000],
    };
    let blocks: u64 = std::env::var("BLOCKS").map_or(500, |b| b.parse().unwrap());
    for case in ["random", "dependent", "sequential"] {
        let mut rows: Vec<(String, Vec<f64>)> = Vec::new();
        for &n in &sizes {
            let e = ends(n, blocks);
            let all = field(&e);
            let count = if n > 200_000 { 1 << 18 } else { 1 << 17 };
            let q = if case == "sequential" { sequential_queries(e[n - 1], count) } else { random_queries(e[n - 1], count) };
            check(&all, &e, &q[..10000.min(q.len())]);
            let order = if case == "dependent" { Order::Dependent } else { Order::Independent };
            let some: Vec<&Entry> = all.iter().filter(|e| !(e.batch && order == Order::Dependent)).collect();
            let t = measure(&some, order, &q, 7);
            for (i, e) in some.iter().enumerate() {
                if rows.len() <= i { rows.push((e.name.clone(), vec![])); }
                rows[i].1.push(t[i]);
            }
        }
        println!("== {case}");
        for (name, t) in &rows {
            print!("{name:24}");
            for (i, t) in t.iter().enumerate() { print!(" {t:6.1} ({:5.2})", rows[0].1[i] / t); }
            println!();
        }
    }
}
