//! A verdict in a few words.

use sealwire_sql::{
    CopyDirection, Definition, Outputs, Param, Protocol, RefusalKind, Verdict, analyse,
};

use crate::schema::World;

/// `untouched`, `refused: Kind`, or what is sealed and opened.
pub(crate) fn summary(world: &World, sql: &str) -> String {
    // A text of several statements comes in a simple Query only.
    let protocol = match sql.contains("; ") {
        true => Protocol::Simple,
        false => Protocol::Extended,
    };
    let plan = match analyse(sql, protocol, &world.context()) {
        Verdict::Untouched => return "untouched".into(),
        Verdict::Refused(refusal) => {
            // The server's own words for what is no statement to it either.
            if !matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Syntax) {
                assert!(
                    refusal.message.starts_with("refusing to "),
                    "{sql}: {refusal}"
                );
                assert!(refusal.detail.is_some(), "no reason: {sql}: {refusal}");
                assert!(
                    refusal.hint.is_some(),
                    "nothing that works: {sql}: {refusal}"
                );
            }
            return format!("refused: {:?}", refusal.kind);
        }
        Verdict::Planned(plan) => plan,
        other => return format!("{other:?}"),
    };
    let mut seals: Vec<String> = Vec::new();
    let mut sealed_params = |params: &[Param]| {
        for (number, param) in (1..).zip(params) {
            match param {
                Param::Sealed { array: false, .. } => seals.push(format!("${number}")),
                Param::Sealed { array: true, .. } => seals.push(format!("${number}[]")),
                Param::Plain => {}
            }
        }
    };
    sealed_params(&plan.params);
    // What a statement prepares, or shows by a cursor, is part of what it does.
    let mut statements: Vec<&Outputs> = plan.statements.iter().collect();
    for (_, definition) in &plan.definitions {
        match definition {
            Definition::Prepare {
                plan: Some(plan), ..
            } => {
                sealed_params(&plan.params);
                statements.extend(&plan.statements);
            }
            Definition::Declare {
                plan: Some(plan), ..
            } => statements.extend(&plan.statements),
            _ => {}
        }
    }
    match plan.edits.iter().filter(|edit| edit.is_literal()).count() {
        0 => {}
        1 => seals.push("1 literal".into()),
        n => seals.push(format!("{n} literals")),
    }
    let mut opens: Vec<String> = Vec::new();
    for outputs in statements {
        let (columns, list): (Vec<_>, _) = match outputs {
            Outputs::Untouched => continue,
            Outputs::Columns(outputs) => {
                let columns = outputs.iter().map(|output| (output.column, output.array));
                (columns.collect(), &mut opens)
            }
            Outputs::Copy(stream) => {
                let columns = stream.columns.iter().map(|column| (column.column, false));
                let list = match stream.direction {
                    CopyDirection::In => &mut seals,
                    CopyDirection::Out => &mut opens,
                };
                (columns.collect(), list)
            }
        };
        let sealed = (1..)
            .zip(columns)
            .filter(|(_, (column, _))| column.is_some());
        list.extend(sealed.map(|(number, (_, array)): (u32, _)| match array {
            true => format!("{number}[]"),
            false => number.to_string(),
        }));
    }
    match (seals.is_empty(), opens.is_empty()) {
        (true, true) => "as written".into(),
        (false, true) => format!("seals {}", seals.join(", ")),
        (true, false) => format!("opens {}", opens.join(", ")),
        (false, false) => format!("seals {}; opens {}", seals.join(", "), opens.join(", ")),
    }
}
