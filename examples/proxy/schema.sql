-- The demo's database, for psql. PostgreSQL's image runs it when it starts for the first time.
-- From `-- Domains` on it is what `sealwire sql` prints, and the columns beside.
CREATE ROLE demo LOGIN PASSWORD 'demo';
CREATE DATABASE demo OWNER demo;
\connect demo demo

-- Domains
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

CREATE TABLE patients (
    id        int PRIMARY KEY,
    name      text NOT NULL,
    ssn       sealwire.deterministic UNIQUE,
    diagnosis sealwire.randomized
);
