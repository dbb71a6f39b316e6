//! What cargo-mutants lists, a line a mutant: `file:line:column: what is done`.

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Mutant {
    pub(crate) id: u32,
    pub(crate) text: String,
    pub(crate) file: String,
    /// From 1, both.
    pub(crate) place: (usize, usize),
    pub(crate) change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The whole function returns this.
    Returns(String),
    /// This operator stands where another did.
    Operator(String),
    /// The operator before its operand goes.
    Bare,
    /// The guard of a match arm is this.
    Guard(String),
    /// The arm is never taken.
    NoArm,
}

/// The mutants of a list. What is not understood is left out, and told.
pub(crate) fn read(list: &str) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for line in list.lines().filter(|line| !line.is_empty()) {
        match parse(line) {
            Some((file, place, change)) => {
                let id = u32::try_from(mutants.len() + 1).expect("a few thousand");
                mutants.push(Mutant { id, text: line.to_owned(), file, place, change });
            }
            None => println!("not understood: {line}"),
        }
    }
    mutants
}

fn parse(line: &str) -> Option<(String, (usize, usize), Change)> {
    let (at, what) = line.split_once(": ")?;
    let [file, row, column] = at.split(':').collect::<Vec<_>>()[..] else { return None };
    Some((file.to_owned(), (row.parse().ok()?, column.parse().ok()?), change(what)?))
}

fn change(what: &str) -> Option<Change> {
    if what.starts_with("delete match arm ") {
        return Some(Change::NoArm);
    }
    if what.starts_with("delete ! ") || what.starts_with("delete - ") {
        return Some(Change::Bare);
    }
    let rest = what.strip_prefix("replace ")?;
    if let Some(guard) = rest.strip_prefix("match guard ") {
        let (_, value) = guard.rsplit_once(" with ")?;
        return Some(Change::Guard(value.split(' ').next()?.to_owned()));
    }
    let (left, right) = rest.rsplit_once(" with ")?;
    let is_operator = |text: &str| !text.is_empty() && text.chars().all(|c| "+-*/%<>=!&|^".contains(c));
    if is_operator(left) {
        return Some(Change::Operator(right.split(' ').next()?.to_owned()));
    }
    Some(Change::Returns(right.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_understood() {
        let of = |what: &str| parse(&format!("a/b.rs:3:14: {what}")).expect("understood").2;
        assert_eq!(of("replace < with == in A<T>::b"), Change::Operator("==".into()));
        assert_eq!(of("replace || with && in f"), Change::Operator("&&".into()));
        assert_eq!(
            of("replace f -> (A, B) with (Default::default(), 1)"),
            Change::Returns("(Default::default(), 1)".into())
        );
        assert_eq!(of("replace <impl Drop for A>::drop with ()"), Change::Returns("()".into()));
        assert_eq!(of("delete ! in f"), Change::Bare);
        assert_eq!(of("replace match guard x > 0 with true in f"), Change::Guard("true".into()));
        assert_eq!(of("delete match arm 0 in f"), Change::NoArm);
        assert!(parse("Found 3 mutants").is_none());
    }
}
