//! What the session knows of the database and makes of texts with it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use sealwire_core::catalogue::{Attribute, Catalogue, Held, Relation, SessionFacts};
use sealwire_core::policy::{ColumnId, EnumType, Policy, TableSpec};
use sealwire_core::types::ScalarType;
use sealwire_sql::{Context, Matcher, MismatchKind, Names, Plan, Protocol, Reading, Verdict};

use crate::catalogue::EnumOids;
use crate::effect::{self, Effect, Stale};
use crate::mention;
use crate::statement::{Prepared, Words};

/// Texts longer than this are analysed each time rather than kept.
const CACHED_TEXT_BYTES_MAX: usize = 64 << 10;

/// Search paths that are remembered: more than most sessions of many tenants have.
const PATHS_MAX: usize = 1024;

/// Policy, catalogue and facts of a session, with the texts that they have been applied to.
pub(crate) struct Analysis {
    policy: Arc<Policy>,
    catalogue: Catalogue,
    facts: SessionFacts,
    matcher: Matcher,
    /// Rises whenever a text could mean something else than before.
    epoch: u64,
    /// Rises whenever there may be other protected names than before.
    names_epoch: u64,
    /// The names of the matcher's, and since when it has had them: of relations, and of functions and
    /// types, which may be called alike.
    names: [FxHashMap<Box<str>, u64>; 2],
    pub(crate) stale: Stale,
    /// What would be doubtful if the transaction, or what is left of it, were undone.
    in_transaction: Stale,
    /// Object identifiers of the cells' domains.
    cell_domains: HashSet<u32>,
    /// Encrypted columns by relation and `attnum`.
    encrypted: FxHashMap<(u32, i16), ColumnId>,
    texts: FxHashMap<Box<str>, Known>,
    texts_max: usize,
    /// Search paths that the session has had and read the catalogue with.
    paths: HashSet<Vec<String>>,
    /// Functions outside of `pg_catalog` whose code may change what names mean, and what is
    /// doubtful after a call.
    functions: FxHashMap<String, Stale>,
    /// What is doubtful after a prepared statement of SQL or a cursor has run.
    deferred: Stale,
}

/// What is known of a text.
pub(crate) enum Known {
    /// It names nothing protected.
    Plain(Effect),
    /// Its plan, once for each list of types that clients declared.
    Planned(Vec<Arc<Prepared>>, Effect),
}

impl fmt::Debug for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analysis")
            .field("epoch", &self.epoch)
            .field("stale", &self.stale)
            .field("texts", &self.texts.len())
            .finish_non_exhaustive()
    }
}

/// Since when names have been there, as of now.
fn since<'n>(
    before: &FxHashMap<Box<str>, u64>,
    names: impl Iterator<Item = &'n str>,
    now: u64,
) -> FxHashMap<Box<str>, u64> {
    let since = |name: &'n str| (name.into(), before.get(name).copied().unwrap_or(now));
    names.map(since).collect()
}

impl Analysis {
    pub(crate) fn new(policy: Arc<Policy>, texts_max: usize) -> Self {
        let catalogue = Catalogue::default();
        let matcher = Matcher::new(&policy, &catalogue);
        Self {
            policy,
            catalogue,
            facts: SessionFacts::default(),
            matcher,
            epoch: 1,
            names_epoch: 1,
            names: Default::default(),
            stale: Stale::Catalogue,
            in_transaction: Stale::Nothing,
            cell_domains: HashSet::new(),
            encrypted: FxHashMap::default(),
            texts: FxHashMap::default(),
            texts_max,
            paths: HashSet::new(),
            functions: FxHashMap::default(),
            deferred: Stale::Nothing,
        }
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn names_epoch(&self) -> u64 {
        self.names_epoch
    }

    fn context<'c>(&'c self, names: &'c (dyn Names + Sync), idle: bool) -> Context<'c> {
        Context {
            names,
            idle,
            policy: &self.policy,
            catalogue: &self.catalogue,
            facts: &self.facts,
        }
    }

    /// The protected tables' names, each once.
    pub(crate) fn protected_names(&self) -> Vec<String> {
        let names: HashSet<&String> = self.policy.tables().iter().map(|t| &t.name).collect();
        names.into_iter().cloned().collect()
    }

    /// Whether a text can name something protected.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.matcher.mentions(text)
    }

    /// See [`Matcher::mentions_folded`].
    pub(crate) fn mentions_folded(&self, text: &str, folded: &str) -> bool {
        self.matcher.mentions_folded(text, folded)
    }

    /// Whether a text with these words can, which could not at this state of the names.
    pub(crate) fn mentions_by(&self, words: &Words, names_epoch: u64) -> bool {
        let names = self.names.iter().flatten();
        let names = names.filter(|(_, since)| **since > names_epoch);
        words.have_one_of(names.map(|(name, _)| name.as_ref()))
    }

    /// The same for bytes that cannot be read as the server reads them: whether a protected name
    /// occurs as a word anywhere, or might in an encoding or a spelling that is not understood here.
    pub(crate) fn may_mention(&self, text: &[u8]) -> bool {
        let tables = self.policy.tables().iter().map(|table| &table.name);
        let names = tables.chain(self.catalogue.relations().map(|relation| &relation.name));
        let names = names.chain(self.catalogue.holders().values());
        let names = names.map(String::as_str);
        let mut names = names.chain(self.catalogue.function_names());
        let may_name = |name: &str| !name.is_empty() && mention::may_name(text, name);
        let mut types = self.catalogue.cell_types();
        // A type of the database's own stands for a value where a domain is defined over it.
        names.any(may_name)
            || mention::has_word(text, b"domain") && types.any(|ty| may_name(&ty.name))
    }

    /// Analyses a text that can name something protected.
    pub(crate) fn analyse(
        &self,
        text: &str,
        protocol: Protocol,
        names: &(dyn Names + Sync),
        idle: bool,
    ) -> Verdict {
        let context = self.context(names, idle);
        sealwire_sql::analyse_with(&self.matcher, text, protocol, &context)
    }

    /// Whether every one of these names has been asked for already.
    pub(crate) fn all_asked(&self, names: &[String]) -> bool {
        use sealwire_core::catalogue::Resolution;
        names
            .iter()
            .all(|name| self.catalogue.resolve(&self.facts, None, name) != Resolution::NotLoaded)
    }

    /// Whether a relation of the plan has a column that is plainly `bytea` or `bytea[]`.
    pub(crate) fn reads_plain_bytea(&self, plan: &Plan) -> bool {
        let bytea = [ScalarType::Bytea.oid(), ScalarType::Bytea.array_oid()];
        plan.relations
            .iter()
            .filter_map(|&oid| self.catalogue.by_oid(oid))
            .flat_map(|relation| &relation.attributes)
            .any(|attribute| {
                bytea.contains(&attribute.base_type_oid)
                    && !self.cell_domains.contains(&attribute.type_oid)
            })
    }

    /// Whether a function takes cells.
    pub(crate) fn takes_cells(&self, function: u32) -> bool {
        self.catalogue.takes_cells(function)
    }

    /// Whether a type is one of the cells' domains.
    pub(crate) fn is_cell_domain(&self, oid: u32) -> bool {
        self.cell_domains.contains(&oid)
    }

    /// The column at an origin that a RowDescription names, encrypted or not.
    pub(crate) fn attribute(&self, relation: u32, number: i16) -> Option<&Attribute> {
        let relation = self.catalogue.by_oid(relation)?;
        // Columns are in the order of their numbers, with gaps where some were dropped.
        let at = relation
            .attributes
            .binary_search_by_key(&number, |attribute| attribute.number)
            .ok()?;
        relation.attributes.get(at)
    }

    /// The encrypted column at an origin that a RowDescription names.
    pub(crate) fn encrypted_at(&self, relation: u32, attribute: i16) -> Option<ColumnId> {
        self.encrypted.get(&(relation, attribute)).copied()
    }

    /// What is known of a text.
    pub(crate) fn known(&self, text: &str) -> Option<&Known> {
        self.texts.get(text)
    }

    fn make_room(&mut self, text: &str) -> bool {
        if text.len() > CACHED_TEXT_BYTES_MAX || self.texts_max == 0 {
            return false;
        }
        if self.texts.len() >= self.texts_max {
            // Dropping everything costs one analysis per text still in use and needs no order.
            self.texts.clear();
        }
        true
    }

    /// Remembers that a text names nothing protected.
    pub(crate) fn remember_plain(&mut self, text: &str, effect: Effect) {
        if self.make_room(text) {
            self.texts.insert(text.into(), Known::Plain(effect));
        }
    }

    /// Remembers a plan without literals.
    pub(crate) fn remember_plan(&mut self, text: &str, prepared: Arc<Prepared>, effect: Effect) {
        if let Some(Known::Planned(list, _)) = self.texts.get_mut(text) {
            list.push(prepared);
        } else if self.make_room(text) {
            self.texts
                .insert(text.into(), Known::Planned(vec![prepared], effect));
        }
    }

    /// Takes the functions whose code may change what names mean.
    pub(crate) fn note_functions(&mut self, functions: Vec<(String, Stale)>) {
        self.functions.clear();
        for (name, after) in functions {
            // Functions of one name count as the worst of them.
            let known = self.functions.entry(name).or_default();
            *known = after.max(*known);
        }
    }

    /// Reads a text that is new to the session. Looks for what it may do that neither its first words
    /// nor its tag tell: calls of `set_config`, and of functions that may do the like.
    pub(crate) fn read(&mut self, text: &str, effect: &mut Effect) -> Reading {
        let mut after = Stale::Nothing;
        let (mut defers, mut runs_deferred) = (false, false);
        let reading = self.matcher.read(text, |word| match word {
            "set_config" => after = after.max(Stale::Facts),
            "prepare" | "declare" => defers = true,
            "execute" | "fetch" | "move" => runs_deferred = true,
            _ if self.functions.is_empty() => {}
            _ => after = after.max(self.functions.get(word).copied().unwrap_or_default()),
        });
        if reading.unreadable {
            after = after.max(Stale::Facts);
        }
        if defers && after > self.deferred {
            self.deferred = after;
            self.texts.clear();
        }
        if runs_deferred {
            after = after.max(self.deferred);
        }
        if after != Stale::Nothing {
            effect.calls = true;
            effect.risky = true;
            effect.reported = true;
            effect.after = effect.after.max(after);
            effect.renames |= after == Stale::Names;
        }
        effect.naming = reading.naming;
        reading
    }

    /// Whether something has happened in the transaction that its end may undo.
    pub(crate) fn ends_with_transaction(&self) -> bool {
        self.in_transaction != Stale::Nothing
    }

    /// Takes a completed command's tag.
    pub(crate) fn note_tag(&mut self, tag: &[u8], effect: Effect) {
        let mut stale = effect::of_tag(tag, effect).max(effect.after);
        if effect.renames && stale == Stale::Catalogue {
            stale = Stale::Names;
        }
        if effect::undoes(tag) {
            stale = stale.max(self.in_transaction);
        }
        self.stale = self.stale.max(stale);
        self.in_transaction = self.in_transaction.max(stale);
    }

    /// A transaction has ended, one way or the other: `SET LOCAL` is undone by both.
    pub(crate) fn note_transaction_end(&mut self) {
        self.stale = self.stale.max(self.in_transaction);
        self.in_transaction = Stale::Nothing;
    }

    /// Something is doubtful.
    pub(crate) fn doubt(&mut self, what: Stale) {
        self.stale = self.stale.max(what);
    }

    /// Whether a column is of an enumerated type, whose identifier the database knows.
    pub(crate) fn has_enums(&self) -> bool {
        let mut columns = self.policy.columns().iter();
        columns.any(|column| column.enumeration.is_some())
    }

    /// Takes what the server calls the enumerated types.
    pub(crate) fn note_enum_oids(&mut self, oids: &EnumOids) {
        let of = |e: &EnumType| {
            let names = (e.schema.clone(), e.name.clone());
            oids.get(&names).copied().unwrap_or_default()
        };
        let mut columns = self.policy.columns().iter();
        let changed = columns.any(|c| c.enumeration.as_ref().is_some_and(|e| e.oids != of(e)));
        if changed {
            Arc::make_mut(&mut self.policy).note_enum_oids(of);
        }
    }

    /// Takes the session's facts. A search path that the session has not had yet may lead to relations
    /// that were made since the catalogue was read: in a new tenant's schema, or a temporary one.
    pub(crate) fn note_facts(&mut self, facts: SessionFacts) {
        if self.stale <= Stale::Facts {
            self.stale = match self.paths.contains(&facts.search_path) {
                true => Stale::Nothing,
                false => Stale::Catalogue,
            };
        }
        if facts != self.facts {
            self.facts = facts;
            self.next_epoch();
        }
    }

    /// Takes catalogue rows: all of them anew, or more of them. `held` comes with all of them.
    pub(crate) fn note_relations(
        &mut self,
        relations: Vec<Relation>,
        asked: Vec<String>,
        anew: bool,
        held: Option<Held>,
    ) {
        if anew {
            self.catalogue = Catalogue::default();
            self.stale = Stale::Nothing;
            if self.paths.len() >= PATHS_MAX {
                self.paths.clear();
            }
            self.paths.insert(self.facts.search_path.clone());
        }
        // The queries return every relation of every name that they return.
        let names: Vec<String> = relations.iter().map(|r| r.name.clone()).collect();
        for relation in relations {
            self.catalogue.insert(relation);
        }
        if let Some(held) = held {
            self.catalogue.hold(held);
        }
        self.catalogue.mark_asked(names.into_iter().chain(asked));
        self.index();
        if anew {
            self.next_epoch();
        }
    }

    fn next_epoch(&mut self) {
        self.epoch += 1;
        self.texts.clear();
    }

    fn index(&mut self) {
        let matcher = Matcher::new(&self.policy, &self.catalogue);
        // Rows are added to those that there are, or the texts forgotten anyway.
        let count = |matcher: &Matcher| (matcher.names().count(), matcher.used_names().count());
        if count(&matcher) != count(&self.matcher) {
            self.texts.clear();
        }
        self.names_epoch += 1;
        let now = self.names_epoch;
        let [relations, others] = &mut self.names;
        *relations = since(relations, matcher.names(), now);
        *others = since(others, matcher.used_names(), now);
        self.matcher = matcher;
        let sure = self.catalogue.cell_types().filter(|ty| ty.view == 0);
        let mut cell_domains: HashSet<u32> = sure.map(|ty| ty.oid).collect();
        let mut encrypted = FxHashMap::default();
        for relation in self.catalogue.relations() {
            let table = self.table_of(relation, 0);
            for attribute in &relation.attributes {
                if attribute.holds_cells() {
                    cell_domains.insert(attribute.type_oid);
                }
                let column = table.and_then(|table| self.policy.column_of(table, &attribute.name));
                if let Some(column) = column {
                    encrypted.insert((relation.oid, attribute.number), column);
                }
            }
        }
        self.cell_domains = cell_domains;
        self.encrypted = encrypted;
    }

    /// The protected table that a relation is, or is a child or partition of.
    fn table_of(&self, relation: &Relation, depth: usize) -> Option<&TableSpec> {
        // Deeper than anyone partitions; a lying catalogue could make a ring.
        const DEPTH_MAX: usize = 32;
        if let Some(table) = self.policy.table(&relation.schema, &relation.name) {
            return Some(table);
        }
        if depth >= DEPTH_MAX {
            return None;
        }
        relation
            .parents
            .iter()
            .filter_map(|&parent| self.catalogue.by_oid(parent))
            .find_map(|parent| self.table_of(parent, depth + 1))
    }

    /// What the policy and the catalogue disagree about so that no session can go on. A table that
    /// does not exist yet is fine: a migration may create it. So is a column that has its old name
    /// still: a migration may rename it. A column order other than the pinned one only rules
    /// positional statements out, and the analysis does that.
    pub(crate) fn mismatches(&self) -> Vec<String> {
        let mut mismatches: Vec<String> = self
            .catalogue
            .relations()
            .flat_map(|relation| {
                sealwire_sql::check_relation(&self.policy, relation)
                    .into_iter()
                    .filter(|mismatch| mismatch.kind != MismatchKind::Order)
                    .filter(|mismatch| {
                        mismatch.kind != MismatchKind::Missing
                            || !self.may_be_renamed(relation, &mismatch.path)
                    })
                    .map(|mismatch| mismatch.to_string())
            })
            .collect();
        mismatches.sort();
        mismatches
    }

    /// Whether a relation still has this listed column under its old name: that is in its class,
    /// unless the class was given another, and the old name is not listed any more.
    fn may_be_renamed(&self, relation: &Relation, path: &str) -> bool {
        let Some(table) = self.policy.table(&relation.schema, &relation.name) else {
            return false;
        };
        let specs = table.columns.iter().map(|&id| self.policy.column(id));
        let mut wanted = specs.filter(|spec| spec.path() == path);
        wanted.any(|spec| {
            let domain = sealwire_core::ddl::domain(spec.mode);
            relation.attributes.iter().any(|attribute| {
                attribute.domain == domain
                    && spec.class
                        == format!("{}.{}.{}", relation.schema, relation.name, attribute.name)
                    && self.policy.column_of(table, &attribute.name).is_none()
            })
        })
    }
}
