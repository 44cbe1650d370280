//! What the model answers to the session's own queries.

use super::{AUDIT_USERS_OID, Cell, DOMAIN_OID, LOGS_OID, Model, USERS_OID, hex, unhex};

impl Model {
    pub(super) fn facts(&self) -> Vec<Cell> {
        let path: Vec<String> = self.search_path.iter().map(|s| hex(s.as_bytes())).collect();
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let setting = |name: &str| {
            let mut parameters = self.parameters.iter();
            parameters.find(|p| p.0 == name).unwrap().1.as_str()
        };
        vec![
            None,
            text(&path.join(",")),
            text(&hex(b"app")),
            text("hex"),
            text("1"),
            text(&hex(b"C")),
            text(setting("client_encoding")),
            text(setting("standard_conforming_strings")),
            text(setting("DateStyle")),
            text("postgres"),
            text(&hex(setting("TimeZone").as_bytes())),
            text("f"),
        ]
    }

    pub(super) fn relations(&self, names: Option<&[u8]>) -> Vec<Vec<Cell>> {
        let names = String::from_utf8(names.unwrap().to_vec()).unwrap();
        let names: Vec<String> = names
            .split(',')
            .map(|name| String::from_utf8(unhex(name)).unwrap())
            .collect();
        let asked = |name: &str| names.iter().any(|asked| asked == name);
        let text = |text: &str| Some(text.as_bytes().to_vec());
        let mut rows = Vec::new();
        let mut relation = |oid: u32, schema: &str, name: &str, attributes: &str| {
            rows.push(vec![
                text(&oid.to_string()),
                text(&hex(schema.as_bytes())),
                text(&hex(name.as_bytes())),
                text(if name == "v" { "v" } else { "r" }),
                None,
                (name == "v").then(|| USERS_OID.to_string().into_bytes()),
                (name == "v").then(|| {
                    hex(b" SELECT users.id,\n    users.email AS mail\n   FROM users;").into_bytes()
                }),
                text(attributes),
            ]);
        };
        let id = format!("1:{}:23::23:f:f", hex(b"id"));
        let (first, second): (&[u8], &[u8]) = if self.swapped {
            (b"name", b"email")
        } else {
            (b"email", b"name")
        };
        let name = format!("3:{}:25::25:f:f", hex(second));
        let domain = hex(b"sealwire.deterministic");
        let email = |name: &[u8], with_domain: bool| {
            if with_domain {
                format!("2:{}:{DOMAIN_OID}:{domain}:17:f:f", hex(name))
            } else {
                format!("2:{}:17::17:f:f", hex(name))
            }
        };
        if asked("users") {
            let nick = if self.nick {
                format!(",4:{}:25::25:f:f", hex(b"nick"))
            } else {
                String::new()
            };
            let email = email(first, !self.lies.catalogue_lacks_domain);
            relation(
                USERS_OID,
                "public",
                "users",
                &format!("{id},{email},{name}{nick}"),
            );
            let plain = format!("2:{}:25::25:f:f", hex(b"email"));
            relation(AUDIT_USERS_OID, "audit", "users", &format!("{id},{plain}"));
        }
        if asked("logs") {
            relation(LOGS_OID, "public", "logs", &id);
        }
        if self.view && (asked("users") || asked("v")) {
            relation(
                16600,
                "public",
                "v",
                &format!("{id},{}", email(b"mail", true)),
            );
        }
        rows
    }
}
