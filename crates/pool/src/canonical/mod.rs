//! Values in and out of a guest's memory, as the canonical ABI has them.
//!
//! The engine's own dynamic values need forty bytes for each byte of a list, and
//! its typed calls need the types when this crate is compiled. Here the types
//! are those of the component, walked when a value passes, and a list of bytes
//! passes as one.
//!
//! Invariants: [`Flat`] and [`InMemory`] pass for the parameters or results of a
//! function only where it passes them in just that way. Every address from a
//! guest is checked against its memory before it is read.

mod case;
mod lift;
mod lower;

use std::mem::MaybeUninit;

use wasmtime::ValRaw;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};

use case::Case;
use lift::Source;
use lower::Destination;

use crate::Value;

/// How many core values are passed as such; more parameters are in memory.
pub(crate) const FLAT_PARAMETERS: usize = 16;
/// The same for results.
pub(crate) const FLAT_RESULTS: usize = 1;

/// The parameters or results of a function that are passed as `N` core values.
pub(crate) struct Flat<const N: usize>(pub Vec<Value>);

/// The parameters or results of a function that are passed in memory, since
/// they are more than `MOST` core values.
pub(crate) struct InMemory<const MOST: usize>(pub Vec<Value>);

/// How parameters or results are passed.
pub(crate) trait Passed: From<Vec<Value>> + Into<Vec<Value>> + Send + Sync {}

impl<const N: usize> Passed for Flat<N> {}
impl<const MOST: usize> Passed for InMemory<MOST> {}

impl<const N: usize> From<Vec<Value>> for Flat<N> {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl<const N: usize> From<Flat<N>> for Vec<Value> {
    fn from(flat: Flat<N>) -> Self {
        flat.0
    }
}

impl<const MOST: usize> From<Vec<Value>> for InMemory<MOST> {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl<const MOST: usize> From<InMemory<MOST>> for Vec<Value> {
    fn from(memory: InMemory<MOST>) -> Self {
        memory.0
    }
}

/// Chooses the code for a number of core values that parameters have.
macro_rules! parameters {
    ($count:expr, $n:ident => $flat:expr, _ => $more:expr) => {
        parameters!(@ $count, $n, $flat, $more,
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    (@ $count:expr, $n:ident, $flat:expr, $more:expr, $($number:literal)*) => {
        match $count {
            $($number => {
                const $n: usize = $number;
                $flat
            })*
            _ => $more,
        }
    };
}
pub(crate) use parameters;

/// The number of core values of all parameters or results, if it is known.
fn count(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<Option<usize>> {
    match ty {
        InterfaceType::Tuple(index) => Ok(types.types[*index].abi.flat_count(FLAT_PARAMETERS)),
        _ => Err(wasmtime::Error::msg("neither parameters nor results")),
    }
}

/// The types of all parameters, of all results, or of the fields of a record.
fn fields(
    types: &ComponentTypes,
    ty: InterfaceType,
) -> wasmtime::Result<impl ExactSizeIterator<Item = InterfaceType>> {
    let count = match ty {
        InterfaceType::Tuple(index) => types[index].types.len(),
        InterfaceType::Record(index) => types[index].fields.len(),
        _ => return Err(wasmtime::Error::msg("neither a record nor a tuple")),
    };
    Ok((0..count).map(move |at| match ty {
        InterfaceType::Tuple(index) => types[index].types[at],
        InterfaceType::Record(index) => types[index].fields[at].ty,
        other => other,
    }))
}

/// How many words flags have, and how many bytes each has in memory.
fn length(abi: &CanonicalAbiInfo) -> (usize, usize) {
    let size = abi.size32 as usize;
    (size.div_ceil(4), size.min(4))
}

// SAFETY: `Lower` is a list of `ValRaw`, and `typecheck` lets pass only what is
// as many core values.
unsafe impl<const N: usize> ComponentType for Flat<N> {
    type Lower = [ValRaw; N];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        match count(ty, types)? {
            Some(count) if count == N => Ok(()),
            count => Err(wasmtime::Error::msg(format!(
                "{count:?} core values where {N} are wanted"
            ))),
        }
    }
}

// SAFETY: as above.
unsafe impl<const N: usize> ComponentNamedList for Flat<N> {}

// SAFETY: as above. What is passed as core values is never in memory.
unsafe impl<const N: usize> Lift for Flat<N> {
    fn linear_lift_from_flat(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        source: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        lift::all(context, ty, Source::Flat(source.iter())).map(Self)
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        lift::all_at(context, ty, bytes).map(Self)
    }
}

// SAFETY: every element of `destination` is written, or it is an error.
unsafe impl<const N: usize> Lower for Flat<N> {
    fn linear_lower_to_flat<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        destination: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        // SAFETY: an array of what may be uninitialised may be uninitialised.
        let slots = unsafe { &mut *destination.as_mut_ptr().cast::<[MaybeUninit<ValRaw>; N]>() };
        lower::all(context, ty, &self.0, Destination::Flat(slots.iter_mut()))
    }

    fn linear_lower_to_memory<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        lower::all(context, ty, &self.0, Destination::Memory(offset))
    }
}

// SAFETY: `Lower` stands for more core values than may be passed as such, and
// is never used. The size is nothing: whoever is handed a piece of memory takes
// its address from it, and checks what is there against all of the memory.
unsafe impl<const MOST: usize> ComponentType for InMemory<MOST> {
    type Lower = [ValRaw; FLAT_PARAMETERS + 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        match count(ty, types)? {
            Some(count) if count <= MOST => Err(wasmtime::Error::msg(format!(
                "{count} core values are not passed in memory"
            ))),
            _ => Ok(()),
        }
    }
}

// SAFETY: as above.
unsafe impl<const MOST: usize> ComponentNamedList for InMemory<MOST> {}

// SAFETY: as above.
unsafe impl<const MOST: usize> Lift for InMemory<MOST> {
    fn linear_lift_from_flat(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        Err(wasmtime::Error::msg("passed in memory"))
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        lift::all_at(context, ty, bytes).map(Self)
    }
}

// SAFETY: as above; nothing is ever written to core values.
unsafe impl<const MOST: usize> Lower for InMemory<MOST> {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg("passed in memory"))
    }

    fn linear_lower_to_memory<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        lower::all(context, ty, &self.0, Destination::Memory(offset))
    }
}
