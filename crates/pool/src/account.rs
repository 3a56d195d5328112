//! Who pays for a call: whoever asks, by a grant, and the callee, from what it
//! has of its own.

use std::time::Duration;

use vesicle_engine::{Budget, Error as EngineError, Fuel, Purse, WhenEmpty, within};

use crate::Result;

/// What a call may use, and all that the callee calls in turn.
#[derive(Clone)]
pub struct Grant {
    /// How long whoever calls waits, for the callee's turn and for its answer.
    pub deadline: Duration,
    /// Fuel, which metered instances use before their own. Once it is used up
    /// whoever calls gets [`vesicle_engine::Error::Fuel`]; the callee goes on
    /// with what it has of its own.
    pub fuel: Option<Purse>,
}

impl Default for Grant {
    /// As long as a store's own calls may take.
    fn default() -> Self {
        Self {
            deadline: Budget::DEFAULT_DEADLINE,
            fuel: None,
        }
    }
}

impl Grant {
    /// Waits for what was asked for as long as the grant lasts.
    ///
    /// # Errors
    ///
    /// [`vesicle_engine::Error::Deadline`], [`vesicle_engine::Error::Fuel`].
    pub(crate) async fn cover<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let limit = self.deadline;
        let paid = async {
            let Some(fuel) = &self.fuel else {
                return answer.await;
            };
            tokio::select! {
                biased;
                answer = answer => answer,
                () = fuel.emptied() => Err(EngineError::Fuel.into()),
            }
        };
        let answer = within(Some(limit), paid).await;
        answer.unwrap_or(Err(EngineError::Deadline { limit }.into()))
    }
}

/// What an instance has of its own.
#[derive(Clone, Default)]
pub struct Account {
    /// Its memory, and how long one of its calls may take.
    pub budget: Budget,
    /// Bytes that it holds together with others: all instances with the same
    /// purse, or with purses granted from one, have no more than that.
    pub bytes: Option<Purse>,
    /// Its fuel, for what no grant pays.
    pub fuel: Purse,
    /// What happens to a call when grant and fuel are used up.
    pub when_empty: WhenEmpty,
}

impl Account {
    /// What a call draws on that has a grant, or none.
    pub(crate) fn with(&self, grant: Option<Purse>) -> Fuel {
        Fuel {
            grant,
            own: self.fuel.clone(),
            when_empty: self.when_empty,
        }
    }
}
