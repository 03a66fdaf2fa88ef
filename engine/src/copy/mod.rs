//! COPY's text and csv formats: bytes to record batches and rows to bytes.
//!
//! [`Decoder`] takes bytes as they arrive and gives batches; [`Encoder`] lays out rows of texts. Neither knows a
//! socket, a file or a table: a COPY from a client and one from a file share them. The binary format is not here.

mod csv;
mod decode;
mod encode;
mod options;
mod text;

pub use decode::Decoder;
pub use encode::Encoder;
pub use options::{ColumnList, CopyOptions, Direction, Format, Header, OptionValue};
