//! What several chains left, one below the other.

use arrow::array::{Array, AsArray, BooleanBufferBuilder};
use arrow::buffer::Buffer;
use arrow::datatypes::Float64Type;
use warpwise_gpu::column::{Column, Output};
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Type, ValueType};
use warpwise_gpu::{Error, Result};

use super::run::{Held, computed, exact};
use crate::offload::branches::described;
use crate::offload::lower::Made;
use crate::offload::plan::{Branch, Take};

/// The rows of all parts, each as its branch says.
pub fn together(parts: &[(&Held, &Branch)]) -> Result<Held> {
    let parts = parts.iter().map(|(held, branch)| Ok((stored(held)?, *branch))).collect::<Result<Vec<_>>>()?;
    let leaves: Vec<_> = parts.iter().map(|(held, branch)| (&held.leaves, *branch)).collect();
    let leaves = described(&leaves).map_err(|refusal| Error::Unsupported(refusal.to_string()))?;
    let rows = parts.iter().map(|(held, _)| held.output.rows).sum();
    let columns = leaves.types.iter().enumerate().map(|(at, ty)| {
        let pieces: Vec<Piece<'_>> = parts
            .iter()
            .map(|(held, branch)| Piece {
                rows: held.output.rows,
                take: branch.columns[at],
                of: column(held, branch.columns[at]),
            })
            .collect();
        joined(&pieces, *ty, rows)
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Held { output: Output { rows, columns }, leaves, present: None })
}

/// The same, with what is computed computed.
pub fn stored(held: &Held) -> Result<Held> {
    let mut held = held.clone();
    for at in 0..held.leaves.made.len() {
        let Made::Computed(formula) = held.leaves.made[at].clone() else { continue };
        let what = formula.what;
        let column = match exact(&held.output, &formula)? {
            Some(column) => column,
            None => {
                let values = computed(&held.output, &formula)?;
                let values = values.as_primitive::<Float64Type>();
                let bytes = values.values().iter().flat_map(|value| value.to_le_bytes()).collect();
                let validity = (0..values.len()).map(|row| values.is_valid(row));
                Column::new(what.ty(), held.output.rows, padded(bytes), Some(padded(packed(validity))))
            }
        };
        let place = held.output.columns.len();
        held.output.columns.push(column);
        held.leaves.made[at] = Made::Column { at: place, kind: what.kind() };
        held.leaves.types.push(what.ty());
        held.leaves.ranges.push(what.range());
    }
    Ok(held)
}

fn packed(bits: impl Iterator<Item = bool>) -> Vec<u8> {
    let mut builder = BooleanBufferBuilder::new(0);
    bits.for_each(|bit| builder.append(bit));
    builder.as_slice().to_vec()
}

/// A part of a column.
struct Piece<'a> {
    rows: usize,
    take: Take,
    of: Option<&'a Column>,
}

fn column(held: &Held, take: Take) -> Option<&Column> {
    match take {
        Take::Column(at) | Take::Count(at) => match &held.leaves.made[at] {
            Made::Column { at, .. } => Some(&held.output.columns[*at]),
            Made::Computed(_) => None,
        },
        Take::Number(_) | Take::Null => None,
    }
}

/// Texts one behind the other.
struct Texts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    /// The rows of a column; empty texts where there is none.
    fn append(&mut self, column: Option<&Column>, rows: usize) -> Result<()> {
        let end = self.bytes.len();
        let Some((column, bytes)) = column.and_then(|column| Some((column, column.bytes.as_ref()?))) else {
            let end = self.offsets.last().copied().unwrap_or(0);
            self.offsets.resize(self.offsets.len() + rows, end);
            return Ok(());
        };
        let (from, to) = column.text_span();
        self.bytes.extend_from_slice(&bytes[from..to]);
        i32::try_from(self.bytes.len()).map_err(|_| Error::Unsupported("more than 2 GiB of text in one column".to_owned()))?;
        let offsets = column.values.typed_data::<i32>()[1..=rows].iter();
        self.offsets.extend(offsets.map(|at| (*at as usize - from + end) as i32));
        Ok(())
    }
}

/// One column of all pieces.
fn joined(pieces: &[Piece<'_>], ty: ValueType, rows: usize) -> Result<Column> {
    let mut validity = BooleanBufferBuilder::new(rows);
    let mut bits = BooleanBufferBuilder::new(rows);
    let mut bytes: Vec<u8> = Vec::with_capacity(rows * ty.ty.bytes() + 64);
    let mut texts = Texts { offsets: vec![0], bytes: Vec::new() };
    for piece in pieces {
        let of_valid = piece.of.and_then(|column| column.validity.as_ref());
        match (piece.take, of_valid) {
            (Take::Null, _) => validity.append_n(piece.rows, false),
            (Take::Column(_), Some(valid)) => validity.append_packed_range(0..piece.rows, valid),
            (Take::Column(_) | Take::Count(_) | Take::Number(_), _) => validity.append_n(piece.rows, true),
        }
        match (piece.of, piece.take) {
            (of, _) if ty.ty == Type::Text => texts.append(of, piece.rows)?,
            (Some(column), _) if ty.ty == Type::Bool => bits.append_packed_range(0..piece.rows, &column.values),
            (None, _) if ty.ty == Type::Bool => bits.append_n(piece.rows, false),
            (Some(column), take) => {
                let from = bytes.len();
                let width = column.ty.ty.bytes();
                let values = &column.values[..piece.rows * width];
                if column.ty.ty == ty.ty {
                    bytes.extend_from_slice(values);
                } else if (column.ty.ty, ty.ty) == (Type::I64, Type::I128) {
                    let wide = values.as_chunks::<8>().0.iter().map(|value| i128::from(i64::from_le_bytes(*value)));
                    wide.for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
                } else {
                    return Err(Error::Unsupported(format!("{} beside {}", column.ty.ty.name(), ty.ty.name())));
                }
                if let (Take::Count(_), Some(valid)) = (take, of_valid) {
                    let width = ty.ty.bytes();
                    for row in (0..piece.rows).filter(|row| valid[row / 8] >> (row % 8) & 1 == 0) {
                        bytes[from + row * width..from + (row + 1) * width].fill(0);
                    }
                }
            }
            (None, Take::Number(number)) => {
                let number = i128::from(number).to_le_bytes();
                (0..piece.rows).for_each(|_| bytes.extend_from_slice(&number[..ty.ty.bytes()]));
            }
            (None, Take::Null | Take::Column(_) | Take::Count(_)) => bytes.resize(bytes.len() + piece.rows * ty.ty.bytes(), 0),
        }
    }
    let validity = ty.nullable.then(|| padded(validity.as_slice().to_vec()));
    if ty.ty == Type::Text {
        return Ok(Column::texts(rows, Buffer::from_vec(texts.offsets), padded(texts.bytes), validity));
    }
    let values = if ty.ty == Type::Bool { padded(bits.as_slice().to_vec()) } else { padded(bytes) };
    Ok(Column::new(ty, rows, values, validity))
}
