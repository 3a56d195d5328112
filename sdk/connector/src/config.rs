//! The configuration of a connector: the options the user wrote, resolved by
//! the host, defaults filled in.
//!
//! Invariant: an error names the key as the user wrote it, and never shows the
//! value of a secret.

use std::collections::HashSet;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor,
};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::spec::Spec;

/// The configuration of a connector.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    values: Map<String, Value>,
    secrets: HashSet<String>,
}

impl Config {
    /// The configuration that a JSON document holds, for a connector of this
    /// spec. Options that the document leaves out get their defaults.
    ///
    /// # Errors
    ///
    /// `configuration` if the document is not a JSON object.
    pub fn from_json(document: &str, spec: &Spec) -> Result<Self> {
        let value = if document.trim().is_empty() {
            Value::Object(Map::new())
        } else {
            serde_json::from_str(document).map_err(|error| {
                let message = format!("the configuration is not JSON: {error}");
                Error::configuration("config-not-json", message)
            })?
        };
        Self::from_value(value, spec)
    }

    /// The same from a JSON value, for tests: `json!({ "path": ["a.csv"] })`.
    ///
    /// # Errors
    ///
    /// `configuration` if the value is not an object.
    pub fn from_value(value: Value, spec: &Spec) -> Result<Self> {
        let Value::Object(mut values) = value else {
            let message = "the configuration is not a mapping of options";
            return Err(Error::configuration("config-not-a-mapping", message));
        };
        for option in &spec.options {
            if let Some(default) = &option.default
                && values.get(&option.name).is_none_or(Value::is_null)
            {
                values.insert(option.name.clone(), default.clone());
            }
        }
        let secrets = spec.options.iter().filter(|option| option.secret);
        let secrets = secrets.map(|option| option.name.clone()).collect();
        Ok(Self { values, secrets })
    }

    /// The value of an option, if it has one.
    ///
    /// # Errors
    ///
    /// `configuration`, with the option's name, if the value is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match T::deserialize(value) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(self.bad_value(key, &error)),
            },
        }
    }

    /// The value of an option that has to be there.
    ///
    /// # Errors
    ///
    /// `configuration`, with the option's name, if it is missing or not a `T`.
    pub fn required<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        self.get(key)?.ok_or_else(|| missing(key))
    }

    /// All options as a struct with a field each. `#[serde(deny_unknown_fields)]`
    /// and `#[serde(default)]` do what they say.
    ///
    /// # Errors
    ///
    /// `configuration`, with the name of the option that does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(Options { config: self }).map_err(|failure| match failure {
            Failure::Missing(key) => missing(&key),
            Failure::Other(message) => Error::configuration("bad-config", message),
            Failure::At(error) => error,
        })
    }

    fn bad_value(&self, key: &str, error: &serde_json::Error) -> Error {
        let message = if self.secrets.contains(key) {
            format!("option {key:?} does not have a value of the right kind")
        } else {
            format!("option {key:?}: {error}")
        };
        Error::configuration("bad-option", message)
    }
}

fn missing(key: &str) -> Error {
    Error::configuration("missing-option", format!("option {key:?} is missing"))
}

/// Why the options do not make a struct.
#[derive(Debug)]
enum Failure {
    Missing(String),
    At(Error),
    Other(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "option {key:?} is missing"),
            Self::At(error) => error.fmt(f),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Failure {}

impl serde::de::Error for Failure {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field.to_owned())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.join(", ");
        Self::Other(format!("unknown option {field:?}; there are {known}"))
    }
}

/// The options as serde sees them: a map whose values fail with their key.
struct Options<'a> {
    config: &'a Config,
}

impl<'de> Deserializer<'de> for Options<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Entries {
            config: self.config,
            entries: self.config.values.iter(),
            value: None,
        })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

struct Entries<'de> {
    config: &'de Config,
    entries: serde_json::map::Iter<'de>,
    value: Option<(&'de String, &'de Value)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        // Null is how a document says that an option is not set.
        self.value = self.entries.by_ref().find(|(_, value)| !value.is_null());
        let Some((key, _)) = self.value else {
            return Ok(None);
        };
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some((key, value)) = self.value.take() else {
            return Err(Failure::Other(
                "a value was asked for before its key".to_owned(),
            ));
        };
        seed.deserialize(value)
            .map_err(|error| Failure::At(self.config.bad_value(key, &error)))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::spec::Opt;

    fn config(value: Value) -> Config {
        let spec = Spec::new("test", "0", "")
            .option(Opt::text("delimiter").default(","))
            .option(Opt::integer("password").secret());
        Config::from_value(value, &spec).unwrap()
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Options {
        delimiter: char,
        path: Vec<String>,
        limit: Option<u64>,
    }

    #[test]
    fn a_default_holds_where_the_document_is_silent_and_nowhere_else() {
        let silent = config(json!({ "delimiter": null }));
        assert_eq!(silent.required::<String>("delimiter").unwrap(), ",");
        let written = config(json!({ "delimiter": ";" }));
        assert_eq!(written.required::<String>("delimiter").unwrap(), ";");
    }

    #[test]
    fn an_option_of_the_wrong_kind_is_named() {
        let config = config(json!({ "delimiter": "::", "path": ["a.csv"], "limit": "many" }));
        let whole = config.parse::<Options>().unwrap_err().message;
        assert!(whole.starts_with(r#"option "delimiter": "#), "{whole}");
        let one = config.get::<u64>("limit").unwrap_err().message;
        assert!(one.starts_with(r#"option "limit": "#), "{one}");
    }

    #[test]
    fn a_missing_option_is_named_and_an_optional_one_is_not_missed() {
        let missing = config(json!({})).parse::<Options>().unwrap_err();
        assert_eq!(missing.message, r#"option "path" is missing"#);
        let options = config(json!({ "path": [] })).parse::<Options>().unwrap();
        assert_eq!((options.delimiter, options.limit), (',', None));
        assert!(options.path.is_empty());
    }

    #[test]
    fn an_unknown_option_is_named_with_those_there_are() {
        let error = config(json!({ "paht": [] }))
            .parse::<Options>()
            .unwrap_err();
        assert!(
            error.message.contains(r#"unknown option "paht""#),
            "{error}"
        );
        assert!(error.message.contains("delimiter, path, limit"), "{error}");
    }

    #[test]
    fn the_value_of_a_secret_stays_out_of_the_message() {
        let error = config(json!({ "password": "hunter2" }))
            .get::<u64>("password")
            .unwrap_err();
        assert!(!error.message.contains("hunter2"), "{error}");
        assert!(error.message.contains(r#""password""#), "{error}");
    }

    #[test]
    fn a_document_that_is_no_mapping_is_a_configuration_error() {
        let spec = Spec::new("test", "0", "");
        for document in ["[]", "nonsense"] {
            let error = Config::from_json(document, &spec).unwrap_err();
            assert_eq!(error.category, crate::Category::Configuration);
        }
        assert!(Config::from_json("", &spec).is_ok());
    }
}
