//! The certificates with which dockerd listens on TCP.

use std::path::{Path, PathBuf};

/// Files of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Who is let in: clients with a certificate that this one signed.
    pub authority: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// One of them is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "DOCKER_TLS_DIR is {}, where there is no {name}\n\
     hint: it must hold ca.pem, cert.pem and key.pem (or server-cert.pem and server-key.pem), as $DOCKER_TLS_CERTDIR/server of docker:dind does",
    folder.display()
)]
pub struct Missing {
    folder: PathBuf,
    name: &'static str,
}

/// Finds them by the names of the docker:dind image, or by those of docker's documentation.
///
/// # Errors
/// The first that is missing.
pub fn find(folder: &Path) -> Result<Files, Missing> {
    let file = |names: &[&'static str]| {
        let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| Missing { folder: folder.to_owned(), name: names[0] })
    };
    Ok(Files {
        authority: file(&["ca.pem"])?,
        certificate: file(&["cert.pem", "server-cert.pem"])?,
        key: file(&["key.pem", "server-key.pem"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_files_have_the_names_of_the_dind_image_or_of_dockers_documentation() {
        for (certificate, key) in [("cert.pem", "key.pem"), ("server-cert.pem", "server-key.pem")] {
            let dir = tempfile::tempdir().unwrap();
            for name in ["ca.pem", certificate] {
                fs::write(dir.path().join(name), "").unwrap();
            }
            assert!(find(dir.path()).unwrap_err().to_string().contains("where there is no key.pem"));
            fs::write(dir.path().join(key), "").unwrap();
            let files = find(dir.path()).unwrap();
            assert_eq!((files.certificate, files.key), (dir.path().join(certificate), dir.path().join(key)));
        }
    }
}
