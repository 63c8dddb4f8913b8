//! TLS around any service, at both ends: a [`Service`] whose sessions take and give ciphertext, a certificate made at the start,
//! and what a client trusts.
//!
//! It wraps the *service*, so that every model serves it unchanged and what differs between models stays the model. The
//! handshake therefore runs where the bytes of the connection are handled, on the loop or thread that reads them, as it does
//! in tokio-rustls and in event loops; it is no [`Job`](crate::Job). Nothing here opens a socket, and nothing is written to disk.

mod identity;
mod session;
mod trust;

pub use identity::{Fingerprint, Identity};
pub use trust::client_config;

use crate::{Service, Session};
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};
use session::TlsSession;
use std::sync::Arc;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate.
    #[error("making a self-signed certificate failed: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A service whose sessions talk to each other: others would write plaintext to a client beside its own session.
    #[error(
        "a service whose clients hear each other is served without TLS: others write to a client beside its own session"
    )]
    Talks,
    /// A configuration that cannot work.
    #[error("setting TLS up failed: {0}")]
    Setup(#[from] rustls::Error),
}

/// The cryptography of both ends.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// More bytes than the session in a ticket has: its secrets, and the longest name of a host (RFC 1035, 2.3.4).
const LONGEST_SESSION: usize = 1024;

/// A service over TLS 1.3 or 1.2.
struct Tls {
    inner: Arc<dyn Service>,
    config: Arc<ServerConfig>,
}

/// Puts `inner` behind TLS, as the server of `identity`.
///
/// To be called before a model forks or starts a thread: its processes and threads then share the key that session tickets are
/// encrypted by, so that each can resume what another began. No session is kept in memory.
///
/// # Errors
/// When sessions of the service talk to each other, the identity cannot be used, or the system gives no randomness.
pub fn over_tls(inner: Arc<dyn Service>, identity: &Identity) -> Result<Arc<dyn Service>, TlsError> {
    if inner.talks() {
        return Err(TlsError::Talks);
    }
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate().clone()], identity.key())?;
    config.ticketer = ring::Ticketer::new()?;
    // A ticketer refuses tickets longer than any that it has made itself: a process that is forked from this one has made none.
    config.ticketer.encrypt(&[0; LONGEST_SESSION]);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(Tls { inner, config: Arc::new(config) }))
}

impl Service for Tls {
    fn open(&self) -> Box<dyn Session> {
        let tls = ServerConnection::new(Arc::clone(&self.config)).expect("it is asked for nothing unusual");
        Box::new(TlsSession::new(tls, self.inner.open()))
    }
}

#[cfg(test)]
mod tests;
