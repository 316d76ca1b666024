//! What fuzzing once found, tried again: the checks of `fuzz/` on the inputs of
//! `tests/corpus/fuzz`.

use std::path::Path;

#[path = "../../fuzz/checks.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/fuzz").join(target);
    let files: Vec<_> =
        std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        check(&std::fs::read(file).unwrap());
    }
}

#[test]
fn every_body_of_the_corpus_becomes_messages_within_the_limits() {
    replay("payload", checks::payload);
}

#[test]
fn every_template_of_the_corpus_renders_or_is_replaced() {
    replay("template", checks::template);
}

#[test]
fn all_markup_of_the_corpus_is_the_same_when_written_and_read_again() {
    replay("markup", checks::markup);
}
