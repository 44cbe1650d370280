//! The session settings that the server reports, and the few that it does not.

use sealwire_core::value::{ByteaOutput, Settings};

/// The settings that are read: those that the server does not report, and those that it reports
/// too late where one is set within a batch.
#[derive(Debug)]
pub(crate) struct ReadSettings {
    pub(crate) bytea_output: ByteaOutput,
    pub(crate) extra_float_digits: i8,
    pub(crate) lc_monetary: String,
    pub(crate) client_encoding: String,
    pub(crate) standard_conforming_strings: bool,
    pub(crate) date_style: String,
    pub(crate) interval_style: String,
    pub(crate) time_zone: String,
}

/// The server's encodings of several bytes a character.
/// <https://www.postgresql.org/docs/current/multibyte.html#CHARSET-TABLE>
const MULTIBYTE: [&[u8]; 7] = [
    b"UTF8",
    b"EUC_JP",
    b"EUC_CN",
    b"EUC_KR",
    b"EUC_TW",
    b"EUC_JIS_2004",
    b"MULE_INTERNAL",
];

/// Settings as last reported.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) settings: Settings,
    /// `None` until reported.
    standard_conforming_strings: Option<bool>,
    search_path: Option<Vec<u8>>,
    integer_datetimes: bool,
    /// The server keeps texts in an encoding of several bytes a character. It folds nothing but ASCII
    /// in names then.
    multibyte: bool,
    /// The settings that texts are read and values written by may not be those: one has been set,
    /// and the server has not come to the ReadyForQuery with which it reports them.
    pub(crate) lagging: bool,
    /// One of them has changed in the transaction, whose end may change it back.
    pub(crate) changed_in_transaction: bool,
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
            multibyte: false,
            lagging: false,
            changed_in_transaction: false,
        }
    }
}

impl Reported {
    /// Takes a ParameterStatus. Returns whether it makes the session's facts doubtful.
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8]) -> bool {
        let text = || String::from_utf8_lossy(value).into_owned();
        let setting = match name {
            b"client_encoding" => Some(&mut self.settings.client_encoding),
            b"DateStyle" => Some(&mut self.settings.date_style),
            b"TimeZone" => Some(&mut self.settings.time_zone),
            b"IntervalStyle" => Some(&mut self.settings.interval_style),
            _ => None,
        };
        if let Some(setting) = setting {
            self.changed_in_transaction |= setting.as_bytes() != value;
            *setting = text();
            return false;
        }
        match name {
            b"standard_conforming_strings" => self.note_strings(value == b"on"),
            b"server_version" => self.settings.server_version = major_version(value),
            b"server_encoding" => self.multibyte = MULTIBYTE.contains(&value),
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

    fn note_strings(&mut self, conforming: bool) {
        self.changed_in_transaction |= self.standard_conforming_strings != Some(conforming);
        self.standard_conforming_strings = Some(conforming);
    }

    /// The server has come to ReadyForQuery, and has reported what was set before it. `ended`: no
    /// transaction is open there.
    pub(crate) fn note_ready(&mut self, ended: bool) {
        self.lagging = false;
        self.changed_in_transaction &= !ended;
    }

    /// Takes the settings that are read.
    pub(crate) fn note_read(&mut self, read: ReadSettings) {
        self.settings.bytea_output = read.bytea_output;
        self.settings.extra_float_digits = read.extra_float_digits;
        self.settings.lc_monetary = read.lc_monetary;
        for (setting, value) in [
            (&mut self.settings.client_encoding, read.client_encoding),
            (&mut self.settings.date_style, read.date_style),
            (&mut self.settings.interval_style, read.interval_style),
            (&mut self.settings.time_zone, read.time_zone),
        ] {
            self.changed_in_transaction |= *setting != value;
            *setting = value;
        }
        self.note_strings(read.standard_conforming_strings);
        self.lagging = false;
    }

    /// Whether the client's bytes are UTF-8, as last reported.
    pub(crate) fn is_utf8(&self) -> bool {
        self.settings.client_encoding.eq_ignore_ascii_case("UTF8")
    }

    /// Why texts cannot be read as the server reads them, if so: in another encoding, or with
    /// backslashes in plain strings, a literal may end where it seems not to.
    pub(crate) fn unreadable(&self) -> Option<&'static str> {
        if !self.is_utf8() {
            Some("client_encoding must be UTF8")
        } else if self.standard_conforming_strings != Some(true) {
            Some("standard_conforming_strings must be on")
        } else {
            None
        }
    }

    /// Whether the server may fold letters beyond ASCII in names without quotes, by its locale.
    pub(crate) fn folds_letters(&self) -> bool {
        !self.multibyte
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
