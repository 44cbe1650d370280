//! Taking our keys out of a connection string, leaving every other byte for tokio-postgres' own
//! parser.
//!
//! Both forms of libpq are known: `postgres://...?key=value` and `key=value key='quoted value'`
//! ([PostgreSQL documentation, 34.1.1](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING)).

use crate::error::Error;

/// The flag.
pub(crate) const ENCRYPTION: &str = "column_encryption";
/// Where the manifest is.
pub(crate) const MANIFEST: &str = "column_encryption_manifest";
/// Where the column master key is.
pub(crate) const MASTER_KEY: &str = "column_master_key";

const OURS: [&str; 3] = [ENCRYPTION, MANIFEST, MASTER_KEY];

/// How alike a foreign key must be to one of ours (Jaro-Winkler, 0..=1) to be taken for a typo of
/// it. None of PostgreSQL's own keywords comes near.
const TYPO_SIMILARITY: f64 = 0.88;

/// A connection string, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// What tokio-postgres gets.
    pub(crate) rest: String,
    pub(crate) encryption: Option<String>,
    pub(crate) manifest: Option<String>,
    pub(crate) master_key: Option<String>,
}

impl Split {
    fn set(&mut self, key: &'static str, value: String) -> Result<(), Error> {
        let slot = match key {
            ENCRYPTION => &mut self.encryption,
            MANIFEST => &mut self.manifest,
            _ => &mut self.master_key,
        };
        if slot.is_some() {
            return Err(Error::config(
                format!("`{key}` is given twice in the connection string"),
                None,
            ));
        }
        *slot = Some(value);
        Ok(())
    }
}

/// Takes a connection string apart.
pub(crate) fn split(text: &str) -> Result<Split, Error> {
    let scheme = ["postgres://", "postgresql://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme));
    match scheme {
        Some(scheme) => split_url(text, scheme.len()),
        None => split_key_value(text),
    }
}

fn ours(key: &str) -> Result<Option<&'static str>, Error> {
    if let Some(known) = OURS.into_iter().find(|known| *known == key) {
        return Ok(Some(known));
    }
    let lower = key.to_ascii_lowercase();
    let nearest = OURS
        .into_iter()
        .map(|known| (strsim::jaro_winkler(known, &lower), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((similarity, known)) if similarity >= TYPO_SIMILARITY => Err(Error::config(
            format!("unknown connection parameter `{key}`"),
            Some(format!(
                "did you mean `{known}`? Sealwire knows {}",
                list(&OURS)
            )),
        )),
        _ => Ok(None),
    }
}

/// `a`, `b` and `c`, in backticks.
pub(crate) fn list(items: &[&str]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

fn split_url(text: &str, scheme_len: usize) -> Result<Split, Error> {
    // A `?` in a password is legal there, so the query is looked for behind the credentials, which
    // tokio-postgres ends at the first `@`.
    let after_credentials = text[scheme_len..]
        .find('@')
        .map_or(scheme_len, |at| scheme_len + at + 1);
    let Some(query) = text[after_credentials..]
        .find('?')
        .map(|at| after_credentials + at + 1)
    else {
        return Ok(Split {
            rest: text.to_owned(),
            ..Split::default()
        });
    };
    let mut split = Split::default();
    let mut kept = Vec::new();
    for pair in text[query..].split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |part: &str| {
            percent_encoding::percent_decode_str(part)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| {
                    Error::config("the connection string is not UTF-8 after decoding", None)
                })
        };
        match ours(&decode(key)?)? {
            Some(known) => split.set(known, decode(value)?)?,
            None => kept.push(pair),
        }
    }
    text[..query - 1].clone_into(&mut split.rest);
    if !kept.is_empty() {
        split.rest.push('?');
        split.rest.push_str(&kept.join("&"));
    }
    Ok(split)
}

fn split_key_value(text: &str) -> Result<Split, Error> {
    let mut split = Split::default();
    let mut at = 0;
    while at < text.len() {
        let start = at;
        at += leading_whitespace(&text[at..]);
        let key_start = at;
        at += text[at..]
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(text.len() - at);
        let key = &text[key_start..at];
        at += leading_whitespace(&text[at..]);
        if !text[at..].starts_with('=') {
            // Not of the form that we know: tokio-postgres says what is wrong with it.
            split.rest.push_str(&text[start..]);
            break;
        }
        at += 1;
        at += leading_whitespace(&text[at..]);
        let (value, len) = value(&text[at..]);
        at += len;
        match ours(key)? {
            Some(known) => split.set(known, value)?,
            None => split.rest.push_str(&text[start..at]),
        }
    }
    Ok(split)
}

fn leading_whitespace(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// The value at the start of `text` and how many bytes it takes, quotes included.
fn value(text: &str) -> (String, usize) {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if quoted => return (value, at + 1),
            c if !quoted && c.is_whitespace() => return (value, at),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, rest: &str, ours: [Option<&str>; 3]) {
        let split = split(text).unwrap();
        assert_eq!(split.rest.trim(), rest, "{text}");
        assert_eq!(
            [split.encryption, split.manifest, split.master_key],
            ours.map(|value| value.map(str::to_owned)),
            "{text}"
        );
    }

    #[test]
    fn key_value_strings() {
        check("host=a user=b", "host=a user=b", [None; 3]);
        check(
            "host=a column_encryption=enabled user=b",
            "host=a user=b",
            [Some("enabled"), None, None],
        );
        check(
            r"password='it\'s column_encryption=x' column_master_key = 'file:/a b' dbname=c\ d",
            r"password='it\'s column_encryption=x' dbname=c\ d",
            [None, None, Some("file:/a b")],
        );
        check(
            "column_encryption_manifest=file:/m.toml column_encryption=disabled",
            "",
            [Some("disabled"), Some("file:/m.toml"), None],
        );
    }

    #[test]
    fn urls() {
        check("postgres://u:p@h/db", "postgres://u:p@h/db", [None; 3]);
        check(
            "postgres://u:p?column_encryption=x@h:1,g:2/db?sslmode=require&column_encryption=enabled",
            "postgres://u:p?column_encryption=x@h:1,g:2/db?sslmode=require",
            [Some("enabled"), None, None],
        );
        check(
            "postgresql:///db?host=%2Ftmp&column_master_key=file%3A%2Fk%20ey",
            "postgresql:///db?host=%2Ftmp",
            [None, None, Some("file:/k ey")],
        );
        check(
            "postgres://h?column_encryption=enabled",
            "postgres://h",
            [Some("enabled"), None, None],
        );
    }

    #[test]
    fn typos_and_repetitions_are_errors_that_list_what_is_known() {
        for text in [
            "host=a column_encyption=enabled",
            "host=a Column_Encryption=enabled",
            "postgres://h/d?column_encryption_manifst=database",
            "host=a column_master_keys=env:X",
        ] {
            let error = split(text).unwrap_err();
            assert!(
                error.hint().unwrap().contains("`column_master_key`"),
                "{text}: {error}"
            );
        }
        assert!(split("column_encryption=enabled column_encryption=enabled").is_err());
    }

    #[test]
    fn every_key_of_postgresql_is_left_alone() {
        for key in [
            "user",
            "password",
            "dbname",
            "options",
            "application_name",
            "sslmode",
            "sslnegotiation",
            "host",
            "hostaddr",
            "port",
            "connect_timeout",
            "tcp_user_timeout",
            "keepalives",
            "keepalives_idle",
            "keepalives_interval",
            "keepalives_retries",
            "target_session_attrs",
            "channel_binding",
            "load_balance_hosts",
            "client_encoding",
        ] {
            assert_eq!(ours(key).unwrap(), None, "{key}");
        }
    }

    #[test]
    fn malformed_strings_reach_the_parser_that_explains_them() {
        check("host", "host", [None; 3]);
        check(
            "column_encryption=enabled host = 'a",
            "host = 'a",
            [Some("enabled"), None, None],
        );
    }
}
