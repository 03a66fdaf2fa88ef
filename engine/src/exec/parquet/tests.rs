//! What is read here against what Arrow's reader reads: types, NULLs, encodings, compressions, pages, row groups.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::*;
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

use super::{ColumnPlace, stored_schema};

/// A file that goes with the test.
struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(batch: &RecordBatch, properties: WriterProperties) -> Written {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("warpwise-parquet-{}-{}.parquet", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    Written(path)
}

/// The column as one array of its type, and whether pages were decoded here.
fn read(path: &Written, field: &Field) -> (ArrayRef, bool) {
    let file = std::fs::File::open(&path.0).unwrap();
    let metadata = ArrowReaderMetadata::load(&file, Default::default()).unwrap();
    let stored = stored_schema(&metadata);
    let (mut arrays, mut here) = (Vec::new(), true);
    for group in 0..metadata.metadata().num_row_groups() {
        let place = ColumnPlace { path: &path.0, metadata: &metadata, stored: stored.as_ref(), group };
        for array in place.read(field).unwrap() {
            here &= array.data_type() != &DataType::Utf8View && array.data_type() != &DataType::Boolean;
            arrays.push(cast(&array, field.data_type()).unwrap());
        }
    }
    (concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap(), here)
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % count
    }
}

/// Columns of every type that is read here and of some that are not; `distinct` values each, some NULL where asked.
fn columns(rows: usize, distinct: u64, nulls: bool, draw: &mut Draw) -> RecordBatch {
    let mut some = |draw: &mut Draw| -> Vec<Option<i64>> {
        let mut run = 0;
        let mut last = None;
        (0..rows)
            .map(|_| {
                if run == 0 {
                    let longest = if draw.below(3) == 0 { 40 } else { 1 };
                    run = 1 + draw.below(longest);
                    last = (!nulls || draw.below(5) != 0).then(|| draw.below(distinct) as i64 * 7 - 300);
                }
                run -= 1;
                last
            })
            .collect()
    };
    let longs: ArrayRef = Arc::new(Int64Array::from(some(draw)));
    let to = |array: &ArrayRef, ty: DataType| cast(array, &ty).unwrap();
    let small: ArrayRef = Arc::new(some(draw).into_iter().map(|v| v.map(|v| v % 100)).collect::<Int64Array>());
    let decimal = |precision: u8, draw: &mut Draw, some: &mut dyn FnMut(&mut Draw) -> Vec<Option<i64>>| -> ArrayRef {
        let values = some(draw).into_iter().map(|v| v.map(i128::from));
        Arc::new(values.collect::<Decimal128Array>().with_precision_and_scale(precision, 2).unwrap())
    };
    let texts: ArrayRef = Arc::new(
        some(draw)
            .into_iter()
            .map(|v| v.map(|v| "é".repeat((v % 5).unsigned_abs() as usize) + &v.to_string()))
            .collect::<StringArray>(),
    );
    let all: Vec<(&str, ArrayRef)> = vec![
        ("i64", Arc::clone(&longs)),
        ("i32", to(&longs, DataType::Int32)),
        ("i16", to(&small, DataType::Int16)),
        ("i8", to(&small, DataType::Int8)),
        ("f32", to(&longs, DataType::Float32)),
        ("f64", to(&longs, DataType::Float64)),
        ("date", to(&to(&longs, DataType::Int32), DataType::Date32)),
        ("micros", to(&longs, DataType::Timestamp(TimeUnit::Microsecond, None))),
        ("zoned", to(&longs, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))),
        ("time", to(&to(&small, DataType::Int64), DataType::Time64(TimeUnit::Microsecond))),
        ("d7", decimal(7, draw, &mut some)),
        ("d15", decimal(15, draw, &mut some)),
        ("d30", decimal(30, draw, &mut some)),
        ("text", Arc::clone(&texts)),
        ("view", to(&texts, DataType::Utf8View)),
        ("bool", to(&small, DataType::Boolean)),
    ];
    let fields: Vec<Field> = all.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), nulls)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), all.into_iter().map(|(_, array)| array).collect()).unwrap()
}

#[test]
fn columns_are_what_arrow_reads() {
    let mut draw = Draw(7);
    let compressions = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())];
    for round in 0..36 {
        let rows = [1, 9, 1000, 5000][draw.below(4) as usize];
        let distinct = [1, 2, 3, 100, 257, 4000][draw.below(6) as usize];
        let batch = columns(rows, distinct, draw.below(2) == 0, &mut draw);
        let version = if draw.below(2) == 0 { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 };
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_compression(compressions[draw.below(3) as usize])
            .set_max_row_group_row_count(Some([2000, 100_000][draw.below(2) as usize]))
            .set_data_page_row_count_limit([7, 300, 20_000][draw.below(3) as usize])
            .set_write_batch_size(64)
            // Small dictionaries run full, and plain pages follow.
            .set_dictionary_page_size_limit([64, 2000, 1 << 20][draw.below(3) as usize])
            .set_dictionary_enabled(draw.below(4) > 0)
            .build();
        let file = write(&batch, properties);
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let (found, here) = read(&file, field);
            assert_eq!(&found, column, "round {round}, column {}", field.name());
            let plain = version == WriterVersion::PARQUET_1_0 && *field.data_type() != DataType::Boolean;
            assert!(here || !plain, "round {round}, column {} went the long way", field.name());
        }
    }
}

#[test]
fn dictionaries_stay_and_decimals_come_narrow() {
    let decimals = (0..3000).map(|row| Some(i128::from(row % 50) * 100));
    let decimals: ArrayRef = Arc::new(decimals.collect::<Decimal128Array>().with_precision_and_scale(15, 2).unwrap());
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..3000).map(|row| ["AIR", "RAIL"][row % 2])));
    let batch = RecordBatch::try_from_iter([("d", decimals), ("t", texts)]).unwrap();
    let file = write(&batch, WriterProperties::builder().build());
    let metadata = ArrowReaderMetadata::load(&std::fs::File::open(&file.0).unwrap(), Default::default()).unwrap();
    let stored = stored_schema(&metadata);
    let place = ColumnPlace { path: &file.0, metadata: &metadata, stored: stored.as_ref(), group: 0 };
    let types: Vec<DataType> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let arrays = place.read(field).unwrap();
            assert_eq!(arrays.len(), 1);
            arrays[0].data_type().clone()
        })
        .collect();
    let of = |entry: DataType| DataType::Dictionary(Box::new(DataType::UInt8), Box::new(entry));
    assert_eq!(types, [of(DataType::Decimal64(15, 2)), of(DataType::Utf8)]);
}

#[test]
fn other_encodings_and_absent_columns_go_the_long_way() {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(0..500)) as ArrayRef)]).unwrap();
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::DELTA_BINARY_PACKED);
    let file = write(&batch, properties.build());
    assert_eq!(&read(&file, batch.schema().field(0)).0, batch.column(0));
    // A table of several files may have the column in another type.
    let wider = Field::new("n", DataType::Float64, true);
    assert_eq!(read(&file, &wider).0.as_primitive::<arrow::datatypes::Float64Type>().value(499), 499.0);
    let metadata = ArrowReaderMetadata::load(&std::fs::File::open(&file.0).unwrap(), Default::default()).unwrap();
    let place = ColumnPlace { path: &file.0, metadata: &metadata, stored: None, group: 0 };
    let error = place.read(&Field::new("m", DataType::Int64, true)).unwrap_err();
    assert!(error.to_string().ends_with("has no column m"), "{error}");
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let mut draw = Draw(3);
    let batch = columns(2000, 300, true, &mut draw);
    let file = write(&batch, WriterProperties::builder().set_compression(Compression::UNCOMPRESSED).build());
    let whole = std::fs::read(&file.0).unwrap();
    let metadata = ArrowReaderMetadata::load(&std::fs::File::open(&file.0).unwrap(), Default::default()).unwrap();
    let stored = stored_schema(&metadata);
    for _ in 0..300 {
        let mut damaged = whole.clone();
        for _ in 0..1 + draw.below(4) {
            let at = draw.below(whole.len() as u64) as usize;
            damaged[at] = draw.below(256) as u8;
        }
        std::fs::write(&file.0, &damaged).unwrap();
        let place = ColumnPlace { path: &file.0, metadata: &metadata, stored: stored.as_ref(), group: 0 };
        for field in batch.schema().fields() {
            if let Ok(arrays) = place.read(field) {
                let _ = arrays.iter().map(|array| cast(array, field.data_type())).collect::<Vec<_>>();
            }
        }
    }
    std::fs::write(&file.0, &whole[..whole.len() / 2]).unwrap();
    let place = ColumnPlace { path: &file.0, metadata: &metadata, stored: stored.as_ref(), group: 0 };
    assert!(place.read(batch.schema().fields().last().unwrap()).is_err());
}
