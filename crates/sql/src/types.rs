//! Types of expressions, unified: plain, sealed under a column's specification, an array of
//! either, or not known yet.

use std::collections::{HashMap, HashSet};

use sealwire_core::policy::{ColumnId, Mode, Policy};
use sealwire_core::types::{DeclaredType, Family, ScalarType};

use crate::plan::Refusal;
use crate::refuse::{self, Finish, Path, Why};

/// A set of expressions that must have one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeId(u32);

/// A column whose type says that it holds cells, while the manifest does not list it. Nobody knows
/// under which key: its cells can be read as they are and moved about within their relation, but
/// no value of the client's may meet them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unlisted<'a> {
    /// The relation, or zero for what functions take and return, and for values of types.
    pub(crate) relation: u32,
    /// The column, the function or the type.
    pub(crate) path: Path<'a>,
    /// Its type, or zero where that is not known.
    pub(crate) ty: u32,
}

impl<'a> Unlisted<'a> {
    /// What a function takes or returns, or a value of a type.
    pub(crate) fn outside(path: Path<'a>, ty: u32) -> Self {
        Self {
            relation: 0,
            path,
            ty,
        }
    }

    fn refuse_value(&self, at: usize) -> Refusal {
        match self.relation {
            0 => refuse::outside_value(self.path, at),
            _ => refuse::unlisted_value(self.path, at),
        }
    }

    fn refuse_mixed(&self, with: &str, at: usize) -> Refusal {
        match self.relation {
            0 => refuse::outside_mixed(self.path, with, at),
            _ => refuse::unlisted_mixed(self.path, with, at),
        }
    }
}

/// What is known of a set.
#[derive(Clone, Copy, Debug)]
enum Tag<'a> {
    Unknown,
    Plain(Why<'a>),
    Sealed(ColumnId),
    Unlisted(Unlisted<'a>),
    Array(TypeId),
}

impl Tag<'_> {
    /// What an array is of.
    fn element(self) -> Option<TypeId> {
        match self {
            Self::Array(element) => Some(element),
            _ => None,
        }
    }
}

/// A comparison that a set takes part in.
#[derive(Clone, Copy, Debug)]
struct Equality {
    what: &'static str,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Class<'a> {
    tag: Tag<'a>,
    /// Some comparison of its members.
    equality: Option<Equality>,
    /// A comparison by an operator that the search path picks.
    unqualified: Option<Equality>,
    /// The column that its members are stored in.
    assigned: Option<ColumnId>,
    /// Members are typed by a comparison with cells, not as one of several that a result is chosen
    /// of.
    compared: bool,
    /// The type that some cast of a member says.
    named: Option<ScalarType>,
}

impl<'a> Class<'a> {
    /// What is known of a set of which no more than this is.
    fn of(tag: Tag<'a>) -> Self {
        Self {
            tag,
            equality: None,
            unqualified: None,
            assigned: None,
            compared: false,
            named: None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Slot<'a> {
    Root(Class<'a>),
    Link(TypeId),
}

/// Where two sets meet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    pub(crate) at: usize,
    /// The parameter that stands there, if one does.
    pub(crate) param: Option<u32>,
}

/// What a set turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Plain,
    Sealed(Sealed),
    /// Cells that the manifest does not list, or an array of them.
    Unlisted,
    Array(Sealed),
    /// An array of arrays of cells: nothing can be sealed or opened as one.
    Deep,
}

/// A sealed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The column that a value is sealed for.
    pub(crate) column: ColumnId,
    /// The column whose type the client sees.
    pub(crate) shown: ColumnId,
    pub(crate) assigned: bool,
    /// Its members have the type in which values like the column's are compared, which is another
    /// one for `varchar` and `cidr`.
    pub(crate) compared: bool,
    /// Some comparison takes its members.
    pub(crate) equated: bool,
}

/// The types of one statement.
#[derive(Debug)]
pub(crate) struct Types<'a> {
    policy: &'a Policy,
    slots: Vec<Slot<'a>>,
    foreign_equality: bool,
    /// Sets with cells of a column in them, as a relation holds them.
    origins: Vec<(TypeId, ColumnId)>,
    /// Sets whose members are also members of another one, but not the other way round.
    flows: Vec<Flow>,
    /// Sets whose members are stored in a column, and where the statement says so.
    stores: Vec<(TypeId, ColumnId, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    from: TypeId,
    to: TypeId,
}

impl<'a> Types<'a> {
    pub(crate) fn new(policy: &'a Policy, foreign_equality: bool) -> Self {
        Self {
            policy,
            slots: Vec::with_capacity(32),
            foreign_equality,
            origins: Vec::new(),
            flows: Vec::new(),
            stores: Vec::new(),
        }
    }

    fn push(&mut self, tag: Tag<'a>) -> TypeId {
        // A statement of 16,000 tokens makes far fewer sets than 2^32.
        let id = TypeId(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        self.slots.push(Slot::Root(Class::of(tag)));
        id
    }

    pub(crate) fn unknown(&mut self) -> TypeId {
        self.push(Tag::Unknown)
    }

    pub(crate) fn plain(&mut self, why: Why<'a>) -> TypeId {
        self.push(Tag::Plain(why))
    }

    /// Values that are sealed as a column's are. None is in the set yet.
    pub(crate) fn sealed(&mut self, column: ColumnId) -> TypeId {
        self.push(Tag::Sealed(column))
    }

    /// Values that are compared with cells of a column.
    pub(crate) fn operand(&mut self, column: ColumnId) -> TypeId {
        let id = self.sealed(column);
        if let Slot::Root(class) = &mut self.slots[id.0 as usize] {
            class.compared = true;
        }
        id
    }

    /// Notes that a member is cast to a type, or to arrays of it.
    pub(crate) fn name(&mut self, id: TypeId, ty: ScalarType) {
        let (root, mut class) = self.class(id);
        let element = class.tag.element();
        class.named.get_or_insert(ty);
        self.slots[root.0 as usize] = Slot::Root(class);
        if let Some(element) = element {
            self.name(element, ty);
        }
    }

    /// Cells that a relation holds: of a column, and of these others where a view chooses between
    /// several.
    pub(crate) fn cells(&mut self, column: ColumnId, others: &[ColumnId]) -> TypeId {
        let id = self.sealed(column);
        self.origins.push((id, column));
        self.origins.extend(others.iter().map(|&other| (id, other)));
        id
    }

    /// Some members of a set of sealed values, shown as a comparison takes those of a column.
    pub(crate) fn some_of(&mut self, from: TypeId, column: ColumnId) -> TypeId {
        let to = self.operand(column);
        self.flows.push(Flow { from, to });
        to
    }

    pub(crate) fn unlisted(&mut self, column: Unlisted<'a>) -> TypeId {
        self.push(Tag::Unlisted(column))
    }

    /// The column, or what a function gives, that the members of a set are of, if they hold cells
    /// that the manifest does not list.
    pub(crate) fn as_unlisted(&mut self, id: TypeId) -> Option<Unlisted<'a>> {
        match self.class(id).1.tag {
            Tag::Unlisted(unlisted) => Some(unlisted),
            _ => None,
        }
    }

    pub(crate) fn array(&mut self, element: TypeId) -> TypeId {
        self.push(Tag::Array(element))
    }

    fn root(&mut self, mut id: TypeId) -> TypeId {
        while let Slot::Link(next) = self.slots[id.0 as usize] {
            if let Slot::Link(after) = self.slots[next.0 as usize] {
                self.slots[id.0 as usize] = Slot::Link(after);
            }
            id = next;
        }
        id
    }

    fn class(&mut self, id: TypeId) -> (TypeId, Class<'a>) {
        let root = self.root(id);
        match self.slots[root.0 as usize] {
            Slot::Root(class) => (root, class),
            // `root` stops only at a root.
            Slot::Link(_) => (root, Class::of(Tag::Unknown)),
        }
    }

    /// Whether an array holds a set at any depth: to unify the two would never end.
    fn holds(&mut self, mut tag: Tag<'a>, set: TypeId) -> bool {
        while let Tag::Array(element) = tag {
            let (root, class) = self.class(element);
            if root == set {
                return true;
            }
            tag = class.tag;
        }
        false
    }

    /// Makes two sets one.
    pub(crate) fn unify(&mut self, a: TypeId, b: TypeId, site: Site) -> Result<(), Refusal> {
        let (a, left) = self.class(a);
        let (b, right) = self.class(b);
        if a == b {
            return Ok(());
        }
        if self.holds(left.tag, b) || self.holds(right.tag, a) {
            return Err(refuse::construct(
                "an array that would hold itself",
                Some(site.at),
            ));
        }
        let tag = match (left.tag, right.tag) {
            (Tag::Unknown, tag) | (tag, Tag::Unknown) => tag,
            (Tag::Plain(why), Tag::Plain(_)) => Tag::Plain(why),
            (Tag::Sealed(one), Tag::Sealed(other)) => {
                self.check_classes(one, other, site)?;
                Tag::Sealed(one)
            }
            (Tag::Sealed(column), Tag::Plain(why)) | (Tag::Plain(why), Tag::Sealed(column)) => {
                return Err(refuse::mixed(self.policy, column, why, site.param, site.at));
            }
            (Tag::Unlisted(one), Tag::Unlisted(other)) if one.relation == other.relation => {
                Tag::Unlisted(one)
            }
            (Tag::Unlisted(column), other) | (other, Tag::Unlisted(column)) => {
                return Err(self.unlisted_meets(column, other, site));
            }
            (Tag::Array(x), Tag::Array(y)) => {
                self.unify(x, y, site)?;
                Tag::Array(x)
            }
            (Tag::Array(element), Tag::Plain(why)) | (Tag::Plain(why), Tag::Array(element)) => {
                let plain = self.plain(why);
                self.unify(element, plain, site)?;
                Tag::Plain(why)
            }
            (Tag::Sealed(column), Tag::Array(_)) | (Tag::Array(_), Tag::Sealed(column))
                if self.policy.column(column).ty.is_array() =>
            {
                return Err(refuse::array_built(self.policy, column, site.at));
            }
            (Tag::Sealed(column), Tag::Array(_)) | (Tag::Array(_), Tag::Sealed(column)) => {
                let why = Why::OperatorResult("ARRAY");
                return Err(refuse::mixed(self.policy, column, why, site.param, site.at));
            }
        };
        let class = Class {
            tag,
            equality: left.equality.or(right.equality),
            unqualified: left.unqualified.or(right.unqualified),
            assigned: left.assigned.or(right.assigned),
            compared: left.compared || right.compared,
            named: left.named.or(right.named),
        };
        self.check(&class)?;
        let named = class.named.zip(class.tag.element());
        self.slots[a.0 as usize] = Slot::Link(b);
        self.slots[b.0 as usize] = Slot::Root(class);
        if let Some((ty, element)) = named {
            self.name(element, ty);
        }
        Ok(())
    }

    fn unlisted_meets(&self, column: Unlisted<'a>, other: Tag<'a>, site: Site) -> Refusal {
        match other {
            Tag::Sealed(id) => {
                let path = self.policy.column(id).path();
                column.refuse_mixed(&format!("encrypted column `{path}`"), site.at)
            }
            Tag::Unlisted(other) => column.refuse_mixed(&format!("`{}`", other.path), site.at),
            _ if site.param.is_some() => column.refuse_value(site.at),
            Tag::Plain(why) => column.refuse_mixed(&why.words(), site.at),
            Tag::Unknown | Tag::Array(_) => column.refuse_mixed("an array", site.at),
        }
    }

    /// Demands that values of two sets can be compared. Two that are sealed already stay apart, so
    /// that each column is shown with the type of its own.
    pub(crate) fn equate(&mut self, a: TypeId, b: TypeId, site: Site) -> Result<(), Refusal> {
        let (_, left) = self.class(a);
        let (_, right) = self.class(b);
        match (left.tag, right.tag) {
            (Tag::Sealed(one), Tag::Sealed(other)) => {
                self.check_classes(one, other, site)?;
                self.check_equality(one, other, site)
            }
            // A value that is compared with cells does not become one of them.
            (Tag::Sealed(column), Tag::Unknown) => {
                let like = self.operand(column);
                self.unify(b, like, site)
            }
            (Tag::Unknown, Tag::Sealed(column)) => {
                let like = self.operand(column);
                self.unify(a, like, site)
            }
            (Tag::Array(one), Tag::Array(other)) => self.equate(one, other, site),
            _ => self.unify(a, b, site),
        }
    }

    /// Makes a value one of those of which a result is chosen (`COALESCE`, `UNION`). A sealed one
    /// keeps its own type; the result has the widest of them.
    pub(crate) fn choose(
        &mut self,
        result: TypeId,
        value: TypeId,
        site: Site,
    ) -> Result<(), Refusal> {
        let (_, chosen) = self.class(value);
        let Tag::Sealed(column) = chosen.tag else {
            return self.unify(value, result, site);
        };
        let (root, mut class) = self.class(result);
        class.tag = match class.tag {
            Tag::Unknown => {
                class.compared |= self.is_compared(&chosen, column);
                Tag::Sealed(column)
            }
            Tag::Sealed(before) => {
                self.check_classes(before, column, site)?;
                self.check_choice(before, column, site)?;
                Tag::Sealed(self.wider(before, column))
            }
            _ => return self.unify(value, result, site),
        };
        self.check(&class)?;
        self.slots[root.0 as usize] = Slot::Root(class);
        self.flows.push(Flow {
            from: value,
            to: root,
        });
        Ok(())
    }

    /// The column whose type PostgreSQL gives to a choice between the two: the other's, if only the
    /// one is cast to it by itself (`select_common_type`); of one type, that without a modifier.
    fn wider(&self, one: ColumnId, other: ColumnId) -> ColumnId {
        use ScalarType as T;
        let (a, b) = (self.policy.column(one).ty, self.policy.column(other).ty);
        let is_wider = match (a.scalar(), b.scalar()) {
            (T::Int2, T::Int4 | T::Int8)
            | (T::Int4, T::Int8)
            | (T::Varchar | T::Bpchar, T::Name)
            | (T::Cidr, T::Inet) => true,
            (a_scalar, b_scalar) if a_scalar == b_scalar => {
                a.typmod() != DeclaredType::NO_TYPMOD && b.typmod() == DeclaredType::NO_TYPMOD
            }
            _ => false,
        };
        if is_wider { other } else { one }
    }

    /// Refuses a comparison for which PostgreSQL has no operator, though the cells would compare.
    fn check_equality(&self, one: ColumnId, other: ColumnId, site: Site) -> Result<(), Refusal> {
        let (x, y) = (self.policy.column(one), self.policy.column(other));
        let (a, b) = (x.ty.scalar(), y.ty.scalar());
        let names = || format!("{} = {}", x.type_name(), y.type_name());
        if a == b {
            return Ok(());
        }
        // Operators of arrays and ranges take two of one type, without casts.
        if x.ty.is_array() || a.bound_type().is_some() {
            let words = format!("operator does not exist: {}", names());
            return Err(refuse::invalid("42883", words).at(site.at));
        }
        // Each of the two is cast to the other.
        if x.ty.family() == Family::Macaddr {
            let words = format!("operator is not unique: {}", names());
            return Err(refuse::invalid("42725", words).at(site.at));
        }
        Ok(())
    }

    /// Refuses a choice between two types that PostgreSQL does not cast by itself.
    fn check_choice(&self, one: ColumnId, other: ColumnId, site: Site) -> Result<(), Refusal> {
        let (x, y) = (self.policy.column(one), self.policy.column(other));
        let (a, b) = (x.ty.scalar(), y.ty.scalar());
        let is_cast = match a.family() {
            Family::Json => false,
            _ => a.bound_type().is_none(),
        };
        if a == b || is_cast {
            return Ok(());
        }
        let words = format!(
            "could not convert type {} to {}",
            y.type_name(),
            x.type_name()
        );
        Err(refuse::invalid("42846", words).at(site.at))
    }

    fn check_classes(&self, one: ColumnId, other: ColumnId, site: Site) -> Result<(), Refusal> {
        let (x, y) = (self.policy.column(one), self.policy.column(other));
        if one == other || x.same_class(y) {
            return Ok(());
        }
        Err(refuse::two_classes(
            self.policy,
            one,
            other,
            site.param,
            site.at,
        ))
    }

    fn check(&self, class: &Class<'a>) -> Result<(), Refusal> {
        let Tag::Sealed(column) = class.tag else {
            return Ok(());
        };
        if let Some(equality) = &class.equality
            && self.policy.column(column).mode == Mode::Randomized
        {
            return Err(refuse::randomized(
                self.policy,
                column,
                equality.what,
                equality.at,
            ));
        }
        if let Some(operator) = &class.unqualified
            && self.foreign_equality
        {
            let (what, at) = (operator.what, operator.at);
            return Err(refuse::foreign_operator(self.policy, column, what, at));
        }
        Ok(())
    }

    /// Demands that members can be compared: sealed ones must be deterministic.
    pub(crate) fn compare(
        &mut self,
        id: TypeId,
        what: &'static str,
        qualified: bool,
        at: usize,
    ) -> Result<(), Refusal> {
        let (root, mut class) = self.class(id);
        if let Tag::Array(element) = class.tag {
            return self.compare(element, what, qualified, at);
        }
        let equality = Equality { what, at };
        if !qualified && class.unqualified.is_none() {
            class.unqualified = Some(equality);
        }
        class.equality.get_or_insert(equality);
        self.check(&class)?;
        self.slots[root.0 as usize] = Slot::Root(class);
        Ok(())
    }

    /// Whether nothing is known of a set yet: its members are parameters and constants.
    pub(crate) fn is_open(&mut self, id: TypeId) -> bool {
        matches!(self.class(id).1.tag, Tag::Unknown)
    }

    /// Demands plain values.
    pub(crate) fn require_plain(
        &mut self,
        id: TypeId,
        why: Why<'a>,
        site: Site,
    ) -> Result<(), Refusal> {
        // Sorting cells of nobody tells nobody anything.
        if matches!(why, Why::Clause("ORDER BY"))
            && matches!(self.class(id).1.tag, Tag::Unlisted(_))
        {
            return Ok(());
        }
        let plain = self.plain(why);
        self.unify(id, plain, site)
    }

    /// Marks that members are stored in a column.
    pub(crate) fn assign(&mut self, id: TypeId, column: ColumnId, at: usize) {
        let (root, mut class) = self.class(id);
        class.assigned.get_or_insert(column);
        self.slots[root.0 as usize] = Slot::Root(class);
        self.stores.push((root, column, at));
    }

    /// Checks what is stored, once every constraint is in. PostgreSQL converts a value to the type
    /// of the column that it is assigned to, and fails where it does not fit. The client does so with
    /// `values`, its parameters and literals; a cell that is copied stays as it is.
    pub(crate) fn check_stores(
        &mut self,
        values: impl Iterator<Item = (TypeId, Site)>,
    ) -> Result<(), Refusal> {
        if self.stores.is_empty() {
            return Ok(());
        }
        let stored = self.stored();
        for (id, column) in std::mem::take(&mut self.origins) {
            let root = self.root(id);
            for &(target, at) in stored.get(&root.0).into_iter().flatten() {
                if !self.fits(column, target) {
                    return Err(refuse::narrowing(self.policy, column, target, at));
                }
            }
        }
        for (id, site) in values {
            let (mut root, mut class) = self.class(id);
            while let Tag::Array(element) = class.tag {
                (root, class) = self.class(element);
            }
            let Ground::Sealed(Sealed { column, .. }) = self.ground(root) else {
                continue;
            };
            for &(target, _) in stored.get(&root.0).into_iter().flatten() {
                if !self.fits(column, target) {
                    return Err(refuse::stored_twice(self.policy, column, target, site));
                }
            }
        }
        Ok(())
    }

    /// By set, the columns that cells in it come from.
    pub(crate) fn origins(&mut self, sets: impl Iterator<Item = TypeId>) -> Vec<Vec<ColumnId>> {
        let mut held: HashMap<u32, Vec<ColumnId>> = HashMap::new();
        for (id, column) in self.origins.clone() {
            let root = self.root(id);
            held.entry(root.0).or_default().push(column);
        }
        let into = self.sources();
        let mut origins = Vec::new();
        for set in sets {
            let mut columns: Vec<ColumnId> = Vec::new();
            let mut seen = HashSet::new();
            let mut open = vec![self.root(set)];
            while let Some(set) = open.pop() {
                if seen.insert(set.0) {
                    columns.extend(held.get(&set.0).into_iter().flatten());
                    open.extend(into.get(&set.0).into_iter().flatten());
                }
            }
            columns.sort_unstable();
            columns.dedup();
            origins.push(columns);
        }
        origins
    }

    /// Of each set, whether one of these members has come into it.
    pub(crate) fn hold(&mut self, sets: Vec<TypeId>, members: Vec<TypeId>) -> Vec<bool> {
        let members: HashSet<u32> = members.into_iter().map(|id| self.root(id).0).collect();
        let into = self.sources();
        let mut hold = Vec::with_capacity(sets.len());
        for set in sets {
            let mut seen = HashSet::new();
            let mut open = vec![self.root(set)];
            let mut found = false;
            while let Some(set) = open.pop() {
                found |= members.contains(&set.0);
                if seen.insert(set.0) {
                    open.extend(into.get(&set.0).into_iter().flatten());
                }
            }
            hold.push(found);
        }
        hold
    }

    /// By set, those whose members are also its own.
    fn sources(&mut self) -> HashMap<u32, Vec<TypeId>> {
        let mut into: HashMap<u32, Vec<TypeId>> = HashMap::new();
        for Flow { from, to } in self.flows.clone() {
            let (from, to) = (self.root(from), self.root(to));
            into.entry(to.0).or_default().push(from);
        }
        into
    }

    fn fits(&self, column: ColumnId, target: ColumnId) -> bool {
        let (column, target) = (self.policy.column(column), self.policy.column(target));
        column.ty.fits(target.ty)
    }

    /// By set, the columns that its members are stored in, directly or as members of others, and
    /// where.
    fn stored(&mut self) -> HashMap<u32, Vec<(ColumnId, usize)>> {
        let into = self.sources();
        let mut stored: HashMap<u32, Vec<(ColumnId, usize)>> = HashMap::new();
        for (id, column, at) in std::mem::take(&mut self.stores) {
            let mut open = vec![self.root(id)];
            while let Some(set) = open.pop() {
                let columns = stored.entry(set.0).or_default();
                if columns.iter().any(|(known, _)| *known == column) {
                    continue;
                }
                columns.push((column, at));
                if let Slot::Root(class) = &mut self.slots[set.0 as usize] {
                    class.assigned.get_or_insert(column);
                }
                open.extend(into.get(&set.0).into_iter().flatten());
            }
        }
        stored
    }

    /// The refusal of a value that turned out to belong to a set of cells that the manifest does
    /// not list.
    pub(crate) fn unlisted_value(&mut self, id: TypeId, at: usize) -> Refusal {
        let mut tag = self.class(id).1.tag;
        while let Tag::Array(element) = tag {
            tag = self.class(element).1.tag;
        }
        match tag {
            Tag::Unlisted(column) => column.refuse_value(at),
            _ => refuse::unlisted_value(Path::Name("?"), at),
        }
    }

    /// Whether members of a set have the type of comparisons, not that of a column.
    fn is_compared(&self, class: &Class<'a>, column: ColumnId) -> bool {
        let own = self.policy.column(column).ty.scalar();
        // For these a comparison takes another type, unless the statement says which.
        let is_named = matches!(own, ScalarType::Varchar | ScalarType::Cidr);
        class.compared && !(is_named && class.named == Some(own))
    }

    /// What a set is, once every constraint is in. What nothing has typed is plain: every column
    /// and every target has a type from the start, so that only parameters and literals can be
    /// left over.
    pub(crate) fn ground(&mut self, id: TypeId) -> Ground {
        let (_, class) = self.class(id);
        match class.tag {
            Tag::Unknown | Tag::Plain(_) => Ground::Plain,
            Tag::Sealed(column) => Ground::Sealed(Sealed {
                column: class.assigned.unwrap_or(column),
                shown: column,
                assigned: class.assigned.is_some(),
                compared: self.is_compared(&class, column),
                equated: class.equality.is_some(),
            }),
            Tag::Unlisted(_) => Ground::Unlisted,
            Tag::Array(element) => match self.ground(element) {
                Ground::Plain => Ground::Plain,
                // PostgreSQL has no arrays of arrays, only arrays of more dimensions.
                Ground::Sealed(sealed) if self.policy.column(sealed.column).ty.is_array() => {
                    Ground::Deep
                }
                Ground::Sealed(sealed) => Ground::Array(sealed),
                Ground::Unlisted => Ground::Unlisted,
                Ground::Array(_) | Ground::Deep => Ground::Deep,
            },
        }
    }
}
