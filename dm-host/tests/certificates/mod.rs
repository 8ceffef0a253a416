//! Certificates for a test, made when it runs.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// Who signs certificates.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// Has the users of a directory trust this authority.
    pub(crate) fn trusted_in(&self, directory: &Path) -> &Authority {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("ca-cert.pem"), &self.certificate).unwrap();
        self
    }

    /// Puts a certificate and its key into a directory, as those of the `role` that they are for:
    /// `server` or `client`.
    pub(crate) fn sign(&self, directory: &Path, role: &str, names: &[&str]) -> &Authority {
        self.sign_until(directory, role, names, 2100)
    }

    /// The same, but valid from 2000 to a year.
    pub(crate) fn sign_until(
        &self,
        directory: &Path,
        role: &str,
        names: &[&str],
        year: i32,
    ) -> &Authority {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, role);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![match role {
            "server" => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |what: &str, text: String| {
            std::fs::write(directory.join(format!("{role}-{what}.pem")), text).unwrap();
        };
        write("cert", certificate.pem());
        write("key", key.serialize_pem());
        self
    }
}
