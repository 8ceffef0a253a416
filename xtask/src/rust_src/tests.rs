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

#[test]
fn an_archive_is_named_once_and_not_for_its_fixes() {
    const URIS: &str = "\
'http://archive.example/debian/dists/bookworm/InRelease' a_InRelease 0 \n\
'http://archive.example/debian/dists/bookworm-updates/InRelease' b_InRelease 0 \n\
'http://archive.example/debian-security/dists/bookworm-security/InRelease' c_InRelease 0 \n\
'https+mirror://other.example/x/dists/sid/InRelease' d_InRelease 0 \n\
'http://archive.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' e 0 \n\
'http://flat.example/repo/./InRelease' f 0 \n\
noise\n";
    assert_eq!(archives(URIS), ["http://archive.example/debian", "https+mirror://other.example/x"]);
}
