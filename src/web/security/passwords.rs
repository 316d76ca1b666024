//! Users and their passwords.
//!
//! bcrypt takes tens of milliseconds by design, too long for each webhook. A password that was
//! right is remembered as a hash that only this process can make; a wrong one costs bcrypt every
//! time, one at a time, so that guessing does not slow those who know.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::SecurityError;
use super::file::PasswordHash;

/// Checked for a user that does not exist, so that the time taken does not tell.
const NOBODY: &str = "$2b$10$ooIYLYiYWmmtE0Z9AwZgO.ntrZQKdVINJzuCg6QCTKQvtwVzrLSFq";

#[derive(Debug)]
pub(super) struct Users {
    hashes: BTreeMap<String, PasswordHash>,
    salt: [u8; 32],
    /// By user: the salted hash of the password that was right.
    verified: Mutex<HashMap<String, [u8; 32]>>,
    turn: Semaphore,
}

impl Users {
    pub(super) fn new(hashes: BTreeMap<String, PasswordHash>) -> Result<Self, SecurityError> {
        for (user, hash) in &hashes {
            if hash.0.parse::<bcrypt::HashParts>().is_err() {
                return Err(SecurityError::Hash { user: user.clone() });
            }
        }
        Ok(Self {
            hashes,
            salt: rand::random(),
            verified: Mutex::default(),
            turn: Semaphore::new(1),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether the password is the user's.
    pub(super) async fn allow(&self, user: String, password: String) -> bool {
        let known = self.hashes.get(&user);
        let fingerprint = self.fingerprint(&password);
        if known.is_some() && self.is_verified(&user, fingerprint) {
            return true;
        }
        let Ok(_turn) = self.turn.acquire().await else { return false };
        if known.is_some() && self.is_verified(&user, fingerprint) {
            return true;
        }
        let hash = known.map_or_else(|| NOBODY.to_owned(), |hash| hash.0.clone());
        let check = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let right = known.is_some() && matches!(check.await, Ok(Ok(true)));
        if right {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert(user, fingerprint);
        }
        right
    }

    fn is_verified(&self, user: &str, fingerprint: [u8; 32]) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.get(user) == Some(&fingerprint)
    }

    fn fingerprint(&self, password: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(password).finalize().into()
    }
}
