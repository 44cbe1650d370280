//! Sealing: parameters of a Bind, literals of a text.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use bytes::{BufMut, BytesMut};
use sealwire_core::cell::{Header, SealError};
use sealwire_core::policy::{ColumnId, ColumnSpec, KeyId, Policy};
use sealwire_core::types::{Family, ScalarType, WireType};
use sealwire_core::value::array::Array;
use sealwire_core::value::{
    self, Coercion, Format, Settings, Usage, ValueError, canonicalise, coercion_of,
    needs_explicit_cast,
};
use sealwire_sql::{CopyStream, Param, Plan, Replacement};
use zeroize::Zeroizing;

use crate::catalogue::push_hex;
use crate::error::Error;
use crate::keys::{Keys, Unavailable};
use crate::message::array::write_cells_text;
use crate::message::frontend::Bind;
use crate::message::{field, frame};
use crate::poison::Report;
use crate::statement::Prepared;

/// `unknown`, the type of an untyped literal: as good as no type.
pub(crate) const UNKNOWN_OID: u32 = 705;

/// Why sealing or opening stopped.
pub(crate) enum Stop {
    /// A key is being fetched.
    Awaited,
    /// The statement fails with this.
    Failed(Report),
    /// The session ends.
    Fault(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

impl From<Unavailable> for Stop {
    fn from(unavailable: Unavailable) -> Self {
        match unavailable {
            Unavailable::Awaited => Self::Awaited,
            Unavailable::Failed(failure) => Self::Failed(Report::from(&failure)),
        }
    }
}

/// Why the reading of an array stopped.
pub(crate) enum ArrayStop {
    /// It is no array.
    Array(ValueError),
    Element(Stop),
}

impl From<ValueError> for ArrayStop {
    fn from(error: ValueError) -> Self {
        Self::Array(error)
    }
}

impl From<Stop> for ArrayStop {
    fn from(stop: Stop) -> Self {
        Self::Element(stop)
    }
}

impl ArrayStop {
    /// The same with what is said of the array itself.
    pub(crate) fn into_stop(self, report: impl FnOnce(&ValueError) -> Report) -> Stop {
        match self {
            Self::Array(error) => Stop::Failed(report(&error)),
            Self::Element(stop) => stop,
        }
    }
}

/// The first object identifier of a type that a database defines (`FirstNormalObjectId`).
const FIRST_DEFINED_OID: u32 = 16_384;

/// The type that PostgreSQL would give to a parameter, or to an untyped literal, that is stored in
/// a column or compared with it.
pub(crate) fn parameter_type(spec: &ColumnSpec, usage: Usage) -> WireType {
    match (WireType::from(spec.ty), spec.ty.scalar(), usage) {
        (ty, ..) if ty.is_array() => ty,
        // PostgreSQL has no operators of their own for these.
        (_, ScalarType::Varchar, Usage::Compare) => ScalarType::Text.into(),
        (_, ScalarType::Cidr, Usage::Compare) => ScalarType::Inet.into(),
        (ty, ..) => ty,
    }
}

/// The type that a sealed parameter's bytes have on the wire: what the client declared, or else
/// `declared`. `None`: the client declared something that no encrypted column can take. Of an
/// array of values it is the type of the elements.
fn wire_type(client_oid: u32, array: bool, declared: WireType) -> Option<WireType> {
    match client_oid {
        0 | UNKNOWN_OID => Some(declared),
        // The client knows the type's identifier from the database, and labels are looked up in any
        // case.
        oid if declared.scalar() == ScalarType::Enum && oid >= FIRST_DEFINED_OID => Some(declared),
        oid if array => ScalarType::from_array_oid(oid).map(WireType::from),
        oid => WireType::from_oid(oid),
    }
}

/// The type that a string parameter is cast to, where PostgreSQL would hand the string to that
/// type's input function (`pg_cast` has no other way from a string, but for another string).
fn converted(
    client_oid: u32,
    array: bool,
    declared: WireType,
    cast: Option<ScalarType>,
) -> Option<WireType> {
    let is_string = |scalar: ScalarType| scalar.family() == Family::Text;
    let target = cast.filter(|&target| array || declared.is_array() || !is_string(target))?;
    is_string(ScalarType::from_oid(client_oid)?).then(|| match declared.is_array() {
        true => WireType::array_of(target),
        false => target.into(),
    })
}

/// How the bytes of a sealed parameter are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The type that they have.
    pub(crate) ty: WireType,
    /// They are a string for the type's input function.
    pub(crate) is_string: bool,
    /// The type that the statement casts the value to before it meets the column.
    pub(crate) cast: Option<ScalarType>,
}

/// How a parameter is read, or `None` where the client declared a type that is not known here.
pub(crate) fn reading(
    client_oid: u32,
    array: bool,
    declared: WireType,
    cast: Option<ScalarType>,
) -> Option<Reading> {
    if let Some(ty) = converted(client_oid, array, declared, cast) {
        return Some(Reading {
            ty,
            is_string: true,
            cast: None,
        });
    }
    // The cast types a parameter that the client left open.
    let open = match (cast, declared.is_array()) {
        (Some(cast), true) => WireType::array_of(cast),
        (Some(cast), false) => cast.into(),
        (None, _) => declared,
    };
    let ty = wire_type(client_oid, array, open)?;
    let is_other = |cast: &ScalarType| {
        let families = [ty.scalar().family(), declared.scalar().family()];
        // A string stays one, and a moment is not rounded; an integer has to fit.
        let is_family = families == [cast.family(); 2];
        !declared.is_array()
            && ty.scalar() != *cast
            && (!is_family || cast.family() == Family::Int && !array)
    };
    Some(Reading {
        ty,
        is_string: false,
        cast: cast.filter(is_other),
    })
}

/// Why a parameter that the client has declared is not one for its column. The words are
/// PostgreSQL's where it would not take the parameter either.
pub(crate) fn objection(
    number: usize,
    spec: &ColumnSpec,
    usage: Usage,
    array: bool,
    reading: Option<Reading>,
) -> Option<Report> {
    let refused = |what: &str| {
        let path = spec.path();
        Report::new(
            "0A000",
            format!("refusing parameter ${number} for encrypted column `{path}`: {what}"),
        )
        .with_detail(format!("the column's type is `{}`", spec.type_name()))
        .with_hint("declare the column's own type, or none")
    };
    let Some(reading) = reading else {
        return Some(refused("its declared type is not known"));
    };
    if let Some(cast) = reading.cast {
        match coercion_of(cast.into(), reading.ty, Usage::Assign) {
            Coercion::Done if !array => {}
            Coercion::Missing if !needs_explicit_cast(reading.ty.scalar(), cast) => {
                let (from, to) = (reading.ty, WireType::from(cast));
                let message = format!("cannot cast type {from} to {to}");
                return Some(Report::new("42846", message));
            }
            _ => return Some(refused("a cast like this is left to the client")),
        }
    }
    let wire = reading.cast.map_or(reading.ty, WireType::from);
    let coercion = coercion_of(spec.ty.into(), wire, usage);
    if let Some(objection) = coercion.objection(spec, wire, usage) {
        let report = Report::new(objection.sqlstate, objection.message);
        return Some(report.with_hint(objection.hint));
    }
    (coercion == Coercion::Refused).then(|| match usage {
        Usage::Assign => refused(&format!("a value of type {wire} is not converted")),
        _ => refused(&format!(
            "several values of the column can equal one of type {wire}"
        )),
    })
}

/// The keys that a plan's parameters are sealed under.
pub(crate) fn param_keys(plan: &Plan, policy: &Policy) -> Box<[KeyId]> {
    let params = plan.params.iter().filter_map(|param| match param {
        Param::Sealed { column, .. } => Some(*column),
        Param::Plain => None,
    });
    distinct(params.map(|column| policy.sealing_key(column)))
}

/// The keys that the rows of a COPY are sealed under.
pub(crate) fn copy_keys(stream: &CopyStream, policy: &Policy) -> Box<[KeyId]> {
    distinct(stream.sealed().map(|column| policy.sealing_key(column)))
}

/// The keys that a plan's literals are sealed under.
pub(crate) fn literal_keys(plan: &Plan, policy: &Policy) -> Box<[KeyId]> {
    let columns = plan.edits.iter().filter_map(|edit| match edit.replacement {
        Replacement::Literal { column, .. } => Some(column),
        _ => None,
    });
    distinct(columns.map(|column| policy.sealing_key(column)))
}

fn distinct(ids: impl Iterator<Item = KeyId>) -> Box<[KeyId]> {
    let mut ids: Vec<KeyId> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into()
}

/// Buffers that outlive a Bind.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The canonical form of one value.
    canonical: Zeroizing<Vec<u8>>,
    /// The cells of one Bind, one behind the other.
    cells: Vec<u8>,
    /// Where in `cells` the cell of each parameter is.
    places: Vec<Range<usize>>,
    /// Cells sealed so far.
    pub(crate) sealed: u64,
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(redacted)")
    }
}

/// What sealing takes.
pub(crate) struct Sealer<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) keys: &'a mut Keys,
    pub(crate) settings: &'a Settings,
    pub(crate) scratch: &'a mut Scratch,
}

impl fmt::Debug for Sealer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

/// A value, its type on the wire and its format.
#[derive(Clone, Copy)]
struct Wire<'v> {
    ty: WireType,
    format: Format,
    bytes: &'v [u8],
}

impl Sealer<'_> {
    /// Appends the cell of a field of COPY, which comes in the column's own type.
    pub(crate) fn stored(
        &mut self,
        column: ColumnId,
        format: Format,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let ty = WireType::from(self.policy.column(column).ty).copy_field();
        self.cell(column, Usage::Assign, Wire { ty, format, bytes }, out)
    }

    /// Appends the cell of a value that stands for itself. Where it is stored and compared it has
    /// one cell for both, so that what would be stored must be what is compared: 1.5 is stored in an
    /// `int4` column as 2, and equals nothing there.
    fn single(
        &mut self,
        column: ColumnId,
        usage: Usage,
        also_compared: bool,
        value: Wire<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let start = out.len();
        self.cell(column, usage, value, out)?;
        if !also_compared || usage != Usage::Assign {
            return Ok(());
        }
        let stored = std::mem::take(&mut self.scratch.canonical);
        let compared = self.canonical(column, Usage::Compare, value);
        let is_same = compared.is_ok() && self.scratch.canonical == stored;
        if !is_same {
            out.truncate(start);
            compared?;
            let spec = self.policy.column(column);
            let report = Report::new(
                "0A000",
                format!(
                    "refusing to compare a value with encrypted column `{}` that is stored there as another one",
                    spec.path()
                ),
            )
            .with_detail(format!("the column's type is `{}`", spec.type_name()))
            .with_hint("use a parameter for each of the two");
            return Err(Stop::Failed(report));
        }
        Ok(())
    }

    /// Appends the cell of one value.
    fn cell(
        &mut self,
        column: ColumnId,
        usage: Usage,
        value: Wire<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        self.canonical(column, usage, value)?;
        let spec = self.policy.column(column);
        if spec.ty.family() == Family::Bytea {
            self.refuse_sealed(column)?;
        }
        let id = self.policy.sealing_key(column);
        let key = self.keys.column_key(self.policy, column, id)?;
        key.seal(&self.scratch.canonical, out).map_err(|error| {
            let report = Report::new("54000", error.to_string())
                .with_detail(format!("value for encrypted column `{}`", spec.path()));
            Stop::Failed(match error {
                SealError::DeterministicTooLong => {
                    report.with_hint("a randomized column takes longer values")
                }
                _ => report,
            })
        })?;
        self.scratch.sealed += 1;
        Ok(())
    }

    /// The canonical form of a value into `scratch.canonical`.
    fn canonical(&mut self, column: ColumnId, usage: Usage, value: Wire<'_>) -> Result<(), Stop> {
        let spec = self.policy.column(column);
        self.scratch.canonical.clear();
        canonicalise(
            spec.target(),
            value.ty,
            value.format,
            usage,
            value.bytes,
            self.settings,
            &mut self.scratch.canonical,
        )
        .map_err(|error| Stop::Failed(Report::value(&error, &spec.path())))
    }

    /// The binary form of a value that the statement casts to another type.
    fn cast(
        &self,
        column: ColumnId,
        value: Wire<'_>,
        to: ScalarType,
    ) -> Result<Zeroizing<Vec<u8>>, Stop> {
        let mut out = Zeroizing::new(Vec::new());
        let (from, Wire { format, bytes, .. }) = (value.ty.scalar(), value);
        value::cast(to, from, format, bytes, self.settings, &mut out).map_err(|error| {
            let path = self.policy.column(column).path();
            Stop::Failed(Report::value(&error, &path))
        })?;
        Ok(out)
    }

    /// A value of a `bytea` column that is a cell of that column already would be sealed twice:
    /// the application works with cells itself. Whether it is one, the key tells; bytes that only
    /// look like a cell are fine.
    fn refuse_sealed(&mut self, column: ColumnId) -> Result<(), Stop> {
        let value = &self.scratch.canonical;
        let Some(id) =
            Header::parse(value).and_then(|header| self.policy.opening_key(column, header.version))
        else {
            return Ok(());
        };
        let key = self.keys.column_key(self.policy, column, id)?;
        let mut scratch = Zeroizing::new(Vec::new());
        if key.open(value, &mut scratch).is_err() {
            return Ok(());
        }
        let path = self.policy.column(column).path();
        Err(Stop::Failed(
            Report::new(
                "22023",
                format!("refusing to seal a value of `{path}` that is a sealed cell already"),
            )
            .with_hint("pass the plaintext; it is sealed on the way"),
        ))
    }

    /// Reads an array, and seals its elements.
    fn array(
        &mut self,
        column: ColumnId,
        usage: Usage,
        value: Wire<'_>,
        client_oid: u32,
    ) -> Result<Array, Stop> {
        let (policy, settings) = (self.policy, self.settings);
        let mut seal = |ty, bytes: &[u8]| {
            let mut cell = Zeroizing::new(Vec::new());
            self.cell(column, usage, Wire { ty, bytes, ..value }, &mut cell)?;
            Ok(cell)
        };
        let array = match value.format {
            Format::Text => Array::read_text(value.bytes, settings, |bytes| seal(value.ty, bytes)),
            Format::Binary => {
                let ty = Cell::new(value.ty);
                let check_type = |oid| {
                    if oid == value.ty.oid() || value.ty.scalar() == ScalarType::Enum {
                        return Ok(());
                    }
                    // Like `array_recv`, but a client that declared nothing may send what it likes.
                    match (client_oid, ScalarType::from_oid(oid)) {
                        (0, Some(sent)) => ty.set(sent.into()),
                        _ => {
                            let report = Report::new("42804", "wrong element type in binary array");
                            let path = policy.column(column).path();
                            let detail = format!("value for encrypted column `{path}`");
                            return Err(Stop::Failed(report.with_detail(detail)).into());
                        }
                    }
                    Ok(())
                };
                Array::read_binary(value.bytes, check_type, |bytes| seal(ty.get(), bytes))
            }
        };
        array.map_err(|stop: ArrayStop| {
            stop.into_stop(|error| Report::value(error, &policy.column(column).path()))
        })
    }

    /// Appends the Bind that goes to the server. The caller has seen to it that the number of
    /// parameters is the plan's and that the format codes fit.
    pub(crate) fn bind(
        &mut self,
        bind: &Bind<'_>,
        prepared: &Prepared,
        out: &mut BytesMut,
    ) -> Result<(), Stop> {
        // Sealed before anything is written, so that a stop leaves `out` alone.
        let params = &prepared.plan.params;
        let mut cells = std::mem::take(&mut self.scratch.cells);
        let mut places = std::mem::take(&mut self.scratch.places);
        cells.clear();
        places.clear();
        for (at, value) in bind.values().enumerate() {
            let start = cells.len();
            if let (
                Some(bytes),
                Some(&Param::Sealed {
                    column,
                    array,
                    usage,
                    also_compared,
                    cast,
                }),
            ) = (value, params.get(at))
            {
                let mut client_oid = prepared.client_oids.get(at).copied().unwrap_or(0);
                let declared = parameter_type(self.policy.column(column), usage);
                let reading = reading(client_oid, array, declared, cast);
                // Parse was refused where there is none.
                let ty = reading.map_or(declared, |reading| reading.ty);
                let mut format = bind.formats.format(at);
                if reading.is_some_and(|reading| reading.is_string) {
                    // A string has the same bytes in both formats.
                    (client_oid, format) = (0, Format::Text);
                }
                let value = Wire { ty, format, bytes };
                if let Some(to) = reading.and_then(|reading| reading.cast) {
                    let value = self.cast(column, value, to)?;
                    let value = Wire {
                        ty: to.into(),
                        format: Format::Binary,
                        bytes: &value,
                    };
                    self.single(column, usage, also_compared, value, &mut cells)?;
                } else if array {
                    let array = self.array(column, usage, value, client_oid)?;
                    array.write_binary(ScalarType::Bytea.oid(), &mut cells);
                } else {
                    self.single(column, usage, also_compared, value, &mut cells)?;
                }
            }
            places.push(start..cells.len());
        }
        let any_sealed = params.iter().any(|p| matches!(p, Param::Sealed { .. }));
        frame(out, b'B', |out| {
            out.put_slice(bind.portal);
            out.put_u8(0);
            out.put_slice(bind.statement);
            out.put_u8(0);
            let count = u16::try_from(bind.count()).unwrap_or(u16::MAX);
            if any_sealed {
                out.put_u16(count);
                for at in 0..bind.count() {
                    let sealed = matches!(params.get(at), Some(Param::Sealed { .. }));
                    let binary = sealed || bind.formats.format(at) == Format::Binary;
                    out.put_u16(u16::from(binary));
                }
            } else {
                bind.formats.write(out);
            }
            out.put_u16(count);
            for ((at, value), place) in bind.values().enumerate().zip(&places) {
                match params.get(at) {
                    Some(Param::Sealed { .. }) => {
                        field(out, value.map(|_| &cells[place.clone()]))?;
                    }
                    _ => field(out, value)?,
                }
            }
            match prepared.outputs() {
                Some(outputs) if outputs.iter().any(|output| output.column.is_some()) => {
                    out.put_u16(u16::try_from(outputs.len()).unwrap_or(u16::MAX));
                    for (at, output) in outputs.iter().enumerate() {
                        let binary = output.column.is_some()
                            || bind.result_formats.format(at) == Format::Binary;
                        out.put_u16(u16::from(binary));
                    }
                }
                _ => bind.result_formats.write(out),
            }
            Ok(())
        })?;
        self.scratch.cells = cells;
        self.scratch.places = places;
        Ok(())
    }

    /// The text with its edits made: literals sealed, casts cut.
    pub(crate) fn text(&mut self, text: &str, plan: &Plan) -> Result<String, Stop> {
        const OUT_OF_ORDER: Error = Error::ApiMisuse("edits of a plan overlap");
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        let mut cell = Vec::new();
        for edit in &plan.edits {
            push_apart(
                &mut out,
                text.get(at..edit.range.start).ok_or(OUT_OF_ORDER)?,
            );
            at = edit.range.end;
            match &edit.replacement {
                Replacement::Text(text) => out.push_str(text),
                Replacement::Literal {
                    value,
                    wire,
                    column,
                    usage,
                    also_compared,
                    array,
                    since_16,
                } => {
                    if *since_16 && !self.settings.is_server_at_least(16) {
                        return Err(Stop::Failed(Report::number_since_16(
                            text,
                            edit.range.start,
                        )));
                    }
                    cell.clear();
                    let value = Wire {
                        ty: match wire {
                            Some(ty) => (*ty).into(),
                            None => parameter_type(self.policy.column(*column), *usage).literal(),
                        },
                        format: Format::Text,
                        bytes: value.expose().as_bytes(),
                    };
                    if *array {
                        let array = self.array(*column, *usage, value, 0)?;
                        out.push('\'');
                        write_cells_text(array, &mut out);
                        out.push_str("'::pg_catalog.bytea[]");
                        continue;
                    }
                    self.single(*column, *usage, *also_compared, value, &mut cell)?;
                    out.push_str("'\\x");
                    push_hex(&mut out, &cell);
                    out.push_str("'::pg_catalog.bytea");
                }
                _ => return Err(Stop::Fault(Error::ApiMisuse("unknown edit of a plan"))),
            }
        }
        push_apart(&mut out, text.get(at..).ok_or(OUT_OF_ORDER)?);
        Ok(out)
    }
}

/// Adds what follows an edit. `'x'AND` needs no space between the two, and what takes the place of
/// the constant does.
fn push_apart(out: &mut String, rest: &str) {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
    if out.ends_with(is_part) && rest.starts_with(is_part) {
        out.push(' ');
    }
    out.push_str(rest);
}
