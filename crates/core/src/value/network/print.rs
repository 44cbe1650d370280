//! The text forms of network addresses, as `inet_cidr_ntop.c` and `inet_net_ntop.c` write them.

use std::io::Write as _;
use std::ops::Range;

use super::Network;

/// The prefix is shown where it does not cover the whole address, and always of a `cidr`.
pub(super) fn network(network: Network, is_cidr: bool, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    match network {
        Network::V4([a, b, c, d], _) => {
            let _ = write!(out, "{a}.{b}.{c}.{d}");
        }
        Network::V6(address, _) => ipv6(address, out),
    }
    let max = match network {
        Network::V4(..) => 32,
        Network::V6(..) => 128,
    };
    if is_cidr || network.bits() != max {
        let _ = write!(out, "/{}", network.bits());
    }
}

/// The first of the longest runs of two zero words or more.
fn longest_zeros(words: &[u16; 8]) -> Option<Range<usize>> {
    let mut best: Option<Range<usize>> = None;
    let mut at = 0;
    while at < words.len() {
        let len = words[at..].iter().take_while(|&&word| word == 0).count();
        if len >= 2 && best.as_ref().is_none_or(|best| len > best.len()) {
            best = Some(at..at + len);
        }
        at += len.max(1);
    }
    best
}

fn ipv6(address: [u8; 16], out: &mut Vec<u8>) {
    let mut words = [0; 8];
    for (word, pair) in words.iter_mut().zip(address.chunks_exact(2)) {
        *word = u16::from_be_bytes([pair[0], pair[1]]);
    }
    let gap = longest_zeros(&words);
    // An address of IPv4 in one of IPv6.
    let is_dotted = match gap {
        Some(Range { start: 0, end: 6 }) => true,
        Some(Range { start: 0, end: 7 }) => words[7] != 1,
        Some(Range { start: 0, end: 5 }) => words[5] == 0xffff,
        _ => false,
    };
    for (at, word) in words.iter().enumerate() {
        if let Some(gap) = &gap
            && gap.contains(&at)
        {
            if at == gap.start {
                out.push(b':');
            }
            continue;
        }
        if at > 0 {
            out.push(b':');
        }
        if at == 6 && is_dotted {
            let [.., a, b, c, d] = address;
            let _ = write!(out, "{a}.{b}.{c}.{d}");
            return;
        }
        let _ = write!(out, "{word:x}");
    }
    if gap.is_some_and(|gap| gap.end == words.len()) {
        out.push(b':');
    }
}
