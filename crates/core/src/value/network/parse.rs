//! The text forms of network addresses, as `inet_net_pton.c` reads them.

use super::Network;

/// A reader of bytes.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.0 = &self.0[1..];
        }
        found
    }

    /// A decimal number up to `max` with any number of leading zeros.
    fn number(&mut self, max: u32) -> Option<u8> {
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let mut number = 0;
        for digit in &self.0[..digits] {
            number = number * 10 + u32::from(digit - b'0');
            if number > max {
                return None;
            }
        }
        self.0 = &self.0[digits..];
        u8::try_from(number).ok()
    }
}

/// An address with a colon is of IPv6.
pub(super) fn network(text: &str, is_cidr: bool) -> Option<Network> {
    let bytes = text.as_bytes();
    if bytes.contains(&b':') {
        ipv6(bytes)
    } else if is_cidr {
        ipv4_network(bytes)
    } else {
        ipv4_host(bytes)
    }
}

/// `/bits` and nothing behind it, or nothing at all.
fn ipv4_bits(text: &mut Text<'_>) -> Option<Option<u8>> {
    let bits = if text.take(b'/') {
        Some(text.number(32)?)
    } else {
        None
    };
    text.0.is_empty().then_some(bits)
}

/// Four octets, or as many as the prefix covers.
fn ipv4_host(bytes: &[u8]) -> Option<Network> {
    let mut text = Text(bytes);
    let mut address = [0; 4];
    let mut octets = 0;
    while text.peek().is_some_and(|b| b.is_ascii_digit()) {
        let octet = text.number(255)?;
        *address.get_mut(octets)? = octet;
        octets += 1;
        if matches!(text.peek(), None | Some(b'/')) {
            break;
        }
        if !text.take(b'.') {
            return None;
        }
    }
    if octets == 0 {
        return None;
    }
    let bits = match ipv4_bits(&mut text)? {
        Some(bits) => bits,
        None if octets == 4 => 32,
        None => return None,
    };
    (usize::from(bits / 8) <= octets).then_some(Network::V4(address, bits))
}

/// Octets, whose number or value say how long the prefix is where the text does not, or a string of
/// hexadecimal digits.
fn ipv4_network(bytes: &[u8]) -> Option<Network> {
    let mut text = Text(bytes);
    let mut address = [0; 4];
    let mut octets = 0;
    let is_hex = matches!(bytes, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    if is_hex {
        text.0 = &bytes[2..];
        let digits = text.0.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        for pair in text.0[..digits].chunks(2) {
            let high = super::super::uuid::hex_digit(pair[0])?;
            let low = match pair.get(1) {
                Some(&low) => super::super::uuid::hex_digit(low)?,
                None => 0,
            };
            *address.get_mut(octets)? = high << 4 | low;
            octets += 1;
        }
        text.0 = &text.0[digits..];
    } else {
        loop {
            *address.get_mut(octets)? = text.number(255)?;
            octets += 1;
            if matches!(text.peek(), None | Some(b'/')) {
                break;
            }
            if !text.take(b'.') {
                return None;
            }
        }
    }
    let given = 8 * u8::try_from(octets).ok()?;
    let bits = match ipv4_bits(&mut text)? {
        Some(bits) => bits,
        None => {
            // The classes of networks before CIDR.
            let class = match address[0] {
                240.. => 32,
                224.. => 8,
                192.. => 24,
                128.. => 16,
                _ => 8,
            };
            match class.max(given) {
                8 if address[0] == 224 => 4,
                bits => bits,
            }
        }
    };
    Some(Network::V4(address, bits))
}

/// Bits without leading zeros.
fn ipv6_bits(text: &[u8]) -> Option<u8> {
    let is_plain = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    let mut text = Text(text);
    let bits = text.number(128)?;
    (is_plain && text.0.is_empty()).then_some(bits)
}

/// The dotted end of an address of IPv6, with or without a prefix. As the server has it, octets may
/// be missing at the end, and have no digits where something follows.
fn embedded_ipv4(bytes: &[u8]) -> Option<([u8; 4], Option<u8>)> {
    let (octets, bits) = match bytes.iter().position(|&b| b == b'/') {
        Some(at) => (&bytes[..at], Some(ipv6_bits(&bytes[at + 1..])?)),
        None => (bytes, None),
    };
    let mut address = [0; 4];
    let mut fields = octets.split(|&b| b == b'.').peekable();
    for octet in &mut address {
        let Some(field) = fields.next() else { break };
        if field.is_empty() && (fields.peek().is_some() || bits.is_some()) {
            continue;
        }
        let is_plain = matches!(field, [b'0'] | [b'1'..=b'9', ..]);
        let mut text = Text(field);
        *octet = text.number(255)?;
        if !is_plain || !text.0.is_empty() {
            return None;
        }
    }
    fields.next().is_none().then_some((address, bits))
}

fn ipv6(bytes: &[u8]) -> Option<Network> {
    let mut address = Vec::with_capacity(16);
    // Where `::` stands, in bytes of the address.
    let mut gap = None;
    let mut bits = 128;
    let mut rest = bytes;
    if let [b':', after @ ..] = rest {
        // The second colon is taken below, as one without digits before it.
        if after.first() != Some(&b':') {
            return None;
        }
        rest = after;
    }
    loop {
        let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (word, after) = rest.split_at(digits);
        match after.first() {
            // A dotted end starts with what was just read.
            Some(b'.') => {
                let (octets, prefix) = embedded_ipv4(rest)?;
                address.extend_from_slice(&octets);
                bits = prefix.unwrap_or(bits);
                break;
            }
            Some(b':') if digits == 0 => {
                if gap.is_some() {
                    return None;
                }
                gap = Some(address.len());
            }
            // A single colon must not end the address.
            Some(b':') if after.len() == 1 => return None,
            None | Some(b':' | b'/') => {}
            Some(_) => return None,
        }
        if digits > 4 {
            return None;
        }
        if digits > 0 {
            let word = str::from_utf8(word).ok()?;
            let word = u16::from_str_radix(word, 16).ok()?;
            address.extend_from_slice(&word.to_be_bytes());
        }
        match after {
            [] => break,
            [b'/', prefix @ ..] => {
                bits = ipv6_bits(prefix)?;
                break;
            }
            [_, after @ ..] => rest = after,
        }
    }
    let missing = 16_usize.checked_sub(address.len())?;
    match gap {
        // The gap stands for one zero word at least.
        Some(at) if missing > 0 => {
            address.splice(at..at, std::iter::repeat_n(0, missing));
        }
        None if missing == 0 => {}
        _ => return None,
    }
    Some(Network::V6(address.try_into().ok()?, bits))
}
