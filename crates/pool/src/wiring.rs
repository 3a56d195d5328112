//! What must hold before an import is wired to what a token stands for.

use std::collections::HashMap;

use crate::{App, Error, Interface, InterfaceName, Resident, Result, Structure, Token};

/// Whether what a metered app calls is metered too, so that nothing it has done
/// for it is free.
///
/// # Errors
///
/// [`Error::Unmetered`].
pub(crate) fn is_paid_for(app: &App, token: &Token) -> Result<()> {
    match token.provider.resident() {
        Some(resident) if app.is_metered() && !resident.is_metered() => Err(Error::Unmetered {
            app: app.name().to_owned(),
            provider: resident.name().to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Whether all that an app calls can be called where it is answered.
///
/// # Errors
///
/// [`Error::Stuck`].
pub(crate) fn crosses(app: &str, name: &str, structure: &Structure, token: &Token) -> Result<()> {
    let Some(resident) = token.provider.resident() else {
        return Ok(());
    };
    match structure.stuck() {
        None => Ok(()),
        Some((function, what)) => Err(Error::Stuck {
            app: app.into(),
            provider: resident.name().into(),
            interface: name.into(),
            function: function.into(),
            what: what.into(),
        }),
    }
}

/// Whether what is provided has all that is wanted, of the same types.
///
/// # Errors
///
/// [`Error::Mismatch`].
pub(crate) fn fits(app: &str, name: &str, wanted: &Structure, provided: &Interface) -> Result<()> {
    let Some(difference) = provided
        .structure
        .as_ref()
        .and_then(|found| wanted.missing_from(found))
    else {
        return Ok(());
    };
    Err(Error::Mismatch {
        app: app.to_owned(),
        interface: name.to_owned(),
        difference: Box::new(difference),
    })
}

/// Where the resources that an app is given are at home.
#[derive(Default)]
pub(crate) struct Homes(HashMap<(String, String), Resident>);

impl Homes {
    /// Adds those of one more import.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] for a resource of the host's, [`Error::Split`] where
    /// another import has the same resource from elsewhere.
    pub fn add(
        &mut self,
        app: &str,
        import: &str,
        structure: &Structure,
        token: &Token,
    ) -> Result<()> {
        let Some(provider) = token.provider.resident() else {
            return Ok(());
        };
        let here: InterfaceName = import.parse()?;
        for (name, definition) in structure.resources() {
            let (interface, original) = definition.of(&here, name);
            let home = provider.home_of(&interface).ok_or_else(|| Error::Stuck {
                app: app.into(),
                provider: provider.name().into(),
                interface: import.into(),
                function: format!("resource {name}").into(),
                what: format!("{original} of {interface}, which is the host's").into(),
            })?;
            let key = (interface.clone(), original.to_owned());
            let known = self.0.entry(key).or_insert_with(|| home.clone());
            if !known.is(&home) {
                return Err(Error::Split {
                    app: app.into(),
                    resource: format!("{original} of {interface}").into(),
                    one: known.name().into(),
                    other: home.name().into(),
                });
            }
        }
        Ok(())
    }
}
