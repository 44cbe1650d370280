//! A model of a PostgreSQL server: the order of messages, error recovery and transaction status of
//! the real one, for a handful of statements.
//!
//! It holds one table `users (id int4, email, name text)`. In the encrypted variant `email` is a
//! domain over `bytea`, in the plain one it is `text`: what a client sees through the session of
//! the first must be what it sees of the second.

// By their paths, because a benchmark has this file in another place of its tree.
#[path = "model/catalogue.rs"]
mod catalogue;
#[path = "model/copy.rs"]
mod copy;

use std::collections::HashMap;

use super::wire::{self, Frame, field};

pub(crate) const DOMAIN_OID: u32 = 16400;
pub(crate) const USERS_OID: u32 = 16500;
pub(crate) const AUDIT_USERS_OID: u32 = 16501;
pub(crate) const LOGS_OID: u32 = 16502;

type Cell = Option<Vec<u8>>;
type Outcome<T> = Result<T, (&'static str, String)>;

#[derive(Clone, Debug)]
struct Prepared {
    text: String,
    params: Vec<u32>,
    columns: Option<Vec<Column>>,
}

#[derive(Clone, Debug)]
struct Column {
    name: &'static str,
    type_oid: u32,
    origin: (u32, i16),
}

#[derive(Debug)]
struct Portal {
    statement: Prepared,
    params: Vec<Cell>,
    formats: Vec<i16>,
    /// Rows not yet sent, once it runs.
    rows: Option<Vec<Vec<Cell>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    Idle,
    Open,
    Failed,
}

/// What COPY FROM STDIN is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CopyIn {
    Extended,
    Simple,
}

type User = (i32, Cell, Cell);

/// The server.
pub(crate) struct Model {
    pub(crate) encrypted: bool,
    input: Vec<u8>,
    started: bool,
    /// Written and not flushed.
    buffer: Vec<u8>,
    /// Flushed.
    pub(crate) output: Vec<u8>,
    statements: HashMap<String, Prepared>,
    portals: HashMap<String, Portal>,
    transaction: Transaction,
    skipping: bool,
    copy_in: Option<CopyIn>,
    /// Data for `users`.
    copied: Option<Vec<u8>>,
    pub(crate) users: Vec<User>,
    before: Option<Vec<User>>,
    pub(crate) search_path: Vec<&'static str>,
    /// A view over `users` that `CREATE VIEW` has made.
    view: bool,
    /// Another session has renamed `email` to `name` and `name` to `email`.
    pub(crate) swapped: bool,
    /// Another session has added a column `nick`.
    pub(crate) nick: bool,
    /// What the query for functions returns.
    pub(crate) functions: Option<Vec<u8>>,
    /// The search path that the end of the transaction brings back.
    pub(crate) local_path: Option<Vec<&'static str>>,
    /// Every frame received, the untyped one left out.
    pub(crate) received: Vec<Frame>,
    pub(crate) raw: Vec<u8>,
    pub(crate) lies: Lies,
    pub(crate) manifest: Option<Option<Vec<u8>>>,
    pub(crate) parameters: Vec<(&'static str, String)>,
}

/// Ways in which the model misbehaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lies {
    /// Describes `$1` of a plain parameter as `bytea`.
    pub(crate) plain_parameter_is_bytea: bool,
    /// Describes one parameter more than there is.
    pub(crate) extra_parameter: bool,
    /// Describes one column more than there is.
    pub(crate) extra_column: bool,
    /// Describes the encrypted column as text.
    pub(crate) cells_are_text: bool,
    /// Gives the first columns these names.
    pub(crate) names: Option<[&'static str; 2]>,
    /// Gives every column the origin `users.email`.
    pub(crate) origin_is_email: bool,
    /// Starts a COPY with one column more than there is.
    pub(crate) extra_copy_column: bool,
    /// Sends a column less in rows.
    pub(crate) short_rows: bool,
    /// Says that the catalogue's `users.email` is a plain `bytea`.
    pub(crate) catalogue_lacks_domain: bool,
    /// Fails catalogue queries.
    pub(crate) no_catalogue: bool,
}

const SELECT_BY_EMAIL: &str = "SELECT id, email FROM users WHERE email = ";

impl Model {
    pub(crate) fn new(encrypted: bool) -> Self {
        let parameters = [
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("integer_datetimes", "on"),
            ("server_encoding", "UTF8"),
            ("server_version", "15.18"),
            ("standard_conforming_strings", "on"),
            ("TimeZone", "UTC"),
        ];
        Self {
            encrypted,
            input: Vec::new(),
            started: false,
            buffer: Vec::new(),
            output: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            transaction: Transaction::Idle,
            skipping: false,
            copy_in: None,
            copied: None,
            users: Vec::new(),
            before: None,
            search_path: vec!["pg_catalog", "public"],
            view: false,
            swapped: false,
            nick: false,
            functions: None,
            local_path: None,
            received: Vec::new(),
            raw: Vec::new(),
            lies: Lies::default(),
            manifest: None,
            parameters: parameters
                .map(|(name, value)| (name, value.to_owned()))
                .into(),
        }
    }

    fn send(&mut self, tag: u8, body: &[u8]) {
        self.buffer.extend(wire::frame(tag, body));
    }

    fn flush(&mut self) {
        self.output.append(&mut self.buffer);
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.raw.extend(bytes);
        self.input.extend(bytes);
        if !self.started {
            let Some(len) = self
                .input
                .first_chunk()
                .map(|b| u32::from_be_bytes(*b) as usize)
            else {
                return;
            };
            if self.input.len() < len {
                return;
            }
            self.input.drain(..len);
            self.started = true;
            self.send(b'R', &[0, 0, 0, 0]);
            for (name, value) in self.parameters.clone() {
                self.send(b'S', &[wire::cstr(name), wire::cstr(&value)].concat());
            }
            self.send(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]);
            self.ready();
        }
        for frame in wire::frames(&mut self.input) {
            self.received.push(frame.clone());
            self.frame(&frame);
        }
    }

    fn status(&self) -> u8 {
        match self.transaction {
            Transaction::Idle => b'I',
            Transaction::Open => b'T',
            Transaction::Failed => b'E',
        }
    }

    fn ready(&mut self) {
        self.send(b'Z', &[self.status()]);
        self.flush();
    }

    fn error(&mut self, error: (&str, String)) {
        self.buffer.extend(wire::error(error.0, &error.1));
        // PostgreSQL flushes errors at once (elog.c, `send_message_to_frontend`).
        self.flush();
        if let Some(before) = self.before.take() {
            self.users = before;
        }
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
    }

    /// The end of an implicit transaction, if it is one.
    fn end_command(&mut self) {
        if self.transaction == Transaction::Idle {
            self.before = None;
            self.portals.clear();
        }
    }

    fn frame(&mut self, frame: &Frame) {
        if self.skipping && !matches!(frame.tag, b'S' | b'X') {
            return;
        }
        if let Some(kind) = self.copy_in {
            return self.copy_data(kind, frame);
        }
        let body = &frame.body;
        let outcome = match frame.tag {
            b'P' => self.parse(body),
            b'B' => self.bind(body),
            b'D' => self.describe(body),
            b'E' => self.execute(body),
            b'C' => {
                let name = name(&body[1..]);
                if body[0] == b'S' {
                    self.statements.remove(&name);
                } else {
                    self.portals.remove(&name);
                }
                self.send(b'3', b"");
                Ok(())
            }
            b'S' => {
                self.skipping = false;
                self.end_command();
                self.ready();
                Ok(())
            }
            b'H' => {
                self.flush();
                Ok(())
            }
            b'Q' => {
                self.query(&name(body));
                Ok(())
            }
            b'F' => {
                if self.transaction == Transaction::Failed {
                    self.error(aborted());
                } else {
                    self.send(b'V', &field(Some(b"1")));
                }
                self.ready();
                Ok(())
            }
            // Stray after an error.
            b'd' | b'c' | b'f' | b'X' => Ok(()),
            tag => panic!("unknown message {}", char::from(tag)),
        };
        if let Err(error) = outcome {
            self.error(error);
            self.skipping = true;
        }
    }

    fn check_transaction(&self, text: &str) -> Outcome<()> {
        // The grammar comes first; commands are written in capital letters here.
        let is_word = text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if is_word && !text.is_empty() {
            return Err(("42601", format!("syntax error at or near \"{text}\"")));
        }
        if self.transaction == Transaction::Failed && !matches!(text, "ROLLBACK" | "COMMIT") {
            return Err(aborted());
        }
        Ok(())
    }

    fn parse(&mut self, body: &[u8]) -> Outcome<()> {
        let mut parts = body.splitn(3, |&b| b == 0);
        let name = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let text = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let oids: Vec<u32> = parts.next().unwrap()[2..]
            .chunks(4)
            .map(|b| u32::from_be_bytes(b.try_into().unwrap()))
            .collect();
        if name.is_empty() {
            self.statements.remove("");
        }
        self.begin();
        self.check_transaction(&text)?;
        let statement = self.analyse(&text, &oids)?;
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err((
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        self.statements.insert(name, statement);
        self.send(b'1', b"");
        Ok(())
    }

    fn begin(&mut self) {
        if self.before.is_none() {
            self.before = Some(self.users.clone());
        }
    }

    fn email_column(&self) -> Column {
        let cells = self.encrypted && !self.swapped;
        Column {
            name: "email",
            type_oid: if cells { 17 } else { 25 },
            origin: (USERS_OID, if self.swapped { 3 } else { 2 }),
        }
    }

    fn name_column(&self) -> Column {
        let cells = self.encrypted && self.swapped;
        Column {
            name: "name",
            type_oid: if cells { 17 } else { 25 },
            origin: (USERS_OID, if self.swapped { 2 } else { 3 }),
        }
    }

    fn analyse(&self, text: &str, oids: &[u32]) -> Outcome<Prepared> {
        let id = Column {
            name: "id",
            type_oid: 23,
            origin: (USERS_OID, 1),
        };
        let number = Column {
            name: "n",
            type_oid: 23,
            origin: (0, 0),
        };
        let stored = if self.encrypted { DOMAIN_OID } else { 25 };
        let compared = if self.encrypted { 17 } else { 25 };
        let array = if self.encrypted { 1001 } else { 1009 };
        let catalogue = |n| {
            let column = Column {
                name: "c",
                type_oid: 25,
                origin: (0, 0),
            };
            Some(vec![column; n])
        };
        let (params, columns) = match text {
            ""
            | "BEGIN"
            | "COMMIT"
            | "ROLLBACK"
            | "COPY logs FROM STDIN"
            | "COPY bad FROM STDIN"
            | "COPY logs TO STDOUT"
            | "COPY users (id, email) FROM STDIN"
            | "COPY users (id, email) TO STDOUT" => (vec![], None),
            _ if text.starts_with("SET ")
                || text.starts_with("CREATE VIEW ")
                || text.starts_with("COMMIT PREPARED ") =>
            {
                (vec![], None)
            }
            "SELECT go()"
            | "SELECT stay()"
            | "SELECT 1"
            | "SELECT 1/0"
            | "SELECT n FROM generate_series(1, 5) AS g (n)" => (vec![], Some(vec![number])),
            "SELECT $1::text" => (
                vec![25],
                Some(vec![Column {
                    name: "text",
                    type_oid: 25,
                    origin: (0, 0),
                }]),
            ),
            "INSERT INTO users (id, email) VALUES ($1, $2)" => (vec![23, stored], None),
            "INSERT INTO users (id, email) VALUES ($1, $2) RETURNING email" => {
                (vec![23, stored], Some(vec![self.email_column()]))
            }
            "SELECT id, email FROM users" | "SELECT id, email FROM public.users" => {
                (vec![], Some(vec![id, self.email_column()]))
            }
            "SELECT id FROM users WHERE id = $1" => (vec![23], Some(vec![id])),
            "SELECT email, name FROM users WHERE name = $1" => {
                let name = self.name_column();
                if oids.iter().any(|&oid| oid != 0 && oid != name.type_oid) {
                    return Err(("42883", "operator does not exist: bytea = text".into()));
                }
                (vec![name.type_oid], Some(vec![self.email_column(), name]))
            }
            "SELECT id, nick FROM users WHERE name = $1" if self.nick => {
                (vec![25], Some(vec![id.clone(), id]))
            }
            "SELECT id FROM users WHERE email = ANY($1)" => (vec![array], Some(vec![id])),
            "SELECT id FROM users WHERE email < $1" => (vec![compared], Some(vec![id])),
            "SELECT id FROM v WHERE mail = $1" if self.view => (vec![compared], Some(vec![id])),
            "SELECT id FROM logs WHERE id = $1" => (vec![23], Some(vec![id])),
            _ if text == format!("{SELECT_BY_EMAIL}$1") => {
                (vec![compared], Some(vec![id, self.email_column()]))
            }
            _ if text.starts_with(SELECT_BY_EMAIL) => (vec![], Some(vec![id, self.email_column()])),
            _ if text.contains("current_schemas") => (vec![], catalogue(12)),
            _ if text.contains("held (kind, oid, view)") => (vec![], catalogue(3)),
            _ if text.contains("pg_proc") => (vec![], catalogue(1)),
            _ if text.contains("related (oid)") => (vec![25], catalogue(8)),
            _ if text.contains("sealwire.manifest") => match self.manifest {
                Some(_) => (vec![], catalogue(1)),
                None => {
                    return Err((
                        "42P01",
                        "relation \"sealwire.manifest\" does not exist".into(),
                    ));
                }
            },
            _ => return Err(("42703", "column does not exist".into())),
        };
        let mut params: Vec<u32> = params;
        for (at, &oid) in oids.iter().enumerate() {
            match params.get_mut(at) {
                Some(param) if oid != 0 => *param = oid,
                None => params.push(oid),
                _ => {}
            }
        }
        Ok(Prepared {
            text: text.into(),
            params,
            columns,
        })
    }

    fn bind(&mut self, body: &[u8]) -> Outcome<()> {
        let mut parts = body.splitn(3, |&b| b == 0);
        let portal = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let name = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        let mut rest = parts.next().unwrap();
        let Some(statement) = self.statements.get(&name).cloned() else {
            return Err((
                "26000",
                format!("prepared statement \"{name}\" does not exist"),
            ));
        };
        self.begin();
        let formats = codes(&mut rest);
        let count = usize::from(u16::from_be_bytes(take(&mut rest)));
        if count != statement.params.len() {
            let required = statement.params.len();
            return Err((
                "08P01",
                format!(
                    "bind message supplies {count} parameters, but prepared statement \"{name}\" requires {required}"
                ),
            ));
        }
        self.check_transaction(&statement.text)?;
        let mut params = Vec::new();
        for at in 0..count {
            let len = i32::from_be_bytes(take(&mut rest));
            let value = usize::try_from(len).ok().map(|len| {
                let (value, after) = rest.split_at(len);
                rest = after;
                value.to_vec()
            });
            let format = *formats
                .get(if formats.len() == 1 { 0 } else { at })
                .unwrap_or(&0);
            params.push(self.input_value(statement.params[at], format, value)?);
        }
        let results = codes(&mut rest);
        assert!(rest.is_empty());
        let width = statement.columns.as_ref().map_or(0, Vec::len);
        if statement.columns.is_some() && results.len() > 1 && results.len() != width {
            return Err((
                "08P01",
                "bind message has the wrong number of result formats".into(),
            ));
        }
        let formats = (0..width)
            .map(|at| {
                *results
                    .get(if results.len() == 1 { 0 } else { at })
                    .unwrap_or(&0)
            })
            .collect();
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err(("42P03", format!("cursor \"{portal}\" already exists")));
        }
        self.portals.insert(
            portal,
            Portal {
                statement,
                params,
                formats,
                rows: None,
            },
        );
        self.send(b'2', b"");
        Ok(())
    }

    /// A parameter in its binary form.
    fn input_value(&self, oid: u32, format: i16, value: Cell) -> Outcome<Cell> {
        if !matches!(format, 0 | 1) {
            return Err(("22023", format!("unsupported format code: {format}")));
        }
        let Some(value) = value else { return Ok(None) };
        if format == 1 || matches!(oid, 25 | 1009) {
            return Ok(Some(value));
        }
        match oid {
            23 => String::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i32>().ok())
                .map(|n| Some(n.to_be_bytes().to_vec()))
                .ok_or(("22P02", "invalid input syntax for type integer".into())),
            _ => panic!("text for type {oid} reached the server"),
        }
    }

    fn describe(&mut self, body: &[u8]) -> Outcome<()> {
        let name = name(&body[1..]);
        if body[0] == b'S' {
            let Some(statement) = self.statements.get(&name).cloned() else {
                return Err((
                    "26000",
                    format!("prepared statement \"{name}\" does not exist"),
                ));
            };
            let mut params = statement.params.clone();
            if self.lies.plain_parameter_is_bytea {
                params[0] = 17;
            }
            if self.lies.extra_parameter {
                params.push(25);
            }
            let mut out = u16::try_from(params.len()).unwrap().to_be_bytes().to_vec();
            params.iter().for_each(|oid| out.extend(oid.to_be_bytes()));
            self.send(b't', &out);
            self.describe_columns(statement.columns.as_deref(), &[]);
        } else {
            let Some(portal) = self.portals.get(&name) else {
                return Err(("34000", format!("portal \"{name}\" does not exist")));
            };
            let (columns, formats) = (portal.statement.columns.clone(), portal.formats.clone());
            self.describe_columns(columns.as_deref(), &formats);
        }
        Ok(())
    }

    fn describe_columns(&mut self, columns: Option<&[Column]>, formats: &[i16]) {
        let Some(columns) = columns else {
            return self.send(b'n', b"");
        };
        let mut columns = columns.to_vec();
        if self.lies.extra_column {
            columns.push(columns[0].clone());
        }
        let mut out = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        for (at, column) in columns.iter().enumerate() {
            let mut column = column.clone();
            if self.lies.cells_are_text && column.type_oid == 17 {
                column.type_oid = 25;
            }
            if let Some(name) = self.lies.names.and_then(|names| names.get(at).copied()) {
                column.name = name;
            }
            if self.lies.origin_is_email {
                column.origin = (USERS_OID, 2);
            }
            out.extend(wire::cstr(column.name));
            out.extend(column.origin.0.to_be_bytes());
            out.extend(column.origin.1.to_be_bytes());
            out.extend(column.type_oid.to_be_bytes());
            let len: i16 = if column.type_oid == 23 { 4 } else { -1 };
            out.extend(len.to_be_bytes());
            out.extend((-1i32).to_be_bytes());
            out.extend(formats.get(at).unwrap_or(&0).to_be_bytes());
        }
        self.send(b'T', &out);
    }

    fn execute(&mut self, body: &[u8]) -> Outcome<()> {
        let name = name(body);
        let max = i32::from_be_bytes(body[body.len() - 4..].try_into().unwrap());
        let Some(mut portal) = self.portals.remove(&name) else {
            return Err(("34000", format!("portal \"{name}\" does not exist")));
        };
        let text = portal.statement.text.clone();
        self.check_transaction(&text)?;
        if text.is_empty() {
            self.portals.insert(name, portal);
            self.send(b'I', b"");
            return Ok(());
        }
        if text.starts_with("COPY ") {
            // It cannot run twice.
            return self.copy(&text, CopyIn::Extended);
        }
        if portal.rows.is_none() {
            let rows = self.run(&text, &portal.params)?;
            portal.rows = Some(rows);
        }
        let rows = portal.rows.as_mut().unwrap();
        let limit = usize::try_from(max).unwrap();
        let now = if limit == 0 {
            rows.len()
        } else {
            limit.min(rows.len())
        };
        let sent: Vec<_> = rows.drain(..now).collect();
        let suspended = limit > 0 && now == limit;
        let columns = portal.statement.columns.clone().unwrap_or_default();
        for row in &sent {
            self.row(row, &columns, &portal.formats);
        }
        self.portals.insert(name, portal);
        if suspended {
            self.send(b's', b"");
        } else {
            self.send(b'C', &wire::cstr(&tag(&text, sent.len())));
        }
        Ok(())
    }

    fn row(&mut self, row: &[Cell], columns: &[Column], formats: &[i16]) {
        let mut values: Vec<Cell> = row
            .iter()
            .zip(columns)
            .enumerate()
            .map(|(at, (value, column))| {
                let binary = formats.get(at).copied().unwrap_or(0) == 1;
                value
                    .as_ref()
                    .map(|bytes| output_value(bytes, column.type_oid, binary))
            })
            .collect();
        if self.lies.short_rows && columns[0].name != "c" {
            values.pop();
        }
        let values: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
        self.buffer.extend(wire::row(&values));
    }

    fn query(&mut self, text: &str) {
        self.statements.remove("");
        self.portals.remove("");
        let parts: Vec<&str> = text
            .split(';')
            .map(str::trim)
            .filter(|p| !p.is_empty())
            .collect();
        if parts.is_empty() {
            self.send(b'I', b"");
        }
        self.begin();
        for part in parts {
            let outcome = self
                .check_transaction(part)
                .and_then(|()| self.analyse(part, &[]));
            let outcome = outcome.and_then(|statement| {
                if part.starts_with("COPY ") {
                    return self.copy(part, CopyIn::Simple).map(|()| true);
                }
                let rows = self.run(part, &[])?;
                if let Some(columns) = &statement.columns {
                    self.describe_columns(Some(columns), &[]);
                    rows.iter().for_each(|row| self.row(row, columns, &[]));
                }
                self.send(b'C', &wire::cstr(&tag(part, rows.len())));
                Ok(false)
            });
            match outcome {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    self.error(error);
                    break;
                }
            }
        }
        self.end_command();
        self.ready();
    }

    fn run(&mut self, text: &str, params: &[Cell]) -> Outcome<Vec<Vec<Cell>>> {
        let number = |n: i32| Some(n.to_be_bytes().to_vec());
        let id_of = |param: &Cell| {
            param
                .as_deref()
                .map(|bytes| i32::from_be_bytes(bytes.try_into().unwrap()))
        };
        Ok(match text {
            "BEGIN" => {
                self.transaction = Transaction::Open;
                vec![]
            }
            "COMMIT" | "ROLLBACK" => {
                if let (Some(before), "ROLLBACK") = (self.before.take(), text) {
                    self.users = before;
                }
                self.transaction = Transaction::Idle;
                if let Some(path) = self.local_path.take() {
                    self.search_path = path;
                }
                vec![]
            }
            "SELECT go()" | "SELECT stay()" => vec![vec![number(1)]],
            "SELECT 1" => vec![vec![number(1)]],
            "SELECT 1/0" => return Err(("22012", "division by zero".into())),
            "SELECT n FROM generate_series(1, 5) AS g (n)" => {
                (1..=5).map(|n| vec![number(n)]).collect()
            }
            "SELECT $1::text" => vec![vec![params[0].clone()]],
            _ if text.ends_with("search_path = audit")
                || text.ends_with("search_path = public") =>
            {
                self.search_path = match text.rsplit(' ').next().unwrap() {
                    "audit" => vec!["pg_catalog", "audit"],
                    _ => vec!["pg_catalog", "public"],
                };
                vec![]
            }
            _ if text.starts_with("SET ") => vec![],
            // A definition may become visible by another transaction's end.
            _ if text.starts_with("CREATE VIEW ") || text.starts_with("COMMIT PREPARED ") => {
                self.view = true;
                vec![]
            }
            _ if text.starts_with("INSERT") => {
                let id = id_of(&params[0]).ok_or(("23502", "null value in column".into()))?;
                if self.users.iter().any(|user| user.0 == id) {
                    return Err(("23505", "duplicate key value".into()));
                }
                self.users
                    .push((id, params[1].clone(), Some(b"n".to_vec())));
                if text.ends_with("RETURNING email") {
                    vec![vec![params[1].clone()]]
                } else {
                    vec![]
                }
            }
            "SELECT id, email FROM users" | "SELECT id, email FROM public.users" => {
                let row = |user: &User| vec![number(user.0), user.1.clone()];
                self.users.iter().map(row).collect()
            }
            "SELECT id FROM users WHERE id = $1" => {
                let wanted = id_of(&params[0]);
                let users = self.users.iter().filter(|user| Some(user.0) == wanted);
                users.map(|user| vec![number(user.0)]).collect()
            }
            "SELECT email, name FROM users WHERE name = $1" => {
                let users = self.users.iter().filter(|user| user.2 == params[0]);
                users
                    .map(|user| vec![user.1.clone(), user.2.clone()])
                    .collect()
            }
            "SELECT id FROM users WHERE email = ANY($1)" => {
                let wanted = self.array(params[0].as_deref());
                let users = self.users.iter().filter(|user| wanted.contains(&user.1));
                users.map(|user| vec![number(user.0)]).collect()
            }
            "SELECT id FROM v WHERE mail = $1" => {
                let users = self.users.iter().filter(|user| user.1 == params[0]);
                users.map(|user| vec![number(user.0)]).collect()
            }
            "SELECT id FROM logs WHERE id = $1" => vec![],
            _ if text.starts_with(SELECT_BY_EMAIL) => {
                let wanted = match params.first() {
                    Some(param) => param.clone(),
                    None => Some(self.literal(&text[SELECT_BY_EMAIL.len()..])),
                };
                let users = self.users.iter().filter(|u| u.1.is_some() && u.1 == wanted);
                users
                    .map(|user| vec![number(user.0), user.1.clone()])
                    .collect()
            }
            _ if self.lies.no_catalogue => {
                return Err(("42501", "permission denied for table pg_class".into()));
            }
            _ if text.contains("current_schemas") => vec![self.facts()],
            _ if text.contains("held (kind, oid, view)") => vec![vec![None; 3]],
            _ if text.contains("pg_proc") => vec![vec![self.functions.clone()]],
            _ if text.contains("related (oid)") => self.relations(params[0].as_deref()),
            _ if text.contains("sealwire.manifest") => {
                let document = self.manifest.clone().flatten();
                document
                    .into_iter()
                    .map(|document| vec![Some(document)])
                    .collect()
            }
            _ => panic!("{text}"),
        })
    }

    fn array(&self, value: Option<&[u8]>) -> Vec<Cell> {
        let Some(value) = value else { return vec![] };
        if !self.encrypted && value.starts_with(b"{") {
            let inner = String::from_utf8(value[1..value.len() - 1].to_vec()).unwrap();
            return inner
                .split(',')
                .map(|item| Some(item.as_bytes().to_vec()))
                .collect();
        }
        let mut elements = Vec::new();
        let mut rest = &value[20..];
        while !rest.is_empty() {
            let len = i32::from_be_bytes(take(&mut rest));
            elements.push(usize::try_from(len).ok().map(|len| {
                let (element, after) = rest.split_at(len);
                rest = after;
                element.to_vec()
            }));
        }
        elements
    }

    /// A literal as the value that the column holds.
    fn literal(&self, text: &str) -> Vec<u8> {
        if self.encrypted {
            let hex = text
                .strip_prefix("'\\x")
                .and_then(|t| t.strip_suffix("'::pg_catalog.bytea"));
            return unhex(hex.unwrap_or_else(|| panic!("{text} reached the server")));
        }
        text.trim_matches('\'').as_bytes().to_vec()
    }
}

fn aborted() -> (&'static str, String) {
    let text = "current transaction is aborted, commands ignored until end of transaction block";
    ("25P02", text.into())
}

fn tag(text: &str, rows: usize) -> String {
    match text.split(' ').next().unwrap() {
        "SELECT" => format!("SELECT {rows}"),
        "WITH" => format!("SELECT {rows}"),
        "INSERT" => "INSERT 0 1".into(),
        "CREATE" => "CREATE VIEW".into(),
        "COMMIT" if text.contains("PREPARED") => "COMMIT PREPARED".into(),
        word => word.into(),
    }
}

fn name(body: &[u8]) -> String {
    let end = body.iter().position(|&b| b == 0).unwrap();
    String::from_utf8(body[..end].to_vec()).unwrap()
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest.split_first_chunk().unwrap();
    *rest = after;
    *taken
}

fn codes(rest: &mut &[u8]) -> Vec<i16> {
    let count = u16::from_be_bytes(take(rest));
    (0..count).map(|_| i16::from_be_bytes(take(rest))).collect()
}

fn output_value(bytes: &[u8], oid: u32, binary: bool) -> Vec<u8> {
    if binary {
        return bytes.to_vec();
    }
    match oid {
        23 => i32::from_be_bytes(bytes.try_into().unwrap())
            .to_string()
            .into_bytes(),
        17 => format!("\\x{}", hex(bytes)).into_bytes(),
        _ => bytes.to_vec(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
