//! The files that say who somebody is, and whom to trust.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::trust::Anybody;

/// How a server speaks TLS.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) required: bool,
}

/// Why certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificatesError {
    /// A file is not there.
    #[error("{} is missing", .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("{}: {why}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {what} in PEM form", .path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// What was expected in it.
        what: &'static str,
    },
    /// What a file holds is of no use: a key that is not the certificate's, for one.
    #[error("{}: {why}", .path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// No directory was named, and the system trusts nobody.
    #[error("the system has no certificates of authorities")]
    NoRoots,
}

impl CertificatesError {
    /// What is wrong, as a client's user is told.
    pub(crate) fn for_clients(&self) -> &'static str {
        let name = match self {
            CertificatesError::Missing { path } => path.file_name().and_then(|name| name.to_str()),
            CertificatesError::NoRoots => {
                return "tls-certificates names no directory, and the system trusts nobody";
            }
            _ => return "its tls-certificates cannot be used; the log says why",
        };
        match name {
            Some("ca-cert.pem") => "ca-cert.pem is missing in its tls-certificates",
            Some("client-cert.pem") => "client-cert.pem is missing in its tls-certificates",
            _ => "client-key.pem is missing in its tls-certificates",
        }
    }
}

const AUTHORITIES: &str = "ca-cert.pem";
const SERVER: [&str; 2] = ["server-cert.pem", "server-key.pem"];
const CLIENT: [&str; 2] = ["client-cert.pem", "client-key.pem"];

impl ServerTls {
    /// Reads `server-cert.pem` and `server-key.pem` from a directory. Clients must use TLS.
    ///
    /// With `verify_peer` they must also show a certificate that an authority in `ca-cert.pem` has
    /// signed.
    pub fn load(directory: &Path, verify_peer: bool) -> Result<ServerTls, CertificatesError> {
        let (certificates, key) = identity(directory, SERVER)?;
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable(directory))?;
        let builder = if verify_peer {
            let path = directory.join(AUTHORITIES);
            let roots = Arc::new(roots(&path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(unusable(&path))?)
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(certificates, key);
        let mut config = config.map_err(unusable(&directory.join(SERVER[1])))?;
        // Clients stay connected: there is nothing to resume.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(ServerTls { config: Arc::new(config), required: true })
    }

    /// The same, but clients may go without TLS.
    pub fn optional(self) -> ServerTls {
        ServerTls { required: false, ..self }
    }
}

/// How a client speaks TLS: it shows `client-cert.pem` where the directory has one, and trusts the
/// authorities in `ca-cert.pem`, or those of the system where no directory is named. Without
/// `verify_peer` it trusts anybody.
pub(crate) fn client_config(
    directory: Option<&Path>,
    verify_peer: bool,
) -> Result<ClientConfig, CertificatesError> {
    let place = directory.unwrap_or(Path::new(""));
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable(place))?;
    let builder = if verify_peer {
        let roots = match directory {
            Some(directory) => roots(&directory.join(AUTHORITIES))?,
            None => system_roots()?,
        };
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().map_err(unusable(&place.join(AUTHORITIES)))?;
        builder.with_webpki_verifier(verifier)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody::new(provider)))
    };
    match directory {
        Some(directory) if CLIENT.iter().any(|name| directory.join(name).exists()) => {
            let (certificates, key) = identity(directory, CLIENT)?;
            let config = builder.with_client_auth_cert(certificates, key);
            config.map_err(unusable(&directory.join(CLIENT[1])))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(directory: &Path, names: [&str; 2]) -> Result<Identity, CertificatesError> {
    let [certificate, key] = names.map(|name| directory.join(name));
    let key_read = PrivateKeyDer::from_pem_file(&key).map_err(read_error(&key, "key"))?;
    Ok((certificates(&certificate)?, key_read))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let failed = read_error(path, "certificate");
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(&failed)?;
    if found.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(found) }
}

fn roots(path: &Path) -> Result<RootCertStore, CertificatesError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(unusable(path))?;
    }
    Ok(roots)
}

/// Whom the system trusts, or the file in the environment's `SSL_CERT_FILE`.
fn system_roots() -> Result<RootCertStore, CertificatesError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(CertificatesError::NoRoots) } else { Ok(roots) }
}

fn read_error(path: &Path, what: &'static str) -> impl Fn(pem::Error) -> CertificatesError {
    move |error| {
        let path = path.to_path_buf();
        match error {
            pem::Error::Io(why) if why.kind() == io::ErrorKind::NotFound => {
                CertificatesError::Missing { path }
            }
            pem::Error::Io(why) => CertificatesError::Unreadable { path, why },
            _ => CertificatesError::NotPem { path, what },
        }
    }
}

fn unusable<E: ToString>(path: &Path) -> impl Fn(E) -> CertificatesError {
    move |error| CertificatesError::Unusable { path: path.into(), why: error.to_string() }
}
