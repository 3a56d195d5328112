//! Into a guest: to core values and memory.
//!
//! Invariants: a value that is not of the type that is wanted is an error; what
//! a guest's allocator returns has been checked by the engine before anything is
//! written there.

use std::mem::MaybeUninit;
use std::slice::IterMut;

use wasmtime::component::__internal::wasmtime_environ::component::CanonicalAbiInfo;
use wasmtime::component::__internal::{InterfaceType, LowerContext};
use wasmtime::component::{Lower, ResourceDynamic};
use wasmtime::{Result, ValRaw};

use super::{Case, case, fields, length, named, place};
use crate::Value;
use crate::resource::Handle;

/// Where the next value goes.
pub(super) enum Destination<'a> {
    /// Core values.
    Flat(IterMut<'a, MaybeUninit<ValRaw>>),
    /// An address in the guest's memory, with room for all that follows.
    Memory(usize),
}

impl Destination<'_> {
    /// Writes a core value, or a number of some bytes.
    fn put<T>(&mut self, context: &mut LowerContext<'_, T>, bits: u64, size: usize) -> Result<()> {
        match self {
            Self::Flat(values) => {
                let next = values.next();
                next.ok_or_else(|| wrong("too many core values"))?
                    .write(ValRaw::u64(bits));
            }
            Self::Memory(at) => {
                let room = context.as_slice_mut().get_mut(*at..*at + size);
                let room = room.ok_or_else(|| wrong("pointer out of bounds of memory"))?;
                let bytes = bits.to_le_bytes();
                let bytes = bytes.get(..size);
                room.copy_from_slice(bytes.ok_or_else(|| wrong("more than a core value"))?);
                *at += size;
            }
        }
        Ok(())
    }

    /// Where the parts of a value go, of which this says where it goes itself.
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

fn other(wanted: &str, found: &Value) -> wasmtime::Error {
    wasmtime::Error::msg(format!("wants {wanted}, found {}", found.word()))
}

/// All parameters, or results.
pub(super) fn all<T>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    values: &[Value],
    mut destination: Destination<'_>,
) -> Result<()> {
    let fields = fields(context.types, ty)?;
    if fields.len() != values.len() {
        let (wanted, found) = (fields.len(), values.len());
        let told = format!("wants {wanted} values, found {found}");
        return Err(wasmtime::Error::msg(told));
    }
    for (ty, item) in fields.zip(values) {
        value(context, ty, item, &mut destination)?;
    }
    Ok(())
}

/// All parameters, where the guest's allocator puts them.
pub(super) fn placed<T>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    values: &[Value],
) -> Result<usize> {
    let abi = context.types.canonical_abi(&ty);
    let address = context.realloc(0, 0, abi.align32, abi.size32 as usize)?;
    all(context, ty, values, Destination::Memory(address))?;
    Ok(address)
}

fn value<T>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    value: &Value,
    destination: &mut Destination<'_>,
) -> Result<()> {
    match destination.inside(context.types.canonical_abi(&ty)) {
        Some(mut inside) => parts(context, ty, value, &mut inside),
        None => parts(context, ty, value, destination),
    }
}

fn parts<T>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    found: &Value,
    destination: &mut Destination<'_>,
) -> Result<()> {
    let types = context.types;
    let abi = types.canonical_abi(&ty);
    match (ty, found) {
        (InterfaceType::String, Value::String(text)) => {
            let pair = pair(context, ty, text.as_str())?;
            put_pair(context, pair, destination)
        }
        (InterfaceType::List(index), found) => {
            let pair = list(context, ty, types[index].element, found)?;
            put_pair(context, pair, destination)
        }
        (InterfaceType::Record(_) | InterfaceType::Tuple(_), Value::Record(values)) => {
            sequence(context, fields(types, ty)?, values, destination)
        }
        (InterfaceType::FixedLengthList(index), Value::List(values)) => {
            let list = &types[index];
            let elements = (0..list.size as usize).map(|_| list.element);
            sequence(context, elements, values, destination)
        }
        (InterfaceType::Flags(index), Value::Flags(words)) => {
            let ((count, size), flags) = (length(abi), types[index].names.len());
            if words.len() != count {
                return Err(other("flags of another length", found));
            }
            for (at, word) in words.iter().enumerate() {
                if word & !named(flags, at) != 0 {
                    return Err(other("flags that have a name", found));
                }
                destination.put(context, u64::from(*word), size)?;
            }
            Ok(())
        }
        (
            InterfaceType::Variant(_)
            | InterfaceType::Enum(_)
            | InterfaceType::Option(_)
            | InterfaceType::Result(_),
            found,
        ) => variant(context, ty, found, destination),
        (InterfaceType::Own(_), Value::Own(resource))
        | (InterfaceType::Borrow(_), Value::Borrow(resource)) => {
            let mut slot = MaybeUninit::uninit();
            match resource.handle()? {
                Handle::Exported(any) => any.linear_lower_to_flat(context, ty, &mut slot)?,
                Handle::Imported { index, kind } => {
                    let imported = match ty {
                        InterfaceType::Own(_) => ResourceDynamic::new_own(index, kind),
                        _ => ResourceDynamic::new_borrow(index, kind),
                    };
                    imported.linear_lower_to_flat(context, ty, &mut slot)?;
                }
            }
            // SAFETY: lowering has written it.
            let raw: ValRaw = unsafe { slot.assume_init() };
            destination.put(context, u64::from(raw.get_u32()), 4)
        }
        (ty, found) => {
            let bits = scalar(ty, found)?;
            destination.put(context, bits, abi.size32 as usize)
        }
    }
}

/// A scalar as the bits of its core value; those of a narrow one that has a
/// sign are extended to four bytes.
fn scalar(ty: InterfaceType, found: &Value) -> Result<u64> {
    let signed = |number: i32| u64::from(number.cast_unsigned());
    Ok(match (ty, found) {
        (InterfaceType::Bool, Value::Bool(it)) => u64::from(*it),
        (InterfaceType::U8, Value::U8(it)) => u64::from(*it),
        (InterfaceType::U16, Value::U16(it)) => u64::from(*it),
        (InterfaceType::U32, Value::U32(it)) => u64::from(*it),
        (InterfaceType::U64, Value::U64(it)) => *it,
        (InterfaceType::S8, Value::S8(it)) => signed(i32::from(*it)),
        (InterfaceType::S16, Value::S16(it)) => signed(i32::from(*it)),
        (InterfaceType::S32, Value::S32(it)) => signed(*it),
        (InterfaceType::S64, Value::S64(it)) => it.cast_unsigned(),
        (InterfaceType::Float32, Value::F32(it)) => u64::from(it.to_bits()),
        (InterfaceType::Float64, Value::F64(it)) => it.to_bits(),
        (InterfaceType::Char, Value::Char(it)) => u64::from(u32::from(*it)),
        _ => return Err(other(&format!("{ty:?}"), found)),
    })
}

/// Writes a string or the like, and gives its address and length.
fn pair<T, V: Lower<Lower = [ValRaw; 2]> + ?Sized>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    text: &V,
) -> Result<[u32; 2]> {
    let mut slots = MaybeUninit::uninit();
    text.linear_lower_to_flat(context, ty, &mut slots)?;
    // SAFETY: lowering has written both.
    let [address, length] = unsafe { slots.assume_init() };
    Ok([address.get_u32(), length.get_u32()])
}

fn put_pair<T>(
    context: &mut LowerContext<'_, T>,
    pair: [u32; 2],
    destination: &mut Destination<'_>,
) -> Result<()> {
    for word in pair {
        destination.put(context, u64::from(word), 4)?;
    }
    Ok(())
}

fn list<T>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    element: InterfaceType,
    found: &Value,
) -> Result<[u32; 2]> {
    let items = match found {
        Value::Bytes(bytes) if element == InterfaceType::U8 => {
            return pair(context, ty, bytes.as_slice());
        }
        Value::List(items) if element != InterfaceType::U8 => items,
        _ => return Err(other("a list", found)),
    };
    let abi = context.types.canonical_abi(&element);
    let size = items.len().checked_mul(abi.size32 as usize);
    let size = size.ok_or_else(|| wrong("a list larger than memory"))?;
    let address = context.realloc(0, 0, abi.align32, size)?;
    let mut destination = Destination::Memory(address);
    for item in items {
        value(context, element, item, &mut destination)?;
    }
    let number = |it| u32::try_from(it).map_err(|_| wrong("a list larger than memory"));
    Ok([number(address)?, number(items.len())?])
}

fn sequence<T>(
    context: &mut LowerContext<'_, T>,
    types: impl ExactSizeIterator<Item = InterfaceType>,
    values: &[Value],
    destination: &mut Destination<'_>,
) -> Result<()> {
    if types.len() != values.len() {
        return Err(wrong("a record with another number of fields"));
    }
    for (ty, item) in types.zip(values) {
        value(context, ty, item, destination)?;
    }
    Ok(())
}

fn variant<T>(
    context: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    found: &Value,
    destination: &mut Destination<'_>,
) -> Result<()> {
    let types = context.types;
    let (number, carried) = match (ty, found) {
        (InterfaceType::Option(_), Value::Option(carried)) => {
            (u32::from(carried.is_some()), carried)
        }
        (InterfaceType::Result(_), Value::Result(Ok(carried))) => (0, carried),
        (InterfaceType::Result(_), Value::Result(Err(carried))) => (1, carried),
        (InterfaceType::Variant(_) | InterfaceType::Enum(_), Value::Variant(number, carried)) => {
            (*number, carried)
        }
        _ => return Err(other("a variant of another kind", found)),
    };
    let Case { carries, offset } = case::of(types, ty, number)?;
    let begin = match destination {
        Destination::Memory(at) => *at,
        Destination::Flat(_) => 0,
    };
    destination.put(context, u64::from(number), case::size(types, ty))?;
    if let Destination::Memory(at) = destination {
        *at = begin + offset;
    }
    let mut used = 1;
    match (carries, carried) {
        (None, None) => {}
        (Some(ty), Some(item)) => {
            used += types.canonical_abi(&ty).flat_count(usize::MAX).unwrap_or(0);
            value(context, ty, item, destination)?;
        }
        _ => return Err(other("another case", found)),
    }
    if let Destination::Flat(values) = destination {
        let all = types.canonical_abi(&ty).flat_count(usize::MAX).unwrap_or(0);
        for slot in values.by_ref().take(all.saturating_sub(used)) {
            slot.write(ValRaw::u64(0));
        }
    }
    Ok(())
}
