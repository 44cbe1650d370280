//! Rows cut anywhere. What a real server makes of the same data is in `tests/copy.rs`.

use std::sync::Arc;

use bytes::BytesMut;
use sealwire_core::policy::ColumnId;
use sealwire_sql::{CopyColumn, CopyDirection, CopyFormat, CopyHeader, CopyStream, CopyText};

use super::{Codec, Marker, Transform};
use crate::seal::Stop;

const ROW_BYTES_MAX: usize = 1 << 16;

/// Writes a value between brackets, after as many waits as are left.
#[derive(Default)]
struct Brackets {
    value: Vec<u8>,
    waits: usize,
}

impl Transform for Brackets {
    fn value(&mut self, _: ColumnId, value: &[u8]) -> Result<&[u8], Stop> {
        if self.waits > 0 {
            self.waits -= 1;
            return Err(Stop::Awaited);
        }
        self.value.clear();
        self.value.extend_from_slice(b"<");
        self.value.extend_from_slice(value);
        self.value.extend_from_slice(b">");
        Ok(&self.value)
    }
}

fn text() -> CopyText {
    CopyText {
        delimiter: b'\t',
        null: "\\N".into(),
        default: None,
        header: CopyHeader::No,
        says_utf8: false,
    }
}

fn csv() -> CopyFormat {
    CopyFormat::Csv {
        text: CopyText {
            delimiter: b',',
            null: String::new(),
            ..text()
        },
        quote: b'"',
        escape: b'"',
    }
}

/// A stream of a plain column and an encrypted one.
fn stream(direction: CopyDirection, format: CopyFormat) -> Arc<CopyStream> {
    let column = |name: &str, column| CopyColumn {
        name: name.into(),
        column,
        force_quote: false,
        force_not_null: false,
        force_null: false,
    };
    Arc::new(CopyStream {
        direction,
        relation: "t".into(),
        format,
        columns: vec![column("a", None), column("b", Some(ColumnId(0)))],
    })
}

/// What comes of a stream in these pieces: what is sent, and SQLSTATE and place of the error.
fn run(
    stream: &Arc<CopyStream>,
    marker: Marker,
    pieces: &[&[u8]],
    waits: usize,
) -> (Vec<u8>, Option<(String, String)>) {
    let mut codec = Codec::new(Arc::clone(stream), marker, ROW_BYTES_MAX);
    let mut brackets = Brackets::default();
    let mut out = BytesMut::new();
    let end = [None];
    for piece in pieces.iter().map(Some).chain(end) {
        brackets.waits = waits;
        let error = loop {
            let before = out.len();
            let result = match piece {
                Some(piece) => codec.feed(piece, &mut brackets, &mut out),
                None => codec.finish(&mut brackets, &mut out),
            };
            match result {
                Ok(()) => break None,
                Err(Stop::Awaited) => assert_eq!(out.len(), before, "a row went out unfinished"),
                Err(Stop::Failed(report)) => break Some(report),
                Err(Stop::Fault(fault)) => panic!("{fault}"),
            }
        };
        if let Some(report) = error {
            let context = report.context.unwrap_or_default().into();
            return (out.to_vec(), Some((report.sqlstate.into(), context)));
        }
    }
    (out.to_vec(), None)
}

/// The same comes out however the data is cut and whatever it waits for.
#[track_caller]
fn check(
    stream: &Arc<CopyStream>,
    marker: Marker,
    input: &[u8],
    expected: &[u8],
    error: Option<(&str, &str)>,
) {
    let error = error.map(|(code, place)| (code.to_owned(), place.to_owned()));
    let same = |pieces: &[&[u8]], waits| {
        let (out, failed) = run(stream, marker, pieces, waits);
        assert_eq!(
            out.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{pieces:?}"
        );
        assert_eq!(failed, error, "{pieces:?}");
    };
    same(&[input], 0);
    same(&[input], 2);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    same(&bytes, 1);
    for at in 0..=input.len() {
        let (head, tail) = input.split_at(at);
        same(&[head, b"", tail], 0);
        for further in 0..=tail.len() {
            let (middle, tail) = tail.split_at(further);
            same(&[head, middle, tail], 1);
        }
    }
}

const OLD: Marker = Marker::Loose;
const NEW: Marker = Marker::Alone;

#[test]
fn text_rows_are_rewritten_however_they_are_cut() {
    let stream = stream(CopyDirection::In, CopyFormat::Text(text()));
    check(
        &stream,
        OLD,
        b"1\tx\\ty\\\\\n\\\t2\t\\N\n\\x41\t\\101\\7\\q\\x\n\xc3\xa4\t",
        b"1\t<x\\ty\\\\>\n\\\t2\t\\N\n\\x41\t<A\x07qx>\n\xc3\xa4\t<>",
        None,
    );
    check(
        &stream,
        OLD,
        b"1\ta\r\n2\tb\r\n",
        b"1\t<a>\r\n2\t<b>\r\n",
        None,
    );
    check(&stream, OLD, b"1\ta\r2\tb\r", b"1\t<a>\r2\t<b>\r", None);
    // A backslash hides the end of a line, and nothing at the end of the data.
    check(
        &stream,
        OLD,
        b"1\ta\\\nb\n2\tc\\",
        b"1\t<a\\nb>\n2\t<c>",
        None,
    );
}

#[test]
fn an_end_marker_ends_the_data_and_what_follows_goes_nowhere() {
    let stream_in = |format| stream(CopyDirection::In, format);
    let lines = stream_in(CopyFormat::Text(text()));
    check(&lines, OLD, b"1\ta\n\\.\n2\tsecret", b"1\t<a>\n\\.\n", None);
    check(&lines, OLD, b"1\ta\\.\n2\tsecret", b"1\t<a>\\.\n", None);
    check(&lines, NEW, b"1\ta\n\\.\n2\tsecret", b"1\t<a>\n\\.\n", None);
    check(
        &lines,
        NEW,
        b"1\ta\n2\tb\\.\n3\tsecret",
        b"1\t<a>\n",
        Some(("22P04", "COPY t, line 2")),
    );
    check(&lines, OLD, b"1\ta\r\n\\.\r\nx", b"1\t<a>\r\n\\.\r\n", None);
    let csv = stream_in(csv());
    check(&csv, OLD, b"1,a\n\\.\nsecret", b"1,<a>\n\\.\n", None);
    check(
        &csv,
        OLD,
        b"\\.,a\n\\.b,\\.\n",
        b"\\.,<a>\n\\.b,<\\.>\n",
        None,
    );
    check(
        &csv,
        NEW,
        b"1,a\n\\.\nsecret",
        b"1,<a>\n",
        Some(("22P04", "COPY t, line 2")),
    );
    for corrupt in [&b"1\ta\n\\.secret\n"[..], b"1\ta\n\\.", b"1\ta\n\\.\r\n"] {
        for marker in [OLD, NEW] {
            let place = Some(("22P04", "COPY t, line 2"));
            check(&lines, marker, corrupt, b"1\t<a>\n", place);
        }
    }
}

#[test]
fn csv_rows_are_rewritten_however_they_are_cut() {
    let stream = stream(CopyDirection::In, csv());
    check(
        &stream,
        OLD,
        b"1,x\n\"a,\"\"b\nc\",\"d\"\"e\nf\"\ng,\nh,\"\"\ni,a\"b,\"c\n",
        b"1,<x>\n\"a,\"\"b\nc\",\"<d\"\"e\nf>\"\ng,\nh,<>\ni,\"<ab,c>\"\n",
        None,
    );
    // The number of a line counts those inside of quotes.
    check(
        &stream,
        OLD,
        b"1,x\n2,\"a\nb\"\n3,\"secret\n",
        b"1,<x>\n2,\"<a\nb>\"\n",
        Some(("22P04", "COPY t, line 5")),
    );
    check(
        &stream,
        OLD,
        b"\"1\"\"\",\"a\"\"b\"\"\"\"\"",
        b"\"1\"\"\",\"<a\"\"b\"\"\"\">\"",
        None,
    );
    check(
        &stream,
        OLD,
        b"1,a\r\n\"\r\",\"x\ry\"\r\n",
        b"1,<a>\r\n\"\r\",\"<x\ry>\"\r\n",
        None,
    );
}

#[test]
fn a_row_that_fails_takes_nothing_with_it() {
    let stream = stream(CopyDirection::In, CopyFormat::Text(text()));
    let failed = |place| Some(("22P04", place));
    for wrong in [&b"2\n"[..], b"2\tsecret\tx\n", b"\n"] {
        let input = [b"1\ta\n", wrong, b"3\tc\n"].concat();
        check(&stream, OLD, &input, b"1\t<a>\n", failed("COPY t, line 2"));
    }
    check(
        &stream,
        OLD,
        b"1\ta\n2\tb\r\n",
        b"1\t<a>\n",
        failed("COPY t, line 2"),
    );
    check(
        &stream,
        OLD,
        b"1\ta\r\n2\tb\n",
        b"1\t<a>\r\n",
        failed("COPY t, line 2"),
    );
}

#[test]
fn a_header_goes_out_only_if_it_is_one() {
    let with = |header| {
        let text = CopyText { header, ..text() };
        stream(CopyDirection::In, CopyFormat::Text(text))
    };
    let (yes, must_match) = (with(CopyHeader::Yes), with(CopyHeader::Match));
    for header in [&yes, &must_match] {
        check(header, OLD, b"a\tb\n1\tx\n", b"a\tb\n1\t<x>\n", None);
    }
    check(&yes, OLD, b"1\tsecret\n2\tx\n", b"\n2\t<x>\n", None);
    for wrong in [&b"1\tsecret\n2\tx\n"[..], b"a\n", b"a\tb\tc\n", b"a\t\\N\n"] {
        check(
            &must_match,
            OLD,
            wrong,
            b"",
            Some(("22P04", "COPY t, line 1")),
        );
    }
}

#[test]
fn fields_that_are_forced_to_be_null_or_not_are() {
    let mut forced = (*stream(CopyDirection::In, csv())).clone();
    forced.columns[1].force_null = true;
    check(
        &Arc::new(forced.clone()),
        OLD,
        b"1,\"\"\n2,\n",
        b"1,\"\"\n2,\n",
        None,
    );
    forced.columns[1].force_null = false;
    forced.columns[1].force_not_null = true;
    check(
        &Arc::new(forced),
        OLD,
        b"1,\"\"\n2,\n",
        b"1,<>\n2,<>\n",
        None,
    );
}

#[test]
fn a_default_marker_has_nothing_to_stand_for() {
    let text = CopyText {
        default: Some("\\D".into()),
        ..text()
    };
    let stream = stream(CopyDirection::In, CopyFormat::Text(text));
    check(
        &stream,
        OLD,
        b"\\D\tx\n1\t\\D\n",
        b"\\D\t<x>\n",
        Some(("22P04", "COPY t, line 2, column b")),
    );
}

fn tuple(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
    for field in fields {
        let len = field.map_or(-1, |field| i32::try_from(field.len()).unwrap());
        out.extend(len.to_be_bytes());
        out.extend(field.unwrap_or_default());
    }
    out
}

fn header(extension: &[u8]) -> Vec<u8> {
    let len = u32::try_from(extension.len()).unwrap().to_be_bytes();
    [b"PGCOPY\n\xff\r\n\0\0\0\0\0", &len[..], extension].concat()
}

#[test]
fn binary_rows_are_rewritten_however_they_are_cut() {
    let stream = stream(CopyDirection::In, CopyFormat::Binary);
    let rows = [tuple(&[Some(b"1"), Some(b"x")]), tuple(&[None, None])];
    let sent = [
        header(b""),
        tuple(&[Some(b"1"), Some(b"<x>")]),
        tuple(&[None, None]),
    ];
    let end = [0xff, 0xff];
    let input = [header(b""), rows.concat(), end.to_vec()].concat();
    check(
        &stream,
        OLD,
        &input,
        &[sent.concat(), end.to_vec()].concat(),
        None,
    );
    // The extension is dropped, and a trailer can be missing.
    let input = [header(b"secret"), rows.concat()].concat();
    check(&stream, OLD, &input, &sent.concat(), None);
}

#[test]
fn binary_data_that_is_wrong_fails_where_it_is_wrong() {
    let stream = stream(CopyDirection::In, CopyFormat::Binary);
    let good = tuple(&[None, Some(b"x")]);
    let sent = [header(b""), tuple(&[None, Some(b"<x>")])].concat();
    for (wrong, place) in [
        (tuple(&[None]), ""),
        (tuple(&[None, None, None]), ""),
        (b"\0\x02\xff\xff\xff\xfe".to_vec(), ", column a"),
        (
            b"\0\x02\xff\xff\xff\xff\0\0\0\x09secret".to_vec(),
            ", column b",
        ),
        (b"\xff\xff-".to_vec(), ""),
    ] {
        let input = [header(b""), good.clone(), wrong.clone()].concat();
        // A trailer is right where it stands, and wrong is what follows.
        let trailer = wrong.starts_with(&[0xff, 0xff]);
        let sent = [&sent[..], if trailer { &wrong[..2] } else { b"" }].concat();
        let place = format!("COPY t, line 2{place}");
        check(&stream, OLD, &input, &sent, Some(("22P04", place.as_str())));
    }
    for wrong in [&b"PGCOPX"[..], b"PGCOPY\n\xff\r\n\0\0\x01\0\0\0\0\0\0", b""] {
        check(&stream, OLD, wrong, b"", Some(("22P04", "")));
    }
}

#[test]
fn rows_of_the_server_are_opened_however_they_are_cut() {
    let text_out = stream(CopyDirection::Out, CopyFormat::Text(text()));
    check(
        &text_out,
        OLD,
        b"1\t\\\\x41\n\\\\.\t\\N\n",
        b"1\t<\\\\x41>\n\\\\.\t\\N\n",
        None,
    );
    let csv_out = stream(CopyDirection::Out, csv());
    check(
        &csv_out,
        OLD,
        b"\\.,\\x41\n\"a\r\nb\",\n",
        b"\\.,<\\x41>\n\"a\r\nb\",\n",
        None,
    );
}

#[test]
fn a_row_has_a_limit() {
    let stream = stream(CopyDirection::In, CopyFormat::Text(text()));
    let long = vec![b'x'; ROW_BYTES_MAX];
    let (out, error) = run(&stream, OLD, &[b"1\t", &long, b"\n"], 0);
    assert!(out.is_empty());
    assert_eq!(error.unwrap().0, "54000");
}
