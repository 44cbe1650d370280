//! `json`: the text as sent. `jsonb`: the text that PostgreSQL prints for it.

mod parse;
mod print;

use zeroize::Zeroizing;

use super::wire::{WireValue, append, require_utf8, valid_text};
use super::{Format, Settings, Target, ValueError};
use crate::types::{DeclaredType, ScalarType};

/// The first byte of `jsonb`'s binary form, which is otherwise its text form.
const JSONB_VERSION: u8 = 1;

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if !matches!(value.ty, ScalarType::Json | ScalarType::Jsonb) {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    require_utf8(value.settings)?;
    let bytes = match (value.ty, value.format) {
        (ScalarType::Jsonb, Format::Binary) => match value.bytes {
            [JSONB_VERSION, text @ ..] => text,
            [] => return Err(ValueError::truncated()),
            _ => return Err(ValueError::new("XX000", "unsupported jsonb version number")),
        },
        _ => value.bytes,
    };
    let text = valid_text(bytes)?;
    let document = parse::document(text)?;
    // A jsonb that is assigned to a json column is printed, as its cast does.
    if ScalarType::Jsonb == target.ty.scalar() || ScalarType::Jsonb == value.ty {
        let mut printed = Zeroizing::new(Vec::with_capacity(text.len()));
        print::jsonb(&document, &mut printed)?;
        append(out, &printed);
    } else {
        append(out, text.as_bytes());
    }
    Ok(())
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    require_utf8(settings)?;
    valid_text(canonical).map_err(|_| ValueError::malformed(ty.scalar()))?;
    if ty.scalar() == ScalarType::Jsonb && format == Format::Binary {
        out.push(JSONB_VERSION);
    }
    out.extend_from_slice(canonical);
    Ok(())
}
