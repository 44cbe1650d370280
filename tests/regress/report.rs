//! What a run has shown.

use std::collections::BTreeMap;
use std::fmt;

use sealwire_testkit::regress::frames::error_field;

use crate::exchange::{Exchange, Outcome};

/// Statements that are shown in full.
const SHOWN_MAX: usize = 60;

#[derive(Debug, Default)]
pub(crate) struct Report {
    scripts: usize,
    script: String,
    number: usize,
    statements: usize,
    errors: usize,
    lost: usize,
    frames: [usize; 2],
    bytes: [usize; 2],
    same: usize,
    loaded: usize,
    loads: usize,
    /// Statements that say a name that relations have: unchanged, and changed by verdict.
    named: BTreeMap<String, usize>,
    left_out: BTreeMap<String, usize>,
    differences: Vec<String>,
}

impl Report {
    pub(crate) fn begin_script(&mut self, name: &str) {
        name.clone_into(&mut self.script);
        self.scripts += 1;
        self.number = 0;
    }

    pub(crate) fn left_out(&mut self, counts: &BTreeMap<String, usize>) {
        for (name, count) in counts {
            *self.left_out.entry(name.clone()).or_default() += count;
        }
    }

    pub(crate) fn add(&mut self, sql: &[u8], exchange: &Exchange, may_touch: bool) {
        self.number += 1;
        self.statements += 1;
        self.errors += usize::from(exchange.error().is_some());
        self.lost += usize::from(exchange.lost);
        for direction in 0..2 {
            self.frames[direction] += exchange.frames[direction];
            self.bytes[direction] += exchange.bytes[direction];
        }
        let what = match &exchange.outcome {
            Outcome::Same => {
                self.same += 1;
                None
            }
            Outcome::Loaded(loads) => {
                self.loaded += 1;
                self.loads += loads;
                None
            }
            Outcome::Changed(what) => Some(what),
        };
        if may_touch {
            let verdict = match (what, exchange.refusal()) {
                (None, _) => "unchanged".to_owned(),
                (Some(_), Some(refusal)) => without_names(&refusal),
                (Some(what), None) => format!("changed {what}"),
            };
            *self.named.entry(verdict).or_default() += 1;
        } else if let Some(what) = what {
            let answer = match exchange.error() {
                Some(error) => error_field(error, b'M').unwrap_or_default(),
                None => "no error".into(),
            };
            self.differences.push(format!(
                "{} statement {}: changed {what} ({answer}): {}",
                self.script,
                self.number,
                String::from_utf8_lossy(sql).trim(),
            ));
        }
    }

    /// Whether nothing was disturbed. `strict`: nor anything asked in between.
    pub(crate) fn is_good(&self, strict: bool) -> bool {
        self.differences.is_empty() && self.statements > 0 && !(strict && self.loads > 0)
    }
}

/// A message without the names in backticks.
fn without_names(message: &str) -> String {
    let parts: Vec<&str> = message.split('`').step_by(2).collect();
    parts.join("…")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {} statements of {} scripts; {} answered by an error, {} connections lost",
            self.statements, self.scripts, self.errors, self.lost
        )?;
        writeln!(
            f,
            "  {} frames and {} bytes to the server, {} frames and {} bytes to the client",
            self.frames[0], self.bytes[0], self.frames[1], self.bytes[1]
        )?;
        writeln!(
            f,
            "  {} identical on both sides, {} identical behind {} queries of the layer's own, {} differences",
            self.same,
            self.loaded,
            self.loads,
            self.differences.len()
        )?;
        for (verdict, count) in &self.named {
            writeln!(
                f,
                "  {count} that say a protected relation's name: {verdict}"
            )?;
        }
        let left_out: Vec<String> = self
            .left_out
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        writeln!(f, "  left out: {}", left_out.join(", "))?;
        for difference in self.differences.iter().take(SHOWN_MAX) {
            writeln!(f, "  difference: {difference}")?;
        }
        Ok(())
    }
}
