//! What no search of such a tree gets below, on this machine.
//!
//! A lookup that waits for the one before cannot be quicker than its chain: load a node, compare, count,
//! and form the next node's address, at each level. One that need not wait cannot be quicker than the
//! call to code that was chosen at run time. Both are measured bare here, without any tree.

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::time::Instant;

    const STEPS: u64 = 1 << 16;
    const NODES: usize = 32;

    #[repr(align(64))]
    #[derive(Clone, Copy)]
    struct Node([u32; 16]);

    /// Goes from node to node: the count of keys below is the next node's number.
    #[target_feature(enable = "avx512f,popcnt")]
    fn chain(nodes: &[Node; NODES], key: u32) -> u64 {
        let key = _mm512_set1_epi32(key as i32);
        let mut at = 0_usize;
        for _ in 0..STEPS {
            // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
            let keys = unsafe { _mm512_load_si512((&raw const nodes[at]).cast()) };
            at = _mm512_cmpgt_epu32_mask(key, keys).count_ones() as usize % NODES;
        }
        at as u64
    }

    /// The same by AVX2, which compares eight keys at a time, and only signed ones.
    #[target_feature(enable = "avx2,popcnt")]
    fn chain_avx2(nodes: &[Node; NODES], key: u32) -> u64 {
        let key = _mm256_set1_epi32(key as i32);
        let mut at = 0_usize;
        for _ in 0..STEPS {
            let half: *const __m256i = (&raw const nodes[at]).cast();
            // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
            let keys = unsafe { [_mm256_load_si256(half), _mm256_load_si256(half.add(1))] };
            let [low, high] = keys.map(|keys| {
                _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(key, keys))).count_ones()
            });
            at = (low + high) as usize % NODES;
        }
        at as u64
    }

    /// Each key comes from the answer before, as that of a dependent lookup: into vector registers,
    /// through one compare, and back.
    #[target_feature(enable = "avx512f,popcnt")]
    fn round_trip(node: &Node) -> u64 {
        // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
        let keys = unsafe { _mm512_load_si512((&raw const *node).cast()) };
        let mut key = 1;
        for _ in 0..STEPS {
            key = _mm512_cmpgt_epu32_mask(_mm512_set1_epi32(key), keys).count_ones() as i32;
        }
        key as u64
    }

    /// The same over 64 keys that are in registers already: the sector made shorter, four compares, and
    /// their counts added up. Neither the call nor the check of the range that an index has.
    #[target_feature(enable = "avx512f,popcnt")]
    fn round_trip_64(nodes: &[Node; 4], shift: u32, zero: u64) -> u64 {
        // SAFETY: a node is 64 bytes long and begins at a multiple of 64.
        let keys =
            nodes.each_ref().map(|node| unsafe { _mm512_load_si512((&raw const *node).cast()) });
        let mut answer = 0;
        for sector in 0..STEPS {
            let key = _mm512_set1_epi32(((sector + (answer & zero)) >> shift) as i32);
            let [a, b, c, d] = keys.map(|keys| _mm512_cmpgt_epu32_mask(key, keys).count_ones());
            answer = u64::from((a + b) + (c + d));
        }
        answer
    }

    fn calls(answer: fn(u64) -> u64) -> u64 {
        (0..STEPS).map(|n| black_box(answer(n))).sum()
    }

    #[inline(never)]
    fn nothing(n: u64) -> u64 {
        n
    }

    fn median(task: impl Fn() -> u64) -> f64 {
        let mut times: Vec<f64> = (0..101)
            .map(|_| {
                let start = Instant::now();
                black_box(task());
                start.elapsed().as_nanos() as f64 / STEPS as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }

    pub(super) fn main() {
        let call = median(|| calls(black_box(nothing)));
        println!("a call through a pointer, and nothing else: {call:.2} ns");
        let nodes = nodes();
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has just been asked for the features.
            let step = median(|| unsafe { chain_avx2(black_box(&nodes), black_box(1)) });
            println!("one level by AVX2, L1 to L1, nothing else: {step:.2} ns");
        }
        if !is_x86_feature_detected!("avx512f") || !is_x86_feature_detected!("popcnt") {
            println!("no AVX-512 on this machine: its chain is not measured");
            return;
        }
        // SAFETY: the processor has just been asked for the features.
        let step = median(|| unsafe { chain(black_box(&nodes), black_box(1)) });
        println!("one level by AVX-512, L1 to L1, nothing else: {step:.2} ns");
        // SAFETY: the processor has just been asked for the features.
        let trip = median(|| unsafe { round_trip(black_box(&nodes[0])) });
        println!("into AVX-512 registers, one compare, and back: {trip:.2} ns");
        let four = [nodes[0], nodes[1], nodes[2], nodes[3]];
        // SAFETY: the processor has just been asked for the features.
        let trip =
            median(|| unsafe { round_trip_64(black_box(&four), black_box(1), black_box(0)) });
        println!("the same over 64 keys, with the shift and the sum: {trip:.2} ns");
    }

    fn nodes() -> [Node; NODES] {
        let mut nodes = [Node([u32::MAX; 16]); NODES];
        for (n, node) in nodes.iter_mut().enumerate() {
            // So many keys below 1 that the chain visits different nodes.
            node.0[..(7 * n + 3) % 17].fill(0);
        }
        // The highest of 31 bits, for those who compare as signed.
        nodes.map(|node| Node(node.0.map(|key| key >> 1)))
    }
}

fn main() {
    #[cfg(target_arch = "x86_64")]
    x86::main();
    #[cfg(not(target_arch = "x86_64"))]
    println!("nothing is measured on this architecture");
}
