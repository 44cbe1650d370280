//! From types to a plan: what each parameter, literal, cast and output column turned out to be.

use std::collections::{BTreeMap, BTreeSet};

use sealwire_core::policy::{ColumnId, ColumnSpec, Policy};
use sealwire_core::types::{DeclaredType, Family, ScalarType, WireType};
use sealwire_core::value::{self, Coercion, Objection, Usage};

use crate::infer::{
    Analyser, CastOperand, CastUse, LiteralUse, Named, OutColumn, Taker, hides, literal_fits,
};
use crate::ir::{CastForm, Literal, LiteralClass, TypeName};
use crate::plan::{Edit, LiteralValue, Output, Param, Refusal, RefusalKind, Replacement, Untyped};
use crate::refuse::{self, Finish, refuse};
use crate::types::{Ground, Sealed, Site};

/// The largest parameter number that the protocol can carry.
const PARAMS_MAX: u32 = 65_535;

/// The grounded statement.
#[derive(Debug, Default)]
pub(crate) struct Grounded {
    pub(crate) params: Vec<Param>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) untyped: Vec<Untyped>,
}

const fn usage(sealed: Sealed) -> Usage {
    if sealed.assigned {
        Usage::Assign
    } else if sealed.compared {
        Usage::Compare
    } else {
        Usage::Choose
    }
}

const fn also_compared(sealed: Sealed) -> bool {
    sealed.assigned && sealed.equated
}

/// Types every parameter and literal of a statement.
pub(crate) fn ground(text: &str, analyser: &mut Analyser<'_, '_, '_>) -> Result<Grounded, Refusal> {
    let mut grounded = Grounded::default();
    let params = analyser.params.iter().map(|(&number, &ty)| {
        let site = Site {
            at: 0,
            param: Some(number),
        };
        (ty, site)
    });
    let literals = analyser.literals.iter().map(|literal| {
        let site = Site {
            at: literal.at,
            param: None,
        };
        (literal.ty, site)
    });
    analyser.types.check_stores(params.chain(literals))?;
    for number in analyser.params.keys().copied().collect::<Vec<_>>() {
        param(analyser, number, &mut grounded.params)?;
    }
    grounded.untyped = untyped(analyser)?;
    uncommon(analyser, &mut grounded.edits)?;
    let policy = analyser.resolver.context.policy;
    let mut replaced = Vec::new();
    let mut cast_starts = Vec::new();
    let mut param_casts = BTreeMap::<u32, Vec<ScalarType>>::new();
    let mut crossed = Vec::new();
    for cast in std::mem::take(&mut analyser.casts) {
        let (sealed, array) = match analyser.types.ground(cast.ty) {
            Ground::Plain => continue,
            Ground::Sealed(sealed) => (sealed, false),
            Ground::Array(sealed) => (sealed, true),
            Ground::Unlisted => return Err(analyser.types.unlisted_value(cast.ty, cast.at)),
            Ground::Deep => return Err(nested_array(cast.at)),
        };
        let crosses = match analyser.arguments || analyser.prepares {
            true => None,
            false => crossing(policy, &cast, sealed, array)?,
        };
        let mut edit = cut(text, policy, &cast, sealed, array, crosses)?;
        // `CAST('x' AS text)` is replaced as far as the literal, and its name stands for the rest.
        if let (CastForm::Function(..), CastOperand::Literal(literal), Some(name)) =
            (cast.form, &cast.operand, cast.label)
            && let Some(literal) = &literal.range
        {
            let replacement = Replacement::Text(label(Some(name)));
            let range = literal.end..edit.range.end;
            edit.range.end = literal.end;
            grounded.edits.push(Edit { range, replacement });
        }
        if let CastOperand::Param { number, .. } = cast.operand {
            let target =
                crosses.unwrap_or_else(|| target_scalar(cast.target, policy.column(sealed.column)));
            param_casts.entry(number).or_default().push(target);
            if crosses.is_some() {
                crossed.push((number, cast_refusal(policy, &cast, sealed)));
            }
        }
        if let (CastForm::Function(range, _), CastOperand::Values) = (cast.form, &cast.operand) {
            // What stands between the two may have edits of its own: `((x )::pg_catalog.bytea)`.
            grounded.edits.push(Edit {
                range: range.start..range.start + "CAST".len(),
                replacement: Replacement::Text("(".to_owned()),
            });
        }
        if edit.is_literal() {
            replaced.push(edit.range.clone());
        }
        if let CastOperand::Literal(Literal {
            range: Some(range), ..
        }) = cast.operand
        {
            let wire = crosses.or_else(|| cast_type(policy, sealed, cast.target));
            cast_starts.push((range.start, wire, crosses));
        }
        grounded.edits.push(edit);
    }
    for (number, targets) in param_casts {
        let everywhere = analyser.param_uses.get(&number) == Some(&targets.len());
        let same = targets.windows(2).all(|pair| pair[0] == pair[1]);
        if let (true, true, Some(Param::Sealed { cast, .. })) = (
            everywhere,
            same,
            grounded.params.get_mut(number as usize - 1),
        ) {
            *cast = targets.first().copied();
        } else if let Some((_, refusal)) = crossed.iter().find(|(other, _)| *other == number) {
            // The server would give it one type for all of its places.
            return Err(refusal.clone());
        }
    }
    for literal_use in std::mem::take(&mut analyser.literals) {
        let (sealed, array) = match analyser.types.ground(literal_use.ty) {
            Ground::Plain => continue,
            Ground::Sealed(sealed) => (sealed, false),
            Ground::Array(sealed) => (sealed, true),
            Ground::Unlisted => {
                let LiteralUse { ty, at, .. } = literal_use;
                return Err(analyser.types.unlisted_value(ty, at));
            }
            Ground::Deep => return Err(nested_array(literal_use.at)),
        };
        let literal = literal_use.literal;
        // A literal inside a cast that is replaced as a whole.
        let start = literal.range.as_ref().map(|range| range.start);
        if replaced
            .iter()
            .any(|outer| start.is_some_and(|start| outer.contains(&start)))
        {
            continue;
        }
        let cast = cast_starts
            .iter()
            .find(|(cast, ..)| start.is_some_and(|start| *cast == start));
        let crosses = match cast {
            Some((.., crosses)) => *crosses,
            None if array || analyser.arguments => None,
            None => bare_crossing(policy, literal, sealed, literal_use.at)?,
        };
        let range = literal_range(policy, literal, sealed, array, crosses, literal_use.at)?;
        let wire = match cast {
            _ if array => None,
            _ if crosses.is_some() => crosses,
            Some((_, wire, _)) => *wire,
            None if analyser.arguments && literal.class == LiteralClass::String => {
                unmodified(policy, sealed)
            }
            None => bare_type(policy, literal, sealed),
        };
        grounded.edits.push(Edit {
            range,
            replacement: replacement(literal, sealed, array, wire),
        });
    }
    for (ty, at) in std::mem::take(&mut analyser.nulls) {
        let array = match analyser.types.ground(ty) {
            Ground::Sealed(_) => false,
            Ground::Array(_) => true,
            // Whatever else it is, it is no cell.
            Ground::Plain | Ground::Unlisted | Ground::Deep => continue,
        };
        grounded.edits.push(Edit {
            range: at..at + "NULL".len(),
            replacement: Replacement::Text(format!("NULL::{}", cell_type(array))),
        });
    }
    grounded.edits.sort_by_key(|edit| edit.range.start);
    let overlaps = grounded
        .edits
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.range.end > b.range.start));
    if overlaps {
        return Err(refuse::construct("casts and literals like these", None));
    }
    for positional in std::mem::take(&mut analyser.positional) {
        for ty in positional.types {
            if !matches!(analyser.types.ground(ty), Ground::Plain | Ground::Unlisted) {
                let what = positional.what;
                return Err(refuse(
                    RefusalKind::UnsupportedConstruct,
                    format!("refusing to match the columns of `*` by position in {what}"),
                )
                .detail("their order or number is the server's word alone, and one is encrypted")
                .hint("name the columns, or pin their order with `sealwire columns pin`")
                .at(positional.at));
            }
        }
    }
    for (ty, name, at) in std::mem::take(&mut analyser.hidden) {
        match analyser.types.ground(ty) {
            Ground::Plain | Ground::Unlisted => {}
            Ground::Sealed(sealed) | Ground::Array(sealed) => {
                return Err(hides(name, &analyser.path_of(sealed.column), at));
            }
            Ground::Deep => return Err(hides(name, name, at)),
        }
    }
    Ok(grounded)
}

/// Refuses what the server has no common type for: an array of a column's cells is of another type to
/// it than one of values, and a recursive query keeps the type of its first arm.
fn uncommon(analyser: &mut Analyser<'_, '_, '_>, edits: &mut Vec<Edit>) -> Result<(), Refusal> {
    let mut ends = BTreeSet::new();
    for array in std::mem::take(&mut analyser.arrays) {
        let Ground::Array(sealed) = analyser.types.ground(array.ty) else {
            continue;
        };
        if array.both {
            ends.extend(array.ends);
            continue;
        }
        let path = analyser.path_of(sealed.column);
        return Err(refuse(
            RefusalKind::UnsupportedConstruct,
            format!(
                "refusing to compare an array of encrypted column `{path}` by {}",
                array.what
            ),
        )
        .detail("an array of its cells is of another type than an array of values")
        .hint("compare the elements, for example by `= ANY`")
        .at(array.at));
    }
    edits.extend(ends.into_iter().map(|end| Edit {
        range: end..end + 1,
        replacement: Replacement::Text(format!("]::{}", cell_type(true))),
    }));
    let arms = std::mem::take(&mut analyser.recursive_arms);
    if arms.is_empty() {
        return Ok(());
    }
    // All of these are `bytea` to the server, NULL too where it has a type.
    let params = analyser.params.values().copied();
    let literals = analyser.literals.iter().map(|literal| literal.ty);
    let casts = analyser.casts.iter().map(|cast| cast.ty);
    let nulls = analyser.nulls.iter().map(|(ty, _)| *ty);
    let values = params.chain(literals).chain(casts).chain(nulls).collect();
    let sets = arms.iter().flat_map(|arm| [arm.first, arm.result]);
    let hold_values = analyser.types.hold(sets.collect(), values);
    for (arm, holds) in arms.iter().zip(hold_values.chunks(2)) {
        if let (Ground::Sealed(sealed), [false, true]) = (analyser.types.ground(arm.result), holds)
        {
            let path = analyser.path_of(sealed.column);
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                format!("refusing to add values to cells of encrypted column `{path}` in a recursive query"),
            )
            .detail("to the server the column is of another type than a sealed value, and the first arm says the type")
            .hint("let the first arm say that there are values: `coalesce(column, NULL::text)`")
            .at(arm.at));
        }
    }
    Ok(())
}

/// The places whose type the client has to declare. A parameter that stands elsewhere too may have
/// got its type there, and those of `PREPARE` have it from the statement.
fn untyped(analyser: &mut Analyser<'_, '_, '_>) -> Result<Vec<Untyped>, Refusal> {
    let policy = analyser.resolver.context.policy;
    let mut untyped = Vec::new();
    for bare in std::mem::take(&mut analyser.bare) {
        let is_used_once = |number| analyser.param_uses.get(number) == Some(&1);
        if analyser.prepares || !bare.params.iter().all(is_used_once) {
            continue;
        }
        let objection = match (bare.taker, analyser.types.ground(bare.ty)) {
            (Taker::Unnest, Ground::Array(_)) => Objection {
                sqlstate: "42725",
                message: "function unnest(unknown) is not unique".to_owned(),
                hint: "Could not choose a best candidate function. You might need to add explicit type casts.",
            },
            // An array of what has no type is one of `text`.
            (Taker::Any, Ground::Sealed(sealed)) => {
                let spec = policy.column(sealed.column);
                let (own, text) = (spec.ty.into(), ScalarType::Text.into());
                let coercion = value::coercion_of(own, text, Usage::Compare);
                match coercion.objection(spec, text, Usage::Compare) {
                    Some(objection) => objection,
                    None => continue,
                }
            }
            _ => continue,
        };
        if bare.params.is_empty() {
            return Err(refuse::invalid(objection.sqlstate, objection.message)
                .hint(objection.hint)
                .at(bare.at));
        }
        untyped.push(Untyped {
            params: bare.params,
            sqlstate: objection.sqlstate,
            message: objection.message,
            hint: objection.hint,
        });
    }
    Ok(untyped)
}

fn param(
    analyser: &mut Analyser<'_, '_, '_>,
    number: u32,
    params: &mut Vec<Param>,
) -> Result<(), Refusal> {
    if number > PARAMS_MAX {
        return Err(refuse(
            RefusalKind::TooComplex,
            format!("refusing to run a statement with parameter `${number}`"),
        )
        .hint("number parameters from `$1`, up to `$65535`"));
    }
    let Some(&ty) = analyser.params.get(&number) else {
        return Ok(());
    };
    let (sealed, array) = match analyser.types.ground(ty) {
        Ground::Plain => (None, false),
        Ground::Sealed(sealed) => (Some(sealed), false),
        Ground::Array(sealed) => (Some(sealed), true),
        Ground::Unlisted => {
            let mut refusal = analyser.types.unlisted_value(ty, 0);
            refusal.offset = None;
            return Err(refusal);
        }
        Ground::Deep => {
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                format!("refusing to seal `${number}`, an array of arrays"),
            )
            .hint("pass an array of values"));
        }
    };
    let index = number as usize;
    if params.len() < index {
        params.resize(index, Param::Plain);
    }
    if let (Some(sealed), Some(slot)) = (sealed, params.get_mut(index - 1)) {
        *slot = Param::Sealed {
            column: sealed.column,
            array,
            usage: usage(sealed),
            also_compared: also_compared(sealed),
            cast: None,
        };
    }
    Ok(())
}

/// The output columns of a statement that returns rows to the client.
pub(crate) fn outputs(
    analyser: &mut Analyser<'_, '_, '_>,
    columns: &[OutColumn<'_>],
) -> Result<Vec<Output>, Refusal> {
    let mut outputs = Vec::with_capacity(columns.len());
    for column in columns {
        let (sealed, array) = match analyser.types.ground(column.ty) {
            Ground::Plain | Ground::Unlisted => {
                outputs.push(Output::PLAIN);
                continue;
            }
            Ground::Sealed(sealed) => (sealed, false),
            Ground::Array(sealed) => (sealed, true),
            Ground::Deep => return Err(nested_array(0)),
        };
        outputs.push(Output {
            column: Some(sealed.shown),
            array,
            compared: sealed.compared,
            ..Output::PLAIN
        });
    }
    if outputs.iter().any(|output| output.column.is_some()) {
        for (output, column) in outputs.iter_mut().zip(columns) {
            output.name = column.named.is_some().then(|| column.name.as_ref().into());
            output.certain = column.named == Some(Named::Certainly);
        }
    }
    Ok(outputs)
}

/// Output columns that must be single cells: those of a view, since a column of a relation that the
/// manifest does not list has no other way to be known as encrypted, and those of COPY.
pub(crate) fn single_outputs(
    analyser: &mut Analyser<'_, '_, '_>,
    columns: &[OutColumn<'_>],
    what: &'static str,
) -> Result<Vec<Output>, Refusal> {
    let outputs = outputs(analyser, columns)?;
    match outputs.iter().find(|output| output.array) {
        Some(Output {
            column: Some(column),
            ..
        }) => Err(array_output(analyser, *column, what)),
        _ => Ok(outputs),
    }
}

fn array_output(analyser: &Analyser<'_, '_, '_>, column: ColumnId, what: &'static str) -> Refusal {
    let path = analyser.path_of(column);
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to show an array of encrypted column `{path}` in {what}"),
    )
    .detail("encrypted columns are shown there as single values only")
    .hint("leave the column as it is there, and build the array in a query")
}

fn nested_array(at: usize) -> Refusal {
    refuse(
        RefusalKind::UnsupportedConstruct,
        "refusing to use an array of arrays of encrypted values",
    )
    .detail("only the elements of one array are sealed and opened")
    .hint("use one array, or one row per value")
    .at(at)
}

fn literal_range(
    policy: &Policy,
    literal: &Literal,
    sealed: Sealed,
    array: bool,
    crosses: Option<ScalarType>,
    at: usize,
) -> Result<std::ops::Range<usize>, Refusal> {
    let spec = policy.column(sealed.column);
    let fits = match array {
        true => literal.class == LiteralClass::String,
        // What is coerced from a type of its own has been looked at.
        false => crosses.is_some() || literal_fits(literal, spec.ty.family()),
    };
    match &literal.range {
        Some(range) if fits => Ok(range.clone()),
        _ => Err(refuse(
            RefusalKind::Cast,
            format!(
                "refusing to seal a literal like this for encrypted column `{}`",
                spec.path()
            ),
        )
        .detail(format!("the column's type is `{}`", spec.type_name()))
        .hint("pass the value as a parameter, or as a string literal")
        .at(at)),
    }
}

fn replacement(
    literal: &Literal,
    sealed: Sealed,
    array: bool,
    wire: Option<ScalarType>,
) -> Replacement {
    Replacement::Literal {
        array,
        value: LiteralValue::new(literal.value.expose().to_owned()),
        wire,
        column: sealed.column,
        usage: usage(sealed),
        also_compared: also_compared(sealed),
        since_16: literal.since_16,
    }
}

/// The type of an unquoted number, where it is not read as the column's own. In place of an integer
/// it has the least type that holds it, so that one which the column cannot hold equals nothing. A
/// `float4` is compared with a number as `float8`, so that `0.1` equals none.
fn bare_type(policy: &Policy, literal: &Literal, sealed: Sealed) -> Option<ScalarType> {
    let is_number = matches!(literal.class, LiteralClass::Integer | LiteralClass::Decimal);
    let spec = policy.column(sealed.column);
    match spec.ty.family() {
        Family::Int | Family::Money if is_number => value::type_of_number(literal.value.expose()),
        Family::Float4 if is_number && usage(sealed) == Usage::Compare => Some(ScalarType::Float8),
        _ if literal.class == LiteralClass::Bits => Some(ScalarType::Bit),
        _ => None,
    }
}

/// The type of a literal under a cast that is cut. An interval is read without the column's fields
/// then, unless the cast names them too; an integer is one of the cast's width, which may be more
/// than the column can hold.
fn cast_type(policy: &Policy, sealed: Sealed, cast: &TypeName<'_>) -> Option<ScalarType> {
    let spec = policy.column(sealed.column);
    match cast.modifiers.as_slice() {
        [] if spec.ty.family() == Family::Int => {
            Some(target_scalar(cast, spec)).filter(|&target| target != spec.ty.scalar())
        }
        [] => unmodified(policy, sealed),
        _ => None,
    }
}

/// The type of a literal that is not read as the column's own, but as its type without a modifier.
/// That is another value only if it is an interval.
fn unmodified(policy: &Policy, sealed: Sealed) -> Option<ScalarType> {
    let ty = policy.column(sealed.column).ty;
    (ty.family() == Family::Interval).then_some(ScalarType::Interval)
}

/// The type of a cast that is not of the column's family, where PostgreSQL would coerce the value from
/// there to the column's type and so does the client. An error is PostgreSQL's own; `None` leaves the
/// cast to the rules for the column's family, by which it is refused.
fn crossing(
    policy: &Policy,
    cast: &CastUse<'_>,
    sealed: Sealed,
    array: bool,
) -> Result<Option<ScalarType>, Refusal> {
    let spec = policy.column(sealed.column);
    let Some(scalar) = catalogue_scalar(cast.target) else {
        return Ok(None);
    };
    // Bytes that might be cells get the refusal that says so.
    if cast.target.array != array
        || scalar == ScalarType::Bytea
        || !cast.target.modifiers.is_empty()
        || scalar.family() == spec.ty.element().family()
    {
        return Ok(None);
    }
    let reads = match &cast.operand {
        CastOperand::Param { .. } => true,
        CastOperand::Null => !array,
        // A number is cast to a number as its text is read; with a fraction to an integer it is not.
        CastOperand::Literal(literal) => {
            !array
                && scalar.family() != Family::Money
                && literal.class != LiteralClass::Bits
                && literal_fits(literal, scalar.family())
        }
        _ => false,
    };
    match reads {
        true => coerced(spec, scalar, sealed, cast.at),
        false => Ok(None),
    }
}

/// The type of an unquoted constant that is not read as the column's own type.
fn bare_crossing(
    policy: &Policy,
    literal: &Literal,
    sealed: Sealed,
    at: usize,
) -> Result<Option<ScalarType>, Refusal> {
    let spec = policy.column(sealed.column);
    if literal_fits(literal, spec.ty.family()) {
        return Ok(None);
    }
    let scalar = match literal.class {
        LiteralClass::Integer | LiteralClass::Decimal => {
            value::type_of_number(literal.value.expose())
        }
        LiteralClass::Boolean => Some(ScalarType::Bool),
        LiteralClass::Bits => Some(ScalarType::Bit),
        LiteralClass::String => None,
    };
    match scalar {
        Some(scalar) => coerced(spec, scalar, sealed, at),
        None => Ok(None),
    }
}

/// The type itself, if values of it are coerced to the column's as PostgreSQL does it.
fn coerced(
    spec: &ColumnSpec,
    scalar: ScalarType,
    sealed: Sealed,
    at: usize,
) -> Result<Option<ScalarType>, Refusal> {
    let usage = usage(sealed);
    let column = WireType::from(spec.ty);
    let coercion = value::coercion_of(column, scalar.into(), usage);
    if usage == Usage::Choose {
        // The words depend on what chooses, and so does what the result is.
        let same = !column.is_array() && value::chooses_column(column.scalar(), scalar);
        return Ok(same.then_some(scalar));
    }
    if let Some(objection) = coercion.objection(spec, scalar.into(), usage) {
        return Err(refuse::invalid(objection.sqlstate, objection.message)
            .hint(objection.hint)
            .at(at));
    }
    // One value cannot be coerced in two ways.
    let is_coerced = coercion == Coercion::Done && !also_compared(sealed);
    Ok(is_coerced.then_some(scalar))
}

fn cast_refusal(policy: &Policy, cast: &CastUse<'_>, sealed: Sealed) -> Refusal {
    let spec = policy.column(sealed.column);
    let name: Vec<&str> = cast.target.parts.iter().map(|part| part.text).collect();
    let name = match name.as_slice() {
        ["pg_catalog", name] => (*name).to_owned(),
        parts => parts.join("."),
    };
    refuse(
        RefusalKind::Cast,
        format!(
            "refusing to cast to `{name}` for encrypted column `{}`",
            spec.path()
        ),
    )
    .detail(format!("the column's type is `{}`", spec.type_name()))
    .hint(format!("drop the cast, or cast to `{}`", spec.type_name()))
    .at(cast.at)
}

/// Cuts a cast out of the text.
fn cut(
    text: &str,
    policy: &Policy,
    cast: &CastUse<'_>,
    sealed: Sealed,
    array: bool,
    crosses: Option<ScalarType>,
) -> Result<Edit, Refusal> {
    let spec = policy.column(sealed.column);
    let refusal = || cast_refusal(policy, cast, sealed);
    let suits = || cast.target.array == (array || spec.ty.is_array()) && suits(cast.target, spec);
    if crosses.is_none() && !suits() {
        return Err(refusal());
    }
    let label = label(cast.label);
    let (range, replacement) = match (cast.form, &cast.operand) {
        (CastForm::Function(range, word), CastOperand::Values) => {
            let rest = Replacement::Text(format!(")::{}){label}", cell_type(array)));
            return Ok(Edit {
                range: *word..range.end,
                replacement: rest,
            });
        }
        // Nothing else would tell the server the type of an array that is empty or has nothing but
        // NULL in it, or that of NULL where no column stands beside it, in VALUES or a branch of a
        // UNION: it would take them for `text`.
        (CastForm::Colons(range), CastOperand::Array | CastOperand::Null | CastOperand::Values) => {
            let cast = format!("::{}{label}", cell_type(array));
            (range, Replacement::Text(cast))
        }
        (CastForm::Colons(range), _) => (range, Replacement::Text(label)),
        (CastForm::Function(range, _), CastOperand::Param { range: param, .. }) => {
            let param = text.get(param.clone()).unwrap_or_default();
            (range, Replacement::Text(format!("{param}{label}")))
        }
        (CastForm::Function(range, _), CastOperand::Null) => {
            let null = format!("NULL::{}{label}", cell_type(array));
            (range, Replacement::Text(null))
        }
        (CastForm::Function(range, _) | CastForm::Prefix(range), CastOperand::Literal(literal)) => {
            literal_range(policy, literal, sealed, array, crosses, cast.at)?;
            let wire = crosses.or_else(|| cast_type(policy, sealed, cast.target));
            (range, replacement(literal, sealed, array, wire))
        }
        _ => return Err(refusal()),
    };
    Ok(Edit {
        range: range.clone(),
        replacement,
    })
}

/// The name of an output column that would be named after a cast.
fn label(name: Option<&str>) -> String {
    match name {
        Some(name) => format!(" AS \"{}\"", name.replace('"', "\"\"")),
        None => String::new(),
    }
}

/// What the server has in place of a column's type, or of an array of it.
const fn cell_type(array: bool) -> &'static str {
    match array {
        true => "pg_catalog.bytea[]",
        false => "pg_catalog.bytea",
    }
}

/// The scalar type, or that of the elements, of a cast that [`suits`] a column.
fn target_scalar(target: &TypeName<'_>, spec: &ColumnSpec) -> ScalarType {
    let name = target.parts.last().map(|name| name.text);
    match (&spec.enumeration, name.and_then(ScalarType::from_typname)) {
        (None, Some(scalar)) => scalar,
        _ => spec.ty.scalar(),
    }
}

/// The scalar type that a cast names, or that of the elements. Catalogue names only: the grammar has
/// already turned `integer` into `int4`, and an unqualified "char" is another type than `char`.
fn catalogue_scalar(target: &TypeName<'_>) -> Option<ScalarType> {
    let name = match target.parts.as_slice() {
        [name] => name,
        [schema, name] if schema.text == "pg_catalog" => name,
        _ => return None,
    };
    ScalarType::from_typname(name.text).filter(|_| !target.odd)
}

/// Whether a cast to a type changes nothing about a value of a column's type: it is of the same
/// family and does not narrow.
pub(crate) fn suits(target: &TypeName<'_>, spec: &ColumnSpec) -> bool {
    let ty = spec.ty;
    if let Some(own) = &spec.enumeration {
        let is_own = match target.parts.as_slice() {
            [name] => name.text == own.name,
            [schema, name] => schema.text == own.schema && name.text == own.name,
            _ => false,
        };
        return is_own && !target.odd && target.modifiers.is_empty();
    }
    let Some(scalar) = catalogue_scalar(target) else {
        return false;
    };
    let own = ty.scalar();
    if scalar.family() != own.family() {
        return false;
    }
    // Blank padding makes `char(n)` another comparison than the rest of its family, and the others
    // change the value.
    let needs_own = |scalar| {
        matches!(scalar, ScalarType::Bpchar | ScalarType::Name)
            || matches!(
                scalar.family(),
                Family::Inet | Family::Macaddr | Family::Bit | Family::IntRange
            )
    };
    if scalar != own && (needs_own(scalar) || needs_own(own)) {
        return false;
    }
    match target.modifiers.as_slice() {
        [] => true,
        modifiers if scalar == ScalarType::Interval => {
            DeclaredType::interval(modifiers).is_some_and(|cast| cast == ty.element())
        }
        // The same modifier as the column's own: read it back the way the column's was read.
        modifiers => {
            let list: Vec<String> = modifiers.iter().map(ToString::to_string).collect();
            let name = target.parts.last().map_or("", |name| name.text);
            let written = format!("{name}({})", list.join(","));
            let cast = written.parse::<DeclaredType>();
            cast.is_ok_and(|cast| cast == ty.element())
        }
    }
}
