use super::*;

const MADISON: &str = "\
  rust-src | 1.96.1+dfsg1-2~bpo13+1 | http://archive.example/debian trixie-backports/main amd64 Packages
  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://archive.example/debian trixie-backports/main amd64 Packages
";

#[test]
fn the_package_is_of_the_compilers_release() {
    let version = matching(MADISON, "1.95.0");
    assert_eq!(version.ok(), Some("1.95.0+dfsg1-2~bpo13+1"));
}

#[test]
fn another_release_will_not_do() {
    for release in ["1.94.0", "1.95", "1.95.0-beta.1", "1.9"] {
        let refused = matching(MADISON, release).map_err(|why| why.to_string());
        let expected = format!(
            "Debian's rust-src must be of rustc's own release, {release}; \
             the archive has 1.96.1+dfsg1-2~bpo13+1, 1.95.0+dfsg1-2~bpo13+1"
        );
        assert_eq!(refused, Err(expected));
    }
}

#[test]
fn no_package_at_all_is_said_so() {
    let refused = matching("", "1.95.0").map_err(|why| why.to_string());
    let expected = "Debian's rust-src must be of rustc's own release, 1.95.0; the archive has none";
    assert_eq!(refused, Err(expected.to_owned()));
}
