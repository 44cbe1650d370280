//! PostgreSQL's types as Sealwire knows them: object identifiers, type modifiers and the
//! families of the cell format.

mod declared;
mod family;
mod scalar;
mod wire;

pub(crate) use self::declared::NAME_BYTES_MAX;
pub use self::declared::{DeclaredType, IntervalFields, ParseTypeError};
pub use self::family::{ElementFamily, Family};
pub use self::scalar::ScalarType;
pub use self::wire::WireType;
