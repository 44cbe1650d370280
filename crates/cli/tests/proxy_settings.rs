//! What `sealwire proxy` is set up with: file, environment and options in all combinations, as
//! `--check` tells. No server is asked.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail as its assertions do"
)]

#[path = "support/shell.rs"]
mod shell;

use std::path::Path;

use serde_json::Value;
use shell::Shell;
use tempfile::TempDir;

/// The manifest and the key that commands find by themselves, and another pair, `other.toml` and
/// `other.key`. A manifest and a key that do not belong together fail.
fn pairs() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let shell = shell(directory.path());
    for pair in [
        &[][..],
        &["--manifest", "other.toml", "--master-key", "file:other.key"],
    ] {
        shell.ok(&[&["init"], pair].concat());
        shell.ok(&[&["keys", "create", "clinic"], pair].concat());
        let add = ["columns", "add", "public.people.ssn", "--type", "text"];
        shell.ok(&[&add, pair].concat());
    }
    directory
}

fn shell(directory: &Path) -> Shell<'_> {
    Shell {
        directory,
        url: String::new(),
    }
}

/// The databases that are served, or what the command complains of.
fn check(
    directory: &TempDir,
    file: Option<&str>,
    environment: Environment<'_>,
    options: Options<'_>,
) -> Result<String, String> {
    let shell = shell(directory.path());
    let mut command = shell.command(&["proxy", "--check", "--json", "--server", "db"]);
    if let Some(text) = file {
        std::fs::write(directory.path().join("proxy.toml"), text).unwrap();
        command.args(["--config", "proxy.toml"]);
    }
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:1"]);
    }
    let output = command
        .args(options)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    if !output.status.success() {
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let databases = checked["databases"].as_array().unwrap();
    let names: Vec<&str> = databases.iter().map(|it| it.as_str().unwrap()).collect();
    Ok(names.join(" "))
}

const MANIFEST: &str = "SEALWIRE_MANIFEST";
const KEY: &str = "SEALWIRE_MASTER_KEY";
/// A file that names the other pair.
const OTHER: &str = "[encryption]\nmanifest = \"file:other.toml\"\nmaster_key = \"file:other.key\"";
const NO_KEY: &str = "no column master key is configured";
const STRANGERS: &str = "master key";

/// `Ok`: the databases. `Err`: a part of the complaint.
type Expected<'a> = Result<&'a str, &'a str>;
type Environment<'a> = &'a [(&'a str, &'a str)];
type Options<'a> = &'a [&'a str];

#[track_caller]
fn assert_checked(
    directory: &TempDir,
    file: Option<&str>,
    environment: Environment<'_>,
    options: Options<'_>,
    expected: Expected<'_>,
) {
    let checked = check(directory, file, environment, options);
    match (&checked, expected) {
        (Ok(databases), Ok(expected)) => assert_eq!(databases, expected),
        (Err(said), Err(expected)) if said.contains(expected) => {}
        _ => panic!("{checked:?} instead of {expected:?}"),
    }
}

#[test]
fn without_a_file_they_are_where_every_command_finds_them() {
    let directory = pairs();
    let cases: &[(Environment<'_>, Options<'_>, Expected<'_>)] = &[
        (&[], &[], Ok("*")),
        (&[], &["--manifest", "other.toml"], Err(STRANGERS)),
        (&[], &["--master-key", "file:other.key"], Err(STRANGERS)),
        (
            &[],
            &["--manifest", "other.toml", "--master-key", "file:other.key"],
            Ok("*"),
        ),
        (&[(MANIFEST, "other.toml")], &[], Err(STRANGERS)),
        (&[(KEY, "file:other.key")], &[], Err(STRANGERS)),
        (
            &[(MANIFEST, "other.toml"), (KEY, "file:other.key")],
            &[],
            Ok("*"),
        ),
        // Options win.
        (
            &[(MANIFEST, "other.toml")],
            &["--manifest", "sealwire.toml"],
            Ok("*"),
        ),
        (
            &[(KEY, "file:other.key")],
            &["--master-key", "file:sealwire.key"],
            Ok("*"),
        ),
        (&[], &["--manifest", "none.toml"], Err("none.toml")),
        // As the settings write it.
        (&[], &["--manifest", "file:sealwire.toml"], Ok("*")),
        (&[], &["--manifest", "file:other.toml"], Err(STRANGERS)),
        (&[], &["--manifest", "database"], Ok("*")),
        (&[(MANIFEST, "database")], &[], Ok("*")),
    ];
    for (environment, options, expected) in cases {
        assert_checked(&directory, None, environment, options, *expected);
    }
}

#[test]
fn with_a_file_they_are_what_it_says_and_what_is_given_wins() {
    let directory = pairs();
    let pair = [
        "--manifest",
        "sealwire.toml",
        "--master-key",
        "file:sealwire.key",
    ];
    let cases: &[(&str, Environment<'_>, Options<'_>, Expected<'_>)] = &[
        // What lies about is not taken.
        ("", &[], &[], Err(NO_KEY)),
        ("", &[], &pair[..2], Err(NO_KEY)),
        ("", &[], &pair[2..], Ok("*")),
        ("", &[], &pair, Ok("*")),
        ("", &[(MANIFEST, pair[1]), (KEY, pair[3])], &[], Ok("*")),
        (OTHER, &[], &[], Ok("*")),
        (OTHER, &[], &pair[..2], Err(STRANGERS)),
        (OTHER, &[], &pair[2..], Err(STRANGERS)),
        (OTHER, &[], &pair, Ok("*")),
        (OTHER, &[(MANIFEST, pair[1])], &[], Err(STRANGERS)),
        (OTHER, &[(MANIFEST, pair[1])], &pair[2..], Ok("*")),
        (OTHER, &[(MANIFEST, "none.toml")], &pair, Ok("*")),
        (OTHER, &[], &["--manifest", "database"], Ok("*")),
        (
            "[encryption]\nmanifest = \"other.toml\"\nmaster_key = \"file:other.key\"",
            &[],
            &[],
            Err("`manifest` cannot be `other.toml`"),
        ),
    ];
    for (file, environment, options, expected) in cases {
        assert_checked(&directory, Some(file), environment, options, *expected);
    }
    // The file itself by the environment.
    std::fs::write(directory.path().join("mine.toml"), "tcp = 1").unwrap();
    let said = check(&directory, None, &[("SEALWIRE_CONFIG", "mine.toml")], &[]);
    assert!(said.unwrap_err().contains("mine.toml"));
}

#[test]
fn databases_have_their_own_and_what_is_given_is_for_all_others() {
    let directory = pairs();
    let own = "[databases.x]\nmanifest = \"file:other.toml\"\nmaster_key = \"file:other.key\"\n";
    let half = "[databases.x]\nmanifest = \"file:other.toml\"\n";
    let wrong = "[databases.x]\nmaster_key = \"file:sealwire.key\"\n";
    let with =
        |encryption: &str, databases: &str| format!("[encryption]\n{encryption}\n{databases}");
    let other_key = "master_key = \"file:other.key\"";
    let cases: &[(String, Options<'_>, Expected<'_>)] = &[
        (own.into(), &[], Ok("x")),
        (with("results_only = true", own), &[], Ok("x")),
        (format!("{OTHER}\n{own}"), &[], Ok("x *")),
        (format!("{OTHER}\n{half}"), &[], Ok("x *")),
        (format!("{OTHER}\n{wrong}"), &[], Err("database `x`: ")),
        (with(other_key, half), &[], Ok("x *")),
        (half.into(), &[], Err("database `x`: no column master key")),
        (half.into(), &["--master-key", "file:other.key"], Ok("x *")),
        (
            half.into(),
            &["--master-key", "file:sealwire.key"],
            Err("database `x`: "),
        ),
        (
            "[databases.x]\nmanifest = \"other.toml\"\nmaster_key = \"file:other.key\"".into(),
            &[],
            Err("database `x`: `manifest` cannot be `other.toml`"),
        ),
        (own.into(), &["--manifest", "sealwire.toml"], Err(NO_KEY)),
        (
            own.into(),
            &[
                "--manifest",
                "sealwire.toml",
                "--master-key",
                "file:sealwire.key",
            ],
            Ok("x *"),
        ),
    ];
    for (file, options, expected) in cases {
        assert_checked(&directory, Some(file), &[], options, *expected);
    }
}

/// A manifest in the database is not there to be authenticated, but its key is there or is not.
#[test]
fn a_master_key_that_is_missing_is_found_before_the_first_client_needs_it() {
    let directory = pairs();
    for (uri, said) in [
        ("file:none.key", "none.key"),
        ("file:other.toml", "other.toml"),
        ("env:SEALWIRE_TEST_UNSET", "SEALWIRE_TEST_UNSET"),
    ] {
        let options = ["--manifest", "database", "--master-key", uri];
        assert_checked(&directory, None, &[], &options, Err(said));
    }
}

#[test]
fn plaintext_that_a_file_allows_can_be_forbidden() {
    let directory = pairs();
    let variable = "SEALWIRE_ALLOW_PLAINTEXT";
    let allows = format!("{OTHER}\n[listen]\nallow_plaintext = true");
    let open = ["--listen", "0.0.0.0:1"];
    let with = |option| [&open[..], &[option]].concat();
    let cases: &[(&str, Environment<'_>, Options<'_>, Expected<'_>)] = &[
        (OTHER, &[], &open, Err("without TLS")),
        (OTHER, &[(variable, "true")], &open, Ok("*")),
        (OTHER, &[], &with("--allow-plaintext"), Ok("*")),
        (&allows, &[], &open, Ok("*")),
        (&allows, &[(variable, "false")], &open, Err("without TLS")),
        (
            &allows,
            &[(variable, "false")],
            &with("--allow-plaintext"),
            Ok("*"),
        ),
        (
            &allows,
            &[],
            &with("--allow-plaintext=false"),
            Err("without TLS"),
        ),
        (
            OTHER,
            &[(variable, "true")],
            &with("--allow-plaintext=false"),
            Err("without TLS"),
        ),
    ];
    for (file, environment, options, expected) in cases {
        assert_checked(&directory, Some(file), environment, options, *expected);
    }
}

/// What an image or another file sets is taken back so.
#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let directory = pairs();
    let shell = shell(directory.path());
    let variables = [
        "SEALWIRE_ALLOW_PLAINTEXT",
        "SEALWIRE_CONFIG",
        "SEALWIRE_HTTP",
        "SEALWIRE_LISTEN",
        "SEALWIRE_LISTEN_UNIX",
        "SEALWIRE_LOG",
        "SEALWIRE_MANIFEST",
        "SEALWIRE_MASTER_KEY",
        "SEALWIRE_MAX_CONNECTIONS",
        "SEALWIRE_ROLES",
        "SEALWIRE_SERVER",
        "SEALWIRE_SSLMODE",
        "SEALWIRE_SSLROOTCERT",
        "SEALWIRE_TLS_CERTIFICATE",
        "SEALWIRE_TLS_KEY",
    ];
    // These are all that there are.
    let help = shell.ok(&["proxy", "--help"]);
    for word in help.split(|it: char| !it.is_ascii_uppercase() && it != '_') {
        let is_known = !word.starts_with("SEALWIRE_") || variables.contains(&word);
        assert!(is_known, "{word}");
    }
    let empty = variables.map(|name| (name, ""));
    assert_checked(&directory, None, &empty, &[], Ok("*"));
    assert_checked(&directory, Some(OTHER), &empty, &[], Ok("*"));
    // What is missing then is said as if there were no variable.
    for (arguments, words) in [
        (&["proxy"][..], "no place to listen"),
        (&["proxy", "--listen", "[::1]:0"], "no server is configured"),
    ] {
        let output = shell.command(arguments).envs(empty).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(words), "{said}");
    }
    let check = ["columns", "check"];
    let output = shell.command(&check).env("SEALWIRE_DATABASE", "").output();
    let said = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(said.contains("--database <URL>"), "{said}");
}

/// Whoever collects the log reads why there is no more of it.
#[test]
fn why_it_has_not_started_is_a_line_of_the_log() {
    let directory = pairs();
    let shell = shell(directory.path());
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text);
    write("json.toml", &format!("{OTHER}\n[log]\nformat = \"json\"")).unwrap();
    write("wrong.toml", "tcp = 1").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let good = [
        "--listen",
        "127.0.0.1:0",
        "--server",
        "db",
        "--sslmode",
        "require",
    ];
    let cases: [(&[&str], i32, &str, bool); 8] = [
        (&["--json"], 1, "no place to listen", true),
        (&["--config", "json.toml"], 1, "no place to listen", true),
        (&["--json", "--config", "wrong.toml"], 1, "`tcp`", false),
        (&["--json", "--listen", &taken], 1, &taken, true),
        (&["--json", "--sslrootcert", "ca.pem"], 1, "`ca.pem`", false),
        (
            &["--json", "--master-key", "file:other.key"],
            1,
            "other.key",
            false,
        ),
        (
            &["--json", "--check", "--tls-key", "a.key"],
            1,
            "certificate",
            true,
        ),
        (
            &["--json", "--http", "localhost"],
            2,
            "'--http <ADDRESS:PORT>'",
            true,
        ),
    ];
    for (arguments, code, words, has_hint) in cases {
        let others: &[&str] = match (words, arguments.contains(&"--listen")) {
            ("no place to listen", _) => &[],
            (_, true) => &good[2..],
            _ => &good,
        };
        let output = shell
            .command(&["proxy"])
            .args(arguments)
            .args(others)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        let last: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        for line in said.lines() {
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{said}");
        }
        assert_eq!(last["level"], "ERROR", "{said}");
        assert_eq!(last["message"], "not started", "{said}");
        assert!(last["error"].as_str().unwrap().contains(words), "{said}");
        assert!(!has_hint || last["hint"].is_string(), "{said}");
    }
}
