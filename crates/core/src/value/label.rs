//! Enumerated types: the label's position in the manifest's list.
//!
//! Not the label's text, whose length would show through the cell, and which `ALTER TYPE … RENAME
//! VALUE` would leave behind; and not its place in the database's sort order, which `ADD VALUE …
//! BEFORE` moves (`docs/spec/cell-format.md`, section 4.12).

use zeroize::Zeroizing;

use super::wire::{WireValue, append, require_utf8, valid_text};
use super::{Settings, Target, ValueError};
use crate::types::ScalarType;

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if value.ty != ScalarType::Enum {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    if !value.bytes.is_ascii() {
        require_utf8(value.settings)?;
    }
    // The binary form is the label, too.
    let text = valid_text(value.bytes)?;
    let position = target.labels.iter().position(|label| label == text);
    let position = position
        .and_then(|position| u16::try_from(position).ok())
        .ok_or_else(|| ValueError::new("22P02", "invalid input value for enum"))?;
    append(out, &position.to_be_bytes());
    Ok(())
}

pub(super) fn render(
    target: Target<'_>,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let position = <[u8; 2]>::try_from(canonical).ok().map(u16::from_be_bytes);
    let label = position.and_then(|position| target.labels.get(usize::from(position)));
    let label = label.ok_or_else(|| ValueError::malformed(ScalarType::Enum))?;
    if !label.is_ascii() {
        require_utf8(settings)?;
    }
    out.extend_from_slice(label.as_bytes());
    Ok(())
}
