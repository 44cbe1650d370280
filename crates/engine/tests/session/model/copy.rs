//! COPY in the model: any data for `logs`, the text format for `users`.

use super::super::wire::{self, Frame};
use super::{CopyIn, Model, Outcome, User};

/// The text of a message that is nothing but one.
fn body_text(body: &[u8]) -> Vec<u8> {
    body.split(|&byte| byte == 0).next().unwrap().to_vec()
}

impl Model {
    /// A frame while the server reads copy data.
    pub(super) fn copy_data(&mut self, kind: CopyIn, frame: &Frame) {
        match frame.tag {
            b'd' => {
                if let Some(copied) = &mut self.copied {
                    copied.extend(&frame.body);
                }
            }
            b'S' | b'H' => {}
            b'c' => {
                self.copy_in = None;
                let count = self.store_copied();
                self.send(b'C', &wire::cstr(&format!("COPY {count}")));
                if kind == CopyIn::Simple {
                    self.end_command();
                    self.ready();
                }
            }
            b'f' => {
                self.copy_in = None;
                self.copied = None;
                let text = String::from_utf8_lossy(&body_text(&frame.body)).into_owned();
                self.error(("57014", format!("COPY from stdin failed: {text}")));
                if kind == CopyIn::Simple {
                    self.ready();
                } else {
                    self.skipping = true;
                }
            }
            tag => panic!("{} in copy-in mode", char::from(tag)),
        }
    }

    /// The rows of the text format for `users`: no value of a test needs escaping but a cell's.
    fn store_copied(&mut self) -> usize {
        let Some(copied) = self.copied.take() else {
            return 1;
        };
        let text = String::from_utf8(copied).unwrap();
        for line in text.lines() {
            let (id, email) = line.split_once('\t').unwrap();
            let email = match (email, email.strip_prefix("\\\\x")) {
                ("\\N", _) => None,
                (_, Some(hex)) if self.encrypted => Some(
                    hex.as_bytes()
                        .chunks(2)
                        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
                        .collect(),
                ),
                (text, _) => Some(text.into()),
            };
            self.users.push((id.parse().unwrap(), email, None));
        }
        text.lines().count()
    }

    fn print_users(&self) -> Vec<Vec<u8>> {
        let print = |(id, email, _): &User| {
            let email = match email {
                None => "\\N".to_owned(),
                Some(email) if self.encrypted => {
                    let hex: String = email.iter().map(|byte| format!("{byte:02x}")).collect();
                    format!("\\\\x{hex}")
                }
                Some(email) => String::from_utf8(email.clone()).unwrap(),
            };
            format!("{id}\t{email}\n").into_bytes()
        };
        self.users.iter().map(print).collect()
    }

    pub(super) fn copy(&mut self, text: &str, kind: CopyIn) -> Outcome<()> {
        let of_users = text.starts_with("COPY users");
        let start: &[u8] = match (of_users, self.lies.extra_copy_column) {
            (false, _) => &[0, 0, 0],
            (true, false) => &[0, 0, 2, 0, 0, 0, 0],
            (true, true) => &[0, 0, 3, 0, 0, 0, 0, 0, 0],
        };
        if text.ends_with("TO STDOUT") {
            self.send(b'H', start);
            let rows = match of_users {
                true => self.print_users(),
                false => vec![b"1\n".to_vec()],
            };
            rows.iter().for_each(|row| self.send(b'd', row));
            self.send(b'c', b"");
            self.send(b'C', &wire::cstr(&format!("COPY {}", rows.len())));
            if kind == CopyIn::Simple {
                self.end_command();
                self.ready();
            }
            return Ok(());
        }
        self.send(b'G', start);
        self.copied = of_users.then(Vec::new);
        if text.contains("bad") {
            // As a BEFORE STATEMENT trigger that raises: before any message is read.
            return Err(("P0001", "refused by a trigger".into()));
        }
        self.flush();
        self.copy_in = Some(kind);
        Ok(())
    }
}
