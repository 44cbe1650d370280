//! The untyped frames with which a client begins, for listeners.

use std::io;

pub use sealwire_engine::startup::{STARTUP_BYTES_MAX, Startup, StartupMessage};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads one untyped frame into `buffer`, which is emptied first, and not a byte more: what follows
/// may be the beginning of a TLS session.
///
/// # Errors
/// When the transport fails or ends, and [`io::ErrorKind::InvalidData`] when what comes is no such
/// frame.
pub async fn read<C>(client: &mut C, buffer: &mut Vec<u8>) -> io::Result<Startup>
where
    C: AsyncRead + Unpin,
{
    buffer.clear();
    loop {
        match sealwire_engine::startup::read(buffer) {
            Ok(Startup::Starved(needed)) => {
                let from = buffer.len();
                buffer.resize(needed, 0);
                client.read_exact(&mut buffer[from..]).await?;
            }
            Ok(Startup::Cancel(len)) if buffer.len() < len => {
                let from = buffer.len();
                buffer.resize(len, 0);
                client.read_exact(&mut buffer[from..]).await?;
            }
            Ok(startup) => return Ok(startup),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}
