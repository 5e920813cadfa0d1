//! A GitHub App's key and what is signed with it. Pure but for the signature; time and randomness come in.
//!
//! Three lines of `ring` (in the tree through rustls) instead of a crate for JSON web tokens.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::secret::SecretText;

/// GitHub's clock may be behind ours, and a token from the future is refused (GitHub docs, "Generating a JSON Web Token for a GitHub
/// App").
const ISSUED_AGO: u64 = 60;
/// GitHub takes at most 600 s from issue to expiry.
const LIFE: u64 = 540;

/// What to do about a key that cannot be used.
pub(super) const KEY_HINT: &str = "it is the .pem file that GitHub made for the App, whole, from -----BEGIN to the last dashes";

/// Whether an App's private key can be used: PEM, PKCS#1 or PKCS#8, with `\n` written out or folded away, or base64 of such a PEM.
///
/// # Errors
/// What is wrong with it, without any of it.
#[cfg(test)]
pub(super) fn check_key(pem: &str) -> Result<(), String> {
    parsed(pem).map(drop)
}

/// Signs for one App.
pub(super) struct Signer {
    id: String,
    key: RsaKeyPair,
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: u64,
    exp: u64,
    iss: &'a str,
    jti: String,
}

impl Signer {
    pub(super) fn new(id: &str, pem: &str) -> Result<Self, String> {
        let key = parsed(pem).map_err(|why| format!("APP_PRIVATE_KEY {why}\nhint: {KEY_HINT}"))?;
        Ok(Self { id: id.trim().to_owned(), key })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A JSON web token (RS256) for `now`, in seconds since 1970. `unique` sets it apart from one that a sibling makes with the same
    /// key in the same second: GitHub has refused the second of two equal ones.
    pub(super) fn token(&self, now: u64, unique: [u8; 16]) -> Result<SecretText, String> {
        let iat = now.saturating_sub(ISSUED_AGO);
        let claims = Claims { iat, exp: iat + LIFE, iss: &self.id, jti: URL_SAFE_NO_PAD.encode(unique) };
        let claims = serde_json::to_vec(&claims).map_err(|cause| cause.to_string())?;
        let mut token = URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| "APP_PRIVATE_KEY cannot sign".to_owned())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(SecretText::new(token))
    }
}

fn parsed(text: &str) -> Result<RsaKeyPair, String> {
    const BEGIN: &str = "-----BEGIN ";
    let refused = |why: &str| Err(why.to_owned());
    let mut text = Zeroizing::new(text.replace("\\n", "\n").replace("\\r", ""));
    if !text.contains(BEGIN) {
        // Base64 of the whole file, as stores that keep only one line want it.
        let packed = Zeroizing::new(without_blanks(&text));
        let unpacked = STANDARD.decode(packed.as_bytes()).map(Zeroizing::new);
        match unpacked.as_ref().map(|bytes| std::str::from_utf8(bytes)) {
            Ok(Ok(pem)) if pem.contains(BEGIN) => text = Zeroizing::new(pem.to_owned()),
            _ => return refused("is not a private key in PEM form, nor base64 of one"),
        }
    }
    let found = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once("-----"));
    let Some((label, rest)) = found else { return refused("does not begin as a private key in PEM form does") };
    let Some((body, _)) = rest.split_once(&format!("-----END {label}-----")) else { return refused("is cut: its end is missing") };
    if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
        return refused("is encrypted with a passphrase");
    }
    let Ok(der) = STANDARD.decode(Zeroizing::new(without_blanks(body)).as_bytes()).map(Zeroizing::new) else {
        return refused("is damaged: what stands between its first and last line is not base64");
    };
    let key = match label {
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => return refused("is not the private key but something public"),
        _ => return refused("is a private key of another kind, not RSA"),
    };
    // The library's word for the cause names no part of the key.
    key.or_else(|cause| refused(&format!("is not a usable RSA key ({cause})")))
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|character| !character.is_ascii_whitespace()).collect()
}
