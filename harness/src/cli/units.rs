//! Values as people write them: `10KB`, `500ms`, `2.5M`, `50,75,90`.
//!
//! Sizes are binary whether written KB or KiB, as they were in the report that this harness answers: its 1 KB
//! message has 1,024 bytes. Every refusal says what would be right, in one line.

use std::time::Duration;

use crate::num;
use crate::pin::Pinning;

/// Splits `2.5MB` into `2.5` and `mb`.
fn number_and_unit(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let number: f64 = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim().to_ascii_lowercase()))
}

/// A size in bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("'{text}' is not a size; write bytes, KB or MB, such as 512, 1KB or 1MB");
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let factor = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    if bytes.fract() == 0.0 && bytes >= 1.0 { Ok(num::index(num::whole(bytes))) } else { Err(wrong()) }
}

/// A size as it is written in names and tables.
pub(crate) fn size_text(bytes: usize) -> String {
    match bytes {
        0 => "0B".to_owned(),
        bytes if bytes.is_multiple_of(1024 * 1024) => format!("{}MB", bytes / (1024 * 1024)),
        bytes if bytes.is_multiple_of(1024) => format!("{}KB", bytes / 1024),
        bytes => format!("{bytes}B"),
    }
}

/// Payload sizes with their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mix(pub(crate) Vec<(u64, usize)>);

impl std::fmt::Display for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.0.iter().map(|(weight, bytes)| format!("{weight}x{}", size_text(*bytes)));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

/// Weights and sizes: `90x1KB,10x500KB`.
pub(crate) fn mix(text: &str) -> Result<Mix, String> {
    let wrong =
        |why: &str| format!("'{text}' is not a mix{why}; write weights and sizes, such as 90x1KB,10x500KB");
    let mut parts: Vec<(u64, usize)> = Vec::new();
    for part in text.split(',') {
        let (weight, bytes) = part.split_once(['x', 'X']).ok_or_else(|| wrong(""))?;
        let weight: u64 = weight.trim().parse().map_err(|_| wrong(""))?;
        let bytes = size(bytes).map_err(|_| wrong(""))?;
        if !(1..=10_000).contains(&weight) {
            return Err(wrong(": a weight is 1 to 10000"));
        }
        if parts.iter().any(|&(_, other)| other == bytes) {
            return Err(wrong(": it names a size twice"));
        }
        parts.push((weight, bytes));
    }
    if parts.len() > 16 { Err(wrong(": it has more than 16 sizes")) } else { Ok(Mix(parts)) }
}

/// How much faster than recorded.
pub(crate) fn speed(text: &str) -> Result<f64, String> {
    let factor = text.trim().trim_end_matches(['x', 'X']).parse::<f64>().ok();
    factor.filter(|factor| (1e-3..=1e6).contains(factor)).ok_or_else(|| {
        format!("'{text}' is not a speed; write a factor from 0.001 to 1000000, such as 2 for twice as fast")
    })
}

/// A whole number; what is in range depends on the option.
pub(crate) fn whole(text: &str) -> Result<u64, String> {
    let number = text.trim().replace('_', "").parse().ok();
    number.ok_or_else(|| format!("'{text}' is not a number; write a whole one, such as 5 or 1000"))
}

/// A whole number of things.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    whole(text).map(num::index)
}

/// How often two builds are run in turn.
pub(crate) fn rounds(text: &str) -> Result<usize, String> {
    number(text)
        .ok()
        .filter(|rounds| (1..=1_000).contains(rounds))
        .ok_or_else(|| format!("'{text}' is not a number of rounds; give 1 to 1000, such as 20"))
}

/// Longer than this is no time that a run takes.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// A span of time.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time; write a number and ms, s, m or h, such as 500ms or 2s");
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let seconds = match unit.as_str() {
        "ms" => number / 1e3,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wrong()),
    };
    if seconds >= LONGEST.as_secs_f64() {
        return Err(format!("'{text}' is too long; give less than 7 days, such as 24h"));
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// A load level in percent of the capacity.
pub(crate) fn level(text: &str) -> Result<f64, String> {
    let percent = text.trim().trim_end_matches('%').parse::<f64>().ok();
    percent.filter(|percent| *percent > 0.0 && *percent <= 1_000.0).ok_or_else(|| {
        format!(
            "'{text}' is not a level; levels are percentages of the capacity above 0 and up to 1000, \
             such as 50,75,90"
        )
    })
}

/// A change in percent beyond which a difference counts.
pub(crate) fn threshold(text: &str) -> Result<f64, String> {
    level(text).map_err(|_| {
        format!("'{text}' is not a threshold; write a change in percent above 0 and up to 1000, such as 10")
    })
}

/// What `--capacity` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Capacity {
    /// Search it.
    Auto,
    /// Messages a second.
    Given(f64),
}

/// `auto` or a rate.
pub(crate) fn capacity(text: &str) -> Result<Capacity, String> {
    if text == "auto" {
        return Ok(Capacity::Auto);
    }
    let wrong = || {
        format!(
            "'{text}' is not a capacity; write auto, or messages a second from 100 to 10000M, such as 2.5M or 800k"
        )
    };
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let rate = match unit.as_str() {
        "" => number,
        "k" => number * 1e3,
        "m" => number * 1e6,
        _ => return Err(wrong()),
    };
    if (100.0..=1e10).contains(&rate) { Ok(Capacity::Given(rate)) } else { Err(wrong()) }
}

/// `auto`, `off`, or CPU numbers and ranges.
pub(crate) fn pinning(text: &str) -> Result<Pinning, String> {
    let wrong = || format!("'{text}' is not a placement; write auto, off, or CPU numbers such as 0,1 or 2-5");
    match text {
        "auto" => return Ok(Pinning::Auto),
        "off" => return Ok(Pinning::Off),
        _ => {}
    }
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.trim().parse::<usize>(), last.trim().parse::<usize>()) else {
            return Err(wrong());
        };
        if first > last || last - first > 4_096 {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    let twice = cpus.iter().enumerate().find(|(index, cpu)| cpus[..*index].contains(cpu));
    match twice {
        Some((_, cpu)) => Err(format!("'{text}' names CPU {cpu} twice; name each once, such as 0,1 or 2-5")),
        None => Ok(Pinning::Cpus(cpus)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size("1KB"), Ok(1_024));
        assert_eq!(size("10kib"), Ok(10_240));
        assert_eq!(size("1MB"), Ok(1_048_576));
        assert_eq!(size("1.5k"), Ok(1_536));
        assert_eq!(size("100"), Ok(100));
        assert!(size("0").is_err() && size("1.3").is_err() && size("1TB").is_err() && size("big").is_err());
        assert_eq!([size_text(1_024), size_text(1_000), size_text(2 << 20)], ["1KB", "1000B", "2MB"]);
    }

    #[test]
    fn mixes_and_speeds() {
        let parsed = mix("90x1KB,10x500KB").unwrap();
        assert_eq!(parsed.0, [(90, 1_024), (10, 512_000)]);
        assert_eq!(parsed.to_string(), "90x1KB,10x500KB");
        for wrong in ["", "1KB", "0x1KB", "5x", "1x1KB,2x1024", "x1KB"] {
            assert!(mix(wrong).unwrap_err().contains("90x1KB"), "{wrong}");
        }
        assert_eq!(speed("2.5x"), Ok(2.5));
        assert!(speed("0").is_err() && speed("fast").is_err() && speed("-1").is_err());
    }

    #[test]
    fn times_need_a_known_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("2 fortnights").is_err() && duration("").is_err() && duration("-1s").is_err());
    }

    #[test]
    fn levels_are_above_zero() {
        assert_eq!(level("97.5"), Ok(97.5));
        assert_eq!(level("110%"), Ok(110.0));
        for wrong in ["0", "-5", "NaN", "inf", "x", "", "5000"] {
            assert!(level(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn capacities_and_placements() {
        assert_eq!(capacity("auto"), Ok(Capacity::Auto));
        assert_eq!(capacity("2.5M"), Ok(Capacity::Given(2.5e6)));
        assert!(capacity("0").is_err() && capacity("fast").is_err());
        assert_eq!(pinning("0,2-4"), Ok(Pinning::Cpus(vec![0, 2, 3, 4])));
        assert!(pinning("4-2").is_err() && pinning("first").is_err());
        for twice in ["0,0", "0-1,1"] {
            assert!(pinning(twice).unwrap_err().contains("twice; name each once"), "{twice}");
        }
    }
}
