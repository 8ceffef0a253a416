use super::*;

#[test]
fn only_what_is_missing_is_installed() {
    let missing = missing(TOOLS, |program| !["nbdinfo", "nbdcopy"].contains(&program));
    let packages: Vec<_> = missing.iter().map(|tool| tool.package).collect();
    assert_eq!(packages, ["libnbd-bin", "libnbd-bin"]);
}

#[test]
fn tools_of_one_package_stand_together() {
    let mut seen: Vec<&str> = Vec::new();
    for tool in TOOLS {
        let again = seen.last() != Some(&tool.package) && seen.contains(&tool.package);
        assert!(!again, "{} would be named twice to apt-get", tool.package);
        seen.push(tool.package);
    }
}
