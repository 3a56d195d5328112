//! The names of interfaces.

use std::fmt;
use std::str::FromStr;

use semver::Version;

/// The full name of an interface: `wasi:io/streams@0.2.6`.
///
/// Names are ordered and compared in full; [`InterfaceName::track`] is what
/// two compatible versions share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    package: String,
    interface: String,
    version: Option<Version>,
}

/// A text is not the name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the name of an interface, which looks like \"namespace:package/interface@1.0.0\""
)]
pub struct BadName(String);

impl InterfaceName {
    /// Namespace and package: `wasi:io`.
    #[must_use]
    pub fn package(&self) -> &str {
        &self.package
    }

    /// The interface within the package: `streams`.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// The version of the package, where it has one.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// What all compatible versions share: `wasi:io/streams@0.2`.
    ///
    /// Compatibility is that of semantic versions: the first number that is
    /// not zero.
    #[must_use]
    pub fn track(&self) -> String {
        let Self {
            package, interface, ..
        } = self;
        match &self.version {
            None => format!("{package}/{interface}"),
            Some(v) if !v.pre.is_empty() => format!("{package}/{interface}@{v}"),
            Some(v) if v.major > 0 => format!("{package}/{interface}@{}", v.major),
            Some(v) if v.minor > 0 => format!("{package}/{interface}@0.{}", v.minor),
            Some(v) => format!("{package}/{interface}@0.0.{}", v.patch),
        }
    }
}

impl FromStr for InterfaceName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName(text.to_owned());
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(Version::parse(version).map_err(|_| bad())?)),
            None => (text, None),
        };
        let (package, interface) = path.split_once('/').ok_or_else(bad)?;
        if !package.contains(':') || interface.is_empty() {
            return Err(bad());
        }
        Ok(Self {
            package: package.to_owned(),
            interface: interface.to_owned(),
            version,
        })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.package, self.interface)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(text: &str) -> String {
        text.parse::<InterfaceName>().unwrap().track()
    }

    #[test]
    fn compatible_versions_share_a_track() {
        assert_eq!(
            track("wasi:io/streams@0.2.0"),
            track("wasi:io/streams@0.2.12")
        );
        assert_ne!(
            track("wasi:io/streams@0.2.0"),
            track("wasi:io/streams@0.3.0")
        );
        assert_eq!(track("a:b/c@1.2.3"), "a:b/c@1");
        assert_eq!(track("a:b/c@0.0.3"), "a:b/c@0.0.3");
        assert_eq!(track("a:b/c"), "a:b/c");
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for text in [
            "",
            "wasi",
            "wasi:io",
            "io/streams",
            "wasi:io/",
            "wasi:io/x@latest",
        ] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text}");
        }
    }
}
