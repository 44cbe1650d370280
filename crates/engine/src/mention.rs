//! Whether a text can name something, told from its bytes alone.
//!
//! For texts that cannot be read as the server reads them: in another encoding, or with backslashes
//! in plain strings, so that nobody can say where a string ends. Every word counts then, wherever it
//! stands.

/// Bytes that the server keeps of a name (`NAMEDATALEN` less one).
const NAME_LEN_MAX: usize = 63;

/// Whether `name` may occur in `text` as a name. A spelling that is not understood here may be it.
pub(crate) fn may_name(text: &[u8], name: &str) -> bool {
    if name.is_ascii() {
        has_word(text, name.as_bytes()) || is_escaped(text, name)
    } else {
        // How an encoding writes the name is not known here.
        !text.is_ascii() || is_escaped(text, name)
    }
}

/// Whether an ASCII name, or a word of the grammar, stands in a text as a word, in upper or lower
/// case. A byte that is not ASCII belongs to a character of a name in every encoding of PostgreSQL, so
/// it would make a longer name; taking it for an end of the word errs to the safe side.
pub(crate) fn has_word(text: &[u8], name: &[u8]) -> bool {
    if !name.iter().all(|&b| is_word_part(b)) {
        // Quoted, it ends where the quotes do, and a quote within is doubled.
        return text
            .windows(name.len())
            .any(|window| window.eq_ignore_ascii_case(name))
            || name.contains(&b'"') && text.contains(&b'"');
    }
    let mut words = text.split(|&b| !is_word_part(b));
    words.any(|word| {
        // Digits may be a number that a name follows: `1users`. So may be digits with a letter.
        if word.first().is_some_and(u8::is_ascii_digit) {
            return word.len() >= name.len()
                && word[word.len() - name.len()..].eq_ignore_ascii_case(name);
        }
        same_name(word, name)
    })
}

/// Equal, as far as the server looks: it cuts names that are too long.
fn same_name(word: &[u8], name: &[u8]) -> bool {
    word.eq_ignore_ascii_case(name)
        || name.len() >= NAME_LEN_MAX
            && word.len() > name.len()
            && word[..name.len()].eq_ignore_ascii_case(name)
}

fn is_word_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether one of the names in `U&"…"`, whose characters may be given by their numbers, can be it.
fn is_escaped(text: &[u8], name: &str) -> bool {
    let mut rest = text;
    loop {
        let start = rest
            .windows(3)
            .position(|window| window.eq_ignore_ascii_case(b"u&\""));
        let Some(start) = start else { return false };
        rest = &rest[start + 3..];
        if spells(quoted(rest), name) {
            return true;
        }
    }
}

/// The inside of a quoted name, doubled quotes and all.
fn quoted(text: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'"' {
            if text.get(at + 1) != Some(&b'"') {
                return &text[..at];
            }
            at += 1;
        }
        at += 1;
    }
    text
}

/// Whether the inside of `U&"…"` can mean `name`, whatever the escape character is: the clause that
/// names one follows, and may be another's. An escape is `\XXXX` or `\+XXXXXX`.
fn spells(inside: &[u8], name: &str) -> bool {
    if !inside.is_ascii() {
        return true;
    }
    let cut = name.len() >= NAME_LEN_MAX;
    // The places in `inside` up to which it can mean the characters of the name so far.
    let mut places = vec![0];
    for expected in name.chars() {
        let mut next = Vec::new();
        for &at in &places {
            let rest = &inside[at..];
            let Some(&first) = rest.first() else { continue };
            if u32::from(first) == u32::from(expected) {
                // A quote is doubled, and so is the escape character where it stands for itself.
                next.push(at + 1);
                if rest.get(1) == Some(&first) {
                    next.push(at + 2);
                }
            }
            if number(rest.get(1..5)) == Some(u32::from(expected)) {
                next.push(at + 5);
            }
            if rest.get(1) == Some(&b'+') && number(rest.get(2..8)) == Some(u32::from(expected)) {
                next.push(at + 8);
            }
            // A character beyond U+FFFF may be two escapes.
            if u32::from(expected) > 0xffff {
                return true;
            }
        }
        next.sort_unstable();
        next.dedup();
        places = next;
    }
    places.iter().any(|&at| at == inside.len() || cut)
}

fn number(digits: Option<&[u8]>) -> Option<u32> {
    let digits = digits?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_names_whatever_is_around_them() {
        for text in [
            "users",
            "FROM Users;",
            "\"users\"",
            "'it\\'s users'",
            "1users",
            "0x1fusers",
            "a$users$b",
            "é\u{fc}users",
            "public.users",
            "U&\"users\"",
            "u&\"\\0075sers\"",
            "U&\"!0075!+000073ers\" UESCAPE '!'",
            "U&\"a\", U&\"\\0075\\0073\\0065\\0072\\0073\"",
        ] {
            assert!(may_name(text.as_bytes(), "users"), "{text}");
        }
        assert!(may_name(b"FROM \xa4users", "users"));
        assert!(has_word(b"EXPLAIN (costs 0)Execute q", b"execute"));
        assert!(has_word(b"'\xa4'EXECUTE", b"execute"));
        assert!(!has_word(b"executed re_execute", b"execute"));
        assert!(may_name(b"U&\"\xe9\"", "users"), "not understood");
        assert!(may_name("SELECT 'é'".as_bytes(), "größe"), "not understood");
        assert!(may_name(b"FROM U&\"gr\\00f6\\00dfe\"", "größe"));
        assert!(may_name(b"U&\"\\d83d\\ude00\"", "\u{1f600}"));
        assert!(may_name(b"\"a b\"", "a b"));
        assert!(may_name(b"\"a\"\"b\"", "a\"b"));
        let long = "n".repeat(63);
        for text in [format!("{long}more"), format!("U&\"{long}more\"")] {
            assert!(may_name(text.as_bytes(), &long), "cut by the server");
        }
    }

    #[test]
    fn parts_of_words_are_not_names() {
        for text in [
            "user",
            "users_id",
            "my_users",
            "users1",
            "xusers",
            "'d\\0061t' AS U&\"d\\0061t\\+000061\"",
            "U&\"user\\0073x\"",
            "U&\"\\0075ser\"",
        ] {
            assert!(!may_name(text.as_bytes(), "users"), "{text}");
        }
        assert!(!may_name(b"SELECT 1", "größe"));
    }
}
