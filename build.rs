//! Embeds the languages: each `templates/words.CODE.yml`, so that a language is one file.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=templates");
    let templates = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("templates");
    let mut files: Vec<PathBuf> = fs::read_dir(&templates)?
        .map(|file| Ok(file?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.sort();
    let mut languages = "[\n".to_owned();
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some(code) = name.strip_prefix("words.").and_then(|name| name.strip_suffix(".yml")) {
            // Found when it is compiled: a checkout that is moved keeps its target directory.
            let path = format!("/templates/{name}");
            writeln!(
                languages,
                "({code:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),"
            )?;
        }
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("languages.rs"), languages + "]\n")?;
    Ok(())
}
