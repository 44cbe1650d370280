//! What a plain statement may do to the session: change what names mean, or how values print.
//!
//! The command tag tells it afterwards. Before that, a text tells whether a protected statement
//! that follows has to wait for the tag.

use sealwire_sql::Naming;

use crate::mention::has_word;

/// What the session knows has become doubtful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stale {
    /// Nothing.
    #[default]
    Nothing,
    /// Search path, role and the settings that are not reported.
    Facts,
    /// The catalogue rows as well.
    Catalogue,
    /// Which names are protected, too: a view over a protected table may be new.
    Names,
}

/// What a text may do, by its first words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    /// A protected statement behind it waits for its response.
    pub(crate) risky: bool,
    /// Any statement behind it does, because it may make a name protected.
    pub(crate) renames: bool,
    /// It is one `SET` of a setting that no fact depends on.
    pub(crate) harmless_set: bool,
    /// It may change a setting that the server reports. It does so with ReadyForQuery, which can be
    /// long after the command has completed.
    pub(crate) reported: bool,
    /// It ends a transaction, and with it what was set for the transaction only.
    pub(crate) ends: bool,
    /// What has become doubtful afterwards, whatever the tag says.
    pub(crate) after: Stale,
    /// It calls what may change a fact, or cannot be read.
    pub(crate) calls: bool,
    /// What it may do with the names of prepared statements and cursors.
    pub(crate) naming: Naming,
}

/// Commands that change nothing a fact depends on. `COMMIT` and the like only do when something
/// else did in the transaction, and that something is waited for.
const HARMLESS: &[&str] = &[
    "select",
    "insert",
    "update",
    "delete",
    "with",
    "values",
    "table",
    "fetch",
    "move",
    "begin",
    "start",
    "commit",
    "end",
    "savepoint",
    "release",
    "show",
    "explain",
    "copy",
    "listen",
    "unlisten",
    "notify",
    "merge",
    "close",
    "declare",
    "deallocate",
    "lock",
    "analyze",
    "vacuum",
    "truncate",
    "checkpoint",
];

/// Commands that end a transaction, or a part of one.
const ENDS: &[&str] = &["commit", "end", "rollback", "abort"];

/// Commands that run code of the server's, which may do anything, and whose tags do not tell.
const CODE: &[&str] = &["do", "call"];

/// Settings that facts depend on, by the word after `SET`. Anything else that is spelt plainly is
/// reported by the server or of no interest.
const FACTS: &[&str] = &[
    "search_path",
    "schema",
    "role",
    "session",
    "bytea_output",
    "extra_float_digits",
    "constraints",
    "time",
    "names",
    "xml",
    "lc_monetary",
    "timezone_abbreviations",
];

/// Settings that the server reports and that texts are read or values written by. `SET TIME ZONE`,
/// `SET NAMES` and a name in quotes are among [`FACTS`] or not spelt plainly, and count as well.
const REPORTED: &[&str] = &[
    "client_encoding",
    "standard_conforming_strings",
    "datestyle",
    "intervalstyle",
    "timezone",
];

/// Classifies a text. `several`: it may hold several statements (a simple Query).
pub(crate) fn effect(text: &[u8], several: bool) -> Effect {
    let none = Effect::default();
    let risky = Effect {
        risky: true,
        reported: true,
        ..none
    };
    // A cells' type in a definition makes the name of a relation protected.
    let renames = contains(text, b"sealwire");
    if several && has_second_statement(text) {
        // A block of code has semicolons of its own, so that this is where one ends up.
        let runs_code = runs_code(text);
        let after = match runs_code {
            true => Stale::Names,
            // The tag of `CREATE TABLE AS` is `SELECT n`.
            false if contains(text, b"create") => Stale::Catalogue,
            false => Stale::Nothing,
        };
        return Effect {
            renames: renames || runs_code,
            after,
            ..risky
        };
    }
    let mut words = Words { rest: text };
    let Some(first) = words.next() else {
        return none;
    };
    if is_one_of(first, HARMLESS) {
        let ends = is_one_of(first, ENDS);
        let second = if ends { words.next() } else { None };
        if second.is_some_and(|word| word.eq_ignore_ascii_case(b"prepared")) {
            // `COMMIT PREPARED`: what another transaction has defined becomes visible.
            return Effect {
                renames: true,
                after: Stale::Names,
                reported: false,
                ..risky
            };
        }
        return Effect { ends, ..none };
    }
    if is_one_of(first, CODE) {
        return Effect {
            renames: true,
            after: Stale::Names,
            ..risky
        };
    }
    if first.eq_ignore_ascii_case(b"create") {
        return Effect {
            renames,
            after: Stale::Catalogue,
            reported: false,
            ..risky
        };
    }
    if !first.eq_ignore_ascii_case(b"set") {
        let ends = is_one_of(first, ENDS);
        return Effect {
            renames,
            ends,
            reported: !ends,
            ..risky
        };
    }
    let mut name = words.next();
    if name.is_some_and(|word| is_one_of(word, &["local"])) {
        name = words.next();
    }
    // `SET SESSION x` keeps the caution of `SET SESSION AUTHORIZATION`.
    match name {
        // `U&"search_path"` begins with a word too.
        Some(name) if !is_one_of(name, FACTS) && !words.rest.starts_with(b"&") => Effect {
            harmless_set: true,
            reported: is_one_of(name, REPORTED),
            ..risky
        },
        _ => risky,
    }
}

/// Object identifiers below this are those of the server's own objects.
const FIRST_NORMAL_OID: u32 = 16_384;

/// The identifier of a function by its bytes, if somebody has made it. One that is cut short is taken
/// for such, and is zero.
pub(crate) fn made_function(function: &[u8]) -> Option<u32> {
    match function.try_into().map(u32::from_be_bytes) {
        Ok(oid) if oid < FIRST_NORMAL_OID => None,
        oid => Some(oid.unwrap_or(0)),
    }
}

/// What a FunctionCall may do, by the bytes of the function's identifier. It may be `set_config`; a
/// function that someone has made may define relations as well.
pub(crate) fn of_call(function: &[u8]) -> Effect {
    let is_own = made_function(function).is_none();
    Effect {
        risky: true,
        reported: true,
        renames: !is_own,
        after: if is_own { Stale::Facts } else { Stale::Names },
        ..Effect::default()
    }
}

/// What a text does that ends a transaction and does nothing else. It must go out whatever the session
/// is in doubt of: in an aborted transaction nothing else does anything.
pub(crate) fn only_ends_transaction(text: &[u8]) -> Option<Effect> {
    let first = Words { rest: text }.next()?;
    if !is_one_of(first, ENDS) || has_second_statement(text) {
        return None;
    }
    Some(effect(text, true))
}

/// Whether a text has a word in it, in capitals or not.
fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|window| window.eq_ignore_ascii_case(word))
}

fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter()
        .any(|entry| word.eq_ignore_ascii_case(entry.as_bytes()))
}

/// Whether anything but space follows the first semicolon. A semicolon inside a string counts too,
/// which only makes a statement wait.
fn has_second_statement(text: &[u8]) -> bool {
    text.iter()
        .position(|&b| b == b';')
        .is_some_and(|at| !text[at + 1..].trim_ascii().is_empty())
}

/// Whether one of several statements may be [`CODE`]. Every semicolon is taken for the end of a
/// statement, in a string or a comment too.
fn runs_code(text: &[u8]) -> bool {
    // Semicolons may stand in comments and comments behind semicolons, so that a hostile text could
    // have each comment looked through again and again.
    let mut left = text.len().saturating_mul(4);
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b';');
    for start in std::iter::once(0).chain(ends.map(|(at, _)| at + 1)) {
        let rest = &text[start..];
        let mut words = Words { rest };
        if words.next().is_some_and(|word| is_one_of(word, CODE)) {
            return true;
        }
        match left.checked_sub(rest.len() - words.rest.len()) {
            Some(now) => left = now,
            None => return CODE.iter().any(|code| has_word(text, code.as_bytes())),
        }
    }
    false
}

/// Words at the start of a text, comments and opening parentheses skipped; ends at anything else.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn skip_to_word(&mut self) {
        loop {
            let rest = self.rest.trim_ascii_start();
            self.rest = if let Some(comment) = rest.strip_prefix(b"--") {
                let end = comment.iter().position(|b| matches!(b, b'\n' | b'\r'));
                end.map_or(&[][..], |end| &comment[end..])
            } else if rest.starts_with(b"/*") {
                let Some(after) = after_comment(rest) else {
                    self.rest = &[];
                    return;
                };
                after
            } else if let Some(after) = rest.strip_prefix(b"(") {
                after
            } else {
                self.rest = rest;
                return;
            };
        }
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        self.skip_to_word();
        let is_word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let len = self.rest.iter().take_while(|b| is_word(b)).count();
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        (len > 0).then_some(word)
    }
}

/// What follows a comment; comments nest.
fn after_comment(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0usize;
    let mut at = 0;
    while at + 1 < text.len() {
        match &text[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return Some(&text[at..]);
        }
    }
    None
}

/// What a completed command has made doubtful, by its tag.
pub(crate) fn of_tag(tag: &[u8], effect: Effect) -> Stale {
    let first = tag.split(|&b| b == b' ').next().unwrap_or_default();
    match first {
        b"SET" if effect.harmless_set => Stale::Nothing,
        b"SET" | b"RESET" => Stale::Facts,
        b"CREATE" | b"ALTER" | b"DROP" | b"DISCARD" | b"IMPORT" | b"REFRESH" | b"REASSIGN" => {
            Stale::Catalogue
        }
        b"CALL" | b"DO" => Stale::Names,
        b"SELECT" if tag.starts_with(b"SELECT INTO") => Stale::Catalogue,
        _ => Stale::Nothing,
    }
}

/// Whether a tag undoes what happened in the transaction, or part of it: `COMMIT` undoes `SET LOCAL`.
pub(crate) fn undoes(tag: &[u8]) -> bool {
    tag.starts_with(b"ROLLBACK") || tag == b"COMMIT"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, several: bool, risky: bool, harmless_set: bool) {
        let effect = effect(text.as_bytes(), several);
        assert_eq!(
            (effect.risky, effect.harmless_set),
            (risky, harmless_set),
            "{text}"
        );
    }

    #[test]
    fn texts_are_classified_by_their_first_words() {
        check("SELECT 1", false, false, false);
        check("  /* a /* b */ */ (-- c\n select 1)", false, false, false);
        check("commit", true, false, false);
        check("COMMIT AND CHAIN", true, false, false);
        check("commit /* */ Prepared 'x'", true, true, false);
        check("SELECT 1;", true, false, false);
        check("SELECT 1; SET search_path = x", true, true, false);
        check("set search_path = x", true, true, false);
        check("SET LOCAL search_path = x", true, true, false);
        check("SET SESSION application_name = x", true, true, false);
        check("SET application_name = x", true, true, true);
        check("SET app.tenant = 'x'", false, true, true);
        check("SET \"search_path\" = x", false, true, false);
        check("SET U&\"search_path\" = x", false, true, false);
        check("set lc_monetary = x", false, true, false);
        check("/* open", false, false, false);
        check("ROLLBACK", false, true, false);
        check("CREATE TABLE t ()", false, true, false);
        check("DO $$ BEGIN END $$", false, true, false);
    }

    #[test]
    fn calls_of_functions_that_someone_has_made_may_define_names() {
        for (oid, after) in [
            (&[0, 0, 0x3f, 0xff][..], Stale::Facts),
            (&[0, 0, 0x40, 0], Stale::Names),
            (&[0xff; 4], Stale::Names),
            (&[0, 0], Stale::Names),
        ] {
            let effect = of_call(oid);
            assert_eq!(
                (effect.after, effect.renames),
                (after, after == Stale::Names)
            );
        }
    }

    #[test]
    fn code_is_found_among_several_statements() {
        for text in [
            "DO $$ BEGIN PERFORM f(); END $$",
            "BEGIN; call f(); COMMIT",
            "SELECT 1; DO 'x'",
            "SELECT 1; /* ; */ -- and\n\tCALL f()",
            &format!("{}*/; do 'x'", ";/*".repeat(1000)),
        ] {
            let effect = effect(text.as_bytes(), true);
            assert!(effect.renames && effect.after == Stale::Names, "{text}");
        }
        for text in [
            "SELECT 1; SELECT done, recall FROM t",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; SELECT 1",
            "-- we can't; what to do\nSELECT 1",
        ] {
            let plain = effect(text.as_bytes(), true);
            assert!(!plain.renames && plain.after == Stale::Nothing, "{text}");
        }
    }

    #[test]
    fn reported_settings_are_told_from_others() {
        for (text, reported) in [
            ("SET DateStyle = german", true),
            ("SET LOCAL TIME ZONE 'UTC'", true),
            ("SET NAMES 'latin1'", true),
            ("SET \"TimeZone\" = 'UTC'", true),
            ("SET U&\"client_encoding\" = 'latin1'", true),
            ("SET SESSION standard_conforming_strings = off", true),
            ("RESET ALL", true),
            ("DISCARD ALL", true),
            ("DO 'x'", true),
            ("SELECT 1; SET DateStyle = german", true),
            ("SET application_name = x", false),
            ("SET app.tenant = 'x'", false),
            ("ROLLBACK", false),
            ("CREATE TABLE t ()", false),
            ("SELECT 1", false),
        ] {
            assert_eq!(effect(text.as_bytes(), true).reported, reported, "{text}");
        }
    }

    #[test]
    fn tags_tell_what_is_doubtful() {
        let plain = Effect::default();
        let harmless = Effect {
            harmless_set: true,
            ..plain
        };
        assert_eq!(of_tag(b"SET", plain), Stale::Facts);
        assert_eq!(of_tag(b"SET", harmless), Stale::Nothing);
        assert_eq!(of_tag(b"CREATE VIEW", plain), Stale::Catalogue);
        assert_eq!(of_tag(b"INSERT 0 1", plain), Stale::Nothing);
        assert_eq!(of_tag(b"SELECT 3", plain), Stale::Nothing);
    }
}
