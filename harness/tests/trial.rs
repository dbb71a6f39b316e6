//! Whether `harness compare --interleave` keeps its promise on a real machine: twenty comparisons of a build with
//! itself and twenty with one that is slowed down by 30 %, at least nineteen right of each. Takes half an hour on an
//! otherwise idle machine, so it is run by hand:
//!
//! ```sh
//! HARNESS_HANDICAP=30 cargo build --release -p ringmain-harness --target-dir target/slow
//! HARNESS_SLOW=target/slow/release/harness \
//!     cargo test --release -p ringmain-harness --test trial -- --ignored --nocapture
//! ```
//!
//! It prints how much slower the slowed build is. When that is not about 30 %, build it with another number. Runs of one
//! short iteration make the most of the time: what differs between two runs is mostly which pages and which placement
//! they got, and longer runs do not average that out.
#![cfg(not(debug_assertions))]

use serde_json::Value;
use std::process::Command;

/// Of twenty tries, one may be wrong; `HARNESS_TRIES` asks for another number, for an impression.
const TRIES: usize = 20;

/// One comparison: the finding, the change of the throughput in percent, from how many values a side, and what could not
/// be told.
fn compare(base: &str, current: &str) -> (String, String) {
    let line = |binary: &str| {
        format!("'{binary}' --scenario throughput --quick --iterations 1 --duration 300ms --warmup 50ms")
    };
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["compare", "--json", "--interleave", &line(base), &line(current)])
        .output()
        .expect("the harness starts");
    let object: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let throughput = &object["metrics"][0];
    assert_eq!(throughput["metric"], "throughput");
    let finding = object["finding"].as_str().expect("a finding").to_owned();
    let told = format!(
        "{finding}: {:+.1} %, {} and {} values, untold {}",
        throughput["changePercent"].as_f64().expect("a change"),
        throughput["baseValues"],
        throughput["currentValues"],
        object["untold"]
    );
    (finding, told)
}

#[test]
#[ignore = "half an hour on an idle machine; see above"]
fn nineteen_of_twenty_comparisons_are_right() {
    let plain = env!("CARGO_BIN_EXE_harness");
    let slow = std::env::var("HARNESS_SLOW").expect("HARNESS_SLOW names a slowed build; see above");
    let slow = std::fs::canonicalize(format!("../{slow}")).or_else(|_| std::fs::canonicalize(&slow));
    let slow = slow.expect("HARNESS_SLOW names a file").to_str().expect("a name").to_owned();
    let tries = std::env::var("HARNESS_TRIES").map_or(TRIES, |tries| tries.parse().expect("a number"));
    let mut right = [0, 0];
    for number in 1..=tries {
        let ((same, itself), (slower, slowed)) = (compare(plain, plain), compare(plain, &slow));
        right[0] += usize::from(same == "no difference");
        right[1] += usize::from(slower == "regression");
        println!("try {number}: itself {itself}; slowed {slowed}");
    }
    println!("right: itself {} of {tries}, slowed {} of {tries}", right[0], right[1]);
    let enough = tries - tries / TRIES;
    assert!(right[0] >= enough && right[1] >= enough, "{right:?}");
}
