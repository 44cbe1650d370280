//! What a run has shown.

use std::collections::BTreeMap;
use std::fmt;

use crate::exchange::{Exchange, Outcome};

/// Statements that are shown in full.
const SHOWN_MAX: usize = 60;

/// What is to be thought of a statement's exchange.
pub(crate) enum Verdict {
    /// The bytes are the same.
    Untouched,
    /// By design the bytes may differ: because it says a protected relation's name where that
    /// counts. In words, with what has become of it.
    Expected(String),
    /// They differ, and nothing says that they may.
    Disturbed,
}

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
    /// Statements that the layer is to change, or may, by what it did.
    expected: BTreeMap<String, usize>,
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

    /// Takes a statement's exchange. `verdict`: why it may be another than without the layer.
    pub(crate) fn add(&mut self, sql: &[u8], exchange: &Exchange, verdict: Verdict) {
        self.number += 1;
        self.statements += 1;
        self.errors += usize::from(exchange.error().is_some());
        self.lost += usize::from(exchange.lost);
        for direction in 0..2 {
            self.frames[direction] += exchange.frames[direction];
            self.bytes[direction] += exchange.bytes[direction];
        }
        match &exchange.outcome {
            Outcome::Same => self.same += 1,
            Outcome::Loaded(loads) => {
                self.loaded += 1;
                self.loads += loads;
            }
            Outcome::Changed(_) => {}
        }
        match verdict {
            Verdict::Untouched => {}
            Verdict::Expected(why) => *self.expected.entry(why).or_default() += 1,
            Verdict::Disturbed => {
                let answer = exchange.error_field(b'M');
                self.differences.push(format!(
                    "{} statement {}: {:?}, {} ({}): {}",
                    self.script,
                    self.number,
                    exchange.outcome,
                    exchange.tags,
                    answer.as_deref().unwrap_or("no error"),
                    String::from_utf8_lossy(sql).trim(),
                ));
            }
        }
    }

    /// Whether nothing was disturbed.
    pub(crate) fn is_good(&self) -> bool {
        self.differences.is_empty() && self.statements > 0
    }
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
        for (why, count) in &self.expected {
            writeln!(f, "  {count} {why}")?;
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
