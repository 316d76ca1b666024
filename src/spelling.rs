//! What was probably meant by a name that does not exist.

/// The name in `known` that was probably meant by `name`; case counts for nothing.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = name.to_lowercase();
    let most = 1 + lower.chars().count() / 4;
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["chats", "route", "delivery"];
        assert_eq!(nearest("chat", known), Some("chats"));
        assert_eq!(nearest("Dilevery", known), Some("delivery"));
        assert_eq!(nearest("wings", known), None);
    }
}
