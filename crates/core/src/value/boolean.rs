//! `bool`: one byte, 00 or 01.

use zeroize::Zeroizing;

use super::wire::{WireValue, append, trim_spaces};
use super::{Format, Target, ValueError};
use crate::types::ScalarType;

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if value.ty != ScalarType::Bool {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    let truth = match value.format {
        // boolrecv takes every byte but zero for true.
        Format::Binary => value.fixed::<1>()? != [0],
        Format::Text => {
            parse(trim_spaces(value.text()?)).ok_or_else(|| ValueError::syntax(value.ty))?
        }
    };
    append(out, &[u8::from(truth)]);
    Ok(())
}

/// Any prefix of true, false, yes, no, on and off that belongs to one of them only, or 1 or 0.
fn parse(text: &str) -> Option<bool> {
    let prefix_of = |word: &str, least: usize| {
        text.len() >= least
            && word
                .get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    if prefix_of("true", 1) || prefix_of("yes", 1) || prefix_of("on", 2) || text == "1" {
        Some(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

pub(super) fn render(
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let truth = match canonical {
        [0] => false,
        [1] => true,
        _ => return Err(ValueError::malformed(ScalarType::Bool)),
    };
    out.push(match (format, truth) {
        (Format::Text, true) => b't',
        (Format::Text, false) => b'f',
        (Format::Binary, _) => u8::from(truth),
    });
    Ok(())
}
