//! What a message has beside its data: the ordering key and the attributes, as labels of the buffer. First the key, empty if
//! there is none, then each attribute's key and value. A message with neither has no labels.

use super::{Callers, Header};
use ringmain_ring::{Buffer, Labels, UniqueBuffer};
use std::fmt;
use std::iter::{self, FusedIterator};

/// A message's ordering key and attributes, to become labels.
#[derive(Clone, Copy)]
pub(super) struct ToLabel<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) attributes: &'a [(String, String)],
}

impl ToLabel<'_> {
    /// Most messages have neither, and nothing is to be gone through for those.
    #[inline]
    fn is_empty(self) -> bool {
        self.key.is_none() && self.attributes.is_empty()
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        let pairs = self.attributes.iter().flat_map(|(key, value)| [&**key, &**value]);
        iter::once(self.key.unwrap_or_default()).chain(pairs)
    }

    /// How much room they take in a buffer.
    #[inline]
    pub(super) fn room(self) -> usize {
        let room = |label: &str| UniqueBuffer::<Header, Callers>::room_for_label(label.len());
        if self.is_empty() { 0 } else { self.labels().map(room).sum() }
    }

    /// Puts them behind what is in `buffer`.
    #[inline]
    pub(super) fn put(self, buffer: &mut UniqueBuffer<Header, Callers>) {
        if !self.is_empty() {
            self.labels().for_each(|label| buffer.push_label(label));
        }
    }
}

/// The ordering key, if there is one.
#[inline]
pub(super) fn ordering_key(buffer: &Buffer<Header, Callers>) -> Option<&str> {
    buffer.labels().next().filter(|key| !key.is_empty())
}

/// How many bytes the attributes have.
#[inline]
pub(super) fn bytes(buffer: &Buffer<Header, Callers>) -> usize {
    match buffer.label_bytes() {
        0 => 0,
        all => all - ordering_key(buffer).map_or(0, str::len),
    }
}

/// A message's attributes, as they stand behind its data, in the order in which they were added. Copied by publishing: to look at
/// them costs no allocation, and follows no pointer.
///
/// ```
/// use ringmain::{Engine, Message};
/// let engine = Engine::new();
/// let topic = engine.create_topic("orders", Default::default())?;
/// let orders = topic.create_subscription("audit", Default::default())?;
/// topic.publisher().publish(Message::new("paid").attribute("region", "eu").attribute("tier", "gold"))?;
/// let delivery = orders.recv()?;
/// let attributes = delivery.attributes();
/// assert_eq!((attributes.len(), attributes.get("tier")), (2, Some("gold")));
/// for (key, value) in attributes {
///     println!("{key}: {value}");
/// }
/// # delivery.ack()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Attributes<'a>(Labels<'a>);

impl<'a> Attributes<'a> {
    #[inline]
    pub(super) fn of(buffer: &'a Buffer<Header, Callers>) -> Self {
        let mut labels = buffer.labels();
        labels.next();
        Self(labels)
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The value of the attribute with this key, if there is one. Looks through them from the first.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    /// Keys and values.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> AttributesIter<'a> {
        AttributesIter(self.0.clone())
    }

    /// A copy that outlives the message, as [`Message::attributes`](crate::Message::attributes) has them.
    #[must_use]
    pub fn to_vec(&self) -> Vec<(String, String)> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl PartialEq for Attributes<'_> {
    /// The same attributes in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Attributes<'_> {}

impl<K: AsRef<str>, V: AsRef<str>> PartialEq<[(K, V)]> for Attributes<'_> {
    fn eq(&self, other: &[(K, V)]) -> bool {
        self.iter().eq(other.iter().map(|(key, value)| (key.as_ref(), value.as_ref())))
    }
}

/// The same, whatever the pairs stand in.
macro_rules! equal_in {
    ($($pairs:ty $(, $count:ident)?;)*) => { $(
        impl<K: AsRef<str>, V: AsRef<str> $(, const $count: usize)?> PartialEq<$pairs> for Attributes<'_> {
            fn eq(&self, other: &$pairs) -> bool {
                *self == other[..]
            }
        }
    )* };
}

equal_in! {
    &[(K, V)];
    [(K, V); N], N;
    Vec<(K, V)>;
}

impl<'a> IntoIterator for Attributes<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = AttributesIter<'a>;

    #[inline]
    fn into_iter(self) -> AttributesIter<'a> {
        AttributesIter(self.0)
    }
}

impl<'a> IntoIterator for &Attributes<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = AttributesIter<'a>;

    #[inline]
    fn into_iter(self) -> AttributesIter<'a> {
        self.iter()
    }
}

/// Keys and values of [`Attributes`].
#[derive(Debug, Clone, Default)]
pub struct AttributesIter<'a>(Labels<'a>);

impl<'a> Iterator for AttributesIter<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        Some((self.0.next()?, self.0.next()?))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len() / 2, Some(self.0.len() / 2))
    }
}

impl ExactSizeIterator for AttributesIter<'_> {}
impl FusedIterator for AttributesIter<'_> {}
