//! A message to be published.

use crate::error::Invalid;
use bytes::Bytes;

/// Data and attribute bytes together.
const MAX_BYTES: usize = 10 << 20;
pub(crate) const MAX_ATTRIBUTES: usize = 100;
const MAX_KEY: usize = 256;
const MAX_VALUE: usize = 1024;
pub(crate) const MAX_ORDERING_KEY: usize = 1024;

/// Data of at most so many bytes is copied, and so is that of at most so many which nobody else holds (measured:
/// docs/decisions/0024).
const COPIED: usize = 512;
const COPIED_ALONE: usize = 4 << 10;

/// What a publisher is given: data, attributes and perhaps an ordering key.
///
/// # Where the data goes
/// Large data stays where it is: the ring holds a reference to it. Small data is copied into a buffer of the ring's and let go of
/// when the call returns: up to 512 bytes, and up to 4 KiB if this message has the only handle
/// to it ([`Bytes::is_unique`], which is never so of [`Bytes::from_owner`]). To hold it for a lap of the ring, and free it then,
/// costs more. Ordering key and attributes are always copied.
///
/// With the feature `serde` it is read and written as Cloud Pub/Sub's own JSON has it:
/// `{"data": "cGFpZA==", "attributes": {"region": "eu"}, "orderingKey": "u42"}`, what it does not have left out. Read, too, are
/// `ordering_key`, base64 of either alphabet and without padding, and `null` for what it does not have. Fields of other names are
/// passed over, as `messageId` is: take a push request's `message` out of it first.
///
/// # Limits
/// Data or at least one attribute; 10 MiB of both together. At most 100 attributes; a key of 1 to 256 bytes that does not start
/// with `goog`, a value of at most 1,024. An ordering key of 1 to 1,024 bytes. They are checked when the message is published,
/// before anything is claimed for it: [`PublishError::Invalid`](crate::PublishError::Invalid).
///
/// ```
/// use ringmain::Message;
/// let message = Message::new("paid").attribute("region", "eu").ordering_key("u42");
/// assert_eq!((&message.data()[..], message.key()), (&b"paid"[..], Some("u42")));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Message {
    pub(crate) data: Bytes,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) ordering_key: Option<String>,
}

impl Message {
    /// A message with this data and nothing else.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// Adds an attribute, or replaces the one with this key.
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        match self.attributes.iter_mut().find(|(other, _)| *other == key) {
            Some((_, old)) => *old = value,
            None => self.attributes.push((key, value)),
        }
        self
    }

    /// Sets the ordering key ([`key`](Self::key) reads it): messages of one key are delivered in the order in which one publisher
    /// was given them; by several publishers, in that of calls that returned, and receipts that resolved, one after the other.
    pub fn ordering_key(mut self, key: impl Into<String>) -> Self {
        self.ordering_key = Some(key.into());
        self
    }

    /// The ordering key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.ordering_key.as_deref()
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// The attributes, in the order in which they were added.
    #[must_use]
    pub fn attributes(&self) -> &[(String, String)] {
        &self.attributes
    }

    /// Data and attribute bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        if self.attributes.is_empty() {
            return self.data.len();
        }
        self.data.len() + self.attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    }

    /// Whether a copy of the data is published rather than a reference to it.
    #[inline]
    pub(crate) fn goes_as_copy(&self) -> bool {
        let len = self.data.len();
        len <= COPIED || (len <= COPIED_ALONE && self.data.is_unique())
    }

    /// Checks the limits, cheapest first. Free of cost for what is not there.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        if let Some(key) = &self.ordering_key {
            if key.is_empty() {
                return Err(Invalid::EmptyOrderingKey);
            }
            limit("the length of an ordering key, in bytes,", MAX_ORDERING_KEY, key.len())?;
        }
        if self.attributes.is_empty() {
            return check_data(self.data.len());
        }
        limit("the number of attributes", MAX_ATTRIBUTES, self.attributes.len())?;
        let mut bytes = self.data.len();
        for (key, value) in &self.attributes {
            check_key(key)?;
            limit("the length of an attribute's value, in bytes,", MAX_VALUE, value.len())?;
            bytes += key.len() + value.len();
        }
        limit("the size of a message, data and attributes, in bytes,", MAX_BYTES, bytes)
    }
}

/// Checks a message of `len` bytes of data and nothing else.
#[inline]
pub(crate) fn check_data(len: usize) -> Result<(), Invalid> {
    if len == 0 {
        return Err(Invalid::EmptyMessage);
    }
    limit("the size of a message, data and attributes, in bytes,", MAX_BYTES, len)
}

fn check_key(key: &str) -> Result<(), Invalid> {
    let rule = |rule: &'static str| Err(Invalid::AttributeKey { key: key.chars().take(64).collect(), rule });
    if key.is_empty() {
        return rule("it must have 1 to 256 bytes");
    }
    limit("the length of an attribute's key, in bytes,", MAX_KEY, key.len())?;
    if key.starts_with("goog") {
        return rule("it must not start with goog");
    }
    Ok(())
}

#[inline]
fn limit(what: &'static str, limit: usize, actual: usize) -> Result<(), Invalid> {
    if actual > limit { Err(Invalid::TooMuch { what, limit, actual }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exact() {
        let long = |n| "x".repeat(n);
        let attributes = |n: usize| (0..n).fold(Message::new("d"), |m, i| m.attribute(format!("k{i}"), ""));
        for (message, good) in [
            (Message::new(""), false),
            (Message::new("").attribute("k", ""), true),
            (Message::new(vec![0; MAX_BYTES]), true),
            (Message::new(vec![0; MAX_BYTES + 1]), false),
            (Message::new(vec![0; MAX_BYTES - 2]).attribute("k", "v"), true),
            (Message::new(vec![0; MAX_BYTES - 1]).attribute("k", "v"), false),
            (attributes(100), true),
            (attributes(101), false),
            (Message::new("d").attribute(long(256), ""), true),
            (Message::new("d").attribute(long(257), ""), false),
            (Message::new("d").attribute("é".repeat(128), ""), true),
            (Message::new("d").attribute("é".repeat(128) + "k", ""), false),
            (Message::new("d").attribute("", ""), false),
            (Message::new("d").attribute("goo", "").attribute("xgoog", "").attribute("Goog", ""), true),
            (Message::new("d").attribute("goog", ""), false),
            (Message::new("d").attribute("googx", ""), false),
            (Message::new("d").attribute("k", long(1024)), true),
            (Message::new("d").attribute("k", long(1025)), false),
            (Message::new("d").attribute("k", "é".repeat(512)), true),
            (Message::new("d").attribute("k", "é".repeat(512) + "v"), false),
            (Message::new("d").ordering_key(""), false),
            (Message::new("d").ordering_key("k"), true),
            (Message::new("d").ordering_key(long(1024)), true),
            (Message::new("d").ordering_key(long(1025)), false),
        ] {
            assert_eq!(message.check().is_ok(), good, "{:?}", message.check());
        }
    }

    #[test]
    fn an_attribute_set_twice_is_replaced() {
        let message = Message::new("d").attribute("k", "1").attribute("l", "2").attribute("k", "3");
        assert_eq!(message.attributes(), [("k".into(), "3".into()), ("l".into(), "2".into())]);
    }
}
