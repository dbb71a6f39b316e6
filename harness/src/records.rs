//! Fields of recorded messages: the ordering key and the time of a line that is JSON.
//!
//! A time is a text by RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds. Which of them its size
//! says: from 1e11 on, which as seconds would be the year 5138, they are milliseconds, from 1e14 on microseconds, from 1e17
//! on nanoseconds. So a number that is no time since 1970, but one since the start, is taken for seconds.

use serde_json::{Map, Value};

use crate::num;

/// Numbers from here on are of such a unit, so many of which are a second. The finest first.
const UNITS: [(f64, f64); 3] = [(1e17, 1e9), (1e14, 1e6), (1e11, 1e3)];
/// The longest ordering key that the engine takes, in bytes.
const LONGEST_KEY: usize = 1_024;

fn object(number: usize, line: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("line {number} is no JSON object, so that it has no fields")),
        Err(error) => Err(format!("line {number} is not JSON: {error}")),
    }
}

/// The ordering key of line `number`: a text or a number; none where the field is missing, null or empty.
pub(crate) fn key(number: usize, line: &[u8], field: &str) -> Result<Option<String>, String> {
    let key = match object(number, line)?.remove(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(_) => return Err(format!("line {number}: '{field}' is neither a text nor a number")),
    };
    if key.len() > LONGEST_KEY {
        return Err(format!(
            "line {number}: '{field}' has {} bytes; a key has at most {LONGEST_KEY}",
            key.len()
        ));
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}

/// When each line was recorded, in nanoseconds after the first one. A line with an earlier time than one before it
/// has the time of that one, since the order of the lines is kept; and how many have.
pub(crate) fn offsets<'a>(
    lines: impl Iterator<Item = (usize, &'a [u8])>,
    field: &str,
) -> Result<(Vec<u64>, usize), String> {
    let mut offsets = Vec::new();
    let (mut first, mut latest, mut earlier) = (None, 0.0, 0);
    for (number, line) in lines {
        let seconds = seconds(number, line, field)?;
        let since = seconds - *first.get_or_insert(seconds);
        earlier += usize::from(since < latest);
        latest = since.max(latest);
        offsets.push(num::whole(latest * 1e9));
    }
    Ok((offsets, earlier))
}

fn seconds(number: usize, line: &[u8], field: &str) -> Result<f64, String> {
    let wrong = |what: &str| {
        format!(
            "line {number}: '{field}' {what}; a time is a number of seconds, milliseconds, microseconds or \
             nanoseconds, or RFC 3339 such as 2026-01-31T12:00:00Z"
        )
    };
    match object(number, line)?.get(field) {
        None => Err(wrong("is missing")),
        Some(Value::Number(time)) => {
            let time =
                time.as_f64().filter(|time| time.is_finite()).ok_or_else(|| wrong("is out of range"))?;
            let unit = UNITS.iter().find(|(from, _)| time >= *from);
            Ok(unit.map_or(time, |(_, second)| time / second))
        }
        Some(Value::String(text)) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| wrong("is no time"))?;
            Ok(time.as_duration().as_secs_f64())
        }
        Some(_) => Err(wrong("is no time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(lines: &[&str]) -> Result<Vec<u64>, String> {
        all(lines).map(|(times, _)| times)
    }

    fn all(lines: &[&str]) -> Result<(Vec<u64>, usize), String> {
        offsets(lines.iter().enumerate().map(|(index, line)| (index + 1, line.as_bytes())), "t")
    }

    #[test]
    fn seconds_finer_units_and_dates_count_from_the_first() {
        assert_eq!(
            times(&[r#"{"t":1.5}"#, r#"{"t":2}"#, r#"{"t":1.75}"#]).unwrap(),
            [0, 500_000_000, 500_000_000]
        );
        for zeros in ["", "000", "000000"] {
            let line = |milliseconds: &str| format!("{{\"t\":{milliseconds}{zeros}}}");
            let finer = times(&[&line("1700000000000"), &line("1700000000250")]).unwrap();
            assert!(finer[1].abs_diff(250_000_000) < 1_000, "{finer:?}");
        }
        let dates =
            times(&[r#"{"t":"2026-01-31T12:00:00Z"}"#, r#"{"t":"2026-01-31T13:00:02.5+01:00"}"#]).unwrap();
        assert!(dates[1].abs_diff(2_500_000_000) < 1_000, "{dates:?}");
    }

    #[test]
    fn lines_with_an_earlier_time_than_one_above_are_counted() {
        assert_eq!(
            all(&[r#"{"t":3}"#, r#"{"t":2}"#, r#"{"t":2.5}"#, r#"{"t":4}"#]).unwrap(),
            (vec![0, 0, 0, 1_000_000_000], 2)
        );
    }

    #[test]
    fn what_is_no_time_is_named_with_its_line() {
        for wrong in ["{}", "no", "[1]", r#"{"t":null}"#, r#"{"t":"noon"}"#] {
            let error = times(&[r#"{"t":1}"#, wrong]).unwrap_err();
            assert!(error.starts_with("line 2") && !error.contains('\n'), "{wrong}: {error}");
        }
    }

    #[test]
    fn keys_are_texts_or_numbers() {
        let key = |line: &str| key(3, line.as_bytes(), "k");
        assert_eq!(key(r#"{"k":"a"}"#), Ok(Some("a".to_owned())));
        assert_eq!(key(r#"{"k":12}"#), Ok(Some("12".to_owned())));
        assert_eq!(key(r#"{"k":""}"#), Ok(None));
        assert_eq!(key("{}"), Ok(None));
        assert!(key(r#"{"k":{}}"#).unwrap_err().starts_with("line 3"));
        assert!(key(&format!(r#"{{"k":"{}"}}"#, "x".repeat(1_025))).unwrap_err().contains("1025 bytes"));
    }
}
