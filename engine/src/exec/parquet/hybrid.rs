//! Parquet's hybrid of run lengths and packed bits, in which keys and levels are written.

/// What is unpacked into: an unsigned integer.
pub trait Key: Copy + Default {
    /// How many bits it has.
    const BITS: u32;
    /// The low bits of a number.
    fn of(bits: u64) -> Self;
    /// The number.
    fn number(self) -> usize;
}

macro_rules! key {
    ($($native:ty),*) => {
        $(impl Key for $native {
            const BITS: u32 = <$native>::BITS;
            fn of(bits: u64) -> Self {
                bits as Self
            }
            fn number(self) -> usize {
                self as usize
            }
        })*
    };
}

key!(u8, u16, u32);

/// Appends `count` numbers of `width` bits to `out`. None where the bytes are no such run, or the numbers do not fit.
pub fn decode<K: Key>(mut data: &[u8], width: u32, count: usize, out: &mut Vec<K>) -> Option<()> {
    if width > K::BITS {
        return None;
    }
    let end = out.len() + count;
    out.reserve(count.min(1 << 20));
    while out.len() < end {
        let left = end - out.len();
        let header = varint(&mut data)?;
        let many = usize::try_from(header >> 1).ok()?;
        if header & 1 == 0 {
            let (bytes, rest) = data.split_at_checked(width.div_ceil(8) as usize)?;
            let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            if value >> width != 0 || many == 0 {
                return None;
            }
            out.resize(out.len() + many.min(left), K::of(value));
            data = rest;
        } else {
            let bytes = many.checked_mul(width as usize)?;
            let take = many.checked_mul(8)?.min(left);
            // Some writers end a last run where its values end.
            let (run, rest) = data.split_at(bytes.min(data.len()));
            if run.len() < (take * width as usize).div_ceil(8) || many == 0 {
                return None;
            }
            unpack(run, width, take, out);
            data = rest;
        }
    }
    Some(())
}

fn varint(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn unpack<K: Key>(run: &[u8], width: u32, count: usize, out: &mut Vec<K>) {
    let from = out.len();
    match width {
        0 => out.resize(from + count, K::of(0)),
        17.. => {
            // Wide keys are of large dictionaries, and seldom.
            for at in 0..count {
                let bit = at * width as usize;
                let word = word(run, bit / 8) >> (bit % 8);
                out.push(K::of(word & ((1 << width) - 1)));
            }
        }
        _ => {
            out.resize(from + count.next_multiple_of(8), K::of(0));
            let groups = out[from..].as_chunks_mut::<8>().0;
            macro_rules! widths {
                ($($w:literal)*) => {
                    match width {
                        $($w => eights::<K, $w>(run, groups),)*
                        _ => {}
                    }
                };
            }
            widths!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
            out.truncate(from + count);
        }
    }
}

/// Unpacks eight numbers at a time, which begin and end at a byte.
fn eights<K: Key, const WIDTH: usize>(run: &[u8], groups: &mut [[K; 8]]) {
    let mask = (1u64 << WIDTH) - 1;
    // Four numbers begin at a byte, or at its middle.
    let (second, shift) = (WIDTH * 4 / 8, WIDTH * 4 % 8);
    let write = |group: &mut [K; 8], bytes: &[u8; 16]| {
        let (first, _) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let low = u64::from_le_bytes(*first);
        let high = bytes[second..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes)) >> shift;
        for at in 0..4 {
            group[at] = K::of(low >> (at * WIDTH) & mask);
            group[at + 4] = K::of(high >> (at * WIDTH) & mask);
        }
    };
    let whole = run.len().saturating_sub(16) / WIDTH + usize::from(run.len() >= 16);
    let (quick, slow) = groups.split_at_mut(whole.min(groups.len()));
    for (at, group) in quick.iter_mut().enumerate() {
        if let Some(bytes) = run[at * WIDTH..].first_chunk::<16>() {
            write(group, bytes);
        }
    }
    let done = quick.len();
    for (at, group) in slow.iter_mut().enumerate() {
        let from = ((done + at) * WIDTH).min(run.len());
        let mut bytes = [0; 16];
        let there = &run[from..run.len().min(from + 16)];
        bytes[..there.len()].copy_from_slice(there);
        write(group, &bytes);
    }
}

/// Eight bytes from a place on, zeros behind the end.
fn word(data: &[u8], at: usize) -> u64 {
    match data[at.min(data.len())..].first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            let there = &data[at.min(data.len())..];
            bytes[..there.len()].copy_from_slice(there);
            u64::from_le_bytes(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(values: &[u32], width: u32) -> Vec<u8> {
        let groups = values.len().div_ceil(8);
        let mut bytes = vec![0u8; groups * width as usize];
        for (at, value) in values.iter().enumerate() {
            for bit in 0..width as usize {
                let place = at * width as usize + bit;
                bytes[place / 8] |= ((value >> bit & 1) as u8) << (place % 8);
            }
        }
        let mut run = vec![(groups << 1 | 1) as u8 & 0x7f | 0x80, (groups >> 6) as u8];
        run.extend(bytes);
        run
    }

    #[test]
    fn packed_bits_of_every_width_come_back() {
        for width in 1..=32u32 {
            let values: Vec<u32> =
                (0..1001u32).map(|v| (u64::from(v.wrapping_mul(2_654_435_761)) & ((1u64 << width) - 1)) as u32).collect();
            for count in [1, 7, 8, 9, 30, 500, 1001] {
                let mut data = packed(&values[..count], width);
                data.extend([6, 1, 0, 0, 0][..1 + width.div_ceil(8) as usize].iter());
                let mut out: Vec<u32> = vec![99];
                assert_eq!(decode(&data, width, count + if count % 8 == 0 { 3 } else { 0 }, &mut out), Some(()));
                assert_eq!(out[1..=count], values[..count], "{width} bits");
                if count % 8 == 0 {
                    assert_eq!(out[count + 1..], [1, 1, 1], "a run of three");
                }
            }
        }
    }

    #[test]
    fn what_is_no_run_is_told() {
        let mut out: Vec<u8> = vec![];
        assert_eq!(decode(&[], 1, 1, &mut out), None);
        assert_eq!(decode(&[0x80, 0x80, 0x80, 0x80, 0x80], 1, 1, &mut out), None);
        assert_eq!(decode(&[3], 4, 8, &mut out), None, "bytes are missing");
        assert_eq!(decode(&[2, 9], 3, 1, &mut out), None, "more bits than there are");
        assert_eq!(decode(&[2, 9], 9, 1, &mut out), None, "wider than the keys");
        assert_eq!(decode(&[0, 0], 3, 1, &mut out), None, "a run of nothing");
        assert_eq!((decode(&[], 0, 0, &mut out), out.len()), (Some(()), 0));
    }
}
