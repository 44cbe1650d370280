//! The text form of `jsonb`: names sorted by length and then by bytes, the last of duplicates kept,
//! numbers as `numeric` prints them, and no escape that is not needed.

use zeroize::Zeroizing;

use super::parse::{Node, syntax};
use crate::value::ValueError;
use crate::value::numeric::Numeric;
use crate::value::uuid::push_hex;
use crate::value::wire::append;

/// Bytes of one document (`JENTRY_OFFLENMASK`). A number such as `1e131071` is printed in full, so
/// the text can be far longer than what was sent.
const TEXT_LEN_MAX: usize = 0x0fff_ffff;

pub(super) fn jsonb(node: &Node<'_>, out: &mut Zeroizing<Vec<u8>>) -> Result<(), ValueError> {
    match node {
        Node::Null => append(out, b"null"),
        Node::Bool(true) => append(out, b"true"),
        Node::Bool(false) => append(out, b"false"),
        Node::Number(text) => append(out, &Numeric::parse(text.as_bytes())?.to_text()),
        Node::String(escaped) => quote(&unescape(escaped)?, out),
        Node::Array(elements) => {
            append(out, b"[");
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    append(out, b", ");
                }
                jsonb(element, out)?;
            }
            append(out, b"]");
        }
        Node::Object(members) => object(members, out)?,
    }
    if out.len() > TEXT_LEN_MAX {
        return Err(ValueError::new(
            "54000",
            format!("size of the jsonb document exceeds the maximum of {TEXT_LEN_MAX} bytes"),
        ));
    }
    Ok(())
}

fn object(members: &[(&str, Node<'_>)], out: &mut Zeroizing<Vec<u8>>) -> Result<(), ValueError> {
    let mut sorted = members
        .iter()
        .map(|(name, node)| Ok((unescape(name)?, node)))
        .collect::<Result<Vec<_>, ValueError>>()?;
    // Stable, so that duplicates stay in the order of the text.
    sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    append(out, b"{");
    let mut is_first = true;
    for (i, (name, node)) in sorted.iter().enumerate() {
        if sorted.get(i + 1).is_some_and(|(next, _)| next == name) {
            // Overridden by a later duplicate, but an error in it is still an error.
            jsonb(node, &mut Zeroizing::new(Vec::new()))?;
            continue;
        }
        if !is_first {
            append(out, b", ");
        }
        is_first = false;
        quote(name, out);
        append(out, b": ");
        jsonb(node, out)?;
    }
    append(out, b"}");
    Ok(())
}

/// Resolves the escapes of a string whose form has been checked.
fn unescape(escaped: &str) -> Result<Zeroizing<String>, ValueError> {
    // No escape is shorter than what it stands for, so that this never grows.
    let mut text = Zeroizing::new(String::with_capacity(escaped.len()));
    let mut rest = escaped;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest[at..].split_at_checked(2).ok_or_else(syntax)?;
        rest = escape.1;
        text.push(match escape.0 {
            "\\b" => '\u{8}',
            "\\f" => '\u{c}',
            "\\n" => '\n',
            "\\r" => '\r',
            "\\t" => '\t',
            "\\u" => unicode_escape(&mut rest)?,
            other => other.chars().last().ok_or_else(syntax)?,
        });
    }
    text.push_str(rest);
    Ok(text)
}

/// The character of `\uXXXX`, or of two of them that are a surrogate pair.
fn unicode_escape(rest: &mut &str) -> Result<char, ValueError> {
    let unit = code_unit(rest)?;
    let code = match unit {
        0xd800..=0xdbff => {
            *rest = rest.strip_prefix("\\u").ok_or_else(syntax)?;
            match code_unit(rest)? {
                low @ 0xdc00..=0xdfff => 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00),
                _ => return Err(syntax()),
            }
        }
        // PostgreSQL's text cannot hold the zero character.
        0 => {
            return Err(ValueError::new(
                "22P05",
                "unsupported Unicode escape sequence",
            ));
        }
        _ => unit,
    };
    char::from_u32(code).ok_or_else(syntax)
}

fn code_unit(rest: &mut &str) -> Result<u32, ValueError> {
    let (digits, after) = rest.split_at_checked(4).ok_or_else(syntax)?;
    *rest = after;
    u32::from_str_radix(digits, 16).map_err(|_| syntax())
}

/// `escape_json`: quotes, and escapes for what must have them.
fn quote(text: &str, out: &mut Zeroizing<Vec<u8>>) {
    append(out, b"\"");
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|&byte| byte < 0x20 || b"\"\\".contains(&byte))
    {
        append(out, &rest[..at]);
        match rest[at] {
            b'"' => append(out, b"\\\""),
            b'\\' => append(out, b"\\\\"),
            0x08 => append(out, b"\\b"),
            0x0c => append(out, b"\\f"),
            b'\n' => append(out, b"\\n"),
            b'\r' => append(out, b"\\r"),
            b'\t' => append(out, b"\\t"),
            control => {
                append(out, b"\\u00");
                let mut hex = Zeroizing::new(Vec::with_capacity(2));
                push_hex(control, &mut hex);
                append(out, &hex);
            }
        }
        rest = &rest[at + 1..];
    }
    append(out, rest);
    append(out, b"\"");
}
