//! A message read and written as data, in the form that Cloud Pub/Sub's own JSON has.
//!
//! ```json
//! {"data": "cGFpZA==", "attributes": {"region": "eu"}, "orderingKey": "u42"}
//! ```
//!
//! In a format that is text it is read as JSON is from protocol buffers: fields also in snake case, base64 of both alphabets with
//! or without padding, and null for what is not there, as an ordering key that is empty is not.
//!
//! The data is base64 where the format is text, and what a message does not have is left out there; elsewhere it is bytes, and
//! there are always three fields. The order of the attributes is kept, an attribute given twice has its last value, and fields of other names
//! (`messageId`, `publishTime`) are passed over. Other limits than the number of attributes are checked when the message
//! is published, not here.

/// A setting that is a time, as text: `30s`, `1.5s` (as protocol buffers have it), `1h 30m`, `PT10S`.
pub(crate) use jiff::fmt::serde::unsigned_duration::friendly::compact as duration;

use crate::message::{MAX_ATTRIBUTES, Message};
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

const UNPADDED_OR_PADDED: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serializer.is_human_readable();
        // Where fields have no names, they are told by their places.
        let all = !text;
        let (data, attributes) = (all || !self.data.is_empty(), all || !self.attributes.is_empty());
        let key = all || self.ordering_key.is_some();
        let count = [data, attributes, key].into_iter().filter(|present| *present).count();
        let mut message = serializer.serialize_struct("Message", count)?;
        match (data, text) {
            (false, _) => message.skip_field("data")?,
            (true, true) => message.serialize_field("data", &BASE64_STANDARD.encode(&self.data))?,
            (true, false) => message.serialize_field("data", &Raw(&self.data))?,
        }
        if attributes {
            message.serialize_field("attributes", &Pairs(&self.attributes))?;
        } else {
            message.skip_field("attributes")?;
        }
        if key {
            message.serialize_field("orderingKey", &self.ordering_key)?;
        } else {
            message.skip_field("orderingKey")?;
        }
        message.end()
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Message", rename_all = "camelCase", default)]
        #[derive(Default)]
        struct Fields {
            data: Data,
            attributes: Attributes,
            #[serde(alias = "ordering_key")]
            ordering_key: Option<String>,
        }
        let text = deserializer.is_human_readable();
        let Fields { data, attributes, ordering_key } = Fields::deserialize(deserializer)?;
        let ordering_key = ordering_key.filter(|key| !(text && key.is_empty()));
        let message = Self { data: data.0, ordering_key, ..Self::default() };
        Ok(attributes.0.into_iter().fold(message, |message, (key, value)| message.attribute(key, value)))
    }
}

struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct Pairs<'a>(&'a [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[derive(Default)]
struct Data(Bytes);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(DataVisitor)
        } else {
            deserializer.deserialize_byte_buf(DataVisitor)
        }
    }
}

struct DataVisitor;

impl Visitor<'_> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message's data, in base64 where the format is text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Data, E> {
        let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        let data = GeneralPurpose::new(alphabet, UNPADDED_OR_PADDED).decode(text);
        data.map(|data| Data(data.into())).map_err(|error| E::custom(format!("data is not base64: {error}")))
    }

    fn visit_unit<E: Error>(self) -> Result<Data, E> {
        Ok(Data::default())
    }

    fn visit_bytes<E: Error>(self, data: &[u8]) -> Result<Data, E> {
        Ok(Data(Bytes::copy_from_slice(data)))
    }

    fn visit_byte_buf<E: Error>(self, data: Vec<u8>) -> Result<Data, E> {
        Ok(Data(data.into()))
    }
}

#[derive(Default)]
struct Attributes(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(AttributesVisitor)
        } else {
            deserializer.deserialize_map(AttributesVisitor)
        }
    }
}

struct AttributesVisitor;

impl<'de> Visitor<'de> for AttributesVisitor {
    type Value = Attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message's attributes, strings by name")
    }

    fn visit_unit<E: Error>(self) -> Result<Attributes, E> {
        Ok(Attributes::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            // No such message could be published, and looking for repeated names takes quadratic time.
            if pairs.len() == MAX_ATTRIBUTES {
                return Err(A::Error::custom(format!("a message has at most {MAX_ATTRIBUTES} attributes")));
            }
            pairs.push(pair);
        }
        Ok(Attributes(pairs))
    }
}
