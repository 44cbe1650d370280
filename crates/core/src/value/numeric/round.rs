//! Rounding, truncating and normalising, as `numeric.c` does them in base 10000.

use zeroize::Zeroizing;

use super::{BASE, DEC_DIGITS, Numeric, SIGN_POSITIVE, len_i32};
use crate::value::ValueError;

impl Numeric {
    /// Removes zero digits at both ends. Zero has no digits, no sign and weight 0.
    pub(super) fn strip(&mut self) {
        let leading = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..leading);
        let kept = self.digits.iter().rposition(|digit| *digit != 0);
        self.digits.truncate(kept.map_or(0, |last| last + 1));
        if self.digits.is_empty() {
            self.weight = 0;
            self.sign = if self.is_finite() {
                SIGN_POSITIVE
            } else {
                self.sign
            };
        } else {
            self.weight -= i32::try_from(leading).unwrap_or(i32::MAX);
        }
    }

    /// The least scale that shows every digit; the number is stripped.
    pub(super) fn min_scale(&self) -> i32 {
        let Some(last) = self.digits.last() else {
            return 0;
        };
        let below_point = len_i32(&self.digits) - 1 - self.weight;
        if below_point <= 0 {
            return 0;
        }
        let zeros = (1..4)
            .take_while(|zeros| last % 10_u16.pow(*zeros) == 0)
            .count();
        below_point * DEC_DIGITS - i32::try_from(zeros).unwrap_or(0)
    }

    /// Shows no more digits than needed.
    pub(super) fn drop_trailing_zeros(&mut self) {
        if self.is_finite() {
            self.dscale = self.min_scale();
        }
    }

    /// Shows `scale` digits where that loses nothing, otherwise no more than needed.
    pub(super) fn rescale_exactly(&mut self, scale: i32) {
        self.drop_trailing_zeros();
        if self.is_finite() && self.is_multiple_of_scale(scale) {
            self.dscale = scale.max(0);
        }
    }

    fn is_multiple_of_scale(&self, scale: i32) -> bool {
        if scale >= 0 {
            return self.min_scale() <= scale;
        }
        let mut rounded = Self {
            sign: self.sign,
            weight: self.weight,
            dscale: self.dscale,
            digits: Zeroizing::new(self.digits.to_vec()),
        };
        rounded.round(scale);
        rounded.strip();
        rounded.digits == self.digits && rounded.weight == self.weight
    }

    /// The digits of base 10000 to keep for `scale`, and how many decimal ones to keep in the last
    /// of them (0 for all). `None` where nothing is left, not even by rounding.
    fn kept(&self, scale: i32) -> Option<(usize, u32)> {
        let decimals = (self.weight + 1) * DEC_DIGITS + scale;
        let digits = usize::try_from((decimals + DEC_DIGITS - 1).div_euclid(DEC_DIGITS)).ok()?;
        let within = u32::try_from(decimals.rem_euclid(DEC_DIGITS)).ok()?;
        (decimals >= 0).then_some((digits, within))
    }

    /// Rounds half away from zero to `scale` decimal digits, which may be negative (`round_var`).
    pub(super) fn round(&mut self, scale: i32) {
        let kept = self.kept(scale);
        self.dscale = scale;
        let Some((keep, within)) = kept else {
            self.digits.clear();
            return self.strip();
        };
        if keep > self.digits.len() || (keep == self.digits.len() && within == 0) {
            return;
        }
        let up = if within == 0 {
            self.digits[keep] >= BASE / 2
        } else {
            let unit = 10_u16.pow(4 - within);
            let last = &mut self.digits[keep - 1];
            let dropped = *last % unit;
            *last -= dropped;
            dropped >= unit / 2
        };
        self.digits.truncate(keep);
        if up {
            let unit = if within == 0 {
                1
            } else {
                10_u16.pow(4 - within)
            };
            self.carry(unit);
        }
    }

    /// Adds `unit` to the last digit.
    fn carry(&mut self, mut unit: u16) {
        for digit in self.digits.iter_mut().rev() {
            *digit += unit;
            if *digit < BASE {
                return;
            }
            *digit -= BASE;
            unit = 1;
        }
        let mut grown = Zeroizing::new(Vec::with_capacity(self.digits.len() + 1));
        grown.push(unit);
        grown.extend_from_slice(&self.digits);
        self.digits = grown;
        self.weight += 1;
    }

    /// Cuts off what the number's own scale hides (`trunc_var`).
    pub(super) fn truncate(&mut self) {
        let Some((keep, within)) = self.kept(self.dscale) else {
            return self.digits.clear();
        };
        self.digits.truncate(keep);
        if within > 0
            && keep == self.digits.len()
            && let Some(last) = self.digits.last_mut()
        {
            *last -= *last % 10_u16.pow(4 - within);
        }
    }

    /// Rounds to the scale of `numeric(p, s)` and checks the precision (`apply_typmod`).
    pub(super) fn apply_typmod(&mut self, precision: i32, scale: i32) -> Result<(), ValueError> {
        let overflow = || ValueError::new("22003", "numeric field overflow");
        if !self.is_finite() {
            return match self.sign {
                super::SIGN_NAN => Ok(()),
                _ => Err(overflow()),
            };
        }
        self.round(scale);
        self.dscale = scale.max(0);
        self.strip();
        if let Some(first) = self.digits.first() {
            let leading_zeros = match first {
                0..10 => 3,
                10..100 => 2,
                100..1000 => 1,
                _ => 0,
            };
            if (self.weight + 1) * DEC_DIGITS - leading_zeros > precision - scale {
                return Err(overflow());
            }
        }
        Ok(())
    }
}
