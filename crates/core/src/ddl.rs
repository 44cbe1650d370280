//! The SQL that a database needs once: the schema `sealwire`, the two cell domains and the table
//! that a manifest can be published in. One place, so that the command, the tests and the
//! documentation cannot drift apart.

use crate::policy::Mode;

/// The schema that holds everything of Sealwire's.
pub const SCHEMA: &str = "sealwire";

/// The domain of a column of this mode, schema-qualified.
pub const fn domain(mode: Mode) -> &'static str {
    match mode {
        Mode::Deterministic => "sealwire.deterministic",
        Mode::Randomized => "sealwire.randomized",
    }
}

/// Creates the schema and the domains `sealwire.deterministic` and `sealwire.randomized` where
/// they are missing; running it again changes nothing and asks for no privilege.
///
/// The checks keep a client without Sealwire from storing plaintext by accident. They look at the
/// length and at the two header bytes (`docs/spec/cell-format.md`): whether a cell is authentic
/// only a client with the key can tell.
pub const fn domain_ddl() -> &'static str {
    DOMAINS
}

/// Creates the table `sealwire.manifest` where it is missing. The application reads the row with
/// the highest serial; rows are only ever added.
pub const fn manifest_table_ddl() -> &'static str {
    MANIFEST_TABLE
}

// `CASE` fixes the order of evaluation: `get_byte` raises an error of its own on a value that is
// too short, and a client should see the domain's name in its error instead.
const DOMAINS: &str = "\
DO $sealwire$
BEGIN
    IF to_regnamespace('sealwire') IS NULL THEN
        CREATE SCHEMA sealwire;
    END IF;
    IF to_regtype('sealwire.deterministic') IS NULL THEN
        CREATE DOMAIN sealwire.deterministic AS bytea
            CONSTRAINT deterministic_cell CHECK (
                CASE WHEN octet_length(VALUE) >= 18
                     THEN get_byte(VALUE, 0) IN (17, 25) AND get_byte(VALUE, 1) <> 0
                     ELSE VALUE IS NULL
                END);
        COMMENT ON DOMAIN sealwire.deterministic IS
            'cell of a deterministic encrypted column; written by Sealwire clients only';
    END IF;
    IF to_regtype('sealwire.randomized') IS NULL THEN
        CREATE DOMAIN sealwire.randomized AS bytea
            CONSTRAINT randomized_cell CHECK (
                CASE WHEN octet_length(VALUE) >= 30
                     THEN get_byte(VALUE, 0) IN (18, 22, 26, 30) AND get_byte(VALUE, 1) <> 0
                     ELSE VALUE IS NULL
                END);
        COMMENT ON DOMAIN sealwire.randomized IS
            'cell of a randomized encrypted column; written by Sealwire clients only';
    END IF;
END
$sealwire$;
";

const MANIFEST_TABLE: &str = "\
DO $sealwire$
BEGIN
    IF to_regnamespace('sealwire') IS NULL THEN
        CREATE SCHEMA sealwire;
    END IF;
    IF to_regclass('sealwire.manifest') IS NULL THEN
        CREATE TABLE sealwire.manifest (
            serial bigint PRIMARY KEY,
            document text NOT NULL,
            published_at timestamptz NOT NULL DEFAULT now()
        );
        COMMENT ON TABLE sealwire.manifest IS
            'authenticated manifests of Sealwire; clients read the highest serial';
    END IF;
END
$sealwire$;
";

#[cfg(test)]
mod tests {
    use super::*;

    // The numbers in the checks are the specification's, written out so that the SQL can be read;
    // this ties them to the header's formula.
    #[test]
    fn the_checks_name_every_header_byte_of_their_mode_and_no_other() {
        let header = |mode: u8, flags: u8| 0x10 | mode | flags;
        let list = |bytes: &[u8]| {
            let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
            format!("IN ({})", list.join(", "))
        };
        // Row binding (4) exists for randomized cells only; padding (8) for both.
        let deterministic = list(&[header(1, 0), header(1, 8)]);
        let randomized = list(&[header(2, 0), header(2, 4), header(2, 8), header(2, 12)]);
        assert_eq!(domain_ddl().matches(&deterministic).count(), 1);
        assert_eq!(domain_ddl().matches(&randomized).count(), 1);
    }

    #[test]
    fn the_domains_created_are_the_domains_named() {
        for mode in [Mode::Deterministic, Mode::Randomized] {
            let create = format!("CREATE DOMAIN {} AS bytea", domain(mode));
            assert_eq!(domain_ddl().matches(&create).count(), 1, "{create}");
        }
    }
}
