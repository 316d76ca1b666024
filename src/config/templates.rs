//! `templates:` the files of the operator's own templates, found by patterns and read.

use std::path::{Path, PathBuf};

use crate::rendering::Language;

use super::fault::shown;
use super::walk::{At, Walk};

/// The template that is built in.
pub const BUILT_IN: &str = "default";

/// A template that the operator wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFile {
    /// What a route calls it: the file's name without `.hbs` and language.
    pub name: String,
    /// From a name like `card.ru.hbs`; `None` speaks to every language.
    pub language: Option<Language>,
    pub text: String,
    pub path: PathBuf,
}

/// Reads every file that the patterns find, each once, in the order of their paths.
pub(crate) fn read(at: &At<'_>, walk: &mut Walk<'_>) -> Vec<TemplateFile> {
    let mut files: Vec<TemplateFile> = Vec::new();
    for (place, pattern) in walk.texts(at) {
        let absolute = walk.base.join(pattern);
        let paths = match glob::glob(&absolute.to_string_lossy()) {
            Ok(paths) => paths,
            Err(error) => {
                let problem = format!("is no file pattern: {}", error.msg);
                walk.fault(&place, problem, "write it like templates/*.hbs");
                continue;
            }
        };
        let mut found = false;
        for path in paths {
            found = true;
            let read = path.map_err(|error| (error.path().to_owned(), error.to_string()));
            let read = read.and_then(|path| match std::fs::read_to_string(&path) {
                Ok(text) => Ok((path, text)),
                Err(error) => Err((path, error.to_string())),
            });
            match read {
                Ok((path, _)) if files.iter().any(|known| known.path == path) => {}
                Ok((path, text)) => {
                    let (name, language) = name_and_language(&path);
                    let twin = files.iter().find(|t| t.name == name && t.language == language);
                    if let Some(twin) = twin {
                        let problem = format!(
                            "{} and {} are the same template",
                            twin.path.display(),
                            path.display()
                        );
                        walk.fault(&place, problem, "rename or remove one of them");
                    } else {
                        files.push(TemplateFile { name, language, text, path });
                    }
                }
                Err((path, error)) => {
                    let problem = format!("{} cannot be read: {error}", path.display());
                    walk.fault(&place, problem, "check the file and who may read it");
                }
            }
        }
        if !found {
            let problem = format!("{} finds no file", shown(&absolute.to_string_lossy()));
            walk.warn(&place, problem, "check the path, or leave the pattern out");
        }
    }
    files
}

/// `card.ru.hbs` is the Russian `card`; `my.card.hbs` is `my.card` in every language.
fn name_and_language(path: &Path) -> (String, Option<Language>) {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.strip_suffix(".hbs").unwrap_or(&file);
    if let Some((stem, suffix)) = name.rsplit_once('.')
        && let Some(language) = Language::from_code(suffix)
    {
        return (stem.to_owned(), Some(language));
    }
    (name.to_owned(), None)
}
