//! `inet` and `cidr`: address family, length of the network's prefix, address.

mod parse;
mod print;

use zeroize::Zeroizing;

use super::wire::{Parts, WireValue, append};
use super::{Format, Target, Usage, ValueError};
use crate::types::{DeclaredType, ScalarType};

/// `PGSQL_AF_INET`, in the binary form and in the canonical one.
const IPV4: u8 = 2;
/// `PGSQL_AF_INET6`.
const IPV6: u8 = 3;

/// An address and how many of its bits name the network.
#[derive(Clone, Copy)]
enum Network {
    V4([u8; 4], u8),
    V6([u8; 16], u8),
}

impl Network {
    fn read(value: WireValue<'_>) -> Result<Option<Self>, ValueError> {
        let is_cidr = match value.ty {
            ScalarType::Inet => false,
            ScalarType::Cidr => true,
            _ => return Ok(None),
        };
        let (network, dirty) = match value.format {
            Format::Text => {
                let network = parse::network(value.text()?, is_cidr)
                    .ok_or_else(|| ValueError::syntax(value.ty))?;
                (network, ValueError::new("22P02", "invalid cidr value"))
            }
            Format::Binary => {
                let network = Self::receive(value.bytes, value.ty)?;
                let dirty = ValueError::new("22P03", "invalid external \"cidr\" value");
                (network, dirty)
            }
        };
        if is_cidr && !network.is_clean() {
            return Err(dirty);
        }
        Ok(Some(network))
    }

    /// Reads the binary form (`network_recv`), whose third byte says nothing.
    fn receive(bytes: &[u8], ty: ScalarType) -> Result<Self, ValueError> {
        let invalid = |what| {
            let message = format!("invalid {what} in external \"{}\" value", ty.name());
            ValueError::new("22P03", message)
        };
        let mut parts = Parts::new(bytes);
        let [family] = parts.chunk()?;
        let max = match family {
            IPV4 => 32,
            IPV6 => 128,
            _ => return Err(invalid("address family")),
        };
        let [bits] = parts.chunk()?;
        if bits > max {
            return Err(invalid("bits"));
        }
        let [_, len] = parts.chunk()?;
        if len != max / 8 {
            return Err(invalid("length"));
        }
        let network = match family {
            IPV4 => Self::V4(parts.chunk()?, bits),
            _ => Self::V6(parts.chunk()?, bits),
        };
        parts.end()?;
        Ok(network)
    }

    fn from_canonical(canonical: &[u8]) -> Option<Self> {
        let (&[family, bits], address) = canonical.split_first_chunk()?;
        match family {
            IPV4 if bits <= 32 => Some(Self::V4(address.try_into().ok()?, bits)),
            IPV6 if bits <= 128 => Some(Self::V6(address.try_into().ok()?, bits)),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::V4(_, bits) | Self::V6(_, bits) => bits,
        }
    }

    const fn family(self) -> u8 {
        match self {
            Self::V4(..) => IPV4,
            Self::V6(..) => IPV6,
        }
    }

    fn address(&self) -> &[u8] {
        match self {
            Self::V4(address, _) => address,
            Self::V6(address, _) => address,
        }
    }

    /// The network without the bits of the host (`inet_to_cidr`).
    fn cleaned(mut self) -> Self {
        let bits = usize::from(self.bits());
        let address: &mut [u8] = match &mut self {
            Self::V4(address, _) => address,
            Self::V6(address, _) => address,
        };
        for (at, byte) in address.iter_mut().enumerate() {
            let kept = bits.saturating_sub(8 * at).min(8);
            *byte &= u8::MAX
                .checked_shl(8 - u32::try_from(kept).unwrap_or(8))
                .unwrap_or(0);
        }
        self
    }

    fn is_clean(self) -> bool {
        self.cleaned().address() == self.address()
    }
}

pub(super) fn canonicalise(
    target: Target<'_>,
    value: WireValue<'_>,
    usage: Usage,
    out: &mut Zeroizing<Vec<u8>>,
) -> Result<(), ValueError> {
    let Some(mut network) = Network::read(value)? else {
        return Err(ValueError::mismatch(target.ty, value.ty));
    };
    if usage == Usage::Assign && target.ty.scalar() == ScalarType::Cidr {
        network = network.cleaned();
    }
    append(out, &[network.family(), network.bits()]);
    append(out, network.address());
    Ok(())
}

pub(super) fn render(
    ty: DeclaredType,
    format: Format,
    canonical: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let is_cidr = ty.scalar() == ScalarType::Cidr;
    let network = Network::from_canonical(canonical)
        .filter(|network| !is_cidr || network.is_clean())
        .ok_or_else(|| ValueError::malformed(ty.scalar()))?;
    match format {
        Format::Text => print::network(network, is_cidr, out),
        Format::Binary => {
            let address = network.address();
            let len = u8::try_from(address.len()).unwrap_or(16);
            out.extend_from_slice(&[network.family(), network.bits(), u8::from(is_cidr), len]);
            out.extend_from_slice(address);
        }
    }
    Ok(())
}
