//! The books of one cursor: which messages of which publisher, and of which key, it has seen.

use crate::keys::Keying;
use crate::ledger::{Lane, Share, Tally};

/// The accounts of a cursor.
#[derive(Debug, Clone)]
pub(crate) enum Accounts {
    /// Of the only consumer of its subscription: a lane for each publisher and key.
    Sole(Vec<Lane>),
    /// Of one of several, one per publisher. (They see the messages of a key in turns, so only loss and repeats show.)
    Competing(Vec<Share>),
}

/// A cursor's books.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) subscription: usize,
    pub(crate) accounts: Accounts,
    pub(crate) corrupt: u64,
    /// Different messages entered: counted as they come, since there may be a great many lanes, and the sum is asked for
    /// every few milliseconds of a sample.
    received: u64,
    keying: Keying,
    bases: Vec<u64>,
}

impl Book {
    /// Opens the books of a cursor on `subscription`; `bases` are the next numbers of the publishers.
    pub(crate) fn new(subscription: usize, sole: bool, bases: &[u64], keying: &Keying) -> Self {
        let accounts = if sole {
            let lanes = |(publisher, &base): (usize, &u64)| {
                (0..keying.lanes()).map(move |lane| keying.before(publisher, lane, base))
            };
            Accounts::Sole(bases.iter().enumerate().flat_map(lanes).map(Lane::new).collect())
        } else {
            Accounts::Competing(bases.iter().map(|&base| Share::new(base)).collect())
        };
        Self {
            subscription,
            accounts,
            corrupt: 0,
            received: 0,
            keying: keying.clone(),
            bases: bases.to_vec(),
        }
    }

    /// Different messages entered so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    #[inline]
    pub(crate) fn enter(&mut self, publisher: usize, sequence: u64) {
        let new = match &mut self.accounts {
            Accounts::Sole(lanes) => {
                let (lane, number) = self.keying.place(publisher, sequence);
                lanes.get_mut(publisher * self.keying.lanes() + lane).map(|lane| lane.enter(number))
            }
            Accounts::Competing(shares) => shares.get_mut(publisher).map(|share| share.enter(sequence)),
        };
        match new {
            Some(new) => self.received += u64::from(new),
            None => self.corrupt += 1,
        }
    }

    /// Enters the next line of a key, as the sole consumer of a single publisher, and tells which message that is.
    pub(crate) fn enter_next(&mut self, key: Option<&str>) -> Option<u64> {
        let Accounts::Sole(lanes) = &mut self.accounts else { return None };
        let (lane, message) = match &self.keying {
            Keying::Lines(lines) => {
                let lane = lines.keys().lane(key)?;
                (lane, lines.keys().message(lane, lanes.get(lane)?.next())?)
            }
            Keying::Unkeyed | Keying::Dealt(_) => (0, lanes.first()?.next()),
        };
        let number = lanes.get(lane)?.next();
        self.received += u64::from(lanes.get_mut(lane)?.enter(number));
        Some(message)
    }
}

/// Closes the books of all cursors of one subscription against what each publisher sent.
pub(crate) fn close(books: &[Book], sent: &[u64]) -> Tally {
    let mut tally = Tally::default();
    for (publisher, &sent) in sent.iter().enumerate() {
        let mut shares = Vec::new();
        for book in books {
            let (keying, base) = (&book.keying, book.bases[publisher]);
            match &book.accounts {
                Accounts::Sole(lanes) => {
                    for lane in 0..keying.lanes() {
                        let before = |n| keying.before(publisher, lane, n);
                        let sent = before(base + sent) - before(base);
                        tally.add(&lanes[publisher * keying.lanes() + lane].close(sent));
                    }
                }
                Accounts::Competing(of_publisher) => shares.push(of_publisher[publisher].clone()),
            }
        }
        if !shares.is_empty() {
            let mut settled = crate::ledger::settle(&shares, sent);
            if books.iter().any(|book| book.keying.keyed()) {
                settled.reordered = 0;
            }
            tally.add(&settled);
        }
    }
    tally.corrupt = books.iter().map(|book| book.corrupt).sum();
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_received_is_counted_once_whatever_comes_twice_or_late() {
        for sole in [true, false] {
            let mut book = Book::new(0, sole, &[5, 0], &Keying::Dealt(3));
            // A gap in a lane that closes, a repeat, one from before the sample, and a publisher that there is not.
            for (publisher, n) in [(0, 5), (0, 11), (0, 8), (1, 0), (0, 8), (0, 2), (7, 0)] {
                book.enter(publisher, n);
            }
            let tally = close(&[book.clone()], &[7, 1]);
            assert_eq!((book.received(), tally.received, tally.corrupt), (4, 4, 1), "sole: {sole}");
            assert_eq!(tally.duplicated, 2, "sole: {sole}");
        }
    }
}
