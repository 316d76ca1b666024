//! How notifications, cards and refused bodies stand in a column.
//!
//! MessagePack with field names, so that a later nabat can add and leave out fields, squeezed by
//! LZ4: label names and URLs repeat from alert to alert, and what is not written need not be
//! flushed. A body of 4 KiB then fits into a database page beside others.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outbox::contract::StoreError;

/// Bytes that a group of a few alerts takes before it is squeezed.
const USUAL: usize = 8 << 10;
/// Stands first. The first schema's JSON begins with a brace and is still read.
const PACKED: u8 = 1;
const JSON: u8 = b'{';
/// Behind it: the length before squeezing, 4 bytes, little end first.
const HEAD: usize = 5;
/// No value of ours comes near it: a damaged length must not ask for all memory there is.
const LONGEST: usize = 1 << 30;

/// A value as it stands in a column.
///
/// # Errors
/// When the value can't be written, which none of ours is known to do.
pub(super) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut plain = Vec::with_capacity(USUAL);
    rmp_serde::encode::write_named(&mut plain, value)
        .map_err(|error| StoreError::Commit(error.to_string()))?;
    let length = u32::try_from(plain.len())
        .ok()
        .filter(|length| (*length as usize) < LONGEST)
        .ok_or_else(|| StoreError::Commit("a value is too long for the store".into()))?;
    let most = lz4_flex::block::get_maximum_output_size(plain.len());
    let mut packed = vec![0; HEAD + most];
    packed[0] = PACKED;
    packed[1..HEAD].copy_from_slice(&length.to_le_bytes());
    let squeezed = lz4_flex::block::compress_into(&plain, &mut packed[HEAD..])
        .map_err(|error| StoreError::Commit(error.to_string()))?;
    packed.truncate(HEAD + squeezed);
    Ok(packed)
}

/// The value that stands in a column.
///
/// # Errors
/// When the column is damaged, or was written by something else.
pub(super) fn unpack<T: DeserializeOwned>(column: &[u8]) -> Result<T, StoreError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        StoreError::Commit(format!("a stored row does not read: {why}"))
    };
    if column.first() == Some(&JSON) {
        return serde_json::from_slice(column).map_err(|error| unreadable(&error));
    }
    let Some((&[PACKED, a, b, c, d], squeezed)) = column.split_first_chunk::<HEAD>() else {
        return Err(unreadable(&"it is not packed by nabat"));
    };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length >= LONGEST {
        return Err(unreadable(&"its length is damaged"));
    }
    let plain = lz4_flex::block::decompress(squeezed, length).map_err(|error| unreadable(&error))?;
    rmp_serde::from_slice(&plain).map_err(|error| unreadable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_as_it_was_and_takes_less_room() {
        let labels: Vec<String> =
            (0..50).map(|n| format!("instance=host{n}.example.org")).collect();
        let packed = pack(&labels).unwrap();
        assert_eq!(unpack::<Vec<String>>(&packed).unwrap(), labels);
        assert!(packed.len() < labels.concat().len(), "{} bytes", packed.len());
    }

    #[test]
    fn what_the_first_schema_wrote_is_still_read() {
        let labels = crate::alert::Labels::from([("job".to_owned(), "node".to_owned())]);
        assert_eq!(unpack::<crate::alert::Labels>(br#"{"job":"node"}"#).unwrap(), labels);
    }

    #[test]
    fn a_damaged_column_is_an_error_wherever_the_damage_is() {
        let packed = pack(&vec!["alertname=DiskFull"; 20]).unwrap();
        for cut in 0..packed.len() {
            assert!(unpack::<Vec<String>>(&packed[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..HEAD {
            let mut damaged = packed.clone();
            damaged[at] ^= 0xff;
            assert!(unpack::<Vec<String>>(&damaged).is_err(), "damaged at {at}");
        }
        assert!(unpack::<Vec<String>>(b"{}").is_err());
    }
}
