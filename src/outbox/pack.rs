//! How notifications, cards and refused bodies stand in a column, and in memory while they wait.
//!
//! `MessagePack` with field names, so that a later nabat can add and leave out fields, squeezed
//! by LZ4: label names and URLs repeat from alert to alert, and what is not written need not be
//! flushed. A body of 4 KiB then fits into a database page beside others.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;

use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// How much room a thread keeps for packing, in bytes: enough for a group of some fifty alerts.
const KEPT: usize = 64 << 10;
/// A value that has more bytes before squeezing takes half a millisecond or more to pack.
const SMALL: usize = 256 << 10;
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
pub(in crate::outbox) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let packed = SCRATCH.with_borrow_mut(|scratch| scratch.pack_within(LONGEST - 1, value))?;
    packed.ok_or_else(|| StoreError::Commit("a value is too long for the store".to_owned()))
}

/// The same, of a value that does not take long; `None` of one that does, given up as soon as that
/// shows: for threads that must not be held up.
///
/// # Errors
/// When the value can't be written, which none of ours is known to do.
pub(in crate::outbox) fn pack_small<T: Serialize>(
    value: &T,
) -> Result<Option<Vec<u8>>, StoreError> {
    SCRATCH.with_borrow_mut(|scratch| scratch.pack_within(SMALL, value))
}

/// A value that is not looked at for a while, and takes less room than it would ready to use.
pub struct Packed<T> {
    bytes: Box<[u8]>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// Packs a value.
    ///
    /// # Errors
    /// When the value can't be written, which none of ours is known to do.
    pub fn new(value: &T) -> Result<Self, StoreError> {
        Ok(Self { bytes: pack(value)?.into_boxed_slice(), of: PhantomData })
    }

    /// The value as it was.
    ///
    /// # Errors
    /// When it does not read, which nothing that was packed is known to do.
    pub fn open(&self) -> Result<T, StoreError> {
        unpack(&self.bytes)
    }
}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes)", self.bytes.len())
    }
}

/// Takes so many bytes and no more.
struct Bounded<'a> {
    taken: &'a mut Vec<u8>,
    most: usize,
    is_full: bool,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.taken.len() {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Room to work in, kept by each thread that packs: making it costs more than the work.
struct Scratch {
    plain: Vec<u8>,
    squeezed: Vec<u8>,
    table: CompressTable,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        plain: Vec::new(),
        squeezed: Vec::new(),
        table: CompressTable::small(),
    });
}

impl Scratch {
    /// Packs a value unless it has more than `most` bytes.
    fn pack_within<T: Serialize>(
        &mut self,
        most: usize,
        value: &T,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.plain.clear();
        let mut plain = Bounded { taken: &mut self.plain, most, is_full: false };
        let written = rmp_serde::encode::write_named(&mut plain, value);
        let packed = match written {
            Err(_) if plain.is_full => Ok(None),
            Err(error) => Err(StoreError::Commit(error.to_string())),
            Ok(()) => self.squeeze().map(Some),
        };
        // One large value must not take memory for ever.
        self.plain.truncate(KEPT);
        self.plain.shrink_to(KEPT);
        self.squeezed.truncate(KEPT);
        self.squeezed.shrink_to(KEPT);
        packed
    }

    /// What is written in `plain`, as a column.
    fn squeeze(&mut self) -> Result<Vec<u8>, StoreError> {
        let commit = |error: &dyn fmt::Display| StoreError::Commit(error.to_string());
        let length = u32::try_from(self.plain.len()).map_err(|error| commit(&error))?;
        let most = get_maximum_output_size(self.plain.len());
        if self.squeezed.len() < most {
            self.squeezed.resize(most, 0);
        }
        let squeezed = compress_into_with_table(&self.plain, &mut self.squeezed, &mut self.table)
            .map_err(|error| commit(&error))?;
        let mut packed = Vec::with_capacity(HEAD + squeezed);
        packed.push(PACKED);
        packed.extend_from_slice(&length.to_le_bytes());
        packed.extend_from_slice(&self.squeezed[..squeezed]);
        Ok(packed)
    }
}

/// The value that stands in a column.
///
/// # Errors
/// When the column is damaged, or was written by something else.
pub(in crate::outbox) fn unpack<T: DeserializeOwned>(column: &[u8]) -> Result<T, StoreError> {
    let unreadable = |why: &dyn fmt::Display| StoreError::Unreadable(why.to_string());
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
    let plain =
        lz4_flex::block::decompress(squeezed, length).map_err(|error| unreadable(&error))?;
    if plain.len() != length {
        return Err(unreadable(&"it is shorter than it should be"));
    }
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
    fn a_large_value_is_given_up_where_time_is_short_and_a_small_one_packed_alike() {
        let small = vec!["alertname=DiskFull"; 20];
        assert_eq!(pack_small(&small).unwrap(), Some(pack(&small).unwrap()));
        let one_text = "x".repeat(SMALL);
        assert_eq!(pack_small(&one_text).unwrap(), None);
        let many_texts = vec!["alertname=DiskFull"; SMALL / 10];
        assert_eq!(pack_small(&many_texts).unwrap(), None);
        assert_eq!(unpack::<Vec<String>>(&pack(&many_texts).unwrap()).unwrap(), many_texts);
        SCRATCH.with_borrow(|scratch| {
            assert!(scratch.plain.capacity() <= KEPT && scratch.squeezed.capacity() <= KEPT);
        });
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
