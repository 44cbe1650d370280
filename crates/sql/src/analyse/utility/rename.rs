//! Names of what the manifest lists.
//!
//! A renamed column or table would be another one to the manifest at once, and every use of either
//! name refused. So the manifest changes first: a rename passes that makes the catalogue what the
//! manifest says already.

use sealwire_core::catalogue::Relation;

use super::One;
use crate::ir::{Renamed, Table};
use crate::plan::{Refusal, RefusalKind};
use crate::refuse::{Finish, refuse};
use crate::relation::{Mismatch, MismatchKind, Stop, check_relation};

impl One<'_, '_, '_> {
    pub(super) fn rename(&mut self, table: &Table<'_>, renamed: &Renamed) -> Result<(), Stop> {
        let schema = table.schema.as_ref().map(|schema| schema.text);
        let Some(relation) = self.resolver.found(schema, table.name.text) else {
            // The server says that there is none.
            return Ok(());
        };
        match self.check_rename(relation, renamed) {
            None => Ok(()),
            Some(refusal) => Err(refusal.at(table.at).into()),
        }
    }

    fn check_rename(&self, relation: &Relation, renamed: &Renamed) -> Option<Refusal> {
        let policy = self.resolver.context.policy;
        let listed = policy.table(&relation.schema, &relation.name);
        let path = |relation: &Relation| format!("{}.{}", relation.schema, relation.name);
        let old_path = path(relation);
        let mut after = relation.clone();
        let new_path = match renamed {
            Renamed::Relation { new } => {
                after.name.clone_from(new);
                path(&after)
            }
            Renamed::Schema { new } => {
                after.schema.clone_from(new);
                path(&after)
            }
            Renamed::Column { old, new } => {
                for attribute in &mut after.attributes {
                    if attribute.name == *old {
                        attribute.name.clone_from(new);
                    }
                }
                if let Some(spec) = listed
                    && policy.column_of(spec, old).is_some()
                {
                    let what = "encrypted column";
                    let (old, new) = (format!("{old_path}.{old}"), format!("{old_path}.{new}"));
                    return Some(is_listed(what, &old, &new));
                }
                format!("{old_path}.{new}")
            }
        };
        if listed.is_some() && !matches!(renamed, Renamed::Column { .. }) {
            return Some(is_listed("protected table", &old_path, &new_path));
        }
        // The new name may be one that the manifest lists.
        let fatal = |mismatch: &Mismatch| mismatch.kind != MismatchKind::Order;
        let before = check_relation(policy, relation);
        let mismatch = check_relation(policy, &after)
            .into_iter()
            .filter(fatal)
            .find(|mismatch| !before.contains(mismatch))?;
        let refusal = refuse(
            RefusalKind::CatalogueMismatch,
            format!("refusing to give the name `{new_path}`, which the manifest lists"),
        );
        Some(
            refusal
                .detail(mismatch.to_string())
                .hint("use another name, or create what `sealwire sql` prints"),
        )
    }
}

fn is_listed(what: &str, old: &str, new: &str) -> Refusal {
    refuse(
        RefusalKind::CatalogueMismatch,
        format!("refusing to rename {what} `{old}`, which the manifest lists under this name"),
    )
    .detail("the manifest would be wrong at once, and every use of either name refused")
    .hint(format!(
        "change the manifest first with `sealwire columns rename {old} {new}`; the statement passes \
         a session that has the new manifest"
    ))
}
