//! The server's own description of a statement against its plan, and the description that the
//! client gets instead.
//!
//! A server that describes something else than was planned may be lying, or the plan may be wrong;
//! either way no value goes out and no row comes in (`refuse`, never guess).

use bytes::{BufMut, BytesMut};
use sealwire_core::policy::{ColumnSpec, Policy};
use sealwire_core::types::ScalarType;
use sealwire_core::value::Format;
use sealwire_sql::{Output, Param};

use crate::analysis::Analysis;
use crate::error::Error;
use crate::message::backend::{Field, format_code};
use crate::message::frame;
use crate::poison::Report;
use crate::seal::{parameter_type, reading};
use crate::statement::Prepared;

fn disagreement(what: String) -> Report {
    Report::new(
        "42P17",
        format!("refusing to go on: the server describes the statement differently: {what}"),
    )
    .with_hint(
        "the manifest or the catalogue may have changed; check them with `sealwire columns check`",
    )
}

/// Compares a ParameterDescription with the plan.
pub(crate) fn parameters(
    prepared: &Prepared,
    oids: &[u32],
    analysis: &Analysis,
) -> Result<(), Report> {
    if oids.len() != prepared.param_count() {
        return Err(disagreement(format!(
            "{} parameters, {} were planned",
            oids.len(),
            prepared.param_count()
        )));
    }
    for (at, &oid) in oids.iter().enumerate() {
        let declared = prepared.declared_oids.get(at).copied().unwrap_or(0);
        let number = at + 1;
        match prepared.plan.params.get(at) {
            Some(Param::Sealed { .. }) if oid != declared => {
                return Err(disagreement(format!(
                    "parameter ${number} is not of the type that was declared"
                )));
            }
            Some(Param::Sealed { .. }) => {}
            // A parameter that flows to an encrypted column comes back as `bytea` or its domain: the
            // tripwire for a plan that missed it. Only a client that says `bytea` itself, or a
            // relation with a plain `bytea` column, explains one.
            _ => {
                let is_bytea =
                    oid == ScalarType::Bytea.oid() || oid == ScalarType::Bytea.array_oid();
                // A statement that is planned only for the name that it gives or uses touches no cell.
                let touches = !prepared.plan.relations.is_empty();
                let explained = declared == oid || prepared.plain_bytea || !touches;
                if analysis.is_cell_domain(oid) || is_bytea && !explained {
                    return Err(disagreement(format!(
                        "parameter ${number} holds cells, but was planned as plain"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Whether the catalogue has every column that a RowDescription names as an origin.
pub(crate) fn origins_known(fields: &[Field<'_>], analysis: &Analysis) -> bool {
    fields.iter().all(|field| {
        // Zero for what is computed, negative for system columns.
        field.attribute <= 0
            || analysis
                .attribute(field.table_oid, field.attribute)
                .is_some()
    })
}

/// Compares a RowDescription with the planned columns.
pub(crate) fn columns(
    outputs: &[Output],
    fields: &[Field<'_>],
    analysis: &Analysis,
) -> Result<(), Report> {
    if fields.len() != outputs.len() {
        return Err(disagreement(format!(
            "{} columns, {} were planned",
            fields.len(),
            outputs.len()
        )));
    }
    let policy = analysis.policy();
    // A client may look for its columns by their names.
    let is_of_cells = |name: &[u8]| {
        let mut cells = outputs.iter().filter(|output| output.column.is_some());
        cells.any(|output| is_called(output, name))
    };
    for (at, (output, field)) in outputs.iter().zip(fields).enumerate() {
        let number = at + 1;
        let must_be = output.column.is_some() && output.certain;
        let is_other = output.name.is_some() && !is_called(output, field.name);
        if is_other && (must_be || is_of_cells(field.name)) {
            return Err(disagreement(format!(
                "column {number} has the name of another one"
            )));
        }
        let origin = analysis.encrypted_at(field.table_oid, field.attribute);
        match output.column {
            None => {
                if let Some(origin) = origin {
                    return Err(disagreement(format!(
                        "column {number} is `{}`, but was planned as plain",
                        policy.column(origin).path()
                    )));
                }
                // A column that was another type's and holds bytes now may hold cells.
                let is_bytea = |oid| oid == ScalarType::Bytea.oid();
                let attribute = analysis.attribute(field.table_oid, field.attribute);
                if field.attribute > 0
                    && is_bytea(field.type_oid)
                    && !attribute.is_some_and(|attribute| is_bytea(attribute.base_type_oid))
                {
                    return Err(disagreement(format!(
                        "column {number} holds bytes, but was planned as something else"
                    )));
                }
            }
            Some(column) => {
                // The array types of the domains have identifiers that are not loaded; whatever
                // else such an array held, its elements would not open.
                let is_cell = if output.array {
                    ScalarType::from_oid(field.type_oid).is_none()
                } else {
                    field.type_oid == ScalarType::Bytea.oid()
                        || analysis.is_cell_domain(field.type_oid)
                };
                let same = origin
                    .is_none_or(|origin| policy.column(origin).same_class(policy.column(column)));
                if !is_cell || !same {
                    return Err(disagreement(format!(
                        "column {number} does not hold cells of `{}`",
                        policy.column(column).path()
                    )));
                }
            }
        }
    }
    Ok(())
}

/// Whether a column is planned under this name.
fn is_called(output: &Output, name: &[u8]) -> bool {
    output
        .name
        .as_deref()
        .is_some_and(|planned| planned.as_bytes() == name)
}

/// Appends the ParameterDescription for the client: declared types in place of `bytea`.
pub(crate) fn write_parameters(
    prepared: &Prepared,
    oids: &[u32],
    policy: &Policy,
    out: &mut BytesMut,
) -> Result<(), Error> {
    frame(out, b't', |out| {
        out.put_u16(u16::try_from(oids.len()).unwrap_or(u16::MAX));
        for (at, &oid) in oids.iter().enumerate() {
            let shown = match prepared.plan.params.get(at) {
                Some(&Param::Sealed {
                    column,
                    array,
                    usage,
                    cast,
                    ..
                }) => {
                    let spec = policy.column(column);
                    let declared = parameter_type(spec, usage);
                    let client_oid = prepared.client_oids.get(at).copied().unwrap_or(0);
                    let reading = reading(client_oid, array, declared, cast);
                    if reading.is_some_and(|reading| reading.is_string) {
                        out.put_u32(client_oid);
                        continue;
                    }
                    let ty = reading.map_or(declared, |reading| reading.ty);
                    match (ty.scalar(), array || ty.is_array()) {
                        (ScalarType::Enum, true) => spec.array_oid(),
                        (ScalarType::Enum, false) => spec.element_oid(),
                        (scalar, true) => scalar.array_oid(),
                        (scalar, false) => scalar.oid(),
                    }
                }
                _ => oid,
            };
            out.put_u32(shown);
        }
        Ok(())
    })
}

/// Appends the RowDescription for the client. `formats` is what it wants of each column when that
/// is known (portals); otherwise the codes stay, and those of cells become text.
pub(crate) fn write_columns(
    outputs: &[Output],
    fields: &[Field<'_>],
    formats: Option<&[Format]>,
    policy: &Policy,
    out: &mut BytesMut,
) -> Result<(), Error> {
    frame(out, b'T', |out| {
        out.put_u16(u16::try_from(fields.len()).unwrap_or(u16::MAX));
        for (at, field) in fields.iter().enumerate() {
            let output = outputs.get(at).unwrap_or(&Output::PLAIN);
            match output.column {
                Some(column) => {
                    let format = formats.and_then(|formats| formats.get(at)).copied();
                    declared(*field, policy.column(column), output, format).write(out);
                }
                None => field.write(out),
            }
        }
        Ok(())
    })
}

/// A column of cells as the client sees it.
fn declared<'f>(
    field: Field<'f>,
    spec: &ColumnSpec,
    output: &Output,
    format: Option<Format>,
) -> Field<'f> {
    // Values of a `varchar` are compared as `text`.
    if output.compared && spec.ty.scalar() == ScalarType::Varchar && !spec.ty.is_array() {
        return Field {
            type_oid: match output.array {
                true => ScalarType::Text.array_oid(),
                false => ScalarType::Text.oid(),
            },
            type_len: -1,
            typmod: -1,
            format: format_code(format.unwrap_or(Format::Text)),
            ..field
        };
    }
    let (type_oid, type_len) = match output.array {
        true => (spec.array_oid(), -1),
        // An enumerated type is shown as `text` where the server does not know it.
        false if spec.type_oid() == ScalarType::Text.oid() => (spec.type_oid(), -1),
        false => (spec.type_oid(), spec.ty.type_len()),
    };
    Field {
        type_oid,
        type_len,
        typmod: spec.ty.typmod(),
        format: format_code(format.unwrap_or(Format::Text)),
        ..field
    }
}
