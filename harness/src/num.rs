//! Conversions between counts and measurements, and how both are written for people.
//!
//! Rust has no lossless conversion between `u64` and `f64`, and the lint that guards against silent truncation is
//! on. The few lossy steps that a measuring tool needs are here, each with what it does at its limits, so that no
//! other file needs a cast.

/// The nearest whole number; negative and NaN become 0, and what is too large becomes `u64::MAX`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float-to-integer cast saturates, which is what is documented"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// The largest whole number not above `value`, with the same limits as [`whole`].
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float-to-integer cast saturates, which is what is documented"
)]
#[inline]
pub(crate) fn floor(value: f64) -> u64 {
    value as u64
}

/// The low 64 bits. For the products of fixed-point arithmetic, whose callers keep them in range.
#[expect(clippy::cast_possible_truncation, reason = "callers keep the value below 2^64")]
#[inline]
pub(crate) fn low(value: u128) -> u64 {
    value as u64
}

/// An index from a count; a count that no machine can index becomes `usize::MAX` and fails where it is used.
#[inline]
pub(crate) fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The count as a float. Exact up to 2^53, which is 9 million seconds in nanoseconds.
#[inline]
pub(crate) fn float(value: u64) -> f64 {
    value as f64
}

/// A length as a count.
#[inline]
pub(crate) fn count(value: usize) -> u64 {
    value as u64
}

/// A signed difference of two counts, as a float.
pub(crate) fn difference(left: u64, right: u64) -> f64 {
    if left >= right { float(left - right) } else { -float(right - left) }
}

/// Nanoseconds of a duration, saturating after 584 years.
pub(crate) fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds as the milliseconds of the result format, to the nanosecond.
pub(crate) fn millis(nanos: f64) -> f64 {
    nanos.round() / 1e6
}

/// The middle value, or the mean of the two in the middle. `None` when there are none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of what `one` names: `1 publisher`, `2 publishers`.
pub(crate) fn counted(how_many: usize, one: &str) -> String {
    format!("{} {one}{}", grouped(count(how_many)), if how_many == 1 { "" } else { "s" })
}

/// A rate or slope for a table: whole, grouped, with its sign.
pub(crate) fn signed(value: f64) -> String {
    let sign = if value <= -0.5 { "-" } else { "" };
    format!("{sign}{}", grouped(whole(value.abs())))
}

/// A time in nanoseconds with three significant digits and the unit that suits it.
pub(crate) fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 999.5 => (n, "ns"),
        n if n < 999_500.0 => (n / 1e3, "us"),
        n if n < 999_500_000.0 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if unit == "ns" || value >= 99.95 { 0 } else { usize::from(value < 9.995) + 1 };
    format!("{value:.digits$} {unit}")
}

/// Nanoseconds as seconds to a tenth, for progress.
pub(crate) fn seconds(nanos: u64) -> String {
    format!("{:.1} s", float(nanos) / 1e9)
}

/// A percentage without needless zeros: `90`, `97.5`; below 1 with three digits that count, so that none becomes `0`.
pub(crate) fn percent(value: f64) -> String {
    let (mut digits, mut rest) = (2, value.abs());
    while rest > 0.0 && rest < 1.0 {
        rest *= 10.0;
        digits += 1;
    }
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_threes() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(signed(-1_234.4), "-1,234");
        assert_eq!(signed(-0.2), "0");
    }

    #[test]
    fn one_of_something_is_not_many() {
        let counts = [0, 1, 2].map(|count| counted(count, "subscription"));
        assert_eq!(counts, ["0 subscriptions", "1 subscription", "2 subscriptions"]);
    }

    #[test]
    fn times_carry_three_digits_and_a_unit() {
        assert_eq!(time(412.0), "412 ns");
        assert_eq!(time(1_234.0), "1.23 us");
        assert_eq!(time(12_340.0), "12.3 us");
        assert_eq!(time(999_800.0), "1.00 ms");
        assert_eq!(time(123_400_000.0), "123 ms");
        assert_eq!(time(2_500_000_000.0), "2.50 s");
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn impossible_floats_do_not_wrap() {
        assert_eq!(whole(f64::NAN), 0);
        assert_eq!(whole(-5.0), 0);
        assert_eq!(whole(f64::INFINITY), u64::MAX);
        assert_eq!(percent(90.0), "90");
        assert_eq!(percent(97.5), "97.5");
    }

    #[test]
    fn a_small_percentage_is_not_shown_as_none() {
        assert_eq!([0.0, 0.5, 0.015, 0.001].map(percent), ["0", "0.5", "0.015", "0.001"]);
    }
}
