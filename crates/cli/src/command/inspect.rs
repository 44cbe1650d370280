//! `sealwire inspect`

use data_encoding::HEXLOWER_PERMISSIVE;
use sealwire_core::cell::Header;
use sealwire_core::policy::Mode;
use serde::Serialize;

use crate::error::Error;
use crate::output::Output;

#[derive(Serialize)]
struct Cell {
    mode: String,
    key_version: u8,
    padded: bool,
    row_bound: bool,
    bytes: usize,
    content_bytes: usize,
}

pub(crate) fn run(hex: &str, output: &mut Output) -> Result<(), Error> {
    let digits = hex.strip_prefix("\\x").unwrap_or(hex);
    // The argument is not repeated: it may be a plaintext that somebody takes for a cell.
    let cell = HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .map_err(|_| Error::new("the argument is not hexadecimal"))?;
    let header = Header::parse(&cell).ok_or_else(|| {
        Error::new("the argument is not a cell").hint(
            "a cell starts with 11 or 19 (deterministic) or 12, 16, 1a or 1e (randomized), then its key version, and has at least 18 or 30 bytes",
        )
    })?;
    // Header, tag, and for randomized cells the nonce.
    let overhead = match header.mode {
        Mode::Deterministic => 18,
        Mode::Randomized => 30,
    };
    let facts = Cell {
        mode: header.mode.to_string(),
        key_version: header.version,
        padded: header.padded,
        row_bound: header.row_bound,
        bytes: cell.len(),
        content_bytes: cell.len() - overhead,
    };
    output.print(&facts, |facts| {
        let yes_no = |flag| if flag { "yes" } else { "no" };
        format!(
            "mode         {}\nkey version  {}\npadded       {}\nrow-bound    {}\n\
             length       {} bytes, of which {} content\n\
             The header is not authenticated without the key.",
            facts.mode,
            facts.key_version,
            yes_no(facts.padded),
            yes_no(facts.row_bound),
            facts.bytes,
            facts.content_bytes
        )
    })
}
