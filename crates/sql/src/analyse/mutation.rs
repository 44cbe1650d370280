//! Random changes to the corpus: nothing panics, and what is allowed is typed completely.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::schema::s1;
use crate::parse::{Lexeme, Tokens};
use crate::{Param, Protocol, Replacement, Verdict, analyse, mentions_protected};

fn corpus() -> Vec<String> {
    let text = include_str!("../../../../tests/corpus/s1.jsonl");
    let rows = text.lines().skip(1).map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["sql"].as_str().unwrap().to_owned()
    });
    rows.collect()
}

/// The tokens of a text as written, those that cannot be read as one piece.
fn pieces(text: &str) -> Vec<String> {
    match Tokens::new(text) {
        Ok(tokens) => tokens
            .iter()
            .map(|t| text[t.start..t.end].to_owned())
            .collect(),
        Err(_) => vec![text.to_owned()],
    }
}

/// A change to a list of tokens.
#[derive(Clone, Debug)]
enum Change {
    Delete(usize),
    Swap(usize, usize),
    Repeat(usize),
    Replace(usize, usize, usize),
    Insert(usize, usize, usize),
    Byte(usize, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let n = any::<usize>;
    prop_oneof![
        n().prop_map(Change::Delete),
        (n(), n()).prop_map(|(a, b)| Change::Swap(a, b)),
        n().prop_map(Change::Repeat),
        (n(), n(), n()).prop_map(|(a, b, c)| Change::Replace(a, b, c)),
        (n(), n(), n()).prop_map(|(a, b, c)| Change::Insert(a, b, c)),
        (n(), 0x20u8..0x7f).prop_map(|(a, b)| Change::Byte(a, b)),
    ]
}

fn mutate(corpus: &[String], start: usize, changes: &[Change]) -> String {
    let mut list = pieces(&corpus[start % corpus.len()]);
    let other = |statement: usize, token: usize| {
        let tokens = pieces(&corpus[statement % corpus.len()]);
        tokens[token % tokens.len()].clone()
    };
    for change in changes {
        if list.is_empty() {
            break;
        }
        let len = list.len();
        match *change {
            Change::Delete(a) => drop(list.remove(a % len)),
            Change::Swap(a, b) => list.swap(a % len, b % len),
            Change::Repeat(a) => list.insert(a % len, list[a % len].clone()),
            Change::Replace(a, b, c) => list[a % len] = other(b, c),
            Change::Insert(a, b, c) => list.insert(a % len, other(b, c)),
            Change::Byte(a, byte) => {
                let piece = &mut list[a % len];
                let at = (0..=piece.len())
                    .rev()
                    .find(|&at| piece.is_char_boundary(at));
                piece.insert(at.unwrap_or(0), char::from(byte));
            }
        }
    }
    list.join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn changed_statements_are_typed_completely_or_refused(
        start in any::<usize>(),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let world = s1();
        let sql = mutate(&corpus(), start, &changes);
        for protocol in [Protocol::Extended, Protocol::Simple] {
            let verdict = analyse(&sql, protocol, &world.context());
            if !mentions_protected(&sql, &world.context()) {
                prop_assert!(matches!(verdict, Verdict::Untouched), "{}", sql);
            }
            let Verdict::Planned(plan) = verdict else { continue };
            let tokens = Tokens::new(&sql).expect("an allowed text can be read");
            let used: BTreeSet<usize> = tokens
                .iter()
                .filter(|token| token.lexeme == Lexeme::Param)
                .map(|token| sql[token.start + 1..token.end].parse().unwrap())
                .collect();
            // A parameter of a statement that touches nothing has no type, and needs none.
            for number in 1..=plan.params.len() {
                let sealed = matches!(plan.params[number - 1], Param::Sealed { .. });
                prop_assert!(!sealed || used.contains(&number), "${} of {}", number, sql);
            }
            if protocol == Protocol::Extended {
                let last = used.iter().next_back().copied().unwrap_or(0);
                prop_assert_eq!(plan.params.len(), last, "{}", sql);
            }
            let mut end = 0;
            for edit in &plan.edits {
                prop_assert!(edit.range.start >= end && edit.range.start < edit.range.end);
                let cut = sql.get(edit.range.clone());
                prop_assert!(cut.is_some(), "{}", sql);
                if let Replacement::Literal { .. } = edit.replacement {
                    let known = tokens.iter().any(|token| token.end == edit.range.end);
                    prop_assert!(known, "{}", sql);
                }
                end = edit.range.end;
            }
        }
    }
}
