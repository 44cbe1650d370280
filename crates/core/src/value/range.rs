//! Ranges: flags, then the bounds that there are, each with its length.
//!
//! Ranges of integers and dates are brought into the form `[lower, upper)`, ranges that hold
//! nothing are `empty`, as PostgreSQL does before it stores them.

use std::cmp::Ordering;

use zeroize::Zeroizing;

use super::numeric::Numeric;
use super::wire::{Parts, WireValue, append, is_space};
use super::{Format, Settings, Target, Usage, ValueError, canonicalise_scalar};
use crate::policy::Mode;
use crate::types::{DeclaredType, Family, ScalarType};

// The flags of `utils/rangetypes.h`, in the binary form and in the canonical one.
const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

type Bytes = Zeroizing<Vec<u8>>;

/// A bound with its value, where it has one, in the canonical form of its type.
struct Bound {
    value: Option<Bytes>,
    is_inclusive: bool,
}

struct Range {
    lower: Bound,
    upper: Bound,
}

fn malformed_literal() -> ValueError {
    ValueError::new("22P02", "malformed range literal")
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    out: &mut Bytes,
) -> Result<(), ValueError> {
    let bound_type = match value.ty.bound_type() {
        // PostgreSQL casts no range to another.
        Some(bound_type) if value.ty == target.ty.scalar() => bound_type,
        _ => return Err(ValueError::mismatch(target.ty, value.ty)),
    };
    let canonical = |bytes: &[u8]| {
        let value = WireValue {
            ty: bound_type,
            bytes,
            ..value
        };
        canonical_bound(bound_type, target.mode, value)
    };
    let range = match value.format {
        Format::Text => {
            let mut range = parse(value.text()?.as_bytes())?;
            for bound in range.iter_mut().flat_map(Range::bounds) {
                if let Some(text) = &bound.value {
                    bound.value = Some(canonical(text)?);
                }
            }
            range
        }
        Format::Binary => receive(value.bytes, |wire| canonical(significant(bound_type, wire)))?,
    };
    let Some(mut range) = range else {
        append(out, &[EMPTY]);
        return Ok(());
    };
    if range.holds_nothing(bound_type)? {
        append(out, &[EMPTY]);
        return Ok(());
    }
    if matches!(bound_type.family(), Family::Int | Family::Date) {
        range.make_discrete(bound_type)?;
        if range.holds_nothing(bound_type)? {
            append(out, &[EMPTY]);
            return Ok(());
        }
    }
    append(out, &[range.flags()]);
    for bound in [&range.lower, &range.upper] {
        if let Some(value) = &bound.value {
            let len = u32::try_from(value.len()).map_err(|_| ValueError::binary_format())?;
            append(out, &len.to_be_bytes());
            append(out, value);
        }
    }
    Ok(())
}

/// What `range_recv` reads of a bound; it overlooks what follows.
fn significant(ty: ScalarType, wire: &[u8]) -> &[u8] {
    let len = match (usize::try_from(ty.type_len()), wire) {
        (Ok(len), _) => len,
        (Err(_), &[high, low, ..]) => 8 + 2 * usize::from(u16::from_be_bytes([high, low])),
        (Err(_), _) => wire.len(),
    };
    &wire[..len.min(wire.len())]
}

fn canonical_bound(ty: ScalarType, mode: Mode, value: WireValue<'_>) -> Result<Bytes, ValueError> {
    let target = Target::new(DeclaredType::new(ty), mode);
    let mut canonical = Zeroizing::new(Vec::new());
    canonicalise_scalar(target, value, Usage::Assign, &mut canonical)?;
    Ok(canonical)
}

impl Range {
    fn bounds(&mut self) -> [&mut Bound; 2] {
        [&mut self.lower, &mut self.upper]
    }

    /// Whether the bounds leave nothing between them; an error where they are the wrong way round
    /// (`range_serialize`).
    fn holds_nothing(&self, ty: ScalarType) -> Result<bool, ValueError> {
        let (Some(lower), Some(upper)) = (&self.lower.value, &self.upper.value) else {
            return Ok(false);
        };
        match compare(ty, lower, upper)? {
            Ordering::Greater => Err(ValueError::new(
                "22000",
                "range lower bound must be less than or equal to range upper bound",
            )),
            Ordering::Equal => Ok(!(self.lower.is_inclusive && self.upper.is_inclusive)),
            Ordering::Less => Ok(false),
        }
    }

    /// The form `[lower, upper)`.
    fn make_discrete(&mut self, ty: ScalarType) -> Result<(), ValueError> {
        for (bound, is_inclusive) in [(&mut self.lower, true), (&mut self.upper, false)] {
            let Some(value) = &bound.value else { continue };
            if bound.is_inclusive == is_inclusive {
                continue;
            }
            if let Some(next) = successor(ty, value)? {
                bound.value = Some(next);
                bound.is_inclusive = is_inclusive;
            }
        }
        Ok(())
    }

    fn flags(&self) -> u8 {
        let flag = |bound: &Bound, infinite: u8, inclusive: u8| match bound {
            Bound { value: None, .. } => infinite,
            Bound {
                is_inclusive: true, ..
            } => inclusive,
            _ => 0,
        };
        flag(&self.lower, LOWER_INFINITE, LOWER_INCLUSIVE)
            | flag(&self.upper, UPPER_INFINITE, UPPER_INCLUSIVE)
    }
}

/// The bound's value plus one; `None` for an infinite date, which has no next.
fn successor(ty: ScalarType, value: &[u8]) -> Result<Option<Bytes>, ValueError> {
    let number = integer(ty, value)?;
    let is_infinite = number == i64::from(i32::MIN) || number == i64::from(i32::MAX);
    if ty == ScalarType::Date && is_infinite {
        return Ok(None);
    }
    // The canonical form of a bound is checked against its type like any other value.
    let next = number
        .checked_add(1)
        .ok_or_else(|| ValueError::out_of_range(ty))?;
    let (wire_type, binary) = match ty {
        ScalarType::Date => {
            let day = i32::try_from(next).map_err(|_| ValueError::out_of_range(ty))?;
            (ty, Zeroizing::new(day.to_be_bytes().to_vec()))
        }
        _ => (
            ScalarType::Int8,
            Zeroizing::new(next.to_be_bytes().to_vec()),
        ),
    };
    let value = WireValue {
        ty: wire_type,
        format: Format::Binary,
        bytes: &binary,
        settings: &Settings::default(),
        reads_modifier: false,
    };
    canonical_bound(ty, Mode::Randomized, value).map(Some)
}

fn integer(ty: ScalarType, value: &[u8]) -> Result<i64, ValueError> {
    let malformed = || ValueError::malformed(ty);
    if ty == ScalarType::Date {
        let bytes = value.try_into().map_err(|_| malformed())?;
        return Ok(i32::from_be_bytes(bytes).into());
    }
    let bytes = value.try_into().map_err(|_| malformed())?;
    Ok(i64::from_be_bytes(bytes))
}

/// Compares two canonical values of a type of bounds.
fn compare(ty: ScalarType, a: &[u8], b: &[u8]) -> Result<Ordering, ValueError> {
    if ty == ScalarType::Numeric {
        return Ok(Numeric::receive(a)?.compare(&Numeric::receive(b)?));
    }
    Ok(integer(ty, a)?.cmp(&integer(ty, b)?))
}

/// Reads the text form (`range_parse`) up to the bounds' own texts; `None` for an empty range.
fn parse(text: &[u8]) -> Result<Option<Range>, ValueError> {
    let trimmed = |text: &[u8]| text.iter().copied().all(is_space);
    let blanks = text.iter().take_while(|b| is_space(**b)).count();
    let text = &text[blanks..];
    if let Some((word, rest)) = text.split_at_checked(5)
        && word.eq_ignore_ascii_case(b"empty")
    {
        return match trimmed(rest) {
            true => Ok(None),
            false => Err(malformed_literal()),
        };
    }
    let (lower_inclusive, rest) = match text {
        [b'[', rest @ ..] => (true, rest),
        [b'(', rest @ ..] => (false, rest),
        _ => return Err(malformed_literal()),
    };
    let (lower, rest) = parse_bound(rest)?;
    let Some(rest) = rest.strip_prefix(b",") else {
        return Err(malformed_literal());
    };
    let (upper, rest) = parse_bound(rest)?;
    let (upper_inclusive, rest) = match rest {
        [b']', rest @ ..] => (true, rest),
        [b')', rest @ ..] => (false, rest),
        _ => return Err(malformed_literal()),
    };
    if !trimmed(rest) {
        return Err(malformed_literal());
    }
    Ok(Some(Range {
        lower: Bound {
            value: lower,
            is_inclusive: lower_inclusive,
        },
        upper: Bound {
            value: upper,
            is_inclusive: upper_inclusive,
        },
    }))
}

/// A bound's text without quotes and backslashes; `None` where there is nothing at all.
fn parse_bound(text: &[u8]) -> Result<(Option<Bytes>, &[u8]), ValueError> {
    let ends = |byte: u8| matches!(byte, b',' | b')' | b']');
    if text.first().is_some_and(|&byte| ends(byte)) {
        return Ok((None, text));
    }
    // Room for everything, so that no copy is left behind by a reallocation.
    let mut bound = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut is_quoted = false;
    let mut rest = text;
    loop {
        let Some((&byte, after)) = rest.split_first() else {
            return Err(malformed_literal());
        };
        if !is_quoted && ends(byte) {
            return Ok((Some(bound), rest));
        }
        rest = after;
        match byte {
            b'\\' => {
                let (&escaped, after) = rest.split_first().ok_or_else(malformed_literal)?;
                bound.push(escaped);
                rest = after;
            }
            b'"' if is_quoted && rest.first() == Some(&b'"') => {
                bound.push(b'"');
                rest = &rest[1..];
            }
            b'"' => is_quoted = !is_quoted,
            _ => bound.push(byte),
        }
    }
}

/// Reads the binary form, whose bounds are in theirs (`range_recv`); `None` for an empty range. A bound
/// is read where it stands, so that of several faults it is PostgreSQL's that is found.
fn receive(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<Bytes, ValueError>,
) -> Result<Option<Range>, ValueError> {
    let mut parts = Parts::new(bytes);
    let [flags] = parts.chunk()?;
    let mut bound = |infinite: u8, inclusive: u8| {
        let value = if flags & (EMPTY | infinite) == 0 {
            let len = usize::try_from(parts.u32()?).map_err(|_| ValueError::truncated())?;
            Some(read(parts.bytes(len)?)?)
        } else {
            None
        };
        Ok(Bound {
            value,
            is_inclusive: flags & inclusive != 0,
        })
    };
    let lower = bound(LOWER_INFINITE, LOWER_INCLUSIVE)?;
    let upper = bound(UPPER_INFINITE, UPPER_INCLUSIVE)?;
    if !parts.rest().is_empty() {
        return Err(ValueError::new("08P01", "invalid message format"));
    }
    Ok((flags & EMPTY == 0).then_some(Range { lower, upper }))
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let malformed = || ValueError::malformed(ty.scalar());
    let bound_type = ty.scalar().bound_type().ok_or_else(malformed)?;
    let as_it_is = |bytes: &[u8]| Ok(Zeroizing::new(bytes.to_vec()));
    let range = receive(canonical, as_it_is).map_err(|_| malformed())?;
    let flags = range.as_ref().map_or(EMPTY, Range::flags);
    if canonical.first() != Some(&flags) {
        return Err(malformed());
    }
    let Some(range) = range else {
        match format {
            Format::Binary => out.push(EMPTY),
            Format::Text => out.extend_from_slice(b"empty"),
        }
        return Ok(());
    };
    let target = Target::new(DeclaredType::new(bound_type), Mode::Randomized);
    let mut shown = [None, None];
    for (shown, bound) in shown.iter_mut().zip([&range.lower, &range.upper]) {
        if let Some(value) = &bound.value {
            let mut wire = Zeroizing::new(Vec::new());
            super::render(target, format, value, settings, &mut wire)?;
            *shown = Some(wire);
        }
    }
    let [lower, upper] = shown;
    match format {
        Format::Binary => {
            out.push(flags);
            for bound in [lower, upper].into_iter().flatten() {
                let len = u32::try_from(bound.len()).map_err(|_| malformed())?;
                out.extend_from_slice(&len.to_be_bytes());
                out.extend_from_slice(&bound);
            }
        }
        Format::Text => {
            out.push(if range.lower.is_inclusive { b'[' } else { b'(' });
            push_bound(lower.as_deref(), out);
            out.push(b',');
            push_bound(upper.as_deref(), out);
            out.push(if range.upper.is_inclusive { b']' } else { b')' });
        }
    }
    Ok(())
}

/// Writes a bound's text, in quotes where `range_bound_escape` has them.
fn push_bound(bound: Option<&Vec<u8>>, out: &mut Vec<u8>) {
    let Some(bound) = bound else { return };
    let special = |&byte: &u8| b"\"\\()[],".contains(&byte) || is_space(byte);
    if !bound.is_empty() && !bound.iter().any(special) {
        out.extend_from_slice(bound);
        return;
    }
    out.push(b'"');
    for &byte in bound {
        if matches!(byte, b'"' | b'\\') {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'"');
}
