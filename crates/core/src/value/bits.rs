//! `bit(n)` and `bit varying(n)`: the number of bits, then the bits, zeros behind them.

use zeroize::Zeroizing;

use super::uuid::hex_digit;
use super::wire::{Parts, WireValue, append};
use super::{Format, Target, Usage, ValueError};
use crate::types::{DeclaredType, ScalarType};

/// Bits, the first in the most significant place.
struct Bits {
    len: usize,
    bytes: Zeroizing<Vec<u8>>,
}

impl Bits {
    /// Reads the binary form, which is also the canonical one (`varbit_recv`).
    fn receive(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut parts = Parts::new(bytes);
        let len = usize::try_from(parts.i32()?)
            .map_err(|_| ValueError::new("22P03", "invalid length in external bit string"))?;
        let mut bytes = Zeroizing::new(parts.bytes(len.div_ceil(8))?.to_vec());
        parts.end()?;
        if let (Some(last), used @ 1..) = (bytes.last_mut(), len % 8) {
            *last &= u8::MAX << (8 - used);
        }
        Ok(Self { len, bytes })
    }

    /// Reads `101`, `b101` or `x1f`.
    fn parse(text: &str) -> Result<Self, ValueError> {
        let (digits, per_digit, kind) = match text.as_bytes() {
            [b'x' | b'X', digits @ ..] => (digits, 4, "hexadecimal"),
            [b'b' | b'B', digits @ ..] => (digits, 1, "binary"),
            digits => (digits, 1, "binary"),
        };
        let len = digits.len() * per_digit;
        let mut bytes = Zeroizing::new(vec![0; len.div_ceil(8)]);
        for (at, &digit) in digits.iter().enumerate() {
            let value = match per_digit {
                4 => hex_digit(digit),
                _ => hex_digit(digit).filter(|&bit| bit <= 1),
            };
            let value =
                value.ok_or_else(|| ValueError::new("22P02", format!("invalid {kind} digit")))?;
            let at = at * per_digit;
            bytes[at / 8] |= value << (8 - per_digit - at % 8);
        }
        Ok(Self { len, bytes })
    }
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    if !matches!(value.ty, ScalarType::Bit | ScalarType::Varbit) {
        return Err(ValueError::mismatch(target.ty, value.ty));
    }
    let bits = match value.format {
        Format::Binary => Bits::receive(value.bytes)?,
        Format::Text => Bits::parse(value.text()?)?,
    };
    if let (Usage::Assign, Some(limit)) = (usage, target.ty.max_bits()) {
        let len = bits.len;
        if target.ty.scalar() == ScalarType::Bit && len != limit {
            let message = format!("bit string length {len} does not match type bit({limit})");
            return Err(ValueError::new("22026", message));
        }
        if len > limit {
            let message = format!("bit string too long for type bit varying({limit})");
            return Err(ValueError::new("22001", message));
        }
    }
    let len = i32::try_from(bits.len).map_err(|_| ValueError::binary_format())?;
    append(out, &len.to_be_bytes());
    append(out, &bits.bytes);
    Ok(())
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let malformed = || ValueError::malformed(ty.scalar());
    let bits = Bits::receive(canonical).map_err(|_| malformed())?;
    if !canonical.ends_with(&bits.bytes) {
        return Err(malformed());
    }
    match format {
        Format::Binary => out.extend_from_slice(canonical),
        Format::Text => {
            out.reserve(bits.len);
            let digits = (0..bits.len).map(|at| b'0' + (bits.bytes[at / 8] >> (7 - at % 8) & 1));
            out.extend(digits);
        }
    }
    Ok(())
}
