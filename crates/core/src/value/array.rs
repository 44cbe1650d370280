//! Arrays: the two wire formats, and the canonical form of an array that is one value.
//!
//! An array type's column holds the whole array as one cell. The formats are also those of an array
//! *of* values, `= ANY ($1)`, whose elements become a cell each; that is not decided here.

mod text;

use zeroize::Zeroizing;

use super::wire::{Parts, WireValue, append};
use super::{Format, Settings, Target, Usage, ValueError, canonicalise_scalar};
use crate::types::{DeclaredType, Family, ScalarType, WireType};

/// PostgreSQL's `MAXDIM`.
const DIMENSIONS_MAX: usize = 6;
/// `MaxArraySize`: the elements that an array can have.
const ELEMENTS_MAX: usize = 134_217_727;

/// The first object identifier that is not built in (`FirstGenbkiObjectId`).
const FIRST_VARIABLE_OID: u32 = 10_000;

/// One dimension of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dimension {
    len: i32,
    lower: i32,
}

/// An element, in whatever form: it is or was plaintext.
type Element = Zeroizing<Vec<u8>>;

/// An array with its elements in row-major order.
pub struct Array {
    dimensions: Vec<Dimension>,
    /// What was made of the elements; `None` is NULL.
    pub elements: Vec<Option<Element>>,
    /// The element type that the binary format names.
    pub element_oid: Option<u32>,
}

impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Array")
            .field("dimensions", &self.dimensions)
            .finish_non_exhaustive()
    }
}

fn too_many_dimensions() -> ValueError {
    let message = "number of array dimensions exceeds the maximum allowed (6)";
    ValueError::new("54000", message)
}

fn too_many_elements() -> ValueError {
    let message = format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})");
    ValueError::new("54000", message)
}

/// The number of elements, which has a limit, as have the bounds.
fn count(dimensions: &[Dimension]) -> Result<usize, ValueError> {
    let mut total = usize::from(!dimensions.is_empty());
    for dimension in dimensions {
        let len = usize::try_from(dimension.len).map_err(|_| too_many_elements())?;
        total = total.checked_mul(len).ok_or_else(too_many_elements)?;
        if dimension.lower.checked_add(dimension.len).is_none() {
            return Err(ValueError::new("54000", "array lower bound is too large"));
        }
    }
    if total > ELEMENTS_MAX {
        return Err(too_many_elements());
    }
    Ok(total)
}

impl Array {
    /// Reads the binary format (`array_recv`) from front to back, the element type with `check_type`
    /// and every element that is not NULL with `element` where they stand, so that of several faults
    /// it is PostgreSQL's that is found. What `element` makes of an element takes its place.
    ///
    /// # Errors
    /// [`ValueError`] where the bytes are not an array, or one beyond PostgreSQL's limits; whatever
    /// `check_type` and `element` fail with.
    pub fn read_binary<E: From<ValueError>>(
        bytes: &[u8],
        check_type: impl FnOnce(u32) -> Result<(), E>,
        element: impl FnMut(&[u8]) -> Result<Element, E>,
    ) -> Result<Self, E> {
        let invalid = |what: &str| ValueError::new("22P03", format!("invalid {what}"));
        let mut parts = Parts::new(bytes);
        let ndim = usize::try_from(parts.i32()?).map_err(|_| invalid("number of dimensions"))?;
        if ndim > DIMENSIONS_MAX {
            return Err(too_many_dimensions().into());
        }
        if !matches!(parts.i32()?, 0 | 1) {
            return Err(invalid("array flags").into());
        }
        let element_oid = parts.u32()?;
        check_type(element_oid)?;
        let mut dimensions = Vec::with_capacity(ndim);
        for _ in 0..ndim {
            let (len, lower) = (parts.i32()?, parts.i32()?);
            dimensions.push(Dimension { len, lower });
        }
        let elements = Self::read_elements(&mut parts, count(&dimensions)?, element)?;
        parts.end()?;
        if elements.is_empty() {
            dimensions.clear();
        }
        Ok(Self {
            dimensions,
            elements,
            element_oid: Some(element_oid),
        })
    }

    fn read_elements<E: From<ValueError>>(
        parts: &mut Parts<'_>,
        count: usize,
        mut element: impl FnMut(&[u8]) -> Result<Element, E>,
    ) -> Result<Vec<Option<Element>>, E> {
        // `ReadArrayBinary`, which finds a length without its bytes to be another error.
        let truncated = || ValueError::new("22P03", "insufficient data left in message");
        // Every element takes four bytes at least.
        let mut elements = Vec::with_capacity(count.min(parts.rest().len() / 4));
        for _ in 0..count {
            elements.push(match parts.i32()? {
                -1 => None,
                len => {
                    let len = usize::try_from(len).map_err(|_| truncated())?;
                    let bytes = parts.bytes(len).map_err(|_| truncated())?;
                    Some(element(bytes)?)
                }
            });
        }
        Ok(elements)
    }

    /// Appends the binary format (`array_send`).
    pub fn write_binary(&self, element_oid: u32, out: &mut Vec<u8>) {
        let has_null = self.elements.iter().any(Option::is_none);
        out.extend_from_slice(&len_i32(self.dimensions.len()).to_be_bytes());
        out.extend_from_slice(&i32::from(has_null).to_be_bytes());
        out.extend_from_slice(&element_oid.to_be_bytes());
        for dimension in &self.dimensions {
            out.extend_from_slice(&dimension.len.to_be_bytes());
            out.extend_from_slice(&dimension.lower.to_be_bytes());
        }
        for element in &self.elements {
            match element {
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
                Some(element) => {
                    out.extend_from_slice(&len_i32(element.len()).to_be_bytes());
                    out.extend_from_slice(element);
                }
            }
        }
    }

    /// Reads the canonical form; `None` where the bytes are not one.
    fn from_canonical(canonical: &[u8]) -> Option<Self> {
        let mut parts = Parts::new(canonical);
        let [ndim] = parts.chunk().ok()?;
        if usize::from(ndim) > DIMENSIONS_MAX {
            return None;
        }
        let mut dimensions = Vec::with_capacity(ndim.into());
        for _ in 0..ndim {
            let (len, lower) = (parts.i32().ok()?, parts.i32().ok()?);
            dimensions.push(Dimension { len, lower });
        }
        let element = |bytes: &[u8]| Ok::<_, ValueError>(Zeroizing::new(bytes.to_vec()));
        let elements = Self::read_elements(&mut parts, count(&dimensions).ok()?, element).ok()?;
        parts.end().ok()?;
        (elements.is_empty() == dimensions.is_empty()).then_some(Self {
            dimensions,
            elements,
            element_oid: None,
        })
    }
}

fn len_i32(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

/// Whether values of a type are assigned to another one here; asked of the types, because an array
/// may have no elements that would tell.
fn is_assignable(from: ScalarType, to: ScalarType) -> bool {
    const NUMBERS: [Family; 4] = [Family::Int, Family::Float4, Family::Float8, Family::Numeric];
    const DAYS: [Family; 3] = [Family::Date, Family::Timestamp, Family::Timestamptz];
    let (from_family, to_family) = (from.family(), to.family());
    if from.bound_type().is_some() {
        return from == to;
    }
    from_family == to_family
        || NUMBERS.contains(&from_family) && NUMBERS.contains(&to_family)
        || DAYS.contains(&from_family) && DAYS.contains(&to_family)
        || to_family == Family::Money
            && matches!(
                from,
                ScalarType::Int4 | ScalarType::Int8 | ScalarType::Numeric
            )
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let element_type = target.ty.element();
    // Arrays are assigned by casts of their elements, but compared with those of their own type.
    let is_castable = match usage {
        Usage::Assign => is_assignable(value.ty, element_type.scalar()),
        Usage::Compare | Usage::Choose => value.ty == element_type.scalar(),
    };
    if !is_castable {
        let wire = WireType::array_of(value.ty);
        return Err(ValueError::mismatch(target.ty, wire));
    }
    let target = Target {
        ty: element_type,
        ..target
    };
    let check_type = |oid| {
        let is_variable = oid >= FIRST_VARIABLE_OID || value.ty == ScalarType::Enum;
        if is_variable || oid == value.ty.oid() {
            return Ok(());
        }
        let message = "binary data has another array element type than expected";
        Err(ValueError::new("42804", message))
    };
    let read = |target, usage| {
        let element = |bytes: &[u8]| {
            let mut form = Zeroizing::new(Vec::new());
            canonicalise_scalar(target, WireValue { bytes, ..value }, usage, &mut form)?;
            Ok(form)
        };
        match value.format {
            Format::Text => Array::read_text(value.bytes, value.settings, element),
            Format::Binary => Array::read_binary(value.bytes, check_type, element),
        }
    };
    let array = read(target, usage).or_else(|error| {
        if value.reads_modifier {
            return Err(error);
        }
        // The whole array is read as one of its own type before any element is cast.
        let own = Target {
            ty: DeclaredType::new(value.ty),
            ..target
        };
        read(own, Usage::Assign).and(Err(error))
    })?;
    let mut canonical = Zeroizing::new(Vec::new());
    append(
        &mut canonical,
        &[u8::try_from(array.dimensions.len()).unwrap_or(0)],
    );
    for dimension in &array.dimensions {
        append(&mut canonical, &dimension.len.to_be_bytes());
        append(&mut canonical, &dimension.lower.to_be_bytes());
    }
    for element in &array.elements {
        let Some(form) = element else {
            append(&mut canonical, &(-1_i32).to_be_bytes());
            continue;
        };
        let len = i32::try_from(form.len()).map_err(|_| too_many_elements())?;
        append(&mut canonical, &len.to_be_bytes());
        append(&mut canonical, form);
    }
    append(out, &canonical);
    Ok(())
}

pub(super) fn render(
    target: Target<'_>,
    format: Format,
    canonical: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let mut array = Array::from_canonical(canonical)
        .ok_or_else(|| ValueError::malformed(target.ty.scalar()))?;
    let target = Target {
        ty: target.ty.element(),
        ..target
    };
    for element in array.elements.iter_mut().flatten() {
        let mut wire = Zeroizing::new(Vec::new());
        super::render(target, format, element, settings, &mut wire)?;
        *element = wire;
    }
    match format {
        Format::Binary => array.write_binary(target.element_oid(), out),
        Format::Text => array.write_text(out),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Mode;

    fn sqlstate(ty: &str, parts: &[&[u8]]) -> &'static str {
        let ty: DeclaredType = ty.parse().expect("a type");
        let result = super::super::canonicalise(
            Target::new(ty, Mode::Randomized),
            ty,
            Format::Binary,
            Usage::Assign,
            &parts.concat(),
            &Settings::default(),
            &mut Zeroizing::new(Vec::new()),
        );
        result.expect_err("a fault").sqlstate
    }

    #[test]
    fn elements_are_cast_when_all_have_been_read() {
        let sqlstate = |ty: &str, wire: WireType, text: &str| {
            let result = crate::value::canonicalise(
                Target::new(ty.parse().expect("a type"), Mode::Randomized),
                wire,
                Format::Text,
                Usage::Assign,
                text.as_bytes(),
                &Settings::default(),
                &mut Zeroizing::new(Vec::new()),
            );
            result.map_or_else(|error| error.sqlstate, |()| "")
        };
        let bits = WireType::array_of(ScalarType::Bit);
        for (ty, wire, text, expected) in [
            ("bit(3)[]", bits, "{1,2}", "22P02"),
            ("bit(3)[]", bits, "{1,11}", "22026"),
            ("bit(3)[]", bits.literal(), "{1,2}", "22P02"),
            ("bit(3)[]", bits.copy_field(), "{1,2}", "22026"),
            (
                "int4[]",
                WireType::array_of(ScalarType::Int8),
                "{99999999999,x}",
                "22P02",
            ),
            (
                "int4[]",
                WireType::array_of(ScalarType::Int8),
                "{99999999999,1}",
                "22003",
            ),
        ] {
            assert_eq!(sqlstate(ty, wire, text), expected, "{ty} {text}");
        }
    }

    /// What PostgreSQL's receive functions say of the same bytes.
    #[test]
    fn of_several_faults_the_first_is_the_error() {
        let one = 1_i32.to_be_bytes();
        let head = |oid: u32, count: i32| {
            let numbers = [one, [0; 4], oid.to_be_bytes(), count.to_be_bytes(), one];
            numbers.concat()
        };
        let jsonb: &[u8] = &[0, 0, 0, 2, 1, b'x'];
        for (ty, parts, expected) in [
            ("int4[]", [&head(23, 1), &[0, 0, 0][..], &[]], "08P01"),
            ("int4[]", [&head(23, 1), &[0, 0, 0, 4], &[1]], "22P03"),
            ("int4[]", [&head(20, 1), &[0, 0, 0], &[]], "42804"),
            ("jsonb[]", [&head(3802, 2), jsonb, &[0, 0]], "22P02"),
            ("jsonb[]", [&head(3802, 1), &[0, 0, 0, 9], jsonb], "22P03"),
            // A day after the last one, and nothing of the upper bound.
            (
                "daterange",
                [&[2, 0, 0, 0, 4], &[0x7f, 0xff, 0xff, 0], &[]],
                "22008",
            ),
            ("daterange", [&[2, 0, 0, 0, 4], &[0, 0, 0, 0], &[]], "08P01"),
        ] {
            assert_eq!(sqlstate(ty, &parts), expected, "{ty} {parts:02x?}");
        }
    }
}
