//! What a destination does where rows have another shape than what is there.

use serde::{Deserialize, Serialize};

/// A column that is not there yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewColumn {
    /// It is made.
    Add,
    /// It is not written.
    Ignore,
    /// The load fails.
    #[default]
    Fail,
}

/// A column that is there, and that the rows do not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RemovedColumn {
    /// New rows have no value in it.
    Ignore,
    /// The load fails.
    #[default]
    Fail,
}

/// A column of another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TypeChange {
    /// Values are converted; one that cannot be is a data error of its row.
    Coerce,
    /// The load fails.
    #[default]
    Fail,
    /// Values are converted; one that cannot be becomes NULL.
    Null,
}

/// A column that takes no NULL, and may have one in the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nullability {
    /// It is made to take NULL.
    Allow,
    /// A NULL is a data error of its row.
    #[default]
    Fail,
}

/// What happens on each of the four axes. By default nothing changes, and what
/// does not fit fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Evolution {
    /// See [`NewColumn`].
    pub new_column: NewColumn,
    /// See [`RemovedColumn`].
    pub removed_column: RemovedColumn,
    /// See [`TypeChange`].
    pub type_change: TypeChange,
    /// See [`Nullability`].
    pub nullability: Nullability,
}
