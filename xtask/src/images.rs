//! Lays out the images that ship: which command is which file of which image.

use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::guests::Components;

/// Each image, with its files and the commands that they are.
const IMAGES: [(&str, &[(&str, &str)]); 1] = [(
    "pid0",
    &[
        ("bin/main.wasm", "pid0"),
        ("usr/lib/child-echo.wasm", "child-echo"),
    ],
)];

/// Lays them out in a folder that holds nothing else.
pub fn lay(commands: &Components, folder: &Path) -> Result<()> {
    files::remove_folder(folder)?;
    for (image, parts) in IMAGES {
        for (path, command) in parts {
            let built = commands.get(*command).ok_or_else(|| {
                Error::unmet(format!(
                    "the image {image} needs {command}, which is no component"
                ))
            })?;
            let file = folder.join(image).join(path);
            files::make_folder(file.parent().unwrap_or(folder))?;
            files::copy(built, &file)?;
        }
    }
    Ok(())
}
