//! COPY: which columns its stream has, and how its rows are written.
//!
//! Options are read as `ProcessCopyOptions` of PostgreSQL's `copy.c` reads them. Where the server
//! will not take them there is no stream to describe: it says so itself, and a server that takes
//! them after all finds that no stream was planned.

use std::sync::Arc;

use super::{One, Outcome, finish};
use crate::infer::{Analyser, mismatched, unknown_target, unpinned};
use crate::ir::{Copy, CopyOption, CopyTarget, CopyValue, Name};
use crate::plan::{
    CopyColumn, CopyDirection, CopyFormat, CopyHeader, CopyStream, CopyText, Refusal, RefusalKind,
};
use crate::refuse::{self, Finish, Why, refuse};
use crate::relation::{RelationInfo, Stop};
use crate::scope::{Ctes, Scope};
use crate::splice;

/// Characters that cannot delimit the text format: each means something behind a backslash.
const NO_DELIMITERS: &[u8] = b"\\.abcdefghijklmnopqrstuvwxyz0123456789";

/// How the rows are written.
enum Format {
    Known(CopyFormat),
    /// The server takes no such options.
    Impossible,
}

impl<'a, 'c: 'a> One<'a, 'c, '_> {
    pub(super) fn copy(&mut self, copy: &'a Copy<'a>) -> Result<Outcome, Stop> {
        let (text, tokens, script, statement) =
            (self.text, self.tokens, self.script, self.statement);
        let mut analyser = self.analyser();
        let ctes = Ctes {
            parent: None,
            list: Vec::new(),
        };
        let (relation, mut columns) = match &copy.target {
            CopyTarget::Query(query) => {
                let columns = analyser.query(query, None, &ctes)?;
                let outputs = splice::single_outputs(&mut analyser, &columns, "COPY")?;
                let columns = columns.into_iter().zip(outputs);
                let columns = columns.map(|(named, output)| CopyColumn {
                    name: named.name.into_owned(),
                    column: output.column,
                    force_quote: false,
                    force_not_null: false,
                    force_null: false,
                });
                (String::new(), columns.collect())
            }
            CopyTarget::Table { table, columns } => {
                let info = analyser.relation(table)?;
                let listed = table_columns(&mut analyser, copy, &info, columns)?;
                let mut scope = Scope::new(None, &ctes);
                scope.items.push(analyser.table_item(&info, table)?);
                if let Some(filter) = &copy.filter {
                    analyser.plain(&scope, filter, Why::Clause("a condition"))?;
                }
                (info.name.to_owned(), listed)
            }
        };
        for option in &copy.options {
            if let CopyValue::Columns(names) = &option.value {
                analyser.account_all(names);
            }
            force(&mut columns, option);
        }
        if !analyser.params.is_empty() {
            // The server does not type the parameters of COPY when it parses it, so that nothing
            // would confirm what the analysis says of them.
            return Err(refuse(
                RefusalKind::UnsupportedConstruct,
                "refusing to run COPY with parameters",
            )
            .detail("the server does not say of which types they are")
            .hint("write the values as literals; those for encrypted columns are sealed in place")
            .at(copy.at)
            .into());
        }
        let sealed = columns.iter().find_map(|column| column.column);
        let format = match sealed {
            None => Format::Known(CopyFormat::Binary),
            Some(id) => {
                let path = analyser.path_of(id);
                if let Some(place) = copy.server_side {
                    return Err(server_side(copy, &path, place).into());
                }
                known_format(copy, &columns, &path)?
            }
        };
        let outcome = finish(text, tokens, script, statement, &mut analyser, Vec::new())?;
        match (format, outcome) {
            (
                Format::Known(format),
                Outcome::Planned {
                    edits, relations, ..
                },
            ) if copy.server_side.is_none() => Ok(Outcome::Copy {
                stream: Arc::new(CopyStream {
                    direction: match copy.from {
                        true => CopyDirection::In,
                        false => CopyDirection::Out,
                    },
                    relation,
                    format,
                    columns,
                }),
                edits,
                relations,
            }),
            (_, outcome) => Ok(outcome),
        }
    }
}

/// The columns of the stream: those listed, or those that PostgreSQL lists itself
/// (`CopyGetAttnums`).
fn table_columns<'a>(
    analyser: &mut Analyser<'a, '_, '_>,
    copy: &Copy<'a>,
    info: &RelationInfo<'a>,
    list: &'a [Name<'a>],
) -> Result<Vec<CopyColumn>, Stop> {
    let at = copy.at;
    analyser.account_all(list);
    let listed = if list.is_empty() {
        // Rows that come are checked cell by cell; rows that go are sealed by their place alone.
        if copy.from && info.is_encrypted() && !info.pinned {
            let what = "COPY FROM without a column list";
            return Err(unpinned(info.path(), info.order_differs, what, at).into());
        }
        let all = info.columns.iter().filter(|column| !column.computed);
        all.collect::<Vec<_>>()
    } else {
        let find = |name: &Name<'_>| {
            let found = info.columns.iter().find(|own| own.name == name.text);
            found.ok_or_else(|| unknown_target(name.text, info, at))
        };
        list.iter().map(find).collect::<Result<_, _>>()?
    };
    for column in &listed {
        if let Some(mismatch) = &column.mismatch {
            return Err(mismatched(mismatch, at).into());
        }
    }
    if copy.from {
        if let Some(column) = listed.iter().find(|column| column.unlisted) {
            let path = info.column_path(column.name);
            return Err(refuse::unlisted_value(path, at).into());
        }
        let may_default = copy.options.iter().any(|option| option.name == "default");
        for column in info.columns.iter().filter(|column| column.has_default) {
            let given = listed.iter().any(|listed| listed.name == column.name) && !may_default;
            if let (Some(id), false) = (column.column, given) {
                return Err(analyser.stored_default(id, at).into());
            }
        }
    }
    let columns = listed.into_iter().map(|column| CopyColumn {
        name: column.name.to_owned(),
        column: column.column,
        force_quote: false,
        force_not_null: false,
        force_null: false,
    });
    Ok(columns.collect())
}

/// Notes what an option says of columns.
fn force(columns: &mut [CopyColumn], option: &CopyOption<'_>) {
    let named = |column: &CopyColumn| match &option.value {
        CopyValue::All => true,
        CopyValue::Columns(names) => names.iter().any(|name| name.text == column.name),
        _ => false,
    };
    for column in columns.iter_mut().filter(|column| named(column)) {
        match option.name.as_str() {
            "force_quote" => column.force_quote = true,
            "force_not_null" => column.force_not_null = true,
            "force_null" => column.force_null = true,
            _ => {}
        }
    }
}

fn server_side(copy: &Copy<'_>, path: &str, place: &str) -> Refusal {
    let (preposition, detail, hint) = match copy.from {
        true => (
            "from",
            "the server would read the values in the clear",
            "use `COPY … FROM STDIN` and send the file from the client, as psql's `\\copy` does",
        ),
        false => (
            "to",
            "the server would write cells, not values",
            "use `COPY … TO STDOUT` and write the file on the client, as psql's `\\copy` does",
        ),
    };
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to COPY encrypted column `{path}` {preposition} {place}"),
    )
    .detail(detail)
    .hint(hint)
    .at(copy.at)
}

fn option_refusal(option: &CopyOption<'_>, path: &str, what: &str) -> Refusal {
    refuse(
        RefusalKind::UnsupportedConstruct,
        format!("refusing to COPY encrypted column `{path}` with {what}"),
    )
    .at(option.at)
}

fn unknown_option(option: &CopyOption<'_>, path: &str) -> Refusal {
    let what = format!("the option `{}` or a value of it", option.name);
    option_refusal(option, path, &what)
        .detail("what it would do to the rows is not known")
        .hint("use the options of PostgreSQL 18 or earlier")
}

/// The options that come to something, each at most once.
#[derive(Default)]
struct Options<'a> {
    format: Option<&'a str>,
    delimiter: Option<&'a str>,
    null: Option<&'a str>,
    default: Option<&'a str>,
    quote: Option<&'a str>,
    escape: Option<&'a str>,
    header: Option<CopyHeader>,
    says_utf8: bool,
}

fn known_format(copy: &Copy<'_>, columns: &[CopyColumn], path: &str) -> Result<Format, Refusal> {
    let mut seen: Vec<&str> = Vec::new();
    let mut options = Options::default();
    for option in &copy.options {
        if seen.contains(&option.name.as_str()) {
            return Ok(Format::Impossible);
        }
        seen.push(&option.name);
        if !read_option(option, path, &mut options)? {
            return Ok(Format::Impossible);
        }
    }
    if options.format == Some("binary") {
        let lines_only = options.delimiter.is_some()
            || options.null.is_some()
            || options.default.is_some()
            || options
                .header
                .is_some_and(|header| header != CopyHeader::No);
        return Ok(match lines_only {
            true => Format::Impossible,
            false => Format::Known(CopyFormat::Binary),
        });
    }
    let format = lines(copy, &options);
    if let Format::Known(format) = &format {
        refuse_ambiguous(copy, columns, path, format)?;
    }
    Ok(format)
}

/// Reads one option. Returns whether the server can take it.
fn read_option<'a>(
    option: &'a CopyOption<'a>,
    path: &str,
    options: &mut Options<'a>,
) -> Result<bool, Refusal> {
    let text = match &option.value {
        CopyValue::Text(text) | CopyValue::Number(text) => Some(text.as_str()),
        _ => None,
    };
    let slot = match option.name.as_str() {
        "format" => {
            if !matches!(text, Some("text" | "csv" | "binary")) {
                return Err(unknown_option(option, path));
            }
            &mut options.format
        }
        "delimiter" => &mut options.delimiter,
        "null" => &mut options.null,
        "default" => &mut options.default,
        "quote" => &mut options.quote,
        "escape" => &mut options.escape,
        "header" => {
            options.header = Some(header(option, path)?);
            return Ok(true);
        }
        "encoding" => {
            let Some(name) = text else { return Ok(false) };
            // PostgreSQL compares names of encodings by their letters and digits alone.
            let name: String = name
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_lowercase())
                .collect();
            if !matches!(name.as_str(), "utf8" | "unicode") {
                return Err(option_refusal(option, path, "an ENCODING other than UTF8")
                    .detail("text of encrypted columns is exchanged in UTF-8 only")
                    .hint("convert the data, and leave the option out"));
            }
            options.says_utf8 = true;
            return Ok(true);
        }
        "on_error" => {
            return match text {
                Some(word) if word.eq_ignore_ascii_case("stop") => Ok(true),
                _ => Err(option_refusal(option, path, "ON_ERROR")
                    .detail(
                        "a value that does not fit is found on the client, and the server would \
                         neither count nor report its row",
                    )
                    .hint("leave the option out, or check the rows beforehand")),
            };
        }
        // What these do is done to whole rows or to the server's messages.
        "freeze" | "force_quote" | "force_not_null" | "force_null" | "log_verbosity"
        | "reject_limit" => return Ok(true),
        _ => return Err(unknown_option(option, path)),
    };
    *slot = text;
    Ok(text.is_some())
}

fn header(option: &CopyOption<'_>, path: &str) -> Result<CopyHeader, Refusal> {
    let word = match &option.value {
        CopyValue::Nothing => return Ok(CopyHeader::Yes),
        CopyValue::Number(number) if number == "1" => return Ok(CopyHeader::Yes),
        CopyValue::Number(number) if number == "0" => return Ok(CopyHeader::No),
        CopyValue::Text(word) => word.to_ascii_lowercase(),
        _ => return Err(unknown_option(option, path)),
    };
    match word.as_str() {
        "true" | "on" => Ok(CopyHeader::Yes),
        "false" | "off" => Ok(CopyHeader::No),
        "match" => Ok(CopyHeader::Match),
        _ => Err(unknown_option(option, path)),
    }
}

/// The only byte of an option's value.
fn one_byte(text: &str) -> Option<u8> {
    match text.as_bytes() {
        &[byte] if byte.is_ascii() => Some(byte),
        _ => None,
    }
}

/// The formats that have lines.
fn lines(copy: &Copy<'_>, options: &Options<'_>) -> Format {
    let csv = options.format == Some("csv");
    let (Some(delimiter), Some(quote)) = (
        one_byte(options.delimiter.unwrap_or(if csv { "," } else { "\t" })),
        one_byte(options.quote.unwrap_or("\"")),
    ) else {
        return Format::Impossible;
    };
    let escape = match options.escape {
        None => Some(quote),
        Some(escape) => one_byte(escape),
    };
    let Some(escape) = escape else {
        return Format::Impossible;
    };
    let null = options.null.unwrap_or(if csv { "" } else { "\\N" });
    let odd_marker = |marker: &str| {
        marker.contains(['\r', '\n'])
            || marker.as_bytes().contains(&delimiter)
            || csv && marker.as_bytes().contains(&quote)
    };
    let forced = |name: &str| copy.options.iter().any(|option| option.name == name);
    let impossible = matches!(delimiter, b'\r' | b'\n')
        || !csv && NO_DELIMITERS.contains(&delimiter)
        || !csv && (options.quote.is_some() || options.escape.is_some())
        || !csv
            && ["force_quote", "force_not_null", "force_null"]
                .into_iter()
                .any(forced)
        || csv && delimiter == quote
        || forced("force_quote") && copy.from
        || (forced("force_not_null") || forced("force_null")) && !copy.from
        || options.header == Some(CopyHeader::Match) && !copy.from
        || odd_marker(null)
        || options
            .default
            .is_some_and(|default| odd_marker(default) || default == null || !copy.from);
    if impossible {
        return Format::Impossible;
    }
    let text = CopyText {
        delimiter,
        null: null.to_owned(),
        default: options.default.map(str::to_owned),
        header: options.header.unwrap_or(CopyHeader::No),
        says_utf8: options.says_utf8,
    };
    Format::Known(match csv {
        true => CopyFormat::Csv {
            text,
            quote,
            escape,
        },
        false => CopyFormat::Text(text),
    })
}

/// Options under which rows cannot be told apart for certain, or a value would be in the text of
/// the statement.
fn refuse_ambiguous(
    copy: &Copy<'_>,
    columns: &[CopyColumn],
    path: &str,
    format: &CopyFormat,
) -> Result<(), Refusal> {
    let refused = |name: &str, what: &str| {
        let at = copy.options.iter().find(|option| option.name == name);
        refuse(
            RefusalKind::UnsupportedConstruct,
            format!("refusing to COPY encrypted column `{path}` with {what}"),
        )
        .at(at.map_or(copy.at, |option| option.at))
    };
    let text = match format {
        CopyFormat::Csv {
            text,
            quote,
            escape,
        } => {
            let line_end = |byte: u8| matches!(byte, b'\r' | b'\n');
            // Before PostgreSQL 18 a backslash may begin the end marker as well as a quotation.
            if line_end(*quote) || line_end(*escape) || *quote == b'\\' {
                return Err(refused("quote", "such a QUOTE or ESCAPE")
                    .detail("where a row of it ends is not certain")
                    .hint("use `\"`"));
            }
            text
        }
        CopyFormat::Text(text) => {
            let backslashes = text.null.bytes().rev().take_while(|&b| b == b'\\').count();
            if !copy.from && backslashes % 2 == 1 {
                return Err(refused("null", "a NULL that ends in a backslash")
                    .detail("where a field of it ends is not certain")
                    .hint("use `\\N`"));
            }
            text
        }
        CopyFormat::Binary => return Ok(()),
    };
    let mut forced = columns.iter().filter(|column| column.force_not_null);
    if !text.null.is_empty() && forced.any(|column| column.column.is_some()) {
        return Err(
            refused("force_not_null", "FORCE_NOT_NULL and a NULL string")
                .detail("the string would be stored, and the server reads it in the statement")
                .hint("leave the column out of FORCE_NOT_NULL, or NULL out of the options"),
        );
    }
    Ok(())
}
