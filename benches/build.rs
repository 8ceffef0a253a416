//! Compiles the peers that are written in C, as a distribution would: `-O2`, no processor named.

fn main() {
    let sources = ["c/linux_model.c", "c/dmsetup_parse.c"];
    for source in sources {
        println!("cargo::rerun-if-changed={source}");
    }
    cc::Build::new().files(sources).opt_level(2).warnings(true).compile("dm_bench_peers");
}
