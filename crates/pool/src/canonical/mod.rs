//! Values in and out of a guest's memory, as the canonical ABI has them.
//!
//! The engine's own dynamic values need forty bytes for each byte of a list, and
//! its typed calls need the types when this crate is compiled. Here the types
//! are those of the component, walked when a value passes, and a list of bytes
//! passes as one.
//!
//! Invariants: [`Flat`], [`InMemory`] and [`Placed`] pass for the parameters or
//! results of a function only where it passes them in just that way. Every
//! address from a guest is checked against its memory before it is read. What is
//! wrong with a guest's value is an error that says [`Malformed`], never a panic.
//! Types are at most a hundred deep: the validator sees to it.

mod case;
mod lift;
mod lower;

use std::mem::MaybeUninit;

use vesicle_engine::Malformed;
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

/// The parameters of a guest's function that are passed in memory, for which
/// the guest's allocator gives room.
pub(crate) struct Placed(pub Vec<Value>);

/// How parameters or results are passed.
pub(crate) trait Passed: From<Vec<Value>> + Into<Vec<Value>> + Send + Sync {}

impl<const N: usize> Passed for Flat<N> {}
impl<const MOST: usize> Passed for InMemory<MOST> {}

impl Passed for Placed {}

impl From<Vec<Value>> for Placed {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl From<Placed> for Vec<Value> {
    fn from(placed: Placed) -> Self {
        placed.0
    }
}

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

/// The bits of a word of flags that stand for a flag.
fn named(count: usize, word: usize) -> u32 {
    match count.saturating_sub(32 * word) {
        0 => 0,
        rest if rest < 32 => (1 << rest) - 1,
        _ => u32::MAX,
    }
}

/// Where a value begins that comes no earlier than `at`, which moves behind it.
/// An address is less than 2^33, so nothing overflows.
fn place(abi: &CanonicalAbiInfo, at: &mut usize) -> usize {
    let begin = at.next_multiple_of(abi.align32 as usize);
    *at = begin + abi.size32 as usize;
    begin
}

fn malformed(error: wasmtime::Error) -> wasmtime::Error {
    error.context(Malformed)
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

// SAFETY: as above. A guest that calls without waiting passes in memory what
// others pass as core values, and takes results there.
unsafe impl<const N: usize> Lift for Flat<N> {
    fn linear_lift_from_flat(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        source: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        let lifted = lift::all(context, ty, Source::Flat(source.iter()));
        lifted.map(Self).map_err(malformed)
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> wasmtime::Result<Self> {
        let lifted = lift::all_at(context, ty, bytes);
        lifted.map(Self).map_err(malformed)
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
        let lowered = lower::all(context, ty, &self.0, Destination::Flat(slots.iter_mut()));
        lowered.map_err(malformed)
    }

    fn linear_lower_to_memory<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        lower::all(context, ty, &self.0, Destination::Memory(offset)).map_err(malformed)
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
        let lifted = lift::all_at(context, ty, bytes);
        lifted.map(Self).map_err(malformed)
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
        lower::all(context, ty, &self.0, Destination::Memory(offset)).map_err(malformed)
    }
}

// SAFETY: `Lower` is the one core value that is passed, an address, and
// `typecheck` lets pass only what is passed so.
unsafe impl ComponentType for Placed {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        InMemory::<FLAT_PARAMETERS>::typecheck(ty, types)
    }
}

// SAFETY: as above.
unsafe impl ComponentNamedList for Placed {}

// SAFETY: `destination` is written, or it is an error. The engine has checked
// that there is as much room as was asked for, and that it is aligned.
unsafe impl Lower for Placed {
    fn linear_lower_to_flat<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        destination: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        let lowered = lower::placed(context, ty, &self.0);
        let address = lowered.map_err(malformed)?;
        destination.write([ValRaw::u64(address as u64)]);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg("passed by its address"))
    }
}
