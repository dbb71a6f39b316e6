//! A build that is slower on purpose, to try out whether comparisons notice.
//!
//! `HARNESS_HANDICAP=60 cargo build --release --target-dir target/slow -p ringmain-harness` makes a harness whose
//! publishers spend sixty dependent multiplications on every message more than they need. The number is compiled
//! in; without it nothing of this is left in the code. A result of such a build says so.

/// Multiplications per message.
const ROUNDS: Option<u32> = parsed(option_env!("HARNESS_HANDICAP"));

/// What is compiled in, if anything is.
pub(crate) fn rounds() -> Option<u32> {
    ROUNDS
}

/// Wastes the time of one message.
#[inline(always)]
pub(crate) fn waste() {
    let mut value = 3_u64;
    for _ in 0..ROUNDS.unwrap_or(0) {
        value = std::hint::black_box(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

const fn parsed(text: Option<&str>) -> Option<u32> {
    let Some(text) = text else { return None };
    match u32::from_str_radix(text, 10) {
        Ok(0) => None,
        Ok(rounds) => Some(rounds),
        Err(_) => panic!("HARNESS_HANDICAP must be a whole number, such as 40"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wasted_unless_asked_for() {
        assert_eq!((parsed(None), parsed(Some("0")), parsed(Some("40"))), (None, None, Some(40)));
    }
}
