//! Out of a guest: from core values and memory.
//!
//! Invariants: nothing is read beyond the memory, whatever a guest has put
//! there; what is copied out counts against the engine's limit for one call
//! before the host has room for it. Bits of flags that have no name are left.

use std::slice::Iter;

use wasmtime::component::__internal::wasmtime_environ::component::CanonicalAbiInfo;
use wasmtime::component::__internal::{InterfaceType, LiftContext};
use wasmtime::component::{ComponentType as _, Lift, ResourceAny, ResourceDynamic};
use wasmtime::{Result, ValRaw};

use super::{Case, case, fields, length, named, place};
use crate::{Resource, Value};

/// Where the next value is.
pub(super) enum Source<'a> {
    /// Core values.
    Flat(Iter<'a, ValRaw>),
    /// An address in the guest's memory.
    Memory(usize),
}

impl Source<'_> {
    /// The next core value, or a number of some bytes as one.
    fn raw(&mut self, context: &LiftContext<'_>, size: usize) -> Result<ValRaw> {
        match self {
            Self::Flat(values) => {
                let next = values.next();
                next.copied().ok_or_else(|| wrong("too few core values"))
            }
            Self::Memory(at) => {
                let bytes = within(context, *at, size)?;
                *at += size;
                let mut word = [0; 8];
                let part = word.get_mut(..size);
                part.ok_or_else(|| wrong("more than a core value"))?
                    .copy_from_slice(bytes);
                Ok(ValRaw::u64(u64::from_le_bytes(word)))
            }
        }
    }

    /// Where the parts of a value are, of which this says where it is itself.
    fn inside(&mut self, abi: &CanonicalAbiInfo) -> Option<Self> {
        match self {
            Self::Flat(_) => None,
            Self::Memory(at) => Some(Self::Memory(place(abi, at))),
        }
    }
}

fn wrong(what: &'static str) -> wasmtime::Error {
    wasmtime::Error::msg(what)
}

/// Some bytes of the memory.
fn within<'a>(context: &LiftContext<'a>, offset: usize, size: usize) -> Result<&'a [u8]> {
    let end = offset.checked_add(size);
    let found = end.and_then(|end| context.memory().get(offset..end));
    found.ok_or_else(|| wrong("pointer out of bounds of memory"))
}

/// All parameters, or results.
pub(super) fn all(
    context: &mut LiftContext<'_>,
    ty: InterfaceType,
    mut source: Source<'_>,
) -> Result<Vec<Value>> {
    let types = context.types;
    if let Source::Memory(at) = source {
        let abi = types.canonical_abi(&ty);
        if !at.is_multiple_of(abi.align32 as usize) {
            return Err(wrong("pointer not aligned"));
        }
        within(context, at, abi.size32 as usize)?;
    }
    sequence(context, fields(types, ty)?, &mut source)
}

/// Values that follow one another. There is room for just as many.
fn sequence(
    context: &mut LiftContext<'_>,
    types: impl ExactSizeIterator<Item = InterfaceType>,
    source: &mut Source<'_>,
) -> Result<Vec<Value>> {
    context.consume_fuel_array(types.len(), size_of::<Value>())?;
    let mut values = Vec::with_capacity(types.len());
    for ty in types {
        values.push(value(context, ty, source)?);
    }
    Ok(values)
}

/// All parameters, or results, in memory that begins where some bytes do.
pub(super) fn all_at(
    context: &mut LiftContext<'_>,
    ty: InterfaceType,
    place: &[u8],
) -> Result<Vec<Value>> {
    let begin = context.memory().as_ptr() as usize;
    let Some(at) = (place.as_ptr() as usize).checked_sub(begin) else {
        return Err(wrong("not of this memory"));
    };
    all(context, ty, Source::Memory(at))
}

fn value(
    context: &mut LiftContext<'_>,
    ty: InterfaceType,
    source: &mut Source<'_>,
) -> Result<Value> {
    match source.inside(context.types.canonical_abi(&ty)) {
        Some(mut inside) => parts(context, ty, &mut inside),
        None => parts(context, ty, source),
    }
}

fn parts(
    context: &mut LiftContext<'_>,
    ty: InterfaceType,
    source: &mut Source<'_>,
) -> Result<Value> {
    let types = context.types;
    let abi = types.canonical_abi(&ty);
    Ok(match ty {
        InterfaceType::String => {
            let pair = [source.raw(context, 4)?, source.raw(context, 4)?];
            Value::String(String::linear_lift_from_flat(context, ty, &pair)?)
        }
        InterfaceType::List(index) => list(context, types[index].element, source)?,
        InterfaceType::Record(_) | InterfaceType::Tuple(_) => {
            Value::Record(sequence(context, fields(types, ty)?, source)?)
        }
        InterfaceType::FixedLengthList(index) => {
            let (element, count) = (types[index].element, types[index].size as usize);
            let elements = (0..count).map(|_| element);
            Value::List(sequence(context, elements, source)?)
        }
        InterfaceType::Flags(index) => {
            let ((count, size), flags) = (length(abi), types[index].names.len());
            context.consume_fuel_array(count, size_of::<u32>())?;
            let word = |at| Ok(source.raw(context, size)?.get_u32() & named(flags, at));
            Value::Flags((0..count).map(word).collect::<Result<_>>()?)
        }
        InterfaceType::Variant(_)
        | InterfaceType::Enum(_)
        | InterfaceType::Option(_)
        | InterfaceType::Result(_) => variant(context, ty, source)?,
        InterfaceType::Own(_) => Value::Own(resource(context, ty, source)?),
        InterfaceType::Borrow(_) => Value::Borrow(resource(context, ty, source)?),
        _ => {
            let raw = source.raw(context, abi.size32 as usize)?;
            scalar(context, ty, &raw)?
        }
    })
}

fn scalar(context: &mut LiftContext<'_>, ty: InterfaceType, raw: &ValRaw) -> Result<Value> {
    fn of<T: Lift<Lower = ValRaw> + Into<Value>>(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        raw: &ValRaw,
    ) -> Result<Value> {
        T::linear_lift_from_flat(context, ty, raw).map(Into::into)
    }
    match ty {
        InterfaceType::Bool => of::<bool>(context, ty, raw),
        InterfaceType::U8 => of::<u8>(context, ty, raw),
        InterfaceType::U16 => of::<u16>(context, ty, raw),
        InterfaceType::U32 => of::<u32>(context, ty, raw),
        InterfaceType::U64 => of::<u64>(context, ty, raw),
        InterfaceType::S8 => of::<i8>(context, ty, raw),
        InterfaceType::S16 => of::<i16>(context, ty, raw),
        InterfaceType::S32 => of::<i32>(context, ty, raw),
        InterfaceType::S64 => of::<i64>(context, ty, raw),
        InterfaceType::Float32 => of::<f32>(context, ty, raw),
        InterfaceType::Float64 => of::<f64>(context, ty, raw),
        InterfaceType::Char => of::<char>(context, ty, raw),
        _ => Err(wrong("what cannot leave its store")),
    }
}

/// A list; of bytes in one piece.
fn list(
    context: &mut LiftContext<'_>,
    element: InterfaceType,
    source: &mut Source<'_>,
) -> Result<Value> {
    let address = source.raw(context, 4)?.get_u32() as usize;
    let count = source.raw(context, 4)?.get_u32() as usize;
    let abi = context.types.canonical_abi(&element);
    let size = count.checked_mul(abi.size32 as usize);
    let size = size.ok_or_else(|| wrong("a list larger than memory"))?;
    let bytes = within(context, address, size)?;
    if !address.is_multiple_of(abi.align32 as usize) {
        return Err(wrong("list pointer is not aligned"));
    }
    if element == InterfaceType::U8 {
        context.consume_fuel(size)?;
        return Ok(Value::Bytes(bytes.to_vec()));
    }
    let elements = (0..count).map(|_| element);
    Ok(Value::List(sequence(
        context,
        elements,
        &mut Source::Memory(address),
    )?))
}

fn variant(
    context: &mut LiftContext<'_>,
    ty: InterfaceType,
    source: &mut Source<'_>,
) -> Result<Value> {
    let types = context.types;
    let (begin, size) = match (&*source, case::size(types, ty)) {
        (Source::Memory(at), size) => (*at, size),
        (Source::Flat(_), size) => (0, size),
    };
    let number = source.raw(context, size)?.get_u32();
    let Case { carries, offset } = case::of(types, ty, number)?;
    if let Source::Memory(at) = source {
        *at = begin + offset;
    }
    let mut used = 1;
    let carried = match carries {
        None => None,
        Some(ty) => {
            context.consume_fuel(size_of::<Value>())?;
            used += types.canonical_abi(&ty).flat_count(usize::MAX).unwrap_or(0);
            Some(Box::new(value(context, ty, source)?))
        }
    };
    if let Source::Flat(values) = source {
        let all = types.canonical_abi(&ty).flat_count(usize::MAX).unwrap_or(0);
        values
            .by_ref()
            .take(all.saturating_sub(used))
            .for_each(drop);
    }
    Ok(match (ty, number) {
        (InterfaceType::Option(_), _) => Value::Option(carried),
        (InterfaceType::Result(_), 0) => Value::Result(Ok(carried)),
        (InterfaceType::Result(_), _) => Value::Result(Err(carried)),
        _ => Value::Variant(number, carried),
    })
}

fn resource(
    context: &mut LiftContext<'_>,
    ty: InterfaceType,
    source: &mut Source<'_>,
) -> Result<Resource> {
    let raw = source.raw(context, 4)?;
    if ResourceDynamic::typecheck(&ty, &context.instance_type()).is_ok() {
        let found = ResourceDynamic::linear_lift_from_flat(context, ty, &raw)?;
        return Ok(Resource::imported(found.rep(), found.ty()));
    }
    // Then it is the guest's own.
    ResourceAny::linear_lift_from_flat(context, ty, &raw).map(Resource::exported)
}
