//! The consumer's side of a message: check it, enter it in the ledger, and note its time.
//!
//! A consumer thread has one inbox for all its cursors. [`Inbox::take`] runs inside the engine's handler, once per
//! delivery, and does as little as it can: read the payload, compare one number, push one time. When the engine's
//! turn is over, [`Inbox::settle`] turns the times into latencies against a single reading of the clock.

use std::sync::Arc;

use crate::input::Lines;
use crate::latency::Recorder;
use crate::ledger::{Lane, Share, Tally};
use crate::num;
use crate::payload::{Pattern, Read};
use crate::shared::Stamps;

/// What payloads look like, and how closely readers look.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Written by the harness for each message.
    Generated(Arc<Pattern>),
    /// The user's lines, with their times beside the ring.
    Lines(Arc<Lines>, Arc<Stamps>),
}

impl Content {
    /// The mean payload length in bytes.
    pub(crate) fn mean_length(&self) -> f64 {
        match self {
            Self::Generated(pattern) => num::float(num::count(pattern.length())),
            Self::Lines(lines, _) => lines.mean_length(),
        }
    }
}

/// The accounts of a cursor, one per publisher.
#[derive(Debug, Clone)]
pub(crate) enum Accounts {
    /// Of the only consumer of its subscription.
    Sole(Vec<Lane>),
    /// Of one of several.
    Competing(Vec<Share>),
}

/// A cursor's books.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) subscription: usize,
    pub(crate) accounts: Accounts,
    pub(crate) corrupt: u64,
}

impl Book {
    /// Opens the books of a cursor on `subscription`; `bases` are the next numbers of the publishers.
    pub(crate) fn new(subscription: usize, sole: bool, bases: &[u64]) -> Self {
        let accounts = if sole {
            Accounts::Sole(bases.iter().map(|&base| Lane::new(base)).collect())
        } else {
            Accounts::Competing(bases.iter().map(|&base| Share::new(base)).collect())
        };
        Self { subscription, accounts, corrupt: 0 }
    }

    /// Different messages entered so far.
    pub(crate) fn received(&self) -> u64 {
        match &self.accounts {
            Accounts::Sole(lanes) => lanes.iter().map(Lane::received).sum(),
            Accounts::Competing(shares) => shares.iter().map(Share::received).sum(),
        }
    }

    #[inline]
    fn enter(&mut self, publisher: usize, sequence: u64) {
        match &mut self.accounts {
            Accounts::Sole(lanes) => match lanes.get_mut(publisher) {
                Some(lane) => lane.enter(sequence),
                None => self.corrupt += 1,
            },
            Accounts::Competing(shares) => match shares.get_mut(publisher) {
                Some(share) => share.enter(sequence),
                None => self.corrupt += 1,
            },
        }
    }

    /// The number that a sole consumer of a single publisher expects next.
    #[inline]
    fn expected(&self) -> u64 {
        match &self.accounts {
            Accounts::Sole(lanes) => lanes.first().map_or(0, Lane::next),
            Accounts::Competing(_) => 0,
        }
    }
}

/// Closes the books of all cursors of one subscription against what each publisher sent.
pub(crate) fn close(books: &[Book], sent: &[u64]) -> Tally {
    let mut tally = Tally::default();
    for (publisher, &sent) in sent.iter().enumerate() {
        let mut shares = Vec::new();
        for book in books {
            match &book.accounts {
                Accounts::Sole(lanes) => tally.add(&lanes[publisher].close(sent)),
                Accounts::Competing(of_publisher) => shares.push(of_publisher[publisher].clone()),
            }
        }
        if !shares.is_empty() {
            tally.add(&crate::ledger::settle(&shares, sent));
        }
    }
    tally.corrupt = books.iter().map(|book| book.corrupt).sum();
    tally
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) books: Vec<Book>,
    pub(crate) latency: Recorder,
    content: Content,
    read: Read,
    times: Vec<u64>,
}

impl Inbox {
    /// An inbox for the cursors of `books`.
    pub(crate) fn new(books: Vec<Book>, content: Content, read: Read) -> Self {
        // A turn may bring a whole ring for every cursor; room for one ring is there from the start, and more is kept.
        Self { books, latency: Recorder::new(), content, read, times: Vec::with_capacity(1 << 16) }
    }

    /// Takes a delivery of `cursor`.
    #[inline]
    pub(crate) fn take(&mut self, cursor: usize, payload: &[u8]) {
        let book = &mut self.books[cursor];
        match &self.content {
            Content::Generated(pattern) => match pattern.open(payload, self.read) {
                Ok(header) => {
                    book.enter(header.publisher, header.sequence);
                    self.times.push(header.time);
                }
                Err(_) => book.corrupt += 1,
            },
            Content::Lines(lines, stamps) => {
                let sequence = book.expected();
                book.corrupt += u64::from(!lines.matches(sequence, payload, self.read));
                book.enter(0, sequence);
                self.times.push(stamps.get(sequence));
            }
        }
    }

    /// Ends a turn at `now`: records the latency of each delivery in it, and returns that of the first.
    #[inline]
    pub(crate) fn settle(&mut self, now: u64) -> u64 {
        let first = self.times.first().map_or(0, |&time| now.saturating_sub(time));
        for time in self.times.drain(..) {
            self.latency.record(now.saturating_sub(time));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Header;

    fn payload(pattern: &Pattern, publisher: usize, sequence: u64) -> Vec<u8> {
        let mut buffer = vec![0; pattern.length()];
        pattern.fill(&mut buffer, Header { publisher, sequence, time: 1_000 + sequence });
        buffer
    }

    fn inbox(pattern: &Arc<Pattern>, sole: bool, cursors: usize) -> Inbox {
        let books = (0..cursors).map(|subscription| Book::new(subscription, sole, &[0, 0])).collect();
        Inbox::new(books, Content::Generated(Arc::clone(pattern)), Read::All)
    }

    #[test]
    fn deliveries_are_entered_per_cursor_and_publisher() {
        let pattern = Arc::new(Pattern::new(64));
        let mut inbox = inbox(&pattern, true, 2);
        for cursor in 0..2 {
            for publisher in 0..2 {
                (0..3).for_each(|n| inbox.take(cursor, &payload(&pattern, publisher, n)));
            }
        }
        assert_eq!(inbox.settle(2_000), 1_000);
        assert_eq!(inbox.latency.count(), 12);
        let tally = close(&inbox.books[..1], &[3, 4]);
        assert_eq!((tally.accepted, tally.received, tally.lost()), (7, 6, 1));
    }

    #[test]
    fn a_damaged_payload_is_counted_and_its_message_missed() {
        let pattern = Arc::new(Pattern::new(64));
        let mut inbox = inbox(&pattern, true, 1);
        let mut damaged = payload(&pattern, 0, 0);
        damaged[40] ^= 1;
        inbox.take(0, &damaged);
        inbox.take(0, &payload(&pattern, 9, 0));
        let tally = close(&inbox.books, &[1, 0]);
        assert_eq!((tally.corrupt, tally.lost()), (2, 1));
    }

    #[test]
    fn competing_cursors_add_up() {
        let pattern = Arc::new(Pattern::new(64));
        let mut inbox = inbox(&pattern, false, 2);
        for n in 0..10 {
            inbox.take(usize::from(n % 3 == 0), &payload(&pattern, 0, n));
        }
        let tally = close(&inbox.books, &[10, 0]);
        assert_eq!((tally.received, tally.lost(), tally.duplicated), (10, 0, 0));
    }

    #[test]
    fn lines_are_checked_by_the_order_of_delivery() {
        let lines = Arc::new(Lines::new(b"first line\nsecond line\n".to_vec()).unwrap());
        let stamps = Arc::new(Stamps::new(16));
        (0..4).for_each(|n| stamps.put(n, 100 * n));
        let mut inbox =
            Inbox::new(vec![Book::new(0, true, &[0])], Content::Lines(Arc::clone(&lines), stamps), Read::All);
        (0..3).for_each(|n| inbox.take(0, lines.payload(n)));
        inbox.take(0, lines.payload(0));
        inbox.settle(1_000);
        let tally = close(&inbox.books, &[5]);
        assert_eq!((tally.corrupt, tally.lost()), (1, 1));
    }
}
