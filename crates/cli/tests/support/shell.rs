//! The command in a directory of its own.

#![allow(dead_code, reason = "not every test looks at failures")]

use std::path::Path;
use std::process::{Command, Output};

use sealwire_testkit::{Postgres, TestDatabase};
use tempfile::TempDir;
use tokio_postgres::Client;

/// A directory with a manifest and a key file, and the database that they are for.
pub(crate) struct Shell<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) url: String,
}

/// A database, its owner, and a directory for the command.
pub(crate) struct Stage {
    pub(crate) database: TestDatabase<'static>,
    pub(crate) owner: Client,
    pub(crate) directory: TempDir,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let database = Postgres::shared().await.create_database().await;
        Self {
            owner: database.connect().await,
            database,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn shell(&self) -> Shell<'_> {
        Shell {
            directory: self.directory.path(),
            // The kit's certificate is its own authority's, which the command rightly does not know.
            url: format!("{}?sslmode=disable", self.database.url()),
        }
    }
}

impl Shell<'_> {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealwire"));
        command
            .args(arguments)
            .current_dir(self.directory)
            .env("SEALWIRE_DATABASE", &self.url)
            .env_remove("SEALWIRE_MANIFEST")
            .env_remove("SEALWIRE_MASTER_KEY");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that has to succeed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command prints that has to end in exit code 1.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }
}
