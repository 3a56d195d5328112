//! A membrane around a capability that knows nothing of epochs.
//!
//! Calls go through as long as the seal is whole, and every capability in them,
//! either way, is put behind a guard with the same seal. One that comes home
//! through its own guard is itself again.
//!
//! Invariants: of what is behind a guard nothing is held once a call has found
//! the seal broken; a call under way ends when the seal breaks; what is kept of guards
//! that are gone is no more than of those that are there.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;

use capnp::any_pointer;
use capnp::capability::{Client, DispatchCallResult, FromClientHook, FromServer, Promise, Server};
use capnp::capability::{Params, Results};
use capnp::message::Builder;
use capnp::private::capability::ClientHook;
use capnp::traits::{Imbue as _, ImbueMut as _};
use capnp_rpc::CapabilityServerSet;
use vesicle_membrane::Seal;

use crate::error::stale_message;

/// Puts a capability behind a seal, with all that comes through it.
#[must_use]
pub fn guard<C: FromClientHook>(capability: C, seal: &Seal) -> C {
    let around = Around {
        seal: seal.clone(),
        guards: Rc::default(),
    };
    around.wrap(capability.cast_to(), Way::Out).cast_to()
}

/// One seal, and the guards that stand there for it.
#[derive(Clone)]
struct Around {
    seal: Seal,
    guards: Rc<RefCell<Guards>>,
}

/// The guards that stand somewhere, and places of some that are gone.
#[derive(Default)]
struct Guards {
    set: CapabilityServerSet<Guard, Any>,
    /// Places in the set.
    places: usize,
    standing: Rc<Cell<usize>>,
}

/// From where a capability came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

impl Way {
    fn back(self) -> Self {
        match self {
            Self::Out => Self::In,
            Self::In => Self::Out,
        }
    }
}

/// Stands before one capability.
struct Guard {
    inner: RefCell<Option<Client>>,
    way: Way,
    around: Around,
    /// One of those that stand.
    standing: Rc<Cell<usize>>,
}

/// A capability of any interface.
struct Any(Box<dyn ClientHook>);

/// Calls of any interface.
#[derive(Clone)]
struct Calls(Rc<Guard>);

impl Around {
    fn wrap(&self, capability: Client, way: Way) -> Client {
        let guards = self.guards.borrow();
        let capability: Any = capability.cast_to();
        let known = guards.set.get_local_server_of_resolved(&capability);
        drop(guards);
        if let Some(known) = known {
            // It came through here before: either it goes home, or on the same way.
            if known.way == way {
                return capability.cast_to();
            }
            if let Some(inner) = &*known.inner.borrow() {
                return inner.clone();
            }
        }
        let mut guards = self.guards.borrow_mut();
        let guard = Guard {
            inner: RefCell::new(Some(capability.cast_to())),
            way,
            around: self.clone(),
            standing: Rc::clone(&guards.standing),
        };
        guards.post(guard).cast_to()
    }

    /// Copies a value, with guards before all capabilities in it.
    fn copy(
        &self,
        from: any_pointer::Reader<'_>,
        mut to: any_pointer::Builder<'_>,
        way: Way,
    ) -> capnp::Result<()> {
        let size = from.target_size()?;
        if size.cap_count == 0 {
            return to.set_as(from);
        }
        let mut message = Builder::new_default();
        let mut capabilities = Vec::new();
        let mut root = message.init_root::<any_pointer::Builder>();
        root.imbue_mut(&mut capabilities);
        root.set_as(from)?;
        for capability in capabilities.iter_mut().flatten() {
            let plain = Client::new(capability.add_ref());
            *capability = self.wrap(plain, way).into_client_hook();
        }
        let mut root = message.get_root_as_reader::<any_pointer::Reader>()?;
        root.imbue(&capabilities);
        to.set_as(root)
    }

    fn stale(&self) -> capnp::Error {
        let message = stale_message(self.seal.issued(), self.seal.current());
        capnp::Error::disconnected(message)
    }
}

impl Guards {
    /// Places that are looked through without a second thought.
    const FEW: usize = 32;

    /// Lets one more stand there.
    fn post(&mut self, guard: Guard) -> Any {
        self.tidy();
        self.places += 1;
        self.standing.update(|standing| standing + 1);
        self.set.new_client(guard)
    }

    /// Looks through all places where half of them may be empty, so that each guard
    /// costs a look at two.
    fn tidy(&mut self) -> bool {
        let is_due = self.places >= 2 * self.standing.get().max(Self::FEW);
        if is_due {
            self.set.gc();
            self.places = self.standing.get();
        }
        is_due
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.standing.update(|standing| standing - 1);
    }
}

impl Guard {
    /// What stands behind, if it may be reached.
    fn inner(&self) -> capnp::Result<Client> {
        if self.around.seal.check().is_err() {
            self.inner.take();
        }
        self.inner
            .borrow()
            .clone()
            .ok_or_else(|| self.around.stale())
    }

    async fn pass(
        self: Rc<Self>,
        interface: u64,
        method: u16,
        params: Params<any_pointer::Owned>,
        mut results: Results<any_pointer::Owned>,
    ) -> capnp::Result<()> {
        let (inner, around) = (self.inner()?, &self.around);
        let asked = params.get()?;
        let size = asked.target_size()?;
        let mut request =
            inner.new_call::<any_pointer::Owned, any_pointer::Owned>(interface, method, Some(size));
        around.copy(asked, request.get(), self.way.back())?;
        drop(params);
        let answered = tokio::select! {
            biased;
            _ = around.seal.broken() => return Err(self.inner().err().unwrap_or_else(|| around.stale())),
            answered = request.send().promise => answered?,
        };
        around.copy(answered.get()?, results.get(), self.way)
    }
}

impl Server for Calls {
    fn dispatch_call(
        self,
        interface_id: u64,
        method_id: u16,
        params: Params<any_pointer::Owned>,
        results: Results<any_pointer::Owned>,
    ) -> DispatchCallResult {
        let passed = self.0.pass(interface_id, method_id, params, results);
        DispatchCallResult::new(Promise::from_future(passed), false)
    }

    fn as_ptr(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }
}

impl Deref for Calls {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.0
    }
}

impl FromClientHook for Any {
    fn new(hook: Box<dyn ClientHook>) -> Self {
        Self(hook)
    }

    fn into_client_hook(self) -> Box<dyn ClientHook> {
        self.0
    }

    fn as_client_hook(&self) -> &dyn ClientHook {
        &*self.0
    }
}

impl FromServer<Guard> for Any {
    type Dispatch = Calls;

    fn from_server(guard: Rc<Guard>) -> Calls {
        Calls(guard)
    }
}

#[cfg(test)]
mod tests {
    use vesicle_membrane::Membrane;
    use vesicle_protocol::cell_capnp::host;

    use super::*;

    /// Answers nothing.
    struct Nothing;

    impl host::Server for Nothing {}

    fn around(membrane: &Membrane) -> Around {
        Around {
            seal: membrane.seal(),
            guards: Rc::default(),
        }
    }

    fn wrapped(around: &Around) -> Client {
        let plain: host::Client = capnp_rpc::new_client(Nothing);
        around.wrap(plain.client, Way::Out)
    }

    #[test]
    fn of_guards_that_are_gone_no_more_is_kept_than_of_those_that_stand() {
        let membrane = Membrane::new("m");
        let around = around(&membrane);
        let held: Vec<_> = (0..1_000).map(|_| wrapped(&around)).collect();
        for _ in 0..100_000 {
            drop(wrapped(&around));
            assert!(around.guards.borrow().places <= 2_000);
        }
        drop(held);
        for _ in 0..1_000 {
            drop(wrapped(&around));
        }
        let guards = around.guards.borrow();
        assert_eq!(guards.standing.get(), 0);
        assert!(guards.places <= 2 * Guards::FEW);
    }

    #[test]
    fn all_guards_are_looked_through_seldom_however_many_there_are() {
        let membrane = Membrane::new("m");
        let around = around(&membrane);
        let mut held = Vec::new();
        let mut looks = 0;
        for _ in 0..100_000 {
            looks += usize::from(around.guards.borrow_mut().tidy());
            held.push(wrapped(&around));
        }
        assert_eq!(looks, 0);
        assert_eq!(around.guards.borrow().places, 100_000);
        held.truncate(10);
        for _ in 0..100_000 {
            looks += usize::from(around.guards.borrow_mut().tidy());
            drop(wrapped(&around));
        }
        // Once for the many, and then for each few of which half are gone.
        assert!((1..100_000 / Guards::FEW + 2).contains(&looks), "{looks}");
    }
}
