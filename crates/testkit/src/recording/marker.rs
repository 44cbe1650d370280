//! Finding a plaintext in bytes, also in the forms that programs turn it into.

use std::fmt;

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine};

/// A shorter marker turns up by chance, or vanishes in base64, whose ends depend on what is around.
const MARKER_BYTES_MIN: usize = 8;

/// A form that a value may take on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    AsItIs,
    Hexadecimal,
    Base64,
    Utf16,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsItIs => "it is",
            Self::Hexadecimal => "hexadecimal",
            Self::Base64 => "base64",
            Self::Utf16 => "UTF-16",
        })
    }
}

/// The first place of every form in which a marker occurs.
///
/// # Panics
/// When the marker is too short.
pub(super) fn occurrences(
    bytes: &[u8],
    marker: &[u8],
) -> impl Iterator<Item = (Form, usize)> + use<> {
    assert!(
        marker.len() >= MARKER_BYTES_MIN,
        "a marker needs {MARKER_BYTES_MIN} bytes to be telling"
    );
    let found: Vec<(Form, usize)> = forms(marker)
        .into_iter()
        .filter_map(|(form, needle)| Some((form, memchr::memmem::find(bytes, &needle)?)))
        .collect();
    found.into_iter()
}

fn forms(marker: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let hexadecimal: String = marker.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        (Form::AsItIs, marker.to_vec()),
        (Form::Hexadecimal, hexadecimal.to_uppercase().into_bytes()),
        (Form::Hexadecimal, hexadecimal.into_bytes()),
    ];
    for shift in 0..3 {
        forms.push((
            Form::Base64,
            base64_core(marker, shift, &BASE64_STANDARD_NO_PAD),
        ));
        forms.push((
            Form::Base64,
            base64_core(marker, shift, &BASE64_URL_SAFE_NO_PAD),
        ));
    }
    if let Ok(text) = std::str::from_utf8(marker) {
        let units = || text.encode_utf16();
        forms.push((Form::Utf16, units().flat_map(u16::to_be_bytes).collect()));
        forms.push((Form::Utf16, units().flat_map(u16::to_le_bytes).collect()));
    }
    forms
}

/// The characters of a marker's base64 that do not depend on the bytes around it, when `shift`
/// bytes of its first group of three come before it.
fn base64_core(marker: &[u8], shift: usize, engine: &impl Engine) -> Vec<u8> {
    let mut input = vec![0; shift];
    input.extend_from_slice(marker);
    let text = engine.encode(&input).into_bytes();
    let start = [0, 2, 3][shift];
    let end = input.len() / 3 * 4 + [0, 1, 2][input.len() % 3];
    text[start..end].to_vec()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

    use super::*;

    const MARKER: &str = "márker-77?>~é";

    fn found(bytes: &[u8]) -> Vec<Form> {
        occurrences(bytes, MARKER.as_bytes())
            .map(|(form, _)| form)
            .collect()
    }

    #[test]
    fn every_form_is_found() {
        let hexadecimal: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found(format!("x{MARKER}").as_bytes()), [Form::AsItIs]);
        assert_eq!(
            found(format!("\\x{hexadecimal}").as_bytes()),
            [Form::Hexadecimal]
        );
        assert_eq!(
            found(hexadecimal.to_uppercase().as_bytes()),
            [Form::Hexadecimal]
        );
        let utf16: Vec<u8> = MARKER.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(found(&utf16), [Form::Utf16]);
        assert_eq!(found(b"something else altogether"), []);
    }

    #[test]
    fn base64_is_found_at_every_alignment() {
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "z", "zy", "zyx"] {
                let text = format!("{before}{MARKER}{after}");
                for encoded in [BASE64_STANDARD.encode(&text), BASE64_URL_SAFE.encode(&text)] {
                    assert!(
                        found(encoded.as_bytes()).contains(&Form::Base64),
                        "{text} {encoded}"
                    );
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a marker needs")]
    fn a_short_marker_is_refused() {
        let _ = occurrences(b"", b"short");
    }
}
