use super::*;

fn address(place: Place, export: &str) -> Address {
    Address { place, export: export.into(), tls: None, reconnect_delay: Duration::from_secs(60) }
}

fn tcp(host: &str, port: u16, export: &str) -> Option<Address> {
    Some(address(Place::Tcp { host: host.into(), port }, export))
}

fn unix(socket: &str, export: &str) -> Option<Address> {
    Some(address(Place::Unix { socket: socket.into() }, export))
}

/// The same, with TLS.
fn with_tls(
    address: Option<Address>,
    certificates: Option<&str>,
    name: &str,
    verify_peer: bool,
) -> Option<Address> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tls = Tls { certificates: certificates.map(PathBuf::from), name, verify_peer };
    address.map(|address| Address { tls: Some(tls), ..address })
}

#[test]
fn addresses() {
    let patient = |seconds| {
        let reconnect_delay = Duration::from_secs(seconds);
        tcp("host", 10809, "x").map(|address| Address { reconnect_delay, ..address })
    };
    let cases = [
        ("nbd://host", tcp("host", 10809, "")),
        ("nbd://host?", tcp("host", 10809, "")),
        ("nbd://host:1/a/b", tcp("host", 1, "a/b")),
        ("nbd://[::1]/disk", tcp("::1", 10809, "disk")),
        ("nbd://[::1]:7/a%20b", tcp("::1", 7, "a b")),
        ("nbd+unix:///?socket=/a/b", unix("/a/b", "")),
        ("nbd+unix:///x?socket=a%3fb", unix("a?b", "x")),
        ("nbd://host/x?reconnect-delay=5", patient(5)),
        ("nbd://host/x?reconnect-delay=0", patient(0)),
        ("nbds://host/x", with_tls(tcp("host", 10809, "x"), None, "host", true)),
        ("nbds://[::1]/x", with_tls(tcp("::1", 10809, "x"), None, "::1", true)),
        (
            "nbds://10.0.0.1/x?tls-hostname=host.example&tls-certificates=/etc/a%26b",
            with_tls(tcp("10.0.0.1", 10809, "x"), Some("/etc/a&b"), "host.example", true),
        ),
        (
            "nbds+unix:///x?tls-verify-peer=0&socket=s&tls-certificates=c",
            with_tls(unix("s", "x"), Some("c"), "localhost", false),
        ),
        ("nbds+unix:///x?tls-verify-peer=true&socket=s", {
            with_tls(unix("s", "x"), None, "localhost", true)
        }),
    ];
    for (name, expected) in cases {
        assert!(Address::is_one(name), "{name}");
        assert_eq!(Address::parse(name).ok(), expected, "{name}");
    }
}

#[test]
fn what_is_no_address() {
    for name in [
        "nbd://",
        "nbd:///x",
        "nbd://host:port/x",
        "nbd://host/x?y",
        "nbd://host/x?y=1",
        "nbd+unix:///x",
        "nbd+unix://host/x?socket=a",
        "nbd://host/%zz",
        "nbd://host/x?socket=a",
        "nbd+unix:///x?socket=a&socket=b",
        // What is about TLS has no meaning without it.
        "nbd://host/x?tls-certificates=a",
        "nbd+unix:///x?socket=a&tls-verify-peer=0",
        "nbds://host/x?tls-verify-peer=no",
        "nbds://host/x?tls-hostname=not%20a%20name",
        "nbds://host/x?tls-type=psk",
        "nbd://host/x?reconnect-delay=-1",
        "nbd://host/x?reconnect-delay=soon",
    ] {
        assert!(Address::is_one(name), "{name}");
        assert_eq!(Address::parse(name).ok(), None, "{name}");
    }
    assert!(!Address::is_one("nbdx://host/x") && !Address::is_one("nbd:x"));
}
