//! `disruptor` 4.4: its publish and batch publish, read by a managed thread or through its event-poller API.
//!
//! A poller takes all that is ready, or a number of events at most: a whole ring at once frees nothing until its end, and of
//! many pollers on one thread the last one finds the first events out of cache.
//!
//! Alone on their CPUs, producers use the blocking calls, which spin without a hint. Several producers on two
//! CPUs would burn whole time slices in those, so they use the `try_` calls, with the same patience as
//! everyone's.

use std::marker::PhantomData;
use std::sync::mpsc;
use std::time::Duration;

use disruptor::{
    BusySpin, EventPoller, MultiProducerBarrier, ProcessorSettings, Producer, SingleProducerBarrier, Sleep,
    build_multi_producer, build_single_producer,
};

use crate::payload::{Message, Read, Tally};
use crate::roles::{Done, Load, Patience, Place, Roles, Sink, Source};

/// A producer that waits inside `disruptor`.
struct Blocking<T, P>(P, PhantomData<fn(T)>);

impl<T: Message, P: Producer<T> + Send + 'static> Sink for Blocking<T, P> {
    #[inline]
    fn send(&mut self, seq: u64) {
        self.0.publish(|slot| slot.set(seq));
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) {
        self.0.batch_publish(count, |slots| slots.zip(first..).for_each(|(slot, seq)| slot.set(seq)));
    }
}

/// A producer that waits with our patience.
struct Patient<T, P>(P, Patience, PhantomData<fn(T)>);

impl<T: Message, P: Producer<T> + Send + 'static> Sink for Patient<T, P> {
    #[inline]
    fn send(&mut self, seq: u64) {
        while self.0.try_publish(|slot| slot.set(seq)).is_err() {
            self.1.wait();
        }
        self.1.reset();
    }

    #[inline]
    fn send_batch(&mut self, first: u64, count: usize) {
        let write = |slot: &mut T, seq| slot.set(seq);
        while self
            .0
            .try_batch_publish(count, |slots| slots.zip(first..).for_each(|(s, seq)| write(s, seq)))
            .is_err()
        {
            self.1.wait();
        }
        self.1.reset();
    }
}

/// `EventPoller`'s `take`, whose bound on the barrier cannot be named outside `disruptor`.
trait Poll: Send + 'static {
    /// At most `limit` events. (`poll` is this with [`ALL`].)
    fn poll_into(&mut self, tally: &mut Tally, read: Read, limit: u64) -> u64;
}

/// All events that are ready.
pub(crate) const ALL: u64 = u64::MAX;

macro_rules! poll_with {
    ($barrier:ty) => {
        impl<T: Message> Poll for EventPoller<T, $barrier> {
            #[inline]
            fn poll_into(&mut self, tally: &mut Tally, read: Read, limit: u64) -> u64 {
                // Added up in registers, as ours is.
                let mut sum = *tally;
                if let Ok(mut events) = self.take(limit) {
                    for event in &mut events {
                        sum.add(event.read(read));
                    }
                }
                let count = sum.count - tally.count;
                *tally = sum;
                count
            }
        }
    };
}

poll_with!(SingleProducerBarrier);
poll_with!(MultiProducerBarrier);

/// Any number of pollers, polled in turn by one thread.
struct In<P> {
    pollers: Vec<(P, Tally)>,
    read: Read,
    limit: u64,
}

impl<P: Poll> Source for In<P> {
    #[inline]
    fn turn(&mut self) -> u64 {
        let poll = |(poller, tally): &mut (P, Tally)| poller.poll_into(tally, self.read, self.limit);
        self.pollers.iter_mut().map(poll).sum()
    }

    fn tallies(self) -> Vec<Tally> {
        self.pollers.iter().map(|(_, tally)| *tally).collect()
    }
}

/// What a managed thread calls: counts, and says when it has read everything.
fn counting<T: Message>(
    load: &Load,
    finished: mpsc::Sender<(u64, Tally)>,
) -> impl FnMut(&T, i64, bool) + use<T> {
    let (read, messages, ticker) = (load.read, load.messages, load.ticker.clone());
    let mut tally = Tally::default();
    move |event: &T, _, _| {
        tally.add(event.read(read));
        if tally.count == messages {
            // The receiver is only gone once the sample has failed for another reason.
            finished.send((ticker.now(), tally)).ok();
        }
    }
}

/// What the managed threads have said, once all have.
fn managed_done(outcome: &mpsc::Receiver<(u64, Tally)>, receivers: usize) -> Done {
    let mut done = Done::default();
    for (ended, tally) in outcome.iter().take(receivers) {
        done.ended = done.ended.max(Some(ended));
        done.tallies.push(tally);
    }
    done
}

/// One producer; the reader is a thread of `disruptor`'s that calls a closure.
pub(crate) fn managed<T: Message>(load: &Load) -> Roles {
    let (finished, outcome) = mpsc::channel();
    let producer = build_single_producer(load.capacity, || T::new(0), BusySpin)
        .pin_at_core(load.reader_cpu)
        .handle_events_with(counting(load, finished))
        .build();
    Roles::of::<T>(load)
        .producer(load, Blocking(producer, PhantomData))
        .reader(Place::Anywhere, move || managed_done(&outcome, 1))
}

/// One producer; a thread of `disruptor`'s for each receiver, which sleeps when there is nothing to read: as many
/// that spin would keep each other from two CPUs.
pub(crate) fn threads<T: Message>(load: &Load) -> Roles {
    let (finished, outcome) = mpsc::channel();
    let sleep = Sleep::new(Duration::from_micros(1));
    let mut builder = build_single_producer(load.capacity, || T::new(0), sleep).with_multi_consumer();
    for _ in 0..load.receivers {
        builder = builder.handle_events_with(counting(load, finished.clone()));
    }
    let (producer, receivers) = (builder.build(), load.receivers);
    // More threads than CPUs, though there is one producer: it must not keep a CPU from those it waits for.
    let crowded = Load { crowded: true, ..load.clone() };
    Roles::of::<T>(load)
        .producer(load, Patient(producer, crowded.patience(), PhantomData))
        .reader(Place::Anywhere, move || managed_done(&outcome, receivers))
}

/// One producer; one thread polls for one receiver, at most `limit` events at once.
pub(crate) fn poller<T: Message>(load: &Load, limit: u64) -> Roles {
    let builder = build_single_producer(load.capacity, || T::new(0), BusySpin);
    let (poller, builder) = builder.new_event_poller();
    let source = In { pollers: vec![(poller, Tally::default())], read: load.read, limit };
    Roles::of::<T>(load).producer(load, Blocking(builder.build(), PhantomData)).consumer(load, 1, source)
}

/// One producer; one thread polls for all receivers, at most `limit` events at once for each.
pub(crate) fn fan_out<T: Message>(load: &Load, limit: u64) -> Roles {
    let mut builder = build_single_producer(load.capacity, || T::new(0), BusySpin).with_multi_consumer();
    let mut pollers = Vec::new();
    for _ in 0..load.receivers {
        let (poller, next) = builder.new_event_poller();
        pollers.push((poller, Tally::default()));
        builder = next;
    }
    let source = In { pollers, read: load.read, limit };
    let sink = Blocking(builder.build(), PhantomData);
    Roles::of::<T>(load).producer(load, sink).consumer(load, load.receivers, source)
}

/// Several producers; one thread polls for one receiver, at most `limit` events at once.
pub(crate) fn many_producers<T: Message>(load: &Load, limit: u64) -> Roles {
    let builder = build_multi_producer(load.capacity, || T::new(0), BusySpin);
    let (poller, builder) = builder.new_event_poller();
    let producer = builder.build();
    let source = In { pollers: vec![(poller, Tally::default())], read: load.read, limit };
    let mut roles = Roles::of::<T>(load);
    for _ in 0..load.producers {
        roles = roles.producer(load, Patient(producer.clone(), load.patience(), PhantomData));
    }
    roles.consumer(load, 1, source)
}
