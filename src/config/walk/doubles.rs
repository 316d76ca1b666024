//! Keys that are given twice in one map.

use std::collections::HashMap;

use super::{At, Walk, is_plain_name};
use crate::config::yaml::{Entry, Value};

impl Walk<'_> {
    /// Reports every further entry of a key; a key that must not be shown without its name.
    pub(crate) fn doubles(
        &mut self,
        at: &At<'_>,
        entries: &[Entry],
        may_show: impl Fn(&str) -> bool,
    ) {
        let mut firsts = HashMap::with_capacity(entries.len());
        for entry in entries {
            let first = *firsts.entry(entry.key.as_str()).or_insert(entry);
            if std::ptr::eq(first, entry) {
                continue;
            }
            let place = at.place.under(&entry.key, entry.line);
            let remedy = format!("keep one of them; the first is in line {}", first.line);
            if may_show(&entry.key) {
                self.fault(&place, "is given twice", remedy);
            } else {
                let place = super::Place { path: at.place.path.clone(), ..place };
                self.fault(&place, "gives a key twice (not shown, it may be a secret)", remedy);
            }
        }
    }

    /// As [`Self::doubles`], for a value whose keys are anybody's, and for all that is in it.
    pub(crate) fn doubles_below(&mut self, at: &At<'_>) {
        match at.value {
            Value::Map(entries) => {
                self.doubles(at, entries, is_plain_name);
                for entry in entries {
                    let place = at.place.under(&entry.key, entry.line);
                    self.doubles_below(&At { place, value: &entry.node.value });
                }
            }
            Value::List(_) => self.list(at).iter().for_each(|item| self.doubles_below(item)),
            _ => {}
        }
    }
}
