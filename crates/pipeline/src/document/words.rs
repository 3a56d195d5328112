//! The words that a document chooses from, each with its meaning.
//!
//! One definition serves the decoder, the JSON Schema and the reference.

/// One of the words a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// How the document writes it.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// A choice between words.
pub trait Choice: Copy + PartialEq + 'static {
    /// The words and what each stands for, in the order of the reference.
    const ALL: &'static [(Word, Self)];

    /// What a word stands for.
    fn from_word(word: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| known.name == word);
        found.map(|(_, choice)| *choice)
    }

    /// How the document writes it.
    fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, choice)| *choice == self);
        found.map_or("", |(word, _)| word.name)
    }
}

macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident, $words:ident {
            $($(#[doc = $variant_doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $variant_doc])+ $variant,)+
        }

        impl Choice for $name {
            const ALL: &'static [(Word, Self)] = &[
                $((Word { name: $word, doc: concat!($($variant_doc),+) }, $name::$variant),)+
            ];
        }

        pub(super) static $words: &[Word] = &[
            $(Word { name: $word, doc: concat!($($variant_doc),+) },)+
        ];

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

choice! {
    /// The word of a stream's `sync_mode`.
    pub enum SyncWord, SYNC_MODES {
        /// Everything is read in every run.
        FullRefresh = "full_refresh",
        /// What is new since the run before is read, by `cursor_field`.
        Incremental = "incremental",
        /// Changes are read from the source's log, after a snapshot.
        Cdc = "cdc",
    }
}

choice! {
    /// What becomes of the rows that are at the destination already.
    pub enum WriteMode, WRITE_MODES {
        /// New rows are added to those there are.
        Append = "append",
        /// The new rows take the place of all others once they are complete.
        Replace = "replace",
        /// A new row takes the place of the one with the same `primary_key`; columns that are not written stay as they are. Of rows of a run with one key the last counts.
        Upsert = "upsert",
    }
}

choice! {
    /// What becomes of a row that cannot be read, changed or written.
    pub enum OnDataError, ON_DATA_ERROR {
        /// The run fails.
        Fail = "fail",
        /// The row is left out and counted.
        Skip = "skip",
        /// The row is kept as a dead letter with its reason, and counted.
        Dlq = "dlq",
    }
}

choice! {
    /// What happens when the source has a column that the destination lacks.
    pub enum NewColumn, NEW_COLUMN {
        /// The column is added to the destination.
        Add = "add",
        /// The column is not written.
        Ignore = "ignore",
        /// The run fails.
        Fail = "fail",
    }
}

choice! {
    /// What happens when the source lacks a column that the destination has.
    pub enum RemovedColumn, REMOVED_COLUMN {
        /// New rows have no value in the column.
        Ignore = "ignore",
        /// The run fails.
        Fail = "fail",
    }
}

choice! {
    /// What happens when a column has another type than at the destination.
    pub enum TypeChange, TYPE_CHANGE {
        /// Values are converted; one that cannot be is a data error.
        Coerce = "coerce",
        /// The run fails.
        Fail = "fail",
        /// Values are converted; one that cannot be becomes NULL.
        Null = "null",
    }
}

choice! {
    /// What happens when a column may be NULL that may not be at the destination.
    pub enum Nullability, NULLABILITY {
        /// The destination's column is allowed to be NULL.
        Allow = "allow",
        /// A NULL that comes is a data error of its row.
        Fail = "fail",
    }
}

choice! {
    /// What keeps cursors, runs and dead letters.
    pub enum Backend, BACKENDS {
        /// A file on this machine.
        Sqlite = "sqlite",
        /// A PostgreSQL database that a team shares.
        Postgres = "postgres",
    }
}

choice! {
    /// How batches are compressed between stages.
    pub enum Compression, COMPRESSIONS {
        /// They are not: stages share the memory of one machine.
        None = "none",
    }
}
