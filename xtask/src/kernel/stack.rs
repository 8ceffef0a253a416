//! Checks that no function of the module's takes too much of the kernel's small stack.

use std::path::Path;

use crate::failure::Failure;
use crate::kernel::KernelFailure;
use crate::shell;

/// The most that one function may take, in bytes: a quarter of a thread's stack.
const MOST: u64 = 4096;

pub(crate) fn check(object: &Path) -> Result<(), Failure> {
    let mut objdump = shell::command("objdump", &["--disassemble", "--no-show-raw-insn"]);
    let code = shell::read(objdump.args(["--demangle=rust"]).arg(object))?;
    let large: Vec<_> = frames(&code)
        .filter(|(_, bytes)| *bytes >= MOST)
        .map(|(function, bytes)| format!("{bytes} bytes: {function}"))
        .collect();
    if large.is_empty() { Ok(()) } else { Err(KernelFailure::Stack(large.join("\n")).into()) }
}

/// What each `sub $0x..,%rsp` takes, and the function that it is in. What is larger than a page is
/// taken a page at a time.
fn frames(code: &str) -> impl Iterator<Item = (&str, u64)> {
    let mut function = "";
    code.lines().filter_map(move |line| {
        if let Some(name) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
            function = name.1;
        }
        let (_, rest) = line.split_once("sub ")?;
        let bytes = rest.trim_start().strip_prefix("$0x")?.strip_suffix(",%rsp")?;
        Some((function, u64::from_str_radix(bytes, 16).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_takes_is_found() {
        let code = "
0000000000000000 <dm::small>:
   4:\tsub    $0x18,%rsp
   8:\tsub    $0x20,%rax
0000000000000010 <<dm::Large as dm::Trait>::new>:
  14:\tsub    $0x1000,%rsp
";
        let found: Vec<_> = frames(code).collect();
        assert_eq!(found, [("dm::small", 0x18), ("<dm::Large as dm::Trait>::new", 0x1000)]);
    }
}
