//! The servers that a component may have sessions with.

use std::fmt;
use std::sync::Arc;

use vesicle_pool::{Access, Audit};
use vesicle_session::Postgres;

/// One of them.
#[derive(Clone)]
pub struct SessionGrant {
    /// `host:port`, as the document has it.
    pub endpoint: String,
    /// How the host signs in there.
    pub server: Arc<Postgres>,
}

impl fmt::Display for SessionGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (postgres, as {})", self.endpoint, self.server.user)
    }
}

impl fmt::Debug for SessionGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionGrant({self})")
    }
}

/// All of them, for one component.
#[derive(Clone)]
pub struct Endpoints {
    component: Arc<str>,
    grants: Arc<[SessionGrant]>,
    audit: Audit,
}

impl Endpoints {
    /// Those of a component.
    pub fn new(component: &str, grants: Vec<SessionGrant>, audit: Audit) -> Self {
        Self {
            component: component.into(),
            grants: grants.into(),
            audit,
        }
    }

    /// The server at an endpoint, if it was granted; either way the attempt is
    /// in the audit.
    pub fn find(&self, endpoint: &str) -> Option<Arc<Postgres>> {
        let found = self.grants.iter().find(|grant| grant.endpoint == endpoint);
        let target = found.map_or_else(|| endpoint.to_owned(), ToString::to_string);
        self.audit
            .record(&self.component, Access::Session, &target, found.is_some());
        found.map(|grant| Arc::clone(&grant.server))
    }
}
