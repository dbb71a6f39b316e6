//! The part of JSON Schema (draft 2020-12) that the published schema is written in.
//!
//! A whole validator brings sixty crates and triples the time that the harness takes to build, for a schema that
//! uses twenty keywords. These are all here, and a test holds that the schema uses no other, so that none is ignored
//! in silence. Formats, patterns and references to other documents are not among them.

use serde_json::{Map, Value};

use super::Flaw;

/// The published schema.
const TEXT: &str = include_str!("../../../docs/result.schema.json");

/// The schema, read.
#[derive(Debug)]
pub(super) struct Schema(Value);

impl Schema {
    /// The schema of results that was built in.
    pub(super) fn published() -> Result<Self, String> {
        serde_json::from_str(TEXT)
            .map(Self)
            .map_err(|error| format!("docs/result.schema.json is not JSON ({error}); build with one that is"))
    }

    /// Adds what is wrong with `value`.
    pub(super) fn check(&self, value: &Value, flaws: &mut Vec<Flaw>) {
        self.node(&self.0, value, "$", flaws);
    }

    fn node(&self, schema: &Value, value: &Value, path: &str, flaws: &mut Vec<Flaw>) {
        let Value::Object(schema) = schema else { return };
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = name.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer));
            match target {
                Some(target) => self.node(target, value, path, flaws),
                None => flaws.push(Flaw::new(path, format!("the schema refers to {name}, which it lacks"))),
            }
        }
        if let Some(kind) = schema.get("type").and_then(Value::as_str).filter(|kind| !is(value, kind)) {
            flaws.push(Flaw::new(path, format!("must be of type {kind}, is {}", shown(value))));
            // What follows would only say the same in other words.
            return;
        }
        if let Some(only) = schema.get("const").filter(|only| *only != value) {
            flaws.push(Flaw::new(path, format!("must be {}, is {}", shown(only), shown(value))));
        }
        if let Some(names) = schema.get("enum").and_then(Value::as_array).filter(|all| !all.contains(value)) {
            let names: Vec<String> = names.iter().map(shown).collect();
            flaws.push(Flaw::new(path, format!("must be one of {}, is {}", names.join(", "), shown(value))));
        }
        match value {
            Value::Number(number) => numbers(schema, number.as_f64().unwrap_or(f64::NAN), path, flaws),
            Value::String(text) => {
                if least(schema, "minLength").is_some_and(|least| text.chars().count() < least) {
                    flaws.push(Flaw::new(path, "is too short to tell anything".to_owned()));
                }
            }
            Value::Array(items) => self.items(schema, items, path, flaws),
            Value::Object(map) => self.properties(schema, map, path, flaws),
            Value::Null | Value::Bool(_) => {}
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.node(part, value, path, flaws);
        }
        if let Some(condition) = schema.get("if") {
            let mut unmet = Vec::new();
            self.node(condition, value, path, &mut unmet);
            if let Some(branch) = schema.get(if unmet.is_empty() { "then" } else { "else" }) {
                self.node(branch, value, path, flaws);
            }
        }
    }

    fn items(&self, schema: &Map<String, Value>, items: &[Value], path: &str, flaws: &mut Vec<Flaw>) {
        let count = items.len();
        if least(schema, "minItems").is_some_and(|least| count < least)
            || least(schema, "maxItems").is_some_and(|most| count > most)
        {
            flaws.push(Flaw::new(path, format!("has {count} items, which is the wrong number")));
        }
        let prefix = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, item) in items.iter().enumerate() {
            if let Some(of_item) = prefix.get(index).or_else(|| schema.get("items")) {
                self.node(of_item, item, &format!("{path}[{index}]"), flaws);
            }
        }
    }

    fn properties(
        &self,
        schema: &Map<String, Value>,
        map: &Map<String, Value>,
        path: &str,
        flaws: &mut Vec<Flaw>,
    ) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str).filter(|name| !map.contains_key(*name)) {
            flaws.push(Flaw::new(&format!("{path}.{name}"), "is missing".to_owned()));
        }
        let known = schema.get("properties").and_then(Value::as_object);
        for (name, value) in map {
            let own = known.and_then(|known| known.get(name));
            if let Some(of_value) = own.or_else(|| schema.get("additionalProperties")) {
                self.node(of_value, value, &format!("{path}.{name}"), flaws);
            }
        }
    }
}

fn numbers(schema: &Map<String, Value>, number: f64, path: &str, flaws: &mut Vec<Flaw>) {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let mut wrong = |text: String| flaws.push(Flaw::new(path, format!("{text}, is {number}")));
    if let Some(least) = limit("minimum").filter(|least| number < *least) {
        wrong(format!("must be at least {least}"));
    }
    if let Some(most) = limit("maximum").filter(|most| number > *most) {
        wrong(format!("must be at most {most}"));
    }
    if let Some(above) = limit("exclusiveMinimum").filter(|above| number <= *above) {
        wrong(format!("must be above {above} (what was not measured is left out)"));
    }
}

fn least(schema: &Map<String, Value>, name: &str) -> Option<usize> {
    schema.get(name).and_then(Value::as_u64).map(crate::num::index)
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// A value for a message, cut where it gets long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 40 { text.chars().take(37).chain("...".chars()).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Keywords that say nothing about whether a value is valid.
    const ANNOTATIONS: [&str; 5] = ["$schema", "$id", "$defs", "title", "description"];
    /// Those that do, and are implemented.
    const KEYWORDS: [&str; 19] = [
        "$ref",
        "type",
        "const",
        "enum",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "minLength",
        "minItems",
        "maxItems",
        "prefixItems",
        "items",
        "required",
        "properties",
        "additionalProperties",
        "allOf",
        "if",
        "then",
        "else",
    ];

    /// Calls `visit` for every schema in `schema`.
    fn walk(schema: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
        let Value::Object(map) = schema else { return };
        visit(map);
        for (name, value) in map {
            match (name.as_str(), value) {
                ("properties" | "$defs", Value::Object(parts)) => {
                    parts.values().for_each(|part| walk(part, visit));
                }
                ("allOf" | "prefixItems", Value::Array(parts)) => {
                    parts.iter().for_each(|part| walk(part, visit));
                }
                ("items" | "additionalProperties" | "if" | "then" | "else", part) => walk(part, visit),
                _ => {}
            }
        }
    }

    #[test]
    fn the_published_schema_uses_no_keyword_that_would_be_ignored() {
        let schema = Schema::published().unwrap();
        walk(&schema.0, &mut |part| {
            for name in part.keys() {
                assert!(KEYWORDS.contains(&name.as_str()) || ANNOTATIONS.contains(&name.as_str()), "{name}");
            }
            if let Some(target) = part.get("$ref").and_then(Value::as_str) {
                assert!(schema.0.pointer(&target[1..]).is_some(), "{target}");
            }
        });
    }

    fn flaws(schema: Value, value: &Value) -> Vec<String> {
        let mut flaws = Vec::new();
        Schema(schema).check(value, &mut flaws);
        flaws.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_keyword_refuses_what_it_should() {
        for (schema, good, bad) in [
            (json!({"type": "object"}), json!({}), json!([])),
            (json!({"type": "array"}), json!([]), json!({})),
            (json!({"type": "string"}), json!("x"), json!(1)),
            (json!({"type": "boolean"}), json!(false), json!(0)),
            (json!({"type": "number"}), json!(0.5), json!("0.5")),
            (json!({"type": "integer"}), json!(5.0), json!(5.5)),
            (json!({"const": "a"}), json!("a"), json!("b")),
            (json!({"enum": ["a", 1]}), json!(1), json!("b")),
            (json!({"minimum": 1}), json!(1), json!(0.9)),
            (json!({"maximum": 1}), json!(1), json!(1.1)),
            (json!({"exclusiveMinimum": 0}), json!(0.1), json!(0)),
            (json!({"minLength": 1}), json!("x"), json!("")),
            (json!({"minItems": 1}), json!([1]), json!([])),
            (json!({"maxItems": 1}), json!([1]), json!([1, 2])),
            (json!({"items": {"type": "string"}}), json!(["a"]), json!(["a", 1])),
            (json!({"prefixItems": [{"type": "string"}]}), json!(["a", 1]), json!([1])),
            (json!({"required": ["a"]}), json!({"a": null}), json!({"b": 1})),
            (json!({"properties": {"a": {"const": 1}}}), json!({"b": 2}), json!({"a": 2})),
            (json!({"additionalProperties": {"const": 1}}), json!({"b": 1}), json!({"b": 2})),
            (json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), json!(1.5), json!(3)),
            (json!({"if": {"const": 1}, "then": {"const": 2}, "else": {"const": 3}}), json!(3), json!(1)),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}), json!(1), json!(2)),
            (json!({"$ref": "#/$defs/a"}), json!(1), json!(2)),
        ] {
            let missing = schema.get("$defs").is_none() && schema.get("$ref").is_some();
            assert_eq!(flaws(schema.clone(), &good).is_empty(), !missing, "{schema} and {good}");
            assert_eq!(flaws(schema.clone(), &bad).len(), 1, "{schema} and {bad}");
        }
    }

    #[test]
    fn a_flaw_is_one_line_with_its_path() {
        let schema = json!({"properties": {"a": {"items": {"exclusiveMinimum": 0}}}});
        assert_eq!(
            flaws(schema, &json!({"a": [1, 0]})),
            ["$.a[1] must be above 0 (what was not measured is left out), is 0"]
        );
    }
}
