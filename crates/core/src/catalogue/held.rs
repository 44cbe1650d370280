//! Types of the database's own that hold cells, and the functions that take or return some.

use std::collections::HashMap;

/// A type that has cells in it: a domain over the cells' domains, a composite type with such a
/// column, the row type of a relation with one, an array or a range of any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellType {
    /// `pg_type.oid`.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// The view whose row type it is, or has in it: whether it holds cells depends on what the view
    /// shows. Zero where the type itself says that it does.
    pub view: u32,
    /// `typrelid`: the relation whose row it is, or zero.
    pub row_of: u32,
    /// The columns of a composite type that is not a relation's row.
    pub columns: Vec<(String, u32)>,
}

/// A function, procedure or aggregate of a name under which one takes or returns cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// `pg_proc.oid`.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `prorettype`.
    pub returns: u32,
    /// Types of the arguments that a call has.
    pub arguments: Vec<u32>,
    /// The last argument is an array that further arguments go into.
    pub variadic: bool,
    /// The columns that it returns by `OUT` parameters or `RETURNS TABLE`.
    pub columns: Vec<(String, u32)>,
}

/// Everything that holds cells beside the columns of relations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The types, those of views once for each view.
    pub types: Vec<CellType>,
    /// Relations with a column of such a type, and views over these, by object identifier.
    pub relations: HashMap<u32, String>,
    /// Every function of the names of those that take or return such a type.
    pub functions: Vec<Function>,
}
