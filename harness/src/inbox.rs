//! The consumer's side of a message: check it, enter it in the ledger, and note its time.
//!
//! A consumer thread has one inbox for all its cursors. [`Inbox::take`] runs inside the engine's handler, once per
//! delivery, and does as little as it can: read the payload, compare one number, push one time. When the engine's
//! turn is over, [`Inbox::settle`] turns the times into latencies against a single reading of the clock.

use std::sync::Arc;

use crate::acks::LastAcks;
use crate::inject::{Inject, Meddler};
use crate::input::Lines;
use crate::keys::Keying;
use crate::latency::Recorder;
use crate::ledger::{Lane, Share, Tally};
use crate::mix::Patterns;
use crate::payload::Read;
use crate::shared::Stamps;

/// What payloads look like.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Written by the harness for each message.
    Generated(Arc<Patterns>),
    /// Known beforehand and used in turn, with their times beside the ring: the user's lines, which are copied, or
    /// payloads that are published by reference.
    Lines { lines: Arc<Lines>, stamps: Arc<Stamps>, referenced: bool },
}

impl Content {
    /// The mean payload length in bytes.
    pub(crate) fn mean_length(&self) -> f64 {
        match self {
            Self::Generated(patterns) => patterns.mean_length(),
            Self::Lines { lines, .. } => lines.mean_length(),
        }
    }
}

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
    keying: Keying,
    bases: Vec<u64>,
}

impl Book {
    /// Opens the books of a cursor on `subscription`; `bases` are the next numbers of the publishers.
    pub(crate) fn new(subscription: usize, sole: bool, bases: &[u64], keying: &Keying) -> Self {
        let accounts = if sole {
            let lanes = |&base: &u64| (0..keying.lanes()).map(move |lane| keying.before(lane, base));
            Accounts::Sole(bases.iter().flat_map(lanes).map(Lane::new).collect())
        } else {
            Accounts::Competing(bases.iter().map(|&base| Share::new(base)).collect())
        };
        Self { subscription, accounts, corrupt: 0, keying: keying.clone(), bases: bases.to_vec() }
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
            Accounts::Sole(lanes) => {
                let (lane, number) = self.keying.place(sequence);
                match lanes.get_mut(publisher * self.keying.lanes() + lane) {
                    Some(lane) => lane.enter(number),
                    None => self.corrupt += 1,
                }
            }
            Accounts::Competing(shares) => match shares.get_mut(publisher) {
                Some(share) => share.enter(sequence),
                None => self.corrupt += 1,
            },
        }
    }

    /// Enters the next line of a key, as the sole consumer of a single publisher, and tells which message that is.
    fn enter_next(&mut self, key: Option<&str>) -> Option<u64> {
        let Accounts::Sole(lanes) = &mut self.accounts else { return None };
        let (lane, message) = match &self.keying {
            Keying::Lines(lines) => {
                let lane = lines.keys().lane(key)?;
                (lane, lines.keys().message(lane, lanes.get(lane)?.next())?)
            }
            Keying::Unkeyed | Keying::Dealt(_) => (0, lanes.first()?.next()),
        };
        let number = lanes.get(lane)?.next();
        lanes.get_mut(lane)?.enter(number);
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
                        let sent = keying.before(lane, base + sent) - keying.before(lane, base);
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

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) books: Vec<Book>,
    pub(crate) latency: Recorder,
    /// When each message was acked last, if that is asked for.
    pub(crate) acks: Option<LastAcks>,
    content: Content,
    read: Read,
    times: Vec<u64>,
    meddler: Option<Box<Meddler>>,
}

impl Inbox {
    /// An inbox for the cursors of `books`.
    pub(crate) fn new(books: Vec<Book>, content: Content, read: Read) -> Self {
        // A turn may bring a whole ring for every cursor; room for one ring is there from the start, and more is kept.
        let times = Vec::with_capacity(1 << 16);
        Self { books, latency: Recorder::new(), acks: None, content, read, times, meddler: None }
    }

    /// Also notes when each message was acked last; `bases` are the next numbers of the publishers.
    pub(crate) fn noting_acks(mut self, bases: &[u64]) -> Self {
        self.acks = Some(LastAcks::new(bases));
        self
    }

    /// Drops, repeats or reorders a message, to see whether that is noticed.
    pub(crate) fn meddled_with(mut self, inject: Option<Inject>) -> Self {
        self.meddler = Meddler::new(inject).map(Box::new);
        self
    }

    /// The mean payload length in bytes.
    pub(crate) fn mean_length(&self) -> f64 {
        self.content.mean_length()
    }

    /// Takes a delivery of `cursor`. The key is looked at only where payloads do not tell their number.
    #[inline]
    pub(crate) fn take<'a>(&mut self, cursor: usize, payload: &[u8], key: impl FnOnce() -> Option<&'a str>) {
        if self.meddler.is_some() {
            self.take_meddled(cursor, payload, key());
        } else {
            self.enter(cursor, payload, key);
        }
    }

    #[cold]
    fn take_meddled(&mut self, cursor: usize, payload: &[u8], key: Option<&str>) {
        let Some(mut meddler) = self.meddler.take() else { return };
        meddler.pass(cursor, payload, key, |cursor, payload, key| self.enter(cursor, payload, || key));
        self.meddler = Some(meddler);
    }

    #[inline]
    fn enter<'a>(&mut self, cursor: usize, payload: &[u8], key: impl FnOnce() -> Option<&'a str>) {
        let book = &mut self.books[cursor];
        let (publisher, sequence, time) = match &self.content {
            Content::Generated(patterns) => match patterns.open(payload, self.read) {
                Ok(header) => {
                    book.enter(header.publisher, header.sequence);
                    (header.publisher, header.sequence, header.time)
                }
                Err(_) => {
                    book.corrupt += 1;
                    return;
                }
            },
            Content::Lines { lines, stamps, .. } => {
                let Some(sequence) = book.enter_next(key()) else {
                    book.corrupt += 1;
                    return;
                };
                book.corrupt += u64::from(!lines.matches(sequence, payload, self.read));
                (0, sequence, stamps.get(sequence))
            }
        };
        self.times.push(time);
        if let Some(acks) = &mut self.acks {
            acks.delivered(publisher, sequence, time);
        }
    }

    /// Ends a turn at `now`: records the latency of each delivery in it, and returns that of the first.
    #[inline]
    pub(crate) fn settle(&mut self, now: u64) -> u64 {
        let first = self.times.first().map_or(0, |&time| now.saturating_sub(time));
        for time in self.times.drain(..) {
            self.latency.record(now.saturating_sub(time));
        }
        if let Some(acks) = &mut self.acks {
            acks.acked(now);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Header, Pattern};

    fn payload(pattern: &Pattern, publisher: usize, sequence: u64) -> Vec<u8> {
        let mut buffer = vec![0; pattern.length()];
        pattern.fill(&mut buffer, Header { publisher, sequence, time: 1_000 + sequence });
        buffer
    }

    fn inbox(pattern: &Arc<Pattern>, sole: bool, cursors: usize) -> Inbox {
        let books = (0..cursors)
            .map(|subscription| Book::new(subscription, sole, &[0, 0], &Keying::Unkeyed))
            .collect();
        Inbox::new(books, Content::Generated(Arc::new(Patterns::single(pattern.length()))), Read::All)
    }

    #[test]
    fn deliveries_are_entered_per_cursor_and_publisher() {
        let pattern = Arc::new(Pattern::new(64));
        let mut inbox = inbox(&pattern, true, 2);
        for cursor in 0..2 {
            for publisher in 0..2 {
                (0..3).for_each(|n| inbox.take(cursor, &payload(&pattern, publisher, n), || None));
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
        inbox.take(0, &damaged, || None);
        inbox.take(0, &payload(&pattern, 9, 0), || None);
        let tally = close(&inbox.books, &[1, 0]);
        assert_eq!((tally.corrupt, tally.lost()), (2, 1));
    }

    #[test]
    fn competing_cursors_add_up() {
        let pattern = Arc::new(Pattern::new(64));
        let mut inbox = inbox(&pattern, false, 2);
        for n in 0..10 {
            inbox.take(usize::from(n % 3 == 0), &payload(&pattern, 0, n), || None);
        }
        let tally = close(&inbox.books, &[10, 0]);
        assert_eq!((tally.received, tally.lost(), tally.duplicated), (10, 0, 0));
    }

    #[test]
    fn lines_are_checked_by_the_order_of_delivery() {
        let lines = Arc::new(Lines::new(b"first line\nsecond line\n".to_vec()).unwrap());
        let stamps = Arc::new(Stamps::new(16));
        (0..4).for_each(|n| stamps.put(n, 100 * n));
        let content = Content::Lines { lines: Arc::clone(&lines), stamps, referenced: false };
        let book = Book::new(0, true, &[0], &Keying::Unkeyed);
        let mut inbox = Inbox::new(vec![book], content, Read::All);
        (0..3).for_each(|n| inbox.take(0, lines.payload(n), || None));
        inbox.take(0, lines.payload(0), || None);
        inbox.settle(1_000);
        let tally = close(&inbox.books, &[5]);
        assert_eq!((tally.corrupt, tally.lost()), (1, 1));
    }

    #[test]
    fn with_keys_only_the_order_within_a_key_counts() {
        let pattern = Arc::new(Pattern::new(64));
        let content = Content::Generated(Arc::new(Patterns::single(64)));
        // The last sample ended at 5, in the middle of a round over three keys.
        let taken = |order: &[u64]| {
            let book = Book::new(0, true, &[5], &Keying::Dealt(3));
            let mut inbox = Inbox::new(vec![book], content.clone(), Read::All);
            order.iter().for_each(|&n| inbox.take(0, &payload(&pattern, 0, n), || None));
            close(&inbox.books, &[7])
        };
        let fine = taken(&[6, 5, 7, 9, 8, 11, 10]);
        assert_eq!((fine.accepted, fine.received, fine.reordered), (7, 7, 0));
        assert_eq!(taken(&[5, 6, 7, 11, 9, 10, 8]).reordered, 1, "8 and 11 have the same key");
        assert_eq!(taken(&[5, 6, 7, 8, 9, 11]).lost(), 1);
    }

    #[test]
    fn keyed_lines_are_known_by_their_order_within_the_key() {
        let mut lines =
            Lines::new(b"{\"k\":1,\"n\":1}\n{\"k\":2,\"n\":2}\n{\"k\":1,\"n\":3}\n".to_vec()).unwrap();
        lines.take_keys("k").unwrap();
        let lines = Arc::new(lines);
        let taken = |order: &[u64]| {
            let stamps = Arc::new(Stamps::new(16));
            let content = Content::Lines { lines: Arc::clone(&lines), stamps, referenced: false };
            let book = Book::new(0, true, &[0], &Keying::Lines(Arc::clone(&lines)));
            let mut inbox = Inbox::new(vec![book], content, Read::All);
            order.iter().for_each(|&n| inbox.take(0, lines.payload(n), || lines.key(n)));
            close(&inbox.books, &[6])
        };
        let fine = taken(&[0, 2, 1, 3, 4, 5]);
        assert_eq!((fine.received, fine.corrupt, fine.lost()), (6, 0, 0));
        assert_eq!(taken(&[2, 0, 1, 3, 4, 5]).corrupt, 2);
        assert_eq!(taken(&[0, 2, 1, 3, 5]).lost(), 1);
    }
}
