//! The client's half: which server it trusts, and what it keeps to resume a session.

use super::{Fingerprint, TlsError, provider};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, NamedGroup, SignatureScheme,
    SupportedProtocolVersion,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How a client speaks TLS with one server: it accepts the certificate of `pinned` alone, or any where none is given (against
/// a listener in the middle that is no protection); the server must in either case prove that it has the certificate's key.
///
/// With `tickets` above 0 it keeps so many to resume sessions by: two for each connection are enough, since a server of rustls
/// sends two and a connection takes one. `versions` are those it offers: [`rustls::ALL_VERSIONS`], if nothing speaks against one.
///
/// # Errors
/// When there is no version, or the cryptography here has nothing to offer for one.
pub fn client_config(
    pinned: Option<Fingerprint>,
    tickets: usize,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = Verifier { pinned, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = match tickets {
        0 => Resumption::disabled(),
        most => Resumption::store(Arc::new(Tickets {
            newest_last: Mutex::new(VecDeque::with_capacity(most)),
            most,
            hints: ClientSessionMemoryCache::new(1),
        })),
    };
    Ok(Arc::new(config))
}

/// Compares the certificate instead of following a chain: the servers that are measured sign for themselves.
#[derive(Debug)]
struct Verifier {
    pinned: Option<Fingerprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.pinned {
            Some(pinned) if pinned != Fingerprint::of(certificate) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The tickets of one server. The store of rustls keeps eight for each, so that of 64 clients that come again at once most would
/// find none and do a full handshake.
#[derive(Debug)]
struct Tickets {
    newest_last: Mutex<VecDeque<Tls13ClientSessionValue>>,
    most: usize,
    /// What is not of TLS 1.3 or no ticket.
    hints: ClientSessionMemoryCache,
}

impl ClientSessionStore for Tickets {
    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.newest_last.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() == self.most {
            tickets.pop_front();
        }
        tickets.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.newest_last.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }

    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.hints.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.hints.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.hints.set_tls12_session(server, session);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.hints.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.hints.remove_tls12_session(server);
    }
}
