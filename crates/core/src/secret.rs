//! Secrets as types: redacted `Debug`, wiped on drop, no `Clone`.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

/// Length in bytes of every symmetric key of the format.
pub const KEY_LEN: usize = 32;

/// The operating system's random generator failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random generator failed")]
pub struct RandomnessError;

/// Fills `bytes` from the operating system's generator: for keys, and for what is drawn so rarely
/// that the system call does not matter.
pub(crate) fn fill_from_os(bytes: &mut [u8]) -> Result<(), RandomnessError> {
    SysRng.try_fill_bytes(bytes).map_err(|_| RandomnessError)
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Box<Zeroizing<[u8; KEY_LEN]>>);

        impl $name {
            /// Takes over 32 secret bytes. The caller's copy is the caller's to wipe.
            pub fn new(bytes: &[u8; KEY_LEN]) -> Self {
                Self(Box::new(Zeroizing::new(*bytes)))
            }

            /// 32 bytes from the operating system's generator.
            ///
            /// # Errors
            /// [`RandomnessError`] when the operating system has none to give.
            pub fn generate() -> Result<Self, RandomnessError> {
                let mut secret = Self(Box::new(Zeroizing::new([0; KEY_LEN])));
                fill_from_os(&mut **secret.0)?;
                Ok(secret)
            }

            /// The secret bytes. Every caller is a place to look at in a review.
            pub fn expose(&self) -> &[u8; KEY_LEN] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

secret! {
    /// A column encryption key: 32 uniformly random bytes, never a password.
    Cek
}
secret! {
    /// The root secret under which a manifest is authenticated.
    RootSecret
}
secret! {
    /// A local column master key (key-encryption key).
    MasterKey
}
