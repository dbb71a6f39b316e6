//! A herd: every publisher waits at one barrier, is released with all the others, and publishes one message.
//!
//! As threads, each publisher is one, and the system decides who runs. As tasks, they share an executor with a
//! thread per CPU and publish without blocking it. A message is due at the moment of the release, so that its
//! latency contains the time its publisher waited for a CPU. The same herd also only counts, which is the *floor*:
//! what releasing so many costs when there is nothing to do.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use futures_executor::ThreadPool;

use super::{Herd, Published, Stage};
use crate::clock::{Clock, TscClock};
use crate::driver::{Manner, Single};
use crate::fault::Fault;
use crate::noise::Gaps;
use crate::num;
use crate::pin;
use crate::shared::Gauge;

/// A publisher of a herd has no deep calls; a thousand default stacks would be 8 GB of address space.
const STACK: usize = 128 << 10;

/// Releases the publishers of a seat.
pub(super) fn release(
    stage: &Stage<'_>,
    publishers: &[usize],
    herd: Herd,
    manner: Manner<'_>,
) -> Result<Published, Fault> {
    let singles: Vec<Single> = publishers
        .iter()
        .map(|&publisher| Single::new(stage.session, publisher, stage.bases[publisher], manner))
        .collect::<Result<_, _>>()?;
    let (began, outcomes) = match herd {
        Herd::Threads => {
            let publish = |index: usize, released| singles[index].publish(released);
            threads(stage.clock, singles.len(), publish)?
        }
        Herd::Tasks => {
            let singles = Arc::new(singles);
            tasks(stage.clock, singles.len(), move |index, released| {
                let singles = Arc::clone(&singles);
                async move { singles[index].publish_async(released).await }
            })?
        }
    };
    let mut published = Published {
        lanes: Vec::new(),
        unsent: 0,
        began,
        ended: None,
        gaps: Gaps::default(),
        calls: None,
        refusals: Vec::new(),
    };
    for (&publisher, outcome) in publishers.iter().zip(outcomes) {
        published.lanes.push((publisher, u64::from(outcome.is_ok())));
        match outcome {
            Ok(ended) => published.ended = published.ended.max(Some(ended)),
            Err(fault) => {
                published.unsent += 1;
                published.refusals.push(fault.to_string());
            }
        }
    }
    Ok(published)
}

/// How long the same herd takes, in nanoseconds, when each publisher only adds one to a counter.
pub(crate) fn floor(clock: &TscClock, herd: Herd, publishers: usize) -> Result<u64, Fault> {
    let counter = Arc::new(Gauge::default());
    let count = |counter: &Gauge| {
        counter.add_one();
        Ok(())
    };
    let (began, outcomes) = match herd {
        Herd::Threads => threads(clock, publishers, |_, _| count(&counter))?,
        Herd::Tasks => {
            let counter = Arc::clone(&counter);
            tasks(clock, publishers, move |_, _| {
                let counter = Arc::clone(&counter);
                async move { count(&counter) }
            })?
        }
    };
    let ended = outcomes.into_iter().collect::<Result<Vec<u64>, _>>()?.into_iter().max().unwrap_or(began);
    if counter.get() != num::count(publishers) {
        return Err(Fault::new(format!("{publishers} publishers counted to {}", counter.get())));
    }
    Ok(ended - began)
}

/// When they were released, and when each was done, or why not.
type Outcomes = (u64, Vec<Result<u64, Fault>>);

/// A thread for each of `count`.
fn threads(
    clock: &TscClock,
    count: usize,
    work: impl Fn(usize, u64) -> Result<(), Fault> + Sync,
) -> Result<Outcomes, Fault> {
    let barrier = Barrier::default();
    thread::scope(|scope| {
        let mut herd = Vec::with_capacity(count);
        for index in 0..count {
            let (barrier, work) = (&barrier, &work);
            let publisher = move || match barrier.wait() {
                Some(released) => work(index, released).map(|()| clock.now()),
                None => Err(Fault::new("the herd was called off")),
            };
            match thread::Builder::new().stack_size(STACK).spawn_scoped(scope, publisher) {
                Ok(thread) => herd.push(thread),
                Err(error) => {
                    barrier.release(None);
                    return Err(Fault::new(format!("the system gave {index} of {count} threads: {error}")));
                }
            }
        }
        while barrier.waiting() < count {
            thread::yield_now();
        }
        let began = clock.now();
        barrier.release(Some(began));
        let join = |thread: thread::ScopedJoinHandle<'_, Result<u64, Fault>>| {
            thread.join().unwrap_or_else(|_| Err(Fault::new("a publisher panicked")))
        };
        Ok((began, herd.into_iter().map(join).collect()))
    })
}

/// A barrier for threads, which can also be called off.
#[derive(Debug, Default)]
struct Barrier {
    /// How many wait; and, once they are released, the moment, or that it is off.
    state: Mutex<(usize, Option<Option<u64>>)>,
    released: Condvar,
}

impl Barrier {
    fn state(&self) -> MutexGuard<'_, (usize, Option<Option<u64>>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) -> Option<u64> {
        let mut state = self.state();
        state.0 += 1;
        loop {
            if let Some(released) = state.1 {
                return released;
            }
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn waiting(&self) -> usize {
        self.state().0
    }

    fn release(&self, moment: Option<u64>) {
        self.state().1 = Some(moment);
        self.released.notify_all();
    }
}

/// A task for each of `count`, on an executor with a thread per CPU.
fn tasks<F>(
    clock: &TscClock,
    count: usize,
    work: impl Fn(usize, u64) -> F + Send + Sync + 'static,
) -> Result<Outcomes, Fault>
where
    F: Future<Output = Result<(), Fault>> + Send,
{
    let refused = |error| Fault::new(format!("no executor: {error}"));
    let pool = ThreadPool::builder().pool_size(pin::available().len().max(1)).create().map_err(refused)?;
    let gate = Arc::new(Gate::default());
    let work = Arc::new(work);
    let (submit, outcomes) = mpsc::channel();
    for index in 0..count {
        let (gate, work, submit, clock) =
            (Arc::clone(&gate), Arc::clone(&work), submit.clone(), clock.clone());
        pool.spawn_ok(async move {
            let released = gate.pass().await;
            // The receiver is there until every outcome has come.
            let outcome = work(index, released).await.map(|()| clock.now());
            submit.send((index, outcome)).unwrap_or(());
        });
    }
    drop(submit);
    while gate.waiting() < count {
        thread::yield_now();
    }
    let began = clock.now();
    gate.open(began);
    let mut all: Vec<Result<u64, Fault>> =
        (0..count).map(|_| Err(Fault::new("a publisher's task panicked"))).collect();
    for (index, outcome) in outcomes {
        all[index] = outcome;
    }
    Ok((began, all))
}

/// A barrier for tasks: they wait until it is opened.
#[derive(Debug, Default)]
struct Gate(Mutex<Doorway>);

#[derive(Debug, Default)]
struct Doorway {
    opened: Option<u64>,
    waiting: Vec<Waker>,
}

impl Gate {
    fn doorway(&self) -> MutexGuard<'_, Doorway> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; resolves to the moment of the opening.
    fn pass(&self) -> impl Future<Output = u64> {
        std::future::poll_fn(|context| {
            let mut doorway = self.doorway();
            match doorway.opened {
                Some(moment) => Poll::Ready(moment),
                None => {
                    doorway.waiting.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    fn waiting(&self) -> usize {
        self.doorway().waiting.len()
    }

    fn open(&self, moment: u64) {
        let waiting = {
            let mut doorway = self.doorway();
            doorway.opened = Some(moment);
            std::mem::take(&mut doorway.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_publisher_of_a_herd_is_released_once() {
        let clock = TscClock::new();
        for herd in [Herd::Threads, Herd::Tasks] {
            assert!(floor(&clock, herd, 50).unwrap() > 0, "{herd:?}");
        }
    }

    #[test]
    fn what_one_publisher_fails_at_is_told_and_the_others_go_on() {
        let clock = TscClock::new();
        let work = |index: usize| if index == 3 { Err(Fault::new("no")) } else { Ok(()) };
        let (_, outcomes) = threads(&clock, 8, |index, _| work(index)).unwrap();
        let failed: Vec<usize> = (0..8).filter(|&index| outcomes[index].is_err()).collect();
        assert_eq!(failed, [3]);
        let (_, outcomes) = tasks(&clock, 8, move |index, _| async move { work(index) }).unwrap();
        assert!(outcomes[3].is_err() && outcomes.iter().filter(|outcome| outcome.is_ok()).count() == 7);
    }
}
