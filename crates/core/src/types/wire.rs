//! The type of a value on the wire.

use super::{DeclaredType, ScalarType};

/// A type that a client's value can have: a scalar type or arrays of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireType {
    scalar: ScalarType,
    array: bool,
    origin: Origin,
}

/// Where a value stands, as far as its reading depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Parameter,
    Literal,
    CopyField,
}

impl WireType {
    /// Arrays of a type.
    pub const fn array_of(scalar: ScalarType) -> Self {
        Self {
            scalar,
            array: true,
            origin: Origin::Parameter,
        }
    }

    /// The type itself, or that of the array's elements.
    pub const fn scalar(self) -> ScalarType {
        self.scalar
    }

    /// Whether values are arrays.
    pub const fn is_array(self) -> bool {
        self.array
    }

    /// The same as the type of an untyped literal, which PostgreSQL reads with the column's modifier
    /// at hand: `'5'` means five days in a column of type `interval day`, and five seconds as a
    /// parameter that is cut to days afterwards.
    #[must_use]
    pub const fn literal(self) -> Self {
        Self {
            origin: Origin::Literal,
            ..self
        }
    }

    /// The same as the type of a field of COPY, which PostgreSQL reads with the column's modifier
    /// whatever the type.
    #[must_use]
    pub const fn copy_field(self) -> Self {
        Self {
            origin: Origin::CopyField,
            ..self
        }
    }

    /// Whether the value is read with the column's modifier; a literal that is an array is not
    /// (`coerce_type`).
    pub(crate) const fn reads_modifier(self) -> bool {
        match self.origin {
            Origin::Parameter => false,
            Origin::Literal => !self.array,
            Origin::CopyField => true,
        }
    }

    /// The type with this object identifier.
    pub fn from_oid(oid: u32) -> Option<Self> {
        ScalarType::from_oid(oid)
            .map(Self::from)
            .or_else(|| ScalarType::from_array_oid(oid).map(Self::array_of))
    }

    /// The object identifier; that of `text` for an enumerated type.
    pub const fn oid(self) -> u32 {
        if self.array {
            self.scalar.array_oid()
        } else {
            self.scalar.oid()
        }
    }
}

impl From<ScalarType> for WireType {
    fn from(scalar: ScalarType) -> Self {
        Self {
            scalar,
            array: false,
            origin: Origin::Parameter,
        }
    }
}

impl From<DeclaredType> for WireType {
    fn from(ty: DeclaredType) -> Self {
        Self {
            scalar: ty.scalar(),
            array: ty.is_array(),
            origin: Origin::Parameter,
        }
    }
}

impl std::fmt::Display for WireType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.scalar.name())?;
        f.write_str(if self.array { "[]" } else { "" })
    }
}
