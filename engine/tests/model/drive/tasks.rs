//! Tasks: who publishes, receives, or waits for a receipt without a thread, and is polled by hand.
//!
//! A task has a waker that remembers whether it was called. Polled without having been woken, a task finds nothing that it
//! could not have found when it was polled last: if it does, a wake-up was lost. What time brings about, or room in a
//! dead-letter topic, nobody is told of before the engine is; so the engine is told first.

use super::letters::LetterShape;
use super::world::{World, pick};
use crate::model::letter::Letter;
use crate::model::{Check, Fits};
use futures_core::Stream;
use ringmain::{DeliveryStream, Message, MessageId, PublishError, RecvError};
use ringmain_ring::sync::{AtomicBool, Ordering};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Whether a task was woken since it was polled last.
pub(super) struct Alarm {
    bell: Arc<Bell>,
    waker: Waker,
    /// Whether the last poll left it waiting.
    waits: bool,
}

#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Default for Alarm {
    fn default() -> Self {
        let bell = Arc::new(Bell::default());
        Self { waker: Waker::from(Arc::clone(&bell)), bell, waits: false }
    }
}

impl Alarm {
    /// Whether there is a reason to poll.
    fn is_due(&self) -> bool {
        !self.waits || self.bell.0.load(Ordering::Relaxed)
    }

    /// Polls. Says, too, whether the task had to be woken for what it found, and was not.
    pub(super) fn poll<R>(&mut self, poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> (Poll<R>, bool) {
        let due = self.is_due();
        self.bell.0.store(false, Ordering::Relaxed);
        let polled = poll(&mut Context::from_waker(&self.waker));
        self.waits = polled.is_pending();
        let overslept = polled.is_ready() && !due;
        (polled, overslept)
    }
}

pub(super) struct Task {
    alarm: Alarm,
    work: Work,
}

enum Work {
    Publish(Publishing),
    Receive { sub: usize, stream: DeliveryStream },
}

type Outcome = Result<MessageId, PublishError<Message>>;

pub(super) struct Publishing {
    topic: usize,
    /// The publisher's number.
    publisher: u64,
    shard: usize,
    letter: Rc<Letter>,
    future: Pin<Box<dyn Future<Output = Outcome>>>,
    limit: Option<usize>,
    /// What is outstanding of its publisher, and waits.
    stats: Box<dyn Fn() -> ringmain::PublisherStats>,
    resume: Box<dyn Fn(&str)>,
}

impl World {
    pub(super) fn start_publish(&mut self, topic: u8, publisher: u8, shape: &LetterShape) -> Check {
        let Some((topic, publisher)) = self.publisher(topic, publisher) else { return Ok(()) };
        if self.tasks.len() >= 8 {
            return Ok(());
        }
        let letter = Rc::new(shape.letter(self.number(), self.model.now));
        let shard = self.shard_of(topic, publisher, letter.key.as_deref());
        let handle = &self.topics[topic].publishers[publisher];
        let message = letter.message(&self.payloads);
        let shared = || Arc::clone(&handle.publisher);
        let (owner, stats, keys) = (shared(), shared(), shared());
        let publishing = Publishing {
            topic,
            publisher: handle.number,
            shard,
            letter,
            limit: handle.limit,
            future: Box::pin(async move { owner.publish_async(message).await }),
            stats: Box::new(move || stats.stats()),
            resume: Box::new(move |key| _ = keys.resume_publishing(key)),
        };
        self.tasks.push(Task { alarm: Alarm::default(), work: Work::Publish(publishing) });
        self.poll_one(self.tasks.len() - 1)
    }

    pub(super) fn open_stream(&mut self, sub: u8) -> Check {
        let Some(sub) = pick(sub, self.subs.len()) else { return Ok(()) };
        if self.tasks.len() < 8 {
            let stream = self.subs[sub].subscription.stream();
            self.tasks.push(Task { alarm: Alarm::default(), work: Work::Receive { sub, stream } });
        }
        Ok(())
    }

    pub(super) fn poll_task(&mut self, which: u8) -> Check {
        pick(which, self.tasks.len()).map_or(Ok(()), |index| self.poll_one(index))
    }

    /// Polls all tasks, or all that were woken.
    pub(super) fn run_tasks(&mut self, all: bool) -> Check {
        for index in (0..self.tasks.len()).rev() {
            // (One that is done is replaced by the last, which was polled.)
            if all || self.tasks[index].alarm.is_due() {
                self.poll_one(index)?;
            }
        }
        Ok(())
    }

    pub(super) fn drop_task(&mut self, which: u8) -> Check {
        if let Some(index) = pick(which, self.tasks.len()) {
            drop(self.tasks.swap_remove(index));
        }
        Ok(())
    }

    fn poll_one(&mut self, index: usize) -> Check {
        match &self.tasks[index].work {
            Work::Publish(_) => self.poll_publish(index),
            Work::Receive { sub, .. } => self.poll_stream(index, *sub),
        }
    }

    fn poll_publish(&mut self, index: usize) -> Check {
        let Task { alarm, work: Work::Publish(task) } = &mut self.tasks[index] else { return Ok(()) };
        let Publishing { topic, publisher, shard, ref letter, .. } = *task;
        let letter = Rc::clone(letter);
        letter.key.iter().for_each(|key| (task.resume)(key));
        let closed = self.model.topics[topic].closed;
        let staged = self.model.topics[topic].staged_by(publisher, shard);
        let fits = self.model.fits(topic, shard, staged + 1);
        let before = (task.stats)();
        let used_up = |limit| before.outstanding_messages >= limit as u64 || before.waiting > 0;
        let used_up = task.limit.is_some_and(used_up);
        let future = &mut task.future;
        let (polled, overslept) = self.payloads.armed(|| alarm.poll(|context| future.as_mut().poll(context)));
        let no_credit = (task.stats)().waiting > 0;
        let polled = polled.map_err(|error| (format!("{error:?}"), error));
        self.trace.note(format_args!("\n       -> {} {polled:?}", letter.number()));
        let outcome = match polled {
            Poll::Pending => {
                let may_wait = !closed && (fits != Fits::Yes || no_credit);
                ensure!(may_wait, "message {} is not published, and there is room", letter.number());
                return self.fetch(topic, Some(publisher), Vec::new());
            }
            Poll::Ready(outcome) => outcome,
        };
        drop(self.tasks.swap_remove(index));
        ensure!(!overslept, "who publishes message {} was not woken: {fits:?}", letter.number());
        match outcome {
            Ok(id) => {
                ensure!(fits != Fits::No, "published, though a ring behind");
                let letter = self.published_now(&letter);
                self.fetch(topic, Some(publisher), vec![(id.get(), letter)])
            }
            Err((_, PublishError::Closed(back))) => {
                ensure!(closed, "closed, though it is not");
                ensure!(*back.data() == *letter.data, "another message came back");
                Ok(())
            }
            Err((_, PublishError::LimitExceeded(back))) => {
                ensure!(used_up && !closed, "refused, and there is credit, or none ever: {before:?}");
                ensure!(*back.data() == *letter.data, "another message came back");
                Ok(())
            }
            Err((what, _)) => Err(format!("unexpected: {what}")),
        }
    }

    fn poll_stream(&mut self, index: usize, sub: usize) -> Check {
        let untold = self.ticked != Some(self.model.now) || !self.model.subs[sub].buried.is_empty();
        if untold && !self.tasks[index].alarm.is_due() {
            self.tick()?;
        }
        let Task { alarm, work: Work::Receive { stream, .. } } = &mut self.tasks[index] else {
            return Ok(());
        };
        let (polled, overslept) =
            self.payloads.armed(|| alarm.poll(|context| Pin::new(stream).poll_next(context)));
        let model = &self.model.subs[sub];
        self.trace.note(format_args!("\n       -> {} {polled:?}", model.name));
        ensure!(!overslept, "who receives from {} was not woken for {polled:?}", model.name);
        match polled {
            Poll::Pending => {
                // It looked, and once more when it had lain down.
                self.received(sub, 1, Ok(Vec::new()))?;
                if self.model.subs[sub].shut { Ok(()) } else { self.received(sub, 1, Ok(Vec::new())) }
            }
            Poll::Ready(Some(received)) => self.received(sub, 1, received.map(|one| vec![one])),
            Poll::Ready(None) => {
                drop(self.tasks.swap_remove(index));
                let doomed = model.may_be_doomed();
                let detached = if model.shut {
                    model.by_close == Some(false)
                } else {
                    doomed && !self.model.is_ended(sub)
                };
                self.received(sub, 1, Err(if detached { RecvError::Detached } else { RecvError::Closed }))
            }
        }
    }

    /// What publishers with limits have outstanding is what is staged, and what their tasks have credit for.
    pub(super) fn check_credit(&self) -> Check {
        for (topic, handle) in self.topics.iter().enumerate() {
            for publisher in handle.publishers.iter().filter(|publisher| publisher.limit.is_some()) {
                let stats = publisher.publisher.stats();
                let mine = |task: &&Task| match &task.work {
                    Work::Publish(task) => task.publisher == publisher.number,
                    Work::Receive { .. } => false,
                };
                let tasks = self.tasks.iter().filter(mine).count();
                let model = &self.model.topics[topic];
                let staged: usize =
                    (0..model.shards).map(|shard| model.staged_by(publisher.number, shard)).sum();
                let outstanding = usize::try_from(stats.outstanding_messages).expect("few");
                ensure!(
                    outstanding + stats.waiting == staged + tasks,
                    "{stats:?} of publisher {}, with {staged} staged and {tasks} in tasks",
                    publisher.number
                );
                let limit = publisher.limit.unwrap_or_default();
                ensure!(outstanding <= limit.max(1), "{outstanding} are outstanding, of {limit}");
                ensure!(
                    stats.waiting == 0 || outstanding >= limit,
                    "one waits with {outstanding} of {limit} outstanding"
                );
            }
        }
        Ok(())
    }

    /// Everything is closed: whoever waited was woken, and told so.
    pub(super) fn end_tasks(&mut self) -> Check {
        while let Some(task) = self.tasks.last() {
            let left = self.tasks.len();
            ensure!(task.alarm.is_due(), "everything is closed, and a task that waited was not woken");
            self.poll_one(left - 1)?;
            ensure!(self.tasks.len() < left, "everything is closed, and a task still waits");
        }
        Ok(())
    }
}
