use super::*;

const RELOCATIONS: &str = "
rs.o:     file format elf64-x86-64

RELOCATION RECORDS FOR [.text.route]:
OFFSET           TYPE              VALUE
0000000000000010 R_X86_64_PLT32    .text.unlikely._RNvNtCsllDO3zw7hPe_4core9panicking9panic_fmt-0x0000000000000004
0000000000000020 R_X86_64_PLT32    dmrs_submit-0x0000000000000004

RELOCATION RECORDS FOR [.text.unlikely._RNvNtCsllDO3zw7hPe_4core9panicking9panic_fmt]:
OFFSET           TYPE              VALUE
0000000000000010 R_X86_64_PLT32    dmrs_panic-0x0000000000000004

RELOCATION RECORDS FOR [.rodata.x]:
OFFSET           TYPE              VALUE
0000000000000010 R_X86_64_64       .text.unlikely._RNvNtCsllDO3zw7hPe_4core9panicking9panic_fmt
";

#[test]
fn a_call_of_a_panic_is_found_and_its_own_calls_are_not() {
    let found = panics(&demangle(&references(RELOCATIONS)).unwrap());
    assert_eq!(Vec::from_iter(found), ["route -> core::panicking::panic_fmt"]);
}

#[test]
fn hashes_go_and_other_brackets_stay() {
    assert_eq!(without_hashes("<[u8] as core[f8aa6fd9c1ab02d6]::X>"), "<[u8] as core::X>");
    assert_eq!(without_hashes("a[b"), "a[b");
}

#[test]
fn an_entry_ends_where_its_reason_begins() {
    assert_eq!(entry("a -> b  # it never does"), Some("a -> b"));
    assert_eq!(entry("# a comment"), None);
    assert_eq!(entry(""), None);
}
