//! The harness's input files: any bytes are refused in one line, or split, keyed and timed as they read naively.
//!
//! The harness is a program and no library, so the files of its reader are taken as they are.
#![no_main]
#![allow(dead_code, reason = "the modules are the harness's, and not all in them is about input files")]

#[path = "../../../harness/src/input.rs"]
mod input;
#[path = "../../../harness/src/keys.rs"]
mod keys;
#[path = "../../../harness/src/num.rs"]
mod num;
#[path = "../../../harness/src/payload.rs"]
mod payload;
#[path = "../../../harness/src/records.rs"]
mod records;

use input::Lines;
use keys::Keying;
use libfuzzer_sys::fuzz_target;
use payload::Read;
use serde_json::Value;
use std::sync::Arc;

/// The fields that keys and times are read from.
const KEY: &str = "k";
const TIME: &str = "t";

/// What is told of a file that is refused: one line, which names a line of the file if it is about one.
fn refused(error: &str, lines: usize) {
    assert!(!error.is_empty() && !error.contains('\n'), "{error:?}");
    if let Some(rest) = error.strip_prefix("line ") {
        let number: usize = rest.split([' ', ':']).next().unwrap_or_default().parse().expect("a number");
        assert!((1..=lines).contains(&number), "{error:?} of {lines}");
    }
}

/// The key of a line, naively; an error if there can be none.
fn key(line: &[u8]) -> Result<Option<String>, ()> {
    let value: Value = serde_json::from_slice(line).map_err(drop)?;
    match value.as_object().ok_or(())?.get(KEY) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text.len() <= 1024 => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(bool)) => Ok(Some(bool.to_string())),
        _ => Err(()),
    }
}

/// Messages are numbered within their keys: there and back.
fn check_keys(lines: Lines, naive: &[Option<String>]) {
    let count = naive.len() as u64;
    let lines = Arc::new(lines);
    let keying = Keying::Lines(Arc::clone(&lines));
    let mut seen = vec![0; keying.lanes()];
    for n in 0..2 * count + 1 {
        let key = lines.key(n);
        assert_eq!(key, naive[usize::try_from(n % count).expect("an index")].as_deref());
        let lane = lines.keys().lane(key).expect("a key that was read");
        assert_eq!(keying.before(lane, n), seen[lane], "message {n}, lane {lane}");
        assert_eq!(lines.keys().message(lane, seen[lane]), Some(n));
        seen[lane] += 1;
    }
}

fuzz_target!(|bytes: &[u8]| {
    let all = bytes.split(|byte| *byte == b'\n').count();
    let texts: Vec<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .collect();
    let mut lines = match Lines::new(bytes.to_vec()) {
        Err(error) => {
            assert!(texts.is_empty(), "{error}");
            return refused(&error, all);
        }
        Ok(lines) => lines,
    };
    assert_eq!(lines.count(), texts.len());
    for (n, text) in (0..).zip(texts.iter().chain(&texts)) {
        assert_eq!((lines.payload(n), &lines.reference(n)[..]), (*text, *text));
        assert!(lines.matches(n, text, Read::All) && lines.matches(n, text, Read::Ends));
    }
    match lines.times(TIME) {
        Err(error) => refused(&error, all),
        Ok(times) => {
            assert_eq!((times.len(), times[0]), (texts.len(), 0));
            assert!(times.is_sorted(), "{times:?}");
        }
    }
    let naive: Result<Vec<_>, ()> = texts.iter().map(|line| key(line)).collect();
    match (lines.take_keys(KEY), naive) {
        (Err(error), Err(())) => refused(&error, all),
        (Err(error), Ok(keys)) => {
            refused(&error, all);
            assert!(keys.iter().all(Option::is_none), "{error}");
        }
        (Ok(()), Ok(keys)) => check_keys(lines, &keys),
        (Ok(()), Err(())) => panic!("a line has no key, and all were read"),
    }
});
