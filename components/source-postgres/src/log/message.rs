//! What the output plugin `pgoutput` says of the log.
//!
//! Format: PostgreSQL's documentation, "Logical Replication Message Formats",
//! protocol version 1.

use bytes::{Buf as _, Bytes};
use vesicle_connector::{Error, Result};
use vesicle_postgres_client::Lsn;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A transaction begins.
    Begin,
    /// It has been committed; the log goes on here.
    Commit(Lsn),
    /// What the columns of a table are from now on.
    Relation(Relation),
    /// A row was added.
    Insert(u32, Tuple),
    /// A row has new values. What it was is told where its identity has
    /// changed, or everywhere.
    Update(u32, Option<Tuple>, Tuple),
    /// A row was removed.
    Delete(u32, Tuple),
    /// All rows of some tables were removed.
    Truncate(Vec<u32>),
    /// Something that means nothing here.
    Other,
}

/// A table as it is at a place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its object identifier.
    pub oid: u32,
    /// The columns.
    pub columns: Vec<RelationColumn>,
}

/// One of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn {
    /// Whether it is a part of what identifies rows.
    pub identifies: bool,
    /// Its name.
    pub name: String,
    /// The object identifier of its type.
    pub r#type: u32,
    /// The modifier of that.
    pub modifier: i32,
}

/// The values of a row.
pub type Tuple = Vec<Value>;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A large one that the change has left alone.
    Unchanged,
    /// As binary COPY has it.
    Binary(Bytes),
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// `data` for one that breaks the format.
    pub fn parse(bytes: Bytes) -> Result<Self> {
        let mut body = Body(bytes);
        Ok(match body.byte()? {
            b'B' => Self::Begin,
            b'C' => {
                body.take(1 + 8)?;
                Self::Commit(Lsn(body.long()?))
            }
            b'R' => Self::Relation(body.relation()?),
            b'I' => {
                let oid = body.word()?;
                body.byte()?;
                Self::Insert(oid, body.tuple()?)
            }
            b'U' => {
                let oid = body.word()?;
                let before = match body.byte()? {
                    b'N' => None,
                    _ => {
                        let before = body.tuple()?;
                        body.byte()?;
                        Some(before)
                    }
                };
                Self::Update(oid, before, body.tuple()?)
            }
            b'D' => {
                let oid = body.word()?;
                body.byte()?;
                Self::Delete(oid, body.tuple()?)
            }
            b'T' => {
                let count = body.word()?;
                body.byte()?;
                let oids = (0..count).map(|_| body.word());
                Self::Truncate(oids.collect::<Result<_>>()?)
            }
            _ => Self::Other,
        })
    }
}

/// What is left of a message.
struct Body(Bytes);

impl Body {
    fn take(&mut self, count: usize) -> Result<Bytes> {
        if self.0.len() < count {
            return Err(malformed());
        }
        Ok(self.0.split_to(count))
    }

    fn byte(&mut self) -> Result<u8> {
        self.0.try_get_u8().map_err(|_| malformed())
    }

    fn word(&mut self) -> Result<u32> {
        self.0.try_get_u32().map_err(|_| malformed())
    }

    fn long(&mut self) -> Result<u64> {
        self.0.try_get_u64().map_err(|_| malformed())
    }

    fn short(&mut self) -> Result<u16> {
        self.0.try_get_u16().map_err(|_| malformed())
    }

    /// A text that ends with a zero.
    fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let text = self.take(end.ok_or_else(malformed)?)?;
        self.byte()?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn relation(&mut self) -> Result<Relation> {
        let oid = self.word()?;
        let _schema = self.text()?;
        let _name = self.text()?;
        let _identity = self.byte()?;
        let count = self.short()?;
        let columns = (0..count).map(|_| {
            Ok(RelationColumn {
                identifies: self.byte()? & 1 == 1,
                name: self.text()?,
                r#type: self.word()?,
                modifier: self.word()?.cast_signed(),
            })
        });
        let columns = columns.collect::<Result<_>>()?;
        Ok(Relation { oid, columns })
    }

    fn tuple(&mut self) -> Result<Tuple> {
        let count = self.short()?;
        (0..count).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> Result<Value> {
        match self.byte()? {
            b'n' => Ok(Value::Null),
            b'u' => Ok(Value::Unchanged),
            b'b' => {
                let length = self.word()?;
                self.take(length as usize).map(Value::Binary)
            }
            b't' => {
                let what = "the log has a value of a type that has no binary form";
                Err(Error::unsupported("text-in-log", what))
            }
            _ => Err(malformed()),
        }
    }
}

#[cold]
fn malformed() -> Error {
    Error::data("bad-log", "a message of the log is not understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<Message> {
        Message::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn an_update_tells_what_the_row_was_and_what_it_has_kept() {
        let update = parse(b"U\0\0\0\x07K\0\x02b\0\0\0\x01anN\0\x02b\0\0\0\x01bu").unwrap();
        let a = Value::Binary(Bytes::from_static(b"a"));
        let b = Value::Binary(Bytes::from_static(b"b"));
        let before = Some(vec![a, Value::Null]);
        assert_eq!(
            update,
            Message::Update(7, before, vec![b, Value::Unchanged])
        );
    }

    #[test]
    fn a_message_cut_anywhere_is_an_error() {
        let relation = b"R\0\0\0\x07public\0t\0d\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff";
        let Message::Relation(whole) = parse(relation).unwrap() else {
            panic!("it is a relation");
        };
        assert_eq!((whole.oid, whole.columns[0].modifier), (7, -1));
        for end in 0..relation.len() {
            assert!(parse(&relation[..end]).is_err(), "{end}");
        }
        // A length that is not there asks for no memory.
        assert!(parse(b"I\0\0\0\x07N\0\x01b\x7f\xff\xff\xff").is_err());
        assert!(parse(b"T\xff\xff\xff\xff\0").is_err());
    }

    #[test]
    fn the_log_goes_on_where_a_commit_ends() {
        let commit = b"C\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0";
        assert_eq!(parse(commit).unwrap(), Message::Commit(Lsn(2)));
    }
}
