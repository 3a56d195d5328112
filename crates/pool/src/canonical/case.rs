//! The cases of variants, enums, options and results.

use wasmtime::component::__internal::wasmtime_environ::component::VariantInfo;
use wasmtime::component::__internal::{ComponentTypes, InterfaceType};

/// A case: what it carries, and how far behind the beginning in memory.
pub(super) struct Case {
    pub carries: Option<InterfaceType>,
    pub offset: usize,
}

/// How many bytes the number of a case has in memory.
pub(super) fn size(types: &ComponentTypes, ty: InterfaceType) -> usize {
    info(types, ty).map_or(0, |info| usize::from(info.size))
}

/// The case of a number.
///
/// # Errors
///
/// There is none of it.
pub(super) fn of(types: &ComponentTypes, ty: InterfaceType, number: u32) -> wasmtime::Result<Case> {
    let place = number as usize;
    let carries = match ty {
        InterfaceType::Variant(index) => {
            let case = types[index].cases.get_index(place);
            case.map(|(_, carries)| *carries)
        }
        InterfaceType::Enum(index) => (place < types[index].names.len()).then_some(None),
        InterfaceType::Option(index) => [None, Some(types[index].ty)].get(place).copied(),
        InterfaceType::Result(index) => {
            let result = &types[index];
            [result.ok, result.err].get(place).copied()
        }
        _ => None,
    };
    let offset = info(types, ty).map_or(0, |info| info.payload_offset32 as usize);
    let carries = carries
        .ok_or_else(|| wasmtime::Error::msg(format!("discriminant {number} is of no case")))?;
    Ok(Case { carries, offset })
}

fn info(types: &ComponentTypes, ty: InterfaceType) -> Option<&VariantInfo> {
    match ty {
        InterfaceType::Variant(index) => Some(&types[index].info),
        InterfaceType::Enum(index) => Some(&types[index].info),
        InterfaceType::Option(index) => Some(&types[index].info),
        InterfaceType::Result(index) => Some(&types[index].info),
        _ => None,
    }
}
