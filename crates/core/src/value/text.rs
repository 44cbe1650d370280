//! `text`, `varchar(n)`, `char(n)`, `name`: UTF-8, of `char(n)` without its trailing blanks, of
//! `name` what fits into 63 bytes.

use zeroize::Zeroizing;

use super::coercion::prints;
use super::wire::{WireValue, append, require_utf8, valid_text};
use super::{Format, Settings, Target, Usage, ValueError, canonicalise_scalar};
use crate::policy::Mode;
use crate::types::{DeclaredType, Family, NAME_BYTES_MAX, ScalarType};

/// The whole characters that a `name` holds (`namein`).
fn cut_name(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let family = value.ty.family();
    if usage == Usage::Assign && prints(family) {
        let printed = print(value)?;
        let value = WireValue {
            ty: ScalarType::Text,
            format: Format::Text,
            bytes: &printed,
            ..value
        };
        return canonicalise(target, value, usage, out);
    }
    if family != Family::Text {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    require_utf8(value.settings)?;
    // The binary form of the text types is their text form.
    let text = valid_text(value.bytes)?;
    let text = match (value.ty, value.format) {
        (ScalarType::Name, Format::Binary) if text.len() > NAME_BYTES_MAX => {
            return Err(ValueError::new("42622", "identifier too long"));
        }
        (ScalarType::Name, _) => cut_name(text),
        _ => text,
    };
    let canonical = match usage {
        Usage::Assign => assigned(target, value.ty, text)?,
        Usage::Compare | Usage::Choose => compared(target, value.ty, text)?,
    };
    append(out, canonical.as_bytes());
    Ok(())
}

/// The text form by which a value of another type is assigned to a string.
fn print(value: WireValue<'_>) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let own = Target::new(DeclaredType::new(value.ty), Mode::Randomized);
    let mut canonical = Zeroizing::new(Vec::new());
    canonicalise_scalar(own, value, Usage::Assign, &mut canonical)?;
    // Room for what is printed of most values, so that reallocations leave few copies behind.
    let mut printed = Zeroizing::new(Vec::with_capacity(64 + 3 * canonical.len()));
    match (value.ty, canonical.as_slice()) {
        // The cast has a function of its own, which spells the word out.
        (ScalarType::Bool, [0]) => printed.extend_from_slice(b"false"),
        (ScalarType::Bool, _) => printed.extend_from_slice(b"true"),
        _ => super::render(own, Format::Text, &canonical, value.settings, &mut printed)?,
    }
    Ok(printed)
}

fn assigned<'t>(
    target: Target<'_>,
    wire: ScalarType,
    text: &'t str,
) -> Result<&'t str, ValueError> {
    let column = target.ty.scalar();
    // The cast from bpchar to the other types drops the blanks.
    let text = if wire == ScalarType::Bpchar && column != ScalarType::Bpchar {
        strip_blanks(text)
    } else {
        text
    };
    if column == ScalarType::Name {
        return Ok(cut_name(text));
    }
    let text = match target.ty.max_chars() {
        None => text,
        Some(limit) => match text.char_indices().nth(limit) {
            None => text,
            // What exceeds the limit must be blanks, and is cut off (SQL:2016, 9.2).
            Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => &text[..end],
            Some(_) => return Err(ValueError::too_long(target.ty)),
        },
    };
    let keeps_blanks = column != ScalarType::Bpchar
        || (target.ty.max_chars().is_none() && target.mode == Mode::Randomized);
    Ok(if keeps_blanks {
        text
    } else {
        strip_blanks(text)
    })
}

/// The operator that PostgreSQL chooses decides whether trailing blanks count: that of `bpchar`
/// ignores them on both sides, that of `text` ignores those of a `bpchar` operand, which is cast.
fn compared<'t>(
    target: Target<'_>,
    wire: ScalarType,
    text: &'t str,
) -> Result<&'t str, ValueError> {
    match (target.ty.scalar(), wire) {
        // Compared as bpchar: the blanks of the stored varchar would have to be ignored too, but
        // they are inside its cell.
        (ScalarType::Varchar, ScalarType::Bpchar) => Err(ValueError::mismatch(target.ty, wire)),
        // Compared with the blanks that pad the stored value, which are not in its cell.
        (ScalarType::Bpchar, ScalarType::Name) => Err(ValueError::mismatch(target.ty, wire)),
        // Compared as text: blanks at the end of the value make it differ from every stored one.
        (ScalarType::Bpchar, ScalarType::Text) => Ok(text),
        (ScalarType::Bpchar, _) | (_, ScalarType::Bpchar) => Ok(strip_blanks(text)),
        _ => Ok(text),
    }
}

fn strip_blanks(text: &str) -> &str {
    text.trim_end_matches(' ')
}

pub(super) fn render(
    ty: DeclaredType,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    require_utf8(settings)?;
    let text = valid_text(canonical).map_err(|_| ValueError::malformed(ty.scalar()))?;
    out.extend_from_slice(text.as_bytes());
    if let (ScalarType::Bpchar, Some(width)) = (ty.scalar(), ty.max_chars()) {
        let blanks = width.saturating_sub(text.chars().count());
        out.resize(out.len() + blanks, b' ');
    }
    Ok(())
}
