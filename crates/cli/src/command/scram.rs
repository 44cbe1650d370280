//! `sealwire scram`

use std::io::{self, BufRead, IsTerminal};

use postgres_protocol::password::scram_sha_256;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::output::Output;
use crate::quote;

#[derive(Serialize)]
struct Made<'a> {
    role: &'a str,
    secret: String,
}

pub(crate) fn run(role: &str, output: &mut Output) -> Result<(), Error> {
    let password = password().map_err(|error| {
        Error::new(format_args!("cannot read the password: {error}"))
            .hint("type it, or give it as the first line of standard input")
    })?;
    if password.is_empty() {
        return Err(Error::new("the password is empty")
            .hint("type it, or give it as the first line of standard input"));
    }
    let made = Made {
        role,
        secret: scram_sha_256(password.as_bytes()),
    };
    // A string of JSON is a key of TOML.
    let key = serde_json::to_string(role).map_err(Error::new)?;
    output.print(&made, |made| {
        format!(
            "-- for the server:\nALTER ROLE {} PASSWORD '{secret}';\n\n\
             # for the proxy's list of roles:\n{key} = \"{secret}\"\n",
            quote::identifier(role),
            secret = made.secret,
        )
    })
}

fn password() -> io::Result<Zeroizing<String>> {
    if io::stdin().is_terminal() {
        return typed(|prompt| rpassword::prompt_password(prompt));
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Zeroizing::new(password))
}

/// Nobody sees what is typed, so it is asked for twice.
fn typed(mut ask: impl FnMut(&str) -> io::Result<String>) -> io::Result<Zeroizing<String>> {
    let password = ask("Password: ").map(Zeroizing::new)?;
    let again = ask("Again: ").map(Zeroizing::new)?;
    if *password != *again {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the two are not the same",
        ));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing<const N: usize>(lines: [&str; N]) -> io::Result<Zeroizing<String>> {
        let mut lines = lines.into_iter();
        typed(|_| {
            lines
                .next()
                .map(String::from)
                .ok_or(io::ErrorKind::UnexpectedEof.into())
        })
    }

    #[test]
    fn a_password_is_typed_twice() {
        assert_eq!(*typing(["secret", "secret"]).unwrap(), "secret");
        let error = typing(["secret", "secert"]).unwrap_err();
        assert!(error.to_string().contains("not the same"), "{error}");
        assert!(typing(["secret"]).is_err());
    }
}
