//! The session settings that the server reports, and the few that it does not.

use sealwire_core::value::{ByteaOutput, Settings};

/// The settings that the server does not report.
#[derive(Debug)]
pub(crate) struct ReadSettings {
    pub(crate) bytea_output: ByteaOutput,
    pub(crate) extra_float_digits: i8,
    pub(crate) lc_monetary: String,
}

/// Settings as last reported.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) settings: Settings,
    /// `None` until reported.
    standard_conforming_strings: Option<bool>,
    search_path: Option<Vec<u8>>,
    integer_datetimes: bool,
}

impl Default for Reported {
    fn default() -> Self {
        Self {
            settings: Settings {
                // Unknown until reported, so that nothing is read on a guess.
                client_encoding: String::new(),
                server_version: None,
                ..Settings::default()
            },
            standard_conforming_strings: None,
            search_path: None,
            integer_datetimes: true,
        }
    }
}

impl Reported {
    /// Takes a ParameterStatus. Returns whether it makes the session's facts doubtful.
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8]) -> bool {
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"client_encoding" => self.settings.client_encoding = text(),
            b"DateStyle" => self.settings.date_style = text(),
            b"TimeZone" => self.settings.time_zone = text(),
            b"IntervalStyle" => self.settings.interval_style = text(),
            b"standard_conforming_strings" => {
                self.standard_conforming_strings = Some(value == b"on");
            }
            b"server_version" => self.settings.server_version = major_version(value),
            b"integer_datetimes" => self.integer_datetimes = value == b"on",
            // PostgreSQL 18 and later report it.
            b"search_path" => {
                let changed = self.search_path.as_deref().is_some_and(|old| old != value);
                self.search_path = Some(value.to_vec());
                return changed;
            }
            b"session_authorization" | b"is_superuser" => return true,
            _ => {}
        }
        false
    }

    /// Takes the settings that are read rather than reported.
    pub(crate) fn note_read(&mut self, read: ReadSettings) {
        self.settings.bytea_output = read.bytea_output;
        self.settings.extra_float_digits = read.extra_float_digits;
        self.settings.lc_monetary = read.lc_monetary;
    }

    /// Why texts cannot be read as the server reads them, if so: in another encoding, or with
    /// backslashes in plain strings, a literal may end where it seems not to.
    pub(crate) fn unreadable(&self) -> Option<&'static str> {
        if !self.settings.client_encoding.eq_ignore_ascii_case("UTF8") {
            Some("client_encoding must be UTF8")
        } else if self.standard_conforming_strings != Some(true) {
            Some("standard_conforming_strings must be on")
        } else {
            None
        }
    }

    /// Whether date and time values are 64-bit integers, as every supported server has them.
    pub(crate) fn integer_datetimes(&self) -> bool {
        self.integer_datetimes
    }
}

/// `18` of `18.1 (Debian 18.1-1)` or `18beta2`.
fn major_version(text: &[u8]) -> Option<u32> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    str::from_utf8(&text[..digits]).ok()?.parse().ok()
}
