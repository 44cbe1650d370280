//! The mention test: can a text name a protected relation at all?

use std::collections::{HashMap, HashSet};

use sealwire_core::catalogue::{Attribute, Catalogue};
use sealwire_core::ddl;
use sealwire_core::policy::{Mode, Policy};

use crate::parse::{Lexeme, Tok, Tokens, each_word, has_folded_name};
use crate::session::{self, Naming};
use crate::views::Views;

/// The names of the protected relations and of everything that the catalogue says depends on one
/// (partitions and children, views and materialised views, transitively), and of every relation
/// with a column whose type says that it holds cells. Build it once per policy
/// and state of the catalogue: it also keeps what the definitions of views come to.
#[derive(Debug)]
pub struct Matcher {
    names: HashSet<Box<str>>,
    /// Names of functions that take or return cells: they count only where they are called.
    functions: HashSet<Box<str>>,
    /// Names of types that hold cells: they count only where a type stands.
    types: HashSet<Box<str>>,
    /// For every first byte of a name, a bit per length (63 stands for all longer ones): most
    /// words of a text are told apart by these alone.
    lengths: Box<[u64; 256]>,
    pub(crate) views: Views,
}

impl Matcher {
    /// Collects the names.
    pub fn new(policy: &Policy, catalogue: &Catalogue) -> Self {
        let mut matcher = Self {
            names: HashSet::new(),
            functions: HashSet::new(),
            types: HashSet::new(),
            lengths: Box::new([0; 256]),
            views: Views::default(),
        };
        for table in policy.tables() {
            matcher.add(&table.name);
        }
        let mut dependents: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut open = Vec::new();
        for relation in catalogue.relations() {
            for &source in relation.parents.iter().chain(&relation.reads) {
                dependents.entry(source).or_default().push(relation.oid);
            }
            let holds_cells =
                |it: &Attribute| it.holds_cells() || !catalogue.cell_type(it.type_oid).is_empty();
            let unlisted = || relation.attributes.iter().any(holds_cells);
            if policy.table(&relation.schema, &relation.name).is_some() || unlisted() {
                open.push(relation.oid);
            }
        }
        let mut seen: HashSet<u32> = open.iter().copied().collect();
        while let Some(oid) = open.pop() {
            if let Some(relation) = catalogue.by_oid(oid) {
                matcher.add(&relation.name);
            }
            for &dependent in dependents.get(&oid).into_iter().flatten() {
                if seen.insert(dependent) {
                    open.push(dependent);
                }
            }
        }
        for name in catalogue.holders().values() {
            matcher.add(name);
        }
        let mut functions = HashSet::new();
        functions.extend(catalogue.function_names().map(Box::from));
        let mut types = HashSet::new();
        for mode in [Mode::Deterministic, Mode::Randomized] {
            types.extend(ddl::domain(mode).rsplit('.').next().map(Box::from));
        }
        types.extend(catalogue.cell_types().map(|ty| ty.name.as_str().into()));
        for word in functions.iter().chain(&types) {
            matcher.note_length(word);
        }
        (matcher.functions, matcher.types) = (functions, types);
        matcher
    }

    fn add(&mut self, name: &str) {
        if !name.is_empty() {
            self.note_length(name);
            self.names.insert(name.into());
        }
    }

    fn note_length(&mut self, name: &str) {
        if let Some(first) = name.bytes().next() {
            self.lengths[usize::from(first)] |= 1 << name.len().min(63);
        }
    }

    fn may_be(&self, word: &str) -> bool {
        word.bytes()
            .next()
            .is_some_and(|first| self.lengths[usize::from(first)] & (1 << word.len().min(63)) != 0)
    }

    /// Whether this is one of the names.
    pub(crate) fn is_name(&self, word: &str) -> bool {
        self.may_be(word) && self.names.contains(word)
    }

    /// Whether this is the name of a function that takes or returns cells.
    pub(crate) fn is_function(&self, word: &str) -> bool {
        self.may_be(word) && self.functions.contains(word)
    }

    /// Whether this is the name of a type that holds cells.
    pub(crate) fn is_type(&self, word: &str) -> bool {
        self.may_be(word) && self.types.contains(word)
    }

    /// Whether this is the name of such a function or type.
    fn is_use(&self, word: &str) -> bool {
        self.may_be(word) && (self.functions.contains(word) || self.types.contains(word))
    }

    /// Whether a text can name one of them, or a function or a type that has to do with cells: one
    /// pass over the tokens, no tree. `false` is a proof that it does not, and the text may go out
    /// without [`crate::analyse`].
    pub fn mentions(&self, text: &str) -> bool {
        let (mut code, mut touches) = (false, false);
        let read = each_word(text, |lexeme| match lexeme {
            Word::Name(word) => {
                code = code || runs_code(word);
                touches = touches || self.is_use(word);
                self.is_name(word)
            }
            Word::Keyword(word) => {
                code = code || brings_code(word);
                touches = touches || self.is_use(word);
                self.is_name(word)
            }
            Word::String(value) => code && self.in_code(value),
        });
        // What cannot be read cannot be proved harmless by its tokens.
        let names = read.unwrap_or_else(|_| self.in_code(text));
        names || (touches || read.is_err()) && self.touches(text)
    }

    /// Reads a text once for everything that its words tell. `each` sees its identifiers and
    /// keywords as PostgreSQL folds and unescapes them, up to where the text cannot be read.
    pub fn read(&self, text: &str, mut each: impl FnMut(&str)) -> Reading {
        let (mut mentions, mut naming, mut code) = (false, Naming::default(), false);
        let mut touches = false;
        let read = each_word(text, |word| {
            match word {
                Word::Name(word) => {
                    each(word);
                    code = code || runs_code(word);
                    mentions = mentions || self.is_name(word);
                    touches = touches || self.is_use(word);
                }
                Word::Keyword(word) => {
                    each(word);
                    code = code || brings_code(word);
                    naming.note(word);
                    mentions = mentions || self.is_name(word);
                    touches = touches || self.is_use(word);
                }
                Word::String(value) => mentions = mentions || code && self.in_code(value),
            }
            false
        });
        let unreadable = read.is_err();
        mentions = mentions || (touches || unreadable) && self.touches(text);
        Reading {
            mentions: mentions || unreadable && self.in_code(text),
            naming: match unreadable && session::has_naming_word(text) {
                true => Naming::UNKNOWN,
                false => naming,
            },
            unreadable,
        }
    }

    /// Whether a text can name one of them to a server that folds letters beyond ASCII in names
    /// without quotes, or can name something else in a text that has one of them. `false` means that
    /// it is to such a server what it is here. `folded` is the text by [`folded`].
    pub fn mentions_folded(&self, text: &str, folded: &str) -> bool {
        match self.mentions(text) {
            true => has_folded_name(text),
            false => self.mentions(folded),
        }
    }

    /// The names of relations, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// The names of functions and types that have to do with cells, in no order.
    pub fn used_names(&self) -> impl Iterator<Item = &str> {
        let names = self.functions.iter().chain(&self.types);
        names.map(AsRef::as_ref)
    }

    /// The first of the names that a text has in it, for messages.
    pub(crate) fn first_in(&self, text: &str) -> Option<String> {
        let mut first = None;
        // Where the text cannot be read to its end, what came before counts.
        let _ = each_word(text, |word| match word {
            Word::Name(word) | Word::Keyword(word) => {
                let is_name = self.is_name(word);
                if is_name {
                    first = Some(word.to_owned());
                }
                is_name
            }
            Word::String(value) => {
                first = self.name_in_code(value).map(str::to_owned);
                first.is_some()
            }
        });
        first
    }

    /// [`Matcher::mentions`] for a part of a text whose tokens are known, without its strings.
    pub(crate) fn mentions_between(
        &self,
        tokens: &Tokens<'_>,
        range: &std::ops::Range<usize>,
    ) -> bool {
        tokens
            .iter()
            .filter(|token| range.contains(&token.start))
            .any(|token| match &token.lexeme {
                Lexeme::Ident(word) => self.is_name(word),
                Lexeme::Keyword(word) => self.is_name(word),
                _ => false,
            })
    }

    /// [`Matcher::touches_between`] for a whole text. Of one that cannot be read every word counts.
    fn touches(&self, text: &str) -> bool {
        match Tokens::new(text) {
            Ok(tokens) => self.touches_between(&tokens, &(0..text.len())),
            Err(_) => [&self.functions, &self.types]
                .into_iter()
                .any(|names| written(text, names).is_some()),
        }
    }

    /// Whether a part of a text may call a function that takes or returns cells, or has the name of a
    /// type that holds some: as far as its tokens tell.
    pub(crate) fn touches_between(
        &self,
        tokens: &Tokens<'_>,
        range: &std::ops::Range<usize>,
    ) -> bool {
        let in_range = |token: &&Tok<'_>| range.contains(&token.start);
        let mut tokens = tokens.iter().filter(in_range).peekable();
        let (mut starts, mut creates, mut is_collation) = (true, false, false);
        while let Some(token) = tokens.next() {
            // `deterministic` is an option of collations.
            let created = std::mem::replace(&mut creates, starts && token.is_keyword("create"));
            starts = token.is_char(b';');
            is_collation = !starts && (is_collation || created && token.is_keyword("collation"));
            let Some(word) = token.word() else { continue };
            let called = tokens.peek().is_some_and(|next| next.is_char(b'('));
            if !is_collation && self.is_type(word) || called && self.is_function(word) {
                return true;
            }
        }
        false
    }

    /// Whether a piece of code names one of them: the name stands in it as a word of its own,
    /// upper or lower case, or as SQL spells it.
    pub(crate) fn in_code(&self, code: &str) -> bool {
        self.name_in_code(code).is_some()
    }

    /// Whether a part of a text has code that names one of them in the arguments of a function that
    /// runs it.
    pub(crate) fn runs_code_between(
        &self,
        text: &str,
        tokens: &Tokens<'_>,
        range: &std::ops::Range<usize>,
    ) -> bool {
        let runs = tokens
            .iter()
            .filter(|token| range.contains(&token.start))
            .any(|token| matches!(&token.lexeme, Lexeme::Ident(word) if runs_code(word)));
        // The tokens of a whole text are those of its statements.
        runs && each_word(
            text.get(range.clone()).unwrap_or(text),
            |word| matches!(word, Word::String(value) if self.in_code(value)),
        )
        .unwrap_or(true)
    }

    fn name_in_code(&self, code: &str) -> Option<&str> {
        self.name_written(code)
            .or_else(|| self.name_spelt(code, CODE_DEPTH_MAX))
    }

    /// A name with a quote in it or with characters that are escaped is not written in code as it
    /// is; and code may have more code in its strings.
    fn name_spelt(&self, code: &str, depth: usize) -> Option<&str> {
        if !code.contains(['"', '\'', '\\', '$']) {
            return None;
        }
        let mut found = None;
        // Where it cannot be read as SQL, what came before counts.
        let _ = each_word(code, |word| {
            found = match word {
                Word::Name(word) | Word::Keyword(word) => self.names.get(word),
                Word::String(_) if depth == 0 => self.names.iter().next(),
                Word::String(value) => {
                    let spelt = self.name_written(value);
                    let spelt = spelt.or_else(|| self.name_spelt(value, depth - 1));
                    spelt.and_then(|name| self.names.get(name))
                }
            };
            found.is_some()
        });
        found.map(AsRef::as_ref)
    }

    fn name_written(&self, code: &str) -> Option<&str> {
        written(code, &self.names)
    }
}

/// A text with the letters in lower case that a server with an encoding of single bytes folds and
/// others do not, or `None` if it has none. Which letters those are is the locale's: in the Turkish one
/// `İ` becomes an ASCII `i`, which is where its decomposition begins.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>
pub fn folded(text: &str) -> Option<String> {
    if !text.chars().any(is_folded) {
        return None;
    }
    let fold = |c: char| match is_folded(c) {
        true => c.to_lowercase().next().unwrap_or(c),
        false => c,
    };
    Some(text.chars().map(fold).collect())
}

/// Whether a server may fold a letter that is not ASCII.
pub(crate) fn is_folded(c: char) -> bool {
    !c.is_ascii() && c.to_lowercase().next() != Some(c)
}

/// The first of some names that stands in a piece of code as a word of its own.
fn written<'n>(code: &str, names: &'n HashSet<Box<str>>) -> Option<&'n str> {
    let code = code.as_bytes();
    let found = names.iter().find(|name| {
        let name = name.as_bytes();
        let is_part = |at: Option<usize>| {
            at.and_then(|at| code.get(at))
                .is_some_and(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | 0x80..))
        };
        code.windows(name.len()).enumerate().any(|(at, window)| {
            window.eq_ignore_ascii_case(name)
                && !is_part(at.checked_sub(1))
                && !is_part(Some(at + name.len()))
        })
    });
    found.map(AsRef::as_ref)
}

/// What the words of a text tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// See [`Matcher::mentions`].
    pub mentions: bool,
    /// What it may do with the names of prepared statements and cursors.
    pub naming: Naming,
    /// The text cannot be read to its end.
    pub unreadable: bool,
}

/// Levels of strings in code that are looked into. A name is taken to be in what is deeper.
const CODE_DEPTH_MAX: usize = 8;

/// Whether a function of PostgreSQL's own runs the text of its argument.
fn runs_code(function: &str) -> bool {
    matches!(
        function,
        "query_to_xml"
            | "query_to_xmlschema"
            | "query_to_xml_and_xmlschema"
            | "ts_stat"
            | "ts_rewrite"
    )
}

/// Whether code may stand in the strings behind a keyword.
fn brings_code(keyword: &str) -> bool {
    matches!(keyword, "do" | "create")
}

/// A token that can name something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Word<'t> {
    /// An identifier.
    Name(&'t str),
    /// A keyword, in lower case.
    Keyword(&'t str),
    /// A string constant.
    String(&'t str),
}
