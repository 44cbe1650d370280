//! Making and changing manifests.

use rand::TryRng;
use rand::rngs::SysRng;
use sealwire_core::cell;
use sealwire_core::policy::PolicyError;
use sealwire_core::secret::{Cek, RandomnessError, RootSecret};
use zeroize::Zeroizing;

use super::column_type::ColumnType;
use super::document::{self, CekEntry, CekVersion, ColumnEntry, Document, KeyState, Root};
use super::document::{MAX_SERIAL, TableEntry};
use super::encoding::{Hex, Wrapped};
use super::name::TableName;
use super::{Manifest, ManifestError, canonical};
use crate::provider::{KeyProvider, ProviderError, WrapContext};

const HEADER: &str = "\
# Sealwire manifest: which columns are encrypted, and their keys, wrapped by the master key.
# It holds no secret and belongs in version control. It is authenticated: change it with
# `sealwire`, not by hand.

";

/// A manifest being made or changed; [`ManifestBuilder::seal`] numbers and authenticates it.
#[derive(Debug)]
pub struct ManifestBuilder {
    document: Document,
    root: RootSecret,
}

impl ManifestBuilder {
    /// A manifest with a new root secret and nothing else.
    ///
    /// # Errors
    /// [`ManifestError`] when the key store cannot wrap the root secret.
    pub async fn create(provider: &dyn KeyProvider) -> Result<Self, ManifestError> {
        let root = RootSecret::generate()?;
        let id = random_id()?;
        let wrapped = wrap(provider, WrapContext::manifest(&id), root.expose()).await?;
        let document = Document {
            version: 1,
            serial: 0,
            mac: Hex([0; 32]),
            root: Root {
                id: Hex(id),
                wrapped,
            },
            ceks: Vec::new(),
            columns: Vec::new(),
            tables: Vec::new(),
        };
        Ok(Self { document, root })
    }

    pub(super) fn from_parts(document: Document, root: RootSecret) -> Self {
        Self { document, root }
    }

    /// The serial number of the manifest being changed, 0 for a new one.
    pub fn serial(&self) -> u64 {
        self.document.serial
    }

    /// The keys.
    pub fn ceks(&self) -> &[CekEntry] {
        &self.document.ceks
    }

    /// The encrypted columns.
    pub fn columns(&self) -> &[ColumnEntry] {
        &self.document.columns
    }

    /// The pinned tables.
    pub fn tables(&self) -> &[TableEntry] {
        &self.document.tables
    }

    /// Adds a new random column encryption key, version 1, wrapped by the master key.
    ///
    /// # Errors
    /// [`ManifestError`] when the name is taken or no name, or the key store cannot wrap the key.
    pub async fn add_cek(
        &mut self,
        name: &str,
        provider: &dyn KeyProvider,
    ) -> Result<(), ManifestError> {
        document::check_cek_name(name)?;
        if self.ceks().iter().any(|cek| cek.name == name) {
            return Err(ManifestError::KeyExists(name.to_owned()));
        }
        let key = Cek::generate()?;
        let id = random_id()?;
        let version = CekVersion {
            number: 1,
            state: KeyState::Active,
            id: Hex(id),
            kcv: Hex(cell::key_check_value(&key)),
            wrapped: wrap(provider, WrapContext::cek(&id), key.expose()).await?,
        };
        self.document.ceks.push(CekEntry {
            name: name.to_owned(),
            versions: vec![version],
        });
        self.document.check()
    }

    /// Adds an encrypted column. A pinned column order of its table that does not have it is out
    /// of date and goes: until the table is pinned again, positional uses of it are refused.
    ///
    /// # Errors
    /// [`ManifestError`] when the column contradicts the policy; the builder is then as it was.
    pub fn add_column(&mut self, column: ColumnEntry) -> Result<(), ManifestError> {
        self.change(|document| {
            document.tables.retain(|pinned| {
                pinned.name != column.table || pinned.columns.contains(&column.column)
            });
            document.columns.push(column);
        })
    }

    /// Gives a column another name. Everything that cells depend on stays, its class above all; in
    /// a pinned column order of the table the new name takes the place of the old one.
    ///
    /// # Errors
    /// [`ManifestError`] when there is no such column or the new name contradicts the policy; the
    /// builder is then as it was.
    pub fn rename_column(
        &mut self,
        table: &TableName,
        old: &str,
        new: &str,
    ) -> Result<(), ManifestError> {
        let path = table.column_path(old);
        if !self.columns().iter().any(|column| column.path() == path) {
            return Err(ManifestError::NotListed(path));
        }
        self.change(|document| {
            for column in &mut document.columns {
                if column.path() == path {
                    new.clone_into(&mut column.column);
                }
            }
            for pinned in document.tables.iter_mut().filter(|t| t.name == *table) {
                for column in pinned.columns.iter_mut().filter(|column| *column == old) {
                    new.clone_into(column);
                }
            }
        })
    }

    /// Gives a table another name or schema, for all its columns and its pinned column order.
    /// Everything that cells depend on stays.
    ///
    /// # Errors
    /// [`ManifestError`] when no column of the table is listed or the new name contradicts the
    /// policy; the builder is then as it was.
    pub fn rename_table(&mut self, old: &TableName, new: &TableName) -> Result<(), ManifestError> {
        if !self.columns().iter().any(|column| column.table == *old) {
            return Err(ManifestError::NotListed(old.to_string()));
        }
        self.change(|document| {
            for column in document.columns.iter_mut().filter(|c| c.table == *old) {
                column.table.clone_from(new);
            }
            for pinned in document.tables.iter_mut().filter(|t| t.name == *old) {
                pinned.name.clone_from(new);
            }
        })
    }

    /// Pins the column order of a table: every column in the server's order. An earlier pin of
    /// the table is replaced.
    ///
    /// # Errors
    /// [`ManifestError`] when the list lacks an encrypted column of the table or names one twice;
    /// the builder is then as it was.
    pub fn pin_columns(
        &mut self,
        table: &TableName,
        columns: Vec<String>,
    ) -> Result<(), ManifestError> {
        self.change(|document| {
            let name = table.clone();
            match document.tables.iter_mut().find(|t| t.name == name) {
                Some(pinned) => pinned.columns = columns,
                None => document.tables.push(TableEntry { name, columns }),
            }
        })
    }

    /// Adds a label to an enumerated type, behind those that it has: cells name a label by its place
    /// in the list, so no label's place ever changes, whatever the database's sort order is.
    ///
    /// # Errors
    /// [`ManifestError`] when no column is of the type, or it has the label; the builder is then as
    /// it was.
    pub fn add_label(&mut self, ty: &ColumnType, label: &str) -> Result<(), ManifestError> {
        self.change_labels(ty, |labels| {
            labels.push(label.to_owned());
            Ok(())
        })
    }

    /// Renames a label of an enumerated type, as `ALTER TYPE … RENAME VALUE` does: every cell of it
    /// is read as the new label from then on.
    ///
    /// # Errors
    /// [`ManifestError`] when no column is of the type, it has no such label, or the new one is there
    /// already; the builder is then as it was.
    pub fn rename_label(
        &mut self,
        ty: &ColumnType,
        from: &str,
        to: &str,
    ) -> Result<(), ManifestError> {
        self.change_labels(ty, |labels| {
            let label = labels.iter_mut().find(|label| *label == from);
            let label = label.ok_or_else(|| ManifestError::NotListed(format!("{ty}: {from}")))?;
            to.clone_into(label);
            Ok(())
        })
    }

    fn change_labels(
        &mut self,
        ty: &ColumnType,
        change: impl Fn(&mut Vec<String>) -> Result<(), ManifestError>,
    ) -> Result<(), ManifestError> {
        let mut outcome = Ok(());
        let mut found = false;
        self.change(|document| {
            for column in &mut document.columns {
                if ty.is_enum() && column.ty.enum_name() == ty.enum_name() {
                    found = true;
                    if let Err(error) = change(&mut column.labels) {
                        outcome = Err(error);
                    }
                }
            }
        })?;
        if !found {
            return Err(ManifestError::NotListed(ty.to_string()));
        }
        outcome
    }

    /// Wraps the root secret and every key anew, under another master key or the same. Cells,
    /// identifiers and check values stay as they are.
    ///
    /// # Errors
    /// [`ManifestError`] when either key store fails; the builder is then as it was.
    pub async fn rewrap(
        &mut self,
        from: &dyn KeyProvider,
        to: &dyn KeyProvider,
    ) -> Result<(), ManifestError> {
        let mut document = self.document.clone();
        let root_id = document.root.id.0;
        document.root.wrapped =
            wrap(to, WrapContext::manifest(&root_id), self.root.expose()).await?;
        for entry in &mut document.ceks {
            for version in &mut entry.versions {
                let context = WrapContext::cek(&version.id.0);
                let key = from.unwrap(context, version.wrapped.as_bytes()).await;
                let key = key.map_err(|source| ManifestError::Store {
                    store: from.describe(),
                    source,
                })?;
                // The provider's answer is checked before it replaces the only copy of the key.
                if cell::key_check_value(&Cek::new(&key)) != version.kcv.0 {
                    return Err(ManifestError::Store {
                        store: from.describe(),
                        source: ProviderError::WrongKey,
                    });
                }
                version.wrapped = wrap(to, context, &key).await?;
            }
        }
        self.document = document;
        Ok(())
    }

    /// Numbers the manifest one higher and authenticates it.
    ///
    /// # Errors
    /// [`ManifestError`] when the serial numbers are used up.
    pub fn seal(mut self) -> Result<Manifest, ManifestError> {
        if self.document.serial >= MAX_SERIAL {
            return Err(ManifestError::Invalid("no serial number is left".into()));
        }
        self.document.serial += 1;
        self.document.mac = canonical::mac(&self.document, &self.root);
        let body = toml::to_string(&self.document)
            .map_err(|error| ManifestError::Invalid(error.to_string()))?;
        // Read back, so that nothing is ever written that this version would refuse.
        let manifest = Manifest::parse(&format!("{HEADER}{body}"))?;
        if manifest.document != self.document {
            return Err(ManifestError::Invalid(
                "the document does not survive being written".into(),
            ));
        }
        Ok(manifest)
    }

    fn change(&mut self, change: impl FnOnce(&mut Document)) -> Result<(), ManifestError> {
        let mut document = self.document.clone();
        change(&mut document);
        document.check()?;
        match document.policy() {
            Ok(_) | Err(PolicyError::ProtectsNothing) => {}
            Err(error) => return Err(error.into()),
        }
        self.document = document;
        Ok(())
    }
}

fn random_id() -> Result<[u8; 16], RandomnessError> {
    let mut id = [0; 16];
    SysRng
        .try_fill_bytes(&mut id)
        .map_err(|_| RandomnessError)?;
    Ok(id)
}

async fn wrap(
    provider: &dyn KeyProvider,
    context: WrapContext<'_>,
    key: &[u8; 32],
) -> Result<Wrapped, ManifestError> {
    let failed = |source| ManifestError::Wrap {
        store: provider.describe(),
        source,
    };
    let key = Zeroizing::new(*key);
    let wrapped = provider.wrap(context, &key).await.map_err(failed)?;
    Wrapped::new(wrapped).ok_or_else(|| {
        failed(ProviderError::Malformed(
            "an empty or oversized wrap".into(),
        ))
    })
}
