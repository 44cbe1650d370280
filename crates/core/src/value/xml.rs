//! `xml`: the text, its declaration as PostgreSQL prints it.
//!
//! A value is checked to be well-formed content (`xmloption = content`, the default, which takes
//! documents as well): elements, attributes, references, comments, processing instructions and
//! CDATA. A document type declaration is refused, because it can define what else is well-formed.

mod check;

use zeroize::Zeroizing;

use super::wire::{WireValue, append, require_utf8, valid_text};
use super::{Format, Settings, Target, ValueError};
use crate::types::ScalarType;

/// `ERRCODE_INVALID_XML_CONTENT`.
fn invalid(what: &str) -> ValueError {
    ValueError::new("2200N", format!("invalid XML content{what}"))
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if value.ty != ScalarType::Xml {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    require_utf8(value.settings)?;
    // The binary form is the text, whose encoding the XML parser checks then.
    let text = valid_text(value.bytes);
    let text = match value.format {
        Format::Text => text?,
        Format::Binary => text.map_err(|_| invalid(""))?,
    };
    let declaration =
        Declaration::read(text).ok_or_else(|| invalid(": invalid XML declaration"))?;
    check::content(declaration.rest)?;
    if let Some(encoding) = declaration.encoding
        && value.format == Format::Binary
        && !["utf-8", "utf8"]
            .iter()
            .any(|utf8| encoding.eq_ignore_ascii_case(utf8))
    {
        // The server would take the bytes to be in it; of a text it ignores the encoding.
        let message = "xml in binary format must be encoded in UTF-8 for an encrypted column";
        return Err(ValueError::new("0A000", message));
    }
    match declaration.shown() {
        Some(shown) => {
            append(out, shown.as_bytes());
            append(out, declaration.rest.as_bytes());
        }
        None => {
            // A declaration that is dropped takes its line with it; so does one that is not there.
            let rest = declaration.rest;
            append(out, rest.strip_prefix('\n').unwrap_or(rest).as_bytes());
        }
    }
    Ok(())
}

/// `<?xml version="1.0" encoding="…" standalone="…"?>`, and what follows it.
struct Declaration<'a> {
    version: Option<&'a str>,
    encoding: Option<&'a str>,
    standalone: Option<bool>,
    rest: &'a str,
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// A pseudo-attribute's value and what follows it; `None` where it is not there or not whole.
fn quoted<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let text = skip_space(skip_space(text.strip_prefix(name)?).strip_prefix('=')?);
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

impl<'a> Declaration<'a> {
    /// Reads it as `parse_xml_decl` does; `None` where there is a malformed one.
    fn read(text: &'a str) -> Option<Self> {
        let none = Self {
            version: None,
            encoding: None,
            standalone: None,
            rest: text,
        };
        let Some(after) = text.strip_prefix("<?xml") else {
            return Some(none);
        };
        // A processing instruction whose name only starts so.
        if after.chars().next().is_some_and(check::is_name_char) {
            return Some(none);
        }
        let version_at = skip_space(after);
        if version_at.len() == after.len() {
            return None;
        }
        let (version, mut rest) = quoted(version_at, "version")?;
        let mut encoding = None;
        let mut standalone = None;
        if let Some(at) = part(rest, "encoding")? {
            let (name, after) = quoted(at, "encoding")?;
            (encoding, rest) = (Some(name), after);
        }
        if let Some(at) = part(rest, "standalone")? {
            let (answer, after) = quoted(at, "standalone")?;
            standalone = Some(match answer {
                "yes" => true,
                "no" => false,
                _ => return None,
            });
            rest = after;
        }
        let rest = skip_space(rest).strip_prefix("?>")?;
        let declaration = &text[..text.len() - rest.len()];
        declaration.is_ascii().then_some(Self {
            version: Some(version),
            encoding,
            standalone,
            rest,
        })
    }

    /// The declaration as it is printed, if it is (`print_xml_decl`).
    fn shown(&self) -> Option<String> {
        let version = self.version.unwrap_or("1.0");
        if version == "1.0" && self.standalone.is_none() {
            return None;
        }
        let standalone = match self.standalone {
            None => "",
            Some(true) => " standalone=\"yes\"",
            Some(false) => " standalone=\"no\"",
        };
        Some(format!("<?xml version=\"{version}\"{standalone}?>"))
    }
}

/// Where the pseudo-attribute starts, if it is next; `None` where no blank stands before it.
#[expect(clippy::option_option, reason = "absent is not the same as malformed")]
fn part<'a>(text: &'a str, name: &str) -> Option<Option<&'a str>> {
    let at = skip_space(text);
    if !at.starts_with(name) {
        return Some(None);
    }
    (at.len() < text.len()).then_some(Some(at))
}

pub(super) fn render(
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    require_utf8(settings)?;
    valid_text(canonical).map_err(|_| ValueError::malformed(ScalarType::Xml))?;
    out.extend_from_slice(canonical);
    Ok(())
}
