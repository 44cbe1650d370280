//! The text in which PostgreSQL shows its trees (`nodeToString`), read back.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A value in a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A word; `<>` is null.
    Atom(String),
    Node(Node),
    List(Vec<Self>),
}

/// A node with its fields, which may hold several values each.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) tag: String,
    fields: Vec<(String, Vec<Value>)>,
}

impl Value {
    pub(crate) fn node(&self) -> Option<&Node> {
        match self {
            Self::Node(node) => Some(node),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }
}

impl Node {
    /// Every value of a field.
    pub(crate) fn values(&self, name: &str) -> &[Value] {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map_or(&[], |(_, values)| values)
    }

    pub(crate) fn node(&self, name: &str) -> Option<&Self> {
        self.values(name).first()?.node()
    }

    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.values(name).first().map_or(&[], Value::list)
    }

    /// The nodes of a list.
    pub(crate) fn nodes(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.list(name).iter().filter_map(Value::node)
    }

    pub(crate) fn atom(&self, name: &str) -> Option<&str> {
        match self.values(name).first()? {
            Value::Atom(atom) => Some(atom),
            _ => None,
        }
    }

    pub(crate) fn number(&self, name: &str) -> i64 {
        let number = self.atom(name).and_then(|atom| atom.parse().ok());
        number.unwrap_or_else(|| panic!("no number `{name}` in {}", self.tag))
    }

    /// Every node beneath.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        fn nodes<'a>(value: &'a Value, found: &mut Vec<&'a Node>) {
            match value {
                Value::Atom(_) => {}
                Value::Node(node) => found.push(node),
                Value::List(list) => list.iter().for_each(|value| nodes(value, found)),
            }
        }
        let mut found = Vec::new();
        for (_, values) in &self.fields {
            values.iter().for_each(|value| nodes(value, &mut found));
        }
        found.into_iter()
    }
}

#[derive(Debug, PartialEq)]
enum Token {
    Open(char),
    Close,
    Field(String),
    Atom(String),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        match c {
            _ if c.is_whitespace() => {
                chars.next();
            }
            '{' | '(' => {
                chars.next();
                tokens.push(Token::Open(c));
            }
            '}' | ')' => {
                chars.next();
                tokens.push(Token::Close);
            }
            _ => {
                let mut word = String::new();
                while let Some(&c) = chars.peek() {
                    if c.is_whitespace() || "{}()".contains(c) {
                        break;
                    }
                    chars.next();
                    // What a backslash protects is part of a word.
                    word.extend(if c == '\\' { chars.next() } else { Some(c) });
                }
                tokens.push(match word.strip_prefix(':') {
                    Some(name) if c == ':' && !name.is_empty() => Token::Field(name.to_owned()),
                    _ => Token::Atom(word),
                });
            }
        }
    }
    tokens
}

/// Reads the first node of a text.
pub(crate) fn read(text: &str) -> Option<Node> {
    let mut tokens = tokens(text).into_iter().peekable();
    loop {
        match value(&mut tokens)? {
            Value::Node(node) => return Some(node),
            Value::List(list) => return list.into_iter().find_map(|value| value.node().cloned()),
            Value::Atom(_) => {}
        }
    }
}

fn value(tokens: &mut Peekable<IntoIter<Token>>) -> Option<Value> {
    match tokens.next()? {
        Token::Atom(atom) | Token::Field(atom) => Some(Value::Atom(atom)),
        Token::Close => None,
        Token::Open('(') => {
            let mut list = Vec::new();
            while let Some(value) = value(tokens) {
                list.push(value);
            }
            Some(Value::List(list))
        }
        Token::Open(_) => {
            let mut node = Node::default();
            if let Some(Token::Atom(tag)) = tokens.next() {
                node.tag = tag;
            }
            loop {
                match tokens.peek()? {
                    Token::Close => {
                        tokens.next();
                        return Some(Value::Node(node));
                    }
                    Token::Field(_) => {
                        let Some(Token::Field(name)) = tokens.next() else {
                            return None;
                        };
                        node.fields.push((name, Vec::new()));
                    }
                    _ => {
                        let value = value(tokens)?;
                        node.fields.last_mut()?.1.push(value);
                    }
                }
            }
        }
    }
}

#[test]
fn trees_are_read() {
    let node =
        read(r"({QUERY :a 5 [ 1 -2 ] :b <> :c ({VAR :n \:x\ y} (i 1 2)) :d false})").unwrap();
    assert_eq!(node.tag, "QUERY");
    assert_eq!(node.number("a"), 5);
    assert_eq!(node.values("a").len(), 5);
    assert_eq!(node.atom("b"), Some("<>"));
    assert_eq!(node.nodes("c").next().unwrap().atom("n"), Some(":x y"));
    assert_eq!(node.list("c").len(), 2);
    assert_eq!(node.atom("d"), Some("false"));
}
