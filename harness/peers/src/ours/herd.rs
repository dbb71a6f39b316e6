//! A herd: 1,000 publishers, released together, publish one message each; as threads, and as tasks on a runtime
//! with a worker on each CPU.
//!
//! The same herd also only counts. That is the floor: what releasing so many costs when there is nothing to do.
//! Time is from the release to the moment when the last of them is done; who is late to the gate is waited for.
//! The subscription is read afterwards, and must have everything: a reader of its own would take a CPU from the
//! herd.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Barrier, Mutex};

use bytes::Bytes;
use ringmain::{
    Dispatcher, Engine, Message, Publisher, Subscription, SubscriptionConfig, TopicConfig, Verdict,
};

use crate::measure::Bench;
use crate::payload::{Message as _, Read, Tally, fill};
use crate::series::median;

const MEMBERS: usize = 1_000;
const HERD: u64 = MEMBERS as u64;
/// A publisher has no deep calls.
const STACK: usize = 128 << 10;
/// Releases of a herd of tasks in one sample; one takes half a millisecond. Of threads, one is long enough.
const RELEASES: usize = 15;

/// A topic with a subscription, and a publisher for each of the herd.
struct Stage {
    _engine: Engine,
    subscription: Subscription,
    publishers: Vec<Publisher>,
}

impl Stage {
    fn new() -> Result<Self, String> {
        let engine = Engine::new();
        let topic =
            engine.create_topic("topic", TopicConfig::default()).map_err(|error| error.to_string())?;
        let subscription = topic.create_subscription("subscription", SubscriptionConfig::default());
        let publishers = (0..HERD).map(|_| topic.publisher()).collect();
        let subscription = subscription.map_err(|error| error.to_string())?;
        Ok(Self { _engine: engine, subscription, publishers })
    }

    /// Reads what was published; each sequence once.
    fn check(&self) -> Result<(), String> {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let shared = tally.clone();
        Dispatcher::new()
            .add(&self.subscription, move |message| {
                let word = message.data().first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
                shared.lock().expect("nobody panics with it").add(word);
                Verdict::Ack
            })
            .run_until_idle();
        let tally = *tally.lock().map_err(|_| "a handler panicked")?;
        check(tally)
    }
}

fn check(tally: Tally) -> Result<(), String> {
    let expected = Tally { count: HERD, sum: u64::total(HERD, Read::Every) };
    if tally == expected {
        return Ok(());
    }
    Err(format!("{tally:?} is there and should be {expected:?}; messages were lost"))
}

/// What the floor does instead of publishing.
#[derive(Debug, Default)]
struct Counter(AtomicU64, AtomicU64);

impl Counter {
    fn add(&self, seq: u64) {
        self.0.fetch_add(1, Relaxed);
        self.1.fetch_add(seq, Relaxed);
    }

    fn check(&self) -> Result<(), String> {
        check(Tally { count: self.0.load(Relaxed), sum: self.1.load(Relaxed) })
    }
}

/// Threads that publish, each by a publisher of its own.
pub(crate) fn threads_publishing(bench: &Bench) -> Result<f64, String> {
    let stage = Stage::new()?;
    let nanos = threads(bench, |seq| {
        let publisher = &stage.publishers[usize::try_from(seq).expect("a herd has 1,000 members")];
        assert!(publisher.publish_with(8, |buffer| fill(buffer, seq)).is_ok(), "nobody closes the engine");
    })?;
    stage.check()?;
    Ok(nanos as f64 / 1e3)
}

/// Threads that count.
pub(crate) fn threads_counting(bench: &Bench) -> Result<f64, String> {
    let counter = Counter::default();
    let nanos = threads(bench, |seq| counter.add(seq))?;
    counter.check()?;
    Ok(nanos as f64 / 1e3)
}

/// Releases a thread for each member; nanoseconds until the last is done.
fn threads(bench: &Bench, work: impl Fn(u64) + Sync) -> Result<u64, String> {
    let (gate, ticker) = (Barrier::new(MEMBERS + 1), &bench.ticker);
    std::thread::scope(|scope| {
        let mut herd = Vec::new();
        for seq in 0..HERD {
            let (gate, work) = (&gate, &work);
            let member = move || {
                gate.wait();
                work(seq);
                ticker.now()
            };
            let started = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, member);
            // Those who wait at the gate already would wait for ever.
            herd.push(started.expect("the system gives a process 1,000 threads"));
        }
        let arrived = ticker.now();
        // The last to arrive opens the gate; all the others are asleep at it by now.
        while ticker.nanos(arrived, ticker.now()) < 2_000_000 {
            std::thread::yield_now();
        }
        let released = ticker.now();
        gate.wait();
        let ended =
            herd.into_iter().map(|member| member.join().map_err(|_| "a publisher panicked".to_owned()));
        let ended = ended.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(released);
        Ok(ticker.nanos(released, ended))
    })
}

/// Tasks that publish, each by a publisher of its own.
pub(crate) fn tasks_publishing(bench: &Bench) -> Result<f64, String> {
    tasks_publishing_by(bench, |seq| usize::try_from(seq).expect("a herd has 1,000 members"))
}

/// Tasks that publish, all by one publisher.
pub(crate) fn tasks_sharing(bench: &Bench) -> Result<f64, String> {
    tasks_publishing_by(bench, |_| 0)
}

/// Tasks that publish what they write, all by one publisher, without a future or a `Bytes` of their own.
pub(crate) fn tasks_writing(bench: &Bench) -> Result<f64, String> {
    let stage = Arc::new(Stage::new()?);
    let of_herd = stage.clone();
    let work = move |seq: u64| {
        let stage = of_herd.clone();
        async move {
            let published = stage.publishers[0].publish_with(8, |buffer| fill(buffer, seq));
            assert!(published.is_ok(), "nobody closes the engine");
        }
    };
    tasks(bench, work, || stage.check())
}

fn tasks_publishing_by(bench: &Bench, publisher: fn(u64) -> usize) -> Result<f64, String> {
    let stage = Arc::new(Stage::new()?);
    let of_herd = stage.clone();
    let work = move |seq: u64| {
        let stage = of_herd.clone();
        async move {
            let message = Message::new(Bytes::copy_from_slice(&seq.to_le_bytes()));
            let publisher = &stage.publishers[publisher(seq)];
            assert!(publisher.publish_async(message).await.is_ok(), "nobody closes the engine");
        }
    };
    tasks(bench, work, || stage.check())
}

/// Tasks that count.
pub(crate) fn tasks_counting(bench: &Bench) -> Result<f64, String> {
    let counter = Arc::new(Mutex::new(Arc::new(Counter::default())));
    let current = |counter: &Mutex<Arc<Counter>>| counter.lock().expect("nobody panics with it").clone();
    let of_herd = counter.clone();
    let work = move |seq: u64| {
        let counter = current(&of_herd);
        async move { counter.add(seq) }
    };
    tasks(bench, work, || std::mem::take(&mut *counter.lock().expect("nobody panics with it")).check())
}

/// Releases a task for each member, several times over; the median of the times until the last is done, in
/// microseconds.
fn tasks<F: Future<Output = ()> + Send + 'static>(
    bench: &Bench,
    work: impl Fn(u64) -> F,
    check: impl Fn() -> Result<(), String>,
) -> Result<f64, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(bench.cpus.len()).build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let mut times = Vec::new();
    for _ in 0..RELEASES {
        let gate = Arc::new(tokio::sync::Barrier::new(MEMBERS + 1));
        let arrived = Arc::new(AtomicU64::new(0));
        let member = |seq| {
            let (gate, arrived, ticker, work) =
                (gate.clone(), arrived.clone(), bench.ticker.clone(), work(seq));
            runtime.spawn(async move {
                arrived.fetch_add(1, Relaxed);
                gate.wait().await;
                work.await;
                ticker.now()
            })
        };
        let herd: Vec<_> = (0..HERD).map(member).collect();
        while arrived.load(Relaxed) < HERD {
            std::thread::yield_now();
        }
        let (released, ended) = runtime.block_on(async {
            let released = bench.ticker.now();
            gate.wait().await;
            let mut last = released;
            for member in herd {
                last = last.max(member.await.map_err(|_| "a publisher's task panicked")?);
            }
            Ok::<_, String>((released, last))
        })?;
        check()?;
        times.push(bench.ticker.nanos(released, ended) as f64 / 1e3);
    }
    Ok(median(&times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_missing_is_noticed() {
        let stage = Stage::new().unwrap();
        for seq in 1..HERD {
            stage.publishers[0].publish_with(8, |buffer| fill(buffer, seq)).unwrap();
        }
        assert!(stage.check().unwrap_err().contains("messages were lost"));
    }

    #[test]
    fn a_whole_herd_adds_up() {
        let stage = Stage::new().unwrap();
        for seq in 0..HERD {
            stage.publishers[1].publish_with(8, |buffer| fill(buffer, seq)).unwrap();
        }
        stage.check().unwrap();
    }
}
