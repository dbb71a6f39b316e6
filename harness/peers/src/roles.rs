//! The loops that all contenders run through, and what a contender has to bring.
//!
//! A contender brings a `Sink` (its way to publish) and a `Source` (its way to read). `produce` and `consume`
//! are the only loops around them, compiled once for each contender so that no dynamic call falls on a
//! message. What is measured is therefore the contender's calls, the writing and reading of `payload`, and
//! these few lines.
//!
//! Contenders that insist on running the reader themselves (a managed thread, a dispatcher, a runtime) bring
//! a closure instead, which must count every delivery and say when the last one was made.

use hdrhistogram::Histogram;

use crate::clock::Ticker;
use crate::payload::{Message, Read, Tally};

/// What one sample asks of a contender.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Messages published, by all producers together: a multiple of `producers * batch`.
    pub(crate) messages: u64,
    pub(crate) producers: u64,
    pub(crate) receivers: usize,
    /// Messages that the contender may hold: a ring's slots, a channel's bound.
    pub(crate) capacity: usize,
    /// Messages published by one call; 1 stands for the contender's single publish.
    pub(crate) batch: usize,
    pub(crate) read: Read,
    /// Threads share a CPU: whoever waits must yield in the end.
    pub(crate) crowded: bool,
    /// The CPU for contenders that pin the reader themselves.
    pub(crate) reader_cpu: usize,
    pub(crate) ticker: Ticker,
}

impl Load {
    /// What each receiver must have read in the end.
    pub(crate) fn expected<T: Message>(&self) -> Tally {
        Tally { count: self.messages, sum: T::total(self.messages, self.read) }
    }

    /// A waiter that suits how many threads there are to a CPU.
    pub(crate) fn patience(&self) -> Patience {
        Patience { hints: 0, limit: if self.crowded { 64 } else { u32::MAX } }
    }
}

/// Spins; when threads share a CPU, yields after a while.
#[derive(Debug)]
pub(crate) struct Patience {
    hints: u32,
    limit: u32,
}

impl Patience {
    /// One step of waiting.
    #[inline]
    pub(crate) fn wait(&mut self) {
        if self.hints < self.limit {
            self.hints += 1;
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }

    /// There was something to do: the next wait starts afresh.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.hints = 0;
    }
}

/// A contender's publishing side.
pub(crate) trait Sink: Send + 'static {
    /// Publishes message `seq`, waiting for room.
    fn send(&mut self, seq: u64);

    /// Publishes messages `first..first + count` by whatever the contender has for batches.
    fn send_batch(&mut self, first: u64, count: usize) {
        (first..first + count as u64).for_each(|seq| self.send(seq));
    }
}

/// A contender's reading side, for as many receivers as one thread serves.
pub(crate) trait Source: Send + Sized + 'static {
    /// Reads what is ready at every receiver; answers how many deliveries that made. May block for the first.
    fn turn(&mut self) -> u64;

    /// What each receiver has read.
    fn tallies(self) -> Vec<Tally>;
}

/// Where a role's thread belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The `n`-th producer: CPUs are dealt from the first on. Its start starts the clock.
    Producer(usize),
    /// The `n`-th consumer: CPUs are dealt from the first that no producer has on, or from the second on where there is none. The
    /// last one's end stops the clock.
    Consumer(usize),
    /// A consumer that the scheduler may place.
    Anywhere,
}

impl Place {
    pub(crate) fn is_producer(self) -> bool {
        matches!(self, Self::Producer(_))
    }
}

/// What a role leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// When a consumer made its last delivery.
    pub(crate) ended: Option<u64>,
    pub(crate) tallies: Vec<Tally>,
    /// Only from consumers of a paced load.
    pub(crate) latencies: Option<Histogram<u64>>,
}

/// A thread's work.
pub(crate) type Work = Box<dyn FnOnce() -> Done + Send>;

/// One thread of a sample.
pub(crate) struct Role {
    pub(crate) place: Place,
    /// What it does before all are released together, if anything.
    pub(crate) warm_up: Option<Box<dyn FnOnce() + Send>>,
    pub(crate) work: Work,
}

/// The threads of one sample, and what their readers must find.
pub(crate) struct Roles {
    pub(crate) threads: Vec<Role>,
    pub(crate) expected: Tally,
}

impl Roles {
    /// No thread yet; every receiver is to read all messages as `T`s.
    pub(crate) fn of<T: Message>(load: &Load) -> Self {
        Self { threads: Vec::new(), expected: load.expected::<T>() }
    }

    /// One producer of `load.producers`; each is given an equal share of the sequences.
    pub(crate) fn producer(self, load: &Load, sink: impl Sink) -> Self {
        let index = self.producers() as u64;
        let share = load.messages / load.producers;
        let (range, batch) = (index * share..(index + 1) * share, load.batch);
        self.publisher(move || produce(sink, range, batch))
    }

    /// A producer with a loop of its own.
    pub(crate) fn publisher(mut self, work: impl FnOnce() + Send + 'static) -> Self {
        let work = move || {
            work();
            Done::default()
        };
        let place = Place::Producer(self.producers());
        self.threads.push(Role { place, warm_up: None, work: Box::new(work) });
        self
    }

    /// What the thread that was added last does before the sample.
    pub(crate) fn after(mut self, warm_up: impl FnOnce() + Send + 'static) -> Self {
        if let Some(role) = self.threads.last_mut() {
            role.warm_up = Some(Box::new(warm_up));
        }
        self
    }

    /// A thread that reads for `receivers` receivers until each has had everything.
    pub(crate) fn consumer(self, load: &Load, receivers: usize, source: impl Source) -> Self {
        let deliveries = load.messages * receivers as u64;
        let (patience, ticker) = (load.patience(), load.ticker.clone());
        let place = Place::Consumer(self.threads.len() - self.producers());
        self.reader(place, move || consume(source, deliveries, patience, &ticker))
    }

    /// A consumer with a loop of its own.
    pub(crate) fn reader(mut self, place: Place, work: impl FnOnce() -> Done + Send + 'static) -> Self {
        self.threads.push(Role { place, warm_up: None, work: Box::new(work) });
        self
    }

    fn producers(&self) -> usize {
        self.threads.iter().filter(|role| role.place.is_producer()).count()
    }
}

fn produce(mut sink: impl Sink, range: std::ops::Range<u64>, batch: usize) {
    if batch == 1 {
        for seq in range {
            sink.send(seq);
        }
    } else {
        for first in range.step_by(batch) {
            sink.send_batch(first, batch);
        }
    }
}

fn consume(mut source: impl Source, deliveries: u64, mut patience: Patience, ticker: &Ticker) -> Done {
    let mut left = deliveries;
    while left > 0 {
        let made = source.turn();
        if made == 0 {
            patience.wait();
        } else {
            patience.reset();
            // Too many are found by the tallies.
            left = left.saturating_sub(made);
        }
    }
    Done { ended: Some(ticker.now()), tallies: source.tallies(), latencies: None }
}
