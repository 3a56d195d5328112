//! Which place in a document a connector's error is about.

use crate::connector::bindings::types::ErrorCategory;
use crate::connector::{Failure, Role};
use crate::document::{self, Position, Streams};
use crate::plan::Plan;
use crate::{Error, Exit};

impl Plan {
    /// The same error, as one of the document where a connector says that its
    /// configuration is at fault.
    ///
    /// Connectors begin such a message with the key that it is about:
    /// `delimiter: "||" is not one ASCII character`.
    #[must_use]
    pub fn place(&self, error: Error) -> Error {
        let Error::Connector {
            role,
            component,
            stream,
            failure:
                Failure::Reported {
                    category: ErrorCategory::Configuration | ErrorCategory::Unsupported,
                    message,
                    ..
                },
        } = &error
        else {
            return error;
        };
        debug_assert_eq!(error.exit(), Exit::Document);
        let Some(part) = self.part(*role, component) else {
            return error;
        };
        let key = message.split(':').next().unwrap_or_default();
        let position = match (part.config.get(key), stream) {
            (Some(value), _) => value.position(),
            (None, Some(stream)) if *role == Role::Source => {
                self.stream_position(stream).unwrap_or(part.uses.position)
            }
            _ => part.config.position(),
        };
        let diagnostic = self.document.diagnostic(position, error.to_string());
        Error::Document(diagnostic.into())
    }

    /// The part of the document that a connector is made from.
    fn part(&self, role: Role, component: &str) -> Option<&document::Connector> {
        let document = &self.document;
        match role {
            Role::Source => Some(&document.source.connector),
            Role::Transform => {
                let mut transforms = document.transforms.iter();
                let transform = transforms.find(|transform| transform.name == component);
                transform.map(|transform| &transform.connector)
            }
            Role::Destination => Some(&document.destination.connector),
        }
    }

    fn stream_position(&self, name: &str) -> Option<Position> {
        match &self.document.source.streams {
            Streams::All { .. } => None,
            Streams::Named(streams) => streams
                .iter()
                .find(|stream| stream.name.value == name)
                .map(|stream| stream.name.position),
        }
    }
}
