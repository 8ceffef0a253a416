use super::*;

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
